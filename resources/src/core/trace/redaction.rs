//! Hides secrets in what is recorded.
//!
//! The parameters of calls come from the SDK, which hides the fields that AWS's models mark as sensitive. Models miss some (`AuthToken` of
//! ElastiCache, variables of builds), so names and values are looked at, too.

use serde_json::{Map, Value};

use crate::core::{HIDDEN, is_plain_secret, is_secret_name};

/// Parts of texts after which a secret stands.
const BEFORE_SECRETS: [&str; 8] =
    ["password=", "passwd=", "pwd=", "secret=", "token=", "authorization:", "bearer ", "x-amz-security-token"];

/// Fields that hold the name of a setting, beside `value`.
const NAMES: [&str; 6] = ["name", "key", "parameter_name", "header_name", "parameterName", "Name"];

/// Fields that are no secrets, although their names end as those of secrets do.
const PLAIN_TOKENS: [&str; 3] = ["client_token", "client_request_token", "next_token"];

/// The same value without secrets.
pub fn redacted(value: &Value) -> Value {
    hide("", value)
}

/// The same text, or a placeholder if it holds a secret.
pub fn redacted_text(text: &str) -> String {
    let lower = text.to_lowercase();
    let holds_secret = is_plain_secret("", text) || BEFORE_SECRETS.iter().any(|before| holds_value_after(&lower, before));
    if holds_secret { HIDDEN.to_owned() } else { text.to_owned() }
}

/// Whether something stands after this part: `password=` alone tells no secret.
fn holds_value_after(text: &str, before: &str) -> bool {
    text.split(before).skip(1).any(|rest| rest.trim_start().starts_with(|c: char| !c.is_whitespace() && !"*<{$`".contains(c)))
}

fn hide(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if is_secret(name, text) => HIDDEN.into(),
        Value::String(text) => redacted_text(text).into(),
        // Lists of passwords (`passwords` of a cache user), and blocks of them.
        Value::Array(_) | Value::Object(_) if names_secrets(name) => HIDDEN.into(),
        Value::Array(items) => items.iter().map(|item| hide(name, item)).collect(),
        Value::Object(fields) => Value::Object(hide_fields(fields)),
        _ => value.clone(),
    }
}

fn hide_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    let is_kubernetes_secret = fields.get("kind").and_then(Value::as_str) == Some("Secret");
    let setting = NAMES.iter().find_map(|name| fields.get(*name)?.as_str()).filter(|_| fields.contains_key("value"));
    let hidden = |(name, value): (&String, &Value)| {
        let shown = match name.as_str() {
            "data" | "stringData" | "string_data" if is_kubernetes_secret => HIDDEN.into(),
            "value" => hide(setting.unwrap_or("value"), value),
            _ => hide(name, value),
        };
        (name.clone(), shown)
    };
    fields.iter().map(hidden).collect()
}

fn is_secret(name: &str, text: &str) -> bool {
    // `client_token` makes calls idempotent, and `next_token` is a page.
    let name = if PLAIN_TOKENS.contains(&name) { "" } else { name };
    is_plain_secret(name, text) || (names_secrets(name) && !text.contains("arn:aws") && !text.is_empty())
}

/// Whether a field holds secrets; the name in the plural, or in camel case, as in Kubernetes and in the documents of Cloud Control.
fn names_secrets(name: &str) -> bool {
    let name = name.strip_suffix('s').unwrap_or(name);
    // A block `secret` says where one is.
    is_secret_name(name) && name != "secret"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hides_secrets_by_name_and_by_value() {
        let secrets = json!({
            "master_user_password": "tiger-1", "MasterUserPassword": "tiger-2", "auth_token": "tiger-3", "passwords": ["tiger-4"],
            "environment": [{ "name": "DB_PASSWORD", "value": "tiger-5" }], "headers": { "Authorization": "Bearer tiger-6" },
            "url": "postgres://shop:tiger-7@db.example.com/shop", "extra_connection_attributes": "host=a;password=tiger-8;",
            "objects": [{ "kind": "Secret", "metadata": { "name": "a" }, "data": { "a": "tiger-9" }, "stringData": { "b": "tiger-10" } }],
            "key": "-----BEGIN PRIVATE KEY-----tiger-11", "parameters": [{ "parameter_name": "api_key", "value": "tiger-12" }],
        });
        let shown = redacted(&secrets).to_string();
        assert!(!shown.contains("tiger"), "{shown}");
        assert!(shown.contains("db") || shown.contains("DB_PASSWORD"), "names stay: {shown}");
    }

    #[test]
    fn keeps_everything_else() {
        let plain = json!({
            "cidr_block": "10.0.0.0/16", "tags": [{ "key": "Name", "value": "shop" }], "filters": [{ "name": "vpc-id", "values": ["vpc-1"] }],
            "secret_id": "shop", "secret_arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf", "next_token": "abc",
            "manage_master_user_password": true, "client_token": "1", "kms_key_id": "alias/a", "password_length": 32,
        });
        assert_eq!(redacted(&plain), plain);
        assert_eq!(redacted_text("the password is missing: password="), "the password is missing: password=");
    }
}
