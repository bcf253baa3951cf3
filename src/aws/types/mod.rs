//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use crate::core::Kind;

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

/// The registry, in alphabetical order.
pub static KINDS: &[Kind] = &[
    Kind::of::<certificate::Certificate>(),
    Kind::of::<dns_record::DnsRecord>(),
    Kind::of::<dns_zone::DnsZone>(),
    Kind::of::<ecr_repository::EcrRepository>(),
    Kind::of::<eks_access_entry::EksAccessEntry>(),
    Kind::of::<eks_addon::EksAddon>(),
    Kind::of::<eks_cluster::EksCluster>(),
    Kind::of::<eks_fargate_profile::EksFargateProfile>(),
    Kind::of::<eks_node_group::EksNodeGroup>(),
    Kind::of::<eks_pod_identity::EksPodIdentity>(),
    Kind::of::<elastic_ip::ElasticIp>(),
    Kind::of::<flow_log::FlowLog>(),
    Kind::of::<iam_policy::IamPolicy>(),
    Kind::of::<iam_role::IamRole>(),
    Kind::of::<instance_profile::InstanceProfile>(),
    Kind::of::<internet_gateway::InternetGateway>(),
    Kind::of::<kms_key::KmsKey>(),
    Kind::of::<listener::Listener>(),
    Kind::of::<load_balancer::LoadBalancer>(),
    Kind::of::<nat_gateway::NatGateway>(),
    Kind::of::<oidc_provider::OidcProvider>(),
    Kind::of::<rds_instance::RdsInstance>(),
    Kind::of::<rds_parameter_group::RdsParameterGroup>(),
    Kind::of::<rds_subnet_group::RdsSubnetGroup>(),
    Kind::of::<route_table::RouteTable>(),
    Kind::of::<s3_bucket::S3Bucket>(),
    Kind::of::<secret::Secret>(),
    Kind::of::<security_group::SecurityGroup>(),
    Kind::of::<subnet::Subnet>(),
    Kind::of::<target_group::TargetGroup>(),
    Kind::of::<vpc::Vpc>(),
    Kind::of::<vpc_endpoint::VpcEndpoint>(),
    Kind::of::<waf_association::WafAssociation>(),
    Kind::of::<waf_ip_set::WafIpSet>(),
    Kind::of::<waf_web_acl::WafWebAcl>(),
];

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_replaces_says_so() {
        let mut silent = Vec::new();
        for kind in KINDS {
            let schema = (kind.schema)().to_value();
            for pointer in kind.replace {
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
