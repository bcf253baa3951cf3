//! Physical names of replacements. A new one can't stand beside the old one under the same name; where the name is acme's to choose, the
//! new one gets it with a suffix, and keeps that from then on.

use serde_json::Value;

use crate::{
    core::{Live, Naming},
    definition::Declared,
    engine::saved::sha256,
};

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
    // What it follows from makes it the same in every plan of this replacement, and another one in the next.
    let old = live.spec.get("name")?.as_str()?;
    declared.kind.gets_another_name().then(|| suffixed(base, &sha256(old.as_bytes())[..DIGITS], naming))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::{Address, Phase, Tags},
        definition::{Options, Source, Stack, load},
    };

    fn stack() -> Stack {
        let text = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  target_group:
    web: { vpc: main, port: 80, protocol: HTTP }
    the-one-with-the-long-name: { vpc: main, port: 80, protocol: HTTP }
    own: { vpc: main, port: 80, protocol: HTTP, name: mine }
  s3_bucket: { files: {} }
";
        load(&Source::new("stack.yaml", text), &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn named(kind: &str, name: &str) -> Live {
        let spec = serde_json::json!({ "name": name });
        Live {
            kind: kind.into(),
            id: format!("arn:{name}"),
            tags: Tags::new(),
            phase: Phase::Ready,
            spec,
            outputs: Value::Null,
            version: None,
        }
    }

    #[test]
    fn a_replacement_has_a_name_that_is_known_again() {
        let stack = stack();
        for name in ["web", "the-one-with-the-long-name"] {
            let declared = &stack.resources[&Address::new("target_group", name)];
            let first = named("target_group", declared.spec["name"].as_str().expect("a name"));
            assert_eq!(kept(declared, &first), None, "the first one has no suffix");
            let second = another(declared, &first).expect("another name");
            assert!(second.len() <= 32 && second != first.spec["name"], "{second}");
            assert_eq!(kept(declared, &named("target_group", &second)), Some(second.clone()));
            let third = another(declared, &named("target_group", &second)).expect("another name");
            assert!(third != second && third.len() == second.len(), "{third}");
            assert_eq!(under(&declared.spec, &third)["name"], third.as_str());
        }
    }

    #[test]
    fn names_of_users_and_of_data_stay() {
        let stack = stack();
        for (kind, name) in [("target_group", "own"), ("s3_bucket", "files")] {
            let declared = &stack.resources[&Address::new(kind, name)];
            assert_eq!(another(declared, &named(kind, declared.spec["name"].as_str().expect("a name"))), None);
        }
        let web = &stack.resources[&Address::new("target_group", "web")];
        for other in ["shop-web", "shop-web-abc", "shop-web-ABCDEF", "shop-webabcdef", "shop-other-abcdef", "shop-web-abcdeg"] {
            assert_eq!(kept(web, &named("target_group", other)), None, "{other}");
        }
    }
}
