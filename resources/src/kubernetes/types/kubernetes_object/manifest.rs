//! Manifests of Kubernetes objects.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::public_secret;
use crate::{
    core::{Pointer, Problem},
    kubernetes::kinds::{Kind, KindName},
};

/// The manifest of an object: `apiVersion`, `kind`, `metadata` and the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest(Value);

impl From<Value> for Manifest {
    fn from(value: Value) -> Manifest {
        Manifest(value)
    }
}

/// Fields that Kubernetes maintains, with the reason why a manifest can't have them.
const NOT_ALLOWED: &[(&[&str], &str)] = &[
    (&["metadata", "creationTimestamp"], "Kubernetes sets it"),
    (&["metadata", "generateName"], "acme finds the object by its name: set `name`"),
    (&["metadata", "managedFields"], "Kubernetes sets it"),
    (&["metadata", "resourceVersion"], "Kubernetes sets it"),
    (&["metadata", "uid"], "Kubernetes sets it"),
    (&["status"], "the object's controller sets it"),
];

impl Manifest {
    /// The manifest as a value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Path of the object in a cluster: `<apiVersion>/<kind>/<namespace>/<name>`.
    pub fn path(&self) -> String {
        let [version, kind] = ["/apiVersion", "/kind"].map(|pointer| self.text(pointer));
        format!("{version}/{kind}/{}/{}", self.text("/metadata/namespace"), self.text("/metadata/name"))
    }

    /// What two objects can't have in common: an object is the same in all versions of its API.
    pub fn identity(&self) -> String {
        let group = self.kind().map(|kind| kind.group).unwrap_or_default();
        format!("{group}/{}/{}/{}", self.text("/kind"), self.text("/metadata/namespace"), self.text("/metadata/name"))
    }

    /// Kind of the object.
    pub fn kind(&self) -> Option<KindName> {
        KindName::of(self.text("/apiVersion"), self.text("/kind"))
    }

    /// Whether it sets the field at a path as the API writes it: `.spec.containers[name="web"].image`.
    pub fn has_field(&self, path: &str) -> bool {
        let mut names = Vec::new();
        let mut rest = path;
        // Names of labels and annotations contain dots, and stay parts of a longer name here.
        while let Some(start) = rest.find('[') {
            names.push(&rest[..start]);
            rest = rest[start..].split_once(']').map_or("", |(_, after)| after);
        }
        names.push(rest);
        has_path(&self.0, &names.join(""))
    }

    /// The namespace or kind that exists once the object does.
    pub fn provides(&self) -> Option<String> {
        let spec = |pointer: &str| self.text(&format!("/spec/{pointer}"));
        match (self.text("/apiVersion"), self.text("/kind")) {
            ("v1", "Namespace") => Some(format!("namespace {}", self.text("/metadata/name"))),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => Some(format!("kind {}/{}", spec("group"), spec("names/kind"))),
            _ => None,
        }
    }

    /// Whether a controller creates other objects for it, of kinds that it may define first.
    pub fn installs_others(&self) -> bool {
        self.kind().is_some_and(|kind| ["Application", "ApplicationSet"].iter().any(|name| kind.is("argoproj.io", name)))
    }

    /// The namespace that it needs, and the kind unless every cluster has it.
    pub fn requires(&self) -> Vec<String> {
        let namespace = Some(self.text("/metadata/namespace")).filter(|name| !name.is_empty()).map(|name| format!("namespace {name}"));
        let kind = self.kind().filter(|kind| Kind::built_in(kind).is_none()).map(|kind| format!("kind {}/{}", kind.group, kind.kind));
        namespace.into_iter().chain(kind).collect()
    }

    /// What its deletion loses besides the object.
    pub fn deletion_effect(&self) -> Option<String> {
        let name = self.text("/metadata/name");
        match (self.text("/apiVersion"), self.text("/kind")) {
            ("v1", "Namespace") => Some(format!("everything in the namespace {name} is deleted")),
            ("v1", "PersistentVolumeClaim") => Some("its volume is deleted, unless the storage class retains it".to_owned()),
            (_, "CustomResourceDefinition") => Some(format!("all objects of {name} are deleted")),
            _ => None,
        }
    }

    /// Problems with a manifest in a definition, below this pointer.
    pub fn problems(&self, at: Pointer) -> Vec<Problem> {
        let below = |path: &[&str], message: String| Problem::new(path.iter().fold(at.clone(), |at, key| at.item(key)), message);
        let mut problems = Vec::new();
        for field in ["/apiVersion", "/kind", "/metadata/name"] {
            if self.text(field).is_empty() {
                problems.push(below(&[], format!("the manifest lacks `{}`", field[1..].replace('/', "."))));
            }
        }
        if problems.is_empty() && self.kind().is_none() {
            problems.push(below(&["apiVersion"], format!("`{}` is not a valid API version, such as `apps/v1`", self.text("/apiVersion"))));
        }
        for (field, reason) in NOT_ALLOWED {
            if field.iter().try_fold(&self.0, |value, key| value.get(key)).is_some() {
                problems.push(below(field, format!("a manifest can't have `{}`: {reason}", field.join("."))));
            }
        }
        if self.text("/kind").ends_with("List") && self.0.get("items").is_some() {
            problems.push(below(&["kind"], "a list is several objects: declare each as a resource of its own".to_owned()));
        }
        if (self.text("/apiVersion"), self.text("/kind")) == ("v1", "Secret") && !public_secret::is_public(&self.0) {
            let has_values = |field: &&&str| self.0.get(field).and_then(Value::as_object).is_some_and(|values| !values.is_empty());
            if let Some(field) = ["data", "stringData"].iter().find(has_values) {
                let message = "values of a Secret would be in plans, in the journal and in the record".to_owned();
                let help = "keep them in AWS Secrets Manager (`secrets:`), and name their sources in `secret_data`";
                problems.push(below(&[field], message).help(help));
            }
        }
        problems
    }
}

fn has_path(value: &Value, path: &str) -> bool {
    let path = path.strip_prefix('.').unwrap_or(path);
    match value {
        _ if path.is_empty() => true,
        Value::Object(map) => map.iter().any(|(key, value)| {
            path.strip_prefix(key.as_str()).is_some_and(|rest| (rest.is_empty() || rest.starts_with('.')) && has_path(value, rest))
        }),
        Value::Array(list) => list.iter().any(|entry| has_path(entry, path)),
        _ => false,
    }
}

impl JsonSchema for Manifest {
    fn schema_name() -> Cow<'static, str> {
        "Manifest".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": "A Kubernetes object.", "required": ["apiVersion", "kind", "metadata"] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_fields_at_paths_of_the_api() {
        let manifest = Manifest(json!({
            "metadata": { "annotations": { "example.com/a.b": "1" } },
            "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "web:1" }] } } },
        }));
        assert!(manifest.has_field(".spec.template.spec.containers[name=\"web\"].image"));
        assert!(manifest.has_field(".metadata.annotations.example.com/a.b"));
        assert!(!manifest.has_field(".spec.replicas") && !manifest.has_field(".spec.template.spec.containers[name=\"web\"].args"));
    }

    #[test]
    fn reports_what_a_manifest_lacks_and_must_not_have() {
        let messages = |manifest| Manifest(manifest).problems(Pointer::ROOT).into_iter().map(|problem| problem.message).collect::<Vec<_>>();
        assert_eq!(messages(json!({ "kind": "Pod" })), ["the manifest lacks `apiVersion`", "the manifest lacks `metadata.name`"]);
        let named = |mut more: Value| {
            more["metadata"]["name"] = json!("a");
            more
        };
        assert_eq!(
            messages(named(json!({ "apiVersion": "v1", "kind": "Pod", "status": {} }))),
            ["a manifest can't have `status`: the object's controller sets it"]
        );
        assert_eq!(
            messages(named(json!({ "apiVersion": "a/b/c", "kind": "Pod" }))),
            ["`a/b/c` is not a valid API version, such as `apps/v1`"]
        );
        assert!(messages(named(json!({ "apiVersion": "v1", "kind": "Secret" }))).is_empty());
        let of_argo_cd = |values: Value| {
            let mut secret = named(json!({ "apiVersion": "v1", "kind": "Secret", "stringData": values }));
            secret["metadata"]["labels"] = json!({ "argocd.argoproj.io/secret-type": "repository" });
            messages(secret).len()
        };
        assert_eq!(of_argo_cd(json!({ "type": "git", "url": "https://git.example.com/a.git" })), 0);
        assert_eq!(of_argo_cd(json!({ "url": "https://git.example.com/a.git", "password": "x" })), 1);
        assert_eq!(of_argo_cd(json!({ "url": "https://user:x@git.example.com/a.git" })), 1);
        let secret = messages(named(json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "password": "x" } })));
        assert_eq!(secret, ["values of a Secret would be in plans, in the journal and in the record"]);
    }
}
