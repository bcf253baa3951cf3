//! `metric_alarm`: an alarm of CloudWatch about a metric.

mod check;
mod metric;
pub(super) mod shared;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{self as sdk, AlarmType};

use super::prelude::*;
use crate::{
    aws::{from_aws, to_aws},
    core::Prerequisite,
};

pub(super) use check::check_actions;
pub use metric::{Metric, Query};

/// An alarm of CloudWatch about a metric, or about an expression of several metrics.
#[spec]
pub struct MetricAlarm {
    /// Name, unique in account and region, among all alarms.
    #[field(name(max = 255), replaces)]
    pub name: Option<String>,
    /// Description, which notifications contain.
    #[field(default, length = 0..=1024)]
    pub description: String,
    /// Metric to compare; set either this or `queries`.
    #[field(default, important, conflicts_with = queries, dropped = None)]
    pub metric: Option<Metric>,
    /// Metrics and expressions by id, of which one or more are compared.
    #[field(default, length = 0..=100)]
    pub queries: BTreeMap<String, Query>,
    /// Comparison with the threshold that is an alarm.
    #[field(important)]
    pub comparison: Comparison,
    /// Value to compare with.
    #[field(default, important, conflicts_with = threshold_query, dropped = None)]
    pub threshold: Option<f64>,
    /// Id of the query whose band is compared with: an expression with `ANOMALY_DETECTION_BAND`.
    #[field(default, requires = queries)]
    pub threshold_query: String,
    /// Number of the latest periods that are compared.
    #[field(range = 1..=86_400)]
    pub evaluation_periods: i32,
    /// Number of these periods that must be beyond the threshold.
    #[field(unset = "all evaluation periods", range = 1..=86_400, dropped = None)]
    pub datapoints_to_alarm: Option<i32>,
    /// Treatment of periods without data: `missing` keeps the state, unless all are missing.
    #[field(default = "missing", one_of = ["missing", "ignore", "breaching", "notBreaching"])]
    pub missing_data: String,
    /// Treatment of periods with too few values for a percentile: `ignore` keeps the state.
    #[field(default = "evaluate", one_of = ["evaluate", "ignore"])]
    pub low_samples: String,
    /// Whether the actions run.
    #[field(default = true, important, risky(false, "no action runs"))]
    pub actions_enabled: bool,
    /// ARNs of the actions that run in alarm: topics, scaling policies, functions, or actions of EC2 and Systems Manager.
    #[field(default, length = 0..=5, important)]
    pub alarm_actions: BTreeSet<String>,
    /// ARNs of the actions that run when the alarm ends.
    #[field(default, length = 0..=5)]
    pub ok_actions: BTreeSet<String>,
    /// ARNs of the actions that run when data are missing.
    #[field(default, length = 0..=5)]
    pub insufficient_data_actions: BTreeSet<String>,
}

/// Comparison of a value with the threshold.
#[allow(missing_docs)]
#[spec]
#[derive(Copy)]
#[serde(rename_all = "PascalCase")]
pub enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
    /// Outside a band.
    LessThanLowerOrGreaterThanUpperThreshold,
    /// Below a band.
    LessThanLowerThreshold,
    /// Above a band.
    GreaterThanUpperThreshold,
}

impl Comparison {
    /// Whether it compares with a band instead of a value.
    pub fn needs_band(self) -> bool {
        matches!(
            self,
            Comparison::LessThanLowerOrGreaterThanUpperThreshold
                | Comparison::LessThanLowerThreshold
                | Comparison::GreaterThanUpperThreshold
        )
    }
}

impl Resource for MetricAlarm {
    const TYPE: TypeInfo =
        TypeInfo::new("metric_alarm", &services::cloudwatch::SERVICE, "{name}", "arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
            .without_token()
            .quota(5000, "LimitExceeded")
            .iam_actions(
                IamActions::new("cloudwatch:alarm:{name}")
                    .read(&["cloudwatch:ListTagsForResource"])
                    .create(&["cloudwatch:PutMetricAlarm"])
                    .change(&["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"])
                    // A list by prefix reads them all.
                    .grants(&[IamGrant::read(&["cloudwatch:DescribeAlarms"], GrantTarget::Arn("cloudwatch:alarm:*"))]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// An alarm is paid for by its metrics: <https://aws.amazon.com/cloudwatch/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let queried = self.queries.values().filter_map(|query| query.metric.as_ref());
        let metrics: Vec<&Metric> = self.metric.iter().chain(queried).collect();
        let usage_type = match metrics.iter().any(|metric| metric.period_seconds < 60) {
            true => "CW:HighResAlarmMonitorUsage",
            false => "CW:AlarmMonitorUsage",
        };
        let count = u32::try_from(metrics.len()).unwrap_or(u32::MAX).max(1);
        let product = Product::new("AmazonCloudWatch").family("Alarm").usage_type(usage_type);
        Pricing::of(vec![context.monthly("metrics", f64::from(count), "metric-months", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut alarms = Vec::new();
        for page in shared::describe(aws, scope, AlarmType::MetricAlarm).await? {
            alarms.extend(page.metric_alarms.unwrap_or_default());
        }
        let alarms = shared::distinct(alarms, |alarm| alarm.alarm_name.clone());
        for_each_concurrent(alarms, |alarm| read(aws, scope, alarm)).await
    }

    /// PutMetricAlarm would overwrite an alarm of another owner, and keep its tags.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().ok_or_else(|| Error::missing_field("AlarmName"))?;
        shared::ensure_absent(cx.api, &name).await?;
        self.put(cx, None, Some(services::cloudwatch::to_tags(&cx.call.tags))).await?;
        Ok(name.into())
    }

    /// PutMetricAlarm replaces the whole alarm, so it repeats the settings that acme does not manage.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: MetricAlarmChanges) -> Result<()> {
        let call = cx.cloudwatch.describe_alarms().alarm_names(&live.id).alarm_types(AlarmType::MetricAlarm);
        let live = call.send().await?.metric_alarms.and_then(|alarms| alarms.into_iter().next());
        self.put(cx, live, None).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.cloudwatch.delete_alarms().alarm_names(&live.id).send().await)
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        shared::health(aws, &live.id, AlarmType::MetricAlarm).await.map(Some)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// Actions of EC2 run with this role.
    fn prerequisites(&self) -> Vec<Prerequisite> {
        let mut actions = self.alarm_actions.iter().chain(&self.ok_actions).chain(&self.insufficient_data_actions);
        let is_ec2 = actions.any(|action| action.contains(":automate:") || action.contains(":swf:"));
        is_ec2.then_some(Prerequisite::ServiceLinkedRole { service: "events.amazonaws.com" }).into_iter().collect()
    }
}

impl MetricAlarm {
    async fn put(&self, cx: &Cx<'_>, live: Option<sdk::MetricAlarm>, tags: Option<Vec<sdk::Tag>>) -> Result<()> {
        let call = cx.cloudwatch.put_metric_alarm().set_alarm_name(self.name.clone()).set_tags(tags);
        let call = call.alarm_description(&self.description).actions_enabled(self.actions_enabled);
        let call = call.set_alarm_actions(Some(self.alarm_actions.iter().cloned().collect()));
        let call = call.set_ok_actions(Some(self.ok_actions.iter().cloned().collect()));
        let call = call.set_insufficient_data_actions(Some(self.insufficient_data_actions.iter().cloned().collect()));
        let call = call.comparison_operator(to_aws(&self.comparison).as_str().into()).set_threshold(self.threshold);
        let call = call.set_threshold_metric_id(Some(self.threshold_query.clone()).filter(|id| !id.is_empty()));
        let call = call.evaluation_periods(self.evaluation_periods).set_datapoints_to_alarm(self.datapoints_to_alarm);
        let low_samples = Some(self.low_samples.clone()).filter(|treatment| *treatment != Self::default_low_samples());
        let call = call.treat_missing_data(&self.missing_data).set_evaluate_low_sample_count_percentile(low_samples);
        let call = match &self.metric {
            Some(metric) => {
                let call = call.namespace(&metric.namespace).metric_name(&metric.name).set_dimensions(Some(metric.sdk_dimensions()));
                let call = call.period(metric.period_seconds).set_unit(metric.unit.as_deref().map(Into::into));
                if metric.is_extended() {
                    call.extended_statistic(&metric.statistic)
                } else {
                    call.statistic(metric.statistic.as_str().into())
                }
            }
            None => call.set_metrics(Some(self.queries.iter().map(|(id, query)| query.to_sdk(id)).collect())),
        };
        let call = match live {
            Some(live) => call
                .set_evaluation_window(live.evaluation_window)
                .set_warm_up_configuration(live.warm_up_configuration)
                .set_action_configuration(live.action_configuration),
            None => call,
        };
        call.send().await?;
        Ok(())
    }
}

/// Reads the tags, which the description lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, alarm: sdk::MetricAlarm) -> Result<Option<Observed<MetricAlarm>>> {
    let name = alarm.alarm_name.clone().ok_or_else(|| Error::missing_field("AlarmName"))?;
    let arn = alarm.alarm_arn.clone().ok_or_else(|| Error::missing_field("AlarmArn"))?;
    let Some(tags) = shared::tags_of_stack(aws, scope, &name, &arn).await? else { return Ok(None) };
    Ok(Some(Observed::new(name, tags, described(alarm)?, ArnOutput { arn })))
}

fn described(alarm: sdk::MetricAlarm) -> Result<MetricAlarm> {
    let set = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().collect();
    let queries = alarm.metrics.clone().unwrap_or_default();
    Ok(MetricAlarm {
        metric: Metric::of_alarm(&alarm).filter(|_| queries.is_empty()),
        queries: queries.into_iter().filter_map(Query::from_sdk).collect(),
        name: alarm.alarm_name,
        description: alarm.alarm_description.unwrap_or_default(),
        comparison: from_aws(alarm.comparison_operator.as_ref().map(|operator| operator.as_str()).unwrap_or_default())?,
        threshold: alarm.threshold.filter(|_| alarm.threshold_metric_id.is_none()),
        threshold_query: alarm.threshold_metric_id.unwrap_or_default(),
        evaluation_periods: alarm.evaluation_periods.unwrap_or_default(),
        datapoints_to_alarm: alarm.datapoints_to_alarm,
        missing_data: alarm.treat_missing_data.unwrap_or_else(MetricAlarm::default_missing_data),
        low_samples: alarm.evaluate_low_sample_count_percentile.unwrap_or_else(MetricAlarm::default_low_samples),
        actions_enabled: alarm.actions_enabled.unwrap_or(true),
        alarm_actions: set(alarm.alarm_actions),
        ok_actions: set(alarm.ok_actions),
        insufficient_data_actions: set(alarm.insufficient_data_actions),
    })
}
