//! Values, and differences between two of them, laid out within the width of a screen.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

use super::{
    Style,
    value::{AddressNames, is_empty_value},
};

/// Width of a screen, in columns.
pub const WIDTH: usize = 80;

/// Writes a named value: on one line if it fits, otherwise one line per part.
pub fn write_value(out: &mut dyn Write, indent: usize, name: &str, value: &Value, names: &AddressNames) -> fmt::Result {
    for line in named_lines(name, value, WIDTH.saturating_sub(indent), names) {
        writeln!(out, "{:indent$}{line}", "")?;
    }
    Ok(())
}

/// Writes the differences in a named value, element by element in lists and maps; `mark` follows the first line.
pub fn write_difference(
    out: &mut dyn Write,
    indent: usize,
    name: &str,
    (before, after): (&Value, &Value),
    mark: &str,
    names: &AddressNames,
) -> fmt::Result {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            write_list_difference(out, indent + 2, before, after, names)
        }
        (Value::Object(before), Value::Object(after)) if before.len().max(after.len()) > 1 => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            write_map_difference(out, indent + 2, before, after, names)
        }
        (Value::String(before), Value::String(after)) if before.contains('\n') && after.contains('\n') => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            let lines = |text: &str| text.lines().map(|line| Value::String(line.to_owned())).collect::<Vec<_>>();
            write_list_difference(out, indent + 2, &lines(before), &lines(after), names)
        }
        _ => {
            let (old, new) = (names.format(before), names.format(after));
            if indent + name.chars().count() + old.chars().count() + new.chars().count() + 5 <= WIDTH {
                return writeln!(out, "{:indent$}{name}: {old} → {new}{mark}", "");
            }
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            write_signed(out, indent + 2, '-', before, names)?;
            write_signed(out, indent + 2, '+', after, names)
        }
    }
}

/// Writes the differences between two maps.
fn write_map_difference(
    out: &mut dyn Write,
    indent: usize,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    names: &AddressNames,
) -> fmt::Result {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        let [old, new] = [before, after].map(|map| map.get(key).unwrap_or(&Value::Null));
        if old != new && !(is_empty_value(old) && is_empty_value(new)) {
            write_difference(out, indent, key, (old, new), "", names)?;
        }
    }
    Ok(())
}

/// Writes the differences between two lists: elements of only one of them, and changed elements.
fn write_list_difference(out: &mut dyn Write, indent: usize, before: &[Value], after: &[Value], names: &AddressNames) -> fmt::Result {
    let gone = before.iter().filter(|value| !after.contains(value));
    let mut new: Vec<&Value> = after.iter().filter(|value| !before.contains(value)).collect();
    if before.len() == after.len() && new.is_empty() {
        return writeln!(out, "{:indent$}{}", "", Style::Faint.paint("in a different order"));
    }
    for old in gone {
        let like = new.iter().position(|new| are_similar(old, new)).map(|at| new.remove(at));
        match (old, like) {
            (Value::Object(old), Some(Value::Object(like))) => {
                let same: Map<String, Value> = like.iter().filter(|(key, value)| old.get(*key) == Some(value)).map(to_owned_pair).collect();
                let room = WIDTH.saturating_sub(indent + 2);
                let same = console::truncate_str(&names.format(&Value::Object(same)), room, "…").into_owned();
                writeln!(out, "{:indent$}{} {}", "", Style::Changed.paint('~'), Style::Faint.paint(same))?;
                write_map_difference(out, indent + 4, old, like, names)?;
            }
            _ => write_signed(out, indent, '-', old, names)?,
        }
    }
    new.into_iter().try_for_each(|new| write_signed(out, indent, '+', new, names))
}

/// Whether two list elements count as one changed element: at least half of their fields are equal.
fn are_similar(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return false };
    let said = old.iter().filter(|(_, value)| !is_empty_value(value));
    let (same, differ): (Vec<_>, Vec<_>) = said.partition(|(key, value)| new.get(*key) == Some(value));
    !same.is_empty() && same.len() >= differ.len()
}

fn to_owned_pair((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// Writes an added or removed value.
fn write_signed(out: &mut dyn Write, indent: usize, sign: char, value: &Value, names: &AddressNames) -> fmt::Result {
    let style = if sign == '-' { Style::Removed } else { Style::Added };
    let lines = value_lines(value, WIDTH.saturating_sub(indent + 2), names);
    for (number, line) in lines.iter().enumerate() {
        let sign = if number == 0 { style.paint(sign).to_string() } else { " ".to_owned() };
        writeln!(out, "{:indent$}{sign} {line}", "")?;
    }
    Ok(())
}

/// Value in as many lines as necessary.
fn value_lines(value: &Value, width: usize, names: &AddressNames) -> Vec<String> {
    let one = names.format(value);
    if one.chars().count() <= width && !one.contains('\n') {
        return vec![one];
    }
    let inner = width.saturating_sub(2);
    match value {
        Value::Array(list) => list.iter().flat_map(|value| hanging_lines("- ", value_lines(value, inner, names))).collect(),
        Value::Object(map) if map.len() > 1 => {
            map.iter().filter(|(_, value)| !is_empty_value(value)).flat_map(|(key, value)| named_lines(key, value, width, names)).collect()
        }
        _ => one.lines().map(str::to_owned).collect(),
    }
}

fn named_lines(name: &str, value: &Value, width: usize, names: &AddressNames) -> Vec<String> {
    let one = format!("{name}: {}", names.format(value));
    if one.chars().count() <= width && !one.contains('\n') {
        return vec![one];
    }
    let inner = width.saturating_sub(2);
    let below = value_lines(value, inner, names);
    if below.len() == 1 && below[0].chars().count() > inner {
        return vec![one];
    }
    std::iter::once(format!("{name}:")).chain(below.into_iter().map(|line| format!("  {line}"))).collect()
}

/// Lines, the first after a sign and the others aligned below it.
fn hanging_lines(sign: &str, lines: Vec<String>) -> Vec<String> {
    let line = |(number, line): (usize, String)| if number == 0 { format!("{sign}{line}") } else { format!("  {line}") };
    lines.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(before: Value, after: Value) -> String {
        let mut out = String::new();
        write_difference(&mut out, 6, "field", (&before, &after), "", &AddressNames::of([])).unwrap();
        let out = anstream::adapter::strip_str(&out).to_string();
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        out
    }

    #[test]
    fn shows_differences_inside_lists_and_maps() {
        let statement =
            |actions: Value, resource: &str| json!({ "Sid": "Read", "Effect": "Allow", "Action": actions, "Resource": [resource] });
        let arn = "arn:aws:s3:::shop-production-uploads/with/a/rather/long/name";
        let rule = |port: u16| json!({ "cidr": "10.0.0.0/16", "protocol": "tcp", "from_port": port, "to_port": port, "description": "" });
        let screens = [
            rendered(json!(5), json!(10)),
            rendered(json!("a".repeat(40)), json!("b".repeat(40))),
            rendered(json!(["a", "b", "c"]), json!(["a", "c", "d"])),
            rendered(json!(["a", "b"]), json!(["b", "a"])),
            rendered(json!([rule(22), rule(443)]), json!([rule(443), rule(8443)])),
            rendered(
                json!([statement(json!(["s3:GetObject", "s3:ListBucket"]), arn)]),
                json!([
                    statement(json!(["s3:GetObject", "s3:PutObject"]), arn),
                    statement(json!(["s3:DeleteObject", "s3:DeleteObjectVersion"]), arn)
                ]),
            ),
            rendered(json!("#!/bin/sh\necho one\necho two"), json!("#!/bin/sh\necho one\necho three")),
            rendered(json!({ "rate": 1, "unit": "days", "of": null }), json!({ "rate": 2, "unit": "days", "of": "" })),
        ];
        insta::assert_snapshot!(screens.join("━━\n"));
    }

    #[test]
    fn breaks_long_values_into_several_lines() {
        let mut out = String::new();
        let long =
            json!([{ "Sid": "Read", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"], "Resource": ["*"] }]);
        write_value(&mut out, 6, "Statement", &long, &AddressNames::of([])).unwrap();
        write_value(&mut out, 6, "keep_last", &json!(5), &AddressNames::of([])).unwrap();
        insta::assert_snapshot!(out);
    }
}
