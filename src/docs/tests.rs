//! Consistency of the facts of all types.

mod limits;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schema::{EXAMPLES_TEXT, type_schema};
use crate::{
    aws::types::{RESOURCE_TYPES, resource_type},
    core::{
        Address, DataProtection, GrantTarget, PriceComponent, PriceContext, Pricing, Usage,
        rules::{Rules, anchored_regex},
    },
    definition::{LoadOptions, Source, default_name, load},
};

/// The schema at a pointer into a spec, from one without references.
fn field<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(schema, |schema, key| {
        let key = key.replace("~1", "/").replace("~0", "~");
        schema.get("properties").and_then(|fields| fields.get(&key)).or_else(|| schema.get("additionalProperties"))
    })
}

/// Calls `act` with the path and the schema of every field, at all depths of a schema with `$defs`.
fn for_each_field(schema: &Value, path: &str, act: &mut impl FnMut(&str, &Value)) {
    let Some(map) = schema.as_object() else { return };
    for (key, value) in map {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(fields)) => {
                for (name, field) in fields {
                    let path = format!("{path}/{name}");
                    if key == "properties" {
                        act(&path, field);
                    }
                    for_each_field(field, &path, act);
                }
            }
            ("anyOf" | "oneOf", Value::Array(branches)) => branches.iter().for_each(|branch| for_each_field(branch, path, act)),
            ("items" | "additionalProperties", value) => for_each_field(value, path, act),
            _ => {}
        }
    }
}

/// A spec of every type, in canonical form.
fn examples() -> BTreeMap<&'static str, Value> {
    let stack =
        load(&Source::new("examples.yaml", EXAMPLES_TEXT), &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    stack.resources.into_values().map(|declared| (declared.resource_type.name, declared.spec)).collect()
}

#[track_caller]
fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn facts_refer_to_existing_fields() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = type_schema(kind);
        let lists = [&kind.replaces, &kind.assigned_by_aws, &kind.identity, &kind.own_read, &kind.important];
        let single = [kind.lookup, kind.read_by_name, kind.protects_deletion, kind.apply_immediately, kind.naming.map(|_| "/name")];
        let pointers = lists.into_iter().chain(&kind.unique_keys).flatten().copied();
        let pointers = pointers.chain(single.into_iter().flatten());
        let pointers = pointers.chain(kind.impact.iter().map(|(field, _)| *field)).chain(kind.risky.iter().map(|(field, _)| *field));
        for pointer in pointers.chain(kind.one_way.iter().map(|one_way| one_way.field)) {
            if field(&schema, pointer).is_none() {
                wrong.push(format!("{}{pointer}", kind.name));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn facts_refer_to_existing_types() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = kind.schema().to_string();
        let targets = kind.iam_actions.grants.iter().filter_map(|grant| match grant.target {
            GrantTarget::Referenced(used) => Some(used),
            _ => None,
        });
        for used in targets.chain(kind.iam_actions.create_uses.iter().copied()) {
            if !schema.contains(&format!("\"x-acme-ref\":\"{used}\"")) {
                wrong.push(format!("{} grants actions on `{used}`, which it does not refer to", kind.name));
            }
        }
        let unknown = kind.detached_by.iter().filter(|name| resource_type(name).is_none());
        wrong.extend(unknown.map(|name| format!("{} is detached by `{name}`", kind.name)));
    }
    assert_none(wrong);
}

/// Prose could contradict the fact.
#[test]
fn descriptions_do_not_repeat_facts() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        for_each_field(kind.schema(), kind.name, &mut |path, field| {
            let about = field.get("description").and_then(Value::as_str).unwrap_or_default();
            if ["Default:", "replaces the resource"].iter().any(|fact| about.contains(fact)) {
                wrong.push(format!("{path}: {about}"));
            }
        });
    }
    assert_none(wrong);
}

#[test]
fn generated_names_are_within_the_rules_of_their_types() {
    let examples = examples();
    let long = "a-very-long-name_with.many-words_".repeat(20);
    let names = ["web", "web_app", "web.app", "Web-App", "web--app", "web__app", "web_._app", "web_", "_web", "-web-", "9", "*@web", &long];
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let Some(naming) = kind.naming else { continue };
        for (prefix, name) in ["shop-", "shop-production-"].iter().flat_map(|prefix| names.map(|name| (prefix, name))) {
            let mut spec = examples[kind.name].clone();
            let (suffix, account) = (naming.suffix_for(&spec), "123456789012");
            spec["name"] = default_name(prefix, name, naming, suffix, account, "ap-southeast-1").into();
            let problems = Rules::of(kind.schema()).check(&spec).into_iter().chain(kind.check(&spec));
            let about_name = problems.filter(|problem| problem.pointer == "/name");
            wrong.extend(about_name.map(|problem| format!("{}.{name}: {} {}", kind.name, spec["name"], problem.message)));
        }
    }
    assert_none(wrong);
}

#[test]
fn protection_and_immediate_apply_fields_are_booleans() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = type_schema(kind);
        for pointer in [kind.protects_deletion, kind.apply_immediately].into_iter().flatten() {
            let types = field(&schema, pointer).map(|field| field["type"].clone()).unwrap_or_default();
            if types != "boolean" && types != json!(["boolean", "null"]) {
                wrong.push(format!("{}{pointer}: {types}", kind.name));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn types_with_data_state_what_a_new_one_lacks() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let (name, words) = (kind.name, kind.lost_on_recreation);
        if kind.data_protection != DataProtection::None && words.is_empty() {
            wrong.push(format!("{name} has data, and does not state that another one lacks it"));
        }
        if words.ends_with('.') {
            wrong.push(format!("{name}: a full stop after `{words}`"));
        }
        let has_window = kind.data_protection == DataProtection::RecoveryWindow;
        if has_window != kind.recovery_window.is_some() || has_window == kind.deleted_code.is_empty() {
            wrong.push(format!("{name}: a recovery window takes a field with its days and an error code"));
        }
    }
    assert_none(wrong);
}

#[test]
fn defaults_parse_as_values_of_their_fields() {
    let examples = examples();
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let example = &examples[kind.name];
        let fields = kind.schema()["properties"].as_object().into_iter().flatten();
        for (name, default) in fields.filter_map(|(name, field)| Some((name, field.get("default")?))) {
            let mut spec = example.clone();
            spec[name] = default.clone();
            if let Err(error) = kind.operations.after_create(&spec) {
                wrong.push(format!("{}/{name}: {default}: {error}", kind.name));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn defaults_and_risky_values_are_within_their_limits() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = kind.schema();
        let definitions = schema.get("$defs").cloned().unwrap_or_default();
        let mut judge = |path: &str, field: &Value, value: &Value| {
            let mut whole = field.as_object().cloned().unwrap_or_default();
            whole.insert("$defs".into(), definitions.clone());
            let problems = Rules::of(&Value::Object(whole)).check(value);
            wrong
                .extend(problems.into_iter().map(|problem| format!("{}{path}{}: {value} {}", kind.name, problem.pointer, problem.message)));
        };
        for_each_field(schema, "", &mut |path, field| {
            // An empty default stands for "none".
            if let Some(default) = field.get("default").filter(|default| ![json!(""), json!([]), json!({})].contains(default)) {
                judge(path, field, default);
            }
        });
        for (pointer, risk) in &kind.risky {
            let schema = type_schema(kind);
            if let Some(field) = field(&schema, pointer) {
                judge(pointer, field, &(risk.value)());
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn limits_are_satisfiable() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        for_each_field(kind.schema(), "", &mut |path, field| {
            if let Some(pattern) = field.get("x-acme-pattern").and_then(Value::as_str)
                && let Err(error) = anchored_regex(pattern)
            {
                wrong.push(format!("{}{path}: {error}", kind.name));
            }
            for key in ["x-acme-length", "x-acme-prefix"] {
                let bounds: Vec<u64> = field.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect();
                if field.get(key).is_some() && (bounds.len() != 2 || bounds[0] > bounds[1]) {
                    wrong.push(format!("{}{path}: {key} {}", kind.name, field[key]));
                }
            }
            if let (Some(min), Some(max)) = (field["minimum"].as_f64(), field["maximum"].as_f64())
                && min > max
            {
                wrong.push(format!("{}{path}: {min} to {max}", kind.name));
            }
        });
    }
    assert_none(wrong);
}

/// Fields read only if declared otherwise have their default.
#[test]
fn own_read_fields_have_a_default() {
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = kind.schema();
        let without = kind.own_read.iter().filter(|pointer| {
            let field = schema.pointer(&format!("/properties{pointer}"));
            field.is_none_or(|field| field.get("default").is_none())
        });
        wrong.extend(without.map(|pointer| format!("{}{pointer}", kind.name)));
    }
    assert_none(wrong);
}

/// A rollback restores what AWS had, even where a definition can't say it: RDS reports the IOPS and the throughput of storage that takes
/// neither.
#[test]
fn specs_that_aws_reported_need_not_pass_the_checks_of_a_definition() {
    let database = json!({
        "name": "orders", "engine": "postgres", "version": "16", "class": "db.t4g.medium", "storage_gib": 20, "storage_type": "gp2",
        "iops": 3000, "throughput_mibps": 0, "subnet_group": { "id": "main" }, "security_groups": [{ "id": "sg-1" }],
    });
    let certificate = json!({ "domain": "a.example.com", "alternative_names": ["a.example.com"] });
    let key = json!({ "key_spec": "RSA_2048", "key_usage": "ENCRYPT_DECRYPT", "rotation": true });
    for (name, spec) in [("rds_instance", database), ("certificate", certificate), ("kms_key", key)] {
        let kind = resource_type(name).expect("a type");
        assert!(kind.operations.parse(&spec).is_err(), "{name}: a definition can't have it");
        let canonical = kind.operations.canonical(&spec).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (field, value) in spec.as_object().into_iter().flatten().filter(|(_, value)| value.is_number()) {
            assert_eq!(&canonical[field], value, "{name}: {field}");
        }
    }
}

/// A new type says what it costs, why it costs nothing, or why its price is not known.
#[test]
fn every_type_is_priced_free_or_not_priced_with_a_reason() {
    let usage = Usage::default();
    let examples = examples();
    let mut wrong = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let Some(spec) = examples.get(kind.name) else { continue };
        let address = Address::new(kind.name, "example");
        let context = PriceContext { address: &address, usage: &usage, find: &|_, _| None };
        // As its type says it, without the fact that it is free.
        let pricing = kind.operations.price(spec, &context);
        match kind.free {
            Some(reason) if reason.is_empty() || pricing != Pricing::unknown() => {
                wrong.push(format!("{}: free, and with a price", kind.name))
            }
            None if pricing == Pricing::unknown() => wrong.push(format!("{}: no price, and not free", kind.name)),
            None if pricing.unpriced.iter().any(|reason| !reason.contains(' ')) => {
                wrong.push(format!("{}: {:?}", kind.name, pricing.unpriced))
            }
            _ => {}
        }
        let stated =
            |part: &PriceComponent| part.usage.is_none_or(|usage| kind.operations.usage_keys().iter().any(|key| key.name == usage));
        let unknown = pricing.components.iter().filter(|part| !stated(part));
        wrong.extend(unknown.map(|part| format!("{}: `{}` depends on a usage that it does not declare", kind.name, part.name)));
        // AWS compares attributes: without one, the answer would be all products of a service.
        let broad = pricing.components.iter().filter(|part| part.product.attributes.is_empty());
        wrong.extend(broad.map(|part| format!("{}: `{}` asks for all products", kind.name, part.name)));
    }
    assert_none(wrong);
}
