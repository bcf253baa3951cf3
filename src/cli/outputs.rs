//! `acme outputs`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open, refusal::refuse};
use crate::{
    core::printable_line,
    engine::{discover::address_of, outputs},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Print only this output, without its name.
    #[arg(long, value_name = "OUTPUT")]
    name: Option<String>,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (session, state) = open::discover(&arguments.target, &arguments.global).await?;
    session.require_live(&state)?;
    session.require_external()?;
    let live = state.live_state().iter().filter_map(|live| Some((address_of(live)?, live.clone()))).collect();
    let values = outputs::resolve(&session.stack().outputs, &live);
    open::print_stats(&session, &arguments.global);
    let Some(name) = &arguments.name else {
        print(&values, arguments.global.output)?;
        return Ok(DONE);
    };
    match values.get(name) {
        Some(Value::String(text)) if arguments.global.output != OutputFormat::Json => report::print(&format!("{text}\n")),
        Some(value) => report::print_json_line(value)?,
        None => {
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            refuse!("unknown-output", "there is no output `{name}`; outputs: {}", names.join(", "));
        }
    }
    Ok(DONE)
}

/// Prints outputs to stdout at the end of a run, with a title in text format.
pub fn print_with_title(values: &BTreeMap<String, Value>, global: &GlobalArguments) -> Result<()> {
    if global.output == OutputFormat::Text && !global.quiet && !values.is_empty() {
        report::eprint("Outputs:");
    }
    print(values, global.output)
}

/// Prints outputs to stdout.
pub fn print(values: &BTreeMap<String, Value>, output: OutputFormat) -> Result<()> {
    match output {
        OutputFormat::Json => report::print_json_line(&serde_json::json!({ "format": "acme-outputs/1", "outputs": values }))?,
        _ => {
            for (name, value) in values {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                report::print(&format!("{} = {text}\n", printable_line(name)));
            }
        }
    }
    Ok(())
}
