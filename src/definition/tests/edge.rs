//! Tests of the edge.

use serde_json::json;

use super::*;

const STACK: &str = "stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }
resources: { certificate: { web: { domain: www.example.com, zone: main } } }
dns: { zone: example.com }
load_balancers: { web: { listeners: { http: { port: 80, protocol: HTTP, redirect_to_https: true }, https: { port: 443, protocol: HTTPS, certificate: web } } } }
secrets: [redis, sign-in]
platform: { vpc-cni: {}, aws-load-balancer-controller: {}, COMPONENTS }
edge: { host: www.example.com, EDGE }
services:
  users: { port: 8080, version: 1.4.0, path: /users }
  web: { port: 9000, version: 1.0.0, path: /, ready: /up, namespace: front, sign_in: false }
  admin: { port: 8080, version: 1.0.0, path: /users/admin }
  next: { port: 8080, path: /next }
";
const SIGN_IN: &str = "oauth2-proxy: { host: www.example.com, issuer_url: 'https://login.example.com', redis_url: 'rediss://a:6379', secret: sign-in, redis_secret: redis }, external-secrets: {}";
const MESH: &str = "istio-base: {}, istio-cni: {}, istiod: {}, istio-gateway: {}";

fn text(components: &str, edge: &str) -> String {
    STACK.replace("COMPONENTS", components).replace("EDGE", edge)
}

fn compiled(components: &str, edge: &str) -> Stack {
    compile(&text(components, edge), &located())
}

fn manifest<'s>(stack: &'s Stack, name: &str) -> &'s Value {
    &spec(stack, &format!("kubernetes_object.{name}"))["manifest"]
}

fn values<'s>(stack: &'s Stack, name: &str) -> &'s Value {
    &spec(stack, &format!("helm_release.{name}"))["values"]
}

fn of_edge(stack: &Stack) -> Vec<String> {
    addresses(stack).into_iter().filter(|address| address.contains(".edge-")).collect()
}

#[test]
fn a_load_balancer_reaches_the_pods_of_each_path() {
    let stack = compiled("metrics-server: {}", "through: alb, load_balancer: web, waf: true");
    let expected = [
        "kubernetes_object.edge-admin",
        "kubernetes_object.edge-next",
        "kubernetes_object.edge-users",
        "kubernetes_object.edge-web",
        "security_group_rule.edge-8080",
        "security_group_rule.edge-9000",
        "target_group.edge-admin",
        "target_group.edge-next",
        "target_group.edge-users",
        "target_group.edge-web",
        "waf_association.edge-web",
    ];
    assert_eq!(of_edge(&stack), expected);
    let listener = spec(&stack, "listener.web-https");
    let status = &listener["default_action"]["fixed_response"]["status_code"];
    assert_eq!(*status, 404);
    let rules = listener["rules"].as_array().expect("rules");
    let mut rules: Vec<(u64, &Value, String)> = rules
        .iter()
        .map(|rule| {
            let group = rule["action"]["forward"]["target_groups"][0]["target_group"].to_string();
            (rule["priority"].as_u64().expect("a priority"), &rule["paths"], group)
        })
        .collect();
    rules.sort_by_key(|(priority, ..)| *priority);
    let order: Vec<&String> = rules.iter().map(|(.., group)| group).collect();
    let groups = ["edge-admin", "edge-users", "edge-next", "edge-web"];
    assert!(order.len() == 4 && groups.iter().zip(&order).all(|(name, group)| group.contains(name)), "{order:?}");
    assert_eq!(*rules[1].1, json!(["/users", "/users/*"]));
    assert!(spec(&stack, "listener.web-http")["rules"].as_array().is_none_or(Vec::is_empty));
    let group = spec(&stack, "target_group.edge-web");
    assert_eq!((&group["port"], &group["target_type"], &group["health_check"]["path"]), (&json!(80), &json!("ip"), &json!("/up")));
    let binding = manifest(&stack, "edge-web");
    assert_eq!(binding["metadata"], json!({ "name": "web", "namespace": "front" }));
    assert_eq!(binding["spec"]["targetGroupARN"], "${target_group.edge-web.arn}");
    assert_eq!(binding["spec"]["serviceRef"], json!({ "name": "web", "port": 9000 }));
    let rule = spec(&stack, "security_group_rule.edge-9000");
    assert!(rule["security_group"].to_string().contains("eks_cluster.main.security_group_id"), "{rule}");
    let web = values(&stack, "web");
    assert_eq!(web["edge"], json!({ "through": "alb", "host": "www.example.com", "path": "/", "signIn": false, "readinessGate": true }));
    assert_eq!(web["network"]["loadBalancers"], json!(["10.0.0.0/16"]));
    let release = &stack.resources[&Address::parse("helm_release.web").expect("an address")];
    let needs: Vec<String> = release.depends_on.iter().map(ToString::to_string).collect();
    assert!(
        ["kubernetes_object.edge-web", "listener.web-https", "security_group_rule.edge-9000"]
            .iter()
            .all(|address| needs.iter().any(|need| need == address)),
        "{needs:?}"
    );
}

#[test]
fn one_more_path_leaves_the_other_rules_as_they_are() {
    let rules = |text: &str| spec(&compile(text, &located()), "listener.web-https")["rules"].as_array().expect("rules").clone();
    let text = text("metrics-server: {}", "through: alb, load_balancer: web");
    let (before, after) = (rules(&text.replace(", path: /next", "")), rules(&text));
    assert!(after.len() == before.len() + 1 && before.iter().all(|rule| after.contains(rule)), "{after:?}");
}

#[test]
fn an_ingress_controller_is_behind_the_load_balancer() {
    let stack = compiled("nginx: {}", "through: nginx, load_balancer: web");
    let expected = [
        "kubernetes_object.edge-host",
        "kubernetes_object.edge-nginx",
        "security_group_rule.edge-80",
        "security_group_rule.edge-8081",
        "target_group.edge-nginx",
    ];
    assert_eq!(of_edge(&stack), expected);
    let host = manifest(&stack, "edge-host");
    assert_eq!(host["metadata"]["annotations"], json!({ "nginx.org/mergeable-ingress-type": "master" }));
    assert_eq!(host["spec"], json!({ "ingressClassName": "nginx", "rules": [{ "host": "www.example.com" }] }));
    let binding = &manifest(&stack, "edge-nginx")["spec"];
    assert_eq!(binding["serviceRef"], json!({ "name": "nginx-ingress-controller", "port": 80 }));
    assert_eq!(spec(&stack, "target_group.edge-nginx")["health_check"]["port"], "8081");
    let network = &values(&stack, "users")["network"];
    assert_eq!(network["gateways"], json!([{ "name": "nginx-ingress", "account": "nginx-ingress" }]));
    assert_eq!(network["loadBalancers"], Value::Null);
    let stack = compiled("kong: {}", "through: kong, load_balancer: web");
    assert_eq!(spec(&stack, "target_group.edge-kong")["health_check"]["port"], "8100");
    assert!(of_edge(&stack).contains(&"security_group_rule.edge-8000".to_owned()));
    assert_eq!(values(&stack, "users")["edge"]["through"], "kong");
}

#[test]
fn an_ingress_controller_has_a_certificate_without_a_load_balancer() {
    let text = text("ingress-nginx: {}, cert-manager: { email: ops@example.com }", "through: nginx");
    let stack = compile(
        &text.replace("certificate: web }", "certificate: web, default_action: { fixed_response: { status_code: 404 } } }"),
        &located(),
    );
    assert_eq!(of_edge(&stack), ["kubernetes_object.edge-host"]);
    let host = manifest(&stack, "edge-host");
    assert_eq!(host["metadata"]["annotations"], json!({ "cert-manager.io/cluster-issuer": "letsencrypt" }));
    assert_eq!(host["spec"]["tls"], json!([{ "hosts": ["www.example.com"], "secretName": "edge-certificate" }]));
    // The first namespace of the services, here that of the stack.
    assert_eq!(host["metadata"]["namespace"], "shop");
}

#[test]
fn istio_has_all_paths_in_one_object() {
    let components = format!("{MESH}, {SIGN_IN}");
    let stack = compiled(&components, "through: istio, load_balancer: web, sign_in: true");
    let routes = manifest(&stack, "edge-routes");
    let http = routes["spec"]["http"].as_array().expect("routes");
    let names: Vec<&Value> = http.iter().map(|route| &route["name"]).collect();
    assert_eq!(names, ["sign-in", "admin", "users", "web"]);
    assert_eq!(http[2]["match"], json!([{ "uri": { "exact": "/users" } }, { "uri": { "prefix": "/users/" } }]));
    assert_eq!(http[3]["delegate"], json!({ "name": "web-edge", "namespace": "front" }));
    let rules = manifest(&stack, "edge-sign-in")["spec"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[1]["to"][0]["operation"]["paths"], json!(["/users", "/users/*"]));
    let providers = &values(&stack, "istiod")["meshConfig"]["extensionProviders"];
    assert_eq!(providers[0]["name"], "oauth2-proxy");
    assert_eq!(values(&stack, "web")["edge"]["through"], "istio-gateway");
    assert_eq!(values(&stack, "web")["network"]["gateways"], json!([{ "name": "istio-ingress", "account": "istio-ingress" }]));
}

#[test]
fn users_sign_in_before_they_reach_a_service() {
    let stack = compiled(&format!("ingress-nginx: {{}}, {SIGN_IN}"), "through: nginx, load_balancer: web, sign_in: true");
    let sign_in = manifest(&stack, "edge-sign-in");
    assert_eq!(
        (&sign_in["metadata"]["namespace"], &sign_in["spec"]["rules"][0]["http"]["paths"][0]["path"]),
        (&json!("auth"), &json!("/oauth2"))
    );
    assert_eq!(values(&stack, "users")["edge"]["signIn"], true);
    assert_eq!(values(&stack, "web")["edge"]["signIn"], false);
    // The controller of F5 has a policy in each release.
    let stack = compiled(&format!("nginx: {{}}, {SIGN_IN}"), "through: nginx, load_balancer: web, sign_in: true");
    assert!(!of_edge(&stack).iter().any(|address| address.contains("sign-in")));
}

#[test]
fn acme_applies_the_edge_after_argo_cd_has_installed_the_components() {
    let git = "deliver: argocd, argocd: { repository: 'https://git.example.com/platform.git' }, argo-cd: { host: argocd.example.com }";
    let stack = compiled(&format!("{git}, nginx: {{}}"), "through: nginx, load_balancer: web");
    for address in ["kubernetes_object.edge-host", "kubernetes_object.edge-nginx"] {
        let object = &stack.resources[&Address::parse(address).expect("an address")];
        let needs: Vec<String> = object.depends_on.iter().map(ToString::to_string).collect();
        assert!(needs.iter().any(|need| need == "kubernetes_object.argo-cd-application-root"), "{address}: {needs:?}");
        assert!(!needs.iter().any(|need| need == "helm_release.nginx"), "{address}: {needs:?}");
    }
    // Argo CD waits for the pods, which therefore don't wait for what comes after it. It installs a service without an image, too.
    let stack = compiled(git, "through: alb, load_balancer: web");
    assert!(of_edge(&stack).contains(&"kubernetes_object.edge-next".to_owned()));
    let services = &stack.gitops.as_ref().expect("a delivery").components;
    let release = services["service-users"].release.as_ref().expect("a release");
    assert_eq!(release["values"]["edge"], json!({ "through": "alb", "host": "www.example.com", "path": "/users", "signIn": false }));
}

#[test]
fn argo_cd_leaves_the_weights_to_argo_rollouts() {
    let git = "deliver: argocd, argocd: { repository: 'https://git.example.com/platform.git' }, argo-cd: { host: argocd.example.com }";
    let components = format!("{git}, argo-rollouts: {{}}, {MESH}");
    let text = text(&components, "through: istio, load_balancer: web").replace("path: /users }", "path: /users, canary: 20% }");
    let stack = compile(&text, &located());
    let ignored = |name: &str| {
        let component = &stack.gitops.as_ref().expect("a delivery").components[name];
        component.argo_cd.ignore.iter().map(|one| one["kind"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ignored("service-users"), ["DestinationRule", "VirtualService"]);
    assert_eq!(ignored("service-web"), [""; 0]);
}

#[test]
fn a_firewall_protects_the_load_balancer() {
    let firewall = |section: &str| {
        let text = text("metrics-server: {}", "through: alb, load_balancer: web, waf: true");
        let stack = compile(&format!("{text}{section}"), &located());
        addresses(&stack).into_iter().filter(|address| address.starts_with("waf_")).collect::<Vec<_>>()
    };
    assert_eq!(firewall(""), ["waf_association.edge-web", "waf_web_acl.edge"]);
    assert_eq!(firewall("firewall: { main: { managed_rules: [sqli] } }"), ["waf_association.main-web", "waf_web_acl.main"]);
    let two = "firewall: { a: { managed_rules: [sqli] }, b: { managed_rules: [sqli], associate: [web] } }";
    assert_eq!(firewall(two), ["waf_association.b-web", "waf_web_acl.a", "waf_web_acl.b"]);
}

#[test]
fn mistakes_are_reported_at_their_lines() {
    let alb = "through: alb, load_balancer: web";
    for (components, edge, from, to, line, message) in [
        ("", "through: nginx, load_balancer: web", "", "", 10, "`through: nginx` needs the component `nginx` or `ingress-nginx`"),
        ("nginx: {}", "through: nginx", "", "", 10, "nothing encrypts the connections of users"),
        ("nginx: {}", "through: alb", "", "", 10, "`through: alb` needs a load balancer"),
        (MESH, "through: istio", "", "", 10, "accepts only HTTP"),
        (MESH, alb, "", "", 10, "services in the mesh accept only its connections"),
        ("kong: {}", "through: kong, load_balancer: web, sign_in: true", "", "", 10, "the free edition of Kong can't sign in users"),
        ("nginx: {}", "through: nginx, load_balancer: web, sign_in: true", "", "", 10, "add `oauth2-proxy` to `platform`"),
        ("", "through: alb, load_balancer: wb", "", "", 10, "did you mean `web`?"),
        ("", "through: alb, load_balancer: web, waf: 3", "", "", 10, "waf"),
        (
            "nginx: {}, cert-manager: { email: a@example.com }",
            "through: nginx, waf: true",
            "",
            "",
            10,
            "a firewall protects a load balancer",
        ),
        ("", alb, "www.example.com, through", "https://www.example.com, through", 10, "is not a host name"),
        ("", alb, "edge: { host: www.example.com, through: alb, load_balancer: web }", "", 12, "has no section `edge`"),
        ("", alb, "path: /users }", "path: users }", 12, "`users` is not a valid path"),
        ("", alb, "path: /users }", "path: /users/ }", 12, "remove the `/` at the end"),
        ("", alb, "path: /users }", "path: '/*' }", 12, "`/*` is not a valid path"),
        ("", alb, "path: /users/admin", "path: /users", 12, "`/users` is the path of `admin`, too"),
        ("", alb, "next: { port: 8080, path: /next }", "next: { path: /next }", 15, "there is no port for the requests"),
        ("", alb, "next: { port: 8080, path: /next }", "next: { port: 8080, sign_in: true }", 15, "which has no `path`"),
        ("", alb, "path: /users }", "path: /users, sign_in: true }", 12, "`through: alb` does not ask `oauth2-proxy`"),
        ("", alb, ", https: { port: 443, protocol: HTTPS, certificate: web }", "", 10, "has no listener that accepts requests"),
    ] {
        let components = format!("metrics-server: {{}}, {components}").trim_end_matches(", ").to_owned();
        let text = text(&components, edge);
        assert!(text.contains(from), "{from}");
        let said = compile_problems(&text.replacen(from, to, 1), &located());
        assert!(said.contains(message) && said.contains(&format!("stack.yaml:{line}:")), "{edge} {to}: {said}");
    }
    let (before, _) = STACK.split_once("services:").expect("services");
    let without = before.replace("COMPONENTS", "metrics-server: {}").replace("EDGE", alb);
    let said = compile_problems(&without, &located());
    assert!(said.contains("no service has a `path`, so `edge` has no effect"), "{said}");
    let two = format!(
        "{}firewall: {{ a: {{ managed_rules: [sqli] }}, b: {{ managed_rules: [sqli] }} }}",
        text("metrics-server: {}", &format!("{alb}, waf: true"))
    );
    let said = compile_problems(&two, &located());
    assert!(said.contains("several entries of `firewall` can protect `web`"), "{said}");
    let text = text(&format!("nginx: {{}}, {SIGN_IN}"), "through: nginx, load_balancer: web, sign_in: true");
    let said = compile_problems(&text.replace("oauth2-proxy: { host: www", "oauth2-proxy: { host: login"), &located());
    assert!(said.contains("set `host: www.example.com` for `oauth2-proxy`"), "{said}");
}
