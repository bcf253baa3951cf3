//! `cloudfront_headers_policy`: headers that CloudFront adds to responses and removes from them.

mod cors;
mod security;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudfront::{
    operation::get_response_headers_policy::GetResponseHeadersPolicyOutput,
    types::{
        ResponseHeadersPolicyConfig, ResponseHeadersPolicyCustomHeader, ResponseHeadersPolicyCustomHeadersConfig,
        ResponseHeadersPolicyRemoveHeader, ResponseHeadersPolicyRemoveHeadersConfig, ResponseHeadersPolicyServerTimingHeadersConfig,
        ResponseHeadersPolicyType,
    },
};

use super::{
    cloudfront_cache_policy::{MAX_COMMENT, adopt_spelling, quantity},
    prelude::*,
};
use crate::{
    aws::services::cloudfront::{mark_problem, marked, ownership, partition_problem, split_mark},
    core::{TagChange, Tags},
};

pub use cors::Cors;
pub use security::{ContentSecurityPolicy, ContentTypeOptions, FrameOptions, ReferrerPolicy, TransportSecurity, XssProtection};

/// A response headers policy of CloudFront: headers that it adds to responses, and removes from them.
#[spec]
pub struct CloudfrontHeadersPolicy {
    /// Name, unique in the account.
    #[field(name(max = 128), pattern = "[A-Za-z0-9_-]+")]
    pub name: Option<String>,
    /// Comment. acme adds a mark of its ownership, because AWS stores no tags for policies.
    #[field(default, length = 0..=128)]
    pub comment: String,
    /// Headers for requests from pages of other origins (CORS).
    #[field(default, important, dropped = None)]
    pub cors: Option<Cors>,
    /// `Content-Security-Policy`: sources from which a page may load.
    #[field(default, dropped = None)]
    pub content_security_policy: Option<ContentSecurityPolicy>,
    /// `X-Content-Type-Options: nosniff`: browsers don't guess the types of contents.
    #[field(default, dropped = None)]
    pub content_type_options: Option<ContentTypeOptions>,
    /// `X-Frame-Options`: which pages may show a page in a frame.
    #[field(default, dropped = None)]
    pub frame_options: Option<FrameOptions>,
    /// `Referrer-Policy`: the address of a page that browsers send to sites to which it links.
    #[field(default, dropped = None)]
    pub referrer_policy: Option<ReferrerPolicy>,
    /// `Strict-Transport-Security`: browsers use HTTPS only.
    #[field(default, important, dropped = None)]
    pub strict_transport_security: Option<TransportSecurity>,
    /// `X-XSS-Protection`, for old browsers.
    #[field(default, dropped = None)]
    pub xss_protection: Option<XssProtection>,
    /// Headers to add, by name.
    #[field(default, length = 0..=20)]
    pub custom: BTreeMap<String, CustomHeader>,
    /// Names of headers of the origin to remove.
    #[field(default, length = 0..=20, pattern = "[A-Za-z0-9!#$%&'*+.^_`|~-]+")]
    pub removed: BTreeSet<String>,
    /// Percentage of responses with the header `Server-Timing`, which shows how CloudFront handled the request.
    #[field(unset = "no such header", range = 0..=100, dropped = None)]
    pub server_timing_percent: Option<f64>,
}

/// A header to add.
#[spec]
#[derive(PartialEq)]
pub struct CustomHeader {
    /// Value, which every viewer sees.
    #[field(length = 0..=1783)]
    pub value: String,
    /// Replaces the header of the origin, if it has one.
    #[field(default = true)]
    pub replace: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for CloudfrontHeadersPolicy {
    const TYPE: TypeInfo = TypeInfo::new("cloudfront_headers_policy", &services::cloudfront::SERVICE, "{uuid}", "")
        .without_charge("settings of distributions cost nothing")
        .global()
        .ownership_beside()
        .listed_with(&["cloudfront_distribution"])
        .without_token()
        .quota(20, "TooManyResponseHeadersPolicies")
        .not_found("NoSuchResponseHeadersPolicy")
        .already_exists("ResponseHeadersPolicyAlreadyExists")
        .in_use("ResponseHeadersPolicyInUse")
        .iam_actions(
            IamActions::new("cloudfront:response-headers-policy/*")
                .list(&["cloudfront:ListResponseHeadersPolicies"])
                .read(&["cloudfront:GetResponseHeadersPolicy"])
                .change(&["cloudfront:DeleteResponseHeadersPolicy", "cloudfront:UpdateResponseHeadersPolicy"])
                .grants(&[IamGrant::change(&["cloudfront:CreateResponseHeadersPolicy"], GrantTarget::AllResources)]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// The list has everything but the version.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let call = aws.cloudfront.list_response_headers_policies().r#type(ResponseHeadersPolicyType::Custom);
            let Some(list) = call.set_marker(marker).send().await?.response_headers_policy_list else { break };
            for policy in list.items.unwrap_or_default().into_iter().filter_map(|item| item.response_headers_policy) {
                let config = policy.response_headers_policy_config.ok_or_else(|| Error::missing_field("ResponseHeadersPolicyConfig"))?;
                let (comment, tags) = split_mark(config.comment.as_deref().unwrap_or_default(), Self::TYPE.name);
                if scope.covers(&config.name, &policy.id) || scope.owns(&tags) {
                    found.push(Observed::new(policy.id, tags, Self::read(config, comment), Outputs {}));
                }
            }
            marker = list.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let config = self.config(&ownership(cx.call))?;
        let reply = cx.cloudfront.create_response_headers_policy().response_headers_policy_config(config).send().await?;
        Ok(reply.response_headers_policy.ok_or_else(|| Error::missing_field("ResponseHeadersPolicy"))?.id.into())
    }

    /// UpdateResponseHeadersPolicy replaces the whole policy, so parts that the definition does not manage are read and sent back.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CloudfrontHeadersPolicyChanges) -> Result<()> {
        let reply = get(cx, &live.id).await?;
        let current = reply.response_headers_policy.and_then(|policy| policy.response_headers_policy_config);
        let current = Self::read(current.ok_or_else(|| Error::missing_field("ResponseHeadersPolicyConfig"))?, String::new());
        let mut wanted = self.clone();
        // What the definition leaves alone stays as it is.
        macro_rules! keep {
            ($($field:ident),*) => { $(if !changes.$field && wanted.$field.is_none() { wanted.$field = current.$field; })* };
        }
        keep!(cors, content_security_policy, content_type_options, frame_options, referrer_policy);
        keep!(strict_transport_security, xss_protection, server_timing_percent);
        put(cx, &live.id, reply.e_tag, wanted.config(&ownership(cx.call))?).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let version = get(cx, &live.id).await?.e_tag;
        Deletion::requested(cx.cloudfront.delete_response_headers_policy().id(&live.id).set_if_match(version).send().await)
    }

    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let reply = get(aws, change.id).await?;
        let config = reply.response_headers_policy.and_then(|policy| policy.response_headers_policy_config);
        let mut config = config.ok_or_else(|| Error::missing_field("ResponseHeadersPolicyConfig"))?;
        let (comment, _) = split_mark(config.comment.as_deref().unwrap_or_default(), Self::TYPE.name);
        config.comment = Some(marked(&comment, change.after));
        put(aws, change.id, reply.e_tag, config).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let names: BTreeSet<String> = self.removed.iter().map(|name| name.to_ascii_lowercase()).collect();
        for name in self.custom.keys() {
            if names.contains(&name.to_ascii_lowercase()) {
                let message = format!("`{name}` is also in `removed`: CloudFront removes a header, or sets it");
                problems.push(Problem::new(Self::POINTERS.custom.item(name), message));
            }
            if security::HEADERS.iter().any(|header| header.eq_ignore_ascii_case(name)) {
                let message = format!("CloudFront does not accept `{name}` as a custom header");
                problems.push(Problem::new(Self::POINTERS.custom.item(name), message).help("use the field for it"));
            }
        }
        problems.extend(self.cors.iter().filter_map(|cors| cors.problem(Self::POINTERS.cors)));
        problems.extend(self.xss_protection.iter().filter_map(|xss| xss.problem(Self::POINTERS.xss_protection)));
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let mark = mark_problem(declared, Self::POINTERS.comment, &spec.comment, MAX_COMMENT);
        mark.into_iter().chain(partition_problem(declared.region())).collect()
    }

    fn normalize(&self, live: &mut Self) {
        adopt_spelling(&self.removed, &mut live.removed);
        if let (Some(wanted), Some(live)) = (&self.cors, &mut live.cors) {
            adopt_spelling(&wanted.headers, &mut live.headers);
            adopt_spelling(&wanted.exposed_headers, &mut live.exposed_headers);
        }
    }
}

impl CloudfrontHeadersPolicy {
    fn config(&self, tags: &Tags) -> Result<ResponseHeadersPolicyConfig> {
        let header = |(name, header): (&String, &CustomHeader)| {
            ResponseHeadersPolicyCustomHeader::builder().header(name).value(&header.value).r#override(header.replace).build()
        };
        let custom = self.custom.iter().map(header).collect::<std::result::Result<Vec<_>, _>>()?;
        let custom =
            ResponseHeadersPolicyCustomHeadersConfig::builder().quantity(quantity(custom.len())).set_items(Some(custom)).build()?;
        let removed = self.removed.iter().map(|name| ResponseHeadersPolicyRemoveHeader::builder().header(name).build());
        let removed = removed.collect::<std::result::Result<Vec<_>, _>>()?;
        let removed =
            ResponseHeadersPolicyRemoveHeadersConfig::builder().quantity(quantity(removed.len())).set_items(Some(removed)).build()?;
        let timing = ResponseHeadersPolicyServerTimingHeadersConfig::builder();
        let timing = self.server_timing_percent.map(|percent| timing.enabled(true).sampling_rate(percent).build()).transpose()?;
        let config = ResponseHeadersPolicyConfig::builder().name(self.name.clone().unwrap_or_default());
        let config = config.comment(marked(&self.comment, tags)).set_cors_config(self.cors.as_ref().map(Cors::to_sdk).transpose()?);
        let config = config.set_security_headers_config(security::to_sdk(self)?).set_server_timing_headers_config(timing);
        let config = config.set_custom_headers_config((!self.custom.is_empty()).then_some(custom));
        Ok(config.set_remove_headers_config((!self.removed.is_empty()).then_some(removed)).build()?)
    }

    fn read(config: ResponseHeadersPolicyConfig, comment: String) -> CloudfrontHeadersPolicy {
        let custom = config.custom_headers_config.and_then(|custom| custom.items).unwrap_or_default();
        let removed = config.remove_headers_config.and_then(|removed| removed.items).unwrap_or_default();
        let timing = config.server_timing_headers_config.filter(|timing| timing.enabled);
        let security = config.security_headers_config;
        let security = security.as_ref();
        CloudfrontHeadersPolicy {
            name: Some(config.name),
            comment,
            cors: config.cors_config.map(Cors::read),
            content_security_policy: security.and_then(|all| all.content_security_policy.as_ref()).map(ContentSecurityPolicy::read),
            content_type_options: security.and_then(|all| all.content_type_options.as_ref()).map(ContentTypeOptions::read),
            frame_options: security.and_then(|all| all.frame_options.as_ref()).map(FrameOptions::read),
            referrer_policy: security.and_then(|all| all.referrer_policy.as_ref()).map(ReferrerPolicy::read),
            strict_transport_security: security.and_then(|all| all.strict_transport_security.as_ref()).map(TransportSecurity::read),
            xss_protection: security.and_then(|all| all.xss_protection.as_ref()).map(XssProtection::read),
            custom: custom.into_iter().map(|one| (one.header, CustomHeader { value: one.value, replace: one.r#override })).collect(),
            removed: removed.into_iter().map(|one| one.header).collect(),
            server_timing_percent: timing.map(|timing| timing.sampling_rate.unwrap_or_default()),
        }
    }
}

async fn get(aws: &Aws, id: &str) -> Result<GetResponseHeadersPolicyOutput> {
    Ok(aws.cloudfront.get_response_headers_policy().id(id).send().await?)
}

async fn put(aws: &Aws, id: &str, version: Option<String>, config: ResponseHeadersPolicyConfig) -> Result<()> {
    aws.cloudfront.update_response_headers_policy().id(id).set_if_match(version).response_headers_policy_config(config).send().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_round_trips_through_the_sdk() {
        let spec = json!({
            "name": "web", "comment": "", "server_timing_percent": 12.5, "removed": ["Server"],
            "custom": { "X-Shop": { "value": "1", "replace": false } },
            "cors": { "origins": ["https://shop.example.com"], "headers": ["*"], "methods": ["GET", "PUT"], "exposed_headers": ["ETag"],
                      "credentials": false, "max_age_seconds": 60, "replace": true },
            "content_security_policy": { "policy": "default-src 'self'", "replace": true },
            "content_type_options": { "replace": true },
            "frame_options": { "option": "SAMEORIGIN", "replace": false },
            "referrer_policy": { "policy": "same-origin", "replace": true },
            "strict_transport_security": { "max_age_seconds": 31_536_000, "include_subdomains": true, "preload": false, "replace": true },
            "xss_protection": { "protection": true, "block": true, "report_uri": "", "replace": true },
        });
        let policy: CloudfrontHeadersPolicy = serde_json::from_value(spec.clone()).expect("a policy");
        let read = CloudfrontHeadersPolicy::read(policy.config(&Tags::new()).expect("complete"), String::new());
        assert_eq!(serde_json::to_value(read).ok(), Some(spec));
    }

    #[test]
    fn reports_headers_that_contradict_each_other() {
        let policy: CloudfrontHeadersPolicy = serde_json::from_value(json!({
            "removed": ["server"], "custom": { "Server": { "value": "shop" }, "X-Frame-Options": { "value": "DENY" } },
            "cors": { "origins": ["*"], "methods": ["GET"], "credentials": true },
            "xss_protection": { "block": true, "report_uri": "https://example.com/xss" },
        }))
        .expect("a policy");
        let pointers: Vec<String> = policy.check().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(pointers, ["/custom/Server", "/custom/X-Frame-Options", "/cors/credentials", "/xss_protection/report_uri"]);
    }
}
