//! `caches`: Valkey, Redis OSS and Memcached caches in the network's private subnets, reachable from the network unless `security_groups` is
//! set.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Expansion,
    data_store::{StoreFields, StoreKind, set_parameter_group},
    field_names, merged_schema,
};

/// The engine of which an entry is a `cache_cluster`.
pub(super) const MEMCACHED: &str = "memcached";

/// Fields of a Memcached cache in addition to those of `cache_cluster`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemcachedFields {
    /// Engine: `memcached`.
    #[serde(default)]
    pub engine: String,
}

/// Fields of a Memcached cache of the section itself.
pub fn memcached_schema() -> Schema {
    merged_schema::<MemcachedFields, StoreFields>()
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let mut kind = StoreKind::new("cache", "cache_subnet_group");
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let is_memcached = entry.text("engine") == Some(MEMCACHED);
        let engine = match is_memcached {
            true => out.take_own_fields::<MemcachedFields>(&mut entry.fields, &entry.pointer, &what).unwrap_or_default().engine,
            false => entry.text("engine").unwrap_or("valkey").to_owned(),
        };
        let mut own: StoreFields = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        kind.set_subnet_group(out, &mut entry, own.subnets);
        // ElastiCache refuses a group without it for a cache in cluster mode.
        if let Some(parameters) = own.parameters.as_mut().filter(|_| matches!(entry.text("cluster_mode"), Some("enabled" | "compatible"))) {
            parameters.entry("cluster-enabled".to_owned()).or_insert_with(|| "yes".into());
        }
        let family = own.family.or_else(|| Some(parameter_group_family(&engine, entry.text("version")?)));
        set_parameter_group(out, &mut entry, "cache_parameter_group", own.parameters, family);
        kind.set_security_group(out, &mut entry, if is_memcached { 11_211 } else { 6379 });
        let mut extra_fields = field_names::<StoreFields>();
        if is_memcached {
            extra_fields.extend(field_names::<MemcachedFields>());
        }
        let type_name = if is_memcached { "cache_cluster" } else { "cache_replication_group" };
        if let Some(draft) = out.add_resource(type_name, entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = extra_fields;
        }
    }
}

/// `valkey8`, `redis7`, `redis6.x`, `memcached1.6`.
///
/// Source: <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html>
fn parameter_group_family(engine: &str, version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (engine, major) {
        (MEMCACHED, _) | ("redis", "2" | "3" | "4" | "5") => format!("{engine}{major}.{minor}"),
        ("redis", "6") => "redis6.x".to_owned(),
        _ => format!("{engine}{major}"),
    }
}
