//! Settings of a whole distribution.

use std::collections::BTreeSet;

use acme_macros::spec;

/// Response to an error of an origin.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorResponse {
    /// Status code of the origin.
    #[field(one_of = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504])]
    pub code: u16,
    /// Path of the page that viewers get instead, such as `/index.html`; empty for the origin's.
    #[field(default, length = 0..=4000, pattern = "(/.*)?")]
    pub page: String,
    /// Status code that viewers get with the page; 0 without a page.
    #[field(default = 0, one_of = [0, 200, 400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504])]
    pub response_code: u16,
    /// Shortest time in the cache, in seconds.
    #[field(default = 10, range = 0..=31_536_000)]
    pub min_ttl_seconds: u32,
}

/// Countries whose viewers are allowed or blocked.
#[spec]
#[derive(Default, PartialEq)]
pub struct GeoRestriction {
    /// Treatment of the countries.
    #[field(default)]
    pub rule: GeoRule,
    /// Countries, as two letters of ISO 3166, such as `DE`.
    #[field(default, pattern = "[A-Z]{2}")]
    pub countries: BTreeSet<String>,
}

/// Treatment of countries.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum GeoRule {
    /// All countries are allowed.
    #[default]
    None,
    /// These countries are allowed.
    Allow,
    /// These countries are blocked.
    Block,
}

/// Logs of requests in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct AccessLog {
    /// Domain name of the bucket, such as `shop-logs.s3.amazonaws.com`. Its objects must have access control lists.
    #[field(pattern = r".+\.s3(\..+)?\.amazonaws\.com(\.cn)?", length = 1..=255)]
    pub bucket: String,
    /// Beginning of the names of objects.
    #[field(default, length = 0..=256, pattern = "([^/].*)?")]
    pub prefix: String,
    /// Logs cookies, too.
    #[field(default = false)]
    pub cookies: bool,
}

/// Edge locations in use.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum PriceClass {
    /// All.
    #[default]
    #[serde(rename = "PriceClass_All")]
    All,
    /// All but those in South America, Australia and New Zealand.
    #[serde(rename = "PriceClass_200")]
    Most,
    /// North America, Europe and Israel.
    #[serde(rename = "PriceClass_100")]
    Fewest,
}

/// Versions of HTTP.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum HttpVersion {
    /// HTTP/1.1 alone.
    #[serde(rename = "http1.1")]
    Http1,
    /// HTTP/2.
    #[default]
    #[serde(rename = "http2")]
    Http2,
    /// HTTP/3.
    #[serde(rename = "http3")]
    Http3,
    /// HTTP/2 and HTTP/3.
    #[serde(rename = "http2and3")]
    Http2And3,
}

/// Certificates of viewers (mTLS).
#[spec]
#[derive(PartialEq)]
pub struct ViewerMtls {
    /// Viewers that need a certificate.
    #[field(default)]
    pub mode: ViewerMtlsMode,
    /// Id of the trust store with the certificate authorities; empty with `passthrough`.
    #[field(default, length = 0..=128)]
    pub trust_store: String,
    /// Sends viewers the names of the accepted certificate authorities.
    #[field(default = false)]
    pub advertise_authorities: bool,
    /// Accepts expired certificates.
    #[field(default = false, risky(true, "viewers can use expired certificates"))]
    pub ignore_expiry: bool,
}

/// Viewers that need a certificate.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ViewerMtlsMode {
    /// All.
    #[default]
    Required,
    /// None, but a certificate is checked.
    Optional,
    /// None; the origin checks certificates.
    Passthrough,
}
