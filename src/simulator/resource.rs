//! One simulated resource: what is kept of it, and how it looks at a point in time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::{LiveResource, Phase, Tags};

/// Milliseconds since 1970.
pub(super) type Millis = u64;

/// A resource and its recent past.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SimulatedResource {
    /// Name of its type.
    pub type_name: String,
    /// Physical id.
    pub id: String,
    /// Stack, environment and address it was made for; with `nth` the seed of all that is made up.
    pub created_for: String,
    /// How many of this type were made there before.
    pub ordinal: u32,
    /// Idempotency token of the call that made it.
    pub token: String,
    /// When that was.
    pub created_at: Millis,
    /// When it can be used.
    pub ready_at: Millis,
    /// When deletion was asked for, and when it is done.
    pub deletion: Option<(Millis, Millis)>,
    /// What others may refer to; never changes.
    pub outputs: Value,
    /// The latest version last; earlier ones are kept while a lagging read may still see them.
    pub versions: Vec<Version>,
}

/// Spec and tags since a point in time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Version {
    pub written_at: Millis,
    pub spec: Value,
    pub tags: Tags,
}

static EMPTY_VERSION: Version = Version { written_at: 0, spec: Value::Null, tags: Tags::new() };

impl SimulatedResource {
    /// The latest version.
    pub fn latest(&self) -> &Version {
        self.versions.last().unwrap_or(&EMPTY_VERSION)
    }
    /// The latest spec.
    pub fn spec(&self) -> &Value {
        &self.latest().spec
    }
    /// Its ARN, where it has one.
    pub fn arn(&self) -> Option<&str> {
        self.outputs.get("arn").and_then(Value::as_str)
    }

    /// How a read that sees the state of `at` sees it, if `shown` wants it.
    pub fn view_at(&self, at: Millis, shown: impl FnOnce(&Version) -> bool) -> Option<LiveResource> {
        let version = self.versions.iter().rev().find(|version| version.written_at <= at).filter(|version| shown(version))?;
        let phase = match self.deletion {
            Some((_, gone)) if gone <= at => return None,
            Some((asked, _)) if asked <= at => Phase::Deleting,
            _ if self.ready_at > at => Phase::Progressing("creating".to_owned()),
            _ => Phase::Ready,
        };
        Some(LiveResource {
            type_name: self.type_name.clone(),
            id: self.id.clone(),
            tags: version.tags.clone(),
            phase,
            spec: version.spec.clone(),
            outputs: self.outputs.clone(),
            version: None,
        })
    }

    /// Adds a version, forgetting those which no read can see any more.
    pub fn push_version(&mut self, version: Version, seen: Millis) {
        self.versions.push(version);
        let visible = self.versions.iter().rposition(|version| version.written_at <= seen).unwrap_or(0);
        self.versions.drain(..visible);
    }
}

/// Copies what stands at `pointer` from `from` into `into`. Lists are copied whole: positions mean nothing across two versions.
pub(super) fn copy_at(into: &mut Value, from: &Value, pointer: &str) {
    let Some(path) = pointer.strip_prefix('/') else {
        *into = from.clone();
        return;
    };
    let (key, rest) = match path.find('/') {
        Some(end) => (&path[..end], &path[end..]),
        None => (path, ""),
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => copy_key(into, from, &key, rest),
        (into, from) => *into = from.clone(),
    }
}

fn copy_key(into: &mut Map<String, Value>, from: &Map<String, Value>, key: &str, rest: &str) {
    match (into.get_mut(key), from.get(key)) {
        (Some(into), Some(from)) => copy_at(into, from, rest),
        (None, Some(from)) => drop(into.insert(key.to_owned(), from.clone())),
        (_, None) => drop(into.remove(key)),
    }
}
