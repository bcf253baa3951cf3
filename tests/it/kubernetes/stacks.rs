//! The stacks of the repository in a real cluster: their objects and releases, with the values that they have on the simulated cloud. The charts of
//! registries are stubs with the kinds of their components, and so are the controllers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Map, Value, json};

use super::{
    CLUSTER, Lab,
    server::{ADMIN_TOKEN, ApiServer},
};
use crate::{
    acme::{Acme, repository_stack, write_file},
    end_to_end::EditableStack,
    standin::python,
};

/// Types of the resources in a cluster.
const TYPES: [&str; 2] = ["kubernetes_object", "helm_release"];

/// The controllers of a cluster, which end when dropped.
struct Controllers(Child);

impl Controllers {
    fn start(server: &ApiServer) -> Controllers {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kubernetes/controllers.py");
        let url = format!("https://127.0.0.1:{}", server.port);
        Controllers(Command::new(python()).arg(script).args([&url, ADMIN_TOKEN]).stdin(Stdio::piped()).spawn().expect("Python starts"))
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A stack of the repository on the simulated cloud.
struct Source {
    acme: Acme,
    stack: EditableStack,
    _folder: tempfile::TempDir,
}

impl Source {
    fn new(name: &str, environment: &str) -> Source {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        Source { acme, stack: EditableStack::load(&repository_stack(name)), _folder: folder }
    }

    /// The definition of the cluster's part, with the values that it has once the stack is applied.
    fn cluster_part(&self) -> Value {
        let path = self.stack.write();
        self.acme.apply(&path);
        let shown = self.acme.run("show", &path, &["--live", "-o", "json"]).assert_success();
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let expanded = self.acme.run("show", &path, &["--expanded"]).assert_success();
        let expanded: Value = serde_yaml::from_str(&expanded.stdout).expect("a definition");
        let mut part: Value = serde_yaml::from_str(CLUSTER).expect("a definition");
        for live in shown["resources"].as_array().expect("resources") {
            let address = live["tags"]["acme:address"].as_str().unwrap_or_default();
            let Some((type_name, name)) = address.split_once('.').filter(|(type_name, _)| TYPES.contains(type_name)) else { continue };
            let mut spec: Map<String, Value> = live["spec"].as_object().expect("a spec").clone();
            spec.retain(|_, value| !value.is_null());
            spec.insert("cluster".to_owned(), "main".into());
            let dependencies = expanded["resources"][type_name][name]["depends_on"].as_array().into_iter().flatten();
            let in_cluster = |one: &&Value| TYPES.iter().any(|other| one.as_str().is_some_and(|text| text.starts_with(other)));
            spec.insert("depends_on".to_owned(), dependencies.filter(in_cluster).cloned().collect());
            part["resources"][type_name][name] = spec.into();
        }
        part
    }
}

impl Lab {
    /// With stubs of the charts that are in registries.
    fn with_stub_charts() -> Lab {
        let mut lab = Lab::start();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let folder = lab.folder.path().join("charts");
        fs::create_dir(&folder).expect("a folder");
        let schemas = ["argo-cd.jsonl", "components.json"].map(|file| tests.join("fixtures/crds").join(file).display().to_string());
        let helm = lab.environment[0].1.clone();
        lab.environment = vec![
            ("ACME_HELM", tests.join("it/kubernetes/charts.py").display().to_string()),
            ("CHARTS_HELM", helm),
            ("CHARTS_FOLDER", folder.display().to_string()),
            ("CHARTS_SCHEMAS", schemas.join(":")),
        ];
        lab
    }

    fn write(&self, definition: &Value) -> PathBuf {
        write_file(self.folder.path(), "shop.yaml", &serde_yaml::to_string(definition).expect("YAML"))
    }

    /// Objects and releases of a definition, from nothing to nothing, with changes in between.
    fn check_life(&self, source: &mut Source, edits: &[(&str, Value, &[&str])]) -> usize {
        let part = source.cluster_part();
        let count: usize = TYPES.iter().map(|name| part["resources"][name].as_object().map_or(0, Map::len)).sum();
        let path = self.write(&part);
        let planned = self.changes(&path);
        let created = planned.iter().filter(|change| TYPES.iter().any(|name| change.starts_with(&format!("create {name}.")))).count();
        assert_eq!(created, count, "{planned:#?}");
        self.apply(&path);
        self.assert_no_changes(&path);
        for (pointer, value, changes) in edits {
            source.stack.set(pointer, value.clone());
            let path = self.write(&source.cluster_part());
            assert_eq!(self.changes(&path), *changes, "{pointer}");
            self.apply(&path);
            self.assert_no_changes(&path);
        }
        self.run("destroy", &path, &["--yes"]).assert_success();
        let releases = self.server.kubectl(&["get", "secrets", "--all-namespaces", "-l", "owner=helm", "-o", "name"]);
        assert_eq!(releases, "", "releases remain");
        let kinds = "namespaces,networkpolicies,clusterrolebindings,storageclasses,configmaps";
        assert_eq!(self.server.objects_of_acme(kinds), [""; 0]);
        count
    }
}

/// Changes of a service and of the platform in the cluster, and what they change.
fn edits(name: &str) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let mut edits: Vec<(_, _, &[&str])> = match name {
        "alb-eks-rds" => vec![("/services/users/path", "/accounts".into(), &["update helm_release.users"])],
        "devops-platform" => vec![("/services/user/path", "/accounts".into(), &["update helm_release.user"])],
        "highly-available" => vec![(
            "/services/search/path",
            "/find".into(),
            &["update helm_release.search", "update kubernetes_object.edge-routes", "update kubernetes_object.edge-sign-in"],
        )],
        "microservices" => vec![
            ("/services/backend/replicas", 3.into(), &["update helm_release.backend"]),
            ("/policies/namespaces/shop/quota/pods", 200.into(), &["update kubernetes_object.policies-shop-resourcequota-policies"]),
        ],
        _ => vec![],
    };
    let values = json!({ "values": { "revisionHistoryLimit": 5 } });
    edits.push(("/platform/external-secrets", values, &["update helm_release.external-secrets"]));
    edits
}

fn check_stacks(environments: &[&str]) {
    let lab = Lab::with_stub_charts();
    let _controllers = Controllers::start(&lab.server);
    for name in ["alb-eks-rds", "devops-platform", "gitops", "highly-available", "microservices"] {
        for environment in environments {
            let count = lab.check_life(&mut Source::new(&format!("{name}.yaml"), environment), &edits(name));
            println!("{name} {environment}: {count} objects and releases");
        }
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn the_stacks_pass_their_life_in_a_real_cluster() {
    check_stacks(&["production"]);
}

/// The environments differ in sizes only, and each takes a minute for a stack.
#[test]
#[ignore = "exhaustive"]
fn exhaustive_stacks_in_both_environments() {
    check_stacks(&["staging", "production"]);
}
