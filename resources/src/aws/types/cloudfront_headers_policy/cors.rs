//! Headers for requests from pages of other origins.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_cloudfront::types::{
    ResponseHeadersPolicyAccessControlAllowHeaders, ResponseHeadersPolicyAccessControlAllowMethods,
    ResponseHeadersPolicyAccessControlAllowMethodsValues, ResponseHeadersPolicyAccessControlAllowOrigins,
    ResponseHeadersPolicyAccessControlExposeHeaders, ResponseHeadersPolicyCorsConfig,
};

use crate::{
    aws::types::cloudfront_cache_policy::quantity,
    core::{Pointer, Problem, Result},
};

/// Headers for requests from pages of other origins (CORS).
#[spec]
#[derive(PartialEq)]
pub struct Cors {
    /// Origins of the pages, such as `https://shop.example.com`, or `*` for all.
    #[field(length = 1..=100, important)]
    pub origins: BTreeSet<String>,
    /// Headers that the pages may send, or `*` for all.
    #[field(default = ["*".to_owned()].into(), length = 1..=100)]
    pub headers: BTreeSet<String>,
    /// Methods that the pages may use, or `ALL`.
    #[field(length = 1..=8, one_of = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "ALL"])]
    pub methods: BTreeSet<String>,
    /// Headers that the pages may read.
    #[field(default, length = 0..=100)]
    pub exposed_headers: BTreeSet<String>,
    /// Allows requests with cookies and other credentials.
    #[field(default = false)]
    pub credentials: bool,
    /// Time for which browsers keep the answer to a preflight request, in seconds.
    #[field(default = 600, range = 0..=2_147_483_647)]
    pub max_age_seconds: i32,
    /// Replaces the headers of the origin.
    #[field(default = true)]
    pub replace: bool,
}

impl Cors {
    /// Browsers ignore `*` in responses to requests with credentials, and CloudFront refuses the combination.
    /// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html>
    pub(super) fn problem(&self, at: Pointer) -> Option<Problem> {
        let has_all = |names: &BTreeSet<String>| names.contains("*");
        let is_open = has_all(&self.origins) || has_all(&self.headers) || has_all(&self.exposed_headers) || self.methods.contains("ALL");
        (self.credentials && is_open).then(|| {
            let message = "with credentials, neither `*` nor `ALL` is accepted";
            Problem::new(at.field(Self::POINTERS.credentials), message).help("list the origins, headers and methods")
        })
    }

    pub(super) fn to_sdk(&self) -> Result<ResponseHeadersPolicyCorsConfig> {
        let list = |names: &BTreeSet<String>| (quantity(names.len()), Some(names.iter().cloned().collect::<Vec<_>>()));
        let (count, items) = list(&self.origins);
        let origins = ResponseHeadersPolicyAccessControlAllowOrigins::builder().quantity(count).set_items(items).build()?;
        let (count, items) = list(&self.headers);
        let headers = ResponseHeadersPolicyAccessControlAllowHeaders::builder().quantity(count).set_items(items).build()?;
        let (count, items) = list(&self.exposed_headers);
        let exposed = ResponseHeadersPolicyAccessControlExposeHeaders::builder().quantity(count).set_items(items).build()?;
        let methods = self.methods.iter().map(|name| ResponseHeadersPolicyAccessControlAllowMethodsValues::from(name.as_str()));
        let methods = ResponseHeadersPolicyAccessControlAllowMethods::builder()
            .quantity(quantity(self.methods.len()))
            .set_items(Some(methods.collect()))
            .build()?;
        let config = ResponseHeadersPolicyCorsConfig::builder().access_control_allow_origins(origins).access_control_allow_headers(headers);
        let config = config.access_control_allow_methods(methods).access_control_allow_credentials(self.credentials);
        let config = config.set_access_control_expose_headers((!self.exposed_headers.is_empty()).then_some(exposed));
        Ok(config.access_control_max_age_sec(self.max_age_seconds).origin_override(self.replace).build()?)
    }

    pub(super) fn read(config: ResponseHeadersPolicyCorsConfig) -> Cors {
        let methods = config.access_control_allow_methods.map(|list| list.items).unwrap_or_default();
        Cors {
            origins: config.access_control_allow_origins.map(|list| list.items).unwrap_or_default().into_iter().collect(),
            headers: config.access_control_allow_headers.map(|list| list.items).unwrap_or_default().into_iter().collect(),
            methods: methods.iter().map(|method| method.as_str().to_owned()).collect(),
            exposed_headers: config.access_control_expose_headers.and_then(|list| list.items).unwrap_or_default().into_iter().collect(),
            credentials: config.access_control_allow_credentials,
            max_age_seconds: config.access_control_max_age_sec.unwrap_or(600),
            replace: config.origin_override,
        }
    }
}
