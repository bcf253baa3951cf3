//! What a stack uses and does not own: existing resources and outputs of other stacks, read before a plan is made.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;

use super::{Result, Session, SessionError};
use crate::{
    aws::images::{Image, ImageQuery, ImageSearch, ImageVersion},
    core::{Address, HIDDEN, LiveResource, Phase, Result as CallResult, Scope, expression, expression::Reference, nearest},
    definition::{self, Diagnostic, ExistingQuery, ExistingResource, MORE, ResourceQuery, STACKS, Stack},
    engine::{
        backend::BucketCreation,
        cloud::Cloud,
        discover::{LiveState, find_by_id, scope},
        outputs,
        plan::{ExistingReading, StackReading},
    },
};

/// Values from outside the stack.
#[derive(Clone, Default)]
pub(super) struct ExternalValues {
    /// Existing resources by their address in references; several, if all that match are meant.
    existing: BTreeMap<Address, Vec<LiveResource>>,
    /// Container images by their address in references.
    images: BTreeMap<Address, Image>,
    /// Outputs of other stacks, by the name that the definition gives them.
    stacks: BTreeMap<String, BTreeMap<String, Value>>,
    /// Revisions that were read.
    pub(super) readings: Vec<StackReading>,
    /// What is missing or not unique.
    problems: Vec<Diagnostic>,
    /// Addresses in references of what has a problem.
    missing: BTreeSet<Address>,
}

impl Session {
    /// Reads the existing resources and the outputs of other stacks that the definition uses, and puts their values into the stack. The second
    /// call of a session reads nothing. What is missing matters to an apply only, see [`Session::require_external`].
    pub(super) async fn resolve_external(&mut self, account: &str) {
        // The stack of a rehearsal has the values.
        if self.answers.is_none() || self.external.is_some() || (self.stack.existing.is_empty() && self.stack.stacks.is_empty()) {
            return;
        }
        let mut found = ExternalValues::default();
        self.find_existing(&mut found).await;
        self.read_stacks(account, &mut found).await;
        self.external = Some(found);
        self.use_external_values();
    }

    /// Refuses to go on without a value from outside the stack.
    ///
    /// # Errors
    /// Fails if an existing resource or an output of another stack is missing, or not unique, at the line of the definition.
    pub fn require_external(&self) -> Result<()> {
        let Some(external) = self.external.as_ref().filter(|external| !external.problems.is_empty()) else { return Ok(()) };
        let mut problems = external.problems.clone();
        problems.sort_by_key(|problem| problem.range.as_ref().map_or(0, |range| range.start));
        Err(SessionError::InvalidDefinition { definition: self.source.clone(), problems })
    }

    /// Puts the values that were read into the stack, after it is compiled.
    pub(super) fn use_external_values(&mut self) {
        let Some(mut external) = self.external.take() else { return };
        for (pointer, message) in external.put_into(&mut self.stack) {
            let problem = Diagnostic::new("existing", message).at(definition::key_range(&self.source, &pointer));
            let problem = problem.help("check what was found: the field does not accept it");
            if !external.problems.contains(&problem) {
                external.problems.push(problem);
            }
        }
        self.external = Some(external);
    }

    async fn find_existing(&self, into: &mut ExternalValues) {
        let (cloud, stack) = (&*self.cloud, &self.stack);
        let lookups = stack.existing.iter().map(|(address, existing)| async move {
            let found = match &existing.query {
                ExistingQuery::Resource(query) => find(cloud, stack, query, existing.region.as_deref()).await.map(Found::Resources),
                ExistingQuery::Image(query) => cloud.find_image(query, existing.region.as_deref()).await.map(Found::Image),
            };
            (address, existing, found)
        });
        for (address, existing, found) in join_all(lookups).await {
            let problem = match found {
                Ok(found) => into.add_existing(address, existing, found),
                Err(error) => {
                    Some((format!("can't look up `{address}`: {error}"), "check the permissions: `acme policy` prints them".to_owned()))
                }
            };
            if problem.is_some() {
                into.missing.insert(address.clone());
            }
            let range = definition::key_range(&self.source, &existing.pointer);
            into.problems.extend(problem.map(|(message, help)| Diagnostic::new("existing", message).at(range).help(help)));
        }
    }

    async fn read_stacks(&self, account: &str, into: &mut ExternalValues) {
        let (problems, missing) = (&mut into.problems, &mut into.missing);
        let mut report = |pointer: &str, message: String, help: String| {
            let range = definition::key_range(&self.source, pointer);
            let name =
                self.stack.stacks.iter().find(|(_, other)| other.pointer == pointer || other.outputs.values().any(|at| at == pointer));
            missing.extend(name.map(|(name, _)| Address::new(STACKS, name)));
            problems.push(Diagnostic::new("stacks", message).at(range).help(help));
        };
        let backend = match self.stack.stacks.values().next() {
            None => return,
            Some(first) => match self.select_backend(account, BucketCreation::Never).await {
                Ok(selected) => selected.backend,
                Err(error) => return report(&first.pointer, format!("can't read other stacks: {error}"), "check the backend".to_owned()),
            },
        };
        for (name, other) in &self.stack.stacks {
            let shown = format!("{} ({})", other.stack, other.environment);
            let recorded = match outputs::read(&backend, &other.stack, &other.environment).await {
                Ok(Some(recorded)) => recorded,
                Ok(None) => {
                    let help = "apply it first, with the same backend; or correct the name or the environment".to_owned();
                    report(&other.pointer, format!("the stack {shown} does not exist"), help);
                    continue;
                }
                Err(error) => {
                    report(&other.pointer, format!("can't read the history of the stack {shown}: {error}"), "check the backend".to_owned());
                    continue;
                }
            };
            for (output, pointer) in &other.outputs {
                match recorded.values.get(output) {
                    Some(Value::Null) => {
                        let help = format!("revision {} of that stack has no resource for it: apply it again", recorded.revision);
                        report(pointer, format!("the output `{output}` of the stack {shown} has no value"), help);
                    }
                    Some(value) if value.to_string().contains(HIDDEN) => {
                        let message = format!("the output `{output}` of the stack {shown} contains a secret, which acme does not record");
                        report(pointer, message, "output the ARN of the secret there, and read the secret where it is used".to_owned());
                    }
                    Some(_) => {}
                    None => {
                        let help = nearest::suggestion(output, "outputs", recorded.values.keys().map(String::as_str));
                        report(pointer, format!("the stack {shown} has no output `{output}`"), help);
                    }
                }
            }
            into.readings.push(StackReading {
                name: name.clone(),
                stack: other.stack.to_string(),
                environment: other.environment.to_string(),
                revision: recorded.revision,
            });
            into.stacks.insert(name.clone(), recorded.values);
        }
    }
}

/// What a lookup found.
enum Found {
    Resources(Vec<LiveResource>),
    Image(ImageSearch),
}

impl ExternalValues {
    /// Adds what a lookup found, unless it is missing or not unique; then it returns the message and the remedy.
    fn add_existing(&mut self, address: &Address, existing: &ExistingResource, found: Found) -> Option<(String, String)> {
        match (found, &existing.query) {
            (Found::Image(ImageSearch::Found(image)), _) => drop(self.images.insert(address.clone(), image)),
            (Found::Image(search), ExistingQuery::Image(query)) => return Some(image_problem(query, &search)),
            (Found::Resources(found), ExistingQuery::Resource(query)) => {
                let problem = count_problem(address, query, &found);
                if problem.is_some() {
                    return problem;
                }
                self.existing.insert(address.clone(), found);
            }
            _ => {}
        }
        None
    }

    /// Existing resources and images, with the ids or digests of what was found.
    pub(super) fn existing_readings(&self) -> Vec<ExistingReading> {
        let reading = |(address, found): (&Address, &Vec<LiveResource>)| ExistingReading {
            address: address.clone(),
            ids: found.iter().map(|live| live.id.clone()).collect(),
        };
        let image = |(address, image): (&Address, &Image)| ExistingReading { address: address.clone(), ids: vec![image.digest.clone()] };
        let mut readings: Vec<_> = self.existing.iter().map(reading).chain(self.images.iter().map(image)).collect();
        readings.sort_by(|a, b| a.address.cmp(&b.address));
        readings
    }

    fn value(&self, reference: &Reference<'_>) -> Option<Value> {
        if reference.output == MORE {
            return Some(Value::Array(Vec::new()));
        }
        if reference.type_name == STACKS {
            return self.stacks.get(reference.name)?.get(reference.output).filter(|value| !value.is_null()).cloned();
        }
        let address = Address::new(reference.type_name, reference.name);
        if let Some(image) = self.images.get(&address) {
            return image.output(reference.output).map(Value::from);
        }
        let found = self.existing.get(&address)?;
        match found.as_slice() {
            [one] => one.output(reference.output),
            several => several.iter().map(|one| one.output(reference.output)).collect(),
        }
    }

    /// Whether a value refers to something with a problem.
    fn uses_missing(&self, value: &Value) -> bool {
        let mut found = false;
        let is_missing = |one: &Reference<'_>| self.missing.contains(&Address::new(one.type_name, one.name));
        expression::for_each_string(value, &mut |text| found |= expression::references(text).iter().any(is_missing));
        found
    }

    /// Replaces references in a stack. Returns the pointers of resources that the values do not suit, each with a message.
    fn put_into(&self, stack: &mut Stack) -> Vec<(String, String)> {
        let mut unfit = Vec::new();
        let resolve = |value: &Value| expression::resolve(value, &|reference| self.value(reference));
        for declared in stack.resources.values_mut() {
            if !expression::has_reference(&declared.spec) {
                continue;
            }
            let resolved = resolve(&declared.spec);
            if resolved != declared.spec {
                match declared.resource_type.operations.parse(&resolved) {
                    Ok(spec) => declared.spec = spec,
                    // The problem of a missing value is reported where it is declared.
                    Err(_) if self.uses_missing(&declared.spec) => {}
                    Err(wrong) => {
                        let first = wrong.into_iter().next();
                        let (pointer, message) = first.map(|problem| (problem.pointer, problem.message)).unwrap_or_default();
                        unfit.push((
                            declared.definition_pointer(&pointer),
                            format!("a value from outside the stack does not suit `{}`: {message}", declared.address),
                        ));
                    }
                }
            }
            if let Some(referring) = &mut declared.self_referring {
                referring.spec = resolve(&referring.spec);
            }
        }
        stack.outputs.values_mut().for_each(|value| *value = resolve(value));
        unfit
    }
}

/// Finds the resources that match.
async fn find(cloud: &Cloud, stack: &Stack, query: &ResourceQuery, region: Option<&str>) -> CallResult<Vec<LiveResource>> {
    let (kind, state) = (query.resource_type, LiveState::default());
    let found = match &query.id {
        Some(id) => match find_by_id(cloud, stack, kind, (region, id), &state).await? {
            Some(live) => vec![live],
            None => list(cloud, stack, query, region, BTreeSet::new()).await?,
        },
        None => {
            let full = query.name.iter().map(|name| format!("{}{name}", name_prefix(query)));
            list(cloud, stack, query, region, query.name.iter().cloned().chain(full).collect()).await?
        }
    };
    Ok(found.into_iter().filter(|live| live.phase != Phase::Deleting && matches(query, live)).collect())
}

async fn list(
    cloud: &Cloud,
    stack: &Stack,
    query: &ResourceQuery,
    region: Option<&str>,
    lookup: BTreeSet<String>,
) -> CallResult<Vec<LiveResource>> {
    let kind = query.resource_type;
    let scope = Scope {
        any_owner: true,
        bypass_tag_index: true,
        tag_index: None,
        lookup,
        search_outside_path: true,
        ..scope(stack, kind, region, &LiveState::default())
    };
    cloud.list(kind, &scope).await
}

/// Begin of all physical names of the type, which may be left out: `alias/`.
fn name_prefix(query: &ResourceQuery) -> &'static str {
    query.resource_type.naming.map_or("", |naming| naming.prefix)
}

fn matches(query: &ResourceQuery, live: &LiveResource) -> bool {
    let is_id = |id: &String| live.id == *id || live.arn() == Some(id);
    let is_name = |name: &String| {
        let is_name = |text: &str| text == name || text.strip_prefix(name_prefix(query)) == Some(name);
        let field = |key: &str| live.spec.get(key).and_then(Value::as_str).is_some_and(is_name);
        ["name", "domain"].iter().any(|key| field(key))
            || query.resource_type.lookup_name(&live.spec).is_some_and(is_name)
            || live.tags.get("Name").is_some_and(|text| text == name)
            || live.id == *name
    };
    query.id.as_ref().is_none_or(is_id)
        && query.name.as_ref().is_none_or(is_name)
        && query.tags.iter().all(|(key, value)| live.tags.get(key) == Some(value))
}

/// Problem of an image that can't be used: message and remedy.
fn image_problem(query: &ImageQuery, search: &ImageSearch) -> (String, String) {
    let version = match &query.version {
        ImageVersion::Tag(tag) => format!("with the tag `{tag}`"),
        ImageVersion::Digest(digest) => format!("with the digest `{digest}`"),
    };
    let repository = &query.repository;
    if *search == ImageSearch::NoRepository {
        let help = "check the account, the region and the spelling; for a repository of another account, add `account:`".to_owned();
        return (format!("there is no repository `{repository}`"), help);
    }
    if *search == ImageSearch::Archived {
        let help = "restore it, or use another image: an archived one can't be pulled".to_owned();
        return (format!("the image {version} in the repository `{repository}` is archived"), help);
    }
    let help = format!("push it first, or name another one: `aws ecr list-images --repository-name {repository}` lists them");
    (format!("there is no image {version} in the repository `{repository}`"), help)
}

/// Problem of the number of resources found: message and remedy.
fn count_problem(address: &Address, query: &ResourceQuery, found: &[LiveResource]) -> Option<(String, String)> {
    let thing = query.resource_type.name.replace('_', " ");
    match found {
        [] => {
            let by = description(query);
            let help = format!("check the account, the region and the spelling; a {thing} with {by} must exist before the plan");
            Some((format!("there is no {thing} with {by}"), help))
        }
        [_] => None,
        _ if query.all => None,
        several => {
            const SHOWN: usize = 5;
            let ids: Vec<&str> = several.iter().take(SHOWN).map(|live| live.id.as_str()).collect();
            let more = if several.len() > SHOWN { ", …" } else { "" };
            let message = format!("`{address}` is not unique: {} match ({}{more})", several.len(), ids.join(", "));
            Some((message, "write its `id`, add a tag, or set `all: true` to use all in a list".to_owned()))
        }
    }
}

fn description(query: &ResourceQuery) -> String {
    let id = query.id.as_ref().map(|id| format!("the id `{id}`"));
    let name = query.name.as_ref().map(|name| format!("the name `{name}`"));
    let tags = query.tags.iter().map(|(key, value)| format!("the tag `{key}: {value}`"));
    id.into_iter().chain(name).chain(tags).collect::<Vec<_>>().join(" and ")
}
