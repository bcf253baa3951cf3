//! `eks_node_group`: worker nodes of a cluster, which EKS starts and replaces.

mod read;
mod taint;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_eks::types::{
    LaunchTemplateSpecification, NodeRepairConfig, NodegroupScalingConfig, NodegroupUpdateConfig, RemoteAccessConfig, UpdateLabelsPayload,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use read::observed;
pub use taint::{Taint, TaintEffect};

use super::{
    eks_cluster::{EksCluster, PASSED_TO, covers, failed_update, inside, of_clusters},
    iam_role::IamRole,
    security_group::SecurityGroup,
    subnet::Subnet,
};
use crate::{
    aws::{Aws, each, tags, text},
    core::{
        Actions, ArnRef, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, OneWay,
        Problem, Ref, Result, Scope, Service, Way, ids, ok_or_not_found,
    },
};

/// Worker nodes of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EksNodeGroup {
    /// The cluster. Changing it replaces the node group.
    pub cluster: Ref<EksCluster>,
    /// Name, at most 63 letters, digits, `-` and `_`. Default: `<stack>-<environment>-<name>`. Changing it replaces the node group.
    #[serde(default)]
    pub name: Option<String>,
    /// The role of the nodes. Changing it replaces the node group.
    pub role: ArnRef<IamRole>,
    /// Subnets the nodes start in. Changing them replaces the node group.
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Instance types, the preferred first. Default: the launch template's, or AWS's `t3.medium`. Changing them replaces the node group.
    #[serde(default)]
    pub instance_types: Option<Vec<String>>,
    /// How instances are paid. Default: `ON_DEMAND`. Changing it replaces the node group.
    #[serde(default)]
    pub capacity_type: CapacityType,
    /// Machine image family, such as `AL2023_ARM_64_STANDARD`. Default: AWS chooses by instance type. Changing it replaces the node group.
    #[serde(default)]
    pub ami_type: Option<String>,
    /// Root volume in GiB. Default: AWS's, 20 (50 for Windows). Changing it replaces the node group.
    #[serde(default)]
    pub disk_gib: Option<i32>,
    /// Fewest nodes.
    pub min: i32,
    /// Most nodes.
    pub max: i32,
    /// Nodes that shall run. Default: `min` at creation, then left to the autoscaler within `min` and `max`.
    #[serde(default)]
    pub desired: Option<i32>,
    /// Kubernetes labels of the nodes. Default: none.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints of the nodes. Default: none.
    #[serde(default)]
    pub taints: BTreeSet<Taint>,
    /// Kubernetes minor version in quotes. Default: the cluster's at creation, then left alone.
    #[serde(default)]
    pub version: Option<String>,
    /// Version of the machine image. Default: the newest at creation, then left alone.
    #[serde(default)]
    pub release_version: Option<String>,
    /// Replaces nodes during an update of version or image even where a disruption budget forbids it. Default: false.
    #[serde(default)]
    pub force_update: bool,
    /// Nodes replaced at once during an update. Default: AWS's, 1. Excludes `max_unavailable_percentage`.
    #[serde(default)]
    pub max_unavailable: Option<i32>,
    /// Share of nodes replaced at once during an update, in percent. Excludes `max_unavailable`.
    #[serde(default)]
    pub max_unavailable_percentage: Option<i32>,
    /// Replaces unhealthy nodes. Default: AWS's, false.
    #[serde(default)]
    pub node_repair: Option<bool>,
    /// Id of the launch template. Default: EKS makes its own. Changing it replaces the node group.
    #[serde(default)]
    pub launch_template: Option<String>,
    /// Version of the launch template: a number in quotes, `$Latest` or `$Default` (both resolved at creation). Default: its default version.
    #[serde(default)]
    pub launch_template_version: Option<String>,
    /// SSH access to the nodes. Default: none. Changing it replaces the node group.
    #[serde(default)]
    pub remote_access: Option<RemoteAccess>,
}

/// How instances are paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapacityType {
    /// By the second.
    #[default]
    OnDemand,
    /// Cheaper, and taken away at two minutes' notice.
    Spot,
    /// Reserved ahead.
    CapacityBlock,
}

/// SSH access to the nodes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteAccess {
    /// Name of the EC2 key pair.
    pub ec2_ssh_key: String,
    /// Security groups that may connect. Default: none, which opens port 22 to the internet.
    #[serde(default)]
    pub source_security_groups: BTreeSet<Ref<SecurityGroup>>,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Names of the Auto Scaling groups EKS made.
    pub autoscaling_groups: Vec<String>,
}

impl Resource for EksNodeGroup {
    const TYPE: &'static str = "eks_node_group";
    const SERVICE: Service = Service::Eks;
    const ARN: Option<&'static str> = Some("eks:nodegroup/");
    const REPLACE: &'static [&'static str] = &[
        "/cluster",
        "/name",
        "/role",
        "/subnets",
        "/instance_types",
        "/capacity_type",
        "/ami_type",
        "/disk_gib",
        "/launch_template",
        "/remote_access",
    ];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/cluster", "/name"]];
    const NAME: Option<Naming> = Some(Naming { max: 63, lower: false, prefix: "" });
    const PARENT: Option<&'static str> = Some("eks_cluster");
    const USUAL: Duration = Duration::from_secs(150);
    // https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
    const DISTURBS: &'static [(&'static str, &'static str)] = &[
        ("/version", "every node is replaced, and its pods move"),
        ("/release_version", "every node is replaced, and its pods move"),
        ("/launch_template_version", "every node is replaced, and its pods move"),
    ];
    // https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html
    const ONE_WAY: &'static [OneWay] = &[
        OneWay { field: "/version", why: "AWS may not take the nodes' Kubernetes version back", way: Way::Open },
        OneWay { field: "/release_version", why: "AWS may not take the version of the machine image back", way: Way::Open },
    ];
    const ACTIONS: Actions = Actions::on("eks:nodegroup/{parent}/*")
        .read(&["eks:DescribeNodegroup"])
        .change(&[
            "eks:DeleteNodegroup",
            "eks:DescribeUpdate",
            "eks:ListUpdates",
            "eks:UpdateNodegroupConfig",
            "eks:UpdateNodegroupVersion",
        ])
        .more(&[
            Grant::read(&["eks:ListNodegroups"], On::Arn("eks:cluster/{parent}")),
            // AWS looks for updates at the cluster and at the node group.
            Grant::change(&["eks:CreateNodegroup", "eks:DescribeUpdate", "eks:ListUpdates"], On::Used("eks_cluster")),
            Grant::change(&["iam:PassRole"], On::Passed(PASSED_TO)),
            Grant::change(&["iam:GetRole", "iam:ListAttachedRolePolicies"], On::Used("iam_role")),
            Grant::change(&["iam:CreateServiceLinkedRole"], On::ServiceLinked("eks-nodegroup.amazonaws.com")),
            // EKS looks at the network and at a launch template with the caller's permissions.
            Grant::change(&["ec2:DescribeLaunchTemplateVersions", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"], On::Everything),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let list = |cluster: &str| aws.eks.list_nodegroups().cluster_name(cluster).into_paginator().items().send().try_collect();
        let groups = of_clusters(scope, list).await?.into_iter().filter(|(cluster, name)| covers(scope, "nodegroup", cluster, name));
        each(groups, |(cluster, name)| async move {
            let reply = ok_or_not_found(aws.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await)?;
            reply.and_then(|reply| reply.nodegroup).map(observed).transpose()
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let remote_access = self.remote_access.as_ref().map(|remote| {
            let groups = Some(ids(&remote.source_security_groups)).filter(|groups| !groups.is_empty());
            RemoteAccessConfig::builder().ec2_ssh_key(&remote.ec2_ssh_key).set_source_security_groups(groups).build()
        });
        let scaling =
            NodegroupScalingConfig::builder().min_size(self.min).max_size(self.max).desired_size(self.desired.unwrap_or(self.min));
        let reply = cx
            .aws
            .eks
            .create_nodegroup()
            .cluster_name(self.cluster.get())
            .set_nodegroup_name(self.name.clone())
            .client_request_token(cx.token)
            .node_role(self.role.get())
            .set_subnets(Some(ids(&self.subnets)))
            .set_instance_types(self.instance_types.clone())
            .capacity_type(text(&self.capacity_type).as_str().into())
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
            .set_tags(Some(tags::map(cx.tags)))
            .send()
            .await?;
        let name = reply.nodegroup.and_then(|group| group.nodegroup_name).ok_or_else(|| Error::missing("nodegroupName"))?;
        Ok(format!("{}/{name}", self.cluster.get()))
    }

    /// A node group takes one update at a time, of its settings or of its version; the engine comes back for the other.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let (cluster, name) = inside(id)?;
        let (scaling, labels, taints) = (changed.any(&["/min", "/max", "/desired"]), changed.has("/labels"), changed.has("/taints"));
        let (pace, repair) = (changed.any(&["/max_unavailable", "/max_unavailable_percentage"]), changed.has("/node_repair"));
        if scaling || labels || taints || pace || repair {
            cx.aws
                .eks
                .update_nodegroup_config()
                .cluster_name(cluster)
                .nodegroup_name(name)
                .set_scaling_config(scaling.then(|| self.scaling(before)))
                .set_labels(labels.then(|| self.label_changes(before)))
                .set_taints(taints.then(|| Taint::changes(&before.taints, &self.taints)))
                .set_update_config(self.update_config().filter(|_| pace))
                .set_node_repair_config(self.node_repair_config().filter(|_| repair))
                .send()
                .await?;
        } else if changed.any(&["/version", "/release_version", "/launch_template_version"]) {
            // Without a version AWS takes the cluster's; with an image from the template it takes none.
            let version = self.version.clone().or_else(|| before.version.clone());
            cx.aws
                .eks
                .update_nodegroup_version()
                .cluster_name(cluster)
                .nodegroup_name(name)
                .set_version(version.filter(|_| !before.has_own_image()))
                .set_release_version(self.release_version.clone().filter(|_| !before.has_own_image()))
                .set_launch_template(self.template().filter(|_| changed.has("/launch_template_version")))
                .force(self.force_update)
                .send()
                .await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (cluster, name) = inside(id)?;
        cx.aws.eks.delete_nodegroup().cluster_name(cluster).nodegroup_name(name).send().await?;
        Ok(())
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        let (cluster, name) = inside(id)?;
        failed_update(aws, cluster, Some(name)).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.min < 0 || self.max < 1 || self.min > self.max {
            problems.push(Problem::new("/max", format!("`min: {}` to `max: {}` is no range of node counts", self.min, self.max)));
        }
        if let Some(desired) = self.desired.filter(|desired| !(self.min..=self.max).contains(desired)) {
            problems.push(Problem::new("/desired", format!("{desired} is not between `min` and `max`")));
        }
        if self.subnets.is_empty() {
            problems.push(Problem::new("/subnets", "a node group needs a subnet"));
        }
        if self.max_unavailable.is_some() && self.max_unavailable_percentage.is_some() {
            problems.push(Problem::new("/max_unavailable_percentage", "say either `max_unavailable` or `max_unavailable_percentage`"));
        }
        // https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html
        if self.launch_template.is_some() && self.disk_gib.is_some() {
            problems.push(Problem::new("/disk_gib", "with a launch template the disk is set there"));
        }
        if self.launch_template.is_some() && self.remote_access.is_some() {
            problems.push(Problem::new("/remote_access", "with a launch template remote access is set there"));
        }
        if self.launch_template.is_none() && self.launch_template_version.is_some() {
            problems.push(Problem::new("/launch_template_version", "there is no `launch_template`"));
        }
        problems
    }

    fn align(&self, live: &mut Self) {
        live.force_update = self.force_update;
        // AWS reports the number these stood for.
        if self.launch_template_version.as_ref().is_some_and(|version| version.starts_with('$')) {
            live.launch_template_version.clone_from(&self.launch_template_version);
        }
        // Both follow from the image then, and can't be asked for.
        if live.has_own_image() {
            live.version.clone_from(&self.version);
            live.release_version.clone_from(&self.release_version);
        }
    }
}

impl EksNodeGroup {
    /// Whether the launch template names the machine image.
    fn has_own_image(&self) -> bool {
        self.ami_type.as_deref() == Some("CUSTOM")
    }
    /// AWS refuses bounds that the number of running nodes does not fit, so that number follows them, but is otherwise the autoscaler's.
    fn scaling(&self, before: &Self) -> NodegroupScalingConfig {
        let running = before.desired.unwrap_or(self.min);
        let desired = self.desired.unwrap_or_else(|| running.max(self.min).min(self.max));
        NodegroupScalingConfig::builder()
            .min_size(self.min)
            .max_size(self.max)
            .set_desired_size((before.desired != Some(desired)).then_some(desired))
            .build()
    }
    fn label_changes(&self, before: &Self) -> UpdateLabelsPayload {
        let new: HashMap<String, String> =
            self.labels.iter().filter(|(key, value)| before.labels.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let old: Vec<String> = before.labels.keys().filter(|key| !self.labels.contains_key(*key)).cloned().collect();
        UpdateLabelsPayload::builder()
            .set_add_or_update_labels((!new.is_empty()).then_some(new))
            .set_remove_labels((!old.is_empty()).then_some(old))
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
    fn template(&self) -> Option<LaunchTemplateSpecification> {
        let template = self.launch_template.as_ref()?;
        Some(LaunchTemplateSpecification::builder().id(template).set_version(self.launch_template_version.clone()).build())
    }
}
