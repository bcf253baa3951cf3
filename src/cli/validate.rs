//! `acme validate`.

use std::collections::HashSet;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{DONE, FAILED, OutputArguments, StackArguments, failure, open};
use crate::{
    core::EnvironmentName,
    definition::{self, Diagnostic, Source, Stack},
    engine::session::SessionError,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Check every environment of the definition; the default without `--env`.
    #[arg(long)]
    all_environments: bool,
    #[command(flatten)]
    output: OutputArguments,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let source = open::read(&arguments.target)?;
    let environments = match definition::environment_names(&source) {
        Ok(names) if arguments.all_environments || (arguments.target.env.is_none() && names.len() > 1) => names,
        // A single environment shows them, too.
        Err(problems) if arguments.all_environments => {
            return Err(SessionError::InvalidDefinition { definition: source, problems }.into());
        }
        _ => Vec::new(),
    };
    if environments.is_empty() {
        return match open::load_source(&source, &arguments.target) {
            Ok(stack) => {
                print_results(arguments, &[(stack.environment.to_string(), Ok(stack))], &source)?;
                Ok(DONE)
            }
            Err(problems) => Err(SessionError::InvalidDefinition { definition: source, problems }.into()),
        };
    }
    let check = |environment: &EnvironmentName| {
        let target = StackArguments { env: Some(environment.clone()), ..arguments.target.clone() };
        (environment.to_string(), open::load_source(&source, &target))
    };
    let results: Vec<EnvironmentResult> = environments.iter().map(check).collect();
    print_results(arguments, &results, &source)?;
    let invalid: Vec<&str> = results.iter().filter(|(_, loaded)| loaded.is_err()).map(|(name, _)| name.as_str()).collect();
    if invalid.is_empty() {
        return Ok(DONE);
    }
    report::eprint(&format!("{} not valid: {}.", source.path, invalid.join(", ")));
    Ok(FAILED)
}

/// Name of an environment, and its stack or its problems.
type EnvironmentResult = (String, Result<Stack, Vec<Diagnostic>>);

fn print_results(arguments: &Arguments, results: &[EnvironmentResult], source: &Source) -> Result<()> {
    // Most problems are the same in all environments.
    let mut shown = HashSet::new();
    for (_, loaded) in results {
        match loaded {
            Ok(stack) => show_valid(stack),
            Err(problems) => {
                let new: Vec<Diagnostic> = problems.iter().filter(|problem| shown.insert(*problem)).cloned().collect();
                open::show_problems(source, &new);
            }
        }
    }
    if arguments.output.is_json() {
        let environment = |(name, loaded): &EnvironmentResult| -> Value {
            let problems = loaded.as_ref().err().map(|problems| failure::problems(source, problems)).unwrap_or_default();
            let resources = loaded.as_ref().ok().map(|stack| stack.resources.len());
            json!({ "environment": name, "valid": loaded.is_ok(), "resources": resources, "problems": problems })
        };
        let valid = results.iter().all(|(_, loaded)| loaded.is_ok());
        let environments: Vec<Value> = results.iter().map(environment).collect();
        report::print_json(&json!({ "format": "acme-validate/1", "valid": valid, "environments": environments }))?;
    }
    Ok(())
}

fn show_valid(stack: &Stack) {
    let count = stack.resources.len();
    let noun = if count == 1 { "resource" } else { "resources" };
    report::eprint(&format!("{} is valid: {count} {noun} in environment {}.", stack.name, stack.environment));
}
