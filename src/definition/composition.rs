//! Definitions of several files: files that a stack includes, modules, and values beside it.
//!
//! [`files`] reads them, [`document`] merges their contents, and [`modules`] evaluates modules. Every location stays the one in the file
//! that has the text.

pub mod document;
pub mod existing;
mod files;
pub mod git;
mod inputs;
pub mod modules;
pub mod stack_sections;

use serde_json::Value;

/// Entry of `include:`, as written.
pub(super) enum IncludeEntry<'a> {
    /// Path of a file.
    File(&'a str),
    /// A module.
    Module {
        /// Path of its folder, or its place in a Git repository.
        module: &'a str,
        /// Checksum of its files, for a Git repository.
        checksum: Option<&'a str>,
    },
}

/// Reason why an entry is not valid: message and remedy.
pub(super) type EntryError = (String, String);

/// Keys of a module in `include:`.
const MODULE_KEYS: &[&str] = &["module", "as", "inputs", "checksum"];

/// Reads an entry of `include:`.
pub(super) fn parse_entry(entry: &Value) -> Result<IncludeEntry<'_>, EntryError> {
    let forms = || "write a path, `- common.yaml`, or a module, `- { module: ./modules/web, as: web, inputs: {} }`".to_owned();
    match entry {
        Value::String(path) if path.contains("{{") => {
            Err(("the path of an included file can't be an expression".to_owned(), "write the path itself".to_owned()))
        }
        Value::String(path) if !path.is_empty() => Ok(IncludeEntry::File(path)),
        Value::Object(map) => {
            if let Some(key) = map.keys().find(|key| !MODULE_KEYS.contains(&key.as_str())) {
                let help = crate::core::nearest::suggestion(key, "keys", MODULE_KEYS.iter().copied());
                return Err((format!("an entry of `include` has no key `{key}`"), help));
            }
            let Some(module) = map.get("module").and_then(Value::as_str).filter(|module| !module.is_empty()) else {
                return Err(("the entry names no module".to_owned(), forms()));
            };
            let checksum = map.get("checksum").filter(|value| !value.is_null());
            match checksum.map(|value| value.as_str().filter(|text| text.starts_with("sha256:"))) {
                Some(None) => {
                    Err(("`checksum` must be text that begins with `sha256:`".to_owned(), "write `checksum: sha256:…`".to_owned()))
                }
                checksum => Ok(IncludeEntry::Module { module, checksum: checksum.flatten() }),
            }
        }
        _ => Err(("this is neither a path nor a module".to_owned(), forms())),
    }
}

/// Whether an entry of `include:` can have a key.
pub(super) fn is_known_key(key: &str) -> bool {
    MODULE_KEYS.contains(&key)
}

/// Key of an invalid entry that its problem is about: an unknown one, the checksum, or the module.
pub(super) fn faulty_key<'a>(entry: &'a Value, message: &str) -> Option<&'a str> {
    let map = entry.as_object()?;
    let unknown = map.keys().find(|key| !is_known_key(key)).map(String::as_str);
    let is_meant = |key: &&str| map.contains_key(*key) && (*key == "module" || message.contains("checksum"));
    unknown.or_else(|| ["checksum", "module"].into_iter().find(is_meant))
}

/// Name of a module in the stack: that of `as`, or the last part of its path.
pub(super) fn instance_name(entry: &Value) -> String {
    let named = entry.get("as").and_then(Value::as_str).map(str::to_owned);
    named.unwrap_or_else(|| {
        let path = entry.get("module").and_then(Value::as_str).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        path.rsplit('/').next().unwrap_or_default().trim_end_matches(".git").to_owned()
    })
}
