//! Versions, classes and storage that RDS offers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Engine, RdsInstance, RdsInstanceChanges};
use crate::{
    aws::{Aws, to_aws},
    core::{Error, Problem, Questions},
};

/// A version of an engine that new databases can have.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::aws::types) struct EngineVersion {
    /// Exact version.
    pub version: String,
    /// Family of its parameter groups.
    pub family: String,
}

/// Combination of class and storage that can be ordered.
#[derive(Serialize, Deserialize)]
struct OrderableOption {
    class: String,
    storage_type: String,
    smallest_gib: Option<i32>,
    largest_gib: Option<i32>,
    multi_az: bool,
}

/// Versions of an engine, in AWS's order. `None` without an answer.
pub(in crate::aws::types) async fn engine_versions(questions: &Questions<'_, Aws>, engine: &str) -> Option<Vec<EngineVersion>> {
    let call = |aws: &Aws| {
        let pages = aws.rds.describe_db_engine_versions().engine(engine).max_records(100).into_paginator().items().send();
        async move {
            let versions: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let version = |version: aws_sdk_rds::types::DbEngineVersion| {
                Some(EngineVersion { version: version.engine_version?, family: version.db_parameter_group_family.unwrap_or_default() })
            };
            Ok(versions.into_iter().filter_map(version).collect())
        }
    };
    questions.ask("rds:DescribeDBEngineVersions", engine, call).await
}

/// Options of a version, for one class or for all.
async fn orderable_options(
    questions: &Questions<'_, Aws>,
    engine: &str,
    version: &str,
    class: Option<&str>,
) -> Option<Vec<OrderableOption>> {
    let call = |aws: &Aws| {
        let call = aws.rds.describe_orderable_db_instance_options().engine(engine).engine_version(version).vpc(true);
        let pages = call.set_db_instance_class(class.map(str::to_owned)).max_records(100).into_paginator().items().send();
        async move {
            let options: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let option = |option: aws_sdk_rds::types::OrderableDbInstanceOption| {
                Some(OrderableOption {
                    class: option.db_instance_class?,
                    storage_type: option.storage_type.unwrap_or_default(),
                    smallest_gib: option.min_storage_size,
                    largest_gib: option.max_storage_size,
                    multi_az: option.multi_az_capable.unwrap_or(true),
                })
            };
            Ok(options.into_iter().filter_map(option).collect())
        }
    };
    let parameters = format!("{engine} {version} {}", class.unwrap_or_default());
    questions.ask("rds:DescribeOrderableDBInstanceOptions", &parameters, call).await
}

pub(super) async fn preflight(db: &RdsInstance, questions: &Questions<'_, Aws>, changes: RdsInstanceChanges) -> Vec<Problem> {
    let storage = changes.storage_type || changes.storage_gib;
    if !(changes.engine || changes.version || changes.class || storage || changes.multi_az) || db.version.contains("${") {
        return Vec::new();
    }
    let engine = to_aws(&db.engine);
    let versions = engine_versions(questions, &engine).await.unwrap_or_default();
    let fitting = versions.iter().filter(|offered| db.engine.satisfies(&db.version, false, &offered.version));
    let Some(version) = fitting.max_by_key(|offered| version_key(&offered.version)) else {
        // A database keeps a version that new ones can't have.
        let problem = if changes.engine || changes.version { unknown_version(db.engine, &db.version, &versions) } else { None };
        return problem.into_iter().collect();
    };
    if db.class.contains("${") {
        return Vec::new();
    }
    let (version, scope) = (&version.version, format!(" with {engine} {}", version.version));
    let options = orderable_options(questions, &engine, version, Some(&db.class)).await.unwrap_or_default();
    if options.is_empty() {
        let all = orderable_options(questions, &engine, version, None).await.unwrap_or_default();
        let all: BTreeSet<&str> = all.iter().map(|option| option.class.as_str()).collect();
        return Problem::not_offered(RdsInstance::POINTERS.class, &db.class, "classes", &scope, all).into_iter().collect();
    }
    check_options(db, &options, &scope)
}

/// Checks storage and standby against the options of the class.
fn check_options(db: &RdsInstance, options: &[OrderableOption], scope: &str) -> Vec<Problem> {
    let class = &db.class;
    let storage_types: BTreeSet<&str> = options.iter().map(|option| option.storage_type.as_str()).filter(|name| !name.is_empty()).collect();
    let scope = format!(" for `{class}`{scope}");
    if let Some(problem) =
        Problem::not_offered(RdsInstance::POINTERS.storage_type, &db.storage_type, "storage types", &scope, storage_types)
    {
        return vec![problem];
    }
    let mut problems = Vec::new();
    let fitting = || options.iter().filter(|option| option.storage_type == db.storage_type || option.storage_type.is_empty());
    let holds = |option: &OrderableOption| {
        option.smallest_gib.is_none_or(|least| db.storage_gib >= least) && option.largest_gib.is_none_or(|most| db.storage_gib <= most)
    };
    if !fitting().any(holds) {
        let least = fitting().filter_map(|option| option.smallest_gib).min().unwrap_or_default();
        let most = fitting().filter_map(|option| option.largest_gib).max().unwrap_or(i32::MAX);
        let message = format!("AWS does not offer {} GiB of `{}` storage{scope}", db.storage_gib, db.storage_type);
        problems.push(Problem::new(RdsInstance::POINTERS.storage_gib, message).help(format!("set {least} to {most}")));
    }
    if db.multi_az && !fitting().any(|option| option.multi_az) {
        let message = format!("AWS does not offer a standby{scope}");
        problems.push(Problem::new(RdsInstance::POINTERS.multi_az, message).help("set `multi_az: false`, or another class"));
    }
    problems
}

/// Problem with a version that is not offered: the remedy lists those of its major version, else the major versions.
fn unknown_version(engine: Engine, version: &str, offered: &[EngineVersion]) -> Option<Problem> {
    let mut all: Vec<&str> = offered.iter().map(|one| one.version.as_str()).collect();
    all.sort_by_key(|version| version_key(version));
    let mut near: Vec<&str> = all.iter().copied().filter(|one| engine.same_major(version, one)).collect();
    if near.is_empty() {
        near = all.iter().map(|version| engine.major(version)).collect();
        near.dedup();
    }
    Problem::not_offered(RdsInstance::POINTERS.version, version, "versions", &format!(" of {}", to_aws(&engine)), near)
}

/// Order of versions: `16.10` comes after `16.9`.
fn version_key(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_versions_of_the_same_major_version() {
        let offered = ["16.9", "16.10", "17.2"].map(|version| EngineVersion { version: version.into(), family: String::new() });
        let help = |version| unknown_version(Engine::Postgres, version, &offered).and_then(|problem| problem.help);
        assert_eq!(help("16.99").as_deref(), Some("did you mean `16.9`? versions: 16.9, 16.10"));
        assert_eq!(help("9.6").as_deref(), Some("versions: 16, 17"));
        assert_eq!(help("${a.b.c}"), None);
        assert!(unknown_version(Engine::Postgres, "16.99", &[]).is_none());
    }
}
