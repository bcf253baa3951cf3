//! Reading topics.

use std::collections::{BTreeSet, HashMap};

use super::{super::prelude::*, ARCHIVE_POLICY, DELIVERY_POLICY, KMS_KEY, POLICY, SnsTopic, delivery_log, policy, subscription};
use crate::core::attributes::with_attributes;

/// Name in the ARN of a topic.
pub(super) fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// Reads one topic. `None`: it was deleted, or is not part of the stack.
pub(super) async fn read(aws: &Aws, scope: &Scope, arn: String) -> Result<Option<Observed<SnsTopic>>> {
    let fetch = async {
        let reply = ok_or_not_found(aws.sns.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| services::sns::from_tags(reply.tags())))
    };
    let Some(tags) = scope.tags_or_fetch(&arn, fetch).await? else { return Ok(None) };
    if !scope.owns(&tags) && !scope.lookup.contains(name(&arn)) {
        return Ok(None);
    }
    let Some(reply) = ok_or_not_found(aws.sns.get_topic_attributes().topic_arn(&arn).send().await)? else { return Ok(None) };
    let subscriptions = match scope.own_reads_to_make::<SnsTopic>(&tags).subscriptions {
        true => match ok_or_not_found(subscription::read(aws, &arn).await)? {
            Some(subscriptions) => subscriptions,
            None => return Ok(None),
        },
        false => BTreeSet::new(),
    };
    let spec = SnsTopic { subscriptions, ..from_attributes(name(&arn), &reply.attributes.unwrap_or_default())? };
    Ok(Some(Observed::new(arn.clone(), tags, spec, ArnOutput { arn })))
}

/// The reverse of [`SnsTopic::attributes`].
pub(super) fn from_attributes(name: &str, attributes: &HashMap<String, String>) -> Result<SnsTopic> {
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let document = |name| Document::parse(text(name).unwrap_or_default());
    let archive = document(ARCHIVE_POLICY)?;
    let days = archive.value().get("MessageRetentionPeriod").map(|days| days.to_string());
    Ok(SnsTopic {
        name: Some(name.to_owned()),
        archive_days: days.and_then(|days| days.trim_matches('"').parse().ok()).unwrap_or_default(),
        kms_key: text(KMS_KEY).map(ArnRef::to),
        policy: Some(text(POLICY).map(Policy::parse).transpose()?.map_or_else(Policy::none, policy::from_sns)),
        delivery_policy: document(DELIVERY_POLICY)?,
        delivery_logs: delivery_log::from_attributes(text),
        ..with_attributes(SnsTopic::default(), text)
    })
}
