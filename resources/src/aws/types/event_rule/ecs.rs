//! Tasks of ECS as targets.

use std::collections::BTreeSet;

use aws_sdk_eventbridge::types as sdk;

use super::super::{prelude::*, security_group::SecurityGroup, subnet::Subnet};
use crate::core::referenced_ids;

/// A task of ECS.
#[spec]
#[derive(PartialEq)]
pub struct EcsTask {
    /// ARN of the task definition. Without a revision, the latest one runs.
    #[field(length = 1..=1600, pattern = "arn:aws.+")]
    pub task_definition: String,
    /// Number of tasks.
    #[field(default = 1, range = 1..=10)]
    pub count: i32,
    /// Infrastructure of the task.
    #[field(unset = "the capacity providers of the cluster", one_of = ["EC2", "FARGATE", "EXTERNAL"], dropped = None)]
    pub launch_type: Option<String>,
    /// Subnets, with the network mode `awsvpc`.
    #[field(default, length = 0..=16)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups.
    #[field(default, length = 0..=5, requires = subnets)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Whether the task gets a public IP address.
    #[field(default = false, requires = subnets)]
    pub public_ip: bool,
    /// Version of Fargate.
    #[field(unset = "LATEST", dropped = None)]
    pub platform_version: Option<String>,
    /// Group of the task.
    #[field(unset = "the family of the task definition", length = 1..=255, dropped = None)]
    pub group: Option<String>,
    /// Whether the task gets the tags of the task definition.
    #[field(default = false)]
    pub propagate_tags: bool,
    /// Whether the task gets tags of ECS with the names of cluster and service.
    #[field(default = false)]
    pub managed_tags: bool,
    /// Whether commands can be run in its containers.
    #[field(default = false)]
    pub execute_command: bool,
}

impl EcsTask {
    /// With the placement and the tags of the live target, which acme does not manage.
    pub(super) fn to_sdk(&self, live: Option<sdk::EcsParameters>) -> Result<sdk::EcsParameters> {
        let network = (!self.subnets.is_empty()).then(|| {
            let ip = if self.public_ip { sdk::AssignPublicIp::Enabled } else { sdk::AssignPublicIp::Disabled };
            let groups = (!self.security_groups.is_empty()).then(|| referenced_ids(&self.security_groups));
            let vpc = sdk::AwsVpcConfiguration::builder().set_subnets(Some(referenced_ids(&self.subnets))).set_security_groups(groups);
            vpc.assign_public_ip(ip).build()
        });
        let network = network.transpose()?.map(|vpc| sdk::NetworkConfiguration::builder().awsvpc_configuration(vpc).build());
        let task = sdk::EcsParameters::builder().task_definition_arn(&self.task_definition).task_count(self.count);
        let task = task.set_launch_type(self.launch_type.as_deref().map(Into::into)).set_network_configuration(network);
        let task = task.set_platform_version(self.platform_version.clone()).set_group(self.group.clone());
        let task = task.set_propagate_tags(self.propagate_tags.then_some(sdk::PropagateTags::TaskDefinition));
        let task = task.enable_ecs_managed_tags(self.managed_tags).enable_execute_command(self.execute_command);
        let task = match live {
            Some(live) => task
                .set_capacity_provider_strategy(live.capacity_provider_strategy.filter(|_| self.launch_type.is_none()))
                .set_placement_constraints(live.placement_constraints)
                .set_placement_strategy(live.placement_strategy)
                .set_reference_id(live.reference_id)
                .set_tags(live.tags),
            None => task,
        };
        Ok(task.build()?)
    }

    pub(super) fn from_sdk(task: sdk::EcsParameters) -> EcsTask {
        let network = task.network_configuration.and_then(|network| network.awsvpc_configuration);
        let (subnets, groups, ip) = match network {
            Some(vpc) => (vpc.subnets, vpc.security_groups.unwrap_or_default(), vpc.assign_public_ip),
            None => Default::default(),
        };
        EcsTask {
            task_definition: task.task_definition_arn,
            count: task.task_count.unwrap_or_else(Self::default_count),
            launch_type: task.launch_type.map(|launch_type| launch_type.as_str().to_owned()),
            subnets: subnets.into_iter().map(Ref::to).collect(),
            security_groups: groups.into_iter().map(Ref::to).collect(),
            public_ip: ip == Some(sdk::AssignPublicIp::Enabled),
            platform_version: task.platform_version,
            group: task.group,
            propagate_tags: task.propagate_tags.is_some(),
            managed_tags: task.enable_ecs_managed_tags,
            execute_command: task.enable_execute_command,
        }
    }
}
