//! Exchanges records of one domain in one change batch, so that at no moment there is none.

use aws_sdk_route53::types::{Change, ChangeAction};

use super::{DnsRecord, ownership, to_change};
use crate::{
    aws::Aws,
    core::{CallContext, ErrorKind, ExchangePart, Result},
};

/// See [`crate::core::Resource::exchange`]. All parts are of one zone.
pub(super) async fn exchange(aws: &Aws, parts: Vec<ExchangePart<'_, DnsRecord>>) -> Result<Vec<Option<String>>> {
    let Some(zone) = parts.iter().find_map(zone_of) else { return Ok(Vec::new()) };
    for part in &parts {
        if let (Some(record), None) = (&part.after, leaving(part)) {
            record.ensure_managed_routing(aws).await?;
        }
    }
    let (mut deletions, mut others) = (Vec::new(), Vec::new());
    for part in &parts {
        if let Some(record) = leaving(part) {
            for set in [record.record_set()?, record.ownership(part.call)?] {
                deletions.push(to_change(ChangeAction::Delete, set)?);
            }
        }
        if let Some(record) = &part.after {
            others.extend(changes_to(record, part)?);
        }
    }
    let all = deletions.into_iter().chain(others.clone()).collect();
    match aws.route53.changes.submit(zone, all).await {
        Err(error) if error.is_not_found() || error.kind == ErrorKind::AlreadyExists => {
            // An earlier attempt without a response may have taken effect.
            if are_made(aws, &parts).await? {
                return Ok(ids(&parts));
            }
            if !error.is_not_found() {
                return Err(error);
            }
        }
        answer => return answer.map(|()| ids(&parts)),
    }
    // DELETE must repeat a record exactly, and it has changed outside acme since it was listed.
    let mut all = Vec::new();
    for record in parts.iter().filter_map(leaving) {
        for set in record.read_sets(aws).await? {
            all.push(to_change(ChangeAction::Delete, set)?);
        }
    }
    aws.route53.changes.submit(zone, all.into_iter().chain(others).collect()).await.map(|()| ids(&parts))
}

fn zone_of<'a>(part: &'a ExchangePart<'_, DnsRecord>) -> Option<&'a str> {
    part.after.as_ref().or(part.before.as_ref().map(|live| &live.spec)).map(|record| record.zone.get())
}

/// The record that the part deletes: one that changes in place stays.
fn leaving<'a>(part: &'a ExchangePart<'_, DnsRecord>) -> Option<&'a DnsRecord> {
    let before = part.before.as_ref().map(|live| &live.spec)?;
    part.after.as_ref().is_none_or(|after| after.id() != before.id()).then_some(before)
}

/// See [`DnsRecord::create`] and [`DnsRecord::update`].
fn changes_to(record: &DnsRecord, part: &ExchangePart<'_, DnsRecord>) -> Result<[Change; 2]> {
    let action = if is_created(part) { ChangeAction::Create } else { ChangeAction::Upsert };
    Ok([to_change(action, record.record_set()?)?, to_change(ChangeAction::Upsert, record.ownership(part.call)?)?])
}

fn is_created(part: &ExchangePart<'_, DnsRecord>) -> bool {
    part.before.is_none() || leaving(part).is_some()
}

/// The ids of the created records, by part.
fn ids(parts: &[ExchangePart<'_, DnsRecord>]) -> Vec<Option<String>> {
    parts.iter().map(|part| part.after.as_ref().filter(|_| is_created(part)).map(DnsRecord::id)).collect()
}

/// Whether every record that the parts create exists, with its ownership record.
async fn are_made(aws: &Aws, parts: &[ExchangePart<'_, DnsRecord>]) -> Result<bool> {
    let created: Vec<(&DnsRecord, &CallContext)> =
        parts.iter().filter(|part| is_created(part)).filter_map(|part| Some((part.after.as_ref()?, part.call))).collect();
    for (record, call) in &created {
        if !ownership::exists(aws, record.zone.get(), &record.ownership(call)?).await? {
            return Ok(false);
        }
    }
    Ok(!created.is_empty())
}
