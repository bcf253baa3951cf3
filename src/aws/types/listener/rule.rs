//! The rules that route a listener's requests to their targets.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, PathPatternConditionConfig,
    QueryStringConditionConfig, QueryStringKeyValuePair, Rule as SdkRule, RuleCondition, SourceIpConditionConfig,
};

use super::ListenerAction;
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
    #[field(unset = "any host")]
    pub hosts: BTreeSet<String>,
    /// Paths, with `*` and `?`.
    #[field(unset = "any path")]
    pub paths: BTreeSet<String>,
    /// HTTP header → values, with `*` and `?`.
    #[field(unset = "any headers")]
    pub headers: BTreeMap<String, BTreeSet<String>>,
    /// HTTP methods.
    #[field(unset = "any method")]
    pub methods: BTreeSet<String>,
    /// Query parameters, one of which must match.
    #[field(unset = "any query")]
    pub query: BTreeSet<QueryCondition>,
    /// Client addresses in CIDR notation.
    #[field(unset = "any client")]
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
            if let Some(config) = condition.http_header_config() {
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
            Some(_) => modified.push(rule),
            None => {
                let call = aws.elbv2.create_rule().listener_arn(listener).priority(rule.priority.try_into().unwrap_or(i32::MAX));
                match call.set_conditions(Some(rule.conditions())).set_actions(Some(rule.action.to_sdk())).send().await.map_err(Error::from)
                {
                    // An earlier attempt created it before a later call failed.
                    Err(error) if error.code == "PriorityInUse" => modified.push(rule),
                    other => drop(other?),
                }
            }
        }
    }
    if modified.is_empty() && old.is_empty() {
        return Ok(());
    }
    let live = read_rules(aws, listener).await?.into_iter();
    let arns: BTreeMap<u32, String> = live.filter_map(|rule| Some((rule.priority?.parse().ok()?, rule.rule_arn?))).collect();
    for rule in modified {
        let call = aws.elbv2.modify_rule().set_rule_arn(arns.get(&rule.priority).cloned());
        call.set_conditions(Some(rule.conditions())).set_actions(Some(rule.action.to_sdk())).send().await?;
    }
    for arn in old.keys().filter_map(|priority| arns.get(priority)) {
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
            problems.push(Problem::new(format!("/rules/{at}/priority"), format!("two rules have priority {}", rule.priority)));
        }
        if rule.conditions().is_empty() {
            problems.push(Problem::new(format!("/rules/{at}"), "a rule needs a condition, such as `paths`"));
        }
    }
    problems
}
