//! Counts all calls to AWS by service and action, limits them to AWS's published rates, and records them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        interceptors::{
            Intercept,
            context::{BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef},
            dyn_dispatch_hint,
        },
        orchestrator::{HttpRequest, HttpResponse, Metadata},
        result::ConnectorError,
        retries::RequestAttempts,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use regex_lite::Regex;
use serde_json::{Value, json};

use super::{CALL_TIMEOUT, call_guard::permit_attempt, error::describe_causes, null_entries, parameters, services::SERVICES};
use crate::core::{
    CallRate, ServiceInfo, format_elapsed,
    trace::{self, Call, Level},
};

/// Number of calls of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    /// Requests sent, including retries.
    pub calls: u64,
    /// Number of retries among them.
    pub retries: u64,
}

/// Counter and rate limiter of calls, shared by all clients. AWS limits the rate per region.
#[derive(Clone, Debug, Default)]
pub struct CallPacer {
    state: Arc<Mutex<PacerState>>,
    /// Region of the client.
    region: Arc<str>,
}

#[derive(Debug, Default)]
struct PacerState {
    counts: BTreeMap<(String, String), CallCount>,
    /// By region, service and action.
    buckets: BTreeMap<(Arc<str>, String, String), TokenBucket>,
    paced: bool,
}

/// Longest wait for a rate. A request is signed before it, and AWS accepts a signature for five minutes.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
pub(super) const MAX_PACING_DELAY: Duration = Duration::from_secs(240);

/// Token bucket; negative `tokens` are the length of the queue.
#[derive(Debug)]
struct TokenBucket {
    tokens: f64,
    burst: f64,
    published: f64,
    per_second: f64,
    refilled_at: Instant,
}

/// The rate of services that publish none.
const DEFAULT_RATE: CallRate = CallRate { actions: "", burst: 50.0, per_second: 10.0 };

/// The published rate of an action.
fn published_rate(service: Option<&ServiceInfo>, action: &str) -> CallRate {
    let rates = service.map_or(&[][..], |service| service.call_rates);
    rates.iter().find(|rate| action.starts_with(rate.actions)).copied().unwrap_or(DEFAULT_RATE)
}

impl CallPacer {
    /// Creates a counter; `paced` enables AWS's rate limits, which are pointless with another endpoint.
    pub fn new(paced: bool) -> CallPacer {
        CallPacer { state: Arc::new(Mutex::new(PacerState { paced, ..PacerState::default() })), region: Arc::default() }
    }
    /// Returns the same counter, for the clients of a region.
    pub fn in_region(&self, region: &str) -> CallPacer {
        CallPacer { state: self.state.clone(), region: region.into() }
    }
    /// Returns the counts so far, by service and action.
    pub fn counts(&self) -> BTreeMap<(String, String), CallCount> {
        self.with_state(|state| state.counts.clone())
    }
    /// Counts a call to another API than AWS's, which has no rates.
    pub fn count(&self, service: &str, action: &str) {
        self.with_state(|state| state.counts.entry((service.to_owned(), action.to_owned())).or_default().calls += 1);
    }
    /// Wraps an HTTP client to count and limit its requests.
    pub fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(PacedClient { inner, calls: self.clone() })
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut PacerState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a call and returns its delay.
    fn reserve_slot(&self, call: &ApiCall) -> Duration {
        self.with_state(|state| {
            let key = (call.service.clone(), call.action.clone());
            let count = state.counts.entry(key.clone()).or_default();
            count.calls += 1;
            count.retries += u64::from(call.retry);
            if !state.paced {
                return Duration::ZERO;
            }
            let service = call.service_info();
            let (name, action) = key;
            let action = if service.is_some_and(|service| service.shares_call_rate) { String::new() } else { action };
            let key = (call.region.clone(), name, action);
            let CallRate { burst, per_second, .. } = published_rate(service, &call.action);
            let now = Instant::now();
            let bucket = state.buckets.entry(key).or_insert(TokenBucket {
                tokens: burst,
                burst,
                published: per_second,
                per_second,
                refilled_at: now,
            });
            // A retry means that the rate was too high: halve it, and increase it again with every call.
            bucket.per_second =
                if call.retry { (bucket.per_second / 2.0).max(0.5) } else { (bucket.per_second * 1.05).min(bucket.published) };
            bucket.tokens =
                (bucket.tokens + now.duration_since(bucket.refilled_at).as_secs_f64() * bucket.per_second).min(bucket.burst) - 1.0;
            bucket.refilled_at = now;
            Duration::from_secs_f64((-bucket.tokens).max(0.0) / bucket.per_second).min(MAX_PACING_DELAY)
        })
    }
}

/// Action of a request; passed from the interceptor to the connector as an extension of the request.
#[derive(Clone, Debug)]
struct ApiCall {
    service: String,
    action: String,
    region: Arc<str>,
    retry: bool,
    sent: Arc<OnceLock<SentAttempt>>,
}

/// An attempt that was sent and ended.
#[derive(Clone, Copy, Debug)]
struct SentAttempt {
    at: SystemTime,
    paced: Duration,
    duration: Duration,
}

/// End of the last failed attempt, and its reason, for the record of a retry.
#[derive(Debug)]
struct LastFailure {
    at: Instant,
    reason: String,
}

impl Storable for LastFailure {
    type Storer = StoreReplace<LastFailure>;
}

/// Parameters of the operation, for its records.
#[derive(Debug)]
struct Parameters(Value);

impl Storable for Parameters {
    type Storer = StoreReplace<Parameters>;
}

/// The attempt that is under way.
#[derive(Debug)]
struct CurrentAttempt(ApiCall);

impl Storable for CurrentAttempt {
    type Storer = StoreReplace<CurrentAttempt>;
}

impl ApiCall {
    fn service_info(&self) -> Option<&'static ServiceInfo> {
        SERVICES.iter().copied().find(|service| service.sdk_name == self.service)
    }
}

#[dyn_dispatch_hint]
impl Intercept for CallPacer {
    fn name(&self) -> &'static str {
        "Calls"
    }
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if trace::is_recorded(Level::Calls) {
            cfg.interceptor_state().store_put(Parameters(parameters::of_input(context.input())));
        }
        Ok(())
    }
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = cfg.load::<Metadata>() {
            let retry = cfg.load::<RequestAttempts>().is_some_and(|attempts| attempts.attempts() > 1);
            let region = self.region.clone();
            let (service, action) = (metadata.service().to_owned(), metadata.name().to_owned());
            if retry && let Some(failure) = cfg.load::<LastFailure>() {
                trace::decision("retry", None, || {
                    format!("{service} {action} again, {} after the failure: {}", format_elapsed(failure.at.elapsed()), failure.reason)
                });
            }
            let call = ApiCall { service, action, region, retry, sent: Arc::default() };
            context.request_mut().add_extension(call.clone());
            if trace::is_recorded(Level::Decisions) {
                cfg.interceptor_state().store_put(CurrentAttempt(call));
            }
        }
        Ok(())
    }
    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(CurrentAttempt(call)) = cfg.load::<CurrentAttempt>() else { return Ok(()) };
        // An attempt that was not sent has no time: the one before it is recorded already.
        let Some(sent) = call.sent.get() else { return Ok(()) };
        let failure = context.output_or_error().and_then(Result::err);
        let unanswered = || match failure.and_then(|error| error.as_connector_error()) {
            Some(error) => describe_causes(error),
            None => "no answer".to_owned(),
        };
        let response = context.response();
        let error = failure.map(|_| response.map_or_else(unanswered, error_code));
        let last = error.clone().map(|reason| LastFailure { at: Instant::now(), reason });
        let record = Call {
            service: call.service.clone(),
            action: call.action.clone(),
            region: call.region.to_string(),
            parameters: cfg.load::<Parameters>().map_or(Value::Null, |parameters| parameters.0.clone()),
            attempt: cfg.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts),
            paced: sent.paced,
            request_id: response.and_then(request_id),
            status: response.map(|response| response.status().as_u16()),
            error,
        };
        trace::call(sent.at, sent.duration, record);
        cfg.interceptor_state().unset::<CurrentAttempt>();
        if let Some(last) = last {
            cfg.interceptor_state().store_put(last);
        }
        Ok(())
    }
}

/// AWS's id of a request: in a header, which each service names in its own way, or in the body.
fn request_id(response: &HttpResponse) -> Option<String> {
    let headers = ["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];
    let named = headers.iter().find_map(|name| response.headers().get(name)).map(str::to_owned);
    named.or_else(|| in_body(response, "(?i)<requestid>([^<]+)<"))
}

/// AWS's code of an error, or the status if there is none.
fn error_code(response: &HttpResponse) -> String {
    let header = response.headers().get("x-amzn-errortype").map(str::to_owned);
    let code = header.or_else(|| in_body(response, r#"<Code>([^<]+)<|"(?:__type|code|Code)"\s*:\s*"([^"]+)""#));
    // `com.amazonaws.eks#ResourceNotFoundException:http://…`
    let plain = |code: String| code.split([':', ' ']).next().and_then(|code| code.rsplit('#').next()).map(str::to_owned);
    code.and_then(plain).unwrap_or_else(|| format!("HTTP status {}", response.status().as_u16()))
}

/// The first group of a pattern in the body, as far as it was read.
fn in_body(response: &HttpResponse, pattern: &str) -> Option<String> {
    let body = std::str::from_utf8(response.body().bytes()?).ok()?;
    // Ids and codes are at the begin or the end of a large answer, which errors never are.
    let found = Regex::new(pattern).ok()?.captures(body)?;
    found.iter().skip(1).flatten().next().map(|part| part.as_str().to_owned())
}

struct PacedClient {
    inner: SharedHttpClient,
    calls: CallPacer,
}

impl fmt::Debug for PacedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for PacedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(PacedConnector { inner, calls: self.calls.clone(), timeout: CALL_TIMEOUT })
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    calls: CallPacer,
    /// Time from sending a request to the start of its response; the wait for the rate does not count.
    timeout: Duration,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wait = request.extension::<ApiCall>().map(|call| self.calls.reserve_slot(call)).unwrap_or_default();
        let call = request.extension::<ApiCall>().cloned();
        let service = request.extension::<ApiCall>().and_then(ApiCall::service_info);
        let has_null_entries = service.is_some_and(|service| service.sends_null_entries);
        let (inner, timeout) = (self.inner.clone(), self.timeout);
        HttpConnectorFuture::new(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            permit_attempt().map_err(|refusal| ConnectorError::user(refusal.into()))?;
            let late = |_| ConnectorError::timeout(format!("no response within {} s", timeout.as_secs()).into());
            let server = server(request.uri()).to_owned();
            let method = request.method().to_owned();
            let (at, started) = (SystemTime::now(), Instant::now());
            let response = tokio::time::timeout(timeout, inner.call(request)).await;
            let sent = SentAttempt { at, paced: wait, duration: started.elapsed() };
            match call {
                Some(call) => drop(call.sent.set(sent)),
                // Calls of the SDK itself, for credentials, have no interceptors.
                None => record_credentials_call(sent, &method, &server, &response),
            }
            let response = response.map_err(late)?;
            let response = response.map_err(|error| if error.is_io() { name_server(error, server) } else { error })?;
            if has_null_entries { null_entries::remove(response).await } else { Ok(response) }
        })
    }
}

/// Records a call for credentials, whose parameters and answers are secret.
fn record_credentials_call(
    sent: SentAttempt,
    method: &str,
    server: &str,
    response: &Result<Result<HttpResponse, ConnectorError>, tokio::time::error::Elapsed>,
) {
    let answer = response.as_ref().ok().and_then(|response| response.as_ref().ok());
    let failure = match response {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(describe_causes(error)),
        Err(_) => Some("no answer".to_owned()),
    };
    let status = answer.map(|answer| answer.status().as_u16());
    let record = Call {
        service: "credentials".to_owned(),
        action: method.to_owned(),
        parameters: json!({ "server": server }),
        attempt: 1,
        request_id: answer.and_then(request_id),
        status,
        error: failure.or_else(|| status.filter(|status| *status >= 400).map(|status| format!("HTTP status {status}"))),
        ..Call::default()
    };
    trace::call(sent.at, sent.duration, record);
}

/// Host and port of a request, without the name and the password that an address can contain.
fn server(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Adds the server to an error of its connection, which names none.
fn name_server(error: ConnectorError, server: String) -> ConnectorError {
    ConnectorError::io(ConnectionFailed { server, source: error.into_source() }.into())
}

/// A connection that can't be made, or breaks off.
#[derive(Debug, thiserror::Error)]
#[error("can't reach {server}")]
struct ConnectionFailed {
    server: String,
    source: BoxError,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::{
        aws::CallGuard,
        core::{Error, ErrorKind},
    };

    #[test]
    fn keeps_to_published_rates() {
        let rate = |name: &str, action| {
            let rate = published_rate(SERVICES.iter().copied().find(|service| service.sdk_name == name), action);
            (rate.burst, rate.per_second)
        };
        assert_eq!(rate("EC2", "DescribeSubnets"), (100.0, 20.0));
        assert_eq!(rate("EC2", "CreateSubnet"), (50.0, 5.0));
        assert_eq!(rate("Route 53", "ListHostedZones"), (5.0, 5.0));
        assert_eq!(rate("STS", "GetCallerIdentity"), (50.0, 10.0));
    }

    /// Counts the requests that were sent, and answers each.
    #[derive(Clone, Debug, Default)]
    struct Answering(Arc<Mutex<usize>>);

    impl HttpConnector for Answering {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            *self.0.lock().expect("no panic") += 1;
            HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::empty())))
        }
    }

    /// Connector whose calls of this action have to wait for longer than their timeout.
    fn slow_connector(sent: &Answering) -> (PacedConnector, ApiCall) {
        let calls = CallPacer::new(true);
        let call =
            ApiCall { service: "EC2".into(), action: "CreateVpc".into(), region: Arc::default(), retry: false, sent: Arc::default() };
        while calls.reserve_slot(&call) < Duration::from_millis(300) {}
        (PacedConnector { inner: SharedHttpConnector::new(sent.clone()), calls, timeout: Duration::from_millis(100) }, call)
    }

    fn request(call: &ApiCall) -> HttpRequest {
        let mut request = HttpRequest::empty();
        request.add_extension(call.clone());
        request
    }

    #[tokio::test]
    async fn waiting_for_the_rate_does_not_count_towards_the_timeout() {
        let sent = Answering::default();
        let (connector, call) = slow_connector(&sent);
        connector.call(request(&call)).await.expect("it is sent and answered");
        assert_eq!(*sent.0.lock().expect("no panic"), 1);
    }

    #[tokio::test]
    async fn asks_for_permission_after_the_wait_and_before_the_request() {
        let sent = Answering::default();
        let (connector, call) = slow_connector(&sent);
        let may_change = Arc::new(AtomicBool::new(true));
        let asked = may_change.clone();
        let lost = || Error::new(ErrorKind::Rejected, "LeaseLost", "another run has it");
        let guard = CallGuard::new(move || if asked.load(Ordering::SeqCst) { Ok(()) } else { Err(lost()) });
        let attempt = guard.scope(connector.call(request(&call)));
        // It is lost while the request waits.
        may_change.store(false, Ordering::SeqCst);
        assert!(attempt.await.expect_err("refused").is_user());
        assert_eq!((*sent.0.lock().expect("no panic"), guard.has_sent()), (0, false));
        assert_eq!(guard.refusal().map(|error| error.code.as_str()), Some("LeaseLost"));
        // Reads have no guard.
        connector.call(request(&call)).await.expect("it is sent and answered");
    }

    /// Route 53 limits the calls of an account, EC2 those of an action.
    #[test]
    fn actions_wait_for_each_other_where_they_share_a_rate() {
        let waits = |service: &str| {
            let pacer = CallPacer::new(true);
            let call = |action: &str| ApiCall {
                service: service.to_owned(),
                action: action.to_owned(),
                region: Arc::default(),
                retry: false,
                sent: Arc::default(),
            };
            for _ in 0..60 {
                pacer.reserve_slot(&call("CreateOne"));
            }
            !pacer.reserve_slot(&call("CreateAnother")).is_zero()
        };
        assert!(waits("Route 53"));
        assert!(!waits("EC2"));
    }

    #[test]
    fn regions_have_their_own_rates_and_one_count() {
        let pacer = CallPacer::new(true);
        let call = |region: &str| ApiCall {
            service: "EC2".into(),
            action: "CreateVpc".into(),
            region: region.into(),
            retry: false,
            sent: Arc::default(),
        };
        for _ in 0..60 {
            pacer.reserve_slot(&call("eu-west-1"));
        }
        assert!(!pacer.reserve_slot(&call("eu-west-1")).is_zero());
        assert!(pacer.in_region("us-east-1").reserve_slot(&call("us-east-1")).is_zero());
        assert_eq!(pacer.counts().values().map(|count| count.calls).sum::<u64>(), 62);
    }
}
