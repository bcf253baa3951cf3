//! Transit gateways in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::types::{
        transit_gateway::TransitGateway, transit_gateway_attachment::TransitGatewayAttachment,
        transit_gateway_route_table::TransitGatewayRouteTable,
    },
    core::referenced_ids,
};

/// An option of a transit gateway in Terraform, as in EC2's API.
fn option(on: bool) -> &'static str {
    if on { "enable" } else { "disable" }
}

impl ToTerraform for TransitGateway {
    const TERRAFORM_TYPE: &'static str = "aws_ec2_transit_gateway";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "description": self.description,
            "amazon_side_asn": self.asn,
            "auto_accept_shared_attachments": option(self.auto_accept_shared_attachments),
            "default_route_table_association": option(self.default_route_table_association),
            "default_route_table_propagation": option(self.default_route_table_propagation),
            "vpn_ecmp_support": option(self.vpn_ecmp),
            "dns_support": option(self.dns_support),
            "security_group_referencing_support": option(self.security_group_referencing),
            "multicast_support": option(self.multicast),
            "transit_gateway_cidr_blocks": self.cidrs,
        })
    }
}

impl ToTerraform for TransitGatewayAttachment {
    const TERRAFORM_TYPE: &'static str = "aws_ec2_transit_gateway_vpc_attachment";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "transit_gateway_id": self.transit_gateway.get(),
            "vpc_id": self.vpc.get(),
            "subnet_ids": referenced_ids(&self.subnets),
            "dns_support": option(self.dns_support),
            "ipv6_support": option(self.ipv6),
            "appliance_mode_support": option(self.appliance_mode),
            "security_group_referencing_support": option(self.security_group_referencing),
        })
    }
}

impl ToTerraform for TransitGatewayRouteTable {
    const TERRAFORM_TYPE: &'static str = "aws_ec2_transit_gateway_route_table";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "transit_gateway_id": self.transit_gateway.get() })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let table = at.output_reference("id");
        let uses = |terraform, attachments| {
            let arguments =
                |attachment: &str| json!({ "transit_gateway_route_table_id": table, "transit_gateway_attachment_id": attachment });
            let attachments: Vec<String> = referenced_ids(attachments);
            attachments.iter().map(|attachment| SubResource::keyed(terraform, attachment, arguments(attachment))).collect::<Vec<_>>()
        };
        let mut all = uses("aws_ec2_transit_gateway_route_table_association", &self.associations);
        all.extend(uses("aws_ec2_transit_gateway_route_table_propagation", &self.propagations));
        all.extend(self.routes.iter().map(|route| {
            let arguments = json!({
                "transit_gateway_route_table_id": table,
                "destination_cidr_block": route.destination,
                "transit_gateway_attachment_id": id_or_arn(route.attachment.as_ref()),
                "blackhole": route.blackhole,
            });
            SubResource::keyed("aws_ec2_transit_gateway_route", route.destination.to_string().replace('/', "_"), arguments)
        }));
        all.extend(self.prefix_lists.iter().map(|route| {
            let arguments = json!({
                "transit_gateway_route_table_id": table,
                "prefix_list_id": route.prefix_list,
                "transit_gateway_attachment_id": id_or_arn(route.attachment.as_ref()),
                "blackhole": route.blackhole,
            });
            SubResource::keyed("aws_ec2_transit_gateway_prefix_list_reference", &route.prefix_list, arguments)
        }));
        all
    }
}
