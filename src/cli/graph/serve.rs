//! `acme graph --serve`: the stack as a page on loopback, which follows the definition, the resources and a running apply of any process.

mod files;

use std::{
    convert::Infallible,
    future::IntoFuture,
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};

use self::files::WatchedFiles;
use super::Arguments;
use crate::{
    cli::{DONE, OutputFormat, advice, apply, cost, failure, open, refusal},
    definition::Source,
    engine::{
        graph::Graph,
        history::{History, RunProgress},
        plan::Goal,
        session::SessionError,
    },
    report,
};

/// Interval between looks at the journal and the definition: a folder is on this machine, a bucket costs a request.
const FOLDER_INTERVAL: Duration = Duration::from_millis(500);
/// Same for a stack in AWS.
const AWS_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time between two reads of all resources of the simulated cloud.
const FOLDER_PAUSE: Duration = Duration::from_secs(1);
/// Same for AWS, where a read is many calls.
const AWS_PAUSE: Duration = Duration::from_secs(20);
/// Time after which a stack in the simulated cloud, or with a problem, is read again, although nothing is known to have changed it.
const IDLE_PAUSE: Duration = Duration::from_secs(10);
/// Number of runs in the list.
const LISTED_RUNS: usize = 20;

/// What the browser may load: the page itself, and its events.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

/// State of the stack, as events of the page.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    /// Graph, plan and history; or the reason why there are none.
    stack: Arc<str>,
    /// Progress of the last run.
    run: Arc<str>,
    /// Time of the last look at the resources, and whether more follow without a reason.
    read: Arc<str>,
    /// The page with this graph, for a reload.
    page: Arc<str>,
}

/// What requests need.
#[derive(Clone)]
struct Server {
    shown: watch::Receiver<Shown>,
    /// Values of `Host` that a browser sends for this address, not for a name that somebody points to it.
    hosts: Arc<[String; 2]>,
    history: watch::Receiver<History>,
    wishes: Arc<Wishes>,
}

/// Reasons to read the stack that pages have.
#[derive(Default)]
struct Wishes {
    /// A page is opened: the present is shown, unless it was read a moment ago.
    opened: Notify,
    /// A person asks for it.
    refresh: Notify,
}

pub(super) async fn run(arguments: &Arguments) -> Result<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await;
    let listener = listener.with_context(|| format!("can't listen on 127.0.0.1:{}", arguments.port))?;
    let port = listener.local_addr()?.port();
    // What is wrong before the first page is an error of the command.
    let follower = Follower::start(arguments).await?;
    let run = follower.last_run().await.flatten();
    let (sender, shown) = watch::channel(follower.shown(&run));
    let (history_sender, history) = watch::channel(follower.history.clone());
    let wishes = Arc::new(Wishes::default());
    let token = format!("{:016x}{:016x}", random()?, random()?);
    let hosts = Arc::new([format!("127.0.0.1:{port}"), format!("localhost:{port}")]);
    let server = Server { shown, hosts, history, wishes: wishes.clone() };
    let router = Router::new()
        .route(&format!("/{token}/"), get(page_of))
        .route(&format!("/{token}/events"), get(events_of))
        .route(&format!("/{token}/runs/{{number}}"), get(run_of))
        .route(&format!("/{token}/refresh"), post(refresh))
        .layer(middleware::from_fn_with_state(server.clone(), guard))
        .with_state(server);
    let url = format!("http://127.0.0.1:{port}/{token}/");
    match arguments.global.output {
        OutputFormat::Json => report::print_json_line(&json!({ "format": "acme-serve/1", "url": url }))?,
        _ => report::print(&format!("{url}\n")),
    }
    report::eprint("The page follows the stack. Ctrl-C ends it.");
    tokio::select! {
        ended = axum::serve(listener, router).into_future() => ended.context("the server ended")?,
        () = follower.follow(run, sender, &wishes, history_sender) => {}
        () = apply::wait_for_signal() => {}
    }
    Ok(DONE)
}

/// A number that nobody can guess.
fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("no random numbers: {error}"))
}

/// Refuses requests under another name: a site could point its own name to this address, and read the page through it.
async fn guard(State(server): State<Server>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = match host.is_some_and(|host| server.hosts.iter().any(|own| own == host)) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "wrong host\n").into_response(),
    };
    let fields = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

async fn page_of(State(server): State<Server>) -> Html<String> {
    Html(server.shown.borrow().page.to_string())
}

/// The state now, and again whenever it changes.
async fn events_of(State(server): State<Server>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut shown = server.shown;
    server.wishes.opened.notify_one();
    shown.mark_changed();
    let events = stream::unfold((shown, Shown::default()), |(mut shown, sent)| async move {
        loop {
            shown.changed().await.ok()?;
            let now = shown.borrow_and_update().clone();
            // One part at a time: the others are due at once.
            if now.run != sent.run {
                let sent = Shown { run: now.run.clone(), ..sent };
                shown.mark_changed();
                return Some((Ok::<_, Infallible>(Event::default().event("run").data(&*now.run)), (shown, sent)));
            }
            if now.read != sent.read {
                let sent = Shown { read: now.read.clone(), ..sent };
                shown.mark_changed();
                return Some((Ok(Event::default().event("read").data(&*now.read)), (shown, sent)));
            }
            if now.stack != sent.stack {
                return Some((Ok(Event::default().event("stack").data(&*now.stack)), (shown, now)));
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Reads the stack again; an event follows.
async fn refresh(State(server): State<Server>) -> StatusCode {
    server.wishes.refresh.notify_one();
    StatusCode::ACCEPTED
}

/// A run of the history with its changes.
async fn run_of(State(server): State<Server>, Path(number): Path<u64>) -> Response {
    let history = server.history.borrow().clone();
    match history.run_details(number).await.ok().flatten() {
        Some(details) => {
            let mut run = report::json::run_details(&details);
            let [changes, undone] = [&details.changes, &details.rolled_back_changes].map(|changes| report::plan::details(changes));
            run["details"] = json!({ "changes": changes, "rolled_back": undone });
            json_response(&run)
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// What is wrong with a stack, for the page.
fn problem(error: &anyhow::Error) -> Value {
    let problems = match error.downcast_ref() {
        Some(SessionError::InvalidDefinition { definition, problems }) => failure::problems(definition, problems),
        _ => Vec::new(),
    };
    json!({ "message": advice::complete(&refusal::message(error)), "problems": problems })
}

/// Follows a stack.
struct Follower<'a> {
    arguments: &'a Arguments,
    history: History,
    /// Files of the definition that was read.
    files: WatchedFiles,
    /// What the page shows of the stack.
    stack: Value,
    page: Arc<str>,
    read_at: Instant,
    /// Same, in milliseconds since 1970.
    shown_time: u64,
}

impl<'a> Follower<'a> {
    /// Reads the stack once.
    async fn start(arguments: &'a Arguments) -> Result<Follower<'a>> {
        let mut files = WatchedFiles::of_stack(arguments.target.path().ok());
        let (graph, stack, history, source) = read(arguments).await?;
        files.watch(paths_of(&source));
        let page = report::graph::live_page(&graph).into();
        Ok(Follower { arguments, history, files, stack, page, read_at: Instant::now(), shown_time: now_millis() })
    }

    fn interval(&self) -> Duration {
        if self.arguments.global.local.is_some() { FOLDER_INTERVAL } else { AWS_INTERVAL }
    }

    /// Reads the stack again. What can't be read any more stays, with the reason.
    async fn refresh(&mut self) {
        self.files.note_changes();
        match read(self.arguments).await {
            Ok((graph, stack, history, source)) => {
                self.files.watch(paths_of(&source));
                self.page = report::graph::live_page(&graph).into();
                (self.stack, self.history) = (stack, history);
            }
            Err(error) => {
                if let Some(SessionError::InvalidDefinition { definition, .. }) = error.downcast_ref() {
                    self.files.watch(paths_of(definition));
                }
                self.stack["problem"] = problem(&error);
            }
        }
        (self.read_at, self.shown_time) = (Instant::now(), now_millis());
    }

    /// Progress of the last run; `None` if it can't be read now.
    async fn last_run(&self) -> Option<Option<RunProgress>> {
        self.history.last_run_progress().await.ok()
    }

    fn shown(&self, run: &Option<RunProgress>) -> Shown {
        let event = |value: &Value| report::graph::live_event(value).into();
        let read = json!({ "at": self.shown_time, "automatic": self.arguments.global.local.is_some() });
        Shown { stack: event(&self.stack), run: event(&json!(run)), read: event(&read), page: self.page.clone() }
    }

    /// Sends what changes, until nobody can receive it.
    async fn follow(
        mut self,
        mut run: Option<RunProgress>,
        sender: watch::Sender<Shown>,
        wishes: &Wishes,
        histories: watch::Sender<History>,
    ) {
        let mut ticks = tokio::time::interval(self.interval());
        let is_local = self.arguments.global.local.is_some();
        let pause = if is_local { FOLDER_PAUSE } else { AWS_PAUSE };
        let mut is_stale = false;
        loop {
            let mut is_requested = false;
            tokio::select! {
                _ = ticks.tick() => {}
                () = wishes.opened.notified() => is_stale = true,
                () = wishes.refresh.notified() => is_requested = true,
            }
            let latest = self.last_run().await.unwrap_or_else(|| run.clone());
            let is_active = latest.as_ref().is_some_and(|run| run.running);
            // The record of a run follows the end of its journal.
            let has_ended = latest.as_ref().is_some_and(|run| run.outcome.is_some());
            is_stale |= latest != run || is_active || (has_ended && self.stack["history"][0]["outcome"].is_null());
            run = latest;
            let is_due = self.read_at.elapsed() >= if is_stale { pause } else { IDLE_PAUSE.max(pause) };
            // A problem may be that of a file which is not known, or of the network.
            let is_followed = is_stale || is_local || !self.stack["problem"].is_null();
            if is_requested || self.files.have_changed() || (is_due && is_followed) {
                self.refresh().await;
                is_stale = false;
            }
            let shown = self.shown(&run);
            sender.send_if_modified(|before| {
                let is_new = *before != shown;
                *before = shown;
                is_new
            });
            histories.send_replace(self.history.clone());
        }
    }
}

fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The user's own files of a definition.
fn paths_of(source: &Source) -> impl Iterator<Item = PathBuf> {
    source.own_files().map(|(path, _)| PathBuf::from(path))
}

/// Reads the definition, all resources and the history, and plans.
async fn read(arguments: &Arguments) -> Result<(Graph, Value, History, Source)> {
    let mut session = open::open(&arguments.target, &arguments.global).await?;
    let state = session.discover_with_history().await?;
    session.choose_values(&state, Goal::Apply).await?;
    let mut plan = session.plan(&state, Goal::Apply).await?;
    if arguments.cost {
        plan.costs = Some(cost::estimate_from(arguments.prices.as_deref(), &session, &plan).await?);
    }
    let graph = Graph::new(session.stack(), Some(state.live_state()), Some(&plan));
    let history = session.history(&state).await?;
    let (entries, _) = history.recent_runs(LISTED_RUNS).await?;
    let (name, environment) = (&session.stack().name, &session.stack().environment);
    let shown = json!({
        "graph": graph,
        "plan": report::json::plan(&plan),
        "changes": report::plan::listing(&plan),
        "history": report::json::history(name, environment, &entries)["revisions"],
        "apply": session.command_line("apply"),
        "problem": null,
    });
    Ok((graph, shown, history, session.source().clone()))
}
