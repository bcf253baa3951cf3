//! Which of the resources that leave use others of them.

use std::collections::HashMap;

use super::{Action, Change, references::is_generated};
use crate::{
    aws::types::resource_type,
    core::{Address, LiveResource, expression},
    definition::Stack,
};

/// Pairs (dependency, dependent) of live resources, from ids and ARNs in the dependent's spec, and from the definition.
pub(super) fn live_dependents(stack: &Stack, changes: &[Change]) -> Vec<(usize, usize)> {
    let leaves = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace | Action::Forget);
    let index = LeavingIndex::of(changes.iter().enumerate().filter(|(_, change)| leaves(change)));
    let mut dependents = Vec::new();
    for (user, change) in changes.iter().enumerate().filter(|(_, change)| leaves(change)) {
        let Some(live) = &change.before else { continue };
        let mut used = index.used_by(live);
        if let Some(declared) = stack.resources.get(&change.address) {
            used.extend(declared.depends_on.iter().filter_map(|need| index.by_address.get(need)));
        }
        dependents.extend(used.into_iter().filter(|used| *used != user).map(|used| (used, user)));
    }
    dependents.sort_unstable();
    dependents.dedup();
    dependents
}

/// Pairs (dependency, dependent) of a resource that leaves, and one whose update can end its use of it.
pub(super) fn updated_dependents(changes: &[Change]) -> Vec<(usize, usize)> {
    let leaves = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace | Action::Forget);
    let index = LeavingIndex::of(changes.iter().enumerate().filter(|(_, change)| leaves(change)));
    let updated = changes.iter().enumerate().filter(|(_, change)| change.action == Action::Update);
    let live = updated.filter_map(|(user, change)| Some((user, change.before.as_ref()?)));
    live.flat_map(|(user, live)| index.used_by(live).into_iter().map(move |used| (used, user))).collect()
}

/// Deleted and replaced resources, by address, id and text.
#[derive(Default)]
struct LeavingIndex<'a> {
    by_address: HashMap<&'a Address, usize>,
    /// By type and id: names are unique only within a type and region.
    by_id: HashMap<(&'a str, &'a str), Vec<(&'a LiveResource, usize)>>,
    /// By ARN and generated id, which identify one resource wherever they stand.
    by_text: HashMap<&'a str, usize>,
}

impl<'a> LeavingIndex<'a> {
    fn of(changes: impl Iterator<Item = (usize, &'a Change)>) -> LeavingIndex<'a> {
        let mut index = LeavingIndex::default();
        for (number, change) in changes {
            index.by_address.insert(&change.address, number);
            let Some(live) = &change.before else { continue };
            index.by_id.entry((&live.type_name, &live.id)).or_default().push((live, number));
            let own = Some(live.id.as_str()).filter(|id| is_generated(id));
            index.by_text.extend(own.into_iter().chain(live.arn()).map(|text| (text, number)));
        }
        index
    }

    /// Numbers of the changes whose resources a live one uses.
    fn used_by(&self, user: &LiveResource) -> Vec<usize> {
        let mut used = Vec::new();
        expression::for_each_string(&user.spec, &mut |text| used.extend(self.by_text.get(text)));
        for reference in resource_type(&user.type_name).map(|kind| kind.references(&user.spec)).unwrap_or_default() {
            let all = self.by_id.get(&(reference.type_name.as_str(), reference.value.as_str())).map(Vec::as_slice).unwrap_or_default();
            let near = all.iter().filter(|(live, _)| all.len() == 1 || live.region == user.region);
            used.extend(near.map(|(_, number)| *number));
        }
        used
    }
}
