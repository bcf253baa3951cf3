//! Live view of a run on a terminal: running steps, next steps, and the estimated remaining time.
//!
//! A pure function of the events so far, the time and the size of the terminal; `progress` draws it.

use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use petgraph::{
    Direction::Incoming,
    graph::{DiGraph, NodeIndex},
};

use super::{
    Style, format_duration,
    progress::{imperative, present_participle},
};
use crate::{
    core::{Address, printable_line},
    engine::{
        execute::{Event, PlannedStep},
        plan::{Op, critical_path, remaining_paths},
    },
};

/// State of a run, built from its events.
#[derive(Debug, Default)]
pub struct ProgressView {
    /// Verb for the heading; empty if no run is in progress.
    activity: &'static str,
    stack: String,
    started_at: Duration,
    /// Steps before the point of no return, and after it.
    phases: [DiGraph<StepProgress, ()>; 2],
    /// No more steps are started, because the user interrupted the run or a step failed.
    stopping: bool,
    rolling_back: bool,
    /// Whether the run is on the simulated cloud.
    is_simulated: bool,
}

#[derive(Debug)]
struct StepProgress {
    address: Address,
    op: Op,
    typical_duration: Duration,
    state: StepState,
}

#[derive(Clone, Debug, PartialEq)]
enum StepState {
    Waiting,
    Running { since: Duration, status: String },
    Done,
    Failed,
}

impl StepProgress {
    /// Rest of its typical duration.
    fn remaining(&self, now: Duration) -> Duration {
        match self.state {
            StepState::Waiting => self.typical_duration,
            StepState::Running { since, .. } => self.typical_duration.saturating_sub(now.saturating_sub(since)),
            StepState::Done | StepState::Failed => Duration::ZERO,
        }
    }
    fn is_running(&self) -> bool {
        matches!(self.state, StepState::Running { .. })
    }
}

/// Number of next steps to show.
const MAX_WAITING_ROWS: usize = 3;
/// Typical durations below this are not shown.
const MIN_SHOWN_DURATION: Duration = Duration::from_secs(20);
const SPINNER_FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPINNER_INTERVAL_MILLISECONDS: u128 = 100;

impl ProgressView {
    /// View of a run, in the simulated cloud or in AWS.
    pub fn new(is_simulated: bool) -> ProgressView {
        ProgressView { is_simulated, ..ProgressView::default() }
    }

    /// Updates the state with an event and its time.
    pub fn update(&mut self, event: &Event, now: Duration) {
        match event {
            Event::RunStarted { command, stack, environment, .. } => {
                self.activity = match command.as_str() {
                    "destroy" => "Destroying",
                    "rollback" => "Rolling back",
                    "forget" => "Forgetting",
                    _ => "Applying",
                };
                self.stack = format!("{stack} ({environment}){}", if self.is_simulated { ", simulated cloud" } else { "" });
                self.started_at = now;
            }
            Event::RollingBack { .. } => {
                self.activity = "Rolling back";
                self.phases = Default::default();
                self.started_at = now;
            }
            Event::Planned { rolling_back: undoing, apply: build, clean_up: clear } => {
                self.phases = [build_graph(build), build_graph(clear)];
                self.rolling_back = *undoing;
                self.stopping = false;
            }
            Event::StepStarted { address, op, .. } => {
                let running = StepState::Running { since: now, status: String::new() };
                // An update may have several steps, one after the other.
                if let Some(state) = self.find_step_state(address, *op, |state| *state == StepState::Waiting) {
                    *state = running;
                }
            }
            Event::StepWaiting { address, op, status } => {
                if let Some(StepState::Running { status: shown, .. }) = self.step_state_mut(address, *op) {
                    *shown = printable_line(status).into_owned();
                }
            }
            Event::ActionNeeded { address, op, .. } => {
                if let Some(StepState::Running { status: shown, .. }) = self.step_state_mut(address, *op) {
                    "waits for a person".clone_into(shown);
                }
            }
            Event::StepDone { address, op, .. } => self.set_step_state(address, *op, StepState::Done),
            Event::StepFailed { address, op, .. } => {
                self.set_step_state(address, *op, StepState::Failed);
                // After the point of no return, the other steps continue.
                let failed_before_commit = self.phases[0].node_weights().any(|step| step.state == StepState::Failed);
                self.stopping |= failed_before_commit && !self.rolling_back;
            }
            Event::StepSuspended { address, op, .. } | Event::StepInterrupted { address, op } => {
                self.set_step_state(address, *op, StepState::Failed)
            }
            Event::StopRequested => self.stopping = !self.rolling_back,
            Event::NotRestored { .. } | Event::RunNotRecorded { .. } => {}
            Event::RunEnded { .. } => self.activity = "",
        }
    }

    /// Rows that fit into a terminal of this size; none if no run is in progress.
    pub fn render(&self, now: Duration, width: usize, height: usize) -> Vec<String> {
        let steps = || self.phases.iter().flat_map(DiGraph::node_weights);
        if self.activity.is_empty() {
            return Vec::new();
        }
        if steps().count() == 0 {
            return vec![Style::Heading.paint(format!("{} {}: reading live state", self.activity, self.stack)).to_string()];
        }
        let mut rows = self.header_rows(now, width);
        let waiting = if self.stopping { Vec::new() } else { self.waiting_rows(now) };
        let waiting_in_all = if self.stopping { 0 } else { steps().filter(|step| step.state == StepState::Waiting).count() };
        let room = height.saturating_sub(rows.len() + 1);
        let mut running = self.running_rows(now);
        let kept = if running.len() > room { room.saturating_sub(1) } else { running.len() };
        let unshown = running.len() - kept;
        running.truncate(kept);
        let room = room - kept - usize::from(unshown > 0);
        // One row may be needed for the number of further steps.
        let next = if waiting_in_all <= room.min(MAX_WAITING_ROWS) { waiting_in_all } else { MAX_WAITING_ROWS.min(room.saturating_sub(1)) }
            .min(waiting.len());
        let columns = Columns::of(running.iter().chain(&waiting[..next]), width);
        rows.extend(running.iter().map(|row| columns.render(row)));
        if unshown > 0 {
            rows.push(Style::Faint.paint(format!("    and {unshown} more")).to_string());
        }
        rows.extend(waiting[..next].iter().map(|row| columns.render(row)));
        if waiting_in_all > next && room > next {
            rows.push(Style::Faint.paint(format!("    and {} more steps", waiting_in_all - next)).to_string());
        }
        rows
    }

    /// Progress, and the remaining critical path.
    fn header_rows(&self, now: Duration, width: usize) -> Vec<String> {
        let steps = || self.phases.iter().flat_map(DiGraph::node_weights);
        let done = steps().filter(|step| step.state == StepState::Done).count();
        let elapsed = format_clock(now.saturating_sub(self.started_at));
        let so_far = format!("{} {}: {done} of {} done in {elapsed}", self.activity, self.stack, steps().count());
        if self.stopping {
            let text = format!("{so_far}, finishing {}", steps().filter(|step| step.is_running()).count());
            return vec![Style::Heading.paint(truncate_str(&text, width, "…")).to_string()];
        }
        let remaining: Duration =
            self.phases.iter().map(|half| remaining_paths(half, |step| step.remaining(now)).into_iter().max().unwrap_or_default()).sum();
        let left = if remaining.is_zero() { "almost done".to_owned() } else { format!("about {} left", format_duration(remaining)) };
        let mut head = vec![Style::Heading.paint(truncate_str(&format!("{so_far}, {left}"), width, "…")).to_string()];
        let mut path: Vec<String> = Vec::new();
        for half in &self.phases {
            let unfinished = critical_path(half, |step| step.remaining(now)).into_iter().map(|node| &half[node]);
            path.extend(unfinished.filter(|step| !step.remaining(now).is_zero()).map(|step| step.address.to_string()));
        }
        path.dedup();
        if path.len() > 1 {
            head.push(Style::Faint.paint(truncate_str(&format!("  critical path: {}", path.join(" → ")), width, "…")).to_string());
        }
        head
    }

    /// Running steps, in the order of their start.
    fn running_rows(&self, now: Duration) -> Vec<Row> {
        let mut running: Vec<(Duration, Row)> = Vec::new();
        for step in self.phases.iter().flat_map(DiGraph::node_weights) {
            let StepState::Running { since, status } = &step.state else { continue };
            let spent = now.saturating_sub(*since);
            let usual = if step.typical_duration < MIN_SHOWN_DURATION {
                String::new()
            } else {
                format!(", usually {}", format_duration(step.typical_duration))
            };
            let row = Row {
                symbol: SPINNER_FRAMES[usize::try_from(now.as_millis() / SPINNER_INTERVAL_MILLISECONDS % 10).unwrap_or_default()],
                style: op_style(step.op),
                verb: present_participle(step.op),
                address: step.address.to_string(),
                // AWS often reports only this.
                note: if status.eq_ignore_ascii_case(present_participle(step.op)) { String::new() } else { status.clone() },
                time: format!("{}{usual}", format_clock(spent)),
                is_overdue: step.typical_duration >= MIN_SHOWN_DURATION && spent > step.typical_duration * 2,
            };
            running.push((*since, row));
        }
        running.sort_by_key(|(since, _)| *since);
        running.into_iter().map(|(_, row)| row).collect()
    }

    /// Next steps: those whose dependencies are all done or running. The longest remaining path first.
    fn waiting_rows(&self, now: Duration) -> Vec<Row> {
        let has_waiting_steps = |half: &&DiGraph<StepProgress, ()>| half.node_weights().any(|step| step.state == StepState::Waiting);
        let Some((number, half)) = self.phases.iter().enumerate().find(|(_, half)| has_waiting_steps(half)) else { return Vec::new() };
        let remaining_path = remaining_paths(half, |step| step.remaining(now));
        let unfinished_dependencies =
            |node: NodeIndex| half.neighbors_directed(node, Incoming).filter(|need| half[*need].state != StepState::Done);
        let mut next: Vec<NodeIndex> = half
            .node_indices()
            .filter(|node| {
                half[*node].state == StepState::Waiting && unfinished_dependencies(*node).all(|need| half[need].state != StepState::Waiting)
            })
            .collect();
        next.sort_by_key(|node| std::cmp::Reverse(remaining_path[node.index()]));
        let waits_for_commit_point = number == 1 && self.phases[0].node_weights().any(StepProgress::is_running);
        let row = |node: NodeIndex| {
            let step = &half[node];
            let mut blockers: Vec<NodeIndex> = unfinished_dependencies(node).collect();
            blockers.sort_by_key(|need| std::cmp::Reverse(half[*need].remaining(now)));
            let note = match blockers.as_slice() {
                _ if waits_for_commit_point => "waiting for the point of no return".to_owned(),
                [] => "waiting for its turn".to_owned(),
                [need] => format!("waiting for {}", half[*need].address),
                [need, others @ ..] => format!("waiting for {}, and {} more", half[*need].address, others.len()),
            };
            let (address, word) = (step.address.to_string(), imperative(step.op));
            Row { symbol: "·", style: Style::Faint, verb: word, address, note, time: String::new(), is_overdue: false }
        };
        next.into_iter().map(row).collect()
    }

    /// State of a step, the one that runs if there are several.
    fn step_state_mut(&mut self, address: &Address, op: Op) -> Option<&mut StepState> {
        self.find_step_state(address, op, |state| matches!(state, StepState::Running { .. }))
    }

    /// State of the first step for which this holds, or else of the first one.
    fn find_step_state(&mut self, address: &Address, op: Op, is_wanted: impl Fn(&StepState) -> bool) -> Option<&mut StepState> {
        let steps = self.phases.iter_mut().flat_map(DiGraph::node_weights_mut);
        let mut states: Vec<_> = steps.filter(|step| step.op == op && step.address == *address).map(|step| &mut step.state).collect();
        let at = states.iter().position(|state| is_wanted(state)).unwrap_or(0);
        (at < states.len()).then(|| states.swap_remove(at))
    }

    fn set_step_state(&mut self, address: &Address, op: Op, stage: StepState) {
        if let Some(at) = self.step_state_mut(address, op) {
            *at = stage;
        }
    }
}

fn build_graph(ahead: &[PlannedStep]) -> DiGraph<StepProgress, ()> {
    let mut graph = DiGraph::new();
    for PlannedStep { address, op, estimated_seconds, .. } in ahead {
        let usual = Duration::from_secs(*estimated_seconds);
        graph.add_node(StepProgress { address: address.clone(), op: *op, typical_duration: usual, state: StepState::Waiting });
    }
    for (step, ahead) in ahead.iter().enumerate() {
        for need in &ahead.depends_on {
            graph.add_edge(NodeIndex::new(*need), NodeIndex::new(step), ());
        }
    }
    graph
}

/// Row of one step.
struct Row {
    symbol: &'static str,
    style: Style,
    verb: &'static str,
    address: String,
    note: String,
    time: String,
    is_overdue: bool,
}

/// Column widths of all rows.
struct Columns {
    width: usize,
    address: usize,
    note: usize,
    time: usize,
}

/// Sign and word of a step, with the columns between them.
const PREFIX_WIDTH: usize = 14;

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone, width: usize) -> Columns {
        let longest = |text: fn(&Row) -> &str| rows.clone().map(|row| measure_text_width(text(row))).max().unwrap_or_default();
        let address = longest(|row| &row.address).min(width.saturating_sub(PREFIX_WIDTH) / 2);
        let time = longest(|row| &row.time);
        Columns { width, address, time, note: width.saturating_sub(PREFIX_WIDTH + address + 2) }
    }

    fn render(&self, Row { symbol: sign, style, verb: word, address, note, time, is_overdue: late }: &Row) -> String {
        let address = pad_str(address, self.address, Alignment::Left, Some("…"));
        let words = format!("  {} {word:<9} {address}", style.paint(sign));
        let row = if time.is_empty() {
            format!("{words}  {}", Style::Faint.paint(note))
        } else {
            let room = self.note.saturating_sub(self.time + 2);
            let note = if room == 0 { "".into() } else { pad_str(note, room, Alignment::Left, Some("…")) };
            let time = pad_str(time, self.time, Alignment::Right, None);
            format!("{words}  {}  {}", Style::Faint.paint(note), if *late { Style::Changed } else { Style::Faint }.paint(time))
        };
        truncate_str(&row, self.width, "…").into_owned()
    }
}

fn op_style(op: Op) -> Style {
    match op {
        Op::Create => Style::Added,
        Op::Update | Op::Attach | Op::Prune | Op::Detach | Op::Forget => Style::Changed,
        Op::Delete => Style::Removed,
    }
}

/// Elapsed time: `0:05`, `3:20`, `1:02:05`.
fn format_clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests;
