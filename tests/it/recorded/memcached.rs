//! ElastiCache for Memcached: nodes are added and removed by number.

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Script, xml_error, xml_ownership_tags};

const LIST: &str = "DescribeCacheClusters";
const MODIFY: &str = "ModifyCacheCluster";

const CACHE: &str = "
  cache_cluster:
    pages:
      version: \"1.6\"
      node_type: cache.t4g.small
      nodes: 2
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
";

/// DescribeCacheClusters with one cache, or none for an empty status.
fn cache(status: &str, nodes: usize, more: &str) -> Answer {
    let node = |number: usize| {
        format!(
            "<CacheNode><CacheNodeId>{number:04}</CacheNodeId><CustomerAvailabilityZone>us-east-1a</CustomerAvailabilityZone>\
             <Endpoint><Address>pages.{number:04}.example.com</Address><Port>11211</Port></Endpoint></CacheNode>"
        )
    };
    let nodes_text: String = (1..=nodes).map(node).collect();
    let one = format!(
        "<CacheCluster><CacheClusterId>shop-pages</CacheClusterId><CacheClusterStatus>{status}</CacheClusterStatus><Engine>memcached</Engine>\
         <ARN>arn:aws:elasticache:us-east-1:123456789012:cluster:shop-pages</ARN><EngineVersion>1.6.22</EngineVersion>\
         <CacheNodeType>cache.t4g.small</CacheNodeType><NumCacheNodes>{nodes}</NumCacheNodes><CacheNodes>{nodes_text}</CacheNodes>\
         <ConfigurationEndpoint><Address>pages.cfg.example.com</Address><Port>11211</Port></ConfigurationEndpoint>\
         <CacheSubnetGroupName>shop-main</CacheSubnetGroupName><SecurityGroups><member><SecurityGroupId>sg-1</SecurityGroupId></member>\
         </SecurityGroups><CacheParameterGroup><CacheParameterGroupName>default.memcached1.6</CacheParameterGroupName></CacheParameterGroup>\
         <PreferredMaintenanceWindow>sun:05:00-sun:06:00</PreferredMaintenanceWindow><TransitEncryptionEnabled>false</TransitEncryptionEnabled>\
         <AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade><NetworkType>ipv4</NetworkType><IpDiscovery>ipv4</IpDiscovery>{more}\
         </CacheCluster>"
    );
    let all = if status.is_empty() { String::new() } else { one };
    answer(LIST, &format!("<CacheClusters>{all}</CacheClusters>"))
}

fn script_with(first: Answer) -> Script {
    let tags = xml_ownership_tags("cache_cluster.pages", "Tag", "Key", "Value");
    let accepted = |action| answer(action, "<CacheCluster><CacheClusterId>shop-pages</CacheClusterId></CacheCluster>");
    Script::new()
        .on(LIST, [first])
        .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<TagList>{tags}</TagList>"))])
        .on("CreateCacheCluster", [accepted("CreateCacheCluster")])
        .on(MODIFY, [accepted(MODIFY)])
        .on("DeleteCacheCluster", [accepted("DeleteCacheCluster")])
}

#[test]
fn creates_a_cache_and_changes_its_nodes() {
    let create = "CreateCacheCluster";
    let endpoint = script_with(cache("", 0, ""))
        .after(create)
        .on(LIST, [cache("creating", 0, ""), cache("available", 2, "")])
        .after(MODIFY)
        .on(
            LIST,
            [
                cache("modifying", 2, "<PendingModifiedValues><NumCacheNodes>3</NumCacheNodes></PendingModifiedValues>"),
                cache("available", 3, ""),
            ],
        )
        .after(MODIFY)
        .on(LIST, [cache("rebooting cluster nodes", 3, ""), cache("available", 1, "")])
        .start(&format!("{CACHE}outputs: {{ host: \"{{{{ cache_cluster.pages.endpoint }}}}\" }}\n"));
    let done = endpoint.apply();
    assert!(done.stdout.contains("pages.cfg.example.com"), "{}", done.combined_output());
    assert!(done.stderr.contains("cache_cluster.pages: creating"), "{}", done.combined_output());
    let sent = &endpoint.request_bodies(create)[0];
    assert_eq!((&sent["Engine"], &sent["NumCacheNodes"]), (&"memcached".into(), &"2".into()));
    endpoint.redefine(&CACHE.replace("nodes: 2", "nodes: 3"));
    endpoint.apply();
    endpoint.redefine(&CACHE.replace("nodes: 2", "nodes: 1"));
    endpoint.apply();
    let sent = endpoint.request_bodies(MODIFY);
    assert_eq!((&sent[0]["NumCacheNodes"], &sent[1]["NumCacheNodes"]), (&"3".into(), &"1".into()));
    // The nodes with the highest numbers leave.
    let removed = sent[1].to_string();
    assert!(
        removed.contains("\"0002\"") && removed.contains("\"0003\"") && !sent[0].to_string().contains("CacheNodeIdsToRemove"),
        "{removed}"
    );
}

/// A node keeps its zone, and AWS chooses windows.
#[test]
fn deletes_a_cache_once_it_is_no_longer_busy() {
    let delete = "DeleteCacheCluster";
    let busy = xml_error(400, "InvalidCacheClusterState", "The cache cluster is not in the available state.");
    let zones = CACHE.replace("nodes: 2", "nodes: 2\n      availability_zones: [us-east-1b, us-east-1c]");
    let endpoint = script_with(cache("available", 2, "")).start(&zones);
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let endpoint = script_with(cache("available", 2, ""))
        .on(delete, [busy, answer(delete, "<CacheCluster/>")])
        .after(delete)
        .on(LIST, [cache("deleting", 2, ""), cache("", 0, "")])
        .start(CACHE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("400 {delete}"), format!("200 {delete}")]);
}
