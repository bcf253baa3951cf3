//! Reads pipelines.

use std::collections::{BTreeMap, HashMap};

use super::{super::prelude::*, ArtifactStore, CodePipeline, PipelineVariable, Stage, Trigger};

/// The list has names alone.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<CodePipeline>>> {
    let indexed = scope.indexed_arns(&CodePipeline::TYPE);
    let names: Vec<String> = match scope.waited_for() {
        Some(ids) => ids.iter().cloned().collect(),
        None => {
            let all: Vec<_> = aws.codepipeline.list_pipelines().into_paginator().items().send().try_collect().await?;
            let names = all.into_iter().filter_map(|pipeline| pipeline.name);
            names.filter(|name| scope.covers(name, indexed.get(name.as_str()).copied().unwrap_or_default())).collect()
        }
    };
    for_each_concurrent(names, |name| read(aws, scope, name)).await
}

/// Reads structure and tags. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, name: String) -> Result<Option<Observed<CodePipeline>>> {
    let Some(reply) = ok_or_not_found(aws.codepipeline.get_pipeline().name(&name).send().await)? else { return Ok(None) };
    let pipeline = reply.pipeline.ok_or_else(|| Error::missing_field("pipeline"))?;
    let arn = reply.metadata.and_then(|metadata| metadata.pipeline_arn).ok_or_else(|| Error::missing_field("pipelineArn"))?;
    let fetch = async {
        let tags = aws.codepipeline.list_tags_for_resource().resource_arn(&arn).into_paginator().items().send();
        Ok(ok_or_not_found(tags.try_collect().await)?.map(|tags: Vec<_>| services::codepipeline::from_tags(&tags)))
    };
    let tags = scope.tags_or_fetch(&arn, fetch).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let mut stores: BTreeMap<String, ArtifactStore> = stores(pipeline.artifact_stores.unwrap_or_default());
    let own = pipeline.artifact_store.map(ArtifactStore::from_sdk).or_else(|| stores.remove(&aws.region));
    let variables = pipeline.variables.unwrap_or_default().into_iter().map(|variable| {
        let description = variable.description.unwrap_or_default();
        (variable.name, PipelineVariable { default_value: variable.default_value, description })
    });
    let kind = pipeline.pipeline_type.map(|kind| kind.as_str().to_owned());
    let mode = pipeline.execution_mode.map(|mode| mode.as_str().to_owned());
    let stages = pipeline.stages.into_iter().map(|stage| Stage::from_sdk(stage, &aws.region));
    let spec = CodePipeline {
        name: Some(name.clone()),
        role: ArnRef::to(pipeline.role_arn),
        // Pipelines from before there were types.
        kind: kind.unwrap_or_else(|| "V1".to_owned()),
        execution_mode: mode.unwrap_or_else(CodePipeline::default_execution_mode),
        artifact_store: own.ok_or_else(|| Error::missing_field("artifactStore"))?,
        regional_stores: stores,
        variables: variables.collect(),
        triggers: pipeline.triggers.unwrap_or_default().into_iter().filter_map(Trigger::from_sdk).collect(),
        stages: stages.collect::<Result<_>>()?,
    };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn })))
}

fn stores(all: HashMap<String, aws_sdk_codepipeline::types::ArtifactStore>) -> BTreeMap<String, ArtifactStore> {
    all.into_iter().map(|(region, store)| (region, ArtifactStore::from_sdk(store))).collect()
}

/// Settings that AWS adds to the configuration of source actions.
const ADDED: &[(&str, &str)] = &[("DetectChanges", "true"), ("OutputArtifactFormat", "CODE_ZIP"), ("PollForSourceChanges", "true")];

/// Removes what AWS adds: a trigger of each source action without one, and defaults of its configuration.
pub(super) fn normalize(wanted: &CodePipeline, live: &mut CodePipeline) {
    let actions = |pipeline: &CodePipeline| -> BTreeMap<String, BTreeMap<String, String>> {
        let all = pipeline.stages.iter().flat_map(|stage| &stage.actions);
        all.filter(|action| action.category == "Source").map(|action| (action.name.clone(), action.configuration.clone())).collect()
    };
    let (own, reported) = (actions(wanted), actions(live));
    live.triggers.retain(|action, trigger| {
        let branch = reported.get(action).and_then(|configuration| configuration.get("BranchName"));
        wanted.triggers.contains_key(action) || !trigger.is_default_of(branch.map(String::as_str))
    });
    for action in live.stages.iter_mut().flat_map(|stage| &mut stage.actions).filter(|action| action.category == "Source") {
        let Some(own) = own.get(&action.name) else { continue };
        action.configuration.retain(|key, value| own.contains_key(key) || !ADDED.contains(&(key.as_str(), value.as_str())));
    }
}
