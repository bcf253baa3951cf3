//! `rds_parameter_group`: settings of a database engine.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{ApplyMethod, Filter, Parameter};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::rds_subnet_group::rds_tags;
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase, Problem,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// Parameters in one call: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>.
const BATCH: usize = 20;

/// Settings of a database engine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsParameterGroup {
    /// Name in lower case, unique in account and region. Default: `<stack>-<environment>-<name>`. Changing it replaces the group.
    #[serde(default)]
    pub name: Option<String>,
    /// Engine and major version, such as `postgres16` or `mysql8.0`. Changing it replaces the group.
    pub family: String,
    /// What it is for. Default: `Managed by acme`. Changing it replaces the group.
    #[serde(default = "managed")]
    pub description: String,
    /// Settings of the engine, by name. Dynamic ones apply at once, static ones when the database is next rebooted. One that is no longer
    /// given goes back to the engine's default. Default: none.
    #[serde(default, deserialize_with = "texts")]
    #[schemars(with = "BTreeMap<String, Written>")]
    pub parameters: BTreeMap<String, String>,
}

fn managed() -> String {
    "Managed by acme".to_owned()
}

/// A value as people write it; RDS knows only text, and `1` and `0` for on and off.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
    let text = |value| match value {
        Written::Flag(on) => if on { "1" } else { "0" }.to_owned(),
        Written::Integer(number) => number.to_string(),
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    Ok(written.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for RdsParameterGroup {
    const TYPE: &'static str = "rds_parameter_group";
    const SERVICE: Service = Service::Rds;
    const REPLACE: &'static [&'static str] = &["/name", "/family", "/description"];
    const NAME: Option<Naming> = Some(Naming { max: 255, lower: true, prefix: "" });
    const ARN: Option<&'static str> = Some("rds:pg:");
    const ASKED: Option<&'static str> = Some("/parameters");
    const DISTURBS: &'static [(&'static str, &'static str)] =
        &[("/parameters", "static parameters take effect with the next restart only")];
    const ACTIONS: Actions = Actions::on("rds:pg:{name}")
        .read(&["rds:DescribeDBParameters", "rds:ListTagsForResource"])
        .create(&["rds:CreateDBParameterGroup"])
        .change(&["rds:DeleteDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup"])
        .more(&[Grant::read(&["rds:DescribeDBParameterGroups"], On::Arn("rds:pg:*"))]);
    type Outputs = Outputs;

    /// RDS counts a setting at the engine's own default as nobody's, whoever set it: such a one is read by its name.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_db_parameter_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups.into_iter().filter(|group| {
            scope.covers(group.db_parameter_group_name().unwrap_or_default(), group.db_parameter_group_arn().unwrap_or_default())
        });
        each(groups, |group| async move {
            let name = group.db_parameter_group_name.ok_or_else(|| Error::missing("DBParameterGroupName"))?;
            let arn = group.db_parameter_group_arn.ok_or_else(|| Error::missing("DBParameterGroupArn"))?;
            let call = aws.rds.describe_db_parameters().db_parameter_group_name(&name).source("user").max_records(100);
            let read = async { ok_or_not_found(call.into_paginator().items().send().try_collect().await) };
            let (tags, parameters): (_, Option<Vec<Parameter>>) = tokio::try_join!(rds_tags(aws, scope, &name, &arn), read)?;
            let (Some(tags), Some(parameters)) = (tags, parameters) else {
                return Ok(None);
            };
            let by_user = parameters.into_iter().filter(|parameter| parameter.source().is_none_or(|source| source == "user"));
            let mut parameters: BTreeMap<String, String> = by_user.filter_map(named).collect();
            let at_default: Vec<String> = scope.asked(&tags).filter(|name| !parameters.contains_key(*name)).cloned().collect();
            parameters.extend(described(aws, &name, at_default).await?.into_iter().filter_map(named));
            Ok(Some(Observed {
                tags,
                phase: Phase::Ready,
                spec: RdsParameterGroup {
                    name: Some(name.clone()),
                    family: group.db_parameter_group_family.unwrap_or_default(),
                    description: group.description.unwrap_or_default(),
                    parameters,
                },
                outputs: Outputs { arn },
                id: name,
            }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.rds.create_db_parameter_group().set_db_parameter_group_name(self.name.clone());
        let call = call.db_parameter_group_family(&self.family).description(&self.description);
        let reply = call.set_tags(Some(tags::rds(cx.tags))).send().await?;
        reply.db_parameter_group.and_then(|group| group.db_parameter_group_name).ok_or_else(|| Error::missing("DBParameterGroupName"))
    }

    fn created(&self) -> Self {
        RdsParameterGroup { parameters: BTreeMap::new(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if !changed.has("/parameters") {
            return Ok(());
        }
        let set: Vec<_> = self.parameters.iter().filter(|(name, value)| before.parameters.get(*name) != Some(value)).collect();
        let reset: Vec<_> = before.parameters.keys().filter(|name| !self.parameters.contains_key(*name)).collect();
        let dynamic = dynamic(cx.aws, id, set.iter().map(|(name, _)| *name).chain(reset.iter().copied())).await?;
        let parameter = |name: &String| {
            // AWS refuses to apply a static parameter at once, and takes the later method for any.
            let method = if dynamic.contains(name) { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot };
            Parameter::builder().parameter_name(name).apply_method(method)
        };
        for batch in set.chunks(BATCH) {
            let parameters = batch.iter().map(|(name, value)| parameter(name).parameter_value(*value).build()).collect();
            cx.aws.rds.modify_db_parameter_group().db_parameter_group_name(id).set_parameters(Some(parameters)).send().await?;
        }
        for batch in reset.chunks(BATCH) {
            let parameters = batch.iter().map(|name| parameter(name).build()).collect();
            let call = cx.aws.rds.reset_db_parameter_group().db_parameter_group_name(id).reset_all_parameters(false);
            call.set_parameters(Some(parameters)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.rds.delete_db_parameter_group().db_parameter_group_name(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.as_deref().is_some_and(|name| name.starts_with("default.")) {
            problems.push(Problem::new("/name", "`default.` is the beginning of AWS's own groups"));
        }
        for name in self.parameters.keys().filter(|name| name.chars().any(char::is_uppercase)) {
            problems.push(
                Problem::new(format!("/parameters/{}", name.replace('~', "~0").replace('/', "~1")), "RDS reports names in lower case")
                    .help(format!("write `{}`", name.to_lowercase())),
            );
        }
        problems
    }
}

/// Which of these parameters the engine takes over without a reboot.
async fn dynamic<'a>(aws: &Aws, id: &str, names: impl Iterator<Item = &'a String>) -> Result<BTreeSet<String>> {
    let parameters = described(aws, id, names.cloned().collect()).await?;
    Ok(parameters.into_iter().filter(|p| p.apply_type() == Some("dynamic")).filter_map(|p| p.parameter_name).collect())
}

/// Parameters with these names, whoever set them; none of a group that is gone.
async fn described(aws: &Aws, id: &str, names: Vec<String>) -> Result<Vec<Parameter>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names = Filter::builder().name("parameter-name").set_values(Some(names)).build();
    let call = aws.rds.describe_db_parameters().db_parameter_group_name(id).filters(names).max_records(100);
    Ok(ok_or_not_found(call.into_paginator().items().send().try_collect().await)?.unwrap_or_default())
}

/// Name and value; of a parameter without a value the engine decides.
fn named(parameter: Parameter) -> Option<(String, String)> {
    Some((parameter.parameter_name?, parameter.parameter_value?))
}
