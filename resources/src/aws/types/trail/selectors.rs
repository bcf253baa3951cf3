//! Events that a trail records.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::types as sdk;

use super::{super::prelude::*, Trail};
use crate::{
    aws::{from_aws, to_aws},
    core::Pointer,
};

/// Events to record.
#[spec]
#[derive(Default, PartialEq)]
pub struct EventSelector {
    /// Whether calls that read or calls that write are recorded.
    #[field(default)]
    pub read_write: ReadWrite,
    /// Records management events: calls that create, change and delete resources.
    #[field(default = true)]
    pub management: bool,
    /// Records data events, by resource type and the prefixes of ARNs, such as `{AWS::S3::Object: ["arn:aws:s3:::files/"]}`.
    #[field(default, length = 0..=250)]
    pub data: BTreeMap<String, BTreeSet<String>>,
    /// Services whose management events are left out: `kms.amazonaws.com` or `rdsdata.amazonaws.com`.
    #[field(default, one_of = ["kms.amazonaws.com", "rdsdata.amazonaws.com"])]
    pub excluded_services: BTreeSet<String>,
}

/// Calls by their effect.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "PascalCase")]
pub enum ReadWrite {
    /// All calls.
    #[default]
    All,
    /// Calls that read.
    ReadOnly,
    /// Calls that write.
    WriteOnly,
}

/// Events to record, by their fields.
#[spec]
#[derive(PartialEq)]
pub struct AdvancedSelector {
    /// Name.
    #[field(default, length = 0..=1000)]
    pub name: String,
    /// Conditions that an event must meet, by field, such as `{eventCategory: {equals: [Data]}, resources.type: {equals: [AWS::S3::Object]}}`.
    #[field(length = 1..=100)]
    pub fields: BTreeMap<String, FieldSelector>,
}

/// Condition of a field. Of several values, one must match.
#[spec]
#[derive(Default, PartialEq)]
pub struct FieldSelector {
    /// Values.
    #[field(default)]
    pub equals: BTreeSet<String>,
    /// Beginnings of the value.
    #[field(default)]
    pub starts_with: BTreeSet<String>,
    /// Ends of the value.
    #[field(default)]
    pub ends_with: BTreeSet<String>,
    /// Values that are left out.
    #[field(default)]
    pub not_equals: BTreeSet<String>,
    /// Beginnings that are left out.
    #[field(default)]
    pub not_starts_with: BTreeSet<String>,
    /// Ends that are left out.
    #[field(default)]
    pub not_ends_with: BTreeSet<String>,
}

/// Replaces the selectors of a trail. CloudTrail has no call that removes them: the default selector stands for none.
pub(super) async fn put(cx: &Cx<'_>, id: &str, trail: &Trail) -> Result<()> {
    let call = cx.cloudtrail.put_event_selectors().trail_name(id);
    if trail.advanced_selectors.is_empty() {
        let selectors = trail.event_selectors.iter().map(EventSelector::to_sdk).collect();
        call.set_event_selectors(Some(selectors)).send().await?;
    } else {
        let selectors = trail.advanced_selectors.iter().map(AdvancedSelector::to_sdk).collect::<Result<_>>()?;
        call.set_advanced_event_selectors(Some(selectors)).send().await?;
    }
    Ok(())
}

/// Replaces the insights, and keeps the categories of events of those that stay.
pub(super) async fn put_insights(cx: &Cx<'_>, id: &str, wanted: &BTreeSet<String>) -> Result<()> {
    let live = insights(cx.api, id).await?;
    let selector = |insight: &String| {
        let same = live.iter().find(|live| live.insight_type().is_some_and(|of| of.as_str() == insight));
        same.cloned().unwrap_or_else(|| sdk::InsightSelector::builder().insight_type(insight.as_str().into()).build())
    };
    let selectors = wanted.iter().map(selector).collect();
    cx.cloudtrail.put_insight_selectors().trail_name(id).set_insight_selectors(Some(selectors)).send().await?;
    Ok(())
}

/// Insights of a trail.
pub(super) async fn insights(aws: &Aws, id: &str) -> Result<Vec<sdk::InsightSelector>> {
    match aws.cloudtrail.get_insight_selectors().trail_name(id).send().await.map_err(Error::from) {
        Ok(reply) => Ok(reply.insight_selectors.unwrap_or_default()),
        Err(error) if error.code == "InsightNotEnabledException" => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedEventSelector.html>
pub(super) fn check(trail: &Trail) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, selector) in trail.event_selectors.iter().enumerate() {
        let at = |field: Pointer| Trail::POINTERS.event_selectors.item(index).field(field);
        if !selector.management && selector.data.is_empty() {
            let problem = Problem::new(at(EventSelector::POINTERS.management), "the selector records nothing");
            problems.push(problem.help("set `management: true`, or add `data`"));
        }
        if !selector.management && !selector.excluded_services.is_empty() {
            let problem = Problem::new(at(EventSelector::POINTERS.excluded_services), "the selector records no management events");
            problems.push(problem.help("remove `excluded_services`"));
        }
    }
    for (index, selector) in trail.advanced_selectors.iter().enumerate() {
        let at = Trail::POINTERS.advanced_selectors.item(index).field(AdvancedSelector::POINTERS.fields);
        if !selector.fields.contains_key(CATEGORY) {
            let problem = Problem::new(at.clone(), format!("needs the field `{CATEGORY}`"));
            problems.push(problem.help(format!("add `{CATEGORY}: {{ equals: [Management] }}`")));
        }
        let empty = selector.fields.iter().filter(|(_, condition)| **condition == FieldSelector::default());
        problems.extend(empty.map(|(field, _)| Problem::new(at.clone().item(field), "has no condition").help("add `equals: [value]`")));
    }
    problems
}

/// Field that each advanced selector has.
const CATEGORY: &str = "eventCategory";

impl EventSelector {
    fn to_sdk(&self) -> sdk::EventSelector {
        let data = self.data.iter().map(|(of, arns)| {
            let arns = arns.iter().cloned().collect();
            sdk::DataResource::builder().r#type(of).set_values(Some(arns)).build()
        });
        let selector = sdk::EventSelector::builder().read_write_type(to_aws(&self.read_write).as_str().into());
        let selector = selector.include_management_events(self.management).set_data_resources(Some(data.collect()));
        selector.set_exclude_management_event_sources(Some(self.excluded_services.iter().cloned().collect())).build()
    }
    pub(super) fn from_sdk(selector: sdk::EventSelector) -> Result<EventSelector> {
        let data = selector.data_resources.unwrap_or_default().into_iter();
        let data = data.filter_map(|data| Some((data.r#type?, data.values.unwrap_or_default().into_iter().collect())));
        Ok(EventSelector {
            read_write: selector.read_write_type.map(|of| from_aws(of.as_str())).transpose()?.unwrap_or_default(),
            management: selector.include_management_events.unwrap_or(true),
            data: data.collect(),
            excluded_services: selector.exclude_management_event_sources.unwrap_or_default().into_iter().collect(),
        })
    }
}

impl AdvancedSelector {
    fn to_sdk(&self) -> Result<sdk::AdvancedEventSelector> {
        let list = |set: &BTreeSet<String>| (!set.is_empty()).then(|| set.iter().cloned().collect());
        let fields = self.fields.iter().map(|(field, condition)| {
            let selector = sdk::AdvancedFieldSelector::builder().field(field);
            let selector = selector.set_equals(list(&condition.equals)).set_starts_with(list(&condition.starts_with));
            let selector = selector.set_ends_with(list(&condition.ends_with)).set_not_equals(list(&condition.not_equals));
            let selector = selector.set_not_starts_with(list(&condition.not_starts_with));
            Ok(selector.set_not_ends_with(list(&condition.not_ends_with)).build()?)
        });
        let selector = sdk::AdvancedEventSelector::builder().set_name(super::non_empty(&self.name));
        Ok(selector.set_field_selectors(Some(fields.collect::<Result<_>>()?)).build()?)
    }
    pub(super) fn from_sdk(selector: sdk::AdvancedEventSelector) -> AdvancedSelector {
        let set = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().collect();
        let fields = selector.field_selectors.into_iter().map(|field| {
            let condition = FieldSelector {
                equals: set(field.equals),
                starts_with: set(field.starts_with),
                ends_with: set(field.ends_with),
                not_equals: set(field.not_equals),
                not_starts_with: set(field.not_starts_with),
                not_ends_with: set(field.not_ends_with),
            };
            (field.field, condition)
        });
        AdvancedSelector { fields: fields.collect(), name: selector.name.unwrap_or_default() }
    }
}
