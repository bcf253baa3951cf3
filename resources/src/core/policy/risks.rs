//! Statements of a policy that give away more than most definitions mean to.

use serde_json::Value;

use super::policy_kind::PolicyKind;

/// Finds the risky statements of a document in canonical form: index, and reason.
pub(in crate::core) fn risks(kind: PolicyKind, document: &Value) -> Vec<(usize, &'static str)> {
    let statements = document.get("Statement").and_then(Value::as_array).into_iter().flatten();
    let allowing = statements.enumerate().filter(|(_, statement)| statement["Effect"] == "Allow");
    allowing.filter_map(|(index, statement)| Some((index, risk(kind, statement)?))).collect()
}

fn risk(kind: PolicyKind, statement: &Value) -> Option<&'static str> {
    let has = |key: &str, wanted: &[&str]| statement.get(key).is_some_and(|value| texts(value).any(|text| wanted.contains(&text)));
    let is_conditional = statement.get("Condition").and_then(Value::as_object).is_some_and(|conditions| !conditions.is_empty());
    let principals = |of: &str| statement.get("Principal").and_then(|principal| principal.get(of)).map(texts).into_iter().flatten();
    match kind {
        PolicyKind::Identity if !has("Resource", &["*"]) => None,
        PolicyKind::Identity if has("Action", &["*", "*:*"]) => Some("it allows every action on every resource: an administrator"),
        PolicyKind::Identity if has("Action", &["iam:*"]) => Some("it allows granting any permission to anyone, itself included"),
        PolicyKind::Identity if statement.get("NotAction").is_some() => {
            Some("it allows every action but those it names, on every resource")
        }
        // An endpoint decides what passes through it: the resources behind it decide who may use them.
        PolicyKind::Identity | PolicyKind::Endpoint => None,
        _ if statement.get("NotPrincipal").is_some() => Some("it allows everyone but the principals that it names"),
        _ if is_conditional => None,
        PolicyKind::Trust if principals("Federated").next().is_some() => Some("every identity of the provider can assume the role"),
        PolicyKind::Trust if principals("AWS").any(|principal| principal == "*") => Some("anyone can assume the role"),
        PolicyKind::Resource | PolicyKind::Repository if principals("AWS").any(|principal| principal == "*") => Some("anyone can use it"),
        PolicyKind::Trust | PolicyKind::Resource | PolicyKind::Repository => None,
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(value));
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::Policy;

    fn found(kind: PolicyKind, statement: Value) -> Option<&'static str> {
        let policy =
            Policy::new(json!({ "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*" }, statement] }));
        let found = risks(kind, policy.value());
        assert!(found.iter().all(|(index, _)| *index == 1), "{found:?}");
        found.first().map(|(_, reason)| *reason)
    }

    #[test]
    fn an_administrator_is_risky() {
        let identity = |action: &str, resource: &str| {
            found(PolicyKind::Identity, json!({ "Effect": "Allow", "Action": [action], "Resource": resource }))
        };
        assert!(identity("*", "*").is_some_and(|reason| reason.contains("administrator")));
        assert!(identity("iam:*", "*").is_some());
        assert_eq!(identity("*", "arn:aws:s3:::shop/*"), None);
        assert_eq!(identity("s3:*", "*"), None);
        let all_but = json!({ "Effect": "Allow", "NotAction": "iam:*", "Resource": "*" });
        assert!(found(PolicyKind::Identity, all_but).is_some());
    }

    #[test]
    fn a_wildcard_principal_is_risky_without_a_condition() {
        let open = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Principal": "*" });
        assert_eq!(found(PolicyKind::Resource, open.clone()), Some("anyone can use it"));
        assert_eq!(found(PolicyKind::Repository, open.clone()), Some("anyone can use it"));
        assert_eq!(found(PolicyKind::Trust, open.clone()), Some("anyone can assume the role"));
        assert_eq!(found(PolicyKind::Endpoint, open.clone()), None);
        let mut limited = open;
        limited["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } });
        assert_eq!(found(PolicyKind::Resource, limited), None);
        let service = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": "ec2.amazonaws.com" } });
        assert_eq!(found(PolicyKind::Trust, service), None);
        let federated =
            json!({ "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": { "Federated": "arn:aws:iam::1:x" } });
        assert!(found(PolicyKind::Trust, federated).is_some());
    }
}
