//! Files for Argo CD: the Applications of an environment in `clusters`, and the values and objects of its components in `platform`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::definition::gitops::{
    API_VERSION, ARGO_CD_NAMESPACE, CLUSTER_NAME, GitComponent, GitObject, GitOps, PLATFORM_PROJECT, ROOT, applications_folder,
    chart_source, root_application, sync_policy,
};

/// Annotation with the position of an object in the order of its Application.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";

/// Every file with its content.
pub fn files(gitops: &GitOps, environment: &str) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::from([(format!("clusters/{environment}/root.yaml"), root_application(gitops, environment))]);
    for (name, component) in &gitops.components {
        let folder = format!("platform/{environment}/{name}");
        files.insert(format!("{}/{name}.yaml", applications_folder(environment)), application(gitops, name, component, &folder));
        if let Some(release) = &component.release {
            let values = release.get("values").filter(|values| values.is_object());
            files.insert(values_file(&folder), values.cloned().unwrap_or_else(|| json!({})));
        }
        add_objects(component, &folder, &mut files);
    }
    files
}

/// Folders whose files are all rendered, but for those that people add.
pub fn folders(environment: &str) -> BTreeSet<String> {
    BTreeSet::from([format!("clusters/{environment}"), format!("platform/{environment}")])
}

fn values_file(folder: &str) -> String {
    format!("{folder}/values.yaml")
}

/// Folder with the objects of a component.
fn objects_folder(component: &GitComponent, folder: &str) -> String {
    if component.release.is_some() { format!("{folder}/extras") } else { folder.to_owned() }
}

fn add_objects(component: &GitComponent, folder: &str, files: &mut BTreeMap<String, Value>) {
    let folder = objects_folder(component, folder);
    for object in &component.objects {
        let name = file_name(component, &object.manifest);
        let paths =
            (1..).map(|number| if number == 1 { format!("{folder}/{name}.yaml") } else { format!("{folder}/{name}-{number}.yaml") });
        // Names that differ only in characters that a file name can't have.
        for path in paths {
            if let std::collections::btree_map::Entry::Vacant(entry) = files.entry(path) {
                entry.insert(with_annotations(object));
                break;
            }
        }
    }
}

/// Name of the file of an object: its namespace, unless it is the component's, its kind and its name.
fn file_name(component: &GitComponent, manifest: &Value) -> String {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty() && *namespace != component.namespace);
    let parts: Vec<String> = namespace.into_iter().chain([text("/kind"), text("/metadata/name")]).collect();
    parts.join("-").replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "-")
}

/// An object with its position, and with what protects it.
fn with_annotations(object: &GitObject) -> Value {
    let mut manifest = object.manifest.clone();
    let mut annotate = |key: &str, value: String| {
        if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            annotations[key] = value.into();
        }
    };
    if object.sync_wave != 0 {
        annotate(SYNC_WAVE, object.sync_wave.to_string());
    }
    // Everything in a namespace is lost with it.
    if object.manifest.get("kind").is_some_and(|kind| kind == "Namespace") {
        annotate("argocd.argoproj.io/sync-options", "Prune=false".to_owned());
    }
    manifest
}

fn application(gitops: &GitOps, name: &str, component: &GitComponent, folder: &str) -> Value {
    let in_git = |rest: Value| {
        let mut source = json!({ "repoURL": gitops.repository, "targetRevision": gitops.revision });
        if let (Some(source), Value::Object(rest)) = (source.as_object_mut(), rest) {
            source.extend(rest);
        }
        source
    };
    let objects = (!component.objects.is_empty()).then(|| in_git(json!({ "path": objects_folder(component, folder) })));
    let chart = component.release.as_ref().map(|release| chart_with_values(component, release, folder));
    let values = component.release.as_ref().map(|_| in_git(json!({ "ref": "values" })));
    let sources: Vec<Value> = [chart, values, objects].into_iter().flatten().collect();
    let mut destination = json!({ "name": CLUSTER_NAME });
    if !component.namespace.is_empty() {
        destination["namespace"] = component.namespace.as_str().into();
    }
    let ignore = &component.argo_cd.ignore;
    let options: &[&str] = if ignore.is_empty() { &[] } else { &["RespectIgnoreDifferences=true"] };
    let mut spec = json!({
        "project": PLATFORM_PROJECT, "sources": sources, "destination": destination, "syncPolicy": sync_policy(options),
    });
    if !ignore.is_empty() {
        spec["ignoreDifferences"] = json!(ignore);
    }
    let annotations = json!({ SYNC_WAVE: component.sync_wave.to_string(), "argocd.argoproj.io/compare-options": "ServerSideDiff=true" });
    json!({
        "apiVersion": API_VERSION,
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": ARGO_CD_NAMESPACE,
            "labels": { "app.kubernetes.io/part-of": ROOT },
            "annotations": annotations,
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": spec,
    })
}

fn chart_with_values(component: &GitComponent, release: &Value, folder: &str) -> Value {
    let mut helm = json!({ "releaseName": release.get("release"), "valueFiles": [format!("$values/{}", values_file(folder))] });
    if release.get("skip_crds").is_some_and(|skips| *skips == true) {
        helm["skipCrds"] = true.into();
    }
    if component.argo_cd.skip_schema_validation {
        helm["skipSchemaValidation"] = true.into();
    }
    let mut source = chart_source(release);
    source["helm"] = helm;
    source
}
