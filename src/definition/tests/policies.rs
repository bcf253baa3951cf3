//! Tests of the rules of namespaces.

use serde_json::json;

use super::*;

const CLUSTER: &str = "stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster:
  version: '1.36'
  addons: { coredns: {}, vpc-cni: { configuration: { enableNetworkPolicy: 'true' } } }
  node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } }
  access: { developers: { principal_arn: 'arn:aws:iam::123456789012:role/Developers' } }
";

#[track_caller]
fn with(policies: &str) -> Stack {
    compile(&format!("{CLUSTER}policies:\n{policies}"), &located())
}

fn added(stack: &Stack) -> Vec<String> {
    addresses(stack).into_iter().filter_map(|address| Some(address.strip_prefix("kubernetes_object.")?.to_owned())).collect()
}

#[track_caller]
fn manifest<'a>(stack: &'a Stack, name: &str) -> &'a Value {
    &spec(stack, &format!("kubernetes_object.{name}"))["manifest"]
}

#[test]
fn a_namespace_is_restricted_and_closed_by_default() {
    let stack = with("  namespaces: { shop: {} }\n");
    let expected = [
        "namespace-shop",
        "policies-shop-networkpolicy-allow-dns",
        "policies-shop-networkpolicy-allow-pod-identity",
        "policies-shop-networkpolicy-default-deny",
    ];
    assert_eq!(added(&stack), expected);
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    assert_eq!(manifest(&stack, "namespace-shop")["metadata"]["labels"], labels);
    let deny = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
    assert_eq!(manifest(&stack, "policies-shop-networkpolicy-default-deny")["spec"], deny);
    let dns = &manifest(&stack, "policies-shop-networkpolicy-allow-dns")["spec"]["egress"][0]["to"][0];
    assert_eq!(dns["podSelector"]["matchLabels"]["k8s-app"], "kube-dns");
    let of = |name: &str| stack.resources[&Address::parse(&format!("kubernetes_object.{name}")).expect("an address")].depends_on.clone();
    let namespace = Address::parse("kubernetes_object.namespace-shop").expect("an address");
    assert!(expected[1..].iter().all(|name| of(name).contains(&namespace)), "the namespace comes first");
}

#[test]
fn connections_become_network_policies() {
    let stack = with(
        "  namespaces:
    shop:
      pod_security: baseline
      labels: { team: shop }
      network:
        ingress:
          - { apps: web, from_cidrs: [10.0.0.0/16], except: [10.0.9.0/24], ports: [8080] }
          - { apps: web, from_namespaces: ['*'], ports: [metrics] }
          - { apps: { tier: api }, from_apps: web, from_namespaces: [shop, edge] }
        egress:
          - { to_apps: web, ports: [8000-8100, 53/UDP] }
",
    );
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline", "team": "shop" });
    assert_eq!(manifest(&stack, "namespace-shop")["metadata"]["labels"], labels);
    let name = |name: &str| json!({ "matchLabels": { "app.kubernetes.io/name": name } });
    let web = json!({
        "podSelector": name("web"),
        "policyTypes": ["Ingress"],
        "ingress": [
            { "from": [{ "ipBlock": { "cidr": "10.0.0.0/16", "except": ["10.0.9.0/24"] } }], "ports": [{ "protocol": "TCP", "port": 8080 }] },
            { "from": [{ "namespaceSelector": {} }], "ports": [{ "protocol": "TCP", "port": "metrics" }] },
        ],
    });
    assert_eq!(manifest(&stack, "policies-shop-networkpolicy-ingress-web")["spec"], web);
    let api = &manifest(&stack, "policies-shop-networkpolicy-ingress-api")["spec"];
    let from = |namespace: &str| json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } }, "podSelector": name("web") });
    assert_eq!(api["ingress"], json!([{ "from": [from("shop"), from("edge")] }]));
    let egress = &manifest(&stack, "policies-shop-networkpolicy-egress")["spec"]["egress"];
    let ports = json!([{ "protocol": "TCP", "port": 8000, "endPort": 8100 }, { "protocol": "UDP", "port": 53 }]);
    assert_eq!(*egress, json!([{ "to": [{ "podSelector": name("web") }], "ports": ports }]));
}

#[test]
fn quotas_limits_and_permissions_become_objects() {
    let stack = with(
        "  access: { developers: view, 'system:authenticated': [{ resources: [namespaces], verbs: [list] }] }
  namespaces:
    shop:
      network: false
      quota: { requests.cpu: 8, pods: '50' }
      limits: { default_request: { cpu: 0.1 }, max: { memory: 4Gi } }
      access: { developers: edit }
",
    );
    assert_eq!(manifest(&stack, "policies-shop-resourcequota-policies")["spec"], json!({ "hard": { "requests.cpu": "8", "pods": "50" } }));
    let limits = json!([{ "type": "Container", "defaultRequest": { "cpu": "0.1" }, "max": { "memory": "4Gi" } }]);
    assert_eq!(manifest(&stack, "policies-shop-limitrange-policies")["spec"]["limits"], limits);
    let binding = manifest(&stack, "policies-shop-rolebinding-developers-edit");
    assert_eq!(binding["roleRef"], json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit" }));
    assert_eq!(binding["subjects"][0], json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }));
    assert_eq!(spec(&stack, "eks_access_entry.developers")["kubernetes_groups"], json!(["developers"]));
    let role = manifest(&stack, "policies-cluster-clusterrole-system-authenticated");
    assert_eq!(role["rules"], json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"] }]));
    assert_eq!(role["metadata"], json!({ "name": "system:authenticated" }));
    assert!(added(&stack).iter().all(|name| !name.contains("networkpolicy")));
}

#[test]
fn a_namespace_of_components_has_one_owner_and_keeps_their_standard() {
    let platform = "platform: { ebs-csi: {}, elastic-operator: {}, elasticsearch: {}, cloudwatch: {} }\n";
    let text = |rules: &str| format!("{CLUSTER}{platform}policies:\n  namespaces: {{ {rules} }}\n");
    let stack = compile(&text("logging: { labels: { team: data }, quota: { pods: 20 } }"), &located());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline", "team": "data" });
    assert_eq!(manifest(&stack, "namespace-logging")["metadata"]["labels"], labels);
    assert!(added(&stack).iter().all(|name| !name.contains("networkpolicy")), "components were not asked what they connect to");
    let said = compile_problems(&text("logging: { pod_security: restricted }"), &located());
    assert!(said.contains("pods of components in `logging` need `baseline`"), "{said}");
    // The add-on creates this one.
    let stack = compile(&text("amazon-cloudwatch: { quota: { pods: 20 } }"), &located());
    assert!(!added(&stack).contains(&"namespace-amazon-cloudwatch".to_owned()));
    let quota = Address::parse("kubernetes_object.policies-amazon-cloudwatch-resourcequota-policies").expect("an address");
    let addon = Address::parse("eks_addon.amazon-cloudwatch-observability").expect("an address");
    assert!(stack.resources[&quota].depends_on.contains(&addon));
    let said = compile_problems(&text("amazon-cloudwatch: { labels: { a: b } }"), &located());
    assert!(said.contains("is created by `eks_addon.amazon-cloudwatch-observability`"), "{said}");
}

#[test]
fn policies_without_effect_are_refused() {
    let text = format!("{CLUSTER}policies:\n  namespaces: {{ shop: {{}} }}\n");
    let said = compile_problems(&text.replace("enableNetworkPolicy: 'true'", "enableNetworkPolicy: 'false'"), &located());
    assert!(said.contains("the cluster does not enforce them") && said.contains("stack.yaml:10:"), "{said}");
    let none = text.replace(", vpc-cni: { configuration: { enableNetworkPolicy: 'true' } }", "");
    assert!(compile_problems(&none, &located()).contains("add `vpc-cni: {}` to `platform`"));
    compile(&none.replace("policies:\n", "policies:\n  network_engine: other\n"), &located());
    compile(&none.replace("shop: {}", "shop: { network: false }"), &located());
    compile(&none.replace("policies:\n", "platform: { vpc-cni: {} }\npolicies:\n"), &located());
    // Auto Mode enforces them once it is told to.
    let stack = compile(&none.replace("version: '1.36'", "version: '1.36'\n  auto_mode: {}"), &located());
    let switch = manifest(&stack, "policies-cluster-configmap-amazon-vpc-cni");
    assert_eq!(switch["data"], json!({ "enable-network-policy-controller": "true" }));
    assert!(manifest(&stack, "policies-shop-networkpolicy-allow-dns")["spec"]["egress"][0].get("to").is_none());
    let fargate = text.replace("  access:", "  fargate: { jobs: { selectors: [{ namespace: shop }] } }\n  access:");
    assert!(compile_problems(&fargate, &located()).contains("the Fargate profile `jobs` has pods of `shop`"));
}

#[test]
fn reports_mistakes_in_rules_at_their_lines() {
    for (rules, message, help) in [
        ("    kube-system: { quota: { pods: 1 } }\n", "`kube-system` is a namespace of Kubernetes itself", "use a namespace of the stack"),
        ("    Shop: {}\n", "`Shop` is not a valid name of a namespace", "use lowercase letters"),
        ("    shop: { access: { developer: edit } }\n", "has the name or the group `developer`", "did you mean `developers`?"),
        ("    shop: { network: { ingress: [{ ports: [80] }] } }\n", "the ingress rule does not say from where", "add `from_namespaces`"),
        ("    shop: { network: { egress: [{ to_cidrs: [10.0.0.0] }] } }\n", "`10.0.0.0` is not a valid range", "write a range"),
        (
            "    shop: { network: { egress: [{ to_cidrs: [10.0.0.0/16], except: [11.0.0.0/24] }] } }\n",
            "`11.0.0.0/24` of `except` is not inside any of `to_cidrs`",
            "remove it",
        ),
        ("    shop: { network: { egress: [{ to_namespaces: [a], ports: [80/HTTP] }] } }\n", "`80/HTTP` is not valid: write a port", ""),
        ("    shop: { quota: { memory: 2GB } }\n", "`2GB` is not valid: write a quantity", ""),
        ("    shop: { pod_security: strict }\n", "strict", ""),
        ("    shop: { quotas: {} }\n", "`shop` has no field `quotas`", "did you mean `quota`?"),
    ] {
        let said = compile_problems(&format!("{CLUSTER}policies:\n  namespaces:\n{rules}"), &located());
        assert!(said.contains(message) && said.contains(help) && said.contains("stack.yaml:11:"), "{rules}{said}");
    }
    let said = compile_problems("stack: shop\nregion: eu-west-1\npolicies: { namespaces: { shop: {} } }\n", &located());
    assert!(said.contains("`policies` needs a cluster"), "{said}");
}
