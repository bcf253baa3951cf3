//! Fields and resources that leave a definition while something that stays uses them.

use std::path::Path;

use serde_json::Value;

use crate::{
    acme::{Acme, Plan, write_file},
    exclusive::any_plan,
};

const NETWORK: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  iam_role:
    cluster: { trust: { services: [eks.amazonaws.com] } }
    pods: { trust: { services: [pods.eks.amazonaws.com] } }
";

/// A resource with a field, and the resource to which the field refers.
struct Case {
    /// The resource with the field, without it.
    user: &'static str,
    /// The field.
    field: &'static str,
    /// The other resource.
    used: &'static str,
    /// Address and JSON pointer of the field.
    at: (&'static str, &'static str),
    /// What the plan sets it to; `None` if AWS can't take it back.
    after: Option<&'static str>,
}

const CASES: [Case; 9] = [
    Case {
        user: "eks_cluster: { main: { version: '1.34', role: cluster, subnets: [a, b], deletion_protection: false FIELD } }",
        field: "secrets_key: data",
        used: "kms_key: { data: { description: Data } }",
        at: ("eks_cluster.main", "/secrets_key"),
        after: None,
    },
    Case {
        user: "secret: { token: { description: Token FIELD } }",
        field: "kms_key: data",
        used: "kms_key: { data: { description: Data } }",
        at: ("secret.token", "/kms_key"),
        after: Some("null"),
    },
    Case {
        user: "load_balancer: { web: { subnets: [a, b], security_groups: [web] FIELD } }",
        field: "access_logs: { bucket: '{{ s3_bucket.logs.id }}' }",
        used: "s3_bucket: { logs: {} }",
        at: ("load_balancer.web", "/access_logs/enabled"),
        after: Some("false"),
    },
    Case {
        user: "rds_subnet_group: { main: { subnets: [a, b] } }
  rds_instance: { main: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: main, security_groups: [web],
    deletion_protection: false FIELD } }",
        field: "parameter_group: main",
        used: "rds_parameter_group: { main: { family: postgres16 } }",
        at: ("rds_instance.main", "/parameter_group"),
        after: Some("null"),
    },
    Case {
        user: "eks_cluster: { main: { version: '1.34', role: cluster, subnets: [a, b], deletion_protection: false } }
  eks_addon: { network: { cluster: main, addon: vpc-cni FIELD } }",
        field: "role: '{{ iam_role.network.arn }}'",
        used: "iam_role: { network: { trust: { services: [pods.eks.amazonaws.com] } } }",
        at: ("eks_addon.network", "/role"),
        after: Some("null"),
    },
    Case {
        user: "vpc_endpoint: { logs: { vpc: main, service: logs, type: interface, subnets: [a] FIELD } }",
        field: "security_groups: [endpoint]",
        used: "security_group: { endpoint: { vpc: main } }",
        at: ("vpc_endpoint.logs", "/security_groups"),
        after: Some("null"),
    },
    // Examples of other types.
    Case {
        user: "sqs_queue: { jobs: { receive_wait_seconds: 20 FIELD } }",
        field: "dead_letter_queue: failed, max_receives: 3",
        used: "sqs_queue: { failed: {} }",
        at: ("sqs_queue.jobs", "/dead_letter_queue"),
        after: Some("null"),
    },
    Case {
        user: "s3_bucket: { files: { encryption: { bucket_key: true FIELD } } }",
        field: "kms_key: data",
        used: "kms_key: { data: { description: Data } }",
        at: ("s3_bucket.files", "/encryption/kms_key"),
        after: Some("null"),
    },
    Case {
        user: "ecr_repository: { images: { keep_last: 5 FIELD } }",
        field: "kms_key: data",
        used: "kms_key: { data: { description: Data } }",
        at: ("ecr_repository.images", "/kms_key"),
        after: None,
    },
];

impl Case {
    /// The definition with or without the field, and the other resource.
    fn text(&self, field: bool, used: bool) -> String {
        let user = self.user.replace(" FIELD", &if field { format!(", {}", self.field) } else { String::new() });
        let mut text = NETWORK.to_owned();
        for entry in [Some(user.as_str()), used.then_some(self.used)].into_iter().flatten() {
            // Entries of a type that is there already are added to it.
            let (kind, entries) = entry.split_once(": { ").expect("entries");
            let known = format!("  {kind}: {{ ");
            match text.contains(&known) {
                true => text = text.replacen(&known, &format!("{known}{}, ", entries.trim_end().trim_end_matches('}').trim_end()), 1),
                false if text.contains(&format!("  {kind}:\n")) => {
                    let lines = format!("  {kind}:\n    {}\n", entries.trim_end().strip_suffix('}').expect("a map"));
                    text = text.replacen(&format!("  {kind}:\n"), &lines, 1);
                }
                false => text.push_str(&format!("  {entry}\n")),
            }
        }
        text
    }

    fn used_address(&self) -> String {
        let mut words = self.used.split([':', ' ', '{']).filter(|word| !word.is_empty());
        format!("{}.{}", words.next().expect("a type"), words.next().expect("a name"))
    }
}

fn after<'a>(plan: &'a Plan, address: &str, pointer: &str) -> Option<&'a Value> {
    let change = plan.0["changes"].as_array()?.iter().find(|change| change["address"] == address)?;
    change["fields"].as_array()?.iter().find(|field| field["pointer"] == pointer).map(|field| &field["after"])
}

fn obstacles(plan: &Plan) -> Vec<(&str, &str)> {
    let all = plan.0["obstacles"].as_array().into_iter().flatten();
    all.map(|one| (one["code"].as_str().unwrap_or_default(), one["address"].as_str().unwrap_or_default())).collect()
}

fn local(folder: &Path) -> Acme {
    Acme::local(&folder.join("cloud"))
}

#[test]
fn a_dropped_reference_is_reset_before_the_other_resource_is_deleted() {
    for case in &CASES {
        let folder = tempfile::tempdir().unwrap();
        let acme = local(folder.path());
        let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
        acme.apply(&at(&case.text(true, true)));
        let (address, pointer) = case.at;
        let dropped = at(&case.text(false, false));
        let plan = any_plan(&acme, &dropped);
        match case.after {
            None => {
                assert!(obstacles(&plan).contains(&("dropped", address)), "{address}{pointer}: {:#}", plan.0);
                let shown = acme.run("apply", &dropped, &["--yes"]);
                assert_ne!(shown.code, 0, "{}", shown.combined_output());
                acme.assert_no_changes(&at(&case.text(true, true)));
            }
            Some(value) => {
                assert_eq!(obstacles(&plan), [], "{address}{pointer}: {:#}", plan.0);
                assert_eq!(after(&plan, address, pointer).map(Value::to_string).as_deref(), Some(value), "{address}: {:#}", plan.0);
                acme.apply(&dropped);
                acme.assert_no_changes(&dropped);
                let left = any_plan(&acme, &at(&case.text(false, true)));
                assert_eq!(left.changes(), [format!("create {}", case.used_address())], "{address}: {:#}", left.0);
            }
        }
    }
}

/// Without a record, nobody knows whether the field was ever set: it is left alone, and what it refers to stays.
#[test]
fn what_a_resource_refers_to_is_not_deleted_while_it_does() {
    for case in &CASES {
        let folder = tempfile::tempdir().unwrap();
        let acme = local(folder.path());
        let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
        acme.apply(&at(&case.text(true, true)));
        std::fs::remove_dir_all(folder.path().join("cloud/backend")).unwrap();
        let (address, _) = case.at;
        let dropped = at(&case.text(false, false));
        let plan = any_plan(&acme, &dropped);
        let found = obstacles(&plan);
        assert_eq!(found, [("in-use", case.used_address().as_str())], "{address}: {:#}", plan.0);
        let obstacle = &plan.0["obstacles"][0];
        assert!(obstacle["message"].as_str().unwrap().contains(address), "{obstacle:#}");
        assert!(obstacle["location"].as_str().is_some_and(|line| line.contains("stack.yaml:")), "{obstacle:#}");
    }
}

/// A run that stops before it has reset the field leaves that to the next one.
#[test]
fn an_unfinished_run_still_knows_what_was_dropped() {
    let case = &CASES[1];
    let folder = tempfile::tempdir().unwrap();
    let acme = local(folder.path());
    let at = |text: &str| write_file(folder.path(), "stack.yaml", text);
    acme.apply(&at(&case.text(true, true)));
    let dropped = at(&case.text(false, false));
    let failed = acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:1")], "apply", &dropped, &["--yes", "--no-rollback"]);
    assert_ne!(failed.code, 0, "{}", failed.combined_output());
    assert_eq!(acme.plan(&dropped).changes(), ["delete kms_key.data", "update secret.token"]);
    acme.apply(&dropped);
    // The run that is undone dropped the field, so the next plan drops it again.
    assert_eq!(acme.run("rollback", &dropped, &["--yes"]).code, 0);
    assert_eq!(acme.plan(&dropped).changes(), ["delete kms_key.data", "update secret.token"]);
}
