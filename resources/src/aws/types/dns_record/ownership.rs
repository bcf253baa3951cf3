//! The TXT record with the ownership tags of another record.

use aws_sdk_route53::types::{ResourceRecordSet, RrType};

use super::{
    DEFAULT_TTL, RecordType, record_sets_at, to_resource_records,
    value::{quote, unquote},
};
use crate::{
    aws::{Aws, from_aws, to_aws},
    core::{DnsName, Error, ErrorKind, Result, Tags},
};

/// TXT record with the ownership of another record. Its set identifier distinguishes ownership records of one name; the routing
/// policy does not matter.
pub(in crate::aws::types) fn ownership_record(name: &str, identifier: &str, text: &str) -> Result<ResourceRecordSet> {
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(DEFAULT_TTL.into());
    let set = if identifier.is_empty() { set } else { set.set_identifier(identifier).weight(0) };
    Ok(set.set_resource_records(Some(to_resource_records([quote(text)])?)).build()?)
}

/// Whether this ownership record exists, with the same content.
pub(super) async fn exists(aws: &Aws, zone: &str, ownership: &ResourceRecordSet) -> Result<bool> {
    let sets = record_sets_at(aws, zone, &ownership.name, &RrType::Txt).await?;
    let same =
        |set: &ResourceRecordSet| set.set_identifier == ownership.set_identifier && set.resource_records == ownership.resource_records;
    Ok(sets.iter().any(same))
}

/// Zone, name and set identifier of the ownership record of the record with this id, `zone/domain/TYPE/identifier`. Domains of reverse zones
/// may contain `/`.
pub(super) fn place(id: &str) -> Result<(&str, String, &str)> {
    let malformed = || Error::new(ErrorKind::Rejected, "Shape", format!("`{id}` does not have the form zone/domain/TYPE/identifier"));
    let (zone, rest) = id.split_once('/').ok_or_else(malformed)?;
    for (at, _) in rest.match_indices('/') {
        if let Some((kind, identifier)) = rest[at + 1..].split_once('/')
            && let Ok(kind) = from_aws::<RecordType>(kind)
        {
            return Ok((zone, ownership_name(&DnsName::new(&rest[..at]), kind), identifier));
        }
    }
    Err(malformed())
}

/// Name of a record's ownership record. Only the first label can be a wildcard.
pub(super) fn ownership_name(domain: &DnsName, kind: RecordType) -> String {
    let domain = domain.as_str().strip_prefix("*.").map_or_else(|| domain.to_string(), |rest| format!("_wildcard.{rest}"));
    format!("_acme-{}.{domain}", to_aws(&kind).to_lowercase())
}

/// The tags in an ownership record.
pub(super) fn ownership_tags(set: &ResourceRecordSet) -> Tags {
    let text = set.resource_records().first().map(|record| unquote(&record.value)).unwrap_or_default();
    crate::core::ownership_tags(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_place_of_the_ownership_record() {
        let at = |id| place(id).map(|(zone, name, identifier)| format!("{zone} {name} {identifier}")).map_err(|error| error.code);
        assert_eq!(at("Z1/www.example.com/A/"), Ok("Z1 _acme-a.www.example.com ".to_owned()));
        assert_eq!(at("Z1/*.example.com/CNAME/blue/1"), Ok("Z1 _acme-cname._wildcard.example.com blue/1".to_owned()));
        assert_eq!(at("Z1/0/25.2.0.192.in-addr.arpa/NS/"), Ok("Z1 _acme-ns.0/25.2.0.192.in-addr.arpa ".to_owned()));
        assert_eq!(at("Z1/www.example.com"), Err("Shape".to_owned()));
    }

    #[test]
    fn a_wildcard_has_an_ownership_record() {
        assert_eq!(ownership_name(&DnsName::new("\\052.example.com."), RecordType::Aaaa), "_acme-aaaa._wildcard.example.com");
    }
}
