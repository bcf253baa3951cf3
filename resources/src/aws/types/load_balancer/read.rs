//! Reads load balancers, and the tags of what belongs to them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer as SdkLoadBalancer, LoadBalancerSchemeEnum, LoadBalancerState, LoadBalancerStateEnum, LoadBalancerTypeEnum,
};

use super::{LoadBalancer, Outputs, SubnetMapping};
use crate::{
    aws::{Aws, for_each_concurrent, from_aws, services},
    core::{Observed, Phase, Ref, Result, Scope, Tags, ok_or_not_found},
};

pub(super) fn read(
    arn: String,
    name: String,
    lb: SdkLoadBalancer,
    attributes: &BTreeMap<String, String>,
    tags: Tags,
) -> Observed<LoadBalancer> {
    let mappings: BTreeSet<_> = lb.availability_zones.unwrap_or_default().into_iter().filter_map(SubnetMapping::read).collect();
    let fixed = lb.r#type == Some(LoadBalancerTypeEnum::Network) && mappings.iter().any(SubnetMapping::is_fixed);
    let state = lb.state.unwrap_or_else(|| LoadBalancerState::builder().build());
    let phase = match state.code {
        Some(LoadBalancerStateEnum::Provisioning) => Phase::Progressing("provisioning".into()),
        Some(LoadBalancerStateEnum::Failed) => Phase::Failed(state.reason.unwrap_or_else(|| "failed".into())),
        _ => Phase::Ready,
    };
    let spec = LoadBalancer {
        name: Some(name),
        kind: lb.r#type.and_then(|kind| from_aws(kind.as_str()).ok()).unwrap_or_default(),
        internal: lb.scheme == Some(LoadBalancerSchemeEnum::Internal),
        subnets: mappings.iter().filter(|_| !fixed).map(|mapping| mapping.subnet.clone()).collect(),
        subnet_mappings: fixed.then_some(mappings),
        security_groups: lb.security_groups.unwrap_or_default().into_iter().map(Ref::to).collect(),
        ip_address_type: lb.ip_address_type.and_then(|kind| from_aws(kind.as_str()).ok()).unwrap_or_default(),
        enforce_security_groups_on_private_link: lb.enforce_security_group_inbound_rules_on_private_link_traffic.map(|value| value == "on"),
        deletion_protection: false,
        ..LoadBalancer::default()
    }
    .with_attributes(attributes);
    let outputs = Outputs {
        dns_name: lb.dns_name.unwrap_or_default(),
        zone_id: lb.canonical_hosted_zone_id.unwrap_or_default(),
        arn_suffix: arn.split_once("loadbalancer/").map(|(_, suffix)| suffix.to_owned()).unwrap_or_default(),
        arn: arn.clone(),
    };
    Observed::new(arn, tags, spec, outputs).phase(phase)
}

/// Tags of load balancers, target groups or listeners: from the index if available, otherwise read for 20 ARNs per call.
pub(in crate::aws::types) async fn read_tags(
    aws: &Aws,
    scope: &Scope,
    arns: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, Tags>> {
    let (mut all, mut unknown) = (BTreeMap::new(), Vec::new());
    for arn in arns {
        match scope.tags(&arn) {
            Some(tags) => drop(all.insert(arn, tags)),
            None => unknown.push(arn),
        }
    }
    for some in unknown.chunks(20) {
        // If a resource was deleted in the meantime, the call fails for all 20, so the tags are then read one at a time.
        let asked = match ok_or_not_found(aws.elbv2.describe_tags().set_resource_arns(Some(some.to_vec())).send().await)? {
            Some(reply) => vec![reply],
            None => {
                for_each_concurrent(some.to_vec(), |arn| async move {
                    ok_or_not_found(aws.elbv2.describe_tags().resource_arns(arn).send().await)
                })
                .await?
            }
        };
        for description in asked.into_iter().flat_map(|reply| reply.tag_descriptions.unwrap_or_default()) {
            if let Some(arn) = description.resource_arn {
                all.insert(arn, services::elbv2::from_tags(description.tags.as_deref().unwrap_or_default()));
            }
        }
    }
    Ok(all)
}
