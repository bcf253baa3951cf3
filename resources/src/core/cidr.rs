//! IPv4 and IPv6 ranges.

use std::{borrow::Cow, fmt, str::FromStr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An IP range in CIDR notation with its host bits masked, or a text with a reference (`${vpc.main.cidr}`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cidr {
    /// A known range.
    Range(IpNet),
    /// A reference, known after apply.
    Reference(String),
}

impl Cidr {
    /// Returns the range, if it is known.
    pub fn range(&self) -> Option<IpNet> {
        match self {
            Cidr::Range(net) => Some(*net),
            Cidr::Reference(_) => None,
        }
    }
    /// Whether no address of it is on the internet: private, shared, loopback and link-local ranges.
    /// <https://www.iana.org/assignments/iana-ipv4-special-registry/>
    pub fn is_private(&self) -> bool {
        let inside = |whole: &str| self.range().zip(whole.parse::<IpNet>().ok()).is_some_and(|(range, whole)| whole.contains(&range));
        ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"]
            .into_iter()
            .any(inside)
    }
    /// Whether it contains all addresses: `0.0.0.0/0` or `::/0`.
    pub fn is_everywhere(&self) -> bool {
        self.range().is_some_and(|range| range.prefix_len() == 0)
    }
    /// Whether it is a large part of all addresses, and not only private ones: up to seven bits are fixed, as in `0.0.0.0/1`.
    pub fn is_very_wide(&self) -> bool {
        self.range().is_some_and(|range| range.prefix_len() < 8) && !self.is_private()
    }
    /// Whether this is an IPv6 range.
    pub fn is_v6(&self) -> bool {
        matches!(self, Cidr::Range(IpNet::V6(_)))
    }
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Cidr, String> {
        if text.contains("${") {
            return Ok(Cidr::Reference(text.to_owned()));
        }
        text.parse::<IpNet>().map(|net| Cidr::Range(net.trunc())).map_err(|_| format!("`{text}` is not a CIDR block such as 10.0.0.0/16"))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cidr::Range(net) => net.fmt(f),
            Cidr::Reference(text) => text.fmt(f),
        }
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cidr, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
impl JsonSchema for Cidr {
    fn schema_name() -> Cow<'static, str> {
        "Cidr".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An IP range in CIDR notation, such as 10.0.0.0/16." })
    }
}
