//! Domain names.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A domain name: in lowercase, without the final dot, with `*` for Route 53's `\052` and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// Converts a name to canonical form. References (`${…}`) keep their case.
    pub fn new(text: &str) -> DnsName {
        let text = unescape(text.trim_end_matches('.'));
        DnsName(if text.contains("${") { text } else { text.to_lowercase() })
    }
    /// Returns the reason why Route 53 rejects a name. <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
    pub fn violation(name: &str) -> Option<&'static str> {
        let labels = || name.trim_end_matches('.').split('.');
        if name.len() > 255 {
            Some("a domain name has at most 255 characters")
        } else if labels().any(str::is_empty) {
            Some("a domain name has no empty labels: between two dots, there is text")
        } else if labels().any(|label| label.len() > 63) {
            Some("a label of a domain name has at most 63 characters")
        } else if name.chars().any(|character| character.is_whitespace() || character.is_control()) {
            Some("a domain name has no spaces")
        } else {
            None
        }
    }
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
/// Decodes escapes: Route 53 returns `\` and three octal digits for all characters except letters, digits, hyphens, underscores and the
/// dots between labels. <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let octal = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal.filter(|byte| byte.is_ascii_graphic() && !matches!(byte, b'.' | b'\\')) {
            Some(byte) => plain.extend([char::from(byte).to_string().as_str(), &part[3..]]),
            None => plain.extend(["\\", part]),
        }
    }
    plain
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl Serialize for DnsName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for DnsName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DnsName, D::Error> {
        Ok(DnsName::new(&String::deserialize(deserializer)?))
    }
}
impl JsonSchema for DnsName {
    fn schema_name() -> Cow<'static, str> {
        "DnsName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A domain name, such as db.shop.example.com.", "x-acme-dns-name": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_of_domain_names() {
        for name in ["example.com", "example.com.", "*.example.com", "_dmarc.example.com", "0/26.2.0.192.in-addr.arpa", "com"] {
            assert_eq!(DnsName::violation(name), None, "{name}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for name in ["", "example..com", ".example.com", "exam ple.com", &long, &"a.".repeat(200)] {
            assert!(DnsName::violation(name).is_some(), "{name}");
        }
    }

    #[test]
    fn unescapes_names_from_route_53() {
        for (answered, plain) in [
            ("\\052.Example.com.", "*.example.com"),
            ("0\\05726.2.0.192.in-addr.arpa.", "0/26.2.0.192.in-addr.arpa"),
            ("a\\056b.example.com.", "a\\056b.example.com"),
            ("ex\\344mple.com", "ex\\344mple.com"),
            ("_dmarc.example.com.", "_dmarc.example.com"),
        ] {
            assert_eq!(DnsName::new(answered).as_str(), plain);
        }
    }
}
