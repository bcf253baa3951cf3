//! What happens in a procedure besides the runs: all output about it is derived from these.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::gates::GatesReport;

/// Event of a procedure.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum ProcedureEvent {
    /// A step starts: its values are about to be applied.
    ProcedureStep {
        /// Step: `cutover: step 2 of 4`.
        procedure: String,
        /// Values of the step, by name.
        values: BTreeMap<String, Value>,
    },
    /// Gates were checked.
    GatesChecked {
        /// Step: `cutover: step 2 of 4`.
        procedure: String,
        /// The gates.
        gates: GatesReport,
        /// Time for which they must stay open from now on, in seconds; 0 after the last check.
        left_seconds: u64,
    },
    /// The procedure returns to the values from before.
    Returning {
        /// Step: `cutover: back`.
        procedure: String,
        /// Reason.
        reason: String,
    },
    /// The procedure ended, or stopped at a step.
    ProcedureEnded {
        /// Name: `cutover`.
        procedure: String,
        /// `finished`, `no_changes`, `refused`, `returned`, `stopped`, `interrupted`, `waiting` or `stuck`.
        outcome: &'static str,
        /// Reason, unless it has finished.
        reason: Option<String>,
    },
}
