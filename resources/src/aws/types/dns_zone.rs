//! `dns_zone`: a hosted zone of Route 53, public or private to VPCs.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_route53::types::{DelegationSet, HostedZone, HostedZoneConfig, TagResourceType, Vpc as ZoneVpc, VpcRegion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vpc::Vpc;
use crate::{
    aws::{
        Aws, Cx, for_each_concurrent, partition,
        services::{
            self,
            route53::{ABANDONED_TAG, caller_reference, ownership_from_reference, read_tags, short_token},
        },
    },
    core::{
        Created, Deletion, DnsName, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant, Observed, PriceContext, Pricing,
        Problem, Product, Ref, Resource, Result, STACK_TAG, Scope, TagChange, Tags, TypeInfo, UsageKey, ok_or_not_found,
    },
};

/// Longest caller reference: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html>.
const MAX_REFERENCE: usize = 128;

/// A hosted zone.
#[spec]
pub struct DnsZone {
    /// Domain of the zone, such as `shop.example.com`.
    #[field(replaces, lookup, unique_entries = "domain in a VPC", important)]
    pub domain: DnsName,
    /// Comment.
    #[field(default, length = 0..=256)]
    pub comment: String,
    /// Restricts the zone to its VPCs.
    #[field(unset = "private if there are `vpcs`", replaces, important, dropped(kept, "a zone stays as `vpcs` made it"))]
    pub private: Option<bool>,
    /// VPCs of this region in which a private zone is visible. Adding the first and removing the last replaces the zone.
    // CreateHostedZone accepts one VPC.
    #[field(
        default,
        unique_entries = "domain in a VPC",
        after_create = self.vpcs.first().cloned().into_iter().collect(),
        impact = "a removed VPC can't resolve the zone's names"
    )]
    pub vpcs: BTreeSet<Ref<Vpc>>,
    /// Id of the reusable delegation set with the name servers of a public zone.
    #[field(unset = "AWS assigns name servers", length = 1..=32, replaces, dropped(kept, "the name servers of a zone are permanent"))]
    pub delegation_set: Option<String>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Name servers to enter at the parent domain; none for a private zone.
    #[schemars(extend("x-acme-simulated" = ["ns-0-{hex4}.awsdns.{simulated_domain}", "ns-1-{hex4}.awsdns.{simulated_domain}", "ns-2-{hex4}.awsdns.{simulated_domain}", "ns-3-{hex4}.awsdns.{simulated_domain}"]))]
    pub name_servers: Vec<String>,
}

/// Queries in a month.
const QUERIES: UsageKey = UsageKey::new("queries", "queries in a month");

impl Resource for DnsZone {
    const TYPE: TypeInfo = TypeInfo::new("dns_zone", &services::route53::SERVICE, "Z{upper14}", "arn:aws:route53:::hostedzone/{id}")
        .global()
        .spans_networks()
        .handover("unless done before, set the name servers of `{domain}` at its registrar, or in its parent zone, to {name_servers}")
        .lost_on_recreation("it has other name servers, which its registrar or parent zone must name")
        .tagged_after_create()
        .without_token()
        .rejecting_repeated_token()
        .quota(5_000, "TooManyHostedZones")
        .not_found("NoSuchHostedZone")
        .iam_actions(
            IamActions::new("route53:hostedzone/*")
                .list(&["route53:ListHostedZones"])
                .read(&["route53:GetHostedZone", "route53:ListTagsForResource", "route53:ListTagsForResources"])
                .change(&[
                    "route53:AssociateVPCWithHostedZone",
                    "route53:DeleteHostedZone",
                    "route53:DisassociateVPCFromHostedZone",
                    "route53:UpdateHostedZoneComment",
                ])
                // Route 53 reads the VPCs of a private zone with the caller's permissions.
                .grants(&[IamGrant::change(
                    &["ec2:DescribeRegions", "ec2:DescribeVpcs", "route53:CreateHostedZone", "route53:ListHostedZonesByName"],
                    GrantTarget::AllResources,
                )]),
        );
    const USAGE: &'static [UsageKey] = &[QUERIES];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |family, usage_type| Product::new("AmazonRoute53").family(family).usage_type(usage_type).global();
        Pricing::of(vec![
            context.monthly("hosted zone", 1.0, "zone-months", product("DNS Zone", "HostedZone")),
            context.metered("queries", &QUERIES, "queries", product("DNS Query", "DNS-Queries")),
        ])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        if let Some(index) = scope.complete_index() {
            return read_zones(aws, indexed_zones(index)).await;
        }
        let zones: Vec<HostedZone> = aws.route53.list_hosted_zones().into_paginator().items().send().try_collect().await?;
        // Route 53 is global and its tags are indexed in us-east-1 only.
        let may_own = |domain: &str, arn: &str| match &scope.tag_index {
            Some(_) => scope.covers(domain, arn) || aws.region != "us-east-1",
            None => true,
        };
        let mut own: BTreeMap<String, Tags> = BTreeMap::new();
        let mut unknown = Vec::new();
        for zone in zones.into_iter().filter(|zone| zone.linked_service.is_none()) {
            let (id, ownership) = (strip_id_prefix(&zone.id), ownership_from_reference(&zone.caller_reference, scope, str::to_owned));
            match scope.tags(&arn(aws, &id)) {
                Some(mut tags) => {
                    tags.remove(ABANDONED_TAG);
                    own.insert(id, tags);
                }
                None if ownership.is_some() || may_own(DnsName::new(&zone.name).as_str(), &arn(aws, &id)) => unknown.push((id, ownership)),
                None => {}
            }
        }
        let mut tags = read_tags(aws, TagResourceType::Hostedzone, unknown.iter().map(|(id, _)| id.clone()).collect()).await?;
        for (id, ownership) in unknown {
            let mut tags = tags.remove(&id).unwrap_or_default();
            let given_up = tags.remove(ABANDONED_TAG).is_some();
            if !tags.contains_key(STACK_TAG) && !given_up {
                tags.extend(ownership.unwrap_or_default());
            }
            own.insert(id, tags);
        }
        own.retain(|_, tags| scope.owns(tags));
        read_zones(aws, own).await
    }

    /// CreateHostedZone accepts no tags. AWS stores the caller reference permanently, so it contains the ownership tags until they are set.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let reference =
            caller_reference(&cx.call.stack, &cx.call.environment, &cx.call.address, &short_token(&cx.call.token), MAX_REFERENCE);
        let config = HostedZoneConfig::builder().comment(&self.comment).private_zone(self.is_private()).build();
        let call = cx.route53.create_hosted_zone().name(self.domain.as_str()).caller_reference(&reference).hosted_zone_config(config);
        let call = call.set_vpc(self.vpcs.first().map(|vpc| zone_vpc(cx, vpc))).set_delegation_set_id(self.delegation_set.clone());
        match call.send().await.map_err(Error::from) {
            Ok(reply) => {
                let zone = reply.hosted_zone.ok_or_else(|| Error::missing_field("HostedZone"))?;
                // The engine sets the tags before it uses this.
                Ok(Created::Complete(observed(cx, zone, reply.delegation_set, reply.vpc.into_iter().collect(), cx.call.tags.clone())))
            }
            // An earlier attempt without a response: AWS rejects the reference instead of returning the zone.
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                let named = cx.route53.list_hosted_zones_by_name().dns_name(self.domain.as_str()).send().await?.hosted_zones;
                let own = named.into_iter().find(|zone| zone.caller_reference == reference);
                own.map(|zone| strip_id_prefix(&zone.id).into()).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DnsZoneChanges) -> Result<()> {
        if changes.comment {
            cx.route53.update_hosted_zone_comment().id(&live.id).comment(&self.comment).send().await?;
        }
        for vpc in self.vpcs.difference(&live.spec.vpcs) {
            cx.route53.associate_vpc_with_hosted_zone().hosted_zone_id(&live.id).vpc(zone_vpc(cx, vpc)).send().await?;
        }
        for vpc in live.spec.vpcs.difference(&self.vpcs) {
            cx.route53.disassociate_vpc_from_hosted_zone().hosted_zone_id(&live.id).vpc(zone_vpc(cx, vpc)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.route53.delete_hosted_zone().id(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    /// The caller reference can't change: a zone that loses its ownership tags gets another tag for this, or `list` would add them again.
    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let mut set = change.set.clone();
        if change.remove.iter().any(|key| key == STACK_TAG) {
            set.insert(ABANDONED_TAG.to_owned(), "yes".to_owned());
        }
        services::route53::retag(aws, &TagChange { set, remove: change.remove.clone(), ..*change }).await
    }

    /// Its parent domain names the servers of one zone only, so that a second one is never asked.
    fn public_names(&self) -> Vec<String> {
        if self.is_private() { Vec::new() } else { vec![self.domain.as_str().to_owned()] }
    }

    fn check(&self) -> Vec<Problem> {
        match (self.private, self.vpcs.is_empty()) {
            (Some(true), true) => {
                vec![Problem::new(Self::POINTERS.private, "a private zone needs at least one VPC").help("add `vpcs: [main]`")]
            }
            (Some(false), false) => {
                vec![Problem::new(Self::POINTERS.private, "a public zone has no VPCs").help("remove `private`, or `vpcs`")]
            }
            _ => Vec::new(),
        }
    }

    fn replaces(&self, live: &Self) -> DnsZoneChanges {
        DnsZoneChanges { vpcs: self.is_private() != live.is_private(), ..DnsZoneChanges::default() }
    }
}

impl DnsZone {
    fn is_private(&self) -> bool {
        self.private.unwrap_or(!self.vpcs.is_empty())
    }
}

/// Ids and tags of the zones that the index shows.
fn indexed_zones(index: &BTreeMap<String, Tags>) -> BTreeMap<String, Tags> {
    let zones = index.iter().filter_map(|(arn, tags)| Some((arn.split_once(":hostedzone/")?.1.to_owned(), tags.clone())));
    let mut zones: BTreeMap<String, Tags> = zones.collect();
    for tags in zones.values_mut() {
        tags.remove(ABANDONED_TAG);
    }
    zones
}

/// Reads zones whose tags are known.
async fn read_zones(aws: &Aws, zones: BTreeMap<String, Tags>) -> Result<Vec<Observed<DnsZone>>> {
    for_each_concurrent(zones, |(id, tags)| async move {
        let Some(reply) = ok_or_not_found(aws.route53.get_hosted_zone().id(&id).send().await)? else { return Ok(None) };
        let zone = reply.hosted_zone.ok_or_else(|| Error::missing_field("HostedZone"))?;
        Ok(Some(observed(aws, zone, reply.delegation_set, reply.vpcs.unwrap_or_default(), tags)))
    })
    .await
}

fn observed(aws: &Aws, zone: HostedZone, delegation: Option<DelegationSet>, vpcs: Vec<ZoneVpc>, tags: Tags) -> Observed<DnsZone> {
    let id = strip_id_prefix(&zone.id);
    let vpcs: BTreeSet<_> = vpcs.into_iter().filter_map(|vpc| vpc.vpc_id.map(Ref::to)).collect();
    let spec = DnsZone {
        domain: DnsName::new(&zone.name),
        comment: zone.config.and_then(|config| config.comment).unwrap_or_default(),
        private: Some(!vpcs.is_empty()),
        vpcs,
        delegation_set: delegation.as_ref().and_then(|set| set.id()).map(strip_id_prefix),
    };
    let name_servers = delegation.into_iter().flat_map(|set| set.name_servers).map(|name| DnsName::new(&name).to_string()).collect();
    let outputs = Outputs { arn: arn(aws, &id), name_servers };
    Observed::new(id, tags, spec, outputs)
}

/// `/hostedzone/Z1` → `Z1`.
fn strip_id_prefix(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn arn(aws: &Aws, id: &str) -> String {
    format!("arn:{}:route53:::hostedzone/{id}", partition(&aws.region))
}

fn zone_vpc(cx: &Cx<'_>, vpc: &Ref<Vpc>) -> ZoneVpc {
    ZoneVpc::builder().vpc_region(VpcRegion::from(cx.region.as_str())).vpc_id(vpc.get()).build()
}
