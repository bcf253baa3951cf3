//! Every component of clusters, on the simulated cloud.

use serde_json::json;

use crate::{acme::Acme, end_to_end::EditableStack};

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/platform.yaml");

#[test]
fn every_component_is_installed_changed_and_removed() {
    for environment in ["tempo", "jaeger"] {
        let folder = tempfile::tempdir().expect("a folder");
        let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", environment]);
        let mut stack = EditableStack::load(COMPONENTS.as_ref());
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        stack.set("/platform/cloudnative-pg/values/replicaCount", json!(1));
        assert_eq!(acme.plan(&stack.write()).changes(), ["update helm_release.cloudnative-pg"]);
        stack.set("/platform/metrics-server", json!({ "deliver": "helm", "size": "small" }));
        stack.set("/platform/cert-manager/email", json!("team@example.com"));
        let changes = [
            "update helm_release.cloudnative-pg",
            "update helm_release.metrics-server",
            "update kubernetes_object.cert-manager-clusterissuer-letsencrypt",
        ];
        assert_eq!(acme.plan(&stack.write()).changes(), changes);
        acme.apply(&stack.write());
        acme.assert_no_changes(&stack.write());
        acme.destroy(&stack.write());
        let left: Vec<String> = acme.plan(&stack.write()).changes().into_iter().filter(|change| !change.starts_with("create ")).collect();
        assert!(left.is_empty(), "{environment}: {left:?}");
    }
}
