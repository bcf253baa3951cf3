//! Availability zones.

use serde::{Deserialize, Serialize};

use crate::{aws::Aws, core::Questions};

/// A zone that the account can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Name, such as `eu-west-1a`.
    pub name: String,
    /// Whether it is an availability zone; otherwise a local or wavelength zone that the account has enabled.
    pub is_availability_zone: bool,
    /// Id, such as `euw1-az2`, the same in all accounts; empty if it is not known.
    pub id: String,
}

/// Old zones with fewer services and instance types than others, and without EKS control planes:
/// <https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html>.
const OLD_ZONES: &[&str] = &["cac1-az3", "use1-az3", "usw1-az2"];

impl Zone {
    /// Whether it is one of the old zones without EKS control planes.
    pub fn is_old(&self) -> bool {
        OLD_ZONES.contains(&self.id.as_str())
    }
}

/// Letters of the zones in regions without `a`, `b` and `c` for new accounts, or with more. AWS has withdrawn some, and maps letters to
/// zones for each account: <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html>.
const LETTERS: &[(&str, &str)] = &[
    ("ap-northeast-1", "acd"),
    ("ap-northeast-2", "abcd"),
    ("ca-central-1", "abd"),
    ("us-east-1", "abcdef"),
    ("us-west-1", "ac"),
    ("us-west-2", "abcd"),
];

/// Zones of the region that the account can use, by name. `None` without an answer.
pub async fn zones(questions: &Questions<'_, Aws>) -> Option<Vec<Zone>> {
    let call = |aws: &Aws| {
        let call = aws.ec2.describe_availability_zones();
        async move {
            let zones = call.send().await?.availability_zones.unwrap_or_default().into_iter().filter_map(|zone| {
                let is_availability_zone = zone.zone_type.is_none_or(|kind| kind == "availability-zone");
                Some(Zone { name: zone.zone_name?, is_availability_zone, id: zone.zone_id.unwrap_or_default() })
            });
            let mut zones: Vec<Zone> = zones.collect();
            zones.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(zones)
        }
    };
    questions.ask_or_simulate("ec2:DescribeAvailabilityZones", "", simulated, call).await
}

/// Zones of the simulated cloud. Their ids are not known, except that of the oldest zone of us-east-1, which has less than the others.
fn simulated(region: &str) -> Vec<Zone> {
    let letters = LETTERS.iter().find(|(name, _)| *name == region).map_or("abc", |(_, letters)| letters);
    let zone = |letter| {
        let name = format!("{region}{letter}");
        let id = if name == "us-east-1e" { "use1-az3" } else { "" };
        Zone { name, is_availability_zone: true, id: id.to_owned() }
    };
    letters.chars().map(zone).collect()
}
