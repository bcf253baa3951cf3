//! Resources before they are in canonical form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    DesiredResource, Stack,
    compiler::{Compiler, describe_type, scalar_text},
    composition::{existing, modules},
    dependencies::{KnownResources, deferrable_dependencies},
    ignored_changes,
    nearest::suggestion,
    physical_name::set_physical_name,
    problems, region,
    resource_tags::{null_keys, parse_tags, with_ownership_tags},
    source::child_pointer,
    timeouts,
};
use crate::{
    aws::types::{RESOURCE_TYPES, resource_type},
    core::{
        Address, DataProtection, OnDelete, PatternInputs, Problem, RESOURCE_NAME_RULE, ResourceType, Tags,
        expression::{self, Reference, has_reference, references},
        iam_path, is_resource_name,
    },
};

/// Resource as written by a user or a section.
pub struct Draft {
    /// Resource type.
    pub resource_type: &'static ResourceType,
    /// Name within its type.
    pub name: String,
    /// Fields, including the common ones (`tags`, `depends_on`, `on_delete`, `region`, `timeouts`).
    pub spec: Map<String, Value>,
    /// Location: a JSON pointer into the expanded definition.
    pub pointer: String,
    /// Spec pointers whose value is not from below `at`, and its location.
    pub pointer_overrides: Vec<(String, String)>,
    /// Fields allowed in addition to the type's own, for messages.
    pub extra_fields: Vec<String>,
    /// See [`DesiredResource::chosen_fields`].
    pub chosen_fields: Vec<String>,
    /// Prefix of the names of its module: names in its fields lack it.
    pub prefix: String,
}

impl Draft {
    /// Converts a pointer into the spec to one into the definition.
    pub(super) fn definition_pointer(&self, pointer: &str) -> String {
        definition_pointer(&self.pointer, &self.pointer_overrides, pointer)
    }
    /// Value of a field as the stack would write it: with complete names, if it is a name or has references of a module.
    pub(super) fn complete_field(&self, field: &str) -> Option<Value> {
        Some(self.complete_value(self.spec.get(field)?))
    }
    /// Same for a value in a field.
    pub(super) fn complete_value(&self, value: &Value) -> Value {
        match value {
            _ if self.prefix.is_empty() => value.clone(),
            Value::String(name) if !name.contains("${") && !name.starts_with("arn:") => format!("{}{name}", self.prefix).into(),
            value => modules::complete(value, "", false),
        }
    }
}

/// Converts a pointer into the spec at `base` to one into the definition; some fields are elsewhere.
pub fn definition_pointer(base: &str, overrides: &[(String, String)], pointer: &str) -> String {
    let other = overrides.iter().find_map(|(prefix, at)| pointer.strip_prefix(prefix.as_str()).map(|rest| format!("{at}{rest}")));
    other.unwrap_or_else(|| format!("{base}{pointer}"))
}

/// Collects the resources of `resources:` at a pointer, by type and name.
pub fn add_single_resources(c: &mut Compiler<'_>, resources: Value, base: &str, drafts: &mut Vec<Draft>) {
    let types = match resources {
        Value::Object(types) => types,
        Value::Null => return,
        _ => return c.problem("type", base, "`resources` must be a map", "write types below it, and names below each type"),
    };
    for (type_name, entries) in types {
        let at = child_pointer(base, &type_name);
        let Some(kind) = resource_type(&type_name) else {
            let help = suggestion(&type_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
            c.problem_at_key("unknown-type", &at, format!("there is no resource type `{type_name}`"), help);
            continue;
        };
        match entries {
            Value::Object(entries) => {
                for (name, spec) in entries {
                    let at = child_pointer(&at, &name);
                    match spec {
                        Value::Object(spec) => drafts.push(Draft {
                            resource_type: kind,
                            name,
                            spec,
                            pointer: at,
                            pointer_overrides: Vec::new(),
                            extra_fields: Vec::new(),
                            chosen_fields: Vec::new(),
                            prefix: String::new(),
                        }),
                        Value::Null => drafts.push(Draft {
                            resource_type: kind,
                            name,
                            spec: Map::new(),
                            pointer: at,
                            pointer_overrides: Vec::new(),
                            extra_fields: Vec::new(),
                            chosen_fields: Vec::new(),
                            prefix: String::new(),
                        }),
                        other => c.problem(
                            "type",
                            &at,
                            format!("`{type_name}.{name}` is {}", describe_type(&other)),
                            "write its fields below its name",
                        ),
                    }
                }
            }
            Value::Null => {}
            other => c.problem(
                "type",
                &at,
                format!("`{type_name}` is {}", describe_type(&other)),
                "write names below the type, and fields below each name",
            ),
        }
    }
}

/// Converts every draft to canonical form.
pub fn compile_drafts(c: &mut Compiler<'_>, document: &Map<String, Value>, mut drafts: Vec<Draft>, stack: &mut Stack) -> KnownResources {
    let overrides = document.get("overrides").map(|value| c.render(value, "/overrides")).unwrap_or_default();
    apply_overrides(c, overrides, &mut drafts);
    let defaults = document.get("tags").map(|value| c.render(value, "/tags")).unwrap_or_default();
    let defaults = parse_tags(c, Some(defaults), "/tags", &stack.ignored_tags);

    let mut places: BTreeMap<Address, String> = BTreeMap::new();
    for draft in &drafts {
        let address = Address::new(draft.resource_type.name, &draft.name);
        if !is_resource_name(&draft.name) {
            c.problem_at_key("name", &draft.pointer, format!("`{}` is not a valid resource name", draft.name), RESOURCE_NAME_RULE);
        }
        if let Some(other) = places.insert(address, draft.pointer.clone()) {
            let here = c.key_range(&draft.pointer).map(|range| c.source.path_at(range.start));
            let line = c.value_range(&other).map(|range| {
                let (path, line) = (c.source.path_at(range.start), c.source.line(range.start));
                if here == Some(path) { format!("line {line}") } else { format!("{path}:{line}") }
            });
            let line = line.unwrap_or_default();
            let message = format!("`{}.{}` is defined twice", draft.resource_type.name, draft.name);
            c.problem_at_key("duplicate", &draft.pointer, message, format!("the other definition is at {line}: rename or remove one"));
        }
    }
    for (address, existing) in &stack.existing {
        if places.contains_key(address) {
            let message = format!("`{address}` is declared and is under `existing`");
            c.problem_at_key(
                "duplicate",
                &existing.pointer,
                message,
                "the stack owns a resource, or uses one of others: remove one of them",
            );
        }
    }
    let addresses = places.into_keys().chain(stack.existing.keys().cloned()).collect();
    let mut known = KnownResources::new(addresses, &c.absent, stack.stacks.clone());
    known.set_broken(c.broken_names.clone(), c.broken_prefixes.clone());
    known.check_named(c);
    for mut draft in drafts {
        draft.spec = known.map_with_chosen_types(draft.spec);
        if let Some(declared) = compile_draft(c, draft, &defaults, stack, &mut known) {
            stack.resources.insert(declared.address.clone(), declared);
        }
    }
    known
}

fn compile_draft(
    c: &mut Compiler<'_>,
    mut draft: Draft,
    defaults: &Tags,
    stack: &Stack,
    known: &mut KnownResources,
) -> Option<DesiredResource> {
    let address = Address::new(draft.resource_type.name, &draft.name);
    let shown = format!("`{address}`");
    let own_tags = draft.spec.remove("tags");
    let depends_on = draft.spec.remove("depends_on");
    let on_delete = draft.spec.remove("on_delete").filter(|value| !value.is_null());
    let timeouts = timeouts::take(c, &mut draft);
    let ignored_changes = ignored_changes::take(c, &mut draft);
    let region = region::take(c, &mut draft, stack);
    let (account, home) = (c.location.account(), region.as_deref().unwrap_or(c.location.region()));
    let own = OwnReferences {
        address: address.clone(),
        resource_type: draft.resource_type,
        account: account.to_owned(),
        region: home.to_owned(),
        iam_path: iam_path(&stack.name, &stack.environment),
    };
    let named = draft.resource_type.naming.is_some_and(|naming| set_physical_name(&mut draft, naming, stack, account, home));
    let is_located = named && draft.resource_type.naming.is_some_and(|naming| naming.global);
    let has_unknown_location = c.location.account.is_none() || c.location.region.is_none();
    c.needs_location |= is_located && has_unknown_location;

    let on_delete_at = draft.definition_pointer("/on_delete");
    let on_delete = match on_delete {
        Some(value) => parse_on_delete(c, &value, draft.resource_type, &on_delete_at, &shown),
        None => default_on_delete(&draft),
    };
    let tags_at = draft.definition_pointer("/tags");
    let unset = null_keys(own_tags.as_ref());
    let own_tags = parse_tags(c, own_tags, &tags_at, &stack.ignored_tags);
    let mut tags = with_ownership_tags(c, &draft, own_tags, defaults, stack, on_delete, &tags_at);
    tags.retain(|key, _| !unset.contains(key));
    let mut needs = BTreeSet::new();
    let depends_at = draft.definition_pointer("/depends_on");
    known.add_depends_on(c, depends_on, &depends_at, &mut needs);
    let explicit = needs.clone();

    let spec = known.unset_absent(Value::Object(std::mem::take(&mut draft.spec)));
    let of_itself = own_field(&spec, &address).map(str::to_owned);
    if let Some(field) = &of_itself {
        let at = draft.definition_pointer(&child_pointer("", field));
        c.problem("cycle", &at, format!("`{field}` of {shown} refers to itself"), "write the value itself");
    }
    // Inside a field, references to itself are resolved at once: the policy of a bucket names the bucket.
    let resolved = has_reference(&spec).then(|| own.resolve(&spec));
    c.needs_location |= has_unknown_location && resolved.as_ref().is_some_and(|resolved| *resolved != spec);
    let refers_to_itself = resolved.as_ref().is_some_and(|resolved| *resolved != spec);
    let self_referring = refers_to_itself.then(|| draft.resource_type.operations.parse(&spec).ok()).flatten();
    let self_referring = self_referring.map(|spec| SelfReferring { spec, own });
    let named = named && (!refers_to_itself || self_referring.is_some());
    let mut spec = resolved.unwrap_or(spec);
    let parse = |spec: &Value| {
        let (parsed, mut found) = problems::parse_all(spec, |spec| draft.resource_type.operations.parse(spec));
        problems::add_rule_violations(draft.resource_type, parsed.as_ref(), spec, &mut found);
        (parsed, found)
    };
    let (mut parsed, mut found) = parse(&spec);
    if let Some(more) = existing::with_more_items(&spec, &found, stack) {
        let (again, left) = parse(&more);
        if left.len() < found.len() {
            (spec, parsed, found) = (more, again, left);
        }
    }
    if named {
        found.retain(|problem| !report_stack_name(c, draft.resource_type, &shown, &spec, problem));
    }
    // A name in a field of a module is that of one of its own resources.
    let complete = |spec: Value| if draft.prefix.is_empty() { spec } else { modules::complete(&spec, &draft.prefix, false) };
    let (spec, parsed) = (complete(spec), parsed.map(complete));
    let self_referring = self_referring.map(|one| SelfReferring { spec: complete(one.spec), own: one.own });
    known.add_references(c, parsed.as_ref().unwrap_or(&spec), &spec, &shown, &|pointer| draft.definition_pointer(pointer), &mut needs);
    (needs.remove(&address) && of_itself.is_none()).then(|| {
        c.problem_at_key("cycle", &draft.pointer, format!("{shown} refers to itself"), "remove the reference");
    });
    // A bare name has the field's type; only a reference in full can have another.
    let spelled = has_reference(&spec);
    if spelled || !found.is_empty() {
        let schema = draft.resource_type.schema();
        if let Some(parsed) = parsed.as_ref().filter(|_| spelled) {
            known.check_types(c, schema, parsed, &spec, &shown, &|pointer| draft.definition_pointer(pointer));
        }
        let mut more = vec!["for_each", "when", "tags", "depends_on", "on_delete", "region", "timeouts", "ignore_changes"];
        more.extend(draft.extra_fields.iter().map(String::as_str));
        for problem in found {
            problems::report_problem(c, problem, &spec, &shown, &more, Some(schema), &|pointer| draft.definition_pointer(pointer));
        }
    }
    // The valid part of an invalid resource is needed to check others: its range, its name, its references.
    let at = c.spans.origin(&draft.pointer).into_owned();
    let spec = parsed?;
    let mut deferrable = deferrable_dependencies(draft.resource_type, &spec);
    deferrable.retain(|dependency| needs.contains(dependency) && !explicit.contains(dependency));
    let overrides = draft.pointer_overrides.iter().map(|(pointer, at)| (pointer.clone(), c.spans.origin(at).into_owned()));
    Some(DesiredResource {
        address,
        resource_type: draft.resource_type,
        region,
        spec,
        has_generated_name: named,
        self_referring,
        tags,
        depends_on: needs,
        deferrable,
        on_delete,
        timeouts,
        ignored_changes,
        pointer: at,
        pointer_overrides: overrides.collect(),
        chosen_fields: draft.chosen_fields,
        dropped: Vec::new(),
    })
}

/// Field that is computed from an output of its own resource.
fn own_field<'s>(spec: &'s Value, address: &Address) -> Option<&'s str> {
    let is_own = |reference: &Reference<'_>| {
        reference.type_name == address.type_name && reference.name.trim_start_matches(modules::MARK) == &*address.name
    };
    let mut fields = spec.as_object()?.iter();
    // A policy as JSON in a text may name its resource, too.
    let is_plain = |text: &&str| !text.trim_start().starts_with('{');
    let found = fields.find(|(_, value)| value.as_str().filter(is_plain).is_some_and(|text| references(text).iter().any(is_own)));
    found.map(|(field, _)| field.as_str())
}

/// Spec with references to the resource itself.
#[derive(Clone)]
pub struct SelfReferring {
    /// The spec, in canonical form.
    pub spec: Value,
    /// Resolves the references.
    pub own: OwnReferences,
}

/// Values for the references of a resource to itself: its fields, and the outputs that follow from them, such as the ARN of a bucket in its
/// own policy.
#[derive(Clone)]
pub struct OwnReferences {
    address: Address,
    resource_type: &'static ResourceType,
    account: String,
    region: String,
    iam_path: String,
}

impl OwnReferences {
    /// Returns the spec with its values in place of references to them.
    pub fn resolve(&self, spec: &Value) -> Value {
        let OwnReferences { address, resource_type, account, region, iam_path } = self;
        let inputs = PatternInputs { resource_type, region, account, iam_path, spec, referenced: &|_, _| None };
        let itself = |reference: &Reference<'_>| {
            reference.type_name == address.type_name && reference.name.trim_start_matches(modules::MARK) == &*address.name
        };
        let field = |name: &str| spec.get(name).filter(|value| !has_reference(value)).cloned();
        let own = |reference: &Reference<'_>| {
            inputs.output(reference.output).or_else(|| field(reference.output)).filter(|value| scalar_text(value).is_some())
        };
        expression::resolve(spec, &|reference| if itself(reference) { own(reference) } else { None })
    }
}

/// Deep-merges `overrides`; null removes.
fn apply_overrides(c: &mut Compiler<'_>, overrides: Value, drafts: &mut [Draft]) {
    let overrides = match overrides {
        Value::Object(overrides) => overrides,
        Value::Null => return,
        _ => return c.problem("type", "/overrides", "`overrides` must be a map", "write addresses below it: `vpc.main: {…}`"),
    };
    let index: BTreeMap<String, usize> =
        drafts.iter().enumerate().map(|(i, d)| (format!("{}.{}", d.resource_type.name, d.name), i)).collect();
    for (address, fields) in overrides {
        let at = child_pointer("/overrides", &address);
        let Some(&draft) = index.get(&address) else {
            let help = suggestion(&address, "addresses", index.keys().map(String::as_str));
            c.problem_at_key("unknown-address", &at, format!("there is no resource `{address}` to override"), help);
            continue;
        };
        let Value::Object(fields) = fields else {
            c.problem(
                "type",
                &at,
                format!("the override of `{address}` must be a map, not {}", describe_type(&fields)),
                "write the fields to change below the address",
            );
            continue;
        };
        for (field, value) in fields {
            drafts[draft].chosen_fields.retain(|chosen| *chosen != child_pointer("", &field));
            drafts[draft].pointer_overrides.insert(0, (child_pointer("", &field), child_pointer(&at, &field)));
            merge(&mut drafts[draft].spec, field, value);
        }
    }
}

fn merge(into: &mut Map<String, Value>, field: String, value: Value) {
    match (into.get_mut(&field), value) {
        (_, Value::Null) => drop(into.remove(&field)),
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (key, value) in new {
                merge(old, key, value);
            }
        }
        (_, value) => drop(into.insert(field, value)),
    }
}

/// Treatment of the data of a resource that has a default of its own.
fn default_on_delete(draft: &Draft) -> Option<OnDelete> {
    draft.resource_type.own_facts(&Value::Object(draft.spec.clone()))?.on_delete
}

fn parse_on_delete(c: &mut Compiler<'_>, value: &Value, resource_type: &ResourceType, at: &str, shown: &str) -> Option<OnDelete> {
    let allowed: &[&str] = match resource_type.data_protection {
        DataProtection::None => &[],
        DataProtection::Snapshot => &["snapshot", "retain", "delete"],
        DataProtection::Contents | DataProtection::RecoveryWindow => &["retain", "delete"],
    };
    if allowed.is_empty() {
        c.problem_at_key("on-delete", at, format!("`on_delete` has no effect on {shown}, because it holds no data"), "remove the line");
        return None;
    }
    let text = value.as_str().unwrap_or_default();
    if !allowed.contains(&text) {
        let written = scalar_text(value).unwrap_or_default();
        c.problem("on-delete", at, format!("`on_delete` of {shown} can't be `{written}`"), format!("values: {}", allowed.join(", ")));
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}

/// Reports at the name of the stack that AWS refuses a generated name because of how the stack's name begins: `sg-` is for ids of security groups.
/// Returns false if the cause is another one.
fn report_stack_name(c: &mut Compiler<'_>, resource_type: &ResourceType, shown: &str, spec: &Value, problem: &Problem) -> bool {
    let Some(name) = spec.get("name").and_then(Value::as_str).filter(|_| problem.pointer == "/name") else { return false };
    let naming_prefix = resource_type.naming.map_or("", |naming| naming.prefix);
    let own = name.strip_prefix(naming_prefix).unwrap_or(name);
    let mut other = spec.clone();
    other["name"] = Value::String(format!("{naming_prefix}x{own}"));
    let is_refused = resource_type.operations.parse(&other).map_or_else(|problems| problems, |spec| resource_type.check(&spec));
    if is_refused.iter().any(|other| other.pointer == "/name") {
        return false;
    }
    let message = format!("{shown} would be named `{name}`: {}", problem.message);
    c.problem("stack-name", "/stack", message, format!("choose another name for the stack, or set `name` on {shown}"));
    true
}
