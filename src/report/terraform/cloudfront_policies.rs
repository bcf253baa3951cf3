//! Policies of CloudFront in Terraform.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    mapping::{ResourceContext, ToTerraform},
    monitoring::non_empty,
};
use crate::aws::types::{
    cloudfront_cache_policy::{CloudfrontCachePolicy, NameSelection},
    cloudfront_headers_policy::{CloudfrontHeadersPolicy, Cors},
    cloudfront_origin_request_policy::{CloudfrontOriginRequestPolicy, HeaderSelection},
};

/// Names; `None` without any.
pub fn name_list(names: &BTreeSet<String>) -> Option<&BTreeSet<String>> {
    (!names.is_empty()).then_some(names)
}

fn items(names: &BTreeSet<String>) -> Value {
    json!([{ "items": names }])
}

fn cookies(selection: &NameSelection) -> Value {
    json!([{ "cookie_behavior": selection.behavior(), "cookies": selection.names().map(items) }])
}

fn query_strings(selection: &NameSelection) -> Value {
    json!([{ "query_string_behavior": selection.behavior(), "query_strings": selection.names().map(items) }])
}

impl ToTerraform for CloudfrontCachePolicy {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_cache_policy";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let behavior = if self.headers.is_empty() { "none" } else { "whitelist" };
        json!({
            "name": self.name,
            "comment": self.comment,
            "min_ttl": self.min_ttl_seconds,
            "default_ttl": self.default_ttl_seconds,
            "max_ttl": self.max_ttl_seconds,
            "parameters_in_cache_key_and_forwarded_to_origin": [{
                "enable_accept_encoding_gzip": self.gzip,
                "enable_accept_encoding_brotli": self.brotli,
                "headers_config": [{ "header_behavior": behavior, "headers": name_list(&self.headers).map(items) }],
                "cookies_config": cookies(&self.cookies),
                "query_strings_config": query_strings(&self.query_strings),
            }],
        })
    }
}

impl ToTerraform for CloudfrontOriginRequestPolicy {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_origin_request_policy";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let (behavior, names) = match &self.headers {
            HeaderSelection::None => ("none", None),
            HeaderSelection::AllViewer => ("allViewer", None),
            HeaderSelection::AllViewerAnd(names) => ("allViewerAndWhitelistCloudFront", Some(names)),
            HeaderSelection::Only(names) => ("whitelist", Some(names)),
            HeaderSelection::Except(names) => ("allExcept", Some(names)),
        };
        json!({
            "name": self.name,
            "comment": self.comment,
            "headers_config": [{ "header_behavior": behavior, "headers": names.map(items) }],
            "cookies_config": cookies(&self.cookies),
            "query_strings_config": query_strings(&self.query_strings),
        })
    }
}

impl ToTerraform for CloudfrontHeadersPolicy {
    const TERRAFORM_TYPE: &'static str = "aws_cloudfront_response_headers_policy";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let custom = self.custom.iter().map(|(name, header)| json!({ "header": name, "value": header.value, "override": header.replace }));
        let custom = (!self.custom.is_empty()).then(|| json!([{ "items": custom.collect::<Vec<_>>() }]));
        let removed = self.removed.iter().map(|name| json!({ "header": name }));
        let removed = (!self.removed.is_empty()).then(|| json!([{ "items": removed.collect::<Vec<_>>() }]));
        let timing = self.server_timing_percent.map(|percent| json!([{ "enabled": true, "sampling_rate": percent }]));
        json!({
            "name": self.name,
            "comment": self.comment,
            "cors_config": self.cors.as_ref().map(cors),
            "security_headers_config": security(self),
            "custom_headers_config": custom,
            "remove_headers_config": removed,
            "server_timing_headers_config": timing,
        })
    }
}

fn cors(cors: &Cors) -> Value {
    json!([{
        "access_control_allow_origins": items(&cors.origins),
        "access_control_allow_headers": items(&cors.headers),
        "access_control_allow_methods": items(&cors.methods),
        "access_control_expose_headers": name_list(&cors.exposed_headers).map(items),
        "access_control_allow_credentials": cors.credentials,
        "access_control_max_age_sec": cors.max_age_seconds,
        "origin_override": cors.replace,
    }])
}

/// The block of headers for security; `None` without any.
fn security(policy: &CloudfrontHeadersPolicy) -> Option<Value> {
    let contents = policy.content_security_policy.as_ref();
    let types = policy.content_type_options.as_ref();
    let frames = policy.frame_options.as_ref();
    let referrer = policy.referrer_policy.as_ref();
    let transport = policy.strict_transport_security.as_ref();
    let xss = policy.xss_protection.as_ref();
    let block = json!({
        "content_security_policy": contents.map(|one| json!([{ "content_security_policy": one.policy, "override": one.replace }])),
        "content_type_options": types.map(|one| json!([{ "override": one.replace }])),
        "frame_options": frames.map(|one| json!([{ "frame_option": one.option, "override": one.replace }])),
        "referrer_policy": referrer.map(|one| json!([{ "referrer_policy": one.policy, "override": one.replace }])),
        "strict_transport_security": transport.map(|one| json!([{
            "access_control_max_age_sec": one.max_age_seconds,
            "include_subdomains": one.include_subdomains,
            "preload": one.preload,
            "override": one.replace,
        }])),
        "xss_protection": xss.map(|one| json!([{
            "protection": one.protection,
            "mode_block": one.block,
            "report_uri": non_empty(&one.report_uri),
            "override": one.replace,
        }])),
    });
    let has_any = block.as_object().is_some_and(|block| block.values().any(|value| !value.is_null()));
    has_any.then(|| json!([block]))
}
