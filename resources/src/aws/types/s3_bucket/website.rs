//! The website of a bucket.

use acme_macros::spec;
use aws_sdk_s3::types as s3;

use super::S3Bucket;
use crate::{
    aws::{Aws, from_aws, to_aws},
    core::{Problem, Result, ok_or_not_found},
};

/// A website without HTTPS, at `<bucket>.s3-website-<region>.amazonaws.com`. CloudFront serves a private bucket with HTTPS instead.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Website {
    /// Name of the object to return for a folder, such as `index.html`, without slashes. Required unless all requests are redirected.
    #[field(default, length = 0..=1024, pattern = "[^/]*", conflicts_with = redirect_all)]
    pub index_document: String,
    /// Name of the object to return for errors, such as `errors/404.html`.
    #[field(default, length = 0..=1024, conflicts_with = redirect_all)]
    pub error_document: String,
    /// Redirects all requests to another host.
    #[field(default, dropped = None)]
    pub redirect_all: Option<RedirectAll>,
    /// Redirects some requests. The first rule whose conditions are met applies.
    #[field(default, length = 0..=50, conflicts_with = redirect_all)]
    pub routing_rules: Vec<RoutingRule>,
}

/// Host to which all requests are redirected.
#[spec]
#[derive(PartialEq, Eq)]
pub struct RedirectAll {
    /// Host name.
    #[field(length = 1..=255)]
    pub host: String,
    /// Protocol.
    #[field(unset = "that of the request", dropped = None)]
    pub protocol: Option<WebProtocol>,
}

/// Protocol of a redirect.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum WebProtocol {
    Http,
    Https,
}

/// A redirect of some requests.
#[spec]
#[derive(PartialEq, Eq)]
pub struct RoutingRule {
    /// Prefix of the requested object's name; empty for any.
    #[field(default, length = 0..=1024)]
    pub prefix: String,
    /// HTTP status of the error that the request would get, such as `404`; empty for any request.
    #[field(default, pattern = "([45][0-9]{2})?")]
    pub error_code: String,
    /// Host to redirect to.
    #[field(unset = "that of the request", dropped = None, length = 1..=255)]
    pub host: Option<String>,
    /// Protocol to redirect to.
    #[field(unset = "that of the request", dropped = None)]
    pub protocol: Option<WebProtocol>,
    /// HTTP status of the redirect.
    #[field(default = "301", pattern = "3[0-9]{2}")]
    pub status_code: String,
    /// Text that replaces the prefix in the name; `""` removes it.
    #[field(unset = "the prefix stays", dropped = None, length = 0..=1024, conflicts_with = replace_name)]
    pub replace_prefix: Option<String>,
    /// Name of the object to redirect to.
    #[field(unset = "the name stays", dropped = None, length = 1..=1024)]
    pub replace_name: Option<String>,
}

impl Website {
    pub(super) fn check(&self) -> Vec<Problem> {
        let at = S3Bucket::POINTERS.website;
        let mut problems = Vec::new();
        if self.redirect_all.is_none() && self.index_document.is_empty() {
            let problem = Problem::new(at.clone(), "a website needs an index document");
            problems.push(problem.help("set `index_document: index.html`, or `redirect_all`"));
        }
        for (number, rule) in self.routing_rules.iter().enumerate() {
            let moves = rule.host.is_some() || rule.protocol.is_some() || rule.replace_prefix.is_some() || rule.replace_name.is_some();
            if !moves {
                let problem =
                    Problem::new(at.clone().field(Self::POINTERS.routing_rules).item(number), "the rule redirects to the same address");
                problems.push(problem.help("set `host`, `protocol`, `replace_prefix` or `replace_name`"));
            }
        }
        problems
    }

    fn to_sdk(&self) -> Result<s3::WebsiteConfiguration> {
        let mut all = s3::WebsiteConfiguration::builder();
        if !self.index_document.is_empty() {
            all = all.index_document(s3::IndexDocument::builder().suffix(&self.index_document).build()?);
        }
        if !self.error_document.is_empty() {
            all = all.error_document(s3::ErrorDocument::builder().key(&self.error_document).build()?);
        }
        if let Some(to) = &self.redirect_all {
            let redirect = s3::RedirectAllRequestsTo::builder().host_name(&to.host).set_protocol(to_protocol(to.protocol));
            all = all.redirect_all_requests_to(redirect.build()?);
        }
        for rule in &self.routing_rules {
            all = all.routing_rules(rule.to_sdk());
        }
        Ok(all.build())
    }
}

impl RoutingRule {
    fn to_sdk(&self) -> s3::RoutingRule {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let condition = s3::Condition::builder().set_key_prefix_equals(text(&self.prefix));
        let condition = condition.set_http_error_code_returned_equals(text(&self.error_code)).build();
        let has_condition = !self.prefix.is_empty() || !self.error_code.is_empty();
        let redirect = s3::Redirect::builder().set_host_name(self.host.clone()).set_protocol(to_protocol(self.protocol));
        let redirect = redirect.http_redirect_code(&self.status_code).set_replace_key_prefix_with(self.replace_prefix.clone());
        let redirect = redirect.set_replace_key_with(self.replace_name.clone()).build();
        s3::RoutingRule::builder().set_condition(has_condition.then_some(condition)).redirect(redirect).build()
    }
    fn read(rule: s3::RoutingRule) -> Result<RoutingRule> {
        let condition = rule.condition.unwrap_or_else(|| s3::Condition::builder().build());
        let redirect = rule.redirect.unwrap_or_else(|| s3::Redirect::builder().build());
        Ok(RoutingRule {
            prefix: condition.key_prefix_equals.unwrap_or_default(),
            error_code: condition.http_error_code_returned_equals.unwrap_or_default(),
            host: redirect.host_name,
            protocol: from_protocol(redirect.protocol)?,
            status_code: redirect.http_redirect_code.unwrap_or_else(RoutingRule::default_status_code),
            replace_prefix: redirect.replace_key_prefix_with,
            replace_name: redirect.replace_key_with,
        })
    }
}

fn to_protocol(protocol: Option<WebProtocol>) -> Option<s3::Protocol> {
    protocol.map(|protocol| to_aws(&protocol).as_str().into())
}

fn from_protocol(protocol: Option<s3::Protocol>) -> Result<Option<WebProtocol>> {
    protocol.map(|protocol| from_aws(protocol.as_str())).transpose()
}

/// Sets the website, or deletes it.
pub(super) async fn put(aws: &Aws, bucket: &str, website: Option<&Website>) -> Result<()> {
    match website {
        Some(website) => drop(aws.s3.put_bucket_website().bucket(bucket).website_configuration(website.to_sdk()?).send().await?),
        None => drop(aws.s3.delete_bucket_website().bucket(bucket).send().await?),
    }
    Ok(())
}

pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<Option<Website>> {
    let Some(live) = ok_or_not_found(aws.s3.get_bucket_website().bucket(bucket).send().await)? else { return Ok(None) };
    let redirect_all = live
        .redirect_all_requests_to
        .map(|to| Ok::<_, crate::core::Error>(RedirectAll { host: to.host_name, protocol: from_protocol(to.protocol)? }));
    Ok(Some(Website {
        index_document: live.index_document.map(|index| index.suffix).unwrap_or_default(),
        error_document: live.error_document.map(|error| error.key).unwrap_or_default(),
        redirect_all: redirect_all.transpose()?,
        routing_rules: live.routing_rules.unwrap_or_default().into_iter().map(RoutingRule::read).collect::<Result<_>>()?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn rules_survive_a_round_trip() {
        for written in [
            json!({ "prefix": "docs/", "replace_prefix": "" }),
            json!({ "error_code": "404", "host": "example.com", "protocol": "https", "status_code": "302", "replace_name": "lost.html" }),
        ] {
            let wanted: RoutingRule = serde_json::from_value(written).expect("a rule");
            assert_eq!(RoutingRule::read(wanted.to_sdk()).expect("a rule"), wanted);
        }
    }

    #[test]
    fn reports_what_s3_rejects() {
        let problems = |written: Value| {
            let website: Website = serde_json::from_value(written).expect("a website");
            website.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({ "index_document": "index.html" })), [""; 0]);
        assert_eq!(problems(json!({ "redirect_all": { "host": "example.com" } })), [""; 0]);
        assert_eq!(problems(json!({})), ["/website"]);
        assert_eq!(problems(json!({ "index_document": "a", "routing_rules": [{ "prefix": "a" }] })), ["/website/routing_rules/0"]);
    }
}
