//! Deletion of a database: its final snapshot, its automated backups, and what AWS Backup keeps.

use super::rds::{DATABASE, ENDPOINT, answer, change_accepted, instance};
use crate::scripted_endpoint::{Answer, Script, xml_error};

const DELETE: &str = "DeleteDBInstance";
const CLASS: &str = "db.t4g.medium";

fn unprotected(status: &str) -> Answer {
    let (code, body) = instance(status, CLASS, ENDPOINT);
    (code, body.replace("<DeletionProtection>true<", "<DeletionProtection>false<"))
}

/// The database without deletion protection, with these fields besides.
fn definition(more: &str) -> String {
    DATABASE.replace("storage_gib: 50", &format!("storage_gib: 50\n      deletion_protection: false{more}"))
}

fn script(answers: impl IntoIterator<Item = Answer>) -> Script {
    Script::new()
        .on("DescribeDBInstances", [unprotected("available")])
        .on(DELETE, answers)
        .after(DELETE)
        .on("DescribeDBInstances", [unprotected("deleting"), instance("", "", "")])
}

/// RDS's words for a database with recovery points of AWS Backup.
fn kept_by_aws_backup() -> Answer {
    let message = "RDS instance shop-orders is associated with the following AwsBackupRecoveryPointArn: \
                   arn:aws:backup:us-east-1:123456789012:recovery-point:continuous:db-abc. NoDeleteAutomatedBackups must be specified. For \
                   more details, see the AWS Backup documentation.";
    xml_error(400, "InvalidParameterCombination", message)
}

#[test]
fn deletes_a_database_with_or_without_its_backups_and_a_final_snapshot() {
    let keeps = "";
    let deletes = "\n      delete_automated_backups: true";
    for (backups, sent) in [(keeps, "false"), (deletes, "true")] {
        for (on_delete, skips, snapshot) in [("", "false", Some("shop-orders-final")), ("\n      on_delete: delete", "true", None)] {
            let endpoint = script([change_accepted(DELETE)]).start(&definition(&format!("{backups}{on_delete}")));
            endpoint.run("destroy", &["--yes"]).assert_success();
            assert_eq!(endpoint.writes(), ["200 DeleteDBInstance"]);
            let body = &endpoint.request_bodies(DELETE)[0];
            assert_eq!(body["DeleteAutomatedBackups"], sent, "{body}");
            assert_eq!(body["SkipFinalSnapshot"], skips, "{body}");
            assert_eq!(body["FinalDBSnapshotIdentifier"].as_str(), snapshot, "{body}");
        }
    }
}

#[test]
fn says_what_to_do_when_aws_backup_keeps_the_backups() {
    let endpoint = script([kept_by_aws_backup()]).start(&definition("\n      delete_automated_backups: true"));
    let done = endpoint.run("destroy", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    for part in ["AWS Backup manages the automated backups of `shop-orders`", "Set `delete_automated_backups: false`, apply"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.combined_output());
    }
    // Nothing is deleted with other settings than the definition's.
    assert!(endpoint.request_bodies(DELETE).iter().all(|body| body["DeleteAutomatedBackups"] == "true"));

    let full = xml_error(400, "DBInstanceAutomatedBackupQuotaExceeded", "Can't retain automated backup because the quota was exceeded.");
    let done = script([full]).start(&definition("")).run("destroy", &["--yes"]);
    assert_eq!(done.code, 1, "{}", done.combined_output());
    assert!(done.stderr.contains("Set `delete_automated_backups: true`, apply"), "{}", done.combined_output());
}

/// AWS Backup selects databases by tags, also one whose creation fails.
#[test]
fn undoes_the_creation_of_a_database_that_aws_backup_has_chosen() {
    let endpoint = Script::new()
        .on("DescribeDBInstances", [instance("", "", "")])
        .on("CreateDBInstance", [change_accepted("CreateDBInstance")])
        .on("ModifyDBInstance", [change_accepted("ModifyDBInstance")])
        .on(DELETE, [kept_by_aws_backup(), change_accepted(DELETE)])
        .after("CreateDBInstance")
        .on("DescribeDBInstances", [instance("creating", CLASS, ""), instance("incompatible-parameters", CLASS, "")])
        .after(DELETE)
        .on("DescribeDBInstances", [answer("DescribeDBInstances", "<DBInstances/>")])
        .start(DATABASE);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.combined_output().contains("Everything is as it was before"), "{}", done.combined_output());
    assert!(!done.stderr.contains(" keeps "), "nothing of a deleted database stays: {}", done.combined_output());
    let sent: Vec<String> = endpoint.request_bodies(DELETE).iter().map(|body| body["DeleteAutomatedBackups"].to_string()).collect();
    assert_eq!(sent, ["\"true\"", "\"false\""]);
}
