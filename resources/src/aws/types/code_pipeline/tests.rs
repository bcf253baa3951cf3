//! Rules and conversions of pipelines.

use serde_json::{Value, json};

use super::*;

fn source() -> Value {
    json!({
        "name": "Source", "category": "Source", "provider": "CodeStarSourceConnection", "outputs": ["Code"],
        "connection": "arn:aws:codeconnections:eu-west-1:123456789012:connection/1", "configuration": { "BranchName": "main" },
    })
}

fn pipeline(actions: Value, more: Value) -> CodePipeline {
    let mut spec = json!({
        "name": "shop-app", "role": "arn:aws:iam::123456789012:role/pipeline", "artifact_store": { "bucket": { "id": "artifacts" } },
        "stages": [{ "name": "Source", "actions": [source()] }, { "name": "Build", "actions": actions }],
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    serde_json::from_value(spec).expect("a pipeline")
}

fn build(more: Value) -> Value {
    let mut action = json!({ "name": "Build", "category": "Build", "provider": "CodeBuild", "inputs": ["Code"] });
    if let (Value::Object(action), Value::Object(more)) = (&mut action, more) {
        action.extend(more);
    }
    action
}

fn problems(actions: Value, more: Value) -> Vec<String> {
    pipeline(actions, more).check().into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn checks_actions_and_their_artifacts() {
    let at = "/stages/1/actions/0";
    for (action, expected) in [
        (build(json!({ "inputs": ["Cod"] })), "/inputs/0: no earlier action leaves `Cod`"),
        (build(json!({ "outputs": ["Code"] })), "/outputs/0: two actions leave `Code`"),
        (build(json!({ "commands": ["make"] })), "/commands: only an action of the category Compute has commands"),
        (
            json!({ "name": "Ask", "category": "Approval", "provider": "Manual", "inputs": ["Code"] }),
            "/inputs: an approval has no artifacts",
        ),
        (
            json!({ "name": "Run", "category": "Compute", "provider": "Commands" }),
            "/commands: an action of the category Compute has commands",
        ),
        (
            json!({ "name": "Other", "category": "Source", "provider": "S3", "outputs": ["Other"] }),
            "/category: the first stage, and no other, has source actions",
        ),
    ] {
        assert_eq!(problems(json!([action]), json!({})), [format!("{at}{expected}")]);
    }
    // An action with a higher number sees what those with a lower one leave, wherever it stands in the list.
    let later = build(json!({ "name": "Later", "inputs": ["Built"], "run_order": 2 }));
    assert_eq!(problems(json!([later, build(json!({ "outputs": ["Built"] }))]), json!({})), [""; 0]);
}

#[test]
fn refuses_secrets_in_plain_text() {
    let variables = |kind: &str| json!([{ "name": "NPM_TOKEN", "value": "tiger", "type": kind }]).to_string();
    let with = |kind: &str| build(json!({ "configuration": { "ProjectName": "app", "EnvironmentVariables": variables(kind) } }));
    let expected =
        "/stages/1/actions/0/configuration/EnvironmentVariables: everybody who may read the pipeline sees the value of `NPM_TOKEN`";
    assert_eq!(problems(json!([with("PLAINTEXT")]), json!({})), [expected]);
    assert_eq!(problems(json!([with("SECRETS_MANAGER")]), json!({})), [""; 0]);
    let found = problems(json!([build(json!({ "configuration": { "OAuthToken": "tiger" } }))]), json!({}));
    assert_eq!(found, ["/stages/1/actions/0/configuration/OAuthToken: `OAuthToken` is a secret, which definitions must not contain"]);
}

#[test]
fn checks_triggers_and_types() {
    let push = json!({ "push": [{ "branches": { "includes": ["main"] } }] });
    for (more, expected) in [
        (json!({ "triggers": { "Sauce": push } }), "/triggers/Sauce: there is no source action `Sauce`"),
        (json!({ "triggers": { "Source": {} } }), "/triggers/Source: a trigger has a filter"),
        (json!({ "type": "V1", "triggers": { "Source": push } }), "/triggers: a pipeline of the type V1 has no triggers"),
        (json!({ "type": "V1", "execution_mode": "QUEUED" }), "/execution_mode: a pipeline of the type V1 has no other execution modes"),
    ] {
        assert_eq!(problems(json!([build(json!({}))]), more), [expected]);
    }
    let elsewhere = pipeline(json!([build(json!({ "region": "us-west-2" }))]), json!({}));
    let found = check::check_regions(&elsewhere, "eu-west-1");
    assert_eq!(found[0].message, "the pipeline has no store for artifacts in us-west-2");
    assert!(check::check_regions(&elsewhere, "us-west-2").is_empty());
}

/// AWS adds a trigger for the branch of a source action without one.
#[test]
fn ignores_what_aws_adds() {
    let wanted = pipeline(json!([build(json!({}))]), json!({}));
    let mut live =
        pipeline(json!([build(json!({}))]), json!({ "triggers": { "Source": { "push": [{ "branches": { "includes": ["main"] } }] } } }));
    live.stages[0].actions[0].configuration.insert("OutputArtifactFormat".into(), "CODE_ZIP".into());
    wanted.normalize(&mut live);
    assert!(live.triggers.is_empty() && live.stages == wanted.stages);
    let mut other =
        pipeline(json!([build(json!({}))]), json!({ "triggers": { "Source": { "push": [{ "tags": { "includes": ["v*"] } }] } } }));
    wanted.normalize(&mut other);
    assert_eq!(other.triggers.len(), 1);
}

#[test]
fn comes_back_as_it_was_sent() {
    let rule = json!({ "name": "Alarm", "provider": "CloudWatchAlarm", "configuration": { "AlarmName": "errors" } });
    let wanted = pipeline(
        json!([build(json!({ "region": "us-west-2", "namespace": "Build", "run_order": 2, "timeout_minutes": 20 }))]),
        json!({ "triggers": { "Source": { "pull_requests": [{ "events": ["OPEN"], "files": { "excludes": ["docs/**"] } }] } } }),
    );
    let mut stage = wanted.stages[1].clone();
    stage.on_success = vec![serde_json::from_value(json!({ "result": "ROLLBACK", "rules": [rule] })).expect("a condition")];
    stage.on_failure = Some(OnFailure { result: Some("RETRY".into()), retry_mode: Some("ALL_ACTIONS".into()), conditions: Vec::new() });
    assert_eq!(Stage::from_sdk(stage.to_sdk(None).expect("a stage"), "eu-west-1").expect("a stage"), stage);
    let trigger = &wanted.triggers["Source"];
    let read = Trigger::from_sdk(trigger.to_sdk("Source").expect("a trigger"));
    assert_eq!(read.map(|(action, read)| (action, read == *trigger)), Some(("Source".to_owned(), true)));
}
