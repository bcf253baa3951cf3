//! Physical names that a definition does not contain.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Stack, draft::Draft};
use crate::core::{EnvironmentName, Naming};

/// Sets the physical name, or adds a missing prefix and suffix to the user's. Returns whether the name was generated.
pub fn set_physical_name(draft: &mut Draft, naming: Naming, stack: &Stack, account: &str, region: &str) -> bool {
    let suffix = naming.suffix_with(&draft.spec);
    match draft.spec.get("name") {
        None | Some(Value::Null) => {
            let name = default_name(&stack.prefix(), &draft.name, naming, suffix, account, region);
            draft.spec.insert("name".into(), name.into());
            return true;
        }
        Some(Value::String(name)) if !name.contains("${") => {
            let prefix = if name.starts_with(naming.prefix) { "" } else { naming.prefix };
            let suffix = if name.ends_with(suffix) { "" } else { suffix };
            let name = format!("{prefix}{name}{suffix}");
            draft.spec.insert("name".into(), name.into());
        }
        _ => {}
    }
    false
}

/// Prefix of physical names: `<stack>-<environment>-`, or `<stack>-` if the definition has no environments.
pub fn name_prefix(stack: &str, environment: &str) -> String {
    if environment == &*EnvironmentName::default() { format!("{stack}-") } else { format!("{stack}-{environment}-") }
}

/// Returns [`physical_name`], followed by account and region if it must be unique among all accounts.
pub fn default_name(prefix: &str, name: &str, naming: Naming, suffix: &str, account: &str, region: &str) -> String {
    let location = if naming.global { format!("-{account}-{region}") } else { String::new() };
    physical_name(prefix, name, naming, &format!("{location}{suffix}"))
}

/// Returns `<stack>-<environment>-<name>` within the service's rules, with this suffix. If its pattern rejects that (no `_`, no two hyphens in
/// a row), the name has letters and digits with single hyphens between them.
pub fn physical_name(prefix: &str, name: &str, naming: Naming, suffix: &str) -> String {
    let mut full: String = format!("{prefix}{name}").chars().map(|c| if matches!(c, '.' | '*' | '@') { '-' } else { c }).collect();
    if naming.lowercase {
        full = full.to_lowercase();
    }
    let usual = shorten_name(&full, naming, suffix);
    if naming.accepts(&usual) {
        return usual;
    }
    let words: Vec<&str> = full.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    shorten_name(&words.join("-"), naming, suffix)
}

/// Returns the name with its prefix and suffix, within the service's maximum length; shortened names end with a hash of the full name.
fn shorten_name(full: &str, naming: Naming, suffix: &str) -> String {
    let mut full = full.to_owned();
    let room = naming.max.saturating_sub(naming.prefix.len() + suffix.len());
    if full.len() > room {
        let hash: String = Sha256::digest(full.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let kept: String = full.chars().take(room.saturating_sub(hash.len() + 1)).collect();
        full = format!("{}-{hash}", kept.trim_end_matches('-'));
    }
    format!("{}{full}{suffix}", naming.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_long_names_and_keeps_them_unique() {
        let naming = Naming { max: 32, lowercase: true, ignore_case: false, global: false, prefix: "", suffix: None, pattern: None };
        let one = physical_name("shop-production-", "a-very-long-service-name.One", naming, "");
        let two = physical_name("shop-production-", "a-very-long-service-name.two", naming, "");
        assert!(one.len() <= 32 && two.len() <= 32 && one != two);
        assert_eq!(physical_name("shop-", "web.Api", naming, ""), "shop-web-api");
        assert_eq!(physical_name("shop-", "web_app", naming, ""), "shop-web_app");
    }

    #[test]
    fn global_names_end_with_account_and_region() {
        let global = Naming { max: 63, lowercase: true, ignore_case: false, global: true, prefix: "", suffix: None, pattern: None };
        let name = |name: &str, naming| default_name("shop-production-", name, naming, "", "123456789012", "ap-southeast-1");
        assert_eq!(name("files", global), "shop-production-files-123456789012-ap-southeast-1");
        assert_eq!(name("files", Naming { global: false, ..global }), "shop-production-files");
        let long = ["one", "two"].map(|end| name(&format!("a-very-long-name-{end}"), global));
        for name in &long {
            assert!(name.len() <= 63 && name.ends_with("-123456789012-ap-southeast-1"), "{name}");
        }
        assert!(long[0] != long[1], "{long:?}");
    }

    #[test]
    fn physical_names_match_the_pattern() {
        let naming = Naming {
            max: 32,
            lowercase: false,
            ignore_case: false,
            global: false,
            prefix: "",
            suffix: None,
            pattern: Some("[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"),
        };
        assert_eq!(physical_name("shop-", "web_App", naming, ""), "shop-web-App");
        assert_eq!(physical_name("shop-", "web--app", naming, ""), "shop-web--app");
        assert_eq!(physical_name("shop-", "web_", naming, ""), "shop-web");
        let naming = Naming { pattern: Some("[a-z](-?[a-z0-9])*"), ..naming };
        assert_eq!(physical_name("shop-", "web--app", naming, ""), "shop-web-app");
        let naming = Naming { prefix: "alias/", pattern: Some("alias/[a-z-]+"), ..naming };
        assert_eq!(physical_name("shop-", "web_app", naming, ""), "alias/shop-web-app");
    }
}
