//! Keys, their replicas, and secrets in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        kms_key::{Grant, KmsKey},
        kms_replica::KmsReplica,
        secret::Secret,
    },
    core::Policy,
};

impl ToTerraform for KmsKey {
    const TERRAFORM_TYPE: &'static str = "aws_kms_key";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "description": self.description,
            "key_usage": self.key_usage,
            "customer_master_key_spec": self.key_spec,
            "multi_region": self.multi_region,
            "is_enabled": self.enabled,
            "enable_key_rotation": self.rotation,
            "rotation_period_in_days": self.rotation.then_some(self.rotation_period_days),
            "policy": self.policy.as_ref().map(Policy::to_json),
            "deletion_window_in_days": self.deletion_window_days,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let key = at.output_reference("id");
        let alias = self.name.iter().map(|name| SubResource::single("aws_kms_alias", json!({ "name": name, "target_key_id": key })));
        let grants = self.grants.iter().map(|(name, grant)| SubResource::keyed("aws_kms_grant", name, grant_arguments(&key, name, grant)));
        alias.chain(grants).collect()
    }
}

fn grant_arguments(key: &str, name: &str, grant: &Grant) -> Value {
    let constraints = json!({
        "encryption_context_subset": grant.encryption_context,
        "encryption_context_equals": grant.exact_encryption_context,
    });
    let has_constraints = !grant.encryption_context.is_empty() || !grant.exact_encryption_context.is_empty();
    json!({
        "key_id": key,
        "name": name,
        "grantee_principal": grant.principal,
        "operations": grant.operations,
        "retiring_principal": grant.retiring_principal,
        "constraints": has_constraints.then_some(constraints).into_iter().collect::<Vec<_>>(),
    })
}

impl ToTerraform for KmsReplica {
    const TERRAFORM_TYPE: &'static str = "aws_kms_replica_key";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "primary_key_arn": self.primary.get(),
            "description": self.description,
            "enabled": self.enabled,
            "policy": self.policy.as_ref().map(Policy::to_json),
            "deletion_window_in_days": self.deletion_window_days,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let alias = self.name.iter().map(|name| json!({ "name": name, "target_key_id": at.output_reference("id") }));
        alias.map(|arguments| SubResource::single("aws_kms_alias", arguments)).collect()
    }
}

/// No argument holds its value.
impl ToTerraform for Secret {
    const TERRAFORM_TYPE: &'static str = "aws_secretsmanager_secret";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "kms_key_id": id_or_arn(self.kms_key.as_ref()),
            "recovery_window_in_days": self.recovery_window_days,
            "replica": self.replicas.iter()
                .map(|(region, replica)| json!({ "region": region, "kms_key_id": replica.kms_key }))
                .collect::<Vec<_>>(),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let id = at.output_reference("id");
        let mut parts = Vec::new();
        if let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_empty()) {
            let arguments = json!({ "secret_arn": id, "policy": policy.to_json() });
            parts.push(SubResource::single("aws_secretsmanager_secret_policy", arguments));
        }
        if let Some(rotation) = &self.rotation {
            let hours = Some(rotation.window_hours).filter(|hours| *hours > 0).map(|hours| format!("{hours}h"));
            let arguments = json!({
                "secret_id": id,
                "rotation_lambda_arn": rotation.lambda,
                "rotate_immediately": false,
                "rotation_rules": [{ "schedule_expression": rotation.schedule, "duration": hours }],
            });
            parts.push(SubResource::single("aws_secretsmanager_secret_rotation", arguments));
        }
        parts
    }
}
