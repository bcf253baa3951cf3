//! Rules between the fields of a cache.

use super::{
    super::{prelude::*, rds_instance::windows},
    CacheReplicationGroup, ClusterMode, TransitEncryption,
};
use crate::{aws::to_aws, core::Pointer};

/// Shortest window, in minutes: <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html>.
pub(in crate::aws::types) const SHORTEST_WINDOW: u32 = 60;

/// Nodes of a cache: <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/quota-limits.html>.
const MAX_NODES: i32 = 500;

pub(super) fn check(cache: &CacheReplicationGroup) -> Vec<Problem> {
    let at = CacheReplicationGroup::POINTERS;
    let mut problems =
        windows::check((at.snapshot_window, &cache.snapshot_window), (at.maintenance_window, &cache.maintenance_window), SHORTEST_WINDOW);
    let mut wrong = |at: Pointer, message: &str| problems.push(Problem::new(at, message));
    let has_mode = cache.cluster_mode != ClusterMode::Disabled;
    if cache.shards > 1 && !has_mode {
        wrong(at.shards, "several shards require `cluster_mode`");
    }
    if cache.shards.saturating_mul(cache.replicas + 1) > MAX_NODES {
        wrong(at.replicas.clone(), "a cache has at most 500 nodes");
    }
    if has_mode && !cache.automatic_failover {
        wrong(at.automatic_failover.clone(), "a cache with cluster mode has automatic failover");
    }
    if cache.automatic_failover && cache.replicas == 0 && !has_mode {
        wrong(at.automatic_failover, "requires a replica");
    }
    if cache.multi_az && (!cache.automatic_failover || cache.replicas == 0) {
        wrong(at.multi_az, "requires `automatic_failover` and a replica");
    }
    if cache.kms_key.is_some() && !cache.encrypted {
        wrong(at.kms_key, "requires `encrypted: true`");
    }
    if cache.transit_encryption == TransitEncryption::Disabled {
        if cache.auth_token.is_some() {
            wrong(at.auth_token, "a password requires `transit_encryption`");
        }
        if !cache.user_groups.is_empty() {
            wrong(at.user_groups, "users require `transit_encryption`");
        }
    }
    if cache.data_tiering && !cache.node_type.contains("${") && !cache.node_type.starts_with("cache.r6gd.") {
        wrong(at.data_tiering, "requires nodes of the family `cache.r6gd`");
    }
    if cache.ip_discovery == "ipv6" && cache.network_type == CacheReplicationGroup::default_network_type() {
        wrong(at.ip_discovery, "requires `network_type` `ipv6` or `dual_stack`");
    }
    problems
}

/// Its parameter group and its users are for its engine.
pub(super) fn check_declared(declared: &Declared<'_, CacheReplicationGroup>) -> Vec<Problem> {
    let Some(cache) = declared.spec() else { return Vec::new() };
    let at = CacheReplicationGroup::POINTERS;
    let mut problems = Vec::new();
    let group = cache.parameter_group.as_ref().and_then(|group| declared.referenced(group));
    if let Some((address, group)) = group.filter(|(_, group)| !cache.version.contains("${") && !group.family.contains("${")) {
        let family = cache.engine.family(&cache.version);
        if group.family != family {
            let message = format!("`{address}` has the family `{}`, and the cache has `{family}`", group.family);
            problems.push(Problem::new(at.parameter_group, message).help("use a group of the engine's family"));
        }
    }
    for (address, group) in cache.user_groups.iter().filter_map(|group| declared.referenced(group)) {
        // A cache for Valkey takes groups of both engines.
        if to_aws(&group.engine) == "valkey" && to_aws(&cache.engine) == "redis" {
            problems.push(Problem::new(at.user_groups.clone(), format!("`{address}` is a group for valkey, and the cache is for redis")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(fields: Value) -> Vec<String> {
        let mut spec = json!({
            "name": "carts", "version": "8.0", "node_type": "cache.t4g.small", "subnet_group": { "id": "main" },
            "security_groups": [{ "id": "sg-1" }],
        });
        if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
            spec.extend(fields);
        }
        let cache: CacheReplicationGroup = serde_json::from_value(spec).expect("a cache");
        check(&cache).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn accepts_what_elasticache_takes() {
        for fields in [
            json!({}),
            json!({ "replicas": 0, "automatic_failover": false, "multi_az": false }),
            json!({ "cluster_mode": "enabled", "shards": 3, "replicas": 0, "multi_az": false }),
            json!({ "snapshot_window": "02:00-03:00", "maintenance_window": "sun:04:00-sun:05:00" }),
            json!({ "network_type": "dual_stack", "ip_discovery": "ipv6" }),
        ] {
            assert_eq!(problems(fields.clone()), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_what_elasticache_refuses() {
        for (fields, at) in [
            (json!({ "shards": 2 }), "/shards"),
            (json!({ "cluster_mode": "enabled", "shards": 300 }), "/replicas"),
            (json!({ "cluster_mode": "enabled", "automatic_failover": false, "multi_az": false }), "/automatic_failover"),
            (json!({ "replicas": 0, "multi_az": false }), "/automatic_failover"),
            (json!({ "automatic_failover": false }), "/multi_az"),
            (json!({ "transit_encryption": "disabled", "user_groups": [{ "id": "shop" }] }), "/user_groups"),
            (json!({ "data_tiering": true }), "/data_tiering"),
            (json!({ "ip_discovery": "ipv6" }), "/ip_discovery"),
            (json!({ "snapshot_window": "02:00-02:30" }), "/snapshot_window"),
            (json!({ "snapshot_window": "04:30-05:30", "maintenance_window": "sun:04:00-sun:05:00" }), "/maintenance_window"),
        ] {
            assert_eq!(problems(fields.clone()), [at], "{fields}");
        }
    }
}
