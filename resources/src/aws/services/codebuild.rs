//! CodeBuild.

pub mod builds;

use aws_sdk_codebuild::types::{Project, Tag};

use crate::{
    aws::Aws,
    core::{Error, ErrorCodes, ErrorKind, ErrorRule, Result, ServiceInfo, TagChange, Tags},
};

/// The facts of the service. It has no calls for tags: an update of the project sets them.
pub static SERVICE: ServiceInfo = ServiceInfo::new("codebuild", "CodeBuild")
    .tag_actions(&["codebuild:UpdateProject"], &[])
    .error_codes(ErrorCodes {
        not_found: "ResourceNotFoundException",
        already_exists: "ResourceAlreadyExistsException",
        // CodeBuild never refuses to delete a project because of what uses it.
        in_use: "ConflictException",
    })
    .error_rules(&[
        // A new role is not visible everywhere yet.
        ErrorRule::with_message("InvalidInputException", "is not authorized to perform", ErrorKind::NotYetVisible),
        ErrorRule::with_message("InvalidInputException", "Not authorized to perform", ErrorKind::NotYetVisible),
    ]);

sdk_client!(aws_sdk_codebuild);
tag_conversions!(Tag, key, value, Some);

/// Reads one project.
///
/// # Errors
/// Returns errors of the service, and "not found" without a project.
pub async fn read_project(aws: &Aws, name: &str) -> Result<Project> {
    let projects = aws.codebuild.batch_get_projects().names(name).send().await?.projects.unwrap_or_default();
    let missing = || Error::new(ErrorKind::NotFound, SERVICE.error_codes.not_found, format!("there is no project `{name}`"));
    projects.into_iter().next().ok_or_else(missing)
}

/// An update replaces all tags, so it repeats those that stay.
pub(super) async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
    let mut tags: Tags = from_tags(read_project(aws, change.id).await?.tags());
    tags.retain(|key, _| !change.remove.contains(key));
    tags.extend(change.set.clone());
    aws.codebuild.update_project().name(change.id).set_tags(Some(to_tags(&tags))).send().await?;
    Ok(())
}
