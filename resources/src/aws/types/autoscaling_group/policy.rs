//! Scaling policies.

use std::collections::BTreeMap;

use super::super::prelude::*;

/// A policy that changes the number of instances: exactly one of `target_tracking`, `step`, `simple` and `predictive`.
#[spec]
#[derive(PartialEq)]
pub struct ScalingPolicy {
    /// Whether it is in effect.
    #[field(default = true)]
    pub enabled: bool,
    /// Keeps a metric at a value. Auto Scaling creates the alarms for it.
    #[field(default, dropped = None)]
    pub target_tracking: Option<TargetTracking>,
    /// Changes the number in steps that depend on how far an alarm's metric is from its threshold. The alarm has the ARN of the policy as
    /// an action.
    #[field(default, dropped = None)]
    pub step: Option<StepScaling>,
    /// Changes the number by a fixed amount at an alarm, which has the ARN of the policy as an action.
    #[field(default, dropped = None)]
    pub simple: Option<SimpleScaling>,
    /// Starts instances before a load that recurs every day or week.
    #[field(default, dropped = None)]
    pub predictive: Option<PredictiveScaling>,
    /// Time until the metrics of a new instance count, in seconds. For `target_tracking` and `step`.
    #[field(unset = "`warmup_seconds` of the group", range = 0..=3600, dropped = None)]
    pub warmup_seconds: Option<i32>,
}

/// Keeps a metric at a value: a predefined `metric`, a `custom_metric`, or `queries`.
#[spec]
#[derive(PartialEq)]
pub struct TargetTracking {
    /// Value of the metric to keep.
    pub target: f64,
    /// Predefined metric.
    #[field(
        default,
        one_of = ["ASGAverageCPUUtilization", "ASGAverageNetworkIn", "ASGAverageNetworkOut", "ALBRequestCountPerTarget"],
        dropped = None
    )]
    pub metric: Option<String>,
    /// Load balancer and target group of `ALBRequestCountPerTarget`: the values `arn_suffix` of both, with a slash between them.
    #[field(default, requires = metric, dropped = None)]
    pub resource_label: Option<String>,
    /// Metric that goes up with the load of an instance.
    #[field(default, conflicts_with = metric, dropped = None)]
    pub custom_metric: Option<TrackedMetric>,
    /// Metrics and an expression of them, by id; one of them is `tracked`.
    #[field(default, length = 0..=10, conflicts_with = metric)]
    pub queries: BTreeMap<String, MetricQuery>,
    /// Only increases the number of instances.
    #[field(default = false)]
    pub only_increase: bool,
}

/// A statistic of a metric.
#[spec]
#[derive(PartialEq)]
pub struct TrackedMetric {
    /// Namespace, such as `AWS/SQS`.
    #[field(length = 1..=255)]
    pub namespace: String,
    /// Name of the metric.
    #[field(length = 1..=255)]
    pub name: String,
    /// Dimensions, by name.
    #[field(default, length = 0..=30)]
    pub dimensions: BTreeMap<String, String>,
    /// Statistic: `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or in a query also a percentile such as `p90`.
    #[field(default = "Average", pattern = r"Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d+)?")]
    pub statistic: String,
    /// Unit.
    #[field(unset = "all units", length = 1..=100, dropped = None)]
    pub unit: Option<String>,
    /// Length of a period, in seconds.
    #[field(unset = "60", one_of = [10, 30, 60], dropped = None)]
    pub period_seconds: Option<i32>,
}

/// A metric, or an expression of others.
#[spec]
#[derive(PartialEq)]
pub struct MetricQuery {
    /// Metric; set either this or `expression`.
    #[field(default, conflicts_with = expression, dropped = None)]
    pub metric: Option<TrackedMetric>,
    /// Expression of the ids of other queries, such as `visible / instances`.
    #[field(default, length = 0..=2047)]
    pub expression: String,
    /// Label.
    #[field(default, length = 0..=2047)]
    pub label: String,
    /// Whether its value is kept.
    #[field(default = false)]
    pub tracked: bool,
}

/// Changes the number of instances in steps.
#[spec]
#[derive(PartialEq)]
pub struct StepScaling {
    /// What the changes are.
    #[field(default = AdjustmentType::Change)]
    pub adjustment_type: AdjustmentType,
    /// Least number of instances by which a percentage changes the group.
    #[field(unset = "1", range = 1..=2_147_483_647, dropped = None)]
    pub min_adjustment: Option<i32>,
    /// How values within a period are combined.
    #[field(default = "Average", one_of = ["Minimum", "Maximum", "Average"])]
    pub aggregation: String,
    /// The steps.
    #[field(length = 1..=40)]
    pub steps: Vec<Step>,
}

/// Change of the number of instances for a range of the metric, relative to the threshold of the alarm.
#[spec]
#[derive(PartialEq)]
pub struct Step {
    /// Lower bound, inclusive above the threshold.
    #[field(unset = "no bound", dropped = None)]
    pub from: Option<f64>,
    /// Upper bound.
    #[field(unset = "no bound", dropped = None)]
    pub to: Option<f64>,
    /// Number of instances by which, percentage by which, or number to which the group changes.
    pub change: i32,
}

/// Changes the number of instances by a fixed amount.
#[spec]
#[derive(PartialEq)]
pub struct SimpleScaling {
    /// What the change is.
    #[field(default = AdjustmentType::Change)]
    pub adjustment_type: AdjustmentType,
    /// Number of instances by which, percentage by which, or number to which the group changes.
    pub change: i32,
    /// Least number of instances by which a percentage changes the group.
    #[field(unset = "1", range = 1..=2_147_483_647, dropped = None)]
    pub min_adjustment: Option<i32>,
    /// Time until the next activity, in seconds.
    #[field(unset = "`cooldown_seconds` of the group", range = 0..=100_000, dropped = None)]
    pub cooldown_seconds: Option<i32>,
}

/// What a change of the number of instances is.
#[spec]
#[derive(Copy, PartialEq)]
pub enum AdjustmentType {
    /// A number of instances more, or less.
    #[serde(rename = "ChangeInCapacity")]
    Change,
    /// The number of instances.
    #[serde(rename = "ExactCapacity")]
    Exact,
    /// A percentage more, or less.
    #[serde(rename = "PercentChangeInCapacity")]
    PercentChange,
}

/// Starts instances before a load that recurs.
#[spec]
#[derive(PartialEq)]
pub struct PredictiveScaling {
    /// Predefined pair of a metric of the load and one of the instances.
    #[field(one_of = ["ASGCPUUtilization", "ASGNetworkIn", "ASGNetworkOut", "ALBRequestCount"])]
    pub metric: String,
    /// Value of the instances' metric to keep.
    pub target: f64,
    /// Load balancer and target group of `ALBRequestCount`: the values `arn_suffix` of both, with a slash between them.
    #[field(default, dropped = None)]
    pub resource_label: Option<String>,
    /// Whether the forecast changes the number of instances, or is made to be looked at.
    #[field(default = "ForecastOnly", one_of = ["ForecastOnly", "ForecastAndScale"])]
    pub mode: String,
    /// Time before the forecast load at which instances start, in seconds.
    #[field(default = 300, range = 0..=3600)]
    pub buffer_seconds: i32,
    /// Whether a forecast may exceed `max` of the group.
    #[field(default = false)]
    pub exceed_max: bool,
    /// Share above the forecast to which a group that exceeds its `max` grows, in percent.
    #[field(unset = "0", range = 0..=100, requires = exceed_max, dropped = None)]
    pub max_buffer_percentage: Option<i32>,
}

impl ScalingPolicy {
    pub(super) fn kinds(&self) -> usize {
        let Self { target_tracking, step, simple, predictive, .. } = self;
        [target_tracking.is_some(), step.is_some(), simple.is_some(), predictive.is_some()].into_iter().filter(|is_set| *is_set).count()
    }
}
