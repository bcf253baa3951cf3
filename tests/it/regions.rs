//! Resources in several regions, and one definition applied in several regions.

use std::{collections::BTreeMap, path::Path};

use acme::simulator::{Behaviour, Simulator};
use serde_json::{Value, json};

use crate::{
    acme::{Acme, write_file},
    rehearse::check_rehearsal,
    standin::{Standin, StandinKind},
};

const STACK: &str = "
stack: shop
region: eu-west-1
resources:
  kms_key: { here: {}, there: { region: us-east-1 } }
  s3_bucket: { files: {}, copies: { region: us-east-1 } }
  ecr_repository:
    api: { name: shop/api }
    api-us: { name: shop/api, region: us-east-1 }
  iam_role:
    app: { trust: { services: [ec2.amazonaws.com] } }
outputs:
  here: '{{ ecr_repository.api.arn }}'
  there: '{{ ecr_repository.api-us.arn }}'
";

/// Region and id of each resource in a plan, or in live state.
fn regions(acme: &Acme, stack: &Path) -> BTreeMap<String, (String, String)> {
    let done = acme.run("show", stack, &["--live", "-o", "json"]).assert_success();
    let shown: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |live: &Value| (text(&live["tags"]["acme:address"]), (text(&live["region"]), text(&live["id"])));
    shown["resources"].as_array().expect("a list").iter().map(entry).collect()
}

/// A stack of two regions from nothing to nothing: edits in both, a resource that moves, and one that is removed from the definition.
fn check_life_in_two_regions(acme: &Acme, folder: &Path, all: &dyn Fn() -> Value) {
    let write = |text: &str| write_file(folder, "stack.yaml", text);
    let stack = write(STACK);
    let before = all();
    let plan = acme.plan(&stack);
    let planned = plan.0["changes"].as_array().expect("changes").iter();
    let planned: BTreeMap<&str, &Value> =
        planned.map(|change| (change["address"].as_str().unwrap_or_default(), &change["region"])).collect();
    assert_eq!((planned["kms_key.here"], planned["kms_key.there"]), (&Value::Null, &json!("us-east-1")));

    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    let live = regions(acme, &stack);
    for (address, region) in [("kms_key.here", ""), ("kms_key.there", "us-east-1"), ("s3_bucket.copies", "us-east-1"), ("iam_role.app", "")]
    {
        assert_eq!(live[address].0, region, "{address}");
    }
    assert_eq!(live["ecr_repository.api"].1, live["ecr_repository.api-us"].1, "both have the same name");
    let outputs = acme.run("outputs", &stack, &["-o", "json"]).assert_success().stdout;
    assert!(outputs.contains(":eu-west-1:") && outputs.contains(":us-east-1:"), "{outputs}");

    let edited = STACK.replace("here: {}, there: { region", "here: { description: a }, there: { description: b, region");
    assert_eq!(acme.plan(&write(&edited)).changes(), ["update kms_key.here", "update kms_key.there"]);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);

    // The new one is created beside the old one, which has the same name.
    let moved = edited.replace("{ name: shop/api, region: us-east-1 }", "{ name: shop/api, region: us-west-2 }");
    let plan = acme.plan(&write(&moved));
    assert_eq!(plan.changes(), ["replace ecr_repository.api-us"]);
    assert_eq!(plan.changed_fields("ecr_repository.api-us"), ["/region".to_owned()].into());
    assert_eq!(plan.0["changes"][0]["replacement_order"], "create_before_destroy", "{:#}", plan.0);
    let done = acme.run("plan", &stack, &[]).assert_success();
    assert!(done.stdout.contains("in us-west-2; replaced: region can't change in place"), "{}", done.stdout);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    assert_eq!(regions(acme, &stack)["ecr_repository.api-us"].0, "us-west-2");

    // Undoing the move creates it in the old region again.
    acme.run("rollback", &stack, &["--yes"]).assert_success();
    assert_eq!(regions(acme, &write(&edited))["ecr_repository.api-us"].0, "us-east-1");
    acme.assert_no_changes(&stack);

    // The record has the region of a resource that the definition no longer has.
    let removed = edited
        .replace("    api-us: { name: shop/api, region: us-east-1 }\n", "")
        .replace("  there: '{{ ecr_repository.api-us.arn }}'\n", "");
    let removed = removed.replace(", there: { description: b, region: us-east-1 }", "").replace(", copies: { region: us-east-1 }", "");
    let deleted = ["delete ecr_repository.api-us", "delete kms_key.there", "delete s3_bucket.copies"];
    assert_eq!(acme.plan(&write(&removed)).changes(), deleted);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);

    acme.apply(&write(&edited));
    acme.destroy(&write(&removed));
    assert_eq!(all(), before, "resources remain");
    assert!(acme.plan(&write(STACK)).changes().iter().all(|change| change.starts_with("create ")));
}

#[test]
fn a_stack_of_two_regions_lives_in_the_simulated_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let all = || json!(Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a cloud").dump());
    check_life_in_two_regions(&Acme::local(&cloud), folder.path(), &all);
}

#[test]
fn a_stack_of_two_regions_lives_on_moto() {
    let folder = tempfile::tempdir().unwrap();
    let standin = Standin::start(StandinKind::Moto);
    let acme = Acme::without_region(&standin.url);
    check_life_in_two_regions(&acme, folder.path(), &|| pending_deletions_apart(standin.all_resources()));
}

/// Everything but keys, which AWS deletes after a week at the earliest.
fn pending_deletions_apart(mut all: Value) -> Value {
    if let Some(all) = all.as_object_mut() {
        all.retain(|name, _| !name.contains("kms") && !name.contains("key"));
    }
    all
}

#[test]
fn rehearses_every_failure_in_two_regions() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    check_rehearsal(&acme, &stack, "two regions from nothing", &[]);
    acme.apply(&stack);
    let moved = STACK.replace("api-us: { name: shop/api, region: us-east-1 }", "api-us: { name: shop/api, region: us-west-2 }");
    let moved = moved.replace("there: { region: us-east-1 }", "there: { region: us-east-1, description: For copies }");
    let stack = write_file(folder.path(), "stack.yaml", &moved);
    check_rehearsal(&acme, &stack, "a move between regions", &[]);
    check_rehearsal(&acme, &stack, "destroy two regions", &["--destroy"]);
}

#[test]
fn a_crash_between_two_regions_is_continued_or_undone() {
    for (fault, command) in [("crash-after:2", "apply"), ("crash-after:2", "rollback"), ("crash-before:3", "rollback")] {
        let folder = tempfile::tempdir().unwrap();
        let cloud = folder.path().join("cloud");
        let dump = || Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a cloud").dump();
        let acme = Acme::local(&cloud);
        acme.apply(&write_file(folder.path(), "stack.yaml", STACK));
        let before = dump();
        let moved =
            STACK.replace("shop/api, region: us-east-1", "shop/api, region: us-west-2").replace("here: {}", "here: { description: a }");
        let stack = write_file(folder.path(), "stack.yaml", &moved);
        let done = acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], "apply", &stack, &["--yes"]);
        assert_eq!(done.code, -1, "it did not crash:\n{}", done.combined_output());
        acme.run(command, &stack, &["--yes"]).assert_success();
        if command == "rollback" {
            assert_eq!(dump(), before, "{fault}");
        } else {
            acme.assert_no_changes(&stack);
        }
    }
}

const EVERYWHERE: &str = "
stack: shop
region: REGION
resources:
  ecr_repository: { api: {} }
  iam_role:
    app:
      name: NAME
      trust: { services: [ec2.amazonaws.com] }
";

#[test]
fn policies_exports_and_imports_know_the_region_of_a_resource() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let policy = acme.with_only_args(&[]).run("policy", &stack, &[]).assert_success().stdout;
    for arn in ["arn:aws:ecr:eu-west-1:*:repository/shop/api", "arn:aws:ecr:us-east-1:*:repository/shop/api"] {
        assert!(policy.contains(arn), "{arn}: {policy}");
    }
    assert!(!policy.contains("arn:aws:sqs:us-east-1"), "{policy}");
    let exported: Value = serde_json::from_str(&acme.run("plan", &stack, &["-o", "terraform"]).assert_success().stdout).expect("JSON");
    let planned = exported["planned_values"]["root_module"]["resources"].as_array().expect("resources");
    let region = |address: &str| planned.iter().find(|one| one["address"] == address).map(|one| one["values"]["region"].clone());
    assert_eq!(region("aws_kms_key.there"), Some(json!("us-east-1")));
    assert_eq!(region("aws_kms_key.here"), Some(Value::Null));

    acme.apply(&stack);
    let simulator = Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a cloud");
    let repository = acme::aws::types::resource_type("ecr_repository").expect("a type");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(simulator.retag(repository, (Some("us-east-1"), "shop/api"), &acme::core::Tags::new())).unwrap();
    let plan = acme.run("plan", &stack, &[]).combined_output();
    assert!(plan.contains("Blocked[untagged]: `shop/api` has lost the ownership tags of `ecr_repository.api-us`"), "{plan}");
    let imported = acme.run("import", &stack, &["ecr_repository.api-us", "shop/api", "--yes"]);
    assert_eq!(imported.code, 0, "{}", imported.combined_output());
    acme.assert_no_changes(&stack);
}

/// One definition in two regions: each owns its own global resources.
fn check_one_definition_in_two_regions(acme: &Acme, folder: &Path) {
    let write = |region: &str, name: &str| {
        write_file(folder, &format!("{region}.yaml"), &EVERYWHERE.replace("REGION", region).replace("NAME", name))
    };
    let (ireland, virginia) = (write("eu-west-1", "app"), write("us-east-1", "app"));
    acme.apply(&ireland);
    // The account has one role of a name.
    let plan = acme.run("plan", &virginia, &[]);
    let message = "Blocked[foreign]: `app` belongs to the stack shop (default) in region eu-west-1";
    assert!(plan.code != 0 && plan.combined_output().contains(message), "{}", plan.combined_output());

    let virginia = write("us-east-1", "app-us");
    assert_eq!(acme.plan(&virginia).changes(), ["create ecr_repository.api", "create iam_role.app"]);
    acme.apply(&virginia);
    acme.assert_no_changes(&virginia);
    acme.assert_no_changes(&ireland);

    acme.destroy(&virginia);
    acme.assert_no_changes(&ireland);
    acme.destroy(&ireland);
    assert_eq!(acme.plan(&ireland).changes(), ["create ecr_repository.api", "create iam_role.app"]);
}

#[test]
fn one_definition_in_two_regions_of_the_simulated_cloud_owns_its_own_roles() {
    let folder = tempfile::tempdir().unwrap();
    check_one_definition_in_two_regions(&Acme::local(&folder.path().join("cloud")), folder.path());
}

#[test]
fn one_definition_in_two_regions_of_moto_owns_its_own_roles() {
    let folder = tempfile::tempdir().unwrap();
    let standin = Standin::start(StandinKind::Moto);
    check_one_definition_in_two_regions(&Acme::without_region(&standin.url), folder.path());
}

/// Versions of acme before the tag `acme:region` created roles without it.
#[test]
fn a_role_without_the_tag_for_the_region_belongs_to_the_region_of_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let write =
        |region: &str| write_file(folder.path(), &format!("{region}.yaml"), &EVERYWHERE.replace("REGION", region).replace("NAME", "app"));
    let (ireland, virginia) = (write("eu-west-1"), write("us-east-1"));
    acme.apply(&ireland);
    let simulator = Simulator::open(&cloud, "eu-west-1", Behaviour::default()).expect("a cloud");
    let role = acme::aws::types::resource_type("iam_role").expect("a type");
    let dump = simulator.dump();
    let mut tags: acme::core::Tags = serde_json::from_value(dump["iam_role/app"]["tags"].clone()).expect("tags");
    assert_eq!(tags.remove("acme:region").as_deref(), Some("eu-west-1"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(simulator.retag(role, (None, "app"), &tags)).unwrap();

    let plan = acme.run("plan", &virginia, &[]);
    assert!(plan.combined_output().contains("`app` belongs to the stack shop (default) in another region"), "{}", plan.combined_output());
    assert_eq!(acme.plan(&ireland).changes(), ["update iam_role.app"]);
    acme.apply(&ireland);
    acme.assert_no_changes(&ireland);
    assert_eq!(simulator.dump()["iam_role/app"]["tags"]["acme:region"], "eu-west-1");
}

/// Everything for a distribution of CloudFront, beside a stack in Europe.
#[test]
fn a_certificate_is_in_another_region_than_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
stack: shop
region: eu-west-1
resources:
  dns_zone: { main: { domain: shop.example.com } }
  certificate: { cdn: { domain: cdn.shop.example.com, zone: main, region: us-east-1 }, api: { domain: api.shop.example.com, zone: main } }
";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let standin = Standin::start(StandinKind::Ministack);
    for acme in [Acme::local(&folder.path().join("cloud")), Acme::without_region(&standin.url)] {
        acme.apply(&stack);
        acme.assert_no_changes(&stack);
        let live = regions(&acme, &stack);
        let places = ["certificate.cdn", "certificate.api", "dns_zone.main"].map(|address| live[address].0.clone());
        assert_eq!(places, ["us-east-1", "", ""]);
        assert!(live["certificate.cdn"].1.contains(":us-east-1:") && live["certificate.api"].1.contains(":eu-west-1:"), "{live:?}");
        acme.destroy(&stack);
        assert_eq!(regions(&acme, &stack).len(), 0);
    }
}

/// Firewalls for CloudFront are in us-east-1, whatever the stack's region is.
#[test]
fn a_firewall_for_cloudfront_is_in_the_global_region() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
stack: shop
region: eu-west-1
resources:
  waf_ip_set: { office: { scope: cloudfront, addresses: [192.0.2.0/24] } }
  waf_web_acl: { cdn: { scope: cloudfront, allow: [office] }, web: {} }
";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let standin = Standin::start(StandinKind::Moto);
    for acme in [Acme::local(&folder.path().join("cloud")), Acme::without_region(&standin.url)] {
        acme.apply(&stack);
        acme.assert_no_changes(&stack);
        let live = regions(&acme, &stack);
        let places = ["waf_ip_set.office", "waf_web_acl.cdn", "waf_web_acl.web"].map(|address| live[address].clone());
        assert_eq!(places.each_ref().map(|(region, _)| region.as_str()), ["us-east-1", "us-east-1", ""]);
        assert!(places[1].1.starts_with("arn:aws:wafv2:us-east-1:123456789012:global/webacl/"), "{places:?}");
        acme.destroy(&stack);
    }
}

const GLOBAL_DATABASE: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { near: { cidr: 10.0.0.0/16 }, far: { cidr: 10.1.0.0/16, region: us-east-1 } }
  subnet:
    near-a: { vpc: near, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    near-b: { vpc: near, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
    far-a: { vpc: far, cidr: 10.1.0.0/24, availability_zone: us-east-1a, region: us-east-1 }
    far-b: { vpc: far, cidr: 10.1.1.0/24, availability_zone: us-east-1b, region: us-east-1 }
  rds_subnet_group: { near: { subnets: [near-a, near-b] }, far: { subnets: [far-a, far-b], region: us-east-1 } }
  security_group: { near: { vpc: near }, far: { vpc: far, region: us-east-1 } }
  secret: { orders: { generate: { length: 20, exclude_punctuation: true }, on_delete: delete } }
  kms_key: { far: { region: us-east-1 } }
  aurora_global: { world: { engine: aurora-postgresql, version: '16', deletion_protection: false } }
  aurora_cluster:
    near:
      engine: aurora-postgresql
      version: '16'
      global: world
      password_secret: orders
      subnet_group: near
      security_groups: [near]
      deletion_protection: false
      on_delete: delete
    far:
      engine: aurora-postgresql
      version: '16'
      global: world
      region: us-east-1
      kms_key: far
      subnet_group: far
      security_groups: [far]
      deletion_protection: false
      on_delete: delete
";

/// The first cluster becomes the writer; the other one copies it into its region, and leaves for good.
#[test]
fn a_global_database_has_clusters_in_two_regions() {
    let folder = tempfile::tempdir().unwrap();
    let standin = Standin::start(StandinKind::Ministack);
    for acme in [Acme::local(&folder.path().join("cloud")), Acme::without_region(&standin.url)] {
        let write = |text: &str| write_file(folder.path(), "stack.yaml", text);
        let stack = write(GLOBAL_DATABASE);
        acme.apply(&stack);
        acme.assert_no_changes(&stack);
        assert_eq!(regions(&acme, &stack)["aurora_cluster.far"].0, "us-east-1");
        let left = GLOBAL_DATABASE.replace("global: world\n      region", "region");
        let plan = acme.plan(&write(&left));
        assert_eq!(plan.changes(), ["update aurora_cluster.far"]);
        assert_eq!(plan.0["changes"][0]["irreversible"], "an existing cluster never joins a global database", "{:#}", plan.0);
        acme.apply(&stack);
        acme.assert_no_changes(&stack);
        // It would have to be created again.
        assert_eq!(acme.plan(&write(GLOBAL_DATABASE)).changes(), ["replace aurora_cluster.far"]);
        acme.destroy(&write(GLOBAL_DATABASE));
    }
}
