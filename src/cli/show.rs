//! `acme show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, Global, Output, Target, context};
use crate::{
    core::{Address, Live},
    definition,
    engine::discover::address_of,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The single resources that the definition stands for, as YAML (default).
    #[arg(long, conflicts_with = "live")]
    expanded: bool,
    /// What is there, each resource below the one it stands on.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if !arguments.live {
        report::data(&definition::expanded(&context::load(&arguments.target)?.0));
        return Ok(DONE);
    }
    let context = context::Context::open(&arguments.target, &arguments.global).await?;
    let mut live: Vec<_> = context.world.iter().collect();
    live.sort_by_key(|live| (address_of(live), live.id.clone()));
    if arguments.global.output == Output::Json {
        report::data(&format!("{}\n", serde_json::to_string_pretty(&json!({ "format": "acme-show/1", "resources": live }))?));
    } else {
        let live = context.world.iter().map(|live| (shown(live), live)).collect();
        report::data(&report::tree::render(&context.session.stack, &live));
    }
    context.session.stats(&arguments.global);
    Ok(DONE)
}

/// Where it stands; what has lost its address stands under its id.
fn shown(live: &Live) -> Address {
    address_of(live).unwrap_or_else(|| Address::new(&live.kind, live.id.as_str()))
}
