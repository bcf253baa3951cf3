//! Settings of Argo CD.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_eks::types::{
    ArgoCdAwsIdcConfigRequest, ArgoCdConfigRequest, ArgoCdConfigResponse, ArgoCdNetworkAccessConfigRequest, ArgoCdRoleMapping, SsoIdentity,
    SsoIdentityType, UpdateArgoCdConfig, UpdateRoleMappings,
};

use crate::{
    aws::{from_aws, to_aws},
    core::Result,
};

/// Settings of Argo CD.
#[spec]
#[derive(PartialEq)]
pub struct ArgoCd {
    /// ARN of the instance of IAM Identity Center whose users sign in. A change replaces the capability.
    #[field(pattern = "arn:aws[a-z-]*:sso:::instance/.+", important)]
    pub identity_center: String,
    /// Region of that instance. A change replaces the capability.
    #[field(unset = "the cluster's region", length = 1..=64, dropped(kept, "a capability stays with its instance"))]
    pub identity_center_region: Option<String>,
    /// Namespace of Argo CD's objects. A change replaces the capability.
    #[field(default = "argocd", length = 1..=63, pattern = "[a-z0-9]([a-z0-9-]*[a-z0-9])?")]
    pub namespace: String,
    /// First part of the server's host name. A change replaces the capability.
    #[field(unset = "AWS chooses the host name", length = 1..=63, dropped(kept, "the host name is permanent"))]
    pub endpoint_prefix: Option<String>,
    /// Users and groups with a role in Argo CD. Each role is listed once.
    #[field(default, length = 0..=3, important)]
    pub roles: BTreeSet<RoleMapping>,
    /// Ids of the VPC endpoints through which the server can be reached, instead of the internet.
    #[field(default, risky(BTreeSet::<String>::new(), "the server is open to the internet, behind a login"))]
    pub vpc_endpoints: BTreeSet<String>,
}

/// Users and groups with one role.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleMapping {
    /// The role.
    pub role: ArgoCdRole,
    /// Users and groups of IAM Identity Center.
    #[field(length = 1..=1000)]
    pub identities: BTreeSet<Identity>,
}

/// Role in Argo CD.
#[spec]
#[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArgoCdRole {
    /// Everything.
    Admin,
    /// Applications.
    Editor,
    /// Reads.
    Viewer,
}

/// User or group of IAM Identity Center.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Id, such as `a1b2c3d4-5678-90ab-cdef-EXAMPLE11111`.
    #[field(length = 1..=256)]
    pub id: String,
    /// What it is.
    #[field(default = IdentityKind::Group)]
    #[serde(rename = "type")]
    pub kind: IdentityKind,
}

/// What an identity is.
#[spec]
#[derive(Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum IdentityKind {
    #[default]
    Group,
    User,
}

impl ArgoCd {
    pub(super) fn to_sdk(&self) -> Result<ArgoCdConfigRequest> {
        let center = ArgoCdAwsIdcConfigRequest::builder().idc_instance_arn(&self.identity_center);
        let center = center.set_idc_region(self.identity_center_region.clone()).build()?;
        let mappings = self.roles.iter().map(RoleMapping::to_sdk).collect::<Result<Vec<_>>>()?;
        let config = ArgoCdConfigRequest::builder().namespace(&self.namespace).aws_idc(center);
        let config = config.set_rbac_role_mappings((!mappings.is_empty()).then_some(mappings));
        let network = (!self.vpc_endpoints.is_empty()).then(|| self.network_access());
        Ok(config.set_endpoint_prefix(self.endpoint_prefix.clone()).set_network_access(network).build())
    }

    fn network_access(&self) -> ArgoCdNetworkAccessConfigRequest {
        let ids = self.vpc_endpoints.iter().cloned().collect();
        ArgoCdNetworkAccessConfigRequest::builder().set_vpce_ids(Some(ids)).build()
    }

    /// A mapping that is sent replaces that of its role.
    pub(super) fn update_from(&self, live: &ArgoCd) -> Result<UpdateArgoCdConfig> {
        let config = UpdateArgoCdConfig::builder();
        let set = self.roles.difference(&live.roles).map(RoleMapping::to_sdk).collect::<Result<Vec<_>>>()?;
        let kept: BTreeSet<ArgoCdRole> = self.roles.iter().map(|mapping| mapping.role).collect();
        let gone = live.roles.iter().filter(|mapping| !kept.contains(&mapping.role));
        let gone = gone.map(RoleMapping::to_sdk).collect::<Result<Vec<_>>>()?;
        let config = if set.is_empty() && gone.is_empty() {
            config
        } else {
            let mappings = UpdateRoleMappings::builder().set_add_or_update_role_mappings((!set.is_empty()).then_some(set));
            config.rbac_role_mappings(mappings.set_remove_role_mappings((!gone.is_empty()).then_some(gone)).build())
        };
        let network = (self.vpc_endpoints != live.vpc_endpoints).then(|| self.network_access());
        Ok(config.set_network_access(network).build())
    }

    /// Whether `live` differs in what an update can't change.
    pub(super) fn needs_another(&self, live: &ArgoCd) -> bool {
        let differs = |wanted: &Option<String>, live: &Option<String>| wanted.is_some() && wanted != live;
        (&self.identity_center, &self.namespace) != (&live.identity_center, &live.namespace)
            || differs(&self.identity_center_region, &live.identity_center_region)
            || differs(&self.endpoint_prefix, &live.endpoint_prefix)
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let roles: BTreeSet<ArgoCdRole> = self.roles.iter().map(|mapping| mapping.role).collect();
        if roles.len() == self.roles.len() { Vec::new() } else { vec!["each role is listed once, with all its identities".to_owned()] }
    }

    pub(super) fn from_sdk(config: ArgoCdConfigResponse) -> ArgoCd {
        let (center, region) = config.aws_idc.map(|center| (center.idc_instance_arn, center.idc_region)).unwrap_or_default();
        let mappings = config.rbac_role_mappings.unwrap_or_default();
        ArgoCd {
            identity_center: center.unwrap_or_default(),
            identity_center_region: region,
            namespace: config.namespace.unwrap_or_else(Self::default_namespace),
            endpoint_prefix: config.endpoint_prefix,
            roles: mappings.iter().filter_map(RoleMapping::read).collect(),
            vpc_endpoints: config.network_access.and_then(|access| access.vpce_ids).unwrap_or_default().into_iter().collect(),
        }
    }
}

impl RoleMapping {
    fn to_sdk(&self) -> Result<ArgoCdRoleMapping> {
        let identity = |one: &Identity| {
            let kind = match one.kind {
                IdentityKind::Group => SsoIdentityType::SsoGroup,
                IdentityKind::User => SsoIdentityType::SsoUser,
            };
            SsoIdentity::builder().id(&one.id).r#type(kind).build()
        };
        let identities = self.identities.iter().map(identity).collect::<std::result::Result<Vec<_>, _>>()?;
        let mapping = ArgoCdRoleMapping::builder().role(to_aws(&self.role).to_uppercase().as_str().into());
        Ok(mapping.set_identities(Some(identities)).build()?)
    }

    fn read(mapping: &ArgoCdRoleMapping) -> Option<RoleMapping> {
        let identity = |one: &SsoIdentity| Identity {
            id: one.id.clone(),
            kind: if one.r#type == SsoIdentityType::SsoUser { IdentityKind::User } else { IdentityKind::Group },
        };
        let role = from_aws(&mapping.role.as_str().to_lowercase()).ok()?;
        Some(RoleMapping { role, identities: mapping.identities.iter().map(identity).collect() })
    }
}
