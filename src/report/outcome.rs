//! Outcome of a run: first the cause, then the rollback, then the remaining work.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Style,
    progress::{past_tense, present_participle},
    remedy::remedy,
};
use crate::{
    core::{Address, list_first},
    definition::{Diagnostic, Source},
    engine::{
        execute::{self, StepFailure},
        journal,
        plan::Op,
        run::{RollbackOutcome, RunResult},
    },
};

/// Context for reporting the outcome of a run.
pub struct OutcomeReport<'a> {
    /// `apply`, `destroy` or `rollback`.
    pub command: &'a str,
    /// Command line of a command on the same stack.
    pub command_line: &'a dyn Fn(&str) -> String,
    /// The definition.
    pub source: &'a Source,
    /// Location of an address in the definition.
    pub locate: &'a dyn Fn(&Address) -> Option<Range<usize>>,
    /// Duration of the run.
    pub elapsed: std::time::Duration,
}

impl OutcomeReport<'_> {
    /// Reports the outcome of a run, with remedies if it failed.
    pub fn render(&self, ended: &RunResult) -> String {
        let forward = &ended.execution;
        let mut paragraphs = unrestored_warnings(ended);
        if ended.succeeded(self.command) {
            let what = format_counts(forward, &["created", "changed", "deleted", "forgotten"]);
            let what = if what.is_empty() { "no resources changed".to_owned() } else { what };
            paragraphs.push(format!("{} {what} in {}.", Style::Added.paint("Done:"), super::format_elapsed(self.elapsed)));
            let recreated: Vec<String> = forward.created().iter().map(ToString::to_string).collect();
            if self.command == "rollback" && !recreated.is_empty() {
                paragraphs.push(format!("Recreated resources have new ids: {}.", recreated.join(", ")));
            }
            return paragraphs.join("\n");
        }
        self.push_failures(&mut paragraphs, forward);
        let again = (self.command_line)(self.command);
        let undo = (self.command_line)("rollback");
        match (ended.outcome, &ended.rollback) {
            (journal::RunOutcome::RolledBack, back) => {
                paragraphs.push(rollback_summary(back.as_ref()));
                if self.command == "apply" && !ended.interrupted && !forward.completed.is_empty() {
                    paragraphs.push(format!(
                        "  help: fix the cause, then apply again; `{again} --no-rollback` keeps completed steps after a failure"
                    ));
                }
            }
            (journal::RunOutcome::Waiting, _) => {
                for (address, _, instruction) in &forward.waiting {
                    paragraphs.push(format!("{} {address} waits for a person: {instruction}", Style::Changed.paint("waiting:")));
                }
                push_steps(&mut paragraphs, "Completed and kept:", &forward.completed, past_tense);
                push_steps(&mut paragraphs, "Not started:", &forward.not_started, present_participle);
                paragraphs.push(format!("  help: do this; `{again}` then continues the run,\n        `{undo}` undoes the run"));
            }
            (journal::RunOutcome::Kept, _) => {
                push_steps(&mut paragraphs, "Completed and kept:", &forward.completed, past_tense);
                push_steps(&mut paragraphs, "Started and kept unfinished:", &forward.interrupted_steps, present_participle);
                push_steps(&mut paragraphs, "Not started:", &forward.not_started, present_participle);
                paragraphs.push(format!("  help: `{again}` continues the run,\n        `{undo}` undoes it"));
            }
            (_, Some(RollbackOutcome::Attempted(back))) => {
                paragraphs.push(format!("{} the rollback is incomplete", Style::Removed.paint("stuck:")));
                self.push_failures(&mut paragraphs, back);
                let failed: Vec<_> = back.failed.iter().map(|failure| (failure.address.clone(), failure.op)).collect();
                push_steps(&mut paragraphs, "Still to undo:", &[failed, back.not_started.clone()].concat(), present_participle);
                paragraphs.push(format!("  help: fix the cause; `{undo}` continues the rollback,\n        `{again}` continues the run"));
            }
            (_, Some(RollbackOutcome::Failed(error))) => {
                paragraphs.push(format!("{} the rollback failed: {error}", Style::Removed.paint("stuck:")));
                push_steps(&mut paragraphs, "Done so far:", &forward.completed, past_tense);
                paragraphs.push(format!("  help: fix the cause; `{undo}` undoes the run,\n        `{again}` continues it"));
            }
            (_, None) => {
                let expired = forward.failed.iter().any(|failure| failure.error.is_credential_error());
                let why = match forward.past_commit_point {
                    _ if expired => "acme can neither continue nor roll back without valid credentials",
                    true => "past the point of no return: some deletions are still to do",
                    false => "the run could not continue",
                };
                paragraphs.push(format!("{} {why}", Style::Removed.paint("stuck:")));
                push_steps(&mut paragraphs, "Done so far:", &forward.completed, past_tense);
                push_steps(&mut paragraphs, "Not started:", &forward.not_started, present_participle);
                let cause = if expired { "renew the credentials" } else { "fix the cause" };
                let back = if self.command == "rollback" { String::new() } else { format!(",\n        `{undo}` undoes it") };
                paragraphs.push(format!("  help: {cause}; `{again}` continues the run{back}"));
            }
        }
        paragraphs.join("\n")
    }

    /// Reports each failure at its line, and equal failures once.
    fn push_failures(&self, paragraphs: &mut Vec<String>, outcome: &execute::ExecuteOutcome) {
        let alike =
            |a: &StepFailure, b: &StepFailure| a.op == b.op && a.address.type_name == b.address.type_name && a.error.code == b.error.code;
        for (number, failure) in outcome.failed.iter().enumerate() {
            if outcome.failed[..number].iter().any(|told| alike(told, failure)) {
                continue;
            }
            let error = &failure.error;
            let message = format!("{} {} failed: {}", present_participle(failure.op), failure.address, error.message.trim_end_matches('.'));
            let mut diagnostic = Diagnostic::new(error.code.clone(), message).at((self.locate)(&failure.address));
            if let Some(request) = &error.request_id {
                diagnostic = diagnostic.note(format!("AWS request id {request}"));
            }
            let others: Vec<String> =
                outcome.failed[number + 1..].iter().filter(|other| alike(failure, other)).map(|other| other.address.to_string()).collect();
            if !others.is_empty() {
                diagnostic = diagnostic.note(format!("same error for {}", list_first(&others, 3)));
            }
            let diagnostic = diagnostic.maybe_help(remedy(error, &failure.address, self.command_line));
            paragraphs.push(super::render_diagnostic(&diagnostic, self.source));
        }
    }
}

impl RunResult {
    /// Whether `command` succeeded. If the rollback of a finished run fails, it is rolled back itself.
    pub fn succeeded(&self, command: &str) -> bool {
        let went_back = command == "rollback" && self.outcome == journal::RunOutcome::RolledBack && self.rollback.is_none();
        self.outcome == journal::RunOutcome::Done || went_back
    }
}

fn back_outcome(ended: &RunResult) -> Option<&execute::ExecuteOutcome> {
    match &ended.rollback {
        Some(RollbackOutcome::Attempted(back)) => Some(back),
        _ => None,
    }
}

/// Values that AWS could not restore, and accepted changes that it does not show yet.
fn unrestored_warnings(ended: &RunResult) -> Vec<String> {
    let back = back_outcome(ended).map(|back| back.not_restored.as_slice()).unwrap_or_default();
    let unconfirmed = back_outcome(ended).into_iter().chain([&ended.execution]).flat_map(|outcome| &outcome.unconfirmed);
    let warning = |(address, lost): &(Address, String)| format!("{} {address} {lost}.", Style::Changed.paint("warning:"));
    ended.execution.not_restored.iter().chain(back).chain(unconfirmed).map(warning).collect()
}

/// Resources that were restored, and those that had to be recreated.
fn rollback_summary(back: Option<&RollbackOutcome>) -> String {
    let Some(RollbackOutcome::Attempted(tried)) = back else { return "Everything is as it was before.".to_owned() };
    let what = format_counts(tried, &["recreated", "reverted", "deleted", "forgotten"]);
    let what = if what.is_empty() { String::new() } else { format!("{} {what}.\n", Style::Changed.paint("Rolled back:")) };
    let everything = if tried.not_restored.is_empty() { "Everything" } else { "Everything else" };
    let recreated: Vec<String> = tried.created().iter().map(ToString::to_string).collect();
    if recreated.is_empty() {
        return format!("{what}{everything} is as it was before.");
    }
    format!("{what}{everything} is as it was before, except for new ids of recreated resources: {}.", recreated.join(", "))
}

/// Number of successful steps by operation, in these words for create, update, delete and forget.
fn format_counts(outcome: &execute::ExecuteOutcome, words: &[&str; 4]) -> String {
    let ops = [Op::Create, Op::Update, Op::Delete, Op::Forget];
    // A resource with several steps counts once: attaching is a part of its creation or update, detaching of its deletion.
    let counted = |done: Op| if done == Op::Prune { Op::Update } else { done };
    let count = |op| {
        let resources: BTreeSet<&Address> =
            outcome.completed.iter().filter(|(_, done)| counted(*done) == op).map(|(address, _)| address).collect();
        resources.len()
    };
    let counts = ops.into_iter().zip(words).map(|(op, word)| (count(op), word)).filter(|(n, _)| *n > 0);
    counts.map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// Number of steps to list; the rest is only counted.
const MAX_LISTED_STEPS: usize = 20;

fn push_steps(paragraphs: &mut Vec<String>, title: &str, steps: &[(Address, Op)], word: fn(Op) -> &'static str) {
    if steps.is_empty() {
        return;
    }
    let mut text: Vec<String> = steps.iter().take(MAX_LISTED_STEPS).map(|(address, op)| format!("  {} {address}", word(*op))).collect();
    if steps.len() > MAX_LISTED_STEPS {
        text.push(format!("  and {} more", steps.len() - MAX_LISTED_STEPS));
    }
    paragraphs.push(format!("{title}\n{}", text.join("\n")));
}
