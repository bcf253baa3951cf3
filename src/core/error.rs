//! Errors, sorted by what they mean to the engine.

/// Result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// There is no such thing.
    Gone,
    /// Something this call depends on is not visible everywhere yet (IAM takes about 8 s, EC2 up to a few): try again.
    NotYet,
    /// Too many calls: slow down.
    Throttled,
    /// In use, or being changed: wait, then name the blocker.
    Conflict,
    /// A thing of this name exists.
    Exists,
    /// Credentials are missing, expired or not allowed to.
    Denied,
    /// AWS could not be reached, or failed.
    Unreachable,
    /// Refused: trying again changes nothing.
    Refused,
}

/// An answer that is not success.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {}", self.without_code())]
pub struct Error {
    /// What it means to the engine.
    pub sort: Sort,
    /// AWS's error code, or one of ours for what never reached AWS.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}

impl Error {
    /// AWS's message and request id.
    pub fn without_code(&self) -> String {
        match &self.request_id {
            Some(id) => format!("{} (request {id})", self.message),
            None => self.message.clone(),
        }
    }
    /// An error that did not come from AWS's answer.
    pub fn new(sort: Sort, code: &str, message: impl Into<String>) -> Error {
        Error { sort, code: code.to_owned(), message: message.into(), request_id: None }
    }
    /// AWS's answer lacks a field that its documentation promises.
    pub fn missing(field: &str) -> Error {
        Error::new(Sort::Refused, "IncompleteAnswer", format!("AWS's answer has no {field}"))
    }
    /// The credentials are no longer, or not at all, valid: no call will be served until they are renewed.
    pub fn is_expired(&self) -> bool {
        const CODES: &[&str] = &[
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "AuthFailure",
            "NoCredentials",
        ];
        // The code alone may mean something else: AuthFailure is also said of an address that is in use.
        self.sort == Sort::Denied && CODES.contains(&self.code.as_str())
    }
    /// There is no such thing.
    pub fn is_gone(&self) -> bool {
        self.sort == Sort::Gone
    }
}

/// A read of something that may not exist: "gone" is `None`.
///
/// # Errors
/// Every other error.
pub fn ok_or_not_found<T, E: Into<Error>>(result: std::result::Result<T, E>) -> Result<Option<T>> {
    match result.map_err(Into::into) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::new(Sort::Refused, "Shape", error.to_string())
    }
}
