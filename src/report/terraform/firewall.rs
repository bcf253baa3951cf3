//! Web firewalls in Terraform.

use aws_sdk_wafv2::types::{Rule, VisibilityConfig};
use serde_json::{Value, json};

use super::mapping::{ResourceContext, ToTerraform};
use crate::aws::types::{
    waf_association::WafAssociation,
    waf_ip_set::{Version, WafIpSet},
    waf_web_acl::{AclAction, WafWebAcl, WebAclScope},
};

impl ToTerraform for WafWebAcl {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_web_acl";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
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
            // Building a rule fails only without fields that every rule here has.
            "rule": self.rules().unwrap_or_default().iter().map(rule).collect::<Vec<_>>(),
        })
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
    let statement = rule.statement();
    let set =
        statement.and_then(|s| s.ip_set_reference_statement()).map(|set| json!({ "ip_set_reference_statement": [{ "arn": set.arn }] }));
    let limit = statement.and_then(|s| s.rate_based_statement()).map(|limit| {
        json!({ "rate_based_statement": [{
            "limit": limit.limit,
            "aggregate_key_type": limit.aggregate_key_type.as_str(),
            "evaluation_window_sec": limit.evaluation_window_sec,
        }] })
    });
    let group = statement.and_then(|s| s.managed_rule_group_statement()).map(|group| {
        let counted = group.rule_action_overrides().iter().map(|one| json!({ "name": one.name, "action_to_use": [{ "count": [{}] }] }));
        json!({ "managed_rule_group_statement": [{
            "name": group.name,
            "vendor_name": group.vendor_name,
            "version": group.version,
            "rule_action_override": counted.collect::<Vec<_>>(),
        }] })
    });
    let action = rule.action().map(|action| match (&action.allow, &action.count) {
        (Some(_), _) => json!({ "allow": [{}] }),
        (_, Some(_)) => json!({ "count": [{}] }),
        _ => json!({ "block": [{}] }),
    });
    let over = rule.override_action().map(|over| if over.count.is_some() { json!({ "count": [{}] }) } else { json!({ "none": [{}] }) });
    json!({
        "name": rule.name,
        "priority": rule.priority,
        "statement": set.or(limit).or(group).into_iter().collect::<Vec<_>>(),
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

impl ToTerraform for WafAssociation {
    const TERRAFORM_TYPE: &'static str = "aws_wafv2_web_acl_association";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "web_acl_arn": self.web_acl.get(), "resource_arn": self.resource })
    }
}
