//! Identity and Access Management.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{SummaryKeyType, Tag};

use crate::{
    aws::Aws,
    core::{AccountLimit, ArnParts, Error, ErrorCodes, ErrorKind, ErrorRule, Questions, Result, ServiceInfo, TagChange},
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

/// A quota of the account, and its use. `None` without an answer.
pub async fn account_limit(questions: &Questions<'_, Aws>, most: SummaryKeyType, used: SummaryKeyType) -> Option<AccountLimit> {
    let call = |aws: &Aws| {
        let call = aws.iam.get_account_summary();
        async move {
            let summary = call.send().await?.summary_map.unwrap_or_default().into_iter();
            Ok(summary.filter_map(|(key, value)| Some((key.as_str().to_owned(), u64::try_from(value).ok()?))).collect())
        }
    };
    let summary: BTreeMap<String, u64> = questions.ask("iam:GetAccountSummary", "", call).await?;
    Some(AccountLimit { most: *summary.get(most.as_str())?, used: *summary.get(used.as_str())? })
}

/// Whether the account has the service-linked role of this service.
///
/// # Errors
/// Returns errors of the service.
pub async fn has_service_linked_role(aws: &Aws, service: &str) -> Result<bool> {
    // A page may be empty although another follows.
    let mut roles = aws.iam.list_roles().path_prefix(format!("/aws-service-role/{service}/")).into_paginator().items().send();
    Ok(roles.try_next().await?.is_some())
}

/// Creates the service-linked role of this service, unless the account has it.
///
/// # Errors
/// Returns errors of the service.
pub async fn create_service_linked_role(aws: &Aws, service: &str) -> Result<()> {
    match aws.iam.create_service_linked_role().aws_service_name(service).send().await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
        // IAM's words for a role that exists.
        Err(error) if error.code.starts_with("InvalidInput") && error.message.contains("has been taken in this account") => Ok(()),
        answer => answer.map(|_| ()),
    }
}
