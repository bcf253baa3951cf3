//! Databases: their families, and the settings in which AWS keeps their secrets.

use aws_sdk_databasemigration::types as sdk;

use super::{DmsEndpoint, non_empty};

/// Family of engines with the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    PostgreSql,
    MySql,
    Oracle,
    SqlServer,
    Sybase,
    Db2,
    MongoDb,
    DocumentDb,
    Redshift,
    /// Not a database.
    Other,
}

impl Family {
    pub(super) fn of(engine: &str) -> Family {
        match engine {
            "aurora-postgresql" | "aurora-postgresql-serverless" | "babelfish" | "postgres" => Family::PostgreSql,
            "aurora" | "aurora-serverless" | "gcp-mysql" | "mariadb" | "mysql" => Family::MySql,
            "oracle" => Family::Oracle,
            "azure-sql-managed-instance" | "azuredb" | "sqlserver" => Family::SqlServer,
            "sybase" => Family::Sybase,
            "db2" | "db2-zos" => Family::Db2,
            "mongodb" => Family::MongoDb,
            "docdb" => Family::DocumentDb,
            "redshift" | "redshift-serverless" => Family::Redshift,
            _ => Family::Other,
        }
    }
    /// Whether one can sign in to it by IAM.
    pub(super) fn has_iam(self) -> bool {
        matches!(self, Family::PostgreSql | Family::MySql)
    }
}

/// Settings with the secret and the database; `None` without a secret.
macro_rules! secret_settings {
    ($settings:ident, $endpoint:expr) => {
        $endpoint.secret.as_ref().map(|secret| {
            let settings = sdk::$settings::builder().secrets_manager_secret_id(secret.get());
            let role = $endpoint.secret_role.as_ref().map(|role| role.get().to_owned());
            settings.set_secrets_manager_access_role_arn(role).set_database_name($endpoint.database_to_sdk())
        })
    };
}

/// Settings of a database with a secret, or with a sign-in by IAM.
macro_rules! iam_settings {
    ($settings:ident, $method:ident, $endpoint:expr) => {
        match &$endpoint.iam_role {
            Some(role) => {
                let settings = sdk::$settings::builder().service_access_role_arn(role.get()).authentication_method(sdk::$method::Iam);
                let settings = settings.set_server_name(non_empty(Some($endpoint.server.clone()))).set_port($endpoint.port);
                let settings = settings.set_username(non_empty(Some($endpoint.username.clone())));
                Some(settings.set_database_name($endpoint.database_to_sdk()).build())
            }
            None => secret_settings!($settings, $endpoint).map(|settings| settings.build()),
        }
    };
}

/// Settings of an endpoint, each for the engines that have it.
pub(super) struct DatabaseSettings {
    pub(super) postgre_sql: Option<sdk::PostgreSqlSettings>,
    pub(super) my_sql: Option<sdk::MySqlSettings>,
    pub(super) oracle: Option<sdk::OracleSettings>,
    pub(super) sql_server: Option<sdk::MicrosoftSqlServerSettings>,
    pub(super) sybase: Option<sdk::SybaseSettings>,
    pub(super) db2: Option<sdk::IbmDb2Settings>,
    pub(super) mongo_db: Option<sdk::MongoDbSettings>,
    pub(super) document_db: Option<sdk::DocDbSettings>,
    pub(super) redshift: Option<sdk::RedshiftSettings>,
}

impl DatabaseSettings {
    pub(super) fn of(endpoint: &DmsEndpoint) -> DatabaseSettings {
        let family = Family::of(&endpoint.engine);
        let is = |wanted: Family| Some(endpoint).filter(|_| family == wanted);
        DatabaseSettings {
            postgre_sql: is(Family::PostgreSql)
                .and_then(|endpoint| iam_settings!(PostgreSqlSettings, PostgreSqlAuthenticationMethod, endpoint)),
            my_sql: is(Family::MySql).and_then(|endpoint| iam_settings!(MySqlSettings, MySqlAuthenticationMethod, endpoint)),
            oracle: is(Family::Oracle).and_then(oracle),
            sql_server: is(Family::SqlServer)
                .and_then(|endpoint| secret_settings!(MicrosoftSqlServerSettings, endpoint))
                .map(|settings| settings.build()),
            sybase: is(Family::Sybase).and_then(|endpoint| secret_settings!(SybaseSettings, endpoint)).map(|settings| settings.build()),
            db2: is(Family::Db2).and_then(|endpoint| secret_settings!(IbmDb2Settings, endpoint)).map(|settings| settings.build()),
            mongo_db: is(Family::MongoDb).and_then(|endpoint| secret_settings!(MongoDbSettings, endpoint)).map(|settings| settings.build()),
            document_db: is(Family::DocumentDb)
                .and_then(|endpoint| secret_settings!(DocDbSettings, endpoint))
                .map(|settings| settings.build()),
            redshift: is(Family::Redshift).and_then(redshift),
        }
    }
}

fn oracle(endpoint: &DmsEndpoint) -> Option<sdk::OracleSettings> {
    let settings = secret_settings!(OracleSettings, endpoint)?;
    let settings = settings
        .set_secrets_manager_oracle_asm_secret_id(endpoint.asm_secret.as_ref().map(|secret| secret.get().to_owned()))
        .set_secrets_manager_oracle_asm_access_role_arn(endpoint.asm_secret_role.as_ref().map(|role| role.get().to_owned()));
    Some(settings.build())
}

fn redshift(endpoint: &DmsEndpoint) -> Option<sdk::RedshiftSettings> {
    let settings = secret_settings!(RedshiftSettings, endpoint);
    let Some(files) = &endpoint.redshift else { return settings.map(|settings| settings.build()) };
    let mode = if files.kms_key.is_some() { sdk::EncryptionModeValue::SseKms } else { sdk::EncryptionModeValue::SseS3 };
    let settings = settings.unwrap_or_else(sdk::RedshiftSettings::builder);
    let settings = settings
        .set_bucket_name(files.bucket.as_ref().map(|bucket| bucket.get().to_owned()))
        .set_bucket_folder(Some(files.folder.clone()).filter(|folder| !folder.is_empty()))
        .set_service_access_role_arn(files.role.as_ref().map(|role| role.get().to_owned()))
        .encryption_mode(mode)
        .set_server_side_encryption_kms_key_id(files.kms_key.as_ref().map(|key| key.get().to_owned()));
    Some(settings.build())
}

/// What the settings of a live database say.
#[derive(Default)]
pub(super) struct ReadSettings {
    pub(super) secret: Option<String>,
    pub(super) role: Option<String>,
    pub(super) database: Option<String>,
    pub(super) iam_role: Option<String>,
    pub(super) asm_secret: Option<String>,
    pub(super) asm_role: Option<String>,
}

/// Reads secret, role and database from the settings of a family.
macro_rules! read_settings {
    ($settings:expr) => {
        $settings.as_ref().map(|settings| ReadSettings {
            secret: settings.secrets_manager_secret_id.clone(),
            role: settings.secrets_manager_access_role_arn.clone(),
            database: settings.database_name.clone(),
            ..ReadSettings::default()
        })
    };
}

impl ReadSettings {
    pub(super) fn of(endpoint: &sdk::Endpoint) -> ReadSettings {
        let read = match Family::of(endpoint.engine_name().unwrap_or_default()) {
            Family::PostgreSql => {
                let role = endpoint.postgre_sql_settings.as_ref().and_then(|settings| settings.service_access_role_arn.clone());
                read_settings!(endpoint.postgre_sql_settings).map(|read| ReadSettings { iam_role: role, ..read })
            }
            Family::MySql => {
                let role = endpoint.my_sql_settings.as_ref().and_then(|settings| settings.service_access_role_arn.clone());
                read_settings!(endpoint.my_sql_settings).map(|read| ReadSettings { iam_role: role, ..read })
            }
            Family::Oracle => read_settings!(endpoint.oracle_settings).map(|read| {
                let oracle = endpoint.oracle_settings.as_ref();
                ReadSettings {
                    asm_secret: oracle.and_then(|settings| settings.secrets_manager_oracle_asm_secret_id.clone()),
                    asm_role: oracle.and_then(|settings| settings.secrets_manager_oracle_asm_access_role_arn.clone()),
                    ..read
                }
            }),
            Family::SqlServer => read_settings!(endpoint.microsoft_sql_server_settings),
            Family::Sybase => read_settings!(endpoint.sybase_settings),
            Family::Db2 => read_settings!(endpoint.ibm_db2_settings),
            Family::MongoDb => read_settings!(endpoint.mongo_db_settings),
            Family::DocumentDb => read_settings!(endpoint.doc_db_settings),
            Family::Redshift => read_settings!(endpoint.redshift_settings),
            Family::Other => None,
        };
        read.unwrap_or_default()
    }
}
