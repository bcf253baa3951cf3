//! Settings that CreateAutoScalingGroup and UpdateAutoScalingGroup set.

use aws_sdk_autoscaling::{
    operation::{
        create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder,
        update_auto_scaling_group::builders::UpdateAutoScalingGroupFluentBuilder,
    },
    types::{
        AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy, DeletionProtection, InstanceLifecyclePolicy,
        LaunchTemplateSpecification, RetentionAction, RetentionTriggers, TrafficSourceIdentifier,
    },
};

use super::{
    super::prelude::*, AutoscalingGroup, AutoscalingGroupChanges, CapacityReservation, Maintenance, MixedInstances, attachments::LATTICE,
};
use crate::core::{ErrorKind, referenced_ids};

/// A list, or `None` if it is empty.
fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

impl AutoscalingGroup {
    pub(super) fn template(&self) -> LaunchTemplateSpecification {
        LaunchTemplateSpecification::builder().launch_template_id(self.launch_template.get()).version(&self.launch_template_version).build()
    }

    fn health_check_type(&self) -> String {
        if self.health_checks.is_empty() { "EC2".into() } else { self.health_checks.iter().cloned().collect::<Vec<_>>().join(",") }
    }

    fn subnet_list(&self) -> String {
        referenced_ids(&self.subnets).join(",")
    }

    fn zone_distribution(&self) -> AvailabilityZoneDistribution {
        AvailabilityZoneDistribution::builder().capacity_distribution_strategy(self.zone_distribution.as_str().into()).build()
    }

    fn zone_impairment(&self) -> AvailabilityZoneImpairmentPolicy {
        let behavior = self.impaired_zone_health_checks.as_deref().unwrap_or("ReplaceUnhealthy");
        let behavior = self.zonal_shift.then(|| behavior.into());
        AvailabilityZoneImpairmentPolicy::builder()
            .zonal_shift_enabled(self.zonal_shift)
            .set_impaired_zone_health_check_behavior(behavior)
            .build()
    }

    fn lifecycle_policy(&self) -> InstanceLifecyclePolicy {
        let action = if self.retain_abandoned_instances { RetentionAction::Retain } else { RetentionAction::Terminate };
        InstanceLifecyclePolicy::builder().retention_triggers(RetentionTriggers::builder().terminate_hook_abandon(action).build()).build()
    }

    fn protection(&self) -> DeletionProtection {
        if self.deletion_protection { DeletionProtection::PreventAllDeletion } else { DeletionProtection::None }
    }

    /// Settings with AWS's defaults are not sent: not every endpoint knows the newer ones.
    pub(super) fn create_call(&self, cx: &Cx<'_>, name: &str) -> Result<CreateAutoScalingGroupFluentBuilder> {
        if let Some(key) = self.instance_tags.keys().find(|key| cx.call.tags.contains_key(*key)) {
            let message = format!("the tag `{key}` is both under `tags` and under `instance_tags`");
            return Err(Error::new(ErrorKind::Rejected, "DuplicateTag", message));
        }
        let mut tags = services::autoscaling::to_tags(name, &cx.call.tags, false);
        tags.extend(services::autoscaling::to_tags(name, &self.instance_tags, true));
        let call = cx.autoscaling.create_auto_scaling_group().auto_scaling_group_name(name).set_tags(Some(tags));
        let call = match &self.mixed_instances {
            Some(mixed) => call.mixed_instances_policy(mixed.to_sdk(self)),
            None => call.launch_template(self.template()),
        };
        let lattice = self.lattice_target_groups.iter();
        let lattice = lattice.map(|arn| TrafficSourceIdentifier::builder().identifier(arn).r#type(LATTICE).build());
        let has_other_distribution = self.zone_distribution != Self::default_zone_distribution();
        Ok(call
            .min_size(self.min)
            .max_size(self.max)
            .set_desired_capacity(self.desired)
            .set_desired_capacity_type(Some(self.capacity_unit.clone()).filter(|unit| *unit != Self::default_capacity_unit()))
            .vpc_zone_identifier(self.subnet_list())
            .set_target_group_arns(some_list(referenced_ids(&self.target_groups)))
            .set_load_balancer_names(some_list(referenced_ids(&self.classic_load_balancers)))
            .set_traffic_sources(some_list(lattice.collect()))
            .health_check_type(self.health_check_type())
            .health_check_grace_period(self.health_check_grace_seconds)
            .default_cooldown(self.cooldown_seconds)
            .set_default_instance_warmup(self.warmup_seconds)
            .set_termination_policies(Some(self.termination_policies.clone()))
            .new_instances_protected_from_scale_in(self.protect_new_instances)
            .set_max_instance_lifetime(self.max_instance_lifetime_seconds)
            .set_capacity_rebalance(self.capacity_rebalance.then_some(true))
            .set_instance_maintenance_policy(self.maintenance.as_ref().map(Maintenance::to_sdk))
            .set_availability_zone_distribution(has_other_distribution.then(|| self.zone_distribution()))
            .set_availability_zone_impairment_policy(self.zonal_shift.then(|| self.zone_impairment()))
            .set_capacity_reservation_specification(self.capacity_reservation.as_ref().map(CapacityReservation::to_sdk))
            .set_placement_group(Some(self.placement_group.clone()).filter(|name| !name.is_empty()))
            .set_service_linked_role_arn(self.service_linked_role.clone())
            .set_instance_lifecycle_policy(self.retain_abandoned_instances.then(|| self.lifecycle_policy()))
            .set_deletion_protection(self.deletion_protection.then(|| self.protection()))
            .set_lifecycle_hook_specification_list(some_list(
                self.lifecycle_hooks.iter().map(|(name, hook)| hook.to_specification(name)).collect(),
            )))
    }

    /// The call for the settings that differ; `None` without any.
    pub(super) fn update_call(
        &self,
        cx: &Cx<'_>,
        live: &Existing<Self>,
        changes: &AutoscalingGroupChanges,
        template: bool,
    ) -> Option<UpdateAutoScalingGroupFluentBuilder> {
        let AutoscalingGroupChanges { min, max, capacity_unit, subnets, health_checks, health_check_grace_seconds, .. } = *changes;
        let AutoscalingGroupChanges { cooldown_seconds, warmup_seconds, termination_policies, protect_new_instances, .. } = *changes;
        let AutoscalingGroupChanges { max_instance_lifetime_seconds, capacity_rebalance, maintenance, zone_distribution, .. } = *changes;
        let AutoscalingGroupChanges { zonal_shift, impaired_zone_health_checks, capacity_reservation, placement_group, .. } = *changes;
        let AutoscalingGroupChanges { service_linked_role, retain_abandoned_instances, deletion_protection, .. } = *changes;
        let sizes = min || max;
        let impairment = zonal_shift || impaired_zone_health_checks;
        let others = [
            capacity_unit,
            subnets,
            health_checks,
            health_check_grace_seconds,
            cooldown_seconds,
            warmup_seconds,
            termination_policies,
            protect_new_instances,
            max_instance_lifetime_seconds,
            capacity_rebalance,
            maintenance,
            zone_distribution,
            impairment,
            capacity_reservation,
            placement_group,
            service_linked_role,
            retain_abandoned_instances,
            deletion_protection,
        ];
        if !template && !sizes && !others.contains(&true) {
            return None;
        }
        let call = cx.autoscaling.update_auto_scaling_group().auto_scaling_group_name(&live.id);
        let call = match &self.mixed_instances {
            Some(mixed) if template => call.mixed_instances_policy(mixed.to_sdk(self)),
            // A template on its own ends the mix.
            None if template => call.launch_template(self.template()),
            _ => call,
        };
        // AWS refuses limits that exclude the present number.
        let running = live.spec.desired.unwrap_or(self.min);
        let desired = running.max(self.min).min(self.max);
        let call = call.set_min_size(sizes.then_some(self.min)).set_max_size(sizes.then_some(self.max));
        let call = call.set_desired_capacity((sizes && desired != running).then_some(desired));
        let no_maintenance = || Maintenance { min_healthy_percentage: -1, max_healthy_percentage: -1 };
        let reservation = || self.capacity_reservation.as_ref().map_or_else(CapacityReservation::none, CapacityReservation::to_sdk);
        let call = call
            .set_desired_capacity_type(capacity_unit.then(|| self.capacity_unit.clone()))
            .set_vpc_zone_identifier(subnets.then(|| self.subnet_list()))
            .set_health_check_type(health_checks.then(|| self.health_check_type()))
            .set_health_check_grace_period(health_check_grace_seconds.then_some(self.health_check_grace_seconds))
            .set_default_cooldown(cooldown_seconds.then_some(self.cooldown_seconds))
            .set_default_instance_warmup(warmup_seconds.then_some(self.warmup_seconds.unwrap_or(-1)))
            .set_termination_policies(termination_policies.then(|| self.termination_policies.clone()))
            .set_new_instances_protected_from_scale_in(protect_new_instances.then_some(self.protect_new_instances))
            .set_max_instance_lifetime(max_instance_lifetime_seconds.then_some(self.max_instance_lifetime_seconds.unwrap_or(0)))
            .set_capacity_rebalance(capacity_rebalance.then_some(self.capacity_rebalance))
            .set_instance_maintenance_policy(maintenance.then(|| self.maintenance.clone().unwrap_or_else(no_maintenance).to_sdk()))
            .set_availability_zone_distribution(zone_distribution.then(|| self.zone_distribution()))
            .set_availability_zone_impairment_policy(impairment.then(|| self.zone_impairment()))
            .set_capacity_reservation_specification(capacity_reservation.then(reservation))
            .set_placement_group(placement_group.then(|| self.placement_group.clone()))
            .set_service_linked_role_arn(self.service_linked_role.clone().filter(|_| service_linked_role))
            .set_instance_lifecycle_policy(retain_abandoned_instances.then(|| self.lifecycle_policy()))
            .set_deletion_protection(deletion_protection.then(|| self.protection()));
        Some(call)
    }
}

impl MixedInstances {
    /// The policy, with the template of the group.
    pub(super) fn to_sdk(&self, group: &AutoscalingGroup) -> aws_sdk_autoscaling::types::MixedInstancesPolicy {
        self.to_policy(group.template())
    }
}
