//! Auto Scaling groups in Terraform.

use serde_json::{Value, json};

use super::{
    compute::requirements,
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
};
use crate::{
    aws::{
        to_aws,
        types::autoscaling_group::{
            AutoscalingGroup, InstanceOverride, InstanceRefresh, LifecycleHook, MetricQuery, MixedInstances, Notification,
            PredictiveScaling, ScalingPolicy, Schedule, TargetTracking, TrackedMetric,
        },
    },
    core::referenced_ids,
};

/// A block, or none.
fn block(setting: Option<Value>) -> Vec<Value> {
    setting.into_iter().collect()
}

impl ToTerraform for AutoscalingGroup {
    const TERRAFORM_TYPE: &'static str = "aws_autoscaling_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let template = json!({ "id": self.launch_template.get(), "version": self.launch_template_version });
        let mixed = self.mixed_instances.as_ref().map(|mixed| mixed_instances(self, mixed));
        let tags = self.instance_tags.iter().map(|(key, value)| json!({ "key": key, "value": value, "propagate_at_launch": true }));
        let lattice = self.lattice_target_groups.iter().map(|arn| json!({ "identifier": arn, "type": "vpc-lattice" }));
        json!({
            "name": self.name,
            "launch_template": block(mixed.is_none().then_some(template)),
            "mixed_instances_policy": block(mixed),
            "min_size": self.min,
            "max_size": self.max,
            "desired_capacity": self.desired,
            "desired_capacity_type": self.capacity_unit,
            "vpc_zone_identifier": referenced_ids(&self.subnets),
            "target_group_arns": referenced_ids(&self.target_groups),
            "load_balancers": referenced_ids(&self.classic_load_balancers),
            "traffic_source": lattice.collect::<Vec<_>>(),
            "health_check_type": if self.health_checks.is_empty() { "EC2".to_owned() } else {
                self.health_checks.iter().cloned().collect::<Vec<_>>().join(",")
            },
            "health_check_grace_period": self.health_check_grace_seconds,
            "default_cooldown": self.cooldown_seconds,
            "default_instance_warmup": self.warmup_seconds,
            "termination_policies": self.termination_policies,
            "protect_from_scale_in": self.protect_new_instances,
            "max_instance_lifetime": self.max_instance_lifetime_seconds,
            "capacity_rebalance": self.capacity_rebalance,
            "instance_maintenance_policy": block(self.maintenance.as_ref().map(|limits| json!({
                "min_healthy_percentage": limits.min_healthy_percentage,
                "max_healthy_percentage": limits.max_healthy_percentage,
            }))),
            "availability_zone_distribution": [{ "capacity_distribution_strategy": self.zone_distribution }],
            "capacity_reservation_specification": block(self.capacity_reservation.as_ref().map(|reservation| {
                let target = json!({
                    "capacity_reservation_ids": reservation.reservations,
                    "capacity_reservation_resource_group_arns": reservation.resource_groups,
                });
                let has_target = !reservation.reservations.is_empty() || !reservation.resource_groups.is_empty();
                json!({
                    "capacity_reservation_preference": reservation.preference,
                    "capacity_reservation_target": block(has_target.then_some(target)),
                })
            })),
            "placement_group": Some(&self.placement_group).filter(|name| !name.is_empty()),
            "service_linked_role_arn": self.service_linked_role,
            "suspended_processes": self.suspended_processes,
            "enabled_metrics": self.metrics,
            "warm_pool": block(self.warm_pool.as_ref().map(|pool| json!({
                "min_size": pool.min,
                "max_group_prepared_capacity": pool.max_prepared,
                "pool_state": pool.state,
                "instance_reuse_policy": [{ "reuse_on_scale_in": pool.reuse }],
            }))),
            "instance_refresh": block(self.instance_refresh.as_ref().map(refresh)),
            "tag": tags.collect::<Vec<_>>(),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let group = at.output_reference("id");
        let hooks = self
            .lifecycle_hooks
            .iter()
            .map(|(name, one)| SubResource::keyed("aws_autoscaling_lifecycle_hook", name, hook(&group, name, one)));
        let policies =
            self.scaling_policies.iter().map(|(name, one)| SubResource::keyed("aws_autoscaling_policy", name, policy(&group, name, one)));
        let schedules =
            self.schedules.iter().map(|(name, one)| SubResource::keyed("aws_autoscaling_schedule", name, schedule(&group, name, one)));
        let notifications = self
            .notifications
            .iter()
            .map(|one| SubResource::keyed("aws_autoscaling_notification", one.topic.get(), notification(&group, one)));
        hooks.chain(policies).chain(schedules).chain(notifications).collect()
    }
}

fn mixed_instances(group: &AutoscalingGroup, mixed: &MixedInstances) -> Value {
    let template = |one: &InstanceOverride| {
        one.launch_template.as_ref().map(|template| {
            json!({ "launch_template_id": template.get(), "version": one.launch_template_version.as_deref().unwrap_or("$Default") })
        })
    };
    let overrides = mixed.overrides.iter().map(|one| {
        json!({
            "instance_type": one.instance_type,
            "instance_requirements": block(one.instance_requirements.as_ref().map(requirements)),
            "weighted_capacity": one.weight.map(|weight| weight.to_string()),
            "launch_template_specification": block(template(one)),
        })
    });
    json!({
        "launch_template": [{
            "launch_template_specification": [{
                "launch_template_id": group.launch_template.get(),
                "version": group.launch_template_version,
            }],
            "override": overrides.collect::<Vec<_>>(),
        }],
        "instances_distribution": [{
            "on_demand_allocation_strategy": mixed.on_demand_strategy,
            "on_demand_base_capacity": mixed.on_demand_base,
            "on_demand_percentage_above_base_capacity": mixed.on_demand_percentage,
            "spot_allocation_strategy": mixed.spot_strategy,
            "spot_instance_pools": mixed.spot_pools,
            "spot_max_price": mixed.spot_max_price,
        }],
    })
}

fn refresh(refresh: &InstanceRefresh) -> Value {
    let alarms = (!refresh.alarms.is_empty()).then(|| json!({ "alarms": refresh.alarms }));
    json!({
        "strategy": "Rolling",
        "preferences": [{
            "min_healthy_percentage": refresh.min_healthy_percentage,
            "max_healthy_percentage": refresh.max_healthy_percentage,
            "instance_warmup": refresh.warmup_seconds.map(|seconds| seconds.to_string()),
            "checkpoint_percentages": refresh.checkpoints,
            "checkpoint_delay": refresh.checkpoint_seconds.map(|seconds| seconds.to_string()),
            "skip_matching": refresh.skip_matching,
            "auto_rollback": refresh.auto_rollback,
            "alarm_specification": block(alarms),
            "scale_in_protected_instances": refresh.protected_instances,
            "standby_instances": refresh.standby_instances,
        }],
    })
}

fn hook(group: &str, name: &str, hook: &LifecycleHook) -> Value {
    json!({
        "name": name,
        "autoscaling_group_name": group,
        "lifecycle_transition": format!("autoscaling:EC2_INSTANCE_{}", to_aws(&hook.transition).to_uppercase()),
        "heartbeat_timeout": hook.heartbeat_seconds,
        "default_result": hook.default_result,
        "notification_target_arn": hook.target,
        "role_arn": id_or_arn(hook.role.as_ref()),
        "notification_metadata": Some(&hook.metadata).filter(|text| !text.is_empty()),
    })
}

fn schedule(group: &str, name: &str, schedule: &Schedule) -> Value {
    json!({
        "scheduled_action_name": name,
        "autoscaling_group_name": group,
        "recurrence": schedule.recurrence,
        "time_zone": schedule.recurrence.as_ref().map(|_| &schedule.time_zone),
        "start_time": schedule.start,
        "end_time": schedule.end,
        // Terraform's number for no change.
        "min_size": schedule.min.unwrap_or(-1),
        "max_size": schedule.max.unwrap_or(-1),
        "desired_capacity": schedule.desired.unwrap_or(-1),
    })
}

fn notification(group: &str, one: &Notification) -> Value {
    let name = |event: &String| match event.as_str() {
        "test" => "autoscaling:TEST_NOTIFICATION".to_owned(),
        other => format!("autoscaling:EC2_INSTANCE_{}", other.to_uppercase()),
    };
    json!({ "group_names": [group], "topic_arn": one.topic.get(), "notifications": one.events.iter().map(name).collect::<Vec<_>>() })
}

fn policy(group: &str, name: &str, policy: &ScalingPolicy) -> Value {
    let simple = policy.simple.as_ref();
    let step = policy.step.as_ref();
    let kind = match policy {
        ScalingPolicy { target_tracking: Some(_), .. } => "TargetTrackingScaling",
        ScalingPolicy { step: Some(_), .. } => "StepScaling",
        ScalingPolicy { predictive: Some(_), .. } => "PredictiveScaling",
        _ => "SimpleScaling",
    };
    let adjustment = simple.map(|simple| simple.adjustment_type).or(step.map(|step| step.adjustment_type));
    let steps = step.into_iter().flat_map(|step| &step.steps).map(|step| {
        let bound = |bound: Option<f64>| bound.map(|bound| bound.to_string());
        json!({
            "metric_interval_lower_bound": bound(step.from),
            "metric_interval_upper_bound": bound(step.to),
            "scaling_adjustment": step.change,
        })
    });
    json!({
        "name": name,
        "autoscaling_group_name": group,
        "enabled": policy.enabled,
        "policy_type": kind,
        "estimated_instance_warmup": policy.warmup_seconds,
        "adjustment_type": adjustment.map(|adjustment| to_aws(&adjustment)),
        "min_adjustment_magnitude":
            simple.and_then(|simple| simple.min_adjustment).or(step.and_then(|step| step.min_adjustment)),
        "scaling_adjustment": simple.map(|simple| simple.change),
        "cooldown": simple.and_then(|simple| simple.cooldown_seconds),
        "metric_aggregation_type": step.map(|step| &step.aggregation),
        "step_adjustment": steps.collect::<Vec<_>>(),
        "target_tracking_configuration": block(policy.target_tracking.as_ref().map(tracking)),
        "predictive_scaling_configuration": block(policy.predictive.as_ref().map(predictive)),
    })
}

fn tracking(tracking: &TargetTracking) -> Value {
    let dimensions =
        |metric: &TrackedMetric| metric.dimensions.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>();
    let custom = tracking.custom_metric.as_ref().map(|metric| {
        json!({
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "metric_dimension": dimensions(metric),
            "statistic": metric.statistic,
            "unit": metric.unit,
            "period": metric.period_seconds,
        })
    });
    let query = |(id, query): (&String, &MetricQuery)| {
        let stat = query.metric.as_ref().map(|metric| {
            let dimensions = dimensions(metric);
            let name = json!({ "namespace": metric.namespace, "metric_name": metric.name, "dimensions": dimensions });
            json!({ "metric": [name], "stat": metric.statistic, "unit": metric.unit, "period": metric.period_seconds })
        });
        json!({
            "id": id,
            "expression": Some(&query.expression).filter(|text| !text.is_empty()),
            "label": Some(&query.label).filter(|text| !text.is_empty()),
            "metric_stat": block(stat),
            "return_data": query.tracked,
        })
    };
    let queries = (!tracking.queries.is_empty()).then(|| json!({ "metrics": tracking.queries.iter().map(query).collect::<Vec<_>>() }));
    let predefined = tracking.metric.as_ref();
    let predefined = predefined.map(|metric| json!({ "predefined_metric_type": metric, "resource_label": tracking.resource_label }));
    json!({
        "target_value": tracking.target,
        "disable_scale_in": tracking.only_increase,
        "predefined_metric_specification": block(predefined),
        "customized_metric_specification": block(custom.or(queries)),
    })
}

fn predictive(forecast: &PredictiveScaling) -> Value {
    let pair = json!({ "predefined_metric_type": forecast.metric, "resource_label": forecast.resource_label });
    json!({
        "mode": forecast.mode,
        "scheduling_buffer_time": forecast.buffer_seconds.to_string(),
        "max_capacity_breach_behavior": if forecast.exceed_max { "IncreaseMaxCapacity" } else { "HonorMaxCapacity" },
        "max_capacity_buffer": forecast.max_buffer_percentage.map(|buffer| buffer.to_string()),
        "metric_specification": [{ "target_value": forecast.target, "predefined_metric_pair_specification": [pair] }],
    })
}
