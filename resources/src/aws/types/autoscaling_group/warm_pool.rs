//! Instances that are prepared in advance.

use aws_sdk_autoscaling::types::{InstanceReusePolicy, WarmPoolConfiguration, WarmPoolStatus};

use super::super::prelude::*;

/// Instances that have started before they are needed, and wait.
#[spec]
#[derive(PartialEq)]
pub struct WarmPool {
    /// Fewest instances in the pool.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub min: i32,
    /// Most instances in group and pool together.
    #[field(unset = "`max` of the group", range = 0..=2_147_483_647, dropped = None)]
    pub max_prepared: Option<i32>,
    /// State of the instances.
    #[field(default = "Stopped", one_of = ["Stopped", "Running", "Hibernated"])]
    pub state: String,
    /// Returns instances to the pool when the group shrinks.
    #[field(default = false)]
    pub reuse: bool,
}

impl WarmPool {
    /// `None`: there is none, or it is being deleted.
    pub(super) fn read(pool: Option<WarmPoolConfiguration>) -> Option<WarmPool> {
        let pool = pool.filter(|pool| pool.status != Some(WarmPoolStatus::PendingDelete))?;
        Some(WarmPool {
            min: pool.min_size.unwrap_or_default(),
            max_prepared: pool.max_group_prepared_capacity.filter(|most| *most >= 0),
            state: pool.pool_state.map_or_else(WarmPool::default_state, |state| state.as_str().to_owned()),
            reuse: pool.instance_reuse_policy.and_then(|policy| policy.reuse_on_scale_in).unwrap_or_default(),
        })
    }
}

pub(super) async fn change(cx: &Cx<'_>, group: &str, wanted: Option<&WarmPool>) -> Result<()> {
    let Some(pool) = wanted else { return delete(cx, group).await };
    let reuse = InstanceReusePolicy::builder().reuse_on_scale_in(pool.reuse).build();
    let call = cx.autoscaling.put_warm_pool().auto_scaling_group_name(group).min_size(pool.min).pool_state(pool.state.as_str().into());
    // Less than none is no limit of its own.
    call.max_group_prepared_capacity(pool.max_prepared.unwrap_or(-1)).instance_reuse_policy(reuse).send().await?;
    Ok(())
}

/// Terminates its instances.
pub(super) async fn delete(cx: &Cx<'_>, group: &str) -> Result<()> {
    ok_or_not_found(cx.autoscaling.delete_warm_pool().auto_scaling_group_name(group).force_delete(true).send().await)?;
    Ok(())
}
