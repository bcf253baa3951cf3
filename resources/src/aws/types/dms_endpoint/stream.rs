//! Streams, search domains and clusters as targets.

use aws_sdk_databasemigration::types as sdk;

use super::{
    super::{iam_role::IamRole, kms_key::KmsKey, prelude::*, s3_bucket::S3Bucket},
    lowercase, non_empty,
};

/// A stream of Kinesis.
#[spec]
#[derive(PartialEq)]
pub struct Kinesis {
    /// ARN of the stream.
    #[field(pattern = "arn:aws[a-z-]*:kinesis:.+")]
    pub stream: String,
    /// Role with which DMS writes to the stream.
    pub role: ArnRef<IamRole>,
    /// Format of the messages.
    #[field(default = "json", one_of = ["json", "json-unformatted"])]
    pub format: String,
    /// Adds information about transactions.
    #[field(default = false)]
    pub transaction_details: bool,
    /// Adds the value of the partition.
    #[field(default = false)]
    pub partition_value: bool,
    /// Adds changes of tables.
    #[field(default = false)]
    pub table_changes: bool,
    /// Adds definitions of tables and columns.
    #[field(default = false)]
    pub control_details: bool,
    /// Adds columns without a value.
    #[field(default = false)]
    pub null_and_empty: bool,
    /// Prefixes partitions with schema and table, which spreads them over the shards.
    #[field(default = false)]
    pub partition_by_table: bool,
    /// Writes binary values without the prefix `0x`.
    #[field(default = false)]
    pub no_hex_prefix: bool,
    /// Writes large numbers as numbers instead of texts.
    #[field(default = false)]
    pub large_integers: bool,
}

/// Brokers of Kafka.
#[spec]
#[derive(PartialEq)]
pub struct Kafka {
    /// Hosts and ports of brokers, separated by commas.
    #[field(length = 1..=4096)]
    pub brokers: String,
    /// Topic.
    #[field(default = "kafka-default-topic", length = 1..=249)]
    pub topic: String,
    /// Format of the messages.
    #[field(default = "json", one_of = ["json", "json-unformatted"])]
    pub format: String,
    /// Encryption of connections. DMS takes the passwords of other protocols in plain text only, so acme does not offer these.
    #[field(default = "ssl-encryption", one_of = ["plaintext", "ssl-encryption"], risky("plaintext", "connections are not encrypted"))]
    pub security: String,
    /// ARN of the certificate authority, imported to DMS, that signed the certificates of the brokers.
    #[field(unset = "public authorities", pattern = "arn:aws[a-z-]*:dms:.+:cert:.+", dropped = None)]
    pub authority: Option<String>,
    /// Compares the brokers' host names with their certificates.
    #[field(default = true, risky(false, "another host can pose as a broker"))]
    pub verify_hosts: bool,
    /// Size of a message, in bytes.
    #[field(default = 1_000_000, range = 1..=1_000_000_000)]
    pub message_bytes: i32,
    /// Adds information about transactions.
    #[field(default = false)]
    pub transaction_details: bool,
    /// Adds the value of the partition.
    #[field(default = false)]
    pub partition_value: bool,
    /// Adds changes of tables.
    #[field(default = false)]
    pub table_changes: bool,
    /// Adds definitions of tables and columns.
    #[field(default = false)]
    pub control_details: bool,
    /// Adds columns without a value.
    #[field(default = false)]
    pub null_and_empty: bool,
    /// Prefixes partitions with schema and table.
    #[field(default = false)]
    pub partition_by_table: bool,
    /// Writes binary values without the prefix `0x`.
    #[field(default = false)]
    pub no_hex_prefix: bool,
    /// Writes large numbers as numbers instead of texts.
    #[field(default = false)]
    pub large_integers: bool,
}

/// A domain of OpenSearch.
#[spec]
#[derive(PartialEq)]
pub struct OpenSearch {
    /// Host name of the domain.
    #[field(length = 1..=255)]
    pub host: String,
    /// Role with which DMS writes documents.
    pub role: ArnRef<IamRole>,
    /// Share of failed documents at which a full load stops, in percent.
    #[field(default = 10, range = 0..=100)]
    pub error_percentage: i32,
    /// Time for which a failed request is repeated, in seconds.
    #[field(default = 300, range = 0..=86_400)]
    pub retry_seconds: i32,
    /// Writes documents without a type, as OpenSearch and Elasticsearch from version 7 on require.
    #[field(default = true)]
    pub untyped: bool,
}

/// How data gets to a cluster of Redshift: through files in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct Redshift {
    /// Bucket for the files.
    #[field(unset = "a bucket of DMS", dropped = None)]
    pub bucket: Option<Ref<S3Bucket>>,
    /// Folder in the bucket.
    #[field(default, length = 0..=255)]
    pub folder: String,
    /// Role with which DMS writes the files.
    #[field(unset = "the role `dms-access-for-endpoint`", dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Key that encrypts the files.
    #[field(unset = "AWS's own key for S3", dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
}

impl Kinesis {
    pub(super) fn to_sdk(&self) -> sdk::KinesisSettings {
        sdk::KinesisSettings::builder()
            .stream_arn(&self.stream)
            .service_access_role_arn(self.role.get())
            .message_format(self.format.as_str().into())
            .include_transaction_details(self.transaction_details)
            .include_partition_value(self.partition_value)
            .include_table_alter_operations(self.table_changes)
            .include_control_details(self.control_details)
            .include_null_and_empty(self.null_and_empty)
            .partition_include_schema_table(self.partition_by_table)
            .no_hex_prefix(self.no_hex_prefix)
            .use_large_integer_value(self.large_integers)
            .build()
    }

    pub(super) fn from_sdk(settings: sdk::KinesisSettings) -> Kinesis {
        Kinesis {
            stream: settings.stream_arn.unwrap_or_default(),
            role: ArnRef::to(settings.service_access_role_arn.unwrap_or_default()),
            format: settings.message_format.map_or_else(Self::default_format, |format| lowercase(format.as_str())),
            transaction_details: settings.include_transaction_details.unwrap_or_default(),
            partition_value: settings.include_partition_value.unwrap_or_default(),
            table_changes: settings.include_table_alter_operations.unwrap_or_default(),
            control_details: settings.include_control_details.unwrap_or_default(),
            null_and_empty: settings.include_null_and_empty.unwrap_or_default(),
            partition_by_table: settings.partition_include_schema_table.unwrap_or_default(),
            no_hex_prefix: settings.no_hex_prefix.unwrap_or_default(),
            large_integers: settings.use_large_integer_value.unwrap_or_default(),
        }
    }
}

impl Kafka {
    /// Connections without encryption have no certificates.
    fn verification(&self) -> Option<sdk::KafkaSslEndpointIdentificationAlgorithm> {
        let algorithm = match self.verify_hosts {
            true => sdk::KafkaSslEndpointIdentificationAlgorithm::Https,
            false => sdk::KafkaSslEndpointIdentificationAlgorithm::None,
        };
        (self.security == Self::default_security()).then_some(algorithm)
    }

    pub(super) fn to_sdk(&self) -> sdk::KafkaSettings {
        sdk::KafkaSettings::builder()
            .broker(&self.brokers)
            .topic(&self.topic)
            .message_format(self.format.as_str().into())
            .security_protocol(self.security.as_str().into())
            .set_ssl_ca_certificate_arn(self.authority.clone())
            .set_ssl_endpoint_identification_algorithm(self.verification())
            .message_max_bytes(self.message_bytes)
            .include_transaction_details(self.transaction_details)
            .include_partition_value(self.partition_value)
            .include_table_alter_operations(self.table_changes)
            .include_control_details(self.control_details)
            .include_null_and_empty(self.null_and_empty)
            .partition_include_schema_table(self.partition_by_table)
            .no_hex_prefix(self.no_hex_prefix)
            .use_large_integer_value(self.large_integers)
            .build()
    }

    pub(super) fn from_sdk(settings: sdk::KafkaSettings) -> Kafka {
        Kafka {
            brokers: settings.broker.unwrap_or_default(),
            topic: non_empty(settings.topic).unwrap_or_else(Self::default_topic),
            format: settings.message_format.map_or_else(Self::default_format, |format| lowercase(format.as_str())),
            security: settings.security_protocol.map_or_else(|| "plaintext".to_owned(), |protocol| lowercase(protocol.as_str())),
            authority: non_empty(settings.ssl_ca_certificate_arn),
            verify_hosts: settings.ssl_endpoint_identification_algorithm.is_none_or(|algorithm| lowercase(algorithm.as_str()) != "none"),
            message_bytes: settings.message_max_bytes.unwrap_or_else(Self::default_message_bytes),
            transaction_details: settings.include_transaction_details.unwrap_or_default(),
            partition_value: settings.include_partition_value.unwrap_or_default(),
            table_changes: settings.include_table_alter_operations.unwrap_or_default(),
            control_details: settings.include_control_details.unwrap_or_default(),
            null_and_empty: settings.include_null_and_empty.unwrap_or_default(),
            partition_by_table: settings.partition_include_schema_table.unwrap_or_default(),
            no_hex_prefix: settings.no_hex_prefix.unwrap_or_default(),
            large_integers: settings.use_large_integer_value.unwrap_or_default(),
        }
    }
}

impl OpenSearch {
    pub(super) fn to_sdk(&self) -> Result<sdk::ElasticsearchSettings> {
        let settings = sdk::ElasticsearchSettings::builder()
            .endpoint_uri(&self.host)
            .service_access_role_arn(self.role.get())
            .full_load_error_percentage(self.error_percentage)
            .error_retry_duration(self.retry_seconds)
            .use_new_mapping_type(self.untyped);
        Ok(settings.build()?)
    }

    pub(super) fn from_sdk(settings: sdk::ElasticsearchSettings) -> OpenSearch {
        OpenSearch {
            host: settings.endpoint_uri,
            role: ArnRef::to(settings.service_access_role_arn),
            error_percentage: settings.full_load_error_percentage.unwrap_or_else(Self::default_error_percentage),
            retry_seconds: settings.error_retry_duration.unwrap_or_else(Self::default_retry_seconds),
            untyped: settings.use_new_mapping_type.unwrap_or_default(),
        }
    }
}
