//! Delivery of the logs of a cache.

use aws_sdk_elasticache::types::{
    CloudWatchLogsDestinationDetails, DestinationDetails, DestinationType, KinesisFirehoseDestinationDetails, LogDeliveryConfiguration,
    LogDeliveryConfigurationRequest, LogDeliveryConfigurationStatus, LogFormat, LogType,
};

use super::super::prelude::*;

/// Destination of a log.
#[spec]
#[derive(PartialEq)]
pub struct LogDelivery {
    /// Name of the CloudWatch log group, or of the Firehose stream.
    #[field(length = 1..=512)]
    pub destination: String,
    /// Kind of destination.
    #[field(default = "cloudwatch-logs", one_of = ["cloudwatch-logs", "kinesis-firehose"])]
    pub destination_type: String,
    /// Format.
    #[field(default = "json", one_of = ["json", "text"])]
    pub format: String,
}

impl LogDelivery {
    /// The parameter of a call that sets the delivery of a log, or ends it.
    pub(in crate::aws::types) fn to_sdk(delivery: Option<&LogDelivery>, kind: LogType) -> LogDeliveryConfigurationRequest {
        let request = LogDeliveryConfigurationRequest::builder().log_type(kind).enabled(delivery.is_some());
        let Some(LogDelivery { destination, destination_type, format }) = delivery else { return request.build() };
        let destination_type = DestinationType::from(destination_type.as_str());
        let details = DestinationDetails::builder();
        let details = match destination_type {
            DestinationType::KinesisFirehose => {
                details.kinesis_firehose_details(KinesisFirehoseDestinationDetails::builder().delivery_stream(destination).build())
            }
            _ => details.cloud_watch_logs_details(CloudWatchLogsDestinationDetails::builder().log_group(destination).build()),
        };
        request.destination_type(destination_type).destination_details(details.build()).log_format(LogFormat::from(format.as_str())).build()
    }

    /// Delivery of a log, as ElastiCache reports it.
    pub(in crate::aws::types) fn from_sdk(all: &[LogDeliveryConfiguration], kind: &LogType) -> Option<LogDelivery> {
        let is_on = |one: &&LogDeliveryConfiguration| {
            one.log_type() == Some(kind) && one.status() != Some(&LogDeliveryConfigurationStatus::Disabling)
        };
        let one = all.iter().find(is_on)?;
        let details = one.destination_details()?;
        let log_group = details.cloud_watch_logs_details().and_then(|details| details.log_group());
        let stream = details.kinesis_firehose_details().and_then(|details| details.delivery_stream());
        Some(LogDelivery {
            destination: log_group.or(stream)?.to_owned(),
            destination_type: one.destination_type()?.as_str().to_owned(),
            format: one.log_format()?.as_str().to_owned(),
        })
    }
}
