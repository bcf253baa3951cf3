//! Calls that delete, create and change several resources, all or none.

use super::{
    Simulator, constraints,
    resource::{SimulatedResource, Version},
};
use crate::core::{ErrorKind, ExchangeTarget, ResourceType, Result};

impl Simulator {
    /// See [`crate::core::Resource::exchange`].
    ///
    /// # Errors
    /// Returns AWS's errors, and injected faults.
    pub async fn exchange(&self, kind: &'static ResourceType, parts: &[ExchangeTarget<'_>]) -> Result<Vec<Option<String>>> {
        tokio::task::yield_now().await;
        let parameters = || parts.iter().map(|part| part.call.address.clone()).collect();
        self.call(kind.name, "exchange", parameters, |inner| {
            let address = || parts.first().map(|part| part.call.address.clone()).unwrap_or_default();
            let after = inner.calls.count_write(&self.behaviour.faults, || ("exchange", address()))?;
            let held = inner.store.lock_for_write()?;
            let time = self.advance(&mut inner.store.state);
            let state = &mut inner.store.state;
            let mut before: Vec<Option<SimulatedResource>> = Vec::new();
            for part in parts {
                let Some(live) = part.before else {
                    before.push(None);
                    continue;
                };
                let key = state.key(kind.name, &state.region_of(kind, part.call.region.as_deref()), &live.id);
                match state.resources.get(&key).filter(|entry| entry.deletion.is_none()).cloned() {
                    Some(entry) => before.push(Some(entry)),
                    None => return Err(constraints::not_found(ErrorKind::NotFound, kind.name, &live.id)),
                }
            }
            for entry in before.iter().flatten() {
                let key = state.key_of(entry);
                state.remove(&key);
            }
            let mut made: Vec<Option<SimulatedResource>> = Vec::new();
            let mut ids = Vec::new();
            let mut refused = None;
            for (part, old) in parts.iter().zip(&before) {
                let Some(spec) = part.after else {
                    made.push(None);
                    ids.push(None);
                    continue;
                };
                let built = self.build_resource(state, time, kind, part.call, spec).and_then(|new| {
                    let changed = old.clone().filter(|old| old.id == new.id).map(|mut old| {
                        let version = new.latest().clone();
                        old.push_version(Version { written_at: time.now, ..version }, time.visible_until);
                        old
                    });
                    let is_new = changed.is_none();
                    let entry = changed.unwrap_or(new);
                    self.validate(state, time, kind, &entry, is_new).map(|()| (entry, is_new))
                });
                match built {
                    Ok((entry, is_new)) => {
                        ids.push(is_new.then(|| entry.id.clone()));
                        state.insert(entry.clone());
                        made.push(Some(entry));
                    }
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
            }
            // The state in memory is that on disk until everything is valid.
            for entry in made.iter().flatten() {
                let key = state.key_of(entry);
                state.remove(&key);
            }
            before.iter().flatten().for_each(|entry| state.insert(entry.clone()));
            if let Some(error) = refused {
                return Err(error);
            }
            let stays = |old: &SimulatedResource| made.iter().flatten().any(|new| state.key_of(new) == state.key_of(old));
            let gone = before.iter().flatten().filter(|old| !stays(old)).map(|old| {
                let deletion = Some((time.now, time.now));
                SimulatedResource { deletion, ..old.clone() }
            });
            let entries = gone.chain(made.iter().flatten().cloned()).collect();
            inner.store.write_all(entries)?;
            self.advance(&mut inner.store.state);
            drop(held);
            inner.calls.finish(after, ids, &self.behaviour.faults)
        })
        .await
    }
}
