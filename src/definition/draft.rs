//! A resource on its way from YAML to canonical form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Declared, Stack,
    compiler::{Compiler, kind_of, scalar},
    diagnostic::Diagnostic,
    nearest::suggestion,
    needs::Known,
    problems,
    source::below,
};
use crate::{
    aws::types::{KINDS, kind},
    core::{
        ADDRESS, Address, Data, ENVIRONMENT, Naming, ON_DELETE, OnDelete, ResourceType, STACK, Service, Tags,
        expression::{self, Reference, has_reference},
    },
};

/// A resource as a user or a section wrote it.
pub struct Draft {
    /// Its type.
    pub kind: &'static ResourceType,
    /// Its name in the stack.
    pub name: String,
    /// Its fields, with the envelope (`tags`, `depends_on`, `on_delete`).
    pub spec: Map<String, Value>,
    /// Where it stands: a JSON pointer into the expanded definition.
    pub at: String,
    /// Spec pointers whose value comes from another place than below `at`.
    pub elsewhere: Vec<(String, String)>,
    /// Fields that may stand there besides the type's own, for messages.
    pub more_fields: Vec<String>,
}

impl Draft {
    /// The pointer into the definition for one into the spec.
    fn place(&self, pointer: &str) -> String {
        let other = self.elsewhere.iter().find_map(|(prefix, at)| pointer.strip_prefix(prefix.as_str()).map(|rest| format!("{at}{rest}")));
        other.unwrap_or_else(|| format!("{}{pointer}", self.at))
    }
}

/// The resources of `resources:`, by type and name.
pub fn single(c: &mut Compiler<'_>, resources: Value, drafts: &mut Vec<Draft>) {
    let types = match resources {
        Value::Object(types) => types,
        Value::Null => return,
        _ => return c.problem("type", "/resources", "`resources` is no map", "write types below it, and names below each type"),
    };
    for (type_name, entries) in types {
        let at = below("/resources", &type_name);
        let Some(kind) = kind(&type_name) else {
            let help = suggestion(&type_name, "types", KINDS.iter().map(|kind| kind.name));
            c.problem_at_key("unknown-type", &at, format!("there is no resource type `{type_name}`"), help);
            continue;
        };
        match entries {
            Value::Object(entries) => {
                for (name, spec) in entries {
                    let at = below(&at, &name);
                    match spec {
                        Value::Object(spec) => drafts.push(Draft { kind, name, spec, at, elsewhere: Vec::new(), more_fields: Vec::new() }),
                        Value::Null => {
                            drafts.push(Draft { kind, name, spec: Map::new(), at, elsewhere: Vec::new(), more_fields: Vec::new() })
                        }
                        other => c.problem(
                            "type",
                            &at,
                            format!("`{type_name}.{name}` is {}", kind_of(&other)),
                            "write its fields below its name",
                        ),
                    }
                }
            }
            Value::Null => {}
            other => c.problem(
                "type",
                &at,
                format!("`{type_name}` is {}", kind_of(&other)),
                "write names below the type, and fields below each name",
            ),
        }
    }
}

/// Brings every draft to canonical form.
pub fn declare(c: &mut Compiler<'_>, document: &Map<String, Value>, mut drafts: Vec<Draft>, stack: &mut Stack) -> Known {
    let overrides = document.get("overrides").map(|value| c.render(value, "/overrides")).unwrap_or_default();
    override_all(c, overrides, &mut drafts);
    let defaults = document.get("tags").map(|value| c.render(value, "/tags")).unwrap_or_default();
    let defaults = tags(c, Some(defaults), "/tags");

    let mut places: BTreeMap<Address, String> = BTreeMap::new();
    for draft in &drafts {
        let address = Address::new(draft.kind.name, &draft.name);
        if !draft.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*@".contains(&b)) || draft.name.is_empty() {
            c.problem_at_key("name", &draft.at, format!("`{}` can't name a resource", draft.name), "use letters, digits, `-`, `_` and `.`");
        }
        if let Some(other) = places.insert(address, draft.at.clone()) {
            let line = c.place(&other).map(|range| c.source.text[..range.start].matches('\n').count() + 1).unwrap_or_default();
            let message = format!("`{}.{}` is defined twice", draft.kind.name, draft.name);
            c.problem_at_key("duplicate", &draft.at, message, format!("the other one is at line {line}: rename or remove one"));
        }
    }
    let mut known = Known::new(places.into_keys().collect());
    for draft in drafts {
        if let Some(declared) = one(c, draft, &defaults, stack, &mut known) {
            stack.resources.insert(declared.address.clone(), declared);
        }
    }
    known
}

fn one(c: &mut Compiler<'_>, mut draft: Draft, defaults: &Tags, stack: &Stack, known: &mut Known) -> Option<Declared> {
    let address = Address::new(draft.kind.name, &draft.name);
    let shown = format!("`{address}`");
    let own_tags = draft.spec.remove("tags");
    let depends_on = draft.spec.remove("depends_on");
    let on_delete = draft.spec.remove("on_delete").filter(|value| !value.is_null());
    let named = draft.kind.naming.is_some_and(|naming| name(&mut draft, naming, stack));

    let on_delete_at = draft.place("/on_delete");
    let on_delete = on_delete.and_then(|value| fate(c, &value, draft.kind, &on_delete_at, &shown));
    let tags_at = draft.place("/tags");
    let own_tags = tags(c, own_tags, &tags_at);
    let tags = marked(c, &draft, own_tags, defaults, stack, on_delete, &tags_at);
    let mut needs = BTreeSet::new();
    let depends_at = draft.place("/depends_on");
    known.depends_on(c, depends_on, &depends_at, &mut needs);

    let spec = Value::Object(std::mem::take(&mut draft.spec));
    // What it says of itself is known at once: the policy of a bucket names the bucket.
    let own = |reference: &Reference<'_>| spec.get(reference.output).filter(|v| !has_reference(v) && scalar(v).is_some()).cloned();
    let itself = |reference: &Reference<'_>| reference.kind == address.kind && reference.name == address.name;
    let resolved = has_reference(&spec).then(|| expression::resolve(&spec, &|r| if itself(r) { own(r) } else { None }));
    let named = named && resolved.as_ref().is_none_or(|resolved| *resolved == spec);
    let spec = resolved.unwrap_or(spec);
    let (parsed, mut found) = problems::parse_all(&spec, |spec| draft.kind.operations.parse(spec));
    problems::add_facts(draft.kind, parsed.as_ref(), &spec, &mut found);
    known.references(c, parsed.as_ref().unwrap_or(&spec), &spec, &shown, &|pointer| draft.place(pointer), &mut needs);
    needs.remove(&address).then(|| {
        c.problem_at_key("cycle", &draft.at, format!("{shown} refers to itself"), "remove the reference");
    });
    // A bare name takes the field's type; only what was written out can be of another.
    let spelled = has_reference(&spec);
    if spelled || !found.is_empty() {
        let schema = draft.kind.schema();
        if let Some(parsed) = parsed.as_ref().filter(|_| spelled) {
            known.types(c, schema, parsed, &spec, &shown, &|pointer| draft.place(pointer));
        }
        let mut more = vec!["for_each", "when", "tags", "depends_on", "on_delete"];
        more.extend(draft.more_fields.iter().map(String::as_str));
        for problem in found {
            problems::report(c, problem, &spec, &shown, &more, Some(schema), &|pointer| draft.place(pointer));
        }
    }
    // What is right of a wrong resource still tells about others: its range, its name, its references.
    let at = c.spans.origin(&draft.at).into_owned();
    Some(Declared { address, kind: draft.kind, spec: parsed?, named, tags, needs, on_delete, at })
}

/// Deep-merges `overrides`; null removes.
fn override_all(c: &mut Compiler<'_>, overrides: Value, drafts: &mut [Draft]) {
    let overrides = match overrides {
        Value::Object(overrides) => overrides,
        Value::Null => return,
        _ => return c.problem("type", "/overrides", "`overrides` is no map", "write addresses below it: `vpc.main: {…}`"),
    };
    let index: BTreeMap<String, usize> = drafts.iter().enumerate().map(|(i, d)| (format!("{}.{}", d.kind.name, d.name), i)).collect();
    for (address, fields) in overrides {
        let at = below("/overrides", &address);
        let Some(&draft) = index.get(&address) else {
            let help = suggestion(&address, "addresses", index.keys().map(String::as_str));
            c.problem_at_key("unknown-address", &at, format!("there is no `{address}` to override"), help);
            continue;
        };
        let Value::Object(fields) = fields else {
            c.problem(
                "type",
                &at,
                format!("the override of `{address}` is {}", kind_of(&fields)),
                "write the fields to change below the address",
            );
            continue;
        };
        for (field, value) in fields {
            drafts[draft].elsewhere.insert(0, (below("", &field), below(&at, &field)));
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

/// Gives it a physical name, or puts the prefix in front of the user's. Tells whether it gave one.
fn name(draft: &mut Draft, naming: Naming, stack: &Stack) -> bool {
    match draft.spec.get("name") {
        None | Some(Value::Null) => {
            let name = physical(&stack.prefix(), &draft.name, naming);
            draft.spec.insert("name".into(), name.into());
            return true;
        }
        Some(Value::String(name)) if !name.starts_with(naming.prefix) && !name.contains("${") => {
            let name = format!("{}{name}", naming.prefix);
            draft.spec.insert("name".into(), name.into());
        }
        _ => {}
    }
    false
}

/// `<stack>-<environment>-<name>` within the service's rules; what is cut is told apart by a hash of the whole.
pub(crate) fn physical(prefix: &str, name: &str, naming: Naming) -> String {
    let mut full: String = format!("{prefix}{name}").chars().map(|c| if matches!(c, '.' | '*' | '@') { '-' } else { c }).collect();
    if naming.lower {
        full = full.to_lowercase();
    }
    let room = naming.max.saturating_sub(naming.prefix.len());
    if full.len() > room {
        let hash: String = Sha256::digest(full.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let kept: String = full.chars().take(room.saturating_sub(hash.len() + 1)).collect();
        full = format!("{}-{hash}", kept.trim_end_matches('-'));
    }
    format!("{}{full}", naming.prefix)
}

fn fate(c: &mut Compiler<'_>, value: &Value, kind: &ResourceType, at: &str, shown: &str) -> Option<OnDelete> {
    let allowed: &[&str] = match kind.data {
        Data::None => &[],
        Data::Snapshot => &["snapshot", "retain", "delete"],
        Data::Contents | Data::Window => &["retain", "delete"],
    };
    if allowed.is_empty() {
        c.problem_at_key("on-delete", at, format!("{shown} holds no data, so `on_delete` has no meaning"), "remove the line");
        return None;
    }
    let text = value.as_str().unwrap_or_default();
    if !allowed.contains(&text) {
        let written = scalar(value).unwrap_or_default();
        c.problem("on-delete", at, format!("`on_delete` of {shown} can't be `{written}`"), format!("values: {}", allowed.join(", ")));
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}

/// Tags as texts. Limits: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
fn tags(c: &mut Compiler<'_>, value: Option<Value>, at: &str) -> Tags {
    let map = match value {
        None | Some(Value::Null) => return Tags::new(),
        Some(Value::Object(map)) => map,
        Some(other) => {
            c.problem("tags", at, format!("tags are `key: value` pairs, not {}", kind_of(&other)), "write `tags: { team: platform }`");
            return Tags::new();
        }
    };
    let mut tags = Tags::new();
    for (key, value) in map {
        let here = below(at, &key);
        let lower = key.to_lowercase();
        let wrong = if lower.starts_with("aws:") {
            Some(("AWS keeps the prefix `aws:` for itself".to_owned(), "give the tag another key"))
        } else if lower.starts_with("acme:") {
            Some(("acme keeps the prefix `acme:` for itself".to_owned(), "give the tag another key"))
        } else if key.is_empty() || key.chars().count() > 128 {
            Some((format!("a tag's key has 1 to 128 characters, this one {}", key.chars().count()), "shorten the key"))
        } else {
            None
        };
        if let Some((message, help)) = wrong {
            c.problem_at_key("tags", &here, message, help);
            continue;
        }
        match scalar(&value) {
            Some(text) if text.chars().count() > 256 => {
                let message = format!("a tag's value has at most 256 characters, this one {}", text.chars().count());
                c.problem("tags", &here, message, "shorten the value");
            }
            Some(text) => drop(tags.insert(key, text)),
            None => c.problem("tags", &here, format!("tag `{key}` is {}", kind_of(&value)), "give it one text"),
        }
    }
    tags
}

fn marked(c: &mut Compiler<'_>, draft: &Draft, own: Tags, defaults: &Tags, stack: &Stack, on_delete: Option<OnDelete>, at: &str) -> Tags {
    let mut tags = Tags::new();
    if draft.kind.is_taggable() {
        tags.extend(defaults.clone());
        if draft.kind.service == Service::Ec2 {
            tags.entry("Name".into()).or_insert_with(|| format!("{}{}", stack.prefix(), draft.name));
        }
        tags.extend(own);
    } else if !own.is_empty() {
        let message = format!("AWS has no tags for a {}", draft.kind.name.replace('_', " "));
        c.problem_at_key("tags", at, message, "remove `tags`");
    }
    tags.insert(STACK.into(), stack.name.clone());
    tags.insert(ENVIRONMENT.into(), stack.environment.clone());
    tags.insert(ADDRESS.into(), format!("{}.{}", draft.kind.name, draft.name));
    if let Some(fate) = on_delete {
        let text = match fate {
            OnDelete::Snapshot => "snapshot",
            OnDelete::Retain => "retain",
            OnDelete::Delete => "delete",
        };
        tags.insert(ON_DELETE.into(), text.into());
    }
    if tags.len() > 50 {
        let place = c.key(at);
        let problem = Diagnostic::new("tags", format!("{} tags are more than the 50 that AWS takes", tags.len()));
        c.found.push(problem.at(place).help("acme's own marks are among them: leave room for four"));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_told_apart() {
        let naming = Naming { max: 32, lower: true, prefix: "" };
        let one = physical("shop-production-", "a-very-long-service-name.One", naming);
        let two = physical("shop-production-", "a-very-long-service-name.two", naming);
        assert!(one.len() <= 32 && two.len() <= 32 && one != two);
        assert_eq!(physical("shop-", "web.Api", naming), "shop-web-api");
    }
}
