//! Tags of resources: their own, those of the stack, and acme's ownership tags.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Stack,
    compiler::{Compiler, describe_type, scalar_text},
    diagnostic::Diagnostic,
    draft::Draft,
    source::child_pointer,
};
use crate::core::{ADDRESS_TAG, ENVIRONMENT_TAG, IgnoredTags, ON_DELETE_TAG, OnDelete, STACK_TAG, Tags};

/// Keys without a value: the resource has no such tag, even if the stack or acme sets it for others.
pub(super) fn null_keys(tags: Option<&Value>) -> BTreeSet<String> {
    let tags = tags.and_then(Value::as_object).into_iter().flatten();
    tags.filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect()
}

/// Converts tags to strings; those without a value are left out. Limits: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
pub(super) fn parse_tags(c: &mut Compiler<'_>, value: Option<Value>, at: &str, ignored: &IgnoredTags) -> Tags {
    let map = match value {
        None | Some(Value::Null) => return Tags::new(),
        Some(Value::Object(map)) => map,
        Some(other) => {
            c.problem(
                "tags",
                at,
                format!("tags must be `key: value` pairs, not {}", describe_type(&other)),
                "write `tags: { team: platform }`",
            );
            return Tags::new();
        }
    };
    let mut tags = Tags::new();
    for (key, value) in map {
        let here = child_pointer(at, &key);
        let lower = key.to_lowercase();
        let wrong = if lower.starts_with("aws:") {
            Some(("the prefix `aws:` is reserved for AWS".to_owned(), "use another key"))
        } else if lower.starts_with("acme:") {
            Some(("the prefix `acme:` is reserved for acme".to_owned(), "use another key"))
        } else if key.is_empty() || key.chars().count() > 128 {
            Some((format!("a tag key must have 1 to 128 characters, not {}", key.chars().count()), "shorten the key"))
        } else if ignored.contains(&key) {
            Some((format!("`{key}` is set here, but `ignore_tags` leaves it to others"), "remove it here or there"))
        } else {
            None
        };
        if let Some((message, help)) = wrong {
            c.problem_at_key("tags", &here, message, help);
            continue;
        }
        match scalar_text(&value) {
            None if value.is_null() => {}
            Some(text) if text.chars().count() > 256 => {
                let message = format!("a tag value must have at most 256 characters, not {}", text.chars().count());
                c.problem("tags", &here, message, "shorten the value");
            }
            Some(text) => drop(tags.insert(key, text)),
            None => c.problem("tags", &here, format!("tag `{key}` must be text, not {}", describe_type(&value)), "write `key: value`"),
        }
    }
    tags
}

/// Tags of a resource with those of the stack and the ownership tags.
pub(super) fn with_ownership_tags(
    c: &mut Compiler<'_>,
    draft: &Draft,
    own: Tags,
    defaults: &Tags,
    stack: &Stack,
    on_delete: Option<OnDelete>,
    at: &str,
) -> Tags {
    let mut tags = Tags::new();
    if draft.resource_type.is_taggable() {
        tags.extend(defaults.clone());
        if draft.resource_type.service.has_name_tag && !stack.ignored_tags.contains("Name") {
            tags.entry("Name".into()).or_insert_with(|| format!("{}{}", stack.prefix(), draft.name));
        }
        tags.extend(own);
    } else if !own.is_empty() {
        let message = format!("AWS does not support tags on a {}", draft.resource_type.name.replace('_', " "));
        c.problem_at_key("tags", at, message, "remove `tags`");
    }
    if draft.resource_type.tag_keys_ignore_case {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for key in tags.keys() {
            if let Some(other) = seen.insert(key.to_lowercase(), key) {
                let message = format!("the tag keys `{other}` and `{key}` are the same, because AWS ignores their case here");
                let place =
                    c.key_range(&child_pointer(at, key)).or_else(|| c.key_range(at)).or_else(|| c.key_range(&draft.definition_pointer("")));
                c.problems.push(Diagnostic::new("tags", message).at(place).help("remove one of them"));
            }
        }
    }
    tags.insert(STACK_TAG.into(), stack.name.to_string());
    tags.insert(ENVIRONMENT_TAG.into(), stack.environment.to_string());
    tags.insert(ADDRESS_TAG.into(), format!("{}.{}", draft.resource_type.name, draft.name));
    if let Some(fate) = on_delete {
        let text = match fate {
            OnDelete::Snapshot => "snapshot",
            OnDelete::Retain => "retain",
            OnDelete::Delete => "delete",
        };
        tags.insert(ON_DELETE_TAG.into(), text.into());
    }
    // A global resource also gets the tag for the region.
    if tags.len() + usize::from(draft.resource_type.is_global()) > 50 {
        let place = c.key_range(at);
        let problem = Diagnostic::new("tags", format!("{} tags exceed AWS's limit of 50", tags.len()));
        c.problems.push(problem.at(place).help("acme's own ownership tags count, too: leave room for five"));
    }
    tags
}
