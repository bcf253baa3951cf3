//! What every command that reads the cloud does first: load, connect, check who we are, discover.

use std::{ops::Range, path::Path, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};

use super::{Global, Target, apply::command_line, refusal::refuse};
use crate::{
    aws::{Aws, Settings},
    core::{Address, Data, OnDelete},
    definition::{self, Diagnostic, Options, Source, Stack},
    engine::{
        backend::{Backend, Choice, Consent, Place, choose},
        cloud::Cloud,
        discover::{Hints, World, discover, discover_indexed, index},
        history::History,
        plan::{Action, Goal, Obstacle, Plan, label, labelled_by, plan},
        run::{self, Memory, Unfinished},
        saved::Saved,
    },
    report,
    simulator::{Behaviour, Local},
};

/// What failed when there are no valid credentials.
const UNKNOWN_CALLER: &str = "AWS does not know who calls";

/// A definition that was refused: its problems have been shown.
#[derive(Debug, thiserror::Error)]
#[error("the definition has {0}; `acme explain CODE` tells more")]
pub struct Refused(String);

/// Loads a definition and its text; shows every problem it has.
pub fn load(target: &Target) -> Result<(Stack, String)> {
    let path = target.file.display().to_string();
    let text = std::fs::read_to_string(&target.file).with_context(|| format!("can't read the definition `{path}`"))?;
    if Saved::is(&text) {
        refuse!("saved-plan", "`{path}` is a saved plan, no definition: `acme apply {path}` carries it out");
    }
    let options = Options { environment: target.env.clone(), set: target.set.clone() };
    let refused = |source: &Source, problems: &[Diagnostic]| {
        for problem in problems {
            report::talk(&problem.render(source, true));
            let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            report::github::error(Some(&source.path), problem.line(source), &format!("{}{help}", problem.message));
        }
        let count = problems.len();
        Refused(if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") })
    };
    let source = Source::new(&path, text);
    let stack = definition::load(&source, &options).map_err(|problems| refused(&source, &problems))?;
    Ok((stack, source.text))
}

/// A stack and the cloud it lives in.
pub struct Session {
    pub target: Target,
    pub text: String,
    pub stack: Stack,
    pub cloud: Arc<Cloud>,
    begun: Instant,
}

/// A stack, the cloud it lives in, and what is there.
pub struct Context {
    pub session: Session,
    pub account: String,
    pub world: World,
}

impl Session {
    /// Loads the definition and connects; makes no call.
    pub async fn open(target: &Target, global: &Global) -> Result<Session> {
        let begun = Instant::now();
        global.use_color();
        let (stack, text) = load(target)?;
        if let (Some(pinned), Some(asked)) = (&stack.region, &global.region)
            && pinned != asked
        {
            refuse!(
                "pinned-region",
                "the definition is pinned to region `{pinned}`, not `{asked}`: change `region:` or leave --region out"
            );
        }
        let region = stack.region.clone().or_else(|| global.region.clone());
        let cloud = match &global.local {
            Some(dir) => {
                let region = region.as_deref().unwrap_or("us-east-1");
                let local = Local::open(dir, region, Behaviour::default()).context("can't open the simulated cloud")?;
                Cloud::Local(Box::new(local))
            }
            None => {
                let (profile, endpoint_url) = (global.profile.clone(), global.endpoint_url.clone());
                Cloud::Aws(Box::new(Aws::connect(Settings { region, profile, endpoint_url, http_client: None }).await?))
            }
        };
        Ok(Session { target: target.clone(), text, stack, cloud: Arc::new(cloud), begun })
    }

    /// The account the credentials belong to, which must be the pinned one.
    pub async fn account(&self) -> Result<String> {
        let account = self.cloud.account().await.context(UNKNOWN_CALLER)?;
        self.check_account(&account)?;
        Ok(account)
    }

    /// The same for what changes nothing: the ARNs of what the stack has name the account, which saves a call.
    async fn account_or_ask(&self, named: Option<String>) -> Result<String> {
        let Some(account) = named else { return self.account().await };
        self.check_account(&account)?;
        Ok(account)
    }

    /// Refuses another account than the pinned one.
    fn check_account(&self, account: &str) -> Result<()> {
        if let Some(pinned) = self.stack.account.as_ref().filter(|pinned| *pinned != account) {
            refuse!("pinned-account", "the definition is pinned to account {pinned}, but these credentials belong to {account}");
        }
        Ok(())
    }

    /// Where the runs of this stack are remembered, and what people should know about that.
    pub async fn backend(&self, global: &Global, account: &str, consent: Consent<'_>) -> Result<Choice> {
        let place = match (&*self.cloud, &global.local) {
            (Cloud::Aws(aws), _) => Place::Aws { aws, account },
            (Cloud::Local(_), folder) => Place::Local(folder.as_deref().unwrap_or(Path::new("."))),
        };
        Ok(choose(global.backend.as_ref(), self.stack.backend.as_ref(), place, consent).await?)
    }

    /// What is remembered of this stack, as far as no call to AWS is needed that nobody asked for. No plan depends on it, so what
    /// can't be read is only said.
    pub async fn memory(&self, global: &Global, account: &str) -> Memory {
        let read = async { Ok(Memory::read(&self.history(&self.backend(global, account, Consent::NoLook).await?.backend)).await?) };
        read.await.unwrap_or_else(|error: anyhow::Error| {
            report::talk(&format!("{} what earlier runs did can't be read: {error:#}", report::Style::Changed.of("warning:")));
            Memory::default()
        })
    }

    /// The revisions of this stack.
    pub fn history(&self, backend: &Backend) -> History {
        History::new(backend.clone(), &self.stack.name, &self.stack.environment)
    }

    /// The definition as it was read.
    pub fn source(&self) -> Source {
        Source::new(self.target.file.display().to_string(), self.text.clone())
    }

    /// Where the definition has what an address stands for.
    pub fn place(&self, source: &Source, address: &Address) -> Option<Range<usize>> {
        definition::place(source, &self.stack.resources.get(address)?.at)
    }

    /// An error as an annotation in GitHub Actions, where the definition has what it is about.
    pub fn annotate(&self, address: &Address, message: &str) {
        let source = self.source();
        let line = self.place(&source, address).map(|range| source.line(range.start));
        report::github::error(line.map(|_| source.path.as_str()), line, message);
    }

    /// What blocks a plan, as annotations.
    pub fn annotate_obstacles(&self, plan: &Plan) {
        for obstacle in &plan.obstacles {
            self.annotate(&obstacle.address, &format!("{}\nhelp: {}", obstacle.message, obstacle.help));
        }
    }

    /// Tells the calls made, when asked to.
    pub fn stats(&self, global: &Global) {
        if !global.stats {
            return;
        }
        let counts = match &*self.cloud {
            Cloud::Aws(aws) => aws.calls.counts(),
            Cloud::Local(local) => {
                local.counts().into_iter().map(|(name, calls)| (name, crate::aws::Count { calls, retries: 0 })).collect()
            }
        };
        report::talk(&report::stats::render(&counts, self.begun.elapsed()));
    }
}

impl Context {
    /// Loads, connects, and reads everything the stack owns.
    pub async fn open(target: &Target, global: &Global) -> Result<Context> {
        let session = Session::open(target, global).await?;
        let indexed = index(&session.cloud, &session.stack).await.context(UNKNOWN_CALLER)?;
        // Who we are and what is there are asked at once: a plan's time is what users feel.
        let account = session.account_or_ask(indexed.account().map(str::to_owned));
        let world = discover_indexed(&session.cloud, &session.stack, Hints::default(), indexed);
        let (account, world) = tokio::join!(account, world);
        let (account, world) = (account?, world.context("can't read what is there")?);
        Ok(Context { session, account, world })
    }

    /// The same, knowing what earlier runs did where that takes no call nobody asked for.
    pub async fn remembering(target: &Target, global: &Global) -> Result<(Context, Memory)> {
        let session = Session::open(target, global).await?;
        let indexed = index(&session.cloud, &session.stack).await.context(UNKNOWN_CALLER)?;
        let named = indexed.account().map(str::to_owned);
        let known = async {
            let account = session.account_or_ask(named).await?;
            let memory = session.memory(global, &account).await;
            Ok::<_, anyhow::Error>((account, memory))
        };
        // What is remembered says which details are worth reading.
        let (account, memory) = known.await?;
        let hints = memory.hints(session.cloud.region(), &account);
        let world = discover_indexed(&session.cloud, &session.stack, hints, indexed).await.context("can't read what is there")?;
        let world = settled(&session, world, &memory.unfinished).await?;
        Ok((Context { session, account, world }, memory))
    }

    /// Reads everything the stack owns, knowing what earlier runs left.
    pub async fn after(session: Session, account: String, memory: &Memory, depth: Depth) -> Result<Context> {
        let hints = match depth {
            Depth::Remembered => memory.hints(session.cloud.region(), &account),
            Depth::Everything => memory.unfinished.hints(),
        };
        let world = discover(&session.cloud, &session.stack, hints).await.context("can't read what is there")?;
        let world = settled(&session, world, &memory.unfinished).await?;
        Ok(Context { session, account, world })
    }

    /// Plans towards a goal, and says who made each difference where that is remembered.
    pub async fn plan_after(&self, goal: Goal, memory: &Memory) -> Result<Plan> {
        let mut plan = self.plan(goal).await?;
        let addresses = labelled_by(&plan);
        if !addresses.is_empty()
            && let Some(recorded) = memory.recorded(self.session.cloud.region(), &self.account, |address| addresses.contains(address))
        {
            label(&mut plan, &recorded);
        }
        Ok(plan)
    }

    /// Plans towards a goal, and asks what deletions would lose.
    pub async fn plan(&self, goal: Goal) -> Result<Plan> {
        let mut plan = plan(&self.session.stack, &self.world, goal, self.session.cloud.region(), &self.account);
        let mut obstacles = Vec::new();
        for change in plan.changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Replace)) {
            let Some(live) = &change.before else { continue };
            let kind = crate::engine::discover::kind_of(live)?;
            if kind.data != Data::Contents || change.on_delete == OnDelete::Delete {
                continue;
            }
            if let Some(contents) = self.session.cloud.contents(kind, live).await? {
                obstacles.push(Obstacle {
                    code: "holds-data",
                    address: change.address.clone(),
                    message: format!("`{}` ({}) holds {contents}", change.address, live.id),
                    help: format!("empty it, or set `on_delete: delete` on `{}` and apply that first", change.address),
                    place: None,
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
            let range = self.session.place(&source, &obstacle.address);
            obstacle.place = range.map(|range| format!("{}:{}", source.path, source.line(range.start)));
        }
        Ok(plan)
    }
}

/// Which details are read that cost a read of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Those that the definition or the record has.
    Remembered,
    /// All.
    Everything,
}

/// What was read, or read again once what an unfinished run made last must be visible.
async fn settled(session: &Session, world: World, unfinished: &Unfinished) -> Result<World> {
    if !run::wait_until_visible(&session.cloud, &world, &unfinished.touched).await {
        return Ok(world);
    }
    discover(&session.cloud, &session.stack, unfinished.hints()).await.context("can't read what is there")
}
