//! Records of external-dns in the zones of the stack.
//!
//! Beside each record, external-dns keeps a TXT record that names its owner:
//! <https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/>.

use aws_sdk_route53::types::{Change, ChangeAction, ResourceRecordSet, RrType};

use super::{LeftoverKind, Search, inventory::Found};
use crate::{
    aws::{Aws, partition},
    core::{Deletion, Error, ErrorKind, Phase, Result, Tags, ok_or_not_found},
};

/// Types of records that external-dns makes, as in the names of its TXT records.
const TYPES: [RrType; 8] = [RrType::A, RrType::Aaaa, RrType::Cname, RrType::Mx, RrType::Naptr, RrType::Ns, RrType::Srv, RrType::Txt];

/// TXT records by which external-dns owns others, each with these.
pub(super) async fn find(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for zone in &search.zones {
        let sets = sets(aws, zone).await?;
        for ownership in sets.iter().filter(|set| is_ownership(set, search)) {
            let names: Vec<&str> = owned_sets(&sets, ownership).iter().map(|set| set.name.trim_end_matches('.')).collect();
            let kind = LeftoverKind::DnsRecord;
            let name = ownership.name.trim_end_matches('.').to_owned();
            let shown = match ownership.set_identifier() {
                Some(set) => format!("{name}-{set}"),
                None => name,
            };
            let id = kind.id(&[zone, &ownership.name, ownership.set_identifier().unwrap_or_default()]);
            let zone_arn = format!("arn:{}:route53:::hostedzone/{zone}", partition(&aws.region));
            let mut one = Found::new(id, kind, shown, "external-dns", &Tags::new()).using([zone_arn]);
            if !names.is_empty() {
                one.detail = format!("for {}", names.join(", "));
            }
            found.push(one);
        }
    }
    Ok(found)
}

/// All record sets of a zone; none if it does not exist.
async fn sets(aws: &Aws, zone: &str) -> Result<Vec<ResourceRecordSet>> {
    let mut all = Vec::new();
    let mut call = aws.route53.list_resource_record_sets().hosted_zone_id(zone);
    loop {
        let Some(page) = ok_or_not_found(call.send().await)? else { return Ok(Vec::new()) };
        all.extend(page.resource_record_sets);
        if !page.is_truncated {
            return Ok(all);
        }
        call = aws
            .route53
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(page.next_record_name)
            .set_start_record_type(page.next_record_type)
            .set_start_record_identifier(page.next_record_identifier);
    }
}

/// Whether a TXT record says that external-dns of the cluster owns something: `"heritage=external-dns,external-dns/owner=main,…"`.
fn is_ownership(set: &ResourceRecordSet, search: &Search) -> bool {
    let owners = search.dns_owners();
    let is_one = |value: &str| {
        let mut parts = value.trim_matches('"').split(',');
        parts.next() == Some("heritage=external-dns")
            && parts.any(|part| part.strip_prefix("external-dns/owner=").is_some_and(|owner| owners.iter().any(|own| own == owner)))
    };
    set.r#type == RrType::Txt && set.resource_records().iter().any(|record| is_one(&record.value))
}

/// Records that a TXT record owns. Its name is that of the record (old versions), `<type>-<name>`, or that with the prefix of the platform's
/// component, `acme-<type>.<name>`. An alias counts as a CNAME.
fn owned_sets<'a>(sets: &'a [ResourceRecordSet], ownership: &ResourceRecordSet) -> Vec<&'a ResourceRecordSet> {
    let name = ownership.name.as_str();
    let is_address = |kind: &RrType| matches!(kind, RrType::A | RrType::Aaaa | RrType::Cname);
    let is_owned = |set: &&ResourceRecordSet| {
        let kind = set.r#type.as_str().to_ascii_lowercase();
        let named = |word: &str| {
            let after = name.strip_prefix(word).and_then(|rest| rest.strip_prefix('-'));
            let after_prefix = || name.strip_prefix("acme-")?.strip_prefix(word)?.strip_prefix('.');
            after.or_else(after_prefix) == Some(set.name.as_str())
        };
        let is_named = set.name == name && is_address(&set.r#type) || named(&kind) || is_address(&set.r#type) && named("cname");
        is_named && TYPES.contains(&set.r#type) && set.set_identifier == ownership.set_identifier
    };
    sets.iter().filter(is_owned).filter(|set| *set != ownership).collect()
}

/// The sets to delete for a leftover: the TXT record and what it owns.
async fn sets_of(aws: &Aws, search: &Search, rest: &str) -> Result<(String, Vec<ResourceRecordSet>)> {
    let (zone, name, identifier) = parts(rest);
    let all = sets(aws, zone).await?;
    let is_it =
        |set: &&ResourceRecordSet| set.name == name && set.set_identifier().unwrap_or_default() == identifier && is_ownership(set, search);
    let Some(ownership) = all.iter().find(is_it) else { return Ok((zone.to_owned(), Vec::new())) };
    let sets = owned_sets(&all, ownership).into_iter().chain([ownership]).cloned().collect();
    Ok((zone.to_owned(), sets))
}

/// Deletes a TXT record with the records that it owns, all or none.
pub(super) async fn remove(aws: &Aws, search: &Search, rest: &str) -> Result<Deletion> {
    let (zone, sets) = sets_of(aws, search, rest).await?;
    if sets.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "NoSuchRecord", "the records do not exist"));
    }
    let change = |set| Change::builder().action(ChangeAction::Delete).resource_record_set(set).build().map_err(Error::from);
    let changes = sets.into_iter().map(change).collect::<Result<Vec<_>>>()?;
    aws.route53.changes.submit(&zone, changes).await.map(|()| Deletion::Requested)
}

/// Phase of a TXT record with the records that it owns.
pub(super) async fn phase(aws: &Aws, rest: &str) -> Result<Option<Phase>> {
    let (zone, name, identifier) = parts(rest);
    let call = aws.route53.list_resource_record_sets().hosted_zone_id(zone).start_record_name(name).start_record_type(RrType::Txt);
    // Other clusters may have records of this name, each with an identifier of its own.
    let call = call.set_start_record_identifier((!identifier.is_empty()).then(|| identifier.to_owned()));
    let reply = ok_or_not_found(call.max_items(1).send().await)?;
    let is_it =
        |set: &ResourceRecordSet| set.name == name && set.r#type == RrType::Txt && set.set_identifier().unwrap_or_default() == identifier;
    Ok(reply.is_some_and(|reply| reply.resource_record_sets.iter().any(is_it)).then_some(Phase::Ready))
}

/// Zone, name and set identifier in the id of a leftover. Route 53 writes a `/` in a name as `\057`.
fn parts(id: &str) -> (&str, &str, &str) {
    let mut parts = id.splitn(3, '/').chain(std::iter::repeat(""));
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_sdk_route53::types::ResourceRecord;

    use super::*;
    use crate::aws::leftovers::VolumePolicy;

    fn set(name: &str, kind: RrType, value: &str) -> ResourceRecordSet {
        let record = ResourceRecord::builder().value(value).build().expect("a record");
        ResourceRecordSet::builder().name(name).r#type(kind).resource_records(record).build().expect("a set")
    }

    #[test]
    fn finds_the_records_of_the_clusters_external_dns() {
        let search = Search {
            cluster: "main".into(),
            stack: "shop".into(),
            environment: "test".into(),
            network: String::new(),
            zones: BTreeSet::new(),
            log_groups: BTreeSet::new(),
            is_last: true,
            volumes: VolumePolicy::Delete,
            since: 0,
        };
        let owner = |owner: &str| format!("\"heritage=external-dns,external-dns/owner={owner},external-dns/resource=ingress/web/web\"");
        let sets = [
            set("www.example.com.", RrType::A, "192.0.2.1"),
            set("www.example.com.", RrType::Mx, "10 mail.example.com"),
            set("other.example.com.", RrType::A, "192.0.2.2"),
            set("acme-cname.www.example.com.", RrType::Txt, &owner("shop-test")),
            set("a-www.example.com.", RrType::Txt, &owner("main")),
            set("a-other.example.com.", RrType::Txt, &owner("somebody")),
            set("www.example.com.", RrType::Txt, "\"v=spf1 -all\""),
        ];
        let ownership: Vec<&ResourceRecordSet> = sets.iter().filter(|set| is_ownership(set, &search)).collect();
        assert_eq!(
            ownership.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(),
            ["acme-cname.www.example.com.", "a-www.example.com."]
        );
        for one in ownership {
            assert_eq!(owned_sets(&sets, one), [&sets[0]], "{}", one.name);
        }
    }
}
