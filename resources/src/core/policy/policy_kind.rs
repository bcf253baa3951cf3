//! Elements of a policy that depend on what it is attached to.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::grammar::problem;
use crate::core::{Problem, expression::references, rules::with_child_pointer};

/// What a policy is attached to.
///
/// Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html> and
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// An identity: it has the permissions on the named resources.
    Identity,
    /// A resource: the named principals have the permissions.
    Resource,
    /// A VPC endpoint: like a resource, but it limits what passes through it, and gives nothing away.
    Endpoint,
    /// A role: the named principals may assume it.
    Trust,
    /// A repository of images: like a resource, but the statements name none.
    Repository,
}

/// Adds the problems of the statements of a document in canonical form, at its pointer.
pub(in crate::core) fn check(kind: PolicyKind, document: &Value, at: &mut String, problems: &mut Vec<Problem>) {
    let statements = document.get("Statement").and_then(Value::as_array);
    let mut identifiers = BTreeSet::new();
    for (index, statement) in statements.into_iter().flatten().enumerate().filter(|(_, statement)| statement.is_object()) {
        let mut at_statement = |problem: &mut dyn FnMut(&mut String)| {
            with_child_pointer(at, "Statement", |at| with_child_pointer(at, &index.to_string(), |at| problem(at)));
        };
        // Resources' policies have other rules: the ones of KMS contain spaces.
        let identifier = statement.get("Sid").and_then(Value::as_str).filter(|sid| {
            !matches!(kind, PolicyKind::Resource | PolicyKind::Endpoint | PolicyKind::Repository) && references(sid).is_empty()
        });
        if let Some(sid) = identifier {
            let message = if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                Some(format!("the statement id `{sid}` has other characters than letters and digits"))
            } else if !identifiers.insert(sid) {
                Some(format!("the statement id `{sid}` is used twice"))
            } else {
                None
            };
            if let Some(message) = message {
                at_statement(&mut |at| {
                    with_child_pointer(at, "Sid", |at| problems.push(problem(at, message.clone(), "write another, or none")));
                });
            }
        }
        for (pair, wanted, example) in [
            (["Principal", "NotPrincipal"], kind != PolicyKind::Identity, "Principal: { Service: [ec2.amazonaws.com] }"),
            (["Resource", "NotResource"], !matches!(kind, PolicyKind::Trust | PolicyKind::Repository), "Resource: '*'"),
        ] {
            let found = pair.into_iter().find(|key| statement.get(key).is_some());
            match (found, wanted) {
                (None, true) => at_statement(&mut |at| {
                    problems.push(problem(at, format!("the statement has no `{}`", pair[0]), format!("add it, such as `{example}`")));
                }),
                (Some(key), false) => at_statement(&mut |at| {
                    let message = match kind {
                        PolicyKind::Identity => format!("a policy of an identity has no `{key}`: its statements apply to the identity"),
                        PolicyKind::Repository => {
                            format!("the policy of a repository has no `{key}`: its statements apply to the repository")
                        }
                        _ => format!("a trust policy has no `{key}`: its statements apply to the role"),
                    };
                    with_child_pointer(at, key, |at| problems.push(problem(at, message, format!("remove `{key}`"))));
                }),
                _ => {}
            }
        }
    }
}
