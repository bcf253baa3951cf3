//! Warnings of `acme policy`.

use std::collections::BTreeSet;

use super::{Style, eprint};
use crate::engine::permissions::MissingCondition;

/// Warns of conditions that the definition does not allow, with the remedy.
pub fn warn_missing_conditions(missing: &BTreeSet<MissingCondition>) {
    for MissingCondition { field, resources, otherwise } in missing {
        let names = resources.iter().map(|address| format!("`{address}`")).collect::<Vec<_>>().join(", ");
        let warning = Style::Changed.paint("warning:");
        eprint(&format!("{warning} the policy for apply is too powerful: {otherwise}: {names}"));
        let remedy = format!("set `{field}` there, to the ARN of a policy outside the stack, and print the policy again");
        eprint(&format!("  help: {remedy}"));
    }
}
