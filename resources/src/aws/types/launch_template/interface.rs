//! Network interfaces of a launch template.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_ec2::types::{LaunchTemplateInstanceNetworkInterfaceSpecification, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest};

use super::data::some_list;
use crate::{
    aws::types::{security_group::SecurityGroup, subnet::Subnet},
    core::{Pointer, Problem, Ref, referenced_ids},
};

/// A network interface.
#[spec]
pub struct NetworkInterface {
    /// Its place on the instance, from 0.
    #[field(default = 0, range = 0..=63)]
    pub device_index: i32,
    /// Network card, on instance types with several.
    #[field(unset = "the first", range = 0..=63, dropped = None)]
    pub network_card_index: Option<i32>,
    /// Id of an existing interface, in place of a new one.
    #[field(unset = "a new interface", pattern = "eni-[0-9a-f]+", dropped = None)]
    pub interface_id: Option<String>,
    /// Subnet.
    #[field(unset = "chosen at launch", dropped = None)]
    pub subnet: Option<Ref<Subnet>>,
    /// Security groups.
    #[field(default)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Description; empty for none.
    #[field(default)]
    pub description: String,
    /// `interface`, `efa` for an Elastic Fabric Adapter, or `efa-only`.
    #[field(unset = "AWS's default, `interface`", one_of = ["interface", "efa", "efa-only"], dropped = None)]
    pub r#type: Option<String>,
    /// Assigns a public IPv4 address.
    #[field(unset = "the subnet's setting", dropped = None)]
    pub public_ip: Option<bool>,
    /// Assigns an address of a carrier, in a Wavelength Zone.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub carrier_ip: Option<bool>,
    /// Deletes it with the instance.
    #[field(unset = "true for new interfaces", dropped = None)]
    pub delete_on_termination: Option<bool>,
    /// Primary private IPv4 address.
    #[field(unset = "assigned by AWS", dropped = None)]
    pub private_ip: Option<String>,
    /// Number of further private IPv4 addresses.
    #[field(unset = "none", range = 1..=63, dropped = None)]
    pub secondary_private_ips: Option<i32>,
    /// Number of /28 IPv4 ranges.
    #[field(unset = "none", range = 1..=63, dropped = None)]
    pub ipv4_prefixes: Option<i32>,
    /// Number of IPv6 addresses.
    #[field(unset = "the subnet's setting", range = 1..=64, dropped = None)]
    pub ipv6_addresses: Option<i32>,
    /// Number of /80 IPv6 ranges.
    #[field(unset = "none", range = 1..=63, dropped = None)]
    pub ipv6_prefixes: Option<i32>,
    /// Keeps the first IPv6 address for the life of the interface.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub primary_ipv6: Option<bool>,
}

impl NetworkInterface {
    pub(super) fn to_sdk(&self) -> LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
        LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .device_index(self.device_index)
            .set_network_card_index(self.network_card_index)
            .set_network_interface_id(self.interface_id.clone())
            .set_subnet_id(self.subnet.as_ref().map(|subnet| subnet.get().to_owned()))
            .set_groups(some_list(referenced_ids(&self.security_groups)))
            .set_description(Some(self.description.clone()).filter(|text| !text.is_empty()))
            .set_interface_type(self.r#type.clone())
            .set_associate_public_ip_address(self.public_ip)
            .set_associate_carrier_ip_address(self.carrier_ip)
            .set_delete_on_termination(self.delete_on_termination)
            .set_private_ip_address(self.private_ip.clone())
            .set_secondary_private_ip_address_count(self.secondary_private_ips)
            .set_ipv4_prefix_count(self.ipv4_prefixes)
            .set_ipv6_address_count(self.ipv6_addresses)
            .set_ipv6_prefix_count(self.ipv6_prefixes)
            .set_primary_ipv6(self.primary_ipv6)
            .build()
    }

    pub(super) fn read(interface: LaunchTemplateInstanceNetworkInterfaceSpecification) -> NetworkInterface {
        NetworkInterface {
            device_index: interface.device_index.unwrap_or_default(),
            network_card_index: interface.network_card_index,
            interface_id: interface.network_interface_id,
            subnet: interface.subnet_id.map(Ref::to),
            security_groups: interface.groups.into_iter().flatten().map(Ref::to).collect(),
            description: interface.description.unwrap_or_default(),
            r#type: interface.interface_type,
            public_ip: interface.associate_public_ip_address,
            carrier_ip: interface.associate_carrier_ip_address,
            delete_on_termination: interface.delete_on_termination,
            private_ip: interface.private_ip_address,
            secondary_private_ips: interface.secondary_private_ip_address_count,
            ipv4_prefixes: interface.ipv4_prefix_count,
            ipv6_addresses: interface.ipv6_address_count,
            ipv6_prefixes: interface.ipv6_prefix_count,
            primary_ipv6: interface.primary_ipv6,
        }
    }
}

/// Each interface has its own place.
pub(super) fn check(at: &Pointer, interfaces: &[NetworkInterface]) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let taken = interfaces.iter().enumerate().filter(|(_, one)| !seen.insert((one.device_index, one.network_card_index)));
    let problem = |(index, one): (usize, &NetworkInterface)| {
        let what = format!("there are two network interfaces with the device index {}", one.device_index);
        Problem::new(at.clone().item(index).field(NetworkInterface::POINTERS.device_index), what).help("number them from 0")
    };
    taken.map(problem).collect()
}
