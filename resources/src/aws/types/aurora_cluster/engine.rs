//! Engines of Aurora and their versions.

use acme_macros::spec;

use super::super::rds_instance::version_key;

/// Database engine.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "kebab-case")]
pub enum AuroraEngine {
    /// PostgreSQL.
    AuroraPostgresql,
    /// MySQL.
    AuroraMysql,
}

impl AuroraEngine {
    /// The logs that can be sent to CloudWatch: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html>.
    pub(super) fn log_exports(self) -> &'static [&'static str] {
        match self {
            AuroraEngine::AuroraPostgresql => &["iam-db-auth-error", "instance", "postgresql"],
            AuroraEngine::AuroraMysql => &["audit", "error", "general", "iam-db-auth-error", "instance", "slowquery"],
        }
    }
    /// The port of a cluster that states none.
    pub(super) fn default_port(self) -> i32 {
        if self == AuroraEngine::AuroraPostgresql { 5432 } else { 3306 }
    }
    /// Name of the master user of a cluster that states none.
    pub(super) fn default_user(self) -> &'static str {
        if self == AuroraEngine::AuroraPostgresql { "postgres" } else { "admin" }
    }
    /// Name of the parameter group that AWS provides for a version: `default.aurora-postgresql16`, `default.aurora-mysql8.0`.
    pub(super) fn default_parameter_group(self, version: &str) -> String {
        let name = if self == AuroraEngine::AuroraPostgresql { "aurora-postgresql" } else { "aurora-mysql" };
        format!("default.{name}{}", self.major(version))
    }
    /// Major version: `16` of `16.4`, `8.0` of `8.0.mysql_aurora.3.08.0`.
    pub(super) fn major(self, version: &str) -> &str {
        let dots = if self == AuroraEngine::AuroraPostgresql { 0 } else { 1 };
        let end = version.match_indices('.').nth(dots).map_or(version.len(), |(at, _)| at);
        &version[..end]
    }
    /// Whether two versions have the same major version, and so the same parameter groups.
    pub(in crate::aws::types) fn same_major(self, one: &str, other: &str) -> bool {
        self.major(one) == self.major(other)
    }
    /// Whether a cluster of version `live` satisfies `version`: it is part of it, or a newer minor version.
    pub(super) fn satisfies(self, version: &str, live: &str) -> bool {
        if live.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-'])) {
            return true;
        }
        self.same_major(version, live) && version_key(live) > version_key(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_live_versions_that_satisfy_the_wanted_one() {
        let (postgresql, mysql) = (AuroraEngine::AuroraPostgresql, AuroraEngine::AuroraMysql);
        for (engine, asked, live, same) in [
            (postgresql, "16", "16.4", true),
            (postgresql, "16.4", "16.6", true),
            (postgresql, "16.6", "16.4", false),
            (postgresql, "16.4", "17.1", false),
            (postgresql, "1", "16.4", false),
            (mysql, "8.0", "8.0.mysql_aurora.3.08.0", true),
            (mysql, "8.0.mysql_aurora.3", "8.0.mysql_aurora.3.08.0", true),
            (mysql, "8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.10.1", true),
            (mysql, "8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.07.1", false),
            (mysql, "5.7", "8.0.mysql_aurora.3.07.1", false),
        ] {
            assert_eq!(engine.satisfies(asked, live), same, "{asked} {live}");
        }
    }

    #[test]
    fn names_the_default_parameter_groups() {
        let names = [
            AuroraEngine::AuroraPostgresql.default_parameter_group("16.4"),
            AuroraEngine::AuroraMysql.default_parameter_group("8.0.mysql_aurora.3.08.0"),
        ];
        assert_eq!(names, ["default.aurora-postgresql16", "default.aurora-mysql8.0"]);
    }
}
