//! The stacks of an account and region: those with resources, by their ownership tags, and those with a history.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{ConnectedSession, DiscoveryDepth, Result, Session, SessionError, SessionOptions};
use crate::{
    core::{EnvironmentName, StackName},
    definition::{LoadOptions, Source, StackRole},
    engine::{
        backend::{BucketCreation, HeldLease, Lease},
        cloud::TaggedStack,
        drift_record::DriftRecord,
        history::{History, RunSummary},
        import_record::ImportRecord,
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
    /// Account of its resources: several can be in one simulated cloud.
    pub account: String,
    /// Number of live resources with its ownership tags.
    pub resources: usize,
    /// Last run, if there is a record.
    pub last_run: Option<RunSummary>,
    /// Last import that tagged resources, unless a run has started since.
    pub imported: Option<ImportRecord>,
    /// Lease, unless it is free.
    pub lease: Option<HeldLease>,
    /// Result of the last drift check, unless a run has ended since.
    pub drift: Option<DriftRecord>,
}

/// Global resources of a stack in another region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionalStack {
    /// Name of the stack.
    pub stack: StackName,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Its region.
    pub region: String,
    /// Number of its global resources.
    pub resources: usize,
}

/// The stacks of a region.
#[derive(Clone, Debug, Default)]
pub struct StackList {
    /// Stacks of the region, by name.
    pub stacks: Vec<StackOverview>,
    /// Stacks of other regions with global resources, by name.
    pub elsewhere: Vec<RegionalStack>,
}

impl Session {
    /// Opens a session for questions about all stacks, with the role in `role` if the options have none. Makes no calls.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open_without_definition(role: Option<&StackRole>, options: SessionOptions) -> Result<Session> {
        let mut definition = json!({ "stack": "unnamed" });
        if let Some(StackRole { arn, external_id }) = role {
            let fields = external_id.iter().map(|id| ("external_id", id)).chain([("arn", arn)]);
            definition["role"] = fields.map(|(key, value)| (key.to_owned(), Value::String(value.clone()))).collect();
        }
        Session::open(Source::new("", definition.to_string()), options).await
    }

    /// Opens a session for a stack of which only the record is known.
    async fn open_recorded(id: &StackId, region: &str, account: Option<&str>, options: &SessionOptions) -> Result<Session> {
        let (stack, environment) = id;
        let environments =
            if *environment == EnvironmentName::default() { String::new() } else { format!("environments: {{ {environment}: {{}} }}\n") };
        let account = account.map(|account| format!("account: \"{account}\"\n")).unwrap_or_default();
        let text = format!("stack: {stack}\nregion: {region}\n{account}{environments}");
        Session::open(Source::new("", text), SessionOptions { definition: LoadOptions::default(), ..options.clone() }).await
    }
}

impl ConnectedSession {
    /// Stacks with resources in this account and region, and those in the backend, by name. `check_drift` compares each with its record.
    ///
    /// # Errors
    /// Fails if the tags or the backend can't be read.
    pub async fn stacks(&self, check_drift: bool) -> Result<StackList> {
        let session = self.session();
        let tagged = session.cloud.tagged_stacks().await.map_err(SessionError::Discovery)?;
        let mut all: BTreeMap<StackId, (usize, Option<String>)> = BTreeMap::new();
        let mut elsewhere: BTreeMap<(StackId, String), usize> = BTreeMap::new();
        for (TaggedStack { stack, environment, region, account }, count) in tagged {
            let (Ok(stack), Ok(environment)) = (stack.parse::<StackName>(), environment.parse::<EnvironmentName>()) else { continue };
            let id = (stack, environment);
            if let Some(region) = region {
                *elsewhere.entry((id, region)).or_default() += count;
                continue;
            }
            let (resources, known) = all.entry(id).or_default();
            *resources += count;
            *known = known.take().or(account);
        }
        let recorded: BTreeSet<StackId> = self.backend().stacks().await.map_err(SessionError::History)?;
        for id in recorded {
            all.entry(id).or_default();
        }
        let reads = all.into_iter().map(|(id, (resources, account))| self.overview(id, resources, account, check_drift));
        let found: Vec<Option<StackOverview>> = stream::iter(reads).buffered(PARALLEL_READS).try_collect().await?;
        let elsewhere = elsewhere.into_iter().map(|(((stack, environment), region), resources)| RegionalStack {
            stack,
            environment,
            region,
            resources,
        });
        Ok(StackList { stacks: found.into_iter().flatten().collect(), elsewhere: elsewhere.collect() })
    }

    /// `None` if only a command that changed nothing has left a trace. `account` is that in the ARNs.
    async fn overview(&self, id: StackId, resources: usize, account: Option<String>, check_drift: bool) -> Result<Option<StackOverview>> {
        let backend = self.backend();
        let history = History::new(backend.clone(), &id.0, &id.1);
        let (runs, _) = history.recent_runs(1).await.map_err(SessionError::History)?;
        let is_unknown = runs.is_empty();
        let last_run = runs.into_iter().next().and_then(|(_, run)| run);
        let lease = Lease::held(backend, &id.0, &id.1).await?;
        let imported = ImportRecord::read(backend, &id.0, &id.1).await?;
        if resources == 0 && is_unknown && lease.is_none() && imported.is_none() {
            return Ok(None);
        }
        let imported = imported.filter(|record| last_run.as_ref().is_none_or(|run| record.at >= run.started_at));
        // The credentials have one account, but a simulated cloud may have several.
        let account = account.or_else(|| last_run.as_ref().map(|run| run.run.account.clone())).filter(|_| self.session().is_simulated());
        let account = account.unwrap_or_else(|| self.account().to_owned());
        let mut drift = DriftRecord::read(backend, &id.0, &id.1).await?;
        if check_drift && last_run.is_some() {
            drift = self.check_drift(&id, &account).await?;
        }
        let ended_at = last_run.as_ref().and_then(|run| run.ended_at).unwrap_or(u64::MAX);
        let drift = drift.filter(|drift| drift.at >= ended_at);
        let (stack, environment) = id;
        Ok(Some(StackOverview { stack, environment, account, resources, last_run, imported, lease, drift }))
    }

    /// Compares a stack with its record; `None` without a record in this region.
    async fn check_drift(&self, id: &StackId, account: &str) -> Result<Option<DriftRecord>> {
        let session = self.session();
        let account = Some(account).filter(|_| session.is_simulated());
        let recorded = Session::open_recorded(id, session.region(), account, &session.options).await?;
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
