//! Networks in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        elastic_ip::ElasticIp,
        flow_log::FlowLog,
        internet_gateway::InternetGateway,
        nat_gateway::NatGateway,
        route_table::{Destination, Route, RouteTable},
        security_group::{Rule, SecurityGroup},
        security_group_rule::{Direction, SecurityGroupRule},
        subnet::Subnet,
        vpc::{Vpc, VpcIpv6},
        vpc_endpoint::{EndpointType, VpcEndpoint},
    },
    core::referenced_ids,
};

impl ToTerraform for Vpc {
    const TERRAFORM_TYPE: &'static str = "aws_vpc";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "cidr_block": self.cidr,
            "enable_dns_support": self.dns_support,
            "enable_dns_hostnames": self.dns_hostnames,
            "instance_tenancy": if self.dedicated { "dedicated" } else { "default" },
            "assign_generated_ipv6_cidr_block": self.ipv6.as_ref().map(VpcIpv6::is_of_amazon),
            "ipv6_cidr_block_network_border_group": self.ipv6.as_ref().and_then(|ipv6| ipv6.network_border_group.as_deref()),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let association = |cidr| json!({ "vpc_id": at.output_reference("id"), "cidr_block": cidr });
        let further = self.secondary_cidrs.iter();
        let mut all: Vec<SubResource> = further
            .map(|cidr| SubResource::keyed("aws_vpc_ipv4_cidr_block_association", cidr.to_string().replace('/', "_"), association(cidr)))
            .collect();
        all.extend(self.ipv6.iter().filter(|ipv6| !ipv6.is_of_amazon()).map(|ipv6| {
            let is_of_ipam = ipv6.pool.starts_with("ipam-pool-");
            let arguments = json!({
                "vpc_id": at.output_reference("id"),
                "ipv6_pool": Some(&ipv6.pool).filter(|_| !is_of_ipam),
                "ipv6_ipam_pool_id": Some(&ipv6.pool).filter(|_| is_of_ipam),
                "ipv6_cidr_block": ipv6.cidr,
                "ipv6_netmask_length": ipv6.prefix_length.filter(|_| ipv6.cidr.is_none()),
            });
            SubResource::single("aws_vpc_ipv6_cidr_block_association", arguments)
        }));
        // Without rules, it allows nothing.
        let group = |_| SubResource::single("aws_default_security_group", json!({ "vpc_id": at.output_reference("id") }));
        all.extend(self.default_security_group.iter().map(group));
        all
    }
}

impl ToTerraform for Subnet {
    const TERRAFORM_TYPE: &'static str = "aws_subnet";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "cidr_block": self.cidr,
            "availability_zone": self.availability_zone,
            "map_public_ip_on_launch": self.public_ip_on_launch,
            // The range is known after the VPC's; another number is another unknown range.
            "ipv6_cidr_block": self.ipv6_index.map(|index| at.output_reference(&format!("ipv6_cidr_{index}"))),
            "assign_ipv6_address_on_creation": self.ipv6_on_launch,
            "enable_resource_name_dns_a_record_on_launch": self.resource_name_a_record,
            "enable_resource_name_dns_aaaa_record_on_launch": self.resource_name_aaaa_record,
            "private_dns_hostname_type_on_launch": self.hostname_type,
            "enable_dns64": self.dns64,
        })
    }
}

impl ToTerraform for InternetGateway {
    const TERRAFORM_TYPE: &'static str = "aws_internet_gateway";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "vpc_id": id_or_arn(self.vpc.as_ref()) })
    }
}

impl ToTerraform for ElasticIp {
    const TERRAFORM_TYPE: &'static str = "aws_eip";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "domain": "vpc",
            "public_ipv4_pool": self.public_ipv4_pool,
            "network_border_group": self.network_border_group,
            "address": self.address,
        })
    }
}

impl ToTerraform for NatGateway {
    const TERRAFORM_TYPE: &'static str = "aws_nat_gateway";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "subnet_id": self.subnet.get(),
            "allocation_id": id_or_arn(self.elastic_ip.as_ref()),
            "connectivity_type": self.connectivity,
            "private_ip": self.private_ip,
        })
    }
}

impl ToTerraform for RouteTable {
    const TERRAFORM_TYPE: &'static str = "aws_route_table";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "route": self.routes.iter().map(route).collect::<Vec<_>>(),
            "propagating_vgws": self.propagating_gateways,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let association = |subnet: &str| json!({ "subnet_id": subnet, "route_table_id": at.output_reference("id") });
        let subnets = referenced_ids(&self.subnets).into_iter();
        subnets.map(|subnet| SubResource::keyed("aws_route_table_association", &subnet, association(&subnet))).collect()
    }
}

fn route(route: &Route) -> Value {
    let range = |v6| match &route.destination {
        Destination::Range(cidr) if cidr.is_v6() == v6 => Some(cidr),
        _ => None,
    };
    let list = match &route.destination {
        Destination::PrefixList(id) => Some(id),
        Destination::Range(_) => None,
    };
    json!({
        "cidr_block": range(false),
        "ipv6_cidr_block": range(true),
        "destination_prefix_list_id": list,
        "gateway_id": id_or_arn(route.gateway.as_ref()),
        "nat_gateway_id": id_or_arn(route.nat_gateway.as_ref()),
        "vpc_endpoint_id": id_or_arn(route.vpc_endpoint.as_ref()),
        "transit_gateway_id": id_or_arn(route.transit_gateway.as_ref()),
        "vpc_peering_connection_id": route.vpc_peering,
        "network_interface_id": route.network_interface,
        "egress_only_gateway_id": id_or_arn(route.egress_only_gateway.as_ref()),
        "carrier_gateway_id": route.carrier_gateway,
        "local_gateway_id": route.local_gateway,
        "core_network_arn": route.core_network,
    })
}

impl ToTerraform for SecurityGroup {
    const TERRAFORM_TYPE: &'static str = "aws_security_group";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "vpc_id": self.vpc.get(),
            "ingress": self.ingress.iter().map(rule).collect::<Vec<_>>(),
            "egress": self.egress.iter().map(rule).collect::<Vec<_>>(),
        })
    }
}

fn rule(rule: &Rule) -> Value {
    let ranges = |v6| rule.cidr.iter().filter(|cidr| cidr.is_v6() == v6).collect::<Vec<_>>();
    json!({
        "description": rule.description,
        "protocol": if rule.protocol == "all" { "-1" } else { &rule.protocol },
        "from_port": rule.from_port.unwrap_or(0),
        "to_port": rule.to_port.unwrap_or(0),
        "cidr_blocks": ranges(false),
        "ipv6_cidr_blocks": ranges(true),
        "security_groups": id_or_arn(rule.security_group.as_ref()).into_iter().collect::<Vec<_>>(),
        "prefix_list_ids": rule.prefix_list.iter().collect::<Vec<_>>(),
        "self": rule.itself,
    })
}

impl ToTerraform for SecurityGroupRule {
    const TERRAFORM_TYPE: &'static str = "aws_vpc_security_group_ingress_rule";

    fn terraform_type(&self) -> &'static str {
        match self.direction {
            Direction::Ingress => Self::TERRAFORM_TYPE,
            Direction::Egress => "aws_vpc_security_group_egress_rule",
        }
    }

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let (group, rule) = (self.security_group.get(), &self.rule);
        let range = |v6| rule.cidr.as_ref().filter(|cidr| cidr.is_v6() == v6);
        json!({
            "security_group_id": group,
            "description": rule.description,
            "ip_protocol": if rule.protocol == "all" { "-1" } else { &rule.protocol },
            "from_port": rule.from_port,
            "to_port": rule.to_port,
            "cidr_ipv4": range(false),
            "cidr_ipv6": range(true),
            "prefix_list_id": rule.prefix_list,
            "referenced_security_group_id": id_or_arn(rule.security_group.as_ref()).or(rule.itself.then_some(group)),
        })
    }
}

impl ToTerraform for VpcEndpoint {
    const TERRAFORM_TYPE: &'static str = "aws_vpc_endpoint";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "service_name": self.full_service_name(at.region),
            "vpc_endpoint_type": match self.r#type {
                EndpointType::Gateway => "Gateway",
                EndpointType::Interface => "Interface",
                EndpointType::GatewayLoadBalancer => "GatewayLoadBalancer",
            },
            "route_table_ids": referenced_ids(&self.route_tables),
            "subnet_ids": referenced_ids(&self.subnets),
            "security_group_ids": self.security_groups.as_ref().map(referenced_ids),
            "private_dns_enabled": self.private_dns,
            "policy": self.policy.as_ref().map(crate::core::Policy::to_json),
            "ip_address_type": self.ip_address_type,
            "dns_options": self.dns_record_ip_type.iter().map(|kind| json!({ "dns_record_ip_type": kind })).collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for FlowLog {
    const TERRAFORM_TYPE: &'static str = "aws_flow_log";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let options = json!({
            "file_format": self.file_format,
            "hive_compatible_partitions": self.hive_compatible_partitions,
            "per_hour_partition": self.per_hour_partition,
        });
        json!({
            "vpc_id": id_or_arn(self.vpc.as_ref()),
            "subnet_id": id_or_arn(self.subnet.as_ref()),
            "traffic_type": crate::aws::to_aws(&self.traffic).to_uppercase(),
            "log_destination_type": if self.bucket.is_some() { "s3" } else { "cloud-watch-logs" },
            "log_destination": self.destination(),
            "destination_options": self.bucket.iter().map(|_| &options).collect::<Vec<_>>(),
            "iam_role_arn": id_or_arn(self.role.as_ref()),
            "max_aggregation_interval": self.max_aggregation_seconds,
            "log_format": self.format(),
        })
    }
}
