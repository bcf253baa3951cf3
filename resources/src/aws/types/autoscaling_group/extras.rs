//! Smaller settings of a group, and those with calls of their own.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{CapacityReservationSpecification, CapacityReservationTarget, InstanceMaintenancePolicy};

use super::super::{prelude::*, sns_topic::SnsTopic};

/// Limits of the number of instances while some are replaced, as percentages of the wanted number.
#[spec]
#[derive(PartialEq)]
pub struct Maintenance {
    /// Least share of healthy instances: with 100, a new instance starts first.
    #[field(range = 0..=100)]
    pub min_healthy_percentage: i32,
    /// Most instances, at least 100 and at most 100 more than the minimum.
    #[field(range = 100..=200)]
    pub max_healthy_percentage: i32,
}

impl Maintenance {
    pub(super) fn to_sdk(&self) -> InstanceMaintenancePolicy {
        let policy = InstanceMaintenancePolicy::builder().min_healthy_percentage(self.min_healthy_percentage);
        policy.max_healthy_percentage(self.max_healthy_percentage).build()
    }
    /// AWS may report −1 for no limits.
    pub(super) fn from_sdk(policy: &InstanceMaintenancePolicy) -> Option<Maintenance> {
        let (min, max) = policy.min_healthy_percentage.zip(policy.max_healthy_percentage).filter(|(min, _)| *min >= 0)?;
        Some(Maintenance { min_healthy_percentage: min, max_healthy_percentage: max })
    }
}

/// Use of capacity reservations.
#[spec]
#[derive(PartialEq)]
pub struct CapacityReservation {
    /// Whether instances start in reservations only, in these first, or in none.
    #[field(one_of = ["capacity-reservations-only", "capacity-reservations-first", "none"])]
    pub preference: String,
    /// Ids of the reservations.
    #[field(unset = "open reservations", pattern = "cr-[0-9a-f]+")]
    pub reservations: BTreeSet<String>,
    /// ARNs of resource groups with reservations.
    #[field(unset = "open reservations", pattern = "arn:aws[a-z-]*:resource-groups:.+")]
    pub resource_groups: BTreeSet<String>,
}

impl CapacityReservation {
    pub(super) fn to_sdk(&self) -> CapacityReservationSpecification {
        let list = |set: &BTreeSet<String>| Some(set.iter().cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty());
        let target = CapacityReservationTarget::builder()
            .set_capacity_reservation_ids(list(&self.reservations))
            .set_capacity_reservation_resource_group_arns(list(&self.resource_groups));
        let has_target = !self.reservations.is_empty() || !self.resource_groups.is_empty();
        let specification = CapacityReservationSpecification::builder().capacity_reservation_preference(self.preference.as_str().into());
        specification.set_capacity_reservation_target(has_target.then(|| target.build())).build()
    }
    /// AWS's default.
    pub(super) fn none() -> CapacityReservationSpecification {
        CapacityReservationSpecification::builder().capacity_reservation_preference("default".into()).build()
    }
    pub(super) fn from_sdk(specification: CapacityReservationSpecification) -> Option<CapacityReservation> {
        let preference = specification.capacity_reservation_preference?.as_str().to_owned();
        let target = specification.capacity_reservation_target;
        let (reservations, resource_groups) =
            target.map_or((None, None), |target| (target.capacity_reservation_ids, target.capacity_reservation_resource_group_arns));
        (preference != "default").then(|| CapacityReservation {
            preference,
            reservations: reservations.into_iter().flatten().collect(),
            resource_groups: resource_groups.into_iter().flatten().collect(),
        })
    }
}

/// Notifications about instances.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Notification {
    /// Topic.
    pub topic: ArnRef<SnsTopic>,
    /// Events.
    #[field(
        length = 1..=5,
        one_of = ["launch", "launch_error", "terminate", "terminate_error", "test"]
    )]
    pub events: BTreeSet<String>,
}

impl Notification {
    fn types(&self) -> Vec<String> {
        let name = |event: &String| match event.as_str() {
            "test" => "autoscaling:TEST_NOTIFICATION".to_owned(),
            other => format!("autoscaling:EC2_INSTANCE_{}", other.to_uppercase()),
        };
        self.events.iter().map(name).collect()
    }
    fn event(kind: &str) -> String {
        let kind = kind.trim_start_matches("autoscaling:").trim_start_matches("EC2_INSTANCE_").trim_end_matches("_NOTIFICATION");
        kind.to_lowercase()
    }
}

pub(super) async fn read_notifications(aws: &Aws, group: &str) -> Result<BTreeSet<Notification>> {
    let call = aws.autoscaling.describe_notification_configurations().auto_scaling_group_names(group).into_paginator();
    let all = ok_or_not_found(call.items().send().try_collect().await)?.unwrap_or_default();
    let mut by_topic: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let pairs = all
        .into_iter()
        .filter_map(|one: aws_sdk_autoscaling::types::NotificationConfiguration| Some((one.topic_arn?, one.notification_type?)));
    for (topic, kind) in pairs {
        by_topic.entry(topic).or_default().insert(Notification::event(&kind));
    }
    Ok(by_topic.into_iter().map(|(topic, events)| Notification { topic: ArnRef::to(topic), events }).collect())
}

/// A put replaces all events of a topic.
pub(super) async fn change_notifications(
    cx: &Cx<'_>,
    group: &str,
    before: &BTreeSet<Notification>,
    after: &BTreeSet<Notification>,
) -> Result<()> {
    for one in after.difference(before) {
        let call = cx.autoscaling.put_notification_configuration().auto_scaling_group_name(group).topic_arn(one.topic.get());
        call.set_notification_types(Some(one.types())).send().await?;
    }
    for one in before.iter().filter(|one| after.iter().all(|other| other.topic != one.topic)) {
        let call = cx.autoscaling.delete_notification_configuration().auto_scaling_group_name(group).topic_arn(one.topic.get());
        ok_or_not_found(call.send().await)?;
    }
    Ok(())
}

/// The tags themselves are changed, because a tag of the same key may have been there without being propagated.
pub(super) async fn change_instance_tags(
    cx: &Cx<'_>,
    group: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    let set =
        after.iter().filter(|(key, value)| before.get(*key) != Some(*value)).map(|(key, value)| (key.clone(), value.clone())).collect();
    let removed = before.iter().filter(|(key, _)| !after.contains_key(*key) && !cx.call.tags.contains_key(*key));
    let removed = removed.map(|(key, value)| (key.clone(), value.clone())).collect();
    let set = services::autoscaling::to_tags(group, &set, true);
    if !set.is_empty() {
        cx.autoscaling.create_or_update_tags().set_tags(Some(set)).send().await?;
    }
    let removed = services::autoscaling::to_tags(group, &removed, true);
    if !removed.is_empty() {
        cx.autoscaling.delete_tags().set_tags(Some(removed)).send().await?;
    }
    Ok(())
}

fn difference(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Option<Vec<String>> {
    Some(one.difference(other).cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty())
}

pub(super) async fn change_processes(cx: &Cx<'_>, group: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    if let Some(suspended) = difference(after, before) {
        cx.autoscaling.suspend_processes().auto_scaling_group_name(group).set_scaling_processes(Some(suspended)).send().await?;
    }
    if let Some(resumed) = difference(before, after) {
        cx.autoscaling.resume_processes().auto_scaling_group_name(group).set_scaling_processes(Some(resumed)).send().await?;
    }
    Ok(())
}

pub(super) async fn change_metrics(cx: &Cx<'_>, group: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    if let Some(enabled) = difference(after, before) {
        let call = cx.autoscaling.enable_metrics_collection().auto_scaling_group_name(group).granularity("1Minute");
        call.set_metrics(Some(enabled)).send().await?;
    }
    if let Some(disabled) = difference(before, after) {
        cx.autoscaling.disable_metrics_collection().auto_scaling_group_name(group).set_metrics(Some(disabled)).send().await?;
    }
    Ok(())
}
