//! Cloud Control, which creates and changes resources of most types of AWS through the handlers that CloudFormation uses.

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service. Its IAM actions are those of CloudFormation.
pub static SERVICE: ServiceInfo = ServiceInfo::new("cloudformation", "CloudControl")
    .tag_actions(&["cloudformation:UpdateResource"], &["cloudformation:UpdateResource"])
    .without_tag_conditions()
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "AlreadyExistsException",
        in_use: "ResourceConflict",
    })
    // Codes without `Exception` are those of the handlers, in the answers about requests:
    // <https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html>.
    .error_rules(&[
        // IAM is eventually consistent, and services assume new roles after some seconds.
        ErrorRule::with_message("InvalidRequest", "cannot be assumed", ErrorKind::NotYetVisible),
        ErrorRule::with_message("GeneralServiceException", "cannot be assumed", ErrorKind::NotYetVisible),
        ErrorRule::new("ConcurrentOperationException", ErrorKind::Conflict),
        ErrorRule::new("NotStabilized", ErrorKind::Conflict),
        ErrorRule::new("NotStabilizedException", ErrorKind::Conflict),
        ErrorRule::new("ResourceConflict", ErrorKind::Conflict),
        ErrorRule::new("InvalidCredentials", ErrorKind::AccessDenied),
        ErrorRule::new("InvalidCredentialsException", ErrorKind::AccessDenied),
        ErrorRule::new("UnauthorizedTaggingOperation", ErrorKind::AccessDenied),
        ErrorRule::new("TypeNotFoundException", ErrorKind::Rejected),
        ErrorRule::new("RequestTokenNotFoundException", ErrorKind::Rejected),
    ]);

sdk_client!(aws_sdk_cloudcontrol);

/// The tags of a resource are in a property of its type, see `aws_resource`.
pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    crate::aws::types::aws_resource::retag(aws, change).await
}
