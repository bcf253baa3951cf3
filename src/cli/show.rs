//! `acme show`.

use anyhow::Result;
use clap::Args;
use futures::{StreamExt, stream};
use serde_json::json;

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open};
use crate::{
    aws::types::resource_type,
    core::{Address, LiveResource, Phase},
    definition,
    engine::{cloud::Cloud, discover::address_of},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Print all resources of the definition, without sections, as YAML (default).
    #[arg(long, conflicts_with = "live")]
    expanded: bool,
    /// Show live resources, those in clusters too, as a tree with their health.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if !arguments.live {
        report::print_yaml(&definition::expanded_yaml(&open::load(&arguments.target)?))?;
        return Ok(DONE);
    }
    let (session, state) = open::discover(&arguments.target, &arguments.global).await?;
    if arguments.global.output == OutputFormat::Text {
        session.require_live(&state)?;
    }
    let mut live = with_health(session.cloud(), state.live_state().iter().cloned().collect()).await;
    live.sort_by_key(|live| (address_of(live), live.id.clone()));
    if arguments.global.output == OutputFormat::Json {
        let health = report::health::count(live.iter().map(|live| &live.phase));
        report::print_json(&json!({ "format": "acme-show/2", "health": health, "resources": live }))?;
    } else {
        let by_address = live.iter().map(|live| (display_address(live), live)).collect();
        report::print(&report::tree::render(session.stack(), &by_address));
        report::print(&report::health::summary(live.iter().map(|live| &live.phase)));
    }
    open::print_stats(&session, &arguments.global);
    Ok(DONE)
}

/// The same resources, with the health of those that look ready from outside.
async fn with_health(cloud: &Cloud, live: Vec<LiveResource>) -> Vec<LiveResource> {
    let read = |live: LiveResource| async move {
        let Some(kind) = resource_type(&live.type_name).filter(|_| live.phase == Phase::Ready) else { return live };
        match cloud.health(kind, &live).await {
            Ok(Some(phase)) => LiveResource { phase, ..live },
            Ok(None) => live,
            Err(error) => LiveResource { phase: Phase::Progressing(format!("can't read its health: {}", error.message)), ..live },
        }
    };
    stream::iter(live).map(read).buffer_unordered(PARALLEL_READS).collect().await
}

/// Number of resources whose health is read in parallel.
const PARALLEL_READS: usize = 8;

/// Address of a resource, or its id if it has no address.
fn display_address(live: &LiveResource) -> Address {
    address_of(live).unwrap_or_else(|| Address::new(&live.type_name, live.id.as_str()))
}
