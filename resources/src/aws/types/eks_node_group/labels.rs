//! Kubernetes labels of nodes.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eks::types::UpdateLabelsPayload;

use super::EksNodeGroup;
use crate::core::Problem;

/// Problems with the keys.
pub(super) fn check(group: &EksNodeGroup) -> Vec<Problem> {
    let problem = |key: &String| {
        let help = "a key has 1 to 63 letters, digits, `-`, `_` and `.`, perhaps after a domain and `/`";
        Problem::new(EksNodeGroup::POINTERS.labels, format!("`{key}` is not a valid key")).help(help)
    };
    group.labels.keys().filter(|key| !is_label_key(key)).map(problem).collect()
}

/// Whether EKS accepts the key of a label: a name, perhaps after a domain, of at most 63 characters.
fn is_label_key(key: &str) -> bool {
    let is_name = |name: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        ends(name.chars().next()) && ends(name.chars().last()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    key.len() <= 63 && key.split_once('/').map_or_else(|| is_name(key), |(domain, name)| is_name(domain) && is_name(name))
}

/// What changes from some labels to others.
pub(super) fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> UpdateLabelsPayload {
    let new: HashMap<String, String> =
        after.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(key, value)| (key.clone(), value.clone())).collect();
    let old: Vec<String> = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    UpdateLabelsPayload::builder()
        .set_add_or_update_labels((!new.is_empty()).then_some(new))
        .set_remove_labels((!old.is_empty()).then_some(old))
        .build()
}
