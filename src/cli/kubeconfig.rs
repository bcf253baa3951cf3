//! `acme kubeconfig`.

use std::{env, fs, io::Write, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open, refusal::refuse};
use crate::{
    core::private_files,
    engine::{
        kubeconfig::{TokenCommand, kubeconfig, merge},
        session::Connection,
    },
    kubernetes::Caller,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Add the clusters to this file, by default to `$KUBECONFIG` or `~/.kube/config`, and make the first one the current context.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    merge: Option<Option<PathBuf>>,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let (session, state) = open::discover(&arguments.target, &arguments.global).await?;
    if matches!(session.connection(), Connection::Simulated(_)) {
        refuse!("simulated-cluster", "clusters of the simulated cloud have no Kubernetes API");
    }
    let token = TokenCommand {
        command: own_command(),
        region: session.region().to_owned(),
        caller: Caller { profile: arguments.global.profile.clone(), role: session.role() },
        proxy: arguments.global.kube_proxy_url.clone(),
    };
    let clusters = state.live_state().live.get("eks_cluster").into_iter().flatten().filter(|live| session.stack().owns(&live.tags));
    let config = kubeconfig(clusters, &token);
    open::print_stats(&session, &arguments.global);
    if config["clusters"].as_array().is_none_or(Vec::is_empty) {
        refuse!("no-cluster", "the stack has no cluster that is ready");
    }
    let is_json = arguments.global.output == OutputFormat::Json;
    let Some(file) = &arguments.merge else {
        if is_json {
            report::print_json(&config)?;
        } else {
            report::print_yaml(&serde_yaml::to_string(&config)?)?;
        }
        return Ok(DONE);
    };
    let file = file.clone().map_or_else(default_file, Ok)?;
    let written = match fs::read_to_string(&file) {
        Ok(text) => serde_saphyr::from_str::<Value>(&text).with_context(|| format!("`{}` is not a valid kubeconfig", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", file.display())),
    };
    write(&file, &serde_yaml::to_string(&merge(written, &config))?).with_context(|| format!("can't write `{}`", file.display()))?;
    let names: Vec<&str> = config["contexts"].as_array().into_iter().flatten().filter_map(|context| context["name"].as_str()).collect();
    if is_json {
        report::print_json(&json!({ "format": "acme-kubeconfig/1", "file": file, "contexts": names }))?;
    }
    for name in names {
        report::eprint(&format!("Added `{}` to `{}`.", report::Style::Heading.paint(name), file.display()));
    }
    Ok(DONE)
}

/// The first file of `$KUBECONFIG`, or the default one, like kubectl.
fn default_file() -> Result<PathBuf> {
    let listed = env::var_os("KUBECONFIG").and_then(|paths| env::split_paths(&paths).find(|path| !path.as_os_str().is_empty()));
    match listed.or_else(|| Some(env::home_dir()?.join(".kube").join("config"))) {
        Some(file) => Ok(file),
        None => refuse!("no-kubeconfig", "there is no home folder: pass the file, `--merge=FILE`"),
    }
}

/// Replaces the file as a whole: other programs may read it meanwhile.
fn write(file: &std::path::Path, text: &str) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    private_files::create_dir_all(folder)?;
    // A link stays a link.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut temporary = tempfile::NamedTempFile::new_in(target.parent().unwrap_or(folder))?;
    temporary.write_all(text.as_bytes())?;
    temporary.persist(target)?;
    Ok(())
}

/// `acme`, if the shell finds this program by that name, else its path.
fn own_command() -> String {
    let own = env::current_exe().ok();
    let found =
        env::var_os("PATH").and_then(|paths| env::split_paths(&paths).map(|folder| folder.join("acme")).find(|file| file.is_file()));
    let is_own = found.zip(own.as_ref()).is_some_and(|(found, own)| fs::canonicalize(found).ok() == fs::canonicalize(own).ok());
    match own {
        Some(own) if !is_own => own.display().to_string(),
        _ => "acme".to_owned(),
    }
}
