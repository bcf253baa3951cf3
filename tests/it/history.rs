//! History of a stack: origins of changes, and changes outside acme.

use std::{path::PathBuf, process::Command};

use acme::{
    aws::types::resource_type,
    core::Tags,
    simulator::{Behaviour, FAULT_VARIABLE, Simulator},
};
use regex_lite::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    acme::{Acme, CommandOutput, binary, write_file},
    simulated_cloud,
};

const STACK: &str = "
stack: shop
region: eu-west-1
tags: { team: platform }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
  ecr_repository: { api: { keep_last: 5 }, web: {} }
  elastic_ip: { office: {} }
";

/// A stack in the simulated cloud, and changes outside acme.
struct Shop {
    folder: TempDir,
    acme: Acme,
}

impl Shop {
    /// Applied stack.
    fn applied() -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop { acme: Acme::local(&folder.path().join("cloud")), folder };
        shop.apply(STACK);
        shop
    }
    fn stack(&self) -> PathBuf {
        self.folder.path().join("stack.yaml")
    }
    fn write(&self, text: &str) {
        write_file(self.folder.path(), "stack.yaml", text);
    }
    fn apply(&self, text: &str) {
        self.write(text);
        self.acme.apply(&self.stack());
    }
    /// Applies with faults of the simulated cloud; returns the result.
    fn apply_with_fault(&self, fault: &str, text: &str) -> Option<i32> {
        self.write(text);
        let local = format!("--local={}", self.folder.path().join("cloud").display());
        let mut command = Command::new(binary());
        let command = command.arg("apply").arg(self.stack()).args([local.as_str(), "--yes"]).env(FAULT_VARIABLE, fault);
        command.output().expect("acme runs").status.code()
    }
    fn run(&self, command: &str, more: &[&str]) -> CommandOutput {
        self.acme.run(command, &self.stack(), more)
    }
    fn json(&self, command: &str, more: &[&str]) -> Value {
        serde_json::from_str(&self.run(command, &[&["-o", "json"], more].concat()).stdout).expect("JSON")
    }
    /// Screen without parts that depend on run or machine.
    fn redacted_output(&self, done: &CommandOutput) -> String {
        redact(&simulated_cloud::redacted_output(done, self.folder.path()))
    }
    fn delete_history(&self) {
        std::fs::remove_dir_all(self.folder.path().join("cloud/backend")).unwrap();
    }

    /// Changes a field of the only resource of a type, or of the one with this name, outside acme.
    fn change_field(&self, of: &str, name: &str, field: &str, value: Value) {
        self.change_outside_acme(|local, runtime| {
            let (id, mut spec, _) = find_resource(local, of, name);
            *spec.pointer_mut(field).expect("a field") = value;
            let changed = [field.to_owned()];
            runtime.block_on(local.update(resource_type(of).expect("a type"), (None, &id), &spec, &changed)).unwrap();
        });
    }
    fn retag(&self, of: &str, name: &str, key: &str, value: &str) {
        self.change_outside_acme(|local, runtime| {
            let (id, _, mut tags) = find_resource(local, of, name);
            tags.insert(key.to_owned(), value.to_owned());
            runtime.block_on(local.retag(resource_type(of).expect("a type"), (None, &id), &tags)).unwrap();
        });
    }
    fn delete(&self, of: &str, name: &str) {
        self.change_outside_acme(|local, runtime| {
            let (id, ..) = find_resource(local, of, name);
            runtime.block_on(local.delete(resource_type(of).expect("a type"), (None, &id), acme::core::OnDelete::Delete)).unwrap();
        });
    }
    fn change_outside_acme(&self, act: impl FnOnce(&Simulator, &tokio::runtime::Runtime)) {
        let local = Simulator::open(self.folder.path().join("cloud"), "eu-west-1", Behaviour::default()).unwrap();
        act(&local, &tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    }
}

/// Id, spec and tags of the resource at an address.
fn find_resource(local: &Simulator, of: &str, name: &str) -> (String, Value, Tags) {
    let address = format!("{of}.{name}");
    let dump = local.dump();
    let (key, live) = dump.iter().find(|(_, live)| live["tags"]["acme:address"] == address.as_str()).expect("it is there");
    let id = key.strip_prefix(&format!("{of}/")).expect("its type").to_owned();
    (id, live["spec"].clone(), serde_json::from_value(live["tags"].clone()).unwrap())
}

fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "DATE"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "DATE"),
        (r"[^\s\x22]+@[^\s\x22:)]+", "USER@HOST"),
        (r"\b[0-9a-f]{64}\b", "SHA256"),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, instead).into_owned();
    }
    text
}

/// Document without the origins of changes.
pub fn without_authors(mut plan: Value) -> Value {
    for change in plan["changes"].as_array_mut().expect("changes") {
        let change = change.as_object_mut().expect("a change");
        change.remove("changed_by");
        change.remove("tags_changed_by");
        for field in change["fields"].as_array_mut().expect("fields") {
            field.as_object_mut().expect("a field").remove("changed_by");
        }
    }
    plan
}

#[test]
fn history_lists_shows_and_compares_runs() {
    let shop = Shop::applied();
    let second = STACK.replace("port: 443", "port: 8443").replace(", web: {} }", " }");
    shop.apply(&second);
    let third = second
        .replace("vpc: { main: { cidr: 10.0.0.0/16 } }", "vpc: { main: { cidr: 10.0.0.0/16 }, other: { cidr: 10.1.0.0/16 } }")
        .replace("  security_group:\n", "  security_group:\n    other: { vpc: other }\n");
    assert_eq!(shop.apply_with_fault("refuse:2", &third), Some(1), "refused, and rolled back");
    assert_ne!(shop.apply_with_fault("crash-after:1", &third), Some(0), "killed");

    let list = shop.run("history", &[]).assert_success();
    insta::assert_snapshot!("history_list", shop.redacted_output(&list));
    assert!(list.stdout.lines().all(|line| line.chars().count() <= 80), "{}", list.stdout);
    insta::assert_snapshot!("history_latest_two", shop.redacted_output(&shop.run("history", &["--limit", "2"]).assert_success()));
    insta::assert_snapshot!("history_of_a_run", shop.redacted_output(&shop.run("history", &["2"]).assert_success()));
    insta::assert_snapshot!("history_of_a_run_rolled_back", shop.redacted_output(&shop.run("history", &["3"]).assert_success()));
    insta::assert_snapshot!("history_of_a_run_without_end", shop.redacted_output(&shop.run("history", &["4"]).assert_success()));
    insta::assert_snapshot!("history_between_two_runs", shop.redacted_output(&shop.run("history", &["1", "2"]).assert_success()));
    let json = shop.json("history", &[]);
    insta::assert_snapshot!("history_as_json", redact(&serde_json::to_string_pretty(&json).unwrap()));
    let revision = shop.json("history", &["3"]);
    assert_eq!(revision["format"], "acme-history/2");
    assert_eq!((&revision["revision"]["outcome"], &revision["failed"][0]["action"]), (&json!("rolled_back"), &json!("update")));
    assert_eq!(revision["rolled_back"].as_array().map(Vec::len), revision["changes"].as_array().map(Vec::len));
    let between = shop.json("history", &["1", "2"]);
    assert_eq!((&between["from"], &between["to"]), (&json!(1), &json!(2)));
    assert_eq!(between["summary"], json!({ "create": 0, "update": 1, "replace": 0, "delete": 1 }));

    let unknown = [shop.run("history", &["9"]), shop.run("history", &["1", "9"]), shop.run("history", &["1", "4"])];
    assert!(unknown.iter().all(|done| done.code == 1));
    insta::assert_snapshot!("history_of_nothing", unknown.map(|done| shop.redacted_output(&done)).join("\n━━\n"));
}

#[test]
fn stack_without_runs_has_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let done = Acme::local(&folder.path().join("cloud")).run("history", &stack, &[]).assert_success();
    assert!(done.combined_output().ends_with("No runs recorded for shop (default).\n"), "{}", done.combined_output());
}

#[test]
fn plan_names_who_changed_what_and_does_not_depend_on_history() {
    let shop = Shop::applied();
    let rule = |port: u16| json!([{ "cidr": "0.0.0.0/0", "description": null, "from_port": port, "protocol": "tcp", "self": false, "to_port": port }]);
    shop.change_field("security_group", "web", "/ingress", rule(22));
    shop.change_field("ecr_repository", "api", "/keep_last", json!(50));
    shop.change_field("ecr_repository", "api", "/scan_on_push", json!(false));
    shop.retag("vpc", "main", "owner", "someone");
    shop.delete("elastic_ip", "office");
    shop.write(&STACK.replace("keep_last: 5", "keep_last: 10").replace("web: {} }", "web: { immutable_tags: false } }"));

    insta::assert_snapshot!("plan_with_labels", shop.redacted_output(&shop.run("plan", &[]).assert_success()));
    let known = shop.acme.plan(&shop.stack()).0;
    let by: Vec<String> = known["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .flat_map(|change| {
            let whole = (&change["address"], "", &change["changed_by"]);
            let fields = change["fields"].as_array().expect("fields").iter();
            let fields = fields.map(|field| (&change["address"], field["pointer"].as_str().unwrap_or_default(), &field["changed_by"]));
            let tags = (&change["address"], " tags", &change["tags_changed_by"]);
            fields.chain([whole, tags]).filter(|(_, _, by)| !by.is_null()).map(|(address, at, by)| format!("{address}{at} {by}"))
        })
        .collect();
    insta::assert_snapshot!("plan_with_labels_as_json", by.join("\n"));

    shop.delete_history();
    let forgotten = shop.acme.plan(&shop.stack()).0;
    assert_eq!(without_authors(known.clone()), forgotten, "a record changed a plan");
    assert_ne!(known, forgotten, "nothing was labelled");
}

#[test]
fn plan_reports_an_unfinished_run_and_does_not_label_its_changes() {
    let shop = Shop::applied();
    let edited = STACK.replace("team: platform", "team: core");
    assert_ne!(shop.apply_with_fault("crash-after:3", &edited), Some(0), "killed");
    shop.delete("elastic_ip", "office");
    let plan = shop.run("plan", &[]).assert_success();
    let expected = "The last run (revision 2, apply by USER@HOST) is unfinished.\n  This run continues it; `acme rollback FOLDER/stack.yaml --local=FOLDER/cloud` undoes it instead.";
    assert!(shop.redacted_output(&plan).contains(expected), "{}", shop.redacted_output(&plan));
    assert!(!plan.stdout.contains("changed outside"), "{}", plan.stdout);
}

#[test]
fn drift_shows_changes_made_outside_acme() {
    let shop = Shop::applied();
    let none = shop.run("drift", &[]);
    assert_eq!(none.code, 0);
    insta::assert_snapshot!("drift_none", shop.redacted_output(&none));

    shop.change_field("ecr_repository", "api", "/keep_last", json!(50));
    shop.retag("vpc", "main", "team", "other");
    shop.retag("vpc", "main", "owner", "someone");
    shop.delete("elastic_ip", "office");
    // An edit of the definition is not drift.
    shop.write(&STACK.replace("443", "8443").replace(", web: {} }", ", new: {} }"));
    let some = shop.run("drift", &[]);
    assert_eq!(some.code, 2);
    insta::assert_snapshot!("drift_since_a_run", shop.redacted_output(&some));
    let json = shop.json("drift", &[]);
    assert_eq!((&json["format"], &json["since"]), (&json!("acme-drift/2"), &json!(1)));
    assert_eq!(json["summary"], json!({ "create": 0, "update": 2, "replace": 0, "delete": 1 }));
    let fields = &json["changes"][0]["fields"][0];
    assert_eq!((&fields["pointer"], &fields["before"], &fields["after"]), (&json!("/keep_last"), &json!(5), &json!(50)));

    shop.delete_history();
    let without = shop.run("drift", &[]);
    assert_eq!(without.code, 2);
    insta::assert_snapshot!("drift_from_the_definition", shop.redacted_output(&without));
    assert_eq!(shop.json("drift", &[])["since"], Value::Null);
}

#[test]
fn drift_skips_resources_of_an_unfinished_run() {
    let shop = Shop::applied();
    let edited = STACK.replace("keep_last: 5", "keep_last: 6");
    assert_ne!(shop.apply_with_fault("crash-after:1", &edited), Some(0), "killed");
    shop.change_field("ecr_repository", "api", "/keep_last", json!(50));
    shop.delete("security_group", "web");
    let drift = shop.run("drift", &[]);
    assert!(drift.stderr.contains("Note: an unfinished run exists; resources it changed are not shown."), "{}", drift.combined_output());
    let json = shop.json("drift", &[]);
    let gone: Vec<&Value> = json["changes"].as_array().expect("changes").iter().map(|change| &change["address"]).collect();
    assert_eq!((drift.code, gone), (2, vec![&json!("security_group.web")]), "{json:#}");
}

#[test]
fn rollback_records_the_whole_stack() {
    let shop = Shop::applied();
    shop.apply(&STACK.replace("port: 443", "port: 8443"));
    shop.run("rollback", &["--yes"]).assert_success();
    let between = shop.run("history", &["1", "3"]).assert_success();
    assert!(between.stdout.ends_with("No differences.\n"), "{}", between.stdout);
    let drift = shop.run("drift", &[]);
    assert_eq!(drift.code, 0, "{}", drift.combined_output());
    // Again, from an unfinished edit.
    let edited = STACK.replace("team: platform", "team: core");
    assert_ne!(shop.apply_with_fault("crash-after:2", &edited), Some(0), "killed");
    shop.run("rollback", &["--yes"]).assert_success();
    let between = shop.run("history", &["3", "5"]).assert_success();
    assert!(between.stdout.ends_with("No differences.\n"), "{}", between.stdout);
    let drift = shop.run("drift", &[]);
    assert_eq!(drift.code, 0, "{}", drift.combined_output());
    assert_eq!(shop.json("plan", &[])["changes"][0]["tags_changed_by"], json!({ "team": "you" }));
}

#[test]
fn history_shows_the_commit_of_the_definition() {
    let shop = Shop::applied();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.arg("-C").arg(shop.folder.path()).args(who).args(arguments).output().expect("git runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let commit = git(&["rev-parse", "HEAD"]);
    shop.apply(&STACK.replace("port: 443", "port: 8443"));
    assert_eq!(shop.json("history", &["2"])["revision"]["commit"], json!(commit));
    assert!(shop.run("history", &["2"]).assert_success().stdout.contains(&format!("Commit      {commit}\n")));
}
