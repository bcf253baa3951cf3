//! Services with VPC endpoints.

use std::collections::{BTreeMap, BTreeSet};

use super::{EndpointType, VpcEndpoint, VpcEndpointChanges};
use crate::{
    aws::Aws,
    core::{Problem, Questions},
};

/// Checks that AWS has an endpoint of this type for the service. Services of others are visible to selected accounts only.
pub(super) async fn preflight(endpoint: &VpcEndpoint, questions: &Questions<'_, Aws>, changes: VpcEndpointChanges) -> Vec<Problem> {
    let service = &endpoint.service;
    if !(changes.service || changes.r#type) || service.contains("${") || service.starts_with("com.amazonaws.vpce.") {
        return Vec::new();
    }
    let Some(services) = endpoint_services(questions).await else { return Vec::new() };
    let at = VpcEndpoint::POINTERS.service;
    let Some(types) = services.get(service) else {
        let scope = " as an endpoint service of this region";
        return Problem::not_offered(at, service, "services", scope, services.keys().map(String::as_str)).into_iter().collect();
    };
    let wanted = match endpoint.r#type {
        EndpointType::Gateway => "Gateway",
        EndpointType::Interface => "Interface",
        EndpointType::GatewayLoadBalancer => "GatewayLoadBalancer",
    };
    if types.is_empty() || types.contains(wanted) {
        return Vec::new();
    }
    let message = format!("AWS does not offer `{service}` through this type of endpoint");
    let help = if types.contains("Interface") { "set `type: interface`" } else { "set `type: gateway`" };
    vec![Problem::new(VpcEndpoint::POINTERS.r#type, message).help(help)]
}

/// Types of endpoints by service: by its full name, and by the short one of an AWS service of the region. `None` without an answer.
async fn endpoint_services(questions: &Questions<'_, Aws>) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let call = |aws: &Aws| {
        let (ec2, prefix) = (aws.ec2.clone(), super::service_prefix(&aws.region));
        async move {
            let mut services = BTreeMap::new();
            let mut next = None;
            loop {
                let page = ec2.describe_vpc_endpoint_services().set_next_token(next).send().await?;
                for detail in page.service_details.unwrap_or_default() {
                    let Some(name) = detail.service_name else { continue };
                    let types = detail.service_type.into_iter().flatten().filter_map(|one| Some(one.service_type?.as_str().to_owned()));
                    let types: BTreeSet<String> = types.collect();
                    let short = name.strip_prefix(&prefix).map(str::to_owned);
                    for name in short.into_iter().chain([name]) {
                        services.entry(name).or_insert_with(BTreeSet::new).extend(types.clone());
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
