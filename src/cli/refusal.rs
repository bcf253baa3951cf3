//! What a command refuses, each with a code that `acme explain` knows.

use crate::core::Error;

/// A refusal; nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable name of the kind of refusal.
    pub code: &'static str,
    /// What is refused, and what to do about it.
    pub message: String,
}

/// Returns with a refusal: a code, then what [`format!`] takes.
macro_rules! refuse {
    ($code:literal, $($message:tt)+) => {
        return Err($crate::cli::refusal::Refusal { code: $code, message: format!($($message)+) }.into())
    };
}
pub(super) use refuse;

/// The code of what a command ended with: a refusal's, AWS's, or `file` where the system says no.
fn error_code(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| {
        let refused = || Some(cause.downcast_ref::<Refusal>()?.code);
        let answered = || Some(cause.downcast_ref::<Error>()?.code.as_str());
        refused().or_else(answered).or_else(|| cause.is::<std::io::Error>().then_some("file"))
    })
}

/// `error:`, or `error[code]:` where there is a code.
pub fn label(error: &anyhow::Error) -> String {
    error_code(error).map_or_else(|| "error:".to_owned(), |code| format!("error[{code}]:"))
}

/// What went wrong, without the code.
pub fn message(error: &anyhow::Error) -> String {
    let describe = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<Error>() {
        Some(answer) => answer.message_with_request_id(),
        None => cause.to_string(),
    };
    error.chain().map(describe).collect::<Vec<_>>().join(": ")
}
