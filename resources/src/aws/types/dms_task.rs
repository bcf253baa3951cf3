//! `dms_task`: a migration task of Database Migration Service.

mod check;
mod health;
mod read;
mod run;
#[cfg(test)]
mod tests;

use super::{dms_endpoint::DmsEndpoint, dms_instance::DmsInstance, prelude::*};
use crate::core::Prerequisite;

/// A migration task of Database Migration Service (DMS), which copies data from a source to a target.
///
/// acme stops a running task to change it, and starts it again where it stood. Before it starts one, it lets DMS test the connections to both
/// endpoints.
#[spec]
pub struct DmsTask {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Replication instance that runs it.
    #[field(replaces)]
    pub instance: Ref<DmsInstance>,
    /// Endpoint from which data is read.
    #[field(replaces, important)]
    pub source: Ref<DmsEndpoint>,
    /// Endpoint to which data is written.
    #[field(replaces, important)]
    pub target: Ref<DmsEndpoint>,
    /// What it copies: all data once, later changes, or both.
    #[field(one_of = ["full-load", "cdc", "full-load-and-cdc"], important, impact = "the task is stopped for the change")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Tables to copy, and changes of their names and columns, in AWS's format.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.html>
    #[field(important, impact = "the task is stopped for the change")]
    pub mappings: Document,
    /// Settings of the task, in AWS's format. Those that it does not name keep AWS's value.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html>
    #[field(default, impact = "the task is stopped for the change")]
    pub settings: Document,
    /// Where the first run begins to read changes: a time (`2026-01-01T00:00:00`), a checkpoint or a position of the source's log.
    #[field(unset = "now", length = 1..=1000, initial_only, dropped(kept, "used only at creation"))]
    pub start_position: Option<String>,
    /// Where the task ends to read changes: `server_time:2026-02-01T00:00:00` or `commit_time:…`.
    #[field(unset = "never", length = 1..=1000, impact = "the task is stopped for the change")]
    #[field(dropped(impossible, "AWS does not remove the end of a task"))]
    pub stop_position: Option<String>,
    /// Whether the task runs. One that has copied everything counts as running, and is not started again. A task of the type `full-load` that
    /// was stopped earlier copies all tables again; others continue where they stood.
    #[field(default = true, after_create = false, important)]
    pub start: bool,
}

impl Resource for DmsTask {
    const TYPE: TypeInfo = TypeInfo::new("dms_task", &services::dms::SERVICE, "{arn}", "arn:aws:dms:{region}:{account}:task:{upper26}")
        .without_charge("the instance that runs it costs")
        .typical_seconds(120)
        .longest_hours(2)
        .without_token()
        .quota(600, "ResourceQuotaExceededFault")
        .lost_on_recreation("the position in the source's changes")
        .iam_actions(
            IamActions::new("dms:task:*")
                .list(&["cloudwatch:GetMetricData", "dms:DescribeConnections", "dms:DescribeReplicationTasks"])
                .read(&["dms:DescribeTableStatistics", "dms:ListTagsForResource"])
                .change(&["dms:DeleteReplicationTask", "dms:ModifyReplicationTask", "dms:StartReplicationTask", "dms:StopReplicationTask"])
                .grants(&[
                    IamGrant::change(&["dms:CreateReplicationTask", "dms:TestConnection"], GrantTarget::Referenced("dms_endpoint")),
                    IamGrant::change(&["dms:CreateReplicationTask", "dms:TestConnection"], GrantTarget::Referenced("dms_instance")),
                ]),
        );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.dms.create_replication_task().set_replication_task_identifier(self.name.clone());
        let call = call.replication_instance_arn(self.instance.get());
        let call = call.source_endpoint_arn(self.source.get()).target_endpoint_arn(self.target.get());
        let call = call.migration_type(self.kind.as_str().into()).table_mappings(self.mappings.to_json());
        let call = call.set_replication_task_settings(self.settings.text());
        let call = call.set_cdc_start_position(self.start_position.clone()).set_cdc_stop_position(self.stop_position.clone());
        let reply = call.set_tags(Some(services::dms::to_tags(&cx.call.tags))).send().await?;
        let arn = reply.replication_task.and_then(|task| task.replication_task_arn);
        arn.map(Created::Id).ok_or_else(|| Error::missing_field("ReplicationTaskArn"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: DmsTaskChanges) -> Result<()> {
        run::update(self, cx, &live.id).await
    }

    /// Only a task that does not run can be deleted.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if run::stop_if_running(cx, &live.id).await? {
            return Ok(Deletion::NeedsAnotherCall("stopped".to_owned()));
        }
        Deletion::requested(cx.dms.delete_replication_task().replication_task_arn(&live.id).send().await)
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        health::health(aws, &live.id).await.map(Some)
    }

    fn prerequisites(&self) -> Vec<Prerequisite> {
        let logs = self.settings.value().pointer("/Logging/EnableLogging") == Some(&true.into());
        logs.then_some(services::dms::LOGS_ROLE).into_iter().collect()
    }

    fn deletion_effect(&self) -> Option<String> {
        Some("what it has copied stays in the target".to_owned())
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// AWS reports all settings, named or not.
    fn normalize(&self, live: &mut Self) {
        if read::is_part_of(self.settings.value(), live.settings.value()) {
            live.settings = self.settings.clone();
        }
    }
}
