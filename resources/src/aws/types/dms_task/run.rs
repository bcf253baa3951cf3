//! Starts, stops and changes tasks. Each call makes the next step that is due.

use aws_sdk_databasemigration::types::{Filter, ReplicationTask, StartReplicationTaskTypeValue};

use super::{super::prelude::*, DmsTask, read};
use crate::core::ErrorKind;

/// A step is under way, after which the call has to be repeated.
fn later(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Conflict, services::dms::SERVICE.error_codes.in_use, message)
}

async fn current(cx: &Cx<'_>, arn: &str) -> Result<ReplicationTask> {
    let missing = || Error::new(ErrorKind::NotFound, services::dms::SERVICE.error_codes.not_found, format!("there is no task {arn}"));
    read::with_settings(cx.api, &[arn.to_owned()]).await?.into_iter().next().ok_or_else(missing)
}

/// Whether the settings of a task that only a stopped one can change differ.
fn needs_change(wanted: &DmsTask, live: &DmsTask) -> bool {
    let settings = read::is_part_of(wanted.settings.value(), live.settings.value());
    let stop = wanted.stop_position.is_some() && wanted.stop_position != live.stop_position;
    wanted.kind != live.kind || wanted.mappings != live.mappings || !settings || stop
}

pub(super) async fn update(wanted: &DmsTask, cx: &Cx<'_>, arn: &str) -> Result<()> {
    let task = current(cx, arn).await?;
    let live = read::spec(&task)?;
    let status = task.status().unwrap_or_default();
    let runs = status == "running";
    if !runs && matches!(read::phase(&task), Phase::Progressing(_)) {
        return Err(later(format!("the task is {status}")));
    }
    if needs_change(wanted, &live) {
        // After each of these calls, the engine waits for the task, and asks for the rest.
        if runs {
            cx.dms.stop_replication_task().replication_task_arn(arn).send().await?;
            return Ok(());
        }
        let call = cx.dms.modify_replication_task().replication_task_arn(arn).migration_type(wanted.kind.as_str().into());
        let call = call.table_mappings(wanted.mappings.to_json()).set_replication_task_settings(wanted.settings.text());
        call.set_cdc_stop_position(wanted.stop_position.clone()).send().await?;
        return Ok(());
    }
    match (wanted.start, live.start) {
        (true, false) => start(wanted, cx, &task).await,
        (false, true) if runs => {
            cx.dms.stop_replication_task().replication_task_arn(arn).send().await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The first run begins at the start position, a later one where the task stood. AWS resumes no full load.
async fn start(wanted: &DmsTask, cx: &Cx<'_>, task: &ReplicationTask) -> Result<()> {
    for endpoint in [wanted.source.get(), wanted.target.get()] {
        test_connection(cx, wanted.instance.get(), endpoint).await?;
    }
    let kind = match (task.replication_task_start_date(), wanted.kind.as_str()) {
        (None, _) => StartReplicationTaskTypeValue::StartReplication,
        (Some(_), "full-load") => StartReplicationTaskTypeValue::ReloadTarget,
        (Some(_), _) => StartReplicationTaskTypeValue::ResumeProcessing,
    };
    let call = cx.dms.start_replication_task().set_replication_task_arn(task.replication_task_arn.clone());
    call.start_replication_task_type(kind).send().await?;
    Ok(())
}

/// DMS starts a task only after a successful test of each connection.
async fn test_connection(cx: &Cx<'_>, instance: &str, endpoint: &str) -> Result<()> {
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let filters = vec![filter("replication-instance-arn", instance)?, filter("endpoint-arn", endpoint)?];
    let call = cx.dms.describe_connections().set_filters(Some(filters)).send().await;
    let connection = ok_or_not_found(call)?.and_then(|reply| reply.connections).unwrap_or_default().into_iter().next();
    let status = connection.as_ref().and_then(|connection| connection.status()).unwrap_or_default();
    let name = connection.as_ref().and_then(|connection| connection.endpoint_identifier()).unwrap_or(endpoint);
    match status {
        "successful" => Ok(()),
        "testing" => Err(later(format!("the connection to the endpoint {name} is being tested"))),
        _ => {
            let test = cx.dms.test_connection().replication_instance_arn(instance).endpoint_arn(endpoint).send().await;
            // Another test may have begun meanwhile.
            match test.map_err(Error::from) {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                answer => drop(answer?),
            }
            let failure = connection.as_ref().and_then(|connection| connection.last_failure_message()).unwrap_or_default();
            Err(later(match failure.is_empty() {
                true => format!("the connection to the endpoint {name} is being tested"),
                false => format!("the connection to the endpoint {name} failed, and is being tested again: {failure}"),
            }))
        }
    }
}

/// Stops a task; whether it ran.
pub(super) async fn stop_if_running(cx: &Cx<'_>, arn: &str) -> Result<bool> {
    let task = current(cx, arn).await?;
    if task.status() != Some("running") {
        return Ok(false);
    }
    cx.dms.stop_replication_task().replication_task_arn(arn).send().await?;
    Ok(true)
}
