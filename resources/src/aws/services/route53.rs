//! Route 53.

mod caller_reference;
mod changes;

use std::{collections::BTreeMap, ops::Deref};

use aws_sdk_route53::types::{Tag, TagResourceType};

pub use self::caller_reference::{ABANDONED_TAG, caller_reference, ownership_from_reference, short_token};
use self::changes::DnsChanges;
use super::Connector;
use crate::{
    aws::{Aws, for_each_concurrent},
    core::{ArnParts, CallRate, Error, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags, ok_or_not_found},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("route53", "Route 53")
    .arn_parts(ArnParts::Neither)
    .tag_actions(&["route53:ChangeTagsForResource"], &[])
    .without_tag_conditions()
    .error_codes(ErrorCodes { not_found: "NotFoundException", already_exists: "HostedZoneAlreadyExists", in_use: "HostedZoneNotEmpty" })
    .error_rules(&[
        ErrorRule::new("HostedZoneNotEmpty", ErrorKind::Conflict),
        ErrorRule::new("PriorRequestNotComplete", ErrorKind::Throttled),
        // Another change came between: the next attempt reads the new version.
        ErrorRule::new("HealthCheckVersionMismatch", ErrorKind::Conflict),
    ])
    // https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
    .call_rates(&[CallRate { actions: "", burst: 5.0, per_second: 5.0 }])
    .sharing_call_rate();

/// Most tags that one call sets, and most that it removes.
const MAX_TAGS_PER_CALL: usize = 10;

/// The SDK's client, into which it dereferences, and the batches of changes.
pub struct Client {
    sdk: aws_sdk_route53::Client,
    /// Changes to zones, gathered into batches.
    pub changes: DnsChanges,
}

impl Deref for Client {
    type Target = aws_sdk_route53::Client;
    fn deref(&self) -> &aws_sdk_route53::Client {
        &self.sdk
    }
}

pub(super) fn connect(connector: &Connector) -> Client {
    let sdk = aws_sdk_route53::Client::from_conf(client_config!(aws_sdk_route53, connector).build());
    Client { changes: DnsChanges::new(sdk.clone()), sdk }
}

tag_conversions!(Tag, key, value, Some);

pub(in crate::aws) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    retag_as(aws, TagResourceType::Hostedzone, change).await
}

/// Changes the tags of a resource of this kind.
pub async fn retag_as(aws: &Aws, kind: TagResourceType, change: &TagChange<'_>) -> Result<()> {
    let id = change.id.trim_start_matches("/hostedzone/");
    let add = to_tags(&change.set);
    for n in 0..add.len().max(change.remove.len()).div_ceil(MAX_TAGS_PER_CALL) {
        let call = aws.route53.change_tags_for_resource().resource_type(kind.clone()).resource_id(id);
        let call = call.set_add_tags(add.chunks(MAX_TAGS_PER_CALL).nth(n).map(<[_]>::to_vec));
        call.set_remove_tag_keys(change.remove.chunks(MAX_TAGS_PER_CALL).nth(n).map(<[_]>::to_vec)).send().await?;
    }
    Ok(())
}

/// Tags of the resources of this kind that exist, by id, ten in a call. If one was deleted in the meantime, the call fails for all, and they
/// are read one at a time.
pub async fn read_tags(aws: &Aws, kind: TagResourceType, ids: Vec<String>) -> Result<BTreeMap<String, Tags>> {
    let mut tags = BTreeMap::new();
    for some in ids.chunks(10) {
        let call = aws.route53.list_tags_for_resources().resource_type(kind.clone()).set_resource_ids(Some(some.to_vec()));
        match call.send().await.map_err(Error::from) {
            Ok(reply) => {
                let sets = reply.resource_tag_sets.into_iter();
                tags.extend(sets.filter_map(|set| Some((set.resource_id.clone()?, from_tags(set.tags())))));
            }
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Rejected) => {
                let read = |id: String| {
                    let call = aws.route53.list_tags_for_resource().resource_type(kind.clone()).resource_id(&id).send();
                    async move {
                        let set = ok_or_not_found(call.await)?.and_then(|reply| reply.resource_tag_set);
                        Ok(set.map(|set| (id, from_tags(set.tags()))))
                    }
                };
                tags.extend(for_each_concurrent(some.to_vec(), read).await?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tags)
}
