//! Database Migration Service in Terraform.

use serde_json::{Value, json};

use super::{
    mapping::{ResourceContext, ToTerraform, id_or_arn},
    monitoring::non_empty,
};
use crate::aws::types::{
    dms_endpoint::{DmsEndpoint, Kafka, Kinesis, OpenSearch, Redshift, S3Data},
    dms_instance::DmsInstance,
    dms_subnet_group::DmsSubnetGroup,
    dms_task::DmsTask,
};

impl ToTerraform for DmsSubnetGroup {
    const TERRAFORM_TYPE: &'static str = "aws_dms_replication_subnet_group";
    const ARN_ATTRIBUTE: &'static str = "replication_subnet_group_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "replication_subnet_group_id": self.name,
            "replication_subnet_group_description": self.description,
            "subnet_ids": self.subnets.iter().map(|subnet| subnet.get()).collect::<Vec<_>>(),
        })
    }
}

impl ToTerraform for DmsInstance {
    const TERRAFORM_TYPE: &'static str = "aws_dms_replication_instance";
    const ARN_ATTRIBUTE: &'static str = "replication_instance_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let kerberos = self.kerberos.iter().map(|kerberos| {
            json!({
                "key_cache_secret_id": kerberos.secret.get(),
                "key_cache_secret_iam_arn": kerberos.role.get(),
                "krb5_file_contents": kerberos.configuration,
            })
        });
        json!({
            "replication_instance_id": self.name,
            "replication_instance_class": self.class,
            "allocated_storage": self.storage_gib,
            "engine_version": self.version,
            "replication_subnet_group_id": self.subnet_group.get(),
            "vpc_security_group_ids": self.security_groups.iter().map(|group| group.get()).collect::<Vec<_>>(),
            "availability_zone": self.availability_zone,
            "multi_az": self.multi_az,
            "preferred_maintenance_window": self.maintenance_window,
            "auto_minor_version_upgrade": self.auto_minor_version_upgrade,
            "kms_key_arn": id_or_arn(self.kms_key.as_ref()),
            "publicly_accessible": self.public,
            "network_type": self.network_type,
            "dns_name_servers": self.dns_name_servers,
            "kerberos_authentication_settings": kerberos.collect::<Vec<_>>(),
            "apply_immediately": self.apply_immediately,
        })
    }
}

impl ToTerraform for DmsEndpoint {
    const TERRAFORM_TYPE: &'static str = "aws_dms_endpoint";
    const ARN_ATTRIBUTE: &'static str = "endpoint_arn";

    fn terraform_type(&self) -> &'static str {
        if self.s3.is_some() { "aws_dms_s3_endpoint" } else { Self::TERRAFORM_TYPE }
    }

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        if let Some(s3) = &self.s3 {
            return s3_arguments(self, s3);
        }
        let attributes: String = self.attributes.iter().map(|(key, value)| format!("{key}={value};")).collect();
        let iam = |engines: &[&str]| {
            let role = self.iam_role.as_ref().filter(|_| engines.iter().any(|engine| self.engine.contains(engine)));
            role.map(|role| json!({ "authentication_method": "iam", "service_access_role_arn": role.get() }))
                .into_iter()
                .collect::<Vec<_>>()
        };
        json!({
            "endpoint_id": self.name,
            "endpoint_type": self.kind,
            "engine_name": self.engine,
            "secrets_manager_arn": id_or_arn(self.secret.as_ref()),
            "secrets_manager_access_role_arn": id_or_arn(self.secret_role.as_ref()),
            "database_name": non_empty(&self.database),
            "server_name": non_empty(&self.server),
            "port": self.port,
            "username": non_empty(&self.username),
            "extra_connection_attributes": non_empty(&attributes),
            "ssl_mode": self.ssl_mode,
            "certificate_arn": self.certificate,
            "kms_key_arn": id_or_arn(self.kms_key.as_ref()),
            "service_access_role": id_or_arn(self.dynamodb_role.as_ref()),
            "postgres_settings": iam(&["postgres"]),
            "mysql_settings": iam(&["mysql", "mariadb", "aurora-serverless"]),
            "kinesis_settings": self.kinesis.iter().map(kinesis).collect::<Vec<_>>(),
            "kafka_settings": self.kafka.iter().map(kafka).collect::<Vec<_>>(),
            "elasticsearch_settings": self.opensearch.iter().map(opensearch).collect::<Vec<_>>(),
            "redshift_settings": self.redshift.iter().map(redshift).collect::<Vec<_>>(),
        })
    }
}

fn s3_arguments(endpoint: &DmsEndpoint, files: &S3Data) -> Value {
    let target = Some(files).filter(|_| endpoint.kind == "target");
    let mut arguments = json!({
        "endpoint_id": endpoint.name,
        "endpoint_type": endpoint.kind,
        "kms_key_arn": id_or_arn(endpoint.kms_key.as_ref()),
        "bucket_name": files.bucket.get(),
        "bucket_folder": non_empty(&files.folder),
        "service_access_role_arn": files.role.get(),
        "expected_bucket_owner": files.bucket_owner,
        "data_format": target.map(|files| files.format.clone()),
        "compression_type": target.map(|files| files.compression.to_uppercase()),
        "encryption_mode": target.map(|files| if files.kms_key.is_some() { "SSE_KMS" } else { "SSE_S3" }),
        "server_side_encryption_kms_key_id": id_or_arn(files.kms_key.as_ref()),
        "canned_acl_for_objects": files.acl,
        "csv_delimiter": files.csv_delimiter,
        "csv_row_delimiter": files.csv_row_delimiter,
        "csv_null_value": files.csv_null,
        "use_csv_no_sup_value": files.csv_unlogged.is_some(),
        "csv_no_sup_value": files.csv_unlogged,
        "rfc_4180": files.csv_quotes,
        "add_column_name": files.column_names,
        "ignore_header_rows": files.skip_rows,
        "add_trailing_padding_character": files.pad_texts,
        "timestamp_column_name": non_empty(&files.timestamp_column),
        "use_task_start_time_for_full_load_timestamp": files.task_start_as_timestamp,
        "include_op_for_full_load": files.operation_in_full_load,
        "cdc_inserts_only": files.changes == "inserts",
        "cdc_inserts_and_updates": files.changes == "inserts-and-updates",
        "date_partition_enabled": files.date_folders,
        "date_partition_sequence": files.date_folders.then(|| files.date_folder_order.clone()),
        "date_partition_delimiter": files.date_folders.then(|| files.date_folder_delimiter.clone()),
        "date_partition_timezone": files.date_folder_timezone,
        "preserve_transactions": files.preserve_transactions,
        "cdc_path": non_empty(&files.changes_folder),
        "cdc_max_batch_interval": files.batch_seconds,
        "cdc_min_file_size": files.batch_kilobytes,
        "max_file_size": files.file_kilobytes,
        "external_table_definition": files.tables.text(),
        "glue_catalog_generation": files.glue_catalog,
    });
    if let (Some(arguments), Value::Object(parquet)) = (arguments.as_object_mut(), parquet_arguments(target)) {
        arguments.extend(parquet);
    }
    arguments
}

fn parquet_arguments(target: Option<&S3Data>) -> Value {
    let parquet = target.filter(|files| files.format == "parquet").map(|files| &files.parquet);
    json!({
        "parquet_version": parquet.map(|parquet| parquet.version.clone()),
        "parquet_timestamp_in_millisecond": parquet.map(|parquet| parquet.milliseconds),
        "encoding_type": parquet.map(|parquet| parquet.encoding.clone()),
        "enable_statistics": parquet.map(|parquet| parquet.statistics),
        "row_group_length": parquet.map(|parquet| parquet.group_rows),
        "data_page_size": parquet.map(|parquet| parquet.page_bytes),
        "dict_page_size_limit": parquet.map(|parquet| parquet.dictionary_bytes),
    })
}

fn kinesis(stream: &Kinesis) -> Value {
    json!({
        "stream_arn": stream.stream,
        "service_access_role_arn": stream.role.get(),
        "message_format": stream.format,
        "include_transaction_details": stream.transaction_details,
        "include_partition_value": stream.partition_value,
        "include_table_alter_operations": stream.table_changes,
        "include_control_details": stream.control_details,
        "include_null_and_empty": stream.null_and_empty,
        "partition_include_schema_table": stream.partition_by_table,
        "use_large_integer_value": stream.large_integers,
    })
}

fn kafka(brokers: &Kafka) -> Value {
    json!({
        "broker": brokers.brokers,
        "topic": brokers.topic,
        "message_format": brokers.format,
        "security_protocol": brokers.security,
        "ssl_ca_certificate_arn": brokers.authority,
        "message_max_bytes": brokers.message_bytes,
        "include_transaction_details": brokers.transaction_details,
        "include_partition_value": brokers.partition_value,
        "include_table_alter_operations": brokers.table_changes,
        "include_control_details": brokers.control_details,
        "include_null_and_empty": brokers.null_and_empty,
        "partition_include_schema_table": brokers.partition_by_table,
        "no_hex_prefix": brokers.no_hex_prefix,
    })
}

fn opensearch(domain: &OpenSearch) -> Value {
    json!({
        "endpoint_uri": domain.host,
        "service_access_role_arn": domain.role.get(),
        "full_load_error_percentage": domain.error_percentage,
        "error_retry_duration": domain.retry_seconds,
        "use_new_mapping_type": domain.untyped,
    })
}

fn redshift(files: &Redshift) -> Value {
    json!({
        "bucket_name": id_or_arn(files.bucket.as_ref()),
        "bucket_folder": non_empty(&files.folder),
        "service_access_role_arn": id_or_arn(files.role.as_ref()),
        "encryption_mode": if files.kms_key.is_some() { "SSE_KMS" } else { "SSE_S3" },
        "server_side_encryption_kms_key_id": id_or_arn(files.kms_key.as_ref()),
    })
}

impl ToTerraform for DmsTask {
    const TERRAFORM_TYPE: &'static str = "aws_dms_replication_task";
    const ARN_ATTRIBUTE: &'static str = "replication_task_arn";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({
            "replication_task_id": self.name,
            "replication_instance_arn": self.instance.get(),
            "source_endpoint_arn": self.source.get(),
            "target_endpoint_arn": self.target.get(),
            "migration_type": self.kind,
            "table_mappings": self.mappings.to_json(),
            "replication_task_settings": self.settings.text(),
            "cdc_start_position": self.start_position,
            "start_replication_task": self.start,
        })
    }
}
