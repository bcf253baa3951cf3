//! Rules of backup plans.

use super::{
    super::{backup_vault::BackupVault, iam_role::check_trust, prelude::*},
    BackupCopy, BackupPlan, BackupRule, Conditions, Selection,
};
use crate::core::Pointer;

/// Shortest stay in cold storage, in days.
const COLD_DAYS: i64 = 90;
/// Longest retention of a continuous backup, in days.
const CONTINUOUS_DAYS: i64 = 35;

/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html>
pub(super) fn check(plan: &BackupPlan) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, rule) in &plan.rules {
        let at = BackupPlan::POINTERS.rules.item(name);
        problems.extend(check_name(at.clone(), name));
        problems.extend(check_ages(at.clone().field(BackupRule::POINTERS.delete_after_days), rule.cold_after_days, rule.delete_after_days));
        for (index, copy) in rule.copies.iter().enumerate() {
            let at = at.clone().field(BackupRule::POINTERS.copies).item(index).field(BackupCopy::POINTERS.delete_after_days);
            problems.extend(check_ages(at, copy.cold_after_days, copy.delete_after_days));
        }
        let is_short = rule.delete_after_days.is_some_and(|days| days <= CONTINUOUS_DAYS);
        if rule.continuous && (!is_short || rule.cold_after_days.is_some()) {
            let message = format!("continuous backups are kept for at most {CONTINUOUS_DAYS} days, and not in cold storage");
            let problem = Problem::new(at.clone().field(BackupRule::POINTERS.continuous), message);
            problems.push(problem.help(format!("set `delete_after_days` to {CONTINUOUS_DAYS} or less, and remove `cold_after_days`")));
        }
        if rule.completion_window_minutes < rule.start_window_minutes + 60 {
            let problem = Problem::new(
                at.field(BackupRule::POINTERS.completion_window_minutes),
                "must be at least one hour longer than `start_window_minutes`",
            );
            problems.push(problem);
        }
    }
    for (name, selection) in &plan.selections {
        let at = BackupPlan::POINTERS.selections.item(name);
        problems.extend(check_name(at.clone(), name));
        let selects = !selection.resources.is_empty() || !selection.tags.is_empty() || selection.conditions != Conditions::default();
        if !selects {
            problems.push(Problem::new(at, "selects nothing").help("add `resources: ['*']`, or `tags: { … }`"));
        }
    }
    problems
}

fn check_name(at: Pointer, name: &str) -> Option<Problem> {
    let is_valid = (1..=50).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (!is_valid).then(|| Problem::new(at, "is not a valid name: use at most 50 letters, digits and `-`, `_`, `.`"))
}

fn check_ages(at: Pointer, cold: Option<i64>, delete: Option<i64>) -> Option<Problem> {
    let (cold, delete) = cold.zip(delete)?;
    let message = || format!("backups stay in cold storage for at least {COLD_DAYS} days");
    (delete < cold + COLD_DAYS).then(|| Problem::new(at, message()).help(format!("use at least {}", cold + COLD_DAYS)))
}

pub(super) fn check_declared(declared: &Declared<'_, BackupPlan>) -> Vec<Problem> {
    let Some(plan) = declared.spec() else { return Vec::new() };
    let mut problems = Vec::new();
    for (name, rule) in &plan.rules {
        let Some((address, vault)) = declared.referenced::<BackupVault, _>(&rule.vault) else { continue };
        let at = || BackupPlan::POINTERS.rules.item(name).field(BackupRule::POINTERS.delete_after_days);
        if let Some(min) = vault.min_retention_days.filter(|min| rule.delete_after_days.is_some_and(|days| days < *min)) {
            let message = format!("`{address}` keeps backups for at least {min} days, so every job would fail");
            problems.push(Problem::new(at(), message).help(format!("use at least {min}")));
        }
        if let Some(max) = vault.max_retention_days.filter(|max| rule.delete_after_days.is_none_or(|days| days > *max)) {
            let message = format!("`{address}` keeps backups for at most {max} days, so every job would fail");
            problems.push(Problem::new(at(), message).help(format!("use at most {max}")));
        }
    }
    let roles = plan.selections.iter().filter_map(|(name, selection)| {
        let at = BackupPlan::POINTERS.selections.item(name).field(Selection::POINTERS.role);
        check_trust(declared, at, &selection.role, "backup.amazonaws.com")
    });
    problems.extend(roles);
    problems
}
