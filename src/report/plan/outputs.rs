//! Changes of outputs, as text.

use std::fmt::Write;

use serde_json::Value;

use crate::{
    engine::plan::{OutputChange, Plan},
    report::{
        Style,
        layout::{write_difference, write_value},
        value::AddressNames,
    },
};

/// Columns before the name of an output.
const INDENT: usize = 4;

/// Writes the outputs that differ, below the sections.
pub fn write_outputs(out: &mut dyn Write, plan: &Plan) -> std::fmt::Result {
    if plan.outputs.is_empty() {
        return Ok(());
    }
    let names = AddressNames::from_plan(plan);
    writeln!(out, " {}", Style::Heading.paint("outputs"))?;
    for OutputChange { name, before, after } in &plan.outputs {
        let mut text = String::new();
        let (style, sign) = match (before, after) {
            (Some(before), Some(after)) => {
                write_difference(&mut text, INDENT, name, (before, after), "", &names)?;
                (Style::Changed, "~")
            }
            (None, after) => {
                write_value(&mut text, INDENT, name, after.as_ref().unwrap_or(&Value::Null), &names)?;
                (Style::Added, "+")
            }
            (Some(_), None) => {
                writeln!(text, "{name}")?;
                (Style::Removed, "-")
            }
        };
        writeln!(out, "  {} {}", style.paint(sign), text.trim())?;
    }
    Ok(())
}
