//! Plain scalars whose written text differs from their value: `012345678901`, `1.10`, `NO`.
//!
//! A definition says `NO` and means a country in one place and a switch in another; only the place knows. So such a scalar stays as written
//! until a number or a switch is wanted. All other scalars have the type of YAML, and their value has the written text.

use serde_json::Value;

/// Begin of a text that was written without quotes and may mean a number or a switch. A noncharacter, which no text contains.
const MARK: char = '\u{fdd0}';

/// Scalar as written: `value`, or marked text if its own text would differ.
pub fn as_written(value: Value, written: &str) -> Value {
    let is_null = value.is_null() && matches!(written, "" | "~" | "null" | "Null" | "NULL");
    if is_null || own_text(&value).as_deref() == Some(written) || meaning(written) != Some(value.clone()) {
        return value;
    }
    Value::String(format!("{MARK}{written}"))
}

/// Number or switch that a written text means in YAML, if its own text differs: 1000 for `1e3`, false for `NO`.
pub fn other_meaning(text: &str) -> Option<Value> {
    let value = meaning(text).filter(|value| value.is_number() || value.is_boolean())?;
    (own_text(&value).as_deref() != Some(text)).then_some(value)
}

/// Value of a plain scalar in YAML; `None` for text.
fn meaning(text: &str) -> Option<Value> {
    let is_plain = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
    let options = serde_saphyr::options! { non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough };
    let value: Value = is_plain.then(|| serde_saphyr::from_str_with_options(text, options).ok()).flatten()?;
    (!value.is_string()).then_some(value)
}

fn own_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}

/// Text without its mark, if it has one.
pub fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Whether a value contains marked texts.
pub fn is_marked(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(MARK),
        Value::Array(list) => list.iter().any(is_marked),
        Value::Object(map) => map.values().any(is_marked),
        _ => false,
    }
}

/// Replaces marked texts by the written ones.
pub fn to_text(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with(MARK) => drop(text.remove(0)),
        Value::Array(list) => list.iter_mut().for_each(to_text),
        Value::Object(map) => map.values_mut().for_each(to_text),
        _ => {}
    }
}

/// Value with marked texts replaced by the numbers and switches they mean, for calculations.
pub fn to_typed(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(MARK) => meaning(unmarked(text)).unwrap_or_else(|| unmarked(text).into()),
        Value::Array(list) => list.iter().map(to_typed).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), to_typed(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> Value {
        let mut value = value.clone();
        to_text(&mut value);
        value
    }

    #[test]
    fn keeps_the_written_text_and_the_meaning() {
        let cases = [
            ("012345678901", json!(12_345_678_901.0)),
            ("1.10", json!(1.1)),
            ("NO", json!(false)),
            ("off", json!(false)),
            ("yes", json!(true)),
            ("1e3", json!(1000.0)),
        ];
        assert_eq!(text(&as_written(Value::Null, "12e4567")), json!("12e4567"));
        for (written, value) in cases {
            let marked = as_written(value.clone(), written);
            assert!(is_marked(&marked), "{written}");
            assert_eq!(text(&marked), json!(written));
            assert_eq!(to_typed(&marked), value, "{written}");
            assert_eq!(other_meaning(written), Some(value), "{written}");
        }
        for (written, value) in [("5", json!(5)), ("-7", json!(-7)), ("1.5", json!(1.5)), ("true", json!(true)), ("~", Value::Null)] {
            assert_eq!(as_written(value.clone(), written), value);
            assert_eq!(other_meaning(written), None);
        }
        assert_eq!(other_meaning("eu-west-1"), None);
        assert_eq!(other_meaning("1.2.3"), None);
    }
}
