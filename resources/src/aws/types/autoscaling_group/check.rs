//! Rules between the fields of a group.

use super::{
    super::{launch_template::LaunchTemplate, prelude::*},
    AutoscalingGroup, InstanceOverride, InstanceRefresh, Maintenance, MixedInstances, ScalingPolicy, Schedule, TargetTracking,
};

pub(super) fn check(group: &AutoscalingGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    if group.min > group.max {
        problems.push(
            Problem::new(AutoscalingGroup::POINTERS.max, format!("must be at least `min: {}`", group.min))
                .help("raise `max`, or lower `min`"),
        );
    }
    if let Some(desired) = group.desired.filter(|desired| !(group.min..=group.max).contains(desired)) {
        let message = format!("{desired} is not between `min` and `max`");
        problems.push(Problem::new(AutoscalingGroup::POINTERS.desired, message).help("change `desired`, or one of the limits"));
    }
    if let Some(maintenance) = group.maintenance.as_ref().filter(|it| it.max_healthy_percentage - it.min_healthy_percentage > 100) {
        let at = AutoscalingGroup::POINTERS.maintenance.field(Maintenance::POINTERS.max_healthy_percentage);
        let most = maintenance.min_healthy_percentage + 100;
        problems.push(Problem::new(at, format!("must be at most {most}, 100 more than `min_healthy_percentage`")));
    }
    for key in group.instance_tags.keys().filter(|key| key.starts_with("acme:") || key.starts_with("aws:")) {
        problems.push(Problem::new(AutoscalingGroup::POINTERS.instance_tags.item(key), "tags of acme and of AWS can't be set"));
    }
    if group.warm_pool.is_some() && group.mixed_instances.is_some() {
        problems.push(Problem::new(AutoscalingGroup::POINTERS.warm_pool, "AWS has no warm pools for groups with `mixed_instances`"));
    }
    problems.extend(mixed(group));
    problems.extend(policies(group));
    problems.extend(schedules(group));
    problems.extend(refresh(group));
    problems
}

fn mixed(group: &AutoscalingGroup) -> Vec<Problem> {
    let Some(mixed) = &group.mixed_instances else {
        let problem = || {
            let problem = Problem::new(AutoscalingGroup::POINTERS.capacity_unit, "other units need `instance_requirements`");
            problem.help("add `mixed_instances` with an override that has them")
        };
        return (group.capacity_unit != AutoscalingGroup::default_capacity_unit()).then(problem).into_iter().collect();
    };
    let overrides = || AutoscalingGroup::POINTERS.mixed_instances.field(MixedInstances::POINTERS.overrides);
    let mut problems = Vec::new();
    let requirements = mixed.overrides.iter().filter(|one| one.instance_requirements.is_some()).count();
    if requirements > 0 && requirements != mixed.overrides.len() {
        problems.push(Problem::new(overrides(), "overrides have either `instance_type` or `instance_requirements`, all of them the same"));
    }
    let weighted = mixed.overrides.iter().filter(|one| one.weight.is_some()).count();
    if weighted > 0 && weighted != mixed.overrides.len() {
        problems.push(Problem::new(overrides(), "either all overrides have a `weight`, or none"));
    }
    for (index, one) in mixed.overrides.iter().enumerate() {
        if one.instance_type.is_none() && one.instance_requirements.is_none() {
            let at = overrides().item(index).field(InstanceOverride::POINTERS.instance_type);
            problems.push(Problem::new(at, "an override needs an `instance_type` or `instance_requirements`"));
        }
        let encrypted = one.instance_requirements.as_ref().is_some_and(|it| it.require_encryption_in_transit.is_some());
        if encrypted {
            let at = overrides().item(index).field(InstanceOverride::POINTERS.instance_requirements);
            problems.push(Problem::new(at, "Auto Scaling can't require encryption in transit").help("require it in the launch template"));
        }
    }
    problems
}

fn policies(group: &AutoscalingGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, policy) in &group.scaling_policies {
        let at = || AutoscalingGroup::POINTERS.scaling_policies.item(name);
        if policy.kinds() != 1 {
            problems.push(Problem::new(at(), "a policy has one of `target_tracking`, `step`, `simple` and `predictive`"));
        }
        if policy.warmup_seconds.is_some() && (policy.simple.is_some() || policy.predictive.is_some()) {
            let at = at().field(ScalingPolicy::POINTERS.warmup_seconds);
            problems.push(Problem::new(at, "is for `target_tracking` and `step`"));
        }
        let Some(tracking) = &policy.target_tracking else { continue };
        let at = || at().field(ScalingPolicy::POINTERS.target_tracking);
        let sources = [tracking.metric.is_some(), tracking.custom_metric.is_some(), !tracking.queries.is_empty()];
        if sources.into_iter().filter(|is_set| *is_set).count() != 1 {
            problems.push(Problem::new(at(), "has one of `metric`, `custom_metric` and `queries`"));
        }
        if !tracking.queries.is_empty() && tracking.queries.values().filter(|query| query.tracked).count() != 1 {
            let at = at().field(TargetTracking::POINTERS.queries);
            problems.push(Problem::new(at, "one of the queries is `tracked: true`"));
        }
        if (tracking.metric.as_deref() == Some("ALBRequestCountPerTarget")) != tracking.resource_label.is_some() {
            let problem = Problem::new(
                at().field(TargetTracking::POINTERS.resource_label),
                "is for `metric: ALBRequestCountPerTarget`, which requires it",
            );
            problems.push(problem.help("write `\"{{ load_balancer.<name>.arn_suffix }}/{{ target_group.<name>.arn_suffix }}\"`"));
        }
    }
    problems
}

fn schedules(group: &AutoscalingGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, schedule) in &group.schedules {
        let at = || AutoscalingGroup::POINTERS.schedules.item(name);
        if schedule.recurrence.is_none() && schedule.start.is_none() {
            problems.push(Problem::new(at(), "a schedule needs a `recurrence` or a `start`"));
        }
        if schedule.min.is_none() && schedule.max.is_none() && schedule.desired.is_none() {
            problems.push(Problem::new(at(), "a schedule sets `min`, `max` or `desired`"));
        }
        if schedule.min.zip(schedule.max).is_some_and(|(min, max)| min > max) {
            problems.push(Problem::new(at().field(Schedule::POINTERS.max), "must be at least `min`"));
        }
    }
    problems
}

fn refresh(group: &AutoscalingGroup) -> Vec<Problem> {
    let Some(refresh) = &group.instance_refresh else { return Vec::new() };
    let at = || AutoscalingGroup::POINTERS.instance_refresh;
    let mut problems = Vec::new();
    if refresh.auto_rollback && group.launch_template_version.starts_with('$') && !group.launch_template_version.starts_with("${") {
        let problem = Problem::new(at().field(InstanceRefresh::POINTERS.auto_rollback), "needs a numbered version of the launch template");
        problems.push(problem.help("set `launch_template_version: \"{{ launch_template.<name>.version }}\"`"));
    }
    if refresh.checkpoints.iter().any(|share| !(1..=100).contains(share)) {
        problems.push(Problem::new(at().field(InstanceRefresh::POINTERS.checkpoints), "percentages are from 1 to 100"));
    }
    if refresh.min_healthy_percentage.zip(refresh.max_healthy_percentage).is_some_and(|(min, max)| max - min > 100) {
        let at = at().field(InstanceRefresh::POINTERS.max_healthy_percentage);
        problems.push(Problem::new(at, "is at most 100 more than `min_healthy_percentage`"));
    }
    problems
}

/// The template needs an image and an instance type, and a tag of the group is either for instances or not.
pub(super) fn check_declared(declared: &Declared<'_, AutoscalingGroup>) -> Vec<Problem> {
    let Some(group) = declared.spec() else { return Vec::new() };
    let mut problems = Vec::new();
    if let Some((address, template)) = declared.referenced::<LaunchTemplate, _>(&group.launch_template) {
        if template.image.is_none() {
            let problem = Problem::new(AutoscalingGroup::POINTERS.launch_template, format!("`{address}` has no `image`"));
            problems.push(problem.help("an Auto Scaling group takes the machine image from its launch template"));
        }
        let has_type = template.instance_type.is_some() || template.instance_requirements.is_some();
        if !has_type && group.mixed_instances.as_ref().is_none_or(|mixed| mixed.overrides.is_empty()) {
            let problem = Problem::new(AutoscalingGroup::POINTERS.launch_template, format!("`{address}` has no instance type"));
            problems.push(problem.help("set its `instance_type`, or `overrides` under `mixed_instances`"));
        }
        if template.spot.is_some() && group.mixed_instances.is_some() {
            let problem = Problem::new(AutoscalingGroup::POINTERS.mixed_instances, format!("`{address}` asks for spot instances, too"));
            problems.push(problem.help("remove `spot` from the launch template"));
        }
    }
    for key in group.instance_tags.keys().filter(|key| declared.tags().contains_key(*key)) {
        let problem = Problem::new(AutoscalingGroup::POINTERS.instance_tags.item(key), "is also a tag of the group alone, under `tags`");
        problems.push(problem.help("keep it in one of the two places; instance tags are tags of the group, too"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(fields: &Value) -> Vec<String> {
        let mut spec = json!({ "launch_template": "web", "min": 1, "max": 3, "subnets": ["a"] });
        spec.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let group: AutoscalingGroup = serde_json::from_value(spec).unwrap_or_else(|error| panic!("{fields}: {error}"));
        check(&group).into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn accepts_policies_and_schedules() {
        for fields in [
            json!({ "desired": 2, "scaling_policies": { "cpu": { "target_tracking": { "target": 60, "metric": "ASGAverageCPUUtilization" } } } }),
            json!({ "schedules": { "night": { "recurrence": "0 20 * * *", "min": 0 } } }),
            json!({ "instance_refresh": { "auto_rollback": true }, "launch_template_version": "3" }),
            json!({ "capacity_unit": "vcpu", "mixed_instances": { "overrides": [{ "instance_requirements": { "vcpus": { "min": 2 }, "memory_mib": { "min": 1024 } } }] } }),
        ] {
            assert_eq!(problems(&fields), [""; 0], "{fields}");
        }
    }

    #[test]
    fn reports_settings_that_do_not_go_together() {
        let label = json!({ "target_tracking": { "target": 60, "metric": "ALBRequestCountPerTarget" } });
        for (fields, at) in [
            (json!({ "min": 4 }), "/max"),
            (json!({ "desired": 9 }), "/desired"),
            (
                json!({ "maintenance": { "min_healthy_percentage": 50, "max_healthy_percentage": 200 } }),
                "/maintenance/max_healthy_percentage",
            ),
            (json!({ "instance_tags": { "acme:stack": "x" } }), "/instance_tags/acme:stack"),
            (json!({ "warm_pool": {}, "mixed_instances": {} }), "/warm_pool"),
            (json!({ "capacity_unit": "vcpu" }), "/capacity_unit"),
            (
                json!({ "mixed_instances": { "overrides": [{ "instance_type": "a1.large", "weight": 1 }, { "instance_type": "a1.xlarge" }] } }),
                "/mixed_instances/overrides",
            ),
            (json!({ "mixed_instances": { "overrides": [{}] } }), "/mixed_instances/overrides/0/instance_type"),
            (json!({ "scaling_policies": { "none": {} } }), "/scaling_policies/none"),
            (json!({ "scaling_policies": { "x": { "target_tracking": { "target": 1 } } } }), "/scaling_policies/x/target_tracking"),
            (json!({ "scaling_policies": { "x": label } }), "/scaling_policies/x/target_tracking/resource_label"),
            (json!({ "schedules": { "x": { "min": 1 } } }), "/schedules/x"),
            (json!({ "instance_refresh": { "auto_rollback": true } }), "/instance_refresh/auto_rollback"),
        ] {
            assert_eq!(problems(&fields).first().map(String::as_str), Some(at), "{fields}");
        }
    }
}
