//! Entries that AWS does not remove while dependents use them: the fact `removed_later`.

use serde_json::Value;

use super::{
    Action, Change, FieldDiff,
    references::{has_typed_reference, is_generated},
};
use crate::{
    aws::types::resource_type,
    core::{ChangedFields, expression},
};

/// Whether an update removes entries from fields with the fact `removed_later`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It removes no such entry.
    None,
    /// It removes entries, and changes something else.
    Some,
    /// It removes entries, and nothing else.
    Only,
}

/// Returns what a change removes.
pub(super) fn removal(change: &Change) -> Removal {
    let Some(kind) = resource_type(&change.address.type_name).filter(|kind| !kind.removed_later.is_empty()) else { return Removal::None };
    if change.action != Action::Update {
        return Removal::None;
    }
    let is_removed_later = |field: &FieldDiff| {
        let at_or_above = |pointer: &&str| ChangedFields(vec![field.pointer.clone()]).contains(pointer);
        kind.removed_later.iter().any(at_or_above)
    };
    let (later, others): (Vec<&FieldDiff>, Vec<&FieldDiff>) = change.fields.iter().partition(|field| is_removed_later(field));
    // With all entries at once, it would exceed a quota.
    let exceeds_quota = |field: &&FieldDiff| {
        let quota = kind.entry_quotas.iter().find(|(pointer, _)| *pointer == field.pointer).map(|(_, quota)| *quota);
        quota
            .zip(field.before.as_array().zip(field.after.as_array()))
            .is_some_and(|(quota, (before, after))| before.len() + after.iter().filter(|entry| !before.contains(entry)).count() > quota)
    };
    if !later.iter().any(|field| loses_entries(&field.before, &field.after)) || later.iter().any(exceeds_quota) {
        Removal::None
    } else if others.is_empty() && change.tags.is_none() && !later.iter().any(|field| loses_entries(&field.after, &field.before)) {
        Removal::Only
    } else {
        Removal::Some
    }
}

/// Whether the entries that a change removes after deletions refer to another live resource.
pub(super) fn removes_reference(change: &Change, used: &Change) -> bool {
    let Some(kind) = resource_type(&change.address.type_name) else { return false };
    let Some((live, used)) = change.before.as_ref().zip(used.before.as_ref()) else { return false };
    let mut found = has_typed_reference(live, &kind.removed_later, used);
    for value in kind.removed_later.iter().filter_map(|pointer| live.spec.pointer(pointer)) {
        // A policy names the objects of a bucket and the streams of a log group by an ARN that begins with theirs.
        let names = |text: &str| (text == used.id && is_generated(text)) || used.arn().is_some_and(|arn| text.contains(arn));
        expression::for_each_string(value, &mut |text| found |= names(text));
    }
    found
}

/// Whether `before` has an entry that `after` lacks.
fn loses_entries(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => before.iter().any(|entry| !after.contains(entry)),
        // The differ compares maps key by key.
        (before, Value::Null) => !before.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_removed_entries() {
        let cases = [
            (json!(["a", "b"]), json!(["a"]), true, false),
            (json!(["a"]), json!(["a", "b"]), false, true),
            (json!(["a"]), json!(["b"]), true, true),
            (json!("1"), json!(null), true, false),
            (json!("1"), json!("2"), false, false),
        ];
        for (before, after, loses, gains) in cases {
            assert_eq!((loses_entries(&before, &after), loses_entries(&after, &before)), (loses, gains), "{before} to {after}");
        }
    }
}
