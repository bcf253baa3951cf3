//! First steps: the quickstart on the simulated cloud, and its screens.

use std::path::Path;

use regex_lite::Regex;

use crate::acme::{Acme, CommandOutput, repository_stack, write_file};

/// Screen without variable parts: ids, times, folders.
pub fn redacted_output(done: &CommandOutput, folder: &Path) -> String {
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

/// Lines of events, in any order.
fn sorted_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn applies_and_destroys_the_quickstart() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let text = std::fs::read_to_string(repository_stack("quickstart.yaml")).unwrap();
    let quickstart = write_file(folder.path(), "quickstart.yaml", &text);
    let shown = |done: &CommandOutput| redacted_output(done, folder.path());

    let first = acme.run("plan", &quickstart, &["--detailed-exitcode"]);
    assert_eq!(first.code, 2, "{}", first.combined_output());
    insta::assert_snapshot!("quickstart_plan", shown(&first));
    let applied = acme.run("apply", &quickstart, &["--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.combined_output());
    insta::assert_snapshot!("quickstart_apply", sorted_lines(&shown(&applied)));
    acme.assert_no_changes(&quickstart);
    insta::assert_snapshot!("quickstart_nothing_to_do", shown(&acme.run("plan", &quickstart, &[])));
    insta::assert_snapshot!("quickstart_outputs", shown(&acme.run("outputs", &quickstart, &[])));

    let destroyed = acme.run("destroy", &quickstart, &["--yes"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.combined_output());
    insta::assert_snapshot!("quickstart_destroy", sorted_lines(&shown(&destroyed)));
    let again = acme.plan(&quickstart);
    assert!(again.changes().iter().all(|change| change.starts_with("create ")), "{:#}", again.0);
}

/// A small stack, edited; only its JSON plan is checked.
#[test]
fn plans_only_the_edited_resources() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
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
    acme.assert_no_changes(&at(first));
    let second = first.replace("port: 5432", "port: 3306");
    let plan = acme.plan(&at(&second));
    assert_eq!(plan.changes(), ["update security_group.database"]);
    assert_eq!(plan.changed_fields("security_group.database"), ["/ingress".to_owned()].into());
    acme.apply(&at(&second));
    acme.assert_no_changes(&at(&second));
    let third = second.replace("10.0.0.0/16", "10.1.0.0/16");
    assert_eq!(acme.plan(&at(&third)).changes(), ["replace security_group.database", "replace security_group.web", "replace vpc.main"]);
    acme.apply(&at(&third));
    acme.assert_no_changes(&at(&third));
    acme.destroy(&at(&third));
    assert_eq!(acme.plan(&at(&third)).0["summary"]["create"], 3);
}

/// The simulated cloud has every snapshot; later, the field is not compared.
#[test]
fn restores_a_database_from_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: small
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: [eu-west-1a, eu-west-1b] }
databases: { orders: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 50, snapshot: orders-final } }
";
    let definition = write_file(folder.path(), "stack.yaml", text);
    let fields = acme.plan(&definition).0["changes"].to_string();
    assert!(fields.contains("orders-final"), "{fields}");
    acme.apply(&definition);
    acme.assert_no_changes(&definition);
    acme.assert_no_changes(&write_file(folder.path(), "stack.yaml", &text.replace("orders-final", "another")));
    acme.assert_no_changes(&write_file(folder.path(), "stack.yaml", &text.replace(", snapshot: orders-final", "")));
}

#[test]
fn refuses_to_apply_without_a_terminal_or_yes() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let refused = acme.run("apply", &repository_stack("quickstart.yaml"), &["--quiet"]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(redacted_output(&refused, folder.path()));
    assert_eq!(acme.run("plan", &repository_stack("quickstart.yaml"), &["--detailed-exitcode"]).code, 2);
}

#[test]
fn command_line_errors_suggest_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let outputs: Vec<String> = [
        acme.run("plan", Path::new("none.yaml"), &[]),
        acme.run("plan", &repository_stack("quickstart.yaml"), &["--env", "stagin"]),
        acme.run("plan", &repository_stack("quickstart.yaml"), &["--env", "staging", "--set", "novalue"]),
        acme.run("plan", &repository_stack("quickstart.yaml"), &["--env", "staging", "--region", "eu-north-1"]),
    ]
    .iter()
    .map(|done| {
        assert_ne!(done.code, 0);
        redacted_output(done, folder.path())
    })
    .collect();
    insta::assert_snapshot!(outputs.join("\n━━\n"));
}
