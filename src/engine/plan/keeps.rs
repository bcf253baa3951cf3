//! Fields that AWS can change only to resources with the same value in another field: the subnets of a load balancer stay in its VPC.

use serde_json::Value;

use super::{FieldDiff, diff::is_within, planner::Planner};
use crate::{
    core::{Address, LiveResource, expression},
    definition::DesiredResource,
};

impl Planner<'_> {
    /// Marks the differences that replace a resource because they lead to another value of what its type keeps, see
    /// [`crate::core::ResourceType::keeps`].
    pub(super) fn force_replacement_by_kept(&self, declared: &DesiredResource, live: &LiveResource, fields: &mut [FieldDiff]) {
        for (pointer, kept) in &declared.resource_type.keeps {
            let is_in = |field: &FieldDiff| is_within(&field.pointer, pointer);
            if fields.iter().any(is_in) && self.changes_kept(declared, live, pointer, &format!("/{kept}")) {
                fields.iter_mut().filter(|field| is_in(field)).for_each(|field| field.forces_replacement = true);
            }
        }
    }

    /// Whether a field of the definition leads to another value than that of the live resource does.
    fn changes_kept(&self, declared: &DesiredResource, live: &LiveResource, pointer: &str, kept: &str) -> bool {
        let mut before = Vec::new();
        self.for_each_value(live.spec.pointer(pointer), kept, &mut |value| before.push(value));
        let mut is_changed = false;
        // A value with a reference is one of a resource that does not exist yet.
        self.for_each_value(declared.spec.pointer(pointer), kept, &mut |value| is_changed |= !before.contains(&value));
        is_changed && !before.is_empty()
    }

    /// Calls a function with a field of each resource to which a value refers, as it is after the plan.
    fn for_each_value<'p>(&'p self, referring: Option<&'p Value>, kept: &str, act: &mut impl FnMut(&'p Value)) {
        let Some(referring) = referring else { return };
        expression::for_each_string(referring, &mut |text| {
            let references = expression::references(text);
            let declared = references.iter().map(|reference| Address::new(reference.type_name, reference.name));
            declared.filter_map(|address| self.planned_spec(&address)?.pointer(kept)).for_each(&mut *act);
            // By its id. An interrupted run leaves the old ones beside the new ones.
            let existing = self.matched.live.values().chain(&self.matched.left_over);
            existing.filter(|live| live.id == text).filter_map(|live| live.spec.pointer(kept)).for_each(&mut *act);
        });
    }

    /// Spec of a declared resource after the plan.
    fn planned_spec(&self, address: &Address) -> Option<&Value> {
        self.desired.get(address).or_else(|| self.matched.live.get(address).map(|live| &*live.spec))
    }
}
