//! `apply --remote` and `destroy --remote`: the plan is applied by a build of CodeBuild, whose events are shown here. `acme remote` follows or
//! stops such a run.

mod view;

use std::{io::IsTerminal, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use self::view::View;
use super::{
    DONE, FAILED, GlobalArguments, INCOMPLETE, INTERRUPTED, OutputFormat, StackArguments, apply, confirm, git, open, outputs,
    refusal::refuse,
};
use crate::{
    aws::{Aws, services::codebuild::builds::Build},
    core::{Error, ErrorKind, printable_line},
    definition::{BackendLocation, Stack},
    engine::{
        backend::{BucketCreation, HeldLease, TAKEOVER_DELAY, actor},
        cloud::Cloud,
        execute::FORMAT,
        outputs::resolve,
        plan::{Goal, Plan},
        remote::{BuildOptions, DEFAULT_PROJECT, LatestRun, RemoteOutcome, RemotePackage, RemoteRun, Runner, RunnerOptions, StartResult},
        saved_plan::SavedPlan,
        session::{ConnectedSession, Session, StackState},
    },
    kubernetes::types::helm_release::local_chart,
    report::{self, Style, plan::RenderOptions},
};

/// Arguments of `acme remote`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Project of CodeBuild that runs it. Default: that of the latest run.
    #[arg(long, value_name = "NAME", value_parser = parse_project)]
    project: Option<String>,
    /// Stop the build. The run ends without a warning, and is unfinished: the next apply continues it, `acme rollback` undoes it.
    #[arg(long)]
    stop: bool,
    /// Skip confirmation of `--stop`; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

/// Parses the name of a project.
pub(super) fn parse_project(text: &str) -> Result<String, String> {
    let is_name = (2..=150).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_name { Ok(text.to_owned()) } else { Err("a project has 2 to 150 letters, digits, hyphens and underscores".to_owned()) }
}

/// Refuses options that have no meaning on another machine, before the first call.
pub(super) fn refuse_unsupported(global: &GlobalArguments) -> Result<()> {
    if global.local.is_some() {
        refuse!("remote-unsupported", "a remote run is in AWS, and the simulated cloud is on this machine: remove `--remote` or `--local`");
    }
    if global.endpoint_url.is_some() {
        refuse!("remote-unsupported", "the runner does not use the endpoint of this machine: remove `--endpoint-url` or `--remote`");
    }
    if let Some(BackendLocation::Folder(path)) = &global.backend {
        let path = path.display();
        refuse!(
            "remote-unsupported",
            "the runner can't use the history in the folder `{path}` of this machine: pass `--backend s3`, which takes a bucket"
        );
    }
    Ok(())
}

/// Plans, shows the plan, and has a build apply it.
pub(super) async fn run(
    arguments: &apply::Arguments,
    goal: Goal,
    session: Session,
    saved: Option<(SavedPlan, PathBuf)>,
    project: &str,
) -> Result<u8> {
    let global = &arguments.global;
    refuse_local_files(session.stack())?;
    let mut connected = connect(session, arguments.yes, global).await?;
    let aws = clients(&connected)?;
    let runner = runner(&connected, &aws, project);
    match latest_run(&runner, true, &connected).await? {
        LatestRun::Built(run) if run.build.is_in_progress() => return refuse_second(&run, &connected),
        _ => {}
    }
    if let Some((saved, _)) = &saved {
        connected.select(saved.selection.clone());
    }
    let (state, mut plan) = connected.plan_unlocked(goal).await?;
    apply::warn_unfinished(&state.history().unfinished, connected.session());
    if let Some((saved, file)) = &saved {
        connected.check_saved(saved, &plan, file).await?;
    }
    plan.costs = arguments.cost.estimate(connected.session(), &plan).await?;
    apply::show_plan_with(&plan, connected.session(), global, RenderOptions { full: arguments.full, ..RenderOptions::default() })?;
    arguments.cost.check(plan.costs.as_ref())?;
    if plan.is_empty() && state.history().unfinished.journals.is_empty() {
        return end_without_changes(goal, &connected, &state, &plan, global);
    }
    let rolls_back = connected.session().rolls_back(&plan) && !arguments.no_rollback;
    if !plan.is_empty() && !arguments.yes && !apply::confirm_goal(goal, connected.session(), rolls_back)? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    let needs_helm = has_releases(connected.session().stack(), &plan);
    let package = package(arguments, goal, &connected, (&state, &plan), saved, project).await?;
    std::mem::forget((state, plan));
    let runner = self::runner(&connected, &aws, project);
    let options = BuildOptions { needs_helm, log: report::log::recorded_level() };
    let on_wait = |actor: &str| report::eprint(&format!("Waiting: {actor} is starting a remote run of this stack."));
    let run = match runner.start(&package, options, on_wait).await {
        Ok(StartResult::Started(run)) => run,
        Ok(StartResult::Running(running)) => return refuse_second(&running, &connected),
        Err(error) => return start_failure(error, &connected, project),
    };
    let follow = follow_command(&connected, project);
    if global.output == OutputFormat::Json && !global.quiet {
        report::print_json_line(
            &json!({ "event": "remote_build", "format": FORMAT, "build": run.build.arn, "project": project, "run": run.id }),
        )?;
    }
    report::eprint(&format!(
        "The build {} applies the plan, with the role of its project.\nCtrl-C leaves it running; `{follow}` follows it again.",
        run.build.arn
    ));
    follow_run(&runner, &run, &connected, global).await
}

/// `acme remote`.
pub async fn follow_latest(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    let session = open::open(&arguments.target, global).await?;
    if session.is_simulated() {
        refuse!("remote-unsupported", "the simulated cloud has no remote runs: remove `--local`");
    }
    let connected = session.connect(BucketCreation::Never).await?;
    let aws = clients(&connected)?;
    let project = arguments.project.as_deref().unwrap_or(DEFAULT_PROJECT);
    let runner = runner(&connected, &aws, project);
    let stack = connected.session().stack();
    let run = match latest_run(&runner, arguments.project.is_none(), &connected).await? {
        LatestRun::Built(run) => run,
        LatestRun::NotStarted { actor } => refuse!(
            "no-remote-run",
            "the latest remote run of {} ({}), of {actor}, has no build: it is being started, or was never started; `acme history` lists all runs",
            stack.name,
            stack.environment
        ),
        LatestRun::Unknown => refuse!(
            "no-remote-run",
            "the latest builds of `{project}` have no run of {} ({}): `acme history` lists all runs",
            stack.name,
            stack.environment
        ),
    };
    if arguments.stop {
        return stop(arguments, &runner, &run, &connected).await;
    }
    report::eprint(&format!("Remote run of {} ({}), in the build {}.", stack.name, stack.environment, run.build.arn));
    follow_run(&runner, &run, &connected, global).await
}

async fn stop(arguments: &Arguments, runner: &Runner<'_>, run: &RemoteRun, connected: &ConnectedSession) -> Result<u8> {
    if !run.build.is_in_progress() {
        report::eprint(&format!("The build {} has already ended.", run.build.arn));
        return Ok(DONE);
    }
    report::eprint(&format!("The build {} is in progress.", run.build.arn));
    if !arguments.yes && !confirm("Stop it? The run ends without a warning, and remains unfinished.")? {
        report::eprint("The build continues.");
        return Ok(FAILED);
    }
    runner.stop(run).await.context("can't stop the build")?;
    remove_lease(&run.build, connected).await;
    let session = connected.session();
    report::eprint(&format!(
        "Stopped the build. If its run has begun, it is unfinished: `{}` continues it, `{}` undoes it.\nThe next run waits until the last calls of \
         the stopped one have ended, for up to {} s.",
        session.command_line("apply"),
        session.command_line("rollback"),
        TAKEOVER_DELAY.as_secs()
    ));
    Ok(DONE)
}

/// Connects to the backend, which must be a bucket.
async fn connect(session: Session, yes: bool, global: &GlobalArguments) -> Result<ConnectedSession> {
    let ask = |question: &str| report::confirm(question);
    let may_ask = !yes && std::io::stdin().is_terminal();
    let connected = session.connect(if may_ask { BucketCreation::Ask(&ask) } else { BucketCreation::IfRequested }).await?;
    if connected.backend().bucket_place().is_none() {
        refuse!(
            "remote-unsupported",
            "the history of this stack is in a folder of this machine, which the runner can't use: pass `--backend s3`, which takes a bucket"
        );
    }
    if let Some(note) = connected.backend_note().filter(|_| !global.quiet) {
        report::eprint(note);
    }
    Ok(connected)
}

fn clients(connected: &ConnectedSession) -> Result<Arc<Aws>> {
    match connected.session().cloud() {
        Cloud::Aws(aws) => Ok(aws.clone()),
        Cloud::Simulated(_) => refuse!("remote-unsupported", "the simulated cloud has no remote runs: remove `--local`"),
    }
}

fn runner<'a>(connected: &'a ConnectedSession, aws: &'a Aws, project: &'a str) -> Runner<'a> {
    let stack = connected.session().stack();
    Runner { aws, backend: connected.backend(), stack: &stack.name, environment: &stack.environment, project }
}

/// Refuses a stack with files that only this machine has.
fn refuse_local_files(stack: &Stack) -> Result<()> {
    let mut releases = stack.resources.values().filter(|declared| declared.address.type_name == "helm_release");
    let local = releases.find_map(|declared| Some((&declared.address, local_chart(&declared.spec)?)));
    if let Some((address, chart)) = local {
        refuse!(
            "remote-unsupported",
            "`{address}` installs the chart in `{chart}` of this machine, which the runner does not have: push it to a registry, and write its \
             address, `oci://…`"
        );
    }
    Ok(())
}

/// Refuses a remote run beside another one.
fn refuse_second<T>(running: &RemoteRun, connected: &ConnectedSession) -> Result<T> {
    let follow = follow_command(connected, running.project());
    refuse!(
        "remote-running",
        "a remote run of this stack is in progress, in the build {}\n  help: `{follow}` follows it, `{follow} --stop` stops it",
        running.build.arn
    )
}

/// Whether the run may call Helm.
fn has_releases(stack: &Stack, plan: &Plan) -> bool {
    let addresses = stack.resources.keys().chain(plan.changes.iter().map(|change| &change.address));
    addresses.into_iter().any(|address| address.type_name == "helm_release")
}

async fn latest_run(runner: &Runner<'_>, of_any_project: bool, connected: &ConnectedSession) -> Result<LatestRun> {
    match runner.latest_run(of_any_project).await {
        Ok(run) => Ok(run),
        Err(error) if error.kind == ErrorKind::NotFound => no_project(connected, runner.project),
        Err(error) => Err(anyhow::Error::from(error).context(format!("can't read the builds of `{}`", runner.project))),
    }
}

fn no_project<T>(connected: &ConnectedSession, project: &str) -> Result<T> {
    refuse!(
        "no-runner",
        "there is no CodeBuild project `{project}` in {}, account {}\n  help: `acme new runner --like remote` writes the stack that creates it; \
         for a project with another name, pass `--remote=NAME`, or `--project NAME` to `acme remote`",
        connected.session().region(),
        connected.account()
    )
}

fn start_failure(error: Error, connected: &ConnectedSession, project: &str) -> Result<u8> {
    match error.code.as_str() {
        _ if error.kind == ErrorKind::NotFound => no_project(connected, project),
        "AccountLimitExceededException" => refuse!(
            "runner-limit",
            "no changes made: CodeBuild starts no more builds: {}\n  help: try again when another build has ended; remove `concurrent_builds` from \
             the project, so that builds wait for each other; or request a higher quota for builds on this kind of machine",
            error.message
        ),
        _ if error.kind == ErrorKind::Unavailable => {
            let follow = follow_command(connected, project);
            Err(anyhow::Error::from(error).context(format!("CodeBuild did not answer; if the build was started, `{follow}` shows it")))
        }
        _ => Err(anyhow::Error::from(error).context("no changes made: can't start the build")),
    }
}

/// Ends as an apply without changes does.
fn end_without_changes(goal: Goal, connected: &ConnectedSession, state: &StackState, plan: &Plan, global: &GlobalArguments) -> Result<u8> {
    report::eprint(&format!("{} no changes, so no build was started.", Style::Added.paint("Done:")));
    open::print_stats(connected.session(), global);
    if goal == Goal::Apply && state.history_error().is_none() {
        let live = plan.changes.iter().filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
        outputs::print_with_title(&resolve(&connected.session().stack().outputs, &live), global)?;
    }
    Ok(DONE)
}

/// What the runner needs.
async fn package(
    arguments: &apply::Arguments,
    goal: Goal,
    connected: &ConnectedSession,
    (state, plan): (&StackState, &Plan),
    saved: Option<(SavedPlan, PathBuf)>,
    project: &str,
) -> Result<RemotePackage> {
    let (session, global) = (connected.session(), &arguments.global);
    let (lock_timeout, parallelism) = arguments.lock.values();
    let option = if project == DEFAULT_PROJECT { "--remote".to_owned() } else { format!("--remote={project}") };
    let is_from_file = saved.is_some();
    let (plan, file) = match saved {
        Some((saved, file)) => (saved, file.display().to_string()),
        None => {
            let commit = git::commit(&arguments.target.path()?);
            (session.save_plan(state, plan, goal, commit).await?, "remote.acmeplan".to_owned())
        }
    };
    let options = RunnerOptions {
        region: session.region_elsewhere(),
        backend: session.backend_elsewhere().map(|backend| backend.to_string()),
        role: global.role.clone(),
        parallelism,
        lock_timeout,
        roll_back_on_failure: !arguments.no_rollback,
        stats: global.stats,
        actor: actor(),
        profile: global.profile.clone(),
        plan_again: (!is_from_file).then(|| format!("{} {option}", session.command_line(goal.command()))),
    };
    let folder = std::env::current_dir().context("can't find the current folder")?;
    RemotePackage::new(plan, file, session.source(), &folder, options).context("can't read the modules of the definition")
}

/// Command that follows the run.
fn follow_command(connected: &ConnectedSession, project: &str) -> String {
    let line = connected.session().command_line("remote");
    if project == DEFAULT_PROJECT { line } else { format!("{line} --project {project}") }
}

/// Shows a run until it ends, and returns its exit code, or until the user interrupts, which leaves it running.
async fn follow_run(runner: &Runner<'_>, run: &RemoteRun, connected: &ConnectedSession, global: &GlobalArguments) -> Result<u8> {
    let (sender, mut lines) = mpsc::unbounded_channel();
    let mut view = View::new(global);
    let ended = {
        let (follow, interrupt) = (runner.follow(run, sender), apply::wait_for_signal());
        tokio::pin!(follow, interrupt);
        loop {
            tokio::select! {
                biased;
                () = &mut interrupt => break None,
                Some(line) = lines.recv() => view.show(line).await?,
                ended = &mut follow => break Some(ended),
            }
        }
    };
    while let Ok(line) = lines.try_recv() {
        view.show(line).await?;
    }
    view.end_run().await?;
    let follow = follow_command(connected, run.project());
    match ended {
        None => {
            report::eprint(&format!("Detached: the build continues. `{follow}` follows it again, `{follow} --stop` stops it."));
            Ok(INTERRUPTED)
        }
        Some(Err(error)) => {
            Err(anyhow::Error::from(error).context(format!("can't follow the build, which continues; `{follow}` follows it again")))
        }
        Some(Ok(outcome)) => {
            // A runner deletes its package when it starts.
            if !outcome.has_started
                && let Err(error) = runner.delete_package(run).await
            {
                report::eprint(&format!("{} can't delete the plan of the run: {error}", Style::Changed.paint("warning:")));
            }
            if let Some(error) = &outcome.log_error {
                report::eprint(&format!(
                    "{} can't read the log of the build, which needs `logs:GetLogEvents`: {error}",
                    Style::Changed.paint("warning:")
                ));
            }
            if outcome.exit_code.is_none() {
                remove_lease(&outcome.build, connected).await;
            }
            exit_code(&outcome, &view, connected)
        }
    }
}

/// Removes the lease of a build that ended without releasing it. Otherwise, the next run would be refused for minutes, as long as it can't tell
/// whether the build has ended; now it only waits until no call of the build can be under way.
async fn remove_lease(build: &Build, connected: &ConnectedSession) {
    let removed = async {
        match connected.held_lease().await? {
            Some(held) if matches!(&held, HeldLease::By { holder, .. } if holder.actor.ends_with(&build.arn)) => {
                connected.unlock(&held).await.map(drop)
            }
            _ => Ok(()),
        }
    };
    if let Err(error) = removed.await {
        report::eprint(&format!("{} can't remove the lease of the build: {error}", Style::Changed.paint("warning:")));
    }
}

/// Exit code of a run, with the reason if the log does not have it.
fn exit_code(outcome: &RemoteOutcome, view: &View<'_>, connected: &ConnectedSession) -> Result<u8> {
    if let Some(code) = outcome.exit_code {
        return Ok(code);
    }
    if outcome.has_succeeded() {
        report::eprint(&format!("{} the build succeeded.", Style::Added.paint("Done:")));
        return Ok(DONE);
    }
    let session = connected.session();
    let status = outcome.build.status_text();
    let reasons: String = outcome.build.reasons.iter().map(|reason| format!("\n  {}", printable_line(reason))).collect();
    // Without its log, what it has done is unknown.
    let may_have_changed = outcome.has_revision || (outcome.log_error.is_some() && outcome.build.has_begun);
    if may_have_changed {
        report::eprint(&format!(
            "{} the build ended with {status} in the middle of the run, which is unfinished.{reasons}\n  help: `{}` continues it, `{}` undoes it; the \
             next run waits until the last calls of this one have ended, for up to {} s",
            Style::Removed.paint("error[remote-ended]:"),
            session.command_line("apply"),
            session.command_line("rollback"),
            TAKEOVER_DELAY.as_secs()
        ));
        return Ok(INCOMPLETE);
    }
    for line in &view.preparation {
        report::eprint(&Style::Faint.paint(format!("  {}", printable_line(line))).to_string());
    }
    refuse!("remote-ended", "no changes made: the build {} ended with {status} before the run began{reasons}", outcome.build.arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects_are_those_of_codebuild() {
        for name in ["acme-runner", "a1", "Runner_2"] {
            assert_eq!(parse_project(name).as_deref(), Ok(name));
        }
        for name in ["", "a", "-a", "a b", "a/b", "arn:aws:codebuild:eu-west-1:123456789012:project/a"] {
            assert!(parse_project(name).is_err(), "{name}");
        }
    }
}
