//! `acme show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open};
use crate::{
    core::{Address, LiveResource},
    definition,
    engine::discover::address_of,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Print all resources of the definition, without sections, as YAML (default).
    #[arg(long, conflicts_with = "live")]
    expanded: bool,
    /// Show live resources as a tree.
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
    let mut live: Vec<_> = state.live_state().iter().collect();
    live.sort_by_key(|live| (address_of(live), live.id.clone()));
    if arguments.global.output == OutputFormat::Json {
        report::print_json(&json!({ "format": "acme-show/2", "resources": live }))?;
    } else {
        let live = state.live_state().iter().map(|live| (display_address(live), live)).collect();
        report::print(&report::tree::render(session.stack(), &live));
    }
    open::print_stats(&session, &arguments.global);
    Ok(DONE)
}

/// Address of a resource, or its id if it has no address.
fn display_address(live: &LiveResource) -> Address {
    address_of(live).unwrap_or_else(|| Address::new(&live.type_name, live.id.as_str()))
}
