//! Builds of remote runs: states, pages of logs, and errors of CodeBuild and CloudWatch Logs.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok};

const ID: &str = "acme-runner:11111111-2222-3333-4444-555555555555";
const ARN: &str = "arn:aws:codebuild:us-east-1:123456789012:build/acme-runner:11111111-2222-3333-4444-555555555555";
const RUN: &str = "1790000000000-0123456789abcdef";

fn variables(stack: &str) -> Value {
    let all = [
        ("ACME_RELEASES", "https://example.com/releases"),
        ("ACME_REMOTE_RUN", RUN),
        ("ACME_REMOTE_STACK", stack),
        ("ACME_REMOTE_ENVIRONMENT", "default"),
        ("ACME_REMOTE_BACKEND", "s3://acme-123456789012-us-east-1/"),
        ("ACME_REMOTE_SHA256", "00"),
        ("ACME_REMOTE_VERSION", "0.1.0"),
    ];
    all.iter().map(|(name, value)| json!({ "name": name, "value": value, "type": "PLAINTEXT" })).collect()
}

/// A build as CodeBuild reports it: <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html>.
fn build(id: &str, stack: &str, status: &str, phase: &str, more: Value) -> Value {
    let mut build = json!({
        "id": id, "arn": ARN.replace(ID, id), "buildNumber": 1, "buildStatus": status, "currentPhase": phase, "projectName": "acme-runner",
        "buildComplete": status != "IN_PROGRESS", "phases": [], "timeoutInMinutes": 480, "queuedTimeoutInMinutes": 480,
        "environment": {
            "type": "LINUX_CONTAINER", "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables(stack), "privilegedMode": false,
        },
    });
    if let (Value::Object(build), Value::Object(more)) = (&mut build, more) {
        build.extend(more);
    }
    build
}

fn answer(builds: &[Value]) -> Answer {
    ok(json!({ "builds": builds, "buildsNotFound": [] }))
}

fn logs() -> Value {
    json!({ "groupName": "/aws/codebuild/acme-runner", "streamName": "11111111-2222-3333-4444-555555555555" })
}

/// A build in progress with a log, and the same build after its end.
fn running(phase: &str) -> Answer {
    let phases = json!([{ "phaseType": "INSTALL", "phaseStatus": "SUCCEEDED" }, { "phaseType": "BUILD" }]);
    answer(&[build(ID, "shop", "IN_PROGRESS", phase, json!({ "logs": logs(), "phases": phases }))])
}

fn ended(status: &str) -> Answer {
    let phases = json!([
        { "phaseType": "BUILD", "phaseStatus": status, "contexts": [{ "statusCode": "BUILD_STATUS", "message": "the build was ended" }] },
        { "phaseType": "COMPLETED" },
    ]);
    answer(&[build(ID, "shop", status, "COMPLETED", json!({ "logs": logs(), "phases": phases }))])
}

fn page(messages: &[String], token: &str) -> Answer {
    let events: Vec<Value> = messages
        .iter()
        .map(|message| json!({ "timestamp": 1_790_000_000_000_u64, "message": message, "ingestionTime": 1_790_000_000_001_u64 }))
        .collect();
    ok(json!({ "events": events, "nextForwardToken": token, "nextBackwardToken": "b/0" }))
}

fn line(event: Value) -> String {
    format!("{event}\n")
}

fn script() -> Script {
    Script::new().on("ListBuildsForProject", [ok(json!({ "ids": [ID] }))])
}

const STACK: &str = "  sqs_queue: { jobs: {} }\n";

fn started() -> String {
    line(json!({ "event": "remote_started", "format": "acme-remote/1", "run": RUN }))
}

fn events() -> Vec<String> {
    let step = json!({ "address": "sqs_queue.jobs", "op": "create", "estimated_seconds": 2, "depends_on": [] });
    vec![
        line(
            json!({ "event": "run_started", "format": "acme-events/2", "command": "apply", "stack": "shop", "environment": "default", "revision": 7 }),
        ),
        line(json!({ "event": "planned", "rolling_back": false, "apply": [step], "clean_up": [] })),
        line(json!({ "event": "step_started", "address": "sqs_queue.jobs", "op": "create", "estimated_seconds": 2 })),
        line(
            json!({ "event": "step_done", "address": "sqs_queue.jobs", "op": "create", "id": "https://sqs.example.com/jobs", "milliseconds": 2100 }),
        ),
        line(json!({ "event": "run_ended", "outcome": "done", "interrupted": false })),
    ]
}

fn end(code: u8) -> String {
    line(json!({ "event": "remote_ended", "run": RUN, "exit_code": code }))
}

/// GetLogEvents: "Partially full or empty pages don't necessarily mean that pagination is finished"; the stream is at its end when the returned
/// token is the given one. The log of a build has no stream at first.
#[test]
fn follows_a_build_from_its_queue_to_its_end() {
    let queued = answer(&[build(ID, "shop", "IN_PROGRESS", "QUEUED", json!({ "logs": { "cloudWatchLogs": { "status": "ENABLED" } } }))]);
    let provisioning = answer(&[build(ID, "shop", "IN_PROGRESS", "PROVISIONING", json!({ "logs": logs() }))]);
    let first = [vec!["[Container] Entering phase BUILD\n".to_owned(), started()], events()[..2].to_vec()].concat();
    let rest = [events()[2..].to_vec(), vec!["Done: 1 created in 2.1 s.\n".to_owned()]].concat();
    let outputs = line(json!({ "format": "acme-outputs/1", "outputs": { "queue": "https://sqs.example.com/jobs" } }));
    let missing = json_error(400, "ResourceNotFoundException", "The specified log stream does not exist.");
    let script = || {
        script().on("BatchGetBuilds", [queued.clone(), queued.clone(), provisioning.clone(), running("BUILD")]).on(
            "GetLogEvents",
            [
                missing.clone(),
                page(&first, "f/1"),
                page(&[], "f/2"),
                page(&rest, "f/3"),
                page(&[], "f/3"),
                page(&[outputs.clone(), end(0)], "f/4"),
                page(&[], "f/4"),
            ],
        )
    };
    let endpoint = script().start(STACK);
    let done = endpoint.run("remote", &[]).assert_success();
    let shown: Vec<&str> = ["build: queued", "build: provisioning", "created sqs_queue.jobs", "Done: 1 created", "Outputs:"].into();
    let places: Vec<Option<usize>> = shown.iter().map(|text| done.stderr.find(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{}", done.stderr);
    assert!(!done.stderr.contains("[Container]") && done.stdout == "queue = https://sqs.example.com/jobs\n", "{}", done.combined_output());
    let tokens: Vec<Value> = endpoint.request_bodies("GetLogEvents").iter().map(|body| body["nextToken"].clone()).collect();
    assert_eq!(json!(tokens), json!([null, null, "f/1", "f/2", "f/3", "f/3", "f/4"]));

    // For programs, the events are those of the log.
    let endpoint = script().start(STACK);
    let done = endpoint.run("remote", &["-o", "json"]).assert_success();
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected: Vec<Value> = events().iter().chain([&outputs]).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn the_code_of_the_runner_is_the_code_of_the_command() {
    let log = [vec![started()], events(), vec![end(4)]].concat();
    let endpoint = script().on("BatchGetBuilds", [ended("FAILED")]).on("GetLogEvents", [page(&log, "f/1"), page(&[], "f/1")]).start(STACK);
    assert_eq!(endpoint.run("remote", &[]).code, 4);
}

/// A build that CodeBuild ends has no last event. acme waits for it for a while.
#[test]
#[ignore = "full run"]
fn says_how_a_build_ended_in_the_middle_of_a_run() {
    let check = |status: &str| {
        let log = [vec![started()], events()[..3].to_vec()].concat();
        let endpoint =
            script().on("BatchGetBuilds", [ended(status)]).on("GetLogEvents", [page(&log, "f/1"), page(&[], "f/1")]).start(STACK);
        let done = endpoint.run("remote", &[]);
        assert_eq!(done.code, 3, "{}", done.stderr);
        assert!(
            done.stderr.contains(&format!("error[remote-ended]: the build ended with {status} in the middle of the run")),
            "{}",
            done.stderr
        );
        assert!(
            done.stderr.contains("BUILD: BUILD_STATUS: the build was ended") && done.stderr.contains("acme rollback"),
            "{}",
            done.stderr
        );
    };
    std::thread::scope(|scope| {
        for status in ["STOPPED", "TIMED_OUT"] {
            let check = &check;
            scope.spawn(move || check(status));
        }
    });
}

#[test]
fn says_why_a_build_did_not_begin() {
    let contexts = json!([{ "statusCode": "CLIENT_ERROR", "message": "Unable to pull the image" }]);
    let fault = json!({ "phases": [{ "phaseType": "PROVISIONING", "phaseStatus": "FAULT", "contexts": contexts }] });
    let endpoint = script().on("BatchGetBuilds", [answer(&[build(ID, "shop", "FAULT", "COMPLETED", fault)])]).start(STACK);
    let done = endpoint.run("remote", &[]);
    assert!(done.code == 1 && done.stderr.contains("ended with FAULT before the run began"), "{}", done.stderr);
    assert!(done.stderr.contains("PROVISIONING: CLIENT_ERROR: Unable to pull the image"), "{}", done.stderr);
}

#[test]
fn follows_without_the_permission_for_logs() {
    let denied = json_error(400, "AccessDeniedException", "User is not authorized to perform: logs:GetLogEvents");
    let endpoint =
        script().on("BatchGetBuilds", [running("BUILD"), running("BUILD"), ended("SUCCEEDED")]).on("GetLogEvents", [denied]).start(STACK);
    let done = endpoint.run("remote", &[]).assert_success();
    assert!(
        done.stderr.contains("can't read the log of the build") && done.stderr.contains("Done: the build succeeded."),
        "{}",
        done.stderr
    );
    assert_eq!(endpoint.call_count("GetLogEvents"), 1);
}

/// The builds of a project are those of several stacks, and the order of BatchGetBuilds is not that of its request.
#[test]
fn finds_the_latest_run_of_the_stack() {
    let id = |number: u8| format!("acme-runner:{number}");
    let own = |number: u8, status: &str| build(&id(number), "shop", status, "BUILD", json!({}));
    let builds =
        [build(&id(4), "other", "IN_PROGRESS", "BUILD", json!({})), own(3, "SUCCEEDED"), own(2, "IN_PROGRESS"), own(1, "SUCCEEDED")];
    let found = |builds: &[Value]| {
        let ids: Vec<&Value> = builds.iter().map(|build| &build["id"]).collect();
        let reversed: Vec<Value> = builds.iter().rev().cloned().collect();
        let endpoint = Script::new()
            .on("ListBuildsForProject", [ok(json!({ "ids": ids, "nextToken": "more" }))])
            .on("BatchGetBuilds", [answer(&reversed), answer(&[own(9, "SUCCEEDED")])])
            .start(STACK);
        let done = endpoint.run("remote", &[]);
        // CodeBuild refuses `sortOrder` for a project with more than a hundred builds.
        assert_eq!(endpoint.request_bodies("ListBuildsForProject"), [json!({ "projectName": "acme-runner" })]);
        done.stderr.lines().find_map(|line| line.split_once("in the build ")).map(|(_, arn)| arn.to_owned()).unwrap_or(done.stderr)
    };
    assert!(found(&builds).ends_with("acme-runner:2."), "the one in progress");
    assert!(found(&[builds[0].clone(), builds[1].clone(), builds[3].clone()]).ends_with("acme-runner:3."), "the latest one");
    assert!(found(&builds[..1]).contains("error[no-remote-run]"));
}

#[test]
fn explains_a_missing_project() {
    let missing = json_error(400, "ResourceNotFoundException", "Project not found: arn:aws:codebuild:us-east-1:123456789012:project/other");
    let endpoint = Script::new().on("ListBuildsForProject", [missing]).start(STACK);
    let done = endpoint.run("remote", &["--project", "other"]);
    assert!(done.code == 1 && done.stderr.contains("error[no-runner]: there is no CodeBuild project `other`"), "{}", done.stderr);
    assert!(done.stderr.contains("acme new runner --like remote"), "{}", done.stderr);
}

#[test]
fn stops_a_build_and_waits_for_its_end() {
    let stopping = answer(&[build(ID, "shop", "IN_PROGRESS", "BUILD", json!({}))]);
    let endpoint = script()
        .on("BatchGetBuilds", [running("BUILD")])
        .on("StopBuild", [ok(json!({ "build": build(ID, "shop", "IN_PROGRESS", "BUILD", json!({})) }))])
        .after("StopBuild")
        .on("BatchGetBuilds", [stopping, ended("STOPPED")])
        .start(STACK);
    let refused = endpoint.run("remote", &["--stop"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[no-terminal]") && endpoint.writes().is_empty(), "{}", refused.stderr);
    let done = endpoint.run("remote", &["--stop", "--yes"]);
    assert!(done.code == 0 && done.stderr.contains("acme rollback"), "{}", done.stderr);
    assert_eq!((endpoint.writes(), endpoint.call_count("BatchGetBuilds")), (vec!["200 StopBuild".to_owned()], 4));
}

#[test]
fn refuses_what_only_this_machine_has() {
    let endpoint = Script::new().start(STACK);
    let refused = |more: &[&str]| {
        let done = endpoint.run("apply", &[&["--yes", "--remote"], more].concat());
        assert!(done.code == 1 && done.stderr.contains("error[remote-unsupported]"), "{}", done.stderr);
        done.stderr
    };
    assert!(refused(&[]).contains("--endpoint-url"));
    assert!(refused(&["--local=cloud"]).contains("the simulated cloud is on this machine"));
    assert!(endpoint.writes().is_empty() && endpoint.call_count("GetCallerIdentity") == 0);
}
