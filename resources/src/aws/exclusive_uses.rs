//! What only one resource at a time can use, whatever its type.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::Value;

use super::types::RESOURCE_TYPES;
use crate::core::ResourceType;

/// ARN patterns that several types have, so that their resources share one set of names: metric and composite alarms, for example.
static SHARED_ARN_PATTERNS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in RESOURCE_TYPES.iter().filter(|kind| kind.naming.is_some() && kind.arn.contains("{name}")) {
        *counts.entry(kind.arn).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(arn, _)| arn).collect()
});

/// What a resource with this spec uses, see [`crate::core::Resource::exclusive_uses`], and its name as an ARN if other types share the names
/// of its type. `region` is that of the resource if it is not the stack's. Strings may still contain `${…}` references.
pub fn exclusive_uses(kind: &ResourceType, spec: &Value, region: Option<&str>) -> Vec<String> {
    let mut uses = kind.operations.exclusive_uses(spec);
    if SHARED_ARN_PATTERNS.contains(kind.arn)
        && let Some(name) = spec.get("name").and_then(Value::as_str)
    {
        uses.push(kind.arn.replace("{name}", name).replace("{account}", "*").replace("{region}", region.unwrap_or("*")));
    }
    uses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::exclusive_uses;
    use crate::aws::types::resource_type;

    #[test]
    fn types_with_the_same_arn_pattern_share_their_names() {
        let uses = |kind: &str, name: &str, region| {
            resource_type(kind).map(|kind| exclusive_uses(kind, &json!({ "name": name }), region)).unwrap_or_default()
        };
        for (one, other) in [("metric_alarm", "composite_alarm"), ("rds_instance", "aurora_instance")] {
            assert!(!uses(one, "shop", None).is_empty(), "{one}");
            assert_eq!(uses(one, "shop", None), uses(other, "shop", None));
            assert_ne!(uses(one, "shop", None), uses(other, "shop", Some("eu-west-1")));
            assert_ne!(uses(one, "shop", None), uses(other, "store", None));
        }
        assert!(uses("sqs_queue", "shop", None).is_empty());
    }
}
