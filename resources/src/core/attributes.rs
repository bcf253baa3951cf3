//! Fields that AWS keeps in a map of texts, such as the attributes of load balancers and queues: the fact `attribute`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Spec;

/// Returns the attributes of the fields that differ, by AWS's name. An unset field has none.
pub fn changed_attributes<S: Spec>(spec: &S, changes: &S::Changes) -> BTreeMap<&'static str, String> {
    let differing = S::pointers(changes);
    let spec = serde_json::to_value(spec).unwrap_or_default();
    let fields = S::FIELDS.iter().filter(|field| differing.contains(&field.pointer));
    fields.filter_map(|field| Some((field.attribute?, to_text(spec.pointer(field.pointer)?)?))).collect()
}

/// Returns all attributes, by AWS's name. An unset field has none.
pub fn attributes<S: Spec>(spec: &S) -> BTreeMap<&'static str, String> {
    let spec = serde_json::to_value(spec).unwrap_or_default();
    S::FIELDS.iter().filter_map(|field| Some((field.attribute?, to_text(spec.pointer(field.pointer)?)?))).collect()
}

/// Sets the fields to the attributes of these names. A field keeps its value if AWS's text is missing, empty or unknown to the field.
pub fn with_attributes<'a, S: Spec>(spec: S, text_of: impl Fn(&str) -> Option<&'a str>) -> S {
    let Ok(mut json) = serde_json::to_value(&spec) else { return spec };
    let mut read = spec;
    for field in S::FIELDS {
        let Some(text) = field.attribute.and_then(&text_of).filter(|text| !text.is_empty()) else { continue };
        // A number or boolean, or a string of digits.
        for value in serde_json::from_str(text).ok().into_iter().chain([Value::from(text)]) {
            let Some(place) = json.pointer_mut(field.pointer) else { continue };
            let before = std::mem::replace(place, value);
            match S::deserialize(&json) {
                Ok(parsed) => {
                    read = parsed;
                    break;
                }
                Err(_) => {
                    if let Some(place) = json.pointer_mut(field.pointer) {
                        *place = before;
                    }
                }
            }
        }
    }
    read
}

/// AWS's text of a value.
fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use acme_macros::spec;

    use super::*;

    /// A balancer.
    #[spec]
    #[derive(Default, PartialEq)]
    struct Balancer {
        /// Name.
        #[field(default)]
        name: String,
        /// Time to wait, in seconds.
        #[field(default = 60, attribute = "idle_timeout.timeout_seconds")]
        idle_seconds: u32,
        /// HTTP/2.
        #[field(default, attribute = "routing.http2.enabled")]
        http2: Option<bool>,
        /// Treatment of headers.
        #[field(default, attribute = "routing.headers")]
        headers: Option<Headers>,
        /// Prefix.
        #[field(default, attribute = "logs.prefix")]
        prefix: String,
    }

    /// Treatment of headers.
    #[spec]
    enum Headers {
        /// Kept.
        Preserve,
        /// Removed.
        Remove,
    }

    #[test]
    fn reads_what_it_writes() {
        let balancer =
            Balancer { idle_seconds: 5, http2: Some(false), headers: Some(Headers::Remove), prefix: "2024".into(), ..Balancer::default() };
        let written = attributes(&balancer);
        let expected = [
            ("idle_timeout.timeout_seconds", "5"),
            ("logs.prefix", "2024"),
            ("routing.headers", "remove"),
            ("routing.http2.enabled", "false"),
        ];
        assert_eq!(written.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(with_attributes(Balancer::default(), |name| written.get(name).map(String::as_str)), balancer);
    }

    #[test]
    fn keeps_a_field_without_a_usable_text() {
        let read = with_attributes(Balancer::default(), |name| match name {
            "idle_timeout.timeout_seconds" => Some(""),
            "routing.headers" => Some("rewrite"),
            "routing.http2.enabled" => Some("true"),
            _ => None,
        });
        assert_eq!(read, Balancer { http2: Some(true), ..Balancer::default() });
    }

    #[test]
    fn writes_only_the_fields_that_differ() {
        let changes = BalancerChanges { http2: true, name: true, headers: true, ..BalancerChanges::default() };
        let balancer = Balancer { http2: Some(true), ..Balancer::default() };
        assert_eq!(changed_attributes(&balancer, &changes), BTreeMap::from([("routing.http2.enabled", "true".to_owned())]));
    }
}
