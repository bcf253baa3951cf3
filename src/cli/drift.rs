//! `acme drift`: changes made outside acme since the last finished run.

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    CHANGES, DONE, GlobalArguments, OutputFormat, StackArguments,
    context::{Context, DiscoveryDepth, Session},
};
use crate::{
    core::{Address, LiveResource},
    engine::{
        backend::BucketCreation,
        discover::address_of,
        history::RevisionSummary,
        plan::{Change, Goal, RecordedState, drift, drift_from_plan, plan},
        run::RunHistory,
    },
    report::{self, AddressNames, time},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Also read settings that cost a call per resource, even if neither the definition nor the record has them
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    let session = Session::open(&arguments.target, global).await?;
    let account = session.account().await?;
    let backend = session.backend(global, &account, BucketCreation::Never).await?.backend;
    let memory = RunHistory::read(&session.history(&backend)).await.context("can't read the history")?;
    let context =
        Context::with_history(session, account, &memory, if arguments.deep { DiscoveryDepth::Full } else { DiscoveryDepth::Recorded })
            .await?;
    let stack = &context.session.stack;
    let region = context.session.cloud.region();
    let recorded = memory.recorded_state(region, &context.account, |_| true);
    let changes = match &recorded {
        Some(recorded) => drift(&stack.name, &stack.environment, recorded, &context.live_state),
        // Compares with the definition.
        None => drift_from_plan(plan(stack, &context.live_state, Goal::Apply, region, &context.account)),
    };
    let since = memory.latest.as_ref().map(|latest| &latest.summary).zip(recorded.as_ref());
    match global.output {
        OutputFormat::Json => {
            let json = report::json::drift(stack, region, &context.account, since.map(|(since, _)| since.run.revision), &changes);
            report::print(&format!("{}\n", serde_json::to_string_pretty(&json)?));
        }
        _ => report::print(&render_text(&context, since, &changes)),
    }
    if recorded.as_ref().is_some_and(|recorded| !recorded.uncertain.is_empty()) {
        report::eprint("Note: an unfinished run exists; resources it changed are not shown.");
    }
    context.session.print_stats(global);
    Ok(if changes.is_empty() { DONE } else { CHANGES })
}

/// Renders the changes. `since` is the last run and its record.
fn render_text(context: &Context, since: Option<(&RevisionSummary, &RecordedState)>, changes: &[Change]) -> String {
    let stack = &context.session.stack;
    let title = format!("{} ({}) in {}, account {}", stack.name, stack.environment, context.session.cloud.region(), context.account);
    let live: Vec<(Address, &LiveResource)> = context.live_state.iter().filter_map(|live| Some((address_of(live)?, live))).collect();
    let recorded = since.into_iter().flat_map(|(_, recorded)| &recorded.live);
    let names = AddressNames::of(recorded.chain(live.iter().map(|(address, live)| (address, *live))));
    let text = report::history::render_difference(&title, changes, &names, "No drift.");
    match since {
        Some((since, _)) => format!("{text}Compared with revision {}, {}.\n", since.run.revision, time::local(since.ended_at)),
        None => format!("{text}Compared with the definition, because there is no recorded run.\n"),
    }
}
