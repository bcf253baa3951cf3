//! Instance types that a region offers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, LocationType};

use super::{EksNodeGroup, EksNodeGroupChanges};
use crate::{
    aws::Aws,
    core::{Error, Problem, Questions},
};

const ACTION: &str = "ec2:DescribeInstanceTypeOfferings";

/// Checks that each instance type is offered in at least one zone of the subnets.
pub(super) async fn preflight(group: &EksNodeGroup, questions: &Questions<'_, Aws>, changes: EksNodeGroupChanges) -> Vec<Problem> {
    let Some(types) = group.instance_types.as_ref().filter(|_| changes.instance_types || changes.subnets) else { return Vec::new() };
    let known: BTreeSet<&str> = types.iter().map(String::as_str).filter(|name| !name.contains("${")).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let Some(zones_by_type) = zones_by_type(questions, &known).await else { return Vec::new() };
    let mut wanted = BTreeSet::new();
    for subnet in &group.subnets {
        wanted.insert(questions.planned(subnet).map(|subnet| subnet.availability_zone).filter(|zone| !zone.contains("${")));
    }
    // The zone of a subnet outside the stack is not known.
    let wanted: Option<BTreeSet<String>> = wanted.into_iter().collect();
    let mut problems = Vec::new();
    for (index, name) in types.iter().enumerate().filter(|(_, name)| known.contains(name.as_str())) {
        let at = EksNodeGroup::POINTERS.instance_types.item(index);
        match (zones_by_type.get(name), &wanted) {
            (None, _) => {
                let all = all_types(questions).await.unwrap_or_default();
                let all = all.iter().map(String::as_str);
                problems.extend(Problem::not_offered(at, name, "instance types", " in this region", all));
            }
            (Some(zones), Some(wanted)) if !wanted.is_empty() && zones.is_disjoint(wanted) => {
                let listed = |zones: &BTreeSet<String>| zones.iter().cloned().collect::<Vec<_>>().join(", ");
                let message = format!("AWS does not offer `{name}` in the zones of the subnets, {}", listed(wanted));
                problems.push(Problem::new(at, message).help(format!("zones with `{name}`: {}", listed(zones))));
            }
            _ => {}
        }
    }
    problems
}

/// Zones that offer these types.
async fn zones_by_type(questions: &Questions<'_, Aws>, types: &BTreeSet<&str>) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
    let parameters = types.join(",");
    let call = |aws: &Aws| {
        let only = Filter::builder().name("instance-type").set_values(Some(types)).build();
        let call = aws.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone).filters(only);
        let pages = call.into_paginator().items().send();
        async move {
            let offerings: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for offering in offerings {
                if let (Some(name), Some(zone)) = (offering.instance_type, offering.location) {
                    zones.entry(name.as_str().to_owned()).or_default().insert(zone);
                }
            }
            Ok(zones)
        }
    };
    questions.ask(ACTION, &parameters, call).await
}

/// All types of the region, for a remedy.
async fn all_types(questions: &Questions<'_, Aws>) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let pages = aws.ec2.describe_instance_type_offerings().location_type(LocationType::Region).into_paginator().items().send();
        async move {
            let offerings: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(offerings.into_iter().filter_map(|offering| offering.instance_type).map(|name| name.as_str().to_owned()).collect())
        }
    };
    questions.ask(ACTION, "", call).await
}
