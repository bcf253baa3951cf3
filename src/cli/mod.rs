//! The command line: arguments in, exit code out. One file per command.

mod actor;
mod apply;
mod context;
mod docs;
mod drift;
mod explain;
mod graph;
mod history;
mod import;
mod lock;
mod new;
mod outputs;
mod plan;
mod policy;
mod refusal;
mod rehearse;
mod rollback;
mod saved;
mod schema;
mod shell;
mod show;
mod unlock;
mod validate;

use std::{io::IsTerminal, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{definition::BackendLocation, report};
pub use lock::LockArguments;
use refusal::refuse;

/// Exit code: done, or nothing to do.
pub const DONE: u8 = 0;
/// Exit code: failed, and everything is as before.
pub const FAILED: u8 = 1;
/// Exit code: `plan --detailed-exitcode` or `drift` found changes.
pub const CHANGES: u8 = 2;
/// Exit code: failed, and something is left half done.
pub const INCOMPLETE: u8 = 3;
/// Exit code: interrupted.
pub const INTERRUPTED: u8 = 130;

const EXIT_CODES: &str = "\
Exit codes:
    0  done, or nothing to do
    1  failed, and everything is as before
    2  there are changes (`plan --detailed-exitcode`, `drift`)
    3  failed, and something is left: what, and how to go on, is told
  130  interrupted";

/// Makes a YAML stack definition run on AWS, with no state file.
#[derive(Debug, Parser)]
#[command(name = "acme", version, max_term_width = 80, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first definition.
    New(new::Arguments),
    /// Check a definition without any call.
    Validate(StackArguments),
    /// Show what apply would do.
    Plan(plan::Arguments),
    /// Make AWS what the definition says, or carry out a plan saved by `plan --out`.
    Apply(apply::Arguments),
    /// Delete everything the stack owns.
    Destroy(apply::Arguments),
    /// Undo an unfinished run, the last finished one, or all since a revision.
    Rollback(rollback::Arguments),
    /// Make an existing resource the stack's.
    Import(import::Arguments),
    /// Show what others changed since the last finished run; answers 2 when there is something.
    Drift(drift::Arguments),
    /// List what was done to the stack, show one revision, or compare two.
    History(history::Arguments),
    /// Carry the plan out on the simulated cloud with every call going wrong, and say what would be left.
    Rehearse(rehearse::Arguments),
    /// Free a stack that a dead run still holds.
    Unlock(unlock::Arguments),
    /// Print the IAM policies that planning and applying a stack need.
    ///
    /// What IAM has to allow for this stack in this environment, no more; no call is made. What one managed policy cannot hold is
    /// printed as several, one after the other. A type that has left the definition, but not AWS, is not among it: allow what the
    /// definition before needed, too, until it is applied.
    Policy(policy::Arguments),
    /// Show the resources a definition stands for, or what is there.
    Show(show::Arguments),
    /// Print the stack's outputs.
    Outputs(outputs::Arguments),
    /// Draw the stack: Mermaid, DOT, a page for the browser, or JSON.
    Graph(graph::Arguments),
    /// Tell what the code of an error means, and what to do.
    Explain {
        /// The code, such as `unknown-field`.
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Print the JSON Schema of a definition, for editors.
    Schema,
    /// Write the reference and the JSON Schema.
    Docs {
        /// Folder they go to.
        #[arg(long, value_name = "DIR", default_value = "docs")]
        out: PathBuf,
    },
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command.
    Man {
        /// Folder they go to.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Which stack.
#[derive(Clone, Debug, Args)]
pub struct StackArguments {
    /// The stack definition.
    #[arg(value_name = "STACK.yaml")]
    pub file: PathBuf,
    /// Environment of the definition.
    #[arg(short, long, value_name = "NAME")]
    pub env: Option<String>,
    /// A value for expressions in the definition; may be given more than once. Saved plans and shells keep it: no place for secrets.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub set: Vec<(String, String)>,
}

/// Where the stack is, and how to talk about it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// Use the simulated cloud, kept in DIR, instead of AWS.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = ".acme")]
    pub local: Option<PathBuf>,
    /// Endpoint for every AWS service [env: AWS_ENDPOINT_URL].
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// AWS region; the definition's `region` must agree.
    #[arg(long)]
    pub region: Option<String>,
    /// Profile of the AWS configuration.
    #[arg(long)]
    pub profile: Option<String>,
    /// Where history and locks are kept: a folder, `s3` for the usual bucket of account and region, or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "PLACE", env = "ACME_BACKEND", hide_env_values = true)]
    pub backend: Option<BackendLocation>,
    /// Text for people, or JSON for programs: `text` or `json`.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM", hide_possible_values = true)]
    pub output: OutputFormat,
    /// Colour: `auto` (on a terminal, unless `NO_COLOR` is set), `always` or `never`.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Say nothing but the result.
    #[arg(short, long)]
    pub quiet: bool,
    /// Report the calls made, by service and action.
    #[arg(long)]
    pub stats: bool,
}

/// Form of what goes to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// A plan as `terraform show -json` prints it; for `plan` alone.
    #[value(skip)]
    Terraform,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Asks on a terminal; without one, refuses.
fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        refuse!("no-terminal", "there is no terminal to ask on: pass --yes to go ahead without a question");
    }
    Ok(report::confirm(question)?)
}

fn parse_key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE"))
}

impl GlobalArguments {
    fn apply_color_choice(&self) {
        match self.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

/// Runs one command; returns its exit code.
pub async fn run(cli: Cli) -> u8 {
    let ended = match cli.command {
        Command::New(arguments) => new::run(&arguments),
        Command::Validate(target) => validate::run(&target),
        Command::Plan(arguments) => plan::run(&arguments).await,
        Command::Apply(arguments) => apply::run(&arguments, crate::engine::plan::Goal::Apply).await,
        Command::Destroy(arguments) => apply::run(&arguments, crate::engine::plan::Goal::Destroy).await,
        Command::Rollback(arguments) => rollback::run(&arguments).await,
        Command::Import(arguments) => import::run(&arguments).await,
        Command::Drift(arguments) => drift::run(&arguments).await,
        Command::History(arguments) => history::run(&arguments).await,
        Command::Rehearse(arguments) => rehearse::run(&arguments).await,
        Command::Show(arguments) => show::run(&arguments).await,
        Command::Graph(arguments) => graph::run(&arguments).await,
        Command::Explain { code } => explain::run(&code),
        Command::Schema => Ok(schema::run()),
        Command::Docs { out } => docs::run(&out),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man { out } => shell::man(out.as_deref()),
        Command::Outputs(arguments) => outputs::run(&arguments).await,
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Unlock(arguments) => unlock::run(&arguments).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            report::eprint(&format!("{} {}", report::Style::Removed.paint(refusal::label(&error)), refusal::message(&error)));
            let answered = error.chain().find_map(|cause| cause.downcast_ref::<crate::core::Error>());
            if let Some(help) = answered.and_then(report::remedy::general_remedy) {
                report::eprint(&format!("  help: {help}"));
            }
            // The problems of a definition stand at its lines already.
            if !error.is::<context::InvalidDefinition>() {
                report::github::annotate_error(None, None, &format!("{error:#}"));
            }
            FAILED
        }
    }
}
