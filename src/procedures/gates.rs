//! Checks gates: whether resources are healthy, requests are answered, and queries have a result.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::sql;
use crate::{
    aws::http_probe::HttpProbe,
    core::{Address, LiveResource, Phase, Result, expression},
    definition::{
        Stack,
        procedures::{Gates, HttpGate},
    },
    engine::{
        cloud::Cloud,
        discover::{LiveState, address_of, read_again, resource_type_of},
        graph::status_text,
        session::Session,
    },
};

/// Checks after which a gate counts as closed: a single lost connection, or a target that was just replaced, must not return all clients.
const ATTEMPTS: u32 = 3;
/// Pause between these checks.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause between two checks while gates must stay open.
const BAKE_INTERVAL: Duration = Duration::from_secs(10);

/// Whether a gate lets a procedure continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum GateState {
    /// It holds.
    Open,
    /// It does not hold, or could not be read, with the reason.
    Closed(String),
    /// It was not checked, with the reason: the simulated cloud has no databases.
    NotChecked(String),
}

/// State of one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateResult {
    /// The gate: `metric_alarm.errors`, `GET https://www.example.com/healthz`, `query on rds_instance.orders`.
    pub gate: String,
    /// Its state.
    #[serde(flatten)]
    pub state: GateState,
}

/// States of all gates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct GatesReport {
    /// The gates in the order of the definition.
    pub results: Vec<GateResult>,
}

impl GatesReport {
    /// Whether no gate is closed.
    pub fn is_open(&self) -> bool {
        self.closed().next().is_none()
    }
    /// Closed gates, each with the reason.
    pub fn closed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.results.iter().filter_map(|result| match &result.state {
            GateState::Closed(reason) => Some((result.gate.as_str(), reason.as_str())),
            GateState::Open | GateState::NotChecked(_) => None,
        })
    }
}

/// Checks the gates of a stack with the resources that it has now.
pub struct GateChecker<'a> {
    cloud: &'a Cloud,
    stack: &'a Stack,
    live_state: LiveState,
    probe: HttpProbe,
}

impl<'a> GateChecker<'a> {
    /// Checker for the stack of a session with these resources.
    ///
    /// # Errors
    /// Fails if the certificates of `AWS_CA_BUNDLE` can't be read.
    pub fn new(session: &'a Session, live: impl IntoIterator<Item = LiveResource>) -> Result<GateChecker<'a>> {
        let mut live_state = LiveState::default();
        for live in live {
            let kind = resource_type_of(&live)?;
            live_state.live.entry(kind.name).or_default().push(live);
        }
        Ok(GateChecker { cloud: session.cloud(), stack: session.stack(), live_state, probe: HttpProbe::new()? })
    }

    /// Checks each gate once.
    pub async fn check(&self, gates: &Gates) -> GatesReport {
        let healthy = gates.healthy.iter().map(|address| -> BoxFuture<'_, GateResult> { Box::pin(self.health(address)) });
        let http = gates.http.iter().map(|gate| -> BoxFuture<'_, GateResult> { Box::pin(self.request(gate)) });
        let sql = gates.sql.iter().map(|gate| -> BoxFuture<'_, GateResult> {
            Box::pin(async move {
                let state = sql::check(self.cloud, self.find(&gate.database), gate).await;
                GateResult { gate: format!("query on {}", gate.database), state }
            })
        });
        GatesReport { results: join_all(healthy.chain(http).chain(sql)).await }
    }

    /// Checks the gates until all are open, or one stays closed for some seconds.
    pub async fn check_patiently(&self, gates: &Gates) -> GatesReport {
        let mut report = self.check(gates).await;
        for _ in 1..ATTEMPTS {
            if report.is_open() {
                break;
            }
            sleep(ATTEMPT_PAUSE).await;
            report = self.check(gates).await;
        }
        report
    }

    /// Checks the gates for as long as `bake`, and at least once. Returns the report of the first closed gate, or of the last check. `tell` gets the
    /// report and the rest of the time after each check.
    pub async fn hold(&self, gates: &Gates, bake: Duration, mut tell: impl FnMut(&GatesReport, Duration)) -> GatesReport {
        let begun = Instant::now();
        loop {
            let report = self.check_patiently(gates).await;
            let left = bake.saturating_sub(begun.elapsed());
            tell(&report, left);
            if !report.is_open() || left.is_zero() {
                return report;
            }
            sleep(left.min(BAKE_INTERVAL)).await;
        }
    }

    fn find(&self, address: &Address) -> Option<&LiveResource> {
        self.live_state.iter().find(|live| address_of(live).as_ref() == Some(address))
    }

    async fn health(&self, address: &Address) -> GateResult {
        let state = match self.phase(address).await {
            Ok(Phase::Ready | Phase::PendingChanges(_)) => GateState::Open,
            Ok(phase) => GateState::Closed(status_text(&phase).unwrap_or_default()),
            Err(error) => GateState::Closed(format!("its health can't be read: {error}")),
        };
        GateResult { gate: address.to_string(), state }
    }

    async fn phase(&self, address: &Address) -> Result<Phase> {
        let missing = || Phase::Degraded("it does not exist".to_owned());
        let Some(known) = self.find(address) else { return Ok(missing()) };
        let Some(live) = read_again(self.cloud, self.stack, known, &self.live_state).await? else { return Ok(missing()) };
        if !matches!(live.phase, Phase::Ready | Phase::PendingChanges(_)) {
            return Ok(live.phase);
        }
        Ok(self.cloud.health(resource_type_of(&live)?, &live).await?.unwrap_or(live.phase))
    }

    async fn request(&self, gate: &HttpGate) -> GateResult {
        let lookup =
            |reference: &expression::Reference<'_>| self.find(&Address::new(reference.type_name, reference.name))?.output(reference.output);
        let url = expression::resolve(&gate.url.clone().into(), &lookup);
        let shown = url.as_str().unwrap_or(&gate.url).to_owned();
        let state = if expression::has_reference(&url) {
            GateState::Closed("a resource in its address does not exist".to_owned())
        } else {
            match self.probe.status(&shown, gate.timeout, gate.follow_redirects).await {
                Ok(status) if status == gate.status => GateState::Open,
                Ok(status) => GateState::Closed(format!("the answer has status {status}, not {}", gate.status)),
                Err(error) => GateState::Closed(error.message),
            }
        };
        GateResult { gate: format!("GET {shown}"), state }
    }
}
