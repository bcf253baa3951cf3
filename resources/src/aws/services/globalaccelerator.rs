//! Global Accelerator, whose API is in us-west-2 alone.

use aws_sdk_globalaccelerator::{config::Region, types::Tag};

use crate::{
    aws::Aws,
    core::{ArnParts, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// Region of the API: <https://docs.aws.amazon.com/general/latest/gr/global_accelerator.html>.
const REGION: &str = "us-west-2";

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("globalaccelerator", "Global Accelerator")
    .arn_parts(ArnParts::Account)
    .tag_actions(&["globalaccelerator:TagResource"], &["globalaccelerator:UntagResource"])
    .error_codes(ErrorCodes {
        not_found: "AcceleratorNotFoundException",
        // Names need not be unique, so there is no code.
        already_exists: "ConflictException",
        in_use: "AssociatedListenerFoundException",
    })
    .error_rules(&[
        ErrorRule::new("AcceleratorNotDisabledException", ErrorKind::Conflict),
        ErrorRule::new("AssociatedEndpointGroupFoundException", ErrorKind::Conflict),
        ErrorRule::new("AssociatedListenerFoundException", ErrorKind::Conflict),
        // It is still deploying an earlier change.
        ErrorRule::new("TransactionInProgressException", ErrorKind::Conflict),
    ]);

pub use aws_sdk_globalaccelerator::Client;

/// The client of the only region with this API, also for what is found from another one.
pub(super) fn connect(connector: &super::Connector) -> Client {
    Client::from_conf(client_config!(aws_sdk_globalaccelerator, connector).region(Region::new(REGION)).build())
}

tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    set_and_remove!(
        change,
        aws.globalaccelerator.tag_resource().resource_arn(change.arn).set_tags(Some(to_tags(&change.set))),
        aws.globalaccelerator.untag_resource().resource_arn(change.arn).set_tag_keys(Some(change.remove.clone()))
    )
}
