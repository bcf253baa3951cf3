//! The lifecycle policy of a registry.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

/// Rules for expiring images, in canonical form: ordered by priority, lists sorted; `{}` for no policy.
///
/// Source: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifecyclePolicy(Value);

impl LifecyclePolicy {
    /// Converts a document to canonical form.
    pub(in crate::aws::types) fn new(mut document: Value) -> LifecyclePolicy {
        let mut empty = true;
        if let Some(rules) = document.get_mut("rules").and_then(Value::as_array_mut) {
            empty = rules.is_empty();
            rules.sort_by_key(|rule| rule.get("rulePriority").and_then(Value::as_i64));
            for selection in rules.iter_mut().filter_map(|rule| rule.get_mut("selection")) {
                for list in ["tagPrefixList", "tagPatternList"] {
                    if let Some(list) = selection.get_mut(list).and_then(Value::as_array_mut) {
                        list.sort_by_key(ToString::to_string);
                    }
                }
            }
        }
        LifecyclePolicy(if empty { json!({}) } else { document })
    }
    /// Policy for `keep_last`.
    pub(in crate::aws::types) fn keep_images(images: u32) -> LifecyclePolicy {
        LifecyclePolicy::new(json!({ "rules": [{
            "rulePriority": 1,
            "description": format!("Keep the last {images} images"),
            "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images },
            "action": { "type": "expire" },
        }] }))
    }
    /// Number of images it keeps, if it does nothing else. Priority and description of a single rule don't matter.
    pub(in crate::aws::types) fn kept_images(&self) -> Option<u32> {
        let [rule] = self.0.get("rules")?.as_array()?.as_slice() else { return None };
        let images = u32::try_from(rule.get("selection")?.get("countNumber")?.as_u64()?).ok()?;
        let plain = LifecyclePolicy::keep_images(images);
        let plain = plain.0.get("rules")?.get(0)?;
        ["selection", "action"].iter().all(|part| rule.get(part) == plain.get(part)).then_some(images)
    }
    /// Whether no image expires.
    pub(in crate::aws::types) fn is_none(&self) -> bool {
        self.0.get("rules").is_none()
    }
    /// Policy for ECR.
    pub(in crate::aws::types) fn to_json(&self) -> String {
        self.0.to_string()
    }
}

impl Default for LifecyclePolicy {
    fn default() -> LifecyclePolicy {
        LifecyclePolicy(json!({}))
    }
}
impl<'de> Deserialize<'de> for LifecyclePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LifecyclePolicy, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(LifecyclePolicy::default()),
            Value::String(text) => {
                serde_json::from_str(&text).map(LifecyclePolicy::new).map_err(|_| D::Error::custom("the policy is not JSON"))
            }
            Value::Object(map) if map.is_empty() || map.get("rules").is_some_and(Value::is_array) => {
                Ok(LifecyclePolicy::new(Value::Object(map)))
            }
            _ => Err(D::Error::custom("expected a lifecycle policy: an object with a list `rules`")),
        }
    }
}
impl JsonSchema for LifecyclePolicy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LifecyclePolicy".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "string"], "description": "A lifecycle policy with `rules`, as YAML or as a JSON string." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_image_count_has_a_short_form() {
        let written = json!({ "rules": [{
            "action": { "type": "expire" }, "rulePriority": 10,
            "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 },
        }] });
        assert_eq!(LifecyclePolicy::keep_images(5).kept_images(), Some(5));
        assert_eq!(LifecyclePolicy::new(written.clone()).kept_images(), Some(5));
        let mut untagged = written;
        untagged["rules"][0]["selection"]["tagStatus"] = json!("untagged");
        assert_eq!(LifecyclePolicy::new(untagged).kept_images(), None);
        assert_eq!(LifecyclePolicy::default().kept_images(), None);
    }
}
