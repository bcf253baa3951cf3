//! The state of the simulated cloud: in memory with its indexes, and on disk as one file of JSON lines.
//!
//! Every line of `cloud.jsonl` after the first is a resource after one call; the last line of a resource counts. Lines are appended
//! while holding a lock and written before the call returns, so that a killed process loses no completed call. An incomplete line of a
//! crashed process is ignored, and removed by the next call. Opening a file with mostly obsolete lines rewrites it; its first line counts
//! these generations, so that other processes know when to read it again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    constraints::{self, IpRanges},
    resource::{Millis, SimulatedResource},
    schema::{Reference, TypeSchema, collect_handles, is_handle},
};
use crate::{
    aws::types,
    core::{Error, ErrorKind, ResourceType, Result, file_lock, private_files},
};

/// First line of the file.
#[derive(Default, Serialize, Deserialize)]
struct Header {
    format: String,
    generation: u64,
    /// Number of resources ever created, by type and address.
    created_counts: HashMap<String, u32>,
}

const FORMAT: &str = "acme-local/3";

/// Name of the file.
const FILE: &str = "cloud.jsonl";

/// The file and its content.
pub(super) struct Store {
    path: PathBuf,
    /// Region of the stack.
    home: String,
    lock: Arc<File>,
    generation: u64,
    position: u64,
    lines: usize,
    pub state: CloudState,
}

/// Guard that holds the lock of a store until dropped.
pub(super) struct StoreLock(Arc<File>);

impl Drop for StoreLock {
    fn drop(&mut self) {
        // The lock is released with the process anyway.
        let _ = self.0.unlock();
    }
}

/// Git ignores the folder, so that nobody commits a simulated cloud.
fn keep_out_of_git(dir: &Path) -> Result<()> {
    let path = dir.join(".gitignore");
    let written = private_files::open_options().create(true).truncate(true).write(true).open(&path);
    written.and_then(|mut file| file.write_all(b"*\n")).map_err(|e| state_error(&path, e))
}

impl Store {
    pub fn open(dir: &Path, region: &str) -> Result<Store> {
        let path = dir.join(FILE);
        if !dir.exists() {
            private_files::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
            keep_out_of_git(dir)?;
        }
        let lock = path.with_extension("lock");
        let file = private_files::open_options().create(true).truncate(false).write(true).open(&lock).map_err(|e| state_error(&lock, e))?;
        let (lock, state) = (Arc::new(file), CloudState::in_region(region));
        let mut store = Store { path, home: region.to_owned(), lock, generation: 0, position: 0, lines: 0, state };
        let held = store.lock()?;
        if store.lines > 2 * store.state.resources.len() + 100 {
            store.rewrite()?;
        }
        drop(held);
        Ok(store)
    }

    /// Writes the content to another folder. The lock must be held.
    pub fn copy(&self, dir: &Path) -> Result<()> {
        let copy = dir.join(self.path.file_name().unwrap_or_default());
        private_files::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
        fs::copy(&self.path, &copy).map(|_| ()).map_err(|e| state_error(&copy, e))
    }

    /// Acquires the lock and reads the writes of other processes.
    pub fn lock(&mut self) -> Result<StoreLock> {
        file_lock::lock(&self.lock, &self.path.with_extension("lock"), file_lock::TIMEOUT).map_err(|e| state_error(&self.path, e))?;
        let held = StoreLock(self.lock.clone());
        self.refresh()?;
        Ok(held)
    }

    /// As [`Store::lock`], for a call that validates or writes: builds the indexes, which reads do not need.
    pub fn lock_for_write(&mut self) -> Result<StoreLock> {
        let held = self.lock()?;
        self.state.build_indexes();
        Ok(held)
    }

    fn refresh(&mut self) -> Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.state = CloudState::in_region(&self.home);
                return self.rewrite();
            }
            Err(error) => return Err(state_error(&self.path, error)),
        };
        let length = file.metadata().map_err(|e| state_error(&self.path, e))?.len();
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        let header_length = file.read_until(b'\n', &mut line).map_err(|e| state_error(&self.path, e))? as u64;
        let header: Header = serde_json::from_slice(&line).map_err(|e| self.corrupt_line(1, &e))?;
        if header.format != FORMAT {
            return Err(state_error(&self.path, format!("the file does not have the format {FORMAT}")));
        }
        if header.generation != self.generation || length < self.position {
            self.generation = header.generation;
            self.position = header_length;
            self.lines = 0;
            self.state = CloudState { created_counts: header.created_counts, ..CloudState::in_region(&self.home) };
        }
        if length == self.position {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.position)).map_err(|e| state_error(&self.path, e))?;
        loop {
            line.clear();
            let read = file.read_until(b'\n', &mut line).map_err(|e| state_error(&self.path, e))?;
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            let entry: SimulatedResource = serde_json::from_slice(&line).map_err(|e| self.corrupt_line(self.lines + 2, &e))?;
            self.state.insert(entry);
            self.position += read as u64;
            self.lines += 1;
        }
    }

    /// Stores `entry`, on disk first. The lock must be held.
    pub fn write(&mut self, entry: SimulatedResource) -> Result<()> {
        self.write_all(vec![entry])
    }

    /// Stores these resources, in one write. The lock must be held.
    pub fn write_all(&mut self, entries: Vec<SimulatedResource>) -> Result<()> {
        let mut lines = Vec::new();
        for entry in &entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let mut file = private_files::open_options().append(true).open(&self.path).map_err(|e| state_error(&self.path, e))?;
        let length = file.metadata().map_err(|e| state_error(&self.path, e))?.len();
        if length > self.position {
            file.set_len(self.position).map_err(|e| state_error(&self.path, e))?;
        }
        file.write_all(&lines).map_err(|e| state_error(&self.path, e))?;
        self.position += lines.len() as u64;
        self.lines += entries.len();
        entries.into_iter().for_each(|entry| self.state.insert(entry));
        Ok(())
    }

    /// Rewrites the file without obsolete lines. The lock must be held.
    fn rewrite(&mut self) -> Result<()> {
        self.generation += 1;
        let header = Header { format: FORMAT.to_owned(), generation: self.generation, created_counts: self.state.created_counts.clone() };
        let mut text = serde_json::to_vec(&header)?;
        text.push(b'\n');
        for entry in self.state.resources.values() {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        if let Some(dir) = self.path.parent() {
            private_files::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
        }
        let new = self.path.with_extension("new");
        let written = private_files::open_options().write(true).create(true).truncate(true).open(&new);
        written.and_then(|mut file| file.write_all(&text)).map_err(|e| state_error(&new, e))?;
        fs::rename(&new, &self.path).map_err(|e| state_error(&self.path, e))?;
        self.position = text.len() as u64;
        self.lines = self.state.resources.len();
        Ok(())
    }

    fn corrupt_line(&self, line: usize, error: &serde_json::Error) -> Error {
        state_error(&self.path, format!("line {line} is damaged ({error}); remove the file to start with an empty cloud"))
    }
}

fn state_error(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Rejected, "LocalState", format!("{}: {error}", path.display()))
}

fn remove_member(groups: &mut HashMap<String, BTreeSet<String>>, group: &str, member: &str) {
    if groups.get_mut(group).is_some_and(|members| members.remove(member) && members.is_empty()) {
        groups.remove(group);
    }
}

/// All resources, with indexes that keep the cost of a call independent of their number.
#[derive(Default)]
pub(super) struct CloudState {
    /// Region of the stack.
    home: String,
    /// By key, see [`CloudState::key`].
    pub resources: BTreeMap<String, SimulatedResource>,
    /// Deleted resources still visible to lagging reads.
    pub visible_deleted: Vec<SimulatedResource>,
    /// Number of resources ever created, by type and address.
    pub created_counts: HashMap<String, u32>,
    /// Created resource, by type and token.
    pub tokens: HashMap<String, String>,
    /// Handle of a resource → its key.
    pub handles: HashMap<String, String>,
    /// Handle of a resource → keys of the resources that refer to it.
    pub dependents: HashMap<String, BTreeSet<String>>,
    /// Unique claim → key of its holder.
    pub claims: HashMap<String, String>,
    /// Conflict group → keys of its members, see [`crate::core::Resource::conflict_groups`].
    pub conflict_groups: HashMap<String, BTreeSet<String>>,
    /// IP ranges that must not overlap, by the other fields of the overlap key.
    pub ranges: HashMap<String, IpRanges>,
    /// Number of resources, by type and region.
    pub type_counts: HashMap<(String, String), u64>,
    /// Latest time in the state: time never goes backwards, even if the clock does.
    pub latest_time: Millis,
    deleting: BTreeSet<(Millis, String)>,
    /// Whether tokens, handles, dependents, claims and ranges are up to date. Large states are read far more often than written.
    indexed: bool,
    type_schemas: HashMap<String, Arc<TypeSchema>>,
}

impl CloudState {
    /// Empty state, for a stack in this region.
    pub fn in_region(home: &str) -> CloudState {
        CloudState { home: home.to_owned(), ..CloudState::default() }
    }

    /// Region of a resource of this type: empty for a global type; by default the stack's.
    pub fn region_of(&self, kind: &ResourceType, region: Option<&str>) -> String {
        if kind.is_global() { String::new() } else { region.unwrap_or(&self.home).to_owned() }
    }

    /// Key of a resource: `type/id`, with its region if that is not the stack's.
    pub fn key(&self, kind: &str, region: &str, id: &str) -> String {
        if region.is_empty() || region == self.home { format!("{kind}/{id}") } else { format!("{kind}/{id} in {region}") }
    }

    /// Key of this resource.
    pub fn key_of(&self, entry: &SimulatedResource) -> String {
        self.key(&entry.type_name, &entry.region, &entry.id)
    }

    /// Key of a resource of this type that a resource in `region` refers to by name.
    fn named_key(&self, kind: &str, region: &str, name: &str) -> String {
        let is_global = types::resource_type(kind).is_some_and(|kind| kind.is_global());
        self.key(kind, if is_global { "" } else { region }, name)
    }

    /// Schemas of a type.
    pub fn type_schema(&mut self, kind: &str) -> Option<Arc<TypeSchema>> {
        if let Some(shape) = self.type_schemas.get(kind) {
            return Some(shape.clone());
        }
        let shape = Arc::new(TypeSchema::of(types::resource_type(kind)?));
        self.type_schemas.insert(kind.to_owned(), shape.clone());
        Some(shape)
    }

    /// All resources of a type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = &SimulatedResource> {
        let (first, last) = (format!("{kind}/"), format!("{kind}0"));
        self.resources.range(first..last).map(|(_, entry)| entry)
    }

    /// References of a resource: other resources by handle, those of a type with names by `type/name`.
    pub fn depends_on(&mut self, entry: &SimulatedResource) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        collect_handles(entry.spec(), &mut uses);
        if let Some(shape) = self.type_schema(&entry.type_name) {
            let references = shape.references(entry.spec()).into_iter();
            let named = |r: Reference| if is_handle(&r.value) { r.value } else { self.named_key(&r.type_name, &entry.region, &r.value) };
            uses.extend(references.map(named));
        }
        let own = self.handles_of(entry);
        uses.retain(|text| !own.contains(text));
        uses
    }

    /// Resource with this handle, as seen from a region: ids of other regions mean nothing there, but ARNs do. A global resource, whose
    /// region is empty, can refer to any.
    pub fn find(&self, kind: &str, region: &str, value: &str) -> Option<&SimulatedResource> {
        let key = self.handles.get(value).or_else(|| self.handles.get(&self.named_key(kind, region, value)))?;
        let is_visible = |entry: &&SimulatedResource| {
            region.is_empty() || entry.region.is_empty() || entry.region == region || value.starts_with("arn:")
        };
        self.resources.get(key).filter(is_visible)
    }

    /// Whether a resource in the region has this value as an output: the security group that a cluster made is not a resource of its own.
    pub fn is_output(&self, region: &str, value: &str) -> bool {
        let mut there = self.resources.values().filter(|entry| entry.region == region && entry.deletion.is_none());
        there.any(|entry| entry.outputs.as_object().is_some_and(|outputs| outputs.values().any(|output| output == value)))
    }

    /// Resources that use this one.
    pub fn dependents_of(&self, entry: &SimulatedResource) -> BTreeSet<&String> {
        let own = self.key_of(entry);
        // Outputs may refer to the resource of a referenced one: the VPC of a subnet group.
        let holds = |handle: &&String| self.handles.get(*handle) == Some(&own);
        self.handles_of(entry)
            .iter()
            .filter(holds)
            .filter_map(|handle| self.dependents.get(handle))
            .flatten()
            .filter(|user| **user != own)
            .collect()
    }

    /// Keys of resources that the deletion of this one deletes, too: the objects of a cluster.
    pub fn deleted_with(&self, parent: &SimulatedResource) -> Vec<String> {
        let kinds = types::RESOURCE_TYPES.iter().filter(|kind| kind.deleted_with_parent && kind.parent == Some(parent.type_name.as_str()));
        let of_kind = |kind: &'static ResourceType| {
            let children = self.of_type(kind.name).filter(|child| child.region == parent.region);
            children.filter(|child| kind.parent_ids(child.spec()).any(|id| id == parent.id)).map(|child| self.key_of(child))
        };
        kinds.flat_map(of_kind).collect()
    }

    /// Inserts or replaces a resource.
    pub fn insert(&mut self, entry: SimulatedResource) {
        let key = self.key_of(&entry);
        self.remove(&key);
        let latest = entry.latest().written_at.max(entry.created_at).max(entry.deletion.map_or(0, |(asked, _)| asked));
        self.latest_time = self.latest_time.max(latest);
        let births = self.created_counts.entry(entry.created_for.clone()).or_default();
        *births = (*births).max(entry.ordinal + 1);
        *self.type_counts.entry((entry.type_name.clone(), entry.region.clone())).or_default() += 1;
        if self.indexed {
            self.index(&key, &entry);
        }
        if let Some((_, gone)) = entry.deletion {
            self.deleting.insert((gone, key.clone()));
        }
        self.resources.insert(key, entry);
    }

    fn build_indexes(&mut self) {
        if self.indexed {
            return;
        }
        let resources = std::mem::take(&mut self.resources);
        for (key, entry) in &resources {
            self.index(key, entry);
        }
        self.resources = resources;
        self.indexed = true;
    }

    fn index(&mut self, key: &str, entry: &SimulatedResource) {
        if !entry.token.is_empty() {
            self.tokens.insert(format!("{} {}", entry.type_name, entry.token), key.to_owned());
        }
        let (own, others) = self.own_handles(entry);
        for handle in own {
            self.handles.insert(handle, key.to_owned());
        }
        for handle in others {
            self.handles.entry(handle).or_insert_with(|| key.to_owned());
        }
        for used in self.depends_on(entry) {
            self.dependents.entry(used).or_default().insert(key.to_owned());
        }
        for claim in constraints::unique_claims(entry, types::resource_type(&entry.type_name)) {
            self.claims.insert(claim, key.to_owned());
        }
        for group in constraints::conflict_groups(entry, types::resource_type(&entry.type_name)) {
            self.conflict_groups.entry(group).or_default().insert(key.to_owned());
        }
        if let Some((group, range)) = constraints::ip_range(entry, types::resource_type(&entry.type_name)) {
            let (first, last) = constraints::bounds(range);
            self.ranges.entry(group).or_default().insert(first, (last, key.to_owned()));
        }
    }

    /// Removes a resource.
    pub fn remove(&mut self, key: &str) -> Option<SimulatedResource> {
        let entry = self.resources.remove(key)?;
        if let Some(total) = self.type_counts.get_mut(&(entry.type_name.clone(), entry.region.clone())) {
            *total = total.saturating_sub(1);
        }
        if self.indexed {
            self.remove_from_indexes(key, &entry);
        }
        if let Some((_, gone)) = entry.deletion {
            self.deleting.remove(&(gone, key.to_owned()));
        }
        Some(entry)
    }

    fn remove_from_indexes(&mut self, key: &str, entry: &SimulatedResource) {
        self.tokens.remove(&format!("{} {}", entry.type_name, entry.token));
        for handle in self.handles_of(entry) {
            if self.handles.get(&handle).is_some_and(|holder| holder == key) {
                self.handles.remove(&handle);
            }
        }
        for used in self.depends_on(entry) {
            remove_member(&mut self.dependents, &used, key);
        }
        for claim in constraints::unique_claims(entry, types::resource_type(&entry.type_name)) {
            if self.claims.get(&claim).is_some_and(|holder| holder == key) {
                self.claims.remove(&claim);
            }
        }
        for group in constraints::conflict_groups(entry, types::resource_type(&entry.type_name)) {
            remove_member(&mut self.conflict_groups, &group, key);
        }
        if let Some((group, range)) = constraints::ip_range(entry, types::resource_type(&entry.type_name))
            && let Some(ranges) = self.ranges.get_mut(&group)
        {
            ranges.remove(&constraints::bounds(range).0);
        }
    }

    /// Removes deleted resources and what is deleted with them. Reads of the state at `seen` can still see them until then.
    pub fn expire(&mut self, now: Millis, seen: Millis) {
        while let Some((gone, key)) = self.deleting.first().cloned().filter(|(gone, _)| *gone <= now) {
            let Some(parent) = self.remove(&key) else {
                self.deleting.remove(&(gone, key));
                continue;
            };
            let children: Vec<String> = self.deleted_with(&parent);
            let children = children.iter().filter_map(|key| self.remove(key));
            let children = children.map(|child| SimulatedResource { deletion: parent.deletion, ..child }).collect::<Vec<_>>();
            if gone > seen {
                self.visible_deleted.extend(children);
                self.visible_deleted.push(parent);
            }
        }
        self.visible_deleted.retain(|ghost| ghost.deletion.is_some_and(|(_, gone)| gone > seen));
    }

    /// Handles of this resource alone, and outputs that identify a part of it (the security group that EKS creates).
    fn own_handles(&self, entry: &SimulatedResource) -> (Vec<String>, BTreeSet<String>) {
        let mut mentioned = BTreeSet::new();
        collect_handles(entry.spec(), &mut mentioned);
        let mut own = vec![self.key_of(entry)];
        // The id of an association is the id of its resource, and so does not identify the association.
        own.extend(Some(entry.id.clone()).filter(|id| is_handle(id) && !mentioned.contains(id)));
        own.extend(entry.arn().filter(|arn| *arn != entry.id).map(ToOwned::to_owned));
        let mut parts = BTreeSet::new();
        collect_handles(&entry.outputs, &mut parts);
        parts.retain(|part| !own.contains(part) && !mentioned.contains(part));
        (own, parts)
    }

    fn handles_of(&self, entry: &SimulatedResource) -> BTreeSet<String> {
        let (own, parts) = self.own_handles(entry);
        parts.into_iter().chain(own).collect()
    }
}
