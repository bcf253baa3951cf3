//! `dms_subnet_group`: the subnets available to replication instances.

use std::collections::BTreeSet;

use aws_sdk_databasemigration::types::ReplicationSubnetGroup;

use super::{
    prelude::*,
    rds_subnet_group::{NETWORK_READS, Outputs, reserved_name, too_few_subnets},
    subnet::{Subnet, single_zone},
};
use crate::core::{Prerequisite, Tags, referenced_ids};

/// The subnets available to replication instances of Database Migration Service (DMS).
#[spec]
pub struct DmsSubnetGroup {
    /// Name in lowercase letters, digits, `.`, `_`, `-` and spaces; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z0-9._ -]+", replaces)]
    pub name: Option<String>,
    /// Description.
    #[field(default = "Managed by acme", length = 1..=255)]
    pub description: String,
    /// Subnets in at least two availability zones. Those of another VPC replace the group.
    // DMS keeps a subnet as long as an instance uses it.
    #[field(important, removed_later, keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
}

impl Resource for DmsSubnetGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("dms_subnet_group", &services::dms::SERVICE, "{name}", "arn:aws:dms:{region}:{account}:subgrp:{name}")
            .without_charge("a list of subnets costs nothing")
            .container()
            .without_token()
            .quota(60, "ResourceQuotaExceededFault")
            .iam_actions(
                IamActions::new("dms:subgrp:{name}")
                    .list(&["dms:DescribeReplicationSubnetGroups"])
                    .read(&["dms:ListTagsForResource"])
                    .create(&["dms:CreateReplicationSubnetGroup"])
                    .change(&["dms:DeleteReplicationSubnetGroup", "dms:ModifyReplicationSubnetGroup"])
                    .grants(&[IamGrant::change(NETWORK_READS, GrantTarget::AllResources)]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// Descriptions have neither ARNs nor tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.dms.describe_replication_subnet_groups().max_records(100);
        let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
        let groups: Vec<_> = pages.into_iter().filter_map(|page| page.replication_subnet_groups).flatten().collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let account = aws.account().await?;
        let named: Vec<(String, String)> = groups.iter().map(|group| name_and_arn(aws, &account, group)).collect();
        let tags = services::dms::read_tags(aws, scope, &named).await?;
        let found = groups.into_iter().zip(named).filter_map(|(group, (_, arn))| Some((group, tags.get(&arn)?.clone(), arn)));
        found.map(|(group, tags, arn)| observed(group, tags, arn)).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.dms.create_replication_subnet_group().set_replication_subnet_group_identifier(self.name.clone());
        let call = call.replication_subnet_group_description(&self.description).set_subnet_ids(Some(referenced_ids(&self.subnets)));
        let reply = call.set_tags(Some(services::dms::to_tags(&cx.call.tags))).send().await?;
        let name = reply.replication_subnet_group.and_then(|group| group.replication_subnet_group_identifier);
        name.map(Created::Id).ok_or_else(|| Error::missing_field("ReplicationSubnetGroupIdentifier"))
    }

    /// Every call replaces the subnets of the group.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DmsSubnetGroupChanges) -> Result<()> {
        if changes.subnets || changes.description {
            let call = cx.dms.modify_replication_subnet_group().replication_subnet_group_identifier(&live.id);
            let call = call.replication_subnet_group_description(&self.description);
            call.set_subnet_ids(Some(referenced_ids(&self.subnets))).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let call = cx.dms.delete_replication_subnet_group().replication_subnet_group_identifier(&live.id);
        Deletion::requested(call.send().await)
    }

    fn prerequisites(&self) -> Vec<Prerequisite> {
        vec![services::dms::VPC_ROLE]
    }

    fn check(&self) -> Vec<Problem> {
        let subnets = too_few_subnets(&self.subnets, Self::POINTERS.subnets, "a replication instance");
        subnets.into_iter().chain(reserved_name(self.name.as_deref(), Self::POINTERS.name)).collect()
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(group) = declared.spec() else { return Vec::new() };
        single_zone(declared, Self::POINTERS.subnets, &group.subnets, "a replication instance").into_iter().collect()
    }
}

fn name_and_arn(aws: &Aws, account: &str, group: &ReplicationSubnetGroup) -> (String, String) {
    let name = group.replication_subnet_group_identifier().unwrap_or_default();
    let arn = format!("arn:{}:dms:{}:{account}:subgrp:{name}", partition(&aws.region), aws.region);
    (name.to_owned(), arn)
}

fn observed(group: ReplicationSubnetGroup, tags: Tags, arn: String) -> Result<Observed<DmsSubnetGroup>> {
    let name = group.replication_subnet_group_identifier.ok_or_else(|| Error::missing_field("ReplicationSubnetGroupIdentifier"))?;
    let subnets = group.subnets.unwrap_or_default();
    let spec = DmsSubnetGroup {
        name: Some(name.clone()),
        description: group.replication_subnet_group_description.unwrap_or_default(),
        subnets: subnets.into_iter().filter_map(|subnet| subnet.subnet_identifier).map(Ref::to).collect(),
    };
    Ok(Observed::new(name, tags, spec, Outputs { arn, vpc_id: group.vpc_id.unwrap_or_default() }))
}
