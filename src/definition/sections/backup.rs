//! `backup`: vaults and a plan that meet a recovery point objective, and a role for Backup.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Expansion;
use crate::{
    core::{ENVIRONMENT_TAG, OnDelete, STACK_TAG, parse_timeout},
    definition::parse_section,
};

/// Backups of a stack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Recovery point objective: the longest time whose changes may be lost, such as `15m`, `4h` or `24h`. Below one hour, the backups are
    /// continuous, which RDS, Aurora, S3 and SAP HANA support; other resources get an hourly backup. Default: 24h.
    #[serde(default = "default_rpo")]
    pub rpo: String,
    /// Recovery time objective: the longest time that a restore may take. Below 12 hours, backups can't move to cold storage. Default: none.
    #[serde(default)]
    pub rto: Option<String>,
    /// Days after which backups are deleted, from 1 to 36,500. Default: 35.
    #[serde(default = "default_retention")]
    pub retention_days: u16,
    /// Days after which a monthly backup is deleted. Default: no monthly backups.
    #[serde(default)]
    pub monthly_retention_days: Option<u16>,
    /// Days after which a monthly backup moves to cold storage, where it stays for at least 90 days. Default: never.
    #[serde(default)]
    pub monthly_cold_after_days: Option<u16>,
    /// Regions that get a copy of each backup, with the days after which the copy is deleted. Default: none.
    #[serde(default)]
    pub copy_to: BTreeMap<String, CopyTarget>,
    /// Key of the stack that encrypts the vault, by name. Default: `aws/backup`.
    #[serde(default)]
    pub kms_key: Option<Value>,
    /// Lock of the vault: `none`, `governance` or `compliance`, as in `backup_vault`. Default: none.
    #[serde(default)]
    pub lock: Option<String>,
    /// ARNs of the resources to back up, in which `*` stands for any text. Default: all resources of the stack and the environment that
    /// Backup supports.
    #[serde(default)]
    pub resources: BTreeSet<String>,
    /// Tags of the resources to back up. A resource with any of them is selected. Default: see `resources`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// ARNs of excluded resources. Default: none.
    #[serde(default)]
    pub excluded: BTreeSet<String>,
    /// Topic that is notified of failed jobs, by name or ARN. Its policy must allow `backup.amazonaws.com` to publish. Default: none.
    #[serde(default)]
    pub topic: Option<Value>,
    /// Treatment of vaults that hold backups if they are removed from the definition: `retain` or `delete`. Default: acme refuses to delete
    /// them.
    #[serde(default)]
    pub on_delete: Option<OnDelete>,
}

/// Copies in a region.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyTarget {
    /// Days after which a copy is deleted. Default: as the backup.
    #[serde(default)]
    pub retention_days: Option<u16>,
    /// ARN of the key that encrypts the vault in that region. Default: `aws/backup`.
    #[serde(default)]
    pub kms_key: Option<String>,
}

fn default_rpo() -> String {
    "24h".to_owned()
}
fn default_retention() -> u16 {
    35
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// Longest retention of a continuous backup, in days:
/// <https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery.html>.
const LONGEST_CONTINUOUS_DAYS: u16 = 35;
/// Shortest recovery point of a continuous backup, see the same page.
const SHORTEST_RPO: u64 = 5 * MINUTE;
/// Time that a restore from cold storage may take before it starts.
const COLD_STORAGE_DELAY: u64 = 12 * HOUR;

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(backup) = parse_section::<Backup>(out.compiler, value, at, "`backup`") else { return };
    let Some(rpo) = seconds(out, &backup.rpo, &format!("{at}/rpo")) else { return };
    if rpo < SHORTEST_RPO {
        let help = "set 5 minutes or more; for less, replicate the data";
        out.compiler.problem("backup", &format!("{at}/rpo"), "continuous backups are up to 5 minutes old", help);
    }
    check_cold_storage(out, &backup, at);
    add_vaults(out, &backup, at);
    let role = json!({
        "description": "Lets Backup create and restore backups",
        "trust": { "services": ["backup.amazonaws.com"] },
        "policies": [
            "AWSBackupServiceRolePolicyForS3Backup", "AWSBackupServiceRolePolicyForS3Restore",
            "service-role/AWSBackupServiceRolePolicyForBackup", "service-role/AWSBackupServiceRolePolicyForRestores",
        ],
    });
    out.add_generated("iam_role", "backup", role, at);
    let mut selection = json!({ "role": "backup", "resources": backup.resources, "tags": backup.tags, "excluded": backup.excluded });
    if backup.resources.is_empty() && backup.tags.is_empty() {
        selection["resources"] = json!(["*"]);
        selection["conditions"] = json!({ "equals": { STACK_TAG: out.frame.stack, ENVIRONMENT_TAG: out.frame.environment } });
    }
    let plan = json!({ "rules": rules(&backup, rpo), "selections": { "main": selection } });
    if let Some(draft) = out.add_generated("backup_plan", "main", plan, at) {
        draft.pointer_overrides = vec![
            ("/selections/main/resources".into(), format!("{at}/resources")),
            ("/selections/main/tags".into(), format!("{at}/tags")),
            ("/selections/main/excluded".into(), format!("{at}/excluded")),
        ];
    }
}

fn seconds(out: &mut Expansion<'_, '_>, text: &str, at: &str) -> Option<u64> {
    let parsed = parse_timeout(text).map(|duration| duration.as_secs());
    if parsed.is_none() {
        out.compiler.problem("backup", at, format!("`{text}` is not a valid duration"), "write a number with a unit: `15m`, `4h`");
    }
    parsed
}

/// A restore from cold storage takes hours.
fn check_cold_storage(out: &mut Expansion<'_, '_>, backup: &Backup, at: &str) {
    if let Some(rto) = &backup.rto
        && let Some(rto) = seconds(out, rto, &format!("{at}/rto"))
        && rto < COLD_STORAGE_DELAY
        && backup.monthly_cold_after_days.is_some()
    {
        let help = "remove the line, or allow an `rto` of 12 hours or more";
        let place = format!("{at}/monthly_cold_after_days");
        out.compiler.problem_at_key("backup", &place, "a restore from cold storage can take longer than `rto`", help);
    }
    if backup.monthly_cold_after_days.is_some() && backup.monthly_retention_days.is_none() {
        let place = format!("{at}/monthly_cold_after_days");
        out.compiler.problem_at_key("backup", &place, "there are no monthly backups", "set `monthly_retention_days`");
    }
}

fn add_vaults(out: &mut Expansion<'_, '_>, backup: &Backup, at: &str) {
    let failures = ["BACKUP_JOB_FAILED", "BACKUP_JOB_EXPIRED", "COPY_JOB_FAILED", "RESTORE_JOB_FAILED", "CONTINUOUS_BACKUP_INTERRUPTED"];
    let notifications = backup.topic.as_ref().map(|topic| json!({ "topic": topic, "events": failures }));
    let mut vault = Map::from_iter([("on_delete".to_owned(), json!(backup.on_delete))]);
    vault.extend(backup.kms_key.clone().map(|key| ("kms_key".to_owned(), key)));
    vault.extend(backup.lock.clone().map(|lock| ("lock".to_owned(), lock.into())));
    vault.extend(notifications.map(|notifications| ("notifications".to_owned(), notifications)));
    if let Some(draft) = out.add_generated("backup_vault", "main", vault.into(), at) {
        draft.pointer_overrides.push(("/notifications/topic".into(), format!("{at}/topic")));
    }
    for (region, target) in &backup.copy_to {
        let mut vault = Map::from_iter([("on_delete".to_owned(), json!(backup.on_delete)), ("region".to_owned(), region.as_str().into())]);
        vault.extend(target.kms_key.clone().map(|key| ("kms_key".to_owned(), key.into())));
        out.add_generated("backup_vault", copy_vault(region), vault.into(), &format!("{at}/copy_to/{region}"));
    }
}

/// Name of the vault for copies in a region.
fn copy_vault(region: &str) -> String {
    format!("copies-{region}")
}

/// Time within which a job must start, in minutes: the least that Backup accepts, because a backup is as old as its start.
const START_WINDOW: u64 = 60;

/// Rules that meet the objective. Backup starts jobs hourly at most, so a shorter objective needs continuous backups.
fn rules(backup: &Backup, rpo: u64) -> Value {
    let hours = (rpo / HOUR).clamp(1, 24);
    // The number of hours must divide the day, so that no gap is longer.
    let hours = [1, 2, 3, 4, 6, 8, 12, 24].into_iter().rev().find(|step| *step <= hours).unwrap_or(1);
    let schedule = match hours {
        1 => "cron(0 * * * ? *)".to_owned(),
        24 => "cron(0 3 * * ? *)".to_owned(),
        hours => format!("cron(0 0/{hours} * * ? *)"),
    };
    let copies = |default_days: u16| -> Vec<Value> {
        let copy = |(region, target): (&String, &CopyTarget)| {
            let vault = format!("${{backup_vault.{}.arn}}", copy_vault(region));
            json!({ "vault": vault, "delete_after_days": target.retention_days.unwrap_or(default_days) })
        };
        backup.copy_to.iter().map(copy).collect()
    };
    let days = backup.retention_days;
    let mut rules = Map::new();
    if rpo < HOUR {
        let continuous_days = days.min(LONGEST_CONTINUOUS_DAYS);
        rules.insert(
            "continuous".into(),
            json!({ "vault": "main", "schedule": schedule, "start_window_minutes": START_WINDOW, "continuous": true,
                    "delete_after_days": continuous_days, "copies": copies(days) }),
        );
        if days > LONGEST_CONTINUOUS_DAYS {
            rules.insert("daily".into(), json!({ "vault": "main", "schedule": "cron(0 3 * * ? *)", "delete_after_days": days }));
        }
    } else {
        rules.insert("regular".into(), json!({
                "vault": "main", "schedule": schedule, "start_window_minutes": START_WINDOW, "delete_after_days": days, "copies": copies(days),
            }));
    }
    if let Some(days) = backup.monthly_retention_days {
        let mut rule = json!({ "vault": "main", "schedule": "cron(0 4 1 * ? *)", "delete_after_days": days, "copies": copies(days) });
        if let Some(cold) = backup.monthly_cold_after_days {
            rule["cold_after_days"] = cold.into();
        }
        rules.insert("monthly".into(), rule);
    }
    rules.into()
}
