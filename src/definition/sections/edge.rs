//! `edge`: how requests from outside reach the services that have a `path`.

mod balancer;
mod firewall;
mod gateway;

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::gateway::GATEWAYS;
use self::gateway::Gateway;
use super::{Expansion, services::Service};
use crate::definition::{Draft, parse_section, suggestion};

/// Fields of the section.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeFields {
    /// Host name of the services that have a `path`, such as `www.example.com`. Its record belongs to `dns`.
    pub host: String,
    /// Router of the requests by their paths. `alb`: the load balancer, which sends them to the pods. `nginx`, `kong` or `istio`: the component
    /// of that name in `platform`, which is `nginx` or `ingress-nginx`, `kong` or `istio-gateway`.
    pub through: Through,
    /// Entry of `load_balancers`, an application load balancer, on whose HTTPS listeners acme adds rules for the host. Its targets are the pods of
    /// the services (`alb`) or of the ingress controller, which the AWS Load Balancer Controller registers. Default: none; then `nginx` and
    /// `kong` have a certificate of `cert-manager`, and how requests get to them is up to you.
    #[serde(default)]
    pub load_balancer: Option<String>,
    /// Whether a firewall protects the load balancer: the only entry of `firewall`, or one with the common rules of AWS and a limit of 2000
    /// requests in five minutes from an address, if there is none. Default: false.
    #[serde(default)]
    pub waf: bool,
    /// Whether users sign in, by the component `oauth2-proxy`, before they reach a service. Not with `alb` and `kong`. Default: false.
    #[serde(default)]
    pub sign_in: bool,
}

/// Router of requests by their paths.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// An application load balancer of the stack.
    Alb,
    /// Istio's ingress gateway.
    Istio,
    /// Kong's gateway.
    Kong,
    /// An ingress controller of NGINX.
    Nginx,
}

impl Through {
    /// Components that do it, the preferred one first.
    fn components(self) -> &'static [&'static str] {
        match self {
            Through::Alb => &["aws-load-balancer-controller"],
            Through::Istio => &["istio-gateway"],
            Through::Kong => &["kong"],
            Through::Nginx => &["nginx", "ingress-nginx"],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Through::Alb => "alb",
            Through::Istio => "istio",
            Through::Kong => "kong",
            Through::Nginx => "nginx",
        }
    }
}

/// The edge of the stack.
#[derive(Clone)]
pub struct Edge {
    fields: EdgeFields,
    pointer: String,
    /// The ingress controller; `None` for `alb`.
    gateway: Option<&'static Gateway>,
}

/// What is known of the section.
#[derive(Clone, Default)]
pub enum EdgeState {
    /// The definition has none.
    #[default]
    Absent,
    /// It has a mistake, which is reported.
    Invalid,
    /// It waits for the services.
    Declared(Edge),
    /// It has routes to services.
    Routed(Edge),
}

/// A service with a path.
pub struct Route {
    /// Name of the service.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its place in the definition.
    pub pointer: String,
    /// Beginning of the paths of its requests.
    pub path: String,
    /// Its port.
    pub port: u16,
    /// Path of the check whether it is ready.
    pub ready: String,
    /// Whether its users sign in.
    pub sign_in: bool,
}

/// Path of the sign-in.
const SIGN_IN_PATH: &str = "/oauth2";
/// Application by which Argo CD installs the components, if it delivers them.
const ROOT: &str = "kubernetes_object.argo-cd-application-root";

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    out.edge = EdgeState::Invalid;
    let Some(fields) = parse_section::<EdgeFields>(out.compiler, value, at, "`edge`") else { return };
    if !has(out, "eks_cluster.main") {
        let message = "`edge` needs a cluster, but the definition has no section `cluster`";
        return out.compiler.problem_at_key("edge", at, message, "add a section `cluster:`");
    }
    let problems = check(out, &fields);
    let is_valid = problems.is_empty();
    for (field, message, help) in problems {
        out.compiler.problem("edge", &format!("{at}/{field}"), message, help);
    }
    if is_valid {
        let gateway = GATEWAYS.iter().find(|gateway| gateway.through == fields.through && has(out, &gateway.address()));
        out.edge = EdgeState::Declared(Edge { fields, pointer: at.to_owned(), gateway });
    }
}

/// Whether a section has declared a resource.
fn has(out: &Expansion<'_, '_>, address: &str) -> bool {
    find(out, address).is_some()
}

fn find<'o>(out: &'o Expansion<'_, '_>, address: &str) -> Option<&'o Draft> {
    let (kind, name) = address.split_once('.')?;
    out.drafts.iter().find(|draft| draft.resource_type.name == kind && draft.name == name)
}

/// Mistakes, each with its field and its remedy.
fn check(out: &Expansion<'_, '_>, fields: &EdgeFields) -> Vec<(&'static str, String, String)> {
    let EdgeFields { host, through, load_balancer, waf, sign_in } = fields;
    let word = through.word();
    let mut problems = Vec::new();
    let mut report = |field: &'static str, message: String, help: &str| problems.push((field, message, help.to_owned()));
    if !is_host(host) {
        let help = "write a name such as `www.example.com`, without `https://` and without a path";
        report("host", format!("`{host}` is not a host name"), help);
    }
    let components = through.components();
    let has_component = |name: &str| has(out, &format!("helm_release.{name}"));
    if !components.iter().any(|name| has_component(name)) {
        let help = format!("add `{}: {{}}` to `platform`", components[0]);
        report("through", format!("`through: {word}` needs the component `{}`", components.join("` or `")), &help);
    }
    if *through != Through::Istio && has_component("istiod") {
        let message = format!("services in the mesh accept only its connections, so `through: {word}` can't reach them");
        report("through", message, "set `through: istio`, with `istio-gateway: {}` in `platform`, or remove `istiod` there");
    }
    match load_balancer {
        None if *through == Through::Alb => {
            let help = "add `load_balancer: …` with the name of an entry of `load_balancers`";
            report("through", "`through: alb` needs a load balancer".to_owned(), help);
        }
        None if *through == Through::Istio => {
            let help = "add `load_balancer: …`, which ends TLS";
            report("through", "`through: istio` needs a load balancer, because the Gateway `web` accepts only HTTP".to_owned(), help);
        }
        None if !has_component("cert-manager") => {
            let help = "add `load_balancer: …`, which ends TLS, or `cert-manager` to `platform`";
            report("through", "nothing encrypts the connections of users".to_owned(), help);
        }
        None => {}
        Some(name) => {
            if let Some((message, help)) = balancer::problem(out, name) {
                report("load_balancer", message, &help);
            }
            if !has_component("aws-load-balancer-controller") && *through != Through::Alb {
                let help = "add `aws-load-balancer-controller: {}` to `platform`";
                report("load_balancer", "nothing registers the pods with the load balancer".to_owned(), help);
            }
        }
    }
    if *waf && load_balancer.is_none() {
        report("waf", "a firewall protects a load balancer, but there is none".to_owned(), "add `load_balancer: …`, or remove the line");
    }
    if *sign_in && let Some((message, help)) = sign_in_problem(out, fields) {
        report("sign_in", message, &help);
    }
    problems
}

/// Why users can't sign in, and the remedy.
fn sign_in_problem(out: &Expansion<'_, '_>, fields: &EdgeFields) -> Option<(String, String)> {
    let text = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
    match fields.through {
        Through::Alb => {
            return text(
                "`through: alb` does not ask `oauth2-proxy`",
                "set `through: nginx` or `istio`, or let rules of the listener sign in users with `authenticate_oidc`",
            );
        }
        // https://docs.konghq.com/hub/kong-inc/openid-connect/
        Through::Kong => {
            return text("the free edition of Kong can't sign in users", "set `through: nginx` or `istio`, or remove the line");
        }
        Through::Istio | Through::Nginx => {}
    }
    let Some(proxy) = find(out, "helm_release.oauth2-proxy") else {
        return text("users sign in by the component `oauth2-proxy`, which `platform` lacks", "add `oauth2-proxy` to `platform`");
    };
    let address = proxy.spec.get("values").and_then(|values| values.pointer("/extraArgs/redirect-url")).and_then(Value::as_str)?;
    let host = &fields.host;
    let is_other = !address.contains("${") && address != format!("https://{host}{SIGN_IN_PATH}/callback");
    is_other
        .then(|| (format!("`oauth2-proxy` signs in users at {address}, not at `{host}`"), format!("set `host: {host}` for `oauth2-proxy`")))
}

/// Whether a text is the name of a host.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_part) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

/// Mistakes of the fields `path` and `sign_in` of a service: the field, the message and the remedy. `taken` are the services before it with
/// their paths.
pub(super) fn check_service(
    out: &Expansion<'_, '_>,
    service: &Service,
    taken: &[(&str, Option<&String>)],
) -> Vec<(&'static str, String, String)> {
    let mut problems = Vec::new();
    let mut report = |field: &'static str, message: String, help: &str| problems.push((field, message, help.to_owned()));
    let Some(path) = &service.path else {
        if service.sign_in.is_some() {
            report("sign_in", "users don't reach the service, which has no `path`".to_owned(), "add `path: /…`, or remove the line");
        }
        return problems;
    };
    if matches!(out.edge, EdgeState::Absent) {
        let help = "add a section `edge: { host: …, through: nginx }`, or remove the line";
        report("path", "nothing sends requests to the path, because the definition has no section `edge`".to_owned(), help);
    }
    if service.port.is_none() {
        report("path", "there is no port for the requests".to_owned(), "add `port: …`, or remove the line");
    }
    if let Some(help) = path_problem(path) {
        report("path", format!("`{path}` is not a valid path"), help);
    } else if let Some((other, _)) = taken.iter().find(|(_, other)| *other == Some(path)) {
        report("path", format!("`{path}` is the path of `{other}`, too"), "give each service a path of its own");
    }
    let EdgeState::Declared(edge) = &out.edge else { return problems };
    let signs_in = service.sign_in.unwrap_or(edge.fields.sign_in);
    if signs_in
        && !edge.fields.sign_in
        && let Some((message, help)) = sign_in_problem(out, &edge.fields)
    {
        report("sign_in", message, &help);
    }
    if has(out, "helm_release.oauth2-proxy") && (path == SIGN_IN_PATH || path.starts_with(&format!("{SIGN_IN_PATH}/"))) {
        report("path", format!("`{SIGN_IN_PATH}` is the path of the sign-in"), "use another path");
    }
    problems
}

/// What is wrong with a path. Load balancers take `*` and `?` for any characters, and accept 128 of them.
fn path_problem(path: &str) -> Option<&'static str> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    if !path.starts_with('/') {
        Some("begin with `/`")
    } else if path != "/" && path.ends_with('/') {
        Some("remove the `/` at the end: the paths below belong to it anyway")
    } else if path.contains("//") || !path.bytes().all(is_part) {
        Some("use letters, digits, `-`, `.`, `_`, `~` and single `/`")
    } else if path.len() > 120 {
        Some("use at most 120 characters")
    } else {
        None
    }
}

/// Whether users of a service with a path sign in.
pub(super) fn signs_in(out: &Expansion<'_, '_>, service: &Service) -> bool {
    let by_default = match &out.edge {
        EdgeState::Declared(edge) | EdgeState::Routed(edge) => edge.fields.sign_in,
        EdgeState::Absent | EdgeState::Invalid => false,
    };
    service.sign_in.unwrap_or(by_default)
}

/// Adds what sends requests to the services.
pub(super) fn add(out: &mut Expansion<'_, '_>, mut routes: Vec<Route>) {
    let EdgeState::Declared(edge) = out.edge.clone() else { return };
    out.edge = EdgeState::Routed(edge.clone());
    // The first route that fits counts, so that the longest path has to be the first.
    routes.sort_by_key(|route| (Reverse(route.path.len()), route.path.clone()));
    if let (Some(gateway), false) = (edge.gateway, routes.is_empty()) {
        gateway::add(out, &edge, gateway, &routes);
    }
    balancer::add(out, &edge, &routes);
    if edge.fields.waf
        && let Some(balancer) = &edge.fields.load_balancer
    {
        firewall::add(out, balancer, &format!("{}/waf", edge.pointer));
    }
}

/// Reports an edge without services.
pub(super) fn require_routes(out: &mut Expansion<'_, '_>) {
    if let EdgeState::Declared(edge) = std::mem::take(&mut out.edge) {
        let help = "add `path: /…` to a service, or remove `edge`";
        out.compiler.problem_at_key("edge", &edge.pointer, "no service has a `path`, so `edge` has no effect", help);
    }
}

/// The edge, if it has no mistake.
fn edge<'o>(out: &'o Expansion<'_, '_>) -> Option<&'o Edge> {
    match &out.edge {
        EdgeState::Declared(edge) | EdgeState::Routed(edge) => Some(edge),
        EdgeState::Absent | EdgeState::Invalid => None,
    }
}

/// Whether requests come through a gateway or an ingress controller in the cluster.
pub(super) fn is_gateway(out: &Expansion<'_, '_>) -> bool {
    edge(out).is_some_and(|edge| edge.gateway.is_some())
}

/// What a release needs to be ready: pods behind the load balancer are, once they are healthy targets.
pub(super) fn before_release(out: &Expansion<'_, '_>, name: &str, service: &Service) -> Vec<String> {
    let Some(edge) = edge(out).filter(|_| service.path.is_some() && out.compiler.delivery.is_none()) else { return Vec::new() };
    match edge.gateway {
        Some(gateway) => vec![gateway.address()],
        None => {
            let binding = format!("kubernetes_object.{}", balancer::name(name));
            let rule = service.port.map(balancer::rule).filter(|rule| has(out, rule));
            rule.into_iter().chain([binding]).chain(balancer::listeners(out, edge)).collect()
        }
    }
}

/// Sets the values of the chart by which requests reach a service.
pub(super) fn set_values(out: &Expansion<'_, '_>, service: &Service, values: &mut Value) {
    let (Some(edge), Some(path)) = (edge(out), &service.path) else { return };
    let through = edge.gateway.map_or("alb", |gateway| gateway.component);
    values["edge"] = json!({ "through": through, "host": edge.fields.host, "path": path, "signIn": signs_in(out, service) });
    // Argo CD would wait for pods that wait for objects which acme applies after Argo CD has finished.
    if edge.gateway.is_none() && out.compiler.delivery.is_none() {
        values["edge"]["readinessGate"] = true.into();
    }
    let network = &mut values["network"];
    match edge.gateway {
        Some(gateway) if network.get("gateways").is_none() => {
            network["gateways"] = json!([{ "name": gateway.namespace, "account": gateway.account }]);
        }
        Some(_) => {}
        None => network["loadBalancers"] = json!(out.network.as_ref().map_or_else(|| vec!["0.0.0.0/0".to_owned()], |it| it.ranges.clone())),
    }
}

/// Names of entries, as a remedy for one that does not exist.
fn known_entries(out: &Expansion<'_, '_>, name: &str, kind: &str) -> String {
    let names = out.drafts.iter().filter(|draft| draft.resource_type.name == kind).map(|draft| draft.name.as_str());
    suggestion(name, "entries", names.collect::<Vec<_>>())
}
