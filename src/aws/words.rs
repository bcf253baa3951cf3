//! Words in AWS's spelling. An enum that serialises to AWS's words needs no table of its own.

use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value},
};

use super::{Error, Result, Sort};

/// One of our enums as AWS spells it.
pub fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// AWS's word as one of our enums.
///
/// # Errors
/// When the enum has no such value.
pub fn word<T: DeserializeOwned>(text: &str) -> Result<T> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
        .map_err(|_| Error::new(Sort::Refused, "Shape", format!("AWS reports `{text}`, which this version of acme does not know")))
}

/// What the ARNs of a region begin with, after `arn:`.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
