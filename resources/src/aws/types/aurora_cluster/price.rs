//! The price of a cluster: its storage, and what its instances cost.

use super::{AuroraCluster, AuroraEngine};
use crate::core::{PriceContext, Pricing, Product, UsageKey};

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[GB_STORED, IO_REQUESTS, GB_BACKUP];

const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");
const GB_BACKUP: UsageKey = UsageKey::new("gb_backup", "GB of backups beyond the size of the storage");
const IO_REQUESTS: UsageKey = UsageKey::new("io_requests", "requests to the storage in a month");

/// Class of instances without a fixed size.
const SERVERLESS: &str = "db.serverless";

/// Optimised storage includes all requests: <https://aws.amazon.com/rds/aurora/pricing/>.
pub(super) fn of(cluster: &AuroraCluster, context: &PriceContext<'_>) -> Pricing {
    let product = |family, usage_type| Product::new("AmazonRDS").family(family).with("databaseEngine", "Any").usage_type(usage_type);
    // The price list has it once for each engine, at one price.
    let backups = Product::new("AmazonRDS").family("Storage Snapshot").usage_type("Aurora:BackupUsage");
    let backups = context.metered("backups", &GB_BACKUP, "GB-months", backups);
    if cluster.is_io_optimized() {
        let product = product("Database Storage", "Aurora:IO-OptimizedStorageUsage");
        return Pricing::of(vec![context.metered("storage", &GB_STORED, "GB-months", product), backups]);
    }
    Pricing::of(vec![
        backups,
        context.metered("storage", &GB_STORED, "GB-months", product("Database Storage", "Aurora:StorageUsage")),
        context.metered("requests to the storage", &IO_REQUESTS, "requests", product("System Operation", "Aurora:StorageIOUsage")),
    ])
}

impl AuroraCluster {
    fn is_io_optimized(&self) -> bool {
        self.storage_type == "aurora-iopt1"
    }

    /// The price of an instance of this class. A serverless one uses `units` on average, at least the cluster's smallest number.
    pub(in crate::aws::types) fn instance_price(&self, context: &PriceContext<'_>, class: &str, units: &UsageKey) -> Pricing {
        let engine = match self.engine {
            AuroraEngine::AuroraPostgresql => "Aurora PostgreSQL",
            AuroraEngine::AuroraMysql => "Aurora MySQL",
        };
        let product = |family, usage_type| Product::new("AmazonRDS").family(family).with("databaseEngine", engine).usage_type(usage_type);
        let optimized = self.is_io_optimized();
        if class != SERVERLESS {
            let usage_type = if optimized { "InstanceUsageIOOptimized:*" } else { "InstanceUsage:*" };
            let product = product("Database Instance", usage_type).with("instanceType", class);
            return Pricing::of(vec![context.hourly(format!("instance ({class})"), 1.0, product)]);
        }
        let usage_type = if optimized { "Aurora:ServerlessV2IOOptimizedUsage" } else { "Aurora:ServerlessV2Usage" };
        let smallest = self.serverless.as_ref().map_or(0.0, |serverless| serverless.min);
        let units = context.quantity(units).max(smallest);
        let part = context.hourly("capacity units", units, product("ServerlessV2", usage_type));
        Pricing::of(vec![part.assuming(format!("{units} Aurora capacity units on average"))])
    }
}
