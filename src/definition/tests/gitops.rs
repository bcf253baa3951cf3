//! Tests of the delivery through Git.

use serde_json::json;

use super::*;

const CLUSTER: &str = "stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }
dns: { zone: example.com }
secrets: [gitops]
";
const COMPONENTS: &str = "  ebs-csi: {}
  external-dns: {}
  istio-base: {}
  istio-cni: {}
  istiod: {}
  prometheus-crds: {}
  vpc-cni: {}
policies: { namespaces: { shop: {} } }
";

#[track_caller]
fn with(argo_cd: &str) -> Stack {
    compile(&format!("{CLUSTER}platform:\n  deliver: argocd\n{argo_cd}{COMPONENTS}"), &located())
}

const SELF: &str = "  argocd: { repository: https://git.example.com/platform.git }\n  argo-cd: { host: argocd.example.com }\n";
const MANAGED: &str = "  argocd:
    repository: https://git.example.com/platform.git
    credentials: gitops
    managed: { identity_center: 'arn:aws:sso:::instance/ssoins-1234567890abcdef' }
";

fn in_cluster(stack: &Stack) -> Vec<String> {
    addresses(stack).into_iter().filter(|address| address.starts_with("helm") || address.starts_with("kubernetes")).collect()
}

#[track_caller]
fn depends_on(stack: &Stack, address: &str) -> Vec<String> {
    stack.resources[&Address::parse(address).expect("an address")].depends_on.iter().map(ToString::to_string).collect()
}

#[test]
fn acme_installs_argo_cd_and_leaves_the_rest_to_it() {
    let stack = with(SELF);
    let expected = [
        "helm_release.argo-cd",
        "helm_release.prometheus-crds",
        "kubernetes_object.argo-cd-application-root",
        "kubernetes_object.argo-cd-appproject-platform",
        "kubernetes_object.argo-cd-appproject-services",
        "kubernetes_object.ebs-csi-storageclass-gp3",
        "kubernetes_object.namespace-argocd",
        "kubernetes_object.namespace-monitoring",
    ];
    assert_eq!(in_cluster(&stack), expected);
    let gitops = stack.gitops.as_ref().expect("a delivery");
    let waves: Vec<(&str, i32)> = gitops.components.iter().map(|(name, component)| (name.as_str(), component.sync_wave)).collect();
    let expected = [("external-dns", 10), ("istio-base", -20), ("istio-cni", -10), ("istiod", -9), ("namespaces", -100), ("policies", -90)];
    assert_eq!(waves, expected);
    let namespaces: Vec<&Value> =
        gitops.components["namespaces"].objects.iter().map(|object| &object.manifest["metadata"]["name"]).collect();
    assert_eq!(namespaces, ["external-dns", "istio-system", "shop"]);
    assert_eq!(gitops.components["policies"].objects.len(), 3);
    // Roles and associations stay, and come before what uses them.
    let before = depends_on(&stack, "kubernetes_object.argo-cd-application-root");
    for address in
        ["eks_pod_identity.external-dns", "eks_addon.vpc-cni", "helm_release.argo-cd", "kubernetes_object.argo-cd-appproject-platform"]
    {
        assert!(before.contains(&address.to_owned()), "{address} is not among {before:?}");
    }
    let known = |address: &Address| stack.resources.contains_key(address);
    assert!(stack.resources.values().all(|declared| declared.depends_on.iter().all(known)));
    let project = &spec(&stack, "kubernetes_object.argo-cd-appproject-platform")["manifest"]["spec"];
    let sources = [
        "https://git.example.com/platform.git",
        "https://istio-release.storage.googleapis.com/charts",
        "https://kubernetes-sigs.github.io/external-dns",
    ];
    assert_eq!(project["sourceRepos"], json!(sources));
}

#[test]
fn eks_runs_argo_cd_if_it_is_managed() {
    let stack = with(MANAGED);
    let capability = spec(&stack, "eks_capability.argo-cd");
    assert_eq!(capability["type"], "argocd");
    assert_eq!(capability["argocd"]["identity_center"], "arn:aws:sso:::instance/ssoins-1234567890abcdef");
    let before = depends_on(&stack, "eks_capability.argo-cd");
    for address in ["eks_access_entry.argo-cd", "kubernetes_object.argo-cd-configmap-argocd-cm", "kubernetes_object.namespace-argocd"] {
        assert!(before.contains(&address.to_owned()), "{address} is not among {before:?}");
    }
    let cluster = &spec(&stack, "kubernetes_object.argo-cd-secret-in-cluster")["manifest"];
    assert_eq!(cluster["stringData"]["server"], "${eks_cluster.main.arn}");
    let repository = &spec(&stack, "kubernetes_object.argo-cd-secret-gitops-repository")["manifest"];
    assert_eq!(repository["stringData"]["secretArn"], "${secret.gitops.arn}");
    let statement = &spec(&stack, "iam_role.argo-cd")["inline_policies"]["repository"]["Statement"][0];
    assert_eq!(statement["Resource"], json!(["${secret.gitops.arn}"]));
    // The repository is the same as without the capability.
    let of = |stack: &Stack| stack.gitops.as_ref().map(|gitops| gitops.components.keys().cloned().collect::<Vec<_>>());
    assert_eq!(of(&stack), of(&with(SELF)));
}

#[test]
fn credentials_are_copied_from_secrets_manager() {
    let credentials = SELF.replace("platform.git }", "platform.git, credentials: gitops }");
    let stack = with(&format!("{credentials}  external-secrets: {{}}\n"));
    let object = &spec(&stack, "kubernetes_object.argo-cd-externalsecret-gitops-repository")["manifest"]["spec"];
    assert_eq!(object["dataFrom"], json!([{ "extract": { "key": "${secret.gitops.arn}" } }]));
    assert_eq!(object["target"]["template"]["metadata"]["labels"]["argocd.argoproj.io/secret-type"], "repository");
    let outside = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:git-AbCdEf";
    let other = with(&format!(
        "{}  external-secrets: {{}}\n",
        credentials.replace("credentials: gitops", &format!("credentials: {{ arn: '{outside}' }}"))
    ));
    let object = &spec(&other, "kubernetes_object.argo-cd-externalsecret-gitops-repository")["manifest"]["spec"];
    assert_eq!(object["dataFrom"], json!([{ "extract": { "key": outside } }]));
    assert_eq!(spec(&other, "iam_role.external-secrets")["inline_policies"]["repository"]["Statement"][0]["Resource"], json!([outside]));
    // Argo CD can't install what it needs to read the repository.
    assert!(in_cluster(&stack).contains(&"helm_release.external-secrets".to_owned()));
    let before = depends_on(&stack, "kubernetes_object.argo-cd-externalsecret-gitops-repository");
    assert!(before.contains(&"kubernetes_object.external-secrets-clustersecretstore-secrets-manager".to_owned()), "{before:?}");
}

#[test]
fn reports_settings_that_can_not_work_at_their_lines() {
    let both = format!("{MANAGED}  argo-cd: {{ host: a.example.com }}\n");
    let host = "  argo-cd: { host: a.example.com }\n";
    for (settings, message, help) in [
        ("  deliver: argocd\n".to_owned(), "`deliver: argocd` needs a Git repository", "add `argocd: { repository"),
        ("  argocd: { repository: https://a.example.com/b }\n".to_owned(), "`argocd` has no effect", "add `deliver: argocd`"),
        (
            "  deliver: argocd\n  argocd: { repository: https://a.example.com/b }\n".to_owned(),
            "needs Argo CD",
            "add `argo-cd: { host: … }`",
        ),
        (format!("  deliver: argocd\n{both}"), "EKS runs Argo CD already", "remove one of them"),
        (format!("  deliver: argocd\n  argocd: {{ repository: a/b }}\n{host}"), "`a/b` is not the URL of a Git repository", "write a URL"),
        (
            format!("  deliver: argocd\n  argocd: {{ repository: https://a.example.com/b, credentials: gitops }}\n{host}"),
            "`credentials` needs the component `external-secrets`",
            "add `external-secrets: {}`",
        ),
    ] {
        let said = compile_problems(&format!("{CLUSTER}platform:\n{settings}"), &located());
        assert!(said.contains(message) && said.contains(help), "{settings}{said}");
    }
    let secret = format!("{CLUSTER}platform:\n  deliver: argocd\n  argocd: {{ repository: 'https://me:hunter2@a.example.com/b' }}\n{host}");
    let said = compile_problems(&secret, &located());
    assert!(said.contains("the URL contains credentials") && !said.contains("hunter2"), "{said}");
    let reference = format!(
        "{CLUSTER}platform:\n  deliver: argocd\n{SELF}{COMPONENTS}outputs: {{ revision: '{{{{ helm_release.istiod.revision }}}}' }}\n"
    );
    let said = compile_problems(&reference, &located());
    assert!(said.contains("`helm_release.istiod` is installed by Argo CD"), "{said}");
}

#[test]
fn services_are_left_to_argo_cd_with_their_first_image() {
    let services = "services:
  web: { port: 8080, version: 1.4.0, calls: [orders] }
  orders: { port: 9000 }
  mail: { image: 'ghcr.io/example/mail:1' }
";
    let stack = compile(&format!("{CLUSTER}platform:\n  deliver: argocd\n{SELF}{COMPONENTS}{services}"), &located());
    // What they need in AWS stays with acme.
    assert!(addresses(&stack).contains(&"ecr_repository.orders".to_owned()));
    assert!(addresses(&stack).iter().all(|address| address != "helm_release.web"));
    let gitops = stack.gitops.as_ref().expect("a delivery");
    assert_eq!(gitops.services().collect::<Vec<_>>(), ["mail", "orders", "web"]);
    assert_eq!(gitops.service("web").map(|one| one.first_image.as_str()), Some("${ecr_repository.web.uri}:1.4.0"));
    // Without an image, it is installed, too: the first promotion brings one.
    assert_eq!(gitops.service("orders").map(|one| (one.first_image.as_str(), one.is_promoted)), Some(("", true)));
    assert_eq!(gitops.service("mail").map(|one| one.is_promoted), Some(false));
    let values = |name: &str| &gitops.components[name].release.as_ref().expect("a release")["values"];
    assert_eq!(values("service-web")["env"], json!({ "ORDERS_URL": "http://orders.shop:9000" }));
    assert!(values("service-web").get("image").is_none(), "the values of promotions have it");
    assert_eq!(values("service-mail")["image"], "ghcr.io/example/mail:1");
    // After all components.
    assert!(gitops.components.values().all(|component| component.service.is_some() || component.sync_wave < 1000));
}
