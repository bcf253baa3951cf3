//! Plans in Terraform's format: compared with the provider's schema, and read by Checkov.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::Mutex,
    thread,
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    resource_lifecycle, standin,
};

const CHECKOV: &str = "checkov==3.3.30";

/// Arguments of the AWS provider's resources and their types, from `terraform providers schema -json`; of 5.100, and additions of
/// 6.25; of the providers for Kubernetes and Helm, 3.0 and 3.1.
type Schema = BTreeMap<String, Value>;
const SCHEMA: &str = include_str!("../fixtures/terraform-aws.json");

fn terraform_plan(acme: &Acme, definition: &Path) -> Value {
    let done = acme.run("plan", definition, &["-o", "terraform"]).assert_success();
    let told = done.stderr.lines().filter(|line| !line.starts_with("[simulated cloud]")).collect::<Vec<_>>();
    assert!(told.is_empty(), "every type has a counterpart, and nothing is in the way: {told:?}");
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("the plan is no JSON ({error}):\n{}", done.stdout))
}

/// Every change by its address.
fn changes_by_address(plan: &Value) -> BTreeMap<&str, &Value> {
    let all = plan["resource_changes"].as_array().expect("a list of changes").iter();
    let by_address: BTreeMap<&str, &Value> =
        all.clone().map(|one| (one["address"].as_str().expect("an address"), &one["change"])).collect();
    assert_eq!(by_address.len(), all.len(), "addresses are unique");
    by_address
}

fn actions_by_address<'a>(changes: &BTreeMap<&'a str, &Value>) -> Vec<(&'a str, Value)> {
    changes.iter().map(|(address, change)| (*address, change["actions"].clone())).collect()
}

/// Mismatches with a Terraform type. `true` instead of a value means that it is not known, if `unknown` is set. `$statement` refers to a
/// type of the schema, for blocks within themselves.
fn collect_type_mismatches(schema: &Schema, at: &str, value: &Value, wanted: &Value, unknown: bool, found: &mut Vec<String>) {
    let wanted = wanted.as_str().and_then(|name| schema.get(name)).unwrap_or(wanted);
    let plain = |name: &str| match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "any" => true,
        other => panic!("what is {other}?"),
    };
    match (wanted, value) {
        (_, Value::Null) => {}
        (_, Value::Bool(true)) if unknown => {}
        (Value::String(name), _) if plain(name) && !unknown => {}
        (Value::Array(kind), _) => match (kind[0].as_str().expect("a collection"), value) {
            ("list" | "set", Value::Array(list)) => {
                list.iter().for_each(|one| collect_type_mismatches(schema, at, one, &kind[1], unknown, found))
            }
            ("map", Value::Object(map)) => {
                map.iter().for_each(|(key, one)| collect_type_mismatches(schema, &format!("{at}.{key}"), one, &kind[1], unknown, found))
            }
            ("object", Value::Object(map)) => {
                for (key, one) in map {
                    match kind[1].get(key) {
                        Some(wanted) => collect_type_mismatches(schema, &format!("{at}.{key}"), one, wanted, unknown, found),
                        None => found.push(format!("{at}.{key} is no argument")),
                    }
                }
            }
            _ => found.push(format!("{at}: {value} is no {wanted}")),
        },
        _ => found.push(format!("{at}: {value} is no {wanted}")),
    }
}

/// Plans of each type's life: the creation, and each of its edits.
#[test]
fn every_argument_exists_in_the_provider_schema() {
    let schema: Schema = serde_json::from_str(SCHEMA).unwrap();
    let lives = resource_lifecycle::lifecycles();
    let (left, wrong, silent) = (Mutex::new(lives.iter().collect::<Vec<_>>()), Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let one = |kind: &str, life: &resource_lifecycle::Lifecycle| {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        for (number, spec) in life.specs().iter().enumerate() {
            let definition = write_file(folder.path(), "stack.yaml", &life.definition(kind, Some(spec)));
            let plan = terraform_plan(&acme, &definition);
            for change in plan["resource_changes"].as_array().unwrap() {
                let mut found = Vec::new();
                let terraform = change["type"].as_str().unwrap();
                let wanted = json!(["object", schema.get(terraform).unwrap_or_else(|| panic!("there is no {terraform}"))]);
                for (side, unknown) in [("before", false), ("after", false), ("after_unknown", true)] {
                    collect_type_mismatches(&schema, terraform, &change["change"][side], &wanted, unknown, &mut found);
                }
                wrong.lock().unwrap().extend(found);
            }
            let nothing = changes_by_address(&plan).values().all(|change| change["actions"] == json!(["no-op"]));
            if nothing && !acme.plan(&definition).changes().is_empty() {
                silent.lock().unwrap().insert(format!("{kind} {number}"));
            }
            if number == 0 {
                acme.apply(&definition);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((kind, life)) = { left.lock().unwrap().pop() } {
                    one(kind, life);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let silent = silent.into_inner().unwrap();
    assert!(silent.is_empty(), "edits that Terraform's form does not show: {silent:?}");
}

#[test]
fn maps_changes_to_terraform_actions() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: small
region: us-east-1
tags: { team: shop }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
  security_group: { web: { vpc: main }, old: { vpc: main } }
  s3_bucket: { kept: { on_delete: retain }, files: {} }
";
    acme.apply(&write_file(folder.path(), "stack.yaml", text));
    let text = text.replace(", old: { vpc: main }", "").replace("10.0.0.0/24", "10.0.1.0/24").replace("kept: { on_delete: retain }, ", "");
    let text = text.replace("files: {}", "files: { versioning: false, policy: { Statement: [{ Effect: Allow, Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::small-files/*' }] } }");
    let plan = terraform_plan(&acme, &write_file(folder.path(), "stack.yaml", &text));
    let changes = changes_by_address(&plan);
    let all = actions_by_address(&changes);
    let named = |name: &str| all.iter().filter(|(address, _)| address.ends_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(named(".main"), [("aws_vpc.main", json!(["no-op"]))]);
    assert_eq!(named(".old"), [("aws_security_group.old", json!(["delete"]))]);
    assert_eq!(named(".a"), [("aws_subnet.a", json!(["create", "delete"]))]);
    assert!(named(".kept").iter().all(|(_, actions)| *actions == json!(["forget"])) && named(".kept").len() == 5, "{all:#?}");
    assert_eq!(
        named(".files").into_iter().filter(|(_, actions)| *actions != json!(["no-op"])).collect::<Vec<_>>(),
        [("aws_s3_bucket_policy.files", json!(["create"])), ("aws_s3_bucket_versioning.files", json!(["update"]))]
    );

    // An unchanged resource has its id on both sides; a recreated one has none yet.
    let vpc = &changes["aws_vpc.main"];
    assert_eq!(vpc["before"], vpc["after"]);
    assert!(vpc["after"]["id"].as_str().unwrap().starts_with("vpc-"), "{vpc:#}");
    assert_eq!(vpc["after"]["tags"]["team"], "shop");
    let subnet = &changes["aws_subnet.a"];
    assert_eq!((&subnet["after"]["vpc_id"], &subnet["after_unknown"]), (&vpc["after"]["id"], &json!({ "arn": true, "id": true })));
    assert!(subnet["before"]["id"].is_string() && subnet["after"].get("id").is_none(), "{subnet:#}");
    assert_eq!(changes["aws_security_group.old"]["after"], json!(null));

    // Planned values contain neither deleted nor omitted resources; the configuration keeps references that are already known.
    let addresses = |list: &Value| -> Vec<String> {
        list["root_module"]["resources"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap().to_owned()).collect()
    };
    let planned = addresses(&plan["planned_values"]);
    assert!(!planned.iter().any(|address| address.ends_with(".old") || address.ends_with(".kept")), "{planned:#?}");
    assert_eq!(planned, addresses(&plan["configuration"]));
    assert!(addresses(&plan["prior_state"]["values"]).contains(&"aws_security_group.old".to_owned()));
    let configured = plan["configuration"]["root_module"]["resources"].as_array().unwrap();
    let web = configured.iter().find(|one| one["address"] == "aws_security_group.web").unwrap();
    assert_eq!(web["expressions"]["vpc_id"], json!({ "references": ["aws_vpc.main.id", "aws_vpc.main"] }));
    assert_eq!((&plan["format_version"], &plan["errored"]), (&json!("1.2"), &json!(false)));

    let destroyed: Value =
        serde_json::from_str(&acme.run("plan", &folder.path().join("stack.yaml"), &["--destroy", "-o", "terraform"]).stdout).unwrap();
    assert_eq!(addresses(&destroyed["planned_values"]), Vec::<String>::new());
}

#[test]
fn terraform_output_is_only_for_plans() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let definition = write_file(folder.path(), "stack.yaml", "stack: small\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n");
    let refused = acme.run("apply", &definition, &["-o", "terraform", "--yes"]);
    assert!(refused.code != 0 && refused.stderr.contains("[possible values: text, json]"), "{}", refused.combined_output());
    assert!(!folder.path().join("cloud").exists());
}

/// Terraform's format has no obstacles, so they are reported separately.
#[test]
fn reports_blockers_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: small
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1b }
  load_balancer: { web: { type: network, internal: true, subnets: [a, b] } }
";
    let definition = write_file(folder.path(), "stack.yaml", text);
    acme.apply(&definition);
    let done = acme.run("plan", &definition, &["--destroy", "-o", "terraform"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("Blocked[protected]"), "{}", done.stderr);
    let plan: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(plan["errored"], true);
}

/// Failed and passed rules of Checkov, by resource.
fn run_checkov(folder: &Path, plan: &Value) -> [BTreeMap<String, BTreeSet<String>>; 2] {
    let file = write_file(folder, "plan.json", &plan.to_string());
    let python = standin::ensure_venv("checkov", &[CHECKOV]);
    let mut command = Command::new(python.with_file_name("checkov"));
    let done = command.args(["--skip-download", "-o", "json", "-f"]).arg(file).current_dir(folder).output().expect("checkov runs");
    let report: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)));
    assert_eq!(report["summary"]["parsing_errors"], 0, "{report:#}");
    ["failed_checks", "passed_checks"].map(|side| {
        let mut rules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for check in report["results"][side].as_array().expect("a list of checks") {
            let [resource, rule] = ["resource", "check_id"].map(|key| check[key].as_str().expect("a text").to_owned());
            rules.entry(resource).or_default().insert(rule);
        }
        rules
    })
}

#[test]
fn checkov_finds_resources_open_to_the_world() {
    const WORLD: [&str; 4] = ["CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56"];
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: planted
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: us-east-1a } }
  vpc_endpoint: { ecr: { vpc: main, service: ecr.api, type: interface, subnets: [a], security_groups: [shell, web] } }
  security_group:
    shell:
      { vpc: main, description: A planted hole, egress: [], ingress: [{ port: 22, cidr: 0.0.0.0/0, description: Everyone }] }
    web:
      { vpc: main, description: No hole, egress: [], ingress: [{ port: 443, cidr: 10.0.0.0/16, description: Inside }] }
  s3_bucket: { public: { block_public_access: false }, private: {} }
";
    let definition = write_file(folder.path(), "stack.yaml", text);
    let set = |rules: &[&str]| rules.iter().map(|&rule| rule.to_owned()).collect::<BTreeSet<_>>();
    let (block, group) = ("aws_s3_bucket_public_access_block.public", "aws_security_group.shell");

    let [failed, passed] = run_checkov(folder.path(), &terraform_plan(&acme, &definition));
    assert_eq!((failed.get(block), failed.get(group)), (Some(&set(&WORLD)), Some(&set(&["CKV_AWS_24"]))), "{failed:#?}");
    // Checkov associates blocks by the references in the configuration.
    assert!(failed["aws_s3_bucket.public"].contains("CKV2_AWS_6") && passed["aws_s3_bucket.private"].contains("CKV2_AWS_6"));
    for other in ["aws_s3_bucket_public_access_block.private", "aws_security_group.web"] {
        assert!(!failed.contains_key(other) && passed.contains_key(other), "{failed:#?}");
    }

    // Fixed afterwards: an update.
    acme.apply(&definition);
    let mended = text.replace("block_public_access: false", "block_public_access: true").replace("0.0.0.0/0", "10.0.0.0/8");
    fs::write(&definition, mended).unwrap();
    let plan = terraform_plan(&acme, &definition);
    assert_eq!([block, group].map(|address| changes_by_address(&plan)[address]["actions"].clone()), [json!(["update"]), json!(["update"])]);
    let [failed, passed] = run_checkov(folder.path(), &plan);
    assert_eq!((failed.get(block), failed.get(group)), (None, None), "{failed:#?}");
    assert!(passed[block].is_superset(&set(&WORLD)) && passed[group].contains("CKV_AWS_24"), "{passed:#?}");
    assert!(passed["aws_s3_bucket.public"].contains("CKV2_AWS_6"));
}
