//! Notifications of a budget.

use std::collections::BTreeSet;

use aws_sdk_budgets::types as sdk;

use super::super::{prelude::*, sns_topic::SnsTopic};
use crate::aws::{from_aws, to_aws};

/// A notification. All but its receivers identifies it.
#[spec]
#[derive(PartialEq)]
pub struct Notification {
    /// Whether the actual or the forecasted costs are compared.
    #[field(default)]
    pub kind: NotificationType,
    /// Comparison with the threshold.
    #[field(default)]
    pub comparison: Comparison,
    /// Threshold.
    #[field(range = 0..=15_000_000_000_000_i64)]
    pub threshold: f64,
    /// Whether the threshold is a part of the amount or an amount.
    #[field(default)]
    pub threshold_type: ThresholdType,
    /// E-mail addresses.
    #[field(default, length = 0..=10, pattern = "[^@]+@[^@]+")]
    pub emails: BTreeSet<String>,
    /// Topic. Its policy must allow `budgets.amazonaws.com` to publish.
    #[field(default, dropped = None)]
    pub topic: Option<ArnRef<SnsTopic>>,
}

/// Costs that are compared.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationType {
    /// The costs so far.
    #[default]
    Actual,
    /// The costs expected at the end of the period.
    Forecasted,
}

/// Comparison with a threshold.
#[allow(missing_docs)]
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Comparison {
    #[default]
    GreaterThan,
    LessThan,
    EqualTo,
}

/// Meaning of a threshold.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ThresholdType {
    /// Part of the budget's amount, in percent.
    #[default]
    Percentage,
    /// Amount, in the budget's unit.
    AbsoluteValue,
}

/// Account and name of a budget.
pub(super) type BudgetName<'a> = (&'a str, &'a str);

impl Notification {
    /// What identifies it.
    pub(super) fn key(&self) -> (NotificationType, Comparison, u64, ThresholdType) {
        (self.kind, self.comparison, self.threshold.to_bits(), self.threshold_type)
    }
    fn notification(&self) -> Result<sdk::Notification> {
        let notification = sdk::Notification::builder().notification_type(to_aws(&self.kind).as_str().into());
        let notification = notification.comparison_operator(to_aws(&self.comparison).as_str().into()).threshold(self.threshold);
        Ok(notification.threshold_type(to_aws(&self.threshold_type).as_str().into()).build()?)
    }
    fn subscribers(&self) -> Result<Vec<sdk::Subscriber>> {
        let emails = self.emails.iter().map(|email| (sdk::SubscriptionType::Email, email.as_str()));
        let topic = self.topic.as_ref().map(|topic| (sdk::SubscriptionType::Sns, topic.get()));
        let subscribers =
            emails.chain(topic).map(|(of, address)| sdk::Subscriber::builder().subscription_type(of).address(address).build());
        Ok(subscribers.collect::<std::result::Result<_, _>>()?)
    }
    pub(super) fn to_sdk(&self) -> Result<sdk::NotificationWithSubscribers> {
        let whole = sdk::NotificationWithSubscribers::builder().notification(self.notification()?);
        Ok(whole.set_subscribers(Some(self.subscribers()?)).build()?)
    }
    fn from_sdk(notification: sdk::Notification, subscribers: Vec<sdk::Subscriber>) -> Result<Notification> {
        let (topics, emails): (Vec<_>, Vec<_>) =
            subscribers.into_iter().partition(|one| one.subscription_type == sdk::SubscriptionType::Sns);
        Ok(Notification {
            kind: from_aws(notification.notification_type.as_str())?,
            comparison: from_aws(notification.comparison_operator.as_str())?,
            threshold: notification.threshold,
            threshold_type: notification.threshold_type.map(|of| from_aws(of.as_str())).transpose()?.unwrap_or_default(),
            emails: emails.into_iter().map(|one| one.address).collect(),
            topic: topics.into_iter().next().map(|one| ArnRef::to(one.address)),
        })
    }
}

/// Reads the notifications of a budget, with their receivers.
pub(super) async fn list(aws: &Aws, (account, budget): BudgetName<'_>) -> Result<Vec<Notification>> {
    let call = aws.budgets.describe_notifications_for_budget().account_id(account).budget_name(budget);
    let all: Vec<_> = call.into_paginator().items().send().try_collect().await?;
    let mut found = Vec::new();
    for notification in all {
        let call = aws.budgets.describe_subscribers_for_notification().account_id(account).budget_name(budget);
        let subscribers: Result<Vec<_>, _> = call.notification(notification.clone()).into_paginator().items().send().try_collect().await;
        let Some(subscribers) = ok_or_not_found(subscribers)? else { continue };
        found.push(Notification::from_sdk(notification, subscribers)?);
    }
    Ok(found)
}

/// Adds, changes and removes notifications. New receivers come first: a notification without any disappears.
pub(super) async fn update(cx: &Cx<'_>, name: BudgetName<'_>, live: &[Notification], wanted: &[Notification]) -> Result<()> {
    let (budgets, (account, budget)) = (&cx.budgets, name);
    for one in live.iter().filter(|live| !wanted.iter().any(|one| one.key() == live.key())) {
        let call = budgets.delete_notification().account_id(account).budget_name(budget).notification(one.notification()?);
        ok_or_not_found(call.send().await)?;
    }
    for one in wanted {
        let Some(before) = live.iter().find(|live| live.key() == one.key()) else {
            let call = budgets.create_notification().account_id(account).budget_name(budget).notification(one.notification()?);
            call.set_subscribers(Some(one.subscribers()?)).send().await?;
            continue;
        };
        let (before, after) = (before.subscribers()?, one.subscribers()?);
        for subscriber in after.iter().filter(|subscriber| !before.contains(subscriber)) {
            let call = budgets.create_subscriber().account_id(account).budget_name(budget).notification(one.notification()?);
            call.subscriber(subscriber.clone()).send().await?;
        }
        for subscriber in before.iter().filter(|subscriber| !after.contains(subscriber)) {
            let call = budgets.delete_subscriber().account_id(account).budget_name(budget).notification(one.notification()?);
            ok_or_not_found(call.subscriber(subscriber.clone()).send().await)?;
        }
    }
    Ok(())
}
