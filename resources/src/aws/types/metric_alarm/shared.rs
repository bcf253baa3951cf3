//! What metric alarms and composite alarms have in common.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::{
    operation::describe_alarms::DescribeAlarmsOutput,
    types::{AlarmType, StateValue},
};

use super::super::prelude::*;
use crate::core::{ErrorKind, Tags};

/// Names that one call takes.
const NAMES_PER_CALL: usize = 100;

/// Pages with the alarms of this type that may be part of the stack, and with others.
pub(in super::super) async fn describe(aws: &Aws, scope: &Scope, alarm_type: AlarmType) -> Result<Vec<DescribeAlarmsOutput>> {
    let call = || aws.cloudwatch.describe_alarms().alarm_types(alarm_type.clone());
    let mut pages = Vec::new();
    let names: BTreeSet<String> = match (&scope.adopt, scope.waited_for()) {
        (Some(id), _) => [name_of(id)].into(),
        (None, Some(ids)) => ids.iter().map(|id| name_of(id)).collect(),
        (None, None) => {
            pages.extend(call().alarm_name_prefix(&scope.prefix).into_paginator().send().try_collect().await?);
            let own = format!(":cloudwatch:{}:", aws.region);
            let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter(|arn| arn.contains(&own) && arn.contains(ALARM));
            let names = indexed.map(|arn| name_of(arn)).chain(scope.lookup.iter().cloned());
            names.filter(|name| !name.starts_with(&scope.prefix)).collect()
        }
    };
    let names: Vec<String> = names.into_iter().collect();
    for names in names.chunks(NAMES_PER_CALL) {
        pages.extend(call().set_alarm_names(Some(names.to_vec())).into_paginator().send().try_collect().await?);
    }
    Ok(pages)
}

const ALARM: &str = ":alarm:";

/// The name in an ARN, or the name itself.
fn name_of(id: &str) -> String {
    let name = if id.starts_with("arn:") { id.split_once(ALARM).map(|(_, name)| name) } else { None };
    name.unwrap_or(id).to_owned()
}

/// Health of the alarm with this name. Without data, it is no alarm: an alarm about errors often has none while there are no errors, and one that
/// needs data has `missing_data: breaching`.
pub(in super::super) async fn health(aws: &Aws, name: &str, alarm_type: AlarmType) -> Result<Phase> {
    let reply = aws.cloudwatch.describe_alarms().alarm_names(name).alarm_types(alarm_type).send().await?;
    let metric = reply.metric_alarms().iter().map(|alarm| (alarm.state_value(), alarm.state_reason()));
    let composite = reply.composite_alarms().iter().map(|alarm| (alarm.state_value(), alarm.state_reason()));
    let Some((state, reason)) = metric.chain(composite).next() else { return Ok(Phase::Degraded("it does not exist".to_owned())) };
    Ok(match state {
        Some(StateValue::Alarm) => {
            Phase::Degraded(format!("in alarm: {}", reason.unwrap_or_default()).trim_end_matches([':', ' ']).to_owned())
        }
        _ => Phase::Ready,
    })
}

/// Each alarm once.
pub(in super::super) fn distinct<T>(alarms: Vec<T>, name: impl Fn(&T) -> Option<String>) -> Vec<T> {
    let by_name: BTreeMap<String, T> = alarms.into_iter().filter_map(|alarm| Some((name(&alarm)?, alarm))).collect();
    by_name.into_values().collect()
}

/// Fails if there is an alarm of any type with this name, which CloudWatch would overwrite.
pub(in super::super) async fn ensure_absent(aws: &Aws, name: &str) -> Result<()> {
    let call = aws.cloudwatch.describe_alarms().alarm_names(name);
    let reply = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm).send().await?;
    if reply.metric_alarms().is_empty() && reply.composite_alarms().is_empty() {
        return Ok(());
    }
    let message = format!("there is an alarm `{name}`, which CloudWatch would overwrite");
    Err(Error::new(ErrorKind::AlreadyExists, services::cloudwatch::ALREADY_EXISTS, message))
}

/// Tags of an alarm. `None`: it was deleted, or is not part of the stack.
pub(in super::super) async fn tags_of_stack(aws: &Aws, scope: &Scope, name: &str, arn: &str) -> Result<Option<Tags>> {
    if !scope.covers(name, arn) {
        return Ok(None);
    }
    let tags = match scope.tags_by_id(name, arn) {
        Some(tags) => Some(tags),
        None => {
            let reply = ok_or_not_found(aws.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await)?;
            reply.map(|reply| services::cloudwatch::from_tags(reply.tags()))
        }
    };
    Ok(tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(name)))
}
