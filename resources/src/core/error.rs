//! Errors, by their meaning to the engine.

/// Result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Meaning of an error to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The resource does not exist.
    NotFound,
    /// A dependency of this call is not visible everywhere yet (IAM takes about 8 s, EC2 a few seconds): retry.
    NotYetVisible,
    /// Too many calls: slow down.
    Throttled,
    /// The resource is in use, or being changed: wait, then name the blocker.
    Conflict,
    /// A resource with this name exists.
    AlreadyExists,
    /// Credentials are missing, expired, or lack permission.
    AccessDenied,
    /// AWS could not be reached, or had an internal error.
    Unavailable,
    /// AWS rejected the call: a retry would not help.
    Rejected,
}

/// Error of a call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {}", self.message_with_request_id())]
pub struct Error {
    /// Meaning to the engine.
    pub kind: ErrorKind,
    /// AWS's error code, or acme's own if the call never reached AWS.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}

impl Error {
    const WAITING: &'static str = "Waiting";

    /// AWS's message and request id.
    pub fn message_with_request_id(&self) -> String {
        match &self.request_id {
            Some(id) => format!("{} (request {id})", self.message),
            None => self.message.clone(),
        }
    }
    /// Creates an error without a response from AWS.
    pub fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Error {
        Error { kind, code: code.to_owned(), message: message.into(), request_id: None }
    }
    /// Creates an error about a successful response that lacks a documented field, perhaps because it was cut off: the call took effect.
    pub fn missing_field(field: &str) -> Error {
        Error::new(ErrorKind::Unavailable, "IncompleteAnswer", format!("AWS's response has no {field}"))
    }
    /// Whether the credentials are not valid, so that no call succeeds until they are renewed.
    pub fn is_credential_error(&self) -> bool {
        const CODES: &[&str] = &[
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidToken",
            "RequestExpired",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "AuthFailure",
            "NoCredentials",
        ];
        // The code alone may mean something else: AuthFailure is also returned for an address in use.
        self.kind == ErrorKind::AccessDenied && CODES.contains(&self.code.as_str())
    }
    /// Whether no policy allows the call, so that it may be allowed once IAM knows the tags of the resource. An explicit deny is final:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
    pub fn is_implicit_denial(&self) -> bool {
        const FINAL: &[&str] = &["OptInRequired", "SignatureDoesNotMatch"];
        let is_denial = self.kind == ErrorKind::AccessDenied && !self.is_credential_error();
        is_denial && !FINAL.contains(&self.code.as_str()) && !self.message.contains("explicit deny")
    }
    /// Whether the run lost the stack's lease, so that it must not change anything.
    pub fn is_lease_lost(&self) -> bool {
        self.code == "LeaseLost"
    }
    /// Error of a resource that is not ready until a person acts.
    pub fn waiting(instruction: impl Into<String>) -> Error {
        Error::new(ErrorKind::Rejected, Error::WAITING, instruction)
    }
    /// Whether the resource is only waiting for a person.
    pub fn is_waiting(&self) -> bool {
        self.code == Error::WAITING
    }
    /// Whether the journal of the run can't be written, so that it must not change anything.
    pub fn is_journal_error(&self) -> bool {
        self.code == "Journal"
    }
    /// The resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// Converts the result of reading a resource that may not exist: "not found" becomes `None`.
///
/// # Errors
/// Returns every other error.
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
