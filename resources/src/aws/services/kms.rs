//! Key Management Service.

use aws_sdk_kms::types::Tag;

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, PriceContext, Pricing, Product, Result, ServiceInfo, TagChange, UsageKey},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("kms", "KMS")
    .tag_actions(&["kms:TagResource"], &["kms:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "NotFoundException",
        already_exists: "AlreadyExistsException",
        in_use: "KMSInvalidStateException",
    })
    .error_rules(&[
        ErrorRule::new("KMSInvalidStateException", ErrorKind::Conflict),
        ErrorRule::with_message("MalformedPolicyDocumentException", "invalid principals", ErrorKind::NotYetVisible),
        ErrorRule::with_message("MalformedPolicyDocumentException", "unsupported principal", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_kms);
tag_conversions!(Tag, tag_key, tag_value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.kms.tag_resource().key_id(change.id).set_tags(Some(to_tags(&change.set))),
        aws.kms.untag_resource().key_id(change.id).set_tag_keys(Some(change.remove.clone()))
    )
}

/// A key of one region.
pub fn key_price(context: &PriceContext<'_>) -> Pricing {
    let product = |family, usage_type| Product::new("awskms").family(family).usage_type(usage_type);
    Pricing::of(vec![
        context.monthly("key", 1.0, "key-months", product("Encryption Key", "KMS-Keys")).assuming("not rotated yet"),
        context.metered("requests", &KEY_USAGE[0], "requests", product("API Request", "KMS-Requests")),
    ])
}

/// Quantities of a key that depend on the usage.
pub const KEY_USAGE: &[UsageKey] = &[UsageKey::new("requests", "requests with a symmetric key in a month")];
