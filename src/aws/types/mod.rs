//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use std::sync::LazyLock;

use crate::core::ResourceType;

pub mod certificate;
pub mod dns_record;
pub mod dns_zone;
pub mod ecr_repository;
pub mod eks_access_entry;
pub mod eks_addon;
pub mod eks_cluster;
pub mod eks_fargate_profile;
pub mod eks_node_group;
pub mod eks_pod_identity;
pub mod elastic_ip;
pub mod flow_log;
pub mod iam_policy;
pub mod iam_role;
pub mod instance_profile;
pub mod internet_gateway;
pub mod kms_key;
pub mod listener;
pub mod load_balancer;
pub mod nat_gateway;
pub mod oidc_provider;
pub mod rds_instance;
pub mod rds_parameter_group;
pub mod rds_subnet_group;
pub mod route_table;
pub mod s3_bucket;
pub mod secret;
pub mod security_group;
pub mod subnet;
pub mod target_group;
pub mod vpc;
pub mod vpc_endpoint;
pub mod waf_association;
pub mod waf_ip_set;
pub mod waf_web_acl;

macro_rules! legacy {
    ($($module:ident::$type:ident)*) => { $(impl crate::core::Named for $module::$type { const NAME: &'static str = stringify!($module); })* };
}
legacy! {
    ecr_repository::EcrRepository
    eks_access_entry::EksAccessEntry
    eks_addon::EksAddon
    eks_cluster::EksCluster
    eks_fargate_profile::EksFargateProfile
    eks_node_group::EksNodeGroup
    eks_pod_identity::EksPodIdentity
    elastic_ip::ElasticIp
    flow_log::FlowLog
    iam_policy::IamPolicy
    iam_role::IamRole
    instance_profile::InstanceProfile
    internet_gateway::InternetGateway
    kms_key::KmsKey
    listener::Listener
    load_balancer::LoadBalancer
    nat_gateway::NatGateway
    oidc_provider::OidcProvider
    rds_instance::RdsInstance
    rds_parameter_group::RdsParameterGroup
    rds_subnet_group::RdsSubnetGroup
    route_table::RouteTable
    s3_bucket::S3Bucket
    secret::Secret
    security_group::SecurityGroup
    target_group::TargetGroup
    vpc::Vpc
    vpc_endpoint::VpcEndpoint
}

/// The registry, in alphabetical order.
pub static KINDS: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    vec![
        ResourceType::of::<certificate::Certificate>(),
        ResourceType::of::<dns_record::DnsRecord>(),
        ResourceType::of::<dns_zone::DnsZone>(),
        ResourceType::legacy::<ecr_repository::EcrRepository>(),
        ResourceType::legacy::<eks_access_entry::EksAccessEntry>(),
        ResourceType::legacy::<eks_addon::EksAddon>(),
        ResourceType::legacy::<eks_cluster::EksCluster>(),
        ResourceType::legacy::<eks_fargate_profile::EksFargateProfile>(),
        ResourceType::legacy::<eks_node_group::EksNodeGroup>(),
        ResourceType::legacy::<eks_pod_identity::EksPodIdentity>(),
        ResourceType::legacy::<elastic_ip::ElasticIp>(),
        ResourceType::legacy::<flow_log::FlowLog>(),
        ResourceType::legacy::<iam_policy::IamPolicy>(),
        ResourceType::legacy::<iam_role::IamRole>(),
        ResourceType::legacy::<instance_profile::InstanceProfile>(),
        ResourceType::legacy::<internet_gateway::InternetGateway>(),
        ResourceType::legacy::<kms_key::KmsKey>(),
        ResourceType::legacy::<listener::Listener>(),
        ResourceType::legacy::<load_balancer::LoadBalancer>(),
        ResourceType::legacy::<nat_gateway::NatGateway>(),
        ResourceType::legacy::<oidc_provider::OidcProvider>(),
        ResourceType::legacy::<rds_instance::RdsInstance>(),
        ResourceType::legacy::<rds_parameter_group::RdsParameterGroup>(),
        ResourceType::legacy::<rds_subnet_group::RdsSubnetGroup>(),
        ResourceType::legacy::<route_table::RouteTable>(),
        ResourceType::legacy::<s3_bucket::S3Bucket>(),
        ResourceType::legacy::<secret::Secret>(),
        ResourceType::legacy::<security_group::SecurityGroup>(),
        ResourceType::of::<subnet::Subnet>(),
        ResourceType::legacy::<target_group::TargetGroup>(),
        ResourceType::legacy::<vpc::Vpc>(),
        ResourceType::legacy::<vpc_endpoint::VpcEndpoint>(),
        ResourceType::of::<waf_association::WafAssociation>(),
        ResourceType::of::<waf_ip_set::WafIpSet>(),
        ResourceType::of::<waf_web_acl::WafWebAcl>(),
    ]
});

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static ResourceType> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_replaces_says_so() {
        let mut silent = Vec::new();
        for kind in KINDS.iter() {
            let schema = kind.schema();
            for pointer in &kind.replaces {
                let at = pointer.replace('/', "/properties/");
                let text = schema.pointer(&format!("{at}/description")).and_then(serde_json::Value::as_str).unwrap_or_default();
                if !text.contains("replaces") {
                    silent.push(format!("{}{pointer}: {text:?}", kind.name));
                }
            }
        }
        assert!(silent.is_empty(), "{silent:#?}");
    }
}
