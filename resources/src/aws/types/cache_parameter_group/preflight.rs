//! Families of cache parameter groups, and their parameters.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::prelude::*, CacheParameterGroup, CacheParameterGroupChanges};

/// Checks the family, and that each parameter exists in it and can be changed.
pub(super) async fn preflight(
    group: &CacheParameterGroup,
    questions: &Questions<'_, Aws>,
    changes: CacheParameterGroupChanges,
) -> Vec<Problem> {
    let family = &group.family;
    if family.contains("${") {
        return Vec::new();
    }
    if changes.family {
        let families = families(questions).await.unwrap_or_default();
        let families = families.iter().map(String::as_str);
        if let Some(problem) = Problem::not_offered(CacheParameterGroup::POINTERS.family, family, "families", "", families) {
            return vec![problem];
        }
    }
    if group.parameters.is_empty() || !(changes.family || changes.parameters) {
        return Vec::new();
    }
    let Some(known) = default_parameters(questions, family).await else { return Vec::new() };
    let scope = format!(" for `{family}`");
    let problem = |name: &String| {
        let at = CacheParameterGroup::POINTERS.parameters.item(name);
        match known.get(name) {
            Some(true) => None,
            Some(false) => Some(Problem::new(at, format!("ElastiCache does not let `{name}` be changed")).help(format!("remove `{name}`"))),
            None => Problem::not_offered(at, name, "parameters", &scope, known.keys().map(String::as_str)),
        }
    };
    group.parameters.keys().filter_map(problem).collect()
}

async fn families(questions: &Questions<'_, Aws>) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let pages = aws.elasticache.describe_cache_engine_versions().max_records(100).into_paginator().items().send();
        async move {
            let versions: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(versions.into_iter().filter_map(|version| version.cache_parameter_group_family).collect())
        }
    };
    questions.ask("elasticache:DescribeCacheEngineVersions", "families", call).await
}

/// Parameters of a family, and whether they can be changed. `None` without an answer.
async fn default_parameters(questions: &Questions<'_, Aws>, family: &str) -> Option<BTreeMap<String, bool>> {
    let call = |aws: &Aws| {
        let call = aws.elasticache.describe_engine_default_parameters().cache_parameter_group_family(family).max_records(100);
        let mut pages = call.into_paginator().send();
        async move {
            let mut all = BTreeMap::new();
            while let Some(page) = pages.next().await {
                let parameters = page.map_err(Error::from)?.engine_defaults.and_then(|defaults| defaults.parameters).unwrap_or_default();
                all.extend(parameters.into_iter().filter_map(|one| Some((one.parameter_name?, one.is_modifiable.unwrap_or(true)))));
            }
            Ok(all)
        }
    };
    questions.ask("elasticache:DescribeEngineDefaultParameters", family, call).await
}
