//! Rates of requests at which a rule applies.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    FallbackBehavior, ForwardedIpConfig, RateBasedStatement, RateBasedStatementAggregateKeyType as KeyType,
    RateBasedStatementCustomKey as CustomKey, RateLimitAsn, RateLimitCookie, RateLimitForwardedIp, RateLimitHeader, RateLimitHttpMethod,
    RateLimitIp, RateLimitJa3Fingerprint, RateLimitJa4Fingerprint, RateLimitLabelNamespace, RateLimitQueryArgument, RateLimitQueryString,
    RateLimitUriPath, Statement,
};

use super::{
    request_match::{Transform, read_transformations, transformations},
    rule::DEFAULT_WINDOW_SECONDS,
};
use crate::core::{Error, Result};

/// Rate of requests.
#[spec]
#[derive(PartialEq)]
pub struct Rate {
    /// Maximum number of requests in the window.
    #[field(range = 10..=2_000_000_000)]
    pub requests: u32,
    /// The window, in seconds.
    #[field(default = DEFAULT_WINDOW_SECONDS, one_of = [60, 120, 300, 600])]
    pub window_seconds: u32,
    /// What distinguishes clients, of which each has its own count: `ip`, `forwarded_ip`, `asn`, `path`, `method`, `query_string`,
    /// `header:NAME`, `cookie:NAME`, `query_argument:NAME`, `label_namespace:NAME`, `ja3` or `ja4`. Requests are counted per combination
    /// of these; without any, all that meet the conditions of the rule count together.
    #[field(
        default = BTreeSet::from(["ip".to_owned()]),
        length = 0..=5,
        pattern = "ip|forwarded_ip|asn|path|method|query_string|ja3|ja4|(header|cookie|query_argument|label_namespace):.+"
    )]
    pub keys: BTreeSet<String>,
    /// Header with the client's address for `forwarded_ip`. Requests with an invalid address in it are not counted.
    #[field(default = "X-Forwarded-For", length = 1..=255, pattern = "[a-zA-Z0-9-]+")]
    pub forwarded_header: String,
    /// Changes to path, query, headers, cookies and arguments before they are compared, in this order.
    #[field(default, length = 0..=10)]
    pub transform: Vec<Transform>,
}

impl Rate {
    /// Problems of the rate in a rule with, or without, conditions.
    pub(super) fn problem(&self, has_conditions: bool) -> Option<&'static str> {
        (self.keys.is_empty() && !has_conditions)
            .then_some("a rate without `keys` counts all requests that meet the rule's `conditions`, so it needs some")
    }

    fn key_type(&self) -> KeyType {
        match self.keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => KeyType::Constant,
            ["ip"] => KeyType::Ip,
            ["forwarded_ip"] => KeyType::ForwardedIp,
            _ => KeyType::CustomKeys,
        }
    }

    /// Statement in WAF's format, about the requests that match `scope`.
    pub(super) fn statement(&self, scope: Option<Statement>) -> Result<Statement> {
        let kind = self.key_type();
        let rate = RateBasedStatement::builder().limit(self.requests.into()).evaluation_window_sec(self.window_seconds.into());
        let custom = (kind == KeyType::CustomKeys).then(|| self.keys.iter().map(|key| self.custom_key(key)).collect::<Result<Vec<_>>>());
        let forwarded = ForwardedIpConfig::builder().header_name(&self.forwarded_header).fallback_behavior(FallbackBehavior::NoMatch);
        let forwarded = self.keys.contains("forwarded_ip").then(|| forwarded.build()).transpose()?;
        let rate = rate.set_custom_keys(custom.transpose()?).set_forwarded_ip_config(forwarded).aggregate_key_type(kind);
        let rate = rate.set_scope_down_statement(scope.map(Box::new)).build()?;
        Ok(Statement::builder().rate_based_statement(rate).build())
    }

    fn custom_key(&self, text: &str) -> Result<CustomKey> {
        let all = transformations(&self.transform)?;
        let key = CustomKey::builder();
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let key = match kind {
            "ip" => key.ip(RateLimitIp::builder().build()),
            "forwarded_ip" => key.forwarded_ip(RateLimitForwardedIp::builder().build()),
            "asn" => key.asn(RateLimitAsn::builder().build()),
            "method" => key.http_method(RateLimitHttpMethod::builder().build()),
            "path" => key.uri_path(RateLimitUriPath::builder().set_text_transformations(Some(all)).build()?),
            "query_string" => key.query_string(RateLimitQueryString::builder().set_text_transformations(Some(all)).build()?),
            "header" => key.header(RateLimitHeader::builder().name(name).set_text_transformations(Some(all)).build()?),
            "cookie" => key.cookie(RateLimitCookie::builder().name(name).set_text_transformations(Some(all)).build()?),
            "query_argument" => {
                key.query_argument(RateLimitQueryArgument::builder().name(name).set_text_transformations(Some(all)).build()?)
            }
            "label_namespace" => key.label_namespace(RateLimitLabelNamespace::builder().namespace(name).build()?),
            // Requests without a fingerprint are not counted.
            "ja3" => key.ja3_fingerprint(RateLimitJa3Fingerprint::builder().fallback_behavior(FallbackBehavior::NoMatch).build()?),
            "ja4" => key.ja4_fingerprint(RateLimitJa4Fingerprint::builder().fallback_behavior(FallbackBehavior::NoMatch).build()?),
            _ => return Err(Error::missing_field("CustomKeys")),
        };
        Ok(key.build())
    }

    /// The inverse of [`Rate::statement`], without its scope; `None` for a statement that acme does not manage.
    pub(super) fn read(rate: &RateBasedStatement) -> Option<Rate> {
        let mut transform = None;
        let keys = match &rate.aggregate_key_type {
            KeyType::Constant => BTreeSet::new(),
            KeyType::Ip => BTreeSet::from(["ip".to_owned()]),
            KeyType::ForwardedIp => BTreeSet::from(["forwarded_ip".to_owned()]),
            KeyType::CustomKeys => {
                let keys: Option<Vec<_>> = rate.custom_keys().iter().map(read_custom_key).collect();
                let (keys, transforms): (BTreeSet<_>, Vec<_>) = keys?.into_iter().unzip();
                let mut transforms = transforms.into_iter().flatten();
                transform = transforms.next();
                // All keys have the same in acme.
                if transforms.any(|other| Some(other) != transform) {
                    return None;
                }
                keys
            }
            _ => return None,
        };
        let forwarded = rate.forwarded_ip_config();
        if forwarded.is_some_and(|config| config.fallback_behavior != FallbackBehavior::NoMatch) {
            return None;
        }
        Some(Rate {
            requests: rate.limit.try_into().ok()?,
            // Stand-ins omit the default, which then reads as 0.
            window_seconds: rate.evaluation_window_sec.try_into().ok().filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_WINDOW_SECONDS),
            keys,
            forwarded_header: forwarded.map_or_else(Rate::default_forwarded_header, |config| config.header_name.clone()),
            transform: transform.unwrap_or_default(),
        })
    }
}

/// Text of a key, and its transformations if it can have some.
fn read_custom_key(key: &CustomKey) -> Option<(String, Option<Vec<Transform>>)> {
    let plain = |text: &str| Some((text.to_owned(), None));
    if key.ip.is_some() {
        plain("ip")
    } else if key.forwarded_ip.is_some() {
        plain("forwarded_ip")
    } else if key.asn.is_some() {
        plain("asn")
    } else if key.http_method.is_some() {
        plain("method")
    } else if let Some(path) = &key.uri_path {
        Some(("path".to_owned(), Some(read_transformations(&path.text_transformations)?)))
    } else if let Some(query) = &key.query_string {
        Some(("query_string".to_owned(), Some(read_transformations(&query.text_transformations)?)))
    } else if let Some(header) = &key.header {
        Some((format!("header:{}", header.name), Some(read_transformations(&header.text_transformations)?)))
    } else if let Some(cookie) = &key.cookie {
        Some((format!("cookie:{}", cookie.name), Some(read_transformations(&cookie.text_transformations)?)))
    } else if let Some(argument) = &key.query_argument {
        Some((format!("query_argument:{}", argument.name), Some(read_transformations(&argument.text_transformations)?)))
    } else if let Some(label) = &key.label_namespace {
        Some((format!("label_namespace:{}", label.namespace), None))
    } else if let Some(print) = &key.ja3_fingerprint {
        plain("ja3").filter(|_| print.fallback_behavior == FallbackBehavior::NoMatch)
    } else {
        let print = key.ja4_fingerprint.as_ref()?;
        plain("ja4").filter(|_| print.fallback_behavior == FallbackBehavior::NoMatch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rate(value: Value) -> Rate {
        serde_json::from_value(value).expect("a rate")
    }

    #[test]
    fn rates_read_back_as_they_were_written() {
        let keys = [
            json!([]),
            json!(["ip"]),
            json!(["forwarded_ip"]),
            json!(["header:x-api-key"]),
            json!(["asn", "cookie:session", "ip", "method", "path"]),
            json!(["forwarded_ip", "ja3", "ja4", "query_argument:id", "query_string"]),
            json!(["label_namespace:shop:seen:"]),
        ];
        for keys in keys {
            let rate = rate(json!({ "requests": 100, "window_seconds": 60, "keys": keys }));
            let built = rate.statement(None).expect("a statement");
            assert_eq!(built.rate_based_statement().and_then(Rate::read), Some(rate), "{built:?}");
        }
        let lowercase = rate(json!({ "requests": 10, "keys": ["header:a", "path"], "transform": ["lowercase"] }));
        let built = lowercase.statement(None).expect("a statement");
        assert_eq!(built.rate_based_statement().and_then(Rate::read), Some(lowercase));
    }

    #[test]
    fn a_rate_of_all_requests_needs_conditions() {
        let all = rate(json!({ "requests": 100, "keys": [] }));
        assert!(all.problem(false).is_some() && all.problem(true).is_none());
        assert!(rate(json!({ "requests": 100 })).problem(false).is_none());
    }
}
