//! Type-erased resource types: plain data and one object of operations, so that the engine is compiled once.

use std::{ops::Deref, sync::OnceLock};

use serde_json::Value;

use super::{
    DataProtection, LiveResource, OneWay, Operations, Outputs, OwnFacts, PriceContext, Pricing, Problem, RegionScope, Resource, TypeInfo,
    global_region,
    marks::Marks,
    operations::operations_of,
    partition,
    rules::Rules,
    spec::{Field, Naming, Risk},
    spec_references::ReferencePaths,
};

/// A type-erased resource type. Dereferences to its [`TypeInfo`].
pub struct ResourceType {
    info: TypeInfo,
    /// Operations.
    pub operations: Box<dyn Operations>,
    /// JSON pointers to fields whose change replaces the resource.
    pub replaces: Vec<&'static str>,
    /// Unique keys, each a set of JSON pointers: two resources can't have all fields of a key in common.
    pub unique_keys: Vec<Vec<&'static str>>,
    /// Keys of which each entry of a list is a value, each a set of JSON pointers: two declared resources can't have a value in common.
    pub entry_keys: Vec<Vec<&'static str>>,
    /// Unique key that includes an IP range.
    pub overlap_key: Option<OverlapKey>,
    /// Fields that the create call can't set.
    pub after_create: Vec<&'static str>,
    /// Fields that AWS fills in when they are unset. Rollback asks for the old value and accepts any other.
    pub assigned_by_aws: Vec<&'static str>,
    /// Rules for the physical name, in `/name`. If the compiler chose the name, a replacement gets another one, so that both can exist
    /// side by side.
    pub naming: Option<Naming>,
    /// Field whose desired values are looked up, for types without a name: the tag index lags.
    pub lookup: Option<&'static str>,
    /// Field with settings by name, of which AWS lists some only when asked by name; see [`Scope::read_by_name`].
    pub read_by_name: Option<&'static str>,
    /// Fields that identify an untaggable resource within its parent.
    pub identity: Vec<&'static str>,
    /// Parent type, whose ids are in [`Scope::parent_ids`] while this one is listed. Without a parent there is nothing to list.
    pub parent: Option<&'static str>,
    /// Boolean field for AWS's deletion protection.
    pub protects_deletion: Option<&'static str>,
    /// Field with the days after a deletion within which the resource can be restored.
    pub recovery_window: Option<&'static str>,
    /// Boolean field that makes AWS apply changes at once; then the engine waits for pending changes.
    pub apply_immediately: Option<&'static str>,
    /// Impact of a change in place, by field.
    pub impact: Vec<(&'static str, &'static str)>,
    /// Fields that AWS can change in one direction only.
    pub one_way: Vec<OneWay>,
    /// Fields that are read only where they are declared or recorded.
    pub own_read: Vec<&'static str>,
    /// Field and value of resources in the partition's region for global services, whatever the stack's region is.
    pub global_region: Option<(&'static str, &'static str)>,
    /// Fields that only the create call sets.
    pub initial_only: Vec<&'static str>,
    /// Fields that AWS never reports.
    pub write_only: Vec<&'static str>,
    /// Fields that AWS does not report of a ready resource.
    pub presumed: Vec<&'static str>,
    /// Fields whose entries are removed after the deletion of their dependents.
    pub removed_later: Vec<&'static str>,
    /// Fields with AWS's default quotas for their entries, which an update changes one by one, additions first.
    pub entry_quotas: Vec<(&'static str, usize)>,
    /// Fields that a plan shows first; those below them too, see [`ResourceType::marks`].
    pub important: Vec<&'static str>,
    /// Risky values, which a plan highlights, by field; those below them too, see [`ResourceType::marks`].
    pub risky: Vec<(&'static str, Risk)>,
    /// JSON pointers to the references to parents, see [`ResourceType::parent`].
    pub parent_fields: Vec<&'static str>,
    /// JSON pointers to fields that bind the resource to the referenced one itself: it is recreated with that one.
    pub bound: Vec<&'static str>,
    /// JSON pointers to fields that AWS can change only to resources with the same value in another field, and the name of that one: to subnets
    /// with the same `vpc`. Other changes replace the resource.
    pub keeps: Vec<(&'static str, &'static str)>,
    /// JSON schema of the spec.
    schema: OnceLock<Value>,
    outputs: OnceLock<Outputs>,
    pub(super) rules: OnceLock<Rules>,
    pub(super) reference_paths: OnceLock<ReferencePaths>,
    /// Whether a spec can have marks.
    has_marks: OnceLock<bool>,
}

/// Unique key with an IP range: the ranges of two resources with equal other fields must not overlap.
pub struct OverlapKey {
    /// JSON pointer to the range.
    pub range: &'static str,
    /// JSON pointers to the other fields.
    pub others: Vec<&'static str>,
}

impl Deref for ResourceType {
    type Target = TypeInfo;
    fn deref(&self) -> &TypeInfo {
        &self.info
    }
}

impl ResourceType {
    /// Erases the type `R`.
    pub fn of<R: Resource>() -> ResourceType {
        ResourceType::new(R::TYPE, R::FIELDS, operations_of::<R>())
    }

    fn new(info: TypeInfo, fields: &'static [Field], operations: Box<dyn Operations>) -> ResourceType {
        let all = |fact: fn(&Field) -> bool| fields.iter().filter(|field| fact(field)).map(|field| field.pointer).collect::<Vec<_>>();
        let one = |fact: fn(&Field) -> bool| fields.iter().find(|field| fact(field)).map(|field| field.pointer);
        let mut unique_keys = keys(fields, |field| [field.unique, field.unique_by_overlap].concat());
        // A physical name is unique within its type, unless a key says otherwise.
        if let Some(name) = one(|field| field.naming.is_some()).filter(|name| !unique_keys.iter().any(|key| key.contains(name))) {
            unique_keys.push(vec![name]);
        }
        ResourceType {
            info,
            operations,
            replaces: all(|field| field.replaces),
            unique_keys,
            entry_keys: keys(fields, |field| field.unique_entries.to_vec()),
            overlap_key: fields.iter().find_map(|field| {
                let key = field.unique_by_overlap.first()?;
                let others = fields.iter().filter(|other| other.unique.contains(key)).map(|other| other.pointer);
                Some(OverlapKey { range: field.pointer, others: others.collect() })
            }),
            after_create: all(|field| field.after_create),
            assigned_by_aws: all(|field| field.assigned_by_aws),
            naming: fields.iter().find_map(|field| field.naming),
            lookup: one(|field| field.lookup),
            read_by_name: one(|field| field.read_by_name),
            identity: all(|field| field.identity),
            parent: fields.iter().find_map(|field| field.parent),
            protects_deletion: one(|field| field.protects_deletion),
            recovery_window: one(|field| field.recovery_window),
            apply_immediately: one(|field| field.apply_immediately),
            impact: fields.iter().filter_map(|field| Some((field.pointer, field.impact?))).collect(),
            one_way: fields
                .iter()
                .filter_map(|field| field.one_way.map(|one| OneWay { field: field.pointer, reason: one.reason, direction: one.direction }))
                .collect(),
            own_read: all(|field| field.own_read),
            global_region: fields.iter().find_map(|field| Some((field.pointer, field.global_region?))),
            initial_only: all(|field| field.initial_only),
            write_only: all(|field| field.write_only),
            presumed: all(|field| field.presumed),
            removed_later: all(|field| field.removed_later),
            entry_quotas: fields.iter().filter_map(|field| Some((field.pointer, field.entry_quota?))).collect(),
            important: all(|field| field.important),
            risky: fields.iter().filter_map(|field| Some((field.pointer, field.risky?))).collect(),
            parent_fields: all(|field| field.parent.is_some()),
            bound: all(|field| field.bound),
            keeps: fields.iter().filter_map(|field| Some((field.pointer, field.keeps?))).collect(),
            schema: OnceLock::new(),
            outputs: OnceLock::new(),
            rules: OnceLock::new(),
            reference_paths: OnceLock::new(),
            has_marks: OnceLock::new(),
        }
    }

    /// See [`Resource::OWN_FACTS`].
    pub fn own_facts(&self, spec: &Value) -> Option<OwnFacts> {
        self.operations.own_facts(spec)
    }

    /// JSON schema of the spec.
    pub fn schema(&self) -> &Value {
        self.schema.get_or_init(|| self.operations.schema().to_value())
    }

    /// Outputs, with the patterns in their schema.
    pub fn outputs(&self) -> &Outputs {
        self.outputs.get_or_init(|| Outputs::of(&self.operations.outputs_schema().to_value()))
    }

    /// Whether an output, or a field read as one, may change with these fields (JSON pointers).
    pub fn output_depends_on(&self, output: &str, pointers: &[&str]) -> bool {
        let fields: Vec<&str> = pointers.iter().filter_map(|pointer| pointer.split('/').nth(1)).collect();
        self.outputs().depends_on(output, &fields, self.id, self.arn)
    }

    /// Pointers to the fields with the fact `own_read` that have another value than their default in this spec.
    pub fn own_reads(&self, spec: &Value) -> Vec<String> {
        let differs = |pointer: &str| {
            let default = self.schema().pointer(&format!("/properties{pointer}/default")).unwrap_or(&Value::Null);
            spec.pointer(pointer).is_some_and(|value| !value.is_null() && value != default)
        };
        self.own_read.iter().filter(|pointer| differs(pointer)).map(|pointer| (*pointer).to_owned()).collect()
    }

    /// The region of a resource with this spec, where it does not depend on the definition: that of [`RegionScope::Only`], or the one for global
    /// services in the partition of `home`, see [`ResourceType::global_region`].
    pub fn fixed_region(&self, spec: &Value, home: &str) -> Option<&'static str> {
        match self.region {
            RegionScope::Only(region) => (partition(region) == partition(home)).then_some(region),
            _ => self.has_fixed_region(spec).then(|| global_region(home)),
        }
    }

    /// Whether a resource with this spec has a [`ResourceType::fixed_region`].
    pub fn has_fixed_region(&self, spec: &Value) -> bool {
        matches!(self.region, RegionScope::Only(_))
            || self.global_region.is_some_and(|(field, value)| spec.pointer(field).and_then(Value::as_str) == Some(value))
    }

    /// Ids of the parents to which a spec refers, or references to them, see [`ResourceType::parent`].
    pub fn parent_ids<'a>(&self, spec: &'a Value) -> impl Iterator<Item = &'a str> {
        self.parent_fields.iter().filter_map(|field| spec.pointer(field)?.get("id")?.as_str())
    }
    /// Returns the name by which lists find a resource with this spec, even without the tag index.
    pub fn lookup_name<'a>(&self, spec: &'a Value) -> Option<&'a str> {
        let field = self.naming.map(|_| "/name").or(self.lookup)?;
        spec.pointer(field)?.as_str()
    }

    /// Returns the live spec for comparison with the wanted one: normalized, and without differences in fields that are not compared.
    pub fn comparable(&self, wanted: &Value, live: &Value) -> Value {
        let mut live = self.operations.normalize(wanted, live);
        self.ignore_uncompared(wanted, &mut live);
        live
    }

    /// Sets the fields that are not compared to their wanted values: those that only the create call sets, and those that AWS never reports.
    pub fn ignore_uncompared(&self, wanted: &Value, live: &mut Value) {
        copy_fields(self.initial_only.iter().chain(&self.write_only), wanted, live);
    }

    /// Sets the fields that AWS never reports to the values in another spec.
    pub fn set_write_only(&self, from: &Value, live: &mut LiveResource) {
        if !self.write_only.is_empty() {
            copy_fields(self.write_only.iter(), from, &mut live.spec);
        }
    }

    /// Returns the live spec without the entries that `wanted` lacks, of the fields with the fact `entry_quota`; `None` if it lacks none.
    pub fn without_leaving_entries(&self, wanted: &Value, live: &Value) -> Option<Value> {
        let mut reduced = live.clone();
        for (pointer, _) in &self.entry_quotas {
            match (wanted.pointer(pointer), reduced.pointer_mut(pointer)) {
                (Some(Value::Array(wanted)), Some(Value::Array(live))) => live.retain(|entry| wanted.contains(entry)),
                (Some(Value::Object(wanted)), Some(Value::Object(live))) => live.retain(|key, _| wanted.contains_key(key)),
                _ => {}
            }
        }
        (reduced != *live).then_some(reduced)
    }

    /// Adds to the wanted spec the entries of `live` that a separate step removes, see the fact `removed_later`.
    pub fn with_entries_removed_later(&self, mut wanted: Value, live: &Value) -> Value {
        for pointer in &self.removed_later {
            match (wanted.pointer_mut(pointer), live.pointer(pointer)) {
                (Some(Value::Array(wanted)), Some(Value::Array(live))) => {
                    let leaving: Vec<Value> = live.iter().filter(|entry| !wanted.contains(entry)).cloned().collect();
                    wanted.extend(leaving);
                }
                (Some(Value::Object(wanted)), Some(Value::Object(live))) => {
                    for (key, value) in live {
                        wanted.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
                _ => {}
            }
        }
        // A set has an order in canonical form.
        self.operations.parse(&wanted).unwrap_or(wanted)
    }

    /// Returns the important fields and risky values of a spec, at any depth.
    pub fn marks(&self, spec: &Value) -> Marks {
        let has_marks = *self.has_marks.get_or_init(|| Marks::exist_in(self.schema()));
        let mut marks = if has_marks { Marks::of(self.schema(), spec) } else { Marks::default() };
        marks.risks.extend(self.operations.risks(spec).into_iter().map(|(pointer, reason)| (pointer, reason.to_owned())));
        marks
    }

    /// What a resource with this spec costs in a month, see [`Resource::price`].
    pub fn price(&self, spec: &Value, context: &PriceContext<'_>) -> Pricing {
        if self.free.is_some() { Pricing::default() } else { self.operations.price(spec, context) }
    }

    /// Checks a canonical spec against the facts of its fields: limits, lengths, patterns and closed lists.
    pub fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = self.rules.get_or_init(|| Rules::of(self.schema())).check(spec);
        problems.extend(self.naming.and_then(|naming| naming.check(spec)));
        problems
    }

    /// Whether a replacement may have another physical name than the old one, if acme chooses it. Not for resources with data, which must
    /// not be duplicated, or without ownership tags from the start, which are found by name. A key must exist until its users have the new one.
    pub fn renames_on_replace(&self) -> bool {
        let has_data = !matches!(self.data_protection, DataProtection::None | DataProtection::RecoveryWindow);
        self.naming.is_some() && self.is_tagged_on_create() && !has_data
    }
}

/// Copies the fields at these JSON pointers, where both specs have them.
fn copy_fields<'a>(pointers: impl Iterator<Item = &'a &'static str>, from: &Value, to: &mut Value) {
    for pointer in pointers {
        if let (Some(from), Some(to)) = (from.pointer(pointer), to.pointer_mut(pointer)) {
            to.clone_from(from);
        }
    }
}

/// Keys of these names, each with the JSON pointers to its fields.
fn keys(fields: &[Field], names: fn(&Field) -> Vec<&'static str>) -> Vec<Vec<&'static str>> {
    let mut keys: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for field in fields {
        for key in names(field) {
            match keys.iter_mut().find(|(name, _)| *name == key) {
                Some((_, pointers)) => pointers.push(field.pointer),
                None => keys.push((key, vec![field.pointer])),
            }
        }
    }
    keys.into_iter().map(|(_, pointers)| pointers).collect()
}
