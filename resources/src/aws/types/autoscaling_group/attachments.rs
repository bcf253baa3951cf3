//! Load balancers of a group.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::TrafficSourceIdentifier;

use super::{super::prelude::*, AutoscalingGroup, AutoscalingGroupChanges};
use crate::core::{Named, Ref, ReferencedOutput};

/// Type of a target group of VPC Lattice.
pub(super) const LATTICE: &str = "vpc-lattice";

/// Most attachments that a call changes.
const PER_CALL: usize = 10;

/// Attaches and detaches what differs, new ones first.
pub(super) async fn change(
    cx: &Cx<'_>,
    group: &str,
    before: &AutoscalingGroup,
    after: &AutoscalingGroup,
    changes: &AutoscalingGroupChanges,
) -> Result<()> {
    if changes.target_groups {
        for some in missing(&after.target_groups, &before.target_groups).chunks(PER_CALL) {
            let call = cx.autoscaling.attach_load_balancer_target_groups().auto_scaling_group_name(group);
            call.set_target_group_arns(Some(some.to_vec())).send().await?;
        }
        for some in missing(&before.target_groups, &after.target_groups).chunks(PER_CALL) {
            let call = cx.autoscaling.detach_load_balancer_target_groups().auto_scaling_group_name(group);
            ok_or_not_found(call.set_target_group_arns(Some(some.to_vec())).send().await)?;
        }
    }
    if changes.classic_load_balancers {
        for some in missing(&after.classic_load_balancers, &before.classic_load_balancers).chunks(PER_CALL) {
            let call = cx.autoscaling.attach_load_balancers().auto_scaling_group_name(group);
            call.set_load_balancer_names(Some(some.to_vec())).send().await?;
        }
        for some in missing(&before.classic_load_balancers, &after.classic_load_balancers).chunks(PER_CALL) {
            let call = cx.autoscaling.detach_load_balancers().auto_scaling_group_name(group);
            ok_or_not_found(call.set_load_balancer_names(Some(some.to_vec())).send().await)?;
        }
    }
    if changes.lattice_target_groups {
        let source = |arn: &String| TrafficSourceIdentifier::builder().identifier(arn).r#type(LATTICE).build();
        let attached: Vec<_> = after.lattice_target_groups.difference(&before.lattice_target_groups).map(source).collect();
        if !attached.is_empty() {
            cx.autoscaling.attach_traffic_sources().auto_scaling_group_name(group).set_traffic_sources(Some(attached)).send().await?;
        }
        let detached: Vec<_> = before.lattice_target_groups.difference(&after.lattice_target_groups).map(source).collect();
        if !detached.is_empty() {
            cx.autoscaling.detach_traffic_sources().auto_scaling_group_name(group).set_traffic_sources(Some(detached)).send().await?;
        }
    }
    Ok(())
}

/// Those of one set that the other lacks.
fn missing<T: Named, B: ReferencedOutput>(one: &BTreeSet<Ref<T, B>>, other: &BTreeSet<Ref<T, B>>) -> Vec<String> {
    one.difference(other).map(|reference| reference.get().to_owned()).collect()
}
