//! `acme validate`.

use anyhow::Result;
use clap::Args;

use super::{DONE, FAILED, StackArguments, open};
use crate::{
    definition::{self, Stack},
    engine::session::SessionError,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Check every environment of the definition.
    #[arg(long)]
    all_environments: bool,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    if !arguments.all_environments {
        show_valid(&open::load(&arguments.target)?);
        return Ok(DONE);
    }
    let source = open::read(&arguments.target)?;
    let environments = match definition::environment_names(&source) {
        Ok(names) => names,
        Err(problems) => return Err(SessionError::InvalidDefinition { definition: source, problems }.into()),
    };
    if environments.is_empty() {
        show_valid(&open::load(&arguments.target)?);
        return Ok(DONE);
    }
    let mut invalid = Vec::new();
    for environment in environments {
        let target = StackArguments { env: Some(environment.clone()), ..arguments.target.clone() };
        match open::load_source(&source, &target) {
            Ok(stack) => show_valid(&stack),
            Err(problems) => {
                open::show_problems(&source, &problems);
                invalid.push(environment.to_string());
            }
        }
    }
    if invalid.is_empty() {
        return Ok(DONE);
    }
    report::eprint(&format!("{} not valid: {}.", source.path, invalid.join(", ")));
    Ok(FAILED)
}

fn show_valid(stack: &Stack) {
    let count = stack.resources.len();
    let noun = if count == 1 { "resource" } else { "resources" };
    report::eprint(&format!("{} is valid: {count} {noun} in environment {}.", stack.name, stack.environment));
}
