//! Origin of changes, by comparing with the record of the last run. It explains a plan and does not change it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Action, FieldDiff, NullMeans, Plan, Reason, diff};
use crate::{
    aws::types,
    core::{
        Address, LiveResource, Tags,
        expression::{self, Reference},
    },
    engine::discover::visible_tags,
};

/// Origin of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangedBy {
    /// The definition changed.
    You,
    /// The live resource changed outside acme.
    Outside,
    /// Both.
    Both,
    /// AWS filled in an unset value.
    Aws,
}

/// Record of the last finished run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedState {
    /// Resources by address.
    pub live: BTreeMap<Address, LiveResource>,
    /// Addresses changed by unfinished runs since: their origin is unknown.
    pub uncertain: BTreeSet<Address>,
}

/// Addresses whose records [`attribute_changes`] needs: changes, and the resources they refer to.
pub fn recorded_addresses(plan: &Plan) -> BTreeSet<Address> {
    let mut addresses = BTreeSet::new();
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        addresses.insert(change.address.clone());
        for field in change.fields.iter().filter(|field| field.known_after_apply) {
            expression::for_each_string(&field.after, &mut |text| {
                addresses.extend(expression::references(text).iter().map(|reference| Address::new(reference.type_name, reference.name)));
            });
        }
    }
    addresses
}

/// Sets the origin of every difference in the plan, if it can be determined. Pure.
pub fn attribute_changes(plan: &mut Plan, recorded: &RecordedState) {
    for change in &mut plan.changes {
        if change.action == Action::None
            || recorded.uncertain.contains(&change.address)
            || matches!(change.reason, Reason::LeftOver | Reason::LeftBehind { .. })
        {
            continue;
        }
        let leaves = matches!(change.action, Action::Delete | Action::Forget);
        match (recorded.live.get(&change.address), &change.before) {
            (None, None) => change.changed_by = Some(ChangedBy::You),
            (Some(_), None) => change.changed_by = Some(ChangedBy::Outside),
            (None, Some(_)) => change.changed_by = leaves.then_some(ChangedBy::Outside),
            (Some(_), Some(_)) if leaves => change.changed_by = Some(ChangedBy::You),
            (Some(then), Some(now)) => {
                for field in &mut change.fields {
                    field.changed_by = field_changed_by(field, then, now, recorded);
                }
                if let Some((before, after)) = &change.tags {
                    let then = visible_tags(&then.tags, after);
                    change.tags_changed_by = tags_changed_by(&then, before, after);
                }
            }
        }
    }
}

fn field_changed_by(field: &FieldDiff, then: &LiveResource, now: &LiveResource, recorded: &RecordedState) -> Option<ChangedBy> {
    let (recorded_value, live) = (then.spec.pointer(&field.pointer), now.spec.pointer(&field.pointer).unwrap_or(&Value::Null));
    if recorded_value == Some(&Value::Null) && !live.is_null() {
        return Some(ChangedBy::Aws);
    }
    let value = recorded_value.unwrap_or(&Value::Null);
    // Resolves references with recorded outputs: an equal reference is not a change of the definition.
    let known = |reference: &Reference<'_>| recorded.live.get(&Address::new(reference.type_name, reference.name))?.output(reference.output);
    let wanted = expression::resolve(&field.after, &known);
    let outside = differs(live, value, NullMeans::Unset);
    // `null` in a list of differences is a key to remove.
    let you = if wanted.is_null() {
        !value.is_null()
    } else {
        differs(&wanted, &normalized_recorded_value(field, &wanted, then), NullMeans::Unmanaged)
    };
    changed_by(you, outside)
}

fn tags_changed_by(then: &Tags, before: &Tags, after: &Tags) -> BTreeMap<String, ChangedBy> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).collect();
    let by = |key: &String| changed_by(after.get(key) != then.get(key), before.get(key) != then.get(key));
    keys.into_iter().filter_map(|key| Some((key.clone(), by(key)?))).collect()
}

fn changed_by(you: bool, outside: bool) -> Option<ChangedBy> {
    match (you, outside) {
        (true, false) => Some(ChangedBy::You),
        (false, true) => Some(ChangedBy::Outside),
        (true, true) => Some(ChangedBy::Both),
        // Consequence of another change.
        (false, false) => None,
    }
}

fn differs(wanted: &Value, there: &Value, null_means: NullMeans) -> bool {
    !diff(wanted, there, &[], null_means).is_empty()
}

/// Normalizes the recorded value for comparison with the desired one: "16" was recorded as "16.4".
fn normalized_recorded_value(field: &FieldDiff, wanted: &Value, then: &LiveResource) -> Value {
    let mut spec = then.spec.clone();
    let aligned = match (types::resource_type(&then.type_name), spec.pointer_mut(&field.pointer)) {
        (Some(kind), Some(place)) => {
            *place = wanted.clone();
            kind.operations.normalize(&spec, &then.spec)
        }
        _ => then.spec.clone().into_inner(),
    };
    aligned.pointer(&field.pointer).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(kind: &str, spec: Value) -> LiveResource {
        LiveResource { outputs: json!({}).into(), ..LiveResource::ready(kind, format!("{kind}-1"), spec) }
    }

    /// Origin of a change to one field of a database, from the recorded, live and desired values.
    fn who_changed(field: &str, then: Value, now: Value, wanted: Value) -> Option<ChangedBy> {
        let kind = types::resource_type("rds_instance").expect("a type");
        let spec = |value: &Value| {
            let mut spec = json!({ "engine": "postgres", "version": "16", "class": "db.t4g.medium", "storage_gib": 50 });
            spec["subnet_group"] = json!({ "id": "group" });
            spec["security_groups"] = json!([{ "id": "sg-1" }]);
            spec[field] = value.clone();
            kind.operations.parse(&spec).expect("a database")
        };
        let (then, now) = (live("rds_instance", spec(&then)), live("rds_instance", spec(&now)));
        let address = Address::new("rds_instance", "orders");
        let vpc = LiveResource { outputs: json!({ "arn": "arn:1" }).into(), ..live("kms_key", json!({})) };
        let recorded =
            RecordedState { live: [(address, then.clone()), (Address::new("kms_key", "main"), vpc)].into(), uncertain: BTreeSet::new() };
        let fields = diff(&wanted, &now.spec[field], &[], NullMeans::Unmanaged);
        assert_eq!(fields.len(), 1, "one field differs");
        let field = FieldDiff { pointer: format!("/{field}"), ..fields[0].clone() };
        field_changed_by(&field, &then, &now, &recorded)
    }

    #[test]
    fn tells_who_changed_a_field_from_recorded_live_and_desired_values() {
        assert_eq!(who_changed("class", json!("a"), json!("a"), json!("b")), Some(ChangedBy::You));
        assert_eq!(who_changed("class", json!("a"), json!("b"), json!("a")), Some(ChangedBy::Outside));
        assert_eq!(who_changed("class", json!("a"), json!("b"), json!("c")), Some(ChangedBy::Both));
    }

    #[test]
    fn ignores_a_more_exact_recorded_version_when_the_definition_is_unchanged() {
        assert_eq!(who_changed("version", json!("16.4"), json!("15.2"), json!("16")), Some(ChangedBy::Outside));
        assert_eq!(who_changed("version", json!("16.4"), json!("16.4"), json!("17")), Some(ChangedBy::You));
    }

    #[test]
    fn attributes_a_value_nobody_set_to_aws() {
        assert_eq!(who_changed("backup_window", json!(null), json!("03:00-04:00"), json!("05:00-06:00")), Some(ChangedBy::Aws));
    }

    #[test]
    fn attributes_no_change_to_a_reference_to_a_recreated_resource() {
        assert_eq!(who_changed("class", json!("arn:1"), json!("arn:1"), json!("${kms_key.main.arn}")), None);
    }
}
