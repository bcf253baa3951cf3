//! `security_group`: a firewall around network interfaces, with its rules inside.

pub(super) mod rule;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{self as ec2, Filter, ResourceType};

pub(super) use rule::{Protocol, canonical_protocol};
pub use rule::{Rule, RuleSyntax};
use rule::{allow_all_to, by_plain_rule, permission};

use super::{prelude::*, vpc::Vpc};
use crate::core::Pointer;

/// A firewall around network interfaces. Replies to allowed traffic are always allowed.
#[spec]
pub struct SecurityGroup {
    /// Name, unique in the VPC.
    #[field(name(max = 255, ignore_case), pattern = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+", replaces, unique = "name")]
    pub name: Option<String>,
    /// Description. AWS requires one.
    // Characters: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
    #[field(default = "Managed by acme", replaces, length = 1..=255, pattern = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+")]
    pub description: String,
    /// The VPC it belongs to.
    #[field(replaces, unique = "name")]
    pub vpc: Ref<Vpc>,
    /// Allowed incoming traffic.
    #[field(default, after_create, important)]
    #[serde(deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<RuleSyntax>")]
    #[field(entry_quota = 60)]
    pub ingress: BTreeSet<Rule>,
    /// Allowed outgoing traffic.
    #[field(default = everything(), unset = "everything, to any IPv4 address", after_create, important)]
    #[serde(deserialize_with = "rule::rules")]
    #[schemars(with = "Vec<RuleSyntax>")]
    #[field(entry_quota = 60)]
    pub egress: BTreeSet<Rule>,
}

/// The rule that every new group has: <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>.
fn everything() -> BTreeSet<Rule> {
    allow_all_to("0.0.0.0/0").into_iter().collect()
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Name.
    #[schemars(extend("x-acme-determined" = "{name}"))]
    pub name: String,
}

const DUPLICATE: &str = "InvalidPermission.Duplicate";
const NOT_FOUND: &str = "InvalidPermission.NotFound";

/// Whether the call succeeded: `false` if AWS returns this code.
fn ok_unless_code<T, E: Into<Error>>(code: &str, answer: Result<T, E>) -> Result<bool> {
    match answer.map_err(Into::into) {
        Ok(_) => Ok(true),
        Err(error) if error.code == code => Ok(false),
        Err(error) => Err(error),
    }
}

/// Changes the rules of one direction from `$before` to `$after`: usually at most three calls, additions before removals, so that no
/// traffic is interrupted.
macro_rules! change_rules {
    ($cx:expr, $id:expr, $before:expr, $after:expr, $authorize:ident, $describe:ident, $revoke:ident) => {{
        let (ec2, id, old, new) = (&$cx.ec2, $id, by_plain_rule($before), by_plain_rule($after));
        let permissions = |rules: &mut dyn Iterator<Item = &Rule>| rules.map(|rule| permission(rule, id)).collect::<Vec<_>>();
        let added = permissions(&mut new.iter().filter(|(key, _)| !old.contains_key(key)).map(|(_, rule)| *rule));
        if !added.is_empty() {
            let answer = ec2.$authorize().group_id(id).set_ip_permissions(Some(added.clone())).send().await;
            // AWS rejects all rules if one exists already, from a call without a response or as the `::/0` of an IPv6 VPC.
            if !ok_unless_code(DUPLICATE, answer)? {
                for one in added {
                    ok_unless_code(DUPLICATE, ec2.$authorize().group_id(id).ip_permissions(one).send().await)?;
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
            // AWS revokes no rules if one no longer exists, after an earlier attempt that failed at a later call.
            if !ok_unless_code(NOT_FOUND, answer)? {
                for one in removed {
                    ok_unless_code(NOT_FOUND, ec2.$revoke().group_id(id).ip_permissions(one).send().await)?;
                }
            }
        }
    }};
}

impl Resource for SecurityGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("security_group", &services::ec2::SERVICE, "sg-{hex17}", "arn:aws:ec2:{region}:{account}:security-group/{id}")
            .without_charge("rules of networks cost nothing")
            // Rules may name groups of peered VPCs.
            .spans_networks()
            .always_listed()
            .without_token()
            .quota(25_000, "SecurityGroupLimitExceeded")
            .not_found("InvalidGroup.NotFound")
            .already_exists("InvalidGroup.Duplicate")
            .iam_actions(
                IamActions::new("ec2:security-group/*")
                    .list(&["ec2:DescribeSecurityGroups"])
                    .create(&["ec2:CreateSecurityGroup"])
                    .create_uses(&["vpc"])
                    .change(&[
                        "ec2:AuthorizeSecurityGroupEgress",
                        "ec2:AuthorizeSecurityGroupIngress",
                        "ec2:DeleteSecurityGroup",
                        "ec2:RevokeSecurityGroupEgress",
                        "ec2:RevokeSecurityGroupIngress",
                        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
                        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
                    ])
                    .blockers(&["ec2:DescribeNetworkInterfaces"])
                    .grants(&[IamGrant::change(
                        &["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"],
                        GrantTarget::Arn("ec2:security-group-rule/*"),
                    )]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    fn risks(&self) -> Vec<(Pointer, &'static str)> {
        let risky = self.ingress.iter().enumerate().filter_map(|(index, rule)| Some((index, rule.exposure()?)));
        risky.map(|(index, reason)| (Self::POINTERS.ingress.item(index), reason)).collect()
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut filters = scope.ec2_filters();
        if scope.any_owner {
            filters.push(Filter::builder().name("group-name").set_values(Some(scope.lookup.iter().cloned().collect())).build());
        }
        let groups = aws.ec2.describe_security_groups().set_filters(Some(filters)).into_paginator().items().send();
        scope.collect_owned(groups.try_collect().await?.into_iter().map(|group| read(aws, group)))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_security_group().set_group_name(self.name.clone()).description(&self.description);
        let call =
            call.vpc_id(self.vpc.get()).tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::SecurityGroup));
        let reply = call.send().await?;
        let id = reply.group_id.ok_or_else(|| Error::missing_field("GroupId"))?;
        let Some(arn) = reply.security_group_arn else { return Ok(id.into()) };
        let outputs = Outputs { arn, name: self.name.clone().unwrap_or_default() };
        // The answer repeats nothing of the request, which AWS takes as it is or refuses.
        Ok(Created::Complete(Observed::new(id, cx.call.tags.clone(), self.after_create(), outputs)))
    }

    /// AuthorizeSecurityGroupIngress answers with the rules that it made.
    async fn finish_creation(&self, cx: &Cx<'_>, created: Observed<Self>, changes: SecurityGroupChanges) -> Result<Created<Self>> {
        let id = created.id.as_str();
        if changes.egress {
            let live = Existing { id: created.id, spec: created.spec, version: None };
            self.update(cx, &live, changes).await?;
            return Ok(live.id.into());
        }
        let permissions = by_plain_rule(&self.ingress).into_values().map(|rule| permission(rule, id)).collect();
        let call = cx.ec2.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(permissions));
        let reply = match call.send().await.map_err(Error::from) {
            // An earlier attempt whose answer was lost made some of them.
            Err(error) if error.code == DUPLICATE => {
                self.update(cx, &Existing { id: id.to_owned(), spec: created.spec, version: None }, changes).await?;
                return Ok(created.id.into());
            }
            answer => answer?,
        };
        let ingress: BTreeSet<Rule> =
            reply.security_group_rules.unwrap_or_default().into_iter().flat_map(|rule| rule::read(rule::to_permission(rule), id)).collect();
        let spec = SecurityGroup { ingress, ..created.spec };
        Ok(Created::Complete(Observed { spec, ..created }))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: SecurityGroupChanges) -> Result<()> {
        let Existing { id, spec: before, .. } = live;
        if changes.ingress {
            change_rules!(
                cx,
                id,
                &before.ingress,
                &self.ingress,
                authorize_security_group_ingress,
                update_security_group_rule_descriptions_ingress,
                revoke_security_group_ingress
            );
        }
        if changes.egress {
            change_rules!(
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

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.ec2.delete_security_group().group_id(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    /// Network interfaces that use it, and groups with rules that refer to it.
    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let id = live.id.as_str();
        let mut all = services::ec2::network_interfaces(aws, &[("group-id", id)]).await?;
        for direction in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
            all.extend(services::ec2::security_groups(aws, &[(direction, id)], |group| group.group_id() != Some(id)).await?);
        }
        Ok(services::ec2::join_blockers(all))
    }

    fn adoption_obstacle(&self) -> Option<String> {
        let is_default = self.name.as_deref() == Some("default");
        is_default.then(|| "AWS never deletes the default security group of a VPC, so a stack with it can't be destroyed".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.as_ref().is_some_and(|name| name.starts_with("sg-")) {
            problems.push(Problem::new(Self::POINTERS.name, "the name of a security group cannot start with `sg-`"));
        }
        problems.extend(rule::check(&Self::POINTERS.ingress, &self.ingress));
        problems.extend(rule::check(&Self::POINTERS.egress, &self.egress));
        problems
    }

    /// A group created in a VPC with an IPv6 range also gets a rule that allows everything to `::/0`.
    fn normalize(&self, live: &mut Self) {
        if self.egress == everything() {
            live.egress.retain(|rule| Some(rule) != allow_all_to("::/0").as_ref());
        }
    }
}

fn read(aws: &Aws, group: ec2::SecurityGroup) -> Result<Observed<SecurityGroup>> {
    let id = group.group_id.ok_or_else(|| Error::missing_field("GroupId"))?;
    let (name, owner) = (group.group_name.unwrap_or_default(), group.owner_id.unwrap_or_default());
    let spec = SecurityGroup {
        name: Some(name.clone()),
        description: group.description.unwrap_or_default(),
        vpc: Ref::to(group.vpc_id.unwrap_or_default()),
        ingress: group.ip_permissions.into_iter().flatten().flat_map(|p| rule::read(p, &id)).collect(),
        egress: group.ip_permissions_egress.into_iter().flatten().flat_map(|p| rule::read(p, &id)).collect(),
    };
    let tags = services::ec2::from_tags(group.tags.as_deref().unwrap_or_default());
    let arn = group.security_group_arn.unwrap_or_else(|| services::ec2::arn(&aws.region, &owner, &format!("security-group/{id}")));
    Ok(Observed::new(id, tags, spec, Outputs { arn, name }))
}
