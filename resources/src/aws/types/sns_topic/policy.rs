//! The policy of a topic that has none of its own.

use serde_json::{Value, json};

use crate::core::Policy;

/// Id of the policy, and of its statement, by which it is recognized: its actions have changed over the years.
const ID: &str = "__default_policy_ID";
const STATEMENT_ID: &str = "__default_statement_ID";

/// SNS's default: <https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html>.
pub(super) fn default_policy(arn: &str) -> Policy {
    let account = arn.split(':').nth(4).unwrap_or_default();
    let actions = [
        "SNS:AddPermission",
        "SNS:DeleteTopic",
        "SNS:GetTopicAttributes",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
        "SNS:RemovePermission",
        "SNS:SetTopicAttributes",
        "SNS:Subscribe",
    ];
    Policy::new(json!({
        "Version": "2008-10-17",
        "Id": ID,
        "Statement": [{
            "Sid": STATEMENT_ID,
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
        }],
    }))
}

/// A policy as reported by SNS: none for its default.
pub(super) fn from_sns(policy: Policy) -> Policy {
    let document = policy.value();
    let is_default = |statements: &Value| match statements.as_array().map(Vec::as_slice) {
        Some([statement]) => statement["Sid"] == STATEMENT_ID,
        _ => false,
    };
    if document["Id"] == ID && is_default(&document["Statement"]) { Policy::none() } else { policy }
}
