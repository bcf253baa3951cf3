//! Partitions of AWS. Sources: `partitions.json` and `endpoints.json` of the AWS SDKs.

/// A partition: the start of the names of its regions, its name in ARNs, the region of its global services, and the domain of its endpoints.
struct Partition {
    region_prefix: &'static str,
    name: &'static str,
    global_region: &'static str,
    domain: &'static str,
}

/// All partitions; the last one has every other region.
const PARTITIONS: &[Partition] = &[
    Partition { region_prefix: "cn-", name: "aws-cn", global_region: "cn-north-1", domain: "amazonaws.com.cn" },
    Partition { region_prefix: "us-gov-", name: "aws-us-gov", global_region: "us-gov-west-1", domain: "amazonaws.com" },
    Partition { region_prefix: "eusc-", name: "aws-eusc", global_region: "eusc-de-east-1", domain: "amazonaws.eu" },
    Partition { region_prefix: "us-iso-", name: "aws-iso", global_region: "us-iso-east-1", domain: "c2s.ic.gov" },
    Partition { region_prefix: "us-isob-", name: "aws-iso-b", global_region: "us-isob-east-1", domain: "sc2s.sgov.gov" },
    Partition { region_prefix: "eu-isoe-", name: "aws-iso-e", global_region: "eu-isoe-west-1", domain: "cloud.adc-e.uk" },
    Partition { region_prefix: "us-isof-", name: "aws-iso-f", global_region: "us-isof-south-1", domain: "csp.hci.ic.gov" },
    Partition { region_prefix: "", name: "aws", global_region: "us-east-1", domain: "amazonaws.com" },
];

fn partition_of(region: &str) -> Option<&'static Partition> {
    PARTITIONS.iter().find(|partition| region.starts_with(partition.region_prefix))
}

/// Partition of a region, the part of ARNs after `arn:`.
pub fn partition(region: &str) -> &'static str {
    partition_of(region).map_or("aws", |partition| partition.name)
}

/// Domain of the endpoints in a region's partition: `amazonaws.com`.
pub fn endpoint_domain(region: &str) -> &'static str {
    partition_of(region).map_or("amazonaws.com", |partition| partition.domain)
}

/// Principal of EC2 in the trust policy of a role for instances. In China and in the isolated partitions, it has their domain; other services
/// have the same principal everywhere.
/// <https://docs.aws.amazon.com/eks/latest/userguide/create-node-role.html>,
/// <https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/region-info/lib/default.ts>
pub fn ec2_principal(region: &str) -> String {
    let own = matches!(partition(region), "aws-cn" | "aws-iso" | "aws-iso-b");
    format!("ec2.{}", if own { endpoint_domain(region) } else { "amazonaws.com" })
}

/// Converts the ARN of something that AWS itself offers in all partitions, such as `arn:aws:iam::aws:policy/AdministratorAccess`, to that of
/// a region's partition. All other ARNs are unchanged.
pub fn arn_in_partition(arn: &str, region: &str) -> String {
    match arn.strip_prefix("arn:aws:").filter(|_| is_of_aws(arn)) {
        Some(rest) => format!("arn:{}:{rest}", partition(region)),
        None => arn.to_owned(),
    }
}

/// The reverse of [`arn_in_partition`].
pub fn arn_without_partition(arn: &str) -> String {
    match arn.splitn(3, ':').nth(2).filter(|_| is_of_aws(arn)) {
        Some(rest) => format!("arn:aws:{rest}"),
        None => arn.to_owned(),
    }
}

/// Whether an ARN has `aws` in place of an account.
fn is_of_aws(arn: &str) -> bool {
    arn.split(':').nth(4) == Some("aws")
}

/// Region of a partition's global services, IAM and Route 53: <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>.
pub fn global_region(region: &str) -> &'static str {
    partition_of(region).map_or("us-east-1", |partition| partition.global_region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_determine_the_partition() {
        let regions = ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "eusc-de-east-1", "us-iso-west-1", "us-isob-east-1"];
        assert_eq!(regions.map(partition), ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"]);
        assert_eq!(["eu-isoe-west-1", "us-isof-east-1"].map(partition), ["aws-iso-e", "aws-iso-f"]);
    }

    #[test]
    fn arns_of_aws_have_the_partition_of_the_region() {
        let (policy, own) = ("arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::123456789012:policy/logs");
        assert_eq!(arn_in_partition(policy, "cn-north-1"), "arn:aws-cn:iam::aws:policy/AdministratorAccess");
        assert_eq!(arn_in_partition(policy, "eu-west-1"), policy);
        assert_eq!(arn_in_partition(own, "cn-north-1"), own);
        assert_eq!(arn_without_partition("arn:aws-us-gov:iam::aws:policy/AdministratorAccess"), policy);
        assert_eq!(arn_without_partition("arn:aws-us-gov:iam::123456789012:policy/logs"), "arn:aws-us-gov:iam::123456789012:policy/logs");
        assert_eq!(
            ["eu-west-1", "cn-north-1", "eusc-de-east-1"].map(endpoint_domain),
            ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"]
        );
        assert_eq!(["eu-west-1", "cn-north-1"].map(ec2_principal), ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]);
    }

    #[test]
    fn global_services_are_in_one_region_of_each_partition() {
        let regions = ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "eusc-de-east-1"].map(global_region);
        assert_eq!(regions, ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]);
    }
}
