//! Origins.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_cloudfront::types as sdk;

use crate::{
    aws::{
        from_aws, to_aws,
        types::{cloudfront_access_control::CloudfrontAccessControl, cloudfront_cache_policy::quantity},
    },
    core::{Ref, Result},
};

/// Most connections that CloudFront tries, and time for each, in seconds, unless set.
const ATTEMPTS: u8 = 3;
const CONNECTION_TIMEOUT: u8 = 10;
/// Time for an answer, and for which an idle connection stays open, in seconds, unless set.
const READ_TIMEOUT: u8 = 30;
const KEEPALIVE: u8 = 5;

/// An origin, from which CloudFront gets contents.
#[spec]
pub struct Origin {
    /// Domain name, such as `{{ s3_bucket.assets.regional_domain_name }}`.
    #[field(length = 1..=253, pattern = r"[^\s/]+", important)]
    pub domain: String,
    /// Folder in the origin, such as `/public`.
    #[field(default, length = 0..=255, pattern = "(/.*[^/])?")]
    pub path: String,
    /// Kind of origin.
    #[field(default, important)]
    #[serde(rename = "type")]
    pub kind: OriginType,
    /// Proof of identity of CloudFront to the origin.
    #[field(default, important)]
    pub access: OriginAccess,
    /// Headers that requests have in addition. Everyone who can read the distribution sees the values, so they must not be secrets: use an
    /// access control or a VPC origin to keep others away.
    #[field(default, length = 0..=30)]
    pub headers: BTreeMap<String, String>,
    /// Number of connections that CloudFront tries.
    #[field(default = ATTEMPTS, range = 1..=3)]
    pub connection_attempts: u8,
    /// Time for a connection, in seconds.
    #[field(default = CONNECTION_TIMEOUT, range = 1..=10)]
    pub connection_timeout_seconds: u8,
    /// Time for an answer, and between two parts of it, in seconds. More than 60 need a higher quota.
    #[field(default = READ_TIMEOUT, range = 1..=180)]
    pub read_timeout_seconds: u8,
    /// Time for the whole answer, in seconds; 0 for no limit.
    #[field(default = 0, range = 0..=3600)]
    pub response_timeout_seconds: u16,
    /// Region of an additional cache in front of the origin (Origin Shield); empty for none.
    #[field(default, length = 0..=32, pattern = "([a-z]+-)*[a-z]+-[0-9]+|")]
    pub shield_region: String,
}

/// Kind of origin.
#[spec]
#[derive(Default, PartialEq)]
pub enum OriginType {
    /// A bucket, by the name of its API, not of its website.
    #[default]
    S3,
    /// A server, such as a load balancer or the website of a bucket.
    Custom(CustomOrigin),
    /// A load balancer or instance in private subnets.
    Vpc(VpcOrigin),
}

/// A server.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomOrigin {
    /// Protocol.
    #[field(default, risky(OriginProtocol::HttpOnly, "CloudFront talks to the origin without encryption"))]
    pub protocol: OriginProtocol,
    /// Port for HTTP.
    #[field(default = 80, range = 1..=65_535)]
    pub http_port: u16,
    /// Port for HTTPS.
    #[field(default = 443, range = 1..=65_535)]
    pub https_port: u16,
    /// Versions of TLS.
    #[field(default = ["TLSv1.2".to_owned()].into(), length = 1..=4, one_of = ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"])]
    pub tls: BTreeSet<String>,
    /// Time for which an idle connection stays open, in seconds.
    #[field(default = KEEPALIVE, range = 1..=120)]
    pub keepalive_seconds: u8,
    /// Versions of IP.
    #[field(default)]
    pub ip: IpVersion,
    /// ARN of the certificate with which CloudFront proves its identity (mTLS); empty for none.
    #[field(default, length = 0..=2048, pattern = "|arn:.+")]
    pub client_certificate: String,
}

/// Protocol between CloudFront and an origin.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum OriginProtocol {
    /// HTTP.
    HttpOnly,
    /// HTTPS.
    #[default]
    HttpsOnly,
    /// That of the viewer.
    MatchViewer,
}

/// Versions of IP.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both.
    Dualstack,
}

/// A VPC origin.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct VpcOrigin {
    /// Id of the VPC origin, such as `vo_BQwjxxQxjCaBcQLzJUFkDM`.
    #[field(length = 1..=64)]
    pub id: String,
    /// Account of the VPC origin, if it is another one; empty for this one.
    #[field(default, length = 0..=12, pattern = "([0-9]{12})?")]
    pub account: String,
    /// Time for which an idle connection stays open, in seconds.
    #[field(default = KEEPALIVE, range = 1..=120)]
    pub keepalive_seconds: u8,
}

/// Proof of identity of CloudFront to an origin.
#[spec]
#[derive(Default, PartialEq)]
pub enum OriginAccess {
    /// Not at all.
    #[default]
    None,
    /// With signed requests.
    Control(Ref<CloudfrontAccessControl>),
    /// As a user of S3, such as `E127EXAMPLE51Z`. AWS recommends access controls instead.
    Identity(String),
}

/// A pair of origins: if the first fails, requests go to the second.
#[spec]
pub struct OriginGroup {
    /// Id of the first origin.
    #[field(length = 1..=128)]
    pub primary: String,
    /// Id of the second one.
    #[field(length = 1..=128)]
    pub secondary: String,
    /// Status codes of the first that count as failures, besides no answer.
    #[field(default = [500, 502, 503, 504].into(), length = 1..=9, one_of = [400, 403, 404, 416, 429, 500, 502, 503, 504])]
    pub status_codes: BTreeSet<u16>,
    /// Chooses the origin with the better quality of media, for MediaPackage.
    #[field(default = false)]
    pub by_media_quality: bool,
}

/// Prefix of an access identity in configurations.
const IDENTITY_PREFIX: &str = "origin-access-identity/cloudfront/";

impl Origin {
    /// The origin in CloudFront's format. `current` has settings that acme does not manage.
    pub(super) fn to_sdk(&self, id: &str, current: Option<&sdk::Origin>) -> Result<sdk::Origin> {
        let mut origin = match current {
            Some(origin) => origin.clone(),
            None => sdk::Origin::builder().id(id).domain_name(&self.domain).build()?,
        };
        let header = |(name, value): (&String, &String)| sdk::OriginCustomHeader::builder().header_name(name).header_value(value).build();
        let headers = self.headers.iter().map(header).collect::<std::result::Result<Vec<_>, _>>()?;
        let count = quantity(headers.len());
        let headers = (!headers.is_empty()).then_some(headers);
        origin.domain_name.clone_from(&self.domain);
        origin.origin_path = Some(self.path.clone());
        origin.custom_headers = Some(sdk::CustomHeaders::builder().quantity(count).set_items(headers).build()?);
        origin.connection_attempts = Some(self.connection_attempts.into());
        origin.connection_timeout = Some(self.connection_timeout_seconds.into());
        origin.response_completion_timeout = Some(i32::from(self.response_timeout_seconds)).filter(|seconds| *seconds > 0);
        let shield = sdk::OriginShield::builder().enabled(!self.shield_region.is_empty());
        let region = Some(self.shield_region.clone()).filter(|region| !region.is_empty());
        origin.origin_shield = Some(shield.set_origin_shield_region(region).build()?);
        let (control, identity) = match &self.access {
            OriginAccess::None => (String::new(), String::new()),
            OriginAccess::Control(control) => (control.get().to_owned(), String::new()),
            OriginAccess::Identity(identity) => (String::new(), format!("{IDENTITY_PREFIX}{identity}")),
        };
        origin.origin_access_control_id = Some(control);
        let read_timeout = i32::from(self.read_timeout_seconds);
        let (s3, custom, vpc) = match &self.kind {
            OriginType::S3 => {
                let s3 = sdk::S3OriginConfig::builder().origin_access_identity(identity);
                (Some(s3.origin_read_timeout(read_timeout).build()), None, None)
            }
            OriginType::Custom(custom) => (None, Some(custom.to_sdk(read_timeout, origin.custom_origin_config.take())?), None),
            OriginType::Vpc(vpc) => {
                let config = sdk::VpcOriginConfig::builder().vpc_origin_id(&vpc.id).origin_read_timeout(read_timeout);
                let account = Some(vpc.account.clone()).filter(|account| !account.is_empty());
                let config = config.set_owner_account_id(account).origin_keepalive_timeout(vpc.keepalive_seconds.into());
                (None, None, Some(config.build()?))
            }
        };
        (origin.s3_origin_config, origin.custom_origin_config, origin.vpc_origin_config) = (s3, custom, vpc);
        Ok(origin)
    }

    pub(super) fn read(origin: sdk::Origin) -> Result<Origin> {
        let seconds = |seconds: Option<i32>, default: u8| seconds.and_then(|seconds| u8::try_from(seconds).ok()).unwrap_or(default);
        let (mut read_timeout, mut identity) = (None, String::new());
        let kind = match (origin.s3_origin_config, origin.custom_origin_config, origin.vpc_origin_config) {
            (_, Some(custom), _) => {
                read_timeout = custom.origin_read_timeout;
                OriginType::Custom(CustomOrigin::read(custom)?)
            }
            (_, _, Some(vpc)) => {
                read_timeout = vpc.origin_read_timeout;
                OriginType::Vpc(VpcOrigin {
                    id: vpc.vpc_origin_id,
                    account: vpc.owner_account_id.unwrap_or_default(),
                    keepalive_seconds: seconds(vpc.origin_keepalive_timeout, KEEPALIVE),
                })
            }
            (s3, None, None) => {
                if let Some(s3) = s3 {
                    read_timeout = s3.origin_read_timeout;
                    identity = s3.origin_access_identity.trim_start_matches(IDENTITY_PREFIX).to_owned();
                }
                OriginType::S3
            }
        };
        let access = match origin.origin_access_control_id.filter(|id| !id.is_empty()) {
            Some(control) => OriginAccess::Control(Ref::to(control)),
            None if identity.is_empty() => OriginAccess::None,
            None => OriginAccess::Identity(identity),
        };
        let headers = origin.custom_headers.and_then(|headers| headers.items).unwrap_or_default();
        Ok(Origin {
            domain: origin.domain_name,
            path: origin.origin_path.unwrap_or_default(),
            kind,
            access,
            headers: headers.into_iter().map(|header| (header.header_name, header.header_value)).collect(),
            connection_attempts: seconds(origin.connection_attempts, ATTEMPTS),
            connection_timeout_seconds: seconds(origin.connection_timeout, CONNECTION_TIMEOUT),
            read_timeout_seconds: seconds(read_timeout, READ_TIMEOUT),
            response_timeout_seconds: origin.response_completion_timeout.and_then(|seconds| u16::try_from(seconds).ok()).unwrap_or(0),
            shield_region: origin.origin_shield.and_then(|shield| shield.origin_shield_region).unwrap_or_default(),
        })
    }
}

impl CustomOrigin {
    fn to_sdk(&self, read_timeout: i32, current: Option<sdk::CustomOriginConfig>) -> Result<sdk::CustomOriginConfig> {
        let protocol = sdk::OriginProtocolPolicy::from(to_aws(&self.protocol).as_str());
        let mut config = match current {
            Some(config) => config,
            None => {
                let ports = sdk::CustomOriginConfig::builder().http_port(80).https_port(443);
                ports.origin_protocol_policy(protocol.clone()).build()?
            }
        };
        let tls = self.tls.iter().map(|version| sdk::SslProtocol::from(version.as_str())).collect();
        let tls = sdk::OriginSslProtocols::builder().quantity(quantity(self.tls.len())).set_items(Some(tls)).build()?;
        (config.http_port, config.https_port) = (self.http_port.into(), self.https_port.into());
        config.origin_protocol_policy = protocol;
        config.origin_ssl_protocols = Some(tls);
        config.origin_read_timeout = Some(read_timeout);
        config.origin_keepalive_timeout = Some(self.keepalive_seconds.into());
        config.ip_address_type = Some(sdk::IpAddressType::from(to_aws(&self.ip).as_str()));
        config.origin_mtls_config = match self.client_certificate.is_empty() {
            true => None,
            false => Some(sdk::OriginMtlsConfig::builder().client_certificate_arn(&self.client_certificate).build()?),
        };
        Ok(config)
    }

    fn read(config: sdk::CustomOriginConfig) -> Result<CustomOrigin> {
        let tls = config.origin_ssl_protocols.map(|protocols| protocols.items).unwrap_or_default();
        Ok(CustomOrigin {
            protocol: from_aws(config.origin_protocol_policy.as_str())?,
            http_port: u16::try_from(config.http_port).unwrap_or(80),
            https_port: u16::try_from(config.https_port).unwrap_or(443),
            tls: tls.iter().map(|version| version.as_str().to_owned()).collect(),
            keepalive_seconds: config.origin_keepalive_timeout.and_then(|seconds| u8::try_from(seconds).ok()).unwrap_or(KEEPALIVE),
            ip: config.ip_address_type.map(|ip| from_aws(ip.as_str())).transpose()?.unwrap_or_default(),
            client_certificate: config.origin_mtls_config.map(|mtls| mtls.client_certificate_arn).unwrap_or_default(),
        })
    }
}

impl OriginGroup {
    pub(super) fn to_sdk(&self, id: &str) -> Result<sdk::OriginGroup> {
        let codes: Vec<i32> = self.status_codes.iter().map(|code| i32::from(*code)).collect();
        let codes = sdk::StatusCodes::builder().quantity(quantity(codes.len())).set_items(Some(codes)).build()?;
        let member = |id: &String| sdk::OriginGroupMember::builder().origin_id(id).build();
        let members = vec![member(&self.primary)?, member(&self.secondary)?];
        let members = sdk::OriginGroupMembers::builder().quantity(2).set_items(Some(members)).build()?;
        let criteria = sdk::OriginGroupFailoverCriteria::builder().status_codes(codes).build();
        let group = sdk::OriginGroup::builder().id(id).failover_criteria(criteria).members(members);
        let selection = self.by_media_quality.then_some(sdk::OriginGroupSelectionCriteria::MediaQualityBased);
        Ok(group.set_selection_criteria(selection).build()?)
    }

    pub(super) fn read(group: sdk::OriginGroup) -> OriginGroup {
        let mut members = group.members.map(|members| members.items).unwrap_or_default().into_iter().map(|member| member.origin_id);
        let codes = group.failover_criteria.and_then(|criteria| criteria.status_codes).map(|codes| codes.items).unwrap_or_default();
        OriginGroup {
            primary: members.next().unwrap_or_default(),
            secondary: members.next().unwrap_or_default(),
            status_codes: codes.into_iter().filter_map(|code| u16::try_from(code).ok()).collect(),
            by_media_quality: group.selection_criteria == Some(sdk::OriginGroupSelectionCriteria::MediaQualityBased),
        }
    }
}
