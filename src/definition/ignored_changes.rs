//! The common field `ignore_changes`: fields that others change, which acme leaves as they are.

use serde_json::Value;

use super::{
    compiler::{Compiler, describe_type},
    draft::Draft,
    source::child_pointer,
};
use crate::core::nearest;

/// Fields of a resource whose changes are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoredChanges {
    /// Names of the fields.
    pub fields: Vec<String>,
    /// Reason, for readers of the definition and of plans.
    pub reason: String,
}

impl IgnoredChanges {
    /// Whether the field that contains a JSON pointer is ignored.
    pub fn covers(&self, pointer: &str) -> bool {
        let field = pointer.split('/').nth(1).unwrap_or_default();
        self.fields.iter().any(|ignored| ignored == field)
    }
}

/// Takes the ignored changes out of a draft's fields.
pub(super) fn take(c: &mut Compiler<'_>, draft: &mut Draft) -> IgnoredChanges {
    const FORM: &str = "write `ignore_changes: { fields: [desired_size], reason: … }`";
    let at = draft.definition_pointer("/ignore_changes");
    let mut ignored = IgnoredChanges::default();
    let map = match draft.spec.remove("ignore_changes") {
        None | Some(Value::Null) => return ignored,
        Some(Value::Object(map)) => map,
        Some(other) => {
            c.problem("ignore-changes", &at, format!("`ignore_changes` must be a map, not {}", describe_type(&other)), FORM);
            return ignored;
        }
    };
    for key in map.keys().filter(|key| !["fields", "reason"].contains(&key.as_str())) {
        c.problem_at_key("ignore-changes", &child_pointer(&at, key), format!("there is no key `{key}` here"), FORM);
    }
    match map.get("reason").and_then(Value::as_str).map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => reason.clone_into(&mut ignored.reason),
        None => c.problem_at_key("ignore-changes", &at, "`ignore_changes` has no reason", "say who changes these fields: `reason: …`"),
    }
    let Some(Value::Array(fields)) = map.get("fields") else {
        c.problem_at_key("ignore-changes", &at, "`ignore_changes` names no fields", FORM);
        return ignored;
    };
    if fields.is_empty() {
        c.problem("ignore-changes", &format!("{at}/fields"), "`ignore_changes` names no fields", FORM);
    }
    let known: Vec<&String> =
        draft.resource_type.schema().get("properties").and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys()).collect();
    for (index, field) in fields.iter().enumerate() {
        let at = format!("{at}/fields/{index}");
        match field.as_str() {
            Some("tags") => {
                c.problem(
                    "ignore-changes",
                    &at,
                    "tags of others have a list of their own",
                    "write their keys under `ignore_tags` of the stack",
                );
            }
            Some(name) if known.iter().any(|known| *known == name) => ignored.fields.push(name.to_owned()),
            other => {
                let name = other.unwrap_or_default();
                let message = format!("a {} has no field `{name}`", draft.resource_type.name.replace('_', " "));
                c.problem("ignore-changes", &at, message, nearest::suggestion(name, "fields", known.iter().map(|name| name.as_str())));
            }
        }
    }
    ignored
}
