//! `eks_access_entry`: what an IAM principal may do in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::{AccessEntry, AccessScope as SdkScope, AccessScopeType, AssociatedAccessPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::eks_cluster::{EksCluster, inside, of_clusters};
use crate::{
    aws::{Aws, each, tags, text, word},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem, Ref,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// What an IAM principal may do in a cluster. The cluster's `authentication_mode` must not be `CONFIG_MAP`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksAccessEntry {
    /// The cluster. Changing it replaces the entry.
    pub cluster: Ref<EksCluster>,
    /// ARN of a role or user, such as `{{ iam_role.deployer.arn }}`. Changing it replaces the entry.
    pub principal_arn: String,
    /// What the principal is; nodes of managed node groups and Fargate get their entries from EKS. Default: `STANDARD`. Changing it
    /// replaces the entry.
    #[serde(default, rename = "type")]
    pub kind: AccessEntryType,
    /// Kubernetes groups that role bindings in the cluster name. Default: none.
    #[serde(default)]
    pub kubernetes_groups: BTreeSet<String>,
    /// Kubernetes user name. Default: AWS makes one of the ARN.
    #[serde(default)]
    pub username: Option<String>,
    /// EKS access policies. Default: none.
    #[serde(default)]
    pub policies: BTreeSet<AccessPolicy>,
}

/// What the principal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessEntryType {
    /// A person or a program.
    #[default]
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

/// An EKS access policy and where it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessPolicy {
    /// Name or ARN, such as `AmazonEKSClusterAdminPolicy`.
    #[serde(deserialize_with = "name_of_policy")]
    pub policy: String,
    /// Where it holds. Default: `cluster`.
    #[serde(default)]
    pub scope: AccessScope,
    /// Kubernetes namespaces it holds in, for `scope: namespace`; `*` stands for any text. Default: none.
    #[serde(default)]
    pub namespaces: BTreeSet<String>,
}

/// Where an access policy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessScope {
    /// In the whole cluster.
    #[default]
    Cluster,
    /// In some namespaces.
    Namespace,
}

/// ARNs of access policies differ only in partition and name: `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`.
fn short(policy: &str) -> &str {
    policy.rsplit_once(":cluster-access-policy/").map_or(policy, |(_, name)| name)
}

fn name_of_policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|policy| short(&policy).to_owned())
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for EksAccessEntry {
    const TYPE: &'static str = "eks_access_entry";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:access-entry/");
    const REPLACE: &'static [&'static str] = &["/cluster", "/principal_arn", "/type"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/cluster", "/principal_arn"]];
    const PARENT: Option<&'static str> = Some("eks_cluster");
    const ACTIONS: Actions = Actions::on("eks:access-entry/{parent}/*")
        .read(&["eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"])
        .change(&["eks:AssociateAccessPolicy", "eks:DeleteAccessEntry", "eks:DisassociateAccessPolicy", "eks:UpdateAccessEntry"])
        .more(&[
            Grant::read(&["eks:ListAccessEntries"], On::Arn("eks:cluster/{parent}")),
            Grant::change(&["eks:CreateAccessEntry"], On::Used("eks_cluster")),
        ]);
    type Outputs = Outputs;

    /// Tags come only with the details. Entries EKS made for node roles and the cluster's creator carry no marks and are left out.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| {
            let pages = aws.eks.list_access_entries().cluster_name(cluster).into_paginator().items().send();
            async { none_in_config_map(pages.try_collect().await) }
        };
        each(of_clusters(scope, list).await?, |(cluster, principal)| async move {
            let reply = ok_or_not_found(aws.eks.describe_access_entry().cluster_name(&cluster).principal_arn(&principal).send().await)?;
            let entry = reply.and_then(|reply| reply.access_entry).filter(|entry| scope.owns(&tags::from_map(entry.tags.as_ref())));
            let Some(entry) = entry else { return Ok(None) };
            // AWS refuses to list the policies of entries that cannot have any.
            let policies = if entry.r#type().is_none_or(|kind| ["STANDARD", "EC2"].contains(&kind)) {
                let pages = aws.eks.list_associated_access_policies().cluster_name(&cluster).principal_arn(&principal);
                ok_or_not_found(pages.into_paginator().items().send().try_collect().await)?.unwrap_or_default()
            } else {
                Vec::new()
            };
            observed(cluster, principal, entry, policies).map(Some)
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        cx.aws
            .eks
            .create_access_entry()
            .cluster_name(self.cluster.get())
            .principal_arn(&self.principal_arn)
            .client_request_token(cx.token)
            .r#type(text(&self.kind))
            .set_kubernetes_groups((!self.kubernetes_groups.is_empty()).then(|| self.kubernetes_groups.iter().cloned().collect()))
            .set_username(self.username.clone())
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        Ok(format!("{}/{}", self.cluster.get(), self.principal_arn))
    }

    fn created(&self) -> Self {
        EksAccessEntry { policies: BTreeSet::new(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let (cluster, principal) = inside(id)?;
        let eks = &cx.aws.eks;
        if changed.any(&["/kubernetes_groups", "/username"]) {
            let groups = self.kubernetes_groups.iter().cloned().collect();
            let call = eks.update_access_entry().cluster_name(cluster).principal_arn(principal).set_kubernetes_groups(Some(groups));
            call.set_username(self.username.clone()).send().await?;
        }
        // Associating a policy anew changes where it holds.
        for policy in self.policies.difference(&before.policies) {
            let scope = SdkScope::builder().r#type(text(&policy.scope).as_str().into());
            let namespaces = (!policy.namespaces.is_empty()).then(|| policy.namespaces.iter().cloned().collect());
            let call = eks.associate_access_policy().cluster_name(cluster).principal_arn(principal);
            call.policy_arn(arn(principal, &policy.policy)).access_scope(scope.set_namespaces(namespaces).build()).send().await?;
        }
        for old in before.policies.iter().filter(|old| !self.policies.iter().any(|new| new.policy == old.policy)) {
            let call = eks.disassociate_access_policy().cluster_name(cluster).principal_arn(principal);
            call.policy_arn(arn(principal, &old.policy)).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (cluster, principal) = inside(id)?;
        cx.aws.eks.delete_access_entry().cluster_name(cluster).principal_arn(principal).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.kind != AccessEntryType::Standard && !self.kubernetes_groups.is_empty() {
            problems.push(Problem::new("/type", "only `STANDARD` entries can have `kubernetes_groups`"));
        }
        // Nodes of EKS Auto Mode get what they may do from `AmazonEKSAutoNodePolicy`.
        if !matches!(self.kind, AccessEntryType::Standard | AccessEntryType::Ec2) && !self.policies.is_empty() {
            problems.push(Problem::new("/type", "only `STANDARD` and `EC2` entries can have `policies`"));
        }
        let mut seen = BTreeMap::new();
        for (index, policy) in self.policies.iter().enumerate() {
            if (policy.scope == AccessScope::Namespace) == policy.namespaces.is_empty() {
                let problem =
                    Problem::new(format!("/policies/{index}/namespaces"), "namespaces go with `scope: namespace`, and with no other");
                problems.push(problem);
            }
            if seen.insert(&policy.policy, index).is_some() {
                let message = format!("`{}` is associated twice", policy.policy);
                problems.push(Problem::new(format!("/policies/{index}"), message).help("name all its namespaces in one place"));
            }
        }
        problems
    }
}

/// A cluster that keeps permissions in a config map has no entries, and refuses to list them.
fn none_in_config_map<E: Into<Error>>(listed: Result<Vec<String>, E>) -> Result<Vec<String>> {
    match listed.map_err(Into::into) {
        Err(error) if error.code == "InvalidRequestException" && error.message.contains("authentication mode") => Ok(Vec::new()),
        listed => listed,
    }
}

/// The policy's ARN, in the principal's partition.
pub(crate) fn arn(principal: &str, policy: &str) -> String {
    format!("arn:{}:eks::aws:cluster-access-policy/{policy}", principal.split(':').nth(1).unwrap_or("aws"))
}

fn observed(
    cluster: String,
    principal: String,
    entry: AccessEntry,
    policies: Vec<AssociatedAccessPolicy>,
) -> Result<Observed<EksAccessEntry>> {
    let policies = policies.into_iter().map(|policy| {
        let scope = policy.access_scope.as_ref();
        AccessPolicy {
            policy: short(policy.policy_arn.as_deref().unwrap_or_default()).to_owned(),
            scope: match scope.and_then(|scope| scope.r#type.as_ref()) {
                Some(AccessScopeType::Namespace) => AccessScope::Namespace,
                _ => AccessScope::Cluster,
            },
            namespaces: scope.and_then(|scope| scope.namespaces.clone()).unwrap_or_default().into_iter().collect(),
        }
    });
    Ok(Observed {
        id: format!("{cluster}/{principal}"),
        tags: tags::from_map(entry.tags.as_ref()),
        phase: Phase::Ready,
        spec: EksAccessEntry {
            cluster: Ref::to(cluster),
            principal_arn: principal,
            kind: entry.r#type.map(|kind| word(&kind)).transpose()?.unwrap_or_default(),
            kubernetes_groups: entry.kubernetes_groups.unwrap_or_default().into_iter().collect(),
            username: entry.username,
            policies: policies.collect(),
        },
        outputs: Outputs { arn: entry.access_entry_arn.ok_or_else(|| Error::missing("accessEntryArn"))? },
    })
}
