//! Versions, classes and storage that RDS offers.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::InstanceType;
use serde::{Deserialize, Serialize};

use super::{
    Engine, RdsInstance, RdsInstanceChanges,
    create::{SNAPSHOT_NOT_FOUND, find_snapshot},
};
use crate::{
    aws::{Aws, to_aws},
    core::{AccountLimit, Error, Problem, Questions},
};

/// A version of an engine that new databases can have.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::aws::types) struct EngineVersion {
    /// Exact version.
    pub version: String,
    /// Family of its parameter groups.
    pub family: String,
    /// Certificate authorities of its certificates.
    pub certificates: BTreeSet<String>,
}

/// Combination of class and storage that can be ordered.
#[derive(Serialize, Deserialize)]
struct OrderableOption {
    class: String,
    storage_type: String,
    smallest_gib: Option<i32>,
    largest_gib: Option<i32>,
    multi_az: bool,
    zones: BTreeSet<String>,
}

/// Versions of an engine, in AWS's order. `None` without an answer.
pub(in crate::aws::types) async fn engine_versions(questions: &Questions<'_, Aws>, engine: &str) -> Option<Vec<EngineVersion>> {
    let call = |aws: &Aws| {
        let pages = aws.rds.describe_db_engine_versions().engine(engine).max_records(100).into_paginator().items().send();
        async move {
            let versions: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let version = |version: aws_sdk_rds::types::DbEngineVersion| {
                Some(EngineVersion {
                    version: version.engine_version?,
                    family: version.db_parameter_group_family.unwrap_or_default(),
                    certificates: version.supported_ca_certificate_identifiers.unwrap_or_default().into_iter().collect(),
                })
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
                    zones: option.availability_zones.into_iter().flatten().filter_map(|zone| zone.name).collect(),
                })
            };
            Ok(options.into_iter().filter_map(option).collect())
        }
    };
    let parameters = format!("{engine} {version} {}", class.unwrap_or_default());
    questions.ask("rds:DescribeOrderableDBInstanceOptions", &parameters, call).await
}

/// Quota of this name. `None` without an answer.
pub(in crate::aws::types) async fn account_limit(questions: &Questions<'_, Aws>, name: &str) -> Option<AccountLimit> {
    let call = |aws: &Aws| {
        let call = aws.rds.describe_account_attributes();
        async move {
            let quotas = call.send().await?.account_quotas.unwrap_or_default();
            let quota = quotas.into_iter().find(|quota| quota.account_quota_name.as_deref() == Some(name));
            Ok(quota.and_then(|quota| Some(AccountLimit { most: quota.max?.try_into().ok()?, used: quota.used?.try_into().ok()? })))
        }
    };
    questions.ask("rds:DescribeAccountAttributes", name, call).await?
}

/// Checks the snapshot that a new database is restored from, and all values that RDS offers in combinations.
pub(super) async fn preflight(db: &RdsInstance, questions: &Questions<'_, Aws>, changes: RdsInstanceChanges) -> Vec<Problem> {
    // A snapshot is used only at creation, which sets the engine.
    let snapshot = async { if changes.engine { missing_snapshot(db, questions).await } else { None } };
    let (snapshot, mut problems) = tokio::join!(snapshot, offers(db, questions, changes));
    problems.extend(snapshot);
    problems
}

/// Problem with a snapshot that does not exist.
async fn missing_snapshot(db: &RdsInstance, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let name = db.snapshot.as_deref().filter(|name| !name.contains("${"))?;
    let call = |aws: &'_ Aws| {
        let rds = aws.rds.clone();
        async move {
            match find_snapshot(&rds, name).await {
                Err(error) if error.code == SNAPSHOT_NOT_FOUND => Ok(false),
                answer => answer.map(|_| true),
            }
        }
    };
    let exists: bool = questions.ask("rds:DescribeDBSnapshots", name, call).await?;
    let problem = || {
        let message = format!("there is no snapshot `{name}` in this region");
        Problem::new(RdsInstance::POINTERS.snapshot, message)
            .help("`aws rds describe-db-snapshots` lists them; one that another account shares has an ARN")
    };
    (!exists).then(problem)
}

/// Major versions in standard or extended support in 2026, for the simulated cloud:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html#PostgreSQL.Concepts.General.DBVersions>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MariaDB.Concepts.VersionMgmt.html>.
const fn major_versions(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &["11", "12", "13", "14", "15", "16", "17", "18"],
        Engine::Mysql => &["5.7", "8.0", "8.4"],
        Engine::Mariadb => &["10.4", "10.5", "10.6", "10.11", "11.4", "11.8"],
    }
}

/// Problems with major version and class in the simulated cloud, which knows neither newer versions nor combinations. Classes have the names
/// of EC2's instance types.
fn simulated_offers(db: &RdsInstance) -> Vec<Problem> {
    let engine = to_aws(&db.engine);
    let majors = major_versions(db.engine);
    let fits = |major: &&str| db.engine.satisfies(major, false, &db.version) || db.engine.satisfies(&db.version, false, major);
    let newest = majors.iter().map(|major| version_key(major)).max();
    let version = if majors.iter().any(fits) || Some(version_key(&db.version)) > newest { None } else { Some(majors.iter().copied()) };
    let version = version
        .and_then(|majors| Problem::not_offered(RdsInstance::POINTERS.version, &db.version, "versions", &format!(" of {engine}"), majors));
    // RDS has its own name for one family.
    let names = InstanceType::values().iter().flat_map(|name| [(*name).to_owned(), name.replace("x2gd.", "x2g.")]);
    let classes: BTreeSet<String> = names.map(|name| format!("db.{name}")).collect();
    let class = Problem::not_offered(RdsInstance::POINTERS.class, &db.class, "classes", "", classes.iter().map(String::as_str));
    version.into_iter().chain(class).collect()
}

async fn offers(db: &RdsInstance, questions: &Questions<'_, Aws>, changes: RdsInstanceChanges) -> Vec<Problem> {
    if questions.is_simulated() && (changes.engine || changes.version || changes.class) {
        return simulated_offers(db);
    }
    let storage = changes.storage_type || changes.storage_gib || changes.ca_certificate;
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
    let (version, authorities, scope) = (&version.version, &version.certificates, format!(" with {engine} {}", version.version));
    let authority = db.ca_certificate.as_deref().filter(|_| changes.ca_certificate || changes.version);
    let mut problems = Vec::from_iter(authority.and_then(|authority| {
        let all = authorities.iter().map(String::as_str);
        Problem::not_offered(RdsInstance::POINTERS.ca_certificate, authority, "certificate authorities", &scope, all)
    }));
    if db.class.contains("${") {
        return problems;
    }
    let options = orderable_options(questions, &engine, version, Some(&db.class)).await.unwrap_or_default();
    if options.is_empty() {
        let all = orderable_options(questions, &engine, version, None).await.unwrap_or_default();
        let all: BTreeSet<&str> = all.iter().map(|option| option.class.as_str()).collect();
        problems.extend(Problem::not_offered(RdsInstance::POINTERS.class, &db.class, "classes", &scope, all));
        return problems;
    }
    problems.extend(check_options(db, &options, &scope));
    problems.extend(check_zones(db, questions, &options, &scope));
    problems
}

/// Checks that the subnets are in zones with the class: as many zones as the database has instances.
fn check_zones(db: &RdsInstance, questions: &Questions<'_, Aws>, options: &[OrderableOption], scope: &str) -> Option<Problem> {
    let offered: BTreeSet<&str> = options.iter().flat_map(|option| &option.zones).map(String::as_str).collect();
    let group = questions.planned(&db.subnet_group)?;
    // The zone of a subnet outside the stack is not known.
    let zones = group.subnets.iter().map(|subnet| questions.planned(subnet).map(|subnet| subnet.availability_zone));
    let zones: BTreeSet<String> = zones.collect::<Option<_>>()?;
    let needed = if db.multi_az { 2 } else { 1 };
    let usable = zones.iter().filter(|zone| offered.contains(zone.as_str()) || zone.contains("${")).count();
    if offered.is_empty() || usable >= needed {
        return None;
    }
    let listed = zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("AWS does not offer `{}`{scope} in enough zones of the subnet group, {listed}", db.class);
    let help = format!("zones with `{}`: {}", db.class, offered.into_iter().collect::<Vec<_>>().join(", "));
    Some(Problem::new(RdsInstance::POINTERS.class, message).help(help))
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
pub(in crate::aws::types) fn version_key(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_versions_of_the_same_major_version() {
        let offered = ["16.9", "16.10", "17.2"].map(|version| EngineVersion {
            version: version.into(),
            family: String::new(),
            certificates: BTreeSet::new(),
        });
        let help = |version| unknown_version(Engine::Postgres, version, &offered).and_then(|problem| problem.help);
        assert_eq!(help("16.99").as_deref(), Some("did you mean `16.9`? versions: 16.9, 16.10"));
        assert_eq!(help("9.6").as_deref(), Some("versions: 16, 17"));
        assert_eq!(help("${a.b.c}"), None);
        assert!(unknown_version(Engine::Postgres, "16.99", &[]).is_none());
    }
}
