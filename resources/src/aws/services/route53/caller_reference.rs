//! Caller references with the ownership tags of what they create, because Route 53's create calls accept no tags, and AWS stores the caller
//! reference permanently.

use sha2::{Digest, Sha256};

use crate::core::{ADDRESS_TAG, ENVIRONMENT_TAG, STACK_TAG, Scope, Tags, UNTAGGED};

/// Tag of a resource that no longer belongs to the stack that created it.
pub const ABANDONED_TAG: &str = "acme:given-up";

/// The start of the caller references of a stack's resources.
fn prefix(stack: &str, environment: &str) -> String {
    format!("acme/{stack}/{environment}/")
}

/// Caller reference of at most `max` characters. `name` is the address, or what distinguishes it among those of the type. The token is
/// shortened to fit beside the ownership tags. If less than 8 characters remain, the reference is the token alone.
pub fn caller_reference(stack: &str, environment: &str, name: &str, token: &str, max: usize) -> String {
    let ownership = format!("{}{name}/", prefix(stack, environment));
    match max.saturating_sub(ownership.len()) {
        room @ 8.. => format!("{ownership}{}", &token[..room.min(token.len())]),
        _ => token.to_owned(),
    }
}

/// Ownership tags in the caller reference of a resource that acme created for this stack. `address` is the address of a name in
/// [`caller_reference`].
pub fn ownership_from_reference(reference: &str, scope: &Scope, address: impl FnOnce(&str) -> String) -> Option<Tags> {
    let rest = reference.strip_prefix(&prefix(&scope.stack, &scope.environment))?;
    let (name, _) = rest.rsplit_once('/')?;
    let tags = [
        (STACK_TAG, scope.stack.clone()),
        (ENVIRONMENT_TAG, scope.environment.clone()),
        (ADDRESS_TAG, address(name)),
        (UNTAGGED, String::new()),
    ];
    Some(tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Token as 32 hexadecimal digits, which every service accepts.
pub fn short_token(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_reference_holds_ownership_tags_that_fit() {
        let token = short_token("token");
        let scope = Scope { stack: "shop".into(), environment: "production".into(), ..Scope::default() };
        for (name, fits) in [(8, true), (70, true), (99, false)] {
            let address = format!("dns_zone.{}", "z".repeat(name));
            let reference = caller_reference("shop", "production", &address, &token, 128);
            assert!(reference.len() <= 128, "{reference}");
            let read = ownership_from_reference(&reference, &scope, str::to_owned).and_then(|mut tags| tags.remove(ADDRESS_TAG));
            assert_eq!(read, fits.then_some(address));
        }
    }
}
