//! What earlier runs left: unfinished ones, and the record of the latest finished one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::merge_own_reads;
use crate::{
    aws::types,
    core::{Address, LiveResource, Result},
    definition::Stack,
    engine::{
        discover::{Hints, LiveState, RecordedResource, ResourceNames},
        history::{History, Snapshot, StoredRevision, was_kept},
        journal::{Replay, TouchedResource, touched_resources},
        plan::{DeclaredFields, RecordedState},
    },
};

/// Unfinished runs of a stack.
#[derive(Clone, Debug, Default)]
pub struct UnfinishedRuns {
    /// Journals, in chronological order.
    pub journals: Vec<Replay>,
    /// Changed resources.
    pub touched: BTreeMap<Address, TouchedResource>,
    /// Last revision, if it is unreadable.
    pub unreadable_revision: Option<u64>,
}

impl UnfinishedRuns {
    /// Reads the unfinished runs.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(history: &History) -> Result<UnfinishedRuns> {
        UnfinishedRuns::of(&history.snapshot().await?).await
    }

    async fn of(snapshot: &Snapshot<'_>) -> Result<UnfinishedRuns> {
        let journals = snapshot.unfinished().await?;
        let touched = touched_resources(&journals);
        let unreadable_revision = if journals.is_empty() { snapshot.unreadable_revision().await? } else { None };
        Ok(UnfinishedRuns { journals, touched, unreadable_revision })
    }

    /// Unfinished revision.
    pub fn revision(&self) -> Option<u64> {
        self.journals.last()?.run.as_ref().map(|begin| begin.revision)
    }

    /// Hints for discovery before an apply.
    pub fn hints(&self) -> Hints {
        Hints { known_ids: BTreeMap::new(), ..discovery_hints(&self.touched) }
    }

    /// Whether the next run continues the unfinished ones, so that its rollback undoes them, too. Not if they were kept on purpose, or if a
    /// resource was deleted that can't be restored: then only the way forward remains.
    pub(super) fn should_continue(&self) -> bool {
        self.journals.last().is_some_and(|last| !was_kept(last)) && !self.undone_together().iter().any(Replay::has_cleaned_up)
    }

    /// The last of the runs that a failure of the next one undoes with it.
    pub(super) fn undone_together(&self) -> &[Replay] {
        let undoes_alone = |replay: &Replay| replay.run.as_ref().is_some_and(|begin| begin.undoes_alone);
        self.journals.get(self.journals.iter().rposition(undoes_alone).unwrap_or_default()..).unwrap_or_default()
    }

    /// Tokens of creates without a response, to repeat them with the same parameters.
    pub(super) fn retry_tokens(&self, stack: &Stack) -> BTreeMap<Address, String> {
        let unanswered = self.touched.iter().filter(|(address, touched)| {
            touched.unanswered_create.is_some() && stack.resources.get(*address).is_some_and(|declared| declared.spec == touched.desired)
        });
        unanswered.map(|(address, touched)| (address.clone(), touched.token.clone())).collect()
    }
}

/// History of a stack. It is not the state: without it, plans are the same, except that fields which a definition no longer sets are left
/// alone, and that changes of outputs are not shown.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    /// Unfinished runs of a stack.
    pub unfinished: UnfinishedRuns,
    /// Latest finished run that was not undone.
    pub latest: Option<StoredRevision>,
    /// Resources changed by later runs that were neither finished nor undone.
    pub uncertain: BTreeSet<Address>,
    /// Types and regions, other than the stack's, of these resources.
    pub uncertain_regions: BTreeSet<(&'static str, String)>,
}

impl RunHistory {
    /// Reads the history.
    ///
    /// # Errors
    /// Fails if the backend can't be read.
    pub async fn read(history: &History) -> Result<RunHistory> {
        let snapshot = history.snapshot().await?;
        let unfinished = UnfinishedRuns::of(&snapshot).await?;
        let (latest, since) = snapshot.latest().await?;
        let touched: Vec<_> = since.iter().map(|replay| touched_resources(std::slice::from_ref(replay))).collect();
        let uncertain_regions = touched.iter().flat_map(touched_regions).collect();
        Ok(RunHistory { unfinished, latest, uncertain: touched.into_iter().flat_map(BTreeMap::into_keys).collect(), uncertain_regions })
    }

    /// Record of the latest run in this region and account, at the `wanted` addresses; `None` without a record.
    pub fn recorded_state(&self, region: &str, account: &str, wanted: impl Fn(&Address) -> bool) -> Option<RecordedState> {
        let live = self.latest_in(region, account)?.live(wanted)?;
        Some(RecordedState { live, uncertain: self.uncertain.clone() })
    }

    /// Resources that the record and the journals of unfinished runs name, except those at the addresses in `shown`, and those that a run left
    /// in AWS on purpose. During an unfinished replacement, the new resource at the address does not show what became of the old one.
    pub fn recorded_resources(&self, region: &str, account: &str, shown: &BTreeSet<Address>) -> Vec<RecordedResource> {
        let forgotten = |address: &Address| self.unfinished.touched.get(address).is_some_and(|touched| touched.forgotten);
        let is_wanted = |address: &Address| !shown.contains(address) && !forgotten(address);
        let mut found: BTreeSet<(Address, Option<String>, String)> = BTreeSet::new();
        if let Some(recorded) = self.recorded_state(region, account, is_wanted) {
            let certain = recorded.live.into_iter().filter(|(address, _)| !recorded.uncertain.contains(address));
            found.extend(certain.map(|(address, live)| (address, live.region, live.id)));
        }
        let is_wanted = |(address, touched): &(&Address, &TouchedResource)| {
            !touched.forgotten && (touched.may_have_created || !shown.contains(*address))
        };
        for (address, touched) in self.unfinished.touched.iter().filter(is_wanted) {
            found.extend(touched.before.iter().map(|live| (address.clone(), live.region.clone(), live.id.clone())));
            // An unfinished run may not have set the tags yet, where the create call can't.
            let is_tagged = types::resource_type(&address.type_name).is_some_and(|kind| kind.is_tagged_on_create());
            let created = touched.created_ids.iter().filter(|_| is_tagged);
            found.extend(created.map(|id| (address.clone(), touched.region.clone(), id.clone())));
        }
        // The resource of a type with an identity is recognized by that.
        let with_type = |(address, region, id): (Address, Option<String>, String)| {
            let resource_type = types::resource_type(&address.type_name).filter(|kind| kind.identity.is_empty())?;
            Some(RecordedResource { address, resource_type, region, id })
        };
        found.into_iter().filter_map(with_type).collect()
    }

    /// Fields that the definition of the latest run in this region and account set.
    pub fn declared_fields(&self, region: &str, account: &str) -> DeclaredFields {
        self.latest_in(region, account).map(|stored| stored.summary.declared.clone()).unwrap_or_default()
    }

    /// Outputs of the definition of the latest run in this region and account; `None` without a record.
    pub fn outputs(&self, region: &str, account: &str) -> Option<&BTreeMap<String, Value>> {
        Some(&self.latest_in(region, account)?.summary.outputs)
    }

    fn latest_in(&self, region: &str, account: &str) -> Option<&StoredRevision> {
        self.latest.as_ref().filter(|stored| stored.summary.run.region == region && stored.summary.run.account == account)
    }
}

impl RunHistory {
    /// Hints for discovery before an apply: results of unfinished runs, locations, and details that need an extra read.
    pub fn hints(&self, region: &str, account: &str) -> Hints {
        let has_own_reads = |address: &Address| types::resource_type(&address.type_name).is_some_and(|kind| !kind.own_read.is_empty());
        let recorded = self.recorded_state(region, account, |address| has_own_reads(address) || is_global(address));
        let reliable = self.unfinished.journals.is_empty() && self.unfinished.unreadable_revision.is_none() && self.uncertain.is_empty();
        let own_reads = recorded.as_ref().filter(|_| reliable).map(|recorded| {
            let specs = recorded.live.iter().filter(|(address, _)| has_own_reads(address));
            merge_own_reads(BTreeMap::new(), specs.map(|(address, live)| (address, &*live.spec)))
        });
        Hints { own_reads, ..self.with_locations(region, account, recorded) }
    }

    /// Sets the fields that AWS never reports to their recorded values.
    pub fn add_write_only(&self, region: &str, account: &str, live_state: &mut LiveState) {
        let has_write_only = |address: &Address| types::resource_type(&address.type_name).is_some_and(|kind| !kind.write_only.is_empty());
        let Some(recorded) = self.recorded_state(region, account, has_write_only) else { return };
        let by_id: BTreeMap<(&str, &str), &LiveResource> =
            recorded.live.values().map(|recorded| ((recorded.type_name.as_str(), recorded.id.as_str()), recorded)).collect();
        for live in live_state.live.values_mut().flatten() {
            if let Some(recorded) = by_id.get(&(live.type_name.as_str(), live.id.as_str()))
                && let Some(kind) = types::resource_type(&live.type_name)
            {
                kind.set_write_only(&recorded.spec, live);
            }
        }
    }

    /// Same, without the details.
    pub fn location_hints(&self, region: &str, account: &str) -> Hints {
        self.with_locations(region, account, self.recorded_state(region, account, is_global))
    }

    /// Hints of unfinished runs, with the regions in the record, and the global resources among `recorded`.
    fn with_locations(&self, region: &str, account: &str, recorded: Option<RecordedState>) -> Hints {
        let mut hints = self.unfinished.hints();
        hints.other_regions.extend(self.uncertain_regions.iter().cloned());
        if let Some(latest) = self.latest_in(region, account) {
            let known = latest.summary.other_regions.iter().filter_map(|(name, region)| Some((types::resource_type(name)?.name, region)));
            hints.other_regions.extend(known.map(|(name, region)| (name, region.clone())));
        }
        let global = |recorded: RecordedState| {
            let global = recorded.live.into_iter().filter(|(address, _)| is_global(address));
            global.map(|(_, live)| (live.type_name, live.id)).collect()
        };
        hints.recorded_global = recorded.map(global);
        hints
    }
}

fn is_global(address: &Address) -> bool {
    types::resource_type(&address.type_name).is_some_and(|kind| kind.is_global())
}

/// Types and regions, other than the stack's, of these resources.
pub(in crate::engine) fn touched_regions(touched: &BTreeMap<Address, TouchedResource>) -> BTreeSet<(&'static str, String)> {
    let regions = |(address, touched): (&Address, &TouchedResource)| {
        let before = touched.before.as_ref().and_then(|before| before.region.clone());
        let kind = types::resource_type(&address.type_name);
        [before, touched.region.clone()].into_iter().flatten().filter_map(move |region| Some((kind?.name, region)))
    };
    touched.iter().flat_map(regions).collect::<Vec<_>>().into_iter().collect()
}

/// Names of these resources before and after the runs, see [`Hints::names`].
pub(in crate::engine) fn touched_names(touched: &BTreeMap<Address, TouchedResource>) -> ResourceNames {
    let mut names = ResourceNames::default();
    for (address, touched) in touched {
        names.extend(touched.before.iter().map(|before| &*before.spec).chain([&touched.desired]).map(|spec| (&*address.type_name, spec)));
    }
    names
}

/// Hints about resources that unfinished runs touched.
pub(super) fn discovery_hints(touched: &BTreeMap<Address, TouchedResource>) -> Hints {
    let started_creates = touched.iter().filter(|(_, touched)| touched.may_have_created).map(|(address, _)| address.clone());
    let ids = touched.iter().filter_map(|(address, touched)| Some((address.clone(), touched.before.as_ref()?.id.clone())));
    Hints {
        names: touched_names(touched),
        started_creates: started_creates.collect(),
        known_ids: ids.collect(),
        other_regions: touched_regions(touched),
        ..Hints::default()
    }
}
