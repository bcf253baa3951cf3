//! The latest values of metrics.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{MetricDataQuery, ScanBy};

use super::Aws;
use crate::core::Result;

/// Time in which a value must have been reported: metrics of a minute arrive a few minutes late.
const WINDOW: Duration = Duration::from_secs(600);

/// The latest maximum of a metric in a minute, of all metrics that a search finds; `None` if none was reported in the last ten minutes.
/// `search` has the dimensions and conditions: `{AWS/RDS,DBInstanceIdentifier} MetricName="ReplicaLag"`.
///
/// # Errors
/// Returns errors of CloudWatch.
pub(super) async fn latest_maximum(aws: &Aws, search: &str) -> Result<Option<f64>> {
    let now = SystemTime::now();
    let expression = format!("SEARCH('{search}', 'Maximum', 60)");
    let query = MetricDataQuery::builder().id("latest").expression(expression).return_data(true).build();
    let call = aws.cloudwatch.get_metric_data().metric_data_queries(query).scan_by(ScanBy::TimestampDescending);
    let reply = call.start_time((now - WINDOW).into()).end_time(now.into()).send().await?;
    Ok(reply.metric_data_results().iter().filter_map(|result| result.values().first().copied()).reduce(f64::max))
}
