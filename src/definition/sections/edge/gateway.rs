//! Ingress controllers and gateways of the cluster, and the objects by which they send requests to services.

use serde_json::{Map, Value, json};

use super::{Edge, Expansion, ROOT, Route, SIGN_IN_PATH, Through, has};
use crate::definition::sections::{add_depends_on, platform};

/// A component that accepts requests from outside.
pub struct Gateway {
    /// Its name in `platform`.
    pub component: &'static str,
    /// Value of `through` for it.
    pub through: Through,
    /// Namespace of its pods.
    pub namespace: &'static str,
    /// Their service account.
    pub account: &'static str,
    /// Its Service, which has port 80.
    pub service: &'static str,
    /// Port of the pods for HTTP.
    pub pod_port: u16,
    /// Port of the check whether a pod is ready.
    pub health_port: u16,
    /// Path of that check.
    pub health_path: &'static str,
}

impl Gateway {
    /// Address of its release.
    pub fn address(&self) -> String {
        format!("helm_release.{}", self.component)
    }
}

/// Every one, with the names and ports of its chart.
pub static GATEWAYS: &[Gateway] = &[
    Gateway {
        component: "ingress-nginx",
        through: Through::Nginx,
        namespace: "ingress-nginx",
        account: "ingress-nginx",
        service: "ingress-nginx-controller",
        pod_port: 80,
        health_port: 10254,
        health_path: "/healthz",
    },
    Gateway {
        component: "istio-gateway",
        through: Through::Istio,
        namespace: "istio-ingress",
        account: "istio-ingress",
        service: "istio-ingress",
        pod_port: 80,
        health_port: 15021,
        health_path: "/healthz/ready",
    },
    Gateway {
        component: "kong",
        through: Through::Kong,
        namespace: "kong",
        account: "kong-gateway",
        service: "kong-gateway-proxy",
        pod_port: 8000,
        health_port: 8100,
        health_path: "/status/ready",
    },
    Gateway {
        component: "nginx",
        through: Through::Nginx,
        namespace: "nginx-ingress",
        account: "nginx-ingress",
        service: "nginx-ingress-controller",
        pod_port: 80,
        health_port: 8081,
        health_path: "/nginx-ready",
    },
];

/// The component by which users sign in, with its namespace, its Service and its port.
const SIGN_IN: &str = "helm_release.oauth2-proxy";
const SIGN_IN_NAMESPACE: &str = "auth";
const SIGN_IN_SERVICE: &str = "oauth2-proxy";
const SIGN_IN_PORT: u16 = 80;

/// Adds the objects that all routes share; those of a single service are part of its release.
pub fn add(out: &mut Expansion<'_, '_>, edge: &Edge, gateway: &Gateway, routes: &[Route]) {
    let signs_in = routes.iter().any(|route| route.sign_in);
    match gateway.component {
        "istio-gateway" => {
            add_virtual_service(out, edge, gateway, routes, signs_in);
            if signs_in {
                add_sign_in_to_mesh(out, edge, gateway, routes);
            }
        }
        component => {
            add_host(out, edge, gateway, routes);
            // The controller of F5 makes this route of the policy itself.
            if signs_in && component == "ingress-nginx" {
                let manifest = ingress(SIGN_IN_NAMESPACE, "sign-in", gateway, json!({}), &edge.fields.host, Some(sign_in_path()), None);
                add_object(out, edge, gateway, "sign-in", manifest);
            }
        }
    }
}

fn sign_in_path() -> Value {
    json!({
        "path": SIGN_IN_PATH, "pathType": "Prefix",
        "backend": { "service": { "name": SIGN_IN_SERVICE, "port": { "number": SIGN_IN_PORT } } },
    })
}

/// Adds an object at the edge, after the software that it is for.
fn add_object(out: &mut Expansion<'_, '_>, edge: &Edge, gateway: &Gateway, name: &str, manifest: Value) {
    let namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let namespace = format!("kubernetes_object.{}", platform::namespace_object(namespace));
    let needed = [gateway.address(), "helm_release.cert-manager".to_owned(), SIGN_IN.to_owned(), ROOT.to_owned(), namespace];
    let before: Vec<String> = needed.into_iter().filter(|address| has(out, address)).collect();
    let mut fields = Map::from_iter([("cluster".to_owned(), "main".into()), ("manifest".to_owned(), manifest)]);
    add_depends_on(&mut fields, before);
    out.add_resource("kubernetes_object", format!("edge-{name}"), fields, &edge.pointer);
}

/// An Ingress for the host.
fn ingress(
    namespace: &str,
    name: &str,
    gateway: &Gateway,
    annotations: Value,
    host: &str,
    path: Option<Value>,
    secret: Option<&str>,
) -> Value {
    let class = if gateway.through == Through::Kong { "kong" } else { "nginx" };
    let mut rule = json!({ "host": host });
    if let Some(path) = path {
        rule["http"] = json!({ "paths": [path] });
    }
    let mut spec = json!({ "ingressClassName": class, "rules": [rule] });
    if let Some(secret) = secret {
        spec["tls"] = json!([{ "hosts": [host], "secretName": secret }]);
    }
    let metadata = json!({ "name": format!("edge-{name}"), "namespace": namespace, "annotations": annotations });
    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec })
}

/// Adds the Ingress with the host: it has the certificate, unless TLS ends at the load balancer. With the controller of F5, only one Ingress can have a
/// host, and those of the services add paths to it.
/// <https://docs.nginx.com/nginx-ingress-controller/configuration/ingress-resources/cross-namespace-configuration/>
fn add_host(out: &mut Expansion<'_, '_>, edge: &Edge, gateway: &Gateway, routes: &[Route]) {
    let is_of_f5 = gateway.component == "nginx";
    let has_certificate = edge.fields.load_balancer.is_none();
    if !is_of_f5 && !has_certificate {
        return;
    }
    let own = out.frame.stack;
    let namespaces = || routes.iter().map(|route| route.namespace.as_str());
    let Some(namespace) = namespaces().find(|name| *name == own).or_else(|| namespaces().min()) else { return };
    let mut annotations = Map::new();
    if is_of_f5 {
        annotations.insert("nginx.org/mergeable-ingress-type".to_owned(), "master".into());
    }
    if has_certificate {
        annotations.insert("cert-manager.io/cluster-issuer".to_owned(), "letsencrypt".into());
    }
    let secret = has_certificate.then_some("edge-certificate");
    let manifest = ingress(namespace, "host", gateway, annotations.into(), &edge.fields.host, None, secret);
    add_object(out, edge, gateway, "host", manifest);
}

/// Adds the VirtualService with all paths in their order, which Istio does not define between several of them. Each delegates to that of the
/// service, which divides the requests between its versions.
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate>
fn add_virtual_service(out: &mut Expansion<'_, '_>, edge: &Edge, gateway: &Gateway, routes: &[Route], signs_in: bool) {
    let mut http = Vec::new();
    if signs_in {
        let host = format!("{SIGN_IN_SERVICE}.{SIGN_IN_NAMESPACE}.svc.cluster.local");
        let destination = json!({ "host": host, "port": { "number": SIGN_IN_PORT } });
        http.push(json!({
            "name": "sign-in", "match": [{ "uri": { "prefix": format!("{SIGN_IN_PATH}/") } }], "route": [{ "destination": destination }],
        }));
    }
    http.extend(routes.iter().map(|route| {
        let paths = match route.path.as_str() {
            "/" => json!([{ "uri": { "prefix": "/" } }]),
            path => json!([{ "uri": { "exact": path } }, { "uri": { "prefix": format!("{path}/") } }]),
        };
        let delegate = json!({ "name": format!("{}-edge", route.name), "namespace": route.namespace });
        json!({ "name": route.name, "match": paths, "delegate": delegate })
    }));
    let manifest = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "edge", "namespace": gateway.namespace },
        "spec": { "hosts": [edge.fields.host], "gateways": [format!("{}/web", gateway.namespace)], "http": http },
    });
    add_object(out, edge, gateway, "routes", manifest);
}

/// Lets the gateway ask the component whether a user is signed in: <https://istio.io/latest/docs/tasks/security/authorization/authz-custom/>.
fn add_sign_in_to_mesh(out: &mut Expansion<'_, '_>, edge: &Edge, gateway: &Gateway, routes: &[Route]) {
    let provider = json!({
        "name": SIGN_IN_SERVICE,
        "envoyExtAuthzHttp": {
            "service": format!("{SIGN_IN_SERVICE}.{SIGN_IN_NAMESPACE}.svc.cluster.local"),
            "port": SIGN_IN_PORT,
            "includeRequestHeadersInCheck": ["authorization", "cookie", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"],
            "headersToUpstreamOnAllow": ["x-auth-request-email", "x-auth-request-user"],
            "headersToDownstreamOnAllow": ["set-cookie"],
            "headersToDownstreamOnDeny": ["content-type", "set-cookie"],
        },
    });
    let istiod = out.drafts.iter_mut().find(|draft| draft.resource_type.name == "helm_release" && draft.name == "istiod");
    if let Some(values) = istiod.and_then(|draft| draft.spec.get_mut("values")) {
        match values.pointer_mut("/meshConfig/extensionProviders").and_then(Value::as_array_mut) {
            Some(providers) => providers.push(provider),
            None => values["meshConfig"]["extensionProviders"] = json!([provider]),
        }
    }
    let below = |path: &str| if path == "/" { vec!["/*".to_owned()] } else { vec![path.to_owned(), format!("{path}/*")] };
    let is_below = |path: &str, parent: &str| parent == "/" || path.starts_with(&format!("{parent}/"));
    let host = &edge.fields.host;
    let rules = routes.iter().filter(|route| route.sign_in).map(|route| {
        let open = routes.iter().filter(|other| !other.sign_in && is_below(&other.path, &route.path));
        let open: Vec<String> = open.flat_map(|other| below(&other.path)).chain([format!("{SIGN_IN_PATH}/*")]).collect();
        let operation = json!({ "hosts": [host, format!("{host}:*")], "paths": below(&route.path), "notPaths": open });
        json!({ "to": [{ "operation": operation }] })
    });
    let manifest = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": { "name": "edge-sign-in", "namespace": gateway.namespace },
        "spec": {
            "selector": { "matchLabels": { "istio": "ingress" } },
            "action": "CUSTOM",
            "provider": { "name": SIGN_IN_SERVICE },
            "rules": rules.collect::<Vec<_>>(),
        },
    });
    add_object(out, edge, gateway, "sign-in", manifest);
}
