//! A scripted endpoint: exchanges as AWS documents them, for behaviour that no stand-in has.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, write_file},
    request_model,
    wire::{Request, Response, Server, cbor, form, header, is_cbor, is_write, service_and_action},
};

/// Responses to calls, in chapters: each replaces responses of the previous ones.
pub struct Script {
    region: &'static str,
    stages: Vec<Stage>,
}

#[derive(Default)]
struct Stage {
    /// Action whose success starts the chapter.
    after: &'static str,
    exchanges: Vec<Exchange>,
}

/// Responses to one action, in order; the last one is repeated.
struct Exchange {
    action: &'static str,
    /// Limits it to requests with this text in path or body.
    containing: &'static str,
    answers: Vec<Answer>,
    used: usize,
}

/// Status and body.
pub type Answer = (u16, String);

/// Success with a body in JSON.
pub fn ok(body: Value) -> Answer {
    (200, body.to_string())
}

/// Success with a body in XML.
pub fn xml(body: impl Into<String>) -> Answer {
    (200, body.into())
}

/// Error of a service with JSON responses.
pub fn json_error(status: u16, code: &str, message: &str) -> Answer {
    (status, json!({ "__type": code, "message": message }).to_string())
}

/// Error of a service with XML responses.
pub fn xml_error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, format!("<ErrorResponse>{error}<RequestId>req-1</RequestId></ErrorResponse>"))
}

/// Error of EC2.
pub fn ec2_error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>");
    (status, format!("<Response>{error}<RequestID>req-1</RequestID></Response>"))
}

/// Tags of every resource of the stack.
pub fn ownership_tags(address: &str) -> BTreeMap<&'static str, String> {
    let type_name = address.split('.').next().unwrap_or_default();
    let is_global = acme::aws::types::resource_type(type_name).is_some_and(|kind| kind.is_global());
    let region = is_global.then_some(("acme:region", "us-east-1"));
    let tags = [("acme:stack", "shop"), ("acme:environment", "default"), ("acme:address", address)].into_iter().chain(region);
    tags.map(|(key, value)| (key, value.to_owned())).collect()
}

/// Same in XML: `element` around each pair of `key` and `value`.
pub fn xml_ownership_tags(address: &str, element: &str, key: &str, value: &str) -> String {
    let tag = |(k, v)| format!("<{element}><{key}>{k}</{key}><{value}>{v}</{value}></{element}>");
    ownership_tags(address).iter().map(tag).collect()
}

/// Same as JSON objects `{"Key": …, "Value": …}`.
pub fn json_ownership_tags(address: &str) -> Value {
    ownership_tags(address).iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

impl Script {
    /// Script with a valid caller and an empty tagging API.
    pub fn new() -> Script {
        let script = Script { region: "us-east-1", stages: vec![Stage::default()] };
        let identity = "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>";
        script
            .on("GetCallerIdentity", [xml(format!("<GetCallerIdentityResponse>{identity}</GetCallerIdentityResponse>"))])
            .on("GetResources", [ok(json!({ "ResourceTagMappingList": [] }))])
    }

    /// Sets the region of the stack.
    pub fn region(self, region: &'static str) -> Script {
        Script { region, ..self }
    }

    /// Adds resources to the tagging API: ARN and address.
    pub fn with_tagged_resources(self, resources: &[(&str, &str)]) -> Script {
        let list: Value =
            resources.iter().map(|(arn, address)| json!({ "ResourceARN": arn, "Tags": json_ownership_tags(address) })).collect();
        self.on("GetResources", [ok(json!({ "ResourceTagMappingList": list }))])
    }

    /// Sets the response to an action.
    pub fn on(self, action: &'static str, answers: impl IntoIterator<Item = Answer>) -> Script {
        self.on_containing(action, "", answers)
    }

    /// Sets the response to an action if the request has this text in its path or body.
    pub fn on_containing(mut self, action: &'static str, text: &'static str, answers: impl IntoIterator<Item = Answer>) -> Script {
        let exchange = Exchange { action, containing: text, answers: answers.into_iter().collect(), used: 0 };
        self.stages.last_mut().expect("a chapter").exchanges.push(exchange);
        self
    }

    /// Starts a chapter at the next success of this action: its responses replace the previous ones.
    pub fn after(mut self, action: &'static str) -> Script {
        self.stages.push(Stage { after: action, ..Stage::default() });
        self
    }

    /// Starts the endpoint, with a stack of these resources.
    pub fn start(self, resources: &str) -> Endpoint {
        let (folder, region) = (tempfile::tempdir().expect("a folder"), self.region);
        let stack = write_file(folder.path(), "stack.yaml", &definition(region, resources));
        let state = Arc::new(Mutex::new(EndpointState { script: self, stage: 0, calls: Vec::new() }));
        let shared = state.clone();
        let server = Server::start(move |request| Ok(lock(&shared).answer(request)));
        let acme = Acme::at_endpoint(&server.url).with_only_args(&["--endpoint-url", &server.url, "--region", region]);
        Endpoint { acme, region, stack, state, _server: server, _folder: folder }
    }
}

fn definition(region: &str, resources: &str) -> String {
    format!("stack: shop\nregion: {region}\nresources:\n{resources}")
}

struct EndpointState {
    script: Script,
    stage: usize,
    calls: Vec<(String, Request, u16)>,
}

fn lock(state: &Mutex<EndpointState>) -> MutexGuard<'_, EndpointState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EndpointState {
    fn answer(&mut self, request: &Request) -> Response {
        let (service, action) = service_and_action(request);
        let (status, body) = self.next_answer(&action, request).unwrap_or_else(|| default_answer(&service, &action, request));
        let begins = |chapter: &Stage| chapter.after == action && status < 300;
        if self.script.stages.get(self.stage + 1).is_some_and(begins) {
            self.stage += 1;
        }
        self.calls.push((action, request.clone(), status));
        if is_cbor(request) {
            let body = serde_json::from_str(&body).unwrap_or_else(|_| json!({}));
            return cbor(status, &body);
        }
        let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
        let mut headers = vec![("content-type", kind.to_owned()), ("x-amzn-requestid", "req-1".to_owned())];
        // CloudFront has the version of a resource in a header: here the number of the chapter.
        headers.extend((service == "cloudfront").then(|| ("etag", format!("E{}", self.stage))));
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Response { status, headers, body: body.into_bytes() }
    }

    /// Response of the latest chapter with this call.
    fn next_answer(&mut self, action: &str, request: &Request) -> Option<Answer> {
        let body = if is_cbor(request) { parse_body(request).to_string().into() } else { String::from_utf8_lossy(&request.body) };
        let fits = |exchange: &Exchange| {
            exchange.action == action && (request.path.contains(exchange.containing) || body.contains(exchange.containing))
        };
        let exchange =
            self.script.stages[..=self.stage].iter_mut().rev().find_map(|chapter| chapter.exchanges.iter_mut().rev().find(|l| fits(l)))?;
        let answer = exchange.answers.get(exchange.used).or(exchange.answers.last()).cloned();
        exchange.used += 1;
        answer
    }
}

/// Default: reads find nothing; writes are rejected.
fn default_answer(service: &str, action: &str, request: &Request) -> Answer {
    if request.method == "HEAD" {
        return (404, String::new());
    }
    let json = header(&request.headers, "x-amz-target").is_some() || is_cbor(request) || action.contains(' ');
    match (is_write(request, action), json, service) {
        (true, true, _) => json_error(400, "NotScripted", action),
        (true, false, "ec2") => ec2_error(400, "NotScripted", action),
        (true, false, _) => xml_error(400, "NotScripted", action),
        (false, true, _) => ok(json!({})),
        (false, false, _) => xml(format!("<{action}Response><{action}Result/></{action}Response>")),
    }
}

/// A running script with a stack.
pub struct Endpoint {
    acme: Acme,
    region: &'static str,
    stack: std::path::PathBuf,
    state: Arc<Mutex<EndpointState>>,
    _server: Server,
    _folder: tempfile::TempDir,
}

/// AWS would accept the parameters of all requests.
impl Drop for Endpoint {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let requests: Vec<Request> = lock(&self.state).calls.iter().map(|(_, request, _)| request.clone()).collect();
            let problems = request_model::find_problems(&requests);
            assert!(problems.is_empty(), "AWS rejects: {problems:#?}");
        }
    }
}

impl Endpoint {
    /// A command on the stack, not yet run.
    pub fn command(&self, command: &str, more: &[&str]) -> std::process::Command {
        self.acme.command(command, &self.stack, more)
    }
    /// Runs a command on the stack.
    pub fn run(&self, command: &str, more: &[&str]) -> CommandOutput {
        self.acme.run(command, &self.stack, more)
    }
    /// Whether a text is in any file that acme has written: journals, records, histories.
    pub fn has_written(&self, text: &str) -> bool {
        fn find(folder: &std::path::Path, text: &[u8]) -> bool {
            let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
            entries.into_iter().any(|path| match path.is_dir() {
                true => find(&path, text),
                false => fs::read(&path).expect("a file").windows(text.len()).any(|part| part == text),
            })
        }
        find(self.acme.state_dir(), text.as_bytes())
    }
    /// Changes the resources of the definition.
    pub fn redefine(&self, resources: &str) {
        fs::write(&self.stack, definition(self.region, resources)).expect("the definition can be written");
    }
    /// Applies, and expects a second plan without changes.
    pub fn apply(&self) -> CommandOutput {
        let done = self.run("apply", &["--yes"]).assert_success();
        self.acme.assert_no_changes(&self.stack);
        done
    }
    /// `action address` of every planned change, sorted.
    pub fn planned_changes(&self) -> Vec<String> {
        self.acme.plan(&self.stack).changes()
    }
    /// Writes so far, with the status of their responses.
    pub fn writes(&self) -> Vec<String> {
        let state = lock(&self.state);
        let writes = state.calls.iter().filter(|(action, request, _)| is_write(request, action));
        writes.map(|(action, _, status)| format!("{status} {action}")).collect()
    }
    /// Number of calls of an action.
    pub fn call_count(&self, action: &str) -> usize {
        self.request_bodies(action).len()
    }
    /// Value of a header in every call of an action; empty where it has none.
    pub fn request_headers(&self, action: &str, name: &str) -> Vec<String> {
        let state = lock(&self.state);
        let calls = state.calls.iter().filter(|(of, ..)| of == action);
        calls.map(|(_, request, _)| header(&request.headers, name).unwrap_or_default().to_owned()).collect()
    }
    /// Body of every call of an action: JSON unchanged, CBOR as JSON, a form as an object, anything else as text.
    pub fn request_bodies(&self, action: &str) -> Vec<Value> {
        let state = lock(&self.state);
        state.calls.iter().filter(|(of, ..)| of == action).map(|(_, request, _)| parse_body(request)).collect()
    }
}

/// CBOR as JSON: times are numbers.
fn from_cbor(value: ciborium::Value) -> Value {
    match value {
        ciborium::Value::Tag(_, value) => from_cbor(*value),
        ciborium::Value::Array(list) => list.into_iter().map(from_cbor).collect(),
        ciborium::Value::Map(entries) => {
            let entry = |(key, value): (ciborium::Value, ciborium::Value)| Some((key.into_text().ok()?, from_cbor(value)));
            Value::Object(entries.into_iter().filter_map(entry).collect())
        }
        other => other.deserialized().unwrap_or_default(),
    }
}

fn parse_body(request: &Request) -> Value {
    let body = request.body.as_slice();
    if is_cbor(request) {
        return if body.is_empty() { json!({}) } else { from_cbor(ciborium::from_reader(body).expect("CBOR")) };
    }
    let text = String::from_utf8_lossy(body);
    match text.chars().next() {
        Some('{') => serde_json::from_str(&text).expect("JSON"),
        Some('<') | None => Value::String(text.into_owned()),
        _ => form(body).into_iter().map(|(key, value)| (key, Value::String(value))).collect::<serde_json::Map<_, _>>().into(),
    }
}
