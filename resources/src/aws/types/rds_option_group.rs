//! `rds_option_group`: additional features of a database engine.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{Option as EngineOption, OptionConfiguration, OptionGroup, OptionSetting};

use super::{prelude::*, rds_parameter_group::parameters, rds_subnet_group::rds_tags, security_group::SecurityGroup};
use crate::core::{Tags, referenced_ids};

/// Additional features of a database engine, such as an audit plugin. Databases need a group of their engine and major version.
#[spec]
pub struct RdsOptionGroup {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine.
    #[field(one_of = ["mariadb", "mysql", "postgres"], replaces, important)]
    pub engine: String,
    /// Major version of the engine, such as `8.0`.
    #[field(pattern = "[0-9]+(\\.[0-9]+)?", replaces, important)]
    pub version: String,
    /// Description.
    #[field(default = "Managed by acme", length = 1..=255, replaces)]
    pub description: String,
    /// Options by AWS's name, such as `MARIADB_AUDIT_PLUGIN`.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithOptionGroups.html>
    #[field(default, after_create, important)]
    pub options: BTreeMap<String, EngineFeature>,
    /// Applies changes to all databases of the group immediately; otherwise in the maintenance window of each.
    #[field(default = true, write_only)]
    pub apply_immediately: bool,
}

/// An option of a database engine.
#[spec]
#[derive(PartialEq)]
pub struct EngineFeature {
    /// Version.
    #[field(unset = "AWS's default version", length = 1..=100, dropped(kept, "AWS's choice applies only when the option is added"))]
    pub version: Option<String>,
    /// Port on which the option accepts connections.
    #[field(unset = "the option's port, if it has one", range = 1150..=65_535, dropped(kept, "AWS's choice applies only when the option is added"))]
    pub port: Option<i32>,
    /// Security groups of the port.
    #[field(default)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Settings by AWS's name. AWS keeps the value of a setting that is not named, also if it was named before.
    #[field(default)]
    #[serde(deserialize_with = "parameters::texts")]
    #[schemars(with = "BTreeMap<String, parameters::ParameterValue>")]
    pub settings: BTreeMap<String, String>,
}

impl Resource for RdsOptionGroup {
    const TYPE: TypeInfo = TypeInfo::new("rds_option_group", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:og:{name}")
        .without_charge("settings of databases cost nothing")
        .without_token()
        .quota(20, "OptionGroupQuotaExceededFault")
        .not_found("OptionGroupNotFoundFault")
        .already_exists("OptionGroupAlreadyExistsFault")
        .in_use("InvalidOptionGroupStateFault")
        .iam_actions(
            IamActions::new("rds:og:{name}")
                .read(&["rds:ListTagsForResource"])
                .create(&["rds:CreateOptionGroup"])
                .change(&["rds:DeleteOptionGroup", "rds:ModifyOptionGroup"])
                .blockers(&["rds:DescribeDBSnapshots"])
                .grants(&[IamGrant::read(&["rds:DescribeOptionGroups"], GrantTarget::Arn("rds:og:*"))]),
        );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.rds.describe_option_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let groups = groups
            .into_iter()
            .filter(|group| scope.covers(group.option_group_name().unwrap_or_default(), group.option_group_arn().unwrap_or_default()));
        for_each_concurrent(groups, |group| async move {
            let name = group.option_group_name().unwrap_or_default();
            let tags = rds_tags(aws, scope, name, group.option_group_arn().unwrap_or_default()).await?;
            tags.map(|tags| observed(group, tags)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_option_group().set_option_group_name(self.name.clone()).engine_name(&self.engine);
        let call = call.major_engine_version(&self.version).option_group_description(&self.description);
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let group = reply.option_group.ok_or_else(|| Error::missing_field("OptionGroup"))?;
        let id = group.option_group_name.clone().ok_or_else(|| Error::missing_field("OptionGroupName"))?;
        Ok(Created::from_answer(id, observed(group, cx.call.tags.clone())))
    }

    /// The call adds options, changes named settings of present ones, and removes others.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsOptionGroupChanges) -> Result<()> {
        if !changes.options {
            return Ok(());
        }
        let changed = self.options.iter().filter(|(name, option)| live.spec.options.get(*name) != Some(option));
        let changed: Vec<_> = changed.map(|(name, option)| option.to_sdk(name)).collect();
        let removed: Vec<_> = live.spec.options.keys().filter(|name| !self.options.contains_key(*name)).cloned().collect();
        let call = cx.rds.modify_option_group().option_group_name(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_options_to_include(Some(changed).filter(|options| !options.is_empty()));
        call.set_options_to_remove(Some(removed).filter(|options| !options.is_empty())).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.rds.delete_option_group().option_group_name(&live.id).send().await)
    }

    /// Snapshots keep the group of their database, too.
    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let snapshots = aws.rds.describe_db_snapshots().max_records(100).into_paginator().items().send();
        let snapshots: Vec<_> = snapshots.try_collect().await?;
        let using = snapshots.into_iter().filter(|snapshot| snapshot.option_group_name() == Some(&live.id));
        let names: Vec<String> = using.filter_map(|snapshot| snapshot.db_snapshot_identifier).collect();
        Ok((!names.is_empty()).then(|| format!("snapshots {}", names.join(", "))))
    }

    fn adoption_obstacle(&self) -> Option<String> {
        let is_default = self.name.as_deref().is_some_and(|name| name.starts_with("default:"));
        is_default.then(|| "it is AWS's default group, which can't be changed or deleted".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let mut problems = Vec::new();
        for (name, option) in &self.options {
            let at = at.options.clone().item(name);
            for key in option.settings.keys().filter(|key| key.to_uppercase().contains("PASSWORD")) {
                let at = at.clone().field(EngineFeature::POINTERS.settings).item(key);
                let problem = Problem::new(at, format!("`{key}` is a secret, which definitions must not contain")).hide_value();
                problems.push(problem.help("set it outside acme"));
            }
            if !option.security_groups.is_empty() && option.port.is_none() {
                let at = at.field(EngineFeature::POINTERS.security_groups);
                problems.push(Problem::new(at, "security groups are for an option with a port").help("add `port: …`"));
            }
        }
        problems
    }

    /// AWS reports all settings of an option, named or not.
    fn normalize(&self, live: &mut Self) {
        for (name, option) in &mut live.options {
            let Some(wanted) = self.options.get(name) else { continue };
            option.settings.retain(|key, _| wanted.settings.contains_key(key));
            if wanted.version.is_none() {
                option.version = None;
            }
            if wanted.port.is_none() {
                option.port = None;
            }
        }
    }
}

impl EngineFeature {
    fn to_sdk(&self, name: &str) -> OptionConfiguration {
        let settings = self.settings.iter().map(|(name, value)| OptionSetting::builder().name(name).value(value).build());
        let settings: Vec<_> = settings.collect();
        let groups = referenced_ids(&self.security_groups);
        OptionConfiguration::builder()
            .option_name(name)
            .set_option_version(self.version.clone())
            .set_port(self.port)
            .set_vpc_security_group_memberships(Some(groups).filter(|groups| !groups.is_empty()))
            .set_option_settings(Some(settings).filter(|settings| !settings.is_empty()))
            .build()
    }

    fn from_sdk(option: EngineOption) -> EngineFeature {
        let groups = option.vpc_security_group_memberships.unwrap_or_default().into_iter();
        let settings = option.option_settings.unwrap_or_default().into_iter();
        EngineFeature {
            version: option.option_version.filter(|version| !version.is_empty()),
            port: option.port.filter(|port| *port > 0),
            security_groups: groups.filter_map(|group| group.vpc_security_group_id).map(Ref::to).collect(),
            settings: settings.filter_map(|setting| Some((setting.name?, setting.value.unwrap_or_default()))).collect(),
        }
    }
}

fn observed(group: OptionGroup, tags: Tags) -> Result<Observed<RdsOptionGroup>> {
    let name = group.option_group_name.ok_or_else(|| Error::missing_field("OptionGroupName"))?;
    let options = group.options.unwrap_or_default().into_iter();
    let spec = RdsOptionGroup {
        name: Some(name.clone()),
        engine: group.engine_name.unwrap_or_default(),
        version: group.major_engine_version.unwrap_or_default(),
        description: group.option_group_description.unwrap_or_default(),
        options: options.filter_map(|option| Some((option.option_name.clone()?, EngineFeature::from_sdk(option)))).collect(),
        apply_immediately: true,
    };
    let arn = group.option_group_arn.ok_or_else(|| Error::missing_field("OptionGroupArn"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }))
}
