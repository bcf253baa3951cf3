//! Values that no two resources of a type can have in common: the facts `unique` and `unique_entries`.

use ipnet::IpNet;
use serde_json::Value;

use super::ResourceType;

impl ResourceType {
    /// The values of a spec for all keys of the type, as texts. A key with an unset field has none.
    pub fn unique_values(&self, spec: &Value) -> Vec<String> {
        let mut values = self.unique_key_values(spec);
        if !self.takes_over_entries {
            values.extend(self.entry_values(spec));
        }
        values
    }

    /// Same, without the keys of which each entry of a list is a value. Two specs with one in common are of the same resource.
    pub fn unique_key_values(&self, spec: &Value) -> Vec<String> {
        let mut values = Vec::new();
        for (number, key) in self.unique_keys.iter().enumerate() {
            let text: Option<String> = key.iter().map(|pointer| self.key_value(pointer, spec.pointer(pointer)?)).collect();
            values.extend(text.map(|text| format!("{number}{text}")));
        }
        values
    }

    /// The values of a spec for the keys of which each entry of a list is a value.
    pub fn entry_values(&self, spec: &Value) -> Vec<String> {
        let mut values = Vec::new();
        for (number, key) in self.entry_keys.iter().enumerate() {
            let mut texts = vec![format!("entry {number}")];
            for pointer in key {
                let entries: Vec<String> = match spec.pointer(pointer) {
                    Some(Value::Array(list)) => list.iter().filter_map(|entry| self.key_value(pointer, entry)).collect(),
                    one => one.and_then(|one| self.key_value(pointer, one)).into_iter().collect(),
                };
                texts = texts.iter().flat_map(|text| entries.iter().map(move |entry| format!("{text}{entry}"))).collect();
            }
            values.extend(texts);
        }
        values
    }

    /// Whether two specs have all fields of a unique key in common: they are of the same resource.
    pub fn has_same_key(&self, one: &Value, other: &Value) -> bool {
        let value = |spec: &Value, pointer: &str| self.key_value(pointer, spec.pointer(pointer)?);
        let same = |pointer: &&str| value(one, pointer).is_some_and(|text| value(other, pointer) == Some(text));
        self.unique_keys.iter().any(|key| !key.is_empty() && key.iter().all(same))
    }

    /// Whether two specs have a value of a key in common, so that AWS does not accept both resources.
    pub fn share_unique_value(&self, one: &Value, other: &Value) -> bool {
        let others = self.unique_values(other);
        self.unique_values(one).iter().any(|value| others.contains(value))
    }

    /// A value that is set, as a text; in lowercase letters for a name whose case does not matter.
    fn key_value(&self, pointer: &str, value: &Value) -> Option<String> {
        let ignores_case = pointer == "/name" && self.naming.is_some_and(|naming| naming.ignore_case);
        match value {
            Value::Null => None,
            value if ignores_case => Some(format!(" {}", value.to_string().to_lowercase())),
            value => Some(format!(" {value}")),
        }
    }
}

/// An IP range that a list gets, and one overlapping it that leaves.
pub fn overlapping_exchange(before: &Value, after: &Value) -> Option<(IpNet, IpNet)> {
    let ranges = |value: &Value, other: &Value| {
        let (list, other) = (value.as_array(), other.as_array());
        let entries = list.into_iter().flatten().filter(|entry| other.is_none_or(|other| !other.contains(entry)));
        entries.filter_map(|entry| entry.as_str()?.parse().ok()).collect::<Vec<IpNet>>()
    };
    let (added, leaving) = (ranges(after, before), ranges(before, after));
    let pairs = added.iter().flat_map(|added| leaving.iter().map(move |leaving| (*added, *leaving)));
    pairs.into_iter().find(|(added, leaving)| added.contains(leaving) || leaving.contains(added))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::aws::types::resource_type;

    #[test]
    fn names_of_some_types_ignore_case() {
        let same = |kind: &str, one: &str, other: &str| {
            let spec = |name: &str| json!({ "name": name, "vpc": { "id": "vpc-1" } });
            resource_type(kind).is_some_and(|kind| kind.share_unique_value(&spec(one), &spec(other)))
        };
        for kind in ["iam_role", "iam_policy", "instance_profile", "security_group"] {
            assert!(same(kind, "App", "app"), "{kind}");
        }
        assert!(!same("sqs_queue", "App", "app") && same("sqs_queue", "app", "app"));
    }

    #[test]
    fn each_entry_of_a_list_is_a_value() {
        let kind = resource_type("vpc_endpoint").expect("a type");
        let endpoint = |service: &str, tables: &[&str]| {
            let tables: Vec<_> = tables.iter().map(|id| json!({ "id": id })).collect();
            json!({ "service": service, "route_tables": tables })
        };
        let one = endpoint("s3", &["rtb-1", "rtb-2"]);
        assert!(kind.share_unique_value(&one, &endpoint("s3", &["rtb-2", "rtb-3"])));
        assert!(!kind.share_unique_value(&one, &endpoint("dynamodb", &["rtb-2"])));
        assert!(!kind.share_unique_value(&one, &endpoint("s3", &[])));
    }
}
