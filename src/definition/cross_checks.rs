//! Rules across several resources, or about the stack.

use super::{DesiredResource, Stack, compiler::Compiler, diagnostic::Diagnostic, unique_keys::check_unique_keys};
use crate::core::{Address, DeclaredResource};

/// Checks a region's name, such as `eu-west-1`. Returns the region probably meant, for later checks, or `None` if that is unclear.
pub fn check_region(c: &mut Compiler<'_>, name: String) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let fits = parts.len() >= 3
        && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    if fits {
        return Some(name);
    }
    let zone = name.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let help = zone.map_or_else(|| "a region looks like `eu-west-1`".into(), |region| format!("this is a zone: write `{region}`"));
    c.problem("region", "/region", format!("`{name}` is not a valid region"), help);
    zone.map(str::to_owned)
}

/// Checks all rules across resources: those of the types, and the unique keys that facts state.
pub fn check_all(c: &mut Compiler<'_>, stack: &Stack) {
    let find = |address: &Address| stack.resources.get(address).map(|declared| &declared.spec);
    for declared in stack.resources.values() {
        let DesiredResource { address, resource_type, spec, pointer, .. } = declared;
        let resource = DeclaredResource { address, region: stack.region.as_deref(), spec, find: &find };
        for problem in resource_type.operations.check_declared(resource) {
            let place = c.value_range(&format!("{pointer}{}", problem.pointer));
            c.problems.push(Diagnostic::new(problem.code, problem.message).at(place).maybe_help(problem.help));
        }
    }
    check_unique_keys(c, stack);
}
