//! A loopback proxy in front of a stand-in: counts calls, throttles, makes reads lag behind writes, and injects a failure into one write.

mod faults;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Error, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub use self::faults::{Faults, Kill, Spoiled, WriteFault};
use crate::{
    request_model,
    tag_index::TagIndex,
    wire::{
        Request, Response, Server, cbor_error, ec2_error, form, header, is_write, json_error, query_error, rest_json_error, send,
        service_and_action, xml,
    },
};

/// One call that reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    pub service: String,
    pub action: String,
    /// Body of the request.
    pub body: Vec<u8>,
    pub write: bool,
    /// Status that the client received.
    pub status: u16,
    /// Whether the proxy responded instead of the stand-in.
    pub fault: bool,
    /// Arrival.
    pub at: Instant,
}

/// A running proxy, stopped when dropped.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
    _server: Server,
}

struct Shared {
    upstream: String,
    faults: Faults,
    /// Endpoint of every cluster of EKS; `None` leaves that to the stand-in.
    cluster_endpoint: Option<ClusterEndpoint>,
    /// Answers for the tagging API; `None` leaves that to the stand-in.
    tag_index: Option<TagIndex>,
    state: Mutex<ProxyState>,
}

#[derive(Default)]
struct ProxyState {
    seen: Vec<RecordedCall>,
    calls: usize,
    writes: usize,
    s3_writes: usize,
    /// Number of writes that are not to S3.
    changes: usize,
    /// Service and action of the write with the failure.
    faulted_write: Option<String>,
    /// Whether the caller is dead: its remaining requests are dropped.
    client_killed: bool,
    /// Whether every write is rejected from now on.
    refuse_writes: bool,
    in_flight: usize,
    /// Created resources, by service: the request parameter (empty: any) and value that identify it, and the time.
    created: Vec<(String, &'static str, String, Instant)>,
    /// Responses to reads from right before a write, by service and request: those of a lagging replica.
    past_responses: BTreeMap<(String, Request), Vec<(Instant, Response)>>,
    requests: Vec<Request>,
}

impl Proxy {
    pub fn start(upstream: &str, faults: Faults) -> Proxy {
        Proxy::start_with(upstream, faults, None, None)
    }
    /// One whose tagging API lists everything taggable, as AWS's does.
    pub fn with_complete_tag_index(upstream: &str) -> Proxy {
        Proxy::start_with(upstream, Faults::default(), Some(TagIndex::over(upstream)), None)
    }
    /// One whose clusters of EKS have this endpoint.
    pub fn with_cluster_endpoint(upstream: &str, endpoint: ClusterEndpoint) -> Proxy {
        Proxy::start_with(upstream, Faults::default(), None, Some(endpoint))
    }
    fn start_with(upstream: &str, faults: Faults, tag_index: Option<TagIndex>, cluster_endpoint: Option<ClusterEndpoint>) -> Proxy {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared { upstream, faults, cluster_endpoint, tag_index, state: Mutex::default() });
        let served = shared.clone();
        let server = Server::start(move |request| served.respond(request));
        Proxy { url: server.url.clone(), shared, _server: server }
    }

    /// Calls since the last call of this function.
    pub fn take_calls(&self) -> Calls {
        Calls(std::mem::take(&mut self.shared.state().seen))
    }
    /// Number of writes that are not to S3, which may not have been answered yet.
    pub fn started_changes(&self) -> usize {
        self.shared.state().changes
    }
    /// Service and action of the write with the failure; `None` if there was no write with that number.
    pub fn faulted_write(&self) -> Option<String> {
        self.shared.state().faulted_write.clone()
    }
    /// Waits until the stand-in has finished all requests.
    pub fn wait_until_idle(&self) {
        while self.shared.state().in_flight > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Endpoint of a cluster.
pub struct ClusterEndpoint {
    pub url: String,
    /// PEM in base64.
    pub certificate_authority: String,
}

/// The response of EKS about a cluster that is ready, with this endpoint.
fn with_cluster_endpoint(response: Response, endpoint: &ClusterEndpoint) -> Response {
    let Ok(mut document) = serde_json::from_slice::<Value>(&response.body) else { return response };
    if document["cluster"]["status"] != "ACTIVE" {
        return response;
    }
    document["cluster"]["endpoint"] = endpoint.url.as_str().into();
    document["cluster"]["certificateAuthority"] = json!({ "data": endpoint.certificate_authority });
    let headers = response.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
    Response { headers, body: document.to_string().into_bytes(), ..response }
}

/// AWS would accept the parameters of all requests.
impl Drop for Proxy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let problems = request_model::find_problems(&self.shared.state().requests);
            assert!(problems.is_empty(), "AWS rejects: {problems:#?}");
        }
    }
}

/// Calls, in the order of their responses.
#[derive(Debug, Default)]
pub struct Calls(pub Vec<RecordedCall>);

impl Calls {
    pub fn total(&self) -> usize {
        self.0.len()
    }
    pub fn writes(&self) -> usize {
        self.0.iter().filter(|seen| seen.write).count()
    }
    /// Number of calls by action, most frequent first.
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
    fn state(&self) -> MutexGuard<'_, ProxyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Request) -> std::io::Result<Response> {
        let at = Instant::now();
        let (service, action) = service_and_action(request);
        let write = is_write(request, &action);
        let (calls, trouble) = {
            let mut state = self.state();
            if state.client_killed {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            state.calls += 1;
            state.requests.push(request.clone());
            let throttled = self.faults.throttle_every.is_some_and(|n| state.calls.is_multiple_of(n));
            let counts = write && !throttled;
            state.writes += usize::from(counts);
            state.s3_writes += usize::from(counts && service == "s3");
            let dropped = Some(state.s3_writes) == self.faults.at_backend_write && counts && service == "s3";
            let trouble = dropped.then_some(&WriteFault::LoseResponse);
            let is_change = counts && service != "s3";
            state.changes += usize::from(is_change);
            if let Some((_, act)) = self.faults.before_change.as_ref().filter(|(n, _)| is_change && *n == state.changes) {
                drop(state);
                act.0();
                state = self.state();
            }
            let trouble = trouble.or(self
                .faults
                .at_write
                .as_ref()
                .filter(|(number, _)| counts && *number == state.writes)
                .map(|(_, trouble)| trouble));
            if trouble.is_some() {
                state.faulted_write = Some(format!("{service} {action}"));
            }
            state.client_killed |= matches!(trouble, Some(WriteFault::KillBefore(_)));
            state.refuse_writes |= matches!(trouble, Some(WriteFault::RefuseFromHere));
            let trouble = trouble.or((counts && state.refuse_writes).then_some(&WriteFault::Refuse));
            state.in_flight += 1;
            (state.calls, trouble)
        };
        let body = request.body.clone();
        let answered = match trouble {
            Some(trouble) => self.respond_with_fault(trouble, &service, &action, request),
            None => self.respond_normally(calls, &service, &action, write, request),
        };
        if write && service != "s3" {
            std::thread::sleep(self.faults.delay_writes);
        }
        let mut state = self.state();
        state.in_flight -= 1;
        let (response, fault) = answered?;
        state.seen.push(RecordedCall { service, action, body, write, status: response.status, fault, at });
        Ok(response)
    }

    fn respond_normally(
        &self,
        calls: usize,
        service: &str,
        action: &str,
        write: bool,
        request: &Request,
    ) -> std::io::Result<(Response, bool)> {
        if let Some(every) =
            self.faults.fail_read_every.filter(|every| !write && calls.is_multiple_of(*every) && attempt_number(request) <= 2)
        {
            return match (calls / every).is_multiple_of(2) {
                true => Ok((Response { status: 502, headers: Vec::new(), body: b"<html>Bad Gateway".to_vec() }, true)),
                false => Err(ErrorKind::ConnectionAborted.into()),
            };
        }
        let throttled = self.faults.throttle_every.filter(|n| calls.is_multiple_of(*n)).map(|_| throttling_error(service));
        let expired = self.faults.expire_credentials_from.filter(|n| calls >= *n).map(|_| expired_token_error(service));
        match expired
            .or(throttled)
            .or_else(|| self.not_yet_visible(service, action, request))
            .or_else(|| self.stale_response(service, write, request))
        {
            Some(response) => Ok((response, true)),
            None => Ok((self.forward(service, action, write, request)?, false)),
        }
    }

    fn respond_with_fault(
        &self,
        trouble: &WriteFault,
        service: &str,
        action: &str,
        request: &Request,
    ) -> std::io::Result<(Response, bool)> {
        match trouble {
            WriteFault::Refuse | WriteFault::RefuseFromHere => return Ok((access_denied_error(service, action), true)),
            WriteFault::LoseResponse => drop(self.forward(service, action, true, request)?),
            WriteFault::SpoilResponse(spoiled) => return Ok((spoiled.spoil(self.forward(service, action, true, request)?), true)),
            WriteFault::RefuseAfter(act) => {
                act.0();
                return Ok((access_denied_error(service, action), true));
            }
            WriteFault::Before(act) => {
                act.0();
                return Ok((self.forward(service, action, true, request)?, false));
            }
            WriteFault::KillBefore(kill) => kill.0(),
            WriteFault::KillAfter(kill) => {
                self.forward(service, action, true, request)?;
                self.state().client_killed = true;
                kill.0();
            }
        }
        Err(Error::from(ErrorKind::ConnectionAborted))
    }

    fn forward(&self, service: &str, action: &str, write: bool, request: &Request) -> std::io::Result<Response> {
        let lagging = self.faults.read_lag.contains_key(service);
        if lagging && write {
            self.snapshot_reads(service)?;
        }
        let response = match &self.tag_index {
            Some(index) if action == "GetResources" => index.get_resources(request),
            _ => send(&self.upstream, request)?,
        };
        let response = match &self.cluster_endpoint {
            Some(endpoint) if service == "eks" => with_cluster_endpoint(response, endpoint),
            _ => response,
        };
        if lagging && response.status < 300 {
            let mut state = self.state();
            if write {
                if let Some((parameter, value)) = created_resource(action, request, &response) {
                    state.created.push((service.to_owned(), parameter, value, Instant::now()));
                }
            } else {
                // From now on, this read is repeated before each write.
                state.past_responses.entry((service.to_owned(), without_signature(request))).or_default();
            }
        }
        Ok(response)
    }

    /// Records the current responses of all known reads before a write, at most every 200 ms.
    fn snapshot_reads(&self, service: &str) -> std::io::Result<()> {
        let known: Vec<Request> = {
            let state = self.state();
            let of_service = || state.past_responses.iter().filter(|((of, _), _)| of == service);
            if of_service().any(|(_, past)| past.last().is_some_and(|(at, _)| at.elapsed() < Duration::from_millis(200))) {
                return Ok(());
            }
            of_service().map(|((_, request), _)| request.clone()).collect()
        };
        for request in known {
            let at = Instant::now();
            let response = send(&self.upstream, &request)?;
            if let Some(past) = self.state().past_responses.get_mut(&(service.to_owned(), request)) {
                past.retain(|(at, _)| at.elapsed() < Duration::from_secs(30));
                past.push((at, response));
            }
        }
        Ok(())
    }

    /// A lagging read: the response of `lag` ago, if there was a write since.
    fn stale_response(&self, service: &str, write: bool, request: &Request) -> Option<Response> {
        let lag = *self.faults.read_lag.get(service).filter(|_| !write)?;
        let state = self.state();
        let past = state.past_responses.get(&(service.to_owned(), without_signature(request)))?;
        past.iter().find(|(at, _)| at.elapsed() < lag).map(|(_, response)| response.clone())
    }

    /// A call about a resource created less than `lag` ago gets a "not found" error.
    fn not_yet_visible(&self, service: &str, action: &str, request: &Request) -> Option<Response> {
        let state = self.state();
        let mut fresh =
            state.created.iter().filter(|(of, _, _, at)| self.faults.read_lag.get(of.as_str()).is_some_and(|lag| at.elapsed() < *lag));
        if matches!(service, "ec2" | "iam") {
            let form = form(&request.body);
            let named = fresh.find(|(of, parameter, value, _)| {
                of == service && form.iter().any(|(k, v)| v == value && (parameter.is_empty() || k == parameter))
            })?;
            // Creating the same resource again finds the first one, regardless of the lag.
            let again = action.starts_with("Create") && !named.1.is_empty();
            return (!again).then(|| match service {
                "ec2" => ec2_error(400, not_found_code(&named.2), &format!("The ID '{}' does not exist", named.2)),
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

/// Request parameter and value that identify a new resource; the parameter is empty if ids are unique.
fn created_resource(action: &str, request: &Request, response: &Response) -> Option<(&'static str, String)> {
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

/// EC2's code for an unknown id.
fn not_found_code(id: &str) -> &'static str {
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

/// Throttling error in the protocol of the service.
fn throttling_error(service: &str) -> Response {
    match service {
        "ec2" => ec2_error(503, "RequestLimitExceeded", "Request limit exceeded."),
        "autoscaling" | "iam" | "sts" | "rds" | "elasticloadbalancing" | "route53" | "sns" => {
            query_error(400, "Throttling", "Rate exceeded")
        }
        "s3" => xml(503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
        "backup" | "eks" | "elasticfilesystem" => rest_json_error(429, "ThrottlingException", "Rate exceeded"),
        "monitoring" => cbor_error(400, "ThrottlingException", "Rate exceeded"),
        _ => json_error("ThrottlingException", "Rate exceeded"),
    }
}

/// Permission error in the protocol of the service.
fn access_denied_error(service: &str, action: &str) -> Response {
    // Without an explicit deny, acme retries calls about new resources, whose tags IAM may not know yet.
    let message = format!("User is not authorized to perform: {service}:{action} with an explicit deny in a service control policy");
    match service {
        "ec2" => ec2_error(403, "UnauthorizedOperation", &format!("You are not authorized to perform this operation. {message}")),
        "autoscaling" | "iam" | "sts" | "rds" | "elasticloadbalancing" | "route53" | "sns" => query_error(403, "AccessDenied", &message),
        "s3" => xml(403, &format!("<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>")),
        "backup" | "eks" | "elasticfilesystem" => rest_json_error(403, "AccessDeniedException", &message),
        "monitoring" => cbor_error(403, "AccessDeniedException", &message),
        _ => json_error("AccessDeniedException", &message),
    }
}

/// Error for expired credentials, in the protocol of the service.
fn expired_token_error(service: &str) -> Response {
    let message = "The security token included in the request is expired";
    match service {
        "ec2" => ec2_error(400, "RequestExpired", "Request has expired."),
        "autoscaling" | "iam" | "sts" | "rds" | "elasticloadbalancing" | "route53" | "sns" => query_error(403, "ExpiredToken", message),
        "s3" => xml(400, &format!("<Error><Code>ExpiredToken</Code><Message>{message}</Message></Error>")),
        "backup" | "eks" | "elasticfilesystem" => rest_json_error(403, "ExpiredTokenException", message),
        "monitoring" => cbor_error(403, "ExpiredTokenException", message),
        _ => {
            let body = format!(r#"{{"__type":"ExpiredTokenException","message":"{message}"}}"#);
            Response { status: 400, headers: vec![("content-type".into(), "application/x-amz-json-1.1".into())], body: body.into() }
        }
    }
}

/// Number of the attempt of a request, starting at 1.
fn attempt_number(request: &Request) -> u32 {
    let told = header(&request.headers, "amz-sdk-request").and_then(|told| told.split("attempt=").nth(1));
    told.and_then(|told| told.split(';').next()?.parse().ok()).unwrap_or(1)
}

/// A request without parts that differ between attempts, but with those that the stand-ins need.
fn without_signature(request: &Request) -> Request {
    let keep: BTreeSet<&str> = ["host", "content-type", "x-amz-target"].into();
    let mut headers: Vec<_> = request.headers.iter().filter(|(key, _)| keep.contains(key.as_str())).cloned().collect();
    let scope = header(&request.headers, "authorization").and_then(|a| a.split("Credential=").nth(1)).and_then(|s| s.split(',').next());
    let fixed = format!("AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature=0", scope.unwrap_or_default());
    headers.push(("authorization".into(), fixed));
    Request { headers, ..request.clone() }
}
