//! Rules between the fields of a database.

use super::{Engine, RdsInstance, windows};
use crate::{
    aws::{to_aws, types::iam_role::check_trust},
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
    for (at, set) in [(fields.database_name, db.database_name.is_some()), (fields.username, db.username.is_some())] {
        if set && db.snapshot.is_some() {
            let help = format!("remove `{}`", at.as_str().trim_start_matches('/'));
            problems.push(Problem::new(at, "a database restored from a snapshot keeps the snapshot's value").help(help));
        }
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
        ];
        for fields in accepted {
            assert_eq!(problems(fields.clone()), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_what_rds_refuses() {
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
        ];
        for (fields, at) in refused {
            assert_eq!(problems(fields.clone()), [at], "{fields}");
        }
    }
}
