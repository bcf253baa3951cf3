//! The price of a distribution: transfer and requests, by the area of the viewers.

use super::CloudfrontDistribution;
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage: those of transfer, then those of requests, each in the order of [`AREAS`].
pub(super) const USAGE: &[UsageKey] = &[
    UsageKey::new("gb_north_america", "GB to viewers in North America in a month"),
    UsageKey::new("gb_europe", "GB to viewers in Europe in a month"),
    UsageKey::new("gb_asia", "GB to viewers in Asia, without Japan and India, in a month"),
    UsageKey::new("gb_japan", "GB to viewers in Japan in a month"),
    UsageKey::new("gb_india", "GB to viewers in India in a month"),
    UsageKey::new("gb_australia", "GB to viewers in Australia and New Zealand in a month"),
    UsageKey::new("gb_south_america", "GB to viewers in South America in a month"),
    UsageKey::new("gb_africa", "GB to viewers in Africa and the Middle East in a month"),
    UsageKey::new("https_requests_north_america", "requests by HTTPS of viewers in North America in a month"),
    UsageKey::new("https_requests_europe", "requests by HTTPS of viewers in Europe in a month"),
    UsageKey::new("https_requests_asia", "requests by HTTPS of viewers in Asia, without Japan and India, in a month"),
    UsageKey::new("https_requests_japan", "requests by HTTPS of viewers in Japan in a month"),
    UsageKey::new("https_requests_india", "requests by HTTPS of viewers in India in a month"),
    UsageKey::new("https_requests_australia", "requests by HTTPS of viewers in Australia and New Zealand in a month"),
    UsageKey::new("https_requests_south_america", "requests by HTTPS of viewers in South America in a month"),
    UsageKey::new("https_requests_africa", "requests by HTTPS of viewers in Africa and the Middle East in a month"),
];

/// Areas of the price list, by the prefixes of its usage types.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/billing-and-usage-reporting.html>
const AREAS: [&str; 8] = ["US", "EU", "AP", "JP", "IN", "AU", "SA", "ZA"];

/// <https://aws.amazon.com/cloudfront/pricing/>
pub(super) fn of(distribution: &CloudfrontDistribution, context: &PriceContext<'_>) -> Pricing {
    let product = |usage_type: String| Product::new("AmazonCloudFront").with("usagetype", usage_type).global();
    let (transfer, requests) = USAGE.split_at(AREAS.len());
    let transfer = transfer.iter().zip(AREAS).map(|(key, area)| {
        context.metered(format!("transfer to viewers ({area})"), key, "GB", product(format!("{area}-DataTransfer-Out-Bytes")))
    });
    let requests = requests.iter().zip(AREAS).map(|(key, area)| {
        let part = context.metered(format!("requests ({area})"), key, "requests", product(format!("{area}-Requests-Tier2-HTTPS")));
        part.assuming("`GET` and `HEAD`")
    });
    let mut parts: Vec<_> = transfer.chain(requests).collect();
    if distribution.tls_clients == "vip" {
        parts.push(context.monthly("addresses of its own", 1.0, "certificate-months", product("SSL-Cert-Custom".to_owned())));
    }
    let pricing = Pricing::of(parts).without("transfer to origins, invalidations beyond the first 1000, and calls at the edge");
    match &distribution.anycast_ip_list {
        Some(_) => pricing.without("the list of anycast addresses"),
        None => pricing,
    }
}
