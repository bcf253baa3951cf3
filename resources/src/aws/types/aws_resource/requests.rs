//! Requests of Cloud Control: what a call starts, and how it ends.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_cloudcontrol::types::{Operation, OperationStatus, ProgressEvent, ResourceRequestStatusFilter};
use aws_smithy_types::DateTime;
use tokio::time::{Instant, sleep};

use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Phase, Result},
};

/// Time for which a call follows its request. The engine waits for the rest, by reading.
pub const FOLLOW_LIMIT: Duration = Duration::from_secs(600);
/// Time for which a creation is followed after its identifier is known, because what fails at once can be cleaned up at once.
const AFTER_IDENTIFIER: Duration = Duration::from_secs(20);
/// Longest pause between two questions about a request.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Whether a request has ended.
pub fn has_ended(event: &ProgressEvent) -> bool {
    let running = [OperationStatus::Pending, OperationStatus::InProgress, OperationStatus::CancelInProgress];
    !event.operation_status.as_ref().is_some_and(|status| running.contains(status))
}

/// Whether a request has ended without success.
pub fn has_failed(event: &ProgressEvent) -> bool {
    matches!(event.operation_status, Some(OperationStatus::Failed | OperationStatus::CancelComplete))
}

/// Follows a request until it ends, for [`FOLLOW_LIMIT`] at most; a creation until the resource has an identifier, and a little longer.
///
/// # Errors
/// Returns errors of Cloud Control.
pub async fn follow(aws: &Aws, event: Option<ProgressEvent>) -> Result<ProgressEvent> {
    let mut event = event.ok_or_else(|| Error::missing_field("ProgressEvent"))?;
    let token = event.request_token.clone().ok_or_else(|| Error::missing_field("RequestToken"))?;
    let started = Instant::now();
    let mut pause = Duration::from_millis(250);
    let mut identified: Option<Instant> = None;
    while !has_ended(&event) && started.elapsed() < FOLLOW_LIMIT {
        if event.operation == Some(Operation::Create) && event.identifier.is_some() {
            let since = *identified.get_or_insert_with(Instant::now);
            if since.elapsed() >= AFTER_IDENTIFIER {
                break;
            }
        }
        sleep(pause.max(until(event.retry_after.as_ref())).min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let reply = aws.cloudcontrol.get_resource_request_status().request_token(&token).send().await?;
        event = reply.progress_event.ok_or_else(|| Error::missing_field("ProgressEvent"))?;
    }
    Ok(event)
}

fn until(time: Option<&DateTime>) -> Duration {
    let now = DateTime::from(std::time::SystemTime::now());
    let seconds = time.map_or(0.0, |time| time.as_secs_f64() - now.as_secs_f64());
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The result of a request that may have failed.
///
/// # Errors
/// Returns the failure.
pub fn result(event: ProgressEvent) -> Result<ProgressEvent> {
    if has_failed(&event) { Err(failure(&event)) } else { Ok(event) }
}

/// Why a request failed.
pub fn failure(event: &ProgressEvent) -> Error {
    let code = match (&event.error_code, &event.operation_status) {
        (Some(code), _) => code.as_str(),
        (None, Some(OperationStatus::CancelComplete)) => "Cancelled",
        (None, _) => "Failed",
    };
    let message = event.status_message.clone().unwrap_or_else(|| format!("AWS reports `{code}` without a reason"));
    let error = Error::from_code(code, message);
    match (code, &event.operation) {
        // A creation has waited for long, and its remains are deleted: another would wait again.
        ("NotStabilized", Some(Operation::Create)) => Error { kind: ErrorKind::Rejected, ..error },
        ("NotUpdatable", _) => {
            let message = format!("{}; AWS can't change this in place: replace the resource by one with another name", error.message);
            Error { message, ..error }
        }
        _ => error,
    }
}

/// Requests that this process started and that its calls did not follow to the end, by region and physical id.
static UNFINISHED: Mutex<BTreeMap<(String, String), String>> = Mutex::new(BTreeMap::new());

/// Requests that failed in this process.
static FAILED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Age of a failure that another process has seen.
const OLD_FAILURE: Duration = Duration::from_secs(300);

/// Whether a creation was answered with the failure of an earlier one, because it has the same token. Remembers a new failure.
pub fn is_repeated_failure(event: &ProgressEvent) -> bool {
    if !has_failed(event) {
        return false;
    }
    let age = event.event_time.as_ref().map_or(0.0, |time| DateTime::from(std::time::SystemTime::now()).as_secs_f64() - time.as_secs_f64());
    age > OLD_FAILURE.as_secs_f64() || !remember_failure(event)
}

/// Remembers a failure; returns whether it is a new one.
pub fn remember_failure(event: &ProgressEvent) -> bool {
    let token = event.request_token.clone().unwrap_or_default();
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).insert(token)
}

/// Remembers a request that goes on, for the reads of a wait.
pub fn remember(aws: &Aws, id: &str, event: &ProgressEvent) {
    lock().remove(&(aws.region.clone(), id.to_owned()));
    if let Some(token) = event.request_token.clone().filter(|_| !has_ended(event)) {
        lock().insert((aws.region.clone(), id.to_owned()), token);
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<(String, String), String>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Phase of a resource by the request of this process, if one went on.
///
/// # Errors
/// Returns errors of Cloud Control.
pub async fn own_phase(aws: &Aws, id: &str) -> Result<Option<Phase>> {
    let key = (aws.region.clone(), id.to_owned());
    let Some(token) = lock().get(&key).cloned() else { return Ok(None) };
    let reply = aws.cloudcontrol.get_resource_request_status().request_token(&token).send().await?;
    let event = reply.progress_event.ok_or_else(|| Error::missing_field("ProgressEvent"))?;
    Ok(match (&event.operation, has_failed(&event)) {
        (Some(Operation::Create), true) => Some(Phase::Failed(failure(&event).message)),
        (_, true) => Some(Phase::Degraded(failure(&event).message)),
        _ if has_ended(&event) => {
            lock().remove(&key);
            None
        }
        _ => Some(phase(&event)),
    })
}

fn phase(event: &ProgressEvent) -> Phase {
    let status = event.operation_status.as_ref().map_or("", OperationStatus::as_str);
    match event.operation {
        Some(Operation::Delete) => Phase::Deleting,
        _ => Phase::Progressing(event.status_message.clone().unwrap_or_else(|| status.to_owned())),
    }
}

/// Requests of any process that go on, with the phases of their resources, by type and identifier.
///
/// # Errors
/// Returns errors of Cloud Control.
pub async fn running(aws: &Aws) -> Result<BTreeMap<(String, String), Phase>> {
    let running = [OperationStatus::Pending, OperationStatus::InProgress, OperationStatus::CancelInProgress];
    let filter = ResourceRequestStatusFilter::builder().set_operation_statuses(Some(running.to_vec())).build();
    let events = list(aws, filter).await?;
    Ok(events.into_iter().filter_map(|event| Some(((event.type_name.clone()?, event.identifier.clone()?), phase(&event)))).collect())
}

/// Why the last failed change of a resource failed, in the last seven days.
///
/// # Errors
/// Returns errors of Cloud Control.
pub async fn last_failure(aws: &Aws, type_name: &str, identifier: &str) -> Result<Option<String>> {
    let filter = ResourceRequestStatusFilter::builder().operations(Operation::Update).operation_statuses(OperationStatus::Failed).build();
    let failed = list(aws, filter).await?.into_iter();
    let own = failed.filter(|event| event.type_name() == Some(type_name) && event.identifier() == Some(identifier));
    Ok(own
        .max_by(|one, other| one.event_time.partial_cmp(&other.event_time).unwrap_or(Ordering::Equal))
        .map(|event| failure(&event).message))
}

async fn list(aws: &Aws, filter: ResourceRequestStatusFilter) -> Result<Vec<ProgressEvent>> {
    let call = aws.cloudcontrol.list_resource_requests().resource_request_status_filter(filter).max_results(100);
    let mut pages = call.into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        events.extend(page?.resource_request_status_summaries.unwrap_or_default());
    }
    Ok(events)
}
