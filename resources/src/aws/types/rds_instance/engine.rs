//! Database engines and their versions.

use acme_macros::spec;

/// Database engine.
#[spec]
#[derive(Copy)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl Engine {
    /// The logs that can be sent to CloudWatch:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>.
    pub(super) fn log_exports(self) -> &'static [&'static str] {
        match self {
            Engine::Postgres => &["iam-db-auth-error", "postgresql", "upgrade"],
            Engine::Mysql | Engine::Mariadb => &["audit", "error", "general", "iam-db-auth-error", "slowquery"],
        }
    }
    /// The port of a database that states none.
    pub(super) fn default_port(self) -> i32 {
        if self == Engine::Postgres { 5432 } else { 3306 }
    }
    fn name(self) -> &'static str {
        match self {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
            Engine::Mariadb => "mariadb",
        }
    }
    /// Name of the parameter group that AWS provides for a version: `default.postgres16`, `default.mysql8.0`.
    pub(super) fn default_parameter_group(self, version: &str) -> String {
        format!("default.{}{}", self.name(), self.major(version))
    }
    /// Name of the option group that AWS provides for a version: `default:postgres-16`, `default:mysql-8-0`.
    pub(super) fn default_option_group(self, version: &str) -> String {
        format!("default:{}-{}", self.name(), self.major(version).replace('.', "-"))
    }
    /// Number of components of an exact version: 16.4, but 8.0.40.
    fn version_parts(self) -> usize {
        if self == Engine::Postgres { 2 } else { 3 }
    }
    /// Whether two versions have the same major version, and so the same parameter groups.
    pub(super) fn same_major(self, one: &str, other: &str) -> bool {
        one.split('.').zip(other.split('.')).take(self.version_parts() - 1).all(|(one, other)| one == other)
    }
    /// The major version of an exact one: `16` of `16.4`, `8.0` of `8.0.40`.
    pub(super) fn major(self, version: &str) -> &str {
        let end = version.match_indices('.').nth(self.version_parts() - 2).map_or(version.len(), |(at, _)| at);
        &version[..end]
    }
    /// Whether a database of version `live` satisfies `version`; with `newer_minor` a newer minor version does, too.
    pub(super) fn satisfies(self, version: &str, newer_minor: bool, live: &str) -> bool {
        // `11.22-rds.20240509` is 11.22 in extended support.
        if live.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-'])) {
            return true;
        }
        let numbers = |text: &str| text.split('.').map(|n| n.parse::<u32>().ok()).collect::<Option<Vec<_>>>();
        let (Some(ours), Some(theirs)) = (numbers(version), numbers(live)) else { return false };
        let exact = self.version_parts();
        newer_minor && ours.len() == exact && theirs.len() == exact && ours[..exact - 1] == theirs[..exact - 1] && theirs > ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_live_versions_that_satisfy_the_wanted_one() {
        for (engine, asked, auto, live, same) in [
            (Engine::Postgres, "16", false, "16.4", true),
            (Engine::Postgres, "16", true, "17.1", false),
            (Engine::Postgres, "16", false, "16", true),
            (Engine::Postgres, "1", true, "16.4", false),
            (Engine::Postgres, "16.4", true, "16.6", true),
            (Engine::Postgres, "16.4", false, "16.6", false),
            (Engine::Postgres, "16.6", true, "16.4", false),
            (Engine::Postgres, "11.22", false, "11.22-rds.20240509", true),
            (Engine::Mysql, "8.0", true, "8.4", false),
            (Engine::Mysql, "8.0", false, "8.0.40", true),
            (Engine::Mysql, "8.0.35", true, "8.0.40", true),
        ] {
            assert_eq!(engine.satisfies(asked, auto, live), same, "{engine:?} {asked} {live}");
        }
    }

    #[test]
    fn compares_major_versions() {
        for (engine, one, other, same) in [
            (Engine::Postgres, "16", "16.4", true),
            (Engine::Postgres, "16.4", "15.8", false),
            (Engine::Mysql, "8.0.40", "8.0.35", true),
            (Engine::Mysql, "8", "8.4.3", true),
            (Engine::Mariadb, "10.11", "10.6.20", false),
        ] {
            assert_eq!(engine.same_major(one, other), same, "{engine:?} {one} {other}");
        }
    }
}
