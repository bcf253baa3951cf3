//! Cut-overs: their steps, the way back, and the ways to interrupt them.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use super::Shop;

/// Steps with a gate on the server, checked once after each.
const CUTOVER: &str = "  cutover:
    value: share
    steps: [1, 50, 100]
    bake: 0s
    gates: { healthy: [sqs_queue.orders], http: [{ url: 'SERVER/health' }] }
    decommission: { old_platform: false }
";

#[test]
fn moves_the_value_step_by_step_until_the_definition_has_it() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    let done = shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    for step in ["cutover: step 1 of 3: share = 1", "cutover: step 3 of 3: share = 100", "Finished:"] {
        assert!(done.stderr.contains(step), "{}", done.stderr);
    }
    assert_eq!(shop.live(&stack)["share"], "100 percent");
    assert_eq!(shop.history(&stack), ["cutover: step 3 of 3", "cutover: step 2 of 3", "cutover: step 1 of 3", "apply"]);
    let listed = shop.acme.run("history", &stack, &[]).assert_success().stdout;
    assert!(listed.contains("cutover: step 2 of 3"), "{listed}");

    // Without the record, the definition would send everyone back.
    shop.acme.assert_no_changes(&stack);
    let plan = shop.acme.run("plan", &stack, &[]).assert_success().stdout;
    assert!(plan.contains("`share` is 100, moved by `acme cutover`; set it in the definition"), "{plan}");
    shop.acme.apply(&stack);
    assert_eq!(shop.live(&stack)["share"], "100 percent");
    let again = shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    assert!(again.stderr.contains("set `share: 100` in the definition"), "{}", again.stderr);

    let text = fs::read_to_string(&stack).unwrap().replace("share: 0,", "share: 100,");
    fs::write(&stack, text).unwrap();
    let plan = shop.acme.run("plan", &stack, &["--detailed-exitcode"]).assert_success().stdout;
    assert!(!plan.contains("moved by"), "{plan}");
    shop.acme.apply(&stack);
    assert_eq!(shop.recorded(), serde_json::json!({}), "the procedure has ended");
    let again = shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    assert!(again.stderr.contains("`share` is already 100 in the definition"), "{}", again.stderr);
}

#[test]
fn a_closed_gate_returns_to_the_values_from_before() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    shop.server.fail_after(1);
    let failed = shop.acme.run("cutover", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    let reason = format!("GET {}/health: the answer has status 500, not 200", shop.server.url);
    for text in [reason.as_str(), "Returning:", "Returned:"] {
        assert!(failed.stderr.contains(text), "{text}: {}", failed.stderr);
    }
    assert!(!failed.stderr.contains("step 3 of 3"), "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["share"], "0 percent");
    assert_eq!(shop.history(&stack), ["cutover: back", "cutover: step 2 of 3", "cutover: step 1 of 3", "apply"]);
    assert_eq!(shop.recorded(), serde_json::json!({}));
    let plan = shop.acme.run("plan", &stack, &["--detailed-exitcode"]).assert_success().stdout;
    assert!(!plan.contains("moved by"), "{plan}");
}

#[test]
fn stays_at_the_step_without_rollback_and_goes_on_later() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    shop.server.fail_after(1);
    let failed = shop.acme.run("cutover", &stack, &["--yes", "--no-rollback"]);
    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert!(failed.stderr.contains("status 500") && failed.stderr.contains("--back` returns"), "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["share"], "50 percent");
    shop.acme.assert_no_changes(&stack);
    let status = shop.acme.run("cutover", &stack, &["--status"]).assert_success().stdout;
    assert!(status.contains("cutover: step 2 of 3: under way") && status.contains("share = 50"), "{status}");

    shop.server.recover();
    let done = shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    assert!(done.stderr.contains("step 2 of 3: share = 50") && !done.stderr.contains("step 1 of 3"), "{}", done.stderr);
    assert_eq!(shop.live(&stack)["share"], "100 percent");

    let back = shop.acme.run("cutover", &stack, &["--yes", "--back"]).assert_success();
    assert!(back.stderr.contains("The values from before are in use again."), "{}", back.stderr);
    assert_eq!(shop.live(&stack)["share"], "0 percent");
    shop.acme.assert_no_changes(&stack);
}

#[test]
fn a_failed_apply_of_a_step_returns_to_the_values_from_before() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    // Each step makes one call, and the third one is refused.
    let failed = shop.acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:3")], "cutover", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("cutover: step 3 of 3 failed, see above"), "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["share"], "0 percent");
    shop.acme.assert_no_changes(&stack);
    assert_eq!(shop.recorded(), serde_json::json!({}));
}

#[test]
fn resumes_at_the_recorded_step_after_a_kill() {
    let shop = Shop::new();
    let stack = shop.apply(&CUTOVER.replace("bake: 0s", "bake: 1h"));
    let mut command = shop.acme.command("cutover", &stack, &["--yes"]);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("must stay open")), "it waits while the gates must stay open");
    process.kill().unwrap();
    process.wait().unwrap();

    assert_eq!(shop.live(&stack)["share"], "1 percent");
    shop.acme.assert_no_changes(&stack);
    shop.acme.apply(&stack);
    assert_eq!(shop.live(&stack)["share"], "1 percent", "apply works with the moved value");
    let stack = shop.define(CUTOVER);
    let done = shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    assert!(done.stderr.contains("step 1 of 3: share = 1"), "{}", done.stderr);
    assert_eq!(shop.live(&stack)["share"], "100 percent");
    assert_eq!(shop.history(&stack), ["cutover: step 3 of 3", "cutover: step 2 of 3", "cutover: step 1 of 3", "apply"]);
}

/// Files below a folder, with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_plan_shows_steps_and_gates_and_writes_nothing() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    shop.server.fail_after(0);
    let before = files(shop.folder.path());
    let shown = shop.acme.run("cutover", &stack, &["--plan"]).assert_success().stdout;
    assert_eq!(files(shop.folder.path()), before);
    for text in ["cutover: step 1 of 3: share = 1", "0 percent → 1 percent", "1 percent → 50 percent", "50 percent → 100 percent"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(shown.contains("open") && shown.contains("closed") && shown.contains("status 500"), "{shown}");

    let json = shop.acme.run("cutover", &stack, &["--plan", "-o", "json"]).assert_success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["format"], "acme-procedure-plan/1");
    assert_eq!(json["steps"][1]["values"], serde_json::json!({ "share": 50 }));
    assert_eq!(json["steps"][1]["changes"][0]["fields"][0]["before"], "1 percent");
    assert_eq!(json["gates"][0]["gates"][0], serde_json::json!({ "gate": "sqs_queue.orders", "state": "open" }));
    assert_eq!(json["gates"][0]["gates"][1]["state"], "closed");
    let status = shop.acme.run("cutover", &stack, &["--status"]).assert_success().stdout;
    assert!(status.contains("There is no cutover under way"), "{status}");
}

#[test]
fn a_moved_value_is_not_set_on_the_command_line() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    let refused = shop.acme.run("cutover", &stack, &["--yes", "--set", "share=5"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[moved-value]"), "{}", refused.stderr);
    shop.acme.run("plan", &stack, &["--set", "share=5"]).assert_success();
    shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    for command in ["plan", "apply", "drift"] {
        let refused = shop.acme.run(command, &stack, &["--set", "share=5"]);
        assert!(refused.code == 1 && refused.stderr.contains("`share` is 100, moved by `acme cutover`"), "{command}: {}", refused.stderr);
    }
    shop.acme.run("plan", &stack, &["--set", "active=eu-west-3"]).assert_success();
}

#[test]
fn the_old_platform_is_deleted_only_after_the_last_step() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    let early = shop.acme.run("cutover", &stack, &["--yes", "--decommission"]);
    assert_eq!(early.code, 1, "{}", early.stderr);
    assert!(early.stderr.contains("only after the last step"), "{}", early.stderr);
    assert!(shop.live(&stack).contains_key("legacy"));

    shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    let planned = shop.acme.run("cutover", &stack, &["--decommission", "--plan"]).assert_success().stdout;
    assert!(planned.contains("parameter.legacy"), "{planned}");
    shop.acme.run("cutover", &stack, &["--yes", "--decommission"]).assert_success();
    assert!(!shop.live(&stack).contains_key("legacy"));
    shop.acme.assert_no_changes(&stack);
    let back = shop.acme.run("cutover", &stack, &["--yes", "--back"]);
    assert!(back.code == 1 && back.stderr.contains("there is no way back"), "{}", back.stderr);
    let text = fs::read_to_string(&stack).unwrap().replace("share: 0,", "share: 100,").replace("old_platform: true", "old_platform: false");
    fs::write(&stack, text).unwrap();
    shop.acme.assert_no_changes(&stack);
    shop.acme.apply(&stack);
    assert_eq!(shop.recorded(), serde_json::json!({}));
}

#[test]
fn destroy_forgets_the_cut_over() {
    let shop = Shop::new();
    let stack = shop.apply(CUTOVER);
    shop.acme.run("cutover", &stack, &["--yes"]).assert_success();
    shop.acme.destroy(&stack);
    assert_eq!(shop.recorded(), serde_json::json!({}));
    shop.acme.apply(&stack);
    assert_eq!(shop.live(&stack)["share"], "0 percent");
}

#[test]
fn more_gates_are_checked_before_the_last_step() {
    let shop = Shop::new();
    let stack = shop.apply(&format!("{CUTOVER}    before_last: {{ http: [{{ url: 'SERVER/absent' }}] }}\n"));
    let failed = shop.acme.run("cutover", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("step 2 of 3") && failed.stderr.contains("/absent: the answer has status 404"), "{}", failed.stderr);
    assert_eq!(shop.live(&stack)["share"], "0 percent");
    assert_eq!(shop.history(&stack)[0], "cutover: back");
}
