//! Versions of add-ons, the versions of Kubernetes that they run with, and those to install while a cluster passes several.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html>.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::{
    aws::Aws,
    core::{Questions, Result},
};

/// A version of an add-on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::aws::types) struct OfferedVersion {
    /// Version, such as `v1.13.2-eksbuild.7`.
    pub version: String,
    /// Versions of Kubernetes that it runs with.
    pub clusters: BTreeSet<String>,
    /// Those of which it is AWS's default.
    pub default_for: BTreeSet<String>,
}

/// Some versions for the simulated cloud: add-on, version, and the minor versions of Kubernetes that it runs with and of which it is the
/// default. Others are not known there.
const PUBLISHED: &[(&str, &str, RangeInclusive<u32>, RangeInclusive<u32>)] = &[
    ("coredns", "v1.14.2-eksbuild.4", 35..=36, 36..=36),
    ("coredns", "v1.13.2-eksbuild.7", 33..=35, 35..=35),
    ("coredns", "v1.12.4-eksbuild.1", 33..=34, 33..=34),
    ("coredns", "v1.11.4-eksbuild.33", 29..=32, 29..=32),
    ("kube-proxy", "v1.36.0-eksbuild.14", 36..=36, 36..=36),
    ("kube-proxy", "v1.35.3-eksbuild.13", 35..=36, 35..=35),
    ("kube-proxy", "v1.34.6-eksbuild.13", 34..=36, 34..=34),
    ("kube-proxy", "v1.33.10-eksbuild.13", 33..=36, 33..=33),
    ("kube-proxy", "v1.32.13-eksbuild.16", 32..=35, 32..=32),
    ("kube-proxy", "v1.31.14-eksbuild.20", 31..=34, 31..=31),
];

/// Versions of an add-on in the simulated cloud.
pub(in crate::aws::types) fn published(addon: &str) -> Vec<OfferedVersion> {
    let clusters = |minors: &RangeInclusive<u32>| minors.clone().map(|minor| format!("1.{minor}")).collect();
    let of_addon = PUBLISHED.iter().filter(|(name, ..)| *name == addon);
    let offered = of_addon.map(|(_, version, runs_with, default_for)| OfferedVersion {
        version: (*version).to_owned(),
        clusters: clusters(runs_with),
        default_for: clusters(default_for),
    });
    offered.collect()
}

/// Reads the versions of an add-on, for all versions of Kubernetes.
pub(in crate::aws::types) async fn read_offered(aws: &Aws, addon: &str) -> Result<Vec<OfferedVersion>> {
    let pages = aws.eks.describe_addon_versions().addon_name(addon).into_paginator().items().send();
    let infos: Vec<_> = pages.try_collect().await?;
    let offered = infos.into_iter().flat_map(|info| info.addon_versions.unwrap_or_default()).filter_map(|info| {
        let (mut clusters, mut default_for) = (BTreeSet::new(), BTreeSet::new());
        for one in info.compatibilities.into_iter().flatten() {
            if one.default_version {
                default_for.extend(one.cluster_version.clone());
            }
            clusters.extend(one.cluster_version);
        }
        Some(OfferedVersion { version: info.addon_version?, clusters, default_for })
    });
    Ok(offered.collect())
}

/// Asks for the versions of an add-on. Empty without an answer.
pub(super) async fn offered(questions: &Questions<'_, Aws>, addon: &str) -> Vec<OfferedVersion> {
    let parameters = format!("addon {addon}");
    let call = |aws| read_offered(aws, addon);
    let answer = questions.ask_or_simulate("eks:DescribeAddonVersions", &parameters, |_| published(addon), call);
    answer.await.unwrap_or_default()
}

/// Whether a version runs with one of Kubernetes, as far as AWS offers it.
pub(in crate::aws::types) fn runs_with(offered: &[OfferedVersion], version: &str, kubernetes: &str) -> bool {
    offered.iter().any(|one| one.version == version && one.clusters.contains(kubernetes))
}

/// The version to install before an upgrade: one that runs before and after it. The one that lasts the longest saves further updates; of
/// those, AWS's default, and then the newest. `versions` are the version before the upgrade and those after it.
pub(in crate::aws::types) fn for_both_sides<'a>(offered: &'a [OfferedVersion], versions: &[String]) -> Option<&'a str> {
    let (before, after) = versions.split_first()?;
    let next = after.first()?;
    let fits = |one: &&OfferedVersion| one.clusters.contains(before) && one.clusters.contains(next);
    let lasts = |one: &OfferedVersion| after.iter().take_while(|kubernetes| one.clusters.contains(*kubernetes)).count();
    let best = offered.iter().filter(fits).max_by_key(|one| (lasts(one), one.default_for.contains(next), numbers(&one.version)));
    best.map(|one| one.version.as_str())
}

/// AWS's default for a version of Kubernetes, or the newest that runs with it.
fn default_for<'a>(offered: &'a [OfferedVersion], kubernetes: &str) -> Option<&'a str> {
    let fits = offered.iter().filter(|one| one.clusters.contains(kubernetes));
    let best = fits.max_by_key(|one| (one.default_for.contains(kubernetes), numbers(&one.version)));
    best.map(|one| one.version.as_str())
}

/// The numbers in a version, by which it is newer than another one.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The updates of an add-on while its cluster passes these versions of Kubernetes, from the present one on: each with the version that the
/// cluster has then. One that runs with the next version stays, unless the definition wants another. With a single version, which the cluster
/// has already, one that does not run with it is updated now.
pub(super) fn updates(offered: &[OfferedVersion], installed: &str, wanted: Option<&str>, passed: &[String]) -> Vec<(String, String)> {
    let arrival = match wanted {
        // The definition keeps it, so a gate decides.
        Some(wanted) if wanted == installed => return Vec::new(),
        Some(wanted) => match passed.iter().position(|kubernetes| runs_with(offered, wanted, kubernetes)) {
            Some(arrival) => Some((arrival, wanted)),
            None => return Vec::new(),
        },
        None => None,
    };
    let mut updates: Vec<(String, String)> = Vec::new();
    let mut current = installed.to_owned();
    for (number, kubernetes) in passed.iter().enumerate() {
        let runs = runs_with(offered, &current, kubernetes);
        let reaches = arrival.is_some_and(|(arrival, _)| arrival == number);
        let mut update = |at: &str, to: &str| {
            to.clone_into(&mut current);
            updates.push((at.to_owned(), to.to_owned()));
        };
        if let Some(before) = number.checked_sub(1)
            && !runs
        {
            match (for_both_sides(offered, &passed[before..]), default_for(offered, kubernetes)) {
                (Some(to), _) => update(&passed[before], to),
                (None, Some(to)) if !reaches => update(kubernetes, to),
                _ => {}
            }
        } else if let ([_], false, None, Some(to)) = (passed, runs, arrival, default_for(offered, kubernetes)) {
            update(kubernetes, to);
        }
        if let Some((_, wanted)) = arrival.filter(|_| reaches) {
            update(kubernetes, wanted);
            // The definition decides from here on.
            break;
        }
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str, clusters: &[&str], default_for: &[&str]) -> OfferedVersion {
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        OfferedVersion { version: version.to_owned(), clusters: set(clusters), default_for: set(default_for) }
    }

    /// `1.34:v2`: v2 is installed while the cluster has 1.34.
    fn path(offered: &[OfferedVersion], installed: &str, wanted: Option<&str>) -> Vec<String> {
        let passed = ["1.34", "1.35", "1.36"].map(str::to_owned);
        updates(offered, installed, wanted, &passed).into_iter().map(|(at, to)| format!("{at}:{to}")).collect()
    }

    #[test]
    fn an_addon_that_runs_with_every_version_stays() {
        let offered = [version("v1", &["1.34", "1.35", "1.36"], &[]), version("v2", &["1.34", "1.35", "1.36"], &["1.36"])];
        assert!(path(&offered, "v1", None).is_empty());
        assert!(path(&[], "v1", None).is_empty(), "nothing is known about it");
    }

    #[test]
    fn updates_before_the_control_plane_to_a_version_for_both_sides() {
        let offered = [
            version("v4", &["1.36"], &["1.36"]),
            version("v3", &["1.35", "1.36"], &[]),
            version("v2", &["1.34", "1.35"], &["1.35"]),
            version("v1", &["1.34"], &["1.34"]),
        ];
        assert_eq!(path(&offered, "v1", None), ["1.34:v2", "1.35:v3"]);
        assert_eq!(path(&offered, "v2", None), ["1.35:v3"]);
        assert_eq!(path(&offered, "v0", None), ["1.34:v2", "1.35:v3"], "AWS no longer offers it");
    }

    #[test]
    fn updates_after_the_control_plane_where_no_version_runs_on_both_sides() {
        let offered = [version("v3", &["1.35", "1.36"], &[]), version("v2", &["1.35", "1.36"], &["1.35"]), version("v1", &["1.34"], &[])];
        assert_eq!(path(&offered, "v1", None), ["1.35:v2"]);
    }

    /// A run ended between the control plane and the add-on.
    #[test]
    fn catches_up_with_a_version_that_the_cluster_has() {
        let offered = [version("v2", &["1.35", "1.36"], &["1.35"]), version("v1", &["1.34"], &[])];
        let catch_up = |installed: &str, wanted: Option<&str>| updates(&offered, installed, wanted, &["1.35".to_owned()]);
        let expected = [("1.35".to_owned(), "v2".to_owned())];
        assert_eq!(catch_up("v1", None), expected);
        assert_eq!(catch_up("v1", Some("v2")), expected);
        assert!(catch_up("v2", None).is_empty() && catch_up("v1", Some("v1")).is_empty());
    }

    #[test]
    fn prefers_the_version_that_lasts_then_the_default_then_the_newest() {
        let all = ["1.34", "1.35", "1.36"];
        let lasting = [version("v1.9.1", &all, &[]), version("v1.10.1", &all, &[]), version("v1.11.1", &all[..2], &["1.35"])];
        assert_eq!(path(&lasting, "v0", None), ["1.34:v1.10.1"]);
        let default = [version("v1.9.1", &all, &["1.35"]), version("v1.10.1", &all, &[])];
        assert_eq!(path(&default, "v0", None), ["1.34:v1.9.1"]);
    }

    #[test]
    fn reaches_the_version_of_the_definition_as_early_as_it_runs() {
        let offered = [
            version("v4", &["1.36"], &[]),
            version("v3", &["1.35", "1.36"], &[]),
            version("v2", &["1.34", "1.35"], &[]),
            version("v1", &["1.34"], &[]),
        ];
        assert_eq!(path(&offered, "v1", Some("v2")), ["1.34:v2"]);
        assert_eq!(path(&offered, "v1", Some("v3")), ["1.34:v2", "1.35:v3"]);
        assert_eq!(path(&offered, "v1", Some("v4")), ["1.34:v2", "1.35:v3", "1.36:v4"]);
        assert!(path(&offered, "v1", Some("v1")).is_empty());
        assert!(path(&offered, "v1", Some("v9")).is_empty());
    }
}
