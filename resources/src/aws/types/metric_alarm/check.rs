//! Rules of metric alarms.

use super::{super::prelude::*, Metric, MetricAlarm, Query};
use crate::core::Pointer;

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
pub(super) fn check(alarm: &MetricAlarm) -> Vec<Problem> {
    let mut problems = Vec::new();
    if alarm.metric.is_none() && alarm.queries.is_empty() {
        problems.push(Problem::new(Pointer::ROOT, "an alarm needs a metric or queries").help("set `metric: …` or `queries: …`"));
    }
    for (id, query) in &alarm.queries {
        problems.extend(check_query(MetricAlarm::POINTERS.queries.item(id), id, query));
    }
    if let Some(metric) = &alarm.metric {
        problems.extend(check_period(MetricAlarm::POINTERS.metric.field(Metric::POINTERS.period_seconds), metric.period_seconds));
    }
    problems.extend(check_threshold(alarm));
    if let Some(datapoints) = alarm.datapoints_to_alarm.filter(|datapoints| *datapoints > alarm.evaluation_periods) {
        let message = format!("{datapoints} of {} periods is impossible", alarm.evaluation_periods);
        problems.push(Problem::new(MetricAlarm::POINTERS.datapoints_to_alarm, message).help("use at most `evaluation_periods`"));
    }
    if let Some(metric) = &alarm.metric {
        // A day, or with periods of an hour and longer, a week.
        let longest: i64 = if metric.period_seconds >= 3600 { 7 * 86_400 } else { 86_400 };
        if i64::from(metric.period_seconds) * i64::from(alarm.evaluation_periods) > longest {
            let message = format!("the evaluated periods are longer than {longest} seconds together");
            problems.push(Problem::new(MetricAlarm::POINTERS.evaluation_periods, message).help("use fewer or shorter periods"));
        }
    }
    let lists = [
        (MetricAlarm::POINTERS.alarm_actions, &alarm.alarm_actions),
        (MetricAlarm::POINTERS.ok_actions, &alarm.ok_actions),
        (MetricAlarm::POINTERS.insufficient_data_actions, &alarm.insufficient_data_actions),
    ];
    for (pointer, actions) in lists {
        problems.extend(check_actions(&pointer, actions));
    }
    problems
}

/// Actions are ARNs.
pub(in super::super) fn check_actions<'a>(pointer: &Pointer, actions: impl IntoIterator<Item = &'a String>) -> Vec<Problem> {
    let wrong = actions.into_iter().enumerate().filter(|(_, action)| !action.starts_with("arn:") && !action.contains("${"));
    wrong.map(|(index, _)| Problem::new(pointer.clone().item(index), "is not an ARN")).collect()
}

fn check_query(at: Pointer, id: &str, query: &Query) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_id =
        id.len() <= 255 && id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_id {
        problems.push(Problem::new(at.clone(), "is not a valid id: use a lowercase letter, then letters, digits and `_`"));
    }
    if query.metric.is_none() && query.expression.is_empty() {
        problems.push(Problem::new(at.clone(), "a query needs a metric or an expression").help("set `metric: …` or `expression: …`"));
    }
    if let Some(metric) = &query.metric {
        let at = at.clone().field(Query::POINTERS.metric).field(Metric::POINTERS.period_seconds);
        problems.extend(check_period(at, metric.period_seconds));
    }
    problems.extend(query.period_seconds.and_then(|seconds| check_period(at.field(Query::POINTERS.period_seconds), seconds)));
    problems
}

fn check_period(at: Pointer, seconds: i32) -> Option<Problem> {
    (!Metric::is_period(seconds)).then(|| Problem::new(at, "must be 10, 20, 30 or a multiple of 60"))
}

fn check_threshold(alarm: &MetricAlarm) -> Option<Problem> {
    let has_band = !alarm.threshold_query.is_empty();
    let compared = alarm.queries.values().filter(|query| query.compared).count();
    if alarm.comparison.needs_band() != has_band {
        let help =
            if has_band { "use a comparison with a band, such as `GreaterThanUpperThreshold`" } else { "set `threshold_query: …`" };
        return Some(Problem::new(MetricAlarm::POINTERS.comparison, "does not fit the threshold").help(help));
    }
    if has_band && !alarm.queries.contains_key(&alarm.threshold_query) {
        return Some(Problem::new(MetricAlarm::POINTERS.threshold_query, "is not the id of a query"));
    }
    if !has_band && alarm.threshold.is_none() {
        return Some(Problem::new(Pointer::ROOT, "an alarm needs a threshold").help("set `threshold: …`"));
    }
    if !has_band && !alarm.queries.is_empty() && compared != 1 {
        let problem =
            Problem::new(MetricAlarm::POINTERS.queries, format!("exactly one query is compared with the threshold, not {compared}"));
        return Some(problem.help("set `compared: true` on that query"));
    }
    if has_band && compared != 2 {
        let problem = Problem::new(MetricAlarm::POINTERS.queries, "the metric and its band are compared");
        return Some(problem.help("set `compared: true` on these two queries"));
    }
    None
}
