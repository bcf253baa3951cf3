//! Updates in several steps, and what must hold before each.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Address, LiveResource, Source};

/// One of the steps in which an update reaches its goal: a version of Kubernetes that AWS does not skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage<R> {
    /// Version before the step.
    pub from: String,
    /// Version after it.
    pub to: String,
    /// Names of the gates before it, see [`super::Resource::gates`].
    pub gates: Vec<String>,
    /// Spec after it.
    pub spec: R,
}

/// The same without the Rust type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageFields {
    /// See [`Stage::from`].
    pub from: String,
    /// See [`Stage::to`].
    pub to: String,
    /// See [`Stage::gates`].
    pub gates: Vec<String>,
    /// Version of another resource at which it comes, see [`super::Resource::follow`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<ReachedVersion>,
    /// Fields that are not yet as desired after it, with their values.
    #[serde(skip)]
    pub fields: Map<String, Value>,
}

impl StageFields {
    /// Changes the desired spec to that after the step.
    pub fn apply_to(&self, spec: &mut Value) {
        if let Value::Object(fields) = spec {
            fields.extend(self.fields.clone());
        }
    }
}

/// A version that a resource has between two steps of its update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReachedVersion {
    /// Address of the resource.
    pub address: Address,
    /// Version.
    pub version: String,
}

/// Where the facts come from that decide whether a step may start.
pub type GateSource<'a, A> = Source<'a, A, &'a SimulatedFacts<'a>>;

/// What the simulated cloud knows about a step.
pub struct SimulatedFacts<'a> {
    /// Lists the resources of a type.
    pub resources: &'a (dyn Fn(&str) -> Vec<LiveResource> + Sync),
    /// Gates at which the simulated cloud finds a problem, by their names.
    pub failing: &'a BTreeSet<String>,
}

/// What a plan changes before one of its steps. Empty right before the first call of the step, when all of it is done.
#[derive(Clone, Debug, Default)]
pub struct PlannedSpecs(BTreeMap<(String, String), Value>);

impl PlannedSpecs {
    /// Adds the spec that a resource will have, by its type and id. Strings may contain `${…}` references.
    pub fn insert(&mut self, type_name: &str, id: &str, spec: Value) {
        self.0.insert((type_name.to_owned(), id.to_owned()), spec);
    }
    /// Returns the spec that a resource will have; `None` if the plan does not change it before the step.
    pub fn get(&self, type_name: &str, id: &str) -> Option<&Value> {
        self.0.get(&(type_name.to_owned(), id.to_owned()))
    }
    /// Changed resources of a type, with their ids.
    pub fn of_type<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().filter(move |((of_type, _), _)| of_type == type_name).map(|((_, id), spec)| (id.as_str(), spec))
    }
}

/// Result of the gates before a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GateReport {
    /// What does not hold, each with its remedy. With any of these, the step does not start.
    pub unmet: Vec<String>,
    /// What could not be checked, each with the reason.
    pub unchecked: Vec<String>,
}
