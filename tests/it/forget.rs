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
        done.stderr.contains("Still in the definition: `vpc.other`.") && done.stdout.contains("leaves the stack"),
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
