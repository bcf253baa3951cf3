//! Replacement of all instances.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{
    self as sdk, AlarmSpecification, DesiredConfiguration, InstanceRefreshStatus as Status, RefreshPreferences, RefreshStrategy,
};

use super::{super::prelude::*, AutoscalingGroup};
use crate::core::ErrorKind;

/// Replacement of the instances after a change. The group keeps its settings until all instances are replaced.
#[spec]
pub struct InstanceRefresh {
    /// Share of the wanted number of instances that stays healthy, in percent.
    #[field(unset = "that of `maintenance`, or 90", range = 0..=100)]
    #[field(dropped(kept, "used when instances are replaced"))]
    pub min_healthy_percentage: Option<i32>,
    /// Most instances while some are replaced, in percent of the wanted number.
    #[field(unset = "that of `maintenance`, or 100", requires = min_healthy_percentage, range = 100..=200)]
    #[field(dropped(kept, "used when instances are replaced"))]
    pub max_healthy_percentage: Option<i32>,
    /// Time until a new instance counts as ready, in seconds.
    #[field(unset = "`warmup_seconds` of the group, or the grace period of its health checks", range = 0..=3600)]
    #[field(dropped(kept, "used when instances are replaced"))]
    pub warmup_seconds: Option<i32>,
    /// Percentages of replaced instances at which the replacement pauses.
    #[field(default, length = 0..=20)]
    pub checkpoints: BTreeSet<i32>,
    /// Length of the pauses, in seconds.
    #[field(unset = "3600", range = 0..=172_800)]
    #[field(dropped(kept, "used when instances are replaced"))]
    pub checkpoint_seconds: Option<i32>,
    /// Time after the last replacement in which a failure still counts, in seconds.
    #[field(unset = "none", range = 0..=172_800)]
    #[field(dropped(kept, "used when instances are replaced"))]
    pub bake_seconds: Option<i32>,
    /// Keeps instances that have the wanted settings already.
    #[field(default = false)]
    pub skip_matching: bool,
    /// Returns to the previous settings if the replacement fails. Needs a numbered version of the launch template.
    #[field(default = false)]
    pub auto_rollback: bool,
    /// Names of alarms of CloudWatch that make the replacement fail.
    #[field(default, length = 0..=10)]
    pub alarms: BTreeSet<String>,
    /// Instances that are protected from being terminated when the group shrinks.
    #[field(default = "Wait", one_of = ["Refresh", "Ignore", "Wait"])]
    pub protected_instances: String,
    /// Instances in standby.
    #[field(default = "Wait", one_of = ["Terminate", "Ignore", "Wait"])]
    pub standby_instances: String,
}

impl InstanceRefresh {
    fn preferences(&self) -> RefreshPreferences {
        let alarms = AlarmSpecification::builder().set_alarms(Some(self.alarms.iter().cloned().collect())).build();
        let checkpoints = Some(self.checkpoints.iter().copied().collect::<Vec<_>>()).filter(|list| !list.is_empty());
        RefreshPreferences::builder()
            .set_min_healthy_percentage(self.min_healthy_percentage)
            .set_max_healthy_percentage(self.max_healthy_percentage)
            .set_instance_warmup(self.warmup_seconds)
            .set_checkpoint_delay(self.checkpoint_seconds.filter(|_| checkpoints.is_some()))
            .set_checkpoint_percentages(checkpoints)
            .set_bake_time(self.bake_seconds)
            .skip_matching(self.skip_matching)
            .auto_rollback(self.auto_rollback)
            .set_alarm_specification((!self.alarms.is_empty()).then_some(alarms))
            .scale_in_protected_instances(self.protected_instances.as_str().into())
            .standby_instances(self.standby_instances.as_str().into())
            .build()
    }

    /// Starts the replacement, which gives the group its new settings. A group has one at a time: one with other settings is cancelled, and
    /// the engine calls again.
    pub(super) async fn start(&self, cx: &Cx<'_>, group: &str, wanted: &AutoscalingGroup) -> Result<()> {
        let configuration = configuration(wanted);
        let call = cx.autoscaling.start_instance_refresh().auto_scaling_group_name(group).strategy(RefreshStrategy::Rolling);
        let call = call.desired_configuration(configuration.clone()).preferences(self.preferences());
        match call.send().await.map_err(Error::from) {
            Ok(_) => Ok(()),
            Err(error) if error.code == "InstanceRefreshInProgress" => {
                let running = latest(cx.api, group).await?.filter(|refresh| is_running(refresh.status.as_ref()));
                if running.as_ref().is_some_and(|refresh| is_for(refresh, &configuration)) {
                    return Ok(());
                }
                // It may end by itself meanwhile.
                ok_or_not_found(cx.autoscaling.cancel_instance_refresh().auto_scaling_group_name(group).send().await)?;
                Err(Error { kind: ErrorKind::Conflict, ..error })
            }
            Err(error) => Err(error),
        }
    }
}

fn configuration(group: &AutoscalingGroup) -> DesiredConfiguration {
    let configuration = DesiredConfiguration::builder();
    match &group.mixed_instances {
        Some(mixed) => configuration.mixed_instances_policy(mixed.to_sdk(group)),
        None => configuration.launch_template(group.template()),
    }
    .build()
}

/// Whether a refresh has these settings, as far as AWS reports them.
fn is_for(refresh: &sdk::InstanceRefresh, wanted: &DesiredConfiguration) -> bool {
    let Some(has) = &refresh.desired_configuration else { return false };
    let same = |one: Option<&sdk::LaunchTemplateSpecification>, other: Option<&sdk::LaunchTemplateSpecification>| {
        one.zip(other).is_some_and(|(one, other)| one.launch_template_id == other.launch_template_id && one.version == other.version)
    };
    match (&has.mixed_instances_policy, &wanted.mixed_instances_policy) {
        (Some(has), Some(wanted)) => {
            let template = |policy: &sdk::MixedInstancesPolicy| policy.launch_template.as_ref()?.launch_template_specification.clone();
            let overrides = |policy: &sdk::MixedInstancesPolicy| policy.launch_template.clone().and_then(|template| template.overrides);
            same(template(has).as_ref(), template(wanted).as_ref())
                && overrides(has).unwrap_or_default() == overrides(wanted).unwrap_or_default()
        }
        (None, None) => same(has.launch_template.as_ref(), wanted.launch_template.as_ref()),
        _ => false,
    }
}

fn is_running(status: Option<&Status>) -> bool {
    matches!(status, Some(Status::Pending | Status::InProgress | Status::Baking | Status::Cancelling | Status::RollbackInProgress))
}

async fn latest(aws: &Aws, group: &str) -> Result<Option<sdk::InstanceRefresh>> {
    let call = aws.autoscaling.describe_instance_refreshes().auto_scaling_group_name(group).max_records(1);
    Ok(ok_or_not_found(call.send().await)?.and_then(|reply| reply.instance_refreshes).into_iter().flatten().next())
}

/// Progress of a running replacement.
pub(super) async fn progress(aws: &Aws, group: &str) -> Result<Option<String>> {
    let Some(refresh) = latest(aws, group).await?.filter(|refresh| is_running(refresh.status.as_ref())) else { return Ok(None) };
    let status = refresh.status.as_ref().map_or("", Status::as_str);
    let reason = refresh.status_reason.filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}")).unwrap_or_default();
    Ok(Some(format!("instance refresh {status}, {} %{reason}", refresh.percentage_complete.unwrap_or_default())))
}

/// Why the last replacement failed; `None` if it did not.
pub(super) async fn failure(aws: &Aws, group: &str) -> Result<Option<String>> {
    let Some(refresh) = latest(aws, group).await? else { return Ok(None) };
    let failed = matches!(refresh.status, Some(Status::Failed | Status::Cancelled | Status::RollbackFailed | Status::RollbackSuccessful));
    let status = refresh.status.as_ref().map_or("", Status::as_str);
    let reason = refresh.status_reason.filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}")).unwrap_or_default();
    Ok(failed.then(|| format!("the last instance refresh has the status {status}{reason}")))
}
