//! What a command refuses, each with a code that `acme explain` knows.

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

/// `error:`, or `error[code]:` where one of the causes has a code.
pub fn label(error: &anyhow::Error) -> String {
    let code = error.chain().find_map(|cause| Some(cause.downcast_ref::<Refusal>()?.code));
    code.map_or_else(|| "error:".to_owned(), |code| format!("error[{code}]:"))
}
