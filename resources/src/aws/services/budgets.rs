//! Budgets.

use aws_sdk_budgets::types::ResourceTag;

use crate::{
    aws::Aws,
    core::{ArnParts, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// IAM actions for reading and for changing.
const VIEW: &str = "ViewBudget";
const MODIFY: &str = "ModifyBudget";

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("budgets", "Budgets")
    .arn_parts(ArnParts::Account)
    .tag_actions(&["budgets:TagResource"], &["budgets:UntagResource"])
    .iam_action_names(&[
        ("CreateBudget", MODIFY),
        ("CreateNotification", MODIFY),
        ("CreateSubscriber", MODIFY),
        ("DeleteBudget", MODIFY),
        ("DeleteNotification", MODIFY),
        ("DeleteSubscriber", MODIFY),
        ("DescribeBudget", VIEW),
        ("DescribeBudgets", VIEW),
        ("DescribeNotificationsForBudget", VIEW),
        ("DescribeSubscribersForNotification", VIEW),
        ("UpdateBudget", MODIFY),
    ])
    .error_codes(ErrorCodes {
        not_found: "NotFoundException",
        already_exists: "DuplicateRecordException",
        // Budgets never refuses to delete a budget because of what uses it.
        in_use: "ResourceLockedException",
    })
    .error_rules(&[
        ErrorRule::new("ResourceLockedException", ErrorKind::Conflict),
        // The policy of a new topic is not visible everywhere yet.
        ErrorRule::with_message("InvalidParameterException", "SNS topic", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_budgets);
tag_conversions!(ResourceTag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.budgets.tag_resource().resource_arn(change.arn).set_resource_tags(Some(to_tags(&change.set))),
        aws.budgets.untag_resource().resource_arn(change.arn).set_resource_tag_keys(Some(change.remove.clone()))
    )
}
