//! Logs in Terraform.

use serde_json::{Value, json};

use super::{
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::{
    aws::{
        to_aws,
        types::log_group::{LogGroup, MetricFilter, SubscriptionFilter},
    },
    core::Document,
};

impl ToTerraform for LogGroup {
    const TERRAFORM_TYPE: &'static str = "aws_cloudwatch_log_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "retention_in_days": self.retention_days,
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "log_group_class": to_aws(&self.class),
            "deletion_protection_enabled": self.deletion_protection,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let group = at.output_reference("id");
        let metrics = self
            .metric_filters
            .iter()
            .map(|(name, filter)| SubResource::keyed("aws_cloudwatch_log_metric_filter", name, metric_filter(&group, name, filter)));
        let subscriptions = self.subscription_filters.iter().map(|(name, filter)| {
            SubResource::keyed("aws_cloudwatch_log_subscription_filter", name, subscription_filter(&group, name, filter))
        });
        let policy = |document: &Document| {
            let arguments = json!({ "log_group_name": group, "policy_document": document.to_json() });
            SubResource::single("aws_cloudwatch_log_data_protection_policy", arguments)
        };
        let policy = Some(&self.data_protection).filter(|document| !document.is_empty()).map(policy);
        metrics.chain(subscriptions).chain(policy).collect()
    }
}

fn metric_filter(group: &str, name: &str, filter: &MetricFilter) -> Value {
    json!({
        "name": name,
        "log_group_name": group,
        "pattern": filter.pattern,
        "apply_on_transformed_logs": filter.on_transformed_logs,
        "field_selection_criteria": non_empty(&filter.field_selection),
        "emit_system_field_dimensions": filter.system_dimensions,
        "metric_transformation": [{
            "name": filter.metric,
            "namespace": filter.namespace,
            "value": filter.value,
            "default_value": filter.default_value.map(|value| value.to_string()),
            "dimensions": filter.dimensions,
            "unit": filter.unit,
        }],
    })
}

fn subscription_filter(group: &str, name: &str, filter: &SubscriptionFilter) -> Value {
    json!({
        "name": name,
        "log_group_name": group,
        "filter_pattern": filter.pattern,
        "destination_arn": filter.destination,
        "role_arn": id_or_arn(filter.role.as_ref()),
        "distribution": to_aws(&filter.distribution),
        "apply_on_transformed_logs": filter.on_transformed_logs,
        "field_selection_criteria": non_empty(&filter.field_selection),
        "emit_system_fields": filter.system_fields,
    })
}
