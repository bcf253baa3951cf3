//! Changes a table: DynamoDB makes one change of the table at a time.

use aws_sdk_dynamodb::{
    operation::update_table::builders::UpdateTableFluentBuilder,
    types::{
        ContributorInsightsAction, ContributorInsightsMode, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
        PointInTimeRecoverySpecification, StreamSpecification, TimeToLiveSpecification, UpdateGlobalSecondaryIndexAction,
    },
};

use super::{
    super::prelude::*, Billing, ContributorInsights, DynamodbTable, DynamodbTableChanges, GlobalIndex, StreamView, create::encryption,
    index, scaling,
};
use crate::aws::to_aws;

impl DynamodbTable {
    /// Makes the next call that changes the table itself. The engine waits until the table is ready again, and asks for the rest.
    pub(super) async fn change(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DynamodbTableChanges) -> Result<()> {
        let before = &live.spec;
        // A table billed by request has no scaling.
        if changes.scaling && changes.billing && self.billing == Billing::OnDemand {
            scaling::apply(cx, &live.id, before.scaling.as_ref(), None).await?;
        }
        if let Some(call) = self.next_change(cx, live, changes)? {
            call.send().await?;
            return Ok(());
        }
        let table = live.id.as_str();
        if changes.recovery_days {
            let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(self.recovery_days > 0);
            let recovery = recovery.set_recovery_period_in_days(Some(self.recovery_days).filter(|days| *days > 0)).build()?;
            cx.dynamodb.update_continuous_backups().table_name(table).point_in_time_recovery_specification(recovery).send().await?;
        }
        if changes.policy {
            self.set_policy(cx, live).await?;
        }
        if changes.contributor_insights {
            let call = cx.dynamodb.update_contributor_insights().table_name(table);
            let mode = ContributorInsightsMode::from(to_aws(&self.contributor_insights).to_ascii_uppercase().as_str());
            let call = match self.contributor_insights {
                ContributorInsights::Disabled => call.contributor_insights_action(ContributorInsightsAction::Disable),
                _ => call.contributor_insights_action(ContributorInsightsAction::Enable).contributor_insights_mode(mode),
            };
            call.send().await?;
        }
        if changes.scaling {
            scaling::apply(cx, table, before.scaling.as_ref(), self.scaling.as_ref()).await?;
        }
        // Last, because AWS refuses a second change within an hour, such as that of a rollback.
        if let Some(attribute) = self.ttl_attribute.as_ref().or(before.ttl_attribute.as_ref()).filter(|_| changes.ttl_attribute) {
            let ttl = TimeToLiveSpecification::builder().enabled(self.ttl_attribute.is_some()).attribute_name(attribute).build()?;
            cx.dynamodb.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await?;
        }
        Ok(())
    }

    async fn set_policy(&self, cx: &Cx<'_>, live: &Existing<Self>) -> Result<()> {
        let Some(policy) = &self.policy else { return Ok(()) };
        let table = cx.dynamodb.describe_table().table_name(&live.id).send().await?.table;
        let arn = table.and_then(|table| table.table_arn).ok_or_else(|| Error::missing_field("TableArn"))?;
        if policy.is_empty() {
            ok_or_not_found(cx.dynamodb.delete_resource_policy().resource_arn(arn).send().await)?;
        } else {
            cx.dynamodb.put_resource_policy().resource_arn(arn).policy(policy.to_json()).send().await?;
        }
        Ok(())
    }

    /// The call for the first of these changes: protection, indexes that leave, billing and capacity, new indexes, and then the others.
    fn next_change(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DynamodbTableChanges) -> Result<Option<UpdateTableFluentBuilder>> {
        let before = &live.spec;
        let call = || cx.dynamodb.update_table().table_name(&live.id);
        if changes.deletion_protection {
            return Ok(Some(call().deletion_protection_enabled(self.deletion_protection)));
        }
        if let Some(leaving) = self.leaving_index(before) {
            let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(leaving).build()?;
            return Ok(Some(call().global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().delete(delete).build())));
        }
        if changes.billing || self.differs_in_capacity(before) {
            return self.with_capacity(call(), before).map(Some);
        }
        if let Some((name, index)) = self.global_indexes.iter().find(|(name, _)| !before.global_indexes.contains_key(*name)) {
            let there = self.global_indexes.iter().filter(|(name, _)| before.global_indexes.contains_key(*name)).map(|(_, index)| index);
            let definitions = self.definitions(there.chain([index]))?;
            let create = GlobalSecondaryIndexUpdate::builder().create(index.to_sdk_action(name)?).build();
            return Ok(Some(call().set_attribute_definitions(Some(definitions)).global_secondary_index_updates(create)));
        }
        if changes.stream {
            // DynamoDB replaces a stream only by another one.
            let stream = match self.stream.filter(|_| before.stream.is_none()).map(StreamView::to_sdk) {
                Some(stream) => stream?,
                None => StreamSpecification::builder().stream_enabled(false).build()?,
            };
            return Ok(Some(call().stream_specification(stream)));
        }
        if changes.kms_key {
            return Ok(Some(call().sse_specification(encryption(self.kms_key.as_ref().map(|key| key.get())))));
        }
        if changes.table_class {
            return Ok(Some(call().table_class(self.table_class.to_sdk())));
        }
        self.with_warm_throughput(call(), before, changes)
    }

    /// Name of an index that the table no longer has, or that DynamoDB must create again.
    fn leaving_index<'a>(&self, before: &'a DynamodbTable) -> Option<&'a String> {
        let changed = |name: &String| self.attributes.get(name) != before.attributes.get(name);
        let leaves = |(name, old): &(&String, &GlobalIndex)| self.global_indexes.get(*name).is_none_or(|new| new.is_another(old, changed));
        before.global_indexes.iter().find(leaves).map(|(name, _)| name)
    }

    /// Indexes before and after, of those that are there.
    fn kept_indexes<'a>(&'a self, before: &'a DynamodbTable) -> impl Iterator<Item = (&'a String, &'a GlobalIndex, &'a GlobalIndex)> {
        self.global_indexes.iter().filter_map(|(name, new)| Some((name, before.global_indexes.get(name)?, new)))
    }

    fn differs_in_capacity(&self, before: &DynamodbTable) -> bool {
        let own = |table: &DynamodbTable| [table.read_capacity, table.write_capacity, table.max_read_units, table.max_write_units];
        let of = |index: &GlobalIndex| [index.read_capacity, index.write_capacity, index.max_read_units, index.max_write_units];
        own(self) != own(before) || self.kept_indexes(before).any(|(_, old, new)| of(old) != of(new))
    }

    /// Billing and capacity in one call: a table that gets provisioned capacity needs that of every index, too. DynamoDB rejects a capacity
    /// that does not change.
    fn with_capacity(&self, call: UpdateTableFluentBuilder, before: &DynamodbTable) -> Result<UpdateTableFluentBuilder> {
        let switched = self.billing != before.billing;
        let mut call = if switched { call.billing_mode(self.billing.to_sdk()) } else { call };
        if self.billing == Billing::Provisioned {
            if (self.read_capacity, self.write_capacity) != (before.read_capacity, before.write_capacity) {
                call = call.set_provisioned_throughput(index::provisioned(self.read_capacity, self.write_capacity)?);
            }
        } else if (self.max_read_units, self.max_write_units) != (before.max_read_units, before.max_write_units) {
            call = call.on_demand_throughput(index::on_demand_limits(self.max_read_units, self.max_write_units));
        }
        for (name, old, new) in self.kept_indexes(before) {
            let action = UpdateGlobalSecondaryIndexAction::builder().index_name(name);
            let action = if self.billing == Billing::Provisioned {
                let same = (old.read_capacity, old.write_capacity) == (new.read_capacity, new.write_capacity);
                index::provisioned(new.read_capacity, new.write_capacity)?.filter(|_| !same).map(|both| action.provisioned_throughput(both))
            } else {
                let same = (old.max_read_units, old.max_write_units) == (new.max_read_units, new.max_write_units);
                (!same).then(|| action.on_demand_throughput(index::on_demand_limits(new.max_read_units, new.max_write_units)))
            };
            if let Some(action) = action {
                call = call.global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().update(action.build()?).build());
            }
        }
        Ok(call)
    }

    fn with_warm_throughput(
        &self,
        call: UpdateTableFluentBuilder,
        before: &DynamodbTable,
        changes: DynamodbTableChanges,
    ) -> Result<Option<UpdateTableFluentBuilder>> {
        let own = index::warm(self.warm_read_units, self.warm_write_units).filter(|_| changes.warm_read_units || changes.warm_write_units);
        let mut due = own.is_some();
        let mut call = call.set_warm_throughput(own);
        for (name, old, new) in self.kept_indexes(before) {
            let rises = |new: Option<i64>, old: Option<i64>| new.is_some() && new != old;
            if rises(new.warm_read_units, old.warm_read_units) || rises(new.warm_write_units, old.warm_write_units) {
                let warm = index::warm(new.warm_read_units, new.warm_write_units);
                let action = UpdateGlobalSecondaryIndexAction::builder().index_name(name).set_warm_throughput(warm).build()?;
                call = call.global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().update(action).build());
                due = true;
            }
        }
        Ok(due.then_some(call))
    }
}
