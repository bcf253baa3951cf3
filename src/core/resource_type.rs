//! Type-erased resource types: plain data and one object of operations, so that the engine is compiled once.

use std::{any::Any, marker::PhantomData, ops::Deref, sync::OnceLock};

use futures::future::BoxFuture;
use schemars::{Schema, schema_for};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    CallContext, Connections, Created, CreatedResource, Cx, DataProtection, Declared, DeclaredResource, Deletion, Error, ErrorKind,
    Existing, LiveResource, Named, Observed, OneWay, Outputs, PreflightContext, Prerequisite, Problem, Questions, Resource, Result, Scope,
    TagChange, TypeInfo,
    marks::Marks,
    problem::parse,
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
        ResourceType::new(R::TYPE, R::FIELDS, Box::new(TypedOperations::<R>(PhantomData)))
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
            removed_later: all(|field| field.removed_later),
            entry_quotas: fields.iter().filter_map(|field| Some((field.pointer, field.entry_quota?))).collect(),
            important: all(|field| field.important),
            risky: fields.iter().filter_map(|field| Some((field.pointer, field.risky?))).collect(),
            parent_fields: all(|field| field.parent.is_some()),
            bound: all(|field| field.bound),
            schema: OnceLock::new(),
            outputs: OnceLock::new(),
            rules: OnceLock::new(),
            reference_paths: OnceLock::new(),
            has_marks: OnceLock::new(),
        }
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

    /// Whether a resource with this spec is in the partition's region for global services, see [`ResourceType::global_region`].
    pub fn is_in_global_region(&self, spec: &Value) -> bool {
        self.global_region.is_some_and(|(field, value)| spec.pointer(field).and_then(Value::as_str) == Some(value))
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
        if *self.has_marks.get_or_init(|| Marks::exist_in(self.schema())) { Marks::of(self.schema(), spec) } else { Marks::default() }
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

/// Operations of a resource type.
pub trait Operations: Send + Sync {
    /// JSON schema of the spec.
    fn schema(&self) -> Schema;
    /// JSON schema of the outputs.
    fn outputs_schema(&self) -> Schema;
    /// Returns the canonical form with every default, or all problems.
    fn parse(&self, spec: &Value) -> std::result::Result<Value, Vec<Problem>>;
    /// Returns the canonical form of a spec that AWS reported, without the checks of a definition.
    ///
    /// # Errors
    /// Fails if the spec does not have the type's shape.
    fn canonical(&self, spec: &Value) -> Result<Value>;
    /// See [`Spec::after_create`].
    fn after_create(&self, spec: &Value) -> Result<Value>;
    /// See [`super::Spec::dropped`].
    fn dropped(&self, spec: &Value) -> Result<Value>;
    /// See [`Resource::check_declared`].
    fn check_declared(&self, declared: DeclaredResource<'_>) -> Vec<Problem>;
    /// Normalizes a live spec for comparison with the desired one, see [`Resource::normalize`].
    fn normalize(&self, wanted: &Value, live: &Value) -> Value;
    /// See [`Resource::replaces`].
    fn replaces(&self, wanted: &Value, live: &Value) -> Vec<&'static str>;
    /// See [`Resource::conflicts_with`].
    fn conflicts_with(&self, wanted: &Value, live: &Value) -> bool;
    /// See [`Resource::preflight`]; without connections for the simulated cloud. `pointers` are the fields that the plan sets, `None` for all.
    fn preflight<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        pointers: Option<&'a [String]>,
    ) -> BoxFuture<'a, Vec<Problem>>;
    /// See [`Resource::choices`].
    fn choices<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Vec<String>>;
    /// See [`Resource::prerequisites`].
    fn prerequisites(&self, spec: &Value) -> Vec<Prerequisite>;
    /// See [`Resource::list`].
    fn list<'a>(&'a self, to: &'a dyn Connections, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<LiveResource>>>;
    /// See [`Resource::create`].
    fn create<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, spec: &'a Value) -> BoxFuture<'a, Result<CreatedResource>>;
    /// See [`Resource::update`]; `pointers` are the fields that differ.
    fn update<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        live: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<()>>;
    /// See [`Resource::finish_creation`]; `pointers` say what the create call couldn't set.
    fn finish_creation<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        created: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<CreatedResource>>;
    /// See [`Resource::delete`].
    fn delete<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, live: &'a LiveResource) -> BoxFuture<'a, Result<Deletion>>;
    /// See [`Resource::retag`].
    fn retag<'a>(&'a self, to: &'a dyn Connections, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>>;
    /// See [`Resource::contents`].
    fn contents<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    /// See [`Resource::explain`].
    fn explain<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;
    /// See [`Resource::blockers`].
    fn blockers<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<String>>>;
}

struct TypedOperations<R>(PhantomData<fn() -> R>);

impl<R: Resource> Operations for TypedOperations<R> {
    fn schema(&self) -> Schema {
        schema_for!(R)
    }
    fn outputs_schema(&self) -> Schema {
        schema_for!(R::Outputs)
    }
    fn parse(&self, spec: &Value) -> std::result::Result<Value, Vec<Problem>> {
        parse(spec, R::check)
    }
    fn canonical(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?)?)
    }
    fn after_create(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?.after_create())?)
    }
    fn dropped(&self, spec: &Value) -> Result<Value> {
        Ok(serde_json::to_value(deserialize_spec::<R>(spec)?.dropped())?)
    }
    fn check_declared(&self, declared: DeclaredResource<'_>) -> Vec<Problem> {
        R::check_declared(&Declared::new(declared))
    }
    fn normalize(&self, wanted: &Value, live: &Value) -> Value {
        let normalized = |(wanted, mut live): (R, R)| {
            wanted.normalize(&mut live);
            serde_json::to_value(&live).ok()
        };
        deserialize_both(wanted, live).and_then(normalized).unwrap_or_else(|| live.clone())
    }
    fn replaces(&self, wanted: &Value, live: &Value) -> Vec<&'static str> {
        deserialize_both::<R>(wanted, live).map(|(wanted, live)| R::pointers(&wanted.replaces(&live))).unwrap_or_default()
    }
    fn conflicts_with(&self, wanted: &Value, live: &Value) -> bool {
        deserialize_both::<R>(wanted, live).is_some_and(|(wanted, live)| wanted.conflicts_with(&live))
    }
    fn preflight<'a>(
        &'a self,
        to: Option<&'a dyn Connections>,
        context: PreflightContext<'a>,
        spec: &'a Value,
        pointers: Option<&'a [String]>,
    ) -> BoxFuture<'a, Vec<Problem>> {
        Box::pin(async move {
            let (Ok(spec), Ok(api)) = (deserialize_spec::<R>(spec), to.map(api).transpose()) else { return Vec::new() };
            let all = || R::FIELDS.iter().map(|field| field.pointer.to_owned()).collect::<Vec<_>>();
            let changes = pointers.map_or_else(|| R::changes(&all()), R::changes);
            spec.preflight(&Questions::new(api, context), changes).await
        })
    }
    fn choices<'a>(&'a self, to: Option<&'a dyn Connections>, context: PreflightContext<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let Ok(api) = to.map(api).transpose() else { return Vec::new() };
            R::choices(&Questions::new(api, context)).await
        })
    }
    fn prerequisites(&self, spec: &Value) -> Vec<Prerequisite> {
        deserialize_spec::<R>(spec).map(|spec| spec.prerequisites()).unwrap_or_default()
    }
    fn list<'a>(&'a self, to: &'a dyn Connections, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<LiveResource>>> {
        Box::pin(async move { R::list(api(to)?, scope).await?.into_iter().map(to_live_resource).collect() })
    }
    fn create<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, spec: &'a Value) -> BoxFuture<'a, Result<CreatedResource>> {
        Box::pin(async move { to_created_resource(deserialize_spec::<R>(spec)?.create(&Cx { api: api(to)?, call }).await?) })
    }
    fn finish_creation<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        created: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<CreatedResource>> {
        Box::pin(async move {
            let (wanted, created) = (deserialize_spec::<R>(spec)?, to_observed::<R>(created)?);
            to_created_resource(wanted.finish_creation(&Cx { api: api(to)?, call }, created, R::changes(pointers)).await?)
        })
    }
    fn update<'a>(
        &'a self,
        to: &'a dyn Connections,
        call: &'a CallContext,
        live: &'a LiveResource,
        spec: &'a Value,
        pointers: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            deserialize_spec::<R>(spec)?.update(&Cx { api: api(to)?, call }, &to_existing(live)?, R::changes(pointers)).await
        })
    }
    fn delete<'a>(&'a self, to: &'a dyn Connections, call: &'a CallContext, live: &'a LiveResource) -> BoxFuture<'a, Result<Deletion>> {
        Box::pin(async move { R::delete(&Cx { api: api(to)?, call }, &to_existing(live)?).await })
    }
    fn retag<'a>(&'a self, to: &'a dyn Connections, change: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { R::retag(api(to)?, change).await })
    }
    fn contents<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::contents(api(to)?, id).await })
    }
    fn explain<'a>(&'a self, to: &'a dyn Connections, id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::explain(api(to)?, id).await })
    }
    fn blockers<'a>(&'a self, to: &'a dyn Connections, live: &'a LiveResource) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move { R::blockers(api(to)?, &to_existing(live)?).await })
    }
}

impl<R: Resource> Named for R {
    const NAME: &'static str = R::TYPE.name;
}

/// Returns the back end of this type.
fn api<A: Any>(to: &dyn Connections) -> Result<&A> {
    let found = to.backends().into_iter().find_map(|one| one.downcast_ref::<A>());
    found.ok_or_else(|| Error::new(ErrorKind::Rejected, "NotConnected", "not connected to the back end of this resource type"))
}

fn deserialize_spec<R: DeserializeOwned>(value: &Value) -> Result<R> {
    R::deserialize(value).map_err(Error::from)
}

fn deserialize_both<R: DeserializeOwned>(wanted: &Value, live: &Value) -> Option<(R, R)> {
    Some((deserialize_spec(wanted).ok()?, deserialize_spec(live).ok()?))
}

fn to_live_resource<R: Resource>(observed: Observed<R>) -> Result<LiveResource> {
    Ok(LiveResource {
        type_name: R::TYPE.name.to_owned(),
        id: observed.id,
        tags: observed.tags.into(),
        phase: observed.phase,
        spec: serde_json::to_value(observed.spec)?.into(),
        outputs: serde_json::to_value(observed.outputs)?.into(),
        // The engine knows which region it asked.
        region: None,
        version: observed.version,
    })
}

fn to_created_resource<R: Resource>(created: Created<R>) -> Result<CreatedResource> {
    Ok(match created {
        Created::Id(id) => CreatedResource::Id(id),
        Created::Complete(observed) => CreatedResource::Complete(Box::new(to_live_resource(observed)?)),
    })
}

fn to_observed<R: Resource>(live: &LiveResource) -> Result<Observed<R>> {
    Ok(Observed {
        id: live.id.clone(),
        tags: live.tags.clone().into_inner(),
        phase: live.phase.clone(),
        spec: deserialize_spec(&live.spec)?,
        outputs: R::Outputs::deserialize(&*live.outputs)?,
        version: live.version.clone(),
    })
}

fn to_existing<R: DeserializeOwned>(live: &LiveResource) -> Result<Existing<R>> {
    Ok(Existing { id: live.id.clone(), spec: deserialize_spec(&live.spec)?, version: live.version.clone() })
}
