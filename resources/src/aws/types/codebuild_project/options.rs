//! Cache, network, logs, file systems and batches of a project.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codebuild::types::{
    BatchRestrictions, CloudWatchLogsConfig, FileSystemType, LogsConfig, LogsConfigStatusType, ProjectBuildBatchConfig, ProjectCache,
    ProjectFileSystemLocation, S3LogsConfig, VpcConfig,
};

use super::super::{iam_role::IamRole, log_group::LogGroup, prelude::*, security_group::SecurityGroup, subnet::Subnet, vpc::Vpc};
use crate::core::referenced_ids;

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// What a build keeps for the next one.
#[spec]
#[derive(PartialEq)]
pub struct Cache {
    /// Where it is kept: on the machine (`LOCAL`), or in a bucket.
    #[field(default = "NO_CACHE", one_of = ["NO_CACHE", "LOCAL", "S3"])]
    #[serde(rename = "type")]
    pub kind: String,
    /// Bucket and folder, for the type `S3`: `{{ s3_bucket.cache.id }}/shop`.
    #[field(default)]
    pub location: String,
    /// What is kept on the machine, for the type `LOCAL`.
    #[field(default, one_of = ["LOCAL_SOURCE_CACHE", "LOCAL_DOCKER_LAYER_CACHE", "LOCAL_CUSTOM_CACHE"])]
    pub modes: BTreeSet<String>,
    /// Name that projects have in common to share a cache in a bucket.
    #[field(default)]
    pub namespace: String,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache { kind: Self::default_kind(), location: String::new(), modes: BTreeSet::new(), namespace: String::new() }
    }
}

impl Cache {
    pub(super) fn to_sdk(&self) -> Result<ProjectCache> {
        let modes = self.modes.iter().map(|mode| mode.as_str().into()).collect::<Vec<_>>();
        let cache = ProjectCache::builder()
            .r#type(self.kind.as_str().into())
            .set_location(non_empty(&self.location))
            .set_modes(Some(modes).filter(|modes| !modes.is_empty()))
            .set_cache_namespace(non_empty(&self.namespace));
        Ok(cache.build()?)
    }

    pub(super) fn from_sdk(cache: ProjectCache) -> Cache {
        Cache {
            kind: cache.r#type.as_str().to_owned(),
            location: cache.location.unwrap_or_default(),
            modes: cache.modes.unwrap_or_default().iter().map(|mode| mode.as_str().to_owned()).collect(),
            namespace: cache.cache_namespace.unwrap_or_default(),
        }
    }
}

/// Network of the builds.
#[spec]
#[derive(PartialEq)]
pub struct VpcSettings {
    /// The VPC.
    pub vpc: Ref<Vpc>,
    /// Subnets, whose routes lead to the internet through a NAT gateway where builds need it.
    #[field(length = 1..=16)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Security groups.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
}

impl VpcSettings {
    pub(super) fn to_sdk(&self) -> VpcConfig {
        let config = VpcConfig::builder().vpc_id(self.vpc.get()).set_subnets(Some(referenced_ids(&self.subnets)));
        config.set_security_group_ids(Some(referenced_ids(&self.security_groups))).build()
    }
    /// Empty settings remove the network.
    pub(super) fn or_none(settings: Option<&VpcSettings>) -> VpcConfig {
        settings.map_or_else(|| VpcConfig::builder().build(), VpcSettings::to_sdk)
    }
    pub(super) fn from_sdk(config: VpcConfig) -> Option<VpcSettings> {
        let vpc = config.vpc_id.filter(|id| !id.is_empty())?;
        Some(VpcSettings {
            vpc: Ref::to(vpc),
            subnets: config.subnets.unwrap_or_default().into_iter().map(Ref::to).collect(),
            security_groups: config.security_group_ids.unwrap_or_default().into_iter().map(Ref::to).collect(),
        })
    }
}

/// Logs of builds.
#[spec]
#[derive(PartialEq)]
pub struct Logs {
    /// Writes to CloudWatch Logs.
    #[field(default = true, risky(false, "CloudWatch has no logs of builds"))]
    pub cloudwatch: bool,
    /// Log group.
    #[field(unset = "`/aws/codebuild/<project>`", dropped = None)]
    pub group: Option<Ref<LogGroup>>,
    /// Prefix of the names of log streams.
    #[field(default)]
    pub stream: String,
    /// Writes to a bucket.
    #[field(unset = "no logs in a bucket", dropped = None)]
    pub s3: Option<S3Logs>,
}

/// Logs in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct S3Logs {
    /// Bucket and folder: `{{ s3_bucket.logs.id }}/builds`.
    #[field(length = 3..=1087)]
    pub location: String,
    /// Encrypts the logs.
    #[field(default = true, risky(false, "the logs are not encrypted with the project's key"))]
    pub encrypted: bool,
    /// Access of the owner of the bucket, if that is another account.
    #[field(default = "NONE", one_of = ["NONE", "READ_ONLY", "FULL"])]
    pub bucket_owner_access: String,
}

impl Default for Logs {
    fn default() -> Logs {
        Logs { cloudwatch: true, group: None, stream: String::new(), s3: None }
    }
}

impl Logs {
    pub(super) fn to_sdk(&self) -> Result<LogsConfig> {
        let status = |enabled: bool| if enabled { LogsConfigStatusType::Enabled } else { LogsConfigStatusType::Disabled };
        let cloudwatch = CloudWatchLogsConfig::builder()
            .status(status(self.cloudwatch))
            .set_group_name(self.group.as_ref().map(|group| group.get().to_owned()))
            .set_stream_name(non_empty(&self.stream));
        let s3 = S3LogsConfig::builder().status(status(self.s3.is_some()));
        let s3 = match &self.s3 {
            None => s3,
            Some(logs) => {
                let access = Some(logs.bucket_owner_access.as_str()).filter(|access| *access != S3Logs::default_bucket_owner_access());
                let s3 = s3.location(&logs.location).encryption_disabled(!logs.encrypted);
                s3.set_bucket_owner_access(access.map(Into::into))
            }
        };
        Ok(LogsConfig::builder().cloud_watch_logs(cloudwatch.build()?).s3_logs(s3.build()?).build())
    }

    pub(super) fn from_sdk(config: LogsConfig) -> Logs {
        let cloudwatch = config.cloud_watch_logs;
        let s3 = config.s3_logs.filter(|logs| logs.status == LogsConfigStatusType::Enabled);
        Logs {
            cloudwatch: cloudwatch.as_ref().is_none_or(|logs| logs.status == LogsConfigStatusType::Enabled),
            group: cloudwatch.as_ref().and_then(|logs| logs.group_name.clone()).filter(|name| !name.is_empty()).map(Ref::to),
            stream: cloudwatch.and_then(|logs| logs.stream_name).unwrap_or_default(),
            s3: s3.map(|logs| S3Logs {
                location: logs.location.unwrap_or_default(),
                encrypted: !logs.encryption_disabled.unwrap_or_default(),
                bucket_owner_access: logs
                    .bucket_owner_access
                    .map_or_else(S3Logs::default_bucket_owner_access, |access| access.as_str().to_owned()),
            }),
        }
    }
}

/// A file system (EFS) to mount.
#[spec]
#[derive(PartialEq)]
pub struct FileSystem {
    /// Host name and directory: `fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/cache`.
    #[field(pattern = "[^:]+:/.*")]
    pub location: String,
    /// Directory in the container.
    #[field(length = 1..=4096)]
    pub mount_point: String,
    /// Options of the mount.
    #[field(default = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2")]
    pub mount_options: String,
}

impl FileSystem {
    pub(super) fn from_sdk(location: ProjectFileSystemLocation) -> (String, FileSystem) {
        let read = FileSystem {
            location: location.location.unwrap_or_default(),
            mount_point: location.mount_point.unwrap_or_default(),
            mount_options: location.mount_options.filter(|text| !text.is_empty()).unwrap_or_else(Self::default_mount_options),
        };
        (location.identifier.unwrap_or_default(), read)
    }
}

pub(super) fn file_systems_to_sdk(all: &BTreeMap<String, FileSystem>) -> Vec<ProjectFileSystemLocation> {
    let of = |(id, system): (&String, &FileSystem)| {
        let location = ProjectFileSystemLocation::builder().r#type(FileSystemType::Efs).identifier(id).location(&system.location);
        location.mount_point(&system.mount_point).mount_options(&system.mount_options).build()
    };
    all.iter().map(of).collect()
}

/// Settings of batch builds, which run several builds together.
#[spec]
#[derive(PartialEq)]
pub struct Batch {
    /// Role that CodeBuild assumes to start the builds of a batch.
    pub role: ArnRef<IamRole>,
    /// Puts the artifacts of all builds at one place.
    #[field(default = false)]
    pub combine_artifacts: bool,
    /// Number of builds of a batch.
    #[field(default = 100, range = 1..=100)]
    pub max_builds: i32,
    /// Sizes of machines that builds may use; empty for all.
    #[field(default)]
    pub compute: BTreeSet<String>,
    /// ARNs of fleets that builds may use; empty for all.
    #[field(default)]
    pub fleets: BTreeSet<String>,
    /// Time after which a batch is stopped, in minutes.
    #[field(default = 480, range = 5..=2160)]
    pub timeout_minutes: i32,
    /// Whether the Git provider learns the state of the batch or of each build.
    #[field(default = "REPORT_AGGREGATED_BATCH", one_of = ["REPORT_AGGREGATED_BATCH", "REPORT_INDIVIDUAL_BUILDS"])]
    pub report: String,
}

impl Batch {
    pub(super) fn to_sdk(&self) -> ProjectBuildBatchConfig {
        let list = |all: &BTreeSet<String>| (!all.is_empty()).then(|| all.iter().cloned().collect::<Vec<_>>());
        let restrictions = BatchRestrictions::builder()
            .maximum_builds_allowed(self.max_builds)
            .set_compute_types_allowed(list(&self.compute))
            .set_fleets_allowed(list(&self.fleets))
            .build();
        ProjectBuildBatchConfig::builder()
            .service_role(self.role.get())
            .combine_artifacts(self.combine_artifacts)
            .restrictions(restrictions)
            .timeout_in_mins(self.timeout_minutes)
            .batch_report_mode(self.report.as_str().into())
            .build()
    }
    /// Empty settings end batch builds.
    pub(super) fn or_none(batch: Option<&Batch>) -> ProjectBuildBatchConfig {
        batch.map_or_else(|| ProjectBuildBatchConfig::builder().build(), Batch::to_sdk)
    }
    pub(super) fn from_sdk(config: ProjectBuildBatchConfig) -> Option<Batch> {
        let role = config.service_role.filter(|role| !role.is_empty())?;
        let restrictions = config.restrictions;
        let set = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().collect();
        Some(Batch {
            role: ArnRef::to(role),
            combine_artifacts: config.combine_artifacts.unwrap_or_default(),
            max_builds: restrictions.as_ref().and_then(|all| all.maximum_builds_allowed).unwrap_or_else(Self::default_max_builds),
            compute: set(restrictions.as_ref().and_then(|all| all.compute_types_allowed.clone())),
            fleets: set(restrictions.and_then(|all| all.fleets_allowed)),
            timeout_minutes: config.timeout_in_mins.unwrap_or_else(Self::default_timeout_minutes),
            report: config.batch_report_mode.map_or_else(Self::default_report, |mode| mode.as_str().to_owned()),
        })
    }
}
