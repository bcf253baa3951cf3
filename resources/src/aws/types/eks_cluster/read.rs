//! Converts EKS's description of a cluster to a spec.

use std::collections::BTreeSet;

use aws_sdk_eks::types::{Cluster, ClusterStatus};

use super::{EksCluster, Outputs, auto_mode, volumes, with_reasons};
use crate::{
    aws::{from_aws, services},
    core::{Error, Observed, Phase, Ref, Result},
};

pub(super) fn read(cluster: Cluster) -> Result<Observed<EksCluster>> {
    let name = cluster.name.ok_or_else(|| Error::missing_field("name"))?;
    let vpc = cluster.resources_vpc_config.ok_or_else(|| Error::missing_field("resourcesVpcConfig"))?;
    let network = cluster.kubernetes_network_config;
    let status = cluster.status.ok_or_else(|| Error::missing_field("status"))?;
    let issues = cluster.health.and_then(|health| health.issues).unwrap_or_default();
    let status_text = || with_reasons(status.as_str(), &issues);
    let phase = match status {
        ClusterStatus::Active => Phase::Ready,
        ClusterStatus::Failed => Phase::Failed(status_text()),
        ClusterStatus::Deleting => Phase::Deleting,
        _ => Phase::Progressing(status_text()),
    };
    let setups = cluster.logging.and_then(|logging| logging.cluster_logging).unwrap_or_default();
    let logs = setups.iter().filter(|setup| setup.enabled == Some(true)).flat_map(|setup| setup.types());
    let key = cluster.encryption_config.unwrap_or_default().into_iter().next().and_then(|config| config.provider?.key_arn);
    let mut tags = services::eks::from_tags(cluster.tags.as_ref());
    let spec = EksCluster {
        name: Some(name.clone()),
        version: cluster.version.clone(),
        role: Ref::to(cluster.role_arn.unwrap_or_default()),
        subnets: vpc.subnet_ids.into_iter().flatten().map(Ref::to).collect(),
        security_groups: vpc.security_group_ids.into_iter().flatten().map(Ref::to).collect(),
        endpoint_public: vpc.endpoint_public_access,
        endpoint_private: vpc.endpoint_private_access,
        public_access_cidrs: vpc.public_access_cidrs.unwrap_or_default().iter().filter_map(|range| range.parse().ok()).collect(),
        log_types: logs.map(|log| from_aws(log.as_str())).collect::<Result<_>>()?,
        secrets_key: key.map(Ref::to),
        authentication_mode: cluster.access_config.and_then(|a| a.authentication_mode).map(|mode| from_aws(mode.as_str())).transpose()?,
        bootstrap_cluster_creator_admin_permissions: None,
        bootstrap_self_managed_addons: true,
        service_ipv4_cidr: network.as_ref().and_then(|network| network.service_ipv4_cidr()?.parse().ok()),
        ip_family: network.and_then(|network| network.ip_family).map(|family| from_aws(family.as_str())).transpose()?,
        // Clusters older than the feature report none.
        deletion_protection: cluster.deletion_protection.unwrap_or_default(),
        support_type: cluster.upgrade_policy.and_then(|policy| policy.support_type).map(|s| from_aws(s.as_str())).transpose()?,
        auto_mode: auto_mode::read(cluster.compute_config.as_ref())?,
        zonal_shift: cluster.zonal_shift_config.and_then(|config| config.enabled),
        volumes: volumes::take_tag(&mut tags),
        skip_upgrade_gates: BTreeSet::new(),
        force_upgrade: false,
    };
    let outputs = Outputs {
        arn: cluster.arn.unwrap_or_default(),
        endpoint: cluster.endpoint,
        certificate_authority: cluster.certificate_authority.and_then(|authority| authority.data),
        version: cluster.version,
        platform_version: cluster.platform_version,
        security_group_id: vpc.cluster_security_group_id,
        vpc_id: vpc.vpc_id,
        oidc_issuer: cluster.identity.and_then(|identity| identity.oidc?.issuer),
    };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}
