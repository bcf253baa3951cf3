//! The price of a trail: events beyond the first copy of the management events.

use super::Trail;
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[MANAGEMENT_EVENTS, DATA_EVENTS, ANALYZED_EVENTS];

const MANAGEMENT_EVENTS: UsageKey =
    UsageKey::new("management_events", "management events in a month that another trail of the region records, too");
const DATA_EVENTS: UsageKey = UsageKey::new("data_events", "data events in a month");
const ANALYZED_EVENTS: UsageKey = UsageKey::new("analyzed_events", "management events in a month that `insights` analyzes");

/// <https://aws.amazon.com/cloudtrail/pricing/>
pub(super) fn of(trail: &Trail, context: &PriceContext<'_>) -> Pricing {
    let product = |events: &str| Product::new("AWSCloudTrail").family(&format!("Management Tools - AWS CloudTrail {events}"));
    let paid = product("Paid Events Recorded");
    let mut parts = vec![context.metered("further copies of management events", &MANAGEMENT_EVENTS, "events", paid)];
    if trail.event_selectors.iter().any(|selector| !selector.data.is_empty()) || !trail.advanced_selectors.is_empty() {
        parts.push(context.metered("data events", &DATA_EVENTS, "events", product("Data Events Recorded")));
    }
    if !trail.insights.is_empty() {
        parts.push(context.metered("insights", &ANALYZED_EVENTS, "events", product("Insights Events")));
    }
    Pricing::of(parts)
}
