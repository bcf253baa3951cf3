//! Tests of the components of clusters.

use serde_json::json;

use super::*;

const CLUSTER: &str = "stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }
dns: { zone: example.com }
secrets: [grafana]
storage: [logs]
platform:
";

/// Compiles a definition with these components.
#[track_caller]
fn with(components: &str) -> Stack {
    compile(&format!("{CLUSTER}{components}"), &located())
}

/// Problems of a definition with these components.
#[track_caller]
fn problems_with(components: &str) -> String {
    compile_problems(&format!("{CLUSTER}{components}"), &located())
}

#[track_caller]
fn depends_on(stack: &Stack, address: &str) -> Vec<String> {
    stack.resources[&Address::parse(address).expect("an address")].depends_on.iter().map(ToString::to_string).collect()
}

fn namespaces(stack: &Stack) -> Vec<(String, String)> {
    let objects = stack.resources.values().map(|declared| &declared.spec["manifest"]).filter(|object| object["kind"] == "Namespace");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects
        .map(|object| {
            let metadata = &object["metadata"];
            (text(&metadata["name"]), text(&metadata["labels"]["pod-security.kubernetes.io/enforce"]))
        })
        .collect()
}

#[test]
fn custom_resources_are_created_after_the_components_that_may_define_their_kind() {
    let objects = "resources:
  kubernetes_object:
    settings: { cluster: main, manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: settings, namespace: default } } }
    shop: { cluster: main, manifest: { apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: { name: shop, namespace: default } } }
    other:
      cluster: main
      depends_on: [helm_release.cloudnative-pg]
      manifest: { apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: { name: other, namespace: default } }
";
    let stack = with(&format!("  cloudnative-pg: {{}}\n  metrics-server: {{}}\n{objects}"));
    let expected = ["eks_addon.coredns", "eks_addon.metrics-server", "eks_cluster.main", "helm_release.cloudnative-pg"];
    assert_eq!(depends_on(&stack, "kubernetes_object.shop"), expected);
    assert_eq!(depends_on(&stack, "kubernetes_object.other"), ["eks_cluster.main", "helm_release.cloudnative-pg"]);
    assert_eq!(depends_on(&stack, "kubernetes_object.settings"), ["eks_cluster.main"]);
    let depends_on_itself = "  cloudnative-pg: {}
resources:
  kubernetes_object:
    first: { cluster: main, manifest: { apiVersion: example.com/v1, kind: First, metadata: { name: first, namespace: default } } }
  helm_release:
    second: { cluster: main, namespace: default, release: second, chart: oci://example.com/second, version: 1.0.0, depends_on: [kubernetes_object.first] }
";
    let stack = with(depends_on_itself);
    assert!(!depends_on(&stack, "kubernetes_object.first").contains(&"helm_release.second".to_owned()));
}

#[test]
fn a_component_gets_its_namespace_its_role_and_its_release() {
    let stack = with("  external-dns: {}\n");
    let added: Vec<String> = addresses(&stack).into_iter().filter(|address| address.contains("external-dns")).collect();
    let expected =
        ["eks_pod_identity.external-dns", "helm_release.external-dns", "iam_role.external-dns", "kubernetes_object.namespace-external-dns"];
    assert_eq!(added, expected);
    let release = spec(&stack, "helm_release.external-dns");
    assert_eq!(release["chart"], "external-dns");
    assert_eq!(release["repository"], "https://kubernetes-sigs.github.io/external-dns");
    assert_eq!(release["values"]["domainFilters"], json!(["example.com"]));
    assert_eq!(release["values"]["txtOwnerId"], "shop-default");
    assert_eq!(release["values"]["extraArgs"]["zone-id-filter"], "${dns_zone.main.id}");
    let expected = [
        "dns_zone.main",
        "eks_addon.coredns",
        "eks_addon.eks-pod-identity-agent",
        "eks_cluster.main",
        "eks_node_group.general",
        "eks_pod_identity.external-dns",
        "kubernetes_object.namespace-external-dns",
    ];
    assert_eq!(depends_on(&stack, "helm_release.external-dns"), expected);
    let association = spec(&stack, "eks_pod_identity.external-dns");
    assert_eq!((&association["namespace"], &association["service_account"]), (&json!("external-dns"), &json!("external-dns")));
    let role = spec(&stack, "iam_role.external-dns");
    assert_eq!(role["trust"]["Statement"][0]["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    let statement = &role["inline_policies"]["external-dns"]["Statement"][0];
    assert_eq!(statement["Resource"], json!(["arn:aws:route53:::hostedzone/${dns_zone.main.id}"]));
}

#[test]
fn a_namespace_is_created_once_with_the_standard_that_all_its_pods_satisfy() {
    let logs = "  ebs-csi: {}\n  elastic-operator: {}\n  elasticsearch: {}\n";
    let of = |components: &str| namespaces(&with(components));
    let named = |name: &str, standard: &str| (name.to_owned(), standard.to_owned());
    assert_eq!(of(logs), [named("elastic-system", "restricted"), named("logging", "baseline")]);
    assert_eq!(of(&format!("{logs}  fluent-bit: {{}}\n")), [named("elastic-system", "restricted"), named("logging", "privileged")]);
    assert_eq!(of("  metrics-server: {}\n"), []);
}

#[test]
fn an_add_on_is_the_default_where_eks_has_one() {
    let stack = with("  metrics-server: { size: small }\n  vpc-cni: {}\n");
    assert_eq!(spec(&stack, "eks_addon.metrics-server")["configuration"]["replicas"], 1);
    assert!(depends_on(&stack, "eks_addon.metrics-server").contains(&"eks_node_group.general".to_owned()));
    assert!(depends_on(&stack, "eks_node_group.general").contains(&"eks_addon.vpc-cni".to_owned()));
    assert!(depends_on(&stack, "eks_addon.vpc-cni").contains(&"eks_pod_identity.vpc-cni".to_owned()));
    let stack = with("  metrics-server: { deliver: helm, version: 3.14.0 }\n");
    let release = spec(&stack, "helm_release.metrics-server");
    assert_eq!((&release["version"], &release["values"]["replicas"]), (&json!("3.14.0"), &json!(2)));
}

#[test]
fn values_of_the_definition_win() {
    let stack = with(
        "  ebs-csi: {}
  prometheus-crds: {}
  loki:
    bucket: logs
    size: small
    values: { gateway: { replicas: 5, metrics: null }, singleBinary: { tolerations: [{ operator: Exists }] } }
",
    );
    let values = &spec(&stack, "helm_release.loki")["values"];
    assert_eq!(values["gateway"]["replicas"], 5);
    assert_eq!(values["gateway"]["metrics"], json!("<null>"));
    assert_eq!(values["singleBinary"]["replicas"], 1);
    assert_eq!(values["singleBinary"]["tolerations"], json!([{ "operator": "Exists" }]));
    assert_eq!(values["loki"]["storage"]["bucketNames"]["chunks"], "${s3_bucket.logs.id}");
    assert_eq!(values["monitoring"]["serviceMonitor"]["enabled"], true);
}

#[test]
fn components_are_installed_in_waves_after_their_needs() {
    let stack = with(
        "  ebs-csi: {}
  external-secrets: {}
  istio-base: {}
  istio-cni: {}
  istio-gateway: {}
  istiod: {}
  prometheus: { grafana_secret: grafana }
  prometheus-crds: {}
",
    );
    let precedes = |earlier: &str, later: &str| depends_on(&stack, later).contains(&earlier.to_owned());
    assert!(precedes("helm_release.istio-cni", "helm_release.istiod"));
    assert!(precedes("helm_release.istio-base", "helm_release.istio-cni"));
    assert!(precedes("kubernetes_object.istiod-peerauthentication-default", "helm_release.external-secrets"));
    assert!(precedes("kubernetes_object.external-secrets-clustersecretstore-secrets-manager", "helm_release.prometheus"));
    assert!(precedes("helm_release.prometheus", "helm_release.istio-gateway"));
    assert!(precedes("kubernetes_object.ebs-csi-storageclass-gp3", "helm_release.prometheus"));
    assert!(precedes("kubernetes_object.prometheus-externalsecret-grafana-admin", "helm_release.prometheus"));
    let secret = spec(&stack, "kubernetes_object.prometheus-externalsecret-grafana-admin");
    let expected = json!({ "secretKey": "admin-user", "remoteRef": { "key": "${secret.grafana.arn}", "property": "admin-user" } });
    assert_eq!(secret["manifest"]["spec"]["data"][0], expected);
    assert_eq!(secret["wait_for"][0]["condition"], "Ready");
    assert_eq!(spec(&stack, "helm_release.prometheus")["values"]["alertmanager"]["config"]["route"]["receiver"], "null");
}

#[test]
fn karpenter_gets_a_queue_rules_and_a_role_for_its_nodes() {
    let stack = with("  karpenter-crd: {}\n  karpenter: { cpu_limit: 64 }\n");
    let rules = addresses(&stack).iter().filter(|address| address.starts_with("event_rule.karpenter-")).count();
    assert_eq!(rules, 5);
    assert_eq!(spec(&stack, "eks_access_entry.karpenter-nodes")["type"], "EC2_LINUX");
    let release = spec(&stack, "helm_release.karpenter");
    assert_eq!(release["values"]["settings"]["interruptionQueue"], "${sqs_queue.karpenter.name}");
    assert_eq!(release["skip_crds"], true);
    let class = &spec(&stack, "kubernetes_object.karpenter-ec2nodeclass-default")["manifest"]["spec"];
    assert_eq!(class["subnetSelectorTerms"], json!([{ "id": "${subnet.private-a.id}" }, { "id": "${subnet.private-b.id}" }]));
    assert_eq!(spec(&stack, "kubernetes_object.karpenter-nodepool-default")["manifest"]["spec"]["limits"]["cpu"], 64);
    let before = depends_on(&stack, "kubernetes_object.karpenter-nodepool-default");
    assert!(before.contains(&"helm_release.karpenter".to_owned()), "{before:?}");
    let statements = &spec(&stack, "iam_role.karpenter")["inline_policies"]["karpenter"]["Statement"];
    let pass = statements.as_array().into_iter().flatten().find(|statement| statement["Sid"] == "PassNodeRole");
    assert_eq!(pass.map(|pass| &pass["Resource"]), Some(&json!(["${iam_role.karpenter-nodes.arn}"])));
}

#[test]
fn auto_mode_replaces_the_software_of_components() {
    let text = format!("{CLUSTER}  ebs-csi: {{}}\n").replace("version: '1.36',", "version: '1.36', auto_mode: {},");
    let stack = compile(&text, &located());
    let added: Vec<String> = addresses(&stack).into_iter().filter(|address| address.contains("ebs-csi")).collect();
    assert_eq!(added, ["kubernetes_object.ebs-csi-storageclass-gp3"]);
    assert_eq!(spec(&stack, &added[0])["manifest"]["provisioner"], "ebs.csi.eks.amazonaws.com");
    let said = compile_problems(&text.replace("ebs-csi", "vpc-cni"), &located());
    assert!(said.contains("`vpc-cni` can't be in a cluster with EKS Auto Mode"), "{said}");
}

#[test]
fn reports_components_that_can_not_be_installed_at_their_lines() {
    for (components, message, help) in [
        ("  prometheuss: {}\n", "there is no component `prometheuss`", "did you mean `prometheus`?"),
        ("  istiod: {}\n  istio-base: {}\n", "`istiod` needs the component `istio-cni`", "add `istio-cni: {}` to `platform`"),
        ("  nginx: {}\n  ingress-nginx: {}\n", "`nginx` and `ingress-nginx` can't be in one cluster", "remove one of them"),
        ("  logdna: { secret: grafana }\n", "`logdna` needs the component `external-secrets`", "add `external-secrets: {}`"),
        ("  cert-manager: {}\n", "`cert-manager` has no `email`", "add `email: …`"),
        ("  metrics-server: { sizes: small }\n", "`metrics-server` has no field `sizes`", "did you mean `size`?"),
        ("  metrics-server: { size: tiny }\n", "`tiny` is not a valid value of `size`", "values: production, small"),
        ("  argo-rollouts: { size: [] }\n", "`size` must be text, not a list", "write `size: …`"),
        ("  external-dns: { domain: [example.com] }\n", "`domain` of `external-dns` must be text or a number, not a list", "write"),
        ("  metrics-server: { values: [] }\n", "`values` of `metrics-server` must be a map", "write the keys of the chart"),
    ] {
        let said = problems_with(components);
        assert!(said.contains(message) && said.contains(help) && said.contains("stack.yaml:9:"), "{components}{said}");
    }
    let cluster = CLUSTER.lines().find(|line| line.starts_with("cluster")).expect("a cluster");
    let without = format!("{CLUSTER}  metrics-server: {{}}\n").replace(cluster, "");
    let said = compile_problems(&without, &located());
    assert!(said.contains("`platform` needs a cluster") && said.contains("stack.yaml:8:"), "{said}");
    let no_nodes = "cluster: { version: '1.36', addons: [coredns] }";
    let no_nodes = format!("{CLUSTER}  karpenter-crd: {{}}\n  karpenter: {{}}\n").replace(cluster, no_nodes);
    let said = compile_problems(&no_nodes, &located());
    assert!(said.contains("`karpenter` needs a node group"), "{said}");
}

#[test]
fn a_component_names_resources_in_and_outside_the_stack() {
    let outside = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/grafana-AbCdEf";
    let components = |secret: &str| {
        format!("  ebs-csi: {{}}\n  external-secrets: {{}}\n  prometheus-crds: {{}}\n  prometheus:\n    grafana_secret: {secret}\n")
    };
    let key = |stack: &Stack| {
        let object = spec(stack, "kubernetes_object.prometheus-externalsecret-grafana-admin");
        object["manifest"]["spec"]["data"][0]["remoteRef"]["key"].as_str().unwrap_or_default().to_owned()
    };
    for name in ["grafana", "secret.grafana", "'{{ secrets.grafana.arn }}'"] {
        let stack = with(&components(name));
        assert_eq!(key(&stack), "${secret.grafana.arn}");
        assert_eq!(spec(&stack, "iam_role.external-secrets")["inline_policies"]["outside"], Value::Null);
    }
    for form in [format!("{{ arn: '{outside}' }}"), format!("'{outside}'")] {
        let stack = with(&components(&form));
        assert_eq!(key(&stack), outside);
        // Its name does not begin with the stack's, so the permission names it.
        let policy = &spec(&stack, "iam_role.external-secrets")["inline_policies"]["outside"];
        assert_eq!(policy["Statement"][0]["Resource"], json!([outside]));
    }
    // A secret that no section declares.
    let single = "resources:\n  secret: { sign-in: {} }\n";
    assert_eq!(key(&with(&format!("{}{single}", components("sign-in")))), "${secret.sign-in.arn}");
    // The bucket is a name, not an ARN.
    let stack = with("  ebs-csi: {}\n  loki: { bucket: { id: other-logs } }\n");
    assert_eq!(spec(&stack, "helm_release.loki")["values"]["loki"]["storage"]["bucketNames"]["chunks"], "other-logs");
}

#[test]
fn an_optional_input_is_unset_if_its_resource_is_not_in_the_environment() {
    let components = "  ebs-csi: {}\n  external-secrets: {}\n  prometheus-crds: {}\n  prometheus: { grafana_secret: grafana, pagerduty_secret: pager }\n";
    let text = format!("{CLUSTER}{components}").replace("secrets: [grafana]", "secrets: { grafana: {}, pager: { when: false } }");
    let stack = compile(&text, &located());
    assert!(addresses(&stack).iter().all(|address| !address.contains("pagerduty")), "{:?}", addresses(&stack));
    let needed = text.replace("grafana: {}, pager: { when: false }", "grafana: { when: false }, pager: {}");
    let said = compile_problems(&needed, &located());
    assert!(said.contains("refers to the secret `grafana`, whose `when` is false"), "{said}");
}

#[test]
fn reports_names_that_no_resource_has_once_at_their_lines() {
    let component = "  external-secrets: {}\n  ebs-csi: {}\n  prometheus-crds: {}\n  prometheus:\n    grafana_secret: ";
    for (value, message, help) in [
        (
            "grafanaa",
            "`grafana_secret` of `prometheus` refers to the unknown secret `grafanaa`",
            "did you mean `grafana`? Or write `{arn: …}` for one outside the stack",
        ),
        ("pager", "`grafana_secret` of `prometheus` refers to the unknown secret `pager`", "names of type `secret`: grafana"),
        ("{ arn: prod/grafana }", "`grafana_secret` of `prometheus` is not the name of a secret in the stack", "`{ arn: 'arn:…' }`"),
        ("{ id: prod/grafana }", "`grafana_secret` of `prometheus` is not the name of a secret in the stack", "`{ arn: 'arn:…' }`"),
        ("[grafana]", "`grafana_secret` of `prometheus` is not the name of a secret in the stack", "`{ arn: 'arn:…' }`"),
    ] {
        let said = problems_with(&format!("{component}{value}\n"));
        assert!(said.contains(message) && said.contains(help) && said.contains("stack.yaml:13:"), "{value}: {said}");
        assert_eq!(said.matches("stack.yaml:").count(), 1, "{said}");
    }
    // It is in the values, and in the permissions.
    let said = problems_with("  ebs-csi: {}\n  loki: { bucket: log }\n");
    assert!(said.contains("refers to the unknown s3 bucket `log`") && said.contains("did you mean `logs`?"), "{said}");
    assert_eq!(said.matches("stack.yaml:").count(), 1, "{said}");
}

#[test]
fn reports_misspelt_keys_of_values_at_their_lines() {
    let components = "  external-dns:
    values:
      policy: sync
      serviceMonitor:
        enabledd: true
";
    let said = problems_with(components);
    assert!(said.contains("the values of `external-dns` have no key `enabledd`"), "{said}");
    assert!(said.contains("did you mean `enabled`?") && said.contains("stack.yaml:13:"), "{said}");
    // Another version may have it.
    with(&components.replace("  external-dns:\n", "  external-dns:\n    version: 1.99.0\n"));
    // Below free-form settings, any key is valid.
    with(&components.replace("serviceMonitor:\n        enabledd: true", "podSecurityContext:\n        anything: true"));
}

#[test]
fn every_component_compiles() {
    let text = include_str!("../../../tests/fixtures/platform.yaml");
    for environment in ["tempo", "jaeger"] {
        let stack = compile(text, &LoadOptions { location: located().location, ..options(Some(environment), &[]) });
        let left: Vec<&Address> = stack
            .resources
            .iter()
            .filter(|(_, declared)| {
                let spec = declared.spec.to_string();
                spec.contains("{{") || spec.contains("\"unset\"")
            })
            .map(|(address, _)| address)
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
