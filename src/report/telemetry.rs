//! Export of a command as a trace of OpenTelemetry, to the collector that the standard variables name.
//!
//! One span for the command, one for each step, one for each attempt of a call. Ids and times are those of the records, so the spans are made
//! here and not by a tracer.

use std::{
    env,
    future::Future,
    pin::Pin,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    aws::http_probe::HttpProbe,
    core::trace::{self, Call, Fact, Record},
};

/// Number of spans that are sent together.
const BATCH: usize = 512;
/// Interval between batches.
const INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait for the collector at the end of a command.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Error of a client.
type HttpError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The trace of a command.
#[derive(Debug)]
pub struct Telemetry {
    spans: Spans,
    started_at: SystemTime,
    /// Address of the collector, for messages.
    endpoint: String,
    task: JoinHandle<Result<(), String>>,
}

/// Source of spans: knows the trace, and where to send them.
#[derive(Clone, Debug)]
pub struct Spans {
    trace: TraceId,
    state: TraceState,
    root: SpanId,
    parent: Option<SpanId>,
    scope: InstrumentationScope,
    sender: UnboundedSender<Message>,
}

#[derive(Debug)]
enum Message {
    Span(Box<SpanData>),
    End,
}

impl Telemetry {
    /// Begins a trace if a collector is named. It belongs to the trace of `TRACEPARENT`, and is not made if that one is not sampled.
    ///
    /// # Errors
    /// Fails if the variables are not valid.
    pub fn from_environment() -> Result<Option<Telemetry>, String> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let named = [opentelemetry_otlp::OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, opentelemetry_otlp::OTEL_EXPORTER_OTLP_ENDPOINT];
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let Some(endpoint) = named.into_iter().find_map(set).filter(|_| !is_off) else { return Ok(None) };
        let endpoint = trace::redacted_text(&endpoint);
        let parent = set("TRACEPARENT").and_then(|text| Parent::parse(&text));
        if parent.as_ref().is_some_and(|parent| !parent.is_sampled) {
            return Ok(None);
        }
        let failure = Failure::default();
        let client = CollectorClient { probe: Arc::new(HttpProbe::new().map_err(|error| error.message)?), failure: failure.clone() };
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client)
            // The library sleeps between retries in a way that blocks a thread.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| error.to_string())?;
        exporter.set_resource(&resource());
        let (sender, inbox) = mpsc::unbounded_channel();
        let spans = Spans {
            trace: parent.as_ref().map_or_else(new_trace_id, |parent| parent.trace),
            state: set("TRACESTATE").filter(|_| parent.is_some()).and_then(|text| TraceState::from_str(&text).ok()).unwrap_or_default(),
            root: SpanId::from(trace::new_id()),
            parent: parent.map(|parent| parent.span),
            scope: InstrumentationScope::builder("acme").with_version(env!("CARGO_PKG_VERSION")).build(),
            sender,
        };
        Ok(Some(Telemetry { spans, started_at: SystemTime::now(), endpoint, task: tokio::spawn(export_all(exporter, inbox, failure)) }))
    }

    /// Source of spans.
    pub fn spans(&self) -> Spans {
        self.spans.clone()
    }

    /// Ends the trace. Waits for the collector no longer than a few seconds.
    ///
    /// # Errors
    /// Fails if spans could not be sent.
    pub async fn finish(self, command: &str, code: u8) -> Result<(), String> {
        let attributes = vec![KeyValue::new("acme.command", command.to_owned()), KeyValue::new("acme.exit_code", i64::from(code))];
        let status = if code == 0 { Status::Ok } else { Status::error(format!("exit code {code}")) };
        let times = (self.started_at, SystemTime::now());
        let parent = self.spans.parent.unwrap_or(SpanId::INVALID);
        let is_remote = self.spans.parent.is_some();
        let span = self.spans.span(self.spans.root, (parent, is_remote), format!("acme {command}"), times, attributes);
        self.spans.send(SpanData { status, ..span });
        self.spans.sender.send(Message::End).ok();
        match timeout(LONGEST_WAIT, self.task).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("{}: no answer within {} s", self.endpoint, LONGEST_WAIT.as_secs())),
        }
    }
}

impl Spans {
    /// Sends the span of a record; a decision has none.
    pub fn add(&self, record: &Record) {
        let parent = (record.parent.map_or(self.root, SpanId::from), false);
        let times = (record.started_at, record.started_at + record.duration);
        let id = SpanId::from(record.id);
        let (span, error) = match &record.fact {
            Fact::Decision { .. } => return,
            Fact::Step { address, op, error } => {
                let attributes = vec![KeyValue::new("acme.address", address.clone()), KeyValue::new("acme.action", op.clone())];
                (self.span(id, parent, format!("{op} {address}"), times, attributes), error)
            }
            Fact::Call(call) => {
                let span = self.span(id, parent, format!("{}/{}", call.service, call.action), times, call_attributes(call));
                (SpanData { span_kind: SpanKind::Client, ..span }, &call.error)
            }
        };
        let status = error.as_ref().map_or(Status::Unset, |error| Status::error(error.clone()));
        self.send(SpanData { status, ..span });
    }

    fn span(
        &self,
        id: SpanId,
        (parent, parent_is_remote): (SpanId, bool),
        name: String,
        (start_time, end_time): (SystemTime, SystemTime),
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        SpanData {
            span_context: SpanContext::new(self.trace, id, TraceFlags::SAMPLED, false, self.state.clone()),
            parent_span_id: parent,
            parent_span_is_remote: parent_is_remote,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn send(&self, span: SpanData) {
        self.sender.send(Message::Span(Box::new(span))).ok();
    }
}

/// Attributes by the conventions for calls to AWS: <https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/>. Parameters are not
/// among them.
fn call_attributes(call: &Call) -> Vec<KeyValue> {
    let system = match call.service.as_str() {
        "Kubernetes" => "kubernetes",
        "simulated cloud" => "acme",
        _ => "aws-api",
    };
    let mut attributes = vec![
        KeyValue::new("rpc.system", system),
        KeyValue::new("rpc.service", call.service.clone()),
        KeyValue::new("rpc.method", call.action.clone()),
        KeyValue::new("acme.attempt", i64::from(call.attempt)),
    ];
    let region = Some(&call.region).filter(|region| !region.is_empty());
    attributes.extend(region.map(|region| KeyValue::new("cloud.region", region.clone())));
    attributes.extend(call.request_id.clone().map(|id| KeyValue::new("aws.request_id", id)));
    attributes.extend(call.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    attributes.extend(call.error.clone().map(|error| KeyValue::new("error.type", error)));
    attributes
}

/// What runs: a service by the name of `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES`, or `acme`.
fn resource() -> Resource {
    let names = |name: &str, part: &str| env::var(name).is_ok_and(|value| value.contains(part));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let is_named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty()) || names("OTEL_RESOURCE_ATTRIBUTES", "service.name=");
    if is_named { builder.build() } else { builder.with_service_name("acme").build() }
}

fn new_trace_id() -> TraceId {
    TraceId::from((u128::from(trace::new_id()) << 64) | u128::from(trace::new_id()))
}

/// Span of another program, in whose trace this command runs.
#[derive(Debug, PartialEq)]
struct Parent {
    trace: TraceId,
    span: SpanId,
    is_sampled: bool,
}

impl Parent {
    /// Reads <https://www.w3.org/TR/trace-context/#traceparent-header>.
    fn parse(text: &str) -> Option<Parent> {
        let parts: Vec<&str> = text.trim().split('-').collect();
        let [version, trace, span, flags, ..] = parts[..] else { return None };
        let is_hex = |text: &str, length: usize| text.len() == length && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if !is_hex(version, 2) || version == "ff" || !is_hex(trace, 32) || !is_hex(span, 16) || !is_hex(flags, 2) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Parent { trace, span, is_sampled })
    }
}

/// Sends spans in batches until the end. A batch that can't be sent is dropped.
async fn export_all(exporter: SpanExporter, mut inbox: UnboundedReceiver<Message>, failure: Failure) -> Result<(), String> {
    let mut lost: Option<(usize, String)> = None;
    let mut batch = Vec::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut is_open = true;
    while is_open {
        let is_due = tokio::select! {
            message = inbox.recv() => match message {
                Some(Message::Span(span)) => {
                    batch.push(*span);
                    batch.len() >= BATCH
                }
                Some(Message::End) | None => {
                    is_open = false;
                    true
                }
            },
            _ = ticks.tick() => true,
        };
        if is_due && !batch.is_empty() {
            let spans = std::mem::take(&mut batch);
            let count = spans.len();
            if let Err(error) = exporter.export(spans).await {
                let (before, _) = lost.take().unwrap_or_default();
                // The library does not pass on the reason.
                let reason = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
                lost = Some((before + count, reason.unwrap_or_else(|| error.to_string())));
            }
        }
    }
    lost.map_or(Ok(()), |(count, reason)| Err(format!("{count} spans are lost: {reason}")))
}

/// Requests to the collector, with the proxy and the certificates of all calls.
#[derive(Clone, Debug)]
struct CollectorClient {
    probe: Arc<HttpProbe>,
    failure: Failure,
}

/// Address and reason of the last request that failed.
type Failure = Arc<Mutex<Option<String>>>;

impl HttpClient for CollectorClient {
    fn send_bytes<'client, 'answer>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'client: 'answer,
        Self: 'answer,
    {
        Box::pin(async move {
            let url = request.uri().to_string();
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
            // The message names the server and may name a password in its address.
            let answer = self.probe.post(&url, headers, request.into_body().to_vec()).await;
            let answer = answer.map_err(|error| trace::redacted_text(&error.message));
            let reason = match &answer {
                Ok((200..300, _)) => None,
                Ok((status, _)) => Some(format!("it answers with status {status}")),
                Err(reason) => Some(reason.clone()),
            };
            let shown = trace::redacted_text(&url);
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = reason.map(|reason| format!("{shown}: {reason}"));
            let (status, body) = answer?;
            Ok(Response::builder().status(status).body(Bytes::from(body))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parent_of_another_program() {
        let parsed = Parent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("valid");
        assert_eq!(parsed.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(parsed.span.to_string() == "00f067aa0ba902b7" && parsed.is_sampled);
        assert!(!Parent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").expect("valid").is_sampled);
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::parse(text), None, "{text}");
        }
    }
}
