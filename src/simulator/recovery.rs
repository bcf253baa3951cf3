//! Deleted resources within their recovery window: keys and secrets.

use std::time::Duration;

use serde_json::Value;

use super::{
    CallTime, constraints, millis,
    resource::{SimulatedResource, Version},
    store::CloudState,
};
use crate::core::{ErrorKind, OnDelete, ResourceType, Result};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Time for which a deleted resource can be restored; `None` if it is deleted at once.
pub(super) fn window(kind: &ResourceType, entry: &SimulatedResource, on_delete: OnDelete) -> Option<Duration> {
    let days = entry.spec().pointer(kind.recovery_window?).and_then(Value::as_u64)?;
    let days = if on_delete == OnDelete::Delete { kind.shortest_window_days } else { days };
    u32::try_from(days).ok().filter(|days| *days > 0).map(|days| DAY * days)
}

/// Starts the recovery window. A name that is set after the creation, such as an alias, is removed with the resource and free at once.
pub(super) fn schedule_deletion(kind: &ResourceType, entry: &mut SimulatedResource, time: CallTime, window: Duration) {
    entry.deletion = Some((time.now, time.now + millis(window)));
    entry.recoverable = true;
    if kind.naming.is_some() && kind.after_create.contains(&NAME) {
        let mut version = Version { written_at: time.now, ..entry.latest().clone() };
        if let Some(name) = version.spec.pointer_mut(NAME) {
            *name = Value::Null;
        }
        entry.push_version(version, time.visible_until);
    }
}

/// The field of a name, see [`ResourceType::naming`].
const NAME: &str = "/name";

/// A deleted resource, restored.
///
/// # Errors
/// Fails if it does not exist, or was not deleted.
pub(super) fn restored(state: &CloudState, kind: &ResourceType, (region, id): (Option<&str>, &str)) -> Result<SimulatedResource> {
    let known = state.resources.get(&state.key(kind.name, &state.region_of(kind, region), id)).cloned();
    let mut entry = known.ok_or_else(|| constraints::not_found(ErrorKind::NotFound, kind.name, id))?;
    entry.deletion = None;
    entry.recoverable = false;
    Ok(entry)
}
