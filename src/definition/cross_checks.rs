//! Rules across several resources, or about the stack.

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic, networks::check_networks, unique_keys::check_unique_keys};
use crate::core::{Address, DeclaredResource};

/// Checks all rules across resources: those of the types, and the unique keys and networks that facts state.
pub fn check_all(c: &mut Compiler<'_>, stack: &Stack) {
    let find = |address: &Address| stack.resources.get(address).map(|declared| &declared.spec);
    let find_region = |address: &Address| stack.resources.get(address)?.region.as_deref().or(stack.region.as_deref());
    for declared in stack.resources.values() {
        let DesiredResource { address, resource_type, spec, tags, pointer, .. } = declared;
        let resource = DeclaredResource {
            address,
            region: declared.region.as_deref().or(stack.region.as_deref()),
            spec,
            tags,
            find: &find,
            find_region: &find_region,
            stack: &stack.name,
            environment: &stack.environment,
        };
        for problem in resource_type.operations.check_declared(resource) {
            let place = c.value_range(&format!("{pointer}{}", problem.pointer));
            c.problems.push(Diagnostic::new(problem.code, problem.message).at(place).maybe_help(problem.help));
        }
    }
    check_unique_keys(c, stack);
    check_networks(c, stack);
}
