//! Settings of classic load balancers with calls of their own.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancing::types::{
    AccessLog, AdditionalAttribute, ConnectionDraining, ConnectionSettings, CrossZoneLoadBalancing, HealthCheck, Instance,
    LoadBalancerAttributes,
};

use super::{
    super::{prelude::*, s3_bucket::S3Bucket, subnet::Subnet},
    ClassicListener, ClassicLoadBalancer, ClassicLoadBalancerChanges,
};
use crate::core::ErrorKind;

/// Health check of instances.
#[spec]
#[derive(PartialEq)]
pub struct ClassicHealthCheck {
    /// Protocol and port, and for HTTP and HTTPS the path: `HTTP:8080/healthz`, `TCP:5432`.
    #[field(pattern = r"(TCP|SSL):\d{1,5}|(HTTP|HTTPS):\d{1,5}/.*", length = 5..=1024)]
    pub target: String,
    /// Interval between checks, in seconds.
    #[field(default = 30, range = 5..=300)]
    pub interval_seconds: i32,
    /// Response timeout, in seconds.
    #[field(default = 5, range = 2..=60)]
    pub timeout_seconds: i32,
    /// Consecutive successes that make an instance healthy.
    #[field(default = 10, range = 2..=10)]
    pub healthy_threshold: i32,
    /// Consecutive failures that make an instance unhealthy.
    #[field(default = 2, range = 2..=10)]
    pub unhealthy_threshold: i32,
}

impl ClassicHealthCheck {
    /// Health check that AWS gives to a new load balancer with this instance port.
    pub(super) fn of_aws(port: i32) -> ClassicHealthCheck {
        ClassicHealthCheck {
            target: format!("TCP:{port}"),
            interval_seconds: 30,
            timeout_seconds: 5,
            healthy_threshold: 10,
            unhealthy_threshold: 2,
        }
    }
    pub(super) fn to_sdk(&self) -> Result<HealthCheck> {
        let check = HealthCheck::builder().target(&self.target).interval(self.interval_seconds).timeout(self.timeout_seconds);
        Ok(check.healthy_threshold(self.healthy_threshold).unhealthy_threshold(self.unhealthy_threshold).build()?)
    }
    pub(super) fn from_sdk(check: HealthCheck) -> ClassicHealthCheck {
        ClassicHealthCheck {
            target: check.target,
            interval_seconds: check.interval,
            timeout_seconds: check.timeout,
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
        }
    }
}

/// Access logs.
#[spec]
#[derive(PartialEq)]
pub struct ClassicAccessLogs {
    /// Bucket.
    pub bucket: Ref<S3Bucket>,
    /// Beginning of the objects' keys, without a slash at its end; empty for none.
    #[field(default, length = 0..=900, pattern = "([^/].*)?")]
    pub prefix: String,
    /// Interval between log files, in minutes.
    #[field(default = 60, one_of = [5, 60])]
    pub interval_minutes: i32,
}

impl ClassicLoadBalancer {
    /// Listeners as the create call makes them: without policies, which are calls of their own.
    pub(super) fn listeners_at_creation(&self) -> BTreeSet<ClassicListener> {
        let plain =
            |listener: &ClassicListener| ClassicListener { tls_policy: None, stickiness: None, proxy_protocol: false, ..listener.clone() };
        self.listeners.iter().map(plain).collect()
    }
    /// Health check that AWS gives to a new one: a connection to the first listener's instance port.
    pub(super) fn default_health_check(&self) -> ClassicHealthCheck {
        ClassicHealthCheck::of_aws(self.listeners.iter().next().map_or(80, |listener| listener.instance_port))
    }

    /// The attributes that differ; `None` without any.
    pub(super) fn attributes(&self, changes: &ClassicLoadBalancerChanges) -> Result<Option<LoadBalancerAttributes>> {
        let ClassicLoadBalancerChanges { cross_zone, connection_draining_seconds, idle_timeout_seconds, access_logs, .. } = *changes;
        if !(cross_zone || connection_draining_seconds || idle_timeout_seconds || access_logs || changes.desync_mitigation) {
            return Ok(None);
        }
        let draining = || {
            let seconds = Some(self.connection_draining_seconds).filter(|seconds| *seconds > 0);
            ConnectionDraining::builder().enabled(seconds.is_some()).set_timeout(seconds).build()
        };
        let logs = || match &self.access_logs {
            Some(logs) => AccessLog::builder()
                .enabled(true)
                .s3_bucket_name(logs.bucket.get())
                .s3_bucket_prefix(&logs.prefix)
                .emit_interval(logs.interval_minutes)
                .build(),
            None => AccessLog::builder().enabled(false).build(),
        };
        let mitigation = || {
            let attribute = AdditionalAttribute::builder().key(DESYNC_MITIGATION);
            vec![attribute.value(&self.desync_mitigation).build()]
        };
        let idle = idle_timeout_seconds.then(|| ConnectionSettings::builder().idle_timeout(self.idle_timeout_seconds).build());
        let attributes = LoadBalancerAttributes::builder()
            .set_cross_zone_load_balancing(cross_zone.then(|| CrossZoneLoadBalancing::builder().enabled(self.cross_zone).build()))
            .set_connection_draining(connection_draining_seconds.then(draining))
            .set_connection_settings(idle.transpose()?)
            .set_access_log(access_logs.then(logs))
            .set_additional_attributes(changes.desync_mitigation.then(mitigation));
        Ok(Some(attributes.build()))
    }
}

/// Key of the attribute.
pub(super) const DESYNC_MITIGATION: &str = "elb.http.desyncmitigationmode";

/// New subnets are attached first. A zone has one, so a new one that replaces another of its zone is attached after the other has left; a
/// load balancer keeps at least one.
pub(super) async fn change_subnets(cx: &Cx<'_>, id: &str, before: &BTreeSet<Ref<Subnet>>, after: &BTreeSet<Ref<Subnet>>) -> Result<()> {
    let names = |one: &BTreeSet<Ref<Subnet>>, other: &BTreeSet<Ref<Subnet>>| {
        one.difference(other).map(|subnet| subnet.get().to_owned()).collect::<Vec<_>>()
    };
    let (mut new, old) = (names(after, before), names(before, after));
    let attach = async |subnets: Vec<String>| {
        cx.elb.attach_load_balancer_to_subnets().load_balancer_name(id).set_subnets(Some(subnets)).send().await.map_err(Error::from)
    };
    let detach = async |subnets: Vec<String>| {
        cx.elb.detach_load_balancer_from_subnets().load_balancer_name(id).set_subnets(Some(subnets)).send().await.map_err(Error::from)
    };
    if !new.is_empty() {
        match attach(new.clone()).await {
            Ok(_) => new.clear(),
            Err(error) if error.kind == ErrorKind::Rejected && !old.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    if !old.is_empty() {
        detach(old).await?;
    }
    if !new.is_empty() {
        attach(new).await?;
    }
    Ok(())
}

pub(super) async fn change_instances(cx: &Cx<'_>, id: &str, before: Option<&BTreeSet<String>>, after: &BTreeSet<String>) -> Result<()> {
    let none = BTreeSet::new();
    let before = before.unwrap_or(&none);
    let list = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        let instances = one.difference(other).map(|instance| Instance::builder().instance_id(instance).build());
        Some(instances.collect::<Vec<_>>()).filter(|list| !list.is_empty())
    };
    if let Some(new) = list(after, before) {
        cx.elb.register_instances_with_load_balancer().load_balancer_name(id).set_instances(Some(new)).send().await?;
    }
    if let Some(old) = list(before, after) {
        cx.elb.deregister_instances_from_load_balancer().load_balancer_name(id).set_instances(Some(old)).send().await?;
    }
    Ok(())
}
