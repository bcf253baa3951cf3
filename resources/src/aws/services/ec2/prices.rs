//! Prices of EC2: instances, volumes and public addresses.
//!
//! Attributes: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-list-query-api-find-attribute.html>

use crate::core::{PriceComponent, PriceContext, Product};

/// Instances on demand, with Linux and without paid software.
pub fn instances(context: &PriceContext<'_>, instance_type: &str, count: f64) -> PriceComponent {
    let product = Product::new("AmazonEC2")
        .with("instanceType", instance_type)
        .with("tenancy", "Shared")
        .with("operatingSystem", "Linux")
        .with("preInstalledSw", "NA")
        .with("capacitystatus", "Used")
        .usage_type(format!("BoxUsage:{instance_type}"));
    context.hourly(format!("instances ({instance_type})"), count, product).assuming("on demand, with Linux")
}

/// `count` volumes of a type, each of `gib`.
pub fn volumes(context: &PriceContext<'_>, volume_type: &str, gib: f64, count: f64) -> PriceComponent {
    let suffix = match volume_type {
        "io1" => ".piops",
        "standard" => "",
        other => &format!(".{other}"),
    };
    let product = Product::new("AmazonEC2").family("Storage").with("volumeApiName", volume_type);
    let product = product.usage_type(format!("EBS:VolumeUsage{suffix}"));
    context.monthly(format!("disks ({volume_type})"), gib * count, "GB-months", product)
}

/// What gp3 volumes have beyond the performance that their price includes: 3000 operations and 125 MiB a second.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp3-ebs-volume-type>
pub fn extra_performance(context: &PriceContext<'_>, iops: Option<i32>, mibps: Option<i32>, count: f64) -> Vec<PriceComponent> {
    let extra = |value: Option<i32>, included: i32| value.map(|value| f64::from(value - included)).filter(|extra| *extra > 0.0);
    let product = |family, usage_type| Product::new("AmazonEC2").family(family).with("volumeApiName", "gp3").usage_type(usage_type);
    let iops = extra(iops, 3000).map(|iops| {
        let product = product("System Operation", "EBS:VolumeP-IOPS.gp3");
        context.monthly("operations (gp3)", iops * count, "IOPS-months", product).assuming("above the 3000 included in each volume")
    });
    // The price list has it by GiB.
    let throughput = extra(mibps, 125).map(|mibps| {
        let product = product("Provisioned Throughput", "EBS:VolumeP-Throughput.gp3");
        let part = context.monthly("throughput (gp3)", mibps * count / 1024.0, "GiB/s-months", product);
        part.assuming("above the 125 MiB/s included in each volume")
    });
    iops.into_iter().chain(throughput).collect()
}

/// Public IPv4 addresses in use: <https://aws.amazon.com/vpc/pricing/>.
pub fn public_addresses(context: &PriceContext<'_>, count: f64) -> PriceComponent {
    let product = Product::new("AmazonVPC").with("group", "VPCPublicIPv4Address").usage_type("PublicIPv4:InUseAddress");
    context.hourly("public IPv4 addresses", count, product)
}
