//! Container images under `existing:`.

use serde_json::Value;

use super::{ExistingQuery, ExistingResource, entry_fields, text_field};
use crate::{
    aws::images::{CONTAINER_IMAGE, ImageQuery, ImageVersion},
    core::is_account_id,
    definition::{compiler::Compiler, region::check_name, source::child_pointer},
};

/// Keys of an image.
const IMAGE_KEYS: &[&str] = &["repository", "tag", "digest", "account", "region"];

/// Forms of an image, for messages.
const HELP: &str = "write `{ repository: shop/web, tag: v1 }`, or `digest: sha256:…` instead of the tag";

/// Number of hexadecimal digits of a digest.
const DIGEST_DIGITS: usize = 64;

/// Reads an image.
pub(super) fn parse(c: &mut Compiler<'_>, name: &str, fields: &Value, at: &str) -> Option<ExistingResource> {
    let shown = format!("`{CONTAINER_IMAGE}.{name}`");
    let fields = entry_fields(c, (name, &shown), fields, IMAGE_KEYS, at, HELP)?;
    let is_given = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    let mut text = |key: &str| text_field(c, &shown, fields, key, at, HELP);
    let (repository, tag, digest) = (text("repository"), text("tag"), text("digest"));
    let (account, region) = (text("account"), text("region"));
    let region = region.and_then(|(region, at)| check_name(c, &at, region));
    if let Some((account, at)) = account.as_ref().filter(|(account, _)| !is_account_id(account)) {
        c.problem("account", at, format!("`{account}` is not a valid account id"), "an account id has 12 digits; put it in quotes");
    }
    if !is_given("repository") {
        c.problem_at_key("existing", at, format!("{shown} has no `repository`"), HELP);
    }
    if let Some((repository, at)) = repository.as_ref().filter(|(repository, _)| !is_repository(repository)) {
        let help = "write the name of the repository without the host, the tag and the digest: `shop/web`";
        c.problem("existing", at, format!("`{repository}` is not a valid name of a repository"), help);
    }
    if let Some((digest, at)) = digest.as_ref().filter(|(digest, _)| !is_digest(digest)) {
        let help = "a digest is `sha256:` and 64 hexadecimal digits; for a tag, write `tag:`";
        c.problem("existing", at, format!("`{digest}` is not a valid digest"), help);
    }
    match (is_given("tag"), is_given("digest")) {
        (true, true) => {
            let at = child_pointer(at, "digest");
            c.problem_at_key("existing", &at, format!("{shown} has a tag and a digest"), "remove one: a digest names exactly one image");
        }
        (false, false) => c.problem_at_key("existing", at, format!("{shown} has neither tag nor digest"), HELP),
        _ => {}
    }
    let version = tag.map(|(tag, _)| ImageVersion::Tag(tag)).or_else(|| digest.map(|(digest, _)| ImageVersion::Digest(digest)))?;
    let query = ImageQuery { account: account.map(|(account, _)| account), repository: repository?.0, version };
    Some(ExistingResource { query: ExistingQuery::Image(query), region, pointer: c.spans.origin(at).into_owned() })
}

/// Whether a text has the characters of a repository's name: <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>.
fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        part.chars().all(inner) && ends(part.chars().next()) && ends(part.chars().last())
    };
    // A host has dots in its first part, which only the host of a registry has.
    text.split('/').all(is_part) && !text.contains(".dkr.")
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == DIGEST_DIGITS && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_names_of_repositories_from_uris() {
        for name in ["web", "shop/web", "shop/web-2_x.y", "0a"] {
            assert!(is_repository(name), "{name}");
        }
        for name in ["", "Web", "shop//web", "-web", "web:v1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web"] {
            assert!(!is_repository(name), "{name}");
        }
        assert!(is_digest(&format!("sha256:{}", "0a".repeat(32))));
        assert!(!is_digest("sha256:0a") && !is_digest("v1"));
    }
}
