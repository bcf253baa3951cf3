//! Checks of a definition.

use serde_json::Value;

use super::{
    AwsResource,
    digest::{self, TypeDigest},
    native, secrets,
};
use crate::core::{Declared, Pointer, Problem, global_region, nearest::suggestion};

/// Checks type and properties.
pub fn check(resource: &AwsResource) -> Vec<Problem> {
    let name = resource.r#type.as_str();
    let Some(digest) = digest::find(name) else { return vec![unsupported(name)] };
    let mut problems = Vec::new();
    let mut checked = resource.properties.0.clone();
    checked.retain(|property, value| match wrong_property(digest, property) {
        Some((message, help)) if !value.is_null() => {
            problems.push(Problem::new(AwsResource::POINTERS.properties.item(property), message).help(help));
            false
        }
        Some(_) => false,
        None => true,
    });
    let mut checked = Value::Object(checked);
    problems.extend(secrets::take_plain(digest, &mut checked));
    digest.properties.check(&checked, &AwsResource::POINTERS.properties, &mut problems);
    for path in &digest.read_only {
        let places = places(&checked, &path.split('/').collect::<Vec<_>>(), AwsResource::POINTERS.properties);
        problems.extend(places.into_iter().map(|place| Problem::new(place, "AWS sets this property").help("remove it")));
    }
    problems
}

fn unsupported(name: &str) -> Problem {
    let at = AwsResource::POINTERS.r#type;
    if let Some((message, help)) = native::reason(name) {
        return Problem::new(at, message).help(help);
    }
    if name.split("::").count() != 3 {
        return Problem::new(at, format!("`{name}` is not the name of a type"))
            .help("write it as CloudFormation does: `AWS::EC2::DHCPOptions`");
    }
    let known = || digest::all().keys().map(String::as_str);
    Problem::new(at, format!("acme does not know the type `{name}`")).help(suggestion(name, "types", known().collect::<Vec<_>>()))
}

/// Problem and remedy of a property that a definition can't set.
fn wrong_property(digest: &TypeDigest, property: &str) -> Option<(String, String)> {
    if property == digest.tags {
        let help = "write them in the field `tags` of the resource".to_owned();
        return Some((format!("acme sets `{property}` itself"), help));
    }
    if digest.not_a_state.iter().any(|instruction| instruction == property) {
        let message = format!("`{property}` is an instruction for one call, not a property that the resource keeps");
        return Some((message, "remove it".to_owned()));
    }
    if digest.attributes.contains_key(property) && digest.properties.field(property).is_none() {
        let help = format!("remove it; others refer to it by `{{{{ aws_resource.….{property} }}}}`");
        return Some((format!("AWS sets `{property}`"), help));
    }
    None
}

/// The places of the values at a path; `*` is every item of a list or value of a map.
fn places(value: &Value, path: &[&str], at: Pointer) -> Vec<Pointer> {
    let Some((first, rest)) = path.split_first() else {
        return if value.is_null() { Vec::new() } else { vec![at] };
    };
    match value {
        Value::Object(map) => {
            let below = map.iter().filter(|(key, _)| *first == "*" || key == first);
            below.flat_map(|(key, value)| places(value, rest, at.clone().item(key))).collect()
        }
        Value::Array(list) if *first == "*" => {
            list.iter().enumerate().flat_map(|(index, value)| places(value, rest, at.clone().item(index))).collect()
        }
        _ => Vec::new(),
    }
}

/// Checks the region.
pub fn check_declared(declared: &Declared<'_, AwsResource>) -> Vec<Problem> {
    let (Some(region), Some(resource)) = (declared.region(), declared.spec()) else { return Vec::new() };
    wrong_region(&resource.r#type, region).into_iter().collect()
}

/// Problem of a global resource outside the region in which AWS indexes it.
pub fn wrong_region(type_name: &str, region: &str) -> Option<Problem> {
    let right = global_region(region);
    if !digest::find(type_name)?.global || region == right {
        return None;
    }
    let message = format!("`{type_name}` has no regions, and AWS shows its tags in {right} only");
    Some(Problem::new(AwsResource::POINTERS.r#type, message).help(format!("set `region: {right}` on the resource")))
}
