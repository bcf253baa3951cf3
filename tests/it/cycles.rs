//! Resources that refer to each other: created, changed, replaced, deleted and rehearsed.

use std::path::Path;

use crate::{
    acme::{Acme, write_file},
    rehearse::check_rehearsal,
    standin::{Standin, StandinKind},
};

/// Two groups whose rules name each other; two roles and a bucket whose policies do. The trust of a role is set by its creation.
const CYCLES: &str = "
stack: cycles
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    web: { vpc: main, ingress: [{ port: 443, cidr: 0.0.0.0/0 }], egress: [{ port: 5432, security_group: database }] }
    database: { vpc: main, ingress: [{ port: 5432, security_group: web }] }
  iam_role:
    reader:
      trust: { Statement: [{ Effect: Allow, Principal: { AWS: '{{ iam_role.app.arn }}' }, Action: 'sts:AssumeRole' }] }
      inline_policies:
        files: { Statement: [{ Effect: Allow, Action: 's3:GetObject', Resource: '{{ s3_bucket.files.arn }}/*' }] }
    app:
      trust: { services: [ec2.amazonaws.com] }
      inline_policies:
        reader: { Statement: [{ Effect: Allow, Action: 'sts:AssumeRole', Resource: '{{ iam_role.reader.arn }}' }] }
  s3_bucket:
    files:
      name: cycles-files
      on_delete: delete
      policy:
        Statement:
          - Effect: Allow
            Principal: { AWS: '{{ iam_role.reader.arn }}' }
            Action: s3:GetObject
            Resource: arn:aws:s3:::cycles-files/*
";

fn with_third_group(text: &str) -> String {
    let rule = "{ port: 443, cidr: 0.0.0.0/0 }";
    let admin = "    admin: { vpc: main, ingress: [{ port: 22, security_group: web }] }\n  iam_role:";
    text.replace(rule, &format!("{rule}, {{ port: 8443, security_group: admin }}")).replace("  iam_role:", admin)
}

/// The cycle with another description of both groups, which replaces them.
fn with_replaced_groups(text: &str) -> String {
    text.replace("web: { vpc: main,", "web: { vpc: main, description: Web,")
        .replace("database: { vpc: main,", "database: { vpc: main, description: Data,")
}

fn check_life(acme: &Acme, folder: &Path) {
    let at = |text: &str| write_file(folder, "stack.yaml", text);
    let step = |text: &str, expected: &[&str]| {
        let path = at(text);
        let plan = acme.plan(&path);
        assert_eq!(plan.changes(), expected, "{:#}", plan.0);
        acme.apply(&path);
        acme.assert_no_changes(&path);
    };
    let created = [
        "create iam_role.app",
        "create iam_role.reader",
        "create s3_bucket.files",
        "create security_group.database",
        "create security_group.web",
        "create vpc.main",
    ];
    step(CYCLES, &created);
    let changed = CYCLES.replace("5432", "3306");
    step(&changed, &["update security_group.database", "update security_group.web"]);
    let more = with_third_group(&changed);
    step(&more, &["create security_group.admin", "update security_group.web"]);
    step(&changed, &["delete security_group.admin", "update security_group.web"]);
    step(&with_replaced_groups(&changed), &["replace security_group.database", "replace security_group.web"]);
    acme.destroy(&at(&changed));
    assert_eq!(acme.plan(&at(&changed)).0["summary"]["create"], 6);
}

#[test]
fn resources_that_refer_to_each_other_pass_their_life_on_the_simulated_cloud() {
    let folder = tempfile::tempdir().unwrap();
    check_life(&Acme::local(&folder.path().join("cloud")), folder.path());
}

#[test]
fn resources_that_refer_to_each_other_pass_their_life_on_both_standins() {
    for kind in StandinKind::BOTH {
        let (standin, folder) = (Standin::start(kind), tempfile::tempdir().unwrap());
        check_life(&Acme::at_endpoint(&standin.url), folder.path());
        assert_eq!(standin.all_resources(), serde_json::json!({}), "resources remain at {}", kind.name());
    }
}

/// The rules were made outside acme, so that only AWS knows of the cycle.
#[test]
fn destroys_groups_that_were_made_to_name_each_other() {
    for kind in StandinKind::BOTH {
        let (standin, folder) = (Standin::start(kind), tempfile::tempdir().unwrap());
        let acme = Acme::at_endpoint(&standin.url);
        let text = "
stack: outside
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group: { a: { vpc: main }, b: { vpc: main } }
";
        let path = write_file(folder.path(), "stack.yaml", text);
        acme.apply(&path);
        standin.run_boto3(
            "
ec2 = client('ec2')
a, b = [g['GroupId'] for g in ec2.describe_security_groups()['SecurityGroups'] if g['GroupName'].startswith('outside-')]
for one, other in [(a, b), (b, a)]:
    pair = [{'GroupId': other}]
    ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[
        {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'UserIdGroupPairs': pair}])
",
        );
        let plan = acme.run("plan", &path, &["--destroy"]).assert_success().stdout;
        assert!(plan.contains("reset first: ingress"), "{plan}");
        acme.destroy(&path);
        assert_eq!(standin.all_resources(), serde_json::json!({}), "resources remain at {}", kind.name());
    }
}

#[test]
fn says_what_is_set_last() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    // AWS assigns unique ids, so that they are known only after the creation.
    let path = write_file(folder.path(), "stack.yaml", &CYCLES.replace(".arn }}'", ".unique_id }}'"));
    let plan = acme.run("plan", &path, &[]).assert_success().stdout;
    assert!(plan.contains("set last: egress") || plan.contains("set last: ingress"), "{plan}");
    let changes = acme.plan(&path).0["changes"].clone();
    let attached: Vec<_> = changes.as_array().unwrap().iter().filter(|change| change.get("attach").is_some()).collect();
    assert_eq!(attached.len(), 3, "one of two groups, and one policy of either pair: {attached:#?}");
    let applied = acme.run("apply", &path, &["--yes", "-o", "json"]).assert_success().stdout;
    let attaches = applied.lines().filter(|line| line.contains("step_done") && line.contains(r#""op":"attach""#)).count();
    assert_eq!(attaches, attached.len(), "{applied}");
    let destroyed = acme.run("destroy", &path, &["--yes"]).assert_success().combined_output();
    assert!(destroyed.contains("detached security_group.") && destroyed.contains("6 deleted"), "{destroyed}");

    // The history shows each resource once, complete.
    let history = |number: &str| {
        let text = acme.run("history", &path, &[number, "-o", "json"]).assert_success().stdout;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let (created, deleted) = (history("1"), history("2"));
    let actions = |run: &serde_json::Value| -> Vec<String> {
        run["changes"].as_array().unwrap().iter().map(|change| change["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((actions(&created), actions(&deleted)), (vec!["create".to_owned(); 6], vec!["delete".to_owned(); 6]));
    let group = created["changes"].as_array().unwrap().iter().find(|change| change["address"] == "security_group.database").unwrap();
    let rules = group["fields"].as_array().unwrap().iter().find(|field| field["pointer"] == "/ingress").unwrap();
    assert_eq!(rules["after"].as_array().map(Vec::len), Some(1), "{group:#}");
}

#[test]
fn rehearses_resources_that_refer_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
    check_rehearsal(&acme, &at(CYCLES), "creation", &[]);
    acme.apply(&at(CYCLES));
    check_rehearsal(&acme, &at(&with_third_group(&with_replaced_groups(CYCLES))), "replacement", &[]);
    check_rehearsal(&acme, &at(CYCLES), "destroy", &["--destroy"]);
}

/// A name of the user's makes acme delete the old group first.
#[test]
fn rehearses_groups_that_are_deleted_before_their_replacements() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
    let named = CYCLES
        .replace("web: { vpc: main,", "web: { vpc: main, name: web,")
        .replace("database: { vpc: main,", "database: { vpc: main, name: data,");
    acme.apply(&at(&named));
    let replaced = named.replace("vpc: main, name", "vpc: main, description: Another one, name");
    let plan = acme.run("plan", &at(&replaced), &[]).assert_success().stdout;
    assert!(plan.contains("reset first:") && plan.contains("set last:"), "{plan}");
    check_rehearsal(&acme, &at(&replaced), "replacement", &[]);
    acme.apply(&at(&replaced));
    acme.assert_no_changes(&at(&replaced));
}
