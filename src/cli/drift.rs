//! `acme drift`: what others changed since the last finished run.

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    CHANGES, DONE, Global, Output, Target,
    context::{Context, Depth, Session},
};
use crate::{
    core::{Address, Live},
    engine::{
        backend::Consent,
        discover::address_of,
        history::RevisionSummary,
        plan::{Change, Goal, Recorded, drift, plan, reversed},
        run::Memory,
    },
    report::{self, Names, time},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Also read settings that cost a call per resource and that neither the definition nor the record has
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    let session = Session::open(&arguments.target, global).await?;
    let account = session.account().await?;
    let backend = session.backend(global, &account, Consent::Nothing).await?.backend;
    let memory = Memory::read(&session.history(&backend)).await.context("can't read what earlier runs did")?;
    let context = Context::after(session, account, &memory, if arguments.deep { Depth::Everything } else { Depth::Remembered }).await?;
    let stack = &context.session.stack;
    let region = context.session.cloud.region();
    let recorded = memory.recorded(region, &context.account, |_| true);
    let changes = match &recorded {
        Some(recorded) => drift(&stack.name, &stack.environment, recorded, &context.world),
        // The definition says what should be there.
        None => reversed(plan(stack, &context.world, Goal::Apply, region, &context.account)),
    };
    let since = memory.latest.as_ref().map(|latest| &latest.summary).zip(recorded.as_ref());
    match global.output {
        Output::Json => {
            let json = report::json::drift(stack, region, &context.account, since.map(|(since, _)| since.begin.revision), &changes);
            report::data(&format!("{}\n", serde_json::to_string_pretty(&json)?));
        }
        _ => report::data(&text(&context, since, &changes)),
    }
    if recorded.as_ref().is_some_and(|recorded| !recorded.unknown.is_empty()) {
        report::talk("A run did not finish: what it touched is left out.");
    }
    context.session.stats(global);
    Ok(if changes.is_empty() { DONE } else { CHANGES })
}

/// `since` is the last run and what it left.
fn text(context: &Context, since: Option<(&RevisionSummary, &Recorded)>, changes: &[Change]) -> String {
    let stack = &context.session.stack;
    let title = format!("{} ({}) in {}, account {}", stack.name, stack.environment, context.session.cloud.region(), context.account);
    let live: Vec<(Address, &Live)> = context.world.iter().filter_map(|live| Some((address_of(live)?, live))).collect();
    let recorded = since.into_iter().flat_map(|(_, recorded)| &recorded.live);
    let names = Names::of(recorded.chain(live.iter().map(|(address, live)| (address, *live))));
    let text = report::history::difference(&title, changes, &names, "No drift.");
    match since {
        Some((since, _)) => format!("{text}Compared with what revision {} left, {}.\n", since.begin.revision, time::local(since.ended)),
        None => format!("{text}Compared with the definition, as no run is recorded.\n"),
    }
}
