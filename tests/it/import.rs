//! Adopting existing resources: each type on the stand-ins, and the screens.

use std::path::Path;

use acme::{
    aws::types::RESOURCE_TYPES,
    core::{LiveResource, Tags},
    simulator::{Behaviour, Simulator},
};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    resource_lifecycle::{Lifecycle, LifecycleCase, for_every_type_once},
    simulated_cloud::redacted_output,
    standin::{Standin, StandinKind},
};

/// Types that can't be adopted on a stand-in: stand-in, type, reason.
const UNSUPPORTED: &[(&str, &str, &str)] = &[
    ("ministack", "aws_resource", "its tagging API does not show resources of Cloud Control"),
    ("ministack", "kms_replica", "a resource of another region must be declared first, with its region"),
    ("ministack", "nat_gateway", "it does not report a gateway's address"),
];

#[test]
#[ignore = "full run"]
fn imports_every_type_on_moto() {
    for_every_type_once(StandinKind::Moto, can_import, check_import);
}

#[test]
#[ignore = "full run"]
fn imports_every_type_on_ministack() {
    for_every_type_once(StandinKind::Ministack, can_import, check_import);
}

fn can_import(standin: StandinKind, kind: &str, life: &Lifecycle) -> bool {
    let is_lacking = UNSUPPORTED.iter().any(|(name, lacking, _)| *name == standin.name() && *lacking == kind);
    !is_lacking && !life.untagged.contains_key(standin.name())
}

/// Creates a resource, removes its ownership tags, and adopts it: with the printed definition, a plan shows no changes.
fn check_import(standin: &Standin, kind: &str, life: &Lifecycle) -> Result<(), String> {
    let taggable = RESOURCE_TYPES.iter().any(|known| known.name == kind && known.is_adoptable());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let case = LifecycleCase::new(standin, kind, life, folder.path());
    let address = format!("{kind}.it");
    let definition = case.definition(Some(&life.spec));
    if !taggable {
        let refused = case.acme.run("import", &definition, &[&address, "id", "--yes"]);
        let explained = refused.code == 1 && refused.stderr.contains("declare it");
        return if explained { Ok(()) } else { Err(format!("it has no ownership tags, yet: {}", refused.combined_output())) };
    }
    case.apply("creating it", &definition)?;
    let shown = case.expect_success("looking", case.acme.run("show", &definition, &["--live", "-o", "json"]))?;
    let shown: Value = serde_json::from_str(&shown.stdout).map_err(|error| error.to_string())?;
    let all = shown["resources"].as_array().cloned().unwrap_or_default();
    let it = all.iter().find(|live| live["tags"]["acme:address"] == address).ok_or_else(|| format!("it is not shown: {shown:#}"))?;
    let id = it["id"].as_str().unwrap_or_default();
    let arn = it["outputs"]["arn"].as_str().unwrap_or(id);
    standin.run_boto3(&format!("kind, id, arn = {kind:?}, {id:?}, {arn:?}\n{}", include_str!("unmark.py")));

    let printed = case.expect_success("adopting it", case.acme.run("import", &case.definition(None), &[&address, id, "--yes"]))?;
    let printed: Value = serde_yaml::from_str(&printed.stdout).map_err(|error| format!("{error}:\n{}", printed.stdout))?;
    let written = printed["resources"][kind]["it"].as_object().ok_or_else(|| format!("it is not printed: {printed:#}"))?;
    let definition = case.definition(Some(written));
    let plan = case.plan("planning with what was printed", &definition)?;
    if !plan.changes().is_empty() {
        return Err(format!("the printed definition differs from the live resource:\n{printed:#}\n{:#}", plan.0["changes"]));
    }
    let again = case.expect_success("adopting it twice", case.acme.run("import", &definition, &[&address, id, "--yes"]))?;
    if !again.stderr.contains("already") {
        return Err(format!("it was adopted twice: {}", again.combined_output()));
    }
    // `on_delete` comes from the definition, not from the resource.
    let mut written = written.clone();
    written.extend(life.spec.get("on_delete").map(|fate| ("on_delete".to_owned(), fate.clone())));
    let definition = case.definition(Some(&written));
    case.expect_success("destroying", case.acme.run("destroy", &definition, &["--yes"])).map(|_| ())
}

/// Inserts a resource into the simulated cloud outside acme.
fn seed_resource(cloud: &Path, kind: &str, id: &str, spec: Value, tags: &[(&str, &str)]) {
    let local = Simulator::open(cloud, "eu-west-1", Behaviour::default()).expect("a simulated cloud");
    let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let live = LiveResource { tags: tags.into(), outputs: json!({}).into(), ..LiveResource::ready(kind, id, spec) };
    local.seed(live).expect("it can be put there");
}

fn vpc_spec(cidr: &str) -> Value {
    json!({ "cidr": cidr, "secondary_cidrs": [], "dns_support": true, "dns_hostnames": false, "dedicated": false })
}

fn subnet_spec(vpc: &str) -> Value {
    json!({ "vpc": { "id": vpc }, "cidr": "10.0.1.0/24", "availability_zone": "eu-west-1a", "public_ip_on_launch": false, "dns64": false })
}

fn repository_spec(name: &str) -> Value {
    json!({
        "name": name, "immutable_tags": true, "tag_exceptions": [], "scan_on_push": true, "kms_key": null, "keep_last": 0,
        "lifecycle_policy": {},
    })
}

#[test]
fn imports_existing_resources_and_prints_their_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    seed_resource(&cloud, "vpc", "vpc-0a", vpc_spec("10.0.0.0/16"), &[("team", "web")]);
    seed_resource(&cloud, "subnet", "subnet-0a", subnet_spec("vpc-0a"), &[("Name", "shop-a")]);
    seed_resource(&cloud, "ecr_repository", "users", repository_spec("users"), &[]);
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  ecr_repository: { users: { name: users } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let shown = |command: &str, more: &[&str]| redacted_output(&acme.run(command, &stack, more), folder.path());
    let screens = [
        shown("plan", &[]),
        shown("import", &["ecr_repository.users", "users", "--yes"]),
        shown("plan", &[]),
        shown("import", &["vpc.main", "vpc-0a", "--yes"]),
        shown("import", &["subnet.a", "subnet-0a", "--yes"]),
        shown("import", &["subnet.a", "subnet-0a", "-o", "json"]),
    ];
    insta::assert_snapshot!(screens.join("\n━━\n"));

    // The next apply adds the definition's tags, and changes nothing else.
    let whole = format!("{text}  vpc: {{ main: {{ cidr: 10.0.0.0/16, dns_hostnames: false, tags: {{ team: shop }} }} }}\n");
    let whole = write_file(
        folder.path(),
        "stack.yaml",
        &format!("{whole}  subnet: {{ a: {{ vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a }} }}\n"),
    );
    assert_eq!(acme.plan(&whole).changes(), ["update vpc.main"]);
    assert!(acme.plan(&whole).changed_fields("vpc.main").is_empty());
    acme.apply(&whole);
    acme.assert_no_changes(&whole);
}

#[test]
fn rejects_imports_that_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let others = [("acme:stack", "other"), ("acme:environment", "production"), ("acme:address", "vpc.net")];
    seed_resource(&cloud, "vpc", "vpc-0a", vpc_spec("10.0.0.0/16"), &others);
    seed_resource(&cloud, "vpc", "vpc-0b", vpc_spec("10.1.0.0/16"), &[]);
    seed_resource(&cloud, "vpc", "vpc-0c", vpc_spec("10.2.0.0/16"), &[]);
    seed_resource(&cloud, "ecr_repository", "users", repository_spec("users"), &others);
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  ecr_repository: { users: { name: users } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let run = |more: &[&str]| acme.run("import", &stack, &[more, &["--yes"]].concat());
    run(&["vpc.main", "vpc-0b"]).assert_success();
    let local = || Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a simulated cloud").dump();
    let before = local();
    let screens: Vec<String> = [
        run(&["vpc.other", "vpc-0a"]),
        run(&["vpc.main", "vpc-0c"]),
        run(&["vpc.second", "vpc-0b"]),
        run(&["vpc.other", "vpc-0d"]),
        run(&["vcp.other", "vpc-0c"]),
        run(&["other", "vpc-0c"]),
        run(&["vpc.o/ther", "vpc-0c"]),
        run(&["listener.web", "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/2"]),
        run(&["iam_role.web", "web"]),
        run(&["dns_record.www", "Z1/www.example.com/A/"]),
        run(&["waf_association.web", "web"]),
        // A resource of another stack is an obstacle: an import does not help.
        acme.run("plan", &stack, &[]),
    ]
    .iter()
    .map(|done| {
        assert_eq!(done.code, 1, "{}", done.combined_output());
        redacted_output(done, folder.path())
    })
    .collect();
    assert_eq!(local(), before);
    insta::assert_snapshot!(screens.join("\n━━\n"));
}

#[test]
fn says_which_argument_of_an_import_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "i.yaml", "stack: shop\nregion: eu-west-1\n");
    for (arguments, message) in [
        (["sqs_queue.c", "--yes"], "error[address]: the id is missing: write `acme import "),
        (["vpc-0123", "--yes"], "error[address]: the address is missing: write `acme import "),
    ] {
        let done = acme.run("import", &stack, &arguments);
        assert!(done.code == 1 && done.stderr.contains(message), "{}", done.combined_output());
    }
    let done = acme.run("import", Path::new("sqs_queue.c"), &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("error[address]: the id of `sqs_queue.c` is missing"), "{}", done.combined_output());
}

/// AWS never deletes these, so a stack with them could not be destroyed.
#[test]
fn refuses_to_adopt_what_aws_never_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    seed_resource(&cloud, "vpc", "vpc-0a", vpc_spec("10.0.0.0/16"), &[]);
    let group =
        json!({ "name": "default", "description": "default VPC security group", "vpc": { "id": "vpc-0a" }, "ingress": [], "egress": [] });
    seed_resource(&cloud, "security_group", "sg-0a", group, &[]);
    let parameters = json!({ "name": "default.postgres16", "family": "postgres16", "description": "Default", "parameters": {} });
    seed_resource(&cloud, "rds_parameter_group", "default.postgres16", parameters, &[]);
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: eu-west-1\n");
    let before = Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a simulated cloud").dump();
    for (address, id) in [("security_group.main", "sg-0a"), ("rds_parameter_group.main", "default.postgres16")] {
        let done = acme.run("import", &stack, &[address, id, "--yes"]);
        assert!(done.code == 1 && done.stderr.contains("can't be adopted: AWS"), "{}", done.combined_output());
    }
    assert_eq!(Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a simulated cloud").dump(), before);
}

/// A resource without any trace of acme, created by another tool.
#[test]
fn imports_resources_made_by_another_tool() {
    for kind in StandinKind::BOTH {
        let standin = Standin::start(kind);
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::at_endpoint(&standin.url);
        let made = standin.run_boto3(
            "
zone = client('route53').create_hosted_zone(Name='shop.example.com', CallerReference='by-hand')['HostedZone']['Id']
out['zone'] = zone.split('/')[-1]
out['key'] = client('kms').create_key(Description='by hand')['KeyMetadata']['KeyId']
client('kms').create_alias(AliasName='alias/by-hand', TargetKeyId=out['key'])
client('s3').create_bucket(Bucket='made-by-hand')
client('iam').create_role(RoleName='by-hand', AssumeRolePolicyDocument='{\"Version\":\"2012-10-17\",\"Statement\":[]}')
",
        );
        let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\n");
        let mut resources = serde_json::Map::new();
        let (bucket, role) = (json!("made-by-hand"), json!("by-hand"));
        for (address, id) in
            [("dns_zone.main", &made["zone"]), ("kms_key.main", &made["key"]), ("s3_bucket.main", &bucket), ("iam_role.main", &role)]
        {
            let done = acme.run("import", &stack, &[address, id.as_str().expect("an id"), "--yes"]).assert_success();
            let printed: Value = serde_yaml::from_str(&done.stdout).expect("YAML");
            resources.extend(printed["resources"].as_object().expect("a map").clone());
        }
        let definition = json!({ "stack": "shop", "region": "us-east-1", "resources": resources });
        let whole = write_file(folder.path(), "stack.yaml", &serde_yaml::to_string(&definition).expect("YAML"));
        acme.assert_no_changes(&whole);
    }
}
