//! Patterns of ids, ARNs and outputs, and the values that follow from them.
//!
//! A pattern whose placeholders all have a value before the resource exists determines the text: `arn:aws:iam::{account}:role{path}{name}`.
//! One with a part that AWS generates (`{uuid}`) does not.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ResourceType, endpoint_domain, expression::has_reference, partition};

/// Values from which the ids, ARNs and outputs of a resource follow.
pub struct PatternInputs<'a> {
    /// Type of the resource.
    pub resource_type: &'a ResourceType,
    /// Region.
    pub region: &'a str,
    /// Account; empty if it is not known.
    pub account: &'a str,
    /// Path of the stack's IAM resources, see [`iam_path`].
    pub iam_path: &'a str,
    /// Spec. References in it are not known yet, and neither are fields without a value.
    pub spec: &'a Value,
    /// A field or output of the referenced resources of a type, by name; `None` if it is not known.
    pub referenced: &'a dyn Fn(&str, &str) -> Option<Value>,
}

/// IAM path of a stack's resources: `/acme/<stack>/<environment>/`.
pub fn iam_path(stack: &str, environment: &str) -> String {
    format!("/acme/{stack}/{environment}/")
}

impl PatternInputs<'_> {
    /// Returns the physical id, if it is determined.
    pub fn id(&self) -> Option<String> {
        self.expand(self.resource_type.id)
    }
    /// Returns the ARN, if it is determined.
    pub fn arn(&self) -> Option<String> {
        Some(self.resource_type.arn).filter(|arn| !arn.is_empty()).and_then(|arn| self.expand(arn))
    }
    /// Returns the value of an output, or of the field with its name, if it is determined. A password, like everything else that only the
    /// create call sets, can't be read back.
    pub fn output(&self, name: &str) -> Option<Value> {
        let pattern = self.resource_type.outputs().pattern(name);
        match (name, pattern) {
            ("id", _) => self.id().map(Value::String),
            ("arn", Some(_)) => self.arn().map(Value::String),
            (_, Some(pattern)) => self.expand(pattern.determined.as_deref()?).map(Value::String),
            (_, None) if self.resource_type.initial_only.iter().any(|pointer| pointer[1..] == *name) => None,
            (_, None) => self.spec.get(name).filter(|value| !value.is_null() && !has_reference(value)).cloned(),
        }
    }
    /// Returns the text of a pattern, if it is determined.
    pub fn expand(&self, pattern: &str) -> Option<String> {
        expand_pattern(pattern, self.region, |placeholder, _| self.value(placeholder))
    }

    /// Returns the value of a placeholder; `None` if AWS generates it, or if it is not known yet.
    pub fn value(&self, placeholder: &str) -> Option<String> {
        if let Some((field, choices)) = placeholder.split_once('|') {
            let value = field_of(self.spec, field).unwrap_or(&Value::Null);
            let text = text_of(value).unwrap_or_default();
            return (!has_reference(value)).then(|| choose(choices, &text).replace('*', &text));
        }
        // ARNs of parameters lack the slash with which their names begin.
        if let Some(field) = placeholder.strip_prefix('/') {
            return self.value(field).map(|text| text.trim_start_matches('/').to_owned());
        }
        if let Some((whole, start)) = placeholder.split_once(':') {
            return rest_after(&self.value(whole)?, start);
        }
        if let Some((type_name, name)) = placeholder.split_once('.') {
            return text_of(&(self.referenced)(type_name, name)?);
        }
        match placeholder {
            "region" => Some(self.region.to_owned()),
            "endpoint_domain" => Some(endpoint_domain(self.region).to_owned()),
            "account" => Some(self.account.to_owned()).filter(|account| !account.is_empty()),
            "path" => Some(self.iam_path.to_owned()),
            "id" => self.id(),
            "arn" => self.arn(),
            field => {
                let text = text_of(field_of(self.spec, field).filter(|value| !has_reference(value))?)?;
                // ARNs contain a URL without its scheme.
                Some(text.strip_prefix("https://").map(str::to_owned).unwrap_or(text))
            }
        }
    }
}

/// Expands a pattern with the value of each placeholder, by name and position in the text. The partition `aws` of an ARN stands for the
/// region's. `None` if a placeholder has no value.
pub fn expand_pattern(pattern: &str, region: &str, mut value: impl FnMut(&str, usize) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = pattern;
    if let Some(after) = pattern.strip_prefix("arn:aws:") {
        text = format!("arn:{}:", partition(region));
        rest = after;
    }
    while let Some((before, placeholder, after)) = split_placeholder(rest) {
        text.push_str(before);
        let value = value(placeholder, text.len())?;
        text.push_str(&value);
        rest = after;
    }
    Some(text + rest)
}

/// Returns the fields on which a pattern depends, including those of the id and ARN in it.
pub(super) fn fields_in<'a>(pattern: &'a str, id: &'a str, arn: &'a str) -> BTreeSet<&'a str> {
    let mut fields = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![pattern];
    while let Some(mut rest) = left.pop().filter(|pattern| seen.insert(*pattern)) {
        while let Some((_, placeholder, after)) = split_placeholder(rest) {
            match placeholder.trim_start_matches('/').split(['|', ':']).next().unwrap_or_default() {
                "id" | "label" => left.push(id),
                "arn" => left.push(arn),
                field => drop(fields.insert(field.split('/').next().unwrap_or_default())),
            }
            rest = after;
        }
    }
    fields
}

/// Value of a field, or of one below it: `manifest/kind`.
fn field_of<'a>(spec: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(spec, |value, key| value.get(key))
}

/// Text before the first placeholder, name of the placeholder, and text after it.
fn split_placeholder(pattern: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = pattern.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// The choice for a value: `network=net|app` is `net` for `network`, and `app` for any other. A `*` in it stands for the value.
pub fn choose<'a>(choices: &'a str, value: &str) -> &'a str {
    let (choices, otherwise) = choices.rsplit_once('|').unwrap_or(("", choices));
    let chosen = choices.split('|').find_map(|choice| choice.split_once('=').filter(|(of, _)| *of == value));
    chosen.map_or(otherwise, |(_, text)| text)
}

/// Part of an id or ARN after a text.
pub fn rest_after(whole: &str, start: &str) -> Option<String> {
    whole.split_once(start).map(|(_, rest)| rest.to_owned())
}

/// A value as part of a text: for a reference, the id or ARN.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Object(map) => map.get("id").or_else(|| map.get("arn"))?.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::types::resource_type;

    fn output(type_name: &str, region: &str, spec: &Value, name: &str) -> Option<Value> {
        let resource_type = resource_type(type_name).expect("a type");
        let inputs = PatternInputs {
            resource_type,
            region,
            account: "123456789012",
            iam_path: &iam_path("shop", "test"),
            spec,
            referenced: &|_, _| None,
        };
        inputs.output(name)
    }

    #[test]
    fn determines_arns_of_named_resources_in_every_partition() {
        let spec = json!({ "name": "web", "url": "https://example.com/id/1", "bus": "orders" });
        for (type_name, region, arn) in [
            ("iam_role", "eu-west-1", "arn:aws:iam::123456789012:role/acme/shop/test/web"),
            ("iam_role", "cn-north-1", "arn:aws-cn:iam::123456789012:role/acme/shop/test/web"),
            ("iam_policy", "us-gov-west-1", "arn:aws-us-gov:iam::123456789012:policy/acme/shop/test/web"),
            ("instance_profile", "eusc-de-east-1", "arn:aws-eusc:iam::123456789012:instance-profile/acme/shop/test/web"),
            ("oidc_provider", "eu-west-1", "arn:aws:iam::123456789012:oidc-provider/example.com/id/1"),
            ("s3_bucket", "us-iso-east-1", "arn:aws-iso:s3:::web"),
            ("sqs_queue", "cn-north-1", "arn:aws-cn:sqs:cn-north-1:123456789012:web"),
            ("eks_cluster", "us-isob-east-1", "arn:aws-iso-b:eks:us-isob-east-1:123456789012:cluster/web"),
            ("event_rule", "eu-west-1", "arn:aws:events:eu-west-1:123456789012:rule/orders/web"),
            ("log_group", "eu-west-1", "arn:aws:logs:eu-west-1:123456789012:log-group:web"),
            ("dashboard", "eu-west-1", "arn:aws:cloudwatch::123456789012:dashboard/web"),
            ("ecr_repository", "eu-west-1", "arn:aws:ecr:eu-west-1:123456789012:repository/web"),
            ("rds_instance", "eu-west-1", "arn:aws:rds:eu-west-1:123456789012:db:web"),
            ("rds_subnet_group", "eu-west-1", "arn:aws:rds:eu-west-1:123456789012:subgrp:web"),
            ("rds_parameter_group", "eu-west-1", "arn:aws:rds:eu-west-1:123456789012:pg:web"),
        ] {
            assert_eq!(output(type_name, region, &spec, "arn"), Some(json!(arn)), "{type_name}");
        }
        for name in ["shop/web", "/shop/web"] {
            let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/web";
            assert_eq!(output("parameter", "eu-west-1", &json!({ "name": name }), "arn"), Some(json!(arn)), "{name}");
        }
        assert_eq!(output("iam_policy", "eu-west-1", &spec, "id"), output("iam_policy", "eu-west-1", &spec, "arn"));
        assert_eq!(output("iam_role", "eu-west-1", &spec, "id"), Some(json!("web")));
    }

    /// Neither ids with parts that AWS generates, such as the suffix of a secret's ARN, nor names that are not known yet.
    #[test]
    fn does_not_determine_generated_parts_and_unknown_names() {
        let spec = json!({ "name": "web", "cidr": "10.0.0.0/16", "domain": "example.com", "type": "application", "scope": "regional" });
        for type_name in
            ["secret", "load_balancer", "target_group", "listener", "kms_key", "vpc", "subnet", "certificate", "dns_zone", "waf_web_acl"]
        {
            for name in ["id", "arn"] {
                assert_eq!(output(type_name, "eu-west-1", &spec, name), None, "{type_name}");
            }
        }
        // SQS answers with the host name of the endpoint that was called.
        assert_eq!(output("sqs_queue", "eu-west-1", &spec, "id"), None);
        for spec in [json!({ "name": null }), json!({ "name": "${iam_policy.a.unique_id}" }), json!({})] {
            assert_eq!(output("iam_role", "eu-west-1", &spec, "arn"), None, "{spec}");
        }
        assert_eq!(output("iam_role", "eu-west-1", &json!({ "name": "web" }), "unique_id"), None);
    }

    #[test]
    fn determines_fields_and_outputs_with_a_pattern() {
        let key = json!({ "name": "alias/web", "key_spec": "SYMMETRIC_DEFAULT", "policy": null });
        assert_eq!(output("kms_key", "eu-west-1", &key, "alias"), Some(json!("alias/web")));
        assert_eq!(output("kms_key", "eu-west-1", &key, "key_spec"), Some(json!("SYMMETRIC_DEFAULT")));
        assert_eq!(output("kms_key", "eu-west-1", &key, "policy"), None);
        let entry = json!({ "cluster": { "id": "main" }, "principal_arn": "arn:aws:iam::123456789012:role/x" });
        assert_eq!(output("eks_access_entry", "eu-west-1", &entry, "id"), Some(json!("main/arn:aws:iam::123456789012:role/x")));
    }

    #[test]
    fn patterns_name_their_fields() {
        assert_eq!(fields_in("{arn:loadbalancer/}", "{arn}", "arn:{type|network=net|app}/{name}"), ["name", "type"].into());
        assert_eq!(fields_in("{id}", "{arn}", "{id}"), [].into());
        assert_eq!(fields_in("parameter/{/name}", "", ""), ["name"].into());
        assert_eq!((choose("true=.fifo|", "true"), choose("true=.fifo|", "false"), choose("app", "x")), (".fifo", "", "app"));
    }
}
