//! The DNS records by which AWS validates a certificate. Certificates of the same name share one record, in all regions of the account, so an
//! ownership record per certificate beside it says that this certificate still needs it.
//! <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_acm::types::CertificateDetail;
use aws_sdk_route53::types::{ChangeAction, HostedZone, ResourceRecord, ResourceRecordSet, RrType};

use super::super::dns_record::{ownership_record, record_sets_at, to_change};
use crate::{
    aws::Cx,
    core::{DnsName, Error, ErrorKind, Result, STACK_TAG, ok_or_not_found},
};

/// Mark in an ownership record: the validation record was there before acme, and is never deleted.
const FOUND: &str = "found=true";

/// Mark in an ownership record: the certificate is being deleted, so that of two certificates deleted at the same time, neither leaves the
/// validation record for the other.
const LEAVING: &str = "leaving=true";

/// Attempts to release the records: one sets the marks, one may lose against the deletion of another certificate.
const MAX_RELEASE_ATTEMPTS: usize = 4;

/// Name → value; a domain and its wildcard share one.
pub(super) fn validation_records(detail: &CertificateDetail) -> BTreeMap<String, String> {
    let records = detail.domain_validation_options().iter().filter_map(|option| option.resource_record.as_ref());
    records.map(|record| (DnsName::new(&record.name).to_string(), DnsName::new(&record.value).to_string())).collect()
}

/// Creates the validation and ownership records of a certificate, each in the most specific public zone that has its name: of the given ones,
/// or of all in the account. Without one, a person must create the record.
pub(super) async fn claim_records_anywhere(
    cx: &Cx<'_>,
    id: &str,
    records: &BTreeMap<String, String>,
    among: Option<&BTreeSet<String>>,
) -> Result<()> {
    let mut zones = public_zones(cx).await?;
    zones.retain(|zone| among.is_none_or(|among| among.contains(zone.id.trim_start_matches("/hostedzone/"))));
    let mut by_zone: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for (name, value) in records {
        if let Some(zone) = zones.iter().filter(|zone| is_in(name, zone)).max_by_key(|zone| zone.name.len()) {
            by_zone.entry(zone.id.trim_start_matches("/hostedzone/")).or_default().insert(name.clone(), value.clone());
        }
    }
    for (zone, records) in by_zone {
        claim_records(cx, id, zone, &records).await?;
    }
    Ok(())
}

async fn public_zones(cx: &Cx<'_>) -> Result<Vec<HostedZone>> {
    let mut zones: Vec<HostedZone> = cx.route53.list_hosted_zones().into_paginator().items().send().try_collect().await?;
    zones.retain(|zone| zone.config().is_none_or(|config| !config.private_zone));
    Ok(zones)
}

fn is_in(name: &str, zone: &HostedZone) -> bool {
    name.strip_suffix(DnsName::new(&zone.name).as_str()).is_some_and(|rest| rest.ends_with('.'))
}

/// Creates the validation and ownership records of a certificate in the zone.
pub(super) async fn claim_records(cx: &Cx<'_>, id: &str, zone: &str, records: &BTreeMap<String, String>) -> Result<()> {
    let mut changes = Vec::new();
    for (name, value) in records {
        changes.push(to_change(ChangeAction::Create, validation_record(name, value)?)?);
        changes.push(to_change(ChangeAction::Upsert, owner_record(cx, id, name, &[])?)?);
    }
    match cx.route53.changes.submit(zone, changes).await {
        Err(error) if error.kind == ErrorKind::AlreadyExists => {}
        answer => return answer,
    }
    let mut changes = Vec::new();
    for (name, value) in records {
        let owner = ownership_name(name);
        let (record, owners) =
            tokio::try_join!(record_sets_at(cx, zone, name, &RrType::Cname), record_sets_at(cx, zone, &owner, &RrType::Txt))?;
        let is_there =
            record.iter().flat_map(|set| set.resource_records()).any(|record| DnsName::new(&record.value) == DnsName::new(value));
        // Without an ownership record, somebody else created it, and other certificates of the account may need it.
        let is_found = is_there && (owners.is_empty() || owners.iter().any(|owner| has_mark(owner, FOUND)));
        if !is_there {
            changes.push(to_change(ChangeAction::Upsert, validation_record(name, value)?)?);
        }
        let marks: &[&str] = if is_found { &[FOUND] } else { &[] };
        changes.push(to_change(ChangeAction::Upsert, owner_record(cx, id, name, marks)?)?);
    }
    cx.route53.changes.submit(zone, changes).await
}

/// Deletes the ownership records of a certificate, and the validation records that no other certificate needs, except those that existed
/// before.
pub(super) async fn release_records(cx: &Cx<'_>, id: &str, records: &BTreeMap<String, String>) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    for zone in public_zones(cx).await? {
        let names: Vec<&String> = records.keys().filter(|name| is_in(name, &zone)).collect();
        let zone = zone.id.trim_start_matches("/hostedzone/");
        let mut attempt = 0;
        // A zone that is gone has no records.
        while ok_or_not_found(release_records_in(cx, id, zone, &names, attempt > 0).await)? == Some(false) {
            attempt += 1;
            if attempt == MAX_RELEASE_ATTEMPTS {
                return Err(Error::new(ErrorKind::Conflict, "RecordsChange", format!("the validation records in `{zone}` keep changing")));
            }
        }
    }
    Ok(())
}

/// Makes one batch of changes, in the first attempt possibly the one that sets the marks. Returns false if the records must be read again.
async fn release_records_in(cx: &Cx<'_>, id: &str, zone: &str, names: &[&String], is_marked: bool) -> Result<bool> {
    let mut marks = Vec::new();
    let mut changes = Vec::new();
    for name in names {
        let owners = record_sets_at(cx, zone, &ownership_name(name), &RrType::Txt).await?;
        let (ours, others): (Vec<_>, Vec<_>) = owners.into_iter().partition(|set| set.set_identifier() == Some(uuid(id)));
        let is_found = ours.iter().any(|owner| has_mark(owner, FOUND));
        if !is_marked && !ours.is_empty() && !others.is_empty() && !ours.iter().any(|owner| has_mark(owner, LEAVING)) {
            let kept: &[&str] = if is_found { &[FOUND, LEAVING] } else { &[LEAVING] };
            marks.push(to_change(ChangeAction::Upsert, owner_record(cx, id, name, kept)?)?);
        }
        let is_last = !ours.is_empty() && others.iter().all(|owner| has_mark(owner, LEAVING));
        let record = match is_last && !is_found {
            true => record_sets_at(cx, zone, name, &RrType::Cname).await?,
            false => Vec::new(),
        };
        let sets = record.into_iter().chain(ours).map(|set| to_change(ChangeAction::Delete, set));
        changes.extend(sets.collect::<Result<Vec<_>>>()?);
    }
    if !marks.is_empty() {
        cx.route53.changes.submit(zone, marks).await?;
        return Ok(false);
    }
    match changes.is_empty() {
        true => Ok(true),
        // Another certificate may have deleted the validation record.
        false => Ok(ok_or_not_found(cx.route53.changes.submit(zone, changes).await)?.is_some()),
    }
}

fn validation_record(name: &str, value: &str) -> Result<ResourceRecordSet> {
    let record = ResourceRecord::builder().value(value).build()?;
    Ok(ResourceRecordSet::builder().name(name).r#type(RrType::Cname).ttl(300).resource_records(record).build()?)
}

/// Record which says that a certificate needs a validation record, with marks.
fn owner_record(cx: &Cx<'_>, id: &str, name: &str, marks: &[&str]) -> Result<ResourceRecordSet> {
    let marks: String = marks.iter().map(|mark| format!(",{mark}")).collect();
    ownership_record(&ownership_name(name), uuid(id), &format!("{STACK_TAG}={},certificate={id}{marks}", cx.call.stack))
}

fn has_mark(owner: &ResourceRecordSet, mark: &str) -> bool {
    owner.resource_records().iter().any(|record| record.value.trim_matches('"').split(',').any(|pair| pair == mark))
}

fn ownership_name(record: &str) -> String {
    format!("_acme-certificate.{record}")
}

/// Unique part of a certificate's ARN.
fn uuid(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
