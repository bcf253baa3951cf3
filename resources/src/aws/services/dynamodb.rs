//! DynamoDB.

use aws_sdk_dynamodb::types::Tag;

use crate::{
    aws::Aws,
    core::{CallRate, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("dynamodb", "DynamoDB")
    .tag_actions(&["dynamodb:TagResource"], &["dynamodb:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceInUseException",
        in_use: "ResourceInUseException",
    })
    .busy_code("ResourceInUseException")
    .error_rules(&[
        // One code says "exists" and "being changed".
        ErrorRule::with_message("ResourceInUseException", "already exists", ErrorKind::AlreadyExists),
        ErrorRule::new("ResourceInUseException", ErrorKind::Conflict),
        ErrorRule::new("TableAlreadyExistsException", ErrorKind::AlreadyExists),
        ErrorRule::new("TableInUseException", ErrorKind::Conflict),
        ErrorRule::new("BackupInUseException", ErrorKind::Conflict),
        // "Backups are being enabled for the table", for a while after its creation.
        ErrorRule::new("ContinuousBackupsUnavailableException", ErrorKind::Conflict),
        ErrorRule::with_message("LimitExceededException", "Only 1 online index", ErrorKind::Conflict),
        ErrorRule::with_message("LimitExceededException", "Subscriber limit exceeded", ErrorKind::Throttled),
        ErrorRule::with_message("LimitExceededException", "concurrent control plane operations", ErrorKind::Throttled),
        ErrorRule::with_message("ValidationException", "KMS key is invalid for CreateGrant", ErrorKind::NotYetVisible),
    ])
    // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html
    .call_rates(&[
        CallRate { actions: "DescribeContinuousBackups", burst: 10.0, per_second: 10.0 },
        CallRate { actions: "ListTagsOfResource", burst: 10.0, per_second: 10.0 },
        CallRate { actions: "ListBackups", burst: 5.0, per_second: 5.0 },
        CallRate { actions: "TagResource", burst: 5.0, per_second: 5.0 },
        CallRate { actions: "UntagResource", burst: 5.0, per_second: 5.0 },
    ]);

sdk_client!(aws_sdk_dynamodb);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.dynamodb.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.dynamodb.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
