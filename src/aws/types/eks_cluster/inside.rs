//! What the types of things inside a cluster share (`eks_node_group`, `eks_addon`, …).

use std::future::Future;

use aws_sdk_eks::types::{Update, UpdateStatus};

use crate::{
    aws::{Aws, each},
    core::{Error, Result, Scope, Sort, ok_or_not_found},
};

/// A state with its reasons, in AWS's words, and what they are about: `CREATE_FAILED: NodeCreationFailure: … (i-1, i-2)`.
pub(in crate::aws::types) fn told<'a>(
    status: &str,
    issues: impl Iterator<Item = (Option<&'a str>, Option<&'a str>, &'a [String])>,
) -> String {
    issues.fold(status.to_owned(), |all, (code, message, about)| {
        let told = [Some(all.as_str()), code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        if about.is_empty() { told } else { format!("{told} ({})", about.join(", ")) }
    })
}

/// Cluster and name from the id of something inside a cluster; a cluster's name has no `/`.
pub(in crate::aws::types) fn inside(id: &str) -> Result<(&str, &str)> {
    id.split_once('/').ok_or_else(|| Error::new(Sort::Refused, "Shape", format!("`{id}` is not of the form cluster/name")))
}

/// What a call lists in each live cluster, beside the cluster's name.
pub(in crate::aws::types) async fn of_clusters<T, E, F>(scope: &Scope, list: impl Fn(&str) -> F) -> Result<Vec<(String, T)>>
where
    E: Into<Error>,
    F: Future<Output = Result<Vec<T>, E>>,
{
    let mut all = Vec::new();
    for cluster in &scope.parents {
        let listed = ok_or_not_found(list(cluster).await)?.unwrap_or_default();
        all.extend(listed.into_iter().map(|one| (cluster.clone(), one)));
    }
    Ok(all)
}

/// Why the last update of a cluster, or of a node group in it, failed, in AWS's words; `None` if it did not.
pub(in crate::aws::types) async fn failed_update(aws: &Aws, cluster: &str, group: Option<&str>) -> Result<Option<String>> {
    let group = group.map(str::to_owned);
    let list = aws.eks.list_updates().name(cluster).set_nodegroup_name(group.clone()).into_paginator().items().send();
    let ids: Vec<String> = list.try_collect().await?;
    let read = |id: String| {
        let call = aws.eks.describe_update().name(cluster).set_nodegroup_name(group.clone()).update_id(id).send();
        async move { Ok(ok_or_not_found(call.await)?.and_then(|reply| reply.update)) }
    };
    let updates: Vec<Update> = each(ids, read).await?;
    let last = updates.into_iter().max_by_key(|update| update.created_at.map(|time| (time.secs(), time.subsec_nanos())));
    Ok(last.filter(|update| update.status == Some(UpdateStatus::Failed)).map(|update| {
        let errors = update.errors().iter();
        told("Failed", errors.map(|error| (error.error_code().map(|code| code.as_str()), error.error_message(), error.resource_ids())))
    }))
}

/// Whether reading this one's details is worth a call; the ARNs of such things are `…:<kind>/<cluster>/<name>/<uuid>`.
pub(in crate::aws::types) fn covers(scope: &Scope, kind: &str, cluster: &str, name: &str) -> bool {
    let part = format!(":{kind}/{cluster}/{name}/");
    scope.covers(name, "") || scope.index.as_ref().is_none_or(|index| index.keys().any(|arn| arn.contains(&part)))
}
