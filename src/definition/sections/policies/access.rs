//! Permissions of groups in the cluster, and the access entries whose principals are in these groups.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::Expansion,
    forms::{Grant, Rule},
};
use crate::{
    core::nearest::suggestion,
    definition::{Draft, child_pointer},
};

const API_GROUP: &str = "rbac.authorization.k8s.io";

/// Manifests of roles and bindings of groups; without a namespace, they apply to the whole cluster.
pub fn role_manifests(namespace: Option<&str>, access: &BTreeMap<String, Grant>) -> Vec<Value> {
    let (role, binding) = if namespace.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
    let object = |kind: &str, name: &str, mut rest: Value| {
        rest["apiVersion"] = format!("{API_GROUP}/v1").into();
        rest["kind"] = kind.into();
        rest["metadata"] = json!({ "name": name });
        if let Some(namespace) = namespace {
            rest["metadata"]["namespace"] = namespace.into();
        }
        rest
    };
    let mut manifests = Vec::new();
    for (group, grant) in access {
        // The role of a binding can't change, so a binding of another role has another name.
        let (kind, of_role, name) = match grant {
            Grant::Role(name) => ("ClusterRole", name.clone(), format!("{group}-{name}")),
            Grant::Rules(rules) => {
                let rules: Vec<Value> = rules.iter().map(Rule::to_manifest).collect();
                manifests.push(object(role, group, json!({ "rules": rules })));
                (role, group.clone(), group.clone())
            }
        };
        let subject = json!({ "apiGroup": API_GROUP, "kind": "Group", "name": group });
        let role_ref = json!({ "apiGroup": API_GROUP, "kind": kind, "name": of_role });
        manifests.push(object(binding, &name, json!({ "subjects": [subject], "roleRef": role_ref })));
    }
    manifests
}

impl Rule {
    fn to_manifest(&self) -> Value {
        let mut rule = json!({ "apiGroups": self.api_groups, "resources": self.resources, "verbs": self.verbs });
        if !self.resource_names.is_empty() {
            rule["resourceNames"] = json!(self.resource_names);
        }
        rule
    }
}

/// Adds the groups to the access entries of their names; reports groups that no access entry has.
pub fn join_groups(out: &mut Expansion<'_, '_>, access: &BTreeMap<String, Grant>, at: &str) {
    for group in access.keys().filter(|group| !group.starts_with("system:")) {
        let mut entries: Vec<&mut Draft> = out.drafts.iter_mut().filter(|draft| draft.resource_type.name == "eks_access_entry").collect();
        let groups = |draft: &Draft| draft.spec.get("kubernetes_groups").and_then(Value::as_array).cloned().unwrap_or_default();
        if entries.iter().any(|draft| groups(draft).iter().any(|known| known == group)) {
            continue;
        }
        let is_of_people = |draft: &Draft| draft.spec.get("type").is_none_or(|kind| kind.is_null() || kind == "STANDARD");
        if let Some(entry) = entries.iter_mut().find(|draft| draft.name == *group && is_of_people(draft)) {
            let joined: Vec<Value> = groups(entry).into_iter().chain([group.as_str().into()]).collect();
            entry.spec.insert("kubernetes_groups".to_owned(), joined.into());
            continue;
        }
        let named: Vec<String> = entries.iter().filter(|draft| is_of_people(draft)).map(|draft| draft.name.clone()).collect();
        let help = match named.is_empty() {
            true => format!("add `access: {{ {group}: {{ principal_arn: … }} }}` to `cluster`"),
            false => suggestion(group, "access entries", named.iter().map(String::as_str)),
        };
        let message = format!("no access entry of the cluster has the name or the group `{group}`");
        out.compiler.problem_at_key("policies", &child_pointer(at, group), message, help);
    }
}
