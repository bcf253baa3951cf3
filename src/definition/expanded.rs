//! A stack written out without sections, loops and expressions.

use serde_json::{Map, Value, json};

use super::{DesiredResource, ExistingQuery, MORE, Stack};
use crate::{
    aws::images::ImageVersion,
    core::{
        ADDRESS_TAG, Address, ENVIRONMENT_TAG, EnvironmentName, ON_DELETE_TAG, REGION_TAG, STACK_TAG,
        expression::{for_each_string, references, resolve},
    },
};

/// Renders the stack as YAML with every resource under `resources:`.
///
/// An account that the definition does not contain is an expression. Generated names with account and region are omitted without them.
pub fn expanded_yaml(stack: &Stack) -> String {
    let mut stack = stack.clone();
    if stack.has_unknown_location {
        for declared in stack.resources.values_mut() {
            omit_location(declared);
        }
        stack.replace_unknown_location("{{ account }}", "{{ region }}");
    }
    let mut types: Map<String, Value> = Map::new();
    for (address, declared) in &stack.resources {
        let entries = types.entry(address.type_name.clone()).or_insert_with(|| json!({}));
        if let Some(entries) = entries.as_object_mut() {
            entries.insert(address.name.clone(), resource_yaml(declared));
        }
    }
    let mut document = String::new();
    let mut add = |part: Value| document.push_str(&serde_yaml::to_string(&part).unwrap_or_default());
    add(json!({ "stack": stack.name }));
    // An absolute path, because the output may be saved in another folder.
    let here = std::env::current_dir().unwrap_or_default();
    let backend = stack.backend.clone().map(|backend| backend.relative_to(&here).to_string());
    for (key, value) in [("region", &stack.region), ("account", &stack.account), ("backend", &backend)] {
        if let Some(value) = value {
            add(json!({ key: value }));
        }
    }
    if let Some(role) = &stack.role {
        add(match &role.external_id {
            Some(id) => json!({ "role": { "arn": role.arn, "external_id": id } }),
            None => json!({ "role": role.arn }),
        });
    }
    if stack.environment != EnvironmentName::default() {
        add(json!({ "environments": { stack.environment.to_string(): {} } }));
    }
    if !stack.existing.is_empty() {
        add(json!({ "existing": existing_yaml(&stack) }));
    }
    if !stack.stacks.is_empty() {
        let stacks =
            stack.stacks.iter().map(|(name, other)| (name.clone(), json!({ "stack": other.stack, "environment": other.environment })));
        add(json!({ "stacks": stacks.collect::<Map<_, _>>() }));
    }
    add(json!({ "resources": types }));
    if !stack.forget.is_empty() {
        add(json!({ "forget": stack.forget.keys().map(ToString::to_string).collect::<Vec<_>>() }));
    }
    if !stack.outputs.is_empty() {
        let outputs: Map<String, Value> =
            stack.outputs.iter().map(|(name, value)| (name.clone(), references_as_expressions(value))).collect();
        add(json!({ "outputs": outputs }));
    }
    document
}

/// The resources that the stack uses and does not own, by type and name.
fn existing_yaml(stack: &Stack) -> Value {
    let mut types: Map<String, Value> = Map::new();
    for (address, existing) in &stack.existing {
        let mut fields = Map::new();
        let mut add = |key: &str, value: Option<&String>| fields.extend(value.map(|value| (key.to_owned(), value.clone().into())));
        match &existing.query {
            ExistingQuery::Resource(query) => {
                add("id", query.id.as_ref());
                add("name", query.name.as_ref());
            }
            ExistingQuery::Image(query) => {
                let (key, version) = match &query.version {
                    ImageVersion::Tag(tag) => ("tag", tag),
                    ImageVersion::Digest(digest) => ("digest", digest),
                };
                add("repository", Some(&query.repository));
                add(key, Some(version));
                add("account", query.account.as_ref());
            }
        }
        add("region", existing.region.as_ref());
        if let ExistingQuery::Resource(query) = &existing.query {
            if !query.tags.is_empty() {
                fields.insert("tags".into(), json!(query.tags));
            }
            if query.all {
                fields.insert("all".into(), true.into());
            }
        }
        if let Some(entries) = types.entry(address.type_name.clone()).or_insert_with(|| json!({})).as_object_mut() {
            entries.insert(address.name.clone(), fields.into());
        }
    }
    types.into()
}

/// Omits a generated name with account and region, and writes references to the resource itself, which may contain them, as such.
fn omit_location(declared: &mut DesiredResource) {
    if let Some(referring) = declared.self_referring.take() {
        declared.spec = referring.spec;
    }
    if declared.has_generated_name && declared.resource_type.naming.is_some_and(|naming| naming.global) {
        declared.spec.as_object_mut().and_then(|fields| fields.remove("name"));
    }
}

fn resource_yaml(declared: &DesiredResource) -> Value {
    let mut fields = match without_nulls(&declared.spec) {
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, shorten_references(&value))).collect::<Map<_, _>>(),
        _ => Map::new(),
    };
    let tags: Map<String, Value> = declared
        .tags
        .iter()
        .filter(|(key, _)| ![STACK_TAG, ENVIRONMENT_TAG, ADDRESS_TAG, ON_DELETE_TAG, REGION_TAG].contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone().into()))
        .collect();
    if !tags.is_empty() {
        fields.insert("tags".into(), tags.into());
    }
    if let Some(region) = declared.region.as_ref().filter(|_| !declared.resource_type.has_fixed_region(&declared.spec)) {
        fields.insert("region".into(), region.clone().into());
    }
    if let Some(fate) = declared.on_delete {
        fields.insert("on_delete".into(), json!(fate));
    }
    if let Some(timeouts) = declared.timeouts.to_definition() {
        fields.insert("timeouts".into(), timeouts);
    }
    if !declared.ignored_changes.fields.is_empty() {
        let ignored = &declared.ignored_changes;
        fields.insert("ignore_changes".into(), json!({ "fields": ignored.fields, "reason": ignored.reason }));
    }
    let mut known = Vec::new();
    for_each_string(&declared.spec, &mut |text| known.extend(references(text).into_iter().map(|r| Address::new(r.type_name, r.name))));
    let more: Vec<String> = declared.depends_on.iter().filter(|need| !known.contains(need)).map(ToString::to_string).collect();
    if !more.is_empty() {
        fields.insert("depends_on".into(), more.into());
    }
    fields.into()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect::<Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// `{"id": "${vpc.main.id}"}` → `vpc.main`, other references → expressions.
fn shorten_references(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => {
            let one = ["id", "arn"].iter().find_map(|key| map.get(*key).and_then(Value::as_str).map(|text| (*key, text)));
            match one.and_then(|(key, text)| {
                references(text)
                    .first()
                    .filter(|r| r.text == text && r.output == key && r.index.is_none())
                    .map(|r| format!("{}.{}", r.type_name, r.name))
            }) {
                Some(address) => address.into(),
                None => map.iter().map(|(k, v)| (k.clone(), shorten_references(v))).collect::<Map<_, _>>().into(),
            }
        }
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), shorten_references(v))).collect::<Map<_, _>>().into(),
        Value::Array(list) => list.iter().filter(|item| !stands_for_more(item)).map(shorten_references).collect(),
        other => references_as_expressions(other),
    }
}

/// Whether an item of a list stands for those that are known when a plan is made.
fn stands_for_more(item: &Value) -> bool {
    let mut found = false;
    for_each_string(item, &mut |text| found |= references(text).iter().any(|one| one.output == MORE));
    found
}

fn references_as_expressions(value: &Value) -> Value {
    resolve(value, &|reference| {
        Some(format!("{{{{ {}.{}.{} }}}}", reference.type_name, reference.name, reference.output_with_index()).into())
    })
}
