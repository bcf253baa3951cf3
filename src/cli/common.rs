//! Options that apply before a command runs: those of the log, the format of errors, and the simulated cloud.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::ArgMatches;

use super::{Color, OutputFormat, advice, refusal::refuse};
use crate::{
    core::trace::Level,
    engine::remote::log_level,
    report::{
        self,
        log::{Log, LogOptions},
    },
};

/// Variable with what to show, as `-v` and `-vv` do.
const LEVEL_VARIABLE: &str = "ACME_LOG";

/// Options that are read before the command runs, from whichever command has them.
#[derive(Debug, Default)]
pub(super) struct CommonOptions {
    /// Name of the command.
    pub command: String,
    /// Output format.
    pub output: OutputFormat,
    color: Color,
    verbose: u8,
    quiet: bool,
    log: Option<PathBuf>,
    /// Whether the command works on the simulated cloud.
    is_local: bool,
}

impl CommonOptions {
    /// Options of the command in these arguments.
    pub(super) fn of(matches: &ArgMatches) -> CommonOptions {
        let Some((command, arguments)) = matches.subcommand() else { return CommonOptions::default() };
        advice::remember(command, arguments);
        // A command without an option has its default.
        CommonOptions {
            command: command.to_owned(),
            output: arguments.try_get_one("output").ok().flatten().copied().unwrap_or_default(),
            color: arguments.try_get_one("color").ok().flatten().copied().unwrap_or_default(),
            verbose: arguments.try_get_one("verbose").ok().flatten().copied().unwrap_or_default(),
            quiet: arguments.try_get_one("quiet").ok().flatten().copied().unwrap_or_default(),
            log: arguments.try_get_one("log").ok().flatten().cloned(),
            is_local: arguments.try_get_one::<PathBuf>("local").ok().flatten().is_some(),
        }
    }

    /// Marks the output of a command on the simulated cloud, whichever it is: questions and headings, and a line before everything else on
    /// stderr. Stdout has the result alone.
    pub(super) fn mark_simulated_cloud(&self) {
        if !self.is_local {
            return;
        }
        report::mark_simulated();
        if !self.quiet {
            report::announce_simulated();
        }
    }

    /// Selects whether the output has colour.
    pub(super) fn apply_color_choice(&self) {
        match self.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }

    /// Begins the log.
    pub(super) fn start_log(&self) -> Result<Log> {
        let shown = match self.verbose {
            0 if self.quiet => None,
            0 => level_of_environment(&env::var(LEVEL_VARIABLE).unwrap_or_default())?,
            1 => Some(Level::Decisions),
            _ => Some(Level::Calls),
        };
        let to_client = (self.command == "runner").then(|| log_level(|name| env::var(name).ok())).flatten();
        let file = self.log.as_deref().filter(|path| !path.as_os_str().is_empty());
        Log::start(LogOptions { command: &self.command, shown, file, to_client })
            .with_context(|| format!("can't write the log `{}`", file.unwrap_or_else(|| "".as_ref()).display()))
    }
}

fn level_of_environment(text: &str) -> Result<Option<Level>> {
    match text {
        "" | "off" => Ok(None),
        "info" => Ok(Some(Level::Decisions)),
        "debug" => Ok(Some(Level::Calls)),
        _ => refuse!(
            "log-level",
            "`{LEVEL_VARIABLE}={text}` is not a valid level: use `info` for decisions, `debug` for calls, too, or `off`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_has_three_levels() {
        assert_eq!(level_of_environment("").ok(), Some(None));
        assert_eq!(level_of_environment("info").ok(), Some(Some(Level::Decisions)));
        assert_eq!(level_of_environment("debug").ok(), Some(Some(Level::Calls)));
        assert!(level_of_environment("trace").is_err());
    }
}
