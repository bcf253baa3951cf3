//! Resources that refer to each other are in one network.

use std::collections::HashMap;

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic};
use crate::core::{Address, Reference, expression};

/// Reports resources that refer to resources of two networks.
pub fn check_networks(c: &mut Compiler<'_>, stack: &Stack) {
    let mut networks = Networks { stack, known: HashMap::new() };
    for declared in stack.resources.values().filter(|declared| !declared.resource_type.spans_networks) {
        let mut first: Option<(Address, Address)> = None;
        for (reference, target) in references(declared) {
            let Some(network) = networks.of(&target) else { continue };
            let Some((other, through)) = &first else {
                first = Some((network, target));
                continue;
            };
            if *other != network {
                let via = |target: &Address, network: &Address| match target == network {
                    true => format!("`{network}`"),
                    false => format!("`{target}` in `{network}`"),
                };
                let message = format!("`{}` refers to {} and to {}", declared.address, via(through, other), via(&target, &network));
                let pointer = format!("{}/{}", declared.pointer, reference.path.split('.').next().unwrap_or_default());
                let place = c.value_range(&pointer);
                let help = "refer to resources of the same network";
                c.problems.push(Diagnostic::new("network", message).at(place).help(help));
                break;
            }
        }
    }
}

/// Networks of the stack's resources.
struct Networks<'a> {
    stack: &'a Stack,
    /// `None`: in no network of the stack, or not known yet.
    known: HashMap<Address, Option<Address>>,
}

impl Networks<'_> {
    /// Network of a resource: the one that it refers to, or that of a resource to which it refers.
    fn of(&mut self, address: &Address) -> Option<Address> {
        if let Some(known) = self.known.get(address) {
            return known.clone();
        }
        self.known.insert(address.clone(), None);
        let declared = self.stack.resources.get(address)?;
        let network = if declared.resource_type.is_network {
            Some(address.clone())
        } else {
            let all = references(declared);
            let is_direct = |(reference, target): &&(Reference, Address)| {
                let is_network = self.stack.resources.get(target).is_some_and(|target| target.resource_type.is_network);
                is_network && declared.spec.get(&reference.path).is_some_and(|value| value.is_object())
            };
            match all.iter().find(is_direct) {
                Some((_, network)) => Some(network.clone()),
                None if declared.resource_type.spans_networks => None,
                None => all.iter().find_map(|(_, target)| self.of(target)),
            }
        };
        self.known.insert(address.clone(), network.clone());
        network
    }
}

/// References to other resources of the stack, with their addresses.
fn references(declared: &DesiredResource) -> Vec<(Reference, Address)> {
    let all = declared.resource_type.references(&declared.spec).into_iter().filter(|reference| !reference.is_name);
    let target = |reference: &Reference| {
        let target = expression::references(&reference.value).into_iter().find(|target| target.type_name == reference.type_name)?;
        Some(Address::new(target.type_name, target.name)).filter(|target| *target != declared.address)
    };
    all.filter_map(|reference| target(&reference).map(|target| (reference, target))).collect()
}
