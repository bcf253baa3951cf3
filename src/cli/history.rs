//! `acme history`: the runs of a stack, one of them, or what lies between two.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{DONE, Global, Output, Target, apply::command_line, context::Session, refusal::refuse};
use crate::{
    engine::{
        backend::Consent,
        history::{History, Revision},
        plan::difference,
    },
    report::{self, Names},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// One revision to see all of, or two to compare; without any, all are listed.
    #[arg(value_name = "REVISION", num_args = 0..=2)]
    revisions: Vec<u64>,
    /// How many to list, from the latest on.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let account = session.account().await?;
    let backend = session.backend(&arguments.global, &account, Consent::Nothing).await?.backend;
    let history = session.history(&backend);
    let (text, json) = match arguments.revisions[..] {
        [] => list(arguments, &session, &history).await?,
        [number] => one(&history, number).await?,
        [from, to, ..] => between(&history, from, to).await?,
    };
    report::data(&match arguments.global.output {
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&json)?),
        _ => text,
    });
    session.stats(&arguments.global);
    Ok(DONE)
}

async fn list(arguments: &Arguments, session: &Session, history: &History) -> Result<(String, Value)> {
    let (name, environment) = (&session.stack.name, &session.stack.environment);
    let (entries, earlier) = history.entries(arguments.limit).await?;
    if entries.is_empty() && earlier == 0 {
        report::talk(&format!("No run of {name} ({environment}) is recorded."));
    }
    if earlier > 0 {
        report::talk(&format!("There are {earlier} earlier ones: `--limit` shows more."));
    }
    if entries.iter().any(|(_, entry)| entry.as_ref().is_some_and(|entry| entry.unfinished)) {
        let [again, undo] = ["apply", "rollback"].map(|command| command_line(command, &arguments.target));
        report::talk(&format!("! did not finish: `{again}` goes on from there, `{undo}` goes back."));
    }
    Ok((report::history::list(&entries), report::json::history(name, environment, &entries)))
}

async fn one(history: &History, number: u64) -> Result<(String, Value)> {
    let Some(told) = history.told(number).await? else { refuse!("no-revision", "{}", unknown(number)) };
    Ok((report::history::one(&told), report::json::told(&told)))
}

async fn between(history: &History, from: u64, to: u64) -> Result<(String, Value)> {
    let (from, to) = (ended(history, from).await?, ended(history, to).await?);
    let changes = difference(&from.live, &to.live);
    let (earlier, later) = (from.begin.revision, to.begin.revision);
    let title = format!("{} ({}): from revision {earlier} to {later}", to.begin.stack, to.begin.environment);
    let names = Names::of(from.live.iter().chain(&to.live));
    let text = report::history::difference(&title, &changes, &names, "Nothing differs.");
    Ok((text, report::json::between(&from, &to, &changes)))
}

async fn ended(history: &History, number: u64) -> Result<Revision> {
    if let Some(revision) = history.revision(number).await? {
        return Ok(revision);
    }
    if history.journal(number).await?.begin.is_none() {
        refuse!("no-revision", "{}", unknown(number));
    }
    refuse!(
        "no-revision",
        "revision {number} did not end, so nothing is recorded of what it left: `acme history STACK.yaml {number}` tells what it did"
    );
}

fn unknown(number: u64) -> String {
    format!("there is no record of revision {number}: `acme history` lists those there are")
}
