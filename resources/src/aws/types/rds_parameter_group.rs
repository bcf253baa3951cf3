//! `rds_parameter_group`: settings of a database engine.

mod preflight;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_rds::types::{ApplyMethod, DbParameterGroup, Filter, Parameter};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::rds_subnet_group::rds_tags;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Problem, Questions, Resource, Result,
        Scope, Tags, TypeInfo, ok_or_not_found,
    },
};

/// Parameters in one call: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>.
const MAX_PARAMETERS_PER_CALL: usize = 20;

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
    #[serde(deserialize_with = "texts")]
    #[schemars(with = "BTreeMap<String, ParameterValue>")]
    pub parameters: BTreeMap<String, String>,
}

/// Value as written by users; RDS accepts only text, and `1` and `0` for booleans.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum ParameterValue {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let written = BTreeMap::<String, ParameterValue>::deserialize(deserializer)?;
    let text = |value| match value {
        ParameterValue::Flag(on) => if on { "1" } else { "0" }.to_owned(),
        ParameterValue::Integer(number) => number.to_string(),
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => text,
    };
    Ok(written.into_iter().map(|(name, value)| (name, text(value))).collect())
}

impl Resource for RdsParameterGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("rds_parameter_group", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:pg:{name}")
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

    /// RDS never reports a setting at the engine's default as set by the user, so such a setting is read by name.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_db_parameter_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups.into_iter().filter(|group| {
            scope.covers(group.db_parameter_group_name().unwrap_or_default(), group.db_parameter_group_arn().unwrap_or_default())
        });
        for_each_concurrent(groups, |group| async move {
            let name = group.db_parameter_group_name().unwrap_or_default();
            let arn = group.db_parameter_group_arn().unwrap_or_default();
            let call = aws.rds.describe_db_parameters().db_parameter_group_name(name).source("user").max_records(100);
            let read = async { ok_or_not_found(call.into_paginator().items().send().try_collect().await) };
            let (tags, parameters): (_, Option<Vec<Parameter>>) = tokio::try_join!(rds_tags(aws, scope, name, arn), read)?;
            let (Some(tags), Some(parameters)) = (tags, parameters) else {
                return Ok(None);
            };
            let by_user = parameters.into_iter().filter(|parameter| parameter.source().is_none_or(|source| source == "user"));
            let mut parameters: BTreeMap<String, String> = by_user.filter_map(name_and_value).collect();
            let at_default: Vec<String> = scope.read_by_name(&tags).filter(|name| !parameters.contains_key(*name)).cloned().collect();
            parameters.extend(describe_parameters(aws, name, at_default).await?.into_iter().filter_map(name_and_value));
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
        let (id, before) = (&live.id, &live.spec.parameters);
        let set: Vec<_> = self.parameters.iter().filter(|(name, value)| before.get(*name) != Some(value)).collect();
        let reset: Vec<_> = before.keys().filter(|name| !self.parameters.contains_key(*name)).collect();
        let dynamic = dynamic_parameters(cx.api, id, set.iter().map(|(name, _)| *name).chain(reset.iter().copied())).await?;
        let parameter = |name: &String| {
            // AWS can't apply a static parameter immediately, but accepts the later method for every parameter.
            let method = if dynamic.contains(name) { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot };
            Parameter::builder().parameter_name(name).apply_method(method)
        };
        for batch in set.chunks(MAX_PARAMETERS_PER_CALL) {
            let parameters = batch.iter().map(|(name, value)| parameter(name).parameter_value(*value).build()).collect();
            cx.rds.modify_db_parameter_group().db_parameter_group_name(id).set_parameters(Some(parameters)).send().await?;
        }
        for batch in reset.chunks(MAX_PARAMETERS_PER_CALL) {
            let parameters = batch.iter().map(|name| parameter(name).build()).collect();
            let call = cx.rds.reset_db_parameter_group().db_parameter_group_name(id).reset_all_parameters(false);
            call.set_parameters(Some(parameters)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.rds.delete_db_parameter_group().db_parameter_group_name(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    fn adoption_obstacle(&self) -> Option<String> {
        let is_default = self.name.as_deref().is_some_and(|name| name.starts_with("default."));
        is_default.then(|| "AWS neither changes nor deletes a default parameter group".to_owned())
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: RdsParameterGroupChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.as_deref().is_some_and(|name| name.starts_with("default.")) {
            problems.push(Problem::new(Self::POINTERS.name, "the prefix `default.` is reserved for AWS"));
        }
        for name in self.parameters.keys().filter(|name| name.chars().any(char::is_uppercase)) {
            problems.push(
                Problem::new(Self::POINTERS.parameters.item(name), "RDS reports names in lowercase letters")
                    .help(format!("write `{}`", name.to_lowercase())),
            );
        }
        problems
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

/// Names of parameters that the engine applies without a restart.
async fn dynamic_parameters<'a>(aws: &Aws, id: &str, names: impl Iterator<Item = &'a String>) -> Result<BTreeSet<String>> {
    let parameters = describe_parameters(aws, id, names.cloned().collect()).await?;
    Ok(parameters.into_iter().filter(|p| p.apply_type() == Some("dynamic")).filter_map(|p| p.parameter_name).collect())
}

/// Parameters with these names, at any value; none if the group was deleted.
async fn describe_parameters(aws: &Aws, id: &str, names: Vec<String>) -> Result<Vec<Parameter>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names = Filter::builder().name("parameter-name").set_values(Some(names)).build();
    let call = aws.rds.describe_db_parameters().db_parameter_group_name(id).filters(names).max_records(100);
    Ok(ok_or_not_found(call.into_paginator().items().send().try_collect().await)?.unwrap_or_default())
}

/// Name and value; a parameter without a value has the engine's default.
fn name_and_value(parameter: Parameter) -> Option<(String, String)> {
    Some((parameter.parameter_name?, parameter.parameter_value?))
}
