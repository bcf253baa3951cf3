//! The monthly cost of a stack before and after a plan, from AWS's price list.
//!
//! Each resource type states its price components ([`crate::core::Pricing`]); the unit prices come from the price list, and are kept on disk
//! for some days. No price is in the program. A component whose price can't be read is reported as not priced, never as free.

mod cache;
mod estimate;
mod price_list;
mod price_source;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::Address;

pub use cache::Cache;
pub use estimate::estimate;
pub use price_list::{Tier, UnitPrice};
pub use price_source::PriceSource;

/// The monthly cost of a stack before and after a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Currency of the price list: `USD`, in China `CNY`.
    pub currency: String,
    /// Parts of the cost before the plan.
    pub before: Vec<CostLine>,
    /// Parts of the cost after it.
    pub after: Vec<CostLine>,
    /// Parts that depend on a usage that nobody has stated: they are not in the sums.
    pub not_counted: Vec<NotCounted>,
    /// Parts without a price: they are not in the sums.
    pub not_priced: Vec<NotPriced>,
    /// Notes about the price list.
    pub notes: Vec<String>,
    /// Whether the price list could not be read, at least for some parts.
    pub is_unread: bool,
    /// Hours in a month for which everything runs.
    pub hours: f64,
}

/// A part of the cost, with everything it follows from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostLine {
    /// Address of the resource.
    pub address: Address,
    /// Section that declares it, if any.
    pub section: Option<String>,
    /// Name of the part.
    pub component: String,
    /// Quantity in a month.
    pub quantity: f64,
    /// Unit of the quantity.
    pub unit: &'static str,
    /// Cost in a month.
    pub monthly: f64,
    /// Assumptions behind the quantity.
    pub assumptions: Vec<String>,
    /// The product of the price list.
    pub price: UnitPrice,
}

/// A part that depends on a usage that nobody has stated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotCounted {
    /// Address of the resource.
    pub address: Address,
    /// Name of the part.
    pub component: String,
    /// Name of the usage.
    pub usage: &'static str,
}

/// A part without a price.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotPriced {
    /// Address of the resource.
    pub address: Address,
    /// What is not priced, or why.
    pub reason: String,
}

/// Sums before and after a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// Cost in a month before the plan.
    pub before: f64,
    /// Cost in a month after it.
    pub after: f64,
}

impl Sums {
    /// Change of the cost in a month.
    pub fn change(self) -> f64 {
        self.after - self.before
    }
}

impl Costs {
    /// Sums of everything.
    pub fn total(&self) -> Sums {
        // The sum of nothing would be -0.
        let sum = |lines: &[CostLine]| lines.iter().map(|line| line.monthly).fold(0.0, |sum, cost| sum + cost);
        Sums { before: sum(&self.before), after: sum(&self.after) }
    }
    /// Sums by section; `None` for resources that no section declares.
    pub fn sections(&self) -> BTreeMap<Option<&str>, Sums> {
        let mut sections: BTreeMap<Option<&str>, Sums> = BTreeMap::new();
        for line in &self.before {
            sections.entry(line.section.as_deref()).or_default().before += line.monthly;
        }
        for line in &self.after {
            sections.entry(line.section.as_deref()).or_default().after += line.monthly;
        }
        sections
    }
    /// Whether the sums say something: some part has a price, or no part needs one.
    pub fn is_known(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty() || self.not_priced.is_empty()
    }
}
