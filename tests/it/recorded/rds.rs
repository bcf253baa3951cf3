//! RDS: an instance passes through states for minutes, has an endpoint only late, and keeps changes pending.

use crate::script::{Answer, Script, xml, xml_marks, xml_refused};

pub(super) const DATABASE: &str = "
  rds_instance:
    orders:
      engine: postgres
      version: \"16\"
      class: db.t4g.medium
      storage_gib: 50
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
outputs: { host: \"{{ rds_instance.orders.endpoint }}\" }
";

pub(super) const ENDPOINT: &str =
    "<Endpoint><Address>shop-orders.abc.us-east-1.rds.amazonaws.com</Address><Port>5432</Port><HostedZoneId>Z2</HostedZoneId></Endpoint>";

/// DescribeDBInstances with one instance, or none for an empty status.
pub(super) fn instance(status: &str, class: &str, more: &str) -> Answer {
    let tags = xml_marks("rds_instance.orders", "Tag", "Key", "Value");
    let one = format!(
        "<DBInstance><DBInstanceIdentifier>shop-orders</DBInstanceIdentifier><DBInstanceStatus>{status}</DBInstanceStatus>\
         <DBInstanceArn>arn:aws:rds:us-east-1:123456789012:db:shop-orders</DBInstanceArn><DBInstanceClass>{class}</DBInstanceClass>\
         <Engine>postgres</Engine><EngineVersion>16.4</EngineVersion><MasterUsername>postgres</MasterUsername>\
         <AllocatedStorage>50</AllocatedStorage><StorageType>gp3</StorageType><Iops>3000</Iops><StorageThroughput>125</StorageThroughput>\
         <MultiAZ>false</MultiAZ><BackupRetentionPeriod>7</BackupRetentionPeriod><PubliclyAccessible>false</PubliclyAccessible>\
         <PreferredBackupWindow>02:00-02:30</PreferredBackupWindow><PreferredMaintenanceWindow>sun:04:00-sun:04:30</PreferredMaintenanceWindow>\
         <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status>\
         </VpcSecurityGroupMembership></VpcSecurityGroups><DBSubnetGroup><DBSubnetGroupName>shop-main</DBSubnetGroupName></DBSubnetGroup>\
         <DBParameterGroups><DBParameterGroup><DBParameterGroupName>default.postgres16</DBParameterGroupName><ParameterApplyStatus>in-sync\
         </ParameterApplyStatus></DBParameterGroup></DBParameterGroups><StorageEncrypted>true</StorageEncrypted>\
         <KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/1</KmsKeyId><DbiResourceId>db-ABC</DbiResourceId>\
         <AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade><CopyTagsToSnapshot>true</CopyTagsToSnapshot>\
         <MonitoringInterval>0</MonitoringInterval><DeletionProtection>true</DeletionProtection>\
         <IAMDatabaseAuthenticationEnabled>false</IAMDatabaseAuthenticationEnabled>\
         <PerformanceInsightsEnabled>false</PerformanceInsightsEnabled><TagList>{tags}</TagList>{more}</DBInstance>"
    );
    let all = if status.is_empty() { String::new() } else { one };
    answer("DescribeDBInstances", &format!("<DBInstances>{all}</DBInstances>"))
}

pub(super) fn answer(action: &str, result: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
}

/// What a call that changes an instance answers.
pub(super) fn changed(action: &str) -> Answer {
    answer(action, "<DBInstance><DBInstanceIdentifier>shop-orders</DBInstanceIdentifier></DBInstance>")
}

/// CreateDBInstance, and then these states.
fn created(states: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("DescribeDBInstances", [instance("", "", "")])
        .on("CreateDBInstance", [changed("CreateDBInstance")])
        .after("CreateDBInstance")
        .on("DescribeDBInstances", states)
}

#[test]
fn a_database_is_used_only_once_it_is_available() {
    let class = "db.t4g.medium";
    let endpoint =
        created([instance("creating", class, ""), instance("backing-up", class, ENDPOINT), instance("available", class, ENDPOINT)])
            .start(DATABASE);
    let done = endpoint.apply();
    for part in ["rds_instance.orders: creating", "rds_instance.orders: backing-up"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.screen());
    }
    assert!(done.stdout.contains("shop-orders.abc.us-east-1.rds.amazonaws.com"), "{}", done.screen());
    assert_eq!(endpoint.writes(), ["200 CreateDBInstance"]);
    let sent = &endpoint.sent("CreateDBInstance")[0];
    assert_eq!((&sent["ManageMasterUserPassword"], &sent["StorageEncrypted"]), (&"true".into(), &"true".into()));
    assert!(sent.get("MasterUserPassword").is_none(), "{sent}");
}

/// What was made a moment ago holds nothing yet: its protection is lifted, and no snapshot taken.
#[test]
fn a_database_that_fails_tells_why_and_goes() {
    for status in ["incompatible-parameters", "incompatible-network", "failed"] {
        let class = "db.t4g.medium";
        let endpoint = created([instance("creating", class, ""), instance(status, class, "")])
            .on("ModifyDBInstance", [changed("ModifyDBInstance")])
            .on("DeleteDBInstance", [changed("DeleteDBInstance")])
            .after("DeleteDBInstance")
            .on("DescribeDBInstances", [instance("deleting", class, ""), instance("", "", "")])
            .start(DATABASE);
        let done = endpoint.run("apply", &["--yes"]);
        assert_eq!(done.code, 1, "{}", done.screen());
        assert!(done.stderr.contains(&format!("AWS reports `{status}`")), "{}", done.screen());
        assert_eq!(endpoint.writes(), ["Create", "Modify", "Delete"].map(|verb| format!("200 {verb}DBInstance")));
        assert_eq!(endpoint.sent("ModifyDBInstance")[0]["DeletionProtection"], "false");
        assert_eq!(endpoint.sent("DeleteDBInstance")[0]["SkipFinalSnapshot"], "true");
    }
}

/// The instance stays `available` for a while, with what will come beside what is.
#[test]
fn a_pending_change_is_not_made_twice_and_waited_for() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on(
            "DescribeDBInstances",
            [
                instance("available", "db.t4g.medium", ENDPOINT),
                instance("available", "db.t4g.medium", &pending),
                instance("modifying", "db.t4g.medium", &pending),
                instance("available", "db.r7g.large", ENDPOINT),
            ],
        )
        .start(&DATABASE.replace("db.t4g.medium", "db.r7g.large"));
    let done = endpoint.apply();
    for part in ["rds_instance.orders: changes pending", "rds_instance.orders: modifying"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.screen());
    }
    assert_eq!(endpoint.writes(), ["200 ModifyDBInstance"]);
    let sent = &endpoint.sent("ModifyDBInstance")[0];
    assert_eq!((&sent["DBInstanceClass"], &sent["ApplyImmediately"]), (&"db.r7g.large".into(), &"true".into()));
    assert!(sent.get("AllocatedStorage").is_none(), "only what changes is sent: {sent}");
}

/// What may wait for the maintenance window is done once RDS has taken it on.
#[test]
fn a_change_that_may_wait_is_not_waited_for() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", &pending)])
        .start(&DATABASE.replace("class: db.t4g.medium", "class: db.r7g.large\n      apply_immediately: false"));
    endpoint.apply();
    assert_eq!(endpoint.sent("ModifyDBInstance")[0]["ApplyImmediately"], "false");
}

#[test]
fn a_busy_database_is_asked_again() {
    let busy = xml_refused(400, "InvalidDBInstanceState", "Database instance is not in available state.");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [busy, changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("modifying", "db.t4g.medium", ENDPOINT), instance("available", "db.r7g.large", ENDPOINT)])
        .start(&DATABASE.replace("db.t4g.medium", "db.r7g.large"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 ModifyDBInstance", "200 ModifyDBInstance"]);
}

/// More storage is what mends it; a new database would be an empty one.
#[test]
fn a_database_in_trouble_is_never_replaced() {
    let script = || Script::new().on("DescribeDBInstances", [instance("storage-full", "db.t4g.medium", ENDPOINT)]);
    let endpoint = script().start(&DATABASE.replace("storage_gib: 50", "storage_gib: 100\n      deletion_protection: false"));
    assert_eq!(endpoint.changes(), ["update rds_instance.orders"]);
    let done = script().start(DATABASE).run("plan", &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.screen());
    assert!(done.stdout.contains("AWS reports `storage-full` for `rds_instance.orders` (shop-orders)"), "{}", done.screen());
}

/// The name of the final snapshot is taken by that of an earlier database.
#[test]
fn a_database_leaves_a_final_snapshot_under_a_free_name() {
    let unprotected = |status| {
        let (code, body) = instance(status, "db.t4g.medium", ENDPOINT);
        (code, body.replace("<DeletionProtection>true<", "<DeletionProtection>false<"))
    };
    let delete = "DeleteDBInstance";
    let taken = xml_refused(400, "DBSnapshotAlreadyExists", "Cannot create the snapshot because a snapshot of this name already exists.");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [unprotected("available")])
        .on(delete, [taken, changed(delete)])
        .after(delete)
        .on("DescribeDBInstances", [unprotected("available"), unprotected("deleting"), instance("", "", "")])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 50\n      deletion_protection: false"));
    endpoint.run("destroy", &["--yes"]).ok();
    let sent = endpoint.sent(delete);
    let names: Vec<&str> = sent.iter().filter_map(|body| body["FinalDBSnapshotIdentifier"].as_str()).collect();
    assert_eq!(names[0], "shop-orders-final");
    assert!(names[1].starts_with("shop-orders-final-") && sent[1]["SkipFinalSnapshot"] == "false", "{sent:?}");
}

#[test]
fn a_full_database_is_mended_by_more_storage() {
    let full = || instance("storage-full", "db.t4g.medium", ENDPOINT);
    let grown = |status| {
        let (status, body) = instance(status, "db.t4g.medium", ENDPOINT);
        (status, body.replace("<AllocatedStorage>50<", "<AllocatedStorage>100<"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [full()])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [full(), full(), grown("modifying"), grown("storage-optimization")])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 100"));
    endpoint.apply();
    assert_eq!(endpoint.sent("ModifyDBInstance")[0]["AllocatedStorage"], "100");
}

/// gp3 storage of 400 GiB and more has at least 12,000 operations a second; what it had before is refused.
#[test]
fn storage_that_grows_beyond_the_threshold_gets_what_it_must_have() {
    let grown = || {
        let (code, body) = instance("available", "db.t4g.medium", ENDPOINT);
        let body = body.replace("<AllocatedStorage>50<", "<AllocatedStorage>500<");
        (code, body.replace("<Iops>3000<", "<Iops>12000<").replace(">125</StorageThroughput>", ">500</StorageThroughput>"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [grown()])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 500"));
    endpoint.apply();
    let sent = &endpoint.sent("ModifyDBInstance")[0];
    let sent = ["AllocatedStorage", "Iops", "StorageThroughput"].map(|field| sent[field].as_str().unwrap_or_default());
    assert_eq!(sent, ["500", "12000", "500"]);
}

/// Performance is set together with the size, which must not be less than it is.
#[test]
fn storage_that_grew_by_itself_keeps_its_size() {
    let grown = |iops: u32| {
        let (code, body) = instance("available", "db.t4g.medium", &format!("{ENDPOINT}<MaxAllocatedStorage>1000</MaxAllocatedStorage>"));
        let body = body.replace("<AllocatedStorage>50<", "<AllocatedStorage>450<").replace("<Iops>3000<", &format!("<Iops>{iops}<"));
        (code, body.replace(">125</StorageThroughput>", ">500</StorageThroughput>"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [grown(12000)])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [grown(15000)])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 400\n      max_storage_gib: 1000\n      iops: 15000"));
    endpoint.apply();
    let sent = &endpoint.sent("ModifyDBInstance")[0];
    let sent = ["AllocatedStorage", "Iops", "StorageThroughput"].map(|field| sent[field].as_str().unwrap_or_default());
    assert_eq!(sent, ["450", "15000", "500"]);
}

#[test]
fn a_move_that_may_wait_is_not_waited_for() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBSubnetGroupName>shop-other</DBSubnetGroupName></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [changed("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", &pending)])
        .start(&DATABASE.replace("{ id: shop-main }", "{ id: shop-other }\n      apply_immediately: false"));
    endpoint.apply();
    assert_eq!(endpoint.sent("ModifyDBInstance")[0]["DBSubnetGroupName"], "shop-other");
}

#[test]
fn a_day_of_the_week_is_the_same_in_capitals() {
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 50\n      maintenance_window: Sun:04:00-Sun:04:30"));
    assert!(endpoint.changes().is_empty());
}

/// RDS takes a value that the engine has anyway, and does not list it among those that were set.
#[test]
fn a_parameter_that_equals_its_default_is_kept() {
    let arn = "arn:aws:rds:us-east-1:123456789012:pg:shop-main";
    let group = format!(
        "<DBParameterGroupName>shop-main</DBParameterGroupName><DBParameterGroupFamily>postgres16</DBParameterGroupFamily>\
         <Description>Managed by acme</Description><DBParameterGroupArn>{arn}</DBParameterGroupArn>"
    );
    let forced = "<Parameter><ParameterName>rds.force_ssl</ParameterName><ParameterValue>1</ParameterValue><Source>system</Source>\
         <ApplyType>dynamic</ApplyType></Parameter>";
    let (create, modify) = ("CreateDBParameterGroup", "ModifyDBParameterGroup");
    let tags = xml_marks("rds_parameter_group.main", "Tag", "Key", "Value");
    let list = "DescribeDBParameterGroups";
    let groups = |groups: &str| answer(list, &format!("<DBParameterGroups>{groups}</DBParameterGroups>"));
    let endpoint = Script::new()
        .on(list, [groups("")])
        .on(create, [answer(create, &format!("<DBParameterGroup>{group}</DBParameterGroup>"))])
        .after(create)
        .on(list, [groups(&format!("<DBParameterGroup>{group}</DBParameterGroup>"))])
        .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<TagList>{tags}</TagList>"))])
        .on("DescribeDBParameters", [answer("DescribeDBParameters", &format!("<Parameters>{forced}</Parameters>"))])
        .on_text("DescribeDBParameters", "Source=user", [answer("DescribeDBParameters", "<Parameters/>")])
        .on(modify, [answer(modify, "<DBParameterGroupName>shop-main</DBParameterGroupName>")])
        .start("  rds_parameter_group: { main: { family: postgres16, parameters: { rds.force_ssl: 1 } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {create}"), format!("200 {modify}")]);
}
