//! Dependencies on resources that provide what others require, without a reference: a namespace, or a kind of objects.

use std::collections::{BTreeMap, BTreeSet};

use super::{DesiredResource, Stack};
use crate::core::Address;

/// Makes resources depend on those that provide what they require, see [`crate::core::Resource::provides`].
pub fn add_dependencies(stack: &mut Stack) {
    let sure = |declared: &DesiredResource| {
        let names = declared.resource_type.operations.provides(&declared.spec);
        names.into_iter().map(|name| (name, declared.address.clone())).collect::<Vec<_>>()
    };
    let sure: BTreeMap<String, Address> = stack.resources.values().flat_map(sure).collect();
    let perhaps = |declared: &DesiredResource| {
        let prefix = declared.resource_type.operations.may_provide(&declared.spec)?;
        Some((declared.address.clone(), prefix))
    };
    let perhaps: BTreeMap<Address, String> = stack.resources.values().filter_map(perhaps).collect();
    if sure.is_empty() && perhaps.is_empty() {
        return;
    }
    let mut uncertain = Vec::new();
    for declared in stack.resources.values_mut() {
        for name in declared.resource_type.operations.requires(&declared.spec) {
            match sure.get(&name) {
                Some(provider) if *provider == declared.address => {}
                Some(provider) => drop(declared.depends_on.insert(provider.clone())),
                None => uncertain.push((declared.address.clone(), name)),
            }
        }
    }
    for (address, name) in uncertain {
        add_uncertain(
            stack,
            &address,
            &perhaps.iter().filter(|(_, prefix)| name.starts_with(prefix.as_str())).map(|(provider, _)| provider).collect(),
        );
    }
}

/// Makes a resource depend on all that perhaps provide what it requires, but for those that wait for it themselves.
fn add_uncertain(stack: &mut Stack, address: &Address, providers: &BTreeSet<&Address>) {
    let Some(declared) = stack.resources.get(address) else { return };
    if declared.depends_on.iter().any(|dependency| providers.contains(dependency)) {
        return;
    }
    let later = dependents(stack, address);
    let found: Vec<Address> = providers.iter().copied().filter(|provider| !later.contains(provider)).cloned().collect();
    if let Some(declared) = stack.resources.get_mut(address) {
        declared.depends_on.extend(found);
    }
}

/// A resource, and those that depend on it, directly or not.
fn dependents(stack: &Stack, address: &Address) -> BTreeSet<Address> {
    let mut found = BTreeSet::from([address.clone()]);
    loop {
        let waits = |declared: &&DesiredResource| !found.contains(&declared.address) && !declared.depends_on.is_disjoint(&found);
        let more: Vec<Address> = stack.resources.values().filter(waits).map(|declared| declared.address.clone()).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
