//! Families of parameter groups, and their parameters.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{Filter, Parameter};

use super::{super::rds_instance::engine_versions, RdsParameterGroup, RdsParameterGroupChanges};
use crate::{
    aws::Aws,
    core::{Error, Problem, Questions},
};

const ACTION: &str = "rds:DescribeEngineDefaultParameters";

/// Checks the family, and that each parameter exists in it and can be changed.
pub(super) async fn preflight(
    group: &RdsParameterGroup,
    questions: &Questions<'_, Aws>,
    changes: RdsParameterGroupChanges,
) -> Vec<Problem> {
    let family = &group.family;
    if family.contains("${") {
        return Vec::new();
    }
    if changes.family {
        // `aurora-postgresql16` → `aurora-postgresql`.
        let engine = family.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let versions = engine_versions(questions, engine).await.unwrap_or_default();
        let families: BTreeSet<&str> = versions.iter().map(|version| version.family.as_str()).filter(|name| !name.is_empty()).collect();
        if let Some(problem) = Problem::not_offered(RdsParameterGroup::POINTERS.family, family, "families", "", families) {
            return vec![problem];
        }
    }
    if group.parameters.is_empty() || !(changes.family || changes.parameters) {
        return Vec::new();
    }
    let names: Vec<String> = group.parameters.keys().cloned().collect();
    let Some(mut known) = default_parameters(questions, family, names).await else { return Vec::new() };
    if group.parameters.keys().any(|name| !known.contains_key(name)) {
        // All of them, for the remedy.
        known = default_parameters(questions, family, Vec::new()).await.unwrap_or_default();
    }
    let scope = format!(" for `{family}`");
    let problem = |name: &String| {
        let at = RdsParameterGroup::POINTERS.parameters.item(name);
        match known.get(name) {
            Some(true) => None,
            Some(false) => Some(Problem::new(at, format!("RDS does not let `{name}` be changed")).help(format!("remove `{name}`"))),
            None => Problem::not_offered(at, name, "parameters", &scope, known.keys().map(String::as_str)),
        }
    };
    group.parameters.keys().filter_map(problem).collect()
}

/// Parameters of a family, with these names or all, and whether they can be changed. `None` without an answer.
async fn default_parameters(questions: &Questions<'_, Aws>, family: &str, names: Vec<String>) -> Option<BTreeMap<String, bool>> {
    let parameters = format!("{family} {}", names.join(","));
    let call = |aws: &Aws| {
        let only = Filter::builder().name("parameter-name").set_values(Some(names.clone())).build();
        let filters = (!names.is_empty()).then(|| vec![only]);
        let call = aws.rds.describe_engine_default_parameters().db_parameter_group_family(family).max_records(100).set_filters(filters);
        let pages = call.into_paginator().items().send();
        async move {
            let all: Vec<Parameter> = pages.try_collect().await.map_err(Error::from)?;
            Ok(all.into_iter().filter_map(|one| Some((one.parameter_name?, one.is_modifiable.unwrap_or(true)))).collect())
        }
    };
    questions.ask(ACTION, &parameters, call).await
}
