//! Converts EKS's description of a node group to a spec.

use aws_sdk_eks::types::{Nodegroup, NodegroupIssueCode, NodegroupStatus};

use super::{CapacityType, EksNodeGroup, Outputs, RemoteAccess, Taint};
use crate::{
    aws::{from_aws, services, types::eks_cluster::with_reasons},
    core::{Error, Observed, Phase, Ref, Result},
};

pub(super) fn read(group: Nodegroup) -> Result<Observed<EksNodeGroup>> {
    let cluster = group.cluster_name.ok_or_else(|| Error::missing_field("clusterName"))?;
    let name = group.nodegroup_name.ok_or_else(|| Error::missing_field("nodegroupName"))?;
    let status = group.status.ok_or_else(|| Error::missing_field("status"))?;
    let issues = group.health.and_then(|health| health.issues).unwrap_or_default();
    let status_text = || with_reasons(status.as_str(), &issues);
    let phase = match status {
        NodegroupStatus::Active => Phase::Ready,
        NodegroupStatus::CreateFailed | NodegroupStatus::DeleteFailed => Phase::Failed(status_text()),
        NodegroupStatus::Deleting => Phase::Deleting,
        NodegroupStatus::Degraded if issues.iter().filter_map(|issue| issue.code.as_ref()).any(needs_a_fix) => {
            Phase::Degraded(status_text())
        }
        _ => Phase::Progressing(status_text()),
    };
    let id = format!("{cluster}/{name}");
    let (scaling, pace, template) = (group.scaling_config, group.update_config, group.launch_template);
    let spec = EksNodeGroup {
        cluster: Ref::to(cluster),
        name: Some(name),
        role: Ref::to(group.node_role.unwrap_or_default()),
        subnets: group.subnets.into_iter().flatten().map(Ref::to).collect(),
        instance_types: group.instance_types,
        capacity_type: group.capacity_type.map_or(Ok(CapacityType::OnDemand), |capacity| from_aws(capacity.as_str()))?,
        ami_type: group.ami_type.map(|ami| ami.as_str().to_owned()),
        disk_gib: group.disk_size,
        min: scaling.as_ref().and_then(|scaling| scaling.min_size).unwrap_or_default(),
        max: scaling.as_ref().and_then(|scaling| scaling.max_size).unwrap_or_default(),
        desired: scaling.and_then(|scaling| scaling.desired_size),
        labels: group.labels.unwrap_or_default().into_iter().collect(),
        taints: group.taints.unwrap_or_default().into_iter().map(Taint::read).collect::<Result<_>>()?,
        version: group.version,
        release_version: group.release_version,
        force_update: false,
        max_unavailable: pace.as_ref().and_then(|pace| pace.max_unavailable),
        max_unavailable_percentage: pace.and_then(|pace| pace.max_unavailable_percentage),
        node_repair: group.node_repair_config.and_then(|repair| repair.enabled),
        launch_template: template.as_ref().and_then(|template| template.id.clone()).map(Ref::to),
        launch_template_version: template.and_then(|template| template.version),
        remote_access: group.remote_access.map(|remote| RemoteAccess {
            ec2_ssh_key: remote.ec2_ssh_key.unwrap_or_default(),
            source_security_groups: remote.source_security_groups.into_iter().flatten().map(Ref::to).collect(),
        }),
    };
    let groups = group.resources.and_then(|resources| resources.auto_scaling_groups).unwrap_or_default();
    let outputs = Outputs {
        arn: group.nodegroup_arn.unwrap_or_default(),
        autoscaling_groups: groups.into_iter().filter_map(|group| group.name).collect(),
    };
    Ok(Observed::new(id, services::eks::from_tags(group.tags.as_ref()), spec, outputs).phase(phase))
}

/// Whether the problem remains until it is fixed; lack of capacity, limits and unreachable nodes may be temporary.
///
/// Source: <https://docs.aws.amazon.com/eks/latest/APIReference/API_Issue.html>.
fn needs_a_fix(code: &NodegroupIssueCode) -> bool {
    use NodegroupIssueCode as Code;
    matches!(
        code,
        Code::AccessDenied
            | Code::AmiIdNotFound
            | Code::AutoScalingGroupInvalidConfiguration
            | Code::AutoScalingGroupNotFound
            | Code::AutoScalingGroupOptInRequired
            | Code::Ec2InstanceTypeDoesNotExist
            | Code::Ec2LaunchTemplateInvalidConfiguration
            | Code::Ec2LaunchTemplateNotFound
            | Code::Ec2LaunchTemplateVersionMismatch
            | Code::Ec2SecurityGroupNotFound
            | Code::Ec2SubnetInvalidConfiguration
            | Code::Ec2SubnetMissingIpv6Assignment
            | Code::Ec2SubnetNotFound
            | Code::IamInstanceProfileNotFound
            | Code::IamNodeRoleNotFound
            | Code::KubernetesLabelInvalid
            | Code::NodeCreationFailure
            | Code::SourceEc2LaunchTemplateNotFound
    )
}
