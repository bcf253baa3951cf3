//! What a terminal shows while a plan is carried out: what runs now, what comes next, and how long the rest usually takes.
//!
//! A pure function of the events so far, the time and the size of the terminal; `progress` draws it.

use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use petgraph::{
    Direction::Incoming,
    graph::{DiGraph, NodeIndex},
};

use super::{
    Style, duration,
    progress::{doing, imperative},
};
use crate::{
    core::Address,
    engine::{
        execute::{Ahead, Event},
        plan::{Op, critical_path, longest_roads},
    },
};

/// All that is known of a run.
#[derive(Debug, Default)]
pub struct State {
    /// In a word; empty when nothing is under way.
    doing: &'static str,
    of: String,
    began: Duration,
    /// Before the pivot, and after it.
    halves: [DiGraph<Step, ()>; 2],
    /// Nothing more is started: the user asked to stop, or what failed will be undone.
    ending: bool,
    undoing: bool,
}

#[derive(Debug)]
struct Step {
    address: Address,
    op: Op,
    usual: Duration,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Waiting,
    Running { since: Duration, status: String },
    Done,
    Failed,
}

impl Step {
    /// What is left of its usual time.
    fn left(&self, now: Duration) -> Duration {
        match self.stage {
            Stage::Waiting => self.usual,
            Stage::Running { since, .. } => self.usual.saturating_sub(now.saturating_sub(since)),
            Stage::Done | Stage::Failed => Duration::ZERO,
        }
    }
    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }
}

/// Steps to come that are shown.
const NEXT: usize = 3;
/// Usual times below this are not worth a word.
const BRIEF: Duration = Duration::from_secs(20);
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPIN_MILLISECONDS: u128 = 100;

impl State {
    /// Takes in what happened, and when.
    pub fn hear(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Began { command, stack, environment, .. } => {
                self.doing = match command.as_str() {
                    "destroy" => "Destroying",
                    "rollback" => "Rolling back",
                    _ => "Applying",
                };
                self.of = format!("{stack} ({environment})");
                self.began = now;
            }
            Event::RollingBack { .. } => {
                self.doing = "Rolling back";
                self.halves = Default::default();
                self.began = now;
            }
            Event::Planned { undoing, build, clear } => {
                self.halves = [graph(build), graph(clear)];
                self.undoing = *undoing;
                self.ending = false;
            }
            Event::Started { address, op, .. } => self.set(address, *op, Stage::Running { since: now, status: String::new() }),
            Event::Settling { address, op, status } => {
                if let Some(Stage::Running { status: shown, .. }) = self.stage(address, *op) {
                    shown.clone_from(status);
                }
            }
            Event::Done { address, op, .. } => self.set(address, *op, Stage::Done),
            Event::Failed { address, op, .. } => {
                self.set(address, *op, Stage::Failed);
                // After the pivot the others go on.
                let before_pivot = self.halves[0].node_weights().any(|step| step.stage == Stage::Failed);
                self.ending |= before_pivot && !self.undoing;
            }
            Event::Cut { address, op } => self.set(address, *op, Stage::Failed),
            Event::Stopping => self.ending = !self.undoing,
            Event::Unrecorded { .. } => {}
            Event::Ended { .. } => self.doing = "",
        }
    }

    /// The rows that fit into a terminal of this size; none when nothing is under way.
    pub fn frame(&self, now: Duration, width: usize, height: usize) -> Vec<String> {
        let steps = || self.halves.iter().flat_map(DiGraph::node_weights);
        if self.doing.is_empty() {
            return Vec::new();
        }
        if steps().count() == 0 {
            return vec![Style::Heading.of(format!("{} {}: reading what is there", self.doing, self.of)).to_string()];
        }
        let mut rows = self.head(now, width);
        let waiting = if self.ending { Vec::new() } else { self.waiting(now) };
        let waiting_in_all = if self.ending { 0 } else { steps().filter(|step| step.stage == Stage::Waiting).count() };
        let room = height.saturating_sub(rows.len() + 1);
        let mut running = self.running(now);
        let kept = if running.len() > room { room.saturating_sub(1) } else { running.len() };
        let unshown = running.len() - kept;
        running.truncate(kept);
        let room = room - kept - usize::from(unshown > 0);
        // One row of it may be needed to say how many there are besides.
        let next = if waiting_in_all <= room.min(NEXT) { waiting_in_all } else { NEXT.min(room.saturating_sub(1)) }.min(waiting.len());
        let columns = Columns::of(running.iter().chain(&waiting[..next]), width);
        rows.extend(running.iter().map(|row| columns.render(row)));
        if unshown > 0 {
            rows.push(Style::Faint.of(format!("    and {unshown} more")).to_string());
        }
        rows.extend(waiting[..next].iter().map(|row| columns.render(row)));
        if waiting_in_all > next && room > next {
            rows.push(Style::Faint.of(format!("    and {} more to come", waiting_in_all - next)).to_string());
        }
        rows
    }

    /// How far it is, and the longest road that is left.
    fn head(&self, now: Duration, width: usize) -> Vec<String> {
        let steps = || self.halves.iter().flat_map(DiGraph::node_weights);
        let done = steps().filter(|step| step.stage == Stage::Done).count();
        let elapsed = clock(now.saturating_sub(self.began));
        let so_far = format!("{} {}: {done} of {} done in {elapsed}", self.doing, self.of, steps().count());
        if self.ending {
            let text = format!("{so_far}, finishing {}", steps().filter(|step| step.is_running()).count());
            return vec![Style::Heading.of(truncate_str(&text, width, "…")).to_string()];
        }
        let left: Duration =
            self.halves.iter().map(|half| longest_roads(half, |step| step.left(now)).into_iter().max().unwrap_or_default()).sum();
        let left = if left.is_zero() { "done any moment".to_owned() } else { format!("usually {} left", duration(left)) };
        let mut head = vec![Style::Heading.of(truncate_str(&format!("{so_far}, {left}"), width, "…")).to_string()];
        let mut path: Vec<String> = Vec::new();
        for half in &self.halves {
            let open = critical_path(half, |step| step.left(now)).into_iter().map(|node| &half[node]);
            path.extend(open.filter(|step| !step.left(now).is_zero()).map(|step| step.address.to_string()));
        }
        path.dedup();
        if path.len() > 1 {
            head.push(Style::Faint.of(truncate_str(&format!("  along {}", path.join(" → ")), width, "…")).to_string());
        }
        head
    }

    /// What runs, in the order in which it began.
    fn running(&self, now: Duration) -> Vec<Row> {
        let mut running: Vec<(Duration, Row)> = Vec::new();
        for step in self.halves.iter().flat_map(DiGraph::node_weights) {
            let Stage::Running { since, status } = &step.stage else { continue };
            let spent = now.saturating_sub(*since);
            let usual = if step.usual < BRIEF { String::new() } else { format!(", usually {}", duration(step.usual)) };
            let row = Row {
                sign: SPINNER[usize::try_from(now.as_millis() / SPIN_MILLISECONDS % 10).unwrap_or_default()],
                style: style(step.op),
                word: doing(step.op),
                address: step.address.to_string(),
                // AWS often says no more than that.
                note: if status.eq_ignore_ascii_case(doing(step.op)) { String::new() } else { status.clone() },
                time: format!("{}{usual}", clock(spent)),
                late: step.usual >= BRIEF && spent > step.usual * 2,
            };
            running.push((*since, row));
        }
        running.sort_by_key(|(since, _)| *since);
        running.into_iter().map(|(_, row)| row).collect()
    }

    /// What comes next: it waits for nothing that waits itself. The longest road first.
    fn waiting(&self, now: Duration) -> Vec<Row> {
        let open = |half: &&DiGraph<Step, ()>| half.node_weights().any(|step| step.stage == Stage::Waiting);
        let Some((number, half)) = self.halves.iter().enumerate().find(|(_, half)| open(half)) else { return Vec::new() };
        let road = longest_roads(half, |step| step.left(now));
        let needs = |node: NodeIndex| half.neighbors_directed(node, Incoming).filter(|need| half[*need].stage != Stage::Done);
        let mut next: Vec<NodeIndex> = half
            .node_indices()
            .filter(|node| half[*node].stage == Stage::Waiting && needs(*node).all(|need| half[need].stage != Stage::Waiting))
            .collect();
        next.sort_by_key(|node| std::cmp::Reverse(road[node.index()]));
        let before_pivot = number == 1 && self.halves[0].node_weights().any(Step::is_running);
        let row = |node: NodeIndex| {
            let step = &half[node];
            let mut needed: Vec<NodeIndex> = needs(node).collect();
            needed.sort_by_key(|need| std::cmp::Reverse(half[*need].left(now)));
            let note = match needed.as_slice() {
                _ if before_pivot => "waiting for the pivot".to_owned(),
                [] => "waiting for its turn".to_owned(),
                [need] => format!("waiting for {}", half[*need].address),
                [need, others @ ..] => format!("waiting for {}, and {} more", half[*need].address, others.len()),
            };
            let (address, word) = (step.address.to_string(), imperative(step.op));
            Row { sign: "·", style: Style::Faint, word, address, note, time: String::new(), late: false }
        };
        next.into_iter().map(row).collect()
    }

    fn stage(&mut self, address: &Address, op: Op) -> Option<&mut Stage> {
        let mut steps = self.halves.iter_mut().flat_map(DiGraph::node_weights_mut);
        steps.find(|step| step.op == op && step.address == *address).map(|step| &mut step.stage)
    }

    fn set(&mut self, address: &Address, op: Op, stage: Stage) {
        if let Some(at) = self.stage(address, op) {
            *at = stage;
        }
    }
}

fn graph(ahead: &[Ahead]) -> DiGraph<Step, ()> {
    let mut graph = DiGraph::new();
    for Ahead { address, op, usual_seconds, .. } in ahead {
        let usual = Duration::from_secs(*usual_seconds);
        graph.add_node(Step { address: address.clone(), op: *op, usual, stage: Stage::Waiting });
    }
    for (step, ahead) in ahead.iter().enumerate() {
        for need in &ahead.after {
            graph.add_edge(NodeIndex::new(*need), NodeIndex::new(step), ());
        }
    }
    graph
}

/// One step on the screen.
struct Row {
    sign: &'static str,
    style: Style,
    word: &'static str,
    address: String,
    note: String,
    time: String,
    late: bool,
}

/// How wide the columns of all rows are.
struct Columns {
    all: usize,
    address: usize,
    note: usize,
    time: usize,
}

/// Sign and word, with what is between them.
const WORDS: usize = 14;

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone, width: usize) -> Columns {
        let longest = |of: fn(&Row) -> &str| rows.clone().map(|row| measure_text_width(of(row))).max().unwrap_or_default();
        let address = longest(|row| &row.address).min(width.saturating_sub(WORDS) / 2);
        let time = longest(|row| &row.time);
        Columns { all: width, address, time, note: width.saturating_sub(WORDS + address + 2) }
    }

    fn render(&self, Row { sign, style, word, address, note, time, late }: &Row) -> String {
        let address = pad_str(address, self.address, Alignment::Left, Some("…"));
        let words = format!("  {} {word:<9} {address}", style.of(sign));
        let row = if time.is_empty() {
            format!("{words}  {}", Style::Faint.of(note))
        } else {
            let room = self.note.saturating_sub(self.time + 2);
            let note = if room == 0 { "".into() } else { pad_str(note, room, Alignment::Left, Some("…")) };
            let time = pad_str(time, self.time, Alignment::Right, None);
            format!("{words}  {}  {}", Style::Faint.of(note), if *late { Style::Changed } else { Style::Faint }.of(time))
        };
        truncate_str(&row, self.all, "…").into_owned()
    }
}

fn style(op: Op) -> Style {
    match op {
        Op::Create => Style::Added,
        Op::Update | Op::Forget => Style::Changed,
        Op::Delete => Style::Removed,
    }
}

/// A time that runs: `0:05`, `3:20`, `1:02:05`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests;
