//! Places in a spec as it is written: its canonical form sorts sets and expands short forms.

use serde_json::Value;

/// Converts a pointer into the canonical form to one into the written form. It ends at the list or value from which the rest follows.
pub fn written_pointer(at: &str, mut canonical: &Value, mut written: &Value) -> String {
    let mut pointer = String::new();
    let mut segments = at.split('/').skip(1);
    while let Some(segment) = segments.next() {
        let key = segment.replace("~1", "/").replace("~0", "~");
        let (value, next) = match (canonical, written) {
            (Value::Array(values), Value::Array(list)) => {
                let Some((index, value)) = key.parse().ok().and_then(|index: usize| Some((index, values.get(index)?))) else { break };
                let same = list.iter().position(|one| is_short_for(one, value));
                let same = same.or(Some(index).filter(|index| *index < list.len() && !value.is_string()));
                let Some(index) = same else { break };
                pointer.push_str(&format!("/{index}"));
                (value, list.get(index))
            }
            (Value::Object(fields), Value::Object(written)) => {
                let Some(value) = fields.get(&key) else { break };
                pointer.push('/');
                pointer.push_str(segment);
                (value, written.get(&key))
            }
            _ => break,
        };
        let Some(next) = next else {
            segments.for_each(|segment| pointer.push_str(&format!("/{segment}")));
            break;
        };
        (canonical, written) = (value, next);
    }
    pointer
}

/// Whether a written value, as far as it is set, corresponds to this canonical one.
fn is_short_for(written: &Value, canonical: &Value) -> bool {
    match (written, canonical) {
        (Value::Object(written), Value::Object(canonical)) => written.iter().all(|(key, value)| canonical.get(key) == Some(value)),
        _ => written == canonical,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_canonical_pointers_to_the_written_spec() {
        let written = json!({ "cidrs": ["b", "a"], "rules": [{ "port": 2 }, { "port": 1 }], "vpc": "main", "one": 5, "a/b": [7] });
        let canonical = json!({
            "cidrs": ["a", "b"], "rules": [{ "port": 1, "kind": "x" }, { "port": 2, "kind": "x" }], "vpc": { "id": "${vpc.main.id}" },
            "one": [{ "port": 5 }], "a/b": [7], "left_out": 3, "check": { "path": "health" },
        });
        let cases = [
            ("/cidrs/0", "/cidrs/1"),
            ("/rules/0/port", "/rules/1/port"),
            ("/rules/1/kind", "/rules/0/kind"),
            ("/vpc/id", "/vpc"),
            ("/one/0/port", "/one"),
            ("/a~1b/0", "/a~1b/0"),
            ("/left_out", "/left_out"),
            ("/check/path", "/check/path"),
            ("", ""),
        ];
        for (at, expected) in cases {
            assert_eq!(written_pointer(at, &canonical, &written), expected, "{at}");
        }
    }
}
