//! Outputs of a type, with the patterns in their schema.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pattern::fields_in;

/// Key of the pattern of an output that it determines exactly.
pub const DETERMINED: &str = "x-acme-determined";

/// Key of the pattern of an output in the simulated cloud.
pub const SIMULATED: &str = "x-acme-simulated";

/// Key of an output that every update changes, such as the number of a version.
pub const UPDATED: &str = "x-acme-updated";

/// Outputs of a type by name, with their patterns.
pub struct Outputs(BTreeMap<String, OutputPattern>);

/// Patterns of an output.
#[derive(Clone, Debug, Default)]
pub struct OutputPattern {
    /// Pattern that determines it exactly, see [`super::Resource::Outputs`].
    pub determined: Option<String>,
    /// Patterns of plausible values.
    simulated: Vec<String>,
    /// Whether every update changes it.
    updated: bool,
}

impl OutputPattern {
    /// Whether it has a part of a referenced resource: `{subnet.vpc}`.
    pub fn uses_references(&self) -> bool {
        let mut patterns = self.determined.iter().chain(&self.simulated);
        patterns.any(|pattern| fields_in(pattern, "", "").iter().any(|field| field.contains('.')))
    }
}

impl Outputs {
    /// Reads the schema of the outputs.
    pub fn of(schema: &Value) -> Outputs {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let patterns = |property: &Value| OutputPattern {
            determined: property.get(DETERMINED).and_then(Value::as_str).map(str::to_owned),
            simulated: match property.get(SIMULATED) {
                Some(Value::String(pattern)) => vec![pattern.clone()],
                Some(Value::Array(patterns)) => patterns.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                _ => Vec::new(),
            },
            updated: property.get(UPDATED) == Some(&Value::Bool(true)),
        };
        Outputs(properties.map(|(name, property)| (name.clone(), patterns(property))).collect())
    }

    /// Patterns of an output; `None` if the type has no such output.
    pub fn pattern(&self, name: &str) -> Option<&OutputPattern> {
        self.0.get(name)
    }

    /// Whether the output, or field, may change with these fields of a resource whose patterns of id and ARN are given.
    pub fn depends_on(&self, output: &str, fields: &[&str], id: &str, arn: &str) -> bool {
        let names_any = |pattern: &str| fields_in(pattern, id, arn).iter().any(|field| fields.contains(field));
        match output {
            "id" => names_any(id),
            "arn" => names_any(arn),
            _ => {
                let patterns = self.0.get(output).into_iter().flat_map(|known| known.determined.iter().chain(&known.simulated));
                let changes_with_any = !fields.is_empty() && self.0.get(output).is_some_and(|known| known.updated);
                changes_with_any || fields.contains(&output) || patterns.into_iter().any(|pattern| names_any(pattern))
            }
        }
    }
}
