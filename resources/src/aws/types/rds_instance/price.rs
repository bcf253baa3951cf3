//! The price of a database: its instance and its storage.

use super::{Engine, RdsInstance};
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[GB_BACKUP];

const GB_BACKUP: UsageKey = UsageKey::new("gb_backup", "GB of backups beyond the size of the storage");

/// Backups are free up to the size of the storage: <https://aws.amazon.com/rds/pricing/>.
pub(super) fn of(database: &RdsInstance, context: &PriceContext<'_>) -> Pricing {
    let (deployment, zones) = if database.multi_az { ("Multi-AZ", "Multi-AZ-") } else { ("Single-AZ", "") };
    let engine = match database.engine {
        Engine::Postgres => "PostgreSQL",
        Engine::Mysql => "MySQL",
        Engine::Mariadb => "MariaDB",
    };
    let product = |family| Product::new("AmazonRDS").family(family).with("deploymentOption", deployment);
    let usage_type = if database.multi_az { "Multi-AZUsage:*" } else { "InstanceUsage:*" };
    let instance = product("Database Instance").with("databaseEngine", engine).with("instanceType", &database.class).usage_type(usage_type);
    let instance = context.hourly(format!("instance ({}, {deployment})", database.class), 1.0, instance);
    let (volume_type, name) = match database.storage_type.as_str() {
        "gp3" => ("General Purpose-GP3", "GP3-Storage"),
        "gp2" => ("General Purpose", "GP2-Storage"),
        "io1" => ("Provisioned IOPS", "PIOPS-Storage"),
        "io2" => ("Provisioned IOPS-IO2", "PIOPS-Storage-IO2"),
        _ => ("Magnetic", "StorageUsage"),
    };
    // The price list has it once for all engines.
    let storage = product("Database Storage").with("databaseEngine", "Any").with("volumeType", volume_type);
    let storage = storage.usage_type(format!("RDS:{zones}{name}"));
    let gib = f64::from(database.storage_gib);
    let storage = context.monthly(format!("storage ({})", database.storage_type), gib, "GB-months", storage);
    // The price list has it once for each engine, at one price.
    let backups = Product::new("AmazonRDS").family("Storage Snapshot").usage_type("RDS:ChargedBackupUsage");
    let backups = context.metered("backups", &GB_BACKUP, "GB-months", backups);
    let mut pricing = Pricing::of(vec![instance, storage, backups]);
    if database.iops.is_some() || database.throughput_mibps.is_some() {
        pricing = pricing.without("operations and throughput beyond those included in the storage");
    }
    if database.performance_insights_retention_days.is_some_and(|days| days > 7) {
        pricing = pricing.without("Performance Insights for more than 7 days");
    }
    pricing
}
