//! `acme history`: lists the runs of a stack, shows one, or compares two.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open, refusal::refuse};
use crate::{
    engine::{
        backend::BucketCreation,
        history::{History, Revision},
        plan::diff_states,
        session::Session,
    },
    report::{self, AddressNames},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// One revision to show, or two to compare. Default: list all.
    #[arg(value_name = "REVISION", num_args = 0..=2, value_parser = super::parse_whole::<u64>)]
    revisions: Vec<u64>,
    /// Number of revisions to list, the latest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = super::parse_whole::<usize>)]
    limit: usize,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(mut arguments: Arguments) -> Result<u8> {
    if let Some(first) = arguments.target.take_positional(|text| text.parse::<u64>().is_ok()) {
        match first.parse() {
            Ok(number) if arguments.revisions.len() < 2 => arguments.revisions.insert(0, number),
            Ok(_) => refuse!("no-revision", "history compares two revisions, not three"),
            Err(_) => refuse!("no-revision", "`{first}` is not the number of a revision"),
        }
    }
    let arguments = &arguments;
    let connected = open::open(&arguments.target, &arguments.global).await?.connect(BucketCreation::Never).await?;
    let (session, history) = (connected.session(), connected.history());
    let (text, json) = match arguments.revisions[..] {
        [] => list_revisions(arguments, session, &history).await?,
        [number] => show_revision(&history, number).await?,
        [from, to, ..] => compare_revisions(&history, from, to).await?,
    };
    match arguments.global.output {
        OutputFormat::Json => report::print_json(&json)?,
        _ => report::print(&text),
    }
    open::print_stats(session, &arguments.global);
    Ok(DONE)
}

async fn list_revisions(arguments: &Arguments, session: &Session, history: &History) -> Result<(String, Value)> {
    let (name, environment) = (&session.stack().name, &session.stack().environment);
    let (entries, earlier) = history.recent_runs(arguments.limit).await?;
    if entries.is_empty() && earlier == 0 {
        report::eprint(&format!("No runs recorded for {name} ({environment})."));
    }
    if earlier > 0 {
        report::eprint(&format!("{earlier} earlier runs not shown: use `--limit` to show more."));
    }
    if entries.iter().any(|(_, entry)| entry.as_ref().is_some_and(|entry| entry.unfinished)) {
        let [again, undo] = ["apply", "rollback"].map(|command| session.command_line(command));
        report::eprint(&format!("! unfinished: `{again}` continues it, `{undo}` undoes it."));
    }
    Ok((report::history::render_list(&entries), report::json::history(name, environment, &entries)))
}

async fn show_revision(history: &History, number: u64) -> Result<(String, Value)> {
    let Some(details) = history.run_details(number).await? else { refuse!("no-revision", "{}", unknown_revision_message(number)) };
    Ok((report::history::render_run(&details), report::json::run_details(&details)))
}

async fn compare_revisions(history: &History, from: u64, to: u64) -> Result<(String, Value)> {
    let (from, to) = (finished_revision(history, from).await?, finished_revision(history, to).await?);
    let changes = diff_states(&from.live, &to.live);
    let (earlier, later) = (from.run.revision, to.run.revision);
    let title = format!("{} ({}): from revision {earlier} to {later}", to.run.stack, to.run.environment);
    let names = AddressNames::of(from.live.iter().chain(&to.live));
    let text = report::history::render_difference(&title, &changes, &names, "No differences.");
    Ok((text, report::json::comparison(&from, &to, &changes)))
}

async fn finished_revision(history: &History, number: u64) -> Result<Revision> {
    if let Some(revision) = history.revision(number).await? {
        return Ok(revision);
    }
    if history.journal(number).await?.run.is_none() {
        refuse!("no-revision", "{}", unknown_revision_message(number));
    }
    refuse!("no-revision", "revision {number} is unfinished and has no record: run `acme history {number}` to show its steps");
}

fn unknown_revision_message(number: u64) -> String {
    format!("there is no record of revision {number}: run `acme history` to list revisions")
}
