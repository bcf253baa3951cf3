//! `autoscaling_group`: instances of EC2 whose number follows the load.

mod attachments;
mod check;
mod deletion;
mod extras;
mod hook;
mod mixed;
mod policy;
mod policy_calls;
mod price;
mod read;
mod refresh;
mod requirements;
mod schedule;
mod settings;
mod warm_pool;

use std::collections::{BTreeMap, BTreeSet};

pub use extras::{CapacityReservation, Maintenance, Notification};
pub use hook::LifecycleHook;
pub use mixed::{InstanceOverride, MixedInstances};
pub use policy::{MetricQuery, PredictiveScaling, ScalingPolicy, SimpleScaling, StepScaling, TargetTracking, TrackedMetric};
pub use refresh::InstanceRefresh;
pub use schedule::Schedule;
pub use warm_pool::WarmPool;

use super::{
    classic_load_balancer::ClassicLoadBalancer, launch_template::LaunchTemplate, prelude::*, subnet::Subnet, target_group::TargetGroup,
};
use crate::core::Prerequisite;

/// Instances of EC2, whose number follows the load, and which are replaced if they fail.
#[spec]
pub struct AutoscalingGroup {
    /// Name, unique in account and region.
    #[field(name(max = 255), pattern = r"[!-9;-~]([ -9;-~]*[!-9;-~])?", replaces, unique = "name")]
    pub name: Option<String>,
    /// Launch template of the instances.
    #[field(important)]
    pub launch_template: Ref<LaunchTemplate>,
    /// Version of the launch template: a number in quotes, `$Latest` or `$Default`. With `{{ launch_template.<name>.version }}`, the group
    /// changes with the template.
    #[field(
        default = "$Default",
        pattern = r"[0-9]+|\$Latest|\$Default",
        important,
        impact = "applies to new instances, and with `instance_refresh` to all"
    )]
    pub launch_template_version: String,
    /// Several instance types, on demand and spot.
    #[field(important, unset = "the template's instance type, on demand", dropped = None)]
    pub mixed_instances: Option<MixedInstances>,
    /// Fewest instances.
    #[field(range = 0..=2_147_483_647, important)]
    pub min: i32,
    /// Most instances.
    #[field(range = 0..=2_147_483_647, important)]
    pub max: i32,
    /// Number of instances when the group is created, between `min` and `max`. Afterwards policies, schedules or a scaler set it.
    #[field(unset = "`min`", initial_only, range = 0..=2_147_483_647, dropped(kept, "used only at creation"))]
    pub desired: Option<i32>,
    /// Unit of these numbers.
    #[field(default = "units", one_of = ["units", "vcpu", "memory-mib"])]
    pub capacity_unit: String,
    /// Subnets in which instances start.
    #[field(length = 1..=100, important)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Target groups of load balancers in which instances are registered.
    #[field(default, important)]
    pub target_groups: BTreeSet<ArnRef<TargetGroup>>,
    /// Classic load balancers in which instances are registered.
    #[field(default)]
    pub classic_load_balancers: BTreeSet<Ref<ClassicLoadBalancer>>,
    /// ARNs of target groups of VPC Lattice in which instances are registered.
    #[field(default, length = 0..=5, pattern = "arn:aws[a-z-]*:vpc-lattice:.+")]
    pub lattice_target_groups: BTreeSet<String>,
    /// Health checks beside that of EC2: those of load balancers (`ELB`), volumes (`EBS`) and VPC Lattice (`VPC_LATTICE`).
    #[field(default, one_of = ["ELB", "EBS", "VPC_LATTICE"], important)]
    pub health_checks: BTreeSet<String>,
    /// Time until the health of a new instance counts, in seconds.
    #[field(default = 300, range = 0..=7200)]
    pub health_check_grace_seconds: i32,
    /// Time after a simple scaling activity until the next, in seconds.
    #[field(default = 300, range = 0..=100_000)]
    pub cooldown_seconds: i32,
    /// Time until the metrics of a new instance count, in seconds.
    #[field(unset = "none", range = 0..=3600, dropped = None)]
    pub warmup_seconds: Option<i32>,
    /// Order in which instances are terminated: `Default`, `AllocationStrategy`, `ClosestToNextInstanceHour`, `NewestInstance`,
    /// `OldestInstance`, `OldestLaunchConfiguration`, `OldestLaunchTemplate`, or the ARN of a Lambda function.
    #[field(
        default = vec!["Default".to_owned()],
        length = 1..=10,
        pattern = "Default|AllocationStrategy|ClosestToNextInstanceHour|NewestInstance|OldestInstance|OldestLaunchConfiguration|OldestLaunchTemplate|arn:aws[a-z-]*:lambda:.+"
    )]
    pub termination_policies: Vec<String>,
    /// Protects new instances from being terminated when the group shrinks.
    #[field(default = false)]
    pub protect_new_instances: bool,
    /// Time after which an instance is replaced, in seconds.
    #[field(unset = "no limit", range = 86_400..=31_536_000, dropped = None)]
    pub max_instance_lifetime_seconds: Option<i32>,
    /// Replaces spot instances that AWS is likely to reclaim, before it does.
    #[field(default = false)]
    pub capacity_rebalance: bool,
    /// Limits of the number of instances while some are replaced.
    #[field(unset = "AWS's defaults, which depend on the reason", dropped = None)]
    pub maintenance: Option<Maintenance>,
    /// Distribution of instances over availability zones. With `balanced-only`, a zone without capacity gets no substitute in another.
    #[field(default = "balanced-best-effort", one_of = ["balanced-best-effort", "balanced-only", "reservations-then-balanced"])]
    pub zone_distribution: String,
    /// Lets zonal shifts move instances out of an impaired zone.
    #[field(default = false)]
    pub zonal_shift: bool,
    /// Whether unhealthy instances of an impaired zone are replaced during a zonal shift.
    #[field(unset = "`ReplaceUnhealthy`", one_of = ["ReplaceUnhealthy", "IgnoreUnhealthy"], requires = zonal_shift, dropped = None)]
    pub impaired_zone_health_checks: Option<String>,
    /// Use of capacity reservations.
    #[field(unset = "the launch template's", dropped = None)]
    pub capacity_reservation: Option<CapacityReservation>,
    /// Name of the placement group of the instances; empty for none.
    #[field(default, length = 0..=255)]
    pub placement_group: String,
    /// ARN of the service-linked role with which Auto Scaling acts, for one with a suffix.
    #[field(unset = "AWSServiceRoleForAutoScaling", pattern = "arn:aws[a-z-]*:iam::.+", dropped(kept, "the group keeps the role"))]
    pub service_linked_role: Option<String>,
    /// Keeps instances whose hook for termination was abandoned, so that their data can be saved.
    #[field(default = false)]
    pub retain_abandoned_instances: bool,
    /// Prevents the deletion of the group.
    #[field(important, default = false, protects_deletion)]
    pub deletion_protection: bool,
    /// Tags that instances get when they start, and the group itself. Further tags of the group alone are under `tags`.
    #[field(default)]
    pub instance_tags: BTreeMap<String, String>,
    /// Processes that do not run.
    #[field(
        default,
        after_create,
        one_of = [
            "Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck", "InstanceRefresh",
            "ReplaceUnhealthy", "ScheduledActions"
        ]
    )]
    pub suspended_processes: BTreeSet<String>,
    /// Metrics of the group that CloudWatch gets every minute, such as `GroupInServiceInstances`.
    #[field(default, after_create, pattern = "(Group|WarmPool)[A-Za-z]+")]
    pub metrics: BTreeSet<String>,
    /// Hooks that hold an instance when it starts or is terminated, by name.
    #[field(default, length = 0..=50, own_read)]
    pub lifecycle_hooks: BTreeMap<String, LifecycleHook>,
    /// Policies that change the number of instances, by name.
    #[field(default, length = 0..=50, after_create, own_read, important)]
    pub scaling_policies: BTreeMap<String, ScalingPolicy>,
    /// Planned changes of the number of instances, by name.
    #[field(default, length = 0..=125, after_create, own_read)]
    pub schedules: BTreeMap<String, Schedule>,
    /// Notifications about instances.
    #[field(default, length = 0..=10, after_create, own_read)]
    pub notifications: BTreeSet<Notification>,
    /// Instances that are prepared in advance.
    #[field(default, after_create, dropped = None)]
    pub warm_pool: Option<WarmPool>,
    /// Replaces the instances when the launch template, its version or `mixed_instances` change. Without it, instances keep their settings
    /// until they are replaced for another reason.
    #[field(unset = "instances are not replaced", write_only, own_read, dropped(kept, "used when instances are replaced"))]
    pub instance_refresh: Option<InstanceRefresh>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// ARNs of the scaling policies, in the order of their names: actions of alarms.
    #[schemars(extend("x-acme-simulated" = [
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:autoScalingGroupName/{name}:policyName/1",
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:autoScalingGroupName/{name}:policyName/2",
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:autoScalingGroupName/{name}:policyName/3"
    ]))]
    pub policy_arns: Vec<String>,
}

impl Resource for AutoscalingGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "autoscaling_group",
        &services::autoscaling::SERVICE,
        "{name}",
        "arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{uuid}:autoScalingGroupName/{name}",
    )
    .listed_with(&["launch_template"])
    .typical_seconds(180)
    .longest_hours(12)
    .lost_on_recreation("its instances are terminated and others started")
    .without_token()
    .quota(500, "LimitExceeded")
    .iam_actions(
        IamActions::new("autoscaling:autoScalingGroup:*:autoScalingGroupName/{name}")
            .list(&[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeInstanceRefreshes",
                "autoscaling:DescribeLifecycleHooks",
                "autoscaling:DescribeNotificationConfigurations",
                "autoscaling:DescribePolicies",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeScheduledActions",
            ])
            .create(&["autoscaling:CreateAutoScalingGroup"])
            .change(&[
                "autoscaling:AttachLoadBalancerTargetGroups",
                "autoscaling:AttachLoadBalancers",
                "autoscaling:AttachTrafficSources",
                "autoscaling:CancelInstanceRefresh",
                "autoscaling:DeleteAutoScalingGroup",
                "autoscaling:DeleteLifecycleHook",
                "autoscaling:DeleteNotificationConfiguration",
                "autoscaling:DeletePolicy",
                "autoscaling:DeleteScheduledAction",
                "autoscaling:DeleteWarmPool",
                "autoscaling:DetachLoadBalancerTargetGroups",
                "autoscaling:DetachLoadBalancers",
                "autoscaling:DetachTrafficSources",
                "autoscaling:DisableMetricsCollection",
                "autoscaling:EnableMetricsCollection",
                "autoscaling:PutLifecycleHook",
                "autoscaling:PutNotificationConfiguration",
                "autoscaling:PutScalingPolicy",
                "autoscaling:PutScheduledUpdateGroupAction",
                "autoscaling:PutWarmPool",
                "autoscaling:ResumeProcesses",
                "autoscaling:SetInstanceProtection",
                "autoscaling:StartInstanceRefresh",
                "autoscaling:SuspendProcesses",
                "autoscaling:UpdateAutoScalingGroup",
            ])
            .grants(&[
                // AWS checks whether the caller may start the instances that the launch template describes.
                // https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
                IamGrant::change(&["ec2:CreateTags", "ec2:RunInstances"], GrantTarget::AllResources),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("autoscaling.amazonaws.com")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["autoscaling.amazonaws.com"])),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    /// The list has settings and tags, a hundred groups a page.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().ok_or_else(|| Error::missing_field("AutoScalingGroupName"))?;
        self.create_call(cx, &name)?.send().await?;
        Ok(name.into())
    }

    /// UpdateAutoScalingGroup keeps what it does not name. The instances are replaced last, with all other settings.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AutoscalingGroupChanges) -> Result<()> {
        let instances_change = changes.launch_template || changes.launch_template_version || changes.mixed_instances;
        let refresh = self.instance_refresh.as_ref().filter(|_| instances_change);
        if let Some(call) = self.update_call(cx, live, &changes, instances_change && refresh.is_none()) {
            call.send().await?;
        }
        if changes.instance_tags {
            extras::change_instance_tags(cx, &live.id, &live.spec.instance_tags, &self.instance_tags).await?;
        }
        attachments::change(cx, &live.id, &live.spec, self, &changes).await?;
        if changes.lifecycle_hooks {
            hook::change(cx, &live.id, &live.spec.lifecycle_hooks, &self.lifecycle_hooks).await?;
        }
        if changes.suspended_processes {
            extras::change_processes(cx, &live.id, &live.spec.suspended_processes, &self.suspended_processes).await?;
        }
        if changes.metrics {
            extras::change_metrics(cx, &live.id, &live.spec.metrics, &self.metrics).await?;
        }
        if changes.notifications {
            extras::change_notifications(cx, &live.id, &live.spec.notifications, &self.notifications).await?;
        }
        if changes.scaling_policies {
            policy_calls::change(cx, &live.id, &live.spec.scaling_policies, &self.scaling_policies).await?;
        }
        if changes.schedules {
            schedule::change(cx, &live.id, &live.spec.schedules, &self.schedules).await?;
        }
        if changes.warm_pool {
            warm_pool::change(cx, &live.id, self.warm_pool.as_ref()).await?;
        }
        match refresh {
            Some(refresh) => refresh.start(cx, &live.id, self).await,
            None => Ok(()),
        }
    }

    /// The group shrinks first, so that its instances leave the load balancers and run their hooks.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        deletion::delete(cx, &live.id).await
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("its instances are terminated".to_owned())
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        match refresh::failure(aws, id).await? {
            Some(reason) => Ok(Some(reason)),
            None => read::failed_activity(aws, id).await,
        }
    }

    /// EC2 creates the role only for callers that may create it, and the instances are started by Auto Scaling.
    fn prerequisites(&self) -> Vec<Prerequisite> {
        let spot = self.mixed_instances.as_ref().is_some_and(|mixed| mixed.on_demand_percentage < 100);
        spot.then_some(Prerequisite::ServiceLinkedRole { service: "spot.amazonaws.com" }).into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn normalize(&self, live: &mut Self) {
        if let (Some(ours), Some(theirs)) = (&self.mixed_instances, &mut live.mixed_instances) {
            ours.normalize(theirs);
        }
        schedule::normalize(&self.schedules, &mut live.schedules);
    }
}
