//! Plans and events of a run as JSON match `docs/json.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex_lite::Regex;
use serde_json::Value;

use crate::acme::{Acme, CommandOutput, write_file};

const STACK: &str = "
stack: small
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a } }
outputs: { subnet: '{{ subnet.a.id }}' }
";

/// Documented events by name, with their fields.
fn documented_events() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `(\w+)` \| ([^|]*) \|").unwrap();
    let name = Regex::new(r"`(\w+)`").unwrap();
    let fields = |text: &str| name.captures_iter(text).map(|field| field[1].to_owned()).collect();
    row.captures_iter(&text).map(|row| (row[1].to_owned(), fields(&row[2]))).collect()
}

fn json_lines(done: &CommandOutput) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON on every line")).collect()
}

fn event_names(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["event"].as_str()).collect()
}

#[test]
fn events_match_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--yes", "-o", "json"]);
    let path = write_file(folder.path(), "small.yaml", STACK);
    let failed = acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:2,settle:0.01")], "apply", &path, &[]);
    let (applied, again, destroyed) = (acme.run("apply", &path, &[]), acme.run("apply", &path, &[]), acme.run("destroy", &path, &[]));

    let documented = documented_events();
    let runs = [&failed, &applied, &again, &destroyed].map(json_lines);
    for line in runs.iter().flatten().filter(|line| line["format"] != "acme-outputs/1") {
        let mut fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
        fields.remove("event");
        assert_eq!(documented.get(line["event"].as_str().unwrap()), Some(&fields), "{line}");
    }
    let [failed, applied, again, destroyed] = runs.each_ref().map(|lines| event_names(lines));
    for (event, count) in [("run_started", 1), ("planned", 2), ("step_failed", 1), ("rolling_back", 1), ("run_ended", 1)] {
        assert_eq!(failed.iter().filter(|name| **name == event).count(), count, "{event} in {failed:?}");
    }
    assert_eq!((runs[0][0]["format"].as_str(), runs[0].last().unwrap()["outcome"].as_str()), (Some("acme-events/2"), Some("rolled_back")));
    assert_eq!(applied, ["run_started", "planned", "step_started", "step_done", "step_started", "step_done", "run_ended"]);
    assert_eq!(runs[1].last().unwrap()["format"], "acme-outputs/1");
    assert!(again.is_empty() && runs[2].len() == 1, "only outputs without changes: {:?}", runs[2]);
    assert_eq!(destroyed.last(), Some(&"run_ended"));
}

#[test]
fn json_plan_matches_the_documentation() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    let (_, text) = text.split_once("## A plan").unwrap();
    let (plan, change) = text.split_once("## Events").unwrap().0.split_once("| Field of a change |").unwrap();
    // Several fields may share a row.
    let name = Regex::new(r"`(\w+)`").unwrap();
    let first = |table: &str| -> BTreeSet<String> {
        let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next().map(|cell| format!("`{cell}")));
        cells.flat_map(|cell| name.captures_iter(&cell).map(|field| field[1].to_owned()).collect::<Vec<_>>()).collect()
    };
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };

    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let reference = fs::read_to_string(crate::acme::repository_stack("reference.yaml")).unwrap();
    let acme = acme.with_args(&["--env", "production"]);
    // Groups that refer to each other, before and after.
    let groups = |one: &str, two: &str| {
        let group = |name: &str, other: &str| format!("{name}: {{ vpc: main, ingress: [{{ port: 443, security_group: {other} }}] }}");
        format!("security_group: {{ {}, {} }}", group(one, two), group(two, one))
    };
    // A record of another type, and a gateway that is attached in place of another one.
    let exclusive = |record: &str, gateways: &str| {
        format!(
            "dns_zone: {{ json: {{ domain: json.example.com }} }}, dns_record: {{ www: {{ zone: json, domain: www.json.example.com, {record} }} }}, \
             vpc: {{ spare: {{ cidr: 10.9.0.0/16 }} }}, internet_gateway: {{ {gateways} }}"
        )
    };
    let more = exclusive("type: CNAME, values: [old.example.net]", "spare: { vpc: spare }");
    let before = format!("{reference}\nresources: {{ sqs_queue: {{ old: {{}} }}, {}, {more} }}\n", groups("one", "two"));
    acme.apply(&write_file(folder.path(), "stack.yaml", &before));
    let edited = reference.replace("db_class: db.m6g.large", "db_class: db.m6g.xlarge").replace("m6i.large", "m6i.xlarge");
    let edited = edited.replace("version: \"1.34\"", "version: \"1.35\"");
    let edited = edited.replace("nat: per-az", "nat: single").replace("team: platform", "team: shop").replace(", stock, user]", "]");
    let more = exclusive("type: A, values: [192.0.2.1]", "spare: {}, other: { vpc: spare }");
    let queues = "sqs_queue: { copies: { region: eu-central-1 }, new: {} }";
    let moved = "moved: { sqs_queue.old: sqs_queue.new }";
    let edited = format!("{edited}\n{moved}\nresources: {{ {queues}, {}, {more} }}\n", groups("three", "four"));
    let plan_now = acme.plan(&write_file(folder.path(), "stack.yaml", &edited)).0;
    assert_eq!(keys(&plan_now), first(plan));
    let seen: BTreeSet<String> = plan_now["changes"].as_array().unwrap().iter().flat_map(keys).collect();
    assert_eq!(seen, first(change));
}

#[test]
fn steps_refer_to_their_dependencies_by_index() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--yes", "-o", "json"]);
    let run = json_lines(&acme.run("apply", &write_file(folder.path(), "small.yaml", STACK), &[]).assert_success());
    let steps = run[1]["apply"].as_array().unwrap();
    let at = |address: &str| steps.iter().position(|step| step["address"] == address).unwrap();
    assert_eq!(steps[at("subnet.a")]["depends_on"], serde_json::json!([at("vpc.main")]));
}
