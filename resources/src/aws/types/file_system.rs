//! `file_system`: a file system of EFS, with its mount targets.

mod check;
mod lifecycle;
mod mount_target;
mod read;
mod replication;

use std::collections::BTreeSet;

use aws_sdk_efs::types::{BackupPolicy, ReplicationOverwriteProtection, Status};
use serde_json::Value;

pub use lifecycle::Lifecycle;
pub use mount_target::{IpAddressType, MountTarget};
pub use replication::Replication;

use super::{kms_key::KmsKey, prelude::*};
use crate::aws::to_aws;

/// A file system of EFS, which many instances and pods can use at once, over NFS.
#[spec]
pub struct FileSystem {
    /// Encrypts the files at rest.
    #[field(important, default = true, replaces, risky(false, "the files are not encrypted"))]
    pub encrypted: bool,
    /// Key that encrypts the files.
    #[field(important, unset = "AWS's own key, `alias/aws/elasticfilesystem`", replaces, requires = encrypted)]
    #[field(dropped(impossible, "the encryption of a file system is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Availability zone of a One Zone file system, which is cheaper, and lost if the zone is.
    #[field(unset = "stored in three zones", replaces, important, dropped = None)]
    pub availability_zone: Option<String>,
    /// Performance mode. `max_io` has higher latencies, and AWS advises against it.
    #[field(default, replaces)]
    pub performance_mode: PerformanceMode,
    /// Throughput mode. AWS changes it, and lowers `provisioned_mibps`, at most once in 24 hours.
    #[field(default, important)]
    pub throughput_mode: ThroughputMode,
    /// Throughput of the mode `provisioned`, in MiB per second.
    #[field(default, range = 1..=3414, dropped = None)]
    pub provisioned_mibps: Option<f64>,
    /// Backs the file system up every day, with AWS Backup and its default plan: 35 days are kept.
    #[field(unset = "AWS's default: true for One Zone, else false", own_read, important, dropped = Some(self.availability_zone.is_some()))]
    pub automatic_backups: Option<bool>,
    /// Moves files that are not used to cheaper storage.
    #[field(default, after_create, own_read)]
    pub lifecycle: Lifecycle,
    /// Resource policy, such as one that requires TLS; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Prevents the file system from becoming the destination of a replication, which overwrites it.
    #[field(default = true, after_create)]
    pub replication_overwrite_protection: bool,
    /// Continuous copy to another file system. AWS keeps the copy when the replication ends.
    #[field(default, after_create, own_read, important, dropped = None)]
    pub replication: Option<Replication>,
    /// Addresses at which clients of a VPC mount the file system, at most one for each availability zone.
    #[field(default, after_create, important, impact = "clients of a removed mount target lose access")]
    pub mount_targets: BTreeSet<MountTarget>,
}

/// Performance mode of a file system.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum PerformanceMode {
    /// Lowest latencies.
    #[default]
    GeneralPurpose,
    /// More operations per second at higher latencies.
    MaxIo,
}

/// Throughput mode of a file system.
#[spec]
#[derive(Copy, Default, PartialEq)]
pub enum ThroughputMode {
    /// Grows with the size of the file system.
    #[default]
    Bursting,
    /// As `provisioned_mibps` says, at a fixed charge.
    Provisioned,
    /// As much as is used, charged by it.
    Elastic,
}

impl PerformanceMode {
    fn to_sdk(self) -> aws_sdk_efs::types::PerformanceMode {
        match self {
            PerformanceMode::GeneralPurpose => aws_sdk_efs::types::PerformanceMode::GeneralPurpose,
            PerformanceMode::MaxIo => aws_sdk_efs::types::PerformanceMode::MaxIo,
        }
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name, with which clients mount the file system.
    #[schemars(extend("x-acme-simulated" = "{id}.efs.{region}.{endpoint_domain}"))]
    pub dns_name: String,
}

/// GB stored.
const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");

impl Resource for FileSystem {
    const TYPE: TypeInfo = TypeInfo::new(
        "file_system",
        &services::efs::SERVICE,
        "fs-{hex17}",
        "arn:aws:elasticfilesystem:{region}:{account}:file-system/{id}",
    )
    .typical_seconds(100)
    .data_protection(DataProtection::Contents)
    .lost_on_recreation("the files in it are lost")
    .quota(1000, "FileSystemLimitExceeded")
    .iam_actions(
        IamActions::new("elasticfilesystem:file-system/*")
            .list(&["elasticfilesystem:DescribeFileSystems"])
            .read(&[
                "elasticfilesystem:DescribeBackupPolicy",
                "elasticfilesystem:DescribeFileSystemPolicy",
                "elasticfilesystem:DescribeLifecycleConfiguration",
                "elasticfilesystem:DescribeMountTargetSecurityGroups",
                "elasticfilesystem:DescribeMountTargets",
                "elasticfilesystem:DescribeReplicationConfigurations",
            ])
            .change(&[
                "elasticfilesystem:CreateMountTarget",
                "elasticfilesystem:DeleteFileSystem",
                "elasticfilesystem:DeleteFileSystemPolicy",
                "elasticfilesystem:DeleteMountTarget",
                "elasticfilesystem:DeleteReplicationConfiguration",
                "elasticfilesystem:ModifyMountTargetSecurityGroups",
                "elasticfilesystem:PutBackupPolicy",
                "elasticfilesystem:PutFileSystemPolicy",
                "elasticfilesystem:PutLifecycleConfiguration",
                "elasticfilesystem:UpdateFileSystem",
                "elasticfilesystem:UpdateFileSystemProtection",
            ])
            .grants(&[
                // EFS makes the network interfaces of mount targets with the caller's permissions.
                IamGrant::change(
                    &[
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaceAttribute",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSecurityGroups",
                        "ec2:DescribeSubnets",
                        "ec2:ModifyNetworkInterfaceAttribute",
                    ],
                    GrantTarget::AllResources,
                ),
                IamGrant::change(
                    &["kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
                    GrantTarget::Referenced("kms_key"),
                ),
                IamGrant::change(&["elasticfilesystem:CreateFileSystem"], GrantTarget::TagOnCreate),
                // The copy is in another region, and a new one has no tags of the stack.
                IamGrant::change(
                    &["elasticfilesystem:CreateFileSystem", "elasticfilesystem:CreateReplicationConfiguration"],
                    GrantTarget::AllResources,
                )
                .needed_for(|| FileSystem::POINTERS.replication),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("elasticfilesystem.amazonaws.com")),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[GB_STORED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let stored = if self.availability_zone.is_some() { "TimedStorage-Z-ByteHrs" } else { "TimedStorage-ByteHrs" };
        let product = |family, usage_type| Product::new("AmazonEFS").family(family).usage_type(usage_type);
        let mut parts = vec![context.metered("files", &GB_STORED, "GB-months", product("Storage", stored))];
        if let Some(throughput) = self.provisioned_mibps {
            let product = product("Provisioned Throughput", "ProvisionedTP-MiBpsHrs");
            parts.push(context.monthly("provisioned throughput", throughput, "MiB/s-months", product));
        }
        Pricing::of(parts)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The token is that of this run: a file system with it was created by a call whose response was lost.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.efs.create_file_system().creation_token(&cx.call.token).encrypted(self.encrypted);
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.performance_mode(self.performance_mode.to_sdk()).throughput_mode(to_aws(&self.throughput_mode).as_str().into());
        let call = call.set_provisioned_throughput_in_mibps(self.provisioned_mibps);
        let call = call.set_availability_zone_name(self.availability_zone.clone()).set_backup(self.automatic_backups);
        match call.set_tags(Some(services::efs::to_tags(&cx.call.tags))).send().await.map_err(Error::from) {
            Ok(created) => read::id(created.file_system_id).map(Created::Id),
            Err(error) if error.code == "FileSystemAlreadyExists" => {
                let found = cx.efs.describe_file_systems().creation_token(&cx.call.token).send().await?;
                let system = found.file_systems.into_iter().flatten().next().ok_or(error)?;
                read::id(system.file_system_id).map(Created::Id)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: FileSystemChanges) -> Result<()> {
        let (efs, id) = (&cx.efs, live.id.as_str());
        if changes.throughput_mode || changes.provisioned_mibps {
            let call = efs.update_file_system().file_system_id(id).throughput_mode(to_aws(&self.throughput_mode).as_str().into());
            call.set_provisioned_throughput_in_mibps(self.provisioned_mibps).send().await?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            match policy.is_empty() {
                true => drop(efs.delete_file_system_policy().file_system_id(id).send().await?),
                false => drop(efs.put_file_system_policy().file_system_id(id).policy(policy.to_json()).send().await?),
            }
        }
        if changes.mount_targets {
            mount_target::change(cx, id, &self.mount_targets).await?;
        }
        if changes.lifecycle {
            let policies = self.lifecycle.to_sdk();
            efs.put_lifecycle_configuration().file_system_id(id).set_lifecycle_policies(Some(policies)).send().await?;
        }
        if let Some(on) = self.automatic_backups.filter(|_| changes.automatic_backups) {
            let status = if on { Status::Enabled } else { Status::Disabled };
            efs.put_backup_policy().file_system_id(id).backup_policy(BackupPolicy::builder().status(status).build()?).send().await?;
        }
        // AWS does not change the protection during a replication.
        let protect = async || {
            let on = self.replication_overwrite_protection;
            let protection = if on { ReplicationOverwriteProtection::Enabled } else { ReplicationOverwriteProtection::Disabled };
            efs.update_file_system_protection().file_system_id(id).replication_overwrite_protection(protection).send().await?;
            Ok::<(), Error>(())
        };
        if changes.replication_overwrite_protection {
            protect().await?;
        }
        if changes.replication {
            replication::change(cx, id, &live.spec, self.replication.as_ref()).await?;
        }
        Ok(())
    }

    /// AWS refuses while mount targets or a replication remain, which it takes about a minute to delete, and the engine calls again.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let had_targets = mount_target::delete_all(cx, &live.id).await?;
        let answer = cx.efs.delete_file_system().file_system_id(&live.id).send().await.map_err(Error::from);
        if answer.as_ref().is_err_and(|error| error.code == "FileSystemInUse") && !had_targets {
            replication::end(cx, &live.id).await?;
        }
        Deletion::requested(answer)
    }

    /// EFS counts six KiB of metadata of an empty file system.
    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        const EMPTY_BYTES: i64 = 6144;
        let Some(reply) = ok_or_not_found(aws.efs.describe_file_systems().file_system_id(id).send().await)? else { return Ok(None) };
        let system = reply.file_systems.into_iter().flatten().next();
        let bytes = system.and_then(|system| system.size_in_bytes).map(|size| size.value).unwrap_or_default();
        Ok((bytes > EMPTY_BYTES).then(|| format!("about {} kB of files", (bytes + 999) / 1000)))
    }

    fn deletion_effect(&self) -> Option<String> {
        self.replication.as_ref().map(|_| "the file system to which it is replicated is kept".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// Addresses that AWS has assigned, and what it does not report of a replication.
    fn normalize(&self, live: &mut Self) {
        live.mount_targets = live.mount_targets.iter().map(|target| target.without_assigned(&self.mount_targets)).collect();
        if let (Some(ours), Some(theirs)) = (&self.policy, &live.policy) {
            live.policy = Some(without_assigned_ids(ours, theirs));
        }
        if let (Some(ours), Some(theirs)) = (&self.replication, &live.replication)
            && ours.fits(theirs)
        {
            live.replication.clone_from(&self.replication);
        }
    }
}

/// The live policy without the ids that EFS gives to a policy and to statements that have none.
///
/// Source: the example of <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystemPolicy.html>.
fn without_assigned_ids(ours: &Policy, theirs: &Policy) -> Policy {
    let mut policy = theirs.value().clone();
    if let Some(fields) = policy.as_object_mut().filter(|_| ours.value().get("Id").is_none()) {
        fields.remove("Id");
    }
    let is_assigned = |statement: &Value| statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sid.starts_with("efs-statement-"));
    let declared =
        |sid: &Value| ours.value().get("Statement").and_then(Value::as_array).into_iter().flatten().any(|one| one.get("Sid") == Some(sid));
    for statement in policy.get_mut("Statement").and_then(Value::as_array_mut).into_iter().flatten() {
        if is_assigned(statement) && !statement.get("Sid").is_some_and(declared) {
            statement.as_object_mut().and_then(|fields| fields.remove("Sid"));
        }
    }
    Policy::new(policy)
}
