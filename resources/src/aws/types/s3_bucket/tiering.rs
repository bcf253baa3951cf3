//! Archive tiers of objects in the storage class INTELLIGENT_TIERING. S3 has a call for each configuration.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_s3::types::{
    self as s3, IntelligentTieringAccessTier as Tier, IntelligentTieringConfiguration, IntelligentTieringFilter, IntelligentTieringStatus,
};

use super::{S3Bucket, non_default};
use crate::{
    aws::{Aws, services},
    core::{Problem, Result, ok_or_not_found},
};

/// Objects that S3 archives when they have not been read for some time, if their storage class is INTELLIGENT_TIERING.
#[spec]
#[derive(PartialEq, Eq)]
pub struct ArchiveTiers {
    /// Enables the configuration.
    #[field(default = true)]
    pub enabled: bool,
    /// Prefix of object names; empty for all objects.
    #[field(default, length = 0..=1024)]
    pub prefix: String,
    /// Tags that objects must have, all of them.
    #[field(default)]
    pub tags: BTreeMap<String, String>,
    /// Days without access, 90 to 730, after which an object moves to the tier Archive Access; 0 for never.
    #[field(default = 0, range = 0..=730)]
    pub archive_days: i32,
    /// Days without access, 180 to 730, after which an object moves to the tier Deep Archive Access; 0 for never.
    #[field(default = 0, range = 0..=730)]
    pub deep_archive_days: i32,
}

impl ArchiveTiers {
    /// Problems of the configuration, which has this name.
    pub(super) fn check(&self, id: &str) -> Vec<Problem> {
        let at = S3Bucket::POINTERS.intelligent_tiering.item(id);
        let mut problems = Vec::new();
        if !(1..=64).contains(&id.chars().count()) {
            problems.push(Problem::new(at.clone(), "the name of a configuration has 1 to 64 characters"));
        }
        if self.archive_days == 0 && self.deep_archive_days == 0 {
            let problem = Problem::new(at.clone(), "the configuration does nothing");
            problems.push(problem.help("set `archive_days` or `deep_archive_days`"));
        }
        if (1..90).contains(&self.archive_days) {
            problems.push(Problem::new(at.clone().field(Self::POINTERS.archive_days), "S3 archives objects after 90 days at the earliest"));
        }
        if (1..180).contains(&self.deep_archive_days) {
            let at = at.clone().field(Self::POINTERS.deep_archive_days);
            problems.push(Problem::new(at, "S3 moves objects to Deep Archive Access after 180 days at the earliest"));
        } else if self.archive_days > 0 && self.deep_archive_days > 0 && self.deep_archive_days <= self.archive_days {
            problems.push(Problem::new(at.field(Self::POINTERS.deep_archive_days), "must be more than `archive_days`"));
        }
        problems
    }

    fn to_sdk(&self, id: &str) -> Result<IntelligentTieringConfiguration> {
        let status = if self.enabled { IntelligentTieringStatus::Enabled } else { IntelligentTieringStatus::Disabled };
        let mut tags = services::s3::to_tags(&self.tags);
        let prefix = Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty());
        let filter = IntelligentTieringFilter::builder();
        let filter = match (prefix, tags.len()) {
            (None, 0) => None,
            (prefix, 0) => Some(filter.set_prefix(prefix).build()),
            (None, 1) => Some(filter.set_tag(tags.pop()).build()),
            (prefix, _) => {
                let and = s3::IntelligentTieringAndOperator::builder().set_prefix(prefix).set_tags(Some(tags)).build();
                Some(filter.and(and).build())
            }
        };
        let mut all = IntelligentTieringConfiguration::builder().id(id).status(status).set_filter(filter);
        for (days, tier) in [(self.archive_days, Tier::ArchiveAccess), (self.deep_archive_days, Tier::DeepArchiveAccess)] {
            if let Some(days) = non_default(days) {
                all = all.tierings(s3::Tiering::builder().days(days).access_tier(tier).build()?);
            }
        }
        Ok(all.build()?)
    }

    fn read(live: &IntelligentTieringConfiguration) -> ArchiveTiers {
        let (filter, and) = (live.filter(), live.filter().and_then(|filter| filter.and()));
        let prefix = filter.and_then(|f| f.prefix()).or(and.and_then(|and| and.prefix())).unwrap_or_default().to_owned();
        let tags = filter.and_then(|f| f.tag()).map(std::slice::from_ref).or(and.map(|and| and.tags())).unwrap_or_default();
        let days = |tier: Tier| live.tierings().iter().find(|one| one.access_tier == tier).map(|one| one.days).unwrap_or_default();
        ArchiveTiers {
            enabled: live.status == IntelligentTieringStatus::Enabled,
            prefix,
            tags: services::s3::from_tags(tags),
            archive_days: days(Tier::ArchiveAccess),
            deep_archive_days: days(Tier::DeepArchiveAccess),
        }
    }
}

type All = BTreeMap<String, ArchiveTiers>;

/// Sets the configurations that differ and deletes those that are no longer declared.
pub(super) async fn update(aws: &Aws, bucket: &str, live: &All, wanted: &All) -> Result<()> {
    for id in live.keys().filter(|id| !wanted.contains_key(*id)) {
        ok_or_not_found(aws.s3.delete_bucket_intelligent_tiering_configuration().bucket(bucket).id(id).send().await)?;
    }
    for (id, tiers) in wanted.iter().filter(|(id, tiers)| live.get(*id) != Some(*tiers)) {
        let call = aws.s3.put_bucket_intelligent_tiering_configuration().bucket(bucket).id(id);
        call.intelligent_tiering_configuration(tiers.to_sdk(id)?).send().await?;
    }
    Ok(())
}

/// All configurations, all pages.
pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<All> {
    let (mut all, mut token) = (All::new(), None);
    loop {
        let call = aws.s3.list_bucket_intelligent_tiering_configurations().bucket(bucket).set_continuation_token(token);
        let page = call.send().await?;
        all.extend(page.intelligent_tiering_configuration_list().iter().map(|one| (one.id.clone(), ArchiveTiers::read(one))));
        token = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        if token.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations_survive_a_round_trip() {
        for written in [
            json!({ "archive_days": 90 }),
            json!({ "archive_days": 90, "deep_archive_days": 180, "prefix": "logs/", "enabled": false }),
            json!({ "deep_archive_days": 180, "tags": { "team": "web" } }),
            json!({ "deep_archive_days": 180, "prefix": "logs/", "tags": { "team": "web" } }),
        ] {
            let wanted: ArchiveTiers = serde_json::from_value(written).expect("a configuration");
            assert_eq!(ArchiveTiers::read(&wanted.to_sdk("a").expect("a configuration")), wanted);
            assert_eq!(wanted.check("a"), []);
        }
    }

    #[test]
    fn reports_what_s3_rejects() {
        let problems = |written: Value| {
            let tiers: ArchiveTiers = serde_json::from_value(written).expect("a configuration");
            tiers.check("a").into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({})), ["/intelligent_tiering/a"]);
        assert_eq!(problems(json!({ "archive_days": 30 })), ["/intelligent_tiering/a/archive_days"]);
        assert_eq!(problems(json!({ "deep_archive_days": 90 })), ["/intelligent_tiering/a/deep_archive_days"]);
        assert_eq!(problems(json!({ "archive_days": 200, "deep_archive_days": 200 })), ["/intelligent_tiering/a/deep_archive_days"]);
    }
}
