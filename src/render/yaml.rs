//! YAML that the programs around Kubernetes read as it was meant: they know YAML 1.1, in which `yes` and `on` are no texts.

use serde_json::Value;

/// Texts that are true or false in YAML 1.1, in any case. <https://yaml.org/type/bool.html>
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off"];
/// Around a text that needs quotes, until the rest is written.
const MARKS: [&str; 2] = ["acme-text-begin-", "-acme-text-end"];

/// Writes a value, with quotes around texts that YAML 1.1 takes for something else.
///
/// # Errors
/// Fails if the value can't be written as YAML.
pub fn to_yaml(value: &Value) -> Result<String, serde_yaml::Error> {
    let [begin, end] = MARKS;
    Ok(serde_yaml::to_string(&marked(value))?.replace(begin, "'").replace(end, "'"))
}

fn marked(value: &Value) -> Value {
    match value {
        Value::String(text) => mark(text).into(),
        Value::Array(list) => list.iter().map(marked).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (mark(key), marked(value))).collect::<serde_json::Map<_, _>>().into(),
        other => other.clone(),
    }
}

fn mark(text: &str) -> String {
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    // `1_000` is a number there.
    let is_number = text.contains('_') && text.replace('_', "").parse::<f64>().is_ok();
    let [begin, end] = MARKS;
    if is_word || is_number { format!("{begin}{text}{end}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_stay_texts() {
        let texts = [
            "y",
            "No",
            "on",
            "1_000",
            "true",
            "null",
            "~",
            "012",
            "1e3",
            "0x1F",
            "1.5",
            "",
            "a: b",
            "- a",
            "#",
            "plain",
            "1m",
            "a\nb: yes\n",
        ];
        let value: Value = texts.iter().map(|text| ((*text).to_owned(), json!([text]))).collect::<serde_json::Map<_, _>>().into();
        let yaml = to_yaml(&value).expect("YAML");
        assert_eq!(serde_yaml::from_str::<Value>(&yaml).expect("YAML"), value, "{yaml}");
        for quoted in ["- 'y'", "- 'No'", "- 'on'", "- '1_000'", "- 'true'", "- '012'", "- plain", "'on':"] {
            assert!(yaml.contains(quoted), "{quoted} is not in\n{yaml}");
        }
    }
}
