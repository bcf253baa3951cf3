//! Keys and indexes of a table.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{self as sdk, KeySchemaElement, KeyType, ProjectionType};

use super::{super::prelude::*, DynamodbTable};

/// Key of a table or an index.
#[spec]
#[derive(PartialEq)]
pub struct Key {
    /// Attribute by which items are distributed.
    #[field(length = 1..=255)]
    pub partition: String,
    /// Attribute by which items of a partition are sorted.
    #[field(unset = "none", length = 1..=255, dropped = None)]
    pub sort: Option<String>,
}

/// Type of an attribute.
#[spec]
#[derive(Copy)]
pub enum AttributeType {
    /// Text.
    String,
    /// Number.
    Number,
    /// Bytes.
    Binary,
}

/// Attributes that an index contains besides the keys.
#[spec]
#[derive(Copy)]
pub enum Projection {
    /// All.
    All,
    /// None.
    KeysOnly,
    /// Those in `include`.
    Include,
}

/// A local secondary index.
#[spec]
pub struct LocalIndex {
    /// Attribute by which its items are sorted.
    #[field(length = 1..=255)]
    pub sort: String,
    /// Attributes that it contains besides the keys.
    #[field(default = Projection::All)]
    pub projection: Projection,
    /// Attributes that it contains besides the keys, with `projection: include`.
    #[field(default, length = 0..=100)]
    pub include: BTreeSet<String>,
}

/// A global secondary index.
#[spec]
pub struct GlobalIndex {
    /// Its key.
    pub key: Key,
    /// Attributes that it contains besides the keys.
    #[field(default = Projection::All)]
    pub projection: Projection,
    /// Attributes that it contains besides the keys, with `projection: include`.
    #[field(default, length = 0..=100)]
    pub include: BTreeSet<String>,
    /// Provisioned read capacity, in units; 0 for `billing: on_demand`.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub read_capacity: i64,
    /// Provisioned write capacity, in units; 0 for `billing: on_demand`.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub write_capacity: i64,
    /// Limit for read requests with `billing: on_demand`, in units per second; 0 for none.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub max_read_units: i64,
    /// Limit for write requests with `billing: on_demand`, in units per second; 0 for none.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub max_write_units: i64,
    /// Reads that the index can serve at once, in units per second.
    #[field(unset = "as DynamoDB scales it", range = 1..=2_147_483_647, dropped(kept, "DynamoDB never lowers it"))]
    pub warm_read_units: Option<i64>,
    /// Writes that the index can take at once, in units per second.
    #[field(unset = "as DynamoDB scales it", range = 1..=2_147_483_647, dropped(kept, "DynamoDB never lowers it"))]
    pub warm_write_units: Option<i64>,
}

impl Key {
    /// Its attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &String> {
        [&self.partition].into_iter().chain(&self.sort)
    }

    /// In the shape of the SDK.
    pub(super) fn to_sdk(&self) -> Result<Vec<KeySchemaElement>> {
        schema(&self.partition, self.sort.as_deref())
    }

    /// The reverse of [`Key::to_sdk`].
    pub(super) fn from_sdk(elements: &[KeySchemaElement]) -> Key {
        let of = |kind| elements.iter().find(|element| element.key_type == kind).map(|element| element.attribute_name.clone());
        Key { partition: of(KeyType::Hash).unwrap_or_default(), sort: of(KeyType::Range) }
    }
}

fn schema(partition: &str, sort: Option<&str>) -> Result<Vec<KeySchemaElement>> {
    let parts = [(Some(partition), KeyType::Hash), (sort, KeyType::Range)].into_iter();
    let parts = parts.filter_map(|(name, kind)| Some(KeySchemaElement::builder().attribute_name(name?).key_type(kind).build()));
    Ok(parts.collect::<Result<_, _>>()?)
}

fn to_sdk_projection(projection: Projection, include: &BTreeSet<String>) -> sdk::Projection {
    let kind = match projection {
        Projection::All => ProjectionType::All,
        Projection::KeysOnly => ProjectionType::KeysOnly,
        Projection::Include => ProjectionType::Include,
    };
    let include = (projection == Projection::Include).then(|| include.iter().cloned().collect());
    sdk::Projection::builder().projection_type(kind).set_non_key_attributes(include).build()
}

/// Projection and included attributes, as DynamoDB reports them.
fn from_sdk_projection(projection: Option<&sdk::Projection>) -> (Projection, BTreeSet<String>) {
    let kind = match projection.and_then(sdk::Projection::projection_type) {
        Some(ProjectionType::KeysOnly) => Projection::KeysOnly,
        Some(ProjectionType::Include) => Projection::Include,
        _ => Projection::All,
    };
    (kind, projection.map(|projection| projection.non_key_attributes().iter().cloned().collect()).unwrap_or_default())
}

/// Provisioned capacity; none for billing by request.
pub(super) fn provisioned(read: i64, write: i64) -> Result<Option<sdk::ProvisionedThroughput>> {
    if read == 0 && write == 0 {
        return Ok(None);
    }
    Ok(Some(sdk::ProvisionedThroughput::builder().read_capacity_units(read).write_capacity_units(write).build()?))
}

/// Limits of billing by request. `-1` removes one.
pub(super) fn on_demand_limits(read: i64, write: i64) -> sdk::OnDemandThroughput {
    let limit = |units: i64| if units == 0 { -1 } else { units };
    sdk::OnDemandThroughput::builder().max_read_request_units(limit(read)).max_write_request_units(limit(write)).build()
}

/// Warm throughput, if any is asked for.
pub(super) fn warm(read: Option<i64>, write: Option<i64>) -> Option<sdk::WarmThroughput> {
    let both = sdk::WarmThroughput::builder().set_read_units_per_second(read).set_write_units_per_second(write).build();
    (read.is_some() || write.is_some()).then_some(both)
}

/// A limit as DynamoDB reports it.
pub(super) fn limit(units: Option<i64>) -> i64 {
    units.filter(|units| *units > 0).unwrap_or_default()
}

impl LocalIndex {
    pub(super) fn to_sdk(&self, name: &str, partition: &str) -> Result<sdk::LocalSecondaryIndex> {
        let projection = to_sdk_projection(self.projection, &self.include);
        let index = sdk::LocalSecondaryIndex::builder().index_name(name).set_key_schema(Some(schema(partition, Some(&self.sort))?));
        Ok(index.projection(projection).build()?)
    }

    pub(super) fn from_sdk(index: &sdk::LocalSecondaryIndexDescription) -> LocalIndex {
        let (projection, include) = from_sdk_projection(index.projection());
        LocalIndex { sort: Key::from_sdk(index.key_schema()).sort.unwrap_or_default(), projection, include }
    }
}

impl GlobalIndex {
    fn has_limits(&self) -> bool {
        self.max_read_units > 0 || self.max_write_units > 0
    }

    pub(super) fn to_sdk(&self, name: &str) -> Result<sdk::GlobalSecondaryIndex> {
        let index = sdk::GlobalSecondaryIndex::builder().index_name(name).set_key_schema(Some(self.key.to_sdk()?));
        let index = index.projection(to_sdk_projection(self.projection, &self.include));
        let index = index.set_provisioned_throughput(provisioned(self.read_capacity, self.write_capacity)?);
        let limits = self.has_limits().then(|| on_demand_limits(self.max_read_units, self.max_write_units));
        Ok(index.set_on_demand_throughput(limits).set_warm_throughput(warm(self.warm_read_units, self.warm_write_units)).build()?)
    }

    pub(super) fn to_sdk_action(&self, name: &str) -> Result<sdk::CreateGlobalSecondaryIndexAction> {
        let sdk = self.to_sdk(name)?;
        let action = sdk::CreateGlobalSecondaryIndexAction::builder().index_name(name).set_key_schema(Some(sdk.key_schema));
        let action = action.set_projection(sdk.projection).set_provisioned_throughput(sdk.provisioned_throughput);
        Ok(action.set_on_demand_throughput(sdk.on_demand_throughput).set_warm_throughput(sdk.warm_throughput).build()?)
    }

    pub(super) fn from_sdk(index: &sdk::GlobalSecondaryIndexDescription, billing: super::Billing) -> GlobalIndex {
        let (projection, include) = from_sdk_projection(index.projection());
        let is_provisioned = billing == super::Billing::Provisioned;
        let capacity = index.provisioned_throughput().filter(|_| is_provisioned);
        let limits = index.on_demand_throughput().filter(|_| !is_provisioned);
        let warm = index.warm_throughput();
        GlobalIndex {
            key: Key::from_sdk(index.key_schema()),
            projection,
            include,
            read_capacity: capacity.and_then(|capacity| capacity.read_capacity_units).unwrap_or_default(),
            write_capacity: capacity.and_then(|capacity| capacity.write_capacity_units).unwrap_or_default(),
            max_read_units: limit(limits.and_then(|limits| limits.max_read_request_units)),
            max_write_units: limit(limits.and_then(|limits| limits.max_write_request_units)),
            warm_read_units: warm.and_then(|warm| warm.read_units_per_second),
            warm_write_units: warm.and_then(|warm| warm.write_units_per_second),
        }
    }

    /// Whether DynamoDB can turn one into the other only by creating it again. `changed` tells whether the type of an attribute changed.
    pub(super) fn is_another(&self, other: &GlobalIndex, changed: impl Fn(&String) -> bool) -> bool {
        self.key != other.key || self.projection != other.projection || self.include != other.include || self.key.attributes().any(changed)
    }
}

impl DynamodbTable {
    /// Attributes of its own key and of its local indexes.
    fn own_attributes(&self) -> impl Iterator<Item = &String> {
        self.key.attributes().chain(self.local_indexes.values().map(|index| &index.sort))
    }

    /// Attributes of all keys.
    pub(super) fn key_attributes(&self) -> BTreeSet<&String> {
        self.own_attributes().chain(self.global_indexes.values().flat_map(|index| index.key.attributes())).collect()
    }

    /// Definitions of the attributes of its own key, of its local indexes, and of these global ones: DynamoDB rejects others.
    pub(super) fn definitions<'a>(&'a self, indexes: impl Iterator<Item = &'a GlobalIndex>) -> Result<Vec<sdk::AttributeDefinition>> {
        let names: BTreeSet<&String> = self.own_attributes().chain(indexes.flat_map(|index| index.key.attributes())).collect();
        let definition = |name: &String| {
            let kind = match self.attributes.get(name) {
                Some(AttributeType::Number) => sdk::ScalarAttributeType::N,
                Some(AttributeType::Binary) => sdk::ScalarAttributeType::B,
                Some(AttributeType::String) | None => sdk::ScalarAttributeType::S,
            };
            sdk::AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
        };
        Ok(names.into_iter().map(definition).collect::<Result<_, _>>()?)
    }
}

/// Attribute types as DynamoDB reports them.
pub(super) fn attribute_types(definitions: &[sdk::AttributeDefinition]) -> BTreeMap<String, AttributeType> {
    let kind = |kind: &sdk::ScalarAttributeType| match kind {
        sdk::ScalarAttributeType::N => AttributeType::Number,
        sdk::ScalarAttributeType::B => AttributeType::Binary,
        _ => AttributeType::String,
    };
    definitions.iter().map(|one| (one.attribute_name.clone(), kind(&one.attribute_type))).collect()
}
