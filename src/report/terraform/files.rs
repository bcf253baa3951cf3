//! File systems and parameters in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::{
        to_aws,
        types::{
            file_system::{FileSystem, MountTarget, PerformanceMode},
            file_system_access_point::FileSystemAccessPoint,
            parameter::{Parameter, ParameterKind},
        },
    },
    core::{Policy, referenced_ids},
};

/// A block, or none.
fn block(setting: Option<Value>) -> Vec<Value> {
    setting.into_iter().collect()
}

impl ToTerraform for FileSystem {
    const TERRAFORM_TYPE: &'static str = "aws_efs_file_system";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let rule = |days: u32| if days == 1 { "AFTER_1_DAY".to_owned() } else { format!("AFTER_{days}_DAYS") };
        let transitions = [
            self.lifecycle.infrequent_access_days.map(|days| json!({ "transition_to_ia": rule(days) })),
            self.lifecycle.archive_days.map(|days| json!({ "transition_to_archive": rule(days) })),
            self.lifecycle.back_on_access.then(|| json!({ "transition_to_primary_storage_class": "AFTER_1_ACCESS" })),
        ];
        let protection = if self.replication_overwrite_protection { "ENABLED" } else { "DISABLED" };
        json!({
            "encrypted": self.encrypted,
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "availability_zone_name": self.availability_zone,
            "performance_mode": match self.performance_mode {
                PerformanceMode::GeneralPurpose => "generalPurpose",
                PerformanceMode::MaxIo => "maxIO",
            },
            "throughput_mode": to_aws(&self.throughput_mode),
            "provisioned_throughput_in_mibps": self.provisioned_mibps,
            "lifecycle_policy": transitions.into_iter().flatten().collect::<Vec<_>>(),
            "protection": [{ "replication_overwrite": protection }],
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let id = at.output_reference("id");
        let target = |target: &MountTarget| {
            let arguments = json!({
                "file_system_id": id,
                "subnet_id": target.subnet.get(),
                "security_groups": referenced_ids(&target.security_groups),
                "ip_address_type": to_aws(&target.ip_address_type).to_uppercase(),
                "ip_address": target.ip_address,
                "ipv6_address": target.ipv6_address,
            });
            SubResource::keyed("aws_efs_mount_target", target.subnet.get(), arguments)
        };
        let backups = self.automatic_backups.map(|on| {
            let status = if on { "ENABLED" } else { "DISABLED" };
            SubResource::single("aws_efs_backup_policy", json!({ "file_system_id": id, "backup_policy": [{ "status": status }] }))
        });
        let policy = self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json);
        let policy =
            policy.map(|policy| SubResource::single("aws_efs_file_system_policy", json!({ "file_system_id": id, "policy": policy })));
        let replication = self.replication.as_ref().map(|replication| {
            let copy = json!({
                "region": replication.region,
                "file_system_id": replication.file_system,
                "availability_zone_name": replication.availability_zone,
                "kms_key_id": replication.kms_key,
            });
            let arguments = json!({ "source_file_system_id": id, "destination": [copy] });
            SubResource::single("aws_efs_replication_configuration", arguments)
        });
        self.mount_targets.iter().map(target).chain(backups).chain(policy).chain(replication).collect()
    }
}

impl ToTerraform for FileSystemAccessPoint {
    const TERRAFORM_TYPE: &'static str = "aws_efs_access_point";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let user = self.posix_user.as_ref();
        let user = user.map(|user| json!({ "uid": user.uid, "gid": user.gid, "secondary_gids": user.secondary_gids }));
        let creation = self.root_directory.creation.as_ref().map(
            |creation| json!({ "owner_uid": creation.owner_uid, "owner_gid": creation.owner_gid, "permissions": creation.permissions }),
        );
        json!({
            "file_system_id": self.file_system.get(),
            "posix_user": block(user),
            "root_directory": [{ "path": self.root_directory.path, "creation_info": block(creation) }],
        })
    }
}

impl ToTerraform for Parameter {
    const TERRAFORM_TYPE: &'static str = "aws_ssm_parameter";

    /// The value of a secure parameter is not in a definition.
    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let list = (self.kind == ParameterKind::StringList).then(|| self.values.join(","));
        json!({
            "name": self.name,
            "type": match self.kind {
                ParameterKind::String => "String",
                ParameterKind::StringList => "StringList",
                ParameterKind::SecureString => "SecureString",
            },
            "insecure_value": self.value.clone().or(list),
            "key_id": id_or_arn(self.kms_key.as_ref()),
            "description": self.description,
            "allowed_pattern": self.allowed_pattern,
            "tier": to_aws(&self.tier),
            "data_type": (self.kind == ParameterKind::String).then_some(&self.data_type),
        })
    }
}
