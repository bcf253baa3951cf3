//! A loopback HTTP/1.1 proxy in front of a stand-in: counts the calls, throttles, and lets reads lag behind writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What goes wrong on the way.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every n-th call is refused with the service's throttling code.
    pub throttle_every: Option<usize>,
    /// For so long after a write the service's reads answer as before it, and what was just created is unknown.
    pub lag: BTreeMap<&'static str, Duration>,
    /// Answers by action, in order, instead of the stand-in's: what AWS is documented to say and no stand-in says.
    pub recorded: BTreeMap<&'static str, Vec<(u16, String)>>,
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
}

struct Shared {
    upstream: String,
    faults: Faults,
    stop: AtomicBool,
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

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    method: String,
    path: String,
    /// Names in lower case.
    headers: Headers,
    body: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Response {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Proxy {
    pub fn start(upstream: &str, faults: Faults) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared { upstream, faults, stop: AtomicBool::new(false), state: Mutex::default() });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.stop.load(Ordering::Relaxed) {
                    return;
                }
                let served = served.clone();
                thread::spawn(move || {
                    // A client that hangs up is no failure.
                    let _ = serve(&served, stream);
                });
            }
        });
        Proxy { url, shared }
    }

    /// What was called since the last time this was asked.
    pub fn take(&self) -> Calls {
        Calls(std::mem::take(&mut self.shared.state().seen))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
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
        let recorded = self.recorded(&action);
        let (response, fault) = match throttled
            .or(recorded)
            .or_else(|| self.unknown(&service, &action, request))
            .or_else(|| self.past(&service, write, request))
        {
            Some(response) => (response, true),
            None => (self.forward(&service, &action, write, request)?, false),
        };
        self.state().seen.push(Seen { service, action, write, status: response.status, fault });
        Ok(response)
    }

    /// The next recorded answer to this action.
    fn recorded(&self, action: &str) -> Option<Response> {
        let answers = self.faults.recorded.get(action)?;
        let nth = self.state().seen.iter().filter(|seen| seen.action == action && seen.fault).count();
        let (status, body) = answers.get(nth)?;
        let json = body.starts_with('{');
        let kind = if json { "application/json" } else { "text/xml" };
        let headers = [("content-type", kind), ("x-amzn-requestid", "req-1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = headers.to_vec();
        Some(Response { status: *status, headers, body: body.clone().into_bytes() })
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

/// Which service and action a request is.
fn name(request: &Request) -> (String, String) {
    let scope = header(&request.headers, "authorization").and_then(|a| a.split("Credential=").nth(1)).unwrap_or_default();
    let service = scope.split('/').nth(3).unwrap_or("unsigned").to_owned();
    if let Some(target) = header(&request.headers, "x-amz-target") {
        return (service, target.rsplit('.').next().unwrap_or_default().to_owned());
    }
    if let Some((_, operation)) = request.path.split_once("/operation/") {
        return (service, operation.to_owned());
    }
    if let Some((_, action)) = form(&request.body).into_iter().find(|(key, _)| key == "Action") {
        return (service, action);
    }
    // REST: what stands at the places of names becomes a dash.
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let first = usize::from(service != "s3");
    let segments = path.trim_matches('/').split('/').filter(|s| !s.is_empty() && *s != "2013-04-01").enumerate();
    let path: String = segments
        .map(|(i, segment)| if i % 2 == first || (i > 0 && path.contains("/tags/")) { "/-".to_owned() } else { format!("/{segment}") })
        .collect();
    let keys: Vec<&str> =
        query.split('&').filter_map(|pair| pair.split('=').next()).filter(|key| !key.is_empty() && *key != "x-id").collect();
    let query = if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) };
    (service, format!("{} {path}{query}", request.method))
}

fn writes(request: &Request, action: &str) -> bool {
    // Route 53 asks for the tags of several things by POST.
    if action == "POST /tags/-" {
        return false;
    }
    if action.contains(' ') {
        return !matches!(request.method.as_str(), "GET" | "HEAD");
    }
    !["Get", "List", "Describe", "Head", "BatchGet"].iter().any(|prefix| action.starts_with(prefix))
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

fn ec2_error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        &format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0-proxy</RequestID></Response>"
        ),
    )
}

fn query_error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        &format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>0-proxy</RequestId></ErrorResponse>"
        ),
    )
}

fn rest_json_error(status: u16, code: &str, message: &str) -> Response {
    let headers = vec![("content-type".into(), "application/json".into()), ("x-amzn-errortype".into(), code.into())];
    Response { status, headers, body: serde_json::json!({ "message": message }).to_string().into_bytes() }
}

fn xml(status: u16, text: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "text/xml".into())],
        body: format!("<?xml version=\"1.0\"?>{text}").into_bytes(),
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
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

/// The parameters of a form body.
fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decoded(key), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let hex =
            tail.get(..2).filter(|_| first == b'%').and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        bytes.push(hex.unwrap_or(if first == b'+' { b' ' } else { first }));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Serves one client connection until it closes.
fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let Some((start, headers)) = head(&mut reader)? else { return Ok(()) };
        if header(&headers, "expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = body(&mut reader, &headers, false)?;
        let mut words = start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = Request { method, path, headers, body };
        let response = shared.answer(&request).unwrap_or_else(|error| xml(502, &format!("<Error><Message>{error}</Message></Error>")));
        let mut out = format!("HTTP/1.1 {} Proxied\r\n", response.status);
        let framing = |key: &str| matches!(key, "content-length" | "transfer-encoding" | "connection" | "keep-alive");
        for (key, value) in response.headers.iter().filter(|(key, _)| !framing(key)) {
            out += &format!("{key}: {value}\r\n");
        }
        // The answer to HEAD states the length of a body that it does not have.
        let length = match header(&response.headers, "content-length") {
            Some(length) if request.method == "HEAD" => length.to_owned(),
            _ => response.body.len().to_string(),
        };
        if response.status != 204 && response.status != 304 {
            out += &format!("content-length: {length}\r\n");
        }
        let mut bytes = (out + "\r\n").into_bytes();
        bytes.extend(&response.body);
        writer.write_all(&bytes)?;
    }
}

/// Sends a request on a connection of its own.
fn send(upstream: &str, request: &Request) -> std::io::Result<Response> {
    let stream = TcpStream::connect(upstream)?;
    stream.set_nodelay(true)?;
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    let dropped = |key: &str| matches!(key, "content-length" | "transfer-encoding" | "connection" | "expect");
    for (key, value) in request.headers.iter().filter(|(key, _)| !dropped(key)) {
        out += &format!("{key}: {value}\r\n");
    }
    out += &format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len());
    let mut bytes = out.into_bytes();
    bytes.extend(&request.body);
    (&stream).write_all(&bytes)?;
    let mut reader = BufReader::new(stream);
    let (start, headers) = head(&mut reader)?.ok_or_else(|| std::io::Error::other("the stand-in hung up"))?;
    let status = start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(502);
    let bodyless = request.method == "HEAD" || status == 204 || status == 304;
    let body = if bodyless { Vec::new() } else { body(&mut reader, &headers, true)? };
    Ok(Response { status, headers, body })
}

/// Names and values, in the order sent.
type Headers = Vec<(String, String)>;

/// First line and headers, `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> std::io::Result<Option<(String, Headers)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let (start, mut headers) = (line.trim_end().to_owned(), Vec::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((key, value)) => headers.push((key.to_lowercase(), value.trim().to_owned())),
            None => return Ok(Some((start, headers))),
        }
    }
}

fn body(reader: &mut impl BufRead, headers: &[(String, String)], until_end: bool) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        let mut line = String::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).map_err(std::io::Error::other)?;
            let from = body.len();
            body.resize(from + size, 0);
            reader.read_exact(&mut body[from..])?;
            line.clear();
            // The line break after a chunk; after the last one, trailers until an empty line.
            while reader.read_line(&mut line)? > 2 && size == 0 {
                line.clear();
            }
            if size == 0 {
                return Ok(body);
            }
        }
    } else if let Some(length) = header(headers, "content-length").and_then(|length| length.parse().ok()) {
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    } else if until_end {
        reader.read_to_end(&mut body)?;
    }
    Ok(body)
}
