//! `sqs_queue`: a message queue.

use std::collections::{BTreeSet, HashMap};

use acme_macros::spec;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kms_key::KmsKey;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, partition, services},
    core::{
        ArnRef, Created, DataProtection, Deletion, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Policy, Problem, Resource,
        Result, Scope, TypeInfo, ok_or_not_found,
    },
};

/// A message queue.
#[spec]
#[derive(Default)]
pub struct SqsQueue {
    /// Name, unique in account and region. A FIFO queue gets the suffix `.fifo` in addition.
    #[field(name(max = 75), pattern = "[A-Za-z0-9_-]+", replaces)]
    pub name: Option<String>,
    /// Delivers messages in order and exactly once.
    #[field(default = false, replaces, important)]
    pub fifo: bool,
    /// Recognizes duplicate messages of a FIFO queue by their content.
    #[field(default = false)]
    pub content_based_deduplication: bool,
    /// Scope in which a FIFO queue recognizes duplicates.
    #[field(default = "queue", one_of = ["queue", "messageGroup"])]
    pub deduplication_scope: String,
    /// Scope of a FIFO queue's throughput quota. `perMessageGroupId` needs `deduplication_scope: messageGroup`.
    #[field(default = "perQueue", one_of = ["perQueue", "perMessageGroupId"])]
    pub throughput_limit: String,
    /// Time for which a received message is hidden from other consumers, in seconds.
    #[field(default = 30, range = 0..=43_200, important)]
    pub visibility_timeout_seconds: u32,
    /// Time after which an unconsumed message is deleted, in seconds. AWS may take 15 minutes to apply a change.
    #[field(default = 345_600, range = 60..=1_209_600, important, impact = "a shorter time deletes older messages")]
    pub retention_seconds: u32,
    /// Delay of every message, in seconds.
    #[field(default = 0, range = 0..=900)]
    pub delay_seconds: u32,
    /// Maximum size of a message, in bytes.
    #[field(default = 1_048_576, range = 1024..=1_048_576)]
    pub max_message_bytes: u32,
    /// Time for which a receive call waits for a message, in seconds.
    #[field(default = 0, range = 0..=20)]
    pub receive_wait_seconds: u32,
    /// Queue for messages that were received `max_receives` times; a FIFO queue if this is one.
    #[field(default, important)]
    pub dead_letter_queue: Option<ArnRef<SqsQueue>>,
    /// Number of receives after which a message moves to the `dead_letter_queue`; 0 without one.
    #[field(default = 0, range = 0..=1000)]
    pub max_receives: u32,
    /// Queues that may use this one as their dead-letter queue: all of the account and region, none, or the `redrive_sources`.
    #[field(default = "allowAll", one_of = ["allowAll", "denyAll", "byQueue"])]
    pub redrive_permission: String,
    /// ARNs of these queues. Not references, because the queues refer to this one.
    #[field(default, length = 0..=10, pattern = "arn:aws[a-z-]*:sqs:.+")]
    pub redrive_sources: BTreeSet<String>,
    /// Encryption of messages: with keys that SQS manages (SSE-SQS), with the `kms_key`, which implies `kms`, or none.
    #[field(default = "sqs", one_of = ["sqs", "kms", "none"], risky("none", "messages are not encrypted"))]
    pub encryption: String,
    /// Key that encrypts messages.
    #[field(default, important)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Time for which SQS uses a data key before it calls KMS again, in seconds. Has no effect without a `kms_key`.
    #[field(default = 300, range = 60..=86_400)]
    pub data_key_reuse_seconds: u32,
    /// Queue policy for access by other principals; `{Statement: []}` for none.
    #[field(unset = "unchanged", important)]
    pub policy: Option<Policy>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// URL, the parameter of calls.
    #[schemars(extend("x-acme-simulated" = "{id}"))]
    pub url: String,
    /// Complete name, with the suffix of a FIFO queue.
    #[schemars(extend("x-acme-simulated" = "{name}{fifo|true=.fifo|}"))]
    pub queue_name: String,
}

impl Resource for SqsQueue {
    const TYPE: TypeInfo = TypeInfo::new(
        "sqs_queue",
        &services::sqs::SERVICE,
        "https://sqs.{region}.amazonaws.com/{account}/{name}{fifo|true=.fifo|}",
        "arn:aws:sqs:{region}:{account}:{name}{fifo|true=.fifo|}",
    )
    .data_protection(DataProtection::Contents)
    .deletable_while_in_use()
    .visibility_delay_seconds(60)
    .iam_actions(
        IamActions::new("sqs:{name}*")
            .list(&["sqs:ListQueues"])
            .read(&["sqs:GetQueueAttributes", "sqs:ListQueueTags"])
            .create(&["sqs:CreateQueue"])
            .change(&["sqs:DeleteQueue", "sqs:SetQueueAttributes"])
            .grants(&[IamGrant::change(&["kms:Decrypt", "kms:GenerateDataKey"], GrantTarget::Referenced("kms_key"))]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        // Without a page size, SQS returns at most 1,000 queues and no token for the rest.
        let all = aws.sqs.list_queues().max_results(1000).into_paginator().items().send().try_collect().await?;
        for_each_concurrent(all, |url: String| async move { Ok(ok_or_not_found(read(aws, scope, url).await)?.flatten()) }).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let attributes = self.attributes().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let call = cx.sqs.create_queue().queue_name(self.queue_name()).set_attributes(Some(attributes));
        let reply = call.set_tags(Some(cx.call.tags.clone().into_iter().collect())).send().await?;
        reply.queue_url.map(Created::Id).ok_or_else(|| Error::missing_field("QueueUrl"))
    }

    /// SetQueueAttributes keeps the attributes that it does not name.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: SqsQueueChanges) -> Result<()> {
        let before = live.spec.attributes();
        let changed = self.attributes().into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
        cx.sqs.set_queue_attributes().queue_url(&live.id).set_attributes(Some(changed)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.sqs.delete_queue().queue_url(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let call = aws.sqs.get_queue_attributes().queue_url(id).attribute_names(Attribute::All);
        let Some(reply) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        // Visible, in flight and delayed.
        let counts = reply.attributes.into_iter().flatten().filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages"));
        let count: u64 = counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum();
        Ok((count > 0).then(|| format!("about {count} message{}", if count == 1 { "" } else { "s" })))
    }

    fn check(&self) -> Vec<Problem> {
        let scope_is_queue = self.deduplication_scope == "queue";
        let per_group = self.throughput_limit == "perMessageGroupId";
        let by_queue = self.redrive_permission == "byQueue";
        let is_kms = self.encryption == "kms";
        let at = Self::POINTERS;
        let rules = [
            (self.content_based_deduplication && !self.fifo, at.content_based_deduplication, "only a FIFO queue recognizes duplicates"),
            (!scope_is_queue && !self.fifo, at.deduplication_scope, "only a FIFO queue recognizes duplicates"),
            (per_group && scope_is_queue, at.throughput_limit, "`perMessageGroupId` needs `deduplication_scope: messageGroup`"),
            (self.dead_letter_queue.is_some() && self.max_receives == 0, at.dead_letter_queue, "a dead-letter queue needs `max_receives`"),
            (self.dead_letter_queue.is_none() && self.max_receives > 0, at.max_receives, "`max_receives` needs a `dead_letter_queue`"),
            (by_queue == self.redrive_sources.is_empty(), at.redrive_sources, "`byQueue` and `redrive_sources` need each other"),
            (is_kms && self.kms_key.is_none(), at.encryption.clone(), "`kms` needs a `kms_key`"),
            (self.encryption == "none" && self.kms_key.is_some(), at.encryption, "a `kms_key` encrypts messages"),
        ];
        rules.into_iter().filter(|(broken, ..)| *broken).map(|(_, pointer, message)| Problem::new(pointer, message)).collect()
    }

    fn normalize(&self, live: &mut Self) {
        if live.encryption == self.encryption() {
            live.encryption = self.encryption.clone();
        }
        if self.encryption() != "kms" {
            live.data_key_reuse_seconds = self.data_key_reuse_seconds;
        }
    }
}

impl SqsQueue {
    /// Name with the suffix of a FIFO queue.
    pub(crate) fn queue_name(&self) -> String {
        format!("{}{}", self.name.as_deref().unwrap_or_default(), if self.fifo { ".fifo" } else { "" })
    }
    /// Encryption, including one implied by a key.
    pub(crate) fn encryption(&self) -> &str {
        if self.kms_key.is_some() { "kms" } else { &self.encryption }
    }
    /// Redrive policy; empty for none.
    pub(crate) fn redrive_policy(&self) -> String {
        let policy = |queue| json!({ "deadLetterTargetArn": queue, "maxReceiveCount": self.max_receives }).to_string();
        self.dead_letter_queue.as_ref().filter(|_| self.max_receives > 0).map(|queue| policy(queue.get())).unwrap_or_default()
    }
    /// Redrive allow policy; empty for SQS's default.
    pub(crate) fn redrive_allow_policy(&self) -> String {
        match self.redrive_permission.as_str() {
            "allowAll" => String::new(),
            "byQueue" => json!({ "redrivePermission": "byQueue", "sourceQueueArns": self.redrive_sources }).to_string(),
            permission => json!({ "redrivePermission": permission }).to_string(),
        }
    }

    /// Fields that are numbers in SQS, too.
    fn numbers(&mut self) -> [(Attribute, &mut u32); 6] {
        [
            (Attribute::VisibilityTimeout, &mut self.visibility_timeout_seconds),
            (Attribute::MessageRetentionPeriod, &mut self.retention_seconds),
            (Attribute::DelaySeconds, &mut self.delay_seconds),
            (Attribute::MaximumMessageSize, &mut self.max_message_bytes),
            (Attribute::ReceiveMessageWaitTimeSeconds, &mut self.receive_wait_seconds),
            (Attribute::KmsDataKeyReusePeriodSeconds, &mut self.data_key_reuse_seconds),
        ]
    }

    /// Attributes for SQS. An empty value removes a policy or key.
    fn attributes(&self) -> HashMap<Attribute, String> {
        let mut all: HashMap<_, _> = self.clone().numbers().map(|(name, number)| (name, number.to_string())).into();
        if self.encryption() != "kms" {
            all.remove(&Attribute::KmsDataKeyReusePeriodSeconds);
        }
        all.insert(Attribute::KmsMasterKeyId, self.kms_key.as_ref().map(|key| key.get().to_owned()).unwrap_or_default());
        all.insert(Attribute::SqsManagedSseEnabled, (self.encryption() == "sqs").to_string());
        all.insert(Attribute::RedrivePolicy, self.redrive_policy());
        all.insert(Attribute::RedriveAllowPolicy, self.redrive_allow_policy());
        if let Some(policy) = &self.policy {
            all.insert(Attribute::Policy, if policy.is_empty() { String::new() } else { policy.to_json() });
        }
        if self.fifo {
            all.insert(Attribute::FifoQueue, true.to_string());
            all.insert(Attribute::ContentBasedDeduplication, self.content_based_deduplication.to_string());
            all.insert(Attribute::DeduplicationScope, self.deduplication_scope.clone());
            all.insert(Attribute::FifoThroughputLimit, self.throughput_limit.clone());
        }
        all
    }

    /// The reverse of [`SqsQueue::attributes`].
    fn from_attributes(name: &str, attributes: &HashMap<Attribute, String>) -> Result<SqsQueue> {
        let text = |name| attributes.get(&name).map(String::as_str).filter(|text| !text.is_empty());
        let is_on = |name| text(name) == Some("true");
        let json = |name| text(name).map(serde_json::from_str::<Value>).transpose().map(Option::unwrap_or_default);
        let (redrive, allow) = (json(Attribute::RedrivePolicy)?, json(Attribute::RedriveAllowPolicy)?);
        let mut queue = SqsQueue {
            name: Some(name.to_owned()),
            fifo: is_on(Attribute::FifoQueue),
            content_based_deduplication: is_on(Attribute::ContentBasedDeduplication),
            dead_letter_queue: redrive["deadLetterTargetArn"].as_str().map(ArnRef::to),
            // A number, or its text.
            max_receives: redrive["maxReceiveCount"].to_string().trim_matches('"').parse().unwrap_or_default(),
            redrive_sources: serde_json::from_value(allow["sourceQueueArns"].clone()).unwrap_or_default(),
            kms_key: text(Attribute::KmsMasterKeyId).map(ArnRef::to),
            policy: Some(text(Attribute::Policy).map_or_else(|| Ok(Policy::new(json!({ "Statement": [] }))), Policy::parse)?),
            encryption: if is_on(Attribute::SqsManagedSseEnabled) { "sqs" } else { "none" }.into(),
            ..SqsQueue::default()
        };
        queue.encryption = queue.encryption().to_owned();
        let texts = [
            (text(Attribute::DeduplicationScope), &mut queue.deduplication_scope),
            (text(Attribute::FifoThroughputLimit), &mut queue.throughput_limit),
            (allow["redrivePermission"].as_str(), &mut queue.redrive_permission),
        ];
        for (text, field) in texts {
            *field = text.unwrap_or(field).to_owned();
        }
        for (name, field) in queue.numbers() {
            *field = text(name).and_then(|text| text.parse().ok()).unwrap_or(*field);
        }
        Ok(queue)
    }
}

/// Reads one queue. `None`: it is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, url: String) -> Result<Option<Observed<SqsQueue>>> {
    let mut parts = url.rsplit('/');
    let (queue_name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let arn = format!("arn:{}:sqs:{}:{account}:{queue_name}", partition(&aws.region), aws.region);
    let name = queue_name.trim_end_matches(".fifo");
    if !scope.covers(name, &arn) && !scope.covers(&url, &arn) {
        return Ok(None);
    }
    // CreateQueue returns an existing queue with the same attributes and leaves its tags, so those of the call prove nothing.
    let fetch = async { Ok(aws.sqs.list_queue_tags().queue_url(&url).send().await?.tags.map(|tags| tags.into_iter().collect())) };
    let tags = scope.tags_or_fetch(&arn, fetch).await?.unwrap_or_default();
    if !scope.owns(&tags) && !scope.lookup.contains(name) {
        return Ok(None);
    }
    let reply = aws.sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All).send().await?;
    let spec = SqsQueue::from_attributes(name, &reply.attributes.unwrap_or_default())?;
    let outputs = Outputs { arn, url: url.clone(), queue_name: queue_name.to_owned() };
    Ok(Some(Observed::new(url, tags, spec, outputs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_attributes_that_it_writes() {
        let written = json!({
            "name": "orders", "fifo": true, "content_based_deduplication": true, "deduplication_scope": "messageGroup",
            "throughput_limit": "perMessageGroupId", "delay_seconds": 5, "max_receives": 3, "redrive_permission": "byQueue",
            "dead_letter_queue": "arn:aws:sqs:eu-west-1:123456789012:failed.fifo", "data_key_reuse_seconds": 60,
            "redrive_sources": ["arn:aws:sqs:eu-west-1:123456789012:carts.fifo"], "policy": { "Statement": [] },
            "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/0123", "encryption": "kms",
        });
        let queue: SqsQueue = serde_json::from_value(written).expect("a queue");
        assert!(queue.check().is_empty());
        let read = SqsQueue::from_attributes("orders", &queue.attributes()).expect("attributes");
        assert_eq!(json!(read), json!(queue));
    }

    #[test]
    fn reads_a_number_of_receives_written_as_text() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:failed","maxReceiveCount":"7"}"#;
        let attributes = HashMap::from([(Attribute::RedrivePolicy, policy.to_owned())]);
        assert_eq!(SqsQueue::from_attributes("orders", &attributes).map(|queue| queue.max_receives).ok(), Some(7));
    }

    #[test]
    fn removes_the_key_that_encrypts_messages() {
        let with_key = SqsQueue { kms_key: Some(ArnRef::to("key")), ..SqsQueue::default() };
        let (key, own) = (with_key.attributes(), SqsQueue::default().attributes());
        assert_eq!([&key[&Attribute::KmsMasterKeyId], &key[&Attribute::SqsManagedSseEnabled]], ["key", "false"]);
        assert_eq!([&own[&Attribute::KmsMasterKeyId], &own[&Attribute::SqsManagedSseEnabled]], ["", "true"]);
    }
}
