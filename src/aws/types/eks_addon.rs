//! `eks_addon`: software inside a cluster which EKS installs and updates.

use std::time::Duration;

use aws_sdk_eks::types::{Addon, AddonStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    eks_cluster::{EksCluster, PASSED_TO, inside, of_clusters, told},
    iam_role::IamRole,
};
use crate::{
    aws::{Aws, each, tags, text},
    core::{
        Actions, ArnRef, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Problem,
        Ref, Result, Scope, Service, ok_or_not_found,
    },
};

/// Software inside a cluster which EKS installs and updates.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksAddon {
    /// The cluster. Changing it replaces the add-on.
    pub cluster: Ref<EksCluster>,
    /// AWS's name of the add-on, such as `vpc-cni`. Changing it replaces the add-on.
    pub addon: String,
    /// Version, such as `v1.20.4-eksbuild.2`. Default: AWS's default for the cluster's version at creation, then left alone.
    #[serde(default)]
    pub version: Option<String>,
    /// Configuration values, a mapping in the add-on's own schema. Default: left alone; `{}` takes all away.
    #[serde(default)]
    pub configuration: Option<Value>,
    /// Role of the add-on's service account. Default: the nodes' role, or pod identity.
    #[serde(default)]
    pub role: Option<ArnRef<IamRole>>,
    /// What becomes of settings that someone changed inside the cluster. Default: `OVERWRITE`.
    #[serde(default)]
    pub resolve_conflicts: ResolveConflicts,
}

/// What becomes of settings that someone changed inside the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResolveConflicts {
    /// The add-on's win.
    #[default]
    Overwrite,
    /// The update fails.
    None,
    /// They stay.
    Preserve,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for EksAddon {
    const TYPE: &'static str = "eks_addon";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:addon/");
    const REPLACE: &'static [&'static str] = &["/cluster", "/addon"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/cluster", "/addon"]];
    const PARENT: Option<&'static str> = Some("eks_cluster");
    const USUAL: Duration = Duration::from_secs(30);
    const DISTURBS: &'static [(&'static str, &'static str)] =
        &[("/version", "its pods restart"), ("/configuration", "its pods may restart")];
    const ACTIONS: Actions =
        Actions::on("eks:addon/{parent}/*").read(&["eks:DescribeAddon"]).change(&["eks:DeleteAddon", "eks:UpdateAddon"]).more(&[
            Grant::read(&["eks:ListAddons"], On::Arn("eks:cluster/{parent}")),
            Grant::change(&["eks:CreateAddon"], On::Used("eks_cluster")),
            Grant::change(&["iam:PassRole"], On::Passed(PASSED_TO)),
        ]);
    type Outputs = Outputs;

    /// Tags come only with the details; a cluster has a handful of add-ons.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_addons().cluster_name(cluster).into_paginator().items().send().try_collect();
        each(of_clusters(scope, list).await?, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_addon().cluster_name(cluster).addon_name(name).send().await)?;
            let addon = reply.and_then(|reply| reply.addon).map(observed).transpose()?;
            Ok(addon.filter(|addon| scope.owns(&addon.tags)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        cx.aws
            .eks
            .create_addon()
            .cluster_name(self.cluster.get())
            .addon_name(&self.addon)
            .client_request_token(cx.token)
            .set_addon_version(self.version.clone())
            .set_configuration_values(self.values())
            .set_service_account_role_arn(self.role.as_ref().map(|role| role.get().to_owned()))
            .resolve_conflicts(text(&self.resolve_conflicts).as_str().into())
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        Ok(format!("{}/{}", self.cluster.get(), self.addon))
    }

    /// The role is always sent, changed or not: without one the add-on goes back to the nodes'.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if !changed.any(&["/version", "/configuration", "/role"]) {
            return Ok(());
        }
        let (cluster, addon) = inside(id)?;
        let role = if changed.has("/role") { &self.role } else { &before.role };
        cx.aws
            .eks
            .update_addon()
            .cluster_name(cluster)
            .addon_name(addon)
            .set_addon_version(self.version.clone().filter(|_| changed.has("/version")))
            .set_configuration_values(self.values().filter(|_| changed.has("/configuration")))
            .set_service_account_role_arn(role.as_ref().map(|role| role.get().to_owned()))
            .resolve_conflicts(text(&self.resolve_conflicts).as_str().into())
            .send()
            .await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (cluster, addon) = inside(id)?;
        cx.aws.eks.delete_addon().cluster_name(cluster).addon_name(addon).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let fits = |value: &Value| value.is_object() || value.as_str().is_some_and(|text| text.contains("${"));
        match self.configuration.as_ref().filter(|value| !fits(value)) {
            Some(_) => vec![Problem::new("/configuration", "the configuration is a mapping")],
            None => Vec::new(),
        }
    }

    fn align(&self, live: &mut Self) {
        live.resolve_conflicts = self.resolve_conflicts;
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

fn observed(addon: Addon) -> Result<Observed<EksAddon>> {
    let cluster = addon.cluster_name.ok_or_else(|| Error::missing("clusterName"))?;
    let name = addon.addon_name.ok_or_else(|| Error::missing("addonName"))?;
    let status = addon.status.ok_or_else(|| Error::missing("status"))?;
    let issues = addon.health.and_then(|health| health.issues).unwrap_or_default();
    let told = || {
        told(
            status.as_str(),
            issues.iter().map(|issue| (issue.code.as_ref().map(|code| code.as_str()), issue.message(), issue.resource_ids())),
        )
    };
    // Whoever else configured it may have written YAML, which stays text here and so differs from every mapping.
    let configuration = addon.configuration_values.filter(|values| !values.is_empty());
    Ok(Observed {
        id: format!("{cluster}/{name}"),
        tags: tags::from_map(addon.tags.as_ref()),
        phase: match status {
            // After a failed update the add-on runs as before it: what differs shows.
            AddonStatus::Active | AddonStatus::UpdateFailed => Phase::Ready,
            AddonStatus::CreateFailed | AddonStatus::DeleteFailed => Phase::Failed(told()),
            AddonStatus::Deleting => Phase::Leaving,
            // DEGRADED is among these: CoreDNS is until there is a node to run on.
            _ => Phase::Settling(told()),
        },
        spec: EksAddon {
            cluster: Ref::to(cluster),
            addon: name,
            version: addon.addon_version,
            configuration: configuration.map(|values| serde_json::from_str(&values).unwrap_or(Value::String(values))),
            role: addon.service_account_role_arn.filter(|role| !role.is_empty()).map(Ref::to),
            resolve_conflicts: ResolveConflicts::default(),
        },
        outputs: Outputs { arn: addon.addon_arn.unwrap_or_default() },
    })
}
