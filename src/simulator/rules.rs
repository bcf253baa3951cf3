//! What AWS refuses, and in which words.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::entry::Entry;
use crate::core::{Error, ResourceType, Service, Sort};

/// Fields that together may occur once, beyond a name within its type, and what AWS says to the second.
const UNIQUE: &[(&str, &[&str], &str)] = &[
    ("eks_pod_identity", &["cluster", "namespace", "service_account"], "ResourceInUseException"),
    ("internet_gateway", &["vpc"], "Resource.AlreadyAssociated"),
    ("listener", &["load_balancer", "port"], "DuplicateListener"),
    ("nat_gateway", &["elastic_ip"], "Resource.AlreadyAssociated"),
    ("security_group", &["vpc", "name"], "InvalidGroup.Duplicate"),
    ("waf_association", &["resource"], "WAFDuplicateItemException"),
];

/// What this one alone may hold.
pub(super) fn claims(entry: &Entry, kind: Option<&ResourceType>) -> Vec<String> {
    let mut claims = Vec::new();
    let of = |fields: &[&str]| {
        let values: Option<Vec<String>> =
            fields.iter().map(|field| entry.spec().pointer(field).or_else(|| entry.spec().get(field))).map(text).collect();
        values.map(|values| format!("{} {}", entry.kind, values.join(" ")))
    };
    let unique = UNIQUE.iter().find(|(kind, ..)| *kind == entry.kind);
    match (unique, kind) {
        (Some((_, fields, _)), _) => claims.extend(of(fields)),
        (None, Some(kind)) if kind.naming.is_some() && kind.parent.is_none() => claims.extend(of(&["name"])),
        (None, Some(kind)) if !kind.identity.is_empty() => {
            // A field of the identity may be left out (the set identifier of a record), the others count then.
            let values = kind.identity.iter().map(|field| text(entry.spec().pointer(field).or_else(|| entry.spec().get(field))));
            let values: Vec<String> = values.map(Option::unwrap_or_default).collect();
            let parents = entry.spec().as_object().into_iter().flatten().filter(|(_, value)| value.get("id").is_some());
            let parents: Vec<String> = parents.filter_map(|(_, value)| text(Some(value))).collect();
            claims.push(format!("{} {} in {}", entry.kind, values.join(" "), parents.join(" ")));
        }
        _ => {}
    }
    // The caller reference of a zone may never come twice.
    if entry.kind == "dns_zone" && !entry.token.is_empty() {
        claims.push(format!("{} called for by {}", entry.kind, entry.token));
    }
    claims
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.len() == 1 => text(map.values().next()),
        other => Some(other.to_string()),
    }
}

/// The VPC of a subnet and its range.
pub(super) fn range(entry: &Entry) -> Option<(String, IpNet)> {
    if entry.kind != "subnet" {
        return None;
    }
    let vpc = entry.spec().pointer("/vpc/id")?.as_str()?.to_owned();
    Some((vpc, entry.spec().get("cidr")?.as_str()?.parse().ok()?))
}

/// Every range of a VPC.
pub(super) fn ranges_of_vpc(vpc: &Entry) -> Vec<IpNet> {
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

/// What each service says when there is no such thing.
fn not_found_code(kind: &str, service: Option<Service>) -> String {
    let code = match kind {
        "dns_zone" => "NoSuchHostedZone",
        "elastic_ip" => "InvalidAllocationID.NotFound",
        "listener" => "ListenerNotFound",
        "load_balancer" => "LoadBalancerNotFound",
        "nat_gateway" => "NatGatewayNotFound",
        "rds_instance" => "DBInstanceNotFound",
        "rds_parameter_group" => "DBParameterGroupNotFound",
        "rds_subnet_group" => "DBSubnetGroupNotFoundFault",
        "security_group" => "InvalidGroup.NotFound",
        "target_group" => "TargetGroupNotFound",
        "vpc_endpoint" => "InvalidVpcEndpointId.NotFound",
        _ => match service {
            None | Some(Service::Ec2) => return format!("Invalid{}ID.NotFound", camel(kind)),
            Some(Service::Iam) => "NoSuchEntity",
            Some(Service::Ecr) => "RepositoryNotFoundException",
            Some(Service::S3) => "NoSuchBucket",
            Some(Service::Kms | Service::Route53) => "NotFoundException",
            Some(Service::Wafv2) => "WAFNonexistentItemException",
            Some(Service::Rds) => "DBResourceNotFoundFault",
            Some(Service::Elbv2 | Service::Eks | Service::SecretsManager | Service::Acm) => "ResourceNotFoundException",
        },
    };
    code.to_owned()
}

/// `internet_gateway` → `InternetGateway`.
fn camel(kind: &str) -> String {
    let words = kind.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// There is no such thing, or `sort` says that it is not visible yet.
pub(super) fn missing(sort: Sort, kind: &str, service: Option<Service>, id: &str) -> Error {
    Error::new(sort, &not_found_code(kind, service), format!("The {} '{id}' does not exist", kind.replace('_', " ")))
}

/// A name is taken.
pub(super) fn exists(kind: &ResourceType, claim: &str, by: &str) -> Error {
    let unique = UNIQUE.iter().find(|(name, ..)| *name == kind.name);
    let code = unique.map_or_else(
        || match kind.service {
            Service::Ec2 => format!("Invalid{}.Duplicate", camel(kind.name)),
            Service::Iam => "EntityAlreadyExists".to_owned(),
            Service::Rds => format!("{}AlreadyExists", camel(kind.name).replace("Rds", "DB")),
            Service::Ecr => "RepositoryAlreadyExistsException".to_owned(),
            Service::S3 => "BucketAlreadyOwnedByYou".to_owned(),
            Service::Kms => "AlreadyExistsException".to_owned(),
            Service::SecretsManager => "ResourceExistsException".to_owned(),
            Service::Route53 => "HostedZoneAlreadyExists".to_owned(),
            Service::Elbv2 => format!("Duplicate{}Name", camel(kind.name)),
            Service::Wafv2 => "WAFDuplicateItemException".to_owned(),
            Service::Eks | Service::Acm => "ResourceInUseException".to_owned(),
        },
        |(_, _, code)| (*code).to_owned(),
    );
    Error::new(Sort::Exists, &code, format!("{claim} already exists: {by}"))
}

/// Deleting what `user` still uses.
pub(super) fn in_use(kind: &ResourceType, id: &str, user: &str, more: usize) -> Error {
    let code = match kind.service {
        Service::Ec2 => "DependencyViolation",
        Service::Iam => "DeleteConflict",
        Service::Rds if kind.name == "rds_subnet_group" => "InvalidDBSubnetGroupStateFault",
        Service::Rds => "InvalidDBParameterGroupState",
        Service::Route53 => "HostedZoneNotEmpty",
        Service::Wafv2 => "WAFAssociatedItemException",
        _ => "ResourceInUseException",
    };
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Error::new(
        Sort::Conflict,
        code,
        format!("The {} '{id}' has dependencies and cannot be deleted: {user}{more}", kind.name.replace('_', " ")),
    )
}

/// EKS and RDS take no change, and no child, while something is on its way.
pub(super) fn busy(service: Service) -> Option<&'static str> {
    match service {
        Service::Eks => Some("ResourceInUseException"),
        Service::Rds => Some("InvalidDBInstanceState"),
        _ => None,
    }
}
