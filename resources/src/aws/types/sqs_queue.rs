//! `sqs_queue`: a message queue.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::{Value, json};

use super::{kms_key::KmsKey, prelude::*};
use crate::core::attributes::{attributes, with_attributes};

/// A message queue. Its id is its URL.
#[spec]
#[derive(Default)]
pub struct SqsQueue {
    /// Name, unique in account and region. acme adds the suffix `.fifo` of a FIFO queue if it is missing.
    #[field(name(max = 80, suffix(".fifo", when = fifo)), pattern = r"[A-Za-z0-9_-]+(\.fifo)?", replaces)]
    pub name: Option<String>,
    /// Delivers messages in order and exactly once.
    #[field(default = false, replaces, important, attribute = "FifoQueue")]
    pub fifo: bool,
    /// Recognizes duplicate messages by their content.
    #[field(default = false, requires = fifo, attribute = "ContentBasedDeduplication")]
    pub content_based_deduplication: bool,
    /// Scope in which duplicates are recognized.
    #[field(default = "queue", one_of = ["queue", "messageGroup"], requires = fifo, attribute = "DeduplicationScope")]
    pub deduplication_scope: String,
    /// Scope of the throughput quota. `perMessageGroupId` is possible with `deduplication_scope: messageGroup`.
    #[field(default = "perQueue", one_of = ["perQueue", "perMessageGroupId"], requires = deduplication_scope, attribute = "FifoThroughputLimit")]
    pub throughput_limit: String,
    /// Time for which a received message is hidden from other consumers, in seconds.
    #[field(default = 30, range = 0..=43_200, important, attribute = "VisibilityTimeout")]
    pub visibility_timeout_seconds: u32,
    /// Time after which an unconsumed message is deleted, in seconds. AWS may take 15 minutes to apply a change.
    #[field(default = 345_600, range = 60..=1_209_600, important, impact = "a shorter time deletes older messages", attribute = "MessageRetentionPeriod")]
    pub retention_seconds: u32,
    /// Delay of every message, in seconds.
    #[field(default = 0, range = 0..=900, attribute = "DelaySeconds")]
    pub delay_seconds: u32,
    /// Maximum size of a message, in bytes.
    #[field(default = 1_048_576, range = 1024..=1_048_576, attribute = "MaximumMessageSize")]
    pub max_message_bytes: u32,
    /// Time for which a receive call waits for a message, in seconds.
    #[field(default = 0, range = 0..=20, attribute = "ReceiveMessageWaitTimeSeconds")]
    pub receive_wait_seconds: u32,
    /// Queue for messages that were received `max_receives` times; a FIFO queue if this is one.
    #[field(default, important, requires = max_receives, dropped = None)]
    pub dead_letter_queue: Option<ArnRef<SqsQueue>>,
    /// Number of receives after which a message moves to the `dead_letter_queue`; 0 without one.
    #[field(default = 0, range = 0..=1000, requires = dead_letter_queue)]
    pub max_receives: u32,
    /// ARNs of the queues that may use this one as their dead-letter queue; `*` for all of the account and region. Not references, because
    /// the queues refer to this one.
    #[field(default = BTreeSet::from(["*".to_owned()]), length = 0..=10, pattern = "\\*|arn:aws[a-z-]*:sqs:.+")]
    pub redrive_sources: BTreeSet<String>,
    /// Encrypts messages with keys that SQS manages (SSE-SQS), unless there is a `kms_key`.
    #[field(important, default = true, risky(false, "messages are not encrypted"), attribute = "SqsManagedSseEnabled")]
    pub managed_encryption: bool,
    /// Key that encrypts messages.
    #[field(default, important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Time for which SQS uses a data key before it calls KMS again, in seconds.
    #[field(default = 300, range = 60..=86_400, requires = kms_key, attribute = "KmsDataKeyReusePeriodSeconds")]
    pub data_key_reuse_seconds: u32,
    /// Queue policy for access by other principals; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", important, dropped = Policy::none())]
    pub policy: Option<Policy>,
}

/// Requests.
const REQUESTS: UsageKey = UsageKey::new("requests", "requests in a month, in units of 64 KiB");

impl Resource for SqsQueue {
    const TYPE: TypeInfo =
        TypeInfo::new("sqs_queue", &services::sqs::SERVICE, "https://{host}/{account}/{name}", "arn:aws:sqs:{region}:{account}:{name}")
            .data_protection(DataProtection::Contents)
            .lost_on_recreation("the messages in it are lost")
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
    const USAGE: &'static [UsageKey] = &[REQUESTS];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// <https://aws.amazon.com/sqs/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let (queue_type, usage_type) = match self.fifo {
            true => ("FIFO (first-in, first-out)", "Requests-FIFO-Tier1"),
            false => ("Standard", "Requests-Tier1"),
        };
        let product = Product::new("AWSQueueService").family("API Request").with("queueType", queue_type).usage_type(usage_type);
        Pricing::of(vec![context.metered("requests", &REQUESTS, "requests", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        // Without a page size, SQS returns at most 1,000 queues and no token for the rest.
        let all = aws.sqs.list_queues().max_results(1000).into_paginator().items().send().try_collect().await?;
        for_each_concurrent(all, |url: String| async move { Ok(ok_or_not_found(read(aws, scope, url).await)?.flatten()) }).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let attributes = self.attributes_unlike(&SqsQueue { policy: Some(Policy::none()), ..SqsQueue::default() });
        let call = cx.sqs.create_queue().set_queue_name(self.name.clone()).set_attributes(Some(attributes));
        let reply = call.set_tags(Some(cx.call.tags.clone().into_iter().collect())).send().await?;
        reply.queue_url.map(Created::Id).ok_or_else(|| Error::missing_field("QueueUrl"))
    }

    /// SetQueueAttributes keeps the attributes that it does not name.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: SqsQueueChanges) -> Result<()> {
        let changed = self.attributes_unlike(&live.spec);
        cx.sqs.set_queue_attributes().queue_url(&live.id).set_attributes(Some(changed)).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.sqs.delete_queue().queue_url(&live.id).send().await)
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let call = aws.sqs.get_queue_attributes().queue_url(id).attribute_names(Attribute::All);
        let Some(reply) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        // Visible, in flight and delayed.
        let counts = reply.attributes.into_iter().flatten().filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages"));
        let count: u64 = counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum();
        Ok((count > 0).then(|| format!("about {count} message{}", if count == 1 { "" } else { "s" })))
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(queue) = declared.spec() else { return Vec::new() };
        let other =
            queue.dead_letter_queue.as_ref().and_then(|other| declared.referenced(other)).filter(|(_, other)| other.fifo != queue.fifo);
        let problem = |(other, _)| {
            let message =
                format!("`{other}` has another type: the dead-letter queue of a FIFO queue is a FIFO queue, and of others it is not");
            Problem::new(Self::POINTERS.dead_letter_queue, message)
        };
        other.map(problem).into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let several = self.redrive_sources.len() > 1 && self.redrive_sources.contains("*");
        let problem = || Problem::new(Self::POINTERS.redrive_sources, "`*` includes all other queues").help("keep only `*`");
        several.then(problem).into_iter().collect()
    }

    /// A key turns SSE-SQS off. Without one, its settings remain.
    fn normalize(&self, live: &mut Self) {
        match (&self.kms_key, &live.kms_key) {
            (Some(_), Some(_)) => live.managed_encryption = self.managed_encryption,
            (None, None) => live.data_key_reuse_seconds = self.data_key_reuse_seconds,
            _ => {}
        }
    }
}

impl SqsQueue {
    /// Redrive policy; empty for none.
    pub fn redrive_policy(&self) -> String {
        let policy = |queue| json!({ "deadLetterTargetArn": queue, "maxReceiveCount": self.max_receives }).to_string();
        self.dead_letter_queue.as_ref().map(|queue| policy(queue.get())).unwrap_or_default()
    }
    /// Redrive allow policy; empty for SQS's default.
    pub fn redrive_allow_policy(&self) -> String {
        match &self.redrive_sources {
            all if all.contains("*") => String::new(),
            none if none.is_empty() => json!({ "redrivePermission": "denyAll" }).to_string(),
            some => json!({ "redrivePermission": "byQueue", "sourceQueueArns": some }).to_string(),
        }
    }

    /// Attributes for SQS. An empty text removes a policy or key.
    fn attributes(&self) -> HashMap<Attribute, String> {
        let mut all: HashMap<_, _> = attributes(self).into_iter().map(|(name, text)| (name.into(), text)).collect();
        all.insert(Attribute::KmsMasterKeyId, self.kms_key.as_ref().map(|key| key.get().to_owned()).unwrap_or_default());
        if self.kms_key.is_some() {
            all.insert(Attribute::SqsManagedSseEnabled, false.to_string());
        }
        all.insert(Attribute::RedrivePolicy, self.redrive_policy());
        all.insert(Attribute::RedriveAllowPolicy, self.redrive_allow_policy());
        let text = |policy: &Policy| if policy.is_empty() { String::new() } else { policy.to_json() };
        all.extend(self.policy.as_ref().map(|policy| (Attribute::Policy, text(policy))));
        all
    }

    /// The attributes that differ from those of another queue.
    fn attributes_unlike(&self, other: &SqsQueue) -> HashMap<Attribute, String> {
        let others = other.attributes();
        self.attributes().into_iter().filter(|(name, value)| others.get(name) != Some(value)).collect()
    }

    /// The reverse of [`SqsQueue::attributes`].
    fn from_attributes(name: &str, attributes: &HashMap<Attribute, String>) -> Result<SqsQueue> {
        let text = |name| attributes.get(&name).map(String::as_str).filter(|text| !text.is_empty());
        let json = |name| text(name).map(serde_json::from_str::<Value>).transpose().map(Option::unwrap_or_default);
        let (redrive, allow, key) =
            (json(Attribute::RedrivePolicy)?, json(Attribute::RedriveAllowPolicy)?, text(Attribute::KmsMasterKeyId));
        Ok(SqsQueue {
            name: Some(name.to_owned()),
            dead_letter_queue: redrive["deadLetterTargetArn"].as_str().map(ArnRef::to),
            // A number, or its text.
            max_receives: redrive["maxReceiveCount"].to_string().trim_matches('"').parse().unwrap_or_default(),
            redrive_sources: match allow["redrivePermission"].as_str() {
                None | Some("allowAll") => Self::default_redrive_sources(),
                Some(_) => serde_json::from_value(allow["sourceQueueArns"].clone()).unwrap_or_default(),
            },
            kms_key: key.map(ArnRef::to),
            policy: Some(text(Attribute::Policy).map_or_else(|| Ok(Policy::none()), Policy::parse)?),
            ..with_attributes(SqsQueue::default(), |name| text(name.into()))
        })
    }
}

/// Reads one queue. `None`: it is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, url: String) -> Result<Option<Observed<SqsQueue>>> {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let arn = format!("arn:{}:sqs:{}:{account}:{name}", partition(&aws.region), aws.region);
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
    Ok(Some(Observed::new(url, tags, spec, ArnOutput { arn })))
}
