//! `route_table`: routes for the traffic of subnets, with the subnets that use them.

mod destination;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{self as ec2, Filter, ResourceType, RouteOrigin, RouteTableAssociation, RouteTableAssociationStateCode};

pub use destination::Destination;

use super::{
    egress_only_gateway::EgressOnlyGateway,
    internet_gateway::InternetGateway,
    nat_gateway::NatGateway,
    prelude::*,
    subnet::Subnet,
    transit_gateway_attachment::{GatewayOfAttachment, TransitGatewayAttachment},
    vpc::Vpc,
    vpc_endpoint::VpcEndpoint,
};
use crate::core::ok_or_not_found;

/// Routes for the traffic of subnets.
#[spec]
pub struct RouteTable {
    /// The VPC it belongs to.
    #[field(replaces)]
    pub vpc: Ref<Vpc>,
    /// Routes, one per destination. Omit the routes that AWS adds itself: the VPC's own range, propagated routes and those of gateway
    /// endpoints.
    #[field(default, after_create, important, impact = "connections over a changed route are interrupted")]
    #[field(entry_quota = 500)]
    pub routes: BTreeSet<Route>,
    /// Subnets that use this table. A subnet uses one table: by default the VPC's main table.
    #[field(default, after_create, unique_entries = "subnet")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Virtual private gateways (`vgw-…`) that propagate routes to this table.
    #[field(default, after_create)]
    pub propagating_gateways: BTreeSet<String>,
}

/// One route: a destination and exactly one target.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// An IPv4 or IPv6 range, or a prefix list (`pl-…`).
    pub destination: Destination,
    /// An internet gateway, or `{id: vgw-…}` for a virtual private gateway.
    #[field(default, dropped = None)]
    pub gateway: Option<Ref<InternetGateway>>,
    /// A NAT gateway.
    #[field(default, dropped = None)]
    pub nat_gateway: Option<Ref<NatGateway>>,
    /// A Gateway Load Balancer endpoint.
    #[field(default, dropped = None)]
    pub vpc_endpoint: Option<Ref<VpcEndpoint>>,
    /// A transit gateway, by the name of its attachment to the VPC, or `{transit_gateway_id: tgw-…}`.
    #[field(default, dropped = None)]
    pub transit_gateway: Option<Ref<TransitGatewayAttachment, GatewayOfAttachment>>,
    /// Id of a VPC peering connection.
    #[field(default, dropped = None)]
    pub vpc_peering: Option<String>,
    /// Id of a network interface.
    #[field(default, dropped = None)]
    pub network_interface: Option<String>,
    /// An egress-only internet gateway, for IPv6.
    #[field(default, dropped = None)]
    pub egress_only_gateway: Option<Ref<EgressOnlyGateway>>,
    /// Id of a carrier gateway, in a Wavelength Zone.
    #[field(default, dropped = None)]
    pub carrier_gateway: Option<String>,
    /// Id of a local gateway, of an Outpost.
    #[field(default, dropped = None)]
    pub local_gateway: Option<String>,
    /// ARN of a core network of Cloud WAN.
    #[field(default, dropped = None)]
    pub core_network: Option<String>,
}

/// Parameters that CreateRoute and ReplaceRoute have in common.
macro_rules! with_route {
    ($call:expr, $route:expr) => {{
        let route = $route;
        let call = with_destination!($call, &route.destination);
        call.set_gateway_id(route.gateway.as_ref().map(|r| r.get().to_owned()))
            .set_nat_gateway_id(route.nat_gateway.as_ref().map(|r| r.get().to_owned()))
            .set_vpc_endpoint_id(route.vpc_endpoint.as_ref().map(|r| r.get().to_owned()))
            .set_transit_gateway_id(route.transit_gateway.as_ref().map(|r| r.get().to_owned()))
            .set_vpc_peering_connection_id(route.vpc_peering.clone())
            .set_network_interface_id(route.network_interface.clone())
            .set_egress_only_internet_gateway_id(route.egress_only_gateway.as_ref().map(|r| r.get().to_owned()))
            .set_carrier_gateway_id(route.carrier_gateway.clone())
            .set_local_gateway_id(route.local_gateway.clone())
            .set_core_network_arn(route.core_network.clone())
    }};
}
macro_rules! with_destination {
    ($call:expr, $destination:expr) => {
        match $destination {
            Destination::PrefixList(id) => $call.destination_prefix_list_id(id),
            Destination::Range(cidr) if cidr.is_v6() => $call.destination_ipv6_cidr_block(cidr.to_string()),
            Destination::Range(cidr) => $call.destination_cidr_block(cidr.to_string()),
        }
    };
}

impl Resource for RouteTable {
    const TYPE: TypeInfo =
        TypeInfo::new("route_table", &services::ec2::SERVICE, "rtb-{hex17}", "arn:aws:ec2:{region}:{account}:route-table/{id}")
            .without_charge("routes cost nothing; what they lead to does")
            .detached_by(&[Subnet::TYPE.name])
            .takes_over_entries()
            .iam_actions(
                IamActions::new("ec2:route-table/*")
                    .list(&["ec2:DescribeRouteTables"])
                    .create(&["ec2:CreateRouteTable"])
                    .create_uses(&["vpc"])
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
                    .grants(&[
                        IamGrant::change(
                            &["ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation"],
                            GrantTarget::Referenced("subnet"),
                        ),
                        IamGrant::change(
                            &["ec2:DisableVgwRoutePropagation", "ec2:EnableVgwRoutePropagation"],
                            GrantTarget::Arn("ec2:vpn-gateway/*"),
                        ),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let tables = aws.ec2.describe_route_tables().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        scope.collect_owned(tables.try_collect().await?.into_iter().map(|table| read(aws, table)))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_route_table().client_token(&cx.call.token).vpc_id(self.vpc.get());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::RouteTable)).send().await?;
        let table = reply.route_table.ok_or_else(|| Error::missing_field("RouteTable"))?;
        let id = table.route_table_id.clone().ok_or_else(|| Error::missing_field("RouteTableId"))?;
        // Without the account its ARN is not known.
        if table.owner_id.is_none() {
            return Ok(id.into());
        }
        Ok(Created::from_answer(id, read(cx.api, table)))
    }

    /// Routes are set before subnets, so that no subnet uses a table without its routes.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RouteTableChanges) -> Result<()> {
        let Existing { id, spec: before, .. } = live;
        let ec2 = &cx.ec2;
        if changes.routes {
            let old: BTreeMap<_, _> = before.routes.iter().map(|route| (&route.destination, route)).collect();
            let new: BTreeSet<_> = self.routes.iter().map(|route| &route.destination).collect();
            for route in &self.routes {
                match old.get(&route.destination) {
                    None => create_route(cx, id, route).await?,
                    Some(old) if *old != route => drop(with_route!(ec2.replace_route().route_table_id(id), route).send().await?),
                    Some(_) => {}
                }
            }
            for destination in old.into_keys().filter(|destination| !new.contains(destination)) {
                // AWS may have deleted it together with the route's target.
                let call = with_destination!(ec2.delete_route().route_table_id(id), destination);
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

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        // Its associations are gone where its subnets were deleted before it.
        match cx.ec2.delete_route_table().route_table_id(&live.id).send().await.map_err(Error::from) {
            Err(error) if error.code == "DependencyViolation" => {}
            answer => return answer.map(|_| Deletion::Requested),
        }
        disassociate(cx, &live.id, &live.spec.subnets.iter().collect()).await?;
        cx.ec2.delete_route_table().route_table_id(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    /// AWS adds the routes of the VPC's own ranges, and rejects others to the same destination.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(table) = declared.spec() else { return Vec::new() };
        let Some((home, vpc)) = declared.referenced(&table.vpc) else { return Vec::new() };
        let own = |route: &&Route| match &route.destination {
            Destination::Range(range) => {
                *range == vpc.cidr
                    || vpc.secondary_cidrs.contains(range)
                    || vpc.ipv6.as_ref().is_some_and(|ipv6| ipv6.cidr.as_ref() == Some(range))
            }
            Destination::PrefixList(_) => false,
        };
        let problem = |route: &Route| {
            let message = format!("`{}` is a range of `{home}`, to which AWS itself adds the route", route.destination);
            Problem::new(Self::POINTERS.routes, message).help("remove the route")
        };
        table.routes.iter().filter(own).map(problem).collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, route) in self.routes.iter().enumerate() {
            let at = Self::POINTERS.routes.item(index);
            if !seen.insert(&route.destination) {
                problems.push(Problem::new(at.clone(), format!("there are two routes to {}", route.destination)).help("keep one of them"));
            }
            if route.target_count() != 1 {
                let help = "write exactly one of `gateway`, `nat_gateway`, `vpc_endpoint`, `transit_gateway`, `vpc_peering`, \
                            `network_interface`, `egress_only_gateway`, `carrier_gateway`, `local_gateway`, `core_network`";
                problems.push(Problem::new(at, format!("the route to {} needs one target", route.destination)).help(help));
            }
        }
        problems
    }
}

fn read(aws: &Aws, table: ec2::RouteTable) -> Result<Observed<RouteTable>> {
    let associations = table.associations.unwrap_or_default();
    let phase = phase(&associations);
    let spec = RouteTable {
        vpc: Ref::to(table.vpc_id.unwrap_or_default()),
        routes: table.routes.unwrap_or_default().into_iter().filter_map(read_route).collect(),
        subnets: associations.into_iter().filter(is_associated).filter_map(|a| a.subnet_id).map(Ref::to).collect(),
        propagating_gateways: table.propagating_vgws.into_iter().flatten().filter_map(|vgw| vgw.gateway_id).collect(),
    };
    let id = table.route_table_id.ok_or_else(|| Error::missing_field("RouteTableId"))?;
    let tags = services::ec2::from_tags(table.tags.as_deref().unwrap_or_default());
    let arn = services::ec2::arn(&aws.region, &table.owner_id.unwrap_or_default(), &format!("route-table/{id}"));
    Ok(Observed::new(id, tags, spec, ArnOutput { arn }).phase(phase))
}

/// Route as a user could write it. `None` for routes that AWS adds: local ones, propagated ones, and those of gateway endpoints
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html>).
fn read_route(route: ec2::Route) -> Option<Route> {
    let endpoint = route.gateway_id.as_ref().is_some_and(|id| id.starts_with("vpce-"));
    let made_by_aws = !matches!(route.origin, None | Some(RouteOrigin::CreateRoute)) || route.gateway_id.as_deref() == Some("local");
    if made_by_aws || (endpoint && route.destination_prefix_list_id.is_some()) {
        return None;
    }
    let destination = route.destination_cidr_block.or(route.destination_ipv6_cidr_block).or(route.destination_prefix_list_id)?;
    let route = Route {
        destination: Destination::try_from(destination).ok()?,
        vpc_endpoint: route.gateway_id.clone().filter(|_| endpoint).map(Ref::to),
        gateway: route.gateway_id.filter(|_| !endpoint).map(Ref::to),
        nat_gateway: route.nat_gateway_id.map(Ref::to),
        transit_gateway: route.transit_gateway_id.map(Ref::to),
        vpc_peering: route.vpc_peering_connection_id,
        network_interface: route.network_interface_id,
        egress_only_gateway: route.egress_only_internet_gateway_id.map(Ref::to),
        carrier_gateway: route.carrier_gateway_id,
        local_gateway: route.local_gateway_id,
        core_network: route.core_network_arn,
    };
    // Routes to other targets, such as Oracle database networks, are not managed.
    (route.target_count() > 0).then_some(route)
}

impl Route {
    /// Number of targets.
    fn target_count(&self) -> usize {
        let references = [self.gateway.is_some(), self.nat_gateway.is_some(), self.vpc_endpoint.is_some()];
        let references = references.into_iter().chain([self.transit_gateway.is_some(), self.egress_only_gateway.is_some()]);
        let ids = [&self.vpc_peering, &self.network_interface, &self.carrier_gateway, &self.local_gateway, &self.core_network];
        references.chain(ids.map(Option::is_some)).filter(|named| *named).count()
    }
}

/// Creates a route. It may exist already, from an earlier attempt that failed at a later call.
async fn create_route(cx: &Cx<'_>, id: &str, wanted: &Route) -> Result<()> {
    let ec2 = &cx.ec2;
    let answer = with_route!(ec2.create_route().route_table_id(id), wanted).send().await.map_err(Error::from);
    let error = match answer {
        Err(error) if error.code == "RouteAlreadyExists" => error,
        other => return other.map(drop),
    };
    let tables = ec2.describe_route_tables().route_table_ids(id).send().await?.route_tables.unwrap_or_default();
    let mut routes = tables.into_iter().flat_map(|table| table.routes.unwrap_or_default()).filter_map(read_route);
    if routes.any(|there| there == *wanted) { Ok(()) } else { Err(error) }
}

fn association_state(association: &RouteTableAssociation) -> Option<&RouteTableAssociationStateCode> {
    association.association_state.as_ref().and_then(|state| state.state.as_ref())
}

/// Whether this association exists, or is being created.
fn is_associated(association: &RouteTableAssociation) -> bool {
    use RouteTableAssociationStateCode::{Disassociated, Disassociating, Failed};
    !matches!(association_state(association), Some(Disassociated | Disassociating | Failed))
}

fn phase(associations: &[RouteTableAssociation]) -> Phase {
    use RouteTableAssociationStateCode::{Associating, Disassociating};
    let moving = associations.iter().filter_map(association_state).find(|code| matches!(code, Associating | Disassociating));
    moving.map_or(Phase::Ready, |code| Phase::Progressing(code.as_str().to_owned()))
}

/// Associates a subnet with the table. A subnet of another table moves in one step, without using the main table in between.
async fn associate(cx: &Cx<'_>, id: &str, subnet: &Ref<Subnet>) -> Result<()> {
    let ec2 = &cx.ec2;
    let answer = ec2.associate_route_table().route_table_id(id).subnet_id(subnet.get()).send().await.map_err(Error::from);
    let error = match answer {
        Err(error) if error.code == "Resource.AlreadyAssociated" => error,
        other => return other.map(drop),
    };
    let filter = Filter::builder().name("association.subnet-id").values(subnet.get()).build();
    let tables = ec2.describe_route_tables().filters(filter).send().await?.route_tables.unwrap_or_default();
    let mut associations = tables.into_iter().flat_map(|table| table.associations.unwrap_or_default()).filter(is_associated);
    let Some(other) = associations.find(|a| a.subnet_id.as_deref() == Some(subnet.get())) else { return Err(error) };
    if other.route_table_id.as_deref() != Some(id) {
        let call = ec2.replace_route_table_association().route_table_id(id);
        call.set_association_id(other.route_table_association_id).send().await?;
    }
    Ok(())
}

/// Removes subnets from the table. A missing association was moved to another table in the meantime.
async fn disassociate(cx: &Cx<'_>, id: &str, subnets: &BTreeSet<&Ref<Subnet>>) -> Result<()> {
    if subnets.is_empty() {
        return Ok(());
    }
    let tables = cx.ec2.describe_route_tables().route_table_ids(id).send().await?.route_tables.unwrap_or_default();
    for association in tables.into_iter().flat_map(|table| table.associations.unwrap_or_default()).filter(is_associated) {
        if association.subnet_id.as_deref().is_some_and(|subnet| subnets.iter().any(|s| s.get() == subnet)) {
            let call = cx.ec2.disassociate_route_table().set_association_id(association.route_table_association_id);
            ok_or_not_found(call.send().await)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_route_only_with_a_target_that_it_can_name() {
        let route = || ec2::Route::builder().destination_cidr_block("10.9.0.0/16").origin(RouteOrigin::CreateRoute);
        let known = [
            route().carrier_gateway_id("cagw-1"),
            route().local_gateway_id("lgw-1"),
            route().core_network_arn("arn:aws:networkmanager::123456789012:core-network/core-network-1"),
            route().instance_id("i-1").network_interface_id("eni-1"),
        ];
        for one in known {
            let read = read_route(one.clone().build()).unwrap_or_else(|| panic!("{one:?}"));
            assert_eq!(read.target_count(), 1, "{read:?}");
        }
        assert_eq!(read_route(route().odb_network_arn("arn:aws:odb:us-east-1:123456789012:odb-network/1").build()), None);
    }
}
