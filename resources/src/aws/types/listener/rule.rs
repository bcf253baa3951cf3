//! The rules that route a listener's requests to their targets.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, PathPatternConditionConfig,
    QueryStringConditionConfig, QueryStringKeyValuePair, Rule as SdkRule, RuleCondition, SourceIpConditionConfig,
};

use super::{Listener, ListenerAction, client_secret};
use crate::{
    aws::Aws,
    core::{Error, Problem, Result, ok_or_not_found},
};

/// Rule: applies an action to requests that meet every condition.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerRule {
    /// Priority; AWS evaluates the lowest first.
    #[field(range = 1..=50_000)]
    pub priority: u32,
    /// Host names, with `*` and `?`.
    #[field(unset = "any host", pattern = ".{1,128}")]
    pub hosts: BTreeSet<String>,
    /// Paths, with `*` and `?`.
    #[field(unset = "any path", pattern = ".{1,128}")]
    pub paths: BTreeSet<String>,
    /// HTTP header → values, with `*` and `?`.
    #[field(unset = "any headers")]
    pub headers: BTreeMap<String, BTreeSet<String>>,
    /// HTTP methods, in uppercase letters.
    #[field(unset = "any method", pattern = "[A-Z_-]{1,40}")]
    pub methods: BTreeSet<String>,
    /// Query parameters, one of which must match.
    #[field(unset = "any query")]
    pub query: BTreeSet<QueryCondition>,
    /// Client addresses in CIDR notation.
    #[field(unset = "any client", length = 0..=5)]
    pub source_ips: BTreeSet<String>,
    /// Action for the request.
    pub action: ListenerAction,
}

/// A query parameter.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryCondition {
    /// Its name.
    #[field(unset = "any name")]
    pub key: String,
    /// Value, with `*` and `?`.
    #[field(length = 1..=128)]
    pub value: String,
}

impl ListenerRule {
    fn conditions(&self) -> Vec<RuleCondition> {
        let list = |set: &BTreeSet<String>| (!set.is_empty()).then(|| set.iter().cloned().collect::<Vec<_>>());
        let field = |name: &str| RuleCondition::builder().field(name);
        let mut all = Vec::new();
        if let Some(hosts) = list(&self.hosts) {
            all.push(field("host-header").host_header_config(HostHeaderConditionConfig::builder().set_values(Some(hosts)).build()));
        }
        if let Some(paths) = list(&self.paths) {
            all.push(field("path-pattern").path_pattern_config(PathPatternConditionConfig::builder().set_values(Some(paths)).build()));
        }
        for (name, values) in &self.headers {
            let config = HttpHeaderConditionConfig::builder().http_header_name(name).set_values(list(values)).build();
            all.push(field("http-header").http_header_config(config));
        }
        if let Some(methods) = list(&self.methods) {
            let config = HttpRequestMethodConditionConfig::builder().set_values(Some(methods)).build();
            all.push(field("http-request-method").http_request_method_config(config));
        }
        if !self.query.is_empty() {
            let pairs = self.query.iter().map(|query| {
                let key = (!query.key.is_empty()).then(|| query.key.clone());
                QueryStringKeyValuePair::builder().set_key(key).value(&query.value).build()
            });
            let config = QueryStringConditionConfig::builder().set_values(Some(pairs.collect())).build();
            all.push(field("query-string").query_string_config(config));
        }
        if let Some(ips) = list(&self.source_ips) {
            all.push(field("source-ip").source_ip_config(SourceIpConditionConfig::builder().set_values(Some(ips)).build()));
        }
        all.into_iter().map(|condition| condition.build()).collect()
    }

    /// Conditions for ModifyRule, `None` to keep the live ones: the call keeps parameters that are left out, such as transforms. Regular
    /// expressions, which acme does not manage, are sent back unless the rule now has values for the same part of the request.
    fn conditions_to_modify(&self, live: Option<&SdkRule>) -> Option<Vec<RuleCondition>> {
        let wanted = self.conditions();
        let Some(live) = live else { return Some(wanted) };
        if ListenerRule::read(live).is_some_and(|live| live.conditions() == wanted) {
            return None;
        }
        let part = |condition: &RuleCondition| {
            let header = condition.http_header_config().and_then(|config| config.http_header_name()).map(str::to_ascii_lowercase);
            (condition.field.clone(), header)
        };
        let kept = live.conditions().iter().filter(|one| has_regex(one) && wanted.iter().all(|other| part(other) != part(one)));
        Some(wanted.iter().chain(kept).cloned().map(without_plain_values).collect())
    }

    pub(super) fn read(rule: &SdkRule) -> Option<ListenerRule> {
        let set = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
        let mut read = ListenerRule {
            priority: rule.priority()?.parse().ok()?,
            hosts: BTreeSet::new(),
            paths: BTreeSet::new(),
            headers: BTreeMap::new(),
            methods: BTreeSet::new(),
            query: BTreeSet::new(),
            source_ips: BTreeSet::new(),
            action: ListenerAction::read(rule.actions()),
        };
        for condition in rule.conditions() {
            if let Some(config) = condition.host_header_config() {
                read.hosts = set(config.values());
            }
            if let Some(config) = condition.path_pattern_config() {
                read.paths = set(config.values());
            }
            if let Some(config) = condition.http_header_config().filter(|config| !config.values().is_empty()) {
                read.headers.insert(config.http_header_name().unwrap_or_default().to_owned(), set(config.values()));
            }
            if let Some(config) = condition.http_request_method_config() {
                read.methods = set(config.values());
            }
            if let Some(config) = condition.query_string_config() {
                let pairs = config.values().iter();
                read.query = pairs
                    .map(|q| QueryCondition { key: q.key.clone().unwrap_or_default(), value: q.value.clone().unwrap_or_default() })
                    .collect();
            }
            if let Some(config) = condition.source_ip_config() {
                read.source_ips = set(config.values());
            }
        }
        Some(read)
    }
}

/// Whether a condition has regular expressions.
fn has_regex(condition: &RuleCondition) -> bool {
    let of_config = [
        condition.host_header_config().map(|config| config.regex_values()),
        condition.path_pattern_config().map(|config| config.regex_values()),
        condition.http_header_config().map(|config| config.regex_values()),
    ];
    of_config.into_iter().flatten().chain([condition.regex_values()]).any(|values| !values.is_empty())
}

/// Removes duplicates: AWS describes values in the condition as well as in its configuration, and accepts only one of the two.
fn without_plain_values(mut condition: RuleCondition) -> RuleCondition {
    let configured = condition.host_header_config.is_some() || condition.path_pattern_config.is_some();
    if configured || condition.http_header_config.is_some() {
        condition.values = None;
        condition.regex_values = None;
    }
    condition
}

/// Reads the rules of a listener. AWS includes the default one, with a priority that is not a number.
pub(super) async fn read_rules(aws: &Aws, listener: &str) -> Result<Vec<SdkRule>> {
    Ok(aws.elbv2.describe_rules().listener_arn(listener).into_paginator().items().send().try_collect().await?)
}

/// Changes a listener's rules from `before` to `after`; a rule is identified by its priority.
pub(super) async fn update(aws: &Aws, listener: &str, before: &BTreeSet<ListenerRule>, after: &BTreeSet<ListenerRule>) -> Result<()> {
    let mut old: BTreeMap<u32, &ListenerRule> = before.iter().map(|rule| (rule.priority, rule)).collect();
    let mut modified = Vec::new();
    for rule in after {
        match old.remove(&rule.priority) {
            Some(same) if same == rule => {}
            Some(other) => modified.push((rule, Some(&other.action))),
            None => {
                let call = aws.elbv2.create_rule().listener_arn(listener).priority(rule.priority.try_into().unwrap_or(i32::MAX));
                let actions = client_secret::to_sdk(aws, &rule.action, None).await?;
                match call.set_conditions(Some(rule.conditions())).set_actions(Some(actions)).send().await.map_err(Error::from) {
                    // An earlier attempt created it before a later call failed.
                    Err(error) if error.code == "PriorityInUse" => modified.push((rule, None)),
                    other => drop(other?),
                }
            }
        }
    }
    if modified.is_empty() && old.is_empty() {
        return Ok(());
    }
    let live = read_rules(aws, listener).await?.into_iter();
    let live: BTreeMap<u32, SdkRule> = live.filter_map(|rule| Some((rule.priority()?.parse().ok()?, rule))).collect();
    for (rule, action) in modified {
        let conditions = rule.conditions_to_modify(live.get(&rule.priority));
        let arn = live.get(&rule.priority).and_then(|live| live.rule_arn.clone());
        let call = aws.elbv2.modify_rule().set_rule_arn(arn).set_conditions(conditions);
        call.set_actions(Some(client_secret::to_sdk(aws, &rule.action, action).await?)).send().await?;
    }
    for arn in old.keys().filter_map(|priority| live.get(priority)?.rule_arn()) {
        ok_or_not_found(aws.elbv2.delete_rule().rule_arn(arn).send().await)?;
    }
    Ok(())
}

/// Rules between fields of a listener's rules.
pub(super) fn check(rules: &BTreeSet<ListenerRule>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut priorities = BTreeSet::new();
    for (at, rule) in rules.iter().enumerate() {
        if !priorities.insert(rule.priority) {
            problems.push(Problem::new(
                Listener::POINTERS.rules.item(at).field(ListenerRule::POINTERS.priority),
                format!("two rules have priority {}", rule.priority),
            ));
        }
        for name in rule.headers.keys().filter(|name| !(1..=40).contains(&name.chars().count())) {
            problems.push(Problem::new(
                Listener::POINTERS.rules.item(at).field(ListenerRule::POINTERS.headers),
                format!("the header name `{name}` must have 1 to 40 characters"),
            ));
        }
        if rule.headers.values().flatten().any(|value| !(1..=128).contains(&value.chars().count())) {
            problems.push(Problem::new(
                Listener::POINTERS.rules.item(at).field(ListenerRule::POINTERS.headers),
                "the value of a header must have 1 to 128 characters",
            ));
        }
        if rule.conditions().is_empty() {
            problems.push(Problem::new(Listener::POINTERS.rules.item(at), "a rule needs a condition, such as `paths`"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::builders::RuleConditionBuilder;
    use serde_json::{Value, json};

    use super::*;

    fn rule(fields: Value) -> ListenerRule {
        let mut rule = json!({ "priority": 1, "action": { "fixed_response": { "status_code": 404 } } });
        let Value::Object(fields) = fields else { panic!("an object") };
        rule.as_object_mut().expect("an object").extend(fields);
        serde_json::from_value(rule).expect("a rule")
    }

    /// A rule of AWS with paths, besides a condition with regular expressions.
    fn live(regex: RuleConditionBuilder) -> SdkRule {
        let conditions = [rule(json!({ "paths": ["/a"] })).conditions(), vec![regex.build()]].concat();
        SdkRule::builder().priority("1").set_conditions(Some(conditions)).build()
    }

    fn host_regex() -> RuleConditionBuilder {
        let config = HostHeaderConditionConfig::builder().regex_values("^shop").build();
        RuleCondition::builder().field("host-header").regex_values("^shop").host_header_config(config)
    }

    fn fields(conditions: Option<Vec<RuleCondition>>) -> Vec<String> {
        conditions.into_iter().flatten().filter_map(|condition| condition.field).collect()
    }

    #[test]
    fn modifying_a_rule_keeps_its_regular_expressions() {
        let live = live(host_regex());
        assert_eq!(ListenerRule::read(&live).expect("a rule").paths, ["/a".to_owned()].into());
        assert_eq!(rule(json!({ "paths": ["/a"] })).conditions_to_modify(Some(&live)), None, "only the action differs");

        let sent = rule(json!({ "paths": ["/b"] })).conditions_to_modify(Some(&live)).expect("conditions");
        assert_eq!(fields(Some(sent.clone())), ["path-pattern", "host-header"]);
        assert!(has_regex(&sent[1]) && sent[1].regex_values().is_empty(), "{sent:?}");

        let hosts = rule(json!({ "paths": ["/a"], "hosts": ["example.com"] })).conditions_to_modify(Some(&live));
        assert_eq!(fields(hosts.clone()), ["host-header", "path-pattern"]);
        assert!(hosts.into_iter().flatten().all(|condition| !has_regex(&condition)), "values replace regular expressions");
    }

    #[test]
    fn a_header_with_regular_expressions_is_no_header_without_values() {
        let config = HttpHeaderConditionConfig::builder().http_header_name("X-A").regex_values("1.*").build();
        let live = live(RuleCondition::builder().field("http-header").http_header_config(config));
        assert_eq!(ListenerRule::read(&live).expect("a rule").headers, BTreeMap::new());
        let other = json!({ "paths": ["/a"], "headers": { "X-B": ["1"] } });
        assert_eq!(fields(rule(other).conditions_to_modify(Some(&live))), ["path-pattern", "http-header", "http-header"]);
        let same = json!({ "paths": ["/a"], "headers": { "x-a": ["1"] } });
        assert_eq!(fields(rule(same).conditions_to_modify(Some(&live))), ["path-pattern", "http-header"]);
    }

    #[test]
    fn reports_headers_that_aws_refuses() {
        let problems = |headers: Value| {
            let rules = [rule(json!({ "headers": headers }))].into();
            check(&rules).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({ "X-A": ["1"] })), [""; 0]);
        assert_eq!(problems(json!({ "X".repeat(41): ["1"] })), ["/rules/0/headers"]);
        assert_eq!(problems(json!({ "X-A": ["1".repeat(129)] })), ["/rules/0/headers"]);
    }
}
