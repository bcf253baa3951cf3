//! Refusals of commands, each with a code for `acme explain`.

use crate::{core::Error, engine::session::SessionError};

/// Refusal; no changes were made.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// Message with the remedy.
    pub message: String,
}

/// Returns a refusal: a code, then the arguments of [`format!`].
macro_rules! refuse {
    ($code:literal, $($message:tt)+) => {
        return Err($crate::cli::refusal::Refusal { code: $code, message: format!($($message)+) }.into())
    };
}
pub(super) use refuse;

/// Code of a command's error: of a refusal, of AWS, or `file` for errors of the operating system.
pub fn error_code(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| {
        let refused = || Some(cause.downcast_ref::<Refusal>()?.code);
        let session = || cause.downcast_ref::<SessionError>()?.code();
        let answered = || Some(cause.downcast_ref::<Error>()?.code.as_str());
        refused().or_else(session).or_else(answered).or_else(|| cause.is::<std::io::Error>().then_some("file"))
    })
}

/// Error of a call, if `cause` is one.
pub fn call_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    match cause.downcast_ref() {
        Some(SessionError::Call(error)) => Some(error),
        _ => cause.downcast_ref(),
    }
}

/// `error:`, or `error[code]:` if there is a code.
pub fn label(error: &anyhow::Error) -> String {
    error_code(error).map_or_else(|| "error:".to_owned(), |code| format!("error[{code}]:"))
}

/// Message without the code.
pub fn message(error: &anyhow::Error) -> String {
    let describe = |cause: &(dyn std::error::Error + 'static)| match call_error(cause) {
        Some(answer) => answer.message_with_request_id(),
        None => cause.to_string(),
    };
    error.chain().map(describe).collect::<Vec<_>>().join(": ")
}
