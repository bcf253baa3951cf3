//! `acme render`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{CHANGES, DONE, GlobalArguments, OutputFormat, StackArguments, open, refusal::refuse};
use crate::{
    engine::discover::address_of,
    render::{Part, folder, render},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Folder of the repository.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Render only this part: `gitops` (files for Argo CD), `services` (sources), `pipelines`, `observability` or `ansible`. Default: all.
    #[arg(long, value_enum, value_name = "PART", hide_possible_values = true)]
    only: Option<Part>,
    /// Write nothing; exit with 2 if a file differs.
    #[arg(long)]
    check: bool,
    /// Replace rendered files that were edited.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (session, state) = open::discover(&arguments.target, &arguments.global).await?;
    let live = state.live_state().iter().filter_map(|live| Some((address_of(live)?, live.clone()))).collect();
    let stack = session.stack();
    let rendered = render(stack, session.region(), &live, arguments.only)?;
    if rendered.files.is_empty() && rendered.sources.is_empty() {
        match arguments.only {
            Some(Part::Gitops) => {
                refuse!("nothing-to-render", "the definition delivers nothing through Git: set `deliver: argocd` in `platform`")
            }
            Some(Part::Ansible) => refuse!("nothing-to-render", "the definition has no Auto Scaling groups for Ansible"),
            Some(_) => refuse!("nothing-to-render", "the definition has no image repositories of services: add `registries`"),
            None => refuse!(
                "nothing-to-render",
                "the definition has nothing to render: set `deliver: argocd` in `platform`, or add `registries` or `autoscaling`"
            ),
        }
    }
    if !rendered.missing.is_empty() {
        let missing: Vec<String> = rendered.missing.iter().map(|address| format!("`{address}`")).collect();
        refuse!("not-applied", "the files need outputs of resources that don't exist yet; run `acme apply` first: {}", missing.join(", "));
    }
    let shown = arguments.to.display();
    let comparison =
        folder::compare(&arguments.to, &rendered, &stack.name, arguments.force).with_context(|| format!("can't read `{shown}`"))?;
    if !arguments.check {
        folder::write(&arguments.to, &comparison).with_context(|| format!("can't write to `{shown}`"))?;
    }
    match arguments.global.output {
        OutputFormat::Json => report::print_json(&report::render::json(&comparison))?,
        _ => {
            report::print(&report::render::diff(&comparison));
            report::eprint(&report::render::summary(&comparison, rendered.count(), arguments.check));
        }
    }
    open::print_stats(&session, &arguments.global);
    let is_stale = comparison.has_edited_files() || (arguments.check && comparison.all_changes().next().is_some());
    Ok(if is_stale { CHANGES } else { DONE })
}
