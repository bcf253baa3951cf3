//! The TXT record with the ownership tags of another record.

use aws_sdk_route53::types::{ResourceRecordSet, RrType};

use super::{
    DEFAULT_TTL, RecordType, record_sets_at, to_resource_records,
    value::{quote, unquote},
};
use crate::{
    aws::{Aws, to_aws},
    core::{DnsName, Result, Tags},
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

/// Name of a record's ownership record. Only the first label can be a wildcard.
pub(super) fn ownership_name(domain: &DnsName, kind: RecordType) -> String {
    let domain = domain.as_str().strip_prefix("*.").map_or_else(|| domain.to_string(), |rest| format!("_wildcard.{rest}"));
    format!("_acme-{}.{domain}", to_aws(&kind).to_lowercase())
}

/// The tags in an ownership record.
pub(super) fn ownership_tags(set: &ResourceRecordSet) -> Tags {
    let text = set.resource_records().first().map(|record| unquote(&record.value)).unwrap_or_default();
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_has_an_ownership_record() {
        assert_eq!(ownership_name(&DnsName::new("\\052.example.com."), RecordType::Aaaa), "_acme-aaaa._wildcard.example.com");
    }
}
