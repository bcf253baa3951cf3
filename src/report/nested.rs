//! Values, and what differs between two of them, laid out within the width of a screen.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

use super::{
    Style,
    value::{Names, is_none},
};

/// Columns of a screen.
pub const WIDTH: usize = 80;

/// A named value: one line where it fits, else one for each part.
pub fn value(out: &mut dyn Write, indent: usize, name: &str, value: &Value, names: &Names) -> fmt::Result {
    for line in named(name, value, WIDTH.saturating_sub(indent), names) {
        writeln!(out, "{:indent$}{line}", "")?;
    }
    Ok(())
}

/// What differs in a named value. Lists and maps are looked into; `mark` stands behind what is said first.
pub fn difference(
    out: &mut dyn Write,
    indent: usize,
    name: &str,
    (before, after): (&Value, &Value),
    mark: &str,
    names: &Names,
) -> fmt::Result {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            elements(out, indent + 2, before, after, names)
        }
        (Value::Object(before), Value::Object(after)) if before.len().max(after.len()) > 1 => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            entries(out, indent + 2, before, after, names)
        }
        (Value::String(before), Value::String(after)) if before.contains('\n') && after.contains('\n') => {
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            let lines = |text: &str| text.lines().map(|line| Value::String(line.to_owned())).collect::<Vec<_>>();
            elements(out, indent + 2, &lines(before), &lines(after), names)
        }
        _ => {
            let (old, new) = (names.show(before), names.show(after));
            if indent + name.chars().count() + old.chars().count() + new.chars().count() + 5 <= WIDTH {
                return writeln!(out, "{:indent$}{name}: {old} → {new}{mark}", "");
            }
            writeln!(out, "{:indent$}{name}:{mark}", "")?;
            signed(out, indent + 2, '-', before, names)?;
            signed(out, indent + 2, '+', after, names)
        }
    }
}

/// What differs between two maps.
fn entries(out: &mut dyn Write, indent: usize, before: &Map<String, Value>, after: &Map<String, Value>, names: &Names) -> fmt::Result {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        let [old, new] = [before, after].map(|map| map.get(key).unwrap_or(&Value::Null));
        if old != new && !(is_none(old) && is_none(new)) {
            difference(out, indent, key, (old, new), "", names)?;
        }
    }
    Ok(())
}

/// What differs between two lists: what is only in one of them, and what is much the same in both.
fn elements(out: &mut dyn Write, indent: usize, before: &[Value], after: &[Value], names: &Names) -> fmt::Result {
    let gone = before.iter().filter(|value| !after.contains(value));
    let mut new: Vec<&Value> = after.iter().filter(|value| !before.contains(value)).collect();
    if before.len() == after.len() && new.is_empty() {
        return writeln!(out, "{:indent$}{}", "", Style::Faint.of("in another order"));
    }
    for old in gone {
        let like = new.iter().position(|new| are_alike(old, new)).map(|at| new.remove(at));
        match (old, like) {
            (Value::Object(old), Some(Value::Object(like))) => {
                let same: Map<String, Value> = like.iter().filter(|(key, value)| old.get(*key) == Some(value)).map(own).collect();
                let room = WIDTH.saturating_sub(indent + 2);
                let same = console::truncate_str(&names.show(&Value::Object(same)), room, "…").into_owned();
                writeln!(out, "{:indent$}{} {}", "", Style::Changed.of('~'), Style::Faint.of(same))?;
                entries(out, indent + 4, old, like, names)?;
            }
            _ => signed(out, indent, '-', old, names)?,
        }
    }
    new.into_iter().try_for_each(|new| signed(out, indent, '+', new, names))
}

/// Whether two entries of lists are one that was changed: at least half of what they say is the same.
fn are_alike(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return false };
    let said = old.iter().filter(|(_, value)| !is_none(value));
    let (same, differ): (Vec<_>, Vec<_>) = said.partition(|(key, value)| new.get(*key) == Some(value));
    !same.is_empty() && same.len() >= differ.len()
}

fn own((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// A value that comes or goes.
fn signed(out: &mut dyn Write, indent: usize, sign: char, value: &Value, names: &Names) -> fmt::Result {
    let style = if sign == '-' { Style::Removed } else { Style::Added };
    let lines = lines(value, WIDTH.saturating_sub(indent + 2), names);
    for (number, line) in lines.iter().enumerate() {
        let sign = if number == 0 { style.of(sign).to_string() } else { " ".to_owned() };
        writeln!(out, "{:indent$}{sign} {line}", "")?;
    }
    Ok(())
}

/// A value in as many lines as it takes.
fn lines(value: &Value, width: usize, names: &Names) -> Vec<String> {
    let one = names.show(value);
    if one.chars().count() <= width && !one.contains('\n') {
        return vec![one];
    }
    let inner = width.saturating_sub(2);
    match value {
        Value::Array(list) => list.iter().flat_map(|value| hung("- ", lines(value, inner, names))).collect(),
        Value::Object(map) if map.len() > 1 => {
            map.iter().filter(|(_, value)| !is_none(value)).flat_map(|(key, value)| named(key, value, width, names)).collect()
        }
        _ => one.lines().map(str::to_owned).collect(),
    }
}

fn named(name: &str, value: &Value, width: usize, names: &Names) -> Vec<String> {
    let one = format!("{name}: {}", names.show(value));
    if one.chars().count() <= width && !one.contains('\n') {
        return vec![one];
    }
    let inner = width.saturating_sub(2);
    let below = lines(value, inner, names);
    if below.len() == 1 && below[0].chars().count() > inner {
        return vec![one];
    }
    std::iter::once(format!("{name}:")).chain(below.into_iter().map(|line| format!("  {line}"))).collect()
}

/// Lines, the first behind a sign and the others below it.
fn hung(sign: &str, lines: Vec<String>) -> Vec<String> {
    let line = |(number, line): (usize, String)| if number == 0 { format!("{sign}{line}") } else { format!("  {line}") };
    lines.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: Value, after: Value) -> String {
        let mut out = String::new();
        difference(&mut out, 6, "field", (&before, &after), "", &Names::of([])).unwrap();
        let out = anstream::adapter::strip_str(&out).to_string();
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        out
    }

    #[test]
    fn differences_are_looked_into() {
        let statement =
            |actions: Value, resource: &str| json!({ "Sid": "Read", "Effect": "Allow", "Action": actions, "Resource": [resource] });
        let arn = "arn:aws:s3:::shop-production-uploads/with/a/rather/long/name";
        let rule = |port: u16| json!({ "cidr": "10.0.0.0/16", "protocol": "tcp", "from_port": port, "to_port": port, "description": "" });
        let screens = [
            shown(json!(5), json!(10)),
            shown(json!("a".repeat(40)), json!("b".repeat(40))),
            shown(json!(["a", "b", "c"]), json!(["a", "c", "d"])),
            shown(json!(["a", "b"]), json!(["b", "a"])),
            shown(json!([rule(22), rule(443)]), json!([rule(443), rule(8443)])),
            shown(
                json!([statement(json!(["s3:GetObject", "s3:ListBucket"]), arn)]),
                json!([
                    statement(json!(["s3:GetObject", "s3:PutObject"]), arn),
                    statement(json!(["s3:DeleteObject", "s3:DeleteObjectVersion"]), arn)
                ]),
            ),
            shown(json!("#!/bin/sh\necho one\necho two"), json!("#!/bin/sh\necho one\necho three")),
            shown(json!({ "rate": 1, "unit": "days", "of": null }), json!({ "rate": 2, "unit": "days", "of": "" })),
        ];
        insta::assert_snapshot!(screens.join("━━\n"));
    }

    #[test]
    fn what_is_too_long_for_a_line_takes_several() {
        let mut out = String::new();
        let long =
            json!([{ "Sid": "Read", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"], "Resource": ["*"] }]);
        value(&mut out, 6, "Statement", &long, &Names::of([])).unwrap();
        value(&mut out, 6, "keep_last", &json!(5), &Names::of([])).unwrap();
        insta::assert_snapshot!(out);
    }
}
