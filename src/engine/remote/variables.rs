//! Variables of a build with what the runner runs. They contain no values of the definition.

use std::collections::BTreeMap;

use crate::core::{EnvironmentName, StackName, trace::Level};

const RUN: &str = "ACME_REMOTE_RUN";
const STACK: &str = "ACME_REMOTE_STACK";
const ENVIRONMENT: &str = "ACME_REMOTE_ENVIRONMENT";
const BACKEND: &str = "ACME_REMOTE_BACKEND";
const SHA256: &str = "ACME_REMOTE_SHA256";
const VERSION: &str = "ACME_REMOTE_VERSION";
const HELM: &str = "ACME_REMOTE_HELM";
const LOG: &str = "ACME_REMOTE_LOG";

/// What a build has to prepare before it takes the package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Whether the plan needs Helm.
    pub needs_helm: bool,
    /// What the runner logs for the client. Default: nothing.
    pub log: Option<Level>,
}

/// What a build runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunVariables {
    /// Id of the remote run.
    pub run: String,
    /// Stack.
    pub stack: StackName,
    /// Environment.
    pub environment: EnvironmentName,
    /// Place of the backend: `s3://BUCKET/PREFIX/`.
    pub backend: String,
    /// SHA-256 of the package.
    pub sha256: String,
    /// Preparations.
    pub options: BuildOptions,
}

/// Variable that is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{0}` is missing or invalid")]
pub struct VariablesError(&'static str);

impl RunVariables {
    /// Variables with their values, and the version of acme that the runner must have.
    pub fn to_map(&self) -> BTreeMap<&'static str, String> {
        let helm = self.options.needs_helm.then(|| (HELM, "true".to_owned()));
        // The words of `ACME_LOG`.
        let log = self.options.log.map(|level| (LOG, if level == Level::Calls { "debug" } else { "info" }.to_owned()));
        let always = [
            (RUN, self.run.clone()),
            (STACK, self.stack.to_string()),
            (ENVIRONMENT, self.environment.to_string()),
            (BACKEND, self.backend.clone()),
            (SHA256, self.sha256.clone()),
            (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        ];
        always.into_iter().chain(helm).chain(log).collect()
    }

    /// Reads variables.
    ///
    /// # Errors
    /// Fails if one is missing or invalid.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<RunVariables, VariablesError> {
        let text = |name: &'static str| variable(name).filter(|text| !text.is_empty()).ok_or(VariablesError(name));
        Ok(RunVariables {
            run: text(RUN)?,
            stack: text(STACK)?.parse().map_err(|_| VariablesError(STACK))?,
            environment: text(ENVIRONMENT)?.parse().map_err(|_| VariablesError(ENVIRONMENT))?,
            backend: text(BACKEND)?,
            sha256: text(SHA256)?,
            options: BuildOptions { needs_helm: text(HELM).is_ok(), log: log_level(variable) },
        })
    }
}

/// What the runner logs for the client.
pub fn log_level(variable: impl Fn(&str) -> Option<String>) -> Option<Level> {
    match variable(LOG)?.as_str() {
        "info" => Some(Level::Decisions),
        "debug" => Some(Level::Calls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_they_were_written() {
        let variables = RunVariables {
            run: "1-a".into(),
            stack: "shop".parse().expect("a name"),
            environment: "production".parse().expect("a name"),
            backend: "s3://bucket/prefix/".into(),
            sha256: "00".into(),
            options: BuildOptions::default(),
        };
        let prepared =
            [BuildOptions { needs_helm: true, log: Some(Level::Decisions) }, BuildOptions { needs_helm: false, log: Some(Level::Calls) }];
        for options in prepared {
            let variables = RunVariables { options, ..variables.clone() };
            let map = variables.to_map();
            assert_eq!(RunVariables::read(|name| map.get(name).cloned()), Ok(variables));
        }
        let map = variables.to_map();
        assert_eq!(map.len(), 6, "{map:?}");
        assert_eq!(RunVariables::read(|name| map.get(name).cloned()), Ok(variables));
        let without = |missing: &str| RunVariables::read(|name| map.get(name).filter(|_| name != missing).cloned());
        assert_eq!(without(SHA256), Err(VariablesError(SHA256)));
        assert_eq!(without(STACK), Err(VariablesError(STACK)));
    }
}
