//! CloudWatch: alarms and dashboards.

use aws_sdk_cloudwatch::types::Tag;

use crate::{
    aws::Aws,
    core::{CallRate, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("cloudwatch", "CloudWatch")
    .tag_actions(&["cloudwatch:TagResource"], &["cloudwatch:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFound",
        // The calls of CloudWatch overwrite what exists, so acme returns this code itself.
        already_exists: ALREADY_EXISTS,
        in_use: "ResourceConflict",
    })
    .error_rules(&[
        // Another change is in progress.
        ErrorRule::new("ResourceConflict", ErrorKind::Conflict),
        ErrorRule::new(ALREADY_EXISTS, ErrorKind::AlreadyExists),
        ErrorRule::with_message("ValidationError", "composite alarm(s) depending on it", ErrorKind::Conflict),
        ErrorRule::with_message("ValidationError", "could not be found", ErrorKind::NotYetVisible),
    ])
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
    .call_rates(&[
        CallRate { actions: "PutMetricAlarm", burst: 3.0, per_second: 3.0 },
        CallRate { actions: "PutCompositeAlarm", burst: 3.0, per_second: 3.0 },
        CallRate { actions: "DeleteAlarms", burst: 3.0, per_second: 3.0 },
        CallRate { actions: "DescribeAlarms", burst: 9.0, per_second: 9.0 },
    ]);

/// Code of the error for an alarm or dashboard that exists.
pub const ALREADY_EXISTS: &str = "AlreadyExists";

sdk_client!(aws_sdk_cloudwatch);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.cloudwatch.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.cloudwatch.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
