//! The state of the simulated cloud: in memory with its indexes, and on disk as one file of JSON lines.
//!
//! Every line of `<region>.jsonl` after the first is a resource as one call left it; the last line about a resource counts. Lines
//! are appended under a lock and written out before the call is answered, so that a killed process loses nothing it was told. What is
//! left of a line that a dying process could not finish is not read, and cut off by the next call. Opening a file that mostly holds
//! lines of the past writes it anew; its first line counts these generations, by which other processes see that they must read again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    constraints,
    resource::{Millis, SimulatedResource},
    schema::{TypeSchema, collect_handles, is_handle},
};
use crate::{
    aws::types,
    core::{Error, ErrorKind, Result, file_lock},
};

/// First line of the file.
#[derive(Default, Serialize, Deserialize)]
struct Header {
    format: String,
    generation: u64,
    /// How many were ever made, by type and address.
    created_counts: HashMap<String, u32>,
}

const FORMAT: &str = "acme-local/2";

/// The file and what was read from it.
pub(super) struct Store {
    path: PathBuf,
    lock: Arc<File>,
    generation: u64,
    position: u64,
    lines: usize,
    pub state: CloudState,
}

/// Holds the lock of a store until dropped.
pub(super) struct StoreLock(Arc<File>);

impl Drop for StoreLock {
    fn drop(&mut self) {
        // The lock ends with the process anyway.
        let _ = self.0.unlock();
    }
}

impl Store {
    pub fn open(dir: &Path, region: &str) -> Result<Store> {
        let path = dir.join(format!("{region}.jsonl"));
        fs::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
        let lock = dir.join(format!("{region}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(|e| state_error(&lock, e))?;
        let mut store = Store { path, lock: Arc::new(file), generation: 0, position: 0, lines: 0, state: CloudState::default() };
        let held = store.lock()?;
        if store.lines > 2 * store.state.resources.len() + 100 {
            store.rewrite()?;
        }
        drop(held);
        Ok(store)
    }

    /// Writes what is there into another folder. The lock must be held.
    pub fn copy(&self, dir: &Path) -> Result<()> {
        let copy = dir.join(self.path.file_name().unwrap_or_default());
        fs::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
        fs::copy(&self.path, &copy).map(|_| ()).map_err(|e| state_error(&copy, e))
    }

    /// Takes the lock and reads what other processes wrote.
    pub fn lock(&mut self) -> Result<StoreLock> {
        file_lock::lock(&self.lock, &self.path.with_extension("lock"), file_lock::TIMEOUT).map_err(|e| state_error(&self.path, e))?;
        let held = StoreLock(self.lock.clone());
        self.refresh()?;
        Ok(held)
    }

    fn refresh(&mut self) -> Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.state = CloudState::default();
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
            return Err(state_error(&self.path, format!("this is not of the format {FORMAT}")));
        }
        if header.generation != self.generation || length < self.position {
            self.generation = header.generation;
            self.position = header_length;
            self.lines = 0;
            self.state = CloudState { created_counts: header.created_counts, ..CloudState::default() };
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

    /// Keeps `entry`, on disk first. The lock must be held.
    pub fn write(&mut self, entry: SimulatedResource) -> Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(|e| state_error(&self.path, e))?;
        let length = file.metadata().map_err(|e| state_error(&self.path, e))?.len();
        if length > self.position {
            file.set_len(self.position).map_err(|e| state_error(&self.path, e))?;
        }
        file.write_all(&line).map_err(|e| state_error(&self.path, e))?;
        self.position += line.len() as u64;
        self.lines += 1;
        self.state.insert(entry);
        Ok(())
    }

    /// Writes a new file without the past. The lock must be held.
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
            fs::create_dir_all(dir).map_err(|e| state_error(dir, e))?;
        }
        let new = self.path.with_extension("new");
        fs::write(&new, &text).map_err(|e| state_error(&new, e))?;
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

/// First address → last address and key of a subnet. Addresses of IPv6 sort after those of IPv4.
pub type SubnetRanges = BTreeMap<(bool, u128), ((bool, u128), String)>;

/// Everything there is, and the indexes that keep each call's cost independent of how much that is.
#[derive(Default)]
pub(super) struct CloudState {
    /// By `type/id`.
    pub resources: BTreeMap<String, SimulatedResource>,
    /// Deleted, but still seen by lagging reads.
    pub visible_deleted: Vec<SimulatedResource>,
    /// By type and address, how many were ever made.
    pub created_counts: HashMap<String, u32>,
    /// By type and token, what that token made.
    pub tokens: HashMap<String, String>,
    /// What names a resource → its key.
    pub handles: HashMap<String, String>,
    /// What names a resource → keys of those that name it.
    pub dependents: HashMap<String, BTreeSet<String>>,
    /// What only one may hold → its key.
    pub claims: HashMap<String, String>,
    /// VPC → first address → last address and key of its subnets.
    pub ranges: HashMap<String, SubnetRanges>,
    /// How many of a type there are.
    pub type_counts: HashMap<String, u64>,
    /// The latest time in here: time never runs backwards, whatever the clock does.
    pub latest_time: Millis,
    deleting: BTreeSet<(Millis, String)>,
    type_schemas: HashMap<String, Arc<TypeSchema>>,
}

/// Where a resource stands in [`State::entries`].
pub(super) fn resource_key(kind: &str, id: &str) -> String {
    format!("{kind}/{id}")
}

impl CloudState {
    /// The schemas of a type.
    pub fn type_schema(&mut self, kind: &str) -> Option<Arc<TypeSchema>> {
        if let Some(shape) = self.type_schemas.get(kind) {
            return Some(shape.clone());
        }
        let shape = Arc::new(TypeSchema::of(types::resource_type(kind)?));
        self.type_schemas.insert(kind.to_owned(), shape.clone());
        Some(shape)
    }

    /// All of a type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = &SimulatedResource> {
        let (first, last) = (format!("{kind}/"), format!("{kind}0"));
        self.resources.range(first..last).map(|(_, entry)| entry)
    }

    /// What this names: others by their handle, those of a type with names by `type/name`.
    pub fn depends_on(&mut self, entry: &SimulatedResource) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        collect_handles(entry.spec(), &mut uses);
        if let Some(shape) = self.type_schema(&entry.type_name) {
            let references = shape.references(entry.spec()).into_iter();
            uses.extend(references.map(|r| if is_handle(&r.value) { r.value } else { resource_key(&r.type_name, &r.value) }));
        }
        let own = handles(entry);
        uses.retain(|text| !own.contains(text));
        uses
    }

    /// The one named so, when there is one.
    pub fn find(&self, kind: &str, value: &str) -> Option<&SimulatedResource> {
        let key = self.handles.get(value).or_else(|| self.handles.get(&resource_key(kind, value)))?;
        self.resources.get(key)
    }

    /// Those that use this one.
    pub fn dependents_of(&self, entry: &SimulatedResource) -> BTreeSet<&String> {
        let own = resource_key(&entry.type_name, &entry.id);
        // Outputs may name what another is the holder of: the VPC of a subnet group.
        let holds = |handle: &&String| self.handles.get(*handle) == Some(&own);
        handles(entry)
            .iter()
            .filter(holds)
            .filter_map(|handle| self.dependents.get(handle))
            .flatten()
            .filter(|user| **user != own)
            .collect()
    }

    /// Takes a resource in, in place of what was known of it.
    pub fn insert(&mut self, entry: SimulatedResource) {
        let key = resource_key(&entry.type_name, &entry.id);
        self.remove(&key);
        let latest = entry.latest().written_at.max(entry.created_at).max(entry.deletion.map_or(0, |(asked, _)| asked));
        self.latest_time = self.latest_time.max(latest);
        let births = self.created_counts.entry(entry.created_for.clone()).or_default();
        *births = (*births).max(entry.ordinal + 1);
        *self.type_counts.entry(entry.type_name.clone()).or_default() += 1;
        if !entry.token.is_empty() {
            self.tokens.insert(format!("{} {}", entry.type_name, entry.token), key.clone());
        }
        let (own, others) = own_handles(&entry);
        for handle in own {
            self.handles.insert(handle, key.clone());
        }
        for handle in others {
            self.handles.entry(handle).or_insert_with(|| key.clone());
        }
        for used in self.depends_on(&entry) {
            self.dependents.entry(used).or_default().insert(key.clone());
        }
        for claim in constraints::unique_claims(&entry, types::resource_type(&entry.type_name)) {
            self.claims.insert(claim, key.clone());
        }
        if let Some((vpc, range)) = constraints::subnet_range(&entry) {
            let (first, last) = constraints::bounds(range);
            self.ranges.entry(vpc).or_default().insert(first, (last, key.clone()));
        }
        if let Some((_, gone)) = entry.deletion {
            self.deleting.insert((gone, key.clone()));
        }
        self.resources.insert(key, entry);
    }

    /// Takes a resource out.
    fn remove(&mut self, key: &str) -> Option<SimulatedResource> {
        let entry = self.resources.remove(key)?;
        if let Some(total) = self.type_counts.get_mut(&entry.type_name) {
            *total = total.saturating_sub(1);
        }
        self.tokens.remove(&format!("{} {}", entry.type_name, entry.token));
        for handle in handles(&entry) {
            if self.handles.get(&handle).is_some_and(|holder| holder == key) {
                self.handles.remove(&handle);
            }
        }
        for used in self.depends_on(&entry) {
            if let Some(users) = self.dependents.get_mut(&used) {
                users.remove(key);
                if users.is_empty() {
                    self.dependents.remove(&used);
                }
            }
        }
        for claim in constraints::unique_claims(&entry, types::resource_type(&entry.type_name)) {
            if self.claims.get(&claim).is_some_and(|holder| holder == key) {
                self.claims.remove(&claim);
            }
        }
        if let Some((vpc, range)) = constraints::subnet_range(&entry)
            && let Some(ranges) = self.ranges.get_mut(&vpc)
        {
            ranges.remove(&constraints::bounds(range).0);
        }
        if let Some((_, gone)) = entry.deletion {
            self.deleting.remove(&(gone, key.to_owned()));
        }
        Some(entry)
    }

    /// Lets go what is gone by now; reads that see the state of `seen` still see it until then.
    pub fn expire(&mut self, now: Millis, seen: Millis) {
        while let Some((gone, key)) = self.deleting.first().cloned().filter(|(gone, _)| *gone <= now) {
            match self.remove(&key) {
                Some(entry) if gone > seen => self.visible_deleted.push(entry),
                Some(_) => {}
                None => drop(self.deleting.remove(&(gone, key))),
            }
        }
        self.visible_deleted.retain(|ghost| ghost.deletion.is_some_and(|(_, gone)| gone > seen));
    }
}

/// What names this one and nothing else; and what of its outputs names a part of it (the security group that EKS makes).
fn own_handles(entry: &SimulatedResource) -> (Vec<String>, BTreeSet<String>) {
    let mut mentioned = BTreeSet::new();
    collect_handles(entry.spec(), &mut mentioned);
    let mut own = vec![resource_key(&entry.type_name, &entry.id)];
    // An association goes by the id of what it is made for, which names that and not the association.
    own.extend(Some(entry.id.clone()).filter(|id| is_handle(id) && !mentioned.contains(id)));
    own.extend(entry.arn().filter(|arn| *arn != entry.id).map(ToOwned::to_owned));
    let mut parts = BTreeSet::new();
    collect_handles(&entry.outputs, &mut parts);
    parts.retain(|part| !own.contains(part) && !mentioned.contains(part));
    (own, parts)
}

fn handles(entry: &SimulatedResource) -> BTreeSet<String> {
    let (own, parts) = own_handles(entry);
    parts.into_iter().chain(own).collect()
}
