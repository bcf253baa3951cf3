//! Adopts existing resources.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use super::{LockedSession, Result, Session, SessionError, StackState};
use crate::{
    aws::types::{self, RESOURCE_TYPES},
    core::{
        ADDRESS_TAG, Address, ENVIRONMENT_TAG, ErrorKind, LiveResource, Phase, REGION_TAG, ResourceType, STACK_TAG, Tags, UNTAGGED,
        expression::for_each_string, is_resource_name,
    },
    definition::{self, Stack},
    engine::{
        discover::{Hints, LiveState, address_of, discover, find_by_id, visible_tags},
        import_record::ImportRecord,
        plan::owner,
        run::RunHistory,
    },
};

/// Time before a call that AWS could not serve yet is repeated; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Time from which on it is not repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Address for an adopted resource, of a type whose ownership can be recorded.
#[derive(Clone)]
pub struct ImportTarget {
    address: Address,
    resource_type: &'static ResourceType,
}

impl ImportTarget {
    /// Parses an address such as `vpc.main`.
    ///
    /// # Errors
    /// Fails if the address is not valid, or if resources of its type can't be adopted.
    pub fn parse(text: &str) -> Result<ImportTarget> {
        let Some(address) = Address::parse(text) else { return Err(SessionError::InvalidAddress(text.to_owned())) };
        let Some(kind) = types::resource_type(&address.type_name) else {
            let help = definition::suggestion(&address.type_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
            return Err(SessionError::UnknownType { name: address.type_name.to_string(), help });
        };
        if !is_resource_name(&address.name) {
            return Err(SessionError::InvalidName(address.name.to_string()));
        }
        let thing = kind.name.replace('_', " ");
        match (kind.is_adoptable(), kind.identity.is_empty()) {
            (true, _) => Ok(ImportTarget { address, resource_type: kind }),
            (false, false) => Err(SessionError::NotAdoptable(format!(
                "a {thing} has no tags of its own: declare it, and the existing one belongs to the stack as soon as its parent does"
            ))),
            (false, true) => Err(SessionError::NotAdoptable(format!(
                "AWS does not support tags on a {thing}, so it can't be adopted: declare it, and delete the existing one before an apply"
            ))),
        }
    }

    /// Address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Resource type.
    pub fn resource_type(&self) -> &'static ResourceType {
        self.resource_type
    }
}

/// A resource that is or can be adopted.
#[derive(Clone)]
pub struct Adoption {
    /// Its address in the stack.
    pub address: Address,
    /// Its type.
    pub resource_type: &'static ResourceType,
    /// The resource, with its ownership tags.
    pub live: LiveResource,
    /// Tags before the adoption.
    before: Tags,
    /// Whether the tags are to be added; false if it was adopted before, or needs none of its own.
    pub needs_tags: bool,
}

impl Adoption {
    /// Live resource without the tags to add.
    pub(super) fn untouched(&self) -> LiveResource {
        LiveResource { tags: self.before.clone().into(), ..self.live.clone() }
    }
}

/// A resource to adopt, and the live resources of the stack, with that one as it is after the adoption.
pub struct Imported {
    /// The resource.
    pub adoption: Adoption,
    /// Live resources of the stack, the adopted one included.
    pub state: StackState,
}

impl LockedSession {
    /// Finds the resource with the physical id `id` and checks that it can be adopted. Changes nothing; see [`LockedSession::adopt`].
    ///
    /// # Errors
    /// Fails if there is no such resource, if it belongs to another stack or address, if the address is in use, or if resources of the stack
    /// can't be read.
    pub async fn find_import(&self, target: &ImportTarget, id: &str) -> Result<Imported> {
        let (address, kind) = (&target.address, target.resource_type);
        let session = self.session();
        let (cloud, stack) = (&session.cloud, &session.stack);
        let region = stack.resources.get(address).and_then(|declared| declared.region.clone());
        let mut live_state = discover(cloud, stack, Hints::default()).await?;
        let Some(live) = find_by_id(cloud, stack, kind, (region.as_deref(), id), &live_state).await? else {
            return Err(SessionError::NotFound(not_found_message(kind, id)));
        };
        let adoption = session.adoption(address, kind, live, &live_state)?;
        insert(&mut live_state, adoption.live.clone());
        let state = StackState::new(self.account().to_owned(), live_state, RunHistory::default());
        Ok(Imported { adoption, state })
    }

    /// Remembers that resources were tagged. A backend that can't be written does not matter.
    pub async fn record_import(&self, resources: usize) {
        let stack = self.session().stack();
        ImportRecord::now(resources).write(self.backend(), &stack.name, &stack.environment).await.ok();
    }

    /// Adopts a resource: adds the ownership tags, and changes nothing else.
    ///
    /// # Errors
    /// Fails if the lease was lost, or if the tags can't be set.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<()> {
        if !adoption.needs_tags {
            return Ok(());
        }
        let live = &adoption.live;
        let after = visible_tags(&live.tags, &Tags::new());
        let resource = (live.region.as_deref(), live.id.as_str());
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lease) = self.lease() {
                lease.ensure_held()?;
            }
            let tagged = self.session().cloud.retag(adoption.resource_type, resource, live.arn(), &adoption.before, &after).await;
            match tagged {
                // A zone accepts one change of its records at a time.
                Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Throttled) && pause < LONGEST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                tagged => return Ok(tagged?),
            }
        }
    }
}

impl Session {
    /// Checks that a live resource can be adopted at an address. `live_state` has the resources of the stack.
    ///
    /// # Errors
    /// Fails if it belongs to another stack or address, if AWS never deletes it, or if the address is in use.
    pub(super) fn adoption(
        &self,
        address: &Address,
        kind: &'static ResourceType,
        mut live: LiveResource,
        live_state: &LiveState,
    ) -> Result<Adoption> {
        let (stack, id) = (&self.stack, live.id.clone());
        let before = visible_tags(&live.tags, &Tags::new());
        if !kind.is_adoptable() {
            if kind.identity.is_empty() {
                let thing = kind.name.replace('_', " ");
                return Err(SessionError::NotAdoptable(format!("AWS does not support tags on a {thing}, so it can't be adopted")));
            }
            if let Some(owner) = owner(&live.tags).filter(|_| !self.is_owned(&live)) {
                return Err(SessionError::OtherStack { id, owner, address: address_of(&live) });
            }
            // It belongs to the stack as soon as it is declared and its parent belongs to the stack. The simulated cloud records that as tags.
            let needs_tags = self.is_simulated() && address_of(&live).as_ref() != Some(address);
            live.tags.extend(ownership_tags(stack, address));
            return Ok(Adoption { address: address.clone(), resource_type: kind, live, before, needs_tags });
        }
        let needs_tags = !is_already_adopted(stack, &live, address, self.region())?;
        if needs_tags {
            if let Some(reason) = kind.operations.adoption_obstacle(&live.spec) {
                return Err(SessionError::NotAdoptable(format!("`{id}` can't be adopted: {reason}")));
            }
            let occupies_address = |other: &&LiveResource| {
                !other.is_same_as(&live) && owner(&other.tags) == stack_owner(stack) && address_of(other).as_ref() == Some(address)
            };
            if let Some(other) = live_state.iter().find(occupies_address) {
                return Err(SessionError::AddressInUse { address: address.clone(), id: other.id.clone(), requested: id });
            }
            live.tags.remove(UNTAGGED);
            live.tags.extend(ownership_tags(stack, address));
            if kind.is_global() {
                live.tags.insert(REGION_TAG.to_owned(), self.region().to_owned());
            }
        }
        Ok(Adoption { address: address.clone(), resource_type: kind, live, before, needs_tags })
    }

    /// Error if a resource that is not this stack's yet is part of one that belongs to another stack: its parent, or anything that a resource
    /// without tags refers to. `live_state` has the resources that were found.
    pub(super) fn foreign_parent(&self, kind: &ResourceType, live: &LiveResource, live_state: &LiveState) -> Option<SessionError> {
        if self.is_owned(live) {
            return None;
        }
        let mut texts = BTreeSet::new();
        for_each_string(&live.spec, &mut |text| {
            texts.insert(text);
        });
        let is_named = |other: &LiveResource| texts.contains(other.id.as_str()) || other.arn().is_some_and(|arn| texts.contains(arn));
        let is_parent = |other: &LiveResource| !kind.is_adoptable() || kind.parent == Some(other.type_name.as_str());
        let is_foreign = |other: &LiveResource| owner(&other.tags).is_some() && !self.is_owned(other);
        let parent = live_state.iter().find(|other| !other.is_same_as(live) && is_parent(other) && is_named(other) && is_foreign(other))?;
        Some(SessionError::ForeignParent { id: live.id.clone(), parent: parent.id.clone(), owner: owner(&parent.tags)? })
    }

    /// Whether the resource belongs to this stack and environment, by its ownership tags.
    pub(super) fn is_owned(&self, live: &LiveResource) -> bool {
        owner(&live.tags).is_some() && owner(&live.tags) == stack_owner(&self.stack)
    }
}

/// Puts a resource in the place of the one with the same id.
pub(super) fn insert(live_state: &mut LiveState, live: LiveResource) {
    let Some(kind) = types::resource_type(&live.type_name) else { return };
    let of_kind = live_state.live.entry(kind.name).or_default();
    of_kind.retain(|other| !other.is_same_as(&live));
    of_kind.push(live);
}

/// Whether the resource already has this address.
///
/// # Errors
/// Fails if it has another address, or belongs to another stack.
fn is_already_adopted(stack: &Stack, live: &LiveResource, address: &Address, region: &str) -> Result<bool> {
    if live.phase == Phase::Deleting {
        return Err(SessionError::NotAdoptable(format!("`{}` is being deleted", live.id)));
    }
    let Some(owner) = owner(&live.tags) else { return Ok(false) };
    let at = address_of(live);
    let is_global = types::resource_type(&live.type_name).is_some_and(|kind| kind.is_global());
    let region_tag = live.tags.get(REGION_TAG);
    if let Some(other) = region_tag.filter(|tag| is_global && *tag != region) {
        return Err(SessionError::OtherStack { id: live.id.clone(), owner: format!("{owner} in {other}"), address: at });
    }
    match Some(&owner) == stack_owner(stack).as_ref() {
        // Ownership that a list derived from other attributes still needs tags.
        true if at.as_ref() == Some(address) => Ok(!live.tags.contains_key(UNTAGGED) && (!is_global || region_tag.is_some())),
        true if at.is_none() => Ok(false),
        true => Err(SessionError::AlreadyAdopted { id: live.id.clone(), address: at }),
        false => Err(SessionError::OtherStack { id: live.id.clone(), owner, address: at }),
    }
}

/// Name of the stack in the format of [`owner`].
fn stack_owner(stack: &Stack) -> Option<String> {
    owner(&ownership_tags(stack, &Address::new("", "")))
}

fn ownership_tags(stack: &Stack, address: &Address) -> Tags {
    [(STACK_TAG, stack.name.to_string()), (ENVIRONMENT_TAG, stack.environment.to_string()), (ADDRESS_TAG, address.to_string())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

/// Reason why there is no resource to adopt.
fn not_found_message(kind: &ResourceType, id: &str) -> String {
    let mut text = format!("there is no {} `{id}`", kind.name.replace('_', " "));
    if let Some(parent) = kind.parent {
        let parent = parent.replace('_', " ");
        // Writing to a string can't fail.
        let _ = write!(text, " in any {parent} of this stack: adopt its {parent} first");
    }
    text
}
