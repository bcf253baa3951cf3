//! Partitions of AWS. Sources: `partitions.json` and `endpoints.json` of the AWS SDKs.

/// A partition: the start of the names of its regions, its name in ARNs, and the region of its global services.
struct Partition {
    region_prefix: &'static str,
    name: &'static str,
    global_region: &'static str,
}

/// All partitions; the last one has every other region.
const PARTITIONS: &[Partition] = &[
    Partition { region_prefix: "cn-", name: "aws-cn", global_region: "cn-north-1" },
    Partition { region_prefix: "us-gov-", name: "aws-us-gov", global_region: "us-gov-west-1" },
    Partition { region_prefix: "eusc-", name: "aws-eusc", global_region: "eusc-de-east-1" },
    Partition { region_prefix: "us-iso-", name: "aws-iso", global_region: "us-iso-east-1" },
    Partition { region_prefix: "us-isob-", name: "aws-iso-b", global_region: "us-isob-east-1" },
    Partition { region_prefix: "eu-isoe-", name: "aws-iso-e", global_region: "eu-isoe-west-1" },
    Partition { region_prefix: "us-isof-", name: "aws-iso-f", global_region: "us-isof-south-1" },
    Partition { region_prefix: "", name: "aws", global_region: "us-east-1" },
];

fn partition_of(region: &str) -> Option<&'static Partition> {
    PARTITIONS.iter().find(|partition| region.starts_with(partition.region_prefix))
}

/// Partition of a region, the part of ARNs after `arn:`.
pub fn partition(region: &str) -> &'static str {
    partition_of(region).map_or("aws", |partition| partition.name)
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
    fn global_services_are_in_one_region_of_each_partition() {
        let regions = ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "eusc-de-east-1"].map(global_region);
        assert_eq!(regions, ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]);
    }
}
