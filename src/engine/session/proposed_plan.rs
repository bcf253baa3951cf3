//! Plans made under the lease: shown first, then checked, then applied.

use tokio::sync::mpsc;

use super::{FORGET, LockedSession, Result, Session, SessionError};
use crate::{
    definition::Stack,
    engine::{
        backend::actor,
        cost::Costs,
        discover::LiveState,
        execute::{Event, StopSignal},
        journal::{FORMAT, RunInfo},
        plan::{Goal, NullMeans, Plan, declared_fields},
        run::{ApplyRequest, Declared, Run, RunResult, UndoPlan, UnfinishedRuns},
        saved_plan::sha256,
    },
};

/// Purpose of a plan.
pub(super) enum Task {
    /// Reaches a goal.
    Reach(Goal),
    /// Undoes unfinished runs; with the stack to restore.
    Undo(Stack),
    /// Restores the state before the last finished run, or after a revision.
    Restore {
        /// Stack to restore.
        stack: Stack,
        /// Whether the plan covers all live resources, not only those in `stack`.
        covers_whole_stack: bool,
        /// Fields that the definitions of the undone run and of the one before it set, and the outputs of the latter.
        declared: Declared,
    },
    /// Lets go of resources; with what the definition of the last run set on the others.
    Forget(Declared),
}

impl Task {
    fn command(&self) -> &'static str {
        match self {
            Task::Reach(goal) => goal.command(),
            Task::Undo(_) | Task::Restore { .. } => "rollback",
            Task::Forget(_) => FORGET,
        }
    }
}

/// A plan made under the lease, to be shown. It can be applied once [`ProposedPlan::check`] finds no obstacle.
pub struct ProposedPlan<'a> {
    pub(super) locked: &'a mut LockedSession,
    pub(super) plan: Plan,
    task: Task,
    live_state: LiveState,
    unfinished: UnfinishedRuns,
}

impl<'a> ProposedPlan<'a> {
    pub(super) fn new(
        locked: &'a mut LockedSession,
        task: Task,
        mut plan: Plan,
        live_state: LiveState,
        unfinished: UnfinishedRuns,
    ) -> ProposedPlan<'a> {
        plan.is_simulated = locked.session().is_simulated();
        ProposedPlan { locked, plan, task, live_state, unfinished }
    }

    /// Changes, and obstacles if there are any.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Adds the estimate of its cost, to be shown.
    pub fn set_costs(&mut self, costs: Option<Costs>) {
        self.plan.costs = costs;
    }

    /// Session of the plan.
    pub fn session(&self) -> &Session {
        self.locked.session()
    }

    /// Unfinished runs that the plan continues or undoes.
    pub fn unfinished_runs(&self) -> &UnfinishedRuns {
        &self.unfinished
    }

    /// Whether neither changes nor unfinished runs remain.
    pub fn has_nothing_to_do(&self) -> bool {
        self.plan.is_empty() && self.unfinished.journals.is_empty()
    }

    /// Whether a failure undoes the completed steps, unless the options of the run say otherwise.
    pub fn rolls_back(&self) -> bool {
        rolls_back(self.session().stack(), &self.plan)
    }

    /// Makes the plan applicable.
    ///
    /// # Errors
    /// Fails with [`SessionError::Blocked`] if it has obstacles.
    pub fn check(self) -> Result<CheckedPlan<'a>> {
        if self.plan.obstacles.is_empty() {
            return Ok(CheckedPlan(self));
        }
        Err(SessionError::Blocked { obstacles: self.plan.obstacles })
    }
}

/// A plan without obstacles, of the session that holds the lease: the only thing that can be applied.
///
/// It can't be made without a lease: a [`Session`] has no method for it, and [`ProposedPlan::check`] is the only constructor.
pub struct CheckedPlan<'a>(ProposedPlan<'a>);

/// Options of a run.
pub struct RunOptions {
    /// Receiver of events.
    pub events: mpsc::UnboundedSender<Event>,
    /// Interrupt by the user. Default: never.
    pub stop: StopSignal,
    /// Commit of the definition, for the history. Default: none.
    pub commit: Option<String>,
    /// Step of a procedure, for the history: `cutover: step 2 of 4`. Default: none.
    pub procedure: Option<String>,
    /// Whether an apply that fails rolls back. Default: true. A rollback always does.
    pub roll_back_on_failure: bool,
}

impl RunOptions {
    /// Default options, with a receiver of events.
    pub fn new(events: mpsc::UnboundedSender<Event>) -> RunOptions {
        RunOptions { events, stop: StopSignal::never(), commit: None, procedure: None, roll_back_on_failure: true }
    }
}

impl CheckedPlan<'_> {
    /// Applies the plan. If that fails or is interrupted, restores everything that this run and the unfinished one before it changed.
    ///
    /// # Errors
    /// Fails if the run can't start: then no changes were made. A run that fails later is a [`RunResult`].
    pub async fn apply(self, options: RunOptions) -> Result<RunResult> {
        let ProposedPlan { locked, plan, task, live_state, unfinished } = self.0;
        let roll_back_on_failure = options.roll_back_on_failure && rolls_back(locked.session().stack(), &plan);
        let run = locked.new_run(task.command(), options);
        Ok(match task {
            Task::Reach(_) | Task::Forget(_) => {
                let declared = match task {
                    Task::Reach(Goal::Apply) => {
                        let stack = locked.session().stack();
                        Declared { fields: declared_fields(stack), outputs: stack.outputs.clone() }
                    }
                    Task::Forget(declared) => declared,
                    _ => Declared::default(),
                };
                let request = ApplyRequest {
                    stack: locked.session().stack(),
                    plan: &plan,
                    live_state,
                    null_means: NullMeans::Unmanaged,
                    covers_whole_stack: true,
                    roll_back_on_failure,
                    declared,
                };
                run.apply(request, &unfinished).await?
            }
            Task::Undo(stack) => run.roll_back(UndoPlan { stack, plan, live_state }, &unfinished).await?,
            Task::Restore { stack, covers_whole_stack, declared } => {
                let request = ApplyRequest {
                    stack: &stack,
                    plan: &plan,
                    live_state,
                    null_means: NullMeans::Unset,
                    covers_whole_stack,
                    roll_back_on_failure: true,
                    declared,
                };
                run.apply(request, &UnfinishedRuns::default()).await?
            }
        })
    }
}

/// Whether the definition wants a failed run with this plan to roll back.
fn rolls_back(stack: &Stack, plan: &Plan) -> bool {
    stack.rollback.applies(plan.changes.iter().any(|change| change.before.is_some()))
}

impl Session {
    /// Whether the definition wants a failed run with this plan to roll back.
    pub fn rolls_back(&self, plan: &Plan) -> bool {
        rolls_back(self.stack(), plan)
    }
}

impl LockedSession {
    fn new_run(&self, command: &str, options: RunOptions) -> Run {
        let RunOptions { events, stop, commit, procedure, roll_back_on_failure: _ } = options;
        let session = self.session();
        Run {
            cloud: session.cloud.clone(),
            history: self.history(),
            lease: self.lease().cloned(),
            stop,
            events,
            parallelism: session.options.parallelism,
            info: RunInfo {
                format: FORMAT.to_owned(),
                revision: 0,
                continues: None,
                undoes_alone: false,
                stack: session.stack.name.to_string(),
                environment: session.stack.environment.to_string(),
                region: session.region().to_owned(),
                account: self.account().to_owned(),
                command: command.to_owned(),
                procedure,
                actor: actor(),
                commit,
                definition: sha256(session.source.text_for(&session.stack.environment).as_bytes()),
            },
        }
    }
}
