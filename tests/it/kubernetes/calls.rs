//! Calls to a cluster for a plan without changes.

use std::path::Path;

use super::Lab;

/// 100 objects of four kinds, one of which is custom, and 30 releases.
fn large_stack() -> String {
    let of_kind = |name: &str, start: &str| {
        let object = |number: usize| {
            format!(
                "    {name}-{number}: {{ cluster: main, manifest: {{ {start}, metadata: {{ name: {name}-{number}, namespace: default }} }} }}\n"
            )
        };
        (1..=33).map(object).collect::<String>()
    };
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts/web");
    let release = |number: usize| {
        let chart = chart.display();
        format!("    web-{number}: {{ cluster: main, namespace: kube-public, release: web-{number}, chart: {chart}, version: 1.0.0 }}\n")
    };
    format!(
        "
  kubernetes_object:
    colors:
      cluster: main
      manifest:
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {{ name: colors.example.com }}
        spec:
          group: example.com
          scope: Namespaced
          names: {{ kind: Color, plural: colors }}
          versions: [{{ name: v1, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object }} }} }}]
{}{}{}  helm_release:
{}",
        of_kind("color", "apiVersion: example.com/v1, kind: Color"),
        of_kind("config", "apiVersion: v1, kind: ConfigMap, data: { size: large }"),
        of_kind("account", "apiVersion: v1, kind: ServiceAccount"),
        (1..=30).map(release).collect::<String>()
    )
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_plan_without_changes_lists_each_kind_once() {
    let lab = Lab::start();
    let empty = lab.stack("");
    lab.apply(&empty);
    lab.proxy.take_calls();
    lab.assert_no_changes(&empty);
    let without = lab.proxy.take_calls().table();

    let stack = lab.stack(&large_stack());
    lab.apply(&stack);
    lab.proxy.take_calls();
    lab.gateway.take_calls();
    lab.assert_no_changes(&stack);
    let calls: Vec<(String, usize)> = lab.gateway.take_calls().into_iter().collect();
    let expected = [
        "GET /api/v1/configmaps",
        "GET /api/v1/namespaces/kube-system/configmaps/acme-shop-default",
        "GET /api/v1/secrets",
        "GET /api/v1/serviceaccounts",
        "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "GET /apis/example.com/v1/colors",
    ];
    assert_eq!(calls, expected.map(|call| (call.to_owned(), 1)));
    assert_eq!(lab.proxy.take_calls().table(), without, "objects and releases add no call to AWS");

    // The path of the custom kind is remembered. Without its definition, it has no objects, and is asked for again.
    lab.server.kubectl(&["delete", "customresourcedefinition", "colors.example.com"]);
    let changes = lab.changes(&stack);
    assert_eq!(changes.len(), 34, "{changes:#?}");
    assert!(changes.iter().all(|change| change.starts_with("create kubernetes_object.color")), "{changes:#?}");
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
}
