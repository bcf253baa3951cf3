//! The differ: what a wanted spec changes in a live one. Values are canonical, so this is a plain comparison.

use serde::Serialize;
use serde_json::Value;

use super::By;
use crate::core::{ResourceType, expression::has_reference, spec::Risk};

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldDiff {
    /// JSON pointer into the spec.
    pub at: String,
    /// What is there.
    pub before: Value,
    /// What is wanted. References that are not known yet stand as `${…}`.
    pub after: Value,
    /// Whether `after` holds a reference that is known only after apply.
    pub later: bool,
    /// Whether this change needs a new resource.
    pub forces_replacement: bool,
    /// Whether it is of those that a plan shows first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub important: bool,
    /// Why the wanted value is risky, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<&'static str>,
    /// Who changed it, as far as [`super::label`] can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// What `null` on the wanted side means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// Left to AWS: in a definition.
    #[default]
    LeftToAws,
    /// Not there: in what was read from AWS and is to be put back.
    Absent,
}

/// Compares a wanted spec with a live one, both canonical.
pub fn diff(wanted: &Value, live: &Value, replace: &[&str], nulls: Nulls) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    walk(&mut String::new(), wanted, live, nulls, &mut found);
    for field in &mut found {
        field.forces_replacement = replace.iter().any(|pointer| within(&field.at, pointer) || within(pointer, &field.at));
    }
    found
}

/// Marks the fields that a plan shows first, and the wanted values that it points out.
pub(super) fn point_out(kind: &ResourceType, fields: &mut [FieldDiff]) {
    for field in fields {
        field.important = kind.important.iter().any(|pointer| within(&field.at, pointer));
        let risky = |(pointer, risk): &&(&str, Risk)| {
            within(pointer, &field.at) && field.after.pointer(&pointer[field.at.len()..]) == Some(&(risk.value)())
        };
        field.risk = kind.risky.iter().find(risky).map(|(_, risk)| risk.why);
    }
}

fn within(inner: &str, outer: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn walk(at: &mut String, wanted: &Value, live: &Value, nulls: Nulls, found: &mut Vec<FieldDiff>) {
    if covers(wanted, live, nulls) {
        return;
    }
    if let (Value::Object(wanted), Value::Object(live)) = (wanted, live) {
        let only_live = live.keys().filter(|key| !wanted.contains_key(*key));
        for key in wanted.keys().chain(only_live) {
            let length = at.len();
            at.push('/');
            at.push_str(&key.replace('~', "~0").replace('/', "~1"));
            match wanted.get(key) {
                Some(value) => walk(at, value, live.get(key).unwrap_or(&Value::Null), nulls, found),
                // A key of a map that is not wanted; a struct's keys are on both sides.
                None => found.push(field(at, &live[key], &Value::Null)),
            }
            at.truncate(length);
        }
        return;
    }
    found.push(field(at, live, wanted));
}

fn field(at: &str, before: &Value, after: &Value) -> FieldDiff {
    FieldDiff {
        at: at.to_owned(),
        before: before.clone(),
        after: after.clone(),
        later: has_reference(after),
        forces_replacement: false,
        important: false,
        risk: None,
        by: None,
    }
}

/// Whether nothing of `wanted` is missing in `live`.
fn covers(wanted: &Value, live: &Value, nulls: Nulls) -> bool {
    match (wanted, live) {
        (Value::Null, _) if nulls == Nulls::LeftToAws => true,
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(key, value)| covers(value, live.get(key).unwrap_or(&Value::Null), nulls))
                && live.keys().all(|key| wanted.contains_key(key))
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| covers(wanted, live, nulls))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => wanted == live,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::subnet::Subnet;

    fn pointers(wanted: Value, live: Value) -> Vec<String> {
        diff(&wanted, &live, &[], Nulls::LeftToAws).into_iter().map(|field| field.at).collect()
    }

    #[test]
    fn null_is_left_to_aws() {
        assert!(pointers(json!({ "a": null, "b": 1 }), json!({ "a": 5, "b": 1 })).is_empty());
    }

    #[test]
    fn null_is_absent_in_what_is_put_back() {
        let fields = diff(&json!({ "a": null, "b": null }), &json!({ "a": 5, "b": null }), &[], Nulls::Absent);
        assert_eq!(fields.iter().map(|field| field.at.as_str()).collect::<Vec<_>>(), ["/a"]);
    }

    #[test]
    fn a_key_missing_in_a_map_is_removed() {
        assert_eq!(pointers(json!({ "labels": { "a": "1" } }), json!({ "labels": { "a": "1", "b": "2" } })), ["/labels/b"]);
    }

    #[test]
    fn a_list_differs_as_a_whole() {
        assert_eq!(pointers(json!({ "cidrs": ["a"] }), json!({ "cidrs": ["a", "b"] })), ["/cidrs"]);
    }

    #[test]
    fn a_field_below_an_immutable_one_forces_replacement() {
        let fields = diff(&json!({ "vpc": { "id": "${vpc.main.id}" } }), &json!({ "vpc": { "id": "vpc-1" } }), &["/vpc"], Nulls::LeftToAws);
        assert!(fields[0].forces_replacement && fields[0].later);
    }

    #[test]
    fn a_risky_value_is_pointed_out_where_it_is_wanted() {
        let mut kind = ResourceType::of::<Subnet>();
        kind.risky = vec![("/public_ip_on_launch", Risk { value: || json!(true), why: "anyone can reach it" })];
        kind.important = vec!["/public_ip_on_launch"];
        let marked = |wanted: bool, live: bool| {
            let spec = |on: bool| json!({ "dns64": on, "public_ip_on_launch": on });
            let mut fields = diff(&spec(wanted), &spec(live), &[], Nulls::LeftToAws);
            point_out(&kind, &mut fields);
            fields.into_iter().map(|field| (field.at, field.important, field.risk)).collect::<Vec<_>>()
        };
        let (dns64, public) = ("/dns64".to_owned(), "/public_ip_on_launch".to_owned());
        assert_eq!(marked(true, false), [(dns64.clone(), false, None), (public.clone(), true, Some("anyone can reach it"))]);
        assert_eq!(marked(false, true), [(dns64, false, None), (public, true, None)]);
        assert!(marked(true, true).is_empty());
    }

    proptest::proptest! {
        /// A spec never differs from itself, whatever it holds.
        #[test]
        fn equal_specs_do_not_differ(keys in proptest::collection::btree_map("[a-z]{1,3}", proptest::collection::vec(0u8..9, 0..4), 0..6)) {
            let spec = serde_json::to_value(&keys).unwrap();
            proptest::prop_assert!(diff(&spec, &spec, &["/a"], Nulls::LeftToAws).is_empty());
        }
    }
}
