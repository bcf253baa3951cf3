//! The command line: parses arguments and returns an exit code. One file per command.

mod advice;
mod apply;
mod common;
mod complete;
mod cost;
mod cutover;
mod definition_file;
mod docs;
mod drift;
mod drill;
mod explain;
mod failover;
mod failure;
mod fmt;
mod forget;
mod git;
mod graph;
mod history;
mod import;
mod kubeconfig;
mod lock;
mod new;
mod open;
mod outputs;
mod plan;
mod policy;
mod procedure;
mod refusal;
mod rehearse;
mod remote;
mod render;
mod rollback;
mod runner;
mod saved;
mod schema;
mod selection;
mod shell;
mod show;
mod stacks;
mod token;
mod unlock;
mod validate;
mod version;

use std::{env, io::IsTerminal, num::NonZeroUsize, path::PathBuf, str::FromStr};

use clap::{
    ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use clap_complete::engine::ArgValueCompleter;

use crate::{
    core::{EnvironmentName, is_region_name},
    definition::{BackendLocation, is_role_arn},
    report,
};
use common::CommonOptions;
pub use complete::complete_and_exit_if_requested;
pub use lock::LockArguments;

use refusal::refuse;

/// Exit code: success, or no changes.
pub const DONE: u8 = 0;
/// Exit code: failed, and everything is as before.
pub const FAILED: u8 = 1;
/// Exit code: `plan --detailed-exitcode`, `drift`, `render --check` or `fmt --check` found changes, or `render` left an edited file alone.
pub const CHANGES: u8 = 2;
/// Exit code: failed, and some changes remain.
pub const INCOMPLETE: u8 = 3;
/// Exit code: the run waits for a person.
pub const WAITING: u8 = 4;
/// Exit code: interrupted.
pub const INTERRUPTED: u8 = 130;

const EXIT_CODES: &str = "\
Exit codes:
    0  success, or no changes
    1  failed, and everything is as before
    2  there are changes (`plan --detailed-exitcode`, `drift`, `render`, `fmt --check`)
    3  failed, and some changes remain: they and the next command are listed
    4  waiting for a person: the next apply continues the run
  130  interrupted";

const STATED_PLAN: &str = "\
Beside a saved plan, `--file` and `--env` state what it must be for: acme \
refuses a plan for another definition or environment, or one that was made with \
other `--set`, `--values`, `--only`, `--except` or `--replace` than stated.";

/// Deploys AWS infrastructure from a YAML stack definition, without a state file.
#[derive(Debug, Parser)]
#[command(name = "acme", version, max_term_width = 80, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Options that every command has, whatever it does.
    #[arg(skip)]
    common: CommonOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a stack definition.
    New(new::Arguments),
    /// Check a definition without any calls.
    Validate(validate::Arguments),
    /// Format definitions: indentation, spacing and quotes. Comments and the meaning stay.
    Fmt(fmt::Arguments),
    /// Show the changes apply would make.
    Plan(plan::Arguments),
    /// Apply a definition, or a plan saved by `plan --out`.
    #[command(after_help = STATED_PLAN)]
    Apply(apply::Arguments),
    /// Delete all resources of the stack, or apply a plan saved by `plan --destroy --out`.
    #[command(after_help = STATED_PLAN)]
    Destroy(apply::Arguments),
    /// Undo an unfinished run, the last finished one, all runs since a revision, or the last release of a service through Git.
    Rollback(rollback::Arguments),
    /// Move clients to the new platform in steps, with gates between them.
    ///
    /// The steps and the gates are in `procedures.cutover` of the definition. A closed gate returns to the value from before. The next run continues an
    /// interrupted cut-over.
    Cutover(cutover::Arguments),
    /// Move everything to the standby.
    ///
    /// The values and the gates are in `procedures.failover` of the definition. A closed gate returns to the values from before.
    Failover(failover::Arguments),
    /// Return from the standby to the values of the definition.
    Failback(failover::FailbackArguments),
    /// Adopt existing resources: one by its id, or those of a Terraform state, with tags, in a VPC, or of a CloudFormation stack.
    ///
    /// acme shows the definition or the plan, asks, and adds the stack's ownership tags; it changes nothing else. From a source, it writes the
    /// resources into the definition, with references in place of ids, and lists those that it can't adopt, with the reason.
    Import(import::Arguments),
    /// Let go of resources: remove their ownership tags, and leave them in AWS as they are.
    Forget(forget::Arguments),
    /// Show changes made outside acme since the last finished run; exits with 2 if there are any.
    Drift(drift::Arguments),
    /// List the runs of the stack, show one, or compare two.
    History(history::Arguments),
    /// List the stacks of the account and region, with their last run, drift and lock.
    ///
    /// Finds them by the ownership tags of their resources, and in the backend of history and locks. Region, role and backend are those of the definition,
    /// if there is one.
    Stacks(stacks::Arguments),
    /// Test the plan on a simulated cloud, with failures injected into every call.
    Rehearse(rehearse::Arguments),
    /// Restore the newest backups into another environment, measure the data loss and the time, and delete it.
    ///
    /// `procedures: { drill: … }` names the environment, the resources to restore, the gates that must open, and the goals: RPO, the longest time
    /// whose changes may be lost, and RTO, the longest time until everything runs again. Resources of `--env` are only read. A drill that was
    /// killed is continued by the next one. Exits with 0 if all goals are reached.
    Drill(drill::Arguments),
    /// Write files of a Git repository: those from which Argo CD installs the components of the cluster, sources of services, pipelines, alerts
    /// and dashboards, and playbooks.
    ///
    /// The same definition and resources give the same files. acme shows what changes, and deletes files that it no longer renders. It creates
    /// the sources of a service once, and leaves files alone that it did not render, and, with exit code 2, rendered files that were edited.
    Render(render::Arguments),
    /// Follow the remote run of a stack, started by `apply --remote` or `destroy --remote`; or stop it.
    ///
    /// Shows the run in progress, or else the last one, from its first event, and exits with its code. Ctrl-C leaves it running.
    Remote(remote::Arguments),
    /// Apply the plan of a remote run; a build of CodeBuild calls it.
    #[command(hide = true)]
    Runner(runner::Arguments),
    /// Remove the lease of a crashed run.
    Unlock(unlock::Arguments),
    /// Print the IAM policies for planning and applying a stack.
    ///
    /// Prints least-privilege policies for this stack and environment, without any calls. If they exceed the size of a managed policy,
    /// prints several. They don't cover types that were removed from the definition but still have resources in AWS: keep the previous
    /// policies, too, until the definition is applied.
    Policy(policy::Arguments),
    /// Show the resources of a definition, or live resources.
    Show(show::Arguments),
    /// Print the stack's outputs.
    Outputs(outputs::Arguments),
    /// Print a kubeconfig for the stack's clusters, or add it to a file.
    ///
    /// Its entries call `acme token`, so kubectl needs no AWS CLI, and the file contains no secret.
    Kubeconfig(kubeconfig::Arguments),
    /// Print a token for the Kubernetes API of a cluster, as kubectl expects it.
    Token(token::Arguments),
    /// Draw the stack as Mermaid, DOT, an HTML page, or JSON.
    Graph(graph::Arguments),
    /// Explain the code of an error, with the remedy.
    Explain(explain::Arguments),
    /// Print the JSON Schema of a definition, for editors.
    Schema(OutputArguments),
    /// Write the reference and the JSON Schema into a folder.
    Docs {
        /// Output folder; replaces files in it.
        #[arg(long, value_name = "DIR", default_value = "docs")]
        out: PathBuf,
    },
    /// Print shell completions.
    Completions {
        /// Shell.
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the version; look for a newer one on request.
    Version(version::Arguments),
    /// Print the manual page, or write one for each command.
    Man {
        /// Output folder.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Selection of a stack.
#[derive(Clone, Debug, Args)]
pub struct StackArguments {
    /// Stack definition. Default: `acme.yaml` or `stack.yaml` in the current folder.
    #[arg(value_name = "STACK.yaml")]
    pub file: Option<PathBuf>,
    /// Same as STACK.yaml, before other arguments.
    #[arg(short = 'f', long = "file", value_name = "STACK.yaml")]
    pub file_option: Option<PathBuf>,
    /// Environment of the definition.
    #[arg(short, long, value_name = "NAME", env = "ACME_ENV", hide_env_values = true, add = ArgValueCompleter::new(complete::environments))]
    pub env: Option<EnvironmentName>,
    /// Value for expressions in the definition; repeatable. Saved plans and the shell history store it, so don't pass secrets.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub set: Vec<(String, String)>,
    /// File with values for expressions in the definition, as YAML; repeatable, a later file replaces values of an earlier one.
    #[arg(long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
}

/// Location of the stack, and output options.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// Use the simulated cloud, stored in DIR, instead of AWS.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = ".acme")]
    pub local: Option<PathBuf>,
    /// Endpoint for every AWS service [env: AWS_ENDPOINT_URL].
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Proxy for the Kubernetes APIs of clusters with private endpoints.
    #[arg(long, value_name = "URL", env = "ACME_KUBE_PROXY_URL", hide_env_values = true)]
    pub kube_proxy_url: Option<String>,
    /// AWS region; must match the definition's `region`, if set.
    #[arg(long, value_parser = parse_region)]
    pub region: Option<String>,
    /// Profile in the AWS configuration.
    #[arg(long)]
    pub profile: Option<String>,
    /// Role to assume, instead of the definition's `role`.
    #[arg(long, value_name = "ARN", value_parser = parse_role)]
    pub role: Option<String>,
    /// Location of history and locks: a folder, `s3` for the default bucket of account and region, or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "PLACE", env = "ACME_BACKEND", hide_env_values = true)]
    pub backend: Option<BackendLocation>,
    /// Output format, also of errors: `text` or `json`.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM", hide_possible_values = true)]
    pub output: OutputFormat,
    /// Colour: `auto` (on a terminal, unless `NO_COLOR` is set), `always` or `never`.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: Color,
    /// Print only the result.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the number of calls, by service and action.
    #[arg(long)]
    pub stats: bool,
    /// Print decisions: what was found, why resources change, retries and waits; `-vv`: every call, too [env: ACME_LOG=info or debug].
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Append decisions and calls to a file as JSON, one object per line.
    #[arg(long, value_name = "FILE", env = "ACME_LOG_PATH", hide_env_values = true)]
    pub log: Option<PathBuf>,
}

/// Output options of commands that make no calls.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArguments {
    /// Output format, also of errors: `text` or `json`.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM", hide_possible_values = true)]
    pub output: OutputFormat,
}

impl OutputArguments {
    /// Whether the output is for programs.
    fn is_json(self) -> bool {
        self.output == OutputFormat::Json
    }
}

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Format of `terraform show -json`, only for `plan`.
    #[value(skip)]
    Terraform,
}

/// Use of colour.
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

/// Asks for confirmation on a terminal; without one, refuses.
fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        refuse!("no-terminal", "there is no terminal for confirmation: pass `--yes` to skip it");
    }
    Ok(report::confirm(question)?)
}

fn parse_region(text: &str) -> Result<String, String> {
    if is_region_name(text) { Ok(text.to_owned()) } else { Err("a region looks like `eu-west-1`".to_owned()) }
}

fn parse_role(text: &str) -> Result<String, String> {
    if is_role_arn(text) { Ok(text.to_owned()) } else { Err("a role looks like `arn:aws:iam::123456789012:role/deploy`".to_owned()) }
}

/// Parses a number from 1 on.
fn parse_count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "use a number from 1 on".to_owned())
}

/// Parses a number from 0 on.
fn parse_whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "use a whole number, without a unit".to_owned())
}

fn parse_key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` does not have the form KEY=VALUE"))
}

impl Cli {
    /// Parses the arguments of the process. Prints help, the version or an error, and exits, if there is nothing to run.
    pub fn parse_or_exit() -> Cli {
        let command = without_empty_variables(Cli::command());
        let variables = variables(&command);
        let parsed = command.try_get_matches().and_then(|matches| {
            let cli = Cli::from_arg_matches(&matches)?;
            if let Command::Plan(arguments) = &cli.command {
                arguments.check(&mut Cli::command())?;
            }
            Ok(Cli { common: CommonOptions::of(&matches), ..cli })
        });
        parsed.unwrap_or_else(|mut ended| {
            name_variable(&mut ended, &variables);
            // An error repeats arguments, so it is shown without clap's styles. Help contains none.
            let (plain, styled) = (ended.render().to_string(), ended.render().ansi().to_string());
            match ended.use_stderr() {
                true => report::eprint(plain.trim_end()),
                false => report::print(&report::trusted(&styled)),
            }
            std::process::exit(ended.exit_code())
        })
    }
}

/// Treats an empty variable as one that is not set: CI systems pass variables without a value.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let is_empty = |argument: &clap::Arg| argument.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let ignore = |argument: clap::Arg| if is_empty(&argument) { argument.env(None::<&'static str>) } else { argument };
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |command| command.mut_args(ignore)))
}

/// Options that variables can set, each with the variable.
fn variables(command: &clap::Command) -> Vec<(String, String)> {
    let named = |argument: &clap::Arg| Some((format!("--{}", argument.get_long()?), argument.get_env()?.to_str()?.to_owned()));
    command.get_subcommands().flat_map(|command| command.get_arguments()).filter_map(named).collect()
}

/// Names the variable in place of the option, if the value that is not valid comes from there.
fn name_variable(error: &mut clap::Error, variables: &[(String, String)]) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (Some(argument), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else { return };
    // It stands there with the name of its value: `--env <NAME>`.
    let Some((_, variable)) = variables.iter().find(|(option, _)| argument.split(' ').next() == Some(option.as_str())) else { return };
    let is_written = env::args().skip(1).any(|written| written == value || written.ends_with(&format!("={value}")));
    if !is_written && env::var(variable).is_ok_and(|set| set == value) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable.clone()));
    }
}

/// Runs a command and returns its exit code.
pub async fn run(cli: Cli) -> u8 {
    let Cli { command, common } = cli;
    common.apply_color_choice();
    let log = match common.start_log() {
        Ok(log) => log,
        Err(error) => return failure::report_failure(&error, common.output),
    };
    common.mark_simulated_cloud();
    let code = match run_command(command).await {
        Ok(code) => code,
        Err(error) => failure::report_failure(&error, common.output),
    };
    let code = match report::write_failure() {
        Some(reason) => {
            report::eprint(&format!("{} can't write to stdout: {reason}", report::Style::Removed.paint("error[file]:")));
            if code == DONE { FAILED } else { code }
        }
        None => code,
    };
    log.finish(code).await;
    code
}

async fn run_command(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments).await,
        Command::Apply(arguments) => apply::run(&arguments, crate::engine::plan::Goal::Apply).await,
        Command::Destroy(arguments) => apply::run(&arguments, crate::engine::plan::Goal::Destroy).await,
        Command::Rollback(arguments) => rollback::run(&arguments).await,
        Command::Cutover(arguments) => cutover::run(&arguments).await,
        Command::Failover(arguments) => failover::run(&arguments).await,
        Command::Failback(arguments) => failover::run_failback(&arguments).await,
        Command::Import(arguments) => import::run(arguments).await,
        Command::Forget(arguments) => forget::run(arguments).await,
        Command::Drift(arguments) => drift::run(&arguments).await,
        Command::History(arguments) => history::run(arguments).await,
        Command::Stacks(arguments) => stacks::run(&arguments).await,
        Command::Remote(arguments) => remote::follow_latest(&arguments).await,
        Command::Runner(arguments) => runner::run(&arguments).await,
        Command::Rehearse(arguments) => rehearse::run(&arguments).await,
        Command::Drill(arguments) => drill::run(&arguments).await,
        Command::Render(arguments) => render::run(&arguments).await,
        Command::Show(arguments) => show::run(&arguments).await,
        Command::Graph(arguments) => graph::run(&arguments).await,
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Schema(_) => Ok(schema::run()),
        Command::Docs { out } => docs::run(&out),
        Command::Completions { shell } => shell::completions(shell),
        Command::Version(arguments) => version::run(&arguments).await,
        Command::Man { out } => shell::man(out.as_deref()),
        Command::Outputs(arguments) => outputs::run(&arguments).await,
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Kubeconfig(arguments) => kubeconfig::run(&arguments).await,
        Command::Token(arguments) => token::run(&arguments).await,
        Command::Unlock(arguments) => unlock::run(&arguments).await,
    }
}
