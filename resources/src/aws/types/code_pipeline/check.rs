//! Rules of pipelines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{super::prelude::*, Action, ActionVariable, CodePipeline, PushFilter, Stage, Trigger, action::CONNECTION};
use crate::core::{Pointer, is_plain_secret};

/// Settings of actions that are secrets, of old source actions.
const SECRET_SETTINGS: &[&str] = &["OAuthToken", "Password", "Secret", "SecretToken", "Token", "APIKey"];

pub(super) fn check(pipeline: &CodePipeline) -> Vec<Problem> {
    let at = CodePipeline::POINTERS;
    let mut problems = check_type(pipeline);
    let (mut stages, mut artifacts, mut namespaces) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, stage) in pipeline.stages.iter().enumerate() {
        let at = at.stages.clone().item(index);
        if !stages.insert(&stage.name) {
            problems.push(Problem::new(at.clone().field(Stage::POINTERS.name), format!("there are two stages `{}`", stage.name)));
        }
        let mut names = BTreeSet::new();
        for (position, action) in in_order(stage) {
            let at = at.clone().field(Stage::POINTERS.actions).item(position);
            if !names.insert(&action.name) {
                let problem =
                    Problem::new(at.clone().field(Action::POINTERS.name), format!("there are two actions `{}` in this stage", action.name));
                problems.push(problem);
            }
            if (index == 0) != (action.category == "Source") {
                let problem =
                    Problem::new(at.clone().field(Action::POINTERS.category), "the first stage, and no other, has source actions");
                problems.push(problem.help("move the action to another stage"));
            }
            if !action.namespace.is_empty() && !namespaces.insert(&action.namespace) {
                let message = format!("two actions have the namespace `{}`", action.namespace);
                problems.push(Problem::new(at.clone().field(Action::POINTERS.namespace), message));
            }
            for (input, name) in action.inputs.iter().enumerate().filter(|(_, name)| !artifacts.contains(*name) && !name.contains("${")) {
                let problem =
                    Problem::new(at.clone().field(Action::POINTERS.inputs).item(input), format!("no earlier action leaves `{name}`"));
                problems.push(problem.help("add it to the `outputs` of an action of an earlier stage or with a lower `run_order`"));
            }
            problems.extend(check_action(action, &at));
            for (output, name) in action.outputs.iter().enumerate() {
                if !artifacts.insert(name.clone()) {
                    let at = at.clone().field(Action::POINTERS.outputs).item(output);
                    problems.push(Problem::new(at, format!("two actions leave `{name}`")).help("use another name"));
                }
            }
        }
    }
    problems.extend(check_triggers(pipeline));
    problems
}

/// Actions in the order in which they run, with their positions in the list.
fn in_order(stage: &Stage) -> Vec<(usize, &Action)> {
    let mut actions: Vec<_> = stage.actions.iter().enumerate().collect();
    actions.sort_by_key(|(_, action)| action.run_order);
    actions
}

fn check_type(pipeline: &CodePipeline) -> Vec<Problem> {
    let at = CodePipeline::POINTERS;
    if pipeline.kind == "V2" {
        return Vec::new();
    }
    let help = "remove `type`, so that the pipeline has the type V2";
    let needs = |is_set: bool, at: Pointer, what: &str| {
        is_set.then(|| Problem::new(at, format!("a pipeline of the type V1 has no {what}")).help(help))
    };
    [
        needs(!pipeline.variables.is_empty(), at.variables, "variables"),
        needs(!pipeline.triggers.is_empty(), at.triggers, "triggers"),
        needs(pipeline.execution_mode != CodePipeline::default_execution_mode(), at.execution_mode, "other execution modes"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn check_action(action: &Action, at: &Pointer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let field = |field: Pointer| at.clone().field(field);
    for key in action.configuration.keys().filter(|key| SECRET_SETTINGS.contains(&key.as_str())) {
        let problem = Problem::new(
            field(Action::POINTERS.configuration).item(key),
            format!("`{key}` is a secret, which definitions must not contain"),
        );
        problems.push(problem.hide_value().help("use a `code_connection` and the provider `CodeStarSourceConnection`"));
    }
    if action.configuration.contains_key(CONNECTION) {
        let problem = Problem::new(field(Action::POINTERS.configuration).item(CONNECTION), "the connection has a field of its own");
        problems.push(problem.help("set `connection: …` of the action instead"));
    }
    let has_connection = action.provider == "CodeStarSourceConnection";
    if has_connection != action.connection.is_some() {
        let message = "an action of CodeStarSourceConnection, and no other, has a connection";
        problems.push(Problem::new(field(Action::POINTERS.connection), message).help("set `connection: …`, or remove it"));
    }
    for name in plain_secrets(action) {
        let message = format!("everybody who may read the pipeline sees the value of `{name}`");
        let problem = Problem::new(field(Action::POINTERS.configuration).item(BUILD_VARIABLES), message);
        problems.push(problem.hide_value().help("put it into a secret, and use the type SECRETS_MANAGER"));
    }
    for (name, variable) in &action.variables {
        let at = field(Action::POINTERS.variables).item(name);
        if variable.value.is_none() && variable.secret.is_empty() {
            problems.push(Problem::new(at.clone(), "a variable has a value or a secret").help("set `value: …`"));
        }
        if variable.value.as_deref().is_some_and(|value| is_plain_secret(name, value)) {
            let message = format!("everybody who may read the pipeline sees the value of `{name}`");
            let problem = Problem::new(at.field(ActionVariable::POINTERS.value), message);
            problems.push(problem.hide_value().help("put it into a secret, and set `secret: …` instead of `value`"));
        }
    }
    let has_commands = action.category == "Compute";
    if has_commands && action.commands.is_empty() {
        problems.push(
            Problem::new(field(Action::POINTERS.commands), "an action of the category Compute has commands").help("add `commands: […]`"),
        );
    }
    for (is_set, pointer, what) in [
        (!action.commands.is_empty(), Action::POINTERS.commands, "commands"),
        (!action.output_files.is_empty(), Action::POINTERS.output_files, "output files"),
        (!action.output_variables.is_empty(), Action::POINTERS.output_variables, "output variables"),
        (!action.variables.is_empty(), Action::POINTERS.variables, "environment variables"),
    ] {
        if is_set && !has_commands {
            problems.push(Problem::new(field(pointer), format!("only an action of the category Compute has {what}")).help("remove them"));
        }
    }
    if has_commands && action.outputs.len() > 1 {
        problems.push(Problem::new(field(Action::POINTERS.outputs), "commands leave one artifact at most"));
    }
    if action.category == "Approval" && !(action.inputs.is_empty() && action.outputs.is_empty()) {
        let problem = Problem::new(field(Action::POINTERS.inputs), "an approval has no artifacts");
        problems.push(problem.help("remove `inputs` and `outputs`"));
    }
    if action.category == "Source" && !action.inputs.is_empty() {
        problems.push(Problem::new(field(Action::POINTERS.inputs), "a source action has no inputs").help("remove `inputs`"));
    }
    if action.category == "Source" && action.outputs.len() != 1 {
        problems.push(Problem::new(field(Action::POINTERS.outputs), "a source action leaves one artifact").help("add `outputs: [Source]`"));
    }
    problems
}

/// Setting of CodeBuild's actions with environment variables, a JSON text.
const BUILD_VARIABLES: &str = "EnvironmentVariables";

/// Names of environment variables of a CodeBuild action that contain secrets.
fn plain_secrets(action: &Action) -> Vec<String> {
    let text = action.configuration.get(BUILD_VARIABLES);
    let Some(Value::Array(all)) = text.and_then(|text| serde_json::from_str(text).ok()) else { return Vec::new() };
    let is_plain = |variable: &&Value| matches!(variable["type"].as_str(), None | Some("PLAINTEXT"));
    // A variable of the pipeline is no value.
    let values = all.iter().filter(is_plain).filter_map(|variable| Some((variable["name"].as_str()?, variable["value"].as_str()?)));
    let secrets = values.filter(|(name, value)| !value.contains("#{") && is_plain_secret(name, value));
    secrets.map(|(name, _)| name.to_owned()).collect()
}

fn check_triggers(pipeline: &CodePipeline) -> Vec<Problem> {
    let mut problems = Vec::new();
    let all = pipeline.stages.iter().flat_map(|stage| &stage.actions);
    let sources: BTreeMap<&str, &str> =
        all.filter(|action| action.category == "Source").map(|action| (action.name.as_str(), action.provider.as_str())).collect();
    for (action, trigger) in &pipeline.triggers {
        let at = CodePipeline::POINTERS.triggers.item(action);
        match sources.get(action.as_str()) {
            Some(&"CodeStarSourceConnection") => {}
            Some(provider) => {
                let problem = Problem::new(at.clone(), format!("a source action of {provider} has no trigger"));
                problems.push(problem.help("use a `code_connection` and the provider `CodeStarSourceConnection`"));
            }
            None => {
                let names = sources.keys().copied().collect::<Vec<_>>().join(", ");
                let problem = Problem::new(at.clone(), format!("there is no source action `{action}`"));
                problems.push(problem.help(format!("source actions: {names}")));
            }
        }
        if trigger.push.is_empty() && trigger.pull_requests.is_empty() {
            let problem = Problem::new(at.clone(), "a trigger has a filter");
            problems.push(problem.help("add `push: [{ branches: { includes: [main] } }]`, or remove the trigger"));
        }
        for (index, filter) in trigger.push.iter().enumerate() {
            let parts = [&filter.tags, &filter.branches, &filter.files];
            if parts
                .iter()
                .all(|patterns| patterns.as_ref().is_none_or(|patterns| patterns.includes.is_empty() && patterns.excludes.is_empty()))
            {
                let at = at.clone().field(Trigger::POINTERS.push).item(index).field(PushFilter::POINTERS.branches);
                problems.push(Problem::new(at, "a filter of pushes has a pattern").help("add `branches: { includes: [main] }`"));
            }
        }
    }
    problems
}

/// Each region in which an action runs has a store.
pub(super) fn check_regions(pipeline: &CodePipeline, region: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if pipeline.regional_stores.contains_key(region) {
        let problem =
            Problem::new(CodePipeline::POINTERS.regional_stores.item(region), "the store of the pipeline's own region is `artifact_store`");
        problems.push(problem.help("remove it"));
    }
    for (index, stage) in pipeline.stages.iter().enumerate() {
        for (position, action) in stage.actions.iter().enumerate() {
            let Some(own) = &action.region else { continue };
            if own != region && !own.contains("${") && !pipeline.regional_stores.contains_key(own) {
                let at = CodePipeline::POINTERS.stages.item(index).field(Stage::POINTERS.actions).item(position);
                let problem = Problem::new(at.field(Action::POINTERS.region), format!("the pipeline has no store for artifacts in {own}"));
                problems.push(problem.help(format!("add `regional_stores: {{ {own}: {{ bucket: … }} }}`")));
            }
        }
    }
    problems
}
