use serde_json::{Value, json};

use super::*;

fn plan(rule: Value, selection: Value) -> BackupPlan {
    let mut rule = rule;
    rule["vault"] = json!("main");
    rule["schedule"] = json!("cron(0 3 * * ? *)");
    let mut selection = selection;
    selection["role"] = json!("arn:aws:iam::123456789012:role/backup");
    serde_json::from_value(json!({ "rules": { "daily": rule }, "selections": { "all": selection } })).expect("a plan")
}

fn problems(rule: Value, selection: Value) -> Vec<String> {
    plan(rule, selection).check().into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn checks_ages_and_windows() {
    let all = || json!({ "resources": ["*"] });
    assert_eq!(problems(json!({ "cold_after_days": 30, "delete_after_days": 120 }), all()), [""; 0]);
    assert_eq!(problems(json!({ "cold_after_days": 30, "delete_after_days": 119 }), all()), ["/rules/daily/delete_after_days"]);
    assert_eq!(problems(json!({ "continuous": true, "delete_after_days": 35 }), all()), [""; 0]);
    assert_eq!(problems(json!({ "continuous": true }), all()), ["/rules/daily/continuous"]);
    assert_eq!(problems(json!({ "completion_window_minutes": 500 }), all()), ["/rules/daily/completion_window_minutes"]);
    assert_eq!(problems(json!({}), json!({})), ["/selections/all"]);
}

#[test]
fn reads_the_rules_and_selections_that_it_writes() {
    let written = plan(
        json!({
            "timezone": "Europe/Berlin", "start_window_minutes": 60, "completion_window_minutes": 180, "cold_after_days": 30,
            "delete_after_days": 365, "archive": true, "backup_tags": { "a": "b" },
            "copies": [{ "vault": "arn:aws:backup:eu-central-1:123456789012:backup-vault:copies", "delete_after_days": 30 }],
        }),
        json!({
            "resources": ["*"], "excluded": ["arn:aws:s3:::a"], "tags": { "backup": "daily" },
            "conditions": { "equals": { "a": "b" }, "not_equals": { "c": "d" }, "like": { "e": "f*" }, "not_like": { "g": "h*" } },
        }),
    );
    let input = written.to_sdk(None).expect("a plan").rules.remove(0);
    let rule = sdk::BackupRule::builder()
        .rule_name(input.rule_name)
        .target_backup_vault_name(input.target_backup_vault_name)
        .set_schedule_expression(input.schedule_expression)
        .set_schedule_expression_timezone(input.schedule_expression_timezone)
        .set_start_window_minutes(input.start_window_minutes)
        .set_completion_window_minutes(input.completion_window_minutes)
        .set_lifecycle(input.lifecycle)
        .set_copy_actions(input.copy_actions)
        .set_recovery_point_tags(input.recovery_point_tags);
    let (name, rule) = BackupRule::from_sdk(rule.build().expect("a rule"));
    assert_eq!((name.as_str(), json!(rule)), ("daily", json!(written.rules["daily"])));
    let selection = written.selections["all"].to_sdk("all").expect("a selection");
    assert_eq!(json!(Selection::from_sdk(selection)), json!(written.selections["all"]));
}

#[test]
fn keeps_unmanaged_settings_of_a_rule() {
    let written = plan(json!({}), json!({ "resources": ["*"] }));
    let scan = sdk::ScanAction::builder().malware_scanner(sdk::MalwareScanner::Guardduty).build();
    let live = sdk::BackupRule::builder().rule_name("daily").target_backup_vault_name("main").scan_actions(scan).build().expect("a rule");
    let live = sdk::BackupPlan::builder().backup_plan_name("a").rules(live).build().expect("a plan");
    let input = written.to_sdk(Some(live)).expect("a plan");
    assert_eq!(input.rules[0].scan_actions.as_ref().map(Vec::len), Some(1));
}
