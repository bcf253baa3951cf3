//! Properties of instance types.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_ec2::types as ec2;

use super::{
    LaunchTemplate,
    data::{some_list, text},
};
use crate::core::Problem;

/// Properties of the instance types among which AWS chooses.
#[spec]
pub struct InstanceRequirements {
    /// Number of virtual CPUs.
    pub vcpus: RangeFrom,
    /// Memory, in MiB.
    pub memory_mib: RangeFrom,
    /// Memory per virtual CPU, in GiB.
    #[field(unset = "any", dropped = None)]
    pub memory_gib_per_vcpu: Option<DecimalRange>,
    /// Makers of the CPU: `intel`, `amd`, `amazon-web-services` or `apple`.
    #[field(unset = "any", pattern = "intel|amd|amazon-web-services|apple")]
    pub cpu_manufacturers: BTreeSet<String>,
    /// Only these instance types, with `*`: `m5.*`.
    #[field(unset = "all", length = 0..=400)]
    pub allowed_instance_types: BTreeSet<String>,
    /// Not these instance types, with `*`.
    #[field(unset = "none", length = 0..=400)]
    pub excluded_instance_types: BTreeSet<String>,
    /// Generations: `current` and `previous`.
    #[field(unset = "any", pattern = "current|previous")]
    pub instance_generations: BTreeSet<String>,
    /// Bare metal types: `included`, `required` or `excluded`.
    #[field(unset = "`excluded`", one_of = ["included", "required", "excluded"], dropped = None)]
    pub bare_metal: Option<String>,
    /// Burstable types: `included`, `required` or `excluded`.
    #[field(unset = "`excluded`", one_of = ["included", "required", "excluded"], dropped = None)]
    pub burstable: Option<String>,
    /// Instance types that can hibernate.
    #[field(unset = "false", dropped = None)]
    pub require_hibernation: Option<bool>,
    /// Instance types that encrypt traffic between them.
    #[field(unset = "false", dropped = None)]
    pub require_encryption_in_transit: Option<bool>,
    /// Instance store volumes: `included`, `required` or `excluded`.
    #[field(unset = "`included`", one_of = ["included", "required", "excluded"], dropped = None)]
    pub local_storage: Option<String>,
    /// Kinds of instance store volumes: `hdd` and `ssd`.
    #[field(unset = "any", pattern = "hdd|ssd")]
    pub local_storage_types: BTreeSet<String>,
    /// Size of all instance store volumes, in GB.
    #[field(unset = "any", dropped = None)]
    pub local_storage_gb: Option<DecimalRange>,
    /// Number of network interfaces.
    #[field(unset = "any", dropped = None)]
    pub network_interfaces: Option<Range>,
    /// Bandwidth of the network, in Gbit/s.
    #[field(unset = "any", dropped = None)]
    pub network_gbps: Option<DecimalRange>,
    /// Bandwidth to EBS, in Mbit/s.
    #[field(unset = "any", dropped = None)]
    pub ebs_mbps: Option<Range>,
    /// Number of accelerators; a maximum of 0 excludes types with some.
    #[field(unset = "any", dropped = None)]
    pub accelerators: Option<Range>,
    /// Kinds of accelerators: `fpga`, `gpu`, `inference` and `media`.
    #[field(unset = "any", pattern = "fpga|gpu|inference|media")]
    pub accelerator_types: BTreeSet<String>,
    /// Makers of accelerators, such as `nvidia`.
    #[field(unset = "any", pattern = "amazon-web-services|amd|habana|nvidia|xilinx")]
    pub accelerator_manufacturers: BTreeSet<String>,
    /// Names of accelerators, such as `h100`.
    #[field(unset = "any", pattern = "[a-z0-9-]+")]
    pub accelerator_names: BTreeSet<String>,
    /// Memory of all accelerators, in MiB.
    #[field(unset = "any", dropped = None)]
    pub accelerator_memory_mib: Option<Range>,
    /// Price limit of on-demand instances: percentage above the cheapest current type that fits.
    #[field(unset = "20", range = 0..=999_999, dropped = None)]
    pub on_demand_max_price_percentage: Option<i32>,
    /// Price limit of spot instances: percentage above the cheapest current type that fits.
    #[field(unset = "100", range = 0..=999_999, dropped = None)]
    pub spot_max_price_percentage: Option<i32>,
    /// Price limit of spot instances: percentage of the on-demand price.
    #[field(unset = "none", range = 0..=999_999, conflicts_with = spot_max_price_percentage, dropped = None)]
    pub spot_max_price_percentage_of_on_demand: Option<i32>,
}

/// Limits, both inclusive, with a minimum.
#[spec]
#[derive(Copy)]
pub struct RangeFrom {
    /// Minimum, 0 for none.
    #[field(range = 0..=2_147_483_647)]
    pub min: i32,
    /// Maximum.
    #[field(unset = "none", range = 0..=2_147_483_647, dropped = None)]
    pub max: Option<i32>,
}

/// Limits, both inclusive.
#[spec]
#[derive(Copy)]
pub struct Range {
    /// Minimum.
    #[field(unset = "none", range = 0..=2_147_483_647, dropped = None)]
    pub min: Option<i32>,
    /// Maximum.
    #[field(unset = "none", range = 0..=2_147_483_647, dropped = None)]
    pub max: Option<i32>,
}

/// Limits with decimals, both inclusive.
#[spec]
#[derive(Copy)]
pub struct DecimalRange {
    /// Minimum.
    #[field(unset = "none", dropped = None)]
    pub min: Option<f64>,
    /// Maximum.
    #[field(unset = "none", dropped = None)]
    pub max: Option<f64>,
}

/// A range as one of the SDK's types.
macro_rules! optional_range {
    ($range:expr, $sdk:ident) => {
        $range.map(|range| ec2::$sdk::builder().set_min(range.min).set_max(range.max).build())
    };
}
macro_rules! read_range {
    ($range:expr, $spec:ident) => {
        $range.map(|range| $spec { min: range.min, max: range.max })
    };
}
/// A set of texts as a list of one of the SDK's enums.
macro_rules! to_list {
    ($set:expr) => {
        some_list($set.iter().map(|text| text.as_str().into()).collect())
    };
}
macro_rules! read_list {
    ($list:expr) => {
        $list.into_iter().flatten().map(|value| value.as_str().to_owned()).collect()
    };
}

impl InstanceRequirements {
    pub(super) fn to_sdk(&self) -> ec2::InstanceRequirementsRequest {
        ec2::InstanceRequirementsRequest::builder()
            .v_cpu_count(ec2::VCpuCountRangeRequest::builder().min(self.vcpus.min).set_max(self.vcpus.max).build())
            .memory_mib(ec2::MemoryMiBRequest::builder().min(self.memory_mib.min).set_max(self.memory_mib.max).build())
            .set_memory_gib_per_v_cpu(optional_range!(self.memory_gib_per_vcpu, MemoryGiBPerVCpuRequest))
            .set_cpu_manufacturers(to_list!(self.cpu_manufacturers))
            .set_allowed_instance_types(some_list(self.allowed_instance_types.iter().cloned().collect()))
            .set_excluded_instance_types(some_list(self.excluded_instance_types.iter().cloned().collect()))
            .set_instance_generations(to_list!(self.instance_generations))
            .set_bare_metal(self.bare_metal.as_deref().map(Into::into))
            .set_burstable_performance(self.burstable.as_deref().map(Into::into))
            .set_require_hibernate_support(self.require_hibernation)
            .set_require_encryption_in_transit(self.require_encryption_in_transit)
            .set_local_storage(self.local_storage.as_deref().map(Into::into))
            .set_local_storage_types(to_list!(self.local_storage_types))
            .set_total_local_storage_gb(optional_range!(self.local_storage_gb, TotalLocalStorageGbRequest))
            .set_network_interface_count(optional_range!(self.network_interfaces, NetworkInterfaceCountRequest))
            .set_network_bandwidth_gbps(optional_range!(self.network_gbps, NetworkBandwidthGbpsRequest))
            .set_baseline_ebs_bandwidth_mbps(optional_range!(self.ebs_mbps, BaselineEbsBandwidthMbpsRequest))
            .set_accelerator_count(optional_range!(self.accelerators, AcceleratorCountRequest))
            .set_accelerator_types(to_list!(self.accelerator_types))
            .set_accelerator_manufacturers(to_list!(self.accelerator_manufacturers))
            .set_accelerator_names(to_list!(self.accelerator_names))
            .set_accelerator_total_memory_mib(optional_range!(self.accelerator_memory_mib, AcceleratorTotalMemoryMiBRequest))
            .set_on_demand_max_price_percentage_over_lowest_price(self.on_demand_max_price_percentage)
            .set_spot_max_price_percentage_over_lowest_price(self.spot_max_price_percentage)
            .set_max_spot_price_as_percentage_of_optimal_on_demand_price(self.spot_max_price_percentage_of_on_demand)
            .build()
    }

    pub(super) fn read(sdk: ec2::InstanceRequirements) -> InstanceRequirements {
        let from = |min: Option<i32>, max| RangeFrom { min: min.unwrap_or_default(), max };
        InstanceRequirements {
            vcpus: sdk.v_cpu_count.map_or_else(|| from(None, None), |range| from(range.min, range.max)),
            memory_mib: sdk.memory_mib.map_or_else(|| from(None, None), |range| from(range.min, range.max)),
            memory_gib_per_vcpu: read_range!(sdk.memory_gib_per_v_cpu, DecimalRange),
            cpu_manufacturers: read_list!(sdk.cpu_manufacturers),
            allowed_instance_types: sdk.allowed_instance_types.into_iter().flatten().collect(),
            excluded_instance_types: sdk.excluded_instance_types.into_iter().flatten().collect(),
            instance_generations: read_list!(sdk.instance_generations),
            bare_metal: text!(sdk.bare_metal),
            burstable: text!(sdk.burstable_performance),
            require_hibernation: sdk.require_hibernate_support,
            require_encryption_in_transit: sdk.require_encryption_in_transit,
            local_storage: text!(sdk.local_storage),
            local_storage_types: read_list!(sdk.local_storage_types),
            local_storage_gb: read_range!(sdk.total_local_storage_gb, DecimalRange),
            network_interfaces: read_range!(sdk.network_interface_count, Range),
            network_gbps: read_range!(sdk.network_bandwidth_gbps, DecimalRange),
            ebs_mbps: read_range!(sdk.baseline_ebs_bandwidth_mbps, Range),
            accelerators: read_range!(sdk.accelerator_count, Range),
            accelerator_types: read_list!(sdk.accelerator_types),
            accelerator_manufacturers: read_list!(sdk.accelerator_manufacturers),
            accelerator_names: read_list!(sdk.accelerator_names),
            accelerator_memory_mib: read_range!(sdk.accelerator_total_memory_mib, Range),
            on_demand_max_price_percentage: sdk.on_demand_max_price_percentage_over_lowest_price,
            spot_max_price_percentage: sdk.spot_max_price_percentage_over_lowest_price,
            spot_max_price_percentage_of_on_demand: sdk.max_spot_price_as_percentage_of_optimal_on_demand_price,
        }
    }

    /// Limits in order, and one list of instance types.
    pub(super) fn check(&self) -> Vec<Problem> {
        let at = |field| LaunchTemplate::POINTERS.instance_requirements.field(field);
        let needed = [(Self::POINTERS.vcpus, self.vcpus), (Self::POINTERS.memory_mib, self.memory_mib)];
        let mut problems = Vec::new();
        for (field, range) in needed {
            if range.max.is_some_and(|max| range.min > max) {
                problems.push(Problem::new(at(field), "the minimum is above the maximum").help("swap `min` and `max`"));
            }
        }
        if !self.allowed_instance_types.is_empty() && !self.excluded_instance_types.is_empty() {
            let problem = Problem::new(at(Self::POINTERS.excluded_instance_types), "instance types are both allowed and excluded");
            problems.push(problem.help("keep one of `allowed_instance_types` and `excluded_instance_types`"));
        }
        problems
    }
}
