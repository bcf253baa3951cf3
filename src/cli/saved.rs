//! Files of saved plans: `plan --out` writes one, `apply` reads one.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{StackArguments, actor, apply::command_line, context::Session, refusal::refuse};
use crate::engine::{
    plan::{Goal, Plan},
    saved_plan::{DefinitionSource, SavedPlan, sha256},
};

/// Reads the saved plan at `target`; `None` if it is a definition.
pub fn read(target: &StackArguments) -> Result<Option<SavedPlan>> {
    let file = target.file.display();
    let by_name = target.file.extension().is_some_and(|extension| extension == "acmeplan");
    let text = match fs::read_to_string(&target.file) {
        Ok(text) if by_name || SavedPlan::is_saved_plan(&text) => text,
        Err(error) if by_name => return Err(error).with_context(|| format!("can't read the saved plan `{file}`")),
        // Loading the definition reports the error.
        _ => return Ok(None),
    };
    if target.env.is_some() || !target.set.is_empty() {
        refuse!("saved-plan", "`{file}` is a saved plan, which contains its environment and values: remove `--env` and `--set`");
    }
    match SavedPlan::parse(&text) {
        Ok(saved) => Ok(Some(saved)),
        Err(unfit) => {
            refuse!("unfit-plan", "can't apply the saved plan `{file}`: {unfit}\n  help: plan again with `acme plan … --out {file}`")
        }
    }
}

/// Definition of a saved plan.
pub fn stack_arguments(saved: &SavedPlan) -> StackArguments {
    let DefinitionSource { file, env, set, .. } = &saved.definition;
    StackArguments { file: PathBuf::from(file), env: env.clone(), set: set.clone() }
}

/// Refuses if the definition has changed since the plan.
pub fn check_definition(saved: &SavedPlan, path: &Path) -> Result<()> {
    let target = stack_arguments(saved);
    let text = fs::read(&target.file).with_context(|| format!("can't read the definition `{}`", target.file.display()))?;
    if sha256(&text) != saved.definition.sha256 {
        let then = saved.definition.commit.as_ref().map(|commit| format!(" (at commit {commit})")).unwrap_or_default();
        refuse!(
            "stale-plan",
            "no changes made: `{}` has changed since the plan was made{then}\n  help: {}",
            target.file.display(),
            replan_hint(saved, path)
        );
    }
    Ok(())
}

/// Refuses if a new plan differs from the saved one.
pub fn check_plan(saved: &SavedPlan, path: &Path, plan: &Plan, revision: Option<u64>) -> Result<()> {
    let mut differences = saved.differences(plan);
    if differences.is_empty() {
        return Ok(());
    }
    if saved.revision != revision
        && let Some(revision) = revision
    {
        differences.push(format!("revision {revision} is newer than the plan (see `acme history`)"));
    }
    refuse!(
        "stale-plan",
        "no changes made: the live state has changed since the plan in `{}` was made\n  {}\n  help: {}",
        path.display(),
        differences.join("\n  "),
        replan_hint(saved, path)
    );
}

/// Writes a plan to a file that only its owner can read.
pub fn write(path: &Path, plan: &Plan, goal: Goal, session: &Session, revision: Option<u64>) -> Result<()> {
    let target = &session.target;
    let definition = DefinitionSource {
        file: target.file.display().to_string(),
        sha256: sha256(session.text.as_bytes()),
        commit: actor::git_commit(&target.file),
        env: target.env.clone(),
        set: target.set.clone(),
    };
    let saved = SavedPlan::new(plan, &session.stack, goal, definition, revision)?;
    let text = format!("{}\n", serde_json::to_string_pretty(&saved)?);
    overwrite_plan(path, &text).with_context(|| format!("can't write the plan to `{}`", path.display()))
}

/// Replaces an old plan, but no other file.
fn overwrite_plan(path: &Path, text: &str) -> Result<()> {
    match fs::read_to_string(path) {
        Ok(old) if SavedPlan::is_saved_plan(&old) || old.is_empty() => fs::remove_file(path)?,
        Ok(_) => refuse!("not-a-plan", "the file exists and is not a saved plan"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn replan_hint(saved: &SavedPlan, path: &Path) -> String {
    let destroy = if saved.goal == Goal::Destroy { " --destroy" } else { "" };
    format!("plan again with `{}{destroy} --out {}`", command_line("plan", &stack_arguments(saved)), path.display())
}
