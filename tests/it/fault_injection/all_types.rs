//! A definition of every type that the stand-in supports, made from the types' lifecycles, so that a new type is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use acme::{aws::types::resource_type, core::DataProtection};
use serde_json::{Map, Value, json};

use super::Scenario;
use crate::{acme::write_file, resource_lifecycle::lifecycles, standin::StandinKind};

/// First apply, update, replacement and destroy.
pub fn scenarios(folder: &Path, kind: StandinKind) -> [Scenario; 4] {
    let first = definition(folder, "first.yaml", kind, None);
    let update = definition(folder, "update.yaml", kind, Some(false));
    let replacement = definition(folder, "replacement.yaml", kind, Some(true));
    let from = || Some(first.clone());
    [
        Scenario { name: "all types", command: "apply", from: None, to: first.clone(), deletes: false },
        Scenario { name: "all types update", command: "apply", from: from(), to: update, deletes: true },
        Scenario { name: "all types replacement", command: "apply", from: from(), to: replacement, deletes: true },
        Scenario { name: "all types destroy", command: "destroy", from: from(), to: first.clone(), deletes: true },
    ]
}

/// Every type with what it needs; with edits that update, or replace, the types that have some.
fn definition(folder: &Path, name: &str, kind: StandinKind, replaces: Option<bool>) -> PathBuf {
    let mut resources: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut add = |of: &str, name: &str, spec: Value| {
        let before = resources.entry(of.to_owned()).or_default().insert(name.to_owned(), spec.clone());
        assert!(before.is_none_or(|before| before == spec), "two lifecycles define {of}.{name} differently");
    };
    let lifecycles = lifecycles();
    let mut arns = BTreeSet::new();
    for (of, lifecycle) in lifecycles.iter().filter(|(_, lifecycle)| !lifecycle.except.contains_key(kind.name())) {
        for (given, named) in &lifecycle.given {
            named.iter().for_each(|(name, spec)| add(given, name, spec.clone()));
        }
        let edited = replaces.and_then(|replaces| lifecycle.spec_after_first_edit(kind, replaces));
        let mut spec = edited.unwrap_or_else(|| lifecycle.spec.clone());
        // With data in it, a resource would not be replaced.
        if resource_type(of).is_some_and(|kind| kind.data_protection != DataProtection::None) {
            spec.entry("on_delete").or_insert_with(|| "delete".into());
        }
        // Types with the same ARN pattern share their names.
        let arn = resource_type(of).map(|kind| kind.arn).filter(|arn| arn.contains("{name}"));
        let name = if arns.insert(arn.unwrap_or(of)) { "it" } else { "other" };
        add(of, name, spec.into());
    }
    let definition = json!({ "stack": "all-types", "region": "us-east-1", "resources": resources });
    write_file(folder, name, &serde_yaml::to_string(&definition).expect("a definition is YAML"))
}
