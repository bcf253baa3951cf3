//! Deletes a leftover.

use super::{
    LeftoverKind, Search, accelerators, balancers,
    cluster_leftover::ClusterLeftover,
    groups,
    inventory::{Inventory, inventory},
    machines, named, records, volumes,
};
use crate::{
    aws::{Aws, Cx},
    core::{CallContext, Deletion, Error, ErrorKind, Existing, Result},
};

/// Deletes a leftover of any kind.
pub(super) async fn remove(cx: &Cx<'_>, live: &Existing<ClusterLeftover>) -> Result<Deletion> {
    match LeftoverKind::of_id(&live.id) {
        Some((LeftoverKind::Rest, _)) => remove_rest(cx, &live.spec.search).await,
        Some((kind, id)) => remove_one(cx.api, cx.call, &live.spec.search, kind, id).await,
        None => Err(Error::new(ErrorKind::Rejected, "InvalidId", format!("`{}` is not the id of a leftover", live.id))),
    }
}

async fn remove_one(aws: &Aws, call: &CallContext, search: &Search, kind: LeftoverKind, id: &str) -> Result<Deletion> {
    match kind {
        LeftoverKind::Accelerator => accelerators::remove(aws, id).await,
        LeftoverKind::LoadBalancer => balancers::remove(aws, id).await,
        LeftoverKind::ClassicLoadBalancer => balancers::remove_classic(aws, id).await,
        LeftoverKind::TargetGroup => balancers::remove_target_group(aws, id).await,
        LeftoverKind::Instance => machines::terminate(aws, id).await,
        LeftoverKind::LaunchTemplate => machines::remove_launch_template(aws, id).await,
        LeftoverKind::InstanceProfile => named::remove_instance_profile(aws, id).await,
        LeftoverKind::NetworkInterface => groups::remove_interface(aws, id).await,
        LeftoverKind::SecurityGroup => groups::remove_group(aws, search, id).await,
        LeftoverKind::Volume => volumes::remove(aws, call, search, id).await,
        LeftoverKind::Snapshot => volumes::remove_snapshot(aws, id).await,
        LeftoverKind::DnsRecord => records::remove(aws, search, id).await,
        LeftoverKind::LogGroup => named::remove_log_group(aws, id).await,
        LeftoverKind::Rest => Ok(Deletion::Requested),
    }
}

/// Looks for everything again, and deletes what is there, until nothing is. The engine repeats the call within its limits.
async fn remove_rest(cx: &Cx<'_>, search: &Search) -> Result<Deletion> {
    let Inventory { found, unread, .. } = inventory(cx.api, search).await;
    // The plan has warned about kinds that acme may not read, or not reach. Others can be read a moment later.
    if let Some((_, error)) = unread.into_iter().find(|(_, error)| is_transient(error) && error.code != "Unreachable") {
        return Err(error);
    }
    let (mut left, mut refused) = (Vec::new(), Vec::new());
    for one in &found {
        let Some((kind, id)) = LeftoverKind::of_id(&one.id) else { continue };
        match remove_one(cx.api, cx.call, search, kind, id).await {
            Err(error) if error.is_not_found() => {}
            // The others are deleted all the same.
            Err(error) if error.kind != ErrorKind::Conflict && !is_transient(&error) => refused.push(error),
            _ => left.push(format!("{} {}", kind.noun(), one.name)),
        }
    }
    if let Some(error) = joined(refused) {
        return Err(error);
    }
    if left.is_empty() {
        return Ok(Deletion::Requested);
    }
    // A later pass sees whether they are gone.
    Err(Error::new(ErrorKind::Conflict, "StillDeleting", left.join(", ")))
}

fn is_transient(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
}

/// The first error, with the messages of all.
fn joined(errors: Vec<Error>) -> Option<Error> {
    let message = errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ");
    errors.into_iter().next().map(|error| Error { message, ..error })
}

/// Error about what others use until a person releases it: waiting would not help.
pub(super) fn still_used(id: &str, users: &[String]) -> Error {
    let message =
        format!("`{id}` is still used by {}, which acme does not delete: release it, then run the command again", users.join(", "));
    Error::new(ErrorKind::Rejected, "StillUsed", message)
}

/// Error about what a person has protected against deletion.
pub(super) fn protected(id: &str, what: &str) -> Error {
    Error::new(ErrorKind::Rejected, "Protected", format!("`{id}` has {what}: turn it off, then run the command again"))
}
