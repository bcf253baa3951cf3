//! `acme show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, Global, Output, Target, context};
use crate::{discover::address_of, report, resource::Phase, stack};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// The single resources that the definition stands for, as YAML (default).
    #[arg(long, conflicts_with = "live")]
    expanded: bool,
    /// What is there.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if !arguments.live {
        report::data(&stack::expanded(&context::load(&arguments.target)?.0));
        return Ok(DONE);
    }
    let context = context::Context::open(&arguments.target, &arguments.global).await?;
    let mut live: Vec<_> = context.world.iter().collect();
    live.sort_by_key(|live| (address_of(live), live.id.clone()));
    if arguments.global.output == Output::Json {
        report::data(&format!("{}\n", serde_json::to_string_pretty(&json!({ "format": "acme-show/1", "resources": live }))?));
    } else {
        for live in live {
            let address = address_of(live).map_or_else(|| live.kind.clone(), |address| address.to_string());
            let phase = match &live.phase {
                Phase::Ready => String::new(),
                Phase::Settling(status) | Phase::Failed(status) => format!("  {status}"),
                Phase::Leaving => "  deleting".to_owned(),
            };
            report::data(&format!("{address}  {}{phase}\n", live.id));
        }
    }
    context.session.stats(&arguments.global);
    Ok(DONE)
}
