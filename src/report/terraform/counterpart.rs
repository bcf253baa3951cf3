//! What the types are in Terraform, in the AWS provider's names: <https://registry.terraform.io/providers/hashicorp/aws/latest/docs>.

use serde_json::Value;

use crate::{
    aws::types::{
        certificate::Certificate, dns_record::DnsRecord, dns_zone::DnsZone, ecr_repository::EcrRepository,
        eks_access_entry::EksAccessEntry, eks_addon::EksAddon, eks_cluster::EksCluster, eks_fargate_profile::EksFargateProfile,
        eks_node_group::EksNodeGroup, eks_pod_identity::EksPodIdentity, elastic_ip::ElasticIp, flow_log::FlowLog, iam_policy::IamPolicy,
        iam_role::IamRole, instance_profile::InstanceProfile, internet_gateway::InternetGateway, kms_key::KmsKey, listener::Listener,
        load_balancer::LoadBalancer, nat_gateway::NatGateway, oidc_provider::OidcProvider, rds_instance::RdsInstance,
        rds_parameter_group::RdsParameterGroup, rds_subnet_group::RdsSubnetGroup, route_table::RouteTable, s3_bucket::S3Bucket,
        secret::Secret, security_group::SecurityGroup, subnet::Subnet, target_group::TargetGroup, vpc::Vpc, vpc_endpoint::VpcEndpoint,
        waf_association::WafAssociation, waf_ip_set::WafIpSet, waf_web_acl::WafWebAcl,
    },
    core::{Address, By, Named, Ref},
};

/// A resource type that Terraform has, too.
pub trait Counterpart: Named + serde::de::DeserializeOwned {
    /// Its Terraform type.
    const TERRAFORM: &'static str;
    /// The attribute that is its ARN there, where it has one.
    const ARN_ATTRIBUTE: &'static str = "arn";
    /// Its arguments. References stand in strings as they do in specs; a list of objects is a block, an object a map.
    fn arguments(&self, at: &Place<'_>) -> Value;
    /// What Terraform has as resources of its own besides it.
    fn parts(&self, _: &Place<'_>) -> Vec<Part> {
        Vec::new()
    }
}

/// Part of a resource that is a resource of its own in Terraform.
pub struct Part {
    /// Its Terraform type.
    pub terraform: &'static str,
    /// What tells it from others of its type in the same resource: a name, an id or a reference.
    pub key: Option<String>,
    /// Its arguments.
    pub arguments: Value,
}

impl Part {
    /// The only one of its type.
    pub fn only(terraform: &'static str, arguments: Value) -> Part {
        Part { terraform, key: None, arguments }
    }
    /// One of several.
    pub fn one(terraform: &'static str, key: impl Into<String>, arguments: Value) -> Part {
        Part { terraform, key: Some(key.into()), arguments }
    }
}

/// Where a resource stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the environment.
    pub environment: &'a str,
    /// The region.
    pub region: &'a str,
}

impl Place<'_> {
    /// A reference to one of its own outputs.
    pub fn own(&self, output: &str) -> String {
        format!("${{{}.{output}}}", self.address)
    }
    /// The IAM path of the stack's roles, policies and instance profiles.
    pub fn path(&self) -> String {
        format!("/acme/{}/{}/", self.stack, self.environment)
    }
}

/// The id or ARN of an optional reference.
pub fn target<T: Named, B: By>(reference: Option<&Ref<T, B>>) -> Option<&str> {
    reference.map(Ref::get)
}

/// A [`Counterpart`] without its type.
pub struct Entry {
    /// Name of the type.
    pub kind: &'static str,
    /// Its Terraform type.
    pub terraform: &'static str,
    /// See [`Counterpart::ARN_ATTRIBUTE`].
    pub arn: &'static str,
    /// A spec in Terraform's terms.
    pub read: fn(&Value, &Place<'_>) -> serde_json::Result<Translation>,
}

/// What a spec is in Terraform.
pub struct Translation {
    /// See [`Counterpart::arguments`].
    pub arguments: Value,
    /// See [`Counterpart::parts`].
    pub parts: Vec<Part>,
}

impl Entry {
    const fn of<R: Counterpart>() -> Entry {
        Entry {
            kind: R::NAME,
            terraform: R::TERRAFORM,
            arn: R::ARN_ATTRIBUTE,
            read: |spec, at| {
                let spec: R = serde_json::from_value(spec.clone())?;
                Ok(Translation { arguments: spec.arguments(at), parts: spec.parts(at) })
            },
        }
    }
}

/// Every type with a counterpart, in alphabetical order.
static ENTRIES: &[Entry] = &[
    Entry::of::<Certificate>(),
    Entry::of::<DnsRecord>(),
    Entry::of::<DnsZone>(),
    Entry::of::<EcrRepository>(),
    Entry::of::<EksAccessEntry>(),
    Entry::of::<EksAddon>(),
    Entry::of::<EksCluster>(),
    Entry::of::<EksFargateProfile>(),
    Entry::of::<EksNodeGroup>(),
    Entry::of::<EksPodIdentity>(),
    Entry::of::<ElasticIp>(),
    Entry::of::<FlowLog>(),
    Entry::of::<IamPolicy>(),
    Entry::of::<IamRole>(),
    Entry::of::<InstanceProfile>(),
    Entry::of::<InternetGateway>(),
    Entry::of::<KmsKey>(),
    Entry::of::<Listener>(),
    Entry::of::<LoadBalancer>(),
    Entry::of::<NatGateway>(),
    Entry::of::<OidcProvider>(),
    Entry::of::<RdsInstance>(),
    Entry::of::<RdsParameterGroup>(),
    Entry::of::<RdsSubnetGroup>(),
    Entry::of::<RouteTable>(),
    Entry::of::<S3Bucket>(),
    Entry::of::<Secret>(),
    Entry::of::<SecurityGroup>(),
    Entry::of::<Subnet>(),
    Entry::of::<TargetGroup>(),
    Entry::of::<Vpc>(),
    Entry::of::<VpcEndpoint>(),
    Entry::of::<WafAssociation>(),
    Entry::of::<WafIpSet>(),
    Entry::of::<WafWebAcl>(),
];

/// The counterpart of the type of this name.
pub fn counterpart(kind: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.kind == kind)
}
