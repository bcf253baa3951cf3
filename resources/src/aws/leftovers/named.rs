//! Instance profiles and log groups, which have names instead of ids.

use super::{LeftoverKind, Search, inventory::Found};
use crate::{
    aws::{Aws, for_each_concurrent, services},
    core::{Deletion, Phase, Result, Tags, ok_or_not_found},
};

/// Instance profiles of Karpenter: `<cluster>_<hash>`, in newer versions in a path of the cluster.
/// <https://karpenter.sh/docs/concepts/nodeclasses/#specrole>
pub(super) async fn find_instance_profiles(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let profiles: Vec<_> = aws.iam.list_instance_profiles().into_paginator().items().send().try_collect().await?;
    let (prefix, path) = (format!("{}_", search.cluster), format!("/karpenter/{}/{}/", aws.region, search.cluster));
    let candidates = profiles.into_iter().filter(|one| one.instance_profile_name.starts_with(&prefix) || one.path.starts_with(&path));
    let read = |profile: aws_sdk_iam::types::InstanceProfile| async move {
        let name = profile.instance_profile_name;
        // The list has no tags.
        let Some(reply) = ok_or_not_found(aws.iam.get_instance_profile().instance_profile_name(&name).send().await)? else {
            return Ok(None);
        };
        let tags = services::iam::from_tags(reply.instance_profile.as_ref().map(|profile| profile.tags()).unwrap_or_default());
        let kind = LeftoverKind::InstanceProfile;
        let roles: Vec<String> = profile.roles.into_iter().map(|role| role.arn).collect();
        Ok(search.maker(&tags).map(|maker| Found::new(kind.id(&[&name]), kind, name, maker, &tags).using(roles)))
    };
    for_each_concurrent(candidates, read).await
}

/// Log groups of the control plane and of Container Insights, unless the stack declares them.
pub(super) async fn find_log_groups(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for (prefix, maker) in [("/aws/eks/", "the control plane"), ("/aws/containerinsights/", "Container Insights")] {
        let call = aws.cloudwatchlogs.describe_log_groups().log_group_name_prefix(format!("{prefix}{}/", search.cluster));
        let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let recent = groups.into_iter().filter(|group| search.is_recent(group.creation_time().map(|millis| millis / 1000)));
        let names = recent.filter_map(|group| group.log_group_name).filter(|name| !search.log_groups.contains(name));
        found.extend(names.map(|name| {
            let kind = LeftoverKind::LogGroup;
            Found::new(kind.id(&[&name]), kind, name, maker, &Tags::new()).losing("its log events are deleted, too")
        }));
    }
    Ok(found)
}

/// Deletes an instance profile, without its role first.
pub(super) async fn remove_instance_profile(aws: &Aws, name: &str) -> Result<Deletion> {
    let reply = aws.iam.get_instance_profile().instance_profile_name(name).send().await?;
    for role in reply.instance_profile.map(|profile| profile.roles).unwrap_or_default() {
        let call = aws.iam.remove_role_from_instance_profile().instance_profile_name(name).role_name(role.role_name);
        ok_or_not_found(call.send().await)?;
    }
    Deletion::requested(aws.iam.delete_instance_profile().instance_profile_name(name).send().await)
}

/// Deletes a log group.
pub(super) async fn remove_log_group(aws: &Aws, name: &str) -> Result<Deletion> {
    Deletion::requested(aws.cloudwatchlogs.delete_log_group().log_group_name(name).send().await)
}

/// Phase of an instance profile.
pub(super) async fn instance_profile_phase(aws: &Aws, name: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.iam.get_instance_profile().instance_profile_name(name).send().await)?;
    Ok(reply.map(|_| Phase::Ready))
}

/// Phase of a log group.
pub(super) async fn log_group_phase(aws: &Aws, name: &str) -> Result<Option<Phase>> {
    let call = aws.cloudwatchlogs.describe_log_groups().log_group_name_prefix(name);
    let groups: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    Ok(groups.iter().any(|group| group.log_group_name() == Some(name)).then_some(Phase::Ready))
}
