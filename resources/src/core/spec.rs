//! Specs, and the facts that `#[spec]` states about their fields.
//!
//! `macros/src/facts.rs` explains the facts to authors of resource types. Here they are data for the engine.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

pub use super::Direction;
use super::{Problem, Ref, ReferencedOutput, rules::anchored_regex};

/// The settings of a resource: users write them, and live state is read into the same shape. `#[spec]` implements it.
pub trait Spec: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// A struct with one `bool` per field: whether it differs.
    type Changes: Copy + Default + Send + Sync + 'static;
    /// The facts of every field, in the order of the struct.
    const FIELDS: &'static [Field];

    /// The fields at these JSON pointers, or above them.
    fn changes(pointers: &[String]) -> Self::Changes;
    /// JSON pointers to the fields that differ.
    fn pointers(changes: &Self::Changes) -> Vec<&'static str>;
    /// The state in which the create call leaves the resource: fields it can't set have AWS's default here.
    fn after_create(&self) -> Self;
    /// The spec in which fields with the fact `dropped`, whose value depends on others, have that value.
    fn dropped(&self) -> Self {
        self.clone()
    }
}

/// Whether one of the pointers is `field`, or below it.
pub fn differs(pointers: &[String], field: &str) -> bool {
    pointers.iter().any(|pointer| pointer.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The facts of a field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in YAML.
    pub name: &'static str,
    /// JSON pointer below the spec.
    pub pointer: &'static str,
    /// A change replaces the resource.
    pub replaces: bool,
    /// The create call can't set it.
    pub after_create: bool,
    /// Names of the unique keys of which it is a part.
    pub unique: &'static [&'static str],
    /// Names of the unique keys of which it is a part, where values are the same when their ranges overlap.
    pub unique_by_overlap: &'static [&'static str],
    /// Names of the keys of which each of its entries is a value that two declared resources can't have in common.
    pub unique_entries: &'static [&'static str],
    /// Identifies an untaggable resource within its parent.
    pub identity: bool,
    /// Name of the resource type in which the resource lives, if this field refers to it.
    pub parent: Option<&'static str>,
    /// Binds the resource to the one it refers to, not to its id or ARN.
    pub bound: bool,
    /// Field of the resources that it refers to, which AWS can't change for this resource: the VPC of its subnets.
    pub keeps: Option<&'static str>,
    /// Rules for the physical name, if this is it.
    pub naming: Option<Naming>,
    /// AWS fills it in when it is unset.
    pub assigned_by_aws: bool,
    /// Resources with the desired values are looked up, because the tag index lags.
    pub lookup: bool,
    /// A map of which AWS lists some entries only when asked by name.
    pub read_by_name: bool,
    /// Costs one more read per resource, so it is read only where declared or recorded.
    pub own_read: bool,
    /// The `bool` for AWS's deletion protection.
    pub protects_deletion: bool,
    /// Days after a deletion within which the resource can be restored.
    pub recovery_window: bool,
    /// The `bool` that makes AWS apply changes at once.
    pub apply_immediately: bool,
    /// Shown first in a plan.
    pub important: bool,
    /// The value with which a resource is in the partition's region for global services.
    pub global_region: Option<&'static str>,
    /// Used by the create call alone; later differences are ignored.
    pub initial_only: bool,
    /// AWS never reports it.
    pub write_only: bool,
    /// AWS does not report it of a ready resource: it counts as set, except after an unfinished creation.
    pub presumed: bool,
    /// An entry that leaves it is removed in a separate step, after the deletion of its dependents.
    pub removed_later: bool,
    /// AWS's default quota for its entries, if an update changes them one by one.
    pub entry_quota: Option<usize>,
    /// AWS's name of the attribute that holds it as text.
    pub attribute: Option<&'static str>,
    /// The effect of a change in place on users.
    pub impact: Option<&'static str>,
    /// AWS can change it in one direction only.
    pub one_way: Option<OneWayFact>,
    /// A risky value, which a plan highlights.
    pub risky: Option<Risk>,
}

impl Field {
    /// A field without any facts.
    pub const fn new(name: &'static str, pointer: &'static str) -> Field {
        Field {
            name,
            pointer,
            replaces: false,
            after_create: false,
            unique: &[],
            unique_by_overlap: &[],
            unique_entries: &[],
            identity: false,
            parent: None,
            bound: false,
            keeps: None,
            naming: None,
            assigned_by_aws: false,
            lookup: false,
            read_by_name: false,
            own_read: false,
            protects_deletion: false,
            recovery_window: false,
            apply_immediately: false,
            important: false,
            global_region: None,
            initial_only: false,
            write_only: false,
            presumed: false,
            removed_later: false,
            entry_quota: None,
            attribute: None,
            impact: None,
            one_way: None,
            risky: None,
        }
    }
}

/// Rules for a physical name.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// Maximum length of a name, in characters.
    pub max: usize,
    /// Lowercase letters only.
    pub lowercase: bool,
    /// Names that differ only in case are the same.
    pub ignore_case: bool,
    /// Names are unique among all accounts and regions of a partition, so generated ones contain account and region.
    pub global: bool,
    /// Prefix of every name (`alias/`).
    pub prefix: &'static str,
    /// Suffix of some names (`.fifo`).
    pub suffix: Option<NameSuffix>,
    /// A regular expression that the whole name matches, if there is one.
    pub pattern: Option<&'static str>,
}

/// A suffix of the physical names of some resources of a type.
#[derive(Clone, Copy, Debug)]
pub struct NameSuffix {
    /// The suffix.
    pub text: &'static str,
    /// Name of the `bool` field that is true for the resources with the suffix.
    pub when: &'static str,
}

impl Naming {
    /// Suffix of the name of a resource with this spec; empty for none.
    pub fn suffix_for(&self, spec: &Value) -> &'static str {
        spec.as_object().map_or("", |fields| self.suffix_with(fields))
    }
    /// Suffix of the name of a resource with these fields; empty for none.
    pub fn suffix_with(&self, fields: &Map<String, Value>) -> &'static str {
        self.suffix.filter(|suffix| fields.get(suffix.when) == Some(&Value::Bool(true))).map_or("", |suffix| suffix.text)
    }
    /// Returns the problem of a name with a suffix that the spec does not call for.
    pub fn check(&self, spec: &Value) -> Option<Problem> {
        let NameSuffix { text, when } = self.suffix.filter(|_| self.suffix_for(spec).is_empty())?;
        spec.get("name")?.as_str().filter(|name| name.ends_with(text))?;
        let message = format!("a name with the suffix `{text}` requires `{when}: true`");
        Some(Problem {
            pointer: "/name".to_owned(),
            message,
            help: Some(format!("set `{when}: true`, or remove the suffix")),
            code: Problem::INVALID,
            is_secret: false,
        })
    }
    /// Whether the name matches the pattern.
    pub fn accepts(&self, name: &str) -> bool {
        // A large stack has thousands of names and few patterns.
        static COMPILED: Mutex<BTreeMap<&str, Option<Regex>>> = Mutex::new(BTreeMap::new());
        let Some(pattern) = self.pattern else { return true };
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.entry(pattern).or_insert_with(|| anchored_regex(pattern).ok()).as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

/// The only direction in which AWS can change a field.
#[derive(Clone, Copy, Debug)]
pub struct OneWayFact {
    /// Direction.
    pub direction: Direction,
    /// Reason why the change can't be undone.
    pub reason: &'static str,
}

/// A risky value, which a plan highlights.
#[derive(Clone, Copy, Debug)]
pub struct Risk {
    /// The value.
    pub value: fn() -> Value,
    /// Reason why it is risky.
    pub reason: &'static str,
}

/// A type of field that refers to resources of one type.
pub trait ReferencesType {
    /// Name of the resource type.
    const TYPE: &'static str;
}

impl<T: Named, B: ReferencedOutput> ReferencesType for Ref<T, B> {
    const TYPE: &'static str = T::NAME;
}

impl<R: ReferencesType> ReferencesType for Option<R> {
    const TYPE: &'static str = R::TYPE;
}

/// A resource type with a name.
pub trait Named {
    /// Name in YAML.
    const NAME: &'static str;
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use acme_macros::spec;
    use serde_json::json;

    use super::*;
    use crate::{aws::types::vpc::Vpc, core::Cidr};

    /// A machine that states every fact.
    #[spec]
    #[derive(Default)]
    struct Machine {
        /// Its name.
        #[field(name(max = 63, lowercase, prefix = "m-", suffix(".safe", when = protected)), unique = "name", replaces)]
        name: Option<String>,
        /// The network it runs in.
        #[field(replaces, parent, bound, unique = "address")]
        vpc: Option<Ref<Vpc>>,
        /// The network it is visible from.
        #[field(default, parent = Vpc, identity)]
        seen_from: String,
        /// Its addresses.
        #[field(default, unique_by_overlap = "address", prefix = 16..=28)]
        addresses: BTreeSet<Cidr>,
        /// Size of its disk, in GiB.
        #[field(default = 20, range = 1..=16_384, one_way(Direction::Increase, "disks never shrink"), impact = "slows it down")]
        #[serde(rename = "disk/gib")]
        disk: u32,
        /// Port.
        #[field(unset = "the engine's port", range = 1..=65_535)]
        port: Option<i32>,
        /// Weight, from negative.
        #[field(default = -1, range = -5..=5)]
        weight: Option<i32>,
        /// Kind of disk.
        #[field(default = "gp3", one_of = ["gp3", "io2"], after_create)]
        disk_type: String,
        /// Purpose.
        #[field(default, length = 0..=256, pattern = "[a-z ]*", after_create = format!("made as {}", self.disk_type))]
        description: String,
        /// How it runs.
        #[field(default = Mode::OnDemand, after_create = Mode::Spot)]
        mode: Mode,
        /// Whether it can be deleted.
        #[field(default = true, protects_deletion, risky(false, "anyone can delete it"), after_create = false)]
        protected: bool,
        /// Whether changes are made at once.
        #[field(default, apply_immediately, write_only)]
        at_once: bool,
        /// Zone.
        #[field(assigned_by_aws, lookup)]
        zone: Option<String>,
        /// Parameters.
        #[field(default, read_by_name, own_read, removed_later, unique_entries = "parameter")]
        parameters: BTreeMap<String, String>,
        /// Password.
        #[field(important, initial_only)]
        password: String,
        /// Serial number.
        #[field(default)]
        r#type: String,
        /// Its clock.
        #[serde(flatten)]
        clock: Clock,
    }

    /// How it keeps time.
    #[spec]
    #[derive(Default)]
    pub struct Clock {
        /// Time zone.
        #[field(default = "UTC")]
        pub time_zone: String,
    }

    /// How it runs.
    #[spec]
    #[derive(Copy, Default)]
    enum Mode {
        /// Until it is stopped.
        #[default]
        OnDemand,
        /// Until AWS needs the capacity.
        Spot,
    }

    fn field(name: &str) -> Field {
        *Machine::FIELDS.iter().find(|field| field.name == name).expect("a field of this name")
    }

    fn fields_with(fact: fn(&Field) -> bool) -> Vec<&'static str> {
        Machine::FIELDS.iter().filter(|field| fact(field)).map(|field| field.name).collect()
    }

    fn machine(mut written: Value) -> serde_json::Result<Machine> {
        written["password"] = json!("secret");
        serde_json::from_value(written)
    }

    #[test]
    fn fields_carry_their_facts() {
        let names: Vec<_> = Machine::FIELDS.iter().map(|field| field.name).collect();
        let expected = [
            "name",
            "vpc",
            "seen_from",
            "addresses",
            "disk/gib",
            "port",
            "weight",
            "disk_type",
            "description",
            "mode",
            "protected",
            "at_once",
            "zone",
            "parameters",
            "password",
            "type",
        ];
        assert_eq!(names, expected);
        assert_eq!(field("disk/gib").pointer, "/disk~1gib");

        assert_eq!(fields_with(|field| field.replaces), ["name", "vpc"]);
        assert_eq!(fields_with(|field| field.after_create), ["disk_type", "description", "mode", "protected"]);
        assert_eq!(fields_with(|field| field.unique.contains(&"name")), ["name"]);
        assert_eq!(fields_with(|field| field.unique.contains(&"address")), ["vpc"]);
        assert_eq!(fields_with(|field| field.unique_by_overlap.contains(&"address")), ["addresses"]);
        assert_eq!(fields_with(|field| field.unique_entries.contains(&"parameter")), ["parameters"]);
        assert_eq!(fields_with(|field| field.identity), ["seen_from"]);
        assert_eq!(fields_with(|field| field.parent == Some("vpc")), ["vpc", "seen_from"]);
        assert_eq!(fields_with(|field| field.parent.is_some()), ["vpc", "seen_from"]);
        assert_eq!(fields_with(|field| field.bound), ["vpc"]);
        assert_eq!(fields_with(|field| field.assigned_by_aws), ["zone"]);
        assert_eq!(fields_with(|field| field.lookup), ["zone"]);
        assert_eq!(fields_with(|field| field.read_by_name), ["parameters"]);
        assert_eq!(fields_with(|field| field.own_read), ["parameters"]);
        assert_eq!(fields_with(|field| field.removed_later), ["parameters"]);
        assert_eq!(fields_with(|field| field.protects_deletion), ["protected"]);
        assert_eq!(fields_with(|field| field.apply_immediately), ["at_once"]);
        assert_eq!(fields_with(|field| field.important), ["password"]);
        assert_eq!(fields_with(|field| field.initial_only), ["password"]);
        assert_eq!(fields_with(|field| field.write_only), ["at_once"]);

        assert_eq!(fields_with(|field| field.naming.is_some()), ["name"]);
        let naming = field("name").naming.expect("rules for the name");
        assert_eq!((naming.max, naming.lowercase, naming.prefix), (63, true, "m-"));
        assert_eq!([true, false].map(|protected| naming.suffix_for(&json!({ "protected": protected }))), [".safe", ""]);
        let check = |name: &str, protected: bool| naming.check(&json!({ "name": name, "protected": protected })).is_none();
        assert_eq!([check("m-a.safe", true), check("m-a", false), check("m-a.safe", false)], [true, true, false]);
        assert_eq!(fields_with(|field| field.impact.is_some()), ["disk/gib"]);
        assert_eq!(field("disk/gib").impact, Some("slows it down"));
        assert_eq!(fields_with(|field| field.one_way.is_some()), ["disk/gib"]);
        let one_way = field("disk/gib").one_way.expect("a way");
        assert!(matches!(one_way.direction, Direction::Increase));
        assert_eq!(one_way.reason, "disks never shrink");
        assert_eq!(fields_with(|field| field.risky.is_some()), ["protected"]);
        let risky = field("protected").risky.expect("a risk");
        assert_eq!(((risky.value)(), risky.reason), (json!(false), "anyone can delete it"));
    }

    #[test]
    fn marks_fields_at_or_above_the_changed_pointers() {
        let changes = Machine::changes(&["/disk~1gib".into(), "/parameters/max_connections".into(), "/portal".into()]);
        assert!(changes.disk && changes.parameters);
        assert!(!changes.port && !changes.name && !changes.r#type);
        assert!(Machine::changes(&["/type".into()]).r#type);
    }

    #[test]
    fn fills_in_defaults() {
        let machine = machine(json!({})).expect("nothing else is required");
        let expected = json!({
            "name": null, "vpc": null, "seen_from": "", "addresses": [], "disk/gib": 20, "port": null, "weight": -1, "disk_type": "gp3",
            "description": "", "mode": "on_demand", "protected": true, "at_once": false, "zone": null, "parameters": {}, "password": "secret",
            "type": "", "time_zone": "UTC",
        });
        assert_eq!(json!(machine), expected);
        assert_eq!(json!(Machine { password: "secret".into(), ..Machine::default() }), expected);
    }

    #[test]
    fn rejects_unknown_keys() {
        let error = machine(json!({ "prot": 1 })).expect_err("`prot` is no field");
        assert!(error.to_string().starts_with("unknown field `prot`"), "{error}");
        assert!(serde_json::from_value::<Clock>(json!({ "zone": 1 })).is_err());
        assert!(serde_json::from_value::<Machine>(json!({})).is_err(), "the password is required");
    }

    #[test]
    fn after_create_resets_fields_the_create_call_cannot_set() {
        let wanted = machine(json!({ "disk_type": "io2", "mode": "on_demand", "disk/gib": 50, "description": "a b", "time_zone": "CET" }));
        let wanted = wanted.expect("a machine");
        let mut expected = json!(wanted);
        expected["disk_type"] = json!("gp3");
        expected["description"] = json!("made as io2");
        expected["mode"] = json!("spot");
        expected["protected"] = json!(false);
        assert_eq!(json!(wanted.after_create()), expected);
    }

    #[test]
    fn the_schema_shows_the_facts() {
        let schema = json!(schemars::schema_for!(Machine));
        assert_eq!(schema["description"], "A machine that states every fact.");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["password"]));
        let facts = |name: &str| {
            let keep = |key: &str| key.starts_with("x-acme-") && key != "x-acme-ref" || matches!(key, "default" | "minimum" | "maximum");
            let property = schema["properties"][name].as_object().expect("a property");
            Value::Object(property.iter().filter(|(key, _)| keep(key)).map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        let expected = json!({
            "name": { "x-acme-length": [1, 63], "x-acme-replaces": true },
            "vpc": { "x-acme-replaces": true },
            "seen_from": { "default": "" },
            "addresses": { "default": [], "x-acme-prefix": [16, 28] },
            "disk/gib": {
                "default": 20, "minimum": 1, "maximum": 16_384, "x-acme-one-way": "disks never shrink", "x-acme-impact": "slows it down",
            },
            "port": { "default": null, "minimum": 1, "maximum": 65_535, "x-acme-unset": "the engine's port" },
            "weight": { "default": -1, "minimum": -5, "maximum": 5 },
            "disk_type": { "default": "gp3", "x-acme-one-of": ["gp3", "io2"] },
            "description": { "default": "", "x-acme-length": [0, 256], "x-acme-pattern": "[a-z ]*" },
            "mode": { "default": "on_demand" },
            "protected": { "default": true, "x-acme-risky": "anyone can delete it", "x-acme-risky-value": false },
            "at_once": { "default": false, "x-acme-write-only": true },
            "zone": {},
            "parameters": { "default": {} },
            "password": { "x-acme-important": true, "x-acme-initial-only": true },
            "type": { "default": "" },
            "time_zone": { "default": "UTC" },
        });
        let properties = schema["properties"].as_object().expect("properties");
        let shown: Value = properties.keys().map(|name| (name.clone(), facts(name))).collect();
        assert_eq!(shown, expected);
        assert_eq!(schema["properties"]["port"]["type"], json!(["integer", "null"]));
    }
}
