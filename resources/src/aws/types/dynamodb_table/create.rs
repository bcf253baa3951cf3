//! Creates an empty table.

use aws_sdk_dynamodb::types::{BillingMode, SseSpecification, SseType, StreamSpecification, StreamViewType};

use super::{super::prelude::*, Billing, DynamodbTable, StreamView, TableClass, index};
use crate::aws::to_aws;

impl DynamodbTable {
    pub(super) async fn create_empty(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.dynamodb.create_table().set_table_name(self.name.clone()).set_key_schema(Some(self.key.to_sdk()?));
        let call = call.set_attribute_definitions(Some(self.definitions(self.global_indexes.values())?));
        let local = self.local_indexes.iter().map(|(name, index)| index.to_sdk(name, &self.key.partition)).collect::<Result<Vec<_>>>()?;
        let global = self.global_indexes.iter().map(|(name, index)| index.to_sdk(name)).collect::<Result<Vec<_>>>()?;
        // DynamoDB rejects empty lists.
        let call = call.set_local_secondary_indexes(Some(local).filter(|all| !all.is_empty()));
        let call = call.set_global_secondary_indexes(Some(global).filter(|all| !all.is_empty()));
        let call = call.billing_mode(self.billing.to_sdk());
        let call = call.set_provisioned_throughput(index::provisioned(self.read_capacity, self.write_capacity)?);
        let has_limits = self.max_read_units > 0 || self.max_write_units > 0;
        let call = call.set_on_demand_throughput(has_limits.then(|| index::on_demand_limits(self.max_read_units, self.max_write_units)));
        let call = call.set_warm_throughput(index::warm(self.warm_read_units, self.warm_write_units));
        let call = call.set_stream_specification(self.stream.map(StreamView::to_sdk).transpose()?);
        let call = call.set_sse_specification(self.kms_key.as_ref().map(|key| encryption(Some(key.get()))));
        let call = call.table_class(self.table_class.to_sdk()).deletion_protection_enabled(self.deletion_protection);
        let call = call.set_resource_policy(self.policy.as_ref().filter(|policy| !policy.is_empty()).map(Policy::to_json));
        let reply = call.set_tags(Some(services::dynamodb::to_tags(&cx.call.tags))).send().await?;
        reply.table_description.and_then(|table| table.table_name).ok_or_else(|| Error::missing_field("TableName"))
    }
}

impl Billing {
    pub(super) fn to_sdk(self) -> BillingMode {
        match self {
            Billing::OnDemand => BillingMode::PayPerRequest,
            Billing::Provisioned => BillingMode::Provisioned,
        }
    }
}

impl TableClass {
    pub(super) fn to_sdk(self) -> aws_sdk_dynamodb::types::TableClass {
        to_aws(&self).to_ascii_uppercase().as_str().into()
    }
}

impl StreamView {
    pub(super) fn to_sdk(self) -> Result<StreamSpecification> {
        let view = StreamViewType::from(to_aws(&self).to_ascii_uppercase().as_str());
        Ok(StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build()?)
    }
}

/// Encryption with a key, or with one that DynamoDB owns.
pub(super) fn encryption(key: Option<&str>) -> SseSpecification {
    let encryption = SseSpecification::builder().enabled(key.is_some());
    match key {
        Some(key) => encryption.sse_type(SseType::Kms).kms_master_key_id(key).build(),
        None => encryption.build(),
    }
}
