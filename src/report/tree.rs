//! Live resources as a tree: each resource below its parent.

use std::collections::{BTreeMap, BTreeSet};

use super::Style;
use crate::{
    aws::types,
    core::{Address, LiveResource, printable_line},
    definition::Stack,
    engine::graph::dependencies,
};

/// Maximum width of a line, in columns.
const WIDTH: usize = 80;

/// Renders live resources with their ids, the status of those that are not ready, and the health of those in clusters.
pub fn render(stack: &Stack, live: &BTreeMap<Address, &LiveResource>) -> String {
    let mut depends_on: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
    let pairs = dependencies(stack, live);
    for (need, user) in pairs.iter().filter(|(need, user)| live.contains_key(need) && live.contains_key(user)) {
        depends_on.entry(user).or_default().insert(need);
    }
    let mut depths = BTreeMap::new();
    for address in live.keys() {
        depth(address, &depends_on, &mut depths, &mut BTreeSet::new());
    }
    let mut below: BTreeMap<Option<&Address>, Vec<&Address>> = BTreeMap::new();
    for address in live.keys() {
        below.entry(display_parent(address, &depends_on, &depths)).or_default().push(address);
    }
    let mut out = String::new();
    for root in below.get(&None).into_iter().flatten() {
        render_branch(root, "", "", live, &below, &mut out);
    }
    out
}

/// Distance from a resource without dependencies. Cycles are ignored.
fn depth<'a>(
    address: &'a Address,
    dependencies: &BTreeMap<&'a Address, BTreeSet<&'a Address>>,
    known: &mut BTreeMap<&'a Address, usize>,
    visiting: &mut BTreeSet<&'a Address>,
) -> usize {
    if let Some(depth) = known.get(address) {
        return *depth;
    }
    if !visiting.insert(address) {
        return 0;
    }
    let deepest =
        dependencies.get(address).into_iter().flatten().map(|need| depth(need, dependencies, known, visiting) + 1).max().unwrap_or(0);
    visiting.remove(address);
    known.insert(address, deepest);
    deepest
}

/// Parent in the tree: its parent resource, otherwise its innermost container in the network, otherwise its deepest dependency. Roles and
/// keys don't contain the resources that use them.
fn display_parent<'a>(
    address: &Address,
    dependencies: &BTreeMap<&'a Address, BTreeSet<&'a Address>>,
    depths: &BTreeMap<&'a Address, usize>,
) -> Option<&'a Address> {
    let depth = |address: &Address| depths.get(address).copied().unwrap_or_default();
    let parent = types::resource_type(&address.type_name).and_then(|kind| kind.parent);
    let contains = |need: &Address| types::resource_type(&need.type_name).is_some_and(|kind| kind.is_container);
    // Only upwards, so that a cycle of live resources stays visible.
    let above = dependencies.get(address).into_iter().flatten().copied().filter(|need| depth(need) < depth(address));
    above.max_by_key(|need| (parent == Some(need.type_name.as_str()), contains(need), depth(need), std::cmp::Reverse(*need)))
}

fn render_branch(
    address: &Address,
    indent: &str,
    tick: &str,
    live: &BTreeMap<Address, &LiveResource>,
    below: &BTreeMap<Option<&Address>, Vec<&Address>>,
    out: &mut String,
) {
    let Some(one) = live.get(address) else { return };
    let phase = super::health::describe(one).map(|status| format!("  {}", printable_line(&status))).unwrap_or_default();
    let region = one.region.as_ref().map(|region| format!("{region}  ")).unwrap_or_default();
    let used = format!("{indent}{tick}{address}{region}{phase}").chars().count() + 2;
    let id = truncate_start(&printable_line(&one.id), WIDTH.saturating_sub(used));
    out.push_str(&format!(
        "{}{address}  {}{}\n",
        Style::Faint.paint(format!("{indent}{tick}")),
        Style::Faint.paint(format!("{region}{id}")),
        super::health::style(&one.phase).paint(phase)
    ));
    let deeper = match tick {
        "" => indent.to_owned(),
        "└─ " => format!("{indent}   "),
        _ => format!("{indent}│  "),
    };
    let children = below.get(&Some(address)).map(Vec::as_slice).unwrap_or_default();
    for (number, child) in children.iter().enumerate() {
        let tick = if number + 1 == children.len() { "└─ " } else { "├─ " };
        render_branch(child, &deeper, tick, live, below, out);
    }
}

/// Id shortened to a number of columns. A long id keeps its end, which is more specific than its beginning.
pub(super) fn truncate_start(id: &str, room: usize) -> String {
    let length = id.chars().count();
    if length <= room {
        return id.to_owned();
    }
    let end: String = id.chars().skip(length + 1 - room.max(2)).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_truncated_at_the_start() {
        assert_eq!(truncate_start("arn:aws:iam::123456789012:role/shop", 10), "…role/shop");
        assert_eq!(truncate_start("vpc-0123", 8), "vpc-0123");
        assert_eq!(truncate_start("vpc-0123", 0), "…3");
    }
}
