//! EKS Auto Mode. AWS enables and disables its three parts together:
//! <https://docs.aws.amazon.com/eks/latest/userguide/auto-enable-existing.html>.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_eks::types::{self as eks, ComputeConfigRequest, StorageConfigRequest};

use super::EksCluster;
use crate::{
    aws::{from_aws, to_aws, types::iam_role::IamRole},
    core::{ArnRef, Declared, Problem, Ref, Result},
};

/// Nodes, block storage and load balancers of a cluster that AWS manages.
#[spec]
pub struct AutoMode {
    /// Built-in node pools. Without any, the cluster runs pods on node pools of your own.
    #[field(default = built_in())]
    pub node_pools: BTreeSet<NodePool>,
    /// Role of the nodes in the built-in node pools; needs `AmazonEKSWorkerNodeMinimalPolicy` and `AmazonEC2ContainerRegistryPullOnly`. Another
    /// role replaces the cluster. The role of other node pools needs an `eks_access_entry` of type `EC2`.
    #[field(unset = "none; built-in node pools require one", dropped = None)]
    pub node_role: Option<ArnRef<IamRole>>,
}

/// A built-in node pool.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "kebab-case")]
pub enum NodePool {
    /// Nodes for any pods.
    GeneralPurpose,
    /// Nodes for add-ons, which tolerate the taint `CriticalAddonsOnly`.
    System,
}

fn built_in() -> BTreeSet<NodePool> {
    [NodePool::GeneralPurpose, NodePool::System].into()
}

/// Managed policies of the cluster's role: <https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html>.
pub const ROLE_POLICIES: [&str; 5] = [
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
];
/// Besides `sts:AssumeRole`, an action of its trust policy.
pub const TAG_SESSION: &str = "sts:TagSession";

/// First Kubernetes version with the feature.
const FIRST_MINOR_VERSION: u32 = 29;

/// The three parts as CreateCluster and UpdateClusterConfig take them.
pub(super) struct Parts {
    pub compute: ComputeConfigRequest,
    pub storage: StorageConfigRequest,
    pub load_balancing: eks::ElasticLoadBalancing,
}

impl Parts {
    /// Enables all parts, or disables them.
    pub fn of(wanted: Option<&AutoMode>) -> Parts {
        let enabled = wanted.is_some();
        let compute = ComputeConfigRequest::builder().enabled(enabled);
        let compute = match wanted {
            Some(AutoMode { node_pools, node_role }) => {
                let pools = node_pools.iter().map(to_aws).collect();
                compute.set_node_pools(Some(pools)).set_node_role_arn(node_role.as_ref().map(|role| role.get().to_owned()))
            }
            None => compute,
        };
        let block_storage = eks::BlockStorage::builder().enabled(enabled).build();
        Parts {
            compute: compute.build(),
            storage: StorageConfigRequest::builder().block_storage(block_storage).build(),
            load_balancing: eks::ElasticLoadBalancing::builder().enabled(enabled).build(),
        }
    }
}

/// `None` if it is disabled, or if AWS reports nothing about it.
pub(super) fn read(compute: Option<&eks::ComputeConfigResponse>) -> Result<Option<AutoMode>> {
    let Some(compute) = compute.filter(|compute| compute.enabled == Some(true)) else { return Ok(None) };
    let node_pools = compute.node_pools().iter().map(|pool| from_aws(pool)).collect::<Result<_>>()?;
    let node_role = compute.node_role_arn().filter(|arn| !arn.is_empty()).map(Ref::to);
    Ok(Some(AutoMode { node_pools, node_role }))
}

/// AWS does not change the role of the nodes.
pub(super) fn has_other_node_role(wanted: Option<&AutoMode>, live: Option<&AutoMode>) -> bool {
    let (Some(wanted), Some(live)) = (wanted, live) else { return false };
    live.node_role.is_some() && wanted.node_role != live.node_role
}

pub(super) fn check(cluster: &EksCluster) -> Vec<Problem> {
    let Some(mode) = &cluster.auto_mode else { return Vec::new() };
    let mut problems = Vec::new();
    let at = EksCluster::POINTERS.auto_mode;
    if !mode.node_pools.is_empty() && mode.node_role.is_none() {
        let problem = Problem::new(at.field(AutoMode::POINTERS.node_role), "built-in node pools need a role for their nodes");
        problems.push(problem.help("set `node_role`, or `node_pools: []` to use node pools of your own"));
    }
    if cluster.authentication_mode == Some(super::AuthenticationMode::ConfigMap) {
        let message = "EKS Auto Mode needs access entries, which `authentication_mode: CONFIG_MAP` excludes";
        problems.push(Problem::new(EksCluster::POINTERS.authentication_mode, message).help("set `API_AND_CONFIG_MAP` or `API`"));
    }
    let minor = cluster.version.as_deref().and_then(|version| version.strip_prefix("1.")?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < FIRST_MINOR_VERSION) {
        let message = format!("EKS Auto Mode needs Kubernetes 1.{FIRST_MINOR_VERSION} or newer");
        problems.push(Problem::new(EksCluster::POINTERS.version, message));
    }
    problems
}

/// Checks the cluster's role, if the stack declares it with managed policies of AWS only.
pub(super) fn check_declared(declared: &Declared<'_, EksCluster>, cluster: &EksCluster) -> Vec<Problem> {
    if cluster.auto_mode.is_none() {
        return Vec::new();
    }
    let Some((address, role)) = declared.referenced(&cluster.role) else { return Vec::new() };
    let mut problems = Vec::new();
    let managed = |policy: &String| policy.rsplit_once(":aws:policy/").map(|(_, name)| name.to_owned());
    let names: Option<BTreeSet<String>> = role.policies.iter().map(managed).collect();
    if let Some(names) = names.filter(|_| role.inline_policies.is_empty()) {
        let missing: Vec<&str> = ROLE_POLICIES.into_iter().filter(|name| !names.contains(*name)).collect();
        if !missing.is_empty() {
            let message = format!("EKS Auto Mode needs policies that `{address}` does not have: {}", missing.join(", "));
            problems.push(Problem::new(EksCluster::POINTERS.auto_mode, message).help(format!("add them to `policies` of `{address}`")));
        }
    }
    if !role.trust.to_json().contains(TAG_SESSION) {
        let message = format!("EKS Auto Mode tags its sessions, but the trust policy of `{address}` does not allow `{TAG_SESSION}`");
        let help = "write `trust: { Statement: [{ Effect: Allow, Principal: { Service: eks.amazonaws.com }, Action: ['sts:AssumeRole', 'sts:TagSession'] }] }`";
        problems.push(Problem::new(EksCluster::POINTERS.role, message).help(help));
    }
    problems
}
