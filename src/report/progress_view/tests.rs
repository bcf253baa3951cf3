use insta::assert_snapshot;

use super::*;
use crate::{engine::journal::RunOutcome, report::progress};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Step from an address, an operation, its typical seconds, and the numbers of the steps it depends on.
fn planned_step((text, op, estimated_seconds, after): (&str, Op, u64, &[usize])) -> PlannedStep {
    PlannedStep { address: address(text), op, estimated_seconds, depends_on: after.to_vec() }
}

const STEPS: [(&str, Op, u64, &[usize]); 8] = [
    ("vpc.main", Op::Create, 2, &[]),
    ("subnet.public-a", Op::Create, 2, &[0]),
    ("elastic_ip.a", Op::Create, 1, &[]),
    ("nat_gateway.a", Op::Create, 120, &[1, 2]),
    ("route_table.private-a", Op::Create, 2, &[3]),
    ("eks_cluster.main", Op::Create, 720, &[1]),
    ("eks_node_group.general", Op::Create, 180, &[4, 5]),
    ("rds_instance.orders", Op::Update, 600, &[]),
];

fn planned_event(undoing: bool) -> Event {
    let clear = ("security_group.old", Op::Delete, 2, [].as_slice());
    Event::Planned { rolling_back: undoing, apply: STEPS.map(planned_step).into(), clean_up: vec![planned_step(clear)] }
}

fn started_view() -> ProgressView {
    let mut state = ProgressView::default();
    let (stack, environment) = ("shop".to_owned(), "production".to_owned());
    state.update(&Event::RunStarted { format: "", command: "apply".to_owned(), stack, environment, revision: 7 }, at(0));
    state.update(&planned_event(false), at(0));
    state
}

fn op(text: &str) -> Op {
    STEPS.iter().find(|step| step.0 == text).map_or(Op::Delete, |step| step.1)
}

fn step_started(state: &mut ProgressView, text: &str, seconds: u64) {
    state.update(&Event::StepStarted { address: address(text), op: op(text), estimated_seconds: 0 }, at(seconds));
}

fn step_done(state: &mut ProgressView, text: &str, seconds: u64) {
    state.update(&Event::StepDone { address: address(text), op: op(text), id: None, milliseconds: 0 }, at(seconds));
}

fn step_status(state: &mut ProgressView, text: &str, status: &str) {
    state.update(&Event::StepWaiting { address: address(text), op: op(text), status: status.to_owned() }, at(0));
}

fn step_failed(state: &mut ProgressView, text: &str, seconds: u64) {
    let (code, message) = ("InvalidParameter".to_owned(), "no".to_owned());
    state.update(&Event::StepFailed { address: address(text), op: op(text), code, message, request_id: None }, at(seconds));
}

/// Frame as text, without colours.
fn render(state: &ProgressView, seconds: u64, width: usize, height: usize) -> String {
    let rows = state.render(at(seconds), width, height);
    let rows: Vec<String> = rows.iter().map(|row| anstream::adapter::strip_str(row).to_string()).collect();
    for row in &rows {
        assert!(measure_text_width(row) <= width, "wider than {width}: {row}");
    }
    assert!(rows.len() < height.max(4), "{} rows of {height}", rows.len());
    rows.join("\n")
}

/// State in which all long steps are running.
fn view_with_running_steps() -> ProgressView {
    let mut state = started_view();
    for text in ["rds_instance.orders", "vpc.main", "elastic_ip.a"] {
        step_started(&mut state, text, 0);
    }
    for text in ["vpc.main", "elastic_ip.a"] {
        step_done(&mut state, text, 2);
    }
    step_started(&mut state, "subnet.public-a", 2);
    step_done(&mut state, "subnet.public-a", 4);
    step_started(&mut state, "eks_cluster.main", 4);
    step_started(&mut state, "nat_gateway.a", 4);
    step_status(&mut state, "nat_gateway.a", "pending");
    step_status(&mut state, "eks_cluster.main", "CREATING");
    step_status(&mut state, "rds_instance.orders", "configuring-enhanced-monitoring");
    state
}

#[test]
fn shows_running_and_waiting_steps() {
    let mut state = ProgressView::default();
    assert_eq!(render(&state, 0, 80, 24), "");
    state = started_view();
    let first = render(&state, 0, 80, 24);
    state = view_with_running_steps();
    let frames = [first, render(&state, 69, 80, 24), render(&state, 400, 80, 24), render(&state, 4000, 60, 24)];
    assert_snapshot!(frames.join("\n━━\n"));
}

#[test]
fn fits_into_the_height_of_the_terminal() {
    let frames = [9, 7, 6, 5, 4].map(|height| render(&view_with_running_steps(), 69, 80, height));
    assert_snapshot!(frames.join("\n━━\n"));
}

#[test]
fn cleanup_waits_for_the_commit_point() {
    let mut state = view_with_running_steps();
    for text in ["rds_instance.orders", "nat_gateway.a", "eks_cluster.main"] {
        step_done(&mut state, text, 700);
    }
    step_started(&mut state, "route_table.private-a", 700);
    step_done(&mut state, "route_table.private-a", 701);
    step_started(&mut state, "eks_node_group.general", 701);
    let waiting = render(&state, 710, 80, 24);
    step_done(&mut state, "eks_node_group.general", 900);
    step_started(&mut state, "security_group.old", 900);
    step_status(&mut state, "security_group.old", "DependencyViolation, retrying");
    let late = render(&state, 905, 80, 24);
    step_done(&mut state, "security_group.old", 910);
    state.update(&Event::RunEnded { outcome: RunOutcome::Done, interrupted: false }, at(911));
    assert_eq!(render(&state, 911, 80, 24), "");
    assert_snapshot!([waiting, late].join("\n━━\n"));
}

#[test]
fn shows_the_rollback_after_a_failure() {
    let mut state = view_with_running_steps();
    step_failed(&mut state, "nat_gateway.a", 60);
    let ending = render(&state, 61, 80, 24);
    state.update(&Event::StepInterrupted { address: address("rds_instance.orders"), op: Op::Update }, at(62));
    state.update(&Event::RollingBack { reason: String::new() }, at(70));
    let reading = render(&state, 71, 80, 24);
    state.update(&planned_event(true), at(72));
    step_started(&mut state, "rds_instance.orders", 72);
    step_failed(&mut state, "rds_instance.orders", 75);
    step_started(&mut state, "eks_cluster.main", 75);
    assert_snapshot!([ending, reading, render(&state, 80, 80, 24)].join("\n━━\n"));
}

#[test]
fn shows_pending_calls_while_stopping() {
    let mut state = view_with_running_steps();
    state.update(&Event::StopRequested, at(10));
    assert_snapshot!(render(&state, 12, 80, 24));
}

#[test]
fn every_op_has_its_verbs() {
    let words = [Op::Create, Op::Update, Op::Prune, Op::Delete, Op::Forget]
        .map(|op| [imperative(op), present_participle(op), progress::past_tense(op)].join(", "));
    assert_eq!(
        words,
        [
            "create, creating, created",
            "change, changing, changed",
            "prune, pruning, pruned",
            "delete, deleting, deleted",
            "forget, forgetting, forgot"
        ]
    );
}
