use insta::assert_snapshot;

use super::*;
use crate::{engine::journal::Outcome, report::progress};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A step by address, what is done, usual seconds, and the numbers of those it waits for.
fn ahead((text, op, usual_seconds, after): (&str, Op, u64, &[usize])) -> Ahead {
    Ahead { address: address(text), op, usual_seconds, after: after.to_vec() }
}

const BUILD: [(&str, Op, u64, &[usize]); 8] = [
    ("vpc.main", Op::Create, 2, &[]),
    ("subnet.public-a", Op::Create, 2, &[0]),
    ("elastic_ip.a", Op::Create, 1, &[]),
    ("nat_gateway.a", Op::Create, 120, &[1, 2]),
    ("route_table.private-a", Op::Create, 2, &[3]),
    ("eks_cluster.main", Op::Create, 720, &[1]),
    ("eks_node_group.general", Op::Create, 180, &[4, 5]),
    ("rds_instance.orders", Op::Update, 600, &[]),
];

fn planned(undoing: bool) -> Event {
    let clear = ("security_group.old", Op::Delete, 2, [].as_slice());
    Event::Planned { undoing, build: BUILD.map(ahead).into(), clear: vec![ahead(clear)] }
}

fn begun() -> State {
    let mut state = State::default();
    let (stack, environment) = ("shop".to_owned(), "production".to_owned());
    state.hear(&Event::Began { format: "", command: "apply".to_owned(), stack, environment, revision: 7 }, at(0));
    state.hear(&planned(false), at(0));
    state
}

fn op(text: &str) -> Op {
    BUILD.iter().find(|step| step.0 == text).map_or(Op::Delete, |step| step.1)
}

fn start(state: &mut State, text: &str, seconds: u64) {
    state.hear(&Event::Started { address: address(text), op: op(text), usual_seconds: 0 }, at(seconds));
}

fn end(state: &mut State, text: &str, seconds: u64) {
    state.hear(&Event::Done { address: address(text), op: op(text), id: None, milliseconds: 0 }, at(seconds));
}

fn settle(state: &mut State, text: &str, status: &str) {
    state.hear(&Event::Settling { address: address(text), op: op(text), status: status.to_owned() }, at(0));
}

fn fail(state: &mut State, text: &str, seconds: u64) {
    let (code, message) = ("InvalidParameter".to_owned(), "no".to_owned());
    state.hear(&Event::Failed { address: address(text), op: op(text), code, message, request_id: None }, at(seconds));
}

/// A frame as it is read, without colours.
fn frame(state: &State, seconds: u64, width: usize, height: usize) -> String {
    let rows = state.frame(at(seconds), width, height);
    let rows: Vec<String> = rows.iter().map(|row| anstream::adapter::strip_str(row).to_string()).collect();
    for row in &rows {
        assert!(measure_text_width(row) <= width, "wider than {width}: {row}");
    }
    assert!(rows.len() < height.max(4), "{} rows of {height}", rows.len());
    rows.join("\n")
}

/// Everything that takes long is under way.
fn under_way() -> State {
    let mut state = begun();
    for text in ["rds_instance.orders", "vpc.main", "elastic_ip.a"] {
        start(&mut state, text, 0);
    }
    for text in ["vpc.main", "elastic_ip.a"] {
        end(&mut state, text, 2);
    }
    start(&mut state, "subnet.public-a", 2);
    end(&mut state, "subnet.public-a", 4);
    start(&mut state, "eks_cluster.main", 4);
    start(&mut state, "nat_gateway.a", 4);
    settle(&mut state, "nat_gateway.a", "pending");
    settle(&mut state, "eks_cluster.main", "CREATING");
    settle(&mut state, "rds_instance.orders", "configuring-enhanced-monitoring");
    state
}

#[test]
fn what_runs_and_what_waits() {
    let mut state = State::default();
    assert_eq!(frame(&state, 0, 80, 24), "");
    state = begun();
    let first = frame(&state, 0, 80, 24);
    state = under_way();
    let frames = [first, frame(&state, 69, 80, 24), frame(&state, 400, 80, 24), frame(&state, 4000, 60, 24)];
    assert_snapshot!(frames.join("\n━━\n"));
}

#[test]
fn the_terminal_s_height_is_kept() {
    let frames = [9, 7, 6, 5, 4].map(|height| frame(&under_way(), 69, 80, height));
    assert_snapshot!(frames.join("\n━━\n"));
}

#[test]
fn the_last_ones_wait_for_the_pivot() {
    let mut state = under_way();
    for text in ["rds_instance.orders", "nat_gateway.a", "eks_cluster.main"] {
        end(&mut state, text, 700);
    }
    start(&mut state, "route_table.private-a", 700);
    end(&mut state, "route_table.private-a", 701);
    start(&mut state, "eks_node_group.general", 701);
    let waiting = frame(&state, 710, 80, 24);
    end(&mut state, "eks_node_group.general", 900);
    start(&mut state, "security_group.old", 900);
    settle(&mut state, "security_group.old", "DependencyViolation, trying again");
    let late = frame(&state, 905, 80, 24);
    end(&mut state, "security_group.old", 910);
    state.hear(&Event::Ended { outcome: Outcome::Done, interrupted: false }, at(911));
    assert_eq!(frame(&state, 911, 80, 24), "");
    assert_snapshot!([waiting, late].join("\n━━\n"));
}

#[test]
fn after_a_failure_it_goes_back() {
    let mut state = under_way();
    fail(&mut state, "nat_gateway.a", 60);
    let ending = frame(&state, 61, 80, 24);
    state.hear(&Event::Cut { address: address("rds_instance.orders"), op: Op::Update }, at(62));
    state.hear(&Event::RollingBack { why: String::new() }, at(70));
    let reading = frame(&state, 71, 80, 24);
    state.hear(&planned(true), at(72));
    start(&mut state, "rds_instance.orders", 72);
    fail(&mut state, "rds_instance.orders", 75);
    start(&mut state, "eks_cluster.main", 75);
    assert_snapshot!([ending, reading, frame(&state, 80, 80, 24)].join("\n━━\n"));
}

#[test]
fn who_asks_to_stop_sees_what_is_still_out() {
    let mut state = under_way();
    state.hear(&Event::Stopping, at(10));
    assert_snapshot!(frame(&state, 12, 80, 24));
}

#[test]
fn every_op_has_its_words() {
    let words = [Op::Create, Op::Update, Op::Delete, Op::Forget].map(|op| [imperative(op), doing(op), progress::done(op)].join(", "));
    assert_eq!(
        words,
        ["create, creating, created", "change, changing, changed", "delete, deleting, deleted", "give up, giving up, gave up"]
    );
}
