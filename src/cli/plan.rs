//! `acme plan`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    CHANGES, DONE, FAILED, GlobalArguments, OutputFormat, StackArguments, apply::warn_unfinished, git, open, refusal::refuse, saved,
};
use crate::{
    definition::Stack,
    engine::plan::{Goal, Plan},
    report::{self, Style, plan::RenderOptions},
};

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.value_parser(output_parser()).help(OUTPUT_HELP)))]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Plan the deletion of everything.
    #[arg(long)]
    destroy: bool,
    /// Exit with 2 if there are changes, 0 if there are none.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also show unchanged resources, and every field of new ones.
    #[arg(long)]
    all: bool,
    /// Save the plan to FILE; `acme apply FILE` applies exactly this plan.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let mut session = open::open(&arguments.target, &arguments.global).await?;
    let state = session.discover_with_history().await?;
    if let Some(error) = state.history_error() {
        report::eprint(&format!("{} can't read the history: {error}", Style::Changed.paint("warning:")));
    }
    warn_unfinished(&state.history().unfinished, &session);
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    session.choose_values(&state, goal).await?;
    let plan = session.plan(&state, goal).await?;
    match arguments.global.output {
        OutputFormat::Terraform => print_terraform(&plan, session.stack())?,
        output => print(&plan, output, RenderOptions { all: arguments.all })?,
    }
    report::github::summarize_plan(&plan);
    open::annotate_obstacles(&session, &plan);
    if let Some(out) = &arguments.out {
        if !plan.obstacles.is_empty() {
            refuse!("blocked", "the plan was not saved: it is blocked, see above");
        }
        let commit = git::commit(&arguments.target.file);
        saved::write(out, &session.save_plan(&state, &plan, goal, commit).await?)?;
        report::eprint(&format!("Saved. Run `acme apply {}` to apply exactly this plan.", out.display()));
    }
    open::print_stats(&session, &arguments.global);
    let code = match plan.is_empty() {
        _ if !plan.obstacles.is_empty() => FAILED,
        false if arguments.detailed_exitcode => CHANGES,
        _ => DONE,
    };
    // The process is about to end: freeing a large plan would take a tenth of its time.
    std::mem::forget((session, state, plan));
    Ok(code)
}

/// Prints a plan to stdout.
pub fn print(plan: &Plan, output: OutputFormat, show: RenderOptions) -> Result<()> {
    match output {
        OutputFormat::Json => report::print_json(&report::json::plan(plan))?,
        // The reader may close the pipe early.
        _ => report::plan::write(&mut report::Stdout::default(), plan, show).unwrap_or_default(),
    }
    Ok(())
}

/// Prints a plan in Terraform's format to stdout, and unsupported parts to stderr.
fn print_terraform(plan: &Plan, stack: &Stack) -> Result<()> {
    let report::terraform::Export { document, unsupported: left_out } = report::terraform::plan(plan, stack)?;
    report::print_json(&document)?;
    let notes = report::plan::render_notes(plan);
    if !notes.is_empty() {
        report::eprint(notes.trim_end());
    }
    if !left_out.is_empty() {
        let list: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        report::eprint(&format!("{} omitted, because Terraform has no such type: {}.", list.len(), list.join(", ")));
    }
    Ok(())
}

const OUTPUT_HELP: &str = "Output format: `text`, `json` or `terraform` (for Checkov and similar tools)";

/// Formats of every command, and the one only for plans.
fn output_parser() -> impl TypedValueParser<Value = OutputFormat> {
    let terraform = PossibleValue::new("terraform").help("Format of `terraform show -json`, for Checkov, conftest and Infracost");
    let all = OutputFormat::value_variants().iter().filter_map(OutputFormat::to_possible_value).chain([terraform]);
    PossibleValuesParser::new(all).map(|name| OutputFormat::from_str(&name, false).unwrap_or(OutputFormat::Terraform))
}
