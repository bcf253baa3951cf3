//! Deletion of a group.

use super::{super::prelude::*, read::describe, warm_pool};

/// Instances whose protection a call changes.
const PER_CALL: usize = 50;

/// Removes protections that keep the instances, shrinks the group to zero, and deletes it when it is empty.
pub(super) async fn delete(cx: &Cx<'_>, id: &str) -> Result<Deletion> {
    let Some(group) = describe(cx.api, &[id.to_owned()]).await?.into_iter().next() else {
        return Err(Error::new(crate::core::ErrorKind::NotFound, "AutoScalingGroupNotFound", format!("there is no group `{id}`")));
    };
    if group.warm_pool_configuration.as_ref().is_some_and(|pool| pool.status.is_none()) {
        warm_pool::delete(cx, id).await?;
    }
    let instances = group.instances.unwrap_or_default();
    if group.max_size != Some(0) || group.desired_capacity != Some(0) {
        let protected = instances.iter().filter(|instance| instance.protected_from_scale_in == Some(true));
        let protected: Vec<String> = protected.filter_map(|instance| instance.instance_id.clone()).collect();
        for some in protected.chunks(PER_CALL) {
            let call = cx.autoscaling.set_instance_protection().auto_scaling_group_name(id).protected_from_scale_in(false);
            call.set_instance_ids(Some(some.to_vec())).send().await?;
        }
        let is_held = group.suspended_processes.iter().flatten().any(|process| process.process_name.as_deref() == Some("Terminate"));
        if is_held {
            cx.autoscaling.resume_processes().auto_scaling_group_name(id).scaling_processes("Terminate").send().await?;
        }
        let call = cx.autoscaling.update_auto_scaling_group().auto_scaling_group_name(id).min_size(0).max_size(0).desired_capacity(0);
        call.send().await?;
    }
    if !instances.is_empty() {
        return Ok(Deletion::NeedsAnotherCall(format!("terminating {} instances", instances.len())));
    }
    Deletion::requested(cx.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(id).send().await)
}
