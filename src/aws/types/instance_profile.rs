//! `instance_profile`: what hands a role to EC2 instances.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::iam_role::IamRole;
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, Phase, Problem,
        Ref, Result, Retag, Scope, Service, ok_or_not_found,
    },
};

/// What hands a role to EC2 instances. It lies under the path `/acme/<stack>/<environment>/`, which marks it as the stack's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceProfile {
    /// Name, unique in the account, at most 128 characters. Default: `<stack>-<environment>-<name>`. Changing it replaces the profile.
    #[serde(default)]
    pub name: Option<String>,
    /// The role its instances get. Required.
    #[serde(default)]
    pub role: Option<Ref<IamRole>>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// AWS's own id, `AIPA…`, never used twice.
    pub unique_id: String,
}

impl Resource for InstanceProfile {
    const TYPE: &'static str = "instance_profile";
    const SERVICE: Service = Service::Iam;
    const ARN: Option<&'static str> = Some("iam:instance-profile/");
    const REPLACE: &'static [&'static str] = &["/name"];
    const NAME: Option<Naming> = Some(Naming { max: 128, lower: false, prefix: "" });
    /// Until EC2 accepts a new profile.
    const USUAL: Duration = Duration::from_secs(8);
    const ACTIONS: Actions = Actions::on("iam:instance-profile/{path}*")
        .list(&["iam:ListInstanceProfiles"])
        .read(&["iam:GetInstanceProfile"])
        .change(&[
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:DeleteInstanceProfile",
            "iam:RemoveRoleFromInstanceProfile",
            "iam:TagInstanceProfile",
            "iam:UntagInstanceProfile",
        ])
        .more(&[Grant::change(&["iam:PassRole"], On::Passed(&["ec2.amazonaws.com"]))]);
    type Outputs = Outputs;

    /// A profile of a wanted name outside the path is left out: CreateInstanceProfile refuses it as existing.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.iam.list_instance_profiles().path_prefix(scope.iam_path());
        let profiles: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        each(profiles, |profile| async move {
            let ask = async {
                let call = aws.iam.get_instance_profile().instance_profile_name(&profile.instance_profile_name);
                let reply = ok_or_not_found(call.send().await)?;
                Ok(reply.map(|reply| tags::from_iam(reply.instance_profile.as_ref().map(|profile| profile.tags()).unwrap_or_default())))
            };
            let Some(tags) = scope.tags_or(&profile.arn, ask).await? else { return Ok(None) };
            Ok(Some(Observed {
                id: profile.instance_profile_name.clone(),
                tags,
                phase: Phase::Ready,
                spec: InstanceProfile {
                    name: Some(profile.instance_profile_name),
                    role: profile.roles.into_iter().next().map(|role| Ref::to(role.role_name)),
                },
                outputs: Outputs { arn: profile.arn, unique_id: profile.instance_profile_id },
            }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.iam.create_instance_profile().set_instance_profile_name(self.name.clone());
        let call = call.path(format!("/acme/{}/{}/", cx.stack, cx.environment)).set_tags(Some(tags::iam(cx.tags)));
        let profile = call.send().await?.instance_profile;
        profile.map(|profile| profile.instance_profile_name).ok_or_else(|| Error::missing("InstanceProfile"))
    }

    fn created(&self) -> Self {
        InstanceProfile { role: None, ..self.clone() }
    }

    /// A profile holds one role, so the old one leaves before the new one comes:
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html>.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        if changed.has("/role") {
            if let Some(role) = &before.role {
                let call = cx.aws.iam.remove_role_from_instance_profile().instance_profile_name(id).role_name(role.get());
                ok_or_not_found(call.send().await)?;
            }
            if let Some(role) = &self.role {
                cx.aws.iam.add_role_to_instance_profile().instance_profile_name(id).role_name(role.get()).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        if let Some(role) = &live.role {
            let call = cx.aws.iam.remove_role_from_instance_profile().instance_profile_name(id).role_name(role.get());
            ok_or_not_found(call.send().await)?;
        }
        cx.aws.iam.delete_instance_profile().instance_profile_name(id).send().await?;
        Ok(())
    }

    async fn retag(aws: &Aws, change: &Retag<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam.tag_instance_profile().instance_profile_name(change.id).set_tags(Some(tags::iam(&change.set))).send().await?;
        }
        if !change.remove.is_empty() {
            aws.iam.untag_instance_profile().instance_profile_name(change.id).set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let missing = self.role.is_none().then(|| Problem::new("/role", "an instance profile needs a role").help("add `role: <iam_role>`"));
        missing.into_iter().collect()
    }
}
