//! Inputs of modules: their declarations, and the values that a definition gives.

use serde_json::{Map, Value};

use super::document::ModuleUse;
use crate::{
    core::{expression::references, nearest},
    definition::{compiler::Compiler, compiler::describe_type, scalar, source::child_pointer},
};

/// Type of an input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InputType {
    String,
    Number,
    Boolean,
    List,
    Map,
    Any,
}

/// Names of the types.
const TYPES: &[(&str, InputType)] = &[
    ("string", InputType::String),
    ("number", InputType::Number),
    ("boolean", InputType::Boolean),
    ("list", InputType::List),
    ("map", InputType::Map),
    ("any", InputType::Any),
];

/// Keys of a declaration.
const KEYS: &[&str] = &["type", "description", "default", "required"];

impl InputType {
    fn name(self) -> &'static str {
        TYPES.iter().find(|(_, known)| *known == self).map_or("any", |(name, _)| *name)
    }

    /// Value in the input's type; `None` if it has another. A value known only after apply is a text.
    fn accept(self, value: &Value) -> Option<Value> {
        let typed = scalar::to_typed(value);
        let is_later = value.as_str().is_some_and(|text| matches!(references(text).as_slice(), [one] if one.text == text));
        match (self, &typed) {
            (_, Value::Null) | (InputType::Any, _) => Some(value.clone()),
            (InputType::String, Value::String(_) | Value::Number(_) | Value::Bool(_)) => Some(value.clone()),
            (InputType::Number, Value::Number(_)) | (InputType::Boolean, Value::Bool(_)) => Some(typed),
            (InputType::List, Value::Array(_)) | (InputType::Map, Value::Object(_)) => Some(value.clone()),
            (InputType::List | InputType::Map, Value::String(_)) if is_later => Some(value.clone()),
            _ => None,
        }
    }
}

/// Declaration of an input.
struct Declaration {
    input_type: InputType,
    /// Value without one given; `None`: it is required.
    default: Option<Value>,
}

/// Values of all inputs of a module, and the names of those with a problem; `given` are those of the definition, as written there and
/// evaluated.
pub fn resolve(c: &mut Compiler<'_>, module: &ModuleUse, given: Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let given_at = format!("{}/inputs", module.entry);
    let (mut values, mut broken) = (Map::new(), Vec::new());
    let declared = match module.document.fields.get("inputs") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => {
            let help = "write `name: { type: string, description: … }` below it";
            c.problem("module", &format!("{}/inputs", module.base), "`inputs` must be a map", help);
            return (values, broken);
        }
    };
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let message = format!("the module `{}` has no input `{name}`", module.name);
        let help = nearest::suggestion(name, "inputs", declared.keys().map(String::as_str));
        c.problem_at_key("module-input", &child_pointer(&given_at, name), message, help);
    }
    for (name, declaration) in &declared {
        let at = format!("{}{}", module.base, child_pointer("/inputs", name));
        let Some(declaration) = parse_declaration(c, name, declaration, &at) else {
            broken.push(name.clone());
            continue;
        };
        let value = match given.get(name).filter(|value| !value.is_null()) {
            Some(value) => {
                let here = child_pointer(&given_at, name);
                let accepted = declaration.input_type.accept(value);
                if accepted.is_none() {
                    let wanted = declaration.input_type.name();
                    let is_later = value.as_str().is_some_and(|text| !references(text).is_empty());
                    let found = if is_later { "a value known only after apply" } else { describe_type(&scalar::to_typed(value)) };
                    let message = format!("the input `{name}` of the module `{}` must be of the type `{wanted}`, not {found}", module.name);
                    c.problem("module-input", &here, message, format!("its declaration: {}", place_of(c, &at)));
                }
                accepted
            }
            // The name of a given one is mistyped, which is reported.
            None if declaration.default.is_none() && is_mistyped(name, &given, &declared) => None,
            None if declaration.default.is_none() => {
                let message = format!("the module `{}` requires the input `{name}`", module.name);
                let help =
                    format!("add `inputs: {{ {name}: … }}`, a {}; its declaration: {}", declaration.input_type.name(), place_of(c, &at));
                c.problem("module-input", &module.entry, message, help);
                None
            }
            None => declaration.default,
        };
        if value.is_none() {
            broken.push(name.clone());
        }
        values.insert(name.clone(), value.unwrap_or_default());
    }
    (values, broken)
}

/// Whether an unknown name among the given ones is almost this one.
fn is_mistyped(name: &str, given: &Map<String, Value>, declared: &Map<String, Value>) -> bool {
    given.keys().any(|other| !declared.contains_key(other) && nearest::nearest(other, [name]).is_some())
}

/// File and line of a pointer.
fn place_of(c: &Compiler<'_>, pointer: &str) -> String {
    let range = c.key_range(pointer);
    range.map(|range| format!("{}:{}", c.source.path_at(range.start), c.source.line(range.start))).unwrap_or_default()
}

fn parse_declaration(c: &mut Compiler<'_>, name: &str, declaration: &Value, at: &str) -> Option<Declaration> {
    let form = "write `{ type: string, description: … }`; types: string, number, boolean, list, map, any";
    let Value::Object(fields) = declaration else {
        c.problem("module", at, format!("the input `{name}` must be a map"), form);
        return None;
    };
    for key in fields.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        let help = nearest::suggestion(key, "keys", KEYS.iter().copied());
        c.problem_at_key("module", &child_pointer(at, key), format!("an input has no key `{key}`"), help);
    }
    if fields.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
        c.problem_at_key("module", at, format!("the input `{name}` has no description"), "add `description:`, for the users of the module");
    }
    let type_name = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some((_, input_type)) = TYPES.iter().find(|(known, _)| *known == type_name) else {
        let help = nearest::suggestion(type_name, "types", TYPES.iter().map(|(name, _)| *name));
        let message =
            if type_name.is_empty() { format!("the input `{name}` has no type") } else { format!("there is no type `{type_name}`") };
        c.problem("module", &child_pointer(at, "type"), message, help);
        return None;
    };
    let default = fields.get("default").cloned();
    let required = match fields.get("required") {
        None | Some(Value::Null) => default.is_none(),
        Some(Value::Bool(required)) => *required,
        Some(_) => {
            c.problem("module", &child_pointer(at, "required"), "`required` must be true or false", "write `required: false`");
            default.is_none()
        }
    };
    if required && default.is_some() {
        let help = "remove `default`, or `required: true`";
        c.problem("module", &child_pointer(at, "required"), format!("the input `{name}` is required and has a default"), help);
    }
    let default = if required { None } else { Some(default.unwrap_or_default()) };
    let accepted = default.as_ref().map(|default| input_type.accept(default));
    if accepted == Some(None) {
        let message = format!("the default of the input `{name}` is not of the type `{}`", input_type.name());
        c.problem("module", &child_pointer(at, "default"), message, form);
    }
    Some(Declaration { input_type: *input_type, default: accepted.map(Option::unwrap_or_default) })
}
