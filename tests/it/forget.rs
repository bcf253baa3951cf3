//! Letting go of resources: they lose their ownership tags and stay as they are.

use std::path::Path;

use acme::simulator::{Behaviour, Simulator};
use serde_json::Value;

use crate::acme::{Acme, write_file};

const TEXT: &str = "
stack: shop
region: us-east-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 }, other: { cidr: 10.1.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1a } }
";

/// Resources with an ownership tag, by address, and the number of all of this type.
fn owned(cloud: &Path, kind: &str) -> (Vec<String>, usize) {
    let local = Simulator::open(cloud, "us-east-1", Behaviour::default()).expect("a simulated cloud");
    let all = local.resources(kind, None);
    let mut owned: Vec<String> = all.iter().filter_map(|live| live.tags.get("acme:address").cloned()).collect();
    owned.sort();
    (owned, all.len())
}

#[test]
fn forgets_resources_that_stay_in_aws() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    acme.apply(&stack);
    let refused = acme.run("forget", &stack, &["vpc.other"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[no-terminal]"), "{}", refused.combined_output());
    assert_eq!(owned(&cloud, "vpc"), (vec!["vpc.main".to_owned(), "vpc.other".to_owned()], 2));

    let done = acme.run("forget", &stack, &["vpc.other", "--yes"]).assert_success();
    assert!(
        done.stdout
            .contains("The definition still declares `vpc.other`. Until you remove it there, the next plan has 1 to create: `vpc.other`.")
            && done.stdout.contains("leaves the stack"),
        "{}",
        done.combined_output()
    );
    assert_eq!(owned(&cloud, "vpc"), (vec!["vpc.main".to_owned()], 2), "it is still there");
    let history: Value = serde_json::from_str(&acme.run("history", &stack, &["-o", "json"]).assert_success().stdout).unwrap();
    assert_eq!(history["revisions"][0]["command"], "forget", "{history:#}");

    // Without it in the definition, the stack is complete, and no plan mentions it.
    let without = write_file(folder.path(), "stack.yaml", &TEXT.replace(", other: { cidr: 10.1.0.0/16 }", ""));
    let plan = acme.plan(&without);
    assert!(plan.changes().is_empty() && plan.0["warnings"].as_array().is_none_or(Vec::is_empty), "{:#}", plan.0);
    // With it, the next plan creates another one.
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    assert_eq!(acme.plan(&stack).changes(), ["create vpc.other"]);
    // A rollback undoes it.
    acme.run("rollback", &stack, &["--yes"]).assert_success();
    assert_eq!(owned(&cloud, "vpc"), (vec!["vpc.main".to_owned(), "vpc.other".to_owned()], 2));
    acme.assert_no_changes(&stack);
}

#[test]
fn refuses_to_forget_what_it_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    acme.apply(&stack);
    for (address, code) in [("vpc.third", "not-found"), ("nonsense", "address")] {
        let refused = acme.run("forget", &stack, &[address, "--yes"]);
        assert!(refused.code == 1 && refused.stderr.contains(&format!("error[{code}]")), "{}", refused.combined_output());
    }
    // An unfinished run first.
    let more = write_file(folder.path(), "stack.yaml", &format!("{TEXT}  sqs_queue: {{ orders: {{}} }}\n"));
    let failed = acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:1")], "apply", &more, &["--yes", "--no-rollback"]);
    assert_eq!(failed.code, 3, "{}", failed.combined_output());
    let refused = acme.run("forget", &more, &["vpc.other", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[unfinished-run]"), "{}", refused.combined_output());
    assert_eq!(owned(&cloud, "vpc").0.len(), 2);
}

fn load_balancer(folder: &Path) -> std::path::PathBuf {
    let text = "
stack: shop
region: us-east-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
resources:
  waf_web_acl: { web: { rate_limit: { requests: 2000 } } }
  waf_association: { web: { web_acl: web, resource: '{{ load_balancer.web.arn }}' } }
  security_group: { web: { vpc: main } }
  load_balancer: { web: { subnets: [public-a, public-b], security_groups: [web], deletion_protection: false } }
  listener: { web: { load_balancer: web, port: 80, protocol: HTTP, default_action: { fixed_response: { status_code: 404 } } } }
";
    write_file(folder, "stack.yaml", text)
}

/// A part without tags of its own leaves with what contains it.
#[test]
fn forgets_a_load_balancer_with_its_firewall() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let stack = load_balancer(folder.path());
    acme.apply(&stack);
    let refused = acme.run("forget", &stack, &["load_balancer.web", "--yes", "-o", "json"]);
    let document: Value = serde_json::from_str(refused.stdout.lines().last().unwrap_or_default()).unwrap();
    assert_eq!(document["error"]["help"], "forget both, or neither", "{}", refused.combined_output());
    let refused = acme.run("forget", &stack, &["waf_association.web", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("help: forget `load_balancer.web`"), "{}", refused.combined_output());

    let done = acme.run("forget", &stack, &["load_balancer.web", "listener.web", "--yes"]).assert_success();
    let shown = done.combined_output();
    assert!(shown.contains("waf_association.web") && shown.contains("3 to forget"), "{shown}");
    assert!(owned(&cloud, "load_balancer").0.is_empty() && owned(&cloud, "listener").0.is_empty());
    assert_eq!(owned(&cloud, "waf_association").1, 1, "it is still there");
    // A rollback makes it part of the stack again.
    acme.run("rollback", &stack, &["--yes"]).assert_success();
    assert_eq!(owned(&cloud, "load_balancer").0, ["load_balancer.web"]);
    assert_eq!(owned(&cloud, "listener").0, ["listener.web"]);
}

#[test]
fn parts_can_be_named_with_what_contains_them() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = load_balancer(folder.path());
    acme.apply(&stack);
    let all = ["load_balancer.web", "listener.web", "waf_association.web", "--yes"];
    let shown = acme.run("forget", &stack, &all).assert_success().combined_output();
    assert!(shown.contains("3 to forget"), "{shown}");
}

#[test]
fn a_definition_forgets_a_load_balancer_with_its_firewall() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = load_balancer(folder.path());
    acme.apply(&stack);
    let text = std::fs::read_to_string(&stack).unwrap();
    let is_kept = |line: &&str| !["  waf_association", "  load_balancer", "  listener"].iter().any(|begin| line.starts_with(begin));
    let kept: Vec<&str> = text.lines().filter(is_kept).collect();
    let stack = write_file(folder.path(), "stack.yaml", &format!("{}\nforget: [load_balancer.web, listener.web]\n", kept.join("\n")));
    assert_eq!(acme.plan(&stack).changes(), ["forget listener.web", "forget load_balancer.web", "forget waf_association.web"]);
    acme.apply(&stack);
    let plan = acme.plan(&stack);
    assert!(plan.changes().is_empty(), "{:#}", plan.0);
    assert!(plan.0["notes"][0].as_str().is_some_and(|note| note.contains("the line can be removed")), "{:#}", plan.0);
}

/// A bucket that leaves is not the one that comes, even if both have the same settings.
#[test]
fn what_is_forgotten_does_not_become_another_resource() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let define = |text: &str| write_file(folder.path(), "stack.yaml", &format!("stack: shop\nregion: us-east-1\n{text}"));
    let stack = define("storage: { archive: {} }\nresources: { vpc: { a: { cidr: 10.0.0.0/16 } } }\ntopics: { t: {} }\n");
    acme.apply(&stack);
    let rest = "storage: { website: {} }\nresources: { vpc: { b: { cidr: 10.0.0.0/16 } } }\ntopics: { t2: { name: shop-t } }\n";
    let stack = define(&format!("forget: [s3_bucket.archive, vpc.a]\n{rest}"));
    let plan = acme.plan(&stack);
    let expected = ["create s3_bucket.website", "create vpc.b", "forget s3_bucket.archive", "forget vpc.a", "update sns_topic.t2"];
    assert_eq!(plan.changes(), expected, "{:#}", plan.0);
    // The command forgets what would move in a plan.
    let stack = define(rest);
    assert_eq!(acme.run("forget", &stack, &["sns_topic.t", "--yes"]).assert_success().code, 0);
    assert!(owned(&cloud, "sns_topic").0.is_empty());
    let stack = define(&format!("moved: {{ vpc.a: vpc.b }}\n{rest}"));
    acme.run("forget", &stack, &["vpc.a", "--yes"]).assert_success();
    assert!(owned(&cloud, "vpc").0.is_empty());
}

/// A typo under `forget` would delete what is meant to stay.
#[test]
fn a_typo_under_forget_blocks_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let define = |text: &str| write_file(folder.path(), "stack.yaml", &format!("stack: shop\nregion: us-east-1\n{text}"));
    acme.apply(&define("storage: { archive: {}, other: {} }\n"));
    let stack = define("forget: [s3_bucket.archve]\nstorage: { other: {} }\n");
    for command in ["plan", "destroy"] {
        let done = acme.run(command, &stack, if command == "plan" { &[] } else { &["--yes"] });
        let shown = done.combined_output();
        assert!(done.code == 1 && shown.contains("Blocked[unmatched]") && shown.contains("did you mean `s3_bucket.archive`?"), "{shown}");
        assert!(shown.contains("stack.yaml:3"), "{shown}");
    }
    // Once it has left, the line does no harm.
    let stack = define("forget: [s3_bucket.archive]\nstorage: { other: {} }\n");
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
}

#[test]
fn says_what_stays_and_uses_a_forgotten_resource() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", TEXT);
    acme.apply(&stack);
    let done = acme.run("forget", &stack, &["vpc.main", "--yes"]).assert_success();
    let shown = done.combined_output();
    assert!(shown.contains("`subnet.a` stays in the stack and uses `vpc.main`."), "{shown}");
    let next = "Until you remove it there, the next plan has 1 to create, 1 to replace: `subnet.a` and `vpc.main`.";
    assert!(shown.contains(next), "{shown}");
    assert_eq!(acme.plan(&stack).changes(), ["create vpc.main", "replace subnet.a"]);
    // A name is taken: the next plan is blocked.
    let named = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: us-east-1\nqueues: { jobs: {} }\n");
    acme.run("apply", &named, &["--yes"]).assert_success();
    let shown = acme.run("forget", &named, &["sqs_queue.jobs", "--yes"]).assert_success().combined_output();
    assert!(shown.contains("the next plan is blocked: `") && shown.contains("is not part of this stack."), "{shown}");
    let plan = acme.run("plan", &named, &[]);
    assert!(plan.code == 1 && plan.stdout.contains("Blocked[foreign]"), "{}", plan.combined_output());
}
