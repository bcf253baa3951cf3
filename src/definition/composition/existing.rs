//! Resources that a definition uses and does not own, and outputs of other stacks: declared here, read when a plan is made.

mod image;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::modules::MARK;
use crate::{
    aws::{
        images::{CONTAINER_IMAGE, ImageQuery},
        types::{RESOURCE_TYPES, resource_type},
    },
    core::{
        Address, EnvironmentName, Problem, ResourceType, StackName, Tags,
        expression::{has_reference, references},
        is_resource_name, nearest,
    },
    definition::{
        Stack,
        compiler::{Compiler, describe_type, scalar_text},
        region::check_name,
        source::child_pointer,
    },
};

/// Type name in references to outputs of other stacks: `${stacks.network.vpc_id}`.
pub const STACKS: &str = "stacks";

/// Output that stands for further items of a list whose length is known when a plan is made: `${subnet.private.+}`.
pub const MORE: &str = "+";

/// A resource, or a container image, that a definition uses and does not own.
#[derive(Clone)]
pub struct ExistingResource {
    /// What to look up.
    pub query: ExistingQuery,
    /// Region, if it is not the stack's.
    pub region: Option<String>,
    /// Location: a JSON pointer into the definition.
    pub pointer: String,
}

/// What to look up.
#[derive(Clone)]
pub enum ExistingQuery {
    /// Resources of a type.
    Resource(ResourceQuery),
    /// A container image.
    Image(ImageQuery),
}

/// Properties of the resources to look up.
#[derive(Clone)]
pub struct ResourceQuery {
    /// Their type.
    pub resource_type: &'static ResourceType,
    /// Physical id or ARN.
    pub id: Option<String>,
    /// Name: the physical name, the domain of a zone, the alias of a key, or the tag `Name`.
    pub name: Option<String>,
    /// Tags that they have.
    pub tags: Tags,
    /// Whether all that match are meant, instead of one.
    pub all: bool,
}

impl ExistingResource {
    /// Type of the resources, if it is one of acme's.
    pub fn resource_type(&self) -> Option<&'static ResourceType> {
        match &self.query {
            ExistingQuery::Resource(query) => Some(query.resource_type),
            ExistingQuery::Image(_) => None,
        }
    }

    /// Whether the entry is the list of all resources that match.
    fn is_list(&self) -> bool {
        matches!(&self.query, ExistingQuery::Resource(query) if query.all)
    }
}

/// Another stack, whose outputs a definition uses.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherStack {
    /// Its name.
    pub stack: StackName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// Location: a JSON pointer into the definition.
    pub pointer: String,
    /// Outputs that the definition uses, and the location of the first use.
    pub outputs: BTreeMap<String, String>,
}

/// Keys of an existing resource.
const EXISTING_KEYS: &[&str] = &["id", "name", "tags", "all", "region"];

/// Keys of another stack.
const STACK_KEYS: &[&str] = &["stack", "environment"];

/// Names and types of the entries of `existing:`, as far as they are written: expressions name them before they are evaluated.
pub fn written_names(document: &Map<String, Value>) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (type_name, entries) in document.get("existing").and_then(Value::as_object).into_iter().flatten() {
        for name in entries.as_object().into_iter().flat_map(Map::keys) {
            names.entry(name.clone()).or_default().insert(type_name.clone());
        }
    }
    names
}

/// Reads `existing:`, resources by type and name.
pub fn parse_existing(c: &mut Compiler<'_>, document: &Map<String, Value>) -> BTreeMap<Address, ExistingResource> {
    let mut found = BTreeMap::new();
    let Some(value) = document.get("existing").filter(|value| !value.is_null()) else { return found };
    let value = c.expand(value, "/existing");
    for (type_name, entries) in c.map_of(Some(&value), "/existing") {
        let at = child_pointer("/existing", &type_name);
        if type_name == CONTAINER_IMAGE {
            for (name, fields) in c.map_of(Some(&entries), &at) {
                let at = child_pointer(&at, &name);
                match image::parse(c, &name, &fields, &at) {
                    Some(existing) => drop(found.insert(Address::new(CONTAINER_IMAGE, name), existing)),
                    None => drop(c.broken_names.insert(name)),
                }
            }
            continue;
        }
        let Some(kind) = resource_type(&type_name) else {
            let types = RESOURCE_TYPES.iter().map(|kind| kind.name).chain([CONTAINER_IMAGE]);
            let help = nearest::suggestion(&type_name, "types", types);
            c.problem_at_key("unknown-type", &at, format!("there is no resource type `{type_name}`"), help);
            c.broken_names.extend(entries.as_object().into_iter().flat_map(Map::keys).cloned());
            continue;
        };
        if kind.parent.is_some() {
            let message = format!("a {} can't be looked up outside the stack", kind.name.replace('_', " "));
            c.problem_at_key("existing", &at, message, "write `{ id: … }` or `{ arn: … }` where a field refers to it");
            c.broken_names.extend(entries.as_object().into_iter().flat_map(Map::keys).cloned());
            continue;
        }
        for (name, fields) in c.map_of(Some(&entries), &at) {
            let at = child_pointer(&at, &name);
            match parse_entry(c, kind, &name, &fields, &at) {
                Some(existing) => drop(found.insert(Address::new(kind.name, name), existing)),
                None => drop(c.broken_names.insert(name)),
            }
        }
    }
    found
}

fn parse_entry(c: &mut Compiler<'_>, kind: &'static ResourceType, name: &str, fields: &Value, at: &str) -> Option<ExistingResource> {
    const HELP: &str = "write `{ id: … }`, `{ name: … }` or `{ tags: { key: value } }`";
    let shown = format!("`{}.{name}`", kind.name);
    let fields = entry_fields(c, (name, &shown), fields, EXISTING_KEYS, at, HELP)?;
    let mut text = |key: &str| text_field(c, &shown, fields, key, at, HELP);
    let (id, own_name, region) = (text("id"), text("name"), text("region"));
    let region = region.and_then(|(region, at)| check_name(c, &at, region));
    let tags_at = child_pointer(at, "tags");
    let mut tags = Tags::new();
    for (key, value) in c.map_of(fields.get("tags"), &tags_at) {
        match scalar_text(&value) {
            Some(value) => drop(tags.insert(key, value)),
            None => c.problem("existing", &child_pointer(&tags_at, &key), format!("tag `{key}` must be text"), "write `key: value`"),
        }
    }
    let all = match fields.get("all") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(all)) => *all,
        Some(other) => {
            c.problem(
                "existing",
                &child_pointer(at, "all"),
                format!("`all` must be true or false, not {}", describe_type(other)),
                "write `all: true`",
            );
            false
        }
    };
    // No tags at all would match everything.
    let are_tags_empty = fields.get("tags").and_then(Value::as_object).is_some_and(Map::is_empty);
    if are_tags_empty && id.is_none() && own_name.is_none() {
        c.problem("existing", &tags_at, format!("`tags` of {shown} is empty"), HELP);
        return None;
    }
    let is_given = ["id", "name", "tags"].iter().any(|key| fields.get(*key).is_some_and(|value| !value.is_null()));
    if !is_given && fields.keys().any(|key| !EXISTING_KEYS.contains(&key.as_str())) {
        // A property with a mistyped name, which is reported.
        return None;
    }
    if !is_given {
        c.problem_at_key("existing", at, format!("{shown} has neither id, name nor tags"), HELP);
        return None;
    }
    let (id, name) = (id.map(|(id, _)| id), own_name.map(|(name, _)| name));
    let pointer = c.spans.origin(at).into_owned();
    let query = ExistingQuery::Resource(ResourceQuery { resource_type: kind, id, name, tags, all });
    Some(ExistingResource { query, region, pointer })
}

/// Fields of an entry, whose name and keys are checked.
fn entry_fields<'f>(
    c: &mut Compiler<'_>,
    (name, shown): (&str, &str),
    fields: &'f Value,
    known: &[&str],
    at: &str,
    help: &'static str,
) -> Option<&'f Map<String, Value>> {
    if !is_resource_name(name) {
        c.problem_at_key("name", at, format!("`{name}` is not a valid resource name"), crate::core::RESOURCE_NAME_RULE);
        return None;
    }
    let Value::Object(fields) = fields else {
        c.problem("existing", at, format!("{shown} must be a map, not {}", describe_type(fields)), help);
        return None;
    };
    check_keys(c, fields, known, at);
    Some(fields)
}

/// Text of a field and its pointer. A text that is known only after apply is a problem.
fn text_field(
    c: &mut Compiler<'_>,
    shown: &str,
    fields: &Map<String, Value>,
    key: &str,
    at: &str,
    help: &'static str,
) -> Option<(String, String)> {
    let value = fields.get(key).filter(|value| !value.is_null())?;
    let here = child_pointer(at, key);
    match scalar_text(value).filter(|text| !text.is_empty()) {
        Some(_) if has_reference(value) => {
            let message = format!("`{key}` of {shown} is known only after apply, but it is looked up before");
            c.problem("existing", &here, message, "write the value itself");
            None
        }
        Some(text) => Some((text, here)),
        None => {
            let found = if value.as_str() == Some("") { "an empty text" } else { describe_type(value) };
            c.problem("existing", &here, format!("`{key}` of {shown} must be text, not {found}"), help);
            None
        }
    }
}

fn check_keys(c: &mut Compiler<'_>, fields: &Map<String, Value>, known: &[&str], at: &str) {
    for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
        let help = nearest::suggestion(key, "keys", known.iter().copied());
        c.problem_at_key("unknown-field", &child_pointer(at, key), format!("there is no key `{key}` here"), help);
    }
}

/// Reads `stacks:`, other stacks by the name that the definition gives them. Without `environment`, it is that of this stack.
pub fn parse_stacks(c: &mut Compiler<'_>, document: &Map<String, Value>, environment: &EnvironmentName) -> BTreeMap<String, OtherStack> {
    let mut found = BTreeMap::new();
    let Some(value) = document.get("stacks").filter(|value| !value.is_null()) else { return found };
    let value = c.render(value, "/stacks");
    for (name, fields) in c.map_of(Some(&value), "/stacks") {
        let at = child_pointer("/stacks", &name);
        let Value::Object(fields) = fields else {
            c.problem("stacks", &at, format!("`{name}` must be a map"), "write `{ stack: shop-network, environment: production }`");
            continue;
        };
        check_keys(c, &fields, STACK_KEYS, &at);
        let text = |key: &str| fields.get(key).and_then(scalar_text);
        let stack = text("stack").unwrap_or_else(|| name.clone()).parse::<StackName>();
        let other = text("environment").map_or_else(|| Ok(environment.clone()), |name| name.parse::<EnvironmentName>());
        match (stack, other) {
            (Ok(stack), Ok(environment)) => {
                drop(found.insert(name, OtherStack { stack, environment, pointer: at, outputs: BTreeMap::new() }));
            }
            (Err(_), _) => c.problem("stacks", &child_pointer(&at, "stack"), "this is not a valid stack name", crate::core::NAME_RULE),
            (_, Err(_)) => {
                c.problem(
                    "stacks",
                    &child_pointer(&at, "environment"),
                    "this is not a valid name of an environment",
                    crate::core::NAME_RULE,
                );
            }
        }
    }
    found
}

/// Spec with an item for those that a list of several existing resources, or of another stack, has besides the first; in the lists that
/// have problems. `None`: there are none.
pub fn with_more_items(spec: &Value, problems: &[Problem], stack: &Stack) -> Option<Value> {
    let mut more = spec.clone();
    let mut changed = false;
    for problem in problems {
        let Some(value) = more.pointer_mut(&problem.pointer) else { continue };
        if let Some(item) = value.as_str().and_then(|text| more_items(text, stack)) {
            *value = Value::Array(vec![value.take(), item]);
            changed = true;
        } else if let Value::Array(list) = value
            && let Some(item) = list.iter().filter_map(Value::as_str).find_map(|text| more_items(text, stack))
            && !list.contains(&item)
        {
            list.push(item);
            changed = true;
        }
    }
    changed.then_some(more)
}

/// Further items of a list that a text names.
fn more_items(text: &str, stack: &Stack) -> Option<Value> {
    let item = |type_name: &str, name: &str| Some(Value::String(format!("${{{type_name}.{name}.{MORE}}}")));
    match references(text).as_slice() {
        [one] if one.text == text => {
            let address = Address::new(one.type_name, one.name.trim_start_matches(MARK));
            let is_list = one.type_name == STACKS || stack.existing.get(&address).is_some_and(ExistingResource::is_list);
            if is_list { item(one.type_name, one.name) } else { None }
        }
        [] => {
            let name = text.rsplit('.').next().unwrap_or_default();
            let mut all = stack.existing.iter().filter(|(_, existing)| existing.is_list());
            let (address, _) = all.find(|(address, _)| address.name == name)?;
            item(&address.type_name, &address.name)
        }
        _ => None,
    }
}
