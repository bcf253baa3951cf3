//! What a resource costs in a month: its price components, each with the product of AWS's price list that has the unit price. No prices.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Address, Named, Ref, ReferencedOutput, Resource};

/// Hours of an average month, as AWS's calculator counts them: 365 days of 24 hours, divided by 12.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// The price of a resource, as far as its type knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pricing {
    /// Parts of the price.
    pub components: Vec<PriceComponent>,
    /// Parts whose price is not known, each with the reason.
    pub unpriced: Vec<String>,
}

impl Pricing {
    /// These parts.
    pub fn of(components: Vec<PriceComponent>) -> Pricing {
        Pricing { components, unpriced: Vec::new() }
    }
    /// Of a type whose prices acme does not know.
    pub fn unknown() -> Pricing {
        Pricing::default().without("acme knows no prices of this type")
    }
    /// Adds a part whose price is not known: what it is, and why.
    #[must_use]
    pub fn without(mut self, part: impl Into<String>) -> Pricing {
        self.unpriced.push(part.into());
        self
    }
}

/// A part of a price: a quantity of one product.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceComponent {
    /// Name, unique within the resource: `instances (m6i.large)`.
    pub name: String,
    /// Quantity in a month. 0 for a quantity that depends on the usage, which nobody has stated.
    pub quantity: f64,
    /// Unit of the quantity: `hours`, `GB-months`.
    pub unit: &'static str,
    /// Product with the unit price.
    pub product: Product,
    /// Assumptions behind the quantity: `3 instances`, `730 hours a month`.
    pub assumptions: Vec<String>,
    /// Name of the usage that sets the quantity, see [`UsageKey`].
    pub usage: Option<&'static str>,
}

impl PriceComponent {
    /// Adds an assumption behind the quantity.
    #[must_use]
    pub fn assuming(mut self, assumption: impl Into<String>) -> PriceComponent {
        self.assumptions.push(assumption.into());
        self
    }
}

/// A product of AWS's price list, by its attributes in the offer file of a service.
///
/// Attributes: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file.html>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// Service code: `AmazonEC2`.
    pub service: &'static str,
    /// Attributes, which AWS compares: `productFamily`, `instanceType`.
    pub attributes: BTreeMap<&'static str, String>,
    /// Usage type without the region's prefix, which acme compares, because the prefix differs by region and service: `NatGateway-Hours` for
    /// `EU-NatGateway-Hours`. A `*` at its end stands for any text.
    pub usage_type: Option<String>,
    /// Whether the price is the same in all regions, so that the product has none.
    pub is_global: bool,
}

impl Product {
    /// Any product of a service in the resource's region.
    pub fn new(service: &'static str) -> Product {
        Product { service, attributes: BTreeMap::new(), usage_type: None, is_global: false }
    }
    /// Requires a value of an attribute.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Into<String>) -> Product {
        self.attributes.insert(attribute, value.into());
        self
    }
    /// Requires a product family.
    #[must_use]
    pub fn family(self, family: &str) -> Product {
        self.with("productFamily", family)
    }
    /// See [`Product::usage_type`].
    #[must_use]
    pub fn usage_type(mut self, usage_type: impl Into<String>) -> Product {
        self.usage_type = Some(usage_type.into());
        self
    }
    /// See [`Product::is_global`].
    #[must_use]
    pub fn global(mut self) -> Product {
        self.is_global = true;
        self
    }
    /// Attributes that AWS compares, with the region.
    pub fn filters(&self, region: &str) -> BTreeMap<&'static str, String> {
        let mut filters = self.attributes.clone();
        if !self.is_global {
            filters.insert("regionCode", region.to_owned());
        }
        filters
    }
    /// Whether a usage type of the price list is [`Product::usage_type`] in a region.
    pub fn matches_usage_type(&self, usage_type: &str, region: &str) -> bool {
        let Some(wanted) = &self.usage_type else { return true };
        let fits = |text: &str| match wanted.strip_suffix('*') {
            Some(begin) => text.starts_with(begin),
            None => text == wanted,
        };
        if fits(usage_type) {
            return true;
        }
        let regional = usage_type.strip_prefix(region).and_then(|rest| rest.strip_prefix('-'));
        let short = usage_type.split_once('-').filter(|(prefix, _)| is_region_prefix(prefix)).map(|(_, rest)| rest);
        regional.into_iter().chain(short).any(fits)
    }
}

/// Whether a text is the prefix of usage types for a region: `EU`, `EUC1`, `UGW1`, `Global`. Other prefixes have a meaning, such as `TS` for
/// trust stores.
fn is_region_prefix(prefix: &str) -> bool {
    let coded = |prefix: &[u8]| matches!(prefix, [a, b, c, n] if [a, b, c].iter().all(|c| c.is_ascii_uppercase()) && n.is_ascii_digit());
    matches!(prefix, "EU" | "Global") || coded(prefix.as_bytes())
}

/// A quantity of a type that depends on its usage, and that a definition can state under `usage`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsageKey {
    /// Name in YAML: `gb_processed`.
    pub name: &'static str,
    /// Description with unit: `GB processed in a month`.
    pub about: &'static str,
    /// Quantity that is assumed without a statement.
    pub default: f64,
}

impl UsageKey {
    /// A quantity that is not counted unless it is stated.
    pub const fn new(name: &'static str, about: &'static str) -> UsageKey {
        UsageKey { name, about, default: 0.0 }
    }
    /// See [`UsageKey::default`].
    pub const fn default(self, default: f64) -> UsageKey {
        UsageKey { default, ..self }
    }
}

/// Usage that a definition states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Hours in a month for which everything runs; `None`: [`HOURS_PER_MONTH`].
    pub hours_per_month: Option<f64>,
    /// Quantities by address or type, and by [`UsageKey::name`].
    pub quantities: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Surroundings of a resource whose price is asked for.
#[derive(Clone, Copy)]
pub struct PriceContext<'a> {
    /// Address.
    pub address: &'a Address,
    /// Usage that the definition states.
    pub usage: &'a Usage,
    /// Returns the spec of another resource of a type, by the text of a reference to it.
    pub find: &'a dyn Fn(&str, &str) -> Option<&'a Value>,
}

impl PriceContext<'_> {
    /// Hours in a month.
    pub fn hours(&self) -> f64 {
        self.usage.hours_per_month.unwrap_or(HOURS_PER_MONTH)
    }
    /// Spec of a resource that this one refers to; `None` for one outside the stack.
    pub fn referenced<T: Resource, B: ReferencedOutput>(&self, reference: &Ref<T, B>) -> Option<T> {
        T::deserialize((self.find)(T::NAME, reference.get())?).ok()
    }
    /// Quantity of a usage: that of the address, of the type, or the assumed one.
    pub fn quantity(&self, key: &UsageKey) -> f64 {
        let stated = |of: &str| self.usage.quantities.get(of)?.get(key.name).copied();
        stated(&self.address.to_string()).or_else(|| stated(&self.address.type_name)).unwrap_or(key.default)
    }
    /// Part that is paid for by the hour, `count` times.
    pub fn hourly(&self, name: impl Into<String>, count: f64, product: Product) -> PriceComponent {
        let hours = self.hours();
        let assumptions = vec![format!("{count} for {hours} hours")];
        PriceComponent { name: name.into(), quantity: count * hours, unit: "hours", product, assumptions, usage: None }
    }
    /// Part that is paid for by the month.
    pub fn monthly(&self, name: impl Into<String>, quantity: f64, unit: &'static str, product: Product) -> PriceComponent {
        PriceComponent { name: name.into(), quantity, unit, product, assumptions: Vec::new(), usage: None }
    }
    /// Part that depends on the usage.
    pub fn metered(&self, name: impl Into<String>, key: &UsageKey, unit: &'static str, product: Product) -> PriceComponent {
        let quantity = self.quantity(key);
        let assumptions = vec![format!("{quantity} {}", key.about)];
        PriceComponent { name: name.into(), quantity, unit, product, assumptions, usage: Some(key.name) }
    }
    /// Part that depends on the usage in each hour.
    pub fn metered_hourly(&self, name: impl Into<String>, key: &UsageKey, unit: &'static str, product: Product) -> PriceComponent {
        let (quantity, hours) = (self.quantity(key), self.hours());
        let assumptions = vec![format!("{quantity} {} for {hours} hours", key.about)];
        PriceComponent { name: name.into(), quantity: quantity * hours, unit, product, assumptions, usage: Some(key.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_a_usage_type_in_any_region() {
        let product = Product::new("AWSELB").usage_type("LoadBalancerUsage");
        for (usage_type, region, fits) in [
            ("LoadBalancerUsage", "us-east-1", true),
            ("EU-LoadBalancerUsage", "eu-west-1", true),
            ("EUC1-LoadBalancerUsage", "eu-central-1", true),
            ("TS-LoadBalancerUsage", "us-east-1", false),
            ("EU-Outposts-LoadBalancerUsage", "eu-west-1", false),
        ] {
            assert_eq!(product.matches_usage_type(usage_type, region), fits, "{usage_type}");
        }
        assert!(Product::new("awskms").usage_type("KMS-Keys").matches_usage_type("eu-west-1-KMS-Keys", "eu-west-1"));
        assert!(Product::new("AmazonRDS").usage_type("InstanceUsage:*").matches_usage_type("EU-InstanceUsage:db.t4g.medium", "eu-west-1"));
        assert!(!Product::new("AmazonRDS").usage_type("InstanceUsage:*").matches_usage_type("EU-Multi-AZUsage:db.t4g.medium", "eu-west-1"));
        assert!(Product::new("AmazonEKS").matches_usage_type("anything", "eu-west-1"));
    }

    #[test]
    fn usage_of_an_address_comes_before_that_of_its_type() {
        const GB: UsageKey = UsageKey::new("gb", "GB").default(5.0);
        let quantities = |entries: &[(&str, f64)]| {
            entries.iter().map(|(of, value)| ((*of).to_owned(), BTreeMap::from([("gb".to_owned(), *value)]))).collect()
        };
        let quantity = |entries: &[(&str, f64)]| {
            let usage = Usage { hours_per_month: Some(100.0), quantities: quantities(entries) };
            let address = Address::new("nat_gateway", "a");
            let context = PriceContext { address: &address, usage: &usage, find: &|_, _| None };
            let part = context.metered_hourly("data", &GB, "GB", Product::new("AmazonEC2"));
            (context.quantity(&GB), part.quantity)
        };
        assert_eq!(quantity(&[]), (5.0, 500.0));
        assert_eq!(quantity(&[("nat_gateway", 7.0)]), (7.0, 700.0));
        assert_eq!(quantity(&[("nat_gateway", 7.0), ("nat_gateway.a", 9.0), ("nat_gateway.b", 1.0)]), (9.0, 900.0));
    }
}
