//! A stack as a graph, in every format, and as a tree.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    acme::{Acme, repository_stack, write_file},
    simulated_cloud::redacted_output,
};

#[test]
fn draws_the_quickstart() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let quickstart = repository_stack("quickstart.yaml");
    for format in ["mermaid", "dot"] {
        insta::assert_snapshot!(
            format!("quickstart_{format}"),
            acme.run("graph", &quickstart, &["--format", format]).assert_success().stdout
        );
    }
    insta::assert_snapshot!("quickstart_sections", acme.run("graph", &quickstart, &["--sections"]).assert_success().stdout);
    // A graph of the definition needs no cloud.
    assert!(!folder.path().join("cloud").exists());
}

#[test]
fn draws_planned_changes_and_live_resources() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: small
region: eu-west-1
resources:
  elastic_ip: { office: {} }
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group: { web: { vpc: main }, old: { vpc: main } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } }
";
    acme.apply(&write_file(folder.path(), "stack.yaml", text));
    let text = text.replace("  elastic_ip: { office: {} }\n", "");
    let text = text.replace("resources:", "moved: { security_group.old: security_group.new }\nresources:");
    let text = text.replace(", old: { vpc: main }", ", new: { vpc: main }").replace("10.0.0.0/24", "10.0.1.0/24");
    let changed = write_file(folder.path(), "stack.yaml", &text);
    let graph: Value = serde_json::from_str(&acme.run("graph", &changed, &["--plan", "--format", "json"]).assert_success().stdout).unwrap();
    assert_eq!(graph["format"], "acme-graph/2");
    let nodes = graph["nodes"].as_array().unwrap();
    let shown: Vec<String> =
        nodes.iter().map(|node| format!("{} {}", node["address"].as_str().unwrap(), node["action"].as_str().unwrap())).collect();
    assert_eq!(
        shown,
        ["elastic_ip.office delete", "security_group.new update", "security_group.web none", "subnet.a replace", "vpc.main none"]
    );
    assert!(nodes.iter().all(|node| node["live"].is_object() == (node["action"] != "create")), "{graph:#}");
    let edges: Vec<(u64, u64)> =
        graph["edges"].as_array().unwrap().iter().map(|e| (e["dependency"].as_u64().unwrap(), e["dependent"].as_u64().unwrap())).collect();
    assert_eq!(edges, [(4, 1), (4, 2), (4, 3)]);
    let shown = acme.run("graph", &changed, &["--plan", "--format", "mermaid"]).assert_success();
    insta::assert_snapshot!("plan_mermaid", redacted_output(&shown, folder.path()));
}

/// The page is self-contained, and its script parses.
#[test]
fn html_page_is_self_contained() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let text = fs::read_to_string(repository_stack("reference.yaml")).unwrap().replace("Signs the sessions of the shop", "</script><b>&");
    let page = acme.run("graph", &write_file(folder.path(), "stack.yaml", &text), &["--format", "html"]).assert_success().stdout;
    for foreign in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("</script>").count(), 2, "user input can't end the script");
    let between = |from: &str| page.split(from).nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(between("id=\"data\">")).unwrap();
    assert_eq!(data["nodes"].as_array().unwrap().len(), 45);
    assert!(data["nodes"].as_array().unwrap().iter().any(|node| node["critical"] == true));
    let script = write_file(folder.path(), "page.mjs", between("<script type=\"module\">"));
    if let Ok(checked) = Command::new("node").arg("--check").arg(script).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn shows_live_resources_as_a_tree() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "staging"]);
    let text = fs::read_to_string(repository_stack("reference.yaml")).unwrap();
    let reference = write_file(folder.path(), "stack.yaml", &text);
    acme.apply(&reference);
    let shown = acme.run("show", &reference, &["--live"]).assert_success();
    let wide: Vec<&str> = shown.stdout.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let (resources, health) = shown.stdout.trim_end().rsplit_once('\n').expect("several lines");
    assert_eq!(resources.lines().count(), 41, "every resource once");
    assert_eq!(health, "Health: 41 ready.");
    // Ids differ from run to run; of long ones, so does what is cut.
    let tree: Vec<&str> = resources.lines().map(|line| line.rsplit_once("  ").map_or(line, |(address, _)| address)).collect();
    insta::assert_snapshot!("live_tree", tree.join("\n"));
    let nothing = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks/quickstart.yaml");
    assert_eq!(acme.run("show", &nothing, &["--live"]).assert_success().stdout, "");
}
