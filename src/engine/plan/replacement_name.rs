//! Physical names of replacements. The new resource can't exist beside the old one under the same name. If acme chose the name, the new
//! resource gets it with a suffix, and keeps it.

use serde_json::Value;

use crate::{
    core::{LiveResource, Naming},
    definition::DesiredResource,
    engine::saved_plan::sha256,
};

/// Number of hexadecimal digits in a suffix.
const SUFFIX_DIGITS: usize = 6;

/// Name of the live resource, if it is the declared name with a suffix.
pub fn current_suffixed_name(declared: &DesiredResource, live: &LiveResource) -> Option<String> {
    let (naming, base) = acme_chosen_name(declared)?;
    let name = live.spec.get("name")?.as_str()?;
    let stem = name.strip_suffix(naming.suffix_for(&declared.spec))?;
    let digits = stem.get(stem.len().checked_sub(SUFFIX_DIGITS)?..)?;
    let ours = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && with_digits(base, digits, naming, &declared.spec) == name;
    ours.then(|| name.to_owned())
}

/// Name of the live resource, if acme chose the declared name, and another one would replace or rename the resource: its key has changed, or
/// the definition no longer sets the name.
pub fn kept_name(declared: &DesiredResource, live: &LiveResource) -> Option<String> {
    let (naming, chosen) = acme_chosen_name(declared)?;
    let name = live.spec.get("name")?.as_str()?;
    // The name of one in another region contains that region, so both can exist for a while.
    if naming.global && declared.region != live.region {
        return None;
    }
    // Another value of a field may require another suffix (`.fifo`).
    let fits = name.ends_with(naming.suffix_for(&declared.spec)) && naming.check(&declared.spec_with_name(name)).is_none();
    let kind = declared.resource_type;
    let is_stable = kind.replaces.contains(&"/name") || kind.permanent_id.is_some();
    (fits && name != chosen && is_stable).then(|| name.to_owned())
}

/// Name for the replacement of the live resource; `None` if the user chose the name, or another name would not help.
pub fn new_suffixed_name(declared: &DesiredResource, live: &LiveResource) -> Option<String> {
    let (naming, base) = acme_chosen_name(declared)?;
    // Derived from the old resource, so that all plans of this replacement agree, and the next replacement gets another name.
    let old = live.spec.get("name")?.as_str()?;
    declared.resource_type.renames_on_replace().then(|| with_digits(base, &sha256(old.as_bytes())[..SUFFIX_DIGITS], naming, &declared.spec))
}

fn acme_chosen_name(declared: &DesiredResource) -> Option<(Naming, &str)> {
    Some((declared.resource_type.naming.filter(|_| declared.has_generated_name)?, declared.spec.get("name")?.as_str()?))
}

/// Name with these digits at its end, or before the suffix that the type requires (`.fifo`).
fn with_digits(base: &str, digits: &str, naming: Naming, spec: &Value) -> String {
    let required = naming.suffix_for(spec);
    let room = naming.max.saturating_sub(digits.len() + 1 + required.len());
    let cut: String = base.strip_suffix(required).unwrap_or(base).chars().take(room).collect();
    format!("{}-{digits}{required}", cut.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::Address,
        definition::{LoadOptions, Source, Stack, load, physical_name},
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
        load(&Source::new("stack.yaml", text), &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn live_with_name(kind: &str, name: &str) -> LiveResource {
        LiveResource::ready(kind, format!("arn:{name}"), serde_json::json!({ "name": name }))
    }

    #[test]
    fn recognizes_the_suffixed_name_of_a_replacement() {
        let stack = stack();
        for name in ["web", "the-one-with-the-long-name"] {
            let declared = &stack.resources[&Address::new("target_group", name)];
            let first = live_with_name("target_group", declared.spec["name"].as_str().expect("a name"));
            assert_eq!(current_suffixed_name(declared, &first), None, "the first one has no suffix");
            let second = new_suffixed_name(declared, &first).expect("another name");
            assert!(second.len() <= 32 && second != first.spec["name"], "{second}");
            assert_eq!(current_suffixed_name(declared, &live_with_name("target_group", &second)), Some(second.clone()));
            let third = new_suffixed_name(declared, &live_with_name("target_group", &second)).expect("another name");
            assert!(third != second && third.len() == second.len(), "{third}");
            assert_eq!(declared.spec_with_name(&third)["name"], third.as_str());
        }
    }

    #[test]
    fn suffixed_names_match_the_patterns_of_their_types() {
        for kind in crate::aws::types::RESOURCE_TYPES.iter().filter(|kind| kind.renames_on_replace()) {
            let Some(naming) = kind.naming else { continue };
            for name in ["web", "web_app", "web_", "web__app", &"web_.".repeat(100)] {
                let name = with_digits(&physical_name("shop-", name, naming, ""), "0123ab", naming, &Value::Null);
                assert!(name.len() <= naming.max && naming.accepts(&name), "{} {name}", kind.name);
            }
        }
    }

    #[test]
    fn digits_stand_before_a_required_suffix() {
        let naming = crate::aws::types::resource_type("sqs_queue").and_then(|kind| kind.naming).expect("rules for names");
        let fifo = serde_json::json!({ "fifo": true });
        assert_eq!(with_digits("shop-jobs.fifo", "0123ab", naming, &fifo), "shop-jobs-0123ab.fifo");
        assert_eq!(with_digits(&format!("{}.fifo", "x".repeat(75)), "0123ab", naming, &fifo), format!("{}-0123ab.fifo", "x".repeat(68)));
    }

    #[test]
    fn keeps_names_set_by_users_and_names_of_resources_with_data() {
        let stack = stack();
        for (kind, name) in [("target_group", "own"), ("s3_bucket", "files")] {
            let declared = &stack.resources[&Address::new(kind, name)];
            assert_eq!(new_suffixed_name(declared, &live_with_name(kind, declared.spec["name"].as_str().expect("a name"))), None);
        }
        let web = &stack.resources[&Address::new("target_group", "web")];
        for other in ["shop-web", "shop-web-abc", "shop-web-ABCDEF", "shop-webabcdef", "shop-other-abcdef", "shop-web-abcdeg"] {
            assert_eq!(current_suffixed_name(web, &live_with_name("target_group", other)), None, "{other}");
        }
    }
}
