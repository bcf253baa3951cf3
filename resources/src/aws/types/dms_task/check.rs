//! Rules of tasks.

use super::{
    super::{dms_endpoint::DmsEndpoint, prelude::*},
    DmsTask,
};
use crate::core::Pointer;

/// Settings that AWS writes itself, and refuses in a call.
const READ_ONLY: &[&str] = &["CloudWatchLogGroup", "CloudWatchLogStream"];

pub(super) fn check(task: &DmsTask) -> Vec<Problem> {
    let at = DmsTask::POINTERS;
    let mut problems = Vec::new();
    let rules = task.mappings.value().get("rules").and_then(|rules| rules.as_array());
    let selects = |rule: &serde_json::Value| rule["rule-type"] == "selection";
    if !rules.is_some_and(|rules| rules.iter().any(selects)) {
        let problem = Problem::new(at.mappings, "mappings have a rule that selects tables");
        let rule = "{ rule-type: selection, rule-id: \"1\", rule-name: all, object-locator: { schema-name: public, table-name: \"%\" }, rule-action: include }";
        problems.push(problem.help(format!("write `rules: [{rule}]`")));
    }
    for key in READ_ONLY.iter().filter(|key| task.settings.value().pointer(&format!("/Logging/{key}")).is_some()) {
        problems.push(Problem::new(at.settings.clone(), format!("`{key}` is set by AWS")).help("remove it from `Logging`"));
    }
    let is_full_load = task.kind == "full-load";
    let changes = |is_set: bool, at: Pointer| {
        let problem = || Problem::new(at, "a task of the type `full-load` reads no changes").help("remove it, or use another type");
        (is_set && is_full_load).then(problem)
    };
    problems.extend(changes(task.start_position.is_some(), at.start_position));
    problems.extend(changes(task.stop_position.is_some(), at.stop_position));
    if task.source == task.target {
        problems.push(Problem::new(at.target, "source and target are the same endpoint"));
    }
    problems
}

/// Endpoints have the type that the task needs.
pub(super) fn check_declared(declared: &Declared<'_, DmsTask>) -> Vec<Problem> {
    let Some(task) = declared.spec() else { return Vec::new() };
    let wrong = |at: Pointer, reference: &Ref<DmsEndpoint>, kind: &str| {
        let (address, endpoint) = declared.referenced(reference)?;
        let message = format!("`{address}` is a {}, not a {kind}", endpoint.kind);
        (endpoint.kind != kind).then(|| Problem::new(at, message).help(format!("use an endpoint with `type: {kind}`")))
    };
    let at = DmsTask::POINTERS;
    [wrong(at.source, &task.source, "source"), wrong(at.target, &task.target, "target")].into_iter().flatten().collect()
}
