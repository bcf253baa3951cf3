//! Kubernetes in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::{
        to_aws,
        types::{
            eks_access_entry::{self, EksAccessEntry},
            eks_addon::{EksAddon, ResolveConflicts},
            eks_capability::{EksCapability, IdentityKind},
            eks_cluster::EksCluster,
            eks_fargate_profile::EksFargateProfile,
            eks_node_group::EksNodeGroup,
            eks_pod_identity::EksPodIdentity,
            launch_template::LaunchTemplate,
        },
    },
    core::{Ref, referenced_ids},
};

impl ToTerraform for EksCluster {
    const TERRAFORM_TYPE: &'static str = "aws_eks_cluster";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "version": self.version,
            "role_arn": self.role.get(),
            "vpc_config": [{
                "subnet_ids": referenced_ids(&self.subnets),
                "security_group_ids": referenced_ids(&self.security_groups),
                "endpoint_public_access": self.endpoint_public,
                "endpoint_private_access": self.endpoint_private,
                "public_access_cidrs": self.public_access_cidrs,
            }],
            "enabled_cluster_log_types": self.log_types,
            "encryption_config": self.secrets_key.iter()
                .map(|key| json!({ "provider": [{ "key_arn": key.get() }], "resources": ["secrets"] }))
                .collect::<Vec<_>>(),
            "access_config": [{
                "authentication_mode": self.authentication_mode,
                "bootstrap_cluster_creator_admin_permissions": self.bootstrap_cluster_creator_admin_permissions,
            }],
            "bootstrap_self_managed_addons": self.bootstrap_self_managed_addons && self.auto_mode.is_none(),
            "kubernetes_network_config": [{
                "service_ipv4_cidr": self.service_ipv4_cidr,
                "ip_family": self.ip_family,
                "elastic_load_balancing": self.auto_mode.iter().map(|_| json!({ "enabled": true })).collect::<Vec<_>>(),
            }],
            "compute_config": self.auto_mode.iter()
                .map(|mode| json!({ "enabled": true, "node_pools": mode.node_pools, "node_role_arn": id_or_arn(mode.node_role.as_ref()) }))
                .collect::<Vec<_>>(),
            "storage_config": self.auto_mode.iter()
                .map(|_| json!({ "block_storage": [{ "enabled": true }] }))
                .collect::<Vec<_>>(),
            "deletion_protection": self.deletion_protection,
            "upgrade_policy": self.support_type.iter().map(|kind| json!({ "support_type": kind })).collect::<Vec<_>>(),
            "force_update_version": self.force_upgrade,
            "zonal_shift_config": self.zonal_shift.iter().map(|on| json!({ "enabled": on })).collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for EksNodeGroup {
    const TERRAFORM_TYPE: &'static str = "aws_eks_node_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let template = |template: &Ref<LaunchTemplate>| json!({ "id": template.get(), "version": self.launch_template_version });
        json!({
            "cluster_name": self.cluster.get(),
            "node_group_name": self.name,
            "node_role_arn": self.role.get(),
            "subnet_ids": referenced_ids(&self.subnets),
            "instance_types": self.instance_types,
            "capacity_type": self.capacity_type,
            "ami_type": self.ami_type,
            "disk_size": self.disk_gib,
            "scaling_config": [{ "min_size": self.min, "max_size": self.max, "desired_size": self.desired }],
            "labels": self.labels,
            "taint": self.taints,
            "version": self.version,
            "release_version": self.release_version,
            "force_update_version": self.force_update,
            "update_config": [{
                "max_unavailable": self.max_unavailable,
                "max_unavailable_percentage": self.max_unavailable_percentage,
            }],
            "node_repair_config": self.node_repair.iter().map(|on| json!({ "enabled": on })).collect::<Vec<_>>(),
            "launch_template": self.launch_template.iter().map(template).collect::<Vec<_>>(),
            "remote_access": self.remote_access.iter()
                .map(|access| json!({
                    "ec2_ssh_key": access.ec2_ssh_key,
                    "source_security_group_ids": referenced_ids(&access.source_security_groups),
                }))
                .collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for EksAddon {
    const TERRAFORM_TYPE: &'static str = "aws_eks_addon";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        // Terraform has no PRESERVE at creation, because there is nothing to preserve.
        let create = if self.resolve_conflicts == ResolveConflicts::Overwrite { "OVERWRITE" } else { "NONE" };
        json!({
            "cluster_name": self.cluster.get(),
            "addon_name": self.addon,
            "addon_version": self.version,
            "configuration_values": self.configuration.as_ref().map(Value::to_string),
            "service_account_role_arn": id_or_arn(self.role.as_ref()),
            "resolve_conflicts_on_create": create,
            "resolve_conflicts_on_update": self.resolve_conflicts,
        })
    }
}

impl ToTerraform for EksCapability {
    const TERRAFORM_TYPE: &'static str = "aws_eks_capability";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let argocd = self.argocd.iter().map(|argocd| {
            let mappings = argocd.roles.iter().map(|mapping| {
                let identities = mapping.identities.iter().map(|one| {
                    let kind = if matches!(one.kind, IdentityKind::User) { "SSO_USER" } else { "SSO_GROUP" };
                    json!({ "id": one.id, "type": kind })
                });
                json!({ "role": to_aws(&mapping.role).to_uppercase(), "identity": identities.collect::<Vec<_>>() })
            });
            let network = json!({ "vpce_ids": argocd.vpc_endpoints });
            json!({ "argo_cd": [{
                "aws_idc": [{ "idc_instance_arn": argocd.identity_center, "idc_region": argocd.identity_center_region }],
                "namespace": argocd.namespace,
                "rbac_role_mapping": mappings.collect::<Vec<_>>(),
                "network_access": (!argocd.vpc_endpoints.is_empty()).then_some(network).into_iter().collect::<Vec<_>>(),
            }] })
        });
        json!({
            "cluster_name": self.cluster.get(),
            "capability_name": self.name,
            "type": to_aws(&self.kind).to_uppercase(),
            "role_arn": self.role.get(),
            "delete_propagation_policy": "RETAIN",
            "configuration": argocd.collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for EksAccessEntry {
    const TERRAFORM_TYPE: &'static str = "aws_eks_access_entry";
    const ARN_ATTRIBUTE: &'static str = "access_entry_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "cluster_name": self.cluster.get(),
            "principal_arn": self.principal_arn,
            "type": self.kind,
            "kubernetes_groups": self.kubernetes_groups,
            "user_name": self.username,
        })
    }

    fn sub_resources(&self, _: &ResourceContext<'_>) -> Vec<SubResource> {
        let association = |policy: &eks_access_entry::AccessPolicy| {
            json!({
                "cluster_name": self.cluster.get(),
                "principal_arn": self.principal_arn,
                "policy_arn": eks_access_entry::policy_arn(&self.principal_arn, &policy.policy),
                "access_scope": [{ "type": policy.scope, "namespaces": policy.namespaces }],
            })
        };
        let policies = self.policies.iter();
        policies.map(|policy| SubResource::keyed("aws_eks_access_policy_association", &policy.policy, association(policy))).collect()
    }
}

impl ToTerraform for EksFargateProfile {
    const TERRAFORM_TYPE: &'static str = "aws_eks_fargate_profile";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "cluster_name": self.cluster.get(),
            "fargate_profile_name": self.name,
            "pod_execution_role_arn": self.pod_execution_role.get(),
            "subnet_ids": referenced_ids(&self.subnets),
            "selector": self.selectors,
        })
    }
}

impl ToTerraform for EksPodIdentity {
    const TERRAFORM_TYPE: &'static str = "aws_eks_pod_identity_association";
    const ARN_ATTRIBUTE: &'static str = "association_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "cluster_name": self.cluster.get(),
            "namespace": self.namespace,
            "service_account": self.service_account,
            "role_arn": self.role.get(),
            "target_role_arn": id_or_arn(self.target_role.as_ref()),
            "disable_session_tags": self.disable_session_tags,
        })
    }
}
