//! Variables of a build with what the runner runs. They contain no values of the definition.

use std::collections::BTreeMap;

use crate::core::{EnvironmentName, StackName};

const RUN: &str = "ACME_REMOTE_RUN";
const STACK: &str = "ACME_REMOTE_STACK";
const ENVIRONMENT: &str = "ACME_REMOTE_ENVIRONMENT";
const BACKEND: &str = "ACME_REMOTE_BACKEND";
const SHA256: &str = "ACME_REMOTE_SHA256";
const VERSION: &str = "ACME_REMOTE_VERSION";

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
}

/// Variable that is missing or invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{0}` is missing or invalid")]
pub struct VariablesError(&'static str);

impl RunVariables {
    /// Variables with their values, and the version of acme that the runner must have.
    pub fn to_map(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (RUN, self.run.clone()),
            (STACK, self.stack.to_string()),
            (ENVIRONMENT, self.environment.to_string()),
            (BACKEND, self.backend.clone()),
            (SHA256, self.sha256.clone()),
            (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        ])
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
        })
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
        };
        let map = variables.to_map();
        assert_eq!(RunVariables::read(|name| map.get(name).cloned()), Ok(variables));
        let without = |missing: &str| RunVariables::read(|name| map.get(name).filter(|_| name != missing).cloned());
        assert_eq!(without(SHA256), Err(VariablesError(SHA256)));
        assert_eq!(without(STACK), Err(VariablesError(STACK)));
    }
}
