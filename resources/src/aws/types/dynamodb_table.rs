//! `dynamodb_table`: a DynamoDB table with its indexes and their scaling.

mod backup;
mod change;
mod check;
mod create;
mod index;
mod price;
mod read;
mod scaling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use backup::PointInTime;
pub use index::{AttributeType, GlobalIndex, Key, LocalIndex, Projection};
pub use scaling::{Capacity, IndexScaling, Scaling};

use super::{kms_key::KmsKey, prelude::*};
use crate::core::{BackupSource, NewestBackup};

/// A DynamoDB table.
#[spec]
pub struct DynamodbTable {
    /// Name, unique in account and region.
    #[field(name(max = 255), pattern = "[A-Za-z0-9_.-]{3,}", replaces)]
    pub name: Option<String>,
    /// Primary key.
    #[field(replaces, important)]
    pub key: Key,
    /// Types of the attributes that are part of the key of the table or of an index, by attribute. Other attributes have no fixed type. A
    /// changed type recreates the indexes with the attribute, and the table if it is part of its own key.
    #[field(length = 1..=100)]
    pub attributes: BTreeMap<String, AttributeType>,
    /// Local secondary indexes by name: they have the table's partition key and another sort key.
    #[field(default, length = 0..=5, replaces)]
    pub local_indexes: BTreeMap<String, LocalIndex>,
    /// Global secondary indexes by name. DynamoDB fills a new index in the background, which takes hours for a large table; acme waits for it.
    /// A changed key or projection recreates the index.
    #[field(default, length = 0..=20, impact = "queries of an index fail until DynamoDB has filled it")]
    pub global_indexes: BTreeMap<String, GlobalIndex>,
    /// Billing by request, or for a provisioned capacity. AWS allows four changes to `on_demand` in 24 hours.
    #[field(default = Billing::OnDemand, important)]
    pub billing: Billing,
    /// Provisioned read capacity, in units; 0 for `billing: on_demand`. With `scaling`, the capacity at first.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub read_capacity: i64,
    /// Provisioned write capacity, in units; 0 for `billing: on_demand`. With `scaling`, the capacity at first.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub write_capacity: i64,
    /// Limit for read requests with `billing: on_demand`, in units per second; 0 for none.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub max_read_units: i64,
    /// Limit for write requests with `billing: on_demand`, in units per second; 0 for none.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub max_write_units: i64,
    /// Reads that the table can serve at once, in units per second. A higher value warms the table up, at a price.
    #[field(unset = "as DynamoDB scales it", range = 1..=2_147_483_647, dropped(kept, "DynamoDB never lowers it"))]
    #[field(one_way(Direction::Increase, "DynamoDB never lowers it"))]
    pub warm_read_units: Option<i64>,
    /// Writes that the table can take at once, in units per second. A higher value warms the table up, at a price.
    #[field(unset = "as DynamoDB scales it", range = 1..=2_147_483_647, dropped(kept, "DynamoDB never lowers it"))]
    #[field(one_way(Direction::Increase, "DynamoDB never lowers it"))]
    pub warm_write_units: Option<i64>,
    /// Scales provisioned capacity with its use. Application Auto Scaling then changes `read_capacity` and `write_capacity` within the limits.
    #[field(unset = "the capacity is fixed", own_read, dropped = None)]
    pub scaling: Option<Scaling>,
    /// Table class: `standard_infrequent_access` has cheaper storage and dearer requests.
    #[field(default = TableClass::Standard)]
    pub table_class: TableClass,
    /// Content of the records of the table's stream.
    #[field(unset = "no stream", dropped = None, impact = "the table gets a new stream; consumers of the old one must move to it")]
    pub stream: Option<StreamView>,
    /// Key that encrypts it.
    #[field(unset = "a key that DynamoDB owns", important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Attribute with the time at which DynamoDB deletes an item, in seconds since 1970. AWS allows one change per hour.
    #[field(unset = "items don't expire", length = 1..=255, dropped = None, important)]
    pub ttl_attribute: Option<String>,
    /// Days for which the table can be restored to any point in time; 0 disables it.
    #[field(default = 35, range = 0..=35, important, risky(0, "the table can't be restored to an earlier time"))]
    pub recovery_days: i32,
    /// Enables deletion protection.
    #[field(default = true, protects_deletion, important, risky(false, "deletion protection is disabled"))]
    pub deletion_protection: bool,
    /// Resource policy for access by other principals; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", own_read, important, dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Keys about which CloudWatch Contributor Insights reports.
    #[field(default = ContributorInsights::Disabled, own_read)]
    pub contributor_insights: ContributorInsights,
    /// ARN of a backup to restore the table from. It is used only at creation: later changes have no effect, so they never lose data. The
    /// table has the backup's items; acme then changes the settings that differ.
    #[field(unset = "created empty", initial_only, dropped(kept, "used only at creation"))]
    #[field(pattern = "arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]+/backup/[0-9a-f-]+")]
    pub snapshot: Option<String>,
    /// Creates the table with the items that another one had. It is used only at creation, like `snapshot`.
    #[field(unset = "created empty", initial_only, conflicts_with = snapshot, dropped(kept, "used only at creation"))]
    pub point_in_time: Option<PointInTime>,
}

/// Billing mode.
#[spec]
#[derive(Copy)]
pub enum Billing {
    /// By request.
    OnDemand,
    /// For the provisioned capacity.
    Provisioned,
}

/// Table class.
#[spec]
#[derive(Copy)]
pub enum TableClass {
    /// Standard.
    Standard,
    /// Standard-Infrequent Access.
    StandardInfrequentAccess,
}

/// Content of a stream's records.
#[spec]
#[derive(Copy)]
pub enum StreamView {
    /// The key of the changed item.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// The item before and after the change.
    NewAndOldImages,
}

/// Keys in the reports of Contributor Insights.
#[spec]
#[derive(Copy)]
pub enum ContributorInsights {
    /// No reports.
    Disabled,
    /// Most accessed, and most throttled keys.
    AccessedAndThrottledKeys,
    /// Most throttled keys.
    ThrottledKeys,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// ARN of the stream, if the table has one.
    #[schemars(extend("x-acme-simulated" = "arn:aws:dynamodb:{region}:{account}:table/{name}/stream/2026-01-01T00:00:00.000"))]
    pub stream_arn: Option<String>,
}

/// Actions of a scaling policy, for which Application Auto Scaling sets alarms with the caller's permissions.
const SCALING: &[&str] = &[
    "application-autoscaling:DeleteScalingPolicy",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:TagResource",
];

impl Resource for DynamodbTable {
    const TYPE: TypeInfo =
        TypeInfo::new("dynamodb_table", &services::dynamodb::SERVICE, "{name}", "arn:aws:dynamodb:{region}:{account}:table/{name}")
            .typical_seconds(20)
            .longest_hours(24)
            .data_protection(DataProtection::Snapshot)
            .restorable()
            .lost_on_recreation("its items are in the final backup, if it left one")
            .deletable_while_in_use()
            .without_token()
            .quota(2500, "LimitExceededException")
            .iam_actions(
                IamActions::new("dynamodb:table/{name}")
                    .list(&["dynamodb:ListTables"])
                    .read(&[
                        "dynamodb:DescribeContinuousBackups",
                        "dynamodb:DescribeContributorInsights",
                        "dynamodb:DescribeTable",
                        "dynamodb:DescribeTimeToLive",
                        "dynamodb:GetResourcePolicy",
                        "dynamodb:ListTagsOfResource",
                    ])
                    .create(&["dynamodb:CreateTable"])
                    .change(&[
                        "dynamodb:CreateBackup",
                        "dynamodb:DeleteResourcePolicy",
                        "dynamodb:DeleteTable",
                        "dynamodb:PutResourcePolicy",
                        "dynamodb:UpdateContinuousBackups",
                        "dynamodb:UpdateContributorInsights",
                        "dynamodb:UpdateTable",
                        "dynamodb:UpdateTimeToLive",
                    ])
                    .questions(&["dynamodb:DescribeBackup"])
                    .grants(&[
                        IamGrant::read(
                            &["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"],
                            GrantTarget::AllResources,
                        ),
                        IamGrant::change(SCALING, GrantTarget::Arn("application-autoscaling:scalable-target/*")),
                        IamGrant::change(
                            &["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"],
                            GrantTarget::Arn("cloudwatch:alarm:TargetTracking-*"),
                        ),
                        IamGrant::change(
                            &["iam:CreateServiceLinkedRole"],
                            GrantTarget::ServiceLinkedRole("dynamodb.application-autoscaling.amazonaws.com"),
                        ),
                        IamGrant::change(&["dynamodb:ListBackups"], GrantTarget::AllResources),
                        // A restored table gets its tags afterwards.
                        IamGrant::change(backup::RESTORE, GrantTarget::Arn("dynamodb:table/{name}"))
                            .needed_for(|| DynamodbTable::POINTERS.snapshot),
                        IamGrant::change(backup::RESTORE, GrantTarget::Arn("dynamodb:table/{name}"))
                            .needed_for(|| DynamodbTable::POINTERS.point_in_time),
                        // The table it is a copy of.
                        IamGrant::change(&["dynamodb:RestoreTableToPointInTime"], GrantTarget::Referenced("dynamodb_table")),
                        IamGrant::change(&["dynamodb:RestoreTableFromBackup"], GrantTarget::NamedByArn("dynamodb")),
                        IamGrant::change(
                            &[
                                "kms:CreateGrant",
                                "kms:Decrypt",
                                "kms:DescribeKey",
                                "kms:Encrypt",
                                "kms:GenerateDataKey",
                                "kms:ReEncryptFrom",
                            ],
                            GrantTarget::Referenced("kms_key"),
                        ),
                    ]),
            );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// The table is not ready for hours if it is restored, so other settings are set once a read shows it.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        match (&self.point_in_time, &self.snapshot) {
            (Some(point), _) => backup::restore_to(self, cx, point).await.map(Created::Id),
            (_, Some(backup)) => backup::restore(self, cx, backup).await.map(Created::Id),
            _ => self.create_empty(cx).await.map(Created::Id),
        }
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DynamodbTableChanges) -> Result<()> {
        self.change(cx, live, changes).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        backup::final_backup(cx, live).await?;
        scaling::apply(cx, &live.id, live.spec.scaling.as_ref(), None).await?;
        Deletion::requested(cx.dynamodb.delete_table().table_name(&live.id).send().await)
    }

    async fn newest_backup(&self, backups: &BackupSource<'_, Aws>, source: &Existing<Self>) -> Result<NewestBackup> {
        backup::newest_backup(self, backups, source).await
    }

    fn deletion_effect(&self) -> Option<String> {
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
        (self.recovery_days > 0).then(|| "AWS keeps a system backup of it for 35 days at no cost".to_owned())
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: DynamodbTableChanges) -> Vec<Problem> {
        check::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// DynamoDB can't change the type of an attribute of its own key, or of a local index.
    fn replaces(&self, live: &Self) -> DynamodbTableChanges {
        let changed =
            |name: &String| live.attributes.get(name).is_some_and(|kind| self.attributes.get(name).is_some_and(|new| new != kind));
        let own = self.key.attributes().chain(self.local_indexes.values().map(|index| &index.sort));
        DynamodbTableChanges { attributes: own.into_iter().any(changed), ..DynamodbTableChanges::default() }
    }

    fn normalize(&self, live: &mut Self) {
        if let Some(scaling) = &self.scaling {
            scaling.keep_scaled(self, live);
        }
        // Capacity that DynamoDB raised counts as desired.
        let raised = |ours: Option<i64>, theirs: &mut Option<i64>| {
            if ours.is_some_and(|ours| theirs.is_some_and(|theirs| theirs > ours)) {
                *theirs = ours;
            }
        };
        raised(self.warm_read_units, &mut live.warm_read_units);
        raised(self.warm_write_units, &mut live.warm_write_units);
        for (name, index) in &mut live.global_indexes {
            if let Some(own) = self.global_indexes.get(name) {
                raised(own.warm_read_units, &mut index.warm_read_units);
                raised(own.warm_write_units, &mut index.warm_write_units);
            }
        }
    }
}
