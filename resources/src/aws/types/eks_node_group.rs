//! `eks_node_group`: worker nodes of a cluster, which EKS starts and replaces.

mod image;
mod labels;
pub(super) mod preflight;
mod read;
mod taint;
mod template;
mod unmanaged;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_eks::types::{NodeRepairConfig, NodegroupScalingConfig, NodegroupUpdateConfig, RemoteAccessConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use read::read;
pub use taint::{Taint, TaintEffect};
use unmanaged::Unmanaged;

use super::{
    eks_cluster::{EksCluster, PASS_ROLE_SERVICES, failed_update, names_in_clusters, split_id},
    iam_role::{IamRole, check_trust},
    launch_template::LaunchTemplate,
    security_group::SecurityGroup,
    subnet::Subnet,
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services, to_aws},
    core::{
        ArnRef, Created, Declared, Deletion, Error, Existing, GateReport, GateSource, GrantTarget, IamActions, IamGrant, Observed,
        PlannedSpecs, Prerequisite, PriceContext, Pricing, Problem, Questions, Ref, Resource, Result, Scope, Stage, TypeInfo,
        ok_or_not_found, referenced_ids,
    },
};

/// Worker nodes of a cluster.
#[spec]
pub struct EksNodeGroup {
    /// The cluster.
    #[field(replaces, parent, unique = "name")]
    pub cluster: Ref<EksCluster>,
    /// Name of letters, digits, `-` and `_`.
    #[field(replaces, unique = "name", name(max = 63), pattern = "[0-9A-Za-z][0-9A-Za-z_-]*")]
    pub name: Option<String>,
    /// The role of the nodes.
    #[field(replaces)]
    pub role: ArnRef<IamRole>,
    /// Subnets in which the nodes start.
    #[field(replaces)]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Instance types, in order of preference.
    #[field(unset = "the launch template's, or AWS's default, t3.medium", length = 1..=20, replaces, important)]
    #[field(dropped(kept, "AWS's default applies only at creation"))]
    pub instance_types: Option<Vec<String>>,
    /// Purchase option of the instances.
    #[field(important, default = CapacityType::OnDemand, replaces)]
    pub capacity_type: CapacityType,
    /// Machine image family, such as `AL2023_ARM_64_STANDARD`.
    #[field(unset = "AWS's choice, by instance type", replaces, dropped(kept, "AWS's choice applies only at creation"))]
    pub ami_type: Option<String>,
    /// Size of the root volume, in GiB.
    #[field(unset = "AWS's default, 20 (50 for Windows)", range = 1..=16_384, replaces, conflicts_with = launch_template)]
    #[field(dropped(kept, "AWS's default applies only at creation"))]
    pub disk_gib: Option<i32>,
    /// Minimum number of nodes.
    #[field(important, range = 0..=2_147_483_647)]
    pub min: i32,
    /// Maximum number of nodes.
    #[field(range = 1..=2_147_483_647, important)]
    pub max: i32,
    /// Number of nodes when the group is created, between `min` and `max`. Afterwards a scaler sets it.
    #[field(unset = "`min`", initial_only, dropped(kept, "used only at creation"))]
    pub desired: Option<i32>,
    /// Kubernetes labels of the nodes, keys and values of 1 to 63 characters.
    // Values: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
    #[field(default, pattern = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints of the nodes.
    #[field(default)]
    pub taints: BTreeSet<Taint>,
    /// Kubernetes minor version in quotes. In the section `cluster`, the cluster's by default, so that the nodes follow its upgrades.
    // https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
    // https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html
    #[field(
        important,
        unset = "the cluster's when the group is created; acme does not change it afterwards",
        impact = "every node is replaced, and its pods are rescheduled",
        one_way(Direction::DecidedByAws, "AWS may refuse to roll the nodes' Kubernetes version back")
    )]
    #[field(dropped(kept, "the cluster's version applies only at creation"))]
    pub version: Option<String>,
    /// Version of the machine image.
    #[field(
        unset = "the newest when the group is created; acme does not change it afterwards",
        impact = "every node is replaced, and its pods are rescheduled",
        one_way(Direction::DecidedByAws, "AWS may refuse to roll the version of the machine image back")
    )]
    #[field(dropped(kept, "the newest version applies only at creation"))]
    pub release_version: Option<String>,
    /// Replaces nodes during an update of version or image even if a disruption budget forbids it.
    #[field(default = false, risky(true, "updates ignore disruption budgets"), write_only)]
    pub force_update: bool,
    /// Number of nodes replaced in parallel during an update.
    #[field(unset = "AWS's default, 1", range = 1..=100, dropped = 1)]
    pub max_unavailable: Option<i32>,
    /// Share of nodes replaced in parallel during an update, in percent.
    #[field(unset = "`max_unavailable` applies", range = 1..=100, conflicts_with = max_unavailable, dropped = None)]
    pub max_unavailable_percentage: Option<i32>,
    /// Replaces unhealthy nodes.
    #[field(unset = "AWS's default, false", dropped = false)]
    pub node_repair: Option<bool>,
    /// Launch template. It sets disk and remote access, too:
    /// <https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html>.
    #[field(unset = "one that EKS creates", replaces, dropped = None)]
    pub launch_template: Option<Ref<LaunchTemplate>>,
    /// Version of the launch template: a number in quotes, `$Latest` or `$Default` (both resolved when the group is created). With
    /// `{{ launch_template.<name>.version }}`, a change of the template replaces the nodes.
    #[field(unset = "the template's default version", impact = "every node is replaced, and its pods are rescheduled", requires = launch_template)]
    #[field(dropped(kept, "nodes are not replaced only for a newer default version"))]
    pub launch_template_version: Option<String>,
    /// SSH access to the nodes.
    #[field(unset = "none", replaces, important, conflicts_with = launch_template, dropped = None)]
    pub remote_access: Option<RemoteAccess>,
}

/// Purchase option of instances.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapacityType {
    /// Billed by the second.
    OnDemand,
    /// Cheaper, but AWS reclaims them at two minutes' notice.
    Spot,
    /// Reserved in advance.
    CapacityBlock,
}

/// SSH access to the nodes.
#[spec]
pub struct RemoteAccess {
    /// Name of the EC2 key pair.
    pub ec2_ssh_key: String,
    /// Security groups with SSH access. Without any, port 22 is open to the internet.
    #[field(default, risky([], "port 22 is open to the internet"))]
    pub source_security_groups: BTreeSet<Ref<SecurityGroup>>,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Names of the Auto Scaling groups that EKS created.
    #[schemars(extend("x-acme-simulated" = ["eks-{label}-{uuid}"]))]
    pub autoscaling_groups: Vec<String>,
}

/// Instance type of a group that names none, and GiB of its disks: <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html>.
const DEFAULT_INSTANCE_TYPE: &str = "t3.medium";
const DEFAULT_DISK_GIB: i32 = 20;

impl Resource for EksNodeGroup {
    const TYPE: TypeInfo = TypeInfo::new(
        "eks_node_group",
        &services::eks::SERVICE,
        "{cluster}/{name}",
        "arn:aws:eks:{region}:{account}:nodegroup/{cluster}/{name}/{uuid}",
    )
    .typical_seconds(150)
    .longest_hours(24)
    .iam_actions(
        IamActions::new("eks:nodegroup/{parent}/*")
            .read(&["eks:DescribeNodegroup"])
            .change(&[
                "eks:DeleteNodegroup",
                "eks:DescribeUpdate",
                "eks:ListUpdates",
                "eks:UpdateNodegroupConfig",
                "eks:UpdateNodegroupVersion",
            ])
            .questions(&[
                "ec2:DescribeInstanceTypeOfferings",
                "ec2:DescribeKeyPairs",
                "ec2:DescribeLaunchTemplates",
                "eks:DescribeClusterVersions",
            ])
            .grants(&[
                IamGrant::read(&["eks:ListNodegroups"], GrantTarget::Arn("eks:cluster/{parent}")),
                // AWS checks for updates at the cluster and at the node group.
                IamGrant::change(&["eks:CreateNodegroup", "eks:DescribeUpdate", "eks:ListUpdates"], GrantTarget::Referenced("eks_cluster")),
                IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(PASS_ROLE_SERVICES)),
                IamGrant::change(&["iam:GetRole", "iam:ListAttachedRolePolicies"], GrantTarget::Referenced("iam_role")),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("eks-nodegroup.amazonaws.com")),
                // EKS reads the network and the launch template with the caller's permissions.
                IamGrant::change(
                    &["ec2:DescribeLaunchTemplateVersions", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"],
                    GrantTarget::AllResources,
                ),
            ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let nodes = f64::from(self.desired.unwrap_or(self.min).max(self.min));
        let template = self.launch_template.as_ref().and_then(|template| context.referenced(template));
        let own_type = self.instance_types.as_ref().and_then(|types| types.first().cloned());
        let type_of_template = template.as_ref().and_then(|template: &LaunchTemplate| template.instance_type.clone());
        let instance_type = own_type.or(type_of_template).unwrap_or_else(|| DEFAULT_INSTANCE_TYPE.to_owned());
        let mut pricing = Pricing::default();
        match self.capacity_type {
            CapacityType::OnDemand => pricing.components.push(services::ec2::prices::instances(context, &instance_type, nodes)),
            CapacityType::Spot => pricing = pricing.without("spot instances, whose prices change by the hour"),
            CapacityType::CapacityBlock => pricing = pricing.without("capacity blocks, which are paid for in advance"),
        }
        match (&self.launch_template, template) {
            (None, _) => {
                let gib = f64::from(self.disk_gib.unwrap_or(DEFAULT_DISK_GIB));
                let disks = services::ec2::prices::volumes(context, "gp3", gib, nodes).assuming(format!("{gib} GiB of gp3 in each node"));
                pricing.components.push(disks);
            }
            (Some(_), Some(template)) => pricing = template.add_disks(pricing, context, nodes),
            (Some(_), None) => pricing = pricing.without("the disks of a launch template outside the stack"),
        }
        pricing
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_nodegroups().cluster_name(cluster).into_paginator().items().send().try_collect();
        let may_own = |name: &str| scope.may_own(name, "");
        for_each_concurrent(names_in_clusters(scope, "nodegroup", may_own, list).await?, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await)?;
            reply.and_then(|reply| reply.nodegroup).map(read).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let remote_access = self.remote_access.as_ref().map(|remote| {
            let groups = Some(referenced_ids(&remote.source_security_groups)).filter(|groups| !groups.is_empty());
            RemoteAccessConfig::builder().ec2_ssh_key(&remote.ec2_ssh_key).set_source_security_groups(groups).build()
        });
        let scaling =
            NodegroupScalingConfig::builder().min_size(self.min).max_size(self.max).desired_size(self.desired.unwrap_or(self.min));
        let reply = cx
            .eks
            .create_nodegroup()
            .cluster_name(self.cluster.get())
            .set_nodegroup_name(self.name.clone())
            .client_request_token(&cx.call.token)
            .node_role(self.role.get())
            .set_subnets(Some(referenced_ids(&self.subnets)))
            .set_instance_types(self.instance_types.clone())
            .capacity_type(to_aws(&self.capacity_type).as_str().into())
            .set_ami_type(self.ami_type.as_deref().map(Into::into))
            .set_disk_size(self.disk_gib)
            .scaling_config(scaling.build())
            .set_labels(Some(self.labels.clone().into_iter().collect()))
            .set_taints(Some(self.taints.iter().map(Taint::to_sdk).collect()))
            .set_version(self.version.clone())
            .set_release_version(self.release_version.clone())
            .set_update_config(self.update_config())
            .set_node_repair_config(self.node_repair_config())
            .set_launch_template(self.template())
            .set_remote_access(remote_access)
            .set_tags(Some(services::eks::to_tags(&cx.call.tags)))
            .send()
            .await?;
        let name = reply.nodegroup.and_then(|group| group.nodegroup_name).ok_or_else(|| Error::missing_field("nodegroupName"))?;
        Ok(format!("{}/{name}", self.cluster.get()).into())
    }

    /// A node group accepts one update at a time, of its settings or of its version; the engine calls this again for the other.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EksNodeGroupChanges) -> Result<()> {
        let (cluster, name) = split_id(&live.id)?;
        let before = &live.spec;
        let scaling = changes.min || changes.max;
        let pace = changes.max_unavailable || changes.max_unavailable_percentage;
        if scaling || changes.labels || changes.taints || pace || changes.node_repair {
            let unmanaged = if pace || changes.node_repair { unmanaged::read(cx, cluster, name).await? } else { Unmanaged::default() };
            cx.eks
                .update_nodegroup_config()
                .cluster_name(cluster)
                .nodegroup_name(name)
                .set_scaling_config(scaling.then(|| self.scaling(before)))
                .set_labels(changes.labels.then(|| labels::changes(&before.labels, &self.labels)))
                .set_taints(changes.taints.then(|| Taint::changes(&before.taints, &self.taints)))
                .set_update_config(pace.then(|| unmanaged.with_strategy(self.update_config().unwrap_or_else(one_at_a_time))))
                .set_node_repair_config(self.node_repair.filter(|_| changes.node_repair).map(|enabled| unmanaged.node_repair(enabled)))
                .send()
                .await?;
        } else if changes.version || changes.release_version || changes.launch_template_version {
            // Without a version AWS uses the cluster's; with an image from the template it accepts none.
            let version = self.version.clone().or_else(|| before.version.clone());
            cx.eks
                .update_nodegroup_version()
                .cluster_name(cluster)
                .nodegroup_name(name)
                .set_version(version.filter(|_| !before.has_own_image()))
                .set_release_version(self.release_version.clone().filter(|_| !before.has_own_image()))
                .set_launch_template(self.template().filter(|_| changes.launch_template_version))
                .force(self.force_update)
                .send()
                .await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (cluster, name) = split_id(&live.id)?;
        cx.eks.delete_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await?;
        Ok(Deletion::Requested)
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        let (cluster, name) = split_id(id)?;
        failed_update(aws, cluster, Some(name)).await
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: EksNodeGroupChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn stages(&self, live: &Self, passed: &[String]) -> Vec<Stage<Self>> {
        upgrade::stages(self, live, passed)
    }

    async fn gates(&self, source: &GateSource<'_, Aws>, live: &Existing<Self>, planned: &PlannedSpecs) -> Result<GateReport> {
        upgrade::gates(self, source, live, planned).await
    }

    /// EC2 creates the role only for callers that may create it, and the nodes are started by Auto Scaling:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html>.
    fn prerequisites(&self) -> Vec<Prerequisite> {
        match self.capacity_type {
            CapacityType::Spot => vec![Prerequisite::ServiceLinkedRole { service: "spot.amazonaws.com" }],
            CapacityType::OnDemand | CapacityType::CapacityBlock => Vec::new(),
        }
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(group) = declared.spec() else { return Vec::new() };
        let mut problems = template::check(declared, &group);
        problems.extend(check_trust(declared, Self::POINTERS.role, &group.role, "ec2.amazonaws.com"));
        problems.extend(upgrade::check_declared(declared, &group));
        problems
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = image::check(self);
        let mut types = BTreeSet::new();
        for (index, twice) in self.instance_types.iter().flatten().enumerate().filter(|(_, name)| !types.insert(*name)) {
            problems.push(Problem::new(Self::POINTERS.instance_types.item(index), format!("`{twice}` is listed twice")).help("keep one"));
        }
        let mut taints = BTreeSet::new();
        for (index, twice) in self.taints.iter().enumerate().filter(|(_, taint)| !taints.insert((&taint.key, taint.effect))) {
            let message = format!("there are two taints with the key `{}` and this effect", twice.key);
            problems.push(Problem::new(Self::POINTERS.taints.item(index), message).help("keep one"));
        }
        if self.min > self.max {
            problems.push(
                Problem::new(Self::POINTERS.max, format!("must be at least `min: {}`", self.min)).help("raise `max`, or lower `min`"),
            );
        }
        problems.extend(labels::check(self));
        if let Some(desired) = self.desired.filter(|desired| !(self.min..=self.max).contains(desired)) {
            problems.push(
                Problem::new(Self::POINTERS.desired, format!("{desired} is not between `min` and `max`"))
                    .help("change `desired`, or one of the limits"),
            );
        }
        if self.subnets.is_empty() {
            problems.push(Problem::new(Self::POINTERS.subnets, "a node group needs a subnet"));
        }
        problems
    }

    fn normalize(&self, live: &mut Self) {
        // AWS returns the number for `$Latest` or `$Default`.
        if self.launch_template_version.as_ref().is_some_and(|version| version == "$Latest" || version == "$Default") {
            live.launch_template_version.clone_from(&self.launch_template_version);
        }
        // Both follow from the image then, and can't be set.
        if live.has_own_image() {
            live.version.clone_from(&self.version);
            live.release_version.clone_from(&self.release_version);
        }
    }
}

/// AWS's default pace.
fn one_at_a_time() -> NodegroupUpdateConfig {
    NodegroupUpdateConfig::builder().max_unavailable(1).build()
}

impl EksNodeGroup {
    /// Whether the launch template sets the machine image.
    fn has_own_image(&self) -> bool {
        self.ami_type.as_deref() == Some("CUSTOM")
    }
    /// AWS rejects limits that exclude the number of running nodes, so the number is adjusted to them.
    fn scaling(&self, before: &Self) -> NodegroupScalingConfig {
        let running = before.desired.unwrap_or(self.min);
        let desired = running.max(self.min).min(self.max);
        NodegroupScalingConfig::builder()
            .min_size(self.min)
            .max_size(self.max)
            .set_desired_size((before.desired != Some(desired)).then_some(desired))
            .build()
    }
    fn update_config(&self) -> Option<NodegroupUpdateConfig> {
        (self.max_unavailable.is_some() || self.max_unavailable_percentage.is_some()).then(|| {
            NodegroupUpdateConfig::builder()
                .set_max_unavailable(self.max_unavailable)
                .set_max_unavailable_percentage(self.max_unavailable_percentage)
                .build()
        })
    }
    fn node_repair_config(&self) -> Option<NodeRepairConfig> {
        self.node_repair.map(|enabled| NodeRepairConfig::builder().enabled(enabled).build())
    }
}
