//! Plans for some resources: `--only`, `--except` and `--replace`.

use std::path::PathBuf;

use serde_json::Value;

use crate::acme::{Acme, CommandOutput, Plan, write_file};

const STACK: &str = "
stack: shop
region: eu-west-1
environments: { staging: { zones: 2 } }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] } }
  ecr_repository: { images: { keep_last: 5 } }
  sqs_queue: { jobs: {} }
";

struct Case {
    _folder: tempfile::TempDir,
    acme: Acme,
    stack: PathBuf,
}

impl Case {
    fn new() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        let stack = write_file(folder.path(), "stack.yaml", STACK);
        Case { _folder: folder, acme, stack }
    }
    fn define(&self, from: &str, to: &str) {
        assert!(STACK.contains(from), "{from}");
        std::fs::write(&self.stack, STACK.replace(from, to)).unwrap();
    }
    fn plan(&self, more: &[&str]) -> Plan {
        let done = self.run("plan", &[&["-o", "json"], more].concat()).assert_success();
        Plan(serde_json::from_str(&done.stdout).expect("JSON"))
    }
    fn run(&self, command: &str, more: &[&str]) -> CommandOutput {
        self.acme.run(command, &self.stack, more)
    }
}

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().expect("a map").keys().map(String::as_str).collect()
}

#[test]
fn only_plans_a_resource_and_what_it_needs() {
    let case = Case::new();
    let plan = case.plan(&["--only", "subnet.a"]);
    assert_eq!(plan.changes(), ["create subnet.a", "create vpc.main"]);
    assert_eq!(keys(&plan.0["selection"]["included"]), ["vpc.main"]);
    assert_eq!(keys(&plan.0["selection"]["left_out"]), ["ecr_repository.images", "security_group.web", "sqs_queue.jobs", "subnet.b"]);
    let text = case.run("plan", &["--only", "subnet.a"]).assert_success().stdout;
    assert!(text.contains("Included, because the selected changes need them: vpc.main (for subnet.a)"), "{text}");
    assert!(text.contains("Warning: the plan is partial and leaves out 4 to create."), "{text}");

    case.run("apply", &["--only", "subnet.a", "--yes"]).assert_success();
    let rest = ["create ecr_repository.images", "create security_group.web", "create sqs_queue.jobs", "create subnet.b"];
    assert_eq!(case.plan(&[]).changes(), rest);
    let again = case.run("plan", &["--only", "subnet.a", "--detailed-exitcode"]);
    assert_eq!(again.code, 0, "{}", again.combined_output());
    assert!(again.stdout.contains("No changes to the selected resources."), "{}", again.stdout);
    case.acme.apply(&case.stack);
    case.acme.assert_no_changes(&case.stack);
}

#[test]
fn except_leaves_out_a_resource_and_what_needs_it() {
    let case = Case::new();
    let plan = case.plan(&["--except", "vpc.main"]);
    assert_eq!(plan.changes(), ["create ecr_repository.images", "create sqs_queue.jobs"]);
    assert_eq!(keys(&plan.0["selection"]["excluded"]), ["security_group.web", "subnet.a", "subnet.b"]);
    let text = case.run("plan", &["--except", "vpc.main"]).assert_success().stdout;
    assert!(text.contains("Left out with a resource that they depend on: security_group.web (for vpc.main)"), "{text}");
    case.run("apply", &["--except", "vpc.main", "--yes"]).assert_success();
    let rest = ["create security_group.web", "create subnet.a", "create subnet.b", "create vpc.main"];
    assert_eq!(case.plan(&[]).changes(), rest);
    // What exists stays as it is, and what refers to it can change.
    case.acme.apply(&case.stack);
    case.define("10.0.0.0/16 }", "10.0.0.0/16, dns_hostnames: false }");
    assert_eq!(case.plan(&[]).changes(), ["update vpc.main"]);
    assert!(case.plan(&["--except", "vpc.main"]).changes().is_empty());
}

#[test]
fn deletions_take_along_what_must_be_deleted_first() {
    let case = Case::new();
    case.acme.apply(&case.stack);
    let plan = case.plan(&["--destroy", "--only", "vpc.main"]);
    assert_eq!(plan.changes(), ["delete security_group.web", "delete subnet.a", "delete subnet.b", "delete vpc.main"]);
    let plan = case.plan(&["--destroy", "--except", "subnet.a"]);
    let others = ["delete ecr_repository.images", "delete security_group.web", "delete sqs_queue.jobs", "delete subnet.b"];
    assert_eq!(plan.changes(), others);
    case.run("destroy", &["--only", "sqs_queue.jobs", "--yes"]).assert_success();
    assert_eq!(case.plan(&[]).changes(), ["create sqs_queue.jobs"]);
}

#[test]
fn replace_makes_a_new_resource_before_the_old_one_is_deleted() {
    let case = Case::new();
    case.acme.apply(&case.stack);
    let plan = case.plan(&["--replace", "security_group.web"]);
    assert_eq!(plan.changes(), ["replace security_group.web"]);
    assert_eq!(plan.0["changes"][0]["reason"], "requested");
    assert_eq!(plan.0["changes"][0]["replacement_order"], "create_before_destroy");
    let before = plan.0["changes"][0]["id"].clone();
    let text = case.run("plan", &["--replace", "security_group.web"]).assert_success().stdout;
    assert!(text.contains("± security_group.web  replaced, as requested, new one created first"), "{text}");
    case.run("apply", &["--replace", "security_group.web", "--yes"]).assert_success();
    case.acme.assert_no_changes(&case.stack);
    let after = case.plan(&["--replace", "security_group.web"]).0["changes"][0]["id"].clone();
    assert_ne!(before, after);
}

#[test]
fn a_replacement_of_data_needs_confirmation_and_an_unprotected_resource() {
    let case = Case::new();
    let table = "  dynamodb_table: { carts: { key: { partition: id }, attributes: { id: string } } }\n";
    std::fs::write(&case.stack, format!("{STACK}{table}")).unwrap();
    case.acme.apply(&case.stack);
    let blocked = case.run("apply", &["--replace", "dynamodb_table.carts", "--yes"]);
    assert_eq!(blocked.code, 1, "{}", blocked.combined_output());
    assert!(blocked.stdout.contains("Blocked[protected]"), "{}", blocked.combined_output());
    let unconfirmed = case.run("apply", &["--replace", "sqs_queue.jobs"]);
    assert!(unconfirmed.stderr.contains("error[no-terminal]"), "{}", unconfirmed.combined_output());
}

#[test]
fn unknown_addresses_are_refused_with_a_suggestion() {
    let case = Case::new();
    for (option, address, words) in [
        ("--only", "subnet.c", "there is no resource `subnet.c` to select\n  help: did you mean `subnet."),
        ("--except", "sqs_queue.job", "there is no resource `sqs_queue.job` to leave out\n  help: did you mean `sqs_queue.jobs`?"),
        ("--except", "sqs_queues.*", "there is no resource `sqs_queues.*` to leave out"),
        ("--only", "modules.mails", "there is no resource `modules.mails` to select\n  help: there are no modules"),
        (
            "--replace",
            "vpc.main",
            "`vpc.main` can't be replaced: it does not exist yet, and the plan creates it\n  help: remove `--replace",
        ),
        ("--only", "subnet", "`subnet` is not a valid address"),
    ] {
        let done = case.run("plan", &[option, address]);
        assert_eq!(done.code, 1, "{option} {address}: {}", done.combined_output());
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let failed = case.run("plan", &["--only", "sqs_queue.job", "-o", "json"]);
    let document: Value = serde_json::from_str(&failed.stdout).expect("JSON");
    assert_eq!(document["error"]["message"], "there is no resource `sqs_queue.job` to select");
    assert_eq!(document["error"]["help"], "did you mean `sqs_queue.jobs`?");
    let done = case.run("destroy", &["--replace", "vpc.main", "--yes"]);
    assert!(done.code == 1 && done.stderr.contains("error[replace]"), "{}", done.stderr);
}

#[test]
fn a_saved_plan_keeps_its_selection() {
    let case = Case::new();
    let file = case._folder.path().join("plan.json");
    case.run("plan", &["--only", "sqs_queue.jobs", "--out", &file.display().to_string()]).assert_success();
    let refused = case.acme.run("apply", &file, &["--only", "subnet.a"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[saved-plan]"), "{}", refused.stderr);
    case.acme.run("apply", &file, &[]).assert_success();
    assert!(!case.plan(&[]).changes().contains(&"create sqs_queue.jobs".to_owned()));
    assert_eq!(case.plan(&[]).changes().len(), 5);
}

/// A field that the definition no longer sets returns to its default, even if a partial apply came between.
#[test]
fn a_partial_apply_remembers_what_others_set_before() {
    let case = Case::new();
    let statement = "{ Effect: Allow, Principal: { AWS: '123456789012' }, Action: 'sqs:SendMessage', Resource: '*' }";
    case.define("sqs_queue: { jobs: {} }", &format!("sqs_queue: {{ jobs: {{ policy: {{ Statement: [{statement}] }} }} }}"));
    case.acme.apply(&case.stack);
    std::fs::write(&case.stack, STACK.replace("keep_last: 5", "keep_last: 6")).unwrap();
    assert_eq!(case.plan(&[]).changes(), ["update ecr_repository.images", "update sqs_queue.jobs"]);
    case.run("apply", &["--only", "ecr_repository.images", "--yes"]).assert_success();
    assert_eq!(case.plan(&[]).changes(), ["update sqs_queue.jobs"]);
}

#[test]
fn selections_that_contradict_each_other_are_refused() {
    let case = Case::new();
    case.acme.apply(&case.stack);
    for (options, words) in [
        (&["--only", "sqs_queue.jobs", "--except", "sqs_queue.jobs"][..], "contradict each other"),
        (&["--replace", "sqs_queue.jobs", "--except", "sqs_queue.jobs"][..], "contradict each other"),
        (&["--replace", "sqs_queue.jobs", "--except", "sqs_queue.*"][..], "the rest of the selection leaves out"),
        (&["--replace", "security_group.web", "--only", "sqs_queue.jobs"][..], "the rest of the selection leaves out"),
        (&["--only", "sqs_queue.jobs", "--except", "sqs_queue.*"][..], "`--except` leaves out all that `--only` selects"),
    ] {
        let done = case.run("plan", options);
        let shown = done.combined_output();
        assert!(done.code == 1 && done.stderr.contains("error[selection]") && done.stderr.contains(words), "{options:?}: {shown}");
    }
    let done = case.run("plan", &["--destroy", "--replace", "vpc.main"]);
    assert!(done.code == 2 && done.stderr.contains("cannot be used with"), "{}", done.combined_output());
}

const MODULES: &str = "
stack: shop
region: eu-west-1
include:
  - { module: ./worker, as: mail }
  - { module: ./worker, as: mail-archive }
queues:
  jobs: {}
  orders: { for_each: [eu, us] }
logs: { web: {} }
";

const WORKER: &str = "
description: A queue with the log group of its worker.
include:
  - { module: ../dead, as: dead }
queues: { jobs: {} }
logs: { worker: {} }
";

const DEAD: &str = "
description: A queue for failures.
queues: { letters: {} }
";

#[test]
fn selects_modules_entries_of_sections_and_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    for (name, text) in [("worker", WORKER), ("dead", DEAD)] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        write_file(&folder.path().join(name), "module.yaml", text);
    }
    let stack = write_file(folder.path(), "stack.yaml", MODULES);
    let selected = |options: &[&str]| {
        let done = acme.run("plan", &stack, &[&["-o", "json"], options].concat()).assert_success();
        let plan = Plan(serde_json::from_str(&done.stdout).expect("JSON"));
        plan.changes().iter().map(|change| change.trim_start_matches("create ").to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (selector, expected) in [
        ("modules.mail", "log_group.mail-worker sqs_queue.mail-dead-letters sqs_queue.mail-jobs"),
        ("modules.mail.dead", "sqs_queue.mail-dead-letters"),
        ("modules.mail.queues.jobs", "sqs_queue.mail-jobs"),
        ("modules.mail-archive.logs", "log_group.mail-archive-worker"),
        ("queues.jobs", "sqs_queue.jobs"),
        ("queues.orders", "sqs_queue.orders-eu sqs_queue.orders-us"),
        ("queues.orders-us", "sqs_queue.orders-us"),
        ("queues", "sqs_queue.jobs sqs_queue.orders-eu sqs_queue.orders-us"),
        ("sqs_queue.*-jobs", "sqs_queue.mail-archive-jobs sqs_queue.mail-jobs"),
        ("log_group.*", "log_group.mail-archive-worker log_group.mail-worker log_group.web"),
    ] {
        assert_eq!(selected(&["--only", selector]), expected, "{selector}");
    }
    assert_eq!(selected(&["--except", "modules.mail", "--except", "modules.mail-archive", "--except", "queues"]), "log_group.web");
    for (selector, help) in [("modules.mial", "did you mean `modules.mail`?"), ("queues.order", "did you mean `queues.orders`?")] {
        let done = acme.run("plan", &stack, &["--only", selector]);
        assert!(done.code == 1 && done.stderr.contains(help), "{}", done.combined_output());
    }
    // A saved plan keeps the selection as it was written.
    let file = folder.path().join("plan.json");
    acme.run("plan", &stack, &["--only", "queues.jobs", "--only", "log_group.*", "--out", &file.display().to_string()]).assert_success();
    acme.run("apply", &file, &[]).assert_success();
    let left = "sqs_queue.mail-archive-dead-letters sqs_queue.mail-archive-jobs sqs_queue.mail-dead-letters sqs_queue.mail-jobs \
                sqs_queue.orders-eu sqs_queue.orders-us";
    assert_eq!(selected(&[]), left);
}
