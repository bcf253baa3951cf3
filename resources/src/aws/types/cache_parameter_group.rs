//! `cache_parameter_group`: settings of a cache engine.

mod preflight;

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{CacheParameterGroup as SdkGroup, Parameter, ParameterNameValue};
use serde::Deserializer;

use super::{
    prelude::*,
    rds_parameter_group::parameters::{self, ParameterValue},
};
use crate::core::Tags;

/// Parameters in one call: <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyCacheParameterGroup.html>.
const MAX_PARAMETERS_PER_CALL: usize = 20;

/// Settings of a cache engine.
#[spec]
pub struct CacheParameterGroup {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine and major version, such as `valkey8`, `redis7` or `memcached1.6`.
    #[field(replaces, important, pattern = "(valkey|redis|memcached)[0-9][0-9.x]*")]
    pub family: String,
    /// Description.
    #[field(default = "Managed by acme", replaces)]
    pub description: String,
    /// Engine settings by name, such as `maxmemory-policy`. Some are applied at once, others at the next restart of a node. Removing one resets
    /// it to the engine's default.
    #[field(default, after_create, read_by_name, impact = "some parameters take effect only after the next restart")]
    #[serde(deserialize_with = "texts")]
    #[schemars(with = "BTreeMap<String, ParameterValue>")]
    pub parameters: BTreeMap<String, String>,
}

/// ElastiCache accepts `yes` and `no` for booleans.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    parameters::texts_with("yes", "no", deserializer)
}

impl Resource for CacheParameterGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "cache_parameter_group",
        &services::elasticache::SERVICE,
        "{name}",
        "arn:aws:elasticache:{region}:{account}:parametergroup:{name}",
    )
    .without_charge("settings of caches cost nothing")
    .without_token()
    .quota(300, "CacheParameterGroupQuotaExceeded")
    .not_found("CacheParameterGroupNotFound")
    .already_exists("CacheParameterGroupAlreadyExists")
    .in_use("InvalidCacheParameterGroupState")
    .iam_actions(
        IamActions::new("elasticache:parametergroup:{name}")
            .read(&["elasticache:DescribeCacheParameters", "elasticache:ListTagsForResource"])
            .create(&["elasticache:CreateCacheParameterGroup"])
            .change(&[
                "elasticache:DeleteCacheParameterGroup",
                "elasticache:ModifyCacheParameterGroup",
                "elasticache:ResetCacheParameterGroup",
            ])
            .questions(&["elasticache:DescribeCacheEngineVersions", "elasticache:DescribeEngineDefaultParameters"])
            .grants(&[IamGrant::read(&["elasticache:DescribeCacheParameterGroups"], GrantTarget::Arn("elasticache:parametergroup:*"))]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.elasticache.describe_cache_parameter_groups().max_records(100);
        let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let covered =
            |group: &SdkGroup| scope.covers(group.cache_parameter_group_name().unwrap_or_default(), group.arn().unwrap_or_default());
        for_each_concurrent(groups.into_iter().filter(covered), |group| async move {
            let (name, arn) = (group.cache_parameter_group_name().unwrap_or_default(), group.arn().unwrap_or_default());
            let Some(tags) = services::elasticache::read_tags(aws, scope, name, arn).await? else { return Ok(None) };
            let Some(parameters) = read(aws, name, scope.read_by_name(&tags)).await? else { return Ok(None) };
            observed(group, tags, parameters).map(Some)
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.elasticache.create_cache_parameter_group().set_cache_parameter_group_name(self.name.clone());
        let call = call.cache_parameter_group_family(&self.family).description(&self.description);
        let reply = call.set_tags(Some(services::elasticache::to_tags(&cx.call.tags))).send().await?;
        let tags = cx.call.tags.clone();
        let read = |group| observed(group, tags, BTreeMap::new());
        Created::from_reply(reply.cache_parameter_group, |group| group.cache_parameter_group_name.clone(), read)
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheParameterGroupChanges) -> Result<()> {
        if !changes.parameters {
            return Ok(());
        }
        let before = &live.spec.parameters;
        let parameter = |name: &String, value: Option<&String>| {
            ParameterNameValue::builder().parameter_name(name).set_parameter_value(value.cloned()).build()
        };
        let set = self.parameters.iter().filter(|(name, value)| before.get(*name) != Some(value));
        let set: Vec<_> = set.map(|(name, value)| parameter(name, Some(value))).collect();
        // The value of a parameter that is reset is ignored, but required.
        let reset = before.iter().filter(|(name, _)| !self.parameters.contains_key(*name));
        let reset: Vec<_> = reset.map(|(name, value)| parameter(name, Some(value))).collect();
        for batch in set.chunks(MAX_PARAMETERS_PER_CALL) {
            let call = cx.elasticache.modify_cache_parameter_group().cache_parameter_group_name(&live.id);
            call.set_parameter_name_values(Some(batch.to_vec())).send().await?;
        }
        for batch in reset.chunks(MAX_PARAMETERS_PER_CALL) {
            let call = cx.elasticache.reset_cache_parameter_group().cache_parameter_group_name(&live.id).reset_all_parameters(false);
            call.set_parameter_name_values(Some(batch.to_vec())).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elasticache.delete_cache_parameter_group().cache_parameter_group_name(&live.id).send().await)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        parameters::adoption_obstacle(self.name.as_deref())
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: CacheParameterGroupChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        parameters::check((at.name, self.name.as_deref()), (at.parameters, &self.parameters))
    }
}

/// Parameters that the user set. One with the engine's default may not be reported as set, so if one of `declared` is missing, all are read.
/// `None`: the group was deleted.
async fn read(aws: &Aws, group: &str, declared: impl Iterator<Item = &String>) -> Result<Option<BTreeMap<String, String>>> {
    let name_and_value = |parameter: Parameter| Some((parameter.parameter_name?, parameter.parameter_value?));
    let Some(set) = ok_or_not_found(describe(aws, group, Some("user")).await)? else { return Ok(None) };
    let mut set: BTreeMap<String, String> = set.into_iter().filter_map(name_and_value).collect();
    let missing: Vec<&String> = declared.filter(|name| !set.contains_key(*name)).collect();
    if !missing.is_empty() {
        let all = ok_or_not_found(describe(aws, group, None).await)?.unwrap_or_default();
        set.extend(all.into_iter().filter_map(name_and_value).filter(|(name, _)| missing.contains(&name)));
    }
    Ok(Some(set))
}

/// Parameters of a group, from this source or all.
async fn describe(aws: &Aws, group: &str, source: Option<&str>) -> Result<Vec<Parameter>> {
    let call = aws.elasticache.describe_cache_parameters().cache_parameter_group_name(group).max_records(100);
    let mut pages = call.set_source(source.map(str::to_owned)).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.extend(page?.parameters.unwrap_or_default());
    }
    // Stand-ins ignore the source.
    all.retain(|parameter| source.is_none() || parameter.source().is_none_or(|own| Some(own) == source));
    Ok(all)
}

fn observed(group: SdkGroup, tags: Tags, parameters: BTreeMap<String, String>) -> Result<Observed<CacheParameterGroup>> {
    let name = group.cache_parameter_group_name.ok_or_else(|| Error::missing_field("CacheParameterGroupName"))?;
    let spec = CacheParameterGroup {
        name: Some(name.clone()),
        family: group.cache_parameter_group_family.unwrap_or_default(),
        description: group.description.unwrap_or_default(),
        parameters,
    };
    let arn = group.arn.ok_or_else(|| Error::missing_field("ARN"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }))
}
