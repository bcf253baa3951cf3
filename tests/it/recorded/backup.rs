//! Backup: vaults with backups, locks in compliance mode, and selections.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const VAULT: &str = "arn:aws:backup:us-east-1:123456789012:backup-vault:shop-main";
const PLAN: &str = "arn:aws:backup:us-east-1:123456789012:backup-plan:0123";
const POINT: &str = "arn:aws:rds:us-east-1:123456789012:snapshot:awsbackup:job-1";
/// Calls that list vaults, their backups, and read selections.
const VAULTS: &str = "GET /backup-vaults?vaultType&maxResults";
const POINTS: &str = "GET /backup-vaults/-/recovery-points?maxResults";
const OLD: &str = "GET /backup/-/0123/-/old";
const NEW: &str = "GET /backup/-/0123/-/new";
const ROLE: &str = "arn:aws:iam::123456789012:role/backup";

fn vault(more: Value) -> Answer {
    let mut vault = json!({ "BackupVaultName": "shop-main", "BackupVaultArn": VAULT, "VaultState": "AVAILABLE", "Locked": false });
    if let (Value::Object(vault), Value::Object(more)) = (&mut vault, more) {
        vault.extend(more);
    }
    ok(json!({ "BackupVaultList": [vault] }))
}

fn points(all: &[Value]) -> Answer {
    ok(json!({ "RecoveryPoints": all }))
}

fn point(status: &str) -> Value {
    json!({ "RecoveryPointArn": POINT, "Status": status })
}

fn vault_script(more: Value) -> Script {
    let tags = ok(json!({ "Tags": ownership_tags("backup_vault.main") }));
    Script::new().with_tagged_resources(&[(VAULT, "backup_vault.main")]).on("GET /tags/-", [tags]).on(VAULTS, [vault(more)])
}

#[test]
fn does_not_delete_a_vault_with_backups() {
    let endpoint = vault_script(json!({})).on(POINTS, [points(&[point("COMPLETED")])]).start("  backup_vault: { main: {} }\n");
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("1 backup"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [""; 0]);
}

/// A continuous backup is separated from its resource first, and a vault can be deleted only once its backups are gone.
#[test]
fn deletes_backups_with_consent() {
    let full = "Backup vault cannot be deleted because it contains recovery points.";
    let continuous = "Cannot delete a continuous recovery point while it is in progress.";
    let endpoint = vault_script(json!({}))
        .on(POINTS, [points(&[point("AVAILABLE")]), points(&[point("AVAILABLE")]), points(&[point("DELETING")])])
        .on("DELETE /backup-vaults/-/recovery-points/-", [json_error(400, "InvalidRequestException", continuous)])
        .on("POST /backup-vaults/-/recovery-points/-/disassociate", [ok(json!({}))])
        .on("DELETE /backup-vaults/-", [json_error(400, "InvalidRequestException", full), ok(json!({}))])
        .start("  backup_vault: { main: { on_delete: delete } }\n");
    endpoint.run("destroy", &["--yes"]).assert_success();
    let writes = endpoint.writes();
    assert_eq!(writes.last().map(String::as_str), Some("200 DELETE /backup-vaults/-"), "{writes:?}");
    assert!(
        writes.iter().any(|write| write.starts_with("400 DELETE /backup-vaults/-") && !write.contains("recovery-points")),
        "{writes:?}"
    );
}

/// AWS reports the day on which a lock becomes permanent. Sent again, the days of grace would start again.
#[test]
fn sends_the_days_of_grace_only_once() {
    let locked = |min: u32| json!({ "Locked": true, "LockDate": 1_790_000_000, "MinRetentionDays": min });
    let endpoint = vault_script(json!({}))
        .on("PUT /backup-vaults/-/vault-lock", [ok(json!({}))])
        .after("PUT /backup-vaults/-/vault-lock")
        .on(VAULTS, [vault(locked(7))])
        .after("PUT /backup-vaults/-/vault-lock")
        .on(VAULTS, [vault(locked(14))])
        .start("  backup_vault: { main: { lock: compliance, grace_days: 10, min_retention_days: 7 } }\n");
    endpoint.apply();
    endpoint.redefine("  backup_vault: { main: { lock: compliance, grace_days: 10, min_retention_days: 14 } }\n");
    endpoint.apply();
    let sent: Vec<Value> = endpoint.request_bodies("PUT /backup-vaults/-/vault-lock");
    let days: Vec<Option<u64>> = sent.iter().map(|body| body["ChangeableForDays"].as_u64()).collect();
    assert_eq!(days, [Some(10), None]);
    endpoint.redefine("  backup_vault: { main: { lock: governance } }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.combined_output().contains("is permanent after its grace"), "{}", done.combined_output());
}

/// A selection can't change: the new one comes first, so that no resource is without backups in between.
#[test]
fn replaces_a_selection_without_a_gap() {
    let rule = json!({
        "RuleName": "daily", "TargetBackupVaultName": "main", "ScheduleExpression": "cron(0 3 * * ? *)", "StartWindowMinutes": 480,
        "CompletionWindowMinutes": 10_080, "ScheduleExpressionTimezone": "Etc/UTC", "RuleId": "1",
    });
    let plan = json!({ "BackupPlanName": "shop-daily", "Rules": [rule] });
    let listed = |id: &str| ok(json!({ "BackupSelectionsList": [{ "SelectionId": id, "SelectionName": "all" }] }));
    let selection =
        |resource: &str| ok(json!({ "BackupSelection": { "SelectionName": "all", "IamRoleArn": ROLE, "Resources": [resource] } }));
    let definition = |resource: &str| {
        format!(
            "  backup_plan: {{ daily: {{ rules: {{ daily: {{ vault: {{ id: main }}, schedule: 'cron(0 3 * * ? *)' }} }}, \
             selections: {{ all: {{ role: '{ROLE}', resources: ['{resource}'] }} }} }} }}\n"
        )
    };
    let endpoint = Script::new()
        .with_tagged_resources(&[(PLAN, "backup_plan.daily")])
        .on("GET /tags/-", [ok(json!({ "Tags": ownership_tags("backup_plan.daily") }))])
        .on(
            "GET /backup/-?maxResults",
            [ok(json!({ "BackupPlansList": [{ "BackupPlanId": "0123", "BackupPlanArn": PLAN, "BackupPlanName": "shop-daily" }] }))],
        )
        .on("GET /backup/-/0123", [ok(json!({ "BackupPlanId": "0123", "BackupPlanArn": PLAN, "BackupPlan": plan }))])
        .on("GET /backup/-/0123/-?maxResults", [listed("old")])
        .on(OLD, [selection("arn:aws:rds:*:*:db:*")])
        .on("PUT /backup/-/0123/-", [ok(json!({ "SelectionId": "new" }))])
        .on("DELETE /backup/-/0123/-/old", [ok(json!({}))])
        .after("DELETE /backup/-/0123/-/old")
        .on("GET /backup/-/0123/-?maxResults", [listed("new")])
        .on(NEW, [selection("*")])
        .start(&definition("*"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PUT /backup/-/0123/-", "200 DELETE /backup/-/0123/-/old"]);
}

/// A vault is created in two steps.
#[test]
fn waits_until_a_vault_is_available() {
    let tags = ok(json!({ "Tags": ownership_tags("backup_vault.main") }));
    let endpoint = Script::new()
        .on(VAULTS, [ok(json!({ "BackupVaultList": [] }))])
        .on("GET /tags/-", [tags])
        .on("PUT /backup-vaults/-", [ok(json!({ "BackupVaultName": "shop-main", "BackupVaultArn": VAULT }))])
        .after("PUT /backup-vaults/-")
        .on(VAULTS, [vault(json!({ "VaultState": "CREATING" })), vault(json!({}))])
        .start("  backup_vault: { main: {} }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PUT /backup-vaults/-"]);
    assert!(endpoint.request_bodies("PUT /backup-vaults/-")[0]["CreatorRequestId"].as_str().is_some_and(|token| token.len() <= 50));
}
