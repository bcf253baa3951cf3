//! Accelerators of Global Accelerator that controllers made for load balancers of the cluster.
//!
//! They are deleted before the load balancers: an accelerator keeps network interfaces in the subnets of its endpoints.
//! <https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoints.sipp-caveats.html>

use std::collections::BTreeSet;

use aws_sdk_globalaccelerator::{
    primitives::DateTime,
    types::{Accelerator, AcceleratorStatus},
};

use super::{LeftoverKind, Search, inventory::Found};
use crate::{
    aws::{Aws, for_each_concurrent, partition, services, types::accelerator},
    core::{Deletion, Phase, Result, Tags, ok_or_not_found},
};

/// Partition with Global Accelerator.
const PARTITION: &str = "aws";

/// Accelerators that a controller of the cluster made.
pub(super) async fn find(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let read = |(one, tags): (Accelerator, Tags)| async move {
        let is_recent = search.is_recent(one.created_time.as_ref().map(DateTime::secs));
        let Some((arn, maker)) = one.accelerator_arn.zip(search.maker(&tags)).filter(|_| is_recent) else { return Ok(None) };
        let endpoints = endpoints(aws, &arn).await?;
        let name = one.name.unwrap_or_else(|| arn.clone());
        let found = Found::new(arn, LeftoverKind::Accelerator, name, maker, &tags).using(endpoints);
        Ok(Some(found.losing("its static addresses are lost")))
    };
    for_each_concurrent(all(aws).await?, read).await
}

/// Names of accelerators outside cluster and stack that have one of these load balancers as an endpoint.
pub(super) async fn other_users(aws: &Aws, search: &Search, balancers: &BTreeSet<String>) -> Result<Vec<String>> {
    let read = |(one, tags): (Accelerator, Tags)| async move {
        let is_other = search.maker(&tags).is_none() && !search.is_of_stack(&tags);
        let Some(arn) = one.accelerator_arn.filter(|_| is_other) else { return Ok(None) };
        let uses = endpoints(aws, &arn).await?.iter().any(|endpoint| balancers.contains(endpoint));
        Ok(uses.then(|| one.name.unwrap_or(arn)))
    };
    let mut names = for_each_concurrent(all(aws).await?, read).await?;
    names.sort();
    Ok(names)
}

/// All accelerators of the account with their tags, which the list lacks.
async fn all(aws: &Aws) -> Result<Vec<(Accelerator, Tags)>> {
    if partition(&aws.region) != PARTITION {
        return Ok(Vec::new());
    }
    let accelerators: Vec<Accelerator> =
        aws.globalaccelerator.list_accelerators().max_results(100).into_paginator().items().send().try_collect().await?;
    let read = |one: Accelerator| async move {
        let call = aws.globalaccelerator.list_tags_for_resource().set_resource_arn(one.accelerator_arn.clone());
        let reply = ok_or_not_found(call.send().await)?;
        Ok(reply.map(|reply| (one, services::globalaccelerator::from_tags(reply.tags()))))
    };
    for_each_concurrent(accelerators, read).await
}

/// Endpoints of an accelerator: ARNs of load balancers, and ids of instances and addresses.
async fn endpoints(aws: &Aws, accelerator: &str) -> Result<BTreeSet<String>> {
    let client = &aws.globalaccelerator;
    let call = client.list_listeners().accelerator_arn(accelerator).max_results(100);
    let listeners: Option<Vec<_>> = ok_or_not_found(call.into_paginator().items().send().try_collect().await)?;
    let mut endpoints = BTreeSet::new();
    for listener in listeners.into_iter().flatten().filter_map(|listener| listener.listener_arn) {
        let call = client.list_endpoint_groups().listener_arn(listener).max_results(100);
        let groups: Option<Vec<_>> = ok_or_not_found(call.into_paginator().items().send().try_collect().await)?;
        let all = groups.into_iter().flatten().flat_map(|group| group.endpoint_descriptions.unwrap_or_default());
        endpoints.extend(all.filter_map(|endpoint| endpoint.endpoint_id));
    }
    Ok(endpoints)
}

/// Deletes an accelerator step by step.
pub(super) async fn remove(aws: &Aws, arn: &str) -> Result<Deletion> {
    accelerator::remove(aws, arn).await
}

/// Phase of an accelerator: each change is deployed before the next.
pub(super) async fn phase(aws: &Aws, arn: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.globalaccelerator.describe_accelerator().accelerator_arn(arn).send().await)?;
    Ok(reply.and_then(|reply| reply.accelerator).map(|accelerator| match accelerator.status {
        Some(AcceleratorStatus::InProgress) => Phase::Progressing("IN_PROGRESS".to_owned()),
        _ => Phase::Ready,
    }))
}
