//! Replication of objects to other buckets.

use std::collections::BTreeMap;

use acme_macros::spec;
use aws_sdk_s3::types::{self as s3, ReplicationRuleStatus};

use super::S3Bucket;
use crate::{
    aws::{
        Aws, services,
        types::{iam_role::IamRole, kms_key::KmsKey},
    },
    core::{ArnRef, Declared, Problem, Result, ok_or_not_found},
};

/// Replication of new objects to other buckets.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Replication {
    /// Role that S3 assumes to read the objects and to write their copies.
    pub role: ArnRef<IamRole>,
    /// Rules, by name.
    #[field(length = 1..=1000)]
    pub rules: BTreeMap<String, ReplicationRule>,
}

/// Objects to copy to one bucket.
#[spec]
#[derive(PartialEq, Eq)]
pub struct ReplicationRule {
    /// Enables the rule.
    #[field(default = true)]
    pub enabled: bool,
    /// Priority: of several rules for an object and a destination, the one with the highest number applies.
    #[field(range = 0..=2_147_483_647)]
    pub priority: i32,
    /// Prefix of object names; empty for all objects.
    #[field(default, length = 0..=1024)]
    pub prefix: String,
    /// Tags that objects must have, all of them.
    #[field(default)]
    pub tags: BTreeMap<String, String>,
    /// Bucket that receives the copies, with versioning enabled.
    pub bucket: ArnRef<S3Bucket>,
    /// Id of the destination's account, which becomes the owner of the copies.
    #[field(default, dropped = None, pattern = "[0-9]{12}")]
    pub owner_account: Option<String>,
    /// Storage class of the copies.
    #[field(unset = "that of the object", dropped = None)]
    #[field(one_of = ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"])]
    pub storage_class: Option<String>,
    /// Key in the destination's region that encrypts copies of objects encrypted with a key in KMS. Without it, S3 does not copy such objects.
    #[field(default, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Copies delete markers: an object deleted here then looks deleted there, too.
    #[field(default = false)]
    pub delete_markers: bool,
    /// Copies changes of metadata that were made to replicas.
    #[field(default = false)]
    pub replica_changes: bool,
    /// Copies 99.9 % of the objects within 15 minutes (replication time control), at an extra charge.
    #[field(default = false)]
    pub within_15_minutes: bool,
    /// Publishes metrics of the replication. `within_15_minutes` includes them.
    #[field(default = false)]
    pub metrics: bool,
}

/// Minutes of replication time control, the only value that S3 accepts.
const MINUTES: i32 = 15;

impl Replication {
    pub(super) fn check(&self, versioning: bool) -> Vec<Problem> {
        let at = S3Bucket::POINTERS.replication;
        let mut problems = Vec::new();
        if !versioning {
            problems.push(Problem::new(at.clone(), "S3 replicates only versioned buckets").help("set `versioning: true`"));
        }
        for (number, (name, rule)) in self.rules.iter().enumerate() {
            let at = at.clone().field(Self::POINTERS.rules).item(name);
            if !(1..=255).contains(&name.chars().count()) {
                problems.push(Problem::new(at.clone(), "the name of a rule has 1 to 255 characters"));
            }
            if let Some((other, _)) = self.rules.iter().take(number).find(|(_, other)| other.priority == rule.priority) {
                let problem =
                    Problem::new(at.clone().field(ReplicationRule::POINTERS.priority), format!("`{other}` has the same priority"));
                problems.push(problem.help("give every rule another number"));
            }
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-marker-replication.html
            if rule.delete_markers && !rule.tags.is_empty() {
                let at = at.field(ReplicationRule::POINTERS.delete_markers);
                problems.push(Problem::new(at, "S3 does not replicate delete markers for rules with `tags`"));
            }
        }
        problems
    }

    /// The destinations have versions.
    pub(super) fn check_declared(&self, declared: &Declared<'_, S3Bucket>) -> Vec<Problem> {
        let unversioned = |(name, rule): (&String, &ReplicationRule)| {
            let (address, _) = declared.referenced(&rule.bucket).filter(|(_, bucket)| !bucket.versioning)?;
            let at = S3Bucket::POINTERS.replication.field(Self::POINTERS.rules).item(name).field(ReplicationRule::POINTERS.bucket);
            Some(Problem::new(at, format!("`{address}` has no versioning, which replication needs")).help("set `versioning: true` there"))
        };
        self.rules.iter().filter_map(unversioned).collect()
    }

    /// Metrics that replication time control includes can also be declared.
    pub(super) fn normalize(&self, live: &mut Replication) {
        for (name, live) in &mut live.rules {
            if let Some(wanted) = self.rules.get(name).filter(|wanted| wanted.within_15_minutes && live.within_15_minutes) {
                live.metrics = wanted.metrics;
            }
        }
    }

    /// Replaces all rules. Parts of rules of the same name that acme does not manage are read and sent back.
    pub(super) async fn put(&self, aws: &Aws, bucket: &str, had_some: bool) -> Result<()> {
        let live = if had_some { ok_or_not_found(aws.s3.get_bucket_replication().bucket(bucket).send().await)? } else { None };
        let live = live.and_then(|reply| reply.replication_configuration).map(|all| all.rules).unwrap_or_default();
        let rules = self.rules.iter().map(|(id, rule)| {
            let existing =
                live.iter().find(|live| live.id.as_deref() == Some(id)).and_then(|live| live.existing_object_replication.clone());
            let mut rule = rule.to_sdk(id)?;
            rule.existing_object_replication = existing;
            Ok(rule)
        });
        let rules = rules.collect::<Result<Vec<_>>>()?;
        let all = s3::ReplicationConfiguration::builder().role(self.role.get()).set_rules(Some(rules)).build()?;
        aws.s3.put_bucket_replication().bucket(bucket).replication_configuration(all).send().await?;
        Ok(())
    }

    pub(super) async fn read(aws: &Aws, bucket: &str) -> Result<Option<Replication>> {
        let reply = ok_or_not_found(aws.s3.get_bucket_replication().bucket(bucket).send().await)?;
        let read = |all: s3::ReplicationConfiguration| Replication {
            role: ArnRef::to(all.role),
            rules: all.rules.into_iter().map(|rule| (rule.id.clone().unwrap_or_default(), ReplicationRule::read(rule))).collect(),
        };
        Ok(reply.and_then(|reply| reply.replication_configuration).map(read))
    }
}

impl ReplicationRule {
    fn filter(&self) -> s3::ReplicationRuleFilter {
        let filter = s3::ReplicationRuleFilter::builder();
        let mut tags = services::s3::to_tags(&self.tags);
        match (self.prefix.is_empty(), tags.len()) {
            (_, 0) => filter.prefix(&self.prefix).build(),
            (true, 1) => filter.set_tag(tags.pop()).build(),
            (no_prefix, _) => {
                let prefix = (!no_prefix).then(|| self.prefix.clone());
                filter.and(s3::ReplicationRuleAndOperator::builder().set_prefix(prefix).set_tags(Some(tags)).build()).build()
            }
        }
    }
    fn to_sdk(&self, id: &str) -> Result<s3::ReplicationRule> {
        let mut to = s3::Destination::builder().bucket(self.bucket.get());
        to = to.set_storage_class(self.storage_class.as_deref().map(s3::StorageClass::from));
        if let Some(account) = &self.owner_account {
            let owner = s3::AccessControlTranslation::builder().owner(s3::OwnerOverride::Destination).build()?;
            to = to.account(account).access_control_translation(owner);
        }
        if let Some(key) = &self.kms_key {
            to = to.encryption_configuration(s3::EncryptionConfiguration::builder().replica_kms_key_id(key.get()).build());
        }
        let limit = s3::ReplicationTimeValue::builder().minutes(MINUTES).build();
        if self.within_15_minutes {
            let time = s3::ReplicationTime::builder().status(s3::ReplicationTimeStatus::Enabled).time(limit.clone()).build()?;
            to = to.replication_time(time);
        }
        if self.within_15_minutes || self.metrics {
            let metrics = s3::Metrics::builder().status(s3::MetricsStatus::Enabled);
            to = to.metrics(metrics.set_event_threshold(self.within_15_minutes.then_some(limit)).build()?);
        }
        let status = if self.enabled { ReplicationRuleStatus::Enabled } else { ReplicationRuleStatus::Disabled };
        let rule = s3::ReplicationRule::builder().id(id).status(status).priority(self.priority).filter(self.filter());
        let markers = match self.delete_markers {
            true => s3::DeleteMarkerReplicationStatus::Enabled,
            false => s3::DeleteMarkerReplicationStatus::Disabled,
        };
        let rule = rule.delete_marker_replication(s3::DeleteMarkerReplication::builder().status(markers).build());
        Ok(rule.set_source_selection_criteria(self.selection()?).destination(to.build()?).build()?)
    }
    fn selection(&self) -> Result<Option<s3::SourceSelectionCriteria>> {
        if self.kms_key.is_none() && !self.replica_changes {
            return Ok(None);
        }
        let mut criteria = s3::SourceSelectionCriteria::builder();
        if self.kms_key.is_some() {
            let encrypted = s3::SseKmsEncryptedObjects::builder().status(s3::SseKmsEncryptedObjectsStatus::Enabled).build()?;
            criteria = criteria.sse_kms_encrypted_objects(encrypted);
        }
        if self.replica_changes {
            let changes = s3::ReplicaModifications::builder().status(s3::ReplicaModificationsStatus::Enabled).build()?;
            criteria = criteria.replica_modifications(changes);
        }
        Ok(Some(criteria.build()))
    }
    fn read(rule: s3::ReplicationRule) -> ReplicationRule {
        let (filter, and) = (rule.filter.as_ref(), rule.filter.as_ref().and_then(|filter| filter.and()));
        // Rules of the first version have their prefix outside the filter.
        #[allow(deprecated)]
        let prefix = filter.and_then(|f| f.prefix()).or(and.and_then(|and| and.prefix())).or(rule.prefix());
        let tags = filter.and_then(|f| f.tag()).map(std::slice::from_ref).or(and.map(|and| and.tags())).unwrap_or_default();
        let (prefix, tags) = (prefix.unwrap_or_default().to_owned(), services::s3::from_tags(tags));
        let to = rule.destination.as_ref();
        let markers = rule.delete_marker_replication.and_then(|markers| markers.status);
        let criteria = rule.source_selection_criteria.as_ref();
        let within_15_minutes =
            to.and_then(|to| to.replication_time()).is_some_and(|time| time.status == s3::ReplicationTimeStatus::Enabled);
        let metrics = to.and_then(|to| to.metrics()).is_some_and(|metrics| metrics.status == s3::MetricsStatus::Enabled);
        ReplicationRule {
            enabled: rule.status == ReplicationRuleStatus::Enabled,
            priority: rule.priority.unwrap_or_default(),
            prefix,
            tags,
            bucket: ArnRef::to(to.map(|to| to.bucket()).unwrap_or_default()),
            owner_account: to.filter(|to| to.access_control_translation.is_some()).and_then(|to| to.account.clone()),
            storage_class: to.and_then(|to| to.storage_class()).map(|class| class.as_str().to_owned()),
            kms_key: to.and_then(|to| to.encryption_configuration()?.replica_kms_key_id.clone()).map(ArnRef::to),
            delete_markers: markers == Some(s3::DeleteMarkerReplicationStatus::Enabled),
            replica_changes: criteria
                .and_then(|criteria| criteria.replica_modifications())
                .is_some_and(|changes| changes.status == s3::ReplicaModificationsStatus::Enabled),
            within_15_minutes,
            // Replication time control includes the metrics.
            metrics: metrics && !within_15_minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule(more: Value) -> ReplicationRule {
        let mut rule = json!({ "priority": 1, "bucket": "arn:aws:s3:::copies" });
        rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(rule).expect("a rule")
    }

    #[test]
    fn rules_survive_a_round_trip() {
        for more in [
            json!({}),
            json!({ "prefix": "images/" }),
            json!({ "tags": { "team": "web" } }),
            json!({ "prefix": "images/", "tags": { "team": "web" } }),
            json!({ "tags": { "team": "web", "tier": "one" }, "enabled": false }),
            json!({ "owner_account": "123456789012", "storage_class": "GLACIER_IR", "delete_markers": true, "metrics": true }),
            json!({ "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/0", "replica_changes": true, "within_15_minutes": true }),
        ] {
            let wanted = rule(more);
            assert_eq!(ReplicationRule::read(wanted.to_sdk("a").expect("a rule")), wanted);
        }
    }

    #[test]
    fn reports_what_s3_rejects() {
        let problems = |versioning: bool, one: Value, other: Value| {
            let rules = [("a".to_owned(), rule(one)), ("b".to_owned(), rule(other))].into();
            let all = Replication { role: ArnRef::to("r"), rules };
            all.check(versioning).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(true, json!({}), json!({ "priority": 2 })), [""; 0]);
        assert_eq!(problems(false, json!({}), json!({ "priority": 2 })), ["/replication"]);
        assert_eq!(problems(true, json!({}), json!({})), ["/replication/rules/b/priority"]);
        let markers = json!({ "delete_markers": true, "tags": { "a": "b" }, "priority": 2 });
        assert_eq!(problems(true, json!({}), markers), ["/replication/rules/b/delete_markers"]);
    }
}
