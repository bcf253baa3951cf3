//! Rules of projects.

use super::{
    super::prelude::*, Artifacts, Batch, Cache, CodebuildProject, Environment, FilterGroup, Logs, Source, Variable, Webhook, WebhookFilter,
};
use crate::core::{Pointer, is_plain_secret};

pub(super) fn check(project: &CodebuildProject) -> Vec<Problem> {
    let mut problems = check_source(&project.source, CodebuildProject::POINTERS.source);
    for (id, source) in &project.secondary_sources {
        problems.extend(check_identifier(id, CodebuildProject::POINTERS.secondary_sources.item(id)));
        problems.extend(check_source(source, CodebuildProject::POINTERS.secondary_sources.item(id)));
    }
    problems.extend(check_artifacts(&project.artifacts, CodebuildProject::POINTERS.artifacts));
    for (id, artifacts) in &project.secondary_artifacts {
        problems.extend(check_identifier(id, CodebuildProject::POINTERS.secondary_artifacts.item(id)));
        problems.extend(check_artifacts(artifacts, CodebuildProject::POINTERS.secondary_artifacts.item(id)));
    }
    if (project.source.kind == "CODEPIPELINE") != (project.artifacts.kind == "CODEPIPELINE") {
        let problem = Problem::new(
            CodebuildProject::POINTERS.artifacts.field(Artifacts::POINTERS.kind),
            "a pipeline both hands over the source and takes the artifacts",
        );
        problems.push(problem.help("set `type: CODEPIPELINE` of both `source` and `artifacts`, or of neither"));
    }
    problems.extend(check_environment(&project.environment));
    problems.extend(check_cache(&project.cache));
    for id in project.file_systems.keys() {
        problems.extend(check_identifier(id, CodebuildProject::POINTERS.file_systems.item(id)));
    }
    if !project.file_systems.is_empty() && project.vpc.is_none() {
        problems.push(
            Problem::new(CodebuildProject::POINTERS.file_systems, "file systems are in a VPC")
                .help("add `vpc: { vpc: …, subnets: […], security_groups: […] }`"),
        );
    }
    if !project.file_systems.is_empty() && !project.environment.privileged {
        let problem = Problem::new(
            CodebuildProject::POINTERS.environment.field(Environment::POINTERS.privileged),
            "only a privileged build can mount file systems",
        );
        problems.push(problem.help("set `privileged: true`"));
    }
    if !project.logs.cloudwatch && (project.logs.group.is_some() || !project.logs.stream.is_empty()) {
        let problem = Problem::new(
            CodebuildProject::POINTERS.logs.field(Logs::POINTERS.cloudwatch),
            "`group` and `stream` are for logs in CloudWatch",
        );
        problems.push(problem.help("remove them, or `cloudwatch: false`"));
    }
    if project.visibility == "PUBLIC_READ" && project.public_role.is_none() && (project.logs.cloudwatch || project.logs.s3.is_some()) {
        let problem =
            Problem::new(CodebuildProject::POINTERS.visibility, "CodeBuild needs a role to show the logs of builds to the public");
        problems.push(problem.help("add `public_role: …`"));
    }
    if let Some(webhook) = &project.webhook {
        problems.extend(check_webhook(webhook, project));
    }
    problems
}

/// Identifiers become parts of the names of environment variables.
fn check_identifier(id: &str, at: Pointer) -> Option<Problem> {
    let is_valid = (1..=127).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!is_valid).then(|| Problem::new(at, format!("`{id}` is not a valid identifier: use letters, digits and underscores")))
}

fn check_source(source: &Source, at: Pointer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let kind = source.kind.as_str();
    let field = |field: Pointer| at.clone().field(field);
    let needs_location = !matches!(kind, "CODEPIPELINE" | "NO_SOURCE");
    if needs_location && source.location.is_empty() {
        let example = if kind == "S3" { "bucket/code.zip" } else { "https://example.com/shop.git" };
        let problem = Problem::new(field(Source::POINTERS.location), format!("a source of the type {kind} has a location"));
        problems.push(problem.help(format!("add `location: {example}`")));
    }
    if !needs_location && !source.location.is_empty() {
        problems
            .push(Problem::new(field(Source::POINTERS.location), format!("a source of the type {kind} has no location")).help("remove it"));
    }
    if kind == "NO_SOURCE" && !source.buildspec.contains('\n') && !source.buildspec.contains(':') && !source.buildspec.contains("${") {
        let problem = Problem::new(field(Source::POINTERS.buildspec), "without a source, the build specification is a text");
        problems.push(problem.help("write `buildspec: |` and the specification below it"));
    }
    if source.location.split_once("://").and_then(|(_, rest)| rest.split_once('/')).is_some_and(|(host, _)| host.contains('@')) {
        let problem = Problem::new(field(Source::POINTERS.location), "an address must not contain credentials");
        problems.push(problem.hide_value().help("remove the part before `@`, and use a connection or a secret"));
    }
    let is_default = |is_default: bool, pointer: Pointer, allowed: bool, what: &str| {
        let problem = || Problem::new(field(pointer), format!("{what} does not apply to a source of the type {kind}")).help("remove it");
        (!is_default && !allowed).then(problem)
    };
    let (git, provider) = (source.is_git(), source.has_provider());
    problems.extend(
        [
            is_default(source.clone_depth == 0, Source::POINTERS.clone_depth, git, "a depth"),
            is_default(!source.submodules, Source::POINTERS.submodules, git, "`submodules`"),
            is_default(
                !source.insecure_ssl,
                Source::POINTERS.insecure_ssl,
                kind.starts_with("GITHUB") || kind.starts_with("GITLAB"),
                "`insecure_ssl`",
            ),
            is_default(!source.report_status, Source::POINTERS.report_status, provider, "`report_status`"),
            is_default(source.status_context.is_empty(), Source::POINTERS.status_context, provider, "`status_context`"),
            is_default(source.status_url.is_empty(), Source::POINTERS.status_url, provider, "`status_url`"),
            is_default(source.connection.is_none(), Source::POINTERS.connection, provider, "a connection"),
            is_default(source.secret.is_none(), Source::POINTERS.secret, provider, "a secret"),
            is_default(source.version.is_empty(), Source::POINTERS.version, git || kind == "S3", "a version"),
        ]
        .into_iter()
        .flatten(),
    );
    problems
}

fn check_artifacts(artifacts: &Artifacts, at: Pointer) -> Option<Problem> {
    let field = at.field(Artifacts::POINTERS.bucket);
    match (artifacts.kind.as_str(), &artifacts.bucket) {
        ("S3", None) => Some(Problem::new(field, "artifacts of the type S3 have a bucket").help("add `bucket: …`")),
        ("S3", Some(_)) | (_, None) => None,
        (kind, Some(_)) => Some(Problem::new(field, format!("artifacts of the type {kind} have no bucket")).help("set `type: S3`")),
    }
}

fn check_environment(environment: &Environment) -> Vec<Problem> {
    let at = CodebuildProject::POINTERS.environment;
    let mut problems = Vec::new();
    for (name, variable) in &environment.variables {
        let at = at.clone().field(Environment::POINTERS.variables).item(name);
        if variable.value.is_none() && variable.secret.is_empty() && variable.parameter.is_empty() {
            problems.push(Problem::new(at.clone(), "a variable has a value, a secret or a parameter").help("set `value: …`"));
        }
        if variable.value.as_deref().is_some_and(|value| is_plain_secret(name, value)) {
            let message = format!("everybody who may read the project sees the value of `{name}`");
            let problem = Problem::new(at.field(Variable::POINTERS.value), message);
            problems.push(problem.hide_value().help("put it into a secret, and set `secret: …` instead of `value`"));
        }
    }
    if environment.registry_secret.is_some() && environment.pull_credentials != "SERVICE_ROLE" {
        let at = at.clone().field(Environment::POINTERS.pull_credentials);
        problems.push(
            Problem::new(at, "only the role of the project reads the secret of a registry").help("set `pull_credentials: SERVICE_ROLE`"),
        );
    }
    if environment.image.starts_with("aws/codebuild/") && environment.pull_credentials == "SERVICE_ROLE" {
        let at = at.clone().field(Environment::POINTERS.pull_credentials);
        problems.push(Problem::new(at, "CodeBuild pulls AWS's own images itself").help("remove `pull_credentials`"));
    }
    let is_lambda = environment.kind.contains("LAMBDA");
    if is_lambda != environment.compute.starts_with("BUILD_LAMBDA") {
        let compute = if is_lambda { "BUILD_LAMBDA_1GB" } else { "BUILD_GENERAL1_SMALL" };
        let message = format!("{} does not fit the type {}", environment.compute, environment.kind);
        problems
            .push(Problem::new(at.clone().field(Environment::POINTERS.compute), message).help(format!("use a size such as `{compute}`")));
    }
    if is_lambda && environment.privileged {
        let message = "a build in Lambda can't be privileged";
        problems.push(Problem::new(at.field(Environment::POINTERS.privileged), message).help("use a container"));
    }
    problems
}

fn check_cache(cache: &Cache) -> Vec<Problem> {
    let at = CodebuildProject::POINTERS.cache;
    let mut problems = Vec::new();
    if (cache.kind == "S3") == cache.location.is_empty() {
        let problem = Problem::new(at.clone().field(Cache::POINTERS.location), "a cache of the type S3, and no other, has a location");
        problems.push(problem.help("set both `type: S3` and `location: bucket/folder`, or neither"));
    }
    if (cache.kind == "LOCAL") == cache.modes.is_empty() {
        let problem = Problem::new(at.field(Cache::POINTERS.modes), "a cache of the type LOCAL, and no other, has modes");
        problems.push(problem.help("set both `type: LOCAL` and `modes: [LOCAL_SOURCE_CACHE]`, or neither"));
    }
    problems
}

fn check_webhook(webhook: &Webhook, project: &CodebuildProject) -> Vec<Problem> {
    let at = CodebuildProject::POINTERS.webhook;
    let mut problems = Vec::new();
    if !project.source.has_provider() {
        let message = format!("a source of the type {} sends no events", project.source.kind);
        problems.push(Problem::new(at.clone(), message).help("remove `webhook`, or use the source of a Git provider"));
    }
    if webhook.build_type == "BUILD_BATCH" && project.batch.is_none() {
        let problem = Problem::new(at.clone().field(Webhook::POINTERS.build_type), "the project has no batch builds");
        let role = Batch::POINTERS.role;
        problems.push(problem.help(format!("add `batch: {{ {}: … }}`", role.as_str().trim_start_matches('/'))));
    }
    for (index, group) in webhook.groups.iter().enumerate() {
        let at = at.clone().field(Webhook::POINTERS.groups).item(index).field(FilterGroup::POINTERS.filters);
        let events: Vec<&WebhookFilter> = group.filters.iter().filter(|filter| filter.kind == "EVENT").collect();
        if events.len() != 1 {
            let problem = Problem::new(at.clone(), "a group has one filter of the type EVENT");
            problems.push(problem.help("add `{ type: EVENT, pattern: PUSH }`"));
        }
        for (index, filter) in group.filters.iter().enumerate() {
            if filter.kind == "EVENT" && filter.exclude {
                let at = at.clone().item(index).field(WebhookFilter::POINTERS.exclude);
                problems.push(Problem::new(at, "a filter of the type EVENT can't exclude events").help("name the other events"));
            }
        }
    }
    problems
}
