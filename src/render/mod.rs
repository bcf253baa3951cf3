//! Files of a repository, rendered from a definition. The same definition and the same resources give the same files.

mod ansible;
pub mod folder;
mod gitops;
mod header;
mod observability;
mod pipelines;
mod services;
mod templates;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde_json::Value;

use crate::{
    core::{
        Address, LiveResource,
        expression::{for_each_string, references, resolve},
    },
    definition::Stack,
};
pub use header::is_header_line;

/// Part of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Files for Argo CD.
    Gitops,
    /// Sources of services.
    Services,
    /// Pipelines that test and release services.
    Pipelines,
    /// Alerts and dashboards of services.
    Observability,
    /// Inventory and playbooks for the hosts of Auto Scaling groups.
    Ansible,
}

/// Files by path below the folder, and the resources whose outputs they need but that don't exist yet.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Text of each file, without the header.
    pub files: BTreeMap<String, String>,
    /// Folders that are written once and belong to people afterwards: their files by path below the folder.
    pub sources: BTreeMap<String, BTreeMap<String, String>>,
    /// Folders in which acme deletes files that it has rendered before and no longer renders. A part `*` stands for every folder.
    pub folders: BTreeSet<String>,
    /// Resources that don't exist yet.
    pub missing: BTreeSet<Address>,
}

type Live = BTreeMap<Address, LiveResource>;

impl Rendered {
    /// Number of files.
    pub fn count(&self) -> usize {
        self.files.len() + self.sources.values().map(BTreeMap::len).sum::<usize>()
    }

    /// A value with outputs of resources; those that don't exist yet are noted.
    fn resolve(&mut self, value: &Value, live: &Live) -> Value {
        let value = resolve(value, &|reference| live.get(&Address::new(reference.type_name, reference.name))?.output(reference.output));
        self.missing.extend(unresolved(&value));
        value
    }
}

/// Renders one part or all that the definition has something for.
///
/// # Errors
/// Fails if a value can't be written as YAML.
pub fn render(stack: &Stack, region: &str, live: &Live, only: Option<Part>) -> Result<Rendered, serde_yaml::Error> {
    let mut rendered = Rendered::default();
    let has = |part: Part| only.is_none_or(|only| only == part);
    if has(Part::Gitops) {
        render_gitops(stack, live, &mut rendered)?;
    }
    if has(Part::Services) {
        rendered.sources.extend(services::sources(stack));
    }
    if has(Part::Pipelines) {
        pipelines::render(stack, region, live, &mut rendered);
    }
    if has(Part::Observability) {
        observability::render(stack, &mut rendered);
    }
    if has(Part::Ansible) {
        ansible::render(stack, region, live, &mut rendered);
    }
    Ok(rendered)
}

fn render_gitops(stack: &Stack, live: &Live, rendered: &mut Rendered) -> Result<(), serde_yaml::Error> {
    let Some(gitops) = &stack.gitops else { return Ok(()) };
    for (path, value) in gitops::files(gitops, &stack.environment) {
        let value = rendered.resolve(&value, live);
        rendered.files.insert(path, yaml::to_yaml(&value)?);
    }
    rendered.files.extend(gitops::chart(gitops, &stack.environment));
    for (folder, files) in gitops::overlays(gitops, &stack.environment) {
        let mut resolve = |text: &str| rendered.resolve(&text.into(), live).as_str().unwrap_or_default().to_owned();
        let files = files.into_iter().map(|(name, text)| (name, resolve(&text))).collect();
        rendered.sources.insert(folder, files);
    }
    rendered.folders.extend(gitops::folders(&stack.environment));
    Ok(())
}

fn unresolved(value: &Value) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    for_each_string(value, &mut |text| {
        found.extend(references(text).into_iter().map(|reference| Address::new(reference.type_name, reference.name)));
    });
    found
}
