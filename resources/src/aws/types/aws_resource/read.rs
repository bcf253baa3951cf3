//! Lists: the tagging API's index names the resources, and Cloud Control reads them one by one.

use std::{collections::BTreeMap, future::ready};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::{
    AwsResource,
    digest::{self, TypeDigest},
    model::{Target, tags_in},
    requests,
};
use crate::{
    aws::Aws,
    core::{Observed, Phase, Result, Scope},
};

/// Reads at once. Cloud Control limits them per account.
const PARALLEL_READS: usize = 4;

/// Lists the resources in scope.
///
/// # Errors
/// Returns errors of Cloud Control.
pub async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<AwsResource>>> {
    let targets = targets(aws, scope).await?;
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let reads = Reads { aws, scope, running: requests::running(aws).await?, account: OnceCell::new() };
    let found = stream::iter(targets.into_values()).map(|(target, arn)| reads.read(target, arn)).buffer_unordered(PARALLEL_READS);
    found.try_filter_map(|one| ready(Ok(one))).try_collect().await
}

/// The resources to read by physical id, with the ARNs of those in the index.
async fn targets(aws: &Aws, scope: &Scope) -> Result<BTreeMap<String, (Target, Option<String>)>> {
    let by_id = |id: &String| Some((id.clone(), (Target::of_id(id)?, None)));
    if let Some(id) = &scope.adopt {
        return Ok(by_id(id).into_iter().collect());
    }
    if let Some(ids) = scope.waited_for() {
        return Ok(ids.iter().filter_map(by_id).collect());
    }
    let indexed = scope.tag_index.iter().flat_map(|index| index.keys());
    let mut targets: BTreeMap<String, (Target, Option<String>)> = indexed
        .filter_map(|arn| {
            let target = Target::of_arn(arn)?;
            Some((target.id(), (target, Some(arn.clone()))))
        })
        .collect();
    // The index lags behind a creation that a crash interrupted. Without it, the declared types are listed.
    if scope.tag_index.is_none() {
        for (type_name, digest) in digest::all().iter().filter(|(name, digest)| digest.listed && scope.lookup.contains(*name)) {
            for target in listed(aws, scope, type_name, digest).await? {
                targets.entry(target.id()).or_insert((target, None));
            }
        }
    }
    Ok(targets)
}

/// All resources of a type, but for those whose tags say that they are of others.
async fn listed(aws: &Aws, scope: &Scope, type_name: &'static str, digest: &'static TypeDigest) -> Result<Vec<Target>> {
    let mut pages = aws.cloudcontrol.list_resources().type_name(type_name).max_results(100).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        for resource in page?.resource_descriptions.unwrap_or_default() {
            let Some(identifier) = resource.identifier else { continue };
            // Most types report the identifier alone.
            let model: Map<String, Value> = resource.properties.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            if !model.contains_key(&digest.tags) || scope.owns(&tags_in(digest, &model)) {
                found.push(Target { type_name, digest, identifier });
            }
        }
    }
    Ok(found)
}

/// Reads of one list.
struct Reads<'a> {
    aws: &'a Aws,
    scope: &'a Scope,
    running: BTreeMap<(String, String), Phase>,
    account: OnceCell<String>,
}

impl Reads<'_> {
    /// Reads a resource. `None`: it does not exist, or is not part of the stack.
    async fn read(&self, target: Target, arn: Option<String>) -> Result<Option<Observed<AwsResource>>> {
        let running = self.running.get(&(target.type_name.to_owned(), target.identifier.clone())).cloned();
        let phase = match requests::own_phase(self.aws, &target.id()).await? {
            Some(phase) => phase,
            None => running.unwrap_or(Phase::Ready),
        };
        let model = match target.model(self.aws).await? {
            Some(model) => model,
            // Some types show a resource only when it is complete.
            None if matches!(phase, Phase::Progressing(_) | Phase::Failed(_)) && self.scope.ids.is_some() => {
                let mut observed = target.observe(Map::new(), arn.unwrap_or_default(), phase);
                observed.tags = self.scope.tags(&observed.id).unwrap_or_default();
                return Ok(Some(observed));
            }
            None => return Ok(None),
        };
        if !self.scope.owns(&tags_in(target.digest, &model)) && self.scope.waited_for().is_none() {
            return Ok(None);
        }
        let arn = match arn {
            Some(arn) => arn,
            None => target.digest.arn_of(&target.identifier, &model, &self.aws.region, self.account_for(&target, &model).await?),
        };
        Ok(Some(target.observe(model, arn, phase)))
    }

    /// The account, if the ARN of the resource needs it.
    async fn account_for(&self, target: &Target, model: &Map<String, Value>) -> Result<&str> {
        if !target.digest.arn_of(&target.identifier, model, "{region}", "{account}").contains("{account}") {
            return Ok("");
        }
        Ok(self.account.get_or_try_init(|| self.aws.account()).await?)
    }
}
