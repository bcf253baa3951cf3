//! Permissions to find and delete what controllers made. Conditions on the tags of the controllers keep acme from everything else.

use crate::core::{ConditionValues, GrantTarget, IamCondition, IamGrant};

/// A condition on a tag that the resource must have, with any value.
const fn tagged(key: &'static str) -> IamCondition {
    IamCondition { operator: "Null", key, values: ConditionValues::Fixed(&["false"]) }
}

/// Reads everything.
pub const FIND: IamGrant = IamGrant::read(
    &[
        "ec2:DescribeImages",
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
        "ec2:DescribeVpcEndpointServiceConfigurations",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
        "globalaccelerator:DescribeAccelerator",
        "globalaccelerator:ListAccelerators",
        "globalaccelerator:ListEndpointGroups",
        "globalaccelerator:ListListeners",
        "globalaccelerator:ListTagsForResource",
        "iam:GetInstanceProfile",
        "iam:ListInstanceProfiles",
        "logs:DescribeLogGroups",
        "route53:ListResourceRecordSets",
    ],
    GrantTarget::AllResources,
);

/// Records of external-dns. Zones have no conditions on tags.
pub const DELETE_IN_ZONES: IamGrant = IamGrant::change(&["route53:ChangeResourceRecordSets"], GrantTarget::AllResources);

/// Accelerators of the AWS Load Balancer Controller. Calls about their listeners are authorized with the tags of the accelerator.
pub const DELETE_ACCELERATORS: IamGrant = IamGrant::change(
    &[
        "globalaccelerator:DeleteAccelerator",
        "globalaccelerator:DeleteEndpointGroup",
        "globalaccelerator:DeleteListener",
        "globalaccelerator:UpdateAccelerator",
    ],
    GrantTarget::AllResources,
)
.only_if(&[tagged("aws:ResourceTag/elbv2.k8s.aws/cluster")]);

/// Load balancers, target groups and security groups of the AWS Load Balancer Controller.
pub const DELETE_BALANCERS: IamGrant = IamGrant::change(
    &[
        "ec2:DeleteSecurityGroup",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DeleteTargetGroup",
    ],
    GrantTarget::AllResources,
)
.only_if(&[tagged("aws:ResourceTag/elbv2.k8s.aws/cluster")]);

/// Instances and launch templates of Karpenter.
pub const DELETE_MACHINES: IamGrant = IamGrant::change(&["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"], GrantTarget::AllResources)
    .only_if(&[tagged("aws:ResourceTag/karpenter.sh/nodepool")]);

/// Instance profiles of Karpenter.
pub const DELETE_PROFILES: IamGrant =
    IamGrant::change(&["iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"], GrantTarget::AllResources)
        .only_if(&[tagged("aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass")]);

/// Network interfaces of the VPC CNI.
pub const DELETE_INTERFACES: IamGrant = IamGrant::change(&["ec2:DeleteNetworkInterface"], GrantTarget::AllResources)
    .only_if(&[tagged("aws:ResourceTag/node.k8s.amazonaws.com/instance_id")]);

/// Volumes and snapshots of the EBS CSI driver.
pub const DELETE_VOLUMES: IamGrant =
    IamGrant::change(&["ec2:CreateSnapshot", "ec2:DeleteSnapshot", "ec2:DeleteVolume"], GrantTarget::AllResources)
        .only_if(&[tagged("aws:ResourceTag/ebs.csi.aws.com/cluster")]);

/// Snapshots of volumes, which EC2 authorizes on both, with their tags.
pub const SNAPSHOT_VOLUMES: IamGrant =
    IamGrant::change(&["ec2:CreateSnapshot", "ec2:CreateTags"], GrantTarget::AllResources).only_if(&[tagged("aws:RequestTag/acme:volume")]);

/// Log groups of the control plane and of Container Insights.
pub const DELETE_LOG_GROUPS: IamGrant = IamGrant::change(&["logs:DeleteLogGroup"], GrantTarget::Arn("logs:log-group:/aws/*"));
