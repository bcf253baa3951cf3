//! Errors, sorted by what they mean to the engine.

/// Result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such thing.
    NotFound,
    /// Something this call depends on is not visible everywhere yet (IAM takes about 8 s, EC2 up to a few): try again.
    NotYetVisible,
    /// Too many calls: slow down.
    Throttled,
    /// In use, or being changed: wait, then name the blocker.
    Conflict,
    /// A thing of this name exists.
    AlreadyExists,
    /// Credentials are missing, expired or not allowed to.
    AccessDenied,
    /// AWS could not be reached, or failed.
    Unavailable,
    /// Refused: trying again changes nothing.
    Rejected,
}

/// An answer that is not success.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {}", self.message_with_request_id())]
pub struct Error {
    /// What it means to the engine.
    pub kind: ErrorKind,
    /// AWS's error code, or one of ours for what never reached AWS.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}

impl Error {
    /// AWS's message and request id.
    pub fn message_with_request_id(&self) -> String {
        match &self.request_id {
            Some(id) => format!("{} (request {id})", self.message),
            None => self.message.clone(),
        }
    }
    /// An error that did not come from AWS's answer.
    pub fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Error {
        Error { kind, code: code.to_owned(), message: message.into(), request_id: None }
    }
    /// AWS's answer lacks a field that its documentation promises.
    pub fn missing_field(field: &str) -> Error {
        Error::new(ErrorKind::Rejected, "IncompleteAnswer", format!("AWS's answer has no {field}"))
    }
    /// The credentials are no longer, or not at all, valid: no call will be served until they are renewed.
    pub fn is_credential_error(&self) -> bool {
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
        self.kind == ErrorKind::AccessDenied && CODES.contains(&self.code.as_str())
    }
    /// There is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// A read of something that may not exist: "gone" is `None`.
///
/// # Errors
/// Every other error.
pub fn ok_or_not_found<T, E: Into<Error>>(result: std::result::Result<T, E>) -> Result<Option<T>> {
    match result.map_err(Into::into) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::new(ErrorKind::Rejected, "Shape", error.to_string())
    }
}
