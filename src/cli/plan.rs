//! `acme plan`.

use anyhow::Result;
use clap::Args;

use super::{CHANGES, DONE, FAILED, Global, Output, Target, apply::tell_unfinished, context::Context};
use crate::{
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
    #[command(flatten)]
    global: Global,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (context, memory) = Context::remembering(&arguments.target, &arguments.global).await?;
    tell_unfinished(&memory.unfinished, &arguments.target);
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    let plan = context.plan_after(goal, &memory).await?;
    print(&plan, arguments.global.output, Show { all: arguments.all })?;
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
