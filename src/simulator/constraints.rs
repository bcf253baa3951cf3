//! AWS's rules and error messages.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::resource::SimulatedResource;
use crate::{
    aws::types,
    core::{Error, ErrorKind, ResourceType, Service},
};

/// Unique claims of a resource: its identity, or its unique keys and its name.
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
        let named = kind.naming.is_some() && kind.parent.is_none() && !kind.unique_keys.iter().any(|key| key.contains(&"/name"));
        let name: &[&str] = if named { &["/name"] } else { &[] };
        for key in kind.unique_keys.iter().map(Vec::as_slice).chain([name]).filter(|key| !key.is_empty()) {
            let values: Option<Vec<String>> = key.iter().map(|pointer| value(pointer)).collect();
            claims.extend(values.map(|values| format!("{} {} {}", entry.type_name, key.join(" "), values.join(" "))));
        }
    }
    // The caller reference of a zone must never be repeated.
    if entry.type_name == "dns_zone" && !entry.token.is_empty() {
        claims.push(format!("{} called for by {}", entry.type_name, entry.token));
    }
    claims
}

fn value_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.len() == 1 => value_text(map.values().next()),
        other => Some(other.to_string()),
    }
}

/// VPC and range of a subnet.
pub(super) fn subnet_range(entry: &SimulatedResource) -> Option<(String, IpNet)> {
    if entry.type_name != "subnet" {
        return None;
    }
    let vpc = entry.spec().pointer("/vpc/id")?.as_str()?.to_owned();
    Some((vpc, entry.spec().get("cidr")?.as_str()?.parse().ok()?))
}

/// Ranges of a VPC.
pub(super) fn vpc_ranges(vpc: &SimulatedResource) -> Vec<IpNet> {
    let first = vpc.spec().get("cidr").into_iter();
    let more = vpc.spec().get("secondary_cidrs").and_then(Value::as_array).into_iter().flatten();
    first.chain(more).filter_map(|cidr| cidr.as_str()?.parse().ok()).collect()
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
fn code_or(own: &str, of_service: impl FnOnce() -> String) -> String {
    if own.is_empty() { of_service() } else { own.to_owned() }
}

/// "Not found" code of each service.
fn not_found_code(kind: &str, service: Option<Service>) -> String {
    let code = match service {
        None | Some(Service::Ec2) => return format!("Invalid{}ID.NotFound", camel_case(kind)),
        Some(Service::Iam) => "NoSuchEntity",
        Some(Service::Ecr) => "RepositoryNotFoundException",
        Some(Service::S3) => "NoSuchBucket",
        Some(Service::Kms | Service::Route53) => "NotFoundException",
        Some(Service::Wafv2) => "WAFNonexistentItemException",
        Some(Service::Rds) => "DBResourceNotFoundFault",
        Some(Service::Elbv2 | Service::Eks | Service::SecretsManager | Service::Acm) => "ResourceNotFoundException",
    };
    code.to_owned()
}

/// `internet_gateway` → `InternetGateway`.
fn camel_case(kind: &str) -> String {
    let words = kind.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// Error for a missing resource, or for one that is not visible yet, by `sort`. `kind` may be an unknown type.
pub(super) fn not_found(sort: ErrorKind, kind: &str, id: &str) -> Error {
    let known = types::resource_type(kind);
    let code = code_or(known.map_or("", |known| known.error_codes.not_found), || not_found_code(kind, known.map(|known| known.service)));
    Error::new(sort, &code, format!("The {} '{id}' does not exist", kind.replace('_', " ")))
}

/// Error for a name in use.
pub(super) fn already_exists(kind: &ResourceType, claim: &str, by: &str) -> Error {
    let code = code_or(kind.error_codes.already_exists, || match kind.service {
        Service::Ec2 => format!("Invalid{}.Duplicate", camel_case(kind.name)),
        Service::Iam => "EntityAlreadyExists".to_owned(),
        Service::Rds => format!("{}AlreadyExists", camel_case(kind.name).replace("Rds", "DB")),
        Service::Ecr => "RepositoryAlreadyExistsException".to_owned(),
        Service::S3 => "BucketAlreadyOwnedByYou".to_owned(),
        Service::Kms => "AlreadyExistsException".to_owned(),
        Service::SecretsManager => "ResourceExistsException".to_owned(),
        Service::Route53 => "HostedZoneAlreadyExists".to_owned(),
        Service::Elbv2 => format!("Duplicate{}Name", camel_case(kind.name)),
        Service::Wafv2 => "WAFDuplicateItemException".to_owned(),
        Service::Eks | Service::Acm => "ResourceInUseException".to_owned(),
    });
    Error::new(ErrorKind::AlreadyExists, &code, format!("{claim} already exists: {by}"))
}

/// Error for deleting a resource that `user` still uses.
pub(super) fn in_use(kind: &ResourceType, id: &str, user: &str, more: usize) -> Error {
    let code = code_or(kind.error_codes.in_use, || {
        let code = match kind.service {
            Service::Ec2 => "DependencyViolation",
            Service::Iam => "DeleteConflict",
            Service::Route53 => "HostedZoneNotEmpty",
            Service::Wafv2 => "WAFAssociatedItemException",
            _ => "ResourceInUseException",
        };
        code.to_owned()
    });
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Error::new(
        ErrorKind::Conflict,
        &code,
        format!("The {} '{id}' has dependencies and cannot be deleted: {user}{more}", kind.name.replace('_', " ")),
    )
}

/// EKS and RDS reject changes and new children while an operation is in progress.
pub(super) fn busy_code(service: Service) -> Option<&'static str> {
    match service {
        Service::Eks => Some("ResourceInUseException"),
        Service::Rds => Some("InvalidDBInstanceState"),
        _ => None,
    }
}
