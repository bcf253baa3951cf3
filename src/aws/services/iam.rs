//! Identity and Access Management.

use aws_sdk_iam::types::Tag;

use crate::{
    aws::Aws,
    core::{ArnParts, Error, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service. New tags show only after a while, so policies decide by path instead.
pub static SERVICE: ServiceInfo = ServiceInfo::new("iam", "IAM")
    .arn_parts(ArnParts::Account)
    .without_tag_conditions()
    .error_codes(ErrorCodes { not_found: "NoSuchEntity", already_exists: "EntityAlreadyExists", in_use: "DeleteConflict" })
    .error_rules(&[
        ErrorRule::new("ConcurrentModification", ErrorKind::Conflict),
        ErrorRule::new("DeleteConflict", ErrorKind::Conflict),
        ErrorRule::new("DeleteConflictException", ErrorKind::Conflict),
        ErrorRule::new("EntityTemporarilyUnmodifiable", ErrorKind::Conflict),
        ErrorRule::with_message("MalformedPolicyDocument", "Invalid principal", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_iam);
tag_conversions!(Tag, key, value, Result::ok);

/// Each type of IAM has calls of its own for tags.
pub(super) async fn retag(_: &Aws, _: &TagChange<'_>) -> Result<()> {
    Err(Error::new(ErrorKind::Rejected, "Tags", "each type of IAM has calls of its own for tags: see `Resource::retag`"))
}
