//! `aurora_parameter_group`: settings of an Aurora engine, for all instances of a cluster.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbClusterParameterGroup, Filter, Parameter};

use super::{
    prelude::*,
    rds_parameter_group::{
        parameters::{self, ParameterCalls, all_pages},
        preflight::unknown_family,
    },
    rds_subnet_group::rds_tags,
};
use crate::core::Tags;

/// Settings of an Aurora engine, for all instances of a cluster. Settings of single instances are in an `rds_parameter_group`.
#[spec]
pub struct AuroraParameterGroup {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine and major version, such as `aurora-postgresql16` or `aurora-mysql8.0`.
    #[field(replaces, important, pattern = "aurora-.+")]
    pub family: String,
    /// Description.
    #[field(default = "Managed by acme", replaces)]
    pub description: String,
    /// Engine settings by name. Dynamic ones are applied immediately, static ones at the next restart of each instance. Removing one resets
    /// it to the engine's default.
    #[field(default, after_create, read_by_name, impact = "static parameters take effect only after the next restart")]
    #[serde(deserialize_with = "parameters::texts")]
    #[schemars(with = "BTreeMap<String, parameters::ParameterValue>")]
    pub parameters: BTreeMap<String, String>,
}

impl Resource for AuroraParameterGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("aurora_parameter_group", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:cluster-pg:{name}")
            .without_charge("settings of clusters cost nothing")
            .without_token()
            .not_found("DBParameterGroupNotFound")
            .already_exists("DBParameterGroupAlreadyExists")
            .in_use("InvalidDBParameterGroupState")
            .iam_actions(
                IamActions::new("rds:cluster-pg:{name}")
                    .read(&["rds:DescribeDBClusterParameters", "rds:ListTagsForResource"])
                    .create(&["rds:CreateDBClusterParameterGroup"])
                    .change(&["rds:DeleteDBClusterParameterGroup", "rds:ModifyDBClusterParameterGroup", "rds:ResetDBClusterParameterGroup"])
                    .questions(&["rds:DescribeDBEngineVersions", "rds:DescribeEngineDefaultClusterParameters"])
                    .grants(&[IamGrant::read(&["rds:DescribeDBClusterParameterGroups"], GrantTarget::Arn("rds:cluster-pg:*"))]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = all_pages!(aws.rds.describe_db_cluster_parameter_groups().max_records(100))?;
        let covered = |group: &DbClusterParameterGroup| {
            let arn = group.db_cluster_parameter_group_arn().unwrap_or_default();
            // Neptune, DocumentDB and multi-AZ clusters have such groups, too.
            let is_aurora = group.db_parameter_group_family().is_some_and(|family| family.starts_with("aurora"));
            is_aurora && scope.covers(group.db_cluster_parameter_group_name().unwrap_or_default(), arn)
        };
        for_each_concurrent(groups.into_iter().filter(covered), |group| async move {
            let name = group.db_cluster_parameter_group_name().unwrap_or_default();
            let arn = group.db_cluster_parameter_group_arn().unwrap_or_default();
            let Some(tags) = rds_tags(aws, scope, name, arn).await? else { return Ok(None) };
            let Some(parameters) = parameters::read::<OfClusters>(aws, name, scope.read_by_name(&tags)).await? else { return Ok(None) };
            observed(group, tags, parameters).map(Some)
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_db_cluster_parameter_group().set_db_cluster_parameter_group_name(self.name.clone());
        let call = call.db_parameter_group_family(&self.family).description(&self.description);
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let tags = cx.call.tags.clone();
        let read = |group| observed(group, tags, BTreeMap::new());
        Created::from_reply(reply.db_cluster_parameter_group, |group| group.db_cluster_parameter_group_name.clone(), read)
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AuroraParameterGroupChanges) -> Result<()> {
        if !changes.parameters {
            return Ok(());
        }
        parameters::apply::<OfClusters>(cx.api, &live.id, &live.spec.parameters, &self.parameters).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.rds.delete_db_cluster_parameter_group().db_cluster_parameter_group_name(&live.id).send().await)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        parameters::adoption_obstacle(self.name.as_deref())
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: AuroraParameterGroupChanges) -> Vec<Problem> {
        let family = &self.family;
        if family.contains("${") {
            return Vec::new();
        }
        if changes.family
            && let Some(problem) = unknown_family(questions, Self::POINTERS.family, family).await
        {
            return vec![problem];
        }
        if self.parameters.is_empty() || !(changes.family || changes.parameters) {
            return Vec::new();
        }
        parameters::preflight::<OfClusters>(questions, family, &self.parameters, Self::POINTERS.parameters).await
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        parameters::check((at.name, self.name.as_deref()), (at.parameters, &self.parameters))
    }
}

fn observed(group: DbClusterParameterGroup, tags: Tags, parameters: BTreeMap<String, String>) -> Result<Observed<AuroraParameterGroup>> {
    let name = group.db_cluster_parameter_group_name.ok_or_else(|| Error::missing_field("DBClusterParameterGroupName"))?;
    let spec = AuroraParameterGroup {
        name: Some(name.clone()),
        family: group.db_parameter_group_family.unwrap_or_default(),
        description: group.description.unwrap_or_default(),
        parameters,
    };
    let arn = group.db_cluster_parameter_group_arn.ok_or_else(|| Error::missing_field("DBClusterParameterGroupArn"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }))
}

/// The calls for groups of clusters.
struct OfClusters;

impl ParameterCalls for OfClusters {
    const DEFAULTS_ACTION: &'static str = "rds:DescribeEngineDefaultClusterParameters";

    async fn set_by_user(aws: &Aws, group: &str) -> Result<Vec<Parameter>> {
        all_pages!(aws.rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(group).source("user").max_records(100))
    }
    async fn named(aws: &Aws, group: &str, names: Filter) -> Result<Vec<Parameter>> {
        all_pages!(aws.rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(group).filters(names).max_records(100))
    }
    async fn modify(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> Result<()> {
        let call = aws.rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
        call.set_parameters(Some(parameters)).send().await?;
        Ok(())
    }
    async fn reset(aws: &Aws, group: &str, parameters: Vec<Parameter>) -> Result<()> {
        let call = aws.rds.reset_db_cluster_parameter_group().db_cluster_parameter_group_name(group).reset_all_parameters(false);
        call.set_parameters(Some(parameters)).send().await?;
        Ok(())
    }
    /// RDS has no filter for the parameters of a cluster's family.
    async fn defaults(aws: &Aws, family: &str, _: Option<Filter>) -> Result<Vec<Parameter>> {
        all_pages!(aws.rds.describe_engine_default_cluster_parameters().db_parameter_group_family(family).max_records(100))
    }
}
