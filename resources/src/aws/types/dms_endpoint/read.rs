//! Reads endpoints.

use std::collections::BTreeMap;

use aws_sdk_databasemigration::types as sdk;

use super::{
    super::prelude::*,
    DmsEndpoint, Kafka, Kinesis, OpenSearch, Redshift, S3Data,
    check::is_secret_attribute,
    database::{Family, ReadSettings},
    lowercase, non_empty,
};
use crate::core::{HIDDEN, Tags};

pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<DmsEndpoint>>> {
    let pages: Vec<_> = aws.dms.describe_endpoints().max_records(100).into_paginator().send().try_collect().await?;
    let all: Vec<_> = pages.into_iter().filter_map(|page| page.endpoints).flatten().collect();
    let name_and_arn = |endpoint: &sdk::Endpoint| {
        (endpoint.endpoint_identifier().unwrap_or_default().to_owned(), endpoint.endpoint_arn().unwrap_or_default().to_owned())
    };
    let tags = services::dms::read_tags(aws, scope, &all.iter().map(name_and_arn).collect::<Vec<_>>()).await?;
    let owned = all.into_iter().filter_map(|endpoint| Some((tags.get(endpoint.endpoint_arn()?)?.clone(), endpoint)));
    owned.map(|(tags, endpoint)| observed(endpoint, tags)).collect()
}

fn observed(endpoint: sdk::Endpoint, tags: Tags) -> Result<Observed<DmsEndpoint>> {
    let arn = endpoint.endpoint_arn.clone().ok_or_else(|| Error::missing_field("EndpointArn"))?;
    let engine = endpoint.engine_name.clone().unwrap_or_default();
    let settings = ReadSettings::of(&endpoint);
    // Everything but a deletion takes effect at once.
    let phase = match endpoint.status.as_deref() {
        Some("deleting") => Phase::Deleting,
        Some(status) if status.starts_with("failed") => Phase::Failed(status.to_owned()),
        _ => Phase::Ready,
    };
    // Attributes of other engines repeat their settings.
    let attributes = match Family::of(&engine) {
        Family::Other => BTreeMap::new(),
        _ => parse_attributes(endpoint.extra_connection_attributes.as_deref().unwrap_or_default()),
    };
    let files = endpoint.redshift_settings.and_then(|settings| {
        let role = non_empty(settings.service_access_role_arn);
        let redshift = Redshift {
            bucket: non_empty(settings.bucket_name).map(Ref::to),
            folder: settings.bucket_folder.unwrap_or_default(),
            role: role.map(ArnRef::to),
            kms_key: settings
                .encryption_mode
                .is_some_and(|mode| lowercase(mode.as_str()) == "sse-kms")
                .then(|| ArnRef::to(settings.server_side_encryption_kms_key_id.unwrap_or_default())),
        };
        (redshift.bucket.is_some() || redshift.role.is_some()).then_some(redshift)
    });
    // DMS may report the place that it read from the secret.
    let has_secret = settings.secret.as_ref().is_some_and(|secret| !secret.is_empty());
    let plain = |text: Option<String>| text.filter(|_| !has_secret).unwrap_or_default();
    let database = non_empty(endpoint.database_name).or(settings.database);
    let spec = DmsEndpoint {
        name: endpoint.endpoint_identifier,
        kind: endpoint.endpoint_type.map(|kind| lowercase(kind.as_str())).unwrap_or_default(),
        secret: non_empty(settings.secret).map(ArnRef::to),
        secret_role: non_empty(settings.role).map(ArnRef::to),
        database: database.unwrap_or_default(),
        asm_secret: non_empty(settings.asm_secret).map(ArnRef::to),
        asm_secret_role: non_empty(settings.asm_role).map(ArnRef::to),
        server: plain(endpoint.server_name),
        port: endpoint.port.filter(|port| *port > 0 && !has_secret),
        username: plain(endpoint.username),
        iam_role: non_empty(settings.iam_role).map(ArnRef::to),
        attributes,
        ssl_mode: endpoint.ssl_mode.map_or_else(DmsEndpoint::default_ssl_mode, |mode| lowercase(mode.as_str())),
        certificate: non_empty(endpoint.certificate_arn),
        kms_key: endpoint.kms_key_id.filter(|key| key.starts_with("arn:")).map(ArnRef::to),
        s3: endpoint.s3_settings.filter(|_| engine == "s3").map(S3Data::from_sdk).transpose()?,
        kinesis: endpoint.kinesis_settings.filter(|_| engine == "kinesis").map(Kinesis::from_sdk),
        kafka: endpoint.kafka_settings.filter(|_| engine == "kafka").map(Kafka::from_sdk),
        opensearch: endpoint.elasticsearch_settings.filter(|_| engine == "opensearch").map(OpenSearch::from_sdk),
        redshift: files,
        dynamodb_role: endpoint.dynamo_db_settings.filter(|_| engine == "dynamodb").map(|one| ArnRef::to(one.service_access_role_arn)),
        engine,
    };
    Ok(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).phase(phase))
}

/// Attributes from `key=value;`, without the values of passwords.
pub(super) fn parse_attributes(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| {
            let key = key.trim().to_owned();
            let value = if is_secret_attribute(&key) { HIDDEN } else { value.trim() };
            (key, value.to_owned())
        })
        .collect()
}
