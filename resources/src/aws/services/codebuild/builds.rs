//! Builds of a project: starting, reading and stopping them.

use std::collections::BTreeMap;

use aws_sdk_codebuild::types::{self, EnvironmentVariable, EnvironmentVariableType, StatusType};

use super::SERVICE;
use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Result},
};

/// Variable in which a build finds its own ARN: <https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html>.
pub const BUILD_ARN_VARIABLE: &str = "CODEBUILD_BUILD_ARN";

/// Number of builds that one call reads, the most that BatchGetBuilds accepts.
const BUILDS_PER_CALL: usize = 100;

/// Phase in which the commands of `build` run.
const BUILD_PHASE: &str = "BUILD";

/// A build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Id: `<project>:<uuid>`.
    pub id: String,
    /// Amazon resource name.
    pub arn: String,
    /// Status.
    pub status: BuildStatus,
    /// Current phase, such as `PROVISIONING`.
    pub phase: String,
    /// Whether the commands of the phase `build` were started.
    pub has_begun: bool,
    /// Reasons why phases failed, as CodeBuild states them.
    pub reasons: Vec<String>,
    /// Log; `None` until the build is provisioned, and without logs in CloudWatch.
    pub log: Option<BuildLog>,
    /// Plain variables of the build.
    pub variables: BTreeMap<String, String>,
}

/// Log of a build in CloudWatch Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildLog {
    /// Name of the log group.
    pub group: String,
    /// Name of the log stream.
    pub stream: String,
}

/// Status of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildStatus {
    /// It waits or runs.
    InProgress,
    /// Its commands succeeded.
    Succeeded,
    /// It ended otherwise, in CodeBuild's word: `FAILED`, `FAULT`, `STOPPED` or `TIMED_OUT`.
    Ended(String),
}

impl Build {
    /// Whether it waits or runs.
    pub fn is_in_progress(&self) -> bool {
        self.status == BuildStatus::InProgress
    }

    /// Its status in CodeBuild's word.
    pub fn status_text(&self) -> &str {
        match &self.status {
            BuildStatus::InProgress => "IN_PROGRESS",
            BuildStatus::Succeeded => "SUCCEEDED",
            BuildStatus::Ended(word) => word,
        }
    }

    fn from_sdk(build: types::Build) -> Result<Build> {
        let id = build.id.ok_or_else(|| Error::missing_field("id"))?;
        let arn = build.arn.ok_or_else(|| Error::missing_field("arn"))?;
        let status = match build.build_status.ok_or_else(|| Error::missing_field("buildStatus"))? {
            StatusType::InProgress => BuildStatus::InProgress,
            StatusType::Succeeded => BuildStatus::Succeeded,
            other => BuildStatus::Ended(other.as_str().to_owned()),
        };
        let phases = build.phases.unwrap_or_default();
        let has_begun = phases.iter().any(|phase| phase.phase_type.as_ref().is_some_and(|kind| kind.as_str() == BUILD_PHASE));
        let reasons = phases.iter().flat_map(reasons_of).collect();
        let log = build.logs.and_then(|logs| Some(BuildLog { group: logs.group_name?, stream: logs.stream_name? }));
        // Before there is a stream, the names may be empty.
        let log = log.filter(|log| !log.group.is_empty() && !log.stream.is_empty());
        let variables = build.environment.and_then(|environment| environment.environment_variables).unwrap_or_default();
        let plain = variables.into_iter().filter(|variable| {
            !matches!(variable.r#type, Some(EnvironmentVariableType::ParameterStore | EnvironmentVariableType::SecretsManager))
        });
        let variables = plain.map(|variable| (variable.name, variable.value)).collect();
        Ok(Build { id, arn, status, phase: build.current_phase.unwrap_or_default(), has_begun, reasons, log, variables })
    }
}

/// Why a phase did not succeed: `PROVISIONING: ACCESS_DENIED: …`.
fn reasons_of(phase: &types::BuildPhase) -> Vec<String> {
    let failed = phase.phase_status.as_ref().is_some_and(|status| !matches!(status, StatusType::Succeeded | StatusType::InProgress));
    let name = phase.phase_type.as_ref().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
    let contexts = phase.contexts().iter().filter(|_| failed);
    let text = |context: &types::PhaseContext| -> String {
        let parts = [Some(name.as_str()), context.status_code(), context.message()].into_iter().flatten();
        parts.map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    };
    // A context without a reason has a code and no message.
    contexts.filter(|context| context.message().is_some_and(|message| !message.trim().is_empty())).map(text).collect()
}

/// Starts a build with these variables. A repeated call with the same token within five minutes returns the same build.
///
/// # Errors
/// Returns errors of the service: "not found" without the project.
pub async fn start_build(aws: &Aws, project: &str, variables: &BTreeMap<&str, String>, token: &str) -> Result<Build> {
    let plain = EnvironmentVariableType::Plaintext;
    let to_sdk = |(name, value): (&&str, &String)| EnvironmentVariable::builder().name(*name).value(value).r#type(plain.clone()).build();
    let variables = variables.iter().map(to_sdk).collect::<std::result::Result<Vec<_>, _>>()?;
    let call = aws.codebuild.start_build().project_name(project).idempotency_token(token);
    let reply = call.set_environment_variables_override(Some(variables)).send().await?;
    Build::from_sdk(reply.build_value.ok_or_else(|| Error::missing_field("build"))?)
}

/// Reads a build.
///
/// # Errors
/// Returns errors of the service, and "not found" without the build.
pub async fn read_build(aws: &Aws, id: &str) -> Result<Build> {
    let builds = aws.codebuild.batch_get_builds().ids(id).send().await?.builds.unwrap_or_default();
    let missing = || Error::new(ErrorKind::NotFound, SERVICE.error_codes.not_found, format!("there is no build `{id}`"));
    Build::from_sdk(builds.into_iter().next().ok_or_else(missing)?)
}

/// The latest hundred builds of a project, newest first.
///
/// # Errors
/// Returns errors of the service: "not found" without the project.
pub async fn latest_builds(aws: &Aws, project: &str) -> Result<Vec<Build>> {
    // Newest first is the default order. To state it is an error as soon as the project has more than a hundred builds:
    // https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ListBuildsForProject.html
    let mut ids = aws.codebuild.list_builds_for_project().project_name(project).send().await?.ids.unwrap_or_default();
    ids.truncate(BUILDS_PER_CALL);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let reply = aws.codebuild.batch_get_builds().set_ids(Some(ids.clone())).send().await?;
    let builds = reply.builds.unwrap_or_default().into_iter().map(Build::from_sdk).collect::<Result<Vec<_>>>()?;
    let mut by_id: BTreeMap<String, Build> = builds.into_iter().map(|build| (build.id.clone(), build)).collect();
    // The response has an order of its own, and lacks builds that were deleted meanwhile.
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

/// Stops a build. CodeBuild documents no signal for its processes: they end without a warning.
///
/// # Errors
/// Returns errors of the service.
pub async fn stop_build(aws: &Aws, id: &str) -> Result<()> {
    aws.codebuild.stop_build().id(id).send().await?;
    Ok(())
}
