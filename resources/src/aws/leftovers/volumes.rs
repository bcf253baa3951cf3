//! Volumes of claims, and their snapshots.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::{
    primitives::DateTime,
    types::{ResourceType, Snapshot, SnapshotState, Volume, VolumeState},
};

use super::{
    LeftoverKind, Search, VolumePolicy,
    inventory::{Found, filter, tagged},
    machines,
    removal::still_used,
    search::VOLUME_TAG,
};
use crate::{
    aws::{Aws, services},
    core::{CallContext, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, Phase, Result, STACK_TAG, Tags, ok_or_not_found},
};

/// Age up to which a completed snapshot replaces a volume. A run that continues later makes another one: meanwhile, a person may have attached
/// the volume and written to it.
const MAX_SNAPSHOT_AGE: Duration = Duration::from_secs(24 * 3600);

/// Pause between reads of a new snapshot.
const PAUSE: Duration = Duration::from_secs(1);

/// Beginning of the tags that name the claim of a volume.
const CLAIM_TAGS: &str = "kubernetes.io/created-for/";

/// Volumes, without those that EC2 deletes with their instances.
pub(super) async fn find_volumes(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let volumes: Vec<Volume> = aws.ec2.describe_volumes().filters(tagged(search)).into_paginator().items().send().try_collect().await?;
    let is_wanted = |volume: &Volume| {
        let goes_with_instance = volume.attachments().iter().any(|attachment| attachment.delete_on_termination() == Some(true));
        volume.state() != Some(&VolumeState::Deleting)
            && !goes_with_instance
            && !machines::is_operated(volume.operator())
            && search.is_recent(volume.create_time().map(DateTime::secs))
    };
    let found = volumes.into_iter().filter(is_wanted).filter_map(|volume| {
        let tags = services::ec2::from_tags(volume.tags());
        let (id, maker) = volume.volume_id.zip(search.maker(&tags))?;
        let one = Found::new(id.clone(), LeftoverKind::Volume, id, maker, &tags).using(volume.kms_key_id);
        let size = volume.size.map(|size| format!("{size} GiB")).unwrap_or_default();
        let detail = [size, one.detail.clone()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        let loss = match search.volumes {
            VolumePolicy::Snapshot => "its data is kept only in a snapshot",
            VolumePolicy::Delete | VolumePolicy::Keep => "its data is deleted, too",
        };
        Some(Found { detail, ..one }.losing(loss))
    });
    Ok(found.collect())
}

/// Snapshots that the driver made.
pub(super) async fn find_snapshots(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let call = aws.ec2.describe_snapshots().owner_ids("self").filters(tagged(search));
    let snapshots: Vec<Snapshot> = call.into_paginator().items().send().try_collect().await?;
    let recent = snapshots.into_iter().filter(|snapshot| search.is_recent(snapshot.start_time().map(DateTime::secs)));
    let found = recent.filter_map(|snapshot| {
        let tags = services::ec2::from_tags(snapshot.tags());
        let (id, maker) = snapshot.snapshot_id.zip(search.maker(&tags))?;
        let one = Found::new(id.clone(), LeftoverKind::Snapshot, id, maker, &tags);
        Some(one.using(snapshot.kms_key_id).losing("its data is deleted, too"))
    });
    Ok(found.collect())
}

/// Deletes a volume, after a snapshot if the definition wants one. The snapshot is found by its tag, so that a second run makes no other.
pub(super) async fn remove(aws: &Aws, call: &CallContext, search: &Search, id: &str) -> Result<Deletion> {
    let Some(volume) = describe(aws, id).await? else {
        return Err(Error::new(ErrorKind::NotFound, "InvalidVolume.NotFound", format!("`{id}` does not exist")));
    };
    let users: Vec<&str> = volume.attachments().iter().filter_map(|attachment| attachment.instance_id()).collect();
    if !users.is_empty() {
        let mut blockers = Vec::new();
        for user in &users {
            blockers.extend(machines::describe_foreign(aws, search, user).await?);
        }
        if !blockers.is_empty() {
            return Err(still_used(id, &blockers));
        }
        let message = format!("`{id}` is attached to {}", users.join(", "));
        return Err(Error::new(ErrorKind::Conflict, "VolumeInUse", message));
    }
    if search.volumes == VolumePolicy::Snapshot {
        match own_snapshot(aws, id).await? {
            Some(snapshot) if snapshot.state() == Some(&SnapshotState::Completed) => {}
            Some(snapshot) => return Ok(Deletion::NeedsAnotherCall(describe_progress(&snapshot))),
            None => return create_snapshot(aws, call, search, id, &services::ec2::from_tags(volume.tags())).await,
        }
    }
    Deletion::requested(aws.ec2.delete_volume().volume_id(id).send().await)
}

async fn create_snapshot(aws: &Aws, call: &CallContext, search: &Search, id: &str, of_volume: &Tags) -> Result<Deletion> {
    let mut tags: Tags = of_volume.iter().filter(|(key, _)| key.starts_with(CLAIM_TAGS)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let claim = of_volume.get("kubernetes.io/created-for/pvc/name").unwrap_or(&search.cluster);
    let own = [(VOLUME_TAG, id), (STACK_TAG, &call.stack), (ENVIRONMENT_TAG, &call.environment), ("Name", claim)];
    tags.extend(own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    let description = format!("{id} of the cluster {}, deleted by acme", search.cluster);
    let request = aws.ec2.create_snapshot().volume_id(id).description(description);
    let snapshot = request.tag_specifications(services::ec2::tag_specification(&tags, ResourceType::Snapshot)).send().await?;
    // The call has no token. The next one would make another snapshot if it did not see this one.
    let until = tokio::time::Instant::now() + aws.visibility_delay;
    while own_snapshot(aws, id).await?.is_none() && tokio::time::Instant::now() < until {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Deletion::NeedsAnotherCall(format!("snapshot {} is being made", snapshot.snapshot_id().unwrap_or_default())))
}

/// The snapshot that acme made of a volume before its deletion; a failed one does not count, nor an old one.
async fn own_snapshot(aws: &Aws, id: &str) -> Result<Option<Snapshot>> {
    let call = aws.ec2.describe_snapshots().owner_ids("self").filters(filter("volume-id", id));
    let snapshots: Vec<Snapshot> = call.into_paginator().items().send().try_collect().await?;
    let is_own = |snapshot: &Snapshot| services::ec2::from_tags(snapshot.tags()).get(VOLUME_TAG).is_some_and(|of| of == id);
    let usable = snapshots.into_iter().filter(|one| is_own(one) && one.state() != Some(&SnapshotState::Error) && !is_outdated(one));
    Ok(usable.max_by_key(|snapshot| snapshot.state() == Some(&SnapshotState::Completed)))
}

/// Whether a snapshot was completed so long ago that the volume may have other data by now.
fn is_outdated(snapshot: &Snapshot) -> bool {
    let started = snapshot.start_time().copied().and_then(|at| SystemTime::try_from(at).ok());
    let age = started.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
    snapshot.state() == Some(&SnapshotState::Completed) && age > MAX_SNAPSHOT_AGE
}

/// As in `snapshot snap-1 is 50% ready`.
fn describe_progress(snapshot: &Snapshot) -> String {
    format!("snapshot {} is {} ready", snapshot.snapshot_id().unwrap_or_default(), snapshot.progress().unwrap_or("not yet"))
}

async fn describe(aws: &Aws, id: &str) -> Result<Option<Volume>> {
    let reply = ok_or_not_found(aws.ec2.describe_volumes().volume_ids(id).send().await)?;
    Ok(reply.and_then(|reply| reply.volumes.unwrap_or_default().into_iter().next()))
}

/// Deletes a snapshot, unless an image is made of it.
pub(super) async fn remove_snapshot(aws: &Aws, id: &str) -> Result<Deletion> {
    match aws.ec2.delete_snapshot().snapshot_id(id).send().await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::Conflict => {
            // Without permission to read them, AWS's message must do.
            let images = images(aws, id).await.unwrap_or_default();
            Err(if images.is_empty() { error } else { still_used(id, &images) })
        }
        deleted => Deletion::requested(deleted),
    }
}

/// Images of the account that are made of a snapshot.
async fn images(aws: &Aws, snapshot: &str) -> Result<Vec<String>> {
    let call = aws.ec2.describe_images().owners("self").filters(filter("block-device-mapping.snapshot-id", snapshot));
    let images: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    Ok(images.iter().map(|image| format!("image {}", image.image_id().unwrap_or_default())).collect())
}

/// Phase of a volume: in progress while its snapshot is.
pub(super) async fn phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let Some(volume) = describe(aws, id).await? else { return Ok(None) };
    match volume.state() {
        Some(VolumeState::Deleting) => return Ok(Some(Phase::Deleting)),
        Some(state) if state.as_str() == "deleted" => return Ok(None),
        _ => {}
    }
    let unfinished = own_snapshot(aws, id).await?.filter(|snapshot| snapshot.state() != Some(&SnapshotState::Completed));
    Ok(Some(unfinished.map_or(Phase::Ready, |snapshot| Phase::Progressing(describe_progress(&snapshot)))))
}

/// Phase of a snapshot.
pub(super) async fn snapshot_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.ec2.describe_snapshots().snapshot_ids(id).send().await)?;
    Ok(reply.filter(|reply| !reply.snapshots().is_empty()).map(|_| Phase::Ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completed_snapshots_become_outdated() {
        let snapshot = |state, age| {
            let started = DateTime::from(SystemTime::now() - Duration::from_secs(age));
            Snapshot::builder().state(state).start_time(started).build()
        };
        assert!(!is_outdated(&snapshot(SnapshotState::Completed, 3600)));
        assert!(is_outdated(&snapshot(SnapshotState::Completed, 2 * 24 * 3600)));
        assert!(!is_outdated(&snapshot(SnapshotState::Pending, 2 * 24 * 3600)), "a large one takes days");
    }
}
