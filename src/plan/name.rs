//! Physical names of replacements. A new one can't stand beside the old one under the same name; where the name is acme's to choose, the
//! new one gets it with a suffix, and keeps that from then on.

use serde_json::Value;

use crate::{kind::Live, resource::Naming, saved::sha256, stack::Declared};

/// Hexadecimal digits of a suffix.
const DIGITS: usize = 6;

/// The name that the live resource has, where that is the declared one's with a suffix.
pub fn kept(declared: &Declared, live: &Live) -> Option<String> {
    let (naming, base) = chosen(declared)?;
    let name = live.spec.get("name")?.as_str()?;
    let suffix = name.get(name.len().checked_sub(DIGITS)?..)?;
    let ours = suffix.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) && suffixed(base, suffix, naming) == name;
    ours.then(|| name.to_owned())
}

/// A name for what replaces the live resource; `None` where the name is the user's, or where another name would not do.
pub fn another(declared: &Declared, live: &Live) -> Option<String> {
    let (naming, base) = chosen(declared)?;
    declared.kind.gets_another_name().then(|| suffixed(base, &sha256(live.id.as_bytes())[..DIGITS], naming))
}

/// A spec under another name.
pub fn under(spec: &Value, name: &str) -> Value {
    let mut spec = spec.clone();
    if let Some(field) = spec.get_mut("name") {
        *field = name.into();
    }
    spec
}

fn chosen(declared: &Declared) -> Option<(Naming, &str)> {
    Some((declared.kind.naming.filter(|_| declared.named)?, declared.spec.get("name")?.as_str()?))
}

fn suffixed(base: &str, suffix: &str, naming: Naming) -> String {
    let room = naming.max.saturating_sub(suffix.len() + 1);
    let cut: String = base.chars().take(room).collect();
    format!("{}-{suffix}", cut.trim_end_matches('-'))
}
