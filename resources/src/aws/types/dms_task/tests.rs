//! Rules and states of tasks.

use aws_sdk_databasemigration::types::ReplicationTask;
use serde_json::{Value, json};

use super::*;

fn problems(more: Value) -> Vec<String> {
    let mut spec = json!({
        "instance": { "id": "arn:aws:dms:eu-west-1:123456789012:rep:A" }, "source": { "id": "arn:aws:dms:eu-west-1:123456789012:endpoint:A" },
        "target": { "id": "arn:aws:dms:eu-west-1:123456789012:endpoint:B" }, "type": "full-load",
        "mappings": { "rules": [{ "rule-type": "selection" }] },
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    let task: DmsTask = serde_json::from_value(spec).expect("a task");
    task.check().into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn checks_mappings_settings_and_positions() {
    for (more, expected) in [
        (json!({ "mappings": { "rules": [] } }), "/mappings: mappings have a rule that selects tables"),
        (json!({ "settings": { "Logging": { "CloudWatchLogGroup": "x" } } }), "/settings: `CloudWatchLogGroup` is set by AWS"),
        (json!({ "start_position": "2026-01-01T00:00:00" }), "/start_position: a task of the type `full-load` reads no changes"),
        (
            json!({ "target": { "id": "arn:aws:dms:eu-west-1:123456789012:endpoint:A" } }),
            "/target: source and target are the same endpoint",
        ),
    ] {
        assert_eq!(problems(more), [expected]);
    }
    assert_eq!(problems(json!({})), [""; 0]);
}

#[test]
fn compares_only_the_settings_that_are_named() {
    let live = json!({ "Logging": { "EnableLogging": true, "CloudWatchLogGroup": "g" }, "FullLoadSettings": { "CommitRate": 10000 }, "A": [1, 2] });
    for part in
        [json!({}), json!({ "Logging": { "EnableLogging": true } }), json!({ "FullLoadSettings": { "CommitRate": "10000" }, "A": [1, 2] })]
    {
        assert!(read::is_part_of(&part, &live), "{part}");
    }
    for other in [json!({ "Logging": { "EnableLogging": false } }), json!({ "A": [1] }), json!({ "B": null })] {
        assert!(!read::is_part_of(&other, &live), "{other}");
    }
}

#[test]
fn reads_states() {
    let task = |status: &str| ReplicationTask::builder().status(status).last_failure_message("No table").build();
    assert_eq!(read::phase(&task("running")), Phase::Ready);
    assert_eq!(read::phase(&task("stopping")), Phase::Progressing("stopping".into()));
    assert_eq!(read::phase(&task("failed")), Phase::Degraded("failed: No table".into()));
    assert!(read::is_started("running", "") && !read::is_started("ready", "") && !read::is_started("stopped", "NORMAL"));
    assert!(read::is_started("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED"));
}
