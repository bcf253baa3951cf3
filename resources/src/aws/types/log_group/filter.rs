//! Filters of a log group.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::{self as sdk, MetricTransformation};

use super::super::{iam_role::IamRole, prelude::*};
use crate::aws::{from_aws, to_aws};

/// A filter that turns log events into values of a metric.
#[spec]
#[derive(PartialEq)]
pub struct MetricFilter {
    /// Pattern of the events that count, such as `ERROR` or `{ $.status = 500 }`; empty for all events.
    #[field(default, length = 0..=1024)]
    pub pattern: String,
    /// Name of the metric.
    #[field(length = 1..=255, pattern = "[^:*$]*")]
    pub metric: String,
    /// Namespace of the metric.
    #[field(length = 1..=255, pattern = "[^:*$]*")]
    pub namespace: String,
    /// Value of each matching event: a number, or a field of the event such as `$.latency`.
    #[field(default = "1", length = 1..=100)]
    pub value: String,
    /// Value of a minute in which events arrive, but none match.
    #[field(unset = "no value", dropped = None)]
    pub default_value: Option<f64>,
    /// Dimensions of the metric, by name: fields of the event, such as `$.host`. Each combination of values is a metric of its own.
    #[field(default, length = 0..=3, conflicts_with = default_value)]
    pub dimensions: BTreeMap<String, String>,
    /// Unit of the metric.
    #[field(
        default = "None",
        one_of = [
            "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits",
            "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
            "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second",
            "Terabits/Second", "Count/Second", "None"
        ]
    )]
    pub unit: String,
    /// Applies the filter to the events as a log transformer leaves them.
    #[field(default = false)]
    pub on_transformed_logs: bool,
    /// Accounts and regions whose events count in a central log group, such as `@aws.region = "eu-west-1"`.
    #[field(default, length = 0..=2000)]
    pub field_selection: String,
    /// System fields that become dimensions, in a central log group.
    #[field(default, length = 0..=2, one_of = ["@aws.account", "@aws.region"])]
    pub system_dimensions: BTreeSet<String>,
}

/// A filter that sends log events elsewhere.
#[spec]
#[derive(PartialEq)]
pub struct SubscriptionFilter {
    /// Pattern of the events to send; empty for all events.
    #[field(default, length = 0..=1024)]
    pub pattern: String,
    /// ARN of the destination: a Kinesis stream, a Firehose stream, a Lambda function, or a destination of CloudWatch Logs in another account.
    #[field(pattern = "arn:aws[a-z-]*:(kinesis|firehose|lambda|logs):.+")]
    pub destination: String,
    /// Role that CloudWatch Logs assumes to write to a stream. A function and a destination in another account need none.
    #[field(default, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Distribution of the events among the shards of a Kinesis stream.
    #[field(default)]
    pub distribution: Distribution,
    /// Applies the filter to the events as a log transformer leaves them.
    #[field(default = false)]
    pub on_transformed_logs: bool,
    /// Accounts and regions whose events are sent from a central log group, such as `@aws.region = "eu-west-1"`.
    #[field(default, length = 0..=2000)]
    pub field_selection: String,
    /// System fields that are sent with each event, from a central log group.
    #[field(default, length = 0..=2, one_of = ["@aws.account", "@aws.region"])]
    pub system_fields: BTreeSet<String>,
}

/// Distribution among the shards of a Kinesis stream.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "PascalCase")]
pub enum Distribution {
    /// Events of one log stream go to one shard, in order.
    #[default]
    ByLogStream,
    /// Events are spread evenly.
    Random,
}

/// Sets the metric filters that differ, and removes those that are no longer declared first: their number is limited.
pub(super) async fn update_metric_filters(
    cx: &Cx<'_>,
    group: &str,
    live: &BTreeMap<String, MetricFilter>,
    wanted: &BTreeMap<String, MetricFilter>,
) -> Result<()> {
    let logs = &cx.cloudwatchlogs;
    for name in live.keys().filter(|name| !wanted.contains_key(*name)) {
        ok_or_not_found(logs.delete_metric_filter().log_group_name(group).filter_name(name).send().await)?;
    }
    for (name, filter) in wanted.iter().filter(|(name, filter)| live.get(*name) != Some(*filter)) {
        let call = logs.put_metric_filter().log_group_name(group).filter_name(name).filter_pattern(&filter.pattern);
        let call = call.metric_transformations(filter.transformation()?);
        let call = call.set_apply_on_transformed_logs(filter.on_transformed_logs.then_some(true));
        let call = call.set_field_selection_criteria(non_empty(&filter.field_selection));
        call.set_emit_system_field_dimensions(non_empty_list(&filter.system_dimensions)).send().await?;
    }
    Ok(())
}

/// Same for subscription filters.
pub(super) async fn update_subscription_filters(
    cx: &Cx<'_>,
    group: &str,
    live: &BTreeMap<String, SubscriptionFilter>,
    wanted: &BTreeMap<String, SubscriptionFilter>,
) -> Result<()> {
    let logs = &cx.cloudwatchlogs;
    for name in live.keys().filter(|name| !wanted.contains_key(*name)) {
        ok_or_not_found(logs.delete_subscription_filter().log_group_name(group).filter_name(name).send().await)?;
    }
    for (name, filter) in wanted.iter().filter(|(name, filter)| live.get(*name) != Some(*filter)) {
        let call = logs.put_subscription_filter().log_group_name(group).filter_name(name).filter_pattern(&filter.pattern);
        let call = call.destination_arn(&filter.destination).set_role_arn(filter.role.as_ref().map(|role| role.get().to_owned()));
        let call = call.distribution(to_aws(&filter.distribution).as_str().into());
        let call = call.set_apply_on_transformed_logs(filter.on_transformed_logs.then_some(true));
        let call = call.set_field_selection_criteria(non_empty(&filter.field_selection));
        call.set_emit_system_fields(non_empty_list(&filter.system_fields)).send().await?;
    }
    Ok(())
}

impl MetricFilter {
    fn transformation(&self) -> Result<MetricTransformation> {
        let dimensions = (!self.dimensions.is_empty()).then(|| self.dimensions.clone().into_iter().collect());
        let transformation = MetricTransformation::builder().metric_name(&self.metric).metric_namespace(&self.namespace);
        let transformation = transformation.metric_value(&self.value).set_default_value(self.default_value);
        Ok(transformation.set_dimensions(dimensions).unit(self.unit.as_str().into()).build()?)
    }

    /// Converts AWS's description.
    pub(super) fn read(filter: sdk::MetricFilter) -> Option<(String, MetricFilter)> {
        let transformation = filter.metric_transformations.unwrap_or_default().into_iter().next()?;
        Some((
            filter.filter_name?,
            MetricFilter {
                pattern: filter.filter_pattern.unwrap_or_default(),
                metric: transformation.metric_name,
                namespace: transformation.metric_namespace,
                value: transformation.metric_value,
                default_value: transformation.default_value,
                dimensions: transformation.dimensions.unwrap_or_default().into_iter().collect(),
                unit: transformation.unit.map_or_else(MetricFilter::default_unit, |unit| unit.as_str().to_owned()),
                on_transformed_logs: filter.apply_on_transformed_logs,
                field_selection: filter.field_selection_criteria.unwrap_or_default(),
                system_dimensions: filter.emit_system_field_dimensions.unwrap_or_default().into_iter().collect(),
            },
        ))
    }
}

impl SubscriptionFilter {
    /// Converts AWS's description.
    pub(super) fn read(filter: sdk::SubscriptionFilter) -> Result<(String, SubscriptionFilter)> {
        Ok((
            filter.filter_name.ok_or_else(|| Error::missing_field("filterName"))?,
            SubscriptionFilter {
                pattern: filter.filter_pattern.unwrap_or_default(),
                destination: filter.destination_arn.unwrap_or_default(),
                role: filter.role_arn.filter(|role| !role.is_empty()).map(ArnRef::to),
                distribution: filter.distribution.map(|way| from_aws(way.as_str())).transpose()?.unwrap_or_default(),
                on_transformed_logs: filter.apply_on_transformed_logs,
                field_selection: filter.field_selection_criteria.unwrap_or_default(),
                system_fields: filter.emit_system_fields.unwrap_or_default().into_iter().collect(),
            },
        ))
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn non_empty_list(set: &BTreeSet<String>) -> Option<Vec<String>> {
    (!set.is_empty()).then(|| set.iter().cloned().collect())
}
