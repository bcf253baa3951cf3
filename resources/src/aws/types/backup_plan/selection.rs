//! Selections of a plan: the resources that it backs up.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_backup::types as sdk;

use super::super::{iam_role::IamRole, prelude::*};

/// Resources that a plan backs up: those named by ARN or by a tag, except the excluded ones, that meet all conditions.
#[spec]
#[derive(PartialEq)]
pub struct Selection {
    /// Role that Backup assumes. The policies `service-role/AWSBackupServiceRolePolicyForBackup` and `…ForRestores` allow what it needs.
    pub role: ArnRef<IamRole>,
    /// ARNs, in which `*` stands for any text: `*` alone for all resources, `arn:aws:rds:*:*:db:*` for all databases.
    #[field(default, length = 0..=500)]
    pub resources: BTreeSet<String>,
    /// ARNs of excluded resources.
    #[field(default, length = 0..=500)]
    pub excluded: BTreeSet<String>,
    /// Tags, by key. A resource with any of them is selected.
    #[field(default, length = 0..=30)]
    pub tags: BTreeMap<String, String>,
    /// Conditions on tags, all of which a resource must meet.
    #[field(default)]
    pub conditions: Conditions,
}

/// Conditions on tags, by key.
#[spec]
#[derive(Default, PartialEq)]
pub struct Conditions {
    /// Values.
    #[field(default)]
    pub equals: BTreeMap<String, String>,
    /// Values that are excluded.
    #[field(default)]
    pub not_equals: BTreeMap<String, String>,
    /// Patterns with `*`.
    #[field(default)]
    pub like: BTreeMap<String, String>,
    /// Patterns with `*` that are excluded.
    #[field(default)]
    pub not_like: BTreeMap<String, String>,
}

/// Beginning of the key of a condition on a tag.
const TAG: &str = "aws:ResourceTag/";

/// A selection as Backup has it.
pub(super) struct Listed {
    id: String,
    pub(super) name: String,
    pub(super) selection: Selection,
}

/// Reads all selections of a plan, earlier ones first: names need not be unique.
pub(super) async fn list(aws: &Aws, plan: &str) -> Result<Vec<Listed>> {
    let all: Vec<_> =
        aws.backup.list_backup_selections().backup_plan_id(plan).max_results(1000).into_paginator().items().send().try_collect().await?;
    let mut listed = for_each_concurrent(all, |one| async move {
        let Some(id) = one.selection_id else { return Ok(None) };
        let call = aws.backup.get_backup_selection().backup_plan_id(plan).selection_id(&id);
        let reply = ok_or_not_found(call.send().await)?;
        let created = one.creation_date.map_or(0, |date| date.secs());
        let selection = reply.and_then(|reply| reply.backup_selection);
        Ok(selection
            .map(|selection| (created, Listed { id, name: selection.selection_name.clone(), selection: Selection::from_sdk(selection) })))
    })
    .await?;
    listed.sort_by_key(|(created, _)| *created);
    Ok(listed.into_iter().map(|(_, listed)| listed).collect())
}

/// Creates what is missing, then deletes what is not wanted, so that no resource is without backups in between.
pub(super) async fn update(cx: &Cx<'_>, plan: &str, wanted: &BTreeMap<String, Selection>) -> Result<()> {
    let mut live = list(cx.api, plan).await?;
    for (name, selection) in wanted {
        if let Some(same) = live.iter().position(|live| live.name == *name && live.selection == *selection) {
            live.swap_remove(same);
            continue;
        }
        cx.backup.create_backup_selection().backup_plan_id(plan).backup_selection(selection.to_sdk(name)?).send().await?;
    }
    delete(cx.api, plan, live).await
}

pub(super) async fn delete_all(aws: &Aws, plan: &str) -> Result<()> {
    match ok_or_not_found(list(aws, plan).await)? {
        Some(all) => delete(aws, plan, all).await,
        None => Ok(()),
    }
}

async fn delete(aws: &Aws, plan: &str, selections: Vec<Listed>) -> Result<()> {
    for one in selections {
        ok_or_not_found(aws.backup.delete_backup_selection().backup_plan_id(plan).selection_id(one.id).send().await)?;
    }
    Ok(())
}

impl Selection {
    pub(super) fn to_sdk(&self, name: &str) -> Result<sdk::BackupSelection> {
        let tag = |(key, value): (&String, &String)| {
            let condition = sdk::Condition::builder().condition_type(sdk::ConditionType::Stringequals);
            Ok(condition.condition_key(key).condition_value(value).build()?)
        };
        let tags = self.tags.iter().map(tag).collect::<Result<Vec<_>>>()?;
        let list = |set: &BTreeSet<String>| (!set.is_empty()).then(|| set.iter().cloned().collect());
        let selection = sdk::BackupSelection::builder().selection_name(name).iam_role_arn(self.role.get());
        let selection = selection.set_resources(list(&self.resources)).set_not_resources(list(&self.excluded));
        let selection = selection.set_list_of_tags((!tags.is_empty()).then_some(tags));
        Ok(selection.set_conditions((self.conditions != Conditions::default()).then(|| self.conditions.to_sdk())).build()?)
    }

    pub(super) fn from_sdk(selection: sdk::BackupSelection) -> Selection {
        let set = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().collect();
        let tags = selection.list_of_tags.unwrap_or_default().into_iter();
        Selection {
            role: ArnRef::to(selection.iam_role_arn),
            resources: set(selection.resources),
            excluded: set(selection.not_resources),
            tags: tags.map(|tag| (tag.condition_key, tag.condition_value)).collect(),
            conditions: selection.conditions.map(Conditions::from_sdk).unwrap_or_default(),
        }
    }
}

impl Conditions {
    fn to_sdk(&self) -> sdk::Conditions {
        let list = |tags: &BTreeMap<String, String>| {
            let one = |(key, value): (&String, &String)| {
                sdk::ConditionParameter::builder().condition_key(format!("{TAG}{key}")).condition_value(value).build()
            };
            (!tags.is_empty()).then(|| tags.iter().map(one).collect())
        };
        let conditions = sdk::Conditions::builder().set_string_equals(list(&self.equals));
        let conditions = conditions.set_string_not_equals(list(&self.not_equals)).set_string_like(list(&self.like));
        conditions.set_string_not_like(list(&self.not_like)).build()
    }

    fn from_sdk(conditions: sdk::Conditions) -> Conditions {
        let map = |list: Option<Vec<sdk::ConditionParameter>>| {
            let pair = |one: sdk::ConditionParameter| {
                let key = one.condition_key?;
                Some((key.strip_prefix(TAG).unwrap_or(&key).to_owned(), one.condition_value?))
            };
            list.unwrap_or_default().into_iter().filter_map(pair).collect()
        };
        Conditions {
            equals: map(conditions.string_equals),
            not_equals: map(conditions.string_not_equals),
            like: map(conditions.string_like),
            not_like: map(conditions.string_not_like),
        }
    }
}
