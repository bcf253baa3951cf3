//! `eks_pod_identity`: the role of the pods of a service account.

use acme_macros::spec;
use aws_sdk_eks::types::PodIdentityAssociation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    eks_cluster::{EksCluster, PASS_ROLE_SERVICES, names_in_clusters, split_id},
    iam_role::{IamRole, check_trust},
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnRef, Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Policy, Problem, Ref, Resource,
        Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// The role of the pods of a service account. The cluster needs the add-on `eks-pod-identity-agent`.
#[spec]
pub struct EksPodIdentity {
    /// The cluster.
    #[field(replaces, parent, unique = "service_account")]
    pub cluster: Ref<EksCluster>,
    /// Kubernetes namespace of the service account.
    // Names: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
    #[field(important, replaces, unique = "service_account", length = 1..=63, pattern = "[a-z0-9]([a-z0-9-]*[a-z0-9])?")]
    pub namespace: String,
    /// Kubernetes service account. Neither it nor the namespace has to exist yet.
    #[field(important, replaces, unique = "service_account", length = 1..=253, pattern = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?")]
    pub service_account: String,
    /// The role, which trusts `pods.eks.amazonaws.com`.
    #[field(important)]
    pub role: ArnRef<IamRole>,
    /// Role for the pods, possibly of another account, which is assumed with the first role.
    #[field(unset = "unchanged, at creation none", important, dropped = None)]
    pub target_role: Option<ArnRef<IamRole>>,
    /// Omits the session tags for cluster, namespace and service account.
    #[field(default = false)]
    pub disable_session_tags: bool,
    /// Restricts the permissions of the role.
    #[field(policy = "identity", unset = "none at creation; acme does not remove it later", important, requires = disable_session_tags)]
    #[field(dropped(impossible, "an update keeps the policy, and no value removes it"))]
    pub policy: Option<Policy>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Id within the cluster.
    #[schemars(extend("x-acme-simulated" = "{id:/}"))]
    pub association_id: String,
    /// Value that the target role's trust policy can require as `sts:ExternalId`.
    pub external_id: Option<String>,
}

impl Resource for EksPodIdentity {
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_pod_identity",
        &services::eks::SERVICE,
        "{cluster}/a-{hex17}",
        "arn:aws:eks:{region}:{account}:podidentityassociation/{id}",
    )
    .without_charge("permissions cost nothing")
    .iam_actions(
        IamActions::new("eks:podidentityassociation/{parent}/*")
            .read(&["eks:DescribePodIdentityAssociation"])
            .change(&["eks:DeletePodIdentityAssociation", "eks:UpdatePodIdentityAssociation"])
            .grants(&[
                IamGrant::read(&["eks:ListPodIdentityAssociations"], GrantTarget::Arn("eks:cluster/{parent}")),
                IamGrant::change(&["eks:CreatePodIdentityAssociation"], GrantTarget::Referenced("eks_cluster")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(PASS_ROLE_SERVICES)),
                IamGrant::change(&["iam:GetRole"], GrantTarget::Referenced("iam_role")),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    /// Only the details have the tags. Associations with an owner belong to an add-on.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| {
            let all = aws.eks.list_pod_identity_associations().cluster_name(cluster).into_paginator().items().send();
            async {
                let all: Vec<_> = all.try_collect().await.map_err(Error::from)?;
                let free = all.into_iter().filter(|summary| summary.owner_arn().is_none_or(str::is_empty));
                Ok::<_, Error>(free.filter_map(|summary| summary.association_id).collect())
            }
        };
        for_each_concurrent(names_in_clusters(scope, "podidentityassociation", |_| true, list).await?, |(cluster, id)| async move {
            let reply = ok_or_not_found(aws.eks.describe_pod_identity_association().cluster_name(cluster).association_id(id).send().await)?;
            let association = reply.and_then(|reply| reply.association).map(read).transpose()?;
            Ok(association.filter(|association| scope.owns(&association.tags)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let reply = cx
            .eks
            .create_pod_identity_association()
            .cluster_name(self.cluster.get())
            .client_request_token(&cx.call.token)
            .namespace(&self.namespace)
            .service_account(&self.service_account)
            .role_arn(self.role.get())
            .set_target_role_arn(self.target_role.as_ref().map(|role| role.get().to_owned()))
            .disable_session_tags(self.disable_session_tags)
            .set_policy(self.policy.as_ref().map(Policy::to_json))
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        let association = reply.association.ok_or_else(|| Error::missing_field("association"))?;
        let id = format!("{}/{}", self.cluster.get(), association.association_id().ok_or_else(|| Error::missing_field("associationId"))?);
        Ok(Created::from_answer(id, read(association)))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksPodIdentityChanges) -> Result<()> {
        if !(changes.role || changes.target_role || changes.disable_session_tags || changes.policy) {
            return Ok(());
        }
        let (cluster, association) = split_id(&live.id)?;
        // The call keeps a target role that it omits; an empty value removes it.
        let target_role = self.target_role.as_ref().map(|role| role.get().to_owned());
        let target_role = target_role.or_else(|| changes.target_role.then(String::new));
        cx.eks
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

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(association) = declared.spec() else { return Vec::new() };
        check_trust(declared, Self::POINTERS.role, &association.role, "pods.eks.amazonaws.com").into_iter().collect()
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, association) = split_id(&live.id)?;
        cx.eks.delete_pod_identity_association().cluster_name(cluster).association_id(association).send().await?;
        Ok(Deletion::Requested)
    }
}

fn read(association: PodIdentityAssociation) -> Result<Observed<EksPodIdentity>> {
    let cluster = association.cluster_name.ok_or_else(|| Error::missing_field("clusterName"))?;
    let association_id = association.association_id.ok_or_else(|| Error::missing_field("associationId"))?;
    let id = format!("{cluster}/{association_id}");
    let policy = association.policy.filter(|policy| !policy.is_empty());
    let spec = EksPodIdentity {
        cluster: Ref::to(cluster),
        namespace: association.namespace.unwrap_or_default(),
        service_account: association.service_account.unwrap_or_default(),
        role: Ref::to(association.role_arn.unwrap_or_default()),
        target_role: association.target_role_arn.filter(|role| !role.is_empty()).map(Ref::to),
        disable_session_tags: association.disable_session_tags.unwrap_or_default(),
        policy: policy.map(|policy| Policy::parse(&policy)).transpose()?,
    };
    let outputs = Outputs { arn: association.association_arn.unwrap_or_default(), association_id, external_id: association.external_id };
    Ok(Observed::new(id, services::eks::from_tags(association.tags.as_ref()), spec, outputs))
}
