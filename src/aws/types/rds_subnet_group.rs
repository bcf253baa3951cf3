//! `rds_subnet_group`: the subnets a database may live in.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subnet::Subnet;
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase, Problem,
        Ref, Result, Scope, Service, Tags, ids, ok_or_not_found,
    },
};

/// The subnets a database may live in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsSubnetGroup {
    /// Name in lower case, unique in account and region. Default: `<stack>-<environment>-<name>`. Changing it replaces the group.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for. Default: `Managed by acme`.
    #[serde(default = "managed")]
    pub description: String,
    /// Its subnets, in at least two availability zones.
    pub subnets: BTreeSet<Ref<Subnet>>,
}

fn managed() -> String {
    "Managed by acme".to_owned()
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The VPC its subnets belong to.
    pub vpc_id: String,
}

impl Resource for RdsSubnetGroup {
    const TYPE: &'static str = "rds_subnet_group";
    const SERVICE: Service = Service::Rds;
    const REPLACE: &'static [&'static str] = &["/name"];
    const NAME: Option<Naming> = Some(Naming { max: 255, lower: true, prefix: "" });
    const ARN: Option<&'static str> = Some("rds:subgrp:");
    const ACTIONS: Actions = Actions::on("rds:subgrp:{name}")
        .read(&["rds:ListTagsForResource"])
        .create(&["rds:CreateDBSubnetGroup"])
        .change(&["rds:DeleteDBSubnetGroup", "rds:ModifyDBSubnetGroup"])
        .more(&[
            Grant::read(&["rds:DescribeDBSubnetGroups"], On::Arn("rds:subgrp:*")),
            // RDS looks at the network with the caller's permissions.
            Grant::change(
                &[
                    "ec2:DescribeAccountAttributes",
                    "ec2:DescribeAvailabilityZones",
                    "ec2:DescribeInternetGateways",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcAttribute",
                    "ec2:DescribeVpcs",
                ],
                On::Everything,
            ),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_db_subnet_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups.into_iter().filter(|group| {
            scope.covers(group.db_subnet_group_name().unwrap_or_default(), group.db_subnet_group_arn().unwrap_or_default())
        });
        each(groups, |group| async move {
            let name = group.db_subnet_group_name.ok_or_else(|| Error::missing("DBSubnetGroupName"))?;
            let arn = group.db_subnet_group_arn.ok_or_else(|| Error::missing("DBSubnetGroupArn"))?;
            let Some(tags) = rds_tags(aws, scope, &name, &arn).await? else { return Ok(None) };
            let subnets = group.subnets.unwrap_or_default();
            Ok(Some(Observed {
                tags,
                phase: Phase::Ready,
                spec: RdsSubnetGroup {
                    name: Some(name.clone()),
                    description: group.db_subnet_group_description.unwrap_or_default(),
                    subnets: subnets.into_iter().filter_map(|subnet| subnet.subnet_identifier).map(Ref::to).collect(),
                },
                outputs: Outputs { arn, vpc_id: group.vpc_id.unwrap_or_default() },
                id: name,
            }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.rds.create_db_subnet_group().set_db_subnet_group_name(self.name.clone());
        let call = call.db_subnet_group_description(&self.description).set_subnet_ids(Some(ids(&self.subnets)));
        let reply = call.set_tags(Some(tags::rds(cx.tags))).send().await?;
        reply.db_subnet_group.and_then(|group| group.db_subnet_group_name).ok_or_else(|| Error::missing("DBSubnetGroupName"))
    }

    /// The subnets are required in every call, and replace those the group has.
    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        if changed.any(&["/subnets", "/description"]) {
            let call = cx.aws.rds.modify_db_subnet_group().db_subnet_group_name(id).db_subnet_group_description(&self.description);
            call.set_subnet_ids(Some(ids(&self.subnets))).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.rds.delete_db_subnet_group().db_subnet_group_name(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.subnets.len() < 2 && !self.subnets.iter().any(|subnet| subnet.get().contains("${")) {
            problems.push(
                Problem::new("/subnets", "a database needs subnets in at least two availability zones")
                    .help("list one subnet of each of two zones or more"),
            );
        }
        if self.name.as_deref() == Some("default") {
            problems.push(Problem::new("/name", "`default` is the name of AWS's own group"));
        }
        problems
    }
}

/// The tags of a group, for which the descriptions have no room. `None`: it is gone, or neither the stack's nor of a wanted name.
pub(super) async fn rds_tags(aws: &Aws, scope: &Scope, name: &str, arn: &str) -> Result<Option<Tags>> {
    let ask = async {
        let reply = ok_or_not_found(aws.rds.list_tags_for_resource().resource_name(arn).send().await)?;
        Ok(reply.map(|reply| tags::from_rds(reply.tag_list())))
    };
    Ok(scope.tags_or(arn, ask).await?.filter(|tags| scope.owns(tags) || scope.wanted.contains(name)))
}
