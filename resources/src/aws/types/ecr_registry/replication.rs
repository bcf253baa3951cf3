//! Replication rules of a registry: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication.html>.

use std::collections::BTreeSet;

use aws_sdk_ecr::types as ecr;

use super::{super::prelude::*, EcrRegistry};

/// Copies images that are pushed from now on to other regions or accounts.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplicationRule {
    /// Registries that receive the copies, at most 25 in all rules together.
    #[field(length = 1..=25)]
    pub destinations: BTreeSet<Destination>,
    /// Prefixes of the names of the repositories to copy; none for all.
    #[field(default, length = 0..=100, pattern = "[a-z0-9][a-z0-9._/-]{1,255}")]
    pub repository_prefixes: BTreeSet<String>,
}

/// A registry that receives copies.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Region.
    #[field(pattern = "[0-9a-z-]{2,25}")]
    pub region: String,
    /// Account id. The registry policy of another account must allow `ecr:ReplicateImage`.
    #[field(pattern = "[0-9]{12}")]
    pub account: String,
}

/// Registries in all rules together.
const MAX_DESTINATIONS: usize = 25;

impl ReplicationRule {
    pub(super) fn to_sdk(&self) -> Result<ecr::ReplicationRule> {
        let to = |to: &Destination| ecr::ReplicationDestination::builder().region(&to.region).registry_id(&to.account).build();
        let filter =
            |prefix: &String| ecr::RepositoryFilter::builder().filter(prefix).filter_type(ecr::RepositoryFilterType::PrefixMatch).build();
        let filters = self.repository_prefixes.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
        let rule = ecr::ReplicationRule::builder().set_destinations(Some(self.destinations.iter().map(to).collect::<Result<_, _>>()?));
        Ok(rule.set_repository_filters((!filters.is_empty()).then_some(filters)).build()?)
    }

    pub(super) fn read(rule: ecr::ReplicationRule) -> ReplicationRule {
        let to = rule.destinations.into_iter().map(|to| Destination { region: to.region, account: to.registry_id });
        let filters = rule.repository_filters.unwrap_or_default().into_iter().map(|filter| filter.filter);
        ReplicationRule { destinations: to.collect(), repository_prefixes: filters.collect() }
    }
}

pub(super) fn check(rules: &BTreeSet<ReplicationRule>) -> Option<Problem> {
    let all: BTreeSet<&Destination> = rules.iter().flat_map(|rule| &rule.destinations).collect();
    let message = format!("the rules have {} destinations, and AWS accepts {MAX_DESTINATIONS}", all.len());
    (all.len() > MAX_DESTINATIONS).then(|| Problem::new(EcrRegistry::POINTERS.replication, message))
}
