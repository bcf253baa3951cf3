//! `role:`: all calls are made as another role.

use serde_json::Value;

use crate::{
    acme::{Acme, write_file},
    standin::{Standin, StandinKind},
};

const TEXT: &str = "
stack: shop
region: us-east-1
environments: { staging: { number: \"111111111111\" }, production: { number: \"222222222222\" } }
role: { arn: \"arn:aws:iam::{{ number }}:role/deploy\", external_id: shop-1 }
resources: { vpc: { main: { cidr: 10.0.0.0/16 } } }
";

/// moto gives the resources of a role's session to the account of the role.
#[test]
fn each_environment_is_applied_with_its_own_role() {
    let standin = Standin::start(StandinKind::Moto);
    let folder = tempfile::tempdir().unwrap();
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    for (environment, account) in [("staging", "111111111111"), ("production", "222222222222")] {
        let acme = Acme::at_endpoint(&standin.url).with_args(&["--env", environment]);
        let plan = acme.plan(&stack);
        assert_eq!(plan.0["account"], account, "{:#}", plan.0);
        acme.apply(&stack);
        acme.assert_no_changes(&stack);
    }
    // The option wins, and is part of printed commands.
    let other = "arn:aws:iam::333333333333:role/other";
    let acme = Acme::at_endpoint(&standin.url).with_args(&["--env", "staging", "--role", other]);
    let drift = acme.run("drift", &stack, &[]);
    assert!(
        drift.stderr.contains("account 333333333333") && drift.stderr.contains(&format!("--role {other}")),
        "{}",
        drift.combined_output()
    );
    let wrong = Acme::at_endpoint(&standin.url).with_args(&["--role", "deploy"]).run("plan", &stack, &[]);
    assert!(wrong.code != 0 && wrong.stderr.contains("a role looks like"), "{}", wrong.combined_output());
}

#[test]
fn explains_a_role_that_can_not_be_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    let acme = Acme::without_cloud().with_only_args(&["--endpoint-url", "http://127.0.0.1:1", "--env", "staging"]);
    let failed = acme.run("plan", &stack, &[]);
    assert!(failed.code == 1 && failed.stderr.contains("can't assume the role arn:aws:iam::111111111111:role/deploy"), "{}", failed.stderr);
    assert!(failed.stderr.contains("sts:AssumeRole` with this external id"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("Error {") && !failed.stderr.contains("while loading credentials"), "{}", failed.stderr);
    let wrong = write_file(folder.path(), "stack.yaml", &TEXT.replace("arn:aws:iam", "iam"));
    let failed = acme.run("validate", &wrong, &[]);
    assert!(failed.code != 0, "{}", failed.combined_output());
    let local = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let shown: Value =
        serde_yaml::from_str(&local.run("show", &write_file(folder.path(), "stack.yaml", TEXT), &[]).assert_success().stdout).unwrap();
    assert_eq!(shown["role"]["external_id"], "shop-1");
}

/// Two steps are never under way at the same time.
#[test]
fn parallelism_limits_the_steps_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let queues: Vec<String> = (0..6).map(|number| format!("q{number}: {{}}")).collect();
    let text = format!("stack: small\nregion: us-east-1\nresources: {{ sqs_queue: {{ {} }} }}\n", queues.join(", "));
    let stack = write_file(folder.path(), "stack.yaml", &text);
    let done = acme.run("apply", &stack, &["--yes", "--parallelism", "1", "-o", "json"]).assert_success();
    let events: Vec<Value> = done.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (mut running, mut most) = (0_i32, 0);
    for event in &events {
        match event["event"].as_str() {
            Some("step_started") => running += 1,
            Some("step_finished" | "step_done" | "step_ended" | "step_failed") => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    assert_eq!(most, 1, "{}", done.stdout);
    let zero = acme.run("apply", &stack, &["--yes", "--parallelism", "0"]);
    assert_ne!(zero.code, 0, "{}", zero.combined_output());
}

#[test]
fn the_simulated_cloud_accepts_a_pinned_account_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: small\nregion: us-east-1\naccount: \"111122223333\"\nresources: { sns_topic: { a: {} } }\noutputs: { arn: \"{{ sns_topic.a.arn }}\" }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let plan = acme.run("plan", &stack, &[]).assert_success();
    assert!(plan.stdout.starts_with("small (default) in us-east-1, account 111122223333, simulated cloud\n"), "{}", plan.stdout);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    let outputs = acme.run("outputs", &stack, &["-o", "json"]).assert_success().stdout;
    assert!(outputs.contains("arn:aws:sns:us-east-1:111122223333:"), "{outputs}");
    assert_eq!(acme.plan(&stack).0["simulated"], true);
}
