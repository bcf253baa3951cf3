//! Asks for running tasks, which keep DMS from changing their endpoints.

use aws_sdk_databasemigration::types::Filter;

use super::{super::prelude::*, DmsEndpoint, DmsEndpointChanges};

pub(super) async fn preflight(endpoint: &DmsEndpoint, questions: &Questions<'_, Aws>, changes: DmsEndpointChanges) -> Vec<Problem> {
    // A new endpoint has no tasks, and acme stops those of a replaced one.
    if changes.name || changes.kind || changes.engine || changes.kms_key {
        return Vec::new();
    }
    let Some(name) = endpoint.name.as_deref().filter(|name| !name.contains("${")) else { return Vec::new() };
    let call = |aws: &'_ Aws| {
        let dms = aws.dms.clone();
        async move { running_tasks(&dms, name).await }
    };
    let running: Vec<String> = questions.ask("dms:DescribeReplicationTasks", name, call).await.unwrap_or_default();
    if running.is_empty() {
        return Vec::new();
    }
    let (tasks, verb) = (running.join("`, `"), if running.len() == 1 { "is" } else { "are" });
    let problem =
        Problem::new(DmsEndpoint::POINTERS.name, format!("DMS changes no endpoint of a running task, and `{tasks}` {verb} running"));
    vec![problem.help("set `start: false` there and apply; then apply this change, and start it again")]
}

/// Names of the running tasks of an endpoint.
async fn running_tasks(dms: &services::dms::Client, name: &str) -> Result<Vec<String>> {
    let filter = Filter::builder().name("endpoint-id").values(name).build()?;
    let found = ok_or_not_found(dms.describe_endpoints().filters(filter).send().await)?;
    let found = found.and_then(|reply| reply.endpoints).unwrap_or_default().into_iter().find_map(|endpoint| endpoint.endpoint_arn);
    let Some(arn) = found else { return Ok(Vec::new()) };
    let filter = Filter::builder().name("endpoint-arn").values(arn).build()?;
    let call = dms.describe_replication_tasks().filters(filter).without_settings(true).max_records(100);
    let tasks = ok_or_not_found(call.send().await)?.and_then(|reply| reply.replication_tasks).unwrap_or_default();
    let running = tasks.into_iter().filter(|task| task.status() == Some("running"));
    Ok(running.filter_map(|task| task.replication_task_identifier).collect())
}
