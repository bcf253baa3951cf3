//! Objects of components and policies, and the files for Argo CD, against strict schemas of Kubernetes and of the projects.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    acme::{Acme, CommandOutput, repository_stack},
    render::{manifests, render, stack_with_argo_cd},
    standin::ensure_venv,
};

/// Strict schemas of the versions of Kubernetes.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// Problems of objects, and the numbers of those of custom kinds and of Kubernetes.
pub fn check(objects: &[Value]) -> (Vec<String>, u64, u64) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let python = ensure_venv("kubernetes-schemas", &[VALIDATOR]);
    let mut command = Command::new(python);
    command.arg(tests.join("it/schemas.py"));
    command.args(["argo-cd.jsonl", "components.json"].map(|file| tests.join("fixtures/crds").join(file)));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Python starts");
    let input = serde_json::to_vec(objects).expect("JSON");
    child.stdin.take().expect("its input").write_all(&input).expect("it reads");
    let done = CommandOutput::from_output(child.wait_with_output().expect("it ends")).assert_success();
    let mut lines: Vec<String> = done.stdout.lines().map(str::to_owned).collect();
    let checked: Value = serde_json::from_str(&lines.pop().expect("numbers")).expect("JSON");
    (lines, checked["custom"].as_u64().unwrap_or_default(), checked["kubernetes"].as_u64().unwrap_or_default())
}

/// Manifests of all live objects of a stack.
fn live_manifests(acme: &Acme, stack: &Path) -> Vec<Value> {
    let shown = acme.run("show", stack, &["--live", "-o", "json"]).assert_success();
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let resources = shown["resources"].as_array().expect("resources").iter();
    resources.map(|live| live["spec"]["manifest"].clone()).filter(Value::is_object).collect()
}

#[test]
#[ignore = "full run"]
fn objects_fit_the_schemas_of_their_kinds() {
    let mut all = Vec::new();
    for (environment, is_in_git) in [("tempo", false), ("jaeger", false), ("tempo", true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let mut stack = stack_with_argo_cd();
        if !is_in_git {
            let platform = stack.value_at("/platform").as_object_mut().expect("components");
            platform.remove("deliver");
            platform.remove("argocd");
        }
        let stack = stack.write();
        acme.apply(&stack);
        all.extend(live_manifests(&acme, &stack));
        if is_in_git {
            let root = folder.path().join("repository");
            render(&acme, &stack, &root, &[]).assert_success();
            all.extend(manifests(&root));
        }
    }
    for name in ["gitops.yaml", "microservices.yaml"] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
        let stack = repository_stack(name);
        acme.apply(&stack);
        all.extend(live_manifests(&acme, &stack));
    }
    let (problems, custom, kubernetes) = check(&all);
    println!("{kubernetes} objects of Kubernetes, {custom} of custom kinds");
    assert_eq!(problems, [""; 0]);
    assert!(custom > 50 && kubernetes > 80, "{custom} and {kubernetes} objects");
}
