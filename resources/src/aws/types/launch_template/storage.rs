//! Disks of a launch template.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_ec2::types::{LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest};

use super::data::text;
use crate::{
    aws::types::kms_key::KmsKey,
    core::{ArnRef, Pointer, Problem, Ref},
};

/// A disk: an EBS volume, an instance store volume, or none in place of one of the image.
#[spec]
pub struct Disk {
    /// Size, in GiB.
    #[field(unset = "the snapshot's", range = 1..=65_536, dropped = None)]
    pub gib: Option<i32>,
    /// Volume type.
    #[field(unset = "AWS's default", one_of = ["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"], dropped = None)]
    pub r#type: Option<String>,
    /// Operations per second, of `gp3`, `io1` and `io2`.
    #[field(unset = "3000 of `gp3`", range = 100..=256_000, dropped = None)]
    pub iops: Option<i32>,
    /// Throughput of `gp3`, in MiB/s.
    #[field(unset = "125", range = 125..=2000, dropped = None)]
    pub throughput_mib: Option<i32>,
    /// Encrypts it.
    #[field(unset = "the snapshot's, and the account's default", risky(false, "the disk is not encrypted"), dropped = None)]
    pub encrypted: Option<bool>,
    /// KMS key.
    #[field(unset = "the account's default key for EBS", requires = encrypted, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Id of the snapshot with its contents.
    #[field(unset = "none, or that of the image", pattern = "snap-[0-9a-f]+", dropped = None)]
    pub snapshot: Option<String>,
    /// Deletes it with the instance.
    #[field(unset = "true for new volumes", dropped = None)]
    pub delete_on_termination: Option<bool>,
    /// Rate at which AWS loads the snapshot, in MiB/s.
    #[field(unset = "as data is read", range = 100..=300, requires = snapshot, dropped = None)]
    pub initialization_rate_mib: Option<i32>,
    /// Instance store volume in its place, such as `ephemeral0`.
    #[field(unset = "an EBS volume", pattern = "ephemeral[0-9]+", dropped = None)]
    pub instance_store: Option<String>,
    /// Leaves out this disk of the image.
    #[field(default = false)]
    pub none: bool,
}

impl Disk {
    fn has_volume(&self) -> bool {
        !self.none && self.instance_store.is_none()
    }

    pub(super) fn to_sdk(&self, device: &str) -> LaunchTemplateBlockDeviceMappingRequest {
        let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_volume_size(self.gib)
            .set_volume_type(self.r#type.as_deref().map(Into::into))
            .set_iops(self.iops)
            .set_throughput(self.throughput_mib)
            .set_encrypted(self.encrypted)
            .set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()))
            .set_snapshot_id(self.snapshot.clone())
            .set_delete_on_termination(self.delete_on_termination)
            .set_volume_initialization_rate(self.initialization_rate_mib);
        LaunchTemplateBlockDeviceMappingRequest::builder()
            .device_name(device)
            .set_ebs(self.has_volume().then(|| volume.build()))
            .set_virtual_name(self.instance_store.clone())
            .set_no_device(self.none.then(String::new))
            .build()
    }

    pub(super) fn read(mapping: LaunchTemplateBlockDeviceMapping) -> Option<(String, Disk)> {
        let volume = mapping.ebs.as_ref();
        let disk = Disk {
            gib: volume.and_then(|volume| volume.volume_size),
            r#type: text!(volume.and_then(|volume| volume.volume_type.as_ref())),
            iops: volume.and_then(|volume| volume.iops),
            throughput_mib: volume.and_then(|volume| volume.throughput),
            encrypted: volume.and_then(|volume| volume.encrypted),
            kms_key: volume.and_then(|volume| volume.kms_key_id.clone()).map(Ref::to),
            snapshot: volume.and_then(|volume| volume.snapshot_id.clone()),
            delete_on_termination: volume.and_then(|volume| volume.delete_on_termination),
            initialization_rate_mib: volume.and_then(|volume| volume.volume_initialization_rate),
            instance_store: mapping.virtual_name,
            none: mapping.no_device.is_some(),
        };
        Some((mapping.device_name?, disk))
    }
}

/// A disk is one of the three, and a volume has the settings of its type.
pub(super) fn check(at: &Pointer, disks: &BTreeMap<String, Disk>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (device, disk) in disks {
        let at = at.clone().item(device);
        let mut add = |field: Pointer, message: &str, help: &str| problems.push(Problem::new(at.clone().field(field), message).help(help));
        if disk.none && disk.instance_store.is_some() {
            add(Disk::POINTERS.none, "the disk is left out, and is an instance store volume", "keep one of `none` and `instance_store`");
        }
        if !disk.has_volume() && (disk.gib.is_some() || disk.r#type.is_some() || disk.encrypted.is_some() || disk.snapshot.is_some()) {
            add(
                Disk::POINTERS.gib,
                "only an EBS volume has a size, a type, encryption and a snapshot",
                "remove them, or `none` and `instance_store`",
            );
        }
        let kind = disk.r#type.as_deref();
        if disk.iops.is_some() && !matches!(kind, Some("gp3" | "io1" | "io2")) {
            add(Disk::POINTERS.iops, "only volumes of the types gp3, io1 and io2 have `iops`", "set `type`, or remove `iops`");
        }
        if disk.iops.is_none() && matches!(kind, Some("io1" | "io2")) {
            add(Disk::POINTERS.r#type, "volumes of the types io1 and io2 need `iops`", "set `iops`");
        }
        if disk.throughput_mib.is_some() && kind != Some("gp3") {
            add(
                Disk::POINTERS.throughput_mib,
                "only volumes of the type gp3 have a throughput",
                "set `type: gp3`, or remove `throughput_mib`",
            );
        }
    }
    problems
}
