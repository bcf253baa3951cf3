//! Metrics and expressions of an alarm.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{self as sdk, Dimension, MetricDataQuery, MetricStat};

use super::super::prelude::*;

/// A statistic of a metric.
#[spec]
#[derive(PartialEq)]
pub struct Metric {
    /// Namespace, such as `AWS/ApplicationELB`.
    #[field(length = 1..=255)]
    pub namespace: String,
    /// Name of the metric.
    #[field(length = 1..=255)]
    pub name: String,
    /// Dimensions, by name. A metric with other dimensions is another metric.
    #[field(default, length = 0..=30)]
    pub dimensions: BTreeMap<String, String>,
    /// Statistic: `SampleCount`, `Average`, `Sum`, `Minimum`, `Maximum`, `IQM`, a percentile such as `p99.9`, or a trimmed one such as `tm95`
    /// or `TM(10%:90%)`.
    #[field(
        pattern = r"SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|wm|tc|ts)\d{1,2}(\.\d+)?|(p|tm|wm|tc|ts)100|(PR|TM|WM|TC|TS)\([0-9.%]*:[0-9.%]*\)"
    )]
    pub statistic: String,
    /// Length of a period, in seconds: 10, 20, 30, or a multiple of 60.
    #[field(range = 10..=604_800)]
    pub period_seconds: i32,
    /// Unit. With it, only values with this unit count.
    #[field(
        unset = "all units",
        one_of = [
            "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits",
            "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
            "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second",
            "Terabits/Second", "Count/Second", "None"
        ],
        dropped = None
    )]
    pub unit: Option<String>,
}

/// A metric or an expression.
#[spec]
#[derive(PartialEq)]
pub struct Query {
    /// Metric; set either this or `expression`.
    #[field(default, conflicts_with = expression, dropped = None)]
    pub metric: Option<Metric>,
    /// Expression of the ids of other queries, such as `errors / requests`, or a query of Metrics Insights.
    #[field(default, length = 0..=2048)]
    pub expression: String,
    /// Period of a query of Metrics Insights, in seconds.
    #[field(default, range = 10..=604_800, requires = expression, dropped = None)]
    pub period_seconds: Option<i32>,
    /// Label in graphs.
    #[field(default)]
    pub label: String,
    /// Whether its values are compared with the threshold. With a band, so are those of the band.
    #[field(default = false)]
    pub compared: bool,
    /// Account of the metric, in a monitoring account.
    #[field(default, pattern = "[0-9]{12}", dropped = None)]
    pub account: Option<String>,
}

/// Statistics that aren't extended ones.
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

impl Metric {
    /// Whether CloudWatch calls the statistic an extended one.
    pub fn is_extended(&self) -> bool {
        !STATISTICS.contains(&self.statistic.as_str())
    }
    /// Whether CloudWatch has such a period.
    pub(super) fn is_period(seconds: i32) -> bool {
        matches!(seconds, 10 | 20 | 30) || (seconds > 0 && seconds % 60 == 0)
    }
    pub(super) fn sdk_dimensions(&self) -> Vec<Dimension> {
        self.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect()
    }
    /// The metric of an alarm without queries.
    pub(super) fn of_alarm(alarm: &sdk::MetricAlarm) -> Option<Metric> {
        let statistic = alarm.statistic.as_ref().map(|statistic| statistic.as_str().to_owned());
        Some(Metric {
            namespace: alarm.namespace.clone()?,
            name: alarm.metric_name.clone()?,
            dimensions: dimensions(alarm.dimensions()),
            statistic: alarm.extended_statistic.clone().or(statistic)?,
            period_seconds: alarm.period?,
            unit: alarm.unit.as_ref().map(|unit| unit.as_str().to_owned()),
        })
    }
    fn from_sdk(stat: MetricStat) -> Option<Metric> {
        let metric = stat.metric?;
        Some(Metric {
            dimensions: dimensions(metric.dimensions()),
            namespace: metric.namespace?,
            name: metric.metric_name?,
            statistic: stat.stat?,
            period_seconds: stat.period?,
            unit: stat.unit.map(|unit| unit.as_str().to_owned()),
        })
    }
    fn to_sdk(&self) -> MetricStat {
        let metric = sdk::Metric::builder().namespace(&self.namespace).metric_name(&self.name);
        let metric = metric.set_dimensions(Some(self.sdk_dimensions())).build();
        let stat = MetricStat::builder().metric(metric).period(self.period_seconds).stat(&self.statistic);
        stat.set_unit(self.unit.as_deref().map(Into::into)).build()
    }
}

fn dimensions(list: &[Dimension]) -> BTreeMap<String, String> {
    let pairs = list.iter().filter_map(|one| Some((one.name.clone()?, one.value.clone()?)));
    pairs.collect()
}

impl Query {
    pub(super) fn to_sdk(&self, id: &str) -> MetricDataQuery {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let query = MetricDataQuery::builder().id(id).set_metric_stat(self.metric.as_ref().map(Metric::to_sdk));
        let query = query.set_expression(text(&self.expression)).set_period(self.period_seconds).set_label(text(&self.label));
        query.return_data(self.compared).set_account_id(self.account.clone()).build()
    }
    pub(super) fn from_sdk(query: MetricDataQuery) -> Option<(String, Query)> {
        let read = Query {
            metric: query.metric_stat.and_then(Metric::from_sdk),
            expression: query.expression.unwrap_or_default(),
            period_seconds: query.period,
            label: query.label.unwrap_or_default(),
            compared: query.return_data.unwrap_or(true),
            account: query.account_id,
        };
        Some((query.id?, read))
    }
}
