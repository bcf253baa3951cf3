//! Who carries out the steps: what each needs to know, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use petgraph::graph::DiGraph;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{
    Event, Failure, INTERRUPTED, Outcome, Ways,
    blocker::Blockers,
    hands::About,
    settle::Settler,
    step::{ASYNCHRONOUS, Job},
    walk::{Next, Worker, walk},
};
use crate::{
    aws::types,
    core::{Address, Call, Error, Live, ResourceType, Sort, Tags, expression},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{self, World},
        plan::{Action, Nulls, Op, Plan, Step},
    },
};

/// How many steps run at once. AWS's limits are kept per action, below.
const AT_ONCE: usize = 64;

/// Makes a job of each step, and takes down how it ended.
pub(super) struct Crew<'a> {
    stack: &'a Stack,
    plan: &'a Plan,
    world: World,
    settler: Settler,
    pub(super) ways: Ways,
    pub(super) outcome: Outcome,
    run: String,
    /// Where this run has begun to make something: a second try looks first.
    tried: BTreeSet<Address>,
    /// Steps of the first half by type.
    of_type: BTreeMap<&'a str, u32>,
    blockers: Arc<Blockers>,
    /// A failed step does not keep others from being started.
    pub(super) stubborn: bool,
}

impl<'a> Crew<'a> {
    /// Ready for the plan's first half.
    pub(super) fn new(stack: &'a Stack, plan: &'a Plan, world: World, ways: Ways) -> Crew<'a> {
        let live = plan.changes.iter().filter_map(|change| Some((change.address.clone(), change.before.clone()?))).collect();
        let mut of_type = BTreeMap::new();
        for step in plan.build.node_weights() {
            *of_type.entry(plan.changes[step.change].address.kind.as_str()).or_default() += 1;
        }
        Crew {
            stack,
            plan,
            world,
            settler: Settler::new(ways.hands.cloud.clone(), ways.stop.clone()),
            blockers: Arc::new(blockers(stack, plan, ways.hands.cloud.clone())),
            stubborn: ways.undoing,
            ways,
            outcome: Outcome { live, lost: plan.kept.clone(), ..Outcome::default() },
            run: run_id(),
            tried: BTreeSet::new(),
            of_type,
        }
    }

    /// Walks one graph; with `again`, what failed is tried a second time. True when every step ended well.
    pub(super) async fn all(&mut self, graph: &DiGraph<Step, ()>, again: bool) -> bool {
        let mut ends = walk(graph, AT_ONCE, self).await;
        let retry = again && !self.outcome.interrupted && self.outcome.failed.iter().all(|failure| may_pass(&failure.error));
        if retry && !self.outcome.failed.is_empty() {
            self.outcome.failed.clear();
            let rest = graph.filter_map(|node, step| (!matches!(ends[node.index()], Some(Ok(_)))).then_some(*step), |_, ()| Some(()));
            ends = walk(&rest, AT_ONCE, self).await;
            let unstarted = rest.node_indices().zip(&ends).filter(|(_, end)| end.is_none());
            let unstarted: Vec<Step> = unstarted.map(|(node, _)| rest[node]).collect();
            self.left(unstarted);
        } else {
            let unstarted = graph.node_indices().zip(&ends).filter(|(_, end)| end.is_none());
            let unstarted: Vec<Step> = unstarted.map(|(node, _)| graph[node]).collect();
            self.left(unstarted);
        }
        ends.iter().all(|end| matches!(end, Some(Ok(_))))
    }

    fn left(&mut self, steps: Vec<Step>) {
        let plan = self.plan;
        self.outcome.left.extend(steps.into_iter().map(|step| (plan.changes[step.change].address.clone(), step.op)));
    }

    /// The journal could not be written: what was not written must not be done.
    pub(super) fn unjournaled(&mut self, error: Error) {
        let address = Address::new("journal", &self.plan.stack);
        self.outcome.failed.push(Failure { address, op: Op::Update, error });
    }

    /// The wanted spec with every reference resolved to what is there now.
    fn spec(&self, address: &Address, kind: &ResourceType) -> Result<Value, Error> {
        let Some(declared) = self.stack.resources.get(address) else { return Ok(Value::Null) };
        let wanted = self.plan.wanted(declared);
        if !expression::has_reference(&wanted) {
            return Ok(wanted);
        }
        let known = expression::resolve(&wanted, &|reference| {
            let address = Address::new(reference.kind, reference.name);
            self.outcome.live.get(&address).and_then(|live| live.output(reference.output))
        });
        if expression::has_reference(&known) {
            let mut missing = Vec::new();
            expression::each_string(&known, &mut |text| missing.extend(expression::references(text).iter().map(|r| r.text.to_owned())));
            return Err(Error::new(Sort::Refused, "NoOutput", format!("AWS gave no value for {}", missing.join(", "))));
        }
        kind.operations.parse(known).map_err(|problems| {
            let text: Vec<String> = problems.into_iter().map(|p| format!("{}: {}", p.at, p.message)).collect();
            Error::new(Sort::Refused, "Shape", text.join("; "))
        })
    }

    /// What a resource that was put back has lost, in words.
    fn lost(&self, address: &Address, live: &Live) -> Option<String> {
        let (kind, wanted) = (types::kind(&address.kind)?, &self.stack.resources.get(address)?.spec);
        let value = |spec: &Value, at: &str| spec.pointer(at).filter(|value| !value.is_null()).cloned();
        let words = kind.assigned_by_aws.iter().filter_map(|at| {
            let (was, is) = (value(wanted, at)?, value(&live.spec, at)?);
            (was != is).then(|| format!("{} is {is}, no longer {was}", at.trim_start_matches('/')))
        });
        let words = Some(words.collect::<Vec<_>>().join(", ")).filter(|words| !words.is_empty())?;
        Some(format!("was made anew, and AWS could not give back all it had: {words}"))
    }

    /// Ids of what is there of a type.
    fn ids_of(&self, kind: &str) -> Vec<String> {
        let from = self.outcome.live.range(Address::new(kind, "")..);
        from.take_while(|(address, _)| address.kind == kind).map(|(_, live)| live.id.clone()).collect()
    }

    fn job(&mut self, step: &Step, status: mpsc::UnboundedSender<String>) -> Result<Job, Error> {
        let change = &self.plan.changes[step.change];
        let address = &change.address;
        let kind = types::kind(&address.kind)
            .ok_or_else(|| Error::new(Sort::Refused, "UnknownType", format!("acme has no type `{}`", address.kind)))?;
        let spec = match step.op {
            Op::Create | Op::Update => self.spec(address, kind)?,
            Op::Delete | Op::Forget => Value::Null,
        };
        let tags: Tags = self.stack.resources.get(address).map(|declared| declared.tags.clone()).unwrap_or_default();
        let (stack, world) = (self.stack, &self.world);
        let parents = kind.parent.map(|parent| self.ids_of(parent)).unwrap_or_default();
        let poller = self.settler.poller(kind, || {
            let mut scope = discover::scope(stack, kind, world);
            let named = self.plan.names.iter().filter(|(address, _)| address.kind == kind.name);
            scope.wanted.extend(named.map(|(_, name)| name.clone()));
            // What this run touches is asked afresh: the index lags.
            if let Some(index) = &mut scope.index {
                for change in plan_touches(self.plan) {
                    index.remove(change);
                }
            }
            scope
        });
        let claimed = self.world.hints.began.contains(address);
        let tried = step.op == Op::Create && !self.tried.insert(address.clone());
        let token = match self.ways.tokens.get(address) {
            Some(token) if step.op == Op::Create => token.clone(),
            _ => token(&self.run, address, step.op),
        };
        let needs = self.stack.resources.get(address).map(|declared| declared.needs.clone()).unwrap_or_default();
        // What was left over goes under the address that its marks have.
        let marked = change.before.as_ref().filter(|_| matches!(step.op, Op::Delete | Op::Forget)).and_then(discover::address_of);
        Ok(Job {
            hands: self.ways.hands.clone(),
            op: step.op,
            about: About {
                address: address.clone(),
                kind,
                call: Call {
                    address: marked.as_ref().unwrap_or(address).to_string(),
                    tags,
                    token,
                    on_delete: change.on_delete,
                    stack: self.stack.name.clone(),
                    environment: self.stack.environment.clone(),
                },
                spec,
                before: change.before.clone(),
                needs,
            },
            first: change.first,
            nulls: self.ways.nulls,
            claimed,
            tried,
            unprotect: change.unprotect,
            poller,
            parents,
            status,
            stop: self.ways.stop.clone(),
            of_type: self.of_type.get(address.kind.as_str()).copied().unwrap_or_default(),
            blockers: self.blockers.clone(),
        })
    }
}

/// Distinguishes this run's tokens from those of others.
fn run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

/// Who may be in the way of this plan's deletions.
fn blockers(stack: &Stack, plan: &Plan, cloud: Arc<Cloud>) -> Blockers {
    let steps = plan.build.node_weights().chain(plan.clear.node_weights()).filter(|step| step.op == Op::Delete);
    let leaving: Vec<&Live> = steps.filter_map(|step| plan.changes[step.change].before.as_ref()).collect();
    let lingers = leaving.iter().any(|live| types::kind(&live.kind).is_some_and(|kind| kind.typical >= ASYNCHRONOUS));
    Blockers::new(cloud, stack.clone(), leaving.into_iter().map(|live| live.id.clone()).collect(), lingers)
}

/// Whether trying once more may help: not without valid credentials or the lease.
fn may_pass(error: &Error) -> bool {
    !error.is_expired() && error.code != "LeaseLost" && error.code != "Journal"
}

/// ARNs of what a plan changes.
fn plan_touches(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.changes.iter().filter(|change| change.action != Action::None).filter_map(|change| change.before.as_ref()?.arn())
}

/// 40 hex digits, the same for every try of one step of one run.
fn token(run: &str, address: &Address, op: Op) -> String {
    let digest = Sha256::digest(format!("{run}/{address}/{op:?}"));
    digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

impl Worker<Step> for Crew<'_> {
    type Done = Option<Live>;
    type Error = Error;

    fn usual(&self, step: &Step) -> Duration {
        self.plan.usual(step)
    }

    fn start(&mut self, step: &Step) -> impl Future<Output = Result<Option<Live>, Error>> + Send + 'static {
        let address = self.plan.changes[step.change].address.clone();
        let op = step.op;
        let events = self.ways.events.clone();
        let usual_seconds = self.plan.usual(step).as_secs();
        events.send(Event::Started { address: address.clone(), op, usual_seconds }).ok();
        if let Some(lease) = &self.ways.hands.lease {
            lease.step(format!("{op} {address}"));
        }
        let (status, mut heard) = mpsc::unbounded_channel();
        let job = self.job(step, status);
        let begun = Instant::now();
        async move {
            let ended = match job {
                Ok(job) => {
                    let run = job.run();
                    tokio::pin!(run);
                    let mut last = String::new();
                    let mut tell = |status: String| {
                        if status != last {
                            last.clone_from(&status);
                            events.send(Event::Settling { address: address.clone(), op, status }).ok();
                        }
                    };
                    let ended = loop {
                        tokio::select! {
                            ended = &mut run => break ended,
                            Some(status) = heard.recv() => tell(status),
                        }
                    };
                    while let Ok(status) = heard.try_recv() {
                        tell(status);
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            let event = match &ended {
                Ok(live) => {
                    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    Event::Done { address, op, id: live.as_ref().map(|live| live.id.clone()), milliseconds }
                }
                Err(error) if error.code == INTERRUPTED => Event::Cut { address, op },
                Err(error) => Event::failed(address, op, error),
            };
            events.send(event).ok();
            ended
        }
    }

    fn ended(&mut self, step: &Step, end: &Result<Option<Live>, Error>) -> Next {
        let address = self.plan.changes[step.change].address.clone();
        match end {
            Ok(Some(live)) => {
                if step.op == Op::Create && self.ways.nulls == Nulls::Absent {
                    self.outcome.lost.extend(self.lost(&address, live).map(|words| (address.clone(), words)));
                }
                self.outcome.live.insert(address.clone(), live.clone());
                self.outcome.done.push((address, step.op));
            }
            Ok(None) => {
                // After a replacement the new one stands under this address.
                let id = self.plan.changes[step.change].id.as_deref();
                if self.outcome.live.get(&address).map(|live| live.id.as_str()) == id {
                    self.outcome.live.remove(&address);
                }
                self.outcome.done.push((address, step.op));
            }
            Err(error) if error.code == INTERRUPTED => self.outcome.cut.push((address, step.op)),
            Err(error) => {
                let go_on = self.stubborn && may_pass(error);
                self.outcome.failed.push(Failure { address, op: step.op, error: error.clone() });
                return if go_on { Next::GoOn } else { Next::Stop };
            }
        }
        if self.ways.stop.is_asked() {
            self.outcome.interrupted = true;
            return Next::Stop;
        }
        Next::GoOn
    }
}
