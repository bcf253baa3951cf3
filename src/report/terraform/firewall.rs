//! Web firewalls in Terraform.

use aws_sdk_wafv2::types::{Rule, VisibilityConfig};
use serde_json::{Value, json};

use super::{
    firewall_statement::statement,
    mapping::{ResourceContext, SubResource, ToTerraform},
};
use crate::aws::{
    to_aws,
    types::{
        waf_association::WafAssociation,
        waf_ip_set::{Version, WafIpSet},
        waf_regex_set::WafRegexSet,
        waf_web_acl::{AclAction, WafWebAcl, WebAclScope},
    },
};

impl ToTerraform for WafWebAcl {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_web_acl";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let bodies = self.rules.iter().chain(&self.final_rules).filter_map(|rule| Some((rule, rule.response.as_ref()?)));
        let bodies = bodies.filter(|(_, response)| !response.body.is_empty()).map(|(rule, response)| {
            let kind = response.content_type.to_uppercase().replace('/', "_");
            json!({ "key": rule.name, "content": response.body, "content_type": kind })
        });
        let action = match self.default_action {
            AclAction::Allow => "allow",
            AclAction::Block => "block",
        };
        json!({
            "name": self.name,
            "scope": scope(self.scope),
            "description": self.description,
            "default_action": [{ action: [{}] }],
            "visibility_config": [{
                "metric_name": self.name,
                "cloudwatch_metrics_enabled": true,
                "sampled_requests_enabled": true,
            }],
            "custom_response_body": bodies.collect::<Vec<_>>(),
            // Building a rule fails only without fields that every rule here has.
            "rule": self.rules().unwrap_or_default().iter().map(rule).collect::<Vec<_>>(),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let Some(logging) = &self.logging else { return Vec::new() };
        let fields = logging.redacted.iter().map(|part| match part.as_str() {
            "path" => json!({ "uri_path": [{}] }),
            "query_string" => json!({ "query_string": [{}] }),
            "method" => json!({ "method": [{}] }),
            header => json!({ "single_header": [{ "name": header.trim_start_matches("header:") }] }),
        });
        let actions = logging.actions.iter().map(|action| json!({ "action_condition": [{ "action": to_aws(action).to_uppercase() }] }));
        let labels = logging.labels.iter().map(|label| json!({ "label_name_condition": [{ "label_name": label }] }));
        let conditions: Vec<_> = actions.chain(labels).collect();
        let filter = json!({
            "default_behavior": "DROP",
            "filter": [{ "behavior": "KEEP", "requirement": "MEETS_ANY", "condition": conditions }],
        });
        let filter: Vec<_> = (!conditions.is_empty()).then_some(filter).into_iter().collect();
        let arguments = json!({
            "resource_arn": at.output_reference("arn"),
            "log_destination_configs": [logging.destination],
            "redacted_fields": fields.collect::<Vec<_>>(),
            "logging_filter": filter,
        });
        vec![SubResource::single("aws_wafv2_web_acl_logging_configuration", arguments)]
    }
}

fn scope(reach: WebAclScope) -> &'static str {
    match reach {
        WebAclScope::Regional => "REGIONAL",
        WebAclScope::Cloudfront => "CLOUDFRONT",
    }
}

/// Rule in the form sent to AWS.
fn rule(rule: &Rule) -> Value {
    let action = rule.action().map(|action| {
        let response = action.block.as_ref().and_then(|block| block.custom_response.as_ref()).map(|response| {
            json!({ "custom_response": [{
                "response_code": response.response_code,
                "custom_response_body_key": response.custom_response_body_key,
            }] })
        });
        let empty = || json!([{}]);
        match action {
            action if action.allow.is_some() => json!({ "allow": empty() }),
            action if action.count.is_some() => json!({ "count": empty() }),
            action if action.captcha.is_some() => json!({ "captcha": empty() }),
            action if action.challenge.is_some() => json!({ "challenge": empty() }),
            _ => json!({ "block": [response.unwrap_or_else(|| json!({}))] }),
        }
    });
    let over = rule.override_action().map(|over| if over.count.is_some() { json!({ "count": [{}] }) } else { json!({ "none": [{}] }) });
    json!({
        "name": rule.name,
        "priority": rule.priority,
        "statement": rule.statement().map(statement).into_iter().collect::<Vec<_>>(),
        "rule_label": rule.rule_labels().iter().map(|label| json!({ "name": label.name })).collect::<Vec<_>>(),
        "action": action.into_iter().collect::<Vec<_>>(),
        "override_action": over.into_iter().collect::<Vec<_>>(),
        "visibility_config": rule.visibility_config().map(visibility).into_iter().collect::<Vec<_>>(),
    })
}

fn visibility(config: &VisibilityConfig) -> Value {
    json!({
        "metric_name": config.metric_name,
        "cloudwatch_metrics_enabled": config.cloud_watch_metrics_enabled,
        "sampled_requests_enabled": config.sampled_requests_enabled,
    })
}

impl ToTerraform for WafIpSet {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_ip_set";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "scope": scope(self.scope),
            "ip_address_version": match self.version {
                Version::Ipv4 => "IPV4",
                Version::Ipv6 => "IPV6",
            },
            "addresses": self.addresses,
            "description": self.description,
        })
    }
}

impl ToTerraform for WafRegexSet {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_regex_pattern_set";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let expressions = self.expressions.iter().map(|text| json!({ "regex_string": text }));
        json!({
            "name": self.name,
            "scope": scope(self.scope),
            "regular_expression": expressions.collect::<Vec<_>>(),
            "description": self.description,
        })
    }
}

impl ToTerraform for WafAssociation {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_web_acl_association";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "web_acl_arn": self.web_acl.get(), "resource_arn": self.resource })
    }
}
