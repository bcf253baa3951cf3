//! Copies of a secret in other regions.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, ReplicationStatusType, StatusType};

use super::{AWS_KEY, Secret};
use crate::{
    aws::Aws,
    core::{Declared, Problem, Result},
};

/// A copy of the secret in another region, which AWS keeps up to date.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Replica {
    /// Key of that region that encrypts the copy: its ARN, id or alias.
    #[field(unset = "AWS's own key, `alias/aws/secretsmanager`", dropped = None, length = 1..=2048)]
    pub kms_key: Option<String>,
}

/// Copies by region.
pub(super) type Replicas = BTreeMap<String, Replica>;

/// The copies that exist. A failed one does not: the next apply replaces it.
pub(super) fn read(status: &[ReplicationStatusType]) -> Replicas {
    let copies = status.iter().filter(|copy| copy.status != Some(StatusType::Failed));
    let key = |copy: &ReplicationStatusType| copy.kms_key_id.clone().filter(|key| key != AWS_KEY && !key.is_empty());
    copies.filter_map(|copy| Some((copy.region.clone()?, Replica { kms_key: key(copy) }))).collect()
}

/// Whether AWS is still making a copy.
pub(super) fn is_pending(status: &[ReplicationStatusType]) -> bool {
    status.iter().any(|copy| copy.status == Some(StatusType::InProgress))
}

/// Why copies failed, such as a secret of the same name in their region.
pub(super) fn failures(status: &[ReplicationStatusType]) -> Option<String> {
    let failed = status.iter().filter(|copy| copy.status == Some(StatusType::Failed));
    let reason = |copy: &ReplicationStatusType| {
        format!("{}: {}", copy.region.as_deref().unwrap_or_default(), copy.status_message.as_deref().unwrap_or("the copy failed"))
    };
    let reasons: Vec<String> = failed.map(reason).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Removes the copies that are no longer declared or have another key, then makes the missing ones. A secret of the same name in another
/// region is not overwritten.
pub(super) async fn update(aws: &Aws, id: &str, wanted: &Replicas) -> Result<()> {
    let status = aws.secretsmanager.describe_secret().secret_id(id).send().await?.replication_status.unwrap_or_default();
    let live = read(&status);
    let all = status.iter().filter_map(|copy| copy.region.clone());
    let leaving: Vec<String> = all.filter(|region| !live.contains_key(region) || live.get(region) != wanted.get(region)).collect();
    if !leaving.is_empty() {
        remove(aws, id, leaving).await?;
    }
    let new = wanted.iter().filter(|(region, replica)| live.get(*region) != Some(*replica));
    let region = |(region, replica): (&String, &Replica)| {
        ReplicaRegionType::builder().region(region).set_kms_key_id(replica.kms_key.clone()).build()
    };
    let new: Vec<ReplicaRegionType> = new.map(region).collect();
    if !new.is_empty() {
        let call = aws.secretsmanager.replicate_secret_to_regions().secret_id(id).set_add_replica_regions(Some(new));
        call.force_overwrite_replica_secret(false).send().await?;
    }
    Ok(())
}

/// Removes copies.
pub(super) async fn remove(aws: &Aws, id: &str, regions: Vec<String>) -> Result<()> {
    aws.secretsmanager.remove_regions_from_replication().secret_id(id).set_remove_replica_regions(Some(regions)).send().await?;
    Ok(())
}

pub(super) fn check(replicas: &Replicas) -> Vec<Problem> {
    let is_region = |text: &str| text.split('-').count() >= 3 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let wrong = replicas.keys().filter(|region| !region.contains("${") && !is_region(region));
    let problem = |region: &String| Problem::new(Secret::POINTERS.replicas.item(region), format!("`{region}` is not a valid region"));
    wrong.map(problem).collect()
}

/// A copy is in another region than the secret.
pub(super) fn check_declared(declared: &Declared<'_, Secret>, replicas: &Replicas) -> Option<Problem> {
    let region = declared.region().filter(|region| replicas.contains_key(*region))?;
    let problem = Problem::new(Secret::POINTERS.replicas.item(region), "the secret itself is in this region");
    Some(problem.help("remove the copy"))
}
