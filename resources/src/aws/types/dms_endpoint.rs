//! `dms_endpoint`: a source or target of Database Migration Service.

mod check;
mod database;
mod files;
mod preflight;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use super::{
    iam_role::{IamRole, check_trust},
    kms_key::KmsKey,
    prelude::*,
    secret::Secret,
};
use crate::core::Pointer;

pub use files::{Parquet, S3Data};
pub use stream::{Kafka, Kinesis, OpenSearch, Redshift};

/// A source or target of Database Migration Service (DMS).
///
/// It has no field for a password: DMS reads the sign-in from a secret of Secrets Manager, with the keys `username`, `password`, `host` and
/// `port`.
#[spec]
#[derive(PartialEq)]
pub struct DmsEndpoint {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 255, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Whether data is read from it or written to it.
    #[field(one_of = ["source", "target"], replaces, important)]
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is.
    #[field(
        one_of = [
            "aurora", "aurora-postgresql", "aurora-postgresql-serverless", "aurora-serverless", "azure-sql-managed-instance", "azuredb",
            "babelfish", "db2", "db2-zos", "docdb", "dynamodb", "gcp-mysql", "kafka", "kinesis", "mariadb", "mongodb", "mysql", "opensearch",
            "oracle", "postgres", "redshift", "redshift-serverless", "s3", "sqlserver", "sybase"
        ],
        replaces,
        important
    )]
    pub engine: String,
    /// Secret with host, port, user and password of a database.
    #[field(unset = "none", requires = secret_role, conflicts_with = server, important, dropped = None)]
    pub secret: Option<ArnRef<Secret>>,
    /// Role with which DMS reads the secret. It trusts `dms.<region>.amazonaws.com`.
    #[field(unset = "none", requires = secret, dropped = None)]
    pub secret_role: Option<ArnRef<IamRole>>,
    /// Secret for the storage management (ASM) of Oracle.
    #[field(unset = "none", requires = asm_secret_role, dropped = None)]
    pub asm_secret: Option<ArnRef<Secret>>,
    /// Role with which DMS reads `asm_secret`. It trusts `dms.<region>.amazonaws.com`.
    #[field(unset = "none", requires = asm_secret, dropped = None)]
    pub asm_secret_role: Option<ArnRef<IamRole>>,
    /// Name of the database.
    #[field(default, length = 0..=255)]
    pub database: String,
    /// Host name of a database without a secret.
    #[field(default, requires = port, length = 0..=255)]
    pub server: String,
    /// Port of a database without a secret.
    #[field(unset = "none", range = 1..=65_535, requires = server, dropped = None)]
    pub port: Option<i32>,
    /// User of a database without a secret.
    #[field(default, requires = server, length = 0..=255)]
    pub username: String,
    /// Role with which DMS signs in to a database by IAM instead of a password. Only PostgreSQL, MySQL and their relatives have it.
    #[field(unset = "none", requires = server, conflicts_with = secret, dropped = None)]
    pub iam_role: Option<ArnRef<IamRole>>,
    /// Further settings of a database, in AWS's names: `{captureDdls: "false"}`.
    /// <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.html>
    #[field(default)]
    pub attributes: BTreeMap<String, String>,
    /// Encryption of the connection.
    #[field(default = "none", one_of = ["none", "require", "verify-ca", "verify-full"], important)]
    pub ssl_mode: String,
    /// ARN of a certificate imported to DMS, with which it verifies the database.
    #[field(unset = "none", pattern = "arn:aws[a-z-]*:dms:.+:cert:.+", dropped = None)]
    pub certificate: Option<String>,
    /// Key that encrypts connection data.
    #[field(unset = "`aws/dms`", replaces, dropped(impossible, "the key of an endpoint is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Files in a bucket, for the engine `s3`.
    #[field(unset = "none", dropped = None)]
    pub s3: Option<S3Data>,
    /// The stream, for the engine `kinesis`.
    #[field(unset = "none", dropped = None)]
    pub kinesis: Option<Kinesis>,
    /// The brokers, for the engine `kafka`.
    #[field(unset = "none", dropped = None)]
    pub kafka: Option<Kafka>,
    /// The domain, for the engine `opensearch`.
    #[field(unset = "none", dropped = None)]
    pub opensearch: Option<OpenSearch>,
    /// How data gets to a cluster, for the engine `redshift`.
    #[field(unset = "none", dropped = None)]
    pub redshift: Option<Redshift>,
    /// Role with which DMS writes tables, for the engine `dynamodb`.
    #[field(unset = "none", dropped = None)]
    pub dynamodb_role: Option<ArnRef<IamRole>>,
}

impl Resource for DmsEndpoint {
    const TYPE: TypeInfo =
        TypeInfo::new("dms_endpoint", &services::dms::SERVICE, "{arn}", "arn:aws:dms:{region}:{account}:endpoint:{upper26}")
            .without_charge("the instance that connects to it costs")
            .typical_seconds(5)
            .without_token()
            .quota(1000, "ResourceQuotaExceededFault")
            .iam_actions(
                IamActions::new("dms:endpoint:*")
                    .list(&["dms:DescribeEndpoints"])
                    .read(&["dms:ListTagsForResource"])
                    .create(&["dms:CreateEndpoint"])
                    .change(&["dms:DeleteEndpoint", "dms:ModifyEndpoint"])
                    .questions(&["dms:DescribeReplicationTasks"])
                    .grants(&[
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["dms.amazonaws.com", "dms.*.amazonaws.com"])),
                        IamGrant::change(&["kms:CreateGrant", "kms:DescribeKey"], GrantTarget::Referenced("kms_key")),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    fn risks(&self) -> Vec<(Pointer, &'static str)> {
        let is_plain = !self.server.is_empty() && self.ssl_mode == "none";
        is_plain.then_some((Self::POINTERS.ssl_mode, "the connection is not encrypted")).into_iter().collect()
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        write::create(self, cx).await.map(Created::Id)
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: DmsEndpointChanges) -> Result<()> {
        write::update(self, cx, &live.id).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.dms.delete_endpoint().endpoint_arn(&live.id).send().await)
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: DmsEndpointChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// DMS reads secrets with the principal of the region, and does everything else with its own.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(spec) = declared.spec() else { return Vec::new() };
        let at = Self::POINTERS;
        let of_secrets = [(at.secret_role, &spec.secret_role), (at.asm_secret_role, &spec.asm_secret_role)];
        let secrets = of_secrets.into_iter().filter_map(|(at, role)| {
            let (role, region) = role.as_ref().zip(declared.region())?;
            check_trust(declared, at, role, &format!("dms.{region}.amazonaws.com"))
        });
        let others = [
            (at.iam_role, spec.iam_role.as_ref()),
            (at.s3.field(S3Data::POINTERS.role), spec.s3.as_ref().map(|s3| &s3.role)),
            (at.kinesis.field(Kinesis::POINTERS.role), spec.kinesis.as_ref().map(|kinesis| &kinesis.role)),
            (at.opensearch.field(OpenSearch::POINTERS.role), spec.opensearch.as_ref().map(|domain| &domain.role)),
            (at.redshift.field(Redshift::POINTERS.role), spec.redshift.as_ref().and_then(|redshift| redshift.role.as_ref())),
            (at.dynamodb_role, spec.dynamodb_role.as_ref()),
        ];
        let others = others.into_iter().filter_map(|(at, role)| check_trust(declared, at, role?, "dms.amazonaws.com"));
        secrets.chain(others).collect()
    }

    /// DMS can end the encryption of files with a key, but not begin it.
    fn replaces(&self, live: &Self) -> DmsEndpointChanges {
        let s3 = |endpoint: &Self| endpoint.s3.as_ref().map(|files| files.kms_key.is_some());
        let redshift = |endpoint: &Self| endpoint.redshift.as_ref().map(|files| files.kms_key.is_some());
        let begins = |wanted: Option<bool>, live: Option<bool>| wanted == Some(true) && live == Some(false);
        DmsEndpointChanges {
            s3: begins(s3(self), s3(live)),
            redshift: begins(redshift(self), redshift(live)),
            ..DmsEndpointChanges::default()
        }
    }

    fn normalize(&self, live: &mut Self) {
        // AWS adds settings of its own to those of documents.
        if matches!(self.engine.as_str(), "mongodb" | "docdb") {
            live.attributes.retain(|key, _| self.attributes.contains_key(key));
        }
    }
}

/// AWS writes values in other letters than it takes: `SSE_S3` for `sse-s3`.
fn lowercase(text: &str) -> String {
    text.to_lowercase().replace('_', "-")
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
