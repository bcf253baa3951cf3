//! Saved plans: carried out as they were shown, or not at all.

use std::{fs, path::Path};

use acme::{
    core::{Live, Phase},
    engine::discover::address_of,
    simulator::{Behaviour, Local},
};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, write},
    local::screen,
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

struct Case {
    folder: tempfile::TempDir,
    acme: Acme,
}

impl Case {
    fn new() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        write(folder.path(), "stack.yaml", FIRST);
        Case { folder, acme }
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
    fn run(&self, command: &str, file: &str, more: &[&str]) -> crate::acme::Done {
        self.acme.run(command, &self.path(file), more)
    }
    fn save(&self, more: &[&str]) {
        let out = self.path("plan.json").display().to_string();
        self.run("plan", "stack.yaml", &[&["--env", "staging", "--out", &out], more].concat()).ok();
    }
    fn saved(&self) -> String {
        fs::read_to_string(self.path("plan.json")).expect("a saved plan")
    }
    /// Carrying it out is refused, and changes nothing.
    fn refused(&self) -> String {
        let before = self.cloud().dump();
        let done = self.run("apply", "plan.json", &[]);
        assert_eq!(done.code, 1, "{}", done.screen());
        assert_eq!(self.cloud().dump(), before);
        screen(&done, self.folder.path())
    }
    fn cloud(&self) -> Local {
        Local::open(self.path("cloud"), "eu-west-1", Behaviour::default()).expect("a simulated cloud")
    }
    /// Somebody else changes what is at an address.
    fn drift(&self, address: &str, change: impl Fn(&mut Live)) {
        let cloud = self.cloud();
        for (key, value) in cloud.dump() {
            let (kind, id) = key.split_once('/').expect("type/id");
            let tags = serde_json::from_value(value["tags"].clone()).expect("tags");
            let (spec, outputs) = (value["spec"].clone(), value["outputs"].clone());
            let mut live = Live { kind: kind.into(), id: id.into(), tags, phase: Phase::Ready, spec, outputs, version: None };
            if address_of(&live).is_some_and(|at| at.to_string() == address) {
                change(&mut live);
                cloud.seed(live).expect("it can be changed");
            }
        }
    }
}

fn edited(from: &str, to: &str) -> String {
    assert!(FIRST.contains(from));
    FIRST.replace(from, to)
}

#[test]
fn a_saved_plan_is_carried_out_once() {
    let case = Case::new();
    case.save(&["--set", "range=10.7"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(case.path("plan.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let done = case.run("apply", "plan.json", &[]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert!(done.stdout.contains("cidr 10.7.0.0/16"), "{}", done.screen());
    let settled = case.run("plan", "stack.yaml", &["--env", "staging", "--set", "range=10.7", "--detailed-exitcode"]);
    assert_eq!(settled.code, 0, "{}", settled.screen());
    insta::assert_snapshot!(case.refused());
}

#[test]
fn a_saved_deletion_deletes() {
    let case = Case::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).ok();
    case.save(&["--destroy"]);
    case.run("apply", "plan.json", &[]).ok();
    assert!(case.cloud().dump().is_empty());
}

#[test]
fn what_has_changed_since_is_named() {
    let case = Case::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).ok();
    write(
        case.folder.path(),
        "stack.yaml",
        &edited("keep_last: 5", "keep_last: 9").replace("availability_zone:", "dns64: true, availability_zone:"),
    );
    case.save(&[]);
    let saved: Value = serde_json::from_str(&case.saved()).unwrap();
    let read: Vec<&String> = saved["live"].as_object().unwrap().keys().collect();
    assert_eq!(read, ["ecr_repository.users", "subnet.a", "vpc.main"], "what is changed, and what that refers to");

    // A field and the tags of what would be touched, a field of what is only referred to.
    let plain = case.cloud().dump();
    case.drift("subnet.a", |live| live.spec["public_ip_on_launch"] = json!(true));
    case.drift("ecr_repository.users", |live| drop(live.tags.insert("team".into(), "other".into())));
    case.drift("vpc.main", |live| live.spec["dns_hostnames"] = json!(false));
    let drifted = case.refused();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).ok();
    let applied = case.refused();
    case.run("destroy", "stack.yaml", &["--env", "staging", "--yes"]).ok();
    let gone = case.refused();
    assert!(!plain.is_empty());
    insta::assert_snapshot!([drifted, applied, gone].join("\n━━\n"));
}

#[test]
fn what_nobody_planned_is_not_done() {
    let case = Case::new();
    case.run("apply", "stack.yaml", &["--env", "staging", "--yes"]).ok();
    write(case.folder.path(), "stack.yaml", &edited("keep_last: 5", "keep_last: 9"));
    case.save(&[]);
    // Not touched by the plan, until somebody changed it.
    case.drift("vpc.main", |live| live.spec["dns_hostnames"] = json!(false));
    let more = case.refused();
    case.drift("vpc.main", |live| live.spec["dns_hostnames"] = json!(true));
    // The file is no instruction: what it says is compared with what would be done.
    fs::write(case.path("plan.json"), case.saved().replace("\"after\": 9", "\"after\": 900")).unwrap();
    let forged = case.refused();
    write(case.folder.path(), "stack.yaml", &edited("keep_last: 5", "keep_last: 8"));
    let definition = case.refused();
    insta::assert_snapshot!([more, forged, definition].join("\n━━\n"));
}

#[test]
fn what_is_no_whole_plan_of_this_acme_is_refused() {
    let case = Case::new();
    case.save(&[]);
    let saved = case.saved();
    let version = format!("\"acme\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let mut screens = Vec::new();
    for text in [
        saved[..saved.len() / 2].to_owned(),
        saved.replace(&version, "\"acme\": \"9.0.0\""),
        saved.replace("acme-saved-plan/1", "acme-saved-plan/2"),
        saved.replace("\"goal\": \"apply\",", ""),
    ] {
        fs::write(case.path("plan.json"), text).unwrap();
        screens.push(case.refused());
    }
    // Known by its name, however little is left of it.
    for text in ["", "{", "stack: small"] {
        fs::write(case.path("some.acmeplan"), text).unwrap();
        screens.push(screen(&case.run("apply", "some.acmeplan", &[]), case.folder.path()));
    }
    insta::assert_snapshot!(screens.join("\n━━\n"));
    // Cut anywhere, it is an error and no more.
    for end in (0..saved.len()).step_by(97) {
        fs::write(case.path("plan.json"), &saved[..end]).unwrap();
        let done = case.run("apply", "plan.json", &["--yes"]);
        assert!(done.code == 1 && done.stderr.contains("error"), "cut at {end}: {}", done.screen());
    }
}

#[test]
fn files_are_not_mixed_up() {
    let case = Case::new();
    case.save(&[]);
    let at = |name: &str| case.path(name).display().to_string();
    let screens: Vec<String> = [
        case.run("apply", "plan.json", &["--env", "staging"]),
        case.run("apply", "plan.json", &["--set", "range=10.3"]),
        case.run("apply", "plan.json", &["--region", "eu-north-1"]),
        case.run("plan", "plan.json", &[]),
        case.run("destroy", "plan.json", &["--yes"]),
        case.run("plan", "stack.yaml", &["--env", "staging", "-q", "-o", "json", "--out", &at("stack.yaml")]),
        case.run("apply", "none.acmeplan", &[]),
    ]
    .iter()
    .map(|done| {
        assert_eq!(done.code, 1, "{}", done.screen());
        screen(&crate::acme::Done { stdout: String::new(), stderr: done.stderr.clone(), ..*done }, case.folder.path())
    })
    .collect();
    assert_eq!(fs::read_to_string(case.path("stack.yaml")).unwrap(), FIRST);
    // A definition may be JSON.
    write(case.folder.path(), "stack.json", r#"{ "stack": "small", "region": "eu-west-1" }"#);
    case.run("apply", "stack.json", &["--yes"]).ok();
    insta::assert_snapshot!(screens.join("\n━━\n"));
}

#[test]
fn a_blocked_plan_is_not_saved() {
    let case = Case::new();
    let cloud = case.cloud();
    let spec = json!({
        "name": "small-staging-users", "immutable_tags": true, "tag_exceptions": [], "scan_on_push": true, "kms_key": null,
        "keep_last": 5, "lifecycle_policy": {},
    });
    let live = Live {
        kind: "ecr_repository".into(),
        id: "small-staging-users".into(),
        tags: Default::default(),
        phase: Phase::Ready,
        spec,
        outputs: json!({}),
        version: None,
    };
    cloud.seed(live).unwrap();
    let out = case.path("plan.json").display().to_string();
    let done = case.run("plan", "stack.yaml", &["--env", "staging", "--out", &out]);
    assert_eq!(done.code, 1);
    assert!(!Path::new(&out).exists(), "{}", done.screen());
}
