//! Questions about the zones of the account.

use super::{Subnet, SubnetChanges};
use crate::{
    aws::{Aws, services::ec2},
    core::{Problem, Questions},
};

/// The account has the zone.
pub(super) async fn check_zone(subnet: &Subnet, questions: &Questions<'_, Aws>, changes: SubnetChanges) -> Vec<Problem> {
    if !changes.availability_zone {
        return Vec::new();
    }
    let zones = ec2::zones(questions).await.unwrap_or_default();
    let names = zones.iter().map(|zone| zone.name.as_str());
    let scope = " to this account as an availability zone";
    Problem::not_offered(Subnet::POINTERS.availability_zone, &subnet.availability_zone, "zones", scope, names).into_iter().collect()
}

/// Names of the account's zones, without local and wavelength zones, and without the old ones that lack services: a definition can still name
/// these.
pub(super) async fn availability_zones(questions: &Questions<'_, Aws>) -> Vec<String> {
    let zones = ec2::zones(questions).await.unwrap_or_default();
    zones.into_iter().filter(|zone| zone.is_availability_zone && !zone.is_old()).map(|zone| zone.name).collect()
}
