//! Engines of caches with replicas, and their versions.

use acme_macros::spec;

use super::super::rds_instance::version_key;

/// Engine.
#[spec]
#[derive(Copy)]
pub enum CacheEngine {
    /// Valkey.
    Valkey,
    /// Redis OSS.
    Redis,
}

impl CacheEngine {
    /// Family of the parameter groups for a version: `valkey8`, `redis7`, `redis6.x`, `redis5.0`.
    pub(super) fn family(self, version: &str) -> String {
        let major = version.split('.').next().unwrap_or_default();
        match (self, major.parse::<u32>()) {
            (CacheEngine::Valkey, _) => format!("valkey{major}"),
            (CacheEngine::Redis, Ok(6)) => "redis6.x".to_owned(),
            (CacheEngine::Redis, Ok(older)) if older < 6 => {
                format!("redis{}", version.splitn(3, '.').take(2).collect::<Vec<_>>().join("."))
            }
            (CacheEngine::Redis, _) => format!("redis{major}"),
        }
    }
}

/// Whether a cache of version `live` satisfies `version`; with `newer_minor` a newer version of the same major version does, too.
pub(in crate::aws::types) fn satisfies(version: &str, newer_minor: bool, live: &str) -> bool {
    let wanted = version.strip_suffix(".x").unwrap_or(version);
    if live.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
        return true;
    }
    let (ours, theirs) = (version_key(wanted), version_key(live));
    newer_minor && ours.first() == theirs.first() && theirs > ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_live_versions_that_satisfy_the_wanted_one() {
        for (asked, auto, live, same) in [
            ("7.1", false, "7.1.0", true),
            ("7.1", false, "7.2.0", false),
            ("7.0", true, "7.1.0", true),
            ("7.1", true, "8.0.1", false),
            ("6.x", false, "6.2.6", true),
            ("1.6.17", true, "1.6.12", false),
        ] {
            assert_eq!(satisfies(asked, auto, live), same, "{asked} {live}");
        }
    }

    #[test]
    fn names_the_families_of_parameter_groups() {
        let families =
            [(CacheEngine::Valkey, "8.0"), (CacheEngine::Redis, "7.1"), (CacheEngine::Redis, "6.2"), (CacheEngine::Redis, "5.0.6")];
        assert_eq!(families.map(|(engine, version)| engine.family(version)), ["valkey8", "redis7", "redis6.x", "redis5.0"]);
    }
}
