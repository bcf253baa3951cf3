//! `trail`: a trail of CloudTrail, which records the calls of an account.

mod price;
mod read;
mod selectors;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{
    iam_role::{IamRole, check_trust},
    kms_key::KmsKey,
    log_group::LogGroup,
    prelude::*,
    s3_bucket::S3Bucket,
    sns_topic::SnsTopic,
};

pub use selectors::{AdvancedSelector, EventSelector, FieldSelector, ReadWrite};

/// A trail of CloudTrail, which records the calls of an account.
///
/// The first copy of management events is free of charge; each further trail that records them is not.
#[spec]
pub struct Trail {
    /// Name, unique in account and region.
    #[field(name(max = 128), length = 3..=128, pattern = "[A-Za-z0-9]([._-]?[A-Za-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Bucket for the logs. Its policy must allow `cloudtrail.amazonaws.com` to read its access control list and to write to
    /// `AWSLogs/<account>/`. If the policy names the trail, write the trail's ARN as a text, because the policy comes first.
    #[field(important)]
    pub bucket: Ref<S3Bucket>,
    /// Folder in the bucket, without leading and trailing slashes; CloudTrail creates `AWSLogs/…` in it.
    #[field(default, length = 0..=200)]
    pub prefix: String,
    /// Topic that is notified of each new file. Its policy must allow `cloudtrail.amazonaws.com` to publish.
    #[field(default, dropped = None)]
    pub topic: Option<ArnRef<SnsTopic>>,
    /// Records the calls of all regions, instead of those of this one.
    #[field(default = true, important, requires = global_events)]
    pub multi_region: bool,
    /// Records the calls of global services, such as IAM.
    #[field(default = true)]
    pub global_events: bool,
    /// Records the calls of all accounts of the organization. Only its management account and delegated administrators have such trails.
    #[field(important, default = false)]
    pub organization: bool,
    /// Writes digests, with which changes of the logs are detected.
    #[field(default = true, important, risky(false, "changes of the logs can't be detected"))]
    pub log_validation: bool,
    /// Log group of CloudWatch Logs that receives the events, too.
    #[field(default, requires = log_role, dropped = None)]
    pub log_group: Option<ArnRef<LogGroup>>,
    /// Role that CloudTrail assumes to write to the log group.
    #[field(default, requires = log_group, dropped = None)]
    pub log_role: Option<ArnRef<IamRole>>,
    /// Key that encrypts the logs. The key's policy must allow `cloudtrail.amazonaws.com` to use it.
    #[field(default, important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Whether calls are recorded.
    #[field(default = true, after_create = false, important, risky(false, "no calls are recorded"))]
    pub logging: bool,
    /// Events to record.
    #[field(default = vec![EventSelector::default()], length = 1..=5, after_create, conflicts_with = advanced_selectors)]
    pub event_selectors: Vec<EventSelector>,
    /// Events to record, by their fields.
    #[field(default, length = 0..=500, after_create)]
    pub advanced_selectors: Vec<AdvancedSelector>,
    /// Unusual activity to report.
    #[field(default, one_of = ["ApiCallRateInsight", "ApiErrorRateInsight"], after_create)]
    pub insights: BTreeSet<String>,
}

impl Resource for Trail {
    const TYPE: TypeInfo =
        TypeInfo::new("trail", &services::cloudtrail::SERVICE, "{name}", "arn:aws:cloudtrail:{region}:{account}:trail/{name}")
            .deletable_while_in_use()
            .without_token()
            .quota(5, "MaximumNumberOfTrailsExceededException")
            .iam_actions(
                IamActions::new("cloudtrail:trail/{name}")
                    .list(&["cloudtrail:DescribeTrails"])
                    .read(&[
                        "cloudtrail:GetEventSelectors",
                        "cloudtrail:GetInsightSelectors",
                        "cloudtrail:GetTrailStatus",
                        "cloudtrail:ListTags",
                    ])
                    .create(&["cloudtrail:CreateTrail"])
                    .change(&[
                        "cloudtrail:DeleteTrail",
                        "cloudtrail:PutEventSelectors",
                        "cloudtrail:PutInsightSelectors",
                        "cloudtrail:StartLogging",
                        "cloudtrail:StopLogging",
                        "cloudtrail:UpdateTrail",
                    ])
                    .grants(&[IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["cloudtrail.amazonaws.com"]))]),
            );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = ArnOutput;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all = aws.cloudtrail.describe_trails().include_shadow_trails(false).send().await?.trail_list.unwrap_or_default();
        let ours = all.into_iter().filter(|trail| {
            scope.covers(trail.name().unwrap_or_default(), trail.trail_arn().unwrap_or_default())
                && trail.home_region().is_none_or(|region| region == aws.region)
        });
        for_each_concurrent(ours, |trail| read::read(aws, scope, trail)).await
    }

    /// A new trail records nothing until it is told to.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.cloudtrail.create_trail().set_name(self.name.clone()).s3_bucket_name(self.bucket.get());
        let call = call.set_s3_key_prefix(non_empty(&self.prefix)).set_sns_topic_name(self.topic.as_ref().map(|topic| topic.get().into()));
        let call = call.include_global_service_events(self.global_events).is_multi_region_trail(self.multi_region);
        let call = call.enable_log_file_validation(self.log_validation).set_is_organization_trail(self.organization.then_some(true));
        let call = call.set_cloud_watch_logs_log_group_arn(non_empty(&self.log_group_arn()));
        let call = call.set_cloud_watch_logs_role_arn(self.log_role.as_ref().map(|role| role.get().into()));
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().into()));
        call.set_tags_list(Some(services::cloudtrail::to_tags(&cx.call.tags))).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("Name"))?.into())
    }

    /// UpdateTrail keeps what it is not told, and an empty text removes a setting.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: TrailChanges) -> Result<()> {
        let (client, id) = (&cx.cloudtrail, live.id.as_str());
        let (regions, logs) = (changes.multi_region || changes.global_events, changes.log_group || changes.log_role);
        let others = [changes.bucket, changes.prefix, changes.topic, changes.organization, changes.log_validation, changes.kms_key];
        if regions || logs || others.contains(&true) {
            let call = client.update_trail().name(id).set_s3_bucket_name(changes.bucket.then(|| self.bucket.get().into()));
            let call = call.set_s3_key_prefix(changes.prefix.then(|| self.prefix.clone()));
            let call = call.set_sns_topic_name(changes.topic.then(|| arn_or_empty(self.topic.as_ref())));
            let call = call.set_include_global_service_events(regions.then_some(self.global_events));
            let call = call.set_is_multi_region_trail(regions.then_some(self.multi_region));
            let call = call.set_is_organization_trail(changes.organization.then_some(self.organization));
            let call = call.set_enable_log_file_validation(changes.log_validation.then_some(self.log_validation));
            let call = call.set_cloud_watch_logs_log_group_arn(logs.then(|| self.log_group_arn()));
            let call = call.set_cloud_watch_logs_role_arn(logs.then(|| arn_or_empty(self.log_role.as_ref())));
            call.set_kms_key_id(changes.kms_key.then(|| arn_or_empty(self.kms_key.as_ref()))).send().await?;
        }
        if changes.event_selectors || changes.advanced_selectors {
            selectors::put(cx, id, self).await?;
        }
        if changes.insights {
            selectors::put_insights(cx, id, &self.insights).await?;
        }
        if changes.logging {
            match self.logging {
                true => drop(client.start_logging().name(id).send().await?),
                false => drop(client.stop_logging().name(id).send().await?),
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.cloudtrail.delete_trail().name(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = selectors::check(self);
        if self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            let problem = Problem::new(Self::POINTERS.prefix, "a prefix must not start or end with a slash");
            problems.push(problem.help("use a folder such as `audit`"));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let role = declared.spec().and_then(|trail| trail.log_role);
        role.and_then(|role| check_trust(declared, Self::POINTERS.log_role, &role, "cloudtrail.amazonaws.com")).into_iter().collect()
    }
}

impl Trail {
    /// ARN of the log group, with its streams; empty for none.
    pub fn log_group_arn(&self) -> String {
        let with_streams = |group: &ArnRef<LogGroup>| format!("{}:*", group.get().trim_end_matches(":*"));
        self.log_group.as_ref().map(with_streams).unwrap_or_default()
    }
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// An ARN; empty for none, which removes it.
fn arn_or_empty<T: crate::core::Named>(reference: Option<&ArnRef<T>>) -> String {
    reference.map(|reference| reference.get().to_owned()).unwrap_or_default()
}
