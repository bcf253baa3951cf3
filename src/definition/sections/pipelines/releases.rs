//! `releases` of a pipeline: the stages of `ci/stages`, which `acme render` writes, in CodePipeline.
//!
//! Git tags start it. Each step is an action of CodeBuild with the variable `STEP`. The checks run with a role of their own, which can't push images.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{IMAGE, Pipeline, artifacts, reports, statement};
use crate::{
    aws,
    definition::sections::{Expansion, SectionEntry},
};

/// Build specification of the checks, in the rendered repository.
const CHECKS: &str = "ci/codebuild/check.yml";
/// Build specification of the release.
pub(super) const RELEASE: &str = "ci/codebuild/release.yml";

/// Releases of the services by tags.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    /// Stage that releases into this environment, for tags such as `v1.4.0.prod`. Default: by the environment: `dev` for `dev` and `development`,
    /// `staging` for `staging` and `stage`, `prod` for `prod`, `production`, and a definition without environments.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// URL of the SonarQube server. Its token is the parameter `/STACK/sonar-token` of Systems Manager, which acme does not create.
    pub sonar_url: String,
    /// Address of the site, which must answer after a release; that of staging is scanned. Default: none, which staging does not allow.
    #[serde(default)]
    pub site_url: Option<String>,
    /// URL of the Git repository from which Argo CD installs the services. Default: the repository of the pipeline.
    #[serde(default)]
    pub gitops_remote: Option<String>,
    /// Branch of that repository. Default: `main`.
    #[serde(default)]
    pub gitops_branch: Option<String>,
}

/// Stage of a release.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// For developers.
    Dev,
    /// For tests.
    Staging,
    /// For users.
    Prod,
}

impl Stage {
    /// As in tags.
    fn name(self) -> &'static str {
        match self {
            Stage::Dev => "dev",
            Stage::Staging => "staging",
            Stage::Prod => "prod",
        }
    }

    /// The same as `environment_of` of the rendered scripts.
    fn of_environment(environment: &str) -> Option<Stage> {
        match environment {
            "dev" | "development" => Some(Stage::Dev),
            "staging" | "stage" => Some(Stage::Staging),
            "prod" | "production" | "default" => Some(Stage::Prod),
            _ => None,
        }
    }
}

/// The stage of a release; reports mistakes.
pub(super) fn stage(out: &mut Expansion<'_, '_>, releases: &Releases, at: &str) -> Option<Stage> {
    let at = format!("{at}/releases");
    let Some(stage) = releases.stage.or_else(|| Stage::of_environment(out.frame.environment)) else {
        let message = format!("the name of the environment `{}` does not tell the stage of releases", out.frame.environment);
        out.compiler.problem_at_key("pipelines", &at, message, "add `stage: prod`, or `dev` or `staging`");
        return None;
    };
    if stage == Stage::Staging && releases.site_url.is_none() {
        out.compiler.problem_at_key(
            "pipelines",
            &at,
            "releases to staging scan the site, whose address is missing",
            "add `site_url: https://…`",
        );
    }
    Some(stage)
}

/// Variables of the release project.
pub(super) fn variables(releases: &Releases, stage: Stage) -> Value {
    let named = [
        ("STAGE", Some(stage.name().to_owned())),
        ("SITE_URL", releases.site_url.clone()),
        ("GITOPS_REMOTE", releases.gitops_remote.clone()),
        ("GITOPS_BRANCH", releases.gitops_branch.clone()),
    ];
    let set = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!({ "value": value? }))));
    set.collect::<Map<_, _>>().into()
}

/// What the release may do beyond pushing images: copy those of the stage before, clone and push the repository, and look at pods.
pub(super) fn statements(out: &Expansion<'_, '_>, own: &Pipeline, connection: Option<&str>) -> Vec<Value> {
    let partition = aws::partition(out.frame.region.unwrap_or("*"));
    let registries: Vec<String> = own.registries.iter().map(|name| format!("${{ecr_repository.{name}.arn}}")).collect();
    // Those of all environments of the stack.
    let before = format!("arn:{partition}:ecr:*:*:repository/{}-*", out.frame.stack);
    let mut statements = vec![statement(&["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"], before.into())];
    if !registries.is_empty() {
        statements.push(statement(&["ecr:DescribeImages"], json!(registries)));
    }
    if has_cluster(out) {
        statements.push(statement(&["eks:DescribeCluster"], "${eks_cluster.main.arn}".into()));
    }
    statements.extend(connection.map(use_connection));
    statements
}

fn has_cluster(out: &Expansion<'_, '_>) -> bool {
    out.drafts.iter().any(|draft| draft.resource_type.name == "eks_cluster" && draft.name == "main")
}

/// CodeBuild clones with the connection, and pushes with it.
fn use_connection(connection: &str) -> Value {
    statement(&["codeconnections:UseConnection", "codestar-connections:UseConnection"], connection.into())
}

/// Adds the projects of the checks, and what the release project needs in the cluster.
pub(super) fn add_projects(out: &mut Expansion<'_, '_>, entry: &SectionEntry, releases: &Releases, connection: Option<&str>) {
    let (name, at) = (&entry.name, format!("{}/releases", entry.pointer));
    let partition = aws::partition(out.frame.region.unwrap_or("*"));
    let parameter = format!("/{}/sonar-token", out.frame.stack);
    let token = statement(&["ssm:GetParameters"], format!("arn:{partition}:ssm:*:*:parameter{parameter}").into());
    let sonar = json!({ "SONAR_HOST_URL": { "value": releases.sonar_url }, "SONAR_TOKEN": { "parameter": parameter } });
    let group = format!("builds-{name}");
    for (kind, variables, more) in [("check", json!({}), None), ("sast", sonar, Some(token))] {
        let project = format!("{kind}-{name}");
        let arn = format!("${{log_group.{group}.arn}}");
        let mut statements =
            vec![statement(&["logs:CreateLogStream", "logs:PutLogEvents"], json!([arn, format!("{arn}:*")])), reports(partition)];
        statements.extend(artifacts(out, entry));
        statements.extend(connection.map(use_connection));
        statements.extend(more);
        let role = json!({
            "description": format!("What the checks of the pipeline {name} may do"),
            "trust": { "services": ["codebuild.amazonaws.com"] }, "inline_policies": { "check": { "Statement": statements } },
        });
        // Another name than that of a role, which the engine would take for a reference to it.
        let role_name = format!("build-{project}");
        out.add_generated("iam_role", &role_name, role, &at);
        let spec = json!({
            "role": role_name,
            "source": { "type": "CODEPIPELINE", "buildspec": CHECKS },
            "artifacts": { "type": "CODEPIPELINE" },
            "environment": { "image": IMAGE, "privileged": true, "variables": variables },
            "logs": { "group": group },
        });
        out.add_generated("codebuild_project", project, spec, &at);
    }
    if has_cluster(out) {
        let view = json!([{ "policy": "AmazonEKSViewPolicy" }]);
        let role = format!("build-{name}");
        let entry = json!({ "cluster": "main", "principal_arn": format!("${{iam_role.{role}.arn}}"), "policies": view });
        out.add_generated("eks_access_entry", role, entry, &at);
    }
}

/// Names of the projects that the pipeline starts.
pub(super) fn projects(entry: &str) -> [String; 3] {
    [entry.to_owned(), format!("check-{entry}"), format!("sast-{entry}")]
}

/// Git tags that start the pipeline.
pub(super) fn triggers(stage: Stage) -> Value {
    json!({ "Source": { "push": [{ "tags": { "includes": [format!("v*.*.*.{}", stage.name())] } }] } })
}

/// Stages after the source: checks at the same time, an approval, and one step after the other.
pub(super) fn stages(entry: &str, stage: Stage, needs_approval: bool) -> Vec<Value> {
    let [release, check, sast] = projects(entry);
    let action = |name: &str, category: &str, project: &str, step: &str| {
        let variables = json!([{ "name": "STEP", "value": step, "type": "PLAINTEXT" }]).to_string();
        json!({
            "name": name, "category": category, "provider": "CodeBuild", "inputs": ["source"],
            "configuration": { "ProjectName": format!("${{codebuild_project.{project}.id}}"), "EnvironmentVariables": variables },
        })
    };
    let checks = [action("Test", "Test", &check, "test"), action("SAST", "Test", &sast, "sast"), action("Scan", "Test", &check, "scan")];
    let mut stages = vec![json!({ "name": "Check", "actions": checks })];
    if needs_approval || stage == Stage::Prod {
        stages.push(json!({ "name": "Approval", "actions": [{ "name": "Approve", "category": "Approval", "provider": "Manual" }] }));
    }
    let mut publish = action("Publish", "Build", &release, "publish");
    publish["outputs"] = json!(["build"]);
    let mut steps = vec![publish, action("Deploy", "Build", &release, "deploy"), action("Verify", "Test", &release, "verify")];
    if stage == Stage::Staging {
        let mut scan = action("DAST", "Test", &release, "dast");
        scan["outputs"] = json!(["zap"]);
        steps.push(scan);
    }
    stages.extend(steps.into_iter().map(|step| json!({ "name": step["name"], "actions": [step] })));
    stages
}
