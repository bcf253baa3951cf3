//! `eks_access_entry`: permissions of an IAM principal in a cluster.

mod preflight;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_eks::types::{AccessEntry, AccessScope as SdkScope, AccessScopeType, AssociatedAccessPolicy};
use serde::{Deserialize, Deserializer};

use super::eks_cluster::{AuthenticationMode, EksCluster, list_in_clusters, split_id};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        ArnOutput, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Problem, Questions, Ref, Resource,
        Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// Permissions of an IAM principal in a cluster. The cluster's `authentication_mode` must not be `CONFIG_MAP`.
#[spec]
pub struct EksAccessEntry {
    /// The cluster.
    #[field(replaces, parent, unique = "principal")]
    pub cluster: Ref<EksCluster>,
    /// ARN of a role or user, such as `{{ iam_role.deployer.arn }}`.
    // The entry holds the unique id of the role or user and does not work for another one with the same ARN:
    // https://docs.aws.amazon.com/eks/latest/APIReference/API_AccessEntry.html
    #[field(important, replaces, bound, unique = "principal")]
    pub principal_arn: String,
    /// Type of the principal. EKS creates the entries for nodes of managed node groups and for Fargate.
    #[field(default = AccessEntryType::Standard, replaces)]
    #[serde(rename = "type")]
    pub kind: AccessEntryType,
    /// Kubernetes groups, for role bindings in the cluster.
    #[field(default, important)]
    pub kubernetes_groups: BTreeSet<String>,
    /// Kubernetes user name.
    #[field(unset = "a name that AWS derives from the ARN", dropped(impossible, "EKS derives the name only when the entry is created"))]
    pub username: Option<String>,
    /// EKS access policies.
    #[field(default, important, after_create)]
    pub policies: BTreeSet<AccessPolicy>,
}

/// Type of a principal.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessEntryType {
    /// User or application.
    Standard,
    /// Nodes of EKS Auto Mode.
    Ec2,
    /// Self-managed Linux nodes.
    Ec2Linux,
    /// Self-managed Windows nodes.
    Ec2Windows,
    /// Fargate.
    FargateLinux,
    /// Nodes outside AWS.
    HybridLinux,
    /// Nodes of SageMaker HyperPod.
    HyperpodLinux,
}

/// An EKS access policy and its scope.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessPolicy {
    /// Name or ARN, such as `AmazonEKSClusterAdminPolicy`.
    #[field(risky("AmazonEKSClusterAdminPolicy", "the principal has full access within the scope"))]
    #[serde(deserialize_with = "name_of_policy")]
    pub policy: String,
    /// Scope of the policy.
    #[field(default = AccessScope::Cluster)]
    pub scope: AccessScope,
    /// Kubernetes namespaces, for `scope: namespace`; `*` matches any text.
    #[field(default)]
    pub namespaces: BTreeSet<String>,
}

/// Scope of an access policy.
#[spec]
#[derive(Copy)]
pub enum AccessScope {
    /// Entire cluster.
    Cluster,
    /// Selected namespaces.
    Namespace,
}

/// ARNs of access policies differ only in partition and name: `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`.
fn policy_name(policy: &str) -> &str {
    policy.rsplit_once(":cluster-access-policy/").map_or(policy, |(_, name)| name)
}

fn name_of_policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|policy| policy_name(&policy).to_owned())
}

impl Resource for EksAccessEntry {
    // The ARN has the principal's type (`role` or `user`), account and name.
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_access_entry",
        &services::eks::SERVICE,
        "{cluster}/{principal_arn}",
        "arn:aws:eks:{region}:{account}:access-entry/{cluster}/{hex8}/{account}/{hex8}/{uuid}",
    )
    .without_charge("permissions cost nothing")
    .iam_actions(
        IamActions::new("eks:access-entry/{parent}/*")
            .read(&["eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"])
            .change(&["eks:AssociateAccessPolicy", "eks:DeleteAccessEntry", "eks:DisassociateAccessPolicy", "eks:UpdateAccessEntry"])
            .questions(&["eks:ListAccessPolicies"])
            .grants(&[
                IamGrant::read(&["eks:ListAccessEntries"], GrantTarget::Arn("eks:cluster/{parent}")),
                IamGrant::change(&["eks:CreateAccessEntry"], GrantTarget::Referenced("eks_cluster")),
            ]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// Only the details have the tags. Entries that EKS created, for node roles and the cluster's creator, have no ownership tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| {
            let pages = aws.eks.list_access_entries().cluster_name(cluster).into_paginator().items().send();
            async { empty_for_config_map_clusters(pages.try_collect().await) }
        };
        let entries = match scope.waited_for() {
            Some(ids) => {
                ids.iter().map(|id| split_id(id).map(|(cluster, name)| (cluster.to_owned(), name.to_owned()))).collect::<Result<_>>()?
            }
            None => list_in_clusters(scope, list).await?,
        };
        for_each_concurrent(entries, |(cluster, principal)| async move {
            let reply = ok_or_not_found(aws.eks.describe_access_entry().cluster_name(&cluster).principal_arn(&principal).send().await)?;
            let entry =
                reply.and_then(|reply| reply.access_entry).filter(|entry| scope.owns(&services::eks::from_tags(entry.tags.as_ref())));
            let Some(entry) = entry else { return Ok(None) };
            // AWS does not list policies of entries that can't have any.
            let policies = if entry.r#type().is_none_or(|kind| ["STANDARD", "EC2"].contains(&kind)) {
                let pages = aws.eks.list_associated_access_policies().cluster_name(&cluster).principal_arn(&principal);
                ok_or_not_found(pages.into_paginator().items().send().try_collect().await)?.unwrap_or_default()
            } else {
                Vec::new()
            };
            read(cluster, principal, entry, policies).map(Some)
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let reply = cx
            .eks
            .create_access_entry()
            .cluster_name(self.cluster.get())
            .principal_arn(&self.principal_arn)
            .client_request_token(&cx.call.token)
            .r#type(to_aws(&self.kind))
            .set_kubernetes_groups((!self.kubernetes_groups.is_empty()).then(|| self.kubernetes_groups.iter().cloned().collect()))
            .set_username(self.username.clone())
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        let entry = reply.access_entry.ok_or_else(|| Error::missing_field("accessEntry"))?;
        let (cluster, principal) = (self.cluster.get().to_owned(), self.principal_arn.clone());
        let id = format!("{cluster}/{principal}");
        Ok(Created::from_answer(id, read(cluster, principal, entry, Vec::new())))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksAccessEntryChanges) -> Result<()> {
        let (cluster, principal) = split_id(&live.id)?;
        let (eks, before) = (&cx.eks, &live.spec);
        if changes.kubernetes_groups || changes.username {
            let groups = self.kubernetes_groups.iter().cloned().collect();
            let call = eks.update_access_entry().cluster_name(cluster).principal_arn(principal).set_kubernetes_groups(Some(groups));
            call.set_username(self.username.clone()).send().await?;
        }
        // Associating a policy again changes its scope.
        for policy in self.policies.difference(&before.policies) {
            let scope = SdkScope::builder().r#type(to_aws(&policy.scope).as_str().into());
            let namespaces = (!policy.namespaces.is_empty()).then(|| policy.namespaces.iter().cloned().collect());
            let call = eks.associate_access_policy().cluster_name(cluster).principal_arn(principal);
            call.policy_arn(policy_arn(principal, &policy.policy)).access_scope(scope.set_namespaces(namespaces).build()).send().await?;
        }
        for old in before.policies.iter().filter(|old| !self.policies.iter().any(|new| new.policy == old.policy)) {
            let call = eks.disassociate_access_policy().cluster_name(cluster).principal_arn(principal);
            call.policy_arn(policy_arn(principal, &old.policy)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, principal) = split_id(&live.id)?;
        cx.eks.delete_access_entry().cluster_name(cluster).principal_arn(principal).send().await?;
        Ok(Deletion::Requested)
    }

    /// EKS gives the creator of a cluster an entry; creating it again would fail once the cluster exists.
    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: EksAccessEntryChanges) -> Vec<Problem> {
        let unknown = if changes.policies { preflight::unknown_policies(self, questions).await } else { Vec::new() };
        let Some(cluster) = questions.planned(&self.cluster).filter(|_| changes.principal_arn && questions.creates(&self.cluster)) else {
            return unknown;
        };
        let is_given = cluster.bootstrap_cluster_creator_admin_permissions != Some(false)
            && cluster.authentication_mode != Some(AuthenticationMode::ConfigMap);
        if !is_given || !caller(questions).await.is_some_and(|caller| is_principal(&caller, &self.principal_arn)) {
            return unknown;
        }
        let message = "EKS gives this principal, which creates the cluster, an access entry of its own";
        let help = "remove this entry, or set `bootstrap_cluster_creator_admin_permissions: false` on the cluster";
        unknown.into_iter().chain([Problem::new(Self::POINTERS.principal_arn, message).help(help)]).collect()
    }

    // https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let principal = &self.principal_arn;
        if !principal.contains("${") && !principal.contains(":role/") && !principal.contains(":user/") {
            let problem = Problem::new(Self::POINTERS.principal_arn, format!("`{principal}` is not the ARN of a role or user"));
            problems.push(problem.help("an ARN looks like `arn:aws:iam::123456789012:role/deployer`"));
        }
        let reserved = |group: &&String| ["system:", "eks:", "aws:", "amazon:", "iam:"].iter().any(|prefix| group.starts_with(prefix));
        for group in self.kubernetes_groups.iter().filter(reserved) {
            let problem = Problem::new(Self::POINTERS.kubernetes_groups, format!("the group `{group}` is reserved"));
            problems.push(problem.help("bind roles to a group of your own, or use `policies`, such as AmazonEKSClusterAdminPolicy"));
        }
        if self.kind != AccessEntryType::Standard && !self.kubernetes_groups.is_empty() {
            problems.push(Problem::new(Self::POINTERS.kind, "only `STANDARD` entries can have `kubernetes_groups`"));
        }
        // Nodes of EKS Auto Mode get their permissions from `AmazonEKSAutoNodePolicy`.
        if !matches!(self.kind, AccessEntryType::Standard | AccessEntryType::Ec2) && !self.policies.is_empty() {
            problems.push(Problem::new(Self::POINTERS.kind, "only `STANDARD` and `EC2` entries can have `policies`"));
        }
        let mut seen = BTreeMap::new();
        for (index, policy) in self.policies.iter().enumerate() {
            if (policy.scope == AccessScope::Namespace) == policy.namespaces.is_empty() {
                let message = "`scope: namespace` requires `namespaces`, and no other scope accepts them";
                problems.push(Problem::new(Self::POINTERS.policies.item(index).field(AccessPolicy::POINTERS.namespaces), message));
            }
            if seen.insert(&policy.policy, index).is_some() {
                let message = format!("`{}` is associated twice", policy.policy);
                problems.push(Problem::new(Self::POINTERS.policies.item(index), message).help("list all its namespaces in one entry"));
            }
        }
        problems
    }
}

/// ARN of the caller.
async fn caller(questions: &Questions<'_, Aws>) -> Option<String> {
    let call = |aws: &Aws| {
        let call = aws.sts.get_caller_identity();
        async move { Ok(call.send().await?.arn.unwrap_or_default()) }
    };
    questions.ask("sts:GetCallerIdentity", "", call).await
}

/// Whether a caller is this role or user. A caller with a role has the ARN of a session, which lacks the path of the role:
/// `arn:aws:sts::123456789012:assumed-role/deployer/ci` for `arn:aws:iam::123456789012:role/ci/deployer`.
fn is_principal(caller: &str, principal: &str) -> bool {
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    let Some((_, session)) = caller.split_once(":assumed-role/") else { return caller == principal };
    let role = session.split('/').next();
    let is_role = principal.contains(":role/") && principal.rsplit('/').next() == role;
    is_role && account(caller) == account(principal)
}

/// A cluster with permissions in a config map has no entries, and EKS rejects the list call.
fn empty_for_config_map_clusters<E: Into<Error>>(listed: Result<Vec<String>, E>) -> Result<Vec<String>> {
    match listed.map_err(Into::into) {
        Err(error) if error.code == "InvalidRequestException" && error.message.contains("authentication mode") => Ok(Vec::new()),
        listed => listed,
    }
}

/// The policy's ARN, in the principal's partition.
pub fn policy_arn(principal: &str, policy: &str) -> String {
    format!("arn:{}:eks::aws:cluster-access-policy/{policy}", principal.split(':').nth(1).unwrap_or("aws"))
}

fn read(cluster: String, principal: String, entry: AccessEntry, policies: Vec<AssociatedAccessPolicy>) -> Result<Observed<EksAccessEntry>> {
    let policies = policies.into_iter().map(|policy| {
        let scope = policy.access_scope.as_ref();
        AccessPolicy {
            policy: policy_name(policy.policy_arn.as_deref().unwrap_or_default()).to_owned(),
            scope: match scope.and_then(|scope| scope.r#type.as_ref()) {
                Some(AccessScopeType::Namespace) => AccessScope::Namespace,
                _ => AccessScope::Cluster,
            },
            namespaces: scope.and_then(|scope| scope.namespaces.clone()).unwrap_or_default().into_iter().collect(),
        }
    });
    let id = format!("{cluster}/{principal}");
    let spec = EksAccessEntry {
        cluster: Ref::to(cluster),
        principal_arn: principal,
        kind: entry.r#type.map(|kind| from_aws(&kind)).transpose()?.unwrap_or(AccessEntryType::Standard),
        kubernetes_groups: entry.kubernetes_groups.unwrap_or_default().into_iter().collect(),
        username: entry.username,
        policies: policies.collect(),
    };
    let outputs = ArnOutput { arn: entry.access_entry_arn.ok_or_else(|| Error::missing_field("accessEntryArn"))? };
    Ok(Observed::new(id, services::eks::from_tags(entry.tags.as_ref()), spec, outputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_caller() {
        let session = "arn:aws:sts::123456789012:assumed-role/deployer/ci";
        for (caller, principal, same) in [
            (session, "arn:aws:iam::123456789012:role/deployer", true),
            (session, "arn:aws:iam::123456789012:role/ci/deployer", true),
            (session, "arn:aws:iam::123456789012:role/deployer/other", false),
            (session, "arn:aws:iam::123456789012:user/deployer", false),
            (session, "arn:aws:iam::210987654321:role/deployer", false),
            ("arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/ann", true),
            ("arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/bob", false),
        ] {
            assert_eq!(is_principal(caller, principal), same, "{caller} {principal}");
        }
    }
}
