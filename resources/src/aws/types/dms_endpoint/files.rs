//! Files in a bucket, as a source or a target.

use aws_sdk_databasemigration::types as sdk;

use super::{
    super::{iam_role::IamRole, kms_key::KmsKey, prelude::*, s3_bucket::S3Bucket},
    lowercase, non_empty,
};
use crate::core::Pointer;

/// Files in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct S3Data {
    /// The bucket.
    pub bucket: Ref<S3Bucket>,
    /// Account that owns the bucket, which DMS verifies.
    #[field(unset = "not verified", pattern = "[0-9]{12}", dropped = None)]
    pub bucket_owner: Option<String>,
    /// Folder in the bucket.
    #[field(default, length = 0..=255)]
    pub folder: String,
    /// Role with which DMS reads or writes the files.
    pub role: ArnRef<IamRole>,
    /// Format of the files of a target. DMS reads CSV files from a source.
    #[field(default = "csv", one_of = ["csv", "parquet"])]
    pub format: String,
    /// Compression of the files of a target.
    #[field(default = "none", one_of = ["none", "gzip"])]
    pub compression: String,
    /// Key that encrypts the files of a target. Adding one replaces the endpoint.
    #[field(unset = "AWS's own key for S3", dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Access control list of the files of a target, as S3 names it.
    #[field(
        default = "none",
        one_of = [
            "none", "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
            "bucket-owner-full-control"
        ],
        risky("public-read", "anyone can read the files"),
    )]
    pub acl: String,
    /// Text between the columns of CSV files.
    #[field(default = ",", length = 1..=255)]
    pub csv_delimiter: String,
    /// Text between the rows of CSV files; a line feed is `\n`.
    #[field(default = r"\n", length = 1..=255)]
    pub csv_row_delimiter: String,
    /// Text that stands for a missing value in CSV files.
    #[field(default = "NULL", length = 0..=255)]
    pub csv_null: String,
    /// Text for columns of a change that the source's log does not contain, in CSV files of a target.
    #[field(unset = "that of `csv_null`", length = 1..=255, dropped = None)]
    pub csv_unlogged: Option<String>,
    /// Quotes values in CSV files as RFC 4180 describes. Without it, delimiters in values are not recognized as such.
    #[field(default = true)]
    pub csv_quotes: bool,
    /// Writes a first row with the names of the columns.
    #[field(default = false)]
    pub column_names: bool,
    /// Number of first rows of source files to skip.
    #[field(default = 0, range = 0..=1)]
    pub skip_rows: i32,
    /// Pads texts of fixed length with spaces.
    #[field(default = false)]
    pub pad_texts: bool,
    /// Format of Parquet files.
    #[field(default)]
    pub parquet: Parquet,
    /// Column with the time at which a row was written; empty for none.
    #[field(default, length = 0..=255)]
    pub timestamp_column: String,
    /// Writes the start of the task into `timestamp_column` during the full load, instead of the time at which the row arrived.
    #[field(default = false)]
    pub task_start_as_timestamp: bool,
    /// Writes each row of the full load as an insertion, like those of later changes.
    #[field(default = false)]
    pub operation_in_full_load: bool,
    /// Changes that are written to a target.
    #[field(default = "all", one_of = ["all", "inserts", "inserts-and-updates"])]
    pub changes: String,
    /// Puts changes into folders by date.
    #[field(default = false)]
    pub date_folders: bool,
    /// Parts of the folders by date.
    #[field(default = "YYYYMMDD", one_of = ["YYYYMMDD", "YYYYMMDDHH", "YYYYMM", "MMYYYYDD", "DDMMYYYY"])]
    pub date_folder_order: String,
    /// What separates the parts of the folders by date.
    #[field(default = "SLASH", one_of = ["SLASH", "UNDERSCORE", "DASH", "NONE"])]
    pub date_folder_delimiter: String,
    /// Time zone of the folders by date, such as `Europe/Berlin`.
    #[field(unset = "UTC", requires = date_folders, length = 1..=64, dropped = None)]
    pub date_folder_timezone: Option<String>,
    /// Keeps the order of transactions, in the folder `changes_folder`.
    #[field(default = false, requires = changes_folder)]
    pub preserve_transactions: bool,
    /// Folder with changes. A task that reads changes from a source needs it.
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

/// Format of Parquet files.
#[spec]
#[derive(PartialEq)]
pub struct Parquet {
    /// Version of Parquet.
    #[field(default = "parquet-1-0", one_of = ["parquet-1-0", "parquet-2-0"])]
    pub version: String,
    /// Writes times in milliseconds, which Athena and Glue require, instead of microseconds.
    #[field(default = false)]
    pub milliseconds: bool,
    /// Encoding of values.
    #[field(default = "rle-dictionary", one_of = ["plain", "plain-dictionary", "rle-dictionary"])]
    pub encoding: String,
    /// Writes statistics of pages and groups of rows.
    #[field(default = true)]
    pub statistics: bool,
    /// Number of rows in a group.
    #[field(default = 10_000, range = 1..=67_108_864)]
    pub group_rows: i32,
    /// Size of a page of data, in bytes.
    #[field(default = 1_048_576, range = 1..=2_147_483_647)]
    pub page_bytes: i32,
    /// Size of a page of the dictionary above which a column is not encoded, in bytes.
    #[field(default = 1_048_576, range = 1..=2_147_483_647)]
    pub dictionary_bytes: i32,
}

impl Default for Parquet {
    fn default() -> Self {
        Parquet {
            version: Self::default_version(),
            milliseconds: false,
            encoding: Self::default_encoding(),
            statistics: true,
            group_rows: Self::default_group_rows(),
            page_bytes: Self::default_page_bytes(),
            dictionary_bytes: Self::default_dictionary_bytes(),
        }
    }
}

impl S3Data {
    fn is_csv(&self) -> bool {
        self.format == Self::default_format()
    }

    /// The fields that are for targets only, and are set.
    pub(super) fn target_fields(&self) -> Vec<Pointer> {
        let at = Self::POINTERS;
        [
            (!self.is_csv(), at.format),
            (self.compression != Self::default_compression(), at.compression),
            (self.kms_key.is_some(), at.kms_key),
            (self.acl != Self::default_acl(), at.acl),
            (self.csv_unlogged.is_some(), at.csv_unlogged),
            (self.column_names, at.column_names),
            (self.pad_texts, at.pad_texts),
            (self.parquet != Parquet::default(), at.parquet),
            (self.changes != Self::default_changes(), at.changes),
            (self.date_folders, at.date_folders),
            (self.preserve_transactions, at.preserve_transactions),
            (self.glue_catalog, at.glue_catalog),
        ]
        .into_iter()
        .filter_map(|(is_set, at)| is_set.then_some(at))
        .collect()
    }

    pub(super) fn to_sdk(&self, is_target: bool) -> sdk::S3Settings {
        let csv = Some(self).filter(|files| files.is_csv());
        let settings = sdk::S3Settings::builder()
            .bucket_name(self.bucket.get())
            .set_expected_bucket_owner(self.bucket_owner.clone())
            .set_bucket_folder(non_empty(Some(self.folder.clone())))
            .service_access_role_arn(self.role.get())
            .set_csv_delimiter(csv.map(|files| files.csv_delimiter.clone()))
            .set_csv_row_delimiter(csv.map(|files| files.csv_row_delimiter.clone()))
            .set_csv_null_value(csv.map(|files| files.csv_null.clone()))
            .set_rfc4180(csv.map(|files| files.csv_quotes))
            .set_ignore_header_rows(Some(self.skip_rows).filter(|rows| *rows > 0))
            .set_cdc_path(non_empty(Some(self.changes_folder.clone())))
            .set_external_table_definition(self.tables.text());
        // AWS rejects settings of targets for a source.
        if is_target { self.target_to_sdk(settings) } else { settings }.build()
    }

    fn target_to_sdk(&self, settings: sdk::builders::S3SettingsBuilder) -> sdk::builders::S3SettingsBuilder {
        let mode = if self.kms_key.is_some() { sdk::EncryptionModeValue::SseKms } else { sdk::EncryptionModeValue::SseS3 };
        let parquet = Some(&self.parquet).filter(|_| !self.is_csv());
        settings
            .data_format(self.format.as_str().into())
            .compression_type(self.compression.as_str().into())
            .encryption_mode(mode)
            .set_server_side_encryption_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()))
            .set_canned_acl_for_objects((self.acl != Self::default_acl()).then(|| self.acl.as_str().into()))
            .set_use_csv_no_sup_value(self.csv_unlogged.is_some().then_some(true))
            .set_csv_no_sup_value(self.csv_unlogged.clone())
            .set_add_column_name(self.column_names.then_some(true))
            .set_add_trailing_padding_character(self.pad_texts.then_some(true))
            .set_parquet_version(parquet.map(|parquet| parquet.version.as_str().into()))
            .set_parquet_timestamp_in_millisecond(parquet.map(|parquet| parquet.milliseconds))
            .set_encoding_type(parquet.map(|parquet| parquet.encoding.as_str().into()))
            .set_enable_statistics(parquet.map(|parquet| parquet.statistics))
            .set_row_group_length(parquet.map(|parquet| parquet.group_rows))
            .set_data_page_size(parquet.map(|parquet| parquet.page_bytes))
            .set_dict_page_size_limit(parquet.map(|parquet| parquet.dictionary_bytes))
            .set_timestamp_column_name(non_empty(Some(self.timestamp_column.clone())))
            .set_use_task_start_time_for_full_load_timestamp(self.task_start_as_timestamp.then_some(true))
            .include_op_for_full_load(self.operation_in_full_load)
            .cdc_inserts_only(self.changes == "inserts")
            .cdc_inserts_and_updates(self.changes == "inserts-and-updates")
            .date_partition_enabled(self.date_folders)
            .set_date_partition_sequence(self.date_folders.then(|| self.date_folder_order.as_str().into()))
            .set_date_partition_delimiter(self.date_folders.then(|| self.date_folder_delimiter.as_str().into()))
            .set_date_partition_timezone(self.date_folder_timezone.clone())
            .set_preserve_transactions(self.preserve_transactions.then_some(true))
            .cdc_max_batch_interval(self.batch_seconds)
            .cdc_min_file_size(self.batch_kilobytes)
            .max_file_size(self.file_kilobytes)
            .set_glue_catalog_generation(self.glue_catalog.then_some(true))
    }

    pub(super) fn from_sdk(settings: sdk::S3Settings) -> Result<S3Data> {
        let is_kms = settings.encryption_mode.is_some_and(|mode| lowercase(mode.as_str()) == "sse-kms");
        let changes = match (settings.cdc_inserts_only, settings.cdc_inserts_and_updates) {
            (Some(true), _) => "inserts".to_owned(),
            (_, Some(true)) => "inserts-and-updates".to_owned(),
            _ => Self::default_changes(),
        };
        let parquet = Parquet {
            version: settings.parquet_version.map_or_else(Parquet::default_version, |version| lowercase(version.as_str())),
            milliseconds: settings.parquet_timestamp_in_millisecond.unwrap_or_default(),
            encoding: settings.encoding_type.map_or_else(Parquet::default_encoding, |encoding| lowercase(encoding.as_str())),
            statistics: settings.enable_statistics.unwrap_or(true),
            group_rows: settings.row_group_length.unwrap_or_else(Parquet::default_group_rows),
            page_bytes: settings.data_page_size.unwrap_or_else(Parquet::default_page_bytes),
            dictionary_bytes: settings.dict_page_size_limit.unwrap_or_else(Parquet::default_dictionary_bytes),
        };
        let unlogged = settings.csv_no_sup_value.filter(|_| settings.use_csv_no_sup_value == Some(true));
        Ok(S3Data {
            bucket: Ref::to(settings.bucket_name.unwrap_or_default()),
            bucket_owner: non_empty(settings.expected_bucket_owner),
            folder: settings.bucket_folder.unwrap_or_default(),
            role: ArnRef::to(settings.service_access_role_arn.unwrap_or_default()),
            format: settings.data_format.map_or_else(Self::default_format, |format| lowercase(format.as_str())),
            compression: settings.compression_type.map_or_else(Self::default_compression, |kind| lowercase(kind.as_str())),
            // A create call may keep the mode and lose the key, which a later change can set.
            kms_key: is_kms.then(|| ArnRef::to(settings.server_side_encryption_kms_key_id.unwrap_or_default())),
            acl: settings.canned_acl_for_objects.map_or_else(Self::default_acl, |acl| lowercase(acl.as_str())),
            csv_delimiter: non_empty(settings.csv_delimiter).unwrap_or_else(Self::default_csv_delimiter),
            csv_row_delimiter: non_empty(settings.csv_row_delimiter).unwrap_or_else(Self::default_csv_row_delimiter),
            csv_null: settings.csv_null_value.unwrap_or_else(Self::default_csv_null),
            csv_unlogged: non_empty(unlogged),
            csv_quotes: settings.rfc4180.unwrap_or(true),
            column_names: settings.add_column_name.unwrap_or_default(),
            skip_rows: settings.ignore_header_rows.unwrap_or_default(),
            pad_texts: settings.add_trailing_padding_character.unwrap_or_default(),
            parquet,
            timestamp_column: settings.timestamp_column_name.unwrap_or_default(),
            task_start_as_timestamp: settings.use_task_start_time_for_full_load_timestamp.unwrap_or_default(),
            operation_in_full_load: settings.include_op_for_full_load.unwrap_or_default(),
            changes,
            date_folders: settings.date_partition_enabled.unwrap_or_default(),
            date_folder_order: settings
                .date_partition_sequence
                .map_or_else(Self::default_date_folder_order, |order| order.as_str().to_uppercase()),
            date_folder_delimiter: settings
                .date_partition_delimiter
                .map_or_else(Self::default_date_folder_delimiter, |delimiter| delimiter.as_str().to_uppercase()),
            date_folder_timezone: non_empty(settings.date_partition_timezone),
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
