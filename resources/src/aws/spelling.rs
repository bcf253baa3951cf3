//! Enums in AWS's spelling. An enum that serialises to AWS's values needs no conversion table.

use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value},
};

use crate::core::{Error, ErrorKind, Result};

/// Converts an enum to AWS's value.
pub fn to_aws<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Converts AWS's value to an enum.
///
/// # Errors
/// Fails if the enum has no such value.
pub fn from_aws<T: DeserializeOwned>(text: &str) -> Result<T> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
        .map_err(|_| Error::new(ErrorKind::Rejected, "Shape", format!("AWS reports `{text}`, which this version of acme does not support")))
}
