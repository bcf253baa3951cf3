//! Policies of a parameter: its expiry, and events about it.
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html>

use std::collections::BTreeSet;

use aws_sdk_ssm::types::ParameterInlinePolicy;
use serde_json::{Value, json};

use super::{super::prelude::*, Parameter};
use crate::aws::from_aws;

/// A period.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// Length, in `unit`.
    #[field(range = 1..=999)]
    pub amount: u32,
    /// Unit.
    #[field(default = TimeUnit::Days)]
    pub unit: TimeUnit,
}

/// Unit of a period.
#[spec]
#[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUnit {
    /// Days.
    Days,
    /// Hours.
    Hours,
}

/// Text that removes all policies.
pub(super) const NONE: &str = "[{}]";

const EXPIRATION: &str = "Expiration";
const EXPIRATION_NOTIFICATION: &str = "ExpirationNotification";
const NO_CHANGE_NOTIFICATION: &str = "NoChangeNotification";

/// The policies of a parameter in AWS's format.
pub(super) struct StorePolicies(Vec<Value>);

impl StorePolicies {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Text for AWS; `None` without policies.
    pub fn text(self) -> Option<String> {
        (!self.is_empty()).then(|| Value::Array(self.0).to_string())
    }
}

fn policy(kind: &str, attributes: &Value) -> Value {
    json!({ "Type": kind, "Version": "1.0", "Attributes": attributes })
}

fn capitalized_unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Days => "Days",
        TimeUnit::Hours => "Hours",
    }
}

impl Parameter {
    pub(super) fn policies(&self) -> StorePolicies {
        let expiration = self.expires_at.iter().map(|time| policy(EXPIRATION, &json!({ "Timestamp": time })));
        let before = |notice: &Notice| json!({ "Before": notice.amount.to_string(), "Unit": capitalized_unit(notice.unit) });
        let after = |notice: &Notice| json!({ "After": notice.amount.to_string(), "Unit": capitalized_unit(notice.unit) });
        let notices = self.expiration_notices.iter().map(|notice| policy(EXPIRATION_NOTIFICATION, &before(notice)));
        let no_change = self.no_change_notices.iter().map(|notice| policy(NO_CHANGE_NOTIFICATION, &after(notice)));
        StorePolicies(expiration.chain(notices).chain(no_change).collect())
    }

    /// Sets the fields to these policies.
    ///
    /// # Errors
    /// Fails if AWS has a policy of another form.
    pub(super) fn with_policies(self, policies: &[ParameterInlinePolicy]) -> Result<Parameter> {
        let (mut expires_at, mut expiration_notices, mut no_change_notices) = (None, BTreeSet::new(), BTreeSet::new());
        for text in policies.iter().filter_map(ParameterInlinePolicy::policy_text) {
            let policy: Value = serde_json::from_str(text)?;
            let attributes = &policy["Attributes"];
            match policy["Type"].as_str().unwrap_or_default() {
                EXPIRATION => expires_at = attributes["Timestamp"].as_str().map(str::to_owned),
                EXPIRATION_NOTIFICATION => drop(expiration_notices.insert(notice(&attributes["Before"], &attributes["Unit"])?)),
                NO_CHANGE_NOTIFICATION => drop(no_change_notices.insert(notice(&attributes["After"], &attributes["Unit"])?)),
                // Without a type, there is no policy.
                _ => {}
            }
        }
        Ok(Parameter { expires_at, expiration_notices, no_change_notices, ..self })
    }
}

/// The number is a text, or a number.
fn notice(amount: &Value, unit: &Value) -> Result<Notice> {
    let amount = amount.as_str().map(str::to_owned).unwrap_or_else(|| amount.to_string());
    let amount = amount.parse().map_err(|_| Error::missing_field("Attributes"))?;
    Ok(Notice { amount, unit: from_aws(&unit.as_str().unwrap_or_default().to_ascii_lowercase())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let spec = json!({
            "value": "a",
            "tier": "Advanced",
            "expires_at": "2030-01-31T00:00:00Z",
            "expiration_notices": [{ "amount": 15 }, { "amount": 12, "unit": "hours" }],
            "no_change_notices": [{ "amount": 20 }],
        });
        let parameter: Parameter = serde_json::from_value(spec).expect("a parameter");
        let StorePolicies(written) = parameter.policies();
        assert_eq!(written[0]["Attributes"], json!({ "Timestamp": "2030-01-31T00:00:00Z" }));
        let inline = |policy: &Value| ParameterInlinePolicy::builder().policy_text(policy.to_string()).build();
        let plain =
            Parameter { expires_at: None, expiration_notices: BTreeSet::new(), no_change_notices: BTreeSet::new(), ..parameter.clone() };
        let read = plain.with_policies(&written.iter().map(inline).collect::<Vec<_>>()).expect("policies");
        assert_eq!(serde_json::to_value(&read).ok(), serde_json::to_value(&parameter).ok());
    }
}
