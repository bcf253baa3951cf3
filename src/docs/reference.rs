//! The reference in Markdown: a page for every type, one for the sections, one for the codes, and an index.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};

use super::{
    codes,
    fields::{FieldRow, field_rows},
    plain_schema::simplify_schema,
    prose,
    schema::{EXAMPLES_TEXT, definition, on_delete_choices, type_schema},
};
use crate::{
    aws::types::RESOURCE_TYPES,
    core::{NameSuffix, ResourceType, format_duration},
    definition::{
        TOP_LEVEL_KEYS,
        sections::section_schema::{FieldSet, SECTIONS, Section, SectionBody},
    },
};

/// Renders all pages, by file name.
pub fn pages() -> BTreeMap<String, String> {
    let mut pages: BTreeMap<String, String> = RESOURCE_TYPES.iter().map(|kind| (format!("{}.md", kind.name), type_page(kind))).collect();
    pages.insert("sections.md".into(), sections_page());
    pages.insert("codes.md".into(), codes::page());
    pages.insert("index.md".into(), index_page());
    pages
}

fn type_page(resource_type: &ResourceType) -> String {
    let schema = type_schema(resource_type);
    let mut out = format!("# {}\n\n{}\n\n", resource_type.name, one_line(description(&schema)));
    let mut facts = vec![format!("It is usually ready after {}.", format_duration(resource_type.typical_duration))];
    if let Some(naming) = resource_type.naming {
        facts.push(format!("Its physical name has at most {} characters.", naming.max));
        if naming.global {
            facts.push("It is unique among all accounts, so a generated one ends with account and region.".into());
        }
        if let Some(NameSuffix { text, when }) = naming.suffix {
            facts.push(format!("It ends with `{text}` if `{when}` is true; acme adds a missing suffix."));
        }
    }
    if resource_type.renames_on_replace() && resource_type.replaces != ["/name"] {
        facts.push("Without a `name`, its replacement gets a name with a suffix and is created before the old one is deleted.".into());
    }
    if !resource_type.is_taggable() {
        facts.push("AWS does not support tags for it.".into());
    }
    if let Some(field) = resource_type.protects_deletion {
        facts.push(format!("While `{}` is true, AWS refuses to delete it.", field.trim_start_matches('/')));
    }
    facts.extend(prose::type_facts(resource_type));
    for (field, risk) in &resource_type.risky {
        facts.push(format!("Plans highlight `{}: {}` as risky: {}.", field.trim_start_matches('/'), (risk.value)(), risk.reason));
    }
    facts.extend(resource_type.free.map(|reason| format!("AWS charges nothing for it: {reason}.")));
    for key in resource_type.operations.usage_keys() {
        facts.push(format!("For the estimate of costs, `usage` can state its `{}`: {}.", key.name, key.about));
    }
    let (choices, default) = on_delete_choices(resource_type);
    if !choices.is_empty() {
        let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        facts.push(format!("It holds data: `on_delete` may be {}. {default}", choices.join(", ")));
    }
    push(&mut out, &format!("{}\n\n", facts.join(" ")));
    if let Some(example) = type_example(resource_type.name) {
        push(&mut out, &format!("```yaml\n{example}```\n\n"));
    }
    push(&mut out, "## Fields\n\n");
    write_table(&mut out, &field_rows(&schema, &resource_type.replaces), true);
    push(&mut out, "\nFields of [every resource](index.md#fields-of-every-resource) are allowed, too.\n\n");
    let names: Vec<String> = resource_type.operations.stands_for().into_iter().map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        push(&mut out, &format!("## Types\n\n{}\n\n", names.join(", ")));
    }
    push(&mut out, "## Outputs\n\n");
    let mut outputs = simplify_schema(&resource_type.operations.outputs_schema().to_value());
    if let Some(map) = outputs.as_object_mut() {
        map.remove("required");
        if let Value::Object(fields) = map.entry("properties").or_insert_with(|| json!({})) {
            fields.insert("id".into(), json!({ "type": "string", "description": "Physical id." }));
        }
    }
    push(
        &mut out,
        &format!(
            "`{{{{ {}.<name>.<output> }}}}`; fields can be read in the same way.\n\n| Output | Type | |\n|---|---|---|\n",
            resource_type.name
        ),
    );
    for field in field_rows(&outputs, &[]).iter().filter(|field| !field.path.contains(['.', '['])) {
        push(&mut out, &format!("| `{}` | {} | {} |\n", field.path, escape_cell(&field.value_type), escape_cell(&field.description)));
    }
    out
}

fn sections_page() -> String {
    let mut out = String::from(
        "# Sections\n\nA section creates several resources from a few fields; `acme show --expanded` prints them. `overrides:` changes a field \
of any resource, by its address.\n",
    );
    for section in SECTIONS {
        section_text(&mut out, section);
    }
    out
}

fn section_text(out: &mut String, section: &Section) {
    push(out, &format!("\n## {}\n\n{}\n\n", section.name, one_line(section.description)));
    if let Some(example) = section_example(section.name) {
        push(out, &format!("```yaml\n{example}```\n\n"));
    }
    body_text(out, section.name, &section.body);
}

fn body_text(out: &mut String, path: &str, part: &SectionBody) {
    match part {
        SectionBody::Fields(form) => form_text(out, path, form, ""),
        SectionBody::Entries(form) => form_text(out, &format!("{path}.<name>"), form, ""),
    }
}

/// `condition` begins the sentence: "With `engine: memcached`, ".
fn form_text(out: &mut String, path: &str, form: &FieldSet, condition: &str) {
    let own = form.own_schema.map(|own| {
        let mut own = simplify_schema(&own().to_value());
        for (field, part) in form.nested {
            let fields = json!({ "type": "object", "properties": {} });
            let held = match part {
                SectionBody::Fields(_) => fields,
                SectionBody::Entries(_) => json!({ "type": "object", "additionalProperties": fields }),
            };
            if let (Some(Value::Object(field)), Value::Object(held)) = (own.pointer_mut(&format!("/properties/{field}")), held) {
                field.extend(held);
            }
        }
        own
    });
    match (&form.type_name, &own) {
        (Some(kind), Some(_)) => push(out, &format!("{condition}`{path}` has the fields of [`{kind}`]({kind}.md), and these:\n\n")),
        (Some(kind), None) => push(out, &format!("{condition}`{path}` has the fields of [`{kind}`]({kind}.md).")),
        (None, _) => push(out, &format!("`{path}`:\n\n")),
    }
    if let Some(own) = &own {
        write_table(out, &field_rows(own, &[]), false);
        push(out, "\n");
    } else {
        push(out, "\n\n");
    }
    filled_text(out, path, form);
    if let Some((engines, other)) = form.by_engine {
        let engines: Vec<String> = engines.iter().map(|engine| format!("`engine: {engine}`")).collect();
        form_text(out, path, other, &format!("With {}, ", engines.join(" or ")));
    }
    for (field, inner) in form.nested {
        body_text(out, &format!("{path}.{field}"), inner);
    }
}

fn filled_text(out: &mut String, path: &str, form: &FieldSet) {
    if form.type_name.is_none() || form.filled_in.is_empty() {
        return;
    }
    let filled: Vec<String> = form.filled_in.iter().map(|field| format!("`{field}`")).collect();
    let tiers = if form.filled_in.contains(&"subnets") { "; `subnets` may be the name of a tier of the network" } else { "" };
    push(out, &format!("If unset in `{path}`, the section sets {}{tiers}.\n\n", filled.join(", ")));
}

fn index_page() -> String {
    let schema = definition();
    let mut out = String::from(
        "# Reference\n\nThe format of stack definitions. `acme docs` generates these pages from the types, and `acme schema` the JSON Schema, which \
         editors find through a first line such as\n\n```yaml\n# yaml-language-server: $schema=../docs/schema.json\n```\n\nEvery value can be an expression \
         (`\"{{ zones }}\"`), every text can contain references (`{{ vpc.main.id }}`), and every entry can have `for_each` and `when`.\n\n\
         ## The definition\n\n",
    );
    let frame = |names: &[&str], from: &Value| {
        let chosen = from.as_object().into_iter().flatten().filter(|(name, _)| names.contains(&name.as_str()));
        let chosen: serde_json::Map<String, Value> = chosen.map(|(name, field)| (name.clone(), field.clone())).collect();
        let rows = field_rows(&json!({ "properties": chosen, "required": ["stack"] }), &[]);
        rows.into_iter().filter(|row| !row.path.contains(['.', '['])).collect::<Vec<_>>()
    };
    // The line below describes tags.
    let names: Vec<&str> = TOP_LEVEL_KEYS.iter().copied().filter(|key| *key != "tags").collect();
    write_table(&mut out, &frame(&names, &schema["properties"]), false);
    push(&mut out, "\nTop-level `tags` are added to every resource.\n\n## Fields of every resource\n\n");
    write_table(
        &mut out,
        &frame(&["tags", "depends_on", "region", "timeouts", "ignore_changes", "for_each", "when"], &schema["$defs"]),
        false,
    );
    push(
        &mut out,
        "\nResources that hold data also have `on_delete`: `snapshot`, `retain` or `delete`; the page of the type lists the valid values.\n\n## Sections\n\n| Section | |\n|---|---|\n",
    );
    for section in SECTIONS {
        push(&mut out, &format!("| [`{0}`](sections.md#{0}) | {1} |\n", section.name, escape_cell(section.description)));
    }
    push(&mut out, "\n## Types\n\n| Type | |\n|---|---|\n");
    for kind in RESOURCE_TYPES.iter() {
        push(&mut out, &format!("| [`{0}`]({0}.md) | {1} |\n", kind.name, escape_cell(description(&type_schema(kind)))));
    }
    push(&mut out, "\n## Codes\n\n[Explanations of all codes](codes.md), as printed by `acme explain`.\n");
    out
}

fn write_table(out: &mut String, rows: &[FieldRow], with_change: bool) {
    if rows.is_empty() {
        return push(out, "None.\n");
    }
    let (head, line) = if with_change { (" Changed |", "---|") } else { ("", "") };
    push(out, &format!("| Field | Type | Default |{head} |\n|---|---|---|{line}---|\n"));
    for row in rows {
        let change = if with_change { format!(" {} |", escape_cell(&row.change)) } else { String::new() };
        push(
            out,
            &format!(
                "| `{}` | {} | {} |{change} {} |\n",
                row.path,
                escape_cell(&row.value_type),
                escape_cell(&row.default),
                escape_cell(&row.description)
            ),
        );
    }
}

fn push(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = out.write_str(text);
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn escape_cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

/// Section of the examples, as written there.
fn section_example(name: &str) -> Option<String> {
    yaml_block(EXAMPLES_TEXT, &format!("{name}:"))
}

/// Type in the examples, below `resources:`.
fn type_example(name: &str) -> Option<String> {
    let resources = section_example("resources")?;
    Some(format!("resources:\n{}", yaml_block(&resources, &format!("  {name}:"))?))
}

/// Returns the line `head`, and all lines below it with more indentation.
fn yaml_block(text: &str, head: &str) -> Option<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| *line != head);
    let first = lines.next()?;
    let below = lines.take_while(|line| !line.trim().is_empty() && depth(line) > depth(first));
    Some(std::iter::once(first).chain(below).map(|line| format!("{line}\n")).collect())
}
