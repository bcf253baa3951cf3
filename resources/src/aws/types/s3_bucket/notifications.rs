//! Notifications of a bucket. S3 has one configuration per bucket, which every call replaces as a whole.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_s3::types::{self as s3, Event, EventBridgeConfiguration, FilterRuleName, NotificationConfiguration};

use super::S3Bucket;
use crate::{
    aws::{
        Aws,
        types::{sns_topic::SnsTopic, sqs_queue::SqsQueue},
    },
    core::{ArnRef, Declared, Problem, Result},
};

/// Notifications of a bucket.
#[spec]
#[derive(Default, PartialEq, Eq)]
pub struct Notifications {
    /// Sends all events of the bucket to EventBridge, where rules select some.
    #[field(default = false)]
    pub event_bridge: bool,
    /// Events to send to a queue, topic or function, by name.
    #[field(default, length = 0..=100)]
    pub rules: BTreeMap<String, Notification>,
}

/// Events to send to one destination: a `queue`, a `topic` or a `lambda`, whose policy must allow `s3.amazonaws.com`.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Notification {
    /// Queue that receives the events. S3 does not accept FIFO queues.
    #[field(default, dropped = None, conflicts_with = topic, conflicts_with = lambda)]
    pub queue: Option<ArnRef<SqsQueue>>,
    /// Topic that receives the events. S3 does not accept FIFO topics.
    #[field(default, dropped = None, conflicts_with = lambda)]
    pub topic: Option<ArnRef<SnsTopic>>,
    /// ARN of the function that receives the events.
    #[field(default, dropped = None, length = 1..=2048, pattern = "arn:aws.+")]
    pub lambda: Option<String>,
    /// Events; `*` stands for all of a group.
    #[field(length = 1..=31, one_of = [
        "s3:IntelligentTiering", "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:LifecycleTransition", "s3:ObjectAcl:Put", "s3:ObjectAnnotation:*", "s3:ObjectAnnotation:Delete", "s3:ObjectAnnotation:Put",
        "s3:ObjectCreated:*", "s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy", "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRestore:*", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete", "s3:ObjectRestore:Post", "s3:ObjectRetention:Put",
        "s3:ObjectTagging:*", "s3:ObjectTagging:Delete", "s3:ObjectTagging:Put", "s3:ReducedRedundancyLostObject", "s3:Replication:*",
        "s3:Replication:OperationFailedReplication", "s3:Replication:OperationMissedThreshold", "s3:Replication:OperationNotTracked",
        "s3:Replication:OperationReplicatedAfterThreshold"
    ])]
    pub events: BTreeSet<String>,
    /// Prefix of object names; empty for all.
    #[field(default, length = 0..=1024)]
    pub prefix: String,
    /// Suffix of object names; empty for all.
    #[field(default, length = 0..=1024)]
    pub suffix: String,
}

impl Notifications {
    pub(super) fn check(&self) -> Vec<Problem> {
        let at = |name: &str| S3Bucket::POINTERS.notifications.field(Self::POINTERS.rules).item(name);
        let mut problems = Vec::new();
        for (number, (name, rule)) in self.rules.iter().enumerate() {
            if !(1..=255).contains(&name.chars().count()) {
                problems.push(Problem::new(at(name), "the name of a notification has 1 to 255 characters"));
            }
            if rule.queue.is_none() && rule.topic.is_none() && rule.lambda.is_none() {
                let problem = Problem::new(at(name), "a notification needs a destination");
                problems.push(problem.help("set `queue: …`, `topic: …` or `lambda: …`"));
            }
            let overlapping = self.rules.iter().take(number).find(|(_, other)| rule.overlaps(other));
            problems.extend(overlapping.map(|(other, _)| {
                let problem =
                    Problem::new(at(name), format!("S3 does not accept it together with `{other}`: they share events and objects"));
                problem.help("give them different events, prefixes or suffixes, or send the events to one topic, or to EventBridge")
            }));
        }
        problems
    }

    /// S3 sends no events to FIFO queues and topics.
    pub(super) fn check_declared(&self, declared: &Declared<'_, S3Bucket>) -> Vec<Problem> {
        let fifo = |(name, rule): (&String, &Notification)| {
            let queue = rule.queue.as_ref().and_then(|queue| declared.referenced(queue)).filter(|(_, queue)| queue.fifo);
            let topic = rule.topic.as_ref().and_then(|topic| declared.referenced(topic)).filter(|(_, topic)| topic.fifo);
            let queue = queue.map(|(address, _)| (address, Notification::POINTERS.queue));
            let (address, field) = queue.or(topic.map(|(address, _)| (address, Notification::POINTERS.topic)))?;
            let at = S3Bucket::POINTERS.notifications.field(Self::POINTERS.rules).item(name).field(field);
            Some(Problem::new(at, format!("`{address}` is FIFO, and S3 does not send events to it")).help("use EventBridge instead"))
        };
        self.rules.iter().filter_map(fifo).collect()
    }

    /// Replaces the configuration.
    pub(super) async fn put(&self, aws: &Aws, bucket: &str) -> Result<()> {
        let mut all = NotificationConfiguration::builder()
            .set_event_bridge_configuration(self.event_bridge.then(|| EventBridgeConfiguration::builder().build()));
        for (id, rule) in &self.rules {
            let events = Some(rule.events.iter().map(|event| Event::from(event.as_str())).collect());
            if let Some(queue) = &rule.queue {
                let sent = s3::QueueConfiguration::builder().id(id).queue_arn(queue.get()).set_events(events).set_filter(rule.filter());
                all = all.queue_configurations(sent.build()?);
            } else if let Some(topic) = &rule.topic {
                let sent = s3::TopicConfiguration::builder().id(id).topic_arn(topic.get()).set_events(events).set_filter(rule.filter());
                all = all.topic_configurations(sent.build()?);
            } else if let Some(lambda) = &rule.lambda {
                let sent = s3::LambdaFunctionConfiguration::builder().id(id).lambda_function_arn(lambda);
                all = all.lambda_function_configurations(sent.set_events(events).set_filter(rule.filter()).build()?);
            }
        }
        aws.s3.put_bucket_notification_configuration().bucket(bucket).notification_configuration(all.build()).send().await?;
        Ok(())
    }

    pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<Notifications> {
        let reply = aws.s3.get_bucket_notification_configuration().bucket(bucket).send().await?;
        let mut rules = BTreeMap::new();
        let mut add = |id: Option<String>, (queue, topic, lambda): Destination, events: Vec<Event>, filter: Option<Filter>| {
            let read = |name: &FilterRuleName| {
                let rules = filter.as_ref().and_then(|filter| filter.key.as_ref()).map(|key| key.filter_rules()).unwrap_or_default();
                // S3 returns the name with a capital letter.
                let is_named =
                    |rule: &&s3::FilterRule| rule.name.as_ref().is_some_and(|other| other.as_str().eq_ignore_ascii_case(name.as_str()));
                rules.iter().find(is_named).and_then(|rule| rule.value.clone()).unwrap_or_default()
            };
            let (prefix, suffix) = (read(&FilterRuleName::Prefix), read(&FilterRuleName::Suffix));
            let events = events.iter().map(|event| event.as_str().to_owned()).collect();
            let (queue, topic) = (queue.map(ArnRef::to), topic.map(ArnRef::to));
            rules.insert(id.unwrap_or_default(), Notification { queue, topic, lambda, events, prefix, suffix });
        };
        for one in reply.queue_configurations.unwrap_or_default() {
            add(one.id, (Some(one.queue_arn), None, None), one.events, one.filter);
        }
        for one in reply.topic_configurations.unwrap_or_default() {
            add(one.id, (None, Some(one.topic_arn), None), one.events, one.filter);
        }
        for one in reply.lambda_function_configurations.unwrap_or_default() {
            add(one.id, (None, None, Some(one.lambda_function_arn)), one.events, one.filter);
        }
        Ok(Notifications { event_bridge: reply.event_bridge_configuration.is_some(), rules })
    }
}

/// Queue, topic and function, one of which is set.
type Destination = (Option<String>, Option<String>, Option<String>);
type Filter = s3::NotificationConfigurationFilter;

impl Notification {
    fn filter(&self) -> Option<Filter> {
        let rule = |name: FilterRuleName, value: &str| s3::FilterRule::builder().name(name).value(value).build();
        let rules = [(FilterRuleName::Prefix, &self.prefix), (FilterRuleName::Suffix, &self.suffix)];
        let rules: Vec<_> = rules.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| rule(name, value)).collect();
        let key = || s3::S3KeyFilter::builder().set_filter_rules(Some(rules.clone())).build();
        (!rules.is_empty()).then(|| Filter::builder().key(key()).build())
    }
    /// Whether an event can match both. S3 rejects two such notifications, whatever their destinations.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>
    fn overlaps(&self, other: &Notification) -> bool {
        let unknown = [&self.prefix, &self.suffix, &other.prefix, &other.suffix].iter().any(|text| text.contains("${"));
        let includes = |all: &str, one: &str| all == one || all.strip_suffix('*').is_some_and(|group| one.starts_with(group));
        let shared = self.events.iter().any(|one| other.events.iter().any(|two| includes(one, two) || includes(two, one)));
        let prefixes = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        let suffixes = self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix);
        !unknown && shared && prefixes && suffixes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(rules: Value) -> Vec<String> {
        let all: Notifications = serde_json::from_value(json!({ "rules": rules })).expect("notifications");
        all.check().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn finds_notifications_that_share_events() {
        let rule =
            |event: &str, prefix: &str, suffix: &str| json!({ "queue": "jobs", "events": [event], "prefix": prefix, "suffix": suffix });
        let two = |one: Value, other: Value| problems(json!({ "a": one, "b": other }));
        let created = "s3:ObjectCreated:*";
        assert_eq!(two(rule(created, "", ""), rule("s3:ObjectCreated:Put", "images/", "")), ["/notifications/rules/b"]);
        assert_eq!(two(rule(created, "images/", ".jpg"), rule(created, "images/new/", "jpg")), ["/notifications/rules/b"]);
        assert_eq!(two(rule(created, "images/", ""), rule(created, "logs/", "")), [""; 0]);
        assert_eq!(two(rule(created, "images/", ".jpg"), rule(created, "images/", ".png")), [""; 0]);
        assert_eq!(two(rule(created, "", ""), rule("s3:ObjectRemoved:*", "", "")), [""; 0]);
        assert_eq!(two(rule(created, "${a.b.c}", ""), rule(created, "", "")), [""; 0]);
    }

    #[test]
    fn a_notification_has_a_destination() {
        assert_eq!(problems(json!({ "a": { "events": ["s3:ObjectCreated:*"] } })), ["/notifications/rules/a"]);
    }
}
