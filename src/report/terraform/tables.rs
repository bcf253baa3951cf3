//! DynamoDB tables in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::aws::{
    to_aws,
    types::dynamodb_table::{AttributeType, Billing, Capacity, ContributorInsights, DynamodbTable, GlobalIndex, Projection},
};

impl ToTerraform for DynamodbTable {
    const TERRAFORM_TYPE: &'static str = "aws_dynamodb_table";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let attribute = |(name, kind): (&String, &AttributeType)| {
            let kind = match kind {
                AttributeType::String => "S",
                AttributeType::Number => "N",
                AttributeType::Binary => "B",
            };
            json!({ "name": name, "type": kind })
        };
        let local = self.local_indexes.iter().map(|(name, index)| {
            json!({
                "name": name,
                "range_key": index.sort,
                "projection_type": upper(&index.projection),
                "non_key_attributes": (index.projection == Projection::Include).then_some(&index.include),
            })
        });
        json!({
            "name": self.name,
            "billing_mode": if self.billing == Billing::OnDemand { "PAY_PER_REQUEST" } else { "PROVISIONED" },
            "hash_key": self.key.partition,
            "range_key": self.key.sort,
            "read_capacity": positive(self.read_capacity),
            "write_capacity": positive(self.write_capacity),
            "attribute": self.attributes.iter().map(attribute).collect::<Vec<_>>(),
            "local_secondary_index": local.collect::<Vec<_>>(),
            "global_secondary_index": self.global_indexes.iter().map(global_index).collect::<Vec<_>>(),
            "on_demand_throughput": limits(self.max_read_units, self.max_write_units),
            "warm_throughput": warm(self.warm_read_units, self.warm_write_units),
            "table_class": upper(&self.table_class),
            "stream_enabled": self.stream.is_some(),
            "stream_view_type": self.stream.as_ref().map(upper),
            "server_side_encryption": [{ "enabled": self.kms_key.is_some(), "kms_key_arn": id_or_arn(self.kms_key.as_ref()) }],
            "ttl": self.ttl_attribute.iter().map(|name| json!({ "attribute_name": name, "enabled": true })).collect::<Vec<_>>(),
            "point_in_time_recovery": [{ "enabled": self.recovery_days > 0, "recovery_period_in_days": positive(self.recovery_days.into()) }],
            "deletion_protection_enabled": self.deletion_protection,
            "restore_source_name": self.point_in_time.as_ref().map(|point| point.table.get()),
            "restore_date_time": self.point_in_time.as_ref().and_then(|point| point.time.as_ref()),
            "restore_to_latest_time": self.point_in_time.as_ref().and_then(|point| point.time.is_none().then_some(true)),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let mut parts = Vec::new();
        if let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_empty()) {
            let arguments = json!({ "resource_arn": at.output_reference("arn"), "policy": policy.to_json() });
            parts.push(SubResource::single("aws_dynamodb_resource_policy", arguments));
        }
        if self.contributor_insights != ContributorInsights::Disabled {
            let arguments = json!({ "table_name": at.output_reference("id"), "mode": upper(&self.contributor_insights) });
            parts.push(SubResource::single("aws_dynamodb_contributor_insights", arguments));
        }
        let Some(scaling) = &self.scaling else { return parts };
        let table = at.output_reference("id");
        let own = [(None, true, scaling.read), (None, false, scaling.write)].into_iter();
        let indexes = scaling.indexes.iter().flat_map(|(name, index)| [(Some(name), true, index.read), (Some(name), false, index.write)]);
        for (index, is_read, capacity) in own.chain(indexes) {
            parts.extend(capacity.into_iter().flat_map(|capacity| scaling_parts(&table, index, is_read, capacity)));
        }
        parts
    }
}

fn global_index((name, index): (&String, &GlobalIndex)) -> Value {
    json!({
        "name": name,
        "hash_key": index.key.partition,
        "range_key": index.key.sort,
        "projection_type": upper(&index.projection),
        "non_key_attributes": (index.projection == Projection::Include).then_some(&index.include),
        "read_capacity": positive(index.read_capacity),
        "write_capacity": positive(index.write_capacity),
        "on_demand_throughput": limits(index.max_read_units, index.max_write_units),
        "warm_throughput": warm(index.warm_read_units, index.warm_write_units),
    })
}

/// Target and policy of one capacity.
fn scaling_parts(table: &str, index: Option<&String>, is_read: bool, capacity: Capacity) -> [SubResource; 2] {
    let word = if is_read { "Read" } else { "Write" };
    let kind = if index.is_some() { "index" } else { "table" };
    let resource = index.map_or_else(|| format!("table/{table}"), |index| format!("table/{table}/index/{index}"));
    let key = index.map_or_else(|| word.to_lowercase(), |index| format!("{index}-{}", word.to_lowercase()));
    let target = json!({
        "service_namespace": "dynamodb",
        "resource_id": resource,
        "scalable_dimension": format!("dynamodb:{kind}:{word}CapacityUnits"),
    });
    let with = |more: Value| {
        let mut all = target.clone();
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        all
    };
    let policy = json!({
        "name": key,
        "policy_type": "TargetTrackingScaling",
        "target_tracking_scaling_policy_configuration": [{
            "target_value": capacity.target_percent,
            "scale_out_cooldown": capacity.increase_cooldown_seconds,
            "scale_in_cooldown": capacity.decrease_cooldown_seconds,
            "disable_scale_in": capacity.only_increase,
            "predefined_metric_specification": [{ "predefined_metric_type": format!("DynamoDB{word}CapacityUtilization") }],
        }],
    });
    let limits = json!({ "min_capacity": capacity.min, "max_capacity": capacity.max });
    [
        SubResource::keyed("aws_appautoscaling_target", key.clone(), with(limits)),
        SubResource::keyed("aws_appautoscaling_policy", key, with(policy)),
    ]
}

fn upper<T: serde::Serialize>(value: &T) -> String {
    to_aws(value).to_uppercase()
}

fn positive(number: i64) -> Option<i64> {
    Some(number).filter(|number| *number > 0)
}

fn limits(read: i64, write: i64) -> Vec<Value> {
    let both = || json!({ "max_read_request_units": positive(read), "max_write_request_units": positive(write) });
    (read > 0 || write > 0).then(both).into_iter().collect()
}

fn warm(read: Option<i64>, write: Option<i64>) -> Vec<Value> {
    let both = || json!({ "read_units_per_second": read, "write_units_per_second": write });
    (read.is_some() || write.is_some()).then(both).into_iter().collect()
}
