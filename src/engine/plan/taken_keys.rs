//! Looks for live resources beside which declared ones can't be created: they have the same unique key, or their ranges overlap.

use std::{cell::Cell, collections::HashMap};

use ipnet::IpNet;
use serde_json::Value;

use crate::core::ResourceType;

/// Maximum number of pairs of a type for which the live spec is normalized. Beyond it, only keys that are equal as they are read are found.
const MAX_NORMALIZED_PAIRS: usize = 10_000;

/// The unique keys and ranges of declared resources of one type, with their references resolved.
pub struct TakenKeys<'a> {
    kind: &'a ResourceType,
    specs: Vec<&'a Value>,
    /// Indexes into `specs`, by unique value.
    by_value: HashMap<String, usize>,
    /// Ranges with their indexes into `specs`.
    ranges: Vec<(IpNet, usize)>,
    /// Number of normalized live specs.
    normalized: Cell<usize>,
}

impl<'a> TakenKeys<'a> {
    /// Reads the keys of these specs.
    pub fn of(kind: &'a ResourceType, specs: impl IntoIterator<Item = &'a Value>) -> TakenKeys<'a> {
        let specs: Vec<&Value> = specs.into_iter().collect();
        let mut by_value = HashMap::new();
        for (index, spec) in specs.iter().enumerate() {
            for value in kind.unique_key_values(spec) {
                by_value.entry(value).or_insert(index);
            }
        }
        let ranges = specs.iter().enumerate().filter_map(|(index, spec)| Some((range(kind, spec)?, index))).collect();
        TakenKeys { kind, specs, by_value, ranges, normalized: Cell::new(0) }
    }

    /// Index of the first spec that can't exist beside this live one.
    pub fn taken_by(&self, live: &Value) -> Option<usize> {
        let equal = self.kind.unique_key_values(live).iter().filter_map(|value| self.by_value.get(value)).min().copied();
        equal.or_else(|| self.overlapping(live)).or_else(|| self.taken_by_normalized(live))
    }

    fn overlapping(&self, live: &Value) -> Option<usize> {
        let (key, live_range) = (self.kind.overlap_key.as_ref()?, range(self.kind, live)?);
        let is_same = |index: usize| key.others.iter().all(|field| self.specs[index].pointer(field) == live.pointer(field));
        let overlaps = |range: &IpNet| range.contains(&live_range) || live_range.contains(range);
        self.ranges.iter().find(|(range, index)| overlaps(range) && is_same(*index)).map(|(_, index)| *index)
    }

    /// Same, for a key that AWS reports in another form than the definition has it.
    fn taken_by_normalized(&self, live: &Value) -> Option<usize> {
        if self.normalized.get().saturating_add(self.specs.len()) > MAX_NORMALIZED_PAIRS {
            return None;
        }
        self.normalized.set(self.normalized.get() + self.specs.len());
        self.specs.iter().position(|spec| {
            let normalized = self.kind.operations.normalize(spec, live);
            normalized != *live && self.kind.has_same_key(spec, &normalized)
        })
    }
}

/// Range of a type whose ranges must not overlap.
fn range(kind: &ResourceType, spec: &Value) -> Option<IpNet> {
    spec.pointer(kind.overlap_key.as_ref()?.range)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::resource_type;

    fn kind(name: &str) -> &'static ResourceType {
        resource_type(name).expect("a type")
    }

    #[test]
    fn finds_equal_keys_overlapping_ranges_and_other_spellings() {
        let subnets =
            [json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.0.0/24" }), json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.2.0/23" })];
        let taken = TakenKeys::of(kind("subnet"), &subnets);
        assert_eq!(taken.taken_by(&json!({ "vpc": { "id": "vpc-1" }, "cidr": "10.0.3.0/24" })), Some(1));
        assert_eq!(taken.taken_by(&json!({ "vpc": { "id": "vpc-2" }, "cidr": "10.0.3.0/24" })), None);
        let groups = [json!({ "vpc": { "id": "vpc-1" }, "name": "Web" })];
        assert_eq!(TakenKeys::of(kind("security_group"), &groups).taken_by(&json!({ "vpc": { "id": "vpc-1" }, "name": "web" })), Some(0));
        let parse = |url: &str| kind("oidc_provider").operations.parse(&json!({ "url": url, "client_ids": ["a"] })).expect("a spec");
        let (declared, live) = (parse("https://Issuer.example.com"), parse("https://issuer.example.com"));
        assert_eq!(TakenKeys::of(kind("oidc_provider"), [&declared]).taken_by(&live), Some(0));
    }

    /// Thousands of resources of others beside thousands of declared ones.
    #[test]
    fn normalizes_a_limited_number_of_pairs() {
        let spec = |name: String| json!({ "vpc": { "id": "vpc-1" }, "name": name });
        let declared: Vec<Value> = (0..2_000).map(|number| spec(format!("declared-{number}"))).collect();
        let taken = TakenKeys::of(kind("security_group"), &declared);
        for number in 0..2_000 {
            assert_eq!(taken.taken_by(&spec(format!("other-{number}"))), None);
            assert_eq!(taken.taken_by(&spec(format!("declared-{number}"))), Some(number));
        }
        assert!(taken.normalized.get() <= MAX_NORMALIZED_PAIRS, "{}", taken.normalized.get());
    }
}
