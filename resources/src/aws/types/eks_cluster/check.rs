//! Rules between the fields of a cluster, and between a cluster and what it refers to.

use super::{EksCluster, IpFamily, auto_mode};
use crate::{
    aws::types::{iam_role::check_trust, subnet::single_zone},
    core::{Declared, Problem},
};

pub(super) fn check(cluster: &EksCluster) -> Vec<Problem> {
    let mut problems = auto_mode::check(cluster);
    if cluster.subnets.len() < 2 {
        problems.push(Problem::new(EksCluster::POINTERS.subnets, "a cluster needs subnets in at least two availability zones"));
    }
    if !cluster.endpoint_public && !cluster.endpoint_private {
        problems.push(Problem::new(EksCluster::POINTERS.endpoint_private, "with both endpoints off, nothing can reach the Kubernetes API"));
    }
    if cluster.endpoint_public && cluster.public_access_cidrs.is_empty() {
        let problem = Problem::new(EksCluster::POINTERS.public_access_cidrs, "a public endpoint needs at least one range with access");
        problems.push(problem.help("set `endpoint_public: false` to close it"));
    }
    // https://docs.aws.amazon.com/eks/latest/userguide/config-cluster-endpoint.html
    for range in cluster.public_access_cidrs.iter().filter(|range| range.is_private()) {
        let problem = Problem::new(EksCluster::POINTERS.public_access_cidrs, format!("`{range}` is a reserved range, not a public one"));
        problems.push(problem.help("inside the network, the private endpoint serves: set `endpoint_private: true`"));
    }
    problems
}

/// A cluster with IPv6 needs subnets with IPv6 ranges.
/// <https://docs.aws.amazon.com/eks/latest/userguide/cni-ipv6.html>
pub(super) fn check_declared(declared: &Declared<'_, EksCluster>) -> Vec<Problem> {
    let Some(cluster) = declared.spec() else { return Vec::new() };
    let mut problems = auto_mode::check_declared(declared, &cluster);
    problems.extend(check_trust(declared, EksCluster::POINTERS.role, &cluster.role, "eks.amazonaws.com"));
    problems.extend(single_zone(declared, EksCluster::POINTERS.subnets, &cluster.subnets, "a cluster"));
    let mut subnets = cluster.subnets.iter().filter_map(|subnet| declared.referenced(subnet));
    if cluster.ip_family == Some(IpFamily::Ipv6)
        && let Some((subnet, _)) = subnets.find(|(_, subnet)| subnet.ipv6_index.is_none())
    {
        let message = format!("`{}` has the IP family `ipv6`, but `{subnet}` has no IPv6 range", declared.address());
        let help = format!("add `ipv6_index` to `{subnet}`, or set `ip_family: ipv4`");
        problems.push(Problem::new(EksCluster::POINTERS.ip_family, message).help(help));
    }
    problems
}
