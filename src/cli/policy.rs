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

/// Policies of a stack.
struct StackPolicies {
    documents: Documents,
    /// Stack and environment, for names: one definition can have the policies of several stacks.
    prefix: String,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let purposes = match arguments.purpose {
        Some(purpose) => vec![purpose],
        None => vec![PurposeArgument::Plan, PurposeArgument::Apply],
    };
    let policies = stack_policies(&arguments.target, arguments.region.as_deref(), &purposes, &arguments.project)?;
    if arguments.resources {
        let resources = json!({ "iam_policy": policies.resources() });
        if arguments.output.is_json() {
            report::print_json(&resources)?;
        } else {
            open::print_definition(&serde_yaml::to_string(&resources)?)?;
        }
        return Ok(DONE);
    }
    let documents = policies.documents;
    if arguments.purpose.is_none() || arguments.output.is_json() {
        report::print_json(&documents)?;
        return Ok(DONE);
    }
    for document in documents.values().flatten() {
        report::print_json(document)?;
    }
    Ok(DONE)
}

/// Resources of the type `iam_policy`, by name, for planning and applying a stack: `shop-production-plan-1`, `shop-production-apply-1` and so on.
pub(super) fn of_plan_and_apply(target: &StackArguments, region: Option<&str>) -> Result<BTreeMap<String, Value>> {
    Ok(stack_policies(target, region, &[PurposeArgument::Plan, PurposeArgument::Apply], DEFAULT_PROJECT)?.resources())
}

/// Policies of a stack. Warns of conditions that its definition does not allow.
fn stack_policies(target: &StackArguments, region: Option<&str>, purposes: &[PurposeArgument], project: &str) -> Result<StackPolicies> {
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
    Ok(StackPolicies { documents, prefix: format!("{}-{}", stack.name, stack.environment) })
}

impl StackPolicies {
    /// Resources of the type `iam_policy`, by name.
    fn resources(&self) -> BTreeMap<String, Value> {
        let numbered = self.documents.iter().flat_map(|(name, documents)| documents.iter().zip(1..).map(move |one| (name, one)));
        let named =
            numbered.map(|(name, (document, number))| (format!("{}-{name}-{number}", self.prefix), json!({ "document": document })));
        named.collect()
    }
}
