//! Common first steps of commands: load the definition, open a session, show what is wrong with it.

use anyhow::{Context as _, Result};

use super::{GlobalArguments, StackArguments, refusal::refuse};
use crate::{
    core::Address,
    definition::{self, Diagnostic, LoadOptions, Procedures, Source, Stack},
    engine::{
        plan::Plan,
        saved_plan::SavedPlan,
        session::{Connection, Session, SessionError, SessionOptions, StackState},
    },
    report,
};

/// Reads the text of a definition.
pub fn read(target: &StackArguments) -> Result<Source> {
    let path = target.file.display().to_string();
    let mut source = Source::read(&target.file).with_context(|| format!("can't read the definition `{path}`"))?;
    for file in &target.values {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("can't read the values `{shown}`"))?;
        source.add_values(shown, &text);
    }
    if SavedPlan::is_saved_plan(&source.text) {
        refuse!("saved-plan", "`{path}` is a saved plan, not a definition: run `acme apply {path}` to apply it");
    }
    Ok(source)
}

/// Loads a definition without a connection.
pub fn load(target: &StackArguments) -> Result<Stack> {
    let source = read(target)?;
    load_source(&source, target).map_err(|problems| SessionError::InvalidDefinition { definition: source, problems }.into())
}

/// Same, for a definition that was read before.
pub fn load_source(source: &Source, target: &StackArguments) -> Result<Stack, Vec<Diagnostic>> {
    definition::load(source, &load_options(target))
}

/// Procedures of a definition.
pub fn procedures(target: &StackArguments) -> Result<Option<Procedures>> {
    Ok(load(target)?.procedures)
}

/// Opens a session.
pub async fn open(target: &StackArguments, global: &GlobalArguments) -> Result<Session> {
    open_source(read(target)?, target, global).await
}

/// Same, for a definition that was read before.
pub async fn open_source(source: Source, target: &StackArguments, global: &GlobalArguments) -> Result<Session> {
    global.apply_color_choice();
    let connection = match &global.local {
        Some(folder) => Connection::Simulated(folder.clone()),
        None => Connection::Aws {
            profile: global.profile.clone(),
            endpoint_url: global.endpoint_url.clone(),
            kube_proxy_url: global.kube_proxy_url.clone(),
        },
    };
    let (definition, region, backend) = (load_options(target), global.region.clone(), global.backend.clone());
    Ok(Session::open(source, SessionOptions { definition, connection, region, backend }).await?)
}

/// Opens a session and reads all resources of the stack.
pub async fn discover(target: &StackArguments, global: &GlobalArguments) -> Result<(Session, StackState)> {
    let mut session = open(target, global).await?;
    let state = session.discover().await?;
    Ok((session, state))
}

fn load_options(target: &StackArguments) -> LoadOptions {
    LoadOptions { environment: target.env.clone(), set: target.set.clone(), ..LoadOptions::default() }
}

/// Shows the problems of an invalid definition.
pub fn show_problems(definition: &Source, problems: &[Diagnostic]) {
    for problem in problems {
        report::eprint(&report::render_diagnostic(problem, definition));
        let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let path = definition.path_at(problem.range.as_ref().map_or(0, |range| range.start));
        report::github::annotate_error(Some(path), problem.line(definition), &format!("{}{help}", problem.message));
    }
}

/// Writes an error as an annotation in GitHub Actions, at the location of the address.
pub fn annotate(session: &Session, address: &Address, message: &str) {
    let source = session.source();
    let range = session.locate(address);
    let (path, line) = (range.as_ref().map(|range| source.path_at(range.start)), range.as_ref().map(|range| source.line(range.start)));
    report::github::annotate_error(path, line, message);
}

/// Writes the obstacles of a plan as annotations.
pub fn annotate_obstacles(session: &Session, plan: &Plan) {
    for obstacle in &plan.obstacles {
        annotate(session, &obstacle.address, &format!("{}\nhelp: {}", obstacle.message, obstacle.help));
    }
}

/// Reports the calls made, if requested.
pub fn print_stats(session: &Session, global: &GlobalArguments) {
    if global.stats {
        report::eprint(&report::stats::render(&session.call_counts(), session.elapsed()));
    }
}
