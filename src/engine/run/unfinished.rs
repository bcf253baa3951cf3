//! Resources that unfinished runs touched, in a read after them: those that it may not show yet, and what it can't show.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::unix_millis;
use crate::{
    aws::types,
    core::{Address, Result},
    engine::{
        cloud::Cloud,
        discover::{LiveState, address_of},
        journal::TouchedResource,
    },
};

/// Longest time between the start of a call and its effect: the timeout of an attempt.
const LONGEST_CALL_MILLIS: u64 = crate::aws::CALL_TIMEOUT.as_secs() * 1000;

/// Waits until resources created just before a crash must be visible. Returns true if another read may show more.
///
/// A creation without an answer may have taken effect at any time until this read, but not longer than a call can take after it began.
pub async fn wait_until_visible(cloud: &Cloud, live_state: &LiveState, touched: &BTreeMap<Address, TouchedResource>) -> bool {
    let unseen = unseen_creations(live_state, touched);
    let read_at = live_state.read_at.unwrap_or_else(SystemTime::now);
    let created_at = |touched: &TouchedResource| match touched.unanswered_create {
        Some(began) => Some(unix_millis(read_at).min(began.saturating_add(LONGEST_CALL_MILLIS))),
        None => touched.last_created_at,
    };
    let Some(latest) = unseen.iter().filter_map(|(_, touched)| created_at(touched)).max() else { return false };
    let kinds = unseen.iter().filter_map(|(address, _)| types::resource_type(&address.type_name));
    let delay = kinds.map(|kind| cloud.visibility_delay_of(kind)).max().unwrap_or_else(|| cloud.visibility_delay());
    // The age at the time of the read counts; by now, it may be visible.
    let age = |at: SystemTime| Duration::from_millis(unix_millis(at).saturating_sub(latest));
    if delay <= age(read_at) {
        return false;
    }
    tokio::time::sleep(delay.saturating_sub(age(SystemTime::now()))).await;
    true
}

/// Resources that the runs created, or may have created, of which the read shows none. The previous resource at an address does not count.
fn unseen_creations<'a>(
    live_state: &LiveState,
    touched: &'a BTreeMap<Address, TouchedResource>,
) -> Vec<(&'a Address, &'a TouchedResource)> {
    let created = live_state.iter().filter_map(|live| Some((address_of(live)?, live)));
    let created = created.filter(|(address, live)| touched.get(address).is_some_and(|touched| touched.may_have_created(live)));
    let seen: BTreeSet<Address> = created.map(|(address, _)| address).collect();
    touched.iter().filter(|(address, touched)| !seen.contains(address) && touched.last_created_at.is_some()).collect()
}

/// Sets the fields with the fact `presumed` of resources that an unfinished run created, or started to delete, and did not update since, to
/// what the create call leaves: their reads can't show that the update after it is missing, or undone.
///
/// # Errors
/// Fails if a spec does not have its type's shape.
pub(in crate::engine) fn reset_presumed_fields(live_state: &mut LiveState, touched: &BTreeMap<Address, TouchedResource>) -> Result<()> {
    for live in live_state.live.values_mut().flatten() {
        let Some(kind) = types::resource_type(&live.type_name).filter(|kind| !kind.presumed.is_empty()) else { continue };
        let Some(touched) = address_of(live).and_then(|address| touched.get(&address)) else { continue };
        let is_being_deleted = touched.delete_started && touched.before.as_ref().is_some_and(|before| before.is_same_as(live));
        if (touched.may_have_created(live) || is_being_deleted) && !touched.updated_ids.contains(&live.id) {
            live.spec = kind.with_created_fields(&live.spec, &kind.presumed)?.into();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        core::{ADDRESS_TAG, LiveResource, Tags},
        engine::journal::{CallAction, CallResult, Intent, Line, Record, Replay, touched_resources},
    };

    fn address() -> Address {
        Address::new("certificate", "web")
    }

    /// An issued certificate, whose zone no read shows.
    fn certificate(id: &str) -> LiveResource {
        let spec = json!({ "domain": "www.example.com", "zone": { "id": "validated" } });
        let spec = types::resource_type("certificate").expect("a type").operations.parse(&spec).expect("a valid spec");
        let tags = Tags::from([(ADDRESS_TAG.to_owned(), "certificate.web".to_owned())]);
        LiveResource { tags: tags.into(), ..LiveResource::ready("certificate", id, spec) }
    }

    /// What calls about the certificate `old`, or `new`, leave in the journal.
    fn touched(calls: &[(CallAction, Option<&str>, Option<CallResult>)]) -> BTreeMap<Address, TouchedResource> {
        let mut lines = Vec::new();
        for (action, id, result) in calls {
            let number = lines.len() as u64 + 1;
            let intent = Intent {
                address: address(),
                action: *action,
                token: "token".into(),
                region: None,
                id: id.map(str::to_owned),
                before: Some(certificate("old")),
                complete: true,
                desired: Value::Null,
                tags: Tags::new(),
                depends_on: BTreeSet::new(),
                deferrable: BTreeSet::new(),
            };
            lines.push(Line { n: number, at: 0, record: Record::Intent(Box::new(intent)) });
            let result = result.clone().map(|result| Record::Result { intent: number, result });
            lines.extend(result.map(|record| Line { n: number + 1, at: 0, record }));
        }
        touched_resources(&[Replay { lines, ..Replay::default() }])
    }

    fn live(ids: &[&str]) -> LiveState {
        let live = ids.iter().map(|id| certificate(id)).collect();
        LiveState { live: BTreeMap::from([("certificate", live)]), ..LiveState::default() }
    }

    const CREATED: (CallAction, Option<&str>, Option<CallResult>) = (CallAction::Create, None, None);

    fn done(id: Option<&str>) -> Option<CallResult> {
        Some(CallResult::Done { id: id.map(str::to_owned) })
    }

    #[test]
    fn the_previous_resource_does_not_show_what_became_of_its_replacement() {
        let touched = touched(&[CREATED]);
        assert_eq!(unseen_creations(&live(&["old"]), &touched).len(), 1);
        assert_eq!(unseen_creations(&live(&["old", "new"]), &touched).len(), 0);
    }

    #[test]
    fn a_presumed_field_is_set_only_by_a_confirmed_update() {
        let zones_after = |calls: &[(CallAction, Option<&str>, Option<CallResult>)]| {
            let mut live = live(&["old", "new"]);
            reset_presumed_fields(&mut live, &touched(calls)).expect("valid specs");
            let is_set = |live: &LiveResource| !live.spec["zone"].is_null();
            live.iter().map(is_set).collect::<Vec<_>>()
        };
        let created = (CallAction::Create, None, done(Some("new")));
        let deletion_of_old = (CallAction::Delete, Some("old"), None);
        assert_eq!(zones_after(&[CREATED]), [true, false], "killed before the response");
        assert_eq!(zones_after(std::slice::from_ref(&created)), [true, false], "killed before the update");
        assert_eq!(zones_after(&[created.clone(), (CallAction::Update, Some("new"), Some(CallResult::Unknown))]), [true, false]);
        assert_eq!(zones_after(&[created, (CallAction::Update, Some("new"), done(None))]), [true, true]);
        assert_eq!(zones_after(&[(CallAction::Update, Some("old"), done(None)), deletion_of_old]), [false, true]);
    }
}
