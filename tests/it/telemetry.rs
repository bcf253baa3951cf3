//! Traces of OpenTelemetry, as a collector receives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    acme::{Acme, repository_stack, write_file},
    standin::free_port,
    wire::{Request, Response, Server, header},
};

/// Fields of a message of Protocol Buffers: number and content. Fixed numbers and varints are eight bytes each.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = message.split_first().expect("a complete number");
            *message = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                let value = varint(&mut message);
                found.push((key >> 3, value.to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("unknown type {other}"),
        };
        let (content, rest) = message.split_at(length);
        found.push((key >> 3, content.to_vec()));
        message = rest;
    }
    found
}

/// Contents of one field.
fn all(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    fields(message).into_iter().filter(|(field, _)| *field == number).map(|(_, content)| content).collect()
}

fn first(message: &[u8], number: u64) -> Vec<u8> {
    all(message, number).into_iter().next().unwrap_or_default()
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8(first(message, number)).expect("text")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `KeyValue` with a text or a whole number.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let value = |pair: &[u8]| {
        let value = first(pair, 2);
        match fields(&value).into_iter().next() {
            Some((1, text)) => String::from_utf8(text).expect("text"),
            Some((3, number)) => i64::from_le_bytes(number.try_into().expect("eight bytes")).to_string(),
            other => format!("{other:?}"),
        }
    };
    all(message, number).iter().map(|pair| (text(pair, 1), value(pair))).collect()
}

#[derive(Clone, Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    times: [u64; 2],
    attributes: BTreeMap<String, String>,
    /// 1: success, 2: error.
    status: u64,
    error: String,
    resource: BTreeMap<String, String>,
}

/// A collector, and what it received.
struct Collector {
    server: Server,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start(status: u16) -> Collector {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = requests.clone();
        let server = Server::start(move |request| {
            received.lock().unwrap().push(request.clone());
            Ok(Response { status, headers: vec![("content-type".into(), "application/x-protobuf".into())], body: Vec::new() })
        });
        Collector { server, requests }
    }
    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for request in self.requests() {
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
            assert_eq!(header(&request.headers, "content-type"), Some("application/x-protobuf"));
            for group in all(&request.body, 1) {
                let resource = attributes(&first(&group, 1), 1);
                for span in all(&group, 2).iter().flat_map(|scope| all(scope, 2)) {
                    let time = |number| u64::from_le_bytes(first(&span, number).try_into().expect("eight bytes"));
                    let status = first(&span, 15);
                    let code = first(&status, 3).first().map_or(0, |code| u64::from(*code));
                    spans.push(Span {
                        trace: hex(&first(&span, 1)),
                        id: hex(&first(&span, 2)),
                        parent: hex(&first(&span, 4)),
                        name: text(&span, 5),
                        times: [time(7), time(8)],
                        attributes: attributes(&span, 9),
                        status: code,
                        error: text(&status, 2),
                        resource: resource.clone(),
                    });
                }
            }
        }
        spans
    }
}

#[test]
fn a_run_is_one_trace_with_a_span_for_each_step_and_call() {
    let collector = Collector::start(200);
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let log = folder.path().join("acme.log").display().to_string();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.server.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=collector-key"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("ACME_LOCAL_FAULT", "settle:0.001"),
        ("ACME_LOG_PATH", log.as_str()),
    ];
    let applied = acme.run_with_env(&variables, "apply", &repository_stack("reference.yaml"), &["--yes"]).assert_success();
    assert!(!applied.stderr.contains("note: can't send"), "{}", applied.stderr);

    let spans = collector.spans();
    assert!(collector.requests().iter().all(|request| header(&request.headers, "x-api-key") == Some("collector-key")));
    let ids: BTreeSet<&String> = spans.iter().map(|span| &span.id).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    let [root] = spans.iter().filter(|span| span.name == "acme apply").collect::<Vec<_>>()[..] else { panic!("one span for the command") };
    assert_eq!((root.parent.as_str(), root.status), ("00f067aa0ba902b7", 1));
    assert_eq!(root.attributes["acme.exit_code"], "0");
    for span in &spans {
        assert_eq!(span.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span.times[0] <= span.times[1], "{span:?}");
        assert_eq!(
            (span.resource["service.name"].as_str(), span.resource["deployment.environment.name"].as_str()),
            ("acme", "test"),
            "{span:?}"
        );
    }
    // As many as the log has, with the same ids and parents.
    let lines: Vec<Value> = fs::read_to_string(&log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logged = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    let steps: BTreeMap<&str, &Span> =
        spans.iter().filter(|span| span.attributes.contains_key("acme.address")).map(|span| (span.id.as_str(), span)).collect();
    let calls: Vec<&Span> = spans.iter().filter(|span| span.attributes.contains_key("rpc.method")).collect();
    assert_eq!((steps.len(), calls.len()), (logged("step"), logged("call")));
    assert_eq!(spans.len(), 1 + steps.len() + calls.len());
    assert!(steps.len() > 40, "{}", steps.len());
    assert!(steps.values().all(|span| span.parent == root.id));
    for call in &calls {
        let of_step = steps.get(call.parent.as_str());
        assert!(of_step.is_some() || call.parent == root.id, "{call:?}");
        let is_change = call.attributes["rpc.method"].starts_with("create ");
        assert!(!is_change || of_step.is_some(), "a change belongs to its step: {call:?}");
        if let Some(step) = of_step {
            assert!(step.times[0] <= call.times[0] && call.times[1] <= step.times[1], "a call is within its step: {call:?} {step:?}");
        }
    }
}

#[test]
fn errors_are_recorded_at_their_spans() {
    let collector = Collector::start(200);
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.server.url)),
        ("OTEL_SERVICE_NAME", "deploy".to_owned()),
        ("ACME_LOCAL_FAULT", "refuse:1".to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let failed = acme.run_with_env(&variables, "apply", &stack, &["--yes"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    let spans = collector.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let [root, step, call] = [named("acme apply"), named("create vpc.main"), named("simulated cloud/create vpc")];
    assert_eq!([root.status, step.status, call.status], [2, 2, 2]);
    assert!(step.error.contains(&call.error) && !call.error.is_empty(), "{} {}", step.error, call.error);
    assert_eq!((&call.parent, &step.parent, root.parent.as_str()), (&step.id, &root.id, ""));
    assert_eq!(root.resource["service.name"], "deploy");
    assert_eq!(call.attributes["error.type"], call.error);
}

#[test]
fn a_collector_that_does_not_answer_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    // It accepts connections and never answers; nobody listens; it refuses; and an address that is none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("127.0.0.1:{}", free_port());
    let refusing = Collector::start(500);
    let addresses = [
        (format!("http://{}", silent.local_addr().unwrap()), "no answer within 3 s"),
        (format!("http://{closed}"), "Connection refused"),
        (refusing.server.url.clone(), "it answers with status 500"),
        ("not a url".into(), "invalid endpoint"),
    ];
    for (address, reason) in addresses {
        let begun = Instant::now();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("NO_PROXY", "127.0.0.1")];
        let planned = acme.run_with_env(&variables, "plan", &stack, &[]).assert_success();
        assert!(planned.stderr.contains("note: can't send the trace to the OpenTelemetry collector:"), "{address}: {}", planned.stderr);
        let note = planned.stderr.lines().find(|line| line.starts_with("note: can't send the trace")).unwrap_or_default();
        assert!(note.contains(&address) && note.contains(reason), "{address}: {note}");
        assert!(planned.stdout.contains("vpc.main"));
        assert!(begun.elapsed() < Duration::from_secs(60), "{address}: it waits no longer than a few seconds");
    }
}

#[test]
fn there_is_no_trace_if_it_is_switched_off_or_not_sampled() {
    let collector = Collector::start(200);
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.server.url.as_str());
    for off in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    ] {
        acme.run_with_env(&[endpoint, off], "plan", &stack, &[]).assert_success();
        assert!(collector.requests().is_empty(), "{off:?}");
    }
    acme.run_with_env(&[endpoint], "plan", &stack, &[]).assert_success();
    assert_eq!(collector.spans().iter().filter(|span| span.name == "acme plan").count(), 1);
}
