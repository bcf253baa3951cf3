//! Upgrades of Kubernetes: one minor version at a time, and what must hold before each.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html>.

use acme_macros::spec;

use super::{
    super::eks_addon::versions::{OfferedVersion, for_both_sides, runs_with},
    EksCluster, upgrade_facts,
};
use crate::{
    aws::{Aws, to_aws},
    core::{Existing, GateReport, GateSource, PlannedSpecs, Result, Stage, list_first},
    kubernetes::{NodeVersion, UsedKind, replacement},
};

/// A check before each minor version.
#[spec]
#[derive(Copy)]
pub enum UpgradeGate {
    /// EKS reports no error among its upgrade insights for the version.
    Insights,
    /// No release and no object of acme uses an API that the version no longer serves.
    RemovedApis,
    /// The installed versions of the add-ons run with the version, too.
    Addons,
    /// No node is more than three minor versions behind.
    Nodes,
    /// The subnets of the control plane have five free addresses.
    Addresses,
}

const ALL_GATES: [UpgradeGate; 5] =
    [UpgradeGate::Insights, UpgradeGate::RemovedApis, UpgradeGate::Addons, UpgradeGate::Nodes, UpgradeGate::Addresses];

/// Minor versions by which a kubelet may be older than the API: <https://kubernetes.io/releases/version-skew-policy/#kubelet>.
pub(in crate::aws::types) const MAX_SKEW: u32 = 3;

/// Free addresses that an upgrade may take.
const ADDRESSES: u32 = 5;

/// Number of findings that a message names.
const MAX_NAMED: usize = 3;

/// Minor version of Kubernetes 1: 34 for `1.34` and for a kubelet's `v1.34.2-eks-1234abc`.
pub(in crate::aws::types) fn minor(version: &str) -> Option<u32> {
    version.trim_start_matches('v').strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// Minor versions after `live` up to `wanted`; none for a way back.
pub(super) fn stages(wanted: &EksCluster, live: &EksCluster) -> Vec<Stage<EksCluster>> {
    let versions = wanted.version.as_deref().and_then(minor).zip(live.version.as_deref().and_then(minor));
    let Some((to, from)) = versions else { return Vec::new() };
    let is_open = |gate: &&UpgradeGate| !wanted.skip_upgrade_gates.contains(gate);
    let gates: Vec<String> = ALL_GATES.iter().filter(is_open).map(to_aws).collect();
    let stage = |minor: u32| {
        let version = format!("1.{minor}");
        let spec = EksCluster { version: Some(version.clone()), ..wanted.clone() };
        Stage { from: format!("1.{}", minor - 1), to: version, gates: gates.clone(), spec }
    };
    (from + 1..=to).map(stage).collect()
}

/// What decides whether a version may start.
#[derive(Default)]
pub(super) struct Facts {
    /// Errors among the insights of EKS: name, and what it says about it.
    pub insights: Vec<(String, String)>,
    /// Kinds in use.
    pub kinds: Vec<UsedKind>,
    /// Add-ons.
    pub addons: Vec<InstalledAddon>,
    /// Nodes and node groups with their versions.
    pub nodes: Vec<NodeVersion>,
    /// Free addresses of the subnets, if known.
    pub free_addresses: Option<u32>,
    /// What could not be read, each with the reason.
    pub unchecked: Vec<String>,
}

/// An add-on in a cluster.
pub(super) struct InstalledAddon {
    /// AWS's name.
    pub name: String,
    /// Installed version.
    pub version: String,
    /// Versions that AWS offers.
    pub offered: Vec<OfferedVersion>,
}

/// Checks what must hold before the cluster gets this version.
pub(super) async fn gates(
    wanted: &EksCluster,
    source: &GateSource<'_, Aws>,
    live: &Existing<EksCluster>,
    planned: &PlannedSpecs,
) -> Result<GateReport> {
    let (Some(to), Some(from)) = (wanted.version.as_deref(), live.spec.version.as_deref()) else { return Ok(GateReport::default()) };
    if minor(to) <= minor(from) {
        return Ok(GateReport::default());
    }
    let is_open = |gate: UpgradeGate| !wanted.skip_upgrade_gates.contains(&gate);
    let facts = match source {
        GateSource::Api(aws) => upgrade_facts::read(aws, live, to, &is_open).await?,
        GateSource::Simulated(simulated) => upgrade_facts::simulated(simulated, live, to),
    };
    Ok(report(&facts.after(planned, &live.id), (from, to), is_open))
}

fn report(facts: &Facts, (from, to): (&str, &str), is_open: impl Fn(UpgradeGate) -> bool) -> GateReport {
    let checks: [(UpgradeGate, Option<String>); 5] = [
        (UpgradeGate::Insights, insights(facts, to)),
        (UpgradeGate::RemovedApis, removed_apis(facts, to)),
        (UpgradeGate::Addons, addons(facts, from, to)),
        (UpgradeGate::Nodes, nodes(facts, to)),
        (UpgradeGate::Addresses, addresses(facts)),
    ];
    let unmet = checks.into_iter().filter(|(gate, _)| is_open(*gate)).filter_map(|(gate, problem)| {
        let problem = problem?;
        Some(format!("gate `{}` of Kubernetes {to}: {problem}", to_aws(&gate)))
    });
    GateReport { unmet: unmet.collect(), unchecked: facts.unchecked.clone() }
}

fn list(names: &[String]) -> String {
    list_first(names, MAX_NAMED)
}

fn insights(facts: &Facts, to: &str) -> Option<String> {
    let found: Vec<String> = facts.insights.iter().map(|(name, reason)| format!("`{name}`: {}", reason.trim_end_matches('.'))).collect();
    (!found.is_empty()).then(|| {
        format!(
            "EKS reports an error for Kubernetes {to}, {}; fix it, refresh the insights of the cluster, and apply again. EKS sees calls to a \
             removed API for 30 days: add `skip_upgrade_gates: [insights]` if nothing makes them any more",
            list(&found)
        )
    })
}

fn removed_apis(facts: &Facts, to: &str) -> Option<String> {
    let minor = minor(to)?;
    let mut found: Vec<String> = Vec::new();
    for used in &facts.kinds {
        let Some((_, instead)) = replacement(&used.kind, minor) else { continue };
        let line = format!("{} has {}, instead of which there is {instead}", used.user, used.kind);
        if !found.contains(&line) {
            found.push(line);
        }
    }
    let help = "upgrade the chart or change the manifest, and apply again: acme makes these changes before the upgrade";
    (!found.is_empty()).then(|| format!("Kubernetes {to} does not serve what is in use: {}; {help}", list(&found)))
}

/// An add-on that no version fits on both sides is left to the update that follows.
fn addons(facts: &Facts, from: &str, to: &str) -> Option<String> {
    let versions = [from.to_owned(), to.to_owned()];
    let unfit = facts.addons.iter().filter(|addon| !runs_with(&addon.offered, &addon.version, to)).filter_map(|addon| {
        let on_both_sides = for_both_sides(&addon.offered, &versions)?;
        Some(format!("`{}` {} does not run with it, {on_both_sides} does", addon.name, addon.version))
    });
    let unfit: Vec<String> = unfit.collect();
    let help = format!(
        "remove their `version`, or set these, which run with {from} and {to}: acme updates the add-ons of the stack before the upgrade; update \
         those outside the stack yourself, and apply again"
    );
    (!unfit.is_empty()).then(|| format!("the add-on {}; {help}", list(&unfit)))
}

fn nodes(facts: &Facts, to: &str) -> Option<String> {
    let target = minor(to)?;
    let is_old = |version: &str| minor(version).is_some_and(|node| node + MAX_SKEW < target);
    let old = facts.nodes.iter().filter(|node| is_old(&node.version)).map(|node| format!("{} has {}", node.name, node.version));
    let old: Vec<String> = old.collect();
    let help = format!("upgrade or replace these nodes to 1.{} at least, and apply again", target - MAX_SKEW);
    (!old.is_empty()).then(|| format!("nodes may be {MAX_SKEW} minor versions older than the control plane, but {}; {help}", list(&old)))
}

fn addresses(facts: &Facts) -> Option<String> {
    let free = facts.free_addresses.filter(|free| *free < ADDRESSES)?;
    Some(format!(
        "an upgrade takes up to {ADDRESSES} free addresses in the subnets of the control plane, which have {free}; free some, or add a subnet in \
         one of its zones, and apply again"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::kubernetes::kinds_in;

    fn unmet(facts: Facts, skipped: &[UpgradeGate]) -> Vec<String> {
        report(&facts, ("1.34", "1.35"), |gate| !skipped.contains(&gate)).unmet
    }

    fn offered(version: &str, clusters: &[&str]) -> OfferedVersion {
        let clusters = clusters.iter().map(|cluster| (*cluster).to_owned()).collect();
        OfferedVersion { version: version.to_owned(), clusters, default_for: BTreeSet::new() }
    }

    #[test]
    fn each_gate_names_its_reason_and_a_remedy() {
        let addon = |version: &str| {
            let offered = vec![offered("v2", &["1.34", "1.35"]), offered("v1", &["1.34"])];
            Facts { addons: vec![InstalledAddon { name: "coredns".into(), version: version.into(), offered }], ..Facts::default() }
        };
        assert!(unmet(addon("v2"), &[]).is_empty());
        assert!(unmet(addon("v1"), &[])[0].contains("`coredns` v1 does not run with it, v2 does"), "{:?}", unmet(addon("v1"), &[]));
        assert!(unmet(addon("v1"), &[UpgradeGate::Addons]).is_empty());
        let nodes = |version: &str| Facts { nodes: vec![node("ip-10-0-0-1", Some("main"), version)], ..Facts::default() };
        assert!(unmet(nodes("v1.32.9-eks-1a2b3c"), &[]).is_empty());
        assert!(unmet(nodes("v1.31.9-eks-1a2b3c"), &[])[0].contains("to 1.32 at least"));
        let kinds = |manifest: &str| {
            let kinds = kinds_in(manifest).into_iter().map(|kind| UsedKind { kind, user: "the release web/shop".into() }).collect();
            Facts { kinds, ..Facts::default() }
        };
        assert!(unmet(kinds("apiVersion: policy/v1\nkind: PodDisruptionBudget\n"), &[]).is_empty());
        let old = unmet(kinds("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n---\nkind: List\n"), &[]);
        assert!(
            old[0].contains("the release web/shop has policy/v1beta1/PodDisruptionBudget, instead of which there is policy/v1"),
            "{old:?}"
        );
        assert_eq!(unmet(Facts { free_addresses: Some(5), ..Facts::default() }, &[]).len(), 0);
        assert_eq!(unmet(Facts { free_addresses: Some(4), ..Facts::default() }, &[]).len(), 1);
    }

    fn node(name: &str, group: Option<&str>, version: &str) -> NodeVersion {
        NodeVersion { name: name.to_owned(), group: group.map(str::to_owned), version: version.to_owned() }
    }

    #[test]
    fn changes_of_a_plan_open_gates() {
        let offered = vec![offered("v2", &["1.34", "1.35"]), offered("v1", &["1.34"])];
        let used = |manifest: &str, user: &str| {
            kinds_in(manifest).into_iter().map(|kind| UsedKind { kind, user: user.to_owned() }).collect::<Vec<_>>()
        };
        let facts = || Facts {
            addons: vec![InstalledAddon { name: "coredns".into(), version: "v1".into(), offered: offered.clone() }],
            nodes: vec![node("the node group old", Some("old"), "1.31"), node("ip-10-0-0-1", Some("old"), "v1.31.9-eks-1a2b3c")],
            kinds: [
                used("apiVersion: batch/v1beta1\nkind: CronJob\n", "the release web/shop"),
                used("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n", "an object of the stack shop"),
            ]
            .concat(),
            ..Facts::default()
        };
        let closed = |planned: &PlannedSpecs| unmet(facts().after(planned, "main"), &[]);
        assert_eq!(closed(&PlannedSpecs::default()).len(), 3);
        let mut planned = PlannedSpecs::default();
        planned.insert("eks_addon", "main/coredns", json!({ "version": "v2" }));
        planned.insert("eks_node_group", "main/old", json!({ "version": "1.34" }));
        planned.insert("helm_release", "main/web/shop", json!({ "version": "2.0.0" }));
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget" });
        planned.insert("kubernetes_object", "main/policy/v1/PodDisruptionBudget/web/shop", json!({ "manifest": budget }));
        assert!(closed(&planned).is_empty(), "{:?}", closed(&planned));
        let mut elsewhere = PlannedSpecs::default();
        elsewhere.insert("eks_addon", "other/coredns", json!({ "version": "v2" }));
        elsewhere.insert("helm_release", "other/web/shop", json!({ "version": "2.0.0" }));
        assert_eq!(closed(&elsewhere), closed(&PlannedSpecs::default()));
    }

    /// kube-proxy of an old version has no version for both sides: its update follows the control plane's.
    #[test]
    fn an_addon_without_a_version_for_both_sides_does_not_hold_an_upgrade_up() {
        let offered = vec![offered("v2", &["1.35"]), offered("v1", &["1.34"])];
        let addons = vec![InstalledAddon { name: "kube-proxy".into(), version: "v1".into(), offered }];
        assert!(unmet(Facts { addons, ..Facts::default() }, &[]).is_empty());
    }

    #[test]
    fn reads_minor_versions() {
        assert_eq!(
            [minor("1.34"), minor("v1.34.2-eks-1a2b3c"), minor("${eks_cluster.main.version}"), minor("2.1")],
            [Some(34), Some(34), None, None]
        );
    }
}
