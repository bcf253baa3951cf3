//! `acme outputs`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{DONE, Global, Output, Target, context::Context, refusal::refuse};
use crate::{
    core::{Address, Live, expression},
    definition::Stack,
    engine::discover::address_of,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Only this one, without its name.
    #[arg(long, value_name = "OUTPUT")]
    name: Option<String>,
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let context = Context::open(&arguments.target, &arguments.global).await?;
    let live = context.world.iter().filter_map(|live| Some((address_of(live)?, live.clone()))).collect();
    let values = values(&context.session.stack, &live);
    context.session.stats(&arguments.global);
    let Some(name) = &arguments.name else {
        print(&values, arguments.global.output)?;
        return Ok(DONE);
    };
    match values.get(name) {
        Some(Value::String(text)) if arguments.global.output != Output::Json => report::data(&format!("{text}\n")),
        Some(value) => report::data(&format!("{value}\n")),
        None => {
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            refuse!("unknown-output", "there is no output `{name}`; there are: {}", names.join(", "));
        }
    }
    Ok(DONE)
}

/// The outputs with every reference resolved; `null` where what they name is not there.
pub fn values(stack: &Stack, live: &BTreeMap<Address, Live>) -> BTreeMap<String, Value> {
    let known = |value: &Value| {
        expression::resolve(value, &|reference| live.get(&Address::new(reference.kind, reference.name))?.output(reference.output))
    };
    let settled = |value: Value| if expression::has_reference(&value) { Value::Null } else { value };
    stack.outputs.iter().map(|(name, value)| (name.clone(), settled(known(value)))).collect()
}

/// Prints outputs to stdout at the end of a run, below a title for people.
pub fn conclude(values: &BTreeMap<String, Value>, global: &Global) -> Result<()> {
    if global.output == Output::Text && !global.quiet && !values.is_empty() {
        report::talk("Outputs:");
    }
    print(values, global.output)
}

/// Prints outputs to stdout.
pub fn print(values: &BTreeMap<String, Value>, output: Output) -> Result<()> {
    match output {
        Output::Json => report::data(&format!("{}\n", serde_json::json!({ "format": "acme-outputs/1", "outputs": values }))),
        _ => {
            for (name, value) in values {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                report::data(&format!("{name} = {text}\n"));
            }
        }
    }
    Ok(())
}
