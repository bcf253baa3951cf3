//! Targets of a target group.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealth, TargetHealthReasonEnum, TargetHealthStateEnum};

use super::{TargetGroup, TargetType};
use crate::{
    aws::{Aws, Cx},
    core::{Phase, Problem, Result, ok_or_not_found},
};

/// A target.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Id of the instance, IP address, or ARN of the function or of the application load balancer, as `target_type` says.
    #[field(length = 1..=2048)]
    pub id: String,
    /// Port; none for `lambda`.
    #[field(unset = "the port of the target group", range = 1..=65_535, dropped = None)]
    pub port: Option<u16>,
    /// Availability zone of an IP address outside the VPC, or `all`.
    #[field(unset = "that of the address", length = 1..=255, dropped = None)]
    pub availability_zone: Option<String>,
}

/// Most targets in a call.
const PER_CALL: usize = 100;

impl Target {
    fn to_sdk(&self) -> TargetDescription {
        let target = TargetDescription::builder().id(&self.id).set_port(self.port.map(Into::into));
        target.set_availability_zone(self.availability_zone.clone()).build()
    }

    /// Same, without values of AWS where the wanted target of this id sets none.
    fn without_assigned(&self, group_port: Option<u16>, wanted: &BTreeSet<Target>) -> Target {
        let mut target = self.clone();
        let same = |other: &&Target| other.id == self.id && (other.port.is_none() || other.port == self.port);
        if let Some(wanted) = wanted.iter().find(same) {
            if wanted.port.is_none() && self.port == group_port {
                target.port = None;
            }
            if wanted.availability_zone.is_none() {
                target.availability_zone = None;
            }
        }
        target
    }
}

/// Registered targets; those that leave are not. `None`: the target group was deleted.
pub(super) async fn read(aws: &Aws, group: &str) -> Result<Option<BTreeSet<Target>>> {
    let Some(reply) = ok_or_not_found(aws.elbv2.describe_target_health().target_group_arn(group).send().await)? else { return Ok(None) };
    let leaves = |state: Option<&TargetHealthStateEnum>| state == Some(&TargetHealthStateEnum::Draining);
    let all = reply.target_health_descriptions.unwrap_or_default().into_iter();
    let remaining = all.filter(|one| !leaves(one.target_health().and_then(|health| health.state())));
    let target = |target: TargetDescription| {
        let port = target.port.and_then(|port| port.try_into().ok()).filter(|port| *port > 0);
        Some(Target { id: target.id?, port, availability_zone: target.availability_zone })
    };
    Ok(Some(remaining.filter_map(|one| target(one.target?)).collect()))
}

/// Health of the targets. Those that arrive or leave don't count; those of a group without health checks are healthy.
pub(super) async fn health(aws: &Aws, group: &str) -> Result<Option<Phase>> {
    let reply = aws.elbv2.describe_target_health().target_group_arn(group).send().await?;
    let all = reply.target_health_descriptions.unwrap_or_default();
    let states: Vec<TargetHealth> = all.into_iter().filter_map(|target| target.target_health).collect();
    Ok(Some(health_of(&states)))
}

fn health_of(targets: &[TargetHealth]) -> Phase {
    let is_healthy = |one: &&TargetHealth| {
        let is_unchecked = one.reason() == Some(&TargetHealthReasonEnum::HealthCheckDisabled);
        one.state() == Some(&TargetHealthStateEnum::Healthy) || is_unchecked
    };
    let is_unhealthy = |one: &&TargetHealth| one.state() == Some(&TargetHealthStateEnum::Unhealthy);
    let healthy = targets.iter().filter(is_healthy).count();
    let unhealthy: Vec<&TargetHealth> = targets.iter().filter(is_unhealthy).collect();
    match unhealthy.first() {
        Some(first) => {
            let reason = first.description().or(first.reason().map(TargetHealthReasonEnum::as_str)).unwrap_or("no reason given");
            Phase::Degraded(format!("{} of {} targets are unhealthy: {reason}", unhealthy.len(), healthy + unhealthy.len()))
        }
        None if healthy > 0 => Phase::Ready,
        None if targets.is_empty() => Phase::Degraded("it has no targets".to_owned()),
        None => {
            let states: BTreeSet<&str> = targets.iter().filter_map(|one| Some(one.state()?.as_str())).collect();
            Phase::Progressing(format!("no target is healthy yet: {}", states.into_iter().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Registers new targets, then removes those that leave.
pub(super) async fn change(cx: &Cx<'_>, group: &str, before: Option<&BTreeSet<Target>>, after: &BTreeSet<Target>) -> Result<()> {
    let none = BTreeSet::new();
    let before = before.unwrap_or(&none);
    let list = |one: &BTreeSet<Target>, other: &BTreeSet<Target>| one.difference(other).map(Target::to_sdk).collect::<Vec<_>>();
    for some in list(after, before).chunks(PER_CALL) {
        cx.elbv2.register_targets().target_group_arn(group).set_targets(Some(some.to_vec())).send().await?;
    }
    for some in list(before, after).chunks(PER_CALL) {
        cx.elbv2.deregister_targets().target_group_arn(group).set_targets(Some(some.to_vec())).send().await?;
    }
    Ok(())
}

pub(super) fn normalize(ours: &TargetGroup, live: &mut TargetGroup) {
    let port = live.port;
    if let (Some(wanted), Some(targets)) = (&ours.targets, &mut live.targets) {
        *targets = targets.iter().map(|target| target.without_assigned(port, wanted)).collect();
    }
}

pub(super) fn check(group: &TargetGroup) -> Vec<Problem> {
    let Some(targets) = &group.targets else { return Vec::new() };
    let mut problems = Vec::new();
    for (index, target) in targets.iter().enumerate().filter(|(_, target)| !target.id.contains("${")) {
        let at = TargetGroup::POINTERS.targets.item(index);
        let (fits, wanted) = match group.target_type {
            TargetType::Instance => (target.id.starts_with("i-"), "the id of an instance"),
            TargetType::Ip => (target.id.parse::<std::net::IpAddr>().is_ok(), "an IP address"),
            TargetType::Lambda => (target.id.contains(":lambda:"), "the ARN of a function"),
            TargetType::Alb => (target.id.contains(":loadbalancer/app/"), "the ARN of an application load balancer"),
        };
        if !fits {
            problems.push(Problem::new(at.clone().field(Target::POINTERS.id), format!("`{}` is not {wanted}", target.id)));
        }
        if target.port.is_some() && group.target_type == TargetType::Lambda {
            problems.push(Problem::new(at.clone().field(Target::POINTERS.port), "functions have no port"));
        }
        if target.availability_zone.is_some() && group.target_type != TargetType::Ip {
            problems.push(Problem::new(at.field(Target::POINTERS.availability_zone), "is for IP addresses"));
        }
    }
    let most_one = matches!(group.target_type, TargetType::Lambda | TargetType::Alb);
    if most_one && targets.len() > 1 {
        problems.push(Problem::new(TargetGroup::POINTERS.targets, "a target group of this type has one target"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_healthy_with_a_healthy_target_and_no_unhealthy_one() {
        let target = |state: TargetHealthStateEnum| TargetHealth::builder().state(state).build();
        let (healthy, unhealthy) = (target(TargetHealthStateEnum::Healthy), target(TargetHealthStateEnum::Unhealthy));
        let leaving = target(TargetHealthStateEnum::Draining);
        let unchecked = TargetHealth::builder().state(TargetHealthStateEnum::Unavailable);
        let unchecked = unchecked.reason(TargetHealthReasonEnum::HealthCheckDisabled).build();
        assert_eq!(health_of(&[healthy.clone(), leaving.clone()]), Phase::Ready);
        assert_eq!(health_of(&[unchecked]), Phase::Ready);
        assert_eq!(health_of(&[]), Phase::Degraded("it has no targets".into()));
        assert_eq!(health_of(&[leaving]), Phase::Progressing("no target is healthy yet: draining".into()));
        let broken = "1 of 2 targets are unhealthy: no reason given";
        assert_eq!(health_of(&[healthy, unhealthy]), Phase::Degraded(broken.into()));
    }
}
