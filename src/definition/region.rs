//! Regions of single resources.

use serde_json::Value;

use super::{
    DesiredResource, Stack,
    compiler::{Compiler, scalar_text},
    diagnostic::Diagnostic,
    draft::Draft,
    source::child_pointer,
};
use crate::{
    aws::{global_region, types::resource_type},
    core::{Address, expression::references},
};

/// Checks a region's name, such as `eu-west-1`. Returns the region probably meant, for later checks, or `None` if that is unclear.
pub fn check_name(c: &mut Compiler<'_>, at: &str, name: String) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    let fits = parts.len() >= 3
        && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    if fits {
        return Some(name);
    }
    let zone = name.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let help = zone.map_or_else(|| "a region looks like `eu-west-1`".into(), |region| format!("this is a zone: write `{region}`"));
    c.problem("region", at, format!("`{name}` is not a valid region"), help);
    zone.map(str::to_owned)
}

/// Takes `region` from the fields of a resource. Returns the region if it is not the stack's.
pub fn take(c: &mut Compiler<'_>, draft: &mut Draft, stack: &Stack) -> Option<String> {
    let kind = draft.resource_type;
    let shown = format!("`{}.{}`", kind.name, draft.name);
    let at = draft.definition_pointer("/region");
    if kind.is_global() {
        // A DNS record has a field of this name.
        if kind.schema().pointer("/properties/region").is_none() && draft.spec.remove("region").is_some_and(|value| !value.is_null()) {
            let message = format!("`region` has no effect on {shown}, because AWS's service for it is global");
            c.problem_at_key("region", &at, message, "remove the line");
        }
        return None;
    }
    let value = draft.spec.remove("region").filter(|value| !value.is_null())?;
    let Some(text) = scalar_text(&value) else {
        c.problem("region", &at, format!("the region of {shown} must be text"), "write `region: us-east-1`");
        return None;
    };
    if text.contains("${") {
        let message = format!("the region of {shown} can't contain a reference: it is needed before resources are read");
        c.problem("region", &at, message, "write the region, or use a value");
        return None;
    }
    let region = check_name(c, &at, text)?;
    let Some(home) = &stack.region else {
        let message = format!("{shown} has a region, but the stack has none");
        c.problem("region", &at, message, "add the stack's own `region:` at the top level");
        return None;
    };
    let partition = |region: &str| crate::aws::partition(region);
    if partition(home) != partition(&region) {
        let message = format!("the region `{region}` of {shown} is in another partition of AWS than the stack's region `{home}`");
        c.problem("region", &at, message, "a stack has one account, and an account is in one partition");
        return None;
    }
    if kind.is_in_global_region(&draft.spec.clone().into()) && region != global_region(home) {
        let message = format!("{shown} can only be in {}", global_region(home));
        c.problem("region", &at, message, "remove the line");
        return None;
    }
    Some(region).filter(|region| region != home)
}

/// Reports references by id to resources of another region. ARNs contain their region, and some services accept those of another.
pub fn check_references(c: &mut Compiler<'_>, stack: &Stack) {
    for declared in stack.resources.values() {
        let mut wrong = Vec::new();
        collect_ids(&declared.spec, "", &mut |pointer, text| {
            let targets = references(text).into_iter().filter(|reference| reference.output == "id");
            let others = targets.filter_map(|reference| stack.resources.get(&Address::new(reference.type_name, reference.name)));
            wrong.extend(others.filter(|other| has_unreachable_id(declared, other)).map(|other| (pointer.to_owned(), other)));
        });
        for (pointer, other) in wrong {
            let name = |one: &DesiredResource| one.region.clone().or(stack.region.clone()).unwrap_or_default();
            let message = format!("`{}` can't use `{}` of region {} from {}", declared.address, other.address, name(other), name(declared));
            let at = c.value_range(&format!("{}{pointer}", declared.pointer)).or_else(|| c.key_range(&declared.pointer));
            let problem = Diagnostic::new("other-region", message).at(at);
            c.problems.push(problem.help("set the same `region` for both, or refer to a resource of the same region"));
        }
    }
}

/// Whether the id of another resource means nothing in the region of this one.
fn has_unreachable_id(declared: &DesiredResource, other: &DesiredResource) -> bool {
    let is_arn = resource_type(other.resource_type.name).is_some_and(|kind| kind.id == "{arn}");
    !is_arn && !other.resource_type.is_global() && other.region != declared.region
}

/// Calls `act` for every reference by id, `{"id": …}`, and its pointer.
fn collect_ids<'a>(value: &'a Value, at: &str, act: &mut impl FnMut(&str, &'a str)) {
    match value {
        Value::Object(map) => match map.get("id").and_then(Value::as_str).filter(|_| map.len() == 1) {
            Some(text) => act(at, text),
            None => map.iter().for_each(|(key, value)| collect_ids(value, &child_pointer(at, key), act)),
        },
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| collect_ids(value, &format!("{at}/{index}"), act)),
        _ => {}
    }
}
