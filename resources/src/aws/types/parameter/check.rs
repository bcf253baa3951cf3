//! Rules between the fields of a parameter.

use regex_lite::Regex;

use super::{super::prelude::*, Parameter, ParameterKind, Tier};

/// Most bytes of a value: <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>.
const STANDARD_BYTES: usize = 4096;
const ADVANCED_BYTES: usize = 8192;

pub(super) fn check(parameter: &Parameter) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(name) = &parameter.name {
        let start = name.trim_start_matches('/').to_ascii_lowercase();
        if start.starts_with("aws") || start.starts_with("ssm") {
            problems.push(Problem::new(Parameter::POINTERS.name, "names that begin with `aws` or `ssm` are reserved for AWS"));
        }
    }
    problems.extend(value_fields(parameter));
    let is_secure = parameter.kind == ParameterKind::SecureString;
    if !is_secure && parameter.kms_key.is_some() {
        problems.push(Problem::new(Parameter::POINTERS.kms_key, "only the type `secure_string` is encrypted"));
    }
    if parameter.kind != ParameterKind::String && parameter.data_type != Parameter::default_data_type() {
        problems.push(Problem::new(Parameter::POINTERS.data_type, "goes with `type: string`"));
    }
    if parameter.tier == Tier::Standard {
        for (pointer, is_set) in [
            (Parameter::POINTERS.expires_at, parameter.expires_at.is_some()),
            (Parameter::POINTERS.expiration_notices, !parameter.expiration_notices.is_empty()),
            (Parameter::POINTERS.no_change_notices, !parameter.no_change_notices.is_empty()),
        ] {
            if is_set {
                problems.push(Problem::new(pointer, "the tier `Standard` has no policies").help("set `tier: Advanced`"));
            }
        }
    }
    if parameter.expiration_notices.len() + parameter.no_change_notices.len() + usize::from(parameter.expires_at.is_some()) > 10 {
        problems.push(Problem::new(Parameter::POINTERS.no_change_notices, "a parameter has at most ten policies"));
    }
    problems.extend(values(parameter));
    problems
}

/// Each type has its own source of the value.
fn value_fields(parameter: &Parameter) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_secure = parameter.kind == ParameterKind::SecureString;
    match parameter.kind {
        ParameterKind::String if parameter.value.is_none() => {
            let problem = Problem::new(Parameter::POINTERS.value, "the type `string` needs a `value`");
            problems.push(problem.help("set it; AWS has no empty values"));
        }
        ParameterKind::StringList if parameter.values.is_empty() => {
            problems.push(Problem::new(Parameter::POINTERS.values, "the type `string_list` needs `values`"));
        }
        ParameterKind::SecureString if parameter.secret.is_none() && parameter.generate.is_none() => {
            let problem = Problem::new(Parameter::POINTERS.kind, "the type `secure_string` needs a `secret` with the value, or `generate`");
            problems.push(problem.help("with `generate: {}`, overwrite the random value once, and acme keeps yours"));
        }
        _ => {}
    }
    if parameter.value.is_some() && parameter.kind != ParameterKind::String {
        let problem = Problem::new(Parameter::POINTERS.value, "goes with `type: string`");
        let help = "a definition must not contain secrets: put the value in a `secret`, and refer to it with `secret: <name>`";
        problems.push(if is_secure { problem.help(help) } else { problem.help("write a list under `values`") });
    }
    if !parameter.values.is_empty() && parameter.kind != ParameterKind::StringList {
        problems.push(Problem::new(Parameter::POINTERS.values, "goes with `type: string_list`"));
    }
    for (pointer, is_set) in
        [(Parameter::POINTERS.secret, parameter.secret.is_some()), (Parameter::POINTERS.generate, parameter.generate.is_some())]
    {
        if is_set && !is_secure {
            problems.push(Problem::new(pointer, "goes with `type: secure_string`"));
        }
    }
    problems
}

/// Limits of plain values. Text with references is not known yet.
fn values(parameter: &Parameter) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, value) in parameter.values.iter().enumerate() {
        if value.is_empty() || value.contains(',') {
            problems.push(Problem::new(Parameter::POINTERS.values.item(index), "values of a list are not empty and contain no comma"));
        }
    }
    let (pointer, whole) = match &parameter.value {
        Some(value) => (Parameter::POINTERS.value, value.clone()),
        None => (Parameter::POINTERS.values, parameter.values.join(",")),
    };
    if whole.contains("${") {
        return problems;
    }
    let most = if parameter.tier == Tier::Standard { STANDARD_BYTES } else { ADVANCED_BYTES };
    if whole.len() > most {
        let problem = Problem::new(pointer.clone(), format!("has {} bytes, and the tier allows {most}", whole.len()));
        problems.push(if most == STANDARD_BYTES { problem.help("set `tier: Advanced`") } else { problem });
    }
    if whole.contains("{{") {
        problems.push(Problem::new(pointer.clone(), "Parameter Store accepts no double braces in values"));
    }
    // Other syntax of Java's expressions is left to AWS.
    let pattern = Regex::new(&format!("^(?:{})$", parameter.allowed_pattern)).ok().filter(|_| !parameter.allowed_pattern.is_empty());
    if !whole.is_empty() && pattern.is_some_and(|pattern| !pattern.is_match(&whole)) {
        problems.push(Problem::new(pointer, format!("does not match `allowed_pattern: {}`", parameter.allowed_pattern)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(spec: &Value) -> Vec<String> {
        let parameter: Parameter = serde_json::from_value(spec.clone()).unwrap_or_else(|error| panic!("{spec}: {error}"));
        check(&parameter).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn accepts_one_source_of_the_value_for_each_type() {
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf";
        for spec in [
            json!({ "name": "/shop/region", "value": "eu-west-1", "allowed_pattern": "[a-z0-9-]+" }),
            json!({ "type": "string_list", "values": ["a", "b"] }),
            json!({ "type": "secure_string", "secret": secret }),
            json!({ "type": "secure_string", "generate": {} }),
            json!({ "value": "x".repeat(5000), "tier": "Advanced", "expires_at": "2030-01-31T00:00:00Z" }),
            json!({ "value": "x", "allowed_pattern": "(?<![a])x" }),
        ] {
            assert_eq!(problems(&spec), [""; 0], "{spec}");
        }
    }

    #[test]
    fn reports_values_that_do_not_fit_their_type() {
        for (spec, at) in [
            (json!({}), "/value"),
            (json!({ "name": "/AWS/x", "value": "a" }), "/name"),
            (json!({ "type": "string_list" }), "/values"),
            (json!({ "type": "string_list", "values": ["a,b"] }), "/values/0"),
            (json!({ "type": "secure_string" }), "/type"),
            (json!({ "type": "secure_string", "generate": {}, "value": "a" }), "/value"),
            (json!({ "value": "a", "values": ["b"] }), "/values"),
            (json!({ "value": "a", "generate": {} }), "/generate"),
            (json!({ "value": "a", "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1" }), "/kms_key"),
            (json!({ "value": "x".repeat(5000) }), "/value"),
            (json!({ "value": "{{ssm:other}}" }), "/value"),
            (json!({ "value": "a", "allowed_pattern": "[0-9]+" }), "/value"),
            (json!({ "value": "a", "expires_at": "2030-01-31T00:00:00Z" }), "/expires_at"),
            (json!({ "type": "string_list", "values": ["a"], "data_type": "aws:ec2:image" }), "/data_type"),
        ] {
            assert_eq!(problems(&spec), [at], "{spec}");
        }
    }
}
