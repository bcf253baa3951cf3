//! Networks in Terraform.

use serde_json::{Value, json};

use super::counterpart::{Counterpart, Part, Place, target};
use crate::{
    aws::types::{
        elastic_ip::ElasticIp,
        flow_log::FlowLog,
        internet_gateway::InternetGateway,
        nat_gateway::NatGateway,
        route_table::{Destination, Route, RouteTable},
        security_group::{Rule, SecurityGroup},
        subnet::Subnet,
        vpc::Vpc,
        vpc_endpoint::{Type, VpcEndpoint},
    },
    core::ids,
};

impl Counterpart for Vpc {
    const TERRAFORM: &'static str = "aws_vpc";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({
            "cidr_block": self.cidr,
            "enable_dns_support": self.dns_support,
            "enable_dns_hostnames": self.dns_hostnames,
            "instance_tenancy": if self.dedicated { "dedicated" } else { "default" },
        })
    }

    fn parts(&self, at: &Place<'_>) -> Vec<Part> {
        let association = |cidr| json!({ "vpc_id": at.own("id"), "cidr_block": cidr });
        let further = self.secondary_cidrs.iter();
        further
            .map(|cidr| Part::one("aws_vpc_ipv4_cidr_block_association", cidr.to_string().replace('/', "_"), association(cidr)))
            .collect()
    }
}

impl Counterpart for Subnet {
    const TERRAFORM: &'static str = "aws_subnet";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "cidr_block": self.cidr,
            "availability_zone": self.availability_zone,
            "map_public_ip_on_launch": self.public_ip_on_launch,
            "enable_dns64": self.dns64,
        })
    }
}

impl Counterpart for InternetGateway {
    const TERRAFORM: &'static str = "aws_internet_gateway";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({ "vpc_id": target(self.vpc.as_ref()) })
    }
}

impl Counterpart for ElasticIp {
    const TERRAFORM: &'static str = "aws_eip";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({
            "domain": "vpc",
            "public_ipv4_pool": self.public_ipv4_pool,
            "network_border_group": self.network_border_group,
            "address": self.address,
        })
    }
}

impl Counterpart for NatGateway {
    const TERRAFORM: &'static str = "aws_nat_gateway";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({
            "subnet_id": self.subnet.get(),
            "allocation_id": target(self.elastic_ip.as_ref()),
            "connectivity_type": self.connectivity,
            "private_ip": self.private_ip,
        })
    }
}

impl Counterpart for RouteTable {
    const TERRAFORM: &'static str = "aws_route_table";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "route": self.routes.iter().map(route).collect::<Vec<_>>(),
            "propagating_vgws": self.propagating_gateways,
        })
    }

    fn parts(&self, at: &Place<'_>) -> Vec<Part> {
        let association = |subnet: &str| json!({ "subnet_id": subnet, "route_table_id": at.own("id") });
        let subnets = ids(&self.subnets).into_iter();
        subnets.map(|subnet| Part::one("aws_route_table_association", &subnet, association(&subnet))).collect()
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
        "gateway_id": target(route.gateway.as_ref()),
        "nat_gateway_id": target(route.nat_gateway.as_ref()),
        "vpc_endpoint_id": target(route.vpc_endpoint.as_ref()),
        "transit_gateway_id": route.transit_gateway,
        "vpc_peering_connection_id": route.vpc_peering,
        "network_interface_id": route.network_interface,
        "egress_only_gateway_id": route.egress_only,
    })
}

impl Counterpart for SecurityGroup {
    const TERRAFORM: &'static str = "aws_security_group";

    fn arguments(&self, _: &Place<'_>) -> Value {
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
        "security_groups": target(rule.security_group.as_ref()).into_iter().collect::<Vec<_>>(),
        "prefix_list_ids": rule.prefix_list.iter().collect::<Vec<_>>(),
        "self": rule.itself,
    })
}

impl Counterpart for VpcEndpoint {
    const TERRAFORM: &'static str = "aws_vpc_endpoint";

    fn arguments(&self, at: &Place<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "service_name": self.full_service(at.region),
            "vpc_endpoint_type": match self.r#type {
                Type::Gateway => "Gateway",
                Type::Interface => "Interface",
                Type::GatewayLoadBalancer => "GatewayLoadBalancer",
            },
            "route_table_ids": ids(&self.route_tables),
            "subnet_ids": ids(&self.subnets),
            "security_group_ids": self.security_groups.as_ref().map(ids),
            "private_dns_enabled": self.private_dns,
            "policy": self.policy.as_ref().map(crate::core::Policy::to_json),
            "ip_address_type": self.ip_address_type,
            "dns_options": self.dns_record_ip_type.iter().map(|kind| json!({ "dns_record_ip_type": kind })).collect::<Vec<_>>(),
        })
    }
}

impl Counterpart for FlowLog {
    const TERRAFORM: &'static str = "aws_flow_log";

    fn arguments(&self, _: &Place<'_>) -> Value {
        let options = json!({
            "file_format": self.file_format,
            "hive_compatible_partitions": self.hive_compatible_partitions,
            "per_hour_partition": self.per_hour_partition,
        });
        json!({
            "vpc_id": target(self.vpc.as_ref()),
            "subnet_id": target(self.subnet.as_ref()),
            "traffic_type": crate::aws::text(&self.traffic).to_uppercase(),
            "log_destination_type": if self.bucket.is_some() { "s3" } else { "cloud-watch-logs" },
            "log_destination": self.destination(),
            "destination_options": self.bucket.iter().map(|_| &options).collect::<Vec<_>>(),
            "iam_role_arn": target(self.role.as_ref()),
            "max_aggregation_interval": self.max_aggregation_seconds,
            "log_format": self.format(),
        })
    }
}
