//! Reads tasks.

use aws_sdk_databasemigration::types::{Filter, ReplicationTask};
use serde_json::Value;

use super::{super::prelude::*, DmsTask};
use crate::core::Tags;

/// Tasks that one call reads with their settings, which are long.
const TASKS_PER_CALL: usize = 20;

/// Only the stack's tasks are read with their settings.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<DmsTask>>> {
    let call = aws.dms.describe_replication_tasks().without_settings(true).max_records(100);
    let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
    let all: Vec<_> = pages.into_iter().filter_map(|page| page.replication_tasks).flatten().collect();
    let name_and_arn =
        |task: ReplicationTask| (task.replication_task_identifier.unwrap_or_default(), task.replication_task_arn.unwrap_or_default());
    let tags = services::dms::read_tags(aws, scope, &all.into_iter().map(name_and_arn).collect::<Vec<_>>()).await?;
    let (arns, mut found): (Vec<String>, Vec<_>) = (tags.keys().cloned().collect(), Vec::new());
    for arns in arns.chunks(TASKS_PER_CALL) {
        for task in with_settings(aws, arns).await? {
            let tags = task.replication_task_arn().and_then(|arn| tags.get(arn)).cloned();
            found.extend(tags.map(|tags| observed(task, tags)).transpose()?);
        }
    }
    Ok(found)
}

/// Tasks with these ARNs. None of them: all were deleted.
pub(super) async fn with_settings(aws: &Aws, arns: &[String]) -> Result<Vec<ReplicationTask>> {
    let filter = Filter::builder().name("replication-task-arn").set_values(Some(arns.to_vec())).build()?;
    let pages = aws.dms.describe_replication_tasks().filters(filter).max_records(100).into_paginator().send();
    let pages: Vec<_> = ok_or_not_found(pages.try_collect().await)?.unwrap_or_default();
    Ok(pages.into_iter().filter_map(|page| page.replication_tasks).flatten().collect())
}

/// Whether a task with this status and reason to stop runs, or has copied everything.
pub(super) fn is_started(status: &str, stop_reason: &str) -> bool {
    matches!(status, "running" | "starting") || (status == "stopped" && stop_reason.contains("FULL_LOAD_ONLY_FINISHED"))
}

/// The phase of a task. A failed one can be started again.
pub(super) fn phase(task: &ReplicationTask) -> Phase {
    let status = task.status().unwrap_or_default();
    match status {
        "running" | "ready" | "stopped" => Phase::Ready,
        "deleting" => Phase::Deleting,
        _ if status.starts_with("failed") => {
            let message = task.last_failure_message().unwrap_or_default();
            Phase::Degraded(format!("{status}: {message}").trim_end_matches(": ").to_owned())
        }
        _ => Phase::Progressing(status.to_owned()),
    }
}

pub(super) fn spec(task: &ReplicationTask) -> Result<DmsTask> {
    let text = |text: Option<&str>| text.map(str::to_owned).filter(|text| !text.is_empty());
    Ok(DmsTask {
        name: text(task.replication_task_identifier()),
        instance: Ref::to(task.replication_instance_arn().unwrap_or_default()),
        source: Ref::to(task.source_endpoint_arn().unwrap_or_default()),
        target: Ref::to(task.target_endpoint_arn().unwrap_or_default()),
        kind: task.migration_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        mappings: Document::parse(task.table_mappings().unwrap_or_default())?,
        settings: Document::parse(task.replication_task_settings().unwrap_or_default())?,
        start_position: None,
        stop_position: text(task.cdc_stop_position()),
        start: is_started(task.status().unwrap_or_default(), task.stop_reason().unwrap_or_default()),
    })
}

fn observed(task: ReplicationTask, tags: Tags) -> Result<Observed<DmsTask>> {
    let (spec, phase) = (spec(&task)?, phase(&task));
    let arn = task.replication_task_arn.ok_or_else(|| Error::missing_field("ReplicationTaskArn"))?;
    Ok(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).phase(phase))
}

/// Whether all values of a document are in another one.
pub(super) fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| is_part_of(value, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part_of(part, whole))
        }
        // AWS reports some numbers as texts.
        (Value::String(text), other) | (other, Value::String(text)) if !other.is_string() => {
            let shown = other.to_string();
            shown == *text
        }
        _ => part == whole,
    }
}
