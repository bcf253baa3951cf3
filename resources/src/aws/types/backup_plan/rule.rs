//! Rules of a plan.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_backup::types as sdk;

use super::super::{backup_vault::BackupVault, prelude::*};

/// A rule of a plan.
#[spec]
#[derive(PartialEq)]
pub struct BackupRule {
    /// Vault for the backups.
    pub vault: Ref<BackupVault>,
    /// Schedule, such as `cron(0 3 * * ? *)`.
    #[field(length = 1..=256, pattern = r"(cron|rate)\(.+\)")]
    pub schedule: String,
    /// Time zone of the schedule, such as `Europe/Berlin`.
    #[field(default = "Etc/UTC", length = 1..=64)]
    pub timezone: String,
    /// Time within which a job must start, in minutes.
    #[field(default = 480, range = 60..=50_000_000)]
    pub start_window_minutes: i64,
    /// Time within which a job must end, in minutes.
    #[field(default = 10_080, range = 60..=50_000_000)]
    pub completion_window_minutes: i64,
    /// Backs up continuously, so that a restore to any second is possible. For databases of RDS, Aurora, S3 and SAP HANA.
    #[field(default = false)]
    pub continuous: bool,
    /// Age at which backups move to cold storage, in days.
    #[field(unset = "never", range = 1..=36_500, dropped = None)]
    pub cold_after_days: Option<i64>,
    /// Age at which backups are deleted, in days.
    #[field(unset = "never", range = 1..=36_500, dropped = None)]
    pub delete_after_days: Option<i64>,
    /// Moves backups of all services that support cold storage, instead of those that always did.
    #[field(default = false, requires = cold_after_days)]
    pub archive: bool,
    /// Copies in other vaults, which may be in other regions or accounts.
    #[field(default)]
    pub copies: BTreeSet<BackupCopy>,
    /// Tags of the backups.
    #[field(default, length = 0..=50)]
    pub backup_tags: BTreeMap<String, String>,
}

/// A copy of each backup.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupCopy {
    /// ARN of the vault.
    #[field(pattern = "arn:aws[a-z-]*:backup:.+")]
    pub vault: String,
    /// Age at which the copy moves to cold storage, in days.
    #[field(unset = "never", range = 1..=36_500, dropped = None)]
    pub cold_after_days: Option<i64>,
    /// Age at which the copy is deleted, in days.
    #[field(unset = "never", range = 1..=36_500, dropped = None)]
    pub delete_after_days: Option<i64>,
}

/// Lifecycle; `None` keeps backups forever.
fn lifecycle(cold: Option<i64>, delete: Option<i64>, archive: bool) -> Option<sdk::Lifecycle> {
    let lifecycle = sdk::Lifecycle::builder().set_move_to_cold_storage_after_days(cold).set_delete_after_days(delete);
    let lifecycle = lifecycle.set_opt_in_to_archive_for_supported_resources(archive.then_some(true));
    (cold.is_some() || delete.is_some()).then(|| lifecycle.build())
}

/// With the event that deletes backups, which acme does not manage.
fn keep_event(lifecycle: Option<sdk::Lifecycle>, live: Option<&sdk::Lifecycle>) -> Option<sdk::Lifecycle> {
    let event = live.and_then(|live| live.delete_after_event.clone());
    match lifecycle {
        Some(mut lifecycle) => {
            lifecycle.delete_after_event = event;
            Some(lifecycle)
        }
        None => event.map(|event| sdk::Lifecycle::builder().delete_after_event(event).build()),
    }
}

/// Ages at which backups move and are deleted. AWS reports -1 for never.
fn ages(lifecycle: Option<&sdk::Lifecycle>) -> (Option<i64>, Option<i64>) {
    let days = |days: Option<i64>| days.filter(|days| *days > 0);
    lifecycle.map(|lifecycle| (days(lifecycle.move_to_cold_storage_after_days), days(lifecycle.delete_after_days))).unwrap_or_default()
}

impl BackupCopy {
    fn to_sdk(&self) -> Result<sdk::CopyAction> {
        let lifecycle = lifecycle(self.cold_after_days, self.delete_after_days, false);
        Ok(sdk::CopyAction::builder().destination_backup_vault_arn(&self.vault).set_lifecycle(lifecycle).build()?)
    }
    fn from_sdk(copy: sdk::CopyAction) -> BackupCopy {
        let (cold_after_days, delete_after_days) = ages(copy.lifecycle.as_ref());
        BackupCopy { vault: copy.destination_backup_vault_arn, cold_after_days, delete_after_days }
    }
}

impl BackupRule {
    /// With the settings of a live rule that acme does not manage.
    pub(super) fn to_sdk(&self, name: &str, live: Option<&sdk::BackupRule>) -> Result<sdk::BackupRuleInput> {
        let rule = sdk::BackupRuleInput::builder().rule_name(name).target_backup_vault_name(self.vault.get());
        let rule = rule.schedule_expression(&self.schedule).schedule_expression_timezone(&self.timezone);
        let rule = rule.start_window_minutes(self.start_window_minutes).completion_window_minutes(self.completion_window_minutes);
        let rule = rule.set_lifecycle(lifecycle(self.cold_after_days, self.delete_after_days, self.archive));
        let rule = rule.set_enable_continuous_backup(self.continuous.then_some(true));
        let copies = self.copies.iter().map(BackupCopy::to_sdk).collect::<Result<Vec<_>>>()?;
        let tags = (!self.backup_tags.is_empty()).then(|| self.backup_tags.clone().into_iter().collect());
        let rule = rule.set_copy_actions((!copies.is_empty()).then_some(copies)).set_recovery_point_tags(tags);
        let rule = match live {
            Some(live) => rule
                .set_lifecycle(keep_event(lifecycle(self.cold_after_days, self.delete_after_days, self.archive), live.lifecycle.as_ref()))
                .set_target_logically_air_gapped_backup_vault_arn(live.target_logically_air_gapped_backup_vault_arn.clone())
                .set_index_actions(live.index_actions.clone())
                .set_scan_actions(live.scan_actions.clone()),
            None => rule,
        };
        Ok(rule.build()?)
    }

    pub(super) fn from_sdk(rule: sdk::BackupRule) -> (String, BackupRule) {
        let (cold_after_days, delete_after_days) = ages(rule.lifecycle.as_ref());
        let archive = rule.lifecycle.as_ref().and_then(|lifecycle| lifecycle.opt_in_to_archive_for_supported_resources);
        let read = BackupRule {
            vault: Ref::to(rule.target_backup_vault_name),
            schedule: rule.schedule_expression.unwrap_or_default(),
            timezone: rule.schedule_expression_timezone.unwrap_or_else(Self::default_timezone),
            start_window_minutes: rule.start_window_minutes.unwrap_or_else(Self::default_start_window_minutes),
            completion_window_minutes: rule.completion_window_minutes.unwrap_or_else(Self::default_completion_window_minutes),
            continuous: rule.enable_continuous_backup.unwrap_or_default(),
            cold_after_days,
            delete_after_days,
            archive: archive.unwrap_or_default(),
            copies: rule.copy_actions.unwrap_or_default().into_iter().map(BackupCopy::from_sdk).collect(),
            backup_tags: rule.recovery_point_tags.unwrap_or_default().into_iter().collect(),
        };
        (rule.rule_name, read)
    }
}
