//! Versions and zones that EKS offers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::VersionStatus;

use super::{EksCluster, EksClusterChanges};
use crate::{
    aws::{Aws, services},
    core::{Error, Pointer, Problem, Questions},
};

/// Supported versions in 2026, for the simulated cloud: <https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html>.
const VERSIONS: &[&str] = &["1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30", "1.29"];

/// Checks version and zones.
pub(super) async fn preflight(cluster: &EksCluster, questions: &Questions<'_, Aws>, changes: EksClusterChanges) -> Vec<Problem> {
    let version = cluster.version.as_deref().filter(|_| changes.version);
    let version = async { kubernetes_version(questions, EksCluster::POINTERS.version, version?).await };
    let zones = async { if changes.subnets { zones_without_eks(cluster, questions).await } else { None } };
    let (version, zones) = tokio::join!(version, zones);
    version.into_iter().chain(zones).collect()
}

/// Problem with a Kubernetes version that EKS does not offer.
pub(in crate::aws::types) async fn kubernetes_version(questions: &Questions<'_, Aws>, at: Pointer, version: &str) -> Option<Problem> {
    let offered = kubernetes_versions(questions).await.unwrap_or_default();
    let minor = |version: &str| version.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
    let newest = offered.iter().filter_map(|version| minor(version)).max();
    // The simulated cloud does not know newer versions than this list.
    if questions.is_simulated() && minor(version) > newest {
        return None;
    }
    Problem::not_offered(at, version, "versions", " as a Kubernetes version", offered.iter().map(String::as_str))
}

/// Problem with subnets of the stack in zones without EKS.
async fn zones_without_eks(cluster: &EksCluster, questions: &Questions<'_, Aws>) -> Option<Problem> {
    let wanted: BTreeSet<String> =
        cluster.subnets.iter().filter_map(|subnet| questions.planned(subnet)).map(|subnet| subnet.availability_zone).collect();
    if wanted.is_empty() {
        return None;
    }
    let zones = services::ec2::zones(questions).await?;
    let (without, with): (Vec<_>, Vec<_>) = zones.iter().partition(|zone| zone.is_old());
    let wrong = without.into_iter().find(|zone| wanted.contains(&zone.name))?;
    let with: Vec<&str> = with.iter().filter(|zone| zone.is_availability_zone).map(|zone| zone.name.as_str()).collect();
    // Where there are too few others to use, EKS decides.
    if with.len() < wanted.len() {
        return None;
    }
    let with = with.join(", ");
    let message = format!("EKS has no control planes in the zone `{}` of a subnet", wrong.name);
    Some(Problem::new(EksCluster::POINTERS.subnets, message).help(format!("use subnets in other zones: {with}")))
}

/// Kubernetes versions of new clusters, the newest first. `None` without an answer.
async fn kubernetes_versions(questions: &Questions<'_, Aws>) -> Option<Vec<String>> {
    let call = |aws: &Aws| {
        let pages = aws.eks.describe_cluster_versions().into_paginator().items().send();
        async move {
            let versions: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let offered = versions.into_iter().filter(|version| version.version_status != Some(VersionStatus::Unsupported));
            Ok(offered.filter_map(|version| version.cluster_version).collect())
        }
    };
    let published = |_: &str| VERSIONS.iter().map(|version| (*version).to_owned()).collect();
    questions.ask_or_simulate("eks:DescribeClusterVersions", "", published, call).await
}

/// Versions of every add-on for a Kubernetes version, or for any if that is empty. `None` without an answer.
pub(in crate::aws::types) async fn addon_versions(
    questions: &Questions<'_, Aws>,
    kubernetes: &str,
) -> Option<BTreeMap<String, Vec<String>>> {
    let call = |aws: &Aws| {
        let call = aws.eks.describe_addon_versions().set_kubernetes_version(Some(kubernetes.to_owned()).filter(|text| !text.is_empty()));
        let pages = call.into_paginator().items().send();
        async move {
            let addons: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let versions = addons.into_iter().filter_map(|addon| {
                let versions = addon.addon_versions.into_iter().flatten().filter_map(|version| version.addon_version);
                Some((addon.addon_name?, versions.collect()))
            });
            Ok(versions.collect())
        }
    };
    questions.ask("eks:DescribeAddonVersions", kubernetes, call).await
}
