//! Rules of event rules.

use serde_json::Value;

use super::{
    super::{iam_role::check_trust, prelude::*},
    EventRule, InputTransformer, Target, target,
};
use crate::core::Pointer;

pub(super) fn check(rule: &EventRule) -> Vec<Problem> {
    let mut problems = Vec::new();
    if rule.pattern.is_empty() && rule.schedule.is_empty() {
        problems.push(Problem::new(Pointer::ROOT, "a rule needs a pattern or a schedule").help("set `pattern: …` or `schedule: …`"));
    }
    if !rule.schedule.is_empty() && rule.bus != EventRule::default_bus() {
        problems.push(Problem::new(EventRule::POINTERS.schedule, "only rules of the default bus have a schedule").help("remove `bus`"));
    }
    if let Some(key) = wrong_pattern(rule.pattern.value()) {
        let problem = Problem::new(EventRule::POINTERS.pattern, format!("the value of `{key}` is not a list"));
        problems.push(problem.help(format!("write `{key}: [value]`")));
    }
    for (id, target) in &rule.targets {
        let at = EventRule::POINTERS.targets.item(id);
        if !target::is_id(id) {
            problems.push(Problem::new(at.clone(), "is not a valid id: use at most 64 letters, digits and `.`, `_`, `-`"));
        }
        problems.extend(
            check_target(target).into_iter().map(|problem| Problem { pointer: format!("{}{}", at.as_str(), problem.pointer), ..problem }),
        );
    }
    problems
}

/// Key of a pattern whose value is neither a list nor a pattern.
fn wrong_pattern(pattern: &Value) -> Option<&str> {
    pattern.as_object()?.iter().find_map(|(key, value)| match value {
        Value::Array(_) => None,
        Value::Object(_) => wrong_pattern(value),
        _ => Some(key.as_str()),
    })
}

fn check_target(target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_unknown = |text: &str| text.contains("${");
    if !target.input.is_empty() && !is_unknown(&target.input) && serde_json::from_str::<Value>(&target.input).is_err() {
        problems.push(Problem::new(Target::POINTERS.input, "is not JSON").help("a text is in quotes: `'\"text\"'`"));
    }
    if !target.input_path.is_empty() && !target.input_path.starts_with('$') {
        problems.push(Problem::new(Target::POINTERS.input_path, "a path begins with `$`").help("use a path such as `$.detail`"));
    }
    let paths = target.input_transformer.iter().flat_map(|transformer| &transformer.paths).filter(|(_, path)| !path.starts_with('$'));
    problems.extend(paths.map(|(name, _)| {
        let at = Target::POINTERS.input_transformer.field(InputTransformer::POINTERS.paths).item(name);
        Problem::new(at, "a path begins with `$`").help("use a path such as `$.detail`")
    }));
    if is_unknown(&target.arn) {
        return problems;
    }
    let service = target.arn.split(':').nth(2).unwrap_or_default();
    for (pointer, is_set, services) in [
        (Target::POINTERS.message_group, !target.message_group.is_empty(), &["sqs"][..]),
        (Target::POINTERS.partition_key_path, !target.partition_key_path.is_empty(), &["kinesis"][..]),
        (Target::POINTERS.http, target.http.is_some(), &["events", "execute-api"][..]),
        (Target::POINTERS.ecs, target.ecs.is_some(), &["ecs"][..]),
    ] {
        if is_set && !services.contains(&service) {
            problems.push(Problem::new(pointer, format!("does not apply to a target of `{service}`")).help("remove it"));
        }
    }
    if service == "ecs" && target.ecs.is_none() {
        problems.push(Problem::new(Target::POINTERS.arn, "a cluster needs a task to run").help("add `ecs: { task_definition: … }`"));
    }
    if target.role.is_none() && matches!(service, "ecs" | "kinesis" | "states" | "firehose" | "batch" | "codebuild" | "codepipeline") {
        let problem = Problem::new(Target::POINTERS.arn, format!("a target of `{service}` needs a role"));
        problems.push(problem.help("add `role: …`"));
    }
    problems
}

pub(super) fn check_declared(declared: &Declared<'_, EventRule>) -> Vec<Problem> {
    let Some(rule) = declared.spec() else { return Vec::new() };
    let own = rule.role.as_ref().map(|role| (EventRule::POINTERS.role, role));
    let of_targets = rule
        .targets
        .iter()
        .filter_map(|(id, target)| Some((EventRule::POINTERS.targets.item(id).field(Target::POINTERS.role), target.role.as_ref()?)));
    own.into_iter().chain(of_targets).filter_map(|(at, role)| check_trust(declared, at, role, "events.amazonaws.com")).collect()
}
