//! Targets and sources other than databases.

use aws_sdk_databasemigration::types as sdk;

use super::{
    super::{iam_role::IamRole, kms_key::KmsKey, prelude::*, s3_bucket::S3Bucket},
    lowercase, non_empty,
};

/// Files in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct S3Data {
    /// The bucket.
    pub bucket: Ref<S3Bucket>,
    /// Folder in the bucket.
    #[field(default, length = 0..=255)]
    pub folder: String,
    /// Role with which DMS reads or writes the files.
    pub role: ArnRef<IamRole>,
    /// Format of the files.
    #[field(default = "csv", one_of = ["csv", "parquet"])]
    pub format: String,
    /// Compression of the files.
    #[field(default = "none", one_of = ["none", "gzip"])]
    pub compression: String,
    /// Key that encrypts the files.
    #[field(unset = "AWS's own key for S3", dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Text between the columns of CSV files.
    #[field(default = ",", length = 1..=255)]
    pub csv_delimiter: String,
    /// Text between the rows of CSV files; a line feed is `\n`.
    #[field(default = r"\n", length = 1..=255)]
    pub csv_row_delimiter: String,
    /// Writes a first row with the names of the columns.
    #[field(default = false)]
    pub column_names: bool,
    /// Number of first rows of source files to skip.
    #[field(default = 0, range = 0..=1)]
    pub skip_rows: i32,
    /// Version of Parquet.
    #[field(default = "parquet-1-0", one_of = ["parquet-1-0", "parquet-2-0"])]
    pub parquet_version: String,
    /// Column with the time at which a row was written; empty for none.
    #[field(default, length = 0..=255)]
    pub timestamp_column: String,
    /// Marks each row of the full load as an insertion, like those of later changes.
    #[field(default = false)]
    pub operation_in_full_load: bool,
    /// Puts changes into folders by date.
    #[field(default = false)]
    pub date_folders: bool,
    /// Keeps the order of transactions, in the folder `changes_folder`.
    #[field(default = false, requires = changes_folder)]
    pub preserve_transactions: bool,
    /// Folder with changes.
    #[field(default, length = 0..=255)]
    pub changes_folder: String,
    /// Time after which changes are written, in seconds.
    #[field(default = 60, range = 0..=86_400)]
    pub batch_seconds: i32,
    /// Size at which changes are written, in KB.
    #[field(default = 32_000, range = 1..=1_048_576)]
    pub batch_kilobytes: i32,
    /// Size at which a file of the full load ends, in KB.
    #[field(default = 1_048_576, range = 1..=1_048_576)]
    pub file_kilobytes: i32,
    /// Definition of the tables in the files of a source, in AWS's format; `{}` for none.
    #[field(default)]
    pub tables: Document,
    /// Creates a data catalog in Glue.
    #[field(default = false)]
    pub glue_catalog: bool,
}

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

impl S3Data {
    pub(super) fn to_sdk(&self) -> sdk::S3Settings {
        let mode = if self.kms_key.is_some() { sdk::EncryptionModeValue::SseKms } else { sdk::EncryptionModeValue::SseS3 };
        let csv = Some(self).filter(|files| files.format == Self::default_format());
        sdk::S3Settings::builder()
            .bucket_name(self.bucket.get())
            .set_bucket_folder(non_empty(Some(self.folder.clone())))
            .service_access_role_arn(self.role.get())
            .data_format(self.format.as_str().into())
            .compression_type(self.compression.as_str().into())
            .encryption_mode(mode)
            .set_server_side_encryption_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()))
            .set_csv_delimiter(csv.map(|files| files.csv_delimiter.clone()))
            .set_csv_row_delimiter(csv.map(|files| files.csv_row_delimiter.clone()))
            .set_add_column_name(self.column_names.then_some(true))
            .set_ignore_header_rows(Some(self.skip_rows).filter(|rows| *rows > 0))
            .set_parquet_version(csv.is_none().then(|| self.parquet_version.as_str().into()))
            .set_timestamp_column_name(non_empty(Some(self.timestamp_column.clone())))
            .include_op_for_full_load(self.operation_in_full_load)
            .date_partition_enabled(self.date_folders)
            .set_preserve_transactions(self.preserve_transactions.then_some(true))
            .set_cdc_path(non_empty(Some(self.changes_folder.clone())))
            .cdc_max_batch_interval(self.batch_seconds)
            .cdc_min_file_size(self.batch_kilobytes)
            .max_file_size(self.file_kilobytes)
            .set_external_table_definition(self.tables.text())
            .set_glue_catalog_generation(self.glue_catalog.then_some(true))
            .build()
    }

    pub(super) fn from_sdk(settings: sdk::S3Settings) -> Result<S3Data> {
        let is_kms = settings.encryption_mode.is_some_and(|mode| lowercase(mode.as_str()) == "sse-kms");
        Ok(S3Data {
            bucket: Ref::to(settings.bucket_name.unwrap_or_default()),
            folder: settings.bucket_folder.unwrap_or_default(),
            role: ArnRef::to(settings.service_access_role_arn.unwrap_or_default()),
            format: settings.data_format.map_or_else(Self::default_format, |format| lowercase(format.as_str())),
            compression: settings.compression_type.map_or_else(Self::default_compression, |kind| lowercase(kind.as_str())),
            kms_key: non_empty(settings.server_side_encryption_kms_key_id).filter(|_| is_kms).map(ArnRef::to),
            csv_delimiter: non_empty(settings.csv_delimiter).unwrap_or_else(Self::default_csv_delimiter),
            csv_row_delimiter: non_empty(settings.csv_row_delimiter).unwrap_or_else(Self::default_csv_row_delimiter),
            column_names: settings.add_column_name.unwrap_or_default(),
            skip_rows: settings.ignore_header_rows.unwrap_or_default(),
            parquet_version: settings.parquet_version.map_or_else(Self::default_parquet_version, |version| lowercase(version.as_str())),
            timestamp_column: settings.timestamp_column_name.unwrap_or_default(),
            operation_in_full_load: settings.include_op_for_full_load.unwrap_or_default(),
            date_folders: settings.date_partition_enabled.unwrap_or_default(),
            preserve_transactions: settings.preserve_transactions.unwrap_or_default(),
            changes_folder: settings.cdc_path.unwrap_or_default(),
            batch_seconds: settings.cdc_max_batch_interval.unwrap_or_else(Self::default_batch_seconds),
            batch_kilobytes: settings.cdc_min_file_size.unwrap_or_else(Self::default_batch_kilobytes),
            file_kilobytes: settings.max_file_size.unwrap_or_else(Self::default_file_kilobytes),
            tables: Document::parse(&settings.external_table_definition.unwrap_or_default())?,
            glue_catalog: settings.glue_catalog_generation.unwrap_or_default(),
        })
    }
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
        }
    }
}

impl Kafka {
    pub(super) fn to_sdk(&self) -> sdk::KafkaSettings {
        sdk::KafkaSettings::builder()
            .broker(&self.brokers)
            .topic(&self.topic)
            .message_format(self.format.as_str().into())
            .security_protocol(self.security.as_str().into())
            .set_ssl_ca_certificate_arn(self.authority.clone())
            .message_max_bytes(self.message_bytes)
            .include_transaction_details(self.transaction_details)
            .include_partition_value(self.partition_value)
            .include_table_alter_operations(self.table_changes)
            .include_control_details(self.control_details)
            .include_null_and_empty(self.null_and_empty)
            .partition_include_schema_table(self.partition_by_table)
            .build()
    }

    pub(super) fn from_sdk(settings: sdk::KafkaSettings) -> Kafka {
        Kafka {
            brokers: settings.broker.unwrap_or_default(),
            topic: non_empty(settings.topic).unwrap_or_else(Self::default_topic),
            format: settings.message_format.map_or_else(Self::default_format, |format| lowercase(format.as_str())),
            security: settings.security_protocol.map_or_else(|| "plaintext".to_owned(), |protocol| lowercase(protocol.as_str())),
            authority: non_empty(settings.ssl_ca_certificate_arn),
            message_bytes: settings.message_max_bytes.unwrap_or_else(Self::default_message_bytes),
            transaction_details: settings.include_transaction_details.unwrap_or_default(),
            partition_value: settings.include_partition_value.unwrap_or_default(),
            table_changes: settings.include_table_alter_operations.unwrap_or_default(),
            control_details: settings.include_control_details.unwrap_or_default(),
            null_and_empty: settings.include_null_and_empty.unwrap_or_default(),
            partition_by_table: settings.partition_include_schema_table.unwrap_or_default(),
        }
    }
}

impl OpenSearch {
    pub(super) fn to_sdk(&self) -> Result<sdk::ElasticsearchSettings> {
        let settings = sdk::ElasticsearchSettings::builder()
            .endpoint_uri(&self.host)
            .service_access_role_arn(self.role.get())
            .full_load_error_percentage(self.error_percentage)
            .error_retry_duration(self.retry_seconds);
        Ok(settings.build()?)
    }

    pub(super) fn from_sdk(settings: sdk::ElasticsearchSettings) -> OpenSearch {
        OpenSearch {
            host: settings.endpoint_uri,
            role: ArnRef::to(settings.service_access_role_arn),
            error_percentage: settings.full_load_error_percentage.unwrap_or_else(Self::default_error_percentage),
            retry_seconds: settings.error_retry_duration.unwrap_or_else(Self::default_retry_seconds),
        }
    }
}
