//! One run from its first journal line to its last: carry out, and where that fails, put back what was there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

use crate::{
    aws::types,
    core::{Address, Error, Live, Result, STACK, Sort},
    definition::Stack,
    engine::{
        backend::Lease,
        cloud::Cloud,
        discover::{Hints, World, address_of, discover, discover_afresh, find, kind_of},
        execute::{self, Event, Hands, Stop, Ways, execute},
        history::{FORMAT, History, Revision, Snapshot, StoredRevision, was_kept},
        journal::{Begin, Journal, Outcome, Record, Replay, Touched, touched},
        plan::{Nulls, Op, Plan, Recorded, Target, holders, loses, restore, target_stack},
    },
};

/// What a run works with.
pub struct Run {
    /// Where the resources live.
    pub cloud: Arc<Cloud>,
    /// Where it is remembered.
    pub history: History,
    /// The right to change the stack; `None` where nobody else can.
    pub lease: Option<Arc<Lease>>,
    /// The user's wish to stop.
    pub stop: Stop,
    /// Hears what happens.
    pub events: mpsc::UnboundedSender<Event>,
    /// Who runs what; `revision` and `continues` are filled in here.
    pub begin: Begin,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Number of its revision.
    pub revision: u64,
    /// In a word.
    pub outcome: Outcome,
    /// What was carried out.
    pub forward: execute::Outcome,
    /// What was put back, where that was tried.
    pub back: Option<Back>,
    /// Whether the user asked to stop.
    pub interrupted: bool,
}

/// How putting back ended.
#[derive(Debug)]
pub enum Back {
    /// It was tried; failures are in here.
    Tried(execute::Outcome),
    /// It could not even be tried.
    Failed(Error),
}

impl Back {
    /// What could only be put back as a new one.
    pub fn made_anew(&self) -> Vec<&Address> {
        match self {
            Back::Tried(outcome) => outcome.done.iter().filter(|(_, op)| *op == Op::Create).map(|(address, _)| address).collect(),
            Back::Failed(_) => Vec::new(),
        }
    }
    /// Whether everything is as it was.
    pub fn is_whole(&self) -> bool {
        matches!(self, Back::Tried(outcome) if outcome.is_whole())
    }
}

/// What unfinished runs left behind.
#[derive(Clone, Debug, Default)]
pub struct Unfinished {
    /// Their journals, in order of time.
    pub chain: Vec<Replay>,
    /// What they touched.
    pub touched: BTreeMap<Address, Touched>,
    /// The last revision, if nothing of it can be read.
    pub lost: Option<u64>,
}

impl Unfinished {
    /// Reads what the last run left.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn read(history: &History) -> Result<Unfinished> {
        Unfinished::of(&history.snapshot().await?).await
    }

    async fn of(snapshot: &Snapshot<'_>) -> Result<Unfinished> {
        let chain = snapshot.unfinished().await?;
        let touched = touched(&chain);
        let lost = if chain.is_empty() { snapshot.lost().await? } else { None };
        Ok(Unfinished { chain, touched, lost })
    }

    /// The revision that was left unfinished.
    pub fn revision(&self) -> Option<u64> {
        self.chain.last()?.begin.as_ref().map(|begin| begin.revision)
    }

    /// What discovery should know on the way forward.
    pub fn hints(&self) -> Hints {
        Hints { ids: BTreeMap::new(), ..hints(&self.touched) }
    }

    /// Whether what comes next is one with the unfinished runs, so that undoing it undoes them too. Not where they were left standing on
    /// purpose, nor where something is gone that can't be made again as it was: from there the way leads forward.
    fn goes_on(&self) -> bool {
        self.chain.last().is_some_and(|last| !was_kept(last)) && !self.chain.iter().any(Replay::has_cleared)
    }

    /// Tokens of creates without an answer that are to be made again the same.
    fn tokens(&self, stack: &Stack) -> BTreeMap<Address, String> {
        let open = self.touched.iter().filter(|(address, touched)| {
            touched.open_create.is_some() && stack.resources.get(*address).is_some_and(|declared| declared.spec == touched.expected)
        });
        open.map(|(address, touched)| (address.clone(), touched.token.clone())).collect()
    }
}

/// What is remembered of a stack. A memory, not the state: without it every plan is the same.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What unfinished runs left behind.
    pub unfinished: Unfinished,
    /// The latest run that ended and was not undone.
    pub latest: Option<StoredRevision>,
    /// What runs since have touched that were neither finished nor undone.
    pub unknown: BTreeSet<Address>,
}

impl Memory {
    /// Reads what is remembered.
    ///
    /// # Errors
    /// When the backend can't be read.
    pub async fn read(history: &History) -> Result<Memory> {
        let snapshot = history.snapshot().await?;
        let unfinished = Unfinished::of(&snapshot).await?;
        let (latest, since) = snapshot.latest().await?;
        let unknown = since.iter().flat_map(|replay| touched(std::slice::from_ref(replay)).into_keys()).collect();
        Ok(Memory { unfinished, latest, unknown })
    }

    /// What the latest run left in this region and account at the addresses that are `wanted`; `None` when nothing is remembered.
    pub fn recorded(&self, region: &str, account: &str, wanted: impl Fn(&Address) -> bool) -> Option<Recorded> {
        let here = |stored: &&StoredRevision| stored.summary.begin.region == region && stored.summary.begin.account == account;
        let live = self.latest.as_ref().filter(here)?.live(wanted)?;
        Some(Recorded { live, unknown: self.unknown.clone() })
    }
}

impl Memory {
    /// What discovery should know on the way forward: what an unfinished run left, and which details are worth a read of their own.
    pub fn hints(&self, region: &str, account: &str) -> Hints {
        let has_own_reads = |address: &Address| types::kind(&address.kind).is_some_and(|kind| !kind.own_read.is_empty());
        let reliable = self.unfinished.chain.is_empty() && self.unfinished.lost.is_none() && self.unknown.is_empty();
        let recorded = if reliable { self.recorded(region, account, has_own_reads) } else { None };
        let own_reads = recorded.map(|recorded| {
            let pointers = |live: &Live| types::kind(&live.kind).map(|kind| kind.own_reads(&live.spec)).unwrap_or_default();
            recorded.live.iter().map(|(address, live)| (address.clone(), pointers(live))).collect()
        });
        Hints { own_reads, ..self.unfinished.hints() }
    }
}

impl Run {
    /// Carries a plan out. When it fails, or the user asks to stop, and `roll_back` is wanted, everything that this run and the
    /// unfinished one before it touched is put back.
    ///
    /// # Errors
    /// When the run can't even begin: nothing was changed then.
    pub async fn apply(mut self, way: Forward<'_>, unfinished: &Unfinished) -> Result<Ended> {
        let Forward { stack, plan, world, nulls, whole, roll_back } = way;
        let goes_on = unfinished.goes_on();
        let chain = if goes_on { unfinished.chain.clone() } else { Vec::new() };
        let (journal, began) = self.begin(unfinished.revision().filter(|_| goes_on)).await?;
        let ways = Ways {
            hands: self.hands(&journal),
            stop: self.stop.clone(),
            events: self.events.clone(),
            nulls,
            undoing: false,
            tokens: unfinished.tokens(stack),
        };
        let forward = execute(stack, plan, world, ways).await;
        let interrupted = forward.interrupted;
        let mut live = forward.live.clone();
        let mut back = None;
        let outcome = if forward.is_whole() {
            Outcome::Done
        } else if forward.failed.iter().any(|failure| failure.error.is_expired() || failure.error.code == "LeaseLost") {
            Outcome::Stuck
        } else if !roll_back {
            Outcome::Kept
        } else if cleared(plan, &forward) {
            // Something is gone for good: from here on there is only forward.
            Outcome::Stuck
        } else {
            let tried = self.put_back(&journal, stack, chain, &why(&forward), &mut live).await;
            let whole = tried.is_whole();
            back = Some(tried);
            if whole { Outcome::RolledBack } else { Outcome::Stuck }
        };
        if !whole {
            live = self.completed(live, stack).await;
        }
        self.end(&journal, began, outcome, &forward, live).await;
        Ok(Ended { revision: self.begin.revision, outcome, forward, back, interrupted })
    }

    /// Puts back what unfinished runs touched, as a run of its own that goes on from the last of them.
    ///
    /// # Errors
    /// When the run can't even begin: nothing was changed then.
    pub async fn roll_back(mut self, mut back: WayBack, unfinished: &Unfinished) -> Result<Ended> {
        let (journal, began) = self.begin(unfinished.revision()).await?;
        journal.write(Record::Rollback { why: "asked for".to_owned() }).await?;
        let forward = self.go_back(&journal, &mut back).await?;
        let interrupted = forward.interrupted;
        let outcome = if forward.is_whole() { Outcome::RolledBack } else { Outcome::Stuck };
        let live = self.completed(forward.live.clone(), &back.stack).await;
        self.end(&journal, began, outcome, &forward, live).await;
        Ok(Ended { revision: self.begin.revision, outcome, forward, back: None, interrupted })
    }

    async fn begin(&mut self, continues: Option<u64>) -> Result<(Journal, u64)> {
        self.begin.revision = self.history.numbers().await?.last().copied().unwrap_or(0).saturating_add(1);
        self.begin.continues = continues;
        let journal = self.history.begin(self.begin.revision);
        journal.write(Record::Begin(Box::new(self.begin.clone()))).await?;
        let Begin { command, stack, environment, revision, .. } = self.begin.clone();
        // Nobody listens when progress is not shown.
        self.events.send(Event::Began { format: execute::FORMAT, command, stack, environment, revision }).ok();
        Ok((journal, milliseconds(SystemTime::now())))
    }

    fn hands(&self, journal: &Journal) -> Hands {
        Hands { cloud: self.cloud.clone(), journal: journal.clone(), lease: self.lease.clone() }
    }

    /// Undoes this run and the chain it goes on from; `live`, what the stack consists of, follows.
    async fn put_back(
        &self,
        journal: &Journal,
        stack: &Stack,
        mut chain: Vec<Replay>,
        why: &str,
        live: &mut BTreeMap<Address, Live>,
    ) -> Back {
        let tried = async {
            journal.write(Record::Rollback { why: why.to_owned() }).await?;
            self.events.send(Event::RollingBack { why: why.to_owned() }).ok();
            chain.push(self.history.journal(self.begin.revision).await?);
            let touched = touched(&chain);
            let mut back = WayBack::plan(&self.cloud, stack, &touched, &self.begin.account).await?;
            if let Some(obstacle) = back.plan.obstacles.first() {
                return Err(Error::new(Sort::Refused, "Obstacle", format!("{}: {}", obstacle.message, obstacle.help)));
            }
            let outcome = self.go_back(journal, &mut back).await?;
            // What was left over under another address stands at its own again.
            let stands: BTreeSet<(&str, &str)> = outcome.live.values().map(|live| (live.kind.as_str(), live.id.as_str())).collect();
            live.retain(|address, live| {
                !back.stack.resources.contains_key(address) && !stands.contains(&(live.kind.as_str(), live.id.as_str()))
            });
            live.extend(outcome.live.clone());
            Ok(outcome)
        };
        match tried.await {
            Ok(outcome) => Back::Tried(outcome),
            Err(error) => Back::Failed(error),
        }
    }

    async fn go_back(&self, journal: &Journal, back: &mut WayBack) -> Result<execute::Outcome> {
        let hands = self.hands(journal);
        // A second wish to stop ends the process; the first one may be what brought us here.
        let ways =
            Ways { hands, stop: Stop::never(), events: self.events.clone(), nulls: Nulls::Absent, undoing: true, tokens: BTreeMap::new() };
        Ok(execute(&back.stack, &back.plan, std::mem::take(&mut back.world), ways).await)
    }

    /// What the stack consists of after a run that dealt with a part of it only: the rest is as it was recorded. Without a record only
    /// that part is known.
    async fn completed(&self, mut live: BTreeMap<Address, Live>, part: &Stack) -> BTreeMap<Address, Live> {
        let latest = async { self.history.snapshot().await?.latest().await };
        let latest = latest.await.ok().and_then(|(latest, _)| latest);
        let rest = latest.and_then(|latest| latest.live(|address| !part.resources.contains_key(address)));
        live.extend(rest.unwrap_or_default());
        live
    }

    /// Remembering may fail; what was done is done all the same.
    async fn end(&self, journal: &Journal, began: u64, outcome: Outcome, forward: &execute::Outcome, live: BTreeMap<Address, Live>) {
        let done = forward.done.iter().map(|(address, op)| (op.to_string(), address.clone())).collect();
        let format = FORMAT.to_owned();
        let revision = Revision { format, begin: self.begin.clone(), began, ended: milliseconds(SystemTime::now()), outcome, done, live };
        let ended = async {
            journal.write(Record::End { outcome }).await?;
            self.history.keep(&revision).await
        };
        if let Err(error) = ended.await {
            self.events.send(Event::Unrecorded { message: error.to_string() }).ok();
        }
        self.events.send(Event::Ended { outcome, interrupted: forward.interrupted }).ok();
    }
}

/// What is carried out.
pub struct Forward<'a> {
    /// What is wanted.
    pub stack: &'a Stack,
    /// How to get there.
    pub plan: &'a Plan,
    /// What is there.
    pub world: World,
    /// What `null` in the stack's specs means.
    pub nulls: Nulls,
    /// Whether the plan is about all that is there, not only about what `stack` names.
    pub whole: bool,
    /// Whether a failure is undone.
    pub roll_back: bool,
}

/// How to put back what was there.
pub struct WayBack {
    /// What shall be there again, and what is looked for so that it can go.
    pub stack: Stack,
    /// How to get there.
    pub plan: Plan,
    /// What is there.
    pub world: World,
}

impl WayBack {
    /// Reads what is there and plans to undo what `touched` says. `definition` tells whose it is, and what needs what.
    ///
    /// # Errors
    /// When what is there can't be read.
    pub async fn plan(cloud: &Cloud, definition: &Stack, touched: &BTreeMap<Address, Touched>, account: &str) -> Result<WayBack> {
        let mut targets = targets(touched);
        let name = (&definition.name, &definition.environment);
        let mut stack = target_stack(name.0, name.1, &targets);
        let mut world = discover_afresh(cloud, &stack, hints(touched)).await?;
        if wait_until_visible(cloud, &world, touched).await {
            world = discover_afresh(cloud, &stack, hints(touched)).await?;
        }
        if loses(&targets, &world) {
            let holders = holders(definition, &targets, &discover(cloud, definition, hints(touched)).await?);
            if !holders.is_empty() {
                targets.extend(holders);
                stack = target_stack(name.0, name.1, &targets);
                world = discover_afresh(cloud, &stack, hints(touched)).await?;
            }
        }
        find_given_up(cloud, &stack, touched, &mut world).await?;
        let plan = restore(&mut stack, &targets, &world, cloud.region(), account);
        Ok(WayBack { stack, plan, world })
    }
}

/// Adds what had its marks taken off, and is nobody's since, to what is there.
///
/// # Errors
/// When its type can't be read.
pub async fn find_given_up(cloud: &Cloud, stack: &Stack, touched: &BTreeMap<Address, Touched>, world: &mut World) -> Result<()> {
    let given_up = touched.iter().filter(|(_, touched)| touched.forgotten);
    for (address, live) in given_up.filter_map(|(address, touched)| Some((address, touched.before.as_ref()?))) {
        let kind = kind_of(live)?;
        world.hints.ids.insert(address.clone(), live.id.clone());
        if world.iter().any(|other| other.kind == live.kind && other.id == live.id) {
            continue;
        }
        let found = find(cloud, stack, kind, &live.id, world).await?;
        world.live.entry(kind.name).or_default().extend(found.filter(|found| !found.tags.contains_key(STACK)));
    }
    Ok(())
}

/// What undoing a run has to put back; what the run made holds nothing yet.
pub fn targets(touched: &BTreeMap<Address, Touched>) -> BTreeMap<Address, Target> {
    let touched = touched.iter().filter(|(_, touched)| !touched.is_nothing());
    touched.map(|(address, touched)| (address.clone(), target(touched))).collect()
}

fn target(touched: &Touched) -> Target {
    Target {
        before: touched.before.clone(),
        expected: touched.expected.clone(),
        tags: touched.tags.clone(),
        needs: touched.needs.clone(),
        fresh: true,
    }
}

fn hints(touched: &BTreeMap<Address, Touched>) -> Hints {
    let began = touched.iter().filter(|(_, touched)| touched.created).map(|(address, _)| address.clone());
    let ids = touched.iter().filter_map(|(address, touched)| Some((address.clone(), touched.before.as_ref()?.id.clone())));
    Hints { began: began.collect(), ids: ids.collect(), own_reads: None }
}

/// Waits until what was made just before a crash must be visible, if any of it is not. True when reading again may show more.
pub async fn wait_until_visible(cloud: &Cloud, world: &World, touched: &BTreeMap<Address, Touched>) -> bool {
    let seen: BTreeSet<Address> = world.iter().filter_map(address_of).collect();
    let unseen = touched.iter().filter(|(address, _)| !seen.contains(address));
    let Some(latest) = unseen.filter_map(|(_, touched)| touched.made_at).max() else { return false };
    // What counts is how old it was when it was looked for; by now it may be visible.
    let age = |at: SystemTime| Duration::from_millis(milliseconds(at).saturating_sub(latest));
    if cloud.lag() <= age(world.read_at.unwrap_or_else(SystemTime::now)) {
        return false;
    }
    tokio::time::sleep(cloud.lag().saturating_sub(age(SystemTime::now()))).await;
    true
}

/// Whether something may be gone that can't be made again as it was.
fn cleared(plan: &Plan, forward: &execute::Outcome) -> bool {
    let late = |address: &Address| plan.clear.node_weights().any(|step| plan.changes[step.change].address == *address);
    let leaves = |op: Op| matches!(op, Op::Delete | Op::Forget);
    forward.past_pivot
        && (forward.done.iter().any(|(address, op)| leaves(*op) && late(address))
            || forward.failed.iter().any(|failure| leaves(failure.op) && failure.error.sort == Sort::Unreachable))
}

fn why(forward: &execute::Outcome) -> String {
    match forward.failed.first() {
        Some(failure) => format!("{} {} failed: {}", failure.op, failure.address, failure.error.code),
        None => "interrupted".to_owned(),
    }
}

/// Milliseconds since 1970.
fn milliseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
