//! Classification of AWS errors.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata};
use serde_json::Value;

use super::{parameters, services::SERVICES};
use crate::core::{Error, ErrorKind, ErrorRule};

impl Error {
    /// Error for one part (`Unsuccessful`) of an otherwise successful response.
    pub fn from_code(code: &str, message: impl Into<String>) -> Error {
        let message = message.into();
        let status = code.strip_prefix("Http").and_then(|status| status.parse().ok()).unwrap_or(400);
        Error::new(classify(status, code, &message), code, message)
    }
}

/// Error codes that several services share. Codes of a single service are in its file, see [`super::services`].
const COMMON_RULES: &[ErrorRule] = &[
    ErrorRule::new("BandwidthLimitExceeded", ErrorKind::Throttled),
    ErrorRule::new("EC2ThrottledException", ErrorKind::Throttled),
    ErrorRule::new("LimitExceededException.Rate", ErrorKind::Throttled),
    ErrorRule::new("RequestLimitExceeded", ErrorKind::Throttled),
    ErrorRule::new("RequestThrottled", ErrorKind::Throttled),
    ErrorRule::new("RequestThrottledException", ErrorKind::Throttled),
    ErrorRule::new("SlowDown", ErrorKind::Throttled),
    ErrorRule::new("ThrottledException", ErrorKind::Throttled),
    ErrorRule::new("Throttling", ErrorKind::Throttled),
    ErrorRule::new("ThrottlingException", ErrorKind::Throttled),
    ErrorRule::new("TooManyRequestsException", ErrorKind::Throttled),
    ErrorRule::new("ConcurrentModificationException", ErrorKind::Conflict),
    ErrorRule::new("ConflictException", ErrorKind::Conflict),
    ErrorRule::new("AccessDenied", ErrorKind::AccessDenied),
    ErrorRule::new("AccessDeniedException", ErrorKind::AccessDenied),
    ErrorRule::new("AuthFailure", ErrorKind::AccessDenied),
    ErrorRule::new("ExpiredToken", ErrorKind::AccessDenied),
    ErrorRule::new("ExpiredTokenException", ErrorKind::AccessDenied),
    ErrorRule::new("InvalidAccessKeyId", ErrorKind::AccessDenied),
    ErrorRule::new("InvalidClientTokenId", ErrorKind::AccessDenied),
    ErrorRule::new("InvalidToken", ErrorKind::AccessDenied),
    ErrorRule::new("OptInRequired", ErrorKind::AccessDenied),
    ErrorRule::new("RequestExpired", ErrorKind::AccessDenied),
    ErrorRule::new("SignatureDoesNotMatch", ErrorKind::AccessDenied),
    ErrorRule::new("UnauthorizedOperation", ErrorKind::AccessDenied),
    ErrorRule::new("UnrecognizedClientException", ErrorKind::AccessDenied),
    ErrorRule::new("PrincipalNotFound", ErrorKind::NotYetVisible),
    ErrorRule::new("404", ErrorKind::NotFound),
];

/// Kind of an error. An error does not name its service, so the rules of all services apply; a test keeps them free of contradictions.
fn classify(status: u16, code: &str, message: &str) -> ErrorKind {
    let all = || SERVICES.iter().flat_map(|service| service.error_rules).chain(COMMON_RULES).filter(|rule| rule.code == code);
    let by_message = || all().find(|rule| !rule.message.is_empty() && message.contains(rule.message));
    if let Some(rule) = by_message().or_else(|| all().find(|rule| rule.message.is_empty())) {
        return rule.kind;
    }
    match code {
        _ if code.contains("NotFound") || code.starts_with("NoSuch") => ErrorKind::NotFound,
        _ if code.contains("AlreadyExists") || code.contains("Duplicate") => ErrorKind::AlreadyExists,
        // Every service has its own names for internal failures.
        _ if status >= 500 => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Whether the body of an error names a code for too many calls, so that the call had no effect.
pub(super) fn is_throttling(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let rules = SERVICES.iter().flat_map(|service| service.error_rules).chain(COMMON_RULES);
    // XML has the code as the text of an element, JSON as a string, perhaps after a namespace.
    rules.filter(|rule| rule.kind == ErrorKind::Throttled).any(|rule| {
        [">", "\"", "#"].iter().any(|before| ["<", "\"", ":"].iter().any(|after| body.contains(&format!("{before}{}{after}", rule.code))))
    })
}

/// Messages that name a layer of the client, not a cause.
const LAYERS: &[&str] = &[
    "dispatch failure",
    "io error",
    "other",
    "client error (Connect)",
    "client error (SendRequest)",
    "tcp connect error",
    "an error occurred while loading credentials",
    "service error",
];

/// Messages of an error and its causes, without meaningless ones.
pub(super) fn describe_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    let causes: Vec<String> = causes.filter(|cause| !LAYERS.contains(&cause.as_str())).filter_map(reworded).collect();
    let text = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
    // The SDK repeats this before each source of credentials.
    text.replace("the credential provider was not enabled: ", "")
}

/// Sources of credentials, in the order in which the SDK tries them: its name, ours, and what is missing if it is not configured.
const CREDENTIAL_SOURCES: [(&str, &str, &str); 5] = [
    ("Environment", "environment", "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are not set"),
    ("Profile", "profile", "it has no credentials"),
    ("WebIdentityToken", "web identity", "`AWS_WEB_IDENTITY_TOKEN_FILE` is not set"),
    ("EcsContainer", "container", "this is not one with a role"),
    ("Ec2InstanceMetadata", "instance", "this is not one with a role"),
];

/// Names the sources of credentials that were tried, in place of the SDK's chain of errors.
fn describe_missing_credentials(causes: &str) -> String {
    let tried = |reason: &dyn Fn(&str) -> Option<String>| {
        let lines = CREDENTIAL_SOURCES.iter().map(|(sdk_name, name, missing)| {
            let reason = reason(sdk_name);
            format!("\n  {name}: {}", reason.unwrap_or_else(|| (*missing).to_owned()))
        });
        format!("no credentials found; tried{}", lines.collect::<String>())
    };
    // The last source ends the chain with an error of its own: all others are not configured.
    if let Some((_, reason)) = causes.split_once("IMDS session token").filter(|(before, _)| !before.contains("assume the role")) {
        let reason = reason.trim_start_matches(": ").trim_start_matches("service error: ").trim_end_matches('.');
        return tried(&|sdk_name| (sdk_name == "Ec2InstanceMetadata").then(|| format!("its metadata service does not answer: {reason}")));
    }
    match causes.split_once("no credentials found in chain. Attempted:") {
        Some((_, attempted)) => tried(&|sdk_name| {
            let reason = attempted.lines().find_map(|line| line.trim().strip_prefix(sdk_name)?.strip_prefix(": "))?;
            let is_usual = ["not set", "not enabled", "not configured"].iter().any(|words| reason.ends_with(words));
            if reason.contains("AWS_EC2_METADATA_DISABLED") {
                return Some("`AWS_EC2_METADATA_DISABLED` is set".to_owned());
            }
            (!is_usual).then(|| reason.to_owned())
        }),
        None => causes.trim_start_matches("an error occurred while loading credentials: ").to_owned(),
    }
}

/// A cause without the forms in which the SDK writes codes and whole errors of AWS.
fn reworded(cause: String) -> Option<String> {
    if let Some(code) = cause.strip_prefix("unhandled error (").and_then(|rest| rest.strip_suffix(')')) {
        return Some(code.to_owned());
    }
    if let Some(reason) = cause.strip_prefix("tunnel error: ") {
        let reason = if reason == "failed to create underlying connection" { "" } else { reason };
        return Some([format!("the proxy{}", proxy_address()).as_str(), reason].join(if reason.is_empty() { "" } else { ": " }));
    }
    // The rest is the whole request.
    if let Some((endpoint, rest)) = cause.strip_prefix("failed to apply endpoint `").and_then(|rest| rest.split_once("` to request `")) {
        let reason = rest.rsplit_once("`: ").map(|(_, reason)| format!(": {reason}")).unwrap_or_default();
        return Some(format!("`{endpoint}` is not a valid endpoint, such as `https://aws.example.com`{reason}"));
    }
    if !cause.starts_with("Error { ") {
        return Some(cause);
    }
    let fields = parameters::of_input(&format_args!("{cause}"));
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let request = text("aws_request_id").map(|id| format!(" (request {id})")).unwrap_or_default();
    Some(format!("{}{request}", text("message")?))
}

/// Server and port of the proxy for HTTPS, without user and password, after a space; empty if none is set.
fn proxy_address() -> String {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let Some(url) = names.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty())) else { return String::new() };
    let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    format!(" {}", address.trim_end_matches('/'))
}

impl<E> From<SdkError<E, HttpResponse>> for Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Error {
        let SdkError::ServiceError(service) = &error else {
            let text = DisplayErrorContext(&error).to_string();
            let no_credentials = text.contains("credentials");
            let (sort, code) =
                if no_credentials { (ErrorKind::AccessDenied, "NoCredentials") } else { (ErrorKind::Unavailable, "Unreachable") };
            let causes = describe_causes(&error);
            return Error::new(sort, code, if no_credentials { describe_missing_credentials(&causes) } else { causes });
        };
        let meta = service.err().meta();
        // Some responses have only a status.
        let status = service.raw().status().as_u16();
        // The call took effect, but its response is garbled or cut off.
        if (200..300).contains(&status) && meta.code().is_none() {
            let message = format!("AWS accepted the call, but its response can't be read: {}", describe_causes(service.err()));
            return Error::new(ErrorKind::Unavailable, "UnreadableAnswer", message);
        }
        let code = meta.code().map_or_else(|| if status == 404 { "NotFound".to_owned() } else { format!("Http{status}") }, str::to_owned);
        let message = match (meta.message(), meta.code()) {
            (Some(message), _) => message.to_owned(),
            (None, Some(_)) => describe_causes(service.err()),
            (None, None) => format!("the response has status {status} and no reason"),
        };
        let request_id = meta.extra("aws_request_id").map(Into::into);
        Error { kind: classify(status, &code, &message), request_id, code, message }
    }
}

impl From<aws_smithy_types::error::operation::BuildError> for Error {
    fn from(error: aws_smithy_types::error::operation::BuildError) -> Error {
        Error::new(ErrorKind::Rejected, "Request", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_wait_for_deletion_protection() {
        let sort = |message: &str| Error::from_code("OperationNotPermitted", message).kind;
        assert_eq!(sort("Load balancer 'web' cannot be deleted because deletion protection is enabled"), ErrorKind::Rejected);
        assert_eq!(sort("You are not allowed to manage 'ela-attach' attachments."), ErrorKind::Conflict);
    }

    #[test]
    fn causes_have_no_forms_of_rust() {
        let dump = r#"Error { code: "AccessDenied", message: "a is not \"allowed\"", aws_request_id: "r-1" }"#;
        assert_eq!(reworded(dump.to_owned()).as_deref(), Some(r#"a is not "allowed" (request r-1)"#));
        assert_eq!(reworded(r#"Error { code: "AccessDenied" }"#.to_owned()), None);
        assert_eq!(reworded("unhandled error (AccessDenied)".to_owned()).as_deref(), Some("AccessDenied"));
        assert_eq!(reworded("Connection refused".to_owned()).as_deref(), Some("Connection refused"));
        let dump = "failed to apply endpoint `nonsense` to request `Request { body: SdkBody { .. } }`: endpoint must contain scheme";
        let expected = "`nonsense` is not a valid endpoint, such as `https://aws.example.com`: endpoint must contain scheme";
        assert_eq!(reworded(dump.to_owned()).as_deref(), Some(expected));
        let tunnel = reworded("tunnel error: failed to create underlying connection".to_owned()).unwrap_or_default();
        assert!(tunnel.starts_with("the proxy") && !tunnel.ends_with(':'), "{tunnel}");
    }

    #[test]
    fn missing_credentials_name_the_sources() {
        let chain = "no credentials found in chain. Attempted:\n  Environment: environment variable not set\n  Profile: the token of the \
                     session has expired\n  WebIdentityToken: $AWS_WEB_IDENTITY_TOKEN_FILE was not set\n  EcsContainer: ECS provider not \
                     configured\n  Ec2InstanceMetadata: IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`";
        let shown = describe_missing_credentials(chain);
        let expected = "no credentials found; tried\n  environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are not set\n  \
                        profile: the token of the session has expired\n  web identity: `AWS_WEB_IDENTITY_TOKEN_FILE` is not set\n  \
                        container: this is not one with a role\n  instance: `AWS_EC2_METADATA_DISABLED` is set";
        assert_eq!(shown, expected);
        let shown = describe_missing_credentials(
            "an error occurred while loading credentials: failed to load IMDS session token: service error: request forbidden.",
        );
        assert!(shown.ends_with("\n  instance: its metadata service does not answer: request forbidden"), "{shown}");
        assert_eq!(shown.lines().count(), 6, "{shown}");
        let shown = describe_missing_credentials("an error occurred while loading credentials: the session has expired");
        assert_eq!(shown, "the session has expired");
    }

    #[test]
    fn recognizes_throttling_in_the_body_of_an_error() {
        for body in [
            "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Slow.</Message></Error></Errors></Response>",
            r#"{"__type":"com.amazonaws.kms#ThrottlingException","message":"Rate exceeded"}"#,
            r#"{"code":"TooManyRequestsException"}"#,
            "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        ] {
            assert!(is_throttling(body.as_bytes()), "{body}");
        }
        for body in ["", "<html>503 Service Unavailable</html>", "<Error><Code>ServiceUnavailable</Code></Error>", "Throttling of tokens"] {
            assert!(!is_throttling(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn rules_do_not_contradict_each_other() {
        let all: Vec<&ErrorRule> = SERVICES.iter().flat_map(|service| service.error_rules).chain(COMMON_RULES).collect();
        for rule in &all {
            let same = all.iter().filter(|other| other.code == rule.code && other.message == rule.message);
            assert!(same.clone().all(|other| other.kind == rule.kind), "{:?}", same.collect::<Vec<_>>());
        }
    }

    #[test]
    fn classifies_codes_within_an_answer() {
        let sorts = ["InvalidFlowLogId.NotFound", "InvalidState", "DependencyViolation", "UnauthorizedOperation", "InvalidParameter"];
        let sorts = sorts.map(|code| Error::from_code(code, "").kind);
        assert_eq!(sorts, [ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Conflict, ErrorKind::AccessDenied, ErrorKind::Rejected]);
    }

    #[test]
    fn classifies_aws_errors() {
        for (status, code, message, expected) in [
            (400, "InvalidParameterException", "roleArn, arn:aws:iam::123456789012:role/a, does not exist", ErrorKind::NotYetVisible),
            (400, "InvalidParameterException", "The subnet ID 'subnet-1' does not exist", ErrorKind::NotYetVisible),
            (400, "InvalidParameterException", "unsupported Kubernetes version", ErrorKind::Rejected),
            (400, "InvalidRequestException", "Cluster 'shop-main' is not in ACTIVE status", ErrorKind::Conflict),
            (
                409,
                "ResourceInUseException",
                "Cannot LoggingUpdate because cluster a currently has update b in progress",
                ErrorKind::Conflict,
            ),
            (409, "ResourceInUseException", "NodeGroup already exists with name a and cluster name b", ErrorKind::AlreadyExists),
            (404, "ResourceNotFoundException", "No cluster found for name: a.", ErrorKind::NotFound),
            (400, "ClientException", "No cluster found for name: a.", ErrorKind::NotFound),
            (400, "ClientException", "An error occurred", ErrorKind::Rejected),
            (503, "ServiceUnavailableException", "Updates in the cell are disabled", ErrorKind::Unavailable),
            (500, "ServerException", "", ErrorKind::Unavailable),
            (503, "RequestLimitExceeded", "Request limit exceeded.", ErrorKind::Throttled),
            (400, "DBInstanceAlreadyExists", "", ErrorKind::AlreadyExists),
            (404, "DBInstanceNotFound", "", ErrorKind::NotFound),
            (400, "InvalidDBInstanceState", "Database instance is not in available state.", ErrorKind::Conflict),
            (400, "WAFNonexistentItemException", "", ErrorKind::NotFound),
            (400, "InvalidGroup.InUse", "There are active instances using security group 'sg-1'", ErrorKind::Conflict),
            (400, "InvalidCidrBlock.InUse", "The vpc vpc-1 currently has a subnet within CIDR block 10.1.0.0/16", ErrorKind::Conflict),
            (400, "AccessDeniedException", "", ErrorKind::AccessDenied),
            (
                400,
                "ConflictException",
                "You are trying to update a resource that is already being created or updated.",
                ErrorKind::Conflict,
            ),
            (400, "Gateway.NotAttached", "Network vpc-1 is not attached to any internet gateway", ErrorKind::NotYetVisible),
            (400, "InvalidSubnet", "VPC vpc-1 has no internet gateway", ErrorKind::NotYetVisible),
            (400, "InvalidSubnet", "At least two subnets in two different zones must be specified", ErrorKind::Rejected),
            (
                400,
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
                ErrorKind::NotYetVisible,
            ),
        ] {
            assert_eq!(classify(status, code, message), expected, "{status} {code}: {message}");
        }
    }
}
