//! What is there, as a tree: each resource below the one it stands on.

use std::collections::{BTreeMap, BTreeSet};

use super::Style;
use crate::{
    aws::types,
    core::{Address, Live},
    definition::Stack,
    engine::graph::{in_words, needs},
};

/// Widest line.
const WIDTH: usize = 80;

/// Live resources with their ids, and what AWS says of those that are not ready.
pub fn render(stack: &Stack, live: &BTreeMap<Address, &Live>) -> String {
    let mut needed: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
    let pairs = needs(stack, live);
    for (need, user) in pairs.iter().filter(|(need, user)| live.contains_key(need) && live.contains_key(user)) {
        needed.entry(user).or_default().insert(need);
    }
    let mut depths = BTreeMap::new();
    for address in live.keys() {
        depth(address, &needed, &mut depths, &mut BTreeSet::new());
    }
    let mut below: BTreeMap<Option<&Address>, Vec<&Address>> = BTreeMap::new();
    for address in live.keys() {
        below.entry(owner(address, &needed, &depths)).or_default().push(address);
    }
    let mut out = String::new();
    for root in below.get(&None).into_iter().flatten() {
        branch(root, "", "", live, &below, &mut out);
    }
    out
}

/// How far it stands from what needs nothing. What needs itself in a circle is as deep as the rest of its needs.
fn depth<'a>(
    address: &'a Address,
    needed: &BTreeMap<&'a Address, BTreeSet<&'a Address>>,
    known: &mut BTreeMap<&'a Address, usize>,
    within: &mut BTreeSet<&'a Address>,
) -> usize {
    if let Some(depth) = known.get(address) {
        return *depth;
    }
    if !within.insert(address) {
        return 0;
    }
    let deepest = needed.get(address).into_iter().flatten().map(|need| depth(need, needed, known, within) + 1).max().unwrap_or(0);
    within.remove(address);
    known.insert(address, deepest);
    deepest
}

/// Where other resources stand, the innermost first: what merely lets them in or pays for them is no place.
const PLACES: &[&str] = &["rds_subnet_group", "subnet", "vpc"];

/// What it is shown below: its parent, else its place in the network, else of all it needs the one that stands farthest out.
fn owner<'a>(
    address: &Address,
    needed: &BTreeMap<&'a Address, BTreeSet<&'a Address>>,
    depths: &BTreeMap<&'a Address, usize>,
) -> Option<&'a Address> {
    let depth = |address: &Address| depths.get(address).copied().unwrap_or_default();
    let parent = types::kind(&address.kind).and_then(|kind| kind.parent);
    let place = |need: &Address| PLACES.iter().rev().position(|place| *place == need.kind);
    // Only upwards, so that a circle of live resources does not hide itself.
    let above = needed.get(address).into_iter().flatten().copied().filter(|need| depth(need) < depth(address));
    above.max_by_key(|need| (parent == Some(need.kind.as_str()), place(need), depth(need), std::cmp::Reverse(*need)))
}

fn branch(
    address: &Address,
    indent: &str,
    tick: &str,
    live: &BTreeMap<Address, &Live>,
    below: &BTreeMap<Option<&Address>, Vec<&Address>>,
    out: &mut String,
) {
    let Some(one) = live.get(address) else { return };
    let phase = in_words(&one.phase).map(|status| format!("  {status}")).unwrap_or_default();
    let used = format!("{indent}{tick}{address}{phase}").chars().count() + 2;
    let id = fitted(&one.id, WIDTH.saturating_sub(used));
    out.push_str(&format!(
        "{}{address}  {}{}\n",
        Style::Faint.of(format!("{indent}{tick}")),
        Style::Faint.of(id),
        Style::Changed.of(phase)
    ));
    let deeper = match tick {
        "" => indent.to_owned(),
        "└─ " => format!("{indent}   "),
        _ => format!("{indent}│  "),
    };
    let children = below.get(&Some(address)).map(Vec::as_slice).unwrap_or_default();
    for (number, child) in children.iter().enumerate() {
        let tick = if number + 1 == children.len() { "└─ " } else { "├─ " };
        branch(child, &deeper, tick, live, below, out);
    }
}

/// An id in so many columns: of a long one the end tells more than the beginning.
pub(super) fn fitted(id: &str, room: usize) -> String {
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
    fn long_ids_keep_their_end() {
        assert_eq!(fitted("arn:aws:iam::123456789012:role/shop", 10), "…role/shop");
        assert_eq!(fitted("vpc-0123", 8), "vpc-0123");
        assert_eq!(fitted("vpc-0123", 0), "…3");
    }
}
