//! `acme rehearse`: runs the plan on the simulated cloud, with all possible failures.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{DONE, GlobalArguments, INCOMPLETE, INTERRUPTED, OutputFormat, StackArguments, apply, open, refusal::refuse};
use crate::{
    engine::{
        cloud::Cloud,
        plan::Goal,
        rehearse::{Fault, Rehearsal, RehearsalReport, Seed},
        run::UnfinishedRuns,
    },
    report::{self, Style},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Rehearse the deletion of everything.
    #[arg(long)]
    destroy: bool,
    /// Failures to inject into each call.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [FaultMode::Refuse, FaultMode::Lost, FaultMode::Crash, FaultMode::Stuck])]
    modes: Vec<FaultMode>,
    /// Number of parallel cases [default: one per processor].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::parse_count)]
    jobs: Option<NonZeroUsize>,
    /// Also throttle every N-th call.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    throttle: Option<u64>,
    #[command(flatten)]
    global: GlobalArguments,
}

/// Failure to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FaultMode {
    /// The call is rejected.
    Refuse,
    /// The call takes effect, but its response is lost.
    Lost,
    /// acme crashes before or after the call; followed by `apply` or `rollback`.
    Crash,
    /// The call is rejected, and so are all or half of the rollback's calls; followed by `apply` or `rollback`.
    Stuck,
}

impl FaultMode {
    fn faults(self) -> &'static [Fault] {
        match self {
            FaultMode::Refuse => &[Fault::Rejected],
            FaultMode::Lost => &[Fault::ResponseLost],
            FaultMode::Crash => &[Fault::CrashedBefore, Fault::CrashedAfter],
            FaultMode::Stuck => &[Fault::Stuck],
        }
    }
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let global = &arguments.global;
    let mut session = open::open(&arguments.target, global).await?;
    let state = session.discover_with_history().await?;
    if !UnfinishedRuns::read(&session.history(&state).await?).await?.journals.is_empty() {
        refuse!(
            "unfinished-run",
            "the last run is unfinished: continue it with `acme apply`, or undo it with `acme rollback`, then rehearse"
        );
    }
    let goal = if arguments.destroy { Goal::Destroy } else { Goal::Apply };
    session.choose_values(&state, goal).await?;
    let plan = session.plan(&state, goal).await?;
    if !plan.obstacles.is_empty() {
        apply::show_plan(&plan, &session, global)?;
    }
    let faults: Vec<Fault> = arguments.modes.iter().flat_map(|mode| mode.faults()).copied().collect();
    let seed = match session.cloud() {
        Cloud::Simulated(local) => Seed::Simulated(local),
        Cloud::Aws(_) => Seed::LiveState(state.live_state()),
    };
    let rehearsal = Rehearsal::new(session.stack().clone(), goal, &plan, seed, arguments.throttle)?;
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let (report, interrupted) = run_rehearsal(rehearsal, faults, jobs).await?;
    match global.output {
        OutputFormat::Json => report::print_json(&report::rehearsal::json(&plan, &report))?,
        _ => report::print(&report::rehearsal::render(&plan, &report)),
    }
    open::print_stats(&session, global);
    Ok(match report.failures.is_empty() {
        _ if interrupted => INTERRUPTED,
        true => DONE,
        false => INCOMPLETE,
    })
}

/// Runs the rehearsal outside the runtime, because it has its own runtimes. After an interrupt, the report is partial.
async fn run_rehearsal(rehearsal: Rehearsal, faults: Vec<Fault>, jobs: NonZeroUsize) -> Result<(RehearsalReport, bool)> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let mut running = tokio::task::spawn_blocking(move || rehearsal.run(&faults, jobs, &stopped));
    let report = tokio::select! {
        report = &mut running => report??,
        _ = tokio::signal::ctrl_c() => {
            report::eprint(&format!("{} the report covers the cases rehearsed so far.", Style::Changed.paint("Stopped:")));
            stop.store(true, Ordering::Relaxed);
            running.await??
        }
    };
    Ok((report, stop.load(Ordering::Relaxed)))
}
