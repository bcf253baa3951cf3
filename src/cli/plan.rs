//! `acme plan`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    CHANGES, DONE, FAILED, GlobalArguments, OutputFormat, StackArguments, apply::warn_unfinished, context::Context, refusal::refuse, saved,
};
use crate::{
    definition::Stack,
    engine::{
        backend::BucketCreation,
        plan::{Goal, Plan},
    },
    report::{self, plan::RenderOptions},
};

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.value_parser(output_parser()).help(OUTPUT_HELP)))]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Plan the deletion of everything.
    #[arg(long)]
    destroy: bool,
    /// Answer 2 when there are changes, 0 when there are none.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show unchanged resources and every field of new ones too.
    #[arg(long)]
    all: bool,
    /// Keep the plan in FILE, for `acme apply FILE` to carry out exactly this.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (context, memory) = Context::open_with_history(&arguments.target, &arguments.global).await?;
    warn_unfinished(&memory.unfinished, &arguments.target);
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    let plan = context.plan_with_history(goal, &memory).await?;
    match arguments.global.output {
        OutputFormat::Terraform => print_terraform(&plan, &context.session.stack)?,
        output => print(&plan, output, RenderOptions { all: arguments.all })?,
    }
    report::github::summarize_plan(&plan);
    context.session.annotate_obstacles(&plan);
    if let Some(out) = &arguments.out {
        if !plan.obstacles.is_empty() {
            refuse!("blocked", "the plan was not saved: it is blocked, see above");
        }
        let backend = context.session.backend(&arguments.global, &context.account, BucketCreation::Never).await?.backend;
        let revision = context.session.history(&backend).revision_numbers().await?.last().copied();
        saved::write(out, &plan, goal, &context.session, revision)?;
        report::eprint(&format!("Saved: `acme apply {}` carries out exactly this.", out.display()));
    }
    context.session.print_stats(&arguments.global);
    let code = match plan.is_empty() {
        _ if !plan.obstacles.is_empty() => FAILED,
        false if arguments.detailed_exitcode => CHANGES,
        _ => DONE,
    };
    // The process is about to end: freeing a large plan piece by piece would take a tenth of its time.
    std::mem::forget((context, memory, plan));
    Ok(code)
}

/// Prints a plan to stdout.
pub fn print(plan: &Plan, output: OutputFormat, show: RenderOptions) -> Result<()> {
    match output {
        OutputFormat::Json => report::print(&format!("{}\n", serde_json::to_string_pretty(&report::json::plan(plan))?)),
        // A reader that closed the pipe has seen enough.
        _ => report::plan::write(&mut report::Stdout::default(), plan, show).unwrap_or_default(),
    }
    Ok(())
}

/// Prints a plan in Terraform's form to stdout, and to stderr what that form has no place for.
fn print_terraform(plan: &Plan, stack: &Stack) -> Result<()> {
    let report::terraform::Export { document, unsupported: left_out } = report::terraform::plan(plan, stack)?;
    report::print(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    let notes = report::plan::render_notes(plan);
    if !notes.is_empty() {
        report::eprint(notes.trim_end());
    }
    if !left_out.is_empty() {
        let list: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        report::eprint(&format!("{} left out, as Terraform has no such type: {}.", list.len(), list.join(", ")));
    }
    Ok(())
}

const OUTPUT_HELP: &str = "Text for people, JSON for programs, or Terraform's form for Checkov and its like: `text`, `json` or `terraform`";

/// What every command prints, and what only a plan can be.
fn output_parser() -> impl TypedValueParser<Value = OutputFormat> {
    let terraform = PossibleValue::new("terraform").help("For Checkov, conftest, Infracost: as `terraform show -json` prints a plan");
    let all = OutputFormat::value_variants().iter().filter_map(OutputFormat::to_possible_value).chain([terraform]);
    PossibleValuesParser::new(all).map(|name| OutputFormat::from_str(&name, false).unwrap_or(OutputFormat::Terraform))
}
