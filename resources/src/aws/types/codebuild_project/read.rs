//! Reads projects.

use std::collections::BTreeMap;

use aws_sdk_codebuild::types::{Project, ProjectVisibilityType};

use super::{
    super::prelude::*, Artifacts, Batch, Cache, CodebuildProject, Environment, FileSystem, Logs, Outputs, Source, VpcSettings, Webhook,
};

/// Projects that one call reads.
const PROJECTS_PER_CALL: usize = 100;

/// The list has names alone.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<CodebuildProject>>> {
    let indexed = scope.indexed_arns(&CodebuildProject::TYPE);
    let names: Vec<String> = match scope.waited_for() {
        Some(ids) => ids.iter().cloned().collect(),
        None => {
            let all: Vec<String> = aws.codebuild.list_projects().into_paginator().items().send().try_collect().await?;
            all.into_iter().filter(|name| scope.covers(name, indexed.get(name.as_str()).copied().unwrap_or_default())).collect()
        }
    };
    let mut found = Vec::new();
    for names in names.chunks(PROJECTS_PER_CALL) {
        let reply = aws.codebuild.batch_get_projects().set_names(Some(names.to_vec())).send().await?;
        for project in reply.projects.unwrap_or_default() {
            let project = observed(project)?;
            if scope.owns(&project.tags) || scope.lookup.contains(&project.id) {
                found.push(project);
            }
        }
    }
    Ok(found)
}

pub(super) fn observed(project: Project) -> Result<Observed<CodebuildProject>> {
    let name = project.name.ok_or_else(|| Error::missing_field("name"))?;
    let arn = project.arn.ok_or_else(|| Error::missing_field("arn"))?;
    let tags = services::codebuild::from_tags(project.tags.as_deref().unwrap_or_default());
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for version in project.secondary_source_versions.unwrap_or_default() {
        versions.insert(version.source_identifier, version.source_version);
    }
    let secondary_sources = project.secondary_sources.unwrap_or_default().into_iter().map(|source| {
        let id = source.source_identifier.clone().unwrap_or_default();
        let version = versions.remove(&id);
        (id, Source::from_sdk(source, version))
    });
    let secondary_artifacts = project.secondary_artifacts.unwrap_or_default().into_iter();
    let secondary_artifacts =
        secondary_artifacts.map(|artifacts| (artifacts.artifact_identifier.clone().unwrap_or_default(), Artifacts::from_sdk(artifacts)));
    let key = project.encryption_key.filter(|key| !key.is_empty() && !key.contains("alias/aws/"));
    let visibility = project.project_visibility.unwrap_or(ProjectVisibilityType::Private);
    let badge = project.badge;
    let spec = CodebuildProject {
        name: Some(name.clone()),
        description: project.description.unwrap_or_default(),
        role: ArnRef::to(project.service_role.unwrap_or_default()),
        source: Source::from_sdk(project.source.ok_or_else(|| Error::missing_field("source"))?, project.source_version),
        secondary_sources: secondary_sources.collect(),
        artifacts: project.artifacts.map(Artifacts::from_sdk).unwrap_or_default(),
        secondary_artifacts: secondary_artifacts.collect(),
        environment: Environment::from_sdk(project.environment.ok_or_else(|| Error::missing_field("environment"))?),
        cache: project.cache.map(Cache::from_sdk).unwrap_or_default(),
        vpc: project.vpc_config.and_then(VpcSettings::from_sdk),
        logs: project.logs_config.map(Logs::from_sdk).unwrap_or_default(),
        file_systems: project.file_system_locations.unwrap_or_default().into_iter().map(FileSystem::from_sdk).collect(),
        batch: project.build_batch_config.and_then(Batch::from_sdk),
        timeout_minutes: project.timeout_in_minutes.unwrap_or_else(CodebuildProject::default_timeout_minutes),
        queue_timeout_minutes: project.queued_timeout_in_minutes.unwrap_or_else(CodebuildProject::default_queue_timeout_minutes),
        kms_key: key.map(ArnRef::to),
        badge: badge.as_ref().is_some_and(|badge| badge.badge_enabled),
        concurrent_builds: project.concurrent_build_limit.filter(|limit| *limit > 0),
        auto_retries: project.auto_retry_limit.unwrap_or_default(),
        visibility: visibility.as_str().to_owned(),
        public_role: project.resource_access_role.filter(|role| !role.is_empty()).map(ArnRef::to),
        webhook: project.webhook.map(Webhook::from_sdk),
    };
    let badge_url = badge.filter(|badge| badge.badge_enabled).and_then(|badge| badge.badge_request_url);
    Ok(Observed::new(name, tags, spec, Outputs { arn, badge_url }))
}
