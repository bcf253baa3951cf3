//! Batches of changes to DNS zones. Route 53 accepts one change batch per zone at a time and rejects the next one while it works, so
//! concurrent changes of a zone are sent together.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_route53::{
    Client,
    operation::change_resource_record_sets::ChangeResourceRecordSetsError,
    types::{Change, ChangeAction, ChangeBatch},
};
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::core::{Error, ErrorKind, Result};

/// Time for which a batch collects further changes.
const BATCH_WINDOW: Duration = Duration::from_millis(250);
/// Size limit of a batch: 32,000 characters of values and 1,000 records, both counted twice for UPSERT. A record counts as at least 32
/// characters here, so that one number covers both limits.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests>
const MAX_BATCH_WEIGHT: usize = 32_000;
const INVALID_BATCH: &str = "InvalidChangeBatch";

/// Queue for changes to DNS zones.
pub struct DnsChanges {
    client: Client,
    batcher: Batcher<Change>,
}

impl DnsChanges {
    /// Sends with this client.
    pub fn new(client: Client) -> DnsChanges {
        DnsChanges { client, batcher: Batcher { queues: Mutex::default(), weigh } }
    }

    /// Makes these changes, all or none, in one batch with other concurrent changes of the zone. Identical changes are made once.
    ///
    /// # Errors
    /// Returns AWS's error for these changes: [`ErrorKind::AlreadyExists`] if a record to create exists, [`ErrorKind::NotFound`] if one to
    /// delete does not, or not with these values.
    pub async fn submit(&self, zone: &str, changes: Vec<Change>) -> Result<()> {
        self.batcher.submit(zone, changes, |changes| self.send(zone, changes)).await
    }

    async fn send(&self, zone: &str, changes: Vec<Change>) -> Result<()> {
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build()?;
        let call = self.client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
        let Err(error) = call.send().await else { return Ok(()) };
        // The reasons are a list beside the message, or the complete response.
        let reasons = match error.as_service_error() {
            Some(ChangeResourceRecordSetsError::InvalidChangeBatch(invalid)) => Some(invalid.messages().join("; ")),
            _ => error.raw_response().and_then(|reply| reply.body().bytes()).and_then(|body| parse_reasons(&String::from_utf8_lossy(body))),
        };
        let mut error = Error::from(error);
        if let Some(reasons) = reasons {
            error.code = INVALID_BATCH.to_owned();
            error.message = if reasons.is_empty() { error.message } else { reasons };
        }
        if error.code == INVALID_BATCH {
            error.kind = match &error.message {
                text if text.contains("already exists") => ErrorKind::AlreadyExists,
                text if text.contains("was not found") || text.contains("do not match the current values") => ErrorKind::NotFound,
                _ => ErrorKind::Rejected,
            };
        }
        Err(error)
    }
}

/// Reasons in a response whose root element is the error itself, as in the API reference; the SDK finds no code there.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
fn parse_reasons(body: &str) -> Option<String> {
    let (_, body) = body.split_once("<InvalidChangeBatch")?;
    let messages = body.split("<Message>").skip(1).filter_map(|rest| Some(rest.split_once("</Message>")?.0));
    Some(messages.collect::<Vec<_>>().join("; "))
}

fn weigh(change: &Change) -> usize {
    let records = change.resource_record_set().map(|set| set.resource_records()).unwrap_or_default();
    let weight = records.iter().map(|record| record.value().len().max(32)).sum::<usize>().max(32);
    if change.action == ChangeAction::Upsert { 2 * weight } else { weight }
}

/// Collects submissions for a key while none of that key is in flight.
struct Batcher<C> {
    queues: Mutex<HashMap<String, Queue<C>>>,
    weigh: fn(&C) -> usize,
}

/// The task that holds the gate sends for all waiting ones.
struct Queue<C> {
    send_lock: Arc<tokio::sync::Mutex<()>>,
    pending: Vec<Submission<C>>,
}

struct Submission<C> {
    changes: Vec<C>,
    reply: oneshot::Sender<Result<()>>,
}

impl<C: Clone + PartialEq> Batcher<C> {
    async fn submit<F: Future<Output = Result<()>>>(&self, key: &str, changes: Vec<C>, send: impl Fn(Vec<C>) -> F) -> Result<()> {
        let (answer, mut mine) = oneshot::channel();
        let gate = self.with_queue(key, |queue| {
            queue.pending.push(Submission { changes, reply: answer });
            queue.send_lock.clone()
        });
        let _turn = gate.lock().await;
        loop {
            match mine.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Closed) => {
                    return Err(Error::new(ErrorKind::Unavailable, "Cancelled", "the batch with this change was cancelled"));
                }
                Err(TryRecvError::Empty) => {}
            }
            tokio::time::sleep(BATCH_WINDOW).await;
            let taken = self.next_batch(key);
            let mut all = Vec::new();
            for change in taken.iter().flat_map(|waiting| &waiting.changes) {
                if !all.contains(change) {
                    all.push(change.clone());
                }
            }
            let answer = send(all).await;
            // A batch succeeds or fails as a whole: sent alone, each change gets its own response.
            let split = taken.len() > 1 && answer.as_ref().is_err_and(|error| error.code == INVALID_BATCH);
            for Submission { changes, reply: to } in taken {
                let answer = if split { send(changes).await } else { answer.clone() };
                // The caller may not be waiting for the result.
                let _ = to.send(answer);
            }
        }
    }

    fn with_queue<T>(&self, key: &str, act: impl FnOnce(&mut Queue<C>) -> T) -> T {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        act(queues.entry(key.to_owned()).or_insert_with(|| Queue { send_lock: Arc::default(), pending: Vec::new() }))
    }

    /// Takes as many waiting submissions as fit into one batch, at least one.
    fn next_batch(&self, key: &str) -> Vec<Submission<C>> {
        self.with_queue(key, |queue| {
            let mut sum = 0;
            let fits = queue.pending.iter().take_while(|waiting| {
                sum += waiting.changes.iter().map(self.weigh).sum::<usize>();
                sum <= MAX_BATCH_WEIGHT
            });
            let count = fits.count().max(1).min(queue.pending.len());
            queue.pending.drain(..count).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_reasons_from_a_bare_error_document() {
        let body = "<?xml version=\"1.0\"?><InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages>\
                    <Message>one</Message><Message>two</Message></Messages></InvalidChangeBatch>";
        assert_eq!(parse_reasons(body).as_deref(), Some("one; two"));
        assert_eq!(
            parse_reasons("<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>one</Message></Error></ErrorResponse>"),
            None
        );
    }

    async fn submit_all(weigh: fn(&u32) -> usize, changes: &[u32], bad: u32) -> (Vec<Vec<u32>>, Vec<bool>) {
        let gather = Batcher { queues: Mutex::default(), weigh };
        let sent = Mutex::new(Vec::new());
        let all = changes.iter().map(|change| {
            gather.submit("zone", vec![*change], |batch| {
                let invalid = batch.contains(&bad);
                sent.lock().expect("one test").push(batch);
                async move { if invalid { Err(Error::new(ErrorKind::Rejected, INVALID_BATCH, "bad")) } else { Ok(()) } }
            })
        });
        let answers = futures::future::join_all(all).await.iter().map(Result::is_ok).collect();
        (sent.into_inner().expect("one test"), answers)
    }

    #[tokio::test]
    async fn sends_concurrent_changes_in_one_batch() {
        assert_eq!(submit_all(|_| 1, &[1, 2, 2, 3], 0).await, (vec![vec![1, 2, 3]], vec![true; 4]));
    }

    #[tokio::test]
    async fn splits_batches_at_the_size_limit() {
        assert_eq!(submit_all(|_| MAX_BATCH_WEIGHT / 2, &[1, 2, 3], 0).await.0, [vec![1, 2], vec![3]]);
        assert_eq!(submit_all(|_| 2 * MAX_BATCH_WEIGHT, &[1, 2], 0).await.0, [vec![1], vec![2]]);
    }

    #[tokio::test]
    async fn gives_each_change_its_own_error() {
        assert_eq!(submit_all(|_| 1, &[1, 2], 2).await, (vec![vec![1, 2], vec![1], vec![2]], vec![true, false]));
    }
}
