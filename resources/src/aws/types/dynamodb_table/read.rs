//! Reads tables, each with several calls.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    BillingMode, ContributorInsightsMode, ContributorInsightsStatus, IndexStatus, PointInTimeRecoveryStatus, SseStatus, TableDescription,
    TableStatus, TimeToLiveStatus,
};
use tokio::sync::OnceCell;

use super::{
    super::prelude::*,
    Billing, ContributorInsights, DynamodbTable, GlobalIndex, Key, LocalIndex, Outputs, Scaling, TableClass,
    index::{attribute_types, limit},
    scaling::{ScalableTargets, read_targets},
};
use crate::{aws::from_aws, core::Tags};

/// Days for which a table can be restored, unless set otherwise.
const RECOVERY_DAYS: i32 = 35;

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<DynamodbTable>>> {
    let indexed: BTreeMap<&str, &str> = scope.tag_index.iter().flat_map(|index| index.keys()).filter_map(|arn| table_name(arn)).collect();
    let names: Vec<String> = match (scope.waited_for(), scope.complete_index()) {
        (Some(ids), _) => ids.iter().cloned().collect(),
        (None, Some(_)) => indexed.keys().copied().chain(scope.lookup.iter().map(String::as_str)).map(str::to_owned).collect(),
        (None, None) => aws.dynamodb.list_tables().limit(100).into_paginator().items().send().try_collect().await?,
    };
    let mut names: Vec<String> =
        names.into_iter().filter(|name| scope.covers(name, indexed.get(name.as_str()).copied().unwrap_or_default())).collect();
    names.sort();
    names.dedup();
    let targets = OnceCell::new();
    for_each_concurrent(names, |name| {
        let targets = &targets;
        async move { read(aws, scope, &name, targets).await }
    })
    .await
}

/// Name and ARN of a table, if the ARN is that of one.
fn table_name(arn: &str) -> Option<(&str, &str)> {
    let (_, rest) = arn.split_once(":dynamodb:")?;
    let (_, name) = rest.split_once(":table/")?;
    (!name.contains('/')).then_some((name, arn))
}

/// Reads one table. `None`: it was deleted, or is neither part of the stack nor has a desired name.
async fn read(aws: &Aws, scope: &Scope, name: &str, targets: &OnceCell<ScalableTargets>) -> Result<Option<Observed<DynamodbTable>>> {
    let Some(reply) = ok_or_not_found(aws.dynamodb.describe_table().table_name(name).send().await)? else { return Ok(None) };
    let table = reply.table.ok_or_else(|| Error::missing_field("Table"))?;
    let arn = table.table_arn.as_deref().ok_or_else(|| Error::missing_field("TableArn"))?;
    // The call that restores a table can't set its tags.
    let tags = match table.restore_summary {
        Some(_) => read_tags(aws, arn).await?,
        None => scope.tags_or_fetch(arn, read_tags(aws, arn)).await?,
    };
    let is_awaited = scope.waited_for().is_some_and(|ids| ids.contains(name));
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(name) || is_awaited) else { return Ok(None) };
    let wanted = scope.own_reads_to_make::<DynamodbTable>(&tags);
    let (ttl, recovery, policy, insights, scaling) = tokio::try_join!(
        only_if(!scope.shallow, read_ttl(aws, name)),
        only_if(!scope.shallow, read_recovery(aws, name)),
        only_if(wanted.policy, read_policy(aws, arn)),
        only_if(wanted.contributor_insights, read_insights(aws, name)),
        only_if(wanted.scaling, async { Ok(targets.get_or_try_init(|| read_targets(aws)).await?.of(name)) }),
    )?;
    let settings = Settings { ttl: ttl.flatten(), recovery, policy, insights, scaling: scaling.flatten() };
    observed(table, tags, settings).map(Some)
}

/// Settings that DynamoDB does not describe with the table.
struct Settings {
    ttl: Option<String>,
    recovery: Option<i32>,
    policy: Option<Policy>,
    insights: Option<ContributorInsights>,
    scaling: Option<Scaling>,
}

async fn only_if<T>(is_wanted: bool, read: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    if is_wanted { read.await.map(Some) } else { Ok(None) }
}

async fn read_tags(aws: &Aws, arn: &str) -> Result<Option<Tags>> {
    let (mut tags, mut next) = (Tags::new(), None);
    loop {
        let call = aws.dynamodb.list_tags_of_resource().resource_arn(arn).set_next_token(next);
        let Some(reply) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        tags.extend(services::dynamodb::from_tags(reply.tags()));
        next = reply.next_token;
        if next.is_none() {
            return Ok(Some(tags));
        }
    }
}

/// Attribute with the time at which items expire. Turning it on or off takes up to an hour.
pub(super) async fn read_ttl(aws: &Aws, name: &str) -> Result<Option<String>> {
    let reply = ok_or_not_found(aws.dynamodb.describe_time_to_live().table_name(name).send().await)?;
    let ttl = reply.and_then(|reply| reply.time_to_live_description);
    let is_on = |status: &TimeToLiveStatus| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
    Ok(ttl.filter(|ttl| ttl.time_to_live_status().is_some_and(is_on)).and_then(|ttl| ttl.attribute_name))
}

/// Days for which it can be restored; 0 for none.
async fn read_recovery(aws: &Aws, name: &str) -> Result<i32> {
    let reply = ok_or_not_found(aws.dynamodb.describe_continuous_backups().table_name(name).send().await)?;
    let recovery = reply.and_then(|reply| reply.continuous_backups_description?.point_in_time_recovery_description);
    let on = recovery.filter(|recovery| recovery.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled));
    Ok(on.map_or(0, |recovery| recovery.recovery_period_in_days.unwrap_or(RECOVERY_DAYS)))
}

async fn read_policy(aws: &Aws, arn: &str) -> Result<Policy> {
    let reply = ok_or_not_found(aws.dynamodb.get_resource_policy().resource_arn(arn).send().await)?;
    Ok(reply.and_then(|reply| reply.policy).as_deref().map(Policy::parse).transpose()?.unwrap_or_else(Policy::none))
}

async fn read_insights(aws: &Aws, name: &str) -> Result<ContributorInsights> {
    let reply = ok_or_not_found(aws.dynamodb.describe_contributor_insights().table_name(name).send().await)?;
    let is_on =
        |status: &ContributorInsightsStatus| matches!(status, ContributorInsightsStatus::Enabled | ContributorInsightsStatus::Enabling);
    Ok(match reply {
        Some(reply) if reply.contributor_insights_status().is_some_and(is_on) => match reply.contributor_insights_mode {
            Some(ContributorInsightsMode::ThrottledKeys) => ContributorInsights::ThrottledKeys,
            _ => ContributorInsights::AccessedAndThrottledKeys,
        },
        _ => ContributorInsights::Disabled,
    })
}

fn observed(table: TableDescription, tags: Tags, settings: Settings) -> Result<Observed<DynamodbTable>> {
    let phase = phase(&table);
    let name = table.table_name.ok_or_else(|| Error::missing_field("TableName"))?;
    // A table that was never billed by request has no summary.
    let billing = match table.billing_mode_summary.and_then(|summary| summary.billing_mode) {
        Some(BillingMode::PayPerRequest) => Billing::OnDemand,
        _ => Billing::Provisioned,
    };
    let is_provisioned = billing == Billing::Provisioned;
    let capacity = table.provisioned_throughput.filter(|_| is_provisioned);
    let limits = table.on_demand_throughput.filter(|_| !is_provisioned);
    let local = table.local_secondary_indexes.unwrap_or_default();
    let global = table.global_secondary_indexes.unwrap_or_default().into_iter();
    let global = global.filter(|index| index.index_status != Some(IndexStatus::Deleting));
    let stream = table.stream_specification.filter(|stream| stream.stream_enabled);
    let is_encrypted = |status: &SseStatus| !matches!(status, SseStatus::Disabled | SseStatus::Disabling);
    let key = table.sse_description.filter(|sse| sse.status().is_none_or(is_encrypted)).and_then(|sse| sse.kms_master_key_arn);
    let class = table.table_class_summary.and_then(|summary| summary.table_class);
    let warm = table.warm_throughput;
    let mut spec = DynamodbTable {
        name: Some(name.clone()),
        key: Key::from_sdk(&table.key_schema.unwrap_or_default()),
        attributes: attribute_types(&table.attribute_definitions.unwrap_or_default()),
        local_indexes: local.iter().filter_map(|index| Some((index.index_name.clone()?, LocalIndex::from_sdk(index)))).collect(),
        global_indexes: global.filter_map(|index| Some((index.index_name.clone()?, GlobalIndex::from_sdk(&index, billing)))).collect(),
        billing,
        read_capacity: capacity.as_ref().and_then(|capacity| capacity.read_capacity_units).unwrap_or_default(),
        write_capacity: capacity.as_ref().and_then(|capacity| capacity.write_capacity_units).unwrap_or_default(),
        max_read_units: limit(limits.as_ref().and_then(|limits| limits.max_read_request_units)),
        max_write_units: limit(limits.as_ref().and_then(|limits| limits.max_write_request_units)),
        warm_read_units: warm.as_ref().and_then(|warm| warm.read_units_per_second),
        warm_write_units: warm.as_ref().and_then(|warm| warm.write_units_per_second),
        scaling: settings.scaling,
        table_class: class.map_or(Ok(TableClass::Standard), |class| from_aws(&class.as_str().to_ascii_lowercase()))?,
        stream: stream.and_then(|stream| stream.stream_view_type).map(|view| from_aws(&view.as_str().to_ascii_lowercase())).transpose()?,
        kms_key: key.map(ArnRef::to),
        ttl_attribute: settings.ttl,
        recovery_days: settings.recovery.unwrap_or(RECOVERY_DAYS),
        deletion_protection: table.deletion_protection_enabled.unwrap_or_default(),
        policy: settings.policy,
        contributor_insights: settings.insights.unwrap_or(ContributorInsights::Disabled),
        snapshot: None,
        point_in_time: None,
    };
    // Attributes of an index that was deleted may remain for a while.
    let used: Vec<String> = spec.key_attributes().into_iter().cloned().collect();
    spec.attributes.retain(|name, _| used.contains(name));
    let arn = table.table_arn.ok_or_else(|| Error::missing_field("TableArn"))?;
    let stream_arn = spec.stream.and(table.latest_stream_arn);
    Ok(Observed::new(name, tags, spec, Outputs { arn, stream_arn }).phase(phase))
}

/// A table can be read and written while an index is filled, but not changed.
fn phase(table: &TableDescription) -> Phase {
    match table.table_status() {
        Some(TableStatus::Active) | None => {}
        Some(TableStatus::Deleting) => return Phase::Deleting,
        Some(status @ (TableStatus::InaccessibleEncryptionCredentials | TableStatus::ReplicationNotAuthorized)) => {
            return Phase::Degraded(status.as_str().to_owned());
        }
        Some(status @ (TableStatus::Archiving | TableStatus::Archived)) => return Phase::Failed(status.as_str().to_owned()),
        Some(status) => return Phase::Progressing(status.as_str().to_owned()),
    }
    let busy = table.global_secondary_indexes().iter().find_map(|index| {
        let status = index.index_status().filter(|status| **status != IndexStatus::Active)?;
        Some(format!("index {} {}", index.index_name().unwrap_or_default(), status.as_str()))
    });
    let encryption = table.sse_description().and_then(|sse| sse.status());
    let encryption = encryption.filter(|status| matches!(status, SseStatus::Disabling | SseStatus::Enabling | SseStatus::Updating));
    busy.or_else(|| encryption.map(|status| format!("encryption {}", status.as_str()))).map_or(Phase::Ready, Phase::Progressing)
}
