//! Values of a cluster's fields.

use acme_macros::spec;

/// A control plane log.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum LogType {
    Api,
    Audit,
    Authenticator,
    ControllerManager,
    Scheduler,
}

/// Source of the Kubernetes permissions of IAM principals.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationMode {
    /// Access entries.
    Api,
    /// Access entries and the config map `aws-auth`.
    ApiAndConfigMap,
    /// The config map `aws-auth`.
    ConfigMap,
}

/// Addresses of pods and services.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum IpFamily {
    Ipv4,
    Ipv6,
}

/// Support after the end of a version's standard support.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SupportType {
    /// No extended support: AWS upgrades the cluster.
    Standard,
    /// The cluster keeps its version, at a higher price.
    Extended,
}
