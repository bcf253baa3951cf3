//! Problems with a spec.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Pointer, nearest, written_pointer};

/// Problem with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer below the spec.
    pub pointer: String,
    /// Message, without a final period.
    pub message: String,
    /// Remedy.
    pub help: Option<String>,
    /// Stable code, which `acme explain` explains.
    pub code: &'static str,
    /// Whether the value is a secret, which must not be shown with the problem.
    pub is_secret: bool,
}

impl Problem {
    /// Code of an invalid value.
    pub const INVALID: &'static str = "invalid";

    /// Creates a problem without a remedy.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Problem {
        Problem { pointer: pointer.into_string(), message: message.into(), help: None, code: Problem::INVALID, is_secret: false }
    }
    /// Creates a problem with a value that is not among `offered`; `None` if it is, or if nothing is known to be offered. `values` names
    /// the values (`versions`), `scope` says for what they are offered (` for Kubernetes 1.34`).
    pub fn not_offered<'a>(
        pointer: Pointer,
        value: &str,
        values: &str,
        scope: &str,
        offered: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Option<Problem> {
        let mut all = offered.clone().into_iter().peekable();
        if value.contains("${") || all.peek().is_none() || all.any(|one| one == value) {
            return None;
        }
        let list = nearest::list_names(values, offered.clone());
        let help = nearest::nearest(value, offered).map_or(list.clone(), |near| format!("did you mean `{near}`? {list}"));
        Some(Problem::new(pointer, format!("AWS does not offer `{value}`{scope}")).help(help))
    }
    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
    /// States that the value is a secret.
    pub fn hide_value(mut self) -> Problem {
        self.is_secret = true;
        self
    }
    /// Sets the code.
    pub fn code(mut self, code: &'static str) -> Problem {
        self.code = code;
        self
    }
}

/// Converts serde's error, with a JSON pointer to its location.
pub fn problem_from_serde(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer: String = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            serde_path_to_error::Segment::Seq { index } => Some(format!("/{index}")),
            _ => None,
        })
        .collect();
    Problem { pointer, message: error.into_inner().to_string(), help: None, code: Problem::INVALID, is_secret: false }
}

/// Parses a spec and checks it; returns its canonical form, or all problems, which point into the spec as written.
pub(super) fn parse<R: DeserializeOwned + serde::Serialize>(
    value: &Value,
    check: fn(&R) -> Vec<Problem>,
) -> std::result::Result<Value, Vec<Problem>> {
    // Only errors need their location, and tracking it costs more than parsing.
    let located = || serde_path_to_error::deserialize(value).map_err(|e| vec![problem_from_serde(e)]);
    let spec = R::deserialize(value).or_else(|_| located())?;
    let problems = check(&spec);
    let canonical = serde_json::to_value(&spec).map_err(|e| vec![Problem::new(Pointer::ROOT, e.to_string())])?;
    if problems.is_empty() {
        return Ok(canonical);
    }
    Err(problems.into_iter().map(|problem| Problem { pointer: written_pointer(&problem.pointer, &canonical, value), ..problem }).collect())
}
