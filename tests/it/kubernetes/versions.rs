//! Objects whose manifests change to another version of their API.

use super::Lab;

const BEFORE: &str = "
  kubernetes_object:
    web:
      cluster: main
      manifest:
        apiVersion: networking.k8s.io/v1beta1
        kind: Ingress
        metadata: { name: web, namespace: default }
        spec: { rules: [{ host: www.example.com, http: { paths: [{ path: /, pathType: Prefix, backend: { serviceName: web, servicePort: 80 } }] } }] }
    other:
      cluster: main
      manifest:
        apiVersion: networking.k8s.io/v1beta1
        kind: Ingress
        metadata: { name: other, namespace: default }
        spec: { backend: { serviceName: web, servicePort: 80 } }
    colors:
      cluster: main
      manifest:
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: { name: colors.example.com }
        spec:
          group: example.com
          scope: Namespaced
          names: { kind: Color, plural: colors }
          versions:
            - { name: v1alpha1, served: true, storage: false, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }
            - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }
    blue:
      cluster: main
      manifest: { apiVersion: example.com/v1alpha1, kind: Color, metadata: { name: blue, namespace: default }, spec: { rgb: 0000ff } }
";

/// The same with newer versions for `web` and `blue`.
fn after() -> String {
    let (first, rest) = BEFORE.split_once("    other:").expect("two ingresses");
    let first = first
        .replace("v1beta1", "v1")
        .replace("backend: { serviceName: web, servicePort: 80 }", "backend: { service: { name: web, port: { number: 80 } } }");
    format!("{first}    other:{}", rest.replace("example.com/v1alpha1", "example.com/v1"))
}

/// Ingresses in their new version.
const INGRESSES: &str = "ingresses.v1.networking.k8s.io";

impl Lab {
    fn uids(&self) -> String {
        self.server.kubectl(&["get", "ingresses,colors", "-n", "default", "-o", "jsonpath={.items[*].metadata.uid}"])
    }
    fn kinds_in_inventory(&self) -> Vec<String> {
        let listed = self.server.kubectl(&["get", "configmap", "acme-shop-default", "-n", "kube-system", "-o", "jsonpath={.data}"]);
        let data: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&listed).expect("JSON");
        data.into_iter().map(|(kind, _)| kind).filter(|kind| !kind.starts_with("apiextensions")).collect()
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn an_object_keeps_its_identity_in_another_version_of_its_api() {
    let lab = Lab::start();
    let stack = lab.stack(BEFORE);
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
    let uids = lab.uids();
    assert_eq!(uids.split_whitespace().count(), 3, "{uids}");
    assert_eq!(lab.kinds_in_inventory(), ["example.com_v1alpha1_Color", "networking.k8s.io_v1beta1_Ingress"]);

    let edited = lab.stack(&after());
    let plan = lab.plan(&edited);
    assert_eq!(plan.changes(), ["update kubernetes_object.blue", "update kubernetes_object.web"]);
    assert!(
        plan.changed_fields("kubernetes_object.web").contains("/manifest/apiVersion"),
        "{:?}",
        plan.changed_fields("kubernetes_object.web")
    );
    lab.apply(&edited);
    assert_eq!(lab.uids(), uids, "no object is recreated");
    lab.assert_no_changes(&edited);
    // One Ingress is still applied in the earlier version.
    let kinds = ["example.com_v1_Color", "networking.k8s.io_v1_Ingress", "networking.k8s.io_v1beta1_Ingress"];
    assert_eq!(lab.kinds_in_inventory(), kinds);
    let port = lab.server.kubectl(&["get", INGRESSES, "web", "-o", "jsonpath={.spec.rules[0].http.paths[0].backend.service.port.number}"]);
    assert_eq!(port, "80");

    // Changes outside acme are found in the new version, and a field that the manifest no longer has is removed there.
    let host = r#"[{"op":"replace","path":"/spec/rules/0/host","value":"theirs.example.com"}]"#;
    lab.server.kubectl(&["patch", INGRESSES, "web", "--type=json", "-p", host]);
    assert_eq!(lab.changes(&edited), ["update kubernetes_object.web"]);
    lab.apply(&edited);
    lab.assert_no_changes(&edited);

    // A rollback returns to the earlier version of the API.
    let again = lab.stack(&after().replace("rgb: 0000ff", "rgb: 0000fe"));
    lab.apply(&again);
    lab.run("rollback", &again, &["--yes"]).assert_success();
    lab.assert_no_changes(&lab.stack(&after()));
    let stack = lab.stack(BEFORE);
    lab.apply(&stack);
    assert_eq!(lab.uids(), uids);
    lab.assert_no_changes(&stack);
    assert_eq!(lab.kinds_in_inventory(), ["example.com_v1alpha1_Color", "networking.k8s.io_v1beta1_Ingress"]);

    // A run that was stopped leaves both versions in the inventory: each object still counts once, and nothing remains in the end.
    let both = r#"{"data":{"networking.k8s.io_v1_Ingress":""}}"#;
    lab.server.kubectl(&["patch", "configmap", "acme-shop-default", "-n", "kube-system", "--type=merge", "-p", both]);
    lab.assert_no_changes(&stack);
    let emptied = lab.stack("");
    lab.apply(&emptied);
    let left = lab.server.kubectl(&["get", "ingresses,configmaps", "--all-namespaces", "-o", "name"]);
    assert!(!left.contains("ingress") && !left.contains("acme-shop"), "{left}");
}
