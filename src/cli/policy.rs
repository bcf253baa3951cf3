//! `acme policy`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{DONE, OutputArguments, StackArguments, open};
use crate::{
    engine::{
        permissions::{PolicyDocument, Purpose, policies},
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
    /// Planning, which only reads, and drift, which also records its result for `acme stacks`.
    Plan,
    /// Apply, destroy and rollback.
    Apply,
    /// `apply --remote`, `destroy --remote` and `remote`: planning, and builds that apply plans with their own role.
    Remote,
}

/// Documents by the name of their purpose.
type Documents = BTreeMap<&'static str, Vec<PolicyDocument>>;

pub fn run(arguments: &Arguments) -> Result<u8> {
    let purposes = match arguments.purpose {
        Some(purpose) => vec![purpose],
        None => vec![PurposeArgument::Plan, PurposeArgument::Apply],
    };
    let documents = documents(&arguments.target, arguments.region.as_deref(), &purposes, &arguments.project)?;
    if arguments.resources {
        let resources = json!({ "iam_policy": resources(&documents) });
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

/// Resources of the type `iam_policy`, by name, for planning and applying a stack: `plan-1`, `apply-1` and so on.
pub(super) fn of_plan_and_apply(target: &StackArguments, region: Option<&str>) -> Result<BTreeMap<String, Value>> {
    Ok(resources(&documents(target, region, &[PurposeArgument::Plan, PurposeArgument::Apply], DEFAULT_PROJECT)?))
}

/// Policies of a stack. Warns of conditions that its definition does not allow.
fn documents(target: &StackArguments, region: Option<&str>, purposes: &[PurposeArgument], project: &str) -> Result<Documents> {
    let mut stack = open::load(target)?;
    let region = stack.region.clone().or_else(|| region.map(str::to_owned));
    if let Some(region) = &region {
        stack.set_region(region);
    }
    stack.replace_unknown_location("*", region.as_deref().unwrap_or("*"));
    procedures::drill::restore_from_unknown(&mut stack);
    let region = region.as_deref();
    let policies = purposes.iter().map(|purpose| match purpose {
        PurposeArgument::Plan => ("plan", policies(&stack, region, Purpose::Plan)),
        PurposeArgument::Apply => ("apply", policies(&stack, region, Purpose::Apply)),
        PurposeArgument::Remote => ("remote", policies(&stack, region, Purpose::Remote { project })),
    });
    let (mut missing, mut documents) = (BTreeSet::new(), BTreeMap::new());
    for (name, policies) in policies {
        missing.extend(policies.missing);
        documents.insert(name, policies.documents);
    }
    report::permissions::warn_missing_conditions(&missing);
    Ok(documents)
}

fn resources(documents: &Documents) -> BTreeMap<String, Value> {
    let numbered = documents.iter().flat_map(|(name, documents)| documents.iter().zip(1..).map(move |one| (name, one)));
    numbered.map(|(name, (document, number))| (format!("{name}-{number}"), json!({ "document": document }))).collect()
}
