//! `sns_topic`: a topic of the Simple Notification Service, with its subscriptions.

mod check;
mod delivery_log;
mod policy;
mod read;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;

use super::{kms_key::KmsKey, prelude::*};
use crate::core::attributes::{attributes, changed_attributes};

pub use delivery_log::{DeliveryLog, LoggedProtocol};
pub use subscription::{FilterScope, Protocol, Subscription};

/// A topic of the Simple Notification Service, with its subscriptions. Its id is its ARN.
#[spec]
#[derive(Default)]
pub struct SnsTopic {
    /// Name, unique in account and region. acme adds the suffix `.fifo` of a FIFO topic if it is missing.
    #[field(name(max = 256, suffix(".fifo", when = fifo)), pattern = r"[A-Za-z0-9_-]+(\.fifo)?", replaces)]
    pub name: Option<String>,
    /// Delivers messages in order and exactly once, to queues only.
    #[field(default = false, replaces, important, attribute = "FifoTopic")]
    pub fifo: bool,
    /// Recognizes duplicate messages by their content.
    #[field(default = false, requires = fifo, attribute = "ContentBasedDeduplication")]
    pub content_based_deduplication: bool,
    /// Scope of the throughput quota and of the recognition of duplicates.
    #[field(default = "Topic", one_of = ["Topic", "MessageGroup"], requires = fifo, attribute = "FifoThroughputScope")]
    pub throughput_scope: String,
    /// Time for which messages are kept for replay, in days; 0 without an archive.
    #[field(default = 0, range = 0..=365, requires = fifo, impact = "a shorter time deletes older messages")]
    pub archive_days: u32,
    /// Sender's name in text messages and e-mails.
    #[field(default, length = 0..=100, attribute = "DisplayName")]
    pub display_name: String,
    /// Key that encrypts messages.
    #[field(default, important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Topic policy for access by other principals; `{Statement: []}` for SNS's default, which gives access to the account only.
    #[field(policy = "resource", unset = "unchanged, at creation SNS's default", important, dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Retries of deliveries to HTTP endpoints, in SNS's format: `{http: {defaultHealthyRetryPolicy: …}}`; `{}` for SNS's default.
    #[field(default)]
    pub delivery_policy: Document,
    /// Whether X-Ray traces messages: `Active` samples messages, `PassThrough` only passes on the decision of the publisher.
    #[field(default = "PassThrough", one_of = ["PassThrough", "Active"], attribute = "TracingConfig")]
    pub tracing: String,
    /// Version of the signature of messages: 1 uses SHA1, 2 uses SHA256.
    #[field(default = 1, one_of = [1, 2], attribute = "SignatureVersion")]
    pub signature_version: u32,
    /// Logs of deliveries in CloudWatch Logs, by the protocol of the subscriptions.
    #[field(default, after_create)]
    pub delivery_logs: BTreeMap<LoggedProtocol, DeliveryLog>,
    /// Subscriptions, one for each protocol and endpoint. acme removes others of this account once this field is set. SNS asks the owners of
    /// e-mail addresses and HTTP endpoints to confirm; an unconfirmed subscription disappears after some days, and the next apply asks
    /// again.
    #[field(default, after_create, own_read, important)]
    pub subscriptions: BTreeSet<Subscription>,
}

/// Messages to the topic.
const PUBLISHES: UsageKey = UsageKey::new("publishes", "messages to the topic in a month, in units of 64 KiB");
/// Messages to HTTP endpoints.
const HTTP_DELIVERIES: UsageKey = UsageKey::new("http_deliveries", "messages to HTTP and HTTPS endpoints in a month");
/// E-mails.
const EMAILS: UsageKey = UsageKey::new("emails", "e-mails in a month");

impl Resource for SnsTopic {
    const TYPE: TypeInfo = TypeInfo::new("sns_topic", &services::sns::SERVICE, "{arn}", "arn:aws:sns:{region}:{account}:{name}")
        .lost_on_recreation("subscriptions by e-mail and HTTP must be confirmed again")
        .deletable_while_in_use()
        .iam_actions(
            IamActions::new("sns:{name}")
                .list(&["sns:ListTopics"])
                .read(&[
                    "sns:GetSubscriptionAttributes",
                    "sns:GetTopicAttributes",
                    "sns:ListSubscriptionsByTopic",
                    "sns:ListTagsForResource",
                ])
                .create(&["sns:CreateTopic"])
                .change(&["sns:DeleteTopic", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe"])
                .grants(&[IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["sns.amazonaws.com"]))]),
        );
    const USAGE: &'static [UsageKey] = &[PUBLISHES, HTTP_DELIVERIES, EMAILS];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// Messages to queues and functions are free: <https://aws.amazon.com/sns/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        if self.fifo {
            return Pricing::default().without("messages of FIFO topics");
        }
        let product = |family, usage_type| Product::new("AmazonSNS").family(family).usage_type(usage_type);
        let delivery = |usage_type| product("Message Delivery", usage_type);
        Pricing::of(vec![
            context.metered("messages", &PUBLISHES, "requests", product("API Request", "Requests-Tier1")),
            context.metered("messages to HTTP endpoints", &HTTP_DELIVERIES, "messages", delivery("DeliveryAttempts-HTTP")),
            context.metered("e-mails", &EMAILS, "messages", delivery("DeliveryAttempts-SMTP")),
        ])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.sns.list_topics().into_paginator().items().send().try_collect().await?;
        let arns = all.into_iter().filter_map(|topic| topic.topic_arn);
        let ours = arns.filter(|arn| scope.covers(read::name(arn), arn));
        for_each_concurrent(ours, |arn| read::read(aws, scope, arn)).await
    }

    /// Returns an existing topic with the same tags; with others, SNS refuses the call.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let mut attributes = self.attributes();
        if !self.fifo {
            attributes.retain(|name, _| !Self::fifo_attributes().any(|fifo| fifo == name));
        }
        attributes.retain(|_, text| !text.is_empty() && *text != none());
        let call = cx.sns.create_topic().set_name(self.name.clone()).set_attributes(Some(attributes));
        let reply = call.set_tags(Some(services::sns::to_tags(&cx.call.tags))).send().await?;
        reply.topic_arn.map(Created::Id).ok_or_else(|| Error::missing_field("TopicArn"))
    }

    /// SetTopicAttributes takes one attribute.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: SnsTopicChanges) -> Result<()> {
        let mut changed: Vec<(String, String)> =
            changed_attributes(self, &changes).into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let all = self.attributes();
        for (is_changed, name) in
            [(changes.kms_key, KMS_KEY), (changes.delivery_policy, DELIVERY_POLICY), (changes.archive_days, ARCHIVE_POLICY)]
        {
            changed.extend(is_changed.then(|| (name.to_owned(), all.get(name).cloned().unwrap_or_default())));
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            let policy = if policy.is_empty() { policy::default_policy(&live.id) } else { policy.clone() };
            changed.push((POLICY.to_owned(), policy.to_json()));
        }
        if changes.delivery_logs {
            changed.extend(delivery_log::changed_attributes(&live.spec.delivery_logs, &self.delivery_logs));
        }
        for (name, text) in changed {
            cx.sns.set_topic_attributes().topic_arn(&live.id).attribute_name(name).attribute_value(text).send().await?;
        }
        if changes.subscriptions {
            subscription::update(cx, &live.id, &live.spec.subscriptions, &self.subscriptions).await?;
        }
        Ok(())
    }

    /// SNS does not delete a topic with an archive.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if live.spec.archive_days > 0 {
            let call = cx.sns.set_topic_attributes().topic_arn(&live.id).attribute_name(ARCHIVE_POLICY);
            call.attribute_value(none()).send().await?;
        }
        Deletion::requested(cx.sns.delete_topic().topic_arn(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// Nothing can change an unconfirmed subscription, and SNS does not report its settings. One that is no longer declared
    /// disappears by itself.
    fn normalize(&self, live: &mut Self) {
        let declared = |one: &Subscription| self.subscriptions.iter().find(|other| other.key() == one.key());
        let settled = std::mem::take(&mut live.subscriptions).into_iter();
        live.subscriptions = settled.filter_map(|one| if one.is_pending() { declared(&one).cloned() } else { Some(one) }).collect();
    }
}

const ARCHIVE_POLICY: &str = "ArchivePolicy";
const DELIVERY_POLICY: &str = "DeliveryPolicy";
const KMS_KEY: &str = "KmsMasterKeyId";
const POLICY: &str = "Policy";

/// Text that removes an archive policy.
fn none() -> String {
    json!({}).to_string()
}

impl SnsTopic {
    /// Attributes for SNS, except those of delivery logs. An empty text stands for none.
    fn attributes(&self) -> HashMap<String, String> {
        let mut all: HashMap<String, String> = attributes(self).into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        all.insert(KMS_KEY.into(), self.kms_key.as_ref().map(|key| key.get().to_owned()).unwrap_or_default());
        all.insert(DELIVERY_POLICY.into(), self.delivery_policy.text().unwrap_or_default());
        all.insert(ARCHIVE_POLICY.into(), self.archive_policy());
        all.insert(POLICY.into(), self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json).unwrap_or_default());
        all
    }
    /// Archive policy; `{}` for none, which removes it.
    pub fn archive_policy(&self) -> String {
        match self.archive_days {
            0 => none(),
            days => json!({ "MessageRetentionPeriod": days.to_string() }).to_string(),
        }
    }
    /// Attributes that SNS rejects for other topics.
    fn fifo_attributes() -> impl Iterator<Item = &'static str> {
        let of_fields = Self::FIELDS.iter().filter(|field| {
            [Self::POINTERS.fifo, Self::POINTERS.content_based_deduplication, Self::POINTERS.throughput_scope]
                .iter()
                .any(|pointer| pointer.as_str() == field.pointer)
        });
        of_fields.filter_map(|field| field.attribute).chain([ARCHIVE_POLICY])
    }
}
