//! Common first steps of commands: load the definition, open a session, show what is wrong with it.

use std::{collections::BTreeSet, path::Path, sync::Once};

use anyhow::{Context as _, Result};

use super::{GlobalArguments, StackArguments, advice, refusal::refuse};
use crate::{
    core::{Address, nearest::nearest},
    definition::{self, Diagnostic, LoadOptions, Procedures, Source, Stack},
    engine::{
        plan::{Goal, Plan},
        saved_plan::SavedPlan,
        session::{Connection, Session, SessionError, SessionOptions, StackState},
    },
    report::{self, Style},
};

/// Reads the text of a definition.
pub fn read(target: &StackArguments) -> Result<Source> {
    let mut source = read_file(&target.path()?)?;
    for file in &target.values {
        let shown = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Err(error) if reason_of(&error).is_some() => {
                refuse!("file", "can't read the values `{shown}`: {}", reason_of(&error).unwrap_or_default())
            }
            text => text.with_context(|| format!("can't read the values `{shown}`"))?,
        };
        source.add_values(shown, &text);
    }
    static WARNED: Once = Once::new();
    WARNED.call_once(|| warn_of_unused_values(&source));
    Ok(source)
}

/// Warns of files of values whose name is almost that of an environment. Other stacks in the folder may have other environments.
fn warn_of_unused_values(source: &Source) {
    let Ok(environments) = definition::environment_names(source) else { return };
    let names = || environments.iter().map(|name| &**name);
    let unused = source.environment_files().filter(|(_, name)| !names().any(|known| known == *name));
    let close: Vec<_> = unused.filter_map(|(path, name)| Some((path, name, nearest(name, names())?))).collect();
    if close.is_empty() {
        return;
    }
    let others = environments_beside(Path::new(&source.path));
    for (path, name, near) in close.iter().filter(|(_, name, _)| !others.contains(*name)) {
        let warning = Style::Changed.paint("warning:");
        report::eprint(&format!("{warning} `{path}` has no effect: there is no environment `{name}`; did you mean `{near}`?"));
    }
}

/// Names of the environments of other definitions in the folder of one.
fn environments_beside(file: &Path) -> BTreeSet<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let others = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    let names = others.filter(|path| path.file_name() != file.file_name()).filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        definition::environment_names(&Source::new(path.display().to_string(), text)).ok()
    });
    names.flatten().map(|name| name.to_string()).collect()
}

/// Same, for a file, without further values.
pub fn read_file(file: &Path) -> Result<Source> {
    let path = file.display().to_string();
    let source = match Source::read(file) {
        Err(error) if reason_of(&error).is_some() => {
            refuse!("file", "can't read the definition `{path}`: {}", reason_of(&error).unwrap_or_default())
        }
        source => source.with_context(|| format!("can't read the definition `{path}`"))?,
    };
    if SavedPlan::is_saved_plan(&source.text) {
        // A plan that can't be read is refused by that command.
        let goal = SavedPlan::parse(&source.text).map_or(Goal::Apply, |saved| saved.goal);
        let apply = advice::apply_saved_plan(goal, file);
        refuse!("saved-plan", "`{path}` is a saved plan, not a definition: run `{apply}` to apply it");
    }
    Ok(source)
}

/// Reason and remedy of an error that is about the file, not the system.
fn reason_of(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidData => Some("it is not text in UTF-8\n  help: name a file with YAML, saved in UTF-8"),
        ErrorKind::IsADirectory => Some("it is a folder\n  help: name a file in it, such as its `acme.yaml`"),
        ErrorKind::NotFound => Some("there is no such file\n  help: check the name, or create a definition with `acme new NAME`"),
        _ if error.raw_os_error() == Some(TOO_MANY_LINKS) => {
            Some("its symbolic link leads back to itself\n  help: replace the link with the file, or point it to one")
        }
        _ => None,
    }
}

/// `ELOOP`, for which std has no stable kind.
const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

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
    Ok(Session::open(source, session_options(target, global)).await?)
}

/// Options that select a stack and its cloud.
pub fn session_options(target: &StackArguments, global: &GlobalArguments) -> SessionOptions {
    SessionOptions {
        definition: load_options(target),
        connection: connection(global),
        region: global.region.clone(),
        backend: global.backend.clone(),
        role: global.role.clone(),
        parallelism: None,
        values: target.values.iter().map(|file| file.display().to_string()).collect(),
        remote_user: None,
    }
}

/// Cloud that the options select.
pub fn connection(global: &GlobalArguments) -> Connection {
    match &global.local {
        Some(folder) => Connection::Simulated(folder.clone()),
        None => Connection::Aws {
            profile: global.profile.clone(),
            endpoint_url: global.endpoint_url.clone(),
            kube_proxy_url: global.kube_proxy_url.clone(),
        },
    }
}

/// Opens a session and reads all resources of the stack.
pub async fn discover(target: &StackArguments, global: &GlobalArguments) -> Result<(Session, StackState)> {
    let mut session = open(target, global).await?;
    let state = session.discover().await?;
    Ok((session, state))
}

/// Environment and values for the definition.
pub fn load_options(target: &StackArguments) -> LoadOptions {
    let environment_variable = advice::environment_variable().filter(|_| target.env.is_some());
    LoadOptions { environment: target.env.clone(), environment_variable, set: target.set.clone(), ..LoadOptions::default() }
}

/// Prints a definition, or a part of one, in the layout of `acme fmt`.
pub fn print_definition(text: &str) -> Result<()> {
    let formatted = definition::formatted_text(&Source::new("stdout", text));
    // The layout of what can't be formatted matters less than its content.
    report::print_yaml(formatted.as_deref().unwrap_or(text))
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
