//! `acme render`: the files for Argo CD, on the simulated cloud.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput},
    end_to_end::EditableStack,
};

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/platform.yaml");

/// Every component, delivered by Argo CD.
pub fn stack_with_argo_cd() -> EditableStack {
    let mut stack = EditableStack::load(COMPONENTS.as_ref());
    let platform = stack.value_at("/platform");
    platform["deliver"] = "argocd".into();
    platform["argocd"] = json!({ "repository": "https://git.example.com/platform.git" });
    stack.definition["policies"] = json!({
        "namespaces": { "shop": { "quota": { "pods": 20 }, "access": { "system:developers": "edit" } }, "monitoring": { "quota": { "pods": 90 } } },
    });
    stack
}

/// Renders a stack that is applied.
pub fn render(acme: &Acme, stack: &Path, folder: &Path, more: &[&str]) -> CommandOutput {
    let folder = folder.to_str().expect("a path");
    acme.run("render", stack, &[&["--to", folder], more].concat())
}

/// Texts of all files below a folder.
pub fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => {
                    let name = entry.strip_prefix(root).expect("below the root").display().to_string();
                    found.insert(name, fs::read_to_string(&entry).expect("a text"));
                }
            }
        }
    }
    found
}

/// Every object in a repository.
pub fn manifests(root: &Path) -> Vec<Value> {
    let is_object = |(path, _): &(&String, &String)| !path.ends_with("/values.yaml");
    files(root).iter().filter(is_object).map(|(_, text)| serde_yaml::from_str(text).expect("YAML")).collect()
}

fn yaml(files: &BTreeMap<String, String>, path: &str) -> Value {
    let text = files.get(path).unwrap_or_else(|| panic!("{path} is not rendered: {:#?}", files.keys()));
    serde_yaml::from_str(text).expect("YAML")
}

/// A stack with its resources and its repository.
struct Repository {
    acme: Acme,
    stack: EditableStack,
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Repository {
    fn applied() -> Repository {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "tempo"]);
        let stack = stack_with_argo_cd();
        acme.apply(&stack.write());
        let root = folder.path().join("repository");
        Repository { acme, stack, folder, root }
    }
    fn render(&self, more: &[&str]) -> CommandOutput {
        render(&self.acme, &self.stack.write(), &self.root, more)
    }
    #[track_caller]
    fn assert_code(&self, more: &[&str], code: i32) -> CommandOutput {
        let done = self.render(more);
        assert_eq!(done.code, code, "{}", done.combined_output());
        done
    }
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

#[test]
fn renders_an_application_with_values_and_objects_for_every_component() {
    let repository = Repository::applied();
    repository.assert_code(&["--check"], 2);
    assert!(!repository.root.exists(), "a check writes nothing");
    repository.assert_code(&[], 0);
    let rendered = files(&repository.root);
    let application = yaml(&rendered, "clusters/tempo/apps/karpenter.yaml");
    assert_eq!(application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"], "0");
    let sources = application["spec"]["sources"].as_array().expect("sources");
    assert_eq!(sources[0]["repoURL"], "public.ecr.aws/karpenter");
    assert_eq!(sources[0]["helm"]["valueFiles"], json!(["$values/platform/tempo/karpenter/values.yaml"]));
    assert_eq!(sources[0]["helm"]["skipCrds"], true);
    assert_eq!(sources[2]["path"], "platform/tempo/karpenter/extras");
    let istiod = yaml(&rendered, "clusters/tempo/apps/istiod.yaml");
    assert_eq!(istiod["spec"]["ignoreDifferences"][1]["name"], "istio-sidecar-injector");
    // Outputs of resources are in the files, but no reference is left.
    let values = yaml(&rendered, "platform/tempo/karpenter/values.yaml");
    assert!(values["settings"]["interruptionQueue"].as_str().is_some_and(|queue| queue.contains("karpenter")), "{values}");
    let class = yaml(&rendered, "platform/tempo/karpenter/extras/ec2nodeclass-default.yaml");
    assert!(class["spec"]["subnetSelectorTerms"][0]["id"].as_str().is_some_and(|id| id.starts_with("subnet-")), "{class}");
    let references = rendered.iter().filter(|(_, text)| text.contains("${eks") || text.contains("${s3") || text.contains("{{ "));
    assert_eq!(references.map(|(path, _)| path).collect::<Vec<_>>(), [""; 0]);
    let namespace = yaml(&rendered, "platform/tempo/namespaces/namespace-shop.yaml");
    assert_eq!(namespace["metadata"]["annotations"]["argocd.argoproj.io/sync-options"], "Prune=false");
    yaml(&rendered, "platform/tempo/policies/shop-networkpolicy-default-deny.yaml");
    let root = yaml(&rendered, "clusters/tempo/root.yaml");
    assert_eq!(root["spec"]["source"]["path"], "clusters/tempo/apps");
    assert!(root["metadata"].get("finalizers").is_none(), "deleting it leaves the others");
    // What acme installs is not in the repository.
    assert!(rendered.keys().all(|path| !path.contains("argo-cd") && !path.contains("prometheus-crds") && !path.contains("ebs-csi")));
    assert!(rendered.values().all(|text| text.starts_with("# Rendered by acme from the stack platform.")));

    repository.assert_code(&["--check"], 0);
    repository.assert_code(&["--only", "gitops"], 0);
    assert_eq!(files(&repository.root), rendered, "a second render changes nothing");
    // With the same state, another folder gets the same files.
    let other = repository.folder.path().join("other");
    assert_eq!(render(&repository.acme, &repository.stack.write(), &other, &[]).code, 0);
    assert_eq!(files(&other), rendered);
}

#[test]
fn shows_what_changes_and_leaves_the_files_of_people_alone() {
    let mut repository = Repository::applied();
    repository.assert_code(&[], 0);
    repository.stack.set("/platform/cloudnative-pg/values/replicaCount", json!(5));
    repository.stack.value_at("/platform").as_object_mut().expect("components").remove("kubecost");
    // Its chart's repository is no longer allowed.
    let project = "update kubernetes_object.argo-cd-appproject-platform";
    assert_eq!(repository.acme.plan(&repository.stack.write()).changes(), [project]);
    let checked = repository.assert_code(&["--check"], 2);
    assert!(checked.stdout.contains("- replicaCount: 3") && checked.stdout.contains("+ replicaCount: 5"), "{}", checked.stdout);
    assert!(checked.stdout.contains("- clusters/tempo/apps/kubecost.yaml"), "{}", checked.stdout);
    let told: Value = serde_json::from_str(&repository.assert_code(&["--check", "-o", "json"], 2).stdout).expect("JSON");
    assert_eq!(told["changed"], json!(["platform/tempo/cloudnative-pg/values.yaml"]));

    // A file of people, one that was edited, and one beside the others.
    let (owned, edited, beside) = (
        repository.path("clusters/tempo/apps/kong.yaml"),
        repository.path("platform/tempo/loki/values.yaml"),
        repository.path("clusters/tempo/apps/mine.yaml"),
    );
    fs::write(&owned, "kind: Application\n").expect("written");
    let text = format!("{}more: true\n", fs::read_to_string(&edited).expect("a file"));
    fs::write(&edited, &text).expect("written");
    fs::write(&beside, "kind: Application\n").expect("written");
    let done = repository.assert_code(&[], 2);
    assert!(done.stderr.contains("platform/tempo/loki/values.yaml: it was edited"), "{}", done.stderr);
    assert!(
        done.stderr.contains("clusters/tempo/apps/kong.yaml: acme did not render it") && !done.stderr.contains("mine.yaml"),
        "{}",
        done.stderr
    );
    assert_eq!(fs::read_to_string(&owned).expect("a file"), "kind: Application\n");
    assert_eq!(fs::read_to_string(&edited).expect("a file"), text);
    assert!(beside.exists() && !repository.path("platform/tempo/kubecost").exists());
    // Only the edited file is left to clear up.
    fs::remove_file(&edited).expect("deleted");
    repository.assert_code(&[], 0);
    repository.assert_code(&["--check"], 0);
}

#[test]
fn refuses_to_render_before_the_resources_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "tempo"]);
    let root = folder.path().join("repository");
    let refused = render(&acme, &stack_with_argo_cd().write(), &root, &[]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("run `acme apply ")
            && refused.stderr.contains("` first")
            && refused.stderr.contains("`sqs_queue.karpenter`"),
        "{}",
        refused.stderr
    );
    let refused = render(&acme, &EditableStack::load(COMPONENTS.as_ref()).write(), &root, &[]);
    assert!(refused.stderr.contains("set `deliver: argocd`"), "{}", refused.stderr);
    assert!(!root.exists());
}

/// The life of a stack whose components Argo CD installs.
#[test]
fn a_stack_with_argo_cd_is_applied_changed_and_destroyed() {
    for managed in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "jaeger"]);
        let mut stack = stack_with_argo_cd();
        if managed {
            stack.value_at("/platform/argocd")["managed"] = json!({ "identity_center": "arn:aws:sso:::instance/ssoins-1234567890abcdef" });
            stack.value_at("/platform").as_object_mut().expect("components").remove("argo-cd");
        }
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        stack.set("/platform/argocd/repository", json!("https://git.example.com/other.git"));
        let root = "update kubernetes_object.argo-cd-application-root";
        assert!(acme.plan(&stack.write()).changes().contains(&root.to_owned()));
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        acme.destroy(&stack.write());
    }
}
