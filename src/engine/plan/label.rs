//! Who changed it: the third side of a comparison is what the last run left. It explains a plan and changes nothing in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Action, FieldDiff, Nulls, Plan, Reason, diff};
use crate::{
    aws::types,
    core::{
        Address, Live, Tags,
        expression::{self, Reference},
    },
    engine::discover::visible_tags,
};

/// Who made the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The definition says something else than before.
    You,
    /// Somebody else, or AWS, changed what is there.
    Outside,
    /// Both.
    Both,
    /// AWS filled in what nobody had set.
    Aws,
}

/// What the last finished run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// What stood where.
    pub live: BTreeMap<Address, Live>,
    /// What unfinished runs have touched since: about it nothing is known.
    pub unknown: BTreeSet<Address>,
}

/// Addresses whose record [`label`] looks at: what changes, and what the changes refer to.
pub fn labelled_by(plan: &Plan) -> BTreeSet<Address> {
    let mut addresses = BTreeSet::new();
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        addresses.insert(change.address.clone());
        for field in change.fields.iter().filter(|field| field.later) {
            expression::each_string(&field.after, &mut |text| {
                addresses.extend(expression::references(text).iter().map(|reference| Address::new(reference.kind, reference.name)));
            });
        }
    }
    addresses
}

/// Says of every difference in the plan who made it, where that can be told. Pure.
pub fn label(plan: &mut Plan, recorded: &Recorded) {
    for change in &mut plan.changes {
        if change.action == Action::None || recorded.unknown.contains(&change.address) || change.reason == Reason::LeftOver {
            continue;
        }
        let leaves = matches!(change.action, Action::Delete | Action::Forget);
        match (recorded.live.get(&change.address), &change.before) {
            (None, None) => change.by = Some(By::You),
            (Some(_), None) => change.by = Some(By::Outside),
            (None, Some(_)) => change.by = leaves.then_some(By::Outside),
            (Some(_), Some(_)) if leaves => change.by = Some(By::You),
            (Some(then), Some(now)) => {
                for field in &mut change.fields {
                    field.by = of_field(field, then, now, recorded);
                }
                if let Some((before, after)) = &change.tags {
                    let then = visible_tags(&then.tags, after);
                    change.tags_by = of_tags(&then, before, after);
                }
            }
        }
    }
}

fn of_field(field: &FieldDiff, then: &Live, now: &Live, recorded: &Recorded) -> Option<By> {
    let (recorded_value, live) = (then.spec.pointer(&field.at), now.spec.pointer(&field.at).unwrap_or(&Value::Null));
    if recorded_value == Some(&Value::Null) && !live.is_null() {
        return Some(By::Aws);
    }
    let value = recorded_value.unwrap_or(&Value::Null);
    // What the definition refers to had a value then: a reference that is the same is no change of the definition.
    let known = |reference: &Reference<'_>| recorded.live.get(&Address::new(reference.kind, reference.name))?.output(reference.output);
    let wanted = expression::resolve(&field.after, &known);
    let outside = differs(live, value, Nulls::Absent);
    // `null` in a list of differences is a key that shall go.
    let you = if wanted.is_null() { !value.is_null() } else { differs(&wanted, &aligned(field, &wanted, then), Nulls::LeftToAws) };
    who(you, outside)
}

fn of_tags(then: &Tags, before: &Tags, after: &Tags) -> BTreeMap<String, By> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)).collect();
    let by = |key: &String| who(after.get(key) != then.get(key), before.get(key) != then.get(key));
    keys.into_iter().filter_map(|key| Some((key.clone(), by(key)?))).collect()
}

fn who(you: bool, outside: bool) -> Option<By> {
    match (you, outside) {
        (true, false) => Some(By::You),
        (false, true) => Some(By::Outside),
        (true, true) => Some(By::Both),
        // It follows from another change.
        (false, false) => None,
    }
}

fn differs(wanted: &Value, there: &Value, nulls: Nulls) -> bool {
    !diff(wanted, there, &[], nulls).is_empty()
}

/// The recorded value as it compares with the wanted one: "16.4" was what became of "16".
fn aligned(field: &FieldDiff, wanted: &Value, then: &Live) -> Value {
    let mut spec = then.spec.clone();
    let aligned = match (types::kind(&then.kind), spec.pointer_mut(&field.at)) {
        (Some(kind), Some(place)) => {
            *place = wanted.clone();
            kind.operations.normalize(&spec, &then.spec)
        }
        _ => then.spec.clone(),
    };
    aligned.pointer(&field.at).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::Phase;

    fn live(kind: &str, spec: Value) -> Live {
        Live { kind: kind.into(), id: format!("{kind}-1"), tags: Tags::new(), phase: Phase::Ready, spec, outputs: json!({}), version: None }
    }

    /// Who changed the one field of a database, from what was recorded, is there and is wanted.
    fn by(field: &str, then: Value, now: Value, wanted: Value) -> Option<By> {
        let kind = types::kind("rds_instance").expect("a type");
        let spec = |value: &Value| {
            let mut spec = json!({ "engine": "postgres", "version": "16", "class": "db.t4g.medium", "storage_gib": 50 });
            spec["subnet_group"] = json!({ "id": "group" });
            spec["security_groups"] = json!([{ "id": "sg-1" }]);
            spec[field] = value.clone();
            kind.operations.parse(spec).expect("a database")
        };
        let (then, now) = (live("rds_instance", spec(&then)), live("rds_instance", spec(&now)));
        let address = Address::new("rds_instance", "orders");
        let vpc = Live { outputs: json!({ "arn": "arn:1" }), ..live("kms_key", json!({})) };
        let recorded =
            Recorded { live: [(address, then.clone()), (Address::new("kms_key", "main"), vpc)].into(), unknown: BTreeSet::new() };
        let fields = diff(&wanted, &now.spec[field], &[], Nulls::LeftToAws);
        assert_eq!(fields.len(), 1, "one field differs");
        let field = FieldDiff { at: format!("/{field}"), ..fields[0].clone() };
        of_field(&field, &then, &now, &recorded)
    }

    #[test]
    fn three_sides_tell_who_changed_a_field() {
        assert_eq!(by("class", json!("a"), json!("a"), json!("b")), Some(By::You));
        assert_eq!(by("class", json!("a"), json!("b"), json!("a")), Some(By::Outside));
        assert_eq!(by("class", json!("a"), json!("b"), json!("c")), Some(By::Both));
    }

    #[test]
    fn what_only_reads_differently_is_no_change_of_the_definition() {
        assert_eq!(by("version", json!("16.4"), json!("15.2"), json!("16")), Some(By::Outside));
        assert_eq!(by("version", json!("16.4"), json!("16.4"), json!("17")), Some(By::You));
    }

    #[test]
    fn what_nobody_had_set_is_the_default_of_aws() {
        assert_eq!(by("backup_window", json!(null), json!("03:00-04:00"), json!("05:00-06:00")), Some(By::Aws));
    }

    #[test]
    fn a_reference_to_what_is_made_anew_follows_from_that() {
        assert_eq!(by("class", json!("arn:1"), json!("arn:1"), json!("${kms_key.main.arn}")), None);
    }
}
