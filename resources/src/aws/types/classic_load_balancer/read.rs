//! Reading classic load balancers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::types::LoadBalancerDescription;

use super::{
    super::prelude::*, ClassicAccessLogs, ClassicHealthCheck, ClassicListener, ClassicLoadBalancer, Outputs, policies::KnownPolicies,
    settings::DESYNC_MITIGATION,
};
use crate::core::Tags;

/// Load balancers whose tags a call returns.
const PER_CALL: usize = 20;

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<ClassicLoadBalancer>>> {
    let all: Vec<_> = aws.elb.describe_load_balancers().into_paginator().items().send().try_collect().await?;
    let arn = |name: &str| {
        let account = scope.tag_index.iter().flat_map(|index| index.keys()).find_map(|arn| arn.split(':').nth(4)).unwrap_or_default();
        format!("arn:{}:elasticloadbalancing:{}:{account}:loadbalancer/{name}", partition(&aws.region), aws.region)
    };
    let own = all.into_iter().filter_map(|balancer| Some((balancer.load_balancer_name.clone()?, balancer)));
    let own: Vec<(String, LoadBalancerDescription)> = own.filter(|(name, _)| scope.covers(name, &arn(name))).collect();
    let tags = &tags(aws, scope, own.iter().map(|(name, _)| name)).await?;
    for_each_concurrent(own, |(name, balancer)| async move {
        let Some(tags) = tags.get(&name).filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
        read(aws, name, balancer, tags.clone()).await
    })
    .await
}

/// Tags by name: those of a create call, or those that AWS reports. The names are unique in the region.
async fn tags(aws: &Aws, scope: &Scope, names: impl Iterator<Item = &String>) -> Result<BTreeMap<String, Tags>> {
    let (known, unknown): (Vec<&String>, Vec<&String>) = names.partition(|name| scope.tags_on_create.contains_key(*name));
    let mut found: BTreeMap<String, Tags> =
        known.into_iter().filter_map(|name| Some((name.clone(), scope.tags_on_create.get(name)?.clone()))).collect();
    for some in unknown.chunks(PER_CALL) {
        let call = aws.elb.describe_tags().set_load_balancer_names(Some(some.iter().map(|name| (*name).clone()).collect()));
        // One that was deleted after the first call fails the call for all; they are asked for one by one then.
        let descriptions = match ok_or_not_found(call.send().await)? {
            Some(reply) => reply.tag_descriptions.unwrap_or_default(),
            None => {
                let mut each = Vec::new();
                for name in some {
                    let reply = ok_or_not_found(aws.elb.describe_tags().load_balancer_names(*name).send().await)?;
                    each.extend(reply.and_then(|reply| reply.tag_descriptions).unwrap_or_default());
                }
                each
            }
        };
        let tags = descriptions.into_iter().filter_map(|one| Some((one.load_balancer_name?, services::elb::from_tags(&one.tags?))));
        found.extend(tags);
    }
    Ok(found)
}

/// `None`: it was deleted.
async fn read(aws: &Aws, name: String, balancer: LoadBalancerDescription, tags: Tags) -> Result<Option<Observed<ClassicLoadBalancer>>> {
    let reply = ok_or_not_found(aws.elb.describe_load_balancer_attributes().load_balancer_name(&name).send().await)?;
    let Some(attributes) = reply.and_then(|reply| reply.load_balancer_attributes) else { return Ok(None) };
    let policies = KnownPolicies::read(aws, &name, &balancer).await?;
    let mut listeners = BTreeSet::new();
    for description in balancer.listener_descriptions() {
        if let Some(listener) = description.listener() {
            listeners.insert(policies.apply(ClassicListener::from_sdk(listener)?, description.policy_names()));
        }
    }
    let draining = attributes.connection_draining.filter(|draining| draining.enabled);
    let logs = attributes.access_log.filter(|logs| logs.enabled);
    let additional = attributes.additional_attributes.unwrap_or_default();
    let mitigation = additional.into_iter().find(|one| one.key() == Some(DESYNC_MITIGATION)).and_then(|one| one.value);
    let mut spec = ClassicLoadBalancer {
        name: Some(name.clone()),
        internal: balancer.scheme.as_deref() == Some("internal"),
        subnets: balancer.subnets.unwrap_or_default().into_iter().map(Ref::to).collect(),
        security_groups: balancer.security_groups.unwrap_or_default().into_iter().map(Ref::to).collect(),
        listeners,
        health_check: ClassicHealthCheck::of_aws(0),
        instances: Some(balancer.instances.unwrap_or_default().into_iter().filter_map(|instance| instance.instance_id).collect()),
        cross_zone: attributes.cross_zone_load_balancing.is_some_and(|cross_zone| cross_zone.enabled),
        connection_draining_seconds: draining.map_or(0, |draining| draining.timeout.unwrap_or(300)),
        idle_timeout_seconds: attributes
            .connection_settings
            .map_or_else(ClassicLoadBalancer::default_idle_timeout_seconds, |settings| settings.idle_timeout),
        access_logs: logs.map(|logs| ClassicAccessLogs {
            bucket: Ref::to(logs.s3_bucket_name.unwrap_or_default()),
            prefix: logs.s3_bucket_prefix.unwrap_or_default(),
            interval_minutes: logs.emit_interval.unwrap_or(60),
        }),
        desync_mitigation: mitigation.unwrap_or_else(ClassicLoadBalancer::default_desync_mitigation),
    };
    spec.health_check = balancer.health_check.map_or_else(|| spec.default_health_check(), ClassicHealthCheck::from_sdk);
    let dns_name = balancer.dns_name.ok_or_else(|| Error::missing_field("DNSName"))?;
    let owner = balancer.source_security_group.and_then(|group| group.owner_alias);
    let arn = arn_of(aws, &name, owner).await?;
    let outputs = Outputs { arn, dns_name, zone_id: balancer.canonical_hosted_zone_name_id.unwrap_or_default() };
    Ok(Some(Observed::new(name, tags, spec, outputs)))
}

/// AWS does not report the ARN, which has the account: the owner of the security group.
async fn arn_of(aws: &Aws, name: &str, owner: Option<String>) -> Result<String> {
    let account = match owner.filter(|owner| owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(account) => account,
        None => aws.account().await?,
    };
    Ok(format!("arn:{}:elasticloadbalancing:{}:{account}:loadbalancer/{name}", partition(&aws.region), aws.region))
}
