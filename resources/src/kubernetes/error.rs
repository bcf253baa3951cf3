//! Errors of the Kubernetes API, by their meaning to the engine.
//!
//! Source: <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#http-status-codes>

use super::Cluster;
use crate::core::{Error, ErrorKind};

/// Converts the error of a call to this cluster.
pub(super) fn from_kube(error: kube::Error, cluster: &Cluster) -> Error {
    match error {
        kube::Error::Api(status) => {
            let code = if status.reason.is_empty() { format!("Http{}", status.code) } else { status.reason.clone() };
            let kind = kind_of(status.code, &status.reason, &status.message);
            let message = match status.code {
                401 => format!(
                    "the cluster `{}` does not accept these AWS credentials: add an access entry for them (`{}`)",
                    cluster.name(),
                    one_line(&status.message)
                ),
                _ => one_line(&status.message),
            };
            Error::new(kind, &code, message)
        }
        kube::Error::SerdeError(error) => {
            Error::new(ErrorKind::Unavailable, "IncompleteAnswer", format!("the cluster's response can't be read: {error}"))
        }
        kube::Error::BuildRequest(error) => Error::new(ErrorKind::Rejected, "InvalidRequest", error.to_string()),
        other => Error::new(
            ErrorKind::Unavailable,
            "ClusterUnreachable",
            format!(
                "can't reach the Kubernetes API of `{}` at {}: {}; if its endpoint is private, run acme inside its network, or pass \
                 --kube-proxy-url with a proxy in it, for example one behind a Session Manager tunnel",
                cluster.name(),
                cluster.endpoint().url,
                innermost(&other)
            ),
        ),
    }
}

fn kind_of(code: u16, reason: &str, message: &str) -> ErrorKind {
    match (code, reason) {
        // A webhook of the cluster is not running yet: nothing was changed.
        (500, _) if message.contains("failed calling webhook") || message.contains("no endpoints available") => ErrorKind::Conflict,
        // A value of the wrong type.
        (500, _) if message.contains("failed to create typed patch object") => ErrorKind::Rejected,
        (_, "AlreadyExists") => ErrorKind::AlreadyExists,
        // A quota or a namespace that is being deleted.
        (403, _) if message.contains("because it is being terminated") => ErrorKind::Conflict,
        // An access entry takes effect within a minute.
        (401, _) => ErrorKind::NotYetVisible,
        (403, _) => ErrorKind::AccessDenied,
        (404, _) => ErrorKind::NotFound,
        (409, _) => ErrorKind::Conflict,
        (429, _) => ErrorKind::Throttled,
        (code, _) if code >= 500 => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// The cause at the end of the chain: "connection refused" rather than "client error".
fn innermost(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_which_errors_pass() {
        for (code, reason, message, kind) in [
            (404, "NotFound", "namespaces \"shop\" not found", ErrorKind::NotFound),
            (409, "AlreadyExists", "configmaps \"a\" already exists", ErrorKind::AlreadyExists),
            (409, "Conflict", "Apply failed with 1 conflict", ErrorKind::Conflict),
            (401, "Unauthorized", "Unauthorized", ErrorKind::NotYetVisible),
            (403, "Forbidden", "pods is forbidden: exceeded quota", ErrorKind::AccessDenied),
            (403, "Forbidden", "cannot create in namespace shop because it is being terminated", ErrorKind::Conflict),
            (500, "InternalError", "failed calling webhook \"m.example.com\"", ErrorKind::Conflict),
            (500, "", "failed to create typed patch object: .spec.replicas: expected numeric", ErrorKind::Rejected),
            (500, "InternalError", "etcdserver: leader changed", ErrorKind::Unavailable),
            (429, "TooManyRequests", "", ErrorKind::Throttled),
            (422, "Invalid", "Deployment is invalid", ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(code, reason, message), kind, "{code} {reason} {message}");
        }
    }
}
