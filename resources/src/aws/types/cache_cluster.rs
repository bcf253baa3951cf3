//! `cache_cluster`: a Memcached cache.

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::{AzMode, CacheCluster as SdkCluster, IpDiscovery, NetworkType};

use super::{
    cache_parameter_group::CacheParameterGroup,
    cache_replication_group::{NETWORK, SHORTEST_WINDOW, satisfies},
    cache_subnet_group::CacheSubnetGroup,
    prelude::*,
    rds_instance::windows,
    security_group::SecurityGroup,
};
use crate::core::{Tags, referenced_ids};

/// A Memcached cache. Its keys are lost when a node is replaced: it keeps nothing.
#[spec]
pub struct CacheCluster {
    /// Identifier in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 50, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Version of Memcached, as exact as needed: `1.6`. With `auto_minor_version_upgrade`, a newer minor version is accepted, too.
    #[field(important, impact = "AWS replaces every node, and their keys are lost", pattern = r"[0-9]+(\.[0-9]+){1,2}")]
    #[field(one_way(Direction::Increase, "AWS does not downgrade engine versions"))]
    pub version: String,
    /// Node type, such as `cache.t4g.small`.
    #[field(important, replaces, pattern = "cache\\..+")]
    pub node_type: String,
    /// Number of nodes.
    #[field(default = 1, range = 1..=60, important, impact = "clients redistribute the keys; those of removed nodes are lost")]
    pub nodes: i32,
    /// Availability zones of the nodes, one for each node.
    #[field(unset = "assigned by AWS", length = 1..=60, dropped(kept, "nodes keep their zones"))]
    pub availability_zones: Option<Vec<String>>,
    /// Subnet group of the nodes.
    #[field(replaces)]
    pub subnet_group: Ref<CacheSubnetGroup>,
    /// Security groups of the nodes.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Parameter group with engine settings.
    #[field(unset = "AWS's default group for the version", impact = "some parameters take effect only after the next restart")]
    #[field(dropped = Some(Ref::to(default_parameter_group(&self.version))))]
    pub parameter_group: Option<Ref<CacheParameterGroup>>,
    /// Port.
    #[field(default = 11_211, range = 1150..=65_535, replaces)]
    pub port: i32,
    /// Encrypts connections (TLS). Clients must support it.
    #[field(default = false, replaces, important, risky(false, "connections are not encrypted"))]
    pub transit_encryption: bool,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// ARN of the SNS topic for notifications.
    #[field(unset = "none", pattern = "arn:aws[a-z-]*:sns:.+", dropped = None)]
    pub notification_topic: Option<String>,
    /// Installs new minor versions in the maintenance window.
    #[field(default = true)]
    pub auto_minor_version_upgrade: bool,
    /// IP versions of the nodes.
    #[field(default = "ipv4", one_of = ["ipv4", "ipv6", "dual_stack"], replaces)]
    pub network_type: String,
    /// IP version that clients learn.
    #[field(default = "ipv4", one_of = ["ipv4", "ipv6"])]
    pub ip_discovery: String,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Host name with which clients find all nodes.
    pub endpoint: Option<String>,
    /// Host names of the nodes.
    #[schemars(extend("x-acme-simulated" = ["{label}.0001.{simulated_domain}"]))]
    pub node_endpoints: Vec<String>,
    /// Exact engine version.
    pub engine_version: Option<String>,
}

/// Actions that ElastiCache also checks for the cache's groups.
const PLACED: &[&str] = &["elasticache:CreateCacheCluster", "elasticache:ModifyCacheCluster"];

/// The engine of this type; caches of the others are `cache_replication_group`s.
const ENGINE: &str = "memcached";

impl Resource for CacheCluster {
    const TYPE: TypeInfo =
        TypeInfo::new("cache_cluster", &services::elasticache::SERVICE, "{name}", "arn:aws:elasticache:{region}:{account}:cluster:{name}")
            .typical_seconds(300)
            .longest_hours(4)
            .without_token()
            .quota(300, "NodeQuotaForCustomerExceeded")
            .iam_actions(
                IamActions::new("elasticache:cluster:{name}")
                    .read(&["elasticache:ListTagsForResource"])
                    .create(&["elasticache:CreateCacheCluster"])
                    .change(&["elasticache:DeleteCacheCluster", "elasticache:ModifyCacheCluster"])
                    .grants(&[
                        IamGrant::read(&["elasticache:DescribeCacheClusters"], GrantTarget::Arn("elasticache:cluster:*")),
                        IamGrant::change(PLACED, GrantTarget::Arn("elasticache:parametergroup:*")),
                        IamGrant::change(PLACED, GrantTarget::Arn("elasticache:subnetgroup:*")),
                        IamGrant::change(NETWORK, GrantTarget::AllResources),
                        IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("elasticache.amazonaws.com")),
                    ]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let nodes = services::elasticache::nodes(context, "Memcached", &self.node_type, f64::from(self.nodes));
        Pricing::of(vec![nodes])
    }

    /// The list has the nodes of replication groups, too.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.elasticache.describe_cache_clusters().show_cache_node_info(true).max_records(100);
        let clusters: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let covered = |cluster: &SdkCluster| {
            let is_own = cluster.engine() == Some(ENGINE) && cluster.replication_group_id().is_none_or(str::is_empty);
            is_own && scope.covers(cluster.cache_cluster_id().unwrap_or_default(), cluster.arn().unwrap_or_default())
        };
        for_each_concurrent(clusters.into_iter().filter(covered), |cluster| async move {
            let (name, arn) = (cluster.cache_cluster_id().unwrap_or_default(), cluster.arn().unwrap_or_default());
            let tags = services::elasticache::read_tags(aws, scope, name, arn).await?;
            tags.map(|tags| observed(cluster, tags)).transpose()
        })
        .await
    }

    /// The response lacks the endpoint, so the cache is read again in any case.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.elasticache.create_cache_cluster().set_cache_cluster_id(self.name.clone()).engine(ENGINE);
        let call = call.engine_version(&self.version).cache_node_type(&self.node_type).num_cache_nodes(self.nodes);
        let zones: BTreeSet<&String> = self.availability_zones.iter().flatten().collect();
        let call = call.set_preferred_availability_zones(self.availability_zones.clone().filter(|_| self.nodes > 1));
        let call = call.set_preferred_availability_zone(zones.first().map(ToString::to_string).filter(|_| self.nodes == 1));
        let call = call.set_az_mode((zones.len() > 1).then_some(AzMode::CrossAz));
        let call =
            call.cache_subnet_group_name(self.subnet_group.get()).set_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let call = call.set_cache_parameter_group_name(self.parameter_group.as_ref().map(|group| group.get().to_owned()));
        let call = call.port(self.port).set_transit_encryption_enabled(self.transit_encryption.then_some(true));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone());
        let call = call.set_notification_topic_arn(self.notification_topic.clone());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade);
        // Old versions and node types take neither.
        let network = Some(&self.network_type).filter(|kind| **kind != Self::default_network_type());
        let call = call.set_network_type(network.map(|kind| NetworkType::from(kind.as_str())));
        let call = call.set_ip_discovery(network.map(|_| IpDiscovery::from(self.ip_discovery.as_str())));
        let reply = call.set_tags(Some(services::elasticache::to_tags(&cx.call.tags))).send().await?;
        let id = reply.cache_cluster.and_then(|cluster| cluster.cache_cluster_id);
        id.map(Created::Id).ok_or_else(|| Error::missing_field("CacheClusterId"))
    }

    /// Makes one call with all changes; ElastiCache keeps omitted settings.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CacheClusterChanges) -> Result<()> {
        let call = cx.elasticache.modify_cache_cluster().cache_cluster_id(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_engine_version(changes.version.then(|| self.version.clone()));
        let call = call.set_num_cache_nodes(changes.nodes.then_some(self.nodes));
        // The nodes with the highest numbers leave.
        let removed = (self.nodes + 1..=live.spec.nodes).map(|number| format!("{number:04}")).collect::<Vec<_>>();
        let call = call.set_cache_node_ids_to_remove(Some(removed).filter(|ids| changes.nodes && !ids.is_empty()));
        let before = usize::try_from(live.spec.nodes).unwrap_or_default();
        let added: Vec<String> = self.availability_zones.iter().flatten().skip(before).cloned().collect();
        let call = call.set_new_availability_zones(Some(added).filter(|zones| changes.nodes && !zones.is_empty()));
        let spread = self.availability_zones.iter().flatten().collect::<BTreeSet<_>>().len() > 1;
        let call = call.set_az_mode((changes.nodes && spread).then_some(AzMode::CrossAz));
        let call = call.set_security_group_ids(changes.security_groups.then(|| referenced_ids(&self.security_groups)));
        let group = self.parameter_group.as_ref().filter(|_| changes.parameter_group);
        let call = call.set_cache_parameter_group_name(group.map(|group| group.get().to_owned()));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let call = match &self.notification_topic {
            Some(topic) if changes.notification_topic => call.notification_topic_arn(topic).notification_topic_status("active"),
            None if changes.notification_topic => call.notification_topic_status("inactive"),
            _ => call,
        };
        let call = call.set_auto_minor_version_upgrade(changes.auto_minor_version_upgrade.then_some(self.auto_minor_version_upgrade));
        call.set_ip_discovery(changes.ip_discovery.then(|| IpDiscovery::from(self.ip_discovery.as_str()))).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.elasticache.delete_cache_cluster().cache_cluster_id(&live.id).send().await)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(cache) = declared.spec() else { return Vec::new() };
        let group = cache.parameter_group.as_ref().and_then(|group| declared.referenced(group));
        let group = group.filter(|(_, group)| !cache.version.contains("${") && !group.family.contains("${"));
        let wrong = group.filter(|(_, group)| group.family != family(&cache.version));
        let problem = |(address, group): (_, CacheParameterGroup)| {
            let message = format!("`{address}` has the family `{}`, and the cache has `{}`", group.family, family(&cache.version));
            Problem::new(Self::POINTERS.parameter_group, message).help("use a group of the engine's family")
        };
        wrong.map(problem).into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let windows = ((at.maintenance_window.clone(), &None), (at.maintenance_window, &self.maintenance_window));
        let mut problems = windows::check(windows.0, windows.1, SHORTEST_WINDOW);
        if let Some(zones) = self.availability_zones.as_ref().filter(|zones| i32::try_from(zones.len()) != Ok(self.nodes)) {
            let message = format!("{} zones for {} nodes: each node has one", zones.len(), self.nodes);
            problems.push(Problem::new(at.availability_zones, message));
        }
        if self.ip_discovery == "ipv6" && self.network_type == Self::default_network_type() {
            problems.push(Problem::new(at.ip_discovery, "requires `network_type` `ipv6` or `dual_stack`"));
        }
        problems
    }

    /// A node keeps its zone, so zones count only for new nodes.
    fn normalize(&self, live: &mut Self) {
        if satisfies(&self.version, self.auto_minor_version_upgrade, &live.version) {
            live.version.clone_from(&self.version);
        }
        if windows::same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
        live.availability_zones.clone_from(&self.availability_zones);
    }
}

/// Family of the parameter groups of a version: `memcached1.6`.
fn family(version: &str) -> String {
    format!("{ENGINE}{}", version.splitn(3, '.').take(2).collect::<Vec<_>>().join("."))
}

/// Parameter group that AWS provides for a version.
fn default_parameter_group(version: &str) -> String {
    format!("default.{}", family(version))
}

fn observed(cluster: SdkCluster, tags: Tags) -> Result<Observed<CacheCluster>> {
    let name = cluster.cache_cluster_id.ok_or_else(|| Error::missing_field("CacheClusterId"))?;
    // Changes that wait for the maintenance window count as applied, so that a second plan shows no changes.
    let pending = cluster.pending_modified_values;
    let pending = pending.as_ref();
    let is_pending =
        pending.is_some_and(|all| all.num_cache_nodes.is_some() || all.engine_version.is_some() || all.cache_node_type.is_some());
    let phase = match cluster.cache_cluster_status.as_deref().unwrap_or_default() {
        "available" if is_pending => Phase::PendingChanges("changes pending".to_owned()),
        "available" => Phase::Ready,
        "deleting" => Phase::Deleting,
        status @ ("create-failed" | "incompatible-network" | "restore-failed") => Phase::Failed(status.to_owned()),
        status => Phase::Progressing(status.to_owned()),
    };
    let nodes = cluster.cache_nodes.unwrap_or_default();
    let zones: Vec<String> = nodes.iter().filter_map(|node| node.customer_availability_zone.clone()).collect();
    let topic = cluster.notification_configuration.filter(|topic| topic.topic_status() != Some("inactive"));
    let endpoint = cluster.configuration_endpoint;
    let port = endpoint.as_ref().and_then(|endpoint| endpoint.port);
    let port = port.or_else(|| nodes.iter().find_map(|node| node.endpoint().and_then(|endpoint| endpoint.port)));
    let spec = CacheCluster {
        name: Some(name.clone()),
        version: pending.and_then(|all| all.engine_version.clone()).or(cluster.engine_version.clone()).unwrap_or_default(),
        node_type: pending.and_then(|all| all.cache_node_type.clone()).or(cluster.cache_node_type).unwrap_or_default(),
        nodes: pending.and_then(|all| all.num_cache_nodes).or(cluster.num_cache_nodes).unwrap_or_default(),
        availability_zones: Some(zones).filter(|zones| !zones.is_empty()),
        subnet_group: Ref::to(cluster.cache_subnet_group_name.unwrap_or_default()),
        security_groups: cluster
            .security_groups
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.security_group_id)
            .map(Ref::to)
            .collect(),
        parameter_group: cluster.cache_parameter_group.and_then(|group| group.cache_parameter_group_name).map(Ref::to),
        port: port.unwrap_or_else(CacheCluster::default_port),
        transit_encryption: cluster.transit_encryption_enabled.unwrap_or_default(),
        maintenance_window: cluster.preferred_maintenance_window,
        notification_topic: topic.and_then(|topic| topic.topic_arn),
        auto_minor_version_upgrade: cluster.auto_minor_version_upgrade.unwrap_or_else(CacheCluster::default_auto_minor_version_upgrade),
        network_type: cluster.network_type.map_or_else(CacheCluster::default_network_type, |kind| kind.as_str().to_owned()),
        ip_discovery: cluster.ip_discovery.map_or_else(CacheCluster::default_ip_discovery, |kind| kind.as_str().to_owned()),
        apply_immediately: true,
    };
    let outputs = Outputs {
        arn: cluster.arn.ok_or_else(|| Error::missing_field("ARN"))?,
        endpoint: endpoint.and_then(|endpoint| endpoint.address),
        node_endpoints: nodes.into_iter().filter_map(|node| node.endpoint?.address).collect(),
        engine_version: cluster.engine_version,
    };
    Ok(Observed::new(name, tags, spec, outputs).phase(phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_default_parameter_group() {
        assert_eq!(["1.6", "1.6.22"].map(default_parameter_group), ["default.memcached1.6"; 2]);
    }
}
