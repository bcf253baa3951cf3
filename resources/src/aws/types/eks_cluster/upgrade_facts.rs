//! Reads what decides whether a cluster can get another version.

use std::collections::BTreeSet;

use aws_sdk_eks::types::{Category, InsightStatusValue, InsightsFilter};

use super::{
    super::eks_addon::versions::{OfferedVersion, published, read_offered},
    EksCluster,
    upgrade::{Facts, InstalledAddon, UpgradeGate, minor},
};
use crate::{
    aws::{Aws, for_each_concurrent},
    core::{Error, Existing, PlannedSpecs, Result, SimulatedFacts, ok_or_not_found, referenced_ids},
    kubernetes::{NodeVersion, UsedKind, kind_of, kinds_in},
};

/// Reads the facts for these gates. What can't be read is noted, unless no call can succeed.
pub(super) async fn read(aws: &Aws, live: &Existing<EksCluster>, to: &str, is_open: &impl Fn(UpgradeGate) -> bool) -> Result<Facts> {
    let name = live.id.as_str();
    let mut facts = Facts::default();
    if is_open(UpgradeGate::Insights) {
        facts.insights = noted(insights(aws, name, to).await, "the insights", &mut facts.unchecked)?;
    }
    if is_open(UpgradeGate::Addons) {
        facts.addons = noted(addons(aws, name).await, "the add-ons", &mut facts.unchecked)?;
    }
    if is_open(UpgradeGate::Nodes) {
        facts.nodes = noted(node_groups(aws, name).await, "the node groups", &mut facts.unchecked)?;
        facts.nodes.extend(noted(kubelets(aws, name).await, "the nodes", &mut facts.unchecked)?);
    }
    if is_open(UpgradeGate::RemovedApis) {
        facts.kinds = noted(used_kinds(aws, name).await, "the objects", &mut facts.unchecked)?;
    }
    if is_open(UpgradeGate::Addresses) {
        facts.free_addresses = noted(free_addresses(aws, &live.spec).await, "the subnets", &mut facts.unchecked)?;
    }
    Ok(facts)
}

fn noted<T: Default>(read: Result<T>, what: &str, unchecked: &mut Vec<String>) -> Result<T> {
    match read {
        Err(error) if error.is_credential_error() || error.is_lease_lost() => Err(error),
        Err(error) => {
            unchecked.push(format!("{what} were not checked: {}", error.message));
            Ok(T::default())
        }
        read => read,
    }
}

/// Errors among the insights for a version. A warning is about a later version:
/// <https://docs.aws.amazon.com/eks/latest/userguide/view-cluster-insights.html>.
async fn insights(aws: &Aws, cluster: &str, to: &str) -> Result<Vec<(String, String)>> {
    let filter = InsightsFilter::builder()
        .categories(Category::UpgradeReadiness)
        .kubernetes_versions(to)
        .statuses(InsightStatusValue::Error)
        .build();
    let pages = aws.eks.list_insights().cluster_name(cluster).filter(filter).into_paginator().items().send();
    let found: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
    let errors = found.into_iter().filter(|one| {
        one.insight_status.as_ref().and_then(|status| status.status.as_ref()) == Some(&InsightStatusValue::Error)
            && one.kubernetes_version.as_deref().is_none_or(|version| version == to)
    });
    for_each_concurrent(errors.filter_map(|one| Some((one.id?, one.name.unwrap_or_default()))), |(id, name)| async move {
        let reply = ok_or_not_found(aws.eks.describe_insight().cluster_name(cluster).id(id).send().await)?;
        let Some(insight) = reply.and_then(|reply| reply.insight) else { return Ok(None) };
        let reason = insight.insight_status.and_then(|status| status.reason);
        let parts: Vec<String> = reason.into_iter().chain(insight.recommendation).filter(|part| !part.is_empty()).collect();
        Ok(Some((name, parts.join(" "))))
    })
    .await
}

async fn addons(aws: &Aws, cluster: &str) -> Result<Vec<InstalledAddon>> {
    let names: Vec<String> = aws.eks.list_addons().cluster_name(cluster).into_paginator().items().send().try_collect().await?;
    for_each_concurrent(names, |name| async move {
        let reply = ok_or_not_found(aws.eks.describe_addon().cluster_name(cluster).addon_name(&name).send().await)?;
        let Some(version) = reply.and_then(|reply| reply.addon?.addon_version) else { return Ok(None) };
        Ok(Some(InstalledAddon { offered: read_offered(aws, &name).await?, name, version }))
    })
    .await
}

async fn node_groups(aws: &Aws, cluster: &str) -> Result<Vec<NodeVersion>> {
    let names: Vec<String> = aws.eks.list_nodegroups().cluster_name(cluster).into_paginator().items().send().try_collect().await?;
    for_each_concurrent(names, |name| async move {
        let reply = ok_or_not_found(aws.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(&name).send().await)?;
        Ok(reply.and_then(|reply| reply.nodegroup?.version).map(|version| node_group(name, version)))
    })
    .await
}

fn node_group(name: String, version: String) -> NodeVersion {
    NodeVersion { name: format!("the node group {name}"), group: Some(name), version }
}

async fn kubelets(aws: &Aws, cluster: &str) -> Result<Vec<NodeVersion>> {
    aws.kubernetes.cluster(cluster).await?.kubelets().await
}

async fn used_kinds(aws: &Aws, cluster: &str) -> Result<Vec<UsedKind>> {
    aws.kubernetes.cluster(cluster).await?.used_kinds().await
}

async fn free_addresses(aws: &Aws, cluster: &EksCluster) -> Result<Option<u32>> {
    let pages = aws.ec2.describe_subnets().set_subnet_ids(Some(referenced_ids(&cluster.subnets))).into_paginator().items().send();
    let subnets: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
    let free = subnets.iter().filter_map(|subnet| u32::try_from(subnet.available_ip_address_count?).ok()).sum();
    Ok((!subnets.is_empty()).then_some(free))
}

impl Facts {
    /// The facts once a plan has made these changes.
    pub fn after(mut self, planned: &PlannedSpecs, cluster: &str) -> Facts {
        let version = |type_name: &str, name: &str| {
            let version = planned.get(type_name, &format!("{cluster}/{name}"))?.get("version")?.as_str()?;
            (!version.contains("${")).then(|| version.to_owned())
        };
        for addon in &mut self.addons {
            addon.version = version("eks_addon", &addon.name).unwrap_or_else(|| std::mem::take(&mut addon.version));
        }
        for node in &mut self.nodes {
            let planned = node.group.as_deref().and_then(|group| version("eks_node_group", group));
            node.version = planned.unwrap_or_else(|| std::mem::take(&mut node.version));
        }
        let in_cluster = |id: &str| id.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        // What a changed release contains is not known before its upgrade, nor which object an inventory has a kind for.
        let releases: BTreeSet<String> =
            planned.of_type("helm_release").filter_map(|(id, _)| Some(format!("the release {}", in_cluster(id)?))).collect();
        let objects = planned.of_type("kubernetes_object").filter(|(id, _)| in_cluster(id).is_some());
        let new_kinds: Vec<_> = objects.filter_map(|(_, spec)| kind_of(spec.get("manifest")?)).collect();
        self.kinds.retain(|used| {
            let gets_another_version =
                new_kinds.iter().any(|new| new.is(&used.kind.group, &used.kind.kind) && new.version != used.kind.version);
            !releases.contains(&used.user) && !gets_another_version
        });
        self
    }
}

/// Facts of the simulated cloud: those of its resources, and a problem for each gate that is to fail.
pub(super) fn simulated(simulated: &SimulatedFacts<'_>, live: &Existing<EksCluster>, to: &str) -> Facts {
    let fails = |gate: &str| simulated.failing.contains(gate);
    let in_cluster = |type_name: &str| {
        let all = (simulated.resources)(type_name).into_iter();
        all.filter(|one| one.id.split('/').next() == Some(&live.id)).collect::<Vec<_>>()
    };
    let mut facts = Facts::default();
    for group in in_cluster("eks_node_group") {
        let version = group.spec.get("version").and_then(|version| version.as_str()).map(str::to_owned);
        let name = group.id.split('/').next_back().unwrap_or_default();
        facts.nodes.extend(version.map(|version| node_group(name.to_owned(), version)));
    }
    for object in in_cluster("kubernetes_object") {
        let kind = object.spec.get("manifest").and_then(kind_of);
        facts.kinds.extend(kind.map(|kind| UsedKind { kind, user: format!("`{}`", object.id) }));
    }
    for addon in in_cluster("eks_addon") {
        let text = |field: &str| addon.spec.get(field).and_then(|value| value.as_str()).map(str::to_owned);
        let Some((name, version)) = text("addon").zip(text("version")) else { continue };
        facts.addons.push(InstalledAddon { offered: published(&name), name, version });
    }
    let before = minor(to).map(|minor| minor.saturating_sub(1)).unwrap_or_default();
    if fails("insights") {
        facts.insights.push(("Deprecated APIs removed".to_owned(), format!("Deprecated API usage detected in Kubernetes {to}")));
    }
    if fails("removed_apis") {
        let kinds = kinds_in("apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\n");
        facts.kinds.extend(kinds.into_iter().map(|kind| UsedKind { kind, user: "the release monitoring/agent".to_owned() }));
    }
    if fails("addons") {
        let offered = |version: &str, clusters: &[String]| OfferedVersion {
            version: version.to_owned(),
            clusters: clusters.iter().cloned().collect(),
            default_for: BTreeSet::new(),
        };
        let offered = vec![offered("v2", &[format!("1.{before}"), to.to_owned()]), offered("v1", &[format!("1.{before}")])];
        facts.addons.push(InstalledAddon { name: "coredns".to_owned(), version: "v1".to_owned(), offered });
    }
    if fails("nodes") {
        let version = format!("v1.{}.1", before.saturating_sub(3));
        facts.nodes.push(NodeVersion { name: "ip-10-0-0-1".to_owned(), group: None, version });
    }
    if fails("addresses") {
        facts.free_addresses = Some(3);
    }
    facts
}
