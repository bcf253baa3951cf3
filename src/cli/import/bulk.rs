//! Adopts the resources of a source: a Terraform state, tags, a VPC or a CloudFormation stack.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Arguments;
use crate::{
    cli::{
        DONE, FAILED, INCOMPLETE, OutputFormat, advice, confirm,
        definition_file::DEFAULT_FILES,
        lock, open, plan,
        refusal::{Refusal, refuse},
    },
    definition::Source,
    engine::session::{BulkImport, Candidates, LeftOut, LockedSession},
    report::{self, Style, plan::RenderOptions, terraform},
};

/// Maximum number of names in the summary of what is part of other resources.
const MAX_PARTS_SHOWN: usize = 5;

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let from_file = arguments.from.as_ref().map(read_terraform_state).transpose()?;
    let source = definition(arguments)?;
    let session = open::open_source(source, &arguments.target, &arguments.global).await?;
    let mut locked = arguments.lock.lock(session, "import", arguments.yes, &arguments.global).await?;
    let ended = run_with_lease(arguments, &mut locked, from_file).await;
    lock::release(locked).await;
    ended
}

fn read_terraform_state(path: &PathBuf) -> Result<Candidates> {
    let file = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("can't read the Terraform state `{file}`"))?;
    match terraform::state::read_state(&text) {
        Ok(candidates) => Ok(candidates),
        Err(problem) => refuse!("terraform-state", "can't use `{file}`: {problem}"),
    }
}

/// The definition, or the beginning of a new one.
fn definition(arguments: &Arguments) -> Result<Source> {
    let target = &arguments.target;
    let path = match (target.path(), &arguments.stack) {
        (Err(error), Some(_)) if error.is::<Refusal>() && target.file.is_none() && !is_ambiguous() => PathBuf::from(DEFAULT_FILES[0]),
        (path, _) => path?,
    };
    let file = path.display().to_string();
    match (path.exists(), &arguments.stack) {
        (true, None) => open::read(&target.with_path(path)),
        (true, Some(name)) => {
            let source = open::read(&target.with_path(path))?;
            match stack_of(&source.text) {
                Some(found) if found == **name => Ok(source),
                Some(found) => {
                    let command = advice::this_command(Some("--stack"));
                    refuse!(
                        "file-exists",
                        "`{file}` is the definition of the stack `{found}`: name another file, or add the resources to that stack with `{command}`"
                    )
                }
                None => refuse!("file-exists", "`{file}` exists already, and is not a definition: name another file"),
            }
        }
        (false, None) => {
            refuse!("definition-file", "`{file}` does not exist: pass `--stack NAME` to write a new definition")
        }
        (false, Some(name)) => {
            let region = arguments.global.region.as_ref().map(|region| format!("region: {region}\n")).unwrap_or_default();
            Ok(Source::new(file, format!("stack: {name}\n{region}")))
        }
    }
}

/// Name of the stack in a definition.
fn stack_of(text: &str) -> Option<String> {
    let document: Value = serde_yaml::from_str(text).ok()?;
    document.get("stack")?.as_str().map(str::to_owned)
}

/// Whether both default files exist.
fn is_ambiguous() -> bool {
    DEFAULT_FILES.iter().all(|file| PathBuf::from(file).exists())
}

async fn run_with_lease(arguments: &Arguments, locked: &mut LockedSession, from_file: Option<Candidates>) -> Result<u8> {
    let global = &arguments.global;
    let candidates = match (from_file, &arguments.vpc, &arguments.from_cloudformation) {
        (Some(candidates), ..) => candidates,
        (None, Some(vpc), _) => locked.candidates_in_vpc(vpc).await?,
        (None, None, Some(stack)) => locked.candidates_in_cloudformation(stack).await?,
        (None, None, None) => locked.candidates_by_tags(&arguments.tags.iter().cloned().collect()).await?,
    };
    let parts = candidates.parts.clone();
    let written = locked.session().source().text.clone();
    let import = locked.plan_import(candidates).await?;
    show_left_out("not adopted", &import.left_out);
    if import.adoptions.is_empty() {
        match import.left_out.len() {
            0 => refuse!("not-adoptable", "no resource can be adopted: the source has none"),
            1 => refuse!("not-adoptable", "no resource can be adopted: the only one is left out, for the reason above"),
            count => refuse!("not-adoptable", "no resource can be adopted: all {count} are left out, for the reasons above"),
        }
    }
    show_parts(&parts);
    if import.definition.text != written || !PathBuf::from(&import.definition.path).exists() {
        write_definition(&import.definition)?;
    }
    if global.output != OutputFormat::Json {
        plan::print(&import.plan, global.output, RenderOptions::default())?;
    }
    let failed = match adopt(arguments, locked, &import).await? {
        Some(failed) => failed,
        None => return Ok(FAILED),
    };
    if global.output == OutputFormat::Json {
        print_json(&import, &parts, &failed)?;
    }
    open::print_stats(locked.session(), global);
    if failed.is_empty() {
        warn_about_the_other_owner(arguments);
        return Ok(DONE);
    }
    show_left_out("not tagged", &failed);
    report::eprint(&format!("  help: run the import again, which continues it: `{}`.", advice::this_command(None)));
    Ok(INCOMPLETE)
}

/// Asks, and tags the resources. `None`: the user declined.
async fn adopt(arguments: &Arguments, locked: &LockedSession, import: &BulkImport) -> Result<Option<Vec<LeftOut>>> {
    let stack = locked.session().stack();
    let missing = import.adoptions.iter().filter(|(adoption, _)| adoption.needs_tags).count();
    if missing == 0 {
        report::eprint(&format!("No changes: {} tagged already.", resources(import.adoptions.len())));
        return Ok(Some(Vec::new()));
    }
    let question = format!(
        "Tag {} as part of {} ({}) in account {}? Nothing else changes.",
        resources(missing),
        stack.name,
        stack.environment,
        locked.account()
    );
    if !arguments.yes && !confirm(&question)? {
        report::eprint(&format!("No resource was tagged; the definition in {} has them.", import.definition.path));
        report::eprint(&format!("  help: `{}` continues the import.", advice::this_command(None)));
        return Ok(None);
    }
    let failed = locked.adopt_all(&import.adoptions).await?;
    if failed.len() < missing {
        locked.record_import(missing - failed.len()).await;
    }
    report::eprint(&format!(
        "{} {} part of {} ({}) now.",
        Style::Added.paint("Done:"),
        match missing - failed.len() {
            1 => "1 resource is".to_owned(),
            count => format!("{count} resources are"),
        },
        stack.name,
        stack.environment
    ));
    Ok(Some(failed))
}

fn write_definition(definition: &Source) -> Result<()> {
    let file = &definition.path;
    fs::write(file, &definition.text).with_context(|| format!("can't write `{file}`"))?;
    report::eprint(&format!("Wrote {file}."));
    Ok(())
}

fn show_left_out(what: &str, left_out: &[LeftOut]) {
    for LeftOut { origin, reason } in left_out {
        report::eprint(&format!("{} {what}: {origin}: {reason}", Style::Changed.paint("!")));
    }
}

/// Names what needs no adoption of its own.
fn show_parts(parts: &[String]) {
    if !parts.is_empty() {
        let named = crate::core::list_first(parts, MAX_PARTS_SHOWN);
        report::eprint(&format!("Parts of adopted resources: {named}."));
    }
}

/// The other tool would still change or delete the resources.
fn warn_about_the_other_owner(arguments: &Arguments) {
    if arguments.from.is_some() {
        report::eprint(
            "  help: Terraform still has these resources in its state: remove them there with `terraform state rm`, before you change them here.",
        );
    }
    if let Some(stack) = &arguments.from_cloudformation {
        report::eprint(&format!(
            "  help: CloudFormation still manages these resources: set `DeletionPolicy: Retain` on each and update `{stack}`, then delete that stack.",
        ));
    }
}

fn print_json(import: &BulkImport, parts: &[String], failed: &[LeftOut]) -> Result<()> {
    let named = |list: &[LeftOut]| list.iter().map(|one| json!({ "origin": one.origin, "reason": one.reason })).collect::<Vec<_>>();
    let is_failed = |origin: &String| failed.iter().any(|one| one.origin == *origin);
    let adopted = import.adoptions.iter().filter(|(_, origin)| !is_failed(origin));
    let adopted: Vec<_> =
        adopted.map(|(adoption, origin)| json!({ "address": adoption.address, "id": adoption.live.id, "origin": origin })).collect();
    report::print_json(&json!({
        "format": "acme-import/2",
        "file": import.definition.path,
        "adopted": adopted,
        "parts": parts,
        "left_out": named(&import.left_out),
        "failed": named(failed),
        "plan": report::json::plan(&import.plan),
    }))?;
    Ok(())
}

fn resources(count: usize) -> String {
    if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") }
}
