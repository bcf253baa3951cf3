//! Secrets of Argo CD that describe a cluster or a repository and contain nothing secret.
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/>

use serde_json::Value;

/// Label by which Argo CD finds such a Secret.
const LABEL: &str = "argocd.argoproj.io/secret-type";
/// Keys whose values are addresses and names. EKS reads the credentials of a repository from the secret with the ARN `secretArn`.
const PUBLIC_KEYS: &[&str] = &["enableOCI", "name", "project", "secretArn", "server", "type", "url"];

/// Whether a Secret has only such values.
pub fn is_public(secret: &Value) -> bool {
    let kind = secret.get("metadata").and_then(|metadata| metadata.get("labels")?.get(LABEL)?.as_str());
    let values = secret.get("stringData").and_then(Value::as_object);
    kind.is_some_and(|kind| ["cluster", "repository"].contains(&kind))
        && secret.get("data").is_none()
        && values.is_some_and(|values| values.iter().all(|(key, value)| PUBLIC_KEYS.contains(&key.as_str()) && !has_password(value)))
}

/// Whether a URL contains a user with a password.
fn has_password(value: &Value) -> bool {
    let authority = value.as_str().and_then(|text| text.split_once("://")?.1.split('/').next());
    authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}
