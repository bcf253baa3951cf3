//! A database from a snapshot: what the restore takes, what only an available database takes, and what can't be.

use super::rds::{DATABASE, ENDPOINT, answer, change_accepted, instance};
use crate::scripted_endpoint::{Answer, Endpoint, Script, xml_error};

const RESTORE: &str = "RestoreDBInstanceFromDBSnapshot";
const MODIFY: &str = "ModifyDBInstance";
const DELETE: &str = "DeleteDBInstance";
const CLASS: &str = "db.t4g.medium";
const KEPT: &str = "<MasterUserSecret><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1</SecretArn><SecretStatus>\
     active</SecretStatus><KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/2</KmsKeyId></MasterUserSecret>";

/// DescribeDBSnapshots with one snapshot of such a database.
fn snapshot(change: impl Fn(&str) -> String) -> Answer {
    let one = "<DBSnapshot><DBSnapshotIdentifier>shop-orders-final</DBSnapshotIdentifier><Engine>postgres</Engine>\
         <EngineVersion>16.4</EngineVersion><AllocatedStorage>50</AllocatedStorage><StorageType>gp3</StorageType><Status>available</Status>\
         <MasterUsername>postgres</MasterUsername><Encrypted>true</Encrypted><SnapshotType>manual</SnapshotType>\
         <KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/1</KmsKeyId></DBSnapshot>";
    answer("DescribeDBSnapshots", &format!("<DBSnapshots>{}</DBSnapshots>", change(one)))
}

/// The database with these fields besides.
fn definition_from_snapshot(more: &str) -> String {
    DATABASE.replace("storage_gib: 50", &format!("storage_gib: 50\n      snapshot: shop-orders-final\n      {more}"))
}

/// A snapshot like this, and after the restore these states; after the change, what it brings.
fn script_restoring(from: Answer, states: impl IntoIterator<Item = Answer>, changes: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("DescribeDBInstances", [instance("", "", "")])
        .on("DescribeDBSnapshots", [from])
        .on(RESTORE, [change_accepted(RESTORE)])
        .after(RESTORE)
        .on("DescribeDBInstances", states)
        .on(MODIFY, [change_accepted(MODIFY)])
        .after(MODIFY)
        .on("DescribeDBInstances", changes)
}

/// Values of these fields in `body`.
fn request_fields(endpoint: &Endpoint, action: &str, fields: &[&str]) -> Vec<String> {
    let sent = &endpoint.request_bodies(action)[0];
    fields.iter().map(|field| sent[*field].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn restores_a_database_from_a_snapshot() {
    let ready = |more: &str| instance("available", CLASS, &format!("{ENDPOINT}{more}"));
    let complete = || {
        let (code, body) = ready(&format!("{KEPT}<MaxAllocatedStorage>100</MaxAllocatedStorage>"));
        (code, body.replace("sun:04:00-sun:04:30", "mon:01:00-mon:01:30").replace("16.4", "16.6"))
    };
    let endpoint = script_restoring(
        snapshot(str::to_owned),
        [instance("creating", CLASS, ""), instance("backing-up", CLASS, ENDPOINT), ready("")],
        [ready(""), instance("upgrading", CLASS, ENDPOINT), complete()],
    )
    .start(&definition_from_snapshot("max_storage_gib: 100\n      maintenance_window: mon:01:00-mon:01:30").replace("\"16\"", "\"16.6\""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {RESTORE}"), format!("200 {MODIFY}")]);
    let fields = ["DBSnapshotIdentifier", "DBInstanceIdentifier", "Engine", "DBInstanceClass", "DBSubnetGroupName", "AllocatedStorage"];
    let expected = ["shop-orders-final", "shop-orders", "postgres", CLASS, "shop-main", "50"];
    assert_eq!(request_fields(&endpoint, RESTORE, &fields), expected);
    let fields = ["StorageType", "Iops", "DeletionProtection", "CopyTagsToSnapshot", "BackupRetentionPeriod", "MultiAZ"];
    assert_eq!(request_fields(&endpoint, RESTORE, &fields), ["gp3", "-", "true", "true", "7", "false"]);
    let sent = endpoint.request_bodies(RESTORE)[0].to_string();
    assert!(sent.contains("acme:address") && sent.contains("sg-1"), "{sent}");
    for unknown in ["ManageMasterUserPassword", "EngineVersion", "MaxAllocatedStorage", "StorageEncrypted"] {
        assert!(!sent.contains(unknown), "{RESTORE} takes no {unknown}: {sent}");
    }
    let fields = ["ManageMasterUserPassword", "EngineVersion", "MaxAllocatedStorage", "PreferredMaintenanceWindow", "AllocatedStorage"];
    assert_eq!(request_fields(&endpoint, MODIFY, &fields), ["true", "16.6", "100", "mon:01:00-mon:01:30", "-"]);
    assert!(endpoint.planned_changes().is_empty());
}

/// Not even its replacement by an empty one.
#[test]
fn ignores_the_snapshot_of_an_existing_database() {
    let script = || Script::new().on("DescribeDBInstances", [instance("available", CLASS, &format!("{ENDPOINT}{KEPT}"))]);
    for definition in
        [DATABASE.to_owned(), definition_from_snapshot(""), definition_from_snapshot("").replace("shop-orders-final", "another")]
    {
        assert!(script().start(&definition).planned_changes().is_empty(), "{definition}");
    }
}

/// A run that ended between the restore and the change is continued.
#[test]
fn lets_rds_manage_the_password_after_an_interrupted_restore() {
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("available", CLASS, ENDPOINT)])
        .on(MODIFY, [change_accepted(MODIFY)])
        .after(MODIFY)
        .on("DescribeDBInstances", [instance("available", CLASS, &format!("{ENDPOINT}{KEPT}"))])
        .start(&definition_from_snapshot(""));
    endpoint.apply();
    assert_eq!(request_fields(&endpoint, MODIFY, &["ManageMasterUserPassword"]), ["true"]);
}

#[test]
fn rejects_settings_a_snapshot_cannot_provide_before_any_write() {
    let plain = |from: &str| from.replace("<Encrypted>true", "<Encrypted>false");
    let bigger = |from: &str| from.replace(">50<", ">80<");
    let older = |from: &str| from.replace("16.4", "15.8");
    let newer = |from: &str| from.replace("16.4", "17.2");
    let key = "kms_key: { arn: \"arn:aws:kms:us-east-1:123456789012:key/3\" }";
    for (from, more, told) in [
        (snapshot(plain), "", "the snapshot is not encrypted: set `encrypted: false`"),
        (snapshot(str::to_owned), "encrypted: false", "set `encrypted: true`"),
        (snapshot(str::to_owned), key, "the snapshot is encrypted with arn:aws:kms:us-east-1:123456789012:key/1"),
        (snapshot(bigger), "", "set `storage_gib: 80`"),
        (snapshot(older), "", "`allow_major_version_upgrade: true` to upgrade it to 16"),
        (snapshot(newer), "allow_major_version_upgrade: true", "AWS does not downgrade engine versions"),
    ] {
        let endpoint = script_restoring(from, [], []).start(&definition_from_snapshot(more));
        let done = endpoint.run("apply", &["--yes"]);
        assert!(done.code == 1 && done.stderr.contains(told), "`{told}` is missing in {}", done.combined_output());
        assert!(endpoint.writes().is_empty());
    }
}

/// The plan is blocked.
#[test]
fn reports_a_missing_snapshot() {
    let missing = xml_error(404, "DBSnapshotNotFound", "DBSnapshot not found: shop-orders-final");
    let endpoint = script_restoring(missing, [], []).start(&definition_from_snapshot(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert_eq!(endpoint.call_count("DescribeDBSnapshots"), 1);
    assert!(done.code == 1 && done.combined_output().contains("aws rds describe-db-snapshots"), "{}", done.combined_output());
}

/// Storage that can grow automatically may have grown before.
#[test]
fn restores_autoscaled_storage_at_its_size() {
    let grown = |more: &str| {
        let (code, body) = instance("available", CLASS, &format!("{ENDPOINT}{more}"));
        (code, body.replace(">50<", ">80<"))
    };
    let complete = || grown(&format!("{KEPT}<MaxAllocatedStorage>100</MaxAllocatedStorage>"));
    let endpoint = script_restoring(snapshot(|from| from.replace(">50<", ">80<")), [grown("")], [complete()])
        .start(&definition_from_snapshot("max_storage_gib: 100"));
    endpoint.apply();
    assert_eq!(request_fields(&endpoint, RESTORE, &["AllocatedStorage"]), ["80"]);
    assert_eq!(request_fields(&endpoint, MODIFY, &["AllocatedStorage", "MaxAllocatedStorage"]), ["-", "100"]);
}

/// The parameter group of the new major version comes with the upgrade: RDS refuses it before.
#[test]
fn upgrades_a_database_restored_from_an_older_snapshot() {
    let of = |version: &str, group: &str, more: &str| {
        let (code, body) = instance("available", CLASS, &format!("{ENDPOINT}{more}"));
        (code, body.replace("16.4", version).replace("default.postgres16", group))
    };
    let endpoint = script_restoring(
        snapshot(|from| from.replace("16.4", "15.8")),
        [of("15.8", "default.postgres15", "")],
        [of("16.4", "shop-main", KEPT)],
    )
    .start(&definition_from_snapshot("allow_major_version_upgrade: true\n      parameter_group: { id: shop-main }"));
    endpoint.apply();
    assert_eq!(request_fields(&endpoint, RESTORE, &["DBParameterGroupName"]), ["-"]);
    let fields = ["EngineVersion", "AllowMajorVersionUpgrade", "DBParameterGroupName"];
    assert_eq!(request_fields(&endpoint, MODIFY, &fields), ["16", "true", "shop-main"]);
}

/// The snapshot it came from is still there; what was made of it goes without another.
#[test]
fn failed_restore_leaves_no_final_snapshot() {
    let endpoint = script_restoring(snapshot(str::to_owned), [instance("incompatible-restore", CLASS, "")], [])
        .on("DescribeDBInstances", [instance("incompatible-restore", CLASS, "")])
        .on(DELETE, [change_accepted(DELETE)])
        .after(DELETE)
        .on("DescribeDBInstances", [instance("", "", "")])
        .start(&definition_from_snapshot(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code == 1 && done.stderr.contains("AWS reports `incompatible-restore`"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [RESTORE, MODIFY, DELETE].map(|action| format!("200 {action}")));
    assert_eq!(request_fields(&endpoint, DELETE, &["SkipFinalSnapshot"]), ["true"]);
}

/// A final snapshot is still being taken when the next database is to be made of it.
#[test]
fn waits_for_a_snapshot_that_is_not_ready() {
    let busy = xml_error(400, "InvalidDBSnapshotState", "The snapshot is in state creating, and must be available.");
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("", "", "")])
        .on("DescribeDBSnapshots", [snapshot(str::to_owned)])
        .on(RESTORE, [busy, change_accepted(RESTORE)])
        .after(RESTORE)
        .on("DescribeDBInstances", [instance("available", CLASS, &format!("{ENDPOINT}{KEPT}"))])
        .start(&definition_from_snapshot(""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {RESTORE}"), format!("200 {RESTORE}")]);
}

/// RDS shows what it took itself, and what others share, only to those who ask for it.
#[test]
fn finds_snapshots_of_every_kind() {
    for (name, field, value) in [
        ("rds:shop-orders-2026-11-20-02-00", "SnapshotType", "automated"),
        ("arn:aws:rds:us-east-1:123456789012:snapshot:rds:shop-orders-2026-11-20-02-00", "SnapshotType", "automated"),
        ("awsbackup:job-1", "SnapshotType", "awsbackup"),
        ("arn:aws:rds:us-east-1:210987654321:snapshot:orders", "IncludeShared", "true"),
    ] {
        let endpoint = script_restoring(snapshot(str::to_owned), [instance("available", CLASS, &format!("{ENDPOINT}{KEPT}"))], [])
            .start(&definition_from_snapshot("").replace("shop-orders-final", &format!("\"{name}\"")));
        endpoint.apply();
        let asked = request_fields(&endpoint, "DescribeDBSnapshots", &["DBSnapshotIdentifier", field]);
        assert_eq!(asked, [name, value]);
        assert_eq!(request_fields(&endpoint, RESTORE, &["DBSnapshotIdentifier"]), [name]);
    }
}

#[test]
fn rejects_settings_that_come_with_the_snapshot() {
    for field in ["database_name", "username"] {
        let done = Script::new().start(&definition_from_snapshot(&format!("{field}: orders"))).run("plan", &[]);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert!(done.stderr.contains(&format!("remove `{field}`")), "{}", done.combined_output());
    }
}
