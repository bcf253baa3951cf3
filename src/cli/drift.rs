//! `acme drift`: changes made outside acme since the last finished run.

use anyhow::Result;
use clap::Args;

use super::{CHANGES, DONE, GlobalArguments, OutputFormat, StackArguments, open};
use crate::{
    core::{Address, LiveResource},
    engine::{
        backend::BucketCreation,
        discover::address_of,
        drift_record::DriftRecord,
        session::{DiscoveryDepth, Drift, IgnoredDrift, Session},
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
    let mut connected = open::open(&arguments.target, global).await?.connect(BucketCreation::Never).await?;
    let drift = connected.drift(if arguments.deep { DiscoveryDepth::Full } else { DiscoveryDepth::Recorded }).await?;
    let recorded = connected.record_drift(&DriftRecord::now(drift.changes.len())).await;
    let session = connected.session();
    match global.output {
        OutputFormat::Json => {
            let since = drift.since().map(|since| since.run.revision);
            let json = report::json::drift(session.stack(), session.region(), connected.account(), since, &drift.changes, &drift.ignored);
            report::print_json(&json)?;
        }
        _ => report::print(&render_text(session, &drift)),
    }
    for IgnoredDrift { address, fields, reason } in &drift.ignored {
        let names: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
        report::eprint(&format!("Note: changes of {} of `{address}` are ignored: {reason}", names.join(", ")));
    }
    if drift.recorded.as_ref().is_some_and(|recorded| !recorded.uncertain.is_empty()) {
        report::eprint("Note: an unfinished run exists; resources it changed are not shown.");
    }
    if let Err(error) = recorded {
        report::eprint(&format!("Note: the result could not be recorded, so `acme stacks` does not show it: {error:#}"));
    }
    open::print_stats(session, global);
    Ok(if drift.changes.is_empty() { DONE } else { CHANGES })
}

/// Renders the changes, and what they are relative to.
fn render_text(session: &Session, drift: &Drift) -> String {
    let stack = session.stack();
    let simulated = if session.is_simulated() { ", simulated cloud" } else { "" };
    let title = format!("{} ({}) in {}, account {}{simulated}", stack.name, stack.environment, session.region(), drift.state.account());
    let live: Vec<(Address, &LiveResource)> = drift.state.live_state().iter().filter_map(|live| Some((address_of(live)?, live))).collect();
    let recorded = drift.recorded.iter().flat_map(|recorded| &recorded.live);
    let names = AddressNames::of(recorded.chain(live.iter().map(|(address, live)| (address, *live))));
    let text = report::history::render_difference(&title, &drift.changes, &names, "No drift.");
    match drift.since() {
        Some(since) => format!("{text}Compared with revision {}, {}.\n", since.run.revision, time::local(since.ended_at)),
        None => format!("{text}Compared with the definition, because there is no recorded run.\n"),
    }
}
