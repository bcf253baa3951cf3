//! Logging of a firewall's requests.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{
    ActionCondition, ActionValue, Condition, FieldToMatch, Filter, FilterBehavior, FilterRequirement, LabelNameCondition, LogScope,
    LoggingConfiguration, LoggingFilter, OversizeHandling,
};

use super::request_part::{read_field, to_field};
use crate::{
    aws::{Aws, from_aws, to_aws},
    core::{Result, ok_or_not_found},
};

/// Logging of requests.
#[spec]
#[derive(PartialEq)]
pub struct Logging {
    /// ARN of the log group, bucket or delivery stream, whose name starts with `aws-waf-logs-`; that of a log group without `:*` at its end.
    // https://docs.aws.amazon.com/waf/latest/developerguide/logging-destinations.html
    #[field(pattern = r"arn:aws[a-z-]*:(logs|s3|firehose):.*aws-waf-logs-[^*]+")]
    pub destination: String,
    /// Parts of requests that logs omit: `path`, `query_string`, `method` and `header:NAME`.
    #[field(default, length = 0..=100, pattern = "path|query_string|method|header:.{1,64}")]
    pub redacted: BTreeSet<String>,
    /// Logs only requests with one of these actions, or one of the labels in `labels`; without both, all requests.
    #[field(default)]
    pub actions: BTreeSet<LoggedAction>,
    /// Logs only requests with one of these labels, by their full names, or one of the actions in `actions`.
    #[field(default, pattern = "[0-9A-Za-z_:-]{1,1024}")]
    pub labels: BTreeSet<String>,
}

/// Action that WAF applied to a request.
#[spec]
#[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LoggedAction {
    Allow,
    Block,
    Captcha,
    Challenge,
    Count,
    /// A rule of a managed group matched, but only counts.
    ExcludedAsCount,
}

impl Logging {
    /// Writes the configuration, whole. A filter that acme does not manage is kept, unless the definition has one.
    pub(super) async fn put(&self, aws: &Aws, firewall: &str) -> Result<()> {
        let live = get(aws, firewall).await?;
        let fields = self.redacted.iter().map(|part| to_field(part, OversizeHandling::Continue)).collect::<Result<Vec<FieldToMatch>>>()?;
        let kept = live.and_then(|live| live.logging_filter).filter(|filter| read_filter(filter).is_none());
        let config = LoggingConfiguration::builder().resource_arn(firewall).log_destination_configs(&self.destination);
        let config = config.set_redacted_fields((!fields.is_empty()).then_some(fields)).set_logging_filter(self.filter()?.or(kept));
        aws.wafv2.put_logging_configuration().logging_configuration(config.build()?).send().await?;
        Ok(())
    }

    /// Keeps what meets any condition, and drops the rest.
    fn filter(&self) -> Result<Option<LoggingFilter>> {
        let mut conditions = Vec::new();
        for action in &self.actions {
            let action = ActionCondition::builder().action(ActionValue::from(to_aws(action).to_uppercase().as_str())).build()?;
            conditions.push(Condition::builder().action_condition(action).build());
        }
        for label in &self.labels {
            let label = LabelNameCondition::builder().label_name(label).build()?;
            conditions.push(Condition::builder().label_name_condition(label).build());
        }
        if conditions.is_empty() {
            return Ok(None);
        }
        let filter = Filter::builder().behavior(FilterBehavior::Keep).requirement(FilterRequirement::MeetsAny);
        let filter = filter.set_conditions(Some(conditions)).build()?;
        Ok(Some(LoggingFilter::builder().default_behavior(FilterBehavior::Drop).filters(filter).build()?))
    }

    fn from_sdk(config: LoggingConfiguration) -> Logging {
        let (actions, labels) = config.logging_filter().and_then(read_filter).unwrap_or_default();
        Logging {
            redacted: config.redacted_fields().iter().filter_map(|field| Some(read_field(field)?.0)).collect(),
            destination: config.log_destination_configs.into_iter().next().unwrap_or_default(),
            actions,
            labels,
        }
    }
}

/// Reads the logging of a firewall; `None` without.
pub(super) async fn read(aws: &Aws, firewall: &str) -> Result<Option<Logging>> {
    Ok(get(aws, firewall).await?.map(Logging::from_sdk))
}

/// Ends the logging of a firewall.
pub(super) async fn delete(aws: &Aws, firewall: &str) -> Result<()> {
    ok_or_not_found(aws.wafv2.delete_logging_configuration().resource_arn(firewall).send().await)?;
    Ok(())
}

async fn get(aws: &Aws, firewall: &str) -> Result<Option<LoggingConfiguration>> {
    let call = aws.wafv2.get_logging_configuration().resource_arn(firewall).log_scope(LogScope::Customer);
    Ok(ok_or_not_found(call.send().await)?.and_then(|reply| reply.logging_configuration))
}

/// Actions and labels of a filter that keeps requests with any of them; `None` for another filter.
fn read_filter(filter: &LoggingFilter) -> Option<(BTreeSet<LoggedAction>, BTreeSet<String>)> {
    let [only] = filter.filters.as_slice() else { return None };
    let plain = filter.default_behavior == FilterBehavior::Drop && only.behavior == FilterBehavior::Keep;
    if !plain || only.requirement != FilterRequirement::MeetsAny {
        return None;
    }
    let (mut actions, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for condition in &only.conditions {
        match (&condition.action_condition, &condition.label_name_condition) {
            (Some(action), _) => {
                actions.insert(from_aws(&action.action.as_str().to_lowercase()).ok()?);
            }
            (_, Some(label)) => {
                labels.insert(label.label_name.clone());
            }
            _ => return None,
        }
    }
    Some((actions, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_back_as_they_were_written() {
        let logging = Logging {
            destination: "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-shop".to_owned(),
            redacted: BTreeSet::new(),
            actions: BTreeSet::from([LoggedAction::Block, LoggedAction::ExcludedAsCount]),
            labels: BTreeSet::from(["awswaf:managed:aws:core-rule-set:NoUserAgent_Header".to_owned()]),
        };
        let filter = logging.filter().expect("a filter").expect("conditions");
        assert_eq!(read_filter(&filter), Some((logging.actions.clone(), logging.labels.clone())));
        let mut other = filter;
        other.default_behavior = FilterBehavior::Keep;
        assert_eq!(read_filter(&other), None);
    }
}
