//! The contract without its type: plain data and function pointers, so that the engine is compiled once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use schemars::{Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    aws::Aws,
    core::{Actions, Changed, Cx, Data, Error, Naming, Observed, OneWay, Phase, Problem, Resource, Result, Retag, Scope, Service, Tags},
};

/// A resource type as the engine sees it.
pub struct Kind {
    /// See [`Resource::TYPE`].
    pub name: &'static str,
    /// See [`Resource::SERVICE`].
    pub service: Service,
    /// See [`Resource::REPLACE`].
    pub replace: &'static [&'static str],
    /// See [`Resource::EXCLUSIVE`].
    pub exclusive: &'static [&'static [&'static str]],
    /// See [`Resource::DRAWN`].
    pub drawn: &'static [&'static str],
    /// See [`Resource::NAME`].
    pub naming: Option<Naming>,
    /// See [`Resource::WANTED`].
    pub wanted: Option<&'static str>,
    /// See [`Resource::ASKED`].
    pub asked: Option<&'static str>,
    /// See [`Resource::IDENTITY`].
    pub identity: &'static [&'static str],
    /// See [`Resource::PARENT`].
    pub parent: Option<&'static str>,
    /// See [`Resource::ARN`].
    pub arn: Option<&'static str>,
    /// See [`Resource::ACTIONS`].
    pub actions: Actions,
    /// See [`Resource::TAGGABLE`].
    pub taggable: bool,
    /// See [`Resource::TAGS_ON_CREATE`].
    pub tags_on_create: bool,
    /// See [`Resource::USUAL`].
    pub usual: Duration,
    /// See [`Resource::DATA`].
    pub data: Data,
    /// See [`Resource::PROTECTION`].
    pub protection: Option<&'static str>,
    /// See [`Resource::AT_ONCE`].
    pub at_once: Option<&'static str>,
    /// See [`Resource::DISTURBS`].
    pub disturbs: &'static [(&'static str, &'static str)],
    /// See [`Resource::ONE_WAY`].
    pub one_way: &'static [OneWay],
    /// See [`Resource::HELD`].
    pub held: bool,
    /// JSON schema of the spec.
    pub schema: fn() -> Schema,
    /// JSON schema of the outputs.
    pub outputs_schema: fn() -> Schema,
    /// Typed round trip: canonical form with every default, or all that is wrong.
    pub parse: fn(Value) -> std::result::Result<Value, Vec<Problem>>,
    /// See [`Resource::created`].
    pub created: fn(&Value) -> Result<Value>,
    /// The live spec as it compares with the wanted one, see [`Resource::align`].
    pub align: fn(&Value, &Value) -> Value,
    /// See [`Resource::replaces`].
    pub replaces: fn(&Value, &Value) -> Vec<&'static str>,
    /// See [`Resource::excludes`].
    pub excludes: fn(&Value, &Value) -> bool,
    /// See [`Resource::explain`].
    pub explain: for<'a> fn(&'a Aws, &'a str) -> BoxFuture<'a, Result<Option<String>>>,
    /// See [`Resource::held_by`].
    pub held_by: for<'a> fn(&'a Aws, &'a Live) -> BoxFuture<'a, Result<Option<String>>>,
    /// See [`Resource::list`].
    pub list: for<'a> fn(&'a Aws, &'a Scope) -> BoxFuture<'a, Result<Vec<Live>>>,
    /// See [`Resource::create`].
    pub create: for<'a> fn(&'a Cx<'a>, &'a Value) -> BoxFuture<'a, Result<String>>,
    /// See [`Resource::update`].
    pub update: for<'a> fn(&'a Cx<'a>, &'a str, &'a Value, &'a Value, &'a Changed) -> BoxFuture<'a, Result<()>>,
    /// See [`Resource::delete`].
    pub delete: for<'a> fn(&'a Cx<'a>, &'a str, &'a Value) -> BoxFuture<'a, Result<()>>,
    /// See [`Resource::retag`].
    pub retag: for<'a> fn(&'a Aws, &'a Retag<'a>) -> BoxFuture<'a, Result<()>>,
    /// See [`Resource::contents`].
    pub contents: for<'a> fn(&'a Aws, &'a str) -> BoxFuture<'a, Result<Option<String>>>,
}

/// An [`Observed`] whose type the engine need not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Name of its type.
    pub kind: String,
    /// Physical id.
    pub id: String,
    /// All tags, marks included.
    pub tags: Tags,
    /// Whether it can be used.
    pub phase: Phase,
    /// Its attributes in the spec's shape.
    pub spec: Value,
    /// What others may refer to.
    pub outputs: Value,
}

impl Live {
    /// The value of an output; `id` is the physical id.
    pub fn output(&self, name: &str) -> Option<Value> {
        if name == "id" {
            return Some(Value::String(self.id.clone()));
        }
        self.outputs.get(name).or_else(|| self.spec.get(name)).filter(|v| !v.is_null()).cloned()
    }
    /// The ARN, where the type has one.
    pub fn arn(&self) -> Option<&str> {
        self.outputs.get("arn").and_then(Value::as_str).or_else(|| self.id.starts_with("arn:").then_some(self.id.as_str()))
    }
}

impl Kind {
    /// Whether a replacement may have another physical name than the old one, where acme chooses it: what holds data is not made twice,
    /// and what does not carry its marks from the first moment is found by its name.
    pub fn gets_another_name(&self) -> bool {
        self.naming.is_some() && self.taggable && self.tags_on_create && self.data == Data::None
    }

    /// JSON schema of the spec. Generating one costs as much as planning a resource, so each is kept.
    pub fn spec_schema(&self) -> Arc<Value> {
        static SCHEMAS: Mutex<BTreeMap<&str, Arc<Value>>> = Mutex::new(BTreeMap::new());
        let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.entry(self.name).or_insert_with(|| Arc::new((self.schema)().to_value())).clone()
    }

    /// Erases the type `R`.
    pub const fn of<R: Resource>() -> Kind {
        Kind {
            name: R::TYPE,
            service: R::SERVICE,
            replace: R::REPLACE,
            exclusive: R::EXCLUSIVE,
            drawn: R::DRAWN,
            naming: R::NAME,
            wanted: R::WANTED,
            asked: R::ASKED,
            identity: R::IDENTITY,
            parent: R::PARENT,
            arn: R::ARN,
            actions: R::ACTIONS,
            taggable: R::TAGGABLE,
            tags_on_create: R::TAGS_ON_CREATE,
            usual: R::USUAL,
            data: R::DATA,
            protection: R::PROTECTION,
            at_once: R::AT_ONCE,
            disturbs: R::DISTURBS,
            one_way: R::ONE_WAY,
            held: R::HELD,
            schema: || schema_for!(R),
            outputs_schema: || schema_for!(R::Outputs),
            parse: parse::<R>,
            created: |spec| Ok(serde_json::to_value(typed::<R>(spec)?.created())?),
            align: |wanted, live| match (typed::<R>(wanted), typed::<R>(live)) {
                (Ok(wanted), Ok(mut aligned)) => {
                    wanted.align(&mut aligned);
                    serde_json::to_value(&aligned).unwrap_or_else(|_| live.clone())
                }
                _ => live.clone(),
            },
            replaces: |wanted, live| match (typed::<R>(wanted), typed::<R>(live)) {
                (Ok(wanted), Ok(live)) => wanted.replaces(&live),
                _ => Vec::new(),
            },
            excludes: |wanted, live| match (typed::<R>(wanted), typed::<R>(live)) {
                (Ok(wanted), Ok(live)) => wanted.excludes(&live),
                _ => false,
            },
            explain: |aws, id| Box::pin(R::explain(aws, id)),
            held_by: |aws, live| Box::pin(async move { R::held_by(aws, &live.id, &typed(&live.spec)?).await }),
            list: |aws, scope| Box::pin(async move { R::list(aws, scope).await?.into_iter().map(erase).collect() }),
            create: |cx, spec| Box::pin(async move { typed::<R>(spec)?.create(cx).await }),
            update: |cx, id, before, spec, changed| {
                Box::pin(async move { typed::<R>(spec)?.update(cx, id, &typed(before)?, changed).await })
            },
            delete: |cx, id, live| Box::pin(async move { R::delete(cx, id, &typed(live)?).await }),
            retag: |aws, change| Box::pin(R::retag(aws, change)),
            contents: |aws, id| Box::pin(R::contents(aws, id)),
        }
    }
}

fn parse<R: Resource>(value: Value) -> std::result::Result<Value, Vec<Problem>> {
    let spec: R = serde_path_to_error::deserialize(&value).map_err(|e| vec![problem(e)])?;
    let problems = spec.check();
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::to_value(&spec).map_err(|e| vec![Problem::new("", e.to_string())])
}

/// What serde says is wrong, with a JSON pointer to it.
pub(crate) fn problem(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer: String = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            serde_path_to_error::Segment::Seq { index } => Some(format!("/{index}")),
            _ => None,
        })
        .collect();
    Problem::new(pointer, error.into_inner().to_string())
}

fn typed<R: Resource>(value: &Value) -> Result<R> {
    R::deserialize(value).map_err(Error::from)
}

fn erase<R: Resource>(observed: Observed<R>) -> Result<Live> {
    Ok(Live {
        kind: R::TYPE.to_owned(),
        id: observed.id,
        tags: observed.tags,
        phase: observed.phase,
        spec: serde_json::to_value(observed.spec)?,
        outputs: serde_json::to_value(observed.outputs)?,
    })
}
