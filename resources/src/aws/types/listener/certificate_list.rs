//! Additional certificates of a listener.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::Certificate as SdkCertificate;

use crate::{
    aws::{Aws, types::certificate::Certificate},
    core::{ArnRef, Result},
};

/// Reads the certificates of a secure listener. AWS lists the default one, too, and again if it is also an additional one.
pub(super) async fn read_certificates(aws: &Aws, listener: &str) -> Result<BTreeSet<ArnRef<Certificate>>> {
    let pages = aws.elbv2.describe_listener_certificates().listener_arn(listener).into_paginator();
    let all: Vec<SdkCertificate> = pages.items().send().try_collect().await?;
    let further = all.into_iter().filter(|certificate| certificate.is_default != Some(true));
    Ok(further.filter_map(|certificate| certificate.certificate_arn).map(ArnRef::to).collect())
}

/// Changes them from `before` to `after`, one per call. New ones are added first, so that a name in both sets is always served.
pub(super) async fn update(
    aws: &Aws,
    listener: &str,
    before: &BTreeSet<ArnRef<Certificate>>,
    after: &BTreeSet<ArnRef<Certificate>>,
) -> Result<()> {
    let one = |certificate: &ArnRef<Certificate>| SdkCertificate::builder().certificate_arn(certificate.get()).build();
    for added in after.difference(before) {
        aws.elbv2.add_listener_certificates().listener_arn(listener).certificates(one(added)).send().await?;
    }
    for removed in before.difference(after) {
        aws.elbv2.remove_listener_certificates().listener_arn(listener).certificates(one(removed)).send().await?;
    }
    Ok(())
}
