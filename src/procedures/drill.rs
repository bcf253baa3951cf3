//! A drill: restores the newest backups of one environment into another one, waits for its gates, measures how much and how long was lost, and
//! deletes the other environment.
//!
//! It only reads what the source has: every change is planned for the stack of the side environment, under the lease of that one.

mod checks;
mod goals;
mod record;
mod unknown_source;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep};

pub use self::{
    checks::{CODE, problems},
    goals::{DrillResult, Measured, RestoredResource},
    record::{DrillPhase, DrillRecord, RecordStore, RestoredBackup},
    unknown_source::restore_from_unknown,
};
use super::gates::{GateChecker, GateState, GatesReport};
use crate::{
    core::{Address, Error, ErrorKind, LiveResource, NewestBackup, Phase, Problem, Result},
    definition::{
        Stack,
        procedures::{Drill, Gates},
    },
    engine::{
        discover::address_of,
        plan::Plan,
        session::{Session, StackState},
    },
};

/// Time for which a drill waits for its gates if it has no recovery time objective.
const DEFAULT_GATE_TIMEOUT: Duration = Duration::from_secs(1800);
/// Shortest time for which it waits if the objective leaves less.
const LEAST_GATE_TIMEOUT: Duration = Duration::from_secs(600);
/// First and longest pause between two checks.
const CHECK_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// The current time, in milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Finds the newest backup of each resource that a drill restores, in the resources of `source`, for the stack `into`.
///
/// # Errors
/// Fails if a resource does not exist, is not ready, or has no backup; then with the remedy.
pub async fn newest_backups(
    source: &Session,
    state: &StackState,
    into: &Stack,
    drill: &Drill,
) -> Result<BTreeMap<Address, RestoredBackup>> {
    let environment = &source.stack().environment;
    let mut backups = BTreeMap::new();
    for address in &drill.restore {
        let (Some(declared), Some(copy)) = (source.stack().resources.get(address), into.resources.get(address)) else { continue };
        let is_wanted = |live: &&LiveResource| source.stack().owns(&live.tags) && address_of(live).as_ref() == Some(address);
        let Some(live) = state.live_state().iter().find(is_wanted) else {
            return Err(refused(format!("`{address}` does not exist in `{environment}`: apply `{environment}` first")));
        };
        if !matches!(live.phase, Phase::Ready | Phase::PendingChanges(_)) {
            return Err(refused(format!("`{address}` of `{environment}` ({}) is not ready: try again when it is", live.id)));
        }
        match source.cloud().newest_backup(declared.resource_type, &copy.spec, live).await? {
            NewestBackup::Found(point) => drop(backups.insert(address.clone(), RestoredBackup { id: live.id.clone(), point })),
            NewestBackup::Missing(Problem { message, help, .. }) => {
                let help = help.map(|help| format!(": {help}")).unwrap_or_default();
                return Err(refused(format!("can't restore `{address}` of `{environment}` ({}): {message}{help}", live.id)));
            }
        }
    }
    if backups.is_empty() {
        return Err(refused(format!("the resources that the drill restores don't exist in `{environment}`")));
    }
    Ok(backups)
}

/// Makes the resources of a stack restore backups.
///
/// # Errors
/// Fails if a type does not accept the fields of a backup in this stack.
pub fn restore_from(session: &mut Session, backups: &BTreeMap<Address, RestoredBackup>) -> Result<()> {
    for (address, restored) in backups {
        session.set_fields(address, &restored.point.fields).map_err(|problems| {
            let text: Vec<String> = problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect();
            refused(format!("can't restore `{address}` in `{}`: {}", session.stack().environment, text.join("; ")))
        })?;
    }
    Ok(())
}

/// Resources that exist in the side environment before the drill has created any.
pub fn existing(plan: &Plan) -> Vec<&Address> {
    plan.changes.iter().filter(|change| change.before.is_some()).map(|change| &change.address).collect()
}

/// Time for which a drill waits for its gates after `spent`, the time since its start.
pub fn gate_timeout(drill: &Drill, spent: Duration) -> Duration {
    drill.rto.map_or(DEFAULT_GATE_TIMEOUT, |goal| goal.saturating_sub(spent).max(LEAST_GATE_TIMEOUT))
}

/// Waits until all gates are open, and returns the time, or their states at the end. `report_states` gets the states whenever they have changed.
///
/// # Errors
/// Fails if the certificates of `AWS_CA_BUNDLE` can't be read.
pub async fn wait_for_gates(
    session: &Session,
    live: impl IntoIterator<Item = LiveResource>,
    gates: &Gates,
    timeout: Duration,
    mut report_states: impl FnMut(&GatesReport),
) -> Result<Measured> {
    let checker = GateChecker::new(session, live)?;
    let (begun, mut pause, mut reported) = (Instant::now(), CHECK_PAUSES.0, None);
    loop {
        let report = checker.check(gates).await;
        let opened_at = now();
        let left = timeout.saturating_sub(begun.elapsed());
        if report.is_open() || left.is_zero() {
            return Ok(measured(&report, opened_at));
        }
        if reported.as_ref() != Some(&report) {
            report_states(&report);
            reported = Some(report);
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(CHECK_PAUSES.1);
    }
}

fn measured(report: &GatesReport, at: u64) -> Measured {
    let unchecked = report.results.iter().filter_map(|result| match &result.state {
        GateState::NotChecked(reason) => Some(format!("{}: {reason}", result.gate)),
        GateState::Open | GateState::Closed(_) => None,
    });
    Measured {
        recovered_at: report.is_open().then_some(at),
        failures: report.closed().map(|(gate, reason)| format!("{gate}: {reason}")).collect(),
        unchecked: unchecked.collect(),
        interrupted: false,
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Rejected, CODE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_what_the_goal_leaves_but_no_less_than_ten_minutes() {
        let drill = |rto| Drill { environment: "drill".parse().unwrap(), restore: Vec::new(), gates: Gates::default(), rpo: None, rto };
        let timeout = |rto: Option<u64>, spent| gate_timeout(&drill(rto.map(Duration::from_secs)), Duration::from_secs(spent)).as_secs();
        assert_eq!([timeout(None, 5_000), timeout(Some(7_200), 3_600), timeout(Some(7_200), 9_000)], [1_800, 3_600, 600]);
    }
}
