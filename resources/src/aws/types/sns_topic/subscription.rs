//! Subscriptions of a topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;

use super::super::{iam_role::IamRole, prelude::*, sqs_queue::SqsQueue};
use crate::aws::{from_aws, to_aws};

/// A subscription of a topic. Protocol and endpoint identify it.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// Protocol.
    pub protocol: Protocol,
    /// Endpoint: the ARN of a queue, function, Firehose stream or mobile endpoint, an e-mail address, a URL, or a phone number.
    #[field(length = 1..=2048)]
    pub endpoint: String,
    /// Filter policy: the messages to deliver, as `{attribute: [values]}`; `{}` for all.
    #[field(default)]
    pub filter: Document,
    /// Whether the filter applies to the attributes of messages or to their body.
    #[field(default, requires = filter)]
    pub filter_scope: FilterScope,
    /// Delivers only the message, without SNS's JSON around it.
    #[field(default = false)]
    pub raw: bool,
    /// Queue for messages that can't be delivered.
    #[field(default, dropped = None)]
    pub dead_letter_queue: Option<ArnRef<SqsQueue>>,
    /// Retries of deliveries to this HTTP endpoint, in SNS's format; `{}` for those of the topic.
    #[field(default)]
    pub delivery_policy: Document,
    /// Role that SNS assumes to write to a Firehose stream.
    #[field(default, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Set by AWS until the subscription is confirmed. A definition can't set it.
    #[field(default, dropped = None)]
    pub pending_confirmation: Option<bool>,
}

/// Protocol of a subscription.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// An application on a mobile device.
    Application,
    /// E-mail with a text for people.
    Email,
    /// E-mail with JSON.
    EmailJson,
    /// A Firehose stream.
    Firehose,
    /// HTTP POST.
    Http,
    /// HTTPS POST.
    Https,
    /// A Lambda function.
    Lambda,
    /// Text messages to a phone.
    Sms,
    /// A queue.
    Sqs,
}

/// What a filter policy applies to.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "PascalCase")]
pub enum FilterScope {
    /// The attributes of messages.
    #[default]
    MessageAttributes,
    /// The body of messages, which is JSON.
    MessageBody,
}

/// Text in place of the ARN of an unconfirmed subscription.
const PENDING: &str = "PendingConfirmation";

const DELIVERY_POLICY: &str = "DeliveryPolicy";
const FILTER_POLICY: &str = "FilterPolicy";
const FILTER_SCOPE: &str = "FilterPolicyScope";
const RAW: &str = "RawMessageDelivery";
const REDRIVE_POLICY: &str = "RedrivePolicy";
const ROLE: &str = "SubscriptionRoleArn";

impl Subscription {
    /// Protocol and endpoint.
    pub(super) fn key(&self) -> (Protocol, &str) {
        (self.protocol, &self.endpoint)
    }
    pub(super) fn is_pending(&self) -> bool {
        self.pending_confirmation == Some(true)
    }
    /// A subscription without settings.
    fn plain(protocol: Protocol, endpoint: &str) -> Subscription {
        Subscription {
            protocol,
            endpoint: endpoint.to_owned(),
            filter: Document::default(),
            filter_scope: FilterScope::default(),
            raw: false,
            dead_letter_queue: None,
            delivery_policy: Document::default(),
            role: None,
            pending_confirmation: None,
        }
    }
    /// Redrive policy for SNS; empty for none.
    pub fn redrive_policy(&self) -> String {
        let policy = |queue: &ArnRef<SqsQueue>| json!({ "deadLetterTargetArn": queue.get() }).to_string();
        self.dead_letter_queue.as_ref().map(policy).unwrap_or_default()
    }

    /// Attributes in the order in which they change. An attribute's filter is valid for bodies, too, but not the other way round, and no
    /// message must get past a filter in between: the scope of bodies comes before its filter, and the scope of attributes after it.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        let scope = (FILTER_SCOPE, to_aws(&self.filter_scope));
        let filter = (FILTER_POLICY, self.filter.to_json());
        let mut all = match self.filter_scope {
            FilterScope::MessageBody => vec![scope, filter],
            FilterScope::MessageAttributes => vec![filter, scope],
        };
        all.push((RAW, self.raw.to_string()));
        all.push((REDRIVE_POLICY, self.redrive_policy()));
        all.push((DELIVERY_POLICY, self.delivery_policy.text().unwrap_or_default()));
        all.push((ROLE, self.role.as_ref().map(|role| role.get().to_owned()).unwrap_or_default()));
        all
    }
    /// Attributes that differ from those of another subscription.
    pub(super) fn attributes_unlike(&self, other: &Subscription) -> Vec<(&'static str, String)> {
        let other: BTreeMap<_, _> = other.attributes().into_iter().collect();
        self.attributes().into_iter().filter(|(name, text)| other.get(name) != Some(text)).collect()
    }
    /// The reverse of [`Subscription::attributes`].
    pub(super) fn from_attributes(protocol: Protocol, endpoint: &str, attributes: &HashMap<String, String>) -> Result<Subscription> {
        let text = |name| attributes.get(name).map(String::as_str).unwrap_or_default();
        let redrive = Document::parse(text(REDRIVE_POLICY))?;
        let filter = Document::parse(text(FILTER_POLICY))?;
        Ok(Subscription {
            filter_scope: match text(FILTER_SCOPE) {
                // Without a filter, SNS keeps the scope of an earlier one.
                scope if !scope.is_empty() && !filter.is_empty() => from_aws(scope)?,
                _ => FilterScope::default(),
            },
            filter,
            raw: text(RAW) == "true",
            dead_letter_queue: redrive.value()["deadLetterTargetArn"].as_str().map(ArnRef::to),
            delivery_policy: Document::parse(text(DELIVERY_POLICY))?,
            role: Some(text(ROLE)).filter(|role| !role.is_empty()).map(ArnRef::to),
            ..Subscription::plain(protocol, endpoint)
        })
    }
}

/// A subscription as SNS lists it.
pub(super) struct Listed {
    pub(super) protocol: Protocol,
    pub(super) endpoint: String,
    /// `None` until it is confirmed.
    pub(super) arn: Option<String>,
}

/// The account's subscriptions of a topic. Other accounts may subscribe to it, too.
pub(super) async fn list(aws: &Aws, topic: &str) -> Result<Vec<Listed>> {
    let account = topic.split(':').nth(4).unwrap_or_default();
    let all: Vec<_> = aws.sns.list_subscriptions_by_topic().topic_arn(topic).into_paginator().items().send().try_collect().await?;
    let own = all.into_iter().filter(|one| one.owner().is_none_or(|owner| owner.is_empty() || owner == account));
    let listed = own.filter(|one| one.subscription_arn() != Some("Deleted")).map(|one| {
        Ok(Listed {
            protocol: from_aws(one.protocol().unwrap_or_default())?,
            endpoint: one.endpoint.unwrap_or_default(),
            arn: one.subscription_arn.filter(|arn| arn.starts_with("arn:") && !arn.ends_with(PENDING)),
        })
    });
    listed.collect()
}

/// Reads the settings of a topic's subscriptions.
pub(super) async fn read(aws: &Aws, topic: &str) -> Result<BTreeSet<Subscription>> {
    let read = |one: Listed| async move {
        let Some(arn) = &one.arn else {
            return Ok(Some(Subscription { pending_confirmation: Some(true), ..Subscription::plain(one.protocol, &one.endpoint) }));
        };
        let Some(reply) = ok_or_not_found(aws.sns.get_subscription_attributes().subscription_arn(arn).send().await)? else {
            return Ok(None);
        };
        let attributes = reply.attributes.unwrap_or_default();
        let is_pending = attributes.get(PENDING).is_some_and(|pending| pending == "true");
        let subscription = Subscription::from_attributes(one.protocol, &one.endpoint, &attributes)?;
        Ok(Some(Subscription { pending_confirmation: is_pending.then_some(true), ..subscription }))
    };
    let all: Vec<Subscription> = for_each_concurrent(list(aws, topic).await?, read).await?;
    Ok(all.into_iter().collect())
}

/// Adds, changes and removes subscriptions. Unconfirmed ones can't change, and disappear by themselves.
pub(super) async fn update(cx: &Cx<'_>, topic: &str, live: &BTreeSet<Subscription>, wanted: &BTreeSet<Subscription>) -> Result<()> {
    let sns = &cx.sns;
    let listed = list(cx.api, topic).await?;
    let is = |listed: &Listed, one: &Subscription| (listed.protocol, listed.endpoint.as_str()) == one.key();
    for one in wanted {
        let Some(existing) = listed.iter().find(|listed| is(listed, one)) else {
            let attributes = one.attributes_unlike(&Subscription::plain(one.protocol, &one.endpoint));
            let attributes = attributes.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
            let call = sns.subscribe().topic_arn(topic).protocol(to_aws(&one.protocol)).endpoint(&one.endpoint);
            call.set_attributes(Some(attributes)).return_subscription_arn(true).send().await?;
            continue;
        };
        let Some(arn) = &existing.arn else { continue };
        let plain = Subscription::plain(one.protocol, &one.endpoint);
        let before = live.iter().find(|live| live.key() == one.key()).unwrap_or(&plain);
        for (name, text) in one.attributes_unlike(before) {
            let call = sns.set_subscription_attributes().subscription_arn(arn).attribute_name(name);
            call.attribute_value(text).send().await?;
        }
    }
    let leaving = listed.iter().filter(|listed| !wanted.iter().any(|one| is(listed, one))).filter_map(|listed| listed.arn.as_ref());
    for arn in leaving {
        ok_or_not_found(sns.unsubscribe().subscription_arn(arn).send().await)?;
    }
    Ok(())
}
