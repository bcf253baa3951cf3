//! Rules between the fields of a database.

use super::{
    Engine, PointInTime, RdsInstance,
    copies::{parse_time, region_and_name},
    windows,
};
use crate::{
    aws::{partition, to_aws, types::iam_role::check_trust},
    core::{Declared, Pointer, Problem},
};

pub(super) fn check(db: &RdsInstance) -> Vec<Problem> {
    let mut problems = Vec::new();
    storage(db, &mut problems);
    let mut wrong = |at: Pointer, message: String| problems.push(Problem::new(at, message));
    if db.security_groups.is_empty() {
        wrong(RdsInstance::POINTERS.security_groups, "a database needs a security group".into());
    }
    if db.engine != Engine::Postgres && db.username.as_ref().is_some_and(|name| !name.contains("${") && name.len() > 16) {
        wrong(RdsInstance::POINTERS.username, "the master user of MySQL and MariaDB has at most 16 characters".into());
    }
    if db.engine == Engine::Postgres && db.database_name.as_ref().is_some_and(|name| !name.contains("${") && name.len() > 63) {
        wrong(RdsInstance::POINTERS.database_name, "a database of PostgreSQL has at most 63 characters in its name".into());
    }
    if let Some(days) = db.performance_insights_retention_days.filter(|days| !is_insights_retention(*days)) {
        wrong(
            RdsInstance::POINTERS.performance_insights_retention_days,
            format!("must be 7, a multiple of 31 up to 713, or 731, not {days}"),
        );
    }
    let logs = db.engine.log_exports();
    for log in db.log_exports.iter().filter(|log| !log.contains("${") && !logs.contains(&log.as_str())) {
        wrong(RdsInstance::POINTERS.log_exports, format!("this engine has no log `{log}`; its logs are `{}`", logs.join("`, `")));
    }
    // `admin` and the users of RDS: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
    if let Some(name) = db.username.as_ref().filter(|name| is_reserved_user(db.engine, &name.to_ascii_lowercase())) {
        wrong(RdsInstance::POINTERS.username, format!("`{name}` is reserved"));
    }
    if !matches!(db.monitoring_interval_seconds, 0 | 1 | 5 | 10 | 15 | 30 | 60) {
        wrong(RdsInstance::POINTERS.monitoring_interval_seconds, "must be 0, 1, 5, 10, 15, 30 or 60".into());
    }
    if db.monitoring_interval_seconds > 0 && db.monitoring_role.is_none() {
        wrong(RdsInstance::POINTERS.monitoring_role, "enhanced monitoring needs a role".into());
    }
    if db.kms_key.is_some() && !db.encrypted {
        wrong(RdsInstance::POINTERS.kms_key, "requires `encrypted: true`".into());
    }
    let fields = RdsInstance::POINTERS;
    problems.extend(windows::check(
        (fields.backup_window, &db.backup_window),
        (fields.maintenance_window, &db.maintenance_window),
        windows::SHORTEST,
    ));
    let fields = RdsInstance::POINTERS;
    let restored = match (&db.snapshot, &db.point_in_time) {
        (Some(_), _) => Some("a database restored from a snapshot keeps the snapshot's value"),
        (_, Some(_)) => Some("a database restored to a point in time keeps the value of that time"),
        _ => None,
    };
    let replica = db.replica_of.as_ref().map(|_| "a read replica has the passwords of its source");
    for (at, set, origin) in [
        (fields.database_name, db.database_name.is_some(), restored),
        (fields.username, db.username.is_some(), restored),
        (fields.password_secret, db.password_secret.is_some(), replica),
        (fields.master_password_key, db.master_password_key.is_some(), replica),
    ] {
        if let Some(origin) = origin.filter(|_| set) {
            let help = format!("remove `{}`", at.as_str().trim_start_matches('/'));
            problems.push(Problem::new(at, origin).help(help));
        }
    }
    if let Some(point) = &db.point_in_time {
        problems.extend(point_in_time(point));
    }
    // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html#USER_ReadRepl.Overview.Differences
    let major = db.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let is_old = db.engine == Engine::Postgres && major.is_some_and(|major| major < 14);
    if is_old && db.replica_of.is_some() && db.backup_retention_days > 0 {
        let problem = Problem::new(fields.backup_retention_days, "RDS takes no automatic backups of read replicas of PostgreSQL before 14");
        problems.push(problem.help("set `backup_retention_days: 0`"));
    }
    problems
}

/// It has one source, and a time that RDS understands.
fn point_in_time(point: &PointInTime) -> Vec<Problem> {
    let (at, fields) = (RdsInstance::POINTERS.point_in_time, PointInTime::POINTERS);
    let mut problems = Vec::new();
    if point.database.is_none() && point.backup.is_none() {
        let problem = Problem::new(at.clone(), "a point in time needs a database, or the backups of a deleted one");
        problems.push(problem.help("set `database` or `backup`"));
    }
    if let Some(time) = point.time.as_ref().filter(|time| !time.contains("${") && parse_time(time).is_err()) {
        let problem = Problem::new(at.field(fields.time), format!("`{time}` is not a time"));
        problems.push(problem.help("write it as `2026-11-29T12:00:00Z`"));
    }
    problems
}

/// A copy has the engine and the encryption of its origin, which has backups.
fn copy(db: &RdsInstance, declared: &Declared<'_, RdsInstance>) -> Vec<Problem> {
    let at = RdsInstance::POINTERS;
    let (field, origin) = match (&db.replica_of, &db.point_in_time) {
        (Some(source), _) => (at.replica_of, declared.referenced(source)),
        (None, Some(PointInTime { database: Some(source), .. })) => {
            (at.point_in_time.field(PointInTime::POINTERS.database), declared.referenced(source))
        }
        _ => return Vec::new(),
    };
    let Some((address, origin)) = origin else { return Vec::new() };
    let mut problems = Vec::new();
    if origin.engine != db.engine {
        let message = format!("`{address}` has another engine, {}", to_aws(&origin.engine));
        problems.push(Problem::new(at.engine, message).help("use the same engine"));
    }
    for (at, own, theirs) in [(at.username, &db.username, &origin.username), (at.database_name, &db.database_name, &origin.database_name)] {
        if own.as_ref().zip(theirs.as_ref()).is_some_and(|(own, theirs)| own != theirs) {
            let help = format!("remove `{}`", at.as_str().trim_start_matches('/'));
            problems.push(Problem::new(at, format!("a copy of `{address}` has the value of that one")).help(help));
        }
    }
    if origin.backup_retention_days == 0 {
        let message = format!("`{address}` has no automatic backups, from which RDS creates copies");
        problems.push(Problem::new(field, message).help("set `backup_retention_days` there to 1 or more"));
    }
    if origin.encrypted != db.encrypted {
        let message = format!("`{address}` has `encrypted: {}`, and so have its copies", origin.encrypted);
        problems.push(Problem::new(at.encrypted, message).help(format!("set `encrypted: {}`", origin.encrypted)));
    }
    problems
}

/// RDS replicates no database whose password it manages, and an encrypted replica in another region needs a key of that region.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations>
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html>
fn replica(db: &RdsInstance, declared: &Declared<'_, RdsInstance>) -> Vec<Problem> {
    let at = RdsInstance::POINTERS;
    let Some(source) = &db.replica_of else { return Vec::new() };
    let origin = declared.referenced(source);
    let mut problems = Vec::new();
    if let Some((address, origin)) = &origin
        && origin.replica_of.is_none()
        && origin.password_secret.is_none()
    {
        let message = format!("RDS manages the password of `{address}`, and creates no replicas of such a database");
        problems.push(Problem::new(at.replica_of.clone(), message).help("set `password_secret` there, a secret with the master password"));
    }
    let region = match &origin {
        Some((address, _)) => declared.region_of(address),
        None => region_and_name(source.get()).0.filter(|region| !region.contains("${")),
    };
    match region.zip(declared.region()) {
        Some((theirs, own)) if theirs != own && db.encrypted => {
            if partition(own) != "aws" {
                let message = format!("an encrypted replica of a database in {theirs} needs a signed request in this partition of AWS");
                let help = "create it with `aws rds create-db-instance-read-replica --source-region`, and import it";
                problems.push(Problem::new(at.replica_of, message).help(help));
            }
            if db.kms_key.is_none() {
                let message = format!("an encrypted replica of a database in {theirs} needs a key of {own}");
                problems.push(Problem::new(at.kms_key, message).help("set `kms_key`"));
            }
        }
        Some((theirs, own)) if theirs == own => {
            if let Some((address, _)) = origin.filter(|(_, origin)| db.kms_key.is_some() && db.kms_key != origin.kms_key) {
                let message = format!("`{address}` has another key, which its replicas in this region have, too");
                problems.push(Problem::new(at.kms_key, message).help("remove `kms_key`"));
            }
        }
        _ => {}
    }
    problems
}

/// Its parameter group is for its engine, and RDS can assume its monitoring role.
pub(super) fn check_declared(declared: &Declared<'_, RdsInstance>) -> Vec<Problem> {
    let Some(db) = declared.spec() else { return Vec::new() };
    let mut problems = Vec::new();
    if let Some(role) = &db.monitoring_role {
        problems.extend(check_trust(declared, RdsInstance::POINTERS.monitoring_role, role, "monitoring.rds.amazonaws.com"));
    }
    problems.extend(copy(&db, declared));
    problems.extend(replica(&db, declared));
    let options = db.option_group.as_ref().and_then(|group| declared.referenced(group));
    if let Some((address, group)) = options.filter(|_| !db.version.contains("${"))
        && (group.engine != to_aws(&db.engine) || !db.engine.same_major(&db.version, &group.version))
    {
        let message = format!("`{address}` is for {} {}, not for {} {}", group.engine, group.version, to_aws(&db.engine), db.version);
        problems.push(Problem::new(RdsInstance::POINTERS.option_group, message).help("use a group of the engine and its major version"));
    }
    let group = db.parameter_group.as_ref().and_then(|group| declared.referenced(group));
    if let Some((address, group)) = group.filter(|(_, group)| !db.version.contains("${") && !group.family.contains("${")) {
        // `postgres16` and `16.4`, `mysql8.0` and `8.0.35`.
        let major = group.family.strip_prefix(to_aws(&db.engine).as_str());
        let fits = major.is_some_and(|major| db.version.strip_prefix(major).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        if !fits {
            let message = format!("`{address}` has the family `{}`, which is not for {} {}", group.family, to_aws(&db.engine), db.version);
            problems.push(Problem::new(RdsInstance::POINTERS.parameter_group, message).help("use a group of the engine's family"));
        }
    }
    problems
}

/// Size and performance of the storage, which depend on its type.
///
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>.
fn storage(db: &RdsInstance, problems: &mut Vec<Problem>) {
    let mut wrong = |at: Pointer, message: String| problems.push(Problem::new(at, message));
    let (kind, size) = (db.storage_type.as_str(), db.storage_gib);
    let sizes = match kind {
        "io1" | "io2" => 100..=65_536,
        "standard" => 5..=3072,
        _ => 20..=65_536,
    };
    // The field's own limits are checked besides.
    if (5..=65_536).contains(&size) && !sizes.contains(&size) {
        wrong(RdsInstance::POINTERS.storage_gib, format!("storage of type `{kind}` has {} to {} GiB", sizes.start(), sizes.end()));
    }
    // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
    if db.max_storage_gib.is_some_and(|gib| gib != 0 && i64::from(gib) * 10 < i64::from(size) * 11) {
        wrong(RdsInstance::POINTERS.max_storage_gib, format!("must be at least a tenth more than `storage_gib: {size}`, or 0"));
    }
    let has_iops = matches!(kind, "io1" | "io2" | "gp3");
    let fields = RdsInstance::POINTERS;
    let iops = (fields.iops, db.iops.is_some(), has_iops);
    for (at, set, fits) in [iops, (fields.throughput_mibps, db.throughput_mibps.is_some(), kind == "gp3")] {
        if set && !fits {
            wrong(at, format!("not available for storage of type `{kind}`"));
        } else if set && kind == "gp3" && size < 400 {
            // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
            wrong(at, "gp3 storage below 400 GiB has fixed performance (3000 IOPS, 125 MiB per second)".into());
        }
    }
    if matches!(kind, "io1" | "io2") && db.iops.is_none() {
        wrong(RdsInstance::POINTERS.iops, format!("storage of type `{kind}` needs `iops`"));
    }
}

/// Whether AWS keeps Performance Insights for this number of days.
pub(in crate::aws::types) fn is_insights_retention(days: i32) -> bool {
    days == 7 || days == 731 || (days % 31 == 0 && (31..=713).contains(&days))
}

/// Whether the engine rejects the name of a master user.
fn is_reserved_user(engine: Engine, name: &str) -> bool {
    name == "rdsadmin" || engine == Engine::Postgres && (name == "admin" || name.starts_with("pg_") || name.starts_with("rds_"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The pointers of the problems of a database with these fields.
    fn problems(fields: Value) -> Vec<String> {
        let mut spec = json!({
            "name": "orders", "engine": "postgres", "version": "16", "class": "db.t4g.medium", "storage_gib": 400,
            "subnet_group": { "id": "main" }, "security_groups": [{ "id": "sg-1" }],
        });
        let Value::Object(fields) = fields else { panic!("an object") };
        spec.as_object_mut().expect("an object").extend(fields);
        let db: RdsInstance = serde_json::from_value(spec).expect("a database");
        check(&db).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn accepts_what_rds_takes() {
        let primary = "arn:aws:rds:eu-west-1:123456789012:db:primary";
        let accepted = [
            json!({}),
            json!({ "max_storage_gib": 440 }),
            json!({ "max_storage_gib": 0 }),
            json!({ "storage_type": "gp3", "iops": 12_000, "throughput_mibps": 500 }),
            json!({ "storage_type": "io2", "storage_gib": 100, "iops": 3000 }),
            json!({ "storage_type": "standard", "storage_gib": 5 }),
            json!({ "performance_insights_retention_days": 93 }),
            json!({ "performance_insights_retention_days": 731 }),
            json!({ "log_exports": ["postgresql", "upgrade"] }),
            json!({ "engine": "mysql", "log_exports": ["audit", "error", "general", "slowquery"] }),
            json!({ "engine": "mariadb", "username": "sixteen_letters_" }),
            json!({ "username": "seventeen_letters" }),
            json!({ "maintenance_window": "Sun:04:00-sun:05:00" }),
            json!({ "replica_of": primary, "username": "app" }),
            json!({ "replica_of": primary, "version": "13", "backup_retention_days": 0 }),
            json!({ "point_in_time": { "database": { "id": "primary" }, "time": "2026-11-29T12:00:00Z" } }),
            json!({ "point_in_time": { "backup": "arn:aws:rds:eu-west-1:123456789012:auto-backup:ab-1" } }),
        ];
        for fields in accepted {
            assert_eq!(problems(fields.clone()), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_what_rds_refuses() {
        let primary = "arn:aws:rds:eu-west-1:123456789012:db:primary";
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        let refused = [
            (json!({ "max_storage_gib": 439 }), "/max_storage_gib"),
            (json!({ "storage_gib": 19 }), "/storage_gib"),
            (json!({ "storage_type": "io1", "storage_gib": 99, "iops": 3000 }), "/storage_gib"),
            (json!({ "storage_type": "io1" }), "/iops"),
            (json!({ "storage_type": "standard", "storage_gib": 3073 }), "/storage_gib"),
            (json!({ "storage_type": "gp2", "iops": 3000 }), "/iops"),
            (json!({ "storage_type": "io2", "iops": 3000, "throughput_mibps": 500 }), "/throughput_mibps"),
            (json!({ "storage_gib": 399, "iops": 3000 }), "/iops"),
            (json!({ "performance_insights_retention_days": 94 }), "/performance_insights_retention_days"),
            (json!({ "performance_insights_retention_days": 744 }), "/performance_insights_retention_days"),
            (json!({ "log_exports": ["slowquery"] }), "/log_exports"),
            (json!({ "engine": "mysql", "log_exports": ["postgresql"] }), "/log_exports"),
            (json!({ "engine": "mysql", "username": "seventeen_letters" }), "/username"),
            (json!({ "database_name": "d".repeat(64) }), "/database_name"),
            (json!({ "username": "Admin" }), "/username"),
            (json!({ "username": "pg_root" }), "/username"),
            (json!({ "engine": "mysql", "username": "rdsadmin" }), "/username"),
            (json!({ "maintenance_window": "day:04:00-sun:05:00" }), "/maintenance_window"),
            (json!({ "replica_of": primary, "password_secret": secret }), "/password_secret"),
            (json!({ "replica_of": primary, "version": "13.15" }), "/backup_retention_days"),
            (json!({ "point_in_time": { "database": { "id": "primary" } }, "username": "app" }), "/username"),
            (json!({ "point_in_time": {} }), "/point_in_time"),
            (json!({ "point_in_time": { "database": { "id": "primary" }, "time": "noon" } }), "/point_in_time/time"),
        ];
        for (fields, at) in refused {
            assert_eq!(problems(fields.clone()), [at], "{fields}");
        }
    }
}
