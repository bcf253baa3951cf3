//! `acme stacks`: those with resources and those with records, their last run, drift and lock.

use acme::simulator::{Behaviour, Simulator};
use serde_json::{Value, json};

use crate::acme::{Acme, binary, write_file};

fn stacks(acme: &Acme, cloud: &str, more: &[&str]) -> Value {
    let done = std::process::Command::new(binary())
        .args(["stacks", &format!("--local={cloud}"), "--region", "us-east-1", "-o", "json"])
        .args(more)
        .env("XDG_STATE_HOME", acme.state_dir())
        .env_remove("ACME_BACKEND")
        .output()
        .expect("acme runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

#[test]
fn lists_stacks_with_last_run_drift_and_lock() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud").display().to_string();
    let acme = Acme::local(&folder.path().join("cloud"));
    assert_eq!(stacks(&acme, &cloud, &[])["stacks"], json!([]));
    let text = |name: &str| format!("stack: {name}\nregion: us-east-1\nresources: {{ vpc: {{ main: {{ cidr: 10.0.0.0/16 }} }} }}\n");
    let shop = write_file(folder.path(), "shop.yaml", &format!("{}environments: {{ production: {{}} }}\n", text("shop")));
    let blog = write_file(folder.path(), "blog.yaml", &text("blog"));
    acme.apply(&shop);
    acme.apply(&blog);
    acme.destroy(&blog);
    let all = stacks(&acme, &cloud, &[]);
    let find = |all: &Value, name: &str| all["stacks"].as_array().unwrap().iter().find(|one| one["stack"] == name).cloned().unwrap();
    let found = find(&all, "shop");
    assert_eq!((&found["environment"], &found["resources"], &found["lock"]), (&json!("production"), &json!(1), &json!(null)), "{all:#}");
    assert_eq!((&found["last_run"]["command"], &found["last_run"]["outcome"]), (&json!("apply"), &json!("done")));
    assert!(found["last_run"]["actor"].as_str().unwrap().contains('@') && found["drift"] == json!(null));
    // One without resources has a history.
    assert_eq!((&find(&all, "blog")["resources"], &find(&all, "blog")["last_run"]["command"]), (&json!(0), &json!("destroy")));

    // A check without drift, then with drift: the list shows the last one, and `--drift` makes one.
    acme.run("drift", &shop, &[]).assert_success();
    assert_eq!(find(&stacks(&acme, &cloud, &[]), "shop")["drift"]["changes"], 0);
    let local = Simulator::open(folder.path().join("cloud"), "us-east-1", Behaviour::default()).unwrap();
    let mut vpc = local.resources("vpc", None).remove(0);
    vpc.spec["dns_hostnames"] = json!(false);
    local.seed(vpc).unwrap();
    assert_eq!(find(&stacks(&acme, &cloud, &[]), "shop")["drift"]["changes"], 0);
    assert_eq!(find(&stacks(&acme, &cloud, &["--drift"]), "shop")["drift"]["changes"], 1);
    assert_eq!(find(&stacks(&acme, &cloud, &[]), "shop")["drift"]["changes"], 1);
    // After a run, the check is out of date.
    acme.apply(&shop);
    assert_eq!(find(&stacks(&acme, &cloud, &[]), "shop")["drift"], json!(null));

    let text =
        std::process::Command::new(binary()).args(["stacks", &format!("--local={cloud}"), "--region", "us-east-1"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for word in ["STACK", "shop", "production", "apply done", "free", "blog", "destroy done"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// A role that may only read finds drift, but the list of stacks can't show it.
#[test]
fn says_that_the_result_of_a_drift_check_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: us-east-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";
    let definition = write_file(folder.path(), "shop.yaml", text);
    let backend = folder.path().join("backend").display().to_string();
    let options = ["--backend", backend.as_str()];
    acme.run("apply", &definition, &["--yes", "--backend", &backend]).assert_success();
    let checked = acme.run("drift", &definition, &options).assert_success();
    assert!(!checked.stderr.contains("not be recorded"), "{}", checked.stderr);
    let records: Vec<_> = files_named(folder.path(), "drift.json");
    assert_eq!(records.len(), 1, "{records:?}");
    // A folder can't be replaced by a file.
    std::fs::remove_file(&records[0]).unwrap();
    std::fs::create_dir_all(records[0].join("other")).unwrap();
    let checked = acme.run("drift", &definition, &options);
    assert!(checked.code == 0 && checked.stdout.contains("No drift."), "{}", checked.combined_output());
    let note = "Note: the result could not be recorded, so `acme stacks` does not show it: ";
    assert!(checked.stderr.contains(note), "{}", checked.stderr);
}

fn files_named(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files_named(&path, name),
            false if path.ends_with(name) => vec![path],
            false => Vec::new(),
        })
        .collect()
}
