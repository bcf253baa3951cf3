//! Results of a rehearsal, as text and as JSON in the format `acme-rehearsal/2`.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::Style;
use crate::engine::{
    plan::{Action, Plan},
    rehearse::{CaseFailure, Difference, Fault, Recovery, RehearsalReport, Tally},
};

/// Number of failures in the text; JSON has all.
const MAX_SHOWN_FAILURES: usize = 12;

/// Renders the report within 80 columns.
pub fn render(plan: &Plan, report: &RehearsalReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut out, plan, report);
    out
}

fn write_report(out: &mut String, plan: &Plan, report: &RehearsalReport) -> fmt::Result {
    let calls = if report.calls == 1 { "1 mutating call".into() } else { format!("{} mutating calls", report.calls) };
    let title = format!("{} ({}) in {}: {calls}", plan.stack, plan.environment, plan.region);
    writeln!(out, "{}", Style::Heading.paint(title))?;
    writeln!(out, "  {:<38} Ends as expected", "Failure, and the next command")?;
    for tally in &report.tallies {
        let (all, passed) = (tally.cases, tally.passed());
        let style = if passed == all { Style::Added } else { Style::Removed };
        let what = describe_case(tally.fault, tally.recovery);
        writeln!(out, "  {what:<38} {}  {}", style.paint(format!("{passed:>4} of {all:<4}")), Style::Faint.paint(outcome_counts(tally)))?;
    }
    let recreated: usize = report.tallies.iter().map(|tally| tally.recreated).sum();
    if recreated > 0 {
        writeln!(out, "In {recreated} of them, recreated resources have new ids; nothing is missing.")?;
    }
    let irreversible: Vec<_> = irreversible(plan).collect();
    if !irreversible.is_empty() {
        writeln!(out, "{}", Style::Removed.paint("Cannot be undone:"))?;
    }
    for (address, what) in irreversible {
        writeln!(out, "  {address}: {what}")?;
    }
    for failure in report.failures.iter().take(MAX_SHOWN_FAILURES) {
        write_failure(out, failure)?;
    }
    if let Some(more) = report.failures.len().checked_sub(MAX_SHOWN_FAILURES).filter(|more| *more > 0) {
        writeln!(out, "and {more} more; `-o json` lists all of them.")?;
    }
    Ok(())
}

/// Outcomes of the cases in one row.
fn outcome_counts(tally: &Tally) -> String {
    match (tally.completed, tally.rolled_back) {
        (0, 0) => String::new(),
        (_, 0) => "done".to_owned(),
        (0, _) => "rolled back".to_owned(),
        (forward, back) => format!("{back} rolled back, {forward} done"),
    }
}

fn describe_case(fault: Fault, then: Option<Recovery>) -> String {
    let fault = match fault {
        Fault::None => "nothing",
        Fault::Rejected => "the call is rejected",
        Fault::ResponseLost => "its response is lost",
        Fault::CrashedBefore => "acme crashes before it",
        Fault::CrashedAfter => "acme crashes after it",
        Fault::Stuck => "call and rollback rejected",
    };
    match then {
        None => fault.to_owned(),
        Some(Recovery::Apply) => format!("{fault}; `apply`"),
        Some(Recovery::Rollback) => format!("{fault}; `rollback`"),
    }
}

fn write_failure(out: &mut String, failure: &CaseFailure) -> fmt::Result {
    let what = describe_case(failure.fault, failure.recovery);
    match (failure.action, &failure.address) {
        (Some(action), Some(address)) => {
            writeln!(out, "{} {action} {address} (call {}): {what}", Style::Removed.paint("Failed:"), failure.call)?;
        }
        _ if failure.fault == Fault::None => writeln!(out, "{} without a failure", Style::Removed.paint("Failed:"))?,
        _ => writeln!(out, "{} call {} was never made: {what}", Style::Removed.paint("Failed:"), failure.call)?,
    }
    writeln!(out, "  {}", failure.reason)?;
    for left in failure.differences.iter().take(MAX_SHOWN_FAILURES) {
        match left {
            Difference::LeftOver { resource, id } => writeln!(out, "  left over: {resource} ({id})")?,
            Difference::Missing { resource } => writeln!(out, "  missing: {resource}")?,
            Difference::Differs { resource, pointers: at } => {
                let fields: Vec<String> = at.iter().map(|at| at.trim_start_matches('/').replace('/', ".")).collect();
                writeln!(out, "  differs: {resource}, in {}", fields.join(", "))?;
            }
        }
    }
    if let Some(more) = failure.differences.len().checked_sub(MAX_SHOWN_FAILURES).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more")?;
    }
    Ok(())
}

/// Changes the plan cannot undo.
fn irreversible(plan: &Plan) -> impl Iterator<Item = (String, &str)> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::None);
    changes.filter_map(|change| Some((change.address.to_string(), change.irreversible.as_deref()?)))
}

/// Report as JSON.
pub fn json(plan: &Plan, report: &RehearsalReport) -> Value {
    let mode = |tally: &Tally| {
        json!({
            "fault": tally.fault,
            "recovery": tally.recovery,
            "cases": tally.cases,
            "passed": tally.passed(),
            "completed": tally.completed,
            "rolled_back": tally.rolled_back,
            "recreated": tally.recreated,
        })
    };
    json!({
        "format": "acme-rehearsal/2",
        "stack": plan.stack,
        "environment": plan.environment,
        "region": plan.region,
        "account": plan.account,
        "summary": plan.summary(),
        "calls": report.calls,
        "passed": report.failures.is_empty(),
        "modes": report.tallies.iter().map(mode).collect::<Vec<_>>(),
        "failures": report.failures,
        "irreversible": irreversible(plan).map(|(address, what)| json!({ "address": address, "what": what })).collect::<Vec<_>>(),
    })
}
