//! The components of a definition, with their fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    component::{AutoMode, Component},
    fill::{Surroundings, fill, for_each_placeholder},
    registry::{components, keys},
    values::unknown_keys,
};
use crate::{
    core::Address,
    definition::{
        Diagnostic, child_pointer,
        compiler::{NamedReference, describe_type, scalar_text},
        sections::{Expansion, Fields, SectionEntry},
        suggestion,
    },
};

/// A component that the definition installs.
pub struct Selected {
    /// Name.
    pub name: &'static str,
    /// The component.
    pub component: &'static Component,
    /// Location in the definition.
    pub pointer: String,
    /// Values of its inputs, without optional ones that are unset.
    pub inputs: BTreeMap<&'static str, Value>,
    /// Version, if the definition sets one.
    pub version: Option<String>,
    /// Whether it is sized for a small cluster.
    pub is_small: bool,
    /// Whether it is installed as an add-on of EKS rather than by its chart.
    pub is_addon: bool,
    /// Values that the definition sets.
    pub values: Value,
}

impl Selected {
    /// Value of an input or of a property of the stack. A missing one has been reported.
    pub fn lookup(&self, surroundings: &Surroundings, name: &str) -> Value {
        self.inputs.get(name).or_else(|| surroundings.property(name)).cloned().unwrap_or_else(|| "unset".into())
    }

    /// Whether a value contains an optional input that is unset.
    pub fn lacks_input_of(&self, value: &Value) -> bool {
        let mut lacks = false;
        for_each_placeholder(value, &mut |name| lacks |= self.component.inputs.contains_key(name) && !self.inputs.contains_key(name));
        lacks
    }

    /// Secrets that External Secrets copies for it.
    pub fn copied_secrets(&self) -> impl Iterator<Item = &str> {
        self.component.secrets.iter().filter_map(|secret| self.inputs.get(secret.from.as_str())?.as_str())
    }

    /// Components that it needs.
    pub fn needs(&self) -> BTreeSet<&'static str> {
        let copies = self.component.secrets.iter().any(|secret| self.inputs.contains_key(secret.from.as_str()));
        self.component.needs.iter().map(String::as_str).chain(copies.then_some("external-secrets")).collect()
    }
}

/// Names of the fields of a component, besides its inputs.
pub fn own_fields(component: &Component) -> Vec<&'static str> {
    let software: &[&str] = if component.has_software() { &["version", "values"] } else { &[] };
    let size = component.small.as_ref().map(|_| "size");
    let delivery = (component.addon.is_some() && component.chart.is_some()).then_some("deliver");
    software.iter().copied().chain(size).chain(delivery).collect()
}

/// Values of `size`; the default first.
pub const SIZES: &[&str] = &["production", "small"];

/// Values of `deliver`; the default first.
pub const DELIVERIES: &[&str] = &["addon", "helm"];

/// Reads every component; reports unknown ones and invalid fields.
pub fn read(out: &mut Expansion<'_, '_>, entries: Vec<SectionEntry>, surroundings: &Surroundings) -> Vec<Selected> {
    entries.into_iter().filter_map(|entry| read_entry(out, entry, surroundings)).collect()
}

fn read_entry(out: &mut Expansion<'_, '_>, entry: SectionEntry, surroundings: &Surroundings) -> Option<Selected> {
    let SectionEntry { name, mut fields, pointer } = entry;
    let Some((&name, component)) = components().get_key_value(name.as_str()) else {
        let help = suggestion(&name, "components", components().keys().copied());
        out.compiler.problem_at_key("platform", &pointer, format!("there is no component `{name}`"), help);
        return None;
    };
    let own = own_fields(component);
    for field in fields.keys().filter(|field| !own.contains(&field.as_str()) && !component.inputs.contains_key(*field)) {
        let help = suggestion(field, "fields", own.iter().copied().chain(component.inputs.keys().map(String::as_str)));
        let range = out.compiler.key_range(&child_pointer(&pointer, field));
        let problem = Diagnostic::new("unknown-field", format!("`{name}` has no field `{field}`"));
        out.compiler.problems.push(problem.at(range).label("unknown field").help(help));
    }
    let version = take_text(out, &mut fields, "version", &pointer);
    let is_small = take_choice(out, &mut fields, "size", SIZES, &pointer) == Some("small");
    let is_addon = component.addon.is_some() && take_choice(out, &mut fields, "deliver", DELIVERIES, &pointer) != Some("helm");
    let values = match fields.remove("values") {
        None | Some(Value::Null) => Value::Null,
        Some(values @ Value::Object(_)) => values,
        Some(other) => {
            let message = format!("`values` of `{name}` must be a map, not {}", describe_type(&other));
            out.compiler.problem("type", &child_pointer(&pointer, "values"), message, "write the keys of the chart below it");
            Value::Null
        }
    };
    // Another version may have other keys.
    if version.is_none() || version.as_deref() == component.chart.as_ref().map(|chart| chart.version.as_str()) {
        report_unknown_keys(out, name, &values, &child_pointer(&pointer, "values"));
    }
    let mut selected = Selected { name, component, pointer, inputs: BTreeMap::new(), version, is_small, is_addon, values };
    for input in component.inputs.keys() {
        read_input(out, &mut selected, input, fields.remove(input), surroundings);
    }
    Some(selected)
}

fn report_unknown_keys(out: &mut Expansion<'_, '_>, name: &str, values: &Value, at: &str) {
    let Some(keys) = keys(name).filter(|_| values.is_object()) else { return };
    for unknown in unknown_keys(&keys, values) {
        let range = out.compiler.key_range(&format!("{at}{}", unknown.pointer));
        let message = format!("the values of `{name}` have no key `{}`", unknown.key);
        let problem = Diagnostic::new("unknown-field", message).at(range).label("unknown key").help(unknown.help);
        out.compiler.problems.push(problem);
    }
}

fn take_text(out: &mut Expansion<'_, '_>, fields: &mut Fields, field: &str, at: &str) -> Option<String> {
    let value = fields.remove(field).filter(|value| !value.is_null())?;
    let text = scalar_text(&value).filter(|_| !value.is_boolean());
    if text.is_none() {
        let message = format!("`{field}` must be text, not {}", describe_type(&value));
        out.compiler.problem("type", &child_pointer(at, field), message, format!("write `{field}: …`"));
    }
    text
}

fn take_choice(
    out: &mut Expansion<'_, '_>,
    fields: &mut Fields,
    field: &str,
    choices: &'static [&'static str],
    at: &str,
) -> Option<&'static str> {
    let text = take_text(out, fields, field, at)?;
    let choice = choices.iter().copied().find(|choice| *choice == text);
    if choice.is_none() {
        let help = suggestion(&text, "values", choices.iter().copied());
        out.compiler.problem("unknown-value", &child_pointer(at, field), format!("`{text}` is not a valid value of `{field}`"), help);
    }
    choice
}

fn read_input(
    out: &mut Expansion<'_, '_>,
    selected: &mut Selected,
    name: &'static str,
    written: Option<Value>,
    surroundings: &Surroundings,
) {
    let Some(input) = selected.component.inputs.get(name) else { return };
    let written = written.filter(|value| !value.is_null());
    let at = child_pointer(&selected.pointer, name);
    let shown = format!("`{name}` of `{}`", selected.name);
    let value = match (written, input.reference.as_deref().and_then(Target::of)) {
        (Some(value), Some(target)) if input.optional && target.is_absent(out, &value) => None,
        (Some(value), Some(target)) => match reference(out, &value, target, &shown, &at) {
            Some(reference) => Some(reference.into()),
            None => return,
        },
        (Some(value), None) if scalar_text(&value).is_none() || value.is_boolean() => {
            let message = format!("{shown} must be text or a number, not {}", describe_type(&value));
            return out.compiler.problem("type", &at, message, format!("write `{name}: …`"));
        }
        (Some(value), None) => Some(value),
        (None, _) => input.default.as_ref().and_then(|default| default_value(default, surroundings)),
    };
    match value {
        Some(value) => drop(selected.inputs.insert(name, value)),
        None if input.optional => {}
        None => {
            let range = out.compiler.key_range(&selected.pointer);
            let problem = Diagnostic::new("missing-field", format!("`{}` has no `{name}`", selected.name)).at(range);
            let problem = problem.label(format!("`{name}` is missing")).help(format!("add `{name}: …`: {}", input.about));
            out.compiler.problems.push(problem);
        }
    }
}

/// What an input names: resources of a type, by one of their outputs.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of the type.
    pub kind: &'static str,
    /// The output.
    pub output: &'static str,
}

impl Target {
    /// Secrets, by their ARNs.
    pub const SECRET: Target = Target { kind: "secret", output: "arn" };

    /// The target in a component's file: `secret.arn`.
    pub fn of(text: &'static str) -> Option<Target> {
        text.split_once('.').map(|(kind, output)| Target { kind, output })
    }

    /// Name of a resource in the stack; `None` for an ARN or an expression.
    fn name(self, value: &Value) -> Option<&str> {
        let text = value.as_str().filter(|text| !text.contains("${") && !text.starts_with("arn:"))?;
        Some(text.strip_prefix(self.kind).and_then(|rest| rest.strip_prefix('.')).unwrap_or(text))
    }

    /// Whether `when` of the resource is false.
    fn is_absent(self, out: &Expansion<'_, '_>, value: &Value) -> bool {
        self.name(value).is_some_and(|name| out.compiler.absent.contains(&Address::new(self.kind, name)))
    }
}

/// The output of a resource that an input names: a reference for a name in the stack, and the text of `{arn: …}` or `{id: …}` for a resource
/// outside of it. Reports any other value. A name that no resource has is reported when all of them are known.
pub fn reference(out: &mut Expansion<'_, '_>, value: &Value, target: Target, shown: &str, at: &str) -> Option<String> {
    let Target { kind, output } = target;
    if let Some(name) = target.name(value) {
        let named = NamedReference { address: Address::new(kind, name), output, shown: shown.to_owned(), pointer: at.to_owned() };
        out.compiler.named.push(named);
        return Some(format!("${{{kind}.{name}.{output}}}"));
    }
    let outside = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.get(output)?.as_str());
    let found = value.as_str().or(outside).filter(|text| output != "arn" || text.contains("${") || text.starts_with("arn:"));
    if found.is_none() {
        let words = kind.replace('_', " ");
        let message = format!("{shown} is not the name of a {words} in the stack, nor `{{{output}: …}}` for one outside it");
        let help = format!("write the name, or `{{ {output}: {} }}`", if output == "arn" { "'arn:…'" } else { "…" });
        out.compiler.problem("type", at, message, help);
    }
    found.map(str::to_owned)
}

/// A default, unless the stack lacks a property in it.
fn default_value(default: &Value, surroundings: &Surroundings) -> Option<Value> {
    let mut has_all = true;
    for_each_placeholder(default, &mut |name| has_all &= surroundings.property(name).is_some());
    let property = |name: &str| surroundings.property(name).cloned().unwrap_or_default();
    has_all.then(|| fill(default, &property))
}

/// Reports components that can't work in this cluster, or with the others.
pub fn check(out: &mut Expansion<'_, '_>, selected: &[Selected], surroundings: &Surroundings) {
    let names: BTreeSet<&str> = selected.iter().map(|one| one.name).collect();
    for one in selected {
        let mut report = |message: String, help: String| out.compiler.problem_at_key("platform", &one.pointer, message, help);
        for need in one.needs().into_iter().filter(|need| !names.contains(need)) {
            report(format!("`{}` needs the component `{need}`", one.name), format!("add `{need}: {{}}` to `platform`"));
        }
        for other in one.component.conflicts.iter().filter(|other| names.contains(other.as_str())) {
            report(format!("`{}` and `{other}` can't be in one cluster", one.name), "remove one of them".to_owned());
        }
        if surroundings.has_auto_mode && one.component.auto_mode == AutoMode::Refused {
            report(format!("`{}` can't be in a cluster with EKS Auto Mode, which does its work", one.name), "remove the line".to_owned());
        } else if one.component.needs_node_group && !surroundings.has_node_group {
            report(format!("`{}` needs a node group", one.name), "add `node_groups` to `cluster`".to_owned());
        }
    }
}
