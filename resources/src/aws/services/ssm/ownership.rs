//! Ownership of settings that carry no tags and no description: a parameter for each, whose value names the owner.
//!
//! The parameters have no tags, so they are no resources of a stack themselves.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::ParameterType;

use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Result, STACK_TAG, TagChange, Tags, ok_or_not_found, ownership_tags, ownership_text},
};

/// Folder of the parameters.
const FOLDER: &str = "/acme/ownership";

/// Name of the parameter for the resource of this type with this id.
fn parameter(type_name: &str, id: &str) -> String {
    format!("{FOLDER}/{type_name}/{id}")
}

/// The ownership tags of a resource; `None` if it belongs to no stack.
///
/// # Errors
/// Returns errors of the service.
pub async fn read(aws: &Aws, type_name: &str, id: &str) -> Result<Option<Tags>> {
    let reply = ok_or_not_found(aws.ssm.get_parameter().name(parameter(type_name, id)).send().await)?;
    Ok(reply.and_then(|reply| reply.parameter?.value).map(|text| ownership_tags(&text)))
}

/// The ownership tags of all resources of a type, by id.
///
/// # Errors
/// Returns errors of the service.
pub async fn read_all(aws: &Aws, type_name: &str) -> Result<BTreeMap<String, Tags>> {
    let folder = parameter(type_name, "");
    let call = aws.ssm.get_parameters_by_path().path(folder.trim_end_matches('/')).recursive(true);
    let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
    let all = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default());
    let read = all.filter_map(|one| Some((one.name?.strip_prefix(&folder)?.to_owned(), ownership_tags(&one.value?))));
    Ok(read.collect())
}

/// Claims a resource for the owner with these tags: of two callers, one wins.
///
/// # Errors
/// Fails if another stack or address has claimed it.
pub async fn claim(aws: &Aws, type_name: &str, id: &str, tags: &Tags) -> Result<()> {
    let call = aws.ssm.put_parameter().name(parameter(type_name, id)).value(ownership_text(tags)).r#type(ParameterType::String);
    match call.description(DESCRIPTION).overwrite(false).send().await.map_err(Error::from) {
        // An earlier attempt without a response may have claimed it.
        Err(error) if error.kind == ErrorKind::AlreadyExists => {
            let owner = read(aws, type_name, id).await?;
            let is_ours = owner.is_some_and(|owner| ownership_text(&owner) == ownership_text(tags));
            if is_ours { Ok(()) } else { Err(error) }
        }
        answer => answer.map(drop),
    }
}

/// Description of the parameters.
const DESCRIPTION: &str = "The acme stack that manages these settings, which have no tags.";

/// Sets or removes the owner, for [`crate::core::Resource::retag`].
///
/// # Errors
/// Returns errors of the service.
pub async fn retag(aws: &Aws, type_name: &str, change: &TagChange<'_>) -> Result<()> {
    match change.after.contains_key(STACK_TAG) {
        true => set(aws, type_name, change.id, change.after).await,
        false => release(aws, type_name, change.id).await,
    }
}

/// Sets the owner, and replaces an earlier one.
///
/// # Errors
/// Returns errors of the service.
pub async fn set(aws: &Aws, type_name: &str, id: &str, tags: &Tags) -> Result<()> {
    let call = aws.ssm.put_parameter().name(parameter(type_name, id)).value(ownership_text(tags)).r#type(ParameterType::String);
    call.description(DESCRIPTION).overwrite(true).send().await?;
    Ok(())
}

/// Sets the owner, and then creates the resource: otherwise an interrupted run would leave one without an owner. An earlier owner has none any
/// more, since there is no such resource. A creation that AWS rejects leaves no owner.
///
/// # Errors
/// Returns errors of both calls.
pub async fn create_owned<T, E: Into<Error>>(
    aws: &Aws,
    (type_name, id): (&str, &str),
    tags: &Tags,
    creation: impl Future<Output = Result<T, E>>,
) -> Result<()> {
    set(aws, type_name, id, tags).await?;
    match creation.await.map_err(Into::into) {
        Ok(_) => Ok(()),
        // A call without an answer may have created it.
        Err(error) if error.kind == ErrorKind::Unavailable => Err(error),
        Err(error) => {
            release(aws, type_name, id).await?;
            Err(error)
        }
    }
}

/// Removes the owner.
///
/// # Errors
/// Returns errors of the service.
pub async fn release(aws: &Aws, type_name: &str, id: &str) -> Result<()> {
    ok_or_not_found(aws.ssm.delete_parameter().name(parameter(type_name, id)).send().await)?;
    Ok(())
}
