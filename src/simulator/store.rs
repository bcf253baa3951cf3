//! The state of the simulated cloud: in memory with its indexes, and on disk as one file of JSON lines.
//!
//! Every line of `<region>.jsonl` after the first is a resource as one call left it; the last line about a resource counts. Lines
//! are appended under a lock and written out before the call is answered, so that a killed process loses nothing it was told. What is
//! left of a line that a dying process could not finish is not read, and cut off by the next call. Opening a file that mostly holds
//! lines of the past writes it anew; its first line counts these generations, by which other processes see that they must read again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    entry::{Entry, Millis},
    rules,
    shape::{Shape, is_handle, mentions},
};
use crate::{
    aws::types,
    core::{Error, Result, Sort, file_lock},
};

/// First line of the file.
#[derive(Default, Serialize, Deserialize)]
struct Header {
    format: String,
    generation: u64,
    /// How many were ever made, by type and address.
    births: HashMap<String, u32>,
}

const FORMAT: &str = "acme-local/1";

/// The file and what was read from it.
pub(super) struct Store {
    path: PathBuf,
    lock: Arc<File>,
    generation: u64,
    position: u64,
    lines: usize,
    pub state: State,
}

/// Holds the lock of a store until dropped.
pub(super) struct Held(Arc<File>);

impl Drop for Held {
    fn drop(&mut self) {
        // The lock ends with the process anyway.
        let _ = self.0.unlock();
    }
}

impl Store {
    pub fn open(dir: &Path, region: &str) -> Result<Store> {
        let path = dir.join(format!("{region}.jsonl"));
        fs::create_dir_all(dir).map_err(|e| broken(dir, e))?;
        let lock = dir.join(format!("{region}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(|e| broken(&lock, e))?;
        let mut store = Store { path, lock: Arc::new(file), generation: 0, position: 0, lines: 0, state: State::default() };
        let held = store.hold()?;
        if store.lines > 2 * store.state.entries.len() + 100 {
            store.rewrite()?;
        }
        drop(held);
        Ok(store)
    }

    /// Writes what is there into another folder. The lock must be held.
    pub fn copy(&self, dir: &Path) -> Result<()> {
        let copy = dir.join(self.path.file_name().unwrap_or_default());
        fs::create_dir_all(dir).map_err(|e| broken(dir, e))?;
        fs::copy(&self.path, &copy).map(|_| ()).map_err(|e| broken(&copy, e))
    }

    /// Takes the lock and reads what other processes wrote.
    pub fn hold(&mut self) -> Result<Held> {
        file_lock::take(&self.lock, &self.path.with_extension("lock"), file_lock::PATIENCE).map_err(|e| broken(&self.path, e))?;
        let held = Held(self.lock.clone());
        self.refresh()?;
        Ok(held)
    }

    fn refresh(&mut self) -> Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.state = State::default();
                return self.rewrite();
            }
            Err(error) => return Err(broken(&self.path, error)),
        };
        let length = file.metadata().map_err(|e| broken(&self.path, e))?.len();
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        let header_length = file.read_until(b'\n', &mut line).map_err(|e| broken(&self.path, e))? as u64;
        let header: Header = serde_json::from_slice(&line).map_err(|e| self.damaged(1, &e))?;
        if header.format != FORMAT {
            return Err(broken(&self.path, format!("this is not of the format {FORMAT}")));
        }
        if header.generation != self.generation || length < self.position {
            self.generation = header.generation;
            self.position = header_length;
            self.lines = 0;
            self.state = State { births: header.births, ..State::default() };
        }
        if length == self.position {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.position)).map_err(|e| broken(&self.path, e))?;
        loop {
            line.clear();
            let read = file.read_until(b'\n', &mut line).map_err(|e| broken(&self.path, e))?;
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            let entry: Entry = serde_json::from_slice(&line).map_err(|e| self.damaged(self.lines + 2, &e))?;
            self.state.put(entry);
            self.position += read as u64;
            self.lines += 1;
        }
    }

    /// Keeps `entry`, on disk first. The lock must be held.
    pub fn put(&mut self, entry: Entry) -> Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(|e| broken(&self.path, e))?;
        let length = file.metadata().map_err(|e| broken(&self.path, e))?.len();
        if length > self.position {
            file.set_len(self.position).map_err(|e| broken(&self.path, e))?;
        }
        file.write_all(&line).map_err(|e| broken(&self.path, e))?;
        self.position += line.len() as u64;
        self.lines += 1;
        self.state.put(entry);
        Ok(())
    }

    /// Writes a new file without the past. The lock must be held.
    fn rewrite(&mut self) -> Result<()> {
        self.generation += 1;
        let header = Header { format: FORMAT.to_owned(), generation: self.generation, births: self.state.births.clone() };
        let mut text = serde_json::to_vec(&header)?;
        text.push(b'\n');
        for entry in self.state.entries.values() {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(|e| broken(dir, e))?;
        }
        let new = self.path.with_extension("new");
        fs::write(&new, &text).map_err(|e| broken(&new, e))?;
        fs::rename(&new, &self.path).map_err(|e| broken(&self.path, e))?;
        self.position = text.len() as u64;
        self.lines = self.state.entries.len();
        Ok(())
    }

    fn damaged(&self, line: usize, error: &serde_json::Error) -> Error {
        broken(&self.path, format!("line {line} is damaged ({error}); remove the file to start with an empty cloud"))
    }
}

fn broken(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(Sort::Refused, "LocalState", format!("{}: {error}", path.display()))
}

/// First address → last address and key of a subnet. Addresses of IPv6 sort after those of IPv4.
pub type Ranges = BTreeMap<(bool, u128), ((bool, u128), String)>;

/// Everything there is, and the indexes that keep each call's cost independent of how much that is.
#[derive(Default)]
pub(super) struct State {
    /// By `type/id`.
    pub entries: BTreeMap<String, Entry>,
    /// Deleted, but still seen by lagging reads.
    pub ghosts: Vec<Entry>,
    /// By type and address, how many were ever made.
    pub births: HashMap<String, u32>,
    /// By type and token, what that token made.
    pub tokens: HashMap<String, String>,
    /// What names a resource → its key.
    pub handles: HashMap<String, String>,
    /// What names a resource → keys of those that name it.
    pub users: HashMap<String, BTreeSet<String>>,
    /// What only one may hold → its key.
    pub claims: HashMap<String, String>,
    /// VPC → first address → last address and key of its subnets.
    pub ranges: HashMap<String, Ranges>,
    /// How many of a type there are.
    pub totals: HashMap<String, u64>,
    /// The latest time in here: time never runs backwards, whatever the clock does.
    pub newest: Millis,
    leaving: BTreeSet<(Millis, String)>,
    shapes: HashMap<String, Arc<Shape>>,
}

/// Where a resource stands in [`State::entries`].
pub(super) fn key(kind: &str, id: &str) -> String {
    format!("{kind}/{id}")
}

impl State {
    /// The schemas of a type.
    pub fn shape(&mut self, kind: &str) -> Option<Arc<Shape>> {
        if let Some(shape) = self.shapes.get(kind) {
            return Some(shape.clone());
        }
        let shape = Arc::new(Shape::of(types::kind(kind)?));
        self.shapes.insert(kind.to_owned(), shape.clone());
        Some(shape)
    }

    /// All of a type.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Entry> {
        let (first, last) = (format!("{kind}/"), format!("{kind}0"));
        self.entries.range(first..last).map(|(_, entry)| entry)
    }

    /// What this names: others by their handle, those of a type with names by `type/name`.
    pub fn uses(&mut self, entry: &Entry) -> BTreeSet<String> {
        let mut uses = BTreeSet::new();
        mentions(entry.spec(), &mut uses);
        if let Some(shape) = self.shape(&entry.kind) {
            let references = shape.references(entry.spec()).into_iter();
            uses.extend(references.map(|r| if is_handle(&r.value) { r.value } else { key(&r.kind, &r.value) }));
        }
        let own = handles(entry);
        uses.retain(|text| !own.contains(text));
        uses
    }

    /// The one named so, when there is one.
    pub fn named(&self, kind: &str, value: &str) -> Option<&Entry> {
        let key = self.handles.get(value).or_else(|| self.handles.get(&key(kind, value)))?;
        self.entries.get(key)
    }

    /// Those that use this one.
    pub fn users_of(&self, entry: &Entry) -> BTreeSet<&String> {
        let own = key(&entry.kind, &entry.id);
        // Outputs may name what another is the holder of: the VPC of a subnet group.
        let holds = |handle: &&String| self.handles.get(*handle) == Some(&own);
        handles(entry).iter().filter(holds).filter_map(|handle| self.users.get(handle)).flatten().filter(|user| **user != own).collect()
    }

    /// Takes a resource in, in place of what was known of it.
    pub fn put(&mut self, entry: Entry) {
        let key = key(&entry.kind, &entry.id);
        self.take(&key);
        let latest = entry.latest().at.max(entry.created).max(entry.deleted.map_or(0, |(asked, _)| asked));
        self.newest = self.newest.max(latest);
        let births = self.births.entry(entry.made_for.clone()).or_default();
        *births = (*births).max(entry.nth + 1);
        *self.totals.entry(entry.kind.clone()).or_default() += 1;
        if !entry.token.is_empty() {
            self.tokens.insert(format!("{} {}", entry.kind, entry.token), key.clone());
        }
        let (own, others) = own_handles(&entry);
        for handle in own {
            self.handles.insert(handle, key.clone());
        }
        for handle in others {
            self.handles.entry(handle).or_insert_with(|| key.clone());
        }
        for used in self.uses(&entry) {
            self.users.entry(used).or_default().insert(key.clone());
        }
        for claim in rules::claims(&entry, types::kind(&entry.kind)) {
            self.claims.insert(claim, key.clone());
        }
        if let Some((vpc, range)) = rules::range(&entry) {
            let (first, last) = rules::bounds(range);
            self.ranges.entry(vpc).or_default().insert(first, (last, key.clone()));
        }
        if let Some((_, gone)) = entry.deleted {
            self.leaving.insert((gone, key.clone()));
        }
        self.entries.insert(key, entry);
    }

    /// Takes a resource out.
    fn take(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(total) = self.totals.get_mut(&entry.kind) {
            *total = total.saturating_sub(1);
        }
        self.tokens.remove(&format!("{} {}", entry.kind, entry.token));
        for handle in handles(&entry) {
            if self.handles.get(&handle).is_some_and(|holder| holder == key) {
                self.handles.remove(&handle);
            }
        }
        for used in self.uses(&entry) {
            if let Some(users) = self.users.get_mut(&used) {
                users.remove(key);
                if users.is_empty() {
                    self.users.remove(&used);
                }
            }
        }
        for claim in rules::claims(&entry, types::kind(&entry.kind)) {
            if self.claims.get(&claim).is_some_and(|holder| holder == key) {
                self.claims.remove(&claim);
            }
        }
        if let Some((vpc, range)) = rules::range(&entry)
            && let Some(ranges) = self.ranges.get_mut(&vpc)
        {
            ranges.remove(&rules::bounds(range).0);
        }
        if let Some((_, gone)) = entry.deleted {
            self.leaving.remove(&(gone, key.to_owned()));
        }
        Some(entry)
    }

    /// Lets go what is gone by now; reads that see the state of `seen` still see it until then.
    pub fn pass(&mut self, now: Millis, seen: Millis) {
        while let Some((gone, key)) = self.leaving.first().cloned().filter(|(gone, _)| *gone <= now) {
            match self.take(&key) {
                Some(entry) if gone > seen => self.ghosts.push(entry),
                Some(_) => {}
                None => drop(self.leaving.remove(&(gone, key))),
            }
        }
        self.ghosts.retain(|ghost| ghost.deleted.is_some_and(|(_, gone)| gone > seen));
    }
}

/// What names this one and nothing else; and what of its outputs names a part of it (the security group that EKS makes).
fn own_handles(entry: &Entry) -> (Vec<String>, BTreeSet<String>) {
    let mut mentioned = BTreeSet::new();
    mentions(entry.spec(), &mut mentioned);
    let mut own = vec![key(&entry.kind, &entry.id)];
    // An association goes by the id of what it is made for, which names that and not the association.
    own.extend(Some(entry.id.clone()).filter(|id| is_handle(id) && !mentioned.contains(id)));
    own.extend(entry.arn().filter(|arn| *arn != entry.id).map(ToOwned::to_owned));
    let mut parts = BTreeSet::new();
    mentions(&entry.outputs, &mut parts);
    parts.retain(|part| !own.contains(part) && !mentioned.contains(part));
    (own, parts)
}

fn handles(entry: &Entry) -> BTreeSet<String> {
    let (own, parts) = own_handles(entry);
    parts.into_iter().chain(own).collect()
}
