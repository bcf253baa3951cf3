//! Reading trails.

use std::collections::BTreeSet;

use aws_sdk_cloudtrail::types as sdk;

use super::{super::prelude::*, AdvancedSelector, EventSelector, Trail, selectors};

/// Reads tags, status and selectors, which the description lacks. `None`: it was deleted, or is not part of the stack.
pub(super) async fn read(aws: &Aws, scope: &Scope, trail: sdk::Trail) -> Result<Option<Observed<Trail>>> {
    let client = &aws.cloudtrail;
    let name = trail.name.clone().ok_or_else(|| Error::missing_field("Name"))?;
    let arn = trail.trail_arn.clone().ok_or_else(|| Error::missing_field("TrailARN"))?;
    let fetch = async {
        let reply = ok_or_not_found(client.list_tags().resource_id_list(&arn).send().await)?;
        let tags = |reply: Vec<sdk::ResourceTag>| reply.into_iter().flat_map(|tags| tags.tags_list.unwrap_or_default()).collect::<Vec<_>>();
        Ok(reply.map(|reply| services::cloudtrail::from_tags(&tags(reply.resource_tag_list.unwrap_or_default()))))
    };
    let tags = scope.tags_or_fetch(&arn, fetch).await?.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name));
    let Some(tags) = tags else { return Ok(None) };
    let Some(status) = ok_or_not_found(client.get_trail_status().name(&arn).send().await)? else { return Ok(None) };
    let Some(events) = ok_or_not_found(client.get_event_selectors().trail_name(&arn).send().await)? else { return Ok(None) };
    let insights = match trail.has_insight_selectors {
        Some(true) => selectors::insights(aws, &arn).await?,
        _ => Vec::new(),
    };
    let advanced = events.advanced_event_selectors.unwrap_or_default();
    let mut event_selectors =
        events.event_selectors.unwrap_or_default().into_iter().map(EventSelector::from_sdk).collect::<Result<Vec<_>>>()?;
    // A trail without selectors of its own records management events; with advanced ones, the others don't count.
    if event_selectors.is_empty() || !advanced.is_empty() {
        event_selectors = Trail::default_event_selectors();
    }
    let spec = Trail {
        event_selectors,
        advanced_selectors: advanced.into_iter().map(AdvancedSelector::from_sdk).collect(),
        insights: insights.into_iter().filter_map(|insight| Some(insight.insight_type?.as_str().to_owned())).collect(),
        logging: status.is_logging.unwrap_or_default(),
        ..described(trail)
    };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn })))
}

/// The spec, as far as the description has it.
pub(super) fn described(trail: sdk::Trail) -> Trail {
    // Texts that were removed may be reported empty.
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    Trail {
        name: trail.name,
        bucket: Ref::to(trail.s3_bucket_name.unwrap_or_default()),
        prefix: trail.s3_key_prefix.unwrap_or_default(),
        topic: text(trail.sns_topic_arn).map(ArnRef::to),
        multi_region: trail.is_multi_region_trail.unwrap_or_default(),
        global_events: trail.include_global_service_events.unwrap_or_default(),
        organization: trail.is_organization_trail.unwrap_or_default(),
        log_validation: trail.log_file_validation_enabled.unwrap_or_default(),
        log_group: text(trail.cloud_watch_logs_log_group_arn).map(|arn| ArnRef::to(arn.trim_end_matches(":*"))),
        log_role: text(trail.cloud_watch_logs_role_arn).map(ArnRef::to),
        kms_key: text(trail.kms_key_id).map(ArnRef::to),
        logging: false,
        event_selectors: Trail::default_event_selectors(),
        advanced_selectors: Vec::new(),
        insights: BTreeSet::new(),
    }
}
