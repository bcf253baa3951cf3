//! Whether a task has copied everything, and keeps up with the source.

use aws_sdk_databasemigration::types::{ReplicationTask, TableStatistics};

use super::{super::prelude::*, read};
use crate::aws::metrics::latest_maximum;

/// Longest time by which a healthy task may be behind the source, in seconds.
const LONGEST_LATENCY: f64 = 60.0;

/// States of a validation that found a difference, or could not compare:
/// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Validating.html#CHAP_Validating.TaskStatistics>.
const FAILED_VALIDATIONS: [&str; 4] = ["Mismatched records", "Suspended records", "Table error", "Error"];
/// States of a validation that is under way.
const OPEN_VALIDATIONS: [&str; 4] = ["Pending records", "Pending validation", "Preparing table", "Pending revalidation"];

pub(super) async fn health(aws: &Aws, arn: &str) -> Result<Phase> {
    let Some(task) = read::with_settings(aws, &[arn.to_owned()]).await?.into_iter().next() else {
        return Ok(Phase::Degraded("it does not exist".to_owned()));
    };
    let tables = aws.dms.describe_table_statistics().replication_task_arn(arn).max_records(500).into_paginator().send();
    let tables: Vec<_> = tables.try_collect().await?;
    let tables: Vec<TableStatistics> = tables.into_iter().filter_map(|page| page.table_statistics).flatten().collect();
    let phase = copied(&task, &tables);
    let reads_changes = task.migration_type().is_some_and(|kind| kind.as_str() != "full-load");
    if phase != Phase::Ready || !reads_changes {
        return Ok(phase);
    }
    // In metrics, a task has the last part of its ARN.
    let id = arn.rsplit(':').next().unwrap_or_default();
    let mut latency: Option<f64> = None;
    for metric in ["CDCLatencySource", "CDCLatencyTarget"] {
        let search = format!(
            "{{AWS/DMS,ReplicationInstanceIdentifier,ReplicationTaskIdentifier}} MetricName=\"{metric}\" ReplicationTaskIdentifier=\"{id}\""
        );
        let Some(seconds) = latest_maximum(aws, &search).await? else {
            return Ok(Phase::Progressing(format!("its metric {metric} has no value yet")));
        };
        latency = Some(latency.map_or(seconds, |other| other.max(seconds)));
    }
    Ok(match latency.filter(|seconds| *seconds > LONGEST_LATENCY) {
        Some(seconds) => Phase::Progressing(format!("it is {seconds:.0} s behind the source, more than {LONGEST_LATENCY:.0} s")),
        None => Phase::Ready,
    })
}

/// Whether a task runs or has copied all tables without an error, and whether they are equal.
fn copied(task: &ReplicationTask, tables: &[TableStatistics]) -> Phase {
    let status = task.status().unwrap_or_default();
    match read::phase(task) {
        Phase::Ready if read::is_started(status, task.stop_reason().unwrap_or_default()) => {}
        Phase::Ready => return Phase::Degraded(format!("the task is {status}")),
        other => return other,
    }
    let name = |table: &TableStatistics| format!("{}.{}", table.schema_name().unwrap_or_default(), table.table_name().unwrap_or_default());
    let validation = |table: &TableStatistics| table.validation_state().unwrap_or_default().to_owned();
    if let Some(broken) = tables.iter().find(|table| table.table_state() == Some("Table error")) {
        return Phase::Degraded(format!("the table {} has an error", name(broken)));
    }
    if let Some(table) = tables.iter().find(|table| FAILED_VALIDATIONS.contains(&validation(table).as_str())) {
        return Phase::Degraded(format!("the validation of the table {}: {}", name(table), validation(table).to_lowercase()));
    }
    let Some(stats) = task.replication_task_stats() else {
        return Phase::Progressing("it has not reported its progress yet".to_owned());
    };
    if stats.tables_errored > 0 {
        return Phase::Degraded(format!("{} tables have errors", stats.tables_errored));
    }
    let loads = task.migration_type().is_some_and(|kind| kind.as_str() != "cdc");
    if loads && (stats.full_load_progress_percent < 100 || stats.tables_loading > 0 || stats.tables_queued > 0) {
        return Phase::Progressing(format!("the full load is at {} %", stats.full_load_progress_percent));
    }
    match tables.iter().find(|table| OPEN_VALIDATIONS.contains(&validation(table).as_str())) {
        Some(table) => Phase::Progressing(format!("the validation of the table {}: {}", name(table), validation(table).to_lowercase())),
        None => Phase::Ready,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_databasemigration::types::{MigrationTypeValue, ReplicationTaskStats};

    use super::*;

    #[test]
    fn waits_for_the_full_load_and_the_validation() {
        let task = |status: &str, percent: i32| {
            let stats = ReplicationTaskStats::builder().full_load_progress_percent(percent).build();
            ReplicationTask::builder()
                .status(status)
                .migration_type(MigrationTypeValue::FullLoadAndCdc)
                .replication_task_stats(stats)
                .build()
        };
        let table = |state: &str, validation: &str| {
            TableStatistics::builder().schema_name("shop").table_name("orders").table_state(state).validation_state(validation).build()
        };
        let done = table("Table completed", "Validated");
        assert_eq!(copied(&task("running", 100), &[done.clone(), table("Table completed", "Not enabled")]), Phase::Ready);
        assert_eq!(copied(&task("running", 40), std::slice::from_ref(&done)), Phase::Progressing("the full load is at 40 %".into()));
        assert_eq!(copied(&task("stopped", 100), &[done]), Phase::Degraded("the task is stopped".into()));
        let error = table("Table error", "Not enabled");
        assert_eq!(copied(&task("running", 100), &[error]), Phase::Degraded("the table shop.orders has an error".into()));
        for (validation, fails) in [("Mismatched records", true), ("Pending records", false)] {
            let message = format!("the validation of the table shop.orders: {}", validation.to_lowercase());
            let wanted = if fails { Phase::Degraded(message) } else { Phase::Progressing(message) };
            assert_eq!(copied(&task("running", 100), &[table("Table completed", validation)]), wanted);
        }
    }
}
