//! The treatment of volumes, which EKS does not know: a tag of the cluster, so that it outlives the definition.

use crate::{
    aws::{Aws, from_aws, leftovers::VolumePolicy, to_aws},
    core::{Error, Result, Tags},
};

/// Key of the tag.
const TAG: &str = "acme:volumes";

/// Adds the tag to those of a create call.
pub(super) fn with_tag(tags: &Tags, volumes: Option<VolumePolicy>) -> Tags {
    let mut tags = tags.clone();
    tags.extend(volumes.map(|policy| (TAG.to_owned(), to_aws(&policy))));
    tags
}

/// Takes the tag from those that EKS reports: it is a field. A value that acme did not set counts as none.
pub(super) fn take_tag(tags: &mut Tags) -> Option<VolumePolicy> {
    tags.remove(TAG).and_then(|text| from_aws(&text).ok())
}

/// Sets the tag of a cluster, or removes it.
pub(super) async fn set_tag(aws: &Aws, name: &str, volumes: Option<VolumePolicy>) -> Result<()> {
    let cluster = aws.eks.describe_cluster().name(name).send().await?.cluster;
    let arn = cluster.and_then(|cluster| cluster.arn).ok_or_else(|| Error::missing_field("arn"))?;
    match volumes {
        Some(policy) => drop(aws.eks.tag_resource().resource_arn(arn).tags(TAG, to_aws(&policy)).send().await?),
        None => drop(aws.eks.untag_resource().resource_arn(arn).tag_keys(TAG).send().await?),
    }
    Ok(())
}
