//! The stacks of an account and region: those with resources, by their ownership tags, and those with a history.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{ConnectedSession, DiscoveryDepth, Result, Session, SessionError, SessionOptions};
use crate::{
    core::{EnvironmentName, StackName},
    definition::{LoadOptions, Source},
    engine::{
        backend::{BucketCreation, HeldLease, Lease},
        drift_record::DriftRecord,
        history::{History, RunSummary},
    },
};

/// Number of stacks whose history is read at the same time.
const PARALLEL_READS: usize = 8;

/// A stack and environment.
pub type StackId = (StackName, EnvironmentName);

/// What is known about a stack.
#[derive(Clone, Debug)]
pub struct StackOverview {
    /// Name of the stack.
    pub stack: StackName,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Number of live resources with its ownership tags.
    pub resources: usize,
    /// Last run, if there is a record.
    pub last_run: Option<RunSummary>,
    /// Lease, unless it is free.
    pub lease: Option<HeldLease>,
    /// Result of the last drift check, unless a run has ended since.
    pub drift: Option<DriftRecord>,
}

impl Session {
    /// Opens a session for questions about all stacks. Makes no calls.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_without_definition(options: SessionOptions) -> Result<Session> {
        Session::open(Source::new("", "stack: unnamed\n"), options).await
    }

    /// Opens a session for a stack of which only the record is known.
    async fn open_recorded(id: &StackId, region: &str, options: &SessionOptions) -> Result<Session> {
        let (stack, environment) = id;
        let environments =
            if *environment == EnvironmentName::default() { String::new() } else { format!("environments: {{ {environment}: {{}} }}\n") };
        let text = format!("stack: {stack}\nregion: {region}\n{environments}");
        Session::open(Source::new("", text), SessionOptions { definition: LoadOptions::default(), ..options.clone() }).await
    }
}

impl ConnectedSession {
    /// Stacks with resources in this account and region, and those in the backend, by name. `check_drift` compares each with its record.
    ///
    /// # Errors
    /// Fails if the tags or the backend can't be read.
    pub async fn stacks(&self, check_drift: bool) -> Result<Vec<StackOverview>> {
        let session = self.session();
        let tagged: BTreeMap<(String, String), usize> = session.cloud.tagged_stacks().await.map_err(SessionError::Discovery)?;
        let parse = |(stack, environment): &(String, String)| {
            Some((stack.parse::<StackName>().ok()?, environment.parse::<EnvironmentName>().ok()?))
        };
        let mut all: BTreeMap<StackId, usize> = tagged.iter().filter_map(|(names, count)| Some((parse(names)?, *count))).collect();
        let recorded: BTreeSet<StackId> = self.backend().stacks().await.map_err(SessionError::History)?;
        for id in recorded {
            all.entry(id).or_default();
        }
        let reads = all.into_iter().map(|(id, resources)| self.overview(id, resources, check_drift));
        stream::iter(reads).buffered(PARALLEL_READS).try_collect().await
    }

    async fn overview(&self, id: StackId, resources: usize, check_drift: bool) -> Result<StackOverview> {
        let backend = self.backend();
        let history = History::new(backend.clone(), &id.0, &id.1);
        let (runs, _) = history.recent_runs(1).await.map_err(SessionError::History)?;
        let last_run = runs.into_iter().next().and_then(|(_, run)| run);
        let lease = Lease::held(backend, &id.0, &id.1).await?;
        let mut drift = DriftRecord::read(backend, &id.0, &id.1).await?;
        if check_drift && last_run.is_some() {
            drift = self.check_drift(&id).await?;
        }
        let ended_at = last_run.as_ref().and_then(|run| run.ended_at).unwrap_or(u64::MAX);
        let drift = drift.filter(|drift| drift.at >= ended_at);
        let (stack, environment) = id;
        Ok(StackOverview { stack, environment, resources, last_run, lease, drift })
    }

    /// Compares a stack with its record; `None` without a record in this region.
    async fn check_drift(&self, id: &StackId) -> Result<Option<DriftRecord>> {
        let session = self.session();
        let recorded = Session::open_recorded(id, session.region(), &session.options).await?;
        let mut connected = recorded.connect(BucketCreation::Never).await?;
        let drift = connected.drift(DiscoveryDepth::Recorded).await?;
        if drift.since().is_none() {
            return Ok(None);
        }
        let record = DriftRecord::now(drift.changes.len());
        // The list shows the result, recorded or not.
        connected.record_drift(&record).await.ok();
        Ok(Some(record))
    }

    /// Records the result of a drift check for the list of stacks.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn record_drift(&self, record: &DriftRecord) -> Result<()> {
        let stack = self.session().stack();
        Ok(record.write(self.backend(), &stack.name, &stack.environment).await?)
    }
}
