//! CloudFront in Terraform.

use serde_json::{Value, json};

use super::{
    cloudfront_policies::name_list,
    mapping::{ResourceContext, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::aws::{
    to_aws,
    types::{
        cloudfront_access_control::CloudfrontAccessControl,
        cloudfront_distribution::{
            Behavior, CloudfrontDistribution, ErrorResponse, GeoRule, Origin, OriginAccess, OriginGroup, OriginType,
        },
        cloudfront_function::CloudfrontFunction,
    },
};

impl ToTerraform for CloudfrontAccessControl {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_origin_access_control";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "origin_access_control_origin_type": to_aws(&self.origin_type),
            "signing_behavior": to_aws(&self.signing),
            "signing_protocol": "sigv4",
        })
    }
}

impl ToTerraform for CloudfrontFunction {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_function";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "code": self.code,
            "comment": self.comment,
            "runtime": to_aws(&self.runtime),
            "publish": true,
            "key_value_store_associations": self.key_value_stores,
        })
    }
}

impl ToTerraform for CloudfrontDistribution {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_distribution";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let has_certificate = self.certificate.is_some() || self.iam_certificate.is_some();
        let geo = &self.geo_restriction;
        let rule = match geo.rule {
            GeoRule::None => "none",
            GeoRule::Allow => "whitelist",
            GeoRule::Block => "blacklist",
        };
        let log = self.access_log.as_ref();
        let log = log.map(|log| json!([{ "bucket": log.bucket, "prefix": log.prefix, "include_cookies": log.cookies }]));
        let behaviors = self.behaviors.iter().map(|behavior| {
            let mut block = behavior_block(behavior);
            block["path_pattern"] = behavior.path.clone().into();
            block
        });
        json!({
            "comment": self.comment,
            "enabled": self.enabled,
            "aliases": self.aliases,
            "viewer_certificate": [{
                "acm_certificate_arn": id_or_arn(self.certificate.as_ref()),
                "iam_certificate_id": self.iam_certificate,
                "cloudfront_default_certificate": (!has_certificate).then_some(true),
                "minimum_protocol_version": has_certificate.then_some(&self.minimum_tls),
                "ssl_support_method": has_certificate.then_some(&self.tls_clients),
            }],
            "origin": self.origins.iter().map(|(id, origin)| origin_block(id, origin)).collect::<Vec<_>>(),
            "origin_group": self.origin_groups.iter().map(|(id, group)| group_block(id, group)).collect::<Vec<_>>(),
            "default_cache_behavior": [behavior_block(&self.default_behavior)],
            "ordered_cache_behavior": behaviors.collect::<Vec<_>>(),
            "default_root_object": non_empty(&self.root_object),
            "custom_error_response": self.error_responses.iter().map(error_block).collect::<Vec<_>>(),
            "web_acl_id": id_or_arn(self.web_acl.as_ref()),
            "restrictions": [{ "geo_restriction": [{ "restriction_type": rule, "locations": geo.countries }] }],
            "logging_config": log,
            "price_class": to_aws(&self.price_class),
            "http_version": to_aws(&self.http_version),
            "is_ipv6_enabled": self.ipv6,
            "anycast_ip_list_id": self.anycast_ip_list,
            "wait_for_deployment": self.wait_until_deployed,
        })
    }
}

fn origin_block(id: &str, origin: &Origin) -> Value {
    let headers = origin.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let custom = match &origin.kind {
        OriginType::Custom(custom) => Some(json!([{
            "http_port": custom.http_port,
            "https_port": custom.https_port,
            "origin_protocol_policy": to_aws(&custom.protocol),
            "origin_ssl_protocols": custom.tls,
            "origin_read_timeout": origin.read_timeout_seconds,
            "origin_keepalive_timeout": custom.keepalive_seconds,
            "ip_address_type": to_aws(&custom.ip),
        }])),
        _ => None,
    };
    let vpc = match &origin.kind {
        OriginType::Vpc(vpc) => Some(json!([{
            "vpc_origin_id": vpc.id,
            "owner_account_id": non_empty(&vpc.account),
            "origin_read_timeout": origin.read_timeout_seconds,
            "origin_keepalive_timeout": vpc.keepalive_seconds,
        }])),
        _ => None,
    };
    let (control, identity) = match &origin.access {
        OriginAccess::None => (None, None),
        OriginAccess::Control(control) => (Some(control.get()), None),
        OriginAccess::Identity(identity) => (None, Some(format!("origin-access-identity/cloudfront/{identity}"))),
    };
    let shield = non_empty(&origin.shield_region).map(|region| json!([{ "enabled": true, "origin_shield_region": region }]));
    json!({
        "origin_id": id,
        "domain_name": origin.domain,
        "origin_path": non_empty(&origin.path),
        "custom_header": headers.collect::<Vec<_>>(),
        "custom_origin_config": custom,
        "vpc_origin_config": vpc,
        "s3_origin_config": identity.map(|identity| json!([{ "origin_access_identity": identity }])),
        "origin_access_control_id": control,
        "connection_attempts": origin.connection_attempts,
        "connection_timeout": origin.connection_timeout_seconds,
        "response_completion_timeout": Some(origin.response_timeout_seconds).filter(|seconds| *seconds > 0),
        "origin_shield": shield,
    })
}

fn group_block(id: &str, group: &OriginGroup) -> Value {
    json!({
        "origin_id": id,
        "failover_criteria": [{ "status_codes": group.status_codes }],
        "member": [{ "origin_id": group.primary }, { "origin_id": group.secondary }],
    })
}

fn behavior_block(behavior: &Behavior) -> Value {
    let functions = behavior.functions.iter().map(|(event, function)| json!({ "event_type": event, "function_arn": function.get() }));
    let lambdas = behavior
        .lambda_functions
        .iter()
        .map(|(event, function)| json!({ "event_type": event, "lambda_arn": function.version, "include_body": function.include_body }));
    let cached: &[&str] = if behavior.cache_options { &["GET", "HEAD", "OPTIONS"] } else { &["GET", "HEAD"] };
    json!({
        "target_origin_id": behavior.origin,
        "viewer_protocol_policy": to_aws(&behavior.viewer_protocol),
        "allowed_methods": behavior.methods.names(),
        "cached_methods": cached,
        "compress": behavior.compress,
        "cache_policy_id": behavior.cache_policy.id(),
        "origin_request_policy_id": behavior.origin_request_policy.id(),
        "response_headers_policy_id": behavior.headers_policy.id(),
        "function_association": functions.collect::<Vec<_>>(),
        "lambda_function_association": lambdas.collect::<Vec<_>>(),
        "trusted_key_groups": name_list(&behavior.trusted_key_groups),
        "realtime_log_config_arn": non_empty(&behavior.realtime_log),
        "field_level_encryption_id": non_empty(&behavior.field_level_encryption),
        "smooth_streaming": behavior.smooth_streaming,
        "grpc_config": [{ "enabled": behavior.grpc }],
    })
}

fn error_block(response: &ErrorResponse) -> Value {
    json!({
        "error_code": response.code,
        "response_page_path": non_empty(&response.page),
        "response_code": Some(response.response_code).filter(|code| *code > 0),
        "error_caching_min_ttl": response.min_ttl_seconds,
    })
}
