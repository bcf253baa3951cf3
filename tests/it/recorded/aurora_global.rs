//! Aurora databases of several regions: which cluster becomes the writer, and how clusters leave.

use serde_json::json;

use super::{
    aurora::{CLUSTER, CLUSTERS, accepted, cluster, definition},
    rds::answer,
};
use crate::scripted_endpoint::{Answer, Script, ok, xml_error, xml_ownership_tags};

const GLOBALS: &str = "DescribeGlobalClusters";
const LEAVE: &str = "RemoveFromGlobalCluster";
const CREATE: &str = "CreateDBCluster";
const DELETE: &str = "DeleteDBCluster";
const ARN: &str = "arn:aws:rds:us-east-1:123456789012:cluster:shop-orders";
const MEMBER: &str = "<GlobalClusterIdentifier>shop-world</GlobalClusterIdentifier>";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";

const WRITER: &str = "arn:aws:rds:eu-west-1:123456789012:cluster:shop-orders";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";
const COPY: &str = "global: world\n      kms_key: { arn: 'arn:aws:kms:us-east-1:123456789012:key/1' }";

const WORLD: &str = "  aurora_global: { world: { engine: aurora-postgresql, version: \"16\", deletion_protection: false } }\n";

/// The cluster with these fields, and the database of several regions.
fn in_world(more: &str) -> String {
    format!("{}{WORLD}", definition(more))
}

/// DescribeGlobalClusters with one database of these clusters: ARN, and whether it writes. None for an empty status.
fn world(status: &str, members: &[(&str, bool)]) -> Answer {
    let tags = xml_ownership_tags("aurora_global.world", "Tag", "Key", "Value");
    let member = |(arn, writes): &(&str, bool)| {
        format!("<GlobalClusterMember><DBClusterArn>{arn}</DBClusterArn><IsWriter>{writes}</IsWriter></GlobalClusterMember>")
    };
    let members: String = members.iter().map(member).collect();
    let one = format!(
        "<GlobalClusterMember><GlobalClusterIdentifier>shop-world</GlobalClusterIdentifier><Status>{status}</Status>\
         <GlobalClusterArn>arn:aws:rds::123456789012:global-cluster:shop-world</GlobalClusterArn><Engine>aurora-postgresql</Engine>\
         <EngineVersion>16.4</EngineVersion><StorageEncrypted>true</StorageEncrypted><DeletionProtection>false</DeletionProtection>\
         <EngineLifecycleSupport>open-source-rds-extended-support</EngineLifecycleSupport><GlobalClusterMembers>{members}</GlobalClusterMembers>\
         <TagList>{tags}</TagList></GlobalClusterMember>"
    );
    answer(GLOBALS, &format!("<GlobalClusters>{}</GlobalClusters>", if status.is_empty() { "" } else { &one }))
}

/// The cluster after acme has set its password from the secret.
fn with_password((code, body): Answer) -> Answer {
    (code, body.replace("</TagList>", &format!("<Tag><Key>acme:password-secret</Key><Value>{SECRET}</Value></Tag></TagList>")))
}

fn secret() -> Answer {
    ok(json!({ "ARN": SECRET, "Name": "orders", "SecretString": "hunter2" }))
}

fn joining(members: &[(&str, bool)], live: fn(Answer) -> Answer) -> Script {
    Script::new()
        .on(CLUSTERS, [cluster("", "")])
        .on(GLOBALS, [world("available", members)])
        .on("GetSecretValue", [secret()])
        .on(CREATE, [accepted(CREATE)])
        .after(CREATE)
        .on(CLUSTERS, [live(cluster("creating", MEMBER)), live(cluster("available", MEMBER))])
}

/// The first has a password, which RDS manages for none of them.
#[test]
fn the_first_cluster_writes_and_others_copy_it() {
    let first = joining(&[], with_password).start(&in_world(&format!("global: world\n      password_secret: '{SECRET}'")));
    let done = first.apply();
    assert!(!done.combined_output().contains("hunter2"), "{}", done.combined_output());
    let sent = &first.request_bodies(CREATE)[0];
    assert_eq!(
        (&sent["GlobalClusterIdentifier"], &sent["MasterUserPassword"], &sent["ManageMasterUserPassword"]),
        (&json!("shop-world"), &json!("hunter2"), &json!("false"))
    );
    let copy = joining(&[(WRITER, true)], |answer| answer).start(&in_world(COPY));
    copy.apply();
    let sent = &copy.request_bodies(CREATE)[0];
    // The global database has 16.4, and AWS accepts no other version.
    assert_eq!((&sent["EngineVersion"], &sent["KmsKeyId"]), (&json!("16.4"), &json!(KEY)));
    for unknown in ["MasterUsername", "MasterUserPassword", "ManageMasterUserPassword", "DatabaseName"] {
        assert_eq!(sent.get(unknown), None, "{sent}");
    }
    assert_eq!(copy.planned_changes(), [""; 0]);
}

/// Both are created at the same time.
#[test]
fn a_copy_waits_for_the_cluster_that_writes() {
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("", "")])
        .on(GLOBALS, [world("available", &[])])
        .on_containing(GLOBALS, "GlobalClusterIdentifier=shop-world", [world("available", &[]), world("available", &[(WRITER, true)])])
        .on(CREATE, [accepted(CREATE)])
        .after(CREATE)
        .on(CLUSTERS, [cluster("available", MEMBER)])
        .start(&in_world(COPY));
    endpoint.apply();
    let asked = endpoint.request_bodies(GLOBALS);
    assert_eq!(asked.iter().filter(|sent| sent.get("GlobalClusterIdentifier").is_some()).count(), 2);
    assert_eq!(endpoint.writes(), [format!("200 {CREATE}")]);
}

#[test]
fn an_existing_cluster_never_joins() {
    let endpoint = Script::new().on(CLUSTERS, [cluster("available", "")]).start(&definition(&COPY.replace("world", "{ id: shop-world }")));
    assert_eq!(endpoint.planned_changes(), ["replace aurora_cluster.orders"]);
}

/// It becomes a database of its own, which takes minutes.
#[test]
fn a_cluster_leaves_before_it_is_deleted() {
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("available", MEMBER)])
        .on(LEAVE, [answer(LEAVE, "")])
        .after(LEAVE)
        .on(CLUSTERS, [cluster("promoting", MEMBER), cluster("available", "")])
        .on(DELETE, [accepted(DELETE)])
        .after(DELETE)
        .on(CLUSTERS, [cluster("", "")])
        .start(&definition(&COPY.replace("world", "{ id: shop-world }")));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("200 {LEAVE}"), format!("200 {DELETE}")]);
    let sent = &endpoint.request_bodies(LEAVE)[0];
    assert_eq!((&sent["GlobalClusterIdentifier"], &sent["DbClusterIdentifier"]), (&json!("shop-world"), &json!(ARN)));
}

#[test]
fn a_cluster_leaves_without_the_field() {
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("", "")])
        .on(GLOBALS, [world("available", &[])])
        .on("GetSecretValue", [secret()])
        .on(CREATE, [accepted(CREATE)])
        .after(CREATE)
        .on(CLUSTERS, [with_password(cluster("available", MEMBER))])
        .on(LEAVE, [answer(LEAVE, "")])
        .after(LEAVE)
        .on(CLUSTERS, [with_password(cluster("promoting", MEMBER)), with_password(cluster("available", ""))])
        .start(&in_world(&format!("global: world\n      password_secret: '{SECRET}'")));
    endpoint.apply();
    endpoint.redefine(&in_world(&format!("password_secret: '{SECRET}'")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {CREATE}"), format!("200 {LEAVE}")]);
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// The last cluster may be one that was there before.
#[test]
fn the_last_cluster_leaves_before_the_database_is_deleted() {
    let delete = "DeleteGlobalCluster";
    let busy = xml_error(400, "InvalidGlobalClusterStateFault", "Global Cluster shop-world is not empty");
    let endpoint = Script::new()
        .on(GLOBALS, [world("available", &[(ARN, true), (WRITER, false)])])
        .on(delete, [busy, answer(delete, "")])
        .after(delete)
        .on(GLOBALS, [world("", &[])])
        .start(WORLD);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("400 {delete}"), format!("200 {delete}")], "clusters of others stay in");

    let endpoint = Script::new()
        .on(GLOBALS, [world("available", &[(ARN, true)])])
        .on(LEAVE, [answer(LEAVE, "")])
        .on(delete, [answer(delete, "")])
        .after(LEAVE)
        .on(GLOBALS, [world("modifying", &[]), world("available", &[])])
        .after(delete)
        .on(GLOBALS, [world("deleting", &[]), world("", &[])])
        .start(WORLD);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("200 {LEAVE}"), format!("200 {delete}")]);
}

/// Engine, version and encryption are those of the cluster.
#[test]
fn an_existing_cluster_becomes_the_writer() {
    let create = "CreateGlobalCluster";
    let created = answer(create, "<GlobalCluster><GlobalClusterIdentifier>shop-world</GlobalClusterIdentifier></GlobalCluster>");
    let endpoint = Script::new()
        .on(GLOBALS, [world("", &[])])
        .on(CLUSTERS, [cluster("available", "")])
        .on(create, [created])
        .after(create)
        .on(GLOBALS, [world("creating", &[]), world("available", &[(ARN, true)])])
        .start(&WORLD.replace("version", &format!("source: {{ arn: '{ARN}' }}, version")));
    endpoint.apply();
    let sent = &endpoint.request_bodies(create)[0];
    assert_eq!((&sent["SourceDBClusterIdentifier"], sent.get("Engine"), sent.get("StorageEncrypted")), (&json!(ARN), None, None));
    assert_eq!(endpoint.planned_changes(), [""; 0]);

    let (code, body) = cluster("available", "");
    let other = (code, body.replace("<StorageEncrypted>true", "<StorageEncrypted>false"));
    let endpoint = Script::new()
        .on(GLOBALS, [world("", &[])])
        .on(CLUSTERS, [other])
        .start(&WORLD.replace("version", &format!("source: {{ arn: '{ARN}' }}, version")));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.stderr.contains("`shop-orders` has `encrypted: false`"), "{}", done.combined_output());
    assert!(endpoint.writes().is_empty());

    let managed = format!("{}{}", CLUSTER.trim_start_matches('\n'), WORLD.replace("version", "source: orders, version"));
    let done = Script::new().start(&managed).run("plan", &[]);
    assert!(done.stderr.contains("RDS manages the password of `aurora_cluster.orders`"), "{}", done.combined_output());
}

/// RDS upgrades them together; acme then sets the groups of the new version.
#[test]
fn a_new_major_version_is_that_of_the_global_database() {
    let (modify, upgrade) = ("ModifyDBCluster", "ModifyGlobalCluster");
    let upgraded = |(code, body): Answer| (code, body.replace(">16.4<", ">17.2<").replace("postgresql16", "postgresql17"));
    let definition = in_world(COPY);
    let endpoint = Script::new()
        .on(CLUSTERS, [cluster("available", MEMBER)])
        .on(GLOBALS, [world("available", &[(ARN, true)])])
        .on(upgrade, [answer(upgrade, "")])
        .after(upgrade)
        .on(CLUSTERS, [upgraded(cluster("available", MEMBER))])
        .on(GLOBALS, [world("upgrading", &[(ARN, true)]), upgraded(world("available", &[(ARN, true)]))])
        .start(&definition.replace("\"16\"", "\"17\""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {upgrade}")]);
    assert_eq!(endpoint.request_bodies(modify).len(), 0);
    let sent = &endpoint.request_bodies(upgrade)[0];
    assert_eq!((&sent["EngineVersion"], &sent["AllowMajorVersionUpgrade"]), (&json!("17"), &json!("true")));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let one = definition.replacen("\"16\"", "\"17\"", 1);
    let done = Script::new().start(&one).run("plan", &[]);
    assert!(done.stderr.contains("`aurora_global.world` has version 16"), "{}", done.combined_output());
}

/// The passwords of a copy are the writer's.
#[test]
fn only_the_writer_gets_another_password() {
    let (modify, tag, other) = ("ModifyDBCluster", "AddTagsToResource", SECRET.replace("orders", "others"));
    let definition = in_world(&format!("{COPY}\n      password_secret: '{other}'"));
    for (members, password) in [([(ARN, true), (WRITER, false)], Some("hunter2")), ([(ARN, false), (WRITER, true)], None)] {
        let tagged = |(code, body): Answer| (code, with_password((code, body)).1.replace(SECRET, &other));
        let endpoint = Script::new()
            .on(CLUSTERS, [with_password(cluster("available", MEMBER))])
            .on(GLOBALS, [world("available", &members)])
            .on("GetSecretValue", [secret()])
            .on(modify, [accepted(modify)])
            .on(tag, [answer(tag, "")])
            .after(tag)
            .on(CLUSTERS, [tagged(cluster("available", MEMBER))])
            .start(&definition);
        let done = endpoint.apply();
        assert!(!done.combined_output().contains("hunter2"), "{}", done.combined_output());
        let sent = &endpoint.request_bodies(modify)[0];
        assert_eq!(sent.get("MasterUserPassword").and_then(|value| value.as_str()), password, "{sent}");
        assert_eq!(sent.get("ManageMasterUserPassword"), None, "{sent}");
        assert_eq!(endpoint.planned_changes(), [""; 0]);
    }
}
