//! The TXT record beside a record that says whose it is.

use aws_sdk_route53::types::{ResourceRecordSet, RrType};

use super::{
    RecordType, five_minutes, records,
    value::{quoted, unquoted},
};
use crate::{
    aws::text,
    core::{DnsName, Result, Tags},
};

/// A TXT record that says whose another record is. Its set identifier keeps marks of one name apart; any routing policy would do.
pub(in crate::aws::types) fn mark(name: &str, identifier: &str, text: &str) -> Result<ResourceRecordSet> {
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(five_minutes().into());
    let set = if identifier.is_empty() { set } else { set.set_identifier(identifier).weight(0) };
    Ok(set.set_resource_records(Some(records([quoted(text)])?)).build()?)
}

/// Name of a record's mark. A wildcard is allowed as the first label only.
pub(super) fn mark_name(domain: &DnsName, kind: RecordType) -> String {
    let domain = domain.as_str().strip_prefix("*.").map_or_else(|| domain.to_string(), |rest| format!("_wildcard.{rest}"));
    format!("_acme-{}.{domain}", text(&kind).to_lowercase())
}

/// What a mark says.
pub(super) fn marked(set: &ResourceRecordSet) -> Tags {
    let text = set.resource_records().first().map(|record| unquoted(&record.value)).unwrap_or_default();
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_have_marks() {
        assert_eq!(mark_name(&DnsName::new("\\052.example.com."), RecordType::Aaaa), "_acme-aaaa._wildcard.example.com");
    }
}
