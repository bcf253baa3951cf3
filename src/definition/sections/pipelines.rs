//! `pipelines`: pipelines of CodePipeline that build a repository with CodeBuild: connection, project, roles, logs and a bucket for artifacts.

mod releases;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::releases::{Releases, Stage};
use super::{Expansion, Fields, SectionEntry, field_names, is_set, set_default};
use crate::aws;

/// Fields of a pipeline in addition to those of `code_pipeline`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Repository at the Git provider, such as `example/shop`.
    pub repository: String,
    /// Branch whose changes start the pipeline. Default: `main`.
    #[serde(default = "default_branch")]
    pub branch: String,
    /// Git provider, as in `code_connection`. Default: `GitHub`.
    #[serde(default = "default_provider")]
    pub provider: String,
    /// Connection to the provider, by name or ARN. Default: a dedicated one, which a person opens once in the console.
    #[serde(default)]
    pub connection: Option<Value>,
    /// CodeBuild project with the name of the pipeline, with the fields of `codebuild_project`. Its `buildspec` is that of the repository
    /// unless set.
    #[serde(default)]
    pub build: Value,
    /// Build specification: its text, or its path in the repository. Default: `buildspec.yml`, for `releases` the rendered one.
    #[serde(default)]
    pub buildspec: Option<String>,
    /// Registries of the stack to which builds push images, by name. Default: none.
    #[serde(default)]
    pub registries: BTreeSet<String>,
    /// Managed policies of the role of the builds, in addition to what the pipeline needs. Default: none.
    #[serde(default)]
    pub build_policies: BTreeSet<String>,
    /// Waits for the approval of a person: after the build, or before a release. Releases to `prod` always do. Default: false.
    #[serde(default)]
    pub approval: bool,
    /// Releases the services of the repository with the stages that `acme render` writes to `ci`: tests, SonarQube and Trivy, images for
    /// `registries`, their digests in the repository of Argo CD, and checks of what runs. Tags such as `v1.4.0.prod` start it, not `branch`.
    /// Default: none; it builds with `buildspec`.
    #[serde(default)]
    pub releases: Option<Releases>,
    /// Stages after the build, as in `code_pipeline`. The artifacts are `source` and `build`. Default: none.
    #[serde(default)]
    pub stages: Vec<Value>,
    /// Days after which artifacts are deleted. Default: 30.
    #[serde(default = "default_keep_days")]
    pub keep_days: u16,
}

fn default_branch() -> String {
    "main".to_owned()
}
fn default_provider() -> String {
    "GitHub".to_owned()
}
fn default_keep_days() -> u16 {
    30
}

/// Image of builds unless set. <https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html>
const IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let Some(own) = out.take_own_fields::<Pipeline>(&mut entry.fields, &entry.pointer, &what) else { continue };
        let name = format!("pipeline-{}", entry.name);
        let connection = own.connection.clone().unwrap_or_else(|| {
            out.add_generated("code_connection", &entry.name, json!({ "provider": own.provider }), &format!("{}/provider", entry.pointer));
            entry.name.as_str().into()
        });
        if !entry.is_set("artifact_store") {
            // Artifacts can be built again.
            let bucket = json!({ "on_delete": "delete", "versioning": true, "lifecycle_rules": { "old": {
                "expire_days": own.keep_days, "noncurrent_expire_days": 1, "abort_multipart_days": 1,
            } } });
            if let Some(draft) = out.add_generated("s3_bucket", &name, bucket, &entry.pointer) {
                draft.pointer_overrides.push(("/lifecycle_rules".into(), format!("{}/keep_days", entry.pointer)));
            }
            entry.fields.insert("artifact_store".into(), json!({ "bucket": name }));
        }
        let arn = connection_arn(&connection);
        let stage = own.releases.as_ref().and_then(|releases| releases::stage(out, releases, &entry.pointer));
        let release = own.releases.as_ref().zip(stage);
        add_build(out, &entry, &own, release, arn.as_deref());
        if let Some((releases, _)) = release {
            releases::add_projects(out, &entry, releases, arn.as_deref());
        }
        if !entry.is_set("role") {
            add_role(out, &entry, &own, arn);
            entry.fields.insert("role".into(), name.into());
        }
        add_pipeline(out, entry, &own, stage, connection);
    }
}

fn statement(actions: &[&str], resources: Value) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// Statement about the bucket of artifacts; `None` without a bucket, which the pipeline itself reports.
fn artifacts(out: &Expansion<'_, '_>, entry: &SectionEntry) -> Option<Value> {
    let of_name = |name: &str| format!("arn:{}:s3:::{name}", aws::partition(out.frame.region.unwrap_or("*")));
    let bucket = match entry.fields.get("artifact_store")?.get("bucket")? {
        Value::String(name) if name.starts_with("${") => of_name(name),
        Value::String(name) => format!("${{s3_bucket.{name}.arn}}"),
        outside => of_name(outside.get("id")?.as_str()?),
    };
    let actions =
        ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"];
    Some(statement(&actions, json!([bucket, format!("{bucket}/*")])))
}

/// The project with its role and log group.
///
/// Source of the permissions: <https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html>
fn add_build(
    out: &mut Expansion<'_, '_>,
    entry: &SectionEntry,
    own: &Pipeline,
    release: Option<(&Releases, Stage)>,
    connection: Option<&str>,
) {
    let at = format!("{}/build", entry.pointer);
    let Some(mut project) = out.parse_fields(own.build.clone(), &at) else { return };
    // Another name than that of a role, which the engine would take for a reference to it.
    let group = format!("builds-{}", entry.name);
    let mut source = json!({ "type": "CODEPIPELINE" });
    if let Some(buildspec) = own.buildspec.as_deref().or(release.map(|_| releases::RELEASE)) {
        source["buildspec"] = buildspec.into();
    }
    set_default(&mut project, "source", source);
    set_default(&mut project, "artifacts", json!({ "type": "CODEPIPELINE" }));
    // Without a registry to push to, builds don't need the Docker daemon.
    let mut environment = json!({ "image": IMAGE, "privileged": !own.registries.is_empty() || release.is_some() });
    if let Some((releases, stage)) = release {
        environment["variables"] = releases::variables(releases, stage);
    }
    set_default(&mut project, "environment", environment);
    if !is_set(&project, "logs") {
        out.add_generated("log_group", &group, json!({ "retention_days": 30 }), &entry.pointer);
        project.insert("logs".into(), json!({ "group": group }));
    }
    if !is_set(&project, "role") {
        let role_name = format!("build-{}", entry.name);
        let mut statements = build_statements(out, entry, own, &group);
        if release.is_some() {
            statements.extend(releases::statements(out, own, connection));
        }
        let role = json!({
            "description": format!("What builds of the pipeline {} may do", entry.name),
            "trust": { "services": ["codebuild.amazonaws.com"] }, "policies": own.build_policies,
            "inline_policies": { "build": { "Statement": statements } },
        });
        if let Some(draft) = out.add_generated("iam_role", &role_name, role, &entry.pointer) {
            draft.pointer_overrides.push(("/policies".into(), format!("{}/build_policies", entry.pointer)));
            draft.pointer_overrides.push(("/inline_policies".into(), format!("{}/registries", entry.pointer)));
        }
        project.insert("role".into(), role_name.into());
    }
    if let Some(draft) = out.add_resource("codebuild_project", entry.name.as_str(), project, &at) {
        draft.pointer_overrides.push(("/source/buildspec".into(), format!("{}/buildspec", entry.pointer)));
    }
}

fn build_statements(out: &Expansion<'_, '_>, entry: &SectionEntry, own: &Pipeline, group: &str) -> Vec<Value> {
    let partition = aws::partition(out.frame.region.unwrap_or("*"));
    let group = format!("${{log_group.{group}.arn}}");
    let mut statements =
        vec![statement(&["logs:CreateLogStream", "logs:PutLogEvents"], json!([group, format!("{group}:*")])), reports(partition)];
    statements.extend(artifacts(out, entry));
    if !own.registries.is_empty() {
        let push = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ];
        let registries: Vec<String> = own.registries.iter().map(|name| format!("${{ecr_repository.{name}.arn}}")).collect();
        statements.push(statement(&["ecr:GetAuthorizationToken"], "*".into()));
        statements.push(statement(&push, json!(registries)));
    }
    statements
}

/// Builds create report groups, whose names begin with that of the project.
fn reports(partition: &str) -> Value {
    let reports = ["CreateReportGroup", "CreateReport", "UpdateReport", "BatchPutTestCases", "BatchPutCodeCoverages"];
    let reports: Vec<String> = reports.iter().map(|action| format!("codebuild:{action}")).collect();
    json!({ "Effect": "Allow", "Action": reports, "Resource": format!("arn:{partition}:codebuild:*:*:report-group/*") })
}

/// ARN of a connection, by its name or as it is written; `None` for anything else, which the pipeline itself reports.
fn connection_arn(connection: &Value) -> Option<String> {
    match connection {
        Value::String(arn) if arn.starts_with("arn:") || arn.starts_with("${") => Some(arn.clone()),
        Value::String(name) => Some(format!("${{code_connection.{name}.arn}}")),
        other => other.get("arn").and_then(Value::as_str).map(str::to_owned),
    }
}

/// Role of the pipeline. <https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html>
fn add_role(out: &mut Expansion<'_, '_>, entry: &SectionEntry, own: &Pipeline, connection: Option<String>) {
    let count = if own.releases.is_some() { 3 } else { 1 };
    let projects = releases::projects(&entry.name).into_iter().take(count).map(|name| format!("${{codebuild_project.{name}.arn}}").into());
    let projects: Vec<Value> = projects.collect();
    let projects = if let [only] = projects.as_slice() { only.clone() } else { projects.into() };
    let mut statements = vec![statement(&["codebuild:BatchGetBuilds", "codebuild:StartBuild"], projects)];
    statements.extend(artifacts(out, entry));
    let use_connection = ["codeconnections:UseConnection", "codestar-connections:UseConnection"];
    statements.extend(connection.map(|connection| statement(&use_connection, connection.into())));
    let role = json!({
        "description": format!("What the pipeline {} may do", entry.name),
        "trust": { "services": ["codepipeline.amazonaws.com"] }, "inline_policies": { "pipeline": { "Statement": statements } },
    });
    out.add_generated("iam_role", format!("pipeline-{}", entry.name), role, &entry.pointer);
}

fn add_pipeline(out: &mut Expansion<'_, '_>, entry: SectionEntry, own: &Pipeline, stage: Option<Stage>, connection: Value) {
    let at = entry.pointer.clone();
    let mut source = json!({ "name": "Source", "actions": [{
        "name": "Source", "category": "Source", "provider": "CodeStarSourceConnection", "connection": connection, "outputs": ["source"],
        "configuration": { "FullRepositoryId": own.repository, "BranchName": own.branch },
    }] });
    let build = json!({ "name": "Build", "actions": [{
        "name": "Build", "category": "Build", "provider": "CodeBuild", "inputs": ["source"], "outputs": ["build"],
        "configuration": { "ProjectName": format!("${{codebuild_project.{}.id}}", entry.name) },
    }] });
    let mut stages = Vec::new();
    let mut fields: Fields = entry.fields;
    if let Some(stage) = stage {
        // Builds clone the repository, to find the tag and to push.
        source["actions"][0]["configuration"]["OutputArtifactFormat"] = "CODEBUILD_CLONE_REF".into();
        stages.push(source);
        stages.extend(releases::stages(&entry.name, stage, own.approval));
        set_default(&mut fields, "triggers", releases::triggers(stage));
        // A release is never overtaken.
        set_default(&mut fields, "execution_mode", "QUEUED");
    } else {
        stages.extend([source, build]);
        if own.approval {
            let approval = json!({ "name": "Approve", "category": "Approval", "provider": "Manual" });
            stages.push(json!({ "name": "Approval", "actions": [approval] }));
        }
    }
    let first_own = stages.len();
    stages.extend(own.stages.iter().cloned());
    fields.insert("stages".into(), stages.into());
    let Some(draft) = out.add_resource("code_pipeline", entry.name, fields, &at) else { return };
    draft.extra_fields = field_names::<Pipeline>();
    // The last first, because a pointer counts as below each of which it begins with the text.
    let own_stages = (0..own.stages.len()).rev().map(|index| (format!("/stages/{}", index + first_own), format!("{at}/stages/{index}")));
    draft.pointer_overrides.extend(own_stages);
    draft.pointer_overrides.push(("/stages/0/actions/0/connection".into(), format!("{at}/connection")));
    draft.pointer_overrides.push(("/stages".into(), format!("{at}/repository")));
}
