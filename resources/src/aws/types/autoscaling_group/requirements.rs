//! Properties of instance types, in the shape of Auto Scaling.

use aws_sdk_autoscaling::types as sdk;

use super::super::launch_template::{DecimalRange, InstanceRequirements, Range, RangeFrom};

/// A range as one of the SDK's types.
macro_rules! to_range {
    ($range:expr, $sdk:ident) => {
        $range.map(|range| sdk::$sdk::builder().set_min(range.min).set_max(range.max).build())
    };
}
macro_rules! from_range {
    ($range:expr, $spec:ident) => {
        $range.map(|range| $spec { min: range.min, max: range.max })
    };
}
/// A set of texts as a list of one of the SDK's enums.
macro_rules! to_list {
    ($set:expr) => {
        Some($set.iter().map(|text| text.as_str().into()).collect::<Vec<_>>()).filter(|list| !list.is_empty())
    };
}
macro_rules! from_list {
    ($list:expr) => {
        $list.into_iter().flatten().map(|value| value.as_str().to_owned()).collect()
    };
}
/// The text of one of the SDK's enums.
macro_rules! text {
    ($value:expr) => {
        $value.map(|value| value.as_str().to_owned())
    };
}

pub(super) fn to_sdk(ours: &InstanceRequirements) -> sdk::InstanceRequirements {
    let names = |set: &std::collections::BTreeSet<String>| Some(set.iter().cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty());
    sdk::InstanceRequirements::builder()
        .v_cpu_count(sdk::VCpuCountRequest::builder().min(ours.vcpus.min).set_max(ours.vcpus.max).build())
        .memory_mib(sdk::MemoryMiBRequest::builder().min(ours.memory_mib.min).set_max(ours.memory_mib.max).build())
        .set_memory_gib_per_v_cpu(to_range!(ours.memory_gib_per_vcpu, MemoryGiBPerVCpuRequest))
        .set_cpu_manufacturers(to_list!(ours.cpu_manufacturers))
        .set_allowed_instance_types(names(&ours.allowed_instance_types))
        .set_excluded_instance_types(names(&ours.excluded_instance_types))
        .set_instance_generations(to_list!(ours.instance_generations))
        .set_bare_metal(ours.bare_metal.as_deref().map(Into::into))
        .set_burstable_performance(ours.burstable.as_deref().map(Into::into))
        .set_require_hibernate_support(ours.require_hibernation)
        .set_local_storage(ours.local_storage.as_deref().map(Into::into))
        .set_local_storage_types(to_list!(ours.local_storage_types))
        .set_total_local_storage_gb(to_range!(ours.local_storage_gb, TotalLocalStorageGbRequest))
        .set_network_interface_count(to_range!(ours.network_interfaces, NetworkInterfaceCountRequest))
        .set_network_bandwidth_gbps(to_range!(ours.network_gbps, NetworkBandwidthGbpsRequest))
        .set_baseline_ebs_bandwidth_mbps(to_range!(ours.ebs_mbps, BaselineEbsBandwidthMbpsRequest))
        .set_accelerator_count(to_range!(ours.accelerators, AcceleratorCountRequest))
        .set_accelerator_types(to_list!(ours.accelerator_types))
        .set_accelerator_manufacturers(to_list!(ours.accelerator_manufacturers))
        .set_accelerator_names(to_list!(ours.accelerator_names))
        .set_accelerator_total_memory_mib(to_range!(ours.accelerator_memory_mib, AcceleratorTotalMemoryMiBRequest))
        .set_on_demand_max_price_percentage_over_lowest_price(ours.on_demand_max_price_percentage)
        .set_spot_max_price_percentage_over_lowest_price(ours.spot_max_price_percentage)
        .set_max_spot_price_as_percentage_of_optimal_on_demand_price(ours.spot_max_price_percentage_of_on_demand)
        .build()
}

pub(super) fn from_sdk(theirs: sdk::InstanceRequirements) -> InstanceRequirements {
    let from = |min: Option<i32>, max| RangeFrom { min: min.unwrap_or_default(), max };
    InstanceRequirements {
        vcpus: theirs.v_cpu_count.map_or_else(|| from(None, None), |range| from(range.min, range.max)),
        memory_mib: theirs.memory_mib.map_or_else(|| from(None, None), |range| from(range.min, range.max)),
        memory_gib_per_vcpu: from_range!(theirs.memory_gib_per_v_cpu, DecimalRange),
        cpu_manufacturers: from_list!(theirs.cpu_manufacturers),
        allowed_instance_types: theirs.allowed_instance_types.into_iter().flatten().collect(),
        excluded_instance_types: theirs.excluded_instance_types.into_iter().flatten().collect(),
        instance_generations: from_list!(theirs.instance_generations),
        bare_metal: text!(theirs.bare_metal),
        burstable: text!(theirs.burstable_performance),
        require_hibernation: theirs.require_hibernate_support,
        require_encryption_in_transit: None,
        local_storage: text!(theirs.local_storage),
        local_storage_types: from_list!(theirs.local_storage_types),
        local_storage_gb: from_range!(theirs.total_local_storage_gb, DecimalRange),
        network_interfaces: from_range!(theirs.network_interface_count, Range),
        network_gbps: from_range!(theirs.network_bandwidth_gbps, DecimalRange),
        ebs_mbps: from_range!(theirs.baseline_ebs_bandwidth_mbps, Range),
        accelerators: from_range!(theirs.accelerator_count, Range),
        accelerator_types: from_list!(theirs.accelerator_types),
        accelerator_manufacturers: from_list!(theirs.accelerator_manufacturers),
        accelerator_names: from_list!(theirs.accelerator_names),
        accelerator_memory_mib: from_range!(theirs.accelerator_total_memory_mib, Range),
        on_demand_max_price_percentage: theirs.on_demand_max_price_percentage_over_lowest_price,
        spot_max_price_percentage: theirs.spot_max_price_percentage_over_lowest_price,
        spot_max_price_percentage_of_on_demand: theirs.max_spot_price_as_percentage_of_optimal_on_demand_price,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let spec = json!({
            "vcpus": { "min": 2, "max": 8 }, "memory_mib": { "min": 4096 }, "cpu_manufacturers": ["amd", "intel"], "burstable": "included",
            "excluded_instance_types": ["t2.*"], "accelerators": { "max": 0 }, "local_storage_gb": { "min": 50.5 },
            "spot_max_price_percentage": 50
        });
        let ours: InstanceRequirements = serde_json::from_value(spec).expect("requirements");
        assert_eq!(serde_json::to_value(from_sdk(to_sdk(&ours))).ok(), serde_json::to_value(&ours).ok());
    }
}
