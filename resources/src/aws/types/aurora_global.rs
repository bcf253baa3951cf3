//! `aurora_global`: an Aurora database with clusters in several regions.

use aws_sdk_rds::types::{DbCluster, GlobalCluster, GlobalClusterMemberSynchronizationStatus};

use super::{
    aurora_cluster::{AuroraCluster, AuroraEngine, EXTENDED_SUPPORT, NO_EXTENDED_SUPPORT},
    prelude::*,
};
use crate::{
    aws::{from_aws, to_aws},
    core::{ErrorKind, Tags},
};

/// An Aurora database with clusters in several regions: a writer, and up to ten copies, which are read. The clusters are `aurora_cluster`s with
/// this database in `global`; the first, which has a `password_secret`, becomes the writer. Without `writer_region`, acme leaves failovers and
/// switchovers as they are.
#[spec]
pub struct AuroraGlobal {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in the account.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Existing cluster in the stack's region that becomes the writer, instead of a new one. It is used only at creation. The cluster keeps its data,
    /// and has a `password_secret`, but no `global`.
    #[field(unset = "created without clusters", initial_only, dropped(kept, "used only at creation"))]
    pub source: Option<ArnRef<AuroraCluster>>,
    /// Database engine; that of `source`, if there is one.
    #[field(replaces, important)]
    pub engine: AuroraEngine,
    /// Engine version. After creation, only the major version counts, which all clusters have; minor versions are those of the clusters.
    #[field(
        important,
        one_way(Direction::Increase, "AWS does not downgrade engine versions"),
        impact = "all clusters are unavailable during the upgrade, and get default parameter groups until their own are set again"
    )]
    pub version: String,
    /// Name of an initial database.
    #[field(unset = "no database is created", length = 1..=63, pattern = "[A-Za-z][A-Za-z0-9_]*", conflicts_with = source, replaces)]
    #[field(dropped(kept, "used only at creation"))]
    pub database_name: Option<String>,
    /// Encrypts storage, backups and logs of all clusters, each with a key of its region.
    #[field(important, default = true, replaces, risky(false, "storage, backups and logs are not encrypted"))]
    pub encrypted: bool,
    /// Enables deletion protection.
    #[field(default = true, protects_deletion, important, risky(false, "deletion protection is disabled"))]
    pub deletion_protection: bool,
    /// Keeps a major version after its standard support, which is charged. Without it, RDS upgrades the clusters then. It is used only at creation:
    /// afterwards, AWS changes it for single clusters.
    #[field(default = true, initial_only)]
    pub extended_support: bool,
    /// Region of the cluster that writes. A change is a switchover, which loses no data, or with `allow_data_loss` a failover. In a new database,
    /// the first cluster writes.
    #[field(unset = "unchanged", pattern = "[a-z]{2}(-[a-z]+)+-[0-9]+", important)]
    #[field(impact = "all clusters reject writes until the new writer is ready", dropped(kept, "the writer stays where it is"))]
    pub writer_region: Option<String>,
    /// Changes `writer_region` without the present writer, whose region may be lost.
    #[field(default = false, write_only, risky(true, "a change of `writer_region` loses what its cluster has not received yet"))]
    pub allow_data_loss: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name of the endpoint of the current writer.
    pub endpoint: Option<String>,
    /// Identifier in IAM policies: `cluster-0123456789ABCDEF`.
    #[schemars(extend("x-acme-simulated" = "cluster-{hex17}"))]
    pub resource_id: Option<String>,
}

/// Writes to other regions.
const REPLICATED_WRITES: UsageKey = UsageKey::new("replicated_writes", "writes that are replicated to other regions in a month");

impl Resource for AuroraGlobal {
    const TYPE: TypeInfo =
        TypeInfo::new("aurora_global", &services::rds::SERVICE, "{name}", "arn:aws:rds::{account}:global-cluster:{name}")
            .global()
            .listed_with(&["aurora_cluster", "aurora_parameter_group"])
            .typical_seconds(30)
            .longest_hours(4)
            .without_token()
            .quota(5, "GlobalClusterQuotaExceededFault")
            .not_found("GlobalClusterNotFoundFault")
            .already_exists("GlobalClusterAlreadyExistsFault")
            .in_use("InvalidGlobalClusterStateFault")
            .iam_actions(
                IamActions::new("rds:global-cluster:{name}")
                    .create(&["rds:CreateGlobalCluster"])
                    .change(&["rds:DeleteGlobalCluster", "rds:ModifyGlobalCluster", "rds:RemoveFromGlobalCluster"])
                    .grants(&[
                        // The clusters are in other regions.
                        IamGrant::change(&["rds:FailoverGlobalCluster", "rds:SwitchoverGlobalCluster"], GrantTarget::AllResources)
                            .needed_for(|| AuroraGlobal::POINTERS.writer_region),
                        IamGrant::read(&["rds:DescribeGlobalClusters"], GrantTarget::Arn("rds:global-cluster:*")),
                        IamGrant::change(&["rds:DescribeDBClusters"], GrantTarget::Referenced("aurora_cluster")),
                        // AWS names clusters among the resources of every call.
                        IamGrant::change(&["rds:CreateGlobalCluster"], GrantTarget::Arn("rds:cluster:*")),
                        IamGrant::change(&["rds:RemoveFromGlobalCluster"], GrantTarget::Referenced("aurora_cluster")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[REPLICATED_WRITES];
    type Api = Aws;
    type Outputs = Outputs;

    /// <https://aws.amazon.com/rds/aurora/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonRDS").family("System Operation").usage_type("Aurora:ReplicatedWriteIO");
        Pricing::of(vec![context.metered("replicated writes", &REPLICATED_WRITES, "writes", product)])
    }

    /// The description contains everything, including tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.rds.describe_global_clusters().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |one: &GlobalCluster| {
            let tags = services::rds::from_tags(one.tag_list());
            let is_aurora = one.engine().is_some_and(|engine| engine.starts_with("aurora-"));
            is_aurora && (scope.lookup.contains(one.global_cluster_identifier().unwrap_or_default()) || scope.owns(&tags))
        };
        all.into_iter().filter(covered).map(observed).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_global_cluster().set_global_cluster_identifier(self.name.clone());
        let call = call.deletion_protection(self.deletion_protection).set_tags(Some(services::rds::to_tags(&cx.call.tags)));
        let call = match &self.source {
            // RDS takes everything else from the cluster.
            Some(cluster) => {
                self.check_source(&read_source(cx, cluster.get()).await?)?;
                call.source_db_cluster_identifier(cluster.get())
            }
            None => call
                .engine(to_aws(&self.engine))
                .engine_version(&self.version)
                .set_database_name(self.database_name.clone())
                .storage_encrypted(self.encrypted)
                .engine_lifecycle_support(if self.extended_support { EXTENDED_SUPPORT } else { NO_EXTENDED_SUPPORT }),
        };
        let reply = call.send().await?;
        let name = reply.global_cluster.and_then(|one| one.global_cluster_identifier);
        name.map(Created::Id).ok_or_else(|| Error::missing_field("GlobalClusterIdentifier"))
    }

    /// A new version is always another major one, see [`AuroraGlobal::version`].
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AuroraGlobalChanges) -> Result<()> {
        if changes.writer_region
            && let Some(region) = &self.writer_region
        {
            self.move_writer(cx, &live.id, region).await?;
        }
        if !changes.deletion_protection && !changes.version {
            return Ok(());
        }
        let call = cx.rds.modify_global_cluster().global_cluster_identifier(&live.id);
        let call = call.set_deletion_protection(changes.deletion_protection.then_some(self.deletion_protection));
        let call = call.set_engine_version(changes.version.then(|| self.version.clone()));
        call.set_allow_major_version_upgrade(changes.version.then_some(true)).send().await?;
        Ok(())
    }

    /// Its last cluster leaves it first, and remains as a database of its own. RDS refuses to delete it while there are others.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if let [last] = &members(cx.api, &live.id).await?[..] {
            let call = cx.rds.remove_from_global_cluster().global_cluster_identifier(&live.id).db_cluster_identifier(last);
            // It may have left meanwhile.
            ok_or_not_found(call.send().await)?;
            return Ok(Deletion::NeedsAnotherCall("its last cluster leaves".to_owned()));
        }
        Deletion::requested(cx.rds.delete_global_cluster().global_cluster_identifier(&live.id).send().await)
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("its last cluster, if it has one, becomes a database of its own".to_owned())
    }

    /// A copy that does not receive the writer's changes can't take over.
    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        let database = read_global(aws, &live.id).await?;
        Ok(Some(synchronization(&database)))
    }

    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let members = members(aws, &live.id).await?;
        Ok((!members.is_empty()).then(|| format!("clusters {}", members.join(", "))))
    }

    /// RDS manages the password of no cluster that is part of such a database.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations>
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(global) = declared.spec() else { return Vec::new() };
        let at = Self::POINTERS;
        let Some((address, source)) = global.source.as_ref().and_then(|source| declared.referenced(source)) else { return Vec::new() };
        let mut problems = Vec::new();
        if source.engine != global.engine {
            problems.push(Problem::new(at.engine, format!("`{address}` has another engine")).help("use the same engine"));
        }
        if source.encrypted != global.encrypted {
            let message = format!("`{address}` has `encrypted: {}`", source.encrypted);
            problems.push(Problem::new(at.encrypted, message).help("set the same in both"));
        }
        if declared.region_of(&address) != declared.region() {
            let message = format!("`{address}` is in another region than the stack, where acme creates the global database");
            problems.push(Problem::new(at.source.clone(), message).help("use a cluster in the stack's region"));
        }
        if source.password_secret.is_none() {
            let message = format!("RDS manages the password of `{address}`, and adds no such cluster to a database of several regions");
            problems.push(Problem::new(at.source, message).help("set `password_secret` there, a secret with the master password"));
        }
        problems
    }

    fn normalize(&self, live: &mut Self) {
        if self.engine.same_major(&self.version, &live.version) {
            live.version.clone_from(&self.version);
        }
        // A database without clusters has no writer yet, and nothing returns to that.
        if live.writer_region.is_none() || self.writer_region.is_none() {
            live.writer_region.clone_from(&self.writer_region);
        }
    }
}

impl AuroraGlobal {
    /// Lets the cluster in a region become the writer. A switchover is a call to the region of the present writer, a failover to that of the next:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html>.
    async fn move_writer(&self, cx: &Cx<'_>, name: &str, region: &str) -> Result<()> {
        let database = read_global(cx.api, name).await?;
        let present = writer_region(&database);
        if present == Some(region) {
            return Ok(());
        }
        let mut arns = database.global_cluster_members().iter().filter_map(|member| member.db_cluster_arn());
        let Some(target) = arns.find(|arn| region_of(arn) == Some(region)) else {
            let message = format!("the global database `{name}` has no cluster in {region}: add an `aurora_cluster` there");
            return Err(Error::new(ErrorKind::Rejected, "NoClusterThere", message));
        };
        match present.filter(|_| !self.allow_data_loss) {
            Some(present) => {
                let call = cx.api.elsewhere(present).rds.switchover_global_cluster().global_cluster_identifier(name);
                call.target_db_cluster_identifier(target).send().await?;
            }
            None => {
                let call = cx.api.elsewhere(region).rds.failover_global_cluster().global_cluster_identifier(name);
                call.target_db_cluster_identifier(target).allow_data_loss(true).send().await?;
            }
        }
        Ok(())
    }

    /// The global database would be another one than the requested one.
    fn check_source(&self, cluster: &DbCluster) -> Result<()> {
        let name = cluster.db_cluster_identifier().unwrap_or_default();
        let version = cluster.engine_version().unwrap_or_default();
        let wrong = if cluster.engine() != Some(&to_aws(&self.engine)) {
            format!("the engine {}", cluster.engine().unwrap_or_default())
        } else if !self.engine.same_major(&self.version, version) {
            format!("version {version}")
        } else if cluster.storage_encrypted().unwrap_or_default() != self.encrypted {
            format!("`encrypted: {}`", !self.encrypted)
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Rejected, "SourceDiffers", format!("`{name}` has {wrong}: set the same for the global database")))
    }
}

async fn read_source(cx: &Cx<'_>, arn: &str) -> Result<DbCluster> {
    let reply = cx.rds.describe_db_clusters().db_cluster_identifier(arn).send().await?;
    reply.db_clusters.unwrap_or_default().into_iter().next().ok_or_else(|| Error::missing_field("DBCluster"))
}

/// ARNs of the clusters of a database; none if it does not exist.
async fn members(aws: &Aws, name: &str) -> Result<Vec<String>> {
    let database = ok_or_not_found(read_global(aws, name).await)?;
    let members = database.and_then(|database| database.global_cluster_members).unwrap_or_default().into_iter();
    Ok(members.filter_map(|member| member.db_cluster_arn).collect())
}

/// Reads a global database.
pub(super) async fn read_global(aws: &Aws, name: &str) -> Result<GlobalCluster> {
    let reply = aws.rds.describe_global_clusters().global_cluster_identifier(name).send().await?;
    reply.global_clusters.unwrap_or_default().into_iter().next().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "GlobalClusterNotFoundFault", format!("the global database `{name}` does not exist"))
    })
}

fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// Region of the cluster that writes.
fn writer_region(database: &GlobalCluster) -> Option<&str> {
    let writer = database.global_cluster_members().iter().find(|member| member.is_writer() == Some(true));
    writer.and_then(|member| region_of(member.db_cluster_arn()?))
}

/// Whether a global database has a writer, and all copies receive its changes.
fn synchronization(database: &GlobalCluster) -> Phase {
    if !has_writer(database) {
        return Phase::Degraded("it has no writer".to_owned());
    }
    let is_behind = |status: &GlobalClusterMemberSynchronizationStatus| *status != GlobalClusterMemberSynchronizationStatus::Connected;
    let behind = database.global_cluster_members().iter().find(|member| member.synchronization_status().is_some_and(is_behind));
    match behind.and_then(|member| Some((member.db_cluster_arn()?, member.synchronization_status()?))) {
        Some((arn, status)) => Phase::Degraded(format!("the cluster {arn} is {status}")),
        None => Phase::Ready,
    }
}

/// Whether a global database has a writer.
pub(super) fn has_writer(database: &GlobalCluster) -> bool {
    database.global_cluster_members().iter().any(|member| member.is_writer() == Some(true))
}

/// Whether the cluster with this ARN is the writer of a global database.
pub(super) fn is_writer(database: &GlobalCluster, arn: &str) -> bool {
    database.global_cluster_members().iter().any(|member| member.is_writer() == Some(true) && member.db_cluster_arn() == Some(arn))
}

fn observed(one: GlobalCluster) -> Result<Observed<AuroraGlobal>> {
    let tags: Tags = services::rds::from_tags(one.tag_list());
    let writer_region = writer_region(&one).map(str::to_owned);
    let name = one.global_cluster_identifier.ok_or_else(|| Error::missing_field("GlobalClusterIdentifier"))?;
    let spec = AuroraGlobal {
        name: Some(name.clone()),
        source: None,
        engine: from_aws(one.engine.as_deref().unwrap_or_default())?,
        version: one.engine_version.unwrap_or_default(),
        database_name: one.database_name.filter(|name| !name.is_empty()),
        encrypted: one.storage_encrypted.unwrap_or_default(),
        deletion_protection: one.deletion_protection.unwrap_or_default(),
        extended_support: one.engine_lifecycle_support.as_deref() != Some(NO_EXTENDED_SUPPORT),
        writer_region,
        allow_data_loss: false,
    };
    let outputs =
        Outputs { arn: one.global_cluster_arn.unwrap_or_default(), endpoint: one.endpoint, resource_id: one.global_cluster_resource_id };
    let phase = match one.status.unwrap_or_default() {
        status if status.ends_with("-over") => Phase::Progressing(status),
        status => Phase::from_status(&status),
    };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}
