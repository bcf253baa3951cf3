//! ElastiCache.

use aws_sdk_elasticache::types::Tag;

use crate::{
    aws::Aws,
    core::{
        ErrorCodes, ErrorKind, ErrorRule, PriceComponent, PriceContext, Product, Result, Scope, ServiceInfo, TagChange, Tags,
        ok_or_not_found,
    },
};

/// The facts of the service. Some codes lack the suffix `Fault` of their names, and some have it.
pub static SERVICE: ServiceInfo = ServiceInfo::new("elasticache", "ElastiCache")
    .tag_actions(&["elasticache:AddTagsToResource"], &["elasticache:RemoveTagsFromResource"])
    .error_codes(ErrorCodes {
        not_found: "CacheClusterNotFound",
        already_exists: "CacheClusterAlreadyExists",
        in_use: "InvalidCacheClusterState",
    })
    .error_rules(&[
        ErrorRule::new("CacheSubnetGroupInUse", ErrorKind::Conflict),
        ErrorRule::new("SubnetInUse", ErrorKind::Conflict),
        ErrorRule::new("InvalidCacheClusterState", ErrorKind::Conflict),
        ErrorRule::new("InvalidCacheParameterGroupState", ErrorKind::Conflict),
        ErrorRule::new("InvalidReplicationGroupState", ErrorKind::Conflict),
        ErrorRule::new("InvalidSnapshotState", ErrorKind::Conflict),
        ErrorRule::new("InvalidUserGroupState", ErrorKind::Conflict),
        ErrorRule::new("InvalidUserState", ErrorKind::Conflict),
        ErrorRule::new("DefaultUserAssociatedToUserGroup", ErrorKind::Conflict),
        // Two users of one group with the same name in Redis.
        ErrorRule::new("DuplicateUserName", ErrorKind::Rejected),
    ]);

sdk_client!(aws_sdk_elasticache);
tag_conversions!(Tag, key, value, Some);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.elasticache.add_tags_to_resource().resource_name(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.elasticache.remove_tags_from_resource().resource_name(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}

/// Tags of a resource, which descriptions lack. `None`: it was deleted, or is neither part of the stack nor has a desired name.
pub async fn read_tags(aws: &Aws, scope: &Scope, name: &str, arn: &str) -> Result<Option<Tags>> {
    let tags = scope.tags_or_fetch(arn, fetch_tags(aws, arn)).await?;
    Ok(tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(name)))
}

async fn fetch_tags(aws: &Aws, arn: &str) -> Result<Option<Tags>> {
    let reply = ok_or_not_found(aws.elasticache.list_tags_for_resource().resource_name(arn).send().await)?;
    Ok(reply.map(|reply| from_tags(reply.tag_list())))
}

/// Tags that record which secrets acme passed to ElastiCache, which never reports passwords. Users don't see them.
const SECRET_TAGS: [&str; 2] = ["acme:secret-1", "acme:secret-2"];

/// Tags of a resource, and the secrets it has got. The tag index lags behind changes, so it is not asked about a ready resource.
pub async fn read_tags_and_secrets(
    aws: &Aws,
    scope: &Scope,
    (name, arn): (&str, &str),
    is_ready: bool,
) -> Result<Option<(Tags, Vec<String>)>> {
    let tags = if is_ready { fetch_tags(aws, arn).await? } else { read_tags(aws, scope, name, arn).await? };
    let Some(mut tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(name)) else { return Ok(None) };
    let secrets = SECRET_TAGS.iter().filter_map(|key| tags.remove(*key)).collect();
    Ok(Some((tags, secrets)))
}

/// Tags of a new resource that gets these secrets.
pub fn tags_with_secrets(tags: &Tags, secrets: impl IntoIterator<Item = String>) -> Vec<Tag> {
    let secrets = SECRET_TAGS.iter().zip(secrets).map(|(key, secret)| ((*key).to_owned(), secret));
    to_tags(&tags.clone().into_iter().chain(secrets).collect())
}

/// Records the secrets that a resource has got.
pub async fn record_secrets(aws: &Aws, arn: &str, secrets: impl IntoIterator<Item = String>) -> Result<()> {
    let set = tags_with_secrets(&Tags::new(), secrets);
    let removed = SECRET_TAGS.iter().skip(set.len()).map(ToString::to_string).collect::<Vec<_>>();
    if !set.is_empty() {
        aws.elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(set)).send().await?;
    }
    if !removed.is_empty() {
        aws.elasticache.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(removed)).send().await?;
    }
    Ok(())
}

/// `count` nodes of an engine, as the price list names it.
pub fn nodes(context: &PriceContext<'_>, engine: &str, node_type: &str, count: f64) -> PriceComponent {
    let product = Product::new("AmazonElastiCache").family("Cache Instance").with("instanceType", node_type).with("cacheEngine", engine);
    context.hourly(format!("nodes ({node_type})"), count, product.usage_type("NodeUsage:*"))
}
