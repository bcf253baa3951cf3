//! `acme stacks`: the stacks of an account and region.

use anyhow::Result;
use clap::Args;

use super::{DONE, GlobalArguments, OutputFormat, open};
use crate::{
    engine::{
        backend::BucketCreation,
        session::{Session, SessionOptions},
    },
    report::{self, Place},
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Compare each stack with the record of its last run; otherwise the last check is shown.
    #[arg(long)]
    drift: bool,
    /// Same as `--output json`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    let (region, backend) = (global.region.clone(), global.backend.clone());
    let options =
        SessionOptions { connection: open::connection(global), region, backend, role: global.role.clone(), ..SessionOptions::default() };
    let connected = Session::open_without_definition(options).await?.connect(BucketCreation::Never).await?;
    let stacks = connected.stacks(arguments.drift).await?;
    let (account, region) = (connected.account(), connected.session().region());
    match global.output {
        _ if arguments.json => report::print_json(&report::stacks::json(&stacks, account, region))?,
        OutputFormat::Json => report::print_json(&report::stacks::json(&stacks, account, region))?,
        _ => {
            let place = Place { region, account, is_simulated: connected.session().is_simulated() };
            report::print(&report::stacks::render(&stacks, &place));
        }
    }
    open::print_stats(connected.session(), global);
    Ok(DONE)
}
