//! Every component of clusters, on the simulated cloud.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{acme::Acme, end_to_end::EditableStack, schemas};

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/platform.yaml");
/// Their files, and those of the keys of the values of their charts.
const REGISTRY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/platform");
/// Environments of the fixture, which together have all components.
const ENVIRONMENTS: [&str; 2] = ["tempo", "jaeger"];

#[test]
fn every_component_is_installed_changed_and_removed() {
    for environment in ENVIRONMENTS {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let mut stack = EditableStack::load(COMPONENTS.as_ref());
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        stack.set("/platform/cloudnative-pg/values/replicaCount", json!(1));
        assert_eq!(acme.plan(&stack.write()).changes(), ["update helm_release.cloudnative-pg"]);
        stack.set("/platform/metrics-server", json!({ "deliver": "helm", "size": "small" }));
        stack.set("/platform/cert-manager/email", json!("team@example.com"));
        let changes = [
            "update helm_release.cloudnative-pg",
            "update helm_release.metrics-server",
            "update kubernetes_object.cert-manager-clusterissuer-letsencrypt",
        ];
        assert_eq!(acme.plan(&stack.write()).changes(), changes);
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        acme.destroy(&stack.write());
        let left: Vec<String> = acme.plan(&stack.write()).changes().into_iter().filter(|change| !change.starts_with("create ")).collect();
        assert!(left.is_empty(), "{environment}: {left:?}");
    }
}

/// The files of the components.
fn registry() -> BTreeMap<String, Value> {
    let files = fs::read_dir(REGISTRY).expect("the registry").map(|entry| entry.expect("an entry").path());
    let components = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: &Path| serde_yaml::from_str(&fs::read_to_string(path).expect("a file")).expect("YAML");
    components.map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), read(&path))).collect()
}

fn names(component: &Value, field: &str) -> Vec<String> {
    component[field].as_array().into_iter().flatten().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// Components that one needs itself, among them that which copies its secrets.
fn needs(component: &Value) -> BTreeSet<String> {
    let copies = component["secrets"].as_array().is_some_and(|secrets| !secrets.is_empty());
    names(component, "needs").into_iter().chain(copies.then(|| "external-secrets".to_owned())).collect()
}

/// Counts the keys of values that the chart has, and collects the others.
fn check_keys(keys: &Value, values: &Value, at: &str, known: &mut usize, unknown: &mut Vec<String>) {
    let (Some(keys), Some(values)) = (keys.as_object(), values.as_object()) else { return };
    for (key, value) in values {
        match keys.get(key) {
            Some(below) => {
                *known += 1;
                check_keys(below, value, &format!("{at}.{key}"), known, unknown);
            }
            None => unknown.push(format!("{at}.{key}")),
        }
    }
}

/// Keys of all values in a component's file: `None` without a chart.
fn keys(name: &str, component: &Value) -> Option<(usize, Vec<String>)> {
    let text = fs::read_to_string(Path::new(REGISTRY).join(format!("keys/{name}.json"))).ok()?;
    let keys: Value = serde_json::from_str(&text).expect("JSON");
    let additions = component["with"].as_object().into_iter().flatten().map(|(_, addition)| &addition["values"]);
    let (mut known, mut unknown) = (0, Vec::new());
    for values in additions.chain([&component["values"], &component["chart"]["values"], &component["small"]]) {
        check_keys(&keys, values, name, &mut known, &mut unknown);
    }
    Some((known, unknown))
}

/// Manifests of the objects of each component, from stacks with all of them.
fn objects(registry: &BTreeMap<String, Value>) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for environment in ENVIRONMENTS {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let definition = EditableStack::load(COMPONENTS.as_ref());
        let stack = definition.write();
        acme.apply(&stack);
        let shown = acme.run("show", &stack, &["--live", "-o", "json"]).assert_success();
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        for live in shown["resources"].as_array().expect("resources") {
            let address = live["tags"]["acme:address"].as_str().unwrap_or_default();
            let Some(name) = address.strip_prefix("kubernetes_object.") else { continue };
            // `karpenter-crd` is longer than `karpenter`.
            let owner =
                registry.keys().filter(|component| name.starts_with(&format!("{component}-"))).max_by_key(|component| component.len());
            let objects = found.entry(owner.cloned().unwrap_or_default()).or_default();
            let manifest = live["spec"]["manifest"].clone();
            if !objects.contains(&manifest) {
                objects.push(manifest);
            }
        }
    }
    found
}

/// Definitions with few of the components, and what `acme validate` says about them.
struct Validator {
    registry: BTreeMap<String, Value>,
    stack: EditableStack,
}

impl Validator {
    /// What a component needs, directly or not.
    fn add_needs(&self, name: &str, found: &mut BTreeSet<String>) {
        for need in needs(&self.registry[name]) {
            if found.insert(need.clone()) {
                self.add_needs(&need, found);
            }
        }
    }

    /// Problems of a definition with these components and all that they need, without one; empty if it is valid.
    fn problems(&self, components: &[&str], without: &str) -> String {
        let mut selected: BTreeSet<String> = components.iter().map(|name| (*name).to_owned()).collect();
        components.iter().for_each(|name| self.add_needs(name, &mut selected));
        selected.remove(without);
        let mut stack = EditableStack::load(COMPONENTS.as_ref());
        let all = self.stack.definition["platform"].as_object().expect("components");
        let chosen: Map<String, Value> =
            all.iter().filter(|(name, _)| selected.contains(*name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        stack.set("/platform", chosen.into());
        for settings in stack.value_at("/platform").as_object_mut().expect("components").values_mut() {
            settings.as_object_mut().expect("settings").remove("when");
        }
        if without == "node_groups" {
            stack.value_at("/cluster").as_object_mut().expect("a cluster").remove("node_groups");
        }
        let done = Acme::without_cloud().with_args(&["--env", "tempo"]).run("validate", &stack.write(), &[]);
        if done.code == 0 { String::new() } else { done.combined_output() }
    }
}

/// Prints a table: `--nocapture` shows it.
#[test]
#[ignore = "full run"]
fn every_component_has_valid_values_and_objects_and_names_what_it_needs() {
    let registry = registry();
    let mut objects = objects(&registry);
    let validator = Validator { registry, stack: EditableStack::load(COMPONENTS.as_ref()) };
    let mut wrong = Vec::new();
    println!("| component | chart or add-on | version | keys of values | objects | needs | conflicts |\n|---|---|---|---|---|---|---|");
    for (name, component) in &validator.registry {
        let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        let chart = [text(&component["chart"]["chart"]), text(&component["addon"])].into_iter().filter(|one| !one.is_empty());
        let chart = chart.collect::<Vec<_>>().join(", add-on ");
        let keys = keys(name, component).map_or("no chart".to_owned(), |(known, unknown)| {
            wrong.extend(unknown.iter().map(|key| format!("{key} is no key")));
            format!("{known} of {} valid", known + unknown.len())
        });
        let objects = objects.remove(name).unwrap_or_default();
        let checked = if objects.is_empty() {
            "none".to_owned()
        } else {
            let (problems, custom, kubernetes) = schemas::check(&objects);
            assert_eq!((custom + kubernetes) as usize, objects.len());
            wrong.extend(problems.iter().map(|problem| format!("{name}: {problem}")));
            format!("{} of {} valid", objects.len() - problems.len().min(objects.len()), objects.len())
        };
        let mut tested = Vec::new();
        let mut said = Vec::new();
        let mut expect = |problems: String, message: String| said.push((problems, message));
        for need in needs(component) {
            expect(validator.problems(&[name], &need), format!("`{name}` needs the component `{need}`"));
            tested.push(need);
        }
        if component["needs_node_group"] == true {
            expect(validator.problems(&[name], "node_groups"), format!("`{name}` needs a node group"));
            tested.push("a node group".to_owned());
        }
        // With all of that, it is complete.
        let complete = validator.problems(&[name], "");
        if !complete.is_empty() {
            wrong.push(complete);
        }
        let conflicts = names(component, "conflicts");
        for other in &conflicts {
            expect(validator.problems(&[name, other], ""), format!("`{name}` and `{other}` can't be in one cluster"));
        }
        let unsaid = said.into_iter().filter(|(problems, message)| !problems.contains(message));
        wrong.extend(unsaid.map(|(problems, message)| format!("{message}, but acme says {problems}")));
        let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        println!(
            "| {name} | {chart} | {} | {keys} | {checked} | {} | {} |",
            text(&component["chart"]["version"]),
            list(tested),
            list(conflicts)
        );
    }
    // Namespaces belong to several components.
    let namespaces = objects.remove("").unwrap_or_default();
    println!("{} components; besides their own objects, {} others", validator.registry.len(), namespaces.len());
    assert_eq!((wrong, objects.len()), (Vec::new(), 0));
    assert_eq!(validator.registry.len(), 39);
}
