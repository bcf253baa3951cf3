//! Services with VPC endpoints, and their zones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{EndpointType, VpcEndpoint, VpcEndpointChanges};
use crate::{
    aws::Aws,
    core::{Problem, Questions},
};

/// A service with endpoints.
#[derive(Clone, Default, Serialize, Deserialize)]
struct EndpointService {
    /// Types of endpoints.
    types: BTreeSet<String>,
    /// Zones in which an interface endpoint can have addresses.
    zones: BTreeSet<String>,
}

/// Checks that AWS has an endpoint of this type for the service, in the zones of the subnets. Services of others are visible to selected accounts only.
pub(super) async fn preflight(endpoint: &VpcEndpoint, questions: &Questions<'_, Aws>, changes: VpcEndpointChanges) -> Vec<Problem> {
    let service = &endpoint.service;
    if !(changes.service || changes.r#type || changes.subnets) || service.contains("${") || service.starts_with("com.amazonaws.vpce.") {
        return Vec::new();
    }
    let Some(services) = endpoint_services(questions).await else { return Vec::new() };
    let at = VpcEndpoint::POINTERS.service;
    let Some(EndpointService { types, zones }) = services.get(service) else {
        let scope = " as an endpoint service of this region";
        return Problem::not_offered(at, service, "services", scope, services.keys().map(String::as_str)).into_iter().collect();
    };
    let wanted = match endpoint.r#type {
        EndpointType::Gateway => "Gateway",
        EndpointType::Interface => "Interface",
        EndpointType::GatewayLoadBalancer => "GatewayLoadBalancer",
    };
    if types.is_empty() || types.contains(wanted) {
        return missing_zone(endpoint, questions, zones).into_iter().collect();
    }
    let message = format!("AWS does not offer `{service}` through this type of endpoint");
    let help = if types.contains("Interface") { "set `type: interface`" } else { "set `type: gateway`" };
    vec![Problem::new(VpcEndpoint::POINTERS.r#type, message).help(help)]
}

/// Problem with a subnet of the stack in a zone without the service.
fn missing_zone(endpoint: &VpcEndpoint, questions: &Questions<'_, Aws>, zones: &BTreeSet<String>) -> Option<Problem> {
    let wanted = endpoint.subnets.iter().filter_map(|subnet| questions.planned(subnet)).map(|subnet| subnet.availability_zone);
    let wrong = wanted.filter(|zone| !zone.contains("${")).find(|zone| !zones.is_empty() && !zones.contains(zone))?;
    let message = format!("AWS does not offer `{}` in the zone `{wrong}` of a subnet", endpoint.service);
    let listed = zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(Problem::new(VpcEndpoint::POINTERS.subnets, message).help(format!("zones with the service: {listed}")))
}

/// Types and zones by service: by its full name, and by the short one of an AWS service of the region. `None` without an answer.
async fn endpoint_services(questions: &Questions<'_, Aws>) -> Option<BTreeMap<String, EndpointService>> {
    let call = |aws: &Aws| {
        let (ec2, prefix) = (aws.ec2.clone(), super::service_prefix(&aws.region));
        async move {
            let mut services: BTreeMap<String, EndpointService> = BTreeMap::new();
            let mut next = None;
            loop {
                let page = ec2.describe_vpc_endpoint_services().set_next_token(next).send().await?;
                for detail in page.service_details.unwrap_or_default() {
                    let Some(name) = detail.service_name else { continue };
                    let types = detail.service_type.into_iter().flatten().filter_map(|one| Some(one.service_type?.as_str().to_owned()));
                    let types: BTreeSet<String> = types.collect();
                    let zones = detail.availability_zones.unwrap_or_default();
                    let short = name.strip_prefix(&prefix).map(str::to_owned);
                    for name in short.into_iter().chain([name]) {
                        // A service may be listed once per type; gateways have no zones.
                        let service = services.entry(name).or_default();
                        service.types.extend(types.clone());
                        if types.contains("Interface") {
                            service.zones.extend(zones.clone());
                        }
                    }
                }
                next = page.next_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    return Ok(services);
                }
            }
        }
    };
    questions.ask("ec2:DescribeVpcEndpointServices", "", call).await
}
