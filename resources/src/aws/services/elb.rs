//! Elastic Load Balancing: classic load balancers. The service has the same name as that of the others, and another API.

use aws_sdk_elasticloadbalancing::types::{Tag, TagKeyOnly};

use crate::{
    aws::Aws,
    core::{ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange},
};

/// The facts of the service.
pub static SERVICE: ServiceInfo = ServiceInfo::new("elasticloadbalancing", "Elastic Load Balancing")
    .tag_actions(&["elasticloadbalancing:AddTags"], &["elasticloadbalancing:RemoveTags"])
    .error_codes(ErrorCodes {
        not_found: "LoadBalancerNotFound",
        already_exists: "DuplicateLoadBalancerName",
        // A classic load balancer is never refused to be deleted.
        in_use: "ResourceInUseException",
    })
    .error_rules(&[
        // A new certificate is not visible everywhere yet.
        ErrorRule::new("CertificateNotFound", ErrorKind::NotYetVisible),
        ErrorRule::new("DependencyThrottle", ErrorKind::Throttled),
    ]);

sdk_client!(aws_sdk_elasticloadbalancing);
tag_conversions!(Tag, key, value, Result::ok);

pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let keys = change.remove.iter().map(|key| TagKeyOnly::builder().key(key).build()).collect();
    set_and_remove!(
        change,
        aws.elb.add_tags().load_balancer_names(change.id).set_tags(Some(to_tags(&change.set))),
        aws.elb.remove_tags().load_balancer_names(change.id).set_tags(Some(keys))
    )
}
