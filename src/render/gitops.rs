//! Files for Argo CD: the Applications of an environment in `clusters`, the values and objects of its components in `platform`, and the values of
//! its services in `services`.
//!
//! A service is the chart of acme with two files of values: one of acme, and one that promotions change. The chart is the only source of its
//! objects, whether acme installs them or Argo CD; an overlay of kustomize would be a second one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::definition::gitops::{
    API_VERSION, ARGO_CD_NAMESPACE, CLUSTER_NAME, GitComponent, GitObject, GitOps, GitService, PLATFORM_PROJECT, ROOT, SERVICES_PROJECT,
    applications_folder, chart_source, overlay_file, overlay_folder, root_application, sync_policy,
};
use crate::kubernetes::SERVICE_CHART;

/// Annotation with the position of an object in the order of its Application.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";

/// Every file with its content.
pub fn files(gitops: &GitOps, environment: &str) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::from([(format!("clusters/{environment}/root.yaml"), root_application(gitops, environment))]);
    for (name, component) in &gitops.components {
        let application_file = format!("{}/{name}.yaml", applications_folder(environment));
        if let Some(service) = &component.service {
            files.insert(application_file, service_application(gitops, name, component, service, environment));
            files.insert(base_file(&service.name, environment), values_of(component));
            continue;
        }
        let folder = format!("platform/{environment}/{name}");
        files.insert(application_file, application(gitops, name, component, &folder));
        if component.release.is_some() {
            files.insert(values_file(&folder), values_of(component));
        }
        add_objects(component, &folder, &mut files);
    }
    files
}

/// Folders whose files are all rendered, but for those that people add.
pub fn folders(environment: &str) -> BTreeSet<String> {
    BTreeSet::from([format!("clusters/{environment}"), format!("platform/{environment}"), base_folder("*", environment)])
}

/// The chart of the services, by path. Each environment has its own, so that a new version of acme changes one after the other.
pub fn chart(gitops: &GitOps, environment: &str) -> BTreeMap<String, String> {
    let folder = chart_folder(environment);
    let files = SERVICE_CHART.files.iter().filter(|_| gitops.services().next().is_some());
    files.map(|(path, text)| (format!("{folder}/{path}"), (*text).to_owned())).collect()
}

/// Values that promotions change, by folder and file, with references. acme creates them once.
pub fn overlays(gitops: &GitOps, environment: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let services = gitops.components.values().filter_map(|component| component.service.as_ref());
    let overlay = |service: &GitService| {
        let text = match service.is_promoted {
            true => format!("{OVERLAY_ADVICE}image: \"{}\"\n", service.first_image),
            false => OVERLAY_ADVICE.to_owned(),
        };
        let file = overlay_file(&service.name, environment);
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        (overlay_folder(&service.name, environment), BTreeMap::from([(name, text)]))
    };
    services.map(overlay).collect()
}

/// Begins the values that promotions change.
const OVERLAY_ADVICE: &str = "# Values of pipelines and people, which override those of `base`. acme never changes this file.\n";

fn values_of(component: &GitComponent) -> Value {
    let values = component.release.as_ref().and_then(|release| release.get("values")).filter(|values| values.is_object());
    values.cloned().unwrap_or_else(|| json!({}))
}

fn chart_folder(environment: &str) -> String {
    format!("platform/{environment}/charts/service")
}

fn base_folder(service: &str, environment: &str) -> String {
    format!("services/{service}/base/{environment}")
}

fn base_file(service: &str, environment: &str) -> String {
    values_file(&base_folder(service, environment))
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

/// A source in the repository.
fn in_git(gitops: &GitOps, rest: Value) -> Value {
    let mut source = json!({ "repoURL": gitops.repository, "targetRevision": gitops.revision });
    if let (Some(source), Value::Object(rest)) = (source.as_object_mut(), rest) {
        source.extend(rest);
    }
    source
}

/// The Application of a service: one for each, rather than an ApplicationSet, so that the root lists it, and acme waits for it as for a component.
///
/// Paths with a slash begin at the root of the repository. A missing file is an error rather than an empty one, so that nothing is pruned because of
/// it. <https://argo-cd.readthedocs.io/en/stable/user-guide/helm/>
fn service_application(gitops: &GitOps, name: &str, component: &GitComponent, service: &GitService, environment: &str) -> Value {
    let values = [base_file(&service.name, environment), overlay_file(&service.name, environment)].map(|file| format!("/{file}"));
    let helm = json!({ "releaseName": service.name, "valueFiles": values, "skipTests": true });
    let spec = json!({
        "project": SERVICES_PROJECT,
        "source": in_git(gitops, json!({ "path": chart_folder(environment), "helm": helm })),
        "destination": { "name": CLUSTER_NAME, "namespace": component.namespace },
    });
    application_with(name, component, spec)
}

fn application(gitops: &GitOps, name: &str, component: &GitComponent, folder: &str) -> Value {
    let in_git = |rest: Value| in_git(gitops, rest);
    let objects = (!component.objects.is_empty()).then(|| in_git(json!({ "path": objects_folder(component, folder) })));
    let chart = component.release.as_ref().map(|release| chart_with_values(component, release, folder));
    let values = component.release.as_ref().map(|_| in_git(json!({ "ref": "values" })));
    let sources: Vec<Value> = [chart, values, objects].into_iter().flatten().collect();
    let mut destination = json!({ "name": CLUSTER_NAME });
    if !component.namespace.is_empty() {
        destination["namespace"] = component.namespace.as_str().into();
    }
    let spec = json!({ "project": PLATFORM_PROJECT, "sources": sources, "destination": destination });
    application_with(name, component, spec)
}

/// An Application with this spec, whose deletion deletes its objects.
fn application_with(name: &str, component: &GitComponent, mut spec: Value) -> Value {
    let ignore = &component.argo_cd.ignore;
    let options: &[&str] = if ignore.is_empty() { &[] } else { &["RespectIgnoreDifferences=true"] };
    spec["syncPolicy"] = sync_policy(options);
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
