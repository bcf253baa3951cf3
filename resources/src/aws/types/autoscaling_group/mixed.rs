//! Several instance types in one group.

use aws_sdk_autoscaling::types::{
    InstancesDistribution, LaunchTemplate as SdkLaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy,
};

use super::{
    super::{
        launch_template::{InstanceRequirements, LaunchTemplate},
        prelude::*,
    },
    requirements,
};

/// Several instance types, on demand and spot.
#[spec]
#[derive(Default)]
pub struct MixedInstances {
    /// Instance types in order of priority, or one set of requirements; without any, the template's.
    #[field(default, length = 0..=40)]
    pub overrides: Vec<InstanceOverride>,
    /// Order in which on-demand instance types are used.
    #[field(unset = "`lowest-price` with requirements, else `prioritized`", one_of = ["lowest-price", "prioritized"])]
    #[field(dropped(kept, "AWS reports its default"))]
    pub on_demand_strategy: Option<String>,
    /// Capacity that is on demand before spot instances are used.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub on_demand_base: i32,
    /// Share of on-demand instances in the rest, in percent.
    #[field(default = 100, range = 0..=100)]
    pub on_demand_percentage: i32,
    /// Choice of spot instances.
    #[field(
        default = "price-capacity-optimized",
        one_of = ["price-capacity-optimized", "capacity-optimized", "capacity-optimized-prioritized", "lowest-price"]
    )]
    pub spot_strategy: String,
    /// Number of spot pools for each zone, for `lowest-price`.
    #[field(unset = "AWS's default, 2", range = 1..=20, dropped(kept, "without `lowest-price` it has no effect"))]
    pub spot_pools: Option<i32>,
    /// Highest price of a spot instance, in US dollars an hour; empty for the on-demand price.
    #[field(default, pattern = r"([0-9]+(\.[0-9]+)?)?")]
    pub spot_max_price: String,
}

/// Instance type, or requirements of instance types, with other settings than the template.
#[spec]
pub struct InstanceOverride {
    /// Instance type, such as `m7g.large`.
    #[field(default, conflicts_with = instance_requirements, dropped = None)]
    pub instance_type: Option<String>,
    /// Properties of the instance types among which AWS chooses.
    #[field(default, dropped = None)]
    pub instance_requirements: Option<InstanceRequirements>,
    /// Capacity of an instance of this type.
    #[field(unset = "1", range = 1..=999, dropped = None)]
    pub weight: Option<u32>,
    /// Launch template, such as one with an image for another architecture.
    #[field(unset = "that of the group", dropped = None)]
    pub launch_template: Option<Ref<LaunchTemplate>>,
    /// Version of this launch template.
    #[field(unset = "`$Default`", requires = launch_template, pattern = r"[0-9]+|\$Latest|\$Default", dropped = "$Default")]
    pub launch_template_version: Option<String>,
    /// Machine image.
    #[field(unset = "the template's", pattern = "ami-[0-9a-f]+|resolve:ssm:[^ ]+", dropped = None)]
    pub image: Option<String>,
}

const LOWEST_PRICE: &str = "lowest-price";

impl MixedInstances {
    pub(super) fn to_policy(&self, template: LaunchTemplateSpecification) -> MixedInstancesPolicy {
        let distribution = InstancesDistribution::builder()
            .set_on_demand_allocation_strategy(self.on_demand_strategy.clone())
            .on_demand_base_capacity(self.on_demand_base)
            .on_demand_percentage_above_base_capacity(self.on_demand_percentage)
            .spot_allocation_strategy(&self.spot_strategy)
            .set_spot_instance_pools(self.spot_pools.filter(|_| self.spot_strategy == LOWEST_PRICE))
            // An empty price removes the limit.
            .spot_max_price(&self.spot_max_price)
            .build();
        let overrides = self.overrides.iter().map(InstanceOverride::to_sdk).collect();
        let template = SdkLaunchTemplate::builder().launch_template_specification(template).set_overrides(Some(overrides)).build();
        MixedInstancesPolicy::builder().launch_template(template).instances_distribution(distribution).build()
    }

    /// The template of the group, and the mix.
    pub(super) fn from_policy(policy: MixedInstancesPolicy) -> (Option<LaunchTemplateSpecification>, MixedInstances) {
        let distribution = policy.instances_distribution.unwrap_or_else(|| InstancesDistribution::builder().build());
        let (template, overrides) = match policy.launch_template {
            Some(template) => (template.launch_template_specification, template.overrides.unwrap_or_default()),
            None => (None, Vec::new()),
        };
        let mixed = MixedInstances {
            overrides: overrides.into_iter().map(InstanceOverride::from_sdk).collect(),
            on_demand_strategy: distribution.on_demand_allocation_strategy,
            on_demand_base: distribution.on_demand_base_capacity.unwrap_or_default(),
            on_demand_percentage: distribution.on_demand_percentage_above_base_capacity.unwrap_or(100),
            spot_strategy: distribution.spot_allocation_strategy.unwrap_or_else(|| LOWEST_PRICE.into()),
            spot_pools: distribution.spot_instance_pools.filter(|pools| *pools > 0),
            spot_max_price: distribution.spot_max_price.unwrap_or_default(),
        };
        (template, mixed)
    }

    /// Defaults that AWS reports.
    pub(super) fn normalize(&self, live: &mut MixedInstances) {
        if self.on_demand_strategy.is_none() {
            live.on_demand_strategy = None;
        }
        if self.spot_pools.is_none() || self.spot_strategy != LOWEST_PRICE {
            live.spot_pools = self.spot_pools;
        }
        for (ours, live) in self.overrides.iter().zip(&mut live.overrides) {
            if ours.launch_template_version.is_none() && live.launch_template_version.as_deref() == Some("$Default") {
                live.launch_template_version = None;
            }
        }
    }
}

impl InstanceOverride {
    fn to_sdk(&self) -> LaunchTemplateOverrides {
        let template = self.launch_template.as_ref().map(|template| {
            let version = self.launch_template_version.as_deref().unwrap_or("$Default");
            LaunchTemplateSpecification::builder().launch_template_id(template.get()).version(version).build()
        });
        LaunchTemplateOverrides::builder()
            .set_instance_type(self.instance_type.clone())
            .set_instance_requirements(self.instance_requirements.as_ref().map(requirements::to_sdk))
            .set_weighted_capacity(self.weight.map(|weight| weight.to_string()))
            .set_launch_template_specification(template)
            .set_image_id(self.image.clone())
            .build()
    }

    fn from_sdk(sdk: LaunchTemplateOverrides) -> InstanceOverride {
        let (template, version) =
            sdk.launch_template_specification.map_or((None, None), |template| (template.launch_template_id, template.version));
        InstanceOverride {
            instance_type: sdk.instance_type,
            instance_requirements: sdk.instance_requirements.map(requirements::from_sdk),
            weight: sdk.weighted_capacity.and_then(|weight| weight.parse().ok()),
            launch_template: template.map(Ref::to),
            launch_template_version: version,
            image: sdk.image_id,
        }
    }
}
