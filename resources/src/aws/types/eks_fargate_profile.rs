//! `eks_fargate_profile`: pods of a cluster that run on Fargate.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_eks::types::{FargateProfile, FargateProfileSelector, FargateProfileStatus};

use super::{
    eks_cluster::{EksCluster, PASS_ROLE_SERVICES, names_in_clusters, split_id, with_reasons},
    iam_role::{IamRole, check_trust},
    subnet::Subnet,
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, ArnRef, Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, PriceContext,
        Pricing, Problem, Product, Ref, Resource, Result, Scope, TypeInfo, UsageKey, ok_or_not_found, referenced_ids,
    },
};

/// Pods of a cluster that run on Fargate instead of nodes. AWS can't change a profile: every change replaces it.
#[spec]
pub struct EksFargateProfile {
    /// The cluster.
    #[field(replaces, parent, unique = "name")]
    pub cluster: Ref<EksCluster>,
    /// Name of letters, digits, `-` and `_`.
    // Fargate labels each pod with the profile's name, and a Kubernetes label has at most 63 characters.
    #[field(replaces, unique = "name", name(max = 63), pattern = "[0-9A-Za-z_-]+")]
    pub name: Option<String>,
    /// Role that Fargate uses to pull images and register nodes; must trust `eks-fargate-pods.amazonaws.com`.
    #[field(replaces, important)]
    pub pod_execution_role: ArnRef<IamRole>,
    /// Private subnets of the pods.
    #[field(replaces)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Selectors of the pods.
    #[field(replaces, length = 1..=5)]
    pub selectors: BTreeSet<Selector>,
}

/// Pods of a namespace that have all these labels.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// Kubernetes namespace; `*` and `?` are wildcards.
    #[field(length = 1..=63, pattern = "[a-z0-9*?]([a-z0-9*?-]*[a-z0-9*?])?")]
    pub namespace: String,
    /// Labels. Without labels, every pod of the namespace is selected.
    #[field(default, length = 0..=5)]
    pub labels: BTreeMap<String, String>,
}

/// vCPUs of all pods.
const VCPUS: UsageKey = UsageKey::new("vcpus", "vCPUs of all its pods, on average");
/// Memory of all pods.
const MEMORY_GB: UsageKey = UsageKey::new("memory_gb", "GB of memory of all its pods, on average");

impl Resource for EksFargateProfile {
    // Creating one takes between half a minute and six minutes; a cluster creates one at a time, and the others wait.
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_fargate_profile",
        &services::eks::SERVICE,
        "{cluster}/{name}",
        "arn:aws:eks:{region}:{account}:fargateprofile/{cluster}/{name}/{uuid}",
    )
    .typical_seconds(150)
    .longest_hours(3)
    .iam_actions(
        IamActions::new("eks:fargateprofile/{parent}/*")
            .read(&["eks:DescribeFargateProfile"])
            .change(&["eks:DeleteFargateProfile"])
            .grants(&[
                IamGrant::read(&["eks:ListFargateProfiles"], GrantTarget::Arn("eks:cluster/{parent}")),
                IamGrant::change(&["eks:CreateFargateProfile"], GrantTarget::Referenced("eks_cluster")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(PASS_ROLE_SERVICES)),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("eks-fargate.amazonaws.com")),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[VCPUS, MEMORY_GB];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// <https://aws.amazon.com/fargate/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AmazonEKS").family("Compute").usage_type(usage_type);
        Pricing::of(vec![
            context.metered_hourly("vCPUs of pods", &VCPUS, "vCPU-hours", product("Fargate-vCPU-Hours:perCPU")),
            context.metered_hourly("memory of pods", &MEMORY_GB, "GB-hours", product("Fargate-GB-Hours")),
        ])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_fargate_profiles().cluster_name(cluster).into_paginator().items().send().try_collect();
        let may_own = |name: &str| scope.may_own(name, "");
        for_each_concurrent(names_in_clusters(scope, "fargateprofile", may_own, list).await?, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_fargate_profile().cluster_name(cluster).fargate_profile_name(name).send().await)?;
            reply.and_then(|reply| reply.fargate_profile).map(read).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let selectors = self.selectors.iter().map(|selector| {
            let labels = (!selector.labels.is_empty()).then(|| selector.labels.clone().into_iter().collect());
            FargateProfileSelector::builder().namespace(&selector.namespace).set_labels(labels).build()
        });
        let reply = cx
            .eks
            .create_fargate_profile()
            .cluster_name(self.cluster.get())
            .set_fargate_profile_name(self.name.clone())
            .client_request_token(&cx.call.token)
            .pod_execution_role_arn(self.pod_execution_role.get())
            .set_subnets(Some(referenced_ids(&self.subnets)))
            .set_selectors(Some(selectors.collect()))
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        let name = reply.fargate_profile.and_then(|profile| profile.fargate_profile_name);
        let name = name.ok_or_else(|| Error::missing_field("fargateProfileName"))?;
        Ok(format!("{}/{name}", self.cluster.get()).into())
    }

    /// Every change replaces the profile.
    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: EksFargateProfileChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, name) = split_id(&live.id)?;
        cx.eks.delete_fargate_profile().cluster_name(cluster).fargate_profile_name(name).send().await?;
        Ok(Deletion::Requested)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(profile) = declared.spec() else { return Vec::new() };
        check_trust(declared, Self::POINTERS.pod_execution_role, &profile.pod_execution_role, "eks-fargate-pods.amazonaws.com")
            .into_iter()
            .collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.subnets.is_empty() {
            problems.push(Problem::new(Self::POINTERS.subnets, "a profile needs a private subnet"));
        }
        // AWS: "The fargate profile name starts with the reserved prefix: 'eks-'."
        if self.name.as_ref().is_some_and(|name| name.starts_with("eks-")) {
            problems.push(
                Problem::new(Self::POINTERS.name, "the name of a Fargate profile can't begin with `eks-`").help("set another `name`"),
            );
        }
        problems
    }
}

fn read(profile: FargateProfile) -> Result<Observed<EksFargateProfile>> {
    let cluster = profile.cluster_name.ok_or_else(|| Error::missing_field("clusterName"))?;
    let name = profile.fargate_profile_name.ok_or_else(|| Error::missing_field("fargateProfileName"))?;
    let status = profile.status.ok_or_else(|| Error::missing_field("status"))?;
    let issues = profile.health.and_then(|health| health.issues).unwrap_or_default();
    let status_text = || with_reasons(status.as_str(), &issues);
    let phase = match status {
        FargateProfileStatus::Active => Phase::Ready,
        FargateProfileStatus::CreateFailed | FargateProfileStatus::DeleteFailed => Phase::Failed(status_text()),
        FargateProfileStatus::Deleting => Phase::Deleting,
        _ => Phase::Progressing(status_text()),
    };
    let selectors = profile.selectors.unwrap_or_default().into_iter().map(|selector| Selector {
        namespace: selector.namespace.unwrap_or_default(),
        labels: selector.labels.unwrap_or_default().into_iter().collect(),
    });
    let id = format!("{cluster}/{name}");
    let spec = EksFargateProfile {
        cluster: Ref::to(cluster),
        name: Some(name),
        pod_execution_role: Ref::to(profile.pod_execution_role_arn.unwrap_or_default()),
        subnets: profile.subnets.into_iter().flatten().map(Ref::to).collect(),
        selectors: selectors.collect(),
    };
    let outputs = ArnOutput { arn: profile.fargate_profile_arn.unwrap_or_default() };
    Ok(Observed::new(id, services::eks::from_tags(profile.tags.as_ref()), spec, outputs).phase(phase))
}
