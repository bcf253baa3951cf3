//! Errors of a session.

use crate::{
    core::{Address, Error, ErrorKind, RESOURCE_NAME_RULE},
    definition::{Diagnostic, Source},
    engine::plan::Obstacle,
};

/// Result of a session's method.
pub type Result<T, E = SessionError> = std::result::Result<T, E>;

/// Error of a session. Refusals make no changes.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Invalid definition.
    #[error("the definition has {}{}", problem_count(.problems), explanations(.problems))]
    InvalidDefinition {
        /// Definition.
        definition: Source,
        /// Problems, in the order of the text.
        problems: Vec<Diagnostic>,
    },
    /// Another region than the definition's.
    #[error("the definition is pinned to region `{pinned}`, not `{requested}`: change `region:` or remove `--region`")]
    PinnedRegion {
        /// Region in the definition.
        pinned: String,
        /// Region in the options.
        requested: String,
    },
    /// Text that is not a region, from the options or the AWS configuration.
    #[error("`{0}` is not a valid region: a region looks like `eu-west-1`")]
    InvalidRegion(String),
    /// Text that is not an account id, from AWS.
    #[error("`{0}` is not a valid account id: check the endpoint")]
    InvalidAccount(String),
    /// Another account than the definition's.
    #[error(
        "the definition is pinned to account {pinned}, but these credentials belong to {account}: use credentials of that account, by \
         `--profile` or `--role`, or change `account:`"
    )]
    PinnedAccount {
        /// Account in the definition.
        pinned: String,
        /// Account of the credentials.
        account: String,
    },
    /// The simulated cloud can't be opened.
    #[error("can't open the simulated cloud")]
    Simulator(#[source] Error),
    /// No valid credentials.
    #[error("can't authenticate to AWS")]
    NotAuthenticated(#[source] Error),
    /// Live resources can't be read.
    #[error("can't read live resources")]
    Discovery(#[source] Error),
    /// The history can't be read.
    #[error("can't read the history")]
    History(#[source] Error),
    /// Value on the command line that a procedure has moved.
    #[error(
        "`{name}` is {value}, moved by `acme {command}`: remove `--set {name}`; `acme {command}` continues, `acme {command} --back` returns, and \
         when the definition has this value itself, the procedure has ended"
    )]
    MovedValue {
        /// Name of the value.
        name: String,
        /// Value.
        value: String,
        /// Command of the procedure.
        command: &'static str,
    },
    /// Plan with obstacles.
    #[error("no changes made: the plan is blocked: {}", obstacle_list(.obstacles))]
    Blocked {
        /// Obstacles; at least one.
        obstacles: Vec<Obstacle>,
    },
    /// Saved plan of another text of the definition.
    #[error(
        "no changes made: `{file}` has changed since the plan was made{}\n  help: {help}",
        .commit.as_ref().map(|commit| format!(" (at commit {commit})")).unwrap_or_default()
    )]
    StaleDefinition {
        /// Path of the definition.
        file: String,
        /// Commit of the planned text.
        commit: Option<String>,
        /// Remedy.
        help: String,
    },
    /// Saved plan that differs from a new one.
    #[error("no changes made: {cause} since the plan in `{file}` was made\n  {}\n  help: {help}", .differences.join("\n  "))]
    StalePlan {
        /// What has changed.
        cause: &'static str,
        /// Path of the saved plan.
        file: String,
        /// Differences, one sentence each.
        differences: Vec<String>,
        /// Remedy.
        help: String,
    },
    /// An unfinished run prevents a rollback to a revision.
    #[error("the last run is unfinished: undo it with `acme rollback`, or finish it with `acme apply`, then try again")]
    UnfinishedRun,
    /// Question about the resources of a stack that has none.
    #[error("nothing of {stack} ({environment}) exists in {region}, account {account}: create it with `{apply}`")]
    NotApplied {
        /// Stack.
        stack: String,
        /// Environment.
        environment: String,
        /// Region.
        region: String,
        /// Account.
        account: String,
        /// Command line that applies the stack.
        apply: String,
    },
    /// No run to undo.
    #[error("there is no run of {stack} ({environment}) to undo: run `acme history` to list its runs")]
    NothingToUndo {
        /// Stack.
        stack: String,
        /// Environment.
        environment: String,
    },
    /// Unreadable journal of the run to undo.
    #[error(
        "can't read the journal of revision {revision}, so that run can't be undone: `acme apply` applies the definition, `acme \
         rollback --to REVISION` restores the state after an earlier run"
    )]
    LostJournal {
        /// Number of the run.
        revision: u64,
    },
    /// Revision without a record.
    #[error("there is no record of revision {revision}: run `acme history` to list revisions")]
    UnknownRevision {
        /// Number.
        revision: u64,
    },
    /// Text that is not an address.
    #[error("`{0}` is not a valid address\n  help: write a type and a name, such as `vpc.main`")]
    InvalidAddress(String),
    /// Invalid name in an address.
    #[error("`{0}` is not a valid resource name: {RESOURCE_NAME_RULE}")]
    InvalidName(String),
    /// Unknown resource type.
    #[error("there is no resource type `{name}`: {help}")]
    UnknownType {
        /// Name of the type.
        name: String,
        /// Remedy.
        help: String,
    },
    /// Selection of what neither the definition nor the live state has.
    #[error("there is no resource `{address}` to {verb}\n  help: {help}")]
    UnknownAddress {
        /// Address, entry of a section, module or pattern.
        address: String,
        /// What was to be done with it.
        verb: &'static str,
        /// Remedy.
        help: String,
    },
    /// Options that select and leave out the same.
    #[error("{message}\n  help: {help}")]
    ContradictorySelection {
        /// Contradiction.
        message: String,
        /// Remedy.
        help: String,
    },
    /// Resource that `--replace` names, and that the plan does not keep.
    #[error("`{address}` can't be replaced: {reason}\n  help: remove `--replace {address}`")]
    NotReplaceable {
        /// Address.
        address: Address,
        /// Reason.
        reason: &'static str,
    },
    /// Resource that can't be adopted, with the reason.
    #[error("{0}")]
    NotAdoptable(String),
    /// Resource that can't be forgotten.
    #[error("{message}\n  help: {help}")]
    NotForgettable {
        /// Reason.
        message: String,
        /// Remedy.
        help: String,
    },
    /// Address that the stack does not have.
    #[error("the stack has no resource `{address}`\n  help: {help}")]
    NotInStack {
        /// Address.
        address: Address,
        /// Remedy.
        help: String,
    },
    /// No such resource, with the remedy.
    #[error("{0}")]
    NotFound(String),
    /// Resource of this stack at another address.
    #[error("`{id}` already belongs to this stack{}", shown_address(.address))]
    AlreadyAdopted {
        /// Physical id.
        id: String,
        /// Its address.
        address: Option<Address>,
    },
    /// Address of another resource.
    #[error("`{address}` is already `{id}`: choose another address for `{requested}`")]
    AddressInUse {
        /// Address.
        address: Address,
        /// Physical id of the resource at the address.
        id: String,
        /// Physical id of the resource to adopt.
        requested: String,
    },
    /// Resource of another stack.
    #[error("`{id}` belongs to the stack {owner}{}: remove it from that stack first", shown_address(.address))]
    OtherStack {
        /// Physical id.
        id: String,
        /// Stack that owns it.
        owner: String,
        /// Its address there.
        address: Option<Address>,
    },
    /// Part of a resource of another stack.
    #[error("`{id}` is part of `{parent}`, which belongs to the stack {owner}")]
    ForeignParent {
        /// Physical id.
        id: String,
        /// Physical id of the resource that it is part of.
        parent: String,
        /// Stack that owns that one.
        owner: String,
    },
    /// Failed call to the cloud or the backend.
    #[error(transparent)]
    Call(#[from] Error),
}

impl SessionError {
    /// Stable code; `None` for an invalid definition, whose problems have their own.
    pub fn code(&self) -> Option<&str> {
        Some(match self {
            SessionError::InvalidDefinition { .. } => return None,
            SessionError::PinnedRegion { .. } => "pinned-region",
            SessionError::InvalidRegion(_) => "region",
            SessionError::InvalidAccount(_) => "account",
            SessionError::PinnedAccount { .. } => "pinned-account",
            SessionError::MovedValue { .. } => "moved-value",
            SessionError::Blocked { .. } => "blocked",
            SessionError::StaleDefinition { .. } | SessionError::StalePlan { .. } => "stale-plan",
            SessionError::UnfinishedRun => "unfinished-run",
            SessionError::NotApplied { .. } => "not-applied",
            SessionError::NothingToUndo { .. } => "nothing-to-undo",
            SessionError::LostJournal { .. } => "lost-journal",
            SessionError::UnknownRevision { .. } => "no-revision",
            SessionError::InvalidAddress(_) | SessionError::InvalidName(_) => "address",
            SessionError::UnknownType { .. } => "unknown-type",
            SessionError::UnknownAddress { .. } | SessionError::NotReplaceable { .. } => "unknown-address",
            SessionError::ContradictorySelection { .. } => "selection",
            SessionError::NotAdoptable(_) => "not-adoptable",
            SessionError::NotForgettable { .. } => "not-forgettable",
            SessionError::NotFound(_) | SessionError::NotInStack { .. } => "not-found",
            SessionError::AlreadyAdopted { .. } | SessionError::AddressInUse { .. } => "adopted",
            SessionError::OtherStack { .. } | SessionError::ForeignParent { .. } => "foreign",
            SessionError::Simulator(error)
            | SessionError::NotAuthenticated(error)
            | SessionError::Discovery(error)
            | SessionError::History(error)
            | SessionError::Call(error) => &error.code,
        })
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Error {
        match error {
            SessionError::Simulator(error)
            | SessionError::NotAuthenticated(error)
            | SessionError::Discovery(error)
            | SessionError::History(error)
            | SessionError::Call(error) => error,
            refusal => Error::new(ErrorKind::Rejected, refusal.code().unwrap_or("definition"), refusal.to_string()),
        }
    }
}

fn problem_count(problems: &[Diagnostic]) -> String {
    if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) }
}

/// Commands that explain the problems, if there are codes.
fn explanations(problems: &[Diagnostic]) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for problem in problems {
        if !codes.contains(&&*problem.code) {
            codes.push(&*problem.code);
        }
    }
    match codes.as_slice() {
        [] => String::new(),
        [code] => format!(": run `acme explain {code}` for details"),
        [first, ..] => format!(": run `acme explain {first}` for details on the first"),
    }
}

fn obstacle_list(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(|obstacle| format!("{} ({})", obstacle.message, obstacle.help)).collect::<Vec<_>>().join("; ")
}

fn shown_address(address: &Option<Address>) -> String {
    address.as_ref().map(|address| format!(", as `{address}`")).unwrap_or_default()
}
