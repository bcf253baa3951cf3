//! The fact `dropped`.

use super::*;

/// Fields of types without the fact: every `Option` states it.
#[test]
fn every_optional_field_states_what_becomes_of_it() {
    fn collect(schema: &Value, at: &str, missing: &mut Vec<String>) {
        let Some(map) = schema.as_object() else { return };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("properties", Value::Object(fields)) => {
                    for (name, field) in fields {
                        let path = format!("{at}/{name}");
                        let types = field["type"].as_array().is_some_and(|all| all.iter().any(|one| one == "null"));
                        let choices = field["anyOf"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "null"));
                        let has_default = field.get("default").is_some_and(|default| !default.is_null());
                        if (types || choices || field.get("default") == Some(&Value::Null))
                            && !has_default
                            && path != "/name"
                            && !crate::core::dropped::has_fact(field)
                        {
                            missing.push(path.clone());
                        }
                        collect(field, &path, missing);
                    }
                }
                // A syntax is converted to another form, in which every field has a value.
                ("$defs", Value::Object(fields)) => {
                    let forms = fields.iter().filter(|(name, _)| !name.ends_with("Syntax"));
                    forms.for_each(|(name, field)| collect(field, &format!("{at}#{name}"), missing));
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => branches.iter().for_each(|branch| collect(branch, at, missing)),
                ("items" | "additionalProperties", value) => collect(value, at, missing),
                _ => {}
            }
        }
    }
    let mut missing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in RESOURCE_TYPES.iter() {
        let mut found = Vec::new();
        collect(kind.schema(), "", &mut found);
        if !found.is_empty() {
            missing.insert(kind.name, found);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
