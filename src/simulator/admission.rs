//! What a call would make, and whether AWS would have it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    Local, Time,
    behaviour::Settle,
    entry::{Entry, Version},
    made_up::Maker,
    millis, rules,
    shape::Shape,
    store::{State, key},
};
use crate::{
    aws::types,
    core::{ADDRESS, Call, Error, ResourceType, Result, Sort},
};

impl Local {
    /// What a call with this token made, where AWS looks at tokens.
    pub(super) fn made_before(&self, state: &State, kind: &ResourceType, call: &Call) -> Option<String> {
        if call.token.is_empty() || !kind.idempotent {
            return None;
        }
        let made = state.tokens.get(&format!("{} {}", kind.name, call.token)).and_then(|key| state.entries.get(key));
        made.filter(|entry| entry.deleted.is_none()).map(|entry| entry.id.clone())
    }

    pub(super) fn born(&self, state: &mut State, time: Time, kind: &'static ResourceType, call: &Call, spec: &Value) -> Result<Entry> {
        let created = kind.operations.after_create(spec)?;
        let made_for = format!("{} {}/{}/{}", kind.name, call.stack, call.environment, call.address);
        let nth = state.births.get(&made_for).copied().unwrap_or(0);
        let shape = state.shape(kind.name);
        let maker = Maker {
            kind,
            region: &self.region,
            seed: format!("{made_for}/{nth}"),
            path: format!("/acme/{}/{}/", call.stack, call.environment),
            spec,
            inherited: shape.as_ref().map(|shape| inherited(state, shape, spec)).unwrap_or_default(),
            id: String::new(),
            arn: String::new(),
        };
        let maker = maker.name();
        let outputs = shape.map_or(Value::Null, |shape| maker.outputs(&shape.outputs));
        let id = maker.id;
        let mut tags = call.tags.clone();
        if kind.is_taggable() && !kind.is_tagged_on_create() {
            // A name tells whose it is; what has none carries the marks in some other way.
            tags.retain(|key, _| kind.naming.is_none() && key.starts_with("acme:"));
        }
        let usual = match self.behaviour.settle {
            Settle::AtOnce => Duration::ZERO,
            Settle::Slowly(fraction) => kind.typical.mul_f64(fraction),
        };
        Ok(Entry {
            kind: kind.name.to_owned(),
            id,
            made_for,
            nth,
            token: call.token.clone(),
            created: time.now,
            ready: time.now + millis(usual),
            deleted: None,
            outputs,
            versions: vec![Version { at: time.now, spec: created, tags }],
        })
    }

    /// Types that are made quickly go at once.
    pub(super) fn time_to_delete(&self, kind: &ResourceType) -> Duration {
        match self.behaviour.settle {
            Settle::Slowly(fraction) if kind.typical >= Duration::from_secs(10) => kind.typical.mul_f64(fraction / 4.0),
            _ => Duration::ZERO,
        }
    }

    /// Refuses what AWS refuses.
    pub(super) fn check(&self, state: &mut State, time: Time, kind: &'static ResourceType, entry: &Entry, new: bool) -> Result<()> {
        let own = key(&entry.kind, &entry.id);
        if new && state.entries.contains_key(&own) {
            return Err(rules::exists(kind, &format!("A {} '{}'", kind.name.replace('_', " "), entry.id), &described(state, &own)));
        }
        check_range(state, entry, &own)?;
        for claim in rules::claims(entry, Some(kind)) {
            if let Some(holder) = state.claims.get(&claim).filter(|holder| **holder != own) {
                return Err(rules::exists(kind, &format!("'{claim}'"), &described(state, holder)));
            }
        }
        self.check_references(state, time, kind, entry, new)?;
        match kind.quota.filter(|_| new) {
            Some((most, code)) if state.totals.get(kind.name).is_some_and(|total| *total >= most) => {
                let message = format!("The maximum number of {most} of {} has been reached", kind.name.replace('_', " "));
                Err(Error::new(Sort::Refused, code, message))
            }
            _ => Ok(()),
        }
    }

    fn check_references(&self, state: &mut State, time: Time, kind: &'static ResourceType, entry: &Entry, new: bool) -> Result<()> {
        let Some(shape) = state.shape(kind.name) else { return Ok(()) };
        for reference in shape.references(entry.spec()) {
            let missing = |sort| {
                let mut error = rules::missing(sort, &reference.kind, &reference.value);
                error.message.push_str(&format!(" (`{}` of the {})", reference.field, kind.name.replace('_', " ")));
                error
            };
            let Some(other) = state.named(&reference.kind, &reference.value) else {
                match foreign(&reference.value) {
                    true => continue,
                    false => return Err(missing(Sort::Refused)),
                }
            };
            if other.kind != reference.kind && (other.id == reference.value || other.arn() == Some(&reference.value)) {
                return Err(missing(Sort::Refused));
            }
            if other.created > time.seen && (&other.kind, &other.id) != (&entry.kind, &entry.id) {
                return Err(missing(Sort::NotYet));
            }
            if new && other.deleted.is_some() {
                let message = format!("The {} '{}' is being deleted", other.kind.replace('_', " "), other.id);
                return Err(Error::new(Sort::Conflict, "IncorrectState", message));
            }
            let busy = types::kind(&other.kind).and_then(|kind| rules::busy(kind.service)).filter(|_| new && other.ready > time.now);
            if let Some(code) = busy {
                let message = format!("The {} '{}' is still being created", other.kind.replace('_', " "), other.id);
                return Err(Error::new(Sort::Conflict, code, message));
            }
        }
        Ok(())
    }
}

/// Whether an ARN is of another account (AWS's own included), whose things cannot be seen from here.
fn foreign(value: &str) -> bool {
    let account = value.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
    account.is_some_and(|account| !account.is_empty() && account != Local::ACCOUNT)
}

/// Outputs that follow from those a spec refers to: the VPC of its subnets, the address of its elastic IP.
fn inherited(state: &State, shape: &Shape, spec: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    for reference in shape.references(spec) {
        let Some(other) = state.named(&reference.kind, &reference.value) else { continue };
        let (name, value) = match reference.kind.as_str() {
            "subnet" => ("vpc_id", other.spec().pointer("/vpc/id")),
            "elastic_ip" => ("public_ip", other.outputs.get("public_ip")),
            _ => continue,
        };
        found.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    found
}

/// A subnet lies in a range of its VPC, and on no other subnet.
fn check_range(state: &State, entry: &Entry, own: &str) -> Result<()> {
    let Some((vpc, range)) = rules::range(entry) else { return Ok(()) };
    let inside = state
        .entries
        .get(&key("vpc", &vpc))
        .map(rules::ranges_of_vpc)
        .is_none_or(|all| all.is_empty() || all.iter().any(|of_vpc| of_vpc.contains(&range)));
    if !inside {
        return Err(Error::new(
            Sort::Refused,
            "InvalidSubnet.Range",
            format!("The CIDR '{range}' is invalid: it is not inside that of '{vpc}'"),
        ));
    }
    let (first, last) = rules::bounds(range);
    let before = state.ranges.get(&vpc).and_then(|ranges| ranges.range(..=last).next_back());
    match before {
        Some((_, (end, holder))) if *end >= first && holder != own => {
            let message = format!("The CIDR '{range}' conflicts with another subnet: {}", described(state, holder));
            Err(Error::new(Sort::Refused, "InvalidSubnet.Conflict", message))
        }
        _ => Ok(()),
    }
}

/// A resource in a message: its address where it has one, and its id.
pub(super) fn described(state: &State, key: &str) -> String {
    let address = state.entries.get(key).and_then(|entry| entry.latest().tags.get(ADDRESS));
    address.map_or_else(|| key.to_owned(), |address| format!("{key} ({address})"))
}
