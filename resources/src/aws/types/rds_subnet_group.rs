//! `rds_subnet_group`: the subnets available to databases.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_rds::types::DbSubnetGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subnet::{Subnet, single_zone};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Pointer, Problem, Ref, Resource, Result,
        Scope, Tags, TypeInfo, ok_or_not_found, referenced_ids,
    },
};

/// The subnets available to databases.
#[spec]
pub struct RdsSubnetGroup {
    /// Name in lowercase letters, digits, `.`, `_`, `-` and spaces that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z][a-z0-9._ -]*", replaces)]
    pub name: Option<String>,
    /// Description.
    #[field(default = "Managed by acme")]
    pub description: String,
    /// Subnets in at least two availability zones. Those of another VPC replace the group.
    // RDS answers "The new Subnets are not in the same Vpc as the existing subnet group", and keeps a subnet as long as a
    // database uses it: <https://repost.aws/knowledge-center/rds-db-subnet-group>.
    #[field(important, removed_later, keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
}

/// Outputs of a subnet group.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// VPC of its subnets.
    #[schemars(extend("x-acme-determined" = "{subnet.vpc}"))]
    pub vpc_id: String,
}

impl Resource for RdsSubnetGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("rds_subnet_group", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:subgrp:{name}")
            .without_charge("a list of subnets costs nothing")
            .container()
            .without_token()
            .not_found("DBSubnetGroupNotFoundFault")
            .already_exists("DBSubnetGroupAlreadyExists")
            .in_use("InvalidDBSubnetGroupStateFault")
            .iam_actions(
                IamActions::new("rds:subgrp:{name}")
                    .read(&["rds:ListTagsForResource"])
                    .create(&["rds:CreateDBSubnetGroup"])
                    .change(&["rds:DeleteDBSubnetGroup", "rds:ModifyDBSubnetGroup"])
                    .grants(&[
                        IamGrant::read(&["rds:DescribeDBSubnetGroups"], GrantTarget::Arn("rds:subgrp:*")),
                        IamGrant::change(NETWORK_READS, GrantTarget::AllResources),
                    ]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_db_subnet_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups.into_iter().filter(|group| {
            scope.covers(group.db_subnet_group_name().unwrap_or_default(), group.db_subnet_group_arn().unwrap_or_default())
        });
        for_each_concurrent(groups, |group| async move {
            let name = group.db_subnet_group_name().unwrap_or_default();
            let tags = rds_tags(aws, scope, name, group.db_subnet_group_arn().unwrap_or_default()).await?;
            tags.map(|tags| observed(group, tags)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_db_subnet_group().set_db_subnet_group_name(self.name.clone());
        let call = call.db_subnet_group_description(&self.description).set_subnet_ids(Some(referenced_ids(&self.subnets)));
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let group = reply.db_subnet_group.ok_or_else(|| Error::missing_field("DBSubnetGroup"))?;
        let id = group.db_subnet_group_name.clone().ok_or_else(|| Error::missing_field("DBSubnetGroupName"))?;
        Ok(Created::from_answer(id, observed(group, cx.call.tags.clone())))
    }

    /// Every call requires the subnets, and replaces those of the group.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsSubnetGroupChanges) -> Result<()> {
        if changes.subnets || changes.description {
            let call = cx.rds.modify_db_subnet_group().db_subnet_group_name(&live.id).db_subnet_group_description(&self.description);
            call.set_subnet_ids(Some(referenced_ids(&self.subnets))).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.rds.delete_db_subnet_group().db_subnet_group_name(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(group) = declared.spec() else { return Vec::new() };
        single_zone(declared, Self::POINTERS.subnets, &group.subnets, "a database").into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let subnets = too_few_subnets(&self.subnets, Self::POINTERS.subnets, "a database");
        subnets.into_iter().chain(reserved_name(self.name.as_deref(), Self::POINTERS.name)).collect()
    }
}

/// The problem of a subnet group that can't have subnets in two availability zones; `user` is what needs them.
pub(super) fn too_few_subnets(subnets: &BTreeSet<Ref<Subnet>>, at: Pointer, user: &str) -> Option<Problem> {
    let may_be_several = subnets.len() > 1 || subnets.iter().any(|subnet| subnet.get().contains("${"));
    let problem = || Problem::new(at, format!("{user} needs subnets in at least two availability zones"));
    (!may_be_several).then(|| problem().help("list subnets of at least two zones"))
}

/// The problem of a group with the name of AWS's own one.
pub(super) fn reserved_name(name: Option<&str>, at: Pointer) -> Option<Problem> {
    (name == Some("default")).then(|| Problem::new(at, "the name `default` is reserved for AWS"))
}

/// RDS reads the network with the caller's permissions.
pub(super) const NETWORK_READS: &[&str] = &[
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
];

fn observed(group: DbSubnetGroup, tags: Tags) -> Result<Observed<RdsSubnetGroup>> {
    let name = group.db_subnet_group_name.ok_or_else(|| Error::missing_field("DBSubnetGroupName"))?;
    let subnets = group.subnets.unwrap_or_default();
    let spec = RdsSubnetGroup {
        name: Some(name.clone()),
        description: group.db_subnet_group_description.unwrap_or_default(),
        subnets: subnets.into_iter().filter_map(|subnet| subnet.subnet_identifier).map(Ref::to).collect(),
    };
    let arn = group.db_subnet_group_arn.ok_or_else(|| Error::missing_field("DBSubnetGroupArn"))?;
    Ok(Observed::new(name, tags, spec, Outputs { arn, vpc_id: group.vpc_id.unwrap_or_default() }))
}

/// Tags of a group, which descriptions lack. `None`: it was deleted, or is neither part of the stack nor has a desired name.
pub(super) async fn rds_tags(aws: &Aws, scope: &Scope, name: &str, arn: &str) -> Result<Option<Tags>> {
    let ask = async {
        let reply = ok_or_not_found(aws.rds.list_tags_for_resource().resource_name(arn).send().await)?;
        Ok(reply.map(|reply| services::rds::from_tags(reply.tag_list())))
    };
    Ok(scope.tags_or_fetch(arn, ask).await?.filter(|tags| scope.owns(tags) || scope.lookup.contains(name)))
}
