//! Borders of networks in Terraform: network ACLs and gateways.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, ToTerraform};
use crate::{
    aws::types::{
        egress_only_gateway::EgressOnlyGateway,
        network_acl::{AclRule, NetworkAcl},
    },
    core::referenced_ids,
};

impl ToTerraform for EgressOnlyGateway {
    const TERRAFORM_TYPE: &'static str = "aws_egress_only_internet_gateway";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "vpc_id": self.vpc.get() })
    }
}

impl ToTerraform for NetworkAcl {
    const TERRAFORM_TYPE: &'static str = "aws_network_acl";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "vpc_id": self.vpc.get(),
            "ingress": self.ingress.iter().map(acl_rule).collect::<Vec<_>>(),
            "egress": self.egress.iter().map(acl_rule).collect::<Vec<_>>(),
            "subnet_ids": referenced_ids(&self.subnets),
        })
    }
}

fn acl_rule(rule: &AclRule) -> Value {
    let range = |v6| Some(&rule.cidr).filter(|cidr| cidr.is_v6() == v6);
    json!({
        "rule_no": rule.number,
        "action": rule.action,
        "protocol": rule.protocol_number(),
        "cidr_block": range(false),
        "ipv6_cidr_block": range(true),
        "from_port": rule.from_port.unwrap_or(0),
        "to_port": rule.to_port.unwrap_or(0),
        "icmp_type": rule.icmp_type,
        "icmp_code": rule.icmp_code,
    })
}
