//! Instances in Terraform.

use serde_json::{Map, Value, json};

use super::mapping::{ResourceContext, ToTerraform, id_or_arn};
use crate::{
    aws::types::launch_template::{
        DecimalRange, Disk, InstanceRequirements, LaunchTemplate, Metadata, NetworkInterface, Placement, Range, RangeFrom, Spot,
    },
    core::referenced_ids,
};

impl ToTerraform for LaunchTemplate {
    const TERRAFORM_TYPE: &'static str = "aws_launch_template";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let block = |setting: Option<Value>| setting.into_iter().collect::<Vec<_>>();
        let tags = self.resource_tags.iter().map(|(kind, tags)| json!({ "resource_type": kind, "tags": tags }));
        json!({
            "name": self.name,
            "description": self.version_description,
            "update_default_version": true,
            "image_id": self.image,
            "instance_type": self.instance_type,
            "instance_requirements": block(self.instance_requirements.as_ref().map(requirements)),
            "key_name": self.key_name,
            "user_data": self.user_data,
            "iam_instance_profile": block(id_or_arn(self.instance_profile.as_ref()).map(|arn| json!({ "arn": arn }))),
            "vpc_security_group_ids": referenced_ids(&self.security_groups),
            "network_interfaces": self.network_interfaces.iter().map(interface).collect::<Vec<_>>(),
            "block_device_mappings": self.disks.iter().map(|(device, disk)| mapping(device, disk)).collect::<Vec<_>>(),
            "ebs_optimized": self.ebs_optimized.map(|on| on.to_string()),
            "metadata_options": block(self.metadata.as_ref().map(metadata)),
            "monitoring": block(self.monitoring.map(|on| json!({ "enabled": on }))),
            "placement": block(self.placement.as_ref().map(placement)),
            "instance_market_options": block(self.spot.as_ref().map(market)),
            "cpu_options": block(self.cpu.as_ref().map(|cpu| json!({
                "core_count": cpu.cores,
                "threads_per_core": cpu.threads_per_core,
                "amd_sev_snp": cpu.amd_sev_snp.map(switch),
                "nested_virtualization": cpu.nested_virtualization.map(switch),
            }))),
            "credit_specification": block(self.cpu_credits.as_ref().map(|credits| json!({ "cpu_credits": credits }))),
            "capacity_reservation_specification": block(self.capacity_reservation.as_ref().map(|reservation| {
                let target = json!({
                    "capacity_reservation_id": reservation.id,
                    "capacity_reservation_resource_group_arn": reservation.resource_group,
                });
                let has_target = reservation.id.is_some() || reservation.resource_group.is_some();
                json!({
                    "capacity_reservation_preference": reservation.preference,
                    "capacity_reservation_target": block(has_target.then_some(target)),
                })
            })),
            "tag_specifications": tags.collect::<Vec<_>>(),
            "disable_api_termination": self.termination_protection,
            "disable_api_stop": self.stop_protection,
            "instance_initiated_shutdown_behavior": self.shutdown_behavior,
            "hibernation_options": block(self.hibernation.map(|on| json!({ "configured": on }))),
            "enclave_options": block(self.enclave.map(|on| json!({ "enabled": on }))),
            "maintenance_options": block(self.auto_recovery.as_ref().map(|recovery| json!({ "auto_recovery": recovery }))),
            "private_dns_name_options": block(self.private_dns.as_ref().map(|dns| json!({
                "hostname_type": dns.hostname_type,
                "enable_resource_name_dns_a_record": dns.resource_name_a_record,
                "enable_resource_name_dns_aaaa_record": dns.resource_name_aaaa_record,
            }))),
            "network_performance_options":
                block(self.bandwidth_weighting.as_ref().map(|weighting| json!({ "bandwidth_weighting": weighting }))),
            "license_specification":
                self.license_configurations.iter().map(|arn| json!({ "license_configuration_arn": arn })).collect::<Vec<_>>(),
        })
    }
}

fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

fn metadata(metadata: &Metadata) -> Value {
    json!({
        "http_tokens": metadata.http_tokens,
        "http_put_response_hop_limit": metadata.hop_limit,
        "http_endpoint": metadata.enabled.map(switch),
        "http_protocol_ipv6": metadata.ipv6.map(switch),
        "instance_metadata_tags": metadata.instance_tags.map(switch),
    })
}

fn placement(placement: &Placement) -> Value {
    json!({
        "availability_zone": placement.availability_zone,
        "group_name": placement.group,
        "partition_number": placement.partition,
        "tenancy": placement.tenancy,
        "host_id": placement.host,
        "host_resource_group_arn": placement.host_resource_group,
        "affinity": placement.affinity,
    })
}

fn market(spot: &Spot) -> Value {
    json!({
        "market_type": "spot",
        "spot_options": [{
            "max_price": spot.max_price,
            "spot_instance_type": spot.request_type,
            "instance_interruption_behavior": spot.interruption_behavior,
            "valid_until": spot.valid_until,
        }],
    })
}

/// Terraform has texts in place of optional booleans here.
fn text(on: Option<bool>) -> Option<String> {
    on.map(|on| on.to_string())
}

fn interface(interface: &NetworkInterface) -> Value {
    json!({
        "device_index": interface.device_index,
        "network_card_index": interface.network_card_index,
        "network_interface_id": interface.interface_id,
        "subnet_id": id_or_arn(interface.subnet.as_ref()),
        "security_groups": referenced_ids(&interface.security_groups),
        "description": interface.description,
        "interface_type": interface.r#type,
        "associate_public_ip_address": text(interface.public_ip),
        "associate_carrier_ip_address": text(interface.carrier_ip),
        "delete_on_termination": text(interface.delete_on_termination),
        "private_ip_address": interface.private_ip,
        "ipv4_address_count": interface.secondary_private_ips,
        "ipv4_prefix_count": interface.ipv4_prefixes,
        "ipv6_address_count": interface.ipv6_addresses,
        "ipv6_prefix_count": interface.ipv6_prefixes,
        "primary_ipv6": text(interface.primary_ipv6),
    })
}

fn mapping(device: &str, disk: &Disk) -> Value {
    let volume = json!({
        "volume_size": disk.gib,
        "volume_type": disk.r#type,
        "iops": disk.iops,
        "throughput": disk.throughput_mib,
        "encrypted": text(disk.encrypted),
        "kms_key_id": id_or_arn(disk.kms_key.as_ref()),
        "snapshot_id": disk.snapshot,
        "delete_on_termination": text(disk.delete_on_termination),
        "volume_initialization_rate": disk.initialization_rate_mib,
    });
    let has_volume = !disk.none && disk.instance_store.is_none();
    json!({
        "device_name": device,
        "ebs": has_volume.then_some(volume).into_iter().collect::<Vec<_>>(),
        "virtual_name": disk.instance_store,
        "no_device": disk.none.then_some(""),
    })
}

pub(super) fn requirements(wanted: &InstanceRequirements) -> Value {
    let from = |range: &RangeFrom| json!([{ "min": range.min, "max": range.max }]);
    let whole = |limits: &Option<Range>| limits.as_ref().map(|range| json!([{ "min": range.min, "max": range.max }]));
    let decimal = |limits: &Option<DecimalRange>| limits.as_ref().map(|range| json!([{ "min": range.min, "max": range.max }]));
    let mut block = json!({
        "vcpu_count": from(&wanted.vcpus),
        "memory_mib": from(&wanted.memory_mib),
        "memory_gib_per_vcpu": decimal(&wanted.memory_gib_per_vcpu),
        "cpu_manufacturers": wanted.cpu_manufacturers,
        "allowed_instance_types": wanted.allowed_instance_types,
        "excluded_instance_types": wanted.excluded_instance_types,
        "instance_generations": wanted.instance_generations,
        "bare_metal": wanted.bare_metal,
        "burstable_performance": wanted.burstable,
        "require_hibernate_support": wanted.require_hibernation,
        "local_storage": wanted.local_storage,
        "local_storage_types": wanted.local_storage_types,
        "total_local_storage_gb": decimal(&wanted.local_storage_gb),
        "network_interface_count": whole(&wanted.network_interfaces),
        "network_bandwidth_gbps": decimal(&wanted.network_gbps),
        "baseline_ebs_bandwidth_mbps": whole(&wanted.ebs_mbps),
        "accelerator_count": whole(&wanted.accelerators),
        "accelerator_types": wanted.accelerator_types,
        "accelerator_manufacturers": wanted.accelerator_manufacturers,
        "accelerator_names": wanted.accelerator_names,
        "accelerator_total_memory_mib": whole(&wanted.accelerator_memory_mib),
        "on_demand_max_price_percentage_over_lowest_price": wanted.on_demand_max_price_percentage,
        "spot_max_price_percentage_over_lowest_price": wanted.spot_max_price_percentage,
        "max_spot_price_as_percentage_of_optimal_on_demand_price": wanted.spot_max_price_percentage_of_on_demand,
    });
    // A block that is not there is no block.
    if let Some(fields) = block.as_object_mut() {
        *fields = std::mem::take(fields).into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>();
    }
    block
}
