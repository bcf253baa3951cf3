//! Rules between a record and its zone.

use super::{DnsRecord, RecordType};
use crate::core::{Declared, Problem};

/// A record is inside its zone, and no CNAME is at the zone's own domain, which always has other records (NS, SOA).
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat>
pub(super) fn check(declared: &Declared<'_, DnsRecord>) -> Vec<Problem> {
    let Some(record) = declared.spec() else { return Vec::new() };
    let Some((home, zone)) = declared.referenced(&record.zone) else { return Vec::new() };
    let (name, domain) = (record.domain.as_str(), zone.domain.as_str());
    if name.contains("${") || domain.contains("${") {
        return Vec::new();
    }
    let address = declared.address();
    if name == domain {
        let message = format!("`{address}` is a CNAME at the domain of its zone `{home}`, where DNS allows none");
        let problem = || Problem::new(DnsRecord::POINTERS.kind, message).help("use a record of type A with an `alias`");
        return (record.kind == RecordType::Cname).then(problem).into_iter().collect();
    }
    if name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')) {
        return Vec::new();
    }
    let message = format!("`{address}` ({name}) is outside its zone `{home}` ({domain})");
    vec![Problem::new(DnsRecord::POINTERS.domain, message).help(format!("write the full name, such as `{name}.{domain}`"))]
}
