//! The record of the latest remote run of a stack, in its backend: a client that starts a build writes it before, so that clients start one build at a
//! time, and find it whatever else the project builds.

use serde::{Deserialize, Serialize};

use crate::{
    core::{EnvironmentName, Result, StackName},
    engine::backend::{Backend, DocumentFormat, Key, with_patience},
};

/// Format of the record.
const FORMAT: DocumentFormat = DocumentFormat { name: "acme-remote-run/1", code: "RemoteRecord" };

/// A remote run that a client starts or has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// Id of the remote run.
    pub run: String,
    /// Project of its build.
    pub project: String,
    /// User who starts it.
    pub actor: String,
    /// Id of its build; `None` as long as the client has no answer of CodeBuild.
    pub build: Option<String>,
    /// Whether CodeBuild refused to start a build.
    pub was_refused: bool,
}

/// The place of the record in a backend.
#[derive(Clone, Debug)]
pub(super) struct RecordPlace<'a> {
    backend: &'a Backend,
    key: Key,
}

impl<'a> RecordPlace<'a> {
    pub(super) fn new(backend: &'a Backend, stack: &StackName, environment: &EnvironmentName) -> RecordPlace<'a> {
        RecordPlace { backend, key: Key::remote_run(stack, environment) }
    }

    /// The record and its version; `None` before the first remote run.
    pub(super) async fn read(&self) -> Result<Option<(RunRecord, String)>> {
        with_patience(|| FORMAT.read(self.backend, &self.key)).await
    }

    /// Writes the record in place of this version, and returns the new one; `None` if another client was faster.
    pub(super) async fn write(&self, record: &RunRecord, version: Option<&str>) -> Result<Option<String>> {
        FORMAT.write(self.backend, &self.key, record, version).await
    }
}
