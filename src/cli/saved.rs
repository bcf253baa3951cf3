//! Files of saved plans: `plan --out` writes one, `apply` reads one.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{StackArguments, refusal::refuse};
use crate::{
    core::private_files,
    engine::saved_plan::{DefinitionSource, SavedPlan},
};

/// Reads the saved plan at `target`; `None` if it is a definition.
pub fn read(target: &StackArguments) -> Result<Option<SavedPlan>> {
    let path = target.path()?;
    let file = path.display();
    let by_name = path.extension().is_some_and(|extension| extension == "acmeplan");
    let text = match fs::read_to_string(&path) {
        Ok(text) if by_name || SavedPlan::is_saved_plan(&text) => text,
        Err(error) if by_name => return Err(error).with_context(|| format!("can't read the saved plan `{file}`")),
        // Loading the definition reports the error.
        _ => return Ok(None),
    };
    if target.env.is_some() || !target.set.is_empty() || !target.values.is_empty() {
        refuse!(
            "saved-plan",
            "`{file}` is a saved plan, which contains its environment and values: remove `--env`, `--set` and `--values`"
        );
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
    let DefinitionSource { file, env, set, values, .. } = &saved.definition;
    StackArguments {
        file: Some(PathBuf::from(file)),
        file_option: None,
        env: env.clone(),
        set: set.clone(),
        values: values.iter().map(PathBuf::from).collect(),
    }
}

/// Writes a plan to a file that only its owner can read.
pub fn write(path: &Path, saved: &SavedPlan) -> Result<()> {
    let text = format!("{}\n", serde_json::to_string_pretty(saved)?);
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
    let mut file = private_files::open_options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
