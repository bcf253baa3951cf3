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

/// AWS does not remove a range while a subnet uses it.
#[test]
fn removes_a_range_together_with_its_subnets() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
    let subnet = "cidr: 10.1.0.0/24, availability_zone: eu-west-1a";
    let first = format!(
        "
stack: ranges
region: eu-west-1
resources:
  vpc: {{ main: {{ cidr: 10.0.0.0/16, secondary_cidrs: [10.1.0.0/16, 10.2.0.0/16] }} }}
  subnet: {{ old: {{ vpc: main, {subnet} }}, other: {{ vpc: main, cidr: 10.2.0.0/24, availability_zone: eu-west-1a }} }}
"
    );
    acme.apply(&at(&first));
    // Only the range changes.
    let second = first.replace("10.1.0.0/16, ", "").replace(&format!("old: {{ vpc: main, {subnet} }}, "), "");
    assert_eq!(acme.plan(&at(&second)).changes(), ["delete subnet.old", "update vpc.main"]);
    acme.apply(&at(&second));
    acme.assert_no_changes(&at(&second));
    // A new range, another field and a subnet that moves to the new range, at once.
    let third = second.replace("10.2.0.0/16]", "10.3.0.0/16], dns_hostnames: false").replace("10.2.0.0/24", "10.3.0.0/24");
    assert_eq!(acme.plan(&at(&third)).changes(), ["replace subnet.other", "update vpc.main"]);
    let applied = acme.run("apply", &at(&third), &["--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.combined_output());
    assert!(applied.combined_output().contains("1 created, 1 changed, 1 deleted"), "{}", applied.combined_output());
    acme.assert_no_changes(&at(&third));
    acme.destroy(&at(&third));
}

/// The autoscaler changes the number of nodes, so it is set only on create.
#[test]
fn leaves_an_initial_value_alone_after_create() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
    let first = "
stack: nodes
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  iam_role:
    cluster: { trust: { services: [eks.amazonaws.com] } }
    node: { trust: { services: [ec2.amazonaws.com] } }
  eks_cluster: { main: { version: '1.33', role: cluster, subnets: [a, b], deletion_protection: false } }
  eks_node_group: { main: { cluster: main, role: node, subnets: [a, b], min: 1, desired: 2, max: 3 } }
";
    acme.apply(&at(first));
    let second = first.replace("desired: 2", "desired: 3");
    acme.assert_no_changes(&at(&second));
    let third = second.replace("max: 3", "max: 5");
    assert_eq!(acme.plan(&at(&third)).changed_fields("eks_node_group.main"), ["/max".to_owned()].into());
    acme.apply(&at(&third));
    acme.assert_no_changes(&at(&third));
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

/// Tokyo has no zone `b` for new accounts.
#[test]
fn chooses_zones_of_the_region_and_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let network = |zones: &str| {
        let text = format!("stack: tokyo\nregion: ap-northeast-1\nnetwork: {{ zones: {zones}, nat: none }}\n");
        write_file(folder.path(), "stack.yaml", &text)
    };
    acme.apply(&network("2"));
    acme.assert_no_changes(&network("2"));
    let three = acme.plan(&network("3"));
    assert!(
        three.changes().iter().all(|change| change.starts_with("create ") || change == "update route_table.public"),
        "{:?}",
        three.changes()
    );
    let zone = three.0["changes"].as_array().unwrap().iter().find(|change| change["address"] == "subnet.private-c").unwrap();
    assert!(zone["fields"].to_string().contains("ap-northeast-1d"), "{zone:#}");
    acme.apply(&network("3"));
    acme.assert_no_changes(&network("3"));
    acme.apply(&network("2"));
    acme.assert_no_changes(&network("2"));

    let refused = acme.run("plan", &network("[a, b]"), &[]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stdout.contains("AWS does not offer `ap-northeast-1b`") && refused.stdout.contains("stack.yaml:3"),
        "{}",
        refused.stdout
    );
}

#[test]
fn refuses_what_aws_does_not_offer_according_to_published_lists() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  waf_web_acl:\n    main:\n      managed_rules:\n        - name: comon\n";
    let definition = write_file(folder.path(), "stack.yaml", text);
    for command in ["plan", "rehearse", "apply"] {
        let refused = acme.run(command, &definition, if command == "apply" { &["--yes"] } else { &[] });
        assert_eq!(refused.code, 1, "{command}: {}", refused.combined_output());
        let words =
            "Blocked[not-offered]: `managed_rules` of `waf_web_acl.main`: AWS does not offer `comon` as a managed rule group of AWS.";
        assert!(refused.stdout.contains(words), "{command}: {}", refused.stdout);
        assert!(refused.stdout.contains("stack.yaml:7\n  help: did you mean `common`?"), "{command}: {}", refused.stdout);
    }
    acme.apply(&write_file(folder.path(), "stack.yaml", &text.replace("comon", "common")));
    // Groups of other vendors are not published.
    let other = text.replace("name: comon", "{ name: rules, vendor: Example }");
    assert_eq!(acme.plan(&write_file(folder.path(), "stack.yaml", &other)).changes(), ["update waf_web_acl.main"]);
}
