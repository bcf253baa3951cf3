//! Reads all resources of a stack, all types in parallel.

mod scope;
#[cfg(test)]
mod tests;
mod unseen;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use futures::future::join_all;
use serde_json::Value;

use crate::{
    aws::types::{self, RESOURCE_TYPES},
    core::{
        ADDRESS_TAG, Address, Error, ErrorKind, LiveResource, REGION_TAG, ResourceType, Result, Scope, Shared, Tags, is_controller_tag,
        trace,
    },
    definition::Stack,
    engine::cloud::{Cloud, RegionIndexes},
};

pub use scope::scope;
pub use unseen::{RecordedResource, find_recorded, find_taken_keys};

/// Live resources, by name of the type.
#[derive(Clone, Debug, Default)]
pub struct LiveState {
    /// Live resources by type.
    pub live: BTreeMap<&'static str, Vec<LiveResource>>,
    /// Global resources of the same stack in another region.
    pub elsewhere: Vec<LiveResource>,
    /// Recorded resources that exist without the stack's ownership tags, by their address in the record: the tags were removed, or are those
    /// of another stack by now.
    pub lost: BTreeMap<Address, LiveResource>,
    /// ARN → tags from the tagging API, by region; `None` if it was not available.
    pub index: Option<RegionIndexes>,
    /// Warnings about types that could not be read, but that this definition does not use.
    pub warnings: Vec<String>,
    /// Hints from journals about live resources.
    pub hints: Hints,
    /// Start of the read: resources created shortly before may be missing.
    pub read_at: Option<SystemTime>,
}

/// Information from journals beyond the ownership tags. It affects the plan only for resources that a crash left untagged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Addresses at which an unfinished run started a creation: an untagged resource of the desired name belongs to the stack.
    pub started_creates: BTreeSet<Address>,
    /// Physical id of the resource at an address: the one to keep of two with the same ownership tags, and the one meant even without tags.
    pub known_ids: BTreeMap<Address, String>,
    /// Fields with the fact `own_read` that the record has at non-default values, by address. `None`: there is no reliable record, so
    /// all such fields are read.
    pub own_reads: Option<BTreeMap<Address, Vec<String>>>,
    /// Names, by type, of the resources that unfinished runs changed, before and after: the definition may have other ones.
    pub names: ResourceNames,
    /// Types and regions, other than the stack's, of resources in the record and in journals.
    pub other_regions: BTreeSet<(&'static str, String)>,
    /// Types and ids of the global resources in the record of this region; `None` without a record. They belong to the stack here even if
    /// they have no tag for the region.
    pub recorded_global: Option<BTreeSet<(String, String)>>,
    /// See [`Scope::shallow`].
    pub shallow: bool,
    /// Whether all of the stack is about to be deleted.
    pub destroys: bool,
}

/// Names to look up, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceNames(BTreeMap<&'static str, BTreeSet<String>>);

impl ResourceNames {
    /// Names of a type.
    pub fn of_type(&self, type_name: &str) -> impl Iterator<Item = &String> {
        self.0.get(type_name).into_iter().flatten()
    }
}

impl<'a> Extend<(&'a str, &'a Value)> for ResourceNames {
    /// Adds the names in these specs, each with its type.
    fn extend<I: IntoIterator<Item = (&'a str, &'a Value)>>(&mut self, specs: I) {
        for (type_name, spec) in specs {
            if let Some(kind) = types::resource_type(type_name)
                && let Some(name) = kind.lookup_name(spec)
            {
                self.0.entry(kind.name).or_default().insert(name.to_owned());
            }
        }
    }
}

impl LiveState {
    /// Iterates over all live resources with their types.
    pub fn iter(&self) -> impl Iterator<Item = &LiveResource> {
        self.live.values().flatten()
    }

    /// ARN → tags of a region; `None` is the stack's.
    fn index_of(&self, region: Option<&str>) -> Option<&Shared<BTreeMap<String, Tags>>> {
        self.index.as_ref()?.get(&region.map(str::to_owned))
    }

    /// Moves global resources that the same stack owns in another region to [`LiveState::elsewhere`]. Versions of acme that did not set the
    /// tag for the region may have created one: it belongs to the stack in the region whose record has it. Without a record, it does if the
    /// stack has other resources here.
    fn separate_other_regions(&mut self, stack: &Stack, region: &str) {
        let is_ours = |live: &LiveResource| stack.owns(&live.tags);
        let is_global = |name: &str| types::resource_type(name).is_some_and(|kind| kind.is_global());
        let stack_is_here = self.iter().any(|live| live.region.is_none() && !is_global(&live.type_name) && is_ours(live));
        let hints = &self.hints;
        let belongs_here = |live: &LiveResource| match (live.tags.get(REGION_TAG), &hints.recorded_global) {
            (Some(tag), _) => tag == region,
            (None, _) if address_of(live).is_some_and(|address| hints.started_creates.contains(&address)) => true,
            (None, Some(recorded)) => recorded.contains(&(live.type_name.clone(), live.id.clone())),
            (None, None) => stack_is_here,
        };
        let mut elsewhere = Vec::new();
        for found in self.live.iter_mut().filter(|(name, _)| is_global(name)).map(|(_, found)| found) {
            elsewhere.extend(found.extract_if(.., |live| is_ours(live) && !belongs_here(live)));
        }
        self.elsewhere = elsewhere;
    }
}

/// A stack's resources in the tagging API.
#[derive(Clone, Debug)]
pub struct TagIndex {
    /// See [`LiveState::index`].
    index: Option<RegionIndexes>,
    /// Warning if it was not available.
    warning: Option<String>,
    /// Time of the call.
    queried_at: SystemTime,
}

impl TagIndex {
    /// Account of the stack's resources: the index shows only the account of the credentials. `None` if no ARN contains it.
    pub fn account(&self) -> Option<&str> {
        let arns = self.index.iter().flat_map(BTreeMap::values).flat_map(|index| index.keys());
        let is_account = |part: &&str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit());
        let mut accounts = arns.filter_map(|arn| arn.split(':').nth(4)).filter(is_account);
        let first = accounts.next()?;
        accounts.all(|account| account == first).then_some(first)
    }
}

/// Reads the stack's resources from the tagging API.
///
/// # Errors
/// Fails without credentials; after other errors, types are read without the index.
pub async fn query_tag_index(cloud: &Cloud, stack: &Stack, hints: &Hints) -> Result<TagIndex> {
    let queried_at = SystemTime::now();
    match cloud.tag_index(&stack.name, &stack.environment, &regions(stack, hints)).await {
        Ok(index) => Ok(TagIndex { index: Some(index), warning: None, queried_at }),
        Err(error) if error.kind == ErrorKind::AccessDenied && error.code == "NoCredentials" => Err(error),
        Err(error) => {
            let warning = format!("The tagging API is not available, so every type is read: {error}.");
            Ok(TagIndex { index: None, warning: Some(warning), queried_at })
        }
    }
}

/// Adds the regions of these hints to the result of an earlier call of the tagging API.
///
/// # Errors
/// As [`query_tag_index`].
pub async fn extend_tag_index(cloud: &Cloud, stack: &Stack, hints: &Hints, known: TagIndex) -> Result<TagIndex> {
    let Some(indexes) = &known.index else { return Ok(known) };
    let missing: BTreeSet<_> = regions(stack, hints).into_iter().filter(|region| !indexes.contains_key(region)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    let more = cloud.tag_index(&stack.name, &stack.environment, &missing).await?;
    Ok(TagIndex { index: known.index.map(|index| index.into_iter().chain(more).collect()), ..known })
}

/// Regions to read: the stack's (`None`), and those of the definition and the hints.
fn regions(stack: &Stack, hints: &Hints) -> BTreeSet<Option<String>> {
    let declared = stack.resources.values().map(|declared| declared.region.clone());
    declared.chain(hints.other_regions.iter().map(|(_, region)| Some(region.clone()))).chain([None]).collect()
}

/// Reads all live resources of the stack and environment.
///
/// # Errors
/// Fails if a type that the definition uses, or that the index contains, can't be read.
pub async fn discover(cloud: &Cloud, stack: &Stack, hints: Hints) -> Result<LiveState> {
    let tag_index = query_tag_index(cloud, stack, &hints).await?;
    discover_with_index(cloud, stack, hints, tag_index).await
}

/// Same, with the result of an earlier call of the tagging API.
///
/// # Errors
/// Same as [`discover`].
pub async fn discover_with_index(cloud: &Cloud, stack: &Stack, hints: Hints, tag_index: TagIndex) -> Result<LiveState> {
    let TagIndex { index, warning, queried_at } = tag_index;
    let live_state = LiveState { index, hints, warnings: warning.into_iter().collect(), read_at: Some(queried_at), ..LiveState::default() };
    let declared = declared_types(stack);
    let local = matches!(cloud, Cloud::Simulated(_));
    let is_started = |kind: &ResourceType| live_state.hints.started_creates.iter().any(|address| address.type_name == kind.name);
    let wanted = |kind: &&ResourceType| {
        let is_declared = declared.contains(&(kind.name, None)) || is_started(kind);
        let may_exist = || live_state.index_of(None).is_none_or(|index| may_exist(kind, index));
        local || is_declared || (!kind.is_listed_if_declared() && may_exist())
    };
    let mut reads: Vec<TypeRead> = RESOURCE_TYPES.iter().filter(wanted).map(|kind| TypeRead { kind, region: None }).collect();
    for region in regions(stack, &live_state.hints).into_iter().flatten() {
        let known = |kind: &ResourceType| {
            let read = (kind.name, Some(region.clone()));
            declared.contains(&read) || live_state.hints.other_regions.contains(&(kind.name, region.clone()))
        };
        let indexed = |kind: &ResourceType| {
            let is_in = |index: &Shared<BTreeMap<String, Tags>>| index.keys().any(|arn| kind.matches_arn(arn));
            !kind.is_listed_if_declared() && live_state.index_of(Some(&region)).is_none_or(is_in)
        };
        // Without ARNs, a type is read within its parents.
        let wanted = |kind: &&ResourceType| {
            local || known(kind) || indexed(kind) || (kind.always_listed && kind.arn.is_empty() && kind.parent.is_some())
        };
        let kinds = RESOURCE_TYPES.iter().filter(|kind| !kind.is_global()).filter(wanted);
        reads.extend(kinds.map(|kind| TypeRead { kind, region: Some(region.clone()) }));
    }
    // Some APIs are in one region only.
    reads.retain(|read| read.kind.exists_in(read.region.as_deref().unwrap_or(cloud.region())));
    read_all(cloud, stack, reads, live_state).await
}

/// Records which resources of a type exist.
fn record_found(kind: &ResourceType, region: &str, live: &[LiveResource]) {
    if !live.is_empty() {
        let ids = || live.iter().map(|live| live.id.as_str()).collect::<Vec<_>>().join(", ");
        trace::decision("discovered", None, || format!("{} of the type {} in {region}: {}", live.len(), kind.name, ids()));
    }
}

/// Reads the resources at the addresses of a stack again, without the tagging API, which lags behind recent changes.
///
/// # Errors
/// Fails if a type can't be read.
pub async fn discover_without_index(cloud: &Cloud, stack: &Stack, hints: Hints) -> Result<LiveState> {
    let mut wanted = declared_types(stack);
    wanted.extend(hints.other_regions.iter().map(|(kind, region)| (*kind, Some(region.clone()))));
    // Parents are read because their children need them.
    let parent = |(kind, region): &(&str, Option<String>)| Some((types::resource_type(kind)?.parent?, region.clone()));
    let parents: Vec<_> = wanted.iter().filter_map(parent).collect();
    wanted.extend(parents);
    let reads = wanted.into_iter().filter_map(|(kind, region)| Some(TypeRead { kind: types::resource_type(kind)?, region })).collect();
    read_all(cloud, stack, reads, LiveState { hints, read_at: Some(SystemTime::now()), ..LiveState::default() }).await
}

/// Names and regions of the declared types.
fn declared_types(stack: &Stack) -> BTreeSet<(&'static str, Option<String>)> {
    stack.resources.values().map(|declared| (declared.resource_type.name, declared.region.clone())).collect()
}

/// Read of a type in a region; `None` is the stack's.
struct TypeRead {
    kind: &'static ResourceType,
    region: Option<String>,
}

async fn read_all(cloud: &Cloud, stack: &Stack, wanted: Vec<TypeRead>, mut live_state: LiveState) -> Result<LiveState> {
    let declared = declared_types(stack);
    let local = matches!(cloud, Cloud::Simulated(_));
    // Types with a parent are read once the parents' ids are known.
    for nested in [false, true] {
        let reads = wanted.iter().filter(|read| read.kind.parent.is_some() == nested).map(|TypeRead { kind, region }| {
            let scope = scope(stack, kind, region.as_deref(), &live_state);
            let region = region.clone();
            async move {
                if kind.parent.is_some() && scope.parent_ids.is_empty() && !local {
                    return (*kind, region, Ok(Vec::new()));
                }
                (*kind, region, read_type(cloud, stack, kind, scope).await)
            }
        });
        for (kind, region, found) in join_all(reads).await {
            match found {
                Ok(live) => {
                    record_found(kind, region.as_deref().unwrap_or(cloud.region()), &live);
                    live_state.live.entry(kind.name).or_default().extend(live);
                }
                Err(error) if is_deleted_with_parent(kind, &error, &live_state) => {
                    let parent = kind.parent.unwrap_or_default();
                    let warning = format!("Can't read the type `{}`, which is deleted with its `{parent}`: {error}.", kind.name);
                    live_state.warnings.push(warning);
                }
                Err(error) if declared.contains(&(kind.name, region.clone())) || live_state.index.is_some() => {
                    return Err(with_type_context(error, kind));
                }
                Err(error) => live_state.warnings.push(format!("Can't read the type `{}`: {error}.", kind.name)),
            }
        }
    }
    live_state.separate_other_regions(stack, cloud.region());
    Ok(live_state)
}

/// Whether resources that can't be read don't matter, because their parents are about to be deleted.
fn is_deleted_with_parent(kind: &ResourceType, error: &Error, live_state: &LiveState) -> bool {
    kind.deleted_with_parent && live_state.hints.destroys && error.kind == ErrorKind::Unavailable
}

/// Looks up one resource by its region and physical id, in or outside the stack; `live_state` has the stack's resources, to find parents.
///
/// # Errors
/// Fails if its type can't be read.
pub async fn find_by_id(
    cloud: &Cloud,
    stack: &Stack,
    kind: &'static ResourceType,
    resource: (Option<&str>, &str),
    live_state: &LiveState,
) -> Result<Option<LiveResource>> {
    let (region, id) = resource;
    let scope = Scope {
        adopt: Some(id.to_owned()),
        lookup: [id.to_owned()].into(),
        tag_index: Some(BTreeMap::from([(id.to_owned(), Tags::new())]).into()),
        bypass_tag_index: true,
        ..scope(stack, kind, region, live_state)
    };
    let found = cloud.list(kind, &scope).await.map_err(|error| with_type_context(error, kind))?;
    Ok(found.into_iter().find(|live| live.id == id))
}

/// Same, for a resource of which one of several texts is the id or the ARN. Texts that can't be an id of the type cost no call.
///
/// # Errors
/// Fails if its type can't be read.
pub async fn find_by_any_id(
    cloud: &Cloud,
    stack: &Stack,
    kind: &'static ResourceType,
    (region, ids): (Option<&str>, &[String]),
    live_state: &LiveState,
) -> Result<Option<LiveResource>> {
    for id in ids.iter().filter(|id| may_be_id(kind.id, id)) {
        if let Some(live) = find_by_id(cloud, stack, kind, (region, id), live_state).await? {
            return Ok(Some(live));
        }
    }
    Ok(None)
}

/// Whether a text can be a physical id with this pattern, see [`crate::core::TypeInfo::id`].
fn may_be_id(pattern: &str, text: &str) -> bool {
    let (prefix, rest) = pattern.split_once('{').unwrap_or((pattern, ""));
    // Fields of the spec in the pattern may have slashes in their names.
    let outside = rest.split('{').filter_map(|part| part.split_once('}')).map(|(_, literal)| literal.matches('/').count());
    let slashes: usize = outside.sum();
    match pattern {
        "{arn}" => text.starts_with("arn:"),
        "{resource}" => true,
        // A stand-in may have neither TLS nor the beginnings of Route 53's ids.
        _ if prefix.ends_with("://") => text.contains("://"),
        _ if prefix.ends_with('-') => text.starts_with(prefix),
        _ => !text.is_empty() && !text.starts_with("arn:") && text.matches('/').count() >= slashes,
    }
}

/// Reads one of the stack's resources again; `None` if it no longer exists. `live_state` has the stack's resources, to find parents.
///
/// # Errors
/// Fails if its type can't be read.
pub async fn read_again(cloud: &Cloud, stack: &Stack, live: &LiveResource, live_state: &LiveState) -> Result<Option<LiveResource>> {
    let kind = resource_type_of(live)?;
    let ids = Some([live.id.clone()].into());
    let scope = Scope { ids, tag_index: None, bypass_tag_index: true, ..scope(stack, kind, live.region.as_deref(), live_state) };
    let found = cloud.list(kind, &scope).await.map_err(|error| with_type_context(error, kind))?;
    Ok(found.into_iter().find(|one| one.id == live.id))
}

/// Reads one type. The index lags behind changes of tags, so tags that differ from the definition are read again.
async fn read_type(cloud: &Cloud, stack: &Stack, kind: &'static ResourceType, mut scope: Scope) -> Result<Vec<LiveResource>> {
    let live = cloud.list(kind, &scope).await?;
    let stale = scope.tag_index.as_ref().is_some_and(|index| {
        live.iter().any(|live| {
            live.arn().is_some_and(|arn| index.contains_key(arn))
                && address_of(live)
                    .and_then(|address| stack.resources.get(&address))
                    .is_some_and(|declared| !has_visible_tags(&live.tags, &declared.tags))
        })
    });
    if !stale || live.len() > 500 {
        return Ok(live);
    }
    scope.bypass_tag_index = true;
    cloud.list(kind, &scope).await
}

/// Address in the ownership tags.
pub fn address_of(live: &LiveResource) -> Option<Address> {
    live.tags.get(ADDRESS_TAG).and_then(|text| Address::parse(text))
}

/// Whether a controller in a cluster set the tags of the stack: acme never sets them without the address.
pub fn is_made_by_controller(live: &LiveResource) -> bool {
    types::resource_type(&live.type_name).is_some_and(|kind| kind.is_taggable()) && address_of(live).is_none()
}

/// Tags of a resource without those that AWS and controllers set, unless the definition sets them.
pub fn visible_tags(live: &Tags, wanted: &Tags) -> Tags {
    iter_visible_tags(live, wanted).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the [`visible_tags`] of a resource are these.
pub fn has_visible_tags(live: &Tags, wanted: &Tags) -> bool {
    iter_visible_tags(live, wanted).eq(wanted)
}

fn iter_visible_tags<'a>(live: &'a Tags, wanted: &'a Tags) -> impl Iterator<Item = (&'a String, &'a String)> {
    live.iter().filter(move |(key, _)| wanted.contains_key(*key) || !is_controller_tag(key))
}

/// Tags without ownership tags.
pub fn without_ownership_tags(tags: &Tags) -> Tags {
    tags.iter().filter(|(key, _)| !key.starts_with("acme:")).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Whether the index contains a resource of this type, or of one beside which it is used, or can't: then the type is read only within its
/// parents, or cheaply by path.
fn may_exist(kind: &ResourceType, index: &BTreeMap<String, Tags>) -> bool {
    let is_indexed = |kind: &ResourceType| index.keys().any(|arn| kind.matches_arn(arn));
    kind.always_listed || is_indexed(kind) || kind.listed_with.iter().filter_map(|name| types::resource_type(name)).any(is_indexed)
}

fn with_type_context(error: Error, kind: &ResourceType) -> Error {
    Error { message: format!("reading `{}`: {}", kind.name, error.message), ..error }
}

/// Type of a live resource.
///
/// # Errors
/// Fails if the record contains a type that this version does not have.
pub fn resource_type_of(live: &LiveResource) -> Result<&'static ResourceType> {
    types::resource_type(&live.type_name)
        .ok_or_else(|| Error::new(ErrorKind::Rejected, "UnknownType", format!("acme has no type `{}`", live.type_name)))
}
