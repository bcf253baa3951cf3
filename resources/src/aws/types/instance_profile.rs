//! `instance_profile`: passes a role to EC2 instances.

use acme_macros::spec;
use aws_sdk_iam::types::InstanceProfile as SdkProfile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::iam_role::IamRole;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        Created, Deletion, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant, Observed, Problem, Ref, Resource, Result, Scope,
        TagChange, Tags, TypeInfo, ok_or_not_found,
    },
};

/// Passes a role to EC2 instances. acme creates it under the path `/acme/<stack>/<environment>/` and finds it by that path; an
/// adopted one keeps its path, and acme finds it by its name.
#[spec]
pub struct InstanceProfile {
    /// Name, unique in the account.
    #[field(name(max = 128, ignore_case), pattern = r"[\w+=,.@-]+", replaces)]
    pub name: Option<String>,
    /// Role of the instances. Required.
    #[field(after_create, important, dropped = None)]
    pub role: Option<Ref<IamRole>>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Unique id, `AIPA…`, never reused.
    #[schemars(extend("x-acme-simulated" = "AIPA{upper17}"))]
    pub unique_id: String,
}

impl Resource for InstanceProfile {
    /// The typical duration is the time until EC2 accepts a new profile.
    const TYPE: TypeInfo =
        TypeInfo::new("instance_profile", &services::iam::SERVICE, "{name}", "arn:aws:iam::{account}:instance-profile{path}{name}")
            .without_charge("IAM costs nothing")
            .global()
            .typical_seconds(8)
            .without_token()
            .iam_actions(
                IamActions::new("iam:instance-profile/{path}*")
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
                    .grants(&[IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["ec2.amazonaws.com"]))]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.iam.list_instance_profiles().path_prefix(scope.iam_path());
        let mut profiles: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        profiles.extend(read_outside_path(aws, scope, &profiles).await?);
        for_each_concurrent(profiles, |profile| async move {
            let ask = async {
                let call = aws.iam.get_instance_profile().instance_profile_name(&profile.instance_profile_name);
                // The policies that acme prints allow reads in the stack's path only.
                let reply = match ok_or_not_found(call.send().await) {
                    Err(error) if error.kind == ErrorKind::AccessDenied => return Ok(Some(Tags::new())),
                    reply => reply?,
                };
                Ok(reply.map(|reply| {
                    services::iam::from_tags(reply.instance_profile.as_ref().map(|profile| profile.tags()).unwrap_or_default())
                }))
            };
            let Some(tags) = scope.tags_or_fetch(&profile.arn, ask).await? else { return Ok(None) };
            let role = profile.roles.into_iter().next().map(|role| Ref::to(role.role_name));
            let spec = InstanceProfile { name: Some(profile.instance_profile_name.clone()), role };
            let outputs = Outputs { arn: profile.arn, unique_id: profile.instance_profile_id };
            Ok(Some(Observed::new(profile.instance_profile_name, tags, spec, outputs)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.iam.create_instance_profile().set_instance_profile_name(self.name.clone());
        let call = call.path(cx.call.iam_path()).set_tags(Some(services::iam::to_tags(&cx.call.tags)));
        let profile = call.send().await?.instance_profile;
        profile.map(|profile| profile.instance_profile_name.into()).ok_or_else(|| Error::missing_field("InstanceProfile"))
    }

    /// A profile has one role, so the old one is removed first:
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html>.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: InstanceProfileChanges) -> Result<()> {
        if changes.role {
            remove_role(cx, live).await?;
            if let Some(role) = &self.role {
                cx.iam.add_role_to_instance_profile().instance_profile_name(&live.id).role_name(role.get()).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        remove_role(cx, live).await?;
        cx.iam.delete_instance_profile().instance_profile_name(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam
                .tag_instance_profile()
                .instance_profile_name(change.id)
                .set_tags(Some(services::iam::to_tags(&change.set)))
                .send()
                .await?;
        }
        if !change.remove.is_empty() {
            aws.iam.untag_instance_profile().instance_profile_name(change.id).set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let missing = self
            .role
            .is_none()
            .then(|| Problem::new(Self::POINTERS.role, "an instance profile needs a role").help("add `role: <iam_role>`"));
        missing.into_iter().collect()
    }
}

/// Profiles with desired names outside the stack's path: CreateInstanceProfile rejects their names.
async fn read_outside_path(aws: &Aws, scope: &Scope, in_path: &[SdkProfile]) -> Result<Vec<SdkProfile>> {
    let is_known = |name: &String| in_path.iter().any(|profile| profile.instance_profile_name == *name);
    if let Some(ids) = scope.ids_outside_path() {
        let missing: Vec<String> = ids.into_iter().filter(|name| !is_known(name)).cloned().collect();
        return for_each_concurrent(missing, |name| async move {
            let reply = ok_or_not_found(aws.iam.get_instance_profile().instance_profile_name(name).send().await)?;
            Ok::<_, Error>(reply.and_then(|reply| reply.instance_profile))
        })
        .await;
    }
    // Adopted profiles that the definition no longer has.
    let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter_map(|arn| arn.split_once(":instance-profile/"));
    let indexed = indexed.map(|(_, path)| path.rsplit('/').next().unwrap_or_default().to_owned());
    let adopted: Vec<String> = indexed.filter(|name| !is_known(name) && !scope.lookup.contains(name)).collect();
    let mut found = for_each_concurrent(adopted, |name| async move {
        let reply = ok_or_not_found(aws.iam.get_instance_profile().instance_profile_name(name).send().await)?;
        Ok::<_, Error>(reply.and_then(|reply| reply.instance_profile))
    })
    .await?;
    if scope.lookup.iter().all(is_known) {
        return Ok(found);
    }
    let all: Vec<SdkProfile> = aws.iam.list_instance_profiles().max_items(1000).into_paginator().items().send().try_collect().await?;
    let wanted = |profile: &SdkProfile| scope.lookup.contains(&profile.instance_profile_name) && !is_known(&profile.instance_profile_name);
    found.extend(all.into_iter().filter(wanted));
    Ok(found)
}

async fn remove_role(aws: &Aws, live: &Existing<InstanceProfile>) -> Result<()> {
    if let Some(role) = &live.spec.role {
        let call = aws.iam.remove_role_from_instance_profile().instance_profile_name(&live.id).role_name(role.get());
        ok_or_not_found(call.send().await)?;
    }
    Ok(())
}
