//! A loopback proxy in front of a stand-in: counts the calls, throttles, and lets reads lag behind writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::wire::{Request, Response, Server, ec2_error, form, header, name, query_error, rest_json_error, send, writes, xml};

/// What goes wrong on the way.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every n-th call is refused with the service's throttling code.
    pub throttle_every: Option<usize>,
    /// From the n-th call on the credentials have expired.
    pub expire_from: Option<usize>,
    /// For so long after a write the service's reads answer as before it, and what was just created is unknown.
    pub lag: BTreeMap<&'static str, Duration>,
}

/// One call that reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub service: String,
    pub action: String,
    pub write: bool,
    /// What the client got.
    pub status: u16,
    /// Answered here, not by the stand-in.
    pub fault: bool,
}

/// A running proxy; ends when dropped.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
    _server: Server,
}

struct Shared {
    upstream: String,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    calls: usize,
    /// What was created, by service: the request parameter (empty: any) and value that name it, and when.
    created: Vec<(String, &'static str, String, Instant)>,
    /// Answers to reads, taken right before a write, by service and request: what a lagging replica still says.
    past: BTreeMap<(String, Request), Vec<(Instant, Response)>>,
}

impl Proxy {
    pub fn start(upstream: &str, faults: Faults) -> Proxy {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared { upstream, faults, state: Mutex::default() });
        let served = shared.clone();
        let server = Server::start(move |request| served.answer(request));
        Proxy { url: server.url.clone(), shared, _server: server }
    }

    /// What was called since the last time this was asked.
    pub fn take(&self) -> Calls {
        Calls(std::mem::take(&mut self.shared.state().seen))
    }
}

/// Calls, in the order in which they were answered.
#[derive(Debug, Default)]
pub struct Calls(pub Vec<Seen>);

impl Calls {
    pub fn total(&self) -> usize {
        self.0.len()
    }
    pub fn writes(&self) -> usize {
        self.0.iter().filter(|seen| seen.write).count()
    }
    /// How often each action was called, most frequent first.
    pub fn table(&self) -> String {
        let mut counts: BTreeMap<(&str, &str, bool), usize> = BTreeMap::new();
        for seen in &self.0 {
            *counts.entry((&seen.service, &seen.action, seen.write)).or_default() += 1;
        }
        let mut rows: Vec<_> = counts.into_iter().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let row = |((service, action, write), count): &(_, usize)| {
            format!("{count:6}  {service} {action}{}\n", if *write { " (write)" } else { "" })
        };
        format!("{:6}  in all, {} writes\n{}", self.total(), self.writes(), rows.iter().map(row).collect::<String>())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> std::io::Result<Response> {
        let (service, action) = name(request);
        let write = writes(request, &action);
        let calls = {
            let mut state = self.state();
            state.calls += 1;
            state.calls
        };
        let throttled = self.faults.throttle_every.filter(|n| calls % n == 0).map(|_| throttling(&service));
        let expired = self.faults.expire_from.filter(|n| calls >= *n).map(|_| expired(&service));
        let (response, fault) = match expired
            .or(throttled)
            .or_else(|| self.unknown(&service, &action, request))
            .or_else(|| self.past(&service, write, request))
        {
            Some(response) => (response, true),
            None => (self.forward(&service, &action, write, request)?, false),
        };
        self.state().seen.push(Seen { service, action, write, status: response.status, fault });
        Ok(response)
    }

    fn forward(&self, service: &str, action: &str, write: bool, request: &Request) -> std::io::Result<Response> {
        let lagging = self.faults.lag.contains_key(service);
        if lagging && write {
            self.remember(service)?;
        }
        let response = send(&self.upstream, request)?;
        if lagging && response.status < 300 {
            let mut state = self.state();
            if write {
                if let Some((parameter, value)) = created(action, request, &response) {
                    state.created.push((service.to_owned(), parameter, value, Instant::now()));
                }
            } else {
                // From now on this question is asked again before each write.
                state.past.entry((service.to_owned(), unsigned(request))).or_default();
            }
        }
        Ok(response)
    }

    /// Takes down what every known read answers now, before a write; not more often than every 200 ms.
    fn remember(&self, service: &str) -> std::io::Result<()> {
        let known: Vec<Request> = {
            let state = self.state();
            let of_service = || state.past.iter().filter(|((of, _), _)| of == service);
            if of_service().any(|(_, past)| past.last().is_some_and(|(at, _)| at.elapsed() < Duration::from_millis(200))) {
                return Ok(());
            }
            of_service().map(|((_, request), _)| request.clone()).collect()
        };
        for request in known {
            let at = Instant::now();
            let response = send(&self.upstream, &request)?;
            if let Some(past) = self.state().past.get_mut(&(service.to_owned(), request)) {
                past.retain(|(at, _)| at.elapsed() < Duration::from_secs(30));
                past.push((at, response));
            }
        }
        Ok(())
    }

    /// A lagging read: the answer of `lag` ago, when there was a write since.
    fn past(&self, service: &str, write: bool, request: &Request) -> Option<Response> {
        let lag = *self.faults.lag.get(service).filter(|_| !write)?;
        let state = self.state();
        let past = state.past.get(&(service.to_owned(), unsigned(request)))?;
        past.iter().find(|(at, _)| at.elapsed() < lag).map(|(_, response)| response.clone())
    }

    /// A call that names what was created less than `lag` ago is told that there is no such thing.
    fn unknown(&self, service: &str, action: &str, request: &Request) -> Option<Response> {
        let state = self.state();
        let mut fresh =
            state.created.iter().filter(|(of, _, _, at)| self.faults.lag.get(of.as_str()).is_some_and(|lag| at.elapsed() < *lag));
        if matches!(service, "ec2" | "iam") {
            let form = form(&request.body);
            let named = fresh.find(|(of, parameter, value, _)| {
                of == service && form.iter().any(|(k, v)| v == value && (parameter.is_empty() || k == parameter))
            })?;
            // Creating the same thing again meets the first one, not the lag.
            let again = action.starts_with("Create") && !named.1.is_empty();
            return (!again).then(|| match service {
                "ec2" => ec2_error(400, not_found(&named.2), &format!("The ID '{}' does not exist", named.2)),
                _ => query_error(404, "NoSuchEntity", &format!("{} cannot be found.", named.2)),
            });
        }
        let body = String::from_utf8_lossy(&request.body);
        let role = fresh.find(|(_, parameter, name, _)| *parameter == "RoleName" && body.contains(&format!("/{name}\"")))?;
        let message =
            format!("Role with arn: {} could not be assumed because it does not exist or the trusted entity is not correct", role.2);
        (service == "eks").then(|| rest_json_error(400, "InvalidParameterException", &message))
    }
}

/// The request parameter and value that name what was just created; the parameter is empty where ids are unmistakable.
fn created(action: &str, request: &Request, response: &Response) -> Option<(&'static str, String)> {
    let body = String::from_utf8_lossy(&response.body);
    let element = |name: &str| body.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned);
    let parameter = |name: &str| form(&request.body).into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
    Some(match action {
        "CreateVpc" => ("", element("vpcId")?),
        "CreateSubnet" => ("", element("subnetId")?),
        "CreateInternetGateway" => ("", element("internetGatewayId")?),
        "CreateNatGateway" => ("", element("natGatewayId")?),
        "CreateRouteTable" => ("", element("routeTableId")?),
        "CreateSecurityGroup" => ("", element("groupId")?),
        "CreateVpcEndpoint" => ("", element("vpcEndpointId")?),
        "AllocateAddress" => ("", element("allocationId")?),
        "CreateRole" => ("RoleName", parameter("RoleName")?),
        "CreateInstanceProfile" => ("InstanceProfileName", parameter("InstanceProfileName")?),
        "CreatePolicy" => ("PolicyArn", element("Arn")?),
        "CreateOpenIDConnectProvider" => ("OpenIDConnectProviderArn", element("OpenIDConnectProviderArn")?),
        _ => return None,
    })
}

/// EC2's code for an id it does not know.
fn not_found(id: &str) -> &'static str {
    match id.rsplit_once('-').map_or(id, |(kind, _)| kind) {
        "vpc" => "InvalidVpcID.NotFound",
        "subnet" => "InvalidSubnetID.NotFound",
        "igw" => "InvalidInternetGatewayID.NotFound",
        "nat" => "NatGatewayNotFound",
        "rtb" => "InvalidRouteTableID.NotFound",
        "sg" => "InvalidGroup.NotFound",
        "eipalloc" => "InvalidAllocationID.NotFound",
        _ => "InvalidVpcEndpointId.NotFound",
    }
}

/// The refusal of a call too many, in the protocol of the service.
fn throttling(service: &str) -> Response {
    match service {
        "ec2" => ec2_error(503, "RequestLimitExceeded", "Request limit exceeded."),
        "iam" | "sts" | "rds" | "elasticloadbalancing" | "route53" => query_error(400, "Throttling", "Rate exceeded"),
        "s3" => xml(503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
        "eks" => rest_json_error(429, "ThrottlingException", "Rate exceeded"),
        _ => {
            let body = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
            Response { status: 400, headers: vec![("content-type".into(), "application/x-amz-json-1.1".into())], body: body.into() }
        }
    }
}

/// The refusal of credentials that have expired, in the protocol of the service.
fn expired(service: &str) -> Response {
    let message = "The security token included in the request is expired";
    match service {
        "ec2" => ec2_error(400, "RequestExpired", "Request has expired."),
        "iam" | "sts" | "rds" | "elasticloadbalancing" | "route53" => query_error(403, "ExpiredToken", message),
        "s3" => xml(400, &format!("<Error><Code>ExpiredToken</Code><Message>{message}</Message></Error>")),
        "eks" => rest_json_error(403, "ExpiredTokenException", message),
        _ => {
            let body = format!(r#"{{"__type":"ExpiredTokenException","message":"{message}"}}"#);
            Response { status: 400, headers: vec![("content-type".into(), "application/x-amz-json-1.1".into())], body: body.into() }
        }
    }
}

/// A request without what differs from try to try, but with what the stand-ins look at.
fn unsigned(request: &Request) -> Request {
    let keep: BTreeSet<&str> = ["host", "content-type", "x-amz-target"].into();
    let mut headers: Vec<_> = request.headers.iter().filter(|(key, _)| keep.contains(key.as_str())).cloned().collect();
    let scope = header(&request.headers, "authorization").and_then(|a| a.split("Credential=").nth(1)).and_then(|s| s.split(',').next());
    let fixed = format!("AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature=0", scope.unwrap_or_default());
    headers.push(("authorization".into(), fixed));
    Request { headers, ..request.clone() }
}
