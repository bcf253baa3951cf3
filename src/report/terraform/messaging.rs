//! Topics in Terraform.

use serde_json::{Map, Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::{
    aws::{
        to_aws,
        types::sns_topic::{SnsTopic, Subscription},
    },
    core::Policy,
};

impl ToTerraform for SnsTopic {
    const TERRAFORM_TYPE: &'static str = "aws_sns_topic";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let mut arguments = json!({
            "name": self.name,
            "fifo_topic": self.fifo,
            "content_based_deduplication": self.fifo.then_some(self.content_based_deduplication),
            "fifo_throughput_scope": self.fifo.then_some(&self.throughput_scope),
            "archive_policy": (self.archive_days > 0).then(|| self.archive_policy()),
            "display_name": self.display_name,
            "kms_master_key_id": id_or_arn(self.kms_key.as_ref()),
            "policy": self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json),
            "delivery_policy": self.delivery_policy.text(),
            "tracing_config": self.tracing,
            "signature_version": self.signature_version,
        });
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.extend(delivery_logs(self));
        }
        arguments
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let topic = at.output_reference("id");
        let subscription = |one: &Subscription| {
            let key = format!("{}-{}", to_aws(&one.protocol), one.endpoint);
            SubResource::keyed("aws_sns_topic_subscription", key, subscription(&topic, one))
        };
        self.subscriptions.iter().map(subscription).collect()
    }
}

/// Three arguments for each protocol.
fn delivery_logs(topic: &SnsTopic) -> Map<String, Value> {
    let mut arguments = Map::new();
    for (protocol, log) in &topic.delivery_logs {
        let protocol = to_aws(protocol);
        let percent = log.success_role.as_ref().map(|_| log.success_sample_percent);
        arguments.insert(format!("{protocol}_success_feedback_role_arn"), json!(id_or_arn(log.success_role.as_ref())));
        arguments.insert(format!("{protocol}_success_feedback_sample_rate"), json!(percent));
        arguments.insert(format!("{protocol}_failure_feedback_role_arn"), json!(id_or_arn(log.failure_role.as_ref())));
    }
    arguments
}

fn subscription(topic: &str, one: &Subscription) -> Value {
    json!({
        "topic_arn": topic,
        "protocol": to_aws(&one.protocol),
        "endpoint": one.endpoint,
        "filter_policy": one.filter.text(),
        "filter_policy_scope": (!one.filter.is_empty()).then(|| to_aws(&one.filter_scope)),
        "raw_message_delivery": one.raw,
        "redrive_policy": Some(one.redrive_policy()).filter(|policy| !policy.is_empty()),
        "delivery_policy": one.delivery_policy.text(),
        "subscription_role_arn": id_or_arn(one.role.as_ref()),
    })
}
