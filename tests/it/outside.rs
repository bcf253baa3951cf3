//! Changes made outside acme to what identifies a resource: its ownership tags, its name, its existence.

use std::path::Path;

use acme::{
    core::{LiveResource, Tags},
    simulator::{Behaviour, Simulator},
};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, Plan, write_file},
    exclusive::any_plan,
};

/// A stack on the simulated cloud, and the cloud as somebody else sees it.
struct Outside {
    folder: tempfile::TempDir,
    acme: Acme,
}

impl Outside {
    fn new() -> Outside {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        Outside { folder, acme }
    }

    fn write(&self, resources: &str) -> std::path::PathBuf {
        write_file(self.folder.path(), "stack.yaml", &format!("stack: shop\nregion: eu-west-1\nresources:\n{resources}"))
    }

    fn apply(&self, resources: &str) -> std::path::PathBuf {
        let path = self.write(resources);
        self.acme.apply(&path);
        self.acme.assert_no_changes(&path);
        path
    }

    fn cloud(&self) -> Simulator {
        Simulator::open(self.folder.path().join("cloud"), "eu-west-1", Behaviour::default()).expect("a simulated cloud")
    }

    /// Removes the ownership tags of a resource; returns its id.
    fn untag(&self, address: &str) -> String {
        let (kind, _) = address.split_once('.').expect("an address");
        let dump = self.cloud().dump();
        let (key, found) = dump.iter().find(|(_, found)| found["tags"]["acme:address"] == address).expect("it exists");
        let id = key.strip_prefix(&format!("{kind}/")).expect("a key").to_owned();
        let tags = tags_of(found);
        let tags: Vec<(&str, &str)> =
            tags.iter().filter(|(key, _)| !key.starts_with("acme:")).map(|(key, value)| (key.as_str(), value.as_str())).collect();
        self.seed(kind, &id, found["spec"].clone(), found["outputs"].clone(), &tags);
        id
    }

    /// Removes the history.
    fn remove_history(&self) {
        std::fs::remove_dir_all(self.folder.path().join("cloud/backend")).expect("a history");
    }

    fn seed(&self, kind: &str, id: &str, spec: Value, outputs: Value, tags: &[(&str, &str)]) {
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let live = LiveResource { tags: tags.into(), outputs: outputs.into(), ..LiveResource::ready(kind, id, spec) };
        self.cloud().seed(live).expect("it can be put there");
    }

    /// Runs the import that a plan shows.
    fn follow_remedy(&self, stack: &Path, plan: &Plan) {
        let help = plan.0["obstacles"][0]["help"].as_str().expect("a remedy");
        let line = help.split('`').nth(1).unwrap_or_else(|| panic!("no command in {help}"));
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..2], ["acme", "import"], "{help}");
        let target = words.iter().rposition(|word| word.contains('.') && !word.starts_with('-')).expect("an address");
        let [address, id] = [words[words.len() - 2], words[words.len() - 1].trim_matches('\'')];
        assert!(target >= words.len() - 2, "{help}");
        self.acme.run("import", stack, &[address, id, "--yes"]).assert_success();
    }
}

fn tags_of(found: &Value) -> Tags {
    serde_json::from_value(found["tags"].clone()).expect("tags")
}

fn obstacles(plan: &Plan) -> Vec<String> {
    let all = plan.0["obstacles"].as_array().into_iter().flatten();
    all.map(|one| format!("{} {}", one["code"].as_str().unwrap_or_default(), one["address"].as_str().unwrap_or_default())).collect()
}

const NETWORK: &str = "  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] } } }
  eks_cluster: { main: { version: '1.34', role: cluster, subnets: [a, b], deletion_protection: false } }
  eks_addon: { network: { cluster: main, addon: vpc-cni } }
  dns_zone: { main: { domain: example.com } }
  dns_record: { www: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1] } }
  kms_key: { data: { description: Data } }
";

#[test]
fn a_resource_that_lost_its_tags_stops_the_plan_until_it_is_adopted_again() {
    for address in ["vpc.main", "subnet.a", "security_group.web", "eks_cluster.main", "dns_zone.main", "iam_role.cluster", "kms_key.data"] {
        let outside = Outside::new();
        let stack = outside.apply(NETWORK);
        let id = outside.untag(address);
        let plan = any_plan(&outside.acme, &stack);
        assert_eq!(obstacles(&plan), [format!("untagged {address}")], "{address}: {:#}", plan.0);
        assert!(plan.0["obstacles"][0]["message"].as_str().unwrap().contains(&id), "{:#}", plan.0["obstacles"]);
        assert_eq!(plan.changes(), [format!("update {address}")], "others don't change: {:#}", plan.0["changes"]);
        assert_eq!(outside.acme.run("apply", &stack, &["--yes"]).code, 1);
        let drift = outside.acme.run("drift", &stack, &[]);
        assert!(drift.stdout.contains(address) && drift.stdout.contains("acme:address"), "{}", drift.combined_output());
        outside.follow_remedy(&stack, &plan);
        outside.acme.assert_no_changes(&stack);
    }
}

#[test]
fn a_resource_that_lost_its_tags_is_not_deleted_but_named() {
    let outside = Outside::new();
    outside.apply(NETWORK);
    let id = outside.untag("kms_key.data");
    let without_key: String = NETWORK.lines().filter(|line| !line.contains("kms_key")).map(|line| format!("{line}\n")).collect();
    let without = outside.write(&without_key);
    for command in [vec![], vec!["--destroy"]] {
        let plan = outside.acme.run("plan", &without, &command).assert_success();
        let shown = plan.combined_output();
        assert!(shown.contains(&format!("`{id}` has lost the ownership tags of `kms_key.data`")), "{shown}");
        assert!(shown.contains(&format!("kms_key.data {id}`")), "{shown}");
    }
    // The record of the next run no longer has it.
    let next = outside.apply(&without_key.replace("vpc: { main: {", "vpc: { main: { tags: { team: web },"));
    let plan = outside.acme.run("plan", &next, &[]).assert_success();
    assert!(!plan.combined_output().contains(&id), "{}", plan.combined_output());
}

/// A resource that acme left in AWS on purpose has no tags either.
#[test]
fn a_retained_resource_is_forgotten() {
    let outside = Outside::new();
    outside.apply("  s3_bucket: { files: { on_delete: retain } }\n  kms_key: { data: { description: Data } }\n");
    let rest = outside.apply("  kms_key: { data: { description: Data } }\n");
    let plan = outside.acme.run("plan", &rest, &[]).assert_success();
    assert!(!plan.combined_output().contains("lost"), "{}", plan.combined_output());
}

#[test]
fn a_resource_that_another_stack_took_over_is_said_to_be_its() {
    let outside = Outside::new();
    let stack = outside.apply(NETWORK);
    let id = outside.untag("vpc.main");
    let found = outside.cloud().dump()[&format!("vpc/{id}")].clone();
    let tags = [("acme:stack", "platform"), ("acme:environment", "default"), ("acme:address", "vpc.shared")];
    outside.seed("vpc", &id, found["spec"].clone(), found["outputs"].clone(), &tags);
    let plan = any_plan(&outside.acme, &stack);
    assert_eq!(obstacles(&plan), ["foreign vpc.main"], "{:#}", plan.0);
    assert!(plan.0["obstacles"][0]["message"].as_str().unwrap().contains("platform"), "{:#}", plan.0["obstacles"]);
}

/// Seeds a resource as it is, but without tags, and with the fields in `other`.
fn seed_double(outside: &Outside, address: &str, id: &str, other: &[(&str, Value)]) {
    let (kind, _) = address.split_once('.').expect("an address");
    let dump = outside.cloud().dump();
    let found = dump.values().find(|found| found["tags"]["acme:address"] == address).expect("it exists");
    let mut spec = found["spec"].clone();
    for (field, value) in other {
        spec[*field] = value.clone();
    }
    outside.seed(kind, id, spec, found["outputs"].clone(), &[]);
}

/// One that exists already with the unique key of a resource that is about to be created.
#[test]
fn what_exists_without_tags_is_named_before_the_first_call_and_can_be_adopted() {
    let network = "  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }, b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b } }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] } } }
  eks_cluster: { main: { version: '1.34', role: cluster, subnets: [a, b], deletion_protection: false } }
  dns_zone: { main: { domain: example.com } }
";
    let cases = [
        (
            "iam_role.app",
            "  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] } }, app: { name: app, trust: { services: [ec2.amazonaws.com] } } }\n",
        ),
        ("iam_policy.app", "  iam_policy: { app: { name: app, document: { Statement: [] } } }\n"),
        ("oidc_provider.app", "  oidc_provider: { app: { url: 'https://idp.example.com' } }\n"),
        ("dns_record.www", "  dns_record: { www: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1] } }\n"),
        ("security_group.web", "  security_group: { web: { vpc: main, name: web } }\n"),
        (
            "subnet.c",
            "  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }, b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }, c: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1c } }\n",
        ),
        ("eks_addon.dns", "  eks_addon: { dns: { cluster: main, addon: coredns } }\n"),
    ];
    for (address, addition) in cases {
        let (kind, name) = address.split_once('.').unwrap();
        let head = format!("  {kind}: {{");
        let rest: String = network.lines().filter(|line| !line.starts_with(&head)).map(|line| format!("{line}\n")).collect();
        let whole = format!("{rest}{addition}");
        let outside = Outside::new();
        let stack = outside.apply(&whole);
        // It exists, but acme has never made it.
        outside.untag(address);
        outside.remove_history();
        let plan = any_plan(&outside.acme, &stack);
        assert_eq!(obstacles(&plan), [format!("foreign {address}")], "{name}: {:#}", plan.0);
        assert_eq!(outside.acme.run("apply", &stack, &["--yes"]).code, 1);
        outside.follow_remedy(&stack, &plan);
        outside.acme.assert_no_changes(&stack);
        outside.acme.destroy(&stack);
        assert_eq!(outside.cloud().dump().keys().collect::<Vec<_>>(), Vec::<&String>::new(), "{address}");
    }
}

/// A range that overlaps one of somebody else's subnets, and a port that another listener of the load balancer has.
#[test]
fn a_range_or_port_that_others_have_is_named_before_the_first_call() {
    let network = "  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  load_balancer: { web: { subnets: [a, b], security_groups: [web], deletion_protection: false } }
  listener:
    http: { load_balancer: web, port: 80, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } } }
";
    let outside = Outside::new();
    outside.apply(network);
    seed_double(&outside, "subnet.a", "subnet-0123456789abcdef0", &[("cidr", json!("10.0.2.0/23"))]);
    seed_double(
        &outside,
        "listener.http",
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/x/1/2",
        &[("port", json!(8080))],
    );
    let more = network.replace("    b: {", "    c: { vpc: main, cidr: 10.0.3.0/24, availability_zone: eu-west-1c }\n    b: {")
        + "    other: { load_balancer: web, port: 8080, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } } }\n";
    let plan = any_plan(&outside.acme, &outside.write(&more));
    assert_eq!(obstacles(&plan), ["foreign listener.other", "foreign subnet.c"], "{:#}", plan.0);
}

/// Tags of controllers, of AWS, and those in `ignore_tags`: neither removed nor reported, and kept by every change of others.
#[test]
fn tags_of_others_are_left_alone() {
    let text = "  vpc: { main: { cidr: 10.0.0.0/16, tags: { team: web } } }
  s3_bucket: { files: { tags: { team: web } } }
  iam_role: { app: { trust: { services: [ec2.amazonaws.com] }, tags: { team: web } } }
";
    let outside = Outside::new();
    let ignoring = |text: &str| format!("{text}ignore_tags: [cost-centre, map-*]\n");
    let stack = outside.apply(&ignoring(text));
    let others = [
        "kubernetes.io/cluster/main",
        "karpenter.sh/discovery",
        "elbv2.k8s.aws/cluster",
        "aws:cloudformation:stack-id",
        "cost-centre",
        "map-migrated",
    ];
    for (key, found) in outside.cloud().dump() {
        let (kind, id) = key.split_once('/').unwrap();
        let mut tags: Vec<(&str, &str)> =
            found["tags"].as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
        tags.extend(others.map(|key| (key, "x")));
        outside.seed(kind, id, found["spec"].clone(), found["outputs"].clone(), &tags);
    }
    outside.acme.assert_no_changes(&stack);
    let drift = outside.acme.run("drift", &stack, &[]);
    assert_eq!(drift.code, 0, "{}", drift.combined_output());
    // One that nobody else is known to set is removed.
    let found = outside.cloud().dump().into_iter().find(|(key, _)| key.starts_with("vpc/")).unwrap();
    let mut tags: Vec<(&str, &str)> =
        found.1["tags"].as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
    tags.push(("stray", "x"));
    outside.seed("vpc", found.0.split_once('/').unwrap().1, found.1["spec"].clone(), found.1["outputs"].clone(), &tags);
    assert_eq!(outside.acme.plan(&stack).changes(), ["update vpc.main"]);

    let kept = |outside: &Outside| {
        let dump = outside.cloud().dump();
        dump.values().all(|found| others.iter().all(|key| found["tags"][key] == "x"))
    };
    let edited = outside.apply(&ignoring(&text.replace("team: web", "team: shop")));
    assert!(kept(&outside), "{:#?}", outside.cloud().dump());
    outside.acme.run("rollback", &edited, &["--yes"]).assert_success();
    assert!(kept(&outside), "{:#?}", outside.cloud().dump());
    assert!(outside.cloud().dump().values().all(|found| found["tags"]["team"] == "web"));
    // Without the setting, the two are removed.
    let plain = outside.write(text);
    assert_eq!(outside.acme.plan(&plain).changes(), ["update iam_role.app", "update s3_bucket.files", "update vpc.main"]);
}

#[test]
fn ignored_tags_are_checked() {
    let outside = Outside::new();
    let problems = |list: &str| {
        let stack = outside.write(&format!("  vpc: {{ main: {{ cidr: 10.0.0.0/16, tags: {{ team: web }} }} }}\nignore_tags: {list}\n"));
        Acme::without_cloud().run("validate", &stack, &[]).combined_output()
    };
    assert!(problems("[team]").contains("`team` is set here, but `ignore_tags` leaves it to others"), "{}", problems("[team]"));
    assert!(problems("['acme:*']").contains("acme's own"), "{}", problems("['acme:*']"));
    assert!(problems("['*']").contains("at least one character"), "{}", problems("['*']"));
    assert!(problems("['a*b']").contains("only at the end of a key"), "{}", problems("['a*b']"));
    assert!(problems("cost").contains("must be a list of keys"), "{}", problems("cost"));
}

#[test]
fn a_change_of_an_ignored_field_is_no_drift() {
    let outside = Outside::new();
    let ignored = "ignore_changes: { fields: [retention_days], reason: The auditors set it. }";
    let stack = outside.apply(&format!("  log_group: {{ web: {{ retention_days: 30, {ignored} }} }}\n"));
    let change = |fields: Value| {
        let dump = outside.cloud().dump();
        let (key, found) = dump.iter().next().expect("the group");
        let mut spec = found["spec"].clone();
        fields.as_object().expect("fields").iter().for_each(|(name, value)| spec[name] = value.clone());
        let tags = tags_of(found);
        let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        outside.seed("log_group", key.split_once('/').expect("a key").1, spec, found["outputs"].clone(), &tags);
    };
    change(json!({ "retention_days": 90 }));
    let drift = outside.acme.run("drift", &stack, &[]).assert_success();
    assert!(drift.stdout.contains("No drift."), "{}", drift.stdout);
    assert!(
        drift.stderr.contains("Note: changes of `retention_days` of `log_group.web` are ignored: The auditors set it."),
        "{}",
        drift.stderr
    );
    let drift = outside.acme.run("drift", &stack, &["-o", "json"]).assert_success();
    let drift: Value = serde_json::from_str(&drift.stdout).expect("JSON");
    assert_eq!((&drift["changes"], &drift["summary"]["update"]), (&json!([]), &json!(0)));
    let expected = json!([{ "address": "log_group.web", "fields": ["retention_days"], "reason": "The auditors set it." }]);
    assert_eq!(drift["ignored"], expected);
    outside.acme.assert_no_changes(&stack);
    // Other fields of the resource are compared.
    change(json!({ "deletion_protection": true }));
    let drift = outside.acme.run("drift", &stack, &["-o", "json"]);
    let drift: Value = serde_json::from_str(&drift.stdout).unwrap_or_else(|_| panic!("{}", drift.combined_output()));
    let fields: Vec<&Value> = drift["changes"][0]["fields"].as_array().into_iter().flatten().map(|field| &field["pointer"]).collect();
    assert_eq!(fields, ["/deletion_protection"], "{drift:#}");
}
