//! Rules between the fields of a cluster.

use super::{
    super::{
        iam_role::check_trust,
        prelude::*,
        rds_instance::{is_insights_retention, windows},
    },
    AuroraCluster, AuroraEngine, ClusterRole, PointInTime, Serverless,
};
use crate::{aws::to_aws, core::Pointer};

/// Days for which advanced Database Insights keep data:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_DatabaseInsights.Engines.html>.
const ADVANCED_RETENTION_DAYS: i32 = 465;

pub(super) fn check(cluster: &AuroraCluster) -> Vec<Problem> {
    let at = AuroraCluster::POINTERS;
    let mut problems =
        windows::check((at.backup_window, &cluster.backup_window), (at.maintenance_window, &cluster.maintenance_window), windows::SHORTEST);
    let mut wrong = |at: Pointer, message: String| problems.push(Problem::new(at, message));
    let is_mysql = cluster.engine == AuroraEngine::AuroraMysql;
    if let Some(name) = cluster.username.as_ref().filter(|name| !name.contains("${")) {
        let lower = name.to_ascii_lowercase();
        if is_mysql && name.len() > 16 {
            wrong(at.username.clone(), "the master user of MySQL has at most 16 characters".into());
        } else if lower == "rdsadmin" || !is_mysql && (lower == "admin" || lower.starts_with("pg_") || lower.starts_with("rds_")) {
            wrong(at.username.clone(), format!("`{name}` is reserved"));
        }
    }
    let logs = cluster.engine.log_exports();
    for log in cluster.log_exports.iter().filter(|log| !log.contains("${") && !logs.contains(&log.as_str())) {
        wrong(at.log_exports.clone(), format!("this engine has no log `{log}`; its logs are `{}`", logs.join("`, `")));
    }
    if cluster.monitoring_interval_seconds > 0 && cluster.monitoring_role.is_none() {
        wrong(at.monitoring_role, "enhanced monitoring needs a role".into());
    }
    if cluster.kms_key.is_some() && !cluster.encrypted {
        wrong(at.kms_key.clone(), "requires `encrypted: true`".into());
    }
    if !is_mysql && cluster.backtrack_seconds > 0 {
        wrong(at.backtrack_seconds.clone(), "only MySQL clusters can be rewound".into());
    }
    if !is_mysql && cluster.local_write_forwarding {
        wrong(at.local_write_forwarding, "only readers of MySQL forward writes".into());
    }
    let restored = match (&cluster.snapshot, &cluster.point_in_time) {
        (Some(_), _) => Some("a cluster restored from a snapshot keeps the snapshot's value"),
        (_, Some(_)) => Some("a cluster restored to a point in time keeps the value of that time"),
        _ => None,
    };
    for (set, at) in [(cluster.database_name.is_some(), at.database_name), (cluster.username.is_some(), at.username)] {
        if let Some(origin) = restored.filter(|_| set) {
            wrong(at, origin.into());
        }
    }
    if cluster.global.is_some() && cluster.backtrack_seconds > 0 {
        wrong(at.backtrack_seconds, "a cluster of a global database can't be rewound".into());
    }
    if cluster.global.is_some() && cluster.master_password_key.is_some() {
        wrong(at.master_password_key, "RDS manages the password of no cluster of a global database".into());
    }
    // Without a password, it can only be a copy, which can't have the writer's key.
    if cluster.global.is_some() && cluster.password_secret.is_none() && cluster.encrypted && cluster.kms_key.is_none() {
        wrong(
            at.kms_key,
            "an encrypted copy of a global database needs a key of its own region, and the first cluster a `password_secret`: set one of them"
                .into(),
        );
    }
    for ClusterRole { feature, .. } in &cluster.roles {
        if is_mysql != feature.is_empty() {
            let message = if is_mysql { "roles of MySQL have no `feature`" } else { "a role of PostgreSQL needs a `feature`" };
            wrong(at.roles.clone(), message.into());
        }
    }
    let days = cluster.performance_insights_retention_days;
    let at_days = at.performance_insights_retention_days;
    if let Some(days) = days.filter(|days| *days != ADVANCED_RETENTION_DAYS && !is_insights_retention(*days)) {
        wrong(at_days.clone(), format!("must be 7, a multiple of 31 up to 713, or 731, not {days}"));
    }
    if cluster.database_insights == "advanced" {
        if !cluster.performance_insights {
            wrong(at.performance_insights, "advanced Database Insights require it".into());
        }
        if days.is_none_or(|days| days < ADVANCED_RETENTION_DAYS) {
            wrong(at_days, format!("advanced Database Insights require {ADVANCED_RETENTION_DAYS} days or more"));
        }
    }
    problems.extend(cluster.serverless.iter().flat_map(check_serverless));
    problems.extend(cluster.point_in_time.iter().flat_map(PointInTime::check));
    problems
}

/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ServerlessV2ScalingConfiguration.html>.
fn check_serverless(limits: &Serverless) -> Vec<Problem> {
    let at = |field: Pointer| AuroraCluster::POINTERS.serverless.field(field);
    let mut problems = Vec::new();
    for (field, value, range) in [(Serverless::POINTERS.min, limits.min, 0.0..=256.0), (Serverless::POINTERS.max, limits.max, 1.0..=256.0)]
    {
        if !range.contains(&value) || (value * 2.0).fract() != 0.0 {
            problems.push(Problem::new(at(field), format!("must be {} to {} in steps of 0.5, not {value}", range.start(), range.end())));
        }
    }
    if problems.is_empty() && limits.min > limits.max {
        problems.push(Problem::new(at(Serverless::POINTERS.max), format!("is less than `min`, {}", limits.min)));
    }
    if limits.pause_after_seconds.is_some() && limits.min > 0.0 {
        problems.push(Problem::new(at(Serverless::POINTERS.pause_after_seconds), "an instance pauses only with `min: 0`"));
    }
    problems
}

/// Its parameter group is for its engine, and RDS can assume its roles.
pub(super) fn check_declared(declared: &Declared<'_, AuroraCluster>) -> Vec<Problem> {
    let Some(cluster) = declared.spec() else { return Vec::new() };
    let at = AuroraCluster::POINTERS;
    let monitoring = cluster.monitoring_role.as_ref();
    let mut problems: Vec<Problem> =
        monitoring.and_then(|role| check_trust(declared, at.monitoring_role, role, "monitoring.rds.amazonaws.com")).into_iter().collect();
    problems.extend(cluster.roles.iter().filter_map(|one| check_trust(declared, at.roles.clone(), &one.role, "rds.amazonaws.com")));
    problems.extend(check_global(&cluster, declared));
    problems.extend(check_origin(&cluster, declared));
    let group = cluster.parameter_group.as_ref().and_then(|group| declared.referenced(group));
    if let Some((address, group)) = group.filter(|(_, group)| !cluster.version.contains("${") && !group.family.contains("${")) {
        let engine = to_aws(&cluster.engine);
        if group.family != format!("{engine}{}", cluster.engine.major(&cluster.version)) {
            let message = format!("`{address}` has the family `{}`, which is not for {engine} {}", group.family, cluster.version);
            problems.push(Problem::new(at.parameter_group, message).help("use a group of the engine's family"));
        }
    }
    problems
}

/// A copy has the engine and the encryption of its origin.
fn check_origin(cluster: &AuroraCluster, declared: &Declared<'_, AuroraCluster>) -> Vec<Problem> {
    let origin = cluster.point_in_time.as_ref().and_then(|point| declared.referenced(point.cluster.as_ref()?));
    let Some((address, origin)) = origin else { return Vec::new() };
    let at = AuroraCluster::POINTERS;
    let mut problems = Vec::new();
    if origin.engine != cluster.engine {
        let message = format!("`{address}` has another engine, {}", to_aws(&origin.engine));
        problems.push(Problem::new(at.engine, message).help("use the same engine"));
    }
    if origin.encrypted != cluster.encrypted {
        let message = format!("`{address}` has `encrypted: {}`, and so have its copies", origin.encrypted);
        problems.push(Problem::new(at.encrypted, message).help(format!("set `encrypted: {}`", origin.encrypted)));
    }
    problems
}

/// A cluster has engine, major version and encryption of its global database.
fn check_global(cluster: &AuroraCluster, declared: &Declared<'_, AuroraCluster>) -> Vec<Problem> {
    let Some((address, global)) = cluster.global.as_ref().and_then(|global| declared.referenced(global)) else { return Vec::new() };
    let at = AuroraCluster::POINTERS;
    let mut problems = Vec::new();
    if cluster.engine != global.engine {
        let message = format!("`{address}` has another engine, {}", to_aws(&global.engine));
        problems.push(Problem::new(at.engine, message).help("use the same engine"));
    }
    let (own, theirs) = (&cluster.version, &global.version);
    if cluster.engine == global.engine && !own.contains("${") && !theirs.contains("${") && !cluster.engine.same_major(own, theirs) {
        let message = format!("`{address}` has version {theirs}, and RDS upgrades it with all its clusters");
        problems.push(Problem::new(at.version, message).help("set the same major version in both"));
    }
    if cluster.encrypted != global.encrypted {
        let message = format!("`{address}` has `encrypted: {}`", global.encrypted);
        problems.push(Problem::new(at.encrypted, message).help("set the same in both"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The pointers of the problems of a cluster with these fields.
    fn problems(fields: Value) -> Vec<String> {
        let mut spec = json!({
            "name": "orders", "engine": "aurora-postgresql", "version": "16", "subnet_group": { "id": "main" },
            "security_groups": [{ "id": "sg-1" }],
        });
        if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
            spec.extend(fields);
        }
        let cluster: AuroraCluster = serde_json::from_value(spec).expect("a cluster");
        check(&cluster).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn accepts_what_aurora_takes() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        let role = json!({ "role": "arn:aws:iam::123456789012:role/a", "feature": "s3Import" });
        for fields in [
            json!({}),
            json!({ "serverless": { "min": 0, "max": 1, "pause_after_seconds": 600 } }),
            json!({ "serverless": { "min": 0.5, "max": 256 } }),
            json!({ "global": { "id": "world" }, "password_secret": secret }),
            json!({ "global": { "id": "world" }, "kms_key": { "arn": "arn:aws:kms:eu-west-1:123456789012:key/1" } }),
            json!({ "roles": [role], "log_exports": ["postgresql", "instance"] }),
            json!({ "engine": "aurora-mysql", "backtrack_seconds": 3600, "log_exports": ["audit"], "username": "admin" }),
            json!({ "database_insights": "advanced", "performance_insights": true, "performance_insights_retention_days": 465 }),
            json!({ "point_in_time": { "cluster": { "id": "primary" }, "time": "2026-11-29T12:00:00Z" } }),
            json!({ "point_in_time": { "resource_id": "cluster-ABCDEFGHIJKL" } }),
        ] {
            assert_eq!(problems(fields.clone()), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_what_aurora_refuses() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        let refused = [
            (json!({ "serverless": { "min": 0.3, "max": 1 } }), "/serverless/min"),
            (json!({ "serverless": { "min": 0, "max": 0.5 } }), "/serverless/max"),
            (json!({ "serverless": { "min": 8, "max": 4 } }), "/serverless/max"),
            (json!({ "serverless": { "min": 1, "max": 4, "pause_after_seconds": 600 } }), "/serverless/pause_after_seconds"),
            (json!({ "roles": [{ "role": "arn:aws:iam::123456789012:role/a" }] }), "/roles"),
            (json!({ "log_exports": ["audit"] }), "/log_exports"),
            (json!({ "backtrack_seconds": 60 }), "/backtrack_seconds"),
            (json!({ "username": "admin" }), "/username"),
            (json!({ "username": "root", "snapshot": "last" }), "/username"),
            (json!({ "username": "root", "point_in_time": { "cluster": { "id": "primary" } } }), "/username"),
            (json!({ "point_in_time": {} }), "/point_in_time"),
            (json!({ "point_in_time": { "cluster": { "id": "primary" }, "time": "noon" } }), "/point_in_time/time"),
            (json!({ "engine": "aurora-mysql", "username": "seventeen_letters" }), "/username"),
            (json!({ "monitoring_interval_seconds": 60 }), "/monitoring_role"),
            (json!({ "global": { "id": "world" } }), "/kms_key"),
            (
                json!({ "engine": "aurora-mysql", "global": { "id": "world" }, "password_secret": secret, "backtrack_seconds": 60 }),
                "/backtrack_seconds",
            ),
            (json!({ "backup_window": "04:00-05:00", "maintenance_window": "sun:04:00-sun:05:00" }), "/maintenance_window"),
            (
                json!({ "database_insights": "advanced", "performance_insights": true, "performance_insights_retention_days": 31 }),
                "/performance_insights_retention_days",
            ),
        ];
        for (fields, at) in refused {
            assert_eq!(problems(fields.clone()), [at], "{fields}");
        }
    }
}
