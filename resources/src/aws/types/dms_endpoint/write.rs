//! Creates and changes endpoints.

use aws_sdk_databasemigration::types as sdk;

use super::{super::prelude::*, DmsEndpoint, Kafka, Kinesis, OpenSearch, database::DatabaseSettings, non_empty};

/// Sets what both calls take.
macro_rules! with_settings {
    ($call:expr, $endpoint:expr) => {{
        let (endpoint, databases) = ($endpoint, DatabaseSettings::of($endpoint));
        $call
            .set_server_name(non_empty(Some(endpoint.server.clone())))
            .set_port(endpoint.port)
            .set_username(non_empty(Some(endpoint.username.clone())))
            .set_database_name(endpoint.database_to_sdk())
            .ssl_mode(endpoint.ssl_mode.as_str().into())
            .set_postgre_sql_settings(databases.postgre_sql)
            .set_my_sql_settings(databases.my_sql)
            .set_oracle_settings(databases.oracle)
            .set_microsoft_sql_server_settings(databases.sql_server)
            .set_sybase_settings(databases.sybase)
            .set_ibm_db2_settings(databases.db2)
            .set_mongo_db_settings(databases.mongo_db)
            .set_doc_db_settings(databases.document_db)
            .set_redshift_settings(databases.redshift)
            .set_s3_settings(endpoint.s3.as_ref().map(|files| files.to_sdk(endpoint.kind == "target")))
            .set_kinesis_settings(endpoint.kinesis.as_ref().map(Kinesis::to_sdk))
            .set_kafka_settings(endpoint.kafka.as_ref().map(Kafka::to_sdk))
            .set_elasticsearch_settings(endpoint.opensearch.as_ref().map(OpenSearch::to_sdk).transpose()?)
            .set_dynamo_db_settings(endpoint.dynamo_db_to_sdk()?)
    }};
}

pub(super) async fn create(endpoint: &DmsEndpoint, cx: &Cx<'_>) -> Result<String> {
    let call = cx.dms.create_endpoint().set_endpoint_identifier(endpoint.name.clone()).engine_name(&endpoint.engine);
    let call = call.endpoint_type(endpoint.kind.as_str().into()).set_kms_key_id(endpoint.kms_key.as_ref().map(|key| key.get().to_owned()));
    let call = call.set_certificate_arn(endpoint.certificate.clone());
    let call = call.set_extra_connection_attributes(non_empty(Some(endpoint.attributes_to_sdk())));
    let reply = with_settings!(call, endpoint).set_tags(Some(services::dms::to_tags(&cx.call.tags))).send().await?;
    reply.endpoint.and_then(|endpoint| endpoint.endpoint_arn).ok_or_else(|| Error::missing_field("EndpointArn"))
}

/// The call replaces all settings. Empty texts remove certificate and attributes.
pub(super) async fn update(endpoint: &DmsEndpoint, cx: &Cx<'_>, arn: &str) -> Result<()> {
    let call = cx.dms.modify_endpoint().endpoint_arn(arn).engine_name(&endpoint.engine).exact_settings(true);
    let call = call.certificate_arn(endpoint.certificate.clone().unwrap_or_default());
    let call = call.extra_connection_attributes(endpoint.attributes_to_sdk());
    with_settings!(call, endpoint).send().await?;
    Ok(())
}

impl DmsEndpoint {
    pub(super) fn database_to_sdk(&self) -> Option<String> {
        non_empty(Some(self.database.clone()))
    }

    /// Attributes as `key=value;`. DMS takes the folder with changes only here.
    pub(super) fn attributes_to_sdk(&self) -> String {
        let folder = self.s3.as_ref().map(|files| files.changes_folder.as_str()).filter(|folder| !folder.is_empty());
        let folder = folder.map(|folder| format!("CdcPath={folder};"));
        self.attributes.iter().map(|(key, value)| format!("{key}={value};")).chain(folder).collect()
    }

    fn dynamo_db_to_sdk(&self) -> Result<Option<sdk::DynamoDbSettings>> {
        let settings = self.dynamodb_role.as_ref().map(|role| sdk::DynamoDbSettings::builder().service_access_role_arn(role.get()).build());
        Ok(settings.transpose()?)
    }
}
