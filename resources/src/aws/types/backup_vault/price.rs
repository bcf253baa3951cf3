//! The price of a vault: its backups, by what they are of.

use crate::core::{PriceContext, Pricing, Product, UsageKey};

use super::BackupVault;

/// Quantities that depend on the usage.
pub(super) const USAGE: &[UsageKey] = &[DISKS, FILE_SYSTEMS, DATABASES, AURORA, TABLES, BUCKETS];

const DISKS: UsageKey = UsageKey::new("gb_disks", "GB of backups of disks");
const FILE_SYSTEMS: UsageKey = UsageKey::new("gb_file_systems", "GB of backups of file systems");
const DATABASES: UsageKey = UsageKey::new("gb_databases", "GB of backups of databases");
const AURORA: UsageKey = UsageKey::new("gb_aurora", "GB of backups of Aurora clusters");
const TABLES: UsageKey = UsageKey::new("gb_tables", "GB of backups of DynamoDB tables");
const BUCKETS: UsageKey = UsageKey::new("gb_buckets", "GB of backups of buckets");

/// Backups of disks and databases are snapshots of their services. <https://aws.amazon.com/backup/pricing/>
pub(super) fn of(_: &BackupVault, context: &PriceContext<'_>) -> Pricing {
    let snapshot = |service, usage_type| Product::new(service).family("Storage Snapshot").usage_type(usage_type);
    let own = |usage_type| Product::new("AWSBackup").family("AWS Backup Storage").usage_type(usage_type);
    let parts = [
        ("disks", &DISKS, snapshot("AmazonEC2", "EBS:SnapshotUsage")),
        ("file systems", &FILE_SYSTEMS, own("WarmStorage-ByteHrs-EFS")),
        ("databases", &DATABASES, snapshot("AmazonRDS", "RDS:ChargedBackupUsage")),
        ("Aurora clusters", &AURORA, snapshot("AmazonRDS", "Aurora:BackupUsage")),
        ("tables", &TABLES, own("WarmStorage-ByteHrs-DynamoDB")),
        ("buckets", &BUCKETS, own("WarmStorage-ByteHrs-S3")),
    ];
    let part = |(name, key, product)| context.metered(format!("backups of {name}"), key, "GB-months", product).assuming("in warm storage");
    Pricing::of(parts.map(part).into()).without("backups in cold storage, restores, and copies to other regions")
}
