//! Adopting many resources at once: from a Terraform state, by tags, in a VPC, and from a CloudFormation stack.

use std::{collections::BTreeMap, path::Path};

use acme::{
    aws::types::RESOURCE_TYPES,
    core::{LiveResource, Tags},
    simulator::{Behaviour, Simulator},
};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, repository_stack, write_file},
    standin::{Standin, StandinKind},
};

const REGION: &str = "us-east-1";

fn open_cloud(folder: &Path) -> Simulator {
    Simulator::open(folder, REGION, Behaviour::default()).expect("a simulated cloud")
}

/// All resources of a simulated cloud.
fn resources(cloud: &Simulator) -> Vec<LiveResource> {
    RESOURCE_TYPES.iter().flat_map(|kind| cloud.resources(kind.name, None)).collect()
}

/// Copies the resources of a cloud without the ownership tags, as if another tool had made them.
fn copy_without_ownership(from: &Path, to: &Path) {
    let copy = open_cloud(to);
    for mut live in resources(&open_cloud(from)) {
        live.tags.retain(|key, _| !key.starts_with("acme:"));
        copy.seed(live).expect("it can be put there");
    }
}

/// Tags of acme in a cloud, by type and id.
fn ownership(cloud: &Path) -> BTreeMap<String, Tags> {
    let all = resources(&open_cloud(cloud)).into_iter();
    let owned =
        |live: &LiveResource| live.tags.iter().filter(|(key, _)| key.starts_with("acme:")).map(|(k, v)| (k.clone(), v.clone())).collect();
    all.map(|live| (format!("{} {}", live.type_name, live.id), owned(&live)))
        .filter(|(_, tags): &(String, Tags)| !tags.is_empty())
        .collect()
}

/// A Terraform state with the resources of a stack, from its plan in Terraform's format.
fn terraform_state(acme: &Acme, stack: &Path, more: &[&str]) -> (Value, usize) {
    let plan = acme.run("plan", stack, &[&["-o", "terraform"], more].concat()).assert_success();
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    let all = plan["prior_state"]["values"]["root_module"]["resources"].as_array().expect("resources").clone();
    let resources: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "mode": "managed", "type": one["type"], "name": one["name"],
                "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
                "instances": [{ "schema_version": 0, "attributes": one["values"] }],
            })
        })
        .collect();
    (json!({ "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "a", "outputs": {}, "resources": resources }), all.len())
}

/// The reference stack, made by another tool: all of it is adopted, and the written definition describes it exactly.
#[test]
fn imports_a_terraform_state_of_the_reference_stack() {
    let folder = tempfile::tempdir().unwrap();
    let (made, cloud) = (folder.path().join("made"), folder.path().join("cloud"));
    let (maker, stack) = (Acme::local(&made), repository_stack("reference.yaml"));
    maker.run("apply", &stack, &["--env", "production", "--yes"]).assert_success();
    let (state, in_terraform) = terraform_state(&maker, &stack, &["--env", "production"]);
    let state = write_file(folder.path(), "terraform.tfstate", &state.to_string());
    copy_without_ownership(&made, &cloud);

    let acme = Acme::local(&cloud);
    let definition = folder.path().join("shop.yaml");
    let from = state.display().to_string();
    let source = ["--from", &from, "--stack", "shop", "--region", REGION];
    // Without a terminal, nothing is tagged.
    let refused = acme.run("import", &definition, &source);
    assert!(refused.code == 1 && refused.stderr.contains("error[no-terminal]"), "{}", refused.combined_output());
    assert_eq!(ownership(&cloud), BTreeMap::new());
    assert!(refused.stdout.contains("No changes: "), "{}", refused.combined_output());

    // The definition is written by now, and the same command continues; that of another stack does not.
    let other = acme.run("import", &definition, &["--from", &from, "--stack", "blog", "--region", REGION, "--yes"]);
    assert!(other.code == 1 && other.stderr.contains("error[file-exists]"), "{}", other.combined_output());
    let advice = format!("acme import {} --local={} --from {from} --region {REGION} --yes`", definition.display(), cloud.display());
    assert!(other.stderr.contains("is the definition of the stack `shop`") && other.stderr.contains(&advice), "{advice}\n{}", other.stderr);
    let imported = acme.run("import", &definition, &[&source[..], &["--yes", "-o", "json"]].concat()).assert_success();
    let report: Value = serde_json::from_str(&imported.stdout).expect("a report");
    let (adopted, parts) = (report["adopted"].as_array().unwrap(), report["parts"].as_array().unwrap());
    assert_eq!(report["left_out"], json!([]), "{}", imported.stderr);
    assert_eq!(adopted.len() + parts.len(), in_terraform);
    assert_eq!(adopted.len(), resources(&open_cloud(&made)).len(), "every resource of the stack is adopted");
    assert!(in_terraform >= 60 && adopted.len() >= 40, "{in_terraform} {}", adopted.len());
    acme.assert_no_changes(&definition);

    // Ids became references, and another import finds nothing to do.
    let text = std::fs::read_to_string(&definition).unwrap();
    assert!(!text.contains("vpc-") && !text.contains("subnet-0"), "{text}");
    assert!(text.contains("{{ load_balancer.web.arn }}"), "{text}");
    let arns: Vec<&str> = text.lines().filter(|line| line.contains("arn:aws:") && line.contains("123456789012")).collect();
    assert_eq!(arns, Vec::<&str>::new(), "every ARN of the stack is an expression");
    let again = acme.run("import", &definition, &["--from", &from, "--yes"]).assert_success();
    assert!(again.stderr.contains("tagged already"), "{}", again.stderr);
}

/// What belongs to another stack stays there, and so does what has no tags and is part of it, such as the association of a firewall.
#[test]
fn leaves_resources_of_another_stack_and_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let (acme, reference) = (Acme::local(&cloud), repository_stack("reference.yaml"));
    acme.run("apply", &reference, &["--env", "production", "--yes"]).assert_success();
    let (state, _) = terraform_state(&acme, &reference, &["--env", "production"]);
    let state = write_file(folder.path(), "terraform.tfstate", &state.to_string()).display().to_string();
    let (before, definition) = (ownership(&cloud), folder.path().join("shop.yaml"));
    let refused = acme.run("import", &definition, &["--from", &state, "--stack", "shop", "--region", REGION, "--yes"]);
    assert_eq!(refused.code, 1, "{}", refused.combined_output());
    assert!(refused.stderr.contains("error[not-adoptable]: no resource can be adopted: all "), "{}", refused.stderr);
    let part = refused.stderr.lines().find(|line| line.contains("aws_wafv2_web_acl_association")).expect("the association is listed");
    assert!(part.contains("is part of `") && part.ends_with("which belongs to the stack reference (production)"), "{part}");
    assert!(!definition.exists() && ownership(&cloud) == before);
}

#[test]
fn leaves_the_parts_of_a_vpc_of_another_stack() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    seed_networks(&cloud);
    let stack = write_file(folder.path(), "net.yaml", "stack: net\nregion: us-east-1\n");
    let acme = Acme::local(&cloud);
    acme.run("import", &stack, &["vpc.main", "vpc-0a", "--yes"]).assert_success();
    let table = json!({ "vpc": { "id": "vpc-0a" }, "routes": [], "subnets": [], "propagating_gateways": [] });
    seed(&cloud, "route_table", "rtb-0a", table, &[]);
    let before = ownership(&cloud);
    let stack = folder.path().join("shop.yaml");
    let import = || acme.run("import", &stack, &["--vpc", "vpc-0a", "--stack", "shop", "--region", REGION, "--yes"]);
    // A subnet with tags of its own may belong to another stack than its VPC.
    import().assert_success();
    let after = ownership(&cloud);
    assert_eq!(after.keys().filter(|id| !before.contains_key(*id)).collect::<Vec<_>>(), ["subnet subnet-0a"]);
    acme.assert_no_changes(&stack);
    let mut subnet = open_cloud(&cloud).resources("subnet", None).remove(0);
    subnet.tags.retain(|_, _| false);
    open_cloud(&cloud).seed(subnet).expect("it can be put there");
    std::fs::remove_file(&stack).unwrap();
    let refused = import();
    assert!(refused.code == 1 && !stack.exists(), "{}", refused.combined_output());
    for line in [
        "! not adopted: route_table rtb-0a: `rtb-0a` is part of `vpc-0a`, which belongs to the stack net (default)",
        "! not adopted: subnet subnet-0a: `subnet-0a` is part of `vpc-0a`",
        "error[not-adoptable]: no resource can be adopted: all ",
    ] {
        assert!(refused.stderr.contains(line), "{line}\n{}", refused.stderr);
    }
}

fn seed(cloud: &Path, kind: &str, id: &str, spec: Value, tags: &[(&str, &str)]) {
    let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let live = LiveResource { tags: tags.into(), outputs: json!({}).into(), ..LiveResource::ready(kind, id, spec) };
    open_cloud(cloud).seed(live).expect("it can be put there");
}

/// Two VPCs, one of them with a subnet and a group.
fn seed_networks(cloud: &Path) {
    let vpc = |cidr: &str| json!({ "cidr": cidr, "secondary_cidrs": [], "dns_support": true, "dns_hostnames": false, "dedicated": false });
    seed(cloud, "vpc", "vpc-0a", vpc("10.0.0.0/16"), &[("team", "web"), ("Name", "shop-main")]);
    seed(cloud, "vpc", "vpc-0b", vpc("10.1.0.0/16"), &[("team", "data")]);
    let subnet = json!({
        "vpc": { "id": "vpc-0a" }, "cidr": "10.0.1.0/24", "availability_zone": "us-east-1a", "public_ip_on_launch": false, "dns64": false,
    });
    seed(cloud, "subnet", "subnet-0a", subnet, &[("team", "web")]);
    let group = |name: &str| json!({ "name": name, "description": "web", "vpc": { "id": "vpc-0a" }, "ingress": [], "egress": [] });
    seed(cloud, "security_group", "sg-0a", group("web"), &[]);
    // Every VPC has this one, and AWS never deletes it.
    seed(cloud, "security_group", "sg-0d", group("default"), &[]);
}

#[test]
fn imports_the_resources_with_a_tag() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    seed_networks(&cloud);
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop # ours\nregion: us-east-1\nresources: {}\n");
    let done = acme.run("import", &stack, &["--tag", "team=web", "--yes"]).assert_success();
    assert!(done.stderr.contains("2 resources are part of shop (default) now."), "{}", done.stderr);
    assert_eq!(ownership(&cloud).into_keys().collect::<Vec<_>>(), ["subnet subnet-0a", "vpc vpc-0a"]);
    acme.assert_no_changes(&stack);
    let text = std::fs::read_to_string(&stack).unwrap();
    assert!(text.starts_with("stack: shop # ours\nregion: us-east-1\n"), "the rest of the text stays: {text}");
    let none = acme.run("import", &stack, &["--tag", "team=nobody", "--yes"]);
    assert!(none.code == 1 && none.stderr.contains("error[not-adoptable]: no resource can be adopted"), "{}", none.combined_output());
    let none = acme.run("import", &folder.path().join("none.yaml"), &["--tag", "team=nobody", "--stack", "none", "--yes", "-o", "json"]);
    let error: Value = serde_json::from_str(&none.stdout).expect("an error as JSON");
    assert_eq!((none.code, &error["format"], &error["error"]["code"]), (1, &json!("acme-error/1"), &json!("not-adoptable")), "{error}");
    assert!(!folder.path().join("none.yaml").exists());
}

#[test]
fn imports_a_vpc_with_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    seed_networks(&cloud);
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\n");
    let done = acme.run("import", &stack, &["--vpc", "vpc-0a", "--yes"]).assert_success();
    assert_eq!(ownership(&cloud).into_keys().collect::<Vec<_>>(), ["security_group sg-0a", "subnet subnet-0a", "vpc vpc-0a"]);
    assert!(done.stderr.contains("! not adopted: security_group sg-0d: `sg-0d` can't be adopted: AWS"), "{}", done.stderr);
    acme.assert_no_changes(&stack);
    let missing = acme.run("import", &stack, &["--vpc", "vpc-0c", "--yes"]);
    assert!(missing.code == 1 && missing.stderr.contains("error[not-found]: there is no VPC `vpc-0c`"), "{}", missing.combined_output());
}

#[test]
fn explains_what_it_leaves_out_of_a_terraform_state() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    seed_networks(&cloud);
    let other = [("acme:stack", "other"), ("acme:environment", "production"), ("acme:address", "vpc.main")];
    seed(
        &cloud,
        "vpc",
        "vpc-0c",
        json!({ "cidr": "10.2.0.0/16", "secondary_cidrs": [], "dns_support": true, "dns_hostnames": false, "dedicated": false }),
        &other,
    );
    let instance = |id: &str| json!([{ "attributes": { "id": id } }]);
    let state = json!({ "version": 4, "resources": [
        { "mode": "managed", "type": "aws_vpc", "name": "main", "instances": instance("vpc-0a") },
        { "mode": "managed", "type": "aws_vpc", "name": "theirs", "instances": instance("vpc-0c") },
        { "mode": "managed", "type": "aws_vpc", "name": "gone", "instances": instance("vpc-0e") },
        { "mode": "managed", "type": "aws_lambda_function", "name": "hook", "instances": instance("hook") },
        { "mode": "managed", "type": "aws_route", "name": "out", "instances": instance("r-1") },
    ] });
    let state = write_file(folder.path(), "terraform.tfstate", &state.to_string()).display().to_string();
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\n");
    let done = acme.run("import", &stack, &["--from", &state, "--yes"]).assert_success();
    for line in [
        "! not adopted: aws_lambda_function.hook: acme has no type for `aws_lambda_function`",
        "! not adopted: aws_vpc.theirs: `vpc-0c` belongs to the stack other (production), as `vpc.main`",
        "! not adopted: aws_vpc.gone: there is no such vpc in this account and region",
        "Parts of adopted resources: aws_route.out.",
        "Done: 1 resource is part of shop (default) now.",
    ] {
        assert!(done.stderr.contains(line), "{line}\n{}", done.stderr);
    }
    let wrong = write_file(folder.path(), "wrong.json", "{}").display().to_string();
    let refused = acme.run("import", &stack, &["--from", &wrong, "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[terraform-state]"), "{}", refused.combined_output());
    let both = acme.run("import", &stack, &["vpc.other", "vpc-0b", "--vpc", "vpc-0b"]);
    assert!(both.code == 1 && both.stderr.contains("exclude each other"), "{}", both.combined_output());
}

/// moto makes the resources of a template, and lists them as CloudFormation does.
#[test]
fn imports_a_cloudformation_stack() {
    let standin = Standin::start(StandinKind::Moto);
    let folder = tempfile::tempdir().unwrap();
    let template = json!({ "Resources": {
        "Vpc": { "Type": "AWS::EC2::VPC", "Properties": { "CidrBlock": "10.0.0.0/16" } },
        "Private": { "Type": "AWS::EC2::Subnet", "Properties": {
            "VpcId": { "Ref": "Vpc" }, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a" } },
        "Files": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "files-of-the-shop" } },
        "Orders": { "Type": "AWS::SNS::Topic", "Properties": { "TopicName": "orders" } },
        "Users": { "Type": "AWS::ECR::Repository", "Properties": { "RepositoryName": "users" } },
    } });
    standin.run_boto3(&format!(
        "client('cloudformation').create_stack(StackName='old', TemplateBody=json.dumps(json.loads({:?})))",
        template.to_string()
    ));
    let acme = Acme::at_endpoint(&standin.url);
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\n");
    let done = acme.run("import", &stack, &["--from-cloudformation", "old", "--yes", "-o", "json"]).assert_success();
    let report: Value = serde_json::from_str(&done.stdout).expect("a report");
    let addresses: Vec<&str> = report["adopted"].as_array().unwrap().iter().filter_map(|one| one["address"].as_str()).collect();
    assert_eq!(addresses, ["ecr_repository.Users", "s3_bucket.Files", "sns_topic.Orders", "subnet.Private", "vpc.Vpc"], "{}", done.stderr);
    acme.assert_no_changes(&stack);
    let missing = acme.run("import", &stack, &["--from-cloudformation", "none", "--yes"]);
    assert_eq!(missing.code, 1, "{}", missing.combined_output());
}

/// What Terraform has made: `record.py` recorded its state, and its calls with the ids that moto gave.
#[test]
fn imports_a_state_recorded_from_terraform() {
    let standin = Standin::start(StandinKind::Moto);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/terraform");
    let script =
        format!("url, file = {:?}, {:?}\n{}", standin.url, fixture.join("calls.jsonl"), include_str!("../fixtures/terraform/replay.py"));
    assert_eq!(standin.run_boto3(&script)["calls"], include_str!("../fixtures/terraform/calls.jsonl").lines().count());
    // The address of the endpoint is in the URLs of queues.
    let state = include_str!("../fixtures/terraform/terraform.tfstate").replace("http://127.0.0.1:5055", &standin.url);
    let folder = tempfile::tempdir().unwrap();
    let from = write_file(folder.path(), "terraform.tfstate", &state).display().to_string();
    let acme = Acme::at_endpoint(&standin.url);
    let stack = folder.path().join("acme.yaml");
    let report = import_from_terraform(&acme, &stack, &from);
    let addresses: Vec<&str> = report["adopted"].as_array().unwrap().iter().filter_map(|one| one["address"].as_str()).collect();
    assert_eq!(addresses.len() + report["parts"].as_array().map_or(0, Vec::len), 100, "{report:#}");
    for address in ["vpc.network", "subnet.network-private-us-east-1a", "eks_cluster.main", "rds_instance.orders", "listener.http"] {
        assert!(addresses.contains(&address), "{address}: {addresses:?}");
    }
    // All resources of the VPC belong to this stack, and the main route table is part of it.
    let adopted = report["adopted"].as_array().unwrap().iter().find(|one| one["address"] == "vpc.network");
    let vpc = adopted.and_then(|one| one["id"].as_str()).expect("the VPC").to_owned();
    let other = folder.path().join("other.yaml");
    let refused = acme.run("import", &other, &["--vpc", &vpc, "--stack", "other", "--yes"]);
    assert!(refused.code == 1 && !other.exists(), "{}", refused.combined_output());
    assert!(refused.stderr.contains(&format!("is part of `{vpc}`, which belongs to the stack shop (default)")), "{}", refused.stderr);
}

/// Imports a state as the stack `shop`, whose plan is then empty; nothing is left out. Returns the report.
fn import_from_terraform(acme: &Acme, stack: &Path, state: &str) -> Value {
    let started = std::time::Instant::now();
    let done = acme.run("import", stack, &["--from", state, "--stack", "shop", "--yes", "-o", "json"]).assert_success();
    let report: Value = serde_json::from_str(&done.stdout).expect("a report");
    let length = |key: &str| report[key].as_array().map_or(0, Vec::len);
    eprintln!("{:.1} s: {} adopted, {} parts", started.elapsed().as_secs_f64(), length("adopted"), length("parts"));
    assert_eq!(report["left_out"], json!([]), "{}", done.stderr);
    acme.assert_no_changes(stack);
    report
}

/// Runs Terraform in a folder. `None`: it is not installed, or can't get its provider.
fn terraform(folder: &Path, arguments: &[&str]) -> Option<String> {
    let done = std::process::Command::new("terraform").args(arguments).current_dir(folder).output().ok()?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    done.status.success().then_some(said)
}

/// Resources that Terraform itself has made, with modules, `count` and `for_each`.
#[test]
#[ignore = "full run"]
fn imports_what_terraform_has_made() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/terraform");
    std::fs::create_dir(folder.path().join("network")).unwrap();
    for file in ["main.tf", "network/main.tf"] {
        std::fs::copy(fixture.join(file), folder.path().join(file)).unwrap();
    }
    if terraform(folder.path(), &["init", "-no-color"]).is_none() {
        eprintln!("skipped: Terraform and its AWS provider are not available");
        return;
    }
    let standin = Standin::start(StandinKind::Moto);
    let url = format!("url={}", standin.url);
    let applied = terraform(folder.path(), &["apply", "-auto-approve", "-no-color", "-parallelism=4", "-var", &url]);
    assert!(applied.is_some_and(|said| said.contains("Apply complete!")), "Terraform applies the fixture");
    let state = folder.path().join("terraform.tfstate").display().to_string();
    let in_terraform: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).expect("a state");
    let managed = in_terraform["resources"].as_array().unwrap().iter().filter(|one| one["mode"] == "managed");
    let count: usize = managed.map(|one| one["instances"].as_array().map_or(0, Vec::len)).sum();
    let report = import_from_terraform(&Acme::at_endpoint(&standin.url), &folder.path().join("acme.yaml"), &state);
    let length = |key: &str| report[key].as_array().map_or(0, Vec::len);
    assert_eq!(length("adopted") + length("parts"), count);
}
