//! `acme stacks`: the stacks of an account and region.

use anyhow::Result;
use clap::Args;

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, definition_file::has_default_file, open, refusal::message};
use crate::{
    definition::{self, LoadOptions, Stack},
    engine::{
        backend::BucketCreation,
        session::{Session, SessionError, SessionOptions},
    },
    report::{self, Place, Style},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
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
    let stack = definition(&arguments.target)?;
    let declared = stack.as_ref();
    let options = SessionOptions {
        connection: open::connection(global),
        region: global.region.clone().or_else(|| declared?.region.clone()),
        backend: global.backend.clone().or_else(|| declared?.backend.clone()),
        role: global.role.clone(),
        ..SessionOptions::default()
    };
    let role = declared.and_then(|stack| stack.role.as_ref());
    let connected = Session::open_without_definition(role, options).await?.connect(BucketCreation::Never).await?;
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

/// The named definition or the default one, for region, role and backend. A default one that can't be used is no reason not to list stacks.
fn definition(target: &StackArguments) -> Result<Option<Stack>> {
    if target.file.is_some() || target.file_option.is_some() {
        return load(target).map(Some);
    }
    if !has_default_file() {
        return Ok(None);
    }
    let loaded = load(target);
    if let Err(error) = &loaded {
        let warning = Style::Changed.paint("warning:");
        report::eprint(&format!("{warning} region, role and backend are not those of the definition: {}", message(error)));
    }
    Ok(loaded.ok())
}

/// Without `--env`, the first environment has region, role and backend.
fn load(target: &StackArguments) -> Result<Stack> {
    let source = open::read(target)?;
    let options = open::load_options(target);
    let first = || definition::environment_names(&source).ok()?.into_iter().next();
    let options = LoadOptions { environment: options.environment.clone().or_else(first), ..options };
    match definition::load(&source, &options) {
        Ok(stack) => Ok(stack),
        Err(problems) => Err(SessionError::InvalidDefinition { definition: source, problems }.into()),
    }
}
