//! Sections of modules that join those of the stack, because they describe its one cluster: `services`, `policies` and `edge`.
//!
//! They are evaluated in their module, with its values and inputs. Names of services and of what they use are then completed, and the sections
//! are expanded with those of the stack, whose services, components and namespaces they share.

use serde_json::{Map, Value};

use super::{document::ModuleUse, modules};
use crate::{
    core::expression::references,
    definition::{
        compiler::{Compiler, describe_type},
        source::child_pointer,
    },
};

/// Sections that join those of the stack.
pub const JOINED_SECTIONS: &[&str] = &["policies", "edge", "services"];

/// Fields of a service with the name of something in the module, and with a list of names.
const LINKS: &[&str] = &["database", "cache", "table", "bucket", "queue"];
const LINK_LISTS: &[&str] = &["secrets", "calls"];

/// A section of a module.
pub struct JoinedSection {
    /// Name of the section.
    section: &'static str,
    /// Content, with complete names.
    value: Value,
    /// Pointer to it.
    pointer: String,
    /// Prefix of the names in the module.
    prefix: String,
}

/// Evaluates the sections of a module that join those of the stack. Called with the module's values.
pub(super) fn collect(c: &mut Compiler<'_>, module: &ModuleUse, prefix: &str) {
    for section in JOINED_SECTIONS.iter().copied() {
        let Some(value) = module.document.fields.get(section).filter(|value| !value.is_null()) else { continue };
        let pointer = format!("{}/{section}", module.base);
        if module.document.fields.contains_key("cluster") {
            let message = format!("`{section}` in a module applies to the cluster of the stack, but this module has a cluster of its own");
            c.problem_at_key("module", &pointer, message, format!("move `cluster` or `{section}` into the stack"));
            continue;
        }
        let value = c.expand(value, &pointer);
        let value = modules::complete(&value, prefix, false);
        c.joined.push(JoinedSection { section, value, pointer, prefix: prefix.to_owned() });
    }
}

/// Content of a section of the stack with that of its modules. `None`: neither has it.
pub fn join(c: &mut Compiler<'_>, section: &str, own: Option<Value>) -> Option<Value> {
    let mut joined = own;
    let at = child_pointer("", section);
    for JoinedSection { value, pointer, prefix, .. } in c.joined.extract_if(.., |one| one.section == section).collect::<Vec<_>>() {
        match section {
            "services" => join_services(c, &mut joined, value, (&at, &pointer), &prefix),
            "policies" => join_policies(c, &mut joined, value, (&at, &pointer)),
            _ => join_edge(c, &mut joined, value, (&at, &pointer), &prefix),
        }
    }
    joined
}

/// Fields of a section, to which those of a module are added. A section that only modules have is at the place of the first.
fn fields_of<'v>(c: &mut Compiler<'_>, joined: &'v mut Option<Value>, (at, pointer): (&str, &str)) -> Option<&'v mut Map<String, Value>> {
    if joined.is_none() {
        set_origin(c, at, pointer);
    }
    let joined = joined.get_or_insert_with(|| Value::Object(Map::new()));
    if joined.is_null() {
        *joined = Value::Object(Map::new());
    }
    // A list of names is short for entries without fields.
    if let Value::Array(names) = joined {
        let entries = std::mem::take(names).into_iter().enumerate();
        let mut map = Map::new();
        for (index, name) in entries {
            let Some(name) = name.as_str().map(str::to_owned) else { continue };
            set_origin(c, &child_pointer(at, &name), &format!("{at}/{index}"));
            map.insert(name, Value::Null);
        }
        *joined = map.into();
    }
    joined.as_object_mut()
}

/// Reads a map of a module; reports any other type.
fn into_map(c: &mut Compiler<'_>, value: Value, pointer: &str) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        other => {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("`{name}` must be a map, not {}", describe_type(&other));
            c.problem("type", pointer, message, "write its fields below it");
            None
        }
    }
}

fn join_services(c: &mut Compiler<'_>, joined: &mut Option<Value>, value: Value, (at, pointer): (&str, &str), prefix: &str) {
    let services = match value {
        Value::Array(names) if names.iter().all(Value::is_string) => {
            let entries =
                names.iter().enumerate().filter_map(|(index, name)| Some((index.to_string(), name.as_str()?.to_owned(), Value::Null)));
            entries.collect::<Vec<_>>()
        }
        value => {
            let Some(map) = into_map(c, value, pointer) else { return };
            map.into_iter().map(|(name, fields)| (name.clone(), name, fields)).collect()
        }
    };
    let Some(fields) = fields_of(c, joined, (at, pointer)) else { return };
    let mut places = Vec::new();
    for (key, name, mut service) in services {
        complete_links(&mut service, prefix);
        let name = format!("{prefix}{name}");
        let (here, there) = (child_pointer(at, &name), child_pointer(pointer, &key));
        if fields.contains_key(&name) {
            report_twice(c, &there, &format!("services.{name}"), "rename one of them, or the module");
            continue;
        }
        c.service_prefixes.insert(name.clone(), prefix.to_owned());
        fields.insert(name, service);
        places.push((here, there));
    }
    places.iter().for_each(|(here, there)| set_origin(c, here, there));
}

/// Completes the names in the fields of a service. A reference, such as the value of an input, already has the complete name.
fn complete_links(service: &mut Value, prefix: &str) {
    let Value::Object(fields) = service else { return };
    for (name, value) in fields.iter_mut() {
        match value {
            Value::String(text) if LINKS.contains(&name.as_str()) => *text = linked_name(text, prefix),
            Value::Array(list) if LINK_LISTS.contains(&name.as_str()) => {
                list.iter_mut().for_each(|item| {
                    if let Value::String(text) = item {
                        *text = linked_name(text, prefix);
                    }
                });
            }
            value if name == "depends_on" => modules::complete_addresses(value, prefix),
            _ => {}
        }
    }
}

fn linked_name(text: &str, prefix: &str) -> String {
    match references(text).as_slice() {
        [one] if one.text == text => one.name.to_owned(),
        _ => format!("{prefix}{text}"),
    }
}

/// Namespaces and groups are names of the cluster, so they are the same in all modules.
fn join_policies(c: &mut Compiler<'_>, joined: &mut Option<Value>, value: Value, (at, pointer): (&str, &str)) {
    let Some(policies) = into_map(c, value, pointer) else { return };
    let Some(fields) = fields_of(c, joined, (at, pointer)) else { return };
    for (key, value) in policies {
        let (here, there) = (child_pointer(at, &key), child_pointer(pointer, &key));
        match (fields.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(known)), Value::Object(more)) => {
                for (name, entry) in more {
                    let (here, there) = (child_pointer(&here, &name), child_pointer(&there, &name));
                    if known.contains_key(&name) {
                        let help = "a cluster has it once: make the name an input of the module, or remove one";
                        report_twice(c, &there, &format!("policies.{key}.{name}"), help);
                    } else {
                        set_origin(c, &here, &there);
                        known.insert(name, entry);
                    }
                }
            }
            (Some(known), value) if !known.is_null() => {
                if *known != value {
                    report_twice(c, &there, &format!("policies.{key}"), "a stack has it once: remove it here");
                }
            }
            (_, value) => {
                set_origin(c, &here, &there);
                fields.insert(key, value);
            }
        }
    }
}

fn join_edge(c: &mut Compiler<'_>, joined: &mut Option<Value>, value: Value, (at, pointer): (&str, &str), prefix: &str) {
    if joined.as_ref().is_some_and(|edge| !edge.is_null()) {
        let help = "a stack has one: remove it here, because the services of the module use the other one";
        return report_twice(c, pointer, "edge", help);
    }
    let Some(mut edge) = into_map(c, value, pointer) else { return };
    if let Some(Value::String(name)) = edge.get_mut("load_balancer") {
        *name = linked_name(name, prefix);
    }
    set_origin(c, at, pointer);
    *joined = Some(edge.into());
}

fn report_twice(c: &mut Compiler<'_>, at: &str, name: &str, help: &str) {
    c.problem_at_key("duplicate", at, format!("`{name}` is defined twice"), help);
}

/// Sets the place of what is below a pointer, including what loops and conditions have moved there.
fn set_origin(c: &mut Compiler<'_>, here: &str, there: &str) {
    let inner = format!("{there}/");
    let moved: Vec<(String, String)> = c
        .spans
        .origins
        .range(inner.clone()..)
        .take_while(|(from, _)| from.starts_with(&inner))
        .map(|(from, to)| (format!("{here}/{}", &from[inner.len()..]), to.clone()))
        .collect();
    let origin = c.spans.origin(there).into_owned();
    c.spans.origins.extend(moved);
    c.spans.origins.insert(here.to_owned(), origin);
}
