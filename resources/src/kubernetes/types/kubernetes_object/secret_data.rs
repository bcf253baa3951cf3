//! Values of Secrets that acme copies from Secrets Manager and Parameter Store. They must not get into any message, plan or record: a spec has
//! only their sources, and the object an annotation with the versions that acme copied.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use acme_macros::spec;
use base64::{Engine, prelude::BASE64_STANDARD};
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{KubernetesObject, MANAGER};
use crate::{
    aws::types::{parameter::Parameter, secret::Secret},
    core::{ArnRef, Error, ErrorKind, Problem, Ref, Result, expression::references},
    kubernetes::{Kubernetes, kinds::KindName},
};

/// Source of a value: `secret` or `parameter`.
#[spec]
#[derive(PartialEq)]
pub struct SecretSource {
    /// Secret in AWS Secrets Manager.
    #[field(unset = "`parameter` is the source", conflicts_with = parameter, dropped = None)]
    pub secret: Option<ArnRef<Secret>>,
    /// Parameter in Parameter Store.
    #[field(unset = "`secret` is the source", dropped = None)]
    pub parameter: Option<Ref<Parameter>>,
    /// Key of the value in the source, if that is a JSON object; empty for the whole text.
    #[field(default, length = 0..=256)]
    pub json_key: String,
}

/// Annotation with the sources and versions of the values.
const ANNOTATION: &str = "acme/secret-data";

/// What the annotation says about one value.
#[derive(Serialize, Deserialize)]
struct Copied {
    source: SecretSource,
    version: String,
}

/// Values by key, with their sources and versions.
#[derive(Default)]
pub(super) struct Values {
    /// In base64, as a Secret has them.
    data: BTreeMap<String, String>,
    copied: BTreeMap<String, Copied>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.data.keys()).finish()
    }
}

impl Values {
    /// Reads the values of these sources.
    ///
    /// # Errors
    /// Returns errors of AWS, and an error for a source without a value.
    pub async fn read(api: &Kubernetes, sources: &BTreeMap<String, SecretSource>) -> Result<Values> {
        let mut values = Values::default();
        for (key, source) in sources {
            let (value, version) = source.read(api).await?;
            values.data.insert(key.clone(), BASE64_STANDARD.encode(value));
            values.copied.insert(key.clone(), Copied { source: source.clone(), version });
        }
        Ok(values)
    }

    /// Empty values, to ask the cluster whether it would accept the object.
    pub fn placeholders(sources: &BTreeMap<String, SecretSource>) -> Values {
        Values { data: sources.keys().map(|key| (key.clone(), String::new())).collect(), ..Values::default() }
    }

    /// Adds the values to an object.
    ///
    /// # Errors
    /// Fails if the annotation can't be written as JSON.
    pub fn add_to(&self, object: &mut Value) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        object["data"] = serde_json::to_value(&self.data)?;
        object["metadata"]["annotations"][ANNOTATION] = serde_json::to_string(&self.copied)?.into();
        Ok(())
    }
}

impl SecretSource {
    /// Value and version.
    async fn read(&self, api: &Kubernetes) -> Result<(Vec<u8>, String)> {
        let (name, text, version) = match (&self.secret, &self.parameter) {
            (Some(secret), _) => {
                let secret = secret.get();
                let answer = api.clients.secretsmanager.get_secret_value().secret_id(secret).send().await.map_err(Error::from);
                // A secret without a value is not found either.
                let reply = answer.map_err(|error| without_value(secret, error))?;
                let binary = reply.secret_binary.map(aws_sdk_secretsmanager::primitives::Blob::into_inner);
                (secret, reply.secret_string.map(String::into_bytes).or(binary), reply.version_id.unwrap_or_default())
            }
            (None, Some(parameter)) => {
                let name = parameter.get();
                let reply = api.clients.ssm.get_parameter().name(name).with_decryption(true).send().await?;
                let parameter = reply.parameter.ok_or_else(|| Error::missing_field("Parameter"))?;
                (name, parameter.value.map(String::into_bytes), parameter.version.to_string())
            }
            (None, None) => return Err(Error::new(ErrorKind::Rejected, "NoSecretValue", "the value has no source")),
        };
        let missing = |what: String| Error::new(ErrorKind::Rejected, "NoSecretValue", format!("`{name}` has no {what}"));
        let value = text.filter(|value| !value.is_empty()).ok_or_else(|| missing("value: set it, and apply again".to_owned()))?;
        if self.json_key.is_empty() {
            return Ok((value, version));
        }
        let object: Value = serde_json::from_slice(&value).unwrap_or_default();
        let value = match &object[&self.json_key] {
            Value::String(text) => Some(text.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            scalar => Some(scalar.to_string()),
        };
        let value = value.ok_or_else(|| missing(format!("JSON object with a text `{}`", self.json_key)))?;
        Ok((value.into_bytes(), version))
    }

    /// Version of the value that the source has now; `None` if it can't be read.
    async fn current_version(&self, api: &Kubernetes) -> Option<String> {
        match (&self.secret, &self.parameter) {
            (Some(secret), _) => {
                let reply = api.clients.secretsmanager.describe_secret().secret_id(secret.get()).send().await.ok()?;
                let stages = reply.version_ids_to_stages?;
                stages.into_iter().find(|(_, stages)| stages.iter().any(|stage| stage == "AWSCURRENT")).map(|(version, _)| version)
            }
            (None, Some(parameter)) => {
                let reply = api.clients.ssm.get_parameter().name(parameter.get()).send().await.ok()?;
                reply.parameter.map(|parameter| parameter.version.to_string())
            }
            (None, None) => None,
        }
    }
}

fn without_value(secret: &str, error: Error) -> Error {
    if !error.is_not_found() {
        return error;
    }
    let message = format!("the secret `{secret}` does not exist or has no value: set it, and apply again");
    Error { message, ..Error::new(ErrorKind::Rejected, "NoSecretValue", "") }
}

/// Sources of the values that an object has, without those that are out of date: their source has another version by now, or others have
/// changed or removed them.
pub(super) async fn current_sources(api: &Kubernetes, object: &DynamicObject) -> BTreeMap<String, SecretSource> {
    let annotation = object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION));
    let copied: BTreeMap<String, Copied> = annotation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let own = own_keys(object);
    let mut sources = BTreeMap::new();
    for (key, Copied { source, version }) in copied {
        // What can't be read is not a difference.
        let is_current = own.contains(&key) && source.current_version(api).await.is_none_or(|current| current == version);
        if is_current {
            sources.insert(key, source);
        }
    }
    sources
}

/// Keys of the values that acme set, and that nobody has set since.
fn own_keys(object: &DynamicObject) -> BTreeSet<String> {
    let entries = object.metadata.managed_fields.iter().flatten().filter(|entry| entry.manager.as_deref() == Some(MANAGER));
    let keys = entries.filter_map(|entry| {
        let fields = entry.fields_v1.as_ref()?.0.get("f:data")?.as_object()?;
        Some(fields.keys().filter_map(|key| key.strip_prefix("f:")).map(str::to_owned).collect::<Vec<_>>())
    });
    keys.flatten().collect()
}

/// Removes the values from a Secret, which may be of others.
pub(super) fn without_values(kind: &KindName, manifest: &mut Value) {
    let Some(fields) = manifest.as_object_mut().filter(|_| kind.is("", "Secret")) else { return };
    for field in ["data", "stringData"] {
        if fields.get(field).and_then(Value::as_object).is_some_and(|values: &Map<String, Value>| !values.is_empty()) {
            fields.remove(field);
        }
    }
}

/// Types of the sources of the values in a spec; `None` for sources outside the stack.
fn types_of_sources(spec: &Value) -> impl Iterator<Item = Option<&str>> {
    let sources = spec.get("secret_data").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let named = sources.flat_map(|source| ["secret", "parameter"].map(|field| source.get(field))).flatten();
    let texts = named.flat_map(|reference| reference.as_object().into_iter().flat_map(Map::values)).filter_map(Value::as_str);
    texts.map(|text| references(text).first().map(|reference| reference.type_name))
}

/// Whether a value is the password that RDS manages for a database of the stack.
pub(super) fn has_secret_of_database(spec: &Value) -> bool {
    types_of_sources(spec).any(|name| matches!(name, Some("aurora_cluster" | "rds_instance")))
}

/// Whether the source of a value may be encrypted with a key that the definition does not name beside it.
pub(super) fn may_have_other_key(spec: &Value) -> bool {
    types_of_sources(spec).any(|name| !matches!(name, Some("parameter" | "secret")))
}

/// Problems of the sources.
pub(super) fn problems(object: &KubernetesObject) -> Vec<Problem> {
    let at = KubernetesObject::POINTERS.secret_data;
    if object.secret_data.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if object.manifest.kind().is_none_or(|kind| !kind.is("", "Secret")) {
        problems.push(Problem::new(at.clone(), "only an object of the kind `Secret` can have it"));
    }
    for (key, source) in &object.secret_data {
        let is_valid = !key.is_empty() && key.len() <= 253 && key.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if !is_valid {
            problems.push(Problem::new(at.clone().item(key), format!("`{key}` is not a valid key: use letters, digits, `-`, `_` and `.`")));
        }
        if source.secret.is_none() && source.parameter.is_none() {
            problems.push(Problem::new(at.clone().item(key), "the value has no source").help("set `secret` or `parameter`"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_has_values_of_its_own_manager_only() {
        let managed = |manager: &str, key: &str| json!({ "manager": manager, "operation": "Apply", "fieldsV1": { "f:data": { ".": {}, (format!("f:{key}")): {} } } });
        let object: DynamicObject = serde_json::from_value(json!({
            "metadata": { "name": "a", "managedFields": [managed("acme", "password"), managed("kubectl-edit", "user")] },
        }))
        .expect("an object");
        assert_eq!(own_keys(&object), ["password".to_owned()].into());
    }

    #[test]
    fn a_manifest_never_shows_values() {
        let secret = KindName::of("v1", "Secret").expect("a kind");
        let mut manifest = json!({ "kind": "Secret", "data": { "password": "c2VjcmV0" }, "stringData": {} });
        without_values(&secret, &mut manifest);
        assert_eq!(manifest, json!({ "kind": "Secret", "stringData": {} }));
        let values = Values { data: [("password".to_owned(), "c2VjcmV0".to_owned())].into(), ..Values::default() };
        assert_eq!(format!("{values:?}"), "[\"password\"]");
    }

    #[test]
    fn tells_sources_of_the_stack_from_others() {
        let of = |source: Value| {
            let spec = json!({ "secret_data": { "a": source } });
            (has_secret_of_database(&spec), may_have_other_key(&spec))
        };
        assert_eq!(of(json!({ "secret": { "arn": "${secret.main.arn}" }, "parameter": null })), (false, false));
        assert_eq!(of(json!({ "parameter": { "id": "${parameter.main.id}" } })), (false, false));
        assert_eq!(of(json!({ "secret": { "arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf" } })), (false, true));
        assert_eq!(of(json!({ "parameter": { "id": "/prod/token" } })), (false, true));
        assert_eq!(of(json!({ "secret": { "arn": "${rds_instance.main.master_secret_arn}" } })), (true, true));
    }

    #[test]
    fn reports_sources_that_can_not_be_used() {
        let problems = |kind: &str, data: Value| {
            let object = json!({
                "cluster": "main", "secret_data": data,
                "manifest": { "apiVersion": "v1", "kind": kind, "metadata": { "name": "a", "namespace": "web" } },
            });
            problems(&serde_json::from_value(object).expect("an object")).into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert!(problems("Secret", json!({ "tls.crt": { "secret": "main" }, "b": { "parameter": "main", "json_key": "b" } })).is_empty());
        assert_eq!(problems("ConfigMap", json!({ "a": { "secret": "main" } })), ["only an object of the kind `Secret` can have it"]);
        assert_eq!(problems("Secret", json!({ "a": {} })), ["the value has no source"]);
        assert_eq!(problems("Secret", json!({ "a b": { "secret": "main" } })).len(), 1);
    }
}
