//! `eks_addon`: software in a cluster that EKS installs and updates.

pub(super) mod versions;

use acme_macros::spec;
use aws_sdk_eks::types::{Addon, AddonStatus};
use serde_json::Value;

use super::{
    eks_cluster::{EksCluster, PASS_ROLE_SERVICES, addon_versions, contents, names_in_clusters, split_id, with_reasons},
    iam_role::IamRole,
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services, to_aws},
    core::{
        ArnOutput, ArnRef, Created, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, Problem, Questions, Ref,
        Resource, Result, Scope, Stage, TypeInfo, ok_or_not_found,
    },
};

/// Software in a cluster that EKS installs and updates.
#[spec]
pub struct EksAddon {
    /// The cluster.
    #[field(replaces, parent, unique = "addon")]
    pub cluster: Ref<EksCluster>,
    /// AWS's name for the add-on, such as `vpc-cni`.
    #[field(replaces, unique = "addon")]
    pub addon: String,
    /// Version, such as `v1.20.4-eksbuild.2`. With an upgrade of the cluster, a new version is installed as early as it runs with Kubernetes.
    #[field(
        unset = "AWS's default for the cluster's version when the add-on is created; acme changes it only with an upgrade of the cluster, if it \
                 does not run with the next version",
        important,
        impact = "its pods restart",
        one_way(Direction::WithDependency, "after an upgrade of the cluster, the earlier version may not run with Kubernetes")
    )]
    #[field(dropped(kept, "AWS's default applies only at creation"))]
    pub version: Option<String>,
    /// Configuration values in the add-on's schema; `{}` removes all.
    #[field(unset = "unchanged, at creation AWS's defaults", impact = "its pods may restart", dropped = {})]
    pub configuration: Option<Value>,
    /// Role of the add-on's service account.
    #[field(unset = "the nodes' role, or pod identity", important, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Treatment of settings that were changed in the cluster.
    #[field(default = ResolveConflicts::Overwrite, write_only)]
    pub resolve_conflicts: ResolveConflicts,
}

/// Treatment of settings that were changed in the cluster.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResolveConflicts {
    /// The add-on overwrites them.
    Overwrite,
    /// The update fails.
    None,
    /// The add-on keeps them.
    Preserve,
}

impl Resource for EksAddon {
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_addon",
        &services::eks::SERVICE,
        "{cluster}/{addon}",
        "arn:aws:eks:{region}:{account}:addon/{cluster}/{addon}/{uuid}",
    )
    .without_charge("it runs on the nodes, which cost")
    .typical_seconds(30)
    .longest_hours(3)
    .iam_actions(
        IamActions::new("eks:addon/{parent}/*")
            .read(&["eks:DescribeAddon"])
            .change(&["eks:DeleteAddon", "eks:UpdateAddon"])
            .questions(&["eks:DescribeAddonVersions"])
            .grants(&[
                IamGrant::read(&["eks:ListAddons"], GrantTarget::Arn("eks:cluster/{parent}")),
                IamGrant::change(&["eks:CreateAddon"], GrantTarget::Referenced("eks_cluster")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(PASS_ROLE_SERVICES)),
            ]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// Only the details have the tags; a cluster has only a few add-ons.
    /// An add-on can define kinds of objects, such as snapshots of volumes.
    fn may_provide(&self) -> Option<String> {
        Some(contents::kinds(self.cluster.get()))
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_addons().cluster_name(cluster).into_paginator().items().send().try_collect();
        for_each_concurrent(names_in_clusters(scope, "addon", |_| true, list).await?, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_addon().cluster_name(cluster).addon_name(name).send().await)?;
            let addon = reply.and_then(|reply| reply.addon).map(read).transpose()?;
            Ok(addon.filter(|addon| scope.owns(&addon.tags)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        cx.eks
            .create_addon()
            .cluster_name(self.cluster.get())
            .addon_name(&self.addon)
            .client_request_token(&cx.call.token)
            .set_addon_version(self.version.clone())
            .set_configuration_values(self.values())
            .set_service_account_role_arn(self.role.as_ref().map(|role| role.get().to_owned()))
            .resolve_conflicts(to_aws(&self.resolve_conflicts).as_str().into())
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        Ok(format!("{}/{}", self.cluster.get(), self.addon).into())
    }

    /// UpdateAddon removes a role that the call omits, so every call includes it.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksAddonChanges) -> Result<()> {
        if !(changes.version || changes.configuration || changes.role) {
            return Ok(());
        }
        let (cluster, addon) = split_id(&live.id)?;
        let role = if changes.role { &self.role } else { &live.spec.role };
        cx.eks
            .update_addon()
            .cluster_name(cluster)
            .addon_name(addon)
            .set_addon_version(self.version.clone().filter(|_| changes.version))
            .set_configuration_values(self.values().filter(|_| changes.configuration))
            .set_service_account_role_arn(role.as_ref().map(|role| role.get().to_owned()))
            .resolve_conflicts(to_aws(&self.resolve_conflicts).as_str().into())
            .send()
            .await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, addon) = split_id(&live.id)?;
        cx.eks.delete_addon().cluster_name(cluster).addon_name(addon).send().await?;
        Ok(Deletion::Requested)
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: EksAddonChanges) -> Vec<Problem> {
        if !(changes.addon || changes.version) || self.addon.contains("${") {
            return Vec::new();
        }
        let kubernetes = questions.planned(&self.cluster).and_then(|cluster| cluster.version).filter(|version| !version.contains("${"));
        let offered = addon_versions(questions, kubernetes.as_deref().unwrap_or_default()).await.unwrap_or_default();
        let scope = kubernetes.map(|version| format!(" for Kubernetes {version}")).unwrap_or_default();
        let problem = match (offered.get(&self.addon), &self.version) {
            (None, _) => Problem::not_offered(Self::POINTERS.addon, &self.addon, "add-ons", &scope, offered.keys().map(String::as_str)),
            (Some(versions), Some(version)) => {
                Problem::not_offered(Self::POINTERS.version, version, "versions", &scope, versions.iter().map(String::as_str))
            }
            (Some(_), None) => None,
        };
        problem.into_iter().collect()
    }

    /// To a version that runs on both sides before each upgrade of the cluster, or else after it; a version of the definition as early as it runs.
    async fn follow(&self, questions: &Questions<'_, Aws>, live: &Self, passed: &[String]) -> Vec<(String, Stage<Self>)> {
        let is_known = |text: &str| !text.contains("${");
        let Some(installed) = live.version.as_deref().filter(|_| is_known(&self.addon)) else { return Vec::new() };
        if !self.version.as_deref().is_none_or(is_known) {
            return Vec::new();
        }
        let offered = versions::offered(questions, &self.addon).await;
        let mut from = installed.to_owned();
        let updates = versions::updates(&offered, installed, self.version.as_deref(), passed).into_iter();
        updates
            .map(|(kubernetes, to)| {
                let spec = EksAddon { version: Some(to.clone()), ..self.clone() };
                let from = std::mem::replace(&mut from, to.clone());
                (kubernetes, Stage { from, to, gates: Vec::new(), spec })
            })
            .collect()
    }

    fn check(&self) -> Vec<Problem> {
        let fits = |value: &Value| value.is_object() || value.as_str().is_some_and(|text| text.contains("${"));
        let wrong = self.configuration.as_ref().is_some_and(|value| !fits(value));
        wrong.then(|| Problem::new(Self::POINTERS.configuration, "the configuration must be a map")).into_iter().collect()
    }

    fn normalize(&self, live: &mut Self) {
        if live.configuration.is_none() && self.values().as_deref() == Some("{}") {
            live.configuration.clone_from(&self.configuration);
        }
    }
}

impl EksAddon {
    fn values(&self) -> Option<String> {
        self.configuration.as_ref().map(ToString::to_string)
    }
}

fn read(addon: Addon) -> Result<Observed<EksAddon>> {
    let cluster = addon.cluster_name.ok_or_else(|| Error::missing_field("clusterName"))?;
    let name = addon.addon_name.ok_or_else(|| Error::missing_field("addonName"))?;
    let status = addon.status.ok_or_else(|| Error::missing_field("status"))?;
    let issues = addon.health.and_then(|health| health.issues).unwrap_or_default();
    let status_text = || with_reasons(status.as_str(), &issues);
    let phase = match status {
        AddonStatus::Active => Phase::Ready,
        // EKS keeps the new version in its record, though the add-on does not run with it.
        AddonStatus::UpdateFailed => Phase::Degraded(status_text()),
        AddonStatus::CreateFailed | AddonStatus::DeleteFailed => Phase::Failed(status_text()),
        AddonStatus::Deleting => Phase::Deleting,
        // Includes DEGRADED: CoreDNS is degraded until there is a node to run on.
        _ => Phase::Progressing(status_text()),
    };
    let id = format!("{cluster}/{name}");
    // Other tools may have written YAML, which remains text here and so differs from every map.
    let configuration = addon.configuration_values.filter(|values| !values.is_empty());
    let spec = EksAddon {
        cluster: Ref::to(cluster),
        addon: name,
        version: addon.addon_version,
        configuration: configuration.map(|values| serde_json::from_str(&values).unwrap_or(Value::String(values))),
        role: addon.service_account_role_arn.filter(|role| !role.is_empty()).map(Ref::to),
        resolve_conflicts: ResolveConflicts::Overwrite,
    };
    let outputs = ArnOutput { arn: addon.addon_arn.unwrap_or_default() };
    Ok(Observed::new(id, services::eks::from_tags(addon.tags.as_ref()), spec, outputs).phase(phase))
}
