//! `log_group`: a log group of CloudWatch Logs, with its filters.

mod check;
mod filter;
mod read;

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::OrderBy;

use super::{kms_key::KmsKey, prelude::*};
use crate::aws::to_aws;

pub use filter::{Distribution, MetricFilter, SubscriptionFilter};

/// A log group of CloudWatch Logs, with the filters that forward its events or count them.
#[spec]
#[derive(Default)]
pub struct LogGroup {
    /// Name, unique in account and region. Services of AWS write to groups with fixed names, such as `/aws/lambda/<function>`.
    #[field(name(max = 512), pattern = "[A-Za-z0-9_/.#-]+", replaces)]
    pub name: Option<String>,
    /// Time for which log events are kept, in days; 0 keeps them forever. The class `DELIVERY` keeps them for two days.
    #[field(
        default = 0,
        one_of = [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
        after_create,
        important,
        impact = "a shorter time deletes older log events"
    )]
    pub retention_days: i32,
    /// Key that encrypts new log events. Older events stay encrypted with the earlier key, which must be kept. The key's policy must allow
    /// `logs.<region>.amazonaws.com` to use it.
    #[field(default, important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Class of the group, which determines its price and its features.
    #[field(default, replaces)]
    pub class: LogClass,
    /// Prevents the deletion of the group.
    #[field(default = false, protects_deletion)]
    pub deletion_protection: bool,
    /// Filters that turn log events into values of metrics, by name.
    #[field(default, length = 0..=100, after_create, own_read)]
    pub metric_filters: BTreeMap<String, MetricFilter>,
    /// Filters that send log events to a stream, a function or another account, by name.
    #[field(default, length = 0..=2, after_create, own_read)]
    pub subscription_filters: BTreeMap<String, SubscriptionFilter>,
    /// Data protection policy, which audits and masks sensitive data, in CloudWatch's format; `{}` for none.
    #[field(default, after_create, own_read, impact = "data that was ingested unmasked stays so")]
    pub data_protection: Document,
}

/// Class of a log group.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogClass {
    /// All features.
    #[default]
    Standard,
    /// Cheaper ingestion, without filters and data protection.
    InfrequentAccess,
    /// Only for the delivery of Lambda's logs to other services; two days of retention.
    Delivery,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name, as flow logs, firewalls and tags need it.
    pub arn: String,
    /// The ARN with its log streams, as CloudTrail and IAM policies need it: it ends in `:*`.
    #[schemars(extend("x-acme-determined" = "{arn}:*"))]
    pub streams_arn: String,
}

/// GB of logs in a month.
const GB_INGESTED: UsageKey = UsageKey::new("gb_ingested", "GB of logs in a month");

/// GB stored.
const GB_STORED: UsageKey = UsageKey::new("gb_stored", "GB stored");

impl Resource for LogGroup {
    const TYPE: TypeInfo =
        TypeInfo::new("log_group", &services::cloudwatchlogs::SERVICE, "{name}", "arn:aws:logs:{region}:{account}:log-group:{name}")
            .data_protection(DataProtection::Contents)
            .lost_on_recreation("the log events in it are lost")
            .deletable_while_in_use()
            .without_token()
            .quota(1_000_000, "LimitExceededException")
            .iam_actions(
                IamActions::new("logs:log-group:{name}")
                    .list(&["logs:DescribeLogGroups"])
                    .read(&[
                        "logs:DescribeLogStreams",
                        "logs:DescribeMetricFilters",
                        "logs:DescribeSubscriptionFilters",
                        "logs:GetDataProtectionPolicy",
                        "logs:ListTagsForResource",
                    ])
                    .create(&["logs:CreateLogGroup"])
                    .change(&[
                        "logs:AssociateKmsKey",
                        "logs:DeleteDataProtectionPolicy",
                        "logs:DeleteLogGroup",
                        "logs:DeleteMetricFilter",
                        "logs:DeleteRetentionPolicy",
                        "logs:DeleteSubscriptionFilter",
                        "logs:DisassociateKmsKey",
                        "logs:PutDataProtectionPolicy",
                        "logs:PutLogGroupDeletionProtection",
                        "logs:PutMetricFilter",
                        "logs:PutRetentionPolicy",
                        "logs:PutSubscriptionFilter",
                    ])
                    .grants(&[IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["logs.amazonaws.com"]))]),
            );
    const USAGE: &'static [UsageKey] = &[GB_INGESTED, GB_STORED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let ingested = match self.class {
            LogClass::Standard => "DataProcessing-Bytes",
            LogClass::InfrequentAccess => "DataProcessingIA-Bytes",
            LogClass::Delivery => return Pricing::default().without("logs of the class `delivery`"),
        };
        let product = |family, usage_type| Product::new("AmazonCloudWatch").family(family).usage_type(usage_type);
        Pricing::of(vec![
            context.metered("logs ingested", &GB_INGESTED, "GB", product("Data Payload", ingested)),
            context.metered("logs stored", &GB_STORED, "GB-months", product("Storage Snapshot", "TimedStorage-ByteHrs")),
        ])
    }

    /// Reads the groups with the stack's prefix, and those of the index and of the desired names, 50 a call: an account may have thousands of
    /// others.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let groups = read::groups(aws, scope).await?;
        for_each_concurrent(groups, |group| read::read(aws, scope, group)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.cloudwatchlogs.create_log_group().set_log_group_name(self.name.clone());
        let call = call.log_group_class(to_aws(&self.class).as_str().into()).set_kms_key_id(self.kms_key_arn());
        let call = call.set_deletion_protection_enabled(self.deletion_protection.then_some(true));
        call.set_tags(Some(cx.call.tags.clone().into_iter().collect())).send().await?;
        Ok(self.name.clone().ok_or_else(|| Error::missing_field("logGroupName"))?.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: LogGroupChanges) -> Result<()> {
        let (logs, id) = (&cx.cloudwatchlogs, live.id.as_str());
        if changes.deletion_protection {
            let call = logs.put_log_group_deletion_protection().log_group_identifier(id);
            call.deletion_protection_enabled(self.deletion_protection).send().await?;
        }
        if changes.kms_key {
            match self.kms_key_arn() {
                Some(key) => drop(logs.associate_kms_key().log_group_name(id).kms_key_id(key).send().await?),
                None => drop(logs.disassociate_kms_key().log_group_name(id).send().await?),
            }
        }
        if changes.retention_days {
            match self.retention_days {
                0 => drop(logs.delete_retention_policy().log_group_name(id).send().await?),
                days => drop(logs.put_retention_policy().log_group_name(id).retention_in_days(days).send().await?),
            }
        }
        if changes.metric_filters {
            filter::update_metric_filters(cx, id, &live.spec.metric_filters, &self.metric_filters).await?;
        }
        if changes.subscription_filters {
            filter::update_subscription_filters(cx, id, &live.spec.subscription_filters, &self.subscription_filters).await?;
        }
        if changes.data_protection {
            match self.data_protection.text() {
                Some(policy) => {
                    logs.put_data_protection_policy().log_group_identifier(id).policy_document(policy).send().await?;
                }
                None => drop(ok_or_not_found(logs.delete_data_protection_policy().log_group_identifier(id).send().await)?),
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.cloudwatchlogs.delete_log_group().log_group_name(&live.id).send().await)
    }

    /// The stored bytes lag behind, so the stream with the latest event counts, too.
    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let call = aws.cloudwatchlogs.describe_log_streams().log_group_name(id).order_by(OrderBy::LastEventTime).descending(true).limit(1);
        let Some(latest) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        let has_events = latest.log_streams().iter().any(|stream| stream.last_ingestion_time().is_some());
        let group = read::identified(aws, &[id.to_owned()]).await?.into_iter().find(|group| group.log_group_name() == Some(id));
        let bytes = group.and_then(|group| group.stored_bytes).unwrap_or_default();
        Ok(match bytes {
            1.. => Some(format!("{} kB of log events", (bytes + 999) / 1000)),
            _ => has_events.then(|| "log events".into()),
        })
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// AWS sets the retention of a delivery group.
    fn normalize(&self, live: &mut Self) {
        if live.class == LogClass::Delivery {
            live.retention_days = self.retention_days;
        }
    }
}

impl LogGroup {
    fn kms_key_arn(&self) -> Option<String> {
        self.kms_key.as_ref().map(|key| key.get().to_owned())
    }
}
