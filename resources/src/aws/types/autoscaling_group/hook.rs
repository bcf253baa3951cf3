//! Lifecycle hooks.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::LifecycleHookSpecification;

use super::super::{iam_role::IamRole, prelude::*};
use crate::aws::{from_aws, to_aws};

/// A hook, which holds instances until a program has finished, or a time has passed.
#[spec]
#[derive(PartialEq)]
pub struct LifecycleHook {
    /// When it holds an instance.
    pub transition: Transition,
    /// Time for which it holds an instance, in seconds.
    #[field(default = 3600, range = 30..=7200)]
    pub heartbeat_seconds: i32,
    /// Action after that time: the transition continues (`CONTINUE`), or a starting instance is terminated (`ABANDON`).
    #[field(default = "ABANDON", one_of = ["CONTINUE", "ABANDON"])]
    pub default_result: String,
    /// ARN of the queue or topic that is notified; EventBridge always is.
    #[field(unset = "none", requires = role, pattern = r"arn:aws[a-z-]*:(sqs|sns):.+|\$\{.+\}", dropped = None)]
    pub target: Option<String>,
    /// Role with which Auto Scaling notifies the target.
    #[field(unset = "none", dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Text in the notification.
    #[field(default, length = 0..=4000)]
    pub metadata: String,
}

/// Transition of an instance.
#[spec]
#[derive(Copy, PartialEq)]
pub enum Transition {
    /// It starts.
    Launching,
    /// It is terminated.
    Terminating,
}

impl Transition {
    fn to_sdk(self) -> String {
        format!("autoscaling:EC2_INSTANCE_{}", to_aws(&self).to_uppercase())
    }
}

impl LifecycleHook {
    pub(super) fn to_specification(&self, name: &str) -> LifecycleHookSpecification {
        LifecycleHookSpecification::builder()
            .lifecycle_hook_name(name)
            .lifecycle_transition(self.transition.to_sdk())
            .heartbeat_timeout(self.heartbeat_seconds)
            .default_result(&self.default_result)
            .set_notification_target_arn(self.target.clone())
            .set_role_arn(self.role.as_ref().map(|role| role.get().to_owned()))
            .set_notification_metadata(Some(self.metadata.clone()).filter(|text| !text.is_empty()))
            .build()
    }
}

pub(super) async fn read(aws: &Aws, group: &str) -> Result<BTreeMap<String, LifecycleHook>> {
    let Some(reply) = ok_or_not_found(aws.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group).send().await)? else {
        return Ok(BTreeMap::new());
    };
    let hooks = reply.lifecycle_hooks.unwrap_or_default().into_iter().filter_map(|hook| Some((hook.lifecycle_hook_name.clone()?, hook)));
    hooks
        .map(|(name, hook)| {
            let transition = hook.lifecycle_transition.unwrap_or_default();
            let transition = transition.rsplit('_').next().unwrap_or_default().to_lowercase();
            let text = |text: Option<String>| text.filter(|text| !text.is_empty());
            let read = LifecycleHook {
                transition: from_aws(&transition)?,
                heartbeat_seconds: hook.heartbeat_timeout.unwrap_or_else(LifecycleHook::default_heartbeat_seconds),
                default_result: hook.default_result.unwrap_or_else(LifecycleHook::default_default_result),
                target: text(hook.notification_target_arn),
                role: text(hook.role_arn).map(ArnRef::to),
                metadata: hook.notification_metadata.unwrap_or_default(),
            };
            Ok((name, read))
        })
        .collect()
}

/// PutLifecycleHook keeps what it does not name, so a hook that loses its target is made again.
pub(super) async fn change(
    cx: &Cx<'_>,
    group: &str,
    before: &BTreeMap<String, LifecycleHook>,
    after: &BTreeMap<String, LifecycleHook>,
) -> Result<()> {
    let loses = |name: &String, live: &LifecycleHook| {
        after
            .get(name)
            .is_none_or(|hook| (hook.target.is_none() && live.target.is_some()) || (hook.metadata.is_empty() && !live.metadata.is_empty()))
    };
    for (name, _) in before.iter().filter(|(name, live)| loses(name, live)) {
        let call = cx.autoscaling.delete_lifecycle_hook().auto_scaling_group_name(group).lifecycle_hook_name(name);
        ok_or_not_found(call.send().await)?;
    }
    for (name, hook) in after.iter().filter(|(name, hook)| before.get(*name) != Some(*hook)) {
        let all = hook.to_specification(name);
        cx.autoscaling
            .put_lifecycle_hook()
            .auto_scaling_group_name(group)
            .lifecycle_hook_name(name)
            .set_lifecycle_transition(all.lifecycle_transition)
            .set_heartbeat_timeout(all.heartbeat_timeout)
            .set_default_result(all.default_result)
            .set_notification_target_arn(all.notification_target_arn)
            .set_role_arn(all.role_arn)
            .set_notification_metadata(all.notification_metadata)
            .send()
            .await?;
    }
    Ok(())
}
