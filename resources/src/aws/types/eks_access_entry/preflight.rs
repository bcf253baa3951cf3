//! Access policies that EKS offers.

use std::collections::BTreeSet;

use super::EksAccessEntry;
use crate::{
    aws::Aws,
    core::{Error, Problem, Questions},
};

/// All access policies, for the simulated cloud: <https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html>.
const ACCESS_POLICIES: &[&str] = &[
    "AmazonAIOpsAssistantPolicy",
    "AmazonARCRegionSwitchScalingPolicy",
    "AmazonEKSACKPolicy",
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSClusterInsightsPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEMRJobPolicy",
    "AmazonSagemakerHyperpodClusterPolicy",
    "AmazonSagemakerHyperpodControllerPolicy",
    "AmazonSagemakerHyperpodSystemNamespacePolicy",
];

/// Problems with access policies that do not exist.
pub(super) async fn unknown_policies(entry: &EksAccessEntry, questions: &Questions<'_, Aws>) -> Vec<Problem> {
    if entry.policies.is_empty() {
        return Vec::new();
    }
    let call = |aws: &Aws| {
        let pages = aws.eks.list_access_policies().into_paginator().items().send();
        async move {
            let policies: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(policies.into_iter().filter_map(|policy| policy.name).collect())
        }
    };
    let published = |_: &str| ACCESS_POLICIES.iter().map(|name| (*name).to_owned()).collect();
    let all: Option<BTreeSet<String>> = questions.ask_or_simulate("eks:ListAccessPolicies", "", published, call).await;
    let all = all.unwrap_or_default();
    let problem = |name: &str| {
        Problem::not_offered(EksAccessEntry::POINTERS.policies, name, "policies", " as an access policy", all.iter().map(String::as_str))
    };
    entry.policies.iter().filter_map(|policy| problem(&policy.policy)).collect()
}
