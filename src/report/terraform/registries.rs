//! Registries of container images in Terraform.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::aws::types::{
    ecr_creation_template::EcrCreationTemplate,
    ecr_pull_through_cache::EcrPullThroughCache,
    ecr_registry::{EcrRegistry, ReplicationRule},
    ecr_repository::EcrRepository,
};

fn tag_mutability(immutable: bool, exceptions: &BTreeSet<String>) -> &'static str {
    match (immutable, exceptions.is_empty()) {
        (true, true) => "IMMUTABLE",
        (true, false) => "IMMUTABLE_WITH_EXCLUSION",
        (false, true) => "MUTABLE",
        (false, false) => "MUTABLE_WITH_EXCLUSION",
    }
}

fn wildcards<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<Value> {
    names.into_iter().map(|name| json!({ "filter": name, "filter_type": "WILDCARD" })).collect()
}

impl ToTerraform for EcrRepository {
    const TERRAFORM_TYPE: &'static str = "aws_ecr_repository";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let encryption = match (self.kms_key.is_some(), self.two_layers == Some(true)) {
            (true, true) => "KMS_DSSE",
            (true, false) => "KMS",
            (false, _) => "AES256",
        };
        json!({
            "name": self.name,
            "image_tag_mutability": tag_mutability(self.immutable_tags, &self.tag_exceptions),
            "image_tag_mutability_exclusion_filter": wildcards(&self.tag_exceptions),
            "image_scanning_configuration": [{ "scan_on_push": self.scan_on_push }],
            "encryption_configuration": [{ "encryption_type": encryption, "kms_key": id_or_arn(self.kms_key.as_ref()) }],
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let repository = at.output_reference("id");
        let lifecycle = self.lifecycle().map(|policy| ("aws_ecr_lifecycle_policy", policy));
        let access = self.policy.as_ref().filter(|policy| !policy.is_empty());
        let access = access.map(|policy| ("aws_ecr_repository_policy", policy.to_json()));
        let all = lifecycle.into_iter().chain(access);
        all.map(|(name, policy)| SubResource::single(name, json!({ "repository": repository, "policy": policy }))).collect()
    }
}

/// Terraform has a resource for each setting of the registry; the replication, which most registries have, stands for the registry.
impl ToTerraform for EcrRegistry {
    const TERRAFORM_TYPE: &'static str = "aws_ecr_replication_configuration";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let rule = |rule: &ReplicationRule| {
            let to = rule.destinations.iter().map(|to| json!({ "region": to.region, "registry_id": to.account }));
            let filter = rule.repository_prefixes.iter().map(|prefix| json!({ "filter": prefix, "filter_type": "PREFIX_MATCH" }));
            json!({ "destination": to.collect::<Vec<_>>(), "repository_filter": filter.collect::<Vec<_>>() })
        };
        let rules: Vec<Value> = self.replication.iter().map(rule).collect();
        json!({ "replication_configuration": if rules.is_empty() { json!([]) } else { json!([{ "rule": rules }]) } })
    }

    fn sub_resources(&self, _: &ResourceContext<'_>) -> Vec<SubResource> {
        let rules = self
            .scanning
            .rules
            .iter()
            .map(|rule| json!({ "scan_frequency": rule.frequency, "repository_filter": wildcards(&rule.repositories) }));
        let scanning = json!({ "scan_type": self.scanning.r#type, "rule": rules.collect::<Vec<_>>() });
        let mut parts = vec![SubResource::single("aws_ecr_registry_scanning_configuration", scanning)];
        if let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_empty()) {
            parts.push(SubResource::single("aws_ecr_registry_policy", json!({ "policy": policy.to_json() })));
        }
        parts
    }
}

impl ToTerraform for EcrPullThroughCache {
    const TERRAFORM_TYPE: &'static str = "aws_ecr_pull_through_cache_rule";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "ecr_repository_prefix": self.prefix,
            "upstream_registry_url": self.host(),
            "upstream_repository_prefix": self.upstream_prefix,
            "credential_arn": id_or_arn(self.secret.as_ref()),
            "custom_role_arn": id_or_arn(self.role.as_ref()),
        })
    }
}

impl ToTerraform for EcrCreationTemplate {
    const TERRAFORM_TYPE: &'static str = "aws_ecr_repository_creation_template";
    const ARN_ATTRIBUTE: &'static str = "";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        json!({
            "prefix": self.prefix,
            "applied_for": self.applied_for,
            "description": text(self.description.clone()),
            "image_tag_mutability": tag_mutability(self.immutable_tags, &self.tag_exceptions),
            "image_tag_mutability_exclusion_filter": wildcards(&self.tag_exceptions),
            "encryption_configuration": [{ "encryption_type": self.encryption_type(), "kms_key": id_or_arn(self.kms_key.as_ref()) }],
            "lifecycle_policy": text(self.lifecycle()),
            "repository_policy": text(self.policy_text()),
            "resource_tags": self.repository_tags,
            "custom_role_arn": id_or_arn(self.role.as_ref()),
        })
    }
}
