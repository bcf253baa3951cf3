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

fn write_stack(folder: &std::path::Path, file: &str, text: &str) -> std::path::PathBuf {
    write_file(
        folder,
        file,
        &format!(
            "{text}resources: {{ sqs_queue: {{ orders: {{}} }}, iam_role: {{ app: {{ trust: {{ services: [ec2.amazonaws.com] }} }} }} }}\n"
        ),
    )
}

/// An import that tags nothing leaves no line, and one that does says so.
#[test]
fn shows_imports_only_if_they_tagged_resources() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    let spec = json!({ "cidr": "10.0.0.0/16", "secondary_cidrs": [], "dns_support": true, "dns_hostnames": false, "dedicated": false });
    let local = Simulator::open(&cloud, "us-east-1", Behaviour::default()).unwrap();
    local.seed(acme::core::LiveResource { outputs: json!({}).into(), ..acme::core::LiveResource::ready("vpc", "vpc-0a", spec) }).unwrap();
    let stack = write_file(folder.path(), "shop.yaml", "stack: shop\nregion: us-east-1\n");
    let cloud = cloud.display().to_string();
    for more in [&["--vpc", "vpc-0b", "--yes"][..], &["--tag", "team=nobody", "--yes"], &["vpc.main", "vpc-0a"]] {
        assert_eq!(acme.run("import", &stack, more).code, 1);
        assert_eq!(stacks(&acme, &cloud, &[])["stacks"], json!([]));
    }
    acme.run("import", &stack, &["--vpc", "vpc-0a", "--yes"]).assert_success();
    let all = stacks(&acme, &cloud, &[]);
    let found = &all["stacks"][0];
    assert_eq!((&found["resources"], &found["last_run"], &found["imported"]["resources"]), (&json!(1), &json!(null), &json!(1)), "{all:#}");
    let shown = list(&acme, folder.path(), &[&format!("--local={cloud}"), "--region", "us-east-1"]);
    assert!(shown.contains(" imported, ") && !shown.contains("no record"), "{shown}");
    // A run is newer.
    acme.destroy(&stack);
    assert_eq!(stacks(&acme, &cloud, &[])["stacks"][0]["imported"], json!(null));
}

/// `acme stacks` as text, in a folder.
fn list(acme: &Acme, folder: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(binary());
    command.arg("stacks").args(arguments).current_dir(folder).env("XDG_STATE_HOME", acme.state_dir());
    let done = command.env_remove("ACME_BACKEND").env_remove("ACME_ENV").output().expect("acme runs");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{text}");
    text
}

#[test]
fn lists_stacks_in_the_region_of_the_definition_and_names_those_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = format!("--local={}", folder.path().join("cloud").display());
    let acme = Acme::local(&folder.path().join("cloud"));
    let west = write_stack(folder.path(), "west.yaml", "stack: shop\nregion: eu-west-1\n");
    acme.apply(&west);
    let home = list(&acme, folder.path(), &[&cloud, "--file", "west.yaml"]);
    assert!(home.contains("Stacks in account 123456789012, eu-west-1") && home.contains("apply done"), "{home}");
    assert_eq!(home, list(&acme, folder.path(), &["west.yaml", &cloud]));
    assert!(!home.contains("other regions"), "{home}");
    let east = list(&acme, folder.path(), &[&cloud]);
    assert!(east.contains("No stacks in account 123456789012, us-east-1."), "{east}");
    assert!(east.contains("Global resources of stacks in other regions: shop (default) in eu-west-1, 1 resource."), "{east}");
    let all = stacks(&acme, &folder.path().join("cloud").display().to_string(), &[]);
    assert_eq!(all["elsewhere"], json!([{ "stack": "shop", "environment": "default", "region": "eu-west-1", "resources": 1 }]));
    // The default file has a region, too, in every environment; one that is invalid is not used.
    std::fs::rename(west, folder.path().join("acme.yaml")).unwrap();
    assert_eq!(list(&acme, folder.path(), &[&cloud]), home);
    write_stack(
        folder.path(),
        "acme.yaml",
        "stack: shop\nregion: '{{ place }}'\nenvironments: { a: { place: eu-west-1 }, b: { place: eu-west-1 } }\n",
    );
    assert_eq!(list(&acme, folder.path(), &[&cloud]), home);
    write_stack(folder.path(), "acme.yaml", "stack: shop\nregion: eu-west-1\nunknown: 1\n");
    let unused = list(&acme, folder.path(), &[&cloud]);
    assert!(
        unused.contains("warning: region, role and backend are not those of the definition") && unused.contains("us-east-1"),
        "{unused}"
    );
}

#[test]
fn lists_stacks_of_a_simulated_cloud_by_account() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = folder.path().join("cloud");
    let acme = Acme::local(&cloud);
    acme.apply(&write_stack(folder.path(), "a.yaml", "stack: shop\nregion: us-east-1\n"));
    acme.apply(&write_stack(folder.path(), "b.yaml", "stack: blog\nregion: us-east-1\naccount: '210987654321'\n"));
    let shown = list(&acme, folder.path(), &[&format!("--local={}", cloud.display())]);
    let after = |title: &str| shown.split_once(title).unwrap_or_else(|| panic!("{title}: {shown}")).1.to_owned();
    let first = after("Stacks in account 123456789012, us-east-1");
    assert!(first.contains("shop"), "{shown}");
    let second = after("Stacks in account 210987654321, us-east-1");
    assert!(second.contains("blog") && !second.contains("shop"), "{shown}");
    let all = stacks(&acme, &cloud.display().to_string(), &["--drift"]);
    let of = |number: usize| (all["stacks"][number]["account"].clone(), all["stacks"][number]["drift"]["changes"].clone());
    assert_eq!((of(0), of(1)), ((json!("210987654321"), json!(0)), (json!("123456789012"), json!(0))), "{all:#}");
}
