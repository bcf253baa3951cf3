//! `cache_replication_group`: a Valkey or Redis OSS cache.

mod change;
mod check;
mod create;
mod engine;
pub(super) mod logs;
mod read;

use std::collections::BTreeSet;

pub(super) use check::SHORTEST_WINDOW;
pub use engine::CacheEngine;
pub(super) use engine::satisfies;
pub use logs::LogDelivery;

use super::{
    cache_parameter_group::CacheParameterGroup, cache_subnet_group::CacheSubnetGroup, cache_user_group::CacheUserGroup, kms_key::KmsKey,
    prelude::*, rds_instance::windows, secret::Secret, security_group::SecurityGroup,
};
use crate::core::OnDelete;

/// A Valkey or Redis OSS cache: one or more shards, each of a primary node and replicas.
#[spec]
pub struct CacheReplicationGroup {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 40, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Description.
    #[field(default = "Managed by acme", length = 1..=255)]
    pub description: String,
    /// Engine.
    #[field(important, default = CacheEngine::Valkey, impact = "connections fail for some seconds during the upgrade")]
    #[field(one_way(Direction::Ordered(&["redis", "valkey"]), "AWS does not change caches back to Redis OSS"))]
    pub engine: CacheEngine,
    /// Engine version, as exact as needed: `8.0` of Valkey, `7.1` of Redis OSS. With `auto_minor_version_upgrade`, a newer minor version is
    /// accepted, too.
    #[field(important, impact = "connections fail for some seconds during the upgrade", pattern = r"[0-9]+(\.[0-9x]+){1,2}")]
    #[field(one_way(Direction::Increase, "AWS does not downgrade engine versions"))]
    pub version: String,
    /// Node type, such as `cache.t4g.small`.
    #[field(important, impact = "AWS replaces every node; connections fail for some seconds", pattern = "cache\\..+")]
    pub node_type: String,
    /// Number of shards, among which the keys are distributed. More than one requires `cluster_mode`.
    #[field(important, default = 1, range = 1..=500, impact = "AWS moves keys between shards, which takes hours and slows them down")]
    pub shards: i32,
    /// Number of replicas in each shard.
    #[field(important, default = 1, range = 0..=5, risky(0, "a shard without a replica loses its keys if its node fails"))]
    pub replicas: i32,
    /// Cluster mode: `compatible` serves clients with and without it. AWS changes it one step at a time.
    #[field(default = ClusterMode::Disabled, important)]
    #[field(one_way(Direction::Ordered(&["disabled", "compatible", "enabled"]), "AWS does not change back the cluster mode"))]
    pub cluster_mode: ClusterMode,
    /// Subnet group of the nodes.
    #[field(replaces)]
    pub subnet_group: Ref<CacheSubnetGroup>,
    /// Security groups of the nodes.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Parameter group with engine settings.
    #[field(unset = "AWS's default group for the version", impact = "some parameters take effect only after the next restart")]
    #[field(dropped = None)]
    pub parameter_group: Option<Ref<CacheParameterGroup>>,
    /// Port.
    #[field(default = 6379, range = 1150..=65_535, replaces)]
    pub port: i32,
    /// Makes a replica the primary node if that fails.
    #[field(default = true, risky(false, "the cache is unavailable until AWS replaces a failed primary node"))]
    pub automatic_failover: bool,
    /// Distributes the nodes of a shard over availability zones.
    #[field(default = true)]
    pub multi_az: bool,
    /// Encrypts its storage and snapshots.
    #[field(important, default = true, replaces, risky(false, "storage and snapshots are not encrypted"))]
    pub encrypted: bool,
    /// The key that encrypts it.
    #[field(important, unset = "a key that ElastiCache owns", replaces, dropped(impossible, "the key of a cache is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Encryption of connections (TLS). `preferred` accepts both kinds of connections; AWS changes it one step at a time.
    #[field(default = TransitEncryption::Required, important, risky(TransitEncryption::Disabled, "connections are not encrypted"))]
    pub transit_encryption: TransitEncryption,
    /// Users of the cache: at most one group. Without users and `auth_token`, everyone who reaches it can use it.
    #[field(default, length = 0..=1, important)]
    pub user_groups: BTreeSet<Ref<CacheUserGroup>>,
    /// Secret with a password for all clients, of 16 to 128 printable characters without `@`, `"` and `/`. A secret with a JSON object has it under
    /// `password`. acme reads it when the field changes; a new value of the same secret has no effect. A group of users is safer.
    #[field(unset = "none", conflicts_with = user_groups, dropped = None)]
    pub auth_token: Option<ArnRef<Secret>>,
    /// Whether the cache accepts the previous password, too, once `auth_token` has changed. Set `false` when all clients have the new one.
    #[field(default = true)]
    pub accept_previous_auth_token: bool,
    /// Days for which automatic snapshots are kept; 0 for none.
    #[field(default = 7, range = 0..=35, important)]
    pub snapshot_retention_days: i32,
    /// Daily window for snapshots in UTC, such as `02:00-03:00`.
    #[field(unset = "assigned by AWS", pattern = "[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]", dropped(kept, "any window will do"))]
    pub snapshot_window: Option<String>,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// Destination of the log of slow commands.
    #[field(unset = "none", dropped = None)]
    pub slow_log: Option<LogDelivery>,
    /// Destination of the engine's log.
    #[field(unset = "none", dropped = None)]
    pub engine_log: Option<LogDelivery>,
    /// ARN of the SNS topic for notifications.
    #[field(unset = "none", pattern = "arn:aws[a-z-]*:sns:.+", dropped = None)]
    pub notification_topic: Option<String>,
    /// Installs new minor versions in the maintenance window.
    #[field(default = true)]
    pub auto_minor_version_upgrade: bool,
    /// IP versions of the nodes.
    #[field(default = "ipv4", one_of = ["ipv4", "ipv6", "dual_stack"], replaces)]
    pub network_type: String,
    /// IP version that clients learn.
    #[field(default = "ipv4", one_of = ["ipv4", "ipv6"])]
    pub ip_discovery: String,
    /// Moves keys that are rarely used from memory to local disks; for `r6gd` nodes.
    #[field(default = false, replaces)]
    pub data_tiering: bool,
    /// Name of a snapshot to fill the cache from. It is used only at creation: later changes have no effect, so they never lose data.
    #[field(unset = "created empty", initial_only, dropped(kept, "used only at creation"))]
    pub snapshot: Option<String>,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// Cluster mode.
#[spec]
#[derive(Copy)]
pub enum ClusterMode {
    /// One shard, for clients that don't know shards.
    Disabled,
    /// Several shards, and clients that don't know them use the first.
    Compatible,
    /// Several shards.
    Enabled,
}

/// Encryption of connections.
#[spec]
#[derive(Copy)]
pub enum TransitEncryption {
    /// None.
    Disabled,
    /// Encrypted and other connections.
    Preferred,
    /// Encrypted connections only.
    Required,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of the primary node, without cluster mode.
    pub primary_endpoint: Option<String>,
    /// Host name of the replicas, without cluster mode.
    pub reader_endpoint: Option<String>,
    /// Host name for clients with cluster mode.
    pub configuration_endpoint: Option<String>,
    /// Exact engine version.
    pub engine_version: Option<String>,
}

/// ElastiCache calls EC2 with the caller's permissions: <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/IAM.ResourceLevelPermissions.html>.
pub(super) const NETWORK: &[&str] = &[
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
];

/// Actions of a delivery of logs: <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html>.
pub(super) const LOG_DELIVERY: &[&str] = &[
    "firehose:TagDeliveryStream",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

/// Actions that ElastiCache also checks for what the cache uses.
const PLACED: &[&str] = &["elasticache:CreateReplicationGroup", "elasticache:ModifyReplicationGroup"];

impl Resource for CacheReplicationGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "cache_replication_group",
        &services::elasticache::SERVICE,
        "{name}",
        "arn:aws:elasticache:{region}:{account}:replicationgroup:{name}",
    )
    .typical_seconds(600)
    .longest_hours(24)
    .data_protection(DataProtection::Snapshot)
    .lost_on_recreation("its keys are in the final snapshot, if it left one")
    .without_token()
    .quota(300, "NodeQuotaForCustomerExceeded")
    .not_found("ReplicationGroupNotFoundFault")
    .already_exists("ReplicationGroupAlreadyExists")
    .in_use("InvalidReplicationGroupState")
    .iam_actions(
        IamActions::new("elasticache:replicationgroup:{name}")
            .read(&["elasticache:ListTagsForResource"])
            .create(&["elasticache:CreateReplicationGroup"])
            .change(&[
                "elasticache:CreateSnapshot",
                "elasticache:DecreaseReplicaCount",
                "elasticache:DeleteReplicationGroup",
                "elasticache:IncreaseReplicaCount",
                "elasticache:ModifyReplicationGroup",
                "elasticache:ModifyReplicationGroupShardConfiguration",
            ])
            .grants(&[
                IamGrant::read(&["elasticache:DescribeReplicationGroups"], GrantTarget::Arn("elasticache:replicationgroup:*")),
                IamGrant::read(&["elasticache:DescribeCacheClusters"], GrantTarget::Arn("elasticache:cluster:*")),
                IamGrant::change(PLACED, GrantTarget::Arn("elasticache:parametergroup:*")),
                IamGrant::change(PLACED, GrantTarget::Arn("elasticache:subnetgroup:*")),
                IamGrant::change(PLACED, GrantTarget::Arn("elasticache:usergroup:*")),
                // The snapshot it is filled from, and the final one.
                IamGrant::change(
                    &["elasticache:CreateReplicationGroup", "elasticache:CreateSnapshot", "elasticache:DeleteReplicationGroup"],
                    GrantTarget::Arn("elasticache:snapshot:*"),
                ),
                IamGrant::change(&["elasticache:CreateSnapshot"], GrantTarget::Arn("elasticache:cluster:{name}*")),
                IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                IamGrant::change(&["kms:CreateGrant", "kms:DescribeKey"], GrantTarget::Referenced("kms_key")),
                IamGrant::change(NETWORK, GrantTarget::AllResources),
                IamGrant::change(LOG_DELIVERY, GrantTarget::AllResources),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("elasticache.amazonaws.com")),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let engine = match self.engine {
            CacheEngine::Valkey => "Valkey",
            CacheEngine::Redis => "Redis",
        };
        let nodes = f64::from(self.shards) * f64::from(self.replicas + 1);
        Pricing::of(vec![services::elasticache::nodes(context, engine, &self.node_type, nodes)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The response lacks most settings, so the cache is read again in any case.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        self.create_call(cx).await.map(Created::Id)
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheReplicationGroupChanges) -> Result<()> {
        self.change(cx, live, changes).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let call = || cx.elasticache.delete_replication_group().replication_group_id(&live.id);
        // A cache that the undone run created has nothing to keep.
        if cx.call.on_delete != OnDelete::Snapshot || cx.call.is_undone {
            return Deletion::requested(call().send().await);
        }
        match call().final_snapshot_identifier(format!("{}-final", live.id)).send().await.map_err(Error::from) {
            // A previous cache of this name left its snapshot.
            Err(error) if error.code.starts_with("SnapshotAlreadyExists") => {
                let token: Vec<char> = cx.call.token.chars().filter(char::is_ascii_alphanumeric).collect();
                let suffix: String = token[token.len().saturating_sub(8)..].iter().collect();
                Deletion::requested(call().final_snapshot_identifier(format!("{}-final-{suffix}", live.id)).send().await)
            }
            answer => Deletion::requested(answer),
        }
    }

    fn deletion_effect(&self) -> Option<String> {
        (self.snapshot_retention_days > 0).then(|| "its automatic snapshots are deleted, too".to_owned())
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn normalize(&self, live: &mut Self) {
        if satisfies(&self.version, self.auto_minor_version_upgrade, &live.version) {
            live.version.clone_from(&self.version);
        }
        if self.auth_token.is_none() {
            live.accept_previous_auth_token = self.accept_previous_auth_token;
        }
        if windows::same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
    }
}
