//! A simulated resource: its stored versions, and its state at a point in time.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    aws::types,
    core::{LiveResource, Phase, Shared, Tags},
};

/// Milliseconds since 1970.
pub(super) type Millis = u64;

/// A resource with its recent versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SimulatedResource {
    /// Name of its type.
    pub type_name: String,
    /// Region; empty for a global type.
    pub region: String,
    /// Physical id.
    pub id: String,
    /// Stack, environment and address; with `nth`, the seed of all generated values.
    pub created_for: String,
    /// Number of earlier resources of this type at the address.
    pub ordinal: u32,
    /// Idempotency token of the create call.
    pub token: String,
    /// Time of creation.
    pub created_at: Millis,
    /// Time from which on it is ready.
    pub ready_at: Millis,
    /// Start and end of the deletion.
    pub deletion: Option<(Millis, Millis)>,
    /// Whether it can be restored until the end of the deletion.
    #[serde(default)]
    pub recoverable: bool,
    /// Whether it was created to wait for a person.
    #[serde(default)]
    pub awaits_person: bool,
    /// Outputs, which never change.
    pub outputs: Shared<Value>,
    /// Versions, the latest last; earlier ones are kept while a lagging read may still see them.
    pub versions: Vec<Version>,
}

/// Spec and tags since a point in time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Version {
    pub written_at: Millis,
    pub spec: Shared<Value>,
    pub tags: Shared<Tags>,
}

static EMPTY_VERSION: LazyLock<Version> = LazyLock::new(Version::default);

impl SimulatedResource {
    /// Latest version.
    pub fn latest(&self) -> &Version {
        self.versions.last().unwrap_or(&EMPTY_VERSION)
    }
    /// Latest spec.
    pub fn spec(&self) -> &Value {
        &self.latest().spec
    }
    /// ARN, if any.
    pub fn arn(&self) -> Option<&str> {
        self.outputs.get("arn").and_then(Value::as_str)
    }

    /// Returns the resource as read with the state of `at`, if `shown` accepts it.
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
            permanent_id: types::resource_type(&self.type_name).and_then(|kind| kind.permanent_id_in(&self.outputs)),
            tags: version.tags.clone(),
            phase,
            spec: version.spec.clone(),
            outputs: self.outputs.clone(),
            // The caller knows which region it asked.
            region: None,
            version: None,
        })
    }

    /// Adds a version, and drops those that no read can see any more.
    pub fn push_version(&mut self, version: Version, seen: Millis) {
        self.versions.push(version);
        let visible = self.versions.iter().rposition(|version| version.written_at <= seen).unwrap_or(0);
        self.versions.drain(..visible);
    }
}

/// Copies the value at `pointer` from `from` to `into`. Lists are copied as a whole, because positions differ between versions.
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
