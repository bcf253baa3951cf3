//! Replication to another file system.

use aws_sdk_efs::types::{Destination, DestinationToCreate, ReplicationStatus};

use super::{super::prelude::*, FileSystem};
use crate::core::ErrorKind;

/// Continuous copy of a file system. Another region, or another file system, begins a new copy.
#[spec]
#[derive(PartialEq)]
pub struct Replication {
    /// Region of the copy.
    #[field(pattern = "[a-z]{2}(-[a-z]+)+-[0-9]")]
    pub region: String,
    /// Existing file system that becomes the copy: its id. It has `replication_overwrite_protection: false`, and its files are overwritten.
    #[field(unset = "AWS creates one", pattern = r"fs-[0-9a-f]{8,40}|\$\{.+\}", dropped(kept, "the copy remains"))]
    pub file_system: Option<String>,
    /// Availability zone of a copy that AWS creates, as One Zone file system. AWS uses it when the replication begins.
    #[field(unset = "stored in three zones", conflicts_with = file_system, dropped(kept, "used only when the replication begins"))]
    pub availability_zone: Option<String>,
    /// ARN of the key, in its region, that encrypts a copy that AWS creates. AWS uses it when the replication begins.
    #[field(unset = "AWS's own key, `alias/aws/elasticfilesystem`", conflicts_with = file_system)]
    #[field(dropped(kept, "used only when the replication begins"))]
    pub kms_key: Option<String>,
}

impl Replication {
    /// Whether a live replication is this one. AWS reports region and file system of the copy.
    pub(super) fn fits(&self, live: &Replication) -> bool {
        self.region == live.region && (self.file_system.is_none() || self.file_system == live.file_system)
    }

    pub(super) fn from_sdk(copy: &Destination) -> Replication {
        let file_system = Some(copy.file_system_id().to_owned());
        Replication { region: copy.region().to_owned(), file_system, availability_zone: None, kms_key: None }
    }

    fn to_sdk(&self) -> DestinationToCreate {
        let copy = DestinationToCreate::builder().region(&self.region).set_file_system_id(self.file_system.clone());
        copy.set_availability_zone_name(self.availability_zone.clone()).set_kms_key_id(self.kms_key.clone()).build()
    }
}

/// The copy of a file system; `None` if it is not replicated.
pub(super) async fn copy(aws: &Aws, id: &str) -> Result<Option<Destination>> {
    let reply = ok_or_not_found(aws.efs.describe_replication_configurations().file_system_id(id).send().await)?;
    // A copy has the configuration of its source.
    let own = reply.and_then(|reply| reply.replications).into_iter().flatten().find(|one| one.source_file_system_id == id);
    Ok(own.and_then(|own| own.destinations.into_iter().next()))
}

/// Begins the wanted replication. An earlier one ends before, which takes AWS a while; the engine then calls again.
pub(super) async fn change(cx: &Cx<'_>, id: &str, live: &FileSystem, wanted: Option<&Replication>) -> Result<()> {
    let copy = if live.replication.is_some() || wanted.is_some() { copy(cx.api, id).await? } else { None };
    match (copy, wanted) {
        (Some(copy), Some(wanted)) if wanted.fits(&Replication::from_sdk(&copy)) && copy.status != ReplicationStatus::Deleting => Ok(()),
        (Some(copy), wanted) => {
            if copy.status != ReplicationStatus::Deleting {
                end(cx, id).await?;
            }
            match wanted {
                Some(_) => Err(Error::new(ErrorKind::Conflict, "ReplicationAlreadyExists", "the earlier replication is ending")),
                None => Ok(()),
            }
        }
        (None, Some(wanted)) => {
            cx.efs.create_replication_configuration().source_file_system_id(id).destinations(wanted.to_sdk()).send().await?;
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// The copy remains, and can be written then.
pub(super) async fn end(cx: &Cx<'_>, id: &str) -> Result<()> {
    ok_or_not_found(cx.efs.delete_replication_configuration().source_file_system_id(id).send().await)?;
    Ok(())
}

/// Phase of a replication that is not ready.
pub(super) fn phase(copy: &Destination) -> Option<Phase> {
    let status = copy.status().as_str();
    let text = || {
        let reason = copy.status_message().filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}"));
        format!("replication {status}{}", reason.unwrap_or_default())
    };
    match copy.status() {
        ReplicationStatus::Error => Some(Phase::Degraded(text())),
        _ if status.ends_with("ING") => Some(Phase::Progressing(text())),
        _ => None,
    }
}
