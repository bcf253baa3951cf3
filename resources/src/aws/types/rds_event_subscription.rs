//! `rds_event_subscription`: notifications about events of databases.

use std::collections::BTreeSet;

use aws_sdk_rds::types::EventSubscription;

use super::{prelude::*, rds_subnet_group::rds_tags, sns_topic::SnsTopic};
use crate::core::Tags;

/// Notifications about events of databases, such as failovers and low storage, through a topic of SNS.
#[spec]
pub struct RdsEventSubscription {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 254, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Topic that gets the notifications.
    #[field(important)]
    pub topic: ArnRef<SnsTopic>,
    /// What the events are about.
    #[field(unset = "everything", dropped(impossible, "AWS does not remove the type from a subscription"))]
    #[field(one_of = [
        "blue-green-deployment", "custom-engine-version", "db-cluster", "db-cluster-snapshot", "db-instance", "db-parameter-group", "db-proxy",
        "db-security-group", "db-shard-group", "db-snapshot", "zero-etl"
    ])]
    pub source_type: Option<String>,
    /// Names of the sources, such as those of databases; empty for all of the type.
    #[field(default, requires = source_type)]
    pub sources: BTreeSet<String>,
    /// Categories of events, such as `availability`, `failover` and `low storage`; empty for all.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html>
    #[field(default)]
    pub categories: BTreeSet<String>,
    /// Whether notifications are sent.
    #[field(default = true, important)]
    pub enabled: bool,
}

impl Resource for RdsEventSubscription {
    const TYPE: TypeInfo =
        TypeInfo::new("rds_event_subscription", &services::rds::SERVICE, "{name}", "arn:aws:rds:{region}:{account}:es:{name}")
            .without_charge("the messages cost, at their topic")
            .typical_seconds(30)
            .without_token()
            .quota(20, "EventSubscriptionQuotaExceeded")
            .not_found("SubscriptionNotFound")
            .already_exists("SubscriptionAlreadyExist")
            .in_use("InvalidEventSubscriptionState")
            .iam_actions(
                IamActions::new("rds:es:{name}")
                    .read(&["rds:ListTagsForResource"])
                    .create(&["rds:CreateEventSubscription"])
                    .change(&[
                        "rds:AddSourceIdentifierToSubscription",
                        "rds:DeleteEventSubscription",
                        "rds:ModifyEventSubscription",
                        "rds:RemoveSourceIdentifierFromSubscription",
                    ])
                    .grants(&[IamGrant::read(&["rds:DescribeEventSubscriptions"], GrantTarget::Arn("rds:es:*"))]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.rds.describe_event_subscriptions().max_records(100).into_paginator().items().send().try_collect().await?;
        let covered = all
            .into_iter()
            .filter(|one| scope.covers(one.cust_subscription_id().unwrap_or_default(), one.event_subscription_arn().unwrap_or_default()));
        for_each_concurrent(covered, |one| async move {
            let name = one.cust_subscription_id().unwrap_or_default();
            let tags = rds_tags(aws, scope, name, one.event_subscription_arn().unwrap_or_default()).await?;
            tags.map(|tags| observed(one, tags)).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.rds.create_event_subscription().set_subscription_name(self.name.clone()).sns_topic_arn(self.topic.get());
        let call = call.set_source_type(self.source_type.clone()).enabled(self.enabled);
        let call = call.set_source_ids(self.sources_to_sdk()).set_event_categories(self.categories_to_sdk());
        let reply = call.set_tags(Some(services::rds::to_tags(&cx.call.tags))).send().await?;
        let name = reply.event_subscription.and_then(|one| one.cust_subscription_id);
        name.map(Created::Id).ok_or_else(|| Error::missing_field("CustSubscriptionId"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: RdsEventSubscriptionChanges) -> Result<()> {
        let name = &live.id;
        if changes.topic || changes.source_type || changes.categories || changes.enabled {
            let call = cx.rds.modify_event_subscription().subscription_name(name).sns_topic_arn(self.topic.get());
            let call = call.set_source_type(self.source_type.clone()).enabled(self.enabled);
            // An empty list stands for all categories.
            call.set_event_categories(Some(self.categories.iter().cloned().collect())).send().await?;
        }
        // A change of the type removes the sources.
        let before = if changes.source_type { BTreeSet::new() } else { live.spec.sources.clone() };
        for source in before.difference(&self.sources) {
            let call = cx.rds.remove_source_identifier_from_subscription().subscription_name(name).source_identifier(source);
            ok_or_not_found(call.send().await)?;
        }
        for source in self.sources.difference(&before) {
            cx.rds.add_source_identifier_to_subscription().subscription_name(name).source_identifier(source).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.rds.delete_event_subscription().subscription_name(&live.id).send().await)
    }
}

impl RdsEventSubscription {
    fn sources_to_sdk(&self) -> Option<Vec<String>> {
        Some(self.sources.iter().cloned().collect::<Vec<_>>()).filter(|sources| !sources.is_empty())
    }
    fn categories_to_sdk(&self) -> Option<Vec<String>> {
        Some(self.categories.iter().cloned().collect::<Vec<_>>()).filter(|categories| !categories.is_empty())
    }
}

/// The phase of a subscription. Without permission to publish, or without its topic, AWS sends nothing.
fn phase(status: &str) -> Phase {
    match status {
        "active" => Phase::Ready,
        "deleting" => Phase::Deleting,
        "no-permission" => Phase::Degraded("no-permission: the topic does not let RDS publish".to_owned()),
        "topic-not-exist" => Phase::Degraded("topic-not-exist: the topic was deleted".to_owned()),
        status => Phase::Progressing(status.to_owned()),
    }
}

fn observed(one: EventSubscription, tags: Tags) -> Result<Observed<RdsEventSubscription>> {
    let name = one.cust_subscription_id.ok_or_else(|| Error::missing_field("CustSubscriptionId"))?;
    let phase = phase(one.status.as_deref().unwrap_or_default());
    let spec = RdsEventSubscription {
        name: Some(name.clone()),
        topic: ArnRef::to(one.sns_topic_arn.unwrap_or_default()),
        source_type: one.source_type.filter(|kind| !kind.is_empty()),
        sources: one.source_ids_list.unwrap_or_default().into_iter().collect(),
        categories: one.event_categories_list.unwrap_or_default().into_iter().collect(),
        enabled: one.enabled.unwrap_or_default(),
    };
    let arn = one.event_subscription_arn.ok_or_else(|| Error::missing_field("EventSubscriptionArn"))?;
    Ok(Observed::new(name, tags, spec, ArnOutput { arn }).phase(phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_states() {
        assert_eq!(phase("active"), Phase::Ready);
        assert_eq!(phase("modifying"), Phase::Progressing("modifying".into()));
        assert!(matches!(phase("no-permission"), Phase::Degraded(_)));
    }
}
