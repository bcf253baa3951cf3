//! Calls for keys and their replicas.

use crate::{
    aws::{Aws, Cx},
    core::{Created, Deletion, Error, ErrorKind, OnDelete, Pointer, Problem, Resource, Result, ok_or_not_found},
};

use super::{INVALID_STATE, MIN_DELETION_WINDOW_DAYS};

/// Cancels the deletion of a key within its waiting period.
pub(in crate::aws::types) async fn restore<R: Resource>(cx: &Cx<'_>, id: &str) -> Result<Created<R>> {
    cx.kms.cancel_key_deletion().key_id(id).send().await?;
    cx.kms.enable_key().key_id(id).send().await?;
    Ok(id.to_owned().into())
}

/// Deletes the alias first: until the window ends, no other key could use its name.
pub(in crate::aws::types) async fn request_deletion(cx: &Cx<'_>, id: &str, alias: Option<&str>, window_days: i32) -> Result<Deletion> {
    if let Some(alias) = alias {
        ok_or_not_found(cx.kms.delete_alias().alias_name(alias).send().await)?;
    }
    let window = if cx.call.on_delete == OnDelete::Delete { MIN_DELETION_WINDOW_DAYS as i32 } else { window_days };
    match cx.kms.schedule_key_deletion().key_id(id).pending_window_in_days(window).send().await.map_err(Error::from) {
        // A first attempt succeeded, but its response was lost.
        Err(error) if error.code == INVALID_STATE && error.message.contains("pending deletion") => {}
        answer => drop(answer?),
    }
    Ok(Deletion::Requested)
}

/// Gives a key another alias. AWS can't rename one.
pub(in crate::aws::types) async fn change_alias(aws: &Aws, id: &str, before: Option<&str>, after: Option<&str>) -> Result<()> {
    if let Some(alias) = after {
        create_alias(aws, alias, id).await?;
    }
    if let Some(alias) = before {
        ok_or_not_found(aws.kms.delete_alias().alias_name(alias).send().await)?;
    }
    Ok(())
}

/// The problem of an alias that only AWS can create.
pub(in crate::aws::types) fn reserved_alias(name: Option<&str>, at: Pointer) -> Option<Problem> {
    name.filter(|name| name.starts_with("alias/aws/")).map(|_| Problem::new(at, "`alias/aws/` is reserved for AWS"))
}

/// Creates the alias of a key. The key already has it if an update is retried because a later call failed: a new key is not visible
/// everywhere at once.
async fn create_alias(aws: &Aws, alias: &str, id: &str) -> Result<()> {
    match aws.kms.create_alias().alias_name(alias).target_key_id(id).send().await.map_err(Error::from) {
        Err(error) if error.kind == ErrorKind::AlreadyExists => {
            let named = aws.kms.describe_key().key_id(alias).send().await?.key_metadata;
            named.filter(|key| key.key_id == id).map(drop).ok_or(error)
        }
        answer => answer.map(drop),
    }
}
