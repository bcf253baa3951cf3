//! Fields of endpoints of DMS, each of which is for some engines.

use super::Switch;

pub(super) const ENDPOINTS: &[Switch] = &[
    (
        "dms_endpoint/asm_secret",
        "type: source, engine: oracle, secret: legacy, secret_role: migration, asm_secret: token, asm_secret_role: migration",
        ORACLE,
    ),
    (
        "dms_endpoint/asm_secret_role",
        "type: source, engine: oracle, secret: legacy, secret_role: migration, asm_secret: token, asm_secret_role: migration",
        ORACLE,
    ),
    (
        "dms_endpoint/certificate",
        "type: source, engine: mysql, secret: legacy, secret_role: migration, ssl_mode: require, certificate: 'arn:aws:dms:eu-west-1:123456789012:cert:ABC'",
        "type: source, engine: mysql, secret: legacy, secret_role: migration, ssl_mode: require",
    ),
    ("dms_endpoint/dynamodb_role", "type: target, engine: dynamodb, dynamodb_role: migration", TARGET),
    (
        "dms_endpoint/iam_role",
        "type: source, engine: mysql, server: db.example.com, port: 3306, username: acme, iam_role: migration",
        "type: source, engine: mysql, server: db.example.com, port: 3306, username: acme",
    ),
    ("dms_endpoint/kafka", KAFKA, TARGET),
    (
        "dms_endpoint/kafka/authority",
        "type: target, engine: kafka, kafka: { brokers: 'b.example.com:9094', authority: 'arn:aws:dms:eu-west-1:123456789012:cert:ABC' }",
        KAFKA,
    ),
    (
        "dms_endpoint/kinesis",
        "type: target, engine: kinesis, kinesis: { stream: 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders', role: migration }",
        TARGET,
    ),
    ("dms_endpoint/opensearch", "type: target, engine: opensearch, opensearch: { host: search.example.com, role: migration }", TARGET),
    ("dms_endpoint/port", SERVER, TARGET),
    (
        "dms_endpoint/redshift",
        "type: target, engine: redshift, secret: legacy, secret_role: migration, redshift: { bucket: files }",
        "type: target, engine: redshift, secret: legacy, secret_role: migration",
    ),
    (
        "dms_endpoint/redshift/bucket",
        "type: target, engine: redshift, secret: legacy, secret_role: migration, redshift: { bucket: files, folder: a }",
        REDSHIFT,
    ),
    (
        "dms_endpoint/redshift/kms_key",
        "type: target, engine: redshift, secret: legacy, secret_role: migration, redshift: { folder: a, kms_key: files }",
        REDSHIFT,
    ),
    (
        "dms_endpoint/redshift/role",
        "type: target, engine: redshift, secret: legacy, secret_role: migration, redshift: { folder: a, role: migration }",
        REDSHIFT,
    ),
    ("dms_endpoint/s3", FILES, TARGET),
    (
        "dms_endpoint/s3/bucket_owner",
        "type: target, engine: s3, s3: { bucket: files, role: migration, bucket_owner: '123456789012' }",
        FILES,
    ),
    (
        "dms_endpoint/s3/date_folder_timezone",
        "type: target, engine: s3, s3: { bucket: files, role: migration, date_folders: true, date_folder_timezone: Europe/Berlin }",
        "type: target, engine: s3, s3: { bucket: files, role: migration, date_folders: true }",
    ),
    ("dms_endpoint/secret", TARGET, SERVER),
    ("dms_endpoint/secret_role", TARGET, SERVER),
];

const ORACLE: &str = "type: source, engine: oracle, secret: legacy, secret_role: migration";
const TARGET: &str = "type: target, engine: mysql, secret: legacy, secret_role: migration";
const SERVER: &str = "type: target, engine: mysql, server: db.example.com, port: 3306, username: acme";
const KAFKA: &str = "type: target, engine: kafka, kafka: { brokers: 'b.example.com:9094' }";
const REDSHIFT: &str = "type: target, engine: redshift, secret: legacy, secret_role: migration, redshift: { folder: a }";
const FILES: &str = "type: target, engine: s3, s3: { bucket: files, role: migration }";
