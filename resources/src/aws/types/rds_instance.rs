//! `rds_instance`: a PostgreSQL, MySQL or MariaDB database.

mod check;
mod copies;
mod create;
mod delete;
mod engine;
mod health;
mod newest_backup;
mod preflight;
mod price;
mod read;
mod update;
pub(super) mod windows;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_rds::types::DbInstance;

pub(super) use check::is_insights_retention;
pub use copies::PointInTime;
pub(super) use copies::parse_time;
pub use engine::Engine;
pub(super) use newest_backup::{POINT_IN_TIME, before, simulated_time};
pub(super) use preflight::{account_limit, engine_versions, version_key};
pub use read::Outputs;
use read::observed;
pub(super) use read::{is_empty, phase};

use super::{
    iam_role::IamRole,
    kms_key::KmsKey,
    rds_option_group::RdsOptionGroup,
    rds_parameter_group::RdsParameterGroup,
    rds_subnet_group::{NETWORK_READS, RdsSubnetGroup},
    secret::Secret,
    security_group::SecurityGroup,
};
use crate::{
    aws::{Aws, Cx, services},
    core::{
        AccountLimit, ArnRef, BackupSource, Created, DataProtection, Declared, Deletion, Existing, GrantTarget, IamActions, IamGrant,
        NewestBackup, Observed, Phase, PriceContext, Pricing, Problem, Questions, Ref, Resource, Result, Scope, Spec, TypeInfo, UsageKey,
    },
};

// Impacts: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html and
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html

/// A PostgreSQL, MySQL or MariaDB database. RDS generates the master password and stores it in Secrets Manager, unless `password_secret` is set.
#[spec]
pub struct RdsInstance {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    /// Another name renames the database, which keeps its data. It takes effect immediately.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", important)]
    #[field(impact = "the database restarts under its new name, and its endpoint changes")]
    pub name: Option<String>,
    /// Database engine.
    #[field(important, replaces)]
    pub engine: Engine,
    /// Engine version, as exact as needed: `16` accepts any 16.x. With `auto_minor_version_upgrade`, a newer minor version is accepted,
    /// too.
    #[field(
        important,
        one_way(Direction::Increase, "AWS does not downgrade engine versions"),
        impact = "the database is unavailable during the upgrade"
    )]
    pub version: String,
    /// Instance class, such as `db.t4g.medium`.
    #[field(important, impact = "the database restarts; with multi_az it fails over", pattern = "db\\..+")]
    pub class: String,
    /// Storage in GiB: 20 to 65536, from 100 for `io1` and `io2`, 5 to 3072 for `standard`.
    #[field(
        important,
        range = 5..=65_536,
        one_way(Direction::IncreaseByTenth, "storage can't shrink"),
        impact = "its storage is slower for hours, and can't be changed again for six hours"
    )]
    pub storage_gib: i32,
    /// Limit for automatic storage growth, in GiB, at least a tenth more than `storage_gib`; 0 for no growth.
    #[field(unset = "unchanged, at creation no growth", range = 0..=65_536, dropped = 0)]
    pub max_storage_gib: Option<i32>,
    /// Storage type.
    #[field(
        default = "gp3",
        one_of = ["gp3", "gp2", "io1", "io2", "standard"],
        impact = "its storage is slower for hours, and can't be changed again for six hours"
    )]
    pub storage_type: String,
    /// Input and output operations per second, for `io1`, `io2`, and `gp3` of 400 GiB or more.
    #[field(
        unset = "the performance included in the storage",
        impact = "its storage is slower for hours, and can't be changed again for six hours"
    )]
    #[field(dropped(kept, "RDS keeps the performance until the type of the storage changes"))]
    pub iops: Option<i32>,
    /// Throughput in MiB per second, for `gp3` only, of 400 GiB or more.
    #[field(unset = "the performance included in the storage")]
    #[field(dropped(kept, "RDS keeps the performance until the type of the storage changes"))]
    pub throughput_mibps: Option<i32>,
    /// Maintains a standby in another availability zone.
    #[field(important, default = false, impact = "writes are slower while the standby is filled")]
    pub multi_az: bool,
    /// Name of an initial database.
    #[field(unset = "no database is created", length = 1..=64, pattern = "[A-Za-z][A-Za-z0-9_]*", replaces)]
    #[field(dropped(kept, "used only at creation"))]
    pub database_name: Option<String>,
    /// Master user: letters, digits and `_`, first a letter; at most 63 characters for PostgreSQL, else 16.
    #[field(unset = "`postgres` for PostgreSQL, else `admin`", length = 1..=63, pattern = "[A-Za-z][A-Za-z0-9_]*", replaces)]
    #[field(dropped(kept, "the master user is permanent"))]
    pub username: Option<String>,
    /// The key that encrypts the master user's secret. RDS refuses to change it.
    #[field(unset = "`aws/secretsmanager`", dropped(impossible, "RDS does not change the key of the master user's secret"))]
    pub master_password_key: Option<ArnRef<KmsKey>>,
    /// Secret with the master password, instead of one that RDS generates and changes: its text, or `password` of its JSON object. A database
    /// with read replicas needs it, because RDS copies no database whose password it manages. acme reads it when this field changes; a new value
    /// of the same secret has no effect.
    #[field(unset = "RDS generates and stores a password", conflicts_with = master_password_key, dropped = None)]
    pub password_secret: Option<ArnRef<Secret>>,
    /// Database of which this one is a read replica, in the same region or another one. Removing the field promotes the replica: it becomes a
    /// database of its own, with the users and passwords of its source, and can't become a replica again.
    #[field(unset = "no replica", important, bound, conflicts_with = snapshot, dropped = None)]
    #[field(impact = "the replica is promoted to a database of its own, and restarts")]
    #[field(one_way(Direction::RemovedForGood, "a promoted replica never becomes a replica again"))]
    pub replica_of: Option<ArnRef<RdsInstance>>,
    /// Creates the database with the data that another one had. It is used only at creation, like `snapshot`.
    #[field(unset = "created empty", conflicts_with = snapshot, conflicts_with = replica_of)]
    #[field(impact = "RDS replaces a master password that it does not manage yet", dropped(kept, "used only at creation"))]
    pub point_in_time: Option<PointInTime>,
    /// Snapshot to restore the database from: a name or an ARN. It is used only at creation: later changes have no effect, so they never
    /// lose data. The database keeps the snapshot's databases, users, encryption and key, but RDS generates a new master password.
    #[field(unset = "created empty", impact = "RDS replaces a master password that it does not manage yet")]
    #[field(dropped(kept, "used only at creation"))]
    pub snapshot: Option<String>,
    /// Port.
    #[field(unset = "the engine's port", range = 1150..=65_535, impact = "the database restarts")]
    #[field(dropped = Some(self.engine.default_port()))]
    pub port: Option<i32>,
    /// Subnet group of the database.
    #[field(impact = "the database is unavailable during the move")]
    pub subnet_group: Ref<RdsSubnetGroup>,
    /// Security groups of its network interface.
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Parameter group with engine settings.
    #[field(unset = "AWS's default group for the version", impact = "its parameters take effect only after the next restart")]
    #[field(dropped = None)]
    pub parameter_group: Option<Ref<RdsParameterGroup>>,
    /// Option group with additional features of the engine.
    #[field(unset = "AWS's default group for the version", dropped = None)]
    pub option_group: Option<Ref<RdsOptionGroup>>,
    /// Encrypts its storage, backups and logs.
    #[field(important, default = true, replaces, risky(false, "storage, backups and logs are not encrypted"))]
    pub encrypted: bool,
    /// The key that encrypts it.
    #[field(important, unset = "`aws/rds`", replaces, dropped(impossible, "the key of a database is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Retention of automatic backups, in days; 0 disables them.
    #[field(important, default = 7, range = 0..=35, risky(0, "there are no automatic backups"))]
    pub backup_retention_days: i32,
    /// Daily backup window in UTC, such as `02:00-03:00`.
    #[field(unset = "assigned by AWS", pattern = "[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]", dropped(kept, "any window will do"))]
    pub backup_window: Option<String>,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// Assigns a public address.
    #[field(default = false, important, risky(true, "the database has a public address"))]
    pub publicly_accessible: bool,
    /// Enables deletion protection.
    #[field(default = true, protects_deletion, important, risky(false, "deletion protection is disabled"))]
    pub deletion_protection: bool,
    /// Enables Performance Insights.
    #[field(default = false)]
    pub performance_insights: bool,
    /// Retention of Performance Insights, in days: 7, a multiple of 31 up to 713, or 731.
    #[field(unset = "7", dropped = 7)]
    pub performance_insights_retention_days: Option<i32>,
    /// Interval of enhanced monitoring, in seconds: 1, 5, 10, 15, 30 or 60; 0 disables it.
    #[field(default = 0)]
    pub monitoring_interval_seconds: i32,
    /// Role for enhanced monitoring; required if it is enabled.
    #[field(unset = "none", dropped = None)]
    pub monitoring_role: Option<ArnRef<IamRole>>,
    /// Logs to send to CloudWatch: `postgresql` and `upgrade` for PostgreSQL; `audit`, `error`, `general` and `slowquery` for other engines.
    #[field(default, one_of = ["audit", "error", "general", "iam-db-auth-error", "postgresql", "slowquery", "upgrade"])]
    pub log_exports: BTreeSet<String>,
    /// Installs new minor versions in the maintenance window.
    #[field(default = true)]
    pub auto_minor_version_upgrade: bool,
    /// Allows a change of `version` to another major version.
    #[field(default = false, write_only)]
    pub allow_major_version_upgrade: bool,
    /// Certificate authority of the server's certificate, such as `rds-ca-rsa2048-g1`.
    #[field(unset = "assigned by AWS", dropped(kept, "AWS's choice applies only at creation"))]
    pub ca_certificate: Option<String>,
    /// Copies the database's tags to its snapshots.
    #[field(default = true)]
    pub copy_tags_to_snapshot: bool,
    /// Deletes the automated backups with the database, and with them the way back to any point in time. Kept backups expire after
    /// `backup_retention_days` and are billed as backup storage until then; AWS Backup requires that they are kept.
    #[field(default = false, write_only, risky(true, "with the database, AWS deletes its automated backups"))]
    pub delete_automated_backups: bool,
    /// Enables IAM database authentication.
    #[field(default = false)]
    pub iam_authentication: bool,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// IOPS included in gp3 storage of 400 GiB or more: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>.
const GP3_IOPS: i32 = 12_000;
/// Throughput in MiB per second included in such storage.
const GP3_MIBPS: i32 = 500;

/// Actions that RDS also checks for the database's groups.
const PLACED: &[&str] = &[
    "rds:CreateDBInstance",
    "rds:CreateDBInstanceReadReplica",
    "rds:ModifyDBInstance",
    "rds:RestoreDBInstanceFromDBSnapshot",
    "rds:RestoreDBInstanceToPointInTime",
];

/// Actions that RDS also checks for the database that is copied.
const COPIES: &[&str] = &["rds:CreateDBInstanceReadReplica", "rds:RestoreDBInstanceToPointInTime"];

impl Resource for RdsInstance {
    const TYPE: TypeInfo = TypeInfo::new("rds_instance", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:db:{name}")
        .typical_seconds(480)
        .longest_hours(24)
        .data_protection(DataProtection::Snapshot)
        .permanent_id("resource_id")
        .restorable()
        .lost_on_recreation("its data is in the final snapshot, if it left one")
        .without_token()
        .quota(400, "InstanceQuotaExceeded")
        .not_found("DBInstanceNotFound")
        .already_exists("DBInstanceAlreadyExists")
        .iam_actions(
            IamActions::new("rds:db:{name}")
                .create(&[
                    "rds:CreateDBInstance",
                    "rds:CreateDBInstanceReadReplica",
                    "rds:RestoreDBInstanceFromDBSnapshot",
                    "rds:RestoreDBInstanceToPointInTime",
                ])
                .change(&["rds:CreateDBSnapshot", "rds:DeleteDBInstance", "rds:ModifyDBInstance", "rds:PromoteReadReplica"])
                .questions(&["rds:DescribeAccountAttributes", "rds:DescribeDBEngineVersions", "rds:DescribeOrderableDBInstanceOptions"])
                .grants(&[
                    IamGrant::read(&["rds:DescribeDBInstances"], GrantTarget::Arn("rds:db:*")),
                    // The lag of a replica.
                    IamGrant::read(&["cloudwatch:GetMetricData"], GrantTarget::AllResources)
                        .needed_for(|| RdsInstance::POINTERS.replica_of),
                    IamGrant::change(PLACED, GrantTarget::Arn("rds:og:*")),
                    IamGrant::change(PLACED, GrantTarget::Arn("rds:pg:*")),
                    IamGrant::change(PLACED, GrantTarget::Arn("rds:subgrp:*")),
                    // The database it is a copy of.
                    IamGrant::change(COPIES, GrantTarget::Referenced("rds_instance")),
                    IamGrant::change(&["rds:RestoreDBInstanceToPointInTime"], GrantTarget::Arn("rds:auto-backup:*")),
                    // The snapshot it is created from.
                    IamGrant::read(&["rds:DescribeDBSnapshots"], GrantTarget::Arn("rds:snapshot:*")),
                    IamGrant::change(&["rds:RestoreDBInstanceFromDBSnapshot"], GrantTarget::Arn("rds:snapshot:*")),
                    // The final snapshot.
                    IamGrant::change(&["rds:AddTagsToResource", "rds:CreateDBSnapshot"], GrantTarget::Arn("rds:snapshot:{name}*")),
                    IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["monitoring.rds.amazonaws.com"])),
                    IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("rds.amazonaws.com")),
                    IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                    // The master password that RDS generates.
                    IamGrant::change(
                        &["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
                        GrantTarget::Arn("secretsmanager:secret:rds!db-*"),
                    ),
                    IamGrant::change(
                        &["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
                        GrantTarget::Referenced("kms_key"),
                    ),
                    IamGrant::change(NETWORK_READS, GrantTarget::AllResources),
                ]),
        );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    /// The description contains everything, including tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let instances: Vec<_> = aws.rds.describe_db_instances().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |instance: &DbInstance| {
            // An `aurora_instance`, or an instance of Neptune or DocumentDB.
            if instance.db_cluster_identifier().is_some_and(|cluster| !cluster.is_empty()) {
                return false;
            }
            scope.lookup.contains(instance.db_instance_identifier().unwrap_or_default())
                || scope.owns(&services::rds::from_tags(instance.tag_list()))
        };
        instances.into_iter().filter(covered).map(observed).collect()
    }

    /// The response lacks endpoint and secret, so the database is read again in any case.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let id = match (&self.replica_of, &self.point_in_time, &self.snapshot) {
            (Some(source), ..) => self.replicate(cx, source.get()).await?,
            (_, Some(point), _) => self.restore_to(cx, point).await?,
            (_, _, Some(snapshot)) => self.restore(cx, snapshot).await?,
            _ => self.create_empty(cx).await?,
        };
        Ok(id.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsInstanceChanges) -> Result<()> {
        // RDS makes no other change at the same time; a read then shows what is left.
        if changes.replica_of && self.replica_of.is_none() {
            return self.promote(cx, &live.id).await;
        }
        let others = RdsInstanceChanges {
            name: false,
            allow_major_version_upgrade: false,
            delete_automated_backups: false,
            apply_immediately: false,
            ..changes
        };
        if changes.name && Self::pointers(&others).is_empty() {
            return self.rename(cx, &live.id).await;
        }
        self.modify(cx, live, changes).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        delete::delete(cx, live).await
    }

    /// A database of its own never becomes a replica, and a replica never one of another source.
    fn replaces(&self, live: &Self) -> RdsInstanceChanges {
        let replica_of = self.replica_of.is_some() && self.replica_of != live.replica_of;
        RdsInstanceChanges { replica_of, ..RdsInstanceChanges::default() }
    }

    fn deletion_effect(&self) -> Option<String> {
        if self.replica_of.is_some() {
            return Some("RDS takes no final snapshot of a read replica; its source keeps the data".to_owned());
        }
        let days = self.backup_retention_days;
        (days > 0).then(|| match self.delete_automated_backups {
            true => "its automated backups are deleted, too".to_owned(),
            false => format!("its automated backups are kept for {days} days, and billed"),
        })
    }

    async fn newest_backup(&self, backups: &BackupSource<'_, Aws>, source: &Existing<Self>) -> Result<NewestBackup> {
        newest_backup::newest_backup(self, backups, source).await
    }

    fn leaves_snapshot(&self) -> bool {
        self.replica_of.is_none()
    }

    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        account_limit(questions, "DBInstances").await
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: RdsInstanceChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        health::health(aws, live).await
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn normalize(&self, live: &mut Self) {
        if self.engine.satisfies(&self.version, self.auto_minor_version_upgrade, &live.version) {
            live.version.clone_from(&self.version);
        }
        // Storage that RDS increased counts as desired.
        if (self.grows() || live.grows()) && live.storage_gib > self.storage_gib {
            live.storage_gib = self.storage_gib;
        }
        // RDS does not report what a database was created from (the simulator does), and it has no effect after creation. But while RDS does not
        // manage the password, the database does not match the spec.
        let has_password = live.master_password_key.is_some() || self.password_secret.is_some();
        if live.snapshot.is_some() || has_password {
            live.snapshot.clone_from(&self.snapshot);
        }
        if live.point_in_time.is_some() || has_password {
            live.point_in_time.clone_from(&self.point_in_time);
        }
        if windows::same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
    }
}

impl RdsInstance {
    /// RDS rejects a retention without Performance Insights.
    fn insights_retention(&self) -> Option<i32> {
        self.performance_insights_retention_days.filter(|_| self.performance_insights)
    }
    /// Whether a call can set the storage's performance.
    fn takes_iops(&self) -> bool {
        takes_iops(&self.storage_type, self.storage_gib)
    }
    /// Whether its storage can grow automatically.
    fn grows(&self) -> bool {
        self.max_storage_gib.is_some_and(|gib| gib > 0)
    }
}

/// Whether a call can set the performance of such storage.
fn takes_iops(storage_type: &str, gib: i32) -> bool {
    matches!(storage_type, "io1" | "io2") || storage_type == "gp3" && gib >= 400
}
