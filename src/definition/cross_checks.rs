//! Rules across several resources, or about the stack.

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic, networks::check_networks, unique_keys::check_unique_keys};
use crate::core::{
    Address, DeclaredResource,
    expression::{for_each_string, references},
    nearest::suggestion,
};

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
            let at = format!("{pointer}{}", problem.pointer);
            if problem.is_secret {
                c.hide_value(&at);
            }
            let place = c.value_range(&at);
            c.problems.push(Diagnostic::new(problem.code, problem.message).at(place).maybe_help(problem.help));
        }
    }
    check_own_outputs(c, stack);
    check_unique_keys(c, stack);
    check_networks(c, stack);
}

/// Checks references to resources whose outputs are not all those of their type.
fn check_own_outputs(c: &mut Compiler<'_>, stack: &Stack) {
    for declared in stack.resources.values() {
        let mut wrong = Vec::new();
        for_each_string(&declared.spec, &mut |text| {
            for reference in references(text) {
                let address = Address::new(reference.type_name, reference.name);
                let facts = stack.resources.get(&address).and_then(|target| target.resource_type.own_facts(&target.spec));
                let is_output = |facts: &crate::core::OwnFacts| facts.outputs.contains(reference.output) || reference.output == "id";
                if let Some(facts) = facts.filter(|facts| !is_output(facts)) {
                    let help = suggestion(reference.output, "outputs", facts.outputs.iter().map(String::as_str));
                    let message =
                        format!("`{}` refers to the output `{}`, which `{address}` does not have", declared.address, reference.output);
                    wrong.push((message, help));
                }
            }
        });
        for (message, help) in wrong {
            let place = c.value_range(&declared.pointer);
            c.problems.push(Diagnostic::new("unknown-reference", message).at(place).help(help));
        }
    }
}
