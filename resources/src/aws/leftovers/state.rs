//! Phases of leftovers, for the steps that wait for their deletion.

use super::{LeftoverKind, accelerators, balancers, groups, machines, named, records, volumes};
use crate::{
    aws::Aws,
    core::{Phase, Result},
};

/// Phase of the leftover with this id; `None` if it does not exist.
pub(super) async fn phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let Some((kind, id)) = LeftoverKind::of_id(id) else { return Ok(None) };
    match kind {
        LeftoverKind::Accelerator => accelerators::phase(aws, id).await,
        LeftoverKind::LoadBalancer => balancers::phase(aws, id).await,
        LeftoverKind::ClassicLoadBalancer => balancers::classic_phase(aws, id).await,
        LeftoverKind::TargetGroup => balancers::target_group_phase(aws, id).await,
        LeftoverKind::Instance => machines::instance_phase(aws, id).await,
        LeftoverKind::LaunchTemplate => machines::launch_template_phase(aws, id).await,
        LeftoverKind::InstanceProfile => named::instance_profile_phase(aws, id).await,
        LeftoverKind::NetworkInterface => groups::interface_phase(aws, id).await,
        LeftoverKind::SecurityGroup => groups::group_phase(aws, id).await,
        LeftoverKind::Volume => volumes::phase(aws, id).await,
        LeftoverKind::Snapshot => volumes::snapshot_phase(aws, id).await,
        LeftoverKind::DnsRecord => records::phase(aws, id).await,
        LeftoverKind::LogGroup => named::log_group_phase(aws, id).await,
        // Its deletion ends when nothing is left.
        LeftoverKind::Rest => Ok(None),
    }
}
