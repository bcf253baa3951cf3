//! `eks_capability`: Argo CD, ACK or kro, which EKS runs outside the cluster.

mod argocd;

use acme_macros::spec;
use aws_sdk_eks::types::{
    Capability, CapabilityConfigurationRequest, CapabilityDeletePropagationPolicy, CapabilityStatus, CapabilityType,
    UpdateCapabilityConfiguration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::argocd::{ArgoCd, ArgoCdRole, Identity, IdentityKind, RoleMapping};
use super::{
    eks_cluster::{EksCluster, list_in_clusters, split_id, with_reasons},
    iam_role::{IamRole, check_trust},
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        ArnRef, Created, Declared, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, PriceContext, Pricing,
        Problem, Ref, Resource, Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// Service that assumes the roles of capabilities: <https://docs.aws.amazon.com/eks/latest/userguide/capability-role.html>.
const SERVICE: &str = "capabilities.eks.amazonaws.com";

/// Argo CD, ACK or kro, which EKS runs outside the cluster. A cluster has at most one of each type.
#[spec]
pub struct EksCapability {
    /// The cluster.
    #[field(replaces, parent, unique = "name", unique = "type")]
    pub cluster: Ref<EksCluster>,
    /// Physical name, unique in the cluster.
    #[field(name(max = 100), pattern = "[A-Za-z0-9][A-Za-z0-9_-]*", replaces, unique = "name")]
    pub name: Option<String>,
    /// What it runs.
    #[field(replaces, unique = "type", important)]
    #[serde(rename = "type")]
    pub kind: CapabilityKind,
    /// Role with which it acts in AWS; it trusts `capabilities.eks.amazonaws.com`.
    #[field(important)]
    pub role: ArnRef<IamRole>,
    /// Settings of Argo CD; required for the type `argocd`.
    #[field(default, dropped = None)]
    pub argocd: Option<ArgoCd>,
}

/// What a capability runs.
#[spec]
#[derive(Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityKind {
    /// AWS Controllers for Kubernetes: AWS resources as objects of the cluster.
    Ack,
    /// Argo CD: continuous delivery from Git.
    ArgoCd,
    /// Kube Resource Orchestrator: custom APIs that combine objects.
    Kro,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Version that EKS runs.
    #[schemars(extend("x-acme-simulated" = "v1.0.0"))]
    pub version: Option<String>,
    /// Address of the Argo CD server; none for other types.
    #[schemars(extend("x-acme-simulated" = "https://{hex17}.{simulated_domain}"))]
    pub server_url: Option<String>,
}

impl Resource for EksCapability {
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_capability",
        &services::eks::SERVICE,
        "{cluster}/{name}",
        "arn:aws:eks:{region}:{account}:capability/{cluster}/{type}/{name}/{uuid}",
    )
    .typical_seconds(300)
    .longest_hours(2)
    .iam_actions(
        IamActions::new("eks:capability/{parent}/*")
            .read(&["eks:DescribeCapability"])
            .change(&["eks:DeleteCapability", "eks:UpdateCapability"])
            .grants(&[
                IamGrant::read(&["eks:ListCapabilities"], GrantTarget::Arn("eks:cluster/{parent}")),
                IamGrant::change(&["eks:CreateCapability"], GrantTarget::Referenced("eks_cluster")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&[SERVICE])),
                // EKS registers Argo CD as an application of IAM Identity Center with the caller's permissions.
                // https://docs.aws.amazon.com/eks/latest/userguide/create-argocd-capability.html
                IamGrant::change(
                    &[
                        "sso:CreateApplication",
                        "sso:DeleteApplication",
                        "sso:DescribeInstance",
                        "sso:PutApplicationAccessScope",
                        "sso:PutApplicationAssignmentConfiguration",
                        "sso:PutApplicationAuthenticationMethod",
                        "sso:PutApplicationGrant",
                        "sso:UpdateApplication",
                    ],
                    GrantTarget::AllResources,
                ),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, _: &PriceContext<'_>) -> Pricing {
        Pricing::default().without("its hours and what it manages, whose products AWS does not document")
    }

    /// Only the details have the tags; a cluster has three capabilities at most.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| {
            let pages = aws.eks.list_capabilities().cluster_name(cluster).into_paginator().items().send();
            async move {
                let all = pages.try_collect().await.map_err(Error::from)?;
                Ok::<Vec<String>, Error>(all.into_iter().filter_map(|one| one.capability_name).collect())
            }
        };
        let names = match scope.waited_for() {
            Some(ids) => {
                let split = |id: &String| split_id(id).map(|(cluster, name)| (cluster.to_owned(), name.to_owned()));
                ids.iter().map(split).collect::<Result<Vec<_>>>()?
            }
            None => list_in_clusters(scope, list).await?,
        };
        for_each_concurrent(names, |(cluster, name)| async move {
            let call = aws.eks.describe_capability().cluster_name(cluster).capability_name(name);
            let capability = ok_or_not_found(call.send().await)?.and_then(|reply| reply.capability).map(read).transpose()?;
            Ok(capability.filter(|capability| scope.owns(&capability.tags)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let kind = CapabilityType::from(to_aws(&self.kind).to_uppercase().as_str());
        let config = self.argocd.as_ref().map(ArgoCd::to_sdk).transpose()?;
        let config = config.map(|argocd| CapabilityConfigurationRequest::builder().argo_cd(argocd).build());
        cx.eks
            .create_capability()
            .cluster_name(self.cluster.get())
            .set_capability_name(self.name.clone())
            .client_request_token(&cx.call.token)
            .r#type(kind)
            .role_arn(self.role.get())
            .set_configuration(config)
            .delete_propagation_policy(CapabilityDeletePropagationPolicy::Retain)
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        Ok(format!("{}/{}", self.cluster.get(), self.name.as_deref().unwrap_or_default()).into())
    }

    /// UpdateCapability keeps what it does not name.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksCapabilityChanges) -> Result<()> {
        let (cluster, name) = split_id(&live.id)?;
        let call = cx.eks.update_capability().cluster_name(cluster).capability_name(name).client_request_token(&cx.call.token);
        let call = call.set_role_arn(changes.role.then(|| self.role.get().to_owned()));
        let argocd = self.argocd.as_ref().zip(live.spec.argocd.as_ref()).filter(|_| changes.argocd);
        let config = argocd.map(|(wanted, live)| wanted.update_from(live)).transpose()?;
        let config = config.map(|argocd| UpdateCapabilityConfiguration::builder().argo_cd(argocd).build());
        call.set_configuration(config).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, name) = split_id(&live.id)?;
        Deletion::requested(cx.eks.delete_capability().cluster_name(cluster).capability_name(name).send().await)
    }

    /// The only policy that EKS offers for what a capability has created.
    fn deletion_effect(&self) -> Option<String> {
        let kept = match self.kind {
            CapabilityKind::Ack => "the AWS resources that it manages, and their objects in the cluster, are kept, and nobody manages them",
            CapabilityKind::ArgoCd => "what it has deployed in the cluster is kept",
            CapabilityKind::Kro => "the objects that it has created in the cluster are kept",
        };
        Some(kept.to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS.argocd;
        match (self.kind, &self.argocd) {
            (CapabilityKind::ArgoCd, None) => {
                let problem = Problem::new(at, "Argo CD needs the instance of IAM Identity Center with its users");
                vec![problem.help("add `argocd: { identity_center: \"arn:aws:sso:::instance/ssoins-…\" }`")]
            }
            (CapabilityKind::ArgoCd, Some(argocd)) => {
                argocd.problems().into_iter().map(|message| Problem::new(at.clone(), message)).collect()
            }
            (_, Some(_)) => vec![Problem::new(at, "`argocd` goes with `type: argocd`")],
            (_, None) => Vec::new(),
        }
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        check_trust(declared, Self::POINTERS.role, &spec.role, SERVICE).into_iter().collect()
    }

    /// An update changes only who has access.
    fn replaces(&self, live: &Self) -> EksCapabilityChanges {
        let argocd = self.argocd.as_ref().zip(live.argocd.as_ref()).is_some_and(|(wanted, live)| wanted.needs_another(live));
        EksCapabilityChanges { argocd, ..EksCapabilityChanges::default() }
    }
}

fn read(capability: Capability) -> Result<Observed<EksCapability>> {
    let cluster = capability.cluster_name.ok_or_else(|| Error::missing_field("clusterName"))?;
    let name = capability.capability_name.ok_or_else(|| Error::missing_field("capabilityName"))?;
    let status = capability.status.ok_or_else(|| Error::missing_field("status"))?;
    let issues = capability.health.and_then(|health| health.issues).unwrap_or_default();
    let status_text = || with_reasons(status.as_str(), &issues);
    let phase = match status {
        CapabilityStatus::Active => Phase::Ready,
        CapabilityStatus::Degraded => Phase::Degraded(status_text()),
        CapabilityStatus::CreateFailed | CapabilityStatus::DeleteFailed => Phase::Failed(status_text()),
        CapabilityStatus::Deleting => Phase::Deleting,
        _ => Phase::Progressing(status_text()),
    };
    let kind = capability.r#type.ok_or_else(|| Error::missing_field("type"))?;
    let argocd = capability.configuration.and_then(|config| config.argo_cd);
    let outputs = Outputs {
        arn: capability.arn.unwrap_or_default(),
        version: capability.version,
        server_url: argocd.as_ref().and_then(|argocd| argocd.server_url.clone()),
    };
    let id = format!("{cluster}/{name}");
    let spec = EksCapability {
        cluster: Ref::to(cluster),
        name: Some(name),
        kind: from_aws(&kind.as_str().to_lowercase())?,
        role: ArnRef::to(capability.role_arn.unwrap_or_default()),
        argocd: argocd.map(ArgoCd::from_sdk),
    };
    Ok(Observed::new(id, services::eks::from_tags(capability.tags.as_ref()), spec, outputs).phase(phase))
}
