//! `acme runner`: applies the plan of a remote run. The buildspec of the runner's project calls it, with the variables of the build.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::{
    Color, FAILED, GlobalArguments, LockArguments, OutputFormat, advice, apply, cost::CostArguments, failure, open, refusal::refuse, saved,
    selection::SelectionArguments,
};
use crate::{
    aws::{Aws, Settings, services::codebuild::builds::BUILD_ARN_VARIABLE},
    definition::BackendLocation,
    engine::{
        backend::act_for,
        remote::{ENDED_EVENT, LONGEST_LINE, RemotePackage, RunVariables, STARTED_EVENT, take_package},
        session::{RemoteUser, Session, SessionOptions},
    },
    report,
};

/// Arguments of `acme runner`: everything is in variables of the build.
#[derive(Clone, Debug, Args)]
pub struct Arguments {}

pub async fn run(_arguments: &Arguments) -> Result<u8> {
    let variables = match RunVariables::read(|name| env::var(name).ok()) {
        Ok(variables) => variables,
        Err(error) => refuse!("not-a-runner", "{error}\n  help: `acme apply --remote` starts a build with these variables"),
    };
    report::split_long_lines(LONGEST_LINE);
    report::print_json_line(&json!({ "event": STARTED_EVENT, "format": "acme-remote/1", "run": variables.run }))?;
    let code = match take_and_apply(&variables).await {
        Ok(code) => code,
        Err(error) => failure::report_failure(&error, OutputFormat::Json),
    };
    // A line that was lost must not look like a success.
    let code = if report::write_failure().is_some() && code == 0 { FAILED } else { code };
    report::print_json_line(&json!({ "event": ENDED_EVENT, "run": variables.run, "exit_code": code }))?;
    Ok(code)
}

async fn take_and_apply(variables: &RunVariables) -> Result<u8> {
    let aws = Aws::connect(Settings::default()).await?;
    let package = take_package(&aws, variables).await?;
    let build = env::var(BUILD_ARN_VARIABLE).unwrap_or_else(|_| "an unknown build".to_owned());
    act_for(format!("{} in {build}", package.options.actor));
    let folder = tempfile::tempdir().context("can't create a folder for the definition")?;
    let here = package.unpack(folder.path()).context("can't write the definition")?;
    env::set_current_dir(&here).context("can't enter the folder of the definition")?;
    apply_package(package).await
}

async fn apply_package(package: RemotePackage) -> Result<u8> {
    let RemotePackage { plan, plan_file, options, .. } = package;
    let backend = options.backend.map(|text| text.parse::<BackendLocation>()).transpose();
    let global = GlobalArguments {
        local: None,
        endpoint_url: None,
        kube_proxy_url: env::var("ACME_KUBE_PROXY_URL").ok().filter(|url| !url.is_empty()),
        region: options.region,
        profile: None,
        role: options.role,
        backend: backend.map_err(|error| anyhow::anyhow!(error))?,
        output: OutputFormat::Json,
        color: Color::Never,
        quiet: false,
        stats: options.stats,
        // The log goes to the client, from the start of the process.
        verbose: 0,
        log: None,
    };
    let target = saved::stack_arguments(&plan);
    let source = open::read(&target)?;
    let user = RemoteUser { profile: options.profile, plan_again: options.plan_again };
    let session_options = SessionOptions { remote_user: Some(user), ..open::session_options(&target, &global) };
    let file = PathBuf::from(plan_file);
    plan.check_definition(&source, &file, &session_options.command_line("plan", &source.path))?;
    advice::select(&target, session_options.clone());
    let session = Session::open(source, session_options).await?;
    let arguments = apply::Arguments {
        target,
        yes: true,
        no_rollback: !options.roll_back_on_failure,
        full: false,
        remote: None,
        selection: SelectionArguments::default(),
        cost: CostArguments::default(),
        lock: LockArguments::new(options.lock_timeout, options.parallelism),
        global,
    };
    apply::run_goal(&arguments, plan.goal, session, Some((&plan, &file))).await
}
