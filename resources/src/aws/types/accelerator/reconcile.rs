//! Calls that read and change listeners and their groups. They have ARNs, which a spec lacks, so each change reads them first.

use aws_sdk_globalaccelerator::types as sdk;

use super::{
    super::prelude::*,
    AcceleratorListener, EndpointGroup,
    listener::{adopt_order, matching},
};

/// A listener with its groups.
struct Live {
    arn: String,
    spec: AcceleratorListener,
    groups: Vec<sdk::EndpointGroup>,
}

/// The listeners of an accelerator; `None` if it does not exist.
async fn live_listeners(aws: &Aws, accelerator: &str) -> Result<Option<Vec<Live>>> {
    let client = &aws.globalaccelerator;
    let pages = client.list_listeners().accelerator_arn(accelerator).max_results(100).into_paginator().items().send();
    let Some(listeners): Option<Vec<sdk::Listener>> = ok_or_not_found(pages.try_collect().await)? else { return Ok(None) };
    let mut live = Vec::new();
    for listener in listeners {
        let arn = listener.listener_arn.clone().ok_or_else(|| Error::missing_field("ListenerArn"))?;
        let pages = client.list_endpoint_groups().listener_arn(&arn).max_results(100).into_paginator().items().send();
        let Some(groups): Option<Vec<sdk::EndpointGroup>> = ok_or_not_found(pages.try_collect().await)? else { continue };
        let mut spec = AcceleratorListener::read(&listener)?;
        for group in &groups {
            spec.groups.insert(group.endpoint_group_region.clone().unwrap_or_default(), EndpointGroup::read(group)?);
        }
        live.push(Live { arn, spec, groups });
    }
    Ok(Some(live))
}

/// The listeners in the shape of the spec; `None` if the accelerator does not exist.
pub(super) async fn read(aws: &Aws, accelerator: &str) -> Result<Option<Vec<AcceleratorListener>>> {
    Ok(live_listeners(aws, accelerator).await?.map(|live| live.into_iter().map(|one| one.spec).collect()))
}

/// Makes the listeners of an accelerator the wanted ones. Those that leave are deleted first, because ports must not overlap.
pub(super) async fn listeners(aws: &Aws, accelerator: &str, wanted: &[AcceleratorListener]) -> Result<()> {
    let client = &aws.globalaccelerator;
    let live = live_listeners(aws, accelerator).await?.unwrap_or_default();
    let specs: Vec<AcceleratorListener> = live.iter().map(|one| one.spec.clone()).collect();
    let matches = matching(wanted, &specs);
    for (index, leaving) in live.iter().enumerate() {
        if !matches.contains(&Some(index)) {
            delete_listener(aws, leaving).await?;
        }
    }
    for (wanted, found) in wanted.iter().zip(&matches) {
        let Some(live) = found.and_then(|index| live.get(index)) else { continue };
        if (live.spec.protocol, &live.spec.ports, live.spec.client_affinity) != (wanted.protocol, &wanted.ports, wanted.client_affinity) {
            let call = client.update_listener().listener_arn(&live.arn).set_port_ranges(Some(wanted.port_ranges()));
            call.protocol(wanted.sdk_protocol()).client_affinity(wanted.sdk_affinity()).send().await?;
        }
        update_groups(aws, live, wanted).await?;
    }
    for wanted in wanted.iter().zip(&matches).filter(|(_, found)| found.is_none()).map(|(wanted, _)| wanted) {
        let call = client.create_listener().accelerator_arn(accelerator).set_port_ranges(Some(wanted.port_ranges()));
        let reply = call.protocol(wanted.sdk_protocol()).client_affinity(wanted.sdk_affinity()).send().await?;
        let arn = reply.listener.and_then(|listener| listener.listener_arn).ok_or_else(|| Error::missing_field("ListenerArn"))?;
        for (region, group) in &wanted.groups {
            create_group(aws, &arn, region, group, wanted.first_port()).await?;
        }
    }
    Ok(())
}

async fn update_groups(aws: &Aws, live: &Live, wanted: &AcceleratorListener) -> Result<()> {
    let client = &aws.globalaccelerator;
    for group in &live.groups {
        if !wanted.groups.contains_key(group.endpoint_group_region().unwrap_or_default()) {
            client.delete_endpoint_group().set_endpoint_group_arn(group.endpoint_group_arn.clone()).send().await?;
        }
    }
    let mut compared = vec![live.spec.clone()];
    adopt_order(std::slice::from_ref(wanted), &mut compared);
    for (region, group) in &wanted.groups {
        let current = live.groups.iter().find(|current| current.endpoint_group_region() == Some(region.as_str()));
        let Some(current) = current else {
            create_group(aws, &live.arn, region, group, wanted.first_port()).await?;
            continue;
        };
        if compared.first().and_then(|listener| listener.groups.get(region)).is_some_and(|current| current == group) {
            continue;
        }
        let call = client.update_endpoint_group().set_endpoint_group_arn(current.endpoint_group_arn.clone());
        let call = call.set_endpoint_configurations(Some(group.configurations(current.endpoint_descriptions())));
        let call = call.traffic_dial_percentage(group.traffic_dial_percent as f32).set_port_overrides(Some(group.sdk_overrides()));
        let check = &group.health_check;
        let call = call.health_check_protocol(check.sdk_protocol()).health_check_port(check.port_or(wanted.first_port()));
        let call = call.set_health_check_path(check.sdk_path()).health_check_interval_seconds(check.interval_seconds.into());
        call.threshold_count(check.threshold.into()).send().await?;
    }
    Ok(())
}

async fn create_group(aws: &Aws, listener: &str, region: &str, group: &EndpointGroup, first_port: u16) -> Result<()> {
    let call = aws.globalaccelerator.create_endpoint_group().listener_arn(listener).endpoint_group_region(region);
    let call = call.set_endpoint_configurations(Some(group.configurations(&[])));
    let call = call.traffic_dial_percentage(group.traffic_dial_percent as f32).set_port_overrides(Some(group.sdk_overrides()));
    let check = &group.health_check;
    let call = call.health_check_protocol(check.sdk_protocol()).health_check_port(check.port_or(first_port));
    let call = call.set_health_check_path(check.sdk_path()).health_check_interval_seconds(check.interval_seconds.into());
    call.threshold_count(check.threshold.into()).send().await?;
    Ok(())
}

async fn delete_listener(aws: &Aws, live: &Live) -> Result<()> {
    let client = &aws.globalaccelerator;
    for group in &live.groups {
        client.delete_endpoint_group().set_endpoint_group_arn(group.endpoint_group_arn.clone()).send().await?;
    }
    client.delete_listener().listener_arn(&live.arn).send().await?;
    Ok(())
}

/// Deletes all listeners; returns whether there were any.
pub(super) async fn delete_listeners(aws: &Aws, accelerator: &str) -> Result<bool> {
    let live = live_listeners(aws, accelerator).await?.unwrap_or_default();
    for listener in &live {
        delete_listener(aws, listener).await?;
    }
    Ok(!live.is_empty())
}
