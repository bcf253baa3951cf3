//! Saved plans: applied as shown, or not at all.

use std::{fs, path::Path};

use acme::{
    core::LiveResource,
    engine::discover::address_of,
    simulator::{Behaviour, Simulator},
};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    simulated_cloud::redacted_output,
};

const FIRST: &str = "
stack: small
region: eu-west-1
environments: { staging: { range: 10.0 }, production: { range: 10.1 } }
resources:
  vpc: { main: { cidr: '{{ range }}.0.0/16' } }
  subnet: { a: { vpc: main, cidr: '{{ range }}.0.0/24', availability_zone: eu-west-1a } }
  ecr_repository: { users: { keep_last: 5 } }
";

struct SavedPlanCase {
    folder: tempfile::TempDir,
    acme: Acme,
}

impl SavedPlanCase {
    fn new() -> SavedPlanCase {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        write_file(folder.path(), "stack.yaml", FIRST);
        SavedPlanCase { folder, acme }
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
    fn run(&self, command: &str, file: &str, more: &[&str]) -> crate::acme::CommandOutput {
        self.acme.run(command, &self.path(file), more)
    }
    fn save_plan(&self, more: &[&str]) {
        let out = self.path("plan.json").display().to_string();
        self.run("plan", "stack.yaml", &[&["--env", "staging", "--out", &out], more].concat()).assert_success();
    }
    fn saved_plan(&self) -> String {
        fs::read_to_string(self.path("plan.json")).expect("a saved plan")
    }
    /// Asserts that applying it is refused, and changes nothing.
    fn assert_apply_refused(&self) -> String {
        let before = self.cloud().dump();
        let done = self.run("apply", "plan.json", &[]);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert_eq!(self.cloud().dump(), before);
        redacted_output(&done, self.folder.path())
    }
    fn cloud(&self) -> Simulator {
        Simulator::open(self.path("cloud"), "eu-west-1", Behaviour::default()).expect("a simulated cloud")
    }
    /// Changes the resource at an address outside acme.
    fn change_outside_acme(&self, address: &str, change: impl Fn(&mut LiveResource)) {
        let cloud = self.cloud();
        for (key, value) in cloud.dump() {
            let (kind, id) = key.split_once('/').expect("type/id");
            let tags = serde_json::from_value(value["tags"].clone()).expect("tags");
            let outputs = value["outputs"].clone().into();
            let mut live = LiveResource { tags, outputs, ..LiveResource::ready(kind, id, value["spec"].clone()) };
            if address_of(&live).is_some_and(|at| at.to_string() == address) {
                change(&mut live);
                cloud.seed(live).expect("it can be changed");
            }
        }
    }
}

fn edited_definition(from: &str, to: &str) -> String {
    assert!(FIRST.contains(from));
    FIRST.replace(from, to)
}

#[test]
fn applies_a_saved_plan_only_once() {
    let case = SavedPlanCase::new();
    case.save_plan(&["--set", "range=10.7"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(case.path("plan.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let done = case.run("apply", "plan.json", &[]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert!(done.stdout.contains("cidr 10.7.0.0/16"), "{}", done.combined_output());
    let settled = case.run("plan", "stack.yaml", &["--env", "staging", "--set", "range=10.7", "--detailed-exitcode"]);
    assert_eq!(settled.code, 0, "{}", settled.combined_output());
    insta::assert_snapshot!(case.assert_apply_refused());
}

#[test]
fn applies_a_saved_destroy_plan() {
    let case = SavedPlanCase::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).assert_success();
    let saved = case.run("plan", "stack.yaml", &["--env", "staging", "--destroy", "--out", &case.path("plan.json").display().to_string()]);
    assert!(
        saved.stderr.contains("Run `acme destroy FOLDER/plan.json".replace("FOLDER", &case.folder.path().display().to_string()).as_str())
    );
    // Only `destroy` deletes everything, and it deletes only what was planned.
    let refused = case.assert_apply_refused();
    case.run("destroy", "plan.json", &[]).assert_success();
    assert!(case.cloud().dump().is_empty());
    case.save_plan(&[]);
    let done = case.run("destroy", "plan.json", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    insta::assert_snapshot!([refused, redacted_output(&done, case.folder.path())].join("\n━━\n"));
}

/// A pipeline states what the plan must be for; the file does not decide that.
#[test]
fn refuses_a_plan_for_something_else_than_stated() {
    let case = SavedPlanCase::new();
    write_file(case.folder.path(), "other.yaml", FIRST);
    write_file(case.folder.path(), "range.yaml", "range: 10.7\n");
    let file = case.path("stack.yaml").display().to_string();
    let values = case.path("range.yaml").display().to_string();
    let of_stack = ["--file", &file, "--env", "staging"];
    let refuse = |planned: &[&str], stated: &[&str]| {
        case.save_plan(planned);
        let done = case.run("apply", "plan.json", stated);
        assert!(done.code == 1 && case.cloud().dump().is_empty(), "{}", done.combined_output());
        redacted_output(&done, case.folder.path())
    };
    let with_values = ["--values", values.as_str(), "--only", "vpc.main"];
    let screens = [
        refuse(&[], &["--env", "production"]),
        refuse(&[], &["--env", "production", "--file", &case.path("other.yaml").display().to_string(), "--set", "range=10.3"]),
        refuse(&["--set", "range=10.9", "--except", "ecr_repository.users"], &of_stack),
        refuse(&with_values, &["--env", "staging"]),
        refuse(&[], &["--set", "range=10.3"]),
        refuse(&[], &["--only", "vpc.main"]),
    ];
    insta::assert_snapshot!(screens.join("\n━━\n"));
    // A forged file: acme plans for the environment that was stated, whatever the file says.
    case.save_plan(&[]);
    for (field, other) in
        [("\"environment\": \"staging\"", "\"environment\": \"production\""), ("\"env\": \"staging\"", "\"env\": \"production\"")]
    {
        let saved = case.saved_plan();
        assert!(saved.contains(field), "{saved}");
        fs::write(case.path("plan.json"), saved.replace(field, other)).unwrap();
        let done = case.run("apply", "plan.json", &of_stack);
        assert!(
            done.code == 1 && done.stderr.contains("error[unexpected-plan]") && case.cloud().dump().is_empty(),
            "{}",
            done.combined_output()
        );
        fs::write(case.path("plan.json"), saved).unwrap();
    }
    // Nor does the file choose the region, if the definition has none.
    let anywhere = write_file(case.folder.path(), "anywhere.yaml", "stack: small\nresources: { ecr_repository: { app: {} } }\n");
    let out = case.path("anywhere.acmeplan").display().to_string();
    case.acme.run("plan", &anywhere, &["--region", "eu-north-1", "--out", &out]).assert_success();
    let elsewhere = case.run("apply", "anywhere.acmeplan", &["--file", &anywhere.display().to_string()]);
    assert!(
        elsewhere.code == 1 && elsewhere.stderr.contains("it was made for region eu-north-1, but this is us-east-1"),
        "{}",
        elsewhere.stderr
    );
    case.run("apply", "anywhere.acmeplan", &["--file", &anywhere.display().to_string(), "--region", "eu-north-1"]).assert_success();
    // What was stated is what it is for, by another path, too.
    case.save_plan(&with_values);
    case.run("apply", "plan.json", &[&of_stack[..], &with_values[..]].concat()).assert_success();
    case.save_plan(&[]);
    let path = case.folder.path().join("./stack.yaml").display().to_string();
    case.run("apply", "plan.json", &["--file", &path, "--env", "staging"]).assert_success();
}

#[test]
fn names_what_changed_since_the_plan_was_saved() {
    let case = SavedPlanCase::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).assert_success();
    write_file(
        case.folder.path(),
        "stack.yaml",
        &edited_definition("keep_last: 5", "keep_last: 9").replace("availability_zone:", "dns64: true, availability_zone:"),
    );
    case.save_plan(&[]);
    let saved: Value = serde_json::from_str(&case.saved_plan()).unwrap();
    let read: Vec<&String> = saved["live"].as_object().unwrap().keys().collect();
    assert_eq!(read, ["ecr_repository.users", "subnet.a", "vpc.main"], "what is changed, and what that refers to");

    // A field and the tags of changed resources, and a field of a referenced one.
    let plain = case.cloud().dump();
    case.change_outside_acme("subnet.a", |live| live.spec["public_ip_on_launch"] = json!(true));
    case.change_outside_acme("ecr_repository.users", |live| drop(live.tags.insert("team".into(), "other".into())));
    case.change_outside_acme("vpc.main", |live| live.spec["dns_hostnames"] = json!(false));
    let drifted = case.assert_apply_refused();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).assert_success();
    let applied = case.assert_apply_refused();
    case.run("destroy", "stack.yaml", &["--env", "staging", "--yes"]).assert_success();
    let gone = case.assert_apply_refused();
    assert!(!plain.is_empty());
    insta::assert_snapshot!([drifted, applied, gone].join("\n━━\n"));
}

#[test]
fn refuses_changes_that_are_not_in_the_saved_plan() {
    let case = SavedPlanCase::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).assert_success();
    write_file(case.folder.path(), "stack.yaml", &edited_definition("keep_last: 5", "keep_last: 9"));
    case.save_plan(&[]);
    // Not part of the plan, until it changed outside acme.
    case.change_outside_acme("vpc.main", |live| live.spec["dns_hostnames"] = json!(false));
    let more = case.assert_apply_refused();
    case.change_outside_acme("vpc.main", |live| live.spec["dns_hostnames"] = json!(true));
    // The file has no instructions: its content is compared with a new plan.
    fs::write(case.path("plan.json"), case.saved_plan().replace("\"after\": 9", "\"after\": 900")).unwrap();
    let forged = case.assert_apply_refused();
    write_file(case.folder.path(), "stack.yaml", &edited_definition("keep_last: 5", "keep_last: 8"));
    let definition = case.assert_apply_refused();
    insta::assert_snapshot!([more, forged, definition].join("\n━━\n"));
}

#[test]
fn rejects_incomplete_or_foreign_plan_files() {
    let case = SavedPlanCase::new();
    case.save_plan(&[]);
    let saved = case.saved_plan();
    let version = format!("\"acme\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let mut screens = Vec::new();
    for text in [
        saved[..saved.len() / 2].to_owned(),
        saved.replace(&version, "\"acme\": \"9.0.0\""),
        saved.replace("acme-saved-plan/2", "acme-saved-plan/3"),
        saved.replace("\"goal\": \"apply\",", ""),
    ] {
        fs::write(case.path("plan.json"), text).unwrap();
        screens.push(case.assert_apply_refused());
    }
    // Recognized by its name, even if most of it is missing.
    for text in ["", "{", "stack: small"] {
        fs::write(case.path("some.acmeplan"), text).unwrap();
        screens.push(redacted_output(&case.run("apply", "some.acmeplan", &[]), case.folder.path()));
    }
    insta::assert_snapshot!(screens.join("\n━━\n"));
    // Truncated anywhere, it is only an error.
    for end in (0..saved.len()).step_by(97) {
        fs::write(case.path("plan.json"), &saved[..end]).unwrap();
        let done = case.run("apply", "plan.json", &["--yes"]);
        assert!(done.code == 1 && done.stderr.contains("error"), "cut at {end}: {}", done.combined_output());
    }
}

#[test]
fn distinguishes_plan_files_from_definitions() {
    let case = SavedPlanCase::new();
    case.save_plan(&[]);
    let at = |name: &str| case.path(name).display().to_string();
    let screens: Vec<String> = [
        case.run("apply", "plan.json", &["--env", "production"]),
        case.run("apply", "plan.json", &["--set", "range=10.3"]),
        case.run("apply", "plan.json", &["--region", "eu-north-1"]),
        case.run("plan", "plan.json", &[]),
        case.run("show", "plan.json", &[]),
        case.run("plan", "stack.yaml", &["--env", "staging", "-q", "-o", "json", "--out", &at("stack.yaml")]),
        case.run("apply", "none.acmeplan", &[]),
    ]
    .iter()
    .map(|done| {
        assert_eq!(done.code, 1, "{}", done.combined_output());
        redacted_output(&crate::acme::CommandOutput { stdout: String::new(), stderr: done.stderr.clone(), ..*done }, case.folder.path())
    })
    .collect();
    assert_eq!(fs::read_to_string(case.path("stack.yaml")).unwrap(), FIRST);
    // A definition may be JSON.
    write_file(case.folder.path(), "stack.json", r#"{ "stack": "small", "region": "eu-west-1" }"#);
    case.run("apply", "stack.json", &["--yes"]).assert_success();
    insta::assert_snapshot!(screens.join("\n━━\n"));
}

#[test]
fn does_not_save_a_blocked_plan() {
    let case = SavedPlanCase::new();
    let cloud = case.cloud();
    let spec = json!({
        "name": "small-staging-users", "immutable_tags": true, "tag_exceptions": [], "scan_on_push": true, "kms_key": null,
        "keep_last": 5, "lifecycle_policy": {},
    });
    let live = LiveResource { outputs: json!({}).into(), ..LiveResource::ready("ecr_repository", "small-staging-users", spec) };
    cloud.seed(live).unwrap();
    let out = case.path("plan.json").display().to_string();
    let done = case.run("plan", "stack.yaml", &["--env", "staging", "--out", &out]);
    assert_eq!(done.code, 1);
    assert!(!Path::new(&out).exists(), "{}", done.combined_output());
}
