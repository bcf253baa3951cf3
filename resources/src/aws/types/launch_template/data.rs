//! Settings of a template as EC2's data.

use aws_sdk_ec2::types::{
    CreditSpecificationRequest, LaunchTemplateEnclaveOptionsRequest, LaunchTemplateHibernationOptionsRequest,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMaintenanceOptionsRequest,
    LaunchTemplateLicenseConfigurationRequest, LaunchTemplateNetworkPerformanceOptionsRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData,
};
use aws_smithy_types::base64;

use super::{
    CapacityReservation, Cpu, Disk, InstanceRequirements, LaunchTemplate, Metadata, NetworkInterface, Placement, PrivateDns, Spot,
};
use crate::{
    aws::services::ec2::{from_tags, to_tags},
    core::{Ref, referenced_ids},
};

/// Types of resources that start with an instance and can have tags.
pub(super) const TAGGED: [&str; 4] = ["instance", "network-interface", "spot-instances-request", "volume"];

/// A list, or `None` if it is empty.
pub(super) fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// The text of one of the SDK's enums.
macro_rules! text {
    ($value:expr) => {
        $value.map(|value| value.as_str().to_owned())
    };
}
pub(super) use text;

impl LaunchTemplate {
    pub(super) fn to_data(&self) -> RequestLaunchTemplateData {
        let profile = self
            .instance_profile
            .as_ref()
            .map(|profile| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().arn(profile.get()).build());
        let tags = self.resource_tags.iter().map(|(kind, tags)| {
            let kind = ResourceType::from(kind.as_str());
            LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(Some(to_tags(tags))).build()
        });
        let licenses = self.license_configurations.iter();
        let licenses = licenses.map(|arn| LaunchTemplateLicenseConfigurationRequest::builder().license_configuration_arn(arn).build());
        let weighting = self
            .bandwidth_weighting
            .as_deref()
            .map(|weighting| LaunchTemplateNetworkPerformanceOptionsRequest::builder().bandwidth_weighting(weighting.into()).build());
        RequestLaunchTemplateData::builder()
            .set_image_id(self.image.clone())
            .set_instance_type(self.instance_type.as_deref().map(Into::into))
            .set_instance_requirements(self.instance_requirements.as_ref().map(InstanceRequirements::to_sdk))
            .set_key_name(self.key_name.clone())
            .set_user_data(self.user_data.as_ref().map(base64::encode))
            .set_iam_instance_profile(profile)
            .set_security_group_ids(some_list(referenced_ids(&self.security_groups)))
            .set_network_interfaces(some_list(self.network_interfaces.iter().map(NetworkInterface::to_sdk).collect()))
            .set_block_device_mappings(some_list(self.disks.iter().map(|(device, disk)| disk.to_sdk(device)).collect()))
            .set_ebs_optimized(self.ebs_optimized)
            .set_metadata_options(self.metadata.as_ref().map(Metadata::to_sdk))
            .set_monitoring(self.monitoring.map(|on| LaunchTemplatesMonitoringRequest::builder().enabled(on).build()))
            .set_placement(self.placement.as_ref().map(Placement::to_sdk))
            .set_instance_market_options(self.spot.as_ref().map(Spot::to_sdk))
            .set_cpu_options(self.cpu.as_ref().map(Cpu::to_sdk))
            .set_credit_specification(
                self.cpu_credits.as_ref().map(|credits| CreditSpecificationRequest::builder().cpu_credits(credits).build()),
            )
            .set_capacity_reservation_specification(self.capacity_reservation.as_ref().map(CapacityReservation::to_sdk))
            .set_tag_specifications(some_list(tags.collect()))
            .set_disable_api_termination(self.termination_protection)
            .set_disable_api_stop(self.stop_protection)
            .set_instance_initiated_shutdown_behavior(self.shutdown_behavior.as_deref().map(Into::into))
            .set_hibernation_options(self.hibernation.map(|on| LaunchTemplateHibernationOptionsRequest::builder().configured(on).build()))
            .set_enclave_options(self.enclave.map(|on| LaunchTemplateEnclaveOptionsRequest::builder().enabled(on).build()))
            .set_maintenance_options(
                self.auto_recovery
                    .as_deref()
                    .map(|recovery| LaunchTemplateInstanceMaintenanceOptionsRequest::builder().auto_recovery(recovery.into()).build()),
            )
            .set_private_dns_name_options(self.private_dns.as_ref().map(PrivateDns::to_sdk))
            .set_network_performance_options(weighting)
            .set_license_specifications(some_list(licenses.collect()))
            .build()
    }

    /// Inverse of [`LaunchTemplate::to_data`].
    pub(super) fn from_data(data: ResponseLaunchTemplateData) -> LaunchTemplate {
        let profile = data.iam_instance_profile.and_then(|profile| profile.arn.or(profile.name));
        let tags = data.tag_specifications.into_iter().flatten().filter_map(|specification| {
            let kind = specification.resource_type.as_ref().map(|kind| kind.as_str().to_owned())?;
            TAGGED.contains(&kind.as_str()).then(|| (kind, from_tags(specification.tags())))
        });
        LaunchTemplate {
            name: None,
            version_description: String::new(),
            image: data.image_id,
            instance_type: text!(data.instance_type),
            instance_requirements: data.instance_requirements.map(InstanceRequirements::read),
            key_name: data.key_name,
            user_data: data.user_data.map(decoded),
            instance_profile: profile.map(Ref::to),
            security_groups: data.security_group_ids.into_iter().flatten().map(Ref::to).collect(),
            network_interfaces: data.network_interfaces.into_iter().flatten().map(NetworkInterface::read).collect(),
            disks: data.block_device_mappings.into_iter().flatten().filter_map(Disk::read).collect(),
            ebs_optimized: data.ebs_optimized,
            metadata: data.metadata_options.map(Metadata::read),
            monitoring: data.monitoring.and_then(|monitoring| monitoring.enabled),
            placement: data.placement.map(Placement::read),
            spot: data.instance_market_options.map(Spot::read),
            cpu: data.cpu_options.map(Cpu::read),
            cpu_credits: data.credit_specification.and_then(|credits| credits.cpu_credits),
            capacity_reservation: data.capacity_reservation_specification.map(CapacityReservation::read),
            resource_tags: tags.collect(),
            termination_protection: data.disable_api_termination,
            stop_protection: data.disable_api_stop,
            shutdown_behavior: text!(data.instance_initiated_shutdown_behavior),
            hibernation: data.hibernation_options.and_then(|options| options.configured),
            enclave: data.enclave_options.and_then(|options| options.enabled),
            auto_recovery: data.maintenance_options.and_then(|options| text!(options.auto_recovery)),
            private_dns: data.private_dns_name_options.map(PrivateDns::read),
            bandwidth_weighting: data.network_performance_options.and_then(|options| text!(options.bandwidth_weighting)),
            license_configurations: data
                .license_specifications
                .into_iter()
                .flatten()
                .filter_map(|license| license.license_configuration_arn)
                .collect(),
        }
    }
}

/// User data as text; compressed data stays as AWS encodes it.
fn decoded(encoded: String) -> String {
    let bytes = base64::decode(&encoded).unwrap_or_default();
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty()).unwrap_or(encoded)
}

/// EC2's names of settings that the spec can't express.
pub(super) fn unmanaged(data: &ResponseLaunchTemplateData) -> Vec<&'static str> {
    let interfaces = || data.network_interfaces();
    let all = [
        ("KernelId", data.kernel_id.is_some()),
        ("RamDiskId", data.ram_disk_id.is_some()),
        ("SecurityGroups", !data.security_groups().is_empty()),
        ("ElasticGpuSpecifications", !data.elastic_gpu_specifications().is_empty()),
        ("ElasticInferenceAccelerators", !data.elastic_inference_accelerators().is_empty()),
        ("SecondaryInterfaces", !data.secondary_interfaces().is_empty()),
        ("NetworkInterfaces.PrivateIpAddresses", interfaces().iter().any(|one| !one.private_ip_addresses().is_empty())),
        ("NetworkInterfaces.Ipv6Addresses", interfaces().iter().any(|one| !one.ipv6_addresses().is_empty())),
        ("NetworkInterfaces.Ipv4Prefixes", interfaces().iter().any(|one| !one.ipv4_prefixes().is_empty())),
        ("NetworkInterfaces.Ipv6Prefixes", interfaces().iter().any(|one| !one.ipv6_prefixes().is_empty())),
        ("NetworkInterfaces.EnaSrdSpecification", interfaces().iter().any(|one| one.ena_srd_specification.is_some())),
        (
            "NetworkInterfaces.ConnectionTrackingSpecification",
            interfaces().iter().any(|one| one.connection_tracking_specification.is_some()),
        ),
        ("NetworkInterfaces.EnaQueueCount", interfaces().iter().any(|one| one.ena_queue_count.is_some())),
        (
            "InstanceRequirements.BaselinePerformanceFactors",
            data.instance_requirements().is_some_and(|one| one.baseline_performance_factors.is_some()),
        ),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}
