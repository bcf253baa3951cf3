//! Scaling of provisioned capacity by Application Auto Scaling.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ServiceNamespace, TargetTrackingScalingPolicyConfiguration,
};

use super::{super::prelude::*, DynamodbTable};

/// Scaling of a table and its indexes.
#[spec]
#[derive(Default, PartialEq)]
pub struct Scaling {
    /// Read capacity of the table.
    #[field(unset = "fixed", dropped = None)]
    pub read: Option<Capacity>,
    /// Write capacity of the table.
    #[field(unset = "fixed", dropped = None)]
    pub write: Option<Capacity>,
    /// Capacity of global secondary indexes, by name.
    #[field(default)]
    pub indexes: BTreeMap<String, IndexScaling>,
}

/// Scaling of an index.
#[spec]
#[derive(Default, PartialEq)]
pub struct IndexScaling {
    /// Read capacity.
    #[field(unset = "fixed", dropped = None)]
    pub read: Option<Capacity>,
    /// Write capacity.
    #[field(unset = "fixed", dropped = None)]
    pub write: Option<Capacity>,
}

/// Limits of a capacity, and the use that Application Auto Scaling aims at.
#[spec]
#[derive(Copy, PartialEq)]
pub struct Capacity {
    /// Least capacity, in units.
    #[field(range = 1..=2_147_483_647)]
    pub min: i32,
    /// Most capacity, in units.
    #[field(range = 1..=2_147_483_647)]
    pub max: i32,
    /// Use of the capacity, in percent.
    #[field(default = 70, range = 20..=90)]
    pub target_percent: i32,
    /// Time between two increases, in seconds.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub increase_cooldown_seconds: i32,
    /// Time between two decreases, in seconds.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub decrease_cooldown_seconds: i32,
    /// Only increases the capacity.
    #[field(default = false)]
    pub only_increase: bool,
}

/// What is scaled: a part of a table, and its reads or its writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    resource: String,
    dimension: &'static str,
}

impl Target {
    fn new(table: &str, index: Option<&str>, is_read: bool) -> Target {
        let dimension = match (index.is_some(), is_read) {
            (false, true) => "dynamodb:table:ReadCapacityUnits",
            (false, false) => "dynamodb:table:WriteCapacityUnits",
            (true, true) => "dynamodb:index:ReadCapacityUnits",
            (true, false) => "dynamodb:index:WriteCapacityUnits",
        };
        let resource = index.map_or_else(|| format!("table/{table}"), |index| format!("table/{table}/index/{index}"));
        Target { resource, dimension }
    }
    fn dimension(&self) -> ScalableDimension {
        self.dimension.into()
    }
    fn is_read(&self) -> bool {
        self.dimension.ends_with(":ReadCapacityUnits")
    }
    /// Name of its policy.
    fn policy(&self) -> String {
        format!("{}-{}", if self.is_read() { "read" } else { "write" }, self.resource.replace('/', "-"))
    }
}

impl Scaling {
    fn targets(&self, table: &str) -> BTreeMap<Target, Capacity> {
        let own = [(None, true, self.read), (None, false, self.write)].into_iter();
        let of_index = |(name, index): (_, &IndexScaling)| [(Some(name), true, index.read), (Some(name), false, index.write)];
        let all = own.chain(self.indexes.iter().flat_map(of_index));
        all.filter_map(|(index, is_read, capacity): (Option<&String>, _, _)| {
            Some((Target::new(table, index.map(String::as_str), is_read), capacity?))
        })
        .collect()
    }

    /// A capacity within the limits is that of the definition: Application Auto Scaling sets it.
    pub(super) fn keep_scaled(&self, ours: &DynamodbTable, live: &mut DynamodbTable) {
        let keep = |limits: Option<Capacity>, ours: i64, live: &mut i64| {
            if limits.is_some_and(|limits| (i64::from(limits.min)..=i64::from(limits.max)).contains(live)) {
                *live = ours;
            }
        };
        keep(self.read, ours.read_capacity, &mut live.read_capacity);
        keep(self.write, ours.write_capacity, &mut live.write_capacity);
        for (name, scaling) in &self.indexes {
            if let (Some(ours), Some(live)) = (ours.global_indexes.get(name), live.global_indexes.get_mut(name)) {
                keep(scaling.read, ours.read_capacity, &mut live.read_capacity);
                keep(scaling.write, ours.write_capacity, &mut live.write_capacity);
            }
        }
    }
}

/// Registers what is scaled now, and removes what is no longer scaled, with its policy and alarms.
pub(super) async fn apply(cx: &Cx<'_>, table: &str, before: Option<&Scaling>, after: Option<&Scaling>) -> Result<()> {
    let targets = |scaling: Option<&Scaling>| scaling.map(|scaling| scaling.targets(table)).unwrap_or_default();
    let (before, after) = (targets(before), targets(after));
    let client = &cx.applicationautoscaling;
    for target in before.keys().filter(|target| !after.contains_key(*target)) {
        let call = client.deregister_scalable_target().service_namespace(ServiceNamespace::Dynamodb).resource_id(&target.resource);
        ok_or_not_found(call.scalable_dimension(target.dimension()).send().await)?;
    }
    for (target, capacity) in after.iter().filter(|(target, capacity)| before.get(target) != Some(capacity)) {
        let call = client.register_scalable_target().service_namespace(ServiceNamespace::Dynamodb).resource_id(&target.resource);
        let call = call.scalable_dimension(target.dimension()).min_capacity(capacity.min).max_capacity(capacity.max);
        // A target that is already there keeps its tags, and AWS rejects the parameter.
        let tags = (!before.contains_key(target)).then(|| cx.call.tags.clone().into_iter().collect());
        call.set_tags(tags).send().await?;
        let metric =
            if target.is_read() { MetricType::DynamoDbReadCapacityUtilization } else { MetricType::DynamoDbWriteCapacityUtilization };
        let policy = TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(capacity.target_percent.into())
            .predefined_metric_specification(PredefinedMetricSpecification::builder().predefined_metric_type(metric).build()?)
            .scale_out_cooldown(capacity.increase_cooldown_seconds)
            .scale_in_cooldown(capacity.decrease_cooldown_seconds)
            .disable_scale_in(capacity.only_increase);
        let call = client.put_scaling_policy().policy_name(target.policy()).service_namespace(ServiceNamespace::Dynamodb);
        let call = call.resource_id(&target.resource).scalable_dimension(target.dimension()).policy_type(PolicyType::TargetTrackingScaling);
        call.target_tracking_scaling_policy_configuration(policy.build()?).send().await?;
    }
    Ok(())
}

/// What is scaled in the account, with its first policy.
pub(super) struct ScalableTargets(BTreeMap<(String, String), Capacity>);

impl ScalableTargets {
    /// Scaling of a table; `None` if nothing is scaled.
    pub(super) fn of(&self, table: &str) -> Option<Scaling> {
        let own = format!("table/{table}");
        let mut scaling = Scaling::default();
        for ((resource, dimension), capacity) in &self.0 {
            let is_read = dimension.ends_with(":ReadCapacityUnits");
            let (read, write) = match resource.strip_prefix(&own) {
                Some("") => (&mut scaling.read, &mut scaling.write),
                Some(rest) => match rest.strip_prefix("/index/") {
                    Some(index) => {
                        let index = scaling.indexes.entry(index.to_owned()).or_default();
                        (&mut index.read, &mut index.write)
                    }
                    None => continue,
                },
                None => continue,
            };
            *if is_read { read } else { write } = Some(*capacity);
        }
        (scaling != Scaling::default()).then_some(scaling)
    }
}

/// Reads targets and policies of all tables.
pub(super) async fn read_targets(aws: &Aws) -> Result<ScalableTargets> {
    let client = &aws.applicationautoscaling;
    let targets = client.describe_scalable_targets().service_namespace(ServiceNamespace::Dynamodb).into_paginator().items().send();
    let policies = client.describe_scaling_policies().service_namespace(ServiceNamespace::Dynamodb).into_paginator().items().send();
    let (targets, policies) = tokio::join!(targets.try_collect(), policies.try_collect());
    let (targets, policies): (Vec<_>, Vec<_>) = (targets?, policies?);
    let read = |target: aws_sdk_applicationautoscaling::types::ScalableTarget| {
        let same = policies
            .iter()
            .find(|policy| policy.resource_id == target.resource_id && policy.scalable_dimension == target.scalable_dimension);
        let tracking = same.and_then(|policy| policy.target_tracking_scaling_policy_configuration());
        #[allow(clippy::cast_possible_truncation)] // A percentage.
        let target_percent = tracking.map_or(0, |tracking| tracking.target_value.round() as i32);
        let capacity = Capacity {
            min: target.min_capacity,
            max: target.max_capacity,
            target_percent,
            increase_cooldown_seconds: tracking.and_then(|tracking| tracking.scale_out_cooldown).unwrap_or_default(),
            decrease_cooldown_seconds: tracking.and_then(|tracking| tracking.scale_in_cooldown).unwrap_or_default(),
            only_increase: tracking.and_then(|tracking| tracking.disable_scale_in).unwrap_or_default(),
        };
        ((target.resource_id, target.scalable_dimension.as_str().to_owned()), capacity)
    };
    Ok(ScalableTargets(targets.into_iter().map(read).collect()))
}
