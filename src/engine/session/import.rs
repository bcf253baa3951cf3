//! Adopts existing resources.

use std::fmt::Write as _;

use super::{LockedSession, Result, SessionError, StackState};
use crate::{
    aws::types::{self, RESOURCE_TYPES},
    core::{
        ADDRESS_TAG, Address, ENVIRONMENT_TAG, LiveResource, Phase, REGION_TAG, ResourceType, STACK_TAG, Tags, UNTAGGED, is_resource_name,
    },
    definition::{self, Stack},
    engine::{
        discover::{Hints, address_of, discover, find_by_id, visible_tags},
        plan::owner,
        run::RunHistory,
    },
};

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

/// An adopted resource.
pub struct Imported {
    /// Resource, with its ownership tags.
    pub live: LiveResource,
    /// Whether the tags were added now; false if it was adopted before.
    pub newly_adopted: bool,
    /// Live resources of the stack, the adopted one included.
    pub state: StackState,
}

impl LockedSession {
    /// Adopts the resource with the physical id `id`: adds the ownership tags.
    ///
    /// # Errors
    /// Fails if there is no such resource, if it belongs to another stack or address, if the address is in use, or if the tags can't
    /// be set.
    pub async fn import(&mut self, target: &ImportTarget, id: &str) -> Result<Imported> {
        let (address, kind) = (&target.address, target.resource_type);
        let session = self.session();
        let (cloud, stack) = (&session.cloud, &session.stack);
        let region = stack.resources.get(address).and_then(|declared| declared.region.clone());
        let mut live_state = discover(cloud, stack, Hints::default()).await?;
        let Some(mut live) = find_by_id(cloud, stack, kind, (region.as_deref(), id), &live_state).await? else {
            return Err(SessionError::NotFound(not_found_message(kind, id)));
        };
        let newly_adopted = !is_already_adopted(stack, &live, address, session.region())?;
        if newly_adopted {
            if let Some(reason) = kind.operations.adoption_obstacle(&live.spec) {
                return Err(SessionError::NotAdoptable(format!("`{id}` can't be adopted: {reason}")));
            }
            let mut ownership = ownership_tags(stack, address);
            if kind.is_global() {
                ownership.insert(REGION_TAG.to_owned(), session.region().to_owned());
            }
            let occupies_address = |other: &&LiveResource| {
                !other.is_same_as(&live) && owner(&other.tags) == stack_owner(stack) && address_of(other).as_ref() == Some(address)
            };
            if let Some(other) = live_state.iter().find(occupies_address) {
                let (id, requested) = (other.id.clone(), live.id.clone());
                return Err(SessionError::AddressInUse { address: address.clone(), id, requested });
            }
            let before = visible_tags(&live.tags, &Tags::new());
            let mut after = before.clone();
            after.extend(ownership.clone());
            after.remove(UNTAGGED);
            if let Some(lease) = self.lease() {
                lease.ensure_held()?;
            }
            cloud.retag(kind, (live.region.as_deref(), &live.id), live.arn(), &before, &after).await?;
            live.tags.remove(UNTAGGED);
            live.tags.extend(ownership);
        }
        let of_kind = live_state.live.entry(kind.name).or_default();
        of_kind.retain(|other| !other.is_same_as(&live));
        of_kind.push(live.clone());
        let state = StackState::new(self.account().to_owned(), live_state, RunHistory::default());
        Ok(Imported { live, newly_adopted, state })
    }
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
