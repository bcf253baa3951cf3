//! `rds_instance`: a PostgreSQL, MySQL or MariaDB database.

mod create;
mod engine;
mod read;
mod update;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_rds::types::DbInstance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use engine::Engine;
use read::observed;

use super::{
    iam_role::IamRole, kms_key::KmsKey, rds_parameter_group::RdsParameterGroup, rds_subnet_group::RdsSubnetGroup,
    security_group::SecurityGroup,
};
use crate::{
    aws::{Aws, tags},
    core::{
        Actions, ArnRef, Changed, Data, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On,
        OnDelete, OneWay, Problem, Ref, Result, Scope, Service, Way,
    },
};

/// A PostgreSQL, MySQL or MariaDB database. RDS makes the master password and keeps it in Secrets Manager: there is no field for it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsInstance {
    /// Identifier in lower case, unique in account and region. Default: `<stack>-<environment>-<name>`. Changing it replaces the
    /// database.
    #[serde(default)]
    pub name: Option<String>,
    /// Changing it replaces the database.
    pub engine: Engine,
    /// Version, as exact as wanted: `16` is satisfied by any 16.x. A newer minor version satisfies it too while
    /// `auto_minor_version_upgrade` is on.
    pub version: String,
    /// Machine, such as `db.t4g.medium`.
    pub class: String,
    /// Storage in GiB. It cannot shrink.
    pub storage_gib: i32,
    /// Storage in GiB up to which RDS grows it by itself; 0 for never. Default: left as it is, at first never.
    #[serde(default)]
    pub max_storage_gib: Option<i32>,
    /// `gp3`, `gp2`, `io1`, `io2` or `standard`. Default: gp3.
    #[serde(default = "gp3")]
    pub storage_type: String,
    /// Input and output operations a second, for `io1`, `io2`, and `gp3` of 400 GiB or more. Default: what the storage includes.
    #[serde(default)]
    pub iops: Option<i32>,
    /// Throughput in MiB a second, for `gp3` of 400 GiB or more. Default: what the storage includes.
    #[serde(default)]
    pub throughput_mibps: Option<i32>,
    /// Keeps a standby in another availability zone. Default: false.
    #[serde(default)]
    pub multi_az: bool,
    /// Database made at the start. Default: none. Changing it replaces the database.
    #[serde(default)]
    pub database_name: Option<String>,
    /// Master user. Default: `postgres` for PostgreSQL, else `admin`. Changing it replaces the database.
    #[serde(default)]
    pub username: Option<String>,
    /// The key that encrypts the master user's secret. Default: `aws/secretsmanager`. RDS refuses to change it.
    #[serde(default)]
    pub master_password_key: Option<ArnRef<KmsKey>>,
    /// Snapshot it is made from: a name or an ARN. It is read only when the database is made: naming another one, or none, later on
    /// changes nothing, and so never costs data. What the snapshot has stays: databases, users, encryption and its key; but RDS makes a
    /// new master password. Default: none, it is made empty.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Port. Default: the engine's.
    #[serde(default)]
    pub port: Option<i32>,
    /// The subnets it lives in.
    pub subnet_group: Ref<RdsSubnetGroup>,
    /// Firewalls around it.
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Settings of the engine. Default: AWS's own group for the version.
    #[serde(default)]
    pub parameter_group: Option<Ref<RdsParameterGroup>>,
    /// Encrypts its storage, backups and logs. Default: true. Changing it replaces the database.
    #[serde(default = "yes")]
    pub encrypted: bool,
    /// The key that encrypts it. Default: `aws/rds`. Changing it replaces the database.
    #[serde(default)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Days that automatic backups are kept, at most 35; 0 for no backups. Default: 7.
    #[serde(default = "week")]
    pub backup_retention_days: i32,
    /// Time of day in UTC for backups, such as `02:00-03:00`. Default: chosen by AWS.
    #[serde(default)]
    pub backup_window: Option<String>,
    /// Time of the week in UTC for maintenance, such as `sun:04:00-sun:05:00`. Default: chosen by AWS.
    #[serde(default)]
    pub maintenance_window: Option<String>,
    /// Gives it a public address. Default: false.
    #[serde(default)]
    pub publicly_accessible: bool,
    /// Has AWS refuse to delete it. Default: true.
    #[serde(default = "yes")]
    pub deletion_protection: bool,
    /// Collects Performance Insights. Default: false.
    #[serde(default)]
    pub performance_insights: bool,
    /// Days that Performance Insights are kept: 7, a multiple of 31, or 731. Default: 7.
    #[serde(default)]
    pub performance_insights_retention_days: Option<i32>,
    /// Seconds between measurements of the operating system: 1, 5, 10, 15, 30 or 60; 0 for none. Default: 0.
    #[serde(default)]
    pub monitoring_interval_seconds: i32,
    /// Role with which RDS writes those measurements. Default: none; needed when there are any.
    #[serde(default)]
    pub monitoring_role: Option<ArnRef<IamRole>>,
    /// Logs sent to CloudWatch, such as `postgresql`, `upgrade`, `slowquery`. Default: none.
    #[serde(default)]
    pub log_exports: BTreeSet<String>,
    /// Installs new minor versions in the maintenance window. Default: true.
    #[serde(default = "yes")]
    pub auto_minor_version_upgrade: bool,
    /// Allows a change of `version` to another major version. Default: false.
    #[serde(default)]
    pub allow_major_version_upgrade: bool,
    /// Authority of the server's certificate, such as `rds-ca-rsa2048-g1`. Default: chosen by AWS.
    #[serde(default)]
    pub ca_certificate: Option<String>,
    /// Gives snapshots the tags of the database. Default: true.
    #[serde(default = "yes")]
    pub copy_tags_to_snapshot: bool,
    /// Lets IAM identities log in. Default: false.
    #[serde(default)]
    pub iam_authentication: bool,
    /// Makes changes at once; if not, those that disturb wait for the maintenance window. Default: true.
    #[serde(default = "yes")]
    pub apply_immediately: bool,
}

fn yes() -> bool {
    true
}
fn week() -> i32 {
    7
}
fn gp3() -> String {
    "gp3".to_owned()
}

/// What gp3 storage of 400 GiB and more has at least: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>.
const GP3_IOPS: i32 = 12_000;
/// The same in MiB a second.
const GP3_MIBPS: i32 = 500;

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name to connect to.
    pub endpoint: Option<String>,
    /// Port to connect to.
    pub port: Option<i32>,
    /// The secret that holds the master user's name and password.
    pub master_secret_arn: Option<String>,
    /// What IAM policies call the database: `db-ABCDEFGHIJKL`.
    pub resource_id: Option<String>,
    /// The exact version that runs.
    pub engine_version: Option<String>,
    /// Hosted zone of the endpoint, for alias records.
    pub hosted_zone_id: Option<String>,
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
const SLOWER: &str = "its storage is slower for hours, and can't be changed again for six";

/// What is asked of its groups, too.
const PLACED: &[&str] = &["rds:CreateDBInstance", "rds:ModifyDBInstance", "rds:RestoreDBInstanceFromDBSnapshot"];

impl Resource for RdsInstance {
    const TYPE: &'static str = "rds_instance";
    const SERVICE: Service = Service::Rds;
    const REPLACE: &'static [&'static str] = &["/name", "/engine", "/database_name", "/username", "/encrypted", "/kms_key"];
    const NAME: Option<Naming> = Some(Naming { max: 63, lower: true, prefix: "" });
    const ARN: Option<&'static str> = Some("rds:db:");
    const USUAL: Duration = Duration::from_secs(480);
    const DATA: Data = Data::Snapshot;
    const PROTECTION: Option<&'static str> = Some("/deletion_protection");
    const AT_ONCE: Option<&'static str> = Some("/apply_immediately");
    // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html
    const DISTURBS: &'static [(&'static str, &'static str)] = &[
        ("/class", "the database restarts; with multi_az it fails over"),
        ("/version", "the database is down while its engine is upgraded"),
        ("/port", "the database restarts"),
        ("/parameter_group", "its parameters take effect with the next restart only"),
        ("/subnet_group", "the database is down while it moves"),
        ("/storage_gib", SLOWER),
        ("/storage_type", SLOWER),
        ("/iops", SLOWER),
        ("/multi_az", "writes are slower while the standby is filled"),
        ("/snapshot", "a master password that RDS does not keep yet is replaced by one that it does"),
    ];
    const ONE_WAY: &'static [OneWay] = &[
        OneWay { field: "/version", why: "AWS takes no engine version back", way: Way::Up },
        OneWay { field: "/storage_gib", why: "storage does not shrink", way: Way::UpByTenth },
    ];
    const ACTIONS: Actions = Actions::on("rds:db:{name}")
        .create(&["rds:CreateDBInstance", "rds:RestoreDBInstanceFromDBSnapshot"])
        .change(&["rds:CreateDBSnapshot", "rds:DeleteDBInstance", "rds:ModifyDBInstance"])
        .more(&[
            Grant::read(&["rds:DescribeDBInstances"], On::Arn("rds:db:*")),
            Grant::change(PLACED, On::Arn("rds:og:*")),
            Grant::change(PLACED, On::Arn("rds:pg:*")),
            Grant::change(PLACED, On::Arn("rds:subgrp:*")),
            // The snapshot it is made from.
            Grant::change(&["rds:DescribeDBSnapshots", "rds:RestoreDBInstanceFromDBSnapshot"], On::Arn("rds:snapshot:*")),
            // The final snapshot.
            Grant::change(&["rds:AddTagsToResource", "rds:CreateDBSnapshot"], On::Arn("rds:snapshot:{name}*")),
            Grant::change(&["iam:PassRole"], On::Passed(&["monitoring.rds.amazonaws.com"])),
            Grant::change(&["iam:CreateServiceLinkedRole"], On::ServiceLinked("rds.amazonaws.com")),
            // The master password that RDS makes.
            Grant::change(&["secretsmanager:CreateSecret", "secretsmanager:TagResource"], On::Arn("secretsmanager:secret:rds!db-*")),
            Grant::change(&["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], On::Used("kms_key")),
            // RDS looks at the network with the caller's permissions.
            Grant::change(
                &[
                    "ec2:DescribeAccountAttributes",
                    "ec2:DescribeAvailabilityZones",
                    "ec2:DescribeInternetGateways",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcAttribute",
                    "ec2:DescribeVpcs",
                ],
                On::Everything,
            ),
        ]);
    type Outputs = Outputs;

    /// The description holds everything, tags included.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let instances: Vec<_> = aws.rds.describe_db_instances().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |instance: &DbInstance| {
            scope.wanted.contains(instance.db_instance_identifier().unwrap_or_default()) || scope.owns(&tags::from_rds(instance.tag_list()))
        };
        instances.into_iter().filter(covered).map(observed).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        match &self.snapshot {
            Some(snapshot) => self.restore(cx, snapshot).await,
            None => self.make(cx).await,
        }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        self.modify(cx, id, before, changed).await
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let call = || cx.aws.rds.delete_db_instance().db_instance_identifier(id);
        if cx.on_delete != OnDelete::Snapshot {
            call().skip_final_snapshot(true).delete_automated_backups(true).send().await?;
            return Ok(());
        }
        let into = |snapshot: String| call().skip_final_snapshot(false).final_db_snapshot_identifier(snapshot).send();
        match into(format!("{id}-final")).await.map_err(Error::from) {
            // An earlier database of this name left its snapshot.
            Err(error) if error.code == "DBSnapshotAlreadyExists" => {
                let token: Vec<char> = cx.token.chars().filter(char::is_ascii_alphanumeric).collect();
                let suffix: String = token[token.len().saturating_sub(8)..].iter().collect();
                into(format!("{id}-final-{suffix}")).await?;
            }
            answer => drop(answer?),
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |at: &str, message: String| problems.push(Problem::new(at, message));
        if self.security_groups.is_empty() {
            wrong("/security_groups", "a database needs a security group".into());
        }
        if !(0..=35).contains(&self.backup_retention_days) {
            wrong("/backup_retention_days", format!("backups are kept between 0 and 35 days, not {}", self.backup_retention_days));
        }
        if self.max_storage_gib.is_some_and(|gib| gib != 0 && gib <= self.storage_gib) {
            wrong("/max_storage_gib", format!("must be more than `storage_gib: {}`, or 0", self.storage_gib));
        }
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
        for (at, set) in [("/iops", self.iops.is_some()), ("/throughput_mibps", self.throughput_mibps.is_some())] {
            if set && self.storage_type == "gp3" && self.storage_gib < 400 {
                wrong(at, "gp3 storage below 400 GiB has a fixed performance (3000 IOPS, 125 MiB a second)".into());
            }
        }
        if matches!(self.storage_type.as_str(), "io1" | "io2") && self.iops.is_none() {
            wrong("/iops", format!("storage of type `{}` needs `iops`", self.storage_type));
        }
        if !matches!(self.monitoring_interval_seconds, 0 | 1 | 5 | 10 | 15 | 30 | 60) {
            wrong("/monitoring_interval_seconds", "must be 0, 1, 5, 10, 15, 30 or 60".into());
        }
        if self.monitoring_interval_seconds > 0 && self.monitoring_role.is_none() {
            wrong("/monitoring_role", "measurements of the operating system need a role".into());
        }
        if self.kms_key.is_some() && !self.encrypted {
            wrong("/kms_key", "a key needs `encrypted: true`".into());
        }
        let fits = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && !name.contains("--")
                && !name.ends_with('-')
        };
        if self.name.as_deref().is_some_and(|name| !name.contains("${") && !fits(name)) {
            wrong("/name", "an identifier starts with a letter and has lower-case letters, digits and single hyphens".into());
        }
        for (field, set) in [("database_name", self.database_name.is_some()), ("username", self.username.is_some())] {
            if set && self.snapshot.is_some() {
                let problem = Problem::new(format!("/{field}"), "a database made from a snapshot has what the snapshot has");
                problems.push(problem.help(format!("remove `{field}`")));
            }
        }
        problems
    }

    fn align(&self, live: &mut Self) {
        if self.engine.satisfies(&self.version, self.auto_minor_version_upgrade, &live.version) {
            live.version.clone_from(&self.version);
        }
        // Storage that grew by itself is as wanted.
        if (self.grows() || live.grows()) && live.storage_gib > self.storage_gib {
            live.storage_gib = self.storage_gib;
        }
        // RDS does not tell what a database was made from (the simulated cloud does), and it does not matter any more. But one whose
        // password RDS does not keep is not yet what was asked for.
        if live.snapshot.is_some() || live.master_password_key.is_some() {
            live.snapshot.clone_from(&self.snapshot);
        }
        // RDS answers in lower case.
        let same = |ours: &Option<String>, theirs: &Option<String>| {
            ours.as_ref().zip(theirs.as_ref()).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
        };
        if same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
        live.apply_immediately = self.apply_immediately;
        live.allow_major_version_upgrade = self.allow_major_version_upgrade;
    }
}

impl RdsInstance {
    /// RDS refuses a retention without Performance Insights.
    fn insights_retention(&self) -> Option<i32> {
        self.performance_insights_retention_days.filter(|_| self.performance_insights)
    }
    /// Whether the storage's performance may be named in a call.
    fn takes_iops(&self) -> bool {
        takes_iops(&self.storage_type, self.storage_gib)
    }
    /// Whether its storage may grow by itself.
    fn grows(&self) -> bool {
        self.max_storage_gib.is_some_and(|gib| gib > 0)
    }
}

/// Whether the performance of storage like this may be named in a call.
fn takes_iops(storage_type: &str, gib: i32) -> bool {
    matches!(storage_type, "io1" | "io2") || storage_type == "gp3" && gib >= 400
}
