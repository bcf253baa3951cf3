//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use crate::kind::Kind;

pub mod certificate;
pub mod dns_record;
pub mod dns_zone;
pub mod elastic_ip;
pub mod iam_policy;
pub mod iam_role;
pub mod instance_profile;
pub mod internet_gateway;
pub mod kms_key;
pub mod listener;
pub mod load_balancer;
pub mod nat_gateway;
pub mod oidc_provider;
pub mod route_table;
pub mod secret;
pub mod security_group;
pub mod subnet;
pub mod target_group;
pub mod vpc;
pub mod vpc_endpoint;
pub mod waf_association;
pub mod waf_web_acl;

/// The registry, in alphabetical order.
pub static KINDS: &[Kind] = &[
    Kind::of::<certificate::Certificate>(),
    Kind::of::<dns_record::DnsRecord>(),
    Kind::of::<dns_zone::DnsZone>(),
    Kind::of::<elastic_ip::ElasticIp>(),
    Kind::of::<iam_policy::IamPolicy>(),
    Kind::of::<iam_role::IamRole>(),
    Kind::of::<instance_profile::InstanceProfile>(),
    Kind::of::<internet_gateway::InternetGateway>(),
    Kind::of::<kms_key::KmsKey>(),
    Kind::of::<listener::Listener>(),
    Kind::of::<load_balancer::LoadBalancer>(),
    Kind::of::<nat_gateway::NatGateway>(),
    Kind::of::<oidc_provider::OidcProvider>(),
    Kind::of::<route_table::RouteTable>(),
    Kind::of::<secret::Secret>(),
    Kind::of::<security_group::SecurityGroup>(),
    Kind::of::<subnet::Subnet>(),
    Kind::of::<target_group::TargetGroup>(),
    Kind::of::<vpc::Vpc>(),
    Kind::of::<vpc_endpoint::VpcEndpoint>(),
    Kind::of::<waf_association::WafAssociation>(),
    Kind::of::<waf_web_acl::WafWebAcl>(),
];

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
