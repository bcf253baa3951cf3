//! Comparison of contents as `content.py` describes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::Value;

/// Differences between two contents, one line per value.
pub fn difference(expected: &Value, found: &Value) -> String {
    let (expected, found) = (flatten(expected), flatten(found));
    let mut text = String::new();
    for (sign, lines) in [("missing", expected.difference(&found)), ("too much", found.difference(&expected))] {
        for line in lines.take(15) {
            let _ = writeln!(text, "    {sign}: {line}");
        }
    }
    text
}

/// Every value with its path; the items of a type are identified by their ownership tags.
fn flatten(content: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (kind, items) in content.as_object().into_iter().flatten() {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for item in items.as_array().into_iter().flatten() {
            let name = ["/tags/acme:address", "/Name", "/AliasName"].iter().find_map(|at| item.pointer(at)?.as_str()).unwrap_or("unmarked");
            let number = seen.entry(name.to_owned()).and_modify(|number| *number += 1).or_insert(1);
            collect_leaves(&format!("{kind} {name} #{number} "), item, &mut all);
        }
    }
    all
}

fn collect_leaves(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| collect_leaves(&format!("{path}/{key}"), value, into)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(number, value)| collect_leaves(&format!("{path}/{number}"), value, into));
        }
        leaf => drop(into.insert(format!("{path} = {leaf}"))),
    }
}

/// Data that differs from before although no warning names its resource.
pub fn unannounced_losses(before: &Value, now: &Value, screen: &str) -> String {
    let warnings: Vec<&str> = screen.lines().filter(|line| line.trim_start().starts_with("warning:")).collect();
    let names = |line: &str, address: &str| line.split([' ', '`', ',', ':']).any(|word| word == address);
    let mut text = String::new();
    for (address, data) in before.as_object().into_iter().flatten() {
        if now.get(address) != Some(data) && !warnings.iter().any(|line| names(line, address)) {
            let _ = writeln!(text, "    lost without a warning: {address}: {data}, now {}", now.get(address).unwrap_or(&Value::Null));
        }
    }
    text
}
