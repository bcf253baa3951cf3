//! CORS rules of a bucket.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_s3::types as s3;

use super::non_default;
use crate::{
    aws::Aws,
    core::{Result, ok_or_not_found},
};

/// CORS rule: web pages that may use the bucket from a browser.
#[spec]
#[derive(PartialEq, Eq)]
pub struct CorsRule {
    /// Origins of the pages, such as `https://shop.example.com`.
    #[field(length = 1..=100)]
    pub allowed_origins: BTreeSet<String>,
    /// `GET`, `HEAD`, `PUT`, `POST`, `DELETE`.
    #[field(one_of = ["GET", "HEAD", "PUT", "POST", "DELETE"], length = 1..=5)]
    pub allowed_methods: BTreeSet<String>,
    /// Allowed request headers.
    #[field(default)]
    pub allowed_headers: BTreeSet<String>,
    /// Response headers exposed to pages.
    #[field(default)]
    pub expose_headers: BTreeSet<String>,
    /// Time for which browsers cache this rule, in seconds.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub max_age_seconds: i32,
}

/// Replaces the rules. The ids of live rules, which acme does not manage, are kept.
pub(super) async fn put(aws: &Aws, bucket: &str, live: &[CorsRule], wanted: &[CorsRule]) -> Result<()> {
    if wanted.is_empty() {
        aws.s3.delete_bucket_cors().bucket(bucket).send().await?;
        return Ok(());
    }
    let kept = if live.is_empty() {
        Vec::new()
    } else {
        let reply = ok_or_not_found(aws.s3.get_bucket_cors().bucket(bucket).send().await)?;
        reply.and_then(|reply| reply.cors_rules).unwrap_or_default()
    };
    let rules = wanted.iter().map(|rule| rule.to_sdk_like(&kept)).collect::<Result<Vec<_>>>()?;
    let configuration = s3::CorsConfiguration::builder().set_cors_rules(Some(rules)).build()?;
    aws.s3.put_bucket_cors().bucket(bucket).cors_configuration(configuration).send().await?;
    Ok(())
}

impl CorsRule {
    fn to_sdk(&self) -> Result<s3::CorsRule> {
        let list = |set: &BTreeSet<String>| Some(set.iter().cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty());
        let rule =
            s3::CorsRule::builder().set_allowed_origins(list(&self.allowed_origins)).set_allowed_methods(list(&self.allowed_methods));
        let rule = rule.set_allowed_headers(list(&self.allowed_headers)).set_expose_headers(list(&self.expose_headers));
        Ok(rule.set_max_age_seconds(non_default(self.max_age_seconds)).build()?)
    }
    /// Rule in S3's format, with the id of an equal live rule, which acme does not manage.
    fn to_sdk_like(&self, live: &[s3::CorsRule]) -> Result<s3::CorsRule> {
        let mut rule = self.to_sdk()?;
        rule.id = live.iter().find(|live| CorsRule::read(live) == *self).and_then(|live| live.id.clone());
        Ok(rule)
    }
    pub(super) fn read(rule: &s3::CorsRule) -> CorsRule {
        let set = |list: &[String]| list.iter().cloned().collect();
        CorsRule {
            allowed_origins: set(rule.allowed_origins()),
            allowed_methods: set(rule.allowed_methods()),
            allowed_headers: set(rule.allowed_headers()),
            expose_headers: set(rule.expose_headers()),
            max_age_seconds: rule.max_age_seconds.unwrap_or_default(),
        }
    }
}
