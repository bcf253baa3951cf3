//! Reads a changed resource back until it is as desired.

use std::{
    collections::BTreeSet,
    sync::PoisonError,
    time::{Duration, Instant},
};

use super::{
    step::StepTask,
    wait::{AwaitedId, Condition, Status},
};
use crate::{
    core::{Error, ErrorKind, LiveResource, Phase, Result, Tags},
    engine::{discover::visible_tags, plan::FieldDiff},
};

/// Maximum number of further updates for differences found by a read. EKS accepts one kind of change at a time, and DynamoDB one of the 20
/// indexes of a table.
const MAX_UPDATE_ROUNDS: usize = 48;

/// Equal reads in a row that count, once a read has shown an older state: the next one may be answered by a server that lags.
const AGREEING_READS: usize = 3;

/// Longest pause between reads.
const MAX_PAUSE: Duration = Duration::from_secs(10);

impl StepTask {
    /// Reads the resource back and applies remaining differences until there are none. `applied` are the changes just applied; `None` if the
    /// response was lost. A read that lacks exactly those lags, and is repeated for minutes: AWS accepted the change. After that, the change
    /// counts, with a warning, if the read still shows the state before the call; another value is an error.
    pub(super) async fn verify(
        &self,
        id: &str,
        phase_before: Option<Phase>,
        sent_tags: Option<Tags>,
        applied: Option<Vec<FieldDiff>>,
    ) -> Result<LiveResource> {
        let target = &self.target;
        let mut accepted = applied.clone().unwrap_or_default();
        let mut last = applied.map(|missing| (missing, true));
        let mut called = Instant::now();
        let mut pause = Duration::from_millis(250);
        let (mut rounds, mut agreeing, mut has_lagged, mut asked) = (0, 0, false, false);
        loop {
            let at_once = target.kind.apply_immediately.is_some_and(|at| target.spec.pointer(at) == Some(&true.into()));
            let awaited = AwaitedId { renamed: self.id_after_rename(id), ..AwaitedId::from(id) };
            let ready = if at_once { Condition::Stable(awaited) } else { Condition::Ready(awaited) };
            let live = self.poller.wait(ready, phase_before.clone(), sent_tags.clone(), self.wait_options(), self.status.clone()).await?;
            let live = live.ok_or_else(|| Error::new(ErrorKind::Rejected, "NotThere", format!("`{id}` no longer exists")))?;
            let normalized = target.kind.operations.normalize(&target.spec, &live.spec);
            let missing = self.remaining_changes(&normalized);
            let tagged = !target.kind.is_taggable() || visible_tags(&live.tags, &target.call.tags) == target.call.tags;
            if missing.is_empty() && tagged {
                agreeing += 1;
                if !has_lagged || agreeing == AGREEING_READS {
                    return Ok(live);
                }
                tokio::time::sleep(pause).await;
                continue;
            }
            agreeing = 0;
            let state = (missing, tagged);
            if last.as_ref() == Some(&state) {
                // A value that AWS's API can't unset remains.
                if tagged && state.0.iter().all(|field| field.after.is_null()) {
                    return Ok(live);
                }
                has_lagged = true;
                // A change that failed after it was accepted never becomes visible.
                let cloud = &self.journaled_cloud.cloud;
                let is_over = called.elapsed() > cloud.update_lag_of(target.kind);
                if is_over || (!asked && called.elapsed() > cloud.visibility_delay_of(target.kind)) {
                    asked = true;
                    if cloud.explain(target.kind, &live).await.is_ok_and(|reason| reason.is_some()) {
                        return Err(self.not_applied_error(&state.0, &live).await);
                    }
                }
                if is_over {
                    if tagged && state.0.iter().all(|field| accepted.contains(field)) {
                        return Ok(self.accept_unconfirmed(&state.0, live));
                    }
                    return Err(self.not_applied_error(&state.0, &live).await);
                }
                self.report_lag(&state.0);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
                continue;
            }
            if rounds == MAX_UPDATE_ROUNDS {
                return Err(self.not_applied_error(&state.0, &live).await);
            }
            let _under_way = self.poller.in_flight();
            let answered =
                self.apply_with_tags(&LiveResource { spec: normalized.into(), ..live.clone() }, state.0.clone()).await?.is_some();
            if answered && rounds == 0 && accepted.is_empty() {
                accepted.clone_from(&state.0);
            }
            last = answered.then_some(state);
            called = Instant::now();
            rounds += 1;
        }
    }

    fn report_lag(&self, missing: &[FieldDiff]) {
        let fields: Vec<&str> = missing.iter().map(|field| field.pointer.trim_start_matches('/')).collect();
        let what = if fields.is_empty() { "the tags".to_owned() } else { fields.join(", ") };
        // Without a progress display there is no receiver.
        self.status.send(Status::Reported(format!("AWS accepted the change, and does not show {what} yet"))).ok();
    }

    /// Accepts a change that AWS confirmed, though reads do not show it, and warns. The resource is recorded as AWS confirmed it.
    fn accept_unconfirmed(&self, missing: &[FieldDiff], live: LiveResource) -> LiveResource {
        let fields: Vec<String> =
            missing.iter().map(|field| format!("{} as {}", field.pointer.trim_start_matches('/'), field.after)).collect();
        let warning = format!("AWS accepted the change, but does not show {} yet: plan again later", fields.join(", "));
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).push((self.target.address.clone(), warning));
        live
    }

    /// Error about settings that AWS did not apply: fields, tags, and AWS's reason if known.
    async fn not_applied_error(&self, missing: &[FieldDiff], live: &LiveResource) -> Error {
        let mut parts: Vec<String> =
            missing.iter().map(|f| format!("{} is {}, expected {}", f.pointer.trim_start_matches('/'), f.before, f.after)).collect();
        let wanted = &self.target.call.tags;
        let has = visible_tags(&live.tags, wanted);
        let keys: BTreeSet<&String> =
            if self.target.kind.is_taggable() { has.keys().chain(wanted.keys()).collect() } else { BTreeSet::new() };
        for key in keys.into_iter().filter(|key| has.get(*key) != wanted.get(*key)) {
            let word = |tags: &Tags| tags.get(key).map_or("unset".to_owned(), |value| format!("`{value}`"));
            parts.push(format!("tag {key} is {}, expected {}", word(&has), word(wanted)));
        }
        // The reason is optional: reading it may fail.
        let why = if missing.is_empty() { None } else { self.journaled_cloud.cloud.explain(self.target.kind, live).await.ok().flatten() };
        parts.extend(why.map(|why| format!("AWS reports: {why}")));
        Error::new(ErrorKind::Rejected, "NotKept", format!("AWS did not apply the requested settings: {}", parts.join("; ")))
    }
}
