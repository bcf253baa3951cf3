//! `eks_fargate_profile`: which pods of a cluster run without nodes of one's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_sdk_eks::types::{FargateProfile, FargateProfileSelector, FargateProfileStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    eks_cluster::{EksCluster, PASSED_TO, covers, inside, of_clusters, told},
    iam_role::IamRole,
    subnet::Subnet,
};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, ArnRef, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase,
        Problem, Ref, Result, Scope, Service, ids, ok_or_not_found,
    },
};

/// Which pods of a cluster run without nodes of one's own. AWS changes nothing of it: every change replaces the profile.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksFargateProfile {
    /// The cluster. Changing it replaces the profile.
    pub cluster: Ref<EksCluster>,
    /// Name, at most 63 letters, digits, `-` and `_`. Default: `<stack>-<environment>-<name>`. Changing it replaces the profile.
    #[serde(default)]
    pub name: Option<String>,
    /// The role Fargate fetches images and registers nodes with; it trusts `eks-fargate-pods.amazonaws.com`. Changing it replaces the
    /// profile.
    pub pod_execution_role: ArnRef<IamRole>,
    /// Subnets the pods start in, private ones only. Changing them replaces the profile.
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Which pods, one to five selectors. Changing them replaces the profile.
    pub selectors: BTreeSet<Selector>,
}

/// Pods of a namespace that carry all these labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Kubernetes namespace; `*` and `?` are wildcards.
    pub namespace: String,
    /// Labels, at most five. Default: none, which means every pod.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for EksFargateProfile {
    const TYPE: &'static str = "eks_fargate_profile";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:fargateprofile/");
    const REPLACE: &'static [&'static str] = &["/cluster", "/name", "/pod_execution_role", "/subnets", "/selectors"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/cluster", "/name"]];
    // Fargate labels each pod with the profile's name, and a Kubernetes label holds 63 characters.
    const NAME: Option<Naming> = Some(Naming { max: 63, lower: false, prefix: "" });
    const PARENT: Option<&'static str> = Some("eks_cluster");
    /// Half a minute to six; a cluster makes one at a time, and the others wait for it.
    const USUAL: Duration = Duration::from_secs(150);
    const ACTIONS: Actions =
        Actions::on("eks:fargateprofile/{parent}/*").read(&["eks:DescribeFargateProfile"]).change(&["eks:DeleteFargateProfile"]).more(&[
            Grant::read(&["eks:ListFargateProfiles"], On::Arn("eks:cluster/{parent}")),
            Grant::change(&["eks:CreateFargateProfile"], On::Used("eks_cluster")),
            Grant::change(&["iam:PassRole"], On::Passed(PASSED_TO)),
            Grant::change(&["iam:CreateServiceLinkedRole"], On::ServiceLinked("eks-fargate.amazonaws.com")),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_fargate_profiles().cluster_name(cluster).into_paginator().items().send().try_collect();
        let profiles = of_clusters(scope, list).await?.into_iter().filter(|(cluster, name)| covers(scope, "fargateprofile", cluster, name));
        each(profiles, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_fargate_profile().cluster_name(cluster).fargate_profile_name(name).send().await)?;
            reply.and_then(|reply| reply.fargate_profile).map(observed).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let selectors = self.selectors.iter().map(|selector| {
            let labels = (!selector.labels.is_empty()).then(|| selector.labels.clone().into_iter().collect());
            FargateProfileSelector::builder().namespace(&selector.namespace).set_labels(labels).build()
        });
        let reply = cx
            .aws
            .eks
            .create_fargate_profile()
            .cluster_name(self.cluster.get())
            .set_fargate_profile_name(self.name.clone())
            .client_request_token(cx.token)
            .pod_execution_role_arn(self.pod_execution_role.get())
            .set_subnets(Some(ids(&self.subnets)))
            .set_selectors(Some(selectors.collect()))
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        let name = reply.fargate_profile.and_then(|profile| profile.fargate_profile_name);
        Ok(format!("{}/{}", self.cluster.get(), name.ok_or_else(|| Error::missing("fargateProfileName"))?))
    }

    /// There is no call for it, and every field replaces.
    async fn update(&self, _: &Cx<'_>, _: &str, _: &Self, _: &Changed) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (cluster, name) = inside(id)?;
        cx.aws.eks.delete_fargate_profile().cluster_name(cluster).fargate_profile_name(name).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.subnets.is_empty() {
            problems.push(Problem::new("/subnets", "a profile needs a private subnet"));
        }
        if !(1..=5).contains(&self.selectors.len()) {
            problems.push(Problem::new("/selectors", "a profile has one to five selectors"));
        }
        for (index, _) in self.selectors.iter().enumerate().filter(|(_, selector)| selector.labels.len() > 5) {
            problems.push(Problem::new(format!("/selectors/{index}/labels"), "a selector has at most five labels"));
        }
        problems
    }
}

fn observed(profile: FargateProfile) -> Result<Observed<EksFargateProfile>> {
    let cluster = profile.cluster_name.ok_or_else(|| Error::missing("clusterName"))?;
    let name = profile.fargate_profile_name.ok_or_else(|| Error::missing("fargateProfileName"))?;
    let status = profile.status.ok_or_else(|| Error::missing("status"))?;
    let issues = profile.health.and_then(|health| health.issues).unwrap_or_default();
    let told = || {
        told(
            status.as_str(),
            issues.iter().map(|issue| (issue.code.as_ref().map(|code| code.as_str()), issue.message(), issue.resource_ids())),
        )
    };
    let selectors = profile.selectors.unwrap_or_default().into_iter().map(|selector| Selector {
        namespace: selector.namespace.unwrap_or_default(),
        labels: selector.labels.unwrap_or_default().into_iter().collect(),
    });
    Ok(Observed {
        id: format!("{cluster}/{name}"),
        tags: tags::from_map(profile.tags.as_ref()),
        phase: match status {
            FargateProfileStatus::Active => Phase::Ready,
            FargateProfileStatus::CreateFailed | FargateProfileStatus::DeleteFailed => Phase::Failed(told()),
            FargateProfileStatus::Deleting => Phase::Leaving,
            _ => Phase::Settling(told()),
        },
        spec: EksFargateProfile {
            cluster: Ref::to(cluster),
            name: Some(name),
            pod_execution_role: Ref::to(profile.pod_execution_role_arn.unwrap_or_default()),
            subnets: profile.subnets.into_iter().flatten().map(Ref::to).collect(),
            selectors: selectors.collect(),
        },
        outputs: Outputs { arn: profile.fargate_profile_arn.unwrap_or_default() },
    })
}
