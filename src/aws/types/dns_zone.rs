//! `dns_zone`: a hosted zone of Route 53, public or private to VPCs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53::types::{HostedZone, HostedZoneConfig, ResourceTagSet, TagResourceType, Vpc as ZoneVpc, VpcRegion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::vpc::Vpc;
use crate::{
    aws::{Aws, each, partition, tags},
    core::{
        ADDRESS, Actions, Changed, DnsName, ENVIRONMENT, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed,
        LegacyResource as Resource, On, Phase, Problem, Ref, Result, Retag, STACK, Scope, Service, Sort, Tags, UNMARKED, ok_or_not_found,
    },
};

/// A hosted zone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", deny_unknown_fields)]
#[schemars(!from)]
pub struct DnsZone {
    /// The domain it answers for, such as `shop.example.com`. Changing it replaces the zone.
    pub domain: DnsName,
    /// Comment. Default: none.
    #[serde(default)]
    pub comment: String,
    /// Whether only VPCs see it. Default: whether there are `vpcs`. Changing it replaces the zone.
    #[serde(default)]
    pub private: bool,
    /// VPCs of this region in which a private zone is visible. Default: none. Adding the first and removing the last replaces the
    /// zone.
    #[serde(default)]
    pub vpcs: BTreeSet<Ref<Vpc>>,
    /// Id of the reusable delegation set whose name servers a public zone uses. Changing it replaces the zone.
    #[serde(default)]
    pub delegation_set: Option<String>,
}

/// A zone as it may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    domain: DnsName,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    private: Option<bool>,
    #[serde(default)]
    vpcs: BTreeSet<Ref<Vpc>>,
    #[serde(default)]
    delegation_set: Option<String>,
}

impl From<Written> for DnsZone {
    fn from(Written { domain, comment, private, vpcs, delegation_set }: Written) -> DnsZone {
        DnsZone { private: private.unwrap_or(!vpcs.is_empty()), domain, comment, vpcs, delegation_set }
    }
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Name servers to enter at the parent domain; none for a private zone.
    pub name_servers: Vec<String>,
}

impl Resource for DnsZone {
    const TYPE: &'static str = "dns_zone";
    const SERVICE: Service = Service::Route53;
    const ARN: Option<&'static str> = Some("route53:hostedzone/");
    const WANTED: Option<&'static str> = Some("/domain");
    const REPLACE: &'static [&'static str] = &["/domain", "/private", "/delegation_set"];
    const TAGS_ON_CREATE: bool = false;
    const DISTURBS: &'static [(&'static str, &'static str)] = &[("/vpcs", "a VPC that is left out no longer resolves its names")];
    const ACTIONS: Actions = Actions::on("route53:hostedzone/*")
        .list(&["route53:ListHostedZones"])
        .read(&["route53:GetHostedZone", "route53:ListTagsForResource", "route53:ListTagsForResources"])
        .change(&[
            "route53:AssociateVPCWithHostedZone",
            "route53:DeleteHostedZone",
            "route53:DisassociateVPCFromHostedZone",
            "route53:UpdateHostedZoneComment",
        ])
        // Route 53 looks at the VPCs of a private zone with the caller's permissions.
        .more(&[Grant::change(
            &["ec2:DescribeRegions", "ec2:DescribeVpcs", "route53:CreateHostedZone", "route53:ListHostedZonesByName"],
            On::Everything,
        )]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let zones: Vec<HostedZone> = aws.route53.list_hosted_zones().into_paginator().items().send().try_collect().await?;
        // Route 53 is global and its tags are indexed in us-east-1 only.
        let asked = |domain: &str, arn: &str| match &scope.index {
            Some(_) => scope.covers(domain, arn) || aws.region != "us-east-1",
            None => true,
        };
        let mut own: BTreeMap<String, Tags> = BTreeMap::new();
        let mut unknown = Vec::new();
        for zone in zones.into_iter().filter(|zone| zone.linked_service.is_none()) {
            let (id, marks) = (plain_id(&zone.id), marks(&zone.caller_reference, scope));
            match scope.tags(&arn(aws, &id)) {
                Some(mut tags) => {
                    tags.remove(GIVEN_UP);
                    own.insert(id, tags);
                }
                None if marks.is_some() || asked(DnsName::new(&zone.name).as_str(), &arn(aws, &id)) => unknown.push((id, marks)),
                None => {}
            }
        }
        for some in unknown.chunks(10) {
            let sets = tag_sets(aws, some.iter().map(|(id, _)| id.clone()).collect()).await?;
            for (id, marks) in some {
                let set = sets.iter().find(|set| set.resource_id() == Some(id));
                let mut tags = tags::from_route53(set.map(|set| set.tags()).unwrap_or_default());
                let given_up = tags.remove(GIVEN_UP).is_some();
                if !tags.contains_key(STACK) && !given_up {
                    tags.extend(marks.clone().unwrap_or_default());
                }
                own.insert(id.clone(), tags);
            }
        }
        own.retain(|_, tags| scope.owns(tags));
        each(own, |(id, tags)| async move {
            let Some(reply) = ok_or_not_found(aws.route53.get_hosted_zone().id(&id).send().await)? else { return Ok(None) };
            let zone = reply.hosted_zone.ok_or_else(|| Error::missing("HostedZone"))?;
            let vpcs: BTreeSet<_> = reply.vpcs.unwrap_or_default().into_iter().filter_map(|vpc| vpc.vpc_id.map(Ref::to)).collect();
            let delegation = reply.delegation_set;
            Ok(Some(Observed {
                tags,
                phase: Phase::Ready,
                spec: DnsZone {
                    domain: DnsName::new(&zone.name),
                    comment: zone.config.and_then(|config| config.comment).unwrap_or_default(),
                    private: !vpcs.is_empty(),
                    vpcs,
                    delegation_set: delegation.as_ref().and_then(|set| set.id()).map(plain_id),
                },
                outputs: Outputs {
                    arn: arn(aws, &id),
                    name_servers: delegation.into_iter().flat_map(|set| set.name_servers).map(|n| DnsName::new(&n).to_string()).collect(),
                },
                id,
            }))
        })
        .await
    }

    /// CreateHostedZone takes no tags. Its caller reference is kept for good, so it carries the marks until they are set.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let reference = reference(cx.stack, cx.environment, cx.address, &short(cx.token));
        let config = HostedZoneConfig::builder().comment(&self.comment).private_zone(self.private).build();
        let call = cx.aws.route53.create_hosted_zone().name(self.domain.as_str()).caller_reference(&reference).hosted_zone_config(config);
        let call = call.set_vpc(self.vpcs.first().map(|vpc| zone_vpc(cx, vpc))).set_delegation_set_id(self.delegation_set.clone());
        match call.send().await.map_err(Error::from) {
            Ok(reply) => reply.hosted_zone.map(|zone| plain_id(&zone.id)).ok_or_else(|| Error::missing("HostedZone")),
            // An earlier try whose answer was lost: AWS refuses the reference instead of answering with the zone.
            Err(error) if error.sort == Sort::Exists => {
                let named = cx.aws.route53.list_hosted_zones_by_name().dns_name(self.domain.as_str()).send().await?.hosted_zones;
                named.into_iter().find(|zone| zone.caller_reference == reference).map(|zone| plain_id(&zone.id)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// CreateHostedZone takes one VPC.
    fn created(&self) -> Self {
        DnsZone { vpcs: self.vpcs.first().cloned().into_iter().collect(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if changed.has("/comment") {
            cx.aws.route53.update_hosted_zone_comment().id(id).comment(&self.comment).send().await?;
        }
        for vpc in self.vpcs.difference(&before.vpcs) {
            cx.aws.route53.associate_vpc_with_hosted_zone().hosted_zone_id(id).vpc(zone_vpc(cx, vpc)).send().await?;
        }
        for vpc in before.vpcs.difference(&self.vpcs) {
            cx.aws.route53.disassociate_vpc_from_hosted_zone().hosted_zone_id(id).vpc(zone_vpc(cx, vpc)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.route53.delete_hosted_zone().id(id).send().await?;
        Ok(())
    }

    /// The caller reference stays: a zone whose marks are taken off has to say so, or it would be taken for one that never had any.
    async fn retag(aws: &Aws, change: &Retag<'_>) -> Result<()> {
        let mut set = change.set.clone();
        if change.remove.iter().any(|key| key == STACK) {
            set.insert(GIVEN_UP.to_owned(), "yes".to_owned());
        }
        tags::retag(aws, Self::SERVICE, &Retag { set, remove: change.remove.clone(), ..*change }).await
    }

    fn check(&self) -> Vec<Problem> {
        match (self.private, self.vpcs.is_empty()) {
            (true, true) => vec![Problem::new("/private", "a private zone is seen by at least one VPC").help("add `vpcs: [main]`")],
            (false, false) => vec![Problem::new("/private", "a public zone is for everyone, not for VPCs").help("remove this, or `vpcs`")],
            _ => Vec::new(),
        }
    }
}

/// Tag of a zone that was the stack's and is nobody's now.
const GIVEN_UP: &str = "acme:given-up";

/// Tags of at most ten zones. One that was deleted meanwhile fails the call for all: then they are asked one by one.
async fn tag_sets(aws: &Aws, ids: Vec<String>) -> Result<Vec<ResourceTagSet>> {
    let kind = TagResourceType::Hostedzone;
    let all = aws.route53.list_tags_for_resources().resource_type(kind.clone()).set_resource_ids(Some(ids.clone())).send().await;
    match all.map_err(Error::from) {
        Ok(reply) => Ok(reply.resource_tag_sets),
        Err(error) if matches!(error.sort, Sort::Gone | Sort::Refused) => {
            let ask = |id: String| {
                let call = aws.route53.list_tags_for_resource().resource_type(kind.clone()).resource_id(&id).send();
                async move {
                    let set = ok_or_not_found(call.await)?.and_then(|reply| reply.resource_tag_set);
                    // Not every stand-in repeats the id.
                    Ok(set.map(|set| ResourceTagSet::builder().resource_id(id).set_tags(set.tags).build()))
                }
            };
            each(ids, ask).await
        }
        Err(error) => Err(error),
    }
}

/// Token in the 32 hexadecimal digits that every service takes.
pub(super) fn short(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// `/hostedzone/Z1` → `Z1`.
fn plain_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn arn(aws: &Aws, id: &str) -> String {
    format!("arn:{}:route53:::hostedzone/{id}", partition(&aws.region))
}

fn zone_vpc(cx: &Cx<'_>, vpc: &Ref<Vpc>) -> ZoneVpc {
    ZoneVpc::builder().vpc_region(VpcRegion::from(cx.aws.region.as_str())).vpc_id(vpc.get()).build()
}

/// A caller reference: at most 128 characters. What of the token does not fit is left out; marks that do not fit are set after all.
fn reference(stack: &str, environment: &str, address: &str, token: &str) -> String {
    let marks = format!("acme/{stack}/{environment}/{address}/");
    match 128_usize.saturating_sub(marks.len()) {
        room @ 8.. => format!("{marks}{}", &token[..room.min(token.len())]),
        _ => token.to_owned(),
    }
}

/// The marks in the caller reference of a zone that we made for this stack.
fn marks(reference: &str, scope: &Scope) -> Option<Tags> {
    let rest = reference.strip_prefix(&format!("acme/{}/{}/", scope.stack, scope.environment))?;
    let (address, _) = rest.rsplit_once('/')?;
    let marks = [(STACK, scope.stack.as_str()), (ENVIRONMENT, &scope.environment), (ADDRESS, address), (UNMARKED, "")];
    Some(marks.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_fits_and_carries_the_marks_where_they_do() {
        let token = short("token");
        let scope = Scope { stack: "shop".into(), environment: "production".into(), ..Scope::default() };
        for (name, marked) in [(8, true), (70, true), (99, false)] {
            let address = format!("dns_zone.{}", "z".repeat(name));
            let reference = reference("shop", "production", &address, &token);
            assert!(reference.len() <= 128, "{reference}");
            assert_eq!(marks(&reference, &scope).and_then(|mut marks| marks.remove(ADDRESS)), marked.then_some(address));
        }
    }
}
