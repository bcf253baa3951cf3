//! `acme token`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, OutputArguments};
use crate::{
    aws::{Aws, Role, Settings},
    kubernetes::TOKEN_LIFETIME,
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the cluster in EKS.
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// AWS region of the cluster.
    #[arg(long, value_parser = super::parse_region)]
    region: Option<String>,
    /// Profile in the AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Role to assume.
    #[arg(long, value_name = "ARN", value_parser = super::parse_role)]
    role: Option<String>,
    /// External id that the trust policy of the role requires.
    #[arg(long, value_name = "ID", requires = "role")]
    external_id: Option<String>,
    #[command(flatten)]
    _output: OutputArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let role = arguments.role.clone();
    let role = role.map(|arn| Role { arn, external_id: arguments.external_id.clone(), session_name: "acme-token".to_owned() });
    let settings = Settings { region: arguments.region.clone(), profile: arguments.profile.clone(), role, ..Settings::default() };
    let aws = Aws::connect(settings).await?;
    let token = aws.kubernetes.token(&arguments.cluster).await?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires = report::time::utc(u64::try_from((since_1970 + TOKEN_LIFETIME).as_millis()).unwrap_or(u64::MAX));
    report::print_json_line(&json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "token": token, "expirationTimestamp": expires },
    }))?;
    Ok(DONE)
}
