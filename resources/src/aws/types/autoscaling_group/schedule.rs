//! Planned changes of the number of instances.

use std::collections::BTreeMap;

use aws_smithy_types::{DateTime, date_time::Format};

use super::super::prelude::*;
use crate::core::ErrorKind;

/// A planned change of the number of instances.
#[spec]
#[derive(PartialEq)]
pub struct Schedule {
    /// When it happens, in cron's format: minute, hour, day of the month, month, day of the week, such as `0 9 * * 1-5`.
    #[field(unset = "once, at `start`", pattern = r"[^ ]+( [^ ]+){4}", dropped = None)]
    pub recurrence: Option<String>,
    /// Time zone of the recurrence, such as `Europe/Berlin`.
    #[field(default = "UTC", length = 1..=64)]
    pub time_zone: String,
    /// First time, in UTC: `2030-01-31T08:00:00Z`.
    #[field(unset = "the next time of the recurrence", pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", dropped(kept, "it has begun"))]
    pub start: Option<String>,
    /// Time after which it happens no more, in UTC.
    #[field(unset = "none", requires = recurrence, pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", dropped = None)]
    pub end: Option<String>,
    /// Fewest instances from then on.
    #[field(unset = "unchanged", range = 0..=2_147_483_647, dropped = None)]
    pub min: Option<i32>,
    /// Most instances from then on.
    #[field(unset = "unchanged", range = 0..=2_147_483_647, dropped = None)]
    pub max: Option<i32>,
    /// Number of instances from then on.
    #[field(unset = "unchanged", range = 0..=2_147_483_647, dropped = None)]
    pub desired: Option<i32>,
}

impl Schedule {
    /// AWS reports the next time of a recurrence as its start.
    fn without_assigned(self, ours: Option<&Schedule>) -> Schedule {
        let keeps = ours.is_none_or(|ours| ours.start.is_some() && ours.start == self.start);
        match ours {
            Some(ours) if self.recurrence.is_some() && !keeps => Schedule { start: ours.start.clone(), ..self },
            _ => self,
        }
    }
}

/// The schedules as AWS reports them, apart from times that follow from a recurrence.
pub(super) fn normalize(ours: &BTreeMap<String, Schedule>, live: &mut BTreeMap<String, Schedule>) {
    let all = std::mem::take(live);
    *live = all.into_iter().map(|(name, one)| (name.clone(), one.without_assigned(ours.get(&name)))).collect();
}

fn time(text: Option<&String>) -> Result<Option<DateTime>> {
    let parse = |text: &String| DateTime::from_str(text, Format::DateTime);
    text.map(parse).transpose().map_err(|error| Error::new(ErrorKind::Rejected, "InvalidTime", error.to_string()))
}

fn text(time: Option<DateTime>) -> Option<String> {
    time.and_then(|time| DateTime::from_secs(time.secs()).fmt(Format::DateTime).ok())
}

pub(super) async fn read(aws: &Aws, group: &str) -> Result<BTreeMap<String, Schedule>> {
    let call = aws.autoscaling.describe_scheduled_actions().auto_scaling_group_name(group).into_paginator();
    let actions: Vec<_> = ok_or_not_found(call.items().send().try_collect().await)?.unwrap_or_default();
    let read = |action: aws_sdk_autoscaling::types::ScheduledUpdateGroupAction| {
        let schedule = Schedule {
            recurrence: action.recurrence.filter(|text| !text.is_empty()),
            time_zone: action.time_zone.filter(|zone| !zone.is_empty()).unwrap_or_else(Schedule::default_time_zone),
            start: text(action.start_time),
            end: text(action.end_time),
            min: action.min_size,
            max: action.max_size,
            desired: action.desired_capacity,
        };
        Some((action.scheduled_action_name?, schedule))
    };
    Ok(actions.into_iter().filter_map(read).collect())
}

/// A changed one is made again, because a put keeps what it does not name.
pub(super) async fn change(
    cx: &Cx<'_>,
    group: &str,
    before: &BTreeMap<String, Schedule>,
    after: &BTreeMap<String, Schedule>,
) -> Result<()> {
    for (name, _) in before.iter().filter(|(name, live)| after.get(*name) != Some(*live)) {
        let call = cx.autoscaling.delete_scheduled_action().auto_scaling_group_name(group).scheduled_action_name(name);
        match ok_or_not_found(call.send().await) {
            // From an earlier attempt that failed at a later call.
            Err(error) if error.message.contains("not found") => {}
            other => drop(other?),
        }
    }
    for (name, schedule) in after.iter().filter(|(name, schedule)| before.get(*name) != Some(*schedule)) {
        let call = cx.autoscaling.put_scheduled_update_group_action().auto_scaling_group_name(group).scheduled_action_name(name);
        let zone = schedule.recurrence.as_ref().map(|_| schedule.time_zone.clone());
        let call = call.set_recurrence(schedule.recurrence.clone()).set_time_zone(zone);
        let call = call.set_start_time(time(schedule.start.as_ref())?).set_end_time(time(schedule.end.as_ref())?);
        let call = call.set_min_size(schedule.min).set_max_size(schedule.max).set_desired_capacity(schedule.desired);
        call.send().await?;
    }
    Ok(())
}
