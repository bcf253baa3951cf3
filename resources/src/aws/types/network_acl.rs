//! `network_acl`: a stateless firewall around subnets, with its rules inside.

mod rule;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{self as ec2, Filter, ResourceType};

pub use rule::{AclAction, AclRule, AclRuleSyntax};

use super::{prelude::*, subnet::Subnet, vpc::Vpc};
use crate::core::ErrorKind;

/// A stateless firewall around subnets: replies to allowed traffic need rules of their own, usually for the ports 1024 to 65535. AWS applies the
/// rule with the lowest number that matches, and denies traffic without a matching rule.
#[spec]
pub struct NetworkAcl {
    /// The VPC it belongs to.
    #[field(replaces)]
    pub vpc: Ref<Vpc>,
    /// Rules for traffic into the subnets. Without any, AWS denies everything.
    // Of the 20 rules per direction and IP version, AWS adds one: <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>.
    #[field(default, after_create, important, entry_quota = 38, impact = "connections that the rules no longer allow are interrupted")]
    #[serde(deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<AclRuleSyntax>")]
    pub ingress: BTreeSet<AclRule>,
    /// Rules for traffic out of the subnets, replies included. Without any, AWS denies everything.
    #[field(default, after_create, important, entry_quota = 38, impact = "connections that the rules no longer allow are interrupted")]
    #[serde(deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<AclRuleSyntax>")]
    pub egress: BTreeSet<AclRule>,
    /// Subnets around which it is. A subnet has one network ACL: by default that of the VPC, which allows everything.
    #[field(default, after_create, important, unique_entries = "subnet")]
    pub subnets: BTreeSet<Ref<Subnet>>,
}

/// Parameters that CreateNetworkAclEntry and ReplaceNetworkAclEntry have in common.
macro_rules! with_entry {
    ($call:expr, $id:expr, $egress:expr, $rule:expr) => {{
        let rule = $rule;
        let (v4, v6) = rule.ranges();
        $call
            .network_acl_id($id)
            .egress($egress)
            .rule_number(rule.number)
            .rule_action(rule.sdk_action())
            .protocol(rule.protocol_number())
            .set_cidr_block(v4)
            .set_ipv6_cidr_block(v6)
            .set_port_range(rule.port_range())
            .set_icmp_type_code(rule.icmp_type_code())
    }};
}

impl Resource for NetworkAcl {
    const TYPE: TypeInfo =
        TypeInfo::new("network_acl", &services::ec2::SERVICE, "acl-{hex17}", "arn:aws:ec2:{region}:{account}:network-acl/{id}")
            .without_charge("rules of networks cost nothing")
            .detached_by(&[Subnet::TYPE.name])
            .takes_over_entries()
            .quota(200, "NetworkAclLimitExceeded")
            .not_found("InvalidNetworkAclID.NotFound")
            .iam_actions(
                IamActions::new("ec2:network-acl/*")
                    .list(&["ec2:DescribeNetworkAcls"])
                    .create(&["ec2:CreateNetworkAcl"])
                    .create_uses(&["vpc"])
                    .change(&[
                        "ec2:CreateNetworkAclEntry",
                        "ec2:DeleteNetworkAcl",
                        "ec2:DeleteNetworkAclEntry",
                        "ec2:ReplaceNetworkAclEntry",
                    ])
                    .grants(&[
                        // Subnets come from the network ACL of the VPC, which has no ownership tags, and return to it.
                        IamGrant::change(&["ec2:ReplaceNetworkAclAssociation"], GrantTarget::Arn("ec2:network-acl/*")),
                        IamGrant::change(&["ec2:ReplaceNetworkAclAssociation"], GrantTarget::Referenced("subnet")),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// Without those of the VPCs, which AWS creates and never deletes.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let acls = aws.ec2.describe_network_acls().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        let acls = acls.try_collect().await?.into_iter().filter(|acl| acl.is_default != Some(true));
        scope.collect_owned(acls.map(|acl| read(aws, acl)))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_network_acl().client_token(&cx.call.token).vpc_id(self.vpc.get());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::NetworkAcl)).send().await?;
        let acl = reply.network_acl.ok_or_else(|| Error::missing_field("NetworkAcl"))?;
        let id = acl.network_acl_id.clone().ok_or_else(|| Error::missing_field("NetworkAclId"))?;
        // Without the account its ARN is not known.
        if acl.owner_id.is_none() {
            return Ok(id.into());
        }
        Ok(Created::from_answer(id, read(cx.api, acl)))
    }

    /// Rules are set before subnets, so that no subnet uses an ACL without its rules.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: NetworkAclChanges) -> Result<()> {
        let Existing { id, spec: before, .. } = live;
        if changes.ingress {
            change_rules(cx, id, false, &before.ingress, &self.ingress).await?;
        }
        if changes.egress {
            change_rules(cx, id, true, &before.egress, &self.egress).await?;
        }
        if changes.subnets {
            let added: BTreeSet<&str> = self.subnets.difference(&before.subnets).map(Ref::get).collect();
            let removed: BTreeSet<&str> = before.subnets.difference(&self.subnets).map(Ref::get).collect();
            move_subnets(cx, id, &self.vpc, &added, &removed).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let call = || cx.ec2.delete_network_acl().network_acl_id(&live.id).send();
        // It has no subnets where these were deleted before it.
        match call().await.map_err(Error::from) {
            Err(error) if error.code == "DependencyViolation" => {}
            answer => return answer.map(|_| Deletion::Requested),
        }
        let subnets = live.spec.subnets.iter().map(Ref::get).collect();
        move_subnets(cx, &live.id, &live.spec.vpc, &BTreeSet::new(), &subnets).await?;
        Deletion::requested(call().await)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = rule::check(&Self::POINTERS.ingress, &self.ingress);
        problems.extend(rule::check(&Self::POINTERS.egress, &self.egress));
        problems
    }
}

fn read(aws: &Aws, acl: ec2::NetworkAcl) -> Result<Observed<NetworkAcl>> {
    let (egress, ingress) = acl.entries.unwrap_or_default().into_iter().partition(|entry| entry.egress == Some(true));
    let rules = |entries: Vec<ec2::NetworkAclEntry>| entries.into_iter().filter_map(AclRule::read).collect::<Result<BTreeSet<_>>>();
    let spec = NetworkAcl {
        vpc: Ref::to(acl.vpc_id.unwrap_or_default()),
        ingress: rules(ingress)?,
        egress: rules(egress)?,
        subnets: acl.associations.into_iter().flatten().filter_map(|association| association.subnet_id).map(Ref::to).collect(),
    };
    let id = acl.network_acl_id.ok_or_else(|| Error::missing_field("NetworkAclId"))?;
    let tags = services::ec2::from_tags(acl.tags.as_deref().unwrap_or_default());
    let arn = services::ec2::arn(&aws.region, &acl.owner_id.unwrap_or_default(), &format!("network-acl/{id}"));
    Ok(Observed::new(id, tags, spec, ArnOutput { arn }))
}

/// Changes the rules of one direction, additions before removals.
async fn change_rules(cx: &Cx<'_>, id: &str, egress: bool, before: &BTreeSet<AclRule>, after: &BTreeSet<AclRule>) -> Result<()> {
    let old: BTreeMap<i32, &AclRule> = before.iter().map(|rule| (rule.number, rule)).collect();
    let new: BTreeSet<i32> = after.iter().map(|rule| rule.number).collect();
    for rule in after {
        match old.get(&rule.number) {
            None => create_entry(cx, id, egress, rule).await?,
            Some(old) if *old != rule => drop(with_entry!(cx.ec2.replace_network_acl_entry(), id, egress, rule).send().await?),
            Some(_) => {}
        }
    }
    for number in old.into_keys().filter(|number| !new.contains(number)) {
        let call = cx.ec2.delete_network_acl_entry().network_acl_id(id).egress(egress).rule_number(number);
        ok_or_not_found(call.send().await)?;
    }
    Ok(())
}

/// Creates an entry. It may exist already, from an earlier attempt that failed at a later call.
async fn create_entry(cx: &Cx<'_>, id: &str, egress: bool, wanted: &AclRule) -> Result<()> {
    let answer = with_entry!(cx.ec2.create_network_acl_entry(), id, egress, wanted).send().await.map_err(Error::from);
    let error = match answer {
        Err(error) if error.code == "NetworkAclEntryAlreadyExists" => error,
        other => return other.map(drop),
    };
    let acls = cx.ec2.describe_network_acls().network_acl_ids(id).send().await?.network_acls.unwrap_or_default();
    let entries = acls.into_iter().flat_map(|acl| acl.entries.unwrap_or_default());
    let mut rules = entries.filter(|entry| entry.egress == Some(egress)).filter_map(AclRule::read);
    if rules.any(|there| there.is_ok_and(|there| there == *wanted)) { Ok(()) } else { Err(error) }
}

/// Gives subnets of the VPC this ACL, and those in `removed` that have it the VPC's own. A subnet always has one, so it changes in one step; the
/// id of the association changes with it. If another change was faster, AWS no longer knows the association, and the engine calls again.
async fn move_subnets(cx: &Cx<'_>, id: &str, vpc: &Ref<Vpc>, added: &BTreeSet<&str>, removed: &BTreeSet<&str>) -> Result<()> {
    let filter = Filter::builder().name("vpc-id").values(vpc.get()).build();
    let acls = cx.ec2.describe_network_acls().filters(filter).into_paginator().items().send().try_collect().await?;
    let default = acls.iter().find(|acl| acl.is_default == Some(true)).and_then(|acl| acl.network_acl_id());
    let associations = acls.iter().flat_map(|acl| acl.associations());
    let (mut found, mut moves) = (BTreeSet::new(), Vec::new());
    for association in associations {
        let Some(subnet) = association.subnet_id() else { continue };
        found.insert(subnet);
        let is_here = association.network_acl_id() == Some(id);
        if added.contains(subnet) && !is_here {
            moves.push((association, id));
        } else if removed.contains(subnet) && is_here {
            moves.push((association, default.ok_or_else(|| Error::missing_field("IsDefault"))?));
        }
    }
    if let Some(missing) = added.iter().find(|subnet| !found.contains(*subnet)) {
        // A new subnet gets its association a moment later.
        let message = format!("no network ACL of {} shows the subnet {missing}", vpc.get());
        return Err(Error::new(ErrorKind::NotYetVisible, "InvalidAssociationID.NotFound", message));
    }
    for (association, target) in moves {
        let call = cx.ec2.replace_network_acl_association().network_acl_id(target);
        call.set_association_id(association.network_acl_association_id.clone()).send().await?;
    }
    Ok(())
}
