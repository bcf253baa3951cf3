//! `route_table`: where the traffic of subnets goes, with the routes and the subnets inside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use aws_sdk_ec2::types::{Filter, ResourceType, RouteOrigin, RouteTableAssociation, RouteTableAssociationStateCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{internet_gateway::InternetGateway, nat_gateway::NatGateway, subnet::Subnet, vpc::Vpc, vpc_endpoint::VpcEndpoint};
use crate::{
    aws::{Aws, ec2_arn, tags},
    core::{
        Actions, Changed, Cidr, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem,
        Ref, Result, Scope, Service, ok_or_not_found,
    },
};

/// Where the traffic of subnets goes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// The VPC it belongs to. Changing it replaces the table.
    pub vpc: Ref<Vpc>,
    /// Routes, one for a destination. The VPC's own range, propagated routes and those of gateway endpoints are AWS's and not
    /// written here. Default: none.
    #[serde(default)]
    pub routes: BTreeSet<Route>,
    /// Subnets that use this table; a subnet uses one table, the VPC's main table when none names it. Default: none.
    #[serde(default)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Virtual private gateways (`vgw-…`) that write the routes they learn into this table. Default: none.
    #[serde(default)]
    pub propagating_gateways: BTreeSet<String>,
}

/// One route: a destination and exactly one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// An IPv4 or IPv6 range, or a prefix list (`pl-…`).
    pub destination: Destination,
    /// An internet gateway, or `{id: vgw-…}` for a virtual private gateway.
    #[serde(default)]
    pub gateway: Option<Ref<InternetGateway>>,
    /// A NAT gateway.
    #[serde(default)]
    pub nat_gateway: Option<Ref<NatGateway>>,
    /// A Gateway Load Balancer endpoint.
    #[serde(default)]
    pub vpc_endpoint: Option<Ref<VpcEndpoint>>,
    /// Id of a transit gateway.
    #[serde(default)]
    pub transit_gateway: Option<String>,
    /// Id of a VPC peering connection.
    #[serde(default)]
    pub vpc_peering: Option<String>,
    /// Id of a network interface.
    #[serde(default)]
    pub network_interface: Option<String>,
    /// Id of an egress-only internet gateway, for IPv6.
    #[serde(default)]
    pub egress_only: Option<String>,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Destination {
    /// A range.
    Range(Cidr),
    /// A prefix list's id.
    PrefixList(String),
}

impl TryFrom<String> for Destination {
    type Error = String;
    fn try_from(text: String) -> Result<Destination, String> {
        if text.starts_with("pl-") { Ok(Destination::PrefixList(text)) } else { text.parse().map(Destination::Range) }
    }
}
impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Range(cidr) => cidr.fmt(f),
            Destination::PrefixList(id) => id.fmt(f),
        }
    }
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

/// CreateRoute and ReplaceRoute take the same parameters; the macro spares writing them twice.
macro_rules! aimed {
    ($call:expr, $route:expr) => {{
        let route = $route;
        let call = destined!($call, &route.destination);
        call.set_gateway_id(route.gateway.as_ref().map(|r| r.get().to_owned()))
            .set_nat_gateway_id(route.nat_gateway.as_ref().map(|r| r.get().to_owned()))
            .set_vpc_endpoint_id(route.vpc_endpoint.as_ref().map(|r| r.get().to_owned()))
            .set_transit_gateway_id(route.transit_gateway.clone())
            .set_vpc_peering_connection_id(route.vpc_peering.clone())
            .set_network_interface_id(route.network_interface.clone())
            .set_egress_only_internet_gateway_id(route.egress_only.clone())
    }};
}
macro_rules! destined {
    ($call:expr, $destination:expr) => {
        match $destination {
            Destination::PrefixList(id) => $call.destination_prefix_list_id(id),
            Destination::Range(cidr) if cidr.is_v6() => $call.destination_ipv6_cidr_block(cidr.to_string()),
            Destination::Range(cidr) => $call.destination_cidr_block(cidr.to_string()),
        }
    };
}

impl Resource for RouteTable {
    const TYPE: &'static str = "route_table";
    const SERVICE: Service = Service::Ec2;
    const ARN: Option<&'static str> = Some("ec2:route-table/");
    const REPLACE: &'static [&'static str] = &["/vpc"];
    const DISTURBS: &'static [(&'static str, &'static str)] = &[("/routes", "connections over a route that changes break off")];
    const ACTIONS: Actions = Actions::on("ec2:route-table/*")
        .list(&["ec2:DescribeRouteTables"])
        .create(&["ec2:CreateRouteTable"])
        .change(&[
            "ec2:AssociateRouteTable",
            "ec2:CreateRoute",
            "ec2:DeleteRoute",
            "ec2:DeleteRouteTable",
            "ec2:DisableVgwRoutePropagation",
            "ec2:DisassociateRouteTable",
            "ec2:EnableVgwRoutePropagation",
            "ec2:ReplaceRoute",
            "ec2:ReplaceRouteTableAssociation",
        ])
        .more(&[
            Grant::change(&["ec2:CreateRouteTable"], On::Used("vpc")),
            Grant::change(
                &["ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation"],
                On::Used("subnet"),
            ),
            Grant::change(&["ec2:DisableVgwRoutePropagation", "ec2:EnableVgwRoutePropagation"], On::Arn("ec2:vpn-gateway/*")),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        let mut pages = aws.ec2.describe_route_tables().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for table in page?.route_tables.unwrap_or_default() {
                let tags = tags::from_ec2(table.tags.as_deref().unwrap_or_default());
                if !scope.owns(&tags) {
                    continue;
                }
                let id = table.route_table_id.ok_or_else(|| Error::missing("RouteTableId"))?;
                let associations = table.associations.unwrap_or_default();
                found.push(Observed {
                    tags,
                    phase: phase(&associations),
                    spec: RouteTable {
                        vpc: Ref::to(table.vpc_id.unwrap_or_default()),
                        routes: table.routes.unwrap_or_default().into_iter().filter_map(route).collect(),
                        subnets: associations.into_iter().filter(standing).filter_map(|a| a.subnet_id).map(Ref::to).collect(),
                        propagating_gateways: table.propagating_vgws.into_iter().flatten().filter_map(|vgw| vgw.gateway_id).collect(),
                    },
                    outputs: Outputs { arn: ec2_arn(&aws.region, &table.owner_id.unwrap_or_default(), &format!("route-table/{id}")) },
                    id,
                });
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.create_route_table().client_token(cx.token).vpc_id(self.vpc.get());
        let reply = call.tag_specifications(tags::ec2_specification(cx.tags, ResourceType::RouteTable)).send().await?;
        reply.route_table.and_then(|table| table.route_table_id).ok_or_else(|| Error::missing("RouteTableId"))
    }

    fn created(&self) -> Self {
        RouteTable { routes: BTreeSet::new(), subnets: BTreeSet::new(), propagating_gateways: BTreeSet::new(), vpc: self.vpc.clone() }
    }

    /// Routes come before subnets, so that no subnet uses a table that lacks its routes.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let ec2 = &cx.aws.ec2;
        if changed.has("/routes") {
            let old: BTreeMap<_, _> = before.routes.iter().map(|route| (&route.destination, route)).collect();
            let new: BTreeSet<_> = self.routes.iter().map(|route| &route.destination).collect();
            for route in &self.routes {
                match old.get(&route.destination) {
                    None => add(cx, id, route).await?,
                    Some(old) if *old != route => drop(aimed!(ec2.replace_route().route_table_id(id), route).send().await?),
                    Some(_) => {}
                }
            }
            for destination in old.into_keys().filter(|destination| !new.contains(destination)) {
                // A route also leaves with what it leads to.
                let call = destined!(ec2.delete_route().route_table_id(id), destination);
                ok_or_not_found(call.send().await)?;
            }
        }
        for gateway in self.propagating_gateways.difference(&before.propagating_gateways) {
            ec2.enable_vgw_route_propagation().route_table_id(id).gateway_id(gateway).send().await?;
        }
        for subnet in self.subnets.difference(&before.subnets) {
            associate(cx, id, subnet).await?;
        }
        for gateway in before.propagating_gateways.difference(&self.propagating_gateways) {
            ec2.disable_vgw_route_propagation().route_table_id(id).gateway_id(gateway).send().await?;
        }
        disassociate(cx, id, &before.subnets.difference(&self.subnets).collect()).await
    }

    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        disassociate(cx, id, &live.subnets.iter().collect()).await?;
        cx.aws.ec2.delete_route_table().route_table_id(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, route) in self.routes.iter().enumerate() {
            let at = format!("/routes/{index}");
            if !seen.insert(&route.destination) {
                problems.push(Problem::new(&at, format!("{} has two routes", route.destination)).help("keep one of them"));
            }
            let texts = [&route.transit_gateway, &route.vpc_peering, &route.network_interface, &route.egress_only];
            let refs = [route.gateway.is_some(), route.nat_gateway.is_some(), route.vpc_endpoint.is_some()];
            if texts.iter().filter(|t| t.is_some()).count() + refs.iter().filter(|r| **r).count() != 1 {
                let help = "write exactly one of `gateway`, `nat_gateway`, `vpc_endpoint`, `transit_gateway`, `vpc_peering`, \
                            `network_interface`, `egress_only`";
                problems.push(Problem::new(at, format!("the route to {} needs one target", route.destination)).help(help));
            }
        }
        problems
    }
}

/// A route a user could have written; `None` for those AWS makes: the local ones, those a virtual private gateway propagates, those of
/// gateway endpoints (<https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html>).
fn route(route: aws_sdk_ec2::types::Route) -> Option<Route> {
    let endpoint = route.gateway_id.as_ref().is_some_and(|id| id.starts_with("vpce-"));
    let made_by_aws = !matches!(route.origin, None | Some(RouteOrigin::CreateRoute)) || route.gateway_id.as_deref() == Some("local");
    if made_by_aws || (endpoint && route.destination_prefix_list_id.is_some()) {
        return None;
    }
    let destination = route.destination_cidr_block.or(route.destination_ipv6_cidr_block).or(route.destination_prefix_list_id)?;
    Some(Route {
        destination: Destination::try_from(destination).ok()?,
        vpc_endpoint: route.gateway_id.clone().filter(|_| endpoint).map(Ref::to),
        gateway: route.gateway_id.filter(|_| !endpoint).map(Ref::to),
        nat_gateway: route.nat_gateway_id.map(Ref::to),
        transit_gateway: route.transit_gateway_id,
        vpc_peering: route.vpc_peering_connection_id,
        network_interface: route.network_interface_id,
        egress_only: route.egress_only_internet_gateway_id,
    })
}

/// The same route may be there from an earlier try, of which something after it failed.
async fn add(cx: &Cx<'_>, id: &str, wanted: &Route) -> Result<()> {
    let ec2 = &cx.aws.ec2;
    let answer = aimed!(ec2.create_route().route_table_id(id), wanted).send().await.map_err(Error::from);
    let error = match answer {
        Err(error) if error.code == "RouteAlreadyExists" => error,
        other => return other.map(drop),
    };
    let tables = ec2.describe_route_tables().route_table_ids(id).send().await?.route_tables.unwrap_or_default();
    let mut routes = tables.into_iter().flat_map(|table| table.routes.unwrap_or_default()).filter_map(route);
    if routes.any(|there| there == *wanted) { Ok(()) } else { Err(error) }
}

fn code(association: &RouteTableAssociation) -> Option<&RouteTableAssociationStateCode> {
    association.association_state.as_ref().and_then(|state| state.state.as_ref())
}

/// Whether this association is in place, or will be.
fn standing(association: &RouteTableAssociation) -> bool {
    use RouteTableAssociationStateCode::{Disassociated, Disassociating, Failed};
    !matches!(code(association), Some(Disassociated | Disassociating | Failed))
}

fn phase(associations: &[RouteTableAssociation]) -> Phase {
    use RouteTableAssociationStateCode::{Associating, Disassociating};
    let moving = associations.iter().filter_map(code).find(|code| matches!(code, Associating | Disassociating));
    moving.map_or(Phase::Ready, |code| Phase::Settling(code.as_str().to_owned()))
}

/// A subnet that still uses another table moves in one step, without falling back to the main table in between.
async fn associate(cx: &Cx<'_>, id: &str, subnet: &Ref<Subnet>) -> Result<()> {
    let ec2 = &cx.aws.ec2;
    let answer = ec2.associate_route_table().route_table_id(id).subnet_id(subnet.get()).send().await.map_err(Error::from);
    let error = match answer {
        Err(error) if error.code == "Resource.AlreadyAssociated" => error,
        other => return other.map(drop),
    };
    let filter = Filter::builder().name("association.subnet-id").values(subnet.get()).build();
    let tables = ec2.describe_route_tables().filters(filter).send().await?.route_tables.unwrap_or_default();
    let mut associations = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default()).filter(standing);
    let Some(other) = associations.find(|a| a.subnet_id.as_deref() == Some(subnet.get())) else { return Err(error) };
    if other.route_table_id.as_deref() != Some(id) {
        let call = ec2.replace_route_table_association().route_table_id(id);
        call.set_association_id(other.route_table_association_id).send().await?;
    }
    Ok(())
}

/// An association that is gone was moved to another table meanwhile.
async fn disassociate(cx: &Cx<'_>, id: &str, subnets: &BTreeSet<&Ref<Subnet>>) -> Result<()> {
    if subnets.is_empty() {
        return Ok(());
    }
    let tables = cx.aws.ec2.describe_route_tables().route_table_ids(id).send().await?.route_tables.unwrap_or_default();
    for association in tables.into_iter().flat_map(|table| table.associations.unwrap_or_default()).filter(standing) {
        if association.subnet_id.as_deref().is_some_and(|subnet| subnets.iter().any(|s| s.get() == subnet)) {
            let call = cx.aws.ec2.disassociate_route_table().set_association_id(association.route_table_association_id);
            ok_or_not_found(call.send().await)?;
        }
    }
    Ok(())
}
