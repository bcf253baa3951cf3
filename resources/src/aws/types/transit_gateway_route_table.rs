//! `transit_gateway_route_table`: routes of a transit gateway, with the attachments that use them.

mod routes;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    self as ec2, Filter, ResourceType, TransitGatewayAssociationState as AssociationState, TransitGatewayPropagationState,
    TransitGatewayRouteTableState,
};

use super::{prelude::*, transit_gateway::TransitGateway, transit_gateway_attachment::TransitGatewayAttachment};
use crate::core::{ErrorKind, Tags};

/// Routes of a transit gateway, for the traffic that comes from the associated attachments.
#[spec]
pub struct TransitGatewayRouteTable {
    /// The transit gateway.
    #[field(replaces, important)]
    pub transit_gateway: Ref<TransitGateway>,
    /// Attachments whose traffic follows these routes. An attachment follows one table: by default the default table of the transit gateway.
    #[field(default, after_create, important, unique_entries = "attachment", impact = "traffic of a moved attachment is interrupted")]
    pub associations: BTreeSet<Ref<TransitGatewayAttachment>>,
    /// Attachments that add their routes to the table: those to the ranges of a VPC, or those that BGP announces.
    #[field(default, after_create, important)]
    pub propagations: BTreeSet<Ref<TransitGatewayAttachment>>,
    /// Static routes, one per destination.
    #[field(default, after_create, important, entry_quota = 10_000)]
    pub routes: BTreeSet<TransitGatewayRoute>,
    /// Routes to the ranges of prefix lists.
    #[field(default, after_create, own_read)]
    pub prefix_lists: BTreeSet<PrefixListRoute>,
}

/// A static route: a destination, and an attachment or a black hole.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct TransitGatewayRoute {
    /// An IPv4 or IPv6 range.
    pub destination: Cidr,
    /// The attachment to which traffic goes.
    #[field(default, dropped = None)]
    pub attachment: Option<Ref<TransitGatewayAttachment>>,
    /// Drops the traffic.
    #[field(default = false)]
    pub blackhole: bool,
}

/// A route to the ranges of a prefix list.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct PrefixListRoute {
    /// Id of the prefix list.
    #[field(pattern = "pl-[0-9a-f]+")]
    pub prefix_list: String,
    /// The attachment to which traffic goes.
    #[field(default, dropped = None)]
    pub attachment: Option<Ref<TransitGatewayAttachment>>,
    /// Drops the traffic.
    #[field(default = false)]
    pub blackhole: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

impl Resource for TransitGatewayRouteTable {
    const TYPE: TypeInfo = TypeInfo::new(
        "transit_gateway_route_table",
        &services::ec2::SERVICE,
        "tgw-rtb-{hex17}",
        "arn:aws:ec2:{region}:{account}:transit-gateway-route-table/{id}",
    )
    .without_charge("the attachments of its gateway cost")
    .typical_seconds(30)
    .without_token()
    .spans_networks()
    .takes_over_entries()
    .quota(20, "TransitGatewayRouteTableLimitExceeded")
    .not_found("InvalidRouteTableID.NotFound")
    .in_use("IncorrectState")
    .iam_actions(
        IamActions::new("ec2:transit-gateway-route-table/*")
            .list(&[
                "ec2:DescribeTransitGatewayAttachments",
                "ec2:DescribeTransitGatewayRouteTables",
                "ec2:GetTransitGatewayPrefixListReferences",
                "ec2:GetTransitGatewayRouteTableAssociations",
                "ec2:GetTransitGatewayRouteTablePropagations",
            ])
            .create(&["ec2:CreateTransitGatewayRouteTable"])
            .create_uses(&["transit_gateway"])
            .change(&[
                "ec2:AssociateTransitGatewayRouteTable",
                "ec2:CreateTransitGatewayPrefixListReference",
                "ec2:CreateTransitGatewayRoute",
                "ec2:DeleteTransitGatewayPrefixListReference",
                "ec2:DeleteTransitGatewayRoute",
                "ec2:DeleteTransitGatewayRouteTable",
                "ec2:DisableTransitGatewayRouteTablePropagation",
                "ec2:EnableTransitGatewayRouteTablePropagation",
                "ec2:ModifyTransitGatewayPrefixListReference",
                "ec2:ReplaceTransitGatewayRoute",
            ])
            .grants(&[
                IamGrant::read(&["ec2:SearchTransitGatewayRoutes"], GrantTarget::Arn("ec2:transit-gateway-route-table/*")),
                // An attachment comes from another table, such as the default one, which has no ownership tags.
                IamGrant::change(&["ec2:DisassociateTransitGatewayRouteTable"], GrantTarget::Arn("ec2:transit-gateway-route-table/*")),
                IamGrant::change(
                    &[
                        "ec2:AssociateTransitGatewayRouteTable",
                        "ec2:CreateTransitGatewayPrefixListReference",
                        "ec2:CreateTransitGatewayRoute",
                        "ec2:DisableTransitGatewayRouteTablePropagation",
                        "ec2:DisassociateTransitGatewayRouteTable",
                        "ec2:EnableTransitGatewayRouteTablePropagation",
                        "ec2:ModifyTransitGatewayPrefixListReference",
                        "ec2:ReplaceTransitGatewayRoute",
                    ],
                    GrantTarget::Referenced("transit_gateway_attachment"),
                ),
                IamGrant::change(
                    &[
                        "ec2:CreateTransitGatewayPrefixListReference",
                        "ec2:DeleteTransitGatewayPrefixListReference",
                        "ec2:ModifyTransitGatewayPrefixListReference",
                    ],
                    GrantTarget::Arn("ec2:prefix-list/*"),
                ),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    /// A deleted one stays visible for about an hour, and EC2 documents no filter for tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let tables = aws.ec2.describe_transit_gateway_route_tables().set_filters(scope.ec2_id_filters()).into_paginator().items().send();
        let tables = tables.try_collect().await?.into_iter().filter(|table| table.state != Some(TransitGatewayRouteTableState::Deleted));
        let tables = tables.map(|table| (services::ec2::from_tags(table.tags()), table)).filter(|(tags, _)| scope.owns(tags));
        for_each_concurrent(tables, |(tags, table)| async move { read(aws, scope, table, tags).await.map(Some) }).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_transit_gateway_route_table().transit_gateway_id(self.transit_gateway.get());
        let tags = services::ec2::tag_specification(&cx.call.tags, ResourceType::TransitGatewayRouteTable);
        let reply = call.tag_specifications(tags).send().await?;
        let id = reply.transit_gateway_route_table.and_then(|table| table.transit_gateway_route_table_id);
        Ok(id.ok_or_else(|| Error::missing_field("TransitGatewayRouteTableId"))?.into())
    }

    /// Routes are set before associations, so that no attachment follows a table without its routes.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: TransitGatewayRouteTableChanges) -> Result<()> {
        let Existing { id, spec: before, .. } = live;
        if changes.routes {
            routes::change_routes(cx, id, &before.routes, &self.routes).await?;
        }
        if changes.prefix_lists {
            routes::change_prefix_lists(cx, id, &before.prefix_lists, &self.prefix_lists).await?;
        }
        for attachment in self.propagations.difference(&before.propagations) {
            let call = cx.ec2.enable_transit_gateway_route_table_propagation().transit_gateway_route_table_id(id);
            match call.transit_gateway_attachment_id(attachment.get()).send().await.map_err(Error::from) {
                // From an earlier attempt that failed at a later call.
                Err(error) if error.code == "TransitGatewayRouteTablePropagation.Duplicate" => {}
                other => drop(other?),
            }
        }
        for attachment in before.propagations.difference(&self.propagations) {
            let call = cx.ec2.disable_transit_gateway_route_table_propagation().transit_gateway_route_table_id(id);
            ok_or_not_found(call.transit_gateway_attachment_id(attachment.get()).send().await)?;
        }
        for attachment in self.associations.difference(&before.associations) {
            associate(cx, id, attachment.get()).await?;
        }
        for attachment in before.associations.difference(&self.associations) {
            disassociate(cx, id, attachment.get()).await?;
        }
        Ok(())
    }

    /// AWS deletes it once its associations have ended. Until then it answers that the state is incorrect, and the engine calls again.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        for association in associations(cx.api, &live.id).await? {
            if let (Some(AssociationState::Associated), Some(attachment)) = (association.state, association.transit_gateway_attachment_id) {
                disassociate(cx, &live.id, &attachment).await?;
            }
        }
        Deletion::requested(cx.ec2.delete_transit_gateway_route_table().transit_gateway_route_table_id(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        routes::check(self)
    }
}

async fn read(aws: &Aws, scope: &Scope, table: ec2::TransitGatewayRouteTable, tags: Tags) -> Result<Observed<TransitGatewayRouteTable>> {
    let id = table.transit_gateway_route_table_id.ok_or_else(|| Error::missing_field("TransitGatewayRouteTableId"))?;
    let prefix_lists = async {
        let wanted = scope.own_reads_to_make::<TransitGatewayRouteTable>(&tags).prefix_lists;
        if wanted { routes::read_prefix_lists(aws, &id).await } else { Ok(BTreeSet::new()) }
    };
    let propagations = aws.ec2.get_transit_gateway_route_table_propagations().transit_gateway_route_table_id(&id).into_paginator();
    let propagations = async { propagations.items().send().try_collect().await.map_err(Error::from) };
    let (associations, propagations, routes, prefix_lists) =
        tokio::try_join!(associations(aws, &id), propagations, routes::read_routes(aws, &id), prefix_lists)?;
    let moves = associations.iter().filter_map(|association| association.state.as_ref().map(AssociationState::as_str));
    let changes = propagations.iter().filter_map(|propagation| propagation.state.as_ref().map(TransitGatewayPropagationState::as_str));
    let phase = table.state.map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let phase = match moves.chain(changes).find(|state| state.ends_with("ing")) {
        Some(state) if phase == Phase::Ready => Phase::Progressing(state.to_owned()),
        _ => phase,
    };
    let ends = |state: &str| state.starts_with("dis");
    let spec = TransitGatewayRouteTable {
        transit_gateway: Ref::to(table.transit_gateway_id.unwrap_or_default()),
        associations: associations
            .into_iter()
            .filter(|association| !association.state.as_ref().is_some_and(|state| ends(state.as_str())))
            .filter_map(|association| association.transit_gateway_attachment_id)
            .map(Ref::to)
            .collect(),
        propagations: propagations
            .into_iter()
            .filter(|propagation| !propagation.state.as_ref().is_some_and(|state| ends(state.as_str())))
            .filter_map(|propagation| propagation.transit_gateway_attachment_id)
            .map(Ref::to)
            .collect(),
        routes,
        prefix_lists,
    };
    Ok(Observed::new(id, tags, spec, Outputs {}).phase(phase))
}

async fn associations(aws: &Aws, id: &str) -> Result<Vec<ec2::TransitGatewayRouteTableAssociation>> {
    let call = aws.ec2.get_transit_gateway_route_table_associations().transit_gateway_route_table_id(id);
    call.into_paginator().items().send().try_collect().await.map_err(Error::from)
}

/// Associates an attachment. One of another table leaves that first, which takes AWS a while; the engine then calls again.
async fn associate(cx: &Cx<'_>, id: &str, attachment: &str) -> Result<()> {
    let filter = Filter::builder().name("transit-gateway-attachment-id").values(attachment).build();
    let found = cx.ec2.describe_transit_gateway_attachments().filters(filter).send().await?.transit_gateway_attachments;
    let mut found = found.into_iter().flatten().filter(|one| one.transit_gateway_attachment_id() == Some(attachment));
    let current = found.find_map(|one| one.association);
    let table = current.as_ref().and_then(|association| association.transit_gateway_route_table_id.as_deref());
    match (table, current.as_ref().and_then(|association| association.state.as_ref())) {
        (Some(table), Some(AssociationState::Associated | AssociationState::Associating)) if table == id => Ok(()),
        (Some(table), Some(AssociationState::Associated)) => {
            disassociate(cx, table, attachment).await?;
            Err(Error::new(ErrorKind::Conflict, "IncorrectState", format!("{attachment} is leaving the route table {table}")))
        }
        (Some(table), Some(AssociationState::Associating | AssociationState::Disassociating)) => {
            Err(Error::new(ErrorKind::Conflict, "IncorrectState", format!("the association of {attachment} with {table} is changing")))
        }
        _ => {
            let call = cx.ec2.associate_transit_gateway_route_table().transit_gateway_route_table_id(id);
            call.transit_gateway_attachment_id(attachment).send().await?;
            Ok(())
        }
    }
}

/// Ends an association; one that has ended in the meantime was moved, or went with its attachment.
async fn disassociate(cx: &Cx<'_>, id: &str, attachment: &str) -> Result<()> {
    let call = cx.ec2.disassociate_transit_gateway_route_table().transit_gateway_route_table_id(id);
    ok_or_not_found(call.transit_gateway_attachment_id(attachment).send().await)?;
    Ok(())
}
