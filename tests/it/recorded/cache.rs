//! ElastiCache: a cache is changed one step at a time, and some of its settings are those of its nodes.

use serde_json::{Value, json};

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Endpoint, Script, ok, xml_error, xml_ownership_tags};

const GROUPS: &str = "DescribeReplicationGroups";
const NODES: &str = "DescribeCacheClusters";
const MODIFY: &str = "ModifyReplicationGroup";
const INCREASE: &str = "IncreaseReplicaCount";
const DECREASE: &str = "DecreaseReplicaCount";
const RESHARD: &str = "ModifyReplicationGroupShardConfiguration";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-token-AbCdEf";

const CACHE: &str = "
  cache_replication_group:
    carts:
      version: \"8.0\"
      node_type: cache.t4g.small
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
";

/// The definition of the cache with these fields besides.
fn definition(more: &str) -> String {
    format!("{CACHE}      {more}\n")
}

/// A cache as it is described.
#[derive(Clone, Copy)]
struct Cache {
    status: &'static str,
    shards: usize,
    replicas: usize,
    failover: &'static str,
    multi_az: &'static str,
    mode: &'static str,
    transit: &'static str,
    retention: u32,
    more: &'static str,
}

const AVAILABLE: Cache = Cache {
    status: "available",
    shards: 1,
    replicas: 1,
    failover: "enabled",
    multi_az: "enabled",
    mode: "disabled",
    transit: "required",
    retention: 7,
    more: "",
};

impl Cache {
    /// DescribeReplicationGroups with this cache.
    fn described(self) -> Answer {
        let Cache { status, shards, replicas, failover, multi_az, mode, transit, retention, more } = self;
        let member = |shard: usize, node: usize| {
            let role = if node == 0 { "primary" } else { "replica" };
            let id = format!("shop-carts-{:04}-{:03}", shard + 1, node + 1);
            format!("<NodeGroupMember><CacheClusterId>{id}</CacheClusterId><CurrentRole>{role}</CurrentRole></NodeGroupMember>")
        };
        let shard = |shard: usize| {
            let members: String = (0..=replicas).map(|node| member(shard, node)).collect();
            format!(
                "<NodeGroup><NodeGroupId>{:04}</NodeGroupId><Status>available</Status><PrimaryEndpoint><Address>master.shop-carts.example.com\
                 </Address><Port>6379</Port></PrimaryEndpoint><NodeGroupMembers>{members}</NodeGroupMembers></NodeGroup>",
                shard + 1
            )
        };
        let shards: String = (0..shards).map(shard).collect();
        let (encrypted, transit) = match transit {
            "disabled" => ("false", String::new()),
            mode => ("true", format!("<TransitEncryptionMode>{mode}</TransitEncryptionMode>")),
        };
        answer(
            GROUPS,
            &format!(
                "<ReplicationGroups><ReplicationGroup><ReplicationGroupId>shop-carts</ReplicationGroupId><Status>{status}</Status>\
                 <ARN>arn:aws:elasticache:us-east-1:123456789012:replicationgroup:shop-carts</ARN><Description>Managed by acme</Description>\
                 <Engine>valkey</Engine><CacheNodeType>cache.t4g.small</CacheNodeType><NodeGroups>{shards}</NodeGroups>\
                 <AutomaticFailover>{failover}</AutomaticFailover><MultiAZ>{multi_az}</MultiAZ><ClusterMode>{mode}</ClusterMode>\
                 <TransitEncryptionEnabled>{encrypted}</TransitEncryptionEnabled>{transit}\
                 <AtRestEncryptionEnabled>true</AtRestEncryptionEnabled><SnapshotRetentionLimit>{retention}</SnapshotRetentionLimit>\
                 <SnapshotWindow>02:00-03:00</SnapshotWindow><AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade>\
                 <NetworkType>ipv4</NetworkType><IpDiscovery>ipv4</IpDiscovery>{more}</ReplicationGroup></ReplicationGroups>"
            ),
        )
    }
}

/// DescribeCacheClusters with a node of the cache, and one of Memcached.
fn nodes() -> Answer {
    let memcached = "<CacheCluster><CacheClusterId>pages</CacheClusterId><Engine>memcached</Engine></CacheCluster>";
    answer(
        NODES,
        &format!(
            "<CacheClusters>{memcached}<CacheCluster><CacheClusterId>shop-carts-0001-001</CacheClusterId><Engine>valkey</Engine>\
             <EngineVersion>8.0.1</EngineVersion><ReplicationGroupId>shop-carts</ReplicationGroupId>\
             <CacheSubnetGroupName>shop-main</CacheSubnetGroupName><PreferredMaintenanceWindow>sun:05:00-sun:06:00</PreferredMaintenanceWindow>\
             <CacheParameterGroup><CacheParameterGroupName>default.valkey8</CacheParameterGroupName></CacheParameterGroup>\
             <SecurityGroups><member><SecurityGroupId>sg-1</SecurityGroupId><Status>active</Status></member></SecurityGroups>\
             </CacheCluster></CacheClusters>"
        ),
    )
}

fn accepted(action: &str) -> Answer {
    answer(action, "<ReplicationGroup><ReplicationGroupId>shop-carts</ReplicationGroupId></ReplicationGroup>")
}

/// A cache like this, with its nodes, its tags, and calls that are accepted.
fn script_with(first: Cache) -> Script {
    let tags = xml_ownership_tags("cache_replication_group.carts", "Tag", "Key", "Value");
    [MODIFY, INCREASE, DECREASE, RESHARD].into_iter().fold(
        Script::new()
            .on(GROUPS, [first.described()])
            .on(NODES, [nodes()])
            .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<TagList>{tags}</TagList>"))])
            .on("GetSecretValue", [ok(json!({ "ARN": SECRET, "SecretString": "0123456789abcdef" }))]),
        |script, call| script.on(call, [accepted(call)]),
    )
}

/// The values of a field in every call of an action; `-` for none.
fn sent(endpoint: &Endpoint, action: &str, field: &str) -> Vec<String> {
    endpoint.request_bodies(action).iter().map(|body| body[field].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn uses_a_cache_only_once_it_is_available_and_its_nodes_are_listed() {
    let create = "CreateReplicationGroup";
    let endpoint = script_with(AVAILABLE)
        .on(GROUPS, [answer(GROUPS, "<ReplicationGroups/>")])
        .on(create, [accepted(create)])
        .after(create)
        .on(GROUPS, [Cache { status: "creating", ..AVAILABLE }.described(), AVAILABLE.described()])
        .on(NODES, [answer(NODES, "<CacheClusters/>"), answer(NODES, "<CacheClusters/>"), nodes()])
        .start(&format!("{CACHE}outputs: {{ host: \"{{{{ cache_replication_group.carts.primary_endpoint }}}}\" }}\n"));
    let done = endpoint.apply();
    for part in ["cache_replication_group.carts: creating", "cache_replication_group.carts: its nodes are not listed yet"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert!(done.stdout.contains("master.shop-carts.example.com"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [format!("200 {create}")]);
    let body = &endpoint.request_bodies(create)[0];
    let fields = ["Engine", "EngineVersion", "NumCacheClusters", "ClusterMode", "TransitEncryptionEnabled", "AtRestEncryptionEnabled"];
    assert_eq!(fields.map(|field| body[field].as_str().unwrap_or("-")), ["valkey", "8.0", "2", "disabled", "true", "true"]);
}

/// Automatic failover needs a replica, and so does the snapshot, which the primary node should not make.
#[test]
fn adds_replicas_before_what_needs_them() {
    let single = Cache { replicas: 0, failover: "disabled", multi_az: "disabled", retention: 0, ..AVAILABLE };
    let replicated = Cache { replicas: 1, ..single };
    let endpoint = script_with(single)
        .after(INCREASE)
        .on(GROUPS, [Cache { status: "modifying", ..replicated }.described(), replicated.described()])
        .after(MODIFY)
        .on(GROUPS, [Cache { failover: "enabling", ..AVAILABLE }.described(), AVAILABLE.described()])
        .start(CACHE);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {INCREASE}"), format!("200 {MODIFY}")]);
    let body = &endpoint.request_bodies(MODIFY)[0];
    let fields = ["AutomaticFailoverEnabled", "MultiAZEnabled", "SnapshotRetentionLimit", "SnapshottingClusterId"];
    assert_eq!(fields.map(|field| body[field].as_str().unwrap_or("-")), ["true", "true", "7", "shop-carts-0001-002"]);
}

#[test]
fn removes_replicas_after_what_needs_them() {
    let single = Cache { replicas: 1, failover: "disabled", multi_az: "disabled", ..AVAILABLE };
    let endpoint = script_with(AVAILABLE)
        .after(MODIFY)
        .on(GROUPS, [single.described()])
        .after(DECREASE)
        .on(GROUPS, [Cache { status: "modifying", ..single }.described(), Cache { replicas: 0, ..single }.described()])
        .start(&definition("replicas: 0\n      automatic_failover: false\n      multi_az: false"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {MODIFY}"), format!("200 {DECREASE}")]);
    assert_eq!(sent(&endpoint, DECREASE, "NewReplicaCount"), ["0"]);
}

/// Clients change over while the cache accepts both kinds of connections.
#[test]
fn changes_encryption_and_cluster_mode_one_step_at_a_time() {
    let plain = Cache { transit: "disabled", ..AVAILABLE };
    let compatible = Cache { mode: "compatible", ..plain };
    let enabled = Cache { mode: "enabled", ..plain };
    let endpoint = script_with(plain)
        .after(MODIFY)
        .on(GROUPS, [Cache { status: "modifying", ..compatible }.described(), compatible.described()])
        .after(MODIFY)
        .on(GROUPS, [enabled.described()])
        .after(MODIFY)
        .on(GROUPS, [Cache { transit: "preferred", ..enabled }.described()])
        .after(MODIFY)
        .on(GROUPS, [Cache { transit: "required", ..enabled }.described()])
        .start(&definition("cluster_mode: enabled"));
    endpoint.apply();
    assert_eq!(sent(&endpoint, MODIFY, "ClusterMode"), ["compatible", "enabled", "-", "-"]);
    assert_eq!(sent(&endpoint, MODIFY, "TransitEncryptionMode"), ["-", "-", "preferred", "required"]);
}

#[test]
fn names_the_shards_that_leave() {
    let sharded = |shards| Cache { shards, mode: "enabled", ..AVAILABLE };
    let endpoint = script_with(sharded(3))
        .after(RESHARD)
        .on(GROUPS, [Cache { status: "modifying", ..sharded(3) }.described(), sharded(2).described()])
        .start(&definition("cluster_mode: enabled\n      shards: 2"));
    endpoint.apply();
    let body = endpoint.request_bodies(RESHARD)[0].clone();
    assert_eq!(body["NodeGroupCount"], "2");
    assert!(body.to_string().contains("\"0003\""), "{body}");
}

/// ElastiCache never reports a password, so a tag records its secret: only another secret means another password.
#[test]
fn passes_a_password_on_without_showing_it() {
    let with_token = |more: &str| definition(&format!("auth_token: \"{SECRET}\"{more}"));
    let alone = "\n      accept_previous_auth_token: false";
    let create = "CreateReplicationGroup";
    let tagged = |secret: &str| {
        let tags = xml_ownership_tags("cache_replication_group.carts", "Tag", "Key", "Value");
        let secret = format!("<Tag><Key>acme:secret-1</Key><Value>{secret}</Value></Tag>");
        answer("ListTagsForResource", &format!("<TagList>{tags}{secret}</TagList>"))
    };
    let with_arn = "<ReplicationGroup><ReplicationGroupId>shop-carts</ReplicationGroupId><ARN>arn:aws:elasticache:us-east-1:123456789012:\
                    replicationgroup:shop-carts</ARN></ReplicationGroup>";
    let tag = "AddTagsToResource";
    let rotated = SECRET.replace("AbCdEf", "GhIjKl");
    let endpoint = script_with(AVAILABLE)
        .on(GROUPS, [answer(GROUPS, "<ReplicationGroups/>")])
        .on(create, [accepted(create)])
        .on(MODIFY, [answer(MODIFY, with_arn)])
        .on(tag, [answer(tag, "<TagList/>")])
        .on("RemoveTagsFromResource", [answer("RemoveTagsFromResource", "<TagList/>")])
        .after(create)
        .on(GROUPS, [AVAILABLE.described()])
        .on("ListTagsForResource", [tagged(SECRET)])
        .after(tag)
        .on("ListTagsForResource", [tagged(&format!("{SECRET} alone"))])
        .after(tag)
        .on("ListTagsForResource", [tagged(&rotated)])
        .start(&with_token(""));
    let mut screens = endpoint.apply().combined_output();
    let body = &endpoint.request_bodies(create)[0];
    assert!(body["AuthToken"] == "0123456789abcdef" && body.to_string().contains("acme:secret-1"), "{body}");
    endpoint.redefine(&with_token(alone));
    screens += &endpoint.apply().combined_output();
    endpoint.redefine(&with_token("").replace(SECRET, &rotated));
    screens += &endpoint.run("plan", &["-o", "json"]).combined_output();
    screens += &endpoint.apply().combined_output();
    assert_eq!(sent(&endpoint, MODIFY, "AuthTokenUpdateStrategy"), ["SET", "ROTATE"]);
    assert!(!screens.contains("0123456789abcdef") && !screens.contains("acme:secret"), "{screens}");
}

#[test]
fn accepts_that_nothing_was_to_change() {
    let none = xml_error(400, "InvalidParameterCombination", "No modifications were requested");
    let endpoint = script_with(Cache { retention: 3, ..AVAILABLE })
        .on(MODIFY, [none])
        .on(
            GROUPS,
            [Cache { retention: 3, ..AVAILABLE }.described(), Cache { retention: 3, ..AVAILABLE }.described(), AVAILABLE.described()],
        )
        .start(CACHE);
    endpoint.run("apply", &["--yes"]).assert_success();
}

/// A change that waits for the maintenance window is done once ElastiCache has accepted it.
#[test]
fn does_not_wait_for_the_maintenance_window() {
    let upgraded = |text: &str| {
        let (code, body) = nodes();
        (code, body.replace("<EngineVersion>8.0.1</EngineVersion>", text))
    };
    let pending = "<EngineVersion>8.0.1</EngineVersion><PendingModifiedValues><EngineVersion>8.1</EngineVersion></PendingModifiedValues>";
    let endpoint = script_with(AVAILABLE)
        .after(MODIFY)
        .on(NODES, [upgraded(pending)])
        .start(&definition("apply_immediately: false").replace("8.0", "8.1"));
    endpoint.apply();
    assert_eq!(sent(&endpoint, MODIFY, "ApplyImmediately"), ["false"]);
}

#[test]
fn keeps_a_final_snapshot_under_a_free_name() {
    let delete = "DeleteReplicationGroup";
    let busy = xml_error(400, "InvalidReplicationGroupState", "Replication group shop-carts has status modifying which is not valid.");
    let taken = xml_error(400, "SnapshotAlreadyExistsFault", "Snapshot with specified name already exists.");
    let endpoint = script_with(AVAILABLE)
        .on(delete, [busy, taken, accepted(delete)])
        .after(delete)
        .on(GROUPS, [Cache { status: "deleting", ..AVAILABLE }.described(), answer(GROUPS, "<ReplicationGroups/>")])
        .start(CACHE);
    endpoint.run("destroy", &["--yes"]).assert_success();
    let names = sent(&endpoint, delete, "FinalSnapshotIdentifier");
    assert_eq!(names[..2], ["shop-carts-final"; 2]);
    assert!(names[2].starts_with("shop-carts-final-"), "{names:?}");
}

/// The nodes of a cache are clusters, too, but not of Memcached.
#[test]
fn does_not_take_nodes_for_caches_of_their_own() {
    let endpoint = script_with(AVAILABLE).start(
        "  cache_cluster: { carts-0001-001: { version: \"1.6\", node_type: cache.t4g.small, subnet_group: { id: shop-main }, \
         security_groups: [{ id: sg-1 }] } }\n",
    );
    let changes = endpoint.planned_changes();
    assert!(changes.contains(&"create cache_cluster.carts-0001-001".to_owned()), "{changes:?}");
}

/// A group for Redis OSS always has a default user.
#[test]
fn exchanges_the_default_user_in_one_call() {
    let group = |users: &[&str], status: &str, more: &str| {
        let users: String = users.iter().map(|user| format!("<member>{user}</member>")).collect();
        answer(
            "DescribeUserGroups",
            &format!(
                "<UserGroups><member><UserGroupId>shop-app</UserGroupId><Status>{status}</Status><Engine>redis</Engine><UserIds>{users}\
                 </UserIds><ARN>arn:aws:elasticache:us-east-1:123456789012:usergroup:shop-app</ARN>{more}</member></UserGroups>"
            ),
        )
    };
    let tags = xml_ownership_tags("cache_user_group.app", "Tag", "Key", "Value");
    let modify = "ModifyUserGroup";
    let pending = "<PendingChanges><UserIdsToRemove><member>default</member></UserIdsToRemove><UserIdsToAdd><member>off</member></UserIdsToAdd>\
                   </PendingChanges>";
    let busy = xml_error(400, "InvalidUserGroupState", "User group shop-app has status modifying.");
    let endpoint = Script::new()
        .on("DescribeUserGroups", [group(&["default"], "active", "")])
        .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<TagList>{tags}</TagList>"))])
        .on(modify, [busy, answer(modify, "<UserGroupId>shop-app</UserGroupId>")])
        .after(modify)
        .on("DescribeUserGroups", [group(&["default"], "modifying", pending), group(&["off"], "active", "")])
        .start("  cache_user_group: { app: { users: [{ id: \"off\" }] } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {modify}"), format!("200 {modify}")]);
    let body: Value = endpoint.request_bodies(modify)[1].clone();
    assert!(body.to_string().contains("\"off\"") && body.to_string().contains("\"default\""), "{body}");
}
