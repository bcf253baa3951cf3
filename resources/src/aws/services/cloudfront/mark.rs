//! Ownership tags at the end of descriptions, for access controls and policies, which have no tags.

use crate::core::{ADDRESS_TAG, CallContext, Declared, ENVIRONMENT_TAG, Pointer, Problem, REGION_TAG, Resource, STACK_TAG, Tags};

/// Start of a mark: `[acme shop/production/assets/eu-west-1]`.
const START: &str = "[acme ";
/// Length of the longest name of a region, `ap-northeast-1`.
const REGION_CHARACTERS: usize = 14;

/// The ownership tags of the resource of a call.
pub fn ownership(call: &CallContext) -> Tags {
    let mut tags: Tags = [(STACK_TAG, &call.stack), (ENVIRONMENT_TAG, &call.environment), (ADDRESS_TAG, &call.address)]
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .into();
    tags.extend(call.tags.get(REGION_TAG).map(|region| (REGION_TAG.to_owned(), region.clone())));
    tags
}

/// The description with a mark for these ownership tags; without them, the description alone.
pub fn marked(description: &str, tags: &Tags) -> String {
    let tag = |key: &str| tags.get(key).map(String::as_str).unwrap_or_default();
    if tag(STACK_TAG).is_empty() {
        return description.to_owned();
    }
    let name = tag(ADDRESS_TAG).split_once('.').map_or("", |(_, name)| name);
    let mark = format!("{START}{}/{}/{name}/{}]", tag(STACK_TAG), tag(ENVIRONMENT_TAG), tag(REGION_TAG));
    if description.is_empty() { mark } else { format!("{description} {mark}") }
}

/// The description without its mark, and the ownership tags in the mark of a resource of this type.
pub fn split_mark(text: &str, type_name: &str) -> (String, Tags) {
    let unmarked = || (text.to_owned(), Tags::new());
    let Some((description, mark)) = text.strip_suffix(']').and_then(|text| text.rsplit_once(START)) else { return unmarked() };
    let [stack, environment, name, region] = mark.split('/').collect::<Vec<_>>()[..] else { return unmarked() };
    let address = format!("{type_name}.{name}");
    let tags = [(STACK_TAG, stack), (ENVIRONMENT_TAG, environment), (ADDRESS_TAG, address.as_str()), (REGION_TAG, region)];
    let tags = tags.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value.to_owned()));
    (description.trim_end().to_owned(), tags.collect())
}

/// The problem of a description that leaves no room for the mark, or looks like one.
pub fn mark_problem<R: Resource>(declared: &Declared<'_, R>, pointer: Pointer, description: &str, max: usize) -> Option<Problem> {
    if description.contains(START) {
        return Some(Problem::new(pointer, format!("`{START}…]` is how acme marks its own resources: use another text")));
    }
    let parts = [declared.stack(), declared.environment(), declared.address().name.as_str()];
    let region = declared.region().map_or(REGION_CHARACTERS, str::len);
    let mark = START.len() + parts.iter().map(|part| part.chars().count() + 1).sum::<usize>() + region + 1;
    let (length, room) = (description.chars().count(), max.saturating_sub(mark + 1));
    if mark > max {
        let message =
            format!("AWS stores no tags for it, and the mark of its ownership does not fit into the {max} characters of its description");
        return Some(Problem::new(Pointer::ROOT, message).help("use a shorter name"));
    }
    (length > room && length > 0).then(|| {
        let message = format!("a description of {length} characters leaves no room for the mark of ownership that acme adds");
        Problem::new(pointer, message).help(format!("use at most {room} characters"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_holds_the_ownership_tags() {
        let tags: Tags = [
            (STACK_TAG, "shop"),
            (ENVIRONMENT_TAG, "production"),
            (ADDRESS_TAG, "cloudfront_cache_policy.v1.2"),
            (REGION_TAG, "eu-west-1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for description in ["", "Images [old]"] {
            let text = marked(description, &tags);
            assert_eq!(split_mark(&text, "cloudfront_cache_policy"), (description.to_owned(), tags.clone()), "{text}");
        }
        assert_eq!(marked("Images", &tags), "Images [acme shop/production/v1.2/eu-west-1]");
        assert_eq!(marked("Images", &Tags::new()), "Images");
        for other in ["Images", "Images [acme]", "[acme shop/production]", "[acme a/b/c/d] of others"] {
            assert_eq!(split_mark(other, "cloudfront_cache_policy"), (other.to_owned(), Tags::new()));
        }
    }
}
