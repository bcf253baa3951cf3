//! Files of saved plans: `plan --out` writes one, `apply` and `destroy` read one.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{StackArguments, advice, refusal::refuse, selection::SelectionArguments};
use crate::{
    core::private_files,
    engine::{
        plan::{Goal, Selection},
        saved_plan::{DefinitionSource, SavedPlan},
        session,
    },
};

/// A saved plan, and the definition and options that it is for.
pub struct OpenedPlan {
    /// The plan.
    pub saved: SavedPlan,
    /// File of the plan.
    pub file: PathBuf,
    /// Definition and options of the plan.
    pub target: StackArguments,
    /// Whether the arguments state what the plan must be for. Then the plan decides nothing itself, not even the region.
    pub is_expected: bool,
}

/// Reads the saved plan that the arguments name; `None` if they name a definition. Refuses a plan for another goal, or for something else than the
/// arguments beside it state.
pub fn read(target: &StackArguments, selection: &SelectionArguments, goal: Goal) -> Result<Option<OpenedPlan>> {
    // Beside a saved plan, `--file` states its definition.
    let path = match &target.file {
        Some(file) => file.clone(),
        None => target.path()?,
    };
    let file = path.display();
    let by_name = path.extension().is_some_and(|extension| extension == "acmeplan");
    let text = match fs::read_to_string(&path) {
        Ok(text) if by_name || SavedPlan::is_saved_plan(&text) => text,
        Err(error) if by_name => return Err(error).with_context(|| format!("can't read the saved plan `{file}`")),
        // Loading the definition reports the error.
        _ => return Ok(None),
    };
    let saved = match SavedPlan::parse(&text) {
        Ok(saved) => saved,
        Err(unfit) => {
            refuse!("unfit-plan", "can't apply the saved plan `{file}`: {unfit}\n  help: plan again with `acme plan … --out {file}`")
        }
    };
    if saved.goal != goal {
        let what = match saved.goal {
            Goal::Apply => "applies the definition",
            Goal::Destroy => "deletes resources of the stack (`--destroy`)",
        };
        let run = advice::apply_saved_plan(saved.goal, &path);
        refuse!("unexpected-plan", "no changes made: the plan in `{file}` {what}\n  help: run `{run}` to apply exactly this plan");
    }
    let is_expected = target.env.is_some() || target.file.is_some() && target.file_option.is_some();
    if is_expected {
        let differences = unexpected(&saved, target, &selection.selection()?);
        if !differences.is_empty() {
            let list: String = differences.iter().map(|difference| format!("\n  {difference}")).collect();
            refuse!("unexpected-plan", "no changes made: the plan in `{file}` is not for what was stated beside it{list}");
        }
    } else if !target.set.is_empty() || !target.values.is_empty() || !selection.is_empty() {
        refuse!(
            "saved-plan",
            "`{file}` is a saved plan, which contains its values and its selection: remove `--set`, `--values`, `--only`, `--except` and `--replace`"
        );
    }
    let planned = stack_arguments(&saved);
    let target = if is_expected {
        StackArguments { file: planned.file, file_option: None, env: target.env.clone().or(planned.env), ..target.clone() }
    } else {
        planned
    };
    Ok(Some(OpenedPlan { saved, file: path, target, is_expected }))
}

/// What the plan is for, where that is not what the arguments state.
fn unexpected(saved: &SavedPlan, stated: &StackArguments, selection: &Selection) -> Vec<String> {
    let SavedPlan { definition, environment, .. } = saved;
    let mut found = Vec::new();
    if let Some(file) = stated.file_option.as_ref().filter(|file| !is_same_file(file, Path::new(&definition.file))) {
        found.push(format!("it is for the definition `{}`, not `{}`", definition.file, file.display()));
    }
    // Its two names of the environment differ only in a forged plan.
    let planned = [Some(environment.as_str()), definition.env.as_deref()];
    if let Some(name) = &stated.env
        && let Some(other) = planned.into_iter().flatten().find(|planned| **planned != **name)
    {
        found.push(format!("it is for the environment `{other}`, not `{name}`"));
    }
    let sets = |all: &[(String, String)]| all.iter().map(|(key, value)| format!(" --set {key}={value}")).collect::<String>();
    let files = |all: &[String]| all.iter().map(|file| format!(" --values {file}")).collect::<String>();
    let stated_values: Vec<String> = stated.values.iter().map(|file| file.display().to_string()).collect();
    for (planned, stated) in [
        (sets(&definition.set), sets(&stated.set)),
        (files(&definition.values), files(&stated_values)),
        (session::selection_options(&saved.selection), session::selection_options(selection)),
    ] {
        let (planned, stated) = (planned.trim_start(), stated.trim_start());
        match (planned.is_empty(), stated.is_empty()) {
            _ if planned == stated => {}
            (true, _) => found.push(format!("it was made without `{stated}`")),
            (_, true) => found.push(format!("it was made with `{planned}`")),
            _ => found.push(format!("it was made with `{planned}`, not with `{stated}`")),
        }
    }
    found
}

/// Whether both paths name the same file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| fs::canonicalize(path).ok();
    one == other || resolved(one).is_some_and(|path| Some(path) == resolved(other))
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
