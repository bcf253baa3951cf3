//! Names that become parts of paths, keys, tags and physical names: each has one closed alphabet, checked where it enters.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Rule for names of stacks and environments, as a remedy.
pub const NAME_RULE: &str = "use a lowercase letter, then lowercase letters, digits and hyphens, at most 31 in all";

/// Rule for names of resources, as a remedy.
pub const RESOURCE_NAME_RULE: &str = "use letters, digits, `-`, `_` and `.`, at most 128 in all";

/// Text that is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid name: {NAME_RULE}")]
pub struct InvalidName(String);

/// Whether a text can name a stack or an environment.
fn is_name(text: &str) -> bool {
    text.len() <= 31
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text can name a resource. `*` and `@` are for DNS names.
pub fn is_resource_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*@".contains(&b))
}

/// Whether a text can name a region, such as `eu-west-1`.
pub fn is_region_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Whether a text is an account id: 12 digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $default:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<$name, InvalidName> {
                if is_name(text) { Ok($name(text.to_owned())) } else { Err(InvalidName(text.to_owned())) }
            }
        }
        impl Default for $name {
            fn default() -> $name {
                $name($default.to_owned())
            }
        }
        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

name!(
    /// Name of a stack. Default: `unnamed`, for a definition whose name is invalid.
    StackName,
    "unnamed"
);
name!(
    /// Name of an environment. Default: `default`, for a definition without environments.
    EnvironmentName,
    "default"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_closed_alphabet() {
        for name in ["a", "shop", "eu-2", &"a".repeat(31)] {
            assert!(name.parse::<StackName>().is_ok() && name.parse::<EnvironmentName>().is_ok(), "{name}");
        }
        let wrong =
            ["", ".", "..", "../b/production", "/etc", "a/b", "a\\b", "a\0", "a b", "Prod", "1a", "-a", "a.b", "ä", &"a".repeat(32)];
        for name in wrong {
            assert!(name.parse::<StackName>().is_err() && name.parse::<EnvironmentName>().is_err(), "{name}");
            assert!(serde_json::from_value::<EnvironmentName>(name.into()).is_err(), "{name}");
        }
        for name in ["private-a", "www.example.com", "*.example.com", "@", "A_1"] {
            assert!(is_resource_name(name), "{name}");
        }
        for name in ["", "a/b", "a b", "a\n", "é", &"a".repeat(129)] {
            assert!(!is_resource_name(name), "{name}");
        }
        assert!(is_region_name("us-gov-west-1") && is_account_id("123456789012"));
        assert!(!is_region_name("../eu-west-1") && !is_region_name("eu-west-1/x") && !is_account_id("../../123456"));
    }
}
