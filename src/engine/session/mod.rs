//! A stack and its cloud: from a definition to a run, with every safety check on the way.
//!
//! [`Session::open`] compiles the definition and makes no call. [`Session::connect`] checks the account and selects the backend.
//! [`ConnectedSession::lock`] takes the lease. Only a [`LockedSession`] makes plans that can be applied, and only a plan without
//! obstacles becomes a [`CheckedPlan`].

mod bulk_import;
mod command_line;
mod copies;
mod discovery;
mod drift;
mod error;
mod external;
mod forget;
mod import;
mod import_sources;
mod locked;
mod procedures;
mod proposed_plan;
mod remote;
mod rollback;
mod saved;
mod selection;
mod stacks;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    aws::{Aws, CallCount, Role, Settings},
    core::{Address, Answers, is_account_id, is_region_name, trace},
    definition::{self, BackendLocation, LoadOptions, Location, Source, Stack},
    engine::{
        backend::{Backend, BucketCreation, CloudLocation, SelectedBackend, select_backend},
        cloud::Cloud,
        history::History,
        plan::Selection,
        procedure_record::StoredRecord,
    },
    simulator::{Behaviour, Simulator},
};

pub use bulk_import::{BulkImport, Candidate, Candidates, LeftOut, resource_name};
pub use command_line::shell_quoted;
pub use discovery::{DiscoveryDepth, StackState};
pub use drift::{Drift, IgnoredDrift};
pub use error::{Result, SessionError};
pub use forget::FORGET;
pub use import::{Adoption, ImportTarget, Imported};
pub use locked::{ConnectedSession, LockedSession};
pub use proposed_plan::{CheckedPlan, ProposedPlan, RunOptions};
pub use selection::options as selection_options;
pub use stacks::{RegionalStack, StackList, StackOverview};

/// Region of the simulated cloud if neither the definition nor the options name one.
const DEFAULT_SIMULATED_REGION: &str = "us-east-1";

/// Options of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Environment and values for the definition.
    pub definition: LoadOptions,
    /// Cloud of the resources. Default: AWS.
    pub connection: Connection,
    /// AWS region; must equal the definition's, if that pins one. Default: that of the AWS configuration.
    pub region: Option<String>,
    /// Storage of history and leases. Default: the definition's `backend`, else the bucket or folder of the account and region.
    pub backend: Option<BackendLocation>,
    /// ARN of a role to assume, instead of the definition's.
    pub role: Option<String>,
    /// Maximum number of parallel steps of a run.
    pub parallelism: Option<NonZeroUsize>,
    /// Files of values, which the text of the definition has already: they are named in printed commands.
    pub values: Vec<String>,
    /// Where the user is, if this process runs a plan for a user of another machine.
    pub remote_user: Option<RemoteUser>,
}

/// User of another machine for whom a plan is run: printed commands are for that machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteUser {
    /// Profile in the AWS configuration there.
    pub profile: Option<String>,
    /// Command that makes the plan again; `None`: the one that writes the file of the plan.
    pub plan_again: Option<String>,
}

/// Cloud a session connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// AWS, or a stand-in at another endpoint.
    Aws {
        /// Profile of the AWS configuration. Default: that of the environment.
        profile: Option<String>,
        /// Endpoint of every AWS service. Default: that of the environment, else AWS's own.
        endpoint_url: Option<String>,
        /// Proxy for the Kubernetes APIs of clusters with private endpoints.
        kube_proxy_url: Option<String>,
    },
    /// The simulated cloud in this folder, which is created if necessary.
    Simulated(PathBuf),
}

impl Default for Connection {
    fn default() -> Connection {
        Connection::Aws { profile: None, endpoint_url: None, kube_proxy_url: None }
    }
}

/// A stack and its cloud. It reads and plans; changes need a [`LockedSession`].
pub struct Session {
    source: Source,
    stack: Stack,
    cloud: Arc<Cloud>,
    options: SessionOptions,
    /// Account and region, where the definition depends on them and does not contain them.
    location: Location,
    /// Record of the procedures, once it is read.
    record: StoredRecord,
    /// Values of the definition that procedures can move.
    defined_values: BTreeMap<String, Value>,
    /// Resources that plans are about.
    selection: Selection,
    /// Values from outside the stack, once they are read.
    external: Option<external::ExternalValues>,
    /// Sentences about differences that the definition ignores.
    ignored_notes: Vec<String>,
    /// Answers to questions about plans; `None` in the sandbox of a rehearsal, whose plan has been made with them.
    answers: Option<Answers>,
    opened_at: Instant,
}

impl Session {
    /// Compiles the definition and prepares the connection; makes no calls.
    ///
    /// # Errors
    /// Fails if the definition is invalid or pinned to another region, or if no connection is possible.
    pub async fn open(source: Source, options: SessionOptions) -> Result<Session> {
        let opened_at = Instant::now();
        let stack = match definition::load(&source, &options.definition) {
            Ok(stack) => stack,
            Err(problems) => return Err(SessionError::InvalidDefinition { definition: source, problems }),
        };
        if let (Some(pinned), Some(requested)) = (&stack.region, &options.region)
            && pinned != requested
        {
            return Err(SessionError::PinnedRegion { pinned: pinned.clone(), requested: requested.clone() });
        }
        let region = stack.region.clone().or_else(|| options.region.clone());
        if let Some(region) = region.as_ref().filter(|region| !is_region_name(region)) {
            return Err(SessionError::InvalidRegion(region.clone()));
        }
        let cloud = match options.connection.clone() {
            Connection::Simulated(folder) => {
                let region = region.as_deref().unwrap_or(DEFAULT_SIMULATED_REGION);
                let simulator = Simulator::open(folder, region, Behaviour::default()).map_err(SessionError::Simulator)?;
                // The simulated account has the number that the definition asks for.
                let simulator = match &stack.account {
                    Some(account) => simulator.with_account(account),
                    None => simulator,
                };
                Cloud::Simulated(Box::new(simulator))
            }
            Connection::Aws { profile, endpoint_url, kube_proxy_url } => {
                let role = role(&stack, options.role.as_deref());
                let settings = Settings { region, profile, endpoint_url, kube_proxy: kube_proxy_url, role, ..Settings::default() };
                Cloud::Aws(Arc::new(Aws::connect(settings).await?))
            }
        };
        // The region may be from the AWS configuration.
        if !is_region_name(cloud.region()) {
            return Err(SessionError::InvalidRegion(cloud.region().to_owned()));
        }
        let mut stack = stack;
        stack.set_region(cloud.region());
        let defined_values = stack.procedures.as_ref().map(|procedures| procedures.values.clone()).unwrap_or_default();
        Ok(Session {
            source,
            stack,
            cloud: Arc::new(cloud),
            options,
            location: Location::default(),
            record: StoredRecord::default(),
            defined_values,
            selection: Selection::default(),
            external: None,
            ignored_notes: Vec::new(),
            answers: Some(Answers::default()),
            opened_at,
        })
    }

    /// Limits the number of parallel steps of runs.
    pub fn set_parallelism(&mut self, limit: Option<NonZeroUsize>) {
        self.options.parallelism = limit;
    }

    /// Role that all calls to AWS use, if any.
    pub fn role(&self) -> Option<Role> {
        role(&self.stack, self.options.role.as_deref())
    }

    /// Checks the account and selects the backend; `creation` says whether a bucket may be created for it.
    ///
    /// # Errors
    /// Fails without valid credentials, if the definition is pinned to another account, or if the backend can't be used.
    pub async fn connect(mut self, creation: BucketCreation<'_>) -> Result<ConnectedSession> {
        let account = self.account().await?;
        self.set_location(&account)?;
        let SelectedBackend { backend, note } = self.select_backend(&account, creation).await?;
        trace::decision("connected", None, || format!("account {account}, region {}", self.region()));
        self.read_moved_values(&backend).await?;
        Ok(ConnectedSession::new(self, account, backend, note))
    }

    /// Definition with its path and text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Compiled stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Cloud of the resources.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Cloud it connects to.
    pub fn connection(&self) -> &Connection {
        &self.options.connection
    }

    /// Whether the resources are in the simulated cloud.
    pub fn is_simulated(&self) -> bool {
        matches!(*self.cloud, Cloud::Simulated(_))
    }

    /// Region of the resources.
    pub fn region(&self) -> &str {
        self.cloud.region()
    }

    /// Location of an address in the definition, in bytes.
    pub fn locate(&self, address: &Address) -> Option<Range<usize>> {
        definition::key_range(&self.source, &self.stack.resources.get(address)?.pointer)
    }

    /// Calls made so far, by service and action.
    pub fn call_counts(&self) -> BTreeMap<(String, String), CallCount> {
        match &*self.cloud {
            Cloud::Aws(aws) => aws.calls.counts(),
            Cloud::Simulated(local) => local.counts().into_iter().map(|(name, calls)| (name, CallCount { calls, retries: 0 })).collect(),
        }
    }

    /// Time since the session was opened.
    pub fn elapsed(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// Revisions of this stack in the account of `state`; creates nothing.
    ///
    /// # Errors
    /// Fails if the backend can't be used.
    pub async fn history(&self, state: &StackState) -> Result<History> {
        let backend = self.select_backend(state.account(), BucketCreation::Never).await?.backend;
        Ok(self.history_in(&backend))
    }

    /// Returns the account of the credentials, which must be the pinned one.
    async fn account(&self) -> Result<String> {
        let account = self.cloud.account().await.map_err(SessionError::NotAuthenticated)?;
        self.check_account(&account)?;
        Ok(account)
    }

    /// Same for read-only commands: takes the account from the ARNs of the stack's resources, which saves a call.
    async fn account_or_query(&self, named: Option<String>) -> Result<String> {
        let Some(account) = named else { return self.account().await };
        self.check_account(&account)?;
        Ok(account)
    }

    /// Refuses any account but the pinned one.
    fn check_account(&self, account: &str) -> Result<()> {
        if !is_account_id(account) {
            return Err(SessionError::InvalidAccount(account.to_owned()));
        }
        match &self.stack.account {
            Some(pinned) if pinned != account => Err(SessionError::PinnedAccount { pinned: pinned.clone(), account: account.to_owned() }),
            _ => Ok(()),
        }
    }

    async fn select_backend(&self, account: &str, creation: BucketCreation<'_>) -> Result<SelectedBackend> {
        let location = match &*self.cloud {
            Cloud::Aws(aws) => CloudLocation::Aws { aws, account },
            Cloud::Simulated(local) => CloudLocation::Simulated { folder: local.folder(), region: local.region() },
        };
        Ok(select_backend(self.options.backend.as_ref(), self.stack.backend.as_ref(), location, creation).await?)
    }

    fn history_in(&self, backend: &Backend) -> History {
        History::new(backend.clone(), &self.stack.name, &self.stack.environment)
    }
}

/// Role to assume for a stack: the requested one, else that of the definition.
fn role(stack: &Stack, requested: Option<&str>) -> Option<Role> {
    let declared = stack.role.as_ref();
    let arn = requested.map(str::to_owned).or_else(|| Some(declared?.arn.clone()))?;
    let external_id = declared.and_then(|role| role.external_id.clone());
    Some(Role { arn, external_id, session_name: format!("acme-{}", stack.name) })
}
