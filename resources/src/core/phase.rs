//! Phases of a live resource.

use serde::{Deserialize, Serialize};

/// Whether a live resource can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase", content = "status")]
pub enum Phase {
    /// Ready for use.
    Ready,
    /// Ready for use, but accepted changes are not applied yet.
    PendingChanges(String),
    /// Not ready yet, with AWS's status.
    Progressing(String),
    /// Not ready until a person acts, with an instruction: "accept the endpoint in the account of its service". AWS reports no failure.
    Waiting(String),
    /// Broken until the cause is fixed, with AWS's status.
    Degraded(String),
    /// Failed permanently, with AWS's status.
    Failed(String),
    /// Being deleted.
    Deleting,
}

impl Phase {
    /// Returns the phase for a status in the words of most services: `Deleting` for `deleting`, `Failed` for `failed` and longer words that
    /// start with it, `Progressing` for `unavailable`, `pending` and other words that end in `ing`, and `Ready` for everything else.
    pub fn from_status(status: &str) -> Phase {
        let word = status.to_ascii_lowercase();
        match word.as_str() {
            "deleting" => Phase::Deleting,
            _ if word.starts_with("failed") => Phase::Failed(status.to_owned()),
            _ if word.ends_with("ing") || word == "unavailable" => Phase::Progressing(status.to_owned()),
            _ => Phase::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_words_of_most_services() {
        for (status, phase) in [
            ("available", Phase::Ready),
            ("ACTIVE", Phase::Ready),
            ("attached", Phase::Ready),
            ("pending", Phase::Progressing("pending".into())),
            ("CREATING", Phase::Progressing("CREATING".into())),
            ("unavailable", Phase::Progressing("unavailable".into())),
            ("failing", Phase::Progressing("failing".into())),
            ("failed-insufficient-capacity", Phase::Failed("failed-insufficient-capacity".into())),
            ("Deleting", Phase::Deleting),
        ] {
            assert_eq!(Phase::from_status(status), phase, "{status}");
        }
    }
}
