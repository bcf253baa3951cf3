//! RDS: an instance changes its status for minutes, gets its endpoint late, and has pending changes.

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

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
    let tags = xml_ownership_tags("rds_instance.orders", "Tag", "Key", "Value");
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

/// Response of a call that changes an instance.
pub(super) fn change_accepted(action: &str) -> Answer {
    answer(action, "<DBInstance><DBInstanceIdentifier>shop-orders</DBInstanceIdentifier></DBInstance>")
}

/// CreateDBInstance, and then these states.
fn script_creating(states: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("DescribeDBInstances", [instance("", "", "")])
        .on("CreateDBInstance", [change_accepted("CreateDBInstance")])
        .after("CreateDBInstance")
        .on("DescribeDBInstances", states)
}

#[test]
fn uses_a_database_only_once_it_is_available() {
    let class = "db.t4g.medium";
    let endpoint =
        script_creating([instance("creating", class, ""), instance("backing-up", class, ENDPOINT), instance("available", class, ENDPOINT)])
            .start(DATABASE);
    let done = endpoint.apply();
    for part in ["rds_instance.orders: creating", "rds_instance.orders: backing-up"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert!(done.stdout.contains("shop-orders.abc.us-east-1.rds.amazonaws.com"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateDBInstance"]);
    let sent = &endpoint.request_bodies("CreateDBInstance")[0];
    assert_eq!((&sent["ManageMasterUserPassword"], &sent["StorageEncrypted"]), (&"true".into(), &"true".into()));
    assert!(sent.get("MasterUserPassword").is_none(), "{sent}");
}

/// A resource of the failed run has no data yet: acme disables its protection, and takes no snapshot.
#[test]
fn reports_why_a_database_failed_and_deletes_it() {
    for status in ["incompatible-parameters", "incompatible-network", "failed"] {
        let class = "db.t4g.medium";
        let endpoint = script_creating([instance("creating", class, ""), instance(status, class, "")])
            .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
            .on("DeleteDBInstance", [change_accepted("DeleteDBInstance")])
            .after("DeleteDBInstance")
            .on("DescribeDBInstances", [instance("deleting", class, ""), instance("", "", "")])
            .start(DATABASE);
        let done = endpoint.run("apply", &["--yes"]);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert!(done.stderr.contains(&format!("AWS reports `{status}`")), "{}", done.combined_output());
        assert_eq!(endpoint.writes(), ["Create", "Modify", "Delete"].map(|verb| format!("200 {verb}DBInstance")));
        assert_eq!(endpoint.request_bodies("ModifyDBInstance")[0]["DeletionProtection"], "false");
        assert_eq!(endpoint.request_bodies("DeleteDBInstance")[0]["SkipFinalSnapshot"], "true");
    }
}

/// The instance stays `available` for a while, with pending values beside current ones.
#[test]
fn waits_for_a_pending_change_without_repeating_it() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
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
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert_eq!(endpoint.writes(), ["200 ModifyDBInstance"]);
    let sent = &endpoint.request_bodies("ModifyDBInstance")[0];
    assert_eq!((&sent["DBInstanceClass"], &sent["ApplyImmediately"]), (&"db.r7g.large".into(), &"true".into()));
    assert!(sent.get("AllocatedStorage").is_none(), "only what changes is sent: {sent}");
}

/// A change that waits for the maintenance window is done once RDS has accepted it.
#[test]
fn does_not_wait_for_a_change_deferred_to_the_maintenance_window() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", &pending)])
        .start(&DATABASE.replace("class: db.t4g.medium", "class: db.r7g.large\n      apply_immediately: false"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ModifyDBInstance")[0]["ApplyImmediately"], "false");
}

#[test]
fn retries_while_a_database_is_busy() {
    let busy = xml_error(400, "InvalidDBInstanceState", "Database instance is not in available state.");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [busy, change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("modifying", "db.t4g.medium", ENDPOINT), instance("available", "db.r7g.large", ENDPOINT)])
        .start(&DATABASE.replace("db.t4g.medium", "db.r7g.large"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["400 ModifyDBInstance", "200 ModifyDBInstance"]);
}

/// More storage fixes it; a new database would be empty.
#[test]
fn never_replaces_an_unhealthy_database() {
    let script = || Script::new().on("DescribeDBInstances", [instance("storage-full", "db.t4g.medium", ENDPOINT)]);
    let endpoint = script().start(&DATABASE.replace("storage_gib: 50", "storage_gib: 100\n      deletion_protection: false"));
    assert_eq!(endpoint.planned_changes(), ["update rds_instance.orders"]);
    let done = script().start(DATABASE).run("plan", &["--detailed-exitcode"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());
    assert!(done.stdout.contains("AWS reports `storage-full` for `rds_instance.orders` (shop-orders)"), "{}", done.combined_output());
}

/// The snapshot of an earlier database has the name of the final snapshot.
#[test]
fn picks_a_free_name_for_the_final_snapshot() {
    let unprotected = |status| {
        let (code, body) = instance(status, "db.t4g.medium", ENDPOINT);
        (code, body.replace("<DeletionProtection>true<", "<DeletionProtection>false<"))
    };
    let delete = "DeleteDBInstance";
    let taken = xml_error(400, "DBSnapshotAlreadyExists", "Cannot create the snapshot because a snapshot of this name already exists.");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [unprotected("available")])
        .on(delete, [taken, change_accepted(delete)])
        .after(delete)
        .on("DescribeDBInstances", [unprotected("available"), unprotected("deleting"), instance("", "", "")])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 50\n      deletion_protection: false"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    let sent = endpoint.request_bodies(delete);
    let names: Vec<&str> = sent.iter().filter_map(|body| body["FinalDBSnapshotIdentifier"].as_str()).collect();
    assert_eq!(names[0], "shop-orders-final");
    assert!(names[1].starts_with("shop-orders-final-") && sent[1]["SkipFinalSnapshot"] == "false", "{sent:?}");
}

#[test]
fn adds_storage_to_a_full_database() {
    let full = || instance("storage-full", "db.t4g.medium", ENDPOINT);
    let grown = |status| {
        let (status, body) = instance(status, "db.t4g.medium", ENDPOINT);
        (status, body.replace("<AllocatedStorage>50<", "<AllocatedStorage>100<"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [full()])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [full(), full(), grown("modifying"), grown("storage-optimization")])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 100"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ModifyDBInstance")[0]["AllocatedStorage"], "100");
}

/// gp3 storage of 400 GiB and more has at least 12,000 IOPS; RDS rejects the previous value.
#[test]
fn raises_iops_when_storage_crosses_the_gp3_threshold() {
    let grown = || {
        let (code, body) = instance("available", "db.t4g.medium", ENDPOINT);
        let body = body.replace("<AllocatedStorage>50<", "<AllocatedStorage>500<");
        (code, body.replace("<Iops>3000<", "<Iops>12000<").replace(">125</StorageThroughput>", ">500</StorageThroughput>"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [grown()])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 500"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("ModifyDBInstance")[0];
    let sent = ["AllocatedStorage", "Iops", "StorageThroughput"].map(|field| sent[field].as_str().unwrap_or_default());
    assert_eq!(sent, ["500", "12000", "500"]);
}

/// Performance is set together with the size, which must not decrease.
#[test]
fn keeps_the_size_of_autoscaled_storage() {
    let grown = |iops: u32| {
        let (code, body) = instance("available", "db.t4g.medium", &format!("{ENDPOINT}<MaxAllocatedStorage>1000</MaxAllocatedStorage>"));
        let body = body.replace("<AllocatedStorage>50<", "<AllocatedStorage>450<").replace("<Iops>3000<", &format!("<Iops>{iops}<"));
        (code, body.replace(">125</StorageThroughput>", ">500</StorageThroughput>"))
    };
    let endpoint = Script::new()
        .on("DescribeDBInstances", [grown(12000)])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [grown(15000)])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 400\n      max_storage_gib: 1000\n      iops: 15000"));
    endpoint.apply();
    let sent = &endpoint.request_bodies("ModifyDBInstance")[0];
    let sent = ["AllocatedStorage", "Iops", "StorageThroughput"].map(|field| sent[field].as_str().unwrap_or_default());
    assert_eq!(sent, ["450", "15000", "500"]);
}

#[test]
fn does_not_wait_for_a_deferred_subnet_group_change() {
    let pending = format!("{ENDPOINT}<PendingModifiedValues><DBSubnetGroupName>shop-other</DBSubnetGroupName></PendingModifiedValues>");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .after("ModifyDBInstance")
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", &pending)])
        .start(&DATABASE.replace("{ id: shop-main }", "{ id: shop-other }\n      apply_immediately: false"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("ModifyDBInstance")[0]["DBSubnetGroupName"], "shop-other");
}

#[test]
fn ignores_the_case_of_weekdays() {
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", "db.t4g.medium", ENDPOINT)])
        .start(&DATABASE.replace("storage_gib: 50", "storage_gib: 50\n      maintenance_window: Sun:04:00-Sun:04:30"));
    assert!(endpoint.planned_changes().is_empty());
}

/// RDS accepts a value equal to the engine's default, but does not list it as set by the user.
#[test]
fn keeps_a_parameter_that_equals_its_default() {
    let arn = "arn:aws:rds:us-east-1:123456789012:pg:shop-main";
    let group = format!(
        "<DBParameterGroupName>shop-main</DBParameterGroupName><DBParameterGroupFamily>postgres16</DBParameterGroupFamily>\
         <Description>Managed by acme</Description><DBParameterGroupArn>{arn}</DBParameterGroupArn>"
    );
    let forced = "<Parameter><ParameterName>rds.force_ssl</ParameterName><ParameterValue>1</ParameterValue><Source>system</Source>\
         <ApplyType>dynamic</ApplyType></Parameter>";
    let (create, modify) = ("CreateDBParameterGroup", "ModifyDBParameterGroup");
    let tags = xml_ownership_tags("rds_parameter_group.main", "Tag", "Key", "Value");
    let list = "DescribeDBParameterGroups";
    let groups = |groups: &str| answer(list, &format!("<DBParameterGroups>{groups}</DBParameterGroups>"));
    let endpoint = Script::new()
        .on(list, [groups("")])
        .on(create, [answer(create, &format!("<DBParameterGroup>{group}</DBParameterGroup>"))])
        .after(create)
        .on(list, [groups(&format!("<DBParameterGroup>{group}</DBParameterGroup>"))])
        .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<TagList>{tags}</TagList>"))])
        .on("DescribeDBParameters", [answer("DescribeDBParameters", &format!("<Parameters>{forced}</Parameters>"))])
        .on_containing("DescribeDBParameters", "Source=user", [answer("DescribeDBParameters", "<Parameters/>")])
        .on(modify, [answer(modify, "<DBParameterGroupName>shop-main</DBParameterGroupName>")])
        .start("  rds_parameter_group: { main: { family: postgres16, parameters: { rds.force_ssl: 1 } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {create}"), format!("200 {modify}")]);
}
