//! Endpoint groups of a listener, one a region.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_globalaccelerator::types as sdk;

use crate::{
    aws::{from_aws, to_aws},
    core::Result,
};

/// Endpoints of a region.
#[spec]
#[derive(PartialEq)]
pub struct EndpointGroup {
    /// Endpoints. Each must be in use when it is added.
    #[field(default, length = 0..=10, important)]
    pub endpoints: BTreeSet<Endpoint>,
    /// Percentage of the traffic for this region that it gets.
    #[field(default = 100.0, range = 0..=100, important, risky(0.0, "the region gets no traffic"))]
    pub traffic_dial_percent: f64,
    /// Check of the health of endpoints. Load balancers check their targets themselves.
    #[field(default)]
    pub health_check: HealthProbe,
    /// Ports of endpoints, by the listener's port, where they differ.
    #[field(default, length = 0..=10)]
    pub port_overrides: BTreeMap<String, u16>,
}

/// An endpoint.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// ARN of a load balancer, such as `{{ load_balancer.web.arn }}`, or id of an instance or an elastic IP address.
    #[field(length = 1..=255)]
    pub id: String,
    /// Weight among the endpoints; 0 for no traffic.
    #[field(default = 128, range = 0..=255)]
    pub weight: u8,
    /// Passes the client's address on.
    #[field(unset = "unchanged; at first true for application load balancers", dropped(kept, "its default depends on the endpoint"))]
    pub preserve_client_ip: Option<bool>,
    /// ARN of the attachment with which another account shares the endpoint; empty for none.
    #[field(default, length = 0..=255, pattern = "|arn:.+")]
    pub attachment: String,
}

/// Check of the health of endpoints.
#[spec]
#[derive(PartialEq)]
pub struct HealthProbe {
    /// Protocol.
    #[field(default)]
    pub protocol: ProbeProtocol,
    /// Port; 0 for the first of the listener.
    #[field(default = 0, range = 0..=65_535)]
    pub port: u16,
    /// Path of requests, with HTTP and HTTPS.
    #[field(default = "/", length = 1..=255, pattern = "/.*")]
    pub path: String,
    /// Time between two checks, in seconds.
    #[field(default = 30, one_of = [10, 30])]
    pub interval_seconds: u8,
    /// Number of checks after which the state changes.
    #[field(default = 3, range = 1..=10)]
    pub threshold: u8,
}

impl Default for HealthProbe {
    fn default() -> HealthProbe {
        HealthProbe { protocol: ProbeProtocol::Tcp, port: 0, path: "/".to_owned(), interval_seconds: 30, threshold: 3 }
    }
}

/// Protocol of a check.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum ProbeProtocol {
    #[default]
    Tcp,
    Http,
    Https,
}

impl EndpointGroup {
    /// Copies values that AWS does not report, or fills in, to a live group.
    pub(super) fn adopt_unreported(&self, live: &mut EndpointGroup) {
        if self.health_check.port == 0 {
            live.health_check.port = 0;
        }
        let endpoints = std::mem::take(&mut live.endpoints).into_iter().map(|mut endpoint| {
            if let Some(wanted) = self.endpoints.iter().find(|wanted| wanted.id == endpoint.id) {
                endpoint.attachment.clone_from(&wanted.attachment);
            }
            endpoint
        });
        live.endpoints = endpoints.collect();
    }

    /// Endpoints in the shape of the SDK. The call replaces the list, so `live` has the settings that the definition leaves alone.
    pub(super) fn configurations(&self, live: &[sdk::EndpointDescription]) -> Vec<sdk::EndpointConfiguration> {
        let configuration = |endpoint: &Endpoint| {
            let current = live.iter().find(|one| one.endpoint_id() == Some(endpoint.id.as_str()));
            let preserved = endpoint.preserve_client_ip.or(current.and_then(|one| one.client_ip_preservation_enabled));
            let attachment = Some(endpoint.attachment.clone()).filter(|arn| !arn.is_empty());
            let configuration = sdk::EndpointConfiguration::builder().endpoint_id(&endpoint.id).weight(endpoint.weight.into());
            configuration.set_client_ip_preservation_enabled(preserved).set_attachment_arn(attachment).build()
        };
        self.endpoints.iter().map(configuration).collect()
    }

    pub(super) fn sdk_overrides(&self) -> Vec<sdk::PortOverride> {
        let entry = |(listener, endpoint): (&String, &u16)| {
            let port = listener.parse::<i32>().ok()?;
            Some(sdk::PortOverride::builder().listener_port(port).endpoint_port((*endpoint).into()).build())
        };
        self.port_overrides.iter().filter_map(entry).collect()
    }

    pub(super) fn read(group: &sdk::EndpointGroup) -> Result<EndpointGroup> {
        let endpoint = |one: &sdk::EndpointDescription| Endpoint {
            id: one.endpoint_id.clone().unwrap_or_default(),
            weight: one.weight.and_then(|weight| u8::try_from(weight).ok()).unwrap_or(128),
            preserve_client_ip: one.client_ip_preservation_enabled,
            attachment: String::new(),
        };
        let override_of = |one: &sdk::PortOverride| Some((one.listener_port?.to_string(), u16::try_from(one.endpoint_port?).ok()?));
        let protocol: ProbeProtocol =
            group.health_check_protocol.as_ref().map(|protocol| from_aws(protocol.as_str())).transpose()?.unwrap_or_default();
        let path = group.health_check_path.clone().filter(|path| protocol != ProbeProtocol::Tcp && !path.is_empty());
        Ok(EndpointGroup {
            endpoints: group.endpoint_descriptions().iter().map(endpoint).collect(),
            traffic_dial_percent: group.traffic_dial_percentage.unwrap_or(100.0).into(),
            health_check: HealthProbe {
                protocol,
                port: group.health_check_port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
                path: path.unwrap_or_else(|| "/".to_owned()),
                interval_seconds: group.health_check_interval_seconds.and_then(|seconds| u8::try_from(seconds).ok()).unwrap_or(30),
                threshold: group.threshold_count.and_then(|count| u8::try_from(count).ok()).unwrap_or(3),
            },
            port_overrides: group.port_overrides().iter().filter_map(override_of).collect(),
        })
    }
}

impl HealthProbe {
    pub(super) fn sdk_protocol(&self) -> sdk::HealthCheckProtocol {
        sdk::HealthCheckProtocol::from(to_aws(&self.protocol).as_str())
    }
    /// The path, if the protocol has one.
    pub(super) fn sdk_path(&self) -> Option<String> {
        (self.protocol != ProbeProtocol::Tcp).then(|| self.path.clone())
    }
    /// The port, or the first one of the listener.
    pub(super) fn port_or(&self, first: u16) -> i32 {
        i32::from(if self.port == 0 { first } else { self.port })
    }
}
