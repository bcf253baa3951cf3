//! `acme policy`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{DONE, Target, context};
use crate::{
    permissions::{Purpose, policies},
    report,
};

/// Prints what IAM has to allow for this stack in this environment, no more. What one managed policy cannot hold is printed as
/// several, one after the other. A type that has left the definition, but not AWS, is not among it: allow what the definition
/// before needed, too, until it is applied.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// What for; both, as lists, when absent.
    #[arg(long = "for", value_enum, value_name = "COMMAND")]
    purpose: Option<For>,
    /// AWS region, where the definition names none. Default: all.
    #[arg(long)]
    region: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// Reading.
    Plan,
    /// Reading and changing: apply, destroy, rollback.
    Apply,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let stack = context::load(&arguments.target)?;
    let region = stack.region.as_deref().or(arguments.region.as_deref());
    let policies = |purpose| policies(&stack, region, purpose);
    let printed = match arguments.purpose {
        Some(For::Plan) => policies(Purpose::Plan),
        Some(For::Apply) => policies(Purpose::Apply),
        None => vec![json!({ "plan": policies(Purpose::Plan), "apply": policies(Purpose::Apply) })],
    };
    for document in printed {
        report::data(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    }
    Ok(DONE)
}
