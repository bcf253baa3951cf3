//! Reading log groups.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::{self as sdk, DataProtectionStatus};

use super::{super::prelude::*, LogGroup, MetricFilter, Outputs, SubscriptionFilter};
use crate::{aws::from_aws, core::Tags};

/// Names or ARNs that one call takes.
const IDENTIFIERS_PER_CALL: usize = 50;

/// Groups that may be part of the stack.
pub(super) async fn groups(aws: &Aws, scope: &Scope) -> Result<Vec<sdk::LogGroup>> {
    let mut found = BTreeMap::new();
    let mut add = |groups: Vec<sdk::LogGroup>| {
        for group in groups {
            if let Some(name) = group.log_group_name.clone().filter(|name| scope.covers(name, &arn(&group))) {
                found.insert(name, group);
            }
        }
    };
    let named: BTreeSet<String> = match (&scope.adopt, scope.waited_for()) {
        (Some(id), _) => [id.clone()].into(),
        (None, Some(ids)) => ids.clone(),
        (None, None) => {
            let call = aws.cloudwatchlogs.describe_log_groups().log_group_name_prefix(&scope.prefix);
            add(call.into_paginator().items().send().try_collect().await?);
            let own = format!(":logs:{}:", aws.region);
            let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter(|arn| arn.contains(&own));
            let indexed = indexed.filter_map(|arn| Some(arn.split_once(":log-group:")?.1.to_owned()));
            indexed.chain(scope.lookup.iter().cloned()).filter(|name| !name.starts_with(&scope.prefix)).collect()
        }
    };
    let named: Vec<String> = named.into_iter().collect();
    for names in named.chunks(IDENTIFIERS_PER_CALL) {
        add(identified(aws, names).await?);
    }
    Ok(found.into_values().collect())
}

/// The groups with these names or ARNs, as far as they exist.
pub(super) async fn identified(aws: &Aws, names: &[String]) -> Result<Vec<sdk::LogGroup>> {
    let call = aws.cloudwatchlogs.describe_log_groups().set_log_group_identifiers(Some(names.to_vec()));
    Ok(call.into_paginator().items().send().try_collect().await?)
}

/// Reads tags, filters and policy, which the description lacks. `None`: it was deleted, or is not part of the stack.
pub(super) async fn read(aws: &Aws, scope: &Scope, group: sdk::LogGroup) -> Result<Option<Observed<LogGroup>>> {
    let (logs, arn) = (&aws.cloudwatchlogs, arn(&group));
    let name = group.log_group_name.clone().ok_or_else(|| Error::missing_field("logGroupName"))?;
    let tags = match scope.tags_by_id(&name, &arn) {
        Some(tags) => tags,
        None => match ok_or_not_found(logs.list_tags_for_resource().resource_arn(&arn).send().await)? {
            Some(reply) => reply.tags.unwrap_or_default().into_iter().collect::<Tags>(),
            None => return Ok(None),
        },
    };
    if !scope.owns(&tags) && !scope.lookup.contains(&name) {
        return Ok(None);
    }
    let wanted = scope.own_reads_to_make::<LogGroup>(&tags);
    let mut spec = described(&group)?;
    if wanted.metric_filters {
        let mut filters = logs.describe_metric_filters().log_group_name(&name).into_paginator().items().send();
        while let Some(filter) = filters.next().await {
            let Some(filter) = ok_or_not_found(filter)? else { return Ok(None) };
            spec.metric_filters.extend(MetricFilter::read(filter));
        }
    }
    if wanted.subscription_filters {
        let mut filters = logs.describe_subscription_filters().log_group_name(&name).into_paginator().items().send();
        while let Some(filter) = filters.next().await {
            let Some(filter) = ok_or_not_found(filter)? else { return Ok(None) };
            spec.subscription_filters.extend([SubscriptionFilter::read(filter)?]);
        }
    }
    if wanted.data_protection && group.data_protection_status == Some(DataProtectionStatus::Activated) {
        let reply = ok_or_not_found(logs.get_data_protection_policy().log_group_identifier(&name).send().await)?;
        spec.data_protection = Document::parse(&reply.and_then(|reply| reply.policy_document).unwrap_or_default())?;
    }
    let outputs = Outputs { streams_arn: format!("{arn}:*"), arn };
    Ok(Some(Observed::new(name, tags, spec, outputs)))
}

/// ARN without its log streams.
fn arn(group: &sdk::LogGroup) -> String {
    let arn = group.log_group_arn().or(group.arn()).unwrap_or_default();
    arn.strip_suffix(":*").unwrap_or(arn).to_owned()
}

/// The spec, as far as the description has it.
fn described(group: &sdk::LogGroup) -> Result<LogGroup> {
    Ok(LogGroup {
        name: group.log_group_name.clone(),
        retention_days: group.retention_in_days.unwrap_or_default(),
        kms_key: group.kms_key_id.clone().map(ArnRef::to),
        class: group.log_group_class.as_ref().map(|class| from_aws(class.as_str())).transpose()?.unwrap_or_default(),
        deletion_protection: group.deletion_protection_enabled.unwrap_or_default(),
        ..LogGroup::default()
    })
}
