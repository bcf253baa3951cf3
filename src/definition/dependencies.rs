//! References between resources: their targets, and the outputs they name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    compiler::{Compiler, NamedReference},
    composition::{
        existing::{MORE, OtherStack, STACKS},
        modules::MARK,
    },
    diagnostic::Diagnostic,
    nearest::suggestion,
    sections,
    source::child_pointer,
};
use crate::{
    aws::{
        images::{CONTAINER_IMAGE, IMAGE_OUTPUTS},
        types::{RESOURCE_TYPES, resource_type},
    },
    core::{
        Address, ResourceType,
        expression::{Reference, for_each_string, has_reference, references},
    },
};

/// Possible targets of references.
pub struct KnownResources {
    addresses: BTreeSet<Address>,
    /// Resources whose `when` is false, and that are not declared elsewhere.
    absent: BTreeSet<Address>,
    /// Outputs by type, and whether they are lists.
    outputs: BTreeMap<&'static str, BTreeMap<String, bool>>,
    /// Missing resources that are reported where a section names them.
    reported: BTreeSet<Address>,
    /// Names of resources whose declaration has a problem, and begins of such names.
    broken_names: BTreeSet<String>,
    broken_prefixes: Vec<String>,
    /// Other stacks, with the outputs that are used so far.
    stacks: BTreeMap<String, OtherStack>,
}

impl KnownResources {
    /// Targets at these addresses.
    pub fn new(addresses: BTreeSet<Address>, absent: &BTreeSet<Address>, stacks: BTreeMap<String, OtherStack>) -> KnownResources {
        let exists = |kind: &str, name: &str| addresses.contains(&Address::new(kind, name));
        let of_chosen_type = |address: &Address| match sections::chosen_type(&address.type_name, &address.name, exists) {
            Some(kind) => Address::new(kind, &address.name),
            None => address.clone(),
        };
        let absent: BTreeSet<Address> = absent.iter().map(of_chosen_type).filter(|address| !addresses.contains(address)).collect();
        let (broken_names, broken_prefixes) = (BTreeSet::new(), Vec::new());
        KnownResources { addresses, absent, outputs: BTreeMap::new(), reported: BTreeSet::new(), broken_names, broken_prefixes, stacks }
    }

    /// Sets names of resources whose declaration has a problem, and begins of such names: references to them have no further problem.
    pub fn set_broken(&mut self, names: BTreeSet<String>, prefixes: Vec<String>) {
        (self.broken_names, self.broken_prefixes) = (names, prefixes);
    }

    /// Whether the declaration of a missing resource has a problem.
    fn is_broken(&self, address: &Address) -> bool {
        let begins = || self.broken_prefixes.iter().any(|prefix| address.name.starts_with(prefix));
        !self.addresses.contains(address) && (self.broken_names.contains(&address.name) || begins())
    }

    /// The other stacks, with the outputs that are used.
    pub fn into_stacks(self) -> BTreeMap<String, OtherStack> {
        self.stacks
    }

    /// Whether there is a resource at this address.
    pub fn contains(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Names of the resources of a type.
    pub fn names_of(&self, type_name: &str) -> impl Iterator<Item = &str> {
        self.addresses.iter().filter(move |address| address.type_name == type_name).map(|address| &*address.name)
    }

    /// Whether the `when` of the resource at this address is false.
    pub fn is_absent(&self, address: &Address) -> bool {
        self.absent.contains(address)
    }

    /// Reports the names in sections that no resource has, once, rather than in everything that a section makes of them.
    pub fn check_named(&mut self, c: &mut Compiler<'_>) {
        for NamedReference { address, output, shown, pointer } in std::mem::take(&mut c.named) {
            if self.is_broken(&address) {
                self.reported.insert(address);
            } else if !self.addresses.contains(&address) {
                let (message, help) = self.unknown_reference(&shown, &address.type_name, &address.name, output);
                let outside = outside_form(output);
                let help = match help.strip_suffix('?') {
                    Some(_) => format!("{help} Or {outside}"),
                    None if help.contains(&outside) => help,
                    None => format!("{help}; or {outside}"),
                };
                c.problem("unknown-reference", &pointer, message, help);
                self.reported.insert(address);
            }
        }
    }

    /// Value without references to resources whose `when` is false: such an output is null, and no element of a list.
    pub fn without_absent(&self, value: Value) -> Value {
        let value = self.with_chosen_types(value);
        if self.absent.is_empty() { value } else { self.replace_absent(value, false) }
    }

    /// Same for a spec, where such a field is unset.
    pub fn unset_absent(&self, value: Value) -> Value {
        if self.absent.is_empty() { value } else { self.replace_absent(value, true) }
    }

    /// Replaces references to entries of sections by references to the resources that the sections made of them.
    pub fn with_chosen_types(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text_with_chosen_types(text).into(),
            Value::Array(list) => list.into_iter().map(|entry| self.with_chosen_types(entry)).collect(),
            Value::Object(map) => self.map_with_chosen_types(map).into(),
            other => other,
        }
    }

    /// Same for a spec.
    pub fn map_with_chosen_types(&self, map: Map<String, Value>) -> Map<String, Value> {
        map.into_iter().map(|(key, entry)| (self.text_with_chosen_types(key), self.with_chosen_types(entry))).collect()
    }

    fn text_with_chosen_types(&self, text: String) -> String {
        let mut out = text;
        if !out.contains("${") {
            return out;
        }
        for one in references(&out.clone()) {
            let exists = |kind: &str, name: &str| self.addresses.contains(&Address::new(kind, name));
            if let Some(kind) = sections::chosen_type(one.type_name, one.name.trim_start_matches(MARK), exists) {
                let (section, name) = (one.type_name, one.name);
                out = out.replace(&format!("${{{section}.{name}."), &format!("${{{kind}.{name}."));
            }
        }
        out
    }

    fn replace_absent(&self, value: Value, unset: bool) -> Value {
        match value {
            Value::String(text) if self.is_absent_reference(&text) => Value::Null,
            Value::Array(list) => {
                let kept = |value: Value| {
                    let was_null = value.is_null();
                    Some(self.replace_absent(value, unset)).filter(|left| was_null || !left.is_null())
                };
                list.into_iter().filter_map(kept).collect()
            }
            Value::Object(map) => {
                let is_id = map.len() == 1 && map.keys().all(|key| key == "id" || key == "arn");
                let kept = |(key, value): (String, Value)| {
                    let was_null = value.is_null();
                    Some((key, self.replace_absent(value, unset))).filter(|(_, left)| was_null || !unset || !left.is_null())
                };
                let map: serde_json::Map<String, Value> = map.into_iter().filter_map(kept).collect();
                if is_id && map.values().all(Value::is_null) { Value::Null } else { map.into() }
            }
            other => other,
        }
    }

    fn is_absent_reference(&self, text: &str) -> bool {
        match references(text).as_slice() {
            [one] => one.text == text && self.absent.contains(&Address::new(one.type_name, one.name.trim_start_matches(MARK))),
            _ => false,
        }
    }

    /// Adds the addresses in `depends_on` to `needs`.
    pub fn add_depends_on(&self, c: &mut Compiler<'_>, value: Option<Value>, at: &str, dependencies: &mut BTreeSet<Address>) {
        let help = "write addresses: `depends_on: [vpc.main]`";
        let list = match value {
            None | Some(Value::Null) => return,
            Some(Value::Array(list)) => list.into_iter().enumerate().map(|(i, v)| (format!("{at}/{i}"), v)).collect(),
            Some(other) => vec![(at.to_owned(), other)],
        };
        for (at, value) in list {
            match value.as_str().and_then(Address::parse) {
                Some(address) if self.addresses.contains(&address) => drop(dependencies.insert(address)),
                Some(address) if self.absent.contains(&address) || self.is_broken(&address) => {}
                Some(address) => {
                    let (message, help) = self.unknown_reference("`depends_on`", &address.type_name, &address.name, "id");
                    c.problem("unknown-reference", &at, message, help);
                }
                None => c.problem("depends-on", &at, "this is not a valid address", help),
            }
        }
    }

    /// Adds every reference in the canonical `spec` to `needs`; reports invalid ones at their location in the `written` one.
    pub fn add_references(
        &mut self,
        c: &mut Compiler<'_>,
        spec: &Value,
        written: &Value,
        shown: &str,
        place: &dyn Fn(&str) -> String,
        dependencies: &mut BTreeSet<Address>,
    ) {
        let mut wrong: Vec<(String, String, String)> = Vec::new();
        let mut used = Vec::new();
        for_each_string(spec, &mut |text| {
            if !text.contains("${") {
                return;
            }
            // A failed expression is reported itself.
            for reference in references(text).into_iter().filter(|reference| !reference.text.contains("{{")) {
                let address = Address::new(reference.type_name, reference.name);
                match self.reference_problem(&reference, shown) {
                    None => {
                        if reference.type_name == STACKS && reference.output != MORE {
                            used.push((reference.name.to_owned(), reference.output.to_owned(), find_reference(written, &reference)));
                        }
                        dependencies.insert(address);
                    }
                    Some(_) if self.reported.contains(&address) || self.is_broken(&address) => {}
                    Some((message, help)) => wrong.push((find_reference(written, &reference).unwrap_or_default(), message, help)),
                }
            }
        });
        for (name, output, pointer) in used {
            let at = c.spans.origin(&place(&pointer.unwrap_or_default())).into_owned();
            if let Some(stack) = self.stacks.get_mut(&name) {
                stack.outputs.entry(output).or_insert(at);
            }
        }
        for (pointer, message, help) in wrong {
            let at = c.value_range(&place(&pointer));
            c.problems.push(Diagnostic::new("unknown-reference", message).at(at).help(help));
        }
    }

    /// Reports references to a type that the field does not accept: `vpc: "{{ subnet.a.id }}"`.
    pub fn check_types(
        &self,
        c: &mut Compiler<'_>,
        schema: &Value,
        spec: &Value,
        written: &Value,
        shown: &str,
        place: &dyn Fn(&str) -> String,
    ) {
        let mut wrong = Vec::new();
        for_each_mistyped(schema, schema, spec, &mut |reference, wanted| {
            wrong.push((
                find_reference(written, &reference).unwrap_or_default(),
                format!("{}.{}", reference.type_name, reference.name),
                wanted.to_owned(),
            ))
        });
        for (pointer, address, wanted) in wrong {
            let names = self.addresses.iter().filter(|address| address.type_name == wanted).map(|address| address.name.as_str());
            let help = super::nearest::list_names(&format!("names of type `{wanted}`"), names);
            let at = c.value_range(&place(&pointer));
            let words = wanted.replace('_', " ");
            // Spoken letter by letter: an EKS cluster, an IAM role, an S3 bucket.
            let is_vowel =
                words.starts_with(['a', 'e', 'i', 'o']) || ["rds", "s3", "sns", "sqs"].iter().any(|name| words.starts_with(name));
            let article = if is_vowel { "an" } else { "a" };
            let message = format!("{shown} requires {article} {words} here, not `{address}`");
            c.problems.push(Diagnostic::new("reference-type", message).at(at).help(help));
        }
    }

    fn reference_problem(&mut self, reference: &Reference<'_>, shown: &str) -> Option<(String, String)> {
        if reference.type_name == STACKS {
            let is_known = self.stacks.contains_key(reference.name);
            let help = || match self.stacks.is_empty() {
                true => format!("declare it: `stacks: {{ {}: {{ stack: … }} }}`", reference.name),
                false => suggestion(reference.name, "stacks", self.stacks.keys().map(String::as_str)),
            };
            return (!is_known).then(|| (format!("{shown} refers to the unknown stack `{}`", reference.name), help()));
        }
        let address = Address::new(reference.type_name, reference.name);
        if !self.addresses.contains(&address) {
            return Some(self.unknown_reference(shown, reference.type_name, reference.name, reference.output));
        }
        if reference.type_name == CONTAINER_IMAGE {
            let is_known = IMAGE_OUTPUTS.contains(&reference.output) && reference.index.is_none();
            let message = || format!("{shown} refers to the output `{}`, which `{address}` does not have", reference.output_with_index());
            return (!is_known).then(|| (message(), suggestion(reference.output, "outputs", IMAGE_OUTPUTS.iter().copied())));
        }
        let kind = resource_type(reference.type_name)?;
        if (reference.output == "id" || reference.output == MORE) && reference.index.is_none() {
            return None;
        }
        let outputs = self.outputs.entry(kind.name).or_insert_with(|| {
            let names = |schema: Value| -> Vec<(String, bool)> {
                let properties = schema.get("properties").and_then(Value::as_object);
                properties.into_iter().flatten().map(|(name, schema)| (name.clone(), is_list(schema))).collect()
            };
            let mut outputs: BTreeMap<String, bool> = names(kind.schema().clone()).into_iter().collect();
            outputs.extend(names(kind.operations.outputs_schema().to_value()));
            outputs.insert("id".into(), false);
            outputs
        });
        match outputs.get(reference.output) {
            None => {
                let help = suggestion(reference.output, "outputs", outputs.keys().map(String::as_str));
                Some((format!("{shown} refers to the output `{}`, which `{address}` does not have", reference.output), help))
            }
            Some(false) if reference.index.is_some() => {
                let message = format!("{shown} refers to an item of the output `{}` of `{address}`, which is not a list", reference.output);
                Some((message, format!("write `{{{{ {address}.{} }}}}`", reference.output)))
            }
            Some(_) => None,
        }
    }

    fn unknown_reference(&self, who: &str, kind_name: &str, name: &str, output: &str) -> (String, String) {
        if kind_name == CONTAINER_IMAGE {
            let names: Vec<&str> =
                self.addresses.iter().filter(|address| address.type_name == kind_name).map(|address| address.name.as_str()).collect();
            let help = match names.is_empty() {
                true => format!("declare it: `existing: {{ {kind_name}: {{ {name}: {{ repository: …, tag: … }} }} }}`"),
                false => suggestion(name, "images", names),
            };
            return (format!("{who} refers to the unknown container image `{name}`"), help);
        }
        let Some(kind) = resource_type(kind_name) else {
            let help = suggestion(kind_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
            return (format!("{who} refers to the unknown type `{kind_name}`"), help);
        };
        let words = kind.name.replace('_', " ");
        if self.absent.contains(&Address::new(kind.name, name)) {
            let help = "a reference alone is null then; elsewhere, use the same `when`".to_owned();
            return (format!("{who} refers to the {words} `{name}`, whose `when` is false"), help);
        }
        let same = self.addresses.iter().filter(|address| address.type_name == kind.name).map(|address| address.name.as_str());
        let help = match super::nearest::nearest(name, same.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if same.clone().next().is_none() => {
                format!("the stack has none: declare it, or {}", outside_form(output))
            }
            None => super::nearest::list_names(&format!("names of type `{}`", kind.name), same),
        };
        (format!("{who} refers to the unknown {words} `{name}`"), help)
    }
}

/// How to refer to a resource outside the stack by this output.
fn outside_form(output: &str) -> String {
    let form = if output == "arn" { "arn" } else { "id" };
    format!("write `{{{form}: …}}` for one outside the stack")
}

/// Whether a schema is that of a list.
fn is_list(schema: &Value) -> bool {
    let is_array = |name: &Value| name == "array";
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(is_array),
        Some(name) => is_array(name),
        None => schema.get("anyOf").and_then(Value::as_array).is_some_and(|choices| choices.iter().any(is_list)),
    }
}

/// Whether a text is exactly a reference to a list output.
pub fn is_list_reference(text: &str) -> bool {
    let found = references(text);
    let [one] = found.as_slice() else { return false };
    // What another stack has is known when a plan is made.
    if one.type_name == STACKS && one.text == text {
        return true;
    }
    let Some(kind) = resource_type(one.type_name).filter(|_| one.text == text && one.index.is_none()) else { return false };
    let property = |schema: &Value| schema.get("properties").and_then(|properties| properties.get(one.output)).map(is_list);
    property(&kind.operations.outputs_schema().to_value()).or_else(|| property(kind.schema())).unwrap_or(false)
}

/// Whether an output of another type is the id or ARN of a `wanted` resource: `security_group_id` of a cluster.
fn is_id_of(output: &str, wanted: &str) -> bool {
    let stem = ["_id", "_ids", "_arn", "_arns"].iter().find_map(|suffix| output.strip_suffix(suffix));
    stem.is_some_and(|stem| stem == wanted || wanted.ends_with(&format!("_{stem}")) || stem.ends_with(&format!("_{wanted}")))
}

/// Whether a field of another type refers to `wanted` resources itself: `subnets` of a cluster.
fn is_reference_field(reference: &Reference<'_>, wanted: &str) -> bool {
    let schema = resource_type(reference.type_name).and_then(|kind| kind.schema().get("properties")?.get(reference.output));
    let refers = |schema: &Value| schema.get("x-acme-ref").is_some_and(|name| name == wanted);
    schema.is_some_and(|schema| refers(schema) || schema.get("items").is_some_and(refers))
}

/// Calls `act` for every reference to a wrong type.
fn for_each_mistyped<'a>(root: &Value, schema: &Value, value: &'a Value, act: &mut impl FnMut(Reference<'a>, &str)) {
    if let Some(wanted) = schema.get("x-acme-ref").and_then(Value::as_str) {
        let texts = value.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_str);
        let is_wrong = |reference: &Reference<'_>| {
            reference.type_name != wanted
                && reference.type_name != STACKS
                && !is_id_of(reference.output, wanted)
                && !is_reference_field(reference, wanted)
        };
        for reference in texts.flat_map(references).filter(is_wrong) {
            act(reference, wanted);
        }
        return;
    }
    let definition = schema.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
    let choices = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    for schema in choices.chain(definition) {
        for_each_mistyped(root, schema, value, act);
    }
    match value {
        Value::Array(list) => {
            for (item, schema) in list.iter().zip(std::iter::repeat(schema.get("items"))).filter_map(|(item, schema)| Some((item, schema?)))
            {
                for_each_mistyped(root, schema, item, act);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let known = schema.get("properties").and_then(|properties| properties.get(key));
                if let Some(schema) = known.or_else(|| schema.get("additionalProperties")) {
                    for_each_mistyped(root, schema, item, act);
                }
            }
        }
        _ => {}
    }
}

/// Location of a reference: a bare name, `type.name`, or part of a text.
fn find_reference(written: &Value, reference: &Reference<'_>) -> Option<String> {
    let address = format!("{}.{}", reference.type_name, reference.name);
    let exact = find_text(written, "", &|text| text.contains(reference.text) || text == address);
    let bare = exact.or_else(|| find_text(written, "", &|text| text == reference.name));
    // In a module, a name lacks the prefix.
    bare.or_else(|| find_text(written, "", &|text| !text.is_empty() && reference.name.ends_with(&format!("-{text}"))))
}

fn find_text(value: &Value, at: &str, is: &dyn Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::String(text) => is(text).then(|| at.to_owned()),
        Value::Array(list) => list.iter().enumerate().find_map(|(i, v)| find_text(v, &format!("{at}/{i}"), is)),
        Value::Object(map) => map.iter().find_map(|(key, v)| find_text(v, &child_pointer(at, key), is)),
        _ => None,
    }
}

/// Returns the resources to which only fields with the fact `after_create` refer, as far as the create call does not set them.
pub fn deferrable_dependencies(resource_type: &ResourceType, spec: &Value) -> BTreeSet<Address> {
    let fields = resource_type.after_create.iter().copied();
    let fields: Vec<&'static str> = fields.filter(|pointer| spec.pointer(pointer).is_some_and(has_reference)).collect();
    let mut later = BTreeSet::new();
    for field in fields.iter().filter_map(|pointer| spec.pointer(pointer)) {
        for_each_reference(field, &mut |reference| {
            later.insert(Address::new(reference.type_name, reference.name));
        });
    }
    if later.is_empty() {
        return later;
    }
    let Ok(created) = resource_type.with_created_fields(spec, &fields) else { return BTreeSet::new() };
    for_each_reference(&created, &mut |reference| {
        later.remove(&Address::new(reference.type_name, reference.name));
    });
    later
}

/// Calls `act` for every reference in a value.
pub(super) fn for_each_reference<'a>(value: &'a Value, act: &mut impl FnMut(Reference<'a>)) {
    for_each_string(value, &mut |text| {
        if text.contains("${") {
            references(text).into_iter().for_each(&mut *act);
        }
    });
}
