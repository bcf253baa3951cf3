//! References to lists, to items of lists, to ids that other resources have as outputs, and to resources that don't exist here.

use acme::definition::{LoadOptions, Location, Source, Stack, load};
use serde_json::{Value, json};

use crate::acme::{Acme, write_file};

fn compile(text: &str) -> Result<Stack, String> {
    let source = Source::new("stack.yaml", text);
    load(&source, &LoadOptions::default())
        .map_err(|problems| problems.iter().map(|problem| problem.render(&source, false)).collect::<Vec<_>>().join("\n"))
}

fn spec<'a>(stack: &'a Stack, address: &str) -> &'a Value {
    &stack.resources.iter().find(|(known, _)| known.to_string() == address).expect("a resource").1.spec
}

const NETWORK: &str = "
stack: shop
region: eu-west-1
account: 012345678901
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
";

#[test]
fn lists_and_ids_of_outputs_reach_the_resources_that_use_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = format!(
        "{}{}",
        NETWORK.replace("account: 012345678901\n", ""),
        r#"
  iam_role: { cluster: { trust: { Statement: [{ Effect: Allow, Principal: { Service: eks.amazonaws.com }, Action: "sts:AssumeRole" }] } } }
  eks_cluster: { main: { version: "1.34", deletion_protection: false, role: cluster, subnets: [a, b] } }
  security_group:
    db: { vpc: "{{ subnet.a.vpc }}", ingress: [{ port: 5432, security_group: "{{ eks_cluster.main.security_group_id }}" }] }
  rds_subnet_group: { db: { subnets: "{{ eks_cluster.main.subnets }}" } }
  dns_zone: { parent: { domain: example.com }, child: { domain: sub.example.com } }
  dns_record:
    delegation: { zone: parent, domain: sub.example.com, type: NS, values: "{{ dns_zone.child.name_servers }}" }
    both: { zone: parent, domain: more.example.com, type: NS, values: ["{{ dns_zone.child.name_servers }}", ns.example.com] }
    first: { zone: parent, domain: one.example.com, type: NS, values: ["{{ dns_zone.child.name_servers[0] }}"] }
    second: { zone: parent, domain: text.example.com, type: TXT, values: ["second is {{ dns_zone.child.name_servers.1 }}"] }
outputs:
  servers: "{{ dns_zone.child.name_servers }}"
  first: "{{ dns_zone.child.name_servers[0] }}"
"#
    );
    let stack = write_file(folder.path(), "stack.yaml", &text);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    let shown = acme.run("show", &stack, &["--live", "-o", "json"]).assert_success();
    let live: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let by_address = |address: &str| {
        let list = live["resources"].as_array().expect("a list");
        list.iter().find(|resource| resource["tags"]["acme:address"] == address).unwrap_or_else(|| panic!("{address}")).clone()
    };
    let servers = by_address("dns_zone.child")["outputs"]["name_servers"].clone();
    let sorted = |mut list: Vec<Value>| {
        list.sort_by_key(Value::to_string);
        list
    };
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let values = |name: &str| list(&by_address(&format!("dns_record.{name}"))["spec"]["values"]);
    assert_eq!(values("delegation").len(), 4);
    assert_eq!(values("both").len(), 5);
    assert_eq!(values("first").len(), 1);
    assert!(
        values("first")[0].as_str().expect("text").trim_end_matches('.').contains(servers[0].as_str().expect("text").trim_end_matches('.'))
    );
    assert!(values("second")[0].as_str().expect("text").contains(&format!("second is {}", servers[1].as_str().expect("text"))));
    let group = by_address("eks_cluster.main")["outputs"]["security_group_id"].clone();
    let rules = by_address("security_group.db")["spec"]["ingress"].to_string();
    assert!(rules.contains(group.as_str().expect("an id")), "{rules}");
    let subnets = ["subnet.a", "subnet.b"].map(|address| json!({ "id": by_address(address)["id"] }));
    assert_eq!(sorted(list(&by_address("rds_subnet_group.db")["spec"]["subnets"])), sorted(subnets.to_vec()));
    assert_eq!(by_address("security_group.db")["spec"]["vpc"]["id"], by_address("vpc.main")["id"]);
    let outputs = acme.run("outputs", &stack, &["-o", "json"]).assert_success();
    let outputs: Value = serde_json::from_str(&outputs.stdout).expect("JSON");
    assert_eq!((&outputs["outputs"]["servers"], &outputs["outputs"]["first"]), (&servers, &servers[0]));
    let expanded = acme.run("show", &stack, &["--expanded"]).assert_success();
    acme.assert_no_changes(&write_file(folder.path(), "expanded.yaml", &expanded.stdout));
    acme.destroy(&stack);
}

#[test]
fn references_to_resources_whose_condition_is_false_are_null() {
    let text = format!(
        "{NETWORK}{}",
        r#"
  kms_key: { optional: { when: false }, "{{ each.key }}": { for_each: [x, y], when: each.key == "x" } }
  secret:
    a: { kms_key: "{{ kms_key.optional.arn }}", description: "{{ kms_key.optional.arn }}", depends_on: [kms_key.optional] }
    b: { kms_key: "{{ kms_key.y.arn }}" }
    c: { kms_key: "{{ kms_key.x.arn }}" }
  eks_fargate_profile:
    never: { when: false, cluster: main }
keys: { gone: { when: false } }
outputs:
  gone: "{{ keys.gone.arn }}"
  list: ["{{ kms_key.optional.id }}", "{{ kms_key.x.id }}"]
  map: { a: "{{ kms_key.y.id }}" }
"#
    );
    let stack = compile(&text).unwrap_or_else(|problems| panic!("{problems}"));
    for (address, key) in [("secret.a", Value::Null), ("secret.b", Value::Null), ("secret.c", json!({ "arn": "${kms_key.x.arn}" }))] {
        assert_eq!(spec(&stack, address)["kms_key"], key, "{address}");
    }
    assert_eq!(json!(stack.outputs), json!({ "gone": null, "list": ["${kms_key.x.id}"], "map": { "a": null } }));
    let problems =
        compile(&format!("{NETWORK}  kms_key: {{ k: {{ when: false }} }}\noutputs: {{ a: 'the {{{{ kms_key.k.id }}}}' }}\n")).err();
    assert!(problems.expect("refused").contains("refers to the kms key `k`, whose `when` is false"));
}

#[test]
fn the_account_is_a_value() {
    let text = format!(
        "{NETWORK}  secret: {{ a: {{ description: 'in {{{{ account }}}}' }} }}\nvalues: {{ bucket: 'logs-{{{{ account }}}}' }}\noutputs: {{ a: '{{{{ account }}}}', b: '{{{{ bucket }}}}' }}\n"
    );
    let stack = compile(&text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(spec(&stack, "secret.a")["description"], "in 012345678901");
    assert_eq!(json!(stack.outputs), json!({ "a": "012345678901", "b": "logs-012345678901" }));
    assert!(!stack.has_unknown_location);
    // Without it in the definition, acme knows it once it is connected.
    let source = Source::new("stack.yaml", text.replace("account: 012345678901\n", ""));
    let before = load(&source, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(before.has_unknown_location && json!(before.outputs)["a"].as_str().map(str::len) == Some(12), "{:?}", before.outputs);
    let location = Location { account: Some("012345678901".to_owned()), region: Some("eu-west-1".to_owned()) };
    let after = load(&source, &LoadOptions { location, ..LoadOptions::default() }).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(!after.has_unknown_location && after.outputs == stack.outputs, "{:?}", after.outputs);
}

#[test]
fn wrong_references_are_refused_at_their_line() {
    let wrong = [
        ("  subnet_group: {}\n", "there is no resource type"),
        ("  security_group: { a: { vpc: \"{{ subnet.a.id }}\" } }\n", "requires a vpc here, not `subnet.a`"),
        ("  security_group: { a: { vpc: \"{{ subnet.a.cidr }}\" } }\n", "requires a vpc here, not `subnet.a`"),
        ("  secret: { a: { description: \"{{ vpc.main.cidr[0] }}\" } }\n", "which is not a list"),
        ("  secret: { a: { description: \"{{ vpc.main.id[0] }}\" } }\n", "which is not a list"),
        ("  ecr_repository: { a: { tag_exceptions: \"{{ vpc.main.cidr }}\" } }\n", "expected a list"),
    ];
    for (more, message) in wrong {
        let problems = compile(&format!("{NETWORK}{more}")).err().unwrap_or_else(|| panic!("{more} is accepted"));
        assert!(problems.contains(message) && problems.contains("stack.yaml:10:"), "{more}: {problems}");
    }
}
