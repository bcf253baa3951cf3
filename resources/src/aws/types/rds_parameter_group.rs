//! `rds_parameter_group`: settings of a database engine.

pub(super) mod parameters;
pub(super) mod preflight;

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_rds::types::DbParameterGroup;

use self::parameters::OfInstances;
use super::rds_subnet_group::rds_tags;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Problem, Questions, Resource, Result,
        Scope, Tags, TypeInfo,
    },
};

/// Settings of a database engine.
#[spec]
pub struct RdsParameterGroup {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine and major version, such as `postgres16` or `mysql8.0`.
    #[field(replaces, important)]
    pub family: String,
    /// Description.
    #[field(default = "Managed by acme", replaces)]
    pub description: String,
    /// Engine settings by name. Dynamic ones are applied immediately, static ones at the next restart of the database. Removing one resets
    /// it to the engine's default.
    #[field(default, after_create, read_by_name, impact = "static parameters take effect only after the next restart")]
    #[serde(deserialize_with = "parameters::texts")]
    #[schemars(with = "BTreeMap<String, parameters::ParameterValue>")]
    pub parameters: BTreeMap<String, String>,
}

impl Resource for RdsParameterGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("rds_parameter_group", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:pg:{name}")
            .without_charge("settings of databases cost nothing")
            .without_token()
            .not_found("DBParameterGroupNotFound")
            .already_exists("DBParameterGroupAlreadyExists")
            .in_use("InvalidDBParameterGroupState")
            .iam_actions(
                IamActions::new("rds:pg:{name}")
                    .read(&["rds:DescribeDBParameters", "rds:ListTagsForResource"])
                    .create(&["rds:CreateDBParameterGroup"])
                    .change(&["rds:DeleteDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup"])
                    .questions(&["rds:DescribeDBEngineVersions", "rds:DescribeEngineDefaultParameters"])
                    .grants(&[IamGrant::read(&["rds:DescribeDBParameterGroups"], GrantTarget::Arn("rds:pg:*"))]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_db_parameter_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups.into_iter().filter(|group| {
            scope.covers(group.db_parameter_group_name().unwrap_or_default(), group.db_parameter_group_arn().unwrap_or_default())
        });
        for_each_concurrent(groups, |group| async move {
            let name = group.db_parameter_group_name().unwrap_or_default();
            let arn = group.db_parameter_group_arn().unwrap_or_default();
            let Some(tags) = rds_tags(aws, scope, name, arn).await? else { return Ok(None) };
            let Some(parameters) = parameters::read::<OfInstances>(aws, name, scope.read_by_name(&tags)).await? else { return Ok(None) };
            observed(group, tags, parameters).map(Some)
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_db_parameter_group().set_db_parameter_group_name(self.name.clone());
        let call = call.db_parameter_group_family(&self.family).description(&self.description);
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let group = reply.db_parameter_group.ok_or_else(|| Error::missing_field("DBParameterGroup"))?;
        let id = group.db_parameter_group_name.clone().ok_or_else(|| Error::missing_field("DBParameterGroupName"))?;
        Ok(Created::from_answer(id, observed(group, cx.call.tags.clone(), BTreeMap::new())))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsParameterGroupChanges) -> Result<()> {
        if !changes.parameters {
            return Ok(());
        }
        parameters::apply::<OfInstances>(cx.api, &live.id, &live.spec.parameters, &self.parameters).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.rds.delete_db_parameter_group().db_parameter_group_name(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        parameters::adoption_obstacle(self.name.as_deref())
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: RdsParameterGroupChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        parameters::check((at.name, self.name.as_deref()), (at.parameters, &self.parameters))
    }
}

fn observed(group: DbParameterGroup, tags: Tags, parameters: BTreeMap<String, String>) -> Result<Observed<RdsParameterGroup>> {
    let name = group.db_parameter_group_name.ok_or_else(|| Error::missing_field("DBParameterGroupName"))?;
    let spec = RdsParameterGroup {
        name: Some(name.clone()),
        family: group.db_parameter_group_family.unwrap_or_default(),
        description: group.description.unwrap_or_default(),
        parameters,
    };
    let arn = group.db_parameter_group_arn.ok_or_else(|| Error::missing_field("DBParameterGroupArn"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }))
}
