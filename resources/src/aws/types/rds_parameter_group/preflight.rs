//! Families of parameter groups, and their parameters.

use std::collections::BTreeSet;

use super::{
    super::rds_instance::engine_versions,
    RdsParameterGroup, RdsParameterGroupChanges,
    parameters::{self, OfInstances},
};
use crate::{
    aws::Aws,
    core::{Pointer, Problem, Questions},
};

/// Checks the family, and that each parameter exists in it and can be changed.
pub(super) async fn preflight(
    group: &RdsParameterGroup,
    questions: &Questions<'_, Aws>,
    changes: RdsParameterGroupChanges,
) -> Vec<Problem> {
    let family = &group.family;
    if family.contains("${") {
        return Vec::new();
    }
    if changes.family
        && let Some(problem) = unknown_family(questions, RdsParameterGroup::POINTERS.family, family).await
    {
        return vec![problem];
    }
    if group.parameters.is_empty() || !(changes.family || changes.parameters) {
        return Vec::new();
    }
    parameters::preflight::<OfInstances>(questions, family, &group.parameters, RdsParameterGroup::POINTERS.parameters).await
}

/// Problem with a family that no version of its engine has.
pub(in crate::aws::types) async fn unknown_family(questions: &Questions<'_, Aws>, at: Pointer, family: &str) -> Option<Problem> {
    // `aurora-postgresql16` → `aurora-postgresql`.
    let engine = family.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let versions = engine_versions(questions, engine).await.unwrap_or_default();
    let families: BTreeSet<&str> = versions.iter().map(|version| version.family.as_str()).filter(|name| !name.is_empty()).collect();
    Problem::not_offered(at, family, "families", "", families)
}
