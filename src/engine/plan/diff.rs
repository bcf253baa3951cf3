//! The differ: differences between a desired and a live spec. Values are canonical, so this is a plain comparison.

use serde::Serialize;
use serde_json::Value;

use super::ChangedBy;
use crate::core::{Marks, ResourceType, expression::has_reference};

/// Field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldDiff {
    /// JSON pointer into the spec.
    pub pointer: String,
    /// Live resource.
    pub before: Value,
    /// Desired value. References not known yet have the form `${…}`.
    pub after: Value,
    /// Whether `after` contains a reference known only after apply.
    pub known_after_apply: bool,
    /// Whether this change replaces the resource.
    pub forces_replacement: bool,
    /// Whether a plan shows the field first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub important: bool,
    /// Reasons why the desired value is risky, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// Places of the risky values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<RiskyValue>,
    /// Origin of the change, if [`super::attribute_changes`] can determine it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
}

/// A risky value, at or below a field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RiskyValue {
    /// JSON pointer into the spec.
    pub pointer: String,
    /// Reason why it is risky.
    pub reason: String,
}

/// Meaning of `null` in a desired spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullMeans {
    /// Any value: in a definition.
    #[default]
    Unmanaged,
    /// No value: in a spec read from AWS and restored.
    Unset,
}

/// Compares a desired spec with a live one, both canonical.
pub fn diff(desired: &Value, live: &Value, replace: &[&str], null_means: NullMeans) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    collect_differences(&mut String::new(), desired, live, null_means, &mut found);
    // A plan keeps them, and large plans have many.
    found.shrink_to_fit();
    for field in &mut found {
        field.forces_replacement = replace.iter().any(|pointer| is_within(&field.pointer, pointer) || is_within(pointer, &field.pointer));
    }
    found
}

/// Marks important fields and risky values among the differences of two specs. A list is compared as a whole, so a risk that it held before is
/// not highlighted again.
pub(super) fn flag_important_and_risky(kind: &ResourceType, fields: &mut [FieldDiff], desired: &Value, live: &Value) {
    if fields.is_empty() {
        return;
    }
    let (after, before) = (kind.marks(desired), kind.marks(live));
    let differs = |pointer: &str| desired.pointer(pointer) != live.pointer(pointer);
    for field in fields {
        let mut important = after.important.iter().chain(&before.important);
        field.important =
            important.any(|pointer| is_within(&field.pointer, pointer) || is_within(pointer, &field.pointer) && differs(pointer));
        let count = |marks: &Marks, reason: &str| {
            marks.risks.iter().filter(|(pointer, why)| is_within(pointer, &field.pointer) && why == reason).count()
        };
        let is_new = |reason: &str| count(&after, reason) > count(&before, reason);
        let known = |pointer: &str, reason: &str| {
            let is_same = |at: &str| {
                let value = desired.pointer(pointer);
                // An element of a list has another place if others come or go.
                (at == pointer || value.is_some_and(|value| value.is_object())) && live.pointer(at) == value
            };
            before.risks.iter().any(|(at, why)| why == reason && is_same(at))
        };
        let new =
            after.risks.iter().filter(|(pointer, reason)| is_within(pointer, &field.pointer) && is_new(reason) && !known(pointer, reason));
        field.risks = new.map(|(pointer, reason)| RiskyValue { pointer: pointer.clone(), reason: reason.clone() }).collect();
        let mut reasons: Vec<&str> = Vec::new();
        for risk in &field.risks {
            if !reasons.contains(&risk.reason.as_str()) {
                reasons.push(&risk.reason);
            }
        }
        field.risk = Some(reasons.join("; ")).filter(|reasons| !reasons.is_empty());
    }
}

pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn collect_differences(pointer: &mut String, desired: &Value, live: &Value, null_means: NullMeans, found: &mut Vec<FieldDiff>) {
    if satisfies(desired, live, null_means) {
        return;
    }
    if let (Value::Object(wanted), Value::Object(live)) = (desired, live) {
        let only_live = live.keys().filter(|key| !wanted.contains_key(*key));
        for key in wanted.keys().chain(only_live) {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            match wanted.get(key) {
                Some(value) => collect_differences(pointer, value, live.get(key).unwrap_or(&Value::Null), null_means, found),
                // Undesired key of a map; a struct's keys are on both sides.
                None => found.push(field_diff(pointer, &live[key], &Value::Null)),
            }
            pointer.truncate(length);
        }
        return;
    }
    found.push(field_diff(pointer, live, desired));
}

pub(super) fn field_diff(pointer: &str, before: &Value, after: &Value) -> FieldDiff {
    FieldDiff::new(pointer, before.clone(), after.clone())
}

impl FieldDiff {
    /// Creates a difference without any marks.
    pub fn new(pointer: &str, before: Value, after: Value) -> FieldDiff {
        FieldDiff {
            pointer: pointer.to_owned(),
            known_after_apply: has_reference(&after),
            before,
            after,
            forces_replacement: false,
            important: false,
            risk: None,
            risks: Vec::new(),
            changed_by: None,
        }
    }
}

/// Whether `live` contains everything in `wanted`.
pub(super) fn satisfies(desired: &Value, live: &Value, null_means: NullMeans) -> bool {
    match (desired, live) {
        (Value::Null, _) if null_means == NullMeans::Unmanaged => true,
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(key, value)| satisfies(value, live.get(key).unwrap_or(&Value::Null), null_means))
                && live.keys().all(|key| wanted.contains_key(key))
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| satisfies(wanted, live, null_means))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => desired == live,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        aws::types::{eks_access_entry::EksAccessEntry, vpc::Vpc},
        core::Resource,
    };

    fn changed_pointers(wanted: Value, live: Value) -> Vec<String> {
        diff(&wanted, &live, &[], NullMeans::Unmanaged).into_iter().map(|field| field.pointer).collect()
    }

    #[test]
    fn null_in_a_definition_matches_any_live_value() {
        assert!(changed_pointers(json!({ "a": null, "b": 1 }), json!({ "a": 5, "b": 1 })).is_empty());
    }

    #[test]
    fn null_in_a_restored_spec_unsets_the_field() {
        let fields = diff(&json!({ "a": null, "b": null }), &json!({ "a": 5, "b": null }), &[], NullMeans::Unset);
        assert_eq!(fields.iter().map(|field| field.pointer.as_str()).collect::<Vec<_>>(), ["/a"]);
    }

    #[test]
    fn removes_a_map_key_missing_from_the_definition() {
        assert_eq!(changed_pointers(json!({ "labels": { "a": "1" } }), json!({ "labels": { "a": "1", "b": "2" } })), ["/labels/b"]);
    }

    #[test]
    fn compares_a_list_as_a_whole() {
        assert_eq!(changed_pointers(json!({ "cidrs": ["a"] }), json!({ "cidrs": ["a", "b"] })), ["/cidrs"]);
    }

    #[test]
    fn a_field_below_an_immutable_one_forces_replacement() {
        let fields =
            diff(&json!({ "vpc": { "id": "${vpc.main.id}" } }), &json!({ "vpc": { "id": "vpc-1" } }), &["/vpc"], NullMeans::Unmanaged);
        assert!(fields[0].forces_replacement && fields[0].known_after_apply);
    }

    /// The pointers of what differs between two specs of a type, with their marks.
    fn marks<R: Resource>(live: &Value, wanted: &Value) -> Vec<(String, bool, Option<String>)> {
        let kind = ResourceType::of::<R>();
        let [live, wanted] = [live, wanted].map(|spec| kind.operations.parse(spec).expect("a valid spec"));
        let mut fields = diff(&wanted, &live, &[], NullMeans::Unmanaged);
        flag_important_and_risky(&kind, &mut fields, &wanted, &live);
        fields.into_iter().map(|field| (field.pointer, field.important, field.risk)).collect()
    }

    #[test]
    fn flags_a_risky_value_only_when_the_definition_asks_for_it() {
        let vpc = |dedicated: bool, dns: bool| json!({ "cidr": "10.0.0.0/16", "dedicated": dedicated, "dns_hostnames": dns });
        let (dedicated, dns) = ("/dedicated".to_owned(), "/dns_hostnames".to_owned());
        let reason = "dedicated hardware costs an hourly fee, and more per instance".to_owned();
        assert_eq!(
            marks::<Vpc>(&vpc(false, false), &vpc(true, true)),
            [(dedicated.clone(), true, Some(reason)), (dns.clone(), false, None)]
        );
        assert_eq!(marks::<Vpc>(&vpc(true, true), &vpc(false, false)), [(dedicated, true, None), (dns, false, None)]);
    }

    #[test]
    fn flags_a_risky_value_inside_a_list() {
        let entry = |policies: &[&str]| {
            let policies: Vec<Value> = policies.iter().map(|policy| json!({ "policy": policy })).collect();
            json!({ "cluster": "main", "principal_arn": "arn:aws:iam::123456789012:role/x", "policies": policies })
        };
        let (view, admin) = ("AmazonEKSViewPolicy", "AmazonEKSClusterAdminPolicy");
        let risk = Some("the principal has full access within the scope".to_owned());
        let changed = |live: &[&str], wanted: &[&str]| marks::<EksAccessEntry>(&entry(live), &entry(wanted));
        assert_eq!(changed(&[view], &[admin]), [("/policies".to_owned(), true, risk)]);
        assert_eq!(changed(&[admin], &[view, admin]), [("/policies".to_owned(), true, None)], "it was as risky before");
        assert_eq!(changed(&[admin], &[view]), [("/policies".to_owned(), true, None)]);
    }

    proptest::proptest! {
        /// No spec differs from itself.
        #[test]
        fn equal_specs_do_not_differ(keys in proptest::collection::btree_map("[a-z]{1,3}", proptest::collection::vec(0u8..9, 0..4), 0..6)) {
            let spec = serde_json::to_value(&keys).unwrap();
            proptest::prop_assert!(diff(&spec, &spec, &["/a"], NullMeans::Unmanaged).is_empty());
        }
    }
}
