//! `acme policy`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{DONE, OutputArguments, StackArguments, open};
use crate::{
    engine::{
        permissions::{Purpose, policies},
        remote::DEFAULT_PROJECT,
    },
    procedures, report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Command to print policies for. Default: those for `plan` and `apply`, as lists.
    #[arg(long = "for", value_enum, value_name = "COMMAND")]
    purpose: Option<PurposeArgument>,
    /// Project of CodeBuild, for `--for remote`.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROJECT, value_parser = super::remote::parse_project)]
    project: String,
    /// Print `iam_policy` resources, for the definition that creates the roles.
    #[arg(long)]
    resources: bool,
    /// AWS region, if the definition has none. Default: all.
    #[arg(long, value_parser = super::parse_region)]
    region: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeArgument {
    /// Planning, which only reads.
    Plan,
    /// Apply, destroy and rollback.
    Apply,
    /// `apply --remote`, `destroy --remote` and `remote`: planning, and builds that apply plans with their own role.
    Remote,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let mut stack = open::load(&arguments.target)?;
    let region = stack.region.clone().or(arguments.region.clone());
    if let Some(region) = &region {
        stack.set_region(region);
    }
    stack.replace_unknown_location("*", region.as_deref().unwrap_or("*"));
    procedures::drill::restore_from_unknown(&mut stack);
    let region = region.as_deref();
    let purposes = match arguments.purpose {
        Some(purpose) => vec![purpose],
        None => vec![PurposeArgument::Plan, PurposeArgument::Apply],
    };
    let policies = purposes.iter().map(|purpose| match purpose {
        PurposeArgument::Plan => ("plan", policies(&stack, region, Purpose::Plan)),
        PurposeArgument::Apply => ("apply", policies(&stack, region, Purpose::Apply)),
        PurposeArgument::Remote => ("remote", policies(&stack, region, Purpose::Remote { project: &arguments.project })),
    });
    let (mut missing, mut documents) = (BTreeSet::new(), BTreeMap::new());
    for (name, policies) in policies {
        missing.extend(policies.missing);
        documents.insert(name, policies.documents);
    }
    report::permissions::warn_missing_conditions(&missing);
    if arguments.resources {
        let numbered = documents.iter().flat_map(|(name, documents)| documents.iter().zip(1..).map(move |one| (name, one)));
        // One definition can have the policies of several stacks.
        let prefix = format!("{}-{}", stack.name, stack.environment);
        let named: BTreeMap<String, Value> =
            numbered.map(|(name, (document, number))| (format!("{prefix}-{name}-{number}"), json!({ "document": document }))).collect();
        let resources = json!({ "iam_policy": named });
        if arguments.output.is_json() {
            report::print_json(&resources)?;
        } else {
            open::print_definition(&serde_yaml::to_string(&resources)?)?;
        }
        return Ok(DONE);
    }
    if arguments.purpose.is_none() || arguments.output.is_json() {
        report::print_json(&documents)?;
        return Ok(DONE);
    }
    for document in documents.values().flatten() {
        report::print_json(document)?;
    }
    Ok(DONE)
}
