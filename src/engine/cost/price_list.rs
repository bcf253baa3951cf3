//! Documents of AWS's price list.
//!
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file.html>

use serde::Serialize;
use serde_json::Value;

use crate::core::Product;

/// A product of the price list on demand, with its unit prices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitPrice {
    /// Service code.
    pub service: String,
    /// Stock keeping unit, which identifies the product.
    pub sku: String,
    /// Usage type, as bills show it.
    pub usage_type: String,
    /// Unit of the prices, as AWS writes it: `Hrs`, `GB-Mo`.
    pub unit: String,
    /// Currency.
    pub currency: String,
    /// Unit prices, by quantity.
    pub tiers: Vec<Tier>,
    /// Day from which on the prices are valid.
    pub effective_date: String,
}

/// Unit price of a range of quantities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tier {
    /// First quantity.
    pub from: f64,
    /// Quantity up to which it is valid; `None`: any.
    pub to: Option<f64>,
    /// Price of a unit.
    pub price: f64,
}

impl UnitPrice {
    /// Cost of a quantity. Each range has its own unit price.
    pub fn cost(&self, quantity: f64) -> f64 {
        let part = |tier: &Tier| (tier.to.map_or(quantity, |to| quantity.min(to)) - tier.from).max(0.0) * tier.price;
        self.tiers.iter().map(part).sum()
    }

    /// Reads a document; `None` for a product without a price on demand.
    fn of(document: &Value) -> Option<UnitPrice> {
        let product = &document["product"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let terms = document.pointer("/terms/OnDemand")?.as_object()?.values();
        let term = terms.max_by_key(|term| text(&term["effectiveDate"]))?;
        let mut tiers = Vec::new();
        let (mut unit, mut currency) = (String::new(), String::new());
        for dimension in term.get("priceDimensions")?.as_object()?.values() {
            let (name, price) = dimension["pricePerUnit"].as_object()?.iter().next()?;
            let number = |key: &str| dimension[key].as_str().and_then(|text| text.parse().ok());
            tiers.push(Tier {
                from: number("beginRange").unwrap_or(0.0),
                to: number("endRange").filter(|to: &f64| to.is_finite()),
                price: price.as_str()?.parse().ok()?,
            });
            (unit, currency) = (text(&dimension["unit"]), name.clone());
        }
        tiers.sort_by(|one, other| one.from.total_cmp(&other.from));
        Some(UnitPrice {
            service: text(&document["serviceCode"]),
            sku: text(&product["sku"]),
            usage_type: text(&product["attributes"]["usagetype"]),
            unit,
            currency,
            tiers,
            effective_date: text(&term["effectiveDate"]),
        })
    }
}

/// Finds the price of a product among documents, for a quantity in `unit`.
///
/// # Errors
/// Returns the reason why there is no price, or no unique one.
pub fn find(documents: &[Value], product: &Product, region: &str, unit: &str) -> Result<UnitPrice, String> {
    let matches = documents.iter().filter(|document| is_product(document, product, region));
    let mut prices: Vec<UnitPrice> = matches.filter_map(UnitPrice::of).collect();
    prices.sort_by(|one, other| one.sku.cmp(&other.sku));
    let Some(price) = prices.first().cloned() else {
        return Err(format!("the price list of {} has no product {}", product.service, describe(product, region)));
    };
    if let Some(other) = prices.iter().find(|other| other.tiers != price.tiers) {
        let name = describe(product, region);
        return Err(format!("the price list of {} has several products {name}: {} and {}", product.service, price.sku, other.sku));
    }
    match is_by_hour(unit) == is_by_hour(&price.unit) {
        true => Ok(price),
        false => Err(format!("the price of {} is by `{}`, not by {unit}", describe(product, region), price.unit)),
    }
}

/// Whether a unit is a number of hours: a price by the month of something else would be wrong by a factor of 730.
fn is_by_hour(unit: &str) -> bool {
    let unit = unit.to_lowercase();
    unit.contains("hr") || unit.contains("hour")
}

/// Whether a document is about a product. AWS compares attributes in the same way, without regard to case.
fn is_product(document: &Value, product: &Product, region: &str) -> bool {
    let about = &document["product"];
    let attribute = |name: &str| match name {
        "productFamily" => about["productFamily"].as_str(),
        _ => about["attributes"][name].as_str(),
    };
    let has = |(name, value): (&&'static str, &String)| attribute(name).is_some_and(|text| text.eq_ignore_ascii_case(value));
    document["serviceCode"].as_str().is_none_or(|service| service == product.service)
        && product.filters(region).iter().all(has)
        && product.matches_usage_type(attribute("usagetype").unwrap_or_default(), region)
}

fn describe(product: &Product, region: &str) -> String {
    let filters = product.filters(region);
    let usage_type = product.usage_type.iter().map(|usage_type| format!("usagetype …{usage_type}"));
    filters.iter().map(|(name, value)| format!("{name} {value}")).chain(usage_type).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(sku: &str, usage_type: &str, unit: &str, prices: &[(&str, &str, &str)]) -> Value {
        let dimension = |(number, (from, to, price)): (usize, &(&str, &str, &str))| {
            (format!("{sku}.{number}"), json!({ "unit": unit, "beginRange": from, "endRange": to, "pricePerUnit": { "USD": price } }))
        };
        let dimensions: serde_json::Map<String, Value> = prices.iter().enumerate().map(dimension).collect();
        json!({
            "serviceCode": "AmazonEC2",
            "product": { "sku": sku, "productFamily": "NAT Gateway", "attributes": { "usagetype": usage_type, "regionCode": "eu-west-1" } },
            "terms": { "OnDemand": { "a": { "effectiveDate": "2025-06-01T00:00:00Z", "priceDimensions": dimensions } } },
        })
    }

    fn gateway() -> Product {
        Product::new("AmazonEC2").family("nat gateway").usage_type("NatGateway-Hours")
    }

    #[test]
    fn each_range_of_quantities_has_its_own_price() {
        let documents = [document("A", "EU-NatGateway-Hours", "Hrs", &[("10", "Inf", "0.1"), ("0", "10", "0.5")])];
        let price = find(&documents, &gateway(), "eu-west-1", "hours").expect("a price");
        assert_eq!([0.0, 4.0, 10.0, 30.0].map(|quantity| price.cost(quantity)), [0.0, 2.0, 5.0, 7.0]);
        assert_eq!((price.currency.as_str(), price.unit.as_str(), price.sku.as_str()), ("USD", "Hrs", "A"));
    }

    #[test]
    fn a_price_is_unique_or_none() {
        let one = document("A", "EU-NatGateway-Hours", "Hrs", &[("0", "Inf", "0.5")]);
        let bytes = document("B", "EU-NatGateway-Bytes", "GB", &[("0", "Inf", "0.5")]);
        let same = document("C", "EU-NatGateway-Hours", "Hrs", &[("0", "Inf", "0.5")]);
        let other = document("D", "EU-NatGateway-Hours", "Hrs", &[("0", "Inf", "0.6")]);
        let found = |documents: &[&Value]| {
            let documents: Vec<Value> = documents.iter().map(|document| (*document).clone()).collect();
            find(&documents, &gateway(), "eu-west-1", "hours")
        };
        assert_eq!(found(&[&bytes, &same, &one]).map(|price| price.sku), Ok("A".to_owned()));
        assert!(found(&[&bytes]).is_err_and(|reason| reason.contains("has no product")));
        assert!(found(&[&one, &other]).is_err_and(|reason| reason.contains("several products") && reason.contains("A and D")));
        assert!(find(&[one], &gateway(), "eu-central-1", "hours").is_err());
    }

    #[test]
    fn a_price_in_another_unit_is_not_used() {
        let monthly = [document("A", "EU-NatGateway-Hours", "Month", &[("0", "Inf", "30")])];
        assert!(find(&monthly, &gateway(), "eu-west-1", "hours").is_err_and(|reason| reason.contains("by `Month`, not by hours")));
    }
}
