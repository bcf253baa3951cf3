//! Load balancers and target groups.

use std::collections::BTreeMap;

use super::{
    LeftoverKind, Search,
    inventory::{Found, filter},
    removal::{protected, still_used},
};
use crate::{
    aws::{Aws, services},
    core::{Deletion, Error, ErrorKind, Phase, Result, Tags, ok_or_not_found},
};

/// Resources whose tags one call returns.
const PER_CALL: usize = 20;

/// Load balancers and target groups of the second generation.
pub(super) async fn find(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let balancers: Vec<_> = aws.elbv2.describe_load_balancers().into_paginator().items().send().try_collect().await?;
    let balancers: Vec<_> = balancers.into_iter().filter(|one| search.is_in_network(one.vpc_id())).collect();
    let groups: Vec<_> = aws.elbv2.describe_target_groups().into_paginator().items().send().try_collect().await?;
    let groups: Vec<_> = groups.into_iter().filter(|group| search.is_in_network(group.vpc_id())).collect();
    let arns = balancers.iter().filter_map(|one| one.load_balancer_arn.clone());
    let tags = tags(aws, arns.chain(groups.iter().filter_map(|group| group.target_group_arn.clone())).collect()).await?;
    let maker = |arn: &str| tags.get(arn).and_then(|tags| Some((search.maker(tags)?, tags)));
    let mut found = Vec::new();
    for balancer in &balancers {
        let (Some(arn), Some(name)) = (&balancer.load_balancer_arn, &balancer.load_balancer_name) else { continue };
        let Some((maker, tags)) = maker(arn) else { continue };
        let targets = groups.iter().filter(|group| group.load_balancer_arns().contains(arn)).filter_map(|group| group.target_group_arn());
        let subnets = balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id());
        let one = Found::new(arn.clone(), LeftoverKind::LoadBalancer, name.clone(), maker, tags)
            .using(balancer.vpc_id())
            .using(targets)
            .using(subnets)
            .using(balancer.security_groups().iter().cloned());
        found.push(one);
    }
    for group in &groups {
        let (Some(arn), Some(name)) = (&group.target_group_arn, &group.target_group_name) else { continue };
        let Some((maker, tags)) = maker(arn) else { continue };
        found.push(Found::new(arn.clone(), LeftoverKind::TargetGroup, name.clone(), maker, tags).using(group.vpc_id()));
    }
    Ok(found)
}

/// Classic load balancers.
pub(super) async fn find_classic(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let all: Vec<_> = aws.elb.describe_load_balancers().into_paginator().items().send().try_collect().await?;
    let in_network: BTreeMap<String, _> = all
        .into_iter()
        .filter(|one| search.is_in_network(one.vpc_id()))
        .filter_map(|one| Some((one.load_balancer_name.clone()?, one)))
        .collect();
    let names: Vec<String> = in_network.keys().cloned().collect();
    let mut found = Vec::new();
    for some in names.chunks(PER_CALL) {
        let replies = for_all(some, |names| aws.elb.describe_tags().set_load_balancer_names(Some(names)).send()).await?;
        for description in replies.into_iter().flat_map(|reply| reply.tag_descriptions.unwrap_or_default()) {
            let tags = services::elb::from_tags(description.tags());
            let Some((name, maker)) = description.load_balancer_name.zip(search.maker(&tags)) else { continue };
            let Some(balancer) = in_network.get(&name) else { continue };
            let kind = LeftoverKind::ClassicLoadBalancer;
            let one = Found::new(kind.id(&[&name]), kind, name, maker, &tags)
                .using(balancer.vpc_id())
                .using(balancer.subnets().iter().cloned())
                .using(balancer.security_groups().iter().cloned());
            found.push(one);
        }
    }
    Ok(found)
}

/// Replies to a call about these resources. One that was deleted since they were listed fails the call for all, so each is then asked for alone.
async fn for_all<T, E: Into<Error>, F>(names: &[String], call: impl Fn(Vec<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = std::result::Result<T, E>>,
{
    if let Some(reply) = ok_or_not_found(call(names.to_vec()).await)? {
        return Ok(vec![reply]);
    }
    let mut replies = Vec::new();
    for name in names {
        replies.extend(ok_or_not_found(call(vec![name.clone()]).await)?);
    }
    Ok(replies)
}

async fn tags(aws: &Aws, arns: Vec<String>) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for some in arns.chunks(PER_CALL) {
        let replies = for_all(some, |arns| aws.elbv2.describe_tags().set_resource_arns(Some(arns)).send()).await?;
        for description in replies.into_iter().flat_map(|reply| reply.tag_descriptions.unwrap_or_default()) {
            let tags = services::elbv2::from_tags(description.tags());
            all.extend(description.resource_arn.map(|arn| (arn, tags)));
        }
    }
    Ok(all)
}

/// Deletes a load balancer, unless a person has protected it or shares it with others.
pub(super) async fn remove(aws: &Aws, arn: &str) -> Result<Deletion> {
    match aws.elbv2.delete_load_balancer().load_balancer_arn(arn).send().await.map_err(Error::from) {
        Err(error) if error.code.starts_with("OperationNotPermitted") => Err(protected(arn, "deletion protection")),
        Err(error) if error.kind == ErrorKind::Conflict => {
            // Without permission to read them, AWS's message must do.
            let services = endpoint_services(aws, arn).await.unwrap_or_default();
            Err(if services.is_empty() { error } else { still_used(arn, &services) })
        }
        deleted => Deletion::requested(deleted),
    }
}

/// VPC endpoint services that are associated with a load balancer: AWS does not delete it before them.
async fn endpoint_services(aws: &Aws, arn: &str) -> Result<Vec<String>> {
    let services: Vec<_> = aws.ec2.describe_vpc_endpoint_service_configurations().into_paginator().items().send().try_collect().await?;
    let has_it = |service: &aws_sdk_ec2::types::ServiceConfiguration| {
        let all = service.network_load_balancer_arns().iter().chain(service.gateway_load_balancer_arns());
        all.into_iter().any(|one| one == arn)
    };
    let named = services.iter().filter(|service| has_it(service));
    Ok(named.map(|service| format!("VPC endpoint service {}", service.service_id().unwrap_or_default())).collect())
}

/// Load balancers that still use a target group, for the message of a deletion that waits.
pub(super) async fn target_group_blockers(aws: &Aws, arn: &str) -> Result<Vec<String>> {
    let reply = ok_or_not_found(aws.elbv2.describe_target_groups().target_group_arns(arn).send().await)?;
    let groups = reply.and_then(|reply| reply.target_groups).unwrap_or_default();
    Ok(groups.iter().flat_map(|group| group.load_balancer_arns()).map(|arn| format!("load balancer {arn}")).collect())
}

/// Deletes a target group. A listener that is being deleted still uses it.
pub(super) async fn remove_target_group(aws: &Aws, arn: &str) -> Result<Deletion> {
    Deletion::requested(aws.elbv2.delete_target_group().target_group_arn(arn).send().await)
}

/// Deletes a classic load balancer.
pub(super) async fn remove_classic(aws: &Aws, name: &str) -> Result<Deletion> {
    Deletion::requested(aws.elb.delete_load_balancer().load_balancer_name(name).send().await)
}

/// Phase of a load balancer. AWS deletes its network interfaces after it, and they can't be deleted by hand.
pub(super) async fn phase(aws: &Aws, arn: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.elbv2.describe_load_balancers().load_balancer_arns(arn).send().await)?;
    if reply.is_some_and(|reply| !reply.load_balancers().is_empty()) {
        return Ok(Some(Phase::Ready));
    }
    let path = arn.split_once(":loadbalancer/").map(|(_, path)| path).unwrap_or_default();
    interfaces(aws, &format!("ELB {path}")).await
}

/// Phase of a target group.
pub(super) async fn target_group_phase(aws: &Aws, arn: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.elbv2.describe_target_groups().target_group_arns(arn).send().await)?;
    Ok(reply.filter(|reply| !reply.target_groups().is_empty()).map(|_| Phase::Ready))
}

/// Phase of a classic load balancer, as of the others.
pub(super) async fn classic_phase(aws: &Aws, name: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.elb.describe_load_balancers().load_balancer_names(name).send().await)?;
    if reply.is_some_and(|reply| !reply.load_balancer_descriptions().is_empty()) {
        return Ok(Some(Phase::Ready));
    }
    interfaces(aws, &format!("ELB {name}")).await
}

async fn interfaces(aws: &Aws, description: &str) -> Result<Option<Phase>> {
    let call = aws.ec2.describe_network_interfaces().filters(filter("description", description));
    let count = match call.send().await.map_err(Error::from) {
        // Who may not read interfaces learns from the deletion of the network whether they are gone.
        Err(error) if error.kind == ErrorKind::AccessDenied => 0,
        reply => reply?.network_interfaces().len(),
    };
    Ok((count > 0).then(|| Phase::Progressing(format!("AWS deletes its {count} network interfaces"))))
}
