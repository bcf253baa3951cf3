//! The price of a table: its storage, and its requests or capacity.

use super::{Billing, DynamodbTable, TableClass};
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[GB_STORED, READ_UNITS, WRITE_UNITS];

const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");
const READ_UNITS: UsageKey = UsageKey::new("read_units", "read request units in a month, on demand");
const WRITE_UNITS: UsageKey = UsageKey::new("write_units", "write request units in a month, on demand");

/// <https://aws.amazon.com/dynamodb/pricing/>
pub(super) fn of(table: &DynamodbTable, context: &PriceContext<'_>) -> Pricing {
    if table.table_class != TableClass::Standard {
        return Pricing::default().without("a table of the class for infrequent access");
    }
    let product = |family, usage_type| Product::new("AmazonDynamoDB").family(family).usage_type(usage_type);
    let mut parts = vec![context.metered("items", &GB_STORED, "GB-months", product("Database Storage", "TimedStorage-ByteHrs"))];
    match table.billing {
        Billing::OnDemand => {
            let family = "Amazon DynamoDB PayPerRequest Throughput";
            let (read, write) = (product(family, "ReadRequestUnits"), product(family, "WriteRequestUnits"));
            parts.push(context.metered("reads", &READ_UNITS, "read units", read));
            parts.push(context.metered("writes", &WRITE_UNITS, "write units", write));
        }
        Billing::Provisioned => {
            let indexes = || table.global_indexes.values();
            let read: i64 = table.read_capacity + indexes().map(|index| index.read_capacity).sum::<i64>();
            let write: i64 = table.write_capacity + indexes().map(|index| index.write_capacity).sum::<i64>();
            let units = |count: i64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            let family = "Provisioned IOPS";
            parts.push(context.hourly("read capacity", units(read), product(family, "ReadCapacityUnit-Hrs")));
            parts.push(context.hourly("write capacity", units(write), product(family, "WriteCapacityUnit-Hrs")));
        }
    }
    let pricing = Pricing::of(parts);
    let is_scaled = table.billing == Billing::Provisioned && table.scaling.is_some();
    if is_scaled { pricing.without("capacity beyond the smallest one, which scaling adds") } else { pricing }
}
