//! Results of calls, and validation by AWS's rules.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::{
    CallTime, Simulator, constraints,
    ids::IdGenerator,
    millis,
    resource::{SimulatedResource, Version},
    schema::Reference,
    store::CloudState,
    timing::Timing,
};
use crate::{
    aws::types,
    core::{
        ADDRESS_TAG, CallContext, ChangedFields, Error, ErrorKind, RefusedChange, ResourceType, Result, STACK_TAG, iam_path,
        overlapping_exchange,
    },
};

impl Simulator {
    /// Resource created by an earlier call with this token, if AWS supports tokens for its type.
    pub(super) fn created_by_token(&self, state: &CloudState, kind: &ResourceType, call: &CallContext) -> Option<String> {
        if call.token.is_empty() || !kind.idempotent {
            return None;
        }
        let made = state.tokens.get(&format!("{} {}", kind.name, call.token)).and_then(|key| state.resources.get(key));
        made.filter(|entry| entry.deletion.is_none()).map(|entry| entry.id.clone())
    }

    pub(super) fn build_resource(
        &self,
        state: &mut CloudState,
        time: CallTime,
        kind: &'static ResourceType,
        call: &CallContext,
        spec: &Value,
    ) -> Result<SimulatedResource> {
        let created = kind.operations.after_create(spec)?;
        let made_for = format!("{} {}/{}/{}", kind.name, call.stack, call.environment, call.address);
        let region = state.region_of(kind, call.region.as_deref());
        let nth = state.created_counts.get(&made_for).copied().unwrap_or(0);
        let place = (call.region.as_deref(), iam_path(&call.stack, &call.environment));
        let (id, outputs) = self.generate(state, kind, place, format!("{made_for}/{nth}"), spec);
        let mut tags = call.tags.clone();
        if kind.is_taggable() && !kind.is_tagged_on_create() {
            // The name identifies the owner; a type without names stores ownership in some other way.
            tags.retain(|key, _| kind.naming.is_none() && key.starts_with("acme:"));
        }
        let usual = match self.behaviour.timing {
            Timing::Instant => Duration::ZERO,
            Timing::Scaled(fraction) => kind.typical_duration.mul_f64(fraction),
        };
        Ok(SimulatedResource {
            type_name: kind.name.to_owned(),
            region,
            id,
            created_for: made_for,
            ordinal: nth,
            token: call.token.clone(),
            created_at: time.now,
            ready_at: time.now + millis(usual),
            deletion: None,
            recoverable: false,
            awaits_person: self.behaviour.faults.waiting.contains(kind.name),
            outputs: outputs.into(),
            versions: vec![Version { written_at: time.now, spec: created.into(), tags: tags.into() }],
        })
    }

    /// Id and outputs of a resource in this region and IAM path.
    pub(super) fn generate(
        &self,
        state: &mut CloudState,
        kind: &'static ResourceType,
        place: (Option<&str>, String),
        seed: String,
        spec: &Value,
    ) -> (String, Value) {
        self.with_generator(state, kind, place, seed, spec, |maker, schema| {
            let mut outputs = schema.map_or(Value::Null, |schema| maker.generate_outputs(schema));
            if let (Some(facts), Value::Object(outputs)) = (kind.own_facts(spec), &mut outputs) {
                outputs.retain(|name, _| facts.outputs.contains(name));
            }
            (maker.id.clone(), outputs)
        })
    }

    /// Calls a function with the generator of a resource in this region and IAM path, and the schema of its outputs.
    pub(super) fn with_generator<T>(
        &self,
        state: &mut CloudState,
        kind: &'static ResourceType,
        (region, iam_path): (Option<&str>, String),
        seed: String,
        spec: &Value,
        act: impl FnOnce(&IdGenerator<'_>, Option<&Value>) -> T,
    ) -> T {
        let shape = state.type_schema(kind.name);
        let references = shape.as_ref().map(|shape| shape.references(spec)).unwrap_or_default();
        let place = state.region_of(kind, region);
        let referenced = references.into_iter().filter_map(|r| Some((r.type_name.clone(), state.find(&r.type_name, &place, &r.value)?)));
        let maker = IdGenerator {
            resource_type: kind,
            region: region.unwrap_or(&self.region),
            account: &self.account,
            seed,
            iam_path,
            spec,
            referenced: referenced.collect(),
            id: String::new(),
            arn: String::new(),
        };
        act(&maker.generate_ids(), shape.as_ref().map(|shape| &shape.outputs))
    }

    /// Time of a deletion: none for types with a short typical duration.
    pub(super) fn deletion_duration(&self, kind: &ResourceType) -> Duration {
        match self.behaviour.timing {
            Timing::Scaled(fraction) if kind.typical_duration >= Duration::from_secs(10) => kind.typical_duration.mul_f64(fraction / 4.0),
            _ => Duration::ZERO,
        }
    }

    /// Rejects what AWS rejects.
    pub(super) fn validate(
        &self,
        state: &mut CloudState,
        time: CallTime,
        kind: &'static ResourceType,
        entry: &SimulatedResource,
        new: bool,
    ) -> Result<()> {
        let own = state.key_of(entry);
        if new && state.resources.contains_key(&own) {
            return Err(constraints::already_exists(
                kind,
                &format!("A {} '{}'", kind.name.replace('_', " "), entry.id),
                &describe(state, &own),
            ));
        }
        validate_range(state, kind, entry, &own)?;
        validate_removed_entries(state, kind, entry)?;
        for claim in constraints::unique_claims(entry, Some(kind)) {
            if let Some(holder) = state.claims.get(&claim).filter(|holder| **holder != own) {
                let is_deleted = state.resources.get(holder).is_some_and(|holder| holder.recoverable);
                return Err(match is_deleted {
                    true => constraints::scheduled_for_deletion(kind, &describe(state, holder)),
                    false => constraints::already_exists(kind, &format!("'{claim}'"), &describe(state, holder)),
                });
            }
        }
        let groups = constraints::conflict_groups(entry, Some(kind));
        let others = groups.iter().filter_map(|group| state.conflict_groups.get(group)).flatten().filter(|other| **other != own);
        for other in others {
            let spec = state.resources.get(other).filter(|other| other.deletion.is_none()).map(SimulatedResource::spec);
            if spec.is_some_and(|spec| kind.operations.conflicts_with(entry.spec(), spec)) {
                return Err(constraints::conflicting(kind, &describe(state, other)));
            }
        }
        self.validate_references(state, time, kind, entry, new)?;
        match kind.quota.filter(|_| new) {
            Some((most, code))
                if state.type_counts.get(&(kind.name.to_owned(), entry.region.clone())).is_some_and(|total| *total >= most) =>
            {
                let message = format!("The maximum number of {most} of {} has been reached", kind.name.replace('_', " "));
                Err(Error::new(ErrorKind::Rejected, code, message))
            }
            _ => Ok(()),
        }
    }

    fn validate_references(
        &self,
        state: &mut CloudState,
        time: CallTime,
        kind: &'static ResourceType,
        entry: &SimulatedResource,
        new: bool,
    ) -> Result<()> {
        let Some(shape) = state.type_schema(kind.name) else { return Ok(()) };
        for reference in shape.references(entry.spec()) {
            let missing = |sort| {
                let mut error = constraints::not_found(sort, &reference.type_name, &reference.value);
                error.message.push_str(&format!(" (`{}` of the {})", reference.field, kind.name.replace('_', " ")));
                error
            };
            let Some(other) = state.find(&reference.type_name, &entry.region, &reference.value) else {
                match is_foreign_arn(&reference.value, &self.account) || state.is_output(&entry.region, &reference.value) {
                    true => continue,
                    false => return Err(missing(ErrorKind::Rejected)),
                }
            };
            if other.type_name != reference.type_name && (other.id == reference.value || other.arn() == Some(&reference.value)) {
                return Err(missing(ErrorKind::Rejected));
            }
            if other.created_at > time.visible_until && (&other.type_name, &other.id) != (&entry.type_name, &entry.id) {
                return Err(missing(ErrorKind::NotYetVisible));
            }
            if new && other.recoverable {
                let user = types::resource_type(&other.type_name).unwrap_or(kind);
                return Err(constraints::scheduled_for_deletion(user, &other.id));
            }
            if new && other.deletion.is_some() {
                let message = format!("The {} '{}' is being deleted", other.type_name.replace('_', " "), other.id);
                return Err(Error::new(ErrorKind::Conflict, "IncorrectState", message));
            }
            let busy =
                types::resource_type(&other.type_name).and_then(|kind| kind.service.busy_code).filter(|_| new && other.ready_at > time.now);
            if let Some(code) = busy {
                let message = format!("The {} '{}' is still being created", other.type_name.replace('_', " "), other.id);
                return Err(Error::new(ErrorKind::Conflict, code, message));
            }
        }
        Ok(())
    }
}

/// Whether an ARN belongs to another account (including AWS's own), whose resources are not visible.
fn is_foreign_arn(value: &str, own: &str) -> bool {
    let account = value.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
    account.is_some_and(|account| !account.is_empty() && account != own)
}

/// Checks that an IP range is inside a range of the resource it belongs to, and does not overlap another.
fn validate_range(state: &mut CloudState, kind: &ResourceType, entry: &SimulatedResource, own: &str) -> Result<()> {
    let (Some(errors), Some(key)) = (kind.range_errors, &kind.overlap_key) else { return Ok(()) };
    let Some((group, range)) = constraints::ip_range(entry, Some(kind)) else { return Ok(()) };
    let references = state.type_schema(kind.name).map(|shape| shape.references(entry.spec())).unwrap_or_default();
    let within = references.iter().filter(|reference| key.others.iter().any(|pointer| pointer[1..] == reference.field));
    let found = |r: &Reference| state.find(&r.type_name, &entry.region, &r.value).filter(|other| other.type_name == r.type_name);
    for home in within.filter_map(found) {
        let ranges = constraints::stated_ranges(home);
        if !ranges.is_empty() && !ranges.iter().any(|whole| whole.contains(&range)) {
            let message = format!("The CIDR '{range}' is invalid: it is not inside that of '{}'", home.id);
            return Err(Error::new(ErrorKind::Rejected, errors.outside, message));
        }
    }
    let (first, last) = constraints::bounds(range);
    let before = state.ranges.get(&group).and_then(|ranges| ranges.range(..=last).next_back());
    match before {
        Some((_, (end, holder))) if *end >= first && holder != own => {
            let message = format!("The CIDR '{range}' conflicts with another {}: {}", kind.name.replace('_', " "), describe(state, holder));
            Err(Error::new(ErrorKind::Rejected, errors.overlap, message))
        }
        _ => Ok(()),
    }
}

/// Rejects an update that skips a version.
pub(super) fn validate_versions(kind: &ResourceType, before: &Value, after: &Value, pointers: &[String]) -> Result<()> {
    for one_way in kind.one_way.iter().filter(|one_way| pointers.iter().any(|pointer| pointer == one_way.field)) {
        let (Some(from), Some(to)) = (before.pointer(one_way.field), after.pointer(one_way.field)) else { continue };
        if let Some(RefusedChange::SkipsMinorVersion(_)) = one_way.direction.refusal(from, to) {
            let message = format!("Unsupported Kubernetes minor version update from {from} to {to}");
            return Err(Error::new(ErrorKind::Rejected, "InvalidParameterException", message));
        }
    }
    Ok(())
}

/// Rejects an update that adds more entries than the quota allows before it removes others.
pub(super) fn validate_entry_quotas(kind: &ResourceType, before: &Value, after: &Value) -> Result<()> {
    for (pointer, most) in &kind.entry_quotas {
        let (Some(Value::Array(old)), Some(Value::Array(new))) = (before.pointer(pointer), after.pointer(pointer)) else { continue };
        let added = new.iter().filter(|entry| !old.contains(entry)).count();
        if added > 0 && old.len() + added > *most {
            let message = format!("{} of the {}: more than {most}", pointer.trim_start_matches('/'), kind.name.replace('_', " "));
            return Err(Error::new(ErrorKind::Rejected, "LimitExceeded", message));
        }
    }
    Ok(())
}

/// Rejects an update that adds a range before one that overlaps it has left.
pub(super) fn validate_resized_ranges(kind: &ResourceType, before: &Value, after: &Value) -> Result<()> {
    for pointer in &kind.removed_later {
        let (Some(before), Some(after)) = (before.pointer(pointer), after.pointer(pointer)) else { continue };
        if let Some((added, leaving)) = overlapping_exchange(before, after) {
            let message = format!("The CIDR '{added}' conflicts with '{leaving}' of the {}", kind.name.replace('_', " "));
            return Err(Error::new(ErrorKind::Rejected, "InvalidParameterValue", message));
        }
    }
    Ok(())
}

/// Rejects an update that leads to resources with another value in a field that the type keeps: to subnets of another VPC.
pub(super) fn validate_kept(
    state: &CloudState,
    kind: &ResourceType,
    entry: &SimulatedResource,
    after: &Value,
    pointers: &[String],
) -> Result<()> {
    for (pointer, field) in kind.keeps.iter().filter(|(pointer, _)| ChangedFields(pointers.to_vec()).contains(pointer)) {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        let values = |spec: &Value| -> BTreeSet<String> {
            let references = kind.references(spec).into_iter().filter(|reference| reference.path.split('.').next() == Some(&path));
            let referenced = references.filter_map(|reference| state.find(&reference.type_name, &entry.region, &reference.value));
            referenced.filter_map(|referenced| Some(referenced.spec().get(*field)?.to_string())).collect()
        };
        let before = values(entry.spec());
        if !before.is_empty() && !values(after).is_subset(&before) {
            let message = format!("The new {path} are not in the same {field} as the existing {}", kind.name.replace('_', " "));
            return Err(Error::new(ErrorKind::Rejected, "InvalidParameterValue", message));
        }
    }
    Ok(())
}

/// Rejects removing a range while a dependent uses it.
fn validate_removed_entries(state: &CloudState, kind: &ResourceType, entry: &SimulatedResource) -> Result<()> {
    if kind.removed_later.is_empty() {
        return Ok(());
    }
    let ranges = constraints::stated_ranges(entry);
    let is_outside = |key: &&String| {
        let dependent = state.resources.get(*key).filter(|dependent| dependent.deletion.is_none());
        let range = dependent.and_then(|dependent| constraints::ip_range(dependent, types::resource_type(&dependent.type_name)));
        range.is_some_and(|(_, range)| !ranges.iter().any(|whole| whole.contains(&range)))
    };
    match state.dependents_of(entry).into_iter().find(is_outside) {
        Some(dependent) => Err(constraints::in_use(kind, &entry.id, &describe(state, dependent), 0)),
        None => Ok(()),
    }
}

/// A resource that uses another one, in a message: with its stack, if that is not the same.
pub(super) fn describe_user(state: &CloudState, key: &str, used: &SimulatedResource) -> String {
    let stack = state.resources.get(key).and_then(|user| user.latest().tags.get(STACK_TAG));
    match stack.filter(|stack| used.latest().tags.get(STACK_TAG) != Some(*stack)) {
        Some(stack) => format!("{} of the stack {stack}", describe(state, key)),
        None => describe(state, key),
    }
}

/// Resource in a message: its address, if any, and its id.
pub(super) fn describe(state: &CloudState, key: &str) -> String {
    let address = state.resources.get(key).and_then(|entry| entry.latest().tags.get(ADDRESS_TAG));
    address.map_or_else(|| key.to_owned(), |address| format!("{key} ({address})"))
}
