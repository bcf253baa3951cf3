//! Rollbacks of runs that have created a cluster: they delete what controllers have made in it by then.

use std::{path::PathBuf, sync::Arc};

use serde_json::json;

use super::{
    Controllers, Lab, PLANTED, assert_has_all,
    planted::{MORE, PLANT},
};
use crate::{
    proxy::{Kill, WriteFault},
    standin::run_boto3,
};

/// An object that comes after the network, and one that the cluster refuses.
const OBJECTS: &str = "
  kubernetes_object:
    config:
      cluster: main
      depends_on: [internet_gateway.main, dns_zone.main]
      manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: config, namespace: kube-public }, data: { a: one } }
    broken:
      cluster: main
      depends_on: [kubernetes_object.config]
      manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: broken, namespace: kube-public }, data: { a: 1 } }
";

impl Lab {
    /// A stack whose first apply fails after controllers have made resources.
    fn failing_stack(&self) -> PathBuf {
        let url = self._standin.url.clone();
        let plant = Kill(Arc::new(move || drop(run_boto3(&url, PLANT))));
        // The first write is that of the inventory.
        self.gateway.set_fault(Some((1, WriteFault::KillAfter(plant))));
        self.stack(&format!("{MORE}{OBJECTS}"))
    }

    fn assert_nothing_left(&self, told: &str) {
        assert_eq!(self.left(), json!([]), "{told}");
        let kept = self.kept();
        assert_eq!((&kept["others"], kept["snapshots"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{kept}\n{told}");
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn the_rollback_of_a_new_cluster_deletes_what_its_controllers_made() {
    let lab = Lab::start();
    let stack = lab.failing_stack();
    let failed = lab.run("apply", &stack, &["--yes"]);
    let told = failed.combined_output();
    assert!(lab.gateway.faulted_write().is_some(), "nothing was planted:\n{told}");
    assert_eq!(failed.code, 1, "{told}");
    assert!(told.contains("cluster_leftover.load-balancer-k8s-dead") && told.contains("cluster_cleanup.shop-main"), "{told}");
    lab.assert_nothing_left(&told);
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_rollback_that_is_killed_is_finished_by_the_next_one() {
    let lab = Lab::start();
    let stack = lab.failing_stack();
    let kept = lab.run("apply", &stack, &["--yes", "--no-rollback"]);
    assert!(lab.gateway.faulted_write().is_some(), "nothing was planted:\n{}", kept.combined_output());
    for changes in [2, 4, 6, 8] {
        lab.run_and_kill("rollback", &stack, changes);
    }
    let done = lab.run("rollback", &stack, &["--yes"]).assert_success();
    lab.assert_nothing_left(&done.combined_output());
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn the_rollback_of_a_finished_run_deletes_what_controllers_made_in_its_cluster() {
    let lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let controllers = Controllers::start(&lab, &planted);
    controllers.wait_for("created k8s-again", 1);
    let output = lab.run("rollback", &stack, &["--yes"]).assert_success().combined_output();
    assert_has_all(&output, PLANTED);
    lab.assert_nothing_left(&output);
    assert_eq!((controllers.count("deleted k8s-live"), controllers.count("terminated the node")), (1, 1), "{output}");
}
