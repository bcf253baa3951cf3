//! Values of secure parameters. They must not get into any message.

use aws_sdk_ssm::types::ResourceTypeForTagging;
use serde_json::Value;

use super::super::prelude::*;
use crate::core::{ErrorKind, Tags};

/// Tag that records which secret acme copied into a parameter, and its version since. Users don't see it.
pub(super) const SOURCE_TAG: &str = "acme:secret";

/// The secret with the value of one version of a parameter.
#[derive(Debug, PartialEq)]
pub(super) struct Source {
    /// Version of the parameter.
    pub version: i64,
    /// ARN of the secret.
    pub secret: String,
    /// Key in its JSON object; empty for the whole text.
    pub key: String,
}

impl Source {
    pub fn to_tag(&self) -> String {
        format!("{} {} {}", self.version, self.secret, self.key).trim_end().to_owned()
    }
    pub fn from_tag(text: &str) -> Option<Source> {
        let mut parts = text.splitn(3, ' ');
        let version = parts.next()?.parse().ok()?;
        Some(Source { version, secret: parts.next()?.to_owned(), key: parts.next().unwrap_or_default().to_owned() })
    }
}

/// Value in a secret: its text, or that of a key in its JSON object.
pub(in crate::aws::types) async fn value_of(aws: &Aws, secret: &str, key: &str) -> Result<String> {
    let reply = aws.secretsmanager.get_secret_value().secret_id(secret).send().await?;
    let missing = |what: String| Error::new(ErrorKind::Rejected, "NoSecretValue", format!("the secret `{secret}` has no {what}"));
    let text = reply.secret_string.filter(|text| !text.is_empty()).ok_or_else(|| missing("text: set its value, and apply again".into()))?;
    if key.is_empty() {
        return Ok(text);
    }
    let object = serde_json::from_str::<Value>(&text).unwrap_or_default();
    object[key].as_str().map(str::to_owned).ok_or_else(|| missing(format!("JSON object with a text `{key}`")))
}

/// The value that a parameter has now, for a change of its other settings.
pub(super) async fn current_value(aws: &Aws, name: &str) -> Result<String> {
    let reply = aws.ssm.get_parameter().name(name).with_decryption(true).send().await?;
    reply.parameter.and_then(|parameter| parameter.value).ok_or_else(|| Error::missing_field("Value"))
}

pub(super) async fn set_tags(aws: &Aws, name: &str, tags: &Tags) -> Result<()> {
    let call = aws.ssm.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    call.set_tags(Some(services::ssm::to_tags(tags))).send().await?;
    Ok(())
}

pub(super) async fn forget_source(aws: &Aws, name: &str) -> Result<()> {
    let call = aws.ssm.remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    call.tag_keys(SOURCE_TAG).send().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_tags_that_it_writes() {
        for key in ["", "password"] {
            let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf".to_owned();
            let source = Source { version: 3, secret, key: key.into() };
            assert_eq!(Source::from_tag(&source.to_tag()), Some(source));
        }
        assert_eq!(Source::from_tag("by hand"), None);
    }
}
