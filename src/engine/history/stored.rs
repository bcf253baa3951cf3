//! Stored revisions, parsed only as far as needed: resources are most of the data, and few of them are read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::Revision;
use crate::{
    core::{Address, LiveResource},
    engine::{
        journal::{RunInfo, RunOutcome},
        plan::DeclaredFields,
    },
};

/// Revision with unparsed resources.
#[derive(Clone, Debug)]
pub struct StoredRevision {
    /// Everything except the resources.
    pub summary: RevisionSummary,
    json: Vec<u8>,
}

/// A [`Revision`] without its resources.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RevisionSummary {
    /// First record of the run.
    pub run: RunInfo,
    /// Start, in milliseconds since 1970.
    pub started_at: u64,
    /// End, in milliseconds since 1970.
    pub ended_at: u64,
    /// Outcome.
    pub outcome: RunOutcome,
    /// Actions in order, each with an address.
    pub done: Vec<(String, Address)>,
    /// See [`Revision::other_regions`].
    #[serde(default)]
    pub other_regions: BTreeSet<(String, String)>,
    /// See [`Revision::declared`].
    #[serde(default)]
    pub declared: DeclaredFields,
    /// See [`Revision::outputs`].
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
}

impl StoredRevision {
    /// Parses a [`Revision`]; `None` if the text is not one.
    pub fn parse(json: Vec<u8>) -> Option<StoredRevision> {
        let summary = serde_json::from_slice(&json).ok()?;
        Some(StoredRevision { summary, json })
    }

    /// Returns the resources of the stack after the run, at the `wanted` addresses; `None` if they can't be parsed.
    pub fn live(&self, wanted: impl Fn(&Address) -> bool) -> Option<BTreeMap<Address, LiveResource>> {
        serde_json::Deserializer::from_slice(&self.json).deserialize_map(LiveField(&wanted)).ok()
    }

    /// Returns the complete revision; `None` if it can't be parsed.
    pub fn revision(&self) -> Option<Revision> {
        serde_json::from_slice(&self.json).ok()
    }
}

/// Parser of the field `live` of a revision.
struct LiveField<'a, F>(&'a F);

impl<'de, F: Fn(&Address) -> bool> Visitor<'de> for LiveField<'_, F> {
    type Value = BTreeMap<Address, LiveResource>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a revision")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut live = None;
        while let Some(field) = fields.next_key::<String>()? {
            if field == "live" {
                live = Some(fields.next_value_seed(WantedResources(self.0))?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        live.ok_or_else(|| A::Error::missing_field("live"))
    }
}

/// Parser of the wanted entries of a map of resources.
struct WantedResources<'a, F>(&'a F);

impl<'de, F: Fn(&Address) -> bool> DeserializeSeed<'de> for WantedResources<'_, F> {
    type Value = BTreeMap<Address, LiveResource>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&Address) -> bool> Visitor<'de> for WantedResources<'_, F> {
    type Value = BTreeMap<Address, LiveResource>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("resources by address")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut live = BTreeMap::new();
        while let Some(address) = entries.next_key()? {
            if (self.0)(&address) {
                live.insert(address, entries.next_value()?);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(live)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::history::FORMAT;

    fn live(id: &str) -> LiveResource {
        LiveResource::ready("vpc", id, json!({ "a": 1 }))
    }

    #[test]
    fn parses_only_the_requested_resources() {
        let (a, b) = (Address::new("vpc", "a"), Address::new("vpc", "b"));
        let begin = json!({
            "format": "", "revision": 7, "continues": null, "stack": "shop", "environment": "default", "region": "", "account": "",
            "command": "apply", "actor": "", "commit": null, "definition": "",
        });
        let revision = Revision {
            format: FORMAT.to_owned(),
            run: serde_json::from_value(begin).expect("it is one"),
            started_at: 1,
            ended_at: 2,
            outcome: RunOutcome::Done,
            done: vec![("create".into(), a.clone())],
            other_regions: BTreeSet::new(),
            live: [(a.clone(), live("vpc-1")), (b.clone(), live("vpc-2"))].into(),
            declared: [(a.clone(), BTreeSet::from(["/name".to_owned()]))].into(),
            outputs: [("a".to_owned(), json!("{{ vpc.a.id }}"))].into(),
        };
        let json = serde_json::to_vec(&revision).expect("it is JSON");
        let stored = StoredRevision::parse(json.clone()).expect("it is a revision");
        assert_eq!((stored.summary.ended_at, &stored.summary.done), (2, &revision.done));
        assert_eq!((&stored.summary.declared, &stored.summary.outputs), (&revision.declared, &revision.outputs));
        assert_eq!(stored.live(|address| *address == b), Some([(b.clone(), live("vpc-2"))].into()));
        assert_eq!(stored.live(|_| true).as_ref(), Some(&revision.live));
        assert_eq!(stored.revision(), Some(revision));
        let damaged = String::from_utf8(json).expect("it is a text").replace("vpc-2", "vpc-2\\");
        assert!(StoredRevision::parse(damaged.into_bytes()).is_none());
    }
}
