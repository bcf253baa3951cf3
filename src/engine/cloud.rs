//! The cloud of a stack: AWS or the simulated cloud. Only this module distinguishes them.

mod questions;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;

use crate::{
    aws::{
        self, Aws, global_region,
        images::{self, ImageQuery, ImageSearch},
        services::{
            self,
            cloudformation::{self, StackResource},
        },
        types::RESOURCE_TYPES,
    },
    core::{
        ADDRESS_TAG, BackupSource, CallContext, CreatedResource, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, ExchangeTarget, GateReport,
        GateSource, IndexFilter, LeftoverRequest, Leftovers, LiveResource, NewestBackup, Phase, PlannedSpecs, Prerequisite, REGION_TAG,
        ResourceType, Result, STACK_TAG, Scope, Shared, SimulatedFacts, TagChange, Tags, is_account_id,
    },
    kubernetes::Kubernetes,
    simulator::Simulator,
};

/// AWS or the simulated cloud.
pub enum Cloud {
    /// AWS, or a stand-in at another endpoint.
    Aws(Arc<Aws>),
    /// The simulated cloud.
    Simulated(Box<Simulator>),
}

/// A stack and environment with resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaggedStack {
    /// Name of the stack.
    pub stack: String,
    /// Name of the environment.
    pub environment: String,
    /// Region of the stack to which global resources belong, if it is another one than that of the session.
    pub region: Option<String>,
    /// Account in the ARNs, if they have one.
    pub account: Option<String>,
}

/// ARN → tags, by region; `None` is the stack's.
pub type RegionIndexes = BTreeMap<Option<String>, Shared<BTreeMap<String, Tags>>>;

/// Maximum number of attempts when the simulated cloud throttles: as many as the SDK's. One call in three is throttled in the tests, and the
/// types are listed at the same time, so fewer would not suffice for all of them.
const MAX_READ_ATTEMPTS: usize = 10;

impl Cloud {
    /// Account of the credentials.
    ///
    /// # Errors
    /// Fails without valid credentials.
    pub async fn account(&self) -> Result<String> {
        match self {
            Cloud::Aws(aws) => aws.account().await,
            Cloud::Simulated(local) => Ok(local.account().to_owned()),
        }
    }

    /// Clusters of the region; `None` in the simulated cloud, whose clusters have no Kubernetes API.
    pub fn kubernetes(&self) -> Option<&Kubernetes> {
        match self {
            Cloud::Aws(aws) => Some(&aws.kubernetes),
            Cloud::Simulated(_) => None,
        }
    }

    /// Region of the stack.
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

    /// Time for which reads of this type may show the state before an accepted change.
    pub fn update_lag_of(&self, kind: &ResourceType) -> Duration {
        match self {
            Cloud::Aws(aws) => aws.update_lag_of(kind),
            Cloud::Simulated(local) => local.read_lag() + aws::EXTRA_UPDATE_LAG,
        }
    }

    /// Time for which a run waits for a person, if it does not depend on the type.
    pub fn wait_for_person(&self) -> Option<Duration> {
        match self {
            Cloud::Aws(_) => None,
            Cloud::Simulated(_) => Some(Simulator::WAIT_FOR_PERSON),
        }
    }

    /// Time for which conditions on the tags of a new resource may not hold yet. The simulated cloud has no permissions.
    pub fn tag_condition_delay(&self) -> Duration {
        match self {
            Cloud::Aws(aws) => aws.tag_condition_delay(),
            Cloud::Simulated(_) => Duration::ZERO,
        }
    }

    /// ARN → tags of the stack's resources, for types with a [`crate::core::TypeInfo::index_filter`], in the stack's region (`None`), where
    /// global resources are included, and in `others`; one call per region. The tagging API lags behind.
    ///
    /// # Errors
    /// Returns errors of the tagging API.
    pub async fn tag_index(&self, stack: &str, environment: &str, regions: &BTreeSet<Option<String>>) -> Result<RegionIndexes> {
        let Cloud::Aws(aws) = self else { return Ok(regions.iter().map(|region| (region.clone(), Shared::default())).collect()) };
        // Global resources are in the index of one region, where other resources belong to that region.
        let global = Some(global_region(&aws.region).to_owned()).filter(|region| *region != aws.region);
        let all: BTreeSet<&Option<String>> = regions.iter().chain(regions.contains(&None).then_some(&global)).collect();
        let mut indexes = RegionIndexes::new();
        for region in all {
            let has_global = *region == global;
            let is_wanted = |kind: &ResourceType| {
                region.is_none() || (has_global && kind.is_global()) || (regions.contains(region) && !kind.is_global())
            };
            let found = self.regional_tag_index(aws, stack, environment, region.as_deref(), &is_wanted).await?;
            for (arn, tags) in found {
                let is_global = has_global && RESOURCE_TYPES.iter().any(|kind| kind.is_global() && kind.matches_arn(&arn));
                indexes.entry(if is_global { None } else { region.clone() }).or_default().insert(arn, tags);
            }
        }
        Ok(regions.iter().map(|region| (region.clone(), indexes.remove(region).unwrap_or_default())).collect())
    }

    async fn regional_tag_index(
        &self,
        aws: &Arc<Aws>,
        stack: &str,
        environment: &str,
        region: Option<&str>,
        is_wanted: &impl Fn(&ResourceType) -> bool,
    ) -> Result<BTreeMap<String, Tags>> {
        let filter = |key: &str, value: &str| aws_sdk_resourcegroupstagging::types::TagFilter::builder().key(key).values(value).build();
        let aws = aws.in_region(region);
        let call = aws.tagging.get_resources().tag_filters(filter(STACK_TAG, stack)).tag_filters(filter(ENVIRONMENT_TAG, environment));
        // A filter is a service with or without a type: `rds:db`, `s3`.
        let mut types = Some(BTreeSet::new());
        for kind in RESOURCE_TYPES.iter().filter(|kind| is_wanted(kind)) {
            match kind.index_filter() {
                IndexFilter::None => {}
                IndexFilter::Part(part) => types.iter_mut().for_each(|types| {
                    types.insert(part.clone());
                }),
                IndexFilter::All => types = None,
            }
        }
        let types = types.map(|types| types.into_iter().collect());
        let mut pages = call.set_resource_type_filters(types).resources_per_page(100).into_paginator().send();
        let mut index = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for resource in page?.resource_tag_mapping_list.unwrap_or_default() {
                let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
                index.extend(resource.resource_arn.map(|arn| (arn, tags)));
            }
        }
        Ok(index)
    }

    /// Stacks with resources in the region of the session or with global ones, with the number of those that the tagging API knows.
    ///
    /// # Errors
    /// Returns errors of the tagging API.
    pub async fn tagged_stacks(&self) -> Result<BTreeMap<TaggedStack, usize>> {
        let mut counts = BTreeMap::new();
        let mut count = |tags: &Tags, arn: Option<&str>| {
            let (Some(stack), Some(environment)) = (tags.get(STACK_TAG), tags.get(ENVIRONMENT_TAG)) else { return };
            // Only global resources have the tag.
            let region = tags.get(REGION_TAG).filter(|region| *region != self.region()).cloned();
            let account = arn.and_then(|arn| arn.split(':').nth(4)).filter(|part| is_account_id(part)).map(str::to_owned);
            let found = TaggedStack { stack: stack.clone(), environment: environment.clone(), region, account };
            *counts.entry(found).or_default() += 1;
        };
        match self {
            Cloud::Aws(aws) => {
                let filter = aws_sdk_resourcegroupstagging::types::TagFilter::builder().key(STACK_TAG).build();
                let mut pages = aws.tagging.get_resources().tag_filters(filter).resources_per_page(100).into_paginator().send();
                while let Some(page) = pages.next().await {
                    for resource in page?.resource_tag_mapping_list.unwrap_or_default() {
                        let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
                        count(&tags, resource.resource_arn.as_deref());
                    }
                }
            }
            Cloud::Simulated(local) => {
                RESOURCE_TYPES.iter().flat_map(|kind| local.resources(kind.name, None)).for_each(|live| count(&live.tags, live.arn()));
            }
        }
        Ok(counts)
    }

    /// ARNs of the resources with all of these tags, in the region of the stack and among the global ones. The simulated cloud returns the resources,
    /// because some have no ARN.
    ///
    /// # Errors
    /// Returns errors of the tagging API.
    pub async fn resources_with_tags(&self, tags: &Tags) -> Result<Vec<(String, Option<LiveResource>)>> {
        let mut found = BTreeMap::new();
        match self {
            Cloud::Aws(aws) => {
                let filters = || {
                    tags.iter()
                        .map(|(key, value)| aws_sdk_resourcegroupstagging::types::TagFilter::builder().key(key).values(value).build())
                        .collect()
                };
                let regions: BTreeSet<&str> = [aws.region.as_str(), global_region(&aws.region)].into();
                for region in regions {
                    let aws = aws.in_region(Some(region));
                    let call = aws.tagging.get_resources().set_tag_filters(Some(filters())).resources_per_page(100);
                    let mut pages = call.into_paginator().send();
                    while let Some(page) = pages.next().await {
                        for resource in page?.resource_tag_mapping_list.unwrap_or_default() {
                            let arn = resource.resource_arn.unwrap_or_default();
                            // Resources of another region than the stack's are not its own, unless they are global.
                            let is_global = || RESOURCE_TYPES.iter().any(|kind| kind.is_global() && kind.matches_arn(&arn));
                            if region == self.region() || is_global() {
                                found.insert(arn, None);
                            }
                        }
                    }
                }
            }
            Cloud::Simulated(local) => {
                let all = RESOURCE_TYPES.iter().filter(|kind| kind.is_adoptable()).flat_map(|kind| local.resources(kind.name, None));
                let has_tags = |live: &LiveResource| tags.iter().all(|(key, value)| live.tags.get(key) == Some(value));
                for live in all.filter(has_tags) {
                    let name = live.arn().map_or_else(|| format!("{} {}", live.type_name, live.id), str::to_owned);
                    found.insert(name, Some(live));
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Whether the account has this prerequisite. The account of the simulated cloud has all.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn has_prerequisite(&self, needed: &Prerequisite) -> Result<bool> {
        match (self, needed) {
            (Cloud::Aws(aws), Prerequisite::ServiceLinkedRole { service }) => services::iam::has_service_linked_role(aws, service).await,
            (Cloud::Aws(aws), Prerequisite::ServiceRole { name, .. }) => services::iam::has_service_role(aws, name).await,
            (Cloud::Simulated(_), _) => Ok(true),
        }
    }

    /// Creates a prerequisite; one that exists by now is no error.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn create_prerequisite(&self, needed: &Prerequisite) -> Result<()> {
        match (self, needed) {
            (Cloud::Aws(aws), Prerequisite::ServiceLinkedRole { service }) => services::iam::create_service_linked_role(aws, service).await,
            (Cloud::Aws(aws), Prerequisite::ServiceRole { name, service, policy }) => {
                services::iam::create_service_role(aws, name, service, policy).await
            }
            (Cloud::Simulated(_), _) => Ok(()),
        }
    }

    /// See [`crate::core::Resource::list`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn list(&self, kind: &'static ResourceType, scope: &Scope) -> Result<Vec<LiveResource>> {
        let region = scope.region.as_deref();
        let listed = match self {
            Cloud::Aws(aws) => kind.operations.list(&*aws.in_region(region), scope).await,
            Cloud::Simulated(local) => {
                // Like the SDK, retries throttled reads silently.
                for _ in 1..MAX_READ_ATTEMPTS {
                    match local.list(kind, scope).await {
                        Err(error) if error.kind == ErrorKind::Throttled => tokio::time::sleep(Duration::from_millis(20)).await,
                        ended => return ended.map(|found| as_seen(found, scope)),
                    }
                }
                local.list(kind, scope).await
            }
        };
        listed.map(|found| as_seen(found, scope))
    }

    /// Finds a container image in a region; `None` is the stack's.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn find_image(&self, query: &ImageQuery, region: Option<&str>) -> Result<ImageSearch> {
        match self {
            Cloud::Aws(aws) => images::find_image(&aws.in_region(region), query).await,
            Cloud::Simulated(local) => {
                // Like the SDK, retries throttled reads silently.
                for _ in 1..MAX_READ_ATTEMPTS {
                    match local.find_image(query, region).await {
                        Err(error) if error.kind == ErrorKind::Throttled => tokio::time::sleep(Duration::from_millis(20)).await,
                        ended => return ended,
                    }
                }
                local.find_image(query, region).await
            }
        }
    }

    /// Resources of a stack of CloudFormation; `None` without such a stack. The simulated cloud has none.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn cloudformation_resources(&self, stack: &str) -> Result<Option<Vec<StackResource>>> {
        match self {
            Cloud::Aws(aws) => cloudformation::stack_resources(aws, stack).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::create`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn create(&self, kind: &'static ResourceType, call: &CallContext, spec: &Value) -> Result<CreatedResource> {
        let region = call.region.as_deref();
        match self {
            Cloud::Aws(aws) => {
                let created = kind.operations.create(&*aws.in_region(region), call, spec).await;
                created.map(|created| created_in_region(created, region))
            }
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
            Cloud::Aws(aws) => kind.operations.update(&*aws.in_region(call.region.as_deref()), call, live, spec, pointers).await,
            Cloud::Simulated(local) => local.update(kind, (call.region.as_deref(), &live.id), spec, pointers).await,
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
            Cloud::Aws(aws) => {
                let region = call.region.as_deref();
                let finished = kind.operations.finish_creation(&*aws.in_region(region), call, created, spec, pointers).await;
                finished.map(|finished| created_in_region(finished, region))
            }
            Cloud::Simulated(local) => local
                .update(kind, (call.region.as_deref(), &created.id), spec, pointers)
                .await
                .map(|()| CreatedResource::Id(created.id.clone())),
        }
    }

    /// See [`crate::core::Resource::exchange`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn exchange(&self, kind: &'static ResourceType, parts: &[ExchangeTarget<'_>]) -> Result<Vec<Option<String>>> {
        match self {
            Cloud::Aws(aws) => {
                let region = parts.first().and_then(|part| part.call.region.as_deref());
                kind.operations.exchange(&*aws.in_region(region), parts).await
            }
            Cloud::Simulated(local) => local.exchange(kind, parts).await,
        }
    }

    /// Changes the tags of a live resource from `before` to `after`. `resource` is its region and id.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn retag(
        &self,
        kind: &'static ResourceType,
        resource: (Option<&str>, &str),
        arn: Option<&str>,
        before: &Tags,
        after: &Tags,
    ) -> Result<()> {
        let (region, id) = resource;
        match self {
            // A part without tags leaves the stack with what contains it.
            Cloud::Aws(_) if !kind.is_adoptable() => Ok(()),
            Cloud::Aws(aws) => kind.operations.retag(&*aws.in_region(region), &TagChange::new(id, arn, before, after)).await,
            Cloud::Simulated(local) => local.change_tags(kind, resource, &TagChange::new(id, arn, before, after)).await,
        }
    }

    /// See [`crate::core::Resource::delete`].
    ///
    /// # Errors
    /// Returns errors of the service, including "not found".
    pub async fn delete(&self, kind: &'static ResourceType, call: &CallContext, live: &LiveResource) -> Result<Deletion> {
        match self {
            Cloud::Aws(aws) => kind.operations.delete(&*aws.in_region(call.region.as_deref()), call, live).await,
            Cloud::Simulated(local) => {
                local.delete(kind, (call.region.as_deref(), &live.id), call.on_delete).await.map(|()| Deletion::Requested)
            }
        }
    }

    /// See [`crate::core::Resource::gates`].
    ///
    /// # Errors
    /// Returns errors after which no call can succeed.
    pub async fn gates(
        &self,
        kind: &'static ResourceType,
        live: &LiveResource,
        spec: &Value,
        planned: &PlannedSpecs,
    ) -> Result<GateReport> {
        let region = live.region.as_deref();
        match self {
            Cloud::Aws(aws) => kind.operations.gates(GateSource::Api(&*aws.in_region(region)), live, spec, planned).await,
            Cloud::Simulated(local) => {
                let resources = |type_name: &str| local.resources(type_name, region);
                let facts = SimulatedFacts { resources: &resources, failing: local.failing_gates() };
                kind.operations.gates(GateSource::Simulated(&facts), live, spec, planned).await
            }
        }
    }

    /// See [`crate::core::Resource::contents`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn contents(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<String>, Error> {
        match self {
            Cloud::Aws(aws) => kind.operations.contents(&*aws.in_region(live.region.as_deref()), &live.id).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::explain`].
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn explain(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<String>> {
        match self {
            Cloud::Aws(aws) => kind.operations.explain(&*aws.in_region(live.region.as_deref()), &live.id).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::leftovers`]. Nothing in the simulated cloud makes resources.
    ///
    /// # Errors
    /// Fails without a connection to the back end of the type.
    pub async fn leftovers(&self, kind: &'static ResourceType, live: &LiveResource, request: &LeftoverRequest) -> Result<Leftovers> {
        match self {
            Cloud::Aws(aws) => kind.operations.leftovers(&*aws.in_region(live.region.as_deref()), live, request).await,
            Cloud::Simulated(_) => Ok(Leftovers::default()),
        }
    }

    /// See [`crate::core::Resource::health`]. In the simulated cloud, what is ready is healthy, unless [`crate::simulator::FAULT_VARIABLE`] has a
    /// gate with its address.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn health(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<Phase>> {
        match self {
            Cloud::Aws(aws) => kind.operations.health(&*aws.in_region(live.region.as_deref()), live).await,
            Cloud::Simulated(local) => {
                let is_failing = live.tags.get(ADDRESS_TAG).is_some_and(|address| local.failing_gates().contains(address));
                Ok(is_failing.then(|| Phase::Degraded("the simulated cloud was told so".to_owned())))
            }
        }
    }

    /// Text of a secret, with which a query signs in; `None` in the simulated cloud, which has no databases.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn secret_text(&self, region: Option<&str>, secret: &str) -> Result<Option<String>> {
        match self {
            Cloud::Aws(aws) => services::secretsmanager::read_text(&aws.in_region(region), secret).await.map(Some),
            Cloud::Simulated(_) => Ok(None),
        }
    }

    /// See [`crate::core::Resource::newest_backup`]; `spec` is that of the new resource.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn newest_backup(&self, kind: &'static ResourceType, spec: &Value, source: &LiveResource) -> Result<NewestBackup> {
        let region = source.region.as_deref();
        match self {
            Cloud::Aws(aws) => kind.operations.newest_backup(BackupSource::Api(&*aws.in_region(region)), spec, source).await,
            Cloud::Simulated(local) => {
                let time = local.newest_backup_time(kind, (region, &source.id));
                kind.operations.newest_backup(BackupSource::Simulated(time), spec, source).await
            }
        }
    }

    /// See [`crate::core::Resource::blockers`]. The simulated cloud has no resources outside acme.
    ///
    /// # Errors
    /// Returns errors of the service.
    pub async fn blockers(&self, kind: &'static ResourceType, live: &LiveResource) -> Result<Option<String>> {
        match self {
            Cloud::Aws(aws) => kind.operations.blockers(&*aws.in_region(live.region.as_deref()), live).await,
            Cloud::Simulated(_) => Ok(None),
        }
    }
}

/// The same resources, with their region and without ignored tags.
fn as_seen(mut found: Vec<LiveResource>, scope: &Scope) -> Vec<LiveResource> {
    for live in &mut found {
        live.region.clone_from(&scope.region);
        scope.ignored_tags.remove_from(&mut live.tags);
    }
    found
}

fn created_in_region(mut created: CreatedResource, region: Option<&str>) -> CreatedResource {
    if let CreatedResource::Complete(live) = &mut created {
        live.region = region.map(str::to_owned);
    }
    created
}
