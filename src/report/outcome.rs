//! How a run ended: first the cause, then what was done about it, then what is left to do.

use std::ops::Range;

use super::{
    Style,
    progress::{doing, done},
    remedy::remedy,
};
use crate::{
    core::Address,
    definition::{Diagnostic, Source},
    engine::{
        execute::{self, Failure},
        journal,
        plan::Op,
        run::{Back, Ended},
    },
};

/// What is needed to tell the end of a run.
pub struct Telling<'a> {
    /// `apply`, `destroy` or `rollback`.
    pub command: &'a str,
    /// The command line of a command on the same stack.
    pub line: &'a dyn Fn(&str) -> String,
    /// The definition.
    pub source: &'a Source,
    /// Where the definition has what an address stands for.
    pub place: &'a dyn Fn(&Address) -> Option<Range<usize>>,
    /// How long it took.
    pub took: std::time::Duration,
}

impl Telling<'_> {
    /// Says how a run ended, and what to do where it did not end well.
    pub fn render(&self, ended: &Ended) -> String {
        let forward = &ended.forward;
        let mut said = lost(ended);
        if ended.is_well(self.command) {
            let what = counts(forward, &["created", "changed", "deleted", "given up"]);
            let what = if what.is_empty() { "nothing to do".to_owned() } else { what };
            said.push(format!("{} {what} in {}.", Style::Added.of("Done:"), super::took(self.took)));
            return said.join("\n");
        }
        self.failures(&mut said, forward);
        let again = (self.line)(self.command);
        let undo = (self.line)("rollback");
        match (ended.outcome, &ended.back) {
            (journal::Outcome::RolledBack, back) => said.push(rolled_back(back.as_ref())),
            (journal::Outcome::Kept, _) => {
                listed(&mut said, "Done, and kept:", &forward.done, done);
                listed(&mut said, "Begun, and kept as far as it got:", &forward.cut, doing);
                listed(&mut said, "Not begun:", &forward.left, doing);
                said.push(format!("  help: `{again}` goes on from here,\n        `{undo}` undoes it"));
            }
            (_, Some(Back::Tried(back))) => {
                said.push(format!("{} not everything could be put back", Style::Removed.of("stuck:")));
                self.failures(&mut said, back);
                let failed: Vec<_> = back.failed.iter().map(|failure| (failure.address.clone(), failure.op)).collect();
                listed(&mut said, "Still to be undone:", &[failed, back.left.clone()].concat(), doing);
                said.push(format!("  help: mend the cause; `{undo}` goes on going back,\n        `{again}` goes forward"));
            }
            (_, Some(Back::Failed(error))) => {
                said.push(format!("{} it could not be undone: {error}", Style::Removed.of("stuck:")));
                listed(&mut said, "Done so far:", &forward.done, done);
                said.push(format!("  help: mend the cause; `{undo}` goes back,\n        `{again}` goes forward"));
            }
            (_, None) => {
                let expired = forward.failed.iter().any(|failure| failure.error.is_expired());
                let why = match forward.past_pivot {
                    _ if expired => "without valid credentials nothing can be done, or undone",
                    true => "past the pivot: all that is new is there, not all that is old is gone",
                    false => "it could not go on",
                };
                said.push(format!("{} {why}", Style::Removed.of("stuck:")));
                listed(&mut said, "Done so far:", &forward.done, done);
                listed(&mut said, "Not begun:", &forward.left, doing);
                let cause = if expired { "renew the credentials" } else { "mend the cause" };
                let back = if self.command == "rollback" { String::new() } else { format!(",\n        `{undo}` goes back") };
                said.push(format!("  help: {cause}; `{again}` goes on from here{back}"));
            }
        }
        said.join("\n")
    }

    /// Each failure at its line. Those that failed alike are told once.
    fn failures(&self, said: &mut Vec<String>, outcome: &execute::Outcome) {
        let alike = |a: &Failure, b: &Failure| a.op == b.op && a.address.kind == b.address.kind && a.error.code == b.error.code;
        for (number, failure) in outcome.failed.iter().enumerate() {
            if outcome.failed[..number].iter().any(|told| alike(told, failure)) {
                continue;
            }
            let error = &failure.error;
            let message = format!("{} {} failed: {}", doing(failure.op), failure.address, error.message.trim_end_matches('.'));
            let mut diagnostic = Diagnostic::new(error.code.clone(), message).at((self.place)(&failure.address));
            if let Some(request) = &error.request_id {
                diagnostic = diagnostic.note(format!("AWS's request {request}"));
            }
            let others: Vec<String> =
                outcome.failed[number + 1..].iter().filter(|other| alike(failure, other)).map(|other| other.address.to_string()).collect();
            if !others.is_empty() {
                let more = others.len().saturating_sub(3);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let shown = others.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
                diagnostic = diagnostic.note(format!("the same for {shown}{more}"));
            }
            said.push(diagnostic.maybe_help(remedy(error, &failure.address, self.line)).render(self.source, true));
        }
    }
}

impl Ended {
    /// Whether it ended as `command` wanted. The rollback of a finished run that failed was itself put back.
    pub fn is_well(&self, command: &str) -> bool {
        let went_back = command == "rollback" && self.outcome == journal::Outcome::RolledBack && self.back.is_none();
        self.outcome == journal::Outcome::Done || went_back
    }
}

/// What AWS could not give back.
fn lost(ended: &Ended) -> Vec<String> {
    let back = match &ended.back {
        Some(Back::Tried(back)) => back.lost.as_slice(),
        _ => &[],
    };
    let warning = |(address, lost): &(Address, String)| format!("{} {address} {lost}.", Style::Changed.of("warning:"));
    ended.forward.lost.iter().chain(back).map(warning).collect()
}

/// What was put back, and what only as a new one.
fn rolled_back(back: Option<&Back>) -> String {
    let Some(Back::Tried(tried)) = back else { return "Everything is as it was before.".to_owned() };
    let what = counts(tried, &["made again", "changed back", "deleted again", "given up again"]);
    let what = if what.is_empty() { String::new() } else { format!("{} {what}.\n", Style::Changed.of("Rolled back:")) };
    let everything = if tried.lost.is_empty() { "Everything" } else { "Everything else" };
    let anew: Vec<String> = back.map(Back::made_anew).unwrap_or_default().iter().map(ToString::to_string).collect();
    if anew.is_empty() {
        return format!("{what}{everything} is as it was before.");
    }
    format!("{what}{everything} is as it was before; made anew, because the old one had to go first: {}.", anew.join(", "))
}

/// How many of each op ended well, in these words for create, update, delete and forget.
fn counts(outcome: &execute::Outcome, words: &[&str; 4]) -> String {
    let ops = [Op::Create, Op::Update, Op::Delete, Op::Forget];
    let count = |op| outcome.done.iter().filter(|(_, done)| *done == op).count();
    let counts = ops.into_iter().zip(words).map(|(op, word)| (count(op), word)).filter(|(n, _)| *n > 0);
    counts.map(|(n, word)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// Steps that are listed before the rest is only counted.
const LISTED: usize = 20;

fn listed(said: &mut Vec<String>, title: &str, steps: &[(Address, Op)], word: fn(Op) -> &'static str) {
    if steps.is_empty() {
        return;
    }
    let mut text: Vec<String> = steps.iter().take(LISTED).map(|(address, op)| format!("  {} {address}", word(*op))).collect();
    if steps.len() > LISTED {
        text.push(format!("  and {} more", steps.len() - LISTED));
    }
    said.push(format!("{title}\n{}", text.join("\n")));
}
