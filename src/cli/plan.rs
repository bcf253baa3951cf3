//! `acme plan`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{CHANGES, DONE, FAILED, Global, Output, Target, apply::tell_unfinished, context::Context, refusal::refuse, saved};
use crate::{
    backend::Consent,
    plan::{Goal, Plan},
    report::{self, plan::Show},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
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
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (context, memory) = Context::remembering(&arguments.target, &arguments.global).await?;
    tell_unfinished(&memory.unfinished, &arguments.target);
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    let plan = context.plan_after(goal, &memory).await?;
    print(&plan, arguments.global.output, Show { all: arguments.all })?;
    report::github::plan(&plan);
    context.session.annotate_obstacles(&plan);
    if let Some(out) = &arguments.out {
        if !plan.obstacles.is_empty() {
            refuse!("blocked", "the plan was not saved: it is blocked, see above");
        }
        let backend = context.session.backend(&arguments.global, &context.account, Consent::Nothing).await?.backend;
        let revision = context.session.history(&backend).numbers().await?.last().copied();
        saved::write(out, &plan, goal, &context.session, revision)?;
        report::talk(&format!("Saved: `acme apply {}` carries out exactly this.", out.display()));
    }
    context.session.stats(&arguments.global);
    Ok(match plan.is_empty() {
        _ if !plan.obstacles.is_empty() => FAILED,
        false if arguments.detailed_exitcode => CHANGES,
        _ => DONE,
    })
}

/// Prints a plan to stdout.
pub fn print(plan: &Plan, output: Output, show: Show) -> Result<()> {
    match output {
        Output::Text => report::data(&report::plan::render(plan, show)),
        Output::Json => report::data(&format!("{}\n", serde_json::to_string_pretty(&report::json::plan(plan))?)),
    }
    Ok(())
}
