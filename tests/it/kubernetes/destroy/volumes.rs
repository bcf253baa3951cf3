//! The treatment of volumes: `keep` and `delete`. The other tests have the default, `snapshot`.

use serde_json::json;

use super::{Controllers, Lab, assert_has_all};

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn volumes_and_snapshots_are_deleted_if_the_definition_says_so() {
    let lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let controllers = Controllers::start(&lab, &planted);
    lab.set_volumes(&stack, "delete");
    let snapshot = format!("cluster_leftover.snapshot-{}", planted["snapshot"].as_str().expect("an id"));
    let plan = lab.run("plan", &stack, &["--destroy"]).assert_success().stdout;
    assert_has_all(&plan, &["20 GiB of the claim web/data-db-0", "its data is deleted, too", &snapshot]);
    assert!(!plan.contains("stays in AWS"), "{plan}");
    let output = lab.destroy(&stack).assert_success().combined_output();
    assert_eq!(lab.left(), json!([]), "{output}");
    let kept = lab.kept();
    assert_eq!((&kept["snapshots"], &kept["of_driver"]), (&json!([]), &json!([])), "{output}");
    // acme deletes what mounts the claim, and the driver deletes the volume after it.
    assert_eq!(controllers.count("deleted the volume"), 1, "{output}");
    let objects = lab.server.kubectl(&["get", "statefulsets,persistentvolumeclaims", "-n", "web", "-o", "name"]);
    assert_eq!(objects, "", "{output}");
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn volumes_snapshots_and_logs_stay_if_the_definition_says_so() {
    let mut lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    lab.set_volumes(&stack, "keep");
    let [volume, snapshot] = ["volume", "snapshot"].map(|key| planted[key].as_str().expect("an id"));
    let plan = lab.run("plan", &stack, &["--destroy"]).assert_success().stdout;
    let log_group = "/aws/eks/shop-main/cluster";
    let stays = |noun: &str, name: &str| format!("The {noun} `{name}` stays in AWS");
    assert_has_all(&plan, &[&stays("volume", volume), &stays("snapshot", snapshot), &stays("log group", log_group)]);
    assert!(!plan.contains("cluster_leftover.volume-") && !plan.contains("cluster_leftover.snapshot-"), "{plan}");
    // Without an API, nothing in the cluster is waited for.
    lab.server.stop();
    let output = lab.destroy(&stack).assert_success().combined_output();
    assert_has_all(&output, &["continues without the controllers"]);
    assert_eq!(lab.left(), json!([log_group, volume]), "{output}");
    let kept = lab.kept();
    assert_eq!((&kept["snapshots"], &kept["of_driver"]), (&json!([]), &json!([snapshot])), "{output}");
}
