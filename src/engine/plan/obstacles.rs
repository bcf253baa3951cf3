//! Obstacles that the planner finds.

use serde_json::Value;

use super::{Action, Change, FieldDiff, ForeignResource, Obstacle, Reason, owner};
use crate::{
    aws::types,
    core::{Address, DataProtection, LiveResource, OnDelete, OneWay, RefusedChange, ResourceType, overlapping_exchange},
};

/// Obstacle for a resource with a desired name that is not part of the stack.
pub(super) fn foreign_resource_obstacle(foreign: &ForeignResource) -> Obstacle {
    let whose = match &foreign.owner {
        Some(owner) => format!("belongs to the stack {owner}"),
        None => "exists but is not part of this stack".to_owned(),
    };
    Obstacle {
        code: "foreign",
        address: foreign.address.clone(),
        message: format!("`{}` {whose}", foreign.id),
        help: match types::resource_type(&foreign.address.type_name).is_some_and(|kind| kind.naming.is_some()) {
            true if foreign.is_in_other_region => format!("give `{}` a name with the region in it", foreign.address),
            false if foreign.is_in_other_region => "declare it in one region, and refer to its ARN in the other".to_owned(),
            true => format!("give `{}` another name, or remove the existing one", foreign.address),
            false if foreign.owner.is_some() => {
                format!(
                    "leave `{}` out with `when` and refer to the existing one by its ARN or id, or use another account",
                    foreign.address
                )
            }
            false => "remove the existing one".to_owned(),
        },
        location: None,
        adoptable: foreign.owner.is_none().then(|| foreign.id.clone()),
        other: None,
    }
}

/// Obstacle for a recorded resource that no longer has the stack's ownership tags.
pub(super) fn lost_resource_obstacle(address: &Address, live: &LiveResource) -> Obstacle {
    if let Some(owner) = owner(&live.tags) {
        let foreign = ForeignResource { address: address.clone(), id: live.id.clone(), owner: Some(owner), is_in_other_region: false };
        return Obstacle {
            help: format!("remove `{address}` from this definition, or remove it there and adopt it"),
            ..foreign_resource_obstacle(&foreign)
        };
    }
    Obstacle {
        code: "untagged",
        address: address.clone(),
        message: format!("`{}` has lost the ownership tags of `{address}`", live.id),
        help: format!("declare another resource in place of `{address}`, with another key"),
        location: None,
        adoptable: Some(live.id.clone()),
        other: None,
    }
}

/// Obstacle for a resource that can't exist beside its replacement, and can't be deleted because another one uses it.
pub(super) fn blocked_replacement_obstacle(dependency: &Change, dependent: &Change) -> Obstacle {
    let address = &dependency.address;
    let named = types::resource_type(&address.type_name).is_some_and(|kind| kind.naming.is_some());
    let is_replaced = dependency.action == Action::Replace;
    let help = if named && is_replaced {
        format!("set another name for `{address}`, or none, so that the new one is created first")
    } else {
        format!("remove the use of `{address}` from `{}` and apply that first", dependent.address)
    };
    Obstacle {
        code: "held",
        address: address.clone(),
        message: match is_replaced {
            true => format!("`{address}` must be deleted before its replacement is created, but `{}` still uses it", dependent.address),
            false => format!(
                "`{address}` must be deleted before a resource that it uses is replaced, but `{}` still uses it until then",
                dependent.address
            ),
        },
        help,
        location: None,
        adoptable: None,
        other: None,
    }
}

/// Obstacle for a change that AWS rejects because it can't be reversed.
pub(super) fn one_way_obstacle(change: &Change, one_way: &OneWay) -> Option<Obstacle> {
    let FieldDiff { before, after, .. } = change.fields.iter().find(|field| field.pointer == one_way.field)?;
    let (field, address) = (one_way.field.trim_start_matches('/'), &change.address);
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (from, to) = (plain(before), plain(after));
    let (message, help) = match one_way.direction.refusal(before, after)? {
        RefusedChange::Backward => (
            format!("can't change {field} of `{address}` from {from} to {to}: {}", one_way.reason),
            format!("leave `{field}` at {from}, or declare a second resource"),
        ),
        RefusedChange::TooSmall(least) => (
            format!("can't change {field} of `{address}` from {from} to {to}: AWS requires an increase of at least ten percent"),
            format!("set `{field}` to {least} or more"),
        ),
        RefusedChange::SkipsMinorVersion(next) => (
            format!("can't change {field} of `{address}` from {from} to {to}: AWS rolls back only the last minor version"),
            format!("set `{field}` to {next}, or leave it at {from}"),
        ),
    };
    Some(Obstacle { code: "one-way", address: address.clone(), message, help, location: None, adoptable: None, other: None })
}

/// Obstacle for a new resource that can't exist beside an old one with data.
pub(super) fn exclusive_obstacle(new: &Address, old: &Address) -> Obstacle {
    Obstacle {
        code: "taken",
        address: new.clone(),
        message: format!("`{new}` can't exist beside `{old}`, which holds data and would have to be deleted first"),
        help: format!(
            "if it is the same, write `moved: {{ {old}: {new} }}`; otherwise set another name, or delete `{old}` and apply that first"
        ),
        location: None,
        adoptable: None,
        other: Some(old.clone()),
    }
}

/// Obstacle for resources that get each other's unique values by updates, of which AWS would refuse the first.
pub(super) fn swap_obstacle(one: &Address, other: &Address) -> Obstacle {
    let (one, other) = if one < other { (one, other) } else { (other, one) };
    Obstacle {
        code: "taken",
        address: one.clone(),
        message: format!("`{one}` and `{other}` exchange a value that AWS accepts only once"),
        help: "give one of them another value and apply that first".to_owned(),
        location: None,
        adoptable: None,
        other: Some(other.clone()),
    }
}

/// Obstacle for a range of a resource that overlaps one that leaves it: AWS adds it only when that one is gone.
pub(super) fn resized_range_obstacle(change: &Change) -> Option<Obstacle> {
    let kind = types::resource_type(&change.address.type_name).filter(|kind| !kind.removed_later.is_empty())?;
    if change.action != Action::Update {
        return None;
    }
    let fields = change.fields.iter().filter(|field| kind.removed_later.contains(&field.pointer.as_str()));
    let (field, added, leaving) = fields.into_iter().find_map(|field| {
        let (added, leaving) = overlapping_exchange(&field.before, &field.after)?;
        Some((field.pointer.trim_start_matches('/'), added, leaving))
    })?;
    let address = &change.address;
    Some(Obstacle {
        code: "taken",
        address: address.clone(),
        message: format!("can't add {added} to `{field}` of `{address}`: it overlaps {leaving}, which leaves only afterwards"),
        help: format!("remove {leaving} from `{field}` and apply that first"),
        location: None,
        adoptable: None,
        other: None,
    })
}

/// Obstacle for a resource that a new name of another one would replace.
pub(super) fn renamed_dependency_obstacle(change: &Change, renamed: &Address) -> Obstacle {
    let address = &change.address;
    Obstacle {
        code: "renamed",
        address: address.clone(),
        message: format!("a new name of `{renamed}` would replace `{address}`, which refers to it"),
        help: format!("keep the name of `{renamed}`; or rename it in AWS and plan again"),
        location: None,
        adoptable: None,
        other: None,
    }
}

/// Obstacle for another name of a resource with data: AWS would make an empty one.
pub(super) fn renamed_data_obstacle(kind: &ResourceType, change: &Change, wanted: &Value, live: &LiveResource) -> Option<Obstacle> {
    let Reason::ImmutableFields { fields } = &change.reason else { return None };
    if kind.data_protection != DataProtection::Snapshot || change.on_delete == OnDelete::Delete || *fields != ["/name"] {
        return None;
    }
    let (from, to) = (live.spec.get("name")?.as_str()?, wanted.get("name")?.as_str()?);
    let address = &change.address;
    Some(Obstacle {
        code: "renamed",
        address: address.clone(),
        message: format!("`{address}` is named `{from}`: one named `{to}` would be made without its data"),
        help: format!("set `name: {from}`; or rename it in AWS to `{to}`, which keeps its data, and plan again"),
        location: None,
        adoptable: None,
        other: None,
    })
}
