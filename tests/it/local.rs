//! A newcomer's way: the quickstart on the simulated cloud, and what the screens say.

use std::path::Path;

use regex_lite::Regex;

use crate::acme::{Acme, Done, stack, write};

/// A screen without what differs from run to run: ids, times, folders.
pub fn screen(done: &Done, folder: &Path) -> String {
    let mut text = format!("$? = {}\n─ stdout\n{}─ stderr\n{}", done.code, done.stdout, done.stderr);
    text = text.replace(&folder.display().to_string(), "FOLDER").replace(env!("CARGO_MANIFEST_DIR"), "REPOSITORY");
    for (pattern, instead) in [
        (r"\b([a-z]+)-[0-9a-f]{8,17}\b", "$1-…"),
        (r"\b\d+(\.\d+)? (ms|s)\b", "… s"),
        (r"\b[0-9A-F]{8}-[0-9A-Fa-f-]{27}\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "UUID"),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, instead).into_owned();
    }
    text
}

/// Lines of what happened, which come in any order.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn the_quickstart_from_nothing_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with(&["--env", "staging"]);
    let text = std::fs::read_to_string(stack("quickstart.yaml")).unwrap();
    let quickstart = write(folder.path(), "quickstart.yaml", &text);
    let shown = |done: &Done| screen(done, folder.path());

    let first = acme.run("plan", &quickstart, &["--detailed-exitcode"]);
    assert_eq!(first.code, 2, "{}", first.screen());
    insta::assert_snapshot!("quickstart_plan", shown(&first));
    let applied = acme.run("apply", &quickstart, &["--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.screen());
    insta::assert_snapshot!("quickstart_apply", sorted(&shown(&applied)));
    acme.settled(&quickstart);
    insta::assert_snapshot!("quickstart_nothing_to_do", shown(&acme.run("plan", &quickstart, &[])));
    insta::assert_snapshot!("quickstart_outputs", shown(&acme.run("outputs", &quickstart, &[])));

    let destroyed = acme.run("destroy", &quickstart, &["--yes"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.screen());
    insta::assert_snapshot!("quickstart_destroy", sorted(&shown(&destroyed)));
    let again = acme.plan(&quickstart);
    assert!(again.changes().iter().all(|change| change.starts_with("create ")), "{:#}", again.0);
}

/// A small stack, edited; only its JSON plan is looked at.
#[test]
fn an_edit_is_a_small_plan() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write(folder.path(), "stack.yaml", text);
    let first = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }] }
    database: { vpc: main, ingress: [{ port: 5432, security_group: web }] }
";
    acme.apply(&at(first));
    acme.settled(&at(first));
    let second = first.replace("port: 5432", "port: 3306");
    let plan = acme.plan(&at(&second));
    assert_eq!(plan.changes(), ["update security_group.database"]);
    assert_eq!(plan.fields("security_group.database"), ["/ingress".to_owned()].into());
    acme.apply(&at(&second));
    acme.settled(&at(&second));
    let third = second.replace("10.0.0.0/16", "10.1.0.0/16");
    assert_eq!(acme.plan(&at(&third)).changes(), ["replace security_group.database", "replace security_group.web", "replace vpc.main"]);
    acme.apply(&at(&third));
    acme.settled(&at(&third));
    acme.destroy(&at(&third));
    assert_eq!(acme.plan(&at(&third)).0["summary"]["create"], 3);
}

/// The simulated cloud has every snapshot; which one it was is of no interest later.
#[test]
fn a_database_is_made_from_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: small
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: [eu-west-1a, eu-west-1b] }
databases: { orders: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 50, snapshot: orders-final } }
";
    let definition = write(folder.path(), "stack.yaml", text);
    let fields = acme.plan(&definition).0["changes"].to_string();
    assert!(fields.contains("orders-final"), "{fields}");
    acme.apply(&definition);
    acme.settled(&definition);
    acme.settled(&write(folder.path(), "stack.yaml", &text.replace("orders-final", "another")));
    acme.settled(&write(folder.path(), "stack.yaml", &text.replace(", snapshot: orders-final", "")));
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with(&["--env", "staging"]);
    let refused = acme.run("apply", &stack("quickstart.yaml"), &["--quiet"]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(screen(&refused, folder.path()));
    assert_eq!(acme.run("plan", &stack("quickstart.yaml"), &["--detailed-exitcode"]).code, 2);
}

#[test]
fn mistakes_of_the_command_line_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let said: Vec<String> = [
        acme.run("plan", Path::new("none.yaml"), &[]),
        acme.run("plan", &stack("quickstart.yaml"), &["--env", "stagin"]),
        acme.run("plan", &stack("quickstart.yaml"), &["--env", "staging", "--set", "novalue"]),
        acme.run("plan", &stack("quickstart.yaml"), &["--env", "staging", "--region", "eu-north-1"]),
    ]
    .iter()
    .map(|done| {
        assert_ne!(done.code, 0);
        screen(done, folder.path())
    })
    .collect();
    insta::assert_snapshot!(said.join("\n━━\n"));
}
