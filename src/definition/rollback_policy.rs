//! When a failed apply rolls back.

use serde::{Deserialize, Serialize};

/// Whether a failed apply undoes its completed steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackPolicy {
    /// Always.
    #[default]
    Always,
    /// Only if a resource of the stack existed before: the steps of a first apply are kept.
    OnUpdate,
    /// Never.
    Never,
}

impl RollbackPolicy {
    /// Values in a definition.
    pub const NAMES: [&str; 3] = ["always", "on-update", "never"];

    /// Policy of this name.
    pub fn from_name(name: &str) -> Option<RollbackPolicy> {
        [RollbackPolicy::Always, RollbackPolicy::OnUpdate, RollbackPolicy::Never]
            .into_iter()
            .zip(Self::NAMES)
            .find_map(|(policy, known)| (known == name).then_some(policy))
    }

    /// Whether a run rolls back after a failure; `has_resources`: whether a resource of the stack existed before.
    pub fn applies(self, has_resources: bool) -> bool {
        match self {
            RollbackPolicy::Always => true,
            RollbackPolicy::OnUpdate => has_resources,
            RollbackPolicy::Never => false,
        }
    }
}
