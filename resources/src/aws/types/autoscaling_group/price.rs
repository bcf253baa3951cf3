//! The price of a group: that of its instances and their disks.

use super::AutoscalingGroup;
use crate::{
    aws::{services::ec2::prices, types::launch_template::LaunchTemplate},
    core::{PriceContext, Pricing},
};

/// The number of instances is the desired one; policies and schedules change it.
pub(super) fn of(group: &AutoscalingGroup, context: &PriceContext<'_>) -> Pricing {
    if group.capacity_unit != "units" {
        return Pricing::default().without("instances, whose number depends on their size");
    }
    let count = group.desired.unwrap_or(group.min).max(group.min);
    let Some(template) = context.referenced(&group.launch_template) else {
        return Pricing::default().without("instances of a launch template outside the stack");
    };
    let preferred = group.mixed_instances.iter().flat_map(|mixed| &mixed.overrides).find_map(|choice| choice.instance_type.clone());
    let Some(instance_type) = preferred.or_else(|| template.instance_type.clone()) else {
        return template.add_disks(Pricing::default().without("instances, whose type AWS chooses"), context, f64::from(count));
    };
    let on_demand = match &group.mixed_instances {
        None if template.spot.is_some() => 0,
        None => count,
        Some(mixed) => {
            let base = mixed.on_demand_base.min(count);
            // AWS rounds in favour of instances on demand.
            base + ((count - base) * mixed.on_demand_percentage + 99) / 100
        }
    };
    let mut pricing = Pricing::default();
    if on_demand > 0 {
        pricing.components.push(prices::instances(context, &instance_type, f64::from(on_demand)));
    }
    if on_demand < count {
        pricing = pricing.without("spot instances, whose prices change by the hour");
    }
    template.add_disks(pricing, context, f64::from(count))
}

impl LaunchTemplate {
    /// Adds the price of the disks of `count` instances.
    pub(in crate::aws::types) fn add_disks(&self, mut pricing: Pricing, context: &PriceContext<'_>, count: f64) -> Pricing {
        let volumes: Vec<_> = self.disks.iter().filter(|(_, disk)| !disk.none && disk.instance_store.is_none()).collect();
        if volumes.is_empty() {
            return pricing.without("the disks of the image");
        }
        for (device, disk) in volumes {
            let volume_type = disk.r#type.as_deref().unwrap_or("gp2");
            let Some(gib) = disk.gib.map(f64::from) else {
                pricing = pricing.without(format!("the disk `{device}`, whose size is that of a snapshot"));
                continue;
            };
            let part = prices::volumes(context, volume_type, gib, count).assuming(format!("{gib} GiB for each instance"));
            let mut parts = vec![part];
            if volume_type == "gp3" {
                parts.extend(prices::extra_performance(context, disk.iops, disk.throughput_mib, count));
            } else if disk.iops.is_some() {
                pricing = pricing.without(format!("the operations of the disk `{device}`"));
            }
            for part in &mut parts {
                part.name = format!("{device}: {}", part.name);
            }
            pricing.components.append(&mut parts);
        }
        pricing
    }
}
