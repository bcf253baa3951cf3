//! Policy documents, as few and as small as possible.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Maximum number of characters in a managed policy, without white space.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MAX_POLICY_LENGTH: usize = 6144;

/// Policy document.
pub type PolicyDocument = Value;

/// Allowed actions, collected for statements.
#[derive(Default)]
pub struct AllowedActions {
    /// Condition (as JSON) and action → ARNs.
    arns: BTreeMap<(String, String), BTreeSet<String>>,
}

impl AllowedActions {
    /// Allows an action on these ARNs, with an optional condition.
    pub fn add(&mut self, action: &str, arns: &BTreeSet<String>, condition: Option<&Value>) {
        let condition = condition.map(Value::to_string).unwrap_or_default();
        self.arns.entry((condition, action.to_owned())).or_default().extend(arns.iter().cloned());
    }

    /// Renders statements in documents of at most [`MAX_POLICY_LENGTH`] characters.
    pub fn documents(self) -> Vec<PolicyDocument> {
        let mut documents = Vec::new();
        let mut statements: Vec<Value> = Vec::new();
        for statement in self.statements() {
            let mut with = statements.clone();
            with.push(statement.clone());
            if !statements.is_empty() && size(&document(with)) > MAX_POLICY_LENGTH {
                documents.push(document(std::mem::take(&mut statements)));
            }
            statements.push(statement);
        }
        if !statements.is_empty() {
            documents.push(document(statements));
        }
        documents
    }

    fn statements(self) -> Vec<Value> {
        // Actions on the same resources with the same condition share a statement.
        let mut alike: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
        for ((condition, action), mut arns) in self.arns {
            if arns.contains("*") {
                arns = ["*".to_owned()].into();
            }
            alike.entry((condition, arns)).or_default().insert(action);
        }
        let mut statements = Vec::new();
        for ((condition, arns), actions) in alike {
            let arns: Vec<String> = arns.into_iter().collect();
            push_statements(&actions.into_iter().collect::<Vec<_>>(), &arns, &condition, &mut statements);
        }
        statements
    }
}

/// One statement, or as many as necessary to fit.
fn push_statements(actions: &[String], arns: &[String], condition: &str, into: &mut Vec<Value>) {
    let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": arns });
    if let (Ok(condition), Value::Object(map)) = (serde_json::from_str(condition), &mut statement) {
        map.insert("Condition".into(), condition);
    }
    if size(&document(vec![statement.clone()])) <= MAX_POLICY_LENGTH || (arns.len() < 2 && actions.len() < 2) {
        into.push(statement);
    } else if arns.len() >= 2 {
        let (first, second) = arns.split_at(arns.len() / 2);
        push_statements(actions, first, condition, into);
        push_statements(actions, second, condition, into);
    } else {
        let (first, second) = actions.split_at(actions.len() / 2);
        push_statements(first, arns, condition, into);
        push_statements(second, arns, condition, into);
    }
}

fn document(statements: Vec<Value>) -> PolicyDocument {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn size(document: &PolicyDocument) -> usize {
    document.to_string().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_statements_into_several_policies_when_one_is_too_long() {
        let mut allowed = AllowedActions::default();
        let arns: BTreeSet<String> = (0..400).map(|n| format!("arn:aws:s3:::some-bucket-with-a-name-of-its-own-{n}")).collect();
        allowed.add("s3:GetBucketPolicy", &arns, None);
        allowed.add("s3:PutBucketPolicy", &arns, Some(&json!({ "Bool": { "aws:SecureTransport": "true" } })));
        let documents = allowed.documents();
        assert!(documents.iter().all(|document| size(document) <= MAX_POLICY_LENGTH), "{documents:#?}");
        let resources = |document: &Value| -> usize {
            let statements = document["Statement"].as_array().expect("a list");
            statements.iter().map(|statement| statement["Resource"].as_array().expect("a list").len()).sum()
        };
        assert_eq!(documents.iter().map(resources).sum::<usize>(), 800);
    }
}
