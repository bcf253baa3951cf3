//! The cloud of a stack: AWS or the simulated cloud. Only this module distinguishes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use crate::{
    aws::{Aws, types::RESOURCE_TYPES},
    core::{
        CallContext, CreatedResource, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, LiveResource, RegionScope, ResourceType, Result,
        STACK_TAG, Scope, TagChange, Tags,
    },
    simulator::Simulator,
};

/// AWS or the simulated cloud.
pub enum Cloud {
    /// AWS, or a stand-in at another endpoint.
    Aws(Box<Aws>),
    /// The simulated cloud.
    Simulated(Box<Simulator>),
}

/// Maximum number of attempts when the simulated cloud throttles.
const MAX_READ_ATTEMPTS: usize = 5;

impl Cloud {
    /// Account of the credentials.
    ///
    /// # Errors
    /// Fails without valid credentials.
    pub async fn account(&self) -> Result<String> {
        match self {
            Cloud::Aws(aws) => aws.account().await,
            Cloud::Simulated(_) => Ok(Simulator::ACCOUNT.to_owned()),
        }
    }

    /// Region in use.
    pub fn region(&self) -> &str {
        match self {
            Cloud::Aws(aws) => &aws.region,
            Cloud::Simulated(local) => local.region(),
        }
    }

    /// Time for which a new resource may stay invisible.
    pub fn visibility_delay(&self) -> Duration {
        match self {
            Cloud::Aws(aws) => aws.visibility_delay,
            Cloud::Simulated(local) => local.read_lag(),
        }
    }

    /// Time for which a new resource of this type may stay invisible to reads.
    pub fn visibility_delay_of(&self, kind: &ResourceType) -> Duration {
        match self {
            Cloud::Aws(aws) => aws.visibility_delay_of(kind),
            Cloud::Simulated(local) => local.read_lag(),
        }
    }

    /// ARN → tags of the stack's resources, for types with a [`crate::core::TypeInfo::index_filter`]. The tagging API lags behind.
    ///
    /// # Errors
    /// Returns errors of the tagging API.
    pub async fn tag_index(&self, stack: &str, environment: &str) -> Result<BTreeMap<String, Tags>> {
        let Cloud::Aws(aws) = self else { return Ok(BTreeMap::new()) };
        let filter = |key: &str, value: &str| aws_sdk_resourcegroupstagging::types::TagFilter::builder().key(key).values(value).build();
        // A filter is a service with or without a type: `rds:db`, `s3`.
        let types = |wanted: fn(&ResourceType) -> bool| -> BTreeSet<String> {
            let kinds = RESOURCE_TYPES.iter().filter(|kind| wanted(kind));
            kinds.filter_map(|kind| kind.index_filter()).collect()
        };
        // Other resources in the region of global services belong to the stack in that region.
        let global = aws.tagging_global.as_ref().map(|tagging| (tagging, types(|kind| kind.region == RegionScope::Global)));
        let mut index = BTreeMap::new();
        for (tagging, types) in [(&aws.tagging, types(|_| true))].into_iter().chain(global) {
            let call = tagging.get_resources().tag_filters(filter(STACK_TAG, stack)).tag_filters(filter(ENVIRONMENT_TAG, environment));
            let types = Some(types.into_iter().collect());
            let mut pages = call.set_resource_type_filters(types).resources_per_page(100).into_paginator().send();
            while let Some(page) = pages.next().await {
                for resource in page?.resource_tag_mapping_list.unwrap_or_default() {
                    let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
                    index.extend(resource.resource_arn.map(|arn| (arn, tags)));
                }
            }
        }
        Ok(index)
    }

    /// See [`crate::core::Resource::list`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn list(&self, kind: &'static ResourceType, scope: &Scope) -> Result<Vec<LiveResource>> {
        match self {
            Cloud::Aws(aws) => kind.operations.list(&**aws, scope).await,
            Cloud::Simulated(local) => {
                // Like the SDK, retries throttled reads silently.
                for _ in 1..MAX_READ_ATTEMPTS {
                    match local.list(kind, scope).await {
                        Err(error) if error.kind == ErrorKind::Throttled => tokio::time::sleep(Duration::from_millis(20)).await,
                        ended => return ended,
                    }
                }
                local.list(kind, scope).await
            }
        }
    }

    /// See [`crate::core::Resource::create`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn create(&self, kind: &'static ResourceType, call: &CallContext, spec: &Value) -> Result<CreatedResource> {
        match self {
            Cloud::Aws(aws) => kind.operations.create(&**aws, call, spec).await,
            Cloud::Simulated(local) => local.create(kind, call, spec).await.map(CreatedResource::Id),
        }
    }

    /// See [`crate::core::Resource::update`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn update(
        &self,
        kind: &'static ResourceType,
        call: &CallContext,
        live: &LiveResource,
        spec: &Value,
        pointers: &[String],
    ) -> Result<()> {
        match self {
            Cloud::Aws(aws) => kind.operations.update(&**aws, call, live, spec, pointers).await,
            Cloud::Simulated(local) => local.update(kind, &live.id, spec, pointers).await,
        }
    }

    /// See [`crate::core::Resource::finish_creation`].
    ///
    /// # Errors
    /// What the service answers.
    pub async fn finish_creation(
        &self,
        kind: &'static ResourceType,
        call: &CallContext,
        created: &LiveResource,
        spec: &Value,
        pointers: &[String],
    ) -> Result<CreatedResource> {
        match self {
            Cloud::Aws(aws) => kind.operations.finish_creation(&**aws, call, created, spec, pointers).await,
            Cloud::Simulated(local) => {
                local.update(kind, &created.id, spec, pointers).await.map(|()| CreatedResource::Id(created.id.clone()))
            }
        }
    }

    /// Changes the tags of a live resource from `before` to `after`.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn retag(&self, kind: &'static ResourceType, id: &str, arn: Option<&str>, before: &Tags, after: &Tags) -> Result<()> {
        match self {
            Cloud::Aws(aws) => kind.operations.retag(&**aws, &TagChange::new(id, arn, before, after)).await,
            Cloud::Simulated(local) => local.retag(kind, id, after).await,
        }
    }

    /// See [`crate::core::Resource::delete`].
    ///
    /// # Errors
    /// Returns errors of the service, including "not found".
    pub async fn delete(&self, kind: &'static ResourceType, call: &CallContext, live: &LiveResource) -> Result<Deletion> {
        match self {
            Cloud::Aws(aws) => kind.operations.delete(&**aws, call, live).await,
            Cloud::Simulated(local) => local.delete(kind, &live.id).await.map(|()| Deletion::Requested),
        }
    }

    /// See [`crate::core::Resource::contents`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn contents(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<String>, Error> {
        match self {
            Cloud::Aws(aws) => kind.operations.contents(&**aws, &live.id).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::explain`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn explain(&self, kind: &'static ResourceType, id: &str) -> Result<Option<String>> {
        match self {
            Cloud::Aws(aws) => kind.operations.explain(&**aws, id).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::blockers`]. The simulated cloud has no resources outside acme.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn blockers(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<String>> {
        match self {
            Cloud::Aws(aws) => kind.operations.blockers(&**aws, live).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }
}
