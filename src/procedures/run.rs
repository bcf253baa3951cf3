//! Runs a cut-over, a failover and a failback.
//!
//! Each step is planned, recorded, applied, and watched through its gates. The lease is held for the whole procedure: otherwise another apply
//! could change what the gates are watching, and the way back would undo it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde_json::Value;

use super::{
    events::ProcedureEvent,
    gates::{GateChecker, GatesReport},
    sql,
};
use crate::{
    core::LiveResource,
    definition::procedures::{Cutover, Failover, Gates},
    engine::{
        backend::actor,
        journal::RunOutcome,
        plan::Goal,
        procedure_record::{ProcedureName, ProcedurePhase, ProcedureState},
        run::RunResult,
        session::{LockedSession, ProposedPlan, Session},
    },
};

/// Applies plans for a procedure, and shows what happens.
pub trait Frontend {
    /// Shows a plan, and applies it. Returns the result, and the time that it took. `label` is the step, for the history. Refuses a plan with
    /// obstacles.
    fn apply(&self, proposed: ProposedPlan<'_>, label: &str, roll_back: bool) -> impl Future<Output = Result<(RunResult, Duration)>>;
    /// Reports how a run ended.
    fn report(&self, ended: &RunResult, session: &Session, took: Duration);
    /// Shows an event.
    fn tell(&self, event: &ProcedureEvent);
    /// Waits until the user interrupts the procedure.
    fn interrupted(&self) -> impl Future<Output = ()>;
}

/// How a procedure ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is finished.
    Finished,
    /// It makes no changes, with the reason.
    NoChanges(String),
    /// It has not started, with the reason.
    Refused(String),
    /// The values are those from before it, with the reason.
    Returned(String),
    /// It stays at a step, with the reason.
    Stopped(String),
    /// The user interrupted it; it stays at a step.
    Interrupted,
    /// A step waits for a person.
    Waiting,
    /// A step could be neither finished nor undone, with the reason.
    Stuck(String),
}

impl Outcome {
    /// Its name in events.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Finished => "finished",
            Outcome::NoChanges(_) => "no_changes",
            Outcome::Refused(_) => "refused",
            Outcome::Returned(_) => "returned",
            Outcome::Stopped(_) => "stopped",
            Outcome::Interrupted => "interrupted",
            Outcome::Waiting => "waiting",
            Outcome::Stuck(_) => "stuck",
        }
    }
    /// Its reason, if it has one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::NoChanges(reason)
            | Outcome::Refused(reason)
            | Outcome::Returned(reason)
            | Outcome::Stopped(reason)
            | Outcome::Stuck(reason) => Some(reason),
            Outcome::Finished | Outcome::Interrupted | Outcome::Waiting => None,
        }
    }
}

/// Values by name.
type Values = BTreeMap<String, Value>;

/// A procedure under the lease.
pub struct ProcedureRun<'a, F> {
    locked: &'a mut LockedSession,
    frontend: &'a F,
    roll_back: bool,
}

/// A step that was applied, or that failed.
enum Step {
    /// It is applied; with the resources of the stack.
    Done(Vec<LiveResource>),
    /// The engine has undone it.
    Undone,
    /// It ended the procedure.
    Ended(Outcome),
}

/// Gates that were watched.
enum Watched {
    /// They stayed open.
    Open,
    /// One is closed, with the reason.
    Closed(String),
    /// The user interrupted the procedure.
    Interrupted,
}

impl<'a, F: Frontend> ProcedureRun<'a, F> {
    /// Procedure of a locked session. `roll_back`: a failed step or a closed gate returns to the values from before.
    pub fn new(locked: &'a mut LockedSession, frontend: &'a F, roll_back: bool) -> ProcedureRun<'a, F> {
        ProcedureRun { locked, frontend, roll_back }
    }

    /// Moves the value through the rest of the steps.
    ///
    /// # Errors
    /// Fails if a step can't be planned, or if the record can't be written. The procedure stays at the step before.
    pub async fn cutover(&mut self, cutover: &Cutover) -> Result<Outcome> {
        let name = ProcedureName::Cutover;
        let state = self.state(name);
        let resumes = match state.as_ref().map(|state| state.phase) {
            Some(ProcedurePhase::Returning) => return self.go_back(name, "an earlier way back was interrupted").await,
            Some(ProcedurePhase::Finished | ProcedurePhase::Decommissioned) => {
                let reason = format!("the cut-over is finished: set `{}: {}` in the definition", cutover.value, last_step(cutover));
                return Ok(Outcome::NoChanges(reason));
            }
            phase => phase.is_some(),
        };
        let defined: Values = self.defined([&cutover.value]);
        let current = state.as_ref().map_or(&defined, |state| &state.values).get(&cutover.value).and_then(Value::as_i64);
        let steps = remaining_steps(&cutover.steps, current, resumes);
        if steps.is_empty() {
            let reason = format!("`{}` is already {} in the definition", cutover.value, current.unwrap_or_default());
            return Ok(Outcome::NoChanges(reason));
        }
        sql::check_programs(self.locked.session(), &cutover.gates.and(&cutover.before_last))?;
        let value_of = |step: i64| -> Values { [(cutover.value.clone(), step.into())].into() };
        // A step for which the definition is not valid must not be found out in the middle.
        for step in &steps {
            self.locked.compile_with(&value_of(*step))?;
        }
        let before = state.map_or(defined, |state| state.before);
        let mut live: Option<Vec<LiveResource>> = None;
        for step in steps {
            let label = step_label(&cutover.steps, step);
            if step == last_step(cutover) && current != Some(step) && !cutover.before_last.is_empty() {
                let live = match live.take() {
                    Some(live) => live,
                    None => self.read_live().await?,
                };
                let label = format!("{label}, before it");
                match self.watch(&label, &cutover.before_last, Duration::ZERO, live).await? {
                    Watched::Open => {}
                    Watched::Closed(reason) if self.state(name).is_none() => return Ok(Outcome::Refused(reason)),
                    Watched::Closed(reason) => return self.fail(name, &reason).await,
                    Watched::Interrupted => return Ok(Outcome::Interrupted),
                }
            }
            let state = self.new_state(name, ProcedurePhase::Stepping, before.clone(), value_of(step));
            let applied = match self.step(name, &label, state).await? {
                Step::Done(live) => live,
                Step::Undone => return self.fail(name, &format!("{label} failed, see above")).await,
                Step::Ended(outcome) => return Ok(outcome),
            };
            match self.watch(&label, &cutover.gates, cutover.bake, applied.clone()).await? {
                Watched::Open => live = Some(applied),
                Watched::Closed(reason) => return self.fail(name, &reason).await,
                Watched::Interrupted => return Ok(Outcome::Interrupted),
            }
        }
        self.set_phase(name, ProcedurePhase::Finished).await?;
        Ok(Outcome::Finished)
    }

    /// Sets the values that delete the old platform, after the last step.
    ///
    /// # Errors
    /// As [`ProcedureRun::cutover`].
    pub async fn decommission(&mut self, cutover: &Cutover) -> Result<Outcome> {
        let name = ProcedureName::Cutover;
        let state = self.state(name);
        let defined: Values = self.defined([&cutover.value]);
        let is_finished = match &state {
            Some(state) => matches!(state.phase, ProcedurePhase::Finished | ProcedurePhase::Decommissioned),
            None => defined.get(&cutover.value).and_then(Value::as_i64).is_some_and(|value| value >= last_step(cutover)),
        };
        if !is_finished {
            let reason = "the old platform can be deleted only after the last step: run `acme cutover` first";
            return Ok(Outcome::Refused(reason.to_owned()));
        }
        let label = "cutover: decommission";
        sql::check_programs(self.locked.session(), &cutover.gates)?;
        let live = self.read_live().await?;
        match self.watch(label, &cutover.gates, Duration::ZERO, live).await? {
            Watched::Open => {}
            Watched::Closed(reason) => return Ok(Outcome::Refused(reason)),
            Watched::Interrupted => return Ok(Outcome::Interrupted),
        }
        let mut before = state.as_ref().map_or_else(|| defined.clone(), |state| state.before.clone());
        before.extend(self.defined(cutover.decommission.keys()));
        let mut values = state.as_ref().map_or(defined, |state| state.values.clone());
        values.extend(cutover.decommission.clone());
        let next = self.new_state(name, ProcedurePhase::Decommissioned, before, values);
        match self.step(name, label, next).await? {
            Step::Done(_) => Ok(Outcome::Finished),
            Step::Undone => Ok(Outcome::Stopped("the old platform was not deleted, see above".to_owned())),
            Step::Ended(outcome) => Ok(outcome),
        }
    }

    /// Sets the values of the failover.
    ///
    /// # Errors
    /// As [`ProcedureRun::cutover`].
    pub async fn failover(&mut self, failover: &Failover) -> Result<Outcome> {
        let (name, label) = (ProcedureName::Failover, "failover");
        let state = self.state(name);
        match state.as_ref().map(|state| state.phase) {
            Some(ProcedurePhase::Returning) => return self.go_back(name, "an earlier way back was interrupted").await,
            Some(ProcedurePhase::Finished | ProcedurePhase::Decommissioned) => {
                return Ok(Outcome::NoChanges("the failover is finished: `acme failback` returns".to_owned()));
            }
            Some(ProcedurePhase::Stepping | ProcedurePhase::FailingBack) | None => {}
        }
        let defined = self.defined(failover.values.keys());
        if state.is_none() && defined == failover.values {
            return Ok(Outcome::NoChanges("the definition has the values of the failover".to_owned()));
        }
        sql::check_programs(self.locked.session(), &failover.before.and(&failover.gates))?;
        self.locked.compile_with(&failover.values)?;
        if state.is_none() && !failover.before.is_empty() {
            self.locked.compile_with(&defined)?;
            let live = self.read_live().await?;
            match self.watch("failover, before it", &failover.before, Duration::ZERO, live).await? {
                Watched::Open => {}
                Watched::Closed(reason) => return Ok(Outcome::Refused(reason)),
                Watched::Interrupted => return Ok(Outcome::Interrupted),
            }
        }
        let before = state.map_or(defined, |state| state.before);
        let next = self.new_state(name, ProcedurePhase::Stepping, before, failover.values.clone());
        let live = match self.step(name, label, next).await? {
            Step::Done(live) => live,
            Step::Undone => return self.fail(name, "the failover failed, see above").await,
            Step::Ended(outcome) => return Ok(outcome),
        };
        match self.watch(label, &failover.gates, failover.bake, live).await? {
            Watched::Open => {
                self.set_phase(name, ProcedurePhase::Finished).await?;
                Ok(Outcome::Finished)
            }
            Watched::Closed(reason) => self.fail(name, &reason).await,
            Watched::Interrupted => Ok(Outcome::Interrupted),
        }
    }

    /// Returns from a failover to the values of the definition. A closed gate returns to the standby.
    ///
    /// # Errors
    /// As [`ProcedureRun::cutover`].
    pub async fn failback(&mut self, failover: &Failover) -> Result<Outcome> {
        let (name, label) = (ProcedureName::Failover, "failback");
        let Some(state) = self.state(name) else {
            return Ok(Outcome::NoChanges("there was no failover: the values of the definition are in use".to_owned()));
        };
        if state.phase == ProcedurePhase::Returning {
            return self.go_back(name, "an earlier way back was interrupted").await;
        }
        sql::check_programs(self.locked.session(), &failover.failback_before.and(&failover.failback_gates))?;
        let defined = self.defined(failover.values.keys());
        if state.phase != ProcedurePhase::FailingBack && !failover.failback_before.is_empty() {
            let live = self.read_live().await?;
            match self.watch("failback, before it", &failover.failback_before, Duration::ZERO, live).await? {
                Watched::Open => {}
                Watched::Closed(reason) => return Ok(Outcome::Refused(reason)),
                Watched::Interrupted => return Ok(Outcome::Interrupted),
            }
        }
        let next = self.new_state(name, ProcedurePhase::FailingBack, state.before.clone(), defined);
        let reason = match self.step(name, label, next).await? {
            Step::Done(live) => match self.watch(label, &failover.failback_gates, failover.bake, live).await? {
                Watched::Open => {
                    self.write(name, None).await?;
                    return Ok(Outcome::Finished);
                }
                Watched::Closed(reason) => reason,
                Watched::Interrupted => return Ok(Outcome::Interrupted),
            },
            Step::Undone => "the failback failed, see above".to_owned(),
            Step::Ended(outcome) => return Ok(outcome),
        };
        if !self.roll_back {
            return Ok(Outcome::Stopped(reason));
        }
        let label = "failback: back";
        self.frontend.tell(&ProcedureEvent::Returning { procedure: label.to_owned(), reason: reason.clone() });
        let again = self.new_state(name, ProcedurePhase::Finished, state.before, failover.values.clone());
        Ok(match self.step(name, label, again).await? {
            Step::Done(_) => Outcome::Returned(reason),
            Step::Undone => Outcome::Stuck(format!("{reason}; and the way back to the standby failed")),
            Step::Ended(outcome) => outcome,
        })
    }

    /// Returns to the values from before the procedure.
    ///
    /// # Errors
    /// As [`ProcedureRun::cutover`].
    pub async fn back(&mut self, name: ProcedureName) -> Result<Outcome> {
        match self.state(name).map(|state| state.phase) {
            None => Ok(Outcome::NoChanges("the values of the definition are in use".to_owned())),
            Some(ProcedurePhase::Decommissioned) => {
                let reason = "the old platform is deleted: there is no way back to it. Set the values in the definition";
                Ok(Outcome::Refused(reason.to_owned()))
            }
            Some(_) => self.go_back(name, "requested").await,
        }
    }

    /// After a closed gate or a failed step: returns, unless the procedure is to stay.
    async fn fail(&mut self, name: ProcedureName, reason: &str) -> Result<Outcome> {
        if self.roll_back { self.go_back(name, reason).await } else { Ok(Outcome::Stopped(reason.to_owned())) }
    }

    async fn go_back(&mut self, name: ProcedureName, reason: &str) -> Result<Outcome> {
        let Some(state) = self.state(name) else { return Ok(Outcome::Returned(reason.to_owned())) };
        let label = format!("{}: back", name.command());
        self.frontend.tell(&ProcedureEvent::Returning { procedure: label.clone(), reason: reason.to_owned() });
        let next = self.new_state(name, ProcedurePhase::Returning, state.before.clone(), state.before);
        Ok(match self.step(name, &label, next).await? {
            Step::Done(_) => {
                self.write(name, None).await?;
                Outcome::Returned(reason.to_owned())
            }
            Step::Undone => {
                let returning = self.state(name).map(|state| ProcedureState { phase: ProcedurePhase::Returning, ..state });
                self.write(name, returning).await?;
                Outcome::Stuck(format!("{reason}; and the way back failed"))
            }
            Step::Ended(outcome) => outcome,
        })
    }

    /// Plans the values of a step, records them, and applies the plan. A step that the engine has undone leaves the record as it was before.
    async fn step(&mut self, name: ProcedureName, label: &str, state: ProcedureState) -> Result<Step> {
        self.frontend.tell(&ProcedureEvent::ProcedureStep { procedure: label.to_owned(), values: state.values.clone() });
        let earlier = self.state(name);
        self.locked.compile_with(&state.values)?;
        let mut record = self.locked.session().procedure_record().clone();
        record.procedures.insert(name, state);
        let mut proposed = self.locked.plan(Goal::Apply).await?;
        let is_blocked = !proposed.plan().obstacles.is_empty();
        if proposed.has_nothing_to_do() && !is_blocked {
            let live = proposed.plan().changes.iter().filter_map(|change| change.before.clone()).collect();
            proposed.write_procedure_record(record).await?;
            return Ok(Step::Done(live));
        }
        if !is_blocked {
            proposed.write_procedure_record(record).await?;
        }
        let (ended, took) = self.frontend.apply(proposed, label, self.roll_back).await?;
        self.frontend.report(&ended, self.locked.session(), took);
        Ok(match ended.outcome {
            RunOutcome::Done => Step::Done(ended.execution.live.into_values().collect()),
            RunOutcome::RolledBack => {
                self.write(name, earlier).await?;
                if ended.interrupted { Step::Ended(Outcome::Interrupted) } else { Step::Undone }
            }
            RunOutcome::Kept if ended.interrupted => Step::Ended(Outcome::Interrupted),
            RunOutcome::Kept => Step::Ended(Outcome::Stopped(format!("{label} failed, see above"))),
            RunOutcome::Waiting => Step::Ended(Outcome::Waiting),
            RunOutcome::Stuck => Step::Ended(Outcome::Stuck(format!("{label} failed, see above"))),
        })
    }

    /// Checks gates for as long as `bake`, unless the user interrupts that.
    async fn watch(&self, label: &str, gates: &Gates, bake: Duration, live: Vec<LiveResource>) -> Result<Watched> {
        if gates.is_empty() {
            return Ok(Watched::Open);
        }
        let checker = GateChecker::new(self.locked.session(), live)?;
        let tell = |report: &GatesReport, left: Duration| {
            let left_seconds = left.as_secs_f64().ceil() as u64;
            self.frontend.tell(&ProcedureEvent::GatesChecked { procedure: label.to_owned(), gates: report.clone(), left_seconds });
        };
        let report = tokio::select! {
            report = checker.hold(gates, bake, tell) => report,
            () = self.frontend.interrupted() => return Ok(Watched::Interrupted),
        };
        let reasons: Vec<String> = report.closed().map(|(gate, reason)| format!("{gate}: {reason}")).collect();
        Ok(if reasons.is_empty() { Watched::Open } else { Watched::Closed(format!("a gate is closed: {}", reasons.join("; "))) })
    }

    /// Resources of the stack with the values in use.
    async fn read_live(&mut self) -> Result<Vec<LiveResource>> {
        let proposed = self.locked.plan(Goal::Apply).await?;
        Ok(proposed.plan().changes.iter().filter_map(|change| change.before.clone()).collect())
    }

    /// Values of the definition by these names.
    fn defined<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Values {
        let defined = self.locked.session().defined_values();
        names.into_iter().filter_map(|name| Some((name.clone(), defined.get(name)?.clone()))).collect()
    }

    fn state(&self, name: ProcedureName) -> Option<ProcedureState> {
        self.locked.session().procedure_record().procedures.get(&name).cloned()
    }

    fn new_state(&self, name: ProcedureName, phase: ProcedurePhase, before: Values, values: Values) -> ProcedureState {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let started_at = self.state(name).map_or(now, |state| state.started_at);
        ProcedureState { phase, before, values, started_at, changed_at: now, actor: actor() }
    }

    async fn set_phase(&mut self, name: ProcedureName, phase: ProcedurePhase) -> Result<()> {
        let Some(state) = self.state(name) else { return Ok(()) };
        let next = self.new_state(name, phase, state.before, state.values);
        self.write(name, Some(next)).await
    }

    async fn write(&mut self, name: ProcedureName, state: Option<ProcedureState>) -> Result<()> {
        let mut record = self.locked.session().procedure_record().clone();
        match state {
            Some(state) => drop(record.procedures.insert(name, state)),
            None => drop(record.procedures.remove(&name)),
        }
        Ok(self.locked.write_procedure_record(record).await?)
    }
}

/// The last step.
fn last_step(cutover: &Cutover) -> i64 {
    cutover.steps.last().copied().unwrap_or_default()
}

/// Steps after the current value; with it, if it has not passed its gates.
pub fn remaining_steps(steps: &[i64], current: Option<i64>, resumes: bool) -> Vec<i64> {
    let later = steps.iter().copied().filter(|step| current.is_none_or(|current| *step > current));
    let again = current.filter(|_| resumes);
    again.into_iter().chain(later).collect()
}

/// Label of a step: `cutover: step 2 of 4`. A value that is no longer among the steps has the number of the one before.
pub fn step_label(steps: &[i64], step: i64) -> String {
    let number = steps.iter().filter(|known| **known <= step).count();
    format!("cutover: step {number} of {}", steps.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumes_at_the_recorded_step() {
        let steps = [1, 10, 50, 100];
        assert_eq!(remaining_steps(&steps, Some(0), false), steps);
        assert_eq!(remaining_steps(&steps, Some(10), false), [50, 100], "the definition has 10");
        assert_eq!(remaining_steps(&steps, Some(10), true), [10, 50, 100]);
        assert_eq!(remaining_steps(&steps, Some(20), true), [20, 50, 100], "the steps were edited");
        assert_eq!(remaining_steps(&steps, Some(100), false), [0_i64; 0]);
        assert_eq!(step_label(&steps, 10), "cutover: step 2 of 4");
    }
}
