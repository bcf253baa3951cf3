//! Options of the instances of a launch template.

use acme_macros::spec;
use aws_sdk_ec2::types::{
    CapacityReservationTarget, LaunchTemplateCapacityReservationSpecificationRequest,
    LaunchTemplateCapacityReservationSpecificationResponse, LaunchTemplateCpuOptions, LaunchTemplateCpuOptionsRequest,
    LaunchTemplateInstanceMarketOptions, LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataOptions,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplatePlacement, LaunchTemplatePlacementRequest,
    LaunchTemplatePrivateDnsNameOptions, LaunchTemplatePrivateDnsNameOptionsRequest, LaunchTemplateSpotMarketOptionsRequest, MarketType,
};
use aws_smithy_types::date_time::{DateTime, Format};

use super::data::text;

/// Access to the instance metadata service, which also has the credentials of the instance's role.
#[spec]
pub struct Metadata {
    /// Tokens of IMDSv2 in requests: `required`, or `optional` with the older IMDSv1.
    #[field(unset = "the image's and the account's defaults", one_of = ["required", "optional"], dropped = None)]
    #[field(risky("optional", "a server-side request forgery can read the credentials of the role"))]
    pub http_tokens: Option<String>,
    /// Most network hops of an answer: 2 for containers without the host's network.
    #[field(unset = "the image's and the account's defaults", range = 1..=64, dropped = None)]
    pub hop_limit: Option<i32>,
    /// Offers the service.
    #[field(unset = "AWS's default, true", dropped = None)]
    pub enabled: Option<bool>,
    /// Offers it over IPv6, too.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub ipv6: Option<bool>,
    /// Shows the tags of the instance.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub instance_tags: Option<bool>,
}

fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

impl Metadata {
    pub(super) fn to_sdk(&self) -> LaunchTemplateInstanceMetadataOptionsRequest {
        LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .set_http_tokens(self.http_tokens.as_deref().map(Into::into))
            .set_http_put_response_hop_limit(self.hop_limit)
            .set_http_endpoint(self.enabled.map(|on| switch(on).into()))
            .set_http_protocol_ipv6(self.ipv6.map(|on| switch(on).into()))
            .set_instance_metadata_tags(self.instance_tags.map(|on| switch(on).into()))
            .build()
    }
    pub(super) fn read(options: LaunchTemplateInstanceMetadataOptions) -> Metadata {
        Metadata {
            http_tokens: text!(options.http_tokens),
            hop_limit: options.http_put_response_hop_limit,
            enabled: options.http_endpoint.map(|state| state.as_str() == "enabled"),
            ipv6: options.http_protocol_ipv6.map(|state| state.as_str() == "enabled"),
            instance_tags: options.instance_metadata_tags.map(|state| state.as_str() == "enabled"),
        }
    }
}

/// Hosts and zone of instances.
#[spec]
pub struct Placement {
    /// Availability zone.
    #[field(unset = "the subnet's", dropped = None)]
    pub availability_zone: Option<String>,
    /// Name of the placement group.
    #[field(unset = "none", dropped = None)]
    pub group: Option<String>,
    /// Partition of the placement group.
    #[field(unset = "chosen by AWS", range = 1..=7, requires = group, dropped = None)]
    pub partition: Option<i32>,
    /// `default`, `dedicated` for hardware of your account alone, or `host` for a dedicated host.
    #[field(unset = "the VPC's", one_of = ["default", "dedicated", "host"], dropped = None)]
    pub tenancy: Option<String>,
    /// Id of the dedicated host.
    #[field(unset = "any", dropped = None)]
    pub host: Option<String>,
    /// ARN of the resource group of dedicated hosts.
    #[field(unset = "none", conflicts_with = host, dropped = None)]
    pub host_resource_group: Option<String>,
    /// Whether a stopped instance starts on the same dedicated host: `default` or `host`.
    #[field(unset = "`default`", one_of = ["default", "host"], dropped = None)]
    pub affinity: Option<String>,
}

impl Placement {
    pub(super) fn to_sdk(&self) -> LaunchTemplatePlacementRequest {
        LaunchTemplatePlacementRequest::builder()
            .set_availability_zone(self.availability_zone.clone())
            .set_group_name(self.group.clone())
            .set_partition_number(self.partition)
            .set_tenancy(self.tenancy.as_deref().map(Into::into))
            .set_host_id(self.host.clone())
            .set_host_resource_group_arn(self.host_resource_group.clone())
            .set_affinity(self.affinity.clone())
            .build()
    }
    pub(super) fn read(placement: LaunchTemplatePlacement) -> Placement {
        Placement {
            availability_zone: placement.availability_zone,
            group: placement.group_name,
            partition: placement.partition_number,
            tenancy: text!(placement.tenancy),
            host: placement.host_id,
            host_resource_group: placement.host_resource_group_arn,
            affinity: placement.affinity,
        }
    }
}

/// Spot instances.
#[spec]
pub struct Spot {
    /// Highest price per hour, in US dollars.
    #[field(unset = "the on-demand price", pattern = r"[0-9]+(\.[0-9]+)?", dropped = None)]
    pub max_price: Option<String>,
    /// `one-time`, or `persistent` to start another instance after an interruption.
    #[field(unset = "`one-time`", one_of = ["one-time", "persistent"], dropped = None)]
    pub request_type: Option<String>,
    /// What AWS does with the instance: `terminate`, `stop` or `hibernate`.
    #[field(unset = "`terminate`", one_of = ["terminate", "stop", "hibernate"], dropped = None)]
    pub interruption_behavior: Option<String>,
    /// End of a persistent request, such as `2027-01-31T00:00:00Z`.
    #[field(unset = "none", pattern = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", dropped = None)]
    pub valid_until: Option<String>,
}

impl Spot {
    pub(super) fn to_sdk(&self) -> LaunchTemplateInstanceMarketOptionsRequest {
        let options = LaunchTemplateSpotMarketOptionsRequest::builder()
            .set_max_price(self.max_price.clone())
            .set_spot_instance_type(self.request_type.as_deref().map(Into::into))
            .set_instance_interruption_behavior(self.interruption_behavior.as_deref().map(Into::into))
            .set_valid_until(self.valid_until.as_deref().and_then(|text| DateTime::from_str(text, Format::DateTime).ok()))
            .build();
        LaunchTemplateInstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(options).build()
    }
    pub(super) fn read(options: LaunchTemplateInstanceMarketOptions) -> Spot {
        let options = options.spot_options;
        let options = options.as_ref();
        Spot {
            max_price: options.and_then(|options| options.max_price.clone()),
            request_type: text!(options.and_then(|options| options.spot_instance_type.as_ref())),
            interruption_behavior: text!(options.and_then(|options| options.instance_interruption_behavior.as_ref())),
            valid_until: options.and_then(|options| options.valid_until?.fmt(Format::DateTime).ok()),
        }
    }
}

/// Cores and threads.
#[spec]
pub struct Cpu {
    /// Number of cores.
    #[field(unset = "all of the instance type", range = 1..=1024, dropped = None)]
    pub cores: Option<i32>,
    /// Threads of a core: 1 disables hyper-threading.
    #[field(unset = "the instance type's", range = 1..=2, dropped = None)]
    pub threads_per_core: Option<i32>,
    /// Encrypts the memory with AMD SEV-SNP.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub amd_sev_snp: Option<bool>,
    /// Virtual machines on the instance.
    #[field(unset = "AWS's default, false", dropped = None)]
    pub nested_virtualization: Option<bool>,
}

impl Cpu {
    pub(super) fn to_sdk(&self) -> LaunchTemplateCpuOptionsRequest {
        LaunchTemplateCpuOptionsRequest::builder()
            .set_core_count(self.cores)
            .set_threads_per_core(self.threads_per_core)
            .set_amd_sev_snp(self.amd_sev_snp.map(|on| switch(on).into()))
            .set_nested_virtualization(self.nested_virtualization.map(|on| switch(on).into()))
            .build()
    }
    pub(super) fn read(options: LaunchTemplateCpuOptions) -> Cpu {
        Cpu {
            cores: options.core_count,
            threads_per_core: options.threads_per_core,
            amd_sev_snp: options.amd_sev_snp.map(|state| state.as_str() == "enabled"),
            nested_virtualization: options.nested_virtualization.map(|state| state.as_str() == "enabled"),
        }
    }
}

/// Use of capacity reservations.
#[spec]
pub struct CapacityReservation {
    /// `open` for any that fits, `none`, or `capacity-reservations-only`.
    #[field(unset = "`open`", one_of = ["open", "none", "capacity-reservations-only"], dropped = None)]
    pub preference: Option<String>,
    /// Id of the reservation.
    #[field(unset = "any", dropped = None)]
    pub id: Option<String>,
    /// ARN of the resource group of reservations.
    #[field(unset = "none", conflicts_with = id, dropped = None)]
    pub resource_group: Option<String>,
}

impl CapacityReservation {
    pub(super) fn to_sdk(&self) -> LaunchTemplateCapacityReservationSpecificationRequest {
        let target = CapacityReservationTarget::builder()
            .set_capacity_reservation_id(self.id.clone())
            .set_capacity_reservation_resource_group_arn(self.resource_group.clone());
        let has_target = self.id.is_some() || self.resource_group.is_some();
        LaunchTemplateCapacityReservationSpecificationRequest::builder()
            .set_capacity_reservation_preference(self.preference.as_deref().map(Into::into))
            .set_capacity_reservation_target(has_target.then(|| target.build()))
            .build()
    }
    pub(super) fn read(specification: LaunchTemplateCapacityReservationSpecificationResponse) -> CapacityReservation {
        let target = specification.capacity_reservation_target;
        let target = target.as_ref();
        CapacityReservation {
            preference: text!(specification.capacity_reservation_preference),
            id: target.and_then(|target| target.capacity_reservation_id.clone()),
            resource_group: target.and_then(|target| target.capacity_reservation_resource_group_arn.clone()),
        }
    }
}

/// Host names of instances.
#[spec]
pub struct PrivateDns {
    /// `ip-name` from the IPv4 address, or `resource-name` from the id.
    #[field(unset = "the subnet's", one_of = ["ip-name", "resource-name"], dropped = None)]
    pub hostname_type: Option<String>,
    /// Resolves the host name from the id to the IPv4 address.
    #[field(unset = "the subnet's", dropped = None)]
    pub resource_name_a_record: Option<bool>,
    /// Resolves the host name from the id to the IPv6 address.
    #[field(unset = "the subnet's", dropped = None)]
    pub resource_name_aaaa_record: Option<bool>,
}

impl PrivateDns {
    pub(super) fn to_sdk(&self) -> LaunchTemplatePrivateDnsNameOptionsRequest {
        LaunchTemplatePrivateDnsNameOptionsRequest::builder()
            .set_hostname_type(self.hostname_type.as_deref().map(Into::into))
            .set_enable_resource_name_dns_a_record(self.resource_name_a_record)
            .set_enable_resource_name_dns_aaaa_record(self.resource_name_aaaa_record)
            .build()
    }
    pub(super) fn read(options: LaunchTemplatePrivateDnsNameOptions) -> PrivateDns {
        PrivateDns {
            hostname_type: text!(options.hostname_type),
            resource_name_a_record: options.enable_resource_name_dns_a_record,
            resource_name_aaaa_record: options.enable_resource_name_dns_aaaa_record,
        }
    }
}
