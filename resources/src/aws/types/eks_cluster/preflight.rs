//! Versions that EKS offers.

use std::collections::BTreeMap;

use aws_sdk_eks::types::VersionStatus;

use crate::{
    aws::Aws,
    core::{Error, Questions},
};

/// Kubernetes versions of new clusters, the newest first. `None` without an answer.
pub(super) async fn kubernetes_versions(questions: &Questions<'_, Aws>) -> Option<Vec<String>> {
    let call = |aws: &Aws| {
        let pages = aws.eks.describe_cluster_versions().into_paginator().items().send();
        async move {
            let versions: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            let offered = versions.into_iter().filter(|version| version.version_status != Some(VersionStatus::Unsupported));
            Ok(offered.filter_map(|version| version.cluster_version).collect())
        }
    };
    questions.ask("eks:DescribeClusterVersions", "", call).await
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
