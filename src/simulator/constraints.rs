//! AWS's rules and error messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde_json::Value;

use super::resource::SimulatedResource;
use crate::{
    aws::{exclusive_uses, types},
    core::{Error, ErrorCodes, ErrorKind, ResourceType},
};

/// First address → last address and key of the resource with this IP range. Addresses of IPv6 sort after those of IPv4.
pub(super) type IpRanges = BTreeMap<(bool, u128), ((bool, u128), String)>;

/// Unique claims of a resource: its identity, or its unique keys.
pub(super) fn unique_claims(entry: &SimulatedResource, kind: Option<&ResourceType>) -> Vec<String> {
    let mut claims = Vec::new();
    let value = |pointer: &str| value_text(entry.spec().pointer(pointer));
    if let Some(kind) = kind.filter(|kind| !kind.identity.is_empty()) {
        // A field of the identity may be unset (the set identifier of a record); then the others count.
        let values: Vec<String> = kind.identity.iter().map(|pointer| value(pointer).unwrap_or_default()).collect();
        let parents = entry.spec().as_object().into_iter().flatten().filter(|(_, value)| value.get("id").is_some());
        let parents: Vec<String> = parents.filter_map(|(_, value)| value_text(Some(value))).collect();
        claims.push(format!("{} {} in {}", entry.type_name, values.join(" "), parents.join(" ")));
    } else if let Some(kind) = kind {
        let ignores_case = |pointer: &str| pointer == "/name" && kind.naming.is_some_and(|naming| naming.ignore_case);
        let value = |pointer: &str| value(pointer).map(|text| if ignores_case(pointer) { text.to_lowercase() } else { text });
        for key in &kind.unique_keys {
            let values: Option<Vec<String>> = key.iter().map(|pointer| value(pointer)).collect();
            claims.extend(values.map(|values| format!("{} {} {}", entry.type_name, key.join(" "), values.join(" "))));
        }
    }
    if let Some(kind) = kind.filter(|kind| !kind.takes_over_entries) {
        claims.extend(kind.entry_values(entry.spec()).into_iter().map(|value| format!("{} {value}", entry.type_name)));
    }
    if let Some(kind) = kind {
        // Of whatever type the resource is.
        let used: BTreeSet<String> = exclusive_uses(kind, entry.spec(), None).into_iter().collect();
        claims.extend(used.into_iter().map(|used| format!("the use of {used}")));
    }
    if kind.is_some_and(|kind| kind.has_names_by_region()) {
        claims.iter_mut().for_each(|claim| claim.push_str(&format!(" in {}", entry.region)));
    }
    if kind.is_some_and(|kind| kind.rejects_repeated_token) && !entry.token.is_empty() {
        claims.push(format!("{} with token {}", entry.type_name, entry.token));
    }
    claims
}

/// Conflict groups of a resource, by type and region.
pub(super) fn conflict_groups(entry: &SimulatedResource, kind: Option<&ResourceType>) -> Vec<String> {
    let groups = kind.map(|kind| kind.operations.conflict_groups(entry.spec())).unwrap_or_default();
    groups.into_iter().map(|group| format!("{} {group} {}", entry.type_name, entry.region)).collect()
}

/// Error for a resource that AWS does not accept beside another one.
pub(super) fn conflicting(kind: &ResourceType, by: &str) -> Error {
    let code = error_code(kind, |codes| codes.already_exists);
    Error::new(ErrorKind::Rejected, &code, format!("The {} conflicts with {by}", kind.name.replace('_', " ")))
}

fn value_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.len() == 1 => value_text(map.values().next()),
        other => Some(other.to_string()),
    }
}

/// Values of the other fields of the overlap key, and the IP range, of a resource whose type has such a key.
pub(super) fn ip_range(entry: &SimulatedResource, kind: Option<&ResourceType>) -> Option<(String, IpNet)> {
    let key = kind?.overlap_key.as_ref()?;
    let others: Option<Vec<String>> = key.others.iter().map(|pointer| value_text(entry.spec().pointer(pointer))).collect();
    let range = entry.spec().pointer(key.range)?.as_str()?.parse().ok()?;
    Some((format!("{} {}", entry.type_name, others?.join(" ")), range))
}

/// IP ranges in a spec.
pub(super) fn stated_ranges(entry: &SimulatedResource) -> Vec<IpNet> {
    let fields = entry.spec().as_object().into_iter().flat_map(|fields| fields.values());
    let texts = fields.flat_map(|value| match value {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    });
    texts.filter_map(|text| text.as_str()?.parse().ok()).collect()
}

/// First and last address as numbers, IPv4 before IPv6.
pub(super) fn bounds(net: IpNet) -> ((bool, u128), (bool, u128)) {
    let number = |address| match address {
        IpAddr::V4(v4) => (false, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (true, u128::from(v6)),
    };
    (number(net.network()), number(net.broadcast()))
}

/// Error code of a type, or of its service.
fn error_code(kind: &ResourceType, of: fn(&ErrorCodes) -> &'static str) -> String {
    match of(&kind.error_codes) {
        "" => of(&kind.service.error_codes).replace("{Type}", &camel_case(kind.name)),
        own => own.to_owned(),
    }
}

/// `internet_gateway` → `InternetGateway`.
fn camel_case(kind: &str) -> String {
    let words = kind.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// Error for a missing resource, or for one that is not visible yet, by `sort`. `kind` may be an unknown type.
pub(super) fn not_found(sort: ErrorKind, kind: &str, id: &str) -> Error {
    let code = match types::resource_type(kind) {
        Some(known) => error_code(known, |codes| codes.not_found),
        None => "ResourceNotFoundException".to_owned(),
    };
    Error::new(sort, &code, format!("The {} '{id}' does not exist", kind.replace('_', " ")))
}

/// Error for a name in use.
pub(super) fn already_exists(kind: &ResourceType, claim: &str, by: &str) -> Error {
    let code = error_code(kind, |codes| codes.already_exists);
    Error::new(ErrorKind::AlreadyExists, &code, format!("{claim} already exists: {by}"))
}

/// Error for a call that needs a resource, or its name, within its recovery window.
pub(super) fn scheduled_for_deletion(kind: &ResourceType, id: &str) -> Error {
    let message = format!("The {} '{id}' is scheduled for deletion", kind.name.replace('_', " "));
    Error::new(ErrorKind::Rejected, kind.deleted_code, message)
}

/// Error for deleting a resource that `user` still uses.
pub(super) fn in_use(kind: &ResourceType, id: &str, user: &str, more: usize) -> Error {
    let code = error_code(kind, |codes| codes.in_use);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Error::new(
        ErrorKind::Conflict,
        &code,
        format!("The {} '{id}' has dependencies and cannot be deleted: {user}{more}", kind.name.replace('_', " ")),
    )
}
