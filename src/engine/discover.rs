//! Reads all resources of a stack, all types in parallel.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use futures::future::join_all;
use serde_json::Value;

use crate::{
    aws::types::{self, RESOURCE_TYPES},
    core::{ADDRESS_TAG, Address, Error, ErrorKind, LiveResource, ResourceType, Result, Scope, Tags, expression},
    definition::Stack,
    engine::cloud::Cloud,
};

/// Live resources, by name of the type.
#[derive(Clone, Debug, Default)]
pub struct LiveState {
    /// Live resources by type.
    pub live: BTreeMap<&'static str, Vec<LiveResource>>,
    /// ARN → tags from the tagging API; `None` if it was not available.
    pub index: Option<BTreeMap<String, Tags>>,
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
    /// See [`Scope::shallow`].
    pub shallow: bool,
}

impl LiveState {
    /// Iterates over all live resources with their types.
    pub fn iter(&self) -> impl Iterator<Item = &LiveResource> {
        self.live.values().flatten()
    }
}

/// A stack's resources in the tagging API.
#[derive(Clone, Debug)]
pub struct TagIndex {
    /// See [`World::index`].
    index: Option<BTreeMap<String, Tags>>,
    /// Warning if it was not available.
    warning: Option<String>,
    /// Time of the call.
    queried_at: SystemTime,
}

impl TagIndex {
    /// Account of the stack's resources: the index shows only the account of the credentials. `None` if no ARN contains it.
    pub fn account(&self) -> Option<&str> {
        let arns = self.index.iter().flat_map(BTreeMap::keys);
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
pub async fn query_tag_index(cloud: &Cloud, stack: &Stack) -> Result<TagIndex> {
    let queried_at = SystemTime::now();
    match cloud.tag_index(&stack.name, &stack.environment).await {
        Ok(index) => Ok(TagIndex { index: Some(index), warning: None, queried_at }),
        Err(error) if error.kind == ErrorKind::AccessDenied && error.code == "NoCredentials" => Err(error),
        Err(error) => {
            let warning = format!("The tagging API is not available, so every type is read: {error}.");
            Ok(TagIndex { index: None, warning: Some(warning), queried_at })
        }
    }
}

/// Reads all live resources of the stack and environment.
///
/// # Errors
/// Fails if a type that the definition uses, or that the index contains, can't be read.
pub async fn discover(cloud: &Cloud, stack: &Stack, hints: Hints) -> Result<LiveState> {
    discover_with_index(cloud, stack, hints, query_tag_index(cloud, stack).await?).await
}

/// Same, with the result of an earlier call of the tagging API.
///
/// # Errors
/// Same as [`discover`].
pub async fn discover_with_index(cloud: &Cloud, stack: &Stack, hints: Hints, tag_index: TagIndex) -> Result<LiveState> {
    let TagIndex { index, warning, queried_at } = tag_index;
    let live_state = LiveState { index, hints, warnings: warning.into_iter().collect(), read_at: Some(queried_at), ..LiveState::default() };
    let declared: BTreeSet<&str> = stack.resources.values().map(|d| d.resource_type.name).collect();
    let local = matches!(cloud, Cloud::Simulated(_));
    let wanted = |kind: &&ResourceType| {
        local || declared.contains(kind.name) || live_state.index.as_ref().is_none_or(|index| may_exist(kind, index))
    };
    let wanted = RESOURCE_TYPES.iter().filter(wanted).collect();
    read_all(cloud, stack, wanted, live_state).await
}

/// Reads the resources at the addresses of a stack again, without the tagging API, which lags behind recent changes.
///
/// # Errors
/// Fails if a type can't be read.
pub async fn discover_without_index(cloud: &Cloud, stack: &Stack, hints: Hints) -> Result<LiveState> {
    let declared: BTreeSet<&str> = stack.resources.values().map(|d| d.resource_type.name).collect();
    // Parents are read because their children need them.
    let parents: BTreeSet<&str> = stack.resources.values().filter_map(|d| d.resource_type.parent).collect();
    let wanted = RESOURCE_TYPES.iter().filter(|kind| declared.contains(kind.name) || parents.contains(kind.name)).collect();
    read_all(cloud, stack, wanted, LiveState { hints, read_at: Some(SystemTime::now()), ..LiveState::default() }).await
}

async fn read_all(cloud: &Cloud, stack: &Stack, wanted: Vec<&'static ResourceType>, mut live_state: LiveState) -> Result<LiveState> {
    let declared: BTreeSet<&str> = stack.resources.values().map(|d| d.resource_type.name).collect();
    let local = matches!(cloud, Cloud::Simulated(_));
    // Types with a parent are read once the parents' ids are known.
    for nested in [false, true] {
        let reads = wanted.iter().filter(|kind| kind.parent.is_some() == nested).map(|kind| {
            let scope = scope(stack, kind, &live_state);
            async move {
                if kind.parent.is_some() && scope.parent_ids.is_empty() && !local {
                    return (*kind, Ok(Vec::new()));
                }
                (*kind, read_type(cloud, stack, kind, scope).await)
            }
        });
        for (kind, found) in join_all(reads).await {
            match found {
                Ok(live) => drop(live_state.live.insert(kind.name, live)),
                Err(error) if declared.contains(kind.name) || live_state.index.is_some() => return Err(with_type_context(error, kind)),
                Err(error) => live_state.warnings.push(format!("Can't read the type `{}`: {error}.", kind.name)),
            }
        }
    }
    Ok(live_state)
}

/// Looks up one resource by its physical id, in or outside the stack; `world` has the stack's resources, to find parents.
///
/// # Errors
/// Fails if its type can't be read.
pub async fn find_by_id(
    cloud: &Cloud,
    stack: &Stack,
    kind: &'static ResourceType,
    id: &str,
    live_state: &LiveState,
) -> Result<Option<LiveResource>> {
    let scope = Scope {
        adopt: Some(id.to_owned()),
        lookup: [id.to_owned()].into(),
        tag_index: Some([(id.to_owned(), Tags::new())].into()),
        bypass_tag_index: true,
        ..scope(stack, kind, live_state)
    };
    let found = cloud.list(kind, &scope).await.map_err(|error| with_type_context(error, kind))?;
    Ok(found.into_iter().find(|live| live.id == id))
}

/// Reads one type. The index lags behind changes of tags, so tags that differ from the definition are read again.
async fn read_type(cloud: &Cloud, stack: &Stack, kind: &'static ResourceType, mut scope: Scope) -> Result<Vec<LiveResource>> {
    let live = cloud.list(kind, &scope).await?;
    let stale = scope.tag_index.as_ref().is_some_and(|index| {
        live.iter().any(|live| {
            live.arn().is_some_and(|arn| index.contains_key(arn))
                && address_of(live)
                    .and_then(|address| stack.resources.get(&address))
                    .is_some_and(|declared| declared.tags != visible_tags(&live.tags, &declared.tags))
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

/// Tags of a resource without those that AWS and Kubernetes add, unless the definition sets them.
pub fn visible_tags(live: &Tags, wanted: &Tags) -> Tags {
    let is_foreign = |key: &str| key.starts_with("aws:") || key.starts_with("kubernetes.io/cluster/") || key.starts_with("eks:");
    live.iter().filter(|(key, _)| wanted.contains_key(*key) || !is_foreign(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Tags without ownership tags.
pub fn without_ownership_tags(tags: &Tags) -> Tags {
    tags.iter().filter(|(key, _)| !key.starts_with("acme:")).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Scope of a `list` of this type.
pub fn scope(stack: &Stack, kind: &ResourceType, live_state: &LiveState) -> Scope {
    let of_kind = || stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    let mut parents = BTreeSet::new();
    if let Some(parent) = kind.parent {
        parents.extend(live_state.live.get(parent).into_iter().flatten().map(|live| live.id.clone()));
        let field = parent_field(kind, parent);
        parents.extend(of_kind().filter_map(|declared| literal_parent(&declared.spec, parent, field.as_deref())));
    }
    Scope {
        stack: stack.name.clone(),
        environment: stack.environment.clone(),
        prefix: stack.prefix(),
        lookup: match kind.naming.map(|_| "/name").or(kind.lookup) {
            Some(field) => of_kind().filter_map(|d| d.spec.pointer(field).and_then(Value::as_str).map(str::to_owned)).collect(),
            None => BTreeSet::new(),
        },
        read_by_name: match kind.read_by_name {
            Some(field) => of_kind().map(|d| (d.address.to_string(), object_keys(d.spec.pointer(field)))).collect(),
            None => BTreeMap::new(),
        },
        own_reads: own_reads(stack, kind, live_state),
        parent_ids: parents.into_iter().collect(),
        // The index lags: it may not show a resource created just before a crash.
        tag_index: live_state
            .index
            .clone()
            .filter(|_| !live_state.hints.started_creates.iter().any(|address| address.type_name == kind.name)),
        declared_in_index: live_state.index.as_ref().is_some_and(|index| is_declared_in_index(stack, kind, index)),
        tags_on_create: BTreeMap::new(),
        bypass_tag_index: false,
        shallow: live_state.hints.shallow,
        adopt: None,
        ids: None,
    }
}

/// Whether the index names every resource of this type that the definition has.
fn is_declared_in_index(stack: &Stack, kind: &ResourceType, index: &BTreeMap<String, Tags>) -> bool {
    if kind.always_listed {
        return false;
    }
    let of_kind = index.iter().filter(|(arn, _)| kind.matches_arn(arn));
    let named: BTreeSet<&str> = of_kind.filter_map(|(_, tags)| tags.get(ADDRESS_TAG).map(String::as_str)).collect();
    let mut declared = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    declared.all(|declared| named.contains(declared.address.to_string().as_str()))
}

/// Fields with the fact `own_read` that the definition or the record has, by address; see [`Scope::own_reads`].
fn own_reads(stack: &Stack, kind: &ResourceType, live_state: &LiveState) -> Option<BTreeMap<String, Vec<String>>> {
    if live_state.hints.shallow {
        return Some(BTreeMap::new());
    }
    let recorded = live_state.hints.own_reads.as_ref()?;
    if kind.own_read.is_empty() {
        return None;
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let of_kind = stack.resources.values().filter(|declared| declared.resource_type.name == kind.name);
    for declared in of_kind {
        all.entry(declared.address.to_string()).or_default().extend(kind.own_reads(&declared.spec));
    }
    for (address, pointers) in recorded.iter().filter(|(address, _)| address.type_name == kind.name) {
        all.entry(address.to_string()).or_default().extend(pointers.iter().cloned());
    }
    Some(all)
}

fn object_keys(settings: Option<&Value>) -> BTreeSet<String> {
    settings.and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// Field of a type that refers to its parent, if any.
fn parent_field(kind: &ResourceType, parent: &str) -> Option<String> {
    let schema = kind.schema();
    let reference = format!("\"x-acme-ref\":\"{parent}\"");
    let mut properties = schema.get("properties")?.as_object()?.iter();
    properties.find(|(_, schema)| schema.to_string().contains(&reference)).map(|(field, _)| field.clone())
}

/// Parent outside the stack, set by its literal id (`zone: {id: Z123}`) or by its ARN as text.
fn literal_parent(spec: &Value, parent: &str, field: Option<&str>) -> Option<String> {
    if let Some(field) = field {
        let id = spec.get(field)?.as_object()?.values().next()?.as_str()?;
        return expression::references(id).is_empty().then(|| id.to_owned());
    }
    let parent = types::resource_type(parent)?;
    spec.as_object()?.values().filter_map(Value::as_str).find(|text| parent.matches_arn(text)).map(str::to_owned)
}

/// Whether the index contains a resource of this type, or can't: then the type is read only within its parents, or cheaply by path.
fn may_exist(kind: &ResourceType, index: &BTreeMap<String, Tags>) -> bool {
    kind.always_listed || index.keys().any(|arn| kind.matches_arn(arn))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{LoadOptions, Source, load};

    #[test]
    fn reads_the_account_from_the_index_when_all_arns_agree() {
        let account = |arns: &[&str]| {
            let index = arns.iter().map(|arn| ((*arn).to_owned(), Tags::new())).collect();
            let indexed = TagIndex { index: Some(index), warning: None, queried_at: SystemTime::UNIX_EPOCH };
            indexed.account().map(str::to_owned)
        };
        let (bucket, zone) = ("arn:aws:s3:::uploads", "arn:aws:route53:::hostedzone/Z1");
        let (vpc, other) = ("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1", "arn:aws:ec2:eu-west-1:210987654321:vpc/vpc-2");
        assert_eq!(account(&[bucket, vpc, zone]), Some("123456789012".to_owned()));
        assert_eq!(account(&[bucket, zone]), None);
        assert_eq!(account(&[vpc, other]), None);
        assert_eq!(account(&[]), None);
    }

    #[test]
    fn lists_parents_outside_the_stack() {
        let text = "
stack: shop
dns: { records: { www: { domain: www.example.org, zone: { id: Z123 }, type: A, values: [192.0.2.1] } } }
firewall: { web: {} }
resources:
  waf_association:
    web: { web_acl: web, resource: 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123' }
";
        let source = Source::new("stack.yaml", text);
        let stack = load(&source, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let parents = |kind| scope(&stack, types::resource_type(kind).expect("a type"), &LiveState::default()).parent_ids;
        assert_eq!(parents("dns_record"), ["Z123"]);
        assert_eq!(parents("waf_association"), ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123"]);
    }
}
