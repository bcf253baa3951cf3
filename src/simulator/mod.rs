//! The simulated cloud: a replacement for AWS without an account, for rehearsals and for tests.
//!
//! It has no code for single resource types. Ids, outputs and errors follow from the facts of each type ([`ResourceType`] and its
//! schemas) and from tables in this module. It stores its state in a folder, responds at once or as slowly as AWS, shows writes at once or
//! late, rejects what AWS rejects, and can inject failures and crashes:
//!
//! `ACME_LOCAL_FAULT=refuse:7` rejects the 7th mutating call of the process before it takes effect, `lost:7` loses its response,
//! `crash-before:7` and `crash-after:7` crash the process, `throttle:3` throttles every third call, `lag:2000` makes reads lag by two
//! seconds, `settle:0.01` makes everything take a hundredth of its typical duration, and `waiting:certificate` makes new certificates wait
//! for a person, until a run without it, `gate:insights` makes a gate of an upgrade find a problem, `gate:target_group.web` makes a resource
//! unhealthy, and `backup:3600` makes the newest backups an hour old. Several are separated by commas. See [`Behaviour`].

mod account;
mod constraints;
mod exchange;
mod ids;
mod images;
mod recovery;
mod rename;
mod resource;
mod schema;
mod seed;
mod store;
#[cfg(test)]
mod tests;
mod timing;
mod validation;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

pub use timing::{Behaviour, CrashMode, FAULT_VARIABLE, FaultHit, Faults, Timing};

use self::{
    resource::{Millis, SimulatedResource, Version, copy_at},
    store::{CloudState, Store},
    timing::CallCounter,
    validation::describe_user,
};
use crate::{
    aws::types,
    core::{
        ADDRESS_TAG, CallContext, ChangedFields, Error, ErrorKind, HIDDEN, LiveResource, OnDelete, ResourceType, Result, Scope, TagChange,
        Tags, UNTAGGED,
        trace::{self, Call, Level},
    },
    kubernetes,
};

/// The simulated cloud.
pub struct Simulator {
    folder: PathBuf,
    region: String,
    account: String,
    behaviour: Behaviour,
    clock: Clock,
    inner: Mutex<Inner>,
}

/// Time by which the newest backup lags behind the data:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html>.
const BACKUP_LAG: Duration = Duration::from_secs(300);

struct Inner {
    store: Store,
    calls: CallCounter,
    counts: BTreeMap<(String, String), u64>,
}

/// Time of day that follows tokio's clock, so that tests with a paused clock need not wait.
struct Clock {
    opened_at: Millis,
    started: tokio::time::Instant,
}

/// Time of a call.
#[derive(Clone, Copy)]
struct CallTime {
    now: Millis,
    /// Time of the state that reads return.
    visible_until: Millis,
}

impl Simulator {
    /// Account of all resources, unless [`Simulator::with_account`] sets another one.
    pub const ACCOUNT: &'static str = "123456789012";

    /// Opens the cloud stored in `dir`, or creates an empty one. Extends `behaviour` with [`FAULT_VARIABLE`].
    ///
    /// # Errors
    /// Fails if the folder can't be read or written, or the variable is not valid.
    pub fn open(dir: impl Into<PathBuf>, region: &str, mut behaviour: Behaviour) -> Result<Simulator> {
        if let Ok(text) = std::env::var(FAULT_VARIABLE) {
            behaviour.extend(&text)?;
        }
        Simulator::with_behaviour(dir, region, behaviour)
    }

    /// Opens the cloud stored in `dir`, or creates an empty one, with exactly this behaviour, ignoring [`FAULT_VARIABLE`].
    ///
    /// # Errors
    /// Fails if the folder can't be read or written.
    pub fn with_behaviour(dir: impl Into<PathBuf>, region: &str, behaviour: Behaviour) -> Result<Simulator> {
        let opened = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        let clock = Clock { opened_at: opened, started: tokio::time::Instant::now() };
        let folder = dir.into();
        let store = Store::open(&folder, region)?;
        let inner = Inner { store, calls: CallCounter::default(), counts: BTreeMap::new() };
        Ok(Simulator {
            folder,
            region: region.to_owned(),
            account: Simulator::ACCOUNT.to_owned(),
            behaviour,
            clock,
            inner: Mutex::new(inner),
        })
    }

    /// The same cloud, in which new resources belong to this account.
    pub fn with_account(self, account: impl Into<String>) -> Simulator {
        Simulator { account: account.into(), ..self }
    }

    /// Account of new resources.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Folder of the cloud.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Region of the stack.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Resources of a type in a region.
    pub fn resources(&self, type_name: &str, region: Option<&str>) -> Vec<LiveResource> {
        let Some(kind) = types::resource_type(type_name) else { return Vec::new() };
        self.with_inner(|inner| {
            // An unreadable file means unchanged content.
            let _held = inner.store.lock().ok();
            let time = self.advance(&mut inner.store.state);
            let state = &inner.store.state;
            let region = state.region_of(kind, region);
            let here = state.of_type(kind.name).filter(|entry| entry.region == region);
            here.filter_map(|entry| entry.view_at(time.now, |_| true)).collect()
        })
    }

    /// Gates that find a problem.
    pub fn failing_gates(&self) -> &BTreeSet<String> {
        &self.behaviour.faults.gates
    }

    /// Time of the data in the newest backup of a resource, in milliseconds since 1970: up to [`BACKUP_LAG`] ago, as in RDS and DynamoDB, but no
    /// earlier than the resource is ready. `None` until then.
    pub fn newest_backup_time(&self, kind: &ResourceType, resource: (Option<&str>, &str)) -> Option<u64> {
        self.with_inner(|inner| {
            // An unreadable file means unchanged content.
            let _held = inner.store.lock().ok();
            let time = self.advance(&mut inner.store.state);
            let state = &inner.store.state;
            let entry = state.resources.get(&state.key(kind.name, &state.region_of(kind, resource.0), resource.1))?;
            let usual = || time.now.saturating_sub(millis(BACKUP_LAG)).max(entry.ready_at);
            let newest = self.behaviour.faults.backup_age.map_or_else(usual, |age| time.now.saturating_sub(millis(age)));
            (entry.ready_at <= time.now).then_some(newest)
        })
    }

    /// Time for which reads lag behind writes.
    pub fn read_lag(&self) -> Duration {
        self.behaviour.read_lag
    }

    /// See [`crate::core::Resource::list`].
    ///
    /// # Errors
    /// Returns injected throttling, and fails if the state can't be read.
    pub async fn list(&self, kind: &'static ResourceType, scope: &Scope) -> Result<Vec<LiveResource>> {
        tokio::task::yield_now().await;
        self.call(
            kind.name,
            "list",
            || json!({ "region": scope.region, "ids": scope.ids }),
            |inner| {
                inner.calls.count_read(&self.behaviour.faults)?;
                let _held = inner.store.lock()?;
                let time = self.advance(&mut inner.store.state);
                let state = &inner.store.state;
                let region = state.region_of(kind, scope.region.as_deref());
                let view = |entry: &SimulatedResource| entry.view_at(time.visible_until, |version| in_scope(entry, version, scope));
                let seen = |entry: &SimulatedResource| view(entry).map(|live| self.as_waiting(entry, live));
                let ghosts = state.visible_deleted.iter().filter(|ghost| ghost.type_name == kind.name && ghost.region == region);
                Ok(match &scope.ids {
                    Some(ids) => {
                        let standing = ids.iter().filter_map(|id| state.resources.get(&state.key(kind.name, &region, id)));
                        standing.chain(ghosts.filter(|ghost| ids.contains(&ghost.id))).filter_map(seen).collect()
                    }
                    None => {
                        let here = state.of_type(kind.name).filter(|entry| entry.region == region);
                        here.chain(ghosts).filter_map(seen).collect()
                    }
                })
            },
        )
        .await
    }

    /// See [`crate::core::Resource::create`].
    ///
    /// # Errors
    /// Returns AWS's errors, and injected faults.
    pub async fn create(&self, kind: &'static ResourceType, call: &CallContext, spec: &Value) -> Result<String> {
        tokio::task::yield_now().await;
        let parameters = || json!({ "address": call.address, "region": call.region, "fields": shown_spec(kind, spec) });
        self.call(kind.name, "create", parameters, |inner| {
            let after = inner.calls.count_write(&self.behaviour.faults, || ("create", call.address.clone()))?;
            let held = inner.store.lock_for_write()?;
            let time = self.advance(&mut inner.store.state);
            let id = match (&call.dormant, self.created_by_token(&inner.store.state, kind, call)) {
                (Some(id), _) => {
                    let restored = recovery::restored(&inner.store.state, kind, (call.region.as_deref(), id))?;
                    inner.store.write(restored)?;
                    id.clone()
                }
                (None, Some(id)) => id,
                (None, None) => {
                    let entry = self.build_resource(&mut inner.store.state, time, kind, call, spec)?;
                    self.validate(&mut inner.store.state, time, kind, &entry, true)?;
                    let id = entry.id.clone();
                    inner.store.write(entry)?;
                    id
                }
            };
            drop(held);
            inner.calls.finish(after, id, &self.behaviour.faults)
        })
        .await
    }

    /// See [`crate::core::Resource::update`].
    ///
    /// # Errors
    /// Returns AWS's errors, and injected faults.
    pub async fn update(
        &self,
        kind: &'static ResourceType,
        resource: (Option<&str>, &str),
        spec: &Value,
        pointers: &[String],
    ) -> Result<()> {
        tokio::task::yield_now().await;
        let parameters = || {
            let shown = shown_spec(kind, spec);
            let fields: Map<String, Value> =
                pointers.iter().map(|at| (at.clone(), shown.pointer(at).cloned().unwrap_or_default())).collect();
            json!({ "id": resource.1, "region": resource.0, "fields": fields })
        };
        self.change_resource(kind, "update", resource, parameters, |state, time, entry| {
            let id = resource.1;
            if let Some(code) = kind.service.busy_code.filter(|_| entry.ready_at > time.now) {
                return Err(Error::new(ErrorKind::Conflict, code, format!("'{id}' is still being created")));
            }
            validation::validate_versions(kind, entry.spec(), spec, pointers)?;
            validation::validate_entry_quotas(kind, entry.spec(), spec)?;
            validation::validate_resized_ranges(kind, entry.spec(), spec)?;
            validation::validate_kept(state, kind, entry, spec, pointers)?;
            let mut version = Version { written_at: time.now, ..entry.latest().clone() };
            for pointer in pointers {
                if kind.replaces.iter().any(|fixed| ChangedFields(vec![pointer.clone()]).contains(fixed))
                    && version.spec.pointer(pointer) != spec.pointer(pointer)
                {
                    let message = format!("{pointer} of a {} cannot be changed", kind.name.replace('_', " "));
                    return Err(Error::new(ErrorKind::Rejected, "InvalidParameterCombination", message));
                }
                copy_at(&mut version.spec, spec, pointer);
            }
            entry.push_version(version, time.visible_until);
            entry.outputs = self.updated_outputs(state, kind, entry);
            if kind.permanent_id.is_some() && pointers.iter().any(|pointer| pointer == "/name") {
                *entry = self.renamed(state, time, kind, entry)?;
            }
            self.validate(state, time, kind, entry, false)
        })
        .await
    }

    /// See [`crate::core::Resource::retag`].
    ///
    /// # Errors
    /// Fails if the resource does not exist, and returns injected faults.
    pub async fn change_tags(&self, kind: &'static ResourceType, resource: (Option<&str>, &str), change: &TagChange<'_>) -> Result<()> {
        self.write_tags(kind, resource, |tags| {
            tags.retain(|key, _| !change.remove.contains(key) && key != UNTAGGED);
            tags.extend(change.set.clone());
        })
        .await
    }

    /// Replaces all tags of a resource, also those of others.
    ///
    /// # Errors
    /// As [`Simulator::change_tags`].
    pub async fn retag(&self, kind: &'static ResourceType, resource: (Option<&str>, &str), after: &Tags) -> Result<()> {
        self.write_tags(kind, resource, |tags| tags.clone_from(after)).await
    }

    async fn write_tags(&self, kind: &'static ResourceType, resource: (Option<&str>, &str), change: impl FnOnce(&mut Tags)) -> Result<()> {
        tokio::task::yield_now().await;
        let parameters = || json!({ "id": resource.1, "region": resource.0 });
        self.change_resource(kind, "retag", resource, parameters, |_, time, entry| {
            let mut tags = entry.latest().tags.clone().into_inner();
            change(&mut tags);
            let version = Version { written_at: time.now, spec: entry.latest().spec.clone(), tags: tags.into() };
            entry.push_version(version, time.visible_until);
            Ok(())
        })
        .await
    }

    /// See [`crate::core::Resource::delete`].
    ///
    /// # Errors
    /// Returns AWS's errors, and injected faults.
    pub async fn delete(&self, kind: &'static ResourceType, resource: (Option<&str>, &str), on_delete: OnDelete) -> Result<()> {
        tokio::task::yield_now().await;
        let parameters = || json!({ "id": resource.1, "region": resource.0 });
        self.change_resource(kind, "delete", resource, parameters, |state, time, entry| {
            let id = resource.1;
            if entry.deletion.is_some() {
                return Ok(());
            }
            let protection = kind.protects_deletion.and_then(|field| entry.spec().get(field.trim_start_matches('/')));
            if protection == Some(&Value::Bool(true)) {
                return Err(Error::new(ErrorKind::Rejected, "OperationNotPermitted", format!("'{id}' is protected from deletion")));
            }
            if let Some(code) = kind.service.busy_code.filter(|_| entry.ready_at > time.now) {
                return Err(Error::new(ErrorKind::Conflict, code, format!("'{id}' is still being created")));
            }
            let is_detached = |user: &&String| {
                let type_name = state.resources.get(*user).map(|user| user.type_name.as_str());
                type_name.and_then(types::resource_type).is_some_and(|user| user.detached_by.contains(&kind.name))
            };
            let is_deleted = |user: &&String| state.resources.get(*user).is_some_and(|user| user.recoverable);
            let deleted_with = state.deleted_with(entry);
            let users = state.dependents_of(entry).into_iter();
            let users = users.filter(|user| !is_detached(user) && !is_deleted(user) && !deleted_with.contains(user));
            let users: Vec<&String> = users.collect();
            if let Some(user) = users.first().filter(|_| kind.blocked_by_dependents) {
                return Err(constraints::in_use(kind, id, &describe_user(state, user, entry), users.len() - 1));
            }
            match recovery::window(kind, entry, on_delete) {
                Some(window) => recovery::schedule_deletion(kind, entry, time, window),
                None => entry.deletion = Some((time.now, time.now + millis(self.deletion_duration(kind)))),
            }
            Ok(())
        })
        .await
    }

    /// All resources by `type/id`, with ` in <region>` if that is not the stack's: spec, tags, outputs and phase. Clouds with equal dumps are
    /// equal, except for deleted resources within their recovery window.
    pub fn dump(&self) -> BTreeMap<String, Value> {
        self.with_inner(|inner| {
            // An unreadable file means unchanged content.
            let _held = inner.store.lock().ok();
            let time = self.advance(&mut inner.store.state);
            let entries = inner.store.state.resources.iter();
            entries
                .filter(|(_, entry)| !entry.recoverable)
                .filter_map(|(key, entry)| Some((key.clone(), entry.view_at(time.now, |_| true)?)))
                .map(|(key, live)| (key, json!({ "spec": live.spec, "tags": live.tags, "outputs": live.outputs, "phase": live.phase })))
                .collect()
        })
    }

    /// Copies all resources to another folder.
    ///
    /// # Errors
    /// Fails if the state can't be read or written.
    pub fn copy(&self, dir: &Path) -> Result<()> {
        self.with_inner(|inner| {
            let _held = inner.store.lock()?;
            inner.store.copy(dir)
        })
    }

    /// Number of mutating calls of this process, for comparison with [`Faults`].
    pub fn mutating_calls(&self) -> u64 {
        self.with_inner(|inner| inner.calls.mutating)
    }

    /// Mutating calls with an injected fault, in order.
    pub fn fault_hits(&self) -> Vec<FaultHit> {
        self.with_inner(|inner| inner.calls.fault_hits.clone())
    }

    /// Number of calls of this process, by type and `list`, `create`, `update`, `retag` or `delete`.
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.with_inner(|inner| inner.counts.clone())
    }

    fn with_inner<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a call, counted and recorded with its parameters.
    async fn call<T>(
        &self,
        kind: &str,
        action: &str,
        parameters: impl FnOnce() -> Value,
        act: impl FnOnce(&mut Inner) -> Result<T>,
    ) -> Result<T> {
        let (at, started) = (SystemTime::now(), Instant::now());
        let ended = self.with_inner(|inner| {
            if inner.calls.halted {
                return None;
            }
            *inner.counts.entry((kind.to_owned(), action.to_owned())).or_default() += 1;
            let ended = act(inner);
            (!inner.calls.halted).then_some(ended)
        });
        let Some(ended) = ended else { return std::future::pending().await };
        if trace::is_recorded(Level::Calls) {
            let call = Call {
                service: "simulated cloud".to_owned(),
                action: format!("{action} {kind}"),
                region: self.region.clone(),
                parameters: parameters(),
                attempt: 1,
                error: ended.as_ref().err().map(|error| error.code.clone()),
                ..Call::default()
            };
            trace::call(at, started.elapsed(), call);
        }
        ended
    }

    /// Makes a call that changes one resource.
    async fn change_resource(
        &self,
        kind: &'static ResourceType,
        action: &'static str,
        resource: (Option<&str>, &str),
        parameters: impl FnOnce() -> Value,
        act: impl FnOnce(&mut CloudState, CallTime, &mut SimulatedResource) -> Result<()>,
    ) -> Result<()> {
        self.call(kind.name, action, parameters, |inner| {
            let (region, id) = resource;
            let state = &inner.store.state;
            let key = state.key(kind.name, &state.region_of(kind, region), id);
            let address = || inner.store.state.resources.get(&key).and_then(|entry| entry.latest().tags.get(ADDRESS_TAG)).unwrap_or(&key);
            let after = inner.calls.count_write(&self.behaviour.faults, || (action, address().clone()))?;
            let held = inner.store.lock_for_write()?;
            let time = self.advance(&mut inner.store.state);
            let known = inner.store.state.resources.get(&key).cloned();
            let before = known.ok_or_else(|| constraints::not_found(ErrorKind::NotFound, kind.name, id))?;
            let mut entry = before.clone();
            if entry.created_at > time.visible_until {
                return Err(constraints::not_found(ErrorKind::NotYetVisible, kind.name, id));
            }
            if entry.recoverable && action != "delete" {
                return Err(constraints::scheduled_for_deletion(kind, id));
            }
            if entry.deletion.is_some() && action != "delete" {
                return Err(Error::new(ErrorKind::Conflict, "IncorrectState", format!("'{id}' is being deleted")));
            }
            act(&mut inner.store.state, time, &mut entry)?;
            let is_renamed = before.id != entry.id;
            let old = is_renamed.then_some(SimulatedResource { deletion: Some((time.now, time.now)), ..before });
            inner.store.write_all(old.into_iter().chain([entry]).collect())?;
            self.advance(&mut inner.store.state);
            drop(held);
            inner.calls.finish(after, (), &self.behaviour.faults)
        })
        .await
    }

    /// Returns the current time, after removing deleted resources.
    fn advance(&self, state: &mut CloudState) -> CallTime {
        let now = self.clock.now().max(state.latest_time);
        let time = CallTime { now, visible_until: now.saturating_sub(millis(self.behaviour.read_lag)) };
        state.expire(time.now, time.visible_until);
        time
    }
}

impl Clock {
    fn now(&self) -> Millis {
        self.opened_at + millis(self.started.elapsed())
    }
}

/// Fields of a resource without secrets. Objects in clusters and values of charts may hold some under any name, so only the fields are named.
fn shown_spec(kind: &ResourceType, spec: &Value) -> Value {
    match spec {
        Value::Object(fields) if kind.service.name == kubernetes::SERVICE.name => {
            fields.keys().map(|name| (name.clone(), HIDDEN.into())).collect::<Map<String, Value>>().into()
        }
        _ => trace::redacted(spec),
    }
}

fn millis(time: Duration) -> Millis {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a list includes it: it has the stack's ownership tags or a desired name, or is looked up by id.
fn in_scope(entry: &SimulatedResource, version: &Version, scope: &Scope) -> bool {
    if let Some(id) = &scope.adopt {
        return entry.id == *id;
    }
    let kind = types::resource_type(&entry.type_name);
    let lookup = kind.and_then(|kind| version.spec.pointer(kind.lookup?)?.as_str());
    let names = [version.spec.get("name").and_then(Value::as_str), lookup, Some(entry.id.as_str()), entry.id.rsplit('/').next()];
    scope.owns(&version.tags) || (!scope.lookup.is_empty() && names.into_iter().flatten().any(|name| scope.lookup.contains(name)))
}
