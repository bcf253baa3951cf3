//! Route 53.

mod changes;

use std::ops::Deref;

use aws_sdk_route53::types::{Tag, TagResourceType};

use self::changes::DnsChanges;
use super::Connector;
use crate::{
    aws::Aws,
    core::{ArnParts, CallRate, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
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
    let zone = change.id.trim_start_matches("/hostedzone/");
    let add = to_tags(&change.set);
    for n in 0..add.len().max(change.remove.len()).div_ceil(MAX_TAGS_PER_CALL) {
        let call = aws.route53.change_tags_for_resource().resource_type(TagResourceType::Hostedzone).resource_id(zone);
        let call = call.set_add_tags(add.chunks(MAX_TAGS_PER_CALL).nth(n).map(<[_]>::to_vec));
        call.set_remove_tag_keys(change.remove.chunks(MAX_TAGS_PER_CALL).nth(n).map(<[_]>::to_vec)).send().await?;
    }
    Ok(())
}
