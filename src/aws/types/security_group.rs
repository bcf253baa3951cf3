//! `security_group`: a firewall around network interfaces, with its rules inside.

mod rule;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::ResourceType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use rule::{Rule, WrittenRule};
use rule::{keyed, open, permission, read};

use super::vpc::Vpc;
use crate::{
    aws::{Aws, ec2_arn, groups, holders, interfaces, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase, Problem,
        Ref, Result, Scope, Service, Tags,
    },
};

/// A firewall around network interfaces: what may come in, what may go out. Answers are always let through.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    /// Name, unique in the VPC. Default: made from stack, environment and name. Changing it replaces the group.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for. Default: `Managed by acme`. Changing it replaces the group.
    #[serde(default = "managed")]
    pub description: String,
    /// The VPC it belongs to. Changing it replaces the group.
    pub vpc: Ref<Vpc>,
    /// What may come in. Default: nothing.
    #[serde(default, deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<WrittenRule>")]
    pub ingress: BTreeSet<Rule>,
    /// What may go out. Default: everything, to any IPv4 address.
    #[serde(default = "everything", deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<WrittenRule>")]
    pub egress: BTreeSet<Rule>,
}

fn managed() -> String {
    "Managed by acme".to_owned()
}

/// The rule every group is born with: <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>.
fn everything() -> BTreeSet<Rule> {
    open("0.0.0.0/0").into_iter().collect()
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Name.
    pub name: String,
}

const DUPLICATE: &str = "InvalidPermission.Duplicate";
const NOT_FOUND: &str = "InvalidPermission.NotFound";

/// Whether it was done; not where AWS answers with this code.
fn unless<T, E: Into<Error>>(code: &str, answer: Result<T, E>) -> Result<bool> {
    match answer.map_err(Into::into) {
        Ok(_) => Ok(true),
        Err(error) if error.code == code => Ok(false),
        Err(error) => Err(error),
    }
}

/// Brings one direction's rules from `$before` to `$after`: at most three calls, additions before removals so that no traffic is cut off.
macro_rules! bring {
    ($cx:expr, $id:expr, $before:expr, $after:expr, $authorize:ident, $describe:ident, $revoke:ident) => {{
        let (ec2, id, old, new) = (&$cx.aws.ec2, $id, keyed($before), keyed($after));
        let permissions = |rules: &mut dyn Iterator<Item = &Rule>| rules.map(|rule| permission(rule, id)).collect::<Vec<_>>();
        let added = permissions(&mut new.iter().filter(|(key, _)| !old.contains_key(key)).map(|(_, rule)| *rule));
        if !added.is_empty() {
            let answer = ec2.$authorize().group_id(id).set_ip_permissions(Some(added.clone())).send().await;
            // One rule that is there already makes AWS refuse them all: a lost answer, or the `::/0` of an IPv6 VPC.
            if !unless(DUPLICATE, answer)? {
                for one in added {
                    unless(DUPLICATE, ec2.$authorize().group_id(id).ip_permissions(one).send().await)?;
                }
            }
        }
        let described =
            permissions(&mut new.iter().filter(|(key, rule)| old.get(key).is_some_and(|old| old != *rule)).map(|(_, rule)| *rule));
        if !described.is_empty() {
            ec2.$describe().group_id(id).set_ip_permissions(Some(described)).send().await?;
        }
        let removed = permissions(&mut old.keys().filter(|key| !new.contains_key(key)));
        if !removed.is_empty() {
            let answer = ec2.$revoke().group_id(id).set_ip_permissions(Some(removed.clone())).send().await;
            // One rule that is gone already makes AWS revoke none: an earlier try, of which something after it failed.
            if !unless(NOT_FOUND, answer)? {
                for one in removed {
                    unless(NOT_FOUND, ec2.$revoke().group_id(id).ip_permissions(one).send().await)?;
                }
            }
        }
    }};
}

impl Resource for SecurityGroup {
    const TYPE: &'static str = "security_group";
    const SERVICE: Service = Service::Ec2;
    const REPLACE: &'static [&'static str] = &["/name", "/description", "/vpc"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/vpc", "/name"]];
    const NAME: Option<Naming> = Some(Naming { max: 255, lower: false, prefix: "" });
    const ACTIONS: Actions = Actions::on("ec2:security-group/*")
        .list(&["ec2:DescribeSecurityGroups"])
        .create(&["ec2:CreateSecurityGroup"])
        .change(&[
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:DeleteSecurityGroup",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ])
        .more(&[
            Grant::change(&["ec2:CreateSecurityGroup"], On::Used("vpc")),
            Grant::change(&["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"], On::Arn("ec2:security-group-rule/*")),
            Grant::change(&["ec2:DescribeNetworkInterfaces"], On::Everything),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        let mut pages = aws.ec2.describe_security_groups().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for group in page?.security_groups.unwrap_or_default() {
                let tags = tags::from_ec2(group.tags.as_deref().unwrap_or_default());
                if scope.owns(&tags) {
                    found.push(observed(aws, group, tags)?);
                }
            }
        }
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.create_security_group().set_group_name(self.name.clone()).description(&self.description);
        let call = call.vpc_id(self.vpc.get()).tag_specifications(tags::ec2_specification(cx.tags, ResourceType::SecurityGroup));
        call.send().await?.group_id.ok_or_else(|| Error::missing("GroupId"))
    }

    fn created(&self) -> Self {
        SecurityGroup { ingress: BTreeSet::new(), egress: everything(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if changed.has("/ingress") {
            bring!(
                cx,
                id,
                &before.ingress,
                &self.ingress,
                authorize_security_group_ingress,
                update_security_group_rule_descriptions_ingress,
                revoke_security_group_ingress
            );
        }
        if changed.has("/egress") {
            bring!(
                cx,
                id,
                &before.egress,
                &self.egress,
                authorize_security_group_egress,
                update_security_group_rule_descriptions_egress,
                revoke_security_group_egress
            );
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.ec2.delete_security_group().group_id(id).send().await?;
        Ok(())
    }

    /// Network interfaces carry it, and rules of other groups name it.
    async fn held_by(aws: &Aws, id: &str, _: &Self) -> Result<Option<String>> {
        let mut all = interfaces(aws, &[("group-id", id)]).await?;
        for direction in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
            all.extend(groups(aws, &[(direction, id)], |group| group.group_id() != Some(id)).await?);
        }
        Ok(holders(all))
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.as_ref().is_some_and(|name| name.starts_with("sg-")) {
            problems.push(Problem::new("/name", "the name of a security group cannot start with `sg-`"));
        }
        problems.extend(rule::check_description("/description", &self.description));
        problems.extend(rule::check("/ingress", &self.ingress));
        problems.extend(rule::check("/egress", &self.egress));
        problems
    }

    /// A group born in a VPC with an IPv6 range may also send everything to `::/0`, which nobody wrote.
    fn align(&self, live: &mut Self) {
        if self.egress == everything() {
            live.egress.retain(|rule| Some(rule) != open("::/0").as_ref());
        }
    }
}

fn observed(aws: &Aws, group: aws_sdk_ec2::types::SecurityGroup, tags: Tags) -> Result<Observed<SecurityGroup>> {
    let id = group.group_id.ok_or_else(|| Error::missing("GroupId"))?;
    let (name, owner) = (group.group_name.unwrap_or_default(), group.owner_id.unwrap_or_default());
    Ok(Observed {
        tags,
        phase: Phase::Ready,
        spec: SecurityGroup {
            name: Some(name.clone()),
            description: group.description.unwrap_or_default(),
            vpc: Ref::to(group.vpc_id.unwrap_or_default()),
            ingress: group.ip_permissions.into_iter().flatten().flat_map(|p| read(p, &id)).collect(),
            egress: group.ip_permissions_egress.into_iter().flatten().flat_map(|p| read(p, &id)).collect(),
        },
        outputs: Outputs {
            arn: group.security_group_arn.unwrap_or_else(|| ec2_arn(&aws.region, &owner, &format!("security-group/{id}"))),
            name,
        },
        id,
    })
}
