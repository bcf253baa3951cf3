//! Instances and launch templates of Karpenter.

use aws_sdk_ec2::types::{InstanceStateName, OperatorResponse};

use super::{
    LeftoverKind, Search,
    inventory::{Found, tagged},
    removal::protected,
};
use crate::{
    aws::{Aws, services},
    core::{Deletion, Error, Phase, Result, ok_or_not_found},
};

/// Instances that exist. Those of node groups and Auto Scaling groups are deleted with these, and EKS deletes those that it operates with the
/// cluster: <https://docs.aws.amazon.com/eks/latest/userguide/delete-cluster.html>.
pub(super) async fn find_instances(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let pages = aws.ec2.describe_instances().filters(tagged(search)).into_paginator().items().send();
    let reservations: Vec<_> = pages.try_collect().await?;
    let instances = reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
    let found = instances.filter_map(|instance| {
        let state = instance.state().and_then(|state| state.name().cloned());
        let leaves =
            matches!(state, Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated)) || is_operated(instance.operator());
        let tags = services::ec2::from_tags(instance.tags());
        let (id, maker) = instance.instance_id.clone().filter(|_| !leaves).zip(search.maker(&tags))?;
        let groups = instance.security_groups().iter().filter_map(|group| group.group_id());
        let one = Found::new(id.clone(), LeftoverKind::Instance, id, maker, &tags)
            .using(instance.vpc_id())
            .using(groups)
            .using(instance.subnet_id())
            .losing("its local data is deleted, too");
        Some(one)
    });
    Ok(found.collect())
}

/// Whether a service operates something, such as EKS Auto Mode, and deletes it.
pub(super) fn is_operated(operator: Option<&OperatorResponse>) -> bool {
    operator.and_then(|operator| operator.managed) == Some(true)
}

/// Launch templates.
pub(super) async fn find_launch_templates(aws: &Aws, search: &Search) -> Result<Vec<Found>> {
    let templates: Vec<_> =
        aws.ec2.describe_launch_templates().filters(tagged(search)).into_paginator().items().send().try_collect().await?;
    let found = templates.into_iter().filter(|template| !is_operated(template.operator())).filter_map(|template| {
        let tags = services::ec2::from_tags(template.tags());
        let (id, maker) = template.launch_template_id.zip(search.maker(&tags))?;
        let name = template.launch_template_name.unwrap_or_else(|| id.clone());
        Some(Found::new(id, LeftoverKind::LaunchTemplate, name, maker, &tags))
    });
    Ok(found.collect())
}

/// Describes an instance that uses something until a person releases it; `None` if it leaves, or is deleted by another step: those of the
/// cluster, of node groups and of the stack.
pub(super) async fn describe_foreign(aws: &Aws, search: &Search, id: &str) -> Result<Option<String>> {
    let Some(reply) = ok_or_not_found(aws.ec2.describe_instances().instance_ids(id).send().await)? else { return Ok(None) };
    let instance = reply.reservations.unwrap_or_default().into_iter().flat_map(|one| one.instances.unwrap_or_default()).next();
    let Some(instance) = instance else { return Ok(None) };
    let tags = services::ec2::from_tags(instance.tags());
    let state = instance.state().and_then(|state| state.name().cloned());
    let leaves = matches!(state, Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated));
    let is_of_group = tags.keys().any(|key| key.starts_with("eks:") || key.starts_with("aws:autoscaling:"));
    if leaves || is_of_group || search.is_of_stack(&tags) || search.maker(&tags).is_some() {
        return Ok(None);
    }
    let name = tags.get("Name").map(|name| format!(" `{name}`")).unwrap_or_default();
    Ok(Some(format!("instance {id}{name}")))
}

/// Terminates an instance, unless a person has protected it.
pub(super) async fn terminate(aws: &Aws, id: &str) -> Result<Deletion> {
    match aws.ec2.terminate_instances().instance_ids(id).send().await.map_err(Error::from) {
        Err(error) if error.code == "OperationNotPermitted" => Err(protected(id, "termination protection")),
        terminated => Deletion::requested(terminated),
    }
}

/// Deletes a launch template.
pub(super) async fn remove_launch_template(aws: &Aws, id: &str) -> Result<Deletion> {
    Deletion::requested(aws.ec2.delete_launch_template().launch_template_id(id).send().await)
}

/// Phase of an instance. EC2 shows a terminated one for an hour.
pub(super) async fn instance_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let Some(reply) = ok_or_not_found(aws.ec2.describe_instances().instance_ids(id).send().await)? else { return Ok(None) };
    let state = reply.reservations().iter().flat_map(|one| one.instances()).find_map(|one| one.state()?.name().cloned());
    Ok(match state {
        None | Some(InstanceStateName::Terminated) => None,
        Some(InstanceStateName::ShuttingDown) => Some(Phase::Deleting),
        Some(_) => Some(Phase::Ready),
    })
}

/// Phase of a launch template.
pub(super) async fn launch_template_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let reply = ok_or_not_found(aws.ec2.describe_launch_templates().launch_template_ids(id).send().await)?;
    Ok(reply.filter(|reply| !reply.launch_templates().is_empty()).map(|_| Phase::Ready))
}
