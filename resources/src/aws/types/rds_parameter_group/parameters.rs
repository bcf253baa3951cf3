//! Parameters of a group of instances or of clusters: both kinds of groups have equal rules, and calls of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use aws_sdk_rds::types::{ApplyMethod, Filter, Parameter};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::{
    aws::Aws,
    core::{Error, Pointer, Problem, Questions, Result, ok_or_not_found},
};

/// Parameters in one call: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>.
const MAX_PARAMETERS_PER_CALL: usize = 20;

/// The calls for one kind of group.
pub(in crate::aws::types) trait ParameterCalls {
    /// Action of the question for the parameters of a family.
    const DEFAULTS_ACTION: &'static str;

    /// Parameters of a group that the user set.
    fn set_by_user(aws: &Aws, group: &str) -> impl Future<Output = Result<Vec<Parameter>>> + Send;
    /// Parameters of a group with these names.
    fn named(aws: &Aws, group: &str, names: Filter) -> impl Future<Output = Result<Vec<Parameter>>> + Send;
    /// Sets parameters of a group.
    fn modify(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> impl Future<Output = Result<()>> + Send;
    /// Resets parameters of a group.
    fn reset(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> impl Future<Output = Result<()>> + Send;
    /// Parameters of a family. The filter may be ignored.
    fn defaults(aws: &Aws, family: &str, names: Option<Filter>) -> impl Future<Output = Result<Vec<Parameter>>> + Send;
}

/// Value as written by users; AWS accepts only text.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::aws::types) enum ParameterValue {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// Reads values as RDS accepts them.
pub(in crate::aws::types) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    texts_with("1", "0", deserializer)
}

/// Same, with these words for booleans.
pub(in crate::aws::types) fn texts_with<'de, D: Deserializer<'de>>(
    on: &str,
    off: &str,
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let written = BTreeMap::<String, ParameterValue>::deserialize(deserializer)?;
    let text = |value| match value {
        ParameterValue::Flag(is_on) => if is_on { on } else { off }.to_owned(),
        ParameterValue::Integer(number) => number.to_string(),
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => text,
    };
    Ok(written.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Parameters that the user set. RDS never reports one at the engine's default as set by the user, so those in `declared` are read by name.
/// `None`: the group was deleted.
pub(in crate::aws::types) async fn read<C: ParameterCalls>(
    aws: &Aws,
    group: &str,
    declared: impl Iterator<Item = &String>,
) -> Result<Option<BTreeMap<String, String>>> {
    let Some(parameters) = ok_or_not_found(C::set_by_user(aws, group).await)? else { return Ok(None) };
    let by_user = parameters.into_iter().filter(|parameter| parameter.source().is_none_or(|source| source == "user"));
    let mut parameters: BTreeMap<String, String> = by_user.filter_map(name_and_value).collect();
    let at_default: Vec<String> = declared.filter(|name| !parameters.contains_key(*name)).cloned().collect();
    parameters.extend(describe::<C>(aws, group, at_default).await?.into_iter().filter_map(name_and_value));
    Ok(Some(parameters))
}

/// Sets and resets the parameters that differ.
pub(in crate::aws::types) async fn apply<C: ParameterCalls>(
    aws: &Aws,
    group: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    let set: Vec<_> = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).collect();
    let reset: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
    let dynamic = dynamic_parameters::<C>(aws, group, set.iter().map(|(name, _)| *name).chain(reset.iter().copied())).await?;
    let parameter = |name: &String| {
        // AWS can't apply a static parameter immediately, but accepts the later method for every parameter.
        let method = if dynamic.contains(name) { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot };
        Parameter::builder().parameter_name(name).apply_method(method)
    };
    for batch in set.chunks(MAX_PARAMETERS_PER_CALL) {
        C::modify(aws, group, batch.iter().map(|(name, value)| parameter(name).parameter_value(*value).build()).collect()).await?;
    }
    for batch in reset.chunks(MAX_PARAMETERS_PER_CALL) {
        C::reset(aws, group, batch.iter().map(|name| parameter(name).build()).collect()).await?;
    }
    Ok(())
}

/// Rules for the name of a group, and for the names of its parameters.
pub(in crate::aws::types) fn check(
    (at_name, name): (Pointer, Option<&str>),
    (at_parameters, parameters): (Pointer, &BTreeMap<String, String>),
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if is_default(name) {
        problems.push(Problem::new(at_name, "the prefix `default.` is reserved for AWS"));
    }
    for name in parameters.keys().filter(|name| name.chars().any(char::is_uppercase)) {
        problems.push(
            Problem::new(at_parameters.clone().item(name), "RDS reports names in lowercase letters")
                .help(format!("write `{}`", name.to_lowercase())),
        );
    }
    problems
}

/// Reason why a group can't be part of a stack.
pub(in crate::aws::types) fn adoption_obstacle(name: Option<&str>) -> Option<String> {
    is_default(name).then(|| "AWS neither changes nor deletes a default parameter group".to_owned())
}

fn is_default(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("default."))
}

/// Checks that each parameter exists in the family and can be changed.
pub(in crate::aws::types) async fn preflight<C: ParameterCalls>(
    questions: &Questions<'_, Aws>,
    family: &str,
    parameters: &BTreeMap<String, String>,
    at: Pointer,
) -> Vec<Problem> {
    let names: Vec<String> = parameters.keys().cloned().collect();
    let Some(mut known) = default_parameters::<C>(questions, family, names).await else { return Vec::new() };
    if parameters.keys().any(|name| !known.contains_key(name)) {
        // All of them, for the remedy.
        known = default_parameters::<C>(questions, family, Vec::new()).await.unwrap_or_default();
    }
    let scope = format!(" for `{family}`");
    let problem = |name: &String| {
        let at = at.clone().item(name);
        match known.get(name) {
            Some(true) => None,
            Some(false) => Some(Problem::new(at, format!("RDS does not let `{name}` be changed")).help(format!("remove `{name}`"))),
            None => Problem::not_offered(at, name, "parameters", &scope, known.keys().map(String::as_str)),
        }
    };
    parameters.keys().filter_map(problem).collect()
}

/// Parameters of a family, with these names or all, and whether they can be changed. `None` without an answer.
async fn default_parameters<C: ParameterCalls>(
    questions: &Questions<'_, Aws>,
    family: &str,
    names: Vec<String>,
) -> Option<BTreeMap<String, bool>> {
    let parameters = format!("{family} {}", names.join(","));
    let filter = (!names.is_empty()).then(|| by_name(names));
    let call = |aws| async move {
        let all = C::defaults(aws, family, filter).await?;
        Ok(all.into_iter().filter_map(|one| Some((one.parameter_name?, one.is_modifiable.unwrap_or(true)))).collect())
    };
    questions.ask(C::DEFAULTS_ACTION, &parameters, call).await
}

/// Names of parameters that the engine applies without a restart.
async fn dynamic_parameters<'a, C: ParameterCalls>(
    aws: &Aws,
    group: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<BTreeSet<String>> {
    let parameters = describe::<C>(aws, group, names.cloned().collect()).await?;
    Ok(parameters.into_iter().filter(|p| p.apply_type() == Some("dynamic")).filter_map(|p| p.parameter_name).collect())
}

/// Parameters with these names, at any value; none if the group was deleted.
async fn describe<C: ParameterCalls>(aws: &Aws, group: &str, names: Vec<String>) -> Result<Vec<Parameter>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    Ok(ok_or_not_found(C::named(aws, group, by_name(names)).await)?.unwrap_or_default())
}

fn by_name(names: Vec<String>) -> Filter {
    Filter::builder().name("parameter-name").set_values(Some(names)).build()
}

/// Name and value; a parameter without a value has the engine's default.
fn name_and_value(parameter: Parameter) -> Option<(String, String)> {
    Some((parameter.parameter_name?, parameter.parameter_value?))
}

/// Collects all pages of a call into the errors of the engine.
macro_rules! all_pages {
    ($call:expr) => {
        $call.into_paginator().items().send().try_collect().await.map_err(Error::from)
    };
}
pub(in crate::aws::types) use all_pages;

/// The calls for groups of instances.
pub(super) struct OfInstances;

impl ParameterCalls for OfInstances {
    const DEFAULTS_ACTION: &'static str = "rds:DescribeEngineDefaultParameters";

    async fn set_by_user(aws: &Aws, group: &str) -> Result<Vec<Parameter>> {
        all_pages!(aws.rds.describe_db_parameters().db_parameter_group_name(group).source("user").max_records(100))
    }
    async fn named(aws: &Aws, group: &str, names: Filter) -> Result<Vec<Parameter>> {
        all_pages!(aws.rds.describe_db_parameters().db_parameter_group_name(group).filters(names).max_records(100))
    }
    async fn modify(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> Result<()> {
        aws.rds.modify_db_parameter_group().db_parameter_group_name(group).set_parameters(Some(parameters)).send().await?;
        Ok(())
    }
    async fn reset(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> Result<()> {
        let call = aws.rds.reset_db_parameter_group().db_parameter_group_name(group).reset_all_parameters(false);
        call.set_parameters(Some(parameters)).send().await?;
        Ok(())
    }
    async fn defaults(aws: &Aws, family: &str, names: Option<Filter>) -> Result<Vec<Parameter>> {
        let call = aws.rds.describe_engine_default_parameters().db_parameter_group_family(family).max_records(100);
        all_pages!(call.set_filters(names.map(|names| vec![names])))
    }
}
