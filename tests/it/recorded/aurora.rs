//! Aurora: a cluster is changed one step at a time, and its instances are told apart from other databases.

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Script, xml_error, xml_ownership_tags};

pub(super) const CLUSTERS: &str = "DescribeDBClusters";
const INSTANCES: &str = "DescribeDBInstances";
const MODIFY: &str = "ModifyDBCluster";

pub(super) const CLUSTER: &str = "
  aurora_cluster:
    orders:
      engine: aurora-postgresql
      version: \"16\"
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
      deletion_protection: false
";

/// The cluster with these fields besides.
pub(super) fn definition(more: &str) -> String {
    format!("{CLUSTER}      {more}\n")
}

/// DescribeDBClusters with one cluster, or none for an empty status.
pub(super) fn cluster(status: &str, more: &str) -> Answer {
    let tags = xml_ownership_tags("aurora_cluster.orders", "Tag", "Key", "Value");
    let one = format!(
        "<DBCluster><DBClusterIdentifier>shop-orders</DBClusterIdentifier><Status>{status}</Status>\
         <DBClusterArn>arn:aws:rds:us-east-1:123456789012:cluster:shop-orders</DBClusterArn><Engine>aurora-postgresql</Engine>\
         <EngineVersion>16.4</EngineVersion><MasterUsername>postgres</MasterUsername><DBSubnetGroup>shop-main</DBSubnetGroup>\
         <DBClusterParameterGroup>default.aurora-postgresql16</DBClusterParameterGroup><Port>5432</Port><NetworkType>IPV4</NetworkType>\
         <Endpoint>shop-orders.cluster-abc.us-east-1.rds.amazonaws.com</Endpoint>\
         <ReaderEndpoint>shop-orders.cluster-ro-abc.us-east-1.rds.amazonaws.com</ReaderEndpoint>\
         <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status>\
         </VpcSecurityGroupMembership></VpcSecurityGroups><StorageEncrypted>true</StorageEncrypted>\
         <KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/1</KmsKeyId><BackupRetentionPeriod>7</BackupRetentionPeriod>\
         <PreferredBackupWindow>02:00-02:30</PreferredBackupWindow>\
         <PreferredMaintenanceWindow>sun:04:00-sun:04:30</PreferredMaintenanceWindow><DeletionProtection>false</DeletionProtection>\
         <CopyTagsToSnapshot>true</CopyTagsToSnapshot><IAMDatabaseAuthenticationEnabled>false</IAMDatabaseAuthenticationEnabled>\
         <HttpEndpointEnabled>false</HttpEndpointEnabled><EngineLifecycleSupport>open-source-rds-extended-support</EngineLifecycleSupport>\
         <TagList>{tags}</TagList>{more}</DBCluster>"
    );
    let all = if status.is_empty() { String::new() } else { one };
    answer(CLUSTERS, &format!("<DBClusters>{all}</DBClusters>"))
}

pub(super) fn accepted(action: &str) -> Answer {
    answer(action, "<DBCluster><DBClusterIdentifier>shop-orders</DBClusterIdentifier></DBCluster>")
}

/// DescribeDBInstances with one member of the cluster.
fn instance(status: &str, tagged_as: &str) -> Answer {
    let tags = xml_ownership_tags(tagged_as, "Tag", "Key", "Value");
    answer(
        INSTANCES,
        &format!(
            "<DBInstances><DBInstance><DBInstanceIdentifier>shop-one</DBInstanceIdentifier><DBInstanceStatus>{status}</DBInstanceStatus>\
             <DBInstanceArn>arn:aws:rds:us-east-1:123456789012:db:shop-one</DBInstanceArn><DBInstanceClass>db.r7g.large</DBInstanceClass>\
             <DBClusterIdentifier>shop-orders</DBClusterIdentifier><Engine>aurora-postgresql</Engine><EngineVersion>16.4</EngineVersion>\
             <PromotionTier>1</PromotionTier><AvailabilityZone>us-east-1a</AvailabilityZone><PubliclyAccessible>false</PubliclyAccessible>\
             <AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade><MonitoringInterval>0</MonitoringInterval>\
             <TagList>{tags}</TagList></DBInstance></DBInstances>"
        ),
    )
}

#[test]
fn creates_a_cluster_and_then_adds_its_roles() {
    let role = |status: &str| {
        format!(
            "<AssociatedRoles><DBClusterRole><RoleArn>arn:aws:iam::123456789012:role/import</RoleArn><Status>{status}</Status>\
             <FeatureName>s3Import</FeatureName></DBClusterRole></AssociatedRoles>"
        )
    };
    let busy = xml_error(400, "InvalidDBClusterStateFault", "The DB cluster is not in an available state.");
    let (create, add) = ("CreateDBCluster", "AddRoleToDBCluster");
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("", "")])
        .on(create, [accepted(create)])
        .after(create)
        .on(CLUSTERS, [cluster("creating", ""), cluster("available", "")])
        .on(add, [busy, answer(add, "")])
        .after(add)
        .on(CLUSTERS, [cluster("available", &role("PENDING")), cluster("available", &role("ACTIVE"))])
        .start(&definition("roles: [{ role: \"arn:aws:iam::123456789012:role/import\", feature: s3Import }]"));
    let done = endpoint.apply();
    for part in ["aurora_cluster.orders: creating", "aurora_cluster.orders: adding role"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert_eq!(endpoint.writes(), [format!("200 {create}"), format!("400 {add}"), format!("200 {add}")]);
    let sent = &endpoint.request_bodies(create)[0];
    assert_eq!(
        (&sent["ManageMasterUserPassword"], &sent["StorageEncrypted"], &sent["MasterUsername"]),
        (&"true".into(), &"true".into(), &"postgres".into())
    );
    assert!(sent.get("MasterUserPassword").is_none(), "{sent}");
}

/// The Data API has calls of its own, which RDS accepts once the cluster is available again.
#[test]
fn makes_one_change_after_the_other() {
    let enabled = "<HttpEndpointEnabled>true</HttpEndpointEnabled>";
    let changed = |more: &str| {
        let (code, body) = cluster("available", "");
        let body = body.replace("<BackupRetentionPeriod>7<", "<BackupRetentionPeriod>14<");
        (code, if more.is_empty() { body } else { body.replace("<HttpEndpointEnabled>false</HttpEndpointEnabled>", more) })
    };
    let enable = "EnableHttpEndpoint";
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("available", "")])
        .on(MODIFY, [accepted(MODIFY)])
        .after(MODIFY)
        .on(CLUSTERS, [cluster("modifying", ""), changed("")])
        .on(enable, [answer(enable, "<HttpEndpointEnabled>true</HttpEndpointEnabled>")])
        .after(enable)
        .on(CLUSTERS, [changed(enabled)])
        .start(&definition("data_api: true\n      backup_retention_days: 14"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {MODIFY}"), format!("200 {enable}")]);
    let sent = &endpoint.request_bodies(MODIFY)[0];
    assert_eq!((&sent["BackupRetentionPeriod"], &sent["ApplyImmediately"]), (&"14".into(), &"true".into()));
    assert!(sent.get("EngineVersion").is_none() && sent.get("EnableHttpEndpoint").is_none(), "only what changes is sent: {sent}");
    assert_eq!(endpoint.request_bodies(enable)[0]["ResourceArn"], "arn:aws:rds:us-east-1:123456789012:cluster:shop-orders");
}

/// The parameter group of the new family goes with the upgrade.
#[test]
fn upgrades_with_the_parameter_groups_of_the_new_version() {
    let upgraded = || {
        let (code, body) = cluster("available", "");
        (code, body.replace("16.4", "17.2").replace("default.aurora-postgresql16", "shop-17"))
    };
    let more = "parameter_group: { id: shop-17 }\n      upgraded_instance_parameter_group: { id: shop-instances-17 }\n      \
                allow_major_version_upgrade: true";
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("available", "")])
        .on(MODIFY, [accepted(MODIFY)])
        .after(MODIFY)
        .on(CLUSTERS, [cluster("upgrading", ""), upgraded()])
        .start(&definition(more).replace("version: \"16\"", "version: \"17\""));
    endpoint.apply();
    let sent = &endpoint.request_bodies(MODIFY)[0];
    let fields = ["EngineVersion", "AllowMajorVersionUpgrade", "DBClusterParameterGroupName", "DBInstanceParameterGroupName"];
    assert_eq!(fields.map(|field| sent[field].as_str().unwrap_or_default()), ["17", "true", "shop-17", "shop-instances-17"]);
}

/// RDS may upgrade the instances, and AWS chooses windows and zones.
#[test]
fn accepts_newer_minor_versions() {
    let endpoint = Script::new().on(CLUSTERS, [cluster("available", "")]).start(&CLUSTER.replace("\"16\"", "\"16.2\""));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let endpoint = Script::new().on(CLUSTERS, [cluster("available", "")]).start(&CLUSTER.replace("\"16\"", "\"16.6\""));
    assert_eq!(endpoint.planned_changes(), ["update aurora_cluster.orders"]);
}

#[test]
fn ignores_clusters_of_other_engines() {
    let (code, body) = cluster("available", "");
    let endpoint = Script::new().on(CLUSTERS, [(code, body.replace("<Engine>aurora-postgresql<", "<Engine>neptune<"))]).start(CLUSTER);
    assert_eq!(endpoint.planned_changes(), ["create aurora_cluster.orders"]);
}

#[test]
fn deletes_a_cluster_after_its_instances_and_keeps_a_snapshot() {
    let (delete, delete_instance) = ("DeleteDBCluster", "DeleteDBInstance");
    let full =
        xml_error(400, "InvalidDBClusterStateFault", "Cluster cannot be deleted, it still contains DB instances in non-deleting state.");
    let taken = xml_error(400, "DBClusterSnapshotAlreadyExistsFault", "Cannot create the snapshot because it already exists.");
    let member = "  aurora_instance: { one: { cluster: orders, class: db.r7g.large } }\n";
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("available", "")])
        .on(INSTANCES, [instance("available", "aurora_instance.one")])
        .on(delete_instance, [answer(delete_instance, "<DBInstance/>")])
        .after(delete_instance)
        .on(INSTANCES, [instance("deleting", "aurora_instance.one"), answer(INSTANCES, "<DBInstances/>")])
        .on(delete, [full, taken, accepted(delete)])
        .after(delete)
        .on(CLUSTERS, [cluster("deleting", ""), cluster("", "")])
        .start(&format!("{CLUSTER}{member}"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.request_bodies(delete_instance)[0]["SkipFinalSnapshot"], "true");
    let sent = endpoint.request_bodies(delete);
    let names: Vec<&str> = sent.iter().filter_map(|body| body["FinalDBSnapshotIdentifier"].as_str()).collect();
    assert_eq!(names[..2], ["shop-orders-final"; 2]);
    assert!(names[2].starts_with("shop-orders-final-") && sent[2]["SkipFinalSnapshot"] == "false", "{sent:?}");
}

/// Both types have the same API objects.
#[test]
fn tells_instances_of_clusters_from_databases() {
    let script = |tagged_as| Script::new().on(INSTANCES, [instance("available", tagged_as)]);
    let database = "  rds_instance:\n    one:\n      engine: postgres\n      version: \"16\"\n      class: db.t4g.medium\n      storage_gib: 50\n      \
                    subnet_group: { id: shop-main }\n      security_groups: [{ id: sg-1 }]\n";
    assert_eq!(script("rds_instance.one").start(database).planned_changes(), ["create rds_instance.one"]);
    let member = "  aurora_instance: { one: { cluster: { id: shop-orders }, class: db.r7g.large } }\n";
    assert_eq!(script("aurora_instance.one").start(member).planned_changes(), [""; 0]);
}

#[test]
fn restores_a_cluster_from_a_snapshot() {
    let snapshot = "<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotIdentifier>last</DBClusterSnapshotIdentifier>\
         <Engine>aurora-postgresql</Engine><EngineVersion>16.4</EngineVersion><StorageEncrypted>true</StorageEncrypted>\
         <KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/1</KmsKeyId></DBClusterSnapshot></DBClusterSnapshots>";
    let kept = "<MasterUserSecret><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-1</SecretArn><SecretStatus>active\
         </SecretStatus><KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/2</KmsKeyId></MasterUserSecret>";
    let (snapshots, restore) = ("DescribeDBClusterSnapshots", "RestoreDBClusterFromSnapshot");
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("", "")])
        .on(snapshots, [answer(snapshots, snapshot)])
        .on(restore, [accepted(restore)])
        .after(restore)
        .on(CLUSTERS, [cluster("creating", ""), cluster("available", "")])
        .on(MODIFY, [accepted(MODIFY)])
        .after(MODIFY)
        .on(CLUSTERS, [cluster("resetting-master-credentials", ""), cluster("available", kept)])
        .start(&definition("snapshot: last"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {restore}"), format!("200 {MODIFY}")]);
    assert_eq!(endpoint.request_bodies(MODIFY)[0]["ManageMasterUserPassword"], "true");
    let sent = &endpoint.request_bodies(restore)[0];
    assert!(sent.get("MasterUsername").is_none() && sent.to_string().contains("acme:address"), "{sent}");
    // Another version is refused before the call.
    let script = || Script::new().on(CLUSTERS, [cluster("", "")]).on(snapshots, [answer(snapshots, snapshot)]);
    let older = script().start(&definition("snapshot: last").replace("\"16\"", "\"15\""));
    let done = older.run("apply", &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("AWS does not downgrade engine versions"), "{}", done.combined_output());
    assert_eq!(older.writes(), [""; 0]);
}

/// The same for a point in time of another cluster, which keeps its users and passwords.
#[test]
fn creates_a_cluster_as_another_one_was() {
    let source = || {
        let (code, body) = cluster("available", "");
        (code, body.replace("shop-orders", "primary").replace("acme:", "other:"))
    };
    let kept = "<MasterUserSecret><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-1</SecretArn><SecretStatus>active\
         </SecretStatus><KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/2</KmsKeyId></MasterUserSecret>";
    let restore = "RestoreDBClusterToPointInTime";
    let script = || {
        Script::new()
            .on(CLUSTERS, [cluster("", "")])
            .on_containing(CLUSTERS, "DBClusterIdentifier=primary", [source()])
            .on(restore, [accepted(restore)])
            .after(restore)
            .on(CLUSTERS, [cluster("creating", ""), cluster("available", "")])
            .on(MODIFY, [accepted(MODIFY)])
            .after(MODIFY)
            .on(CLUSTERS, [cluster("resetting-master-credentials", ""), cluster("available", kept)])
    };
    let endpoint = script().start(&definition("point_in_time: { cluster: { id: primary }, time: \"2026-11-28T12:00:00Z\" }"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {restore}"), format!("200 {MODIFY}")]);
    assert_eq!(endpoint.request_bodies(MODIFY)[0]["ManageMasterUserPassword"], "true");
    let sent = &endpoint.request_bodies(restore)[0];
    assert_eq!(
        (&sent["SourceDBClusterIdentifier"], &sent["DBClusterIdentifier"], &sent["RestoreToTime"]),
        (&"primary".into(), &"shop-orders".into(), &"2026-11-28T12:00:00Z".into())
    );
    assert_eq!((sent.get("UseLatestRestorableTime"), sent.get("MasterUsername"), sent.get("KmsKeyId")), (None, None, None));
    assert!(sent.to_string().contains("acme:address"), "{sent}");
    endpoint.redefine(&definition("point_in_time: { cluster: { id: primary } }"));
    assert_eq!(endpoint.planned_changes(), [""; 0], "it is used only at creation");

    let endpoint = script().start(&definition("point_in_time: { resource_id: cluster-ABCDEFGHIJKL }"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(restore)[0];
    assert_eq!((&sent["SourceDbClusterResourceId"], &sent["UseLatestRestorableTime"]), (&"cluster-ABCDEFGHIJKL".into(), &"true".into()));

    // Another engine, version or encryption is refused before the call.
    for (from, to, told) in [
        ("aurora-postgresql", "aurora-mysql", "has the engine aurora-mysql"),
        ("16.4", "17.4", "AWS does not downgrade engine versions"),
        ("16.4", "15.8", "set `allow_major_version_upgrade: true`"),
        ("<StorageEncrypted>true", "<StorageEncrypted>false", "set the same `encrypted`"),
    ] {
        let (code, body) = source();
        let endpoint = Script::new()
            .on(CLUSTERS, [cluster("", "")])
            .on_containing(CLUSTERS, "DBClusterIdentifier=primary", [(code, body.replace(from, to))])
            .start(&definition("point_in_time: { cluster: { id: primary } }"));
        let done = endpoint.run("apply", &["--yes"]);
        assert!(done.code == 1 && done.stderr.contains(told), "`{told}` is missing in {}", done.combined_output());
        assert_eq!(endpoint.writes(), [""; 0]);
    }
}
