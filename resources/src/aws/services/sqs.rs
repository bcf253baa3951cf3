//! Simple Queue Service.

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service. Errors have the codes of its earlier query protocol, or without the header for them those of its model.
pub static SERVICE: ServiceInfo = ServiceInfo::new("sqs", "SQS")
    .tag_actions(&["sqs:TagQueue"], &["sqs:UntagQueue"])
    .error_codes(ErrorCodes {
        not_found: "AWS.SimpleQueueService.NonExistentQueue",
        already_exists: "QueueAlreadyExists",
        // SQS never refuses to delete a queue.
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        ErrorRule::new("AWS.SimpleQueueService.NonExistentQueue", ErrorKind::NotFound),
        ErrorRule::new("QueueDoesNotExist", ErrorKind::NotFound),
        ErrorRule::new("QueueNameExists", ErrorKind::AlreadyExists),
        // A name can be used again 60 seconds after the deletion of its queue.
        ErrorRule::new("AWS.SimpleQueueService.QueueDeletedRecently", ErrorKind::Conflict),
        ErrorRule::new("QueueDeletedRecently", ErrorKind::Conflict),
        // A new queue or role is not visible everywhere yet.
        ErrorRule::with_message("InvalidParameterValue", "Dead letter target does not exist", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidAttributeValue", "Invalid value for the parameter Policy", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_sqs);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.sqs.tag_queue().queue_url(change.id).set_tags(Some(change.set.clone().into_iter().collect())),
        aws.sqs.untag_queue().queue_url(change.id).set_tag_keys(Some(change.remove.clone()))
    )
}
