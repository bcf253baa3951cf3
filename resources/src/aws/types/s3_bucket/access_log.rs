//! Server access logs of a bucket.

use acme_macros::spec;
use aws_sdk_s3::types as s3;

use super::S3Bucket;
use crate::{
    aws::{Aws, from_aws, to_aws},
    core::{Ref, Result},
};

/// Logs of the requests to a bucket.
#[spec]
#[derive(PartialEq, Eq)]
pub struct AccessLog {
    /// Bucket that receives the logs, in the same region and account, whose policy allows `logging.s3.amazonaws.com` to write.
    pub bucket: Ref<S3Bucket>,
    /// Prefix of the logs' names.
    #[field(default, length = 0..=1024)]
    pub prefix: String,
    /// Adds account, region, bucket and date to the names as folders: the date of the requests, or that of the delivery.
    #[field(unset = "names begin with the prefix and the time of delivery", dropped = None)]
    pub partition_by: Option<PartitionDate>,
}

/// Date in the names of logs.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "PascalCase")]
pub enum PartitionDate {
    /// Date of the requests, so that a log has the requests of one day.
    EventTime,
    /// Time of the delivery.
    DeliveryTime,
}

/// Sets the log, or ends it. Grants of a live log, which buckets with access control lists can have, are kept.
pub(super) async fn put(aws: &Aws, bucket: &str, log: Option<&AccessLog>) -> Result<()> {
    let status = s3::BucketLoggingStatus::builder();
    let status = match log {
        None => status.build(),
        Some(log) => {
            let live = aws.s3.get_bucket_logging().bucket(bucket).send().await?.logging_enabled;
            let format = log.partition_by.map(|date| {
                let source = s3::PartitionDateSource::from(to_aws(&date).as_str());
                let partitions = s3::PartitionedPrefix::builder().partition_date_source(source).build();
                s3::TargetObjectKeyFormat::builder().partitioned_prefix(partitions).build()
            });
            let enabled = s3::LoggingEnabled::builder().target_bucket(log.bucket.get()).target_prefix(&log.prefix);
            let enabled = enabled.set_target_grants(live.and_then(|live| live.target_grants)).set_target_object_key_format(format);
            status.logging_enabled(enabled.build()?).build()
        }
    };
    aws.s3.put_bucket_logging().bucket(bucket).bucket_logging_status(status).send().await?;
    Ok(())
}

pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<Option<AccessLog>> {
    let Some(log) = aws.s3.get_bucket_logging().bucket(bucket).send().await?.logging_enabled else { return Ok(None) };
    let format = log.target_object_key_format.and_then(|format| format.partitioned_prefix);
    let date = format.and_then(|partitions| partitions.partition_date_source);
    let partition_by = date.map(|date| from_aws(date.as_str())).transpose()?;
    Ok(Some(AccessLog { bucket: Ref::to(log.target_bucket), prefix: log.target_prefix, partition_by }))
}
