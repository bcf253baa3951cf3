//! `nat_gateway`: lets private subnets reach out without being reachable.

use std::time::Duration;

use aws_sdk_ec2::types::{ConnectivityType, NatGatewayState, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{elastic_ip::ElasticIp, subnet::Subnet};
use crate::{
    aws::{Aws, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem, Ref,
        Result, Scope, Service,
    },
};

/// Lets private subnets reach out without being reachable. A public one comes after the VPC's internet gateway: the section `network` sees
/// to that, here it takes `depends_on: [internet_gateway.main]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NatGateway {
    /// The subnet it stands in: a public one unless `connectivity` is private. Changing it replaces the gateway.
    pub subnet: Ref<Subnet>,
    /// Its public address; a public gateway needs one. Default: none. Changing it replaces the gateway.
    #[serde(default)]
    pub elastic_ip: Option<Ref<ElasticIp>>,
    /// Where it leads: the internet, or other networks of ours. Default: public. Changing it replaces the gateway.
    #[serde(default)]
    pub connectivity: Connectivity,
    /// Its IPv4 address in the subnet. Default: chosen by AWS. Changing it replaces the gateway.
    #[serde(default)]
    pub private_ip: Option<String>,
}

/// Where a NAT gateway leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// To the internet.
    #[default]
    Public,
    /// To other VPCs and on-premises networks.
    Private,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Its public address.
    pub public_ip: Option<String>,
    /// Its network interface.
    pub network_interface_id: Option<String>,
}

impl Resource for NatGateway {
    const TYPE: &'static str = "nat_gateway";
    const SERVICE: Service = Service::Ec2;
    const ARN: Option<&'static str> = Some("ec2:natgateway/");
    const REPLACE: &'static [&'static str] = &["/subnet", "/elastic_ip", "/connectivity", "/private_ip"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/elastic_ip"], &["/subnet", "/private_ip"]];
    const USUAL: Duration = Duration::from_secs(90);
    const HELD: bool = false;
    const ACTIONS: Actions = Actions::on("ec2:natgateway/*")
        .list(&["ec2:DescribeNatGateways"])
        .create(&["ec2:CreateNatGateway"])
        .change(&["ec2:DeleteNatGateway"])
        .more(&[
            Grant::change(&["ec2:CreateNatGateway"], On::Used("elastic_ip")),
            Grant::change(&["ec2:CreateNatGateway"], On::Used("subnet")),
            Grant::change(&["ec2:CreateNatGateway"], On::Used("vpc")),
        ]);
    type Outputs = Outputs;

    /// A deleted gateway stays visible for about an hour.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        let mut pages = aws.ec2.describe_nat_gateways().set_filter(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for gateway in page?.nat_gateways.unwrap_or_default() {
                let tags = tags::from_ec2(gateway.tags.as_deref().unwrap_or_default());
                if !scope.owns(&tags) || gateway.state == Some(NatGatewayState::Deleted) {
                    continue;
                }
                let addresses = gateway.nat_gateway_addresses.unwrap_or_default();
                let address = addresses.iter().find(|a| a.is_primary == Some(true)).or(addresses.first());
                found.push(Observed {
                    id: gateway.nat_gateway_id.ok_or_else(|| Error::missing("NatGatewayId"))?,
                    tags,
                    phase: match gateway.state {
                        Some(NatGatewayState::Pending) => Phase::Settling("pending".into()),
                        Some(NatGatewayState::Failed) => {
                            Phase::Failed(gateway.failure_message.or(gateway.failure_code).unwrap_or_else(|| "failed".into()))
                        }
                        Some(NatGatewayState::Deleting) => Phase::Leaving,
                        _ => Phase::Ready,
                    },
                    spec: NatGateway {
                        subnet: Ref::to(gateway.subnet_id.unwrap_or_default()),
                        elastic_ip: address.and_then(|a| a.allocation_id.clone()).map(Ref::to),
                        connectivity: match gateway.connectivity_type {
                            Some(ConnectivityType::Private) => Connectivity::Private,
                            _ => Connectivity::Public,
                        },
                        private_ip: address.and_then(|a| a.private_ip.clone()),
                    },
                    outputs: Outputs {
                        public_ip: address.and_then(|a| a.public_ip.clone()),
                        network_interface_id: address.and_then(|a| a.network_interface_id.clone()),
                    },
                });
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.create_nat_gateway().client_token(cx.token).subnet_id(self.subnet.get());
        let call = call.set_allocation_id(self.elastic_ip.as_ref().map(|address| address.get().to_owned()));
        let call = call.connectivity_type(match self.connectivity {
            Connectivity::Public => ConnectivityType::Public,
            Connectivity::Private => ConnectivityType::Private,
        });
        let call = call.set_private_ip_address(self.private_ip.clone());
        let reply = call.tag_specifications(tags::ec2_specification(cx.tags, ResourceType::Natgateway)).send().await?;
        reply.nat_gateway.and_then(|gateway| gateway.nat_gateway_id).ok_or_else(|| Error::missing("NatGatewayId"))
    }

    async fn update(&self, _: &Cx<'_>, _: &str, _: &Self, _: &Changed) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.ec2.delete_nat_gateway().nat_gateway_id(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let problem = match (self.connectivity, &self.elastic_ip) {
            (Connectivity::Public, None) => Problem::new("/elastic_ip", "a public NAT gateway needs an address")
                .help("add `elastic_ip: <name of an elastic_ip>`, or `connectivity: private`"),
            (Connectivity::Private, Some(_)) => Problem::new("/elastic_ip", "a private NAT gateway has no public address"),
            _ => return Vec::new(),
        };
        vec![problem]
    }

    /// A public gateway always has an address: one that is not reported is not known yet, rather than another.
    fn align(&self, live: &mut Self) {
        if live.connectivity == Connectivity::Public && live.elastic_ip.is_none() {
            live.elastic_ip.clone_from(&self.elastic_ip);
        }
    }
}
