//! The price of an accelerator: the premium for its traffic, by the areas between which it flows.

use super::Accelerator;
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage, in the order of [`AREAS`].
pub(super) const USAGE: &[UsageKey] = &[
    UsageKey::new("gb_north_america", "GB to clients in North America in a month"),
    UsageKey::new("gb_europe", "GB to clients in Europe in a month"),
    UsageKey::new("gb_asia", "GB to clients in Asia, without India and South Korea, in a month"),
    UsageKey::new("gb_south_korea", "GB to clients in South Korea in a month"),
    UsageKey::new("gb_india", "GB to clients in India in a month"),
    UsageKey::new("gb_australia", "GB to clients in Australia and New Zealand in a month"),
    UsageKey::new("gb_middle_east", "GB to clients in the Middle East in a month"),
    UsageKey::new("gb_africa", "GB to clients in Africa in a month"),
    UsageKey::new("gb_south_america", "GB to clients in South America in a month"),
];

/// Areas of the price list, by the codes in its usage types.
const AREAS: [&str; 9] = ["NA", "EU", "AP", "KR", "IN", "AU", "ME", "ZA", "SA"];

/// Global Accelerator charges for the direction with more traffic, taken to be that to the clients: its price list calls it dominant.
/// <https://aws.amazon.com/global-accelerator/pricing/>
pub(super) fn of(accelerator: &Accelerator, context: &PriceContext<'_>) -> Pricing {
    let fee = |pricing: Pricing| pricing.without("the hourly fee of an accelerator, which AWS's price list does not have");
    let mut regions = accelerator.listeners.iter().flat_map(|listener| listener.groups.keys());
    let Some(region) = regions.next() else { return fee(Pricing::default()) };
    let from = area_of(region);
    let parts = USAGE.iter().zip(AREAS).map(|(key, to)| {
        let usage_type = format!("{from}-{to}-OUT-Bytes-Internet");
        let product = Product::new("AWSGlobalAccelerator").with("usagetype", usage_type).with("operation", "Dominant").global();
        context.metered(format!("premium for traffic from {from} to {to}"), key, "GB", product).assuming(format!("all from {region}"))
    });
    fee(Pricing::of(parts.collect()))
}

/// Area of a region.
fn area_of(region: &str) -> &'static str {
    match region.split_once('-') {
        Some(("eu" | "il", _)) => "EU",
        Some(("me", _)) => "ME",
        Some(("af", _)) => "ZA",
        Some(("sa", _)) => "SA",
        Some(("ap", "northeast-2")) => "KR",
        Some(("ap", "south-1" | "south-2")) => "IN",
        Some(("ap", "southeast-2" | "southeast-4" | "southeast-6")) => "AU",
        Some(("ap" | "cn", _)) => "AP",
        _ => "NA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_in_an_area_of_the_price_list() {
        let areas = ["eu-west-1", "us-east-1", "ap-northeast-2", "ap-south-1", "ap-southeast-2", "ap-southeast-1", "me-central-1"];
        assert_eq!(areas.map(area_of), ["EU", "NA", "KR", "IN", "AU", "AP", "ME"]);
        assert_eq!(["af-south-1", "sa-east-1", "ca-central-1", "il-central-1"].map(area_of), ["ZA", "SA", "NA", "EU"]);
        assert_eq!(USAGE.len(), AREAS.len());
    }
}
