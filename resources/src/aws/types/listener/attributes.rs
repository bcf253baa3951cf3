//! Settings that ModifyListenerAttributes changes.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::ListenerAttribute;

use super::{Listener, ListenerChanges, Protocol};
use crate::{
    aws::Aws,
    core::{
        Problem, Result,
        attributes::{attributes, with_attributes},
    },
};

/// Headers of responses, which an application load balancer sets or replaces. A header with an empty text is the target's.
#[spec]
#[derive(Default, PartialEq)]
pub struct ResponseHeaders {
    /// Adds the header `Server`.
    #[field(default = true, attribute = "routing.http.response.server.enabled")]
    pub server: bool,
    /// `Strict-Transport-Security`, such as `max-age=31536000; includeSubDomains`.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.strict_transport_security.header_value")]
    pub strict_transport_security: String,
    /// `Content-Security-Policy`.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.content_security_policy.header_value")]
    pub content_security_policy: String,
    /// `X-Content-Type-Options`.
    #[field(default, one_of = ["", "nosniff"], attribute = "routing.http.response.x_content_type_options.header_value")]
    pub content_type_options: String,
    /// `X-Frame-Options`.
    #[field(default, pattern = "|DENY|SAMEORIGIN|ALLOW-FROM .+", attribute = "routing.http.response.x_frame_options.header_value")]
    pub frame_options: String,
    /// `Access-Control-Allow-Origin`: `*` or an origin.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.access_control_allow_origin.header_value")]
    pub allow_origin: String,
    /// `Access-Control-Allow-Methods`, such as `GET,POST`.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.access_control_allow_methods.header_value")]
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.access_control_allow_headers.header_value")]
    pub allow_headers: String,
    /// `Access-Control-Allow-Credentials`.
    #[field(default, one_of = ["", "true"], attribute = "routing.http.response.access_control_allow_credentials.header_value")]
    pub allow_credentials: String,
    /// `Access-Control-Expose-Headers`.
    #[field(default, length = 0..=1024, attribute = "routing.http.response.access_control_expose_headers.header_value")]
    pub expose_headers: String,
    /// `Access-Control-Max-Age`, in seconds, at most 86400.
    #[field(default, pattern = "[0-9]{0,5}", attribute = "routing.http.response.access_control_max_age.header_value")]
    pub max_age: String,
}

/// Names of the headers in which an application load balancer sends properties of the connection to targets.
#[spec]
#[derive(Default, PartialEq)]
pub struct RequestHeaders {
    /// TLS version of the connection.
    #[field(
        default = "X-Amzn-Tls-Version",
        pattern = "[A-Za-z0-9_-]{1,40}",
        attribute = "routing.http.request.x_amzn_tls_version.header_name"
    )]
    pub tls_version: String,
    /// Cipher suite of the connection.
    #[field(
        default = "X-Amzn-Tls-Cipher-Suite",
        pattern = "[A-Za-z0-9_-]{1,40}",
        attribute = "routing.http.request.x_amzn_tls_cipher_suite.header_name"
    )]
    pub tls_cipher_suite: String,
    /// Certificate of the client, in PEM, with mutual authentication in the mode `passthrough`.
    #[field(
        default = "X-Amzn-Mtls-Clientcert",
        pattern = "[A-Za-z0-9_-]{1,40}",
        attribute = "routing.http.request.x_amzn_mtls_clientcert.header_name"
    )]
    pub client_certificate: String,
    /// Serial number of the client's certificate.
    #[field(default = "X-Amzn-Mtls-Clientcert-Serial-Number", pattern = "[A-Za-z0-9_-]{1,40}")]
    #[field(attribute = "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name")]
    pub client_certificate_serial_number: String,
    /// Issuer of the client's certificate.
    #[field(default = "X-Amzn-Mtls-Clientcert-Issuer", pattern = "[A-Za-z0-9_-]{1,40}")]
    #[field(attribute = "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name")]
    pub client_certificate_issuer: String,
    /// Subject of the client's certificate.
    #[field(default = "X-Amzn-Mtls-Clientcert-Subject", pattern = "[A-Za-z0-9_-]{1,40}")]
    #[field(attribute = "routing.http.request.x_amzn_mtls_clientcert_subject.header_name")]
    pub client_certificate_subject: String,
    /// Validity of the client's certificate.
    #[field(default = "X-Amzn-Mtls-Clientcert-Validity", pattern = "[A-Za-z0-9_-]{1,40}")]
    #[field(attribute = "routing.http.request.x_amzn_mtls_clientcert_validity.header_name")]
    pub client_certificate_validity: String,
    /// Certificate of the client without its chain, in PEM.
    #[field(default = "X-Amzn-Mtls-Clientcert-Leaf", pattern = "[A-Za-z0-9_-]{1,40}")]
    #[field(attribute = "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name")]
    pub client_certificate_leaf: String,
}

/// The settings, as read.
#[derive(Default)]
pub(super) struct Attributes(BTreeMap<String, String>);

/// Reads the settings of a listener.
pub(super) async fn read(aws: &Aws, id: &str) -> Result<Attributes> {
    let reply = aws.elbv2.describe_listener_attributes().listener_arn(id).send().await?;
    let all = reply.attributes.unwrap_or_default().into_iter();
    Ok(Attributes(all.filter_map(|attribute| Some((attribute.key?, attribute.value?))).collect()))
}

impl Attributes {
    /// The listener with these settings.
    pub(super) fn apply(&self, listener: Listener) -> Listener {
        let of = |key: &str| self.0.get(key).map(String::as_str);
        Listener {
            response_headers: with_attributes(ResponseHeaders::default(), of),
            request_headers: with_attributes(RequestHeaders::default(), of),
            ..with_attributes(listener, of)
        }
    }
}

impl ListenerChanges {
    /// Whether ModifyListenerAttributes changes one of the fields, or DescribeListenerAttributes reports it.
    pub(super) fn has_attributes(&self) -> bool {
        self.response_headers || self.request_headers || self.tcp_idle_timeout_seconds || self.tcp_reset_on_idle
    }
}

/// Sets what differs.
pub(super) async fn update(aws: &Aws, id: &str, live: &Listener, wanted: &Listener) -> Result<()> {
    let mut all: Vec<(&str, String)> = Vec::new();
    let mut add = |before: BTreeMap<&'static str, String>, after: BTreeMap<&'static str, String>| {
        all.extend(after.into_iter().filter(|(key, value)| before.get(key) != Some(value)));
    };
    add(attributes(live), attributes(wanted));
    add(attributes(&live.response_headers), attributes(&wanted.response_headers));
    add(attributes(&live.request_headers), attributes(&wanted.request_headers));
    let all: Vec<_> = all.into_iter().map(|(key, value)| ListenerAttribute::builder().key(key).value(value).build()).collect();
    if !all.is_empty() {
        aws.elbv2.modify_listener_attributes().listener_arn(id).set_attributes(Some(all)).send().await?;
    }
    Ok(())
}

/// Rules between the settings and the protocol.
pub(super) fn check(listener: &Listener) -> Vec<Problem> {
    let fields = Listener::POINTERS;
    let is_web = matches!(listener.protocol, Some(Protocol::Http | Protocol::Https));
    let mut problems = Vec::new();
    if listener.response_headers != ResponseHeaders::default() && !is_web {
        problems.push(Problem::new(fields.response_headers, "only HTTP and HTTPS listeners set headers"));
    }
    if listener.request_headers != RequestHeaders::default() && listener.protocol != Some(Protocol::Https) {
        problems.push(Problem::new(fields.request_headers, "only HTTPS listeners send properties of TLS connections"));
    }
    if listener.tcp_idle_timeout_seconds.is_some() && !matches!(listener.protocol, None | Some(Protocol::Tcp)) {
        problems.push(Problem::new(fields.tcp_idle_timeout_seconds, "only TCP listeners and gateway load balancers have this timeout"));
    }
    if listener.tcp_reset_on_idle.is_some() && listener.protocol.is_some() {
        problems.push(Problem::new(fields.tcp_reset_on_idle, "only gateway load balancers send resets"));
    }
    problems
}
