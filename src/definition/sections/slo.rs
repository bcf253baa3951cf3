//! `slo`: service level objectives of application load balancers, with alarms about the rate at which their error budgets are used.
//!
//! An alarm compares the share of bad requests in a long and a short window with a multiple of the budget, as in
//! <https://sre.google/workbook/alerting-on-slos/> (multiwindow, multi-burn-rate alerts).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Expansion, Fields};
use crate::definition::{Draft, parse_section};

/// Objectives of a load balancer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Application load balancer of the stack, by name.
    pub load_balancer: String,
    /// Percentage of requests that are answered without an error of the load balancer or its targets (5xx), such as 99.9. Default: no
    /// objective.
    #[serde(default)]
    pub availability: Option<f64>,
    /// Highest percentage of requests that the targets answer with an error (5xx), such as 0.1. Default: no objective.
    #[serde(default)]
    pub error_rate: Option<f64>,
    /// Percentage of requests that the targets answer within a time. Default: no objective.
    #[serde(default)]
    pub latency: Option<Latency>,
    /// ARNs of topics that are notified. Default: a topic of its own, named `slo-<name>`.
    #[serde(default)]
    pub topics: BTreeSet<String>,
    /// E-mail addresses that the topic of its own notifies; each has to confirm. Default: none.
    #[serde(default)]
    pub emails: BTreeSet<String>,
}

/// Objective for response times.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Percentage of requests, such as 99.
    pub percent: f64,
    /// Time within which they are answered, in seconds.
    pub seconds: f64,
}

/// A pair of windows, and the multiple of the budget that is an alarm.
struct BurnRate {
    name: &'static str,
    burn: f64,
    /// Long and short window, in seconds.
    windows: [(&'static str, u32); 2],
}

/// At these rates, 2 % of a budget of 30 days are used within an hour, and 5 % within six.
const BURN_RATES: [BurnRate; 2] = [
    BurnRate { name: "fast", burn: 14.4, windows: [("1h", 3600), ("5m", 300)] },
    BurnRate { name: "slow", burn: 6.0, windows: [("6h", 21_600), ("30m", 1800)] },
];

/// An objective as a share of bad requests.
struct Objective {
    name: &'static str,
    noun: &'static str,
    /// Percentage of requests that may be bad.
    budget: f64,
    /// Queries for a period in seconds, of which `bad` is the percentage of bad requests.
    queries: Box<dyn Fn(u32) -> Value>,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for entry in out.parse_entries(value, at) {
        let (name, at) = (entry.name, entry.pointer);
        let Some(slo) = parse_section::<Slo>(out.compiler, entry.fields.into(), &at, &format!("`{name}`")) else { continue };
        if check(out, &slo, &at) {
            add_alarms(out, &name, &slo, &at);
        }
    }
}

fn check(out: &mut Expansion<'_, '_>, slo: &Slo, at: &str) -> bool {
    let before = out.compiler.problems.len();
    let shares = [
        ("availability", slo.availability),
        ("error_rate", slo.error_rate),
        ("latency/percent", slo.latency.as_ref().map(|latency| latency.percent)),
    ];
    for (field, share) in shares.into_iter().filter(|(_, share)| share.is_some_and(|share| share <= 0.0 || share >= 100.0)) {
        let message = format!("{} is not a percentage between 0 and 100", share.unwrap_or_default());
        out.compiler.problem("slo", &format!("{at}/{field}"), message, "write 99.9 for 99.9 percent");
    }
    if slo.latency.as_ref().is_some_and(|latency| latency.seconds <= 0.0) {
        out.compiler.problem("slo", &format!("{at}/latency/seconds"), "must be more than 0", "write 0.5 for half a second");
    }
    if slo.availability.is_none() && slo.error_rate.is_none() && slo.latency.is_none() {
        let help = "set `availability`, `error_rate` or `latency`";
        out.compiler.problem_at_key("slo", at, "there is no objective", help);
    }
    if !slo.topics.is_empty() && !slo.emails.is_empty() {
        let message = "`emails` configures a topic of its own, but `topics` names others";
        out.compiler.problem_at_key("slo", &format!("{at}/emails"), message, "remove the line, or `topics`");
    }
    let is_network = |draft: &&Draft| draft.spec.get("type").is_some_and(|kind| kind != "application");
    let named = out.drafts.iter().find(|draft| draft.resource_type.name == "load_balancer" && draft.name == slo.load_balancer);
    if named.filter(is_network).is_some() {
        let message = format!("`{}` is not an application load balancer, so it has no metrics of requests", slo.load_balancer);
        out.compiler.problem("slo", &format!("{at}/load_balancer"), message, "name an application load balancer");
    }
    out.compiler.problems.len() == before
}

fn add_alarms(out: &mut Expansion<'_, '_>, name: &str, slo: &Slo, at: &str) {
    let topics: Vec<String> = match slo.topics.is_empty() {
        true => vec![add_topic(out, name, slo, at)],
        false => slo.topics.iter().cloned().collect(),
    };
    let objectives = objectives(slo);
    let mut widgets = Vec::new();
    for objective in &objectives {
        for rate in BURN_RATES {
            let alarm = |window: &str| format!("{name}-{}-{}-{window}", objective.name, rate.name);
            for (window, seconds) in rate.windows {
                let spec = json!({
                    "description": format!("{} of {name}, {window}: {} times the budget", objective.noun, rate.burn),
                    "queries": (objective.queries)(seconds), "comparison": "GreaterThanThreshold",
                    "threshold": round(objective.budget * rate.burn).min(100.0), "evaluation_periods": 1, "missing_data": "notBreaching",
                });
                out.add_generated("metric_alarm", alarm(window), spec, at);
            }
            let both: Vec<String> =
                rate.windows.iter().map(|(window, _)| format!("ALARM(\"${{metric_alarm.{}.name}}\")", alarm(window))).collect();
            let spec = json!({
                "description": format!("{name} uses its budget for {} {} times as fast as it may", objective.noun, rate.burn),
                "rule": both.join(" AND "), "alarm_actions": topics, "ok_actions": topics,
            });
            out.add_generated("composite_alarm", format!("{name}-{}-{}", objective.name, rate.name), spec, at);
        }
        widgets.push(widget(out, name, objective, widgets.len()));
    }
    out.add_generated("dashboard", format!("slo-{name}"), json!({ "body": { "widgets": widgets } }), at);
}

/// Adds the topic of its own; returns its ARN.
fn add_topic(out: &mut Expansion<'_, '_>, name: &str, slo: &Slo, at: &str) -> String {
    let topic = format!("slo-{name}");
    let subscriptions: Vec<Value> = slo.emails.iter().map(|email| json!({ "protocol": "email", "endpoint": email })).collect();
    if let Some(draft) = out.add_generated("sns_topic", &topic, json!({ "subscriptions": subscriptions }), at) {
        draft.pointer_overrides.push(("/subscriptions".into(), format!("{at}/emails")));
    }
    format!("${{sns_topic.{topic}.arn}}")
}

fn objectives(slo: &Slo) -> Vec<Objective> {
    let mut found = Vec::new();
    let balancer = slo.load_balancer.clone();
    let metric = move |name: &str, statistic: &str, seconds: u32| {
        let suffix = format!("${{load_balancer.{balancer}.arn_suffix}}");
        json!({ "metric": {
            "namespace": "AWS/ApplicationELB", "name": name, "statistic": statistic, "period_seconds": seconds,
            "dimensions": { "LoadBalancer": suffix },
        } })
    };
    // RequestCount leaves out requests for which the load balancer found no target, which are the errors of an outage:
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    let share = |errors: &'static [&'static str], total: &'static str| {
        let metric = metric.clone();
        move |seconds: u32| {
            let mut queries = Fields::from_iter([("requests".to_owned(), metric("RequestCount", "Sum", seconds))]);
            let mut sum = Vec::new();
            for (index, error) in errors.iter().enumerate() {
                queries.insert(format!("errors{index}"), metric(error, "Sum", seconds));
                sum.push(format!("FILL(errors{index}, 0)"));
            }
            let bad = format!("IF(({total}) > 0, 100 * ({}) / ({total}), 0)", sum.join(" + "));
            queries.insert("bad".into(), json!({ "expression": bad, "label": "Bad requests in percent", "compared": true }));
            Value::from(queries)
        }
    };
    if let Some(percent) = slo.availability {
        let queries = Box::new(share(&["HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count"], "FILL(requests, 0) + FILL(errors0, 0)"));
        found.push(Objective { name: "availability", noun: "Availability", budget: round(100.0 - percent), queries });
    }
    if let Some(percent) = slo.error_rate {
        found.push(Objective {
            name: "errors",
            noun: "Error rate",
            budget: percent,
            queries: Box::new(share(&["HTTPCode_Target_5XX_Count"], "requests")),
        });
    }
    if let Some(latency) = &slo.latency {
        let statistic = format!("PR(:{})", latency.seconds);
        let queries = move |seconds: u32| {
            json!({
                "within": metric("TargetResponseTime", &statistic, seconds),
                "bad": { "expression": "100 - within", "label": "Slow requests in percent", "compared": true },
            })
        };
        found.push(Objective { name: "latency", noun: "Latency", budget: round(100.0 - latency.percent), queries: Box::new(queries) });
    }
    found
}

/// Without the error of a subtraction: 100 - 99.9 is 0.1.
fn round(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

/// A graph of bad requests in windows of five minutes, with the budget as a line.
fn widget(out: &Expansion<'_, '_>, name: &str, objective: &Objective, index: usize) -> Value {
    let queries = (objective.queries)(300);
    let mut metrics = Vec::new();
    for (id, query) in queries.as_object().into_iter().flatten() {
        if let Some(metric) = query.get("metric") {
            let mut line = vec![metric["namespace"].clone(), metric["name"].clone()];
            for (dimension, value) in metric["dimensions"].as_object().into_iter().flatten() {
                line.extend([Value::from(dimension.as_str()), value.clone()]);
            }
            line.push(json!({ "id": id, "stat": metric["statistic"], "period": metric["period_seconds"], "visible": false }));
            metrics.push(Value::from(line));
        } else {
            metrics.push(json!([{ "id": id, "expression": query["expression"], "label": query["label"] }]));
        }
    }
    let mut properties = Map::from_iter([
        ("title".to_owned(), format!("{name}: {}", objective.noun).into()),
        ("view".to_owned(), "timeSeries".into()),
        ("metrics".to_owned(), metrics.into()),
        ("annotations".to_owned(), json!({ "horizontal": [{ "label": "Budget", "value": objective.budget }] })),
    ]);
    properties.extend(out.frame.region.map(|region| ("region".to_owned(), region.into())));
    json!({ "type": "metric", "x": 0, "y": 6 * index, "width": 24, "height": 6, "properties": properties })
}
