//! Physical ids of Kubernetes objects: `<cluster>/<apiVersion>/<kind>/<namespace>/<name>`.

use std::fmt;

use super::kinds::KindName;
use crate::core::{Error, ErrorKind, Result};

/// Id of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// Name of the cluster in EKS.
    pub cluster: String,
    /// Kind.
    pub kind: KindName,
    /// Namespace as written; `None` for `default` and for kinds without namespaces.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectId {
    /// Parses an id.
    ///
    /// # Errors
    /// Fails for a text of another shape.
    pub fn parse(id: &str) -> Result<ObjectId> {
        let parts: Vec<&str> = id.split('/').collect();
        let (cluster, group, version, rest) = match parts.as_slice() {
            [cluster, version, rest @ ..] if rest.len() == 3 => (*cluster, "", *version, rest),
            [cluster, group, version, rest @ ..] if rest.len() == 3 => (*cluster, *group, *version, rest),
            _ => return Err(ObjectId::invalid(id)),
        };
        let [kind, namespace, name] = rest else { return Err(ObjectId::invalid(id)) };
        if [cluster, version, kind, name].contains(&"") {
            return Err(ObjectId::invalid(id));
        }
        Ok(ObjectId {
            cluster: cluster.to_owned(),
            kind: KindName { group: group.to_owned(), version: version.to_owned(), kind: (*kind).to_owned() },
            namespace: Some((*namespace).to_owned()).filter(|namespace| !namespace.is_empty()),
            name: (*name).to_owned(),
        })
    }

    fn invalid(id: &str) -> Error {
        let message = format!(
            "`{id}` is not a valid id: write `<cluster>/<apiVersion>/<kind>/<namespace>/<name>`, with an empty namespace for kinds without"
        );
        Error::new(ErrorKind::NotFound, "InvalidId", message)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        write!(f, "{}/{}/{}/{namespace}/{}", self.cluster, self.kind.api_version(), self.kind.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints() {
        for id in ["main/apps/v1/Deployment/web/greet", "main/v1/Namespace//web", "main/storage.k8s.io/v1/StorageClass//gp3"] {
            assert_eq!(ObjectId::parse(id).map(|id| id.to_string()).ok().as_deref(), Some(id));
        }
        for id in ["main/v1/Namespace/web", "main", "", "main/v1/Namespace//", "a/b/c/d/e/f/g"] {
            assert!(ObjectId::parse(id).is_err(), "{id}");
        }
    }
}
