//! Reading groups.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, DeletionProtection, Instance, LifecycleState, RetentionAction, ScalingActivityStatusCode, WarmPoolStatus,
};

use super::{
    super::prelude::*, AutoscalingGroup, CapacityReservation, Maintenance, MixedInstances, Outputs, WarmPool, attachments::LATTICE, extras,
    hook, policy_calls, refresh, schedule,
};
use crate::core::Tags;

/// Groups with these names, or all.
pub(super) async fn describe(aws: &Aws, names: &[String]) -> Result<Vec<AutoScalingGroup>> {
    let call = aws.autoscaling.describe_auto_scaling_groups().max_records(100);
    let call = call.set_auto_scaling_group_names(Some(names.to_vec()).filter(|names| !names.is_empty()));
    call.into_paginator().items().send().try_collect().await.map_err(Error::from)
}

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<AutoscalingGroup>>> {
    let names: Vec<String> = match (&scope.adopt, scope.waited_for()) {
        (Some(id), _) => vec![id.rsplit('/').next().unwrap_or(id).to_owned()],
        // A call takes fifty names.
        (None, Some(ids)) if ids.len() <= 50 => ids.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let all = describe(aws, &names).await?;
    let ours = all.into_iter().filter_map(|group| {
        let tags = services::autoscaling::from_tags(group.tags(), false);
        let name = group.auto_scaling_group_name.clone()?;
        (scope.owns(&tags) || scope.lookup.contains(&name)).then_some((name, tags, group))
    });
    for_each_concurrent(ours, |(name, tags, group)| async move { read(aws, scope, name, tags, group).await.map(Some) }).await
}

async fn read(aws: &Aws, scope: &Scope, name: String, tags: Tags, mut group: AutoScalingGroup) -> Result<Observed<AutoscalingGroup>> {
    let wanted = scope.own_reads_to_make::<AutoscalingGroup>(&tags);
    let id = name.as_str();
    let lifecycle_hooks = async { if wanted.lifecycle_hooks { hook::read(aws, id).await } else { Ok(BTreeMap::new()) } };
    let scaling_policies =
        async { if wanted.scaling_policies { policy_calls::read(aws, id).await } else { Ok((BTreeMap::new(), Vec::new())) } };
    let schedules = async { if wanted.schedules { schedule::read(aws, id).await } else { Ok(BTreeMap::new()) } };
    let notifications = async { if wanted.notifications { extras::read_notifications(aws, id).await } else { Ok(BTreeSet::new()) } };
    let progress = async { if wanted.instance_refresh { refresh::progress(aws, id).await } else { Ok(None) } };
    let (lifecycle_hooks, (scaling_policies, policy_arns), schedules, notifications, progress) =
        tokio::try_join!(lifecycle_hooks, scaling_policies, schedules, notifications, progress)?;
    let phase = match phase(&group) {
        Phase::Ready if progress.is_some() => Phase::Progressing(progress.unwrap_or_default()),
        Phase::Progressing(status) | Phase::PendingChanges(status) if capacity_is_missing(&group) => {
            let reason = failed_activity(aws, id).await?.map(|reason| format!(": {reason}")).unwrap_or_default();
            let status = format!("{status}{reason}");
            if in_service(&group) < group.min_size.unwrap_or_default() { Phase::Progressing(status) } else { Phase::PendingChanges(status) }
        }
        other => other,
    };
    let (template, mixed_instances) = match group.mixed_instances_policy.take() {
        Some(policy) => {
            let (template, mixed) = MixedInstances::from_policy(policy);
            (template, Some(mixed))
        }
        None => (group.launch_template.take(), None),
    };
    let (template, version) = template.map_or((None, None), |template| (template.launch_template_id, template.version));
    let zones = group.availability_zone_impairment_policy;
    let zonal_shift = zones.as_ref().and_then(|zones| zones.zonal_shift_enabled).unwrap_or_default();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let list = |text: Option<String>| text.unwrap_or_default().split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    let strategy = group.availability_zone_distribution.and_then(|zones| zones.capacity_distribution_strategy);
    let triggers = group.instance_lifecycle_policy.and_then(|policy| policy.retention_triggers);
    let spec = AutoscalingGroup {
        name: Some(name.clone()),
        launch_template: Ref::to(template.unwrap_or_default()),
        launch_template_version: text(version).unwrap_or_else(AutoscalingGroup::default_launch_template_version),
        mixed_instances,
        min: group.min_size.unwrap_or_default(),
        max: group.max_size.unwrap_or_default(),
        desired: group.desired_capacity,
        capacity_unit: text(group.desired_capacity_type).unwrap_or_else(AutoscalingGroup::default_capacity_unit),
        subnets: list(group.vpc_zone_identifier).into_iter().filter(|subnet| !subnet.is_empty()).map(Ref::to).collect(),
        target_groups: group.target_group_arns.unwrap_or_default().into_iter().map(ArnRef::to).collect(),
        classic_load_balancers: group.load_balancer_names.unwrap_or_default().into_iter().map(Ref::to).collect(),
        lattice_target_groups: {
            let sources = group.traffic_sources.unwrap_or_default().into_iter();
            sources.filter(|source| source.r#type.as_deref() == Some(LATTICE)).filter_map(|source| source.identifier).collect()
        },
        health_checks: list(group.health_check_type).into_iter().filter(|check| !check.is_empty() && check != "EC2").collect(),
        health_check_grace_seconds: group.health_check_grace_period.unwrap_or_default(),
        cooldown_seconds: group.default_cooldown.unwrap_or_default(),
        warmup_seconds: group.default_instance_warmup.filter(|seconds| *seconds >= 0),
        termination_policies: group.termination_policies.unwrap_or_else(AutoscalingGroup::default_termination_policies),
        protect_new_instances: group.new_instances_protected_from_scale_in.unwrap_or_default(),
        max_instance_lifetime_seconds: group.max_instance_lifetime.filter(|seconds| *seconds > 0),
        capacity_rebalance: group.capacity_rebalance.unwrap_or_default(),
        maintenance: group.instance_maintenance_policy.as_ref().and_then(Maintenance::from_sdk),
        zone_distribution: strategy.map_or_else(AutoscalingGroup::default_zone_distribution, |strategy| strategy.as_str().to_owned()),
        zonal_shift,
        impaired_zone_health_checks: zones
            .and_then(|zones| zones.impaired_zone_health_check_behavior)
            .filter(|_| zonal_shift)
            .map(|behavior| behavior.as_str().to_owned()),
        capacity_reservation: group.capacity_reservation_specification.and_then(CapacityReservation::from_sdk),
        placement_group: group.placement_group.unwrap_or_default(),
        service_linked_role: text(group.service_linked_role_arn),
        retain_abandoned_instances: triggers.and_then(|triggers| triggers.terminate_hook_abandon) == Some(RetentionAction::Retain),
        deletion_protection: group.deletion_protection == Some(DeletionProtection::PreventAllDeletion),
        instance_tags: services::autoscaling::from_tags(group.tags.as_deref().unwrap_or_default(), true),
        suspended_processes: group.suspended_processes.unwrap_or_default().into_iter().filter_map(|process| process.process_name).collect(),
        metrics: group.enabled_metrics.unwrap_or_default().into_iter().filter_map(|metric| metric.metric).collect(),
        lifecycle_hooks,
        scaling_policies,
        schedules,
        notifications,
        warm_pool: WarmPool::read(group.warm_pool_configuration),
        instance_refresh: None,
    };
    let arn = group.auto_scaling_group_arn.ok_or_else(|| Error::missing_field("AutoScalingGroupARN"))?;
    let outputs = Outputs { arn, policy_arns };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}

/// Capacity of instances in service. An instance with a weight counts as that many.
fn in_service(group: &AutoScalingGroup) -> i32 {
    let weight = |instance: &Instance| instance.weighted_capacity.as_ref().and_then(|weight| weight.parse::<i32>().ok()).unwrap_or(1);
    let instances = group.instances.iter().flatten();
    instances.filter(|instance| instance.lifecycle_state == Some(LifecycleState::InService)).map(weight).sum()
}

/// In other units than instances, AWS does not report the capacity of an instance.
fn capacity_is_missing(group: &AutoScalingGroup) -> bool {
    let in_instances = group.desired_capacity_type.as_deref().is_none_or(|unit| unit.is_empty() || unit == "units");
    in_instances && group.max_size != Some(0) && in_service(group) < group.desired_capacity.unwrap_or_default()
}

/// A group with the fewest instances in service can be used; its number changes all the time.
fn phase(group: &AutoScalingGroup) -> Phase {
    if group.status.as_deref().is_some_and(|status| status.to_lowercase().starts_with("delete")) {
        return Phase::Deleting;
    }
    let instances = group.instances.iter().flatten().count();
    if group.max_size == Some(0) && instances > 0 {
        return Phase::Progressing(format!("{instances} instances are terminating"));
    }
    let is_leaving = group.warm_pool_configuration.as_ref().is_some_and(|pool| pool.status == Some(WarmPoolStatus::PendingDelete));
    if is_leaving {
        return Phase::Progressing("the warm pool is being deleted".into());
    }
    if capacity_is_missing(group) {
        return Phase::Progressing(format!("{} of {} in service", in_service(group), group.desired_capacity.unwrap_or_default()));
    }
    Phase::Ready
}

/// Why the latest activity failed; `None` if it did not.
pub(super) async fn failed_activity(aws: &Aws, group: &str) -> Result<Option<String>> {
    let call = aws.autoscaling.describe_scaling_activities().auto_scaling_group_name(group).max_records(1);
    let latest = ok_or_not_found(call.send().await)?.and_then(|reply| reply.activities).into_iter().flatten().next();
    let failed = latest.filter(|activity| activity.status_code == Some(ScalingActivityStatusCode::Failed));
    Ok(failed.and_then(|activity| activity.status_message).filter(|message| !message.is_empty()))
}
