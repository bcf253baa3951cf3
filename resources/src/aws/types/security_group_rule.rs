//! `security_group_rule`: a rule of a security group outside the stack.

use aws_sdk_ec2::types::{self as ec2, ResourceType, SecurityGroupRuleDescription};

use super::{
    prelude::*,
    security_group::{Rule, RuleSyntax, SecurityGroup, rule},
};
use crate::core::Pointer;

/// A rule of a security group outside the stack, such as a database's or that of a cluster. The rules of a group in the stack are fields of
/// [`SecurityGroup`].
#[spec]
pub struct SecurityGroupRule {
    /// The group, which is not in the stack: `{ id: sg-… }`, or `{{ eks_cluster.main.security_group_id }}`.
    #[field(replaces, unique = "rule")]
    pub security_group: Ref<SecurityGroup>,
    /// Direction of the traffic that the rule allows.
    #[field(default, replaces, unique = "rule", important)]
    pub direction: Direction,
    /// Allowed traffic, from or to one source. Another description changes the rule; anything else makes a new one before the old one is
    /// deleted.
    #[serde(deserialize_with = "rule::single")]
    #[schemars(with = "RuleSyntax")]
    #[field(unique = "rule", important)]
    pub rule: Rule,
}

/// Direction of traffic.
#[spec]
#[derive(Copy, Default)]
pub enum Direction {
    /// Incoming traffic.
    #[default]
    Ingress,
    /// Outgoing traffic.
    Egress,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

/// Actions on the group, and on its rule.
const GROUP_ACTIONS: &[&str] = &[
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
];

impl Resource for SecurityGroupRule {
    const TYPE: TypeInfo = TypeInfo::new(
        "security_group_rule",
        &services::ec2::SERVICE,
        "sgr-{hex17}",
        "arn:aws:ec2:{region}:{account}:security-group-rule/{id}",
    )
    .without_charge("rules of networks cost nothing")
    .without_token()
    .not_found("InvalidSecurityGroupRuleId.NotFound")
    .already_exists("InvalidPermission.Duplicate")
    .iam_actions(
        IamActions::new("ec2:security-group-rule/*")
            .list(&["ec2:DescribeSecurityGroupRules"])
            .create(&["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"])
            // The group has no tags of the stack.
            .grants(&[IamGrant::change(GROUP_ACTIONS, GrantTarget::Arn("ec2:security-group/*"))]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    fn risks(&self) -> Vec<(Pointer, &'static str)> {
        let reason = self.rule.exposure().filter(|_| self.direction == Direction::Ingress);
        reason.map(|reason| (Self::POINTERS.rule, reason)).into_iter().collect()
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let rules = aws.ec2.describe_security_group_rules().set_filters(Some(scope.ec2_filters())).into_paginator().items().send();
        scope.collect_owned(rules.try_collect().await?.into_iter().filter_map(|rule| read(aws, rule).transpose()))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let group = self.security_group.get();
        let permission = rule::permission(&self.rule, group);
        let tags = services::ec2::tag_specification(&cx.call.tags, ResourceType::SecurityGroupRule);
        let rules = match self.direction {
            Direction::Ingress => {
                let call = cx.ec2.authorize_security_group_ingress().group_id(group).ip_permissions(permission).tag_specifications(tags);
                call.send().await?.security_group_rules
            }
            Direction::Egress => {
                let call = cx.ec2.authorize_security_group_egress().group_id(group).ip_permissions(permission).tag_specifications(tags);
                call.send().await?.security_group_rules
            }
        };
        let id = rules.into_iter().flatten().find_map(|rule| rule.security_group_rule_id);
        Ok(id.ok_or_else(|| Error::missing_field("SecurityGroupRuleId"))?.into())
    }

    /// Only the description changes.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: SecurityGroupRuleChanges) -> Result<()> {
        let group = live.spec.security_group.get();
        let description = Some(self.rule.description.clone()).filter(|text| !text.is_empty());
        let change = SecurityGroupRuleDescription::builder().security_group_rule_id(&live.id).set_description(description).build();
        match self.direction {
            Direction::Ingress => {
                let call = cx.ec2.update_security_group_rule_descriptions_ingress().group_id(group);
                call.security_group_rule_descriptions(change).send().await?;
            }
            Direction::Egress => {
                let call = cx.ec2.update_security_group_rule_descriptions_egress().group_id(group);
                call.security_group_rule_descriptions(change).send().await?;
            }
        }
        Ok(())
    }

    /// A group that was deleted has no rules.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let group = live.spec.security_group.get();
        match live.spec.direction {
            Direction::Ingress => {
                cx.ec2.revoke_security_group_ingress().group_id(group).security_group_rule_ids(&live.id).send().await?;
            }
            Direction::Egress => {
                cx.ec2.revoke_security_group_egress().group_id(group).security_group_rule_ids(&live.id).send().await?;
            }
        }
        Ok(Deletion::Requested)
    }

    fn replaces(&self, live: &Self) -> SecurityGroupRuleChanges {
        let is_other = rule::without_description(&self.rule) != rule::without_description(&live.rule);
        SecurityGroupRuleChanges { rule: is_other, ..SecurityGroupRuleChanges::default() }
    }

    fn check(&self) -> Vec<Problem> {
        rule::check(&Self::POINTERS.rule, &[self.rule.clone()].into())
    }

    /// A group in the stack would delete the rule, which is not among its own.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let spec = declared.spec();
        let Some((group, _)) = spec.as_ref().and_then(|spec| declared.referenced(&spec.security_group)) else { return Vec::new() };
        let problem =
            Problem::new(Self::POINTERS.security_group, format!("`{group}` is in the stack, so its rules are fields of the group"));
        vec![problem.help(format!("add the rule to `ingress` or `egress` of `{group}`"))]
    }
}

/// `None` for a rule that acme can't express.
fn read(aws: &Aws, found: ec2::SecurityGroupRule) -> Result<Option<Observed<SecurityGroupRule>>> {
    let id = found.security_group_rule_id.clone().ok_or_else(|| Error::missing_field("SecurityGroupRuleId"))?;
    let group = found.group_id.clone().ok_or_else(|| Error::missing_field("GroupId"))?;
    let owner = found.group_owner_id.clone().unwrap_or_default();
    let tags = services::ec2::from_tags(found.tags());
    let arn = found.security_group_rule_arn.clone();
    let arn = arn.unwrap_or_else(|| services::ec2::arn(&aws.region, &owner, &format!("security-group-rule/{id}")));
    let direction = if found.is_egress == Some(true) { Direction::Egress } else { Direction::Ingress };
    let Some(rule) = rule::read(rule::to_permission(found), &group).into_iter().next() else { return Ok(None) };
    Ok(Some(Observed::new(id, tags, SecurityGroupRule { security_group: Ref::to(group), direction, rule }, Outputs { arn })))
}
