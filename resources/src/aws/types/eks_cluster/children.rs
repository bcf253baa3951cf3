//! Shared by the types of resources that live in a cluster (`eks_node_group`, `eks_addon`, …).

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use aws_sdk_eks::types::{self as eks, Update, UpdateStatus};

use crate::{
    aws::{Aws, for_each_concurrent},
    core::{Error, ErrorKind, Result, Scope, Tags, ok_or_not_found},
};

/// A problem that EKS reports.
pub(in crate::aws::types) trait Issue {
    /// Code, message and affected resources.
    fn issue_parts(&self) -> (Option<&str>, Option<&str>, &[String]);
}

macro_rules! impl_issue {
    ($($type:ty)*) => {$(
        impl Issue for $type {
            fn issue_parts(&self) -> (Option<&str>, Option<&str>, &[String]) {
                (self.code().map(|code| code.as_str()), self.message(), self.resource_ids())
            }
        }
    )*};
}
impl_issue! { eks::ClusterIssue eks::Issue eks::AddonIssue eks::FargateProfileIssue }

impl Issue for eks::CapabilityIssue {
    fn issue_parts(&self) -> (Option<&str>, Option<&str>, &[String]) {
        (self.code().map(|code| code.as_str()), self.message(), &[])
    }
}

impl Issue for eks::ErrorDetail {
    fn issue_parts(&self) -> (Option<&str>, Option<&str>, &[String]) {
        (self.error_code().map(|code| code.as_str()), self.error_message(), self.resource_ids())
    }
}

/// Status with its reasons, as reported by AWS: `CREATE_FAILED: NodeCreationFailure: … (i-1, i-2)`.
pub(in crate::aws::types) fn with_reasons<I: Issue>(status: &str, issues: &[I]) -> String {
    issues.iter().map(Issue::issue_parts).fold(status.to_owned(), |all, (code, message, resources)| {
        let text = [Some(all.as_str()), code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        if resources.is_empty() { text } else { format!("{text} ({})", resources.join(", ")) }
    })
}

/// Cluster and name from the id of a resource in a cluster; a cluster's name has no `/`.
pub(in crate::aws::types) fn split_id(id: &str) -> Result<(&str, &str)> {
    id.split_once('/').ok_or_else(|| Error::new(ErrorKind::Rejected, "Shape", format!("`{id}` does not have the form cluster/name")))
}

/// Clusters and names of the resources to read. ARNs of the type begin with `…:<part>/<cluster>/<name>`. Only where ids and index do not tell,
/// `list` is called for each cluster; `may_own` then tells by the name whether reading one that the index does not show is worth a call.
pub(in crate::aws::types) async fn names_in_clusters<E, F>(
    scope: &Scope,
    part: &str,
    may_own: impl Fn(&str) -> bool,
    list: impl Fn(&str) -> F,
) -> Result<Vec<(String, String)>>
where
    E: Into<Error>,
    F: Future<Output = Result<Vec<String>, E>>,
{
    let owned = |(cluster, name): (&str, &str)| (cluster.to_owned(), name.to_owned());
    // Its name need not begin with the prefix of the stack.
    if let Some(id) = &scope.adopt {
        return Ok(split_id(id).map(owned).into_iter().collect());
    }
    if let Some(ids) = scope.waited_for() {
        return ids.iter().map(|id| split_id(id).map(owned)).collect();
    }
    let indexed = |arn: &str| {
        let (_, rest) = arn.split_once(&format!(":{part}/"))?;
        let mut names = rest.split('/');
        Some(owned((names.next()?, names.next()?)))
    };
    let indexed = |index: &BTreeMap<String, Tags>| index.keys().filter_map(|arn| indexed(arn)).collect::<BTreeSet<_>>();
    if let Some(index) = scope.complete_index() {
        return Ok(indexed(index).into_iter().collect());
    }
    let indexed = scope.tag_index.as_deref().map(indexed);
    let may_own = |child: &(String, String)| may_own(&child.1) || indexed.as_ref().is_none_or(|all| all.contains(child));
    Ok(list_in_clusters(scope, list).await?.into_iter().filter(may_own).collect())
}

/// Results of a list call for each live cluster, with the cluster's name.
pub(in crate::aws::types) async fn list_in_clusters<T, E, F>(scope: &Scope, list: impl Fn(&str) -> F) -> Result<Vec<(String, T)>>
where
    E: Into<Error>,
    F: Future<Output = Result<Vec<T>, E>>,
{
    let mut all = Vec::new();
    for cluster in &scope.parent_ids {
        let listed = ok_or_not_found(list(cluster).await)?.unwrap_or_default();
        all.extend(listed.into_iter().map(|one| (cluster.clone(), one)));
    }
    Ok(all)
}

/// AWS's reason why the last update of a cluster, or of a node group in it, failed; `None` if it succeeded.
pub(in crate::aws::types) async fn failed_update(aws: &Aws, cluster: &str, group: Option<&str>) -> Result<Option<String>> {
    let group = group.map(str::to_owned);
    let list = aws.eks.list_updates().name(cluster).set_nodegroup_name(group.clone()).into_paginator().items().send();
    let ids: Vec<String> = list.try_collect().await?;
    let read = |id: String| {
        let call = aws.eks.describe_update().name(cluster).set_nodegroup_name(group.clone()).update_id(id).send();
        async move { Ok(ok_or_not_found(call.await)?.and_then(|reply| reply.update)) }
    };
    let updates: Vec<Update> = for_each_concurrent(ids, read).await?;
    let last = updates.into_iter().max_by_key(|update| update.created_at.map(|time| (time.secs(), time.subsec_nanos())));
    let failed = last.filter(|update| update.status == Some(UpdateStatus::Failed));
    Ok(failed.map(|update| with_reasons("Failed", update.errors())))
}
