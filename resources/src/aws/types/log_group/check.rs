//! Rules of log groups.

use super::{
    super::{iam_role::check_trust, prelude::*},
    LogClass, LogGroup, MetricFilter, SubscriptionFilter,
};
use crate::core::Pointer;

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html>
pub(super) fn check(group: &LogGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    // <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
    if group.name.as_ref().is_some_and(|name| name.starts_with("aws/")) {
        let problem = Problem::new(LogGroup::POINTERS.name, "the name of a log group can't begin with `aws/`");
        problems.push(problem.help("use another name; those of AWS's services begin with `/aws/`"));
    }
    if group.class != LogClass::Standard {
        for (pointer, is_set) in [
            (LogGroup::POINTERS.metric_filters, !group.metric_filters.is_empty()),
            (LogGroup::POINTERS.subscription_filters, !group.subscription_filters.is_empty()),
            (LogGroup::POINTERS.data_protection, !group.data_protection.is_empty()),
        ] {
            if is_set {
                problems
                    .push(Problem::new(pointer, "only the class `STANDARD` has this feature").help("remove it, or set `class: STANDARD`"));
            }
        }
    }
    if group.class == LogClass::Delivery && group.retention_days != 0 {
        let problem = Problem::new(LogGroup::POINTERS.retention_days, "the class `DELIVERY` keeps log events for two days");
        problems.push(problem.help("remove `retention_days`"));
    }
    let metric_filters = group.metric_filters.keys().map(|name| (LogGroup::POINTERS.metric_filters, name));
    let names = metric_filters.chain(group.subscription_filters.keys().map(|name| (LogGroup::POINTERS.subscription_filters, name)));
    problems.extend(names.filter_map(|(pointer, name)| check_name(pointer, name)));
    for (name, filter) in &group.metric_filters {
        let at = LogGroup::POINTERS.metric_filters.item(name).field(MetricFilter::POINTERS.value);
        let is_number = filter.value.parse::<f64>().is_ok();
        if !is_number && !filter.value.starts_with('$') && !filter.value.contains("${") {
            problems.push(Problem::new(at, "is neither a number nor a field of the event").help("use `1`, or a field such as `$.latency`"));
        }
    }
    for (name, filter) in &group.subscription_filters {
        let at = LogGroup::POINTERS.subscription_filters.item(name);
        if let Some(problem) = check_role(filter) {
            problems.push(Problem { pointer: format!("{}{}", at.as_str(), problem.pointer), ..problem });
        }
    }
    problems
}

fn check_name(pointer: Pointer, name: &str) -> Option<Problem> {
    let is_valid = (1..=512).contains(&name.chars().count()) && !name.contains([':', '*']);
    let problem = || Problem::new(pointer.item(name), "is not a valid name: use at most 512 characters, without `:` and `*`");
    (!is_valid).then(problem)
}

/// Streams are written to with a role; functions and destinations in another account have policies of their own.
fn check_role(filter: &SubscriptionFilter) -> Option<Problem> {
    let service = filter.destination.split(':').nth(2).unwrap_or_default();
    let is_stream = matches!(service, "kinesis" | "firehose");
    match (&filter.role, service) {
        (None, _) if is_stream => {
            Some(Problem::new(SubscriptionFilter::POINTERS.destination, "a stream needs a role that can write to it").help("add `role: …`"))
        }
        (Some(_), "lambda") => {
            let problem = Problem::new(SubscriptionFilter::POINTERS.role, "a function takes no role");
            Some(problem.help("remove `role`, and allow `logs.amazonaws.com` to invoke the function in the function's policy"))
        }
        _ => None,
    }
}

/// CloudWatch Logs assumes roles with its name in one region, or in all.
pub(super) fn check_declared(declared: &Declared<'_, LogGroup>) -> Vec<Problem> {
    let Some(group) = declared.spec() else { return Vec::new() };
    let roles = group.subscription_filters.iter().filter_map(|(name, filter)| Some((name, filter.role.as_ref()?)));
    let problem = |(name, role)| {
        let at = || LogGroup::POINTERS.subscription_filters.item(name).field(SubscriptionFilter::POINTERS.role);
        check_trust(declared, at(), role, "logs.").and_then(|_| check_trust(declared, at(), role, "logs.amazonaws.com"))
    };
    roles.filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(spec: serde_json::Value) -> Vec<String> {
        let group: LogGroup = serde_json::from_value(spec).expect("a log group");
        check(&group).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn only_the_standard_class_has_filters() {
        let filters = json!({ "errors": { "metric": "Errors", "namespace": "Shop" } });
        assert_eq!(problems(json!({ "metric_filters": filters })), [""; 0]);
        assert_eq!(problems(json!({ "metric_filters": filters, "class": "INFREQUENT_ACCESS" })), ["/metric_filters"]);
        assert_eq!(problems(json!({ "retention_days": 7, "class": "DELIVERY" })), ["/retention_days"]);
    }

    #[test]
    fn checks_values_and_names_of_filters() {
        let filter = |value| json!({ "metric": "Errors", "namespace": "Shop", "value": value });
        let all = json!({ "a": filter("1"), "b": filter("$.bytes"), "c": filter("bytes"), "d:e": filter("2.5") });
        assert_eq!(problems(json!({ "metric_filters": all })), ["/metric_filters/d:e", "/metric_filters/c/value"]);
    }

    #[test]
    fn streams_need_a_role_and_functions_take_none() {
        let filter =
            |destination, role| problems(json!({ "subscription_filters": { "all": { "destination": destination, "role": role } } }));
        let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/logs";
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:logs";
        assert_eq!(filter(stream, json!("writer")), [""; 0]);
        assert_eq!(filter(stream, json!(null)), ["/subscription_filters/all/destination"]);
        assert_eq!(filter(function, json!("writer")), ["/subscription_filters/all/role"]);
        assert_eq!(filter(function, json!(null)), [""; 0]);
    }
}
