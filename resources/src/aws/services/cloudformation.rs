//! Stacks of CloudFormation, whose resources can be imported.

use crate::{
    aws::Aws,
    core::{Error, Result},
};

/// A resource in a stack of CloudFormation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackResource {
    /// Its type: `AWS::EC2::VPC`.
    pub type_name: String,
    /// Its logical id, the name in the template.
    pub name: String,
    /// Its physical id.
    pub id: String,
}

/// Existing resources of a stack of CloudFormation, in the order of AWS; `None` without such a stack. All pages.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html>
///
/// # Errors
/// Returns errors of the service.
pub async fn stack_resources(aws: &Aws, stack: &str) -> Result<Option<Vec<StackResource>>> {
    let mut pages = aws.cloudformation.list_stack_resources().stack_name(stack).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = match page.map_err(Error::from) {
            Ok(page) => page,
            Err(error) if is_missing_stack(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        found.extend(page.stack_resource_summaries.unwrap_or_default().into_iter().filter_map(|resource| {
            let is_deleted = resource.resource_status.is_some_and(|status| status.as_str() == "DELETE_COMPLETE");
            // A resource that CloudFormation is about to create has no physical id yet.
            let id = resource.physical_resource_id.filter(|id| !id.is_empty() && !is_deleted)?;
            Some(StackResource { type_name: resource.resource_type?, name: resource.logical_resource_id?, id })
        }));
    }
    Ok(Some(found))
}

/// Whether the stack does not exist: CloudFormation has no code of its own for it.
fn is_missing_stack(error: &Error) -> bool {
    error.code == "ValidationError" && error.message.contains("does not exist")
}
