//! Grammar of policy documents: closed lists and forms that AWS rejects as `MalformedPolicyDocument`.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::{Map, Value};

use crate::core::{Problem, expression::references, nearest::suggestion, rules::with_child_pointer};

const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
const DOCUMENT_KEYS: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_KEYS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const EFFECTS: [&str; 2] = ["Allow", "Deny"];
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
const PRINCIPALS: [&str; 4] = ["AWS", "Service", "Federated", "CanonicalUser"];
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
const OPERATORS: [&str; 27] = [
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
];

/// Adds the problems of a document in canonical form, at its pointer.
pub(in crate::core) fn check(document: &Value, at: &mut String, problems: &mut Vec<Problem>) {
    let Some(document) = document.as_object() else { return };
    check_keys(document, &DOCUMENT_KEYS, "a policy", at, problems);
    if let Some(version) = document.get("Version") {
        with_child_pointer(at, "Version", |at| check_choice(version, &VERSIONS, "versions", at, problems));
    }
    let Some(statements) = document.get("Statement") else {
        return problems.push(problem(at, "the policy has no `Statement`", "add `Statement:` with a list, empty for no policy"));
    };
    for (index, statement) in statements.as_array().into_iter().flatten().enumerate() {
        with_child_pointer(at, "Statement", |at| {
            with_child_pointer(at, &index.to_string(), |at| match statement.as_object() {
                Some(statement) => check_statement(statement, at, problems),
                None => problems.push(problem(at, "a statement must be a map", "write `Effect`, `Action` and others as its keys")),
            });
        });
    }
}

fn check_statement(statement: &Map<String, Value>, at: &mut String, problems: &mut Vec<Problem>) {
    check_keys(statement, &STATEMENT_KEYS, "a statement", at, problems);
    match statement.get("Effect") {
        Some(effect) => with_child_pointer(at, "Effect", |at| check_choice(effect, &EFFECTS, "effects", at, problems)),
        None => problems.push(problem(at, "the statement has no `Effect`", "add `Effect: Allow` or `Effect: Deny`")),
    }
    for (one, other) in [("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")] {
        match (statement.contains_key(one), statement.contains_key(other)) {
            (true, true) => problems.push(problem(at, format!("the statement has both `{one}` and `{other}`"), "keep one of them")),
            (false, false) if one == "Action" => {
                problems.push(problem(at, "the statement has no `Action`", "add `Action:`, such as `s3:GetObject`"));
            }
            _ => {}
        }
    }
    for key in ["Action", "NotAction"] {
        for action in known_texts(statement.get(key)).filter(|action| !is_action(action)) {
            let message = format!("`{action}` is not a valid action");
            with_child_pointer(at, key, |at| problems.push(problem(at, message, "an action looks like `s3:GetObject`")));
        }
    }
    for key in ["Resource", "NotResource"] {
        for resource in known_texts(statement.get(key)).filter(|resource| *resource != "*" && !resource.starts_with("arn:")) {
            let message = format!("`{resource}` is not a valid resource");
            with_child_pointer(at, key, |at| {
                problems.push(problem(at, message, "a resource is an ARN, such as `arn:aws:s3:::bucket/*`, or `*`"))
            });
        }
    }
    for key in ["Principal", "NotPrincipal"] {
        if let Some(principals) = statement.get(key).and_then(Value::as_object) {
            with_child_pointer(at, key, |at| check_principals(principals, at, problems));
        }
    }
    if let Some(condition) = statement.get("Condition").and_then(Value::as_object) {
        with_child_pointer(at, "Condition", |at| check_condition(condition, at, problems));
    }
}

fn check_principals(principals: &Map<String, Value>, at: &mut String, problems: &mut Vec<Problem>) {
    check_keys(principals, &PRINCIPALS, "a principal", at, problems);
    for service in known_texts(principals.get("Service")).filter(|service| *service != "*" && !service.contains('.')) {
        let message = format!("`{service}` is not a valid service principal");
        let help = format!("a service principal is a domain, such as `{service}.amazonaws.com`");
        with_child_pointer(at, "Service", |at| problems.push(problem(at, message, help)));
    }
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    // A user or role that was deleted is shown by its unique id, `AIDA…` or `AROA…`.
    let is_unique_id = |text: &str| text.len() >= 16 && text.starts_with('A') && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_valid = |text: &&str| *text == "*" || text.starts_with("arn:") || is_account(text) || is_unique_id(text);
    for name in known_texts(principals.get("AWS")).filter(|text| !is_valid(text)) {
        let message = format!("`{name}` is not a valid AWS principal");
        let help = "write an ARN, an account id of 12 digits in quotes, or `*`";
        with_child_pointer(at, "AWS", |at| problems.push(problem(at, message, help)));
    }
}

fn check_condition(condition: &Map<String, Value>, at: &mut String, problems: &mut Vec<Problem>) {
    for operator in condition.keys() {
        let plain = operator.strip_prefix("ForAllValues:").or_else(|| operator.strip_prefix("ForAnyValue:")).unwrap_or(operator);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        if !OPERATORS.contains(&plain) {
            let message = format!("`{operator}` is not a valid condition operator");
            let help = suggestion(plain, "operators", OPERATORS);
            with_child_pointer(at, operator, |at| problems.push(problem(at, message, help)));
        }
    }
}

/// Whether a text names an action, or several with wildcards.
fn is_action(text: &str) -> bool {
    let Some((service, action)) = text.split_once(':') else { return text == "*" };
    let is_name = |name: &str, more: &[u8]| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b));
    is_name(service, b"-") && is_name(action, b"*?")
}

/// Texts of a list that contain no references.
fn known_texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter(|text| references(text).is_empty())
}

fn check_keys(map: &Map<String, Value>, keys: &[&'static str], of: &str, at: &mut String, problems: &mut Vec<Problem>) {
    for key in map.keys().filter(|key| !keys.contains(&key.as_str())) {
        let message = format!("{of} has no key `{key}`");
        let help = suggestion(key, "keys", keys.iter().copied());
        with_child_pointer(at, key, |at| problems.push(problem(at, message, help)));
    }
}

fn check_choice(value: &Value, choices: &[&str], what: &str, at: &str, problems: &mut Vec<Problem>) {
    let text = value.as_str().unwrap_or_default();
    if !choices.contains(&text) {
        let message = format!("must be {}, not `{}`", choices.join(" or "), value.as_str().map_or(value.to_string(), str::to_owned));
        problems.push(problem(at, message, suggestion(text, what, choices.iter().copied())));
    }
}

pub(super) fn problem(at: &str, message: impl Into<String>, help: impl Into<String>) -> Problem {
    Problem { pointer: at.to_owned(), message: message.into(), help: Some(help.into()), code: Problem::INVALID, is_secret: false }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Policy, *};

    /// Pointers and messages of the problems of a document.
    fn problems(document: Value) -> Vec<String> {
        let mut found = Vec::new();
        check(Policy::new(document).value(), &mut String::new(), &mut found);
        found.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
    }

    fn with_statement(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut statement = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
        change(&mut statement);
        problems(json!({ "Statement": statement }))
    }

    #[test]
    fn accepts_what_aws_accepts() {
        let conditions = json!({ "ForAnyValue:StringLikeIfExists": { "aws:PrincipalArn": "a" }, "Bool": { "aws:SecureTransport": false } });
        let principals = json!({ "AWS": ["*", "123456789012", "arn:aws:iam::123456789012:role/a", "AROAEXAMPLEEXAMPLE12"],
            "Service": ["logs.eu-west-1.amazonaws.com", "${eks_cluster.main.issuer}"], "Federated": "cognito-identity.amazonaws.com" });
        assert_eq!(with_statement(|statement| statement["Condition"] = conditions), [""; 0]);
        assert_eq!(with_statement(|statement| statement["Principal"] = principals), [""; 0]);
        assert_eq!(with_statement(|statement| statement["Principal"] = json!("*")), [""; 0]);
        assert_eq!(with_statement(|statement| statement["Action"] = json!(["*", "s3:*", "ec2:Describe?pcs", "${a.b.c}"])), [""; 0]);
        assert_eq!(problems(json!({ "Version": "2008-10-17", "Id": "a", "Statement": [] })), [""; 0]);
    }

    #[test]
    fn rejects_what_aws_rejects() {
        let mut lacking = with_statement(|statement| *statement = json!({ "Efect": "Allow", "Resource": "*" }));
        lacking.sort();
        assert_eq!(
            lacking,
            [
                "/Statement/0/Efect: a statement has no key `Efect`",
                "/Statement/0: the statement has no `Action`",
                "/Statement/0: the statement has no `Effect`",
            ]
        );
        let cases = [
            (problems(json!({ "Version": "2012-10-18", "Statement": [] })), "/Version: must be 2012-10-17 or 2008-10-17, not `2012-10-18`"),
            (problems(json!({ "Statments": [], "Statement": [] })), "/Statments: a policy has no key `Statments`"),
            (problems(json!({ "Version": "2012-10-17" })), ": the policy has no `Statement`"),
            (with_statement(|s| s["Effect"] = json!("allow")), "/Statement/0/Effect: must be Allow or Deny, not `allow`"),
            (with_statement(|s| s["NotAction"] = json!("a:b")), "/Statement/0: the statement has both `Action` and `NotAction`"),
            (with_statement(|s| s["Resource"] = json!(["bucket/*"])), "/Statement/0/Resource: `bucket/*` is not a valid resource"),
            (with_statement(|s| s["Action"] = json!("GetObject")), "/Statement/0/Action: `GetObject` is not a valid action"),
            (with_statement(|s| s["Action"] = json!(["s3:Get Object"])), "/Statement/0/Action: `s3:Get Object` is not a valid action"),
            (
                with_statement(|s| s["Principal"] = json!({ "Service": "ec2" })),
                "/Statement/0/Principal/Service: `ec2` is not a valid service principal",
            ),
            (
                with_statement(|s| s["Principal"] = json!({ "AWS": "12345678901" })),
                "/Statement/0/Principal/AWS: `12345678901` is not a valid AWS principal",
            ),
            (
                with_statement(|s| s["Principal"] = json!({ "Services": "ec2.amazonaws.com" })),
                "/Statement/0/Principal/Services: a principal has no key `Services`",
            ),
            (
                with_statement(|s| s["Condition"] = json!({ "StringEqual": { "a": "b" } })),
                "/Statement/0/Condition/StringEqual: `StringEqual` is not a valid condition operator",
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, [expected]);
        }
    }
}
