use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use serde_json::json;

use super::*;
use crate::core::Cidr;

/// A machine.
#[spec]
struct Machine {
    /// Time to wait, in seconds.
    #[field(default = 5, range = 0..=43200)]
    wait_seconds: u32,
    /// Share of the traffic.
    #[field(default, range = -5..=5)]
    weight: Option<i32>,
    /// Disk.
    #[field(default = "gp3", one_of = ["gp3", "io2"])]
    disk: String,
    /// Purpose.
    #[field(default, length = 1..=8, pattern = "[a-z]+")]
    purpose: Option<String>,
    /// Its ranges.
    #[field(default, prefix = 16..=28, length = 0..=2)]
    ranges: BTreeSet<Cidr>,
    /// Its labels.
    #[field(default, length = 0..=1, pattern = "[a-z]*")]
    labels: BTreeMap<String, String>,
    /// Its first port.
    #[field(default)]
    first: Option<Port>,
    /// Its ports.
    #[field(default, length = 0..=3)]
    ports: Vec<Port>,
    /// Its ports by name.
    #[field(default)]
    by_name: BTreeMap<String, Port>,
    /// How it stores data.
    #[field(default)]
    store: Option<Store>,
}

/// A port.
#[spec]
pub struct Port {
    /// Its number.
    #[field(range = 1..=1024)]
    pub number: u16,
}

/// How it stores data.
#[spec]
pub enum Store {
    /// On a disk.
    Disk(Disk),
    /// In memory.
    Memory(Memory),
}

/// On a disk.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Disk {
    /// Size.
    #[field(range = 1..=10)]
    pub size: u32,
}

/// In memory.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// Size.
    #[field(range = 100..=200)]
    pub size: u32,
}

fn problems(spec: Value) -> Vec<String> {
    let rules = Rules::of(&json!(schemars::schema_for!(Machine)));
    rules.check(&spec).into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn accepts_values_within_their_limits() {
    let spec = json!({
        "wait_seconds": 43200, "weight": -5, "disk": "io2", "purpose": "web", "ranges": ["10.0.0.0/16", "10.1.0.0/28"],
        "labels": { "A": "b" }, "first": { "number": 1 }, "ports": [{ "number": 1024 }], "by_name": { "http": { "number": 80 } },
        "store": { "disk": { "size": 10 } },
    });
    assert_eq!(problems(spec), Vec::<String>::new());
    assert_eq!(problems(json!({ "weight": null, "purpose": null, "first": null, "store": null })), Vec::<String>::new());
    assert_eq!(problems(json!({ "store": { "memory": { "size": 150 } } })), Vec::<String>::new());
}

#[test]
fn reports_values_beyond_their_limits() {
    let cases = [
        (json!({ "wait_seconds": 43201 }), "/wait_seconds: must be between 0 and 43200"),
        (json!({ "weight": -6 }), "/weight: must be between -5 and 5"),
        (json!({ "disk": "gp9" }), "/disk: must be one of `gp3`, `io2`"),
        (json!({ "purpose": "" }), "/purpose: must have 1 to 8 characters|/purpose: must match the pattern `[a-z]+`"),
        (json!({ "purpose": "web\n" }), "/purpose: must match the pattern `[a-z]+`"),
        (json!({ "purpose": "äöüäöüäö" }), "/purpose: must match the pattern `[a-z]+`"),
        (json!({ "ranges": ["10.0.0.0/16", "10.0.0.0/8"] }), "/ranges/1: the prefix length must be between /16 and /28, not /8"),
        (json!({ "ranges": ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"] }), "/ranges: must have at most 2 items"),
        (json!({ "labels": { "a": "x", "b": "x" } }), "/labels: must have at most 1 entry"),
        (json!({ "labels": { "a/b": "X" } }), "/labels/a~1b: must match the pattern `[a-z]*`"),
        (json!({ "first": { "number": 0 } }), "/first/number: must be between 1 and 1024"),
        (json!({ "ports": [{ "number": 1 }, { "number": 1025 }] }), "/ports/1/number: must be between 1 and 1024"),
        (json!({ "by_name": { "http": { "number": 0 } } }), "/by_name/http/number: must be between 1 and 1024"),
        (json!({ "store": { "disk": { "size": 150 } } }), "/store/disk/size: must be between 1 and 10"),
        (json!({ "store": { "memory": { "size": 5 } } }), "/store/memory/size: must be between 100 and 200"),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(spec.clone()).join("|"), expected, "{spec}");
    }
}

#[test]
fn skips_values_that_hold_references() {
    let spec = json!({
        "disk": "${a.b.disk}", "purpose": "${iam_role.a-role.arn}", "ranges": ["${vpc.main.cidr}"], "labels": { "a": "${a.b.NAME}" },
    });
    assert_eq!(problems(spec), Vec::<String>::new());
    assert_eq!(problems(json!({ "purpose": "${aws:x}" })), ["/purpose: must match the pattern `[a-z]+`"]);
    let several = json!({ "ranges": ["${vpc.a.cidr}", "${vpc.b.cidr}", "${vpc.c.cidr}"] });
    assert_eq!(problems(several), ["/ranges: must have at most 2 items"]);
}

#[test]
fn skips_values_of_the_wrong_type() {
    assert_eq!(problems(json!({ "wait_seconds": "long", "first": 5, "ports": { "number": 0 }, "store": [] })), Vec::<String>::new());
}

#[test]
fn describes_counts_briefly() {
    let items = |min, max| describe_count(min, max, ("item", "items"));
    let all = [items(1, 5), items(0, 1), items(2, 2), items(1, u64::MAX)];
    assert_eq!(all, ["1 to 5 items", "at most 1 item", "2 items", "at least 1 item"]);
}
