//! Tokens of EKS for the Kubernetes API: a presigned STS request, which the cluster repeats to learn who asks.
//!
//! Source: <https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html> and the documentation of aws-iam-authenticator,
//! <https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster>.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::error::display::DisplayErrorContext;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use serde_json::{Value, json};

use crate::{
    aws::Role,
    core::{Error, ErrorKind, Result, endpoint_domain},
};

/// Time for which a cluster accepts a token after the request was signed: 15 minutes. acme stops using it earlier.
pub const LIFETIME: Duration = Duration::from_secs(14 * 60);

/// Header with the cluster's name, which makes the token worthless for other clusters.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// Value of `X-Amz-Expires`, which clusters require.
const EXPIRES: Duration = Duration::from_secs(60);

/// Who calls AWS.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Profile of the AWS configuration, if it is not that of the environment.
    pub profile: Option<String>,
    /// Role that is assumed, if any.
    pub role: Option<Role>,
}

/// Entry `exec` of a kubeconfig, with which a program gets tokens from `acme token`: `command` is the name or path of acme.
pub fn exec_entry(command: &str, cluster: &str, region: &str, caller: &Caller) -> Value {
    let mut arguments = vec!["token", "--cluster", cluster, "--region", region];
    arguments.extend(caller.profile.iter().flat_map(|profile| ["--profile", profile]));
    if let Some(role) = &caller.role {
        arguments.extend(["--role", &role.arn]);
        arguments.extend(role.external_id.iter().flat_map(|id| ["--external-id", id]));
    }
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command,
        "args": arguments,
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": false,
    })
}

/// Returns a token for the cluster of this name, with the credentials of this provider.
///
/// # Errors
/// Fails without credentials.
pub(super) async fn for_cluster(cluster: &str, region: &str, credentials: Option<&SharedCredentialsProvider>) -> Result<String> {
    let missing = |message: String| Error::new(ErrorKind::AccessDenied, "NoCredentials", message);
    let provider = credentials.ok_or_else(|| missing("no AWS credentials are configured".to_owned()))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| missing(format!("no AWS credentials: {}", DisplayErrorContext(&error))))?;
    mint(cluster, region, credentials, SystemTime::now())
}

/// Returns a token for the cluster of this name, as `aws eks get-token` does.
///
/// # Errors
/// Fails if the name can't be part of a request.
fn mint(cluster: &str, region: &str, credentials: Credentials, now: SystemTime) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Rejected, "Token", format!("can't sign in to `{cluster}`: {error}"));
    // Clusters accept only regional endpoints, whose credentials are valid in every region.
    let host = format!("sts.{region}.{}", endpoint_domain(region));
    let url = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = Identity::from(credentials);
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(now).settings(settings).build();
    let params = params.map_err(|error| failed(&error))?.into();
    let headers = [("host", host.as_str()), (CLUSTER_HEADER, cluster)];
    let signable =
        SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::Bytes(&[])).map_err(|error| failed(&error))?;
    let (instructions, _) = sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
    let mut request = http::Request::get(&url).body(()).map_err(|error| failed(&error))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(format!("k8s-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(request.uri().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URL of botocore for the same key and time, as `aws eks get-token` presigns it.
    const EXPECTED: &str = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260921%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20260921T141320Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=3cfda622c13c1df6709e829ead9f8c257e8391a637e21e01bd1de6a65b54170e";

    #[test]
    fn equals_the_token_of_the_aws_cli() {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let token = mint("shop-production", "eu-west-1", credentials, now).expect("a token");
        let url = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.").expect("the prefix")).expect("base64");
        assert_eq!(String::from_utf8(url).expect("a URL"), EXPECTED);
    }
}
