//! Instance types that a region offers, versions, key pairs and launch templates.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, InstanceType, LocationType};

use super::{super::eks_cluster::kubernetes_version, EksNodeGroup, EksNodeGroupChanges};
use crate::{
    aws::{Aws, services},
    core::{Error, Pointer, Problem, Questions, Ref, nearest::list_names},
};

const ACTION: &str = "ec2:DescribeInstanceTypeOfferings";

/// Checks the values that only AWS knows.
pub(super) async fn preflight(group: &EksNodeGroup, questions: &Questions<'_, Aws>, changes: EksNodeGroupChanges) -> Vec<Problem> {
    let version = group.version.as_deref().filter(|_| changes.version);
    let version = async { kubernetes_version(questions, EksNodeGroup::POINTERS.version, version?).await };
    let key_pair = async { if changes.remote_access { missing_key_pair(group, questions).await } else { None } };
    let template = async { if changes.launch_template { missing_template(group, questions).await } else { None } };
    let (mut problems, version, key_pair, template) = tokio::join!(instance_types(group, questions, changes), version, key_pair, template);
    problems.extend([version, key_pair, template].into_iter().flatten());
    problems
}

/// Problem with a key pair that does not exist.
async fn missing_key_pair(group: &EksNodeGroup, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let name = group.remote_access.as_ref().map(|access| access.ec2_ssh_key.as_str()).filter(|name| !name.contains("${"))?;
    let at = EksNodeGroup::POINTERS.remote_access.field(super::RemoteAccess::POINTERS.ec2_ssh_key);
    missing(at, name, "key pair", "key pairs", &key_pairs(questions).await?)
}

/// Names of the account's key pairs.
pub(in crate::aws::types) async fn key_pairs(questions: &Questions<'_, Aws>) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let call = aws.ec2.describe_key_pairs();
        async move { Ok(call.send().await?.key_pairs.unwrap_or_default().into_iter().filter_map(|pair| pair.key_name).collect()) }
    };
    questions.ask("ec2:DescribeKeyPairs", "", call).await
}

/// Problem with a launch template that does not exist.
async fn missing_template(group: &EksNodeGroup, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let id = group.launch_template.as_ref().map(Ref::get).filter(|id| !id.contains("${"))?;
    let call = |aws: &Aws| {
        let pages = aws.ec2.describe_launch_templates().into_paginator().items().send();
        async move {
            let templates: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(templates.into_iter().filter_map(|template| template.launch_template_id).collect())
        }
    };
    let all: BTreeSet<String> = questions.ask("ec2:DescribeLaunchTemplates", "", call).await?;
    missing(EksNodeGroup::POINTERS.launch_template, id, "launch template", "launch templates", &all)
}

/// Problem with something of the account that does not exist.
pub(in crate::aws::types) fn missing(at: Pointer, name: &str, what: &str, plural: &str, all: &BTreeSet<String>) -> Option<Problem> {
    if all.contains(name) {
        return None;
    }
    let list = list_names(plural, all.iter().map(String::as_str));
    Some(Problem::new(at, format!("the account has no {what} `{name}` in this region")).help(list))
}

/// Checks that each instance type is offered in at least one zone of the subnets.
async fn instance_types(group: &EksNodeGroup, questions: &Questions<'_, Aws>, changes: EksNodeGroupChanges) -> Vec<Problem> {
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

/// Zones that offer these types. The simulated cloud offers those that the SDK knows in all zones.
async fn zones_by_type(questions: &Questions<'_, Aws>, types: &BTreeSet<&str>) -> Option<BTreeMap<String, BTreeSet<String>>> {
    if questions.is_simulated() {
        let known = types.iter().filter(|name| InstanceType::values().contains(*name));
        let zones: BTreeSet<String> = services::ec2::zones(questions).await?.into_iter().map(|zone| zone.name).collect();
        return Some(known.map(|name| ((*name).to_owned(), zones.clone())).collect());
    }
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
pub(in crate::aws::types) async fn all_types(questions: &Questions<'_, Aws>) -> Option<BTreeSet<String>> {
    let call = |aws: &Aws| {
        let pages = aws.ec2.describe_instance_type_offerings().location_type(LocationType::Region).into_paginator().items().send();
        async move {
            let offerings: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(offerings.into_iter().filter_map(|offering| offering.instance_type).map(|name| name.as_str().to_owned()).collect())
        }
    };
    let known = |_: &str| InstanceType::values().iter().map(|name| (*name).to_owned()).collect();
    questions.ask_or_simulate(ACTION, "", known, call).await
}
