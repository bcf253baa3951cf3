//! `cache_user_group`: the users of Redis OSS or Valkey caches.

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::UserGroup;

use super::{
    cache_user::{CacheUser, CacheUserEngine},
    prelude::*,
};
use crate::{
    aws::{from_aws, to_aws},
    core::{Tags, referenced_ids},
};

/// The users of Redis OSS or Valkey caches.
#[spec]
pub struct CacheUserGroup {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 40, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Engine of the caches. A group for Valkey takes only users with a password or with IAM authentication.
    #[field(default = CacheUserEngine::Redis, one_way(Direction::Ordered(&["redis", "valkey"]), "AWS does not change groups back to Redis OSS"))]
    pub engine: CacheUserEngine,
    /// Its users. A group for Redis OSS has exactly one with the `user_name` `default`.
    #[field(important, length = 1..=100)]
    pub users: BTreeSet<Ref<CacheUser>>,
}

impl Resource for CacheUserGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "cache_user_group",
        &services::elasticache::SERVICE,
        "{name}",
        "arn:aws:elasticache:{region}:{account}:usergroup:{name}",
    )
    .without_charge("users of caches cost nothing")
    .typical_seconds(15)
    .without_token()
    .quota(100, "UserGroupQuotaExceeded")
    .not_found("UserGroupNotFound")
    .already_exists("UserGroupAlreadyExists")
    .in_use("InvalidUserGroupState")
    .iam_actions(
        IamActions::new("elasticache:usergroup:{name}")
            .read(&["elasticache:ListTagsForResource"])
            .create(&["elasticache:CreateUserGroup"])
            .create_uses(&["cache_user"])
            .change(&["elasticache:DeleteUserGroup", "elasticache:ModifyUserGroup"])
            .grants(&[
                IamGrant::read(&["elasticache:DescribeUserGroups"], GrantTarget::Arn("elasticache:usergroup:*")),
                IamGrant::change(&["elasticache:CreateUserGroup", "elasticache:ModifyUserGroup"], GrantTarget::Referenced("cache_user")),
            ]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups: Vec<_> = aws.elasticache.describe_user_groups().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = |group: &UserGroup| scope.covers(group.user_group_id().unwrap_or_default(), group.arn().unwrap_or_default());
        for_each_concurrent(groups.into_iter().filter(covered), |group| async move {
            let (name, arn) = (group.user_group_id().unwrap_or_default(), group.arn().unwrap_or_default());
            let tags = services::elasticache::read_tags(aws, scope, name, arn).await?;
            tags.map(|tags| observed(group, tags)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.elasticache.create_user_group().set_user_group_id(self.name.clone()).engine(to_aws(&self.engine));
        let call = call.set_user_ids(Some(referenced_ids(&self.users)));
        let reply = call.set_tags(Some(services::elasticache::to_tags(&cx.call.tags))).send().await?;
        reply.user_group_id.map(Created::Id).ok_or_else(|| Error::missing_field("UserGroupId"))
    }

    /// One call adds and removes, because a group for Redis OSS always has a default user.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheUserGroupChanges) -> Result<()> {
        let call = cx.elasticache.modify_user_group().user_group_id(&live.id).set_engine(changes.engine.then(|| to_aws(&self.engine)));
        let difference = |one: &BTreeSet<Ref<CacheUser>>, other: &BTreeSet<Ref<CacheUser>>| {
            let ids: Vec<String> = one.difference(other).map(|user| user.get().to_owned()).collect();
            Some(ids).filter(|ids| !ids.is_empty())
        };
        let call = call.set_user_ids_to_add(difference(&self.users, &live.spec.users));
        call.set_user_ids_to_remove(difference(&live.spec.users, &self.users)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elasticache.delete_user_group().user_group_id(&live.id).send().await)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(group) = declared.spec() else { return Vec::new() };
        let at = Self::POINTERS;
        // Of users outside the stack, nothing is known.
        let Some(users) = group.users.iter().map(|user| declared.referenced(user)).collect::<Option<Vec<_>>>() else { return Vec::new() };
        let mut problems = Vec::new();
        for (address, user) in
            users.iter().filter(|(_, user)| group.engine == CacheUserEngine::Redis && user.engine == CacheUserEngine::Valkey)
        {
            let message = format!("`{address}` is a user for {}, and the group is for redis", to_aws(&user.engine));
            problems.push(Problem::new(at.users.clone(), message));
        }
        let defaults = users.iter().filter(|(_, user)| user.user_name.as_deref() == Some("default")).count();
        if group.engine == CacheUserEngine::Redis && defaults != 1 {
            let message = format!("a group for redis has one user with the name `default`, and this one has {defaults}");
            problems.push(
                Problem::new(at.users, message)
                    .help("add a user with `user_name: default`, `authentication: none` and `access: off -@all`"),
            );
        }
        problems
    }
}

fn observed(group: UserGroup, tags: Tags) -> Result<Observed<CacheUserGroup>> {
    let name = group.user_group_id.ok_or_else(|| Error::missing_field("UserGroupId"))?;
    // Users that are being removed count as removed, those that are being added as added.
    let (mut users, pending): (BTreeSet<String>, _) = (group.user_ids.unwrap_or_default().into_iter().collect(), group.pending_changes);
    if let Some(pending) = pending {
        users.extend(pending.user_ids_to_add.unwrap_or_default());
        for user in pending.user_ids_to_remove.unwrap_or_default() {
            users.remove(&user);
        }
    }
    let spec = CacheUserGroup {
        name: Some(name.clone()),
        engine: from_aws(&group.engine.unwrap_or_default().to_ascii_lowercase())?,
        users: users.into_iter().map(Ref::to).collect(),
    };
    let arn = group.arn.ok_or_else(|| Error::missing_field("ARN"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }).phase(Phase::from_status(group.status.as_deref().unwrap_or_default())))
}
