//! Procedures: their steps, gates, events and states.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{AddressNames, Place, Style, format_duration, plan, time};
use crate::{
    core::printable_line,
    engine::{
        plan::{Action, Change, FieldDiff, Plan},
        procedure_record::{ProcedureName, ProcedurePhase, ProcedureRecord, ProcedureState},
    },
    procedures::{
        events::ProcedureEvent,
        gates::{GateState, GatesReport},
    },
};

/// A step of a procedure that has not started.
pub struct PlannedStep {
    /// Label: `cutover: step 2 of 4`.
    pub label: String,
    /// Values of the step, by name.
    pub values: BTreeMap<String, Value>,
    /// Plan from the present state to the values of the step.
    pub plan: Plan,
}

impl PlannedStep {
    /// Changes of this step after those of the one before it.
    fn changes_after(&self, earlier: Option<&PlannedStep>) -> Vec<Change> {
        let before: BTreeMap<_, _> = earlier.iter().flat_map(|step| &step.plan.changes).map(|change| (&change.address, change)).collect();
        let changes = self.plan.changes.iter().filter(|change| change.action != Action::None);
        let left = changes.filter_map(|change| match before.get(&change.address).filter(|earlier| earlier.action != Action::None) {
            None => Some(change.clone()),
            Some(earlier) => {
                let fields: Vec<FieldDiff> = change.fields.iter().filter_map(|field| field_after(field, earlier)).collect();
                let is_same = fields.is_empty() && (change.action, &change.tags) == (earlier.action, &earlier.tags);
                let action =
                    if change.action == earlier.action && change.action != Action::Delete { Action::Update } else { change.action };
                (!is_same).then(|| Change { fields, action, ..change.clone() })
            }
        });
        left.collect()
    }
}

/// A field that differs from its value after an earlier change.
fn field_after(field: &FieldDiff, earlier: &Change) -> Option<FieldDiff> {
    match earlier.fields.iter().find(|other| other.pointer == field.pointer) {
        Some(other) if other.after == field.after => None,
        Some(other) => Some(FieldDiff { before: other.after.clone(), ..field.clone() }),
        None => Some(field.clone()),
    }
}

/// Renders the steps of a procedure with their changes, and the gates as they are now.
pub fn render_steps(steps: &[PlannedStep], gates: &[(&str, GatesReport)], bake: Duration) -> String {
    let mut out = String::new();
    if let Some(first) = steps.first() {
        let Plan { stack, environment, region, account, .. } = &first.plan;
        let place = Place { region, account, is_simulated: first.plan.is_simulated };
        out.push_str(&format!("{}\n", place.title(stack, environment)));
    }
    for (number, step) in steps.iter().enumerate() {
        out.push_str(&format!("{}\n", step_title(&step.label, &step.values)));
        let changes = step.changes_after(number.checked_sub(1).and_then(|earlier| steps.get(earlier)));
        match changes.is_empty() {
            true => out.push_str("  no changes\n"),
            false => out.push_str(&plan::render_changes(&changes, &AddressNames::from_plan(&step.plan))),
        }
        for obstacle in &step.plan.obstacles {
            out.push_str(&format!(
                "{} {}.\n  help: {}\n",
                Style::Removed.paint(format!("Blocked[{}]:", obstacle.code)),
                obstacle.message,
                obstacle.help
            ));
        }
    }
    for (title, report) in gates.iter().filter(|(_, report)| !report.results.is_empty()) {
        let bake = if *title == AFTER_EACH_STEP && !bake.is_zero() { format!(", for {}", format_duration(bake)) } else { String::new() };
        out.push_str(&format!("{}\n{}", Style::Heading.paint(format!("Gates {title}{bake}, as they are now:")), render_gates(report)));
    }
    out
}

/// Title of the gates after each step.
pub const AFTER_EACH_STEP: &str = "after each step";

/// Steps and gates in the format `acme-procedure-plan/1`.
pub fn steps_json(steps: &[PlannedStep], gates: &[(&str, GatesReport)]) -> Value {
    let step = |(number, step): (usize, &PlannedStep)| {
        json!({
            "procedure": step.label,
            "values": step.values,
            "changes": step.changes_after(number.checked_sub(1).and_then(|earlier| steps.get(earlier))),
            "obstacles": step.plan.obstacles,
        })
    };
    let gates: Vec<Value> = gates.iter().map(|(title, report)| json!({ "when": title, "gates": report })).collect();
    let first = steps.first().map(|step| &step.plan);
    json!({
        "format": "acme-procedure-plan/1",
        "stack": first.map(|plan| &plan.stack),
        "environment": first.map(|plan| &plan.environment),
        "steps": steps.iter().enumerate().map(step).collect::<Vec<_>>(),
        "gates": gates,
    })
}

/// Renders gates, one per line.
pub fn render_gates(report: &GatesReport) -> String {
    let line = |gate: &str, state: &GateState| {
        let (word, style, reason) = match state {
            GateState::Open => ("open", Style::Added, None),
            GateState::Closed(reason) => ("closed", Style::Removed, Some(reason)),
            GateState::NotChecked(reason) => ("not checked", Style::Changed, Some(reason)),
        };
        let reason = reason.map(|reason| format!(": {}", printable_line(reason))).unwrap_or_default();
        format!(
            "  {:<12}{}{reason}\n",
            style.paint(word).to_string() + &" ".repeat(12_usize.saturating_sub(word.len() + 1)),
            printable_line(gate)
        )
    };
    report.results.iter().map(|result| line(&result.gate, &result.state)).collect()
}

/// Renders an event; `None` for one that is only for programs.
pub fn render_event(event: &ProcedureEvent) -> Option<String> {
    Some(match event {
        ProcedureEvent::ProcedureStep { procedure, values } => step_title(procedure, values),
        ProcedureEvent::GatesChecked { procedure, gates, left_seconds } => {
            let rest = match left_seconds {
                0 => String::new(),
                left if gates.is_open() => format!("They must stay open for {}.", format_duration(Duration::from_secs(*left))),
                _ => String::new(),
            };
            format!("Gates of {procedure}:\n{}{rest}", render_gates(gates)).trim_end().to_owned()
        }
        ProcedureEvent::Returning { reason, .. } => format!("{} {}", Style::Changed.paint("Returning:"), printable_line(reason)),
        ProcedureEvent::ProcedureEnded { .. } => return None,
    })
}

fn step_title(label: &str, values: &BTreeMap<String, Value>) -> String {
    Style::Heading.paint(format!("{label}: {}", shown_values(values))).to_string()
}

/// Values as `name = value`.
pub fn shown_values(values: &BTreeMap<String, Value>) -> String {
    let shown = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{} = {}", printable_line(name), printable_line(&value))
    };
    values.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Renders how far a procedure is; `steps` are those of a cut-over.
pub fn render_status(name: ProcedureName, state: &ProcedureState, step: Option<&str>) -> String {
    let word = match state.phase {
        ProcedurePhase::Stepping => "under way",
        ProcedurePhase::Finished => "finished",
        ProcedurePhase::Decommissioned => "finished, old platform deleted",
        ProcedurePhase::Returning => "going back",
        ProcedurePhase::FailingBack => "failing back",
    };
    let label = step.map_or_else(|| name.command().to_owned(), str::to_owned);
    format!(
        "{}: {word}\n  values   {}\n  before   {}\n  started  {}\n  changed  {} by {}\n",
        Style::Heading.paint(label),
        shown_values(&state.values),
        shown_values(&state.before),
        time::local(state.started_at),
        time::local(state.changed_at),
        printable_line(&state.actor)
    )
}

/// States of the procedures in the format `acme-procedure-status/1`.
pub fn status_json(stack: &str, environment: &str, record: &ProcedureRecord) -> Value {
    let state = |state: &ProcedureState| {
        json!({
            "phase": state.phase,
            "values": state.values,
            "before": state.before,
            "started_at": time::utc(state.started_at),
            "changed_at": time::utc(state.changed_at),
            "actor": state.actor,
        })
    };
    let procedures: serde_json::Map<String, Value> =
        record.procedures.iter().map(|(name, one)| (name.command().to_owned(), state(one))).collect();
    json!({ "format": "acme-procedure-status/1", "stack": stack, "environment": environment, "procedures": procedures })
}
