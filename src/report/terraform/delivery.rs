//! Connections to Git providers, builds and pipelines in Terraform.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::aws::{
    to_aws,
    types::{
        code_connection::CodeConnection,
        code_pipeline::{Action, ArtifactStore, CodePipeline, Condition, Patterns, Rule, Stage, Trigger},
        codebuild_project::{Artifacts, Batch, Cache, CodebuildProject, Environment, Logs, Source, Variable, VpcSettings, Webhook},
    },
};

impl ToTerraform for CodeConnection {
    const TERRAFORM_TYPE: &'static str = "aws_codeconnections_connection";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "provider_type": self.host.is_none().then(|| to_aws(&self.provider)),
            "host_arn": self.host,
        })
    }
}

impl ToTerraform for CodebuildProject {
    const TERRAFORM_TYPE: &'static str = "aws_codebuild_project";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let secondary_sources = self.secondary_sources.iter().map(|(id, one)| source(one, Some(id)));
        let versions = self.secondary_sources.iter().filter(|(_, one)| !one.version.is_empty());
        let versions = versions.map(|(id, one)| json!({ "source_identifier": id, "source_version": one.version }));
        let secondary_artifacts = self.secondary_artifacts.iter().map(|(id, one)| artifacts(one, Some(id)));
        let file_systems = self.file_systems.iter().map(|(id, system)| {
            json!({
                "identifier": id,
                "location": system.location,
                "mount_point": system.mount_point,
                "mount_options": system.mount_options,
                "type": "EFS",
            })
        });
        json!({
            "name": self.name,
            "description": self.description,
            "service_role": self.role.get(),
            "source": [source(&self.source, None)],
            "source_version": non_empty(&self.source.version),
            "secondary_sources": secondary_sources.collect::<Vec<_>>(),
            "secondary_source_version": versions.collect::<Vec<_>>(),
            "artifacts": [artifacts(&self.artifacts, None)],
            "secondary_artifacts": secondary_artifacts.collect::<Vec<_>>(),
            "environment": [environment(&self.environment)],
            "cache": [cache(&self.cache)],
            "vpc_config": self.vpc.iter().map(vpc).collect::<Vec<_>>(),
            "logs_config": [logs(&self.logs)],
            "file_system_locations": file_systems.collect::<Vec<_>>(),
            "build_batch_config": self.batch.iter().map(batch).collect::<Vec<_>>(),
            "build_timeout": self.timeout_minutes,
            "queued_timeout": self.queue_timeout_minutes,
            "encryption_key": id_or_arn(self.kms_key.as_ref()),
            "badge_enabled": self.badge,
            "concurrent_build_limit": self.concurrent_builds,
            "auto_retry_limit": self.auto_retries,
            "project_visibility": self.visibility,
            "resource_access_role": id_or_arn(self.public_role.as_ref()),
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let webhook = self.webhook.as_ref();
        webhook
            .map(|one| SubResource::single("aws_codebuild_webhook", webhook_arguments(one, &at.output_reference("id"))))
            .into_iter()
            .collect()
    }
}

fn source(source: &Source, id: Option<&str>) -> Value {
    let auth = match (&source.connection, &source.secret) {
        (Some(connection), _) => vec![json!({ "type": "CODECONNECTIONS", "resource": connection.get() })],
        (None, Some(secret)) => vec![json!({ "type": "SECRETS_MANAGER", "resource": secret.get() })],
        (None, None) => Vec::new(),
    };
    let has_status = !source.status_context.is_empty() || !source.status_url.is_empty();
    let status = json!({ "context": non_empty(&source.status_context), "target_url": non_empty(&source.status_url) });
    let mut arguments = json!({
        "type": source.kind,
        "location": non_empty(&source.location),
        "buildspec": non_empty(&source.buildspec),
        "git_clone_depth": (source.clone_depth > 0).then_some(source.clone_depth),
        "git_submodules_config": if source.submodules { vec![json!({ "fetch_submodules": true })] } else { Vec::new() },
        "report_build_status": source.report_status,
        "build_status_config": if has_status { vec![status] } else { Vec::new() },
        "insecure_ssl": source.insecure_ssl,
        "auth": auth,
    });
    // Only secondary sources have the argument.
    if let Some(id) = id {
        arguments["source_identifier"] = id.into();
    }
    arguments
}

fn artifacts(artifacts: &Artifacts, id: Option<&str>) -> Value {
    json!({
        "type": artifacts.kind,
        "location": id_or_arn(artifacts.bucket.as_ref()),
        "path": non_empty(&artifacts.path),
        "name": non_empty(&artifacts.name),
        "namespace_type": artifacts.namespace,
        "packaging": artifacts.packaging,
        "override_artifact_name": artifacts.override_name,
        "encryption_disabled": !artifacts.encrypted,
        "bucket_owner_access": (artifacts.bucket_owner_access != "NONE").then_some(&artifacts.bucket_owner_access),
        "artifact_identifier": id,
    })
}

fn environment(environment: &Environment) -> Value {
    let variable = |(name, variable): (&String, &Variable)| {
        let (kind, value) = match &variable.value {
            Some(value) => ("PLAINTEXT", value.as_str()),
            None if variable.secret.is_empty() => ("PARAMETER_STORE", variable.parameter.as_str()),
            None => ("SECRETS_MANAGER", variable.secret.as_str()),
        };
        json!({ "name": name, "value": value, "type": kind })
    };
    let credential = environment.registry_secret.iter();
    let credential = credential.map(|secret| json!({ "credential": secret.get(), "credential_provider": "SECRETS_MANAGER" }));
    json!({
        "image": environment.image,
        "type": environment.kind,
        "compute_type": environment.compute,
        "privileged_mode": environment.privileged,
        "environment_variable": environment.variables.iter().map(variable).collect::<Vec<_>>(),
        "certificate": non_empty(&environment.certificate),
        "image_pull_credentials_type": environment.pull_credentials,
        "registry_credential": credential.collect::<Vec<_>>(),
        "fleet": environment.fleet.iter().map(|arn| json!({ "fleet_arn": arn })).collect::<Vec<_>>(),
    })
}

fn cache(cache: &Cache) -> Value {
    json!({ "type": cache.kind, "location": non_empty(&cache.location), "modes": cache.modes, "cache_namespace": non_empty(&cache.namespace) })
}

fn vpc(vpc: &VpcSettings) -> Value {
    json!({
        "vpc_id": vpc.vpc.get(),
        "subnets": vpc.subnets.iter().map(|subnet| subnet.get()).collect::<Vec<_>>(),
        "security_group_ids": vpc.security_groups.iter().map(|group| group.get()).collect::<Vec<_>>(),
    })
}

fn logs(logs: &Logs) -> Value {
    let status = |enabled: bool| if enabled { "ENABLED" } else { "DISABLED" };
    let s3 = match &logs.s3 {
        Some(s3) => json!({
            "status": "ENABLED",
            "location": s3.location,
            "encryption_disabled": !s3.encrypted,
            "bucket_owner_access": (s3.bucket_owner_access != "NONE").then_some(&s3.bucket_owner_access),
        }),
        None => json!({ "status": "DISABLED" }),
    };
    json!({
        "cloudwatch_logs": [{
            "status": status(logs.cloudwatch),
            "group_name": id_or_arn(logs.group.as_ref()),
            "stream_name": non_empty(&logs.stream),
        }],
        "s3_logs": [s3],
    })
}

fn batch(batch: &Batch) -> Value {
    json!({
        "service_role": batch.role.get(),
        "combine_artifacts": batch.combine_artifacts,
        "timeout_in_mins": batch.timeout_minutes,
        "restrictions": [{ "maximum_builds_allowed": batch.max_builds, "compute_types_allowed": batch.compute }],
    })
}

fn webhook_arguments(webhook: &Webhook, project: &str) -> Value {
    let groups = webhook.groups.iter().map(|group| {
        let filters = group.filters.iter();
        let filters =
            filters.map(|filter| json!({ "type": filter.kind, "pattern": filter.pattern, "exclude_matched_pattern": filter.exclude }));
        json!({ "filter": filters.collect::<Vec<_>>() })
    });
    let scope = webhook.scope.iter().map(|scope| json!({ "scope": scope.kind, "name": scope.name, "domain": non_empty(&scope.domain) }));
    let policy = webhook
        .pull_requests
        .iter()
        .map(|policy| json!({ "requires_comment_approval": policy.approval, "approver_roles": policy.approvers }));
    json!({
        "project_name": project,
        "build_type": webhook.build_type,
        "filter_group": groups.collect::<Vec<_>>(),
        "scope_configuration": scope.collect::<Vec<_>>(),
        "pull_request_build_policy": policy.collect::<Vec<_>>(),
    })
}

impl ToTerraform for CodePipeline {
    const TERRAFORM_TYPE: &'static str = "aws_codepipeline";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        let own_region = (!self.regional_stores.is_empty()).then_some(at.region);
        let regional = self.regional_stores.iter().map(|(region, one)| store(one, Some(region)));
        let stores = std::iter::once(store(&self.artifact_store, own_region)).chain(regional);
        let variables = self.variables.iter().map(|(name, variable)| {
            json!({ "name": name, "default_value": variable.default_value, "description": non_empty(&variable.description) })
        });
        json!({
            "name": self.name,
            "role_arn": self.role.get(),
            "pipeline_type": self.kind,
            "execution_mode": self.execution_mode,
            "artifact_store": stores.collect::<Vec<_>>(),
            "variable": variables.collect::<Vec<_>>(),
            "trigger": self.triggers.iter().map(trigger).collect::<Vec<_>>(),
            "stage": self.stages.iter().map(stage).collect::<Vec<_>>(),
        })
    }
}

fn store(store: &ArtifactStore, region: Option<&str>) -> Value {
    let key = store.kms_key.iter().map(|key| json!({ "id": key.get(), "type": "KMS" }));
    json!({ "type": "S3", "location": store.bucket.get(), "encryption_key": key.collect::<Vec<_>>(), "region": region })
}

fn patterns(patterns: Option<&Patterns>) -> Value {
    patterns.map(|patterns| json!({ "includes": patterns.includes, "excludes": patterns.excludes })).into_iter().collect()
}

fn trigger((action, trigger): (&String, &Trigger)) -> Value {
    let push = trigger.push.iter().map(|filter| {
        json!({
            "tags": patterns(filter.tags.as_ref()),
            "branches": patterns(filter.branches.as_ref()),
            "file_paths": patterns(filter.files.as_ref()),
        })
    });
    let pull_requests = trigger.pull_requests.iter().map(|filter| {
        json!({
            "events": filter.events,
            "branches": patterns(filter.branches.as_ref()),
            "file_paths": patterns(filter.files.as_ref()),
        })
    });
    json!({
        "provider_type": "CodeStarSourceConnection",
        "git_configuration": [{
            "source_action_name": action,
            "push": push.collect::<Vec<_>>(),
            "pull_request": pull_requests.collect::<Vec<_>>(),
        }],
    })
}

fn stage(stage: &Stage) -> Value {
    let conditions = |all: &[Condition]| -> Value {
        let all: Vec<_> = all.iter().map(condition).collect();
        if all.is_empty() { json!([]) } else { json!([{ "condition": all }]) }
    };
    let on_failure = stage.on_failure.iter().map(|failure| {
        let retry = failure.retry_mode.iter().map(|mode| json!({ "retry_mode": mode }));
        json!({
            "result": failure.result,
            "retry_configuration": retry.collect::<Vec<_>>(),
            "condition": failure.conditions.iter().map(condition).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": stage.name,
        "action": stage.actions.iter().map(action).collect::<Vec<_>>(),
        "before_entry": conditions(&stage.before_entry),
        "on_success": conditions(&stage.on_success),
        "on_failure": on_failure.collect::<Vec<_>>(),
    })
}

fn condition(condition: &Condition) -> Value {
    json!({ "result": condition.result, "rule": condition.rules.iter().map(rule).collect::<Vec<_>>() })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "name": rule.name,
        "rule_type_id": [{ "category": "Rule", "owner": "AWS", "provider": rule.provider, "version": rule.version }],
        "configuration": rule.configuration,
        "commands": rule.commands,
        "input_artifacts": rule.inputs,
        "role_arn": id_or_arn(rule.role.as_ref()),
        "region": rule.region,
        "timeout_in_minutes": rule.timeout_minutes,
    })
}

fn action(action: &Action) -> Value {
    let connection = action.connection.iter().map(|connection| ("ConnectionArn", connection.get()));
    let configuration: BTreeMap<&str, &str> =
        action.configuration.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(connection).collect();
    json!({
        "name": action.name,
        "category": action.category,
        "owner": action.owner,
        "provider": action.provider,
        "version": action.version,
        "configuration": configuration,
        "input_artifacts": action.inputs,
        "output_artifacts": action.outputs,
        "namespace": non_empty(&action.namespace),
        "role_arn": id_or_arn(action.role.as_ref()),
        "region": action.region,
        "run_order": action.run_order,
        "timeout_in_minutes": action.timeout_minutes,
    })
}
