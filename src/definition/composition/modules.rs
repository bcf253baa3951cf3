//! Evaluates modules: each with its own values, and with names that begin with its own.
//!
//! A reference inside a module means a resource of the module. In values that come from outside, references have a mark before the name of
//! the resource, `${vpc.^main.id}`, until the names of the module's own are completed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Map, Value, json};

use super::{
    document::{Document, ModuleUse},
    inputs, stack_sections,
};
use crate::{
    core::{
        Address,
        expression::{for_each_string, references},
    },
    definition::{
        compiler::Compiler,
        compiler::describe_type,
        draft::{self, Draft},
        environment,
        sections::{self, StackContext},
        source::child_pointer,
        template::Templates,
    },
};

/// Mark of a reference whose name is complete. No name of a resource has it.
pub const MARK: char = '^';

/// Built-in values that a module has, too.
const BUILT_INS: &[&str] = &["stack", "environment", "region", "account"];

/// Names of the modules of a document and of those within them, by the pointers to their content: `mail`, `mail.queue`.
pub fn paths(document: &Document) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    let mut open: Vec<(String, &Document)> = vec![(String::new(), document)];
    while let Some((outer, document)) = open.pop() {
        for module in &document.modules {
            let path = format!("{outer}{}", module.name);
            open.push((format!("{path}."), &module.document));
            paths.insert(module.base.clone(), path);
        }
    }
    paths
}

/// Evaluates the modules of a document, in the order of their dependencies, and makes their outputs available as `modules`. `prefix` is that of
/// the names of the document's own resources.
pub fn expand(c: &mut Compiler<'_>, document: &Document, frame: StackContext<'_>, prefix: &str, drafts: &mut Vec<Draft>) {
    c.is_incomplete |= document.is_incomplete;
    document.broken_modules.iter().for_each(|name| c.templates.set_entry_broken("modules", name));
    if document.modules.is_empty() {
        return;
    }
    let mut outputs = Map::new();
    let mut waiting: Vec<&ModuleUse> = document.modules.iter().collect();
    while !waiting.is_empty() {
        let names: BTreeSet<&str> = waiting.iter().map(|module| module.name.as_str()).collect();
        let ready = waiting.iter().position(|module| !names.iter().any(|name| uses(module, name)));
        let next = waiting.remove(ready.unwrap_or_default());
        if ready.is_none() {
            let message = format!("the inputs of the module `{}` depend on its own outputs", next.name);
            c.problem("cycle", &next.entry, message, "modules may use each other, but not in a cycle");
        }
        c.templates.set("modules", &Value::Object(outputs.clone()));
        let values = expand_one(c, next, frame, prefix, drafts);
        outputs.insert(next.name.clone(), values);
    }
    c.templates.set("modules", &Value::Object(outputs));
}

/// Whether the inputs of a module refer to an output of another.
fn uses(module: &ModuleUse, name: &str) -> bool {
    let mut found = false;
    let forms = [format!("modules.{name}."), format!("modules[\"{name}\"]"), format!("modules['{name}']")];
    module.inputs.values().for_each(|value| for_each_string(value, &mut |text| found |= forms.iter().any(|form| text.contains(form))));
    found
}

/// Evaluates one module. Returns its outputs.
fn expand_one(c: &mut Compiler<'_>, module: &ModuleUse, frame: StackContext<'_>, outer: &str, drafts: &mut Vec<Draft>) -> Value {
    let inputs_at = format!("{}/inputs", module.entry);
    let failed = (c.problems.len(), c.failed_expressions);
    let given = c.render_as_written(&Value::Object(module.inputs.clone()), &inputs_at);
    let given = if (c.problems.len(), c.failed_expressions) == failed { complete(&given, outer, true) } else { Value::Null };
    let broken = given.is_null();
    let (inputs, broken_inputs) = match given {
        Value::Object(given) => inputs::resolve(c, module, given),
        _ => Default::default(),
    };
    if broken {
        c.templates.set_entry_broken("modules", &module.name);
        return Value::Object(Map::new());
    }
    let prefix = format!("{outer}{}-", module.name);
    let mut templates = Templates::default();
    for name in BUILT_INS.iter().filter(|name| **name != "account") {
        if let Some(value) = c.templates.value(name) {
            templates.set(name, &value);
        }
    }
    templates.set_account(&c.location);
    templates.set("inputs", &Value::Object(inputs));
    broken_inputs.iter().for_each(|name| templates.set_entry_broken("inputs", name));
    let before = std::mem::replace(&mut c.templates, templates);
    let outer_prefix = std::mem::replace(&mut c.prefix, prefix.clone());
    let values = c.map_of(module.document.fields.get("values"), &format!("{}/values", module.base));
    let values = values.into_iter().map(|(name, value)| {
        let at = format!("{}{}", module.base, child_pointer("/values", &name));
        (name, (value, at))
    });
    environment::set_values(c, values.collect());
    expand(c, &module.document, frame, &prefix, drafts);

    let first_named = c.named.len();
    let mut own = Vec::new();
    sections::expand(c, &module.document.fields, frame, &module.base, Vec::new(), &mut own);
    let single_at = format!("{}/resources", module.base);
    let single = module.document.fields.get("resources").map(|resources| c.expand(resources, &single_at)).unwrap_or_default();
    draft::add_single_resources(c, single, &single_at, &mut own);
    stack_sections::collect(c, module, &prefix);
    for draft in &mut own {
        draft.name = format!("{prefix}{}", draft.name);
        draft.prefix.clone_from(&prefix);
        draft.spec = match complete(&Value::Object(std::mem::take(&mut draft.spec)), &prefix, true) {
            Value::Object(spec) => spec,
            _ => Map::new(),
        };
        if let Some(dependencies) = draft.spec.get_mut("depends_on") {
            complete_addresses(dependencies, &prefix);
        }
    }
    for named in c.named.iter_mut().skip(first_named) {
        named.address = match named.address.name.strip_prefix(MARK) {
            Some(name) => Address::new(&named.address.type_name, name),
            None => Address::new(&named.address.type_name, format!("{prefix}{}", named.address.name)),
        };
    }
    drafts.extend(own);
    let (outputs, broken_outputs) = read_outputs(c, module, &prefix);
    let unknown_account = c.templates.uses_unknown_account();
    c.needs_location |= unknown_account;
    c.templates = before;
    broken_outputs.iter().for_each(|name| c.templates.set_entry_broken(&format!("modules.{}", module.name), name));
    c.prefix = outer_prefix;
    // In a module around it, these names are complete.
    if outer.is_empty() { outputs } else { complete(&outputs, "", true) }
}

/// Outputs of a module, and the names of those with a problem.
fn read_outputs(c: &mut Compiler<'_>, module: &ModuleUse, prefix: &str) -> (Value, Vec<String>) {
    let at = format!("{}/outputs", module.base);
    let (mut outputs, mut broken) = (Map::new(), Vec::new());
    for (name, output) in c.map_of(module.document.fields.get("outputs"), &at) {
        let at = child_pointer(&at, &name);
        let form = "write `{ value: \"{{ … }}\", description: … }`";
        let Value::Object(fields) = output else {
            c.problem("module", &at, format!("the output `{name}` must be a map, not {}", describe_type(&output)), form);
            broken.push(name);
            continue;
        };
        for key in fields.keys().filter(|key| !["value", "description"].contains(&key.as_str())) {
            c.problem_at_key("module", &child_pointer(&at, key), format!("an output has no key `{key}`"), form);
        }
        let Some(value) = fields.get("value") else {
            c.problem_at_key("module", &at, format!("the output `{name}` has no value"), form);
            broken.push(name);
            continue;
        };
        if fields.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            c.problem_at_key("module", &at, format!("the output `{name}` has no description"), form);
        }
        let failed = c.failed_expressions;
        let value = c.render(value, &child_pointer(&at, "value"));
        if c.failed_expressions != failed {
            broken.push(name.clone());
        }
        outputs.insert(name, complete(&value, prefix, false));
    }
    (json!(outputs), broken)
}

/// Value with complete names in its references: those without a mark get the prefix. `marked`: the result has marks.
pub fn complete(value: &Value, prefix: &str, marked: bool) -> Value {
    match value {
        Value::String(text) => complete_text(text, prefix, marked).into_owned().into(),
        Value::Array(list) => list.iter().map(|item| complete(item, prefix, marked)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (complete_text(key, prefix, marked).into_owned(), complete(item, prefix, marked))).collect()
        }
        other => other.clone(),
    }
}

fn complete_text<'a>(text: &'a str, prefix: &str, marked: bool) -> Cow<'a, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let mark = if marked { "^" } else { "" };
    let mut out = String::with_capacity(text.len() + prefix.len());
    let mut rest = text;
    for one in references(text) {
        let Some(start) = rest.find(one.text) else { continue };
        let name = match one.name.strip_prefix(MARK) {
            Some(complete) => format!("{mark}{complete}"),
            None => format!("{mark}{prefix}{}", one.name),
        };
        out.push_str(&rest[..start]);
        out.push_str(&format!("${{{}.{name}.{}}}", one.type_name, one.output_with_index()));
        rest = &rest[start + one.text.len()..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Completes addresses in `depends_on`, unless a reference says that they are complete.
pub(super) fn complete_addresses(value: &mut Value, prefix: &str) {
    match value {
        Value::String(text) => {
            let complete = match references(text).as_slice() {
                [one] => Some(Address::new(one.type_name, one.name.trim_start_matches(MARK))),
                _ => Address::parse(text).map(|address| Address::new(&address.type_name, format!("{prefix}{}", address.name))),
            };
            if let Some(address) = complete {
                *text = address.to_string();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| complete_addresses(item, prefix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_once() {
        let inner = json!({ "a": "x ${vpc.main.id}${vpc.main.arn}", "${k.n.o[1]}": ["${aws:username}", "${vpc.^main.id}"] });
        let marked = complete(&inner, "shop-", true);
        let expected =
            json!({ "a": "x ${vpc.^shop-main.id}${vpc.^shop-main.arn}", "${k.^shop-n.o[1]}": ["${aws:username}", "${vpc.^main.id}"] });
        assert_eq!(marked, expected);
        assert_eq!(complete(&marked, "shop-", true), marked);
        let whole = json!({ "a": "x ${vpc.shop-main.id}${vpc.shop-main.arn}", "${k.shop-n.o[1]}": ["${aws:username}", "${vpc.main.id}"] });
        assert_eq!(complete(&marked, "shop-", false), whole);
    }
}
