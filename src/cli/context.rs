//! Common first steps of commands that read the cloud: load, connect, check the account, discover.

use std::{ops::Range, path::Path, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};

use super::{GlobalArguments, StackArguments, apply::command_line, refusal::refuse};
use crate::{
    aws::{Aws, Settings},
    core::{Address, DataProtection, OnDelete},
    definition::{self, Diagnostic, LoadOptions, Source, Stack},
    engine::{
        backend::{Backend, BucketCreation, CloudLocation, SelectedBackend, select_backend},
        cloud::Cloud,
        discover::{Hints, LiveState, discover, discover_with_index, query_tag_index},
        history::History,
        plan::{Action, Goal, Obstacle, Plan, attribute_changes, plan, recorded_addresses},
        run::{self, RunHistory, UnfinishedRuns},
        saved_plan::SavedPlan,
    },
    report,
    simulator::{Behaviour, Simulator},
};

/// Context of an error without valid credentials.
const AUTHENTICATION_FAILED: &str = "can't authenticate to AWS";

/// Error for an invalid definition, whose problems have been shown.
#[derive(Debug, thiserror::Error)]
#[error("the definition has {0}; run `acme explain CODE` for details")]
pub struct InvalidDefinition(String);

/// Loads a definition and its text; shows all its problems.
pub fn load(target: &StackArguments) -> Result<(Stack, String)> {
    let path = target.file.display().to_string();
    let text = std::fs::read_to_string(&target.file).with_context(|| format!("can't read the definition `{path}`"))?;
    if SavedPlan::is_saved_plan(&text) {
        refuse!("saved-plan", "`{path}` is a saved plan, not a definition: run `acme apply {path}` to apply it");
    }
    let options = LoadOptions { environment: target.env.clone(), set: target.set.clone() };
    let refused = |source: &Source, problems: &[Diagnostic]| {
        for problem in problems {
            report::eprint(&problem.render(source, true));
            let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            report::github::annotate_error(Some(&source.path), problem.line(source), &format!("{}{help}", problem.message));
        }
        let count = problems.len();
        InvalidDefinition(if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") })
    };
    let source = Source::new(&path, text);
    let stack = definition::load(&source, &options).map_err(|problems| refused(&source, &problems))?;
    Ok((stack, source.text))
}

/// A stack and its cloud.
pub struct Session {
    pub target: StackArguments,
    pub text: String,
    pub stack: Stack,
    pub cloud: Arc<Cloud>,
    started: Instant,
}

/// A stack, its cloud, and its live resources.
pub struct Context {
    pub session: Session,
    pub account: String,
    pub live_state: LiveState,
}

impl Session {
    /// Loads the definition and connects; makes no calls.
    pub async fn open(target: &StackArguments, global: &GlobalArguments) -> Result<Session> {
        let begun = Instant::now();
        global.apply_color_choice();
        let (stack, text) = load(target)?;
        if let (Some(pinned), Some(asked)) = (&stack.region, &global.region)
            && pinned != asked
        {
            refuse!("pinned-region", "the definition is pinned to region `{pinned}`, not `{asked}`: change `region:` or remove `--region`");
        }
        let region = stack.region.clone().or_else(|| global.region.clone());
        let cloud = match &global.local {
            Some(dir) => {
                let region = region.as_deref().unwrap_or("us-east-1");
                let local = Simulator::open(dir, region, Behaviour::default()).context("can't open the simulated cloud")?;
                Cloud::Simulated(Box::new(local))
            }
            None => {
                let (profile, endpoint_url) = (global.profile.clone(), global.endpoint_url.clone());
                Cloud::Aws(Box::new(Aws::connect(Settings { region, profile, endpoint_url, http_client: None }).await?))
            }
        };
        Ok(Session { target: target.clone(), text, stack, cloud: Arc::new(cloud), started: begun })
    }

    /// Returns the account of the credentials, which must be the pinned one.
    pub async fn account(&self) -> Result<String> {
        let account = self.cloud.account().await.context(AUTHENTICATION_FAILED)?;
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
        if let Some(pinned) = self.stack.account.as_ref().filter(|pinned| *pinned != account) {
            refuse!("pinned-account", "the definition is pinned to account {pinned}, but these credentials belong to {account}");
        }
        Ok(())
    }

    /// Backend of this stack, with a note for the user.
    pub async fn backend(&self, global: &GlobalArguments, account: &str, consent: BucketCreation<'_>) -> Result<SelectedBackend> {
        let place = match (&*self.cloud, &global.local) {
            (Cloud::Aws(aws), _) => CloudLocation::Aws { aws, account },
            (Cloud::Simulated(_), folder) => CloudLocation::Simulated(folder.as_deref().unwrap_or(Path::new("."))),
        };
        Ok(select_backend(global.backend.as_ref(), self.stack.backend.as_ref(), place, consent).await?)
    }

    /// Reads the history of this stack, without optional calls to AWS. No plan depends on it, so a failure is only a warning.
    pub async fn run_history(&self, global: &GlobalArguments, account: &str) -> RunHistory {
        let read = async {
            Ok(RunHistory::read(&self.history(&self.backend(global, account, BucketCreation::NeverSkipLookup).await?.backend)).await?)
        };
        read.await.unwrap_or_else(|error: anyhow::Error| {
            report::eprint(&format!("{} can't read the history: {error:#}", report::Style::Changed.paint("warning:")));
            RunHistory::default()
        })
    }

    /// Revisions of this stack.
    pub fn history(&self, backend: &Backend) -> History {
        History::new(backend.clone(), &self.stack.name, &self.stack.environment)
    }

    /// Source of the definition.
    pub fn source(&self) -> Source {
        Source::new(self.target.file.display().to_string(), self.text.clone())
    }

    /// Location of an address in the definition.
    pub fn locate(&self, source: &Source, address: &Address) -> Option<Range<usize>> {
        definition::key_range(source, &self.stack.resources.get(address)?.pointer)
    }

    /// Writes an error as an annotation in GitHub Actions, at the location of the address.
    pub fn annotate(&self, address: &Address, message: &str) {
        let source = self.source();
        let line = self.locate(&source, address).map(|range| source.line(range.start));
        report::github::annotate_error(line.map(|_| source.path.as_str()), line, message);
    }

    /// Writes the obstacles of a plan as annotations.
    pub fn annotate_obstacles(&self, plan: &Plan) {
        for obstacle in &plan.obstacles {
            self.annotate(&obstacle.address, &format!("{}\nhelp: {}", obstacle.message, obstacle.help));
        }
    }

    /// Reports the calls made, if requested.
    pub fn print_stats(&self, global: &GlobalArguments) {
        if !global.stats {
            return;
        }
        let counts = match &*self.cloud {
            Cloud::Aws(aws) => aws.calls.counts(),
            Cloud::Simulated(local) => {
                local.counts().into_iter().map(|(name, calls)| (name, crate::aws::CallCount { calls, retries: 0 })).collect()
            }
        };
        report::eprint(&report::stats::render(&counts, self.started.elapsed()));
    }
}

impl Context {
    /// Loads, connects, and reads all resources of the stack.
    pub async fn open(target: &StackArguments, global: &GlobalArguments) -> Result<Context> {
        let session = Session::open(target, global).await?;
        let indexed = query_tag_index(&session.cloud, &session.stack).await.context(AUTHENTICATION_FAILED)?;
        // Reads the account and live resources in parallel, because users wait for a plan.
        let account = session.account_or_query(indexed.account().map(str::to_owned));
        let world = discover_with_index(&session.cloud, &session.stack, Hints::default(), indexed);
        let (account, world) = tokio::join!(account, world);
        let (account, world) = (account?, world.context("can't read live resources")?);
        Ok(Context { session, account, live_state: world })
    }

    /// Same, with the history if it needs no optional call.
    pub async fn open_with_history(target: &StackArguments, global: &GlobalArguments) -> Result<(Context, RunHistory)> {
        let session = Session::open(target, global).await?;
        let indexed = query_tag_index(&session.cloud, &session.stack).await.context(AUTHENTICATION_FAILED)?;
        let named = indexed.account().map(str::to_owned);
        let known = async {
            let account = session.account_or_query(named).await?;
            let memory = session.run_history(global, &account).await;
            Ok::<_, anyhow::Error>((account, memory))
        };
        // The history determines the details to read.
        let (account, memory) = known.await?;
        let hints = memory.hints(session.cloud.region(), &account);
        let world = discover_with_index(&session.cloud, &session.stack, hints, indexed).await.context("can't read live resources")?;
        let world = rediscover_once_visible(&session, world, &memory.unfinished).await?;
        Ok((Context { session, account, live_state: world }, memory))
    }

    /// Reads all resources of the stack, with hints from earlier runs.
    pub async fn with_history(session: Session, account: String, memory: &RunHistory, depth: DiscoveryDepth) -> Result<Context> {
        let hints = match depth {
            DiscoveryDepth::Recorded => memory.hints(session.cloud.region(), &account),
            DiscoveryDepth::Full => memory.unfinished.hints(),
            DiscoveryDepth::ForDeletion => Hints { shallow: true, ..memory.unfinished.hints() },
        };
        let world = discover(&session.cloud, &session.stack, hints).await.context("can't read live resources")?;
        let world = rediscover_once_visible(&session, world, &memory.unfinished).await?;
        Ok(Context { session, account, live_state: world })
    }

    /// Plans for a goal, and sets the origin of each difference if the history has it.
    pub async fn plan_with_history(&self, goal: Goal, memory: &RunHistory) -> Result<Plan> {
        let mut plan = self.plan(goal).await?;
        let addresses = recorded_addresses(&plan);
        if !addresses.is_empty()
            && let Some(recorded) = memory.recorded_state(self.session.cloud.region(), &self.account, |address| addresses.contains(address))
        {
            attribute_changes(&mut plan, &recorded);
        }
        Ok(plan)
    }

    /// Plans for a goal, and checks which data deletions would lose.
    pub async fn plan(&self, goal: Goal) -> Result<Plan> {
        let mut plan = plan(&self.session.stack, &self.live_state, goal, self.session.cloud.region(), &self.account);
        let mut obstacles = Vec::new();
        for change in plan.changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Replace)) {
            let Some(live) = &change.before else { continue };
            let kind = crate::engine::discover::resource_type_of(live)?;
            if kind.data_protection != DataProtection::Contents || change.on_delete == OnDelete::Delete {
                continue;
            }
            if let Some(contents) = self.session.cloud.contents(kind, live).await? {
                obstacles.push(Obstacle {
                    code: "holds-data",
                    address: change.address.clone(),
                    message: format!("`{}` ({}) contains {contents}", change.address, live.id),
                    help: format!("empty it, or set `on_delete: delete` on `{}` and apply that first", change.address),
                    location: None,
                    adoptable: None,
                });
            }
        }
        for obstacle in &mut plan.obstacles {
            if let Some(id) = &obstacle.adoptable {
                let import = command_line("import", &self.session.target);
                obstacle.help = format!("adopt it with `{import} {} {id}`, {}", obstacle.address, obstacle.help);
            }
        }
        plan.obstacles.extend(obstacles);
        let source = self.session.source();
        for obstacle in &mut plan.obstacles {
            let range = self.session.locate(&source, &obstacle.address);
            obstacle.location = range.map(|range| format!("{}:{}", source.path, source.line(range.start)));
        }
        Ok(plan)
    }
}

/// Details to read that need an extra call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryDepth {
    /// Those in the definition or the record.
    Recorded,
    /// All.
    Full,
    /// None: all of the stack is about to be deleted.
    ForDeletion,
}

/// Returns live resources, read again if necessary, once the latest creations of an unfinished run must be visible.
async fn rediscover_once_visible(session: &Session, world: LiveState, unfinished: &UnfinishedRuns) -> Result<LiveState> {
    if !run::wait_until_visible(&session.cloud, &world, &unfinished.touched).await {
        return Ok(world);
    }
    discover(&session.cloud, &session.stack, unfinished.hints()).await.context("can't read live resources")
}
