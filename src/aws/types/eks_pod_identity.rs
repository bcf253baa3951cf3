//! `eks_pod_identity`: the role that pods of a service account act with.

use aws_sdk_eks::types::PodIdentityAssociation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    eks_cluster::{EksCluster, PASSED_TO, inside, of_clusters},
    iam_role::IamRole,
};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, ArnRef, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Policy,
        Problem, Ref, Result, Scope, Service, ok_or_not_found,
    },
};

/// The role that pods of a service account act with. The cluster needs the add-on `eks-pod-identity-agent`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksPodIdentity {
    /// The cluster. Changing it replaces the association.
    pub cluster: Ref<EksCluster>,
    /// Kubernetes namespace of the service account. Changing it replaces the association.
    pub namespace: String,
    /// Kubernetes service account; neither it nor the namespace need exist yet. Changing it replaces the association.
    pub service_account: String,
    /// The role, which trusts `pods.eks.amazonaws.com`.
    pub role: ArnRef<IamRole>,
    /// A role, also of another account, that is assumed with the first one and given to the pods. Default: none; once set it stays until
    /// another is.
    #[serde(default)]
    pub target_role: Option<ArnRef<IamRole>>,
    /// Leaves out the session tags with cluster, namespace and service account. Default: false.
    #[serde(default)]
    pub disable_session_tags: bool,
    /// Narrows what the role allows; needs `disable_session_tags: true`. Default: none; once set it stays until another is.
    #[serde(default)]
    pub policy: Option<Policy>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Id within the cluster.
    pub association_id: String,
    /// What the target role's trust policy can require as `sts:ExternalId`.
    pub external_id: Option<String>,
}

impl Resource for EksPodIdentity {
    const TYPE: &'static str = "eks_pod_identity";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:podidentityassociation/");
    const REPLACE: &'static [&'static str] = &["/cluster", "/namespace", "/service_account"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/cluster", "/namespace", "/service_account"]];
    const PARENT: Option<&'static str> = Some("eks_cluster");
    const ACTIONS: Actions = Actions::on("eks:podidentityassociation/{parent}/*")
        .read(&["eks:DescribePodIdentityAssociation"])
        .change(&["eks:DeletePodIdentityAssociation", "eks:UpdatePodIdentityAssociation"])
        .more(&[
            Grant::read(&["eks:ListPodIdentityAssociations"], On::Arn("eks:cluster/{parent}")),
            Grant::change(&["eks:CreatePodIdentityAssociation"], On::Used("eks_cluster")),
            Grant::change(&["iam:PassRole"], On::Passed(PASSED_TO)),
            Grant::change(&["iam:GetRole"], On::Used("iam_role")),
        ]);
    type Outputs = Outputs;

    /// Tags come only with the details. Associations with an owner are an add-on's.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list =
            |cluster: &str| aws.eks.list_pod_identity_associations().cluster_name(cluster).into_paginator().items().send().try_collect();
        let free = of_clusters(scope, list).await?.into_iter().filter(|(_, summary)| summary.owner_arn().is_none_or(str::is_empty));
        let ids = free.filter_map(|(cluster, summary)| Some((cluster, summary.association_id?)));
        each(ids, |(cluster, id)| async move {
            let reply = ok_or_not_found(aws.eks.describe_pod_identity_association().cluster_name(cluster).association_id(id).send().await)?;
            let association = reply.and_then(|reply| reply.association).map(observed).transpose()?;
            Ok(association.filter(|association| scope.owns(&association.tags)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let reply = cx
            .aws
            .eks
            .create_pod_identity_association()
            .cluster_name(self.cluster.get())
            .client_request_token(cx.token)
            .namespace(&self.namespace)
            .service_account(&self.service_account)
            .role_arn(self.role.get())
            .set_target_role_arn(self.target_role.as_ref().map(|role| role.get().to_owned()))
            .disable_session_tags(self.disable_session_tags)
            .set_policy(self.policy.as_ref().map(Policy::to_json))
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        let id = reply.association.and_then(|association| association.association_id).ok_or_else(|| Error::missing("associationId"))?;
        Ok(format!("{}/{id}", self.cluster.get()))
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        if !changed.any(&["/role", "/target_role", "/disable_session_tags", "/policy"]) {
            return Ok(());
        }
        let (cluster, association) = inside(id)?;
        // Left out it stays; an empty one takes it away.
        let target_role = self.target_role.as_ref().map(|role| role.get().to_owned());
        let target_role = target_role.or_else(|| changed.has("/target_role").then(String::new));
        cx.aws
            .eks
            .update_pod_identity_association()
            .cluster_name(cluster)
            .association_id(association)
            .role_arn(self.role.get())
            .set_target_role_arn(target_role)
            .disable_session_tags(self.disable_session_tags)
            .set_policy(self.policy.as_ref().map(Policy::to_json))
            .send()
            .await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (cluster, association) = inside(id)?;
        cx.aws.eks.delete_pod_identity_association().cluster_name(cluster).association_id(association).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        if self.policy.is_some() && !self.disable_session_tags {
            return vec![Problem::new("/policy", "a policy needs `disable_session_tags: true`")];
        }
        Vec::new()
    }
}

fn observed(association: PodIdentityAssociation) -> Result<Observed<EksPodIdentity>> {
    let cluster = association.cluster_name.ok_or_else(|| Error::missing("clusterName"))?;
    let association_id = association.association_id.ok_or_else(|| Error::missing("associationId"))?;
    let policy = association.policy.filter(|policy| !policy.is_empty());
    Ok(Observed {
        id: format!("{cluster}/{association_id}"),
        tags: tags::from_map(association.tags.as_ref()),
        phase: Phase::Ready,
        spec: EksPodIdentity {
            cluster: Ref::to(cluster),
            namespace: association.namespace.unwrap_or_default(),
            service_account: association.service_account.unwrap_or_default(),
            role: Ref::to(association.role_arn.unwrap_or_default()),
            target_role: association.target_role_arn.filter(|role| !role.is_empty()).map(Ref::to),
            disable_session_tags: association.disable_session_tags.unwrap_or_default(),
            policy: policy.map(|policy| Policy::parse(&policy)).transpose()?,
        },
        outputs: Outputs { arn: association.association_arn.unwrap_or_default(), association_id, external_id: association.external_id },
    })
}
