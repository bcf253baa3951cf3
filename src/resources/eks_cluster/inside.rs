//! What the types of things inside a cluster share (`eks_node_group`, `eks_addon`, …).

use std::future::Future;

use crate::aws::{Error, Result, Scope, Sort, found};

/// A state with its reasons, in AWS's words, and what they are about: `CREATE_FAILED: NodeCreationFailure: … (i-1, i-2)`.
pub(in crate::resources) fn told<'a>(
    status: &str,
    issues: impl Iterator<Item = (Option<&'a str>, Option<&'a str>, &'a [String])>,
) -> String {
    issues.fold(status.to_owned(), |all, (code, message, about)| {
        let told = [Some(all.as_str()), code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        if about.is_empty() { told } else { format!("{told} ({})", about.join(", ")) }
    })
}

/// Cluster and name from the id of something inside a cluster; a cluster's name has no `/`.
pub(in crate::resources) fn inside(id: &str) -> Result<(&str, &str)> {
    id.split_once('/').ok_or_else(|| Error::new(Sort::Refused, "Shape", format!("`{id}` is not of the form cluster/name")))
}

/// What a call lists in each live cluster, beside the cluster's name.
pub(in crate::resources) async fn of_clusters<T, E, F>(scope: &Scope, list: impl Fn(&str) -> F) -> Result<Vec<(String, T)>>
where
    E: Into<Error>,
    F: Future<Output = Result<Vec<T>, E>>,
{
    let mut all = Vec::new();
    for cluster in &scope.parents {
        let listed = found(list(cluster).await)?.unwrap_or_default();
        all.extend(listed.into_iter().map(|one| (cluster.clone(), one)));
    }
    Ok(all)
}

/// Whether reading this one's details is worth a call; the ARNs of such things are `…:<kind>/<cluster>/<name>/<uuid>`.
pub(in crate::resources) fn covers(scope: &Scope, kind: &str, cluster: &str, name: &str) -> bool {
    let part = format!(":{kind}/{cluster}/{name}/");
    scope.covers(name, "") || scope.index.as_ref().is_none_or(|index| index.keys().any(|arn| arn.contains(&part)))
}
