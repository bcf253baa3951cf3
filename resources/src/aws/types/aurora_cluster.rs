//! `aurora_cluster`: an Aurora database cluster, whose instances are `aurora_instance`s.

mod change;
mod check;
mod create;
mod delete;
mod engine;
mod point_in_time;
mod preflight;
mod price;
mod read;

use std::collections::BTreeSet;

pub(super) use create::{EXTENDED_SUPPORT, NO_EXTENDED_SUPPORT};
pub use engine::AuroraEngine;
pub use point_in_time::PointInTime;

use super::{
    aurora_global::AuroraGlobal,
    aurora_parameter_group::AuroraParameterGroup,
    iam_role::IamRole,
    kms_key::KmsKey,
    prelude::*,
    rds_instance::{account_limit, windows},
    rds_parameter_group::RdsParameterGroup,
    rds_subnet_group::{NETWORK_READS, RdsSubnetGroup},
    secret::Secret,
    security_group::SecurityGroup,
};
use crate::core::{AccountLimit, BackupSource, NewestBackup};

/// An Aurora database cluster: storage, endpoints and settings of its instances, each of which is an `aurora_instance`. RDS generates the
/// master password and stores it in Secrets Manager: there is no field for it.
#[spec]
pub struct AuroraCluster {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Database engine.
    #[field(important, replaces)]
    pub engine: AuroraEngine,
    /// Engine version, as exact as needed: `16` accepts any 16.x, `8.0.mysql_aurora.3` any 3.x. A newer minor version is accepted, too, because
    /// its instances may install it.
    #[field(
        important,
        one_way(Direction::Increase, "AWS does not downgrade engine versions"),
        impact = "the database is unavailable during the upgrade"
    )]
    pub version: String,
    /// Allows a change of `version` to another major version.
    #[field(default = false, write_only)]
    pub allow_major_version_upgrade: bool,
    /// Parameter group that all instances get with a change of `version` to another major version; not used otherwise.
    #[field(unset = "AWS's default group for the version", write_only, dropped(kept, "used only by an upgrade"))]
    pub upgraded_instance_parameter_group: Option<Ref<RdsParameterGroup>>,
    /// Name of an initial database.
    #[field(unset = "no database is created", length = 1..=63, pattern = "[A-Za-z][A-Za-z0-9_]*", replaces)]
    #[field(dropped(kept, "used only at creation"))]
    pub database_name: Option<String>,
    /// Master user: letters, digits and `_`, first a letter; at most 63 characters for PostgreSQL, else 16.
    #[field(unset = "`postgres` for PostgreSQL, else `admin`", length = 1..=63, pattern = "[A-Za-z][A-Za-z0-9_]*", replaces)]
    #[field(dropped(kept, "the master user is permanent"))]
    pub username: Option<String>,
    /// The key that encrypts the master user's secret. RDS refuses to change it.
    #[field(unset = "`aws/secretsmanager`", dropped(impossible, "RDS does not change the key of the master user's secret"))]
    pub master_password_key: Option<ArnRef<KmsKey>>,
    /// Secret with the master password, instead of one that RDS generates and changes: its text, or `password` of its JSON object. The first
    /// cluster of a `global` database needs it. acme reads it when this field changes; a new value of the same secret has no effect.
    #[field(unset = "RDS generates and stores a password", conflicts_with = master_password_key, dropped = None)]
    pub password_secret: Option<ArnRef<Secret>>,
    /// Database of several regions that the cluster belongs to. The first cluster, which has a `password_secret`, becomes the writer; those that
    /// follow become copies in their regions, with the writer's users. Removing the field makes the cluster a database of its own for good; the
    /// writer can leave only as the last one. A new major version is set in the global database, too, which upgrades all its clusters; for
    /// a minor version, upgrade the copies first.
    #[field(unset = "none", important, bound, conflicts_with = snapshot, dropped = None)]
    #[field(impact = "the cluster leaves the global database, and becomes a database of its own")]
    #[field(one_way(Direction::RemovedForGood, "an existing cluster never joins a global database"))]
    pub global: Option<Ref<AuroraGlobal>>,
    /// Sends writes from this cluster to the writer of its `global` database, while another cluster is the writer.
    #[field(default = false, requires = global)]
    pub global_write_forwarding: bool,
    /// Creates the cluster with the data that another one had. It is used only at creation, like `snapshot`.
    #[field(unset = "created empty", conflicts_with = snapshot, conflicts_with = global)]
    #[field(impact = "RDS replaces a master password that it does not manage yet", dropped(kept, "used only at creation"))]
    pub point_in_time: Option<PointInTime>,
    /// Snapshot to restore the cluster from: a name or an ARN. It is used only at creation: later changes have no effect, so they never lose
    /// data. The cluster keeps the snapshot's databases, users, encryption and key, but RDS generates a new master password.
    #[field(unset = "created empty", impact = "RDS replaces a master password that it does not manage yet")]
    #[field(dropped(kept, "used only at creation"))]
    pub snapshot: Option<String>,
    /// Port.
    #[field(unset = "the engine's port", range = 1150..=65_535, impact = "the instances restart")]
    #[field(dropped = Some(self.engine.default_port()))]
    pub port: Option<i32>,
    /// Subnet group of the instances.
    #[field(replaces)]
    pub subnet_group: Ref<RdsSubnetGroup>,
    /// Security groups of the instances.
    #[field(length = 1..=100)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// IP versions of the endpoints.
    #[field(default = "IPV4", one_of = ["IPV4", "DUAL"])]
    pub network_type: String,
    /// Parameter group with engine settings.
    #[field(unset = "AWS's default group for the version", impact = "its parameters take effect only after the next restart")]
    #[field(dropped = None)]
    pub parameter_group: Option<Ref<AuroraParameterGroup>>,
    /// Capacity of the instances with the class `db.serverless`; required for these.
    #[field(unset = "none", important, dropped(kept, "RDS keeps the limits; they have no effect without serverless instances"))]
    pub serverless: Option<Serverless>,
    /// Storage type: `aurora-iopt1` is dearer, and requests are free. AWS allows a change to it once in 30 days.
    #[field(important, default = "aurora", one_of = ["aurora", "aurora-iopt1"])]
    pub storage_type: String,
    /// Encrypts its storage, backups and logs.
    #[field(important, default = true, replaces, risky(false, "storage, backups and logs are not encrypted"))]
    pub encrypted: bool,
    /// The key that encrypts it.
    #[field(important, unset = "`aws/rds`", replaces, dropped(impossible, "the key of a cluster is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Retention of automatic backups, in days. Aurora can't disable them.
    #[field(default = 7, range = 1..=35, important)]
    pub backup_retention_days: i32,
    /// Daily backup window in UTC, such as `02:00-03:00`.
    #[field(unset = "assigned by AWS", pattern = "[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]", dropped(kept, "any window will do"))]
    pub backup_window: Option<String>,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// Enables deletion protection.
    #[field(default = true, protects_deletion, important, risky(false, "deletion protection is disabled"))]
    pub deletion_protection: bool,
    /// Enables IAM database authentication.
    #[field(default = false)]
    pub iam_authentication: bool,
    /// Logs to send to CloudWatch: `postgresql` for PostgreSQL; `audit`, `error`, `general` and `slowquery` for MySQL; `iam-db-auth-error` and
    /// `instance` for both.
    #[field(default, one_of = ["audit", "error", "general", "iam-db-auth-error", "instance", "postgresql", "slowquery"])]
    pub log_exports: BTreeSet<String>,
    /// Roles with which the database calls other services.
    #[field(default, length = 0..=5)]
    pub roles: BTreeSet<ClusterRole>,
    /// Enables the Data API, which runs statements over HTTPS.
    #[field(default = false)]
    pub data_api: bool,
    /// Time to which a MySQL cluster can be rewound, in seconds; 0 disables it. A cluster that was created without it never gets it.
    #[field(default = 0, range = 0..=259_200)]
    pub backtrack_seconds: i64,
    /// Forwards writes of readers to the writer, for MySQL.
    #[field(default = false)]
    pub local_write_forwarding: bool,
    /// Mode of Database Insights. `advanced` requires Performance Insights with a retention of 465 days or more.
    #[field(default = "standard", one_of = ["standard", "advanced"])]
    pub database_insights: String,
    /// Enables Performance Insights for all instances.
    #[field(default = false)]
    pub performance_insights: bool,
    /// Retention of Performance Insights, in days: 7, a multiple of 31 up to 713, or 731; 465 or more for advanced Database Insights.
    #[field(unset = "7", dropped = 7)]
    pub performance_insights_retention_days: Option<i32>,
    /// Interval of enhanced monitoring of all instances, in seconds; 0 leaves it to each instance.
    #[field(default = 0, one_of = [0, 1, 5, 10, 15, 30, 60])]
    pub monitoring_interval_seconds: i32,
    /// Role for enhanced monitoring; required if it is enabled.
    #[field(unset = "none", dropped = None)]
    pub monitoring_role: Option<ArnRef<IamRole>>,
    /// Copies the cluster's tags to its snapshots.
    #[field(default = true)]
    pub copy_tags_to_snapshot: bool,
    /// Keeps a major version after its standard support, which is charged. Without it, RDS upgrades the cluster then.
    #[field(default = true)]
    pub extended_support: bool,
    /// Deletes the automated backups with the cluster, and with them the way back to any point in time. Kept backups expire after
    /// `backup_retention_days` and are billed as backup storage until then.
    #[field(default = false, write_only, risky(true, "with the cluster, AWS deletes its automated backups"))]
    pub delete_automated_backups: bool,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// Capacity of serverless instances, in Aurora capacity units (ACU) of 2 GiB of memory.
#[spec]
#[derive(PartialEq)]
pub struct Serverless {
    /// Least capacity, in steps of 0.5; 0 pauses an idle instance.
    pub min: f64,
    /// Most capacity, in steps of 0.5.
    pub max: f64,
    /// Idle time after which an instance pauses, in seconds, if `min` is 0.
    #[field(unset = "300 if `min` is 0", range = 300..=86_400, dropped(kept, "the time has no effect unless `min` is 0"))]
    pub pause_after_seconds: Option<i32>,
}

/// A role with which the database calls other services.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterRole {
    /// The role.
    pub role: ArnRef<IamRole>,
    /// Feature that uses it, such as `s3Import`, `s3Export` or `Lambda`, for PostgreSQL; empty for MySQL.
    #[field(default)]
    pub feature: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of the endpoint of the writer.
    pub endpoint: Option<String>,
    /// Host name of the endpoint of the readers.
    pub reader_endpoint: Option<String>,
    /// Port of the endpoints.
    #[schemars(extend("x-acme-simulated" = "{engine|aurora-postgresql=5432|3306}"))]
    pub port: Option<i32>,
    /// Secret with the master user's name and password.
    #[schemars(extend("x-acme-simulated" = "arn:aws:secretsmanager:{region}:{account}:secret:rds!cluster-{uuid}-{hex6}"))]
    pub master_secret_arn: Option<String>,
    /// Identifier in IAM policies: `cluster-ABCDEFGHIJKL`.
    #[schemars(extend("x-acme-simulated" = "cluster-{upper26}"))]
    pub resource_id: Option<String>,
    /// Exact engine version.
    pub engine_version: Option<String>,
    /// Hosted zone of the endpoints, for alias records.
    pub hosted_zone_id: Option<String>,
}

/// Actions that RDS also checks for the cluster's groups.
const PLACED: &[&str] =
    &["rds:CreateDBCluster", "rds:ModifyDBCluster", "rds:RestoreDBClusterFromSnapshot", "rds:RestoreDBClusterToPointInTime"];

impl Resource for AuroraCluster {
    const TYPE: TypeInfo =
        TypeInfo::new("aurora_cluster", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:cluster:{name}")
            .typical_seconds(360)
            .longest_hours(24)
            .data_protection(DataProtection::Snapshot)
            .restorable()
            .lost_on_recreation("its data is in the final snapshot, if it left one")
            .without_token()
            .quota(400, "DBClusterQuotaExceededFault")
            .not_found("DBClusterNotFoundFault")
            .already_exists("DBClusterAlreadyExistsFault")
            .in_use("InvalidDBClusterStateFault")
            .iam_actions(
                IamActions::new("rds:cluster:{name}")
                    .create(&["rds:CreateDBCluster", "rds:RestoreDBClusterFromSnapshot", "rds:RestoreDBClusterToPointInTime"])
                    .change(&[
                        "rds:AddRoleToDBCluster",
                        "rds:CreateDBClusterSnapshot",
                        "rds:DeleteDBCluster",
                        "rds:DisableHttpEndpoint",
                        "rds:EnableHttpEndpoint",
                        "rds:ModifyDBCluster",
                        "rds:RemoveFromGlobalCluster",
                        "rds:RemoveRoleFromDBCluster",
                    ])
                    .questions(&["rds:DescribeAccountAttributes", "rds:DescribeDBEngineVersions"])
                    .grants(&[
                        IamGrant::read(&["rds:DescribeDBClusters"], GrantTarget::Arn("rds:cluster:*")),
                        IamGrant::change(PLACED, GrantTarget::Arn("rds:cluster-pg:*")),
                        IamGrant::change(
                            &["rds:CreateDBCluster", "rds:DescribeGlobalClusters", "rds:RemoveFromGlobalCluster"],
                            GrantTarget::Referenced("aurora_global"),
                        ),
                        IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                        IamGrant::change(&["rds:ModifyDBCluster"], GrantTarget::Arn("rds:pg:*")),
                        IamGrant::change(PLACED, GrantTarget::Arn("rds:subgrp:*")),
                        // The cluster it is a copy of.
                        IamGrant::change(&["rds:RestoreDBClusterToPointInTime"], GrantTarget::Referenced("aurora_cluster")),
                        IamGrant::change(&["rds:RestoreDBClusterToPointInTime"], GrantTarget::Arn("rds:cluster-auto-backup:*")),
                        // The snapshot it is created from.
                        IamGrant::read(&["rds:DescribeDBClusterSnapshots"], GrantTarget::Arn("rds:cluster-snapshot:*")),
                        IamGrant::change(&["rds:RestoreDBClusterFromSnapshot"], GrantTarget::Arn("rds:cluster-snapshot:*")),
                        // The final snapshot.
                        IamGrant::change(
                            &["rds:AddTagsToResource", "rds:CreateDBClusterSnapshot", "rds:DeleteDBCluster"],
                            GrantTarget::Arn("rds:cluster-snapshot:{name}*"),
                        ),
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["monitoring.rds.amazonaws.com", "rds.amazonaws.com"])),
                        IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("rds.amazonaws.com")),
                        // The master password that RDS generates.
                        IamGrant::change(
                            &["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
                            GrantTarget::Arn("secretsmanager:secret:rds!cluster-*"),
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

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The response lacks the secret, so the cluster is read again in any case.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let id = match (&self.point_in_time, &self.snapshot) {
            (Some(point), _) => self.restore_to(cx, point).await?,
            (_, Some(snapshot)) => self.restore(cx, snapshot).await?,
            _ => self.create_empty(cx).await?,
        };
        Ok(id.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AuroraClusterChanges) -> Result<()> {
        self.change(cx, live, changes).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        delete::delete(cx, live).await
    }

    /// An existing cluster joins no global database.
    fn replaces(&self, live: &Self) -> AuroraClusterChanges {
        let global = self.global.is_some() && self.global != live.global;
        AuroraClusterChanges { global, ..AuroraClusterChanges::default() }
    }

    async fn newest_backup(&self, backups: &BackupSource<'_, Aws>, source: &Existing<Self>) -> Result<NewestBackup> {
        point_in_time::newest_backup(self, backups, source).await
    }

    fn deletion_effect(&self) -> Option<String> {
        Some(match self.delete_automated_backups {
            true => "its automated backups are deleted, too".to_owned(),
            false => format!("its automated backups are kept for {} days, and billed", self.backup_retention_days),
        })
    }

    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        account_limit(questions, "DBClusters").await
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: AuroraClusterChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn normalize(&self, live: &mut Self) {
        if self.engine.satisfies(&self.version, &live.version) {
            live.version.clone_from(&self.version);
        }
        // RDS does not report what a cluster was created from (the simulator does), and it has no effect after creation. But while RDS does not
        // manage the password, the cluster does not match the spec.
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
        // Outside a global database, it has no effect, and can't be changed.
        if live.global.is_none() && self.global.is_none() {
            live.global_write_forwarding = self.global_write_forwarding;
        }
    }
}
