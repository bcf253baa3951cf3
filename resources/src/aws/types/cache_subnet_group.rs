//! `cache_subnet_group`: the subnets available to caches.

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::CacheSubnetGroup as SdkGroup;

use super::{
    prelude::*,
    rds_subnet_group::{NETWORK_READS, Outputs, reserved_name},
    subnet::Subnet,
};
use crate::core::{Tags, referenced_ids};

/// The subnets available to caches.
#[spec]
pub struct CacheSubnetGroup {
    /// Name in lowercase letters, digits and hyphens; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z0-9-]+", replaces)]
    pub name: Option<String>,
    /// Description.
    #[field(default = "Managed by acme")]
    pub description: String,
    /// Subnets, in as many availability zones as the caches use. Those of another VPC replace the group.
    // ElastiCache keeps a subnet as long as a cache uses it.
    #[field(important, removed_later, length = 1..=20, keeps = "vpc")]
    pub subnets: BTreeSet<Ref<Subnet>>,
}

impl Resource for CacheSubnetGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "cache_subnet_group",
        &services::elasticache::SERVICE,
        "{name}",
        "arn:aws:elasticache:{region}:{account}:subnetgroup:{name}",
    )
    .without_charge("a list of subnets costs nothing")
    .container()
    .without_token()
    .quota(150, "CacheSubnetGroupQuotaExceeded")
    .not_found("CacheSubnetGroupNotFoundFault")
    .already_exists("CacheSubnetGroupAlreadyExists")
    .in_use("CacheSubnetGroupInUse")
    .iam_actions(
        IamActions::new("elasticache:subnetgroup:{name}")
            .read(&["elasticache:ListTagsForResource"])
            .create(&["elasticache:CreateCacheSubnetGroup"])
            .change(&["elasticache:DeleteCacheSubnetGroup", "elasticache:ModifyCacheSubnetGroup"])
            .grants(&[
                IamGrant::read(&["elasticache:DescribeCacheSubnetGroups"], GrantTarget::Arn("elasticache:subnetgroup:*")),
                IamGrant::change(NETWORK_READS, GrantTarget::AllResources),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.elasticache.describe_cache_subnet_groups().max_records(100);
        let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let covered = |group: &SdkGroup| scope.covers(group.cache_subnet_group_name().unwrap_or_default(), group.arn().unwrap_or_default());
        for_each_concurrent(groups.into_iter().filter(covered), |group| async move {
            let (name, arn) = (group.cache_subnet_group_name().unwrap_or_default(), group.arn().unwrap_or_default());
            let tags = services::elasticache::read_tags(aws, scope, name, arn).await?;
            tags.map(|tags| observed(group, tags)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.elasticache.create_cache_subnet_group().set_cache_subnet_group_name(self.name.clone());
        let call = call.cache_subnet_group_description(&self.description).set_subnet_ids(Some(referenced_ids(&self.subnets)));
        let reply = call.set_tags(Some(services::elasticache::to_tags(&cx.call.tags))).send().await?;
        let tags = cx.call.tags.clone();
        Created::from_reply(reply.cache_subnet_group, |group| group.cache_subnet_group_name.clone(), |group| observed(group, tags))
    }

    /// Every call replaces the subnets of the group.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheSubnetGroupChanges) -> Result<()> {
        if changes.subnets || changes.description {
            let call = cx.elasticache.modify_cache_subnet_group().cache_subnet_group_name(&live.id);
            let call = call.cache_subnet_group_description(&self.description);
            call.set_subnet_ids(Some(referenced_ids(&self.subnets))).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elasticache.delete_cache_subnet_group().cache_subnet_group_name(&live.id).send().await)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        (self.name.as_deref() == Some("default")).then(|| "AWS neither changes nor deletes the default subnet group".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        reserved_name(self.name.as_deref(), Self::POINTERS.name).into_iter().collect()
    }
}

fn observed(group: SdkGroup, tags: Tags) -> Result<Observed<CacheSubnetGroup>> {
    let name = group.cache_subnet_group_name.ok_or_else(|| Error::missing_field("CacheSubnetGroupName"))?;
    let subnets = group.subnets.unwrap_or_default();
    let spec = CacheSubnetGroup {
        name: Some(name.clone()),
        description: group.cache_subnet_group_description.unwrap_or_default(),
        subnets: subnets.into_iter().filter_map(|subnet| subnet.subnet_identifier).map(Ref::to).collect(),
    };
    let arn = group.arn.ok_or_else(|| Error::missing_field("ARN"))?;
    Ok(Observed::new(name, tags, spec, Outputs { arn, vpc_id: group.vpc_id.unwrap_or_default() }))
}
