//! Files of a repository, rendered from a definition. The same definition and the same resources give the same files.

pub mod folder;
mod gitops;
mod header;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    core::{
        Address, LiveResource,
        expression::{for_each_string, references, resolve},
    },
    definition::Stack,
};

/// Files by path below the folder, and the resources whose outputs they need but that don't exist yet.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Text of each file, without the header.
    pub files: BTreeMap<String, String>,
    /// Folders in which acme deletes files that it has rendered before and no longer renders.
    pub folders: BTreeSet<String>,
    /// Resources that don't exist yet.
    pub missing: BTreeSet<Address>,
}

/// Renders what Argo CD installs; `None` if the definition delivers nothing through Git.
///
/// # Errors
/// Fails if a value can't be written as YAML.
pub fn render_gitops(stack: &Stack, live: &BTreeMap<Address, LiveResource>) -> Result<Option<Rendered>, serde_yaml::Error> {
    let Some(gitops) = &stack.gitops else { return Ok(None) };
    let mut rendered = Rendered::default();
    for (path, value) in gitops::files(gitops, &stack.environment) {
        let value = resolve(&value, &|reference| live.get(&Address::new(reference.type_name, reference.name))?.output(reference.output));
        rendered.missing.extend(unresolved(&value));
        rendered.files.insert(path, yaml::to_yaml(&value)?);
    }
    rendered.folders = gitops::folders(&stack.environment);
    Ok(Some(rendered))
}

fn unresolved(value: &Value) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    for_each_string(value, &mut |text| {
        found.extend(references(text).into_iter().map(|reference| Address::new(reference.type_name, reference.name)));
    });
    found
}
