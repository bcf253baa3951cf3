//! Identity and Access Management.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{SummaryKeyType, Tag};

use serde_json::json;

use crate::{
    aws::Aws,
    core::{
        AccountLimit, ArnParts, Error, ErrorCodes, ErrorKind, ErrorRule, Policy, Questions, Result, ServiceInfo, TagChange,
        arn_in_partition, ok_or_not_found,
    },
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

/// Whether the account has a role of this name with a policy. One without is left by an interrupted creation.
///
/// # Errors
/// Returns errors of the service.
pub async fn has_service_role(aws: &Aws, name: &str) -> Result<bool> {
    if ok_or_not_found(aws.iam.get_role().role_name(name).send().await)?.is_none() {
        return Ok(false);
    }
    let attached = aws.iam.list_attached_role_policies().role_name(name).send().await?.attached_policies;
    if attached.is_some_and(|policies| !policies.is_empty()) {
        return Ok(true);
    }
    Ok(!aws.iam.list_role_policies().role_name(name).send().await?.policy_names.is_empty())
}

/// Creates a role that a service assumes, unless the account has it, and attaches a managed policy of AWS.
///
/// # Errors
/// Returns errors of the service.
pub async fn create_service_role(aws: &Aws, name: &str, service: &str, policy: &str) -> Result<()> {
    let trust = json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service } }] });
    let call = aws.iam.create_role().role_name(name).assume_role_policy_document(Policy::new(trust).to_json());
    match call.send().await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::AlreadyExists => {}
        answer => drop(answer?),
    }
    let policy = arn_in_partition(&format!("arn:aws:iam::aws:policy/{policy}"), &aws.region);
    aws.iam.attach_role_policy().role_name(name).policy_arn(policy).send().await?;
    Ok(())
}
