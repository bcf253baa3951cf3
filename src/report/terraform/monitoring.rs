//! Alarms, dashboards and event rules in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::{
        to_aws,
        types::{
            composite_alarm::CompositeAlarm,
            dashboard::Dashboard,
            event_rule::{EcsTask, EventRule, Target},
            metric_alarm::{Metric, MetricAlarm, Query},
        },
    },
    core::referenced_ids,
};

impl ToTerraform for MetricAlarm {
    const TERRAFORM_TYPE: &'static str = "aws_cloudwatch_metric_alarm";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let metric = self.metric.as_ref();
        let is_extended = metric.is_some_and(Metric::is_extended);
        let statistic = metric.map(|metric| &metric.statistic);
        json!({
            "alarm_name": self.name,
            "alarm_description": self.description,
            "namespace": metric.map(|metric| &metric.namespace),
            "metric_name": metric.map(|metric| &metric.name),
            "dimensions": metric.map(|metric| &metric.dimensions),
            "statistic": statistic.filter(|_| !is_extended),
            "extended_statistic": statistic.filter(|_| is_extended),
            "period": metric.map(|metric| metric.period_seconds),
            "unit": metric.and_then(|metric| metric.unit.as_ref()),
            "metric_query": self.queries.iter().map(|(id, query)| metric_query(id, query)).collect::<Vec<_>>(),
            "comparison_operator": to_aws(&self.comparison),
            "threshold": self.threshold,
            "threshold_metric_id": non_empty(&self.threshold_query),
            "evaluation_periods": self.evaluation_periods,
            "datapoints_to_alarm": self.datapoints_to_alarm,
            "treat_missing_data": self.missing_data,
            "evaluate_low_sample_count_percentiles": is_extended.then_some(&self.low_samples),
            "actions_enabled": self.actions_enabled,
            "alarm_actions": self.alarm_actions,
            "ok_actions": self.ok_actions,
            "insufficient_data_actions": self.insufficient_data_actions,
        })
    }
}

fn metric_query(id: &str, query: &Query) -> Value {
    let metric = query.metric.as_ref().map(|metric| {
        json!([{
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "dimensions": metric.dimensions,
            "stat": metric.statistic,
            "period": metric.period_seconds,
            "unit": metric.unit,
        }])
    });
    json!({
        "id": id,
        "metric": metric,
        "expression": non_empty(&query.expression),
        "period": query.period_seconds,
        "label": non_empty(&query.label),
        "return_data": query.compared,
        "account_id": query.account,
    })
}

impl ToTerraform for CompositeAlarm {
    const TERRAFORM_TYPE: &'static str = "aws_cloudwatch_composite_alarm";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let suppressor = self.suppressor.as_ref().map(|alarm| {
            let (wait, extension) = (self.suppressor_wait_seconds, self.suppressor_extension_seconds);
            json!([{ "alarm": alarm, "wait_period": wait, "extension_period": extension }])
        });
        json!({
            "alarm_name": self.name,
            "alarm_description": self.description,
            "alarm_rule": self.rule,
            "actions_enabled": self.actions_enabled,
            "alarm_actions": self.alarm_actions,
            "ok_actions": self.ok_actions,
            "insufficient_data_actions": self.insufficient_data_actions,
            "actions_suppressor": suppressor,
        })
    }
}

impl ToTerraform for Dashboard {
    const TERRAFORM_TYPE: &'static str = "aws_cloudwatch_dashboard";
    const ARN_ATTRIBUTE: &'static str = "dashboard_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "dashboard_name": self.name, "dashboard_body": self.body.to_json() })
    }
}

impl ToTerraform for EventRule {
    const TERRAFORM_TYPE: &'static str = "aws_cloudwatch_event_rule";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "event_bus_name": self.bus,
            "description": non_empty(&self.description),
            "event_pattern": self.pattern.text(),
            "schedule_expression": non_empty(&self.schedule),
            "state": to_aws(&self.state),
            "role_arn": id_or_arn(self.role.as_ref()),
        })
    }

    fn sub_resources(&self, _: &ResourceContext<'_>) -> Vec<SubResource> {
        let target =
            |(id, target): (&String, &Target)| SubResource::keyed("aws_cloudwatch_event_target", id, event_target(self, id, target));
        self.targets.iter().map(target).collect()
    }
}

fn event_target(rule: &EventRule, id: &str, target: &Target) -> Value {
    let transformer = target.input_transformer.as_ref();
    let transformer = transformer.map(|one| json!([{ "input_paths": one.paths, "input_template": one.template }]));
    let http = target.http.as_ref().map(|http| {
        json!([{
            "path_parameter_values": http.path_values,
            "header_parameters": http.headers,
            "query_string_parameters": http.query,
        }])
    });
    json!({
        "target_id": id,
        "rule": rule.name,
        "event_bus_name": rule.bus,
        "arn": target.arn,
        "role_arn": id_or_arn(target.role.as_ref()),
        "input": non_empty(&target.input),
        "input_path": non_empty(&target.input_path),
        "input_transformer": transformer,
        "retry_policy": [{
            "maximum_retry_attempts": target.max_retries,
            "maximum_event_age_in_seconds": target.max_age_seconds,
        }],
        "dead_letter_config": target.dead_letter_queue.as_ref().map(|queue| json!([{ "arn": queue.get() }])),
        "sqs_target": non_empty(&target.message_group).map(|group| json!([{ "message_group_id": group }])),
        "kinesis_target": non_empty(&target.partition_key_path).map(|path| json!([{ "partition_key_path": path }])),
        "http_target": http,
        "ecs_target": target.ecs.as_ref().map(ecs_target),
    })
}

fn ecs_target(task: &EcsTask) -> Value {
    let network = (!task.subnets.is_empty()).then(|| {
        json!([{
            "subnets": referenced_ids(&task.subnets),
            "security_groups": referenced_ids(&task.security_groups),
            "assign_public_ip": task.public_ip,
        }])
    });
    json!([{
        "task_definition_arn": task.task_definition,
        "task_count": task.count,
        "launch_type": task.launch_type,
        "network_configuration": network,
        "platform_version": task.platform_version,
        "group": task.group,
        "propagate_tags": task.propagate_tags.then_some("TASK_DEFINITION"),
        "enable_ecs_managed_tags": task.managed_tags,
        "enable_execute_command": task.execute_command,
    }])
}

/// Terraform has no value for an empty text.
pub fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
