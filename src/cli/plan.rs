//! `acme plan`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    CHANGES, DONE, FAILED, GlobalArguments, OutputFormat, StackArguments, advice, apply::warn_unfinished, cost::CostArguments, git, open,
    refusal::refuse, saved, selection::SelectionArguments,
};
use crate::{
    core::EnvironmentName,
    definition::{Diagnostic, Stack},
    engine::{
        plan::{Goal, Plan, compare_environments},
        session::SessionError,
    },
    report::{self, Style, plan::RenderOptions},
};

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.value_parser(output_parser()).help(OUTPUT_HELP)))]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Plan the deletion of everything.
    #[arg(long, conflicts_with = "replace")]
    destroy: bool,
    /// Exit with 2 if there are changes, 0 if there are none.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also show unchanged resources, and all that `--full` shows.
    #[arg(long)]
    all: bool,
    /// Show every change of a large plan, every field of new resources, and every line of the cost.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    cost: CostArguments,
    /// Compare the environment with another one of the definition, without any calls.
    #[arg(
        long,
        value_name = "ENV",
        conflicts_with_all = ["destroy", "all", "full", "out", "only", "except", "replace", "cost", "max_monthly"]
    )]
    diff: Option<EnvironmentName>,
    /// Save the plan to FILE; `acme apply FILE` (`acme destroy FILE` after `--destroy`) applies exactly this plan.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if let Some(other) = &arguments.diff {
        return compare(arguments, other);
    }
    let mut session = open::open(&arguments.target, &arguments.global).await?;
    session.select(arguments.selection.selection()?);
    let state = session.discover_with_history().await?;
    if let Some(error) = state.history_error() {
        report::eprint(&format!("{} can't read the history: {error}", Style::Changed.paint("warning:")));
    }
    warn_unfinished(&state.history().unfinished, &session);
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    session.choose_values(&state, goal).await?;
    let mut plan = session.plan(&state, goal).await?;
    plan.costs = arguments.cost.estimate(&session, &plan).await?;
    match arguments.global.output {
        OutputFormat::Terraform => print_terraform(&plan, session.stack())?,
        output => print(&plan, output, RenderOptions { all: arguments.all, full: arguments.full })?,
    }
    report::github::summarize_plan(&plan);
    open::annotate_obstacles(&session, &plan);
    arguments.cost.check(plan.costs.as_ref())?;
    if let Some(out) = &arguments.out {
        if !plan.obstacles.is_empty() {
            refuse!("blocked", "the plan was not saved: it is blocked, see above");
        }
        let commit = git::commit(&arguments.target.path()?);
        saved::write(out, &session.save_plan(&state, &plan, goal, commit).await?)?;
        report::eprint(&format!("Saved. Run `{}` to apply exactly this plan.", advice::apply_saved_plan(goal, out)));
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

/// Compares the environment with another one.
fn compare(arguments: &Arguments, other: &EnvironmentName) -> Result<u8> {
    let source = open::read(&arguments.target)?;
    let target = StackArguments { env: Some(other.clone()), ..arguments.target.clone() };
    let (from, to) = match (open::load_source(&source, &arguments.target), open::load_source(&source, &target)) {
        (Ok(from), Ok(to)) => (from, to),
        (from, to) => {
            let mut problems = Vec::new();
            for (environment, loaded) in [(arguments.target.env.as_ref(), from), (Some(other), to)] {
                add_problems(&mut problems, environment, loaded.err().unwrap_or_default());
            }
            return Err(SessionError::InvalidDefinition { definition: source, problems }.into());
        }
    };
    let found = compare_environments(&from, &to);
    match arguments.global.output {
        OutputFormat::Json => report::print_json(&report::environments::json(&found))?,
        _ => report::print(report::environments::render(&found).trim_end()),
    }
    Ok(if arguments.detailed_exitcode && !found.is_empty() { CHANGES } else { DONE })
}

/// Adds the problems of one of two environments, each with its name unless both have it. If there is no such environment, the others are those of
/// an unrelated one.
fn add_problems(problems: &mut Vec<Diagnostic>, environment: Option<&EnvironmentName>, mut found: Vec<Diagnostic>) {
    if found.iter().any(|problem| problem.code == ENVIRONMENT_CODE) {
        found.retain(|problem| problem.code == ENVIRONMENT_CODE);
    }
    for mut problem in found {
        // Both have a problem of the syntax, without a name in either.
        let same = |other: &&mut Diagnostic| (&other.message, &other.range) == (&problem.message, &problem.range);
        if let Some(both) = problems.iter_mut().find(same) {
            both.notes.retain(|note| !note.starts_with(IN_ENVIRONMENT));
            continue;
        }
        if let Some(name) = environment.filter(|_| problem.code != ENVIRONMENT_CODE) {
            problem.notes.insert(0, format!("{IN_ENVIRONMENT}`{name}`"));
        }
        problems.push(problem);
    }
}

/// Code of a problem of the choice of an environment.
const ENVIRONMENT_CODE: &str = "environment";

/// Begin of the note with the environment of a problem.
const IN_ENVIRONMENT: &str = "in the environment ";

impl Arguments {
    /// Refuses options that exclude each other by their values.
    ///
    /// # Errors
    /// Fails as for options that exclude each other by their names.
    pub(super) fn check(&self, command: &mut clap::Command) -> Result<(), clap::Error> {
        if self.diff.is_none() || self.global.output != OutputFormat::Terraform {
            return Ok(());
        }
        let message = "the argument '--diff <ENV>' cannot be used with '--output terraform': use `text` or `json`";
        Err(command.error(clap::error::ErrorKind::ArgumentConflict, message))
    }
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
