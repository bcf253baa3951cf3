//! A database that gets a new name: RDS shows it as renaming under the old one, then nowhere, then rebooting under the new one.

use super::rds::{DATABASE, ENDPOINT, answer, change_accepted, instance};
use crate::scripted_endpoint::{Answer, Script, xml_error};

const MODIFY: &str = "ModifyDBInstance";
const LIST: &str = "DescribeDBInstances";
const OLD_CLASS: &str = "db.t4g.medium";
const NEW_CLASS: &str = "db.m7g.large";

fn renamed((code, body): Answer) -> Answer {
    (code, body.replace("shop-orders", "shop-purchases"))
}

fn with_name(class: &str) -> String {
    DATABASE.replace("engine: postgres", "name: shop-purchases\n      engine: postgres").replace(OLD_CLASS, class)
}

/// Reads may show the old name for a while after the call.
#[test]
fn waits_for_the_database_under_its_new_name() {
    let endpoint = Script::new()
        .on(LIST, [instance("available", OLD_CLASS, ENDPOINT)])
        .on(MODIFY, [change_accepted(MODIFY)])
        .after(MODIFY)
        .on(
            LIST,
            [
                instance("available", OLD_CLASS, ENDPOINT),
                instance("renaming", OLD_CLASS, ENDPOINT),
                instance("", "", ""),
                renamed(instance("rebooting", OLD_CLASS, ENDPOINT)),
                renamed(instance("available", OLD_CLASS, ENDPOINT)),
            ],
        )
        .start(&with_name(OLD_CLASS));
    assert_eq!(endpoint.planned_changes(), ["update rds_instance.orders"]);
    let done = endpoint.apply();
    for part in ["rds_instance.orders: renaming", "rds_instance.orders: rebooting"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in {}", done.combined_output());
    }
    assert!(done.stdout.contains("shop-purchases.abc.us-east-1.rds.amazonaws.com"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [format!("200 {MODIFY}")]);
    let sent = &endpoint.request_bodies(MODIFY)[0];
    assert_eq!((&sent["DBInstanceIdentifier"], &sent["NewDBInstanceIdentifier"]), (&"shop-orders".into(), &"shop-purchases".into()));
    assert_eq!((&sent["ApplyImmediately"], sent.get("DBInstanceClass")), (&"true".into(), None));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// RDS makes no other change at the same time.
#[test]
fn renames_after_all_other_changes() {
    let modified = instance("available", NEW_CLASS, ENDPOINT);
    let endpoint = Script::new()
        .on(LIST, [instance("available", OLD_CLASS, ENDPOINT)])
        .on_containing(MODIFY, "NewDBInstanceIdentifier", [change_accepted(MODIFY)])
        .on(MODIFY, [answer(MODIFY, "<DBInstance><DBInstanceIdentifier>shop-orders</DBInstanceIdentifier></DBInstance>")])
        .after(MODIFY)
        .on(LIST, [instance("modifying", OLD_CLASS, ENDPOINT), modified.clone(), renamed(modified)])
        .start(&with_name(NEW_CLASS));
    endpoint.apply();
    let sent = endpoint.request_bodies(MODIFY);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!((sent[0].get("NewDBInstanceIdentifier"), &sent[0]["DBInstanceClass"]), (None, &NEW_CLASS.into()));
    assert_eq!((&sent[1]["NewDBInstanceIdentifier"], sent[1].get("DBInstanceClass")), (&"shop-purchases".into(), None));
}

#[test]
fn a_taken_name_is_an_error_and_the_database_keeps_its_own() {
    let taken = xml_error(400, "DBInstanceAlreadyExists", "DB instance already exists");
    let endpoint = Script::new().on(LIST, [instance("available", OLD_CLASS, ENDPOINT)]).on(MODIFY, [taken]).start(&with_name(OLD_CLASS));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("DBInstanceAlreadyExists"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), [format!("400 {MODIFY}")]);
}
