//! Buckets, databases and queues in Terraform.

use serde_json::{Value, json};

use super::{
    bucket_parts::bucket_parts,
    databases::point_in_time,
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
};
use crate::{
    aws::types::{
        rds_instance::RdsInstance,
        rds_parameter_group::RdsParameterGroup,
        rds_subnet_group::RdsSubnetGroup,
        s3_bucket::{LifecycleRule, S3Bucket},
        sqs_queue::SqsQueue,
    },
    core::{Policy, referenced_ids},
};

impl ToTerraform for S3Bucket {
    const TERRAFORM_TYPE: &'static str = "aws_s3_bucket";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "bucket": self.name, "object_lock_enabled": self.object_lock.as_ref().map(|_| true) })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let (bucket, blocks) = (at.output_reference("id"), self.block_public_access.blocks());
        let mut parts = vec![
            SubResource::single(
                "aws_s3_bucket_versioning",
                json!({ "bucket": bucket, "versioning_configuration": [{ "status": if self.versioning { "Enabled" } else { "Suspended" } }] }),
            ),
            SubResource::single(
                "aws_s3_bucket_server_side_encryption_configuration",
                json!({ "bucket": bucket, "rule": [{
                    "apply_server_side_encryption_by_default": [{
                        "sse_algorithm": self.encryption.algorithm(),
                        "kms_master_key_id": id_or_arn(self.encryption.kms_key.as_ref()),
                    }],
                    "bucket_key_enabled": self.encryption.bucket_key,
                }] }),
            ),
            SubResource::single(
                "aws_s3_bucket_public_access_block",
                json!({
                    "bucket": bucket,
                    "block_public_acls": blocks.block_public_acls,
                    "block_public_policy": blocks.block_public_policy,
                    "ignore_public_acls": blocks.ignore_public_acls,
                    "restrict_public_buckets": blocks.restrict_public_buckets,
                }),
            ),
            SubResource::single(
                "aws_s3_bucket_ownership_controls",
                json!({ "bucket": bucket, "rule": [{ "object_ownership": self.object_ownership }] }),
            ),
        ];
        if !self.lifecycle_rules.is_empty() {
            let rules: Vec<Value> = self.lifecycle_rules.iter().map(|(id, rule)| lifecycle(id, rule)).collect();
            parts.push(SubResource::single("aws_s3_bucket_lifecycle_configuration", json!({ "bucket": bucket, "rule": rules })));
        }
        if !self.cors.is_empty() {
            parts.push(SubResource::single("aws_s3_bucket_cors_configuration", json!({ "bucket": bucket, "cors_rule": self.cors })));
        }
        if let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_empty()) {
            parts.push(SubResource::single("aws_s3_bucket_policy", json!({ "bucket": bucket, "policy": policy.to_json() })));
        }
        parts.extend(bucket_parts(self, &bucket));
        parts
    }
}

fn lifecycle(id: &str, rule: &LifecycleRule) -> Value {
    let positive = |number: i64| Some(number).filter(|number| *number > 0);
    let days = |days: i32| positive(days.into());
    let noncurrent = |days: i64| json!({ "noncurrent_days": days, "newer_noncurrent_versions": positive(rule.noncurrent_keep.into()) });
    let midnight = |date: &str| format!("{date}T00:00:00Z");
    let date = Some(&rule.expire_date).filter(|date| !date.is_empty()).map(|date| midnight(date));
    let expiration = rule.expire_days > 0 || rule.expire_delete_markers || date.is_some();
    let expiration = expiration.then(|| {
        json!({
            "date": date,
            "days": days(rule.expire_days),
            "expired_object_delete_marker": rule.expire_delete_markers.then_some(true),
        })
    });
    let by_age = rule.transitions.iter().map(|to| json!({ "days": to.days, "storage_class": to.storage_class }));
    let by_date = rule.dated_transitions.iter().map(|to| json!({ "date": midnight(&to.date), "storage_class": to.storage_class }));
    json!({
        "id": id,
        "status": if rule.enabled { "Enabled" } else { "Disabled" },
        "filter": [{ "and": [{
            "prefix": rule.prefix,
            "tags": rule.tags,
            "object_size_greater_than": positive(rule.larger_than_bytes),
            "object_size_less_than": positive(rule.smaller_than_bytes),
        }] }],
        "expiration": expiration.into_iter().collect::<Vec<_>>(),
        "noncurrent_version_expiration": days(rule.noncurrent_expire_days).map(noncurrent).into_iter().collect::<Vec<_>>(),
        "abort_incomplete_multipart_upload": days(rule.abort_multipart_days).iter()
            .map(|days| json!({ "days_after_initiation": days }))
            .collect::<Vec<_>>(),
        "transition": by_age.chain(by_date).collect::<Vec<_>>(),
        "noncurrent_version_transition": rule.noncurrent_transitions.iter()
            .map(|to| json!({ "noncurrent_days": to.days, "storage_class": to.storage_class }))
            .collect::<Vec<_>>(),
    })
}

impl ToTerraform for RdsInstance {
    const TERRAFORM_TYPE: &'static str = "aws_db_instance";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let origin = json!({
            "replicate_source_db": id_or_arn(self.replica_of.as_ref()),
            "restore_to_point_in_time": self.point_in_time.iter().map(point_in_time).collect::<Vec<_>>(),
            "snapshot_identifier": self.snapshot,
            "manage_master_user_password": (self.password_secret.is_none() && self.replica_of.is_none()).then_some(true),
            "option_group_name": id_or_arn(self.option_group.as_ref()),
        });
        let mut arguments = json!({
            "identifier": self.name,
            "engine": self.engine,
            "engine_version": self.version,
            "instance_class": self.class,
            "allocated_storage": self.storage_gib,
            "max_allocated_storage": self.max_storage_gib,
            "storage_type": self.storage_type,
            "iops": self.iops,
            "storage_throughput": self.throughput_mibps,
            "multi_az": self.multi_az,
            "db_name": self.database_name,
            "username": self.username,
            "master_user_secret_kms_key_id": id_or_arn(self.master_password_key.as_ref()),
            "port": self.port,
            "db_subnet_group_name": self.subnet_group.get(),
            "vpc_security_group_ids": referenced_ids(&self.security_groups),
            "parameter_group_name": id_or_arn(self.parameter_group.as_ref()),
            "storage_encrypted": self.encrypted,
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "backup_retention_period": self.backup_retention_days,
            "backup_window": self.backup_window,
            "maintenance_window": self.maintenance_window,
            "publicly_accessible": self.publicly_accessible,
            "deletion_protection": self.deletion_protection,
            "performance_insights_enabled": self.performance_insights,
            "performance_insights_retention_period": self.performance_insights_retention_days,
            "monitoring_interval": self.monitoring_interval_seconds,
            "monitoring_role_arn": id_or_arn(self.monitoring_role.as_ref()),
            "enabled_cloudwatch_logs_exports": self.log_exports,
            "auto_minor_version_upgrade": self.auto_minor_version_upgrade,
            "allow_major_version_upgrade": self.allow_major_version_upgrade,
            "ca_cert_identifier": self.ca_certificate,
            "copy_tags_to_snapshot": self.copy_tags_to_snapshot,
            "delete_automated_backups": self.delete_automated_backups,
            "iam_database_authentication_enabled": self.iam_authentication,
            "apply_immediately": self.apply_immediately,
        });
        if let (Some(arguments), Value::Object(origin)) = (arguments.as_object_mut(), origin) {
            arguments.extend(origin);
        }
        arguments
    }
}

impl ToTerraform for RdsSubnetGroup {
    const TERRAFORM_TYPE: &'static str = "aws_db_subnet_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "description": self.description, "subnet_ids": referenced_ids(&self.subnets) })
    }
}

impl ToTerraform for RdsParameterGroup {
    const TERRAFORM_TYPE: &'static str = "aws_db_parameter_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let parameters = self.parameters.iter();
        json!({
            "name": self.name,
            "family": self.family,
            "description": self.description,
            "parameter": parameters.map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for SqsQueue {
    const TERRAFORM_TYPE: &'static str = "aws_sqs_queue";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let written = |policy: String| Some(policy).filter(|policy| !policy.is_empty());
        let is_kms = self.kms_key.is_some();
        json!({
            "name": self.name,
            "fifo_queue": self.fifo,
            "content_based_deduplication": self.content_based_deduplication,
            "deduplication_scope": self.fifo.then_some(&self.deduplication_scope),
            "fifo_throughput_limit": self.fifo.then_some(&self.throughput_limit),
            "visibility_timeout_seconds": self.visibility_timeout_seconds,
            "message_retention_seconds": self.retention_seconds,
            "delay_seconds": self.delay_seconds,
            "max_message_size": self.max_message_bytes,
            "receive_wait_time_seconds": self.receive_wait_seconds,
            "redrive_policy": written(self.redrive_policy()),
            "redrive_allow_policy": written(self.redrive_allow_policy()),
            // The provider rejects a key together with this argument.
            "sqs_managed_sse_enabled": (!is_kms).then_some(self.managed_encryption),
            "kms_master_key_id": id_or_arn(self.kms_key.as_ref()),
            "kms_data_key_reuse_period_seconds": is_kms.then_some(self.data_key_reuse_seconds),
            "policy": self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json),
        })
    }
}
