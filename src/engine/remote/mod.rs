//! Remote runs: a saved plan that a build of CodeBuild applies, in the account of the stack.
//!
//! A [`RemotePackage`] has all that the plan needs. [`Runner`] stores it in the backend, records the run there, starts the build, and follows its
//! log. The build calls `acme runner`, which takes the package with [`take_package`] and applies the plan: it alone holds the lease.

mod lines;
mod package;
mod record;
mod runner;
mod variables;

pub use lines::{ENDED_EVENT, LOG_EVENT, RemoteLine, STARTED_EVENT};
pub use package::{PackageError, RemotePackage, RunnerOptions};
pub use runner::{DEFAULT_PROJECT, LatestRun, RemoteOutcome, RemoteRun, Runner, StartResult, take_package};
pub use variables::{BuildOptions, RunVariables, VariablesError, log_level};

/// Longest line of JSON in the log, in bytes: CloudWatch Logs accepted events of up to 256 KiB until 2025, and the agent of a build may split
/// shorter ones.
pub const LONGEST_LINE: usize = 8 * 1024;
