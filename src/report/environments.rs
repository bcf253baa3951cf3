//! Differences between two environments, as text and as JSON.

use serde_json::{Value, json};

use super::{
    Style,
    layout::write_difference,
    value::{AddressNames, is_empty_value},
};
use crate::{core::Address, engine::plan::EnvironmentDiff};

/// Renders the differences.
pub fn render(found: &EnvironmentDiff) -> String {
    let names = &AddressNames::of([]);
    let mut out = format!("{}\n", Style::Heading.paint(format!("{}: {} → {}", found.stack, found.from, found.to)));
    for (words, sign, style, addresses) in
        [(&found.from, '-', Style::Removed, &found.only_from), (&found.to, '+', Style::Added, &found.only_to)]
    {
        if !addresses.is_empty() {
            out += &format!(" {}\n", Style::Heading.paint(format!("only in {words}")));
            out += &addresses.iter().map(|address| format!("  {} {}\n", style.paint(sign), style.paint(address))).collect::<String>();
        }
    }
    if !found.differing.is_empty() {
        out += &format!(" {}\n", Style::Heading.paint("different"));
    }
    for (address, fields) in &found.differing {
        out += &format!("  {} {}\n", Style::Changed.paint('~'), Style::Changed.paint(address));
        for field in fields.iter().filter(|field| !(is_empty_value(&field.before) && is_empty_value(&field.after))) {
            let name = field.pointer.trim_start_matches('/').replace('/', ".");
            // Writing to a string cannot fail.
            let _ = write_difference(&mut out, 6, &name, (&field.before, &field.after), "", names);
        }
        out += &risks(fields);
    }
    let count = |addresses: &[Address], environment: &str| match addresses.len() {
        0 => None,
        several => Some(format!("{several} only in {environment}")),
    };
    let differing = Some(format!("{} different", found.differing.len())).filter(|_| !found.differing.is_empty());
    let counts: Vec<String> =
        [count(&found.only_from, &found.from), count(&found.only_to, &found.to), differing, Some(format!("{} the same", found.same))]
            .into_iter()
            .flatten()
            .collect();
    out + &format!("\nResources: {}.\n", counts.join(", "))
}

fn risks(fields: &[crate::engine::plan::FieldDiff]) -> String {
    let risks = fields.iter().flat_map(|field| &field.risks);
    let line = |risk: &crate::engine::plan::RiskyValue| {
        let place: Vec<&str> = risk.pointer.split('/').skip(1).filter(|part| part.parse::<usize>().is_err()).collect();
        format!("      {} {} ({})\n", Style::Removed.paint("risky:"), place.join("."), risk.reason)
    };
    risks.map(line).collect()
}

/// The differences in the format `acme-environments/1`.
pub fn json(found: &EnvironmentDiff) -> Value {
    json!({
        "format": "acme-environments/1",
        "stack": found.stack,
        "from": found.from,
        "to": found.to,
        "only_from": found.only_from,
        "only_to": found.only_to,
        "differing": found.differing.iter().map(|(address, fields)| json!({ "address": address, "fields": fields })).collect::<Vec<_>>(),
        "same": found.same,
    })
}
