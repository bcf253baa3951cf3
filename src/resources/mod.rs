//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use crate::kind::Kind;

pub mod elastic_ip;
pub mod internet_gateway;
pub mod nat_gateway;
pub mod route_table;
pub mod security_group;
pub mod subnet;
pub mod vpc;
pub mod vpc_endpoint;

/// The registry, in alphabetical order.
pub static KINDS: &[Kind] = &[
    Kind::of::<elastic_ip::ElasticIp>(),
    Kind::of::<internet_gateway::InternetGateway>(),
    Kind::of::<nat_gateway::NatGateway>(),
    Kind::of::<route_table::RouteTable>(),
    Kind::of::<security_group::SecurityGroup>(),
    Kind::of::<subnet::Subnet>(),
    Kind::of::<vpc::Vpc>(),
    Kind::of::<vpc_endpoint::VpcEndpoint>(),
];

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
