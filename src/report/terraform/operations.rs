//! Trails, backups and budgets in Terraform.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::aws::{
    to_aws,
    types::{
        backup_plan::{BackupPlan, BackupRule, Conditions, Selection},
        backup_vault::{BackupVault, LockMode},
        budget::{Budget, Notification},
        trail::{AdvancedSelector, EventSelector, Trail},
    },
};

impl ToTerraform for Trail {
    const TERRAFORM_TYPE: &'static str = "aws_cloudtrail";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let is_advanced = !self.advanced_selectors.is_empty();
        let selectors: Vec<_> = self.event_selectors.iter().filter(|_| !is_advanced).map(event_selector).collect();
        json!({
            "name": self.name,
            "s3_bucket_name": self.bucket.get(),
            "s3_key_prefix": non_empty(&self.prefix),
            "sns_topic_name": id_or_arn(self.topic.as_ref()),
            "is_multi_region_trail": self.multi_region,
            "include_global_service_events": self.global_events,
            "is_organization_trail": self.organization,
            "enable_log_file_validation": self.log_validation,
            "cloud_watch_logs_group_arn": non_empty(&self.log_group_arn()),
            "cloud_watch_logs_role_arn": id_or_arn(self.log_role.as_ref()),
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "enable_logging": self.logging,
            "event_selector": selectors,
            "advanced_event_selector": self.advanced_selectors.iter().map(advanced_selector).collect::<Vec<_>>(),
            "insight_selector": self.insights.iter().map(|insight| json!({ "insight_type": insight })).collect::<Vec<_>>(),
        })
    }
}

fn event_selector(selector: &EventSelector) -> Value {
    let data = selector.data.iter().map(|(of, arns)| json!({ "type": of, "values": arns }));
    json!({
        "read_write_type": to_aws(&selector.read_write),
        "include_management_events": selector.management,
        "exclude_management_event_sources": selector.excluded_services,
        "data_resource": data.collect::<Vec<_>>(),
    })
}

fn advanced_selector(selector: &AdvancedSelector) -> Value {
    let fields = selector.fields.iter().map(|(field, condition)| {
        json!({
            "field": field,
            "equals": condition.equals,
            "starts_with": condition.starts_with,
            "ends_with": condition.ends_with,
            "not_equals": condition.not_equals,
            "not_starts_with": condition.not_starts_with,
            "not_ends_with": condition.not_ends_with,
        })
    });
    json!({ "name": non_empty(&selector.name), "field_selector": fields.collect::<Vec<_>>() })
}

impl ToTerraform for BackupVault {
    const TERRAFORM_TYPE: &'static str = "aws_backup_vault";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "kms_key_arn": id_or_arn(self.kms_key.as_ref()) })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let vault = at.output_reference("id");
        let policy = self.policy.as_ref().filter(|policy| !policy.is_empty()).map(|policy| {
            let arguments = json!({ "backup_vault_name": vault, "policy": policy.to_json() });
            SubResource::single("aws_backup_vault_policy", arguments)
        });
        let notifications = self.notifications.as_ref().map(|notifications| {
            let topic = notifications.topic.get();
            let arguments = json!({ "backup_vault_name": vault, "sns_topic_arn": topic, "backup_vault_events": notifications.events });
            SubResource::single("aws_backup_vault_notifications", arguments)
        });
        let lock = (self.lock != LockMode::None).then(|| {
            let arguments = json!({
                "backup_vault_name": vault,
                "min_retention_days": self.min_retention_days,
                "max_retention_days": self.max_retention_days,
                "changeable_for_days": (self.lock == LockMode::Compliance).then_some(self.grace_days),
            });
            SubResource::single("aws_backup_vault_lock_configuration", arguments)
        });
        policy.into_iter().chain(notifications).chain(lock).collect()
    }
}

impl ToTerraform for BackupPlan {
    const TERRAFORM_TYPE: &'static str = "aws_backup_plan";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let option =
            |(service, options): (&String, &BTreeMap<String, String>)| json!({ "resource_type": service, "backup_options": options });
        json!({
            "name": self.name,
            "rule": self.rules.iter().map(|(name, rule)| backup_rule(name, rule)).collect::<Vec<_>>(),
            "advanced_backup_setting": self.options.iter().map(option).collect::<Vec<_>>(),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let plan = at.output_reference("id");
        let selections = self.selections.iter();
        selections
            .map(|(name, selection)| SubResource::keyed("aws_backup_selection", name, backup_selection(&plan, name, selection)))
            .collect()
    }
}

fn lifecycle(cold: Option<i64>, delete: Option<i64>, archive: bool) -> Value {
    if cold.is_none() && delete.is_none() {
        return json!([]);
    }
    json!([{
        "cold_storage_after": cold,
        "delete_after": delete,
        "opt_in_to_archive_for_supported_resources": archive.then_some(true),
    }])
}

fn backup_rule(name: &str, rule: &BackupRule) -> Value {
    let copies = rule.copies.iter().map(|copy| {
        json!({
            "destination_vault_arn": copy.vault,
            "lifecycle": lifecycle(copy.cold_after_days, copy.delete_after_days, false),
        })
    });
    json!({
        "rule_name": name,
        "target_vault_name": rule.vault.get(),
        "schedule": rule.schedule,
        "schedule_expression_timezone": rule.timezone,
        "start_window": rule.start_window_minutes,
        "completion_window": rule.completion_window_minutes,
        "enable_continuous_backup": rule.continuous,
        "lifecycle": lifecycle(rule.cold_after_days, rule.delete_after_days, rule.archive),
        "copy_action": copies.collect::<Vec<_>>(),
        "recovery_point_tags": rule.backup_tags,
    })
}

fn backup_selection(plan: &str, name: &str, selection: &Selection) -> Value {
    let tags = selection.tags.iter().map(|(key, value)| json!({ "type": "STRINGEQUALS", "key": key, "value": value }));
    let list = |tags: &BTreeMap<String, String>| {
        tags.iter().map(|(key, value)| json!({ "key": format!("aws:ResourceTag/{key}"), "value": value })).collect::<Vec<_>>()
    };
    let conditions = &selection.conditions;
    let condition = (*conditions != Conditions::default()).then(|| {
        json!([{
            "string_equals": list(&conditions.equals),
            "string_not_equals": list(&conditions.not_equals),
            "string_like": list(&conditions.like),
            "string_not_like": list(&conditions.not_like),
        }])
    });
    json!({
        "name": name,
        "plan_id": plan,
        "iam_role_arn": selection.role.get(),
        "resources": selection.resources,
        "not_resources": selection.excluded,
        "selection_tag": tags.collect::<Vec<_>>(),
        "condition": condition,
    })
}

impl ToTerraform for Budget {
    const TERRAFORM_TYPE: &'static str = "aws_budgets_budget";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let filters = self.cost_filters.iter().map(|(name, values)| json!({ "name": name, "values": values }));
        let planned = self
            .planned
            .iter()
            .map(|(day, amount)| json!({ "start_time": format!("{day}_00:00"), "amount": amount.to_string(), "unit": self.unit }));
        let adjust = self.auto_adjust.as_ref().map(|adjust| match adjust.past_periods {
            Some(periods) => json!([{
                "auto_adjust_type": "HISTORICAL",
                "historical_options": [{ "budget_adjustment_period": periods }],
            }]),
            None => json!([{ "auto_adjust_type": "FORECAST" }]),
        });
        let is_plain = self.filter.is_empty() && self.metric.is_none();
        let cost_types: Map<String, Value> =
            self.cost_types.parts().into_iter().map(|(name, counts)| (name.to_owned(), counts.into())).collect();
        json!({
            "name": self.name,
            "budget_type": to_aws(&self.budget_type),
            "limit_amount": self.amount.map(|amount| amount.to_string()),
            "limit_unit": self.amount.map(|_| &self.unit),
            "time_unit": to_aws(&self.period),
            "time_period_start": self.start.as_ref().map(|day| format!("{day}_00:00")),
            "time_period_end": self.end.as_ref().map(|day| format!("{day}_00:00")),
            "planned_limit": planned.collect::<Vec<_>>(),
            "auto_adjust_data": adjust,
            "cost_filter": filters.collect::<Vec<_>>(),
            "cost_types": is_plain.then(|| json!([cost_types])),
            "metrics": self.metric.iter().collect::<Vec<_>>(),
            "filter_expression": (!self.filter.is_empty()).then(|| json!([filter_expression(self.filter.value())])),
            "notification": self.notifications.iter().map(budget_notification).collect::<Vec<_>>(),
        })
    }
}

fn budget_notification(one: &Notification) -> Value {
    json!({
        "notification_type": to_aws(&one.kind),
        "comparison_operator": to_aws(&one.comparison),
        "threshold": one.threshold,
        "threshold_type": to_aws(&one.threshold_type),
        "subscriber_email_addresses": one.emails,
        "subscriber_sns_topic_arns": one.topic.iter().map(|topic| topic.get()).collect::<Vec<_>>(),
    })
}

/// An expression with Terraform's names; nested ones are blocks.
fn filter_expression(expression: &Value) -> Value {
    let blocks = |value: &Value| match value {
        Value::Array(list) => list.iter().map(filter_expression).collect::<Vec<_>>(),
        other => vec![filter_expression(other)],
    };
    let condition = |value: &Value| json!([{ "key": value["Key"], "values": value["Values"], "match_options": value["MatchOptions"] }]);
    let fields = expression.as_object().into_iter().flatten();
    let field = |(name, value): (&String, &Value)| match name.as_str() {
        "And" => ("and".to_owned(), blocks(value).into()),
        "Or" => ("or".to_owned(), blocks(value).into()),
        "Not" => ("not".to_owned(), blocks(value).into()),
        "CostCategories" => ("cost_categories".to_owned(), condition(value)),
        other => (other.to_lowercase(), condition(value)),
    };
    fields.map(field).collect::<Map<String, Value>>().into()
}
