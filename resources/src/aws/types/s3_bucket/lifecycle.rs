//! Lifecycle rules of a bucket.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_s3::{
    primitives::{DateTime, DateTimeFormat},
    types::{self as s3, ExpirationStatus},
};

use super::{S3Bucket, non_default};
use crate::{
    aws::{Aws, services},
    core::{Error, ErrorKind, Problem, Result, ok_or_not_found},
};

/// Lifecycle rule, which expires or moves objects.
#[spec]
#[derive(PartialEq, Eq)]
pub struct LifecycleRule {
    /// Enables the rule.
    #[field(default = true)]
    pub enabled: bool,
    /// Prefix of object names; empty for all objects.
    #[field(default)]
    pub prefix: String,
    /// Tags that objects must have, all of them.
    #[field(default)]
    pub tags: BTreeMap<String, String>,
    /// Minimum size, exclusive, in bytes.
    #[field(default = 0, range = 0..=i64::MAX)]
    pub larger_than_bytes: i64,
    /// Maximum size, exclusive, in bytes; 0 for any.
    #[field(default = 0, range = 0..=i64::MAX)]
    pub smaller_than_bytes: i64,
    /// Days after which objects expire; 0 for never.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub expire_days: i32,
    /// Date on which objects expire, at midnight UTC, such as `2030-01-01`; empty for none.
    #[field(default, pattern = "([0-9]{4}-[0-9]{2}-[0-9]{2})?")]
    pub expire_date: String,
    /// Removes delete markers without older versions.
    #[field(default = false)]
    pub expire_delete_markers: bool,
    /// Days after which old versions are deleted; 0 for never.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub noncurrent_expire_days: i32,
    /// Number of old versions to keep beyond that age, newest first.
    #[field(default = 0, range = 0..=100)]
    pub noncurrent_keep: i32,
    /// Days after which unfinished uploads are aborted; 0 for never.
    #[field(default = 0, range = 0..=2_147_483_647)]
    pub abort_multipart_days: i32,
    /// Moves objects to other storage classes.
    #[field(default)]
    pub transitions: BTreeSet<Transition>,
    /// Moves objects to other storage classes on a date.
    #[field(default)]
    pub dated_transitions: BTreeSet<DatedTransition>,
    /// Moves old versions to other storage classes.
    #[field(default)]
    pub noncurrent_transitions: BTreeSet<Transition>,
}

/// Transition to another storage class.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    /// Age in days.
    #[field(range = 0..=2_147_483_647)]
    pub days: i32,
    /// Storage class.
    #[field(one_of = ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])]
    pub storage_class: String,
}

/// Transition to another storage class on a date.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct DatedTransition {
    /// Date, at midnight UTC, such as `2030-01-01`.
    #[field(pattern = "[0-9]{4}-[0-9]{2}-[0-9]{2}")]
    pub date: String,
    /// Storage class.
    #[field(one_of = ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])]
    pub storage_class: String,
}

/// Replaces the rules. Parts that acme does not manage are read and sent back; a bucket without rules has none.
pub(super) async fn put(
    aws: &Aws,
    bucket: &str,
    live: &BTreeMap<String, LifecycleRule>,
    wanted: &BTreeMap<String, LifecycleRule>,
) -> Result<()> {
    if wanted.is_empty() {
        aws.s3.delete_bucket_lifecycle().bucket(bucket).send().await?;
        return Ok(());
    }
    let (kept, minimum_size) = if live.is_empty() {
        (Vec::new(), None)
    } else {
        let reply = ok_or_not_found(aws.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await)?;
        reply.map(|reply| (reply.rules.unwrap_or_default(), reply.transition_default_minimum_object_size)).unwrap_or_default()
    };
    let rules = wanted.iter().map(|(id, rule)| Ok(rule.with_unmanaged_parts(rule.to_sdk(id)?, &kept))).collect::<Result<Vec<_>>>()?;
    let configuration = s3::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build()?;
    let call = aws.s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(configuration);
    call.set_transition_default_minimum_object_size(minimum_size).send().await?;
    Ok(())
}

impl LifecycleRule {
    /// A problem of the rule, which has this name.
    pub(super) fn check(&self, id: &str) -> Option<Problem> {
        let at = S3Bucket::POINTERS.lifecycle_rules.item(id);
        if !self.has_action() {
            Some(Problem::new(at, "the rule does nothing").help("add `expire_days` or another action"))
        } else if self.expire_delete_markers && self.expire_days > 0 {
            let problem = Problem::new(at.field(Self::POINTERS.expire_delete_markers), "set either this or `expire_days`, not both");
            Some(problem.help("`expire_days` removes such markers, too"))
        } else if self.has_dates() && (self.has_days() || self.expire_delete_markers) {
            let problem = Problem::new(at, "S3 does not accept dates and days in one rule");
            Some(problem.help("declare a second rule with the same filter"))
        } else if let Some(date) = self.dates().find(|date| !date.contains("${") && midnight(date).is_err()) {
            Some(Problem::new(at, format!("`{date}` is not a valid date")).help("write a date like `2030-01-01`"))
        } else if self.noncurrent_keep > 0 && self.noncurrent_expire_days == 0 {
            Some(Problem::new(at.field(Self::POINTERS.noncurrent_keep), "needs `noncurrent_expire_days`"))
        } else {
            None
        }
    }
    /// S3 rejects a rule without an action.
    fn has_action(&self) -> bool {
        [self.expire_days, self.noncurrent_expire_days, self.abort_multipart_days].iter().any(|days| *days > 0)
            || self.expire_delete_markers
            || self.has_dates()
            || !self.transitions.is_empty()
            || !self.noncurrent_transitions.is_empty()
    }
    /// A filter has one condition; several are combined in its `And`.
    fn filter(&self) -> s3::LifecycleRuleFilter {
        let (larger, smaller) = (non_default(self.larger_than_bytes), non_default(self.smaller_than_bytes));
        let conditions = usize::from(!self.prefix.is_empty()) + self.tags.len() + larger.iter().len() + smaller.iter().len();
        let filter = s3::LifecycleRuleFilter::builder();
        let tags = services::s3::to_tags(&self.tags);
        if conditions < 2 {
            let filter = filter.set_object_size_greater_than(larger).set_object_size_less_than(smaller);
            return match tags.into_iter().next() {
                Some(tag) => filter.tag(tag).build(),
                None => filter.set_prefix((larger.is_none() && smaller.is_none()).then(|| self.prefix.clone())).build(),
            };
        }
        let and = s3::LifecycleRuleAndOperator::builder().set_prefix(Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty()));
        let and = and.set_object_size_greater_than(larger).set_object_size_less_than(smaller);
        filter.and(and.set_tags(Some(tags).filter(|tags| !tags.is_empty())).build()).build()
    }
    fn to_sdk(&self, id: &str) -> Result<s3::LifecycleRule> {
        let status = if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled };
        let mut rule = s3::LifecycleRule::builder().id(id).status(status).filter(self.filter());
        if !self.expire_date.is_empty() {
            rule = rule.expiration(s3::LifecycleExpiration::builder().date(midnight(&self.expire_date)?).build());
        } else if self.expire_days > 0 || self.expire_delete_markers {
            let expiration = s3::LifecycleExpiration::builder().set_days(non_default(self.expire_days));
            rule = rule.expiration(expiration.set_expired_object_delete_marker(self.expire_delete_markers.then_some(true)).build());
        }
        if self.noncurrent_expire_days > 0 {
            let expiration = s3::NoncurrentVersionExpiration::builder().noncurrent_days(self.noncurrent_expire_days);
            rule = rule.noncurrent_version_expiration(expiration.set_newer_noncurrent_versions(non_default(self.noncurrent_keep)).build());
        }
        if self.abort_multipart_days > 0 {
            let abort = s3::AbortIncompleteMultipartUpload::builder().days_after_initiation(self.abort_multipart_days).build();
            rule = rule.abort_incomplete_multipart_upload(abort);
        }
        for Transition { days, storage_class } in &self.transitions {
            rule = rule.transitions(s3::Transition::builder().days(*days).storage_class(storage_class.as_str().into()).build());
        }
        for DatedTransition { date, storage_class } in &self.dated_transitions {
            let transition = s3::Transition::builder().date(midnight(date)?).storage_class(storage_class.as_str().into());
            rule = rule.transitions(transition.build());
        }
        for Transition { days, storage_class } in &self.noncurrent_transitions {
            let transition = s3::NoncurrentVersionTransition::builder().noncurrent_days(*days);
            rule = rule.noncurrent_version_transitions(transition.storage_class(storage_class.as_str().into()).build());
        }
        Ok(rule.build()?)
    }
    /// Whether it has an age in days: S3 does not accept days and dates in one rule.
    fn has_days(&self) -> bool {
        self.expire_days > 0 || !self.transitions.is_empty()
    }
    fn has_dates(&self) -> bool {
        self.dates().next().is_some()
    }
    fn dates(&self) -> impl Iterator<Item = &str> {
        let expiration = Some(self.expire_date.as_str()).filter(|date| !date.is_empty());
        expiration.into_iter().chain(self.dated_transitions.iter().map(|transition| transition.date.as_str()))
    }
    /// Adds the part of the live rule of the same name that acme does not manage: the number of newer versions that a transition keeps.
    fn with_unmanaged_parts(&self, mut rule: s3::LifecycleRule, live: &[s3::LifecycleRule]) -> s3::LifecycleRule {
        let Some(live) = live.iter().find(|other| other.id == rule.id) else { return rule };
        for transition in rule.noncurrent_version_transitions.iter_mut().flatten() {
            let same = live.noncurrent_version_transitions().iter().find(|other| other.storage_class == transition.storage_class);
            transition.newer_noncurrent_versions = same.and_then(|other| other.newer_noncurrent_versions);
        }
        rule
    }
    pub(super) fn read(rule: &s3::LifecycleRule) -> LifecycleRule {
        let (filter, and) = (rule.filter(), rule.filter().and_then(|filter| filter.and()));
        // Rules created before 2016 have their prefix outside the filter.
        #[allow(deprecated)]
        let prefix = filter.and_then(|f| f.prefix()).or(and.and_then(|and| and.prefix())).or(rule.prefix());
        let tags = filter.and_then(|f| f.tag()).map(std::slice::from_ref).or(and.map(|and| and.tags())).unwrap_or_default();
        let sizes = |of: fn(&s3::LifecycleRuleFilter) -> Option<i64>, both: fn(&s3::LifecycleRuleAndOperator) -> Option<i64>| {
            filter.and_then(of).or(and.and_then(both)).unwrap_or_default()
        };
        let noncurrent = rule.noncurrent_version_expiration();
        let moves = rule.transitions().iter().filter(|t| t.date.is_none()).map(|t| (t.days(), t.storage_class()));
        let noncurrent_moves = rule.noncurrent_version_transitions().iter().map(|t| (t.noncurrent_days(), t.storage_class()));
        let transition = |(days, class): (Option<i32>, Option<&s3::TransitionStorageClass>)| Transition {
            days: days.unwrap_or_default(),
            storage_class: class.map(|class| class.as_str().to_owned()).unwrap_or_default(),
        };
        let dated = rule.transitions().iter().filter_map(|transition| {
            let storage_class = transition.storage_class.as_ref()?.as_str().to_owned();
            Some(DatedTransition { date: day(transition.date.as_ref()?), storage_class })
        });
        LifecycleRule {
            enabled: rule.status == ExpirationStatus::Enabled,
            prefix: prefix.unwrap_or_default().to_owned(),
            tags: services::s3::from_tags(tags),
            larger_than_bytes: sizes(|f| f.object_size_greater_than, |a| a.object_size_greater_than),
            smaller_than_bytes: sizes(|f| f.object_size_less_than, |a| a.object_size_less_than),
            expire_days: rule.expiration().and_then(|e| e.days()).unwrap_or_default(),
            expire_date: rule.expiration().and_then(|e| e.date()).map(day).unwrap_or_default(),
            expire_delete_markers: rule.expiration().and_then(|e| e.expired_object_delete_marker()).unwrap_or_default(),
            noncurrent_expire_days: noncurrent.and_then(|e| e.noncurrent_days()).unwrap_or_default(),
            noncurrent_keep: noncurrent.and_then(|e| e.newer_noncurrent_versions()).unwrap_or_default(),
            abort_multipart_days: rule.abort_incomplete_multipart_upload().and_then(|a| a.days_after_initiation()).unwrap_or_default(),
            transitions: moves.map(transition).collect(),
            dated_transitions: dated.collect(),
            noncurrent_transitions: noncurrent_moves.map(transition).collect(),
        }
    }
}

/// Midnight of a day, as S3 requires.
fn midnight(date: &str) -> Result<DateTime> {
    DateTime::from_str(&format!("{date}T00:00:00Z"), DateTimeFormat::DateTime)
        .map_err(|error| Error::new(ErrorKind::Rejected, "Shape", format!("`{date}` is not a valid date: {error}")))
}

/// The day of a time.
fn day(time: &DateTime) -> String {
    let text = time.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use s3::TransitionStorageClass::{DeepArchive, Glacier};

    use super::*;

    fn live() -> s3::LifecycleRule {
        let date = midnight("2030-03-17").expect("a date");
        let old = s3::NoncurrentVersionTransition::builder().noncurrent_days(30).storage_class(Glacier).newer_noncurrent_versions(3);
        s3::LifecycleRule::builder()
            .id("old")
            .status(ExpirationStatus::Enabled)
            .filter(s3::LifecycleRuleFilter::builder().prefix("logs/").build())
            .expiration(s3::LifecycleExpiration::builder().date(date).build())
            .transitions(s3::Transition::builder().date(date).storage_class(DeepArchive).build())
            .noncurrent_version_transitions(old.build())
            .build()
            .expect("a rule")
    }

    fn sent(wanted: &LifecycleRule) -> s3::LifecycleRule {
        wanted.with_unmanaged_parts(wanted.to_sdk("old").expect("a rule"), &[live()])
    }

    #[test]
    fn dates_are_read_and_an_update_keeps_versions_that_acme_has_no_field_for() {
        let mut wanted = LifecycleRule::read(&live());
        assert_eq!(wanted.expire_date, "2030-03-17");
        let transition = DatedTransition { date: "2030-03-17".to_owned(), storage_class: "DEEP_ARCHIVE".to_owned() };
        assert_eq!(wanted.dated_transitions, [transition].into());
        assert!(wanted.transitions.is_empty() && wanted.expire_days == 0);
        assert_eq!(wanted.check("old"), None);
        assert_eq!(sent(&wanted), live());
        wanted.prefix = "old/".to_owned();
        let changed = sent(&wanted);
        assert_eq!((&changed.expiration, &changed.transitions), (&live().expiration, &live().transitions));
        assert_eq!(changed.noncurrent_version_transitions, live().noncurrent_version_transitions);
        assert_eq!(LifecycleRule::read(&changed).prefix, "old/");
    }

    #[test]
    fn a_rule_has_either_dates_or_days() {
        let live = LifecycleRule::read(&live());
        let message = |rule: LifecycleRule| rule.check("old").map(|problem| problem.message);
        let both = LifecycleRule { expire_days: 90, ..live.clone() };
        assert_eq!(message(both).as_deref(), Some("S3 does not accept dates and days in one rule"));
        let wrong = LifecycleRule { expire_date: "2030-02-31".to_owned(), ..live.clone() };
        assert_eq!(message(wrong).as_deref(), Some("`2030-02-31` is not a valid date"));
        let days = LifecycleRule { expire_days: 90, expire_date: String::new(), dated_transitions: BTreeSet::new(), ..live };
        let changed = sent(&days);
        assert_eq!(changed.expiration, Some(s3::LifecycleExpiration::builder().days(90).build()));
        assert_eq!(changed.transitions, None);
    }
}
