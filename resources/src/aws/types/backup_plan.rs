//! `backup_plan`: a plan of Backup, with what it backs up.

mod check;
mod rule;
mod selection;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_backup::types as sdk;

use super::prelude::*;

pub use rule::{BackupCopy, BackupRule};
pub use selection::{Conditions, Selection};

/// A plan of Backup: when to back up, for how long to keep the backups, and what to back up.
///
/// Backup skips resources of services that are not enabled for it in the region (`aws backup describe-region-settings`).
#[spec]
pub struct BackupPlan {
    /// Name.
    #[field(name(max = 50), pattern = "[A-Za-z0-9_.-]+", replaces)]
    pub name: Option<String>,
    /// Rules, by name.
    #[field(length = 1..=10, important)]
    pub rules: BTreeMap<String, BackupRule>,
    /// Options of services, such as `{EC2: {WindowsVSS: enabled}}`.
    #[field(default)]
    pub options: BTreeMap<String, BTreeMap<String, String>>,
    /// Resources to back up, by the name of the selection. A changed selection is created again, then the earlier one is deleted.
    #[field(default, after_create, own_read, important)]
    pub selections: BTreeMap<String, Selection>,
}

impl Resource for BackupPlan {
    const TYPE: TypeInfo =
        TypeInfo::new("backup_plan", &services::backup::SERVICE, "{uuid}", "arn:aws:backup:{region}:{account}:backup-plan:{id}")
            .without_charge("the backups cost, in their vault")
            .deletable_while_in_use()
            .quota(300, "LimitExceededException")
            .iam_actions(
                IamActions::new("backup:backup-plan:*")
                    .list(&["backup:ListBackupPlans"])
                    .read(&["backup:GetBackupPlan", "backup:GetBackupSelection", "backup:ListBackupSelections", "backup:ListTags"])
                    .create(&["backup:CreateBackupPlan"])
                    .change(&[
                        "backup:CreateBackupSelection",
                        "backup:DeleteBackupPlan",
                        "backup:DeleteBackupSelection",
                        "backup:UpdateBackupPlan",
                    ])
                    .grants(&[
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["backup.amazonaws.com"])),
                        IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("backup.amazonaws.com")),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.backup.list_backup_plans().max_results(1000).into_paginator().items().send().try_collect().await?;
        let ours = all.into_iter().filter(|plan| {
            let (id, name, arn) = (plan.backup_plan_id(), plan.backup_plan_name(), plan.backup_plan_arn().unwrap_or_default());
            scope.covers(name.unwrap_or_default(), arn) || scope.covers(id.unwrap_or_default(), arn)
        });
        for_each_concurrent(ours, |plan| read(aws, scope, plan)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.backup.create_backup_plan().backup_plan(self.to_sdk(None)?).creator_request_id(&cx.call.token);
        let reply = call.set_backup_plan_tags(Some(services::backup::to_tags(&cx.call.tags))).send().await?;
        reply.backup_plan_id.map(Created::Id).ok_or_else(|| Error::missing_field("BackupPlanId"))
    }

    /// UpdateBackupPlan replaces all rules, so it repeats the settings that acme does not manage.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: BackupPlanChanges) -> Result<()> {
        if changes.rules || changes.options {
            let plan = cx.backup.get_backup_plan().backup_plan_id(&live.id).send().await?.backup_plan;
            cx.backup.update_backup_plan().backup_plan_id(&live.id).backup_plan(self.to_sdk(plan)?).send().await?;
        }
        if changes.selections {
            selection::update(cx, &live.id, &self.selections).await?;
        }
        Ok(())
    }

    /// A plan can be deleted only without selections.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        selection::delete_all(cx.api, &live.id).await?;
        Deletion::requested(cx.backup.delete_backup_plan().backup_plan_id(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }
}

impl BackupPlan {
    /// With the settings of a live plan that acme does not manage.
    fn to_sdk(&self, live: Option<sdk::BackupPlan>) -> Result<sdk::BackupPlanInput> {
        let (live_rules, scans) = live.map(|live| (live.rules, live.scan_settings)).unwrap_or_default();
        let rules = self.rules.iter().map(|(name, rule)| {
            let live = live_rules.iter().find(|live| live.rule_name == *name);
            rule.to_sdk(name, live)
        });
        let options = self.options.iter().map(|(service, options)| {
            let options = options.clone().into_iter().collect();
            sdk::AdvancedBackupSetting::builder().resource_type(service).set_backup_options(Some(options)).build()
        });
        let plan = sdk::BackupPlanInput::builder().backup_plan_name(self.name.clone().unwrap_or_default());
        let plan = plan.set_rules(Some(rules.collect::<Result<_>>()?)).set_scan_settings(scans);
        Ok(plan.set_advanced_backup_settings((!self.options.is_empty()).then(|| options.collect())).build()?)
    }
}

/// Reads tags, rules and selections, which the list lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, plan: sdk::BackupPlansListMember) -> Result<Option<Observed<BackupPlan>>> {
    let id = plan.backup_plan_id.ok_or_else(|| Error::missing_field("BackupPlanId"))?;
    let arn = plan.backup_plan_arn.ok_or_else(|| Error::missing_field("BackupPlanArn"))?;
    let name = plan.backup_plan_name.unwrap_or_default();
    let tags = scope.tags_or_fetch(&arn, services::backup::tags(aws, &arn)).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let reply = ok_or_not_found(aws.backup.get_backup_plan().backup_plan_id(&id).send().await)?;
    let Some(plan) = reply.filter(|reply| reply.deletion_date.is_none()).and_then(|reply| reply.backup_plan) else { return Ok(None) };
    let selections = match scope.own_reads_to_make::<BackupPlan>(&tags).selections {
        true => match ok_or_not_found(selection::list(aws, &id).await)? {
            Some(all) => all.into_iter().map(|listed| (listed.name, listed.selection)).collect(),
            None => return Ok(None),
        },
        false => BTreeMap::new(),
    };
    let options = plan.advanced_backup_settings.unwrap_or_default().into_iter();
    let options = options.filter_map(|setting| Some((setting.resource_type?, setting.backup_options?.into_iter().collect())));
    let spec = BackupPlan {
        name: Some(name),
        rules: plan.rules.into_iter().map(BackupRule::from_sdk).collect(),
        options: options.collect(),
        selections,
    };
    Ok(Some(Observed::new(id, tags, spec, ArnOutput { arn })))
}
