//! HTTP/1.1 on loopback, and AWS's protocols: enough for a proxy and for a scripted endpoint.

use std::{
    io::{BufRead, BufReader, ErrorKind, Result, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Names and values, in the order sent.
pub type Headers = Vec<(String, String)>;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lowercase.
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// Responds to a request; [`ErrorKind::ConnectionAborted`] closes the connection without a response.
type Handler = dyn Fn(&Request) -> Result<Response> + Send + Sync;

/// A server on a free port; ends when dropped.
pub struct Server {
    pub url: String,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Result<Response> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, answer) = (stop.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let answer = answer.clone();
                thread::spawn(move || {
                    // A client that disconnects is not a failure.
                    let _ = serve_connection(&*answer, stream);
                });
            }
        });
        Server { url, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

/// Versions of the APIs of Route 53 and CloudFront, with which their paths begin.
const VERSIONS: [&str; 3] = ["2013-04-01", "2015-02-01", "2020-05-31"];

/// Service and action of a request.
pub fn service_and_action(request: &Request) -> (String, String) {
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
    // REST: names in the path become a dash.
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let first = usize::from(service != "s3");
    let segments = path.trim_matches('/').split('/').filter(|s| !s.is_empty() && !VERSIONS.contains(s)).enumerate();
    let path: String = segments
        .map(|(i, segment)| if i % 2 == first || (i > 0 && path.contains("/tags/")) { "/-".to_owned() } else { format!("/{segment}") })
        .collect();
    let keys: Vec<&str> =
        query.split('&').filter_map(|pair| pair.split('=').next()).filter(|key| !key.is_empty() && *key != "x-id").collect();
    let query = if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) };
    (service, format!("{} {path}{query}", request.method))
}

pub fn is_write(request: &Request, action: &str) -> bool {
    // Route 53 reads the tags of several resources with POST, EKS insights.
    if matches!(action, "POST /tags/-" | "POST /clusters/-/insights") {
        return false;
    }
    if action.contains(' ') {
        return !matches!(request.method.as_str(), "GET" | "HEAD");
    }
    !["Get", "List", "Describe", "Head", "BatchGet", "Search"].iter().any(|prefix| action.starts_with(prefix))
}

pub fn ec2_error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        &format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0-proxy</RequestID></Response>"
        ),
    )
}

pub fn query_error(status: u16, code: &str, message: &str) -> Response {
    xml(
        status,
        &format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>0-proxy</RequestId></ErrorResponse>"
        ),
    )
}

pub fn rest_json_error(status: u16, code: &str, message: &str) -> Response {
    let headers = vec![("content-type".into(), "application/json".into()), ("x-amzn-errortype".into(), code.into())];
    Response { status, headers, body: serde_json::json!({ "message": message }).to_string().into_bytes() }
}

/// Whether the request has parameters in CBOR.
pub fn is_cbor(request: &Request) -> bool {
    header(&request.headers, "smithy-protocol") == Some("rpc-v2-cbor")
}

pub fn cbor_error(status: u16, code: &str, message: &str) -> Response {
    cbor(status, &serde_json::json!({ "__type": code, "message": message }))
}

pub fn cbor(status: u16, value: &serde_json::Value) -> Response {
    let mut body = Vec::new();
    ciborium::into_writer(value, &mut body).expect("every JSON value has a form in CBOR");
    let headers = vec![("content-type".into(), "application/cbor".into()), ("smithy-protocol".into(), "rpc-v2-cbor".into())];
    Response { status, headers, body }
}

pub fn json_error(code: &str, message: &str) -> Response {
    let headers = vec![("content-type".into(), "application/x-amz-json-1.1".into())];
    Response { status: 400, headers, body: serde_json::json!({ "__type": code, "message": message }).to_string().into_bytes() }
}

pub fn xml(status: u16, text: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "text/xml".into())],
        body: format!("<?xml version=\"1.0\"?>{text}").into_bytes(),
    }
}

pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Parameters of a form body.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (percent_decode(key), percent_decode(value))).collect()
}

fn percent_decode(text: &str) -> String {
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
fn serve_connection(answer: &Handler, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let Some((start, headers)) = read_head(&mut reader)? else { return Ok(()) };
        if header(&headers, "expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_body(&mut reader, &headers, false)?;
        let mut words = start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = Request { method, path, headers, body };
        let response = match answer(&request) {
            Ok(response) => response,
            // The response is lost: the client sees the connection close.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => return Err(error),
            Err(error) => xml(502, &format!("<Error><Message>{error}</Message></Error>")),
        };
        let mut out = format!("HTTP/1.1 {} Proxied\r\n", response.status);
        let framing = |key: &str| matches!(key, "content-length" | "transfer-encoding" | "connection" | "keep-alive");
        for (key, value) in response.headers.iter().filter(|(key, _)| !framing(key)) {
            out += &format!("{key}: {value}\r\n");
        }
        // The response to HEAD states the length of a body that it does not have.
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

/// Sends a request on a separate connection.
pub fn send(upstream: &str, request: &Request) -> Result<Response> {
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
    let (start, headers) = read_head(&mut reader)?.ok_or_else(|| std::io::Error::other("the stand-in hung up"))?;
    let status = start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(502);
    let bodyless = request.method == "HEAD" || status == 204 || status == 304;
    let body = if bodyless { Vec::new() } else { read_body(&mut reader, &headers, true)? };
    Ok(Response { status, headers, body })
}

/// First line and headers, `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> Result<Option<(String, Headers)>> {
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

fn read_body(reader: &mut impl BufRead, headers: &[(String, String)], until_end: bool) -> Result<Vec<u8>> {
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
