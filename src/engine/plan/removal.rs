//! Plans for resources that are removed: their deletion, or that acme lets go of them, and what becomes of their data.

use serde_json::Value;

use super::{
    Action, Change, Obstacle, Reason, ReplacementOrder,
    planner::{Planner, new_change},
};
use crate::{
    core::{Address, DataProtection, LiveResource, OnDelete, ResourceType, expression::for_each_string},
    definition::DesiredResource,
    engine::discover::resource_type_of,
};

impl Planner<'_> {
    /// Plans a live resource that is no longer declared.
    pub(super) fn plan_removal(&mut self, address: &Address, live: &LiveResource, declared: Option<&DesiredResource>, reason: Reason) {
        let Ok(kind) = resource_type_of(live) else { return };
        // AWS does not report fields for the deletion, and a run without changes records none.
        let mut live = live.clone();
        if let Some(declared) = declared {
            kind.set_write_only(&declared.spec, &mut live);
        }
        let live = &live;
        if self.created_by_undone_run.contains(address) {
            let change =
                Change { disable_deletion_protection: true, ..new_change(address.clone(), kind, Action::Delete, reason, Some(live)) };
            self.changes.insert(address.clone(), Box::new(change));
            return;
        }
        let on_delete = effective_on_delete(kind, declared.and_then(|d| d.on_delete), live);
        let retained = declared.and_then(|d| d.on_delete).or_else(|| on_delete_tag(live)) == Some(OnDelete::Retain);
        let action = if retained || reason == Reason::Forgotten { Action::Forget } else { Action::Delete };
        let mut change = new_change(address.clone(), kind, action, reason, Some(live));
        change.section = declared.and_then(DesiredResource::section).map(str::to_owned);
        change.on_delete = on_delete;
        if action == Action::Delete {
            change.irreversible = irreversible_effect(kind, live, on_delete, None);
            self.check_deletion_protection(&change, kind, live, declared.is_some());
        }
        self.changes.insert(address.clone(), Box::new(change));
    }

    /// Lets go of the parts of forgotten resources, such as the web firewall of a load balancer: without tags of their own, they belong to the stack only as
    /// long as what contains them does.
    pub(super) fn forget_parts(&mut self) {
        let forgotten =
            self.changes.values().filter(|change| change.reason == Reason::Forgotten).filter_map(|change| change.before.clone());
        let (stack, matched) = (self.stack, self.matched);
        for parent in forgotten.collect::<Vec<_>>() {
            for (address, live) in matched.live.iter().filter(|(_, live)| is_part_of(live, &parent)) {
                self.desired.remove(address);
                self.name_overrides.remove(address);
                self.obstacles.retain(|obstacle| obstacle.address != *address);
                self.plan_removal(address, live, stack.resources.get(address), Reason::Forgotten);
            }
        }
    }

    /// Obstacle for AWS's deletion protection.
    pub(super) fn check_deletion_protection(&mut self, change: &Change, kind: &ResourceType, live: &LiveResource, declared: bool) {
        let Some(pointer) = kind.protects_deletion else { return };
        if live.spec.pointer(pointer) != Some(&Value::Bool(true)) {
            return;
        }
        let field = pointer.trim_start_matches('/');
        let address = &change.address;
        let help = if declared {
            format!("set `{field}: false` on `{address}`, apply that, and try again")
        } else {
            format!("declare `{address}` again with `{field}: false`, apply that, then remove it")
        };
        let message = format!("`{address}` ({}) is protected from deletion", live.id);
        self.obstacles.push(Obstacle {
            code: "protected",
            address: address.clone(),
            message,
            help,
            location: None,
            adoptable: None,
            other: None,
        });
    }
}

/// Whether a live resource without tags of its own is a part of another one.
pub(in crate::engine) fn is_part_of(live: &LiveResource, parent: &LiveResource) -> bool {
    let kind = resource_type_of(live).ok().filter(|kind| !kind.is_adoptable());
    kind.is_some_and(|kind| kind.parent == Some(parent.type_name.as_str())) && contains_id(live, parent)
}

/// Whether the spec of a resource has the id or the ARN of another.
fn contains_id(live: &LiveResource, other: &LiveResource) -> bool {
    let mut found = false;
    for_each_string(&live.spec, &mut |text| found |= text == other.id || Some(text) == other.arn());
    found
}

/// Value of `on_delete` in the tags.
pub(super) fn on_delete_tag(live: &LiveResource) -> Option<OnDelete> {
    let text = live.tags.get(crate::core::ON_DELETE_TAG)?;
    serde_json::from_value(Value::String(text.clone())).ok()
}

/// Treatment of the data: from the definition, otherwise from the tag, otherwise the type's default.
pub(super) fn effective_on_delete(kind: &ResourceType, declared: Option<OnDelete>, live: &LiveResource) -> OnDelete {
    declared.or_else(|| on_delete_tag(live)).unwrap_or(match kind.data_protection {
        DataProtection::None => OnDelete::Delete,
        DataProtection::Snapshot => OnDelete::Snapshot,
        DataProtection::Contents | DataProtection::RecoveryWindow => OnDelete::Retain,
    })
}

/// Irreversible part of the deletion of a live resource.
pub(super) fn irreversible_effect(
    kind: &ResourceType,
    live: &LiveResource,
    on_delete: OnDelete,
    replacement_order: Option<ReplacementOrder>,
) -> Option<String> {
    let without_snapshot =
        kind.data_protection == DataProtection::Snapshot && on_delete == OnDelete::Snapshot && !kind.operations.leaves_snapshot(&live.spec);
    let loss = irreversible_loss(kind, on_delete, replacement_order).filter(|_| !without_snapshot);
    if loss.is_none() && !without_snapshot && kind.data_protection != DataProtection::None {
        return None;
    }
    let all: Vec<String> = [loss, kind.operations.deletion_effect(&live.spec)].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn irreversible_loss(kind: &ResourceType, on_delete: OnDelete, replacement_order: Option<ReplacementOrder>) -> Option<String> {
    match (kind.data_protection, on_delete) {
        (DataProtection::Snapshot, OnDelete::Snapshot) => Some("its data is kept only in a final snapshot".into()),
        (DataProtection::Snapshot | DataProtection::Contents, OnDelete::Delete) => Some("its data is deleted, too".into()),
        (DataProtection::RecoveryWindow, OnDelete::Delete) => Some("it is deleted after the shortest window AWS allows".into()),
        (DataProtection::RecoveryWindow, _) => Some("it is deleted after its recovery window".into()),
        _ if replacement_order == Some(ReplacementOrder::DestroyBeforeCreate) => {
            Some("the old one is deleted before the new one exists".into())
        }
        _ => None,
    }
}
