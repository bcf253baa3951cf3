//! Databases that are created from others: read replicas, their promotion, points in time, and passwords from secrets.

use serde_json::json;

use super::rds::{DATABASE, ENDPOINT, answer, change_accepted, instance};
use crate::scripted_endpoint::{Answer, Script, ok, xml_error};

const REPLICATE: &str = "CreateDBInstanceReadReplica";
const RESTORE: &str = "RestoreDBInstanceToPointInTime";
const PROMOTE: &str = "PromoteReadReplica";
const MODIFY: &str = "ModifyDBInstance";
const DELETE: &str = "DeleteDBInstance";
const LIST: &str = "DescribeDBInstances";
const CLASS: &str = "db.t4g.medium";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";
const PRIMARY: &str = "arn:aws:rds:us-east-1:123456789012:db:primary";
const SOURCE: &str = "<ReadReplicaSourceDBInstanceIdentifier>primary</ReadReplicaSourceDBInstanceIdentifier>";
const MANAGED: &str = "<MasterUserSecret><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1</SecretArn><SecretStatus>\
     active</SecretStatus><KmsKeyId>arn:aws:kms:us-east-1:123456789012:key/2</KmsKeyId></MasterUserSecret>";

fn with(more: &str) -> String {
    DATABASE.replace("storage_gib: 50", &format!("storage_gib: 50\n      {more}"))
}

fn ready(more: &str) -> Answer {
    instance("available", CLASS, &format!("{ENDPOINT}{more}"))
}

fn unprotected((code, body): Answer) -> Answer {
    (code, body.replace("<DeletionProtection>true", "<DeletionProtection>false"))
}

/// The database after acme has set its password from the secret.
fn with_password((code, body): Answer) -> Answer {
    (code, body.replace("</TagList>", &format!("<Tag><Key>acme:password-secret</Key><Value>{SECRET}</Value></Tag></TagList>")))
}

fn secret() -> Answer {
    ok(json!({ "ARN": SECRET, "Name": "orders", "SecretString": "{\"username\":\"postgres\",\"password\":\"hunter2\"}" }))
}

/// A replica gets backups and its maintenance window only once it is available.
#[test]
fn creates_and_promotes_a_read_replica() {
    let source = |answer: Answer| (answer.0, answer.1.replace("shop-orders<", "primary<").replace("acme:", "other:"));
    let without_backups = |answer: Answer| (answer.0, answer.1.replace("Period>7<", "Period>0<"));
    let endpoint = Script::new()
        .on(LIST, [instance("", "", "")])
        .on_containing(LIST, "DBInstanceIdentifier=primary", [source(ready(""))])
        .on(REPLICATE, [change_accepted(REPLICATE)])
        .on(MODIFY, [change_accepted(MODIFY)])
        .on(PROMOTE, [change_accepted(PROMOTE)])
        .after(REPLICATE)
        .on(LIST, [instance("creating", CLASS, SOURCE), without_backups(ready(SOURCE))])
        .after(MODIFY)
        .on(LIST, [ready(SOURCE)])
        .after(PROMOTE)
        .on(LIST, [instance("modifying", CLASS, SOURCE), instance("rebooting", CLASS, ""), ready("")])
        .start(&with(&format!("replica_of: '{PRIMARY}'")));
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {REPLICATE}"), format!("200 {MODIFY}")]);
    let sent = &endpoint.request_bodies(REPLICATE)[0];
    assert_eq!(
        (&sent["SourceDBInstanceIdentifier"], &sent["DBInstanceIdentifier"], &sent["DBSubnetGroupName"]),
        (&json!(PRIMARY), &json!("shop-orders"), &json!("shop-main"))
    );
    for unknown in ["MasterUsername", "ManageMasterUserPassword", "EngineVersion", "BackupRetentionPeriod", "StorageEncrypted", "KmsKeyId"]
    {
        assert_eq!(sent.get(unknown), None, "{sent}");
    }
    assert_eq!(endpoint.request_bodies(MODIFY)[0]["BackupRetentionPeriod"], "7");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine(DATABASE);
    assert_eq!(endpoint.planned_changes(), ["update rds_instance.orders"]);
    endpoint.apply();
    assert_eq!(endpoint.request_bodies(PROMOTE)[0]["BackupRetentionPeriod"], "7");
    assert_eq!(endpoint.request_bodies(MODIFY).len(), 1, "the promotion is a call of its own");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

#[test]
fn a_database_of_its_own_never_becomes_a_replica() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1";
    let of = |source: &str| with(&format!("replica_of: '{source}'\n      kms_key: '{key}'\n      deletion_protection: false"));
    let endpoint = Script::new().on(LIST, [unprotected(ready(""))]).start(&of(PRIMARY));
    assert_eq!(endpoint.planned_changes(), ["replace rds_instance.orders"]);
    let endpoint = Script::new().on(LIST, [unprotected(ready(SOURCE))]).start(&of("arn:aws:rds:eu-west-1:123456789012:db:primary"));
    assert_eq!(endpoint.planned_changes(), ["replace rds_instance.orders"]);
}

/// RDS takes none of a replica, and would refuse the call.
#[test]
fn a_replica_is_deleted_without_a_final_snapshot() {
    let endpoint = Script::new()
        .on(LIST, [unprotected(ready(SOURCE))])
        .on(DELETE, [change_accepted(DELETE)])
        .after(DELETE)
        .on(LIST, [instance("", "", "")])
        .start(&with(&format!("replica_of: '{PRIMARY}'\n      deletion_protection: false")));
    endpoint.run("destroy", &["--yes"]).assert_success();
    let sent = &endpoint.request_bodies(DELETE)[0];
    assert_eq!((&sent["SkipFinalSnapshot"], sent.get("FinalDBSnapshotIdentifier")), (&json!("true"), None));
}

#[test]
fn rejects_a_source_that_does_not_fit_before_any_write() {
    for (from, to, told) in [
        ("<MasterUsername>postgres", "<MasterUsername>app", "`primary` has the master user app"),
        ("<Engine>postgres", "<Engine>mysql", "`primary` has the engine mysql"),
        ("<StorageEncrypted>true", "<StorageEncrypted>false", "`primary` is encrypted with"),
        ("16.4", "17.2", "AWS does not downgrade engine versions"),
        ("16.4", "15.8", "set `allow_major_version_upgrade: true`"),
        (">50<", ">80<", "set `storage_gib: 80`"),
    ] {
        let (code, body) = ready("");
        let source = (code, body.replace("shop-orders<", "primary<").replace("acme:", "other:").replace(from, to));
        let endpoint = Script::new()
            .on(LIST, [instance("", "", "")])
            .on_containing(LIST, "DBInstanceIdentifier=primary", [source])
            .start(&with(&format!("replica_of: '{PRIMARY}'\n      username: postgres")));
        let done = endpoint.run("apply", &["--yes"]);
        assert!(done.code == 1 && done.stderr.contains(told), "`{told}` is missing in {}", done.combined_output());
        assert!(endpoint.writes().is_empty());
    }
}

/// RDS manages the password of the copy only once it is available.
#[test]
fn creates_a_database_as_another_one_was() {
    let source = (ready("").0, ready("").1.replace("shop-orders<", "primary<").replace("acme:", "other:"));
    let script = || {
        Script::new()
            .on(LIST, [instance("", "", "")])
            .on_containing(LIST, "DBInstanceIdentifier=primary", [source.clone()])
            .on(RESTORE, [change_accepted(RESTORE)])
            .on(MODIFY, [change_accepted(MODIFY)])
            .after(RESTORE)
            .on(LIST, [instance("creating", CLASS, ""), ready("")])
            .after(MODIFY)
            .on(LIST, [ready(MANAGED)])
    };
    let endpoint = script().start(&with("point_in_time: { database: { id: primary }, time: \"2026-11-28T12:00:00Z\" }"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(RESTORE)[0];
    assert_eq!(
        (&sent["SourceDBInstanceIdentifier"], &sent["TargetDBInstanceIdentifier"], &sent["RestoreTime"]),
        (&json!("primary"), &json!("shop-orders"), &json!("2026-11-28T12:00:00Z"))
    );
    assert_eq!((sent.get("UseLatestRestorableTime"), sent.get("MasterUsername")), (None, None));
    assert_eq!(endpoint.request_bodies(MODIFY)[0]["ManageMasterUserPassword"], "true");
    endpoint.redefine(&with("point_in_time: { database: { id: primary } }"));
    assert_eq!(endpoint.planned_changes(), [""; 0], "it is used only at creation");

    let backup = "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-0123456789";
    let endpoint = script().start(&with(&format!("point_in_time: {{ backup: '{backup}' }}")));
    endpoint.apply();
    let sent = &endpoint.request_bodies(RESTORE)[0];
    assert_eq!((&sent["SourceDBInstanceAutomatedBackupsArn"], &sent["UseLatestRestorableTime"]), (&json!(backup), &json!("true")));
}

/// A password never shows in a plan, an error, the record or the output.
#[test]
fn takes_the_master_password_from_a_secret() {
    let refused = xml_error(400, "InvalidParameterValue", "The parameter MasterUserPassword is not a valid password.");
    let definition = with(&format!("password_secret: '{SECRET}'"));
    let (tag, untag) = ("AddTagsToResource", "RemoveTagsFromResource");
    let endpoint = Script::new()
        .on(LIST, [instance("", "", "")])
        .on("GetSecretValue", [secret()])
        .on("CreateDBInstance", [change_accepted("CreateDBInstance")])
        .on(MODIFY, [change_accepted(MODIFY)])
        .on(tag, [answer(tag, "")])
        .on(untag, [answer(untag, "")])
        .after("CreateDBInstance")
        .on(LIST, [instance("creating", CLASS, ""), with_password(ready(""))])
        .after(untag)
        .on(LIST, [ready(MANAGED)])
        .after(tag)
        .on(LIST, [with_password(ready(""))])
        .start(&definition);
    let done = endpoint.apply();
    assert!(!done.combined_output().contains("hunter2"), "{}", done.combined_output());
    let sent = &endpoint.request_bodies("CreateDBInstance")[0];
    assert_eq!((&sent["MasterUserPassword"], &sent["ManageMasterUserPassword"]), (&json!("hunter2"), &json!("false")));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    // Without the secret, RDS generates a password; with it, RDS gives up its own.
    endpoint.redefine(DATABASE);
    endpoint.apply();
    endpoint.redefine(&definition);
    endpoint.apply();
    let sent = endpoint.request_bodies(MODIFY);
    assert_eq!((&sent[0]["ManageMasterUserPassword"], sent[0].get("MasterUserPassword")), (&json!("true"), None));
    assert_eq!((&sent[1]["ManageMasterUserPassword"], &sent[1]["MasterUserPassword"]), (&json!("false"), &json!("hunter2")));
    assert!(endpoint.has_written(SECRET) && !endpoint.has_written("hunter2"), "acme writes a journal and a record, but no password");

    let endpoint = Script::new()
        .on(LIST, [instance("", "", "")])
        .on("GetSecretValue", [secret()])
        .on("CreateDBInstance", [refused])
        .start(&definition);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code == 1 && !done.combined_output().contains("hunter2"), "{}", done.combined_output());
    assert!(!endpoint.has_written("hunter2"));
}

/// In another region, RDS takes a key of that region, and does not describe the source.
#[test]
fn replicates_a_database_of_another_region() {
    let (source, key) = ("arn:aws:rds:eu-west-1:123456789012:db:primary", "arn:aws:kms:us-east-1:123456789012:key/1");
    let from = format!("<ReadReplicaSourceDBInstanceIdentifier>{source}</ReadReplicaSourceDBInstanceIdentifier>");
    let endpoint = Script::new()
        .on(LIST, [instance("", "", "")])
        .on(REPLICATE, [change_accepted(REPLICATE)])
        .after(REPLICATE)
        .on(LIST, [ready(&from)])
        .start(&with(&format!("replica_of: '{source}'\n      kms_key: '{key}'")));
    endpoint.apply();
    let sent = &endpoint.request_bodies(REPLICATE)[0];
    assert_eq!((&sent["SourceDBInstanceIdentifier"], &sent["KmsKeyId"]), (&json!(source), &json!(key)));
    let done = Script::new().start(&with(&format!("replica_of: '{source}'"))).run("plan", &[]);
    assert!(done.stderr.contains("an encrypted replica of a database in eu-west-1 needs a key of us-east-1"), "{}", done.combined_output());
}

#[test]
fn a_source_of_replicas_has_a_password_of_its_own_and_backups() {
    let primary = "
    primary:
      engine: postgres
      version: \"16\"
      class: db.t4g.medium
      storage_gib: 50
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
      backup_retention_days: 0
";
    let definition = with("replica_of: primary").replace("  rds_instance:", &format!("  rds_instance:{}", primary.trim_end()));
    let done = Script::new().start(&definition).run("plan", &[]);
    for part in ["RDS manages the password of `rds_instance.primary`", "`rds_instance.primary` has no automatic backups"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
}

/// Another group, or AWS's own for the version.
#[test]
fn changes_the_option_group() {
    let member = |name: &str, status: &str| {
        format!(
            "<OptionGroupMemberships><OptionGroupMembership><OptionGroupName>{name}</OptionGroupName><Status>{status}</Status>\
             </OptionGroupMembership></OptionGroupMemberships>"
        )
    };
    let endpoint = Script::new()
        .on(LIST, [ready(&member("default:postgres-16", "in-sync"))])
        .on(MODIFY, [change_accepted(MODIFY)])
        .after(MODIFY)
        .on(LIST, [ready(&member("extras", "pending-apply"))])
        .after(MODIFY)
        .on(LIST, [ready(&member("default:postgres-16", "in-sync"))])
        .start(&with("option_group: { id: extras }"));
    endpoint.apply();
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine(DATABASE);
    endpoint.apply();
    let sent = endpoint.request_bodies(MODIFY);
    assert_eq!((&sent[0]["OptionGroupName"], &sent[1]["OptionGroupName"]), (&json!("extras"), &json!("default:postgres-16")));
}
