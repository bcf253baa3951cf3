//! Plans that undo an unfinished run, the last finished one, or return to a revision.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{LockedSession, ProposedPlan, Result, SessionError, proposed_plan::Task};
use crate::{
    core::{Address, LiveResource, Tags},
    engine::{
        discover::{Hints, ResourceNames, address_of, discover, discover_without_index},
        history::LastCompletedRun,
        journal::{TouchedResource, touched_resources},
        leftovers::LeftoverSearch,
        plan::{RestoreTarget, add_fields, output_changes, target_stack},
        run::{
            Declared, UndoPlan, UnfinishedRuns, find_forgotten, merge_own_reads, plan_restore_with_leftovers, restore_targets,
            touched_names, touched_regions,
        },
    },
};

/// Resources to restore, by address.
type Targets = BTreeMap<Address, RestoreTarget>;

impl LockedSession {
    /// Plans to undo the unfinished run; without one, to undo the last finished run, or to return to the state after revision `to`.
    /// Recreated resources are empty; protection from deletion applies as usual.
    ///
    /// # Errors
    /// Fails if there is no run to undo or its journal can't be read, if `to` has no record or a run is unfinished, or if live
    /// resources can't be read.
    pub async fn plan_rollback(&mut self, to: Option<u64>) -> Result<ProposedPlan<'_>> {
        let unfinished = self.unfinished_runs().await?;
        if unfinished.journals.is_empty() {
            return self.plan_restore(to).await;
        }
        if to.is_some() {
            return Err(SessionError::UnfinishedRun);
        }
        let session = self.session();
        let UndoPlan { stack, plan, live_state } =
            UndoPlan::plan(&session.cloud, &session.stack, &unfinished.touched, self.account()).await?;
        Ok(ProposedPlan::new(self, Task::Undo(stack), plan, live_state, unfinished))
    }

    async fn plan_restore(&mut self, to: Option<u64>) -> Result<ProposedPlan<'_>> {
        let region = self.session().region().to_owned();
        let account = self.account().to_owned();
        let history = self.run_history().await?;
        let Hints { own_reads, mut other_regions, recorded_global, .. } = history.hints(&region, &account);
        // The definition may set fields of the state to restore no longer.
        let mut fields = history.declared_fields(&region, &account);
        let recorded_outputs = history.outputs(&region, &account).cloned().unwrap_or_default();
        let (mut targets, touched, names, outputs) = match to {
            None => {
                let (number, targets, touched) = self.targets_before_last_run().await?;
                let (earlier, outputs) = self.history().declared_before(number).await?;
                add_fields(&mut fields, earlier);
                let names = touched_names(&touched);
                (targets, touched, names, outputs)
            }
            Some(revision) => {
                let (earlier, outputs) = self.history().declared_before(revision.saturating_add(1)).await?;
                add_fields(&mut fields, earlier);
                let hints = Hints { other_regions: other_regions.clone(), recorded_global: recorded_global.clone(), ..Hints::default() };
                let (targets, names) = self.targets_after(revision, hints).await?;
                (targets, BTreeMap::new(), names, outputs)
            }
        };
        targets.values_mut().for_each(|target| target.created_by_undone_run = false);
        other_regions.extend(touched_regions(&touched));
        // Details that acme manages, now or in the state to restore; what it never read, it must not change.
        let recorded = own_reads.unwrap_or_default();
        let session = self.session();
        let specs = session.stack.resources.values().map(|declared| (&declared.address, &declared.spec));
        let desired = touched.iter().map(|(address, touched)| (address, &touched.desired));
        let own_reads = merge_own_reads(recorded, specs.chain(desired));
        let mut stack = target_stack(&session.stack, &targets);
        let hints = Hints { own_reads: Some(own_reads), names, other_regions, recorded_global, ..Hints::default() };
        let mut live_state = discover_without_index(&session.cloud, &stack, hints).await?;
        find_forgotten(&session.cloud, &stack, &touched, &mut live_state).await?;
        // A person confirms this plan, with all that it deletes.
        let search = LeftoverSearch { cloud: &session.cloud, stack: &session.stack, touched: &BTreeMap::new() };
        let mut plan = plan_restore_with_leftovers(&search, &mut stack, &targets, &live_state, self.account()).await?;
        plan.outputs = output_changes(&recorded_outputs, &outputs);
        let task = Task::Restore { stack, covers_whole_stack: to.is_some(), declared: Declared { fields, outputs } };
        Ok(ProposedPlan::new(self, task, plan, live_state, UnfinishedRuns::default()))
    }

    async fn targets_before_last_run(&self) -> Result<(u64, Targets, BTreeMap<Address, TouchedResource>)> {
        let history = self.history();
        let number = match history.last_completed_run().await? {
            LastCompletedRun::Run(number) => number,
            LastCompletedRun::None => {
                let stack = self.session().stack();
                return Err(SessionError::NothingToUndo { stack: stack.name.to_string(), environment: stack.environment.to_string() });
            }
            LastCompletedRun::Unreadable(revision) => return Err(SessionError::LostJournal { revision }),
        };
        let touched = touched_resources(&history.chain(number).await?);
        Ok((number, restore_targets(&touched), touched))
    }

    /// Targets, and the names of the live resources.
    async fn targets_after(&self, revision: u64, hints: Hints) -> Result<(Targets, ResourceNames)> {
        let Some(recorded) = self.history().revision(revision).await? else {
            return Err(SessionError::UnknownRevision { revision });
        };
        let session = self.session();
        let live_state = discover(&session.cloud, &session.stack, hints).await?;
        let mut targets: Targets = live_state.iter().filter_map(address_of).map(|address| (address, target(None))).collect();
        targets.extend(recorded.live.into_iter().map(|(address, live)| (address, target(Some(live)))));
        let mut names = ResourceNames::default();
        names.extend(live_state.iter().map(|live| (&*live.type_name, &*live.spec)));
        Ok((targets, names))
    }
}

/// Target that restores `before`, or deletes the resource if there is none.
fn target(before: Option<LiveResource>) -> RestoreTarget {
    RestoreTarget {
        region: before.as_ref().and_then(|before| before.region.clone()),
        before,
        desired: Value::Null,
        tags: Tags::new(),
        depends_on: BTreeSet::new(),
        deferrable: BTreeSet::new(),
        created_ids: BTreeSet::new(),
        delete_started: false,
        created_by_undone_run: false,
        only_deleted: false,
    }
}
