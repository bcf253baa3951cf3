//! Carries a plan out: build, pivot, clear. The only stage that changes anything.

mod blocker;
mod crew;
mod event;
mod hands;
mod patience;
mod settle;
mod step;
mod stop;
mod walk;

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::{
    core::{Address, Error, Live},
    definition::Stack,
    engine::{
        discover::World,
        journal::Record,
        plan::{Nulls, Op, Plan},
    },
};
use crew::Crew;
pub use event::{Ahead, Event, FORMAT};
pub use hands::Hands;
pub use stop::Stop;

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// What was tried.
    pub op: Op,
    /// Why.
    pub error: Error,
}

/// How carrying out a plan ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Steps that ended well.
    pub done: Vec<(Address, Op)>,
    /// Steps that failed.
    pub failed: Vec<Failure>,
    /// Steps that were not waited for, because the user asked to stop: how far they got, AWS tells.
    pub cut: Vec<(Address, Op)>,
    /// Steps that were not tried.
    pub left: Vec<(Address, Op)>,
    /// Whether the user interrupted.
    pub interrupted: bool,
    /// Whether everything new was made and verified, so that only deletions are left.
    pub past_pivot: bool,
    /// What is there now, by address.
    pub live: BTreeMap<Address, Live>,
    /// What was put back with another value than it had, in words.
    pub lost: Vec<(Address, String)>,
}

impl Outcome {
    /// Whether every step ended well.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.cut.is_empty() && self.left.is_empty() && !self.interrupted
    }
}

/// How a plan is carried out.
pub struct Ways {
    /// What the steps work with.
    pub hands: Hands,
    /// Once asked, the calls that are out are finished and nothing more is begun or waited for.
    pub stop: Stop,
    /// Hears what happens.
    pub events: mpsc::UnboundedSender<Event>,
    /// What `null` in a wanted spec means.
    pub nulls: Nulls,
    /// Whether a run is undone: there is no pivot then, and as much as possible is put back.
    pub undoing: bool,
    /// Tokens of creates that an earlier run left without an answer: the same call again gives the same resource.
    pub tokens: BTreeMap<Address, String>,
}

/// Carries out a plan without obstacles: build, pivot, clear.
///
/// In the first half a failed step starts nothing more: it can all be undone. In the second half there is no way back, so the other
/// steps go on, and what failed is tried once more at the end. The same when undoing.
pub async fn execute(stack: &Stack, plan: &Plan, world: World, ways: Ways) -> Outcome {
    let undoing = ways.undoing;
    // Nobody listens when progress is not shown; the outcome says it all the same.
    ways.events.send(Event::planned(plan, undoing)).ok();
    let mut crew = Crew::new(stack, plan, world, ways);
    // Who asked to stop wants nothing to become final.
    let build = crew.all(&plan.build, undoing).await && !crew.outcome.interrupted;
    if build {
        crew.outcome.past_pivot = true;
        if !undoing && let Err(error) = crew.ways.hands.journal.write(Record::Pivot).await {
            crew.unjournaled(error);
        }
    }
    crew.stubborn = true;
    if build && crew.outcome.failed.is_empty() {
        crew.all(&plan.clear, true).await;
    } else {
        crew.outcome.left.extend(plan.clear.node_weights().map(|step| (plan.changes[step.change].address.clone(), step.op)));
    }
    crew.outcome
}

/// Code of the error of a step that was not waited for, because the user asked to stop.
const INTERRUPTED: &str = "Interrupted";
