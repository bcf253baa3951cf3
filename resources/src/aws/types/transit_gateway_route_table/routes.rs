//! The static routes of a transit gateway's route table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{self as ec2, Filter, TransitGatewayPrefixListReferenceState, TransitGatewayRouteState};

use super::{PrefixListRoute, TransitGatewayRoute, TransitGatewayRouteTable};
use crate::{
    aws::{Aws, Cx},
    core::{Error, Pointer, Problem, Ref, Result, ok_or_not_found},
};

/// Target parameters of calls that create or change a route.
macro_rules! with_target {
    ($call:expr, $route:expr) => {
        $call
            .set_transit_gateway_attachment_id($route.attachment.as_ref().map(|attachment| attachment.get().to_owned()))
            .set_blackhole($route.blackhole.then_some(true))
    };
}

pub(super) async fn change_routes(
    cx: &Cx<'_>,
    id: &str,
    before: &BTreeSet<TransitGatewayRoute>,
    after: &BTreeSet<TransitGatewayRoute>,
) -> Result<()> {
    let old: BTreeMap<_, _> = before.iter().map(|route| (&route.destination, route)).collect();
    let new: BTreeSet<_> = after.iter().map(|route| &route.destination).collect();
    for route in after {
        let destination = route.destination.to_string();
        match old.get(&route.destination) {
            None => create_route(cx, id, route).await?,
            Some(old) if *old != route => {
                let call = cx.ec2.replace_transit_gateway_route().transit_gateway_route_table_id(id).destination_cidr_block(destination);
                with_target!(call, route).send().await?;
            }
            Some(_) => {}
        }
    }
    for destination in old.into_keys().filter(|destination| !new.contains(destination)) {
        let call = cx.ec2.delete_transit_gateway_route().transit_gateway_route_table_id(id);
        ok_or_not_found(call.destination_cidr_block(destination.to_string()).send().await)?;
    }
    Ok(())
}

/// Creates a route. It may exist already, from an earlier attempt that failed at a later call.
async fn create_route(cx: &Cx<'_>, id: &str, wanted: &TransitGatewayRoute) -> Result<()> {
    let call = cx.ec2.create_transit_gateway_route().transit_gateway_route_table_id(id);
    let call = call.destination_cidr_block(wanted.destination.to_string());
    match with_target!(call, wanted).send().await.map_err(Error::from) {
        Err(error) if error.code == "RouteAlreadyExists" => {
            if read_routes(cx.api, id).await?.contains(wanted) {
                Ok(())
            } else {
                Err(error)
            }
        }
        other => other.map(drop),
    }
}

pub(super) async fn change_prefix_lists(
    cx: &Cx<'_>,
    id: &str,
    before: &BTreeSet<PrefixListRoute>,
    after: &BTreeSet<PrefixListRoute>,
) -> Result<()> {
    let old: BTreeMap<_, _> = before.iter().map(|route| (&route.prefix_list, route)).collect();
    let new: BTreeSet<_> = after.iter().map(|route| &route.prefix_list).collect();
    for route in after {
        let list = &route.prefix_list;
        match old.get(list) {
            None => {
                let call = cx.ec2.create_transit_gateway_prefix_list_reference().transit_gateway_route_table_id(id).prefix_list_id(list);
                match with_target!(call, route).send().await.map_err(Error::from) {
                    Err(error) if error.code == "InvalidPrefixListReference.Duplicate" => {
                        if !read_prefix_lists(cx.api, id).await?.contains(route) {
                            return Err(error);
                        }
                    }
                    other => drop(other?),
                }
            }
            Some(old) if *old != route => {
                let call = cx.ec2.modify_transit_gateway_prefix_list_reference().transit_gateway_route_table_id(id).prefix_list_id(list);
                let call = call.set_transit_gateway_attachment_id(route.attachment.as_ref().map(|attachment| attachment.get().to_owned()));
                call.blackhole(route.blackhole).send().await?;
            }
            Some(_) => {}
        }
    }
    for list in old.into_keys().filter(|list| !new.contains(list)) {
        let call = cx.ec2.delete_transit_gateway_prefix_list_reference().transit_gateway_route_table_id(id).prefix_list_id(list);
        ok_or_not_found(call.send().await)?;
    }
    Ok(())
}

/// Static routes. The routes to the ranges of prefix lists are among the answer, too.
pub(super) async fn read_routes(aws: &Aws, id: &str) -> Result<BTreeSet<TransitGatewayRoute>> {
    let (mut routes, mut token) = (BTreeSet::new(), None);
    loop {
        let only_static = Filter::builder().name("type").values("static").build();
        let call = aws.ec2.search_transit_gateway_routes().transit_gateway_route_table_id(id).filters(only_static);
        let page = call.set_next_token(token).send().await?;
        routes.extend(page.routes.unwrap_or_default().into_iter().filter_map(read_route));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            // Without a token, AWS leaves out routes beyond the first thousand.
            return match page.additional_routes_available {
                Some(true) => Err(Error::missing_field("NextToken, for routes beyond the first thousand")),
                _ => Ok(routes),
            };
        }
    }
}

fn read_route(route: ec2::TransitGatewayRoute) -> Option<TransitGatewayRoute> {
    let is_gone = matches!(route.state, Some(TransitGatewayRouteState::Deleting | TransitGatewayRouteState::Deleted));
    if is_gone || route.prefix_list_id.is_some() {
        return None;
    }
    let attachment =
        route.transit_gateway_attachments.into_iter().flatten().find_map(|attachment| attachment.transit_gateway_attachment_id);
    Some(TransitGatewayRoute {
        destination: route.destination_cidr_block?.parse().ok()?,
        // The state of a route to a deleted attachment is that of a black hole, too.
        blackhole: attachment.is_none(),
        attachment: attachment.map(Ref::to),
    })
}

pub(super) async fn read_prefix_lists(aws: &Aws, id: &str) -> Result<BTreeSet<PrefixListRoute>> {
    let call = aws.ec2.get_transit_gateway_prefix_list_references().transit_gateway_route_table_id(id);
    let references = call.into_paginator().items().send().try_collect().await?;
    let exists =
        |reference: &ec2::TransitGatewayPrefixListReference| reference.state != Some(TransitGatewayPrefixListReferenceState::Deleting);
    let read = |reference: ec2::TransitGatewayPrefixListReference| {
        let attachment = reference.transit_gateway_attachment.and_then(|attachment| attachment.transit_gateway_attachment_id);
        Some(PrefixListRoute {
            prefix_list: reference.prefix_list_id?,
            attachment: attachment.map(Ref::to),
            blackhole: reference.blackhole.unwrap_or_default(),
        })
    };
    Ok(references.into_iter().filter(exists).filter_map(read).collect())
}

/// Each route has its own destination and one target.
pub(super) fn check(table: &TransitGatewayRouteTable) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut check = |at: Pointer, destination: String, has_attachment: bool, blackhole: bool| {
        if has_attachment == blackhole {
            let message = format!("the route to {destination} needs one target");
            problems.push(Problem::new(at.clone(), message).help("write either `attachment: …` or `blackhole: true`"));
        }
        if !seen.insert(destination.clone()) {
            problems.push(Problem::new(at, format!("there are two routes to {destination}")).help("keep one of them"));
        }
    };
    for (index, route) in table.routes.iter().enumerate() {
        let at = TransitGatewayRouteTable::POINTERS.routes.item(index);
        check(at, route.destination.to_string(), route.attachment.is_some(), route.blackhole);
    }
    for (index, route) in table.prefix_lists.iter().enumerate() {
        let at = TransitGatewayRouteTable::POINTERS.prefix_lists.item(index);
        check(at, route.prefix_list.clone(), route.attachment.is_some(), route.blackhole);
    }
    problems
}
