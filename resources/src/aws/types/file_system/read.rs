//! Reading file systems.

use aws_sdk_efs::types::{
    FileSystemDescription, LifeCycleState, MountTargetDescription, PerformanceMode as SdkPerformanceMode, ReplicationOverwriteProtection,
    Status,
};

use super::{
    super::prelude::*,
    FileSystem, Lifecycle, MountTarget, Outputs, PerformanceMode, Replication, ThroughputMode,
    mount_target::{groups, targets},
    replication,
};
use crate::{
    aws::from_aws,
    core::{Tags, endpoint_domain},
};

/// The list has the tags; an account has at most a thousand file systems in a region.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<FileSystem>>> {
    let all: Vec<_> = aws.efs.describe_file_systems().max_items(100).into_paginator().items().send().try_collect().await?;
    let all = all.into_iter().filter(|system| system.life_cycle_state != LifeCycleState::Deleted);
    // An id, or an ARN, which ends with it.
    let is_wanted = |id: &str| match (&scope.adopt, scope.waited_for()) {
        (Some(wanted), _) => wanted.ends_with(id),
        (None, Some(ids)) => ids.contains(id),
        (None, None) => true,
    };
    let ours = all
        .map(|system| (services::efs::from_tags(system.tags()), system))
        .filter(|(tags, system)| scope.owns(tags) && is_wanted(system.file_system_id()));
    for_each_concurrent(ours, |(tags, system)| async move { read(aws, scope, system, tags).await }).await
}

/// The SDK leaves an id that the answer lacks empty.
pub(super) fn id(id: String) -> Result<String> {
    Some(id).filter(|id| !id.is_empty()).ok_or_else(|| Error::missing_field("FileSystemId"))
}

/// `None`: it was deleted.
async fn read(aws: &Aws, scope: &Scope, system: FileSystemDescription, tags: Tags) -> Result<Option<Observed<FileSystem>>> {
    let id = id(system.file_system_id.clone())?;
    let id = id.as_str();
    let wanted = scope.own_reads_to_make::<FileSystem>(&tags);
    let Some(targets) = ok_or_not_found(targets(aws, id).await)? else { return Ok(None) };
    let mount_targets = for_each_concurrent(targets.clone(), |target: MountTargetDescription| async move {
        Ok(groups(aws, target.mount_target_id()).await?.map(|groups| MountTarget::from_sdk(&target, groups)))
    });
    let lifecycle = async {
        Ok::<_, Error>(match wanted.lifecycle {
            true => ok_or_not_found(aws.efs.describe_lifecycle_configuration().file_system_id(id).send().await)?,
            false => None,
        })
    };
    let backups = async {
        Ok::<_, Error>(match wanted.automatic_backups {
            true => {
                let policy = ok_or_not_found(aws.efs.describe_backup_policy().file_system_id(id).send().await)?;
                let status = policy.and_then(|reply| reply.backup_policy).map(|policy| policy.status);
                Some(matches!(status, Some(Status::Enabled | Status::Enabling)))
            }
            false => None,
        })
    };
    let policy = async {
        Ok::<_, Error>(match wanted.policy {
            true => {
                let reply = ok_or_not_found(aws.efs.describe_file_system_policy().file_system_id(id).send().await)?;
                Some(reply.and_then(|reply| reply.policy).map_or_else(|| Ok(Policy::none()), |text| Policy::parse(&text))?)
            }
            false => None,
        })
    };
    let copy = async { if wanted.replication { replication::copy(aws, id).await } else { Ok(None) } };
    let (mount_targets, lifecycle, automatic_backups, policy, copy) = tokio::try_join!(mount_targets, lifecycle, backups, policy, copy)?;
    let protection = system.file_system_protection.and_then(|protection| protection.replication_overwrite_protection);
    let encrypted = system.encrypted.unwrap_or_default();
    let throughput_mode = system.throughput_mode.map_or(Ok(ThroughputMode::Bursting), |mode| from_aws(mode.as_str()))?;
    let spec = FileSystem {
        encrypted,
        kms_key: system.kms_key_id.filter(|key| encrypted && !key.is_empty()).map(ArnRef::to),
        availability_zone: system.availability_zone_name,
        performance_mode: match system.performance_mode {
            SdkPerformanceMode::MaxIo => PerformanceMode::MaxIo,
            _ => PerformanceMode::GeneralPurpose,
        },
        throughput_mode,
        provisioned_mibps: system.provisioned_throughput_in_mibps.filter(|_| throughput_mode == ThroughputMode::Provisioned),
        automatic_backups,
        lifecycle: lifecycle.map(|reply| Lifecycle::from_sdk(reply.lifecycle_policies())).unwrap_or_default(),
        policy,
        replication_overwrite_protection: !matches!(
            protection,
            Some(ReplicationOverwriteProtection::Disabled | ReplicationOverwriteProtection::Replicating)
        ),
        replication: copy.as_ref().filter(|copy| !copy.status().as_str().starts_with("DELETING")).map(Replication::from_sdk),
        mount_targets: mount_targets.into_iter().collect(),
    };
    let phase = phase(&system.life_cycle_state, &targets);
    let phase = if phase == Phase::Ready { copy.as_ref().and_then(replication::phase).unwrap_or(phase) } else { phase };
    let region = aws.region.as_str();
    let arn = system.file_system_arn.ok_or_else(|| Error::missing_field("FileSystemArn"))?;
    let outputs = Outputs { arn, dns_name: format!("{id}.efs.{region}.{}", endpoint_domain(region)) };
    Ok(Some(Observed::new(system.file_system_id, tags, spec, outputs).phase(phase)))
}

/// A mount target that is not available yet, or never will be, counts as part of the file system.
fn phase(state: &LifeCycleState, targets: &[MountTargetDescription]) -> Phase {
    match state {
        LifeCycleState::Available => {}
        LifeCycleState::Error => return Phase::Failed(state.as_str().to_owned()),
        // The throughput changes while the file system is in use.
        LifeCycleState::Updating => return Phase::PendingChanges(state.as_str().to_owned()),
        other => return Phase::from_status(other.as_str()),
    }
    let of = |target: &&MountTargetDescription| target.life_cycle_state != LifeCycleState::Available;
    let Some(target) = targets.iter().find(of) else { return Phase::Ready };
    let text = format!("mount target {} is {}", target.mount_target_id(), target.life_cycle_state().as_str());
    if target.life_cycle_state == LifeCycleState::Error { Phase::Degraded(text) } else { Phase::Progressing(text) }
}
