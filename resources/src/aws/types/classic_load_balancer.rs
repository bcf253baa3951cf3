//! `classic_load_balancer`: a load balancer of the previous generation.

mod check;
mod listener;
mod policies;
mod read;
mod settings;

use std::collections::BTreeSet;

pub use listener::{ClassicListener, ListenerProtocol, ListenerStickiness};
pub use settings::{ClassicAccessLogs, ClassicHealthCheck};

use super::{prelude::*, security_group::SecurityGroup, subnet::Subnet};
use crate::core::referenced_ids;

/// A load balancer of the previous generation, for stacks that have one. New ones are `load_balancer`.
#[spec]
pub struct ClassicLoadBalancer {
    /// Name, unique in account and region.
    #[field(name(max = 32), pattern = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", replaces, unique = "name")]
    pub name: Option<String>,
    /// Reachable from the VPC alone, not from the internet.
    #[field(default = false, replaces, important, risky(false, "it has public addresses"))]
    pub internal: bool,
    /// Subnets, at most one for each availability zone. Those of another VPC replace it.
    #[field(length = 1..=100, important, impact = "connections through a removed subnet end", keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups.
    #[field(length = 1..=100, important)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Ports on which it listens.
    #[field(length = 1..=100, important, impact = "a changed listener is made again, and its connections end")]
    #[field(after_create = self.listeners_at_creation())]
    pub listeners: BTreeSet<ClassicListener>,
    /// Health check of the instances.
    #[field(after_create = self.default_health_check(), important)]
    pub health_check: ClassicHealthCheck,
    /// Ids of instances that are registered. Without it, they are left alone: an `autoscaling_group` registers its own.
    #[field(unset = "unchanged, at creation none", after_create = None, pattern = r"i-[0-9a-f]+|\$\{.+\}")]
    #[field(dropped(kept, "another may register instances"))]
    pub instances: Option<BTreeSet<String>>,
    /// Distributes requests over the instances of all zones.
    #[field(default = false, after_create)]
    pub cross_zone: bool,
    /// Time for requests in progress when an instance leaves, in seconds; 0 for none.
    #[field(default = 0, range = 0..=3600, after_create)]
    pub connection_draining_seconds: i32,
    /// Time after which an idle connection is closed, in seconds.
    #[field(default = 60, range = 1..=4000, after_create)]
    pub idle_timeout_seconds: i32,
    /// Access logs in a bucket, whose policy must allow it.
    #[field(unset = "none", after_create = None, dropped = None)]
    pub access_logs: Option<ClassicAccessLogs>,
    /// Treatment of requests that servers may understand differently.
    #[field(default = "defensive", one_of = ["monitor", "defensive", "strictest"], after_create)]
    pub desync_mitigation: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name.
    #[schemars(extend("x-acme-simulated" = "{label}.{region}.elb.{simulated_domain}"))]
    pub dns_name: String,
    /// Id of the hosted zone of the host name, for alias records.
    #[schemars(extend("x-acme-simulated" = "Z{upper14}"))]
    pub zone_id: String,
}

/// GB processed in a month.
const GB_PROCESSED: UsageKey = UsageKey::new("gb_processed", "GB processed in a month");

impl Resource for ClassicLoadBalancer {
    const TYPE: TypeInfo = TypeInfo::new(
        "classic_load_balancer",
        &services::elb::SERVICE,
        "{name}",
        "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{name}",
    )
    .deletable_while_in_use()
    .without_token()
    .lost_on_recreation("its host name changes")
    .quota(20, "TooManyLoadBalancers")
    .iam_actions(
        IamActions::new("elasticloadbalancing:loadbalancer/{name}")
            .list(&[
                "elasticloadbalancing:DescribeLoadBalancerAttributes",
                "elasticloadbalancing:DescribeLoadBalancerPolicies",
                "elasticloadbalancing:DescribeLoadBalancers",
                "elasticloadbalancing:DescribeTags",
            ])
            .create(&["elasticloadbalancing:CreateLoadBalancer"])
            .change(&[
                "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer",
                "elasticloadbalancing:AttachLoadBalancerToSubnets",
                "elasticloadbalancing:ConfigureHealthCheck",
                "elasticloadbalancing:CreateAppCookieStickinessPolicy",
                "elasticloadbalancing:CreateLBCookieStickinessPolicy",
                "elasticloadbalancing:CreateLoadBalancerListeners",
                "elasticloadbalancing:CreateLoadBalancerPolicy",
                "elasticloadbalancing:DeleteLoadBalancer",
                "elasticloadbalancing:DeleteLoadBalancerListeners",
                "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
                "elasticloadbalancing:DetachLoadBalancerFromSubnets",
                "elasticloadbalancing:ModifyLoadBalancerAttributes",
                "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
                "elasticloadbalancing:SetLoadBalancerListenerSSLCertificate",
                "elasticloadbalancing:SetLoadBalancerPoliciesForBackendServer",
                "elasticloadbalancing:SetLoadBalancerPoliciesOfListener",
            ])
            .grants(&[IamGrant::change(
                &["iam:CreateServiceLinkedRole"],
                GrantTarget::ServiceLinkedRole("elasticloadbalancing.amazonaws.com"),
            )]),
    );
    const USAGE: &'static [UsageKey] = &[GB_PROCESSED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AWSELB").family("Load Balancer").usage_type(usage_type);
        Pricing::of(vec![
            context.hourly("load balancer", 1.0, product("LoadBalancerUsage")),
            context.metered("data processed", &GB_PROCESSED, "GB", product("DataProcessing-Bytes")),
        ])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The policies of its listeners are made afterwards.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let listeners = self.listeners.iter().map(ClassicListener::to_sdk).collect::<Result<_>>()?;
        cx.elb
            .create_load_balancer()
            .set_load_balancer_name(self.name.clone())
            .set_listeners(Some(listeners))
            .set_subnets(Some(referenced_ids(&self.subnets)))
            .set_security_groups(Some(referenced_ids(&self.security_groups)))
            .set_scheme(self.internal.then(|| "internal".to_owned()))
            .set_tags(Some(services::elb::to_tags(&cx.call.tags)))
            .send()
            .await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("LoadBalancerName"))?.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: ClassicLoadBalancerChanges) -> Result<()> {
        let id = live.id.as_str();
        if changes.security_groups {
            let call = cx.elb.apply_security_groups_to_load_balancer().load_balancer_name(id);
            call.set_security_groups(Some(referenced_ids(&self.security_groups))).send().await?;
        }
        if changes.subnets {
            settings::change_subnets(cx, id, &live.spec.subnets, &self.subnets).await?;
        }
        if changes.listeners {
            listener::change(cx, id, &live.spec.listeners, &self.listeners).await?;
        }
        if changes.health_check {
            let call = cx.elb.configure_health_check().load_balancer_name(id);
            call.health_check(self.health_check.to_sdk()?).send().await?;
        }
        if let Some(wanted) = self.instances.as_ref().filter(|_| changes.instances) {
            settings::change_instances(cx, id, live.spec.instances.as_ref(), wanted).await?;
        }
        if let Some(attributes) = self.attributes(&changes)? {
            cx.elb.modify_load_balancer_attributes().load_balancer_name(id).load_balancer_attributes(attributes).send().await?;
        }
        Ok(())
    }

    /// AWS reports no error for one that is gone.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elb.delete_load_balancer().load_balancer_name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// AWS adds its default policy for TLS, and the certificate of a listener may be an IAM server certificate.
    fn normalize(&self, live: &mut Self) {
        live.listeners = live.listeners.iter().map(|listener| listener.without_defaults(&self.listeners)).collect();
    }
}
