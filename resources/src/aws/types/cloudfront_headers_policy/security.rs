//! Headers with which browsers protect users.

use acme_macros::spec;
use aws_sdk_cloudfront::types as sdk;

use super::CloudfrontHeadersPolicy;
use crate::core::{Pointer, Problem, Result};

/// The header `Content-Security-Policy`.
#[spec]
#[derive(PartialEq)]
pub struct ContentSecurityPolicy {
    /// Value.
    #[field(length = 1..=1783)]
    pub policy: String,
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// The header `X-Content-Type-Options`.
#[spec]
#[derive(PartialEq)]
pub struct ContentTypeOptions {
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// The header `X-Frame-Options`.
#[spec]
#[derive(PartialEq)]
pub struct FrameOptions {
    /// Value: no page, or pages of the same site.
    #[field(one_of = ["DENY", "SAMEORIGIN"])]
    pub option: String,
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// The header `Referrer-Policy`.
#[spec]
#[derive(PartialEq)]
pub struct ReferrerPolicy {
    /// Value.
    #[field(one_of = [
        "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin", "strict-origin",
        "strict-origin-when-cross-origin", "unsafe-url"
    ])]
    pub policy: String,
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// The header `Strict-Transport-Security`.
#[spec]
#[derive(PartialEq)]
pub struct TransportSecurity {
    /// Time for which browsers remember it, in seconds.
    #[field(default = 31_536_000, range = 0..=2_147_483_647)]
    pub max_age_seconds: i32,
    /// Includes domains below the site's.
    #[field(default = false)]
    pub include_subdomains: bool,
    /// Allows the lists of browsers to include the site.
    #[field(default = false)]
    pub preload: bool,
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// The header `X-XSS-Protection`.
#[spec]
#[derive(PartialEq)]
pub struct XssProtection {
    /// Turns the filter on.
    #[field(default = true)]
    pub protection: bool,
    /// Blocks the page, instead of removing a suspicious part.
    #[field(default = false)]
    pub block: bool,
    /// Address to which browsers report.
    #[field(default, length = 0..=2048)]
    pub report_uri: String,
    /// Replaces the header of the origin.
    #[field(default = true)]
    pub replace: bool,
}

/// Headers that have a field, and can't be custom headers.
pub(super) const HEADERS: [&str; 6] = [
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-XSS-Protection",
];

/// The headers in the shape of the SDK; `None` without any.
pub(super) fn to_sdk(policy: &CloudfrontHeadersPolicy) -> Result<Option<sdk::ResponseHeadersPolicySecurityHeadersConfig>> {
    let contents = policy.content_security_policy.as_ref().map(ContentSecurityPolicy::to_sdk).transpose()?;
    let types = policy.content_type_options.as_ref().map(ContentTypeOptions::to_sdk).transpose()?;
    let frames = policy.frame_options.as_ref().map(FrameOptions::to_sdk).transpose()?;
    let referrer = policy.referrer_policy.as_ref().map(ReferrerPolicy::to_sdk).transpose()?;
    let transport = policy.strict_transport_security.as_ref().map(TransportSecurity::to_sdk).transpose()?;
    let xss = policy.xss_protection.as_ref().map(XssProtection::to_sdk).transpose()?;
    let has_any = contents.is_some() || types.is_some() || frames.is_some() || referrer.is_some() || transport.is_some() || xss.is_some();
    let config = sdk::ResponseHeadersPolicySecurityHeadersConfig::builder().set_content_security_policy(contents);
    let config = config.set_content_type_options(types).set_frame_options(frames).set_referrer_policy(referrer);
    Ok(has_any.then(|| config.set_strict_transport_security(transport).set_xss_protection(xss).build()))
}

impl ContentSecurityPolicy {
    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyContentSecurityPolicy> {
        let header = sdk::ResponseHeadersPolicyContentSecurityPolicy::builder().content_security_policy(&self.policy);
        Ok(header.r#override(self.replace).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyContentSecurityPolicy) -> ContentSecurityPolicy {
        ContentSecurityPolicy { policy: header.content_security_policy.clone(), replace: header.r#override }
    }
}

impl ContentTypeOptions {
    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyContentTypeOptions> {
        Ok(sdk::ResponseHeadersPolicyContentTypeOptions::builder().r#override(self.replace).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyContentTypeOptions) -> ContentTypeOptions {
        ContentTypeOptions { replace: header.r#override }
    }
}

impl FrameOptions {
    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyFrameOptions> {
        let option = sdk::FrameOptionsList::from(self.option.as_str());
        Ok(sdk::ResponseHeadersPolicyFrameOptions::builder().frame_option(option).r#override(self.replace).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyFrameOptions) -> FrameOptions {
        FrameOptions { option: header.frame_option.as_str().to_owned(), replace: header.r#override }
    }
}

impl ReferrerPolicy {
    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyReferrerPolicy> {
        let policy = sdk::ReferrerPolicyList::from(self.policy.as_str());
        Ok(sdk::ResponseHeadersPolicyReferrerPolicy::builder().referrer_policy(policy).r#override(self.replace).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyReferrerPolicy) -> ReferrerPolicy {
        ReferrerPolicy { policy: header.referrer_policy.as_str().to_owned(), replace: header.r#override }
    }
}

impl TransportSecurity {
    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyStrictTransportSecurity> {
        let header = sdk::ResponseHeadersPolicyStrictTransportSecurity::builder().access_control_max_age_sec(self.max_age_seconds);
        Ok(header.include_subdomains(self.include_subdomains).preload(self.preload).r#override(self.replace).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyStrictTransportSecurity) -> TransportSecurity {
        TransportSecurity {
            max_age_seconds: header.access_control_max_age_sec,
            include_subdomains: header.include_subdomains.unwrap_or_default(),
            preload: header.preload.unwrap_or_default(),
            replace: header.r#override,
        }
    }
}

impl XssProtection {
    /// CloudFront accepts an address for reports only without `block`.
    /// <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_ResponseHeadersPolicyXSSProtection.html>
    pub(super) fn problem(&self, at: Pointer) -> Option<Problem> {
        let message = match (self.block, self.protection) {
            _ if self.report_uri.is_empty() => return None,
            (true, _) => "`report_uri` can't be set with `block`",
            (false, false) => "`report_uri` goes with `protection: true`",
            (false, true) => return None,
        };
        Some(Problem::new(at.field(Self::POINTERS.report_uri), message))
    }

    fn to_sdk(&self) -> Result<sdk::ResponseHeadersPolicyXssProtection> {
        let header = sdk::ResponseHeadersPolicyXssProtection::builder().protection(self.protection).r#override(self.replace);
        let address = Some(self.report_uri.clone()).filter(|address| !address.is_empty());
        Ok(header.set_mode_block(self.protection.then_some(self.block)).set_report_uri(address).build()?)
    }
    pub(super) fn read(header: &sdk::ResponseHeadersPolicyXssProtection) -> XssProtection {
        XssProtection {
            protection: header.protection,
            block: header.mode_block.unwrap_or_default(),
            report_uri: header.report_uri.clone().unwrap_or_default(),
            replace: header.r#override,
        }
    }
}
