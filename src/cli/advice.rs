//! Commands that are printed as advice, complete with the options of the command that prints them.

use std::{
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use clap::{ArgMatches, FromArgMatches, parser::ValueSource};
use regex_lite::Regex;

use super::{
    GlobalArguments, StackArguments,
    definition_file::{default_file, is_definition},
    open,
};
use crate::{
    definition::LoadOptions,
    engine::{
        plan::Goal,
        session::{SessionOptions, shell_quoted},
    },
};

/// Stack of this process, and the options that select it.
static SELECTION: Mutex<Option<(String, SessionOptions)>> = Mutex::new(None);

/// Name of the command of this process.
static COMMAND: OnceLock<String> = OnceLock::new();

/// Variable that names the environment of this process.
static ENVIRONMENT_VARIABLE: OnceLock<&str> = OnceLock::new();

/// Commands on a stack that messages name.
const COMMANDS: &str =
    "apply|cutover|destroy|drift|drill|failback|failover|history|import|outputs|plan|policy|remote|render|rollback|show|unlock|validate";

/// Remembers the stack and the options of the command, if it has them.
pub(super) fn remember(name: &str, command: &ArgMatches) {
    COMMAND.set(name.to_owned()).ok();
    // Asking for an argument that the command does not have is an error of the program.
    let has = |name: &str| command.try_contains_id(name).is_ok();
    if !has("file") || !has("set") {
        return;
    }
    if has("env") && command.value_source("env") == Some(ValueSource::EnvVariable) {
        ENVIRONMENT_VARIABLE.set("ACME_ENV").ok();
    }
    let Ok(target) = StackArguments::from_arg_matches(command) else { return };
    let global = if has("backend") { GlobalArguments::from_arg_matches(command).ok() } else { None };
    let options = match global {
        Some(global) => open::session_options(&target, &global),
        None => SessionOptions { definition: open::load_options(&target), ..SessionOptions::default() },
    };
    select(&target, options);
}

/// Remembers another definition than that of the arguments: that of a saved plan.
pub(super) fn select(target: &StackArguments, options: SessionOptions) {
    let path = target.path().ok().filter(|path| is_definition(path)).or_else(|| default_file(Path::new("")).ok());
    *SELECTION.lock().unwrap_or_else(PoisonError::into_inner) = path.map(|path| (path.display().to_string(), options));
}

/// Variable that names the environment, if no option does.
pub(super) fn environment_variable() -> Option<&'static str> {
    ENVIRONMENT_VARIABLE.get().copied()
}

fn selection() -> Option<(String, SessionOptions)> {
    SELECTION.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Command line of one of acme's commands on the same stack; without one, only its name.
pub(super) fn command_line(command: &str) -> String {
    match selection() {
        Some((file, options)) => options.command_line(command, &file),
        None => format!("acme {command}"),
    }
}

/// The command line of this process, without an option that has a value.
pub(super) fn this_command(without: Option<&str>) -> String {
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut kept = vec!["acme".to_owned()];
    while let Some(word) = words.next() {
        match without {
            Some(option) if word == option => drop(words.next()),
            Some(option) if word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')) => {}
            _ => kept.push(shell_quoted(&word).into_owned()),
        }
    }
    kept.join(" ")
}

/// Command line that applies a saved plan, which has its environment and values itself.
pub(super) fn apply_saved_plan(goal: Goal, file: &Path) -> String {
    let file = file.display().to_string();
    let options = selection().map(|(_, options)| SessionOptions { definition: LoadOptions::default(), ..options });
    options.unwrap_or_default().command_line(goal.command(), &file)
}

/// Commands with which to go on after the command was stopped at once.
pub(super) fn after_stop() -> String {
    after_stop_of(COMMAND.get().map_or("apply", String::as_str), &command_line)
}

fn after_stop_of(command: &str, command_line: &dyn Fn(&str) -> String) -> String {
    let line = |command: &str| format!("`{}`", command_line(command));
    match command {
        "apply" | "destroy" => format!("{} continues the run, {} undoes it", line(command), line("rollback")),
        "rollback" => format!("{} continues the rollback, {} applies the definition", line("rollback"), line("apply")),
        _ => format!("{} continues", line(command)),
    }
}

/// Completes the commands in a message that have no stack yet: `acme apply`, or `acme rollback --to REVISION`.
pub(super) fn complete(message: &str) -> String {
    complete_with(message, &|command| selection().map(|(file, options)| options.command_line(command, &file)))
}

fn complete_with(message: &str, command_line: &dyn Fn(&str) -> Option<String>) -> String {
    // What another run does or did is no advice: locked "by … `acme apply` since …", removed "by `acme unlock`".
    let Ok(pattern) = Regex::new(&format!("(by )?`acme ({COMMANDS})((?: STACK\\.yaml)?)((?: --?[a-z][^`]*| [A-Z]+| [0-9]+)?)`( since)?"))
    else {
        return message.to_owned();
    };
    let complete = |found: &regex_lite::Captures<'_>| {
        let part = |number| found.get(number).map_or("", |part| part.as_str());
        let is_advice = part(1).is_empty() && part(5).is_empty() && !part(4).contains("--backend");
        match command_line(part(2)).filter(|_| is_advice) {
            Some(line) => format!("`{line}{}`", part(4)),
            None => part(0).to_owned(),
        }
    };
    pattern.replace_all(message, complete).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;
    use crate::{cli::Cli, engine::session::Connection};

    /// Advice must be accepted by the command that it names.
    #[test]
    fn every_command_accepts_its_options() {
        let definition =
            LoadOptions { set: vec![("size".into(), "2".into())], environment: "staging".parse().ok(), ..LoadOptions::default() };
        let aws = Connection::Aws {
            profile: Some("ops".into()),
            endpoint_url: Some("http://127.0.0.1:1".into()),
            kube_proxy_url: Some("http://127.0.0.1:2".into()),
        };
        for connection in [aws, Connection::Simulated(".acme".into())] {
            let backend = Some("s3".parse().expect("a backend"));
            let definition = definition.clone();
            let options = SessionOptions { definition, connection, region: Some("eu-west-1".into()), backend, ..SessionOptions::default() };
            for command in COMMANDS.split('|') {
                let line = options.command_line(command, "shop.yaml");
                match Cli::command().try_get_matches_from(line.split(' ')) {
                    Ok(_) => {}
                    // The address and the id of `import`, and the folder of `render`, depend on the advice.
                    Err(error) => {
                        assert!(matches!(command, "import" | "render"), "{line}: {error}");
                        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{line}: {error}");
                    }
                }
            }
        }
    }

    /// The second interrupt ends `acme destroy`, too.
    #[test]
    fn a_stopped_command_is_continued_by_itself() {
        let line = |command: &str| format!("acme {command} shop.yaml");
        let shown = |command: &str| after_stop_of(command, &line);
        assert_eq!(shown("destroy"), "`acme destroy shop.yaml` continues the run, `acme rollback shop.yaml` undoes it");
        assert_eq!(shown("rollback"), "`acme rollback shop.yaml` continues the rollback, `acme apply shop.yaml` applies the definition");
        assert_eq!(shown("cutover"), "`acme cutover shop.yaml` continues");
    }

    #[test]
    fn completes_commands_without_a_stack() {
        let line = |command: &str| Some(format!("acme {command} shop.yaml --env staging --local=.acme"));
        for (message, expected) in [
            ("undo it with `acme rollback`, then", "undo it with `acme rollback shop.yaml --env staging --local=.acme`, then"),
            ("`acme rollback --to REVISION` restores", "`acme rollback shop.yaml --env staging --local=.acme --to REVISION` restores"),
            ("`acme policy STACK.yaml` prints", "`acme policy shop.yaml --env staging --local=.acme` prints"),
            ("locked by ann: `acme apply` since 2 min", "locked by ann: `acme apply` since 2 min"),
            ("it was removed by `acme unlock`", "it was removed by `acme unlock`"),
            ("`acme apply --backend s3` creates it", "`acme apply --backend s3` creates it"),
            ("run `acme history STACK.yaml 3` to show", "run `acme history shop.yaml --env staging --local=.acme 3` to show"),
            ("run `acme explain CODE` for details", "run `acme explain CODE` for details"),
            ("run `acme apply other.acmeplan`", "run `acme apply other.acmeplan`"),
            ("run `acme plan shop.yaml --env production`", "run `acme plan shop.yaml --env production`"),
        ] {
            assert_eq!(complete_with(message, &line), expected);
            assert_eq!(complete_with(message, &|_| None), message);
        }
    }
}
