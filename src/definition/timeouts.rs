//! The common field `timeouts`.

use serde_json::Value;

use super::{
    compiler::{Compiler, scalar_text},
    draft::Draft,
    source::child_pointer,
};
use crate::core::{Timeouts, nearest, parse_timeout};

/// Takes the timeouts out of a draft's fields.
pub(super) fn take(c: &mut Compiler<'_>, draft: &mut Draft) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let at = draft.definition_pointer("/timeouts");
    let map = match draft.spec.remove("timeouts") {
        None | Some(Value::Null) => return timeouts,
        Some(Value::Object(map)) => map,
        Some(_) => {
            c.problem("timeouts", &at, "`timeouts` must be a map", "write `timeouts: {create: 2h}`");
            return timeouts;
        }
    };
    for (operation, value) in map {
        let at = child_pointer(&at, &operation);
        let Some(field) = timeouts.field_mut(&operation) else {
            let help = nearest::suggestion(&operation, "operations", Timeouts::OPERATIONS);
            c.problem_at_key("timeouts", &at, format!("`{operation}` is not a valid operation"), help);
            continue;
        };
        let text = scalar_text(&value).unwrap_or_default();
        *field = parse_timeout(&text);
        if field.is_none() && !value.is_null() {
            c.problem("timeouts", &at, format!("`{text}` is not a valid timeout"), "write `90s`, `45m` or `2h`, at most `168h`");
        }
    }
    timeouts
}
